/* Convolutions: the arithmetic contract, sections 3a to 5a. Included by el_learner.c alone, where a network has any.
 *
 * Maps are flat, channels last: element (y, x) of map o is j = (y * width + x) * maps + o. Only one window of an input
 * map is looked at at a time: its inputs that are not zero are listed once, and serve all maps or a sum of x times d.
 */
#ifndef EL_CONVOLUTION_H
#define EL_CONVOLUTION_H

/* List the inputs of the window at position (y, x) that are not zero: their places in the kernel in net->event, their
 * values at these places of net->tap. Padding holds zeros, so it is left out. */
static uint16_t open_window(el_learner *net, const int8_t *inputs, const el_layer *layer, uint32_t y, uint32_t x)
{
    const int32_t top = (int32_t)(y * layer->stride) - (int32_t)layer->padding;
    const int32_t left = (int32_t)(x * layer->stride) - (int32_t)layer->padding;
    const int32_t beyond = (int32_t)layer->width - left;
    const int32_t first = (left < 0) ? -left : 0;
    const int32_t end = (beyond < (int32_t)layer->kernel_width) ? beyond : (int32_t)layer->kernel_width;
    uint16_t n = 0U;
    if (first >= end) {
        return n;
    }
    for (int32_t dy = (top < 0) ? -top : 0; (dy < (int32_t)layer->kernel_height) && (top + dy < (int32_t)layer->height);
         dy++) {
        const uint32_t pixel = ((uint32_t)(top + dy) * layer->width) + (uint32_t)(left + first);
        const int8_t *row = &inputs[pixel * layer->channels];
        const int8_t *row_end = &row[(uint32_t)(end - first) * layer->channels];
        uint32_t place = (((uint32_t)dy * layer->kernel_width) + (uint32_t)first) * layer->channels;
        for (; row < row_end; row++) {
            if (*row != 0) {
                net->tap[place] = *row;
                net->event[n] = (el_index)place;
                n++;
            }
            place++;
        }
    }
    return n;
}

/* --- winners of a pooling: places in its window, packed ---------------------------------------------------------- */

#if EL_WINNERS > 0
/* The lowest bits of a byte that a winner takes. */
static inline uint32_t winner_mask(const el_layer *layer)
{
    const uint32_t bits = (uint32_t)1 << layer->winner_log;
    return ((uint32_t)1 << bits) - 1U;
}

static inline void hold_winner(el_learner *net, const el_layer *layer, uint32_t j, uint32_t place)
{
    const uint32_t bit = j << layer->winner_log;
    const uint32_t mask = winner_mask(layer) << (bit & 7U);
    uint8_t *byte = &net->winner[layer->winner_at + (bit >> 3U)];
    *byte = (uint8_t)((*byte & ~mask) | (place << (bit & 7U)));
}

static inline uint32_t winner_of(const el_learner *net, const el_layer *layer, uint32_t j)
{
    const uint32_t bit = j << layer->winner_log;
    const uint32_t packed = net->winner[layer->winner_at + (bit >> 3U)];
    return (packed >> (bit & 7U)) & winner_mask(layer);
}
#endif

/* Whether d of element j acts at a place of its pooling window: at the winner, or everywhere under a mean. */
static inline bool acts_at(const el_learner *net, const el_layer *layer, uint32_t j, uint32_t place)
{
#if EL_WINNERS > 0
    if ((layer->flags & EL_FLAG_WINNERS) != 0U) {
        return winner_of(net, layer, j) == place;
    }
#endif
    (void)net;
    (void)layer;
    (void)j;
    (void)place;
    return true;
}

/* --- section 5a: sums of x times d, rounded once ------------------------------------------------------------------ */

static void clear_sums(int32_t *sum, const el_layer *layer)
{
    const uint32_t n = (EL_ROW_WORDS(layer) < EL_SUMS) ? EL_ROW_WORDS(layer) : EL_SUMS; /* to a compiler */
    for (uint32_t place = 0U; place < n; place++) {
        sum[place] = 0;
    }
}

