"""The ABI's definitions agree with each other, with the sources, and with what is rendered from them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import guest
from guest import abi
from guest.abi.cpu import FRAME, GATE, TSS, Vector
from guest.abi.kernel import TCB, Syscall, ThreadState
from guest.abi.layout import Field, Layout, group, u8, u16, u32
from guest.abi.memory import PICTURE, Memory
from guest.abi.reference import activations_reference, ecalls_reference, micro_reference, reference
from guest.abi.words import Word

GUEST = Path(guest.__path__[0])
SOURCES = sorted([*GUEST.rglob("*.asm"), *GUEST.rglob("*.inc")])
PAGES = (("guest-abi.md", reference, ""), ("microkernel-abi.md", micro_reference, "micro"),
         ("activations-abi.md", activations_reference, "activations"), ("ecalls-abi.md", ecalls_reference, "ecalls"))


def code(path: Path) -> list[tuple[str, str]]:
    """(place, text without comment) of each line of a source."""
    return [(f"{path.name}:{number}", line.split(";")[0])
            for number, line in enumerate(path.read_text().splitlines(), start=1)]


@pytest.mark.parametrize(("name", "render", "argument"), PAGES)
def test_a_reference_page_is_current(name: str, render: Callable[[], str], argument: str) -> None:
    page = Path(__file__).parents[2] / "docs" / name
    assert page.read_text() == render(), f"run: python -m guest.abi {argument} > docs/{name}"


def test_every_number_has_a_phrase_and_a_name_of_its_own() -> None:
    for words in abi.WORDS:
        assert all(word.phrase for word in words)
    assert len(abi.constants()) == (sum(len(words) for words in abi.WORDS)
                                    + sum(len(layout.offsets) + 1 for layout in abi.LAYOUTS))


def test_two_names_of_one_value_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twins(Word):
        """Twins"""

        ONE = 1, "a number"
        UNO = 1, "the same"

    monkeypatch.setattr(abi, "WORDS", (Twins,))
    with pytest.raises(ValueError, match="Twins: two names have the same value"):
        abi.constants()


def test_a_name_defined_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abi, "LAYOUTS", (TCB, TCB))
    with pytest.raises(ValueError, match="defined twice: TCB_MODULE"):
        abi.constants()


def test_structures_of_the_processor_have_the_manuals_sizes() -> None:
    assert (FRAME.size, GATE.size, TSS.size) == (17 * 4, 8, 104)
    assert TSS.offsets["esp0"] == 4 and TSS.offsets["iomap"] == 102


def test_a_layout_refuses_two_fields_of_one_name() -> None:
    with pytest.raises(ValueError, match="two fields are called 'a'"):
        Layout("X", "x", u32("a", "one"), u8("a", "two"))


def test_a_layout_refuses_to_decode_what_is_too_short() -> None:
    with pytest.raises(ValueError, match="TCB is 28 bytes long, not 27"):
        TCB.decode(bytes(27))


def test_a_field_with_named_numbers_decodes_to_the_name() -> None:
    data = bytearray(TCB.size)
    data[TCB.offsets["state"]] = ThreadState.THREAD_SLEEPING
    assert TCB.decode(data).state is ThreadState.THREAD_SLEEPING
    data[TCB.offsets["state"]] = 99
    assert TCB.decode(data).state == 99


Choice = tuple[Callable[[str, str], Field], int]      # how to make a field, and what is in it


@given(st.lists(st.tuples(st.sampled_from([u8, u16, u32]), st.integers(0, (1 << 32) - 1)), max_size=12))
def test_decoding_inverts_writing_the_fields_one_after_the_other(choices: list[Choice]) -> None:
    fields = [make(f"f{i}", "a field") for i, (make, _) in enumerate(choices)]
    values = [value % (1 << 8 * field.width) for field, (_, value) in zip(fields, choices, strict=True)]
    layout = Layout("X", "x", group("all"), *fields)
    data = b"".join(v.to_bytes(f.width, "little") for f, v in zip(fields, values, strict=True))
    assert layout.size == len(data)
    assert vars(layout.decode(data)) == {f.name: v for f, v in zip(fields, values, strict=True)}


def test_no_source_has_a_digit_as_displacement() -> None:
    numbers = re.compile(r"\[[^\]]*[+-]\s*(0x[0-9a-fA-F]+|\d+)\b")
    found = [f"{place}: {text.strip()}" for path in SOURCES for place, text in code(path) if numbers.search(text)]
    assert not found


def test_every_upper_case_name_in_a_source_is_defined() -> None:
    defined = re.compile(r"^(?:\.macro |\.equ |(?=\w+ *=))(\w+)", re.M)
    known = set(abi.constants()).union(*(defined.findall(path.read_text()) for path in GUEST.rglob("*.inc")))
    for path in SOURCES:
        local = set(defined.findall(path.read_text()))
        for place, line in code(path):
            names = set(re.findall(r"\b[A-Z][A-Z0-9]+_[A-Z0-9_]+\b", re.sub(r'"[^"]*"', "", line)))
            assert names <= known | local, f"{place}: {sorted(names - known - local)}"


def test_every_constant_for_the_kernel_is_used_somewhere() -> None:
    tests = [path for path in Path(__file__).parent.rglob("*.*") if path.suffix in (".asm", ".inc")]
    text = "\n".join(path.read_text() for path in [*SOURCES, *tests])
    vectors = {name for name in Vector.__members__ if name.startswith("EXC_")}      # a table of the manual's, whole
    unused = [name for words in abi.WORDS for name in words.__members__
              if name not in vectors and not re.search(rf"\b{name}\b", text)]
    assert not unused


def test_the_kernel_names_faults_as_the_abi_does() -> None:
    text = (GUEST / "kernel" / "exceptions.asm").read_text()
    names = re.findall(r'\.asciz "(.*)"', text.split("fault_names:")[1])
    vectors = [vector.phrase for vector in Vector if vector < len(names) - 1]
    assert names == [*vectors, "reserved exception"]


def test_the_system_call_numbers_have_no_holes() -> None:
    assert [int(call) for call in Syscall] == list(range(len(Syscall)))


def test_the_picture_of_the_address_space_shows_every_border() -> None:
    for border in Memory:
        assert f"{border:08X}" in PICTURE and border.name in PICTURE


def test_the_abi_imports_nothing_but_itself_and_the_standard_library() -> None:
    for path in (GUEST / "abi").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else \
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.split(".")[0]
                assert name.startswith("guest.abi") or top == "guest" or top in sys.stdlib_module_names, path


@pytest.mark.parametrize(("name", "render", "argument"), PAGES)
def test_a_page_is_what_the_command_prints(name: str, render: Callable[[], str], argument: str) -> None:
    printed = subprocess.run([sys.executable, "-m", "guest.abi", *argument.split()], capture_output=True, text=True,
                             check=True, cwd=GUEST.parent)
    assert printed.stdout == render()


def test_the_command_knows_no_other_page() -> None:
    printed = subprocess.run([sys.executable, "-m", "guest.abi", "macro"], capture_output=True, text=True,
                             cwd=GUEST.parent)
    assert printed.returncode == 1 and printed.stderr == "usage: python -m guest.abi [micro|activations|ecalls]\n"
