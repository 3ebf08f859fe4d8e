"""Macros, repetition, conditions and includes."""

import pytest

from loader.assembler import AssemblyError, assemble


def data(source, **options):
    """The bytes that a source leaves in .text."""
    return assemble(source + "\n", name="t.asm", **options).sections[".text"].data.hex(" ")


def refusal(source, **options):
    """Everything that is printed about a bad source."""
    with pytest.raises(AssemblyError) as caught:
        data(source, **options)
    return str(caught.value)


# Macros

def test_a_macro_puts_its_arguments_in_place():
    assert data(".macro PAIR a, b\n.byte \\a, \\b\n.endm\nPAIR 1, 2\nPAIR 3 , 4") == "01 02 03 04"


def test_a_default_stands_in_for_what_is_not_given():
    assert data(".macro PAIR a, b=9\n.byte \\a, \\b\n.endm\nPAIR 1\nPAIR 1, 2") == "01 09 01 02"


def test_arguments_can_be_given_by_name():
    assert data(".macro PAIR a=7, b=9\n.byte \\a, \\b\n.endm\nPAIR b=1\nPAIR b=2, a=3\nPAIR b=4, 5") == \
        "07 01 03 02 05 04"


def test_a_vararg_takes_all_that_is_left():
    source = ".macro LIST first, rest:vararg\n.byte \\first\n.ifnb \\rest\nLIST \\rest\n.endif\n.endm\nLIST 1, 2, 3"
    assert data(source) == "01 02 03"


def test_a_required_argument_must_be_given():
    assert "macro M needs its argument 'a'" in refusal(".macro M a:req\n.byte \\a\n.endm\nM")


def test_an_argument_in_brackets_keeps_its_commas():
    assert data(".macro M a, b\nmov \\a, \\b\n.endm\nM eax, [ebx + (1 + 2)]") == "8b 43 03"
    assert data(".macro M a\n.byte \\a\n.endm\nM ','") == "2c"
    assert data('.macro M a\n.ascii \\a\n.endm\nM "a, b"') == "61 2c 20 62"


def test_empty_parentheses_paste_an_argument_to_what_follows():
    assert data(".macro M n\nvalue\\n\\()_x = \\n\n.byte value\\n\\()_x\n.endm\nM 3") == "03"


def test_the_longest_name_counts():
    assert data(".macro M a, ab\n.byte \\ab, \\a\n.endm\nM 1, 2") == "02 01"


def test_escapes_in_strings_stay_escapes():
    assert data('.macro M n\n.ascii "\\n\\n"\n.byte \\n\n.endm\nM 7') == "0a 0a 07"
    assert data('.macro M text\n.ascii "<\\text>"\n.endm\nM hi') == "3c 68 69 3e"


def test_the_counter_differs_in_every_expansion():
    source = ".macro WAIT\n.Lwait\\@: jmp .Lwait\\@\n.endm\nf:\nWAIT\nWAIT\nWAIT"
    assert data(source) == "eb fe eb fe eb fe"
    numbers = data(".macro M\n.byte \\@\n.endm\nM\nM\nM").split()
    assert len(set(numbers)) == 3


def test_macros_use_macros():
    assert data(".macro A x\n.byte \\x\n.endm\n.macro B y\nA \\y\nA \\y + 1\n.endm\nB 1") == "01 02"


def test_a_macro_can_define_a_macro():
    assert data(".macro MAKE name, value\n.macro \\name\n.byte \\value\n.endm\n.endm\nMAKE FIVE, 5\nFIVE\nFIVE") == \
        "05 05"


def test_a_label_can_stand_in_front_of_a_macro():
    assert data(".macro M\nnop\n.endm\nhere: M\njmp here") == "90 eb fd"


def test_a_comment_may_follow_an_argument():
    assert data(".macro M a ; takes a\n.byte \\a // its value\n.endm # done\nM 5 ; five") == "05"


@pytest.mark.parametrize(("source", "message"), [
    (".macro M a\n.endm\nM 1, 2", "t.asm:3: macro M takes 1 arguments, and '2' is more"),
    (".macro M\nnop", "t.asm:1: .macro has no .endm"),
    (".macro\n.endm", "t.asm:1: .macro needs a name"),
    (".macro M a, a\n.endm", "t.asm:1: two parameters have the same name"),
    (".macro M a:vararg, b\n.endm", "t.asm:1: only the last parameter can be :vararg"),
    (".macro M a b\n.endm", "t.asm:1: 'a b' is not a parameter"),
    (".macro M\n.endm\n.macro M\n.endm", "t.asm:3: macro M is already defined at t.asm:1"),
    (".endm", "t.asm:1: .endm without .macro"),
    (".endr", "t.asm:1: .endr without .rept or .irp"),
    (".rept 2\nnop", "t.asm:1: .rept has no .endr"),
    (".rept -1\n.endr", "t.asm:1: .rept -1: the count is out of range"),
    (".rept label\n.endr", "t.asm:1: the value must be known here, and label is not"),
    (".irp 5, 1\n.endr", "t.asm:1: .irp needs a name and values"),
])
def test_what_is_wrong_with_a_macro_is_said(source, message):
    assert refusal(source).startswith(message)


