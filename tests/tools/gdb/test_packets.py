"""Framing: what is taken for a packet, whatever pieces it comes in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tools.gdb.packets import LONGEST, Damaged, Interrupt, Item, Packet, Reader, Refused, escape, frame, unescape


def items(*pieces: bytes) -> list[Item]:
    reader = Reader()
    return [item for piece in pieces for item in reader.feed(piece)]


def test_a_packet_has_a_checksum() -> None:
    assert frame(b"m0,4") == b"$m0,4#fd"


@given(st.lists(st.binary(max_size=40)), st.randoms(use_true_random=False))
def test_packets_are_found_however_they_are_cut(contents: list[bytes], random: object) -> None:
    stream = b"".join(b"+" + frame(escape(data)) for data in contents)
    cuts = sorted(random.randint(0, len(stream)) for _ in range(5))  # type: ignore[attr-defined]
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert items(*pieces) == [Packet(data) for data in contents]


@given(st.binary())
def test_escaped_data_comes_back(data: bytes) -> None:
    escaped = escape(data)
    assert unescape(escaped) == data
    assert not set(escaped) & set(b"#$*")


@given(st.lists(st.binary(max_size=30)))
def test_no_bytes_are_an_error(pieces: list[bytes]) -> None:
    items(*pieces)


def test_a_wrong_checksum_is_noticed() -> None:
    assert items(b"$g#00$?#3f") == [Damaged(), Packet(b"?")]


def test_a_checksum_that_is_no_number_is_noticed() -> None:
    assert items(b"$g#+7$g# 7$g#67") == [Damaged(), Damaged(), Packet(b"g")]


def test_a_packet_that_lost_its_end_gives_way_to_the_next() -> None:
    assert items(b"$m0,4$?#3f") == [Packet(b"?")]


def test_a_packet_without_end_is_refused_and_forgotten() -> None:
    reader = Reader()
    found = [item for _ in range(100) for item in reader.feed(b"$" + b"a" * 4096)]
    assert found and set(found) == {Damaged()}
    assert len(reader._bytes) <= LONGEST + 4097


def test_ctrl_c_stands_between_packets_and_not_in_them() -> None:
    assert items(b"\x03", frame(b"X0,1:\x03")) == [Interrupt(), Packet(b"X0,1:\x03")]


def test_a_reply_is_asked_for_again_by_a_minus() -> None:
    assert items(b"+-") == [Refused()]
