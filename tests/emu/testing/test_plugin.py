"""The pytest plugin, in projects that know nothing of ours: what passes, what fails and what a failure says."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

# pytester forgets what a run imports, and these take a while
import emu.cpu.modelled
import emu.monitor.invariants.checking
import emu.testing.bench  # noqa: F401
import loader.build  # noqa: F401
from emu import native
from emu.crossings import CROSSING
from emu.monitor.trace.file import Trace
from emu.testing import guest

pytest_plugins = ["pytester"]

NAME = "emu.testing.plugin"
LOADED = any(each.value == NAME for each in entry_points(group="pytest11"))     # pip has made it known to pytest
Run = Callable[..., pytest.RunResult]
ROOT = Path(__file__).parents[3]

KERNEL = """
.section .boot
.long 0x1BADB002, 0, -0x1BADB002
.text
; _start: counts to three, says so, ends with 7
.global _start
_start:
    mov ecx, 3
; count: one turn
.global count
count:
    dec ecx
    jnz count
    mov dword ptr [0x200000], 7
    mov edx, 0x3FB
    mov al, 3
    out dx, al
    mov edx, 0x3F8
    mov al, 'x'
    out dx, al
    mov eax, 7
    out 0xF4, eax
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Native code is not compiled anew for the home directory that pytester makes."""
    monkeypatch.setenv("TRAPLINE_CACHE_DIR", str(native.CACHE_DIRECTORY.parent))


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Writes a test file of these lines and runs pytest on it in this process, without a cache of its own."""

    def run_pytest(lines: str, *arguments: str, subprocess: bool = False) -> pytest.RunResult:
        (pytester.path / "test_it.py").write_text(f"import pytest\n{lines}")
        start = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        return start(*(() if LOADED else ("-p", NAME)), *arguments)

    return run_pytest


@pytest.fixture
def kernel(pytester: pytest.Pytester) -> str:
    """The name of a small kernel's file beside the tests."""
    from loader.assembler import assemble
    from loader.elf_writer import write_elf
    from loader.linker import link

    program = link([assemble(KERNEL, name="kernel.asm")], base=0x100000, entry="_start", name="kernel")
    (pytester.path / "kernel.elf").write_bytes(write_elf(program))
    return "kernel.elf"


def test_the_first_example_works(run: Run) -> None:
    run("""
def test_hello(machine):
    m = machine("hello")
    m.run()
    assert m.exit_code == 0
    assert "hello, world" in m.console
""").assert_outcomes(passed=1)


def test_every_test_gets_the_machine_as_it_was_booted(run: Run) -> None:
    result = run("""
seen = []
@pytest.mark.parametrize("turn", range(3))
def test_run(machine, turn):
    m = machine("hello", until="hello:main")
    before = m.counters
    m.ram.write(0x300000, bytes([turn + 1]))
    m.run()
    seen.append((before.cycles, m.result.cycles, m.result.instructions, m.console, id(m.machine)))
def test_alike(machine):
    assert len(set(seen)) == 1
    assert bytes(machine("hello").ram.read(0x300000, 1)) == b"\\0"
""")
    result.assert_outcomes(passed=4)


def test_a_network_is_plugged_in_and_its_captures_are_finished(run: Run, pytester: pytest.Pytester) -> None:
    run("""
from pathlib import Path
from emu.net import pcap
UDP = "udp:dst=10.0.0.2,frames=1000,mac=52:54:00:12:34:56+pcap:x.pcap"
@pytest.mark.image("hello", nic=UDP, wire="rate=1G", until="hello:main")
class TestMarked:
    @pytest.mark.parametrize("turn", range(2))
    def test_run(self, machine, cycles, turn):
        m = machine()
        m.run()
        described = m.network.describe()
        assert described["rate"] == 10**9 and described["udp sent"] > 5
        cycles("syscall-sysenter").ledger()                 # makes the run again
    def test_finished(self):
        assert len(pcap.load("x.pcap")) == 2                # it begins where the machine was booted to
    def test_overridden(self, machine):
        m = machine(nic="none", wire="rate=10M")
        m.run()
        assert (m.network.describe()["rate"], m.network.plug.parts) == (10**7, {})
def test_full(machine):
    machine("hello", nic="none+pcap:/dev/full")
""").assert_outcomes(passed=5, errors=1)


