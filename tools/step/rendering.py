"""How what was found looks to a person: plain text, one thing a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emu.counters import Counters
from emu.monitor.inspect.caches import Table
from emu.monitor.inspect.chips import Chip
from emu.monitor.inspect.code import Line, Names
from emu.monitor.inspect.pages import Range, Translation, Walk
from emu.monitor.inspect.registers import View
from emu.monitor.inspect.stack import Frame
from emu.monitor.inspect.tables import Descriptor, Gate, Slot, Tss
from emu.monitor.inspect.threads import Thread

HOW = {"here": "", "call": "called by", "trap": "interrupted", "sysenter": "SYSENTER from", "switch": "goes on at",
       "start": "will start at"}


def place(where: Mapping[str, Any]) -> str:
    """Where the machine stands, the line after each stop."""
    cost = "" if where["cost"] is None else f"  ({where['cost']} {'cycle' if where['cost'] == 1 else 'cycles'})"
    source = f"  {where['file']}:{where['line']}" if where["file"] else ""
    halted = "  (halted)" if where["halted"] else ""
    return f"{where['name']}  {where['instruction'] or 'no code there'}{cost}{source}{halted}"


def trace(frames: Sequence[Frame]) -> str:
    """A stack trace, innermost first."""
    lines = []
    for at, frame in enumerate(frames):
        how = HOW[frame.how]
        if frame.how == "trap" and frame.vector is not None:
            how = f"{frame.vector_name or f'vector {frame.vector:#x}'} interrupted"
        source = f"  {frame.file}:{frame.line}" if frame.file else ""
        mark = " " if frame.sure else "?"
        lines.append(f"#{at:<2}{mark} {f'{how} ' if how else ''}{frame.name}  ring {frame.cpl}{source}")
    return "\n".join(lines) or "nothing is known of its stack"


def threads(found: Sequence[Thread], traces: Mapping[int, Sequence[Frame]]) -> str:
    """Threads, and where each is."""
    lines = []
    for each in found:
        frames = traces[each.key]
        at = next((frame.name for frame in (*(each for each in frames if each.how != "switch"), *frames)), "?")
        state = f"{each.state} until tick {each.wake}" if each.wake else each.state
        state += f", {each.rank}" if each.rank else ""
        lines.append(f"{'*' if each.current else ' '} {each.number:>3}  {each.name:<12} {state:<10} "
                     f"CR3 {each.directory:#010x}  TCB {each.tcb:#010x}  {at}")
    return "\n".join(lines) or "no threads yet"


def registers(view: View) -> str:
    """All registers."""
    general = [f"{name.upper()} {value:08x}" for name, value in view.general.items()]
    flags = " ".join(view.flags) or "-"
    lines = ["  ".join(general[:4]), "  ".join(general[4:]),
             f"EIP {view.eip:08x}  EFLAGS {view.eflags:08x}  {flags}  IOPL {view.iopl}  CPL {view.cpl}"]
    for each in view.segments:
        found = each.descriptor
        what = found.kind if found.kind == "null" else (
            f"{found.kind} {found.base:08x} limit {found.limit:08x} DPL {found.dpl} {found.rights}")
        lines.append(f"{each.name.upper():<4} {each.selector:04x}  {what}".rstrip())
    lines += [f"{name.upper()} {value:08x}  {' '.join(view.control_bits.get(name, []))}".rstrip()
              for name, value in view.control.items()]
    lines += [f"{name.upper()} base {base:08x} limit {limit:04x}" for name, (base, limit) in view.tables.items()]
    if any(view.sysenter.values()):
        lines.append("SYSENTER  " + "  ".join(f"{name.upper()} {value:08x}" for name, value in view.sysenter.items()))
    return "\n".join(lines)


def counters(now: Counters, since: Counters) -> str:
    """Counters that are not 0, and what came to them."""
    lines = []
    for name, value in now.as_dict().items():
        if isinstance(value, dict):
            lines += [f"{f'{name} {key}':<24} {count:>14,}  +{since.as_dict()[name].get(key, 0):,}"
                      for key, count in value.items()]
        elif value:
            lines.append(f"{name:<24} {value:>14,}  +{getattr(since, name):,}")
    return "\n".join(lines)


def memory(address: int, values: Sequence[int], size: int) -> str:
    """Numbers in rows of 16 bytes, bytes with their characters."""
    lines = []
    for at in range(0, len(values), 16 // size):
        row = values[at:at + 16 // size]
        text = " ".join(f"{value:0{2 * size}x}" for value in row)
        characters = "".join(chr(value) if 32 <= value < 127 else "." for value in row) if size == 1 else ""
        lines.append(f"{address + at * size & 0xFFFFFFFF:08x}  {text:<48}{characters}".rstrip())
    return "\n".join(lines)


def stack(esp: int, values: Sequence[int], frames: Mapping[int | None, Frame], names: Names) -> str:
    """Words of the stack."""
    lines = []
    for at, value in enumerate(values):
        slot = esp + 4 * at
        frame, name = frames.get(slot), names.name(value)
        note = f"  {HOW[frame.how]} {frame.name}" + ("" if frame.sure else " ?") if frame else (
            "" if name.startswith("0x") else f"  ({name})")
        lines.append(f"{slot & 0xFFFFFFFF:08x}  {value:08x}{note}")
    return "\n".join(lines) or f"no memory at {esp:#x}"


def code(lines: Sequence[Line], here: int) -> str:
    """Instructions; cycles are those of the pipeline, ? where they are decided when it runs."""
    shown, last = [], ""
    for line in lines:
        symbol = line.name.partition("+")[0]
        if symbol != last and not symbol.startswith("0x"):
            shown.append(f"{symbol}:")
        last = symbol
        source = f"{line.file}:{line.line}" if line.file else ""
        cycles = "?" if line.cycles is None else line.cycles
        shown.append(f"{'>' if line.address == here else ' '} {line.address:08x}  {cycles:>3}  {line.text:<44} {source}"
                     .rstrip())
    return "\n".join(shown)


def source(file: str, first: int, lines: Sequence[str], current: int | None) -> str:
    """Source lines with their numbers."""
    return "\n".join([file, *(f"{'>' if at == current else ' '}{at:>5}  {line}".rstrip()
                              for at, line in enumerate(lines, first))])


def walk(found: Walk) -> str:
    """A page walk."""
    titles = ("PDE", "PTE")
    lines = [f"{title} at {entry.at:08x}: {entry.value:08x}  {entry.bits}"
             for title, entry in zip(titles, found.entries, strict=False)]
    if found.physical is None:
        return "\n".join([*lines, f"{found.linear:08x}: no page"])
    size = "4 MiB" if found.size > 4096 else "4 KiB"
    return "\n".join([*lines, f"{found.linear:08x} -> {found.physical:08x}  {size} page, {_rights(found)}"])


def ranges(found: Sequence[Range]) -> str:
    """The map of an address space."""
    lines = []
    for each in found:
        where = "in pieces" if each.physical is None else f"{each.physical:08x}"
        last = each.start + each.size - 1
        lines.append(f"{each.start:08x}-{last:08x}  {each.size >> 10:>7} KiB  {_rights(each):<19} at {where}")
    return "\n".join(lines) or "no pages"


def tlb(held: Sequence[Translation], model: Sequence[Table]) -> str:
    """Translations, and how full the model's tables are."""
    lines = [f"{each.linear:08x} -> {each.physical:08x}  {_rights(each)}" + ("  dirty" if each.dirty else "")
             + ("  4 MiB" if each.large else "") + ("  global" if each.global_ else "")
             + ("  STALE: the page tables say otherwise" if each.stale else "") for each in held]
    lines = lines or ["no translations are held"]
    for table in model:
        marked = f", {table.marked} marked" if table.marked else ""
        lines.append(f"{table.title}: {table.used} of {table.sets * table.ways} ({table.sets} sets, {table.ways} ways)"
                     f"{marked}" + (": " + " ".join(f"{page:08x}" for page in table.pages) if table.pages else ""))
    return "\n".join(lines)


