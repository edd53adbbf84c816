/* What an emulated board gives a program: files of the machine it runs on, and a count of instructions. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Ask the emulator for a service of Arm's semihosting, which RISC-V shares; arguments and answer depend on it. */
int32_t board_ask(uint32_t service, const uint32_t *arguments);

/* Call a function of up to two words; write its result, return the ticks it took. */
uint32_t board_window(void (*function)(void), const void *first, uint32_t second, uint16_t *result);

/* A function that returns at once: what its window takes, any window takes. */
void board_nothing(void);

/* What the program does; the result becomes the exit code of the emulator. */
uint32_t board_main(void);

#endif
