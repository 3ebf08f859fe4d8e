"""docs/machine.md lists the ports that the machine has."""

from __future__ import annotations

import re
from pathlib import Path

from emu.machine import Machine

PAGE = Path(__file__).parent.parent / "docs" / "machine.md"


def test_the_table_of_ports_is_the_machines() -> None:
    listed = []
    for first, last in re.findall(r"^\| ([0-9A-F]+)h(?:-([0-9A-F]+)h)? \|", PAGE.read_text(), re.MULTILINE):
        listed.append((int(first, 16), int(last or first, 16)))
    claimed = [(each.start, each.start + each.length - 1) for each in Machine().bus.ports.ranges]
    assert listed == claimed
