"""A person at a terminal: keys, Ctrl-C, and the terminal as it was before."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tools.exit_codes import ExitCode

Guests = Any                        # the fixture `guests`
PATIENCE = 90.0                    # seconds until a test gives up: enough to compile the native code


class Terminal:
    """A terminal with `trapline` running in its foreground."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.master, self.slave = pty.openpty()
        self.modes = termios.tcgetattr(self.slave)
        self.shown = b""            # what has appeared on it
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), env=os.environ | (environment or {}))

    def wait_for(self, sign: Callable[[], bool]) -> None:
        """Until `sign` is true; what appears meanwhile is read."""
        end = time.monotonic() + PATIENCE
        while not sign():
            has_ended = self.process.poll() is not None
            if select.select([self.master], [], [], 0.05)[0]:
                self.shown += os.read(self.master, 4096)
            elif has_ended or time.monotonic() > end:
                assert sign(), f"waited in vain; shown: {self.shown!r}"

    def wait_until_running(self) -> None:
        """Until keys go to the guest."""
        self.wait_for(lambda: not termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        """The exit code; the terminal must be as it was."""
        self.wait_for(lambda: self.process.poll() is not None)
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 4096)
        assert termios.tcgetattr(self.slave) == self.modes
        return int(self.process.returncode)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(command: list[str]) -> Iterator[Callable[..., Terminal]]:
    """Starts `trapline` with these arguments on a terminal of its own."""
    opened: list[Terminal] = []

    def start(*arguments: str, **environment: str) -> Terminal:
        opened.append(Terminal([*command, *arguments], environment))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_keys_reach_a_sleeping_guest_one_by_one_and_as_they_are(terminal: Callable[..., Terminal],
                                                                guests: Guests) -> None:
    screen = terminal("boot", guests.sleeping())
    screen.wait_until_running()
    screen.type(b"a")
    screen.wait_for(lambda: b"a" in screen.shown)
    screen.type(b"\x1a\x1c\x13\r")                  # Ctrl-Z, Ctrl-\, Ctrl-S, Enter
    screen.wait_for(lambda: screen.shown.endswith(b"\r"))
    screen.type(b"q")
    assert screen.end() == 6
    assert screen.shown == b"a\x1a\x1c\x13\rq"


def test_keys_reach_a_guest_that_polls(terminal: Callable[..., Terminal], guests: Guests) -> None:
    screen = terminal("boot", guests.polling(fifo=True, delay=10))
    screen.wait_until_running()
    screen.type(b"key")
    screen.wait_for(lambda: screen.shown == b">key")
    screen.type(b"q")
    assert screen.end() == 4


def test_a_guest_that_waits_for_a_key_leaves_the_host_idle(terminal: Callable[..., Terminal], guests: Guests) -> None:
    screen = terminal("boot", guests.sleeping())
    screen.wait_until_running()
    screen.type(b"a")
    screen.wait_for(lambda: b"a" in screen.shown)
    time.sleep(0.2)
    before = cpu_ticks(screen.process.pid)
    time.sleep(1.0)
    assert cpu_ticks(screen.process.pid) - before < 0.2 * os.sysconf("SC_CLK_TCK")
    screen.type(b"q")
    assert screen.end() == 2


def cpu_ticks(process: int) -> int:
    """User and system time of a process."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_ctrl_c_ends_a_busy_guest_and_says_where_it_was(terminal: Callable[..., Terminal], guests: Guests) -> None:
    screen = terminal("boot", guests.busy(), NO_COLOR="1")
    screen.wait_until_running()
    screen.wait_for(lambda: b"x" in screen.shown)
    screen.type(b"\x03")
    assert screen.end() == ExitCode.INTERRUPTED
    assert b"x\r\ntrapline: Ctrl-C (SIGINT): the guest was at _start+0x" in screen.shown


def test_ctrl_c_ends_a_guest_that_waits_for_a_key(terminal: Callable[..., Terminal], guests: Guests) -> None:
    screen = terminal("boot", guests.sleeping())
    screen.wait_until_running()
    screen.type(b"a")
    screen.wait_for(lambda: b"a" in screen.shown)
    screen.type(b"\x03")
    assert screen.end() == ExitCode.INTERRUPTED


def test_a_signal_to_end_restores_the_terminal(terminal: Callable[..., Terminal], guests: Guests) -> None:
    screen = terminal("boot", guests.busy())
    screen.wait_until_running()
    screen.process.send_signal(signal.SIGTERM)
    assert screen.end() == ExitCode.TERMINATED


def test_colour_is_for_terminals_and_can_be_refused(terminal: Callable[..., Terminal]) -> None:
    coloured = terminal("boot", "nosuch")
    assert coloured.end() == ExitCode.BAD_INPUT
    assert b"\x1b[31mtrapline:\x1b[0m nosuch" in coloured.shown
    plain = terminal("boot", "nosuch", NO_COLOR="1")
    assert plain.end() == ExitCode.BAD_INPUT
    assert plain.shown.startswith(b"trapline: nosuch")


def test_ctrl_c_ends_a_run_that_waits_for_a_pipe(command: list[str], guests: Guests) -> None:
    process = subprocess.Popen([*command, "boot", guests.polling(fifo=True, delay=1)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin and process.stdout
    assert process.stdout.read(1) == b">"
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == ExitCode.INTERRUPTED
    assert process.communicate()[1].startswith(b"trapline: Ctrl-C (SIGINT): the guest was at _start+0x")
