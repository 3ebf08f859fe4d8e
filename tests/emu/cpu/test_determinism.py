"""The same image and arguments make the same run, however it is cut and in whatever process it happens."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from cutting import difference, run_in_pieces, state
from machine_code import BareMachine

from emu.machine import Machine
from emu.result import Reason

IMAGES = ["hello", "preempt"]
ENOUGH = 100_000_000        # cycles; preempt takes a quarter

# Interrupts from the timer, a loop, string instructions, faults, a store into code and port accesses.
PROGRAM = """
    mov al, 0x11; out 0x20, al; mov al, 0x20; out 0x21, al; mov al, 4; out 0x21, al; mov al, 3; out 0x21, al
    mov al, 0xfe; out 0x21, al; mov al, 0x34; out 0x43, al; mov al, 7; out 0x40, al; mov al, 0; out 0x40, al
    sti; mov ebx, 150
    again: mov byte ptr [changed + 1], bl
    changed: mov al, 0
    mov edx, eax; mov ecx, 40; mov edi, 0x30000; rep stosb; mov eax, edx; xor ecx, ecx
    div ecx; ud2; int 0x40; in al, 0x40; mov [0x30100 + ebx * 4], eax
    rdtsc; mov [0x30200 + ebx * 4], eax; push ebx; call spin; pop ebx
    dec ebx; jnz again; cli; hlt
    spin: mov ecx, 25; turn: loop turn; ret
    tick: inc dword ptr [0x38000]; iretd
    skip: add dword ptr [esp], 2; iretd
    call: iretd
"""
HANDLERS = {0: "skip", 6: "skip", 0x20: "tick", 0x40: "call"}


def bare() -> Machine:
    return BareMachine(PROGRAM.replace("call:", "entry:"), handlers=HANDLERS | {0x40: "entry"}).machine


def digest(machine: Machine) -> str:
    return hashlib.sha256(repr(sorted(state(machine).items(), key=lambda item: item[0])).encode()).hexdigest()


def test_two_runs_end_alike() -> None:
    first, second = bare(), bare()
    assert first.run() == second.run()
    assert state(first) == state(second)
    assert first.irqs[0] > 20


@pytest.mark.parametrize("limit", ["max_cycles", "max_instructions"])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_run_cut_into_equal_pieces_ends_alike(limit: str, size: int) -> None:
    whole, pieces = bare(), bare()
    whole.run()
    while pieces.run(**{limit: size}).reason in (Reason.CYCLES, Reason.INSTRUCTIONS):
        pass
    assert not difference(state(whole), state(pieces))


@pytest.mark.parametrize("seed", range(6))
def test_a_run_cut_at_random_ends_alike(seed: int) -> None:
    whole, pieces = bare(), bare()
    whole.run()
    run_in_pieces(pieces, ENOUGH, random.Random(seed))
    assert not difference(state(whole), state(pieces))


@pytest.mark.parametrize("image", IMAGES)
def test_two_boots_of_an_image_end_alike(image: str) -> None:
    first, second = Machine.boot(image), Machine.boot(image)
    assert first.run(max_cycles=ENOUGH) == second.run(max_cycles=ENOUGH)
    assert state(first) == state(second)


@pytest.mark.parametrize("image", IMAGES)
def test_a_boot_cut_at_random_ends_alike(image: str) -> None:
    whole, pieces = Machine.boot(image), Machine.boot(image)
    whole.run(max_cycles=ENOUGH)
    run_in_pieces(pieces, ENOUGH, random.Random(image), longest=60_000)
    assert not difference(state(whole), state(pieces))


def test_another_process_runs_alike() -> None:
    machine = Machine.boot("preempt")
    machine.run(max_cycles=ENOUGH)
    program = (f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
               "from test_determinism import ENOUGH, Machine, digest\n"
               "machine = Machine.boot('preempt'); machine.run(max_cycles=ENOUGH); print(digest(machine))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == digest(machine)


def test_a_run_after_a_run_to_an_address_ends_alike() -> None:
    whole, pieces = bare(), bare()
    whole.run()
    for name in range(0x10000, 0x10010):
        pieces.run(until=name, max_cycles=50)
    pieces.run()
    assert not difference(state(whole), state(pieces))
