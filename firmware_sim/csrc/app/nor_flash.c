/* Two slots in NOR flash that is mapped into memory: stores of all ones erase, other stores program.
 *
 * Cells are 1 when erased. Programming can only clear them; only erasing, a whole slot at a time, sets them again. A control
 * register says what stores do and is locked after a reset. Power may fail between any two stores.
 *
 * NOR_AT and NOR_SLOT_BYTES come from the build; the register lies behind the slots. Parts differ in how stores are enabled
 * and waited for: this is the file to rewrite for yours.
 */
#include "el_checkpoint.h"

#define LOCKED 0U
#define PROGRAM 1U
#define ERASE 2U

static void control(uint32_t command)
{
    *(volatile uint32_t *)(NOR_AT + (2UL * NOR_SLOT_BYTES)) = command;
}

#if EL_FLASH_MAPPED
const uint8_t *el_flash_slot(uint8_t slot)
{
    return (const uint8_t *)(NOR_AT + (slot * NOR_SLOT_BYTES));
}
#else
bool el_flash_read(uint8_t slot, uint32_t offset, uint8_t *bytes, uint32_t n)
{
    const volatile uint8_t *cells = (const volatile uint8_t *)(NOR_AT + (slot * NOR_SLOT_BYTES) + offset);
    for (uint32_t i = 0U; i < n; i++) {
        bytes[i] = cells[i];
    }
    return true;
}
#endif

bool el_flash_erase(uint8_t slot)
{
    volatile uint32_t *cells = (volatile uint32_t *)(NOR_AT + (slot * NOR_SLOT_BYTES));
    bool erased = true;
    control(ERASE);
    for (uint32_t i = 0U; i < (NOR_SLOT_BYTES / 4UL); i++) {
        cells[i] = 0xFFFFFFFFUL;
        erased = erased && (cells[i] == 0xFFFFFFFFUL);
    }
    control(LOCKED);
    return erased;
}

bool el_flash_program(uint8_t slot, uint32_t offset, const uint8_t bytes[EL_FLASH_UNIT])
{
    volatile uint8_t *cells = (volatile uint8_t *)(NOR_AT + (slot * NOR_SLOT_BYTES) + offset);
    bool programmed = true;
    control(PROGRAM);
    for (uint32_t i = 0U; i < EL_FLASH_UNIT; i++) {
        cells[i] = bytes[i];
        programmed = programmed && (cells[i] == bytes[i]);
    }
    control(LOCKED);
    return programmed;
}
