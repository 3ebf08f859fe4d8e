"""Plugs from text: what the command line and image manifests say is at the other end of a wire, and which wire it is.

    none                                                nobody
    loop[:swap=yes]                                     sends back what comes
    replay:FILE[,start=TIME|recorded]                   sends the frames of a capture
    host:IP[,mac=MAC]                                   answers ARP and ping
    echo[:port=N]                                       UDP services of the host; without one, of 10.0.0.1
    sink[:port=N]
    tcpsink[:port=N]                                    a TCP service of the host
    udp:dst=IP,rate=BITS|frames=N[,size=N][,start=TIME][,stop=TIME][,count=N][,port=N][,from=N][,mac=MAC]
    http:dst=IP,rate=N[,clients=N][,count=N][,path=PATH][,port=N][,timeout=TIME][,requests=N][,most=N][,start=TIME]
         [,stop=TIME][,seed=N]
    video[:servers=N][,gop=KINDS][,i=N][,p=N][,b=N][,spread=SHARE][,seed=N][,port=N]    video servers at 10.0.0.11, ...
    tap:NAME[,record=FILE]                              a TAP device of the host
    pcap:FILE                                           records, beside anything else

Several are joined by "+": a host with its services, and recorders. Numbers and rates may end in K, M or G (decimal), a
time ends in ns, us, ms or s. A source's rate is in bits of payload a second; mac is its destination's, and spares ARP.
HTTP clients are the host, or so many computers, which all such loads share: 10.0.0.21, ...
A capture that starts as recorded is sent at its very times, counted from cycle 0.
Whatever is wrong raises ValueError, one line that says what and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.kept import Kept
from emu.net import http, pcap, tcpsink, udp, video
from emu.net.host import IP, MAC, Host
from emu.net.hub import Hub
from emu.net.loop import Loop
from emu.net.packets import ip, mac
from emu.net.tap import Tap, attach
from emu.net.tcp import Stack
from emu.net.wire import SECOND, Wire

if TYPE_CHECKING:
    from loader.image import Wiring

FIRST_CLIENT = bytes((10, 0, 0, 21))    # address of the first computer of HTTP clients; the others' follow
MOST_CLIENTS = 200

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
    """A port."""
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


def device_name(text: str) -> str:
    """The name of a network device of a Linux host."""
    if re.fullmatch(r"[!-.0-9;-~]{1,15}", text):
        return text
    raise ValueError(f"{text!r} is not a device's name, which has 1 to 15 characters, no blank, / or : among them")


def start(text: str) -> int | None:
    """A time in ns, or None for the one that was recorded."""
    return None if text == "recorded" else time(text)


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
    needed: tuple[str, ...] = ()        # likewise, with their names


WIRE = Kind({"rate": number, "delay": time, "queue": number, "loss": chance, "duplicate": chance, "reorder": chance,
             "seed": number})
KINDS = {
    "none": Kind(),
    "loop": Kind({"swap": switch}),
    "replay": Kind({"file": file_name, "start": start}, first="file"),
    "host": Kind({"ip": ip, "mac": mac}, first="ip"),
    "echo": Kind({"port": port}),
    "sink": Kind({"port": port}),
    "udp": Kind({"dst": ip, "rate": number, "frames": number, "size": number, "start": time, "stop": time,
                 "count": number, "port": port, "from": port, "mac": mac}, needed=("dst",)),
    "tap": Kind({"device": device_name, "record": file_name}, first="device"),
    "tcpsink": Kind({"port": port}),
    "http": Kind({"dst": ip, "rate": number, "count": number, "path": str, "port": port, "timeout": time,
                  "requests": number, "most": number, "start": time, "stop": time, "clients": number, "seed": number},
                 needed=("dst", "rate")),
    "video": Kind({"servers": number, "gop": str, "i": number, "p": number, "b": number, "spread": chance,
                   "seed": number, "port": port}),
    "pcap": Kind({"file": file_name}, first="file"),
}
ALONE = ("loop", "replay", "tap")       # nobody but recorders is beside these


@dataclass(frozen=True)
class Part:
    """One of what is joined by "+"."""

    text: str                           # as it was given
    kind: str
    options: Mapping[str, Any]          # their values, by name


PlugPart = (Loop | pcap.Replay | Host | udp.Echo | udp.Sink | udp.Source | Stack | http.Pool | tcpsink.Sink
            | video.Servers | Tap)


class Plug(Kept):
    """What is plugged in at `wire.ends[1]`, made of `parts`. Close it when the run is over."""

    def __init__(self, parts: tuple[Part, ...], wire: Wire, epoch: int = 0) -> None:
        """`epoch`: seconds since 1970 at cycle 0, for recorders.

        Raises ValueError for what does not go together or is no capture, OSError for a file that cannot be had.
        """
        self._wire, self._epoch = wire, epoch
        self.parts: dict[str, PlugPart] = {}                    # by name: its kind, and a number if that is taken
        self.recorders: dict[str, pcap.Recorder] = {}
        with ExitStack() as opened:
            self._opened = opened
            for part in sorted(parts, key=lambda part: part.kind != "host"):
                try:
                    self._add(part)
                except pcap.PcapError:
                    raise
                except ValueError as error:
                    raise ValueError(f"{part.text}: {error}") from None
            for part in parts:                                  # made when nothing else can go wrong
                if part.kind == "pcap":
                    file = opened.enter_context(open(part.options["file"], "wb"))
                    recorder = opened.enter_context(closing(pcap.Recorder(wire, file, epoch)))
                    self.recorders[_free_name("pcap", self.recorders)] = recorder
                elif "record" in part.options:
                    file = opened.enter_context(open(part.options["record"], "wb"))
                    self._tap.record = opened.enter_context(closing(pcap.Writer(wire.clock, file, epoch)))
            self._opened = opened.pop_all()

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
                made = self._replay(**options)
            case "tap":
                name = options["device"]
                made = self._opened.enter_context(closing(Tap(wire, attach(name), name)))
            case "echo":
                made = udp.Echo(self._host(), **options)
            case "sink":
                made = udp.Sink(self._host(), **options)
            case "tcpsink":
                made = tcpsink.Sink(self._tcp(), **options)
            case "http":
                clients = options.pop("clients", None)
                stacks = [self._tcp()] if clients is None else self._clients(clients)
                made = http.Pool(stacks, options.pop("dst"), **options, name=_free_name("http", self.parts))
            case "video":
                made = video.Servers(wire.clock, self._hub, **options)
            case _:
                options = {{"dst": "destination", "from": "source"}.get(key, key): options[key] for key in options}
                made = udp.Source(self._host(), **options)
        self.parts[_free_name(part.kind, self.parts)] = made

    @cached_property
    def _hub(self) -> Hub:
        """Where hosts are plugged in."""
        return Hub(self._wire.ends[1])

    def _host(self, ip: bytes = IP, mac: bytes = MAC) -> Host:
        """The host of all services."""
        host = self.parts.get("host")
        if host is None:
            host = self.parts["host"] = Host(self._wire.clock, self._hub.port(), mac, ip)
        assert isinstance(host, Host)
        return host

    def _tcp(self) -> Stack:
        """The TCP of all services."""
        stack = self.parts.get("tcp")
        if stack is None:
            stack = self.parts["tcp"] = Stack(self._host())
        assert isinstance(stack, Stack)
        return stack

    def _clients(self, count: int) -> list[Stack]:
        """The TCP of so many other computers. Raises ValueError."""
        if not 1 <= count <= MOST_CLIENTS:
            raise ValueError(f"there are 1 to {MOST_CLIENTS} clients, not {count}")
        return [self._client(number) for number in range(count)]

    def _client(self, number: int) -> Stack:
        """The TCP of one of them."""
        name = f"client {number + 1}"
        stack = self.parts.get(f"{name} tcp")
        if stack is None:
            address = FIRST_CLIENT[:-1] + bytes((FIRST_CLIENT[-1] + number,))
            host = self.parts[name] = Host(self._wire.clock, self._hub.port(name), MAC[:-1] + address[-1:], address)
            stack = self.parts[f"{name} tcp"] = Stack(host)
        assert isinstance(stack, Stack)
        return stack

    def _replay(self, file: str, start: int | None = 0) -> pcap.Replay:
        frames = pcap.load(file)
        if start is None:
            start = max(frames[0].time - self._epoch * SECOND, 0) if frames else 0
        return pcap.Replay(self._wire.clock, self._wire.ends[1], frames, start)

    @property
    def _tap(self) -> Tap:
        tap = self.parts["tap"]
        assert isinstance(tap, Tap)
        return tap

    def close(self) -> None:
        """Finish the files of recorders, and leave the host's devices. Raises OSError with the file's name."""
        self._opened.close()

    def save(self) -> dict[str, Any]:
        """The state of all parts, and how far recordings are, ready for JSON. Raises ValueError if there is a tap."""
        return {name: part.save() for name, part in self.parts.items()} | {
            "recorded": {name: recorder.frames for name, recorder in self.recorders.items()}}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned. Raises ValueError if there is a tap, OSError for a recording's file."""
        for name, part in self.parts.items():
            part.load(saved[name])
        for name, recorder in self.recorders.items():
            recorder.cut(saved["recorded"].get(name, recorder.frames))

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
        raise ValueError(f"{text}: {', '.join(ALONE[:-1])} and {ALONE[-1]} go with pcap alone")
    return parts


