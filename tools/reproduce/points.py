"""The points of a table, each a run of its own: measured in turn, or side by side in processes.

A function finds out about a point; it stands in a module, and what it takes and returns can be pickled and is small,
since both go to and fro between processes. What comes out does not depend on where and in which order it was measured.
"""

from __future__ import annotations

import copyreg
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tools.exit_codes import ExitCode
from tools.reproduce.plan import F, P, Plan

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PATIENCE = 5                            # seconds without a result after which somebody looks whether one can come


def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(values)


copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))    # of which profiles have many


def measure_points(points: Mapping[P, str], function: Callable[[Plan, P], F], plan: Plan) -> dict[P, F]:
    """What a function finds at each, in their order, measured as the plan says; with what to tell of each.

    Raises what the function does, and RunError if somebody who should measure is gone.
    """
    names, left, found = list(points), dict(points), dict[P, F]()
    plan.tell(points[names[0]], 0)
    for at, result in plan.way.map(partial(function, plan.alone()), names):
        found[names[at]] = result
        del left[names[at]]
        if left:
            plan.tell(next(iter(left.values())), len(found) / len(points))
    return {point: found[point] for point in points}


class Processes:
    """Side by side in processes of this computer, which end when it is left, at once if that is by an exception.

    They begin as new interpreters: a copy of this one would have the locks of threads that it has not.
    """

    def __init__(self, count: int) -> None:
        """At most so many at a time."""
        started = multiprocessing.get_context("spawn")
        self._theirs, self._ours = started.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(count, started, _begin, (self._theirs,))

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            self._ours.close()
        self._pool.shutdown(cancel_futures=True)
        self._ours.close()
        self._theirs.close()

    def map(self, function: Callable[[P], F], points: Sequence[P]) -> Iterator[tuple[int, F]]:
        """See tools.reproduce.plan.Way."""
        from tools.reproduce.runs import RunError

        try:
            yield from as_they_end(self._pool, function, points)
        except BrokenProcessPool:
            raise RunError("a process that measured was ended from outside, perhaps for want of memory: "
                           "try fewer --jobs") from None


def as_they_end(pool: Executor, function: Callable[[P], F], points: Sequence[P],
                check: Callable[[], None] = lambda: None) -> Iterator[tuple[int, F]]:
    """Way.map on a pool; `check` is called whenever nothing has come for a while, and may raise."""
    with _without_interrupt():
        places = {pool.submit(function, point): at for at, point in enumerate(points)}
    waiting = set(places)
    while waiting:
        done, waiting = wait(waiting, PATIENCE, FIRST_COMPLETED)
        if not done:
            check()
        for each in done:
            yield places[each], each.result()


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Ctrl-C waits until this is left, and never comes to threads and processes that begin meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(lifeline: Connection[Any, Any]) -> None:
    """In a new process: it ends when the other end of this is closed, if only by the death of who has it."""
    Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection[Any, Any]) -> None:
    with suppress(EOFError):
        lifeline.recv()
    os._exit(ExitCode.INTERRUPTED)
