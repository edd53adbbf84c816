/* The front end of a stream: whole numbers of a sensor become rows of input levels. Bit for bit that of edgelearn stream.
 *
 *     static el_front_end front;
 *     el_front_init(&front);
 *     if (el_push(&front, sample)) {      a row ended with this sample: its levels are in front.levels
 *         predicted = el_predict(&net, front.levels);
 *     }
 *
 * No floating point and no division: quotients are short, and made bit by bit.
 */
#ifndef EL_FRONT_H
#define EL_FRONT_H

#include "el_learner.h"

/* Encoders and features: values of EL_ENCODER and EL_WINDOW_FEATURES. */
#define EL_ENCODER_SIGNED 0
#define EL_ENCODER_LEVELS 1
#define EL_ENCODER_ON_OFF 2
#define EL_ENCODER_THRESHOLD 3
#define EL_ENCODER_DELTA 4
#define EL_FEATURES_SAMPLES 0
#define EL_FEATURES_STATISTICS 1

#include "el_front_config.h"

#define EL_NO_VALUE INT32_MIN /* of a channel without a value in a sample */

#if EL_WIDE_FEATURES /* crossings of long windows */
typedef int64_t el_mean;
typedef uint64_t el_deviation;
#else
typedef int32_t el_mean; /* 8 fraction bits */
typedef uint32_t el_deviation;
#endif

#if EL_MOST_SEEN <= 255
typedef uint8_t el_seen; /* rows with a value, as many as the time constant tells apart */
#elif EL_MOST_SEEN <= 65535
typedef uint16_t el_seen;
#else
typedef uint32_t el_seen;
#endif

/* What follows the data comes first and is what a checkpoint holds; a window begins anew after it. */
typedef struct {
    uint32_t samples; /* since el_front_init */
    uint32_t rows;
    el_mean mean[EL_FEATURES];
    el_deviation deviation[EL_FEATURES];
#if EL_ENCODER == EL_ENCODER_DELTA
    el_mean sent[EL_FEATURES];
#endif
    int16_t exponent[EL_CHANNELS];
    el_seen seen[EL_FEATURES];

    int32_t ring[EL_WINDOW * EL_CHANNELS]; /* words of the window, from sample to sample */
    uint32_t newest;                       /* sample of the ring */
    uint32_t until;                        /* samples until a row ends */
    bool ready;
    el_level levels[EL_INPUTS];
} el_front_end;

/* Bytes of the state in a checkpoint. */
#define EL_FRONT_MEANS ((EL_ENCODER == EL_ENCODER_DELTA) ? 3UL : 2UL)
#define EL_FRONT_BYTES \
    (8UL + (EL_FEATURES * ((EL_FRONT_MEANS * sizeof(el_mean)) + sizeof(el_seen))) + (EL_CHANNELS * 2UL))

#ifdef __cplusplus
extern "C" {
#endif

/* Put the initial state into the front end. */
void el_front_init(el_front_end *front);

/* Take a sample: EL_CHANNELS whole numbers, or EL_NO_VALUE. Return whether a row ended with it; then front->levels holds it
 * until the next sample. */
bool el_push(el_front_end *front, const int32_t *sample);

/* Return whether the last sample ended a row. */
bool el_row_ready(const el_front_end *front);

/* Begin a new recording with the next sample: no window holds samples of both. */
void el_segment(el_front_end *front);

/* Byte `at` of the state, 0 to EL_FRONT_BYTES - 1, little-endian; and the state from these bytes, in a new recording. */
uint8_t el_front_byte(const el_front_end *front, uint32_t at);
void el_front_take(el_front_end *front, const uint8_t *bytes);
#if !EL_FLASH_MAPPED
/* The same byte by byte, all of them in any order; then begin a new recording. */
void el_front_put(el_front_end *front, uint32_t at, uint8_t byte);
void el_front_restart(el_front_end *front);
#endif

#ifdef __cplusplus
}
#endif

#endif
