"""Symbol tables and line maps, against trivially correct models."""

from hypothesis import given
from hypothesis import strategies as st

from loader.symbols import LineMap, SymbolTable


def test_an_address_is_named_by_the_symbol_below_it():
    table = SymbolTable([("start", 0x1000), ("stop", 0x1010)])
    assert table.name(0x1000) == "start"
    assert table.name(0x100F) == "start+0xf"
    assert table.name(0x1012) == "stop+0x2"
    assert table.find(0x1012) == ("stop", 2)


def test_an_address_below_all_symbols_is_a_number():
    table = SymbolTable([("start", 0x1000)])
    assert table.name(0xFFF) == "0xfff"
    assert table.find(0xFFF) is None


def test_a_symbol_with_a_size_covers_no_more():
    table = SymbolTable([("start", 0x1000, 4)])
    assert table.name(0x1003) == "start+0x3"
    assert table.name(0x1004) == "0x1004"


def test_the_first_symbol_at_an_address_names_it():
    table = SymbolTable([("first", 0x1000), ("second", 0x1000)])
    assert table.name(0x1000) == "first"
    assert table.address("second") == 0x1000


def test_boundaries_of_the_linker_are_found_by_name_only():
    table = SymbolTable([("__text_start", 0x1000), ("main", 0x1000), ("__image_end", 0x2000)])
    assert table.name(0x1000) == "main"
    assert table.name(0x2000) == "main+0x1000"
    assert table.address("__image_end") == 0x2000


def test_a_table_is_a_collection_of_names():
    table = SymbolTable([("b", 2), ("a", 1, 7), ("b", 9)])
    assert set(table) == {"a", "b"} and len(table) == 2 and "a" in table and "c" not in table
    assert table.items() == [("a", 1), ("b", 2)]
    assert table.size("a") == 7 and table.size("b") == 0


@given(st.dictionaries(st.integers(0, 200), st.tuples(st.text("abc", min_size=1), st.integers(0, 30)), max_size=20),
       st.integers(0, 250))
def test_finding_a_symbol_is_finding_the_nearest_below(symbols, address):
    table = SymbolTable((f"{name}{at}", at, size) for at, (name, size) in symbols.items())
    below = [at for at in symbols if at <= address]
    expected = None
    if below:
        at = max(below)
        name, size = symbols[at]
        if not size or address < at + size:
            expected = (f"{name}{at}", address - at)
    assert table.find(address) == expected


def test_a_line_holds_up_to_the_next():
    lines = LineMap([(0x1000, "a.asm", 1), (0x1004, "a.asm", 2), (0x1008, "", 0), (0x2000, "dir/b.asm", 7)])
    assert [lines.find(a) for a in (0xFFF, 0x1000, 0x1003, 0x1004, 0x1008, 0x1FFF, 0x2001)] == [
        None, ("a.asm", 1), ("a.asm", 1), ("a.asm", 2), None, None, ("dir/b.asm", 7)]
    assert lines.files == ["a.asm", "dir/b.asm"]


def test_the_addresses_of_a_line_are_found_by_the_end_of_its_file_name():
    lines = LineMap([(1, "dir/b.asm", 7), (2, "b.asm", 7), (3, "dir/b.asm", 8), (4, "dir/b.asm", 7), (5, "bb.asm", 7)])
    assert lines.addresses("b.asm", 7) == [1, 2, 4]
    assert lines.addresses("dir/b.asm", 7) == [1, 4]
    assert lines.addresses("b.asm", 9) == []


def test_of_several_lines_at_one_address_the_last_counts():
    assert LineMap([(1, "a", 1), (1, "a", 2)]).find(1) == ("a", 2)
