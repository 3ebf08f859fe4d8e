"""The network protocols of guest/net: what stands in frames, and the tables of the stack.

Numbers of more than one byte stand in frames with the highest byte first. Constants to compare such a number with
are what the processor loads: 0800h is 0008h here. Addresses are never swapped, ports are when they are loaded.
"""

from __future__ import annotations

from guest.abi.layout import Layout, gap, group, u8, u16, u32
from guest.abi.words import Word


class Ether(Word):
    """Ethernet, as loaded"""

    ETHER_IP = 0x0008, "ETHER_TYPE: IPv4"
    ETHER_ARP = 0x0608, "ETHER_TYPE: ARP"


class EtherSize(Word):
    """Lengths of frames"""

    ETHER_MAX = 1514, "the longest frame that is sent or taken, bytes"
    IP_MAX = 1500, "the longest packet, bytes"


class Arp(Word):
    """ARP, as loaded"""

    ARP_ETHER = 0x0100, "ARP_HARDWARE: Ethernet; ARP_OPERATION: a question"
    ARP_REPLY = 0x0200, "ARP_OPERATION: an answer"
    ARP_LENGTHS = 0x0406, "ARP_SIZES: MACs of 6 bytes, addresses of 4"


class Ip(Word):
    """IPv4"""

    IP_VERSION_4 = 0x45, "IP_VERSION: 4, and a header without options"
    IP_TTL_SENT = 64, "IP_TTL of what is sent"
    IP_LOOPBACK = 127, "first byte of addresses that never are on a wire"
    IP_GROUP = 224, "first byte from which on addresses are not a host's"


class IpFragment(Word):
    """IP_FRAGMENT, as loaded"""

    IP_FRAGMENTED = 0xFF3F, "more fragments, or not the first"
    IP_WHOLE = 0x0040, "must not become fragments"


class IpProtocol(Word):
    """IP_PROTOCOL"""

    IP_ICMP = 1, "ICMP"
    IP_TCP = 6, "TCP"
    IP_UDP = 17, "UDP"


class Icmp(Word):
    """ICMP_TYPE"""

    ICMP_REPLY = 0, "the answer to an echo request"
    ICMP_ECHO = 8, "an echo request"


class Neighbour(Word):
    """NEIGHBOUR_STATE"""

    NEIGHBOUR_FREE = 0, "nobody"
    NEIGHBOUR_ASKED = 1, "its MAC is asked for; a frame may wait"
    NEIGHBOUR_KNOWN = 2, "its MAC is known"


class TcpFlag(Word):
    """TCP_FLAGS"""

    TCP_FIN = 1, "the sender's stream ends here"
    TCP_SYN = 2, "it begins here"
    TCP_RST = 4, "there is no such connection"
    TCP_PSH = 8, "nothing more has been written for now"
    TCP_ACK = 16, "TCP_ACKNOWLEDGED counts"


class TcpOption(Word):
    """Options of TCP"""

    TCP_OPTION_END = 0, "the last one; a single byte"
    TCP_OPTION_NONE = 1, "nothing; a single byte"
    TCP_OPTION_MSS = 2, "the longest data that the sender takes in a segment"


class TcpHeader(Word):
    """Headers of TCP that are sent"""

    TCP_OFFSET_PLAIN = 0x50, "TCP_OFFSET without options"
    TCP_OFFSET_MSS = 0x60, "TCP_OFFSET with one of four bytes"
    TCP_MSS_SENT = 0xB405_0402, "that option, as loaded: TCP_OPTION_MSS, 4 bytes, TCP_MSS"


class TcpState(Word):
    """PEER_STATE; a CONN that the peer has begun is established from its beginning on"""

    TCP_FREE = 0, "no connection"
    TCP_SYN_SENT = 1, "we have begun it, and the peer has not answered"
    TCP_SYN_RECEIVED = 2, "HALF: the peer has begun it, and has not answered our answer"
    TCP_ESTABLISHED = 3, "both may send"
    TCP_FIN_WAIT_1 = 4, "we have ended our stream"
    TCP_FIN_WAIT_2 = 5, "and the peer knows"
    TCP_CLOSE_WAIT = 6, "the peer has ended its stream"
    TCP_CLOSING = 7, "both have, ours first; the peer does not know yet"
    TCP_LAST_ACK = 8, "both have, the peer's first; the peer does not know yet"
    TCP_TIME_WAIT = 9, "both have, and know; late segments are caught"
    TCP_ENDED = 10, "not on the network any more; its owner has not closed it"


