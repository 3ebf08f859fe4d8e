"""Points of a table on a cluster of computers: Dask's, of which every part has the same Trapline installed.

Figures come from the sources of Trapline alone, so a worker whose sources are others is refused.
"""

from __future__ import annotations

import asyncio
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from tools.reproduce.plan import F, P
from tools.reproduce.points import as_they_end

ANSWER = 10                                         # seconds in which a scheduler answers, and has a worker
ROOT = Path(__file__).parents[2]
PACKAGES = ("emu", "guest", "loader", "tools")      # all that figures depend on
SOURCES = (".py", ".asm", ".inc", ".toml")
OTHER = "has another Trapline than this one, or none: install the same everywhere"


class OtherTraplineError(Exception):
    """The Trapline of a worker is not the one that asks."""


class Cluster:
    """Side by side on the workers of a cluster; what has not begun is given up when it is left."""

    def __init__(self, address: str) -> None:
        """`address` of its scheduler. Raises ValueError if it does not answer, has no worker, or another Trapline."""
        if not re.fullmatch(r"tcp://.+:\d+", address):
            raise ValueError(f"{address!r} is no address of a scheduler: give one like tcp://HOST:8786")
        try:
            from distributed import Client
        except ImportError:
            raise ValueError("--dask needs the package distributed: install Trapline as '.[cluster]'") from None
        self._address = address
        for handler in logging.getLogger("distributed").handlers:
            handler.setLevel(logging.CRITICAL + 1)          # what matters to us is raised
        try:
            asyncio.run(_greet(address))
        except Exception:               # whatever becomes of talking to something else
            raise ValueError(f"no scheduler of Dask answers at {address}") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                 # of versions: that of Trapline matters, and is checked
            self._client = Client(address, timeout=ANSWER, set_as_default=False)
        try:
            if not self._has_worker():
                raise ValueError(f"the cluster at {address} has no worker")
            if others := self._others():
                raise ValueError(f"in the cluster at {address}, {others[0]} {OTHER}")
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def map(self, function: Callable[[P], F], points: Sequence[P]) -> Iterator[tuple[int, F]]:
        """See tools.reproduce.plan.Way."""
        from distributed import KilledWorker

        from tools.reproduce.runs import RunError

        def check() -> None:
            if not self._has_worker():
                raise RunError(f"the cluster at {self._address} has no worker any more")

        pool = self._client.get_executor(pure=False)
        try:
            yield from as_they_end(pool, partial(_there, sources(), function), points, check)
        except CancelledError:
            raise RunError(f"the scheduler at {self._address} is gone") from None
        except KilledWorker:
            raise RunError(f"workers of the cluster at {self._address} died of what they measured, perhaps for want of "
                           "memory: see what they logged") from None
        except OtherTraplineError:
            raise RunError(f"a worker of the cluster at {self._address} {OTHER}") from None

    def _has_worker(self) -> bool:
        try:
            self._client.wait_for_workers(1, timeout=ANSWER)
        except OSError:                 # of which a time-out is one
            return False
        return True

    def _others(self) -> list[str]:
        """Parts of the cluster that have another Trapline."""
        found: dict[str, Any] = self._client.run(sources, on_error="return")
        found = {f"the worker {worker}": theirs for worker, theirs in found.items()}
        try:
            found["the scheduler"] = self._client.run_on_scheduler(sources)
        except Exception as error:      # whatever happens to who looks for a module that is not there
            found["the scheduler"] = error
        return [part for part, theirs in found.items() if theirs != sources()]


async def _greet(address: str) -> None:
    """Connect to a scheduler, and leave it. Client would wait for ever for the answer of somebody who is silent."""
    from distributed.comm import connect

    comm = await asyncio.wait_for(connect(address), ANSWER)
    await comm.close()


@cache
def sources() -> str:
    """A digest of Trapline's files."""
    digest = sha256()
    for path in sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.suffix in SOURCES):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _there(ours: str, function: Callable[[P], F], point: P) -> F:
    """On a worker, which may have come later than the others."""
    if ours != sources():
        raise OtherTraplineError
    return function(point)
