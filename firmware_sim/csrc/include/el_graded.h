/* Graded targets: the arithmetic contract, sections 3b and 4. Included by el_learner.c alone, where targets are numbers. */
#ifndef EL_GRADED_H
#define EL_GRADED_H

/* The word of an output, of the output layer or of a readout, from its sum. */
static inline int16_t output_word(int32_t z, int32_t shift)
{
#if EL_LINEAR
    return (int16_t)el_round_clamp(z, shift, -512, 511);
#else
    return (int16_t)EL_READ8(EL_SIGMOID[el_round_clamp(z, shift, -128, 127) + 128]);
#endif
}

static void forward_output(el_learner *net, const int8_t *x)
{
    const el_layer *layer = &EL_LAYER[EL_LAST];
    const uint16_t n_events = list_events(net, x, layer->n_in);
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        net->output[c] = output_word(pre_activation(net, x, n_events, EL_LAST, c), layer->sum_shift);
    }
}

#if EL_RECONSTRUCTS
/* The levels of a row are its targets. */
static void take_levels(el_learner *net, const el_level *levels)
{
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        const int32_t level = (int32_t)levels[c] * ((int32_t)1 << EL_TARGET_SHIFT);
        net->target[c] = (int16_t)((level > 255) ? 255 : level);
    }
}
#else
static void take_targets(el_learner *net, const int16_t *targets)
{
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        net->target[c] = targets[c];
    }
}
#endif

/* Errors of outputs whose words are given: of the output layer, or of a readout. */
static el_sparse error_of(el_learner *net, const int16_t *words, uint16_t label)
{
#ifdef EL_LOCAL_DEAD_ZONE /* section 4: readouts have one of their own */
    const int32_t dead_zone = (words == net->output) ? EL_DEAD_ZONE : EL_LOCAL_DEAD_ZONE;
#else
    const int32_t dead_zone = EL_DEAD_ZONE;
#endif
    el_sparse errors = {0U, net->error_at, net->error};
    (void)label;
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        const int32_t e = el_clamp((int32_t)words[c] - net->target[c], -255, 255);
        if ((e > dead_zone) || (e < -dead_zone)) {
            append(&errors, c, narrowed_error(e));
        }
    }
    return errors;
}

#endif
