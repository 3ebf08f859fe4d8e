"""From TOML values to figures: one rule for every section of a profile.

A number is `{ value = 3, source = "...", certainty = "..." }`, its value one number or [minimum, typical, maximum]; it
may be bare if the table in which it stands has a source and a certainty for all that have none of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emu.timing.errors import allowed, refuse, shown
from emu.timing.figures import Certainty, Kind, Number, Source, Term, Word, terms

SOURCED = ("source", "certainty")   # keys of every table that holds figures
CERTAINTIES = [each.value for each in Certainty]


@dataclass(frozen=True)
class Reader:
    """Reads the sections of one profile. Every method raises ProfileError."""

    path: object                    # of the file, for messages
    kind: Kind                      # of the pipeline: which keys there are
    features: tuple[str, ...]       # of CPUID: likewise
    documents: Mapping[str, str]    # what sources may cite, by name

    def keys(self, key: str, value: Any, known: Mapping[str, Term], outer: Source | None = None) -> dict[str, Any]:
        """The figures of table `value`, which has the keys `known`; None for one that is left out.

        `outer` is the source of figures that have none. What the pipeline or a missing feature excludes is refused.
        """
        table = self.table(key, value)
        names = [name for name, term in known.items() if self._exists(term)]
        inner = self.source(key, table, outer)
        for name in table:
            if name not in names and name not in SOURCED:
                self._refuse_key(key, name, known, names)
        found = dict.fromkeys(known)
        for name in names:
            if name in table:
                found[name] = self.figure(f"{key}.{name}", table[name], known[name], inner)
            elif not known[name].optional:
                refuse(self.path, f"{key}.{name}", f"missing; it is {_phrase(known[name])}")
        return found

    def figure(self, key: str, value: Any, term: Term, outer: Source | None) -> Any:
        """A Number, a Word or a section, as `term` says."""
        if term.type is Number:
            return self.number(key, value, term, outer)
        if term.type is Word:
            return self.word(key, value, term, outer)
        return term.type(**self.keys(key, value, terms(term.type), outer))

    def number(self, key: str, value: Any, term: Term, outer: Source | None) -> Number:
        """A number, or its minimum, typical and maximum."""
        value, source = self._sourced(key, value, outer)
        values = value if isinstance(value, list) else [value]
        kind = "a whole number" if term.whole else "a number"
        for each in values:
            if type(each) is not int and (type(each) is not float or term.whole):
                refuse(self.path, key, f"{shown(each)}: must be {kind}, or three: [minimum, typical, maximum]")
            if not term.low <= each <= term.high:       # a NaN is not, either
                limits = f"{term.low:.15g} to {term.high:.15g} {term.unit}".rstrip()
                refuse(self.path, key, f"{shown(each)}: must be {limits}")
        if len(values) not in (1, 3) or values != sorted(values):
            refuse(self.path, key, f"{shown(value)}: must be {kind}, or three in order: [minimum, typical, maximum]")
        return Number(values[0], values[len(values) // 2], values[-1], source)

    def word(self, key: str, value: Any, term: Term, outer: Source | None) -> Word:
        """One of the words that `term` allows."""
        value, source = self._sourced(key, value, outer)
        if value not in list(term.choices):
            refuse(self.path, key, f"{shown(value)}: must be one of {', '.join(map(repr, term.choices))}")
        return Word(value, source)

    def source(self, key: str, table: Mapping[str, Any], outer: Source | None = None) -> Source | None:
        """The source that a table names, else `outer`."""
        given = [name for name in SOURCED if name in table]
        if not given:
            return outer
        if len(given) == 1:
            other = SOURCED[1 - SOURCED.index(given[0])]
            refuse(self.path, f"{key}.{other}", f"missing; {given[0]} is there, and both go together")
        text, certainty = table["source"], table["certainty"]
        if not isinstance(text, str) or not text.strip():
            refuse(self.path, f"{key}.source", f"{shown(text)}: must be a string that is not empty")
        if certainty not in CERTAINTIES:
            refuse(self.path, f"{key}.certainty", f"{shown(certainty)}: must be one of {', '.join(CERTAINTIES)}")
        found = Source(text, Certainty(certainty))
        self._cite(key, found)
        return found

    def table(self, key: str, value: Any) -> dict[str, Any]:
        """`value`, if it is a table."""
        if not isinstance(value, dict):
            refuse(self.path, key, f"{shown(value)}: must be a table")
        return value

    def _exists(self, term: Term) -> bool:
        return self.kind in term.kinds and (not term.feature or term.feature in self.features)

    def _refuse_key(self, key: str, name: str, known: Mapping[str, Term], names: list[str]) -> None:
        """`name` is not a key of this table: because of the pipeline, of a feature, or of its spelling."""
        if name not in known:
            refuse(self.path, f"{key}.{name}", f"unknown key; {allowed(name, names)}")
        term = known[name]
        if self.kind not in term.kinds:
            refuse(self.path, f"{key}.{name}", f"a {self.kind.value} pipeline has none; "
                                               f"only {', '.join(each.value for each in term.kinds)}")
        refuse(self.path, f"{key}.{name}", f"the processor has none: features lacks {term.feature}")

    def _sourced(self, key: str, value: Any, outer: Source | None) -> tuple[Any, Source]:
        """The bare value of a figure, and its source."""
        source = outer
        if isinstance(value, dict):
            for name in value:
                if name not in ("value", *SOURCED):
                    refuse(self.path, f"{key}.{name}", "unknown key; allowed are value, source, certainty")
            if "value" not in value:
                refuse(self.path, f"{key}.value", "missing")
            value, source = value["value"], self.source(key, value, outer)
        if source is None:
            refuse(self.path, key, f"{shown(value)} has no source; write {{ value = ..., source = \"...\", "
                                   "certainty = \"...\" }, or give its table a source and a certainty")
        return value, source

    def _cite(self, key: str, source: Source) -> None:
        """A certainty that rests on a document needs one."""
        name = source.text.partition(":")[0]
        if source.certainty.cites and name not in self.documents:
            refuse(self.path, f"{key}.source",
                   f"{shown(source.text)}: {source.certainty.value} demands \"document: place\", the document one of "
                   f"[documents]; {allowed(name, list(self.documents))}")


def _phrase(term: Term) -> str:
    """What is missing: the phrase, and the unit of a number."""
    return f"{term.phrase} ({term.unit})" if term.type is Number and term.unit else term.phrase
