/* Checkpoints: serialised word by word, so that neither byte order nor padding matters, and closed by a CRC. */
#include "el_checkpoint.h"

#define MAGIC 0x4B434C45UL /* "ELCK" */
#define AT_IDENTITY 4UL
#define AT_SEQUENCE 8UL
#define AT_LEARNED 12UL
#define AT_GENERATOR 16UL
#define AT_LIVE 20UL
#define AT_HALVINGS 22UL
#define AT_WORDS 24UL
#define AT_CRC (EL_CHECKPOINT_BYTES - 4UL)
#ifdef EL_STREAM
#define AT_FRONT (AT_CRC - EL_FRONT_BYTES)
#else
#define AT_FRONT AT_CRC
#endif
#if EL_DETECTOR
#define AT_DETECTOR (AT_FRONT - (4UL * EL_DETECTOR_WORDS))
#endif
#define CHUNK (EL_FLASH_UNIT + 0U) /* bytes programmed, and read, at once; EL_SLOT_BYTES is whole chunks */

/* What four bits add to CRC-32 (polynomial 0xEDB88320): a table of 64 bytes is four times as fast as bit by bit. */
static const uint32_t CRC_OF_NIBBLE[16] = {
    0x00000000UL, 0x1DB71064UL, 0x3B6E20C8UL, 0x26D930ACUL,
    0x76DC4190UL, 0x6B6B51F4UL, 0x4DB26158UL, 0x5005713CUL,
    0xEDB88320UL, 0xF00F9344UL, 0xD6D6A3E8UL, 0xCB61B38CUL,
    0x9B64C2B0UL, 0x86D3D2D4UL, 0xA00AE278UL, 0xBDBDF21CUL,
};

static uint32_t crc_step(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    crc = (crc >> 4U) ^ CRC_OF_NIBBLE[crc & 15U];
    return (crc >> 4U) ^ CRC_OF_NIBBLE[crc & 15U];
}

static uint32_t read_32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | ((uint32_t)bytes[1] << 8U) | ((uint32_t)bytes[2] << 16U) | ((uint32_t)bytes[3] << 24U);
}

static uint16_t read_16(const uint8_t *bytes)
{
    return (uint16_t)((uint32_t)bytes[0] | ((uint32_t)bytes[1] << 8U));
}

#if EL_DETECTOR
#define AT_LEVELS 4U /* words of 32 bits */
#define AT_SCORES (AT_LEVELS + (2U * EL_LEVELS))
#define SCORE_WORDS ((EL_SCORE_BITS <= 31) ? 1U : 2U)

/* The word of 32 bits that holds a part of the detector. */
static uint32_t detector_word(const el_detector *detector, uint32_t i)
{
    const uint32_t counts[AT_LEVELS] = {detector->rows, detector->alarms, detector->saturated, detector->n_kept};
    uint64_t value;
    uint32_t half = 0U;
    if (i < AT_LEVELS) {
        return counts[i];
    }
    if (i < AT_SCORES) {
        value = (uint64_t)detector->level[(i - AT_LEVELS) / 2U];
        half = (i - AT_LEVELS) & 1U;
    } else {
        const uint32_t score = (i - AT_SCORES) / SCORE_WORDS;
        value = (uint64_t)detector->smoothed;
#if EL_KEPT > 0
        if (score > 0U) {
            value = (uint64_t)detector->kept[score - 1U];
        }
#endif
        half = (i - AT_SCORES) - (score * SCORE_WORDS);
    }
    return (uint32_t)(value >> (32U * half));
}

/* A value of 64 bits, or a score, that begins at a word; below half of its range, so that no sign is needed. */
static int64_t value_at(const uint8_t *words, uint32_t n)
{
    const uint64_t high = (n > 1U) ? read_32(&words[4]) : 0U;
    return (int64_t)((high << 32U) | read_32(words));
}

