"""Stack frames: what the real gdb makes of `.debug_frame`, beside what the machine's own tracer says."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.machine import Machine
from emu.monitor.inspect import stack, tables
from emu.monitor.inspect.flow import Slot
from emu.monitor.inspect.registers import sysenter
from loader.build import build
from loader.image import Image
from tools.gdb.code import Code
from tools.gdb.frames import debug_frame
from tools.gdb.leb128 import signed, unsigned
from tools.gdb.rows import Rows

Gdb = Callable[..., str]            # the fixture `gdb`

LIBRARY = Path(__file__).parents[3] / "guest" / "lib"
PROGRAM = """
; Calls of all kinds, with ticks in between.
.text
; main: all of it.
.global main
main:
    push ebx
    mov ebx, 20
.Lround:
    mov eax, 3
    call deeper
    mov eax, 3
    call framed
    mov eax, 5
    call pusher
    mov eax, text
    call print_string
    dec ebx
    jnz .Lround
    xor eax, eax
    pop ebx
    ret
; deeper: calls itself EAX times, with something on the stack each time that is no return address.
deeper:
    dec eax
    js .Lbottom
    push eax
    push main
    call deeper
    add esp, 4
    pop eax
.Lbottom:
    ret
; framed: as compilers write it, with a stack pointer that cannot be followed.
framed:
    push ebp
    mov ebp, esp
    push esi
    and esp, 0xFFFFFFF0
    sub esp, 32
    mov esi, eax
    test esi, esi
    jz .Ldone
    lea eax, [esi - 1]
    call framed
    call [indirect]
.Ldone:
    lea esp, [ebp - 4]
    pop esi
    pop ebp
    ret
; pusher: has as much on the stack as EAX says when it calls.
pusher:
    push ebx
    push esi
    mov esi, eax
    mov ebx, eax
.Lpush:
    push ebx
    dec ebx
    jnz .Lpush
.Lpop:
    call leaf
    pop eax
    dec esi
    jnz .Lpop
    pop esi
    pop ebx
    ret
; leaf: called through a pointer, too.
leaf:
    push ecx
    mov ecx, 40
.Lturn:
    dec ecx
    jnz .Lturn
    pop ecx
    ret
.data
.align 4
indirect:
    .long leaf
text:
    .asciz "a line\\n"
"""
LOST = """
; A routine that never comes back, and one that goes on in what is no code.
.text
; main: pushes for ever.
.global main
main:
    push ebx
    call [eax]
.Lagain:
    push eax
    jmp .Lagain
; lost: ends too early.
lost:
    push 1
    .byte 0x0F, 0xFF, 0xFF, 0xFF
"""
TRACE = """python
import gdb
def trace():
    gdb.execute("monitor where")
    frame, found = gdb.newest_frame(), []
    while frame is not None:
        if frame.type() != gdb.SIGTRAMP_FRAME or frame.level() == 0:
            found.append("%x" % (int(frame.pc()) & 0xffffffff))
        try:
            frame = frame.older()
        except gdb.error:
            break
    print("TRACE " + " ".join(found))
points = {address: gdb.Breakpoint("*%d" % address) for address in ADDRESSES}
for _ in range(STOPS):
    gdb.execute("continue", to_string=True)
    if not gdb.selected_inferior().pid:
        break                           # the guest has ended the machine
    trace()
    point = points[int(gdb.newest_frame().pc()) & 0xffffffff]
    point.enabled = point.hit_count < 2
