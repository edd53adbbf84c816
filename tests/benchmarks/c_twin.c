/* Online DRTP, DFA and backpropagation for a network with one hidden layer, by hand: the same bits as the product, as
 * fast as vector instructions allow. Words are 16 bits (8-bit view + 8 residual bits), so every shift to the view is
 * by 8 and saturation is that of int16.
 *
 * The hidden layer goes through in tiles of 512 neurons: forward, activation, gate, steps and update of a tile
 * follow each other. DRTP allows it: a hidden neuron needs its own sum and the label, nothing else. Narrower tiles
 * would stay in the first cache between forward and update, but were slower: short pieces of many rows defeat the
 * prefetcher. A row is an odd number of cache lines, so that equal columns spread over all sets of the cache.
 *
 * Under DFA and backpropagation all tiles go forward first; the tiles of the update follow when the error is known.
 */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512BW__
typedef __m512i vec;
#define LANES 32
#define LOAD(p) _mm512_load_si512((const void *)(p))
#define STORE(p, v) _mm512_store_si512((void *)(p), v)
#define ZERO _mm512_setzero_si512()
#define SET16(x) _mm512_set1_epi16(x)
#define ADD16(a, b) _mm512_add_epi16(a, b)
#define ADDS16(a, b) _mm512_adds_epi16(a, b)
#define MUL16(a, b) _mm512_mullo_epi16(a, b)
#define SHR8(a) _mm512_srai_epi16(a, 8)
#define SHR16(a, n) _mm512_sra_epi16(a, _mm_cvtsi32_si128(n))
#define SHL16(a, n) _mm512_sll_epi16(a, _mm_cvtsi32_si128(n))
#define MADDUBS(u, s) _mm512_maddubs_epi16(u, s)
#define MADD16(a, b) _mm512_madd_epi16(a, b)
#define ADD32(a, b) _mm512_add_epi32(a, b)
#define SUB16(a, b) _mm512_sub_epi16(a, b)
#define MAX16(a, b) _mm512_max_epi16(a, b)
#define LOW_PAIRS(a, b) _mm512_unpacklo_epi16(a, b)
#define HIGH_PAIRS(a, b) _mm512_unpackhi_epi16(a, b)
#define PACK16(a, b) _mm512_packs_epi32(a, b)
#define SET32(x) _mm512_set1_epi32(x)
#define SHR32(a, n) _mm512_sra_epi32(a, _mm_cvtsi32_si128(n))
typedef int64_t count_t; /* a popcount of the mask is faster than lanes that count */
#define NO_COUNT 0
#define COUNT_DIFFERENT(n, a, b) ((n) + __builtin_popcount(_mm512_cmpneq_epi16_mask(a, b)))
#define LOW32(v) _mm512_cvtepi16_epi32(_mm512_castsi512_si256(v))
#define HIGH32(v) _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(v, 1))
static inline int32_t total32(vec v) { return _mm512_reduce_add_epi32(v); }
static inline int64_t total_count(count_t n) { return n; }
#elif defined(__AVX2__)
typedef __m256i vec;
#define LANES 16
#define LOAD(p) _mm256_load_si256((const vec *)(p))
#define STORE(p, v) _mm256_store_si256((vec *)(p), v)
#define ZERO _mm256_setzero_si256()
#define SET16(x) _mm256_set1_epi16(x)
#define ADD16(a, b) _mm256_add_epi16(a, b)
#define ADDS16(a, b) _mm256_adds_epi16(a, b)
#define MUL16(a, b) _mm256_mullo_epi16(a, b)
#define SHR8(a) _mm256_srai_epi16(a, 8)
#define SHR16(a, n) _mm256_sra_epi16(a, _mm_cvtsi32_si128(n))
#define SHL16(a, n) _mm256_sll_epi16(a, _mm_cvtsi32_si128(n))
#define MADDUBS(u, s) _mm256_maddubs_epi16(u, s)
#define MADD16(a, b) _mm256_madd_epi16(a, b)
#define ADD32(a, b) _mm256_add_epi32(a, b)
#define SUB16(a, b) _mm256_sub_epi16(a, b)
#define MAX16(a, b) _mm256_max_epi16(a, b)
#define LOW_PAIRS(a, b) _mm256_unpacklo_epi16(a, b)
#define HIGH_PAIRS(a, b) _mm256_unpackhi_epi16(a, b)
#define PACK16(a, b) _mm256_packs_epi32(a, b)
#define SET32(x) _mm256_set1_epi32(x)
#define SHR32(a, n) _mm256_sra_epi32(a, _mm_cvtsi32_si128(n))
typedef vec count_t; /* 16-bit lanes; equal lanes are -1: count all, then take the equal ones off */
#define NO_COUNT ZERO
#define COUNT_DIFFERENT(n, a, b) ADD16(ADD16(n, SET16(1)), _mm256_cmpeq_epi16(a, b))
#define LOW32(v) _mm256_cvtepi16_epi32(_mm256_castsi256_si128(v))
#define HIGH32(v) _mm256_cvtepi16_epi32(_mm256_extracti128_si256(v, 1))
static inline int32_t total32(vec v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}
static inline int64_t total_count(count_t n) { return total32(MADD16(n, SET16(1))); }
#else
#error "the C twin needs AVX2"
#endif

