"""Loss of power at any instruction: what a station (`csrc/app/station.c`) goes on with, and whether it may."""

from __future__ import annotations

import importlib
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from firmware_sim.build.headers import checkpoint, checkpoint_bytes, shape
from firmware_sim.build.image import Image, compile_image
from firmware_sim.build.targets import Target
from firmware_sim.emulate.emulator import Machine, Stopped

PHASES = ("erase", "program", "save", "update", "learn")
_PHASE_OF = {"el_learn": "learn", "el_save": "save", "el_flash_erase": "erase", "el_flash_program": "program"}
_FLASH_AT = 0x70000000  # memory of its own, so that every store to it is one the driver makes
_LOCKED, _PROGRAM, _ERASE = range(3)  # what nor_flash.c writes to the control register
_SECTOR = 256
_PAGE = 0x10000


@dataclass(frozen=True, eq=False)
class Trace:
    """A run without a loss of power, one entry an instruction.

    Parameters
    ----------
    addresses : int64[n]
    phases : uint8[n], index into PHASES: "update" lies between the first and the last store to the words that learn
        from one sample, "learn" is the rest of a sample and of the loop, "save" the rest of a save: CRC, reading back
    saves : int64[saves], instructions until each save had returned
    """

    addresses: np.ndarray
    phases: np.ndarray
    saves: np.ndarray


