"""Plugs from text: what they become, and every mistake in one line."""

from __future__ import annotations

import io
import json
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.clock import NEVER, Clock
from emu.net import plug
from emu.net.host import Host
from emu.net.packets import ip
from emu.net.pcap import Captured, PcapError, load, read
from emu.net.udp import Sink, Source
from emu.net.wire import Wire
from loader.image import Wiring
from tests.emu.net.tcp_server import Server, answer_with

GUEST = ip("10.0.0.2")
KINDS = "none, loop, replay, host, echo, sink, udp, tap, tcpsink, http, video, pcap"


@pytest.fixture
def wire() -> Wire:
    return Wire(Clock(100_000_000))


def settle(wire: Wire) -> None:
    clock = wire.clock
    while clock.deadline != NEVER:
        clock.advance(clock.deadline - clock.now)


def guest(wire: Wire) -> Host:
    return Host(wire.clock, wire.ends[0], bytes.fromhex("020000000002"), GUEST)


def part(plugged: plug.Plug, name: str, kind: type) -> object:
    found = plugged.parts[name]
    assert isinstance(found, kind)
    return found


# Values

@pytest.mark.parametrize(("text", "value"), [
    ("0", 0), ("100", 100), ("10K", 10_000), ("1.5M", 1_500_000), ("1G", 10**9), ("0.001K", 1)])
def test_numbers(text: str, value: int) -> None:
    assert plug.number(text) == value


