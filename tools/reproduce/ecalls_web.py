"""What ecalls.fig6_7, ecalls.fig9_10 and ecalls.goodput share: web servers, and clients who ask them as httperf does.

Five computers connect at a rate, whatever becomes of earlier connections; each connection asks for one page, and is
given up when nothing has come for a second. The servers are one program with four ways to hear of their clients.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.reproduce.plan import Plan
from tools.reproduce.table import Row

CPU = "p2-450"
IMAGES = {                                  # by server
    "select": "ecalls-web-select", "ecalls": "ecalls-web-io", "ready": "ecalls-web-ready", "rings": "ecalls-web-rings",
    "dwcs": "ecalls-web-dwcs"}
LABELS = {"select": "select()", "ecalls": "ECalls", "ready": "ready list", "rings": "rings", "dwcs": "ECalls, DWCS"}
FAST, GIGABIT = "rate=100M", "rate=1G,queue=256"    # wires: the paper's, and one that no server here fills
SMALL, LARGER = "/1k.html", "/4k.html"      # pages: one that is only sent, and one for which something is computed
CLIENTS = 5
MOST = 16_384                               # connections of one of them at a time: all its ports, so none is held back
MEMORY = 32 << 20                           # bytes of the machine
IDLE_MS, BEGIN_MS = 20, 80                  # when idle connections begin, and the others
IDLE_RATE = 20_000                          # idle connections a second until all are there
TIMEOUT = "1s"

Thresholds = tuple[int, int]                # of overload control: for connections, and for those that wait


class Load(NamedTuple):
    """A server, and what is asked of it."""

    server: str                 # of IMAGES
    rate: int                   # connections a second
    warm_ms: int                # they come for so long
    window_ms: int              # until they are measured, for so long
    cpu: str = CPU
    wire: str = FAST
    page: str = SMALL
    work: int = 0               # what a page takes, as the server counts it
    idle: int = 0               # connections that stay, and say nothing
    thresholds: Thresholds = (0, 0)
    least: int | None = None    # half open connections that overload control always lets in, if not the kernel's usual
    seed: int | None = None     # they come at random


class Served(NamedTuple):
    """What came of it, in the window."""

    offered: float              # connections a second that began
    replies: float              # complete replies a second
    failed: float               # connections a second that failed
    response: float             # ms from a request to the first byte of its reply: the mean,
    response_50: float          # ... what half of them,
    response_99: float          # ... and 99 % do not exceed
    busy: float                 # share of its time in which the processor was not idle


def serve(plan: Plan, load: Load) -> Served:
    """Run a server under a load. Raises RunError."""
    from emu.machine import Machine
    from emu.net.http import Pool
    from emu.net.plug import parse
    from emu.net.spread import Spread
    from emu.network import Network
    from emu.result import Reason
    from loader.boot import load as load_image
    from tools.reproduce.runs import RunError, with_arguments

    image = load_image(IMAGES[load.server],
                       parameters=None if load.least is None else {"IO_HALF_LEAST": load.least})
    image.modules[0] = with_arguments(image.modules[0], f"0 {load.work} {load.thresholds[0]} {load.thresholds[1]}")
    machine = Machine.boot(image, cpu=plan.cpu or load.cpu, memory=MEMORY)
    network = Network(machine, parse(_plug(load)), load.wire)
    pool = network.plug.parts["http"]
    assert isinstance(pool, Pool)
    ms = machine.profile.clock / 1000

    def run(until: float) -> None:
        result = machine.run(max_cycles=round(until * ms) - machine.clock.now)
        if result.reason != Reason.CYCLES:
            raise RunError(f"{IMAGES[load.server]} on {machine.profile.name}: {result.reason} {result.detail}, "
                           f"at {result.where}")

    begin = BEGIN_MS + load.warm_ms
    run(begin)
    before, idle = pool.describe(), machine.idle_cycles
    failed = sum(pool.errors)
    pool.response_time = spread = Spread()
    run(begin + load.window_ms)
    after, seconds = pool.describe(), load.window_ms / 1000
    return Served((after["connections"] - before["connections"]) / seconds,
                  (after["replies"] - before["replies"]) / seconds, (sum(pool.errors) - failed) / seconds,
                  spread.mean / ms, spread.percentile(50) / ms, spread.percentile(99) / ms,
                  1 - (machine.idle_cycles - idle) / (load.window_ms * ms))


def _plug(load: Load) -> str:
    """Who is at the other end of the wire."""
    seed = "" if load.seed is None else f",seed={load.seed}"
    idle = f"+http:dst=10.0.0.2,clients={CLIENTS},rate={IDLE_RATE},count={load.idle},requests=0,start={IDLE_MS}ms"
    return (f"http:dst=10.0.0.2,clients={CLIENTS},rate={load.rate},path={load.page},timeout={TIMEOUT},most={MOST},"
            f"start={BEGIN_MS}ms{seed}{idle if load.idle else ''}")


def response(row: str, metric: str, cpu: str, served: Served, *, paper: float | None = None,
             notes: tuple[str, ...] = ()) -> Row:
    """A row for the mean response; open if nobody was answered."""
    if not served.replies:
        return Row(row, metric, "ms", cpu, paper, open="nobody was answered in the window", notes=notes)
    return Row(row, metric, "ms", cpu, paper, served.response, notes=notes)


def choices(*more: str) -> list[str]:
    """What the paper left open, and what was chosen, for people."""
    return [
        f"{CLIENTS} clients on one wire, {TIMEOUT} of timeout, one request to a connection, evenly spaced: httperf's "
        "open load, but that a client may have all its ports open, so that none is held back. Response: from the "
        "request to the first byte of the reply, as httperf has it; the time in the queue of who waits to be accepted "
        "is in it.",
        "The servers are one program behind four fronts: select(); ECalls, the I/O event module; a list of interest "
        "and a list of those that are ready, as epoll; rings for submissions and completions, as io_uring. As in "
        "thttpd, new connections come first: each round accepts all that wait. 128 may wait, 464 sockets be open.",
        *more]