class Station(Machine):
    """An emulated core with two slots of NOR flash that runs `station.c` on a stream in memory.

    The flash stops the core at what NOR flash cannot do: a store while it is locked, an erasing store that is not all
    ones, a programming store that would set a bit. `violations` says which.

    Parameters
    ----------
    image : of `build_station`
    spec : the network in the image
    levels, labels : uint8 or int8[n, n_in], int64[n]; the stream
    every : samples from save to save
    size : bytes of a checkpoint, None for those of the network alone
    """

    def __init__(
        self,
        image: Image,
        spec: NetworkSpec,
        levels: np.ndarray,
        labels: np.ndarray,
        every: int,
        size: int | None = None,
    ) -> None:
        super().__init__(image)
        import unicorn

        self.violations: list[str] = []
        self._checkpoint_bytes = checkpoint_bytes(spec) if size is None else size
        self.slot_bytes = slot_bytes(self._checkpoint_bytes)
        words_bytes = shape(spec).learned * shape(spec).word_bytes
        head = 12 if spec.stochastic else 8  # samples learned, generator, live outputs and halvings
        self._words = self.program.symbols["net"][0] + head, words_bytes
        self._control_at = _FLASH_AT + 2 * self.slot_bytes
        self._command = _LOCKED
        self._erased_to = 0  # end of the cells that an erase in progress has come to; 0 if there is none
        self._uc.mem_map(_FLASH_AT, -(-(2 * self.slot_bytes + 4) // _PAGE) * _PAGE)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_WRITE, self._store, begin=_FLASH_AT, end=self._control_at + 3)
        parts = levels.astype(np.uint8).tobytes(), labels.astype("<u2").tobytes(), bytes(self._checkpoint_bytes)
        levels_at, labels_at, self._out_at = self.place(*parts)
        self._stream = levels_at, labels_at, len(labels), every

    def _store(self, uc: Any, kind: int, at: int, size: int, value: int, data: Any) -> None:
        self.leave_conditions()
        ones = (1 << 8 * size) - 1
        value &= ones
        if at == self._control_at:
            self._command, self._erased_to = value, 0
        elif self._command == _ERASE and value == ones:
            self._erased_to = at + size
        elif self._command != _PROGRAM or value & ~int.from_bytes(uc.mem_read(at, size), "little"):
            name = {_LOCKED: "locked", _PROGRAM: "programmed", _ERASE: "erased"}.get(self._command, "in no known mode")
            self.violations.append(f"a store of {value:#x} at byte {at - _FLASH_AT} of flash that is {name}")
            uc.emu_stop()

    def power_on(self, flash: bytes, noise: np.random.Generator, limit: int = 0) -> None:
        """Start with given flash and with noise in RAM, up to where the firmware has recovered what it can.

        Raises
        ------
        Stopped
            After `limit` instructions, if not 0.
        """
        self._command, self._erased_to = _LOCKED, 0
        self.violations.clear()
        self.write(_FLASH_AT, flash)
        self.write(self.target.ram_at, noise.bytes(self.stack_top - self.target.ram_at))
        self.call("station_start", limit=limit)

    def run(self, limit: int = 0) -> bool:
        """Learn the rest of the stream, or `limit` instructions of that; return whether it came to the end."""
        try:
            self.call("station_run", *self._stream, limit=limit)
        except Stopped:
            return False
        return True

    def power_off(self, noise: np.random.Generator) -> bytes:
        """Return what flash holds when power fails now.

        Notes
        -----
        An erase raises all cells of a slot together: those it has not come to yet are left anywhere between what they
        were and all ones.
        """
        flash = bytearray(self.read(_FLASH_AT, 2 * self.slot_bytes))
        if self._erased_to:
            first = self._erased_to - _FLASH_AT
            end = -(-first // self.slot_bytes) * self.slot_bytes
            flash[first:end] = bytes(a | b for a, b in zip(flash[first:end], noise.bytes(end - first), strict=True))
        return bytes(flash)

    def state(self, limit: int = 0) -> bytes:
        """Return what the firmware has learned: a checkpoint with sequence number 0."""
        self.call("station_checkpoint", self._out_at, limit=limit)
        return self.read(self._out_at, self._checkpoint_bytes)

    def address(self) -> int:
        """Return the address of the next instruction."""
        return int(self._uc.reg_read(self._pc)) & ~1

    def trace(self) -> Trace:
        """Learn the rest of the stream and note every instruction; takes seconds for a million."""
        import unicorn

        addresses, stores = array("q"), array("q")
        calls: list[tuple[str, int, int]] = []  # function, its first instruction, where it returns to
        entries = {self.program.functions[name][0]: name for name in _PHASE_OF}

        def instruction(uc: Any, address: int, size: int, data: Any) -> None:
            if address in entries:
                calls.append((entries[address], len(addresses), uc.reg_read(self._link) & ~1))
            addresses.append(address)

        def store(uc: Any, kind: int, address: int, size: int, value: int, data: Any) -> None:
            self.leave_conditions()
            stores.append(len(addresses))

        first, size = self._words
        self._uc.ctl_flush_tb()  # code translated before the hooks would run without them
        hooks = [
            self._uc.hook_add(unicorn.UC_HOOK_CODE, instruction),
            self._uc.hook_add(unicorn.UC_HOOK_MEM_WRITE, store, begin=first, end=first + size - 1),
        ]
        self.run()
        for hook in hooks:
            self._uc.hook_del(hook)
        self._uc.ctl_flush_tb()
        return _trace(np.array(addresses, np.int64), np.array(stores, np.int64), calls)


def _trace(addresses: np.ndarray, stores: np.ndarray, calls: list[tuple[str, int, int]]) -> Trace:
    phases = np.full(len(addresses), PHASES.index("learn"), np.uint8)
    saves = []
    for name, first, back in calls:  # a caller comes before what it calls
        end = first + int(np.argmax(addresses[first:] == back))
        phases[first:end] = PHASES.index(_PHASE_OF[name])
        if name == "el_save":
            saves.append(end)
        elif name == "el_learn":
            own = stores[np.searchsorted(stores, first) : np.searchsorted(stores, end)]
            if len(own):
                phases[own[0] : own[-1]] = PHASES.index("update")
    return Trace(addresses, phases, np.array(saves, np.int64))


def slot_bytes(size: int) -> int:
    """Return the bytes of a slot that holds a checkpoint of `size`: whole sectors."""
    return -(-size // _SECTOR) * _SECTOR


def in_flash(size: int) -> tuple[str, ...]:
    """Return what the compiler is told of the flash driver of nor_flash.c."""
    return f"-DNOR_AT={_FLASH_AT:#x}UL", f"-DNOR_SLOT_BYTES={slot_bytes(size)}UL"


def build_station(learner: Learner, folder: Path, target: Target, defines: tuple[str, ...] = ()) -> Image:
    """Compile `station.c` with its flash driver for an emulated target; see `compile_image`.

    Raises
    ------
    UserError
        "a station learns every sample ..."; of `compile_image`
    """
    if learner.spec.update_gate != "always":
        raise UserError(
            f"a station learns every sample, not with update gate '{learner.spec.update_gate}'; use 'always'"
        )
    extra = (*in_flash(checkpoint_bytes(learner.spec)), *defines)
    return compile_image(learner, folder, target, ("station.c", "nor_flash.c"), ("station*",), extra=extra)


def newest_whole(flash: bytes, n: int, identity: int) -> bytes | None:
    """Return the newest checkpoint of `n` bytes of a network that is whole in one of two slots, or None.

    Notes
    -----
    Written from el_checkpoint.h, with the CRC of zlib: what the firmware may accept, said by something else.
    """
    head = b"ELCK" + identity.to_bytes(4, "little")
    slots = (flash[at : at + n] for at in (0, len(flash) // 2))
    whole = [
        slot for slot in slots if slot[:8] == head and zlib.crc32(slot[:-4]) == int.from_bytes(slot[-4:], "little")
    ]
    if len(whole) == 2:
        ahead = (_word(whole[1], 8) - _word(whole[0], 8)) % 2**32  # sequence numbers run over
        return whole[1] if ahead < 2**31 else whole[0]
    return whole[0] if whole else None


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


@dataclass(frozen=True)
class Survival:
    """What many losses of power came to.

    Parameters
    ----------
    instructions : of the run without one
    cuts : losses by the phase they fell into, see `Trace`; each in a run of its own
    again : second losses, in the run that went on from there
    torn : losses that left a slot neither erased nor whole, second ones included
    from_nothing : restarts without a save to go on from
    faults : one line for each loss after which something was not as it has to be
    """

    instructions: int
    cuts: dict[str, int]
    again: int
    torn: int
    from_nothing: int
    faults: tuple[str, ...]


class _Fault(Exception):
    """The firmware did what it must not."""


class _Trial:
    """Loses power and checks what the firmware makes of it."""

    def __init__(self, station: Station, states: dict[int, bytes], every: int, identity: int, seed: int) -> None:
        self.station, self.states = station, states  # the simulator's, by samples learned
        self.rng = np.random.default_rng(seed)
        self.every, self.n, self.identity = every, max(states), identity
        self.again = self.torn = self.from_nothing = 0
        self.blank = b"\xff" * (2 * self.station.slot_bytes)
        self.station.power_on(self.blank, self.rng)
        self.trace = self.station.trace()
        self.limit = 4 * len(self.trace.addresses)  # nothing that works takes as long

    def cut(self, instant: int) -> None:
        """Lose power after some instructions from a blank flash on, and once more; see `survive`."""
        station, rng = self.station, self.rng
        station.power_on(self.blank, rng, self.limit)
        ended = station.run(instant)
        # unicorn stops behind the at most four instructions of a Thumb IT block, not inside
        if ended or station.address() not in self.trace.addresses[instant : instant + 5]:
            raise RuntimeError(f"the emulator did not stop after {instant} instructions")
        completed = int(np.searchsorted(self.trace.saves, instant, side="right")) * self.every
        recovered = self._restart(completed)
        if not station.run(int(rng.integers(1, len(self.trace.addresses)))):
            self.again += 1
            self._restart(recovered)
            if not station.run(self.limit):
                raise _Fault("the stream is not learned to its end")
        self.check_end()

    def _restart(self, completed: int) -> int:
        station = self.station
        self._check_stores()
        flash = station.power_off(self.rng)
        size = len(self.states[0])
        newest = newest_whole(flash, size, self.identity)
        allowed = 0 if newest is None else _word(newest, 12)
        half = station.slot_bytes
        slots = (flash[:half], flash[half:])
        self.torn += any(
            newest_whole(slot + slot, size, self.identity) is None and slot.strip(b"\xff") for slot in slots
        )
        station.power_on(flash, self.rng, self.limit)
        state = station.state(self.limit)
        learned = _word(state, 12)
        self.from_nothing += learned == 0
        if self.states.get(learned) != state or learned % self.every:
            raise _Fault(f"after the restart the state is none of the simulator's; it says {learned} samples")
        if learned < completed:
            raise _Fault(f"after the restart {learned} samples are known, but {completed} were saved")
        if learned != allowed:
            raise _Fault(f"after the restart {learned} samples are known, but the newest whole slot holds {allowed}")
        return learned

    def check_end(self) -> None:
        self._check_stores()
        if self.station.state(self.limit) != self.states[self.n]:
            raise _Fault("at the end of the stream the state is not the simulator's")

    def _check_stores(self) -> None:
        if self.station.violations:
            raise _Fault(self.station.violations[0])


def survive(
    learner: Learner,
    levels: np.ndarray,
    labels: np.ndarray,
    folder: Path,
    target: Target,
    every: int = 8,
    cuts: int = 1000,
    seed: int = 0,
    defines: tuple[str, ...] = (),
) -> Survival:
    """Cut the power of a station at random instructions, as often in each phase, and check what it goes on with.

    After each restart, with noise in RAM, the state must be the simulator's after some multiple of `every` samples, no
    older than the last completed save, and that of the newest whole slot. The station then goes on, loses power once
    more at any instruction, and goes on to the end of the stream, where its state must be the simulator's.

    Parameters
    ----------
    learner : not changed
    levels, labels : uint8 or int8[n, n_in], int64[n]; every sample has a label
    folder : for sources and image
    every : samples from save to save, at most n
    cuts : first losses, each in a run of its own from a blank flash on
    defines : more options of the compiler

    Raises
    ------
    UserError
        "a station ..."; of `compile_image`, `Machine` and `Learner.learn`
    """
    if not 1 <= every <= len(labels):
        raise UserError(
            f"a station that saves after {every} samples never saves {len(labels)}; give 1 to {len(labels)}"
        )
    image = build_station(learner, folder, target, defines)
    twin = Learner(learner.spec)
    twin.restore(learner.save())
    states = {0: checkpoint(twin, image.identity, 0)}
    for first in range(0, len(labels), every):
        end = min(first + every, len(labels))
        twin.learn(levels[first:end], labels[first:end])
        states[end] = checkpoint(twin, image.identity, end)
    return survived(Station(image, learner.spec, levels, labels, every), states, every, image.identity, cuts, seed)


def survived(
    station: Station, states: dict[int, bytes], every: int, identity: int, cuts: int = 1000, seed: int = 0
) -> Survival:
    """Cut the power of a station; `states` are the simulator's checkpoints, by samples learned; see `survive`."""
    UcError: Any = importlib.import_module("unicorn").UcError  # typed in part only

    trial = _Trial(station, states, every, identity, seed)
    by_phase = dict.fromkeys(PHASES, 0)
    faults = []
    try:
        trial.check_end()
    except _Fault as fault:
        faults.append(f"power never lost: {fault}")
        cuts = 0
    for i in range(cuts):
        phase = PHASES[i % len(PHASES)]
        instant = 1 + int(trial.rng.choice(np.flatnonzero(trial.trace.phases[1:] == PHASES.index(phase))))
        by_phase[phase] += 1
        try:
            trial.cut(instant)
        except (_Fault, Stopped, UcError) as fault:
            reason = str(fault) or "the firmware hangs"
            faults.append(f"power lost after {instant} instructions ({phase}): {reason}")
    counts = trial.again, trial.torn, trial.from_nothing
    return Survival(len(trial.trace.addresses), by_phase, *counts, tuple(faults))
