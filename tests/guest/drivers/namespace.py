"""A network namespace of the host's, with a TAP device in it: the place where real programs meet a guest.

    with Namespace() as there, there.machine("kernel.elf") as machine:
        there.run("ping", "-c", "3", GUEST)
    print(machine.report["network"])
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

TAP = "tap0"
HOST, GUEST = "10.0.0.1", "10.0.0.2"
TRAPLINE = [sys.executable, "-P", "-c", "import sys; from tools.cli import main; sys.exit(main())"]
NEEDED = ("unshare", "nsenter", "ip")
PATIENCE = 120              # seconds after which a program hangs


@dataclass
class Running:
    """A machine that has been started; what is left when it has been stopped."""

    process: subprocess.Popen[str]
    status: int = -1
    report: dict[str, Any] = field(default_factory=dict)        # of trapline boot --json
    err: str = ""


class Namespace:
    """It lasts while it is entered. Inside, there are only the loopback and the TAP device, with the address HOST."""

    def __enter__(self) -> Namespace:
        command = ["unshare", "--map-root-user", "--net", "sh", "-c", "echo; exec cat"]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        assert self._holder.stdout and self._holder.stderr
        if not self._holder.stdout.readline():
            raise OSError(self._holder.stderr.read().strip())
        for command in (f"tuntap add {TAP} mode tap", f"addr add {HOST}/24 dev {TAP}", f"link set {TAP} up"):
            done = self.run("ip", *command.split())
            if done.returncode:
                self.__exit__(None, None, None)
                raise OSError(done.stderr.strip())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._holder.communicate(timeout=PATIENCE)

    def _inside(self, *command: str | Path) -> list[str]:
        return ["nsenter", f"--target={self._holder.pid}", "--user", "--net", "--preserve-credentials",
                *map(str, command)]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program in it, to its end."""
        return subprocess.run(self._inside(*command), capture_output=True, text=True, timeout=PATIENCE, check=False)

    @contextmanager
    def machine(self, image: str | Path, *options: str | Path, nic: str = f"tap:{TAP}") -> Iterator[Running]:
        """A machine, plugged into the TAP device. It is stopped by SIGINT."""
        command = self._inside(*TRAPLINE, "boot", image, "--nic", nic, "--json", *options)
        running = Running(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                           stderr=subprocess.PIPE, text=True))
        try:
            yield running
            running.process.send_signal(signal.SIGINT)
            out, running.err = running.process.communicate(timeout=PATIENCE)
            running.status = running.process.returncode
            running.report = json.loads(out) if out else {}
        finally:
            running.process.kill()
            running.process.wait()


@cache
def missing(*programs: str) -> str:
    """Why there can be no namespace with a TAP device and these programs here; "" if there can."""
    for program in (*NEEDED, *programs):
        if not shutil.which(program):
            return f"there is no {program} here"
    try:
        with Namespace() as there:
            tried = there.run(sys.executable, "-c", f"import emu.net.tap; emu.net.tap.attach({TAP!r})")
    except OSError as error:
        return f"no network namespace here: {error}"
    return tried.stderr.strip().rpartition("\n")[2]


def need(*programs: str) -> None:
    """Skip the test if there is something missing."""
    reason = missing(*programs)
    if reason:
        pytest.skip(reason)
