/* The main loop of a station that learns a stream and goes on after a loss of power, wherever that strikes.
 *
 * How far it got is net.learned, which lies in the checkpoint: so position and words can never disagree. That takes a rule
 * that learns every sample, without an update gate, and a stream in which every sample has a label.
 */
#include "el_checkpoint.h"

#if EL_UPDATE_GATE != EL_GATE_ALWAYS
#error "the position in the stream is the number of samples learned: build without an update gate"
#endif

el_learner net;

void station_start(void);
void station_run(const el_level *levels, const uint16_t *labels, uint32_t n, uint32_t every);
void station_checkpoint(uint8_t *out);

/* After every reset: go on with the newest whole checkpoint, or from the beginning. */
void station_start(void)
{
    if (!el_restore(&net)) {
        el_init(&net);
    }
}

/* Learn what is left of n samples and save after each `every`. A save that failed is tried again after the next sample. */
void station_run(const el_level *levels, const uint16_t *labels, uint32_t n, uint32_t every)
{
    uint32_t unsaved = 0U;
    while (net.learned < n) {
        (void)el_learn(&net, &levels[net.learned * EL_INPUTS], labels[net.learned]);
        unsaved++;
        if ((unsaved >= every) && el_save(&net)) {
            unsaved = 0U;
        }
    }
}

/* What the station knows, for whoever asks. */
void station_checkpoint(uint8_t *out)
{
    el_checkpoint_out(&net, 0U, out);
}
