/* A test for your board: true if it learns a few samples to the same bits as the simulator. It uses the learner up. */
#ifndef EL_SELFTEST_H
#define EL_SELFTEST_H

#include "el_learner.h"

bool el_selftest(el_learner *net);

#endif
