"""The one structure behind caches, TLBs and branch target buffer: sets of words, most recently used first.

A set is a run of 64-bit words; 0 is empty, and empty words stand last. A word is

    number (from bit 24) | slot (21 bits) | LARGE | MARK | VALID

number, LARGE and VALID are its key: what is looked for. The number is that of a line, page or branch; LARGE says that
the page has 4 MiB. MARK is a note: the line is dirty, or the page global. The slot is where a branch keeps its target.

`changes` in the record counts changes of contents: words that come, leave or are marked. The order alone does not
count: it is that of last use, so a loop that makes the same accesses again and changes nothing finds the order as it
left it.

Replacement is exact LRU. Real processors use pseudo-LRU (Intel: a tree of bits) or, in some TLBs, less; the difference
shows only in sets that are cycled through by more lines than they hold.
"""

from __future__ import annotations

from emu.native import compiled, inlined, load64, store64
from emu.timing.model import Model

VALID, MARK, LARGE = 1, 2, 4
SLOT_SHIFT = 3
SLOT_MASK = (1 << 21) - 1
NUMBER_SHIFT = 24
KEY = ~(MARK | SLOT_MASK << SLOT_SHIFT)


@inlined
def key_of(number: int) -> int:
    """The key of a line, a 4 KiB page or a branch."""
    return number << NUMBER_SHIFT | VALID


@inlined
def set_of(table: int, mask: int, ways: int, number: int) -> int:
    """The address of the set in which a number belongs."""
    return table + (number & mask) * ways * 8


@compiled
def promote(m: Model, first: int, ways: int, key: int) -> int:
    """The word with this key in the set at `first`, which becomes the most recent one; 0 if there is none."""
    word = load64(first)
    if word & KEY == key:
        return word
    way = 1
    while way < ways:
        word = load64(first + way * 8)
        if word & KEY == key:
            place_first(first, way, word)
            return word
        if not word:
            return 0
        way += 1
    return 0


@compiled
def place_first(first: int, way: int, word: int) -> None:
    """Put `word`, which stood at `way`, at the front; those before it move back by one."""
    last = first + way * 8
    while first <= last:
        held = load64(first)
        store64(first, word)
        word = held
        first += 8


@compiled
def place_back(first: int, way: int) -> None:
    """Put the word at the front back to where it stood: undo `place_first`."""
    word = load64(first)
    last = first + way * 8
    while first < last:
        store64(first, load64(first + 8))
        first += 8
    store64(last, word)


@compiled
def insert(m: Model, first: int, ways: int, word: int) -> int:
    """Make `word`, whose key is not in the set, its most recent one; the word that had to leave, or 0."""
    m.changes += 1
    end = first + ways * 8
    while first < end and word:
        held = load64(first)
        store64(first, word)
        word = held
        first += 8
    return word


@compiled
def mark(m: Model, first: int) -> None:
    """Mark the most recent word of a set."""
    word = load64(first)
    if not word & MARK:
        store64(first, word | MARK)
        m.changes += 1


@compiled
def drop(m: Model, first: int, ways: int, key: int) -> int:
    """Take the word with this key out of a set and return it; 0 if there is none."""
    for way in range(ways):
        word = load64(first + way * 8)
        if word & KEY == key:
            for each in range(way, ways - 1):
                store64(first + each * 8, load64(first + each * 8 + 8))
            store64(first + ways * 8 - 8, 0)
            m.changes += 1
            return word
        if not word:
            return 0
    return 0


@compiled
def clear(m: Model, table: int, mask: int, ways: int) -> int:
    """Empty a table; how many marked words it had."""
    if not table:
        return 0
    m.changes += 1
    marked = 0
    for at in range(table, table + (mask + 1) * ways * 8, 8):
        if load64(at) & MARK:
            marked += 1
        store64(at, 0)
    return marked


@compiled
def clear_unmarked(m: Model, table: int, mask: int, ways: int) -> None:
    """Take every word out of a table that is not marked."""
    if not table:
        return
    m.changes += 1
    for index in range(mask + 1):
        first = set_of(table, mask, ways, index)
        kept = 0
        for way in range(ways):
            word = load64(first + way * 8)
            if not word:
                break
            store64(first + way * 8, 0)
            if word & MARK:
                store64(first + kept * 8, word)
                kept += 1
