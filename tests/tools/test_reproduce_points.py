"""Points of a table side by side: the same figures as in turn, and what happens if somebody ends or is not there."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from distributed import LocalCluster

from emu.timing.profile import load_profile, profiles
from tools.reproduce import cluster, points, stoess_fig6
from tools.reproduce.cluster import Cluster
from tools.reproduce.plan import InTurn, Plan, Way
from tools.reproduce.points import Processes, measure_points
from tools.reproduce.runs import RunError
from tools.reproduce.stoess_fig6 import Point

Trapline = Callable[..., Any]       # the fixture `trapline`

TABLE = ("reproduce", "activations.table2", "--quick", "--json", "--cpu", "p3-500")
COMMAND = [sys.executable, "-P", "-c", "import sys; from tools.cli import main; sys.exit(main())"]
GOOD, BAD = Point("unit", "l4", "intra", 0), Point("unit", "l4", "intra", 99999)      # registers


def local_cluster(workers: int) -> LocalCluster:
    """A cluster on this computer alone: processes with one thread each, and no pages to look at."""
    return LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
                        scheduler_kwargs={"dashboard": False})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The scheduler of two workers."""
    with local_cluster(2) as local:
        yield local.scheduler_address


@pytest.fixture(scope="module")
def in_turn() -> str:
    """What the command prints of TABLE, measured in turn."""
    return subprocess.run([*COMMAND, *TABLE], check=True, capture_output=True, text=True, timeout=60).stdout


# The same figures.

def test_processes_find_the_same(trapline: Trapline, in_turn: str) -> None:
    assert json.loads(in_turn)["rows"][0]["cpu"] == "p3-500"
    assert trapline(*TABLE, "--jobs", "2").out == in_turn


def test_a_cluster_finds_the_same(trapline: Trapline, in_turn: str, address: str) -> None:
    ended = trapline(*TABLE, "--dask", address)
    assert (ended.status, ended.err) == (0, "") and ended.out == in_turn


@pytest.mark.parametrize("name", profiles())
def test_a_profile_is_the_same_elsewhere(name: str) -> None:
    profile = load_profile(name)
    assert pickle.loads(pickle.dumps(profile)) == profile


class Backwards(InTurn):
    """The last first."""

    def map(self, function: Any, points: Any) -> Any:
        return reversed(list(super().map(function, points)))


def test_what_was_found_stands_in_the_order_of_the_points_and_the_first_that_is_missing_is_told() -> None:
    def told_and_found(way: Way) -> tuple[list[tuple[str, float]], list[tuple[int, str]]]:
        told: list[tuple[str, float]] = []
        plan = Plan(quick=True, tell=lambda what, share: told.append((what, share)), way=way)
        found = measure_points({2: "two", 4: "four", 8: "eight", 16: "sixteen"}, square, plan)
        return told, list(found.items())

    told, found = told_and_found(InTurn())
    assert found == [(2, "True 4"), (4, "True 16"), (8, "True 64"), (16, "True 256")]
    assert told == [("two", 0), ("four", 0.25), ("eight", 0.5), ("sixteen", 0.75)]
    told, again = told_and_found(Backwards())
    assert again == found and told == [("two", 0), ("two", 0.25), ("two", 0.5), ("two", 0.75)]


def square(plan: Plan, point: int) -> str:
    return f"{plan.quick} {point * point}"


# Somebody ends, or fails.

def measured(way: Way, *points: Point) -> dict[Point, Any]:
    return measure_points({point: "" for point in points}, stoess_fig6._cost, Plan(quick=True, way=way))


def test_a_run_that_goes_wrong_says_so_from_a_process() -> None:
    with pytest.raises(RunError, match=r"intra 99999 101 in pingpong-l4 on unit: exit 1"), Processes(2) as way:
        measured(way, BAD, GOOD)


def test_a_run_that_goes_wrong_says_so_from_a_cluster_that_goes_on(address: str) -> None:
    with Cluster(address) as way:
        with pytest.raises(RunError, match=r"intra 99999 101 in pingpong-l4 on unit: exit 1"):
            measured(way, BAD, GOOD)
        assert measured(way, GOOD) == measured(InTurn(), GOOD)


def test_a_process_that_ends_is_an_error() -> None:
    with pytest.raises(RunError, match="ended from outside"), Processes(2) as way:
        list(way.map(os._exit, [3, 3]))


def test_a_worker_that_ends_is_an_error(address: str) -> None:
    with Cluster(address) as way, pytest.raises(RunError, match="died of what they measured"):
        list(way.map(os._exit, [3]))


