"""Signals: each case is a program and the console it leaves; and frames and moments that a program cannot choose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.machine import Machine
from emu.monitor.explore.explorer import Explorer
from emu.monitor.explore.scenario import Scenario
from emu.snapshot import Snapshot
from guest.abi.activations import PIPE, REGS, SIGNAL
from guest.abi.cpu import Flags, Selector, Vector
from guest.abi.kernel import ExitCode
from guest.abi.memory import Memory
from loader.build import build
from loader.image import Image
from tests.guest.activations.conftest import SELDOM, finish, write_manifest
from tests.guest.test_programs import FORBIDDEN, WITNESS

ImageMaker = Callable[..., Image]      # the fixture `act_image`
Boot = Callable[..., Any]              # the fixture `act`

CASES = {
    "signal_order": (
        "two handlers", "    second", "    which knows its number", "back",
        "  first", "  still first", "    second", "    which knows its number", "  end of first",
        "  first", "  end of first, once more", "back again",
        "one without a handler is dropped", "so is one whose handler has gone", "0 is no signal", "nor is this",
        "nor this a thread", "no handler for 0", "nor for that"),
    "signal_sysenter": ("handled", "the result", "a register", "another", "the stack"),
    "signal_waits": ("a sleep", "a read of the console", "a read of a pipe", "a write", "a join", "and nothing else",
                     "five times"),
    "signal_timer": ("five while it computes", "five while it sleeps", "and then it sleeps", "undisturbed"),
    "signal_offer": (
        "the one that writes", "1",
        "the one that sleeps, while the one that writes is in its handler", "1", "2",
        "none yet, while both are in theirs; then a new thread, when the first ends", "1", "2", "3", "the last one"),
    "signal_fresh": ("one has ended in its handler, with the signal pending again", "the next one has begun",
                     "interrupted", "and handled its own"),
    "signal_ready": ("1", "3", "the one that can run", "the sleeper slept"),
}


@pytest.mark.parametrize("program", CASES)
def test_a_program_leaves_what_its_row_says(program: str, act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image([program]))
    assert done.lines == list(CASES[program]), done.console
    assert done.result.exit_code == 0


def test_input_is_signalled(act_image: ImageMaker) -> None:
    machine = Machine.boot(act_image(["signal_input"]))
    machine.run(max_cycles=30_000_000)
    says = ["asked", "written", "handled", "not handled any more", "neither on nor off", "no pipe"]
    assert machine.console.decode().splitlines()[1:] == says
    machine.uart.receive(b"hello\n")
    assert machine.run(max_cycles=30_000_000).exit_code == 0
    assert machine.console.decode().splitlines()[1:] == [*says, "handled while it computes", "hello"]


def test_a_process_that_has_ended_gets_no_signal(act_image: ImageMaker) -> None:
    machine = Machine.boot(act_image(["signal_forgotten", "echo"], parameters={"LENGTH": 1}))
    machine.run(until="process_free")
    wish = machine.address("console_input") + PIPE.offsets["signal"] - Memory.KERNEL_BASE
    process = machine.cpu.registers.eax
    assert bytes(machine.ram.read(wish, 4)) == process.to_bytes(4, "little")
    machine.run(max_cycles=10_000_000)
    assert bytes(machine.ram.read(wish, 4)) == bytes(4)
    machine.uart.receive(b"hello\n")
    assert finish(machine).lines == ["asked", "hello"]


def test_the_image_of_an_alarm_shows_one(act: Boot) -> None:
    done = act(build("threads-alarm"), received=b"hello\n")
    assert sorted(done.lines) == ["alarm", "alarm", "alarm", "hello"]


LOST = (                               # MODE of signal_lost: what the fault says
    "error code 0x5, address 0xc0100000, at 0xc0100000",
    "error code 0x4, address 0x0, at 0x0",
    "error code 0x6, address 0xfa8, at sends+0x11",
    "error code 0x7, address 0x{rodata:x}, at sends+0x11",
    "error code 0x7, address 0xc00fffa8, at sends+0x11",
    "error code 0x7, address 0xffffffb0, at sends+0x11",
    "error code 0x6, address 0xbfffaffc, at sends+0x11",
    "error code 0x5, address 0xfffffffc, at sends+0x0",
    "error code 0x4, address 0xbffff000, at sends+0x0",
)


@pytest.mark.parametrize("mode", range(len(LOST)))
def test_a_frame_that_cannot_be_is_the_programs_fault(mode: int, act_image: ImageMaker, act: Boot) -> None:
    image = act_image(["signal_lost", "witness"], parameters={"MODE": mode})
    done = act(image)
    rodata = image.programs["signal_lost"].address("constant_end") - SIGNAL.size
    report = LOST[mode].format(rodata=rodata)
    assert f"signal_lost: {Vector.EXC_PF.phrase}, {report}" in done.lines, done.console
    assert WITNESS in done.lines and not [word for word in FORBIDDEN if word in done.console], done.console
    assert done.result.exit_code == ExitCode.EXIT_FAULT + Vector.EXC_PF


def test_a_signal_at_any_instruction_changes_no_register_and_no_flag(act_image: ImageMaker) -> None:
    image = act_image(["signal_registers"], kernel=SELDOM)
    machine = Machine.boot(image, memory=4 << 20)
    symbols = image.programs["signal_registers"]
    machine.run(until=symbols.address("window"))
    handled = machine.cpu.translate(symbols.address("handled")) or 0
    seen: list[int] = []

    def look(machine: Machine) -> None:
        seen.append(int.from_bytes(bytes(machine.ram.read(handled, 4)), "little"))

    report = Explorer(Scenario(machine, check=look), to=symbols.address("window_end")).explore()
    assert not report.broken, report.broken[0].reason
    assert report.tried > 80 and not report.held
    assert seen == [0, *[1] * report.tried]                   # the first of all is without a tick


class Frames:
    """A machine before it reads a frame that a test has made up."""

    def __init__(self, folder: Path) -> None:
        """Boots it."""
        write_manifest(folder / "frame.toml", ["signal_frame"], kernel=SELDOM)
        image = build(folder / "frame.toml")
        self.machine = Machine.boot(image, memory=4 << 20)
        self.landed = image.programs["signal_frame"].address("landed")
        self.machine.run(until=image.programs["signal_frame"].address("_start"))
        self.frame = self.machine.cpu.translate(image.programs["signal_frame"].address("frame")) or 0
        self.start: Snapshot = self.machine.snapshot()

    def land(self, regs: dict[str, int]) -> dict[str, int]:
        """The registers with which the program goes on."""
        self.machine.restore(self.start)
        at = self.frame + SIGNAL.offsets["regs"]
        for name, value in regs.items():
            self.machine.ram.write(at + REGS.offsets[name], value.to_bytes(4, "little"))
        result = self.machine.run(until=self.landed, max_cycles=1_000_000)
        assert result.reason == "until", f"{result}\n{self.machine.console.decode()}"
        return self.machine.cpu.registers.snapshot()


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A machine for all frames."""
    return Frames(tmp_path_factory.mktemp("frames"))


