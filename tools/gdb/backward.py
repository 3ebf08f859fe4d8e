"""Running backward for gdb: reverse-continue and reverse-stepi, from which gdb makes the others."""

from __future__ import annotations

from emu.monitor.stops.watchpoints import Hit
from tools.gdb.execution import EVERY, Execution
from tools.gdb.stops import BEGINNING, STEPPED, Context, Stopped, accessed, here, interrupted

IRET = b"\xcf"


def resume_back(execution: Execution) -> Stopped:
    """Go back to the last stop before here: a breakpoint, an access to watched memory, or the beginning."""
    timeline = execution.timeline

    def go() -> Stopped:
        start = timeline.position
        found, stopped = timeline.start, BEGINNING
        if execution.watchpoints:
            hits = execution.watchpoints.last()
            if hits:
                found, stopped = timeline.position, accessed(hits)
            timeline.goto(start)
        places = execution.breakpoints
        if places and timeline.reverse_continue(until=places) and timeline.position >= found:
            return execution.at_breakpoint()
        timeline.goto(found)
        return stopped

    return execution.attentively(go)


def step_back(execution: Execution) -> Stopped:
    """Go back one instruction; over the handler of an interrupt that came between, unless steps go into interrupts."""
    machine, timeline = execution.machine, execution.timeline

    def go() -> Stopped:
        while True:
            context, before = here(machine), timeline.position
            if timeline.back() == before:
                return BEGINNING
            left = not execution.steps_into_interrupts and _leave_handler(execution, context)
            if not left or here(machine) != context:        # HLT has been undone with the interrupt that ended it
                hits = _undone(execution)
                return accessed(hits) if hits else STEPPED

    return execution.attentively(go)


def _leave_handler(execution: Execution, context: Context) -> bool:
    """If the next instruction returns from an interrupt to `context`, go back to before that interrupt."""
    cpu, timeline = execution.machine.cpu, execution.timeline
    if cpu.read_linear(cpu.linear_eip, len(IRET)) != IRET:
        return False
    at = timeline.position
    base = cpu.registers.segment("cs").base
    if timeline.reverse_continue(vectors=EVERY, condition=lambda machine: interrupted(machine, base) == context):
        interrupts = cpu.state.interrupts
        timeline.back()
        if cpu.state.interrupts < interrupts:
            return True
    timeline.goto(at)                                       # it was an exception or a system call
    return False


def _undone(execution: Execution) -> list[Hit]:
    """The watched accesses of the instruction that was undone."""
    timeline = execution.timeline
    if not execution.watchpoints:
        return []
    at = timeline.position
    hits = execution.watchpoints.run(max_instructions=1)[1]
    timeline.goto(at)
    return hits
