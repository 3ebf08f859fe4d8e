"""Makes `socket_host` importable by its name, and the frames of guest/net's tests."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "net")]
