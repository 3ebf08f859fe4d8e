"""What a processor says about itself, which instructions it has, and what time it is by its own clock.

Source: Intel AP-485 (CPUID); Intel manual volume 2, CPUID, RDTSC, LOCK; the profiles in emu/timing/profiles.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from machine_code import CODE, DATA, BareMachine

from emu.cpu.costs import UNIT_TRAP
from emu.cpu.x86 import IF, Vector
from emu.timing.profile import FEATURES, load_profile, profiles

CR4_OSFXSR = 1 << 9
NAMES = ("eax", "ebx", "ecx", "edx")


def cpuid(name: str, leaf: int, ring: int = 3) -> tuple[int, ...]:
    """EAX, EBX, ECX and EDX of a leaf."""
    bare = BareMachine("cpuid", cpu=name, ring=ring, eax=leaf, ecx=0xFFFFFFFF)
    bare.run(until="end")
    return tuple(getattr(bare.registers, register) for register in NAMES)


def text(*words: int) -> str:
    """The characters in some registers."""
    return b"".join(word.to_bytes(4, "little") for word in words).decode("ascii")


VENDORS = {"k7-550": "AuthenticAMD"}


@pytest.mark.parametrize("name", profiles())
def test_leaf_0_names_the_vendor(name: str) -> None:
    _, ebx, ecx, edx = cpuid(name, 0)
    assert text(ebx, edx, ecx) == VENDORS.get(name, "GenuineIntel")


@pytest.mark.parametrize(("name", "signature"), [
    ("p5-166", (5, 2)), ("p2-450", (6, 5)), ("p3-500", (6, 7)), ("k7-550", (6, 1)), ("p4-1800", (15, 1)),
    ("pd-3000", (15, 4)),
])
def test_leaf_1_tells_family_and_model(name: str, signature: tuple[int, int]) -> None:
    eax = cpuid(name, 1)[0]
    assert (eax >> 8 & 15, eax >> 4 & 15) == signature


@pytest.mark.parametrize("name", profiles())
def test_leaf_1_claims_nothing_that_is_not_modelled(name: str) -> None:
    features = cpuid(name, 1)[3]
    assert features & ~sum(1 << bit for bit in FEATURES.values()) == 0
    assert features & 1 << FEATURES["TSC"]
    assert bool(features & 1 << FEATURES["SEP"]) == load_profile(name).has_sep == (name != "p5-166")


@pytest.mark.parametrize("name", profiles())
def test_a_leaf_beyond_the_last_reads_as_the_last_basic_one(name: str) -> None:
    last = cpuid(name, 0)[0]
    assert cpuid(name, last + 1) == cpuid(name, 0x7FFFFFFF) == cpuid(name, 0xFFFFFFFF) == cpuid(name, last)


@pytest.mark.parametrize(("name", "brand"), [
    ("k7-550", "AMD-K7(tm) Processor"), ("p4-1800", "Intel(R) Pentium(R) 4 CPU 1.80GHz"),
    ("pd-3000", "Intel(R) Pentium(R) D CPU 3.00GHz"),
])
def test_the_extended_leaves_spell_the_brand(name: str, brand: str) -> None:
    assert cpuid(name, 0x80000000)[0] == 0x80000004
    assert text(*cpuid(name, 0x80000002), *cpuid(name, 0x80000003), *cpuid(name, 0x80000004)).rstrip("\0") == brand


@pytest.mark.parametrize("name", profiles())
def test_cpuid_is_the_same_in_every_ring(name: str) -> None:
    assert cpuid(name, 1, ring=0) == cpuid(name, 1, ring=3)


# Which instructions there are

INSTRUCTIONS = [        # feature, instruction
    ("CMOV", "cmovz eax, ecx"), ("CMOV", "fcomi st, st(1)"), ("MMX", "movq mm0, mm1"), ("MMX", f"movq mm0, [{DATA}]"),
    ("MMX", f"paddb mm0, [{DATA}]"), ("MMX", "emms"), ("FXSR", f"fxsave [{DATA}]"), ("SSE", "movaps xmm0, xmm1"),
    ("SSE", f"movups xmm0, [{DATA}]"), ("SSE", "pshufw mm0, mm1, 0"), ("SSE", f"stmxcsr [{DATA}]"), ("SSE", "sfence"),
    ("SSE2", "movapd xmm0, xmm1"), ("SSE2", "paddq mm0, mm1"), ("SSE2", f"movnti [{DATA}], eax"), ("SSE2", "lfence"),
    ("SSE3", ".byte 0xf2, 0x0f, 0x12, 0xc1"), ("SSE3", ".byte 0x0f, 0x01, 0xc8"),
    ("AVX", ".byte 0xc5, 0xf8, 0x28, 0xc1"), ("3DNOW", ".byte 0x0f, 0x0f, 0xc1, 0x9e"),
    ("3DNOW", ".byte 0x0f, 0x0e"), ("SYSCALL", ".byte 0x0f, 0x05"), ("SYSCALL", ".byte 0x0f, 0x07"),
    ("TSC", "rdtsc"), ("CX8", f"cmpxchg8b [{DATA}]"),
]


@pytest.mark.parametrize(("feature", "source"), INSTRUCTIONS)
@pytest.mark.parametrize("name", profiles())
def test_an_instruction_exists_if_cpuid_reports_its_feature(name: str, feature: str, source: str) -> None:
    reported = feature in FEATURES and load_profile(name).cpuid[7] >> FEATURES[feature] & 1
    bare = BareMachine(f"nop; here: {source}", cpu=name, ring=3, cr4=CR4_OSFXSR)
    if reported:
        bare.run(until="end")
    else:
        trap = bare.trap()
        assert (trap.vector, trap.eip) == (Vector.UD, bare.address("here"))


@pytest.mark.parametrize(("code", "vector"), [
    ("0xf0, 0x89, 0x03", Vector.UD), ("0xf0, 0x8b, 0x03", Vector.UD), ("0xf0, 0x39, 0x03", Vector.UD),
    ("0xf0, 0x90", Vector.UD), ("0xf0, 0x0f, 0xa3, 0x03", Vector.UD), ("0xf0, 0xc7, 0x03, 0, 0, 0, 0", Vector.UD),
    ("0xf0, 0xff, 0x33", Vector.UD), ("0x66, 0xf0, 0x2e, 0x89, 0x03", Vector.UD), ("0xf0, 0xa4", Vector.UD),
    ("0xf0, 0x03, 0x03", Vector.UD), ("0xf0, 0x87, 0xc8", Vector.UD), ("0xf0, 0xf4", Vector.UD),
    ("0xf0, 0x01, 0x03", None), ("0xf0, 0x87, 0x03", None), ("0xf0, 0x0f, 0xb1, 0x0b", None),
    ("0xf0, 0xff, 0x03", None), ("0xf0, 0x0f, 0xc1, 0x0b", None), ("0xf0, 0x0f, 0xc7, 0x0b", None),
    ("0xf0, 0x0f, 0xab, 0x03", None), ("0xf0, 0xf7, 0x13", None), ("0xf0, 0xf6, 0x1b", None),
    ("0xf0, 0x0f, 0xba, 0x2b, 1", None), ("0xf0, 0x80, 0x33, 1", None),
])
def test_lock_is_allowed_on_what_modifies_memory(code: str, vector: Vector | None) -> None:
    bare = BareMachine(f"mov ebx, {DATA}; here: .byte {code}", ring=3)
    if vector is None:
        bare.run(until="end")
    else:
        trap = bare.trap()
        assert (trap.vector, trap.eip) == (vector, bare.address("here"))


# Model-specific registers


@pytest.mark.parametrize("source", ["rdmsr", "wrmsr"])
@pytest.mark.parametrize("number", [0x0, 0x1B, 0x1A0, 0x200, 0x277, 0x2FF, 0xC0000080, 0xC0000102, 0x12345678])
def test_an_msr_that_is_not_there_is_a_general_protection_fault(source: str, number: int) -> None:
    bare = BareMachine(f"nop; here: {source}", ecx=number)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.GP, 0, bare.address("here"))


@pytest.mark.parametrize("source", ["rdmsr", "wrmsr"])
def test_a_processor_without_sep_has_no_msrs_for_it(source: str) -> None:
    assert BareMachine(source, cpu="p5-166", ecx=0x174).trap().vector == Vector.GP


def test_msr_10h_is_the_time_stamp_counter() -> None:
    bare = BareMachine("rdmsr; mov ebx, eax; rdtsc; sub eax, ebx", ecx=0x10)
    bare.run(until="end")
    assert (bare.registers.eax, bare.registers.edx) == (2, 0)


@pytest.mark.parametrize("value", [0, 0x1000, 0xFFFFFFF0])
def test_writing_msr_10h_sets_the_time_stamp_counter(value: int) -> None:
    bare = BareMachine("wrmsr; nop; nop; rdtsc", ecx=0x10, eax=value, edx=5)
    bare.run(until="end")
    assert bare.registers.eax | bare.registers.edx << 32 == (5 << 32) + value + 3


# Time


def test_rdtsc_is_the_clock_when_it_begins() -> None:
    source = "nop; a: rdtsc; mov esi, eax; add ecx, 2; push eax; b: rdtsc; mov edi, eax; call c; c: rdtsc; d: nop"
    bare = BareMachine(source)
    cycles = {}
    for label in "abcd":
        bare.run(until=label)
        cycles[label] = bare.machine.clock.now
        assert bare.machine.clock.now == bare.machine.cpu.state.cycles
    assert (bare.registers.esi, bare.registers.edi, bare.registers.eax) == (cycles["a"], cycles["b"], cycles["c"])
    whole = BareMachine(source)
    whole.run(until="d")
    assert (whole.registers.esi, whole.registers.edi, whole.registers.eax) == (cycles["a"], cycles["b"], cycles["c"])


def test_rdtsc_in_a_loop_counts_the_cycles_of_the_loop() -> None:
    bare = BareMachine(f"mov ecx, 50; mov edi, {DATA}; cld\nagain: rdtsc; stosd; nop; nop; dec ecx; jnz again")
    bare.run(until="end")
    times = [bare.read(DATA + 4 * i) for i in range(50)]
    assert {later - earlier for earlier, later in pairwise(times)} == {6}


def test_rdtsc_reaches_its_upper_half() -> None:
    bare = BareMachine("rdtsc")
    bare.machine.cpu.state.cycles = (7 << 32) - 1
    before = bare.machine.cpu.state.cycles
    bare.run(until="end", max_cycles=100)
    assert bare.registers.eax | bare.registers.edx << 32 == before


def test_rdtsc_counts_idle_time() -> None:
    bare = BareMachine("rdtsc; mov ebx, eax; hlt; jmp end\nirq: rdtsc; sub eax, ebx; jmp end", flags=IF,
                       handlers={0x23: "irq"})
    bare.start_pic()
    event = bare.machine.clock.event("wake", lambda: bare.machine.pic.irq[3].set(1))
    event.schedule(bare.machine.cpu.state.cycles + 123_456)
    bare.run(until="end")
    assert bare.registers.eax == 123_456 + UNIT_TRAP
    assert bare.registers.eip >= CODE
