"""What `trapline diff` says, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from emu.cpu.registers import GENERAL
from emu.crossings import NO_LINE, Kind
from emu.monitor.compare.inputs import INPUT, Source
from emu.monitor.compare.lockstep import Standing
from emu.monitor.formats.labels import LINES, Labels, rings
from emu.monitor.paths import changes as cost_changes
from emu.monitor.paths.costs import aligned
from emu.monitor.trace.file import Trace

if TYPE_CHECKING:
    from tools.diff_findings import Finding, Side

ALWAYS = (*GENERAL, "eip", "eflags", "cs", "ss", "cr3")     # registers that are shown even if they do not differ
BEHIND = 3                                                  # events of each that are shown from the difference on


# As text

def as_text(found: Finding) -> str:
    """All of it, for people."""
    parts = ["\n".join(map(_side, (found.a, found.b))), *_verdict(found)]
    if found.comparison.differs:
        parts += [_parting(found), _input(found), _registers(found)]
    parts.append(_state(found))
    if found.comparison.differs:
        parts.append(_events(found))
    if any(each.difference for each in found.costs):
        parts.append("Cycles by path; the causes are those of B - A:\n" + cost_changes.table(found.costs))
    parts += found.remarks
    return "\n\n".join(part for part in parts if part)


def _side(side: Side) -> str:
    head, end = side.trace.head, side.trace.end
    text = (f"{side.letter}  {head.image or 'no image'} on {head.profile}, {head.clock / 1e6:g} MHz, "
            f"{head.memory >> 10:,} KiB")
    if head.filters:
        text += f"; only {', '.join(head.filters)}"
    return f"{text}; {end.ended}" if end.ended else text


def _verdict(found: Finding) -> Iterator[str]:
    comparison, count = found.comparison, f"{found.comparison.common:,}"
    if comparison.by_name:
        yield "The images differ: functions are compared by name, addresses and instruction counts are not."
    if comparison.differs:
        yield (f"{count} crossings are alike, and the next one differs in {', '.join(comparison.differing)}."
               if comparison.common else f"The first crossing differs in {', '.join(comparison.differing)}.")
        return
    alike = f"{'No crossing differs' if found.differs else 'No difference'}: {count} crossings are alike."
    if comparison.shorter:
        other = "B" if comparison.shorter == "a" else "A"
        alike += f" {comparison.shorter.upper()} stops there, {other} goes on."
    yield alike


def _parting(found: Finding) -> str:
    if not found.parting:
        return "They do not part up to there: no instruction leads to different places." if found.devices else ""
    before, behind = found.parting.before, found.parting.behind
    lines = [f"They part behind {before[0].instructions:,} instructions, at", f"  {_code(found.a, before[0])}"]
    for side, start, end in zip((found.a, found.b), before, behind, strict=True):
        event = _event_between(side, start, end, found)
        went = f"goes on at {Labels(side.trace).place(end.address, end.space)}"
        if end.instructions == start.instructions:
            went = "ends"
        lines.append(f"  {side.letter} {went}{f' behind {event}' if event else ''}, from cycle {start.cycle:,} to "
                     f"{end.cycle:,}")
    return "\n".join(lines)


def _event_between(side: Side, start: Standing, end: Standing, found: Finding) -> str:
    """What the crossing that differs is, if it happened at the parting."""
    number = found.comparison.first["AB".index(side.letter)]
    record = side.trace.crossings[number]
    is_here = start.instructions <= record["instructions"] <= end.instructions and record["kind"] != Kind.END
    return Labels(side.trace).crossing(record) if is_here else ""


def _code(side: Side, standing: Standing) -> str:
    place = Labels(side.trace).place(standing.address, standing.space)
    source = f"    ({standing.file}:{standing.line})" if standing.file else ""
    return f"{place}  {standing.code}{source}"


def _input(found: Finding) -> str:
    if not found.devices:
        return ""
    if found.inputs is None:
        hint = "" if found.looked_at_state else "; --state shows where"
        return ("No input from a device differed before: they were started differently, or software looked at the "
                f"processor or the time{hint}.")
    lines = ["The input that differed first:"]
    for side, one in zip((found.a, found.b), found.inputs, strict=True):
        lines.append(f"  {side.letter} {_one_input(found, side, one) if one is not None else 'nothing more'}")
    return "\n".join(lines)


def _one_input(found: Finding, side: Side, one: Any) -> str:
    at = Labels(side.trace).place(int(one["at"]), int(one["space"]))
    address, size = int(one["address"]), int(one["size"])
    if one["source"] == Source.INTERRUPT:
        line = "an interrupt" if address == NO_LINE else f"IRQ{address} {LINES.get(address, '')}".rstrip()
        return (f"accepted {line}, vector {int(one['value']):#04x}, in front of {at}, behind "
                f"{int(one['instructions']):,} instructions, at cycle {int(one['cycle']):,}")
    device = found.devices[0].device(int(one["source"]), address) or "no device"
    where = f"port {address:#x}" if one["source"] == Source.PORT else f"address {address:#x}"
    return (f"read {int(one['value']):#0{2 + 2 * size}x} from {where} ({device}) at {at}, cycle "
            f"{int(one['cycle']):,}")


def _registers(found: Finding) -> str:
    pair = _pair(found)
    if pair is None:
        return ""
    rows = [["", "A", "B"]]
    for name in pair[0].registers:
        a, b = (each.registers[name] for each in pair)
        if name in ALWAYS or a != b:
            rows.append([name, f"{a:08x}", f"{b:08x}", "*" if a != b else ""])
    rows[0].append("")
    return f"Registers {'in front of it' if found.parting else 'just before'}:\n{aligned(rows)}"


def _pair(found: Finding) -> tuple[Standing, Standing] | None:
    """Both, in front of what differs."""
    if found.parting:
        return found.parting.before
    if len(found.standings) == 2:
        return found.standings["A"], found.standings["B"]
    return None


def _state(found: Finding) -> str:
    if not found.looked_at_state:
        return ""
    if found.state is None:
        return "Registers and memory are the same at every place that was looked at."
    before, behind = found.state.before, found.state.behind
    names = [name for name, value in behind[0].registers.items() if value != behind[1].registers[name]]
    start = "from the start" if before[0] == behind[0] else (
        f"behind {before[0].instructions:,} instructions and\n  {_code(found.a, before[0])}")
    lines = [f"Their states differ {start}"]
    lines += [f"  {name:12} A {behind[0].registers[name]:08x}  B {behind[1].registers[name]:08x}" for name in names]
    lines += [f"  [{address:#010x}] A {a:08x}  B {b:08x}" for address, a, b in found.state.words]
    if found.state.word_count > len(found.state.words):
        lines.append(f"  ... and {found.state.word_count - len(found.state.words):,} more words of memory")
    return "\n".join(lines)


def _events(found: Finding) -> str:
    comparison = found.comparison
    lines = [f"  {line}" for line in _lines(comparison.a, _common(found))]
    title = "The last events that both have, then the first that differ" if len(lines) > 1 else "The first events"
    for side, numbers in zip((found.a, found.b), comparison.numbers, strict=True):
        chosen = numbers[comparison.common:comparison.common + BEHIND]
        lines += [f"{side.letter} {line}" for line in _lines(side.trace, chosen)[1:]]
    return "\n".join([f"{title}:", *lines])


def _common(found: Finding) -> Any:
    """The numbers of the last events in common, in A."""
    common = found.comparison.common
    return found.comparison.numbers[0][max(common - found.last, 0):common]


def _lines(trace: Trace, numbers: Any) -> list[str]:
    """Some crossings of a trace as its text has them, headed by the names of the columns."""
    labels, found = Labels(trace), []
    found.append(f"{'cycle':>12} {'instructions':>12}  {'ring':<5} {'thread':<12} what")
    for record in trace.crossings[numbers]:
        before, behind = rings(int(record["space"]))
        found.append(f"{int(record['cycle']):>12} {int(record['instructions']):>12}  {f'{before}>{behind}':<5} "
                     f"{labels.thread(int(record['thread'])):<12} {_what(labels, record)}")
    return found


def _what(labels: Labels, record: Any) -> str:
    space = int(record["space"])
    what = labels.crossing(record)
    if record["kind"] in (Kind.END, Kind.IDLE, Kind.MARK, Kind.LOST):
        return f"{what}: {labels.place(int(record['to']), space)}"
    return f"{what}: {labels.place(int(record['from']), space)} -> {labels.place(int(record['to']), space)}"


# As JSON

def as_dict(found: Finding) -> dict[str, Any]:
    """All of it, for JSON."""
    comparison = found.comparison
    values: dict[str, Any] = {
        "different": found.differs, "by_name": comparison.by_name, "common_crossings": comparison.common,
        "shorter": comparison.shorter or None,
        **{side.letter.lower(): _side_as_dict(side) for side in (found.a, found.b)},
        "differing": list(comparison.differing), "first": None,
        "common": [_record(comparison.a, number) for number in _common(found).tolist()] if comparison.differs else []}
    if comparison.differs:
        values["first"] = {letter: _record(trace, number) for letter, trace, number in zip(
            "ab", (comparison.a, comparison.b), comparison.first, strict=True)}
    pair = _pair(found)
    values["parting"] = found.parting and {
        "instructions": found.parting.before[0].instructions,
        "behind": dict(zip("ab", (each.as_dict() for each in found.parting.behind), strict=True))}
    values["in_front"] = pair and dict(zip("ab", (each.as_dict() for each in pair), strict=True))
    values["input"] = found.inputs and {letter: _input_as_dict(found, one)
                                        for letter, one in zip("ab", found.inputs, strict=True)}
    if found.looked_at_state:
        values["state"] = found.state and found.state.as_dict()
    values["costs"] = [each.as_dict() for each in found.costs]
    values["remarks"] = found.remarks
    return values


def _side_as_dict(side: Side) -> dict[str, Any]:
    head = side.trace.head
    return {"image": head.image, "digest": head.digest, "cpu": head.profile, "clock_hz": head.clock,
            "memory": head.memory, "arguments": list(head.arguments), "filters": list(head.filters),
            "ended": side.trace.end.ended, "whole": not side.trace.flaw}


def _record(trace: Trace, number: int | None) -> dict[str, Any] | None:
    if number is None:
        return None
    labels, record = Labels(trace), trace.crossings[number]
    space = int(record["space"])
    before, behind = rings(space)
    return {"number": number, "kind": Kind(record["kind"]).name.lower(), "what": _what(labels, record),
            **{name: int(record[name]) for name in ("cycle", "instructions", "from", "to", "vector", "line", "error",
                                                    "cost", "waited")},
            "ring_before": before, "ring_behind": behind, "thread": labels.thread(int(record["thread"])),
            "program": labels.program(space) or None}


def _input_as_dict(found: Finding, one: Any) -> dict[str, Any] | None:
    if one is None:
        return None
    values = {name: int(one[name]) for name in INPUT.names or ()}
    source = Source(values.pop("source"))
    device = found.devices[0].device(source, values["address"]) if source != Source.INTERRUPT else ""
    if source != Source.INTERRUPT:
        del values["instructions"]
    return {"source": source.name.lower(), "device": device or None, **values}
