/* Forward pass, three factors and update: the arithmetic contract, sections 3 to 6 and 9, on one sample at a time.
 *
 * Each function names the section it follows. Numbers (sizes, shifts, initial words, tables) come from el_numbers.h and
 * rules are chosen by #if, so that what a rule does not need is not there.
 */
#include "el_learner.h"

#include "el_fixed.h"

typedef struct {
    uint32_t words_at;    /* row 0 among the words that learn, or among the frozen ones */
    uint32_t feedback_at; /* first word of the feedback matrix; the constant of its rows where they are regenerated */
    uint16_t n_in;
    uint16_t n_out;
    uint16_t activation_at;
    uint16_t gate_at;
    int16_t one; /* 1.0 of an input, the level of the bias */
    int8_t sum_shift;
    int8_t signal_shift;
    int8_t step_shift;
    uint8_t non_negative;
#if EL_USES(EL_SIGNAL_LOCAL)
    int8_t readout_shift;
#endif
#if EL_PER_LAYER
    uint8_t signal; /* EL_SIGNAL_NONE of a layer that computes no d */
    uint8_t learns;
    uint8_t flags;
    int16_t delta_max;
    uint32_t frozen_at; /* row 0 among the frozen words of a layer that does not learn all of its own */
#endif
#if EL_CONV
    uint16_t fan_in;       /* weights of a row: one for each input, or those of the kernel of a map */
    uint16_t columns;      /* rows of weights: neurons, or maps */
    uint16_t n_gates;      /* and d: one for each neuron, element, or position of a map */
    uint16_t feedback_row; /* words in a row of the feedback matrix */
    uint16_t height;       /* of the input map */
    uint16_t width;
    uint16_t channels;
    uint16_t out_height; /* positions of the kernel */
    uint16_t out_width;
    uint16_t pooled_height; /* elements of a map that is sent on */
    uint16_t pooled_width;
    uint16_t winner_at;
    uint8_t kernel_height;
    uint8_t kernel_width;
    uint8_t stride;
    uint8_t padding;
    uint8_t pool;       /* pool x pool positions are one element */
    uint8_t pool_shift; /* of a mean pooling, log2 of these */
    uint8_t biases;     /* of a row: 1, or 0 in a kernel without */
    uint8_t winner_log; /* a winner takes 2^winner_log bits */
    uint8_t kernels;    /* that learn at once on the way */
#endif
} el_layer;

#if EL_PER_LAYER
#define EL_FLAG_ON_THE_WAY 1U
#define EL_FLAG_TRANSPORTS 2U
#define EL_FLAG_NON_NEGATIVE 4U
#define EL_FLAG_HOLDS_GATES 8U
#define EL_FLAG_CONVOLUTION 16U
#define EL_FLAG_MAP_FEEDBACK 32U /* one modulator a map, not one an element */
#define EL_FLAG_POSITIONS 64U    /* gates and d of positions, before the pooling */
#define EL_FLAG_WINNERS 128U     /* holds where the largest sum of each pooling window is */
#define EL_SIGNAL_OF(layer) ((int)(layer)->signal)
#define EL_LEARNT_OF(layer) ((int)(layer)->learns)
#define EL_IS_ON_THE_WAY(layer) (((layer)->flags & EL_FLAG_ON_THE_WAY) != 0U)
#define EL_HOLDS_GATES(layer) (((layer)->flags & EL_FLAG_HOLDS_GATES) != 0U)
#define EL_TRANSPORTS(layer) (((layer)->flags & EL_FLAG_TRANSPORTS) != 0U)
#define EL_NO_NEGATIVE_FEEDBACK(layer) (((layer)->flags & EL_FLAG_NON_NEGATIVE) != 0U)
#define EL_LARGEST_DELTA(layer) ((int32_t)(layer)->delta_max)
#else
#define EL_SIGNAL_OF(layer) EL_SIGNAL
#define EL_LEARNT_OF(layer) EL_LEARNS_ALL
#define EL_IS_ON_THE_WAY(layer) EL_LEARNS_ON_THE_WAY
#define EL_HOLDS_GATES(layer) true
#define EL_TRANSPORTS(layer) (EL_FEEDBACK == EL_FEEDBACK_TRANSPOSE)
#define EL_NO_NEGATIVE_FEEDBACK(layer) EL_FEEDBACK_NON_NEGATIVE
#define EL_LARGEST_DELTA(layer) EL_DELTA_MAX
#endif

#if EL_CONV
#define EL_IS_CONVOLUTION(layer) (((layer)->flags & EL_FLAG_CONVOLUTION) != 0U)
#define EL_SHARES_MODULATORS(layer) (((layer)->flags & EL_FLAG_MAP_FEEDBACK) != 0U)
#define EL_GATES_OF(layer) ((layer)->n_gates)
#define EL_FAN_IN(layer) ((layer)->fan_in)
#define EL_ROW_WORDS(layer) ((uint32_t)(layer)->fan_in + (layer)->biases)
#define EL_FEEDBACK_ROW(layer) ((layer)->feedback_row)
#define EL_BIASES(layer) ((layer)->biases)
#else
#define EL_GATES_OF(layer) ((layer)->n_out)
#define EL_FAN_IN(layer) ((layer)->n_in)
#define EL_ROW_WORDS(layer) ((uint32_t)(layer)->n_in + 1U)
#define EL_FEEDBACK_ROW(layer) ((layer)->n_out)
#define EL_BIASES(layer) 1U
#endif

#include "el_numbers.h"

#define EL_LAST (EL_LAYERS - 1)
#define EL_MODULATES ((EL_SIGNALS & ~(EL_SIGNALS_OF_LABEL | (1 << EL_SIGNAL_NONE))) != 0) /* sums of lanes */
#ifndef EL_MODULATOR_MAX /* given where factors of learning are narrower than 16 bits */
#define EL_MODULATOR_MAX 32767
#define EL_ERROR_SHIFT 0
#endif
#define EL_WORD_MAX ((int32_t)((1UL << (EL_WORD_BITS - 1)) - 1UL))
#define EL_WORD_MIN (-EL_WORD_MAX - 1)

