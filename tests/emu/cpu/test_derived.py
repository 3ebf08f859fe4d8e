"""The accesses derived at the start of blocks are those that Unicorn makes, access by access."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
from cutting import difference, state
from machine_code import DATA, BareMachine
from unicorn import unicorn_const as uc

from emu.cpu.records import READ, WRITE
from emu.machine import Machine
from emu.timing.profile import DIRECTORY, profiles

RECORD = np.dtype([("linear", "<u4"), ("physical", "<u4"), ("size", "<u2"), ("kind", "u1"), ("page", "u1"),
                   ("where", "<u2"), ("", "<u2"), ("cache", "<i4"), ("tlb", "<i4")])      # see emu.cpu.addresses
ENOUGH = 500_000
PROFILE = "p3-500"

Access = tuple[int, int, int]           # kind, physical address, size


class Watched:
    """A machine whose accesses are noted twice: as derived, and by Unicorn's memory hooks."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._derived = np.zeros(ENOUGH, RECORD)
        machine.cpu.state.stream, machine.cpu.state.stream_size = self._derived.ctypes.data, ENOUGH
        self.made: list[tuple[int, Access]] = []            # with the EIP
        machine.cpu.uc.hook_add(uc.UC_HOOK_MEM_READ | uc.UC_HOOK_MEM_WRITE, self._note)

    def _note(self, engine: object, kind: int, address: int, size: int, value: int, _: object) -> None:
        access = (READ if kind == uc.UC_MEM_READ else WRITE, address & 0xFFFFFFFF, size)
        self.made.append((self.machine.cpu.registers.eip, access))

    @property
    def derived(self) -> list[Access]:
        """The data accesses, in order."""
        count = self.machine.cpu.state.stream_count
        assert count <= ENOUGH
        found = self._derived[:count]
        return list(zip(found["kind"].tolist(), found["physical"].tolist(), found["size"].tolist(), strict=True))

    def compare(self) -> int:
        """Assert that both are the same, and say how many there were. Within an instruction the order is free: Unicorn
        pushes the registers of PUSHA from the last to the first.
        """
        derived, at = self.derived, 0
        while at < len(self.made):
            eip, end = self.made[at][0], at
            while end < len(self.made) and self.made[end][0] == eip:
                end += 1
            expected = sorted(access for _, access in self.made[at:end])
            assert sorted(derived[at:end]) == expected, f"access {at}, at {self.machine.where(eip)}"
            at = end
        assert len(derived) == at
        return at


@pytest.mark.parametrize("image", ["hello", "preempt"])
def test_the_derived_accesses_of_a_guest_are_those_that_it_makes(image: str) -> None:
    watched = Watched(Machine.boot(image, cpu=PROFILE))
    watched.machine.run(max_cycles=6_000_000)
    assert watched.compare() > 30_000


REGISTERS = ("eax", "ecx", "edx", "ebx", "esi", "edi", "ebp")
POINTERS = ("esi", "edi", "ebx")        # always somewhere in the data
FREE = ("eax", "ecx", "edx", "ebp")


def instruction(rng: random.Random, label: int) -> str:
    """A line or a few of code that stays inside the data, from a register soup."""
    pointer, other = rng.sample(POINTERS, 2)
    free, second = rng.sample(FREE, 2)
    place = f"[{pointer} + {rng.randrange(-64, 64) * 4}]"
    # A number in a register becomes an index by masking; pointers are kept inside by loading one of the table's.
    return rng.choice((
        f"mov {free}, {place}", f"mov {place}, {free}", f"add {free}, {place}", f"xor {place}, {free}",
        f"mov {free}, {second}", f"lea {free}, [{pointer} + {second} * 2 + 9]", f"cmp {place}, {free}",
        f"movzx {free}, byte ptr {place}", f"movsx {free}, word ptr {place}", f"inc dword ptr {place}",
        f"push {free}", f"push dword ptr {place}", f"push {rng.randrange(99)}; pop {free}", f"pop {free}; push {free}",
        f"and {free}, 0xfc; mov {second}, [{pointer} + {free}]", f"imul {free}, {second}, 12",
        f"and {free}, 63; mov [{pointer} + {free} * 4], {second}", f"sar {free}, 3; not {free}",
        f"shl {free}, 2; and {free}, 0x7c; add [{pointer} + {free}], {second}", f"xchg {free}, {place}",
        f"and {free}, 15; mov {pointer}, [table + {free} * 4]",
        f"mov {other}, {pointer}; add {other}, 4; mov {free}, [{other}]; mov {other}, {pointer}",
        f"mov {pointer}, [table + {rng.randrange(16) * 4}]", f"push {pointer}; pop {other}",
        f"mov [saved], {pointer}; mov {other}, [saved]; mov {free}, [{other}]", f"xadd {place}, {free}",
        f"bts dword ptr [{pointer}], {rng.randrange(32)}", f"and {free}, 0xff; bt [{pointer}], {free}",
        f"cmpxchg {place}, {free}", f"setc byte ptr {place}", f"cdq; and edx, 4; mov {free}, [{pointer} + edx]",
        "pushad; popad", "pushfd; popfd", "enter 16, 0; mov [ebp - 4], eax; leave",
        f"mov al, {rng.randrange(64)}; xlatb",
        "cld; lodsd; sub esi, 4", "std; lodsb; cld; inc esi", "stosd; sub edi, 4", "movsd; sub esi, 4; sub edi, 4",
        f"push esi; push edi; mov ecx, {rng.randrange(6)}; rep movsd; pop edi; pop esi",
        f"push edi; mov ecx, {rng.randrange(9)}; mov eax, 1; repne scasb; pop edi", "scasd; sub edi, 4",
        f"bsf {free}, {second}; and {free}, 28; mov {second}, [{pointer} + {free}]",
        f"test {free}, 1; jz next{label}; mov {second}, {place}; next{label}:", "call helper", "call [vector]",
        f"mov {free}, {rng.randrange(1, 99)}; loop{label}: mov [{pointer} + 8], {free}; sub {free}, 7; ja loop{label}",
        f"test {second}, 1; cmovz {free}, {second}; and {free}, 0x7c; mov {second}, [{pointer} + {free}]",
        f"mov eax, {rng.randrange(1 << 30)}; mov ecx, 37; xor edx, edx; div ecx; mov {free}, [{pointer} + edx * 4]",
        f"neg {free}; and {free}, 0xc; sub {pointer}, {free}; mov {second}, [{pointer}]; add {pointer}, {free}",
        f"fld dword ptr {place}; fstp qword ptr {place}", f"lock add {place}, {free}",
        f"mov {free}, cr0; mov [esp - 4], {free}", f"mov ax, ds; mov [{pointer}], ax; mov es, ax",
        f"or ah, {rng.randrange(9)}; and eax, 0x3fc; mov [{pointer} + eax], eax",
    ))


