"""`trapline price`: what a recorded run costs on other processors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.arguments import complete_cpu
from tools.messages import first_start
from tools.progress import progress

if TYPE_CHECKING:
    from emu.recording.file import Recording
    from emu.recording.prices import Priced

EXAMPLES = """\b
Examples:
  trapline price preempt.rec
  trapline price preempt.rec --cpu p5-166 --cpu my/cpu.toml --json
  trapline boot preempt --cpu p3-500 --record preempt.rec      make such a file"""


@click.command(short_help="Price a recorded run on other processors.", epilog=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--cpu", "names", metavar="NAME|FILE.toml", multiple=True, shell_complete=complete_cpu,
              help="A processor; may be repeated. Default: all that come with Trapline.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def price(file: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Say what a run that was recorded in FILE (trapline boot --record) costs on other processors.

    Nothing is booted: the blocks that ran, their accesses, branches and crossings are priced anew. The table shows
    cycles without idle time, and the share of each cause. What this ignores is printed under it.
    """
    from emu.recording.file import Recording, RecordingError
    from emu.timing.profile import ProfileError, load_profile, profiles

    try:
        recording = Recording(file)
        every = [name for name in profiles() if name != "unit"]
        wanted = [load_profile(name) for name in dict.fromkeys(names or every)]
        first_start()
        from emu.recording.prices import price, recorded

        found = []
        for at, profile in enumerate(wanted):
            progress(f"{profile.name} ...", at / len(wanted))
            found.append(price(recording, profile))
        progress("")
        rows = [recorded(recording), *found]
    except (RecordingError, ProfileError, ValueError) as error:
        progress("")
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{file}: {(error.strerror or str(error)).lower()}") from None
    click.echo(json.dumps(_as_dict(recording, rows), indent=2) if as_json else _as_text(recording, rows))


def _as_dict(recording: Recording, rows: list[Priced]) -> dict[str, Any]:
    from emu.recording.prices import IGNORED

    head = recording.head
    runs = [{"cpu": row.profile, "clock_hz": row.clock, **row.counters.as_dict()} for row in rows]
    return {"image": head.image, "digest": head.digest, "memory": head.memory, "recorded": runs[0], "priced": runs[1:],
            "ignored": list(IGNORED)}


def _as_text(recording: Recording, rows: list[Priced]) -> str:
    from emu.counters import CAUSES
    from emu.recording.prices import IGNORED

    head = recording.head
    lines = [f"{head.image or 'a machine without an image'}: {rows[0].counters.instructions:,} instructions, recorded "
             f"on {head.profile}", ""]
    table = [["", "cycles", "ms", "idle ms", *CAUSES]]
    for name, row in zip(["recorded", *(each.profile for each in rows[1:])], rows, strict=True):
        busy = row.counters.cycles - row.counters.idle_cycles
        shares = [f"{cycles / busy:.1%}" if busy else "-" for cycles in row.counters.causes.values()]
        table.append([name, f"{busy:,}", *(f"{cycles / row.clock * 1e3:.3f}" for cycles in (
            busy, row.counters.idle_cycles)), *shares])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines += ["  ".join(f"{cell:{'<' if at == 0 else '>'}{width}}" for at, (cell, width) in enumerate(
        zip(line, widths, strict=True))).rstrip() for line in table]
    return "\n".join([*lines, "", "Taken from the recording, and not what it would be on these processors:",
                      *(f"- {text}" for text in IGNORED)])
