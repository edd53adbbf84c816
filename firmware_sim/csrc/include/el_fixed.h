/* The primitives of the arithmetic contract: shifts, one rounding, saturation, one random generator.
 *
 * Everything is 32-bit two's complement. No right shift of a negative number and no signed overflow, so a C99 compiler
 * has no choice about any bit; gcc and clang make one instruction of el_shr.
 */
#ifndef EL_FIXED_H
#define EL_FIXED_H

#include <stdint.h>

#if defined(__SDCC) || defined(SDCC)
#error "functions here return structures, which SDCC cannot; use gcc, clang, IAR or armclang"
#endif

/* Constants of cores that do not read flash as memory: AVR copies a constant to RAM unless it is told otherwise. */
#if defined(__AVR__) && !defined(__AVR_XMEGA__)
#include <avr/pgmspace.h>
#define EL_FLASH PROGMEM
#define EL_READ8(constant) pgm_read_byte(&(constant))
#define EL_READ16(constant) pgm_read_word(&(constant))
#else
#define EL_FLASH
#define EL_READ8(constant) (constant)
#define EL_READ16(constant) (constant)
#endif

/* floor(x / 2^s), 0 <= s <= 31 */
static inline int32_t el_shr(int32_t x, uint32_t s)
{
    return (x < 0) ? ~((~x) >> s) : (x >> s);
}

static inline int32_t el_clamp(int32_t x, int32_t low, int32_t high)
{
    const int32_t raised = (x < low) ? low : x;
    return (raised > high) ? high : raised;
}

/* A rounding shift, taken apart once so that loops do not: rn(x, shift) = shr(x * factor + half, down). */
typedef struct {
    int32_t half;
    int32_t factor; /* 2^-shift of a negative shift, which is exact, else 1 */
    uint32_t down;
} el_rounding;

static inline el_rounding el_rounding_of(int32_t shift)
{
    el_rounding rounding = {0, 1, 0U};
    if (shift > 0) {
        rounding.half = (int32_t)1 << (shift - 1);
        rounding.down = (uint32_t)shift;
    } else {
        rounding.factor = (int32_t)1 << -shift;
    }
    return rounding;
}

/* rn, then sat; bounds of at most 16 bits. The generated numbers are refused where a sum plus one half could overflow, and
 * before a left shift x is cut to 16 bits, which changes nothing behind sat. */
static inline int32_t el_round_clamp(int32_t x, int32_t shift, int32_t low, int32_t high)
{
    const el_rounding rounding = el_rounding_of(shift);
    const int32_t cut = (shift > 0) ? x : (el_clamp(x, -32768, 32767) * rounding.factor);
    return el_clamp(el_shr(cut + rounding.half, rounding.down), low, high);
}

/* rn of a sum that may nearly fill 32 bits, where half a step does not fit beside it. */
static inline int32_t el_round_sum(int32_t x, int32_t shift)
{
    if (shift > 0) {
        return el_shr(el_shr(x, (uint32_t)shift - 1U) + 1, 1U);
    }
    return x * ((int32_t)1 << -shift);
}

/* The low bits of x, read as two's complement: an accumulator of `bits` < 32. */
static inline int32_t el_wrap(int32_t x, uint32_t bits)
{
    const uint32_t half = (uint32_t)1 << (bits - 1U);
    const uint32_t low = ((uint32_t)x + half) & ((half << 1U) - 1U);
    return (int32_t)low - (int32_t)half;
}

/* xorshift32: the value after the step is the draw. */
static inline uint32_t el_draw(uint32_t *state)
{
    uint32_t s = *state;
    s ^= s << 13U;
    s ^= s >> 17U;
    s ^= s << 5U;
    *state = s;
    return s;
}

/* The random byte of neuron j: its byte of the draw, whitened by a key. */
static inline int32_t el_random_byte(uint32_t draw, uint32_t j)
{
    const uint32_t key = ((j + 1U) * 0x9E3779B1U) >> 24U;
    return (int32_t)(((draw >> (8U * (j & 3U))) ^ key) & 255U);
}

#endif
