"""The options by which every command that boots a machine says which one, and how far it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.arguments import DEFAULT_IMAGE, complete_cpu, complete_image
from tools.messages import first_start
from tools.parameters import COUNT, PARAMETER, SIZE, Number

if TYPE_CHECKING:
    from emu.machine import Machine
    from emu.net.plug import Part
    from emu.network import Network
    from emu.timing.profile import Profile
    from loader.image import Image

Destined = Callable[[int], None] | None     # what a console's bytes are handed to, one by one
NETWORKS = "trapline.networks"              # in click's context: of the machines booted so far, by MachineOptions.words
LAST_EPOCH = 253_402_300_799                # 9999-12-31 23:59:59 UTC: the last second that the clock chip can show

IMAGE = click.argument("image", default=DEFAULT_IMAGE, shell_complete=complete_image)
MACHINE = (                                 # in the order in which help shows them
    click.option("--cpu", metavar="NAME|FILE.toml", shell_complete=complete_cpu,
                 help="Processor: a profile that comes with Trapline, or a file. Default: what the image asks for, "
                 "else unit. An unknown name lists them all."),
    click.option("--mem", type=SIZE, default="16M", show_default=True, metavar="SIZE",
                 help="Memory: bytes, or with K, M or G; up to 1G."),
    click.option("--address", type=Number(), metavar="ADDR", help="Where a flat file is loaded and starts."),
    click.option("--cmdline", metavar="TEXT", help="Command line of a Multiboot kernel."),
    click.option("--module", "modules", multiple=True, metavar="'FILE [ARGS]'",
                 help="File that a Multiboot kernel finds in memory, and arguments for it. May be repeated."),
    click.option("--parameter", "parameters", type=PARAMETER, multiple=True, metavar="NAME=N",
                 help="Constant of the kernel, over what the image says: TICK_HZ=500. May be repeated."),
    click.option("--strict", is_flag=True, help="Stop at an access to a port or address where no device is."),
    click.option("--no-fast-forward", is_flag=True,
                 help="Run every turn of loops that change nothing, instead of skipping them; only slower."),
    click.option("--epoch", type=Number(0, LAST_EPOCH), metavar="SECONDS",
                 help="What the clock chip shows at the start, seconds since 1970 UTC. Default: 2000-01-01."),
    click.option("--input", "given", metavar="FILE", type=click.Path(path_type=Path),
                 help="What the guest receives on COM1, as fast as it takes it. Default: nothing."),
    click.option("--nic", metavar="PLUG",
                 help="An Intel 82540EM network card, and what it is plugged into: none, loop, host:10.0.0.1, echo, "
                 "sink, tcpsink, udp:dst=10.0.0.2,rate=10M, http:dst=10.0.0.2,rate=100, replay:FILE, tap:NAME, "
                 "pcap:FILE; several joined by +. Default: what the image asks for."),
    click.option("--wire", metavar="OPTIONS",
                 help="With --nic: rate=1G,delay=10us,queue=64,loss=0.01,duplicate=0.01,reorder=0.01,seed=1. "
                 "Default: 100 Mbit/s, 500 ns."),
    click.option("--snapshot", metavar="FILE", type=click.Path(path_type=Path),
                 help="Begin where a snapshot of the same image, processor and memory was taken, not at power-on."),
)
LIMITS = (
    click.option("--max-cycles", type=COUNT, metavar="N", help="Stop after N cycles; K, M and G are decimal."),
    click.option("--max-instructions", type=COUNT, metavar="N", help="Stop after N instructions."),
    click.option("--until", metavar="PLACE",
                 help="Stop in front of an address, SYMBOL, SYMBOL+OFFSET or PROGRAM:SYMBOL."),
)
NAMES = ("image", "cpu", "mem", "address", "cmdline", "modules", "parameters", "strict", "no_fast_forward", "epoch",
         "given", "nic", "wire", "snapshot", "max_cycles", "max_instructions", "until")     # of all, as parameters


@dataclass(frozen=True)
class MachineOptions:
    """What was asked for. The image is loaded, the profile is checked, places are found."""

    image: Image
    profile: Profile | None             # None: the image's own, else unit
    memory: int                         # bytes
    strict: bool
    fast_forward: bool
    epoch: int | None                   # seconds since 1970; None: the default
    given: bytes | None                 # what the guest receives on COM1
    network: tuple[tuple[Part, ...], str] | None    # what its network card is plugged into, and the wire; None: no card
    snapshot: Path | None               # where it begins; None: at power-on
    limits: dict[str, Any]              # keywords of Machine.run; None where there is no limit
    words: tuple[str, ...]              # the same as on a command line, image first

    @property
    def has_tap(self) -> bool:
        """Whether it is plugged into the host, so that no run is as another."""
        return self.network is not None and any(part.kind == "tap" for part in self.network[0])

    def boot(self, serial: Destined = None, debug: Destined = None) -> Machine:
        """A machine as asked for, at its first instruction or where the snapshot was taken. Those that the command has
        booted before are at their end: their captures are finished, and not written again by the same run.

        Raises click.ClickException.
        """
        first_start()
        from emu.machine import Machine

        context = click.get_current_context()
        former: dict[tuple[str, ...], Network] = context.meta.setdefault(NETWORKS, {})
        for network in former.values():
            network.close()
        with bad_input():
            machine = Machine.boot(self.image, cpu=self.profile, memory=self.memory, strict=self.strict,
                                   fast_forward=self.fast_forward, serial=serial, debug=debug,
                                   epoch=self._start)
            if self.network is not None:
                from emu.net.plug import unrecorded
                from emu.network import Network

                parts, wire = self.network
                parts = unrecorded(parts) if self.words in former else parts
                network = former[self.words] = Network(machine, parts, wire, epoch=self._start)
                context.call_on_close(network.close)
            if self.snapshot:
                from emu.snapshot.snapshot import Snapshot

                machine.restore(Snapshot.load(self.snapshot))
        if self.given is not None:
            from tools.serial import FarEnd, Given

            FarEnd(machine, Given(self.given))
        return machine

    @property
    def _start(self) -> int:
        from emu.devices.rtc import EPOCH

        return EPOCH if self.epoch is None else self.epoch

    def place(self, text: str) -> int:
        """The linear address of a place in the image, as `--until` names it. Raises click.ClickException."""
        from emu.monitor.names import Names

        with bad_input():
            return Names.of(self.image).resolve(text)[0]


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument IMAGE and these options; it gets them as `options`, a MachineOptions."""

    @wraps(command)
    def with_options(*arguments: Any, **values: Any) -> Any:
        named = {name: values.pop(name) for name in NAMES}
        return command(*arguments, options=find(**named), **values)

    wrapped: Any = with_options
    for option in reversed((IMAGE, *MACHINE, *LIMITS)):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def find(image: str, cpu: str | None, mem: int, address: int | None, cmdline: str | None, modules: tuple[str, ...],
         parameters: tuple[tuple[str, int], ...], strict: bool, no_fast_forward: bool, epoch: int | None,
         given: Path | None, nic: str | None, wire: str | None, snapshot: Path | None, **limits: Any) -> MachineOptions:
    """Load and check what the options name; `limits` are those of LIMITS. Raises click.ClickException."""
    from emu.monitor.names import Names
    from emu.timing.profile import load_profile
    from loader.boot import load

    _check_network(nic, wire)
    with bad_input():
        loaded = load(image, address=address, command_line=cmdline, modules=[_module(text) for text in modules],
                      parameters=dict(parameters))
        words = [image, *_words(cpu=cpu, mem=mem, address=address, cmdline=cmdline, epoch=epoch, input=given,
                               nic=nic, wire=wire, snapshot=snapshot, **limits)]
        if limits.get("until") is not None:
            limits |= {"until": Names.of(loaded).resolve(limits["until"])[0]}
        wanted = cpu or loaded.profile
        profile = load_profile(wanted) if wanted else None
        network = _network(nic, wire, loaded)
        data = given.read_bytes() if given else None
    words += [word for text in modules for word in ("--module", text)] + ["--strict"] * strict
    words += [word for name, value in parameters for word in ("--parameter", f"{name}={value}")]
    return MachineOptions(loaded, profile, mem, strict, not no_fast_forward, epoch, data, network,
                          snapshot, limits, tuple(words))


