/* What a learner has learned, as bytes that outlive a loss of power.
 *
 * A checkpoint is EL_CHECKPOINT_BYTES long, little-endian, the same on every machine:
 *
 *     magic "ELCK", network identity, sequence number      4 bytes each
 *     samples learned, generator                           4 bytes each
 *     live outputs, halvings                               2 bytes each
 *     words, row by row, bias last                         EL_WORDS * sizeof(el_word)
 *     the detector's counts, levels and scores, if any     EL_DETECTOR_WORDS * 4
 *     of a stream: state of the front end                  EL_FRONT_BYTES
 *     CRC-32 of everything before                          4 bytes
 *
 * el_save and el_restore keep two of them in flash and write the older one, so that the newer is whole at any moment. The
 * three functions of the flash are yours to write, for your part.
 */
#ifndef EL_CHECKPOINT_H
#define EL_CHECKPOINT_H

#include "el_learner.h"

#if EL_DETECTOR /* its four counts, and two words of 32 bits for what has 64 */
#define EL_DETECTOR_WORDS (4UL + (2UL * EL_LEVELS) + ((1UL + EL_KEPT) * ((EL_SCORE_BITS <= 31) ? 1UL : 2UL)))
#else
#define EL_DETECTOR_WORDS 0UL
#endif

#ifdef EL_STREAM /* defined where a front end is saved beside the network */
#include "el_stream.h"
#define EL_SAVED el_stream
#define EL_NET(saved) (&(saved)->net)
#define EL_CHECKPOINT_BYTES \
    (28UL + (EL_WORDS * (EL_WORD_BITS <= 8 ? 1UL : 2UL)) + (4UL * EL_DETECTOR_WORDS) + EL_FRONT_BYTES)
#else
#define EL_SAVED el_learner
#define EL_NET(saved) saved
#define EL_CHECKPOINT_BYTES (28UL + (EL_WORDS * (EL_WORD_BITS <= 8 ? 1UL : 2UL)) + (4UL * EL_DETECTOR_WORDS))
#endif

/* Bytes that flash programs at once; define it for your part. */
#ifndef EL_FLASH_UNIT
#define EL_FLASH_UNIT 8
#endif
#if (EL_FLASH_UNIT != 8) && (EL_FLASH_UNIT != 16) && (EL_FLASH_UNIT != 32)
#error "EL_FLASH_UNIT is the bytes that flash programs at once: 8, 16 or 32; collect smaller units in el_flash_program"
#endif
#define EL_SLOT_BYTES ((EL_CHECKPOINT_BYTES + (EL_FLASH_UNIT - 1UL)) & ~(EL_FLASH_UNIT - 1UL))

#ifdef __cplusplus
extern "C" {
#endif

/* Write EL_CHECKPOINT_BYTES to `out`, e.g. to send them over a wire. */
void el_checkpoint_out(const EL_SAVED *net, uint32_t sequence, uint8_t *out);

/* Take over a checkpoint if it is whole and of this network; otherwise change nothing and return false. */
bool el_checkpoint_in(EL_SAVED *net, const uint8_t *bytes);

/* Write the older of two slots; return whether it can be read back. */
bool el_save(const EL_SAVED *net);

/* Take over the newer whole slot; return false if there is none: then call el_init. */
bool el_restore(EL_SAVED *net);

/* For your part: slots 0 and 1, each of at least EL_SLOT_BYTES, erased apart; programmed in units of EL_FLASH_UNIT bytes at
 * offsets that the unit divides, from bytes that need not be aligned. Return false if what was written cannot be read back.
 *
 * Flash is read as memory, or, with EL_FLASH_MAPPED defined as 0, by a function that copies `n` <= 32 bytes from any offset;
 * it returns false if they cannot be read, and then the slot counts as broken. */
#if EL_FLASH_MAPPED
extern const uint8_t *el_flash_slot(uint8_t slot);
#else
extern bool el_flash_read(uint8_t slot, uint32_t offset, uint8_t *bytes, uint32_t n);
#endif
extern bool el_flash_erase(uint8_t slot);
extern bool el_flash_program(uint8_t slot, uint32_t offset, const uint8_t bytes[EL_FLASH_UNIT]);

#ifdef __cplusplus
}
#endif

#endif
