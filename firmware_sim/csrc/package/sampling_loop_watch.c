/* The sampling loop of this detector. The functions of the board are yours to write, as are those of el_checkpoint.h. */
#include "el_checkpoint.h"
#include "el_stream.h"

#define SAVE_EVERY 1000U /* rows */

/* Wait for the next sample; EL_NO_VALUE for a channel without one. channels.csv says what the numbers count. */
extern void board_sample(int32_t sample[EL_CHANNELS]);

/* A row raised an alarm: its smoothed score is above the limit, both with 8 fraction bits. */
extern void board_alarm(int64_t smoothed, int64_t limit);

static el_stream stream;

int main(void)
{
    uint32_t rows = 0U;
    if (!el_restore(&stream)) {
        el_stream_init(&stream); /* or el_checkpoint_in(&stream, EL_STATE) of el_state.h: what the recording taught */
    }
    for (;;) {
        int32_t sample[EL_CHANNELS];
        board_sample(sample);
        if (el_push(&stream.front, sample)) {
            if (el_stream_watch(&stream)) {
                board_alarm((int64_t)stream.net.detector.smoothed, stream.net.detector.level[EL_LIMIT]);
            }
            rows++;
            if ((rows >= SAVE_EVERY) && el_save(&stream)) {
                rows = 0U;
            }
        }
    }
}
