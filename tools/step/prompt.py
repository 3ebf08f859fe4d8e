"""Where the lines of a session come from: a terminal, with completion and history, or a file or pipe."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from emu.monitor.stops.expressions import NAMES
from tools.step.commands import COMMANDS
from tools.step.session import Session

STDIN, STDOUT = 0, 1                # file descriptors
HISTORY = "step-history"            # file in the directory for caches
PLACES = frozenset(["break", "tbreak", "until", "disas", "list", "watch", "rwatch", "awatch", "mem", "print", "pages"])


def lines(session: Session, prompt: Callable[[], str]) -> Iterator[str]:
    """The lines of standard input, up to its end. A terminal shows a prompt; Ctrl-C there clears the line."""
    if not (os.isatty(STDIN) and os.isatty(STDOUT)):
        with open(STDIN, errors="replace", closefd=False) as given:
            yield from given
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    class Words(Completer):
        """Commands, and what they may be about."""

        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            typed = document.text_before_cursor
            begun = document.get_word_before_cursor(WORD=True).lstrip("[(")
            for word in complete(session, typed):
                yield Completion(word, start_position=-len(begun))

    path = history_file()
    history = FileHistory(str(path)) if path else InMemoryHistory()
    typing: PromptSession[str] = PromptSession(history=history, completer=Words(), complete_while_typing=False)
    while True:
        try:
            yield typing.prompt(prompt())
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def complete(session: Session, typed: str) -> list[str]:
    """What the last word of a line may become."""
    words = typed.split()
    if len(words) < 1 or (len(words) == 1 and not typed.endswith(" ")):
        begun = words[0] if words else ""
        return sorted({each.names[0] for each in COMMANDS.values() if each.names[0].startswith(begun)})
    begun = "" if typed.endswith(" ") else words[-1].lstrip("[(")
    name = COMMANDS[words[0]].names[0] if words[0] in COMMANDS else ""
    found: list[str] = []
    if name in ("help", "info"):
        found = sorted({each.names[0] for each in COMMANDS.values()})
    elif name == "goto":
        found = [*session.timeline.bookmarks, "start", "end", "cycle", "instruction"]
    elif name == "devices":
        found = [each.name for each in session.machine.bus.ports.ranges]
    elif name in PLACES or "if" in words or name in ("set", "condition"):
        image = session.machine.image
        symbols = [] if image is None else [*image.symbols, *(
            f"{program}:{symbol}" for program, table in image.programs.items() for symbol in table)]
        found = [*(symbol for symbol in symbols if not symbol.startswith("__")), *NAMES]
        if name in ("break", "tbreak", "until") and len(words) < 3:
            found += [] if name == "until" else ["vector", "cycle", "instruction"]
    return [word for word in found if word.startswith(begun)]


def history_file() -> Path | None:
    """Where lines are remembered; None if that cannot be written."""
    from emu.native import CACHE_DIRECTORY

    directory = Path(CACHE_DIRECTORY)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return directory / HISTORY if os.access(directory, os.W_OK) else None