/* Add x times d at position (y, x) to the sums of a kernel; biases alone need no inputs. */
static void add_window(
    el_learner *net, const int8_t *inputs, uint16_t k, uint32_t y, uint32_t x, int32_t d, int32_t *sum)
{
    const el_layer *layer = &EL_LAYER[k];
    if (EL_LEARNT_OF(layer) == EL_LEARNS_ALL) {
        const uint16_t n = open_window(net, inputs, layer, y, x);
        for (const el_index *event = net->event; event < &net->event[n]; event++) {
            sum[*event] += input(net->tap, *event, k) * d;
        }
    }
    if (layer->biases != 0U) {
        sum[layer->fan_in] += (int32_t)layer->one * d;
    }
}

/* Add one rounded step to the words of map o. Every map sees the same draws, from one state; return the state behind. */
static uint32_t step_kernel(el_learner *net, uint16_t k, uint32_t o, const int32_t *sums, uint32_t generator)
{
    const el_layer *layer = &EL_LAYER[k];
    const uint32_t first = (EL_LEARNT_OF(layer) == EL_LEARNS_BIAS) ? layer->fan_in : 0U;
    const uint32_t n = EL_ROW_WORDS(layer) - first;
    const int32_t halved = (int32_t)layer->step_shift + (int32_t)net->halvings;
    const int32_t shift = ((halved > 30) ? 30 : halved) - (EL_STOCHASTIC ? 8 : 0);
    const int32_t *sum = &sums[first];
    el_word *word = &net->words[layer->words_at + (o * n)];
    for (uint32_t i = 0U; i < n; i++) {
        const bool is_bias = (first + i) == layer->fan_in;
        const int32_t lowest = (EL_NON_NEGATIVE && (layer->non_negative != 0U) && !is_bias) ? 0 : EL_WORD_MIN;
        int32_t step = el_round_sum(-sum[i], shift);
#if EL_STOCHASTIC
        const uint32_t draw = el_draw(&generator);
#if EL_LONG_STEPS
        step = el_clamp(step, -256 * EL_WORD_MAX, 256 * EL_WORD_MAX);
#endif
        step = el_shr(step, 8U) + ((el_random_byte(draw, o) < (step & 255)) ? 1 : 0);
#elif EL_LONG_STEPS
        step = el_clamp(step, -EL_WORD_MAX, EL_WORD_MAX);
#endif
        word[i] = (el_word)el_clamp((int32_t)word[i] + step, lowest, EL_WORD_MAX);
    }
    return generator;
}

/* Add d of element (y, x) to the sums, where it acts. */
static void add_element(
    el_learner *net, const int8_t *inputs, uint16_t k, uint32_t y, uint32_t x, uint32_t j, int32_t d)
{
    const el_layer *layer = &EL_LAYER[k];
    const uint32_t pool = ((layer->flags & EL_FLAG_POSITIONS) != 0U) ? 1U : layer->pool;
    uint32_t place = 0U;
    for (uint32_t dy = 0U; dy < pool; dy++) {
        for (uint32_t dx = 0U; dx < pool; dx++) {
            if (acts_at(net, layer, j, place)) {
                add_window(net, inputs, k, (y * pool) + dy, (x * pool) + dx, d, net->sum);
            }
            place++;
        }
    }
}

static uint32_t generator_of(const el_learner *net)
{
#if EL_STOCHASTIC
    return net->generator;
#else
    (void)net;
    return 0U;
#endif
}

static void take_generator(el_learner *net, uint32_t generator)
{
#if EL_STOCHASTIC
    net->generator = generator;
#else
    (void)net;
    (void)generator;
#endif
}

/* Update from d that have waited, map after map. */
static void update_convolution(el_learner *net, const int8_t *inputs, uint16_t k, const el_sparse *deltas)
{
    const el_layer *layer = &EL_LAYER[k];
    const bool positions = (layer->flags & EL_FLAG_POSITIONS) != 0U;
    const uint32_t height = positions ? layer->out_height : layer->pooled_height;
    const uint32_t width = positions ? layer->out_width : layer->pooled_width;
    const uint32_t start = generator_of(net);
    uint32_t generator = start;
    for (uint32_t o = 0U; o < layer->columns; o++) {
        uint32_t j = o;
        bool active = false;
        for (uint32_t y = 0U; y < height; y++) {
            for (uint32_t x = 0U; x < width; x++) {
                const int32_t d = deltas->value[j];
                if ((d != 0) && !active) {
                    clear_sums(net->sum, layer);
                    active = true;
                }
                if (d != 0) {
                    add_element(net, inputs, k, y, x, j, d);
                }
                j += layer->columns;
            }
        }
        if (active) {
            generator = step_kernel(net, k, o, net->sum, start);
        }
    }
    take_generator(net, generator);
}