def test_an_error_in_a_macro_names_the_use_and_the_way_there():
    source = ".macro INNER a\nmov \\a, 1\n.endm\n.macro OUTER a\nnop\nINNER \\a\n.endm\n\nOUTER [ebx]"
    assert refusal(source) == """\
t.asm:9: operand size unknown: say byte, word or dword ptr
    mov [ebx], 1
  at t.asm:2, in macro INNER
  at t.asm:6, in macro OUTER"""


def test_a_macro_that_uses_itself_without_end_is_stopped():
    assert "macros are expanded more than 64 deep" in refusal(".macro M\nM\n.endm\nM")


def test_macros_that_multiply_each_other_are_stopped():
    source = ".macro A\n.rept 600\nB\n.endr\n.endm\n.macro B\n.rept 600\nnop\n.endr\n.endm\nA"
    assert "macros make more than 250,000 lines" in refusal(source)


def test_an_argument_that_doubles_is_stopped():
    assert "the line grows beyond 4096 characters" in refusal(".macro M a\nM \\a\\a\n.endm\nM xxxxxxxx")


def test_endless_repetition_is_stopped():
    source = ".rept 50000\n.rept 50000\nnop\n.endr\n.endr"
    assert "macros make more than 250,000 lines" in refusal(source)


# Repetition

def test_rept_repeats():
    assert data(".rept 3\n.byte 1\n.endr") == "01 01 01"
    assert data(".rept 0\n.byte 1\n.endr\nnop") == "90"


def test_a_value_can_count_repetitions():
    assert data("vector = 0\n.rept 4\n.byte vector\nvector = vector + 1\n.endr") == "00 01 02 03"


def test_irp_takes_each_value_in_turn():
    assert data(".irp reg, eax, ebx, esi\npush \\reg\n.endr") == "50 53 56"
    assert data(".irp x, 1, 2\n.irp y, 3, 4\n.byte \\x * 16 + \\y\n.endr\n.endr") == "13 14 23 24"


def test_entry_stubs_can_be_made_in_a_loop():
    source = """
vector = 0
.rept 4
.align 16
.if (1 << vector) & 0b0100
nop
.else
push 0
.endif
push vector
jmp common
vector = vector + 1
.endr
common:"""
    assert data(source)[:14] == "6a 00 6a 00 eb"
    assert data(source).split()[32:35] == ["90", "6a", "02"]


# Conditions

@pytest.mark.parametrize(("source", "expected"), [
    (".if 1\n.byte 1\n.else\n.byte 2\n.endif", "01"),
    (".if 0\n.byte 1\n.else\n.byte 2\n.endif", "02"),
    (".if 0\n.byte 1\n.elseif 1\n.byte 2\n.elseif 1\n.byte 3\n.else\n.byte 4\n.endif", "02"),
    (".if 0\n.byte 1\n.elseif 0\n.byte 2\n.else\n.byte 4\n.endif", "04"),
    (".if 0\n.if 1\n.byte 1\n.else\n.byte 2\n.endif\n.else\n.byte 3\n.endif", "03"),
    (".if 1\n.if 0\n.byte 1\n.else\n.byte 2\n.endif\n.else\n.byte 3\n.endif", "02"),
    ("x = 1\n.ifdef x\n.byte 1\n.endif\n.ifdef y\n.byte 2\n.endif", "01"),
    ("x = 1\n.ifndef x\n.byte 1\n.endif\n.ifndef y\n.byte 2\n.endif", "02"),
    ("f:\n.Lx:\n.ifdef .Lx\n.byte 1\n.endif", "01"),
    (".ifb\n.byte 1\n.endif\n.ifb x\n.byte 2\n.endif\n.ifnb x\n.byte 3\n.endif", "01 03"),
    (".if 0\nrubbish !!\n.unknown\n.error \"no\"\n.endif\nnop", "90"),
])
def test_conditions_choose(source, expected):
    assert data(source) == expected


