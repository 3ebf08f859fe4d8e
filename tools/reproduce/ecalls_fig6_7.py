"""ecalls.fig6_7: a web server with a small static page: reply rate and response time against request rate.

The paper goes up to 2,000 requests a second, where its servers are far beyond what they carry. Ours carry more than the
paper's wire does, so the figure goes on: on that wire until it is full, and on a Gigabit wire to several times what the
processor carries. The claim that select() does not scale with connections is looked at by connections that say nothing.
"""

from __future__ import annotations

from tools.reproduce.ecalls_web import CPU, FAST, GIGABIT, IMAGES, LABELS, Load, Served, choices, response, serve
from tools.reproduce.papers import figures
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Chart, Findings, Line, Row, Table

NAME = "ecalls.fig6_7"
SERVERS = ("select", "ecalls", "ready", "rings")
RATES = (1000, 2000, 4000, 8000, 12_000)        # requests a second on the paper's wire,
GIGABIT_RATES = (12_000, 24_000, 32_000, 48_000)            # and on the Gigabit wire
QUICK_RATES, QUICK_GIGABIT_RATES = (2000,), (12_000,)
THEIRS = 2000               # the paper's last rate
MANY = 400                  # connections that say nothing, of the 464 sockets that can be open
IDLE = ((64, 8000), *((MANY, rate) for rate in (2000, 4000, 8000, 16_000, 32_000)))     # such, and requests a second
QUICK_IDLE = ((MANY, 8000),)
OTHER_CPU = "k7-550"        # the paper's other machine,
OTHER_RATES = (2000, 32_000)                                # by these rates alone
WARM_MS, WINDOW_MS, LONG_WINDOW_MS = 80, 150, 300           # the long one: up to the paper's last rate
QUICK_WARM_MS, QUICK_WINDOW_MS = 10, 20
LOSSES = "Replies for a hundred requests. The paper's is read off its figure 6 by its own words."
SHAPE = "The paper's settles there when its server is overloaded; ours is not at this rate."


def measure(plan: Plan) -> Findings:
    """Every server at every rate."""
    found = measure_points({load: _title(load) for load in _loads(plan)}, serve, plan)
    return Findings([*_rows(found), *_beyond(found)], _charts(found), choices(
        f"Static page of 1 KiB. Measured for {_window(plan, RATES[-1])} ms behind {_warm(plan)} ms of the same load, "
        f"and for {_window(plan, THEIRS)} ms up to {THEIRS:,} requests a second; the paper's runs took 180 s. Nothing "
        "is random. Who is not let in fails only after a second, which is not waited for.",
        "Above their knee: each round accepts who waits before anybody is answered, and connections that find no place "
        "have cost interrupts and a handshake. What a segment costs does not depend on how many connections there are.",
        "100 Mbit/s are full before the processor is. What the server sends then is dropped when the card's ring is "
        "full, SYN and ACK as well as pages."))


def _loads(plan: Plan) -> list[Load]:
    """All points."""
    rates = [(FAST, rate) for rate in (QUICK_RATES if plan.quick else RATES)]
    rates += [(GIGABIT, rate) for rate in (QUICK_GIGABIT_RATES if plan.quick else GIGABIT_RATES)]
    loads = [_load(plan, server, wire, rate) for wire, rate in rates for server in SERVERS]
    loads += [_load(plan, server, GIGABIT, rate)._replace(idle=idle)
              for idle, rate in (QUICK_IDLE if plan.quick else IDLE) for server in SERVERS]
    if not plan.cpu and not plan.quick:
        loads += [_load(plan, server, GIGABIT, rate)._replace(cpu=OTHER_CPU)
                  for rate in OTHER_RATES for server in SERVERS[:2]]
    return loads


def _load(plan: Plan, server: str, wire: str, rate: int) -> Load:
    return Load(server, rate, _warm(plan), _window(plan, rate), wire=wire, cpu=plan.cpu.name if plan.cpu else CPU)


