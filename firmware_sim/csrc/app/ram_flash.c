/* Flash of a machine that has none: two slots in RAM. */
#include "el_checkpoint.h"

static uint8_t slots[2][EL_SLOT_BYTES];

#if EL_FLASH_MAPPED
const uint8_t *el_flash_slot(uint8_t slot)
{
    return slots[slot];
}
#else
bool el_flash_read(uint8_t slot, uint32_t offset, uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0U; i < n; i++) {
        bytes[i] = slots[slot][offset + i];
    }
    return true;
}
#endif

bool el_flash_erase(uint8_t slot)
{
    for (uint32_t i = 0U; i < EL_SLOT_BYTES; i++) {
        slots[slot][i] = 0xFFU;
    }
    return true;
}

bool el_flash_program(uint8_t slot, uint32_t offset, const uint8_t bytes[EL_FLASH_UNIT])
{
    for (uint32_t i = 0U; i < EL_FLASH_UNIT; i++) {
        slots[slot][offset + i] = (uint8_t)(slots[slot][offset + i] & bytes[i]);
    }
    return true;
}
