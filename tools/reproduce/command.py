"""`trapline reproduce`: measures tables of the papers, and shows ours beside theirs."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, nullcontext
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
from tools.parameters import Number
from tools.progress import progress
from tools.reproduce import papers, tables
from tools.reproduce.plan import IN_TURN, Plan, Way
from tools.reproduce.points import Processes
from tools.reproduce.table import Findings, Table
from tools.reproduce.text import as_text

if TYPE_CHECKING:
    from emu.timing.profile import Profile

Measured = list[tuple[Table, Findings]]
EXAMPLES = """\b
Examples:
  trapline reproduce
  trapline reproduce stoess.fig6 --quick
  trapline reproduce stoess --html report.html
  trapline reproduce stoess.fig7 --cpu p3-500 --json
  trapline reproduce activations --jobs auto"""
MOST_JOBS = 1024


class Jobs(Number):
    """How many processes; or `auto` or 0, one for each processor that this one may use."""

    name = "jobs"

    def parse(self, text: str) -> int | None:
        """The number in a text, None if there is none."""
        return _processors() if text in ("auto", "0") else super().parse(text)

    def wanted(self) -> str:
        """What is allowed, for messages."""
        return f"a number of processes: give one from {self.least} to {self.most}, or auto"


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in tables.names() if name.startswith(incomplete)]


@click.command(short_help="The papers' tables, ours beside theirs.", epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[TABLE]...", shell_complete=_complete)
@click.option("--cpu", metavar="NAME|FILE.toml", shell_complete=complete_cpu,
              help="Measure on this processor, not on those that the table is about.")
@click.option("--quick", is_flag=True, help="Fewer points and rounds; the output says so.")
@click.option("--jobs", type=Jobs(1, MOST_JOBS), metavar="N|auto",
              help="Measure so many points of a table side by side, each in a process of its own; auto: one for each "
              "processor. The figures are the same.  [default: 1]")
@click.option("--dask", "scheduler", metavar="ADDRESS",
              help="Measure points on a cluster of Dask, whose scheduler has this address: tcp://HOST:8786.")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path),
              help="Also write a report with charts: one file that needs nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def reproduce(names: tuple[str, ...], cpu: str | None, quick: bool, jobs: int | None, scheduler: str | None,
              html: Path | None, as_json: bool) -> int:
    """Measure tables and figures of the papers whose mechanisms the guest has, and show ours beside theirs.

    TABLE is a name from the list that is printed without one, or a paper, for all of its tables. Every figure comes
    from runs of images that come with Trapline; the same command prints the same figures everywhere. What cannot be
    measured is shown as open, and a bar that is missed as not met.
    """
    if not names:
        if cpu or quick or jobs or scheduler or html:
            raise click.UsageError("name a table to be measured")
        click.echo(_list_as_json() if as_json else _list())
        return 0
    if jobs and scheduler:
        raise click.UsageError("--jobs measures on this computer, --dask on others: give one")
    with bad_input():
        from emu.timing.profile import load_profile

        chosen = tables.choose(names)
        profile = load_profile(cpu) if cpu else None
    if html:
        _check_writable(html)
    first_start()
    measured = _measure(chosen, profile, quick, jobs or 1, scheduler)
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


def _measure(chosen: list[Table], profile: Profile | None, quick: bool, jobs: int,
             scheduler: str | None) -> Measured | None:
    """All of them; None if one could not be measured, which has been said then. Raises click.ClickException."""
    from tools.reproduce.runs import RunError

    try:
        with bad_input(), _way(jobs, scheduler) as way:
            return [(table, table.measure(Plan(profile, quick, partial(_tell, table.name), way))) for table in chosen]
    except RunError as error:
        progress("")
        say(str(error))
        return None
    finally:
        progress("")


def _way(jobs: int, scheduler: str | None) -> AbstractContextManager[Way]:
    """How points are measured. Raises ValueError."""
    if scheduler is not None:
        from tools.reproduce.cluster import Cluster

        return Cluster(scheduler)
    return Processes(jobs) if jobs > 1 else nullcontext(IN_TURN)


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