@pytest.mark.parametrize(("source", "message"), [
    (".if 1\nnop", "t.asm:1: this .if has no .endif"),
    (".endif", "t.asm:1: .endif without .if"),
    (".else", "t.asm:1: .else without .if"),
    (".if 1\n.else\n.else\n.endif", "t.asm:3: .else after .else"),
    (".if 1\n.else\n.elseif 1\n.endif", "t.asm:3: .elseif after .else"),
    (".if label\n.endif", "t.asm:1: the value must be known here, and label is not"),
    (".if\n.endif", "t.asm:1: a value is missing"),
    (".ifdef 5\n.endif", "t.asm:1: .ifdef needs one name"),
    (".iffy\n.endif", "t.asm:1: unknown directive .iffy"),
    ('.error "choose a policy"', "t.asm:1: choose a policy"),
])
def test_what_is_wrong_with_a_condition_is_said(source, message):
    assert refusal(source).startswith(message)


# Includes

@pytest.fixture
def folder(tmp_path):
    """Writes files: folder(name=text)."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_an_include_is_found_beside_the_file_that_includes_it(folder):
    root = folder(main_asm='.include "sub/one.inc"\n', sub__one_inc='.include "two.inc"\n', sub__two_inc=".byte 2\n")
    made = assemble(root / "main.asm", name="main.asm")
    assert made.sections[".text"].data == b"\x02"
    assert made.lines == [(".text", 0, "sub/two.inc", 1)]
    assert made.inputs == [str(root / n) for n in ("main.asm", "sub/one.inc", "sub/two.inc")]


def test_an_include_is_found_in_the_directories_given(folder):
    root = folder(main_asm='.include "one.inc"\n', lib__one_inc=".byte 1\n")
    assert assemble(root / "main.asm", include=[root / "lib"]).sections[".text"].data == b"\x01"
    assert assemble('.include "one.inc"\n', include=[root / "lib"]).sections[".text"].data == b"\x01"


def test_the_same_file_can_be_included_twice(folder):
    root = folder(main_asm='.include "one.inc"\n.include "one.inc"\n', one_inc=".byte 1\n")
    assert assemble(root / "main.asm").sections[".text"].data == b"\x01\x01"


def test_an_error_names_the_included_file(folder):
    root = folder(main_asm='nop\n.include "one.inc"\n', one_inc="\nbad!\n")
    with pytest.raises(AssemblyError) as caught:
        assemble(root / "main.asm", name="kernel/main.asm")
    assert (caught.value.file, caught.value.line, caught.value.text) == ("kernel/one.inc", 2, "bad!")


def test_a_cycle_of_includes_is_an_error_with_the_chain(folder):
    root = folder(a_inc='.include "b.inc"\n', b_inc='.include "a.inc"\n')
    with pytest.raises(AssemblyError) as caught:
        assemble(root / "a.inc", name="a.inc")
    assert caught.value.message == "include cycle: a.inc includes b.inc includes a.inc"
    assert (caught.value.file, caught.value.line) == ("b.inc", 1)


def test_a_missing_include_says_where_it_was_searched(folder):
    root = folder(main_asm='.include "none.inc"\n')
    with pytest.raises(AssemblyError) as caught:
        assemble(root / "main.asm", include=[root / "lib"])
    assert caught.value.message == f"no file 'none.inc' (searched {root}, {root / 'lib'})"
    assert "text without a file has no directory" in refusal('.include "none.inc"')
    assert "needs a file name in quotes" in refusal(".include none.inc")


def test_a_file_that_cannot_be_read_is_one_line(folder, tmp_path):
    (tmp_path / "binary.asm").write_bytes(b"\xff\xfe")
    for path, message in ((tmp_path / "none.asm", "No such file or directory"), (tmp_path, "Is a directory"),
                          (tmp_path / "binary.asm", "is not UTF-8 text (byte 0x0)")):
        with pytest.raises(AssemblyError) as caught:
            assemble(path)
        assert message in str(caught.value) and "\n" not in str(caught.value)


def test_incbin_puts_a_file_into_the_section(folder, tmp_path):
    root = folder(main_asm='.incbin "blob.bin"\n.data\n.incbin "blob.bin"\n')
    (tmp_path / "blob.bin").write_bytes(bytes(range(5)))
    made = assemble(root / "main.asm")
    assert made.sections[".text"].data == made.sections[".data"].data == bytes(range(5))
    assert made.inputs[-1] == str(tmp_path / "blob.bin")
    assert "no file 'none.bin'" in refusal('.incbin "none.bin"')
