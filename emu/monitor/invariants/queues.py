"""What holds of the rings in which threads wait: all are closed, and who stands in one is who should."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from emu.monitor.invariants.state import IDLE, NOBODY, Mask, Rows, State
from guest.abi.micro import Kind, MicroState, ThreadId

SENDING, RECEIVING = int(MicroState.IS_SENDING), int(MicroState.IS_RECEIVING)
USERS = int(Kind.KIND_USER)
ANY = int(ThreadId.ANY_THREAD) & 0xFFFFFFFF
PRIORITIES = 256
MOST_LINES = 3              # about one ring


def broken(state: State) -> Iterator[str]:
    """What does not hold."""
    sending = state.threads["state"] == SENDING
    ready = np.zeros(len(sending), np.bool_) if state.uls else state.threads["l4s_ready"] != 0
    yield from senders(state, sending)
    yield from links(state, sending | ready)
    if not state.uls:
        yield from ready_queues(state, ready)
        yield from timeouts(state)


def senders(state: State, sending: Mask) -> Iterator[str]:
    """KTCB_PARTNER says in whose ring a thread that sends stands; others have none."""
    threads = state.threads
    partners = state.rows(threads["partner"])
    yield from state.each((threads["partner"] != 0) & ~sending, "is {state}, but has the partner {partner}")
    yield from state.each(sending & (partners < 0), "waits to send to {partner}, which is no thread")
    heads = threads["senders"]
    first = state.rows(heads)
    bad = (heads != 0) & ((first < 0) | ~sending[first] | (partners[first] != np.arange(len(first))))
    yield from state.each(bad, "the first that waits to send to it is {senders}, which does not")
    if not sending.any() or bad.any():
        return
    yield from members(state, first, np.where(sending, partners, NOBODY),
                       lambda row: f"that wait to send to {state.name(row)}")
    yield from missed(state, sending, partners)


def missed(state: State, sending: Mask, partners: Rows) -> Iterator[str]:
    """Nobody waits to send to one who waits for just that message.

    Who waits for the reply to a message of the kernel takes no other message of the kernel for it.
    """
    threads = state.threads
    wait, is_users = threads["wait"] | threads["kwait"], threads["kind"] == USERS
    receives = (threads["state"] == RECEIVING)[partners]
    meets = (wait[partners] == threads["id"]) & (is_users[partners] | is_users)
    meets |= (wait[partners] == ANY) & is_users[partners]
    yield from state.each(sending & receives & meets, "waits to send to {partner}, which waits for it")


def members(state: State, first: Rows, wanted: Rows, title: Callable[[int], str]) -> Iterator[str]:
    """Each ring, by its `first` row (negative: empty), holds those rows whose `wanted` is its index, and no others.

    `title` says of a ring who they are.
    """
    following = state.rows(state.threads["next"])
    ring_of = np.full(len(wanted), NOBODY, np.int64)
    for ring in np.nonzero(first >= 0)[0].tolist():
        row, begin = int(first[ring]), int(first[ring])
        for _ in range(len(wanted)):
            if row < 0 or ring_of[row] >= 0:
                yield f"the ring of those {title(ring)} is not closed"
                return
            ring_of[row] = ring
            row = int(following[row])
            if row == begin:
                break
    for row in np.nonzero(ring_of != wanted)[0].tolist()[:MOST_LINES]:
        is_in, should = (f"the ring of those {title(int(ring[row]))}" if ring[row] >= 0 else "no ring"
                         for ring in (ring_of, wanted))
        yield f"{state.name(row)}: stands in {is_in}, and belongs in {should}"


def links(state: State, queued: Mask) -> Iterator[str]:
    """The next one's KTCB_PREV is oneself, and the other way round."""
    threads = state.threads
    for there, back in (("next", "prev"), ("prev", "next")):
        rows = state.rows(threads[there])
        wrong = queued & ((rows < 0) | (threads[back][rows] != state.at))
        yield from state.each(wrong, f"its KTCB_{there.upper()} is {{{there}}}, whose KTCB_{back.upper()} is another")


def ready_queues(state: State, ready: Mask) -> Iterator[str]:
    """`l4`: the ready stand in the ring of their priority, and the bits say which rings are not empty."""
    threads = state.threads
    yield from state.each(threads["l4s_priority"] >= PRIORITIES, "its priority is {l4s_priority}")
    heads = state.words(state.symbols["ready_rings"], PRIORITIES)
    wanted = np.where(ready, threads["l4s_priority"].astype(np.int64), NOBODY)
    yield from members(state, state.rows(heads), wanted, lambda priority: f"that are ready at priority {priority}")
    bits = np.unpackbits(state.words(state.symbols["ready_words"], PRIORITIES // 32).view(np.uint8), bitorder="little")
    for priority in np.nonzero(bits != (heads != 0))[0].tolist():
        yield (f"ready_words: the bit of priority {priority} is {bits[priority]}, its ring begins with "
               f"{heads[priority]:#x}")
    groups = state.words(state.symbols["ready_words"], PRIORITIES // 32) != 0
    expected = sum(1 << at for at in np.nonzero(groups)[0].tolist())
    if state.variable("ready_groups") != expected:
        yield f"ready_groups is {state.variable('ready_groups'):#x}, but the words say {expected:#x}"


def timeouts(state: State) -> Iterator[str]:
    """`l4`: who waits for a limited time stands in the ring that hangs on the idle thread, soonest end first."""
    threads = state.threads
    pending = threads["l4s_pending"] != 0
    waits = state.among("state", SENDING, RECEIVING)
    yield from state.each(pending & ~(waits & (threads["kind"] == USERS)),
                          "its timeout runs, but it is {state} with {kind}")
    following, preceding = state.rows(threads["l4s_wake_next"]), state.rows(threads["l4s_wake_prev"])
    seen = np.zeros(len(pending), np.bool_)
    before, row, ends = IDLE, int(state.row(int(state.idle["l4s_wake_next"]))), 0
    for _ in range(len(pending)):
        if row < 0:
            break
        wake = int(threads["l4s_wake"][row]) | int(threads["l4s_wake_high"][row]) << 32
        if wake < ends:
            yield f"{state.name(row)}: its timeout ends before that of {state.name(before)}, which stands before it"
        if int(preceding[row]) != before:
            yield f"{state.name(row)}: in the ring of timeouts its predecessor is another one"
        seen[row], ends, before, row = True, wake, row, int(following[row])
    if row != IDLE or state.row(int(state.idle["l4s_wake_prev"])) != before:
        yield "the ring of timeouts is not closed"
    else:
        yield from state.each(seen != pending, "pending is {l4s_pending}, which the ring of timeouts does not bear out")

