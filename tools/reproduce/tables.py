"""The tables that can be reproduced, and which of them a person means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from tools.reproduce import (
    activations_extensions,
    activations_reactivity,
    activations_table1,
    activations_table2,
    activations_table3,
    activations_worst,
    ecalls_breakeven,
    ecalls_fig4_5,
    ecalls_fig6_7,
    ecalls_fig9_10,
    ecalls_goodput,
    ecalls_latency,
    ecalls_table1,
    stoess_extensions,
    stoess_fig6,
    stoess_fig7,
    stoess_fig8,
)
from tools.reproduce.table import Table

TABLES: tuple[Table, ...] = (
    stoess_fig6.TABLE, stoess_fig7.TABLE, stoess_fig8.TABLE, stoess_extensions.TABLE,
    activations_table1.TABLE, activations_table2.TABLE, activations_table3.TABLE, activations_reactivity.TABLE,
    activations_worst.TABLE, activations_extensions.TABLE,
    ecalls_table1.TABLE, ecalls_breakeven.TABLE, ecalls_latency.TABLE, ecalls_fig4_5.TABLE,
    ecalls_fig6_7.TABLE, ecalls_fig9_10.TABLE, ecalls_goodput.TABLE,
)


def names() -> list[str]:
    """What a person can name: tables, and papers for all of theirs."""
    tables = [table.name for table in TABLES]
    return [*dict.fromkeys(name.partition(".")[0] for name in tables), *tables]


def choose(wanted: Sequence[str]) -> list[Table]:
    """The tables of these names, each once, in the order of the list. Raises ValueError with a hint."""
    for name in wanted:
        if name not in names():
            near = difflib.get_close_matches(name, names(), n=1)
            raise ValueError(f"no table is called {name!r}: "
                             f"{f'did you mean {near[0]}?' if near else 'there are ' + ', '.join(names())}")
    return [table for table in TABLES if {table.name, table.name.partition(".")[0]} & set(wanted)]
