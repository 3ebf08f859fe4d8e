"""What a person may type behind `monitor` in gdb: questions that gdb itself has no words for."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from emu.monitor.inspect.chips import chips
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.tables import vector_name
from emu.monitor.inspect.threads import UnknownKernel, threads
from emu.monitor.travel.history import Position
from tools.gdb.execution import Execution


class Complaint(Exception):
    """A command that cannot be obeyed: one line that says why."""


class Monitor:
    """Carries out commands on a machine that stands still. Each gives its answer as text."""

    def __init__(self, execution: Execution) -> None:
        self.machine = execution.machine
        self.timeline = execution.timeline
        self.execution = execution

    def run(self, line: str) -> str:
        """The answer to a command, whole lines; what is wrong with it is an answer, too."""
        try:
            words = shlex.split(line) or ["help"]
            action = COMMANDS.get(words[0])
            if action is None:
                raise Complaint(f"{words[0]!r} is no command: monitor help lists them")
            wanted = action.__code__.co_varnames[1:action.__code__.co_argcount]
            if not len(wanted) - len(action.__defaults__ or ()) <= len(words) - 1 <= len(wanted):
                raise Complaint(f"usage: monitor {_usage(words[0])}")
            return action(self, *words[1:]).rstrip("\n") + "\n"
        except (Complaint, ValueError, UnknownKernel) as error:
            return f"{error}\n"

    def help(self) -> str:
        """this list"""
        width = max(len(_usage(name)) for name in COMMANDS)
        return "\n".join(f"{_usage(name):{width}}  {action.__doc__}" for name, action in COMMANDS.items())

    def where(self) -> str:
        """the next instruction: symbol, ring, cycle"""
        machine = self.machine
        return (f"{machine.where()}, ring {machine.cpu.cpl}, cycle {machine.cpu.state.cycles:,}, "
                f"instruction {machine.cpu.state.instructions:,}")

    def cycles(self) -> str:
        """the clock, and where its cycles went"""
        counters = self.machine.counters
        parts = {"idle": counters.idle_cycles} | counters.causes
        return f"{counters.cycles:,} cycles, {counters.instructions:,} instructions\n" + _table(
            {name: count for name, count in parts.items() if count})

    def counters(self) -> str:
        """everything counted since power-on"""
        return _table({name: count for name, count in vars(self.machine.counters).items()
                       if isinstance(count, int) and count})

    def crossings(self) -> str:
        """changes of the privilege level and interrupts since power-on, by kind, vector and line"""
        counters = self.machine.counters
        traps = {f"vector {vector:#x} {vector_name(vector)}": count for vector, count in counters.traps.items()}
        lines = {f"IRQ {line}": count for line, count in counters.irqs.items()}
        return _table({**traps, **lines, **counters.crossings}) or "none yet"

    def threads(self) -> str:
        """threads of the guest"""
        return "\n".join(f"{'*' if each.current else ' '} {each.number + 1:3} {each.name} ({each.number}), "
                         f"{each.state}, directory {each.directory:#x}, stack {each.stack:#x}, key {each.key:#x}"
                         for each in threads(self.machine)) or "none yet"

    def devices(self) -> str:
        """what is on the bus"""
        return "\n".join(f"{chip.start:#06x}-{chip.start + chip.length - 1:#06x}  {chip.name}"
                         for chip in chips(self.machine))

    def device(self, name: str) -> str:
        """registers of devices with that name, by data sheet"""
        found = [chip for chip in chips(self.machine) if chip.name == name]
        if not found:
            raise Complaint(f"no device {name!r}: monitor devices lists them")
        return "\n".join(_device(chip.name, chip.registers) for chip in found)

    def pic(self) -> str:
        """both interrupt controllers"""
        return self.device("pic1") + "\n" + self.device("pic2")

    def pit(self) -> str:
        """the timer"""
        return self.device("pit")

    def page(self, address: str) -> str:
        """the page walk of a linear address"""
        walk = AddressSpace(self.machine).walk(_number(address))
        lines = [f"{entry.at:#010x}: {entry.value:#010x} {entry.bits}" for entry in walk.entries]
        end = "no page" if walk.physical is None else (f"physical {walk.physical:#x}, "
                                                       f"{'user' if walk.user else 'supervisor'}, "
                                                       f"{'writable' if walk.writable else 'read-only'}")
        return "\n".join((*lines, end))

    def step_interrupts(self, wanted: str = "") -> str:
        """whether a step goes into the handler of an interrupt"""
        self.execution.steps_into_interrupts = _switch(wanted, self.execution.steps_into_interrupts)
        return f"a step {'goes' if self.execution.steps_into_interrupts else 'does not go'} into interrupts"

    def stop_at_exit(self, wanted: str = "") -> str:
        """whether the guest can be looked at when it has ended"""
        self.execution.stops_at_exit = _switch(wanted, self.execution.stops_at_exit)
        return f"the session {'goes on' if self.execution.stops_at_exit else 'ends'} when the guest has ended"

    def snapshot(self, name: str) -> str:
        """give this moment a name"""
        return f"{name}: {_moment(self.timeline.bookmark(name))}"

    def snapshots(self) -> str:
        """the moments that have a name"""
        return "\n".join(f"{name}: {_moment(position)}" for name, position in self.timeline.bookmarks.items()) or "none"

    def goto(self, name: str) -> str:
        """go back or forth to the moment of that name"""
        if name not in self.timeline.bookmarks:
            raise Complaint(f"no snapshot {name!r}: monitor snapshots lists them")
        self.timeline.goto(name)
        return f"{self.where()}\nlet gdb forget what it knew: maintenance flush register-cache"


COMMANDS: dict[str, Callable[..., str]] = {name.replace("_", "-"): getattr(Monitor, name) for name in (
    "help", "where", "cycles", "counters", "crossings", "threads", "devices", "device", "pic", "pit", "page",
    "snapshot", "snapshots", "goto", "step_interrupts", "stop_at_exit")}
ARGUMENTS = {"device": " NAME", "page": " ADDRESS", "snapshot": " NAME", "goto": " NAME",
             "step-interrupts": " [on|off]", "stop-at-exit": " [on|off]"}


def _usage(name: str) -> str:
    return name + ARGUMENTS.get(name, "")


def _table(counts: Mapping[str, int]) -> str:
    width = max(map(len, counts), default=0)
    return "\n".join(f"{name:{width}}  {count:,}" for name, count in counts.items())


def _device(name: str, registers: Mapping[str, Any]) -> str:
    return f"{name}: " + (", ".join(f"{register} {_shown(value)}" for register, value in registers.items())
                          or "no registers to show")


def _shown(value: Any) -> str:
    return f"{value:#x}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _switch(wanted: str, now: bool) -> bool:
    if wanted not in ("", "on", "off"):
        raise Complaint(f"{wanted!r} is neither on nor off")
    return wanted == "on" if wanted else now


def _moment(position: Position) -> str:
    return f"cycle {position.cycles:,}, instruction {position.instructions:,}"


def _number(text: str) -> int:
    try:
        return int(text, 0) & 0xFFFFFFFF
    except ValueError:
        raise Complaint(f"{text!r} is no address: give a number") from None
