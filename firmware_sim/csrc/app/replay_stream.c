/* What an emulator or a host program calls of a stream: samples that lie in memory, row after row. */
#include "el_checkpoint.h"
#include "el_stream.h"

#define REPLAY_SEGMENT 1U /* marks of a sample: it begins a recording; there is no time for the row that it ends */
#define REPLAY_DROP 2U
#define REPLAY_RESTART 4U /* everything begins anew with it */

el_stream stream;

void replay_init(void);
uint32_t replay_stream(const void *const *parts, uint32_t n);
bool replay_push(const int32_t *sample);
uint16_t replay_step(uint16_t label);
void replay_checkpoint(uint8_t *out);
bool replay_resume(const uint8_t *bytes);
bool replay_save(void);

void replay_init(void)
{
    el_stream_init(&stream);
}

#if EL_DETECTOR
/* Return the rows that ended with one of n samples.
 * parts: samples, a mark a sample, nothing; written: levels of each row, and five numbers of it: score, smoothed score,
 * limit in force, phase, alarm */
uint32_t replay_stream(const void *const *parts, uint32_t n)
{
    const int32_t *samples = (const int32_t *)parts[0];
    const uint8_t *marks = (const uint8_t *)parts[1];
    el_level *levels = (el_level *)(uintptr_t)parts[3];
    int64_t *found = (int64_t *)(uintptr_t)parts[4];
    uint32_t rows = 0U;
    for (uint32_t i = 0U; i < n; i++) {
        if ((marks[i] & REPLAY_RESTART) != 0U) {
            el_stream_init(&stream);
        }
        if ((marks[i] & REPLAY_SEGMENT) != 0U) {
            el_segment(&stream.front);
        }
        if (el_push(&stream.front, &samples[i * EL_CHANNELS])) {
            int64_t *row = &found[rows * 5U];
            const int64_t limit = stream.net.detector.level[EL_LIMIT];
            const bool alarm = el_stream_watch(&stream);
            for (uint32_t k = 0U; k < EL_INPUTS; k++) {
                levels[(rows * EL_INPUTS) + k] = stream.front.levels[k];
            }
            row[0] = (stream.net.phase > 0U) ? (int64_t)stream.net.score : 0;
            row[1] = (stream.net.phase > 0U) ? (int64_t)stream.net.detector.smoothed : 0;
            row[2] = (stream.net.phase == EL_DETECT) ? limit : 0;
            row[3] = (int64_t)stream.net.phase;
            row[4] = alarm ? 1 : 0;
            rows++;
        }
    }
    return rows;
}
#else
/* Return the rows that ended with one of n samples.
 * parts: samples, a mark a sample, the label that comes with each sample; written: levels and class of each row */
uint32_t replay_stream(const void *const *parts, uint32_t n)
{
    const int32_t *samples = (const int32_t *)parts[0];
    const uint8_t *marks = (const uint8_t *)parts[1];
    const uint16_t *labels = (const uint16_t *)parts[2];
    el_level *levels = (el_level *)(uintptr_t)parts[3];
    uint16_t *predictions = (uint16_t *)(uintptr_t)parts[4];
    uint32_t rows = 0U;
    for (uint32_t i = 0U; i < n; i++) {
        if ((marks[i] & REPLAY_SEGMENT) != 0U) {
            el_segment(&stream.front);
        }
        if (el_push(&stream.front, &samples[i * EL_CHANNELS])) {
            for (uint32_t k = 0U; k < EL_INPUTS; k++) {
                levels[(rows * EL_INPUTS) + k] = stream.front.levels[k];
            }
            if ((marks[i] & REPLAY_DROP) != 0U) {
                el_stream_drop(&stream, labels[i]);
                predictions[rows] = EL_NO_LABEL;
            } else {
                predictions[rows] = el_stream_step(&stream, labels[i]);
            }
            rows++;
        }
    }
    return rows;
}
#endif

bool replay_push(const int32_t *sample)
{
    return el_push(&stream.front, sample);
}

uint16_t replay_step(uint16_t label)
{
#if EL_DETECTOR
    (void)label;
    return el_stream_watch(&stream) ? 1U : 0U;
#else
    return el_stream_step(&stream, label);
#endif
}

void replay_checkpoint(uint8_t *out)
{
    el_checkpoint_out(&stream, 0U, out);
}

bool replay_resume(const uint8_t *bytes)
{
    return el_checkpoint_in(&stream, bytes);
}

bool replay_save(void)
{
    return el_save(&stream);
}
