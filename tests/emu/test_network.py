"""A network in a machine: software that knows only PCI and the manual of the 82540EM finds the card and talks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.net import pcap
from emu.net.packets import Arp, Ethernet, EtherType, Operation, ip
from emu.network import IRQ, MAC, PORTS, REGISTERS, Network
from emu.result import Reason
from emu.snapshot import SnapshotError
from loader.assembler import assemble
from loader.linker import link

RECEIVE, TRANSMIT, BUFFER, FRAME = 0x20000, 0x21000, 0x22000, 0x23000       # where the driver has its things
OURS, THEIRS = ip("10.0.0.2"), ip("10.0.0.1")
REQUEST = Ethernet(bytes([255] * 6), MAC, EtherType.ARP, Arp(Operation.REQUEST, MAC, OURS, bytes(6), THEIRS).build()
                   ).build().ljust(60, b"\0")

DRIVER = f"""
; start: finds the card, sets up a ring of eight descriptors each way, sends the frame, and waits for one.
.global start
start:
    mov dx, 0xCF8
    mov eax, 0x80001810             ; base address register 0 of device 3
    out dx, eax
    mov dx, 0xCFC
    in eax, dx
    and eax, 0xFFFFFFF0
    mov ebp, eax
    mov dx, 0xCF8
    mov eax, 0x80001804             ; command: memory, bus master
    out dx, eax
    mov dx, 0xCFC
    mov eax, 6
    out dx, eax
    mov dword ptr [ebp], 0x40       ; CTRL.SLU
    mov dword ptr [ebp + 0x2800], {RECEIVE}
    mov dword ptr [ebp + 0x2808], 128
    mov dword ptr [ebp + 0x2818], 7
    mov dword ptr [ebp + 0x100], 0x8002     ; RCTL: enabled, broadcasts
    mov dword ptr [ebp + 0x3800], {TRANSMIT}
    mov dword ptr [ebp + 0x3808], 128
    mov dword ptr [ebp + 0x400], 0xA        ; TCTL: enabled, pads
    mov dword ptr [ebp + 0xD0], 0x80        ; IMS: a frame has been received

; send: the frame goes.
;   in    EBP = address of the registers
.global send
send:
    mov dword ptr [ebp + 0x3818], 1
.Lwait:
    test byte ptr [{RECEIVE} + 12], 1       ; the first descriptor is done
    jz .Lwait

; got: a frame is there.
.global got
got:
    hlt
