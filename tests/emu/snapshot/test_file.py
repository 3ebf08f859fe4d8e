"""Snapshots in files: what was saved goes on in another process; what does not fit is refused in one line."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from cutting import state

from emu.container import Writer
from emu.machine import Machine
from emu.snapshot import Snapshot, SnapshotError, file

SMALL = 1 << 20                     # bytes of memory


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A file of a machine without an image, in the middle of nothing."""
    machine = Machine(memory=SMALL)
    machine.ram.write(0x5000, bytes(range(256)))
    machine.snapshot().save(tmp_path / "saved")
    return tmp_path / "saved"


def test_a_file_is_the_snapshot(tmp_path: Path) -> None:
    machine = Machine.boot("preempt", cpu="p3-500")
    machine.run(max_instructions=123_456)
    snapshot = machine.snapshot()
    snapshot.save(tmp_path / "file")
    read = Snapshot.load(tmp_path / "file")
    assert vars(read) == vars(snapshot)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_another_process_goes_on_alike(tmp_path: Path) -> None:
    machine = Machine.boot("preempt", cpu="p2-450")
    machine.run(max_instructions=77_777)
    machine.snapshot().save(tmp_path / "file")
    machine.run(max_cycles=1_000_000)
    program = (f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1] / 'cpu')!r})\n"
               "from cutting import state\nfrom emu.machine import Machine\nfrom emu.snapshot import Snapshot\n"
               "machine = Machine.boot('preempt', cpu='p2-450'); machine.restore(Snapshot.load(sys.argv[1]))\n"
               "machine.run(max_cycles=1_000_000); print(state(machine))")
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "file")], capture_output=True, text=True,
                          timeout=120, check=True)
    assert done.stdout.strip() == str(state(machine))


def test_a_file_of_another_machine_is_refused(saved: Path) -> None:
    with pytest.raises(SnapshotError, match="1024 KiB of memory"):
        Machine(memory=2 * SMALL).restore(Snapshot.load(saved))


def refusal(path: Path) -> str:
    with pytest.raises(SnapshotError) as refused:
        Snapshot.load(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x7fELF and so on")
    assert "no snapshot; make one with" in refusal(tmp_path / "file")


def test_a_file_of_another_version_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole.replace(b"snapshot 1\n", b"snapshot 9\n", 1))
    assert "another version" in refusal(saved)


def test_a_file_of_another_trapline_is_refused(saved: Path) -> None:
    head = json.loads(saved.read_bytes().split(b"\n")[1])
    with Writer(saved, file.FORMAT, head | {"trapline": "0.0.1"}):
        pass
    assert "taken by Trapline 0.0.1, this is " in refusal(saved)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_refused(saved: Path, part: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[:int(len(whole) * part)])
    refusal(saved)


def test_a_file_with_any_byte_changed_is_refused_or_the_same(saved: Path) -> None:
    whole, rng = saved.read_bytes(), random.Random(1)
    original = Snapshot.load(saved)
    for at in rng.sample(range(len(whole)), 150):
        saved.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1:])
        try:
            read = Snapshot.load(saved)
        except SnapshotError as error:
            assert "\n" not in str(error)
        else:
            assert vars(read) == vars(original)


def test_a_file_that_cannot_be_written_leaves_what_was_there(saved: Path, tmp_path: Path) -> None:
    snapshot = Snapshot.load(saved)
    with pytest.raises(OSError) as refused:
        snapshot.save(tmp_path / "no such folder" / "file")
    assert refused.value.filename == str(tmp_path / "no such folder" / "file")