#define TILE 512 /* neurons */
#define VECS (TILE / LANES)
#define MAX_LEVELS 16
#define MAX_OUTPUTS 64
#define MAX_INPUTS 4096
#define MAX_HIDDEN 4096

#ifdef PHASES
#define PHASE(name) do { uint64_t now = __rdtsc(); net->ticks[name] += now - tick; tick = now; } while (0)
#else
#define PHASE(name) (void)tick
#endif
enum { DRTP, DFA, BP };
enum { LIST, FORWARD, ACTIVATE, GATE, STEPS, ADD, OUTPUT, OUTPUT_ADD, N_PHASES };

typedef struct {
    int64_t n_in, n_hidden, n_out;
    int64_t stride, out_stride;  /* words from row to row */
    int64_t one;                 /* highest input level, which is that of the bias */
    int64_t sum_shift, out_sum_shift, step_shift, out_step_shift;
    int64_t rule, signal_shift;  /* DRTP, DFA or BP; modulators are sums of errors >> signal_shift */
    int16_t *hidden;             /* [n_in + 1][stride], a row an input, the bias last */
    int16_t *out;                /* [n_out][out_stride], a row a neuron, the bias at n_hidden */
    const int16_t *feedback;     /* [n_out][stride] */
    const int8_t *activation;    /* [256] by q + 128 */
    const int8_t *gate;          /* [256] */
    const uint8_t *probability;  /* [256] */
    int64_t saturations[2];
    uint64_t ticks[N_PHASES];
} network;

/* Add steps to words; return the count of sums that left the range. */
static inline count_t add_steps(int16_t *words, vec steps, count_t count) {
    const vec before = LOAD(words), after = ADDS16(before, steps);
    count = COUNT_DIFFERENT(count, ADD16(before, steps), after);
    STORE(words, after);
    return count;
}

static inline int clip_index(int32_t z, int32_t half, int shift) {
    int32_t q = (z + half) >> shift;
    return q < -128 ? -128 : q > 127 ? 127 : q;
}

/* Write the indices and levels << 8 of inputs that are not zero; return how many there are. Up to 64 entries
 * after the last are overwritten. */
