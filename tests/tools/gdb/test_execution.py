"""Steps and interrupts, threads, watchpoints and going back, over the protocol; by the machine itself as oracle."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emu.cpu.x86 import IF
from emu.machine import Machine

Serve = Callable[..., Any]              # the fixture `serve`
Guests = Any                            # the fixture `guests`

# A timer interrupt every 170 cycles or so, while EBX counts.
TICKING = """
    mov eax, tick
    mov [gate], ax
    shr eax, 16
    mov [gate + 6], ax
    mov eax, software
    mov [soft_gate], ax
    shr eax, 16
    mov [soft_gate + 6], ax
    lgdt [gdt_register]
    lidt [idt_register]
    jmp 8:.Lcode
.Lcode:
    mov eax, 0x10
    mov ss, ax
    mov al, 0x11
    out 0x20, al
    mov al, 0x20
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xFE                ; IRQ 0 alone
    out 0x21, al
    mov al, 0x34                ; rate generator
    out 0x43, al
    mov al, 2
    out 0x40, al
    mov al, 0
    out 0x40, al
    xor ebx, ebx
    sti
count:
    inc ebx
    mov [counter], ebx
    cmp ebx, 3000
    jne count
trap:
    int 0x21
    hlt
awake:
    nop
    mov eax, 5
    out 0xF4, eax

tick:
    push eax
    inc dword ptr [ticks]
    mov al, 0x20
    out 0x20, al
    pop eax
    iretd

software:
    nop
    iretd

.data
counter:
    .long 0
ticks:
    .long 0
gdt:
    .quad 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF
gdt_register:
    .word 23
    .long gdt
idt:
    .space 8 * 0x20
gate:
    .word 0, 8, 0x8E00, 0
soft_gate:
    .word 0, 8, 0x8E00, 0
idt_register:
    .word 8 * 0x22 - 1
    .long idt
