"""The `trapline` command as a whole: help, version, completion, errors, closed and broken files."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tools import cli
from tools.exit_codes import ExitCode

Trapline = Callable[..., Any]       # the fixture `trapline`

COMMANDS = sorted(cli.trapline.commands)


def test_the_commands_are_those_of_the_documentation() -> None:
    assert COMMANDS == ["bench", "boot", "build", "costs", "diff", "explore", "images", "price", "profiles",
                        "reproduce", "step", "trace", "validate"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_shows_an_example(name: str, trapline: Trapline) -> None:
    ended = trapline(name, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert f"Examples:\n    trapline {name}" in ended.out


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_without_a_command_there_is_help(arguments: tuple[str, ...], trapline: Trapline) -> None:
    ended = trapline(*arguments)
    assert ended.status == 0
    assert all(f"\n  {name} " in ended.out for name in COMMANDS)
    assert "_TRAPLINE_COMPLETE=bash_source" in ended.out


def test_the_help_of_boot_lists_every_exit_code(trapline: Trapline) -> None:
    lines = trapline("boot", "--help").out.splitlines()
    for code in ExitCode:
        assert f"    {code:>3}  {code.phrase}" in lines


def test_the_version_is_that_of_the_package(trapline: Trapline) -> None:
    assert trapline("--version").out == f"trapline {importlib.metadata.version('trapline')}\n"


@pytest.mark.parametrize("arguments", [("--help",), ("boot", "--help"), ("--version",), ("images",), ("boot", "nosuch"),
                                       ("boot", "hello", "--cpu", "nosuch")])
def test_what_needs_no_machine_does_not_load_one(arguments: tuple[str, ...]) -> None:
    program = ("import sys; from tools.cli import main; main(sys.argv[1:]); "
               "print('loaded:', *(name for name in ('numba', 'keystone', 'emu.machine') if name in sys.modules))")
    done = subprocess.run([sys.executable, "-P", "-c", program, *arguments], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=True)
    wanted = "loaded: keystone" if arguments[:2] == ("boot", "hello") else "loaded:"
    assert done.stdout.splitlines()[-1] == wanted


@pytest.mark.parametrize(("arguments", "words"), [
    (("--nonsense",), ("No such option '--nonsense' (see trapline --help)",)),
    (("start",), ("No such command 'start'",)),
    (("build", "--nonsense"), ("(see trapline build --help)",)),
])
def test_a_wrong_command_line_is_one_line(arguments: tuple[str, ...], words: tuple[str, ...],
                                          trapline: Trapline) -> None:
    ended = trapline(*arguments)
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains(*words)


# Completion

@pytest.mark.parametrize(("words", "expected"), [
    ("trapline b", {"plain,bench", "plain,boot", "plain,build"}),
    ("trapline boot he", {"plain,hello"}),
    ("trapline boot ./he", {"file,./he"}),
    ("trapline build pre", {"plain,preempt"}),
    ("trapline boot --cpu p3", {"plain,p3-500"}),
    ("trapline boot --max-in", {"plain,--max-instructions"}),
])
def test_the_shell_completes_commands_images_and_processors(words: str, expected: set[str],
                                                            command: list[str]) -> None:
    environment = os.environ | {"_TRAPLINE_COMPLETE": "bash_complete", "COMP_WORDS": words,
                                "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          check=False)
    assert set(done.stdout.split()) == expected
    assert (done.returncode, done.stderr) == (0, "")


# Trouble

def test_an_error_of_our_own_is_one_line_and_a_traceback_on_demand(trapline: Trapline,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr("loader.manifest.images", fail)
    ended = trapline("images")
    assert ended.status == ExitCode.INTERNAL
    assert ended.complains("internal error: RuntimeError: the sky fell", "TRAPLINE_TRACEBACK=1")
    monkeypatch.setenv("TRAPLINE_TRACEBACK", "1")
    assert "in fail\n" in trapline("images").err


def shell(script: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a script of bash in which $TRAPLINE is the command."""
    program = " ".join(f"'{word}'" for word in command)
    return subprocess.run(["bash", "-c", script.replace("$TRAPLINE", program)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize("arguments", ["boot", "boot hello --json", "--help"])
def test_a_reader_that_goes_away_is_no_reason_to_complain(arguments: str, command: list[str]) -> None:
    done = shell(f"$TRAPLINE {arguments} | head -c 1 > /dev/null; echo ${{PIPESTATUS[0]}}", command)
    assert done.stderr == ""
    assert int(done.stdout) in (0, ExitCode.BROKEN_PIPE)        # 0: it was all in the pipe by then


def test_a_guest_ends_when_nobody_reads_its_console(command: list[str]) -> None:
    done = shell("$TRAPLINE boot | true; echo ${PIPESTATUS[0]}", command)
    assert (int(done.stdout), done.stderr) == (ExitCode.BROKEN_PIPE, "")


@pytest.mark.parametrize("arguments", ["boot hello", "boot hello --json", "images", "--help"])
def test_a_full_disk_is_one_line(arguments: str, command: list[str]) -> None:
    done = shell(f"$TRAPLINE {arguments} > /dev/full", command)
    assert done.returncode == ExitCode.BAD_INPUT
    assert done.stderr == "trapline: standard output: no space left on device\n"


def test_closed_standard_files_are_no_trouble(command: list[str]) -> None:
    done = shell("$TRAPLINE boot hello <&- >&- 2>&-", command)
    assert done.returncode == 0
    done = shell("$TRAPLINE boot nosuch <&- >&- 2>&-", command)
    assert done.returncode == ExitCode.BAD_INPUT
