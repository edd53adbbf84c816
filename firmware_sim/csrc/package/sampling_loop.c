/* The sampling loop of this network. The functions of the board are yours to write, as are those of el_checkpoint.h. */
#include "el_checkpoint.h"
#include "el_names.h"
#include "el_stream.h"

#define SAVE_EVERY 1000U /* rows learned */

/* Wait for the next sample; EL_NO_VALUE for a channel without one. channels.csv says what the numbers count. */
extern void board_sample(int32_t sample[EL_CHANNELS]);

/* Return the class of the row that just ended, or of the one EL_LATE_BY rows before it; EL_NO_LABEL where it is not known, or
 * where there is no energy to learn. */
extern uint16_t board_label(void);

extern void board_result(const char *class_name);

static el_stream stream;

int main(void)
{
    uint32_t saved;
    if (!el_restore(&stream)) {
        el_stream_init(&stream);
    }
    saved = stream.net.learned;
    for (;;) {
        int32_t sample[EL_CHANNELS];
        board_sample(sample);
        if (el_push(&stream.front, sample)) {
            board_result(el_class_names[el_stream_step(&stream, board_label())]);
            if (((stream.net.learned - saved) >= SAVE_EVERY) && el_save(&stream)) {
                saved = stream.net.learned;
            }
        }
    }
}