end"""
PROGRAM_FILE = "add-symbol-file target:/test/calls.elf"
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags", "cs", "ss", "ds", "es")
ON_A_TICK = ("trap_entry", "timer_interrupt", "pic_done", "sleep_tick", "sched_tick", "sched_point", "trap_exit")
BEGINNINGS = re.compile(r"(calls:)?(_start|start|boot_high|idle)(\+0x[0-9a-f]+)?")     # what nobody has called


def written(directory: Path, program: str) -> Path:
    """The manifest of an image with one program, and a tick every few hundred instructions."""
    (directory / "calls.asm").write_text(program)
    files = ["calls.asm", *(str(LIBRARY / f"{each}.asm") for each in ("start", "syscall", "print"))]
    (directory / "test.toml").write_text("\n".join((
        "[image]", "description = 'a test'", "[kernel]", "variant = 'basic'", "parameters = { TICK_HZ = 100000 }",
        "[[program]]", "name = 'calls'", f"sources = {files}")))
    return directory / "test.toml"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("frames"), PROGRAM)


@pytest.fixture(scope="module")
def image(manifest: Path) -> Image:
    return build(manifest)


def code_of(image: Image, file: str) -> list[int]:
    """The addresses of the instructions of a file that can be reached."""
    return sorted(reached(Code(image.files[file])))


def reached(code: Code) -> set[int]:
    """The addresses to which the routines of a file come."""
    return {address for entry in code.entries() for address in code.routine(entry)}


@pytest.mark.parametrize("cpu", ["p5-166", "p3-500"])
def test_a_backtrace_is_the_trace_of_the_machine(gdb: Gdb, manifest: Path, image: Image, cpu: str) -> None:
    picked = random.Random(cpu)
    addresses = [address for file, count in (("", 50), ("calls", 30))
                 for address in picked.sample(code_of(image, file), count)]
    addresses += [image.symbols.address(name) for name in ON_A_TICK if image.symbols.address(name) not in addresses]
    said = gdb(manifest, PROGRAM_FILE, "set backtrace past-main on",
               TRACE.replace("ADDRESSES", str(addresses)).replace("STOPS", "110"), options=("--cpu", cpu))
    machine, entered, compared = Machine.boot(image, cpu=cpu), 0, 0
    for instructions, trace in re.findall(r"instruction ([\d,]+)\n(?:.*\n)*?TRACE (.*)", said):
        machine.run(max_instructions=int(instructions.replace(",", "")) - machine.counters.instructions)
        frames = stack.where(machine)
        if all(frame.sure for frame in frames) and BEGINNINGS.fullmatch(frames[-1].name):
            assert trace.split() == [f"{frame.address:x}" for frame in frames]
            entered += any(frame.how in ("trap", "sysenter") for frame in frames)
            compared += 1
    assert compared > 60 and entered > 10


def test_what_an_interrupt_has_interrupted_has_its_registers(gdb: Gdb, manifest: Path) -> None:
    show = "printf \"" + " ".join(["%x"] * len(REGISTERS)) + "\\n\", " + ", ".join(f"${name}" for name in REGISTERS)
    said = gdb(manifest, PROGRAM_FILE, "tbreak main", "continue", "break timer_interrupt", "continue", "continue",
               "delete", "backtrace", "frame 3", show, "frame 0", "finish", "finish", "finish", show)
    assert re.search(r"#1 .*trap_entry/trap_exit .*\n#2  <signal handler called>\n#3 ", said)
    shown = re.findall(rf"^[0-9a-f]+(?: [0-9a-f]+){{{len(REGISTERS) - 1}}}$", said, re.MULTILINE)
    assert len(shown) == 2 and shown[0] == shown[1]


def test_finish_goes_to_the_caller(gdb: Gdb, manifest: Path) -> None:
    said = gdb(manifest, PROGRAM_FILE, "tbreak leaf", "continue", "backtrace", "finish", "info symbol $pc",
               "tbreak console_char", "continue", "finish", "info symbol $pc")
    assert re.search(r"#0 +leaf .*\n#1 .* in framed .*\n#2 .* in framed .*\n#3 .* in framed .*\n#4 .* in main ", said)
    assert re.findall(r"^(\w+) \+ \d+ in section", said, re.MULTILINE) == ["framed", "console_write"]


def test_next_goes_over_calls(gdb: Gdb, manifest: Path) -> None:
    said = gdb(manifest, PROGRAM_FILE, "tbreak start", "continue", *["next"] * 3, "tbreak main", "continue",
               *["next"] * 8)
    assert re.findall(r"^1[4-9]\t +call (\w+)", said, re.MULTILINE)[:4] == ["console_init", "gdt_init", "idt_init",
                                                                              "sysenter_init"]
    lines = [int(line) for line in re.findall(r"^(\d+)\t", said.split("hit Temporary breakpoint 2")[1], re.MULTILINE)]
    assert lines == list(range(lines[0], lines[0] + 2)) + list(range(lines[0] + 3, lines[0] + 10))


def test_a_thread_that_does_not_run_has_a_backtrace(gdb: Gdb) -> None:
    said = gdb("preempt", "add-symbol-file target:/preempt/pong.elf", "break timer_interrupt", "continue", "continue",
               "thread 2", "backtrace")
    backtrace = said.split("Switching to thread 2")[1]
    assert re.search(r"#0 .*\n(?:#\d .*\n)*#\d+ +<signal handler called>\n#\d+ .*main \(\)", backtrace)


def test_handlers_are_found_in_the_code_as_the_processor_has_them(image: Image) -> None:
    machine = Machine.boot(image, cpu="p3-500")
    machine.run(until="modules_start")
    gates = {slot.entry.offset for slot in tables.idt(machine)
             if isinstance(slot.entry, tables.Gate) and slot.entry.present}
    entries = Code(image.files[""]).entries()
    assert {entry.address for entry in entries if entry.slot == Slot.TRAP} == gates
    assert [entry.address for entry in entries if entry.slot == Slot.REGISTERS] == [sysenter(machine)["eip"]]


def test_rows_stand_for_the_whole_of_the_kernel(image: Image) -> None:
    code = Code(image.files[""])
    rows = dict(Rows(code).all())
    missing = [image.symbols.name(address) for address in code_of(image, "") if address not in rows]
    assert missing == []


def test_code_that_runs_into_nothing_has_rows_as_far_as_it_goes(tmp_path: Path) -> None:
    image = build(written(tmp_path, LOST))
    code = Code(image.files["calls"])
    rows = dict(Rows(code).all())
    start = image.programs["calls"].address("main")
    assert {start + offset for offset in (0, 1, 3, 4, 6)} <= rows.keys()        # 6 is lost
    assert all(code.flow.instruction(address) for address in rows)
    assert debug_frame(code)


@given(st.integers(-1 << 40, 1 << 40))
def test_numbers_are_as_long_as_they_must_be(number: int) -> None:
    for encode, negative in ((signed, number < 0), (unsigned, False)):
        value = number if encode is signed else abs(number)
        data = encode(value)
        assert [byte >> 7 for byte in data] == [1] * (len(data) - 1) + [0]
        decoded = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(data))
        assert decoded - (negative << 7 * len(data)) == value
