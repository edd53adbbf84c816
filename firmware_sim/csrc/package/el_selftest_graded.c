/* Does this board compute the same bits as the simulator? Learn the rows of el_selftest.h and compare outputs and words. */
#include "el_selftest.h"

#include "el_selftest_numbers.h"

bool el_selftest(el_learner *net)
{
    uint32_t hash = 2166136261UL; /* FNV-1a over the words learned */
    el_init(net);
    for (uint32_t i = 0U; i < EL_SELFTEST_SAMPLES; i++) {
        const el_level *levels = &EL_SELFTEST_LEVELS[i * EL_INPUTS];
#if EL_RECONSTRUCTS
        el_learn(net, levels);
#else
        el_learn(net, levels, &EL_SELFTEST_TARGETS[i * EL_OUTPUTS]);
#endif
        for (uint32_t c = 0U; c < EL_OUTPUTS; c++) {
            if (net->output[c] != EL_SELFTEST_OUTPUTS[(i * EL_OUTPUTS) + c]) {
                return false;
            }
        }
    }
    for (uint32_t i = 0U; i < EL_WORDS; i++) {
        hash = (hash ^ (uint16_t)net->words[i]) * 16777619UL;
    }
    return hash == EL_SELFTEST_HASH;
}