def program(seed: int, length: int = 120) -> str:
    rng = random.Random(seed)
    lines = [f"mov {pointer}, {DATA + 0x1000 + 0x400 * at}" for at, pointer in enumerate(POINTERS)]
    lines += ["mov dword ptr [vector], offset helper", f"lea eax, [{DATA + 0x1000}]; mov ecx, 16",
              "fill: mov [table + ecx * 4 - 4], eax; add eax, 0x80; dec ecx; jnz fill"]
    lines += [instruction(rng, label) for label in range(length)]
    return "; ".join([*lines, "jmp end", "helper: push ebx; mov eax, [esp + 4]; pop ebx; ret 0"]).replace(
        "table", str(DATA)).replace("vector", str(DATA + 0x100)).replace("saved", str(DATA + 0x104)).replace(
        "offset helper", "helper")


@pytest.mark.parametrize("seed", range(12))
def test_the_derived_accesses_of_random_code_are_those_that_it_makes(seed: int) -> None:
    bare = BareMachine(program(seed), paging=seed % 2 == 0, cpu=PROFILE)
    watched = Watched(bare.machine)
    bare.machine.run(until=bare.address("end"), max_cycles=1_000_000)
    assert bare.machine.cpu.linear_eip == bare.address("end")
    assert watched.compare() > 100


@pytest.mark.parametrize("profile", [name for name in profiles() if name != "unit"])
def test_the_quick_path_and_the_long_one_charge_alike(profile: str) -> None:
    quick, long = (Machine.boot("preempt", cpu=profile) for _ in range(2))
    long.cpu.state.stream, long.cpu.state.stream_size = 1, 0        # watched: every block goes the long way
    for machine in (quick, long):
        machine.run(max_cycles=3_000_000)
    assert long.cpu.state.stream_count > 10_000
    assert not difference(state(quick), state(long))


def again_and_again(seed: int, times: int = 40) -> str:
    """A program whose blocks come back, as only those take the quick path."""
    count = f"dword ptr [{DATA + 0x110}]"
    return f"mov {count}, {times}; again: " + program(seed).replace("jmp end;", f"dec {count}; jnz again; jmp end;")


def with_small_tables(name: str) -> str:
    """A profile of which caches and TLBs hold next to nothing, so that lines are missing, and meet in their sets."""
    text = (DIRECTORY / f"{name}.toml").read_text()
    for table, key, value in (("caches.l1d", "size", 1), ("caches.l1d", "ways", 2), ("tlbs.data", "entries", 4),
                              ("tlbs.data", "ways", 2)):
        head, section, rest = text.partition(f"[{table}]\n")
        text = head + section + re.sub(rf"^{key} = {{ value = \d+", f"{key} = {{ value = {value}", rest, count=1,
                                       flags=re.MULTILINE)
    return text


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("profile", ["p2-450", "p3-500", "k7-550", "p4-1800"])
def test_the_quick_path_of_random_code_charges_what_the_long_one_does(profile: str, seed: int, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(with_small_tables(profile))
    quick, long = (BareMachine(again_and_again(seed), paging=seed % 2 == 0, cpu=str(tmp_path / "small.toml"))
                   for _ in range(2))
    long.machine.cpu.state.stream, long.machine.cpu.state.stream_size = 1, 0
    for bare in (quick, long):
        bare.machine.run(until=bare.address("end"), max_cycles=5_000_000)
        assert bare.machine.cpu.linear_eip == bare.address("end")
    assert long.machine.cpu.costs.model
    assert long.machine.cpu.costs.model.counters()["l1d_misses"] > 400
    assert not difference(state(quick.machine), state(long.machine))