/* Values that are not zero, and where they are: errors, deltas. */
typedef struct {
    uint16_t n;
    el_index *at;
    el_factor *value;
} el_sparse;

#if EL_WORD_BITS <= 8
#define EL_READ_WORD(constant) ((el_word)EL_READ8(constant))
#else
#define EL_READ_WORD(constant) ((el_word)EL_READ16(constant))
#endif

static inline int32_t view(el_word word)
{
    return el_shr((int32_t)word, EL_VIEW_SHIFT);
}

/* An input of layer k. Only 8-bit levels without a sign do not fit the int8_t that activations have. */
static inline int32_t input(const int8_t *x, uint32_t i, uint16_t k)
{
    return (EL_WIDE_LEVELS && (k == 0U)) ? (int32_t)(uint8_t)x[i] : (int32_t)x[i];
}

static inline const int8_t *inputs_of(const el_learner *net, const el_level *levels, uint16_t k)
{
#if EL_ACTIVATIONS > 0
    if (k > 0U) {
        return &net->activation[EL_LAYER[k - 1U].activation_at];
    }
#else
    (void)net;
    (void)k;
#endif
    return (const int8_t *)levels;
}

static inline const el_word *row_of(const el_learner *net, uint16_t k, uint32_t j)
{
    const el_layer *layer = &EL_LAYER[k];
    const uint32_t at = layer->words_at + (j * EL_ROW_WORDS(layer));
#if (EL_FROZEN_WORDS > 0) && !EL_PER_LAYER
    if (k < EL_LAST) {
        return &EL_FROZEN[at];
    }
#endif
    return &net->words[at];
}

/* The view of an entry of such a row, which is in flash for layers that never learn. */
static inline int32_t view_of(const el_word *row, uint16_t k, uint32_t i)
{
#if (EL_FROZEN_WORDS > 0) && !EL_PER_LAYER
    if (k < EL_LAST) {
        return view(EL_READ_WORD(row[i]));
    }
#endif
    (void)k;
    return view(row[i]);
}

#if EL_PER_LAYER && (EL_FROZEN_WORDS > 0)
/* Frozen words are views: nothing is added to them, so that they need no residual bits. */
#if EL_FROZEN_BITS <= 8
#define EL_READ_FROZEN(constant) ((int32_t)(int8_t)EL_READ8(constant))
#else
#define EL_READ_FROZEN(constant) ((int32_t)(int16_t)EL_READ16(constant))
#endif

/* Neuron j of a layer whose weights are frozen, and its bias, which may be learned. */
static inline const el_frozen *frozen_row(const el_layer *layer, uint32_t j)
{
    const uint32_t stride = (uint32_t)EL_FAN_IN(layer) + ((layer->learns == EL_LEARNS_NONE) ? EL_BIASES(layer) : 0U);
    return &EL_FROZEN[layer->frozen_at + (j * stride)];
}

static inline int32_t bias_beside(const el_learner *net, const el_layer *layer, const el_frozen *row, uint32_t j)
{
    return (layer->learns == EL_LEARNS_NONE) ? EL_READ_FROZEN(row[EL_FAN_IN(layer)])
                                             : view(net->words[layer->words_at + j]);
}
#endif

#if EL_USES(EL_SIGNAL_DELTA)
/* The view of the weight between neuron j of layer k and its input i. */
static inline int32_t weight(const el_learner *net, uint16_t k, uint32_t j, uint32_t i)
{
#if EL_PER_LAYER && (EL_FROZEN_WORDS > 0)
    if (EL_LAYER[k].learns != EL_LEARNS_ALL) {
        return EL_READ_FROZEN(frozen_row(&EL_LAYER[k], j)[i]);
    }
#endif
    return view(row_of(net, k, j)[i]);
}
#endif

static uint16_t list_events(el_learner *net, const int8_t *x, uint16_t n_in)
{
    uint16_t n = 0U;
    for (uint16_t i = 0U; i < n_in; i++) {
        if (x[i] != 0) {
            net->event[n] = (el_index)i;
            n++;
        }
    }
    return n;
}

/* --- section 3: forward ------------------------------------------------------------------------------------------- */

static int32_t pre_activation(const el_learner *net, const int8_t *x, uint16_t n_events, uint16_t k, uint16_t j)
{
    const el_layer *layer = &EL_LAYER[k];
    int32_t z;
#if EL_PER_LAYER && (EL_FROZEN_WORDS > 0)
    if (layer->learns != EL_LEARNS_ALL) {
        const el_frozen *frozen = frozen_row(layer, j);
        z = (EL_BIASES(layer) != 0U) ? ((int32_t)layer->one * bias_beside(net, layer, frozen, j)) : 0;
        for (const el_index *event = net->event; event < &net->event[n_events]; event++) {
            z += input(x, *event, k) * EL_READ_FROZEN(frozen[*event]);
        }
    } else
#endif
    {
        const el_word *row = row_of(net, k, j);
        z = (EL_BIASES(layer) != 0U) ? ((int32_t)layer->one * view_of(row, k, EL_FAN_IN(layer))) : 0;
        for (const el_index *event = net->event; event < &net->event[n_events]; event++) {
            z += input(x, *event, k) * view_of(row, k, *event);
        }
    }
#if EL_ACCUMULATOR_BITS < 32
    z = el_wrap(z, EL_ACCUMULATOR_BITS);
#endif
    return z;
}

#if !EL_GRADED || (EL_LAYERS > 1)
static inline int32_t table_index(int32_t z, const el_layer *layer)
{
    return el_round_clamp(z, layer->sum_shift, -128, 127);
}
#endif