class NetError(Word):
    """Why a call of TCP fails: EAX, with CF set"""

    NET_AGAIN = 1, "nothing now; `net_wake` tells when to try again"
    NET_RESET = 2, "the connection has failed, or has been ended"
    NET_FULL = 3, "no room in a table, or the port is taken"


class NetTime(Word):
    """Times of the network, milliseconds"""

    NEIGHBOUR_KEEP = 60_000, "what is known of a neighbour is asked again after that"
    NEIGHBOUR_RETRY = 1000, "a question without an answer is repeated after that"


class TcpTime(Word):
    """How long TCP waits for an answer, milliseconds (RFC 6298)"""

    RTO_MIN = 200, "at least: as Linux (TCP_RTO_MIN in its include/net/tcp.h); the RFC has 1000"
    RTO_FIRST = 1000, "before it has measured"
    RTO_LOST = 3000, "likewise, if the handshake has lost something"
    RTO_MAX = 60_000, "at most"


class TcpEndTime(Word):
    """Ends of connections, milliseconds"""

    TIME_WAIT_TIME = 2000, "late segments of a connection are caught that long"
    FIN_WAIT_TIME = 60_000, "the peer of a connection that was closed has that long to end its stream"


class NetSize(Word):
    """Tables of the network"""

    NEIGHBOURS = 16, "neighbours that are known or asked for"
    NEIGHBOUR_TRIES_MAX = 3, "questions for a MAC before it is given up"
    UDP_PORTS = 32, "UDP ports that are bound"
    UDP_MAX = 1472, "bytes in a datagram"
    LOOP_PACKETS = 64, "packets to ourselves that may wait; a power of two"


class TcpSize(Word):
    """Tables of TCP, and what a segment has"""

    TCP_MSS = 1460, "bytes in a segment"
    TCP_MSS_DEFAULT = 536, "bytes that a peer takes that says nothing"
    TCP_MSS_MIN = 64, "what a peer says below that is not believed"
    TCP_BUFFER = 8192, "bytes of a connection in each direction; a power of two, up to 32768; an image may set it"
    TCP_CONNECTIONS = 128, "connections, those that only catch late segments among them"
    TCP_HALVES = 256, "half open ones"
    TCP_LISTENERS = 8, "ports that are listened at"


class TcpFinding(Word):
    """How connections and half open ones are found"""

    TCP_BUCKET_BITS = 8, "in one of 2 to that power of chains"


class TcpLimit(Word):
    """How often"""

    TCP_RETRIES = 10, "times that something is sent again before a connection is given up"
    TCP_HALF_TRIES = 5, "times that a SYN of ours is sent, with or without an ACK"
    TCP_DUPLICATES = 3, "equal acknowledgements after which a segment counts as lost"
    TCP_ACK_NOW = 2, "segments that are acknowledged together"


class Count(Word):
    """Counters, index into `net_counts`. What came, on the wire or from ourselves, counts once more, from
    COUNT_ETHER_LENGTH on
    """

    COUNT_IN = 0, "frames that came"
    COUNT_OUT = 1, "frames that went"
    COUNT_ARP_REPLACED = 2, "frames out dropped: another came while the neighbour's MAC was asked for"
    COUNT_ARP_FAILED = 3, "frames out dropped: no neighbour answered"
    COUNT_IP_ROUTE = 4, "packets out dropped: no gateway"
    COUNT_LOOP = 5, "packets to ourselves that came"
    COUNT_LOOP_FULL = 6, "packets to ourselves dropped: too many wait"
    COUNT_TCP_REFUSED = 7, "segments for no connection, answered by a reset"
    COUNT_TCP_SYN = 8, "SYNs dropped: too many connections of a port are half open, or wait to be accepted"
    COUNT_TCP_ACCEPT = 9, "ends of a handshake dropped: no connection is free"
    COUNT_TCP_HALF = 10, "half open connections given up"
    COUNT_TCP_ORDER = 11, "segments whose data were dropped, since those before are missing"
    COUNT_TCP_WINDOW = 12, "segments dropped: not what can come now"
    COUNT_TCP_AGAIN = 13, "times that something was sent again"
    COUNT_TCP_TIMEOUT = 14, "connections given up: no answer"
    COUNT_TCP_RESET = 15, "connections reset by the peer"
    COUNT_ETHER_LENGTH = 16, "dropped: too short or too long"
    COUNT_ETHER_ADDRESS = 17, "dropped: for somebody else, or from a group"
    COUNT_ETHER_TYPE = 18, "dropped: another protocol"
    COUNT_ARP_MALFORMED = 19, "dropped: not of this kind of network"
    COUNT_ARP_CONFLICT = 20, "dropped: somebody claims our address"
    COUNT_ARP_OTHER = 21, "ARP of others, nothing to learn"
    COUNT_ARP_IN = 22, "ARP answered, or learnt from"
    COUNT_IP_HEADER = 23, "dropped: version or lengths make no sense"
    COUNT_IP_CHECKSUM = 24, "dropped: header damaged"
    COUNT_IP_FRAGMENT = 25, "dropped: a fragment"
    COUNT_IP_SOURCE = 26, "dropped: comes from no host's address"
    COUNT_IP_TARGET = 27, "dropped: for somebody else"
    COUNT_IP_PROTOCOL = 28, "dropped: another protocol"
    COUNT_ICMP_CHECKSUM = 29, "dropped: too short, or damaged"
    COUNT_ICMP_TYPE = 30, "dropped: no echo request to us alone"
    COUNT_ICMP_ECHO = 31, "echo requests answered"
    COUNT_UDP_LENGTH = 32, "dropped: lengths make no sense"
    COUNT_UDP_CHECKSUM = 33, "dropped: damaged"
    COUNT_UDP_PORT = 34, "dropped: a port that nobody has bound"
    COUNT_UDP_IN = 35, "datagrams handed on"
    COUNT_TCP_LENGTH = 36, "dropped: lengths make no sense, or sent to all"
    COUNT_TCP_CHECKSUM = 37, "dropped: damaged"
    COUNT_TCP_OPTIONS = 38, "dropped: options that overlap, or end behind the header"
    COUNT_TCP_IN = 39, "segments looked at"
    COUNTS = 40, "counters"