static void take_detector(el_detector *detector, const uint8_t *words)
{
    detector->rows = read_32(words);
    detector->alarms = read_32(&words[4]);
    detector->saturated = read_32(&words[8]);
    detector->n_kept = read_32(&words[12]);
    for (uint32_t i = 0U; i < EL_LEVELS; i++) {
        detector->level[i] = value_at(&words[4U * (AT_LEVELS + (2U * i))], 2U);
    }
    detector->smoothed = (el_smoothed)value_at(&words[4U * AT_SCORES], SCORE_WORDS);
#if EL_KEPT > 0
    for (uint32_t i = 0U; i < EL_KEPT; i++) {
        detector->kept[i] = (el_smoothed)value_at(&words[4U * (AT_SCORES + ((i + 1U) * SCORE_WORDS))], SCORE_WORDS);
    }
#endif
}
#endif

/* One byte of a checkpoint, all but the CRC. */
static uint8_t byte_at(const EL_SAVED *net, uint32_t sequence, uint32_t at)
{
    uint32_t field;
#ifdef EL_STREAM
    if (at >= AT_FRONT) {
        return el_front_byte(&net->front, (uint32_t)(at - AT_FRONT));
    }
#endif
#if EL_DETECTOR
    if (at >= AT_DETECTOR) {
        const uint32_t place = (uint32_t)(at - AT_DETECTOR);
        return (uint8_t)(detector_word(&EL_NET(net)->detector, place / 4U) >> (8U * (place & 3U)));
    }
#endif
    if (at >= AT_WORDS) {
#if EL_WORD_BITS <= 8
        return (uint8_t)EL_NET(net)->words[at - AT_WORDS];
#else
        return (uint8_t)((uint32_t)(uint16_t)EL_NET(net)->words[(at - AT_WORDS) >> 1U] >> (8U * (at & 1U)));
#endif
    }
    switch (at & ~3UL) {
    case 0UL:
        field = MAGIC;
        break;
    case AT_IDENTITY:
        field = EL_IDENTITY;
        break;
    case AT_SEQUENCE:
        field = sequence;
        break;
    case AT_LEARNED:
        field = EL_NET(net)->learned;
        break;
    case AT_GENERATOR:
#if EL_STOCHASTIC
        field = EL_NET(net)->generator;
#else
        field = 0U;
#endif
        break;
    default:
        field = (uint32_t)EL_NET(net)->live | ((uint32_t)EL_NET(net)->halvings << 16U);
        break;
    }
    return (uint8_t)(field >> (8U * (at & 3U)));
}

/* The next byte, CRC included; called with at = 0, 1, 2, ... */
static uint8_t next_byte(const EL_SAVED *net, uint32_t sequence, uint32_t at, uint32_t *crc)
{
    uint8_t byte;
    if (at >= AT_CRC) {
        return (uint8_t)(~*crc >> (8U * (at - AT_CRC)));
    }
    byte = byte_at(net, sequence, at);
    *crc = crc_step((at == 0U) ? 0xFFFFFFFFUL : *crc, byte);
    return byte;
}

static bool is_whole(const uint8_t *bytes)
{
    uint32_t crc = 0xFFFFFFFFUL;
    if ((read_32(bytes) != MAGIC) || (read_32(&bytes[AT_IDENTITY]) != EL_IDENTITY)) {
        return false;
    }
    for (uint32_t at = 0U; at < AT_CRC; at++) {
        crc = crc_step(crc, bytes[at]);
    }
    return read_32(&bytes[AT_CRC]) == ~crc;
}

