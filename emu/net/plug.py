"""Plugs from text: what the command line and image manifests say is at the other end of a wire, and which wire it is.

    none                                                nobody
    loop[:swap=yes]                                     sends back what comes
    replay:FILE[,start=TIME]                            sends the frames of a capture
    host:IP[,mac=MAC]                                   answers ARP and ping
    echo[:port=N]                                       UDP services of the host; without one, of 10.0.0.1
    sink[:port=N]
    udp:dst=IP,rate=BITS|frames=N[,size=N][,start=TIME][,stop=TIME][,count=N][,port=N][,from=N][,mac=MAC]
    pcap:FILE                                           records, beside anything else

Several are joined by "+": a host with its services, and recorders. Numbers and rates may end in K, M or G (decimal), a
time ends in ns, us, ms or s. A source's rate is in bits of payload a second; mac is its destination's, and spares ARP.
Whatever is wrong raises ValueError, one line that says what and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from emu.kept import Kept
from emu.net import pcap, udp
from emu.net.host import IP, MAC, Host
from emu.net.loop import Loop
from emu.net.packets import ip, mac
from emu.net.wire import Wire

DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}


def number(text: str) -> int:
    """A whole number; K, M and G are decimal."""
    return _scaled(text, DECIMAL, "a whole number as 100, 10K, 1.5M or 1G")


def time(text: str) -> int:
    """A time in ns."""
    return _scaled(text, TIMES, "a time as 500ns, 1.5us, 10ms or 2s")


def chance(text: str) -> float:
    """A chance between 0 and 1."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) and float(text) <= 1:
        return float(text)
    raise ValueError(f"{text!r} is not a chance between 0 and 1")


def port(text: str) -> int:
    """A UDP port."""
    if re.fullmatch("[0-9]{1,5}", text) and int(text) < 1 << 16:
        return int(text)
    raise ValueError(f"{text!r} is not a port between 0 and 65535")


def switch(text: str) -> bool:
    """yes or no."""
    if text in ("yes", "no"):
        return text == "yes"
    raise ValueError(f"{text!r} is neither yes nor no")


def file_name(text: str) -> str:
    """The name of a file."""
    if text:
        return text
    raise ValueError("a file has a name")


def _scaled(text: str, units: Mapping[str, int], example: str) -> int:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)", text)
    value = Fraction(match[1]) * units[match[2]] if match and match[2] in units else Fraction(1, 2)
    if value.denominator != 1:
        raise ValueError(f"{text!r} is not {example}")
    return int(value)


Reader = Callable[[str], Any]           # makes a value of its text


@dataclass(frozen=True)
class Kind:
    """What a kind of plug is told."""

    options: Mapping[str, Reader] = field(default_factory=dict)
    first: str = ""                     # the option that comes first, without its name; it must be there
    needed: str = ""                    # likewise, with its name


WIRE = Kind({"rate": number, "delay": time, "queue": number, "loss": chance, "duplicate": chance, "reorder": chance,
             "seed": number})
KINDS = {
    "none": Kind(),
    "loop": Kind({"swap": switch}),
    "replay": Kind({"file": file_name, "start": time}, first="file"),
    "host": Kind({"ip": ip, "mac": mac}, first="ip"),
    "echo": Kind({"port": port}),
    "sink": Kind({"port": port}),
    "udp": Kind({"dst": ip, "rate": number, "frames": number, "size": number, "start": time, "stop": time,
                 "count": number, "port": port, "from": port, "mac": mac}, needed="dst"),
    "pcap": Kind({"file": file_name}, first="file"),
}
ALONE = ("loop", "replay")              # nobody but recorders is beside these


@dataclass(frozen=True)
class Part:
    """One of what is joined by "+"."""

    text: str                           # as it was given
    kind: str
    options: Mapping[str, Any]          # their values, by name


PlugPart = Loop | pcap.Replay | Host | udp.Echo | udp.Sink | udp.Source