def _check_network(nic: str | None, wire: str | None) -> None:
    """Refuse words that make no sense before anything else takes time."""
    if nic is None and wire is None:
        return
    from emu.net.plug import parse, wire_options

    for option, text, check in (("--nic", nic, parse), ("--wire", wire, wire_options)):
        if text is not None:
            try:
                check(text)
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint=repr(option)) from None


def _network(nic: str | None, wire: str | None, image: Image) -> tuple[tuple[Part, ...], str] | None:
    """What is plugged in: what the options say goes over what the image says. Raises ValueError for the latter."""
    if nic is None and image.wiring is None:
        if wire is not None:
            raise click.UsageError("--wire belongs to --nic: give both, or none")
        return None
    from emu.net.plug import chosen

    return chosen(nic, wire, image.wiring)


def _words(**values: Any) -> list[str]:
    """Options with these values, as on a command line."""
    return [word for name, value in values.items() if value is not None
            for word in (f"--{name.replace('_', '-')}", str(value))]


@contextmanager
def bad_input() -> Iterator[None]:
    """What a person got wrong becomes one line."""
    from emu.cpu.layout import UnicornLayoutError
    from emu.timing.profile import ProfileError
    from loader.image import ImageError

    try:
        yield
    except (ImageError, ProfileError, UnicornLayoutError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the machine'}: {reason(error)}") from None


def reason(error: OSError) -> str:
    """Why, for people."""
    return (error.strerror or str(error)).lower()


def _module(text: str) -> Path | str:
    """A module as the loader takes it: a file whose name may hold blanks, or a file and arguments."""
    return Path(text) if Path(text).is_file() else text
