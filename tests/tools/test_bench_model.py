"""What `trapline bench` runs under the timing model: the mix, the paths of a kernel, other emulators."""

from __future__ import annotations

import stat
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import capstone
import pytest
import unicorn
from unicorn import unicorn_const as uc_const
from unicorn import x86_const as uc_x86

from emu.decoding import decode
from emu.machine import Machine
from emu.result import Reason
from loader.boot import recognise
from tools.bench import disk, emulators, gates, idle, kernel, mix, model, rig, streams
from tools.bench.emulators import BOCHS, EXIT_CODE, QEMU, Emulator, Failed
from tools.bench.gates import Entry
from tools.bench.makeup import Makeup, accesses_memory
from tools.bench.rig import Race

ITERATIONS = 50             # of the mix, where speed does not matter
LOOP = """
.text
; _start: twelve instructions, four of which access memory, and more before.
.global _start
_start:
    mov esp, 0x90000
start:
    mov ecx, 3
.Lagain:
    push ecx
    pop eax
    dec ecx
    jnz .Lagain
stop:
    hlt
"""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few and as short turns as possible."""
    monkeypatch.setattr(rig, "QUICK_SECONDS", 0)
    monkeypatch.setattr(rig, "LEAST_TURNS", 1)


# What code consists of

def test_instructions_accesses_and_blocks_are_counted_from_start_to_stop() -> None:
    assert Race(LOOP).bare.makeup() == Makeup(instructions=13, accessing=6, blocks=3)


@pytest.mark.parametrize(("code", "accesses"), [
    ("8B06", True), ("8906", True), ("50", True), ("C3", True), ("E800000000", True), ("FF248500201000", True),
    ("A5", True), ("60", True), ("8D0406", False), ("89C8", False), ("7400", False), ("0F1F00", False),
])
def test_what_loads_or_stores_accesses_memory(code: str, accesses: bool) -> None:
    assert [accesses_memory(each) for each in decode(bytes.fromhex(code), 0)] == [accesses]


def test_forty_of_a_hundred_instructions_of_the_mix_access_memory_and_a_block_has_six() -> None:
    makeup = Race(mix.source()).bare.makeup()
    assert makeup.memory_share == pytest.approx(0.40, abs=0.01)
    assert makeup.block_length == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize("length", streams.LENGTHS)
def test_a_stream_is_one_block_of_which_forty_of_a_hundred_instructions_access_memory(length: int) -> None:
    makeup = Race(streams.source(length)).bare.makeup()
    assert makeup.memory_share == pytest.approx(0.4, abs=0.02)
    assert makeup.block_length == pytest.approx(length, abs=0.1)


def test_one_in_four_keys_of_the_mix_is_not_found() -> None:
    race = Race(mix.source(ITERATIONS))
    x, found = 2463534242, Counter[bool]()
    for _ in range(ITERATIONS):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        found[x >> 24 < 192] += 1
    race.run(quick=True)
    counts = [int.from_bytes(race.machine.ram.read(0x201000 + 32 * key + 8, 4), "little") for key in range(192)]
    assert sum(counts) == 2 * found[True]                   # a warm-up and a turn
    assert found[False] == pytest.approx(ITERATIONS / 4, abs=ITERATIONS / 8)


# A kernel's paths

@pytest.mark.parametrize("path", [gates.calling, gates.sending])
def test_a_path_by_int_does_what_the_path_by_a_call_gate_does(path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "ROUNDS", 20)
    monkeypatch.setattr(gates, "MESSAGES", 20)
    race = Race(path(Entry.INT), None, "p3-500", path(Entry.GATE))
    race.run(quick=True)                                    # compares registers, and the instructions that have run
    assert race.machine.cpu.cpl == 3
    counters = race.machine.counters
    assert counters.traps[0x80] == 2 * (60 if path is gates.calling else 40)        # a warm-up and a turn
    assert "call_gate" not in counters.crossings


def test_a_message_arrives_in_another_address_space() -> None:
    machine = Machine.boot(rig.image(gates.sending(Entry.INT)), memory=rig.MEMORY)
    machine.run(until="answer")
    registers = machine.cpu.registers
    assert (registers.ebx, registers.esi, registers.edi, registers.cr3) == (1, 3, 0, 0x81000)
    machine.run(until="stop")
    assert machine.cpu.registers.cr3 == 0x80000


def test_the_kernel_s_programs_go_through_it_by_sysenter_for_ever() -> None:
    machine = kernel.booted(kernel.calling(), "p3-500")
    before = machine.counters.crossings.get("sysenter", 0)
    assert machine.run(max_instructions=20_000).reason == Reason.INSTRUCTIONS
    assert machine.counters.crossings["sysenter"] - before > 200


def test_yielding_programs_change_the_address_space() -> None:
    machine = kernel.booted(kernel.switching(), "unit")
    spaces = Counter[int]()
    for _ in range(200):
        machine.run(max_instructions=23)
        spaces[machine.cpu.registers.cr3] += 1
    assert len(spaces) == 2 and min(spaces.values()) > 40


def test_an_idle_kernel_runs_for_its_ticks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "SECONDS", (1,))
    measured = idle.idle("unit", quick=True)
    assert measured["1"] > 0
    assert 1000 < measured["instructions"] < 200 * 1000    # a thousand ticks


def test_a_block_is_new_in_every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    described = Counter[int]()

    class Costs:
        def describe(self, code: bytes, address: int, bits: int) -> None:
            described[address] += 1

    class Fake:
        def __init__(self, cpu: str) -> None:
            self.cpu, self.costs = self, Costs()

    race = Race(LOOP)
    monkeypatch.setattr(model, "Machine", Fake)
    assert model.cold_block(race, quick=True) > 0
    assert len(described) == 2 * len(race.bare.blocks()) and set(described.values()) == {1}


# Other emulators

def test_the_image_for_qemu_boots_and_passes_take_equally_many_instructions() -> None:
    ran = []
    for passes in (1, 2, 4):
        machine = Machine.boot(recognise(emulators.qemu_image(passes, ITERATIONS), "mix"))
        result = machine.run(max_instructions=1_000_000)
        assert (result.reason, result.exit_code) == (Reason.EXIT, EXIT_CODE)
        ran.append(machine.cpu.state.instructions)
    assert ran[2] - ran[1] == 2 * (ran[1] - ran[0])
    assert ran[1] - ran[0] == Race(mix.source(ITERATIONS)).instructions + 2       # which count the passes


def test_the_boot_sector_is_what_its_lines_say() -> None:
    sector = disk.floppy(b"\x90" * 600)[:512]
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_16)
    shown = [f"{each.mnemonic} {each.op_str}".strip() for each in decoder.disasm(sector, 0x7C00)]
    assert shown[:len(disk._CODE)] == [text.format(sectors=2) for _, text in disk._CODE]
    assert sector[510:] == b"\x55\xAA"


def test_the_disk_boots_in_real_mode_and_ends_as_bochs_wants_it() -> None:
    image = emulators.disk_image(2, ITERATIONS)
    assert len(image) == disk.SIZE
    bare = unicorn.Uc(uc_const.UC_ARCH_X86, uc_const.UC_MODE_16)
    bare.mem_map(0, 4 << 20)
    bare.mem_write(0x7C00, image[:512])
    written = []

    def bios(uc: Any, vector: int, user: object) -> None:
        """INT 13h, AH = 2: sectors of the first track."""
        count, sector = uc.reg_read(uc_x86.UC_X86_REG_AX) & 0xFF, uc.reg_read(uc_x86.UC_X86_REG_CX)
        assert (vector, uc.reg_read(uc_x86.UC_X86_REG_AX) >> 8, sector) == (0x13, 2, 2)
        uc.mem_write(uc.reg_read(uc_x86.UC_X86_REG_BX), image[512:512 + 512 * count])
        uc.reg_write(uc_x86.UC_X86_REG_EFLAGS, 2)

    bare.hook_add(uc_const.UC_HOOK_INTR, bios)
    bare.hook_add(uc_const.UC_HOOK_INSN, lambda uc, port, size, value, user: written.append((port, value)), None, 1, 0,
                  uc_x86.UC_X86_INS_OUT)
    bare.emu_start(0x7C00, 0)                               # to the HLT
    assert written == [(0xF4, EXIT_CODE), *((0x8900, letter) for letter in b"Shutdown")]


def test_code_that_does_not_fit_on_a_track_is_refused() -> None:
    assert len(disk.floppy(bytes(17 * 512))) == disk.SIZE
    with pytest.raises(ValueError, match="8705 bytes of code: a disk boots at most 8704"):
        disk.floppy(bytes(17 * 512 + 1))


FAKE = """#!{python}
import pathlib, sys, time
folder = pathlib.Path({folder!r})
with open(folder / "arguments", "a") as file:
    print(*sys.argv[1:], file=file)