static void take_over(EL_SAVED *net, const uint8_t *bytes)
{
    EL_NET(net)->learned = read_32(&bytes[AT_LEARNED]);
#if EL_STOCHASTIC
    EL_NET(net)->generator = read_32(&bytes[AT_GENERATOR]);
#endif
    EL_NET(net)->live = read_16(&bytes[AT_LIVE]);
    EL_NET(net)->halvings = read_16(&bytes[AT_HALVINGS]);
#ifdef EL_STREAM
    el_front_take(&net->front, &bytes[AT_FRONT]);
#if EL_LATE_BY > 0
    net->waiting = 0U; /* rows that waited for their labels are lost */
    net->waiting_at = 0U;
#endif
#endif
    for (uint32_t i = 0U; i < EL_WORDS; i++) {
#if EL_WORD_BITS <= 8
        const uint32_t raw = bytes[AT_WORDS + i];
        EL_NET(net)->words[i] = (el_word)((int32_t)(raw ^ 0x80U) - 0x80);
#else
        const uint32_t raw = read_16(&bytes[AT_WORDS + (2U * i)]);
        EL_NET(net)->words[i] = (el_word)((int32_t)(raw ^ 0x8000U) - 0x8000);
#endif
    }
#if EL_DETECTOR
    take_detector(&EL_NET(net)->detector, &bytes[AT_DETECTOR]);
#endif
}

void el_checkpoint_out(const EL_SAVED *net, uint32_t sequence, uint8_t *out)
{
    uint32_t crc = 0U;
    for (uint32_t at = 0U; at < EL_CHECKPOINT_BYTES; at++) {
        out[at] = next_byte(net, sequence, at, &crc);
    }
}

bool el_checkpoint_in(EL_SAVED *net, const uint8_t *bytes)
{
    if (!is_whole(bytes)) {
        return false;
    }
    take_over(net, bytes);
    return true;
}

/* A place is what a slot is read by: its address, or its number. */
#if EL_FLASH_MAPPED
typedef const uint8_t *el_place;

static el_place place_of(uint8_t slot)
{
    return el_flash_slot(slot);
}

static bool place_is_whole(el_place place)
{
    return is_whole(place);
}

static uint32_t sequence_in(el_place place)
{
    return read_32(&place[AT_SEQUENCE]);
}

static bool take_place(EL_SAVED *net, el_place place)
{
    take_over(net, place);
    return true;
}
#else
typedef uint8_t el_place;

static el_place place_of(uint8_t slot)
{
    return slot;
}

/* Flash that is copied piece by piece. */
typedef struct {
    uint8_t bytes[CHUNK];
    uint8_t slot;
    bool is_read;
} el_piece;

/* Byte `at` of a slot, for at = 0, 1, 2, ... or from any multiple of CHUNK on. */
static uint8_t flash_byte(el_piece *piece, uint32_t at)
{
    if ((at % CHUNK) == 0U) {
        piece->is_read = el_flash_read(piece->slot, at, piece->bytes, CHUNK) && piece->is_read;
    }
    return piece->bytes[at % CHUNK];
}

static uint32_t flash_32(el_piece *piece, uint32_t at)
{
    uint32_t field = 0U;
    for (uint32_t i = 0U; i < 4U; i++) {
        field |= (uint32_t)flash_byte(piece, at + i) << (8U * i);
    }
    return field;
}

static bool place_is_whole(el_place place)
{
    el_piece piece = {{0U}, place, true};
    uint32_t crc = 0xFFFFFFFFUL;
    uint32_t head[2] = {0U, 0U};
    for (uint32_t at = 0U; at < AT_CRC; at++) {
        const uint8_t byte = flash_byte(&piece, at);
        if (at < 8U) {
            head[at / 4U] |= (uint32_t)byte << (8U * (at & 3U));
        }
        crc = crc_step(crc, byte);
        if ((at == 7U) && (!piece.is_read || (head[0] != MAGIC) || (head[1] != EL_IDENTITY))) {
            return false;
        }
    }
    return (flash_32(&piece, AT_CRC) == ~crc) && piece.is_read;
}

static uint32_t sequence_in(el_place place)
{
    uint8_t bytes[4] = {0U, 0U, 0U, 0U};
    (void)el_flash_read(place, AT_SEQUENCE, bytes, 4U); /* read before, as part of a slot that is whole */
    return read_32(bytes);
}

