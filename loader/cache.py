"""Linked files kept on disk, so that what has not changed is not assembled again.

An entry is one file, named by a key that stands for everything known before assembling; it lists the fingerprints of
everything that assembling read. Entries are written aside and renamed, so that nobody sees half of one. A cache that
is damaged, full, unreadable or unwritable is never an error: the file is made anew.

They lie in $TRAPLINE_CACHE_DIR/images, or else in trapline/images under $XDG_CACHE_HOME or ~/.cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

KEPT = 512                        # entries; those unused for the longest time go first
SETTLED = 100_000_000            # how long before the build an input was last changed, at least, ns


def directory() -> Path | None:
    """Where entries lie; None for a user without a home."""
    if place := os.environ.get("TRAPLINE_CACHE_DIR"):
        return Path(place).absolute() / "images"
    if (place := os.environ.get("XDG_CACHE_HOME", "")) and Path(place).is_absolute():     # the XDG specification's rule
        return Path(place) / "trapline" / "images"
    try:
        return Path.home() / ".cache" / "trapline" / "images"
    except RuntimeError:
        return None


def make_key(*parts: object) -> str:
    """The key for something made from `parts`, which JSON can express, by the loader as it is now."""
    return hashlib.sha256(json.dumps([_loader(), *parts], sort_keys=True).encode()).hexdigest()


def get(key: str) -> bytes | None:
    """The file kept under `key`, if there is one, it is whole, and none of its inputs has changed."""
    place = directory()
    if place is None:
        return None
    try:
        checksum, _, rest = (place / key).read_bytes().partition(b"\n")
        if checksum.decode() != hashlib.sha256(rest).hexdigest():
            return None
        listed, _, data = rest.partition(b"\n")
        inputs = json.loads(listed)
        current = isinstance(inputs, dict) and all(_fingerprint(Path(path)) == was for path, was in inputs.items())
    except (OSError, ValueError):
        return None
    if not current:
        return None
    with suppress(OSError):
        os.utime(place / key)                                   # for `prune`
    return data


def put(key: str, data: bytes, inputs: Iterable[Path], started: int) -> None:
    """Keep `data` under `key`. `inputs` are the files that were read, absolute; `started` is `time.time_ns()` before.

    Nothing is kept if an input was changed so late that the change may have missed the build. The folders of the
    inputs count as well: a file added there could be found in place of another.
    """
    files = set(inputs)
    place = directory()
    if place is None:
        return
    with suppress(OSError):
        if any(file.stat().st_mtime_ns > started - SETTLED for file in files):
            return
        paths = sorted(files | {file.parent for file in files})
        listed = json.dumps({str(path): _fingerprint(path) for path in paths})
        rest = listed.encode() + b"\n" + data
        place.mkdir(parents=True, exist_ok=True)
        replace_whole(place / key, hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
        prune(place, KEPT)


def now() -> int:
    """The time to give to `put` as `started`, ns."""
    return time.time_ns()


def replace_whole(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all. Raises OSError."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(aside, path)
    except OSError:
        with suppress(OSError):
            os.unlink(aside)
        raise


def prune(place: Path, kept: int) -> None:
    """Delete the oldest files of a folder beyond `kept`. Raises OSError, also if another process was quicker."""
    entries = sorted(place.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)
    for entry in entries[:-kept]:
        entry.unlink()


def _fingerprint(path: Path) -> str:
    """What a file holds, or which names a folder has, as SHA-256. Raises OSError if it is gone."""
    if path.is_dir():
        names = sorted(name for name in os.listdir(path) if not name.startswith((".", "__")))
        return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _loader() -> str:
    """What this loader is: any change to its sources makes older entries useless."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()
