"""The language page: its examples are assembled and its lists are complete."""

import re
import time
from pathlib import Path

import pytest

import loader.assembler
from loader.assembler import assemble, directives
from loader.assembler.registers import KEYWORDS
from loader.object import SECTION_ORDER

PAGE = (Path(loader.assembler.__file__).parent / "LANGUAGE.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```asm\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split()[0])
def test_an_example_of_the_page_assembles(example):
    assert sum(section.size for section in assemble(example).sections.values()) > 10


def test_every_directive_is_on_the_page():
    known = {*directives._DIRECTIVES, *directives._WIDTHS, *SECTION_ORDER, ".include", ".macro", ".rept", ".irp",
             ".endm", ".endr", ".error", ".if", ".ifdef", ".ifndef", ".ifb", ".ifnb", ".elseif", ".else", ".endif"}
    known.remove(".globl")                              # .global as GNU also spells it
    assert {word for word in known if not re.search(rf"{re.escape(word)}[`\s]", PAGE)} == set()


def test_every_keyword_is_on_the_page():
    assert all(re.search(rf"\b{word}\b", PAGE) for word in KEYWORDS)


def test_three_thousand_lines_take_about_a_second_at_most():
    lines = [f"f{i}: mov eax, [ebx + {i * 4}]\nadd ecx, {i}\ncall f{i * 7 % 600}\ncmp dword ptr [value + eax*4], {i}\n"
             f"jne f{max(0, i - i % 90)}" for i in range(600)]
    before = time.process_time()
    assemble("\n".join([*lines, ".data", "value: .space 4", ""]))
    assert time.process_time() - before < 2.0
