"""The snapshot: taken of a machine between two runs, and put back into it or into another that is built like it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.cpu import saved
from emu.result import Reason
from emu.snapshot.pages import Pages
from emu.timing.profile import Profile

if TYPE_CHECKING:
    from emu.machine import Machine


class SnapshotError(ValueError):
    """A snapshot that does not fit, or a file that is none or not whole: one line, what, where and what to do."""


@dataclass(frozen=True)
class Head:
    """What a snapshot is of: a machine that differs in any of the first five fields cannot go on from it."""

    image: str | None           # name of the image, None without one
    digest: str | None          # of what was booted
    profile: str                # name of the profile
    figures: str                # digest of everything in it
    memory: int                 # bytes of RAM
    cycles: int                 # the clock
    instructions: int           # retired


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A machine as it was between two runs. Nothing in it ever changes; pages of RAM are shared between snapshots."""

    head: Head
    pages: tuple[bytes, ...]            # RAM, 4 KiB each from address 0 on; equal ones may be the same object
    processor: saved.Processor          # registers, translations, block under way, counters, timing model
    clock: dict[str, Any]               # see Clock.save
    parts: Mapping[str, dict[str, Any]]     # state of each part of the machine by its name there
    attached: Mapping[str, dict[str, Any]]  # likewise, of what was plugged in from outside
    machine: Mapping[str, Any]          # what belongs to no part
    console: bytes                      # what the guest has written to COM1
    debug_console: bytes                # ... and to port E9h

    def save(self, path: str | Path) -> None:
        """Write the snapshot to a file, whole or not at all. Raises OSError."""
        from emu.snapshot import file

        file.save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Snapshot:
        """Read a file that `save` wrote. Raises SnapshotError (another version, cut, damaged) and OSError."""
        from emu.snapshot import file

        return file.load(Path(path))


class Snapshots:
    """Takes snapshots of one machine, and puts them back into it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @cached_property
    def _pages(self) -> Pages:
        return Pages(self._machine.ram)                     # as large as RAM: only when it is needed

    @cached_property
    def _figures(self) -> str:
        return digest_of(self._machine.profile)

    def take(self) -> Snapshot:
        """The machine as it is. Nothing of it changes. Raises SnapshotError if what is plugged in cannot be saved."""
        machine = self._machine
        state, end = machine.cpu.state, machine._end
        return Snapshot(
            Head(*self._identity(), state.cycles, state.instructions), self._pages.take(), saved.save(machine.cpu),
            machine.clock.save(), {name: part.save() for name, part in machine.parts.items()},
            _attached(machine),
            {"irqs": list(machine.irqs), "asserted": list(machine.asserted), "idle_cycles": machine.idle_cycles,
             "halted": machine.halted, "end": [end[0].name, *end[1:]] if end else None},
            bytes(machine.console), bytes(machine.debug_console))

    def restore(self, snapshot: Snapshot) -> None:
        """Make the machine what it was. Raises SnapshotError, in which case nothing has changed."""
        machine, rest = self._machine, snapshot.machine
        _check(machine, snapshot.head, Head(*self._identity(), 0, 0))
        _check_parts(machine, snapshot)
        try:
            saved.load_model(machine.cpu, snapshot.processor)
        except ValueError as error:
            raise SnapshotError(str(error)) from None
        self._pages.put(snapshot.pages)
        saved.load(machine.cpu, snapshot.processor)
        machine.clock.load(snapshot.clock)
        for name, part in machine.parts.items():
            part.load(snapshot.parts[name])
        for name in machine.attached.keys() & snapshot.attached.keys():
            machine.attached[name].load(snapshot.attached[name])
        machine.irqs[:], machine.asserted[:] = rest["irqs"], rest["asserted"]
        machine.idle_cycles, machine.halted = rest["idle_cycles"], rest["halted"]
        machine._end = (Reason[rest["end"][0]], *rest["end"][1:]) if rest["end"] else None
        machine.console[:] = snapshot.console
        machine.debug_console[:] = snapshot.debug_console

    def _identity(self) -> tuple[str | None, str | None, str, str, int]:
        """The first fields of Head."""
        machine, image = self._machine, self._machine.image
        return (image.name if image else None, image.digest if image else None, machine.profile.name, self._figures,
                machine.ram.size)


def digest_of(profile: Profile) -> str:
    """A digest of everything in a profile: what a machine's cycles depend on."""
    return hashlib.sha256(repr(profile).encode()).hexdigest()


def _check(machine: Machine, taken: Head, here: Head) -> None:
    """Raise SnapshotError unless what was `taken` is of such a machine as `here`."""
    if taken.digest != here.digest:
        raise SnapshotError(_other_image(taken.image, here.image))
    if taken.profile != here.profile:
        raise SnapshotError(f"the snapshot was taken with --cpu {taken.profile}, this machine has {here.profile}; "
                            "choose that one")
    if taken.figures != here.figures:
        raise SnapshotError(f"the figures of {here.profile} have changed since the snapshot was taken; take it again")
    if taken.memory != here.memory:
        raise SnapshotError(f"the snapshot has {taken.memory >> 10} KiB of memory, this machine {here.memory >> 10}; "
                            f"give it --mem {taken.memory >> 10}K")
    if machine.cpu.state.recording:
        raise SnapshotError("a machine that is being recorded cannot go back; close the recording first")


def _check_parts(machine: Machine, snapshot: Snapshot) -> None:
    """Raise SnapshotError unless the machine consists of what it consisted of."""
    if snapshot.processor.fields.keys() != set(saved.FIELDS) or any(
            snapshot.parts[name].keys() != part.save().keys() for name, part in machine.parts.items()
            if name in snapshot.parts):
        raise SnapshotError("the snapshot was taken by another version of Trapline; take it again")
    different = snapshot.parts.keys() ^ machine.parts.keys()
    if different:
        names = ", ".join(sorted(different))
        raise SnapshotError(f"the snapshot and this machine do not have the same devices: {names}")


    attached = _attached(machine)
    for name in attached.keys() & snapshot.attached.keys():
        if attached[name].keys() != snapshot.attached[name].keys():
            raise SnapshotError(f"the {name} is not the one with which the snapshot was taken; take that")


def _attached(machine: Machine) -> dict[str, dict[str, Any]]:
    """The state of what is plugged in from outside. Raises SnapshotError for what cannot be saved."""
    try:
        return {name: part.save() for name, part in machine.attached.items()}
    except ValueError as error:
        raise SnapshotError(str(error)) from None


def _other_image(taken: str | None, here: str | None) -> str:
    """Why images do not fit; those of one name differ in what they were built from."""
    if taken == here:
        return f"the image {here} has been built anew since the snapshot was taken; take it again"
    return (f"the snapshot was taken of {taken or 'a machine without an image'}, "
            f"this machine runs {here or 'none'}; boot that one")
