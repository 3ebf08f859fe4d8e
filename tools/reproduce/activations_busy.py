"""A busy application that is interrupted: what it loses, which is what several tables of the paper are about.

The images `activations-interrupted` and `activations-upcalls` have it; interrupts come from the timer, 1,000 a second,
and from the UART. Time is lost from the interrupted instruction until the same instruction goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tools.reproduce.plan import Plan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emu.timing.profile import Profile
    from tools.reproduce.runs import Run

CPU = "p4-1800"
INTERRUPTED, UPCALLS, ORIGINAL = "activations-interrupted", "activations-upcalls", "activations-original"
EVENTS = ("tick", "input")
ROUNDS = {"tick": 10_000, "input": 2_000}       # more input than the kernel keeps would be lost
QUICK_ROUNDS = 50
WARM_UP = 5                     # occurrences before those that count
TICKS = 1000                    # a second
FIRST, APART = 20_000, 370      # when input begins, and comes, us: in all phases of the tick


class Lost(NamedTuple):
    """How long something took, each time, us."""

    times: NDArray[np.float64]

    @property
    def median(self) -> float:
        """Of all; as the others it is one of them."""
        return self.rank(50)

    def rank(self, percent: int) -> float:
        """The least that so many percent do not exceed."""
        return float(sorted(self.times)[-(-len(self.times) * percent // 100) - 1])


def profile_of(plan: Plan) -> Profile:
    """The processor that tables of this paper are measured on."""
    from emu.timing.profile import load_profile

    return plan.cpu or load_profile(CPU)


def fast_call(profile: Profile) -> str:
    """The fastest system call that a processor has, as the image `activations-upcalls` calls it."""
    return "sysenter" if "SEP" in profile.features else "int"


def rounds_of(plan: Plan, event: str) -> int:
    """How many events count."""
    return QUICK_ROUNDS if plan.quick else ROUNDS[event]


def interrupted(plan: Plan, event: str, way: str) -> Lost:
    """What an event costs with nothing else to do, `regular`, or with a `signal` and its handler."""
    from tools.reproduce.runs import run as run_image

    rounds, sent = _rounds(plan, event)
    ticks = WARM_UP + rounds + 1 if event == "tick" else sent[-1] * TICKS // profile_of(plan).clock + 2
    run = run_image(INTERRUPTED, profile_of(plan), f"{event} {'none' if way == 'regular' else way} {ticks}", sent=sent)
    found = _counted(run, f"{event}-{way}", rounds)
    return _lost(run, found["cycles"] + _handlers(run, found) if way == "signal" else found["cycles"])


def upcalled(plan: Plan, event: str, what: str = "plain") -> Lost:
    """What an event costs with an upcall."""
    path = {"plain": "upcall", "ready": "upcall", "timer": "timer", "late": "second"}[what]
    from tools.reproduce.runs import run as run_image

    rounds, sent = _rounds(plan, event)
    run = run_image(UPCALLS, profile_of(plan), f"{event} {WARM_UP + rounds + 1} {fast_call(profile_of(plan))} {what}",
                    sent=sent)
    found = _counted(run, f"{event}-{path}", rounds)
    return _lost(run, found["cycles"] + run.behind(found))


def original(plan: Plan) -> Lost:
    """What a tick costs with an upcall of the original model."""
    from tools.reproduce.runs import run as run_image

    rounds, _ = _rounds(plan, "tick")
    run = run_image(ORIGINAL, profile_of(plan), str(WARM_UP + rounds + 1))
    found = _counted(run, "tick-original", rounds)
    return _lost(run, found["cycles"] + _handlers(run, found))


def calls(plan: Plan, call: str) -> Run:
    """A short run in which system calls are made by `int` or `sysenter`."""
    from tools.reproduce.runs import run

    return run(UPCALLS, profile_of(plan), f"tick {QUICK_ROUNDS} {call} plain")


def path_times(run: Run, name: str) -> Lost:
    """What a path of a run cost."""
    return _lost(run, run.path(name, at_least=WARM_UP + 1).occurrences["cycles"][WARM_UP:])


def _rounds(plan: Plan, event: str) -> tuple[int, list[int]]:
    """How many events count, and when input comes for it to be so many."""
    rounds = rounds_of(plan, event)
    clock, count = profile_of(plan).clock, WARM_UP + rounds + 1 if event == "input" else 0
    return rounds, [(FIRST + at * APART) * clock // 1_000_000 for at in range(count)]


def _counted(run: Run, path: str, rounds: int) -> NDArray[Any]:
    return run.path(path, at_least=WARM_UP + rounds).occurrences[WARM_UP:][:rounds]


def _handlers(run: Run, occurrences: NDArray[Any]) -> NDArray[np.int64]:
    """Cycles of the handlers with which these occurrences of a path to a handler end."""
    handlers = run.path("handler", at_least=len(occurrences)).occurrences
    cycles: NDArray[np.int64] = handlers["cycles"][handlers["begin"].searchsorted(occurrences["end"])]
    return cycles


def _lost(run: Run, cycles: NDArray[np.int64]) -> Lost:
    return Lost(cycles / run.profile.clock * 1e6)
