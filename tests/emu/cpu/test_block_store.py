"""What is kept of blocks changes how long a machine takes to start, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cutting import difference, state
from hypothesis import given
from hypothesis import strategies as st

from emu.cpu import block_store
from emu.cpu.block_store import BlockStore, Plan, decode_plan, encode_plan, path_of
from emu.cpu.describe import Describer
from emu.machine import Machine
from emu.timing.profile import load_profile

PROFILES = ("p5-166", "p3-500", "p4-1800")      # in order, out of order, with a trace cache
CYCLES = 3_000_000
NOP, HERE = b"\x90", 0x1000
USUAL = dict(os.environ)


def describer(profile: str) -> Describer:
    """What describes the blocks of a machine, without anything known."""
    found = Machine(memory=1 << 20, cpu=profile).cpu.costs.describe
    assert isinstance(found, Describer)
    return found


DESCRIBERS = {profile: describer(profile) for profile in PROFILES}


def plain(plan: Plan) -> Plan:
    """A plan without Capstone's details."""
    return plan._replace(block=plan.block._replace(instructions=[each._replace(detail=None)
                                                                 for each in plan.block.instructions]))


def filled(path: Path, *addresses: int) -> BlockStore:
    """A store that knows a block at each of these addresses, and a file for it."""
    store = BlockStore()
    store.open(path)
    for address in addresses:
        store.put(NOP, address, 32, DESCRIBERS["p3-500"].plan(NOP, address, 32))
    store.save()
    return store


def known(path: Path, *addresses: int) -> list[int]:
    """Which of the blocks at these addresses a file holds."""
    store = BlockStore()
    store.open(path)
    return [address for address in addresses if store.get(NOP, address, 32)]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory of one's own; where files of blocks will lie."""
    monkeypatch.setenv("TRAPLINE_CACHE_DIR", str(tmp_path))
    return tmp_path / "blocks"


# Plans

@given(st.sampled_from(PROFILES), st.sampled_from((16, 32)), st.integers(0, 0xFFFFF000),
       st.binary(min_size=1, max_size=40))
def test_a_plan_comes_back_as_it_was_kept(profile: str, bits: int, address: int, code: bytes) -> None:
    plan = DESCRIBERS[profile].plan(code, address, bits)
    assert decode_plan(encode_plan(plan), address) == plain(plan)


def test_the_same_code_elsewhere_or_in_another_mode_is_another_block(tmp_path: Path) -> None:
    store = filled(tmp_path / "blocks", HERE)
    assert store.get(NOP, HERE, 32)
    assert not store.get(NOP, HERE + 1, 32)
    assert not store.get(NOP, HERE, 16)


# Machines

