"""A ledger as people read it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emu.monitor.paths.ledger import Ledger, Row

WIDEST = 34                 # characters of a disassembled instruction before what stands behind it moves to the right


def table(ledger: Ledger, most: int | None = None) -> str:
    """A line for each row: cycles since the beginning, cycles, ring, where, instruction, source, what the cycles are
    made of; and the sums. What the pipeline took alone needs no cause. Of more than `most` rows the dearest are shown.
    """
    if not ledger.rows:
        return "nothing ran"
    first, rows = ledger.rows[0].cycle, ledger.rows
    if most is not None and len(rows) > most:
        dearest = sorted(range(len(rows)), key=lambda at: -rows[at].cycles)[:most]
        rows = [rows[at] for at in sorted(dearest)]
    lines = [("at", "cycles", "cpl", "where", "instruction", "source", "causes")]
    lines += [(f"{row.cycle - first:,}", f"{row.cycles:,}", str(row.cpl), row.where,
               f"-- {row.text}" if row.is_event else row.text, _source(row), _causes(row.causes)) for row in rows]
    widths = [min(max(map(len, column)), WIDEST) for column in zip(*lines, strict=True)]
    text = [f"{at:>{widths[0]}}  {cycles:>{widths[1]}}  {cpl:>3}  {where:<{widths[3]}}  {what:<{widths[4]}}  "
            f"{source:<{widths[5]}}  {causes}".rstrip() for at, cycles, cpl, where, what, source, causes in lines]
    left_out = [f"... and {len(ledger.rows) - len(rows):,} cheaper rows between these"] * (len(rows) < len(ledger.rows))
    return "\n".join([*text, *left_out, "",
                      f"{ledger.instructions:,} instructions, {ledger.cycles:,} cycles: {_sums(ledger)}"])


def _source(row: Row) -> str:
    return f"{PurePath(row.file).name}:{row.line}" if row.file else ""


def _causes(causes: dict[str, int]) -> str:
    """All of them, unless the pipeline has everything."""
    found = {cause: cycles for cause, cycles in causes.items() if cycles}
    return "" if set(found) <= {"pipeline"} else ", ".join(f"{cause} {cycles:,}" for cause, cycles in found.items())


def _sums(ledger: Ledger) -> str:
    total = ledger.cycles or 1
    return ", ".join(f"{cause} {cycles:,} ({cycles / total:.0%})" for cause, cycles in ledger.causes.items() if cycles)