turns = len((folder / "arguments").read_text().splitlines())
start = time.process_time()
while time.process_time() - start < (0.3 if turns > 1 else 0.0):
    pass
{end}
"""


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, end: str) -> None:
    """Put a program on the PATH that takes its time from the second run on, and ends as Python code `end` says."""
    program = folder / name
    program.write_text(FAKE.format(python=sys.executable, folder=str(folder), end=end))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


ENDINGS = [(QEMU, f"sys.exit({2 * EXIT_CODE + 1})"), (BOCHS, "print('[UNMAP ] Shutdown port: shutdown requested')")]


@pytest.mark.parametrize(("emulator", "end"), ENDINGS)
def test_the_speed_of_an_emulator_is_what_more_passes_take(emulator: Emulator, end: str, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, emulator.name, end)
    monkeypatch.setattr(emulators, "QUICK_PASSES", (1, 4))
    assert emulators.mips(emulator, 1_000_000, quick=True) == pytest.approx(3 / 0.3, rel=0.2)
    assert len((tmp_path / "arguments").read_text().splitlines()) == 2


@pytest.mark.parametrize(("emulator", "end"), ENDINGS)
def test_an_emulator_s_ratio_is_our_speed_over_its(emulator: Emulator, end: str, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, emulator.name, end)
    monkeypatch.setattr(emulators, "mips", lambda which, instructions, quick: 20.0)
    assert model._against(emulator, "ratio", 2.0, 50.0, 1, quick=True) == rig.Figure("ratio", 2.5, 2.0)


def test_qemu_counts_instructions_and_boots_a_multiboot_image(tmp_path: Path) -> None:
    arguments = QEMU.prepare(1, tmp_path)
    assert arguments[arguments.index("-icount") + 1] == "shift=0"
    assert recognise(Path(arguments[arguments.index("-kernel") + 1]).read_bytes(), "mix").kind == "multiboot"


def test_bochs_boots_the_disk_without_a_display(tmp_path: Path) -> None:
    settings = Path(BOCHS.prepare(1, tmp_path)[-1]).read_text()
    assert "display_library: nogui\n" in settings
    assert (tmp_path / "mix.img").stat().st_size == disk.SIZE and f'1_44="{tmp_path / "mix.img"}"' in settings


@pytest.mark.parametrize(("end", "words"), [
    ("print('no display')\nsys.exit(1)", "ended with exit code 1: no display"),
    ("print('>>PANIC<< no such display')\nprint('quit_sim')", "ended with exit code 0: >>PANIC<< no such display"),
    ("sys.exit(0)", "ended with exit code 0"),
    ("time.sleep(60)", "did not end within 0.5 seconds"),
])
def test_an_emulator_that_does_not_run_the_mix_has_no_figure(end: str, words: str, tmp_path: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, QEMU.name, end)
    monkeypatch.setattr(emulators, "SECONDS", 0.5)
    assert model._against(QEMU, "ratio", None, 50.0, 1, quick=True) == rig.Figure("ratio", None, missing=words)


def test_an_emulator_that_is_not_there_or_cannot_start_has_no_figure(tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed, match="not installed"):
        emulators.mips(BOCHS, 1, quick=True)
    (tmp_path / "bochs").write_text("#!/no/such/program\n")
    (tmp_path / "bochs").chmod(0o755)
    with pytest.raises(Failed, match="cannot be run: no such file or directory"):
        emulators.mips(BOCHS, 1, quick=True)
