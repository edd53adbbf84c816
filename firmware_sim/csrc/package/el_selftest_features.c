/* Does this board compute the same bits as the simulator? Learn from inputs of the model, and compare. */
#include "el_selftest.h"

#include "el_features.h"
#include "el_selftest_numbers.h"

bool el_selftest(el_learner *net)
{
    static el_level levels[EL_INPUTS];
    uint32_t hash = 2166136261UL; /* FNV-1a over the words learned */
    el_init(net);
    for (uint32_t i = 0U; i < EL_SELFTEST_SAMPLES; i++) {
        el_features(levels, &EL_SELFTEST_PIXELS[i * EL_PIXELS]);
        if (el_learn(net, levels, EL_SELFTEST_LABELS[i]) != EL_SELFTEST_PREDICTIONS[i]) {
            return false;
        }
    }
    for (uint32_t i = 0U; i < EL_WORDS; i++) {
        hash = (hash ^ (uint16_t)net->words[i]) * 16777619UL;
    }
    return hash == EL_SELFTEST_HASH;
}