def test_a_network_of_the_manifest_is_plugged_in(run: Run, pytester: pytest.Pytester) -> None:
    kernel = 'sources = ["kernel.asm"]'
    (pytester.path / "kernel.asm").write_text(KERNEL)
    (pytester.path / "own.toml").write_text(f'[image]\ndescription = "x"\nnic = "loop"\n[kernel]\n{kernel}\n')
    run("""
def test_it(machine):
    assert list(machine("own.toml").network.plug.parts) == ["loop"]
    assert machine("hello").network is None
""").assert_outcomes(passed=1)


def test_two_machines_of_a_test_are_independent(run: Run) -> None:
    run("""
def test_two(machine):
    one, two = machine("hello"), machine("hello")
    one.run()
    assert one.exit_code == 0 and two.exit_code is None and two.counters.cycles == 0
    two.run()
    assert one.counters == two.counters
""").assert_outcomes(passed=1)


def test_a_machine_that_was_rebuilt_is_not_used_again(run: Run) -> None:
    run("""
class Card:
    def read(self, offset, size): return 0x5A
    def write(self, offset, value, size): pass
def test_plugs(machine):
    m = machine("hello")
    m.bus.ports.claim(0x300, 1, Card(), "card")
    m.serial = print
def test_is_clean(machine):
    m = machine("hello")
    assert m.bus.ports.read(0x300, 1) == 0xFF and m.serial is None
""").assert_outcomes(passed=2)


def test_a_user_s_own_image_and_the_machine_s_attributes(run: Run, kernel: str) -> None:
    run("""
@pytest.mark.image("kernel.elf")
def test_own(machine):
    m = machine()
    m.run(until="count")
    assert m.cpu.registers.ecx == 3
    m.run(max_instructions=1)
    assert m.cpu.registers.ecx == 2 and m.where() == "count+0x1"
    m.run()
    assert (m.exit_code, m.console, m.word(0x200000)) == (7, "x", 7)
    assert m.result.reason == "exit" and "kernel.elf on unit" in repr(m)
""").assert_outcomes(passed=1)


def test_profiles_come_from_the_call_the_marker_and_the_option_in_this_order(run: Run) -> None:
    run("""
def test_option(machine):
    assert machine("hello").profile.name == "p5-166"
@pytest.mark.profile("k7-550")
def test_marker(machine):
    assert machine("hello").profile.name == "k7-550"
    assert machine("hello", cpu="unit").profile.name == "unit"
""", "--trapline-cpu=p5-166").assert_outcomes(passed=2)


def test_parameters_of_the_kernel_make_another_machine(run: Run) -> None:
    run("""
@pytest.mark.parametrize("hz", [100, 500])
def test_call(machine, hz):
    m = machine("hello", parameters={"TICK_HZ": hz})
    m.run()
    assert f"{hz} ticks a second" in m.console
@pytest.mark.image("hello", parameters={"TICK_HZ": 200})
def test_marker(machine):
    m = machine()
    m.run()
    assert "200 ticks a second" in m.console
@pytest.mark.image("hello", parameters={"TICK_HZ": 200})
def test_call_over_marker(machine):
    m = machine(parameters={"TICK_HZ": 300}, memory=8 << 20)
    m.run()
    assert "300 ticks a second" in m.console and m.ram.size == 8 << 20
""").assert_outcomes(passed=4)


@pytest.mark.parametrize(("lines", "words"), [
    ("machine('hullo')", "hullo: neither an image nor a file here; did you mean hello[?]"),
    ("machine('own/kernel.toml')", "own/kernel.toml: no such file or directory"),
    ("machine('hello', cpu='p9')", "*p9*"),
    ("machine('hello', memory=5)", "*memory*"),
    ("machine()", "*name an image, or mark the test with @pytest.mark.image(NAME)"),
    ("machine('hello', until='nix')", "*no symbol 'nix'*"),
    ("machine('hello', until='panic')", "*the run ended (exit) without having come to panic"),
    ("machine('hello', paths={'x': {'from': 'sysenter'}})", "path.x.to: is missing*"),
    ("machine('hello', paths={'x': {'from': 'sysenter', 'to': 'nix'}})", "*no symbol 'nix'*"),
    ("machine('hello', nic='hots')", "'hots' cannot be plugged in; what can: *"),
    ("machine('hello', nic='none', wire='rate=0')", "a wire's rate is at least 1, not 0"),
    ("machine('hello', wire='rate=1G')", "a wire belongs to a network card: say what that is plugged into, too"),
    ("machine('hello', nic='tap:none-such')", "tap:none-such: there is no such device*"),
    ("machine('hello', paths='my.paths.toml')", "my.paths.toml: no such file or directory"),
])
def test_what_cannot_be_booted_fails_the_test_with_a_line(lines: str, words: str, run: Run) -> None:
    result = run(f"def test_it(machine):\n    {lines}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{words}"])
    result.stdout.no_fnmatch_line("*Error*Traceback*")
    assert "emu/testing" not in result.stdout.str()


