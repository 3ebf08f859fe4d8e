"""A profile for people and for programs: text and JSON, every figure with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from emu.timing.figures import NS, Certainty, Number, Source, Term, Word, terms
from emu.timing.profile import Profile
from emu.timing.timing import Timing
from emu.timing.vocabulary import CLASSES, PAIRING, PAIRS, STRINGS, TRANSITIONS, UOPS

VOCABULARIES: dict[str, Mapping[str, Term]] = {     # sections whose keys are words of a vocabulary
    "pairs": PAIRS, "instructions": CLASSES, "strings": STRINGS, "transitions": TRANSITIONS,
    "pairing": {name: replace(PAIRING, phrase=term.phrase) for name, term in CLASSES.items()},
    "uops": {name: replace(UOPS, phrase=term.phrase, unit="micro-ops") for name, term in CLASSES.items()}}
UNIT = "An instruction costs one cycle, as does an iteration of REP, and the delivery of an exception or interrupt."
FIGURES = "What a run costs follows from these figures; docs/timing.md says how, and how far to trust it."


@dataclass(frozen=True)
class Row:
    """A line of the listing: one figure."""

    name: str                       # of the key, with those of the tables around it
    value: str                      # with unit
    phrase: str                     # what it is
    source: Source


def describe(profile: Profile) -> str:
    """The whole profile as text, for a terminal: a line for each figure with name, value, what it is and source."""
    lines = [f"{profile.name}: {profile.description}", "", _model(profile), ""]
    nobody = Source("", Certainty.CHOSEN)         # of what needs no source: the description, the vendor
    lines += _aligned([Row(name, str(value) + " Hz" * (name == "clock"), "", profile.sources.get(name, nobody))
                       for name, value in _identity(profile).items()])
    for name, section in _sections(profile.timing):
        lines += ["", name, *_aligned(list(_rows(section, _terms(name, section))))]
    if profile.documents:
        lines += ["", "documents, by the names under which sources cite them"]
        lines += [f"  {name:<18}{title}" for name, title in profile.documents.items()]
    return "\n".join(lines) + "\n"


def as_dict(profile: Profile) -> dict[str, Any]:
    """The whole profile as what JSON can hold.

    A number is {value, minimum, maximum, unit, phrase, source, certainty}, value its typical one; a word is {value,
    phrase, source, certainty}. Sections are those of the file; `sources` holds those of clock, signature and such.
    """
    found: dict[str, Any] = {"name": profile.name, "model": _model(profile), **_identity(profile),
                             "sources": {name: _source(source) for name, source in profile.sources.items()},
                             "documents": dict(profile.documents)}
    for name, section in _sections(profile.timing):
        found[name] = _tree(section, _terms(name, section))
    return found


def _model(profile: Profile) -> str:
    """What the machine makes of the profile, in a sentence."""
    return FIGURES if profile.timing else UNIT


def _identity(profile: Profile) -> dict[str, Any]:
    """What stands at the top of the file, as CPUID has it."""
    basic, extended = profile.cpuid[:4 * profile.basic_leaves], profile.cpuid[4 * profile.basic_leaves:]
    found = {"description": profile.description, "clock": profile.clock, "kind": profile.kind.value,
             "vendor": _characters(basic[1], basic[3], basic[2]), "signature": f"{basic[4]:#x}",
             "features": " ".join(profile.features)}
    if extended:
        found["brand"] = _characters(*extended[8:])
    if len(basic) > 8:
        found["leaf2"] = " ".join(f"{word:#010x}" for word in basic[8:12])
    return found


def _characters(*words: int) -> str:
    """The text that CPUID has in some registers."""
    return b"".join(word.to_bytes(4, "little") for word in words).rstrip(b"\0").decode()


def _sections(timing: Timing | None) -> Iterator[tuple[str, Any]]:
    """The sections that the profile has."""
    for each in fields(timing) if timing else ():
        section = getattr(timing, each.name)
        if section is not None:
            yield each.name, section


def _terms(name: str, section: Any) -> Mapping[str, Term]:
    return VOCABULARIES[name] if name in VOCABULARIES else terms(type(section))


def _parts(section: Any, known: Mapping[str, Term]) -> Iterator[tuple[str, Any, Term]]:
    """The keys of a section that are there, with what they hold and mean."""
    for name, term in known.items():
        value = section.get(name) if isinstance(section, Mapping) else getattr(section, name)
        if value is not None:
            yield name, value, term


def _rows(section: Any, known: Mapping[str, Term], prefix: str = "", around: str = "") -> Iterator[Row]:
    """A section and the sections within it, as lines."""
    for name, value, term in _parts(section, known):
        phrase = f"{around}: {term.phrase}" if around else term.phrase
        if isinstance(value, Number | Word):
            yield Row(prefix + name, _text(value, term), phrase, value.source)
        else:
            yield from _rows(value, terms(type(value)), f"{prefix}{name}.", phrase)


def _aligned(rows: list[Row]) -> list[str]:
    """Rows in columns; one without a source ends with its phrase."""
    names, values, phrases = (max(len(getattr(row, key)) for row in rows) + 2 for key in ("name", "value", "phrase"))
    lines = []
    for row in rows:
        source = f"{row.source.certainty.value:<12}{row.source.text}" if row.source.text else ""
        lines.append(f"  {row.name:<{names}}{row.value:<{values}}{row.phrase:<{phrases}}{source}".rstrip())
    return lines


def _text(figure: Number | Word, term: Term) -> str:
    """A figure's value: `3 cycles`, `16 (14 to 24) ns`, `back`."""
    if isinstance(figure, Word):
        return figure.value
    span = f" ({_digits(figure.minimum)} to {_digits(figure.maximum)})" if figure.is_range else ""
    unit = term.unit.removesuffix("s") if figure.typical == 1 and not span and term.unit != NS else term.unit
    return f"{_digits(figure.typical)}{span} {unit}".rstrip()


def _digits(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.15g}"


def _tree(section: Any, known: Mapping[str, Term]) -> dict[str, Any]:
    """A section and the sections within it, as dictionaries."""
    found: dict[str, Any] = {}
    for name, value, term in _parts(section, known):
        if isinstance(value, Number):
            found[name] = {"value": value.typical, "minimum": value.minimum, "maximum": value.maximum,
                           "unit": term.unit, "phrase": term.phrase, **_source(value.source)}
        elif isinstance(value, Word):
            found[name] = {"value": value.value, "phrase": term.phrase, **_source(value.source)}
        else:
            found[name] = _tree(value, terms(type(value)))
    return found


def _source(source: Source) -> dict[str, str]:
    return {"source": source.text, "certainty": source.certainty.value}
