"""`trapline reproduce`: measures tables of the papers, and shows ours beside theirs."""

from __future__ import annotations

import json
import os
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from tools.arguments import complete_cpu
from tools.exit_codes import ExitCode
from tools.machine_options import bad_input
from tools.messages import first_start, say
from tools.progress import progress
from tools.reproduce import papers, tables
from tools.reproduce.table import Findings, Plan, Table
from tools.reproduce.text import as_text

if TYPE_CHECKING:
    from emu.timing.profile import Profile

Measured = list[tuple[Table, Findings]]
EXAMPLES = """\b
Examples:
  trapline reproduce
  trapline reproduce stoess.fig6 --quick
  trapline reproduce stoess --html report.html
  trapline reproduce stoess.fig7 --cpu p3-500 --json"""


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in tables.names() if name.startswith(incomplete)]


@click.command(short_help="The papers' tables, ours beside theirs.", epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[TABLE]...", shell_complete=_complete)
@click.option("--cpu", metavar="NAME|FILE.toml", shell_complete=complete_cpu,
              help="Measure on this processor, not on those that the table is about.")
@click.option("--quick", is_flag=True, help="Fewer points and rounds; the output says so.")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path),
              help="Also write a report with charts: one file that needs nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def reproduce(names: tuple[str, ...], cpu: str | None, quick: bool, html: Path | None, as_json: bool) -> int:
    """Measure tables and figures of the papers whose mechanisms the guest has, and show ours beside theirs.

    TABLE is a name from the list that is printed without one, or a paper, for all of its tables. Every figure comes
    from runs of images that come with Trapline; the same command prints the same figures everywhere. What cannot be
    measured is shown as open, and a bar that is missed as not met.
    """
    if not names:
        if cpu or quick or html:
            raise click.UsageError("name a table to be measured")
        click.echo(_list_as_json() if as_json else _list())
        return 0
    with bad_input():
        from emu.timing.profile import load_profile

        chosen = tables.choose(names)
        profile = load_profile(cpu) if cpu else None
    if html:
        _check_writable(html)
    first_start()
    measured = _measure(chosen, profile, quick)
    if measured is None:
        return ExitCode.INTERNAL
    if html:
        from tools.reproduce.html import as_html

        with bad_input():
            html.write_text(as_html(measured, _again(chosen, cpu, quick), quick))
    click.echo(json.dumps(_as_dict(measured, quick), indent=2) if as_json else
               "\n\n\n".join(as_text(table, found, quick) for table, found in measured))
    return 0


def _check_writable(file: Path) -> None:
    """Raise click.ClickException if it cannot be written, before much time is spent on what it is to hold."""
    directory = file.absolute().parent
    if not directory.is_dir():
        raise click.ClickException(f"{file}: there is no directory {directory}")
    if file.is_dir() or not os.access(file if file.exists() else directory, os.W_OK):
        raise click.ClickException(f"{file}: cannot be written")


def _measure(chosen: list[Table], profile: Profile | None, quick: bool) -> Measured | None:
    """All of them; None if one could not be measured, which has been said then. Raises click.ClickException."""
    from tools.reproduce.runs import RunError

    measured = []
    try:
        for table in chosen:
            with bad_input():
                measured.append((table, table.measure(Plan(profile, quick, partial(_tell, table.name)))))
    except RunError as error:
        progress("")
        say(str(error))
        return None
    finally:
        progress("")
    return measured


def _again(chosen: list[Table], cpu: str | None, quick: bool) -> str:
    """The command that finds the same."""
    words = ["trapline reproduce", *(table.name for table in chosen), *(["--cpu", cpu] if cpu else []),
             *["--quick"] * quick]
    return f"{' '.join(words)} (Trapline {version('trapline')})"


def _tell(name: str, what: str, share: float) -> None:
    progress(f"{name}: {what}", share)


def _list() -> str:
    width = max(len(table.name) for table in tables.TABLES)
    return "\n".join(f"{table.name:{width}}  {table.title}" for table in tables.TABLES)


def _list_as_json() -> str:
    return json.dumps({"tables": [_described(table) for table in tables.TABLES]}, indent=2)


def _described(table: Table) -> dict[str, Any]:
    return {"name": table.name, "title": table.title, "source": papers.source(table.name),
            "images": list(table.images), "profiles": list(table.profiles)}


def _as_dict(measured: Measured, quick: bool) -> dict[str, Any]:
    return {"trapline": version("trapline"), "quick": quick,
            "tables": [{**_described(table), "notes": found.notes} for table, found in measured],
            "rows": [row.as_dict(table.name) for table, found in measured for row in found.rows]}
