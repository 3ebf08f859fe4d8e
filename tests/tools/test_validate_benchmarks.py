"""`trapline validate`: its loops run what they say. On `unit` an instruction is a cycle, so each figure is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emu.timing.figures import Kind as Pipeline
from emu.timing.profile import Profile, load_profile
from tools.validate.anchors import ANCHORS, check_anchors
from tools.validate.branches import check_branches
from tools.validate.checks import Check
from tools.validate.compare import compare
from tools.validate.forms import COPIES, Benchmark, Loop, NotMeasured, benchmark
from tools.validate.ladders import LADDERS, _chase, check_caches, check_tlbs
from tools.validate.pairs import EXAMPLES, check_pairs
from tools.validate.rig import Rig, machine_code
from tools.validate.rows import PUBLISHED, Kind, read_rows

LATENCY, THROUGHPUT, BANDWIDTH = Kind.LATENCY, Kind.THROUGHPUT, Kind.BANDWIDTH
EVERY_FORM = sorted({(row.insn, kind) for row in read_rows(PUBLISHED, []) for kind in row.figures})
LATER = ("LFENCE", "MFENCE")            # instructions that came after what `unit` runs on


@pytest.fixture(scope="module")
def unit() -> Profile:
    return load_profile("unit")


@pytest.fixture(scope="module")
def rig(unit: Profile) -> Rig:
    return Rig(unit)


@pytest.mark.parametrize(("insn", "kind", "copies"), [
    ("ADD r32, r32", LATENCY, ["add edx, edx", "add edx, edx"]),
    ("ADD r32, r32", THROUGHPUT, ["add edx, edx", "add ebx, ebx"]),
    ("ADD r1_32, r2_32", LATENCY, ["add edx, ebx", "add edx, ebx"]),
    ("ADD r1_32, r2_32", THROUGHPUT, ["add edx, ebx", "add ebp, edi"]),
    ("MOV r32, [m32]", LATENCY, ["mov edx, dword ptr [edx]", "mov edx, dword ptr [edx]"]),
    ("MOV r32, [m32]", THROUGHPUT, ["mov edx, dword ptr [eax + 0]", "mov ebx, dword ptr [eax + 4]"]),
    ("XCHG r32, [m32]", LATENCY, ["xchg edx, dword ptr [eax + 0]", "xchg edx, dword ptr [eax + 0]"]),
    ("ADD [m32 + 8], r32", LATENCY, ["add dword ptr [eax + 0], edx", "add dword ptr [eax + 0], edx"]),
    ("ADD [m32 + 8], r32", THROUGHPUT, ["add dword ptr [eax + 0], edx", "add dword ptr [eax + 8], ebx"]),
    ("LOCK ADD [m32], r32", THROUGHPUT, ["lock add dword ptr [eax + 0], edx", "lock add dword ptr [eax + 4], ebx"]),
    ("LEA r32, [r+r*8+disp8]", LATENCY, ["lea edx, [edx + eax*8 + 0x12]", "lea edx, [edx + eax*8 + 0x12]"]),
    ("LEA r32, [r32 + r32]", THROUGHPUT, ["lea edx, [edx + eax]", "lea ebx, [ebx + eax]"]),
    ("SHLD r32, r32, cl", LATENCY, ["shld edx, edx, cl", "shld edx, edx, cl"]),
    ("MOVZX r1_32, r2_8", THROUGHPUT, ["movzx edx, bl", "movzx ebp, bl"]),
    ("PUSH r32 + POP r32", LATENCY, ["push edx", "pop edx"]),
    ("PUSHFD", THROUGHPUT, ["pushfd", "pushfd"]),
    ("PUSHF", THROUGHPUT, ["pushfw", "pushfw"]),
    ("CMPXCHG8B", THROUGHPUT, ["cmpxchg8b qword ptr [esi + 0]", "cmpxchg8b qword ptr [esi + 8]"]),
    ("DIV r32 1/1", LATENCY, ["div ebx", "div ebx"]),
])
def test_a_row_becomes_copies_that_are_chained_or_take_turns(insn: str, kind: Kind, copies: list[str]) -> None:
    assert list(benchmark(insn, kind).short.instructions[:2]) == copies


def test_shifts_by_cl_leave_ecx_alone() -> None:
    assert not any("ecx" in line for line in benchmark("SHL r32, cl", THROUGHPUT).long.instructions)


def test_where_registers_are_too_few_they_are_loaded_anew() -> None:
    lines = benchmark("IMUL r32, r32", THROUGHPUT, renames=True).long.instructions
    assert lines[:2] == ("mov edx, [eax]", "imul edx, edx")
    assert sum(line.startswith("imul") for line in lines) == 2 * COPIES
    chain = benchmark("IMUL r32, r32", LATENCY, renames=True).long.instructions
    assert set(chain) == {"imul edx, edx"}


@pytest.mark.parametrize(("insn", "kind", "reason"), [
    ("FADD st(i), st", LATENCY, r"'st\(i\)'"),
    ("MOVZX r32, r8", THROUGHPUT, "'r8'"),
    ("LEA r32, [ebx]", THROUGHPUT, "'\\[ebx\\]'"),
    ("REP MOVSD", LATENCY, "bytes in a cycle"),
    ("ADD r32, r32", BANDWIDTH, "bytes in a cycle"),
    ("MOV r32,[m32]+MOV [m32],r32", LATENCY, "several steps"),
    ("mov eax", LATENCY, "no instruction"),
])
def test_what_the_grammar_does_not_know_has_a_reason(insn: str, kind: Kind, reason: str) -> None:
    with pytest.raises(NotMeasured, match=reason):
        benchmark(insn, kind)


@pytest.mark.parametrize("insn", ["FROB r32", "MOV r32", "MOV", "MOV+ADD r32, r32", "NOP r32, r32, r32, r32"])
def test_what_cannot_be_assembled_is_not_measured(rig: Rig, insn: str) -> None:
    with pytest.raises(NotMeasured, match="cannot be assembled"):
        rig.measure(benchmark(insn, THROUGHPUT))


@pytest.mark.parametrize("insn", ["UD2", "HLT", "INT3", "LFENCE", "RET"])
def test_what_ends_the_loop_is_not_measured_and_costs_the_next_nothing(rig: Rig, insn: str) -> None:
    with pytest.raises(NotMeasured, match="unit"):
        rig.measure(benchmark(insn, THROUGHPUT))
    assert rig.measure(benchmark("NOP", THROUGHPUT)) == 1


@pytest.mark.parametrize(("insn", "kind"), EVERY_FORM)
def test_a_figure_is_the_cycles_of_one_copy(rig: Rig, insn: str, kind: Kind) -> None:
    if insn in LATER:
        pytest.skip("not on this processor")
    expected = 1.0 + insn.count(" + ") * (insn.count("PUSH") > 0)       # a cycle for each instruction
    if kind == BANDWIDTH:
        size = {"B": 1, "W": 2, "D": 4}[insn[-1]]
        expected = size * (2 if "MOVS" in insn or "CMPS" in insn else 1)
    assert rig.measure(benchmark(insn, kind)) == expected


def test_loops_do_not_disturb_each_other(unit: Profile) -> None:
    rig = Rig(unit)
    figures = [rig.measure(benchmark(insn, THROUGHPUT)) for insn in ("STD", "LODSD", "POPFD", "PUSHAD", "MOVSB", "CLD")]
    assert figures == [1.0] * 6


def test_a_rig_starts_anew_when_its_memory_is_used_up(unit: Profile) -> None:
    rig = Rig(unit)
    machine = rig.machine
    wide = replace(benchmark("NOP", THROUGHPUT), space=40 << 20)
    assert [rig.measure(wide) for _ in range(2)] == [1.0, 1.0]
    assert rig.machine is not machine


def test_a_rate_in_no_time_is_not_measured() -> None:
    loop = Loop(("nop",), 1)
    with pytest.raises(NotMeasured):
        Benchmark(loop, loop, 256, is_rate=True).figure(10, 10)


def test_paging_is_on_in_a_rig_with_pages(unit: Profile) -> None:
    rig = Rig(unit, pages=True)
    assert rig.machine.cpu.registers.cr0 >> 31 == 1
    assert rig.measure(benchmark("MOV r32, [m32]", LATENCY)) == 1


def test_machine_code_is_that_of_the_assembler() -> None:
    assert machine_code(("nop", "add edx, edx")) == b"\x90\x01\xd2"


def test_a_chase_visits_every_place_in_order_and_begins_again(unit: Profile) -> None:
    rig = Rig(unit)
    _chase(rig, [0, 8192, 64])
    data = rig._data - 3 * 4096
    words = [int.from_bytes(rig.machine.ram.read(data + at, 4), "little") - data for at in (0, 8192, 64)]
    assert words == [8192, 64, 0]


@pytest.mark.parametrize("check", [check_pairs, check_caches, check_tlbs, check_branches])
def test_what_is_published_of_no_processor_is_not_checked(unit: Profile, check: object) -> None:
    assert check(unit) == []            # type: ignore[operator]


def test_examples_of_pairs_run_as_many_instructions_as_they_say() -> None:
    counted = replace(load_profile("unit"), kind=Pipeline.P5)
    for check, example in zip(check_pairs(counted), EXAMPLES, strict=True):
        assert check.ours == len(example.instructions), check.what


@pytest.fixture(scope="module")
def anchors(unit: Profile) -> list[Check]:
    return check_anchors(unit, (unit,))


@pytest.mark.parametrize(("name", "instructions"), {
    "INT, IRET": 2,                                             # delivery counts as one
    "INT, an empty C function, IRET": 13,
    "SYSENTER, SYSEXIT": 4,
    "SYSENTER, an empty C function, SYSEXIT": 13,
    "an exception (UD2) more than INT": 0,
    "null system call by INT": 46,
    "switch of address spaces, with 3 pages": 1,
    "LOCK ADD": 1,
    "CPUID": 1,
    "CLI": 1,
}.items())
def test_an_anchor_runs_the_instructions_that_it_is_made_of(
        anchors: list[Check], name: str, instructions: int) -> None:
    assert [check.ours for check in anchors if check.what == name] == [instructions]


def test_every_ladder_and_anchor_is_of_a_profile() -> None:
    for name in {*LADDERS, *(profile for anchor in ANCHORS for profile in anchor.published)}:
        assert load_profile(name).timing


def test_the_range_of_an_anchor_holds_ours(anchors: list[Check]) -> None:
    assert all(check.ours_range == (check.ours, check.ours) for check in anchors)


def test_a_processor_without_sysenter_has_no_anchor_with_it() -> None:
    assert not any("SYSENTER" in check.what for check in check_anchors(load_profile("p5-166")))


# The model itself, in short: the whole of it is `trapline validate`.

CORES = {"P54C-166": "p5-166", "PII-Deschutes-333": "p2-450", "PIII-KatmaiDP-500": "p3-500", "K7-Pluto-750": "k7-550",
         "P4-Willamette128-1715": "p4-1800", "PD820-Smithfield-2800": "pd-3000"}
SINGLE_COST = ("MOV r32, r32", "ADD r32, r32", "NEG r32", "ADC r32, r32", "AND r1_32, r2_32", "IMUL r32, r32",
               "DIV r32 1/1", "IDIV r32 62/31b (full)", "SHL r32, 1", "SAR r32, cl", "ROL r32, 1", "RCR r32, cl", "CLC",
               "CMC", "CLD", "CMPXCHG r32, r32", "XCHG r32, [m32]", "LOCK ADD [m32], r32", "RDTSC", "CPUID (EAX = 1)")


@pytest.mark.parametrize("cpu", CORES)
def test_instructions_with_one_cost_cost_what_was_measured(cpu: str) -> None:
    rows = [row for row in read_rows(PUBLISHED, []) if row.cpu == cpu and row.insn in SINGLE_COST]
    comparisons, unmeasured = compare(load_profile(CORES[cpu]), rows)
    assert len(comparisons) > len(SINGLE_COST)
    assert not unmeasured
    assert [each for each in comparisons if not each.is_exact and abs(each.deviation) > 0.05] == []


def test_textbook_pairs_of_the_pentium_pair_and_others_do_not() -> None:
    assert [check for check in check_pairs(load_profile("p5-166")) if not check.holds] == []


@pytest.mark.parametrize("profile", LADDERS)
def test_loads_slow_down_where_the_data_tlb_ends(profile: str) -> None:
    checks = check_tlbs(load_profile(profile))
    assert len(checks) >= 3
    assert [check for check in checks if not check.holds] == []


@pytest.mark.parametrize("profile", ["p3-500", "p4-1800"])
def test_loads_slow_down_where_a_cache_ends(profile: str) -> None:
    checks = check_caches(load_profile(profile))
    assert len(checks) == 6
    assert [check for check in checks if not check.holds] == []


@pytest.mark.parametrize("profile", LADDERS)
def test_a_random_branch_costs_the_published_penalty(profile: str) -> None:
    check, = check_branches(load_profile(profile))
    assert check.holds


def test_int_and_iret_lie_within_their_bounds() -> None:
    anchor, = (each for each in ANCHORS if each.name == "INT, IRET")
    for profile in anchor.published:
        check, = check_anchors(load_profile(profile), anchors=[anchor])
        assert check.holds, check