ETHER = Layout(
    "ETHER", "Ethernet header; a MAC's six bytes are a doubleword and its end",
    u32("to", "for whom"),
    u16("to_end", "its end"),
    u32("from", "from whom"),
    u16("from_end", "its end"),
    u16("type", "what follows", Ether),
)

ARP = Layout(
    "ARP", "ARP packet",
    u16("hardware", "ARP_ETHER"),
    u16("protocol", "ETHER_IP"),
    u16("sizes", "ARP_LENGTHS"),
    u16("operation", "ARP_ETHER: a question; ARP_REPLY"),
    u32("from", "MAC of who sends it"),
    u16("from_end", "its end"),
    u32("source", "address of who sends it"),
    u32("to", "in an answer: MAC of who has asked"),
    u16("to_end", "its end"),
    u32("target", "address that is asked for; in an answer: of who has asked"),
)

IP = Layout(
    "IP", "IPv4 header",
    u8("version", "high half: version; low half: length of the header in doublewords"),
    u8("service", "quality of service"),
    u16("length", "of header and data, bytes"),
    u16("id", "which packet it is a fragment of"),
    u16("fragment", "flags, and the fragment's place"),
    u8("ttl", "hops that are left"),
    u8("protocol", "what follows", IpProtocol),
    u16("checksum", "of the header"),
    u32("source", "address of who sends it"),
    u32("target", "address of whom it is for"),
)

ICMP = Layout(
    "ICMP", "ICMP header",
    u8("type", "what it is", Icmp),
    u8("code", "more precisely"),
    u16("checksum", "of all"),
    u32("rest", "as the type says"),
)

UDP = Layout(
    "UDP", "UDP header",
    u16("source", "port of who sends it"),
    u16("target", "port of whom it is for"),
    u16("length", "of header and data, bytes"),
    u16("checksum", "of a pseudo-header, header and data; 0: none"),
)

TCP = Layout(
    "TCP", "TCP header",
    u16("source", "port of who sends it"),
    u16("target", "port of whom it is for"),
    u32("sequence", "number of the first byte of data, or of SYN or FIN if there are none"),
    u32("acknowledged", "number of the first byte that has not come"),
    u8("offset", "high half: length of the header in doublewords"),
    u8("flags", "what it is", TcpFlag),
    u16("window", "bytes from TCP_ACKNOWLEDGED on that there is room for"),
    u16("checksum", "of a pseudo-header, header and data"),
    u16("urgent", "not used"),
)

NET = Layout(
    "NET", "Who we are on the network",
    u32("mac", "our MAC"),
    u16("mac_end", "its end"),
    u16("none", "nothing"),
    u32("address", "our address"),
    u32("mask", "the bits of it that all in our network have in common"),
    u32("gateway", "who takes packets for other networks; 0: nobody"),
)