#if !EL_GRADED
static uint16_t forward_output(el_learner *net, const int8_t *x)
{
    const el_layer *layer = &EL_LAYER[EL_LAST];
    const uint16_t n_events = list_events(net, x, layer->n_in);
    uint16_t best = 0U;
    int32_t largest = 0;
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        const int32_t z = pre_activation(net, x, n_events, EL_LAST, c);
        net->output[c] = (int8_t)table_index(z, layer);
#if EL_OUTPUTS == 1
        best = (z > 0) ? 1U : 0U;
        (void)largest;
#else
        if ((c < net->live) && ((c == 0U) || (z > largest))) {
            largest = z;
            best = c;
        }
#endif
    }
    return best;
}
#endif

/* --- section 4: the three factors --------------------------------------------------------------------------------- */

#if !EL_GRADED
#if EL_SOFTMAX
typedef struct {
    int32_t top;    /* the largest index q */
    uint32_t total; /* of all shares E */
} el_shares;

static el_shares shares_of(const int8_t *indices)
{
    el_shares shares = {indices[0], 0U};
    for (uint16_t c = 1U; c < EL_OUTPUTS; c++) {
        shares.top = (indices[c] > shares.top) ? indices[c] : shares.top;
    }
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        shares.total += EL_READ16(EL_EXPONENTIAL[shares.top - indices[c]]);
    }
    return shares;
}

static uint8_t score_of(const int8_t *indices, uint16_t output, el_shares shares)
{
    uint32_t rest = ((uint32_t)255 * EL_READ16(EL_EXPONENTIAL[shares.top - indices[output]])) + (shares.total / 2U);
    uint8_t p = 0U;
    for (uint32_t bit = 8U; bit > 0U; bit--) { /* the quotient has 8 bits, and small cores no divider */
        if ((rest >> (bit - 1U)) >= shares.total) {
            rest -= shares.total << (bit - 1U);
            p = (uint8_t)(p | (1U << (bit - 1U)));
        }
    }
    return p;
}
#else
typedef uint8_t el_shares; /* a sigmoid needs no other output */

static el_shares shares_of(const int8_t *indices)
{
    (void)indices;
    return 0U;
}

static uint8_t score_of(const int8_t *indices, uint16_t output, el_shares shares)
{
    (void)shares;
    return EL_READ8(EL_SIGMOID[indices[output] + 128]);
}
#endif

uint8_t el_score(const el_learner *net, uint16_t output)
{
    return (output < net->live) ? score_of(net->output, output, shares_of(net->output)) : 0U;
}
#endif

/* Append a value that is not zero. */
static inline void append(el_sparse *list, uint16_t at, int32_t value)
{
#if EL_CONV
    if (list->at == (el_index *)0) { /* d of a convolution have places of their own */
        list->value[at] = (el_factor)value;
        list->n = (uint16_t)(list->n + ((value != 0) ? 1U : 0U));
        return;
    }
#endif
    if (value != 0) {
        list->at[list->n] = (el_index)at;
        list->value[list->n] = (el_factor)value;
        list->n++;
    }
}

/* An error has 9 bits, or loses its lowest ones where factors are narrower. */
static inline int32_t narrowed_error(int32_t e)
{
#if EL_ERROR_SHIFT > 0
    return el_round_clamp(e, EL_ERROR_SHIFT, -EL_ERROR_MAX, EL_ERROR_MAX);
#else
    return e;
#endif
}

#if EL_GRADED
#include "el_graded.h"
#else
/* Errors of outputs whose table indices are given: of the output layer, or of a readout. */
static el_sparse error_of(el_learner *net, const int8_t *indices, uint16_t label)
{
    const el_shares shares = shares_of(indices);
#ifdef EL_LOCAL_DEAD_ZONE /* section 4: readouts have one of their own */
    const int32_t dead_zone = (indices == net->output) ? EL_DEAD_ZONE : EL_LOCAL_DEAD_ZONE;
#else
    const int32_t dead_zone = EL_DEAD_ZONE;
#endif
    el_sparse errors = {0U, net->error_at, net->error};
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        const bool is_target = (EL_OUTPUTS == 1) ? (label == 1U) : (c == label);
        const int32_t e = (int32_t)score_of(indices, c, shares) - (is_target ? 255 : 0);
        if ((e > dead_zone) || (e < -dead_zone)) {
            append(&errors, c, narrowed_error(e));
        }
    }
    return errors;
}
#endif

#if EL_SIGNALS != (1 << EL_SIGNAL_NONE)

/* d_j = sat(rn(m_j g_j, 7)) */
static inline int32_t gated(const el_layer *layer, int32_t modulator, int32_t gate)
{
    (void)layer;
    return el_clamp(el_shr((modulator * gate) + 64, 7U), -EL_LARGEST_DELTA(layer), EL_LARGEST_DELTA(layer));
}

/* Append d_j where it is not zero. */
static inline void append_gated(
    const el_layer *layer, el_sparse *deltas, uint16_t j, int32_t modulator, int32_t gate)
{
    append(deltas, j, gated(layer, modulator, gate));
}

#if EL_CONV && (EL_GATES > 0)
/* d of the elements of map o, which share a modulator. */
static void append_map(el_learner *net, const el_layer *layer, el_sparse *deltas, uint16_t o, int32_t modulator)
{
    for (uint32_t j = o; j < layer->n_gates; j += layer->columns) {
        append_gated(layer, deltas, (uint16_t)j, modulator, (int32_t)net->gate[layer->gate_at + j]);
    }
}
#endif

/* An empty list for d of a dense layer. */
static inline el_sparse deltas_at(el_learner *net, uint32_t at)
{
#if EL_DELTAS > 0
    const el_sparse deltas = {0U, &net->delta_at[at], &net->delta[at]};
#else
    const el_sparse deltas = {0U, net->error_at, net->error}; /* no dense layer forms d */
    (void)at;
#endif
    return deltas;
}

