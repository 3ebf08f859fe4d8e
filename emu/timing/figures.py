"""What a profile's figures are: a number or a word with its source, and the term that says what it means.

The sections of a profile (`sections`) are dataclasses whose fields are annotated with terms, made by `number`, `count`,
`word` and `part`: phrase, unit and what is allowed stand once, and loader, listing and error lines say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import get_type_hints

CYCLES = "cycles"                   # of the processor's clock
NS = "ns"                           # nanoseconds, whatever the clock


class Certainty(Enum):
    """How a figure is known."""

    MEASURED = "measured"           # on this processor or on one with the same core: the document says on which
    MANUAL = "manual"               # its maker's guide, or the model of it in a compiler
    SECONDARY = "secondary"         # somebody's transcription or quotation of either
    EMULATOR = "emulator"           # a constant in another emulator
    DERIVED = "derived"             # computed from figures that have a document; the source says how
    UNVERIFIED = "unverified"       # common knowledge; the source says where it could be looked up, nobody has
    ESTIMATED = "estimated"         # nothing is published; the source is the reasoning
    CHOSEN = "chosen"               # a decision, not a statement about a processor

    @property
    def cites(self) -> bool:
        """True if the source begins with the name of one of the profile's documents."""
        return self in (Certainty.MEASURED, Certainty.MANUAL, Certainty.SECONDARY, Certainty.EMULATOR)


class Kind(Enum):
    """Which model of a pipeline the figures are for."""

    UNIT = "unit"                   # an instruction is a cycle; no figures
    P5 = "p5"                       # in order, two instructions at a time if they pair
    P6 = "p6"                       # three decoders, micro-ops out of order
    K7 = "k7"                       # three decoders, macro-ops out of order
    NETBURST = "netburst"           # trace cache, micro-ops out of order, arithmetic at double speed


OUT_OF_ORDER = (Kind.P6, Kind.K7, Kind.NETBURST)
MODELLED = (Kind.P5, *OUT_OF_ORDER)


@dataclass(frozen=True)
class Source:
    """Where a figure comes from."""

    text: str                       # "document: place in it", or the reasoning
    certainty: Certainty


@dataclass(frozen=True)
class Number:
    """A number with its source. Minimum and maximum differ from the typical value where sources disagree."""

    minimum: float
    typical: float
    maximum: float
    source: Source

    @property
    def is_range(self) -> bool:
        """True if it is not one value."""
        return self.minimum != self.maximum


@dataclass(frozen=True)
class Word:
    """One of a few words, with its source."""

    value: str
    source: Source


@dataclass(frozen=True)
class Term:
    """What a key of a profile means and what it may hold."""

    phrase: str                     # what it is
    type: type = Number             # Number, Word, or the dataclass of a section
    unit: str = CYCLES              # of a number; empty for a plain count
    low: float = 0                  # least that a number may be
    high: float = 1_000_000         # most
    whole: bool = False             # a number without a fraction
    choices: tuple[str, ...] = ()   # of a word
    optional: bool = False          # may be left out
    kinds: tuple[Kind, ...] = MODELLED      # pipelines that have it; the others may not
    feature: str = ""               # CPUID feature without which the processor does not have it


def number(phrase: str, unit: str = CYCLES, low: float = 0, high: float = 1_000_000, *, optional: bool = False,
           kinds: tuple[Kind, ...] = MODELLED) -> Term:
    """The term of a Number."""
    return Term(phrase, Number, unit, low, high, optional=optional, kinds=kinds)


def count(phrase: str, low: int, high: int, unit: str = "", *, optional: bool = False,
          kinds: tuple[Kind, ...] = MODELLED) -> Term:
    """The term of a Number without a fraction."""
    return Term(phrase, Number, unit, low, high, True, optional=optional, kinds=kinds)


def word(phrase: str, *choices: str) -> Term:
    """The term of a Word."""
    return Term(phrase, Word, choices=choices)


def part(phrase: str, section: type, *, optional: bool = False, kinds: tuple[Kind, ...] = MODELLED) -> Term:
    """The term of a section within a section."""
    return Term(phrase, section, optional=optional, kinds=kinds)


def terms(section: type) -> dict[str, Term]:
    """The keys of a section, in order: its fields are annotated with their terms."""
    return {name: hint.__metadata__[0] for name, hint in get_type_hints(section, include_extras=True).items()}
