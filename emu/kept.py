"""State that can be saved and loaded: a device names the attributes that make it up, once.

What is saved is made of numbers and lists, ready for JSON. Loading sets registers and levels of wires where they are
and tells nobody: every listener is loaded, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

from emu.bus import Line


class Kept:
    """Something with state: `KEPT` names its attributes in the order of the class.

    An attribute is a number, truth value or member of an enumeration; a list, deque or bytearray of numbers; a `Line`
    (its level); another `Kept`; or a list of such. Wires are kept by whoever drives them.
    """

    KEPT: ClassVar[Sequence[str]] = ()

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON."""
        return {name.lstrip("_"): _saved(getattr(self, name)) for name in self.KEPT}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned. Raises KeyError, TypeError or ValueError if it is not of this class."""
        for name in self.KEPT:
            setattr(self, name, _loaded(getattr(self, name), saved[name.lstrip("_")]))


def _saved(value: Any) -> Any:
    if isinstance(value, Kept):
        return value.save()
    if isinstance(value, Line):
        return value.level
    if isinstance(value, list | tuple | deque | bytearray):
        return [_saved(each) for each in value]
    return value if isinstance(value, bool) else int(value)


def _loaded(now: Any, saved: Any) -> Any:
    """What becomes of an attribute's value: the same object where others may hold it."""
    if isinstance(now, Kept):
        now.load(saved)
        return now
    if isinstance(now, Line):
        now.level = saved
        return now
    if isinstance(now, list | tuple | deque | bytearray):
        if now and isinstance(now[0], Kept | Line):
            for each, value in zip(now, saved, strict=True):
                _loaded(each, value)
            return now
        return type(now)(saved)
    return type(now)(saved)
