"""Whatever threads do with the library's objects, they do it in the order of a model, under each policy."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.machine import Machine
from emu.result import Reason
from emu.snapshot.snapshot import Snapshot
from guest.abi.threads import ATTRIBUTES, UserDeadline, UserPriority
from tests.guest.activations.library import ENOUGH, console, place, threads_image, word, write
from tests.guest.activations.thread_model import POLICIES, Attributes, Done, Log, Model, Script, Step

THREADS, OBJECTS = 8, 4                  # as in threads/script.asm
SCRIPT_SIZE = 32
STEPS = (SCRIPT_SIZE - 1) // 2           # of a thread at most
LAST = [(Step.UNLOCK, mutex) for mutex in range(OBJECTS)]        # a thread that ends leaves no mutex behind

steps = st.one_of(
    st.tuples(st.sampled_from([Step.CREATE, Step.JOIN]), st.integers(0, THREADS - 1)),
    st.tuples(st.sampled_from([step for step in Step if step not in (Step.CREATE, Step.JOIN)]),
              st.integers(0, OBJECTS - 1)),
)
scripts = st.lists(st.lists(steps, max_size=STEPS - OBJECTS), min_size=THREADS, max_size=THREADS)
attributes = st.lists(st.builds(Attributes, st.integers(0, UserPriority.USER_PRIORITIES - 1), st.integers(1, 9)),
                      min_size=THREADS, max_size=THREADS)


@cache
def booted(face: str, policy: str) -> tuple[Machine, Snapshot]:
    """A machine whose main thread is about to begin with the script. The script's is the only program."""
    with TemporaryDirectory() as directory:
        image = threads_image(Path(directory), "script", face=face, policy=policy, ticks=19)
    machine = Machine.boot(image)
    assert machine.run(until=place(machine, "script_begin"), max_cycles=ENOUGH).reason == Reason.UNTIL
    return machine, machine.snapshot()


def run(face: str, policy: str, script: Script, of: list[Attributes]) -> tuple[Log, bool]:
    """What the guest does by a script: the log, and whether it has ended in a deadlock."""
    machine, begin = booted(face, policy)
    machine.restore(begin)
    code = b"".join(bytes([part for step in thread for part in step]).ljust(SCRIPT_SIZE, b"\0") for thread in script)
    write(machine, "script", code)
    write(machine, "attributes", b"".join(number.to_bytes(4, "little") for one in of for number in (1, *one)))
    result = machine.run(until=place(machine, "sys_exit"), max_cycles=ENOUGH)
    assert result.reason == Reason.UNTIL, f"{result}\n{console(machine)}"
    data = machine.cpu.read_linear(place(machine, "log"), 4 * word(machine, "log_count"))
    log = [(data[at], data[at + 1], Done(data[at + 2])) for at in range(0, len(data), 4)]
    return log, machine.cpu.registers.eax == 1


def test_the_model_and_the_program_agree_on_attributes() -> None:
    assert list(ATTRIBUTES.offsets) == ["pages", "priority", "deadline"]


@pytest.mark.parametrize("face", ["pm2", "posix"])
@pytest.mark.parametrize("policy", POLICIES)
def test_threads_do_their_steps_in_the_order_of_the_model(face: str, policy: str) -> None:
    @settings(max_examples=25, deadline=None)
    @given(scripts, attributes)
    def check(script: Script, of: list[Attributes]) -> None:
        script = [[(Step.CREATE, thread) for thread in range(1, THREADS)] + script[0][:STEPS - THREADS + 1],
                  *(thread + LAST for thread in script[1:])]
        of = [Attributes(UserPriority.USER_PRIORITY, UserDeadline.DEADLINE_NONE), *of[1:]]
        model = Model(script, POLICIES[policy](of))
        expected = model.run()
        assert run(face, policy, script, of) == (expected, model.deadlock)

    check()
