/* What an emulator or a host program calls of frozen layers: levels from inputs of the model that lie in memory. */
#include "el_features.h"

void replay_features(el_level *levels, const el_pixel *pixels, uint32_t n);

void replay_features(el_level *levels, const el_pixel *pixels, uint32_t n)
{
    for (uint32_t i = 0U; i < n; i++) {
        el_features(&levels[i * EL_INPUTS], &pixels[i * EL_PIXELS]);
    }
}
