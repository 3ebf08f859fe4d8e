"""Map, grant and unmap against a model of mapping trees: random histories, compared after every step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).with_name("spaces")))

from mapping_model import COMPLETE, DEVICES, EXECUTE, PAGE, READ, ROOT, WRITE, Model, fpage
from space_machine import BASE, PageFault, SpaceMachine, image

from guest.abi.memory import Memory
from guest.abi.micro import Flexpage, FlexpageShift, MicroMemory
from loader.image import HOLE

ALL = READ | WRITE | EXECUTE
WHOLE = fpage(0, COMPLETE)
END = int(MicroMemory.UTCB_BASE)
DEVICES_END = int(MicroMemory.ROOT_DEVICES_END)
SPACES = 4                      # of a history, the root task's included
STEPS = 500


class Play:
    """A machine and the model, step by step."""

    def __init__(self, spaces: int = SPACES, memory: int = 16 << 20) -> None:
        self.machine = SpaceMachine(memory)
        self.spaces = [self.machine.root] + [self.machine.new_space() for _ in range(spaces - 1)]
        self.start, self.limit = (self.machine.symbol(name) for name in ("memory_start", "memory_limit"))
        self.boot_limit = self.machine.symbol("boot_limit")
        self.boot_start = -(-self.machine.machine.address("__image_physical_end") // PAGE) * PAGE
        self.model = Model(spaces, self.memory)

    def memory(self, address: int) -> tuple[int, bool] | None:
        """What frame the kernel has for the root task there, and may it be written?"""
        if self.start <= address < self.limit:
            return address, True
        if DEVICES <= address < DEVICES_END:
            return address - DEVICES + Memory.DEVICE_BASE, True
        left = self.boot_start <= address < self.boot_limit or PAGE <= address < HOLE.start
        return (address, False) if left else None

    def map(self, sender: int, receiver: int, send: int, window: int = WHOLE, base: int = 0,
            grant: bool = False) -> None:
        """An item, in both."""
        assert self.machine.map(self.spaces[sender], self.spaces[receiver], send, window, base, grant=grant)
        self.model.map(sender, receiver, send, window, base, grant)

    def unmap(self, space: int, word: int, flush: bool = False) -> int:
        """An Unmap, in both; what came back."""
        found = self.machine.unmap(self.spaces[space], word, flush=flush)
        assert found == [self.model.unmap(space, word, flush)]
        return found[0]

    def touch(self, space: int, address: int, write: bool) -> None:
        """A program reads or writes, and faults in both or in neither."""
        self.machine.go(self.spaces[space])
        assert self.works("harness_write" if write else "harness_read", address) == self.model.touch(
            space, address, write)

    def works(self, routine: str, address: int) -> bool:
        """Call a routine of the harness; False if it faults."""
        try:
            self.machine.call(routine, address)
        except PageFault:
            return False
        return True

    def root_fault(self, address: int, write: bool) -> None:
        """A page fault of the root task, in both."""
        carry = self.machine.call("space_root_fault", address, int(write)).carry
        assert carry != self.model.root_fault(address, write)

    def end(self, space: int) -> None:
        """A space ends, and another begins."""
        self.machine.end_space(self.spaces[space])
        self.model.end(space)
        self.spaces[space] = self.machine.new_space()

    def compare(self) -> None:
        """Pages, rights and origins are the same in both, and the database is sound."""
        nodes = self.machine.check()
        number = {directory: space for space, directory in enumerate(self.spaces)}
        found = {(number[node.space], node.page): node for node in nodes.values()}
        wanted = {(page.space, page.address): page for space in self.model.spaces for page in space.values()}
        assert found.keys() == wanted.keys()
        for place, node in found.items():
            page = wanted[place]
            assert (node.frame, node.writable) == (page.frame, page.writable), place
            parent = nodes[node.parent] if node.parent else None
            assert ((number[parent.space], parent.page) if parent else None) == (
                (page.parent.space, page.parent.address) if page.parent else None), place


class Player:
    """Chooses steps: few addresses, so that what happens meets."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.play = Play(memory=4 << 20)
        self.history: list[str] = []
        self.touched: list[tuple[int, int]] = []
        memory = self.play.start & -(1 << 15)
        self.regions = (memory, self.play.boot_limit - 2 * PAGE, 0, (8 << 22) - 4 * PAGE, END - 8 * PAGE, DEVICES,
                        DEVICES_END - 4 * PAGE)

    def place(self, chance: float) -> tuple[int, int]:
        """A space and the address of a page: one that is there with that chance."""
        there = [space for space in range(SPACES) if self.play.model.spaces[space]]
        if there and self.random.random() < chance:
            space = self.random.choice(there)
            return space, self.random.choice(list(self.play.model.spaces[space])[:12])
        return self.random.randrange(SPACES), self.random.choice(self.regions) + self.random.randrange(8) * PAGE

    def fpage(self, address: int, rights: int = 0, sizes: tuple[int, ...] = (12, 12, 12, 12, 13, 14, 15)) -> int:
        """A flexpage around an address, seldom a large one or none at all."""
        size = self.random.choice(sizes)
        chance = self.random.random()
        if chance < 0.02:
            size = self.random.choice((22, 30, 31))
        word = fpage(address & -(1 << size), size, rights)
        if chance > 0.98:
            other = word & ~Flexpage.FPAGE_SIZE | self.random.randrange(64) << FlexpageShift.FPAGE_SHIFT
            word = self.random.choice((WHOLE | rights, word ^ 0x400, other))
        return word

    def rights(self) -> int:
        """Often all of them."""
        return self.random.choice((ALL, ALL, ALL, READ | EXECUTE, self.random.randrange(8)))

    def step(self) -> None:
        """Do something."""
        name = self.random.choices(("map", "grant", "unmap", "touch", "fault", "end"), (45, 8, 12, 30, 5, 0.3))[0]
        (space, address), (other, target) = self.place(0.9), self.place(0.3)
        flag = self.random.random() < 0.3
        if name in ("map", "grant"):
            arguments: tuple[int, ...] = (space, other, self.fpage(address, self.rights()), self.random.choice((
                self.fpage(target), WHOLE)), target | self.random.randrange(1 << 10), name == "grant")
            act: Callable[..., object] = self.play.map
        elif name == "unmap":
            arguments, act = (space, self.fpage(address, self.rights() if flag else 0), self.random.random() < 0.4
                              ), self.play.unmap
        elif name == "touch":
            if self.touched and self.random.random() < 0.5:          # once more: is it as before?
                space, address = self.random.choice(self.touched[-3:])
            self.touched.append((space, address))
            arguments, act = (space, address, flag), self.play.touch
        elif name == "fault":
            arguments, act = (address, flag), self.play.root_fault
        else:
            arguments, act = (self.random.randrange(1, SPACES),), self.play.end
        self.history.append(f"{name} {' '.join(map(hex, arguments))}")
        act(*arguments)


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 24))])
def test_random_histories_agree_with_the_model(seed: int) -> None:
    player = Player(seed)
    try:
        for _ in range(STEPS):
            player.step()
            player.play.compare()
    except AssertionError:
        print(*player.history, sep="\n")
        raise


