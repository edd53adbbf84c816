/* Rows of a front end through the network: the arithmetic contract, section 9, late labels included. */
#include "el_stream.h"

#if EL_DETECTOR
bool el_stream_watch(el_stream *stream)
{
    if ((stream->net.detector.rows == 0U) && (stream->front.rows <= EL_CALIBRATE_ROWS)) {
        stream->net.phase = 0U;
        return false;
    }
    return el_watch(&stream->net, stream->front.levels);
}
#else
#if EL_LATE_BY > 0
/* Learn the row that waited longest, which leaves, and let the row at hand wait in its place. */
static void learn_late(el_stream *stream, uint16_t label)
{
    el_level *place = &stream->levels[stream->waiting_at * EL_INPUTS];
    if (stream->waiting < EL_LATE_BY) {
        stream->waiting++;
    } else if (label < EL_CLASSES) {
        (void)el_learn(&stream->net, place, label);
    } else {
        /* a label that never came */
    }
    for (uint32_t i = 0U; i < EL_INPUTS; i++) {
        place[i] = stream->front.levels[i];
    }
    stream->waiting_at = ((stream->waiting_at + 1U) < EL_LATE_BY) ? (stream->waiting_at + 1U) : 0U;
}
#endif

uint16_t el_stream_step(el_stream *stream, uint16_t label)
{
#if EL_LATE_BY > 0
    const uint16_t prediction = el_predict(&stream->net, stream->front.levels);
    learn_late(stream, label);
    return prediction;
#else
    return el_learn(&stream->net, stream->front.levels, label);
#endif
}

void el_stream_drop(el_stream *stream, uint16_t label)
{
#if EL_LATE_BY > 0
    learn_late(stream, label);
#else
    (void)stream;
    (void)label;
#endif
}
#endif

void el_stream_init(el_stream *stream)
{
    el_init(&stream->net);
    el_front_init(&stream->front);
#if EL_LATE_BY > 0
    stream->waiting_at = 0U;
    stream->waiting = 0U;
#endif
}
