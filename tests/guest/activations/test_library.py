"""The thread library: threads wait in the kernel while others go on, in the policy's order; and the other faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emu.machine import Machine
from guest.abi.threads import PosixError, PosixValue
from loader.build import build
from loader.manifest import IMAGES
from tests.guest.activations.library import POLICIES, console, end, threads_image

FACES = ("pm2", "posix", "posix_system", "kernel")
EXAMPLES = {"round-robin": "abcdefabcdef", "lifo": "fedcbafedcba", "fixed-priority": "ffbdbdccaaee",
            "earliest-deadline": "cecebbffaadd"}
PRIORITIES = {"a": 5, "b": 20, "c": 12, "d": 5}       # of threads/events.asm
DEADLINES = {"a": 40, "b": 30, "c": 20, "d": 40}


def said(directory: Path, program: str, **how: Any) -> str:
    """What a program leaves on the console; it ends well."""
    machine = Machine.boot(threads_image(directory, program, **how))
    assert end(machine).exit_code == 0, console(machine)
    return console(machine)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_policy_decides_in_which_order_threads_run(name: str) -> None:
    machine = Machine.boot(build(IMAGES / f"threads-{name}.toml"))
    assert end(machine).exit_code == 0
    assert console(machine) == f"{EXAMPLES[name]}\n"


@pytest.mark.parametrize("face", FACES)
def test_two_threads_yield_to_each_other(face: str, tmp_path: Path) -> None:
    assert said(tmp_path, "yield", face=face, arguments="50") == "100 yields\n"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("count", [0, 1, 7, 64])
def test_sumtime_is_the_sum_of_the_first_integers_each_time(face: str, count: int, tmp_path: Path) -> None:
    assert said(tmp_path, "sumtime", face=face, arguments=f"{count} 3") == f"{count * (count + 1) // 2}\n" * 3


@pytest.mark.parametrize("policy", POLICIES)
def test_sumtime_does_not_depend_on_the_policy(policy: str, tmp_path: Path) -> None:
    assert said(tmp_path, "sumtime", policy=policy, arguments="100 2") == "5050\n" * 2


@pytest.mark.parametrize("face", ["pm2", "kernel"])
def test_sumtime_without_enough_memory_says_so(face: str, tmp_path: Path) -> None:
    machine = Machine.boot(threads_image(tmp_path, "sumtime", face=face, arguments="10000"), memory=8 << 20)
    assert end(machine).exit_code == 1
    assert console(machine).startswith("sumtime: a thread could not be made\n")


@pytest.mark.long
def test_sumtime_works_with_100000_threads_in_512_mib(tmp_path: Path) -> None:
    machine = Machine.boot(threads_image(tmp_path, "sumtime", arguments="100000"), memory=512 << 20)
    assert end(machine, 100_000_000_000).exit_code == 0
    assert console(machine) == f"{100_000 * 100_001 // 2 % 2**32}\n"


@pytest.mark.parametrize("face", ["pm2", "posix", "kernel"])
@pytest.mark.parametrize("computing", [0, 1, 4])
def test_a_reader_gets_its_bytes_while_others_compute(face: str, computing: int, tmp_path: Path) -> None:
    machine = Machine.boot(threads_image(tmp_path, "reader", face=face, arguments=f"{computing} 3"))
    for byte in b"xyz":
        machine.run(max_cycles=3_000_000)
        machine.uart.receive(bytes([byte]))
    assert end(machine).exit_code == 0
    assert console(machine) == f"{sum(b'xyz')} is the sum of the bytes\n"


def order(policy: str, writes: str, at_once: bool) -> str:
    """In which order the threads of threads/events.asm go on, and the main thread with "-" among them."""
    if policy == "lifo":                                   # nobody is preempted
        return "-" + writes[::-1]
    if policy == "round_robin":                            # what comes from the kernel goes first, at once
        return "-" + writes if at_once else writes + "-"
    if policy == "earliest_deadline":                      # the main thread has none
        return "-" + "".join(sorted(writes, key=DEADLINES.__getitem__)) if at_once else writes + "-"
    late = sorted((letter for letter in writes if at_once or letter != "b"), key=lambda letter: -PRIORITIES[letter])
    return ("" if at_once else "b") + "-" + "".join(late)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("writes", ["abcd", "dacb"])
def test_threads_go_on_in_the_policys_order_when_their_reads_have_come(
        policy: str, writes: str, at_once: bool, tmp_path: Path) -> None:
    arguments = f"{writes} together" if at_once else writes
    assert said(tmp_path, "events", policy=policy, arguments=arguments) == order(policy, writes, at_once) + "\n"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("arguments", ["", "count"])
def test_threads_sleep_for_themselves(policy: str, arguments: str, tmp_path: Path) -> None:
    lines = said(tmp_path, "sleepers", policy=policy, arguments=arguments).splitlines()
    assert [int(line) for line in lines[:6] if line in ("2", "8", "12")] == [2, 8, 12]
    assert sorted(lines[:6]) == sorted(["2", "4", "6", "4", "8", "12"])
    assert lines[6:] == (["counted meanwhile"] if arguments else [])


def test_threads_that_never_yield_take_turns_by_time(tmp_path: Path) -> None:
    assert said(tmp_path, "slices") == "three turns each\n"


def test_the_posix_like_face_refuses_what_posix_says_and_cancels(tmp_path: Path) -> None:
    assert said(tmp_path, "posix", face="posix").splitlines() == [
        f"join of oneself {PosixError.EDEADLK:d}", f"join of nobody {PosixError.ESRCH:d}",
        *[f"attributes {PosixError.EINVAL:d}"] * 3,
        f"lock twice {PosixError.EDEADLK:d}", f"unlock of another's {PosixError.EPERM:d}",
        f"wait without the mutex {PosixError.EPERM:d}",
        f"cancelled {PosixValue.CANCELLED:d}", "kept off 7", f"join of the joined {PosixError.ESRCH:d}",
        *[f"detached {PosixError.EINVAL:d}"] * 2, "area 0"]
