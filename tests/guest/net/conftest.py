"""Makes `net_frames` and `net_stack` importable by their names, and a stack for each test."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from net_stack import Stack


@pytest.fixture
def stack() -> Stack:
    """The stack alone on a machine; it knows the peer."""
    return Stack()
