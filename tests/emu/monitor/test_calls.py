"""The function graph: what is found from blocks is what each single instruction tells, and oddities are taken well."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.crossings import Kind
from emu.decoding import decode_detail
from emu.machine import Machine
from emu.monitor.formats.labels import Labels
from emu.monitor.monitor import Monitor
from emu.monitor.names import Names
from emu.monitor.paths.pairing import ENTRIES, RETURNS
from emu.monitor.trace.calls import Enter, How, Leave, Switched, events
from emu.monitor.trace.file import Trace, TraceHead
from loader.boot import load
from loader.image import Image
from tests.emu.monitor.trace_rows import CALL, JUMP, PLAIN, RETURN, THREAD, Rows


@pytest.fixture(scope="module")
def preempt() -> Image:
    return load("preempt")


def graph(rows: Rows) -> list[str]:
    """What begins and ends: +name and -name, ! for an end that is not a return."""
    trace = rows.trace()
    labels = Labels(trace)
    found = []
    for event in events(trace.frames(), labels.function):
        if isinstance(event, Enter):
            found.append("+" + (event.name or labels.crossing(event.record)))
        elif isinstance(event, Leave):
            name = event.began.name or labels.crossing(event.began.record)
            found.append(f"-{name}" + ("" if event.how in (How.RETURN, How.CROSSING) else f"!{event.how}"))
        elif isinstance(event, Switched):
            found.append(f"={event.thread:x}")
    return found


def test_a_call_and_its_return_are_a_function_within_another() -> None:
    rows = Rows().block(0x1000, CALL).block(0x1100, RETURN).block(0x1004)
    assert graph(rows) == ["+f", "+g", "-g", "-f!end"]


def test_a_call_of_itself_is_another_call() -> None:
    rows = Rows().block(0x1000, CALL).block(0x1000, RETURN).block(0x1004, RETURN)
    assert graph(rows) == ["+f", "+f", "-f", "-f!end"]


def test_a_jump_into_another_function_replaces_it_and_returns_where_it_would_have() -> None:
    rows = Rows().block(0x1000, CALL).block(0x1100, JUMP).block(0x1200, RETURN).block(0x1004)
    assert graph(rows) == ["+f", "+g", "-g!jump", "+h", "-h", "-f!end"]


def test_a_return_to_a_caller_that_was_not_seen_ends_the_function() -> None:
    rows = Rows().block(0x1100, RETURN).block(0x1004)
    assert graph(rows) == ["+g", "-g", "+f", "-f!end"]


def test_a_return_that_skips_a_function_ends_both() -> None:
    rows = Rows().block(0x1000, CALL).block(0x1100, CALL).block(0x1200, RETURN).block(0x1004)
    assert graph(rows) == ["+f", "+g", "+h", "-h!abandoned", "-g", "-f!end"]


def test_a_return_into_a_function_on_its_way_that_answers_no_call_ends_what_is_above_it() -> None:
    rows = Rows().block(0x1000, CALL).block(0x1100, CALL).block(0x1200, RETURN).block(0x1080)
    assert graph(rows) == ["+f", "+g", "+h", "-h!abandoned", "-g", "-f!end"]


def test_an_interrupt_stands_between_what_it_interrupted_and_its_handler() -> None:
    rows = Rows().block(0x1000, CALL).block(0x1100, RETURN)
    rows.crossing(Kind.INTERRUPT, 0x1100, 0x2000, line=0, vector=0x20, cost=5).block(0x2000)
    rows.crossing(Kind.IRET, 0x2002, 0x1100).block(0x1100, RETURN).block(0x1004)
    assert graph(rows) == ["+f", "+g", "+IRQ0 timer", "+entry", "-entry", "-IRQ0 timer", "-g", "-f!end"]


def test_a_call_that_was_cut_short_by_an_interrupt_has_not_happened() -> None:
    rows = Rows().block(0x1000, CALL, ran=1).crossing(Kind.INTERRUPT, 0x1002, 0x2000, line=0).block(0x2000)
    rows.crossing(Kind.IRET, 0x2002, 0x1002).block(0x1002, CALL, size=2).block(0x1100, RETURN).block(0x1004)
    assert graph(rows) == ["+f", "+IRQ0 timer", "+entry", "-entry", "-IRQ0 timer", "+g", "-g", "-f!end"]


def test_a_call_behind_which_an_interrupt_comes_has_happened() -> None:
    rows = Rows().block(0x1000, CALL).crossing(Kind.INTERRUPT, 0x1100, 0x2000, line=0).block(0x2000)
    rows.crossing(Kind.IRET, 0x2002, 0x1100).block(0x1100, RETURN).block(0x1004)
    assert graph(rows) == ["+f", "+g", "+IRQ0 timer", "+entry", "-entry", "-IRQ0 timer", "-g", "-f!end"]


def test_a_block_that_stopped_before_its_first_instruction_calls_nothing() -> None:
    rows = Rows().block(0x1000, CALL, ran=0).block(0x1000, CALL).block(0x1100, RETURN).block(0x1004)
    assert graph(rows) == ["+f", "+g", "-g", "-f!end"]


def test_another_thread_has_a_stack_of_its_own() -> None:
    rows = Rows().block(0x1000, CALL).block(0x1100)
    rows.thread = 0xBEEF
    rows.block(0x1100, RETURN).block(0x1200, CALL).block(0x1100)
    first, rows.thread = rows.thread, 0xC0108000
    rows.block(0x1100, RETURN).block(0x1004)
    assert graph(rows) == ["+f", "+g", f"={first:x}", "+g", "-g", "+h", "+g", "=c0108000", "-g", "-f!end", "-g!end",
                           "-h!end"]


def test_an_entry_from_ring_3_finds_the_kernels_stack_empty() -> None:
    rows = Rows()
    rows.ring = 3
    rows.block(0x8000).crossing(Kind.SYSENTER, 0x8002, 0x2000).block(0x2000)
    rows.ring = 3                                       # it came back in a way that nobody saw
    rows.crossing(Kind.SYSENTER, 0x8002, 0x2000).block(0x2000)
    assert graph(rows) == ["+main", "+sysenter", "+entry", "-entry!abandoned", "-sysenter!abandoned", "+sysenter",
                           "+entry", "-entry!end", "-sysenter!end", "-main!end"]


def test_a_return_into_another_program_ends_all_that_was_there() -> None:
    rows = Rows()
    rows.ring = 3
    rows.block(0x8000).crossing(Kind.SOFTWARE, 0x8002, 0x2000, vector=0x80).block(0x2000)
    rows.space = 0x9000
    rows.crossing(Kind.IRET, 0x2002, 0x8100, ring=3).block(0x8100)
    assert graph(rows) == ["+main", "+int 0x80", "+entry", "-entry!abandoned", "-int 0x80!abandoned",
                           "-main!abandoned", "+leaf", "-leaf!end"]


def test_where_recording_was_off_everything_ends() -> None:
    rows = Rows().crossing(Kind.BEGIN, 0x1000, 0x1000).block(0x1000, CALL).block(0x1100)
    rows.crossing(Kind.END, 0x1104, 0x1104).crossing(Kind.BEGIN, 0x1200, 0x1200).block(0x1200)
    assert graph(rows) == ["+f", "+g", "-g!end", "-f!end", "+h", "-h!end"]


def test_returns_that_answer_nothing_do_not_pile_up() -> None:
    rows = Rows()
    for number in range(30_000):
        rows.block(0x1000 + number % 7 * 4, CALL).block(0x1100, RETURN)
    trace = rows.trace()
    deepest = max(event.depth for event in events(trace.frames(), Labels(trace).function))
    assert deepest <= 4


# Against single instructions

@pytest.mark.parametrize(("start", "count"), [(15_060_600, 25_000), (15_860_000, 30_000), (10_178_000, 12_000)])
def test_the_graph_is_that_of_a_shadow_stack_kept_instruction_by_instruction(preempt: Image, start: int,
                                                                             count: int) -> None:
    """A system call; a switch between threads by the timer, and what the other does; an interrupt in the kernel."""
    machine = Machine.boot(preempt, cpu="p3-500")
    machine.run(max_instructions=start)
    with Monitor(machine, blocks=True) as monitor:
        machine.run(max_instructions=count)
    names = Names.of(preempt)
    trace = Trace.from_arrays(TraceHead("p3-500", 1, 1), monitor.crossings, monitor.blocks, names=names)
    labels = Labels(trace)
    found = [(event.instructions, event.thread, event.depth, event.name or labels.crossing(event.record))
             for event in events(trace.frames(), labels.function) if isinstance(event, Enter)]
    assert len(found) > 5
    stepped = list(_stepped(preempt, start, count, labels))
    assert (found[0][1:], found[1:]) == (stepped[0][1:], stepped[1:])     # no mark where the machine stands already


def _stepped(image: Image, start: int, count: int, labels: Labels) -> Any:
    """What a shadow stack enters: each instruction of all code is marked, and decoded where it lies.

    Functions into which execution falls, and switches between threads, count from the next branch on, as blocks do.
    """
    machine = Machine.boot(image, cpu="p3-500")
    machine.run(max_instructions=start)
    tables = [image.lines, *image.program_lines.values()]
    code = {address for table in tables for address, _, line in table.entries if line}
    with Monitor(machine, marks=code) as monitor:
        machine.run(max_instructions=count)
    decoded: dict[int, Any] = {}
    stacks: dict[int, list[list[Any]]] = {}             # [name, start, returns to, ring it came from or -1]
    last: Any = None
    thread = 0
    for record in monitor.crossings:
        kind, space = Kind(record["kind"]), int(record["space"])
        is_straight = last is not None and not last.name.startswith(("j", "loop", "call", "ret"))
        thread = thread if kind == Kind.MARK and is_straight else int(record["thread"])
        stack = stacks.setdefault(thread, [])
        if kind == Kind.MARK:
            at = int(record["to"])
            if last is not None and last.name == "call":
                function = labels.function(at, space)
                yield int(record["instructions"]), thread, len(stack), function[0]
                stack.append([*function, last.address + last.size, -1])
            elif last is not None and last.name == "ret" and any(each[2] == at for each in stack):
                while stack.pop()[2] != at:
                    pass
            function = labels.function(at, space)
            if not is_straight and (not stack or stack[-1][3] >= 0 or tuple(stack[-1][:2]) != function):
                returns = stack.pop()[2] if stack and stack[-1][3] < 0 else -1
                yield int(record["instructions"]), thread, len(stack), function[0]
                stack.append([*function, returns, -1])
            if at not in decoded:
                physical = at - 0xC0000000 if at >= 0xC0000000 else at
                data = (machine.ram.read(physical, 16) if at >= 0xC0000000 or at < 0x8000000
                        else _of_program(image, at))
                decoded[at] = decode_detail(data, at, 32)[0]
            last = decoded[at]
            continue
        last = None
        if kind in ENTRIES:
            yield int(record["instructions"]), thread, len(stack), labels.crossing(record)
            stack.append(["", 0, -1, space >> 2 & 3])
        elif kind in RETURNS:
            if not any(each[3] == space & 3 for each in stack):
                stack.clear()
            while stack and stack.pop()[3] != space & 3:
                pass


def _of_program(image: Image, address: int) -> bytes:
    """Code of a program: all of them that have that address are alike in this image, but for `crash`."""
    from loader.elf import read

    for name in ("ping", "crash"):
        for segment in read(image.files[name], name).segments:
            if 0 <= address - segment.physical < len(segment.data):
                return segment.data[address - segment.physical:][:16]
    raise AssertionError(hex(address))


# Whatever the records

STEPS = st.lists(st.tuples(
    st.sampled_from(["call", "return", "jump", "plain", "interrupt", "iret", "sysenter", "sysexit", "mark", "begin"]),
    st.integers(0, 40), st.integers(0, 2)), max_size=60)
KINDS = {"interrupt": Kind.INTERRUPT, "iret": Kind.IRET, "sysenter": Kind.SYSENTER, "sysexit": Kind.SYSEXIT,
         "mark": Kind.MARK, "begin": Kind.BEGIN}


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(1, 60))
def test_whatever_is_entered_is_left_and_cutting_into_frames_changes_nothing(steps: list[tuple[str, int, int]],
                                                                            most: int) -> None:
    rows = Rows()
    for what, place, who in steps:
        rows.thread = THREAD + who
        if what in KINDS:
            rows.crossing(KINDS[what], 0x1000 + place * 16, 0x1000 + place * 8, ring=3 * (what == "sysexit"))
        else:
            rows.block(0x1000 + place * 16, {"call": CALL, "return": RETURN, "jump": JUMP, "plain": PLAIN}[what])
    trace = rows.trace()
    function = Labels(trace).function
    found = list(events(trace.frames(), function))
    open_ones: dict[int, list[Enter]] = {}
    for event in found:
        stack = open_ones.setdefault(event.thread, [])
        if isinstance(event, Enter):
            assert event.depth == len(stack)
            stack.append(event)
        elif isinstance(event, Leave):
            assert stack.pop() is event.began
    assert not any(open_ones.values())
    pieces = (part for frame in trace.frames() for part in frame.parts(most))
    assert str(list(events(pieces, function))) == str(found)
