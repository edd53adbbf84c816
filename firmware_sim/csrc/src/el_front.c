/* The front end: the arithmetic contract, section 10, sample by sample. */
#include "el_front.h"

#include "el_fixed.h"

#define EL_MISSING_WORD INT32_MIN
#define EL_UNSEEN INT16_MIN /* exponent of a channel that was always zero */
#define EL_FRONT_WORD_BITS 22
#define EL_STATISTICS_N 6U
#define EL_CROSSINGS 5U

#if defined(__AVR__) && !defined(__AVR_XMEGA__)
#define EL_READ32(constant) pgm_read_dword(&(constant))
#else
#define EL_READ32(constant) (constant)
#endif
#define EL_READ64(constant) (constant)

#include "el_front_numbers.h"

static uint32_t bits_in(uint32_t x)
{
    uint32_t n = 0U;
    while (x != 0U) {
        x >>= 1U;
        n++;
    }
    return n;
}

/* rn of 64 bits, 0 <= s <= 31 */
static int64_t rounded(int64_t x, uint32_t s)
{
    const int64_t half = (int64_t)(((uint64_t)1U << s) >> 1U);
    const int64_t raised = x + half;
    return (raised < 0) ? ~((~raised) >> s) : (raised >> s);
}

/* floor(n / d), at most 2^bits - 1; d > 0 */
static uint32_t quotient(uint64_t n, uint64_t d, uint32_t bits)
{
    uint64_t part = d << bits;
    uint32_t q = 0U;
    if (n >= part) {
        return ((uint32_t)1U << bits) - 1U;
    }
    for (uint32_t i = 0U; i < bits; i++) {
        part >>= 1U;
        q <<= 1U;
        if (n >= part) {
            n -= part;
            q |= 1U;
        }
    }
    return q;
}

static uint64_t distance_of(int64_t a, int64_t b)
{
    return (uint64_t)((a < b) ? (b - a) : (a - b));
}

/* --- words ------------------------------------------------------------------------------------------------------- */

/* x / 2^s, halves to even; `more` says that x stands for a little more than it is */
static uint32_t half_to_even(uint32_t x, uint32_t s, bool more)
{
    uint32_t kept;
    uint32_t rest;
    uint32_t half;
    if (s == 0U) {
        return x;
    }
    if (s > 31U) {
        return 0U;
    }
    kept = x >> s;
    rest = x & (((uint32_t)1U << s) - 1U);
    half = (uint32_t)1U << (s - 1U);
    return kept + (((rest > half) || ((rest == half) && (more || ((kept & 1U) != 0U)))) ? 1U : 0U);
}

/* A magnitude over 10^digits as m * 2^*e with the 24 bits of a float32, halves to even: samples have no more. */
static uint32_t float_word(uint32_t magnitude, uint32_t divisor, int32_t *e)
{
    uint32_t q = magnitude;
    uint32_t rest = 0U;
    *e = 0;
#if EL_DECIMALS
    if (divisor > 1U) {
        q = 0U;
        for (uint32_t bit = 32U; bit > 0U; bit--) {
            rest = (rest << 1U) | ((magnitude >> (bit - 1U)) & 1U);
            q <<= 1U;
            if (rest >= divisor) {
                rest -= divisor;
                q |= 1U;
            }
        }
        while ((q < 0x1000000UL) && (rest != 0U)) { /* 25 bits, the last of which rounds */
            rest <<= 1U;
            q <<= 1U;
            *e -= 1;
            if (rest >= divisor) {
                rest -= divisor;
                q |= 1U;
            }
        }
    }
#else
    (void)divisor;
#endif
    if (q >= 0x1000000UL) {
        const uint32_t s = bits_in(q) - 24U;
        q = half_to_even(q, s, rest != 0U);
        *e += (int32_t)s;
    }
    return q;
}

