"""Video players: each displays its stream in time if it can, and says what became of every frame."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import pytest

from emu.machine import Machine
from emu.net.video import FIRST
from emu.network import Network
from loader import boot as loader
from loader.image import Image, Module
from tests.guest.ecalls.conftest import Run, finish

FRAMES = 24                     # of a stream, if nothing else is said: two groups of pictures
BUSY = 2_400_000                # cycles of a B frame: ten players need nearly all of the processor
TICK = 10_000                   # microseconds
SAID = re.compile(r"(player\d+): displayed (\d+), late (\d+), dropped (\d+), skipped (\d+), lost (\d+)")
WAYS = ("timed", "poll", "io")


class Played(NamedTuple):
    """What a player says."""

    displayed: int
    late: int
    dropped: int
    skipped: int
    lost: int

    @property
    def frames(self) -> int:
        """All that it knows of."""
        return self.displayed + self.dropped + self.skipped + self.lost


@cache
def load(name: str) -> Image:
    """An image of ours."""
    return loader.load(name)


def boot(*ways: str, image: str = "ecalls-players", wire: str = "queue=512", plug: str = "video", frames: int = FRAMES,
         cycles: int = BUSY, tick: int = TICK, window: str = "") -> Machine:
    """A machine with a player of each of these ways; what else the image has, it keeps."""
    built = load(image)
    program = built.modules[0].data
    work = f"15 {frames} {cycles} {tick} {window}".rstrip()
    players = [Module(f"player{at} {way} 10.0.0.{FIRST[3] + at % 5} {7001 + at} {work}", program)
               for at, way in enumerate(ways)]
    others = [module for module in built.modules if not module.name.startswith("player")]
    machine = Machine.boot(replace(built, modules=players + others), cpu="p2-450", memory=64 << 20)
    Network(machine, plug, wire)
    return machine


def said(machine: Machine) -> list[Played]:
    """What players have said, in their order."""
    lines = SAID.findall(machine.console.decode("ascii", "replace"))
    return [Played(*map(int, counts)) for _, *counts in sorted(lines, key=lambda line: int(line[0][6:]))]


def play(*ways: str, **options: object) -> list[Played]:
    """What players say when all have ended."""
    machine = boot(*ways, **options)        # type: ignore[arg-type]
    run: Run = finish(machine, max_cycles=5_000_000_000)
    assert run.result.exit_code == 0
    return said(machine)


@pytest.mark.parametrize("way", WAYS)
def test_a_player_displays_every_frame_in_time(way: str) -> None:
    assert play(way) == [Played(FRAMES, 0, 0, 0, 0)]


def test_a_player_decodes_for_as_long_as_it_is_told() -> None:
    idle = []
    for cycles in (100_000, 1_000_000):
        machine = boot("timed", frames=12, cycles=cycles)
        idle.append(finish(machine, max_cycles=5_000_000_000).result.idle_cycles)
    weights = 2 + 3 * 1.5 + 8               # I, P and B frames of a group, in B frames
    assert idle[0] - idle[1] == pytest.approx(900_000 * weights, rel=0.01)


def test_players_that_wait_leave_the_processor_to_others_and_players_that_poll_do_not() -> None:
    assert [played.displayed for played in play("timed", "timed", "io", "io")] == [FRAMES] * 4
    assert max(played.displayed for played in play("poll", "poll", "poll")) < FRAMES


def test_the_scheduler_prefers_events_to_a_program_that_computes() -> None:
    displayed = {}
    for way in ("timed", "io"):
        machine = boot(way, image="ecalls-players-hog")
        machine.run(max_cycles=4 * 450_000_000)         # the other one does not end
        displayed[way] = said(machine)
    assert displayed["io"] == [Played(FRAMES, 0, 0, 0, 0)]
    assert displayed["timed"][0].displayed < FRAMES * 2 // 3


def test_nobody_starves_when_there_are_too_many() -> None:
    everybody = play(*["io"] * 15)
    assert all(played.frames == FRAMES for played in everybody)
    assert min(played.displayed for played in everybody) >= FRAMES // 3
    assert sum(played.displayed for played in everybody) < 15 * FRAMES


def test_what_the_wire_loses_is_lost_and_nothing_else() -> None:
    for played in play("timed", "io", wire="queue=512,loss=0.05,seed=2"):
        assert played.lost > 0 == played.dropped + played.skipped
        assert played.frames == FRAMES


def test_a_stream_of_which_nothing_but_its_end_comes_whole_is_lost() -> None:
    everybody = play("timed", "io", plug="video:i=60000,p=60000,b=60000,spread=0")        # no socket has room for one
    assert [played.lost for played in everybody] == [FRAMES] * 2


def test_dwcs_runs_players_in_their_windows() -> None:
    assert play("timed", "io", image="ecalls-players-dwcs", frames=12, tick=1000, window="66 7 1 12") == [
        Played(12, 0, 0, 0, 0)] * 2


def test_who_cannot_be_promised_a_window_plays_without_a_promise() -> None:
    everybody = play("timed", "io", image="ecalls-players-dwcs", frames=12, tick=1000, window="66 60 1 12")
    assert [played.displayed for played in everybody] == [12] * 2


def test_a_player_that_is_told_too_little_says_so() -> None:
    built = load("ecalls-players")
    told = Module("player0 timed 10.0.0.11 7001 15", built.modules[0].data)
    run = finish(Machine.boot(replace(built, modules=[told]), cpu="p2-450"))
    assert run.result.exit_code == 1
    assert "player0: tell me how, an address, and numbers" in run.console
