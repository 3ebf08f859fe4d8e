"""`trapline boot`: start an image, connect its console, say how it ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

import click

from emu.result import Reason
from tools.arguments import DEFAULT_IMAGE, complete_cpu, complete_image
from tools.exit_codes import ExitCode, exit_code
from tools.gdb.endpoint import Endpoint, EndpointType, listen
from tools.messages import first_start, say
from tools.parameters import COUNT, SIZE, Destination, Number

if TYPE_CHECKING:
    from emu.machine import Machine
    from emu.monitor.tracing import Tracing
    from emu.timing.profile import Profile
    from tools.gdb.server import Server
    from tools.serial import FarEnd
    from tools.terminal import StopSignals

Destined = Callable[[int], None] | None # what a console's bytes are handed to, one by one
STDIN, STDOUT, STDERR = 0, 1, 2         # file descriptors
LAST_EPOCH = 253_402_300_799            # 9999-12-31 23:59:59 UTC: the last second that the clock chip can show

EXAMPLES = """\b
Examples:
  trapline boot
  trapline boot hello --cpu p3-500 --json
  trapline boot my/kernel.elf --cmdline verbose=1 --module initrd.img
  trapline boot code.bin --address 0x100000 --max-instructions 1M
  trapline boot --cpu p3-500 --profile-range --from timer_interrupt --until switch_load
  echo help | trapline boot my/kernel.elf --until shell_prompt"""
CODES = "\b\nExit codes: the guest's own, modulo 256, if it ends the machine; else\n" + "\n".join(
    f"  {code:>3}  {code.phrase}" for code in ExitCode)


@click.command(short_help="Boot an image and run it.", epilog=f"{EXAMPLES}\n\n{CODES}")
@click.argument("image", default=DEFAULT_IMAGE, shell_complete=complete_image)
@click.option("--cpu", metavar="NAME|FILE.toml", shell_complete=complete_cpu,
              help="Processor: a profile that comes with Trapline, or a file. Default: what the image asks for, else "
              "unit. An unknown name lists them all.")
@click.option("--mem", type=SIZE, default="16M", show_default=True, metavar="SIZE",
              help="Memory: bytes, or with K, M or G; up to 1G.")
@click.option("--address", type=Number(), metavar="ADDR", help="Where a flat file is loaded and starts.")
@click.option("--cmdline", metavar="TEXT", help="Command line of a Multiboot kernel.")
@click.option("--module", "modules", multiple=True, metavar="'FILE [ARGS]'",
              help="File that a Multiboot kernel finds in memory, and arguments for it. May be repeated.")
@click.option("--max-cycles", type=COUNT, metavar="N", help="Stop after N cycles; K, M and G are decimal.")
@click.option("--max-instructions", type=COUNT, metavar="N", help="Stop after N instructions.")
@click.option("--until", metavar="PLACE",
              help="Stop in front of an address, SYMBOL, SYMBOL+OFFSET or PROGRAM:SYMBOL.")
@click.option("--strict", is_flag=True, help="Stop at an access to a port or address where no device is.")
@click.option("--no-fast-forward", is_flag=True,
              help="Run every turn of loops that change nothing, instead of skipping them; only slower.")
@click.option("--epoch", type=Number(0, LAST_EPOCH), metavar="SECONDS",
              help="What the clock chip shows at the start, seconds since 1970 UTC. Default: 2000-01-01.")
@click.option("--serial", type=Destination("stdio", "null"), default="stdio", show_default=True,
              help="The other end of COM1. With stdio the guest also receives standard input.")
@click.option("--debug-console", type=Destination("null", "stderr"), default="null", show_default=True,
              help="Where the bytes go that the guest writes to port E9h.")
@click.option("--profile-range", is_flag=True,
              help="Run with the least, the typical and the largest figures of the profile, and print the cycles of "
              "each; no consoles.")
@click.option("--gdb", type=EndpointType(), metavar="PORT|HOST:PORT",
              help="Stand still until gdb connects, and obey it; 0 is any port that is free. Only this computer can "
              "connect unless HOST says otherwise.")
@click.option("--record", metavar="FILE", type=click.Path(path_type=Path),
              help="Record the run, for trapline price.")
@click.option("--trace", metavar="FILE", type=click.Path(path_type=Path),
              help="Write what crosses the privilege levels to a file, for trapline trace.")
@click.option("--blocks", is_flag=True, help="... and every block that runs, for functions and coverage.")
@click.option("--from", "start", metavar="PLACE", help="Where --profile-range begins to count. Default: at power-on.")
@click.option("--json", "as_json", is_flag=True,
              help="Print nothing but a report of the end, as one JSON object; the console's text is in it.")
@click.pass_context
def boot(context: click.Context, image: str, cpu: str | None, mem: int, address: int | None, cmdline: str | None,
         modules: tuple[str, ...], max_cycles: int | None, max_instructions: int | None, until: str | None,
         strict: bool, no_fast_forward: bool, epoch: int | None, serial: str, debug_console: str, profile_range: bool,
         gdb: Endpoint | None, record: Path | None, trace: Path | None, blocks: bool, start: str | None,
         as_json: bool) -> int:
    """Boot IMAGE and run it to its end, with its first serial port on standard output and input.

    IMAGE is a name that `trapline images` lists (default: preempt), a manifest (.toml), an ELF32 or Multiboot file, or
    a flat binary with --address.

    Keys go to the guest one by one if a terminal is the input; Ctrl-C ends the run and says where the guest was. A
    file or pipe is fed to the guest as fast as it takes it, in the same way in every run.
    """
    from emu.timing.profile import load_profile
    from loader.boot import load
    from tools.places import resolve
    from tools.profile_range import check_range, run_range

    with ExitStack() as stack:
        with _bad_input():
            loaded = load(image, address=address, command_line=cmdline, modules=[_module(text) for text in modules])
            begin, place = (None if each is None else resolve(loaded, each) for each in (start, until))
            wanted = cpu or loaded.profile
            profile = load_profile(wanted) if wanted else None
            if start is not None and not profile_range:
                raise click.UsageError("--from is where --profile-range begins to count: give both")
            if (record or trace) and profile_range:
                raise click.UsageError(f"{'--record' if record else '--trace'}: --profile-range runs the image three "
                                       "times: leave out one of them")
            if blocks and not trace:
                raise click.UsageError("--blocks is for --trace: give both")
            if gdb and (profile_range or record or trace or max_cycles or max_instructions or until):
                raise click.UsageError("--gdb: gdb says how far the guest runs: leave out limits, --until, --record, "
                                       "--trace and --profile-range")
            ranged = check_range(profile, context) if profile_range else None
            to_serial = None if as_json and serial == "stdio" else _destination(serial, stack)
            to_debug = _destination(debug_console, stack)
            listener = stack.enter_context(listen(gdb)) if gdb else None
        first_start()
        from emu.machine import Machine

        def make(cpu: Profile | None, serial: Destined = None, debug: Destined = None) -> Machine:
            with _bad_input():
                return Machine.boot(loaded, cpu=cpu, memory=mem, strict=strict,
                                    fast_forward=not no_fast_forward, serial=serial, debug=debug,
                                    **({} if epoch is None else {"epoch": epoch}))

        limits: dict[str, Any] = {"max_cycles": max_cycles, "max_instructions": max_instructions, "until": place}
        if ranged:
            return run_range(make, ranged, begin, limits, as_json)
        machine = make(profile, to_serial, to_debug)
        if record:
            stack.enter_context(_recording(machine, record))
        tracing = stack.enter_context(_tracing(machine, trace, blocks, image)) if trace else None
        return _run(machine, limits, listener, tracing, has_input=serial == "stdio", as_json=as_json)


def _run(machine: Machine, limits: dict[str, Any], listener: socket | None, tracing: Tracing | None, has_input: bool,
         as_json: bool) -> int:
    """Run within `limits` or, given a `listener`, as gdb says, with standard input connected; report the end: the exit
    code.
    """
    from tools import report, terminal

    with ExitStack() as stack:
        signals = stack.enter_context(terminal.StopSignals(machine))
        server: Server | None = None

        def is_stopping() -> bool:
            return signals.received is not None or (server is not None and server.wants_stop())

        far_end = _connect_input(machine, stack, is_stopping, with_keys=not as_json) if has_input else None
        if listener:
            server = _server(machine, listener, signals, far_end)
        started = time.perf_counter()
        try:
            result, chosen = server.serve() if server else (machine.run(**limits), None)
        except BrokenPipeError:
            return ExitCode.BROKEN_PIPE
        except OSError as error:                            # of a console
            raise click.ClickException(f"{error.filename}: {_reason(error)}") from None
        seconds = time.perf_counter() - started
    if tracing:
        tracing.result = result
    status = chosen or (signals.received if result.reason == Reason.STOPPED else None) or exit_code(result)
    if as_json:
        click.echo(report.as_json(machine, result, status, seconds))
    elif text := report.in_words(machine, result, status):
        say(text, after_line=not machine.console.endswith(b"\n"))
    return status


@contextmanager
def _recording(machine: Machine, path: Path) -> Iterator[None]:
    """Record what the machine does meanwhile."""
    from emu.recording.recorder import Recorder

    with _bad_input():
        recorder = Recorder(machine, path)
    try:
        with recorder:
            yield
    except OSError as error:
        raise click.ClickException(f"{path}: {_reason(error)}") from None


@contextmanager
def _tracing(machine: Machine, path: Path, blocks: bool, image: str) -> Iterator[Tracing]:
    """Trace what the machine does meanwhile."""
    from emu.monitor.tracing import Tracing

    try:
        with Tracing(machine, path, blocks=blocks, arguments=(image, "--cpu", machine.profile.name)) as tracing:
            yield tracing
    except OSError as error:
        raise click.ClickException(f"{path}: {_reason(error)}") from None


def _connect_input(machine: Machine, stack: ExitStack, is_stopping: Callable[[], bool],
                   with_keys: bool) -> FarEnd | None:
    """Standard input becomes what the guest receives on COM1; a terminal only `with_keys`, and only if it is ours."""
    from tools import serial, terminal

    has_keys = os.isatty(STDIN)
    if has_keys and not (with_keys and terminal.is_ours(STDIN)):
        return None
    if has_keys:
        stack.enter_context(terminal.keys_unchanged(STDIN))
    return serial.FarEnd(machine, serial.Descriptor(STDIN, has_keys, is_stopping))


def _server(machine: Machine, listener: socket, signals: StopSignals, far_end: FarEnd | None) -> Server:
    """What lets gdb drive the machine."""
    from tools.gdb.server import Server

    return Server(machine, listener, lambda: signals.received is not None, far_end)


def _module(text: str) -> Path | str:
    """A module as the loader takes it: a file whose name may hold blanks, or a file and arguments."""
    return Path(text) if Path(text).is_file() else text


def _destination(name: str, stack: ExitStack) -> Destined:
    """What to call with each byte for that destination; `stack` closes its file. Raises OSError."""
    from tools.serial import writer

    if name == "null":
        return None
    if name.startswith("file:"):
        path = name.removeprefix("file:")
        return writer(stack.enter_context(open(path, "wb", buffering=0)).fileno(), path)
    return writer(*((STDOUT, "standard output") if name == "stdio" else (STDERR, "standard error")))


@contextmanager
def _bad_input() -> Iterator[None]:
    """What a person got wrong becomes one line."""
    from emu.cpu.layout import UnicornLayoutError
    from emu.timing.profile import ProfileError
    from loader.image import ImageError

    try:
        yield
    except (ImageError, ProfileError, UnicornLayoutError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the machine'}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
