"""What pytest loads: fixtures, markers, options, and what a failed test shows.

A test's machines and all else that belongs to it hang on its item (`Bench`), so that everything can find them: the
fixtures, the budgets that are checked when the test has run, and the report of a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from emu.monitor.invariants.checking import Invariants
    from emu.testing.bench import Bench
    from emu.testing.budgets import Cycles
    from emu.testing.guest import Guest
    from emu.testing.pool import Pool

BENCH: pytest.StashKey[Bench] = pytest.StashKey()
POOL: pytest.StashKey[Pool] = pytest.StashKey()

MARKERS = (
    "image(name, **arguments): what the fixture `machine` boots if the test does not say (Trapline)",
    "profile(name): the processor on which it does (Trapline)",
    "limits(max_cycles=..., max_instructions=...): how long a run may take that is to end by itself (Trapline)",
    "budget(path, cycles): no run of the test may ever take longer along this path (Trapline)",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("trapline", "kernels on Trapline's machine")
    group.addoption("--trapline-cpu", metavar="NAME|FILE.toml",
                    help="processor for all tests that do not name one themselves")
    group.addoption("--trace-update", action="store_true",
                    help="write the golden traces instead of comparing with them")
    group.addoption("--trace-dir", metavar="DIR",
                    help="where the traces of failed tests are kept (default: trapline/ in pytest's cache)")


def pytest_configure(config: pytest.Config) -> None:
    """The markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Machines are large."""
    if POOL in config.stash:
        del config.stash[POOL]


def _bench(item: pytest.Item) -> Bench:
    """The bench of a test, made when it is first asked for."""
    from emu.testing.bench import Bench
    from emu.testing.pool import Pool

    if BENCH not in item.stash:
        pool = item.config.stash.setdefault(POOL, Pool())
        item.stash[BENCH] = Bench(item, pool)
    return item.stash[BENCH]


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Iterator[Callable[..., Guest]]:
    """Boots machines: `m = machine("hello")`, then `m.run()`, `m.exit_code`, `m.console`, ...

    What is booted once is restored for every further test. See emu.testing.bench.Bench.machine for the arguments.
    """
    bench = _bench(request.node)
    yield bench.machine
    bench.close()


@pytest.fixture
def cycles(request: pytest.FixtureRequest) -> Callable[..., Cycles]:
    """What a path has cost: `assert cycles("syscall-int") <= 300` compares the worst time.

    Arguments: the path's name, and the machine if the test has several.
    """
    return _bench(request.node).cycles


@pytest.fixture
def assert_trace(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Compares what happened with a golden file: `assert_trace("syscall-int", "call.trace.txt")`.

    Arguments: a path, whose first occurrence is compared, or None for the whole run; the file, relative to the test's;
    the machine if the test has several; `cycles=True` to compare costs, too; `marks=True` for lines where execution
    arrives at a place that a path begins or ends with. pytest --trace-update writes the file.
    """
    return _bench(request.node).assert_trace


@pytest.fixture
def invariants() -> Callable[[Guest], Invariants]:
    """Checks our microkernel, and such as are made from it: `invariants(m).run(10_000)` lets it go on so many times and
    looks each time whether everything in it fits together; `check()` looks now. See emu.monitor.invariants.

    The test fails if something does not, and if the machine has another kernel.
    """
    from emu.monitor.inspect.threads import UnknownKernel
    from emu.monitor.invariants.checking import Invariants

    def checks(guest: Guest) -> Invariants:
        __tracebackhide__ = True
        wrong = ""
        try:
            return Invariants(guest.machine)
        except UnknownKernel as error:
            wrong = str(error)
        pytest.fail(wrong, pytrace=False)

    return checks


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Behind a test that passed: its budgets."""
    result = yield
    markers = list(pyfuncitem.iter_markers("budget"))
    if markers:
        _bench(pyfuncitem).check_budgets(markers)
    return result  # type: ignore[return-value]


def pytest_assertrepr_compare(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """A budget that is exceeded says what it was spent on."""
    if not (hasattr(left, "trapline_path") or hasattr(right, "trapline_path")):
        return None
    from emu.testing.budgets import explain

    return explain(op, left, right)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed test keeps the traces of its machines, and shows where they stood."""
    report: Any = yield
    if BENCH in item.stash and call.when == "call":
        bench = item.stash[BENCH]
        if report.failed:
            report.sections += bench.sections()
        else:
            bench.forget_traces()
        # These travel from the processes of xdist to the one that prints.
        report.user_properties += [("trapline golden", str(path)) for path in bench.written]
    return report  # type: ignore[no-any-return]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Which golden traces were written."""
    written = sorted({value for reports in terminalreporter.stats.values() for report in reports
                      for name, value in getattr(report, "user_properties", ()) if name == "trapline golden"})
    if written:
        terminalreporter.section("golden traces written")
        for path in written:
            terminalreporter.line(_short(path, terminalreporter.config.rootpath))


def _short(path: str, root: Path) -> str:
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path