@pytest.mark.parametrize("profile", PROFILES)
def test_a_machine_runs_the_same_whatever_is_known(profile: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    for place in (cache.parent, cache.parent, "/dev/null/no directory"):       # nothing known, all, nothing to keep it
        monkeypatch.setenv("TRAPLINE_CACHE_DIR", str(place))
        machine = Machine.boot("hello", cpu=profile)
        machine.run(max_cycles=CYCLES)
        states.append(state(machine))
    assert difference(states[0], states[1]) == {}
    assert difference(states[0], states[2]) == {}


def test_a_second_run_describes_nothing_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = []
    describe = Describer.plan

    def noting(self: Describer, code: bytes, address: int, bits: int) -> Plan:
        described.append(address)
        return describe(self, code, address, bits)

    monkeypatch.setattr(Describer, "plan", noting)
    Machine.boot("hello", cpu="p3-500").run(max_cycles=CYCLES)
    first = len(described)
    Machine.boot("hello", cpu="p3-500").run(max_cycles=CYCLES)
    assert first > 100
    assert len(described) == first


def test_the_blocks_of_another_process_are_known(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ("import os", "from emu.machine import Machine",            # with native code from the usual place
             f"os.environ['TRAPLINE_CACHE_DIR'] = {str(cache.parent)!r}",
             f"Machine.boot('hello', cpu='p3-500').run(max_cycles={CYCLES})")
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, timeout=300, env=USUAL)
    monkeypatch.setattr(Describer, "plan", lambda self, *block: pytest.fail(f"described anew: {block}"))
    Machine.boot("hello", cpu="p3-500").run(max_cycles=CYCLES)


def test_a_machine_without_a_timing_model_keeps_nothing(cache: Path) -> None:
    Machine.boot("hello", cpu="unit").run(max_cycles=CYCLES)
    assert not cache.exists()


def test_each_image_processor_and_level_has_its_own_file() -> None:
    slow, fast = load_profile("p3-500"), load_profile("k7-550")
    paths = {path_of(profile, image) for profile in (slow, slow.at("minimum"), fast) for image in ("one", "other")}
    assert len(paths) == 6
    assert path_of(slow, "one") == path_of(load_profile("p3-500"), "one")


# Files

def test_what_others_wrote_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    early = BlockStore()
    early.open(path)
    filled(path, 1, 2, 3)
    early.put(NOP, 4, 32, DESCRIBERS["p3-500"].plan(NOP, 4, 32))
    early.save()
    assert known(path, 1, 2, 3, 4, 5) == [1, 2, 3, 4]


def test_a_file_is_whole_while_many_write_it(tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    filled(path, HERE)
    with ThreadPoolExecutor(8) as pool:
        stores = pool.map(lambda number: filled(path, *range(number * 4, number * 4 + 4)), range(40))
        assert all(store.get(NOP, HERE, 32) for store in stores)
    assert [each.name for each in tmp_path.iterdir()] == ["blocks"]


DAMAGE = {
    "empty": lambda data: b"",
    "cut in its first line": lambda data: data[:20],
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "changed": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "of another version": lambda data: data.replace(b"blocks 1 ", b"blocks 0 ", 1),
    "of something else": lambda data: b"\x7fELF" + bytes(1000),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_damaged_counts_as_none_and_is_replaced(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    filled(path, 1, 2)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert known(path, 1, 2) == []
    filled(path, 1, 3)
    assert known(path, 1, 2, 3) == [1, 3]


def test_the_file_of_other_blocks_counts_as_none(tmp_path: Path) -> None:
    filled(tmp_path / "other", 1)
    (tmp_path / "other").rename(tmp_path / "blocks")
    assert known(tmp_path / "blocks", 1) == []


@pytest.mark.parametrize("place", ["a file/blocks", "a directory"])
def test_where_nothing_can_be_written_nothing_is_kept(place: str, tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(b"")
    (tmp_path / "a directory").mkdir()
    store = filled(tmp_path / place, 1)
    assert store.get(NOP, 1, 32)
    assert known(tmp_path / place, 1) == []
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a directory", "a file"]


def test_a_few_new_blocks_are_not_worth_writing(tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    store = filled(path, *range(80))
    for address in range(80, 91):
        store.put(NOP, address, 32, DESCRIBERS["p3-500"].plan(NOP, address, 32))
        store.save()
        assert known(path, address) == ([address] if address == 90 else [])


def test_memory_and_file_hold_a_limited_number_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_store, "MOST_BLOCKS", 3)
    path = tmp_path / "blocks"
    other = BlockStore()
    other.open(path)
    store = filled(path, 1, 2, 3, 4)
    assert store.get(NOP, 3, 32)
    assert not store.get(NOP, 4, 32)
    other.put(NOP, 5, 32, DESCRIBERS["p3-500"].plan(NOP, 5, 32))
    other.save()
    assert len(known(path, *range(6))) == 3


def test_the_oldest_files_go_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_store, "MOST_FILES", 3)
    for number in range(5):
        filled(tmp_path / str(number), 1)
        os.utime(tmp_path / str(number), (number, number))
    filled(tmp_path / "5", 1)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["3", "4", "5"]
