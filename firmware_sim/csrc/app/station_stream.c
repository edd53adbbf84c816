/* The main loop of a station that learns a stream behind a front end, and goes on after a loss of power.
 *
 * How far it got is net.front.samples, which lies in the checkpoint. It saves at the end of a row; windows begin anew after a
 * restart, so that a stream whose windows follow one another goes on as if nothing had happened.
 */
#include "el_checkpoint.h"
#include "el_stream.h"

#if (EL_WINDOW != EL_STRIDE) || (EL_LATE_BY > 0) || (EL_UPDATE_GATE != EL_GATE_ALWAYS)
#error "a row must hold all samples behind the row before, and be learned when it ends"
#endif

el_stream net;

void station_start(void);
void station_run(const int32_t *numbers, const uint16_t *labels, uint32_t n, uint32_t every);
void station_checkpoint(uint8_t *out);

void station_start(void)
{
    if (!el_restore(&net)) {
        el_stream_init(&net);
    }
}

/* Take what is left of n samples, the label of a row beside its last one, and save after each `every` rows. */
void station_run(const int32_t *numbers, const uint16_t *labels, uint32_t n, uint32_t every)
{
    uint32_t unsaved = 0U;
    while (net.front.samples < n) {
        const uint32_t at = net.front.samples;
        if (el_push(&net.front, &numbers[at * EL_CHANNELS])) {
            (void)el_stream_step(&net, labels[at]);
            unsaved++;
            if ((unsaved >= every) && el_save(&net)) {
                unsaved = 0U;
            }
        }
    }
}

void station_checkpoint(uint8_t *out)
{
    el_checkpoint_out(&net, 0U, out);
}
