"""Power fails at random instructions of a station that learns and saves; wrong firmware is told from right one."""

import shutil

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from firmware_sim.build import image
from firmware_sim.build.headers import checkpoint
from firmware_sim.build.targets import EMULATED, find_target
from firmware_sim.build.toolchain import missing as missing_compiler
from firmware_sim.build.toolchain import missing_emulator
from tests.firmware.power_loss import PHASES, Station, build_station, newest_whole, survive
from tests.tools import missing

if lacks := missing_compiler("zig", find_target("cortex-m0")) or missing_emulator():
    missing(lacks)


def stream(n=40):
    """A network that fits two slots of 512 bytes, and samples."""
    rng = np.random.default_rng(0)
    settings = {"rule": "drtp", "rounding": "stochastic", "hidden_rate": -4, "output_rate": -3}
    levels = rng.integers(0, 16, (n, 16)) * (rng.random((n, 16)) < 0.6)
    return Learner(design((16, 8, 4), **settings)), levels, rng.integers(0, 4, n)


def assert_survived(done, cuts):
    assert done.faults == ()
    assert list(done.cuts.values()) == [cuts // len(PHASES)] * len(PHASES)
    assert done.again > cuts // 4
    assert done.torn > cuts // 5
    assert 0 < done.from_nothing < cuts


def test_a_station_goes_on_after_power_fails_anywhere(tmp_path):
    assert_survived(survive(*stream(), tmp_path, find_target("cortex-m0"), cuts=60), 60)


def test_a_station_of_narrow_words_without_a_generator_goes_on(tmp_path):
    _, levels, labels = stream()
    learner = Learner(design((16, 8, 6, 4), "bp", bits=4, rounding="nearest", hidden_rate=-3, output_rate=-3))
    done = survive(learner, levels, labels, tmp_path, find_target("rv32"), cuts=60)
    assert_survived(done, 60)


UNMAPPED = "-DEL_FLASH_MAPPED=0"
UNITS = [(f"-DEL_FLASH_UNIT={unit}", *reader) for unit in (8, 16, 32) for reader in ((), (UNMAPPED,))][1:]


@pytest.mark.parametrize("defines", [("-DEL_FLASH_UNIT=16",), ("-DEL_FLASH_UNIT=32", UNMAPPED)], ids="".join)
def test_a_station_of_other_flash_goes_on(tmp_path, defines):
    assert_survived(survive(*stream(), tmp_path, find_target("cortex-m0"), cuts=30, defines=defines), 30)


@pytest.mark.slow
@pytest.mark.parametrize("defines", UNITS, ids="".join)
@pytest.mark.parametrize("target", EMULATED)
def test_a_station_of_any_flash_goes_on_after_many_losses(tmp_path, target, defines):
    assert_survived(survive(*stream(), tmp_path, find_target(target), cuts=200, defines=defines), 200)


@pytest.mark.parametrize("unit", [4, 12, 64])
def test_a_unit_that_no_checkpoint_is_written_in_is_refused(tmp_path, unit):
    with pytest.raises(UserError, match="EL_FLASH_UNIT is the bytes that flash programs at once: 8, 16 or 32"):
        build_station(stream()[0], tmp_path, find_target("cortex-m0"), (f"-DEL_FLASH_UNIT={unit}",))


@pytest.mark.slow
@pytest.mark.parametrize("target", EMULATED)
def test_a_station_goes_on_after_a_thousand_losses(tmp_path, target):
    assert_survived(survive(*stream(), tmp_path, find_target(target), cuts=1000), 1000)


# Lines of el_checkpoint.c, what a mistake makes of them, and what then is seen.
MUTANTS = {
    "no CRC": ("return read_32(&bytes[AT_CRC]) == ~crc;", "return crc != 1U;", "none of the simulator's"),
    "overwrites the newest": ("slot = (newest == 0U) ? 1U : 0U", "slot = (newest == 1U) ? 1U : 0U", "were saved"),
    "goes on with the older": ("< 0x80000000UL) ? 1U : 0U", "< 0x80000000UL) ? 0U : 1U", "were saved"),
    "erases only once": ("if (!el_flash_erase(slot))", "if ((sequence < 2U) && !el_flash_erase(slot))", "flash that is programmed"),
    "generator not restored": ("    EL_NET(net)->generator = read_32(&bytes[AT_GENERATOR]);\n", "", "none of the simulator's"),
    "live outputs not restored": ("    EL_NET(net)->live = read_16(&bytes[AT_LIVE]);\n", "", "none of the simulator's"),
    "does not count saves": ("sequence_in(place_of(newest)) + 1U", "sequence_in(place_of(newest))", "were saved"),
}  # fmt: skip


def survive_wrong_firmware(tmp_path, monkeypatch, name, cuts):
    right, wrong, seen = MUTANTS[name]
    shutil.copytree(image.CSRC, tmp_path / "csrc")
    source = tmp_path / "csrc" / "src" / "el_checkpoint.c"
    text = source.read_text()
    assert text.count(right) == 1
    source.write_text(text.replace(right, wrong))
    monkeypatch.setattr(image, "CSRC", tmp_path / "csrc")
    done = survive(*stream(), tmp_path / "built", find_target("cortex-m0"), cuts=cuts)
    assert any(seen in fault for fault in done.faults), done.faults[:3]


@pytest.mark.parametrize("name", ["no CRC", "overwrites the newest"])
def test_wrong_firmware_is_caught(tmp_path, monkeypatch, name):
    survive_wrong_firmware(tmp_path, monkeypatch, name, 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in ("no CRC", "overwrites the newest")])
