"""The objects of the servers in guest/user/net, which no kernel knows anything of."""

from __future__ import annotations

from guest.abi.layout import Layout, gap, group, u32
from guest.abi.sockets import SocketSize
from guest.abi.words import Word


class SeatState(Word):
    """SEAT_STATE"""

    SEAT_FREE = 0, "nobody"
    SEAT_STAYS = 1, "it listens, or takes datagrams"
    SEAT_HEARS = 2, "its client is to say something"
    SEAT_SPEAKS = 3, "its client is to take what it is sent"
    SEAT_ENDS = 4, "its client is to end its stream as we have ended ours"


class SeatSize(Word):
    """Sizes"""

    SEATS = int(SocketSize.SOCKETS_OWNED), "sockets that a server uses at a time"
    SEAT_ROOM = 2048, "bytes of a client that a server keeps: the longest request"


class RequestFlag(Word):
    """SEAT_FLAGS"""

    REPLY_KEEP = 1, "the connection stays for another request"
    REPLY_HEAD = 2, "the head of the reply alone is wanted"
    REQUEST_1_1 = 4, "it is one of HTTP/1.1"
    REQUEST_KEEP = 8, "it says that the connection is to stay,"
    REQUEST_CLOSE = 16, "or not; or something may follow that is no request"


SEAT = Layout(
    "SEAT", "A socket of a server",
    u32("state", "how it stands with its client", SeatState),
    u32("socket", "its number"),
    u32("turn", "routine that does what there is to do"),
    u32("ready", "not 0: there is something to do, and it waits for its turn"),
    u32("next", "the next one that does; means nothing for the last one"),
    u32("since", "when it got somewhere last, in 2^16 cycles"),
    u32("wants", "a server that says what its sockets are to be ready for: READY_ bits, the latest"),
    group("the client"),
    u32("have", "bytes of it in SEAT_BUFFER; SEAT_ENDS: bytes that were thrown away"),
    u32("sent", "bytes that it was sent: of those, or of a reply"),
    gap("buffer", int(SeatSize.SEAT_ROOM), "what it has said"),
    group("the web server: the request that is answered"),
    u32("reply", "its REPLY"),
    u32("flags", "how that goes", RequestFlag),
    u32("asked", "bytes of the request in SEAT_BUFFER"),
    u32("head", "bytes of the reply's head"),
)

FIELD = Layout(
    "FIELD", "A line of a head that matters to the web server",
    u32("name", "its name, in lower case, ended by a zero byte"),
    u32("routine", "what reads its value"),
)

REPLY = Layout(
    "REPLY", "What the web server can answer; all but numbers are addresses of texts, ended by a zero byte",
    u32("path", "what is asked for; no path: an error"),
    u32("status", "status code and its phrase"),
    u32("fields", "lines of the head"),
    u32("body", "first byte of the body"),
    u32("length", "its bytes"),
)
