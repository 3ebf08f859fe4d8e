"""What holds of interrupt lines: which are masked, and who is told of them."""

from __future__ import annotations

from collections.abc import Iterator

from emu.monitor.invariants.state import State
from guest.abi.micro import MicroState, ThreadId

CASCADE = 2                 # the line by which the second chip comes in
LINES = int(ThreadId.IRQ_THREADS)
UNDER_WAY = (MicroState.IS_SENDING, MicroState.IS_RECEIVING)


def broken(state: State) -> Iterator[str]:
    """What does not hold."""
    masked = state.variable("lines_masked")
    handlers = state.words(state.symbols["interrupt_handlers"], LINES).tolist()
    live = set(state.threads["id"].tolist())
    states = dict(zip(state.numbers.tolist(), state.threads["state"].tolist(), strict=True))
    pic = state.machine.pic
    chips = pic.master.imr | pic.slave.imr << 8
    if chips != masked & 0xFFFF:
        yield f"lines_masked is {masked & 0xFFFF:#06x}, the interrupt controllers' masks are {chips:#06x}"
    for line in range(LINES):
        is_masked, handler = bool(masked >> line & 1), handlers[line]
        under_way = states.get(line) in UNDER_WAY
        own = line == CASCADE or (line == 0 and not state.uls)      # the kernel's
        if handler and handler not in live:
            yield f"interrupt line {line}: its handler {handler:#x} does not exist"
        if is_masked and handler and not under_way:
            yield f"interrupt line {line} is masked, though its handler has nothing to do"
        if not is_masked and (under_way or not (handler or own)):
            yield f"interrupt line {line} is not masked, {'but under way' if under_way else 'and has no handler'}"
