"""Devices under the microkernel: their registers as pages, which are no memory for the kernel; and PCI."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.network import MAC, REGISTERS, Network
from emu.snapshot import Snapshot
from guest.abi.cpu import Vector
from guest.abi.e1000 import E1000Register, Pci, PciRegister
from guest.abi.memory import Memory
from guest.abi.micro import KTCB, CallError, IpcError, Label, MicroCall, MicroMemory
from loader.build import build
from tests.guest.micro.conftest import PROGRAMS, SELDOM, write_manifest
from tests.guest.micro.puppets import PAGE_SIZE, PROGRAM, Failed, Message, Puppet, Stage, fpage, map_item, string

DEVICES = int(MicroMemory.ROOT_DEVICES)
CARD = DEVICES + REGISTERS - Memory.DEVICE_BASE         # where the root task sees the card's registers
FUNCTION = int(Pci.PCI_ENABLE) | 3 << 11                # the card on the PCI bus
RAL = CARD + E1000Register.E1000_RAL
THERE = 0x0800_0000                                     # where others have it
OVERFLOW, RECEIVE = IpcError.IPC_OVERFLOW, IpcError.IPC_RECEIVE_PHASE
ALL_ONES = 0xFFFF_FFFF


@pytest.fixture(scope="module")
def carded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Machine, Snapshot]]:
    """Machines with a card, each variant booted once."""

    @cache
    def boot(variant: str) -> tuple[Machine, Snapshot]:
        manifest = tmp_path_factory.mktemp("devices") / f"{variant}.toml"
        write_manifest(manifest, variant, Path(PROGRAMS / f"{PROGRAM}.asm"), {"TICK_HZ": SELDOM})
        machine = Machine.boot(build(manifest), memory=16 << 20)
        Network(machine)
        return machine, Stage.boot(machine, variant == "uls")

    return boot


@pytest.fixture
def stage(carded: Callable[[str], tuple[Machine, Snapshot]], variant: str) -> Stage:
    """A stage with a card."""
    machine, snapshot = carded(variant)
    machine.restore(snapshot)
    return Stage(machine, variant == "uls")


@pytest.fixture
def far(stage: Stage) -> Puppet:
    """A thread in a space of its own, which has the card's registers, and a page of memory in front of them."""
    thread = stage.thread(space=True)
    card = [map_item(fpage(CARD + at), THERE + at) for at in (0, 0x5000)]
    stage.pages(thread, [map_item(fpage(stage.page(0)), THERE - PAGE_SIZE), *card])
    stage.invariants.check()
    return stage.let(thread)


def test_the_root_task_reaches_registers_by_a_fault(stage: Stage) -> None:
    root = stage.direct()
    root.reads(RAL)
    assert root.register("eax").to_bytes(4, "little") == MAC[:4]
    root.writes(RAL, 0x1234_5678)
    root.reads(RAL)
    assert root.register("eax") == 0x1234_5678
    stage.invariants.check()


def test_others_reach_them_where_they_have_been_mapped(stage: Stage, far: Puppet) -> None:
    far.reads(THERE + E1000Register.E1000_RAL)
    assert far.register("eax").to_bytes(4, "little") == MAC[:4]


def test_rights_hold_for_devices(stage: Stage) -> None:
    pager = stage.thread()
    far = stage.thread(space=True, pager=pager)
    stage.pages(far, [map_item(fpage(CARD + 0x5000, rights=4), THERE)])
    stage.let(pager).receive(far)
    stage.let(far).writes(THERE, 1)
    assert pager.got == Message(far, Label.LABEL_PAGE_FAULT + 2, (THERE, stage.place("puppet_write")))
    stage.invariants.check()


def test_a_device_is_granted_and_taken_back_like_memory(stage: Stage, far: Puppet) -> None:
    heir = stage.thread(space=True)
    stage.let(heir).accept(fpage(0, 1))
    heir.receive(far)
    stage.let(far).send(heir, typed=[map_item(fpage(THERE + 0x5000), THERE, grant=True)])
    assert not has_device(far, THERE + 0x5000) and has_device(heir, THERE)
    stage.invariants.check()
    root = stage.direct()
    root.set_utcb("mr0", fpage(CARD, 17))
    root.system(MicroCall.L4_UNMAP, ebx=0)
    assert not has_device(heir, THERE) and not has_device(far, THERE)
    stage.invariants.check()


def has_device(thread: Puppet, page: int) -> bool:
    """Is there a device's page?"""
    return thread.has_page(page) and thread.physical(page) >= Memory.DEVICE_BASE


# What is no memory for the kernel

