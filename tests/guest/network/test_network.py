"""The kernel `network`: programs talk to a host over the card, and to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from emu.net.tcp import Stack
from emu.result import Reason
from guest.abi.sockets import SOCKET, SocketSize
from tests.guest.network.conftest import MS, Guest

Boot = Callable[..., Guest]             # the fixture `guest`


def test_the_kernel_says_who_it_is(guest: Boot) -> None:
    banner = guest("hog").machine.console.decode().splitlines()
    assert banner[1] == "network: 10.0.0.2, 82540EM"
    addresses = {"HOST_ADDRESS": 0xC0A80102, "HOST_MASK": 0xFFFF0000}
    assert guest("hog", plug=None, parameters=addresses).machine.console.decode().splitlines()[1] == \
        "network: 192.168.1.2, no card"


@pytest.mark.parametrize("size", [18, 64, 1472])
def test_datagrams_come_back(size: int, guest: Boot) -> None:
    booted = guest("udp_echo", plug=f"udp:dst=10.0.0.2,port=7,frames=2000,size={size},count=150,start=30ms")
    booted.run(100 * MS)
    said = booted.said()
    assert said["udp sent"] == said["udp returned datagrams"] == 150, said


def test_one_datagram_is_answered_at_once(guest: Boot) -> None:
    booted = guest("udp_echo", plug="udp:dst=10.0.0.2,port=7,frames=100,size=64,count=10,start=30ms")
    booted.run(110 * MS)
    assert booted.said()["udp returned latency mean"] < MS // 20, booted.said()     # 50 us


def test_interrupts_come_at_most_as_often_as_the_image_says(guest: Boot) -> None:
    flood = "udp:dst=10.0.0.2,port=7,frames=25000,size=18,start=28ms"
    for interval, least, most in ((489, 7000, 8000), (0, 16_000, 26_000)):
        booted = guest("udp_echo", plug=flood, parameters={"E1000_INTERVAL": interval})
        before = booted.machine.counters.irqs[11]
        booted.run(10 * MS)
        assert least < (booted.machine.counters.irqs[11] - before) * 100 <= most


def test_a_burst_is_taken_although_one_interrupt_is_not_enough_for_it(guest: Boot) -> None:
    burst = "udp:dst=10.0.0.2,port=7,frames=1000000,size=18,count=60,start=40ms"
    booted = guest("udp_echo", plug=burst, wire="rate=1G")
    booted.run(13 * MS)
    assert booted.said()["udp returned datagrams"] == 60, booted.said()


def test_programs_share_the_processor_whatever_comes_over_the_wire(guest: Boot) -> None:
    booted = guest("hog", "hog", "udp_echo", plug="udp:dst=10.0.0.2,port=7,frames=40000,size=64,start=30ms")
    shares: Counter[int] = Counter()
    for n in range(100):
        booted.run(MS // 3 + n % 13 * 7919)
        shares[booted.machine.cpu.registers.cr3] += 1
    (_, first), (_, second), (_, server) = shares.most_common()
    assert 33 < second <= first < 55 and server > 5, shares
    said = booted.said()
    assert said["udp returned datagrams"] > 0.99 * said["udp sent"] > 1000


def test_what_is_sent_over_a_connection_comes_back(guest: Boot) -> None:
    booted = guest("tcp_echo")
    data = bytes(n * 7 & 0xFF for n in range(100_000))
    for _ in range(2):                                          # one after the other
        talk = booted.connect(80)
        assert talk.connection is not None
        talk.connection.send(data)
        booted.run(150 * MS)
        assert talk.got == data and talk.said == ["opened"]
        talk.connection.close()
        booted.run(10 * MS)
    assert booted.lines == []


def test_connections_wait_to_be_accepted_and_then_have_their_turn(guest: Boot) -> None:
    booted = guest("tcp_echo")
    talks = [booted.connect(80) for _ in range(4)]
    for number, talk in enumerate(talks):
        assert talk.connection is not None
        talk.connection.send(b"%d" % number)
    booted.run(20 * MS)
    assert sorted(bytes(talk.got) for talk in talks) == [b"", b"", b"", b"0"]
    for talk in talks:
        assert talk.connection is not None and talk.said == ["opened"]
        talk.connection.close()
        booted.run(20 * MS)
    assert [bytes(talk.got) for talk in talks[1:]] == [b"1", b"2", b"3"]


def test_a_port_where_nobody_listens_refuses(guest: Boot) -> None:
    booted = guest("tcp_echo")
    talk = booted.connect(8)
    booted.run(5 * MS)
    assert talk.said == ["refused"]


def test_a_stream_arrives_whole_over_a_bad_wire(guest: Boot) -> None:
    booted = guest("tcp_echo", wire="loss=0.05,reorder=0.05,duplicate=0.05,seed=3")
    data = bytes(n * n & 0xFF for n in range(30_000))
    talk = booted.connect(80)
    assert talk.connection is not None
    talk.connection.send(data)
    booted.run(8000 * MS)
    assert talk.got == data and talk.said == ["opened"]


def test_two_programs_talk_to_each_other_without_a_card(guest: Boot) -> None:
    booted = guest("tcp_echo", "loop_client", plug=None)
    booted.run(100 * MS)
    assert booted.lines == ["all came back"]


def test_loopback_and_the_wire_do_not_disturb_each_other(guest: Boot) -> None:
    booted = guest("tcp_echo", "loop_client", "udp_echo",
                   plug="udp:dst=10.0.0.2,port=7,frames=2000,size=400,count=100,start=30ms")
    booted.run(100 * MS)
    assert booted.lines == ["all came back"] and booted.said()["udp returned datagrams"] == 100


def test_bad_requests_get_errors_and_the_kernel_goes_on(guest: Boot) -> None:
    booted = guest("bad_sockets", "udp_echo", plug="udp:dst=10.0.0.2,port=7,frames=2000,size=64,count=20,start=60ms")
    booted.run(60 * MS)
    assert booted.lines == ["socket 0", "nobody's", "no number", "next call", "port 0", "kernel", "into the kernel",
                            "to read only", "around the end", "null", "last byte unmapped", "a device", "nothing now",
                            "refused", "it was told"]
    assert booted.said()["udp returned datagrams"] == 20


def test_any_calls_do_no_harm(guest: Boot) -> None:
    booted = guest("udp_echo", "random_sockets", "random_sockets",
                   plug="udp:dst=10.0.0.2,port=7,frames=1000,size=64,count=20,start=300ms")
    booted.run(300 * MS)
    assert booted.lines == ["survived", "survived"]
    assert booted.said()["udp returned datagrams"] == 20
    owners = [booted.word("sockets", at * SOCKET.size) for at in range(SocketSize.SOCKETS)]
    assert len([owner for owner in owners if owner]) == 1               # what they had is free again


@pytest.mark.parametrize(("data", "end"), [(b"x", "ended"), (b"more than it reads", "reset")])
def test_the_connection_of_a_program_that_a_fault_ends_is_closed(data: bytes, end: str, guest: Boot) -> None:
    booted = guest("dies", "hog")
    talk = booted.connect(80)
    assert talk.connection is not None
    talk.connection.send(data)
    booted.run(20 * MS)
    assert len(booted.lines) == 1 and booted.lines[0].startswith("dies: invalid opcode (#UD), at _start+")
    assert talk.said == ["opened", end]
    again = booted.connect(80)
    booted.run(5 * MS)
    assert again.said == ["refused"]


def test_a_program_that_calls_a_host_where_nobody_listens_hears_so(guest: Boot) -> None:
    booted = guest("calls_far", "udp_echo")
    Stack(booted.host)                                         # which refuses
    booted.run(1500 * MS)
    assert booted.lines == ["refused"]


def test_programs_that_wait_leave_the_processor_idle(guest: Boot) -> None:
    booted = guest("udp_echo", "tcp_echo")
    before = booted.machine.counters.idle_cycles
    booted.run(100 * MS)
    assert booted.machine.counters.idle_cycles - before > 97 * MS


def test_a_program_that_waits_for_the_network_gets_the_processor_at_once(guest: Boot) -> None:
    booted = guest("hog", "udp_echo", "hog", plug="udp:dst=10.0.0.2,port=7,frames=1000,size=64,count=100,start=30ms")
    booted.run(130 * MS)
    said = booted.said()
    assert said["udp returned datagrams"] == 100 and said["udp returned latency most"] < MS // 5, said


def test_the_last_program_ends_the_machine_and_no_frame_is_lost(guest: Boot) -> None:
    booted = guest("bad_sockets", plug="host:10.0.0.1")
    result = booted.run(100 * MS)
    assert result.reason == Reason.EXIT and result.exit_code == 0
    assert booted.word("frames_used") == 0


def test_two_runs_are_the_same_to_the_cycle(guest: Boot) -> None:
    def once() -> tuple[Any, ...]:
        booted = guest("tcp_echo", "udp_echo", plug="udp:dst=10.0.0.2,port=7,frames=3000,size=64,count=50,start=20ms")
        talk = booted.connect(80)
        assert talk.connection is not None
        talk.connection.send(bytes(20_000))
        result = booted.run(50 * MS)
        return result, booted.said(), bytes(talk.got)

    assert once() == once()