GENERAL = ("edi", "esi", "ebp", "ebx", "edx", "ecx", "eax", "esp")
SEGMENTS = ("ds", "es", "fs", "gs")
words = st.integers(0, (1 << 32) - 1)
selectors = st.one_of(words, st.sampled_from([0, 3, *range(0x8, 0x40)]))
USABLE = {selector | ring for selector in (0, Selector.SEL_UCODE & ~3, Selector.SEL_UDATA & ~3) for ring in range(4)}
NULL = set(range(4))                   # the ring of a null selector is not kept by IRET
KEPT = Flags.FLAGS_PROGRAM | Flags.FLAGS_NT


@settings(max_examples=150, deadline=None)
@given(general=st.tuples(*[words] * len(GENERAL)), segments=st.tuples(*[selectors] * len(SEGMENTS)), flags=words,
       rest=st.tuples(*[words] * 5))
def test_of_a_made_up_frame_only_what_a_program_may_have_is_believed(
        frames: Frames, general: tuple[int, ...], segments: tuple[int, ...], flags: int, rest: tuple[int, ...]) -> None:
    other = dict(zip(("pushad_esp", "vector", "error", "cs", "ss"), rest, strict=True))
    asked = dict(zip(GENERAL, general, strict=True)) | dict(zip(SEGMENTS, segments, strict=True))
    got = frames.land(asked | other | {"eflags": flags, "eip": frames.landed})
    for name in GENERAL:
        assert got[name] == asked[name], name
    for name in SEGMENTS:
        selector = asked[name] & 0xFFFF
        assert got[name] in ((selector,) if selector in USABLE - NULL else NULL), name
    assert got["cs"] == Selector.SEL_UCODE and got["ss"] == Selector.SEL_UDATA
    assert got["eflags"] == flags & KEPT | Flags.FLAGS_USER
    assert frames.machine.cpu.cpl == 3 and frames.landed < Memory.KERNEL_BASE
