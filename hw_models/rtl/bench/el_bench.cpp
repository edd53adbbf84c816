// Bench over the host port of el_top, for Verilator: plays a file of samples, writes what the engine answered.
// usage: el_bench SAMPLES ANSWERS; both files are described in docs/rtl.md of the project.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "Vel_top.h"
#include "verilated.h"

static std::unique_ptr<VerilatedContext> context;
static std::unique_ptr<Vel_top> top;

static void cycle() {
    top->clk = 0;
    top->eval();
    top->clk = 1;
    top->eval();
}

static unsigned next_word(FILE* samples) {
    unsigned word;
    if (std::fscanf(samples, "%x", &word) != 1) {
        std::fprintf(stderr, "el_bench: the file of samples ends early\n");
        std::exit(2);
    }
    return word;
}

int main(int argc, char** argv) {
    FILE* samples = argc == 3 ? std::fopen(argv[1], "r") : nullptr;
    FILE* answers = argc == 3 ? std::fopen(argv[2], "w") : nullptr;
    if (samples == nullptr || answers == nullptr) {
        std::fprintf(stderr, "usage: el_bench SAMPLES ANSWERS\n");
        return 2;
    }
    context = std::make_unique<VerilatedContext>();
    top = std::make_unique<Vel_top>(context.get());
    top->rst = 1;
    cycle();
    cycle();
    top->rst = 0;
    const unsigned n_samples = next_word(samples), n_in = next_word(samples), n_words = next_word(samples);
    const unsigned every = next_word(samples);
    for (unsigned s = 0; s < n_samples; s++) {
        top->learn = next_word(samples) & 1;
        top->label = next_word(samples);
        top->halvings = next_word(samples);
        for (unsigned i = 0; i < n_in; i++) {
            top->in_valid = 1;
            top->in_level = next_word(samples);
            cycle();
        }
        top->in_valid = 0;
        top->start = 1;
        cycle();
        top->start = 0;
        unsigned cycles = 0, learned = 0;
        while (top->busy) {
            learned |= top->learned;
            cycle();
            if (++cycles > 100000000u) {
                std::fprintf(stderr, "el_bench: the engine does not come to an end\n");
                return 3;
            }
        }
        std::fprintf(answers, "s %x %x %x %x\n", (unsigned)top->predicted, (unsigned)top->generator, learned, cycles);
        if ((s + 1) % every != 0 && s + 1 != n_samples) continue;
        top->host_en = 1;
        top->host_we = 0;
        for (unsigned i = 0; i < n_words; i++) {
            top->host_addr = i;
            cycle();
            std::fprintf(answers, "%x\n", (unsigned)top->host_rdata);
        }
        top->host_en = 0;
    }
#ifdef EL_COUNT
    for (unsigned i = 0; i < 16; i++) {
        top->count_role = i;
        top->eval();
        std::fprintf(answers, "c %llx\n", (unsigned long long)top->count);
    }
#endif
    std::fclose(answers);
    return 0;
}
