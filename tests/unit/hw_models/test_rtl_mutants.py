"""One-line faults put into the Verilog: each is caught, and its first wrong word is named."""

from __future__ import annotations

from typing import Any

import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from hw_models.rtl.emit import contents
from hw_models.rtl.verify import Difference, verify
from tests.unit.hw_models.test_rtl_engine import NET, require_verilog, samples

STOCHASTIC = {"rounding": "stochastic"}
# what it is: file, line and its fault, settings of the network
MUTANTS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "logical shift": ("el_round.v", "down = sum >>> S", "down = sum >> S", {}),
    "no rounding constant": ("el_round.v", "half = ONE <<< (S - 1)", "half = {OW{1'b0}}", {}),
    "sign of a step": ("el_datapath.v", "minus = -step_wide", "minus = step_wide", {}),
    "sign of an extension": ("el_extend.v", "{(OW-W){value[W-1]}}", "{(OW-W){1'b0}}", {}),
    "limit of an index": ("el_datapath.v", ".hi(8'sd127)", ".hi(8'sd15)", {}),
    "limit of a word": ("el_update.v", "{1'b0, {(SB-1){1'b1}}};", "{2'b00, {(SB-2){1'b1}}};", {"bits": 3}),
    "floor of a word": (
        "el_update.v",
        "non_negative ? {SB{1'b0}} :",
        "non_negative ? {SB{1'b1}} :",
        {"rule": "mdfa", "hidden_rate": -4, "output_rate": -4},
    ),
    "floor of a bias": ("el_engine.v", "non_negative && !update_bias", "non_negative", {"rule": "mdfa"}),
    "limit of a modulator": ("el_datapath.v", "m_lo = -m_hi;", "m_lo = ~m_hi;", {"delta_bits": 3}),
    "comparison with random bits": ("el_update.v", "rand8 < step[7:0]", "rand8 <= step[7:0]", STOCHASTIC),
    "extra draw": ("el_engine.v", ".draw(update_read)", ".draw(update_read || update_write)", STOCHASTIC),
    "shift of the generator": ("el_random.v", "a >> 17", "a >> 16", STOCHASTIC),
    "byte of a draw": ("el_random.v", "lane == 2'd1 ?", "lane == 2'd3 ?", STOCHASTIC),
    "draws of a layer not kept": ("el_control.v", "drew && (layer_done", "drew && !drew && (layer_done", STOCHASTIC),
    "bias not written": ("el_engine.v", "w_we = update_write", "w_we = update_write && !update_bias", {}),
    "stale word": ("el_engine.v", "stored = {v_rdata, r_rdata}", "stored = {v_rdata, {RB1{1'b0}}}", {}),
    "row of the wrong layer": ("el_engine.v", "reads_transposed ? entry_row : row", "row", {"rule": "bp"}),
    "dead zone": ("el_output.v", "full <= zone &&", "full <= zone + 10'sd9 &&", {"dead_zone": 110}),
    "scale of an error": ("el_output.v", "p_wide - 10'sd255", "p_wide - 10'sd256", {}),
    "sign of an error": ("el_engine.v", "SIGNAL == SIGN ? entry_negative", "SIGNAL == SIGN ? 1'b0", {"rule": "sdfa"}),
    "shift of a gate": ("el_datapath.v", ".SHIFTS(8'd7)", ".SHIFTS(8'd6)", {}),
    "rounding of a share": ("el_softmax.v", "- share_wide + half", "- share_wide", {"output": "softmax"}),
    "margin of a gate": ("el_output.v", "lead > margin", "lead > 10'sd0", {"update_gate": "margin", "margin": 30}),
    "scale of a readout": ("el_datapath.v", "reading ? readout_wide : index_wide", "index_wide", {"rule": "local"}),
    "event of zero": ("el_engine.v", "in_level != {LW{1'b0}}", "in_valid", {}),
}


def difference_of(mutant: str, folder, simulator: str = "icarus") -> Difference | None:
    """Return what verification says of an engine with a fault."""
    file, line, fault, settings = MUTANTS[mutant]
    learner = Learner(design(NET, **{"rule": "dfa"} | settings))
    texts = contents(learner)
    assert texts[file].count(line) == 1, "a fault is put into one line"
    (folder / file).write_text(texts[file].replace(line, fault))
    result = verify(learner, *samples(20), simulator=simulator, folder=folder)
    return result.difference or result.miscount


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_fault_in_one_line_is_caught_and_named(mutant, tmp_path):
    require_verilog("iverilog")
    found = difference_of(mutant, tmp_path)
    assert found is not None
    assert "first after sample" in str(found)
    assert found.layer > 0 or found.what in ("prediction", "generator", "learned", "cycles")