static int64_t list_events(const uint8_t *levels, int64_t n_in, uint16_t *rows, int16_t *factors) {
    int64_t n = 0, i = 0;
#ifdef __AVX512VBMI2__
    const __m512i low = _mm512_setr_epi32(
        0x00010000, 0x00030002, 0x00050004, 0x00070006, 0x00090008, 0x000b000a, 0x000d000c, 0x000f000e, 0x00110010,
        0x00130012, 0x00150014, 0x00170016, 0x00190018, 0x001b001a, 0x001d001c, 0x001f001e);
    for (; i < n_in; i += 32) { /* no branch an event */
        const __mmask32 valid = n_in - i >= 32 ? ~0u : (1u << (n_in - i)) - 1;
        const __m256i v = _mm256_maskz_loadu_epi8(valid, levels + i);
        const __mmask32 on = _mm256_test_epi8_mask(v, v);
        const __m512i index = ADD16(low, SET16((int16_t)i)), level = _mm512_slli_epi16(_mm512_cvtepu8_epi16(v), 8);
        _mm512_storeu_si512(rows + n, _mm512_maskz_compress_epi16(on, index));
        _mm512_storeu_si512(factors + n, _mm512_maskz_compress_epi16(on, level));
        n += __builtin_popcount(on);
    }
#else
    for (; i + 32 <= n_in; i += 32) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)(levels + i));
        uint32_t on = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_setzero_si256()));
        for (; on; on &= on - 1) {
            const int64_t row = i + __builtin_ctz(on);
            rows[n] = (uint16_t)row;
            factors[n++] = (int16_t)(levels[row] << 8);
        }
    }
    for (; i < n_in; i++)
        if (levels[i]) {
            rows[n] = (uint16_t)i;
            factors[n++] = (int16_t)(levels[i] << 8);
        }
#endif
    return n;
}

/* Look up n = TILE bytes in a table of 256. */
static inline void look_up(const int8_t *table, const uint8_t *index, int8_t *result) {
#ifdef __AVX512VBMI__
    __m512i t0 = LOAD(table), t1 = LOAD(table + 64), t2 = LOAD(table + 128), t3 = LOAD(table + 192);
    for (int j = 0; j < TILE; j += 64) {
        __m512i q = LOAD(index + j);
        __m512i low = _mm512_permutex2var_epi8(t0, q, t1), high = _mm512_permutex2var_epi8(t2, q, t3);
        STORE(result + j, _mm512_mask_blend_epi8(_mm512_movepi8_mask(q), low, high));
    }
#else
    for (int j = 0; j < TILE; j++)
        result[j] = table[index[j]];
#endif
}

#define ALIGNED __attribute__((aligned(64)))

/* Activations and gates of a tile of neurons. */
static inline __attribute__((always_inline)) uint64_t forward_tile(
    network *net, int64_t first, const uint16_t *rows, const int16_t *factors, int64_t n, int16_t *y16, int8_t *g,
    uint64_t tick) {
    int32_t z[TILE] ALIGNED;
    uint8_t index[TILE] ALIGNED;
    int8_t y[TILE] ALIGNED;
    const int16_t *plane = net->hidden + first;
    const int64_t stride = net->stride;

    /* forward: as many rows as cannot leave 16 bits, then one widening */
    const int64_t chunk = 32767 / (128 * net->one);
    for (int64_t start = 0; start < n; start += chunk) {
        const int64_t end = start + chunk < n ? start + chunk : n;
        vec sum[VECS];
        for (int v = 0; v < VECS; v++) sum[v] = ZERO;
        for (int64_t e = start; e < end; e++) {
            const int16_t *row = plane + rows[e] * stride;
            const vec factor = SET16(factors[e]); /* bytes (0, level): one instruction shifts and multiplies */
            for (int v = 0; v < VECS; v++) sum[v] = ADD16(sum[v], MADDUBS(factor, LOAD(row + v * LANES)));
        }
        for (int v = 0; v < VECS; v++) {
            int32_t *to = z + v * LANES;
            if (start == 0) {
                STORE(to, LOW32(sum[v]));
                STORE(to + LANES / 2, HIGH32(sum[v]));
            } else {
                STORE(to, ADD32(LOAD(to), LOW32(sum[v])));
                STORE(to + LANES / 2, ADD32(LOAD(to + LANES / 2), HIGH32(sum[v])));
            }
        }
    }
    PHASE(FORWARD);

    const int shift = (int)net->sum_shift;
    const int32_t half = (1 << shift) >> 1;
    for (int j = 0; j < TILE; j++) index[j] = (uint8_t)(clip_index(z[j], half, shift) + 128);
    look_up(net->activation, index, y);
    look_up(net->gate, index, g);
    for (int j = 0; j < TILE; j++) y16[first + j] = y[j];
    PHASE(ACTIVATE);
    return tick;
}

