/* A test for your board: true if it takes the first samples of the recording to the same bits as the simulator. It uses
 * the stream up. */
#ifndef EL_SELFTEST_H
#define EL_SELFTEST_H

#include "el_stream.h"

#ifdef __cplusplus
extern "C" {
#endif

bool el_selftest(el_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