/* Bring everything that is in words of a channel to a larger exponent. */
static void shift_channel(el_front_end *front, uint32_t c, uint32_t by)
{
    uint32_t f = (EL_WINDOW_FEATURES == EL_FEATURES_STATISTICS) ? (c * EL_STATISTICS_N) : c;
    for (uint32_t i = c; i < (EL_WINDOW * EL_CHANNELS); i += EL_CHANNELS) {
        if (front->ring[i] != EL_MISSING_WORD) {
            front->ring[i] = (int32_t)rounded(front->ring[i], by);
        }
    }
    for (uint32_t i = 0U; i < ((EL_WINDOW_FEATURES == EL_FEATURES_STATISTICS) ? EL_CROSSINGS : EL_WINDOW); i++) {
        front->mean[f] = (el_mean)rounded(front->mean[f], by);
        front->deviation[f] = (el_deviation)rounded((int64_t)front->deviation[f], by);
#if EL_ENCODER == EL_ENCODER_DELTA
        front->sent[f] = (el_mean)rounded(front->sent[f], by);
#endif
        f += (EL_WINDOW_FEATURES == EL_FEATURES_STATISTICS) ? 1U : EL_CHANNELS;
    }
}

/* The word of a number of channel c; the exponent of the channel grows with it. */
static int32_t word_of(el_front_end *front, uint32_t c, int32_t number)
{
#if EL_OFFSETS
    const int32_t offset = EL_OFFSET_OF(c);
#else
    const int32_t offset = 0;
#endif
    const bool negative = number < offset;
    const uint32_t magnitude = negative ? ((uint32_t)offset - (uint32_t)number) : ((uint32_t)number - (uint32_t)offset);
    int32_t e;
    int32_t s;
    int32_t exponent;
    uint32_t word;
    if (number == EL_NO_VALUE) {
        return EL_MISSING_WORD;
    }
    if (magnitude == 0U) {
        return 0;
    }
#if EL_DECIMALS
    word = float_word(magnitude, EL_DIVISOR_OF(c), &e);
#else
    word = float_word(magnitude, 1U, &e);
#endif
    exponent = (int32_t)bits_in(word) + e;
    if (exponent > front->exponent[c]) {
        if (front->exponent[c] != EL_UNSEEN) {
            const int32_t by = exponent - front->exponent[c];
            shift_channel(front, c, (by < 31) ? (uint32_t)by : 31U);
        }
        front->exponent[c] = (int16_t)exponent;
    }
    s = (e + EL_FRONT_WORD_BITS) - front->exponent[c];
    word = (s >= 0) ? (word << (uint32_t)s) : half_to_even(word, (uint32_t)-s, false);
    return negative ? -(int32_t)word : (int32_t)word;
}

/* --- normaliser --------------------------------------------------------------------------------------------------- */

/* Move mean and deviation of a feature towards a value. */
static void adapt(el_front_end *front, uint32_t f, int64_t value)
{
    const uint32_t n = front->seen[f];
    const uint32_t known = bits_in(n);
    const uint32_t k = (known > EL_TIME_CONSTANT) ? EL_TIME_CONSTANT : known;
    const int64_t distance = value - front->mean[f];
    if (n > 0U) {
        const int64_t more = (int64_t)distance_of(value, front->mean[f]) - (int64_t)front->deviation[f];
        front->deviation[f] = (el_deviation)((int64_t)front->deviation[f] + rounded(more, k));
    }
    front->mean[f] = (el_mean)(front->mean[f] + rounded(distance, k));
}

/* The deviation that a feature is measured in. */
static uint64_t deviation_of(const el_front_end *front, uint32_t f, bool adapting)
{
#if EL_LEAST_DEVIATION > 0
    if (!adapting && (front->deviation[f] == 0U) && (front->seen[f] > 0U)) {
        return EL_LEAST_DEVIATION;
    }
#else
    (void)adapting;
#endif
    return front->deviation[f];
}

/* --- encoders ----------------------------------------------------------------------------------------------------- */

