"""No wake-up is lost, whatever happens between two instructions of who looks, takes, submits or waits: at a tick,
another program runs at once, and sends or tells something.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.monitor.explore.explorer import Explorer
from emu.monitor.explore.scenario import Scenario
from guest.abi.ecalls import Overflow, Probe
from loader.build import build
from loader.image import Image
from loader.manifest import GUEST
from tests.guest.ecalls.conftest import LIBRARY, PROGRAMS
from tests.guest.ecalls.test_servers import FRONTS, listed

DRIPS = 4
BURST = Probe.PROBE_SLOTS + 20
SAMPLE = 12                            # boundaries that are tried when time is short,
SOME, MANY = 100, 300                  # and when it is not: of a ring, and of a server all, and pairs


def image(tmp_path: Path, programs: dict[str, tuple[str, dict[str, int]]]) -> Image:
    """An image of these programs: lines that say what they are made of, and their parameters."""
    lines = ["[image]", "description = 'a test'", "[kernel]", "variant = 'ecalls'"]
    for name, (made, parameters) in programs.items():
        set_ = ", ".join(f"{key} = {int(value)}" for key, value in parameters.items())
        lines += ["[[program]]", f"name = '{name}'", made, f"parameters = {{ {set_} }}"]
    manifest = tmp_path / "test.toml"
    manifest.write_text("\n".join(lines))
    return build(manifest)


def explore(booted: Image, begin: str, to: str, sample: int) -> None:
    """Ticks in front of instructions from one place to the other; the first program ends with 0."""
    name, program = next(iter(booted.programs.items()))
    machine = Machine.boot(booted, memory=8 << 20)
    machine.run(until=program.address(begin))
    explorer = Explorer(Scenario(machine, exit_code=0, broken_at=["panic"]), to=f"{name}:{to}")
    report = explorer.explore(sample=sample)
    assert not report.broken, report.broken[0]
    assert report.tried - report.held > 0
    if sample == MANY:
        pairs = explorer.explore(depth=2, sample=40, seed=1)
        assert not pairs.broken, pairs.broken[0]


def counting(tmp_path: Path, front: str) -> Image:
    """A server with this front, and who sends to it."""
    sources, parts = listed(front)
    user = GUEST / "user"
    sources += [user / "ecalls" / "serve.asm", user / "net" / "seats.asm", PROGRAMS / "count.asm"]
    made = f"sources = {[str(each) for each in sources]}\nparts = {[str(each) for each in parts]}"
    drip = f"sources = ['{PROGRAMS / 'drip.asm'}']"
    parameters = {"PORT": 80, "DRIPS": DRIPS}
    return image(tmp_path, {"count": (made, parameters), "drip": (drip, parameters)})


def telling(tmp_path: Path, policy: Overflow) -> Image:
    """Who hears of events, and who tells."""
    told = 3 * BURST
    library = [LIBRARY.parent / each for each in tomllib.loads(LIBRARY.read_text())["sources"]]
    made = f"sources = {[str(each) for each in [*library, PROGRAMS / 'listener.asm']]}"
    teller = f"sources = ['{PROGRAMS / 'teller.asm'}']"
    return image(tmp_path, {"listener": (made, {"TOLD": told, "POLICY": policy}),
                            "teller": (teller, {"TOLD": told, "BURST": BURST})})


def test_a_server_hears_all_at_some_places(tmp_path: Path) -> None:
    explore(counting(tmp_path, "io"), "more", "more", SAMPLE)


@pytest.mark.long
@pytest.mark.parametrize("front", FRONTS)
def test_a_server_hears_all_whenever_it_comes(front: str, tmp_path: Path) -> None:
    explore(counting(tmp_path, front), "more", "more", MANY)


@pytest.mark.long
@pytest.mark.parametrize("policy", Overflow)
def test_a_ring_loses_no_more_than_it_says(policy: Overflow, tmp_path: Path) -> None:
    explore(telling(tmp_path, policy), "taken", "wait", SOME)
