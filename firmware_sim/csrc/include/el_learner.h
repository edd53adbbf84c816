/* A network that learns online, in integers. Bit for bit the network that edgelearn simulates.
 *
 *     static el_learner net;
 *     el_init(&net);
 *     predicted = el_predict(&net, levels);          no learning
 *     predicted = el_learn(&net, levels, label);     the class predicted before learning
 *
 * No heap, no floating point, no recursion, no library. All state is in the learner, so there may be several. A learner is
 * not shared between threads: call it from one task, never from an interrupt that may interrupt another call.
 */
#ifndef EL_LEARNER_H
#define EL_LEARNER_H

#include <stdbool.h>
#include <stdint.h>

/* Whether checkpoints lie in flash that is read as memory; see el_checkpoint.h. */
#ifndef EL_FLASH_MAPPED
#define EL_FLASH_MAPPED 1
#endif

#include "el_config.h"

/* Signals that teach hidden layers, and how they get there: values of EL_SIGNAL and EL_FEEDBACK. */
#define EL_SIGNAL_NONE 0
#define EL_SIGNAL_TARGET 1
#define EL_SIGNAL_ERROR 2
#define EL_SIGNAL_SIGN 3
#define EL_SIGNAL_DELTA 4
#define EL_SIGNAL_SIGNED_TARGET 5
#define EL_SIGNAL_LOCAL 6
#define EL_FEEDBACK_NONE 0
#define EL_FEEDBACK_DIRECT 1
#define EL_FEEDBACK_LAYERWISE 2
#define EL_FEEDBACK_TRANSPOSE 3
#define EL_LEARNS_NONE 0 /* what a layer learns, where layers differ */
#define EL_LEARNS_BIAS 1
#define EL_LEARNS_ALL 2
#define EL_GATE_ALWAYS 0
#define EL_GATE_ERROR 1
#define EL_GATE_MARGIN 2
#define EL_GATE_NORMAL 3 /* of a detector */

/* Signals in use, a bit each: of all hidden layers, of those that learn on the way, of those that wait for an output. */
#ifndef EL_PER_LAYER /* defined, with the signals, where hidden layers differ */
#define EL_PER_LAYER 0
#define EL_SIGNALS (1 << EL_SIGNAL)
#define EL_SIGNALS_ON_THE_WAY (EL_LEARNS_ON_THE_WAY ? EL_SIGNALS : 0)
#define EL_SIGNALS_WAITING (EL_LEARNS_ON_THE_WAY ? 0 : EL_SIGNALS)
#endif
#define EL_SIGNALS_OF_LABEL ((1 << EL_SIGNAL_TARGET) | (1 << EL_SIGNAL_SIGNED_TARGET))
#define EL_USES(signal) ((EL_SIGNALS >> (signal)) & 1)

#ifndef EL_CONV /* defined where layers are convolutions */
#define EL_CONV 0
#endif

#ifndef EL_GRADED /* defined where targets are numbers */
#define EL_GRADED 0
#endif
#ifndef EL_DETECTOR /* defined where a detector judges how well rows are reconstructed */
#define EL_DETECTOR 0
#endif

#if EL_WORD_BITS <= 8
typedef int8_t el_word; /* a stored weight or bias */
#else
typedef int16_t el_word;
#endif

#if EL_PER_LAYER && (EL_FROZEN_BITS <= 8)
typedef int8_t el_frozen; /* one that is never learned, where layers differ */
#elif EL_PER_LAYER
typedef int16_t el_frozen;
#endif

#if EL_SIGNED_LEVELS
typedef int8_t el_level; /* an input */
#else
typedef uint8_t el_level;
#endif

#if EL_WIDEST <= 256
typedef uint8_t el_index; /* of a neuron or an input within its layer */
#else
typedef uint16_t el_index;
#endif

#if defined(EL_MODULATOR_MAX) && (EL_MODULATOR_MAX <= 127)
typedef int8_t el_factor; /* an error or a d */
#else
typedef int16_t el_factor;
#endif

#if EL_DETECTOR
#define EL_TRAIN 1U /* phases of a row; rows that only adapt a front end, phase 0, do not come here */
#define EL_THRESHOLD 2U
#define EL_DETECT 3U
#define EL_LEARN_NORMAL 0 /* rows of the phase EL_DETECT that are learned: values of EL_LEARN_WHILE */
#define EL_LEARN_ALWAYS 1
#define EL_LEARN_NEVER 2

#if EL_SCORE_BITS <= 31
typedef int32_t el_smoothed; /* a decaying mean of scores, with 8 fraction bits */
#else
typedef int64_t el_smoothed;
#endif

/* Places in el_detector.level, all with 8 fraction bits but the base of a quantile, which has 16. */
#define EL_LIMIT 0U /* alarm above it */
#define EL_BASE 1U
#define EL_MEAN 1U
#define EL_DEVIATION 2U
#define EL_SUM 3U
#define EL_SPREAD 4U
#define EL_LEVELS (EL_DEVIATIONS ? 5U : 2U)

