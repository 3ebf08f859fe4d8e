"""Commands that look at the machine and change nothing, and `set`, which changes a register or memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from emu.cpu.registers import CONTROL, GENERAL
from emu.machine import Machine
from emu.monitor.inspect import caches, chips, code, pages, registers, stack, tables, threads
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.stops.breakpoints import locate
from tools.step import rendering
from tools.step.registry import Answer, Mistake, command, find, number
from tools.step.session import Session

PROCESSOR, MEMORY, CHIPS, GUEST = "processor", "memory and code", "chips", "the guest"
SIZES = {"byte": 1, "word": 2, "dword": 4}
MOST = 1 << 16              # items that one command shows
WRITABLE = (*GENERAL, "eip", "eflags", *(name for name in CONTROL if name != "dr6"))


@command("info i", "[COMMAND]", "breakpoints, or what a command shows", "stopping")
def info(session: Session, rest: str) -> Answer:
    """See above."""
    name, _, more = (rest or "breakpoints").partition(" ")
    return find(name).function(session, more)


@command("where bt backtrace", "[THREAD]", "calls, interrupts and switches that led here; ? marks a guess", GUEST)
def where(session: Session, rest: str) -> Answer:
    """See above."""
    thread = threads.find(session.machine, rest) if rest else None
    trace = stack.where(session.machine, thread)
    return Answer(rendering.trace(trace), {"frames": [frame.as_dict() for frame in trace]})


@command("threads", "", "the guest's threads", GUEST)
def threads_(session: Session, rest: str) -> Answer:
    """See above."""
    found = threads.threads(session.machine)
    traces = {each.key: stack.where(session.machine, each) for each in found}
    return Answer(rendering.threads(found, traces), {"threads": [each.as_dict() for each in found]})


@command("spaces", "", "its address spaces", GUEST)
def spaces(session: Session, rest: str) -> Answer:
    """See above."""
    found = threads.spaces(session.machine)
    lines = [f"{'*' if each.current else ' '} {each.directory:#010x}  {', '.join(each.threads) or 'nobody'}"
             for each in found]
    return Answer("\n".join(lines), {"spaces": [each.as_dict() for each in found]})


@command("console", "", "all that the guest has written to its console", GUEST)
def console(session: Session, rest: str) -> Answer:
    """See above."""
    text = bytes(session.machine.console).decode("utf-8", "replace")
    return Answer(text.rstrip("\n"), {"console": text})


@command("regs r registers", "", "registers with their bits by name", PROCESSOR)
def regs(session: Session, rest: str) -> Answer:
    """See above."""
    view = registers.view(session.machine)
    return Answer(rendering.registers(view), view.as_dict())


@command("set", "REG=EXPR|[ADDR]=EXPR", "change a register or memory; what ran beyond here is forgotten", PROCESSOR)
def set_(session: Session, rest: str) -> Answer:
    """See above."""
    match = re.fullmatch(r"\s*([^=]+?)\s*=(?!=)\s*(.+)", rest)
    if not match:
        raise Mistake("set what? give REGISTER=EXPRESSION or [ADDRESS]=EXPRESSION")
    target, value = match[1].lower().lstrip("$"), session.value(match[2]) & 0xFFFFFFFF
    memory = re.fullmatch(r"(byte|word|dword)?\s*\[(.+)\]", match[1])
    change: Callable[[Machine], None]
    if memory:
        change = _writer(session, session.value(memory[2]) & 0xFFFFFFFF, value, SIZES[memory[1] or "dword"])
    elif target in WRITABLE:
        def change(machine: Machine) -> None:
            setattr(machine.cpu.registers, target, value)
    else:
        raise Mistake(f"{match[1]!r} cannot be set: give {', '.join(WRITABLE)} or [ADDRESS]")
    session.timeline.do(change)
    return Answer(f"{match[1]} = {value:#x}", {"target": match[1], "value": value}, moved=target == "eip")


@command("print p", "EXPR", "the value of an expression", PROCESSOR)
def print_(session: Session, rest: str) -> Answer:
    """See above."""
    if not rest:
        raise Mistake("print what? give an expression, as in print [esp + 4]")
    value = session.value(rest.removeprefix("/x "))
    name = session.names.name(value)
    text = f"{value:#x}  {value}" + ("" if name.startswith("0x") else f"  {name}")
    return Answer(text, {"value": value, "name": name})


@command("counters", "", "what has been counted since power-on, and since this was asked last", PROCESSOR)
def counters(session: Session, rest: str) -> Answer:
    """See above."""
    now = session.machine.counters
    before, session.counted = session.counted, now
    return Answer(rendering.counters(now, now - before), now.as_dict())


@command("mem x", "ADDR [COUNT] [byte|word|dword|text]", "memory at a linear address", MEMORY)
def mem(session: Session, rest: str) -> Answer:
    """See above."""
    words = rest.split()
    kind = words.pop() if words and words[-1] in (*SIZES, "text") else "dword"
    count = number(words.pop(), 16) if len(words) > 1 and re.fullmatch(r"\d+", words[-1]) else 16
    if not words:
        raise Mistake("memory where? give an address, a symbol or an expression")
    at = session.value(" ".join(words)) & 0xFFFFFFFF
    if kind == "text":
        text = code.text(session.space, at, 4096)
        return Answer(text, {"address": at, "text": text})
    values = code.memory(session.space, at, min(count, MOST), SIZES[kind])
    if not values:
        raise Mistake(f"no memory at {at:#x}")
    return Answer(rendering.memory(at, values, SIZES[kind]), {"address": at, "size": SIZES[kind], "values": values})


@command("stack", "[N]", "N doublewords (16) from ESP on, and what the trace finds there", MEMORY)
def stack_(session: Session, rest: str) -> Answer:
    """See above."""
    esp = session.machine.cpu.registers.esp
    values = code.memory(session.space, esp, min(number(rest, 16), MOST))
    frames = {frame.slot: frame for frame in stack.where(session.machine)}
    return Answer(rendering.stack(esp, values, frames, session.names), {"esp": esp, "values": values})


@command("disas", "[PLACE] [N]", "N instructions (10) with cycles and source", MEMORY, repeats=True)
def disas(session: Session, rest: str) -> Answer:
    """See above."""
    words = rest.split()
    count = number(words.pop(), 10) if words and words[-1].isdigit() else 10
    here = session.machine.cpu.linear_eip
    at = locate(session.machine, " ".join(words))[0][0] if words else here
    lines = code.disassemble(session.machine, at, min(count, MOST), names=session.names)
    if not lines:
        raise Mistake(f"no code at {at:#x}")
    return Answer(rendering.code(lines, here), {"lines": [line.as_dict() for line in lines]})


@command("list l", "[PLACE]", "source lines around a place, then on from there", MEMORY, repeats=True)
def list_(session: Session, rest: str) -> Answer:
    """See above."""
    if not rest and session.listed:
        file, first = session.listed
        current = None
    else:
        at = locate(session.machine, rest)[0][0] if rest else session.machine.cpu.linear_eip
        source = session.names.source(at)
        if source is None:
            raise Mistake(f"{session.names.name(at)} comes from no source line")
        file, current = source
        first = max(current - 5, 1)
    lines = _source(session, file)
    shown = lines[first - 1:first + 10]
    if not shown:
        raise Mistake(f"{file} ends here")
    session.listed = file, first + len(shown)
    return Answer(rendering.source(file, first, shown, current), {"file": file, "first": first, "lines": shown})


@command("pages", "[ADDR]", "the page walk of an address; without one, the map of the address space", MEMORY)
def pages_(session: Session, rest: str) -> Answer:
    """See above."""
    if rest:
        walk = session.space.walk(session.value(rest) & 0xFFFFFFFF)
        return Answer(rendering.walk(walk), walk.as_dict())
    ranges = session.space.ranges()
    text = rendering.ranges(ranges) if session.space.paged else "paging is off: linear addresses are physical ones"
    return Answer(text, {"directory": session.space.cr3, "ranges": [each.as_dict() for each in ranges]})


@command("tlb", "", "translations that the machine holds, and the timing model's TLBs and caches", MEMORY)
def tlb(session: Session, rest: str) -> Answer:
    """See above."""
    held, model = pages.translations(session.machine), caches.tables(session.machine)
    return Answer(rendering.tlb(held, model), {"translations": [each.as_dict() for each in held],
                                               "model": [each.as_dict() for each in model]})


@command("gdt", "", "the global descriptor table, and the local one", PROCESSOR)
def gdt(session: Session, rest: str) -> Answer:
    """See above."""
    slots = [*tables.gdt(session.machine), *tables.ldt(session.machine)]
    return Answer(rendering.slots(slots, session.names), {"slots": [each.as_dict() for each in slots]})


@command("idt", "[VECTOR]", "the interrupt descriptor table", PROCESSOR)
def idt(session: Session, rest: str) -> Answer:
    """See above."""
    slots = tables.idt(session.machine)
    if rest:
        wanted = session.value(rest)
        slots = [each for each in slots if each.index == wanted]
    text = rendering.slots(slots, session.names) or "no such gate"
    return Answer(text, {"slots": [each.as_dict() for each in slots]})


@command("tss", "", "the task-state segment", PROCESSOR)
def tss(session: Session, rest: str) -> Answer:
    """See above."""
    found = tables.tss(session.machine)
    if found is None:
        raise Mistake("TR has not been loaded: there is no task-state segment yet")
    return Answer(rendering.tss(found), found.as_dict())


@command("devices", "[CHIP]", "the chips and their ports, or the registers of one", CHIPS)
def devices(session: Session, rest: str) -> Answer:
    """See above."""
    if rest:
        return _chips(session, rest)
    found = chips.chips(session.machine)
    return Answer(rendering.chips(found), {"chips": [each.as_dict() for each in found]})


@command("pic", "", "the interrupt controllers", CHIPS)
def pic(session: Session, rest: str) -> Answer:
    """See above."""
    return _chips(session, "pic1", "pic2", "elcr")


@command("pit", "", "the timer", CHIPS)
def pit(session: Session, rest: str) -> Answer:
    """See above."""
    return _chips(session, "pit")


def _chips(session: Session, *names: str) -> Answer:
    found = [chips.chip(session.machine, name) for name in names]
    return Answer("\n".join(map(rendering.chip, found)), {"chips": [each.as_dict() for each in found]})


def _writer(session: Session, linear: int, value: int, size: int) -> Callable[[Machine], None]:
    """What stores a number at a linear address."""
    space = session.space
    if len(space.read(linear, size)) < size:
        raise Mistake(f"no memory at {linear:#x}")

    def write(machine: Machine) -> None:
        here = AddressSpace(machine)
        for at in range(size):
            physical = here.walk(linear + at).physical
            if physical is not None:
                machine.ram.write(physical, bytes([value >> 8 * at & 0xFF]))

    return write


def _source(session: Session, file: str) -> list[str]:
    """The lines of a source file. Raises Mistake if it is not found."""
    for directory in session.sources:
        path = Path(directory) / file
        if path.is_file():
            return path.read_text(errors="replace").splitlines()
    raise Mistake(f"{file}: not found in {', '.join(session.sources) or 'any directory'}")