def _warm(plan: Plan) -> int:
    return QUICK_WARM_MS if plan.quick else WARM_MS


def _window(plan: Plan, rate: int) -> int:
    return QUICK_WINDOW_MS if plan.quick else LONG_WINDOW_MS if rate <= THEIRS else WINDOW_MS


def _title(load: Load) -> str:
    idle = f" beside {load.idle} that say nothing" if load.idle else ""
    return f"{LABELS[load.server]}, {load.rate:,}/s{idle}, {_speed(load)}, on {load.cpu}"


def _speed(load: Load) -> str:
    return "100 Mbit/s" if load.wire == FAST else "1 Gbit/s"


def _rows(found: dict[Load, Served]) -> list[Row]:
    """A row for each figure; what the paper says of its last rate stands beside ours."""
    printed, rows = figures(NAME), list[Row]()
    for load, served in found.items():
        idle = f", {load.idle} idle" if load.idle else ""
        row = f"{load.rate:,}/s, {_speed(load)}{idle}: {LABELS[load.server]}"
        theirs = (load.rate, load.idle, load.cpu) == (THEIRS, 0, CPU)
        share = printed["reply_rate_percent_at_2000_per_s"].get(load.server) if theirs else None
        settled = printed["response_ms_at_overload"].get(load.server) if theirs else None
        rows += [Row(row, "replies", "1/s", load.cpu, ours=served.replies),
                 Row(row, "replies, of requests", "%", load.cpu, share, 100 * served.replies / served.offered,
                     notes=(LOSSES,) if share else ()),
                 response(row, "response, mean", load.cpu, served, paper=settled, notes=(SHAPE,) if settled else ()),
                 Row(row, "response, median", "ms", load.cpu, ours=served.response_50, is_detail=True),
                 Row(row, "response, 99 %", "ms", load.cpu, ours=served.response_99, is_detail=True),
                 Row(row, "processor busy", "%", load.cpu, ours=100 * served.busy)]
    return rows


def _beyond(found: dict[Load, Served]) -> list[Row]:
    """What is left of the most replies, where the most is asked for."""
    rows, main = list[Row](), next(iter(found)).cpu
    for server in SERVERS:
        replies = {load.rate: served.replies for load, served in found.items()
                   if (load.server, load.wire, load.idle, load.cpu) == (server, GIGABIT, 0, main)}
        last = max(replies)
        rows.append(Row(f"beyond the knee, 1 Gbit/s: {LABELS[server]}", f"replies at {last:,}/s, of the most at any",
                        "%", main, ours=100 * replies[last] / max(replies.values())))
    return rows


def _charts(found: dict[Load, Served]) -> list[Chart]:
    """Figures 6 and 7: on either wire, and beside connections that say nothing."""
    main = next(iter(found)).cpu
    charts = []
    for wire, idle, where in ((FAST, 0, "100 Mbit/s"), (GIGABIT, 0, "1 Gbit/s"),
                              (GIGABIT, MANY, f"beside {MANY} idle connections")):
        for what, unit, field in (("reply rate", "replies/s", "replies"), ("mean response time", "ms", "response")):
            shown = {load: served for load, served in found.items()
                     if (load.wire, load.idle, load.cpu) == (wire, idle, main)
                     and (served.replies or field == "replies")}
            lines = tuple(
                Line(LABELS[server], tuple((load.rate, getattr(served, field)) for load, served in shown.items()
                                           if load.server == server), colour)
                for colour, server in enumerate(SERVERS))
            charts.append(Chart(f"{what}, 1 KiB, {where}, {main}", "requests/s", unit, lines))
    return charts


TABLE = Table(NAME, "web server, small page: replies and response time against request rate, select() and ECalls",
              tuple(IMAGES[server] for server in SERVERS), (CPU, OTHER_CPU), measure)
