"""What a machine is between two runs, taken and put back: `Machine.snapshot`, `Machine.restore`, and the file of it.

A snapshot is everything that decides how the machine goes on: RAM, processor, translations, devices, events, timing
model, counters, console. It is no picture of this process: slots of the block table, translated code and what Unicorn
remembers are made anew.
"""

from emu.snapshot.snapshot import Snapshot, SnapshotError

__all__ = ["Snapshot", "SnapshotError"]
