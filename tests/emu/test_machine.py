"""The machine from outside: how runs end and go on, what the board holds, what a caller hears."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emu.clock import NEVER
from emu.machine import Machine
from emu.result import Reason
from emu.timing.profile import ProfileError
from loader.assembler import assemble
from loader.image import Image, Segment
from loader.linker import link
from loader.symbols import LineMap

CODE = 0x10000
EXIT_WITH_7 = "mov al, 7; out 0xf4, al"
GDT_AND_IDT = """
    jmp behind
    .align 8
gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr: .word 23; .long gdt
idtr: .word 0x7ff; .long 0x2000
behind: lgdt [gdtr]; lidt [idtr]; mov esp, 0x8000
"""


def image(source: str) -> Image:
    """A flat program at CODE; ";" or a new line ends a statement."""
    text = f"# What the test runs.\n.global _start\n_start:\n{source.replace(';', chr(10))}\n"
    program = link([assemble(text, name="snippet")], base=CODE, entry="_start", name="snippet")
    segments = [Segment(each.physical, bytes(each.data), each.memory_size) for each in program.segments]
    return Image("snippet", "flat", CODE, segments, program.symbol_table, LineMap([]))


@pytest.fixture
def boot() -> Callable[..., Machine]:
    """Makes a machine in front of a program."""

    def make(source: str, **options: object) -> Machine:
        return Machine.boot(image(source), **options)       # type: ignore[arg-type]

    return make


# How a run ends

def test_the_guest_ends_the_machine_with_its_exit_code(boot: Callable[..., Machine]) -> None:
    result = boot(EXIT_WITH_7).run()
    assert (result.reason, result.exit_code, result.instructions) == (Reason.EXIT, 7, 2)


def test_an_exit_code_may_have_32_bits(boot: Callable[..., Machine]) -> None:
    assert boot("mov dx, 0xf4; mov eax, 0xdeadbeef; out dx, eax").run().exit_code == 0xDEADBEEF


def test_nothing_runs_behind_the_exit(boot: Callable[..., Machine]) -> None:
    machine = boot("mov al, 0; out 0xf4, al; mov dword ptr [0x3000], 1")
    machine.run()
    assert machine.ram.read(0x3000, 1) == b"\0"


def test_a_machine_that_has_ended_stays_so(boot: Callable[..., Machine]) -> None:
    machine = boot(f"{EXIT_WITH_7}; again: jmp again")
    assert machine.run() == machine.run(max_cycles=10) == machine.step()


def test_a_cycle_limit_is_exact_and_counts_from_here(boot: Callable[..., Machine]) -> None:
    machine = boot("again: inc eax; inc ebx; jmp again")
    for total in (10, 11, 18):
        result = machine.run(max_cycles=total - machine.clock.now)
        assert (result.reason, result.cycles, machine.clock.now) == (Reason.CYCLES, total, total)
    assert (machine.cpu.registers.eax, machine.cpu.registers.ebx) == (6, 6)


def test_a_step_is_one_instruction(boot: Callable[..., Machine]) -> None:
    machine = boot("mov eax, 1; mov ebx, 2; mov ecx, 3")
    result = machine.step()
    assert (result.reason, result.instructions, result.eip) == (Reason.INSTRUCTIONS, 1, CODE + 5)
    assert (machine.cpu.registers.eax, machine.cpu.registers.ebx) == (1, 0)
    assert machine.step(2).instructions == 3


@pytest.mark.parametrize("limits", [{"max_cycles": 0}, {"max_instructions": 0}])
def test_a_limit_of_nothing_runs_nothing(boot: Callable[..., Machine], limits: dict[str, int]) -> None:
    result = boot("inc eax").run(**limits)
    assert (result.instructions, result.cycles, result.eip) == (0, 0, CODE)


def test_of_two_limits_the_nearer_ends_the_run(boot: Callable[..., Machine]) -> None:
    machine = boot("again: jmp again")
    assert machine.run(max_cycles=5, max_instructions=9).reason == Reason.CYCLES
    assert machine.run(max_cycles=9, max_instructions=5).reason == Reason.INSTRUCTIONS


def test_a_run_stops_in_front_of_a_symbol(boot: Callable[..., Machine]) -> None:
    machine = boot("inc eax; there: inc eax; inc eax")
    result = machine.run(until="there")
    assert (result.reason, result.where, machine.cpu.registers.eax) == (Reason.UNTIL, "there", 1)


def test_a_run_that_begins_at_its_end_goes_round(boot: Callable[..., Machine]) -> None:
    machine = boot("again: inc eax; jmp again")
    for rounds in (1, 2, 3):
        assert machine.run(until=CODE).reason == Reason.UNTIL
        assert machine.cpu.registers.eax == rounds


def test_an_unknown_symbol_is_a_key_error(boot: Callable[..., Machine]) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        boot("nop").run(until="nowhere")


def test_a_symbol_without_an_image_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="no symbol 'there': no image is loaded"):
        Machine().run(until="there")


def test_a_halt_with_interrupts_off_ends_the_run(boot: Callable[..., Machine]) -> None:
    result = boot("hlt; end: nop").run()
    assert (result.reason, result.where) == (Reason.HALTED, "end")
    assert result.detail == "HLT with interrupts disabled before end: nothing can wake the processor"


def test_a_halt_that_nothing_will_end_is_idle(boot: Callable[..., Machine]) -> None:
    machine = boot("sti; hlt; end: nop")
    assert machine.clock.deadline == NEVER
    result = machine.run()
    assert (result.reason, result.detail) == (Reason.IDLE, "HLT before end, and no device has anything to come")


def test_a_halted_machine_lets_its_time_pass_up_to_the_limit(boot: Callable[..., Machine]) -> None:
    result = boot("sti; hlt").run(max_cycles=1000)
    assert (result.reason, result.cycles, result.idle_cycles) == (Reason.CYCLES, 1000, 998)


def test_a_triple_fault_names_the_place(boot: Callable[..., Machine]) -> None:
    result = boot("nop; here: int3").run()
    assert (result.reason, result.where) == (Reason.TRIPLE_FAULT, "here")
    assert "at here: " in result.detail and "\n" not in result.detail


def test_the_guest_can_ask_for_a_reset(boot: Callable[..., Machine]) -> None:
    result = boot("nop; ask: mov al, 0xfe; out 0x64, al; hlt").run()
    assert (result.reason, result.instructions) == (Reason.RESET, 3)
    assert "reset the machine" in result.detail


def test_an_interrupt_in_real_mode_is_not_supported(boot: Callable[..., Machine]) -> None:
    result = boot("mov eax, 0x10; mov cr0, eax; int 0x20").run()
    assert result.reason == Reason.UNSUPPORTED
    assert "protected mode off: set CR0.PE" in result.detail


def test_code_outside_ram_is_not_supported(boot: Callable[..., Machine]) -> None:
    result = boot("mov eax, 0xf0000000; jmp eax").run()
    assert (result.reason, result.eip) == (Reason.UNSUPPORTED, 0xF0000000)
    assert result.detail == "at 0xf0000000: instructions fetched from outside RAM"


def test_a_result_can_be_written_as_json(boot: Callable[..., Machine]) -> None:
    values = json.loads(json.dumps(boot(EXIT_WITH_7).run().as_dict()))
    assert (values["reason"], values["exit_code"], values["io_accesses"]) == ("exit", 7, 1)


# Strict

@pytest.mark.parametrize(("access", "detail"), [
    ("mov dx, 0x300; in al, dx", "read of 1 bytes at 0x300"),
    ("mov dx, 0x300; out dx, eax", "write of 4 bytes at 0x300"),
    ("mov ax, [0xf0000000]", "read of 2 bytes at 0xf0000000"),
    ("mov [0xf0000000], eax", "write of 4 bytes at 0xf0000000"),
])
def test_a_strict_machine_ends_where_no_device_is(boot: Callable[..., Machine], access: str, detail: str) -> None:
    result = boot(f"{access}; end: jmp end", strict=True).run(max_cycles=1000)
    assert result.reason == Reason.UNCLAIMED
    assert result.detail.startswith(detail + ", where no device is, at ")


def test_a_machine_that_is_not_strict_reads_ones(boot: Callable[..., Machine]) -> None:
    machine = boot("mov dx, 0x300; in eax, dx; mov ebx, [0xf0000000]; hlt")
    machine.run()
    assert (machine.cpu.registers.eax, machine.cpu.registers.ebx) == (0xFFFFFFFF, 0xFFFFFFFF)


# Callbacks

def test_what_the_guest_prints_is_kept_and_passed_on(boot: Callable[..., Machine]) -> None:
    heard = bytearray()
    machine = boot("mov dx, 0x3fb; mov al, 3; out dx, al; mov dx, 0x3f8; mov al, 'h'; out dx, al; mov al, 'i';"
                   "out dx, al; xor al, al; out 0xf4, al", serial=heard.append)
    machine.run()
    assert machine.console == heard == b"hi"


def test_the_debug_console_is_apart_from_the_serial_one(boot: Callable[..., Machine]) -> None:
    heard = bytearray()
    machine = boot("mov al, 'x'; out 0xe9, al; hlt", debug=heard.append)
    machine.run()
    assert (machine.debug_console, heard, machine.console) == (b"x", b"x", b"")


def test_a_callback_can_stop_the_run_and_the_run_can_be_resumed(boot: Callable[..., Machine]) -> None:
    machine = boot("mov al, 1; out 0xe9, al; inc ebx; out 0xe9, al; inc ebx; hlt", debug=lambda byte: machine.stop())
    for done in (0, 1):
        result = machine.run()
        assert (result.reason, machine.cpu.registers.ebx) == (Reason.STOPPED, done)
    assert machine.run().reason == Reason.HALTED
    assert machine.cpu.registers.ebx == 2


def test_what_a_callback_raises_comes_out_of_run(boot: Callable[..., Machine]) -> None:
    def refuse(byte: int) -> None:
        raise OSError("the disk is full")

    machine = boot("mov al, 1; out 0xe9, al; inc ebx; hlt", debug=refuse)
    with pytest.raises(OSError, match="the disk is full"):
        machine.run()
    assert machine.cpu.registers.ebx == 0
    assert machine.run().reason == Reason.HALTED
    assert machine.cpu.registers.ebx == 1


def test_a_keyboard_interrupt_in_a_callback_comes_out_too(boot: Callable[..., Machine]) -> None:
    def press_ctrl_c(byte: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        boot("out 0xe9, al; hlt", debug=press_ctrl_c).run()


def test_an_event_may_stop_the_run(boot: Callable[..., Machine]) -> None:
    machine = boot("again: jmp again")
    machine.clock.event("stop", machine.stop).schedule(100)
    result = machine.run()
    assert (result.reason, result.cycles) == (Reason.STOPPED, 100)
    assert machine.run(max_cycles=5).reason == Reason.CYCLES


# Making one

@pytest.mark.parametrize("memory", [0, 5, 4096, (1 << 30) + 4096])
def test_a_memory_size_that_is_not_allowed_is_refused(memory: int) -> None:
    with pytest.raises(ValueError, match=f"memory of {memory} bytes: must be a multiple of 4 KiB"):
        Machine(memory=memory)


def test_an_unknown_processor_is_refused() -> None:
    with pytest.raises(ProfileError, match="no processor is called 'z80'"):
        Machine(cpu="z80")


def test_a_profile_of_ones_own_sets_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("description = 'slow'\nclock = 1_000_000\nengine = 'pentium'\nvendor = 'GenuineIntel'\n"
                    "signature = 0x52C\nfeatures = ['TSC']\n")
    assert Machine(cpu=path).clock.frequency == 1_000_000


def test_the_processor_starts_in_flat_protected_mode_with_interrupts_off() -> None:
    registers = Machine().cpu.registers
    assert (registers.cr0, registers.cr3, registers.cr4, registers.eflags) == (0x11, 0, 0, 2)
    assert [registers.segment(name)[1:3] for name in ("cs", "ss", "ds", "es", "fs", "gs")] == [(0, 0xFFFFFFFF)] * 6


def test_the_whole_of_the_largest_memory_is_there(boot: Callable[..., Machine]) -> None:
    machine = boot("mov dword ptr [0x3ffffffc], 0x12345678; mov eax, [0x40000000]; hlt", memory=1 << 30)
    machine.run()
    assert machine.ram.read((1 << 30) - 4, 4) == b"\x78\x56\x34\x12"
    assert machine.cpu.registers.eax == 0xFFFFFFFF


def test_the_smallest_memory_ends_where_it_says() -> None:
    machine = Machine(memory=1 << 16)
    # mov ax, [0fffeh]; mov ebx, [10000h]; hlt
    machine.ram.write(0x1000, bytes.fromhex("66a1feff0000" "8b1d00000100" "f4"))
    machine.ram.write(0xFFFE, b"\x34\x12")
    machine.cpu.registers.eip = 0x1000
    machine.run()
    assert (machine.cpu.registers.eax, machine.cpu.registers.ebx) == (0x1234, 0xFFFFFFFF)


def test_machines_share_nothing(boot: Callable[..., Machine]) -> None:
    first, second = boot("again: inc eax; jmp again"), boot("again: inc ebx; jmp again")
    first.run(max_cycles=6), second.run(max_cycles=4)
    first.run(max_cycles=6)
    assert (first.cpu.registers.eax, first.cpu.registers.ebx, first.clock.now) == (6, 0, 12)
    assert (second.cpu.registers.eax, second.cpu.registers.ebx, second.clock.now) == (0, 2, 4)


# The board

@pytest.mark.parametrize(("port", "name"), [
    (0x20, "pic1"), (0x21, "pic1"), (0x40, "pit"), (0x43, "pit"), (0x60, "keyboard data"), (0x61, "system control"),
    (0x64, "keyboard command"), (0x70, "rtc"), (0x71, "rtc"), (0x80, "post"), (0xA0, "pic2"), (0xA1, "pic2"),
    (0xE9, "debug console"), (0xF4, "debug exit"), (0x3F8, "com1"), (0x3FF, "com1"), (0x4D0, "elcr"), (0x4D1, "elcr"),
    (0xCF8, "pci"), (0xCFF, "pci"),
])
def test_a_chip_answers_where_a_pc_has_it(port: int, name: str) -> None:
    found = Machine().bus.ports.find(port)
    assert found is not None and found.name == name


@pytest.mark.parametrize("port", [0x22, 0x44, 0x62, 0x65, 0x72, 0x81, 0xF8, 0x2F8, 0x400, 0xD00])
def test_nobody_answers_elsewhere(port: int) -> None:
    assert Machine().bus.ports.find(port) is None


@pytest.mark.parametrize("line", [*range(2), *range(3, 16)])
def test_every_irq_line_interrupts_through_the_pics(boot: Callable[..., Machine], line: int) -> None:
    machine = boot(GDT_AND_IDT + """
        mov al, 0x11; out 0x20, al; out 0xa0, al; mov al, 0x20; out 0x21, al; mov al, 0x28; out 0xa1, al
        mov al, 4; out 0x21, al; mov al, 2; out 0xa1, al; mov al, 1; out 0x21, al; out 0xa1, al
        xor al, al; out 0x21, al; out 0xa1, al; sti
        ready: jmp ready
        handler: hlt""")
    handler = machine.address("handler")
    machine.ram.write(0x2000 + (0x20 + line) * 8, bytes([handler & 0xFF, handler >> 8 & 0xFF, 8, 0, 0, 0x8E, 1, 0]))
    machine.run(until="ready", max_cycles=1000)
    machine.step()                                           # out of the shadow of STI
    before = machine.clock.now
    machine.pic.irq[line].pulse()
    result = machine.run(until="handler", max_cycles=1000)
    assert result.traps == {0x20 + line: 1}
    assert result.irqs == {line: 1}
    assert machine.clock.now == before + 1                   # the price of the trap, no instruction


def test_the_cmos_says_how_much_memory_there_is(boot: Callable[..., Machine]) -> None:
    machine = boot("mov al, 0x34; out 0x70, al; in al, 0x71; mov ah, al; mov al, 0x35; out 0x70, al; in al, 0x71; hlt",
                   memory=64 << 20)
    machine.run()
    assert machine.cpu.registers.eax & 0xFFFF == (48 << 20 >> 16 & 0xFF) << 8 | 48 << 20 >> 24


def test_port_61h_drives_and_shows_channel_2_of_the_timer(boot: Callable[..., Machine]) -> None:
    machine = boot("""
        mov al, 1; out 0x61, al; mov al, 0xb0; out 0x43, al; mov al, 2; out 0x42, al; mov al, 0; out 0x42, al
        in al, 0x61; mov bl, al
        again: in al, 0x61; test al, 0x20; jz again; hlt""")
    result = machine.run(max_cycles=100_000)
    assert result.reason == Reason.HALTED                    # OUT2 rose: mode 0 reached its end
    assert machine.cpu.registers.ebx & 0x20 == 0             # it was low before


# The A20 gate

A20_OFF = "mov al, 0xd1; out 0x64, al; mov al, 0xdd; out 0x60, al"
A20_ON = "mov al, 0xd1; out 0x64, al; mov al, 0xdf; out 0x60, al"


def test_with_a20_low_odd_mebibytes_are_the_even_ones(boot: Callable[..., Machine]) -> None:
    machine = boot(f"mov byte ptr [0x103000], 1; {A20_OFF}; mov byte ptr [0x103000], 2; {A20_ON};"
                   "mov cl, [0x103000]; mov ch, [0x3000]; hlt")
    machine.run()
    assert machine.cpu.registers.ecx == 0x0201


def test_a20_masks_what_the_page_tables_say(boot: Callable[..., Machine]) -> None:
    machine = boot(f"""
        {A20_OFF}
        mov dword ptr [0x20000], 0x83; mov dword ptr [0x20004], 0x400083
        mov eax, 0x20000; mov cr3, eax; mov eax, 0x10; mov cr4, eax; mov eax, 0x80000011; mov cr0, eax
        mov byte ptr [0x503000], 5; hlt""")
    machine.run()
    assert machine.ram.read(0x403000, 1) == b"\5"
    assert machine.ram.read(0x503000, 1) == b"\0"
