"""Sockets: the system calls by which programs use the network, in whatever kernel offers them; and guest/sockets' own.

Constants that begin with SOCKET_ and the layouts SOCKET, ACCOUNT and MAIL are for guest/sockets alone, except
SOCKET_NOW.
"""

from __future__ import annotations

from guest.abi.kernel import Syscall
from guest.abi.layout import Layout, u8, u16, u32
from guest.abi.words import Word


class SocketCall(Word):
    """System calls: as those of the first kernel; EBX, ESI and EDI are arguments, the result is in EAX. Those that wait
    answer ERR_AGAIN instead if SOCKET_NOW is added to EBX
    """

    SYS_SOCKET_LISTEN = 6, ("listen(EBX = TCP port, ESI = connections that may wait): a socket whose connections can "
                            "be accepted; ERR_FULL, ERR_ARGUMENT")
    SYS_SOCKET_ACCEPT = 7, ("accept(EBX = socket): the socket of the connection that has waited longest; waits; "
                            "ERR_SOCKET, ERR_FULL: it can be accepted when the program has closed another")
    SYS_SOCKET_CONNECT = 8, ("connect(EBX = address, its bytes in memory order, ESI = TCP port): a socket, at once; "
                             "what is read or written first waits until the other side has answered; ERR_RESET: there "
                             "is no way to it, ERR_FULL, ERR_ARGUMENT")
    SYS_SOCKET_READ = 9, ("read(EBX = socket, ESI = buffer, EDI = length): bytes read, 0 at the end of the stream or "
                          "for length 0; waits; ERR_SOCKET, ERR_RESET, ERR_ADDRESS")
    SYS_SOCKET_WRITE = 10, ("write(EBX = socket, ESI = data, EDI = length): bytes taken, 0 for length 0 only; waits "
                            "for room; ERR_SOCKET, ERR_RESET: also if our stream has ended, ERR_ADDRESS")
    SYS_SOCKET_FINISH = 11, "finish(EBX = socket): ends our stream behind what was written; 0; ERR_SOCKET"
    SYS_SOCKET_CLOSE = 12, ("close(EBX = socket): what was written still goes; if something has come that was not "
                            "read, the other side gets a reset; 0; ERR_SOCKET")
    SYS_SOCKET_BIND = 13, "bind(EBX = UDP port): a socket that gets its datagrams; ERR_FULL, ERR_ARGUMENT"
    SYS_SOCKET_RECEIVE = 14, ("receive(EBX = socket, ESI = DATAGRAM, EDI = bytes behind its head): bytes of data "
                              "there; what has no room is lost; waits; ERR_SOCKET, ERR_ADDRESS")
    SYS_SOCKET_SEND = 15, ("send(EBX = socket, ESI = DATAGRAM, EDI = bytes of data): these; never waits; ERR_SOCKET, "
                           "ERR_RESET: there is no way to that address, ERR_ARGUMENT, ERR_ADDRESS")
    SYS_SOCKET_WAIT = 16, ("wait(EBX = 0): number of a socket with which something has happened since it was given "
                           "last, the one that has waited longest; then call until ERR_AGAIN; waits")


class SocketCallRange(Word):
    """Their numbers"""

    SYS_SOCKET_FIRST = len(Syscall), "the first one: they follow the first kernel's"
    SYS_SOCKET_END = len(Syscall) + len(SocketCall), "behind the last one"


class SocketFlag(Word):
    """A flag of EBX"""

    SOCKET_NOW = 1 << 31, "ERR_AGAIN instead of waiting"


class SocketError(Word):
    """Errors that these calls return in EAX, besides ERR_ADDRESS and ERR_ARGUMENT"""

    ERR_SOCKET = -9, "no socket of this program, or not one of a kind for that call"
    ERR_AGAIN = -10, "it would have to wait"
    ERR_RESET = -11, "the connection has failed: refused, reset, or no answer; or it has been ended"
    ERR_FULL = -12, "the port is taken, or no more sockets can be had"


class SocketKind(Word):
    """SOCKET_KIND, and sets of these"""

    SOCKET_LISTENER = 1, "SOCKET_NET is a LISTENER"
    SOCKET_STREAM = 2, "SOCKET_NET is a CONN"
    SOCKET_DATAGRAMS = 4, "SOCKET_NET is a UDP port"
    SOCKET_ANY = 7, "any kind"


class SocketSize(Word):
    """How many there are. A program can have a part of each, so that there is always one for the others"""

    SOCKETS = 152, "sockets of all programs: TCP has 128 connections and 8 listeners, and then MAILS"
    SOCKETS_OWNED = 112, "sockets of a program, and connections that its listeners let wait"
    SOCKETS_LISTENING = 4, "listeners of a program"
    SOCKETS_BOUND = 8, "UDP sockets of a program"
    SOCKETS_WAITING = 47, "connections that a listener lets wait, whatever is asked for"
    SOCKETS_HALF = 64, "connections of a listener that may be half open: TCP has 256"
    MAILS = 16, "UDP sockets of all programs"


DATAGRAM = Layout(
    "DATAGRAM", "A datagram in a program's memory; its data follow",
    u32("address", "the other side's, its bytes in memory order"),
    u32("port", "the other side's"),
    u32("length", "bytes of data that have come; SYS_SOCKET_SEND does not look at it"),
)

SOCKET = Layout(
    "SOCKET", "A socket; its number is its place in the table, from 1",
    u32("owner", "whose it is; 0: free"),
    u32("kind", "what it is", SocketKind),
    u32("net", "what it stands for in the network"),
    u32("account", "its owner's ACCOUNT"),
    u32("link", "the next one of which SYS_SOCKET_WAIT has to tell, or the account; free: the next free one, or 0"),
    u32("back", "the one before it, or the account; 0: it has not to tell"),
    u32("mail", "SOCKET_DATAGRAMS: its MAIL"),
    u16("waiting", "SOCKET_LISTENER: connections that may wait"),
    u8("stirred", "not 0: the network has told of it since that was cleared"),
    u8("none", "nothing"),
)

ACCOUNT = Layout(
    "ACCOUNT", "What a program has of the sockets; it stands at the place of a kind how many of that kind",
    u32("owner", "whose it is; 0: free"),
    u32("listeners", "sockets that are SOCKET_LISTENER"),
    u32("streams", "SOCKET_STREAM"),
    u32("all", "sockets, and connections that the listeners let wait"),
    u32("datagrams", "SOCKET_DATAGRAMS"),
    u32("first", "the SOCKET of which SYS_SOCKET_WAIT has to tell first, or this"),
    u32("last", "the last one, or this"),
)

MAIL = Layout(
    "MAIL", "The datagrams of a UDP socket: each a DATAGRAM and its data, one behind the other; bytes are numbered",
    u32("socket", "SOCKET; 0: free"),
    u32("ring", "TCP_BUFFER bytes: number n stands at n modulo TCP_BUFFER"),
    u32("first", "number of the first byte"),
    u32("end", "number of the byte behind the last"),
    u32("lost", "datagrams that found no room"),
)
