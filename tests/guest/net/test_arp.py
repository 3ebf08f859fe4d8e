"""ARP: who is asked, who is answered, what is kept."""

from __future__ import annotations

import net_frames as net
import pytest
from net_stack import Stack

from guest.abi.net import Count, NetSize, NetTime

QUESTION = net.arp(1, net.OURS, net.OUR_MAC, net.PEER, net.EVERYBODY)


def host(number: int) -> bytes:
    """The address of a host of our network."""
    return net.PEER[:3] + bytes([number])


@pytest.fixture
def lonely() -> Stack:
    """A stack that knows nobody."""
    stack = Stack(neighbour=False)
    stack.sent()
    return stack


def test_at_the_start_we_tell_who_we_are() -> None:
    assert Stack(neighbour=False).sent() == [net.arp(1, net.OURS, net.OUR_MAC, net.OURS, net.EVERYBODY)]


def test_a_question_for_us_is_answered_and_learnt_from(lonely: Stack) -> None:
    lonely.input(net.arp(1, net.PEER, net.PEER_MAC, net.OURS))
    assert lonely.sent() == [net.arp(2, net.OURS, net.OUR_MAC, net.PEER, net.PEER_MAC, to=net.PEER_MAC)]
    assert lonely.udp_send((1, 2), b"x") and lonely.packets()


def test_who_wonders_whether_our_address_is_free_is_answered_and_not_learnt(lonely: Stack) -> None:
    lonely.input(net.arp(1, bytes(4), net.PEER_MAC, net.OURS))
    assert lonely.sent() == [net.arp(2, net.OURS, net.OUR_MAC, bytes(4), net.PEER_MAC, to=net.PEER_MAC)]
    assert not lonely.neighbours()


def test_what_others_ask_each_other_is_not_learnt(lonely: Stack) -> None:
    lonely.input(net.arp(1, net.PEER, net.PEER_MAC, net.OTHER), net.arp(2, net.PEER, net.PEER_MAC, net.OTHER))
    assert not lonely.sent() and not lonely.neighbours() and lonely.count(Count.COUNT_ARP_OTHER) == 2


def test_a_known_neighbour_may_get_another_mac(stack: Stack) -> None:
    stack.input(net.arp(1, net.PEER, net.OTHER_MAC, net.PEER))
    assert stack.udp_send((1, 2), b"x")
    assert stack.sent()[0][:6] == net.OTHER_MAC


def test_a_frame_waits_for_the_answer(lonely: Stack) -> None:
    assert lonely.udp_send((1, 2), b"first")
    assert lonely.sent() == [QUESTION]
    assert lonely.udp_send((1, 2), b"second") and not lonely.sent()
    assert lonely.count(Count.COUNT_ARP_REPLACED) == 1
    lonely.input(net.arp(2, net.PEER, net.PEER_MAC, net.OURS, net.OUR_MAC, to=net.OUR_MAC))
    (packet,) = lonely.packets()
    assert packet.data == b"second"
    lonely.input(net.arp(2, net.PEER, net.PEER_MAC, net.OURS, net.OUR_MAC, to=net.OUR_MAC))
    assert not lonely.sent()


def test_a_question_is_repeated_and_given_up(lonely: Stack) -> None:
    assert lonely.udp_send((1, 2), b"x")
    lonely.wait(NetTime.NEIGHBOUR_RETRY * (NetSize.NEIGHBOUR_TRIES_MAX + 3))
    assert lonely.sent() == [QUESTION] * NetSize.NEIGHBOUR_TRIES_MAX
    assert lonely.count(Count.COUNT_ARP_FAILED) == 1 and not lonely.neighbours()
    assert lonely.udp_send((1, 2), b"x") and lonely.sent() == [QUESTION]


def test_what_is_known_is_forgotten_and_asked_again(stack: Stack) -> None:
    stack.wait(NetTime.NEIGHBOUR_KEEP - 500, step=500)
    assert stack.udp_send((1, 2), b"x") and stack.packets()
    stack.wait(500)
    assert stack.udp_send((1, 2), b"x") and stack.sent() == [QUESTION]


def test_a_full_table_gives_up_who_would_be_forgotten_first(lonely: Stack) -> None:
    for number in range(100, 100 + NetSize.NEIGHBOURS + 1):
        lonely.input(net.arp(1, host(number), net.PEER_MAC[:5] + bytes([number]), net.OURS))
        lonely.wait(50)
    assert {one.address.to_bytes(4, "little")[3] for one in lonely.neighbours()} == set(range(101, 117))


def test_a_full_table_of_questions_drops_the_oldest_frame(lonely: Stack) -> None:
    for number in range(100, 100 + NetSize.NEIGHBOURS + 1):
        assert lonely.udp_send((1, 2), b"x", host(number))
        lonely.wait(50)
    assert lonely.count(Count.COUNT_ARP_FAILED) == 1
    lonely.sent()
    lonely.input(net.arp(2, host(100), net.PEER_MAC, net.OURS), net.arp(2, host(101), net.PEER_MAC, net.OURS))
    assert [packet.target for packet in lonely.packets()] == [host(101)]


def test_packets_for_other_networks_go_to_the_gateway(stack: Stack) -> None:
    assert stack.udp_send((1, 2), b"x", net.FAR)
    assert stack.sent() == [net.arp(1, net.OURS, net.OUR_MAC, net.GATEWAY, net.EVERYBODY)]
    stack.input(net.arp(2, net.GATEWAY, net.PEER_MAC, net.OURS))
    assert [packet.target for packet in stack.packets()] == [net.FAR]


def test_without_a_gateway_there_is_no_way_out() -> None:
    stack = Stack(gateway=bytes(4))
    assert not stack.udp_send((1, 2), b"x", net.FAR)
    assert not stack.sent() and stack.count(Count.COUNT_IP_ROUTE) == 1


@pytest.mark.parametrize(("at", "value", "reason"), [
    (14, b"\0\6", Count.COUNT_ARP_MALFORMED), (16, b"\x08\x06", Count.COUNT_ARP_MALFORMED),
    (18, b"\6\6", Count.COUNT_ARP_MALFORMED), (18, b"\4\4", Count.COUNT_ARP_MALFORMED),
    (22, b"\1", Count.COUNT_ARP_MALFORMED), (28, net.OURS, Count.COUNT_ARP_CONFLICT),
])
def test_what_is_wrong_is_dropped_and_counted(lonely: Stack, at: int, value: bytes, reason: Count) -> None:
    frame = net.arp(1, net.PEER, net.PEER_MAC, net.OURS)
    lonely.input(frame[:at] + value + frame[at + len(value):])
    assert not lonely.sent() and lonely.count(reason) == 1 and not lonely.neighbours()
    lonely.input(frame[:41])
    assert not lonely.sent() and lonely.count(Count.COUNT_ARP_MALFORMED) >= 1
