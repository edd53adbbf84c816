/* Does this board compute the same bits as the simulator? Take samples of the recording, learn the rows, and compare. */
#include "el_selftest.h"

#include "el_selftest_numbers.h"

#define FNV_START 2166136261UL
#define FNV_PRIME 16777619UL

bool el_selftest(el_stream *stream)
{
    uint32_t words = FNV_START;
    uint32_t levels = FNV_START;
    uint32_t row = 0U;
    el_stream_init(stream);
    for (uint32_t i = 0U; i < EL_SELFTEST_SAMPLES; i++) {
        if (EL_SELFTEST_BEGINS[i] != 0U) {
            el_segment(&stream->front);
        }
        if (el_push(&stream->front, &EL_SELFTEST_NUMBERS[i * EL_CHANNELS])) {
            for (uint32_t k = 0U; k < EL_INPUTS; k++) {
                levels = (uint32_t)((levels ^ (uint8_t)stream->front.levels[k]) * FNV_PRIME);
            }
            if (el_stream_step(stream, EL_SELFTEST_LABELS[row]) != EL_SELFTEST_PREDICTIONS[row]) {
                return false;
            }
            row++;
        }
    }
    for (uint32_t i = 0U; i < EL_WORDS; i++) {
        words = (uint32_t)((words ^ (uint32_t)(uint16_t)(int16_t)stream->net.words[i]) * FNV_PRIME);
    }
    return (row == EL_SELFTEST_ROWS) && (levels == EL_SELFTEST_LEVELS) && (words == EL_SELFTEST_WORDS);
}
