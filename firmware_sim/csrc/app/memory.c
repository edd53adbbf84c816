/* What a freestanding gcc may call on its own. */
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int value, size_t n);

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    for (size_t i = 0; i < n; i++) {
        out[i] = in[i];
    }
    return to;
}

void *memset(void *to, int value, size_t n)
{
    unsigned char *out = to;
    for (size_t i = 0; i < n; i++) {
        out[i] = (unsigned char)value;
    }
    return to;
}