#if EL_MODULATES || ((EL_SIGNALS_WAITING & EL_SIGNALS_OF_LABEL) != 0)
/* An empty list for d of hidden layer k: that of the layer above is in the other half, where it is needed. */
static inline el_sparse deltas_of(el_learner *net, uint16_t k)
{
#if EL_CONV && (EL_MAP_DELTAS > 0)
    if (EL_IS_CONVOLUTION(&EL_LAYER[k])) {
        el_factor *of_map = &net->map_delta[(EL_MAP_DELTA_BUFFERS > 1) ? ((uint32_t)(k & 1U) * EL_WIDEST_MAP) : 0U];
        el_sparse places = {0U, (el_index *)0, of_map};
        for (uint32_t j = 0U; j < EL_LAYER[k].n_gates; j++) {
            of_map[j] = 0;
        }
        return places;
    }
#endif
    return deltas_at(net, (EL_DELTA_BUFFERS > 1) ? ((uint32_t)(k & 1U) * EL_WIDEST_HIDDEN) : 0U);
}
#endif

#if EL_FEEDBACK_BITS > 0
static inline int32_t feedback_word(uint32_t at)
{
#if EL_FEEDBACK_BITS == 8
    return (int32_t)(int8_t)EL_READ8(EL_FEEDBACK_WORDS[at]);
#elif EL_FEEDBACK_BITS == 2
    const uint32_t code = ((uint32_t)EL_READ8(EL_FEEDBACK_WORDS[at >> 2U]) >> (2U * (at & 3U))) & 3U;
    return (code == 0U) ? 0 : ((code == 1U) ? 127 : -127);
#else
    const uint32_t code = ((uint32_t)EL_READ8(EL_FEEDBACK_WORDS[at >> 3U]) >> (at & 7U)) & 1U;
    return (code != 0U) ? EL_FEEDBACK_SET : EL_FEEDBACK_CLEAR;
#endif
}
#elif EL_LFSR_LANES > 0
/* Section 7: rows are regenerated by 16-bit Galois registers, two steps an entry. */
static uint16_t lfsr_start(uint32_t row, uint32_t constant)
{
    uint32_t s = ((row + 1U) * 40503U) + constant;
    while (s >= 65535U) { /* mod 65535 */
        s = (s > 65535U) ? ((s & 0xFFFFU) + (s >> 16U)) : 0U;
    }
    return (uint16_t)(s + 1U);
}

static inline uint32_t lfsr_bit(uint16_t *state)
{
    const uint32_t out = *state & 1U;
    const uint32_t shifted = (uint32_t)*state >> 1U;
    *state = (uint16_t)((out != 0U) ? (shifted ^ 0xB400U) : shifted);
    return out;
}

static inline int32_t lfsr_word(const el_layer *layer, uint16_t *state)
{
    const uint32_t used = lfsr_bit(state);
    const uint32_t negative = lfsr_bit(state);
    (void)layer;
    if (used == 0U) {
        return 0;
    }
    return ((negative != 0U) && !EL_NO_NEGATIVE_FEEDBACK(layer)) ? -127 : 127;
}
#endif

#if (EL_SIGNALS & EL_SIGNALS_OF_LABEL) != 0

#if EL_USES(EL_SIGNAL_TARGET) && !EL_GRADED
/* Start the row of the feedback matrix that a label selects; return whether there is one. */
static inline bool select_row(el_learner *net, const el_layer *layer, uint16_t label, uint32_t *at)
{
    const uint32_t row = (EL_OUTPUTS == 1) ? 0U : label;
#if EL_LFSR_LANES > 0
    net->lfsr[0] = lfsr_start(row, layer->feedback_at);
    *at = 0U;
#else
    (void)net;
    *at = layer->feedback_at + (row * EL_FEEDBACK_ROW(layer));
#endif
    return (EL_OUTPUTS > 1) || (label == 1U);
}

/* m_j: the next word of the selected row; one behind a closed gate is not read. */
static inline int32_t selected_word(el_learner *net, const el_layer *layer, uint32_t at, int32_t gate)
{
#if EL_LFSR_LANES > 0
    const int32_t b = lfsr_word(layer, &net->lfsr[0]);
#elif EL_FEEDBACK_BITS > 0
    const int32_t b = (gate != 0) ? feedback_word(at) : 0;
#else
    const int32_t b = EL_FEEDBACK_SET;
#endif
    (void)net;
    (void)layer;
    (void)at;
    (void)gate;
#if EL_MODULATOR_MAX < 127
    return el_round_clamp(b, layer->signal_shift, -EL_MODULATOR_MAX, EL_MODULATOR_MAX);
#else
    return b;
#endif
}
#endif

#if EL_USES(EL_SIGNAL_SIGNED_TARGET) || EL_GRADED
/* Start all rows of the feedback matrix. */
static inline bool start_rows(el_learner *net, const el_layer *layer, uint32_t *at)
{
#if EL_LFSR_LANES > 0
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        net->lfsr[c] = lfsr_start(c, layer->feedback_at);
    }
    *at = 0U;
#else
    (void)net;
    *at = layer->feedback_at;
#endif
    return true;
}
#endif

#if EL_GRADED
/* m_j: the sum of a column of feedback times the targets; registers step behind a closed gate as well. */
static inline int32_t target_sum(el_learner *net, const el_layer *layer, uint32_t at, int32_t gate)
{
    int32_t sum = 0;
    (void)at;
    if ((gate == 0) && (EL_LFSR_LANES == 0)) {
        return 0;
    }
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        const int32_t t = (int32_t)net->target[c];
#if EL_LFSR_LANES > 0
        sum += t * lfsr_word(layer, &net->lfsr[c]);
#elif EL_FEEDBACK_BITS > 0
        sum += (t != 0) ? (t * feedback_word(at + ((uint32_t)c * EL_FEEDBACK_ROW(layer)))) : 0;
#else
        sum += t * EL_FEEDBACK_SET;
#endif
    }
    if (gate == 0) {
        return 0;
    }
