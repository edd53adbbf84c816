/* Example of a test in C: replays inputs and d of one layer, and compares z, q, y, g, every step and all words.
 *
 *   cc -std=c99 -I layer1 -o layer_test layer_test.c && ./layer_test
 *
 * Run it in the folder of the vectors; layer.h has the numbers of the layer. Put your own code in place of sum_of,
 * index_of and step_of. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "layer.h"

static long compared, wrong;

/* --- your code --------------------------------------------------------------------------------------------- */

static int64_t rounded(int64_t x, int shift)
{
    int64_t half = shift > 0 ? (int64_t)1 << (shift - 1) : 0, scale = (int64_t)1 << (shift > 0 ? shift : -shift);
    if (shift <= 0)
        return x * scale;
    x += half;
    return x >= 0 ? x / scale : -((-x + scale - 1) / scale); /* downwards, whatever >> does with a sign */
}

static int64_t limited(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static int32_t view_of(int32_t word, int bits)
{
    int scale = 1 << (bits - VIEW_BITS);
    return word >= 0 ? word / scale : -((-word + scale - 1) / scale);
}

static int32_t sum_of(const int32_t *x, const int32_t *weights, int32_t bias)
{
    int64_t sum = (int64_t)BIAS_LEVEL * view_of(bias, BIAS_BITS), half = (int64_t)1 << (ACCUMULATOR_BITS - 1);
    for (int i = 0; i < N_IN; i++)
        sum += (int64_t)x[i] * view_of(weights[i], WEIGHT_BITS);
    sum = (sum + half) % (2 * half);
    return (int32_t)((sum < 0 ? sum + 2 * half : sum) - half);
}

static int index_of(int32_t z)
{
    return (int)limited(rounded(z, SUM_SHIFT), -128, 127);
}

static int32_t step_of(int32_t x, int32_t d, unsigned random)
{
    int64_t most = ((int64_t)1 << (BIAS_BITS - 1)) - 1, product = -(int64_t)x * d;
    if (!STOCHASTIC)
        return (int32_t)limited(rounded(product, STEP_SHIFT), -most, most);
    int64_t fine = limited(rounded(product, STEP_SHIFT - 8), -256 * most, 256 * most);
    int64_t whole = rounded(fine - 128, 8);
    return (int32_t)(whole + ((int64_t)random < fine - 256 * whole));
}

/* --- the test ---------------------------------------------------------------------------------------------- */

static int32_t *read_words(const char *path, long n, int bits, int has_sign)
{
    FILE *file = fopen(path, "r");
    int32_t *words = calloc((size_t)n + 1, sizeof *words);
    unsigned long word;
    if (!file || !words) {
        printf("%s cannot be read\n", path);
        exit(2);
    }
    for (long i = 0; i < n; i++) {
        if (fscanf(file, "%lx", &word) != 1) {
            printf("%s ends after %ld lines, %ld are needed\n", path, i, n);
            exit(2);
        }
        int64_t value = (int64_t)word;
        if (has_sign && value >> (bits - 1))
            value -= (int64_t)1 << bits;
        words[i] = (int32_t)value; /* of the 32 bits of a generator, the same bits */
    }
    fclose(file);
    return words;
}

static void compare(const char *name, long place, int64_t found, int64_t wanted)
{
    compared++;
    if (found != wanted && wrong++ < 10)
        printf("layer %d, %s %ld: %lld, wanted %lld\n", LAYER, name, place, (long long)found, (long long)wanted);
}

static uint32_t next(uint32_t s)
{
    s ^= s << 13;
    s ^= s >> 17;
    s ^= s << 5;
    return s;
}

int main(void)
{
    const long xs = (long)N_SAMPLES * N_IN, ys = (long)N_SAMPLES * N_OUT, words = (long)N_IN * N_OUT;
    const int32_t least_bias = -((int32_t)1 << (BIAS_BITS - 1)), most = -(least_bias + 1);
    int32_t *x_words = read_words(X_FILE, xs, X_BITS, X_SIGNED);
    int32_t *z = read_words(FOLDER "/z.hex", ys, 32, 1), *q = read_words(FOLDER "/q.hex", ys, 8, 1);
    int32_t *weights = read_words(FOLDER "/weights_start.hex", words, WEIGHT_BITS, 1);
    int32_t *weights_end = read_words(FOLDER "/weights_end.hex", words, WEIGHT_BITS, 1);
    int32_t *biases = read_words(FOLDER "/biases_start.hex", N_OUT, BIAS_BITS, 1);
    int32_t *biases_end = read_words(FOLDER "/biases_end.hex", N_OUT, BIAS_BITS, 1);
    int32_t *y = 0, *g = 0, *y_table = 0, *g_table = 0, *d = 0, *steps = 0, *counts = 0, *states = 0, *keys = 0;
    uint32_t *draws = calloc((size_t)N_IN + 1, sizeof *draws);
    long at = 0;
    if (HIDDEN) {
        y_table = read_words("tables/activation.hex", 256, 8, 1), g_table = read_words("tables/gate.hex", 256, 7, 0);
        y = read_words(FOLDER "/y.hex", ys, 8, 1), g = read_words(FOLDER "/g.hex", ys, 7, 0);
    }
    if (LEARNS_BIASES) {
        d = read_words(D_FILE, ys, D_BITS, 1), steps = read_words(FOLDER "/step.hex", N_STEPS, BIAS_BITS, 1);
        counts = read_words(FOLDER "/step_count.hex", N_SAMPLES, 32, 0);
    }
    if (STOCHASTIC && LEARNS_BIASES) {
        states = read_words(FOLDER "/generator.hex", N_SAMPLES, 32, 0);
        keys = read_words("tables/key.hex", N_OUT, 8, 0);
    }
    for (long sample = 0; sample < N_SAMPLES; sample++) {
        const int32_t *x = x_words + sample * N_IN;
        for (int j = 0; j < N_OUT; j++) {
            long place = sample * N_OUT + j;
            int32_t sum = sum_of(x, weights + (long)j * N_IN, biases[j]);
            int index = index_of(sum);
            compare("z", place, sum, z[place]);
            compare("q", place, index, q[place]);
            if (HIDDEN) {
                int32_t value = y_table[index & 255];
                compare("y", place, abs(value) <= EVENT_THRESHOLD ? 0 : value, y[place]);
                compare("g", place, g_table[index & 255], g[place]);
            }
        }
        if (!LEARNS_BIASES)
            continue;
        long begun = at;
        int drawn = 0;
        for (int j = 0; j < N_OUT; j++) {
            int32_t one = d[sample * N_OUT + j];
            int event = 0;
            if (one == 0)
                continue;
            if (STOCHASTIC && !drawn) {
                uint32_t state = (uint32_t)states[sample];
                for (int i = 0; i < N_IN; i++)
                    if (LEARNS_WEIGHTS && x[i] != 0)
                        draws[event++] = state = next(state);
                draws[event] = next(state);
                drawn = 1;
                event = 0;
            }
            for (int i = 0; i <= N_IN; i++) { /* the bias is behind the last input */
                int is_bias = i == N_IN;
                int32_t level = is_bias ? BIAS_LEVEL : x[i];
                int32_t *word = is_bias ? biases + j : weights + (long)j * N_IN + i;
                if (!is_bias && (!LEARNS_WEIGHTS || level == 0))
                    continue;
                unsigned random = STOCHASTIC ? (draws[event++] >> 8 * (j % 4) & 255) ^ (unsigned)keys[j] : 0;
                int32_t step = step_of(level, one, random);
                compare("step", at, step, at < N_STEPS ? steps[at] : 0);
                at++;
                *word = (int32_t)limited((int64_t)*word + step, is_bias ? least_bias : WEIGHT_MIN, most);
            }
        }
        compare("number of steps", sample, at - begun, counts[sample]);
    }
    for (long i = 0; i < words; i++)
        compare("weight", i, weights[i], weights_end[i]);
    for (int j = 0; j < N_OUT; j++)
        compare("bias", j, biases[j], biases_end[j]);
    printf("layer %d: %s, %ld values of %d samples, %ld wrong\n", LAYER, wrong ? "DIFFERENT" : "equal", compared,
           N_SAMPLES, wrong);
    return wrong != 0;
}
