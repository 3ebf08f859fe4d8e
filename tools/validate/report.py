"""What was found, as tables for people and as one JSON object."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tools.messages import styled
from tools.validate.checks import Check
from tools.validate.compare import GOAL, LIMIT, Comparison, Unmeasured, is_relative, summary
from tools.validate.processors import PROCESSORS

SUITES = {                      # the checks that are no rows: name -> heading
    "pairs": "pairing, cycles of both instructions",
    "caches": "caches: cycles of a load, by the size of the working set",
    "tlbs": "data TLBs: cycles of a load that hits the first cache, by the number of 4 KiB pages",
    "branches": "branch prediction, cycles",
    "anchors": "composite anchors, cycles. How a composite is shared out between its parts is an estimate",
}
WIDEST = 34                     # characters of an instruction's text
WIDTH = 120                     # of running text


@dataclass
class Findings:
    """All about one profile."""

    profile: str
    description: str
    comparisons: list[Comparison]
    unmeasured: list[Unmeasured]
    checks: dict[str, list[Check]] = field(default_factory=dict)        # by name of SUITES


# JSON

def as_dict(findings: Sequence[Findings]) -> dict[str, Any]:
    """Everything; deviations are fractions."""
    everything = [each for found in findings for each in found.comparisons]
    return {
        "median_deviation": summary(everything).median,
        "max_deviation": summary(everything).maximum,
        "goals": {"median_deviation": GOAL, "max_deviation": LIMIT},
        **_groups(everything),
        "profiles": {found.profile: _profile(found) for found in findings},
        "rows": [_row(each) for each in everything],
        "unmeasured": [asdict(each) for found in findings for each in found.unmeasured],
        "pairs": _checks(findings, "pairs"),
        "ladders": {"caches": _checks(findings, "caches"), "tlbs": _checks(findings, "tlbs")},
        "branches": _checks(findings, "branches"),
        "anchors": _checks(findings, "anchors"),
    }


def _profile(found: Findings) -> dict[str, Any]:
    total = summary(found.comparisons)
    cpus = {each.cpu: None for each in found.comparisons}
    return {
        "median_deviation": total.median,
        "max_deviation": total.maximum,
        **_groups(found.comparisons),
        "cpus": {cpu: {"relation": PROCESSORS[cpu].relation if cpu in PROCESSORS else "the profile's own",
                       **_summary(each for each in found.comparisons if each.cpu == cpu)} for cpu in cpus},
    }


def _groups(comparisons: list[Comparison]) -> dict[str, Any]:
    return {
        "all": _summary(comparisons),
        "calibrated": _summary(each for each in comparisons if not each.held_out),
        "held_out": _summary(each for each in comparisons if each.held_out),
        "relatives": _summary(each for each in comparisons if is_relative(each.cpu)),
    }


def _summary(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    found = summary(comparisons)
    return {"count": found.count, "median_deviation": found.median, "max_deviation": found.maximum,
            "exact": found.exact, "over_limit": found.over}


def _row(each: Comparison) -> dict[str, Any]:
    return asdict(each) | {"deviation": each.deviation, "reason": each.reason or None}


def _checks(findings: Sequence[Findings], suite: str) -> list[dict[str, Any]]:
    found = []
    for check in (check for each in findings for check in each.checks.get(suite, [])):
        published = check.published
        found.append({
            "profile": check.profile, "what": check.what, "ours": check.ours, "ours_range": check.ours_range,
            "least": published.least if published else None, "most": published.most if published else None,
            "source": published.source if published else None,
            "certainty": published.certainty.value if published else None,
            "deviation": check.deviation, "holds": check.holds})
    return found


# Text

def as_text(findings: Sequence[Findings]) -> str:
    """Tables: of each profile its rows, what misses, and the checks; at the end the figures over all rows."""
    lines: list[str] = []
    for found in findings:
        lines += [f"{found.profile}: {found.description}", "", *_rows(found), *_misses(found), *_unmeasured(found)]
        for suite, heading in SUITES.items():
            lines += _suite(heading, found.checks.get(suite, []))
    return "\n".join([*lines, *_totals(findings)])


def _rows(found: Findings) -> list[str]:
    """A line for each figure of an instruction: ours, and what each measured processor has."""
    cpus = list({each.cpu: None for each in found.comparisons})
    table: dict[tuple[str, str, float], dict[str, Comparison]] = {}
    for each in found.comparisons:
        table.setdefault((each.insn, each.kind, each.ours), {})[each.cpu] = each
    if not table:
        return ["no row is about it", ""]
    lines = [f"{'cycles (bandwidth: bytes a cycle)':<{WIDEST}}{'':<12}{'ours':>8}"
             + "".join(f"{cpu[:20]:>22}" for cpu in cpus)]
    for (insn, kind, ours), by_cpu in table.items():
        cells = "".join(_cell(by_cpu.get(cpu)) for cpu in cpus)
        lines.append(f"{insn[:WIDEST]:<{WIDEST}}{kind:<12}{ours:>8.2f}{cells}")
    return [*lines, "* a figure of the profile comes from this row; the others are held out", ""]


def _cell(each: Comparison | None) -> str:
    if each is None:
        return f"{'-':>21} "
    text = f"{each.published:>12.2f} {each.deviation:>+8.1%}"
    return (styled(text, "red", sys.stdout) if each.misses else text) + (" " if each.held_out else "*")


def _misses(found: Findings) -> list[str]:
    """What deviates more than LIMIT, by reason."""
    reasons: dict[str, dict[str, None]] = {}
    for each in found.comparisons:
        if each.misses:
            reasons.setdefault(each.reason or "not known", {})[f"{each.insn} ({each.kind})"] = None
    return _listed(f"over {LIMIT:.0%}, and why:", reasons)


def _unmeasured(found: Findings) -> list[str]:
    """What has nothing of ours beside it, by reason."""
    reasons: dict[str, dict[str, None]] = {}
    for each in found.unmeasured:
        reasons.setdefault(each.reason, {})[f"{each.insn} ({each.kind})"] = None
    return _listed("not measured, and why:", reasons)


def _listed(heading: str, reasons: dict[str, dict[str, None]]) -> list[str]:
    """Reasons, and under each what it is about."""
    lines = []
    for reason, rows in reasons.items():
        lines += [f"  {reason}:", textwrap.indent(textwrap.fill("; ".join(rows), WIDTH - 6), " " * 6)]
    return [heading, *lines, ""] if lines else []


def _suite(heading: str, checks: Sequence[Check]) -> list[str]:
    if not checks:
        return []
    width = max(len(check.what) for check in checks) + 2
    ranged = any(check.ours_range for check in checks)
    sources = {check.published.source for check in checks if check.published}
    lines = [heading, f"  {'':<{width}}{'ours':>10}{'ours, range':>18}{'published':>18}" if ranged else
             f"  {'':<{width}}{'ours':>10}{'published':>18}"]
    for check in checks:
        own = f"{_range(*check.ours_range) if check.ours_range else '':>18}" if ranged else ""
        source = f": {check.published.source}" if check.published and len(sources) > 1 else ""
        lines.append(f"  {check.what:<{width}}{check.ours:>10.1f}{own}{_published(check)}{source}")
    return [*lines, *([f"  published: {sources.pop()}"] if len(sources) == 1 else []), ""]


def _published(check: Check) -> str:
    published = check.published
    if not published or check.deviation is None:
        return f"{'-':>18}   no source"
    verdict, colour = ("agrees", "green") if check.holds else (f"{check.deviation:+.1%}", "red")
    return f"{_range(published.least, published.most):>18}   {styled(f'{verdict:<8}', colour, sys.stdout)} " \
           f"{published.certainty.value}"


def _range(least: float, most: float) -> str:
    return f"{least:,.1f}" if least == most else f"{least:,.1f} - {most:,.1f}"


def _totals(findings: Sequence[Findings]) -> list[str]:
    """The figures over all rows."""
    lines = [f"{'deviation':<12}{'':<24}{'rows':>6}{'median':>9}{'largest':>10}{'exact':>8}{f'over {LIMIT:.0%}':>10}"]
    everything = [each for found in findings for each in found.comparisons]
    for name, rows in [*((found.profile, found.comparisons) for found in findings), ("all", everything)]:
        for group, chosen in (
                ("calibrated", [each for each in rows if not each.held_out]),
                ("held out, same core", [each for each in rows if each.held_out and not is_relative(each.cpu)]),
                ("held out, other cores", [each for each in rows if each.held_out and is_relative(each.cpu)]),
                ("together", rows)):
            total = summary(chosen)
            median = "-" if total.median is None else f"{total.median:.1%}"
            largest = "-" if total.maximum is None else f"{total.maximum:.1%}"
            lines.append(f"{name:<12}{group:<24}{total.count:>6}{median:>9}{largest:>10}{total.exact:>8}{total.over:>10}")
            name = ""
    return [*lines, f"goals: median {GOAL:.0%}, largest {LIMIT:.0%}"]
