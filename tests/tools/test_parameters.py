"""Sizes, counts and destinations as a person writes them."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.parameters import COUNT, SIZE, Destination, Number


@pytest.mark.parametrize(("text", "value"), [
    ("65536", 65536), ("0x10000", 65536), ("64K", 65536), ("64k", 65536), ("16M", 16 << 20), ("1G", 1 << 30),
    ("1_048_576", 1 << 20), (" 2M ", 2 << 20)])
def test_a_size_is_a_number_of_bytes_or_has_a_letter(text: str, value: int) -> None:
    assert SIZE.convert(text, None, None) == value


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("1K", 1000), ("5M", 5_000_000), ("2G", 2 * 10**9)])
def test_the_letters_of_a_count_are_decimal(text: str, value: int) -> None:
    assert COUNT.convert(text, None, None) == value


@pytest.mark.parametrize("text", ["", "M", "1.5M", "16MB", "16 M", "-1", "63K", "2G", "1e6", "010", "\u0661\u0662M\0"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a size: give a number from 65536 to 1073741824"):
        SIZE.convert(text, None, None)


@given(st.text())
def test_no_text_makes_a_parameter_fail_otherwise(text: str) -> None:
    for kind in (SIZE, COUNT, Number(), Destination("null")):
        try:
            kind.convert(text, None, None)
        except click.BadParameter as error:
            assert "\n" not in error.message


def test_a_destination_is_a_word_or_a_file() -> None:
    kind = Destination("stdio", "null")
    assert [kind.convert(text, None, None) for text in ("stdio", "null", "file:x y")] == ["stdio", "null", "file:x y"]
    with pytest.raises(click.BadParameter, match="'stderr' is not one of stdio, null, file:PATH"):
        kind.convert("stderr", None, None)
