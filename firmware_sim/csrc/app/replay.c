/* What an emulator or a host program calls: a learner in RAM, and a loop over samples that lie in memory. */
#include "el_checkpoint.h"
#include "el_learner.h"

el_learner net;

void replay_init(void);
void replay(const el_level *levels, const uint16_t *labels, uint16_t *predictions, uint32_t n);
uint16_t replay_predict(const el_level *levels);
uint16_t replay_learn(const el_level *levels, uint16_t label);
void replay_checkpoint(uint8_t *out);
bool replay_resume(const uint8_t *bytes);
bool replay_save(void);

void replay_init(void)
{
    el_init(&net);
}

/* A label of EL_CLASSES or more is a sample without one. */
void replay(const el_level *levels, const uint16_t *labels, uint16_t *predictions, uint32_t n)
{
    for (uint32_t i = 0U; i < n; i++) {
        predictions[i] = el_learn(&net, &levels[i * EL_INPUTS], labels[i]);
    }
}

uint16_t replay_predict(const el_level *levels)
{
    return el_predict(&net, levels);
}

uint16_t replay_learn(const el_level *levels, uint16_t label)
{
    return el_learn(&net, levels, label);
}

void replay_checkpoint(uint8_t *out)
{
    el_checkpoint_out(&net, 0U, out);
}

bool replay_resume(const uint8_t *bytes)
{
    return el_checkpoint_in(&net, bytes);
}

bool replay_save(void)
{
    return el_save(&net);
}