/* --- section 3a: forward ------------------------------------------------------------------------------------------ */

/* Send on the activation of element j, as dense layers do. */
static inline void send(el_learner *net, const el_layer *layer, uint32_t j, int32_t q, uint16_t label)
{
    int8_t y = (int8_t)EL_READ8(EL_ACTIVATION[q + 128]);
#ifdef EL_SIGN_ONE /* section 3: without a label an activation is its sign */
    if (label >= EL_CLASSES) {
        y = (int8_t)((q < 0) ? -EL_SIGN_ONE : EL_SIGN_ONE);
    }
#endif
    (void)label;
    net->activation[layer->activation_at + j] =
        (int8_t)(((y > EL_EVENT_THRESHOLD) || (y < -EL_EVENT_THRESHOLD)) ? y : 0);
}

/* Sums of all maps at position (y, x): the largest, or the total, of those at the places of a pooling window so far; j is
 * the first of its elements. */
static void add_position(
    el_learner *net, const int8_t *inputs, uint16_t k, uint32_t y, uint32_t x, uint32_t j, uint32_t place)
{
    const el_layer *layer = &EL_LAYER[k];
    const uint16_t n = open_window(net, inputs, layer, y, x);
    (void)j;
    for (uint16_t o = 0U; o < layer->columns; o++) {
        const int32_t z = pre_activation(net, net->tap, n, k, o);
#if EL_GATES > 0
        if (((layer->flags & EL_FLAG_POSITIONS) != 0U) && EL_HOLDS_GATES(layer)) {
            const int32_t q = el_round_clamp(z, layer->sum_shift - layer->pool_shift, -128, 127);
            const uint32_t at = (((y * layer->out_width) + x) * layer->columns) + o;
            net->gate[layer->gate_at + at] = EL_READ8(EL_GATE_OF[q + 128]);
        }
#endif
        if (layer->pool_shift > 0U) {
            net->sum[o] = ((place > 0U) ? net->sum[o] : 0) + z;
        } else if ((place == 0U) || (z > net->sum[o])) {
            net->sum[o] = z;
#if EL_WINNERS > 0
            if ((layer->flags & EL_FLAG_WINNERS) != 0U) {
                hold_winner(net, layer, j + o, place);
            }
#endif
        } else {
            /* the first of equal sums stays */
        }
    }
}

/* Take a map forward, all kernels at a position after the other. */
static void forward_positions(el_learner *net, const int8_t *inputs, uint16_t k, uint16_t label)
{
    const el_layer *layer = &EL_LAYER[k];
    uint32_t j = 0U;
    for (uint32_t y = 0U; y < layer->pooled_height; y++) {
        for (uint32_t x = 0U; x < layer->pooled_width; x++) {
            uint32_t place = 0U;
            for (uint32_t dy = 0U; dy < layer->pool; dy++) {
                for (uint32_t dx = 0U; dx < layer->pool; dx++) {
                    add_position(net, inputs, k, (y * layer->pool) + dy, (x * layer->pool) + dx, j, place);
                    place++;
                }
            }
            for (uint32_t o = 0U; o < layer->columns; o++) {
                const int32_t q = table_index(net->sum[o], layer);
                send(net, layer, j + o, q, label);
#if EL_GATES > 0
                if (((layer->flags & EL_FLAG_POSITIONS) == 0U) && EL_HOLDS_GATES(layer)) {
                    net->gate[layer->gate_at + j + o] = EL_READ8(EL_GATE_OF[q + 128]);
                }
#endif
            }
            j += layer->columns;
        }
    }
    if (((layer->flags & EL_FLAG_POSITIONS) != 0U) && EL_HOLDS_GATES(layer)) { /* those that no pooling takes */
        for (uint32_t y = 0U; y < layer->out_height; y++) {
            const bool is_below = y >= ((uint32_t)layer->pooled_height * layer->pool);
            const uint32_t first = is_below ? 0U : ((uint32_t)layer->pooled_width * layer->pool);
            for (uint32_t x = first; x < layer->out_width; x++) {
                add_position(net, inputs, k, y, x, 0U, 0U);
            }
        }
    }
}

