"""Signals of the kernel `ecalls`: what random scripts do, against a model; cases; and frames that nobody would make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.machine import Machine
from emu.monitor.explore.explorer import Explorer
from emu.monitor.explore.scenario import Scenario
from emu.result import Reason
from emu.snapshot import Snapshot
from guest.abi.activations import REGS, ActError, Signal
from guest.abi.cpu import Flags, Selector
from guest.abi.ecalls import PCB, EcallCall
from guest.abi.memory import Memory
from guest.abi.signals import SIGINFO, SIGS, Sig, SigExit, SigSet, SigSize
from guest.abi.sockets import SocketError
from loader.image import Image
from tests.guest.activations.test_signals import GENERAL, KEPT, NULL, SEGMENTS, USABLE, selectors, words
from tests.guest.ecalls.conftest import Run, finish, make_image
from tests.guest.ecalls.signal_model import ALL, ENTER, HANDLER, LEAVE, RESULT, Action, Line, Model

ImageMaker = Callable[..., Image]      # the fixture `ecalls_image`
Boot = Callable[..., Run]              # the fixture `ecalls`
SELDOM = {"TICK_HZ": 19}               # no tick comes before the end of a short script
END = 0xFFFF_FFFF                      # SCRIPT_END of signal_script.asm
LOW = 0xFFFF_FFFF


class Scripts:
    """A machine that runs scripts."""

    def __init__(self, folder: Path) -> None:
        """Boots it."""
        image = make_image(folder / "script.toml", ["signal_script"], kernel=SELDOM)
        self.machine = Machine.boot(image, memory=4 << 20)
        self.address = image.programs["signal_script"].address
        self.machine.run(until=self.address("_start"))
        self.start: Snapshot = self.machine.snapshot()

    def write(self, name: str, words: Sequence[int]) -> None:
        """Words to a place of the program, page by page."""
        for at, word in enumerate(words):
            physical = self.machine.cpu.translate(self.address(name) + 4 * at)
            assert physical is not None
            self.machine.ram.write(physical, (word & LOW).to_bytes(4, "little"))

    @property
    def lost(self) -> int:
        """Signals that the process has lost."""
        pcb = self.machine.cpu.registers.esp & ~0xFFF
        at = pcb + PCB.offsets["signals"] + SIGS.offsets["lost"]
        return int.from_bytes(self.machine.cpu.read_linear(at, 4), "little")

    def words(self, name: str, count: int) -> list[int]:
        """And from there."""
        data = self.machine.cpu.read_linear(self.address(name), 4 * count)
        return [int.from_bytes(data[at:at + 4], "little") for at in range(0, len(data), 4)]

    def run(self, script: Sequence[int], actions: Sequence[int], *, memory: bool = True) -> list[Line]:
        """The log of a script, if you like without any memory left; the program is about to end."""
        self.machine.restore(self.start)
        if not memory:
            end, free = (self.machine.address(name) - Memory.KERNEL_BASE for name in ("frames_end", "frames_next"))
            self.machine.ram.write(free, self.machine.ram.read(end, 4))
        self.write("script", script)
        self.write("actions", actions)
        result = self.machine.run(until="program_end", max_cycles=20_000_000)
        assert result.reason == "until", f"{result}\n{self.machine.console.decode()}"
        lines = (self.words("log_at", 1)[0] - self.address("log_begin")) // 12
        log = self.words("log_begin", 3 * lines)
        return [(log[at], log[at + 1], log[at + 2]) for at in range(0, len(log), 3)]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Scripts:
    """A machine for all scripts."""
    return Scripts(tmp_path_factory.mktemp("signals"))


class Script:
    """A script as it grows, and the model that does the same."""

    def __init__(self, scripts: Scripts) -> None:
        """An empty one."""
        self.scripts = scripts
        self.model = Model()
        self.script: list[int] = []
        self.actions: list[int] = []

    def call(self, number: EcallCall, *arguments: int) -> None:
        """One more line."""
        self.script += [number, *arguments, *[0] * (3 - len(arguments))]

    def action(self, signal: int, handler: int, blocked: int = 0) -> None:
        """Something else is done with a signal: HANDLER, SIG_DFL or SIG_IGN."""
        address = self.scripts.address
        self.call(EcallCall.SYS_SIGACTION, signal, address("actions") + 4 * len(self.actions))
        self.actions += [address("handler") if handler == HANDLER else handler, address("trampoline"),
                         blocked & LOW, blocked >> 32]
        self.model.sigaction(signal, Action(handler, blocked))

    def mask(self, blocked: int) -> None:
        """Others are blocked."""
        self.call(EcallCall.SYS_SIGPROCMASK, blocked & LOW, blocked >> 32)
        self.model.sigprocmask(blocked)

    def queue(self, signal: int, value: int = 0) -> None:
        """A signal to itself."""
        self.call(EcallCall.SYS_SIGQUEUE, 0, signal, value)
        self.model.sigqueue(signal, value)

    def wait(self, of: int) -> None:
        """Takes one, if there is one."""
        if self.model.sigwaitinfo(of):
            slot = self.scripts.address("values") + 4 * (len(self.model.values) - 1)
            self.call(EcallCall.SYS_SIGWAITINFO, of & LOW, of >> 32, slot)

    def suspend(self, blocked: int) -> None:
        """Blocks others and waits, if it does not have to."""
        if self.model.sigsuspend(blocked):
            self.call(EcallCall.SYS_SIGSUSPEND, blocked & LOW, blocked >> 32)

    def end(self) -> None:
        """The handler ends, if one runs."""
        if self.model.stack:
            self.script += [END, 0, 0, 0]
            self.model.end()

    def run(self) -> Run:
        """All handlers end, and then the process; it has done what the model says."""
        while self.model.exit_code is None:
            self.script += [END, 0, 0, 0]
            self.model.end()
        assert self.scripts.run(self.script, self.actions) == self.model.log
        assert self.scripts.words("values", len(self.model.values)) == self.model.values
        assert self.scripts.lost == self.model.lost
        done = finish(self.scripts.machine)
        assert done.result.exit_code == self.model.exit_code, done.console
        return done


def bits(*signals: int) -> int:
    """A set of signals."""
    return sum(1 << signal for signal in signals)


@pytest.fixture
def script(scripts: Scripts) -> Script:
    """An empty script."""
    return Script(scripts)


POOL = (1, 2, 31, Sig.SIGSEGV, Sig.SIGCHLD, Sig.SIGCONT, Sig.SIGTSTP, 32, 33, 40, 62, 63)
signals = st.sampled_from(POOL)
values = st.integers(0, LOW)
masks = st.one_of(st.sets(signals).map(lambda of: bits(*of)), st.just(ALL), st.integers(0, ALL).map(lambda of: of & ~1))
handlers = st.sampled_from([HANDLER, HANDLER, HANDLER, 0, 1])
steps = st.one_of(
    st.tuples(st.just("queue"), signals, values), st.tuples(st.just("queue"), signals, values),
    st.tuples(st.just("mask"), masks), st.tuples(st.just("action"), signals, handlers, masks),
    st.tuples(st.just("wait"), masks), st.tuples(st.just("suspend"), masks),
    st.tuples(st.just("end")), st.tuples(st.just("end")),
)


def follow(scripts: Scripts, taken: list[tuple[object, ...]]) -> None:
    """A process takes these steps, but those that would wait for ever or stop it."""
    script = Script(scripts)
    for signal in POOL:
        script.action(signal, HANDLER)
    for name, *arguments in taken:
        if script.model.exit_code is None and [name, *arguments[:2]] != ["action", Sig.SIGTSTP, 0]:
            getattr(script, str(name))(*arguments)
    script.run()


@settings(max_examples=60, deadline=None)
@given(taken=st.lists(steps, max_size=60))
def test_random_scripts_do_what_the_model_does(scripts: Scripts, taken: list[tuple[object, ...]]) -> None:
    follow(scripts, taken)


@pytest.mark.long
@settings(max_examples=2000, deadline=None)
@given(taken=st.lists(steps, max_size=100))
def test_many_random_scripts_do_what_the_model_does(scripts: Scripts, taken: list[tuple[object, ...]]) -> None:
    follow(scripts, taken)


def entered(script: Script) -> list[tuple[int, int]]:
    """The signals whose handlers have run, with their values, in the order in which they began."""
    return [(signal, value) for what, signal, value in script.model.log if what == ENTER]


@pytest.mark.parametrize("meanwhile", [0, ALL])
def test_the_most_urgent_handler_runs_first(script: Script, meanwhile: int) -> None:
    sent = ((12, 0), (63, 1), (40, 2), (10, 0), (32, 3), (40, 4), (32, 5), (31, 0))
    for signal, _ in sent:
        script.action(signal, HANDLER, meanwhile)
    script.mask(ALL)
    for signal, value in sent:
        script.queue(signal, value)
    script.mask(0)
    script.run()
    assert entered(script) == [(32, 3), (32, 5), (40, 2), (40, 4), (63, 1), (10, 0), (12, 0), (31, 0)]


def test_a_handler_is_interrupted_by_whatever_it_does_not_block(script: Script) -> None:
    script.action(32, HANDLER)
    script.action(33, HANDLER, bits(32))
    script.action(10, HANDLER)
    script.queue(32, 1)
    script.queue(32, 2)                        # its own: later
    script.queue(33, 3)
    script.queue(32, 4)                        # which this one blocks
    script.queue(10)
    script.end()
    script.end()
    script.run()
    assert [line for line in script.model.log if line[0] != RESULT] == [
        (ENTER, 32, 1), (ENTER, 33, 3), (ENTER, 10, 0), (LEAVE, 10, 0), (LEAVE, 33, 3), (LEAVE, 32, 1),
        (ENTER, 32, 2), (LEAVE, 32, 2), (ENTER, 32, 4), (LEAVE, 32, 4)]


def test_the_queue_has_an_end(script: Script) -> None:
    script.action(32, HANDLER, ALL)
    script.action(33, HANDLER, ALL)
    script.mask(ALL)
    for value in range(SigSize.SIGQUEUE_MAX + 3):
        script.queue(32 + value % 2, value)
    script.queue(10)                           # an ordinary one needs no room
    script.wait(bits(10))
    script.action(33, 1)                       # and there is room again
    script.queue(32, 1000)
    script.mask(0)
    script.run()
    assert script.model.lost == 3
    assert entered(script) == [(32, value) for value in range(0, SigSize.SIGQUEUE_MAX, 2)] + [(32, 1000)]


def test_neither_kill_nor_stop_is_blocked(script: Script) -> None:
    script.action(32, HANDLER, ALL)
    script.queue(32)
    script.suspend(ALL)
    script.mask(ALL)
    script.queue(Sig.SIGKILL)
    done = script.run()
    assert done.lines == ["signal_script: signal 9"] and done.result.exit_code == SigExit.EXIT_SIGNAL + Sig.SIGKILL


def test_without_memory_there_are_neither_handlers_nor_queues(scripts: Scripts) -> None:
    script = [EcallCall.SYS_SIGACTION, 1, scripts.address("actions"), 0, EcallCall.SYS_SIGQUEUE, 0, 32, 0, END, 0, 0, 0]
    log = scripts.run(script, [], memory=False)
    assert log == [(RESULT, ActError.ERR_MEMORY & LOW, 1), (RESULT, SocketError.ERR_FULL & LOW, 0)]
    assert scripts.lost == 1 and finish(scripts.machine).result.exit_code == 0


CASES = {
    ("signal_refused",): (
        "no handler for 0", "nor for 64", "nor for that", "nor for SIGKILL", "nor for SIGSTOP, even none",
        "not from there", "from here", "64 is no signal", "nor is that", "nor is there a second process",
        "but this one", "no value there", "nor here", "handled", "and back"),
    ("signal_sysenter",): ("handled", "the result", "a register", "another", "the stack"),
    ("signal_waits", "signal_sender"): (
        *(line for call in ("sleep", "sigsuspend", "sigwaitinfo", "receive", "accept", "any socket", "events",
                            "select", "ready", "rings") for line in ("    handled", call)),
        "not if it is blocked", "it is there", "once more", "nor if it is dropped"),
}


@pytest.mark.parametrize("programs", CASES)
def test_programs_leave_what_their_row_says(programs: tuple[str, ...], ecalls_image: ImageMaker, ecalls: Boot) -> None:
    done = ecalls(ecalls_image(programs), cpu="p2-450")
    assert done.lines == list(CASES[programs]), done.console
    assert done.result.exit_code == 0


def test_a_stopped_process_runs_when_it_is_continued(ecalls_image: ImageMaker, ecalls: Boot) -> None:
    done = ecalls(ecalls_image(["signal_stopped", "signal_stopper"]))
    assert done.lines == [
        "works", "stopped", "still stopped", "dropped", "goes on", "continued", "interrupted", "works",
        "continued", "interrupted", "ends", "signal_stopped: signal 9", "has ended"], done.console
    assert done.result.exit_code == SigExit.EXIT_SIGNAL + Sig.SIGKILL


def test_a_process_that_only_computes_is_stopped_and_ended(ecalls_image: ImageMaker, ecalls: Boot) -> None:
    done = ecalls(ecalls_image(["hog", "signal_stopper"]))
    assert done.lines == ["stopped", "still stopped", "dropped", "goes on", "ends", "hog: signal 9", "has ended"]


def test_the_kernel_sends_signals_for_events_and_handlers(ecalls_image: ImageMaker, ecalls: Boot) -> None:
    done = ecalls(ecalls_image(["signal_events"]))
    assert done.lines == ["raised", "a signal", "its value", "full", "all but the last one", "it ran too long",
                          "and does no more", f"signal_events: signal {Sig.SIGSEGV}"]


@pytest.mark.parametrize("signal", [1, Sig.SIGSEGV, 31, Sig.SIGRTMIN, 51, Sig.SIGRTMAX])
def test_a_signal_without_a_handler_ends_the_program(signal: int, ecalls_image: ImageMaker, ecalls: Boot) -> None:
    done = ecalls(ecalls_image(["signal_end"], parameters={"ENDED_BY": signal}))
    assert done.lines == ["not by that", f"signal_end: signal {signal}"]
    assert done.result.exit_code == SigExit.EXIT_SIGNAL + signal


@pytest.mark.parametrize("cpu", ["p5-166", "p2-450"])       # without and with SYSENTER
def test_the_library_does_what_it_says(cpu: str, ecalls_image: ImageMaker, ecalls: Boot) -> None:
    done = ecalls(ecalls_image(["signal_library"]), cpu=cpu)
    assert done.lines == ["handled", "waited for", "suspended", f"signal_library: signal {Signal.SIGUSR1}"]


PAGE_FAULTS = (7, 8)                   # MODEs of signal_lost in which the program goes on where it cannot


@pytest.mark.parametrize("mode", range(9))
def test_a_frame_that_cannot_be_ends_the_program(mode: int, ecalls_image: ImageMaker, ecalls: Boot) -> None:
    done = ecalls(ecalls_image(["signal_lost", "witness"], parameters={"MODE": mode}))
    said = "signal_lost: page fault (#PF)" if mode in PAGE_FAULTS else f"signal_lost: signal {Sig.SIGSEGV}"
    assert done.lines[0].startswith(said) and done.lines[1:] == ["witness: still here"], done.console


class Frames:
    """A machine before it reads a frame that a test has made up."""

    def __init__(self, folder: Path) -> None:
        """Boots it."""
        image = make_image(folder / "frame.toml", ["signal_frame"], kernel=SELDOM)
        self.machine = Machine.boot(image, memory=4 << 20)
        self.address = image.programs["signal_frame"].address
        self.landed = self.address("landed")
        self.machine.run(until=self.address("_start"))
        self.frame = self.machine.cpu.translate(self.address("frame")) or 0
        self.start: Snapshot = self.machine.snapshot()

    def land(self, regs: dict[str, int], blocked: int = 0) -> dict[str, int]:
        """The registers with which the program goes on."""
        self.machine.restore(self.start)
        at = self.frame + SIGINFO.offsets["regs"]
        for name, value in regs.items():
            self.machine.ram.write(at + REGS.offsets[name], value.to_bytes(4, "little"))
        self.machine.ram.write(self.frame + SIGINFO.offsets["blocked"], blocked.to_bytes(8, "little"))
        return self.reach("landed")

    def reach(self, place: str) -> dict[str, int]:
        """The registers at a place of the program."""
        result = self.machine.run(until=self.address(place), max_cycles=1_000_000)
        assert result.reason == Reason.UNTIL, f"{result}\n{self.machine.console.decode()}"
        return self.machine.cpu.registers.snapshot()


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A machine for all frames."""
    return Frames(tmp_path_factory.mktemp("frames"))


