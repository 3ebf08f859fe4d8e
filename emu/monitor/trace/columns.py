"""Arrays of records as bytes that pack well: column by column, and small.

Records are taken as 32-bit words. The words at one place of all records follow each other; those that mostly grow are
replaced by the differences from record to record; and each column has as few bytes per value as its largest needs, one
value if all are alike. Zstandard then makes a block record 0.1 to 1.3 bytes.

    <count>                             u32: records
    <base> <width> <values>             for each column: u32 what differences begin with, u32 bytes of a value, or
                                        ALIKE; values, the first difference being left out
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GROWING = frozenset({"cycle", "instructions", "blocks", "transition", "cache", "tlb", "branch", "bus"})
MOST = 1 << 20              # records of an array: what a reader believes
ALIKE = 0                   # width of a column with one value
_WORD = np.dtype("<u4")
_WIDTHS = {width: np.dtype(f"<u{width}") for width in (1, 2, 4)}
_STEP = 2048                # records that are turned into columns at once: so many stay in the first cache


def pack(records: NDArray[Any]) -> bytes:
    """The bytes of a contiguous array of at most MOST records, whose type has whole words."""
    parts: list[Any] = [np.array([len(records)], _WORD)]
    if len(records):
        words = records.view(_WORD).reshape(len(records), -1)
        for column, grows in zip(_turned(words), _growing(records.dtype), strict=True):
            base = column[0] if grows else 0
            values = column[1:] - column[:-1] if grows else column
            low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
            width = ALIKE if low == high else next(width for width in _WIDTHS if high < 1 << 8 * width)
            parts.append(np.array([base, width], _WORD))
            parts.append(np.array([low], _WORD) if width == ALIKE else values.astype(_WIDTHS[width], copy=False))
    return b"".join(parts)


def unpack(data: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The array that was packed. Raises ValueError for bytes that `pack` did not make."""
    (count,) = np.frombuffer(data, _WORD, 1).tolist()
    if count > MOST:
        raise ValueError(f"an array of {count} records: the longest has {MOST}")
    at = _WORD.itemsize
    columns = np.empty((dtype.itemsize // _WORD.itemsize, count), _WORD)
    if count:
        for column, grows in zip(columns, _growing(dtype), strict=True):
            base, width = np.frombuffer(data, _WORD, 2, at).tolist()
            at += 2 * _WORD.itemsize
            kind = _WORD if width == ALIKE else _WIDTHS.get(width)
            if kind is None:
                raise ValueError(f"a column of {width} bytes")
            values = np.frombuffer(data, kind, 1 if width == ALIKE else count - grows, at)
            at += values.nbytes
            if grows:
                column[0], column[1:] = base, values
                np.cumsum(column, out=column)
            else:
                column[:] = values
    if at != len(data):
        raise ValueError("more bytes than an array has")
    return _turned(columns).reshape(-1).view(dtype)


def _turned(matrix: NDArray[Any]) -> NDArray[Any]:
    """The matrix with its rows as columns, a copy."""
    turned = np.empty(matrix.shape[::-1], matrix.dtype)
    for start in range(0, max(matrix.shape), _STEP):
        stop = start + _STEP
        if matrix.shape[0] < matrix.shape[1]:
            turned[start:stop] = matrix[:, start:stop].T
        else:
            turned[:, start:stop] = matrix[start:stop].T
    return turned


def _growing(dtype: np.dtype[Any]) -> list[bool]:
    """Whether each word of a record grows: the lower word of such a field."""
    places = {offset // _WORD.itemsize for name, (_, offset, *_) in (dtype.fields or {}).items() if name in GROWING}
    return [place in places for place in range(dtype.itemsize // _WORD.itemsize)]
