"""Text to tokens, and tokens to expressions with C's operators and precedences.

Numbers are decimal, 0x, 0o or 0b; 'c' is a character's code; `.` is the address of the statement. A number such as
010 is refused, because people disagree about what it means.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

from loader import expression as ex
from loader.errors import Mistake
from loader.expression import Linear, Lookup

STRING = r'"(?:\\.|[^"\\])*"'                                   # with escapes, quotes included
CHARACTER = r"'(?:\\x[0-9a-fA-F]{1,2}|\\.|[^\\'])'"             # one character or escape, quotes included
NAME = r"\.?[A-Za-z_]\w*"                                       # a symbol, register, directive or keyword
OPERATOR = r"<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~!<>()\[\],:=]"

_TOKEN = re.compile(
    rf"\s*(?:(?P<number>\d\w*)|(?P<name>{NAME}|\.)|(?P<char>{CHARACTER})|(?P<string>{STRING})|(?P<op>{OPERATOR}))",
    re.ASCII)
_NUMBER = re.compile(r"0x[0-9a-f]+|0b[01]+|0o[0-7]+|0|[1-9]\d*", re.IGNORECASE | re.ASCII)
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"0": b"\0", b"\\": b"\\", b'"': b'"', b"'": b"'", b"e": b"\x1b"}

PRECEDENCE = {              # of binary operators; no other token reads like one
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5,                   # C's order, loosest first
    "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7, ">=": 7,
    "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10,
}
DEEPEST = 40                # parentheses and signs within each other


class Token(NamedTuple):
    """A piece of a statement."""

    kind: str               # number, name, char, string or op; "end" behind the last
    text: str


END = Token("end", "")


def tokens(text: str) -> list[Token]:
    """The tokens of `text`. Raises Mistake at a character that belongs to none."""
    found: list[Token] = []
    position = 0
    stop = len(text.rstrip())
    while position < stop:
        match = _TOKEN.match(text, position)
        if not match or match.lastgroup is None:
            raise Mistake(f"cannot read {text[position:].strip()!r}")
        found.append(Token(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


def number(text: str) -> int:
    """The value of a number token. Raises Mistake."""
    if not _NUMBER.fullmatch(text):
        if text.isdigit():
            raise Mistake(f"{text} begins with 0: write 0o{text.lstrip('0') or '0'} if it is octal")
        raise Mistake(f"{text!r} is not a number: write 255, 0xff, 0o377 or 0b11111111")
    if len(text) > 68:
        raise Mistake("the value does not fit in 64 bits")
    return int(text, 0)


def unquote(text: str) -> bytes:
    """The bytes of a string or character token: UTF-8, escapes replaced. Raises Mistake for an unknown escape."""

    def escape(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if code[:1] == b"x" and len(code) > 1:
            return bytes([int(code[1:], 16)])
        if code not in _ESCAPES:
            raise Mistake(f"unknown escape \\{code.decode('utf-8', 'replace')}: there are \\n \\t \\r \\0 \\e \\\\ "
                          "\\\" \\' \\xHH")
        return _ESCAPES[code]

    return _ESCAPE.sub(escape, text[1:-1].encode("utf-8", "surrogatepass"))


class Cursor:
    """Reads tokens from the left; `lookup` says what is known of a name at this point of the source."""

    def __init__(self, text: str, lookup: Lookup) -> None:
        self._tokens = [*tokens(text), END]
        self._next = 0
        self._depth = 0
        self._lookup = lookup

    @property
    def peek(self) -> Token:
        """The token to be taken next, END behind the last."""
        return self._tokens[self._next]

    def take(self) -> Token:
        """The next token, taken."""
        token = self._tokens[self._next]
        if token is not END:
            self._next += 1
        return token

    def accept(self, text: str) -> bool:
        """Take the next token if it reads `text` (an operator, or a word in any case)."""
        return self.accept_any((text,)) != ""

    def accept_any(self, texts: Container[str]) -> str:
        """Take the next token if it is one of `texts`; the one taken in lower case, "" if none."""
        token = self._tokens[self._next]
        if token.kind in ("op", "name") and token.text.lower() in texts:
            self._next += 1
            return token.text.lower()
        return ""

    def expect(self, text: str) -> None:
        """Take `text`. Raises Mistake if something else comes."""
        if not self.accept(text):
            raise Mistake(f"{text!r} expected before {self.peek.text!r}" if self.peek.text else f"{text!r} is missing")

    def finish(self) -> None:
        """Raises Mistake unless everything was taken."""
        if self.peek is not END:
            raise Mistake(f"{self.peek.text!r} is not expected here")

    def expression(self, loosest: int = 1) -> Linear:
        """The longest expression from here, of operators that bind at least as tightly as `loosest`."""
        left = self._operand()
        while PRECEDENCE.get(self.peek.text, 0) >= loosest:
            operator = self.take().text
            left = ex.apply(operator, left, self.expression(PRECEDENCE[operator] + 1))
        return left

    def _operand(self) -> Linear:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Mistake("the expression is nested too deeply")
        value = self._operand_inside()
        self._depth -= 1
        return value

    def _operand_inside(self) -> Linear:
        token = self.take()
        if token.kind == "number":
            return Linear(number(token.text))
        if token.kind == "char":
            code = unquote(token.text)
            if len(code) != 1:
                raise Mistake(f"{token.text} is more than one byte")
            return Linear(code[0])
        if token.kind == "name":
            return self._lookup(token.text)
        if token.text == "(" and token.kind == "op":
            value = self.expression()
            self.expect(")")
            return value
        if token.kind == "op" and token.text in ("-", "+", "~", "!"):
            value = self._operand()
            return value if token.text == "+" else ex.apply("neg" if token.text == "-" else token.text, value)
        raise Mistake(f"{token.text!r} is not a value" if token.text else "a value is missing")
