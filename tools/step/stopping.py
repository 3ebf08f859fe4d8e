"""Commands that say where the machine is to stop."""

from __future__ import annotations

import re

from emu.monitor.stops.breakpoints import Access, Breakpoint
from tools.step.registry import Answer, Mistake, command
from tools.step.session import Session

GROUP = "stopping"


@command("break b", "PLACE [if EXPR]", "stop at an address, symbol, FILE:LINE, vector N, cycle N, instruction N", GROUP)
def break_(session: Session, rest: str) -> Answer:
    """See above."""
    return _add(session, rest, temporary=False)


@command("tbreak tb", "PLACE [if EXPR]", "the same, but once", GROUP)
def tbreak(session: Session, rest: str) -> Answer:
    """See above."""
    return _add(session, rest, temporary=True)


@command("watch w", "ADDR [SIZE] [if EXPR]", "stop behind what writes SIZE bytes (4) at an address", GROUP)
def watch(session: Session, rest: str) -> Answer:
    """See above."""
    return _watch(session, rest, Access.WRITE)


@command("rwatch rw", "ADDR [SIZE] [if EXPR]", "... what reads them", GROUP)
def rwatch(session: Session, rest: str) -> Answer:
    """See above."""
    return _watch(session, rest, Access.READ)


@command("awatch aw", "ADDR [SIZE] [if EXPR]", "... what reads or writes them", GROUP)
def awatch(session: Session, rest: str) -> Answer:
    """See above."""
    return _watch(session, rest, Access.ANY)


@command("delete d", "[N]", "delete a breakpoint, or all", GROUP)
def delete(session: Session, rest: str) -> Answer:
    """See above."""
    wanted = [_number(rest)] if rest else [point.number for point in session.points]
    for each in wanted:
        session.points.delete(each)
    return Answer(f"deleted {', '.join(map(str, wanted)) or 'nothing'}", {"deleted": wanted})


@command("condition cond", "N [EXPR]", "make a breakpoint depend on an expression, or on nothing any more", GROUP)
def condition(session: Session, rest: str) -> Answer:
    """See above."""
    which, _, expression = rest.partition(" ")
    point = session.points[_number(which)]
    session.points.set_condition(point, expression.strip())
    return _shown(point)


@command("ignore", "N COUNT", "pass over a breakpoint so many times", GROUP)
def ignore(session: Session, rest: str) -> Answer:
    """See above."""
    which, _, count = rest.partition(" ")
    point = session.points[_number(which)]
    point.ignore = _number(count)
    return _shown(point)


@command("enable", "N", "let a breakpoint stop", GROUP)
def enable(session: Session, rest: str) -> Answer:
    """See above."""
    return _switch(session, rest, True)


@command("disable", "N", "keep a breakpoint, but do not stop there", GROUP)
def disable(session: Session, rest: str) -> Answer:
    """See above."""
    return _switch(session, rest, False)


@command("breakpoints", "", "list breakpoints and watchpoints (also: info)", GROUP)
def breakpoints(session: Session, rest: str) -> Answer:
    """See above."""
    points = list(session.points)
    text = "\n".join(map(_line, points)) or "no breakpoints"
    return Answer(text, {"breakpoints": [each.as_dict() for each in points]})


def _add(session: Session, rest: str, temporary: bool) -> Answer:
    place, expression = _parts(rest)
    if not place:
        place = f"{session.machine.cpu.linear_eip:#x}"
    return _shown(session.points.add(place, condition=expression, temporary=temporary))


def _watch(session: Session, rest: str, access: Access) -> Answer:
    place, expression = _parts(rest)
    sized = re.fullmatch(r"(.+?)\s+(\d+)", place)
    where, size = (sized[1], int(sized[2])) if sized else (place, 4)
    if not where:
        raise Mistake("watch what? give an address, a symbol or an expression")
    return _shown(session.points.watch(where, size, access, condition=expression))


def _parts(rest: str) -> tuple[str, str]:
    """(place, condition) of PLACE [if EXPR]."""
    place, _, expression = f" {rest} ".partition(" if ")
    return place.strip(), expression.strip()


def _switch(session: Session, rest: str, enabled: bool) -> Answer:
    point = session.points[_number(rest)]
    point.enabled = enabled
    return _shown(point)


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise Mistake(f"{text!r} is no number of a breakpoint: see breakpoints") from None


def _shown(point: Breakpoint) -> Answer:
    return Answer(_line(point), {"breakpoint": point.as_dict()})


def _line(point: Breakpoint) -> str:
    """A breakpoint for people."""
    if point.watch:
        what = f"{point.watch.access} of {point.watch.size} bytes at {point.place} ({point.watch.linear:#010x})"
    else:
        at = " ".join(f"{address:#010x}" for address in point.addresses)
        what = point.place + (f" ({at})" if at and at != point.place else "")
    notes = [f"if {point.condition}"] if point.condition else []
    notes += [f"passed over {point.ignore} more times"] if point.ignore else []
    notes += ["once"] if point.temporary else []
    notes += [] if point.enabled else ["disabled"]
    notes += [f"met {point.hits} {'time' if point.hits == 1 else 'times'}"] if point.hits else []
    return f"{point.number:>3}  {what}" + "".join(f", {note}" for note in notes)
