"""The value of `--gdb`: where to listen."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple

import click

from tools.messages import say

LOOPBACK = "127.0.0.1"
HIGHEST = 65535             # port


class Endpoint(NamedTuple):
    """A TCP address."""

    host: str
    port: int               # 0: any that is free

    @property
    def is_local(self) -> bool:
        """Whether nobody but this computer can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class EndpointType(click.ParamType):
    """PORT on this computer, or HOST:PORT; an IPv6 address stands in brackets."""

    name = "endpoint"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Endpoint:
        """The endpoint. Refuses what is none."""
        if isinstance(value, Endpoint):
            return value
        host, _, port = str(value).rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) <= HIGHEST):
            self.fail(f"{value!r} is not a port: give a number from 0 (any) to {HIGHEST}, or HOST:PORT", param, ctx)
        return Endpoint(host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port))


def listen(wanted: Endpoint) -> socket.socket:
    """A socket on which gdb is awaited. Raises click.ClickException if there can be none.

    Whoever reaches it can read and write the guest and end the run, so a host other than this one is worth a warning.
    """
    try:
        family, *_, address = socket.getaddrinfo(wanted.host, wanted.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family)
    except OSError as error:
        raise click.ClickException(f"--gdb: cannot listen on {wanted}: {(error.strerror or str(error)).lower()}: "
                                   "choose another port, or 0 for any") from None
    if not wanted.is_local:
        say(f"--gdb: {wanted.host} is open to the network: whoever reaches it controls the guest, without a password")
    return listener
