/* TAGE as a C programmer writes it: one struct per entry, constants of the tables prepared, loops over eight tables that
 * the compiler vectorises, outcomes that leave the histories gathered in one integer. The same predictions and the same
 * tables as the product.
 */
#include <stdint.h>
#include <string.h>

enum { ROOM = 4096, MOST = 8, TICKS = 1024 };

typedef struct {
    int16_t tag; /* -1: none */
    int8_t counter;
    uint8_t useful;
} entry;

typedef struct {
    int64_t tables, index_bits, tag_bits, bimodal_bits;
    int64_t lengths[MOST]; /* rising */
    uint32_t random;
    int32_t use_alternate, tick;
} settings;

static inline int32_t clamp(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }

/* History folded to `width` bits after one more outcome; `turn` is its length modulo width. */
static inline uint32_t fold(uint32_t f, uint32_t outcome, uint32_t oldest, uint32_t turn, int width) {
    f = (f << 1 | outcome) ^ oldest << turn;
    return (f ^ f >> width) & ((1u << width) - 1);
}

/* bimodal: uint8[2^bimodal_bits]; entries: [MOST << index_bits]; window: ROOM + longest length, 0 or 1;
 * returns mispredictions */
int64_t tage(const uint32_t *restrict pc, const uint8_t *restrict taken, int64_t n, uint8_t *restrict bimodal,
             entry *restrict entries, uint8_t *restrict window, settings *restrict given) {
    const int tables = (int)given->tables, last = tables - 1, kept = (int)given->lengths[last];
    const int t = (int)given->index_bits, g = (int)given->tag_bits;
    const uint32_t index_mask = (1u << t) - 1, tag_mask = (1u << g) - 1, base_mask = (1u << given->bimodal_bits) - 1;
    uint32_t turn_index[MOST], turn_tag[MOST], turn_less[MOST], shift[MOST], first[MOST];
    uint32_t f_index[MOST] = {0}, f_tag[MOST] = {0}, f_less[MOST] = {0};
    uint32_t place[MOST], wanted[MOST];
    int length[MOST];
    uint32_t random = given->random;
    int use_alternate = given->use_alternate, tick = given->tick, at = ROOM;
    int64_t misses = 0;
    for (int k = 0; k < MOST; k++) {
        length[k] = k < tables ? (int)given->lengths[k] : 0;
        turn_index[k] = length[k] % t;
        turn_tag[k] = length[k] % g;
        turn_less[k] = length[k] % (g - 1);
        shift[k] = t - k % 4;
        first[k] = (uint32_t)k << t;
    }
    for (int64_t i = 0; i < n; i++) {
        const uint32_t address = pc[i];
        const int outcome = taken[i];
        int hit = -1, other = -1;
        for (int k = 0; k < MOST; k++) {
            place[k] = first[k] + ((address ^ address >> shift[k] ^ f_index[k]) & index_mask);
            wanted[k] = (address ^ f_tag[k] ^ f_less[k] << 1) & tag_mask;
        }
        uint32_t hits = 0;
        for (int k = 0; k < MOST; k++) hits |= (uint32_t)(entries[place[k]].tag == (int32_t)wanted[k]) << k;
        hits &= (1u << tables) - 1;
        if (hits) {
            hit = 31 - __builtin_clz(hits);
            hits ^= 1u << hit;
            if (hits) other = 31 - __builtin_clz(hits);
        }
        uint8_t *base = &bimodal[address & base_mask];
        const int below = *base >> 1, alternate = other >= 0 ? entries[place[other]].counter >= 0 : below;
        int guess = alternate, own = below, weak = 0;
        entry *e = 0;
        if (hit >= 0) {
            e = &entries[place[hit]];
            own = e->counter >= 0;
            weak = (e->counter == 0 || e->counter == -1) && e->useful == 0;
            if (!(weak && use_alternate >= 8)) guess = own;
            if (weak && own != alternate) use_alternate = clamp(use_alternate + (alternate == outcome ? 1 : -1), 0, 15);
        }
        misses += guess ^ outcome;
        if (guess != outcome && hit < last && !(weak && own == outcome)) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            int start = hit + 1;
            start += (random & 1) == 0 && start < last;
            start += (random & 6) == 0 && start < last;
            int free = start;
            while (free <= last && entries[place[free]].useful > 0) free++;
            if (free <= last) {
                entry *new = &entries[place[free]];
                new->tag = (int16_t)wanted[free];
                new->counter = (int8_t)(outcome - 1);
                tick -= tick > 0;
            } else {
                for (int k = start; k < tables; k++) entries[place[k]].useful--;
                if (++tick == TICKS) {
                    tick = 0;
                    for (int64_t j = 0; j < (int64_t)tables << t; j++) entries[j].useful >>= 1;
                }
            }
        }
        const int step = 2 * outcome - 1;
        if (e) {
            e->counter = (int8_t)clamp(e->counter + step, -4, 3);
            if (own != alternate) e->useful = (uint8_t)clamp(e->useful + (own == outcome ? 1 : -1), 0, 3);
        }
        if (!e || (weak && other < 0)) {
            *base = (uint8_t)clamp(*base + step, 0, 3);
        } else if (weak) {
            entry *o = &entries[place[other]];
            o->counter = (int8_t)clamp(o->counter + step, -4, 3);
        }
        if (at == 0) {
            memcpy(window + ROOM, window, kept);
            at = ROOM;
        }
        window[--at] = (uint8_t)outcome;
        uint64_t bits = 0;

        for (int k = 0; k < MOST; k++) bits |= (uint64_t)window[at + length[k]] << k;

        for (int k = 0; k < MOST; k++) {
            const uint32_t old = (uint32_t)bits >> k & 1;
            f_index[k] = fold(f_index[k], outcome, old, turn_index[k], t);
            f_tag[k] = fold(f_tag[k], outcome, old, turn_tag[k], g);
            f_less[k] = fold(f_less[k], outcome, old, turn_less[k], g - 1);
        }
    }
    given->random = random;
    given->use_alternate = use_alternate;
    given->tick = tick;
    return misses;
}
