"""What the exit code of `trapline` means.

A guest that ends the machine chooses its own, modulo 256. All other ends have the codes below, away from the small
numbers that programs use and from 126 and above, which shells and our own kernel use.
"""

from __future__ import annotations

from enum import IntEnum

from emu.result import Reason, Result


class ExitCode(IntEnum):
    """Exit codes that are not the guest's; each has the phrase that help and documentation show."""

    phrase: str

    def __new__(cls, value: int, phrase: str) -> ExitCode:
        member = int.__new__(cls, value)
        member._value_ = value
        member.phrase = phrase
        return member

    REACHED = 0, "the place named by --until was reached"
    DIFFERENT = 1, "trapline diff: there is a difference"
    BAD_INPUT = 2, "a wrong option, image, profile or file: nothing was run"
    LIMIT = 110, "--max-cycles or --max-instructions was reached"
    TRIPLE_FAULT = 111, "triple fault: the processor shut down"
    HALTED = 112, "halted for ever: HLT, and nothing to wake the processor"
    RESET = 113, "the guest reset the machine"
    UNCLAIMED = 114, "--strict: an access where no device is"
    UNSUPPORTED = 115, "a feature of the processor that is not modelled"
    INTERNAL = 116, "an error in Trapline itself"
    BROKEN = 117, "trapline explore: an interrupt breaks something"
    KILLED = 118, "kill in gdb"
    HANGUP = 129, "the terminal went away (SIGHUP)"
    INTERRUPTED = 130, "Ctrl-C (SIGINT)"
    BROKEN_PIPE = 141, "nobody reads the output any more (SIGPIPE)"
    TERMINATED = 143, "ended from outside (SIGTERM)"


OF_REASON = {
    Reason.CYCLES: ExitCode.LIMIT,
    Reason.INSTRUCTIONS: ExitCode.LIMIT,
    Reason.UNTIL: ExitCode.REACHED,
    Reason.VECTOR: ExitCode.REACHED,
    Reason.TRIPLE_FAULT: ExitCode.TRIPLE_FAULT,
    Reason.HALTED: ExitCode.HALTED,
    Reason.IDLE: ExitCode.HALTED,
    Reason.RESET: ExitCode.RESET,
    Reason.UNCLAIMED: ExitCode.UNCLAIMED,
    Reason.UNSUPPORTED: ExitCode.UNSUPPORTED,
    Reason.STOPPED: ExitCode.INTERRUPTED,
}


def exit_code(result: Result) -> int:
    """The exit code for the end of a run: the guest's own if it chose one."""
    return OF_REASON[result.reason] if result.exit_code is None else result.exit_code % 256