@settings(max_examples=60, deadline=None)
@given(general=st.tuples(*[words] * len(GENERAL)), segments=st.tuples(*[selectors] * len(SEGMENTS)), flags=words,
       rest=st.tuples(*[words] * 5), blocked=st.integers(0, (1 << 64) - 1))
def test_of_a_made_up_frame_only_what_a_program_may_have_is_believed(
        frames: Frames, general: tuple[int, ...], segments: tuple[int, ...], flags: int, rest: tuple[int, ...],
        blocked: int) -> None:
    other = dict(zip(("pushad_esp", "vector", "error", "cs", "ss"), rest, strict=True))
    asked = dict(zip(GENERAL, general, strict=True)) | dict(zip(SEGMENTS, segments, strict=True))
    got = frames.land(asked | other | {"eflags": flags, "eip": frames.landed}, blocked)
    for name in GENERAL:
        assert got[name] == asked[name], name
    for name in SEGMENTS:
        selector = asked[name] & 0xFFFF
        assert got[name] in ((selector,) if selector in USABLE - NULL else NULL), name
    assert got["cs"] == Selector.SEL_UCODE and got["ss"] == Selector.SEL_UDATA
    assert got["eflags"] == flags & KEPT | Flags.FLAGS_USER
    if not flags & Flags.FLAGS_TF:
        masks = frames.reach("masks")
        assert masks["eax"] | masks["ebx"] << 32 == blocked & ~SigSet.SIGNALS_FIRST


