"""Expressions: numbers, operators, precedence, and what cannot be computed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.assembler import AssemblyError, assemble
from loader.assembler.tokens import Cursor
from loader.errors import Mistake
from loader.expression import Linear, apply, name, resolve, single

CONSTANTS = {"SEVEN": 7, "MINUS": -3, "BIG": 1 << 40, "ZERO": 0}
OPERATORS = ("+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "<", "<=", ">", ">=", "==", "!=", "&&", "||")


def value(text, constants=CONSTANTS):
    cursor = Cursor(text, lambda symbol: Linear(constants[symbol]) if symbol in constants else name(symbol))
    found = cursor.expression()
    cursor.finish()
    return found


class Impossible(Exception):
    """What the oracle says where the assembler must refuse."""


def c_value(operator, a, b):
    """The oracle: C's operators on unbounded integers."""
    match operator:
        case "/" | "%":
            if b == 0:
                raise Impossible
            quotient = abs(a) // abs(b) * (-1 if (a < 0) != (b < 0) else 1)
            result = quotient if operator == "/" else a - b * quotient
        case "<<" | ">>":
            if not 0 <= b <= 64:
                raise Impossible
            result = a << b if operator == "<<" else a >> b
        case "&&":
            result = int(a != 0 and b != 0)
        case "||":
            result = int(a != 0 or b != 0)
        case _:
            result = int({"+": a.__add__, "-": a.__sub__, "*": a.__mul__, "&": a.__and__, "|": a.__or__,
                          "^": a.__xor__, "<": a.__lt__, "<=": a.__le__, ">": a.__gt__, ">=": a.__ge__,
                          "==": a.__eq__, "!=": a.__ne__}[operator](b))
    if abs(result) >= 1 << 64:
        raise Impossible
    return result


numbers = st.one_of(
    st.integers(0, 1 << 33).map(lambda n: (str(n), n)),
    st.integers(0, 1 << 33).map(lambda n: (hex(n), n)),
    st.integers(0, 255).map(lambda n: (bin(n), n)),
    st.sampled_from(sorted(CONSTANTS)).map(lambda s: (s, CONSTANTS[s])),
    st.sampled_from([("'A'", 65), ("' '", 32), (r"'\n'", 10), (r"'\''", 39), ("';'", 59), ("'#'", 35), ("'\"'", 34)]))


def either(a, b, operator):
    """Text and value of two parts joined, in parentheses where Python and C need not agree on precedence."""
    (text_a, value_a), (text_b, value_b) = a, b
    if isinstance(value_a, type) or isinstance(value_b, type):
        return f"({text_a}) {operator} ({text_b})", Impossible
    try:
        return f"({text_a}) {operator} ({text_b})", c_value(operator, value_a, value_b)
    except Impossible:
        return f"({text_a}) {operator} ({text_b})", Impossible


def unary(sign, part):
    text, number = part
    if isinstance(number, type):
        return f"{sign}({text})", Impossible
    return f"{sign}({text})", {"-": -number, "~": ~number, "!": int(not number), "+": number}[sign]


trees = st.recursive(numbers, lambda inner: st.one_of(
    st.builds(either, inner, inner, st.sampled_from(OPERATORS)),
    st.builds(unary, st.sampled_from("-~!+"), inner)), max_leaves=12)


@given(trees)
def test_an_expression_has_the_value_that_c_gives_it(tree):
    text, expected = tree
    if expected is Impossible:
        with pytest.raises(Mistake):
            value(text)
    else:
        assert value(text) == Linear(expected)


LEVELS = (("*", "/", "%"), ("+", "-"), ("<<", ">>"), ("<", "<=", ">", ">="), ("==", "!="), ("&",), ("^",), ("|",),
          ("&&",), ("||",))


