"""Values of expressions: a constant plus multiples of things that are not known yet.

`label + 4` is known only after linking, `end - start` after layout, `4 * SIZE` at once. All three are a `Linear`: a
constant and terms, each an atom with a coefficient. An atom is a name (of a symbol, a section or, within brackets, a
register) or an `Operation` that must wait for its operands, such as the quotient in `(end - start) / 4`. `resolve`
replaces names by what is known of them and folds what can be folded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loader.errors import Mistake

LIMIT = 1 << 64             # no intermediate value reaches this magnitude
MOST_TERMS = 64             # different unknowns in one expression
LARGEST = 100               # operations waiting in one expression

Lookup = Callable[[str], "Linear"]


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + sum of coefficient * atom, over distinct atoms in order of appearance, no coefficient 0."""

    constant: int
    terms: tuple[tuple[str | Operation, int], ...] = ()

    @property
    def is_constant(self) -> bool:
        """Nothing is left to be known."""
        return not self.terms

    @property
    def names(self) -> list[str]:
        """Every name in it, those that operations wait for included."""
        found: list[str] = []
        for atom, _ in self.terms:
            found += [atom] if isinstance(atom, str) else [n for operand in atom.operands for n in operand.names]
        return found

    @property
    def size(self) -> int:
        """How many operations are waiting in it."""
        return sum(atom.size for atom, _ in self.terms if isinstance(atom, Operation))


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator whose operands are not all constants."""

    operator: str
    operands: tuple[Linear, ...]
    size: int               # operations in it, itself included


def name(symbol: str) -> Linear:
    """The value of a name of which nothing is known."""
    return Linear(0, ((symbol, 1),))


def single(value: Linear) -> str | None:
    """The symbol S if `value` is S plus a constant, "" if it is a constant, None if it is more complicated."""
    if not value.terms:
        return ""
    atom, coefficient = value.terms[0]
    return atom if isinstance(atom, str) and coefficient == 1 and len(value.terms) == 1 else None


def add(left: Linear, right: Linear) -> Linear:
    """left + right. Raises Mistake if the sum grows beyond bounds."""
    if not left.terms and not right.terms:
        return Linear(_bounded(left.constant + right.constant))
    coefficients = dict(left.terms)
    for atom, coefficient in right.terms:
        coefficients[atom] = coefficients.get(atom, 0) + coefficient
    terms = tuple((atom, _bounded(c)) for atom, c in coefficients.items() if c)
    if len(terms) > MOST_TERMS:
        raise Mistake("too many different symbols in one expression")
    return Linear(_bounded(left.constant + right.constant), terms)


def scale(value: Linear, factor: int) -> Linear:
    """value * factor."""
    if not factor:
        return Linear(0)
    terms = tuple((atom, _bounded(c * factor)) for atom, c in value.terms)
    return Linear(_bounded(value.constant * factor), terms)


def apply(operator: str, *operands: Linear) -> Linear:
    """The value of an operator, folded if possible. Raises Mistake (division by zero, overflow, ...)."""
    if operator == "+":
        return add(*operands)
    if operator == "-":
        return add(operands[0], scale(operands[1], -1))
    if operator == "neg":
        return scale(operands[0], -1)
    if operator == "*" and any(o.is_constant for o in operands):
        factor, value = operands if operands[0].is_constant else reversed(operands)
        return scale(value, factor.constant)
    if all(o.is_constant for o in operands):
        return Linear(_bounded(CONSTANT[operator](*(o.constant for o in operands))))
    size = 1 + sum(o.size for o in operands)
    if size > LARGEST:
        raise Mistake("too many operations wait for symbols in one expression")
    return Linear(0, ((Operation(operator, operands, size), 1),))


def resolve(value: Linear, lookup: Lookup) -> Linear:
    """`value` with every name replaced by what `lookup` says of it (which may be the name itself)."""
    result = Linear(value.constant)
    for atom, coefficient in value.terms:
        if isinstance(atom, str):
            known = lookup(atom)
        else:
            known = apply(atom.operator, *(resolve(operand, lookup) for operand in atom.operands))
        result = add(result, scale(known, coefficient))
    return result


def _bounded(number: int) -> int:
    if not -LIMIT < number < LIMIT:
        raise Mistake("the value does not fit in 64 bits")
    return number


def _divide(a: int, b: int) -> int:
    """C's quotient, rounded towards zero."""
    if b == 0:
        raise Mistake("division by zero")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _remainder(a: int, b: int) -> int:
    return a - b * _divide(a, b)


def _shift(a: int, distance: int) -> int:
    """Left by `distance` bits, right (with the sign) if it is negative."""
    if abs(distance) > 64:
        raise Mistake("shift by more than 64 bits")
    return a << distance if distance >= 0 else a >> -distance


def _distance(b: int) -> int:
    if b < 0:
        raise Mistake("shift by a negative number of bits")
    return b


CONSTANT: dict[str, Callable[..., int]] = {
    "*": lambda a, b: a * b,                        # product
    "/": _divide,                                   # quotient, towards zero as in C
    "%": _remainder,                                # remainder, with the sign of the dividend as in C
    "<<": lambda a, b: _shift(a, _distance(b)),     # shift left
    ">>": lambda a, b: _shift(a, -_distance(b)),    # shift right, keeping the sign
    "&": lambda a, b: a & b,                        # and, bit by bit
    "|": lambda a, b: a | b,                        # or
    "^": lambda a, b: a ^ b,                        # exclusive or
    "<": lambda a, b: int(a < b),                   # comparisons give 1 or 0
    "<=": lambda a, b: int(a <= b),                 #
    ">": lambda a, b: int(a > b),                   #
    ">=": lambda a, b: int(a >= b),                 #
    "==": lambda a, b: int(a == b),                 #
    "!=": lambda a, b: int(a != b),                 #
    "&&": lambda a, b: int(bool(a) and bool(b)),    # both are evaluated
    "||": lambda a, b: int(bool(a) or bool(b)),     #
    "~": lambda a: ~a,                              # complement
    "!": lambda a: int(not a),                      # 1 for 0, else 0
}
