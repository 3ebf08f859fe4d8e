"""`trapline boot`: how runs end, what is reported, what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emu.net import pcap
from emu.result import Reason
from emu.timing.profile import profiles
from loader.manifest import GUEST, IMAGES
from tools.exit_codes import ExitCode

Trapline = Callable[..., Any]       # the fixture `trapline`
Guests = Any                        # the fixture `guests`

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
BANNER = "trapline: 15240 KiB free, 1000 ticks a second, system calls by INT 80h and SYSENTER\n"


# The end

def test_hello_prints_its_line_and_nothing_else(trapline: Trapline) -> None:
    ended = trapline("boot", "hello")
    assert (ended.status, ended.out, ended.err) == (0, f"{BANNER}hello, world\n", "")


def test_without_a_name_the_default_image_is_booted(trapline: Trapline) -> None:
    assert "pong: 5 of 5\n" in trapline("boot").out


@pytest.mark.parametrize(("value", "status"), [(0, 0), (7, 7), (255, 255), (256, 0), (0xFFFFFFFF, 255)])
def test_the_exit_code_is_the_guest_s_own_modulo_256(value: int, status: int, trapline: Trapline,
                                                     guests: Guests) -> None:
    ended = trapline("boot", guests.of(f"mov eax, {value}\nout 0xF4, eax"))
    assert (ended.status, ended.err) == (status, "")


def test_a_program_that_faults_leaves_its_exit_code(trapline: Trapline, tmp_path: Path) -> None:
    (tmp_path / "fault.asm").write_text("; _start: faults\n.global _start\n_start: ud2\n")
    (tmp_path / "fault.toml").write_text('[image]\ndescription = "faults"\nkernel = "basic"\n'
                                         '[[program]]\nname = "fault"\nsources = ["fault.asm"]\n')
    assert trapline("boot", tmp_path / "fault.toml").status == 128 + 6


@pytest.mark.parametrize(("instructions", "options", "status", "words"), [
    ("jmp _start", ("--max-cycles", "5000"), ExitCode.LIMIT, ("cycle limit: 5000 cycles", "at _start", "--max-cycles")),
    ("jmp _start", ("--max-instructions", "2K"), ExitCode.LIMIT, ("instruction limit: 2000", "ring 0, cycle 2,000")),
    ("cli\nhlt\njmp _start", (), ExitCode.HALTED, ("halted", "interrupts disabled", "_start+0x7")),
    ("sti\nhlt\njmp _start", (), ExitCode.HALTED, ("idle", "_start+0x7", "give the guest input")),
    ("mov al, 0xFE\nout 0x64, al\njmp _start", (), ExitCode.RESET, ("reset", "_start+0x")),
    ("in al, 0x99", ("--strict",), ExitCode.UNCLAIMED, ("unclaimed: read of 1 bytes at 0x99", "--strict")),
    ("mov eax, 0x20\nmov cr4, eax\nmov eax, 0x80000001\nmov cr0, eax\njmp _start", (), ExitCode.UNSUPPORTED,
     ("unsupported", "CR4.PAE")),
])
def test_every_other_end_has_its_exit_code_and_a_line(instructions: str, options: tuple[str, ...], status: ExitCode,
                                                      words: tuple[str, ...], trapline: Trapline,
                                                      guests: Guests) -> None:
    ended = trapline("boot", guests.of(instructions), *options)
    assert ended.status == status
    assert ended.complains(*words)


def test_a_triple_fault_shows_registers_and_a_likely_cause(trapline: Trapline, guests: Guests) -> None:
    ended = trapline("boot", guests.of("mov ebx, 0x1234\nint3"))
    assert ended.status == ExitCode.TRIPLE_FAULT
    first, *rest = ended.err.splitlines()
    assert first.startswith("trapline: triple fault: at _start+0xa")
    assert "ebx 00001234" in rest[0] and "esp 00090000" in rest[1]
    assert "the IDT has no gate for a double fault" in rest[-1]


def test_an_unclaimed_port_is_no_end_unless_it_is_asked_for(trapline: Trapline, guests: Guests) -> None:
    assert trapline("boot", guests.of("in al, 0x99\nmovzx eax, al\nout 0xF4, eax")).status == 0xFF


# Places

@pytest.mark.parametrize(("place", "where"), [
    ("syscall_dispatch", "syscall_dispatch"), ("syscall_dispatch+0", "syscall_dispatch"), ("hello:main", "hello:main"),
    ("hello:main+0x5", "hello:main+0x5")])
def test_a_run_ends_in_front_of_a_place(place: str, where: str, trapline: Trapline) -> None:
    ended = trapline("boot", "hello", "--until", place)
    assert ended.status == ExitCode.REACHED
    assert ended.err.startswith(f"trapline: reached {where}, ring {3 if ':' in place else 0}, cycle ")


def test_a_place_may_be_an_address(trapline: Trapline, guests: Guests) -> None:
    ended = trapline("boot", guests.of("nop\nnop\njmp _start"), "--until", "0x100006", "--max-cycles", "100")
    assert ended.complains("reached _start+0x6, ring 0, cycle 2")


# What the guest finds

def test_the_guest_finds_the_memory_that_it_was_given(trapline: Trapline) -> None:
    assert trapline("boot", "hello", "--mem", "64M").out.startswith("trapline: 64392 KiB free")


def test_the_guest_finds_the_processor_that_was_named(trapline: Trapline, guests: Guests) -> None:
    guest = guests.of("xor eax, eax\ncpuid\nmovzx eax, bl\nout 0xF4, eax")
    assert trapline("boot", guest).status == ord("G")                       # GenuineIntel
    assert trapline("boot", guest, "--cpu", "k7-550").status == ord("A")    # AuthenticAMD


def test_the_clock_chip_starts_at_the_epoch(trapline: Trapline, guests: Guests) -> None:
    guest = guests.of("mov al, 9\nout 0x70, al\nin al, 0x71\nmovzx eax, al\nout 0xF4, eax")
    assert trapline("boot", guest).status == 0x00                           # the year, BCD
    assert trapline("boot", guest, "--epoch", "0").status == 0x70


def test_a_multiboot_kernel_gets_its_command_line_and_modules(trapline: Trapline, guests: Guests,
                                                              tmp_path: Path) -> None:
    (tmp_path / "with blank").write_bytes(b"MODULE ONE")
    (tmp_path / "two").write_bytes(b"MODULE TWO")
    guest = guests.multiboot("""
    mov esi, [ebx + 16]             ; command line
    call print
    mov edi, [ebx + 24]             ; modules: start, end, string
    mov ebp, [ebx + 20]
