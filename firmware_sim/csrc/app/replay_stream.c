/* What an emulator or a host program calls of a stream: samples that lie in memory, row after row. */
#include "el_checkpoint.h"
#include "el_stream.h"

#define REPLAY_SEGMENT 1U /* marks of a sample: it begins a recording; there is no time for the row that it ends */
#define REPLAY_DROP 2U

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

bool replay_push(const int32_t *sample)
{
    return el_push(&stream.front, sample);
}

uint16_t replay_step(uint16_t label)
{
    return el_stream_step(&stream, label);
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
