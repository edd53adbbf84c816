/* Flash of a machine that has none: two slots in RAM. */
#include "el_checkpoint.h"

static uint8_t slots[2][EL_CHECKPOINT_BYTES];

const uint8_t *el_flash_slot(uint8_t slot)
{
    return slots[slot];
}

bool el_flash_erase(uint8_t slot)
{
    for (uint32_t i = 0U; i < EL_CHECKPOINT_BYTES; i++) {
        slots[slot][i] = 0xFFU;
    }
    return true;
}

bool el_flash_program(uint8_t slot, uint32_t offset, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0U; i < n; i++) {
        slots[slot][offset + i] = (uint8_t)(slots[slot][offset + i] & bytes[i]);
    }
    return true;
}