.Lmodule:
    mov esi, [edi]
    mov ecx, [edi + 4]
    sub ecx, esi
    rep outsb
    mov esi, [edi + 8]
    call print
    add edi, 16
    dec ebp
    jnz .Lmodule
    xor eax, eax
    out 0xF4, eax
print:
    mov edx, 0xE9
.Lnext:
    outsb
    cmp byte ptr [esi - 1], 0
    jne .Lnext
    ret
""")
    ended = trapline("boot", guest, "--cmdline", "a=1 b", "--module", tmp_path / "with blank", "--module",
                     f"{tmp_path / 'two'} x y", "--debug-console", f"file:{tmp_path / 'out'}")
    assert ended.status == 0, ended.err
    assert (tmp_path / "out").read_bytes() == b"a=1 b\0MODULE ONEwith blank\0MODULE TWOtwo x y\0"


def test_a_flat_file_goes_where_the_address_says(trapline: Trapline, tmp_path: Path) -> None:
    (tmp_path / "flat").write_bytes(bytes.fromhex("bc00000900 e800000000 58 e7f4"))   # mov esp; call; pop eax; out F4h
    ended = trapline("boot", tmp_path / "flat", "--address", "0x20000")
    assert (ended.status, ended.err) == (0x2000A % 256, "")


# Consoles

def test_the_serial_port_can_go_to_a_file_or_nowhere(trapline: Trapline, tmp_path: Path) -> None:
    ended = trapline("boot", "hello", "--serial", f"file:{tmp_path / 'log'}")
    assert (ended.out, (tmp_path / "log").read_text()) == ("", f"{BANNER}hello, world\n")
    assert trapline("boot", "hello", "--serial", "null").out == ""


def test_the_debug_console_is_shown_when_asked_for(trapline: Trapline, guests: Guests) -> None:
    guest = guests.of("mov al, 'A'\nout 0xE9, al\nxor eax, eax\nout 0xF4, eax")
    assert trapline("boot", guest).err == ""
    assert trapline("boot", guest, "--debug-console", "stderr").err == "A"


def test_a_console_that_cannot_be_written_is_one_line(trapline: Trapline) -> None:
    ended = trapline("boot", "hello", "--serial", "file:/dev/full")
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains("/dev/full: no space left on device")


# The report

def test_the_report_is_all_that_is_printed_and_holds_the_console(trapline: Trapline) -> None:
    ended = trapline("boot", "preempt", "--json")
    report = json.loads(ended.out)
    assert ended.err == ""
    assert (report["status"], report["reason"], report["exit_code"], report["image"]) == (0, "exit", 0, "preempt")
    assert (report["cpu"], report["clock_hz"], report["memory"]) == ("unit", 100_000_000, 16 << 20)
    assert report["traps"]["14"] == 1 and report["trap_names"] == {"14": "PF"}
    assert report["irqs"]["0"] == report["traps"]["32"] > 100
    assert report["console"].endswith("pong: 5 of 5\n")
    assert report["host_mips"] > 0 and len(report["digest"]) == 64
    assert report["where"].startswith("machine_end")


def test_two_reports_differ_in_nothing_but_the_host_s_time(trapline: Trapline) -> None:
    first, second = (json.loads(trapline("boot", "preempt", "--json", "--max-cycles", "3M").out) for _ in range(2))
    for report in (first, second):
        assert report.pop("host_seconds") > 0 and report.pop("host_mips") > 0
    assert first == second
    assert (first["reason"], first["status"]) == ("cycle limit", ExitCode.LIMIT)


def test_the_documentation_has_every_key_of_the_report_and_every_reason(trapline: Trapline) -> None:
    page = PAGE.read_text()
    section = page[page.index("### The report"):page.index("## Exit codes")]
    keys = [key for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)]
    report = json.loads(trapline("boot", "hello", "--nic", "none", "--json").out)
    assert sorted(keys) == sorted(report)
    for reason in Reason:
        assert f"`{reason}`" in section


def test_bytes_that_are_no_text_are_escaped_in_the_report(trapline: Trapline, guests: Guests) -> None:
    guest = guests.of("mov al, 0xFF\nout 0xE9, al\nmov al, 'x'\nout 0xE9, al\nxor eax, eax\nout 0xF4, eax")
    assert json.loads(trapline("boot", guest, "--json").out)["debug_console"] == "\\xffx"


def test_parameters_of_the_kernel_go_over_those_of_the_image(trapline: Trapline) -> None:
    ended = trapline("boot", "hello", "--parameter", "TICK_HZ=250", "--parameter", "TICK_HZ=500")
    assert "500 ticks a second" in ended.out and ended.status == 0


def test_a_network_card_is_plugged_in_and_recorded(trapline: Trapline, tmp_path: Path) -> None:
    file = tmp_path / "run.pcap"
    network = "--nic", f"udp:dst=10.0.0.2,frames=1000,mac=52:54:00:12:34:56+pcap:{file}", "--wire", "rate=1G"
    ended = trapline("boot", "preempt", "--cpu", "p2-450", *network, "--max-cycles", "9M")
    assert ended.status == ExitCode.LIMIT
    assert len(pcap.load(file)) == 20           # at 0, 1, ... 19 ms; the one at 20 ms is still on the wire


def test_a_network_that_a_manifest_asks_for(trapline: Trapline, tmp_path: Path) -> None:
    manifest = tmp_path / "own.toml"
    hello = (IMAGES / "hello.toml").read_text().replace("..", str(GUEST))
    manifest.write_text(hello.replace("[image]", '[image]\nnic = "loop+pcap:own.pcap"\nwire = "rate=1G"'))

    def network(*arguments: str) -> tuple[int, int, bool]:
        (tmp_path / "own.pcap").unlink(missing_ok=True)
        found = json.loads(trapline("boot", manifest, "--json", *arguments).out)["network"]
        return found["rate"], found["delay"], (tmp_path / "own.pcap").exists()

    assert network() == (10**9, 500, True)
    assert network("--wire", "delay=1us") == (10**8, 1000, True)
    assert network("--nic", "none") == (10**9, 500, False)
    for key, good, bad, words in (("nic", "loop+", "hoop+", "'hoop' cannot be plugged in"),
                                  ("wire", "rate=1G", "rate=fast", "rate of a wire: 'fast' is not a whole number")):
        text = manifest.read_text()
        manifest.write_text(text.replace(good, bad))
        assert trapline("boot", manifest).complains(f"{manifest}: image.{key}: {words}")
        assert trapline("build", manifest, "-o", tmp_path / "out").complains(f"{manifest}: image.{key}: {words}")
        manifest.write_text(text)


def test_the_report_has_the_network_if_there_is_one(trapline: Trapline) -> None:
    nic = "--nic", "udp:dst=10.0.0.2,frames=1000,mac=52:54:00:12:34:56"
    network = json.loads(trapline("boot", "hello", "--json", *nic, "--max-cycles", "850K").out)["network"]
    assert network["udp sent"] == network["wire.1 sent"] == 9
    assert "network" not in json.loads(trapline("boot", "hello", "--json", "--max-cycles", "1000").out)


@pytest.mark.parametrize("command", ["boot", "trace", "step"])
def test_a_capture_that_cannot_be_written_is_named(command: str, trapline: Trapline) -> None:
    nic = "--nic", "udp:dst=10.0.0.2,frames=100000,size=1000,mac=52:54:00:12:34:56+pcap:/dev/full"
    ended = trapline(command, "preempt", *nic, "--max-cycles", "1M")
    assert ended.status == ExitCode.BAD_INPUT and ended.complains("/dev/full: no space left on device")


def test_a_capture_that_cannot_be_finished_is_named(trapline: Trapline) -> None:
    ended = trapline("boot", "hello", "--nic", "none+pcap:/dev/full")
    assert ended.status == ExitCode.BAD_INPUT and "hello, world" in ended.out
    assert ended.err == "trapline: /dev/full: no space left on device\n"


def test_a_run_that_is_made_again_leaves_the_capture_of_the_first(trapline: Trapline, tmp_path: Path) -> None:
    file = tmp_path / "x.pcap"
    nic = "--nic", f"udp:dst=10.0.0.2,frames=1000,mac=52:54:00:12:34:56+pcap:{file}"
    assert trapline("boot", "hello", *nic).status == 0
    once = file.read_bytes()
    assert len(pcap.load(file)) > 5
    assert trapline("costs", "hello", *nic, "--ledger", "switch", "--which", "max").status == 0
    assert file.read_bytes() == once
    assert trapline("diff", "hello", "hello", *nic).status == 0
    assert file.read_bytes() == once


@pytest.mark.parametrize("asked", [False, True])
def test_the_network_is_imported_if_there_is_one(asked: bool) -> None:
    command = ["boot", "hello", "--max-cycles", "1", *(["--nic", "none"] if asked else [])]
    check = (f"import sys; from tools.cli import main; main({command}); "
             f"sys.exit(('emu.net.plug' in sys.modules) != {asked})")
    assert subprocess.run([sys.executable, "-c", check], timeout=100, capture_output=True).returncode == 0


# Bad input

@pytest.mark.parametrize(("arguments", "words"), [
    (("nosuch",), ("nosuch: neither an image nor a file here", "trapline images")),
    (("helo",), ("did you mean hello?",)),
    (("/nonexistent",), ("/nonexistent: no such file",)),
    (("/",), ("a directory",)),
    (("hello", "--cpu", "p9"), ("'p9'", *profiles())),
    (("hello", "--cpu", "/nonexistent.toml"), ("/nonexistent.toml",)),
    (("hello", "--mem", "3X"), ("--mem", "'3X' is not a size", "K, M or G")),
    (("hello", "--mem", "2G"), ("--mem", "'2G'")),
    (("hello", "--mem", "70000"), ("multiple of 4 KiB",)),
    (("hello", "--mem", "1M"), ("RAM ends at 0x100000", "--mem")),
    (("hello", "--address", "0x1000"), ("leave out --address",)),
    (("hello", "--max-cycles", "0"), ("--max-cycles", "'0' is not a count")),
    (("hello", "--max-cycles", "-5"), ("--max-cycles",)),
    (("hello", "--max-instructions", "many"), ("--max-instructions", "'many'")),
    (("hello", "--until", "machine_ned"), ("machine_ned", "did you mean machine_end?")),
    (("hello", "--until", "0xyz"), ("neither an address nor a symbol",)),
    (("hello", "--epoch", "-1"), ("--epoch",)),
    (("hello", "--serial", "com2"), ("'com2' is not one of stdio, null, file:PATH",)),
    (("hello", "--serial", "file:"), ("--serial",)),
    (("hello", "--serial", "file:/nonexistent/x"), ("/nonexistent/x: no such file or directory",)),
    (("hello", "--module", "/nonexistent"), ("/nonexistent: no such file",)),
    (("hello", "--module", ""), ("is a directory",)),
    (("hello", "--parameter", "TICK_HZ"), ("--parameter", "'TICK_HZ' is not NAME=N")),
    (("hello", "--parameter", "TICK_HZ=fast"), ("'TICK_HZ=fast' is not NAME=N",)),
    (("hello", "--parameter", "TICK_HZ=-5000000000"), ("kernel.parameters.TICK_HZ", "an integer of 32 bits")),
    (("hello", "--parameter", "TICKS=5"), ("no source of the kernel uses the parameter TICKS",)),
    (("hello", "--parameter", "PIT_HZ=5"), ("kernel.parameters.PIT_HZ belongs to the ABI",)),
    ((__file__, "--parameter", "TICK_HZ=500"), ("has been built already",)),
    (("hello", "--nic", "hots"), ("--nic", "'hots' cannot be plugged in", "host")),
    (("hello", "--nic", "host:10.0.0"), ("--nic", "10.0.0")),
    (("hello", "--nic", "pcap:/nonexistent/x"), ("/nonexistent/x: no such file or directory",)),
    (("hello", "--nic", "none", "--wire", "rate=fast"), ("--wire", "'fast' is not a whole number")),
    (("hello", "--wire", "rate=1G"), ("--wire belongs to --nic",)),
    (("hello", "again"), ("unexpected extra argument (again)", "trapline boot --help")),
    (("hello", "--cmdline"), ("--cmdline", "requires an argument")),
])
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], words: tuple[str, ...],
                                               trapline: Trapline) -> None:
    ended = trapline("boot", *arguments)
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains(*words), ended.err


@pytest.mark.parametrize(("content", "words"), [
    (b"", ("is empty",)),
    (b"\x7fELF", ("truncated",)),
    (b"text", ("neither ELF nor Multiboot", "--address"))])
def test_a_file_that_is_no_image_is_one_line(content: bytes, words: tuple[str, ...], trapline: Trapline,
                                             tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(content)
    ended = trapline("boot", tmp_path / "image")
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains(*words)


def test_a_snapshot_goes_on_where_it_was_taken(trapline: Trapline, tmp_path: Path) -> None:
    machine, file = ("preempt", "--cpu", "p3-500"), tmp_path / "machine.snapshot"
    whole = json.loads(trapline("boot", *machine, "--json").out)
    assert trapline("boot", *machine, "--max-cycles", "8M", "--save-snapshot", file).status == ExitCode.LIMIT
    rest = json.loads(trapline("boot", *machine, "--snapshot", file, "--json").out)
    assert [name for name in whole if rest[name] != whole[name] and not name.startswith("host_")] == []
    assert whole["cycles"] > 8_000_000


@pytest.mark.parametrize(("arguments", "words"), [
    (("hello", "--cpu", "p3-500"), ("taken of preempt", "runs hello")),
    (("preempt", "--cpu", "k7-550"), ("with --cpu p3-500", "has k7-550")),
    (("preempt", "--cpu", "p3-500", "--mem", "32M"), ("memory", "16")),
])
def test_a_snapshot_of_another_machine_is_refused(arguments: tuple[str, ...], words: tuple[str, ...],
                                                  trapline: Trapline, tmp_path: Path) -> None:
    file = tmp_path / "machine.snapshot"
    trapline("boot", "preempt", "--cpu", "p3-500", "--max-cycles", "1M", "--save-snapshot", file)
    ended = trapline("boot", *arguments, "--snapshot", file)
    assert ended.status == ExitCode.BAD_INPUT and ended.complains(*words), ended.err


def test_a_file_that_is_no_snapshot_is_refused(trapline: Trapline, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"not one")
    assert trapline("boot", "preempt", "--snapshot", tmp_path / "x").complains("no snapshot", "--save-snapshot")
    assert trapline("boot", "preempt", "--snapshot", tmp_path / "y").complains("no such file")
    full = trapline("boot", "preempt", "--max-cycles", "1", "--save-snapshot", tmp_path / "no" / "y")
    assert full.status == ExitCode.BAD_INPUT and "no such file" in full.err


def test_a_source_with_an_error_is_reported_with_its_line(trapline: Trapline, tmp_path: Path) -> None:
    (tmp_path / "bad.asm").write_text("; _start: bad\n.global _start\n_start:\n    mov eax, [nonsense\n")
    (tmp_path / "bad.toml").write_text('[image]\ndescription = "bad"\nkernel = ["bad.asm"]\n')
    ended = trapline("boot", tmp_path / "bad.toml")
    assert ended.status == ExitCode.BAD_INPUT
    assert "bad.asm:4: " in ended.err and "Traceback" not in ended.err
