"""What holds of each thread alone: identifier, state, message, what it waits for, the frame for its program."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emu.monitor.invariants.state import FRAME, KERNEL_BASE, NOBODY, PRESENT, USER, WRITABLE, State
from guest.abi.cpu import Flags, Selector
from guest.abi.micro import Kind, MicroMemory, MicroSize, MicroState, Part, ThreadId

# Plain integers: NumPy takes its time to find out that a member of an enumeration is one.
DEAD, _, SENDING, RECEIVING, TRANSFER, HALTED = map(int, MicroState)
USERS, PAGE_FAULT, EXCEPTION, PREEMPTION, INTERRUPT, START, IDLE = map(int, Kind)
NO_PART, SENDER, RECEIVER = map(int, Part)
UCODE, UDATA = int(Selector.SEL_UCODE), int(Selector.SEL_UDATA)
UTCB_BASE, UTCB_AREA = int(MicroMemory.UTCB_BASE), int(MicroSize.UTCB_AREA)
ANY = int(ThreadId.ANY_THREAD) & 0xFFFFFFFF
ID_SHIFT, VERSION = np.uint32(ThreadId.ID_SHIFT), np.uint32(ThreadId.ID_VERSION)
FLAGS_FIXED = int(Flags.FLAGS_USER)                     # set in every program's flags
FLAGS_FREE = int(Flags.FLAGS_PROGRAM | Flags.FLAGS_NT) | 1 << 16    # what may be besides; RF is the processor's
NOTHING = ("id", "state", "wait", "kwait", "partner", "senders", "transfer", "scheduler", "space")  # of nil_ktcb


def broken(state: State) -> Iterator[str]:
    """What does not hold."""
    yield from identity(state)
    yield from values(state)
    yield from waits(state)
    yield from messages(state)
    yield from transfers(state)
    yield from frames(state)
    yield from utcbs(state)
    yield from schedulers(state)


def identity(state: State) -> Iterator[str]:
    """A thread stands in the table where its number says, has a version, and no other one has its KTCB."""
    threads = state.threads
    version = threads["id"] & VERSION
    yield from state.each((threads["id"] >> ID_SHIFT != state.numbers) | (version == 0),
                          "its identifier is {id}, which does not fit its place in thread_table")
    if len(set(state.at.tolist())) != len(state.at):
        yield "thread_table has a KTCB twice"
    if any(state.nil[name] for name in NOTHING):
        yield "nil_ktcb is not empty: somebody has taken it for a thread"


def values(state: State) -> Iterator[str]:
    """Named numbers are among those that have names."""
    for field, words in (("state", MicroState), ("kind", Kind), ("transfer", Part), ("halted", (0, 1))):
        yield from state.each(state.threads[field] >= len(list(words)), f"{field} is {{{field}}}")


def waits(state: State) -> Iterator[str]:
    """KTCB_WAIT and KTCB_KWAIT: one of them in a thread that receives, none in others, and of somebody who exists."""
    threads, is_receiving = state.threads, state.threads["state"] == RECEIVING
    wait, kwait = threads["wait"], threads["kwait"]
    yield from state.each((wait != 0) & (kwait != 0), "waits for {wait} and for {kwait}")
    either = wait | kwait
    yield from state.each(is_receiving & (either == 0), "receives, but from nobody")
    yield from state.each(~is_receiving & (either != 0), "is {state}, and waits for {wait}, {kwait}")
    is_users = threads["kind"] == USERS
    yield from state.each((wait != 0) & ~(is_users & (threads["halted"] == 0)),
                          "can be answered on the fast path ({wait}), with {kind}, halted {halted}")
    somebody = (either == 0) | (is_users & (either == ANY)) | state.exists(either)
    yield from state.each(~somebody, "waits for {wait}, {kwait}, whom there is not")
    yield from state.each(is_receiving & is_users & (either == threads["id"]), "waits for itself")


def messages(state: State) -> Iterator[str]:
    """Kinds of messages fit threads and states."""
    threads, kind, at = state.threads, state.threads["kind"], state.threads["state"]
    yield from state.each((kind == INTERRUPT) == state.are_programs, "has {kind}")
    yield from state.each(kind == IDLE, "has {kind}")
    unborn = state.among("state", RECEIVING, DEAD)
    yield from state.each((kind == START) & ~unborn, "has not been started, but is {state}")
    asks = state.among("kind", PAGE_FAULT, EXCEPTION, PREEMPTION)
    waits_or = state.among("state", SENDING, RECEIVING, HALTED)
    yield from state.each(asks & ~waits_or, "is {state} with {kind}")
    quiet = state.among("state", SENDING, RECEIVING, DEAD)
    yield from state.each(~state.are_programs & ~quiet, "is {state}")
    dead = (at == DEAD) & state.are_programs
    yield from state.each(dead & ((threads["transfer"] != 0) | (threads["halted"] != 0)),
                          "has not begun, but transfer is {transfer} and halted {halted}")


def transfers(state: State) -> Iterator[str]:
    """Two threads in a transfer know each other, and one of them drives it."""
    threads = state.threads
    parts, is_in = threads["transfer"], threads["transfer"] != NO_PART
    waits = threads["state"] == TRANSFER
    yield from state.each(waits & ~is_in, "is IS_TRANSFER, but in no transfer")
    continues = threads["resume"] == state.symbols["transfer_continue"]
    yield from state.each(continues & ~is_in, "is to continue a transfer, but in none")
    if not is_in.any():
        return
    peers = state.rows(threads["peer"])
    yield from state.each(is_in & (peers < 0), "is in a transfer with {peer}, which is no thread")
    if (is_in & (peers < 0)).any():
        return
    other = np.where(is_in, peers, 0)
    mutual = (threads["peer"][other] == state.at) & (parts[other] + parts == SENDER + RECEIVER)
    yield from state.each(is_in & ~mutual, "is in a transfer with {peer}, which is not in one with it")
    yield from state.each(is_in & mutual & (waits == waits[other]),
                          "both in its transfer wait for the other, or both drive it")
    yield from state.each(is_in & ~waits & ~continues, "drives a transfer, but would go on at {resume}")


def frames(state: State) -> Iterator[str]:
    """What IRET will take can do no harm; the kernel goes on where it can."""
    threads, programs = state.threads, state.are_programs
    segments = (threads["cs"] == UCODE) & (threads["ss"] == UDATA)
    yield from state.each(programs & ~segments, "CS is {cs}, SS {ss}")
    flags = threads["eflags"]
    sane = (flags & FLAGS_FIXED == FLAGS_FIXED) & (flags & ~np.uint32(FLAGS_FIXED | FLAGS_FREE) == 0)
    yield from state.each(programs & ~sane, "EFLAGS is {eflags}")
    places = [state.symbols[name] for name in ("resume_user", "ipc_continue", "transfer_continue")]
    yield from state.each(programs & ~state.among("resume", *places), "would go on at {resume}")


def utcbs(state: State) -> Iterator[str]:
    """A program's UTCB has its place by the number, and that is where the kernel sees it."""
    threads, programs = state.threads, state.are_programs
    wanted = UTCB_BASE + state.numbers * UTCB_AREA
    yield from state.each(programs & (threads["utcb_user"] != wanted), "its UTCB is at {utcb_user}")
    entries = state.entries(threads["space"], threads["utcb_user"])
    seen = (entries & FRAME) + (threads["utcb_user"] & ~FRAME) + np.uint32(KERNEL_BASE)
    rights = np.uint32(PRESENT | USER | WRITABLE)
    yield from state.each(programs & ((entries & rights != rights) | (seen != threads["utcb"])),
                          "the kernel sees its UTCB at {utcb}, but that is not what the program has there")


def schedulers(state: State) -> Iterator[str]:
    """Every scheduler is a thread, and going up one comes to an end; in `uls` the level says after how many steps."""
    threads = state.threads
    rows = state.rows(threads["scheduler"])
    has_one = threads["scheduler"] != 0
    yield from state.each(has_one & ((rows < 0) | ~state.are_programs), "its scheduler is {scheduler}")
    above = np.where(has_one & (rows >= 0), rows, NOBODY)
    depth = np.zeros(len(above), np.int64)
    at = above.copy()
    for _ in range(len(above)):
        climbing = at >= 0
        if not climbing.any():
            break
        depth += climbing
        at = np.where(climbing, above[np.where(climbing, at, 0)], NOBODY)
    yield from state.each(at >= 0, "is above itself in the hierarchy of schedulers")
    if state.uls:
        yield from state.each(state.are_programs & (at < 0) & (threads["uls_level"] != depth),
                              "its level is {uls_level}, but there are others above it")

