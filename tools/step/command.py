"""`trapline step`: boot an image and stand still in front of its first instruction."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.machine_options import MachineOptions, bad_input, machine_options
from tools.messages import say, styled

if TYPE_CHECKING:
    from tools.step.registry import Answer
    from tools.step.session import Session

EXAMPLES = """\b
Examples:
  trapline step
  trapline step hello --cpu p3-500 --until main
  echo 'until fault; where' | tr ';' '\\n' | trapline step
  trapline step preempt -e 'break timer_interrupt' -e continue -e where"""


@click.command("step", short_help="Debug a guest in the terminal.", epilog=EXAMPLES)
@machine_options
@click.option("-e", "--execute", "first", multiple=True, metavar="COMMAND",
              help="Carry out a command first; may be repeated. Without a terminal, nothing else is read then.")
@click.option("--json", "as_json", is_flag=True, help="Answer each command with one JSON object, a line each.")
def step(options: MachineOptions, first: tuple[str, ...], as_json: bool) -> int:
    """Boot IMAGE and debug it: step forward and back, stop at breakpoints, look at everything.

    Commands come from the terminal, with completion (Tab) and history, or a line each from standard input; `help` lists
    them. Limits and --until say how far the guest runs before the first command. The exit code is the guest's, if it
    has ended the machine where the session ends, else 0.
    """
    machine = options.boot()
    from loader.manifest import GUEST
    from tools.step.prompt import STDIN, lines
    from tools.step.session import Session

    manifest = Path(options.words[0])
    directories = dict.fromkeys([*([str(manifest.parent)] if manifest.is_file() else []), ".", str(GUEST)])
    with bad_input():
        session = Session(machine, tuple(directories))
    if any(limit is not None for limit in options.limits.values()):
        session.timeline.run(**options.limits)
    if not as_json:
        _show_place(session)
    for line in first:
        if not _carry_out(session, line, as_json):
            return session.status
    if first and not os.isatty(STDIN):
        return session.status
    for line in lines(session, lambda: _prompt(session)):
        if not _carry_out(session, line, as_json):
            break
    return session.status


def _carry_out(session: Session, line: str, as_json: bool) -> bool:
    """One line, and what it has to say; False if it ends the session."""
    from tools.step.commands import Quit, execute
    from tools.step.registry import Answer, Mistake

    mistake = ""
    try:
        answer = execute(session, line)
    except Quit:
        return False
    except Mistake as error:
        answer, mistake = Answer(), str(error)
    (_show_json if as_json else _show)(session, line.strip(), answer, mistake)
    return True


def _show(session: Session, line: str, answer: Answer, mistake: str) -> None:
    heard = session.heard()
    if heard:                                               # what the guest says stands apart
        for said in heard.removesuffix("\n").split("\n"):
            click.echo(styled(f"| {said}".rstrip(), "cyan", sys.stdout))
    if mistake:
        sys.stdout.flush()
        say(mistake)
    if answer.text:
        click.echo(answer.text)
    if answer.moved:
        _show_place(session)
    sys.stdout.flush()


def _show_place(session: Session) -> None:
    from tools.step.rendering import place

    click.echo(place(session.where()))


def _show_json(session: Session, line: str, answer: Answer, mistake: str) -> None:
    if not line and answer.data is None and not mistake:
        return
    found: dict[str, Any] = {"command": line, **({"error": mistake} if mistake else answer.data or {})}
    found |= {"where": session.where(), "console": session.heard()}
    click.echo(json.dumps(found))
    sys.stdout.flush()


def _prompt(session: Session) -> str:
    where = session.where()
    return f"{where['name']} ring {where['cpl']} cycle {where['cycle']:,}> "
