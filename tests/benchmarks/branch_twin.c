/* gshare and perceptron as a C programmer writes them: plain loops, left to the compiler. The same counts as the product.
 *
 * Outcomes of the perceptron are a window of -1 and 1 that grows downwards, so that the newest is first.
 */
#include <stdint.h>
#include <string.h>

enum { ROOM = 4096 };

/* table: 2^bits counters, as they start; returns mispredictions */
int64_t gshare(const uint32_t *pc, const uint8_t *taken, int64_t n, uint8_t *table, int bits) {
    const uint32_t mask = (1u << bits) - 1;
    uint32_t history = 0;
    int64_t misses = 0;
    for (int64_t i = 0; i < n; i++) {
        uint8_t *counter = &table[(pc[i] ^ history) & mask];
        uint8_t outcome = taken[i], value = *counter;
        misses += (value >> 1) ^ outcome;
        *counter = outcome ? value + (value < 3) : value - (value > 0);
        history = (history << 1 | outcome) & mask;
    }
    return misses;
}

/* words: rows * (h + 1), zero, the bias last; window: ROOM + h outcomes, -1; returns mispredictions */
int64_t perceptron(const uint32_t *pc, const uint8_t *taken, int64_t n, int8_t *restrict words, uint32_t rows, int h,
                   int theta, int8_t *restrict window) {
    int at = ROOM;
    int64_t misses = 0;
    for (int64_t i = 0; i < n; i++) {
        int8_t *restrict row = words + (int64_t)(pc[i] % rows) * (h + 1);
        const int8_t *restrict x = window + at;
        int y = row[h];
        for (int j = 0; j < h; j++) y += row[j] * x[j];
        const int wrong = (y >= 0) != taken[i], t = taken[i] ? 1 : -1;
        misses += wrong;
        if (wrong || (y < 0 ? -y : y) <= theta) {
            for (int j = 0; j < h; j++) {
                const int value = row[j] + t * x[j];
                row[j] = value > 127 ? 127 : value < -128 ? -128 : value;
            }
            const int bias = row[h] + t;
            row[h] = bias > 127 ? 127 : bias < -128 ? -128 : bias;
        }
        if (at == 0) {
            memcpy(window + ROOM, window, h);
            at = ROOM;
        }
        window[--at] = t;
    }
    return misses;
}
