"""IPC of words: every operation of the X.2 manual, every length, both gates; and a model of rendezvous."""

from __future__ import annotations

from random import Random

import pytest

from guest.abi.micro import IpcError, MicroSize, Tag
from tests.guest.micro.puppets import ANY, NIL, ZERO, Failed, Message, Puppet, Stage

NOBODY = -2                                 # in the model: somebody who does not exist
WORDS = range(MicroSize.MR_COUNT)           # how many a message may have
OVERFLOW = Failed(IpcError.IPC_OVERFLOW)


def random_words(random: Random, count: int) -> list[int]:
    return [random.getrandbits(32) for _ in range(count)]


@pytest.mark.parametrize("apart", [False, True], ids=["same space", "other space"])
def test_a_call_and_its_reply_carry_every_number_of_words(stage: Stage, gate: str, apart: bool) -> None:
    stage.gate, random = gate, Random(1)
    server, client = stage.thread(space=apart), stage.thread()
    stage.let(server).receive(ANY)
    stage.let(client)
    for count in WORDS:
        there, back, label = random_words(random, count), random_words(random, 63 - count), random.getrandbits(16)
        assert client.call(server, *there, label=label) is server
        assert server.got == Message(client, label, tuple(there))
        assert server.reply_and_wait(client, *back, label=label ^ 0xFFFF) is client
        assert client.got == Message(server, label ^ 0xFFFF, tuple(back))


def test_the_gates_understand_each_other(stage: Stage) -> None:
    server, client = stage.thread(), stage.thread(space=True)
    stage.let(server).receive(ANY, gate="stub")
    stage.let(client)
    for there, back in (("int", "stub"), ("stub", "int"), ("int", "int"), ("stub", "stub"), ("int", "int")):
        assert client.call(server, 1, 2, 3, gate=there) is server
        assert server.got == Message(client, 0, (1, 2, 3))
        assert server.reply_and_wait(client, 4, 5, 6, gate=back) is client
        assert client.got == Message(server, 0, (4, 5, 6))


@pytest.mark.parametrize("way", ["receiver first", "sender first", "granted", "with a timeout", "sent alone"])
def test_every_way_carries_the_same_words(stage: Stage, gate: str, way: str) -> None:
    stage.gate, random = gate, Random(2)
    receiver, sender = stage.thread(space=True), stage.thread()
    for count in WORDS:
        words, label = random_words(random, count), random.getrandbits(16)
        if way == "sender first":
            stage.let(sender).send(receiver, *words, label=label)
            stage.let(receiver).receive(sender)
        else:
            stage.let(receiver).receive(ANY)
            stage.let(sender)
            if way == "granted":
                sender.call(receiver, *words, label=label, grant=True)
            elif way == "with a timeout":
                sender.call(receiver, *words, label=label, receive=ZERO)
            elif way == "sent alone":
                sender.send(receiver, *words, label=label)
            else:
                sender.ipc(receiver, receiver, *words, label=label, send=ZERO)
        assert receiver.can_run
        assert receiver.got == Message(sender, label, tuple(words))
        if not sender.can_run:
            stage.let(receiver).send(sender)
        assert sender.can_run


def test_words_behind_the_message_are_not_touched(stage: Stage) -> None:
    receiver, sender = stage.thread(), stage.thread()
    for count in WORDS:
        stage.let(receiver).set_utcb("mr0", *(0xEE00 + index for index in WORDS))
        receiver.receive(sender)
        stage.let(sender).call(receiver, *range(count))
        behind = max(count, 2) + 1              # MR1 and MR2 may be overwritten: they travel in registers
        assert [receiver.utcb("mr0", index) for index in range(behind, 64)] == [0xEE00 + i for i in range(behind, 64)]
        stage.let(receiver).send(sender)


@pytest.mark.parametrize("untyped, typed", [(1, 63), (63, 1), (32, 32), (63, 63)])
def test_a_tag_with_more_words_than_there_are_is_refused(stage: Stage, untyped: int, typed: int) -> None:
    receiver, sender = stage.thread(), stage.thread()
    stage.let(receiver).receive(ANY)
    stage.let(sender).ipc(receiver, tag=typed << Tag.TAG_TYPED_SHIFT | untyped)
    assert sender.got == OVERFLOW
    assert not receiver.can_run


@pytest.mark.parametrize("flags", [0x8000, 0x4000, 0x1000, 0xD000])
def test_flags_of_the_sender_do_not_reach_the_receiver(stage: Stage, gate: str, flags: int) -> None:
    stage.gate = gate
    receiver, sender = stage.thread(), stage.thread()
    stage.let(receiver).receive(ANY)
    stage.let(sender).ipc(receiver, receiver, 7, tag=5 << Tag.LABEL_SHIFT | flags | 1)
    assert receiver.got == Message(sender, 5, (7,))
    assert not receiver.register("esi") & Tag.TAG_FLAGS


