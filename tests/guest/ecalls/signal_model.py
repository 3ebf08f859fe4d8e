"""A model of a process's signals: lists and sets. It says what signal_script.asm writes into its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from guest.abi.activations import ActError
from guest.abi.signals import Sig, SigExit, SigHandler, SigSet, SigSize
from guest.abi.sockets import SocketError

ALL = (1 << 64) - 2
HANDLER = 2                                    # of an action: the test's handler; else SIG_DFL or SIG_IGN
RESULT, ENTER, LEAVE = 0, 1, 2                 # LOG_ of signal_script.asm

Line = tuple[int, int, int]                    # of the log


def members(of: int) -> set[int]:
    """The signals of a set."""
    return {signal for signal in range(64) if of >> signal & 1}


class Action(NamedTuple):
    """What the process does with a signal."""

    handler: int = SigHandler.SIG_DFL
    blocked: int = 0


class Queued(NamedTuple):
    """A signal that is pending."""

    signal: int
    value: int


def urgency(queued: Queued) -> tuple[bool, bool, int]:
    """The lowest comes first."""
    return not SigSet.SIGNALS_FIRST >> queued.signal & 1, queued.signal < Sig.SIGRTMIN, queued.signal


@dataclass
class Interrupted:
    """What a handler comes back to."""

    by: Queued
    blocked: int
    line: Line | None                          # logged when it goes on


@dataclass
class Model:
    """A process that runs a script; `log` is what signal_script.asm writes."""

    actions: dict[int, Action] = field(default_factory=dict)
    pending: list[Queued] = field(default_factory=list)         # oldest first
    blocked: int = 0
    stack: list[Interrupted] = field(default_factory=list)
    log: list[Line] = field(default_factory=list)
    values: list[int] = field(default_factory=list)             # of each SYS_SIGWAITINFO; 0 without a signal
    lost: int = 0
    exit_code: int | None = None

    def action(self, signal: int) -> Action:
        """What is done with a signal now."""
        return self.actions.get(signal, Action())

    def dropped(self, signal: int) -> bool:
        """Is nothing done with a signal?"""
        handler = self.action(signal).handler
        return handler == SigHandler.SIG_IGN or (
            handler == SigHandler.SIG_DFL and signal in members(SigSet.SIGNALS_DROPPED))

    def take(self, of: int) -> Queued | None:
        """The most urgent one of a set that is pending; it is not any more."""
        wanted = [queued for queued in self.pending if queued.signal in members(of)]
        if not wanted:
            return None
        first = min(wanted, key=urgency)       # the oldest of equals
        self.pending.remove(first)
        return first

    # What a script calls; each is a line of the log when it returns

    def sigaction(self, signal: int, action: Action) -> None:
        """As the system call."""
        result = 0
        if 1 <= signal <= Sig.SIGRTMAX and signal not in members(SigSet.SIGNALS_FIRST):
            self.actions[signal] = action
            if self.dropped(signal):
                self.pending = [queued for queued in self.pending if queued.signal != signal]
        else:
            result = ActError.ERR_ARGUMENT
        self.back((RESULT, result, signal))

    def sigprocmask(self, blocked: int) -> None:
        """As the system call."""
        former = self.blocked
        self.blocked = blocked & ~SigSet.SIGNALS_FIRST
        self.back((RESULT, former & 0xFFFF_FFFF, former >> 32))

    def sigqueue(self, signal: int, value: int) -> None:
        """As the system call, to itself."""
        result = 0
        realtime = [queued for queued in self.pending if queued.signal >= Sig.SIGRTMIN]
        if signal > Sig.SIGRTMAX:
            result = ActError.ERR_ARGUMENT
        elif signal >= Sig.SIGRTMIN:
            if not self.dropped(signal):
                if len(realtime) == SigSize.SIGQUEUE_MAX:
                    result = SocketError.ERR_FULL
                    self.lost += 1
                else:
                    self.pending.append(Queued(signal, value))
        elif signal:
            gone = (members(SigSet.SIGNALS_STOP) if signal in (Sig.SIGCONT, Sig.SIGKILL)
                    else {Sig.SIGCONT} if signal in members(SigSet.SIGNALS_STOP) else set())
            self.pending = [queued for queued in self.pending if queued.signal not in gone]
            if not self.dropped(signal) and Queued(signal, 0) not in self.pending:
                self.pending.append(Queued(signal, 0))
        self.back((RESULT, result, 0))

    def sigwaitinfo(self, of: int) -> bool:
        """As the system call; False: it would wait."""
        taken = self.take(of & ~SigSet.SIGNALS_FIRST)
        if taken is not None:
            self.values.append(taken.value)
            self.back((RESULT, taken.signal, of & 0xFFFF_FFFF))
        elif any(queued.signal not in members(self.blocked) for queued in self.pending):
            self.values.append(0)
            self.back((RESULT, ActError.ERR_INTERRUPTED, of & 0xFFFF_FFFF))
        else:
            return False
        return True

    def sigsuspend(self, blocked: int) -> bool:
        """As the system call; False: it would wait."""
        if all(queued.signal in members(blocked & ~SigSet.SIGNALS_FIRST) for queued in self.pending):
            return False
        kept, self.blocked = self.blocked, blocked & ~SigSet.SIGNALS_FIRST
        self.back((RESULT, ActError.ERR_INTERRUPTED, blocked & 0xFFFF_FFFF), kept)
        return True

    def end(self) -> None:
        """The handler that runs ends, or the process."""
        if not self.stack:
            self.exit_code = 0
            return
        done = self.stack.pop()
        self.log.append((LEAVE, *done.by))
        self.blocked = done.blocked
        self.back(done.line)

    def back(self, line: Line | None, kept: int | None = None) -> None:
        """The way back to the program, which would log `line`; then what is blocked would be `kept`."""
        queued = self.take(ALL & ~self.blocked)
        if queued is None:
            if line is not None:
                self.log.append((line[0], line[1] & 0xFFFF_FFFF, line[2]))
            return
        action = self.action(queued.signal)
        if action.handler != HANDLER:
            self.exit_code = SigExit.EXIT_SIGNAL + queued.signal
            return
        self.stack.append(Interrupted(queued, self.blocked if kept is None else kept, line))
        self.blocked |= (action.blocked | 1 << queued.signal) & ~SigSet.SIGNALS_FIRST
        self.log.append((ENTER, *queued))
