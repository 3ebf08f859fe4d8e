"""What an HTTP server answers to a GET, taken apart as it comes: HTTP/1.0 and 1.1 (RFC 9112).

Strictly: lines end in CR LF, and what is not as it has to be is an error. A body ends at its Content-Length, or with
the connection. Transfer codings (chunked) are not known: they are an error, too. Interim replies (1xx) are counted.
"""

from __future__ import annotations

import re
from typing import Any

from emu.kept import Kept

LONGEST_HEAD = 16_384           # bytes
STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7E\x80-\xFF]*)?")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7E\x80-\xFF]*?)[ \t]*")
LENGTH = re.compile(rb"[0-9]{1,18}")
NO_BODY = (204, 304)            # replies that never have one
UNKNOWN = -1                    # how much is to come: all until the connection ends


class ReplyError(ValueError):
    """A reply that is malformed: one line."""


class Reply(Kept):
    """One reply: `take` what comes until it is `complete`."""

    KEPT = ("status", "interim", "complete", "body", "keeps", "_left")

    def __init__(self) -> None:
        self.status = 0                 # 0: the head has not come
        self.interim = 0                # 1xx replies before it
        self.complete = False
        self.body = 0                   # bytes of it that have come
        self.keeps = False              # the server takes another request on this connection
        self._left = 0                  # bytes of the body to come, or UNKNOWN
        self._head = b""                # what has come of the head

    def take(self, data: bytes) -> None:
        """The next bytes. Raises ReplyError."""
        while not self.status:
            head, end, rest = (self._head + data).partition(b"\r\n\r\n")
            if len(head) > LONGEST_HEAD:
                raise ReplyError(f"a head of more than {LONGEST_HEAD} bytes")
            if not end:
                self._head = head
                return
            self._parse(head)
            self._head, data = b"", rest
        self._take_body(data)

    def end(self) -> None:
        """The connection has ended. Raises ReplyError if the reply has not."""
        if not self.status or self._left != UNKNOWN:
            raise ReplyError("a reply that is cut short")
        self.complete = True

    def _take_body(self, data: bytes) -> None:
        self.body += len(data)
        if self._left != UNKNOWN:
            if len(data) > self._left:
                raise ReplyError("more than one reply to a request")
            self._left -= len(data)
            self.complete = self._left == 0

    def _parse(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        match = STATUS.fullmatch(first)
        if not match:
            raise ReplyError("no status line")
        fields: dict[bytes, set[bytes]] = {}
        for line in lines:
            field = FIELD.fullmatch(line)
            if not field:
                raise ReplyError("a field that is none")
            fields.setdefault(field[1].lower(), set()).add(field[2].lower())
        status = int(match[2])
        if status < 200:
            self.interim += 1
            return
        self.status = status
        if b"transfer-encoding" in fields:
            raise ReplyError("a transfer coding")
        self._left = self._length(fields.get(b"content-length", set()))
        options = {option.strip() for value in fields.get(b"connection", ()) for option in value.split(b",")}
        stays = b"keep-alive" in options if match[1] == b"0" else b"close" not in options
        self.keeps = stays and self._left != UNKNOWN

    def _length(self, values: set[bytes]) -> int:
        if len(values) > 1 or not all(map(LENGTH.fullmatch, values)):
            raise ReplyError("a Content-Length that is no length")
        if self.status in NO_BODY:
            return 0
        return int(values.pop()) if values else UNKNOWN

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON; the head in hexadecimal."""
        return super().save() | {"head": self._head.hex()}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned."""
        super().load(saved)
        self._head = bytes.fromhex(saved["head"])