class Plug(Kept):
    """What is plugged in at `wire.ends[1]`, made of `parts`. Close it when the run is over."""

    def __init__(self, parts: tuple[Part, ...], wire: Wire, epoch: int = 0) -> None:
        """`epoch`: seconds since 1970 at cycle 0, for recorders.

        Raises ValueError for what does not go together or is no capture, OSError for a file that cannot be had.
        """
        self._wire = wire
        self.parts: dict[str, PlugPart] = {}                    # by name: its kind, and a number if that is taken
        self.recorders: dict[str, pcap.Recorder] = {}
        for part in sorted(parts, key=lambda part: part.kind != "host"):
            try:
                self._add(part)
            except pcap.PcapError:
                raise
            except ValueError as error:
                raise ValueError(f"{part.text}: {error}") from None
        with ExitStack() as files:                              # made when nothing else can go wrong
            for part in parts:
                if part.kind == "pcap":
                    file = files.enter_context(open(part.options["file"], "wb"))
                    self.recorders[_free_name("pcap", self.recorders)] = pcap.Recorder(wire, file, epoch)
            self._files = files.pop_all()

    def _add(self, part: Part) -> None:
        """Make what is no recorder."""
        wire, options = self._wire, dict(part.options)
        made: PlugPart
        match part.kind:
            case "none" | "pcap":
                return
            case "host":
                self._host(**options)
                return
            case "loop":
                made = Loop(wire.ends[1], **options)
            case "replay":
                made = pcap.Replay(wire.clock, wire.ends[1], pcap.load(options.pop("file")), **options)
            case "echo":
                made = udp.Echo(self._host(), **options)
            case "sink":
                made = udp.Sink(self._host(), **options)
            case _:
                options = {{"dst": "destination", "from": "source"}.get(key, key): options[key] for key in options}
                made = udp.Source(self._host(), **options)
        self.parts[_free_name(part.kind, self.parts)] = made

    def _host(self, ip: bytes = IP, mac: bytes = MAC) -> Host:
        """The host of all services."""
        host = self.parts.get("host")
        if host is None:
            host = self.parts["host"] = Host(self._wire.clock, self._wire.ends[1], mac, ip)
        assert isinstance(host, Host)
        return host

    def close(self) -> None:
        """Finish the files of recorders. Raises OSError."""
        self._files.close()

    def save(self) -> dict[str, Any]:
        """The state of all parts, ready for JSON."""
        return {name: part.save() for name, part in self.parts.items()}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned."""
        for name, part in self.parts.items():
            part.load(saved[name])

    def describe(self) -> dict[str, Any]:
        """What each part says of itself, for people."""
        described = {name: part.describe() for name, part in self.parts.items()} | {
            name: recorder.describe() for name, recorder in self.recorders.items()}
        return {f"{name} {word}": value for name, values in described.items() for word, value in values.items()}


def parse(text: str) -> tuple[Part, ...]:
    """What `text` asks for, nothing of it made yet. Raises ValueError."""
    parts = tuple(_part(part) for part in text.split("+"))
    kinds = [part.kind for part in parts if part.kind not in ("none", "pcap")]
    if kinds.count("host") > 1:
        raise ValueError(f"{text}: there is one host at an end")
    if len(kinds) > 1 and any(kind in ALONE for kind in kinds):
        raise ValueError(f"{text}: {' and '.join(ALONE)} go with pcap alone")
    return parts


def connect(text: str, wire: Wire, epoch: int = 0) -> Plug:
    """Plug in at the far end of `wire` what `text` asks for. Raises as `parse` and `Plug` do."""
    return Plug(parse(text), wire, epoch)


def wire_options(text: str) -> dict[str, Any]:
    """The keyword arguments for Wire in `text`, which is as rate=1G,delay=10us,loss=0.01,seed=3. Raises ValueError."""
    return _options("a wire", WIRE, text.split(",") if text else [])


def _part(text: str) -> Part:
    word, colon, rest = text.partition(":")
    kind = KINDS.get(word)
    if kind is None:
        raise ValueError(f"{word!r} cannot be plugged in; what can: {', '.join(KINDS)}")
    items = rest.split(",") if colon else []
    if kind.first:
        items[:1] = [f"{kind.first}={items[0] if items else ''}"]
    return Part(text, word, _options(word, kind, items))


def _options(what: str, kind: Kind, items: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in items:
        key, _, text = item.partition("=")
        if key not in kind.options or key in values:
            wrong = f"each once: {key!r} is there twice" if key in values else f"not {key!r}"
            allowed = ", ".join(f"{option}=" for option in kind.options if option != kind.first) or "no options"
            raise ValueError(f"{what} takes {allowed}, {wrong}")
        try:
            values[key] = kind.options[key](text)
        except ValueError as error:
            raise ValueError(f"{key} of {what}: {error}") from None
    if kind.needed and kind.needed not in values:
        raise ValueError(f"{what} needs {kind.needed}=")
    return values


def _free_name(kind: str, taken: Mapping[str, object]) -> str:
    number = 1
    while (name := kind if number == 1 else f"{kind} {number}") in taken:
        number += 1
    return name
