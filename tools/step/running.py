"""Commands that move the machine: by instructions, over calls, to places, and back in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emu.cpu.x86 import IF
from emu.monitor.inspect import stack, threads
from emu.monitor.inspect.registers import sysenter
from emu.monitor.inspect.tables import thread_key, vector_name
from emu.monitor.stops.breakpoints import Stop, locate
from emu.result import Reason, Result
from tools.step.registry import Answer, Mistake, command, number
from tools.step.session import Session

EVERY = frozenset(range(256))       # vectors
FIRST_IRQ = 0x20                    # vectors below are the processor's own
SYSTEM_CALLS = ("int", "int3", "into")
GROUP = "running"


# Forward

@command("step s stepi si", "[N]", "run N instructions; a step ends in front of a handler, too", GROUP, repeats=True)
def step(session: Session, rest: str) -> Answer:
    """See above."""
    return _moved(session, _repeat(session, rest, _step))


@command("next n nexti ni", "[N]", "the same, but over calls, system calls and interrupts", GROUP, repeats=True)
def next_(session: Session, rest: str) -> Answer:
    """See above."""
    return _moved(session, _repeat(session, rest, _next))


@command("finish fin", "", "run to the caller; from a handler to what it interrupted", GROUP, repeats=True)
def finish(session: Session, rest: str) -> Answer:
    """See above."""
    trace = stack.where(session.machine)
    if len(trace) < 2:
        raise Mistake("nobody has called what runs here: use until PLACE")
    caller = trace[1]
    if not caller.sure:
        raise Mistake(f"the caller is not certain (perhaps {caller.name}): use until PLACE")
    return _moved(session, _come_back(session, caller.address, caller.stack, thread_key(session.machine)))


@command("until u", "PLACE", "run to a place", GROUP)
def until(session: Session, rest: str) -> Answer:
    """See above."""
    if not rest:
        raise Mistake("until where? give an address, SYMBOL, PROGRAM:SYMBOL or FILE:LINE")
    addresses, program = locate(session.machine, rest)
    while True:
        stop = session.points.run(until=addresses)
        running = threads.on_stack(session.machine) if program else None
        if _is_elsewhere(stop) or not running or running.name == program:
            return _moved(session, stop)


@command("continue c", "", "run to the next breakpoint, or to the end", GROUP, repeats=True)
def continue_(session: Session, rest: str) -> Answer:
    """See above."""
    return _moved(session, session.points.run())


def _repeat(session: Session, rest: str, once: Callable[[Session], Stop]) -> Stop:
    """Do something so many times, or up to where something else stops it."""
    for _ in range(number(rest, 1)):
        stop = once(session)
        if _is_elsewhere(stop) and stop.result.reason != Reason.VECTOR:
            break
    return stop


def _step(session: Session) -> Stop:
    """One instruction, or the delivery of an exception or interrupt."""
    return session.points.run(max_instructions=1, vectors=EVERY)


def _next(session: Session) -> Stop:
    """One instruction with all that it calls, and all interrupts that come before it."""
    machine = session.machine
    registers = machine.cpu.registers
    while True:
        instruction, key, esp, eip = session.instruction(), thread_key(machine), registers.esp, machine.cpu.linear_eip
        name = instruction.name if instruction else ""
        behind = eip + (instruction.size if instruction else 0) & 0xFFFFFFFF
        if name == "call" or (name in SYSTEM_CALLS and machine.cpu.cpl == 3):
            return _come_back(session, behind, esp, key)
        if name == "sysenter":
            return _come_back(session, *threads.sysenter_return(machine), key)
        interrupts = machine.cpu.state.interrupts
        stop = _step(session)
        if stop.breakpoints or stop.hits or machine.cpu.state.interrupts == interrupts:
            return stop
        place, interrupted_stack = _interrupted(session)
        stop = _come_back(session, place, interrupted_stack, key)
        if _is_elsewhere(stop) or place != eip:
            return stop


def _interrupted(session: Session) -> tuple[int, int]:
    """(address, stack pointer) that the trap frame at ESP leads back to."""
    esp = session.machine.cpu.registers.esp
    words = [session.space.word(esp + 4 * at) or 0 for at in range(4)]
    return words[0], words[3] if words[1] & 3 else esp + 12


def _come_back(session: Session, address: int, esp: int, key: int) -> Stop:
    """Run until that thread (0: any) is about to run that instruction, its stack no deeper; or to another stop."""
    machine = session.machine
    while True:
        stop = session.points.run(until=[address])
        if _is_elsewhere(stop) or (machine.cpu.linear_eip == address and key in (0, thread_key(machine))
                                   and machine.cpu.registers.esp >= esp):
            return stop
        if machine.cpu.cpl and thread_key(machine) != key:  # another program at the same address: on to the kernel
            stop = session.points.run(until={sysenter(machine)["eip"]} - {0}, vectors=EVERY)
            if stop.breakpoints or stop.hits or stop.result.reason not in (Reason.UNTIL, Reason.VECTOR):
                return stop


def _is_elsewhere(stop: Stop) -> bool:
    """True for a run that was stopped by something else than the place it was to run to, or its limits."""
    return bool(stop.breakpoints or stop.hits) or stop.result.reason not in (Reason.UNTIL, Reason.INSTRUCTIONS)


# Backward

@command("back reverse-step rs", "[N]", "go back N instructions", GROUP, repeats=True)
def back(session: Session, rest: str) -> Answer:
    """See above."""
    before = session.timeline.position
    session.timeline.back(number(rest, 1))
    return _moved(session, None, "" if session.timeline.position < before else "this is the beginning")


@command("reverse-continue rc", "", "go back to the last breakpoint before here, or to the beginning", GROUP,
         repeats=True)
def reverse_continue(session: Session, rest: str) -> Answer:
    """See above."""
    return _moved(session, session.points.reverse())


@command("bookmark bm", "[NAME]", "give this moment a name; without one, list them", GROUP)
def bookmark(session: Session, rest: str) -> Answer:
    """See above."""
    if rest:
        session.timeline.bookmark(rest)
    found = {name: {"cycle": each.cycles, "instructions": each.instructions}
             for name, each in session.timeline.bookmarks.items()}
    lines = [f"{name}: cycle {each['cycle']:,}, instruction {each['instructions']:,}" for name, each in found.items()]
    return Answer("\n".join(lines) or "no bookmarks", {"bookmarks": found})


@command("save", "FILE", "take a snapshot of this moment, for --snapshot of any command", GROUP)
def save(session: Session, rest: str) -> Answer:
    """See above."""
    if not rest:
        raise Mistake("save where? give a file")
    try:
        session.machine.snapshot().save(rest)
    except OSError as error:
        raise Mistake(f"{rest}: {(error.strerror or str(error)).lower()}") from None
    return Answer(f"saved in {rest}", {"saved": rest})


@command("goto", "NAME|start|end|cycle N|instruction N", "go to a moment, past or to come", GROUP)
def goto(session: Session, rest: str) -> Answer:
    """See above."""
    timeline, now = session.timeline, session.timeline.position
    word, _, count = rest.partition(" ")
    if rest in timeline.bookmarks:
        timeline.goto(rest)
    elif rest in ("start", "end"):
        timeline.goto(timeline.start if rest == "start" else timeline.farthest)
    elif word == "instruction" and count:
        wanted = number(count, 1)
        if wanted < now.instructions:
            timeline.back(now.instructions - wanted)
        else:
            timeline.run(max_instructions=wanted - now.instructions)
    elif word == "cycle" and count:
        wanted = number(count, 1)
        if wanted < now.cycles:
            timeline.goto(timeline.start)
        timeline.run(max_cycles=max(wanted - timeline.position.cycles, 0))
    else:
        raise Mistake(f"{rest!r} is no bookmark: give one, start, end, 'cycle N' or 'instruction N'")
    return _moved(session, None)


# From outside

@command("send", "TEXT", "give the guest TEXT and Enter on COM1, as if typed", GROUP)
def send(session: Session, rest: str) -> Answer:
    """See above."""
    data = rest.encode() + b"\r"
    session.timeline.do(lambda machine: machine.uart.receive(data))
    return Answer(f"{len(data)} bytes are on their way", {"sent": len(data)})


# Telling

def _moved(session: Session, stop: Stop | None, remark: str = "") -> Answer:
    """The answer of a command that has moved the machine."""
    session.last_stop = stop
    session.listed = None
    why = remark or (_why(session, stop) if stop else "")
    data: dict[str, Any] = {"reason": str(stop.result.reason) if stop else "moved", "why": why}
    if stop:
        data |= {"breakpoints": [point.number for point in stop.breakpoints],
                 "hits": [hit.as_dict() for hit in stop.hits]}
        if stop.result.exit_code is not None:
            data["exit_code"] = stop.result.exit_code
    return Answer(why, data, moved=True)


def _why(session: Session, stop: Stop) -> str:
    """Why a run has stopped, in words; "" if that is plain."""
    reasons = [f"breakpoint {point.number}: {point.place}" for point in stop.breakpoints if not point.watch]
    numbers = {point.watch: point.number for point in stop.breakpoints if point.watch}
    for hit in stop.hits:
        if hit.watch in numbers:
            what = f"{hit.before:#x} -> {hit.after:#x}" if hit.is_write else f"read {hit.before:#x}"
            reasons.append(f"watchpoint {numbers[hit.watch]}: {session.names.name(hit.linear)}: {what}, "
                           f"by {session.names.name(hit.eip)}")
    if stop.result.reason == Reason.VECTOR:
        reasons.append(_vector(session))
    if not reasons and stop.result.reason not in (Reason.UNTIL, Reason.INSTRUCTIONS):
        reasons.append(_ended(session, stop.result))
    return "\n".join(reasons)


def _vector(session: Session) -> str:
    """What has just been delivered."""
    state = session.machine.cpu.state
    vector = int(state.vector)
    name = vector_name(vector)
    at = session.names.name(_interrupted(session)[0])
    if vector < FIRST_IRQ:
        address = f", address {session.machine.cpu.registers.cr2:#x}" if name == "#PF" else ""
        return f"exception {vector} ({name or 'reserved'}){address}"
    return f"vector {vector:#x}, on its way back to {at}"


def _ended(session: Session, result: Result) -> str:
    if result.reason == Reason.EXIT:
        return f"the guest has ended the machine with exit code {result.exit_code}: go back, or quit"
    if result.reason == Reason.STOPPED:
        return result.detail or "stopped by Ctrl-C"
    if result.reason in (Reason.HALTED, Reason.IDLE) and session.machine.cpu.registers.eflags & IF:
        return f"{result.reason}: {result.detail}: nothing more will happen"
    return f"{result.reason}: {result.detail}" if result.detail else str(result.reason)