@given(st.lists(st.integers(1, 9), min_size=2, max_size=9), st.data())
def test_operators_bind_as_in_c(operands, data):
    operators = [data.draw(st.sampled_from(OPERATORS)) for _ in operands[1:]]
    text = str(operands[0]) + "".join(f" {o} {n}" for o, n in zip(operators, operands[1:], strict=True))
    values, left = list(operands), list(operators)
    try:
        for level in LEVELS:                                # the oracle reduces level by level, from the left
            i = 0
            while i < len(left):
                if left[i] in level:
                    values[i:i + 2] = [c_value(left.pop(i), values[i], values[i + 1])]
                else:
                    i += 1
    except Impossible:
        with pytest.raises(Mistake):
            value(text)
        return
    assert value(text).constant == values[0]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(-5, 5)), max_size=8),
       st.fixed_dictionaries({symbol: st.integers(0, 1 << 32) for symbol in "abc"}))
def test_sums_of_symbols_resolve_to_the_sum_of_their_values(parts, values):
    text = " + ".join(f"{symbol or 1} * ({factor})" for symbol, factor in parts) or "0"
    found = resolve(value(text), lambda symbol: Linear(values[symbol]))
    assert found == Linear(sum(values.get(symbol, 1) * factor for symbol, factor in parts))


def test_a_symbol_that_cancels_out_leaves_a_constant():
    assert value("label + 12 - label") == Linear(12)


def test_an_operation_on_a_symbol_waits_until_it_is_known():
    waiting = value("(end - start) / 4 + 1")
    assert not waiting.is_constant
    assert resolve(waiting, lambda symbol: Linear({"end": 108, "start": 100}[symbol])) == Linear(3)


def test_a_symbol_plus_a_constant_is_told_from_anything_else():
    assert single(value("label + 4")) == "label"
    assert single(value("4")) == ""
    assert single(value("2 * label")) is None
    assert single(value("label - other")) is None
    assert single(value("label & 1")) is None


@pytest.mark.parametrize(("text", "message"), [
    ("010", "010 begins with 0: write 0o10 if it is octal"),
    ("10h", "'10h' is not a number: write 255, 0xff, 0o377 or 0b11111111"),
    ("0x", "'0x' is not a number"),
    ("1 / 0", "division by zero"),
    ("1 % (2 - 2)", "division by zero"),
    ("1 << 65", "shift by more than 64 bits"),
    ("1 << -1", "shift by a negative number of bits"),
    ("0xffffffff * 0xffffffff * 2", "the value does not fit in 64 bits"),
    ("(1 + 2", "')' is missing"),
    ("1 +", "a value is missing"),
    ("1 2", "'2' is not expected here"),
    ("* 2", "'*' is not a value"),
    ("1 ? 2", "cannot read '? 2'"),
    ("'ab'", "cannot read \"'ab'\""),
    (r"'\q'", r"unknown escape \q"),
    ("'é'", "'é' is more than one byte"),
    ("(" * 50 + "1" + ")" * 50, "the expression is nested too deeply"),
    ("-" * 5000 + "1", "the expression is nested too deeply"),
])
def test_what_is_wrong_with_an_expression_is_said(text, message):
    with pytest.raises(Mistake) as caught:
        value(text)
    assert message in str(caught.value)


def test_an_expression_that_doubles_itself_ends():
    doubled = name("label")
    with pytest.raises(Mistake, match="too many operations wait"):
        for _ in range(100):
            doubled = apply("&", doubled, doubled)


def test_an_expression_of_ever_more_symbols_ends():
    with pytest.raises(Mistake, match="too many different symbols"):
        value(" + ".join(f"symbol{i}" for i in range(100)))


def test_constants_from_outside_can_be_used_everywhere():
    made = assemble(".long SEVEN, SEVEN * 2\n.space SEVEN - 5\nmov eax, [ebx + SEVEN]\n.if SEVEN == 7\nnop\n.endif\n",
                    constants=CONSTANTS)
    assert made.sections[".text"].data.hex(" ") == "07 00 00 00 0e 00 00 00 00 00 8b 43 07 90"


def test_a_constant_from_outside_cannot_be_redefined():
    with pytest.raises(AssemblyError, match="SEVEN is a constant given from outside"):
        assemble(".equ SEVEN, 8\n", constants=CONSTANTS)
    with pytest.raises(AssemblyError, match="SEVEN is a constant given from outside"):
        assemble("SEVEN:\n", constants=CONSTANTS)