/* d of a tile from the feedback row of the target. */
static inline __attribute__((always_inline)) void target_tile(
    const int16_t *feedback, const int8_t *g, int16_t *d) {
    for (int j = 0; j < TILE; j++) d[j] = (int16_t)((int16_t)(feedback[j] * g[j] + 64) >> 7);
}

/* d of a tile from errors: e[i] belongs to row[i], columns of fixed feedback or words of output weights; an even number
 * of errors, the last of them 0 where there is an odd one. Pairs of rows are multiplied by pairs of errors. */
static inline __attribute__((always_inline)) void error_tile(
    const network *net, const int16_t *const *row, const int16_t *e, int n, int64_t first, const int8_t *g, int16_t *d) {
    const int view = net->rule == BP ? 8 : 0, shift = (int)net->signal_shift;
    const vec half = SET32(shift > 0 ? 1 << (shift - 1) : 0), lowest = SET16(-32767);
    const vec one = SET16(1), round = SET16(64);
    int16_t gates[LANES] ALIGNED;
    for (int j = 0; j < TILE; j += LANES) {
        vec low = half, high = half;
        for (int i = 0; i < n; i += 2) {
            const vec a = SHR16(LOAD(row[i] + first + j), view), b = SHR16(LOAD(row[i + 1] + first + j), view);
            const vec errors = SET32((uint16_t)e[i] | (uint32_t)(uint16_t)e[i + 1] << 16);
            low = ADD32(low, MADD16(LOW_PAIRS(a, b), errors));
            high = ADD32(high, MADD16(HIGH_PAIRS(a, b), errors));
        }
        const vec m = MAX16(PACK16(SHR32(low, shift), SHR32(high, shift)), lowest);
        for (int k = 0; k < LANES; k++) gates[k] = g[j + k];
        const vec gate = LOAD(gates); /* m * g + 64 * 1 in one instruction */
        low = SHR32(MADD16(LOW_PAIRS(m, round), LOW_PAIRS(gate, one)), 7);
        high = SHR32(MADD16(HIGH_PAIRS(m, round), HIGH_PAIRS(gate, one)), 7);
        STORE(d + j, MAX16(PACK16(low, high), lowest));
    }
}

