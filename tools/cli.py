"""The `trapline` command: its subcommands, and what becomes of errors.

Everything heavy is imported when a command needs it, so that help, lists and completion answer at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from tools.bench.command import bench
from tools.boot import STDERR, STDIN, STDOUT, boot
from tools.build import build
from tools.costs import costs
from tools.diff import diff
from tools.exit_codes import ExitCode
from tools.explore import explore
from tools.images import images
from tools.messages import say
from tools.price import price
from tools.profiles import profiles
from tools.reproduce.command import reproduce
from tools.step.command import step
from tools.trace import trace
from tools.validate.command import validate

EPILOG = """\b
Examples:
  trapline boot                 boot the default image
  trapline images               see which others there are
  trapline boot --help          what can be said about a run, and the exit codes

Completion in bash: eval "$(_TRAPLINE_COMPLETE=bash_source trapline)"; zsh and fish likewise.
"""
COMPLETION = "_TRAPLINE_COMPLETE"       # the environment variable by which a shell asks click for completions


@click.group(epilog=EPILOG, invoke_without_command=True)
@click.version_option(package_name="trapline", message="%(prog)s %(version)s")
@click.pass_context
def trapline(context: click.Context) -> None:
    """A deterministic, cycle-level IA-32 machine with a guest microkernel."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (boot, step, build, images, profiles, price, trace, costs, diff, validate, reproduce, bench,
                 explore):
    trapline.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: the exit code (tools.exit_codes). `arguments` None means those of the process."""
    _open_standard_files()
    try:
        status = trapline.main(arguments, prog_name="trapline", standalone_mode=False)
        if sys.stdout:
            sys.stdout.flush()
        return int(status or 0)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "trapline"
        return _bad_input(f"{error.format_message().rstrip('.')} (see {command} --help)")
    except click.ClickException as error:
        return _bad_input(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except OSError as error:
        return _cannot_write(error)
    except SystemExit:                      # click completes, or has found the pipe broken
        if COMPLETION in os.environ:
            raise
        return _cannot_write(BrokenPipeError())
    except Exception as error:
        return _internal_error(error)


def _bad_input(text: str) -> int:
    say(text)
    return ExitCode.BAD_INPUT


def _cannot_write(error: OSError) -> int:
    """A file cannot be written: standard output, if it has no name."""
    if error.filename in (None, "standard output") and sys.stdout:      # or Python would complain of what is buffered
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    if isinstance(error, BrokenPipeError):
        return ExitCode.BROKEN_PIPE
    return _bad_input(f"{error.filename or 'standard output'}: {(error.strerror or str(error)).lower()}")


def _internal_error(error: Exception) -> int:
    if os.environ.get("TRAPLINE_TRACEBACK"):
        traceback.print_exc()
    say(f"internal error: {type(error).__name__}: {error}: please report it, with what TRAPLINE_TRACEBACK=1 in the "
        "environment adds")
    return ExitCode.INTERNAL


def _open_standard_files() -> None:
    """Standard files that the caller has closed become /dev/null: or files of ours would be taken for them."""
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
