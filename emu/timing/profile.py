"""Processor profiles: which processor the guest finds, and how fast its clock runs.

A profile is a TOML file in `profiles/`, every number with its source beside it (docs/timing.md). The figures are in
`timing`: `pricing` makes the pipeline's cost of a block of them, `model` caches, TLBs and branch predictor, and the
machine takes what transitions and the bus cost. A `unit` profile has none: there, an instruction costs one cycle.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from emu.timing.errors import ProfileError, refuse
from emu.timing.figures import Kind, Source
from emu.timing.identity import ENGINES, FEATURES, check_identity, cpuid_of
from emu.timing.levels import LEVELS, Level, at_level
from emu.timing.timing import SECTIONS, Timing, read_sources, read_timing, reader_of

__all__ = ["DIRECTORY", "FEATURES", "Profile", "ProfileError", "load_profile", "profiles"]

DIRECTORY = Path(__file__).with_name("profiles")


@dataclass(frozen=True)
class Profile:
    """One processor."""

    name: str                       # of the file
    description: str                # one line
    clock: int                      # Hz
    engine: int                     # Unicorn's model number
    cpuid: tuple[int, ...]          # EAX EBX ECX EDX of each basic leaf, then of each extended one
    basic_leaves: int               # how many are basic
    has_sep: bool                   # SYSENTER and SYSEXIT exist
    features: tuple[str, ...] = ()  # of CPUID, as Intel names them
    kind: Kind = Kind.UNIT          # of the pipeline
    documents: Mapping[str, str] = field(default_factory=dict, hash=False)      # what the sources cite, by name
    sources: Mapping[str, Source] = field(default_factory=dict, hash=False)     # of clock, signature, features, ...
    timing: Timing | None = field(default=None, hash=False)     # what things cost; None: a cycle an instruction

    @property
    def family(self) -> int:
        """The processor's family by its CPUID signature: 5 Pentium, 6 P6 and K7, 15 NetBurst."""
        return self.cpuid[4] >> 8 & 0xF

    def at(self, level: Level) -> Profile:
        """The same processor with every range collapsed: "minimum" is the fastest that sources allow, "maximum" the
        slowest. Raises ValueError for another level.
        """
        if level not in LEVELS:
            raise ValueError(f"level {level!r}: must be one of {', '.join(LEVELS)}")
        return replace(self, timing=at_level(self.timing, level)) if self.timing else self


def profiles() -> list[str]:
    """The names of the profiles that come with the machine."""
    return sorted(path.stem for path in DIRECTORY.glob("*.toml"))


def load_profile(name: str | Path) -> Profile:
    """The profile called `name`, or the one in a file of your own (a path that ends in .toml). Raises ProfileError."""
    path = Path(name)
    if path.suffix != ".toml":
        path = DIRECTORY / f"{name}.toml"
        if not path.is_file():
            raise ProfileError(f"no processor is called {str(name)!r}; there are {', '.join(profiles())}")
    try:
        text = path.read_text()
    except OSError as error:
        refuse(path, "", error.strerror or str(error))
    except ValueError as error:             # not UTF-8
        refuse(path, "", f"not TOML: {error}")
    return _read(path, text)


@lru_cache(maxsize=64)
def _read(path: Path, text: str) -> Profile:
    """The profile in a file that holds this. Machine after machine has the same."""
    try:
        values = tomllib.loads(text)
    except RecursionError:
        refuse(path, "", "not TOML: nested too deep")
    except ValueError as error:             # also numbers of thousands of digits
        refuse(path, "", f"not TOML: {error}")
    check_identity(path, values, ("documents", "sources", "pipeline", *SECTIONS))
    cpuid, basic = cpuid_of(values)
    reader = reader_of(path, values)
    return Profile(path.stem, values["description"], values["clock"], ENGINES[values["engine"]], cpuid, basic,
                   "SEP" in values["features"], tuple(values["features"]), reader.kind, reader.documents,
                   read_sources(reader, values), read_timing(reader, values))