/* Add the steps of a tile to the rows of all events. */
static inline __attribute__((always_inline)) void update_tile(
    network *net, int64_t first, const uint16_t *rows, const int16_t *factors, int64_t n, uint32_t present,
    const int16_t *d, uint64_t tick) {
    int16_t steps[MAX_LEVELS][TILE] ALIGNED;
    int16_t *plane = net->hidden + first;
    const int64_t stride = net->stride;
    const int k = (int)net->step_shift;
    const vec round = SET16(k > 0 ? (int16_t)(1 << (k - 1)) : 0);
    int any = 0;
    for (int j = 0; j < TILE; j++) any |= d[j];
    if (!any) return;
    for (uint32_t left = present; left; left &= left - 1) {
        const int level = __builtin_ctz(left);
        const vec minus = SET16((int16_t)-level);
        if (net->rule != DRTP) { /* products of 32 bits: -level * d + 2^(k-1) * 1 in one instruction */
            const vec factor = SET32((uint16_t)-level | 1u << 16), half = SET16((int16_t)(1 << (k - 1)));
            for (int v = 0; v < VECS; v++) {
                const vec words = LOAD(d + v * LANES);
                const vec low = SHR32(MADD16(LOW_PAIRS(words, half), factor), k);
                const vec high = SHR32(MADD16(HIGH_PAIRS(words, half), factor), k);
                STORE(steps[level] + v * LANES, PACK16(low, high));
            }
            continue;
        }
        for (int v = 0; v < VECS; v++) {
            const vec product = MUL16(minus, LOAD(d + v * LANES));
            STORE(steps[level] + v * LANES, k > 0 ? SHR16(ADD16(product, round), k) : SHL16(product, -k));
        }
    }
    PHASE(STEPS);

    int64_t e = 0;
    for (; e + 2 <= n; e += 2) { /* two rows a pass hide the latency of each other's loads */
        int16_t *a = plane + rows[e] * stride, *b = plane + rows[e + 1] * stride;
        const int16_t *step_a = steps[factors[e] >> 8], *step_b = steps[factors[e + 1] >> 8];
        count_t count_a = NO_COUNT, count_b = NO_COUNT;
        for (int v = 0; v < VECS; v++) {
            count_a = add_steps(a + v * LANES, LOAD(step_a + v * LANES), count_a);
            count_b = add_steps(b + v * LANES, LOAD(step_b + v * LANES), count_b);
        }
        net->saturations[0] += total_count(count_a) + total_count(count_b);
    }
    if (e < n) {
        int16_t *a = plane + rows[e] * stride;
        const int16_t *step_a = steps[factors[e] >> 8];
        count_t count_a = NO_COUNT;
        for (int v = 0; v < VECS; v++) count_a = add_steps(a + v * LANES, LOAD(step_a + v * LANES), count_a);
        net->saturations[0] += total_count(count_a);
    }
    PHASE(ADD);
}