typedef struct {
    int64_t level[EL_LEVELS];
    el_smoothed smoothed;
#if EL_KEPT > 0
    el_smoothed kept[EL_KEPT]; /* the largest of the phase EL_THRESHOLD, descending */
#endif
    uint32_t rows;      /* judged; the count stops at its end */
    uint32_t alarms;    /* rows above the limit */
    uint32_t saturated; /* scores that were cut */
    uint32_t n_kept;
} el_detector;
#endif

/* What was learned comes first and is what a checkpoint holds; the rest is scratch, rewritten by every call. */
typedef struct {
#if EL_DETECTOR
    el_detector detector;
#endif
    uint32_t learned; /* samples learned since el_init */
#if EL_STOCHASTIC
    uint32_t generator;
#endif
    uint16_t live;     /* outputs that stand for a class met so far; predictions are among these */
    uint16_t halvings; /* of the learning rates, from their start */
    el_word words[EL_WORDS]; /* of layers that learn: a row a neuron, its bias last, or biases alone */

#if EL_CONV
    int32_t sum[EL_SUMS]; /* of one map, or a few: x times d over positions, by place in the kernel; or one of each map */
#endif
    el_factor error[EL_OUTPUTS]; /* not zero, their outputs in error_at */
#if EL_DELTAS > 0
    el_factor delta[EL_DELTAS]; /* not zero, their neurons in delta_at */
#endif
#if EL_CONV && (EL_MAP_DELTAS > 0)
    el_factor map_delta[EL_MAP_DELTAS]; /* of a convolution, zeros included */
#endif
#if EL_LFSR_LANES > 0
    uint16_t lfsr[EL_LFSR_LANES];
#endif
#if EL_GRADED
    int16_t target[EL_OUTPUTS];
    int16_t output[EL_OUTPUTS]; /* 256, of sigmoids 255, is 1.0 */
#if EL_USES(EL_SIGNAL_LOCAL)
    int16_t readout[EL_OUTPUTS]; /* of a hidden layer */
#endif
#endif
#if EL_DETECTOR
    uint32_t score; /* of the row judged last */
    uint8_t phase;
#endif
    el_index event[EL_WIDEST_INPUT]; /* inputs of a layer that are not zero */
    el_index error_at[EL_OUTPUTS];
#if EL_DELTAS > 0
    el_index delta_at[EL_DELTAS];
#endif
#if EL_ACTIVATIONS > 0
    int8_t activation[EL_ACTIVATIONS];
#endif
#if EL_GATES > 0
    uint8_t gate[EL_GATES];
#endif
#if EL_CONV && (EL_WINNERS > 0)
    uint8_t winner[EL_WINNERS]; /* places of the largest sums in the windows of a pooling, packed */
#endif
#if EL_CONV
    int8_t tap[EL_TAPS]; /* inputs of a window, by place in the kernel; those in event are not zero */
#endif
#if !EL_GRADED
    int8_t output[EL_OUTPUTS]; /* table indices q of the output layer */
#if EL_USES(EL_SIGNAL_LOCAL)
    int8_t readout[EL_OUTPUTS]; /* and of a hidden layer's readout */
#endif
#endif
} el_learner;

#ifdef __cplusplus
extern "C" {
#endif

/* Put the initial words and an untouched generator into the learner. */
void el_init(el_learner *net);

#if EL_GRADED
/* Compute net->output of one sample: EL_INPUTS levels, each in the range of the encoder. */
void el_predict(el_learner *net, const el_level *levels);

#if EL_RECONSTRUCTS
/* Learn to reconstruct one sample; net->output is that from before. */
void el_learn(el_learner *net, const el_level *levels);
#else
/* Learn one sample with EL_OUTPUTS targets, in words as outputs are; net->output is that from before. */
void el_learn(el_learner *net, const el_level *levels, const int16_t *targets);
#endif

#if EL_DETECTOR
/* Take one row: judge how far outputs are from their targets, learn it where its phase and EL_LEARN_WHILE allow that, and
 * return whether it raises an alarm. net->phase, net->score and net->detector say more of it. */
#if EL_RECONSTRUCTS
bool el_watch(el_learner *net, const el_level *levels);
#else
bool el_watch(el_learner *net, const el_level *levels, const int16_t *targets);
#endif
#endif
#else
/* Return the class of one sample: EL_INPUTS levels, each in the range of the encoder. */
uint16_t el_predict(el_learner *net, const el_level *levels);

/* Learn one sample of a known class, label < EL_CLASSES; return the class predicted before. A larger label is only
 * predicted. */
uint16_t el_learn(el_learner *net, const el_level *levels, uint16_t label);

/* Return an output for the sample predicted last, 255 is 1.0: that of class `output`, or, where there is one output for two
 * classes, output 0, that of class 1. An output of no class met so far is 0. */
uint8_t el_score(const el_learner *net, uint16_t output);
#endif

#ifdef __cplusplus
}
#endif

#endif
