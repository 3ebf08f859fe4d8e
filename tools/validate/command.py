"""`trapline validate`: runs the benchmarks on the profiles' machines, and shows ours beside what is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools.arguments import complete_cpu
from tools.messages import first_start
from tools.progress import progress

if TYPE_CHECKING:
    from emu.timing.profile import Profile
    from tools.validate.report import Findings
    from tools.validate.rows import Row

EXAMPLES = """\b
Examples:
  trapline validate
  trapline validate --profile p3-500 --profile-range
  trapline validate --rows mine.csv --json > validation.json"""


@click.command(short_help="Compare what things cost with measurements.", epilog=EXAMPLES)
@click.option("--profile", "names", metavar="NAME|FILE", multiple=True, shell_complete=complete_cpu,
              help="Only this processor; may be repeated. All if not given.")
@click.option("--rows", metavar="FILE.csv", type=click.Path(path_type=Path),
              help="Measured instructions of your own instead of those that come with Trapline.")
@click.option("--held-out", is_flag=True, help="Only rows that no figure of the profile comes from.")
@click.option("--profile-range", is_flag=True, help="Also run the anchors with the least and the largest figures.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def validate(names: tuple[str, ...], rows: Path | None, held_out: bool, profile_range: bool, as_json: bool) -> None:
    """Run microbenchmarks on the machine of each profile, and compare with measurements of the processor.

    Instructions (latency, throughput), pairing, caches, TLBs, branch prediction, and whole crossings. FILE.csv has the
    columns cpu, insn, latency_c, recip_throughput_c, bw_l1d_bytes_per_c and source_file; cpu is a processor that a
    profile stands for, or the name of a profile.
    """
    from emu.timing.profile import ProfileError
    from tools.validate import report
    from tools.validate.rows import PUBLISHED, RowsError, read_rows

    try:
        profiles = _profiles(names)
        table = read_rows(rows or PUBLISHED, [profile.name for profile in profiles])
    except (ProfileError, RowsError) as error:
        raise click.ClickException(str(error)) from None
    if rows and not any(row.profile == profile.name for row in table for profile in profiles):
        raise click.ClickException(f"{rows}: no row is about {', '.join(profile.name for profile in profiles)}: "
                                   "see the column cpu")
    first_start()
    findings = [_findings(profile, table, held_out, profile_range) for profile in profiles]
    progress("")
    click.echo(json.dumps(report.as_dict(findings), indent=2) if as_json else report.as_text(findings))


def _profiles(names: tuple[str, ...]) -> list[Profile]:
    """The profiles that are meant, each once."""
    from emu.timing.profile import ProfileError, load_profile
    from tools.validate.processors import PROCESSORS

    wanted = names or tuple(measured.profile for measured in PROCESSORS.values())
    profiles = {profile.name: profile for profile in map(load_profile, dict.fromkeys(wanted))}
    for name, profile in profiles.items():
        if profile.timing is None:
            raise ProfileError(f"{name}: has no figures to compare: an instruction costs one cycle")
    return list(profiles.values())


def _findings(profile: Profile, table: list[Row], held_out: bool, profile_range: bool) -> Findings:
    """All about one profile."""
    from tools.validate.anchors import check_anchors
    from tools.validate.branches import check_branches
    from tools.validate.compare import compare
    from tools.validate.ladders import check_caches, check_tlbs
    from tools.validate.pairs import check_pairs
    from tools.validate.report import Findings

    tell = _teller(profile.name)
    comparisons, unmeasured = compare(profile, table, tell)
    if held_out:
        comparisons = [each for each in comparisons if each.held_out]
    found = Findings(profile.name, profile.description, comparisons, unmeasured)
    for name, check in (("pairs", check_pairs), ("caches", check_caches), ("tlbs", check_tlbs),
                        ("branches", check_branches)):
        tell(name)
        found.checks[name] = check(profile)
    extremes = (profile.at("minimum"), profile.at("maximum")) if profile_range else ()
    found.checks["anchors"] = check_anchors(profile, extremes, tell)
    return found


def _teller(profile: str) -> Callable[[str], None]:
    return lambda what: progress(f"{profile}: {what}")
