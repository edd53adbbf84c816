/* Does this board compute the same bits as the simulator? Take samples of the recording, watch the rows, and compare. */
#include "el_selftest.h"

#include "el_selftest_numbers.h"

#define FNV_START 2166136261UL
#define FNV_PRIME 16777619UL

static uint32_t hashed(uint32_t hash, uint32_t value)
{
    return (uint32_t)((hash ^ value) * FNV_PRIME);
}

bool el_selftest(el_stream *stream)
{
    uint32_t levels = FNV_START;
    uint32_t scores = FNV_START; /* and alarms */
    uint32_t words = FNV_START;
    uint32_t rows = 0U;
    el_stream_init(stream);
    for (uint32_t i = 0U; i < EL_SELFTEST_SAMPLES; i++) {
        if (el_push(&stream->front, &EL_SELFTEST_NUMBERS[i * EL_CHANNELS])) {
            const bool alarm = el_stream_watch(stream);
            for (uint32_t k = 0U; k < EL_INPUTS; k++) {
                levels = hashed(levels, (uint8_t)stream->front.levels[k]);
            }
            scores = hashed(scores, (stream->net.phase > 0U) ? stream->net.score : 0U);
            scores = hashed(scores, alarm ? 1U : 0U);
            rows++;
        }
    }
    for (uint32_t i = 0U; i < EL_WORDS; i++) {
        words = hashed(words, (uint16_t)stream->net.words[i]);
    }
    return (rows == EL_SELFTEST_ROWS) && (levels == EL_SELFTEST_LEVELS) && (scores == EL_SELFTEST_SCORES) &&
           (words == EL_SELFTEST_WORDS);
}