@pytest.mark.parametrize("text", ["", "K", "1.5", "-1", "1k", "1e6", "0x10", "1 M", "1.M", "0.0001K", "1.2.3",
                                  "\u0661"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a whole number as 100, 10K"):
        plug.number(text)


@pytest.mark.parametrize(("text", "value"), [("500ns", 500), ("1.5us", 1500), ("10ms", 10**7), ("2s", 2 * 10**9)])
def test_times(text: str, value: int) -> None:
    assert plug.time(text) == value


@pytest.mark.parametrize("text", ["", "10", "1.5ns", "1m", "us", "-1s", "1 s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time as 500ns"):
        plug.time(text)


# The wire

def test_the_parameters_of_a_wire() -> None:
    text = "rate=1G,delay=10us,queue=8,loss=0.01,duplicate=0.5,reorder=1,seed=3"
    options = plug.wire_options(text)
    assert options == {"rate": 10**9, "delay": 10_000, "queue": 8, "loss": 0.01, "duplicate": 0.5, "reorder": 1.0,
                       "seed": 3}
    assert Wire(Clock(1000), **options).rate == 10**9
    assert plug.wire_options("") == {}


WIRE_TAKES = "a wire takes rate=, delay=, queue=, loss=, duplicate=, reorder=, seed="


@pytest.mark.parametrize(("text", "message"), [
    ("speed=1G", f"{WIRE_TAKES}, not 'speed'"),
    ("rate=1G,rate=1G", f"{WIRE_TAKES}, each once: 'rate' is there twice"),
    ("rate=1G,", f"{WIRE_TAKES}, not ''"),
    ("rate", "rate of a wire: '' is not a whole number as 100, 10K, 1.5M or 1G"),
    ("delay=10", "delay of a wire: '10' is not a time as 500ns, 1.5us, 10ms or 2s"),
    ("loss=1.5", "loss of a wire: '1.5' is not a chance between 0 and 1"),
    ("loss=nan", "loss of a wire: 'nan' is not a chance between 0 and 1"),
])
def test_a_wire_that_is_described_wrongly_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        plug.wire_options(text)
    assert str(raised.value) == message


# Plugs

def test_nothing_is_plugged_in(wire: Wire) -> None:
    plugged = plug.connect("none", wire)
    assert wire.ends[1].receive is None
    assert (plugged.parts, plugged.save(), plugged.describe()) == ({}, {"recorded": {}}, {})
    plugged.close()


@pytest.mark.parametrize(("text", "returned"), [
    ("loop", b"dstdstsrcsrc"), ("loop:swap=no", b"dstdstsrcsrc"), ("loop:swap=yes", b"srcsrcdstdst")])
def test_a_loop(wire: Wire, text: str, returned: bytes) -> None:
    frames: list[bytes] = []
    wire.ends[0].receive = frames.append
    plugged = plug.connect(text, wire)
    wire.ends[0].send(b"dstdstsrcsrc")
    settle(wire)
    assert frames == [returned]
    assert plugged.describe() == {"loop swap": text.endswith("yes")}


def test_a_host_with_an_address_of_its_own(wire: Wire) -> None:
    host = part(plug.connect("host:192.168.1.1,mac=02:00:00:00:00:0a", wire), "host", Host)
    assert isinstance(host, Host)
    assert (host.ip, host.mac) == (ip("192.168.1.1"), bytes.fromhex("02000000000a"))


def test_services_share_the_host_wherever_it_stands(wire: Wire) -> None:
    plugged = plug.connect("sink+sink:port=10+echo+host:10.0.0.5", wire)
    assert list(plugged.parts) == ["host", "sink", "sink 2", "echo"]
    host = part(plugged, "host", Host)
    assert isinstance(host, Host) and host.ip == ip("10.0.0.5")


def test_services_without_a_host_get_one(wire: Wire) -> None:
    host = part(plug.connect("sink", wire), "host", Host)
    assert isinstance(host, Host) and host.ip == ip("10.0.0.1")


def test_a_udp_source(wire: Wire) -> None:
    sink = Sink(guest(wire), 77)
    plugged = plug.connect("udp:dst=10.0.0.2,rate=10M,size=1000,count=100,start=2ms,port=77,from=5", wire)
    settle(wire)
    assert (sink.datagrams, sink.meter.bytes, round(sink.meter.goodput)) == (100, 100_000, 10_000_000)
    assert sink.meter.first > 200_000
    assert plugged.describe()["udp sent"] == 100


def test_a_udp_source_by_frames_that_stops(wire: Wire) -> None:
    plugged = plug.connect("udp:dst=10.0.0.2,frames=1K,stop=10ms,mac=02:00:00:00:00:02", wire)
    settle(wire)
    source = part(plugged, "udp", Source)
    assert isinstance(source, Source) and source.sequence == 10


def test_http_clients_share_the_hosts_tcp(wire: Wire) -> None:
    server = Server(guest(wire), answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    plugged = plug.connect("http:dst=10.0.0.2,rate=1K,count=5,requests=2+http:dst=10.0.0.2,rate=1K,count=3,path=/x,"
                           "start=1ms,stop=1s,timeout=1s,most=5,port=80", wire)
    settle(wire)
    assert list(plugged.parts) == ["host", "tcp", "http", "http 2"]
    values = plugged.describe()
    assert (values["http replies"], values["http 2 replies"], values["tcp opened"]) == (10, 3, 8)
    assert server.accepted == 8


def test_http_clients_may_be_several_computers(wire: Wire) -> None:
    server = Server(guest(wire), answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    plugged = plug.connect("http:dst=10.0.0.2,rate=1K,count=5,clients=2"
                           "+http:dst=10.0.0.2,rate=1K,count=3,clients=3", wire)
    settle(wire)
    computers = ("client 1", "client 2", "client 3")
    assert {name for name in plugged.parts if "client" in name} == {*computers, *(f"{name} tcp" for name in computers)}
    values = plugged.describe()
    assert (values["http replies"], values["http 2 replies"], server.accepted) == (5, 3, 8)
    assert [values[f"{name} tcp opened"] for name in computers] == [3 + 1, 2 + 1, 1]


def test_a_recorder_beside_others(wire: Wire, tmp_path: Path) -> None:
    guest(wire)
    path = tmp_path / "x.pcap"
    plugged = plug.connect(f"pcap:{path}+udp:dst=10.0.0.2,frames=1000,count=3", wire, epoch=100)
    settle(wire)
    assert plugged.describe()["pcap frames"] == 5            # ARP twice
    plugged.close()
    with path.open("rb") as file:
        captured = list(read(file))
    assert len(captured) == 5 and captured[0].time // 10**9 == 100


def test_a_recording_is_sent_again(wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
                     + struct.pack("<IIII", 5, 6, 4, 4) + b"data")
    arrived: list[tuple[int, bytes]] = []
    wire.ends[0].receive = lambda frame: arrived.append((wire.clock.now, frame))
    plug.connect(f"replay:{path},start=1ms", wire)
    settle(wire)
    assert arrived == [(100_000 + 72 * 8 + 50, b"data")]


def test_a_recording_is_sent_again_at_its_times(wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
                     + struct.pack("<IIII", 100, 5_000_000, 4, 4) + b"data")
    arrived: list[int] = []
    wire.ends[0].receive = lambda frame: arrived.append(wire.clock.now)
    plug.connect(f"replay:{path},start=recorded", wire, epoch=100)
    settle(wire)
    assert arrived == [500_000 + 72 * 8 + 50]


def test_a_tap_keeps_what_comes(wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    device.setblocking(False)
    monkeypatch.setattr("emu.net.plug.attach", lambda name: device.detach())
    plugged = plug.connect(f"tap:tap0,record={tmp_path}/came.pcap+pcap:{tmp_path}/all.pcap", wire, epoch=1)
    with far:
        far.send(b"from the host")
        wire.ends[0].send(b"from the machine")
        wire.clock.advance(200_000)
        assert far.recv(100) == b"from the machine"
    plugged.close()
    wire.ends[0].send(b"nobody hears it")
    settle(wire)
    assert plugged.describe() == {"tap from host": 1, "tap to host": 1, "tap dropped": 0, "tap late ns": 0,
                                  "pcap frames": 2}
    assert load(tmp_path / "came.pcap") == [Captured(1_001_000_000, b"from the host")]
    assert [data for _, data in load(tmp_path / "all.pcap")] == [b"from the machine", b"from the host"]


def test_a_tap_is_left_if_a_file_cannot_be_had(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    device, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setattr("emu.net.plug.attach", lambda name: device.detach())
    with far:
        with pytest.raises(FileNotFoundError):
            plug.connect("tap:tap0,record=/nonexistent/x", wire)
        assert far.recv(1) == b""                           # the other end is closed
    assert wire.ends[1].receive is None


# What is chosen

WIRING = Wiring(Path("/images/own.toml"), "replay:a.pcap+pcap:/b.pcap", "rate=1G")


def test_what_is_given_goes_over_what_the_image_says() -> None:
    parts, wire = plug.chosen(None, None, WIRING) or ((), "")
    assert [part.options["file"] for part in parts] == ["/images/a.pcap", "/b.pcap"] and wire == "rate=1G"
    assert plug.chosen("pcap:c.pcap", None, WIRING) == (plug.parse("pcap:c.pcap"), "rate=1G")
    assert plug.chosen(None, "", WIRING) == (parts, "")
    assert plug.chosen(None, None, None) is None
    assert plug.chosen("loop", None, None) == (plug.parse("loop"), "")


@pytest.mark.parametrize(("wiring", "message"), [
    (Wiring(Path("x.toml"), "hoop", ""), f"x.toml: image.nic: 'hoop' cannot be plugged in; what can: {KINDS}"),
    (Wiring(Path("x.toml"), "none", "speed=1"), f"x.toml: image.wire: {WIRE_TAKES}, not 'speed'"),
    (None, "a wire belongs to a network card: say what that is plugged into, too"),
])
def test_what_an_image_says_wrongly_is_refused_with_file_and_key(wiring: Wiring | None, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        plug.chosen(None, "rate=1G", wiring)
    assert str(raised.value) == message


def test_a_run_that_is_made_again_records_nothing() -> None:
    parts = plug.parse("tap:tap0,record=x+pcap:y")
    assert [(part.kind, part.options) for part in plug.unrecorded(parts)] == [("tap", {"device": "tap0"})]


# State, and mistakes

def test_the_state_of_all_parts_is_kept() -> None:
    def make() -> tuple[Wire, list[Any]]:
        wire = Wire(Clock(100_000_000))
        near = guest(wire)
        plugged = plug.connect("udp:dst=10.0.0.2,rate=10M,count=50+http:dst=10.0.0.2,rate=1K,count=9+sink"
                               "+http:dst=10.0.0.2,rate=1K,count=9,clients=2,seed=3", wire)
        server = Server(near, answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + bytes(9000)))
        parts = [wire.clock, wire, near, server, plugged]
        return wire, parts

    wire, parts = make()
    wire.clock.advance(1_000_000)
    text = json.dumps([each.save() for each in parts])
    settle(wire)
    other, restored = make()
    for each, saved in zip(restored, json.loads(text), strict=True):
        each.load(saved)
    settle(other)
    assert [each.save() for each in restored] == [each.save() for each in parts]


NO_DEVICE = "is not a device's name, which has 1 to 15 characters, no blank, / or : among them"
HTTP_TAKES = ("http takes dst=, rate=, count=, path=, port=, timeout=, requests=, most=, start=, stop=, clients=, "
              "seed=")
UDP_TAKES = "udp takes dst=, rate=, frames=, size=, start=, stop=, count=, port=, from=, mac="


@pytest.mark.parametrize(("text", "message"), [
    ("", f"'' cannot be plugged in; what can: {KINDS}"),
    ("tun", f"'tun' cannot be plugged in; what can: {KINDS}"),
    ("loop+", f"'' cannot be plugged in; what can: {KINDS}"),
    ("none:x=1", "none takes no options, not 'x'"),
    ("loop:swap=maybe", "swap of loop: 'maybe' is neither yes nor no"),
    ("pcap", "file of pcap: a file has a name"),
    ("pcap:", "file of pcap: a file has a name"),
    ("pcap:a,b=1", "pcap takes no options, not 'b'"),
    ("replay:a,begin=1s", "replay takes start=, not 'begin'"),
    ("host", "ip of host: '' is no IPv4 address; one is 10.0.0.1"),
    ("host:10.0.0.256", "ip of host: '10.0.0.256' is no IPv4 address; one is 10.0.0.1"),
    ("host:10.0.0.1,mac=2", "mac of host: '2' is no Ethernet address; one is 02:00:00:00:00:01"),
    ("sink:port=65536", "port of sink: '65536' is not a port between 0 and 65535"),
    ("udp", "udp needs dst="),
    ("udp:rate=1M", "udp needs dst="),
    ("http:rate=1", "http needs dst="),
    ("http:dst=10.0.0.2", "http needs rate="),
    ("http:dst=10.0.0.2,url=/", f"{HTTP_TAKES}, not 'url'"),
    ("http:dst=10.0.0.2,timeout=1", "timeout of http: '1' is not a time as 500ns, 1.5us, 10ms or 2s"),
    ("udp:dst=10.0.0.2,speed=1M", f"{UDP_TAKES}, not 'speed'"),
    ("udp:dst=10.0.0.2,rate=fast", "rate of udp: 'fast' is not a whole number as 100, 10K, 1.5M or 1G"),
    ("replay:a,start=now", "start of replay: 'now' is not a time as 500ns, 1.5us, 10ms or 2s"),
    ("tap", f"device of tap: '' {NO_DEVICE}"),
    ("tap:sixteen-letters-", f"device of tap: 'sixteen-letters-' {NO_DEVICE}"),
    ("tap:a/b", f"device of tap: 'a/b' {NO_DEVICE}"),
    ("tap:t,file=x", "tap takes record=, not 'file'"),
    ("tap:t+host:10.0.0.1", "tap:t+host:10.0.0.1: loop, replay and tap go with pcap alone"),
    ("loop+sink", "loop+sink: loop, replay and tap go with pcap alone"),
    ("replay:a+replay:b", "replay:a+replay:b: loop, replay and tap go with pcap alone"),
    ("host:10.0.0.1+host:10.0.0.2", "host:10.0.0.1+host:10.0.0.2: there is one host at an end"),
])
def test_what_is_described_wrongly_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        plug.parse(text)
    assert str(raised.value) == message


@pytest.mark.parametrize(("text", "message"), [
    ("udp:dst=10.0.0.2", "udp:dst=10.0.0.2: a UDP source has a rate or a number of frames a second, one of the two"),
    ("udp:dst=10.0.0.2,rate=1M,size=1", "udp:dst=10.0.0.2,rate=1M,size=1: a UDP source sends 16 to 1472 bytes"
                                        " in a datagram, not 1"),
    ("http:dst=10.0.0.2,rate=0", "http:dst=10.0.0.2,rate=0: rate of HTTP clients: at least 1, not 0"),
    ("http:dst=10.0.0.2,rate=1,clients=0", "http:dst=10.0.0.2,rate=1,clients=0: there are 1 to 200 clients, not 0"),
    ("http:dst=10.0.0.2,rate=1,path=x", "http:dst=10.0.0.2,rate=1,path=x: a path is as /index.html, at most 1024"
                                        " characters, and not 'x'"),
    ("sink+sink", "sink: UDP port 9 of the host is taken"),
])
def test_what_does_not_go_together_is_refused_before_a_file_is_made(wire: Wire, tmp_path: Path, text: str,
                                                                    message: str) -> None:
    path = tmp_path / "x.pcap"
    with pytest.raises(ValueError) as raised:
        plug.connect(f"pcap:{path}+{text}", wire)
    assert str(raised.value) == message
    assert not path.exists()


def test_a_bad_capture_is_refused(wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(b"")
    with pytest.raises(PcapError) as raised:
        plug.connect(f"replay:{path}", wire)
    assert str(raised.value) == f"{path}: 0 bytes are too few for a capture file"


def test_a_file_that_cannot_be_had_is_the_systems_error(wire: Wire, tmp_path: Path) -> None:
    for kind in ("replay", "pcap"):
        with pytest.raises(OSError, match="No such file"):
            plug.connect(f"{kind}:{tmp_path}/none/x.pcap", wire)


@given(st.text(st.sampled_from("nonelphstudcir:,=+.0123456789KMGs "), max_size=30))
def test_noise_is_refused_in_one_line(text: str) -> None:
    for parse in (plug.parse, plug.wire_options):
        try:
            parse(text)
        except ValueError as error:
            assert "\n" not in str(error)


def test_an_empty_recording_is_a_capture(wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    plug.connect(f"pcap:{path}", wire).close()
    assert list(read(io.BytesIO(path.read_bytes()))) == []