@pytest.fixture
def play() -> Play:
    """The root task's space, 0, and another, 1."""
    return Play(spaces=2)


def frame(play: Play, number: int) -> int:
    """Address of a page of the root task's memory, from a multiple of 64 KiB on."""
    return (play.start + 0xFFFF & -0x10000) + number * PAGE


@pytest.mark.parametrize(("size", "window", "base", "pages"), [
    (14, 14, 0x1000, {0: 0, 1: 1, 2: 2, 3: 3}),       # the same size: the send base does not matter
    (13, 14, 0x0000, {0: 0, 1: 1}),                   # a smaller one goes where the send base says
    (13, 14, 0x2000, {2: 0, 3: 1}),
    (13, 14, 0x7FFF, {2: 0, 3: 1}),                   # rounded down, and by the window's size
    (14, 13, 0x0000, {0: 0, 1: 1}),                   # of a larger one it says which part goes
    (14, 13, 0x2000, {0: 2, 1: 3}),
    (14, 12, 0xD000, {0: 1}),
])
def test_the_send_base_selects_in_the_larger_of_two_flexpages(size: int, window: int, base: int,
                                                              pages: dict[int, int], play: Play) -> None:
    play.map(ROOT, 1, fpage(frame(play, 0), size, READ), fpage(0x40_0000, window), base)
    assert play.machine.pages(play.spaces[1]) == {
        0x40_0000 + at * PAGE: (frame(play, number), False) for at, number in pages.items()}