def test_a_run_that_does_not_end_fails_the_test(run: Run) -> None:
    result = run("""
@pytest.mark.limits(max_instructions=700_000)
def test_ends(machine):
    machine("hello").run()
def test_own_limit(machine):
    assert machine("hello").run(max_cycles=100).reason == "cycle limit"
def test_comes_there(machine):
    machine("hello").run(until="panic")
@pytest.mark.limits(max_cycles=100)
def test_comes_there_in_time(machine):
    machine("hello").run(until="panic")
@pytest.mark.limits(cycles=100)
def test_limits(machine):
    machine("hello")
""")
    result.assert_outcomes(failed=4, passed=1)
    result.stdout.fnmatch_lines([
        "*hello on unit did not end in 700,000 instructions: it stands at console_wait*; its console:",
        "*hello on unit ended (exit code 0) without having come to panic: it stands at machine_end+*; its console:",
        "*hello, world",
        "*hello on unit did not come to panic in 100 cycles*",
        "*marker limits: give max_cycles, max_instructions or both",
    ])


def test_a_failure_shows_where_the_machine_stands_and_keeps_its_trace(run: Run, pytester: pytest.Pytester) -> None:
    result = run("""
def test_wrong(machine):
    m = machine("hello")
    m.run()
    assert m.exit_code == 1
""", "--trace-dir=traces")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        "*trapline: hello on unit*", "stands at machine_end+*, ring 0, cycle *",
        "the last run ended by exit (exit code 0)", "the last crossings:",
        "*sysenter*hello:syscall_by_sysenter*", "its trace: trapline trace *"])
    files = list((pytester.path / "traces").glob("*.trace"))
    assert [file.name for file in files] == ["test_it.py-test_wrong.trace"]
    trace = Trace.open(files[0])
    assert trace.head.image == "hello" and trace.end.ended == "exit" and "hello (1)" in trace.end.threads.values()
    assert len(trace.crossings) > 5
    run("def test_wrong(machine):\n    machine('hello').run()\n", "--trace-dir=traces").assert_outcomes(passed=1)
    assert not files[0].exists()


def test_budgets_compare_the_worst_occurrence_and_show_its_ledger(run: Run) -> None:
    result = run("""
def test_within(machine, cycles):
    m = machine("preempt", cpu="p3-500")
    m.run()
    spent = cycles("preemption", m)
    assert spent.min <= spent.median <= spent.p99 <= spent.worst == spent <= 100_000
    assert spent.count == len(spent.costs.occurrences) > 10 and spent > 1000 and 5 < spent
def test_over(machine, cycles):
    m = machine("preempt", cpu="p3-500")
    m.run()
    assert cycles("preemption") <= 300
def test_median(machine, cycles):
    machine("preempt", cpu="p3-500").run()
    assert 300 > cycles("preemption").median
@pytest.mark.budget("preemption", 100_000)
@pytest.mark.budget("irq-handler", 301)
def test_marker(machine):
    machine("preempt", cpu="p3-500").run()
""")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines([
        "E*assert * <= 300",
        "E*preemption: max * cycles of * times (min *, median *, max *), at cycle *: pipeline *transition *",
        "*trapline: ledger of preemption on preempt on p3-500*",
        "*at*cycles*cpl*where*instruction*source*causes*",
        "*IRQ 0 (vector 0x20)*bus *",
        "*timer_interrupt*push eax*timer.asm:*",
        "*trap_exit+*iret*",
        "E*assert 300 > *",
        "E*preemption: median *",
        "a budget of 301 cycles is exceeded on preempt on p3-500: irq-handler: max *",
        "*trapline: ledger of irq-handler on preempt on p3-500*",
    ])


def test_the_rows_of_a_ledger_add_up(run: Run) -> None:
    run("""
def test_sum(machine, cycles):
    machine("preempt", cpu="p3-500").run()
    spent = cycles("irq-handler")
    rows = spent.ledger().splitlines()[1:-2]
    assert sum(int(row.split()[1].replace(",", "")) for row in rows) == spent
""").assert_outcomes(passed=1)


def test_a_run_that_the_test_has_changed_has_no_ledger(run: Run) -> None:
    result = run("""
def test_changed(machine, cycles):
    m = machine("preempt", cpu="p3-500")
    m.run(until="timer_interrupt")
    m.ram.write(0x400000, b"x")
    m.cpu.state.cycles += 1
    m.run()
    assert cycles("preemption").min <= 1
""")
    result.stdout.fnmatch_lines(["no ledger: the run cannot be made again*"])


