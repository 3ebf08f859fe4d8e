"""What a profile knows about time: its sections together, read and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from emu.timing.errors import allowed, refuse, shown
from emu.timing.figures import OUT_OF_ORDER, Kind, Number, Source, Word, terms
from emu.timing.reading import Reader
from emu.timing.sections import (
    Branch,
    Cache,
    Caches,
    InstructionCost,
    Memory,
    Pipeline,
    Ports,
    StringCost,
    Tlb,
    Tlbs,
    TraceCache,
)
from emu.timing.vocabulary import CLASSES, PAIRING, PAIRS, STRINGS, TRANSITIONS, UOPS

IDENTITY = ("clock", "signature", "features", "brand", "leaf2")     # top-level keys that have a source
SECTIONS = ("pairs", "pairing", "uops", "instructions", "strings", "transitions", "ports", "caches", "memory", "tlbs",
            "branch")
KINDS = [kind.value for kind in Kind]


@dataclass(frozen=True)
class Timing:
    """The figures of a processor."""

    pipeline: Pipeline                                  # widths
    pairs: Mapping[str, Number] | None                  # P5: cycles of two paired instructions, by vocabulary.PAIRS
    pairing: Mapping[str, Word] | None                  # P5: pipes of each class
    uops: Mapping[str, Number] | None                   # P6, K7, NetBurst: micro-ops of each class
    instructions: Mapping[str, InstructionCost]         # by vocabulary.CLASSES
    strings: Mapping[str, StringCost]                   # by vocabulary.STRINGS
    transitions: Mapping[str, Number]                   # by vocabulary.TRANSITIONS
    ports: Ports                                        # bus time of port I/O
    caches: Caches
    memory: Memory
    tlbs: Tlbs
    branch: Branch


def reader_of(path: object, values: dict[str, Any]) -> Reader:
    """What reads the sections of a file whose identity is checked. One without [pipeline] is a `unit`."""
    return Reader(path, _kind(path, values), tuple(values["features"]), _documents(path, values.get("documents", {})))


def read_sources(reader: Reader, values: dict[str, Any]) -> Mapping[str, Source]:
    """`sources`: where clock, signature, features, brand and leaf2 come from; a `unit` may do without."""
    needed = [key for key in IDENTITY if key in values]
    table = reader.table("sources", values.get("sources", {}))
    for name, value in table.items():
        if name not in needed:
            refuse(reader.path, f"sources.{name}", f"unknown key; {allowed(name, needed)}")
        for key in reader.table(f"sources.{name}", value):
            if key not in ("source", "certainty"):
                refuse(reader.path, f"sources.{name}.{key}", "unknown key; allowed are source, certainty")
    found = {}
    for name in needed:
        source = reader.source(f"sources.{name}", table.get(name, {}))
        if source is None and reader.kind is Kind.UNIT:
            continue
        if source is None:
            refuse(reader.path, f"sources.{name}", f"missing: {name} has no source; "
                                                   "write { source = \"...\", certainty = \"...\" }")
        found[name] = source
    return MappingProxyType(found)


def read_timing(reader: Reader, values: dict[str, Any]) -> Timing | None:
    """The figures; None if the pipeline is a `unit`, which has none. Raises ProfileError."""
    kind = reader.kind
    if kind is Kind.UNIT:
        for section in SECTIONS:
            if section in values:
                refuse(reader.path, section, "a profile that counts a cycle an instruction has no figures; set "
                                             f"pipeline.kind to one of {', '.join(KINDS[1:])}")
        return None
    widths = {key: value for key, value in values["pipeline"].items() if key != "kind"}
    timing = Timing(
        Pipeline(**reader.keys("pipeline", widths, terms(Pipeline))),
        _named(reader, values, "pairs", PAIRS) if _has(reader, values, "pairs", (Kind.P5,)) else None,
        _groups(reader, values, "pairing") if _has(reader, values, "pairing", (Kind.P5,)) else None,
        _groups(reader, values, "uops") if _has(reader, values, "uops", OUT_OF_ORDER) else None,
        _named(reader, values, "instructions", CLASSES),
        _named(reader, values, "strings", STRINGS),
        _named(reader, values, "transitions", TRANSITIONS),
        Ports(**_section(reader, values, "ports", Ports)),
        Caches(**_section(reader, values, "caches", Caches)),
        Memory(**_section(reader, values, "memory", Memory)),
        Tlbs(**_section(reader, values, "tlbs", Tlbs)),
        Branch(**_section(reader, values, "branch", Branch)))
    _check_geometry(reader.path, timing)
    _check_global_pages(reader, timing)
    return timing


def _kind(path: object, values: dict[str, Any]) -> Kind:
    pipeline = values.get("pipeline", {"kind": "unit"})
    if not isinstance(pipeline, dict):
        refuse(path, "pipeline", f"{shown(pipeline)}: must be a table")
    if "kind" not in pipeline:
        refuse(path, "pipeline.kind", f"missing; it is one of {', '.join(KINDS)}")
    if pipeline["kind"] not in KINDS:
        refuse(path, "pipeline.kind", f"{shown(pipeline['kind'])}: must be one of {', '.join(KINDS)}")
    if pipeline["kind"] == "unit" and len(pipeline) > 1:
        refuse(path, f"pipeline.{next(key for key in pipeline if key != 'kind')}", "a unit pipeline has no figures")
    return Kind(pipeline["kind"])


def _documents(path: object, value: Any) -> Mapping[str, str]:
    """[documents]: the full title of each, by the name under which sources cite it."""
    if not isinstance(value, dict):
        refuse(path, "documents", f"{shown(value)}: must be a table")
    for name, title in value.items():
        if not isinstance(title, str) or not title.strip():
            refuse(path, f"documents.{name}", f"{shown(title)}: must be the document's title, a string")
        if ":" in name or not name.strip():
            refuse(path, f"documents.{name}", "a document's name may not be empty or hold a colon")
    return MappingProxyType(value)


def _section(reader: Reader, values: dict[str, Any], name: str, section: type) -> dict[str, Any]:
    return reader.keys(name, _there(reader, values, name), terms(section))


def _named(reader: Reader, values: dict[str, Any], name: str, vocabulary: Mapping[str, Any]) -> Mapping[str, Any]:
    """A section whose keys are a vocabulary."""
    found = reader.keys(name, _there(reader, values, name), vocabulary)
    return MappingProxyType({key: value for key, value in found.items() if value is not None})


def _there(reader: Reader, values: dict[str, Any], name: str) -> Any:
    if name not in values:
        refuse(reader.path, name, f"missing: a {reader.kind.value} profile has a section [{name}]")
    return values[name]


def _has(reader: Reader, values: dict[str, Any], name: str, kinds: tuple[Kind, ...]) -> bool:
    """Whether the pipeline has section `name`, which is for `kinds`."""
    if name in values and reader.kind not in kinds:
        refuse(reader.path, name, f"a {reader.kind.value} pipeline has no such section")
    return reader.kind in kinds


def _groups(reader: Reader, values: dict[str, Any], name: str) -> Mapping[str, Any]:
    """[[uops]] or [[pairing]]: a value and the classes that have it; every class that the processor has stands once."""
    term = UOPS if name == "uops" else PAIRING
    groups = _there(reader, values, name)
    if not isinstance(groups, list):
        refuse(reader.path, name, f"{shown(groups)}: must be a list of tables, each headed [[{name}]]")
    known = [key for key, each in CLASSES.items() if not each.feature or each.feature in reader.features]
    found: dict[str, Any] = {}
    for index, group in enumerate(groups):
        place = f"{name}[{index}]"
        table = dict(reader.table(place, group))
        classes = table.pop("classes", None)
        if classes is None:
            refuse(reader.path, f"{place}.classes", "missing; it is a list of classes of instructions")
        if not isinstance(classes, list):
            refuse(reader.path, f"{place}.classes", f"{shown(classes)}: must be a list of classes of instructions")
        value = reader.figure(place, table, term, None)
        for each in classes:
            if each not in known:
                refuse(reader.path, f"{place}.classes", f"{shown(each)} is no class; {allowed(str(each), known)}")
            if each in found:
                refuse(reader.path, f"{place}.classes", f"{shown(each)} stands twice")
            found[each] = value
    for each in known:
        if each not in found:
            refuse(reader.path, name, f"no group has the class {shown(each)}: {CLASSES[each].phrase}")
    return MappingProxyType(found)


def _check_geometry(path: object, timing: Timing) -> None:
    """Caches and TLBs have a whole number of sets, a power of two."""
    for section in (timing.caches, timing.tlbs):
        name = type(section).__name__.lower()
        for each in fields(section):
            part = getattr(section, each.name)
            if isinstance(part, Cache):
                _check_sets(path, f"{name}.{each.name}", part.size.typical * 1024, part.ways, part.line.typical)
                if part.line.typical % 2 or part.line.typical.bit_count() != 1:     # type: ignore[attr-defined]
                    refuse(path, f"{name}.{each.name}.line", f"{part.line.typical}: must be a power of two")
            elif isinstance(part, TraceCache):
                _check_sets(path, f"{name}.{each.name}", part.uops.typical, part.ways, part.line.typical)
            elif isinstance(part, Tlb):
                _check_sets(path, f"{name}.{each.name}", part.entries.typical, part.ways, 1)
    _check_sets(path, "branch", timing.branch.entries.typical, timing.branch.ways, 1)


def _check_sets(path: object, key: str, size: float, ways: Number, line: float) -> None:
    sets, rest = divmod(int(size), int(ways.typical * line))
    if rest or sets.bit_count() != 1:
        refuse(path, f"{key}.ways", f"{ways.typical}: makes {size / (ways.typical * line):g} sets; "
                                    "must be a power of two")


def _check_global_pages(reader: Reader, timing: Timing) -> None:
    """A load of CR3 spares global pages if the processor has them."""
    spares = timing.tlbs.cr3_load.value != "all"
    if spares != ("PGE" in reader.features):
        refuse(reader.path, "tlbs.cr3_load", f"{timing.tlbs.cr3_load.value!r}: but features "
                                      f"{'lacks' if spares else 'has'} PGE, global pages")