/* Learn samples one after another; predictions are those before learning. */
void learn(network *net, const uint8_t *levels, const int64_t *labels, int64_t n_samples, int64_t *predictions) {
    static _Thread_local uint16_t rows[MAX_INPUTS + 64];
    static _Thread_local int16_t factors[MAX_INPUTS + 64];
    int16_t y[MAX_HIDDEN + TILE] ALIGNED, d[TILE] ALIGNED;
    int8_t g[MAX_HIDDEN + TILE] ALIGNED;
    memset(y, 0, sizeof y);
    const int64_t n_vecs = net->out_stride / LANES;

    for (int64_t i = 0; i < n_samples; i++) {
#ifdef PHASES
        uint64_t tick = __rdtsc();
#define TICK tick = __rdtsc()
#else
        uint64_t tick = 0;
#define TICK do { } while (0)
#endif
        const uint8_t *sample = levels + i * net->n_in;
        int64_t n = list_events(sample, net->n_in, rows, factors);
        rows[n] = (uint16_t)net->n_in;
        factors[n++] = (int16_t)(net->one << 8);
        uint32_t present = 0;
        for (int64_t e = 0; e < n; e++) present |= 1u << (factors[e] >> 8);
        PHASE(LIST);

        const int16_t *feedback = net->feedback + labels[i] * net->stride;
        for (int64_t first = 0; first < net->n_hidden; first += TILE) {
            tick = forward_tile(net, first, rows, factors, n, y, g + first, tick);
            if (net->rule != DRTP) continue;
            target_tile(feedback + first, g + first, d);
            PHASE(GATE);
            update_tile(net, first, rows, factors, n, present, d, tick);
            TICK;
        }
        memset(g + net->n_hidden, 0, TILE); /* columns behind the last neuron learn nothing */
        y[net->n_hidden] = 127;
        for (int64_t j = net->n_hidden + 1; j < net->out_stride; j++) y[j] = 0;

        int32_t z[MAX_OUTPUTS];
        int64_t best = 0;
        for (int64_t c = 0; c < net->n_out; c++) {
            const int16_t *row = net->out + c * net->out_stride;
            vec even = ZERO, odd = ZERO;
            for (int64_t v = 0; v < n_vecs; v += 2) {
                even = ADD32(even, MADD16(LOAD(y + v * LANES), SHR8(LOAD(row + v * LANES))));
                odd = ADD32(odd, MADD16(LOAD(y + (v + 1) * LANES), SHR8(LOAD(row + (v + 1) * LANES))));
            }
            z[c] = total32(ADD32(even, odd));
            if (z[c] > z[best]) best = c;
        }
        predictions[i] = best;
        PHASE(OUTPUT);

        const int shift = (int)net->out_sum_shift, k = (int)net->out_step_shift;
        const int32_t half = (1 << shift) >> 1;
        const vec round = SET16((int16_t)(1 << (k - 1)));
        const int16_t *signal_row[MAX_OUTPUTS + 1];
        int16_t e[MAX_OUTPUTS], signal[MAX_OUTPUTS + 1];
        int n_signals = 0;
        for (int64_t c = 0; c < net->n_out; c++) {
            e[c] = net->probability[clip_index(z[c], half, shift) + 128] - (c == labels[i] ? 255 : 0);
            signal_row[n_signals] = net->rule == BP ? net->out + c * net->out_stride : net->feedback + c * net->stride;
            signal[n_signals] = e[c];
            n_signals += e[c] != 0;
        }
        if (net->rule != DRTP && n_signals > 0) {
            if (n_signals % 2) {
                signal_row[n_signals] = signal_row[0];
                signal[n_signals++] = 0;
            }
            PHASE(OUTPUT_ADD);
            for (int64_t first = 0; first < net->n_hidden; first += TILE) {
                error_tile(net, signal_row, signal, n_signals, first, g + first, d);
                PHASE(GATE);
                update_tile(net, first, rows, factors, n, present, d, tick);
                TICK;
            }
        }
        for (int64_t c = 0; c < net->n_out; c++) {
            if (e[c] == 0) continue;
            int16_t *row = net->out + c * net->out_stride;
            const vec minus = SET16((int16_t)-e[c]);
            count_t count = NO_COUNT;
            for (int64_t v = 0; v < n_vecs; v++) {
                const vec step = SHR16(ADD16(MUL16(minus, LOAD(y + v * LANES)), round), k);
                count = add_steps(row + v * LANES, step, count);
            }
            net->saturations[1] += total_count(count);
        }
        PHASE(OUTPUT_ADD);
    }
}

/* Limits of the caches: a buffer of a whole number of 512 words, again and again, until n words have been read. */
void read_words(const int16_t *words, int64_t buffer, int64_t n, int16_t *result) {
    vec sums[8];
    for (int v = 0; v < 8; v++) sums[v] = ZERO;
    for (int64_t at = 0; n > 0; n -= 512, at = at + 512 < buffer ? at + 512 : 0)
        for (int j = 0; j < 512; j += 8 * LANES)
            for (int v = 0; v < 8; v++) sums[v] = ADD16(sums[v], LOAD(words + at + j + v * LANES));
    for (int v = 1; v < 8; v++) sums[0] = ADD16(sums[0], sums[v]);
    STORE(result, sums[0]);
}

/* The same with the update of a layer: saturated sums of words and steps, and a count of those that left the range. */
int64_t change_words(int16_t *words, int64_t buffer, int64_t n, const int16_t *steps) {
    int64_t saturations = 0;
    for (int64_t at = 0; n > 0; n -= 512, at = at + 512 < buffer ? at + 512 : 0) {
        count_t count = NO_COUNT;
        for (int v = 0; v < VECS; v++) count = add_steps(words + at + v * LANES, LOAD(steps + v * LANES), count);
        saturations += total_count(count);
    }
    return saturations;
}
