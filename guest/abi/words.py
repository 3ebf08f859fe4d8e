"""How the ABI states a number: an integer with the phrase that explains it.

A `Word` is an enum of such numbers. The member's name is the assembler's constant, its phrase is the line of the
reference page, and the host uses it as the integer that it is.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Word(IntEnum):
    """Numbers that belong together; each member is written `NAME = value, "phrase"`."""

    phrase: str               # what the number means, for the reference page

    def __new__(cls, value: int, phrase: str) -> Self:
        """A member: the integer `value`, explained by `phrase`."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.phrase = phrase
        return member
