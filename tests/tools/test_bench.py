"""`trapline bench`: it measures what it says, and shows it to people and programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import pytest

from tools.bench import (
    boot,
    command,
    compute,
    crossings,
    emulators,
    idle,
    interrupts,
    memory,
    model,
    monitor,
    network,
    rig,
)

Trapline = Callable[..., Any]       # the fixture `trapline`

GROUPS = {"compute": compute.measure, "memory": memory.measure, "model": model.measure,
          "monitor": monitor.measure, "int": crossings.measure_int,
          "sysenter": crossings.measure_sysenter, "irq": interrupts.measure, "network": network.measure,
          "boot": boot.measure}


@pytest.fixture(autouse=True, scope="module")
def in_a_hurry() -> Iterator[None]:
    """As few and as short turns as possible, and no other emulator, whatever is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig, "QUICK_SECONDS", 0)
        patch.setattr(rig, "LEAST_TURNS", 1)
        patch.setattr(boot, "QUICK_REPETITIONS", 1)
        patch.setattr(compute, "INSTRUCTIONS", 560_000)
        patch.setattr(idle, "SECONDS", (1, 2))
        patch.setattr(idle, "INSTRUCTIONS", (10_000, 20_000))
        patch.setattr(emulators.shutil, "which", lambda name: None)
        yield


@pytest.fixture(scope="module")
def once() -> dict[str, Callable[[bool], rig.Group]]:
    """What measures each group, and does so at the first call only."""
    return {name: cache(measure) for name, measure in GROUPS.items()}


@pytest.fixture
def bench(trapline: Trapline, once: dict[str, Callable[[bool], rig.Group]],
          monkeypatch: pytest.MonkeyPatch) -> Trapline:
    """Runs `trapline bench --quick`, with what has been measured already."""
    monkeypatch.setattr(command, "_groups", lambda: once)
    return partial(trapline, "bench", "--quick")


def test_the_table_shows_every_figure_with_its_goal_and_what_was_run(bench: Trapline) -> None:
    ended = bench()
    assert (ended.status, ended.err) == (0, "")
    lines = {line.split()[0]: line for line in ended.out.splitlines()}
    for figure in ("compute.ratio_to_unicorn", "memory.ratio_to_unicorn", "model.ratio_to_unicorn",
                   "model.call_ratio_to_unicorn", "model.message_ratio_to_unicorn", "model.kernel_call_ratio_to_mix",
                   "model.kernel_switch_ratio_to_mix", "int.round_trips_per_second", "sysenter.round_trips_per_second",
                   "irq.per_second"):
        assert lines[figure].endswith((": met", ": not met"))
    for figure in ("boot.cpu_seconds", "model.boot_ratio"):
        assert lines[figure].endswith(("at most 1.50: met", "at most 1.50: not met"))
    assert lines["model.ratio_to_bochs"].endswith("-   at least 2.00: not installed")
    assert lines["model.ratio_to_qemu_icount"].endswith("-   not installed")
    assert "15 of 30 instructions load or store" in ended.out
    assert "ratio_to_unicorn by_block_length: 7 " in ended.out
    assert "    idle: 1 " in ended.out


def test_the_report_has_the_same_numbers_by_name(bench: Trapline) -> None:
    report = json.loads(bench("--json").out)
    assert set(report) == {"host", *GROUPS, "goals", "missing"}
    assert set(report["compute"]["by_block_length"]) == {"7", "14", "28", "56"}
    assert set(report["boot"]) == {"cpu_seconds", "python_seconds", "import_seconds", "load_seconds", "run_seconds"}
    assert report["missing"] == {"model.ratio_to_bochs": "not installed", "model.ratio_to_qemu_icount": "not installed"}
    assert report["goals"]["model.ratio_to_bochs"] == {"goal": 2.0, "is_met": None}
    for name, goal in report["goals"].items():
        group, figure = name.split(".")
        value = report[group][figure]
        if name in report["missing"]:
            assert value is None
        else:
            at_most = group == "monitor" or name in ("boot.cpu_seconds", "model.boot_ratio")
            assert value > 0
            assert goal["is_met"] == (value <= goal["goal"] if at_most else value >= goal["goal"])
    assert report["model"]["cold_block_us"] > 0
    assert set(report["model"]["idle"]) == {"1", "2", "instructions"}
    assert set(report["model"]["busy"]) == {"10000", "20000"}
    assert {name.split("_", 1)[0] for name in report["network"]} == {"small", "full", "stream", "alone"}
    assert min(report["network"].values()) > 0


