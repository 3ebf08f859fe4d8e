"""Booting: the CPU time of a whole `trapline boot hello` whose native code an earlier run compiled, and its parts."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence

from tools.bench.rig import PROFILE, Figure, Group

GOAL = 1.5                  # seconds of CPU time, user and system
REPETITIONS = 5             # the best counts
QUICK_REPETITIONS = 2       # in a hurry

COMMAND = """
import sys
from tools.cli import main
sys.exit(main(["boot", "hello", "--serial", "null", "--cpu", "{profile}"]))
"""
PARTS = """
import json, time
marks = [time.process_time()]
import capstone, click, numba, numpy, unicorn
marks.append(time.process_time())
import emu.machine
marks.append(time.process_time())
emu.machine.Machine.boot("hello").run()
marks.append(time.process_time())
names = "python_seconds", "import_seconds", "load_seconds", "run_seconds"
print(json.dumps(dict(zip(names, (b - a for a, b in zip([0] + marks, marks))))))
"""


def _python(program: str) -> str:
    """What a fresh interpreter prints that runs `program`. Raises RuntimeError if it fails."""
    done = subprocess.run([sys.executable, "-P", "-c", program], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"booting hello failed with exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _children() -> float:
    """CPU seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _cpu_seconds(profile: str) -> float:
    """CPU seconds of one run of the command."""
    before = _children()
    _python(COMMAND.format(profile=profile))
    return _children() - before


def fastest(profiles: Sequence[str], quick: bool) -> list[float]:
    """CPU seconds of the command under each of `profiles`, in turns; what a first run compiles does not count."""
    for profile in profiles:
        _cpu_seconds(profile)
    turns = [[_cpu_seconds(profile) for profile in profiles] for _ in range(_repetitions(quick))]
    return [min(column) for column in zip(*turns, strict=True)]


def _repetitions(quick: bool) -> int:
    return QUICK_REPETITIONS if quick else REPETITIONS


def measure(quick: bool) -> Group:
    """Run it and its parts."""
    seconds = fastest([PROFILE], quick)[0]
    parts = min((json.loads(_python(PARTS)) for _ in range(_repetitions(quick))), key=lambda part: sum(part.values()))
    return Group("boot", "`trapline boot hello`, the compiled code being there: Python, imports, loading it, the run",
                 [Figure("cpu_seconds", seconds, GOAL, at_most=True)], parts)