def test_other_wrong_firmware_is_caught(tmp_path, monkeypatch, name):
    survive_wrong_firmware(tmp_path, monkeypatch, name, 60)


def test_sequence_numbers_run_over(tmp_path):
    """From a slot with the last sequence number but one on, five saves later the newest is number 2."""
    learner, levels, labels = stream()
    image = build_station(learner, tmp_path, find_target("cortex-m0"))
    station = Station(image, learner.spec, levels, labels, 8)
    saved = checkpoint(learner, image.identity, 0, sequence=2**32 - 3)
    noise = np.random.default_rng(0)
    station.power_on(saved.ljust(2 * station.slot_bytes, b"\xff"), noise)
    assert station.state()[12:16] == bytes(4)
    assert station.run()
    assert station.violations == []
    learner.learn(levels, labels)
    expected = checkpoint(learner, image.identity, 40, sequence=2)
    flash = station.power_off(noise)
    assert newest_whole(flash, len(saved), image.identity) == expected
    station.power_on(flash, noise)
    assert station.state() == checkpoint(learner, image.identity, 40)


def test_an_erase_cut_short_leaves_cells_in_between(tmp_path):
    learner, levels, labels = stream()
    station = Station(build_station(learner, tmp_path, find_target("cortex-m0")), learner.spec, levels, labels, 8)
    noise = np.random.default_rng(0)
    station.power_on(bytes(2 * station.slot_bytes), noise)
    erase = int(np.flatnonzero(station.trace().phases == PHASES.index("erase"))[200])
    station.power_on(bytes(2 * station.slot_bytes), noise)
    assert not station.run(erase)
    held, left = station.read(0x70000000, 2 * station.slot_bytes), station.power_off(noise)
    done = len(held.rstrip(b"\0"))
    assert 0 < done < station.slot_bytes
    assert left[:done] == held[:done] == b"\xff" * done
    assert any(byte not in (0, 255) for byte in left[done : station.slot_bytes])
    assert left[station.slot_bytes :] == bytes(station.slot_bytes)


def test_a_station_that_skips_samples_or_never_saves_is_refused(tmp_path):
    learner, levels, labels = stream(9)
    with pytest.raises(UserError, match="never saves 9"):
        survive(learner, levels, labels, tmp_path, find_target("cortex-m0"), every=10, cuts=1)
    gated = Learner(design((16, 8, 4), rule="drtp", update_gate="error"))
    with pytest.raises(UserError, match="a station learns every sample"):
        survive(gated, levels, labels, tmp_path, find_target("cortex-m0"), cuts=1)