@pytest.mark.parametrize("typed", range(1, 6, 2))
def test_an_odd_typed_word_is_a_word_and_no_item(stage: Stage, typed: int) -> None:
    receiver, sender = stage.thread(), stage.thread()
    stage.let(receiver).receive(ANY)
    items = [0xA, 0] * (typed // 2)             # grants of nothing
    stage.let(sender).send(receiver, 9, typed=[*items, 0xFFFF_FFFF])
    assert sender.got == Message(0)
    assert receiver.got == Message(sender, 0, (9,), (*items, 0xFFFF_FFFF))


@pytest.mark.parametrize("kind", [2, 4, 6, 0xC, 0xE])
def test_an_item_of_a_kind_that_does_not_exist_ends_the_ipc_of_both(stage: Stage, kind: int) -> None:
    receiver, sender = stage.thread(), stage.thread()
    stage.let(receiver).receive(ANY)
    stage.let(sender).send(receiver, typed=[(kind, 0)])
    assert sender.got == OVERFLOW
    assert receiver.got == Failed(IpcError.IPC_OVERFLOW | IpcError.IPC_RECEIVE_PHASE)
    assert sender.can_run and receiver.can_run


def test_an_ipc_without_partners_does_nothing(stage: Stage, gate: str) -> None:
    stage.gate = gate
    thread = stage.let(stage.thread())
    assert thread.ipc(NIL, NIL, 1, 2, 3) is thread
    assert thread.got == Message(0)


class Model:
    """Rendezvous of threads, without a processor: who waits for whom, and what has arrived.

    A sender whose message was fetched goes on to its receive phase when it gets the processor, unless that only means
    waiting.
    """

    def __init__(self, names: int) -> None:
        self.names = range(names)
        self.got: list[object] = [None] * names                     # how each one's last IPC ended
        self.waits: dict[int, int] = {}                             # receivers: from whom
        self.sends: dict[int, tuple[int, Message, int, bool]] = {}  # senders, oldest first: to whom, what, and then?
        self.later: dict[int, tuple[int, bool]] = {}                # can run, but first comes the receive phase

    def can_run(self, name: int) -> bool:
        return name not in self.waits and name not in self.sends

    def ipc(self, name: int, to: int, message: Message, source: int, send_now: bool, receive_now: bool) -> None:
        """`to` and `source`: a name, NIL, ANY (to receive), NOBODY."""
        if to in (NOBODY, name):
            self.got[name] = Failed(IpcError.IPC_NO_PARTNER)
        elif to == NIL:
            self.receive(name, source, receive_now)
        elif self.waits.get(to) in (name, ANY):
            del self.waits[to]
            self.got[to] = message
            self.receive(name, source, receive_now)
        elif send_now:
            self.got[name] = Failed(IpcError.IPC_TIMEOUT)
        else:
            self.sends[name] = to, message, source, receive_now

    def receive(self, name: int, source: int, now: bool) -> None:
        senders = [one for one, (to, *_) in self.sends.items() if to == name and source in (one, ANY)]
        if source == NIL:
            self.got[name] = Message(0)
        elif source in (NOBODY, name):
            self.got[name] = Failed(IpcError.IPC_NO_PARTNER | IpcError.IPC_RECEIVE_PHASE)
        elif senders:
            _, self.got[name], then, then_now = self.sends.pop(senders[0])
            self.fetched(senders[0], then, then_now)
        elif now:
            self.got[name] = Failed(IpcError.IPC_TIMEOUT | IpcError.IPC_RECEIVE_PHASE)
        else:
            self.waits[name] = source

    def fetched(self, name: int, source: int, now: bool) -> None:
        """A sender goes on."""
        waiting = [one for one, (to, *_) in self.sends.items() if to == name and source in (one, ANY)]
        if source == NIL:
            self.got[name] = Message(0)
        elif now or waiting or source in (NOBODY, name):
            self.later[name] = source, now
        else:
            self.waits[name] = source

    def runs(self, name: int) -> None:
        """It gets the processor."""
        if name in self.later:
            self.receive(name, *self.later.pop(name))


@pytest.mark.parametrize("seed", range(4))
def test_random_ipc_goes_as_in_the_model(stage: Stage, seed: int) -> None:
    random = Random(seed)
    threads = [stage.thread(space=number % 2 == 1) for number in range(5)]
    names = range(1, len(threads) + 1)              # 0 is NIL
    puppets: list[Puppet | int] = [NIL, *threads]
    stranger = threads[0].id + 1                    # a version that nobody has
    model = Model(len(puppets))
    continues = stage.machine.address("ipc_continue")

    def meant(name: int) -> Puppet | int:
        return ANY if name == ANY else stranger if name == NOBODY else puppets[name]

    for _ in range(150):
        ready = [name for name in names if model.can_run(name)]
        if not ready:
            break
        name = random.choice(ready)
        if name in model.later:
            stage.give(threads[name - 1])
        else:
            others = [other for other in names if other != name]
            to = random.choice([NIL, *others, *others, random.choice([NOBODY, name])])
            source = random.choice([NIL, ANY, ANY, *others, to, to, random.choice([NOBODY, name])])
            words = random_words(random, random.choice([0, 1, 2, 3, 10, 63]))
            label, grant = random.getrandbits(16), random.random() < 0.3
            send_now, receive_now = random.random() < 0.3, random.random() < 0.3
            stage.gate = random.choice(["int", "stub"])
            stage.let(threads[name - 1]).ipc(meant(to), meant(source), *words, label=label, grant=grant,
                                             send=ZERO if send_now else 0, receive=ZERO if receive_now else 0)
            message = Message(threads[name - 1], label, tuple(words))
            model.ipc(name, to, message, source, send_now, receive_now)
        for one in [one for one in model.later if threads[one - 1].field("resume") != continues]:
            model.runs(one)
        for number, thread in enumerate(threads, 1):
            assert thread.can_run == model.can_run(number), (number, thread.state)
            if model.can_run(number) and number not in model.later and model.got[number]:
                assert thread.got == model.got[number]
