"""What is said to a person beside the output proper: on standard error, in colour only where a terminal shows it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click


def say(text: str, after_line: bool = False) -> None:
    """One message, which begins with the program's name. A standard error that is gone is no error.

    `after_line`: something else has left the cursor of the terminal within a line.
    """
    start = "\n" if after_line and is_terminal(sys.stderr) else ""
    write(f"{start}{styled('trapline:', 'red', sys.stderr)} {text}\n")


def styled(text: str, colour: str, stream: TextIO) -> str:
    """`text` in a colour, if `stream` is a terminal and the user has not set NO_COLOR (no-color.org)."""
    if os.environ.get("NO_COLOR") or not is_terminal(stream):
        return text
    return click.style(text, fg=colour)


def first_start() -> None:
    """Say so if native code must be compiled now, which takes a while."""
    from emu import native

    if native.is_compiled():
        return
    if native.WRITABLE:
        say("compiling the machine's native code, once; this takes about half a minute")
    else:
        say(f"compiling the machine's native code, which takes about half a minute at every start, because it cannot "
            f"be kept in {native.CACHE_DIRECTORY}: set TRAPLINE_CACHE_DIR to a directory that can be written")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at it."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:                  # closed
        return False


def write(text: str) -> None:
    """Put this on standard error as it is. One that is gone is no error."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass
