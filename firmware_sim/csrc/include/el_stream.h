/* A stream that is learned: front end, network and, where labels come late, the rows that wait for theirs.
 *
 *     static el_stream stream;
 *     el_stream_init(&stream);
 *     if (el_push(&stream.front, sample)) {               a row ended
 *         predicted = el_stream_step(&stream, label);     its class; then what there is to learn is learned
 *     }
 *
 * With an anomaly detector `alarm = el_stream_watch(&stream)` in place of the step.
 */
#ifndef EL_STREAM_H
#define EL_STREAM_H

#include "el_front.h"

#define EL_NO_LABEL 0xFFFFU

typedef struct {
    el_learner net;
    el_front_end front;
#if EL_LATE_BY > 0
    uint32_t waiting_at; /* the oldest row */
    uint32_t waiting;    /* rows that wait */
    el_level levels[EL_LATE_BY * EL_INPUTS];
#endif
} el_stream;

#ifdef __cplusplus
extern "C" {
#endif

/* Put the initial words and state into the stream. */
void el_stream_init(el_stream *stream);

#if EL_DETECTOR
/* Take the row that ended through network and detector (el_watch); return whether it raises an alarm. stream->net.phase is
 * its phase: 0 of the first EL_CALIBRATE_ROWS rows, which only adapt the front end. */
bool el_stream_watch(el_stream *stream);
#else
/* Predict the row that ended, and learn: with a label delay of 0 this row, else the row EL_LATE_BY rows before it.
 * `label` is of the row that is learned, EL_NO_LABEL where it is not known. Return the class predicted. */
uint16_t el_stream_step(el_stream *stream, uint16_t label);

/* Leave out the row that ended, which there is no time for; a late label is learned all the same. */
void el_stream_drop(el_stream *stream, uint16_t label);
#endif

#ifdef __cplusplus
}
#endif

#endif
