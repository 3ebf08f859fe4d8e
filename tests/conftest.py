"""What holds for all tests."""

from __future__ import annotations

import gc

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that are long by intention have no time limit."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(0))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """All that was collected stays: whenever machines are freed, Python need not look through the tests, too."""
    gc.collect()
    gc.freeze()
