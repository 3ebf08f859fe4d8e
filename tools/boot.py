"""`trapline boot`: start an image, connect its console, say how it ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

import click

from emu.result import Reason
from tools.exit_codes import ExitCode, exit_code
from tools.gdb.endpoint import Endpoint, EndpointType, listen
from tools.machine_options import Destined, MachineOptions, bad_input, machine_options, reason
from tools.messages import say
from tools.parameters import Destination

if TYPE_CHECKING:
    from emu.machine import Machine
    from emu.monitor.trace.tracing import Tracing
    from tools.gdb.server import Server
    from tools.terminal import StopSignals

STDIN, STDOUT, STDERR = 0, 1, 2         # file descriptors

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
@machine_options
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
@click.option("--save-snapshot", "saved", metavar="FILE", type=click.Path(path_type=Path),
              help="Take a snapshot at the end, for --snapshot.")
@click.option("--record", metavar="FILE", type=click.Path(path_type=Path),
              help="Record the run, for trapline price.")
@click.option("--trace", metavar="FILE", type=click.Path(path_type=Path),
              help="Write what crosses the privilege levels to a file, for trapline trace.")
@click.option("--blocks", is_flag=True, help="... and every block that runs, for functions and coverage.")
@click.option("--marks", is_flag=True, help="... and arrivals at the places of the image's paths, so that trapline "
              "diff can compare their costs.")
@click.option("--from", "start", metavar="PLACE", help="Where --profile-range begins to count. Default: at power-on.")
@click.option("--json", "as_json", is_flag=True,
              help="Print nothing but a report of the end, as one JSON object; the console's text is in it.")
@click.pass_context
def boot(context: click.Context, options: MachineOptions, serial: str, debug_console: str, profile_range: bool,
         gdb: Endpoint | None, record: Path | None, trace: Path | None, blocks: bool, marks: bool, saved: Path | None,
         start: str | None, as_json: bool) -> int:
    """Boot IMAGE and run it to its end, with its first serial port on standard output and input.

    IMAGE is a name that `trapline images` lists (default: preempt), a manifest (.toml), an ELF32 or Multiboot file, or
    a flat binary with --address.

    Keys go to the guest one by one if a terminal is the input; Ctrl-C ends the run and says where the guest was. A
    file or pipe is fed to the guest as fast as it takes it, in the same way in every run.
    """
    from tools.profile_range import check_range, run_range

    with ExitStack() as stack:
        with bad_input():
            begin = None if start is None else options.place(start)
            if start is not None and not profile_range:
                raise click.UsageError("--from is where --profile-range begins to count: give both")
            if (record or trace or saved) and profile_range:
                files = "--record" if record else "--trace" if trace else "--save-snapshot"
                raise click.UsageError(f"{files}: --profile-range runs the image three "
                                       "times: leave out one of them")
            if (blocks or marks) and not trace:
                raise click.UsageError(f"{'--blocks' if blocks else '--marks'} is for --trace: give both")
            if (saved or gdb) and options.has_tap:
                raise click.UsageError(f"{'--save-snapshot' if saved else '--gdb'}: a machine with a tap can neither "
                                       "be saved nor go back in time: leave out one of them")
            if gdb and (profile_range or record or trace or any(each is not None for each in options.limits.values())):
                raise click.UsageError("--gdb: gdb says how far the guest runs: leave out limits, --until, --record, "
                                       "--trace and --profile-range")
            ranged = check_range(options.profile, context) if profile_range else None
            to_serial = None if as_json and serial == "stdio" else _destination(serial, stack)
            to_debug = _destination(debug_console, stack)
            listener = stack.enter_context(listen(gdb)) if gdb else None
        if ranged:
            return run_range(lambda profile: replace(options, profile=profile).boot(), ranged, begin, options.limits,
                             as_json)
        machine = options.boot(to_serial, to_debug)
        if record:
            stack.enter_context(_recording(machine, record))
        tracing = stack.enter_context(_tracing(machine, trace, blocks, marks, options)) if trace else None
        has_input = serial == "stdio" and options.given is None
        status = _run(machine, options.limits, listener, tracing, has_input, as_json)
        if saved:
            _save(machine, saved)
        return status


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

        if has_input:
            _connect_input(machine, stack, is_stopping, with_keys=not as_json)
        if listener:
            server = _server(machine, listener, signals)
        started = time.perf_counter()
        try:
            result, chosen = server.serve() if server else (machine.run(**limits), None)
        except BrokenPipeError:
            return ExitCode.BROKEN_PIPE
        except OSError as error:                            # of a console
            raise click.ClickException(f"{error.filename}: {reason(error)}") from None
        seconds = time.perf_counter() - started
    if tracing:
        tracing.result = result
    status = chosen or (signals.received if result.reason == Reason.STOPPED else None) or exit_code(result)
    if as_json:
        click.echo(report.as_json(machine, result, status, seconds))
    elif text := report.in_words(machine, result, status):
        say(text, after_line=not machine.console.endswith(b"\n"))
    return status


def _save(machine: Machine, path: Path) -> None:
    """Take a snapshot of the machine, in a file."""
    try:
        machine.snapshot().save(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {reason(error)}") from None


@contextmanager
def _recording(machine: Machine, path: Path) -> Iterator[None]:
    """Record what the machine does meanwhile."""
    from emu.recording.recorder import Recorder

    with bad_input():
        recorder = Recorder(machine, path)
    try:
        with recorder:
            yield
    except OSError as error:
        raise click.ClickException(f"{path}: {reason(error)}") from None


@contextmanager
def _tracing(machine: Machine, path: Path, blocks: bool, marks: bool, options: MachineOptions) -> Iterator[Tracing]:
    """Trace what the machine does meanwhile."""
    from emu.monitor.paths.paths import image_marks
    from emu.monitor.trace.tracing import Tracing

    with bad_input():
        noted = image_marks(options.image) if marks else ()
        tracing = Tracing(machine, path, blocks=blocks, marks=noted, arguments=options.words)
    try:
        with tracing:
            yield tracing
    except OSError as error:
        raise click.ClickException(f"{path}: {reason(error)}") from None


def _connect_input(machine: Machine, stack: ExitStack, is_stopping: Callable[[], bool], with_keys: bool) -> None:
    """Standard input becomes what the guest receives on COM1; a terminal only `with_keys`, and only if it is ours."""
    from tools import serial, terminal

    has_keys = os.isatty(STDIN)
    if has_keys and not (with_keys and terminal.is_ours(STDIN)):
        return
    if has_keys:
        stack.enter_context(terminal.keys_unchanged(STDIN))
    serial.FarEnd(machine, serial.Descriptor(STDIN, has_keys, is_stopping))


def _server(machine: Machine, listener: socket, signals: StopSignals) -> Server:
    """What lets gdb drive the machine."""
    from tools.gdb.server import Server

    return Server(machine, listener, lambda: signals.received is not None)


def _destination(name: str, stack: ExitStack) -> Destined:
    """What to call with each byte for that destination; `stack` closes its file. Raises OSError."""
    from tools.serial import writer

    if name == "null":
        return None
    if name.startswith("file:"):
        path = name.removeprefix("file:")
        return writer(stack.enter_context(open(path, "wb", buffering=0)).fileno(), path)
    return writer(*((STDOUT, "standard output") if name == "stdio" else (STDERR, "standard error")))