@pytest.mark.parametrize(("lines", "words"), [
    ("m.run(); cycles('nix')", "hello on unit has no path 'nix'; it has: *syscall-int*"),
    ("m.run(); cycles('page-fault')", "hello on unit never went along 'page-fault': from #PF to return"),
    ("machine('hello'); cycles('page-fault')", "the test has 2 machines: say which"),
    ("m.run(); assert_trace('nix', 'x')", "hello on unit has no path 'nix'*"),
    ("m.run(); assert_trace(None, 'x.txt')", "there is no golden trace *x.txt: make it with pytest --trace-update*"),
])
def test_what_cannot_be_compared_says_why(lines: str, words: str, run: Run) -> None:
    result = run(f"def test_it(machine, cycles, assert_trace):\n    m = machine('hello')\n    {lines}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E*{words}"])


def test_the_invariants_of_the_microkernel_hold_or_the_test_fails(run: Run) -> None:
    result = run("""
def test_held(machine, invariants):
    checks = invariants(machine("micro-hello"))
    checks.run(60)
    assert checks.checks > 30
def test_broken(machine, invariants):
    m = machine("micro-hello")
    checks = invariants(m)
    checks.run(30, every=30)
    m.ram.write(m.address("nil_ktcb") - 0xC0000000, bytes([255] * 16))
    checks.check()
def test_another_kernel(machine, invariants):
    invariants(machine("preempt"))
""")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*BrokenInvariant: at *", "*nil_ktcb is not empty*",
                                 "preempt: the invariants are those of the microkernel*"])