def test_the_whole_space_as_a_window_takes_a_page_to_the_send_base(play: Play) -> None:
    play.map(ROOT, 1, fpage(frame(play, 0), 12, ALL), WHOLE, 0x0804_8000)
    assert play.machine.pages(play.spaces[1]) == {0x0804_8000: (frame(play, 0), True)}


@pytest.mark.parametrize("word", [0, fpage(0x40_0000, 11), fpage(0x40_0000, 33), fpage(0x40_1000, 13),
                                  fpage(0x40_0400, 12), fpage(0x40_0000, COMPLETE)])
def test_what_is_no_flexpage_maps_nothing_on_either_side(word: int, play: Play) -> None:
    good = frame(play, 0)
    play.map(ROOT, 1, fpage(good, 12, ALL), word)
    play.map(ROOT, 1, word | ALL, WHOLE)
    assert not play.machine.pages(play.spaces[1])
    assert play.unmap(ROOT, word | ALL, flush=True) == word & ~ALL


def test_nothing_is_mapped_from_the_utcbs_on_or_to_them(play: Play) -> None:
    half = 1 << 31
    last = END - PAGE
    for target in (last, END, END - half):
        play.map(ROOT, 1, fpage(frame(play, 0), 12, ALL), WHOLE, target)
    play.map(1, 1, fpage(0, 31, ALL), fpage(half, 31))               # END - half would go to END,
    play.map(1, 1, fpage(half, 31, ALL), fpage(0, 31))               # and a UTCB to END - half
    play.map(1, 1, fpage(END, 22, ALL), fpage(0, 22))
    play.map(1, 1, fpage(END - half, 22, ALL), fpage(END, 22))
    play.compare()
    assert set(play.machine.pages(play.spaces[1])) == {last, END - half, last - half}
    assert play.unmap(1, WHOLE | ALL, flush=True) == WHOLE
    play.compare()


def test_a_write_is_told_to_everybody_who_has_given_the_page_once(play: Play) -> None:
    page, there = frame(play, 0), 0x0804_8000
    play.map(ROOT, 1, fpage(page, 12, ALL), WHOLE, there)
    play.map(1, 1, fpage(there, 12, ALL), WHOLE, 0)
    play.touch(1, 0, True)
    own, whole, low = fpage(page, 12), fpage(there, 12), fpage(0, 12)
    assert [play.unmap(ROOT, own), play.unmap(ROOT, own)] == [own | ALL, own]
    assert [play.unmap(1, low), play.unmap(1, low)] == [low | ALL, low]
    assert [play.unmap(1, whole), play.unmap(1, whole)] == [whole | ALL, whole]
    play.touch(1, there, False)
    assert play.unmap(1, low) == low                                 # not from below
    assert play.unmap(1, whole | ALL, flush=True) == whole | READ | EXECUTE
    assert play.unmap(ROOT, own) == own | READ | EXECUTE             # news of a page that is gone


def test_several_flexpages_are_answered_each_in_its_place(play: Play) -> None:
    pages = [fpage(frame(play, number), 12) for number in range(64)]
    play.map(ROOT, 1, fpage(frame(play, 0), 18, ALL), WHOLE)
    play.touch(1, frame(play, 63) & 0x3_FFFF, False)
    play.touch(1, frame(play, 1) & 0x3_FFFF, True)
    answers = play.machine.unmap(play.spaces[ROOT], *pages)
    assert answers == [pages[0], pages[1] | ALL, *pages[2:63], pages[63] | READ | EXECUTE]


