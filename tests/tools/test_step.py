"""The debugger in the terminal: its commands one by one, and `trapline step` as a whole."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emu.machine import Machine
from emu.snapshot import Snapshot
from loader.manifest import GUEST
from tools.exit_codes import ExitCode
from tools.step import prompt
from tools.step.commands import Quit, execute
from tools.step.registry import COMMANDS, Mistake
from tools.step.session import Session

Trapline = Callable[..., Any]       # the fixture `trapline`


@pytest.fixture
def session() -> Session:
    """`preempt` at its first instruction."""
    return Session(Machine.boot("preempt"), (str(GUEST),))


def run(session: Session, *lines: str) -> str:
    """Carry out some lines: the text of the last answer."""
    for line in lines:
        text = execute(session, line).text
    return text


def here(session: Session) -> str:
    """Where the machine stands."""
    return str(session.where()["name"])


# Snapshots

def test_a_saved_moment_is_where_another_machine_goes_on(session: Session, tmp_path: Path) -> None:
    run(session, "until sched_pick", f"save {tmp_path / 'moment'}", "step 100")
    other = Machine.boot("preempt")
    other.restore(Snapshot.load(tmp_path / "moment"))
    assert other.where() == "sched_pick"
    other.run(max_instructions=100)
    assert other.cpu.state.cycles == session.machine.cpu.state.cycles


def test_a_moment_that_cannot_be_saved_is_a_mistake(session: Session, tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="no such file"):
        run(session, f"save {tmp_path / 'no' / 'moment'}")
    with pytest.raises(Mistake, match="give a file"):
        run(session, "save")


# Forward

def test_a_step_into_a_system_call_ends_in_front_of_its_first_instruction() -> None:
    session = Session(Machine.boot("hello", cpu="p5-166"))     # which has no SYSENTER
    run(session, "until hello:syscall_by_int")
    assert run(session, "step").startswith("vector 0x80, on its way back to hello:syscall_by_int+0x2")
    assert here(session) == "syscall_int"
    assert session.machine.cpu.cpl == 0


def test_a_step_that_faults_ends_in_front_of_the_handler(session: Session) -> None:
    run(session, "until crash:count_members", "step")
    assert run(session, "step") == "exception 14 (#PF), address 0x0"
    assert here(session) == "vector_stubs+0xe0"


def test_a_step_that_is_interrupted_ends_in_front_of_the_handler(session: Session) -> None:
    run(session, "break vector 0x20", "continue", "delete", "reverse-step")
    assert session.machine.cpu.cpl == 3
    assert run(session, "step").startswith("vector 0x20")
    assert here(session) == "vector_stubs+0x200"


def test_next_stays_in_the_program_whatever_comes_between(session: Session) -> None:
    run(session, "until pong:main", "until pong:print_word")
    seen = []
    for _ in range(12):
        run(session, "next")
        assert (session.machine.cpu.cpl, session.program) == (3, "pong")
        seen.append(here(session))
    assert len(set(seen)) > 5
    run(session, "finish")
    assert here(session).startswith("pong:main")


def test_next_runs_over_a_tick(session: Session) -> None:
    run(session, "break vector 0x20", "continue", "delete")
    run(session, "back")
    before, ticks = session.machine.cpu.linear_eip, session.machine.irqs[0]
    run(session, "next")
    assert session.machine.irqs[0] > ticks
    assert session.machine.cpu.cpl == 3 and abs(session.machine.cpu.linear_eip - before) < 16
    assert session.program == "ping"


def test_next_runs_over_a_call(session: Session) -> None:
    run(session, "until start", "next")
    assert here(session) == "start+0x5"
    run(session, "next 3")
    assert here(session) == "start+0x14"


def test_finish_goes_to_the_caller_and_from_a_handler_to_what_it_interrupted(session: Session) -> None:
    run(session, "until gdt_init", "finish")
    assert here(session) == "start+0xa"
    run(session, "break vector 0x20", "continue", "delete")
    words = [session.space.word(session.machine.cpu.registers.esp + at) for at in (0, 12)]
    run(session, "finish")
    assert [session.machine.cpu.linear_eip, session.machine.cpu.registers.esp] == words
    with pytest.raises(Mistake, match="use until PLACE"):
        run(session, "goto start", "finish")


def test_until_a_place_of_a_program_waits_for_that_program(session: Session) -> None:
    run(session, "until pong:main")
    assert session.program == "pong"


def test_the_end_of_the_guest_is_told_and_one_can_go_back(session: Session) -> None:
    assert "ended the machine with exit code 0" in run(session, "continue")
    assert session.status == 0
    run(session, "back 1000")
    assert "ended the machine" in run(session, "continue")


# Backward

def test_back_undoes_steps_and_goto_finds_moments_again(session: Session) -> None:
    run(session, "until sched_tick", "bookmark tick")
    places = []
    for _ in range(30):
        places.append((here(session), session.timeline.position))
        run(session, "step")
    for place in reversed(places):
        run(session, "back")
        assert (here(session), session.timeline.position) == place
    run(session, "goto start", "goto tick")
    assert here(session) == "sched_tick"
    count = session.timeline.position.instructions
    run(session, f"goto instruction {count + 7}", f"goto instruction {count}", "goto cycle 1000", "goto end")
    assert session.timeline.position == session.timeline.farthest


def test_reverse_continue_goes_from_breakpoint_to_breakpoint(session: Session) -> None:
    run(session, "break timer_interrupt", "continue", "continue")
    ticks = session.machine.irqs[0]
    assert run(session, "reverse-continue").startswith("breakpoint 1")
    assert session.machine.irqs[0] == ticks - 1
    assert run(session, "rc") == "the beginning"
    assert run(session, "back") == "this is the beginning"


# Stopping

def test_breakpoints_are_listed_changed_and_deleted(session: Session) -> None:
    run(session, "break timer_interrupt if [clock_ticks] >= 1", "tbreak #PF", "watch clock_ticks 2")
    assert len(run(session, "info").splitlines()) == 3
    run(session, "condition 1", "disable 2", "ignore 3 1", "delete 3")
    assert run(session, "breakpoints").splitlines()[0].startswith("  1  timer_interrupt (0xc01")
    assert "disabled" in run(session, "info")
    run(session, "enable 2", "delete")
    assert run(session, "info") == "no breakpoints"


def test_a_watchpoint_tells_what_was_written_and_by_whom(session: Session) -> None:
    run(session, "until timer_init", "watch clock_ticks")
    assert run(session, "continue") == "watchpoint 1: clock_ticks: 0x0 -> 0x1, by timer_interrupt+0x17"
    assert here(session) == "timer_interrupt+0x1d"


# Looking

@pytest.mark.parametrize(("line", "words"), [
    ("regs", ("EAX ", "IDTR base c0103050", "PE EM ET NE WP PG", "SYSENTER  CS")),
    ("gdt", ("TSS, busy", "code 00000000")),
    ("idt 0x20", ("interrupt gate to 0008:c0101300 vector_stubs+0x200",)),
    ("tss", ("ESP0", "ports open to ring 3: none")),
    ("pages", ("read, write, user", "kernel")), ("pages clock_ticks", ("PDE at", "4 KiB page, read, write, kernel")),
    ("tlb", ("c0101000 -> 00101000",)), ("pic", ("pic2", "IMR                    feh")), ("pit", ("2 (rate)",)),
    ("devices", ("com1               ports 0x3f8-0x3ff",)), ("devices com1", ("LSR",)),
    ("threads", ("*   1  ping         running", "    2  pong         ready")), ("spaces", ("ping (1)",)),
    ("where", ("#0   timer_interrupt", "vector 0x20 interrupted ping:main+")), ("where pong", ("pong:_start",)),
    ("stack 3", ("called by trap_exit",)),
    ("disas", ("> c0101", "    ; pic_done", "kernel/timer.asm:34")),
    ("list", ("timer_interrupt:", ">   34      push eax")), ("mem clock_low 4", ("c0118034  ",)),
    ("mem text_trapline text", ("trapline: ",)), ("mem text_trapline 8 byte", ("74 72 61", "trapline")),
    ("print clock_ticks", ("clock_ticks",)), ("counters", ("instructions", "irqs 0")),
    ("console", ("1000 ticks a second",)), ("help", ("reverse-continue", "watch")), ("help next", ("next [N]",)),
])
def test_looking(session: Session, line: str, words: tuple[str, ...]) -> None:
    run(session, "until timer_interrupt")
    before = session.timeline.position
    answer = execute(session, line)
    assert all(word in answer.text for word in words), answer.text
    json.dumps(answer.data)
    assert session.timeline.position == before and not answer.moved


def test_every_command_that_looks_works_before_the_kernel_has_begun(session: Session) -> None:
    for name in ("regs", "gdt", "idt", "pages", "tlb", "pic", "pit", "devices", "where", "disas", "threads", "counters",
                 "stack", "spaces", "console"):
        execute(session, name)


def test_every_command_has_a_line_of_help(session: Session) -> None:
    listed = run(session, "help")
    assert all(each.names[0] in listed and each.help for each in COMMANDS.values())


def test_set_changes_registers_and_memory_until_one_goes_back(session: Session) -> None:
    run(session, "until timer_interrupt", "set ecx = 5 + 1", "set [clock_ticks]=0x1234", "set byte [clock_ticks+3] = 1")
    assert session.machine.cpu.registers.ecx == 6
    assert session.value("[clock_ticks]") == 0x01001234
    run(session, "step", "back")
    assert session.value("[clock_ticks]") == 0x01001234
    run(session, "reverse-continue")
    assert session.value("ecx") != 6


def test_what_is_sent_comes_again_on_the_way_back(guests: Any) -> None:
    session = Session(Machine.boot(guests.polling(fifo=True, delay=10)))
    run(session, "goto cycle 200000", "send abcq")
    assert "exit code 4" in run(session, "continue")
    text = bytes(session.machine.console)
    assert text == b">abcq"
    run(session, "goto start")
    assert "exit code 4" in run(session, "continue")
    assert bytes(session.machine.console) == text


# Lines

def test_an_empty_line_repeats_what_makes_sense_to_repeat(session: Session) -> None:
    run(session, "step 2", "")
    assert session.timeline.position.instructions == 4
    run(session, "regs", "")
    assert session.timeline.position.instructions == 4


@pytest.mark.parametrize(("line", "words"), [
    ("nonsense", "no command 'nonsense'"), ("st", "do you mean stack, step"),
    ("mem 0xF0000000", "no memory at 0xf0000000"),
    ("print nobody", "neither a register nor a symbol"), ("break nowhere", "neither a register nor a symbol"),
    ("step none", "'none' is no number"), ("delete 5", "no breakpoint 5"), ("goto nowhere", "'nowhere' is no bookmark"),
    ("devices nic", "no chip 'nic'"), ("where nobody", "no thread 'nobody'"), ("set tr=1", "'tr' cannot be set"),
    ("list 0", "comes from no source line"), ("print 1/0", "division by zero"),
    ("watch", "watch what?"), ("until", "where?"),
    ("tss", "no task-state segment yet"), ("set [0xF0000000]=1", "no memory"), ("condition x", "is no number of a"),
])
def test_a_mistake_is_one_line(session: Session, line: str, words: str) -> None:
    run(session, "until gdt_init") if line != "tss" else None
    with pytest.raises(Mistake, match=words.replace("?", r"\?")) as error:
        execute(session, line)
    assert "\n" not in str(error.value)


def test_quit_ends_the_session(session: Session) -> None:
    with pytest.raises(Quit):
        execute(session, "q")


@pytest.mark.parametrize(("typed", "expected"), [
    ("rev", ["reverse-continue"]), ("break timer_i", ["timer_init", "timer_interrupt"]), ("goto s", ["start"]),
    ("devices com", ["com1"]), ("print ping:ma", ["ping:main"]), ("mem [es", ["esp", "esi", "es"]),
    ("help threa", ["threads"]), ("break vec", ["vector_stubs", "vector"]), ("regs ", [])])
def test_words_are_completed(session: Session, typed: str, expected: list[str]) -> None:
    assert prompt.complete(session, typed) == expected


# As a whole

def test_commands_come_from_standard_input(trapline: Trapline) -> None:
    ended = trapline("step", "hello", given=b"until hello:main\nprint cpl\nnonsense\n# a comment\nc\n")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith("_start  cmp eax")
    assert "| trapline: " in ended.out and "| hello, world" in lines
    assert "0x3  3" in lines
    assert "the guest has ended the machine with exit code 0: go back, or quit" in lines
    assert ended.err == "trapline: no command 'nonsense': type help for a list\n"


def test_json_is_one_object_for_each_command(trapline: Trapline) -> None:
    ended = trapline("step", "hello", "--json", given=b"break hello:main\ncontinue\nregs\nbad\nwhere\n")
    answers = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["command"] for each in answers] == ["break hello:main", "continue", "regs", "bad", "where"]
    assert answers[1]["breakpoints"] == [1] and answers[1]["where"]["name"] == "hello:main"
    assert answers[1]["console"].startswith("trapline: ")
    assert answers[2]["general"]["esp"] and "no command" in answers[3]["error"]
    assert answers[4]["frames"][1]["name"] == "hello:_start+0xc"


def test_commands_may_be_given_as_options_and_limits_come_first(trapline: Trapline) -> None:
    ended = trapline("step", "hello", "--until", "hello:main", "-e", "step", "-e", "print eip == hello:main + 5")
    assert ended.out.splitlines()[-1].startswith("0x1  1")
    assert ended.status == 0


def test_the_exit_code_is_that_of_the_guest(trapline: Trapline, guests: Any) -> None:
    guest = guests.of("    mov eax, 7\n    out 0xF4, eax\n")
    assert trapline("step", guest, "-e", "continue").status == 7
    assert trapline("step", guest, "-e", "continue", "-e", "back").status == 0
    assert trapline("step", "nosuch").status == ExitCode.BAD_INPUT


def test_ctrl_c_stops_the_guest_and_the_session_goes_on(command: list[str], guests: Any) -> None:
    with subprocess.Popen([*command, "step", guests.busy()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        process.stdin.write("continue\nprint 41 + 1\n")
        process.stdin.close()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out = process.stdout.read()
        assert process.wait(timeout=60) == 0
    assert "stopped by Ctrl-C" in out and "0x2a  42" in out


def test_a_terminal_has_a_prompt(command: list[str]) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    environment = os.environ | {"TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen([*command, "step", "hello"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
                          start_new_session=True) as process:
        os.close(theirs)
        try:
            seen = _read_until(ours, b"cycle 0>")
            os.write(ours, b"print 6 * 7\r")
            seen += _read_until(ours, b"0x2a  42")
            os.write(ours, b"quit\r")
            _drain(ours)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            os.close(ours)
    assert b"_start ring 0 cycle 0>" in seen


def _read_until(descriptor: int, wanted: bytes) -> bytes:
    seen, end = b"", time.monotonic() + 60
    while wanted not in seen:
        assert time.monotonic() < end, seen
        if select.select([descriptor], [], [], 1)[0]:
            data = os.read(descriptor, 4096)
            if b"\x1b[6n" in data:                          # the cursor's position is asked for
                os.write(descriptor, b"\x1b[1;1R")
            seen += data
    return seen


def _drain(descriptor: int) -> None:
    try:
        while select.select([descriptor], [], [], 5)[0] and os.read(descriptor, 4096):
            pass
    except OSError:                                         # the other end has gone
        pass