def connect(what: str | tuple[Part, ...], wire: Wire, epoch: int = 0) -> Plug:
    """Plug in at the far end of `wire` what a text, or its parts, ask for. Raises as `parse` and `Plug` do."""
    return Plug(parse(what) if isinstance(what, str) else what, wire, epoch)


def wire_options(text: str) -> dict[str, Any]:
    """The keyword arguments for Wire in `text`, which is as rate=1G,delay=10us,loss=0.01,seed=3. Raises ValueError."""
    return _options("a wire", WIRE, text.split(",") if text else [])


def chosen(plug: str | None, wire: str | None, wiring: Wiring | None) -> tuple[tuple[Part, ...], str] | None:
    """What a machine is plugged into, and its wire: as given, else as its image has it; None if neither says anything.

    Raises ValueError.
    """
    if wiring is None:
        if plug is None and wire is not None:
            raise ValueError("a wire belongs to a network card: say what that is plugged into, too")
        return None if plug is None else (parse(plug), wire or "")
    parts: tuple[Part, ...] = ()
    try:
        key = "nic"
        parts = tuple(_from(wiring.manifest.parent, part) for part in parse(wiring.plug))
        key = "wire"
        wire_options(wiring.wire)
    except ValueError as error:
        raise ValueError(f"{wiring.manifest}: image.{key}: {error}") from None
    return parts if plug is None else parse(plug), wiring.wire if wire is None else wire


def unrecorded(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same for a run that has been made before, and has left its captures."""
    return tuple(replace(part, options={key: value for key, value in part.options.items() if key != "record"})
                 for part in parts if part.kind != "pcap")


def _from(folder: Path, part: Part) -> Part:
    """A part whose files are relative to a folder."""
    files = {key: str(folder / part.options[key]) for key in ("file", "record") if key in part.options}
    return replace(part, options={**part.options, **files})


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
    for option in kind.needed:
        if option not in values:
            raise ValueError(f"{what} needs {option}=")
    return values


def _free_name(kind: str, taken: Mapping[str, object]) -> str:
    number = 1
    while (name := kind if number == 1 else f"{kind} {number}") in taken:
        number += 1
    return name
