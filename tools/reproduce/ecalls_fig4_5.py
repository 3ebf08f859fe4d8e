"""ecalls.fig4_5: frame rates of video players on one machine, without and with ECalls, by how many there are.

Each player gets a stream from one of five servers, decodes its frames, and displays each at its time, or not at all if
that is more than a period ago. The paper's figure 4 is without ECalls, figure 5 with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Chart, Findings, Line, Row, Table

NAME = "ecalls.fig4_5"
CPU, OTHER = "p2-450", "k7-550"         # the paper's players ran on the first, its other figures are of the second
RATE = 15                               # frames a second
GROUP_SECONDS = 12 / RATE               # a group of pictures of emu.net.video
GROUPS, QUICK_GROUPS = 15, 3            # that a stream has
SETTLED = 1                             # seconds by which all streams have begun
TAIL = 12                               # ... after which all have ended, and said so
LOOK = 0.25                             # ... from one look whether they have to the next
DECODE_MS = 16 / 3                      # to decode a B frame; P frames take 1.5 times as long, I frames twice
SERVERS, FIRST_SERVER, FIRST_PORT = 5, 11, 7001
FULL = 0.99                             # of the processor: it is full
LOSS = 0.05                             # of the rate, at most, with ECalls while it is not
MEMORY = 64 << 20                       # bytes of the machine
SAID = re.compile(r"^player\d+: displayed (\d+), late (\d+), dropped (\d+), skipped (\d+), lost (\d+)$", re.MULTILINE)

TIMED, POLL, ECALLS, UNAWARE = "timed waits", "polling", "ECalls", "ECalls, scheduler unaware"
WAYS = {                                # what players are told, and parameters of their kernel
    TIMED: ("timed", {}), POLL: ("poll", {}), ECALLS: ("io", {}), UNAWARE: ("io", {"SCHED_EVENTS": 0})}
RR, SHORT, DWCS, BESIDE = "slices of 150 ms", "slices of 150 us", "DWCS", "beside one that computes"
SCHEDULERS = {                          # image, parameters of its kernel, and what players are told: a tick, a window
    RR: ("ecalls-players", {"TICK_HZ": 100, "RR_TICKS": 15}, "10000"),
    SHORT: ("ecalls-players", {"TICK_HZ": 6667, "RR_TICKS": 1}, "150"),
    DWCS: ("ecalls-players-dwcs", {"TICK_HZ": 1000}, "1000 66 7 1 12"),
    BESIDE: ("ecalls-players-hog", {"TICK_HZ": 100, "RR_TICKS": 15}, "10000")}
MOST = 20                               # players
SOME = (5, 10, 12, 15, 20)              # of them, where not all numbers are measured
SHOWN = {RR: (10, 15), SHORT: (10, 15), DWCS: (10, 15), BESIDE: (1, 10)}    # that people see rows of


class Point(NamedTuple):
    """Which players."""

    cpu: str
    way: str            # of WAYS
    scheduler: str      # of SCHEDULERS
    players: int


class Played(NamedTuple):
    """What became of their frames."""

    displayed: tuple[int, ...]      # in time, by player
    frames: int                     # of each stream
    late: int                       # of those displayed, by 10 ms or more
    in_vain: int                    # decoded, but too late
    busy: float                     # share of the processor while all play

    @property
    def mean(self) -> float:
        """Frames a second."""
        return sum(self.displayed) / len(self.displayed) / self.frames * RATE

    @property
    def worst(self) -> float:
        """Likewise, of the player that has displayed fewest."""
        return min(self.displayed) / self.frames * RATE

    @property
    def late_share(self) -> float:
        """Of the frames displayed, those that were late."""
        return self.late / max(sum(self.displayed), 1)

    @property
    def missed(self) -> float:
        """The share of frames that missed their deadline: a period after their time."""
        return 1 - sum(self.displayed) / len(self.displayed) / self.frames


Found = dict[Point, Played]
Curve = dict[int, Played]       # by number of players


def measure(plan: Plan) -> Findings:
    """Play."""
    cpu = plan.cpu.name if plan.cpu else CPU
    found = measure_points({point: _title(point) for point in _points(cpu, plan)}, _play, plan)
    curves = {way: _curve(found, cpu, way) for way in WAYS}
    rows = [_full(curves[ECALLS], cpu), *(_loss(curves, way, cpu) for way in (ECALLS, TIMED, POLL)),
            *_rows(found, cpu)]
    charts = [_chart(curves, cpu, "mean of the players", "mean"), _chart(curves, cpu, "worst player", "worst")]
    return Findings(rows, charts, _notes(plan))


def _points(cpu: str, plan: Plan) -> list[Point]:
    wanted: dict[tuple[str, str, str], Iterable[int]]
    if plan.quick:
        wanted = {(cpu, TIMED, RR): (1, 10, 16), (cpu, ECALLS, RR): (1, 10, 16), (cpu, POLL, RR): (1, 4)}
    else:
        wanted = {(cpu, TIMED, RR): range(1, MOST + 1), (cpu, ECALLS, RR): range(1, MOST + 1),
                  (cpu, POLL, RR): (1, 2, 3, 4, 5, 8, 10, 15, 20), (cpu, UNAWARE, RR): SOME,
                  **{(cpu, way, BESIDE): (1, 5, 10) for way in (TIMED, ECALLS, UNAWARE)},
                  (cpu, TIMED, DWCS): SOME, (cpu, ECALLS, DWCS): SOME,
                  (cpu, TIMED, SHORT): SOME, (cpu, ECALLS, SHORT): SOME, (cpu, POLL, SHORT): SOME}
    if not plan.quick and not plan.cpu:
        wanted |= {(OTHER, TIMED, RR): (5, 10, 15), (OTHER, ECALLS, RR): (5, 10, 15)}
    return [Point(*which, players) for which, counts in wanted.items() for players in counts]


def _title(point: Point) -> str:
    return f"{_count(point)}, {point.way}, {point.scheduler}, on {point.cpu}"


def _count(point: Point) -> str:
    return f"{point.players} player{'s' * (point.players > 1)}"


def _groups(plan: Plan) -> int:
    return QUICK_GROUPS if plan.quick else GROUPS


def _play(plan: Plan, point: Point) -> Played:
    from emu.machine import Machine
    from emu.net.plug import chosen
    from emu.network import Network
    from emu.timing.profile import load_profile
    from loader.boot import load
    from loader.image import Module
    from tools.reproduce.runs import RunError

    profile = plan.cpu or load_profile(point.cpu)
    how, aware = WAYS[point.way]
    name, parameters, words = SCHEDULERS[point.scheduler]
    image = load(name, parameters=parameters | aware)
    groups = _groups(plan)
    frames = round(groups * GROUP_SECONDS * RATE)
    work = f"{RATE} {frames} {round(DECODE_MS / 1000 * profile.clock)} {words}"
    program = image.modules[0].data
    image.modules = [
        *(Module(f"player{at + 1} {how} 10.0.0.{FIRST_SERVER + at % SERVERS} {FIRST_PORT + at} {work}", program)
          for at in range(point.players)),
        *(module for module in image.modules if module.name == "hog")]
    machine = Machine.boot(image, cpu=profile, memory=MEMORY)
    network = chosen(None, None, image.wiring)
    assert network
    Network(machine, *network)

    def run(seconds: float) -> int:
        """To that time; the cycles that the processor was halted until then."""
        machine.run(max_cycles=round(seconds * profile.clock) - machine.clock.now)
        return machine.idle_cycles

    end = SETTLED + (groups - 2) * GROUP_SECONDS
    idle = -run(SETTLED) + run(end)
    said: list[Sequence[str]] = []
    at = end
    while len(said) < point.players:
        at += LOOK
        if at > groups * GROUP_SECONDS + TAIL:
            raise RunError(f"{_title(point)}: {point.players - len(said)} have not ended after {at:.0f} s")
        run(at)
        said = SAID.findall(machine.console.decode("ascii", "replace"))
    counts = [[int(count) for count in line] for line in said]
    return Played(tuple(line[0] for line in counts), frames, sum(line[1] for line in counts),
                  sum(line[2] for line in counts), 1 - idle / (end - SETTLED) / profile.clock)


def _curve(found: Found, cpu: str, way: str) -> Curve:
    """What players of one way do on a processor, by their number."""
    return {point.players: played for point, played in found.items() if point[:3] == (cpu, way, RR)}


def _full(curve: Curve, cpu: str) -> Row:
    """Where the processor is full."""
    full = next((players for players, played in curve.items() if played.busy >= FULL), None)
    return Row("players", "from so many on the processor is full, with ECalls", "1", cpu, ours=full,
               open="" if full else "not measured with so many")


def _loss(curves: dict[str, Curve], way: str, cpu: str) -> Row:
    """What players lose of their rate while the processor would suffice for all: with ECalls it is not full."""
    most = max((players for players, played in curves[ECALLS].items() if played.busy < FULL), default=0)
    worst = max((1 - played.worst / RATE for players, played in curves[way].items() if players <= most), default=None)
    return Row(f"up to {most} players", f"share of its rate that the worst player loses, {way}", "1",
               cpu, ours=worst, at_most=LOSS if way == ECALLS else None)


def _rows(found: Found, cpu: str) -> list[Row]:
    """Every point."""
    rows = []
    for point, played in found.items():
        row = f"{_count(point)}{f', {point.scheduler}' * (point.scheduler != RR)}"
        is_shown = point.players in SHOWN[point.scheduler]
        is_charted = (point.cpu, point.scheduler) == (cpu, RR)
        for metric, unit, ours, is_for_people in (
                ("frames a second", "1/s", played.mean, not is_charted),
                ("frames a second of the worst player", "1/s", played.worst, not is_charted),
                ("share of frames that missed their deadline", "1", played.missed, False),
                ("share of frames displayed 10 ms late or more", "1", played.late_share, is_charted),
                ("frames decoded in vain", "frames", played.in_vain, False),
                ("share of the processor that is busy", "1", played.busy, is_charted)):
            rows.append(Row(row, f"{metric}, {point.way}", unit, point.cpu, ours=ours,
                            is_detail=not (is_shown and is_for_people)))
    return rows


def _chart(curves: dict[str, Curve], cpu: str, whose: str, metric: str) -> Chart:
    return Chart(f"frame rates on {cpu}, {whose}, {RR}", "players", "frames a second", tuple(
        Line(way, tuple((players, getattr(played, metric)) for players, played in curve.items()), colour)
        for colour, (way, curve) in enumerate(curves.items()) if len(curve) > 1))


def _notes(plan: Plan) -> list[str]:
    return [
        f"Streams of {_groups(plan) * GROUP_SECONDS:.1f} s, {RATE} frames a second, from five servers by UDP, begin "
        "within a group of pictures of each other. The paper does not say how long its streams were, how large, or "
        "what a frame costs; its figures are diagrams, of which the text has the shape alone. Groups are IBBPBBPBBPBB, "
        "frames 15,000, 7,500 and 2,500 bytes, up to a fifth more or less by chance: 575 kbit/s a stream. To decode a "
        f"B frame takes {DECODE_MS:.2f} ms of any processor, a P frame half as much again, an I frame twice as much: "
        "decoding alone, ten players need 97 % of the processor.",
        "A stream's first frame is displayed two periods after it begins to come. A frame that is more than a period "
        "late is not displayed: that is its deadline. A player does not decode what is too late already, and does not "
        "foresee how long decoding takes. It has one decoded frame at a time, and displays it at the tick next to its "
        "time.",
        "The paper does not say what its players do between frames. With timed waits a player waits for datagrams "
        "(select), decodes what has come, and sleeps until the frame's time: it never has the processor for nothing, "
        "and takes turns with the others by itself. Polling is the same player that looks at its socket and the clock "
        "instead, and never waits: it holds the processor for all of its slice, so all others are late.",
        "With ECalls a player tells the I/O module of its period and when its last frame was displayed, and waits for "
        "the event, which is held back until a period and two ticks before the next frame's time. It counts the event "
        "as heard when the frame is displayed. The event queue is ordered by display time; the scheduler, if it is "
        "aware of events, prefers the first player there. A player registers before it asks for its stream: who has no "
        "event pending does not run at all while others of its priority always have some.",
        "A slice of SCHED_RR is 150 ms: 15 ticks of 10 ms. The paper says 150 us, which a kernel with ticks of 10 ms "
        "cannot have; rows with that slice are of a kernel with ticks of 150 us, each of which ends a slice.",
        "Under DWCS, which the paper leaves for later, a slot is a tick of 1 ms; a player wants 7 in 66 and may miss "
        "one period in 12. Those that cannot be promised that play without a promise, when the others do not.",
        "With SCHED_RR all players have one real-time priority, as the paper's. So has the program that computes "
        "beside them. The paper has none; it shows what the event queue is worth when not all give way by themselves.",
    ]


TABLE = Table(NAME, "video players: frame rates with timed waits, polling, and ECalls",
              tuple(dict.fromkeys(image for image, *_ in SCHEDULERS.values())), (CPU, OTHER), measure)