/* Take over a slot that is whole, without a copy of it: bytes come once and in order. */
static bool take_place(EL_SAVED *net, el_place place)
{
    el_piece piece = {{0U}, place, true};
    uint32_t at = 0U;
    uint32_t head[AT_WORDS / 4U];
    for (; at < AT_WORDS; at += 4U) {
        head[at / 4U] = flash_32(&piece, at);
    }
    EL_NET(net)->learned = head[AT_LEARNED / 4U];
#if EL_STOCHASTIC
    EL_NET(net)->generator = head[AT_GENERATOR / 4U];
#endif
    EL_NET(net)->live = (uint16_t)(head[AT_LIVE / 4U] & 0xFFFFU);
    EL_NET(net)->halvings = (uint16_t)(head[AT_LIVE / 4U] >> 16U);
    for (uint32_t i = 0U; i < EL_WORDS; i++) {
#if EL_WORD_BITS <= 8
        const uint32_t raw = flash_byte(&piece, at);
        EL_NET(net)->words[i] = (el_word)((int32_t)(raw ^ 0x80U) - 0x80);
        at++;
#else
        uint32_t raw = flash_byte(&piece, at);
        raw |= (uint32_t)flash_byte(&piece, at + 1U) << 8U;
        EL_NET(net)->words[i] = (el_word)((int32_t)(raw ^ 0x8000U) - 0x8000);
        at += 2U;
#endif
    }
#if EL_DETECTOR
    { /* its state alone is small: four counts, limits and the scores that are kept */
        uint8_t words[4UL * EL_DETECTOR_WORDS];
        for (uint32_t i = 0U; i < (4UL * EL_DETECTOR_WORDS); i++) {
            words[i] = flash_byte(&piece, at);
            at++;
        }
        take_detector(&EL_NET(net)->detector, words);
    }
#endif
#ifdef EL_STREAM
    for (uint32_t i = 0U; i < EL_FRONT_BYTES; i++) {
        el_front_put(&net->front, i, flash_byte(&piece, at));
        at++;
    }
    el_front_restart(&net->front);
#if EL_LATE_BY > 0
    net->waiting = 0U; /* rows that waited for their labels are lost */
    net->waiting_at = 0U;
#endif
#endif
    return piece.is_read;
}
#endif

/* The slot with the newer whole checkpoint, or 2. */
static uint8_t newest_slot(void)
{
    const el_place first = place_of(0U);
    const el_place second = place_of(1U);
    const bool has_first = place_is_whole(first);
    const bool has_second = place_is_whole(second);
    if (has_first && has_second) { /* the distance decides, so that the number may run over */
        return ((sequence_in(second) - sequence_in(first)) < 0x80000000UL) ? 1U : 0U;
    }
    return has_first ? 0U : (has_second ? 1U : 2U);
}

bool el_save(const EL_SAVED *net)
{
    const uint8_t newest = newest_slot();
    const uint8_t slot = (newest == 0U) ? 1U : 0U;
    const uint32_t sequence = (newest == 2U) ? 0U : (sequence_in(place_of(newest)) + 1U);
    uint8_t chunk[CHUNK];
    uint32_t crc = 0U;
    if (!el_flash_erase(slot)) {
        return false;
    }
    for (uint32_t at = 0U; at < EL_SLOT_BYTES; at++) {
        chunk[at % CHUNK] = (at < EL_CHECKPOINT_BYTES) ? next_byte(net, sequence, at, &crc) : 0xFFU;
        if (((at % CHUNK) == (CHUNK - 1U)) && !el_flash_program(slot, (at + 1U) - CHUNK, chunk)) {
            return false;
        }
    }
    return place_is_whole(place_of(slot));
}

bool el_restore(EL_SAVED *net)
{
    const uint8_t newest = newest_slot();
    if (newest == 2U) {
        return false;
    }
    return take_place(net, place_of(newest));
}