#if EL_ACCUMULATOR_BITS < 32
    sum = el_wrap(sum, EL_ACCUMULATOR_BITS);
#endif
    return el_round_clamp(sum, layer->signal_shift, -EL_MODULATOR_MAX, EL_MODULATOR_MAX);
}
#endif

#if EL_USES(EL_SIGNAL_SIGNED_TARGET)
/* m_j: the sum of a column of feedback, in which the row of the label is subtracted; registers step behind a closed gate
 * as well. */
static inline int32_t signed_sum(el_learner *net, const el_layer *layer, uint16_t label, uint32_t at, int32_t gate)
{
    int32_t sum = 0;
    (void)net;
    (void)at;
    if ((gate == 0) && (EL_LFSR_LANES == 0)) {
        return 0;
    }
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        const bool is_target = (EL_OUTPUTS == 1) ? (label == 1U) : (c == label);
#if EL_LFSR_LANES > 0
        const int32_t b = lfsr_word(layer, &net->lfsr[c]);
#elif EL_FEEDBACK_BITS > 0
        const int32_t b = feedback_word(at + ((uint32_t)c * EL_FEEDBACK_ROW(layer)));
#else
        const int32_t b = EL_FEEDBACK_SET;
#endif
        sum += is_target ? -b : b;
    }
    if (gate == 0) {
        return 0;
    }
#if EL_ACCUMULATOR_BITS < 32
    sum = el_wrap(sum, EL_ACCUMULATOR_BITS);
#endif
    return el_round_clamp(sum, layer->signal_shift, -EL_MODULATOR_MAX, EL_MODULATOR_MAX);
}
#endif

/* Start the modulators of a layer that a label teaches; return whether there are any. */
static inline bool start_modulators(el_learner *net, const el_layer *layer, uint16_t label, uint32_t *at)
{
    (void)label;
#if EL_USES(EL_SIGNAL_TARGET)
    if (EL_SIGNAL_OF(layer) == EL_SIGNAL_TARGET) {
#if EL_GRADED
        return start_rows(net, layer, at);
#else
        return select_row(net, layer, label, at);
#endif
    }
#endif
#if EL_USES(EL_SIGNAL_SIGNED_TARGET)
    if (EL_SIGNAL_OF(layer) == EL_SIGNAL_SIGNED_TARGET) {
        return start_rows(net, layer, at);
    }
#endif
    return false;
}

/* m_j, neuron by neuron */
static inline int32_t next_modulator(el_learner *net, const el_layer *layer, uint16_t label, uint32_t at, int32_t gate)
{
    (void)label;
#if EL_USES(EL_SIGNAL_SIGNED_TARGET)
    if (EL_SIGNAL_OF(layer) == EL_SIGNAL_SIGNED_TARGET) {
        return signed_sum(net, layer, label, at, gate);
    }
#endif
#if EL_GRADED
    return target_sum(net, layer, at, gate);
#elif EL_USES(EL_SIGNAL_TARGET)
    return selected_word(net, layer, at, gate);
#else
    return 0;
#endif
}

#if (EL_SIGNALS_WAITING & EL_SIGNALS_OF_LABEL) != 0
/* d of hidden layer k, from the label, where gates have waited for the decision to learn. */
static el_sparse gate_target(el_learner *net, uint16_t k, uint16_t label)
{
    const el_layer *layer = &EL_LAYER[k];
    el_sparse deltas = deltas_of(net, k);
    uint32_t at = 0U;
    if (start_modulators(net, layer, label, &at)) {
#if EL_CONV
        if (EL_SHARES_MODULATORS(layer)) {
            for (uint16_t o = 0U; o < layer->columns; o++) {
                append_map(net, layer, &deltas, o, next_modulator(net, layer, label, at + o, 1));
            }
            return deltas;
        }
#endif
        for (uint16_t j = 0U; j < EL_GATES_OF(layer); j++) {
            const int32_t gate = (int32_t)net->gate[layer->gate_at + j];
            append_gated(layer, &deltas, j, next_modulator(net, layer, label, at + j, gate), gate);
        }
    }
    return deltas;
}
#endif
#endif

#if EL_MODULATES

/* m_j of an open gate: the lanes' exact sum, scaled. `transport`: through the words of the layer above. */
static int32_t modulator(el_learner *net, uint16_t k, uint16_t j, int32_t gate, const el_sparse *lanes)
{
    const el_layer *layer = &EL_LAYER[k];
    int32_t sum = 0;
    for (uint16_t a = 0U; a < lanes->n; a++) {
        int32_t b = EL_FEEDBACK_SET;
#if EL_USES(EL_SIGNAL_DELTA)
        if (EL_TRANSPORTS(layer)) {
            b = weight(net, (uint16_t)(k + 1U), lanes->at[a], j);
        } else
#endif
        {
#if EL_LFSR_LANES > 0
            b = lfsr_word(layer, &net->lfsr[a]);
#elif EL_FEEDBACK_BITS > 0
            b = feedback_word(layer->feedback_at + ((uint32_t)lanes->at[a] * EL_FEEDBACK_ROW(layer)) + j);
#endif
        }
        if (EL_SIGNAL_OF(layer) == EL_SIGNAL_SIGN) {
            sum += (lanes->value[a] > 0) ? b : -b;
        } else {
            sum += (int32_t)lanes->value[a] * b;
        }
    }
    (void)net;
    (void)j;
    if (gate == 0) { /* registers step behind a closed gate as well */
        return 0;
    }
#if EL_ACCUMULATOR_BITS < 32
    sum = el_wrap(sum, EL_ACCUMULATOR_BITS);
#endif
    return el_round_clamp(sum, layer->signal_shift, -EL_MODULATOR_MAX, EL_MODULATOR_MAX);
}

