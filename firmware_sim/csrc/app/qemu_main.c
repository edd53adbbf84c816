/* Learn the samples of a file of the machine that emulates; write predictions, ticks and the last checkpoint to another.
 *
 *     samples.bin     a record a sample: EL_INPUTS levels, then the label in 2 bytes
 *     replayed.bin    contract, identity, ticks of a window around nothing; an `outcome` a sample; the checkpoint
 */
#include "board.h"
#include "el_checkpoint.h"
#include "el_learner.h"

#define SYS_OPEN 0x01U
#define SYS_CLOSE 0x02U
#define SYS_WRITE 0x05U
#define SYS_READ 0x06U
#define READ_BYTES 1U /* "rb" */
#define WRITE_BYTES 5U /* "wb" */

#define RECORD_BYTES (EL_INPUTS + 2U)

typedef struct {
    uint32_t predict_ticks;
    uint32_t learn_ticks;
    uint16_t class_predicted;
    uint16_t class_before_learning;
} outcome;

/* of replay.c */
void replay_init(void);
uint16_t replay_predict(const el_level *levels);
uint16_t replay_learn(const el_level *levels, uint16_t label);
void replay_checkpoint(uint8_t *out);

static const char samples_name[] = "samples.bin";
static const char results_name[] = "replayed.bin";
static uint8_t record[RECORD_BYTES];
static uint8_t checkpoint[EL_CHECKPOINT_BYTES];

static uint32_t address(const void *at)
{
    return (uint32_t)(uintptr_t)at;
}

/* Return a handle, or -1. */
static int32_t open_file(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t arguments[3] = {address(name), mode, length};
    return board_ask(SYS_OPEN, arguments);
}

/* Return whether all bytes went through. */
static bool transfer(uint32_t service, int32_t file, const void *bytes, uint32_t n)
{
    const uint32_t arguments[3] = {(uint32_t)file, address(bytes), n};
    return board_ask(service, arguments) == 0;
}

static bool replay_sample(int32_t results)
{
    const el_level *levels = (const el_level *)record;
    const uint32_t label = record[EL_INPUTS] | ((uint32_t)record[EL_INPUTS + 1U] << 8U);
    outcome out;
    out.predict_ticks = board_window((void (*)(void))replay_predict, levels, 0U, &out.class_predicted);
    out.learn_ticks = board_window((void (*)(void))replay_learn, levels, label, &out.class_before_learning);
    return transfer(SYS_WRITE, results, &out, sizeof out);
}

uint32_t board_main(void)
{
    const int32_t samples = open_file(samples_name, sizeof samples_name - 1U, READ_BYTES);
    const int32_t results = open_file(results_name, sizeof results_name - 1U, WRITE_BYTES);
    if (samples < 0 || results < 0) {
        return 1U;
    }
    uint16_t ignored;
    const uint32_t head[3] = {EL_CONTRACT, EL_IDENTITY, board_window(board_nothing, record, 0U, &ignored)};
    bool written = transfer(SYS_WRITE, results, head, sizeof head);
    replay_init();
    while (written && transfer(SYS_READ, samples, record, RECORD_BYTES)) {
        written = replay_sample(results);
    }
    replay_checkpoint(checkpoint);
    written = written && transfer(SYS_WRITE, results, checkpoint, sizeof checkpoint);
    const uint32_t file = (uint32_t)results;
    return (written && board_ask(SYS_CLOSE, &file) == 0) ? 0U : 2U;
}
