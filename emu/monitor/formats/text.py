"""A trace as text: its crossings, or the graph of its functions, a line for each.

    #      cycle      took  ring  thread        what
        15558177         -  3>0   ping (1)      sysenter: ping:syscall_by_sysenter+0x7 -> sysenter_entry
        15650378     92201  0>3   ping (1)      sysexit: sysenter_entry+0x56 -> ping:syscall_by_sysenter+0x9

`took` is how many cycles what ends here took, in whatever threads they passed; a function or crossing within which
there is nothing has one line, at the cycle at which it began. Columns are where they are whatever is in them, and
nothing depends on what is not in the records: the same run gives the same text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from emu.crossings import Kind
from emu.monitor.formats.labels import Labels, rings
from emu.monitor.paths.pairing import ENTRIES
from emu.monitor.trace import calls
from emu.monitor.trace.calls import Enter, Event, How, Leave, Passed, Switched
from emu.monitor.trace.file import Trace

DEEPEST = 40                # levels that are indented


def crossings(trace: Trace) -> Iterator[str]:
    """The lines of a trace, one for each crossing; blocks are not looked at."""
    writer = _Writer(trace)
    yield from writer.heading("what")
    for event in _graph(trace, writer.labels, blocks=False):
        if isinstance(event, Enter):
            yield writer.line(event, "-", rings(int(event.record["space"])), writer.entry(event.record))
        elif isinstance(event, Leave) and event.record is not None:
            if event.how == How.CROSSING:
                yield writer.line(event, event.cycle - event.began.cycle, rings(int(event.record["space"])),
                                  writer.way(event.record))
        elif isinstance(event, Passed):
            yield writer.line(event, writer.took(event.record), rings(int(event.record["space"])),
                              writer.passed(event.record))
    yield from writer.ending()


def functions(trace: Trace) -> Iterator[str]:
    """The lines of a trace that has blocks: functions and crossings, one within the other."""
    writer = _Writer(trace)
    yield from writer.heading("function")
    opened: Enter | None = None                         # the last event, if it opened something: a leaf has one line
    for event in _graph(trace, writer.labels, blocks=True):
        if opened and not (isinstance(event, Leave) and event.began is opened):
            yield writer.opened(opened)
        if isinstance(event, Enter):
            opened = event
            continue
        if isinstance(event, Leave):
            yield writer.left(event, is_leaf=opened is event.began)
        elif isinstance(event, Switched):
            yield writer.line(event, "", None, f"-- {writer.labels.thread(event.before)} => "
                                               f"{writer.labels.thread(event.thread)}", indent=False)
        else:
            yield writer.line(event, writer.took(event.record), None, writer.passed(event.record))
        opened = None
    yield from writer.ending()


def _graph(trace: Trace, labels: Labels, blocks: bool) -> Iterator[Event]:
    frames = trace.frames()
    return calls.events(frames if blocks else (replace(frame, blocks=frame.blocks[:0]) for frame in frames),
                        labels.function)


class _Writer:
    def __init__(self, trace: Trace) -> None:
        self.labels = Labels(trace)
        self._trace = trace

    def heading(self, last: str) -> Iterator[str]:
        """What was traced, and the names of the columns."""
        head = self._trace.head
        yield f"# {head.image or 'no image'} on {head.profile}, {head.clock / 1e6:g} MHz"
        if head.filters:
            yield f"# only {', '.join(head.filters)}"
        yield f"#{'cycle':>11} {'took':>9}  {'ring':<5} {'thread':<12} {last}"

    def ending(self) -> Iterator[str]:
        """How the run ended, or what is wrong with the trace."""
        if self._trace.end.ended:
            yield f"# ended: {self._trace.end.ended}"
        if self._trace.flaw:
            yield f"# not whole: {self._trace.flaw}"

    def line(self, event: Event, took: int | str, ring: tuple[int, int] | None, what: str, indent: bool = True) -> str:
        """A line: `ring` before and behind, None for one that does not change."""
        depth = min(event.depth, DEEPEST) if indent and not isinstance(event, Switched) else 0
        shown = f"{ring[0]}>{ring[1]}" if ring else "" if isinstance(event, Switched) else f"{event.ring}"
        return (f"{event.cycle:>12} {took:>9}  {shown:<5} {self.labels.thread(event.thread):<12} "
                f"{'  ' * depth}{what}").rstrip()

    def opened(self, enter: Enter) -> str:
        """The line of what has begun and goes on."""
        return self.line(enter, "", self._rings(enter), f"{self._name(enter)} {{")

    def left(self, leave: Leave, is_leaf: bool) -> str:
        """The line of what has ended; `is_leaf`: it has no other."""
        began = leave.began
        name = began.name or self.labels.crossing(began.record)
        text = f"{self._name(began)}{' {}' if began.record is not None else ''}" if is_leaf else f"}} {name}"
        if leave.how == How.JUMP:
            text += f" -> {leave.target}"
        elif leave.how == How.CROSSING and leave.record is not None:
            text += f" by {self.labels.crossing(leave.record)}"
        elif leave.how in (How.ABANDONED, How.END):
            text += f" ({leave.how})"
        return self.line(began if is_leaf else leave, leave.cycle - began.cycle,
                         self._rings(began) if is_leaf else None, text)

    def entry(self, record: Any) -> str:
        """A crossing inwards: what, what it cost, from where to where."""
        about = []
        if record["kind"] == Kind.INTERRUPT:
            about.append(f"waited {int(record['waited'])}")
        if record["cost"]:
            about.append(f"cost {int(record['cost'])}")
        return self.way(record, f" ({', '.join(about)})" if about else "")

    def way(self, record: Any, about: str = "") -> str:
        """A crossing and from where to where it leads."""
        space = int(record["space"])
        return (f"{self.labels.crossing(record)}{about}: {self.labels.place(int(record['from']), space)} -> "
                f"{self.labels.place(int(record['to']), space)}")

    def passed(self, record: Any) -> str:
        """A crossing that does not nest."""
        if record["kind"] in (*ENTRIES, Kind.IRET, Kind.RETF, Kind.SYSEXIT, Kind.OTHER):
            return self.way(record)
        return f"{self.labels.crossing(record)}: {self.labels.place(int(record['to']), int(record['space']))}"

    def took(self, record: Any) -> int | str:
        """Cycles of idling; nothing for other crossings that do not nest."""
        return int(record["cost"]) if record["kind"] == Kind.IDLE else "-"

    def _name(self, enter: Enter) -> str:
        return f"{enter.name}()" if enter.record is None else self.entry(enter.record)

    def _rings(self, enter: Enter) -> tuple[int, int] | None:
        return None if enter.record is None else rings(int(enter.record["space"]))