"""
PROGRAM = link([assemble(DRIVER, name="driver.asm")], base=0x10000, entry="start")


def driver(plug: str, wire: str = "", **options: object) -> tuple[Machine, Network]:
    """A machine with a network, about to run the driver."""
    machine = Machine(cpu="p2-450", memory=4 << 20)
    network = Network(machine, plug, wire, **options)       # type: ignore[arg-type]
    for segment in PROGRAM.segments:
        machine.ram.write(segment.physical, segment.data)
    for at in range(8):
        machine.ram.write(RECEIVE + 16 * at, (BUFFER + 0x800 * at).to_bytes(16, "little"))
    machine.ram.write(TRANSMIT, FRAME.to_bytes(8, "little") + (len(REQUEST) | 0x0B << 24).to_bytes(8, "little"))
    machine.ram.write(FRAME, REQUEST)
    machine.cpu.registers.eip = PROGRAM.entry
    return machine, network


def received(machine: Machine) -> bytes:
    """The frame in the first receive buffer."""
    length = int.from_bytes(machine.ram.read(RECEIVE + 8, 2), "little")
    return machine.ram.read(BUFFER, length)


def run_to(machine: Machine, place: str) -> None:
    result = machine.run(until=PROGRAM.symbols[place], max_cycles=10_000_000)
    assert result.reason == Reason.UNTIL, result


def test_a_driver_finds_the_card_and_the_host_at_the_other_end_answers() -> None:
    machine, network = driver("host:10.0.0.1")
    run_to(machine, "got")
    frame = Ethernet.parse(received(machine))
    answer = Arp.parse(frame.payload)
    assert (frame.destination, answer.operation, answer.sender_ip, answer.target_ip) == (
        MAC, Operation.REPLY, THEIRS, OURS)
    assert machine.pic.irq[IRQ].level == 1 and network.wire.ends[0].sent == 1


def test_the_wire_takes_its_time() -> None:
    times = []
    for wire in ("rate=100M,delay=500ns", "rate=100M,delay=1ms"):
        machine, _ = driver("host:10.0.0.1", wire)
        run_to(machine, "send")
        begin = machine.clock.now
        run_to(machine, "got")
        times.append((machine.clock.now - begin) / machine.clock.frequency)
    assert times[1] - times[0] == pytest.approx(2 * (1e-3 - 500e-9), abs=1e-6)


def test_two_runs_are_one_and_a_snapshot_amid_the_traffic_goes_on_alike() -> None:
    machine, _ = driver("host:10.0.0.1")
    run_to(machine, "send")
    machine.run(max_cycles=3_000)               # the frame is on its way
    snapshot = machine.snapshot()
    run_to(machine, "got")
    whole = machine.clock.now, received(machine)
    machine.restore(snapshot)
    run_to(machine, "got")
    assert (machine.clock.now, received(machine)) == whole
    other, _ = driver("host:10.0.0.1")
    other.restore(snapshot)
    run_to(other, "got")
    assert (other.clock.now, received(other)) == whole
    again, _ = driver("host:10.0.0.1")
    run_to(again, "got")
    assert (again.clock.now, received(again)) == whole


def test_what_went_over_the_wire_is_recorded(tmp_path: Path) -> None:
    machine, network = driver(f"host:10.0.0.1+pcap:{tmp_path / 'run.pcap'}", epoch=1000)
    run_to(machine, "got")
    network.close()
    frames = pcap.load(tmp_path / "run.pcap")
    assert len(frames) == 2 and frames[0][1] == REQUEST
    assert all(1_000_000_000_000 < time < 1_001_000_000_000 for time, _ in frames)


def test_registers_move_with_their_base_address_and_vanish_where_something_is() -> None:
    machine, network = driver("none")
    memory, config = machine.bus.memory, network.nic.config
    assert memory.find(REGISTERS) and machine.bus.ports.find(PORTS)
    config.write(0x10, 0xD000_0000, 4)
    assert not memory.find(REGISTERS) and memory.read(0xD000_0008, 4) == network.nic.read(8, 4)
    config.write(0x18, 0x20, 4)                 # over the interrupt controller
    found = machine.bus.ports.find(0x20)
    assert found and found.name == "pic1" and not machine.bus.ports.find(PORTS)
    config.write(0x18, PORTS, 4)
    assert machine.bus.ports.find(PORTS)
    config.write(4, 0, 2)
    assert not memory.find(0xD000_0000) and not machine.bus.ports.find(PORTS)


def test_its_interrupt_is_level_triggered_as_a_firmware_would_leave_it() -> None:
    machine, _ = driver("none")
    assert machine.bus.ports.read(0x4D1, 1) == 1 << IRQ - 8
    machine.bus.ports.write(0x4D1, 0, 1)            # software may change it,
    snapshot = machine.snapshot()
    other, _ = driver("none")
    other.restore(snapshot)                         # and then it is part of the state
    assert other.bus.ports.read(0x4D1, 1) == 0


def test_a_recording_goes_back_in_time_with_the_machine(tmp_path: Path) -> None:
    def recorded(name: str) -> tuple[Machine, Network, Path]:
        path = tmp_path / name
        machine, network = driver(f"udp:dst=10.0.0.2,frames=10000,mac=52:54:00:12:34:56+pcap:{path}")
        machine.ram.write(PROGRAM.entry, b"\xEB\xFE")          # jmp $
        return machine, network, path

    machine, network, path = recorded("once.pcap")
    machine.run(max_cycles=450_000 * 5)
    network.close()
    whole = path.read_bytes()
    assert len(pcap.load(path)) > 40

    machine, network, path = recorded("twice.pcap")
    machine.run(max_cycles=450_000 * 2)
    snapshot = machine.snapshot()
    machine.run(max_cycles=450_000 * 3)
    machine.restore(snapshot)
    machine.run(max_cycles=450_000 * 3)
    network.close()
    assert path.read_bytes() == whole

    machine, network, path = recorded("rest.pcap")          # a new file has what comes from there on
    machine.restore(snapshot)
    machine.run(max_cycles=450_000 * 3)
    network.close()
    rest = pcap.load(path)
    assert 25 < len(rest) < 35 and rest == pcap.load(tmp_path / "once.pcap")[-len(rest):]


def test_a_snapshot_with_another_plug_is_refused() -> None:
    snapshot = driver("host:10.0.0.1")[0].snapshot()
    machine, _ = driver("loop")
    with pytest.raises(SnapshotError) as raised:
        machine.restore(snapshot)
    assert str(raised.value) == "the plug is not the one with which the snapshot was taken; take that"


def test_a_machine_with_a_tap_has_no_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = driver("none")[0].snapshot()
    monkeypatch.setattr("emu.net.plug.attach", lambda name: os.open("/dev/null", os.O_RDWR))
    machine, network = driver("tap:tap0")
    for action in (machine.snapshot, lambda: machine.restore(snapshot)):
        with pytest.raises(SnapshotError, match="can neither be saved nor go back in time"):
            action()
    network.close()


def test_a_machine_has_one_network() -> None:
    machine, _ = driver("none")
    with pytest.raises(ValueError, match="has a network already"):
        Network(machine)
