"""A recording changes nothing, and gives back what the run cost, or would have cost on another processor."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import fuzzing
import machine_code
import pytest
from cutting import difference, run_in_pieces, state
from machine_code import CODE, FREE, BareMachine, gate

from emu.machine import Machine
from emu.network import Network
from emu.recording.file import Recording
from emu.recording.prices import price
from emu.recording.recorder import Recorder
from emu.timing.profile import Profile, load_profile, profiles

PROFILES = [name for name in profiles() if name != "unit"]
Record = Callable[[Callable[[], Machine]], tuple[Machine, Recording]]

# A bit of everything that is charged, without interrupts and without asking for the time.
WORK = f"""
    mov ecx, 40
again: push ecx
    mov esi, 0x30000; mov edi, 0x31f80; mov ecx, 70; rep movsd
    mov edi, 0x30003; mov ecx, 3; rep stosw; mov ecx, 0; rep stosd
    mov eax, [0x30ffe]; inc dword ptr [0x31ffd]
    imul eax, eax, 77; and eax, 0xffc; add [eax + 0x32000], eax
    test al, 4; jz skip; xor eax, eax; div dword ptr [0x30100]
skip: mov edx, cr3; mov cr3, edx; invlpg [0x30000]
    int 0x80; .byte 0x9a; .long 0; .word {FREE}
    in al, 0x61; out 0x80, al; mov edx, 0xcf8; in eax, dx
    mov ax, ds; mov es, ax; wbinvd; cpuid
    pop ecx; dec ecx; jnz again
    jmp end
handler: add dword ptr [esp], 0; iretd
fault: add dword ptr [esp], 6; iretd
gated: lea eax, [esp - 4]; retf
"""


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Record:
    """Runs what it is given, which makes and runs a machine, and returns that machine and its recording."""
    def run(make: Callable[[], Machine]) -> tuple[Machine, Recording]:
        recorders: list[Recorder] = []

        def recorded(**options: object) -> Machine:
            machine = Machine(**options)  # type: ignore[arg-type]
            recorders.append(Recorder(machine, tmp_path / "run.rec"))
            return machine

        with monkeypatch.context() as patch:
            patch.setattr(machine_code, "Machine", recorded)
            machine = make()
        recorders[0].close()
        return machine, Recording(tmp_path / "run.rec")
    return run


def work(cpu: str | Profile, paging: bool) -> Machine:
    """A machine that has done WORK."""
    bare = BareMachine(WORK, cpu=cpu, paging=paging, handlers={0: "fault", 0x80: "handler"})  # type: ignore[arg-type]
    bare.set_descriptor(FREE, gate(machine_code.CODE0, bare.address("gated"), machine_code.CALL))
    bare.run(until="end", max_cycles=50_000_000)
    return bare.machine


@pytest.mark.parametrize("cpu", PROFILES)
@pytest.mark.parametrize("paging", [False, True], ids=["physical", "paged"])
def test_a_run_that_nothing_interrupts_costs_on_another_processor_what_it_would_cost_there(
        cpu: str, paging: bool, record: Record) -> None:
    machine, recording = record(lambda: work(cpu, paging))
    assert price(recording, machine.profile).counters == machine.counters
    for other in PROFILES:
        assert price(recording, load_profile(other)).counters == work(other, paging).counters


@pytest.mark.parametrize(("image", "cpu", "cycles"), [
    ("hello", "p3-500", 6_000_000), ("preempt", "p3-500", 6_000_000), ("preempt", "p5-166", 2_000_000)])
def test_a_recorded_guest_runs_as_any_other_and_costs_what_it_cost(image: str, cpu: str, cycles: int,
                                                                   tmp_path: Path) -> None:
    plain, machine = (Machine.boot(image, cpu=cpu) for _ in range(2))
    plain.run(max_cycles=cycles)
    with Recorder(machine, tmp_path / "run.rec"):
        machine.run(max_cycles=cycles)
    assert not difference(state(plain), state(machine))
    assert sum(machine.irqs)
    assert price(Recording(tmp_path / "run.rec"), load_profile(cpu)).counters == machine.counters


def test_what_devices_write_is_recorded(tmp_path: Path) -> None:
    machine = Machine.boot("echo", cpu="p2-450")
    network = Network(machine, "udp:dst=10.0.0.2,port=7,frames=20000,size=1472,start=10ms", "rate=1G")
    with Recorder(machine, tmp_path / "run.rec"):
        machine.run(max_cycles=7_000_000)
    assert network.plug.describe()["udp returned datagrams"] > 80
    assert price(Recording(tmp_path / "run.rec"), machine.profile).counters == machine.counters


def test_a_run_in_pieces_is_recorded_as_one(tmp_path: Path) -> None:
    machine = Machine.boot("preempt", cpu="k7-550")
    with Recorder(machine, tmp_path / "run.rec"):
        run_in_pieces(machine, 150_000, random.Random(1), longest=5000)
    assert price(Recording(tmp_path / "run.rec"), machine.profile).counters == machine.counters


@pytest.mark.parametrize("kind", ["soup0", "soup3", "bytes0", "bytes3"])
@pytest.mark.parametrize("seed", range(4))
def test_random_code_is_recorded_exactly(kind: str, seed: int, record: Record,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    check_random_code(kind, seed, record, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["soup0", "soup3", "bytes0", "bytes3"])
@pytest.mark.parametrize("seed", range(100, 200))
def test_much_random_code_is_recorded_exactly(kind: str, seed: int, record: Record,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    check_random_code(kind, seed, record, monkeypatch)


def check_random_code(kind: str, seed: int, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "PROFILES", PROFILES)

    def run() -> Machine:
        machine: Machine = fuzzing.make(kind, seed).machine
        machine.run(max_cycles=20_000)
        return machine

    machine, recording = record(run)
    assert not difference(state(run()), state(machine))
    assert price(recording, machine.profile).counters == machine.counters


def test_a_halted_processor_waits_as_long_by_another_clock(tmp_path: Path) -> None:
    slow, fast = load_profile("p5-166"), load_profile("pd-3000")
    sleeper = sleeping(slow, tmp_path)
    priced = price(Recording(tmp_path / "run.rec"), fast).counters
    assert sleeper.idle_cycles > 1_000_000
    assert priced.idle_cycles == sleeper.idle_cycles * fast.clock // slow.clock


def sleeping(profile: Profile, place: Path) -> Machine:
    """A machine that has waited for a limit, recorded."""
    machine = Machine(cpu=profile, memory=1 << 20)
    machine.ram.write(CODE, bytes.fromhex("fbf4ebfc"))      # STI; HLT; JMP
    machine.cpu.registers.eip = CODE
    with Recorder(machine, place / "run.rec"):
        machine.run(max_cycles=2_000_000)
    return machine


def test_a_profile_without_figures_is_refused(tmp_path: Path) -> None:
    machine = Machine(cpu="p3-500", memory=1 << 20)
    Recorder(machine, tmp_path / "run.rec").close()
    with pytest.raises(ValueError, match=r"^unit: has no figures to price by.*; choose another --cpu$"):
        price(Recording(tmp_path / "run.rec"), load_profile("unit"))


def test_a_unit_machine_is_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^unit: has no caches to record accesses for; choose another --cpu$"):
        Recorder(Machine(memory=1 << 20), tmp_path / "run.rec")


def test_a_recording_begins_at_power_on(tmp_path: Path) -> None:
    machine = Machine.boot("hello", cpu="p3-500")
    machine.step()
    with pytest.raises(ValueError, match="begins at power-on"):
        Recorder(machine, tmp_path / "run.rec")
