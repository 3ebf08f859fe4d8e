"""Three ports for software under test: console E9h, exit F4h, power-on self-test code 80h.

E9h is the console of the Bochs emulator, F4h the customary place of an exit port, 80h where PC firmware writes the
number of the step that it is about to take. None of them has a wire or knows the time.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.kept import Kept


class DebugConsole:
    """Port E9h: each byte written is a character; a read gives E9h, so that software can tell that it is there."""

    PRESENT = 0xE9            # what a read gives

    def __init__(self, sink: Callable[[int], None]) -> None:
        """`sink` is called with each character, 0-255."""
        self._sink = sink

    def read(self, offset: int, size: int = 1) -> int:
        """The sign of presence."""
        return self.PRESENT

    def write(self, offset: int, value: int, size: int = 1) -> None:
        """Print a character."""
        self._sink(value & 0xFF)


class DebugExit:
    """Ports F4h-F7h, claimed four bytes wide: a write of 1, 2 or 4 bytes ends the machine with the value written.

    QEMU's isa-debug-exit ends with 2 * value + 1 and so never with 0; here the value is taken as it is, so that a
    guest can report success. Reads give all ones, as from a port that nobody drives.
    """

    def __init__(self, action: Callable[[int], None]) -> None:
        """`action` is called with the value, unsigned."""
        self._action = action

    def read(self, offset: int, size: int = 1) -> int:
        """All ones."""
        return (1 << 8 * size) - 1

    def write(self, offset: int, value: int, size: int = 1) -> None:
        """End with `value`."""
        self._action(value & (1 << 8 * size) - 1)


class PostCode(Kept):
    """Port 80h: remembers the codes written last and reads back the last one, 0 before the first."""

    KEPT = ("codes",)
    REMEMBERED = 256          # codes kept; older ones are forgotten

    def __init__(self) -> None:
        self.codes: list[int] = []  # 0-255 each, oldest first

    def read(self, offset: int, size: int = 1) -> int:
        """The last code."""
        return self.codes[-1] if self.codes else 0

    def write(self, offset: int, value: int, size: int = 1) -> None:
        """Remember a code."""
        self.codes.append(value & 0xFF)
        del self.codes[:-self.REMEMBERED]

    def describe(self) -> dict[str, int | str]:
        """The last code and those before it, for people."""
        return {"code": self.read(0), "codes": " ".join(f"{code:02x}" for code in self.codes[-16:])}