#if EL_ENCODER == EL_ENCODER_DELTA
/* Write the change since what was sent last, upwards and downwards. */
static void encode(el_front_end *front, uint32_t f, int64_t value, bool adapting)
{
    const int64_t sent = (front->seen[f] == 0U) ? value : front->sent[f];
    const uint64_t step = ((2U * deviation_of(front, f, adapting) * EL_DELTA_STEP) + 16U) >> 5U;
    uint32_t count = 0U;
    if (step > 0U) {
        count = quotient(distance_of(value, sent), step, 8U);
        count = (count < EL_TOP) ? count : EL_TOP;
    }
    front->levels[2U * f] = (el_level)((value > sent) ? count : 0U);
    front->levels[(2U * f) + 1U] = (el_level)((value < sent) ? count : 0U);
    front->sent[f] = (el_mean)(sent + ((value > sent) ? 1 : -1) * (int64_t)(count * step));
}

static void encode_missing(el_front_end *front, uint32_t f)
{
    front->levels[2U * f] = 0;
    front->levels[(2U * f) + 1U] = 0;
}
#else
/* rdiv((value - mean) * top, reach * deviation), limited to -top and top; 0 without a deviation */
static int32_t normalised(const el_front_end *front, uint32_t f, int64_t value, bool adapting)
{
    const uint64_t unit = EL_REACH * deviation_of(front, f, adapting);
    const uint64_t twice = 2U * EL_TOP * distance_of(value, front->mean[f]);
    const bool negative = value < front->mean[f];
    uint32_t q;
    if (unit == 0U) {
        return 0;
    }
    q = quotient((twice + unit) - (negative ? 1U : 0U), 2U * unit, 8U);
    q = (q < EL_TOP) ? q : EL_TOP;
    return negative ? -(int32_t)q : (int32_t)q;
}

#if EL_ENCODER == EL_ENCODER_THRESHOLD
static void encode(el_front_end *front, uint32_t f, int64_t value, bool adapting)
{
    const int32_t u = normalised(front, f, value, adapting);
    el_level *levels = &front->levels[2U * EL_THRESHOLDS * f];
    for (uint32_t j = 0U; j < EL_THRESHOLDS; j++) {
        const int32_t threshold = EL_THRESHOLD_OF(j);
        levels[j] = (el_level)((u >= threshold) ? 1 : 0);
        levels[EL_THRESHOLDS + j] = (el_level)((u <= -threshold) ? 1 : 0);
    }
}

static void encode_missing(el_front_end *front, uint32_t f)
{
    for (uint32_t j = 0U; j < (2U * EL_THRESHOLDS); j++) {
        front->levels[(2U * EL_THRESHOLDS * f) + j] = 0;
    }
}
#elif EL_ENCODER == EL_ENCODER_ON_OFF
static void encode(el_front_end *front, uint32_t f, int64_t value, bool adapting)
{
    const int32_t u = normalised(front, f, value, adapting);
    front->levels[2U * f] = (el_level)((u > EL_INPUT_THRESHOLD) ? u : 0);
    front->levels[(2U * f) + 1U] = (el_level)((u < -EL_INPUT_THRESHOLD) ? -u : 0);
}

static void encode_missing(el_front_end *front, uint32_t f)
{
    front->levels[2U * f] = 0;
    front->levels[(2U * f) + 1U] = 0;
}
#else
static void encode(el_front_end *front, uint32_t f, int64_t value, bool adapting)
{
    const int32_t u = normalised(front, f, value, adapting);
#if EL_ENCODER == EL_ENCODER_SIGNED
    front->levels[f] = (el_level)(((u > EL_INPUT_THRESHOLD) || (u < -EL_INPUT_THRESHOLD)) ? u : 0);
#else
    front->levels[f] = (el_level)((uint32_t)(u + (int32_t)EL_TOP + 1) >> 1U);
#endif
}

static void encode_missing(el_front_end *front, uint32_t f)
{
    front->levels[f] = 0;
}
#endif
#endif

