"""Makes `machine_code`, `cutting` and `fuzzing` of the CPU tests importable by their names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cpu"))