#if (EL_SIGNALS_ON_THE_WAY & EL_SIGNALS_OF_LABEL) != 0

#if EL_LFSR_LANES > 0
/* Let the registers of a layer's rows step over n words. */
static void skip_words(el_learner *net, const el_layer *layer, uint32_t n)
{
    const uint16_t rows = (EL_SIGNAL_OF(layer) == EL_SIGNAL_TARGET) ? 1U : EL_OUTPUTS;
    for (uint16_t row = 0U; row < rows; row++) {
        for (uint32_t i = 0U; i < n; i++) {
            (void)lfsr_word(layer, &net->lfsr[row]);
        }
    }
}
#endif

/* What a kernel that learns on the way holds in net->sum: its sums of x times d, and behind them these. */
#define EL_POOLED 0U    /* the sum of the element at hand */
#define EL_WINNER 1U    /* where in the pooling window that is */
#define EL_MODULATOR 2U /* shared by a map */
#define EL_HELD 3U

/* Sums of n maps from map o on at element (y, x). */
static void pool_windows(
    el_learner *net, const int8_t *inputs, uint16_t k, uint32_t o, uint32_t n, uint32_t y, uint32_t x)
{
    const el_layer *layer = &EL_LAYER[k];
    const uint32_t stride = EL_ROW_WORDS(layer) + EL_HELD;
    int32_t place = 0;
    for (uint32_t dy = 0U; dy < layer->pool; dy++) {
        for (uint32_t dx = 0U; dx < layer->pool; dx++) {
            const uint16_t events = open_window(net, inputs, layer, (y * layer->pool) + dy, (x * layer->pool) + dx);
            for (uint32_t b = 0U; b < n; b++) {
                int32_t *held = &net->sum[(b * stride) + EL_ROW_WORDS(layer)];
                const int32_t z = pre_activation(net, net->tap, events, k, (uint16_t)(o + b));
                if (layer->pool_shift > 0U) {
                    held[EL_POOLED] = ((place > 0) ? held[EL_POOLED] : 0) + z;
                } else if ((place == 0) || (z > held[EL_POOLED])) {
                    held[EL_POOLED] = z;
                    held[EL_WINNER] = place;
                } else {
                    /* the first of equal sums stays */
                }
            }
            place++;
        }
    }
}

/* Add d of element (y, x) to the sums of a kernel that holds them. */
static void add_held(
    el_learner *net, const int8_t *inputs, uint16_t k, uint32_t y, uint32_t x, int32_t d, int32_t *sum)
{
    const el_layer *layer = &EL_LAYER[k];
    int32_t place = 0;
    for (uint32_t dy = 0U; dy < layer->pool; dy++) {
        for (uint32_t dx = 0U; dx < layer->pool; dx++) {
            if ((layer->pool_shift > 0U) || (place == sum[EL_ROW_WORDS(layer) + EL_WINNER])) {
                add_window(net, inputs, k, (y * layer->pool) + dy, (x * layer->pool) + dx, d, sum);
            }
            place++;
        }
    }
}

