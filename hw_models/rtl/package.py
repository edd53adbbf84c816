"""README of an emitted engine: this network's memory map, ports and files."""

from __future__ import annotations

from hw_models.rtl.parameters import Parameters


def readme(parameters: Parameters) -> str:
    """Return the README as Markdown."""
    spec, sized = parameters.spec, parameters.scalars()
    word = f"{sized['VB']} bits view" + (f" + {sized['RB']} bits residual" if sized["RB"] else "")
    lines = [
        f"# Learning engine in Verilog: {spec.rule_name}, {spec.net}",
        "",
        "`el_top.v` is the engine with its memories, `el_engine.v` the engine alone. `el_config.vh` and the hex files",
        "are this network; the other sources are the same for every network. Replace `el_ram.v` by your memories.",
        "",
        "## Memories",
        "",
        "One port each; a word is read one cycle after `en`.",
        "",
        "| memory | words | bits | starts from | contents |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {words} | {bits} | {start} | {what} |"
            for name, words, bits, start, what in memories(parameters)
        ),
        "",
        f"## Stored words ({word})",
        "",
        "| layer | first address | neuron j, input i | bias of neuron j | words |",
        "|---|---|---|---|---|",
    ]
    rows = zip(spec.layers, parameters.bases, parameters.strides, strict=True)
    for k, (layer, base, stride) in enumerate(rows, 1):
        at = f"{base} + {stride} j"
        lines.append(f"| {k} | {base} | {at} + i | {at} + {layer.n_in} | {layer.n_out * stride} |")
    lines += [
        "",
        "## A sample",
        "",
        f"1. While `busy` is 0: `in_valid` = 1 for {spec.sizes[0]} cycles, a level of {sized['LW']} bits in each.",
        "2. `start` = 1 for a cycle, with `learn` and `label`; `learn` = 0 predicts alone.",
        "3. Wait until `busy` is 0; `predicted` is the class. With `learn` the words are updated.",
        "",
        "While `busy` is 0, `host_en` reads the stored word at `host_addr` a cycle later; `host_we` writes it.",
        "",
        "## Simulation",
        "",
        "    iverilog -g2005 -s el_bench -o el_bench.vvp el_*.v && vvp -n el_bench.vvp",
        "",
        "plays `samples.hex` (numbers in hex: samples, levels of a sample, stored words, samples between readings of",
        "all words; then of each sample learn, label, halvings of the rate, levels) and writes `answers.txt` (of each",
        "sample `s`, class, generator, whether it was learned, cycles; stored words where they are read).",
        "The classes of the samples that come with the engine are in `classes.txt`:",
        "",
        "    grep '^s' answers.txt | cut -d' ' -f2 | diff - classes.txt",
        "",
    ]
    return "\n".join(lines)


def memories(parameters: Parameters) -> list[tuple[str, int, int, str, str]]:
    """Return name, words, bits of a word, file of its start and contents of each memory of the engine."""
    sized = parameters.scalars()
    nw, xw, waw, faw, dw = (sized[name] for name in ("NW", "XW", "WAW", "FAW", "DW"))
    rows = [
        ("views", sized["WORDS"], sized["VB"], "view.hex", "upper bits of the stored words"),
        (
            "residuals",
            sized["WORDS"] * (sized["RB"] > 0),
            sized["RB"],
            "residual.hex",
            "lower bits of the stored words",
        ),
        ("feedback", sized["FEEDBACK_WORDS"], 8, "feedback.hex", "of each neuron, the words of its lanes"),
        ("events0", sized["E_DEPTH0"], nw + xw, "", "inputs of layers 1, 3, ..: {input, value}, zeros left out"),
        ("events1", sized["E_DEPTH1"], nw + xw, "", "inputs of layers 2, 4, .."),
        ("gates", sum(parameters.gate_sizes), faw + waw + nw + 7, "", "open gates: {feedback row, row, neuron, g}"),
        ("deltas", sized["D_DEPTH"], waw + nw + dw, "", "errors and deltas: {row, neuron, d}"),
    ]
    return [row for row in rows if row[1]]
