"""Threads, pipes, joins and signals do what a model of them does, whatever the threads call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.machine import Machine
from emu.result import Reason, Result
from emu.snapshot import Snapshot
from guest.abi.activations import ActCall, ActError, ActSize, Signal, ThreadNumber
from guest.abi.kernel import Syscall
from guest.abi.memory import Memory
from loader.build import build
from tests.guest.activations.conftest import SELDOM, write_manifest
from tests.guest.activations.scripts import BUFFER, HANDLER, SCRIPT_CALLS, Call, Model, Note, Places, load, notes

ENOUGH = 400_000              # cycles, less than a tick: threads that wait for ever are not waited for
PATTERN = bytes((7 * n + n // 256) % 256 for n in range(4096))
THREADS = 5                   # of a script at most


def with_ends(scripts: Sequence[Sequence[Call]]) -> list[list[Call]]:
    """The same with the end of each thread."""
    return [[*script, Call(ActCall.SYS_THREAD_EXIT, 100 + n)] for n, script in enumerate(scripts)]


class Stage:
    """A machine before its program's first instruction."""

    def __init__(self, folder: Path, kernel: str = SELDOM) -> None:
        """Boots it; `kernel` are further keys of the manifest's [kernel]."""
        manifest = folder / "script.toml"
        write_manifest(manifest, ["script"], kernel=kernel)
        image = build(manifest)
        self.machine = Machine.boot(image)
        self.machine.run(until=image.programs["script"].address("_start"))
        self.places = Places.of(self.machine)
        self.frame = self.machine.cpu.translate(self.places.notes) or 0
        self.start: Snapshot = self.machine.snapshot()

    def run(self, scripts: Sequence[Sequence[Call]], max_cycles: int, count: int) -> tuple[Result, list[Note]]:
        """How it ends, and the first notes."""
        self.machine.restore(self.start)
        load(self.machine, scripts, PATTERN)
        result = self.machine.run(max_cycles=max_cycles)
        return result, notes(self.machine, self.frame, count)

    def play(self, scripts: Sequence[Sequence[Call]]) -> list[Note]:
        """What the threads note, after it was compared with what the model says."""
        whole = with_ends(scripts)
        model = Model(whole, PATTERN, self.places)
        ends = model.run()
        result, got = self.run(whole, ENOUGH, len(model.notes) + 1)
        assert [*model.notes, (0, 0, 0, 0)] == got
        assert (result.reason == Reason.EXIT) == ends, result
        if ends:
            used = self.machine.address("frames_used") - Memory.KERNEL_BASE
            assert bytes(self.machine.ram.read(used, 4)) == bytes(4)
        return model.notes


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A stage for all tests: each play begins anew."""
    return Stage(tmp_path_factory.mktemp("stage"))


def reads(pipe: int, length: int) -> Call:
    return Call(ActCall.SYS_READ, pipe, length)


def writes(pipe: int, length: int, start: int = 0) -> Call:
    return Call(ActCall.SYS_WRITE_PIPE, pipe, length, start)


def signals(thread: int) -> Call:
    return Call(ActCall.SYS_SIGNAL_SEND, thread, Signal.SIGUSR1)


def joins(thread: int) -> Call:
    return Call(ActCall.SYS_THREAD_JOIN, thread)


def makes(script: int) -> Call:
    return Call(ActCall.SYS_THREAD_CREATE, start=script)


YIELDS = Call(Syscall.SYS_YIELD)
PIPES = Call(ActCall.SYS_PIPE)
FILLS = writes(1, ActSize.PIPE_BYTES)

NUMBERS = [0, 1, 2, 3, 4, 5, 6, *(ThreadNumber.NUMBER_NEXT + n for n in (2, 3, 4)), -1]
LENGTHS = [0, 1, 2, 3, 100, 300, BUFFER]
WHOLE = [1, 700, ActSize.PIPE_BYTES - 1, ActSize.PIPE_BYTES, ActSize.PIPE_BYTES + 5]
PIPE_NUMBERS = [1, 1, 1, 2, 2, 3, -1]

calls = st.one_of(
    st.builds(reads, st.sampled_from(PIPE_NUMBERS), st.sampled_from(LENGTHS)),
    st.builds(writes, st.sampled_from(PIPE_NUMBERS), st.sampled_from(LENGTHS + WHOLE), st.integers(0, 1000)),
    st.builds(signals, st.sampled_from(NUMBERS)),
    st.builds(joins, st.sampled_from(NUMBERS)),
    st.just(YIELDS),
)


@st.composite
def plays(draw: st.DrawFn) -> list[list[Call]]:
    """Scripts, of which the first makes pipes, and each of the others is run by one thread."""
    count = draw(st.integers(1, THREADS))
    scripts = [draw(st.lists(calls, max_size=SCRIPT_CALLS - 5)) for _ in range(count)]
    for script in range(1, count):
        maker = scripts[draw(st.integers(0, script - 1))]
        maker.insert(draw(st.integers(0, len(maker))), makes(script))
    return [[PIPES, PIPES, *scripts[0]][:SCRIPT_CALLS - 1], *(script[:SCRIPT_CALLS - 1] for script in scripts[1:])]


@settings(max_examples=150, deadline=None)
@given(plays())
def test_threads_do_what_the_model_does(stage: Stage, scripts: list[list[Call]]) -> None:
    stage.play(scripts)


@pytest.mark.long
@settings(max_examples=5000, deadline=None)
@given(plays())
def test_threads_do_what_the_model_does_in_many_plays(stage: Stage, scripts: list[list[Call]]) -> None:
    stage.play(scripts)


def results(got: list[Note], thread: int) -> list[int]:
    """What the calls of a thread returned, as signed numbers; that of its handlers is 0."""
    return [eax - (eax >> 31 << 32) for who, eax, _, _ in got if who in (thread, HANDLER + thread)]


def test_a_read_takes_what_there_is_and_a_write_puts_in_what_fits(stage: Stage) -> None:
    got = stage.play([[PIPES, writes(1, 300), reads(1, 512), FILLS, reads(1, 10), writes(1, 300)]])
    assert results(got, 0) == [1, 300, 300, ActSize.PIPE_BYTES, 10, 10]


def test_who_has_waited_longest_reads_first_and_what_is_left_goes_to_the_next(stage: Stage) -> None:
    got = stage.play([[PIPES, makes(1), makes(2), YIELDS, writes(1, 150), YIELDS], [reads(1, 100)], [reads(1, 100)]])
    assert [eax for who, eax, _, _ in got if who] == [100, 50]


def test_a_signal_that_comes_after_the_byte_lets_the_read_have_it(stage: Stage) -> None:
    got = stage.play([[PIPES, makes(1), YIELDS, writes(1, 1), signals(2), YIELDS, writes(1, 1), YIELDS],
                      [reads(1, 1), reads(1, 1)]])
    assert results(got, 1) == [0, 1, 1]      # woken by the byte, then signalled: the handler, then the byte


def test_a_signal_between_waking_and_waiting_again_interrupts(stage: Stage) -> None:
    got = stage.play([[PIPES, makes(1), YIELDS, writes(1, 1), reads(1, 1), signals(2), YIELDS], [reads(1, 1)]])
    assert results(got, 1) == [0, ActError.ERR_INTERRUPTED]


def test_only_one_thread_joins_and_the_others_are_refused(stage: Stage) -> None:
    got = stage.play([[makes(1), makes(2), makes(3), YIELDS, YIELDS], [YIELDS, YIELDS], [joins(2)], [joins(2)]])
    assert results(got, 2) == [0] and results(got, 3) == [ActError.ERR_THREAD]


@pytest.fixture(scope="module")
def ticking(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A stage with a thousand ticks a second."""
    return Stage(tmp_path_factory.mktemp("ticking"), kernel="")