/* Take n maps from map o on forward, and their d, which are summed up at once; return which of them have any. */
static uint32_t sum_on_the_way(
    el_learner *net, const int8_t *inputs, uint16_t k, uint16_t label, uint32_t o, uint32_t n)
{
    const el_layer *layer = &EL_LAYER[k];
    const uint32_t stride = EL_ROW_WORDS(layer) + EL_HELD;
    uint32_t j = o;
    uint32_t at = 0U;
    uint32_t active = 0U;
    const bool taught = start_modulators(net, layer, label, &at);
    const bool each = taught && !EL_SHARES_MODULATORS(layer);
#if EL_LFSR_LANES > 0
    skip_words(net, layer, o);
#endif
    for (uint32_t b = 0U; b < n; b++) {
        int32_t *sum = &net->sum[b * stride];
        clear_sums(sum, layer);
        sum[EL_ROW_WORDS(layer) + EL_MODULATOR] =
            (taught && !each) ? next_modulator(net, layer, label, at + o + b, 1) : 0;
    }
    for (uint32_t y = 0U; y < layer->pooled_height; y++) {
        for (uint32_t x = 0U; x < layer->pooled_width; x++) {
            pool_windows(net, inputs, k, o, n, y, x);
            for (uint32_t b = 0U; b < n; b++) {
                int32_t *sum = &net->sum[b * stride];
                const int32_t *held = &sum[EL_ROW_WORDS(layer)];
                const int32_t q = table_index(held[EL_POOLED], layer);
                const int32_t gate = (int32_t)EL_READ8(EL_GATE_OF[q + 128]);
                const int32_t m = each ? next_modulator(net, layer, label, at + j + b, gate) : held[EL_MODULATOR];
                const int32_t d = gated(layer, m, gate);
                send(net, layer, j + b, q, label);
                if (d != 0) {
                    active |= (uint32_t)1 << b;
                    add_held(net, inputs, k, y, x, d, sum);
                }
            }
#if EL_LFSR_LANES > 0
            if (each) {
                skip_words(net, layer, layer->columns - n);
            }
#endif
            j += layer->columns;
        }
    }
    return active;
}

/* Take a map forward, a few kernels at a time, which learn right after: nothing waits but their sums. */
static void learn_on_the_way(el_learner *net, const int8_t *inputs, uint16_t k, uint16_t label)
{
    const el_layer *layer = &EL_LAYER[k];
    const uint32_t start = generator_of(net);
    uint32_t generator = start;
    uint32_t n;
    for (uint32_t o = 0U; o < layer->columns; o += n) {
        uint32_t active;
        n = ((layer->columns - o) < layer->kernels) ? (layer->columns - o) : layer->kernels;
        active = sum_on_the_way(net, inputs, k, label, o, n);
        for (uint32_t b = 0U; b < n; b++) {
            if (((active >> b) & 1U) != 0U) {
                generator = step_kernel(net, k, o + b, &net->sum[b * (EL_ROW_WORDS(layer) + EL_HELD)], start);
            }
        }
    }
    take_generator(net, generator);
}
#endif

/* Take a convolution forward. A rule that waits for nothing learns it on the way, from the label. */
static void forward_convolution(el_learner *net, const int8_t *inputs, uint16_t k, uint16_t label)
{
    const el_layer *layer = &EL_LAYER[k];
#if (EL_SIGNALS_ON_THE_WAY & EL_SIGNALS_OF_LABEL) != 0
    if ((label < EL_CLASSES) && EL_IS_ON_THE_WAY(layer) && (layer->learns != EL_LEARNS_NONE) &&
        (EL_SIGNAL_OF(layer) != EL_SIGNAL_LOCAL)) {
        learn_on_the_way(net, inputs, k, label);
        return;
    }
#endif
    forward_positions(net, inputs, k, label);
#if (EL_SIGNALS_ON_THE_WAY & (1 << EL_SIGNAL_LOCAL)) != 0
    if ((label < EL_CLASSES) && EL_IS_ON_THE_WAY(layer) && (EL_SIGNAL_OF(layer) == EL_SIGNAL_LOCAL)) {
        const el_sparse errors = local_error(net, k, label);
        const el_sparse modulated = modulate(net, k, &errors);
        if (modulated.n > 0U) {
            update_convolution(net, inputs, k, &modulated);
        }
    }
#endif
    (void)layer;
}

/* --- section 4a: d through the convolution above ------------------------------------------------------------------ */

#if (EL_SIGNALS_WAITING & (1 << EL_SIGNAL_DELTA)) != 0

/* Positions along one side whose windows hold a row or column of the input map, and the pooling window of the first. */
typedef struct {
    uint32_t first;
    uint32_t end;
    uint32_t pooled;
    uint32_t within;
} el_span;

/* Move on to a later row or column, counted from the first of the padding. */
static void advance(el_span *span, uint32_t at, uint32_t kernel, uint32_t stride, uint32_t pool, uint32_t positions)
{
    while ((span->end < positions) && ((span->end * stride) <= at)) {
        span->end++;
    }
    while ((span->first < span->end) && (((span->first * stride) + kernel) <= at)) {
        span->first++;
        span->within++;
        if (span->within == pool) {
            span->within = 0U;
            span->pooled++;
        }
    }
}

