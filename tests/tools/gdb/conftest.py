"""A gdb without gdb: a client that speaks packets; and the real one, driven by commands."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.result import Result
from loader.boot import load
from tools.exit_codes import ExitCode
from tools.gdb.packets import frame
from tools.gdb.server import Server
from tools.serial import FarEnd, Source

SOON = 30.0                 # seconds after which a test gives up waiting
GDB = shutil.which("gdb")


class Client:
    """One connection, as gdb makes it."""

    def __init__(self, port: int) -> None:
        self.wire = socket.create_connection(("127.0.0.1", port), timeout=SOON)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bytes = b""
        self.said = ""              # what the guest's side has asked to print

    def send(self, packet: str | bytes) -> None:
        """Send a packet, and wait for nothing."""
        self.raw(frame(packet.encode("latin-1") if isinstance(packet, str) else packet))

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.wire.sendall(data)

    def reply(self) -> str:
        """The next packet, acknowledged; texts to print are set aside."""
        while True:
            match = re.search(rb"\$([^#]*)#(..)", self._bytes, re.DOTALL)
            if match:
                self._bytes = self._bytes[match.end():]
                assert int(match[2], 16) == sum(match[1]) & 0xFF
                self.raw(b"+")
                text = match[1].decode("latin-1")
                if not re.fullmatch("O(?:[0-9a-f]{2})+", text):
                    return text
                self.said += bytes.fromhex(text[1:]).decode()
            else:
                self._bytes += self._take()

    def acknowledgement(self) -> bytes:
        """The next byte, which is no packet."""
        while not self._bytes:
            self._bytes = self._take()
        first, self._bytes = self._bytes[:1], self._bytes[1:]
        return first

    def ask(self, packet: str | bytes) -> str:
        """Send a packet: the reply."""
        self.send(packet)
        return self.reply()

    def monitor(self, command: str) -> str:
        """What `monitor COMMAND` prints."""
        self.said = ""
        assert self.ask("qRcmd," + command.encode().hex()) == "OK"
        return self.said

    def is_closed(self) -> bool:
        """Wait for the other side to close the connection."""
        with suppress(ConnectionError):
            while self.wire.recv(4096):
                pass
        return True

    def close(self) -> None:
        """Go away without a word."""
        self.wire.close()

    def _take(self) -> bytes:
        data = self.wire.recv(4096)
        assert data, "the server closed the connection"
        return data


class Served:
    """A machine under a server of its own, in a thread."""

    def __init__(self, machine: Machine, source: Source | None = None) -> None:
        """`source` is what the guest gets input from."""
        self.machine = machine
        if source:
            FarEnd(machine, source)
        self.ended: tuple[Result, ExitCode | None] | None = None
        self.error: BaseException | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ending = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def connect(self) -> Client:
        """A client of it."""
        return Client(self.port)

    def wait(self) -> tuple[Result, ExitCode | None]:
        """The end of it all."""
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error
        assert self.ended
        return self.ended

    def stop(self) -> None:
        """As Ctrl-C at the terminal does."""
        self._ending = True
        self.machine.stop()
        self._thread.join(SOON)
        self._listener.close()

    def _serve(self) -> None:
        try:
            self.ended = Server(self.machine, self._listener, lambda: self._ending).serve()
        except BaseException as error:
            self.error = error


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Boots an image under a server."""
    running: list[Served] = []

    def start(image: str | Path, source: Source | None = None, **options: object) -> Served:
        running.append(Served(Machine.boot(load(image), **options), source))  # type: ignore[arg-type]
        return running[-1]

    yield start
    for each in running:
        each.stop()
        if each.error:
            raise each.error


@pytest.fixture
def gdb(tmp_path: Path, command: list[str]) -> Callable[..., str]:
    """Runs the real gdb on a guest, with commands: what it printed."""
    if not GDB:
        pytest.skip("gdb is not installed")

    def run(image: str | Path, *commands: str, options: tuple[str, ...] = ()) -> str:
        boot = subprocess.Popen([*command, "boot", str(image), "--gdb", "0", *options], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, text=True)
        try:
            assert boot.stderr
            said = ""
            while "target remote" not in said:
                said = boot.stderr.readline()
                assert said, "the machine did not start"
            place = said.split("target remote ")[1].strip()
            script = tmp_path / "commands"
            script.write_text("\n".join(("set confirm off", "set pagination off", f"target remote {place}", *commands)))
            done = subprocess.run([str(GDB), "-q", "-nx", "-batch", "-x", str(script)], cwd=tmp_path, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=100)
            return done.stdout
        finally:
            boot.kill()
            boot.communicate()

    return run
