/* What an emulator or a host program calls where targets are numbers: a learner in RAM, and loops over rows in memory. */
#include "el_checkpoint.h"
#include "el_learner.h"

el_learner net;

void replay_init(void);
void replay(const el_level *levels, const int16_t *given, int16_t *outputs, uint32_t n);
void replay_watch(const el_level *levels, const int16_t *given, void *results, uint32_t n);
void replay_checkpoint(uint8_t *out);
bool replay_resume(const uint8_t *bytes);

void replay_init(void)
{
    el_init(&net);
}

static void copy_outputs(int16_t *outputs)
{
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        outputs[c] = net.output[c];
    }
}

/* Of each row, its targets and whether it is learned, or only predicted. */
void replay(const el_level *levels, const int16_t *given, int16_t *outputs, uint32_t n)
{
    for (uint32_t i = 0U; i < n; i++) {
        const el_level *row = &levels[i * EL_INPUTS];
        const int16_t *targets = &given[i * (EL_OUTPUTS + 1U)];
        if (targets[EL_OUTPUTS] == 0) {
            el_predict(&net, row);
        } else {
#if EL_RECONSTRUCTS
            el_learn(&net, row);
#else
            el_learn(&net, row, targets);
#endif
        }
        copy_outputs(&outputs[i * EL_OUTPUTS]);
    }
}

#if EL_DETECTOR
/* Results are five numbers of 64 bits of each row (score, smoothed score, limit in force, phase, alarm), and behind those
 * of all rows the outputs. */
void replay_watch(const el_level *levels, const int16_t *given, void *results, uint32_t n)
{
    int64_t *found = (int64_t *)results;
    int16_t *outputs = (int16_t *)(void *)&found[n * 5U];
    for (uint32_t i = 0U; i < n; i++) {
        int64_t *row = &found[i * 5U];
        const int64_t limit = net.detector.level[EL_LIMIT];
#if EL_RECONSTRUCTS
        row[4] = el_watch(&net, &levels[i * EL_INPUTS]) ? 1 : 0;
#else
        row[4] = el_watch(&net, &levels[i * EL_INPUTS], &given[i * (EL_OUTPUTS + 1U)]) ? 1 : 0;
#endif
        row[0] = (int64_t)net.score;
        row[1] = (int64_t)net.detector.smoothed;
        row[2] = (net.phase == EL_DETECT) ? limit : 0;
        row[3] = (int64_t)net.phase;
        copy_outputs(&outputs[i * EL_OUTPUTS]);
    }
    (void)given;
}
#endif

void replay_checkpoint(uint8_t *out)
{
    el_checkpoint_out(&net, 0U, out);
}

bool replay_resume(const uint8_t *bytes)
{
    return el_checkpoint_in(&net, bytes);
}