/* The weight behind layer k's modulator: a word of fixed feedback, or the view of one of the convolution above. */
static inline int32_t weight_above(const el_learner *net, uint16_t k, uint32_t o, uint32_t place)
{
    const el_layer *layer = &EL_LAYER[k];
    if (EL_TRANSPORTS(layer)) {
        return weight(net, (uint16_t)(k + 1U), o, place);
    }
#if EL_LFSR_LANES > 0
    {
        uint16_t state = lfsr_start(o, layer->feedback_at);
        for (uint32_t i = 0U; i < place; i++) {
            (void)lfsr_word(layer, &state);
        }
        return lfsr_word(layer, &state);
    }
#elif EL_FEEDBACK_BITS > 0
    return feedback_word(layer->feedback_at + (o * EL_FEEDBACK_ROW(layer)) + place);
#else
    return EL_FEEDBACK_SET;
#endif
}

/* Sum of d of all maps above whose windows hold channel c of (row, column), times the weights between. */
static int32_t sum_of_windows(
    const el_learner *net, uint16_t k, const el_span *rows, const el_span *columns, uint32_t row, uint32_t column,
    uint32_t c, const el_factor *deltas)
{
    const el_layer *above = &EL_LAYER[k + 1U];
    int32_t sum = 0;
    uint32_t py = rows->pooled;
    uint32_t dy = rows->within;
    for (uint32_t y = rows->first; y < rows->end; y++) {
        uint32_t px = columns->pooled;
        uint32_t dx = columns->within;
        for (uint32_t x = columns->first; x < columns->end; x++) {
            const uint32_t tap_y = row - (y * above->stride);
            const uint32_t tap_x = column - (x * above->stride);
            const uint32_t at = (((tap_y * above->kernel_width) + tap_x) * above->channels) + c;
            const uint32_t first = ((py * above->pooled_width) + px) * above->columns;
            for (uint32_t o = 0U; o < above->columns; o++) {
                const int32_t d = deltas[first + o];
                if ((d != 0) && acts_at(net, above, first + o, (dy * above->pool) + dx)) {
                    sum += d * weight_above(net, k, o, at);
                }
            }
            dx++;
            if (dx == above->pool) {
                dx = 0U;
                px++;
            }
        }
        dy++;
        if (dy == above->pool) {
            dy = 0U;
            py++;
        }
    }
    return sum;
}

/* d of convolution k from the d of the convolution above, element after element behind an open gate. */
static el_sparse modulate_from_convolution(el_learner *net, uint16_t k, const el_sparse *deltas)
{
    const el_layer *layer = &EL_LAYER[k];
    const el_layer *above = &EL_LAYER[k + 1U];
    el_sparse below = deltas_of(net, k);
    el_span rows = {0U, 0U, 0U, 0U};
    uint32_t j = 0U;
    if (deltas->n == 0U) {
        return below;
    }
    for (uint32_t y = 0U; y < above->height; y++) {
        const uint32_t row = y + above->padding;
        el_span columns = {0U, 0U, 0U, 0U};
        advance(&rows, row, above->kernel_height, above->stride, above->pool,
                (uint32_t)above->pooled_height * above->pool);
        for (uint32_t x = 0U; x < above->width; x++) {
            const uint32_t column = x + above->padding;
            advance(&columns, column, above->kernel_width, above->stride, above->pool,
                    (uint32_t)above->pooled_width * above->pool);
            for (uint32_t c = 0U; c < above->channels; c++) {
                const int32_t gate = (int32_t)net->gate[layer->gate_at + j];
                if (gate != 0) {
                    int32_t sum = sum_of_windows(net, k, &rows, &columns, row, column, c, deltas->value);
#if EL_ACCUMULATOR_BITS < 32
                    sum = el_wrap(sum, EL_ACCUMULATOR_BITS);
#endif
                    append_gated(layer, &below, (uint16_t)j,
                                 el_round_clamp(sum, layer->signal_shift, -EL_MODULATOR_MAX, EL_MODULATOR_MAX), gate);
                }
                j++;
            }
        }
    }
    return below;
}
#endif

#endif
