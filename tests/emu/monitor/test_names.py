"""Places in the guest as a person names them."""

from __future__ import annotations

import pytest

from emu.monitor.names import Names
from loader.build import build
from loader.image import Image


@pytest.fixture(scope="module")
def hello() -> Image:
    """An image with a program."""
    return build("hello")


def test_a_place_is_a_symbol_of_the_kernel_or_of_a_program_or_an_address(hello: Image) -> None:
    kernel, program = hello.symbols.address("machine_end"), hello.programs["hello"].address("main")
    assert Names.of(hello).resolve("machine_end") == (kernel, "")
    assert Names.of(hello).resolve("machine_end+0xb") == (kernel + 11, "")
    assert Names.of(hello).resolve("hello:main") == (program, "hello")
    assert Names.of(hello).resolve("hello:main+5") == (program + 5, "hello")
    assert Names.of(hello).resolve("0xC0100000") == (0xC0100000, "")
    assert Names.of(hello).resolve("4096") == (4096, "")


@pytest.mark.parametrize(("place", "words"), [
    ("machine_edn", "no symbol 'machine_edn': did you mean machine_end"), ("hello:mian", "did you mean hello:main"),
    ("qqqqqqqq", "see the map"), ("machine_end+x", "neither an address nor a symbol"), ("0x", "neither an address"),
    ("", "no symbol ''")])
def test_a_place_that_is_none_is_refused_with_a_hint(place: str, words: str, hello: Image) -> None:
    with pytest.raises(ValueError, match=words):
        Names.of(hello).resolve(place)
