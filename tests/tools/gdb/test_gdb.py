"""The real gdb, attached to real guests. Each test is one session: commands, and what gdb prints."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tools.gdb.endpoint import Endpoint, EndpointType

Gdb = Callable[..., str]            # the fixture `gdb`
Guests = Any                        # the fixture `guests`


def test_gdb_reads_symbols_and_source_lines_from_the_machine(gdb: Gdb) -> None:
    said = gdb("preempt", "info line switch_load", "tbreak switch_load", "continue", "list")
    assert 'of "kernel/switch.asm" starts at address' in said
    assert re.search(r"Temporary breakpoint 1, switch_load \(\) at kernel/switch.asm:\d+", said)
    assert "mov esp, [eax + TCB_STACK]" in said


def test_gdb_reads_the_symbols_of_a_program(gdb: Gdb) -> None:
    said = gdb("preempt", "add-symbol-file target:/preempt/ping.elf", "hbreak print_decimal", "continue", "backtrace 1")
    assert re.search(r"hit Breakpoint 1, print_decimal \(\) at lib/print.asm:\d+", said)


def test_gdb_sees_the_processor(gdb: Gdb) -> None:
    said = gdb("hello", "print $cr0", "print/x $cs", "print $st0", "print $xmm0.uint128", "info registers",
               "print $eflags", options=("--cpu", "p3-500"))
    assert "$1 = [ PE ET ]" in said
    assert "$2 = 0x8" in said
    assert "$3 = 0" in said
    assert "$4 = 0" in said
    assert "gdtr_limit" in said and "sysenter_eip" in said
    assert "$5 = [ IOPL=0 ]" in said


def test_gdb_changes_registers_and_memory(gdb: Gdb) -> None:
    said = gdb("hello", "set $eax = 7", "print $eax", "set var *(int *) 0x3000 = 0x1234", "x/xw 0x3000",
               "set $st0 = 1.5", "print $st0")
    assert "$1 = 7" in said
    assert "0x3000:\t0x00001234" in said
    assert "$2 = 1.5" in said


def test_gdb_stops_at_two_breakpoints_that_follow_each_other(gdb: Gdb) -> None:
    said = gdb("hello", "break start", "break *(start + 5)", "continue", "delete 1", "break console_init", "continue",
               "reverse-stepi", "info symbol $pc")
    assert "Breakpoint 1, start" in said
    assert "Breakpoint 3, console_init" in said
    assert "start in section" in said


def test_gdb_steps_over_a_breakpoint_onto_another(gdb: Gdb) -> None:
    said = gdb("hello", "break idt_init", "continue", "delete", "break *$pc", "stepi", "break *$pc", "reverse-stepi",
               "continue", "info breakpoints")
    assert re.search(r"Breakpoint 3, .*idt_init", said)


def test_gdb_watches_memory(gdb: Gdb) -> None:
    said = gdb("preempt", "break switch_load", "continue", "watch *(int *) &frames_used", "delete 1", "continue",
               "continue", "reverse-continue", "reverse-continue")
    values = re.findall(r"Old value = (\d+)\nNew value = (\d+)", said)
    assert len(values) == 4
    assert values[2:] == [value[::-1] for value in reversed(values[:2])]


def test_gdb_goes_back(gdb: Gdb) -> None:
    said = gdb("preempt", "break timer_interrupt", "continue", "print $pc", "monitor where", "reverse-stepi", "stepi",
               "monitor where", "reverse-continue")
    places = re.findall(r"^timer_interrupt, ring 0, cycle .*$", said, re.MULTILINE)
    assert len(places) == 2 and len(set(places)) == 1
    assert "No more reverse-execution history" in said
    assert "_start ()" in said


def test_gdb_shows_the_threads_of_the_guest(gdb: Gdb) -> None:
    said = gdb("preempt", "break timer_interrupt", "continue", "info threads", "thread 3", "print $eip", "print $eax",
               "stepi", "info threads")
    assert re.search(r'\* 2 .*"ping \(1\), running" .*timer_interrupt', said)
    assert re.search(r'  3 .*"pong \(2\), ready" .*trap_exit', said)
    assert "$2 = <unavailable>" in said
    assert re.search(r'\* 3 .*"pong \(2\), running" ', said)


def test_gdb_hears_the_exit_code(gdb: Gdb, guests: Guests) -> None:
    assert "exited with code 07" in gdb(guests.of("mov eax, 7\nout 0xF4, eax"), "continue")


def test_monitor_commands_answer(gdb: Gdb) -> None:
    said = gdb("hello", "monitor help", "monitor where", "monitor cycles", "monitor counters", "monitor crossings",
               "monitor devices", "monitor pit", "monitor page 0x100000", "monitor nonsense", "monitor page",
               "monitor 'unclosed")
    assert "step-interrupts [on|off]" in said
    assert "boot" in said or "_start" in said
    assert "pic1" in said and "com1" in said
    assert "'nonsense' is no command" in said
    assert "usage: monitor page ADDRESS" in said
    assert "No closing quotation" in said


def test_ctrl_c_in_gdb_stops_a_guest(gdb: Gdb, guests: Guests) -> None:
    said = gdb(guests.of("jmp ."), "python import threading, os, signal",
               f"python threading.Timer(1.5, lambda: os.kill(os.getpid(), {signal.SIGINT})).start()", "continue",
               "print $pc", "kill")
    assert "Program received signal SIGINT" in said or "Thread 1 received signal SIGINT" in said
    assert "$1 = " in said


# The command line

def test_the_machine_says_where_it_waits_and_ends_by_a_signal(command: list[str], guests: Guests) -> None:
    boot = subprocess.Popen([*command, "boot", guests.of("jmp ."), "--gdb", "0"], stdin=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
    assert boot.stderr
    assert re.fullmatch(r"trapline: the guest waits for gdb: target remote 127\.0\.0\.1:\d+\n", boot.stderr.readline())
    time.sleep(0.2)
    boot.send_signal(signal.SIGINT)
    boot.communicate(timeout=30)
    assert boot.returncode == 130


@pytest.mark.parametrize("wrong", ["x", "70000", "-1", "host:", "1.5"])
def test_what_is_no_port_is_refused(trapline: Callable[..., Any], wrong: str) -> None:
    assert trapline("boot", "hello", "--gdb", wrong).complains("is not a port")


def test_a_port_that_is_taken_is_refused(trapline: Callable[..., Any]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = trapline("boot", "hello", "--gdb", taken.getsockname()[1])
    assert ended.status == 2
    assert ended.complains("cannot listen", "choose another port")


def test_limits_are_for_gdb_to_say(trapline: Callable[..., Any]) -> None:
    assert trapline("boot", "hello", "--gdb", "0", "--max-cycles", "5").complains("leave out limits")


@pytest.mark.parametrize(("text", "endpoint", "local"), [
    ("1234", Endpoint("127.0.0.1", 1234), True), (":5", Endpoint("127.0.0.1", 5), True),
    ("localhost:0", Endpoint("localhost", 0), True), ("[::1]:9", Endpoint("::1", 9), True),
    ("0.0.0.0:1", Endpoint("0.0.0.0", 1), False), ("example.org:1", Endpoint("example.org", 1), False)])
def test_an_endpoint_is_a_port_or_a_host_and_port(text: str, endpoint: Endpoint, local: bool) -> None:
    found = EndpointType().convert(text, None, None)
    assert (found, found.is_local) == (endpoint, local)


def test_a_host_that_others_can_reach_is_worth_a_warning(capfd: pytest.CaptureFixture[str]) -> None:
    from tools.gdb.endpoint import listen

    listen(Endpoint("0.0.0.0", 0)).close()
    assert "open to the network" in capfd.readouterr().err
