"""Ours beside theirs: every row measured on the machine of its profile, and the figures over all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from emu.timing.profile import Profile
from tools.validate.calibration import Calibration
from tools.validate.forms import COPIES, NotMeasured, benchmark
from tools.validate.operands import POOL
from tools.validate.processors import PROCESSORS
from tools.validate.reasons import reason_of
from tools.validate.rig import Rig
from tools.validate.rows import Kind, Row

GOAL, LIMIT = 0.05, 0.20        # of the median deviation, and of any
DIGIT = {Kind.LATENCY: 0.1, Kind.THROUGHPUT: 0.01, Kind.BANDWIDTH: 0.01}        # the last one that is published


@dataclass(frozen=True)
class Comparison:
    """A figure of a row, and ours."""

    cpu: str
    profile: str
    insn: str
    kind: Kind
    published: float
    ours: float
    held_out: bool              # no figure of the profile comes from the row
    source: str                 # the file that the row comes from

    @property
    def deviation(self) -> float:
        """How far ours is from theirs, as a fraction of theirs; negative if ours is less."""
        return (self.ours - self.published) / self.published

    @property
    def is_exact(self) -> bool:
        """Whether ours is theirs, as far as the published digits and the length of our loops tell."""
        return abs(self.ours - self.published) <= DIGIT[self.kind] / 2 + 1 / COPIES

    @property
    def misses(self) -> bool:
        """Whether it deviates more than any row should."""
        return abs(self.deviation) > LIMIT

    @property
    def reason(self) -> str:
        """Why it misses, as far as that is known; "" if it does not."""
        return reason_of(self.cpu, self.insn, self.kind) if self.misses else ""


@dataclass(frozen=True)
class Unmeasured:
    """A figure of a row that has nothing of ours beside it."""

    cpu: str
    profile: str
    insn: str
    kind: Kind
    reason: str


@dataclass(frozen=True)
class Summary:
    """The figures over some comparisons. Deviations are fractions, without sign; None if there are none."""

    count: int
    median: float | None
    maximum: float | None
    exact: int                  # ours is theirs
    over: int                   # deviate more than LIMIT


def summary(comparisons: Iterable[Comparison]) -> Summary:
    """The figures over `comparisons`."""
    all_of_them = list(comparisons)
    deviations = [abs(each.deviation) for each in all_of_them]
    return Summary(len(deviations), statistics.median(deviations) if deviations else None,
                   max(deviations) if deviations else None, sum(each.is_exact for each in all_of_them),
                   sum(each.misses for each in all_of_them))


def compare(profile: Profile, rows: Sequence[Row], tell: Callable[[str], None] = lambda _: None,
            ) -> tuple[list[Comparison], list[Unmeasured]]:
    """Every figure of the rows that stand for `profile`, and those that cannot be measured. `tell` is told of each."""
    rig, calibration = Rig(profile), Calibration(profile)
    known: dict[tuple[str, Kind, bool], float | NotMeasured] = {}
    found: list[Comparison] = []
    not_found: list[Unmeasured] = []
    for row in rows:
        if row.profile != profile.name:
            continue
        tell(row.insn)
        for kind, published in row.figures.items():
            key = row.insn, kind, kind == Kind.THROUGHPUT and _renames(row)
            if key not in known:
                known[key] = _measured(rig, *key)
            ours = known[key]
            if isinstance(ours, NotMeasured):
                not_found.append(Unmeasured(row.cpu, profile.name, row.insn, kind, str(ours)))
            else:
                found.append(Comparison(row.cpu, profile.name, row.insn, kind, published, ours,
                                        not calibration.uses(row), row.source))
    return found, not_found


def is_relative(cpu: str) -> bool:
    """Whether a measured processor is not of the core of its profile, but a relative."""
    return cpu in PROCESSORS and not PROCESSORS[cpu].is_core


def _measured(rig: Rig, insn: str, kind: Kind, renames: bool) -> float | NotMeasured:
    try:
        return rig.measure(benchmark(insn, kind, renames))
    except NotMeasured as error:
        return error


def _renames(row: Row) -> bool:
    """Whether more copies must have been under way at a time than there are registers (see forms)."""
    latency, throughput = row.figures.get(Kind.LATENCY), row.figures.get(Kind.THROUGHPUT)
    return latency is not None and throughput is not None and latency > len(POOL) * throughput