#if EL_USES(EL_SIGNAL_LOCAL)
/* The error of hidden layer k in its own readout, whose weights are the rows of its feedback. */
static el_sparse local_error(el_learner *net, uint16_t k, uint16_t label)
{
    const el_layer *layer = &EL_LAYER[k];
    const int8_t *y = &net->activation[layer->activation_at];
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        int32_t sum = 0;
#if EL_LFSR_LANES > 0
        net->lfsr[0] = lfsr_start(c, layer->feedback_at);
#elif EL_FEEDBACK_BITS > 0
        const uint32_t at = layer->feedback_at + ((uint32_t)c * layer->n_out);
#endif
        for (uint16_t j = 0U; j < layer->n_out; j++) {
#if EL_LFSR_LANES > 0
            sum += (int32_t)y[j] * lfsr_word(layer, &net->lfsr[0]);
#elif EL_FEEDBACK_BITS > 0
            sum += (y[j] != 0) ? ((int32_t)y[j] * feedback_word(at + j)) : 0;
#else
            sum += (int32_t)y[j] * EL_FEEDBACK_SET;
#endif
        }
#if EL_ACCUMULATOR_BITS < 32
        sum = el_wrap(sum, EL_ACCUMULATOR_BITS);
#endif
#if EL_GRADED
        net->readout[c] = output_word(sum, layer->readout_shift);
#else
        net->readout[c] = (int8_t)el_round_clamp(sum, layer->readout_shift, -128, 127);
#endif
    }
    return error_of(net, net->readout, label);
}
#endif

/* d of hidden layer k, from errors or from the d of the layer above. */
static el_sparse modulate(el_learner *net, uint16_t k, const el_sparse *lanes)
{
    const el_layer *layer = &EL_LAYER[k];
    const bool steps = (EL_LFSR_LANES > 0) && !EL_TRANSPORTS(layer);
    el_sparse deltas = deltas_of(net, k);
    if (lanes->n == 0U) {
        return deltas;
    }
#if EL_LFSR_LANES > 0
    for (uint16_t a = 0U; steps && (a < lanes->n); a++) {
        net->lfsr[a] = lfsr_start(lanes->at[a], layer->feedback_at);
    }
#endif
#if EL_CONV
    if (EL_SHARES_MODULATORS(layer)) {
        for (uint16_t o = 0U; o < layer->columns; o++) {
            append_map(net, layer, &deltas, o, modulator(net, k, o, 1, lanes));
        }
        return deltas;
    }
#endif
    for (uint16_t j = 0U; j < EL_GATES_OF(layer); j++) {
        const int32_t gate = (int32_t)net->gate[layer->gate_at + j];
        if ((gate != 0) || steps) {
            append_gated(layer, &deltas, j, modulator(net, k, j, gate, lanes), gate);
        }
    }
    return deltas;
}
#endif
#endif

/* --- sections 5 and 6: the update --------------------------------------------------------------------------------- */

/* Add the rounded outer product of inputs and d. The draws are one an input that is not zero, then one for the bias. */
static void update(el_learner *net, const int8_t *x, uint16_t n_events, uint16_t k, const el_sparse *deltas)
{
    const el_layer *layer = &EL_LAYER[k];
    const bool biases = EL_LEARNT_OF(layer) == EL_LEARNS_BIAS; /* alone, and no other words of the layer beside them */
    const uint32_t bias_at = biases ? 0U : layer->n_in;
    const uint32_t stride = bias_at + 1U;
    const uint16_t n_inputs = biases ? 0U : n_events;
    const int32_t halved = (int32_t)layer->step_shift + (int32_t)net->halvings;
    const int32_t shift = (halved > 30) ? 30 : halved;
    const el_rounding rounding = el_rounding_of(shift - (EL_STOCHASTIC ? 8 : 0));
    const el_index *at = deltas->at; /* copies, for what is written below could be the list itself, to a compiler */
    const el_factor *value = deltas->value;
    const uint32_t n = deltas->n;
    if (n == 0U) {
        return;
    }
    for (uint16_t e = 0U; e <= n_inputs; e++) {
        const bool is_bias = e == n_inputs;
        const uint32_t i = is_bias ? bias_at : net->event[e];
        const int32_t minus = -rounding.factor * (is_bias ? (int32_t)layer->one : input(x, i, k));
        const int32_t lowest = (EL_NON_NEGATIVE && (layer->non_negative != 0U) && !is_bias) ? 0 : EL_WORD_MIN;
        el_word *column = &net->words[layer->words_at + i];
#if EL_STOCHASTIC
        const uint32_t draw = el_draw(&net->generator);
#endif
        for (uint32_t a = 0U; a < n; a++) {
            const uint32_t j = at[a];
            el_word *word = &column[j * stride];
            int32_t step = el_shr((minus * value[a]) + rounding.half, rounding.down);
#if EL_STOCHASTIC
#if EL_LONG_STEPS
            step = el_clamp(step, -256 * EL_WORD_MAX, 256 * EL_WORD_MAX);
#endif
            step = el_shr(step, 8U) + ((el_random_byte(draw, j) < (step & 255)) ? 1 : 0);
#elif EL_LONG_STEPS
            step = el_clamp(step, -EL_WORD_MAX, EL_WORD_MAX);
#endif
            *word = (el_word)el_clamp((int32_t)*word + step, lowest, EL_WORD_MAX);
        }
    }
}

#if EL_CONV
#include "el_convolution.h"
#endif

/* --- a sample ----------------------------------------------------------------------------------------------------- */

