/* On a desk: make && ./selftest. On a board: call el_selftest once from your own main. */
#include <stdio.h>

#include "el_selftest.h"

static el_stream stream;

int main(void)
{
    const bool equal = el_selftest(&stream);
    (void)puts(equal ? "equal to the simulator" : "NOT equal to the simulator");
    return equal ? 0 : 1;
}