def slots(found: Sequence[Slot], names: Names) -> str:
    """A descriptor table."""
    lines = []
    for slot in found:
        entry, name = slot.entry, f" {slot.name}" if slot.name else ""
        if isinstance(entry, Gate):
            what = f"{entry.kind} to {entry.selector:04x}:{entry.offset:08x} {names.name(entry.offset)} DPL {entry.dpl}"
        else:
            what = _descriptor(entry)
        lines.append(f"{slot.index:04x}{name:<5} {what}" + ("" if entry.present or what == "null" else ", not present"))
    return "\n".join(lines)


def tss(found: Tss) -> str:
    """The task-state segment: fields that are not 0."""
    lines = [f"selector {found.selector:04x}, base {found.base:08x}, limit {found.limit:04x}"]
    lines += [f"{name.upper():<7} {value:08x}" for name, value in found.fields.items() if value]
    opened = ", ".join(f"{first:#x}-{last:#x}" for first, last in found.ports) or "none"
    return "\n".join([*lines, f"ports open to ring 3: {opened}"])


def chips(found: Sequence[Chip]) -> str:
    """What is on the bus."""
    lines = []
    for each in found:
        word = "ports" if each.kind == "port" else "addresses"
        lines.append(f"{each.name:<18} {word} {each.start:#x}-{each.start + each.length - 1:#x}")
    return "\n".join(lines)


def chip(found: Chip) -> str:
    """The registers of a chip."""
    lines = [found.name]
    for name, value in found.registers.items():
        shown = ("yes" if value else "no") if isinstance(value, bool) else (
            value if isinstance(value, str) else f"{value:02x}h")
        lines.append(f"  {name:<22} {shown}")
    return "\n".join(lines if found.registers else [f"{found.name}: has no registers to show"])


def _descriptor(entry: Descriptor) -> str:
    if entry.kind == "null":
        return "null"
    size = f" {entry.bits}-bit" if entry.rights else ""
    return f"{entry.kind} {entry.base:08x} limit {entry.limit:08x} DPL {entry.dpl}{size} {entry.rights}".rstrip()


def _rights(page: Walk | Range | Translation) -> str:
    return f"{'read, write' if page.writable else 'read'}, {'user' if page.user else 'kernel'}"
