"""Kinds of option values that click does not know."""

from __future__ import annotations

import re

import click

BINARY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}         # multipliers of sizes
DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}              # multipliers of counts
MOST = 10**18                                                      # cycles and instructions are counted in 64 bits


class Number(click.ParamType):
    """An integer from `least` to `most`, decimal or with 0x."""

    name = "number"

    def __init__(self, least: int = 0, most: int = (1 << 32) - 1) -> None:
        self.least, self.most = least, most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number. Refuses what is none or out of range."""
        number = self.parse(str(value))
        if number is None or not self.least <= number <= self.most:
            self.fail(f"{str(value)!r} is not {self.wanted()}", param, ctx)
        return number

    def parse(self, text: str) -> int | None:
        """The number in a text, None if there is none."""
        try:
            return int(text, 0)
        except ValueError:
            return None

    def wanted(self) -> str:
        """What is allowed, for messages."""
        return f"a number from {self.least} to {self.most:#x}"


class Scaled(Number):
    """A number that may end in one of the letters of `scale`."""

    def __init__(self, name: str, scale: dict[str, int], least: int, most: int) -> None:
        super().__init__(least, most)
        self.name, self.scale = name, scale

    def parse(self, text: str) -> int | None:
        """The number in a text, None if there is none."""
        match = re.fullmatch(r"(\w+?)([KMG]?)", text.strip(), re.IGNORECASE)
        number = super().parse(match[1]) if match else None
        return None if number is None or match is None else number * self.scale[match[2].upper()]

    def wanted(self) -> str:
        """What is allowed, for messages."""
        return f"a {self.name}: give a number from {self.least} to {self.most}, or one with K, M or G"


class Destination(click.ParamType):
    """Where bytes go: one of `words`, or file:PATH."""

    name = "destination"

    def __init__(self, *words: str) -> None:
        self.words = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What help shows."""
        return "|".join((*self.words, "file:PATH"))

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same text. Refuses anything else."""
        text = str(value)
        if text not in self.words and not re.fullmatch("file:.+", text, re.DOTALL):
            self.fail(f"{text!r} is not one of {', '.join(self.words)}, file:PATH", param, ctx)
        return text


class Constant(click.ParamType):
    """NAME=N."""

    name = "constant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Name and number. Refuses anything else."""
        name, _, number = str(value).partition("=")
        try:
            return name.strip(), int(number, 0)
        except ValueError:
            self.fail(f"{str(value)!r} is not NAME=N: give a constant's name and an integer", param, ctx)


PARAMETER = Constant()                                             # of a kernel
SIZE = Scaled("size", BINARY, 64 << 10, 1 << 30)                   # of memory, bytes
COUNT = Scaled("count", DECIMAL, 1, MOST)                          # of cycles or instructions