def test_a_budget_without_a_machine_fails(run: Run) -> None:
    result = run("@pytest.mark.budget('x', 1)\ndef test_it():\n    pass\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["marker budget: the test has booted no machine"])


def test_a_path_of_the_test_s_own(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "own.paths.toml").write_text('[path.write]\nfrom = "sysenter"\nto = "console_char"\n')
    run("""
def test_table(machine, cycles):
    machine("hello", paths={"write": {"from": "sysenter", "to": "console_char"}}).run()
    assert cycles("write").count == 1
def test_file(machine, cycles):
    machine("hello", paths="own.paths.toml").run()
    assert cycles("write").count == 1
""").assert_outcomes(passed=2)


GOLDEN = """
def test_calls(machine, assert_trace):
    machine("hello", cpu=CPU).run()
    assert_trace(None, "goldens/all.txt")
def test_one(machine, assert_trace):
    machine("hello").run()
    assert_trace("syscall-sysenter", "goldens/one.txt", cycles=True)
"""


def test_goldens_are_made_compared_and_differ_in_context(run: Run, pytester: pytest.Pytester) -> None:
    lines = GOLDEN.replace("CPU", "None")
    run(lines).assert_outcomes(failed=2)
    made = run(lines, "--trace-update")
    made.assert_outcomes(passed=2)
    made.stdout.fnmatch_lines(["*golden traces written*", "goldens/all.txt", "goldens/one.txt"])
    run(lines).assert_outcomes(passed=2)
    golden, one = pytester.path / "goldens" / "all.txt", pytester.path / "goldens" / "one.txt"
    rows = golden.read_text().splitlines()
    assert rows[1] == "0>3   hello (1)    iret: trap_exit -> hello:_start" and "+0x" not in golden.read_text()
    assert one.read_text().splitlines()[1].split()[:2] == ["0", "-"]
    golden.write_text("\n".join([*rows[:3], "3>0   hello (1)    INT 80h", *rows[4:]]))
    one.write_text(one.read_text() + "3>0   more\n")
    result = run(lines)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([
        "E*all crossings of hello is not as in *all.txt: line 3 of * differs; - is the golden, + is what happened:",
        "E   *3>0   hello (1)    sysenter: hello:syscall_by_sysenter -> sysenter_entry",
        "E   *- 3>0   hello (1)    INT 80h",
        f"E   *+ {rows[3]}",
        "E   *eax ????????  ebx *", "E   *eip *eflags *",
        "E*if that is right: pytest --trace-update",
        "E   *- 3>0   more", "E   *+ (the run ends here)"])


def test_a_golden_may_show_where_execution_arrives_at_the_places_of_paths(run: Run, pytester: pytest.Pytester) -> None:
    lines = """
def test_marks(machine, assert_trace):
    paths = {"write": {"from": "sys_write", "to": "console_write"}}
    machine("hello", paths=paths).run()
    assert_trace("syscall-sysenter", "marks.txt", marks=True)
    assert_trace("syscall-sysenter", "none.txt")
"""
    run(lines, "--trace-update").assert_outcomes(passed=1)
    shown = [line.split("  ")[-1] for line in (pytester.path / "marks.txt").read_text().splitlines()]
    assert shown[3:5] == ["mark: sys_write", "mark: console_write"]
    assert "mark: " not in (pytester.path / "none.txt").read_text()


def test_a_golden_without_cycles_holds_on_every_processor_on_which_the_same_happens(run: Run) -> None:
    lines = GOLDEN[:GOLDEN.index("def test_one")].replace(
        'machine("hello", cpu=CPU).run()', 'machine("hello", cpu=CPU).run(until="syscall_dispatch")')
    run(lines.replace("CPU", "None"), "--trace-update").assert_outcomes(passed=1)
    run(lines.replace("CPU", "'k7-550'")).assert_outcomes(passed=1)


def test_after_restore_recording_begins_anew(run: Run) -> None:
    run("""
def test_back(machine, cycles):
    m = machine("hello")
    m.run(until="syscall_dispatch")
    taken = m.snapshot()
    m.run()
    whole = m.result
    m.restore(taken)
    assert len(m.crossings) == 1
    m.run()
    assert m.result == whole and cycles("irq-kernel").count == 1
""").assert_outcomes(passed=1)


def test_watching_changes_nothing(run: Run) -> None:
    run("""
from emu.machine import Machine
def test_same(machine):
    m = machine("preempt", cpu="p3-500")
    m.run()
    bare = Machine.boot("preempt", cpu="p3-500")
    bare.run()
    assert m.counters == bare.counters
""").assert_outcomes(passed=1)


def test_it_works_on_several_processes_in_a_project_with_tools_of_its_own(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "tools").mkdir()
    (pytester.path / "tools" / "__init__.py").write_text("MINE = 42\n")
    result = run("""
from tools import MINE
@pytest.mark.parametrize("turn", range(4))
def test_hello(machine, assert_trace, turn):
    m = machine("hello")
    m.run()
    assert m.exit_code == 0 and MINE == 42
    assert_trace("syscall-sysenter", f"call-{turn}.txt")
""", "-n2", "--trace-update", "-o", "pythonpath=.", subprocess=True)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*golden traces written*", *(f"call-{turn}.txt" for turn in range(4))])


def test_a_project_that_does_not_use_it_does_not_load_the_machine(run: Run) -> None:
    run("""
import sys
def test_plain():
    assert not {"numba", "unicorn", "numpy"} & set(sys.modules)
""", "-p", "no:hypothesispytest", subprocess=True).assert_outcomes(passed=1)


def test_options_and_markers_are_known(run: Run) -> None:
    run("", "--help").stdout.fnmatch_lines(["*--trapline-cpu=*", "*--trace-update*", "*--trace-dir=DIR*"])
    run("", "--markers").stdout.fnmatch_lines(["*mark.image(*", "*mark.profile(*", "*mark.limits(*", "*mark.budget(*"])


def test_traces_are_kept_in_pytest_s_cache_if_nobody_says_where(run: Run, pytester: pytest.Pytester) -> None:
    run("def test_wrong(machine):\n    machine('hello').step()\n    assert False\n")
    assert [path.name for path in Path(pytester.path).rglob("*.trace")] == ["test_it.py-test_wrong.trace"]
    assert (pytester.path / ".pytest_cache" / "d" / "trapline").is_dir()


def examples(page: str) -> str:
    """The Python code of a page, but for what needs files of its reader."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return "\n".join(block for block in blocks if "def test_" in block and "build/" not in block)


@pytest.mark.parametrize("page", ["README.md", "docs/testing-your-kernel.md"])
def test_the_examples_of_a_page_pass_as_they_stand(page: str, run: Run) -> None:
    count = examples(page).count("def test_")
    assert count >= 2
    golden = re.findall(r"def (test_\w+)\(.*\bassert_trace\b", examples(page))
    if golden:
        run(examples(page), "--trace-update", "-k", " or ".join(golden)).assert_outcomes(
            passed=len(golden), deselected=count - len(golden))
    run(examples(page)).assert_outcomes(passed=count)


def test_of_very_many_crossings_the_last_are_kept_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "MOST", 10)
    sink = guest._Bounded()
    for first in range(0, 24, 4):
        records = np.zeros(4, CROSSING)
        records["cycle"] = range(first, first + 4)
        sink.crossings(records)
    assert sink.all()[0]["cycle"].tolist() == list(range(sink.lost, 24)) and sink.lost == 16