def test_a_signal_at_any_instruction_changes_no_register_and_no_flag(ecalls_image: ImageMaker) -> None:
    image = ecalls_image(["signal_registers", "signal_ticker"], kernel=SELDOM)
    machine = Machine.boot(image, memory=4 << 20)
    symbols = image.programs["signal_registers"]
    machine.run(until=symbols.address("window"))
    handled = machine.cpu.translate(symbols.address("handled")) or 0
    end = symbols.address("window_end")
    seen: list[tuple[int, int]] = []

    def look(machine: Machine) -> None:
        seen.append((int.from_bytes(bytes(machine.ram.read(handled, 4)), "little"), machine.cpu.registers.eax))

    report = Explorer(Scenario(machine, until=end, check=look), to=end).explore()
    assert not report.broken, report.broken[0].reason
    assert report.tried > 80 and not report.held
    (_, result), *_ = seen                                    # the first of all is without a tick
    assert seen == [(0, result), *[(1, result)] * report.tried]


def test_no_signal_is_lost_between_the_look_and_the_rest(ecalls_image: ImageMaker) -> None:
    image = ecalls_image(["signal_rest", "signal_ticker"], kernel=SELDOM)
    machine = Machine.boot(image, memory=4 << 20)
    machine.run(until=image.programs["signal_rest"].address("window"))
    explorer = Explorer(Scenario(machine, until="signal_rest:rested"), to="signal_rest:rested")
    report = explorer.explore()
    assert not report.broken, report.broken[0]
    assert report.tried - report.held > 10
    pairs = explorer.explore(depth=2, sample=20, seed=1)
    assert not pairs.broken, pairs.broken[0]