/* Take hidden layers forward. A rule that waits for nothing learns each of them on the way, from the label. */
static void forward_hidden(el_learner *net, const el_level *levels, uint16_t label)
{
#if EL_LAYERS > 1
    for (uint16_t k = 0U; k < EL_LAST; k++) {
        const el_layer *layer = &EL_LAYER[k];
        const int8_t *x = inputs_of(net, levels, k);
#if EL_CONV
        if (EL_IS_CONVOLUTION(layer)) {
            forward_convolution(net, x, k, label);
            continue;
        }
#endif
        const uint16_t n_events = list_events(net, x, layer->n_in);
#if (EL_SIGNALS_ON_THE_WAY & EL_SIGNALS_OF_LABEL) != 0
        el_sparse deltas = deltas_at(net, 0U);
        uint32_t at = 0U;
        const bool taught =
            (label < EL_CLASSES) && EL_IS_ON_THE_WAY(layer) && start_modulators(net, layer, label, &at);
#endif
        for (uint16_t j = 0U; j < layer->n_out; j++) {
            const int32_t q = table_index(pre_activation(net, x, n_events, k, j), layer);
#ifdef EL_SIGN_ONE /* section 3: without a label an activation is its sign */
            const int8_t sign = (int8_t)((q < 0) ? -EL_SIGN_ONE : EL_SIGN_ONE);
            const int8_t y = (label < EL_CLASSES) ? (int8_t)EL_READ8(EL_ACTIVATION[q + 128]) : sign;
#else
            const int8_t y = (int8_t)EL_READ8(EL_ACTIVATION[q + 128]);
#endif
            net->activation[layer->activation_at + j] =
                (int8_t)(((y > EL_EVENT_THRESHOLD) || (y < -EL_EVENT_THRESHOLD)) ? y : 0);
#if (EL_SIGNALS_ON_THE_WAY & EL_SIGNALS_OF_LABEL) != 0
            if (taught) {
                const int32_t gate = (int32_t)EL_READ8(EL_GATE_OF[q + 128]);
                append_gated(layer, &deltas, j, next_modulator(net, layer, label, at + j, gate), gate);
            }
#endif
#if EL_GATES > 0
            if (EL_HOLDS_GATES(layer)) {
                net->gate[layer->gate_at + j] = EL_READ8(EL_GATE_OF[q + 128]);
            }
#endif
        }
#if (EL_SIGNALS_ON_THE_WAY & EL_SIGNALS_OF_LABEL) != 0
        update(net, x, n_events, k, &deltas);
#endif
#if (EL_SIGNALS_ON_THE_WAY & (1 << EL_SIGNAL_LOCAL)) != 0
        if ((label < EL_CLASSES) && EL_IS_ON_THE_WAY(layer) && (EL_SIGNAL_OF(layer) == EL_SIGNAL_LOCAL)) {
            const el_sparse errors = local_error(net, k, label);
            const el_sparse modulated = modulate(net, k, &errors);
            update(net, x, n_events, k, &modulated);
        }
#endif
    }
#endif
    (void)net;
    (void)levels;
    (void)label;
}

#if (EL_UPDATE_GATE != EL_GATE_ALWAYS) && !EL_GRADED
/* Section 9: whether the prediction is right, and leads by enough where that is asked. */
static bool nothing_to_learn(const el_learner *net, uint16_t prediction, uint16_t label)
{
    if (prediction != label) {
        return false;
    }
#if EL_UPDATE_GATE == EL_GATE_MARGIN
    {
        int32_t lead = 256;
#if EL_OUTPUTS == 1
        lead = (label == 1U) ? net->output[0] : -(int32_t)net->output[0];
#else
        for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
            const int32_t distance = (int32_t)net->output[label] - net->output[c];
            if ((c != label) && (distance < lead)) {
                lead = distance;
            }
        }
#endif
        return lead > EL_MARGIN;
    }
#else
    (void)net;
    return true;
#endif
}
#endif

static void update_from_lists(el_learner *net, const el_level *levels, uint16_t k, const el_sparse *deltas)
{
    if (deltas->n > 0U) {
        const int8_t *x = inputs_of(net, levels, k);
#if EL_CONV
        if (EL_IS_CONVOLUTION(&EL_LAYER[k])) {
            update_convolution(net, x, k, deltas);
            return;
        }
#endif
        const bool biases = EL_LEARNT_OF(&EL_LAYER[k]) == EL_LEARNS_BIAS; /* whose inputs have not waited */
        update(net, x, biases ? 0U : list_events(net, x, EL_LAYER[k].n_in), k, deltas);
    }
}

#if EL_PER_LAYER
#if EL_SIGNALS_WAITING != 0
/* d of hidden layer k where it has waited; nothing where it learned on the way or computes no d. */
static el_sparse waiting_deltas(el_learner *net, uint16_t k, uint16_t label, const el_sparse *above)
{
    const el_layer *layer = &EL_LAYER[k];
    (void)label;
    (void)above;
    if (!EL_IS_ON_THE_WAY(layer)) {
        switch (EL_SIGNAL_OF(layer)) {
#if (EL_SIGNALS_WAITING & EL_SIGNALS_OF_LABEL) != 0
        case EL_SIGNAL_TARGET:
        case EL_SIGNAL_SIGNED_TARGET:
            return gate_target(net, k, label);
#endif
#if (EL_SIGNALS_WAITING & (1 << EL_SIGNAL_LOCAL)) != 0
        case EL_SIGNAL_LOCAL: {
            const el_sparse own = local_error(net, k, label);
            return modulate(net, k, &own);
        }
#endif
#if (EL_SIGNALS_WAITING & (1 << EL_SIGNAL_DELTA)) != 0
        case EL_SIGNAL_DELTA:
#if EL_CONV
            if (EL_IS_CONVOLUTION(&EL_LAYER[k + 1U])) {
                return modulate_from_convolution(net, k, above);
            }
#endif
            return modulate(net, k, above);
#endif
#if (EL_SIGNALS_WAITING & ((1 << EL_SIGNAL_ERROR) | (1 << EL_SIGNAL_SIGN))) != 0
        case EL_SIGNAL_ERROR:
        case EL_SIGNAL_SIGN: { /* again, for a readout may have taken their place */
            const el_sparse errors = error_of(net, net->output, label);
            return modulate(net, k, &errors);
        }
#endif
        default:
            break;
        }
    }
#if EL_CONV
    return deltas_at(net, 0U); /* a convolution without d has no place for zeros */
#else
    return deltas_of(net, k);
#endif
}
#endif

