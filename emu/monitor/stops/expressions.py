"""Expressions over a stopped machine, for conditions and for looking at values.

    eax == 5 && [esp + 4] != 0          registers, and doublewords of memory at linear addresses
    byte [esi] == 'x' || cpl == 3       bytes and words; characters; the privilege level
    [sched_head] == 0 && thread == 1    symbols stand for their addresses: the kernel's, then the running program's
    eip == ping:main                    and those of a certain program
    cycle > 1000000 && eflags & 0x200   cycle, instructions; eip is the linear address of the next instruction

Operators are those of C and bind like them. Numbers are decimal or begin with 0x, and are unsigned: they wrap at 64
bits, negated and inverted ones at 32. Nothing can be called or assigned, and reading has no side effects.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from emu.cpu.registers import GENERAL, SELECTORS
from emu.monitor.inspect import threads
from emu.monitor.inspect.pages import AddressSpace

if TYPE_CHECKING:
    from emu.machine import Machine

Value = Callable[["Machine"], int]

TOKEN = re.compile(r"\s*(?:(0[xX][0-9a-fA-F]+|\d+)|'(\\.|[^'\\])'|\$?([A-Za-z_.@][\w.@]*(?::[A-Za-z_.@][\w.@]*)?)"
                   r"|(\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%&|^<>()!~\[\]]))")
LEVELS = (("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", "<=", ">", ">="), ("<<", ">>"), ("+", "-"),
          ("*", "/", "%"))                                  # from the loosest to the tightest
SIZES = {"byte": 1, "word": 2, "dword": 4}
BYTES = {f"{letter}{part}": (f"e{letter}x", shift, 0xFF) for letter in "abcd" for part, shift in (("l", 0), ("h", 8))}
PARTS = BYTES | {name[1:]: (name, 0, 0xFFFF) for name in GENERAL}       # al, ah, ..., ax, ...
REGISTERS = (*GENERAL, *SELECTORS, "eflags", "cr0", "cr2", "cr3", "cr4", "dr6")
SPECIAL: dict[str, Value] = {
    "eip": lambda machine: machine.cpu.linear_eip,
    "cpl": lambda machine: machine.cpu.cpl,
    "cycle": lambda machine: int(machine.cpu.state.cycles),
    "instructions": lambda machine: int(machine.cpu.state.instructions),
    "thread": lambda machine: _thread(machine),
}
NAMES = (*SPECIAL, *REGISTERS, *PARTS)
DEEPEST = 30                # brackets and operators within each other
LONGEST = 300               # tokens
WIDE, NARROW = (1 << 64) - 1, (1 << 32) - 1


class ExpressionError(ValueError):
    """An expression that cannot be read, or has no value now: one line."""


def parse(text: str, machine: Machine) -> Value:
    """A function that evaluates `text`; names are looked up now. Raises ExpressionError.

    The function raises ExpressionError for memory that is not there and for a division by zero.
    """
    return _Parser(text, machine).whole()


def evaluate(text: str, machine: Machine) -> int:
    """The value of `text` now. Raises ExpressionError."""
    return parse(text, machine)(machine)


class _Parser:
    """Reads one expression, a token at a time."""

    def __init__(self, text: str, machine: Machine) -> None:
        self._text = text
        self._machine = machine
        self._tokens = _tokens(text)
        if len(self._tokens) > LONGEST:
            raise ExpressionError(f"{text[:40]!r}...: an expression of more than {LONGEST} parts")
        self._at = 0
        self._depth = 0

    def whole(self) -> Value:
        """The expression, of which nothing is left over."""
        value = self._binary(0)
        if self._at < len(self._tokens):
            raise ExpressionError(f"{self._text!r}: {self._tokens[self._at][1]!r} is not expected there")
        return value

    def _binary(self, level: int) -> Value:
        if level == len(LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._next() in LEVELS[level]:
            left = _operation(self._take(), left, self._binary(level + 1))
        return left

    def _unary(self) -> Value:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ExpressionError(f"{self._text[:40]!r}: too many brackets and operators within each other")
        try:
            if self._next() in ("-", "~", "!", "+"):
                operator, value = self._take(), self._unary()
                return {"-": lambda machine: -value(machine) & NARROW, "~": lambda machine: ~value(machine) & NARROW,
                        "!": lambda machine: int(not value(machine)), "+": value}[operator]
            return self._primary()
        finally:
            self._depth -= 1

    def _primary(self) -> Value:
        if self._at == len(self._tokens):
            raise ExpressionError(f"{self._text!r}: something is missing at the end")
        kind, token = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            number = int(token, 0 if token[:2].lower() == "0x" else 10) & WIDE
            return lambda machine: number
        if kind == "name" and token in SIZES and self._next() == "[":
            self._take()
            return self._memory(SIZES[token])
        if kind == "name":
            return self._name(token)
        if token == "[":
            return self._memory(4)
        if token == "(":
            value = self._binary(0)
            self._expect(")")
            return value
        raise ExpressionError(f"{self._text!r}: {token!r} is not expected there")

    def _memory(self, size: int) -> Value:
        address = self._binary(0)
        self._expect("]")

        def value(machine: Machine) -> int:
            at = address(machine) & NARROW
            data = AddressSpace(machine).read(at, size)
            if len(data) < size:
                raise ExpressionError(f"no memory at {at:#x}")
            return int.from_bytes(data, "little")

        return value

    def _name(self, name: str) -> Value:
        lower = name.lower()
        if lower in SPECIAL:
            return SPECIAL[lower]
        if lower in REGISTERS:
            return lambda machine: int(getattr(machine.cpu.registers, lower))
        if lower in PARTS:
            register, shift, mask = PARTS[lower]
            return lambda machine: getattr(machine.cpu.registers, register) >> shift & mask
        address = _symbol(self._machine, name)
        if address is None:
            raise ExpressionError(f"{name!r} is neither a register nor a symbol")
        return lambda machine: address

    def _next(self) -> str:
        kind, token = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")
        return token if kind == "operator" else ""

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise ExpressionError(f"{self._text!r}: {token!r} is missing")
        self._at += 1


def _tokens(text: str) -> list[tuple[str, str]]:
    """(kind, token) of all of a text."""
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"{text!r}: cannot read {text[at:].strip()[:10]!r}")
        number, character, name, operator = match.groups()
        at = match.end()
        if character:
            code = character[-1] if character[0] != "\\" else {"n": "\n", "t": "\t", "0": "\0"}.get(character[1],
                                                                                                   character[1])
            found.append(("number", str(ord(code))))
        else:
            found.append(("number", number) if number else ("name", name) if name else ("operator", operator))
    return found


def _operation(operator: str, left: Value, right: Value) -> Value:
    if operator == "&&":
        return lambda machine: int(bool(left(machine)) and bool(right(machine)))
    if operator == "||":
        return lambda machine: int(bool(left(machine)) or bool(right(machine)))
    if operator in ("/", "%"):
        return lambda machine: _divide(operator, left(machine), right(machine))
    do: dict[str, Callable[[int, int], int]] = {
        "|": int.__or__, "^": int.__xor__, "&": int.__and__, "==": int.__eq__, "!=": int.__ne__, "<": int.__lt__,
        "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__, "+": int.__add__, "-": int.__sub__, "*": int.__mul__,
        "<<": lambda one, other: one << min(other, 64), ">>": lambda one, other: one >> min(other, 64)}
    function = do[operator]
    return lambda machine: int(function(left(machine), right(machine))) & WIDE


def _divide(operator: str, one: int, other: int) -> int:
    if not other:
        raise ExpressionError("division by zero")
    return one // other if operator == "/" else one % other


def _symbol(machine: Machine, name: str) -> int | None:
    image = machine.image
    if image is None:
        return None
    program, _, symbol = name.rpartition(":")
    if program:
        return image.programs[program].address(symbol) if symbol in image.programs.get(program, ()) else None
    if symbol in image.symbols:
        return image.symbols.address(symbol)
    running = threads.on_stack(machine)
    tables = [image.programs[running.name]] if running and running.name in image.programs else image.programs.values()
    found = {table.address(symbol) for table in tables if symbol in table}
    if len(found) > 1:
        raise ExpressionError(f"{name!r} is in several programs, at different addresses: give PROGRAM:{name}")
    return next(iter(found), None)


def _thread(machine: Machine) -> int:
    """The number of the running thread; its key for a kernel that is not known."""
    running = threads.on_stack(machine)
    return running.number if running else threads.thread_key(machine)