LATER = 0x7FFF_FFFF             # as long as one can sleep
times = st.one_of(st.integers(1, 4), st.sampled_from([0, -1, LATER, LATER + 1, 1 << 31 | 5]))


@settings(max_examples=40, deadline=None)
@given(st.lists(times, min_size=1, max_size=THREADS - 1))
def test_sleepers_wake_in_the_order_of_their_ticks_and_of_lying_down(ticking: Stage, ticks: list[int]) -> None:
    makers = [makes(n) for n in range(1, len(ticks) + 1)]
    scripts = [[*makers, Call(Syscall.SYS_SLEEP, 5)], *([Call(Syscall.SYS_SLEEP, n)] for n in ticks)]
    count = len(makers) + len(ticks) + 1
    _, got = ticking.run(with_ends(scripts), 8 * ticking.machine.clock.frequency // 1000, count)
    wakes = {thread: n if 1 <= n <= LATER else 0 for thread, n in enumerate([5, *ticks])}
    order = [thread for thread in sorted(wakes, key=lambda thread: (wakes[thread], thread)) if wakes[thread] < LATER]
    assert [who for who, *_ in got[len(makers):]][:len(order)] == order
    assert got[len(makers) + len(order):] == [(0, 0, 0, 0)] * (count - len(makers) - len(order))
