"""Machine code that looks at a block's accesses: a run with it is the run without it, to the last bit of the caches."""

from __future__ import annotations

import random

import pytest
from cutting import difference, state
from machine_code import DATA, PAGE_DIRECTORY, BareMachine

from emu.cpu import glance
from emu.cpu.glance import NEVER
from emu.cpu.x86 import CR4_PSE
from emu.timing.profile import load_profile, profiles

PIECES, CYCLES = 3, 200_000     # longer than the worst that a block of these can take
LARGE_PAGE = 0x87           # a page-directory entry: the first 4 MiB, present, writable, user
MODELLED = [name for name in profiles() if load_profile(name).timing]
MODES = {"unpaged": {"ring": 0}, "paged": {"ring": 3, "paging": True},
         "large pages": {"ring": 0, "paging": True, "cr4": CR4_PSE}}

# Statements; ESI points to 28 KiB of data. {a} is a place in it, {r} and {q} are EAX, ECX or EDX, {b} the low byte of
# one, {k} a small number, {m} one that masks an offset.
STATEMENTS = (
    "mov {r}, [esi + {a}]", "mov [esi + {a}], {r}", "add [esi + {a}], {r}", "mov word ptr [esi + {a}], {k}",
    "inc byte ptr [esi + {a}]", "movzx {r}, byte ptr [esi + {a}]", "movsx {r}, word ptr [esi + {a}]",
    "mov {b}, [esi + {a}]", "fld qword ptr [esi + {a}]; fstp qword ptr [esi + {a}]", "push {r}", "pop {r}",
    "push dword ptr [esi + {a}]", "and {r}, {m}; mov {q}, [esi + {r}]", "and {r}, {m}; or [esi + {r} + {k}], {q}",
    "and {r}, {k}; mov {r}, [esi + {r} * 8 + {a}]", "and {r}, {m}; lea {r}, [esi + {r} + {k}]; mov {q}, [{r}]",
    "mov [esi + {a}], esi; mov edi, [esi + {a}]; mov {q}, [edi + {a}]",
    "push esi; mov edi, [esp]; mov [edi + {k}], {r}",
    "mov edi, [esi + {a}]; and edi, {m}; mov {r}, [esi + edi]; and {r}, {m}; mov {q}, [esi + {r}]",
    "mov [esi + {k}], {r}; and {q}, 7; movzx edi, byte ptr [esi + {q}]; mov {r}, [esi + edi]",
    "shl {r}, {k}", "shr {r}, {k}", "sar {r}, {k}", "imul {r}, {q}", "sub {r}, {q}", "xor {r}, {q}", "or {r}, {q}",
    "movsx {r}, {b}", "movzx {r}, {b}", "mov {b}, {k}", "xchg ah, {b}", "lea {r}, [{q} + {r} * 4 + {a}]", "neg {r}",
)


def program(seed: int) -> str:
    """A loop without end of random statements, in short blocks."""
    rng = random.Random(seed)
    lines = [f"mov esi, {DATA}", "mov ebx, esp", "again:"]
    for block in range(12):
        for _ in range(rng.randint(1, 5)):
            place = rng.randrange(7) * 0x1000 + rng.choice((rng.randrange(16) * 4, rng.randrange(0xFF0)))
            lines.append(rng.choice(STATEMENTS).format(
                a=place, r=rng.choice(("eax", "ecx", "edx")), q=rng.choice(("eax", "ecx", "edx")),
                b=rng.choice(("al", "cl", "dl")), k=rng.randrange(1, 32), m=rng.choice((0x3C, 0xFFC, 0x600F))))
        lines.append(f"jmp next{block}; next{block}: mov esp, ebx")
    return "; ".join([*lines, "jmp again"])


def run(source: str, profile: str, mode: str, runs: int) -> BareMachine:
    bare = BareMachine(source, cpu=profile, **MODES[mode])      # type: ignore[arg-type]
    if mode == "large pages":
        bare.write(PAGE_DIRECTORY, LARGE_PAGE)
    bare.machine.cpu.state.hot_after = runs
    for _ in range(PIECES):
        bare.machine.run(max_cycles=CYCLES)
    return bare


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("profile", MODELLED)
def test_a_run_with_machine_code_ends_as_one_without(profile: str, mode: str) -> None:
    for seed in range(3):
        source = program(seed)
        if mode == "large pages":
            source = "mov eax, cr3; mov cr3, eax; " + source
        fast, slow = run(source, profile, mode, 1), run(source, profile, mode, NEVER)
        assert not difference(state(fast.machine), state(slow.machine)), source
        assert fast.machine.cpu.costs.glance.written > 10 and not fast.machine.cpu.costs.glance.refused
        assert not slow.machine.cpu.costs.glance.written


def test_a_host_that_allows_no_machine_code_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(size: int) -> None:
        raise PermissionError("execmem")

    slow = run(program(0), "p3-500", "paged", NEVER)
    monkeypatch.setattr(glance, "executable", forbidden)
    bare = run(program(0), "p3-500", "paged", 50)
    assert not difference(state(bare.machine), state(slow.machine))
    assert bare.machine.cpu.costs.glance.written == 0 and bare.machine.cpu.state.hot_after == NEVER
