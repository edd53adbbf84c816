/* Frozen layers in front of the learner (contract, section 11), one output after the other. */
#include "el_features.h"

#include "el_features_numbers.h"
#include "el_fixed.h"

/* Outputs of a layer, and those of the layer below. */
static int8_t el_map_a[EL_MAP_BYTES];
static int8_t el_map_b[EL_MAP_BYTES];

/* Input i of a layer: a level of the model's input in front of the first one. */
static int32_t input_at(const el_front *layer, const el_pixel *pixels, const int8_t *below, uint32_t i)
{
    const uint32_t at = (layer->order != NULL) ? layer->order[i] : i;
    return (pixels != NULL) ? (int32_t)pixels[at] : (int32_t)below[at];
}

/* The index of a sum: rounded half up, limited to 8 bits. Sums are below 2^31, so that 32 bits of shift leave nothing. */
static uint8_t index_of(int32_t sum, int8_t shift)
{
    int32_t q;
    if (shift > 31) {
        q = 0;
    } else if (shift >= 0) {
        q = el_round_sum(sum, (int32_t)shift);
    } else {
        q = el_clamp(sum, -128, 127) * ((int32_t)1 << ((shift < -8) ? 8 : -shift)); /* beyond the limits from 8 bits on */
    }
    return (uint8_t)(el_clamp(q, -128, 127) + 128);
}

/* The sum of products of a window, or its largest input, of all channels or of one that the map reads alone. */
static int32_t window_at(const el_front *layer, const el_pixel *pixels, const int8_t *below, uint32_t y, uint32_t x,
                         uint32_t map, uint32_t first)
{
    const uint32_t depth = (layer->per_channel != 0U) ? 1U : layer->channels;
    const uint32_t taps = (uint32_t)layer->kernel_height * layer->kernel_width * depth;
    const bool largest = layer->words == NULL;
    int32_t found = largest ? -128 : layer->biases[map];
    for (uint32_t dy = 0U; dy < layer->kernel_height; dy++) {
        const int32_t row = (int32_t)((y * layer->stride_y) + dy) - layer->top;
        for (uint32_t dx = 0U; (row >= 0) && (row < layer->height) && (dx < layer->kernel_width); dx++) {
            const int32_t column = (int32_t)((x * layer->stride_x) + dx) - layer->left;
            for (uint32_t c = 0U; (column >= 0) && (column < layer->width) && (c < depth); c++) {
                const uint32_t place = (((uint32_t)row * (uint32_t)layer->width) + (uint32_t)column) * layer->channels;
                const int32_t value = input_at(layer, pixels, below, place + first + c);
                if (largest) {
                    found = (value > found) ? value : found;
                } else if (value != 0) {
                    const uint32_t tap = (((dy * layer->kernel_width) + dx) * depth) + c;
                    found += value * (int32_t)layer->words[(map * taps) + tap];
                } else {
                    /* no event */
                }
            }
        }
    }
    return found;
}

static void run_layer(const el_front *layer, const el_pixel *pixels, const int8_t *below, int8_t *outputs)
{
    uint32_t at = 0U;
    for (uint32_t y = 0U; y < layer->out_height; y++) {
        for (uint32_t x = 0U; x < layer->out_width; x++) {
            uint32_t channel = 0U; /* map / per_channel, without a division, which a Cortex-M0 has not */
            uint32_t maps_left = layer->per_channel;
            for (uint32_t map = 0U; map < layer->maps; map++) {
                const int32_t found = window_at(layer, pixels, below, y, x, map, channel);
                if (layer->words == NULL) {
                    outputs[at] = (int8_t)found;
                } else {
                    outputs[at] = layer->table[index_of(found, layer->shifts[map])];
                }
                at++;
                if (layer->per_channel != 0U) {
                    maps_left--;
                    if (maps_left == 0U) {
                        channel++;
                        maps_left = layer->per_channel;
                    }
                }
            }
        }
    }
}

void el_features(el_level *features, const el_pixel *pixels)
{
    int8_t *below = el_map_a;
    int8_t *outputs = el_map_b;
    for (uint32_t k = 0U; k < EL_FRONT_LAYERS; k++) {
        int8_t *const swapped = below;
        run_layer(&EL_FRONT[k], (k == 0U) ? pixels : NULL, below, outputs);
        below = outputs;
        outputs = swapped;
    }
    for (uint32_t i = 0U; i < EL_INPUTS; i++) {
        features[i] = (el_level)below[EL_FEATURE_AT(i)];
    }
}