def test_devices_are_shown_to_who_asks_for_them_alone(play: Play) -> None:
    play.map(ROOT, 1, WHOLE | ALL, WHOLE)
    play.map(ROOT, 1, fpage(DEVICES & -(1 << 29), 29, ALL), WHOLE)
    assert not [page for page in play.machine.pages(play.spaces[1]) if page >= DEVICES]
    play.map(ROOT, 1, fpage(DEVICES_END - (1 << 14), 14, READ), fpage(0x40_0000, 14))
    play.compare()
    assert [play.machine.pages(play.spaces[1])[0x40_0000 + at * PAGE] for at in range(4)] == [
        (-(4 - at) * PAGE & 0xFFFF_FFFF, False) for at in range(4)]


def test_a_page_that_was_taken_away_cannot_be_used_any_more(play: Play) -> None:
    page, there = frame(play, 0), 0x0804_8000
    play.map(ROOT, 1, fpage(page, 12, ALL), WHOLE, there)
    for write, rights in ((True, WRITE), (False, READ)):
        play.touch(1, there, write)
        play.unmap(ROOT, fpage(page, 12, rights))                    # while the translation is in the TLB
        play.touch(1, there, write)
    play.touch(ROOT, page, True)
    play.unmap(ROOT, fpage(page, 12, ALL), flush=True)
    play.touch(ROOT, page, False)


def test_a_page_of_a_space_that_ends_cannot_be_used_any_more(play: Play) -> None:
    page = frame(play, 0)
    play.map(ROOT, 1, fpage(page, 12, ALL), WHOLE)
    play.map(1, ROOT, fpage(page & 0xFFFF, 12, ALL), WHOLE, 0x5000_0000)
    play.map(ROOT, ROOT, fpage(frame(play, 1), 12, ALL), WHOLE, 0x5000_1000)
    play.touch(ROOT, 0x5000_0000, True)
    play.touch(ROOT, 0x5000_1000, True)
    play.end(1)
    play.touch(ROOT, 0x5000_0000, True)
    play.touch(ROOT, 0x5000_1000, True)
    play.compare()


def test_the_root_task_gets_its_memory_back_where_it_had_put_something_else(play: Play) -> None:
    other, page = frame(play, 0), frame(play, 1)
    play.machine.store(BASE + other, 1)
    play.machine.store(BASE + page, 2)
    play.map(ROOT, ROOT, fpage(other, 12, READ), fpage(page, 12))
    play.machine.go(play.spaces[ROOT])
    assert play.machine.call("harness_read", page).eax == 1
    play.root_fault(page, True)
    assert play.machine.call("harness_read", page).eax == 2
    play.compare()


def test_an_unmap_of_an_empty_space_takes_a_step_for_each_page_table_at_most(play: Play) -> None:
    before = play.machine.machine.counters.instructions
    play.unmap(1, WHOLE | ALL, flush=True)
    assert play.machine.machine.counters.instructions - before < 12 * (END >> 22)


@pytest.mark.parametrize("seed", range(4))
def test_when_the_pool_is_used_up_items_fail_and_the_database_stays_sound(seed: int) -> None:
    random = Random(seed)
    machine = SpaceMachine(4 << 20, image(pool_shift=5))
    spaces = [machine.root, machine.new_space(), machine.new_space()]
    for space in spaces:
        machine.thread(0, space)
    outcomes = [0, 0]
    for _ in range(400):
        pages = [(space, page) for space in spaces for page in machine.pages(space)]
        space, page = random.choice(pages or [(machine.root, machine.symbol("memory_start"))])
        if random.random() < 0.1:
            machine.unmap(space, fpage(page, 12, ALL), flush=True)
        else:
            base = random.randrange(8) << 22 | random.randrange(1 << 10) << 12
            size = 12 if random.random() < 0.7 else 20
            send = fpage(page & -(1 << size), size, ALL)
            outcomes[machine.map(space, random.choice(spaces), send, WHOLE, base, grant=random.random() < 0.1)] += 1
        machine.check()
    assert min(outcomes) > 20
    for space in spaces:
        machine.unmap(space, WHOLE | ALL, flush=True)
    assert not machine.check()
    page = machine.symbol("memory_start")                            # where there are page tables, there is room again
    assert machine.map(machine.root, machine.root, fpage(page, 12, ALL), WHOLE, page + PAGE)
