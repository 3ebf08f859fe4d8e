"""ECalls: services, channels, events in both directions. Each case is a program and the console that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from guest.abi.signals import Sig, SigExit
from loader.image import Image

ImageMaker = Callable[..., Image]      # the fixture `ecalls_image`
Boot = Callable[..., Any]              # the fixture `ecalls`

CPU = "k7-550"                         # it has SYSENTER
CASES = {
    "fast": (
        "no such service", "nor this", "nor this long one", "no name", "a name that is not ours",
        "a name around the end", "a registration that is not ours", "no such method", "no real-time signal",
        "no kernel handler", "not registered", "registered", "fast: the number of the process", "fast, by SYSENTER",
        "registers are kept",
        "as a system call, which takes the argument for a process", "likewise", "by name",
        "a service without a system call", "no service", "another channel",
        "beyond the last", "the end of a handler that does not run", "likewise", "the last one", "no more", "one less",
        "once only", "gone", "again", "and empty", "nothing to wait for", "no such call"),
    "handlers": (
        "a kernel handler", "raised", "an event", "its value", "a user handler", "raised", "it has seen the value",
        "and where the data are", "it may not call the kernel", "nor fast", "our registers are ours", "again", "twice",
        "the kernel's lets it pass", "an event that a handler has raised is heard, too"),
    "worker": ("registered", "raised", "the thread has run", "once for both"),
    "lists": (                         # events, then slot and value of each; and what the kernel has heard
        "probe: 3 0 5 1 3 2 69 1230", "probe-next: 3 0 5 1 3 2 69 1230", "probe-priority: 2 3 3 5 69 230",
        "probe-type: 2 3 3 5 69 230"),
    "deferred": (
        "three", "heard at the next system call", "and no more to be heard", "all of them",
        "not at a system call, but when the scheduler chose", "after two ticks, or three", "full",
        "the newest two are lost", "as it is unless one says otherwise", "in the oldest one's place",
        "behind which is now the first", "which is lost", "nonsense"),
}


@pytest.mark.parametrize("program", CASES)
def test_a_program_leaves_what_its_row_says(program: str, ecalls_image: ImageMaker, ecalls: Boot) -> None:
    done = ecalls(ecalls_image([program]), cpu=CPU)
    assert done.lines == list(CASES[program]), done.console
    assert done.result.exit_code == 0


def test_a_handler_that_does_wrong_is_ended(ecalls_image: ImageMaker, ecalls: Boot) -> None:
    for cpu in (CPU, "p5-166"):
        done = ecalls(ecalls_image(["limits"]), cpu=cpu)
        assert done.lines == [
            "a kernel handler that does not end", "it does not begin again", "registered anew", "one that faults",
            "a user handler", "that does not end", "and leaves registers alone", "once only", "another", "that faults",
            "another", "that traps its own steps", "another", "that has no stack", "and the last one",
            "limits: signal 24"]
        assert done.result.exit_code == SigExit.EXIT_SIGNAL + Sig.SIGXCPU
