/* A test for your board: true if it learns a few samples to the same bits as the simulator. It uses the learner up. */
#ifndef EL_SELFTEST_H
#define EL_SELFTEST_H

#include "el_learner.h"

#ifdef __cplusplus
extern "C" {
#endif

bool el_selftest(el_learner *net);

#ifdef __cplusplus
}
#endif

#endif