/* Take the word of a feature of the row at hand. */
static void take_feature(el_front_end *front, uint32_t f, int32_t word, bool adapting)
{
    const int64_t value = (int64_t)word * 256;
    if (word == EL_MISSING_WORD) {
        encode_missing(front, f);
        return;
    }
    if (adapting) {
        adapt(front, f, value);
    }
    encode(front, f, value, adapting);
    if (adapting && (front->seen[f] < EL_MOST_SEEN)) {
        front->seen[f]++;
    }
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

#if EL_WINDOW_FEATURES == EL_FEATURES_STATISTICS
/* Take six figures of a channel; its words lie `EL_CHANNELS` apart in the ring, the oldest behind the newest. */
static void take_channel(el_front_end *front, uint32_t c, bool adapting)
{
    const uint32_t first = c * EL_STATISTICS_N;
    int64_t sum = 0;
    uint64_t spread = 0U;
    uint64_t rough = 0U;
    uint32_t n = 0U;
    uint32_t crossings = 0U;
    uint32_t at = front->newest;
    int32_t low = INT32_MAX;
    int32_t high = INT32_MIN;
    int32_t mean;
    int32_t before = EL_MISSING_WORD;
    for (uint32_t i = c; i < (EL_WINDOW * EL_CHANNELS); i += EL_CHANNELS) {
        const int32_t word = front->ring[i];
        if (word != EL_MISSING_WORD) {
            sum += word;
            n++;
            low = (word < low) ? word : low;
            high = (word > high) ? word : high;
        }
    }
    if (n == 0U) {
        for (uint32_t k = 0U; k < EL_STATISTICS_N; k++) {
            encode_missing(front, first + k);
        }
        return;
    }
    mean = (sum < 0) ? -(int32_t)quotient((uint64_t)-sum + n - 1U, n, 24U) : (int32_t)quotient((uint64_t)sum, n, 24U);
    for (uint32_t i = 0U; i < EL_WINDOW; i++) {
        int32_t word;
        at = ((at + 1U) < EL_WINDOW) ? (at + 1U) : 0U;
        word = front->ring[(at * EL_CHANNELS) + c];
        if (word != EL_MISSING_WORD) {
            before = (before == EL_MISSING_WORD) ? word : before;
            spread += distance_of(word, mean);
            rough += distance_of(word, before);
            crossings += ((word >= mean) != (before >= mean)) ? 1U : 0U;
            before = word;
        }
    }
    take_feature(front, first, mean, adapting);
    take_feature(front, first + 1U, (int32_t)quotient(spread, n, 24U), adapting);
    take_feature(front, first + 2U, low, adapting);
    take_feature(front, first + 3U, high, adapting);
    take_feature(front, first + 4U, (int32_t)quotient(rough, (n > 1U) ? (n - 1U) : 1U, 24U), adapting);
    take_feature(front, first + EL_CROSSINGS, (int32_t)(crossings << 12U), adapting);
}

static void take_row(el_front_end *front, bool adapting)
{
    for (uint32_t c = 0U; c < EL_CHANNELS; c++) {
        take_channel(front, c, adapting);
    }
}
#else
static void take_row(el_front_end *front, bool adapting)
{
    uint32_t at = front->newest;
    for (uint32_t f = 0U; f < EL_FEATURES; f += EL_CHANNELS) {
        at = ((at + 1U) < EL_WINDOW) ? (at + 1U) : 0U;
        for (uint32_t c = 0U; c < EL_CHANNELS; c++) {
            take_feature(front, f + c, front->ring[(at * EL_CHANNELS) + c], adapting);
        }
    }
}
#endif

bool el_push(el_front_end *front, const int32_t *sample)
{
    front->newest = ((front->newest + 1U) < EL_WINDOW) ? (front->newest + 1U) : 0U;
    for (uint32_t c = 0U; c < EL_CHANNELS; c++) {
        front->ring[(front->newest * EL_CHANNELS) + c] = word_of(front, c, sample[c]);
    }
    front->samples++;
    front->until--;
    front->ready = front->until == 0U;
    if (front->ready) {
#if EL_ADAPT_ROWS > 0
        take_row(front, front->rows < EL_ADAPT_ROWS);
#else
        take_row(front, true);
#endif
        front->rows += (front->rows < 0xFFFFFFFFUL) ? 1U : 0U; /* so that a front end that is done never adapts again */
        front->until = EL_STRIDE;
    }
    return front->ready;
}

bool el_row_ready(const el_front_end *front)
{
    return front->ready;
}

void el_segment(el_front_end *front)
{
    front->until = EL_WINDOW;
    front->ready = false;
}

void el_front_init(el_front_end *front)
{
    front->samples = 0U;
    front->rows = EL_FRONT_ROWS;
    for (uint32_t f = 0U; f < EL_FEATURES; f++) {
#if EL_FRONT_TRAINED
        front->mean[f] = EL_FRONT_MEAN_OF(f);
        front->deviation[f] = EL_FRONT_DEVIATION_OF(f);
        front->seen[f] = EL_FRONT_SEEN_OF(f);
#else
        front->mean[f] = 0;
        front->deviation[f] = 0U;
        front->seen[f] = 0U;
#endif
#if (EL_ENCODER == EL_ENCODER_DELTA) && EL_FRONT_TRAINED
        front->sent[f] = EL_FRONT_SENT_OF(f);
#elif EL_ENCODER == EL_ENCODER_DELTA
        front->sent[f] = 0;
#endif
    }
    for (uint32_t c = 0U; c < EL_CHANNELS; c++) {
#if EL_FRONT_TRAINED
        front->exponent[c] = EL_FRONT_EXPONENT_OF(c);
#else
        front->exponent[c] = EL_UNSEEN;
#endif
    }
    for (uint32_t i = 0U; i < (EL_WINDOW * EL_CHANNELS); i++) {
        front->ring[i] = 0;
    }
    front->newest = 0U;
    el_segment(front);
}

/* --- checkpoints -------------------------------------------------------------------------------------------------- */

static uint8_t byte_of(uint64_t field, uint32_t at)
{
    return (uint8_t)(field >> (8U * at));
}

uint8_t el_front_byte(const el_front_end *front, uint32_t at)
{
    const uint32_t wide = (uint32_t)sizeof(el_mean);
    uint32_t rest = at;
    if (rest < 8U) {
        return byte_of((rest < 4U) ? front->samples : front->rows, rest & 3U);
    }
    rest -= 8U;
    if (rest < (EL_FEATURES * wide)) {
        return byte_of((uint64_t)front->mean[rest / wide], rest % wide);
    }
    rest -= EL_FEATURES * wide;
    if (rest < (EL_FEATURES * wide)) {
        return byte_of((uint64_t)front->deviation[rest / wide], rest % wide);
    }
    rest -= EL_FEATURES * wide;
#if EL_ENCODER == EL_ENCODER_DELTA
    if (rest < (EL_FEATURES * wide)) {
        return byte_of((uint64_t)front->sent[rest / wide], rest % wide);
    }
    rest -= EL_FEATURES * wide;
#endif
    if (rest < (EL_CHANNELS * 2U)) {
        return byte_of((uint64_t)(uint16_t)front->exponent[rest / 2U], rest & 1U);
    }
    rest -= EL_CHANNELS * 2U;
    return byte_of((uint64_t)front->seen[rest / (uint32_t)sizeof(el_seen)], rest % (uint32_t)sizeof(el_seen));
}

static uint64_t read_field(const uint8_t **bytes, uint32_t n)
{
    uint64_t field = 0U;
    for (uint32_t i = 0U; i < n; i++) {
        field |= (uint64_t)(*bytes)[i] << (8U * i);
    }
    *bytes += n;
    return field;
}

/* A field of n bytes that has a sign. */
static int64_t read_signed(const uint8_t **bytes, uint32_t n)
{
    const uint64_t top = (uint64_t)1U << ((8U * n) - 1U);
    const uint64_t field = read_field(bytes, n);
    return (int64_t)((field ^ top) - top);
}

void el_front_take(el_front_end *front, const uint8_t *bytes)
{
    const uint8_t *at = bytes;
    front->samples = (uint32_t)read_field(&at, 4U);
    front->rows = (uint32_t)read_field(&at, 4U);
    for (uint32_t f = 0U; f < EL_FEATURES; f++) {
        front->mean[f] = (el_mean)read_signed(&at, (uint32_t)sizeof(el_mean));
    }
    for (uint32_t f = 0U; f < EL_FEATURES; f++) {
        front->deviation[f] = (el_deviation)read_field(&at, (uint32_t)sizeof(el_mean));
    }
#if EL_ENCODER == EL_ENCODER_DELTA
    for (uint32_t f = 0U; f < EL_FEATURES; f++) {
        front->sent[f] = (el_mean)read_signed(&at, (uint32_t)sizeof(el_mean));
    }
#endif
    for (uint32_t c = 0U; c < EL_CHANNELS; c++) {
        front->exponent[c] = (int16_t)read_signed(&at, 2U);
    }
    for (uint32_t f = 0U; f < EL_FEATURES; f++) {
        front->seen[f] = (el_seen)read_field(&at, (uint32_t)sizeof(el_seen));
    }
    for (uint32_t i = 0U; i < (EL_WINDOW * EL_CHANNELS); i++) {
        front->ring[i] = 0;
    }
    front->newest = 0U;
    el_segment(front);
}

#if !EL_FLASH_MAPPED
static uint64_t with_byte(uint64_t field, uint32_t at, uint8_t byte)
{
    return (field & ~((uint64_t)0xFFU << (8U * at))) | ((uint64_t)byte << (8U * at));
}

/* The low n bytes of a field, n < 8 or all of them, that have a sign. */
static int64_t signed_of(uint64_t field, uint32_t n)
{
    const uint64_t top = (uint64_t)1U << ((8U * n) - 1U);
    return (int64_t)(((field & (top | (top - 1U))) ^ top) - top);
}

void el_front_put(el_front_end *front, uint32_t at, uint8_t byte)
{
    const uint32_t wide = (uint32_t)sizeof(el_mean);
    uint32_t rest = at;
    uint32_t i;
    if (rest < 4U) {
        front->samples = (uint32_t)with_byte(front->samples, rest, byte);
        return;
    }
    if (rest < 8U) {
        front->rows = (uint32_t)with_byte(front->rows, rest - 4U, byte);
        return;
    }
    rest -= 8U;
    i = rest / wide;
    if (i < EL_FEATURES) {
        front->mean[i] = (el_mean)signed_of(with_byte((uint64_t)front->mean[i], rest % wide, byte), wide);
        return;
    }
    rest -= EL_FEATURES * wide;
    i = rest / wide;
    if (i < EL_FEATURES) {
        front->deviation[i] = (el_deviation)with_byte(front->deviation[i], rest % wide, byte);
        return;
    }
    rest -= EL_FEATURES * wide;
#if EL_ENCODER == EL_ENCODER_DELTA
    i = rest / wide;
    if (i < EL_FEATURES) {
        front->sent[i] = (el_mean)signed_of(with_byte((uint64_t)front->sent[i], rest % wide, byte), wide);
        return;
    }
    rest -= EL_FEATURES * wide;
#endif
    if (rest < (EL_CHANNELS * 2U)) {
        i = rest / 2U;
        front->exponent[i] = (int16_t)signed_of(with_byte((uint64_t)front->exponent[i], rest & 1U, byte), 2U);
        return;
    }
    rest -= EL_CHANNELS * 2U;
    i = rest / (uint32_t)sizeof(el_seen);
    front->seen[i] = (el_seen)with_byte(front->seen[i], rest % (uint32_t)sizeof(el_seen), byte);
}

void el_front_restart(el_front_end *front)
{
    for (uint32_t i = 0U; i < (EL_WINDOW * EL_CHANNELS); i++) {
        front->ring[i] = 0;
    }
    front->newest = 0U;
    el_segment(front);
}
#endif