def test_the_boot_is_measured_under_each_processor_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    lasts = {"a": iter((9.0, 3.0, 2.0)), "b": iter((9.0, 5.0, 6.0))}
    monkeypatch.setattr(boot, "QUICK_REPETITIONS", 2)
    monkeypatch.setattr(boot, "_cpu_seconds", lambda profile: (turns.append(profile), next(lasts[profile]))[1])
    assert boot.fastest(["a", "b"], quick=True) == [2.0, 5.0]
    assert "".join(turns) == "ababab"


def test_boots_are_shown_beside_the_most_that_they_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    lasts = {model.PROFILE: 3.0, rig.PROFILE: 2.0}
    monkeypatch.setattr(boot, "_cpu_seconds", lasts.__getitem__)
    monkeypatch.setattr(boot, "_python", lambda program: "{}")
    seconds, ratio = boot.measure(quick=True).figures[0], model._boot(quick=True)
    assert command._row("boot", seconds).split(maxsplit=1) == ["boot.cpu_seconds", "2.00   at most 1.50: not met"]
    assert command._row("model", ratio).split(maxsplit=1) == ["model.boot_ratio", "1.50   at most 1.50: met"]


def test_a_goal_is_a_limit_from_below_or_above() -> None:
    assert rig.Figure("f", 2.0, 2.0).is_met and not rig.Figure("f", 1.9, 2.0).is_met
    assert rig.Figure("f", 2.0, 2.0, at_most=True).is_met and not rig.Figure("f", 2.1, 2.0, at_most=True).is_met


def test_without_a_value_or_a_goal_nothing_is_met_or_missed() -> None:
    assert rig.Figure("f", None, 2.0).is_met is None and rig.Figure("f", 2.0).is_met is None


def test_the_groups_are_measured_in_the_order_of_the_table() -> None:
    assert command._groups() == GROUPS


@pytest.mark.parametrize("length", compute.LENGTHS)
def test_the_compute_loop_is_one_block_of_the_length_it_claims(length: int) -> None:
    race = rig.Race(compute.source(length, 10), 3 + length * 10)
    race.run(quick=True)
    assert race.machine.cpu.state.instructions % race.instructions == 0


def test_the_compute_loop_is_xorshift_and_fnv() -> None:
    race = rig.Race(compute.source(26, 4), 3 + 26 * 4)                  # two whole rounds in each iteration
    race.run(quick=True)
    x, h = 2463534242, 2166136261
    for _ in range(8):
        for shift in (13, -17, 5):
            x ^= (x << shift if shift > 0 else x >> -shift) & 0xFFFFFFFF
        h = (h ^ x) * 16777619 & 0xFFFFFFFF
        h = (h << 7 | h >> 25) & 0xFFFFFFFF
    assert (race.machine.cpu.registers.eax, race.machine.cpu.registers.ebx) == (x, h)


def test_half_of_the_memory_loop_s_instructions_access_memory() -> None:
    lines = [line.strip() for line in memory.source().split(".Lagain:")[1].split("stop:")[0].splitlines()]
    loop = [line for line in lines if line]
    assert len(loop) == 30
    assert sum("[" in line for line in loop) == 15


def test_a_race_whose_sides_disagree_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    race = rig.Race(compute.source(7, 10), 3 + 70)
    monkeypatch.setattr(race.bare, "run", lambda: None)
    with pytest.raises(RuntimeError, match="different values in eax"):
        race.run(quick=True)


def test_code_that_runs_otherwise_than_claimed_is_refused() -> None:
    with pytest.raises(RuntimeError, match="ended otherwise"):
        rig.Race(compute.source(7, 10), 99).run(quick=True)


def test_turns_alternate_and_the_best_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    now = [0.0]
    lasts = {"a": iter((9.0, 3.0, 1.0, 2.0)), "b": iter((9.0, 5.0, 6.0, 4.0))}
    monkeypatch.setattr("time.process_time", lambda: now[0])
    monkeypatch.setattr(rig, "LEAST_TURNS", 3)

    def run(name: str) -> Callable[[], None]:
        def once() -> None:
            turns.append(name)
            now[0] += next(lasts[name])
        return once

    assert rig.best([run("a"), run("b")], quick=True) == [1.0, 4.0]
    assert "".join(turns) == "abababab"


def test_a_guest_with_traffic_answers_everything() -> None:
    for name, (image, plug) in network.TRAFFIC.items():
        guest = network.Guest(image, plug)
        guest.run()
        said = guest._network.describe()
        assert guest.frames >= 118 and guest.instructions > 100_000, name
        assert said["wire.0 dropped"] == said["wire.1 dropped"] == 0
        if image == "echo":
            assert said["udp sent"] - said["udp returned datagrams"] < 40


def test_no_frame_leaves_the_machine_of_two_programs() -> None:
    guest = network.Guest(network.alone())
    guest.run()
    assert guest.frames == 0 and guest.instructions > 200_000
