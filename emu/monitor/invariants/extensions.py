"""What holds of the kernel's extensions, as far as it has them (KIP_FEATURES): accounts, loans, backlogs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emu.monitor.invariants.state import State
from guest.abi.micro import KipFeature, MicroState

SENDING = int(MicroState.IS_SENDING)


def broken(state: State) -> Iterator[str]:
    """What does not hold."""
    features = int(state.kip.features)
    if features & KipFeature.KIP_ACCOUNTING:
        yield from accounts(state)
    if features & KipFeature.KIP_BUDGET:
        yield from loans(state)
    if features & KipFeature.KIP_BACKLOG:
        yield from backlogs(state)


def accounts(state: State) -> Iterator[str]:
    """What the threads that live have used and what was donated to them, and what those used that are gone, is what has
    elapsed up to the last change of the current thread.
    """
    used = sum(_long(block[f"{name}_low"], block[f"{name}_high"])
               for name in ("used", "donated") for block in (*state.threads, state.idle))
    gone, last, start = (_long(state.variable(name), state.variable(f"{name}_high"))
                         for name in ("account_gone", "account_last", "account_start"))
    if used + gone != last - start:
        yield f"accounts: {used:,} cycles of threads and {gone:,} of those gone are not the {last - start:,} elapsed"


def loans(state: State) -> Iterator[str]:
    """Lender and borrower know each other; who lends waits, and chains end with one who is on no loan."""
    threads = state.threads
    for there, back in (("donor", "borrower"), ("borrower", "donor")):
        rows = state.rows(threads[there])
        wrong = (threads[there] != 0) & ((rows < 0) | (threads[back][rows] != state.at))
        yield from state.each(wrong, f"its KTCB_{there.upper()} is {{{there}}}, whose KTCB_{back.upper()} is another")
    yield from state.each((threads["borrower"] != 0) & (state.at == state.current_at), "lends the processor and has it")
    lenders = state.rows(threads["donor"])
    at = np.arange(len(lenders))
    for _ in lenders:
        at = np.where(at >= 0, lenders[at], at)
    yield from state.each(at >= 0, "its loan leads back to itself")
    above = state.row(state.variable("root_scheduler"))
    if threads["donor"][above]:
        yield f"{state.name(above)}: the root scheduler is on a loan"


def backlogs(state: State) -> Iterator[str]:
    """KTCB_BACKLOG is the number of threads in the ring of senders."""
    threads = state.threads
    partners = state.rows(threads["partner"])
    counts = np.bincount(partners[(threads["state"] == SENDING) & (partners >= 0)], minlength=len(partners))
    for row in np.nonzero(threads["backlog"] != counts)[0].tolist():
        yield f"{state.name(row)}: its backlog is {threads['backlog'][row]}, but {counts[row]} wait to send to it"


def _long(low: int, high: int) -> int:
    return int(low) | int(high) << 32