NEIGHBOUR = Layout(
    "NEIGHBOUR", "A host of our network",
    u32("address", "its address; 0: free"),
    u32("state", "what is known", Neighbour),
    u32("mac", "NEIGHBOUR_KNOWN: its MAC"),
    u16("mac_end", "its end"),
    u16("waiting", "NEIGHBOUR_ASKED: length of the frame that waits, or 0"),
    u32("due", "when this is no longer so, or the question is repeated"),
    u32("tries", "NEIGHBOUR_ASKED: questions sent"),
    gap("frame", EtherSize.ETHER_MAX + 2, "the frame that waits"),
)

PORT = Layout(
    "PORT", "A UDP port that is bound",
    u32("number", "its number; 0: free"),
    u32("handler", "routine that gets the datagrams"),
    u32("argument", "what that finds in EBX"),
)

LISTENER = Layout(
    "LISTENER", "A TCP port that is listened at",
    u32("owner", "whatever its owner puts here"),
    u32("port", "its number; 0: free"),
    u32("half_limit", "connections that may be half open, and no more than can then wait"),
    u32("half_count", "those that are"),
    u32("limit", "connections that may wait to be accepted"),
    u32("count", "those that do"),
    u32("head", "the one that waits longest, by CONN_LINK; or 0"),
    u32("tail", "the last one; means nothing if there is none"),
)

_PEER = (
    u32("owner", "CONN: whatever its owner puts here; HALF: its LISTENER, or 0: free"),
    u32("state", "how it stands", TcpState),
    u32("address", "the peer's; 0: not on the network"),
    u32("ports", "TCP_SOURCE and TCP_TARGET of what comes, as loaded"),
    u32("chain", "the next one of those that are found in the same bucket, or 0"),
    u32("after", "the next one of the list that it is on, or the list"),
    u32("before", "the one before it, or the list"),
)
PEER = Layout("PEER", "What CONN and HALF have in common, at their front", *_PEER)

LIST = Layout(
    "LIST", "A list of PEERs: PEER_AFTER and PEER_BEFORE of something in front of the first and behind the last",
    u32("first", "the first one, or that"),
    u32("last", "the last one, or that"),
)

HALF = Layout(
    "HALF", "A half open connection: SYN has come, SYN and ACK have gone",
    *_PEER,
    u32("theirs", "number of the first byte that the peer will send"),
    u32("ours", "number of the first byte that we will send"),
    u32("mss", "bytes that the peer takes in a segment"),
    u32("tries", "times that SYN and ACK have been sent"),
    u32("due", "when they are sent again"),
)

CONN = Layout(
    "CONN", "A TCP connection; numbers of bytes are those of its two streams",
    *_PEER,
    group("as long as there is memory"),
    u32("send", "ring of TCP_BUFFER bytes for what we send"),
    u32("receive", "the same for what comes"),
    group("as long as the connection is"),
    u32("link", "the next one that waits to be accepted"),
    u32("closed", "not 0: its owner has closed it"),
    u32("finish", "not 0: our stream ends at CONN_END"),
    u32("fin", "1: the peer's has ended, at CONN_GOT - 1"),
    group("what we send"),
    u32("una", "first byte that has not been acknowledged"),
    u32("nxt", "first byte to send; goes back to CONN_UNA when something is lost"),
    u32("max", "first byte that has never been sent"),
    u32("end", "first byte that has not been written"),
    u32("mss", "bytes that the peer takes in a segment"),
    u32("window", "bytes from CONN_UNA on that the peer has room for"),
    u32("window_seq", "TCP_SEQUENCE of the segment that said so"),
    u32("window_ack", "its TCP_ACKNOWLEDGED"),
    u32("probe", "not 0: a byte goes even if the peer has no room"),
    group("what comes"),
    u32("got", "first byte that has not come"),
    u32("read", "first byte that has not been read"),
    u32("edge", "first byte that the peer knows no room for"),
    u32("ack_due", "segments that wait to be acknowledged; TCP_ACK_NOW and more: at once"),
    group("how much at a time"),
    u32("cwnd", "bytes that may be on their way"),
    u32("ssthresh", "up to there that doubles in a round trip"),
    u32("recover", "until CONN_UNA is there, losses are parts of the last one"),
    u32("duplicates", "equal acknowledgements in a row"),
    group("time, in milliseconds"),
    u32("timer", "not 0: something happens at CONN_DUE"),
    u32("due", "when"),
    u32("rto", "how long an answer may take"),
    u32("retries", "times in a row that it has taken longer"),
    u32("srtt", "how long it takes, times 8; 0: not known"),
    u32("rttvar", "how that varies, times 4"),
    u32("timed", "not 0: it is being measured,"),
    u32("timed_seq", "with this byte,"),
    u32("timed_at", "since then"),
)
