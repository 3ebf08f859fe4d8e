"""State in the midst of traffic: what is saved at any event goes on as if nothing had been."""

from __future__ import annotations

import json
from typing import Any

from emu.clock import NEVER
from emu.devices.e1000.registers import Cause, Ctrl, Rctl, Register
from tests.emu.devices.e1000.card import DEXT, EOP, IDE, IFCS, RS, TSE, Card, ethernet, frame, ipv4, tcp, udp


def busy() -> Card:
    """A controller with everything under way: long packets, delays, throttling, segmentation, loopback, MDIC."""
    card = Card(100_000_000)
    card.start(rx=32, tx=16, rctl=Rctl.BAM | Rctl.LPE | 3 << 16, causes=0x1F6DF)
    card.put(Register.ITR, 200); card.put(Register.RDTR, 30); card.put(Register.RADV, 70)
    card.put(Register.TIDV, 10); card.put(Register.TADV, 25); card.put(Register.RXCSUM, 0x30E)
    card.put(Register.CTRL, card.get(Register.CTRL) | Ctrl.VME)
    card.put(Register.MDIC, 2 << 26 | 1 << 29 | 1 << 21 | 1 << 16)
    card.put(Register.EERD, 1 | 0x3F << 8)
    card.put(Register.EECD, 0x47)
    header = ethernet(ipv4(6, tcp(b"")))
    card.describe(14 | 24 << 8 | 33 << 16 | 34 << 32 | 50 << 40,
                  5000 | (DEXT | TSE | 3) << 24 | 54 << 40 | 1000 << 48)
    card.data(header + bytes(3000), IFCS | TSE | RS, options=3)
    card.data(bytes(2000), EOP | IFCS | TSE | RS, options=3)
    for i in range(12):
        card.legacy(frame(200 + 100 * i, seed=i), EOP | IFCS | RS | (IDE if i % 2 else 0))
    card.go()
    for sent in (frame(1400), ethernet(ipv4(17, udp(b"x" * 700))), frame(300), frame(3000), frame(64, b"\xFF" * 6)):
        card.nic.receive(sent)
    return card


def saved(card: Card) -> dict[str, Any]:
    state = {"nic": card.nic.save(), "clock": card.clock.save(), "memory": bytes(card.memory.bytes).hex(),
             "free": card.wire.free_at, "sent": [sent.hex() for sent in card.wire.sent]}
    return dict(json.loads(json.dumps(state)))


def restored(state: dict[str, Any]) -> Card:
    card = Card(100_000_000)
    card.nic.load(state["nic"])
    card.clock.load(state["clock"])
    card.memory.bytes[:] = bytes.fromhex(state["memory"])
    card.wire.free_at = state["free"]
    card.wire.sent = [bytes.fromhex(sent) for sent in state["sent"]]
    return card


def step(card: Card, number: int) -> None:
    """Everything that is due next; software does something now and then."""
    card.clock.advance(card.clock.deadline - card.clock.now)
    if number % 7 == 3:
        card.get(Register.ICR)
    if number == 20:
        card.put(Register.RCTL, card.get(Register.RCTL) | Rctl.LBM_MAC)
    if number == 35:
        card.put(Register.RCTL, card.get(Register.RCTL) & ~Rctl.LBM)


def finish(card: Card, number: int) -> tuple[dict[str, Any], int]:
    while card.clock.deadline != NEVER:
        step(card, number)
        number += 1
    return saved(card), number


def test_a_snapshot_at_any_event_goes_on_the_same() -> None:
    card = busy()
    states = []
    while card.clock.deadline != NEVER:
        states.append(saved(card))
        step(card, len(states) - 1)
    end = saved(card)
    assert len(states) > 40 and len(card.wire.sent) >= 10 and card.get(Register.RDH) > 10
    for number, state in enumerate(states):
        assert finish(restored(state), number) == (end, len(states))


def test_a_snapshot_loads_into_a_controller_in_another_state() -> None:
    state = saved(busy())
    other = busy()
    finish(other, 0)
    other.put(Register.ICS, Cause.LSC)
    other.nic.load(state["nic"])
    other.clock.load(state["clock"])
    other.memory.bytes[:] = bytes.fromhex(state["memory"])
    other.wire.free_at, other.wire.sent = state["free"], []
    assert finish(other, 0)[0] == finish(busy(), 0)[0]