static void update_waiting(el_learner *net, const el_level *levels, uint16_t k, const el_sparse *deltas)
{
    if (EL_LAYER[k].learns != EL_LEARNS_NONE) {
        update_from_lists(net, levels, k, deltas);
    }
}
#endif

/* Learn what was predicted: hidden layers that still wait for their signal, and the output layer. */
static void learn_from_error(el_learner *net, const el_level *levels, uint16_t label)
{
#if EL_PER_LAYER && EL_LAST_TO_FIRST
    el_sparse above = error_of(net, net->output, label);
    for (uint16_t k = EL_LAST; k > 0U; k--) {
        const el_sparse below = waiting_deltas(net, (uint16_t)(k - 1U), label, &above); /* through words not updated yet */
#if (EL_SIGNALS_WAITING & (1 << EL_SIGNAL_LOCAL)) != 0
        if (k == EL_LAST) { /* a readout has taken the place of the errors */
            above = error_of(net, net->output, label);
        }
#endif
        update_waiting(net, levels, k, &above);
        above = below;
    }
    update_waiting(net, levels, 0U, &above);
#elif EL_PER_LAYER
    el_sparse errors;
#if EL_SIGNALS_WAITING != 0
    for (uint16_t k = 0U; k < EL_LAST; k++) {
        const el_sparse deltas = waiting_deltas(net, k, label, (const el_sparse *)0);
        update_waiting(net, levels, k, &deltas);
    }
#endif
    errors = error_of(net, net->output, label);
    update_waiting(net, levels, EL_LAST, &errors);
#elif EL_SIGNAL == EL_SIGNAL_DELTA
    el_sparse above = error_of(net, net->output, label);
    for (uint16_t k = EL_LAST; k > 0U; k--) {
        const el_sparse below = modulate(net, (uint16_t)(k - 1U), &above); /* through words that are not updated yet */
        update_from_lists(net, levels, k, &above);
        above = below;
    }
    update_from_lists(net, levels, 0U, &above);
#else
#if EL_SIGNAL != EL_SIGNAL_LOCAL
    const el_sparse errors = error_of(net, net->output, label);
#endif
#if (EL_SIGNAL != EL_SIGNAL_NONE) && !EL_LEARNS_ON_THE_WAY
    for (uint16_t k = 0U; k < EL_LAST; k++) {
#if (EL_SIGNALS & EL_SIGNALS_OF_LABEL) != 0
        const el_sparse deltas = gate_target(net, k, label);
#elif EL_SIGNAL == EL_SIGNAL_LOCAL
        const el_sparse own = local_error(net, k, label);
        const el_sparse deltas = modulate(net, k, &own);
#else
        const el_sparse deltas = modulate(net, k, &errors);
#endif
        update_from_lists(net, levels, k, &deltas);
    }
#endif
#if EL_SIGNAL == EL_SIGNAL_LOCAL /* its list takes the place of those of hidden layers */
    const el_sparse errors = error_of(net, net->output, label);
#endif
    update_from_lists(net, levels, EL_LAST, &errors);
#endif
}

#if EL_GRADED
void el_predict(el_learner *net, const el_level *levels)
{
    forward_hidden(net, levels, EL_CLASSES);
    forward_output(net, inputs_of(net, levels, EL_LAST));
}

/* Learn one sample whose targets are taken. */
static void learn_targets(el_learner *net, const el_level *levels)
{
    forward_hidden(net, levels, 0U);
    forward_output(net, inputs_of(net, levels, EL_LAST));
    learn_from_error(net, levels, 0U);
    net->learned++;
}

#if EL_RECONSTRUCTS
void el_learn(el_learner *net, const el_level *levels)
{
    take_levels(net, levels);
    learn_targets(net, levels);
}
#else
void el_learn(el_learner *net, const el_level *levels, const int16_t *targets)
{
    take_targets(net, targets);
    learn_targets(net, levels);
}
#endif

#if EL_DETECTOR
#include "el_detector.h"
#endif
#else
uint16_t el_predict(el_learner *net, const el_level *levels)
{
    forward_hidden(net, levels, EL_CLASSES);
    return forward_output(net, inputs_of(net, levels, EL_LAST));
}

uint16_t el_learn(el_learner *net, const el_level *levels, uint16_t label)
{
    uint16_t prediction;
    if (label >= EL_CLASSES) {
        return el_predict(net, levels);
    }
    forward_hidden(net, levels, label);
    prediction = forward_output(net, inputs_of(net, levels, EL_LAST));
    if ((label >= net->live) && (EL_OUTPUTS > 1)) {
        net->live = (uint16_t)(label + 1U);
    }
#if EL_UPDATE_GATE != EL_GATE_ALWAYS
    if (nothing_to_learn(net, prediction, label)) {
        return prediction;
    }
#endif
    learn_from_error(net, levels, label);
    net->learned++;
    return prediction;
}
#endif

void el_init(el_learner *net)
{
    net->learned = 0U;
#if EL_STOCHASTIC
    net->generator = EL_GENERATOR;
#endif
    net->live = EL_OUTPUTS;
    net->halvings = EL_HALVINGS;
#if EL_DETECTOR
    start_detector(&net->detector);
#endif
    for (uint32_t i = 0U; i < EL_WORDS; i++) {
        net->words[i] = EL_READ_WORD(EL_INITIAL[i]);
    }
}
