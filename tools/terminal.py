"""The terminal while a machine runs: keys go to the guest one by one, and Ctrl-C ends the run, not the program."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from emu.machine import Machine
from tools.exit_codes import ExitCode

INPUT, LOCAL, CHARACTERS = 0, 3, 6      # indices into what termios.tcgetattr gives
DISABLED = b"\0"                        # a control character that does nothing (POSIX: _POSIX_VDISABLE)
AGAIN = 0.05                            # seconds after which a request to stop is repeated

SIGNALS = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HANGUP,
}


class StopSignals:
    """While it is entered, a signal stops the machine before its next instruction; a second one ends at once.

    A request that meets the machine between two native runs may get lost there, so it is repeated until it is heard.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._before: dict[int, Any] = {}
        self.received: ExitCode | None = None       # of the signal that came

    def __enter__(self) -> StopSignals:
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._stop_again)
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:      # nohup: stay deaf
                self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = SIGNALS[signal.Signals(number)]
        signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
        self._machine.stop()

    def _stop_again(self, number: int, _: FrameType | None) -> None:
        self._machine.stop()


def is_ours(terminal: int) -> bool:
    """Whether this program may read the terminal: it may not while it runs in its background."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:                         # a terminal, but not the one that controls us: nobody minds
        return True


@contextmanager
def keys_unchanged(descriptor: int) -> Iterator[None]:
    """Every key of the terminal comes at once, unechoed, as a terminal sends it (Enter is CR), all but Ctrl-C."""
    before = termios.tcgetattr(descriptor)
    changed = termios.tcgetattr(descriptor)
    changed[INPUT] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR | termios.IXON)
    changed[LOCAL] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
    for key in (termios.VSUSP, termios.VQUIT):
        changed[CHARACTERS][key] = DISABLED
    changed[CHARACTERS][termios.VMIN], changed[CHARACTERS][termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSANOW, changed)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
