"""A ledger as people read it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emu.monitor.paths.ledger import Ledger, Row

WIDEST = 34                 # characters of a disassembled instruction before what stands behind it moves to the right


def ledger_table(ledger: Ledger) -> str:
    """A line for each row: cycles since the beginning, cycles, what they are made of, where, source, instruction; and
    the sums. What the pipeline took alone needs no cause.
    """
    if not ledger.rows:
        return "nothing ran"
    first = ledger.rows[0].cycle
    lines = [("at", "cycles", "cpl", "where", "instruction", "source", "causes")]
    lines += [(f"{row.cycle - first:,}", f"{row.cycles:,}", str(row.cpl), row.where,
               f"-- {row.text}" if row.is_event else row.text, _source(row), _causes(row.causes))
              for row in ledger.rows]
    widths = [min(max(map(len, column)), WIDEST) for column in zip(*lines, strict=True)]
    text = [f"{at:>{widths[0]}}  {cycles:>{widths[1]}}  {cpl:>3}  {where:<{widths[3]}}  {what:<{widths[4]}}  "
            f"{source:<{widths[5]}}  {causes}".rstrip() for at, cycles, cpl, where, what, source, causes in lines]
    return "\n".join([*text, "", f"{ledger.instructions:,} instructions, {ledger.cycles:,} cycles: {_sums(ledger)}"])


def _source(row: Row) -> str:
    return f"{PurePath(row.file).name}:{row.line}" if row.file else ""


def _causes(causes: dict[str, int]) -> str:
    """All of them, unless the pipeline has everything."""
    found = {cause: cycles for cause, cycles in causes.items() if cycles}
    return "" if set(found) <= {"pipeline"} else ", ".join(f"{cause} {cycles:,}" for cause, cycles in found.items())


def _sums(ledger: Ledger) -> str:
    total = ledger.cycles or 1
    return ", ".join(f"{cause} {cycles:,} ({cycles / total:.0%})" for cause, cycles in ledger.causes.items() if cycles)
