"""Arrays of records: joined fast, and counts made whole of which records have the lower half only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def joined(arrays: Iterable[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A new array with these contiguous arrays one behind the other: as bytes, since NumPy copies records slowly."""
    found = [array.view(np.uint8) for array in arrays if len(array)]
    return np.concatenate(found).view(dtype) if found else np.zeros(0, dtype)


def unwrapped(values: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Counts of which only the lower 32 bits are known, each less than 2^32 above the one before: from the first on."""
    if not len(values):
        return np.zeros(0, np.int64)
    return np.concatenate([[0], np.cumsum(np.diff(values), dtype=np.int64)]) + int(values[0])