@pytest.fixture
def deserted(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCluster]:
    """A cluster without workers, of which nobody waits long for any."""
    monkeypatch.setattr(cluster, "ANSWER", 1)
    monkeypatch.setattr(points, "PATIENCE", 0.2)
    with local_cluster(0) as local:
        yield local


def test_a_cluster_has_workers_at_the_beginning(deserted: LocalCluster) -> None:
    with pytest.raises(ValueError, match="has no worker"):
        Cluster(deserted.scheduler_address)


def test_a_cluster_that_has_no_worker_any_more_is_an_error(deserted: LocalCluster,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as begin:
        begin.setattr(Cluster, "_has_worker", lambda self: True)
        way = Cluster(deserted.scheduler_address)
    with way, pytest.raises(RunError, match="has no worker any more"):
        list(way.map(time.sleep, [0]))


def test_a_scheduler_that_ends_is_an_error(deserted: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "_has_worker", lambda self: True)
    with Cluster(deserted.scheduler_address) as way, pytest.raises(RunError, match=r"the scheduler at .* is gone"):
        monkeypatch.setattr(Cluster, "_has_worker", lambda self: deserted.close() is None)      # while somebody waits
        list(way.map(time.sleep, [0]))


# What the command refuses.

@pytest.mark.parametrize("jobs", ["-1", "x", "1025", "1.5"])
def test_jobs_are_a_number_of_processes(trapline: Trapline, jobs: str) -> None:
    assert trapline(*TABLE, "--jobs", jobs).complains("--jobs", "a number of processes", "from 1 to 1024, or auto")


def test_jobs_and_a_cluster_are_two_ways(trapline: Trapline) -> None:
    ended = trapline(*TABLE, "--jobs", "auto", "--dask", "tcp://127.0.0.1:1")
    assert ended.status == 2 and ended.complains("--jobs", "--dask", "give one")
    assert trapline("reproduce", "--jobs", "2").complains("name a table")


def test_without_the_package_it_says_which_to_install(trapline: Trapline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    ended = trapline(*TABLE, "--dask", "tcp://127.0.0.1:1")
    assert ended.status == 2 and ended.complains("distributed", "'.[cluster]'")


@pytest.mark.parametrize("address", ["nonsense", "", "tcp://127.0.0.1", "http://127.0.0.1:8786"])
def test_an_address_is_that_of_a_scheduler(trapline: Trapline, address: str) -> None:
    ended = trapline(*TABLE, "--dask", address)
    assert ended.status == 2 and ended.complains(repr(address), "tcp://HOST:8786")


@pytest.mark.parametrize("says", [None, b"", b"SSH-2.0-OpenSSH_9.6\r\n"], ids=["none", "silent", "other"])
def test_a_scheduler_has_to_answer(trapline: Trapline, monkeypatch: pytest.MonkeyPatch, says: bytes | None) -> None:
    monkeypatch.setattr(cluster, "ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if says is None:
            server.close()
        if says:
            Thread(target=lambda: server.accept()[0].sendall(says), daemon=True).start()
        ended = trapline(*TABLE, "--dask", where)
    assert ended.status == 2 and ended.complains(where, "no scheduler of Dask answers")


def test_a_worker_with_other_sources_is_refused(trapline: Trapline, monkeypatch: pytest.MonkeyPatch,
                                                address: str) -> None:
    cluster.sources.cache_clear()
    monkeypatch.setattr(cluster, "PACKAGES", ("guest",))
    try:
        ended = trapline(*TABLE, "--dask", address)
    finally:
        cluster.sources.cache_clear()
    assert ended.status == 2 and ended.complains(address, "the worker tcp://", "another Trapline")


# Ctrl-C.

def processes(group: int) -> list[int]:
    """Processes of a group that have not ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = file.read_text().rpartition(")")[2].split()[:3]
        except OSError:                 # it has ended meanwhile
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(file.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("number", "status", "said"), [(signal.SIGINT, 130, "\n"), (signal.SIGKILL, -9, None)])
def test_no_process_is_left_behind(number: int, status: int, said: str | None) -> None:
    running = subprocess.Popen([*COMMAND, "reproduce", "stoess.fig6", "--jobs", "2"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    while len(processes(running.pid)) < 4:      # the command, two that measure, and one of Python's own
        assert running.poll() is None
        time.sleep(0.05)
    if number == signal.SIGINT:                 # as a terminal sends it
        os.killpg(running.pid, number)
    else:
        running.kill()
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (status, "") and said in (None, err)
    until = time.monotonic() + 20
    while processes(running.pid):
        assert time.monotonic() < until
        time.sleep(0.05)