"""


def eip(client: Any) -> int:
    return int.from_bytes(bytes.fromhex(client.ask("p8")), "little")


def run_to(served: Any, client: Any, place: str) -> str:
    """Continue to a symbol."""
    address = served.machine.address(place)
    client.ask(f"Z0,{address:x},1")
    reply: str = client.ask("vCont;c")
    client.ask(f"z0,{address:x},1")
    return reply


def places(machine: Machine, *names: str) -> list[int]:
    return [machine.address(name) for name in names]


@pytest.fixture
def ticking(serve: Serve, guests: Guests) -> Iterator[tuple[Any, Any]]:
    """A guest with a timer, at `count`."""
    served = serve(guests.of(TICKING))
    client = served.connect()
    run_to(served, client, "count")
    yield served, client
    client.close()


def test_steps_do_not_go_into_interrupts(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    start, end = places(served.machine, "count", "trap")
    seen = []
    for _ in range(800):
        client.ask("vCont;s:1")
        seen.append(eip(client))
    assert all(start <= at < end for at in seen)
    assert [seen[at:at + 4] for at in range(0, 800, 4)] == [seen[:4]] * 200      # each turn of the loop as it stands
    assert served.machine.irqs[0] > 1


def test_steps_go_into_interrupts_if_asked(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    assert "goes into interrupts" in client.monitor("step-interrupts on")
    seen = []
    for _ in range(800):
        client.ask("vCont;s:1")
        seen.append(eip(client))
    assert seen.count(served.machine.address("tick")) > 1


def test_a_breakpoint_in_the_handler_of_an_interrupt_holds_during_a_step(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    tick = served.machine.address("tick")
    client.ask(f"Z0,{tick:x},1")
    replies = [client.ask("vCont;s:1") for _ in range(800)]
    hits = [reply for reply in replies if reply.endswith("swbreak:;")]
    assert len(hits) > 1
    assert all(f"08:{tick.to_bytes(4, 'little').hex()};" in reply for reply in hits)


def test_a_breakpoint_that_gdb_takes_away_to_step_over_it_is_not_missed(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    here, tick = places(served.machine, "count", "tick")
    handled, seen = int(served.machine.irqs[0]), 0
    for _ in range(200):                                    # continue, as gdb does it
        for place in (here, tick):
            client.ask(f"z0,{place:x},1")
        if client.ask("vCont;s:1;c").endswith("swbreak:;"):
            seen += 1
            continue
        for place in (here, tick):
            client.ask(f"Z0,{place:x},1")
        client.ask("vCont;c")
        seen += eip(client) == tick
    assert seen > 1
    assert served.machine.irqs[0] - handled == seen


def test_a_breakpoint_that_is_deleted_is_forgotten(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    run_to(served, client, "tick")
    for _ in range(20):
        client.ask("vCont;s:1")
    for _ in range(800):
        client.ask("vCont;s:1")
        assert eip(client) != served.machine.address("tick")
    assert served.machine.irqs[0] > 1


def test_a_step_over_int_lands_in_its_handler(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    run_to(served, client, "trap")
    client.ask("vCont;s:1")
    assert eip(client) == served.machine.address("software")


def test_a_step_over_hlt_waits_for_the_interrupt_and_its_handler(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    run_to(served, client, "awake")
    client.ask("bs")
    handled = int(served.machine.irqs[0])
    client.ask("vCont;s:1")
    assert eip(client) == served.machine.address("awake")
    assert served.machine.irqs[0] == handled + 1


def test_stepping_back_undoes_what_stepping_did(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    counts = served.machine.cpu.state
    seen = []
    for _ in range(320):
        seen.append((counts.instructions, eip(client)))
        client.ask("vCont;s:1")
    assert served.machine.irqs[0] == 1
    for instructions, place in reversed(seen[-150:]):
        client.ask("bs")
        assert (counts.instructions, eip(client)) == (instructions, place)
    assert served.machine.irqs[0] == 0


def test_nobody_goes_back_farther_than_the_beginning(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of("nop\nnop\nhlt"))
    client = served.connect()
    client.ask("s")
    assert client.ask("bs").endswith(";")
    assert client.ask("bs").endswith("replaylog:begin;")
    client.ask("s")
    assert client.ask("bc").endswith("replaylog:begin;")
    assert eip(client) == served.machine.image.entry


def test_going_back_finds_every_stop_of_the_way_forward(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    counts = served.machine.cpu.state
    client.ask(f"Z0,{served.machine.address('tick'):x},1")
    client.ask("vCont;c")
    there = [int(counts.cycles)]
    for _ in range(20):
        client.ask(f"z0,{served.machine.address('tick'):x},1")
        client.ask("vCont;s:1")
        client.ask(f"Z0,{served.machine.address('tick'):x},1")
        client.ask("vCont;c")
        there.append(int(counts.cycles))
    back = []
    for _ in range(20):
        assert client.ask("bc").endswith("swbreak:;")
        back.append(int(counts.cycles))
    assert back == there[-2::-1]


@pytest.mark.parametrize(("kind", "word"), [(2, "watch"), (4, "awatch")])
def test_a_watchpoint_stops_behind_the_access_and_names_it(ticking: tuple[Any, Any], kind: int, word: str) -> None:
    served, client = ticking
    counter = served.machine.address("counter")
    assert client.ask(f"Z{kind},{counter:x},4") == "OK"
    for count in range(1, 6):
        assert client.ask("vCont;c").endswith(f";{word}:{counter:x};")
        assert client.ask(f"m{counter:x},4") == count.to_bytes(4, "little").hex()
        assert eip(client) == served.machine.address("count") + 7
    assert client.ask(f"z{kind},{counter:x},4") == "OK"
    assert client.ask("vCont;c") == "W05"


def test_a_read_watchpoint_is_not_for_writes(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    assert client.ask(f"Z3,{served.machine.address('counter'):x},4") == "OK"
    ticks = served.machine.address("ticks")
    assert client.ask(f"Z3,{ticks:x},4") == "OK"
    assert client.ask("vCont;c").endswith(f"rwatch:{ticks:x};")


def test_a_watched_access_is_found_backward_in_front_of_it(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    counter = served.machine.address("counter")
    client.ask(f"Z2,{counter:x},4")
    for _ in range(5):
        client.ask("vCont;c")
    for count in (4, 3, 2):
        assert client.ask("bc").endswith(f"watch:{counter:x};")
        assert client.ask(f"m{counter:x},4") == count.to_bytes(4, "little").hex()


def test_memory_that_is_not_there_cannot_be_watched(serve: Serve) -> None:
    served = serve("hello")
    client = served.connect()
    run_to(served, client, "start")
    assert re.match("E.nothing to watch at 0x0", client.ask("Z2,0,4"))


def test_what_gdb_writes_belongs_to_the_run(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    counter = served.machine.address("counter")
    client.ask("P3=b80b0000")                               # EBX
    client.ask("M%x,4:07000000" % counter)  # noqa: UP031
    client.ask("vCont;s:1")
    client.ask("bs")
    assert client.ask("p3") == "b80b0000"
    assert client.ask(f"m{counter:x},4") == "07000000"
    client.ask("bs")
    assert client.ask("p3") == "00000000"


def test_monitor_goes_back_to_a_snapshot(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    client.monitor("snapshot here")
    before = served.machine.cpu.state.cycles
    run_to(served, client, "awake")
    assert served.machine.cpu.state.cycles > before
    assert "maintenance flush register-cache" in client.monitor("goto here")
    assert served.machine.cpu.state.cycles == before
    assert "monitor snapshots lists them" in client.monitor("goto elsewhere")


def test_the_end_of_the_guest_can_be_a_stop(ticking: tuple[Any, Any]) -> None:
    served, client = ticking
    client.monitor("stop-at-exit on")
    assert client.ask("vCont;c").startswith("T06")
    assert "ended with exit code 5" in client.said
    run = client.ask(f"Z0,{served.machine.address('awake'):x},1")
    assert run == "OK"
    assert client.ask("bc").endswith("swbreak:;")


class Typed:
    """Input that can be asked for once."""

    has_keys = False

    def __init__(self, text: bytes) -> None:
        self.text = text

    def take(self, most: int) -> bytes:
        taken, self.text = self.text[:most], self.text[most:]
        return taken

    def wait(self) -> bool:
        return bool(self.text)

    def is_open(self) -> bool:
        return bool(self.text)


def test_input_comes_again_when_the_machine_goes_through_its_past(serve: Serve, guests: Guests) -> None:
    served = serve(guests.polling(fifo=True, delay=50), source=Typed(b"abcq"))
    client = served.connect()
    client.monitor("stop-at-exit on")
    ends = []
    for _ in range(3):
        assert client.ask("vCont;c").startswith("T06")
        ends.append((bytes(served.machine.console), served.machine.counters))
        assert client.ask("bc").endswith("replaylog:begin;")
        assert served.machine.counters.instructions == 0
    assert ends[0][0] == b">abcq"
    assert ends[1:] == ends[:1] * 2


@pytest.fixture
def preempt(serve: Serve) -> Iterator[tuple[Any, Any]]:
    """Three programs, the first of which runs."""
    served = serve("preempt")
    client = served.connect()
    run_to(served, client, "timer_interrupt")
    yield served, client
    client.close()


def test_threads_of_the_guest_are_threads(preempt: tuple[Any, Any]) -> None:
    _, client = preempt
    assert client.ask("qfThreadInfo") == "m1,2,3,4"
    assert client.ask("qC") == "QC2"
    names = [bytes.fromhex(client.ask(f"qThreadExtraInfo,{number}")).decode() for number in range(1, 5)]
    assert names == ["idle (0), idle", "ping (1), running", "pong (2), ready", "crash (3), ready"]


def test_a_thread_that_does_not_run_has_the_registers_on_its_stack(preempt: tuple[Any, Any]) -> None:
    served, client = preempt
    assert client.ask("Hg3") == "OK"
    values = client.ask("g")
    assert values[:8] == "x" * 8                            # nobody kept EAX
    assert int.from_bytes(bytes.fromhex(values[64:72]), "little") == served.machine.address("trap_exit")
    assert client.ask("P0=00000000").startswith("E.pong (2), ready: does not run")


def test_memory_is_that_of_the_thread_that_gdb_looks_at(preempt: tuple[Any, Any]) -> None:
    _, client = preempt
    strings = []
    for thread in (2, 3, 4):
        client.ask(f"Hg{thread}")
        text = bytes.fromhex(client.ask("mbfffef00,100")).strip(b"\0")
        strings.append(text.split(b"\0")[-1].decode())
    assert strings == ["ping", "pong", "crash"]


def test_a_step_of_another_thread_brings_it_to_the_processor(preempt: tuple[Any, Any]) -> None:
    served, client = preempt
    assert "thread:3;" in client.ask("vCont;s:3;c")
    assert eip(client) == served.machine.address("trap_exit") + 1


def test_a_step_of_a_thread_stays_with_it_through_preemption(preempt: tuple[Any, Any]) -> None:
    """The oracle is the same machine with interrupts off: it runs what the thread would run alone."""
    served, client = preempt
    machine = served.machine
    while machine.cpu.cpl == 0:
        client.ask("bs")
    for _ in range(10):
        client.ask("bs")
    oracle = Machine.boot("preempt")
    oracle.run(max_instructions=machine.cpu.state.instructions)
    oracle.cpu.registers.eflags &= ~IF
    interrupts, start = machine.cpu.state.interrupts, machine.cpu.state.cycles
    for _ in range(40):
        oracle.step()
        assert "thread:2;" in client.ask("vCont;s:2;c")
        assert eip(client) == oracle.cpu.linear_eip
    assert machine.cpu.state.interrupts > interrupts
    assert machine.cpu.state.cycles - start > 100_000       # the others had their turns