@pytest.mark.parametrize("at", [THERE, THERE - 2], ids=["whole", "its end"])
@pytest.mark.parametrize("which", ["source", "target"])
def test_a_string_from_or_to_a_device_does_not_fit(stage: Stage, far: Puppet, at: int, which: str) -> None:
    near = stage.thread()
    stage.let(near).reads(stage.page(3))
    sender, receiver = (far, near) if which == "source" else (near, far)
    source, target = (at, stage.page(3)) if which == "source" else (stage.page(3), at)
    stage.let(receiver).accept(0, string(target, 4))
    receiver.receive(sender)
    stage.let(sender).send(receiver, typed=[string(source, 4)])
    assert sender.can_run and receiver.can_run
    assert sender.got == Failed(OVERFLOW) and receiver.got == Failed(OVERFLOW | RECEIVE)


@pytest.mark.parametrize("which", ["source", "target"])
def test_nor_one_of_the_root_tasks_own_whether_it_has_touched_it_or_not(stage: Stage, which: str) -> None:
    one, two = stage.thread(), stage.thread()
    source, target = (RAL, stage.page(3)) if which == "source" else (stage.page(3), RAL)
    for _ in range(2):
        stage.let(two).accept(0, string(target, 4))
        two.receive(one)
        stage.let(one).send(two, typed=[string(source, 4)])
        assert one.got == Failed(OVERFLOW) and two.got == Failed(OVERFLOW | RECEIVE)


def test_the_console_writes_nothing_of_a_device(stage: Stage, far: Puppet) -> None:
    for address in (THERE, THERE - 2):
        far.system(MicroCall.KDB_WRITE, ebx=address, ecx=4)
        assert far.register("eax") == ALL_ONES
    assert stage.console == []


def test_the_instruction_of_a_fault_is_not_looked_up_in_a_device(stage: Stage) -> None:
    """The machine fetches none from there, so the thread that may halt in `uls` is put there amid the exception."""
    root, handler = stage.root, stage.thread()
    root.set_utcb("handler", handler.id)
    stage.let(handler).receive(root)
    stage.direct().reads(CARD)
    cpu = stage.machine.cpu.registers
    cpu.eip = stage.place("puppet_halts")
    stage.machine.run(until="sched_may_halt", max_cycles=10_000)
    stage.machine.ram.write(root.ktcb + KTCB.offsets["eip"] - Memory.KERNEL_BASE, CARD.to_bytes(4, "little"))
    stage.run()
    got = handler.got
    assert isinstance(got, Message) and got.sender is root and (got.words[0], got.words[2]) == (CARD, Vector.EXC_GP)


# PCI configuration space

def read(root: Puppet, register: int) -> int:
    """A register of configuration space, by the call."""
    root.system(MicroCall.L4_PCI_READ, ebx=register)
    assert root.refused is None
    return root.register("ecx")


def test_the_root_task_reads_and_writes_configuration_space(stage: Stage) -> None:
    root = stage.direct()
    assert read(root, FUNCTION) == Pci.E1000_ID
    assert read(root, FUNCTION + PciRegister.PCI_BAR0) == REGISTERS
    assert read(root, FUNCTION + 0x800) == ALL_ONES         # nobody is there
    command = FUNCTION + PciRegister.PCI_COMMAND
    before = read(root, command)
    root.system(MicroCall.L4_PCI_WRITE, ebx=command, ecx=before & 0xFFFF | 4)
    assert root.refused is None
    assert read(root, command) == before | 4


@pytest.mark.parametrize("register", [0, FUNCTION & ALL_ONES >> 1, FUNCTION | 1, FUNCTION | 2, FUNCTION | 1 << 24,
                                      FUNCTION | 1 << 30])
@pytest.mark.parametrize("call", [MicroCall.L4_PCI_READ, MicroCall.L4_PCI_WRITE])
def test_what_is_no_register_is_refused(stage: Stage, call: MicroCall, register: int) -> None:
    root = stage.direct()
    before = stage.machine.pci.address
    root.system(call, ebx=register, ecx=0x55)
    assert root.refused == CallError.CALL_PARAMETER
    assert root.register("ecx") == 0x55 and stage.machine.pci.address == before


@pytest.mark.parametrize("call", [MicroCall.L4_PCI_READ, MicroCall.L4_PCI_WRITE])
def test_only_the_root_task_may(stage: Stage, far: Puppet, call: MicroCall) -> None:
    far.system(call, ebx=FUNCTION, ecx=0)
    assert far.refused == CallError.CALL_PRIVILEGE
    helper = stage.thread()                                 # any thread of its space
    stage.let(helper).system(call, ebx=FUNCTION, ecx=0)
    assert helper.refused is None
