"""`uls`: who has the processor behind an IPC, row by row of the paper's section 3.3, and who hears of it."""

from __future__ import annotations

import pytest

from guest.abi.micro import STATE, Kind, Label, Preemption, ThreadId
from tests.guest.micro.puppets import ANY, NIL, ZERO, Message, Puppet, Stage

IDLE = ThreadId.IDLE_THREAD << ThreadId.ID_SHIFT | 1


def busy(stage: Stage, runs: Puppet) -> None:
    """Somebody has the processor, and the root scheduler, which is that one's own, waits for another one."""
    quiet = stage.thread()
    stage.let(quiet).receive(quiet.id - (1 << ThreadId.ID_SHIFT))
    root = stage.direct()
    root.ipc(runs, quiet)
    assert runs.is_current


def reason(message: Message | object) -> tuple[int, int, int]:
    """Of a preemption message: label, why, and who ran instead."""
    assert isinstance(message, Message)
    words = STATE.decode(b"".join(word.to_bytes(4, "little") for word in (*message.words, 0)))
    return message.label, words.vector, words.error


def test_a_blocking_send_leaves_the_processor_idle_and_the_root_scheduler_hears_of_it(uls: Stage) -> None:
    one, other = uls.thread(), uls.thread()
    assert uls.let(one).send(other) is uls.root
    assert uls.root.got == Message(IDLE, Label.LABEL_IDLE)


def test_a_blocking_receive_leaves_the_processor_idle_and_the_root_scheduler_hears_of_it(uls: Stage) -> None:
    one, other = uls.thread(), uls.thread()
    for source in (other, ANY):
        assert uls.let(one).receive(source) is uls.root
        assert uls.root.got == Message(IDLE, Label.LABEL_IDLE)
        uls.root.cancel(one)


def test_a_root_scheduler_that_waits_for_another_one_does_not_hear_of_it(uls: Stage) -> None:
    one = uls.thread()
    busy(uls, one)
    assert one.receive(ANY) is None


@pytest.mark.parametrize("way", ["call", "send and receive", "reply and wait"])
def test_a_send_and_a_blocking_receive_donate_without_a_message(uls: Stage, gate: str, way: str) -> None:
    uls.gate = gate
    scheduler, third = uls.thread(), uls.thread()
    one, other = uls.thread(scheduler=scheduler), uls.thread(scheduler=scheduler)
    uls.let(other).receive(ANY)
    uls.let(one)
    assert scheduler.field("wait") == ANY and not scheduler.pending
    source = {"call": other, "send and receive": third, "reply and wait": ANY}[way]
    assert one.ipc(other, source, 1, 2) is other
    assert other.got == Message(one, 0, (1, 2))
    assert scheduler.field("wait") == ANY and not scheduler.pending
    assert uls.root.field("wait") == ANY and not uls.root.pending


@pytest.mark.parametrize("grant", [False, True])
@pytest.mark.parametrize("operation", ["send", "receive"])
def test_who_loses_a_non_blocking_send_or_receive_asks_its_scheduler(uls: Stage, gate: str, operation: str, grant: bool
                                                                     ) -> None:
    uls.gate = gate
    one, other = uls.thread(), uls.thread()
    if operation == "send":
        uls.let(other).receive(one)
    else:
        uls.let(other).send(one, 7)
    busy(uls, one)
    if operation == "send":
        one.send(other, 7, grant=grant)
    else:
        one.receive(other, grant=grant)
    winner, loser = (other, one) if grant else (one, other)
    assert uls.current is winner
    assert uls.root.pending == [loser]
    receiver, sender = (other, one) if operation == "send" else (one, other)
    assert receiver.got == Message(sender, 0, (7,))
    assert sender.got == Message(0)
    assert (loser.field("reason"), loser.field("preempter")) == (Preemption.PREEMPTED_CHOICE, winner.id)


@pytest.mark.parametrize("grant", [False, True])
def test_if_the_scheduler_of_both_waits_it_hears_of_the_loser_and_then_the_winner_loses_to_it(uls: Stage, grant: bool
                                                                                              ) -> None:
    one, other = uls.thread(), uls.thread()
    uls.let(other).receive(one)
    assert uls.let(one).send(other, grant=grant) is uls.root
    winner, loser = (other, one) if grant else (one, other)
    got = uls.root.got
    assert isinstance(got, Message) and got.sender is loser
    assert reason(got) == (Label.LABEL_PREEMPTION, Preemption.PREEMPTED_CHOICE, winner.id)
    assert uls.root.pending == [winner]
    uls.root.receive(ANY, receive=ZERO)
    got = uls.root.got
    assert isinstance(got, Message) and got.sender is winner
    assert reason(got) == (Label.LABEL_PREEMPTION, Preemption.PREEMPTED_CHOICE, uls.root.id)


@pytest.mark.parametrize("grant", [False, True])
def test_a_non_blocking_send_and_receive_leaves_three_that_can_run(uls: Stage, gate: str, grant: bool) -> None:
    uls.gate = gate
    invoker, target, source = uls.thread(), uls.thread(), uls.thread()
    uls.let(target).receive(ANY)
    uls.let(source).send(invoker, 8)
    busy(uls, invoker)
    invoker.ipc(target, source, 9, grant=grant)
    assert target.got == Message(invoker, 0, (9,))
    assert invoker.got == Message(source, 0, (8,))
    winner, loser = (target, invoker) if grant else (invoker, target)
    assert uls.current is winner
    assert uls.root.pending == [loser, source]
    assert [each.field("preempter") for each in (loser, source)] == [winner.id] * 2


@pytest.mark.parametrize("grant", [False, True])
def test_if_the_source_waits_for_its_answer_two_can_run(uls: Stage, gate: str, grant: bool) -> None:
    uls.gate = gate
    server, client, next_client = uls.thread(), uls.thread(), uls.thread()
    uls.let(server).receive(ANY)
    uls.let(client).call(server, 1)
    server.receive(next_client, receive=ZERO)
    uls.let(next_client).call(server, 2)
    busy(uls, server)
    server.reply_and_wait(client, 3, grant=grant)
    winner, loser = (client, server) if grant else (server, client)
    assert uls.current is winner
    assert uls.root.pending == [loser]
    assert server.got == Message(next_client, 0, (2,))
    assert client.got == Message(server, 0, (3,))
    assert not next_client.can_run


def test_a_sender_that_could_receive_at_once_does_so_behind_the_one_who_took_its_message(uls: Stage) -> None:
    receiver, middle, last = uls.thread(), uls.thread(), uls.thread()
    uls.let(last).send(middle, 3)
    uls.let(middle).ipc(receiver, last, 2)
    busy(uls, receiver)
    # Figure 3: taking middle's message would let middle take last's, and give that one the processor.
    assert receiver.receive(middle) is receiver
    assert receiver.got == Message(middle, 0, (2,))
    assert uls.root.pending == [middle]
    assert middle.field("kind") == Kind.KIND_PREEMPTION
    assert middle.pending == [last]


def test_a_chain_of_any_length_goes_on_step_by_step(uls: Stage) -> None:
    chain = [uls.thread() for _ in range(6)]
    for number in range(5, 0, -1):
        uls.let(chain[number]).ipc(chain[number - 1], chain[number + 1] if number < 5 else NIL, number)
    uls.let(chain[0]).receive(chain[1])
    for number in range(5):
        assert [thread.can_run for thread in chain] == [index <= number + 1 for index in range(6)]
        uls.let(chain[number])
        assert chain[number].got == Message(chain[number + 1], 0, (number + 1,))
        uls.give(chain[number + 1])             # which receives, and can run again when that has happened
    assert chain[5].got == Message(0)


def test_a_server_without_time_of_its_own_gets_it_by_its_scheduler_if_a_client_only_sends(uls: Stage) -> None:
    scheduler = uls.thread()
    server, client = uls.thread(scheduler=scheduler), uls.thread()
    uls.let(server).receive(ANY)                                # it runs on its clients' time from here on
    uls.let(client)
    assert client.send(server, 1) is not None
    # Nobody waits for the server, which lost: its scheduler knows that it can run, and lets it.
    assert server.can_run and not server.is_current
    uls.let(server)
    assert server.got == Message(client, 0, (1,))
    server.receive(ANY)
    uls.let(client).call(server, 2)
    assert server.is_current and server.got == Message(client, 0, (2,))


def test_a_client_that_only_sends_may_grant_the_processor_to_the_server(uls: Stage) -> None:
    scheduler = uls.thread()
    server, client = uls.thread(scheduler=scheduler), uls.thread()
    uls.let(server).receive(ANY)
    busy(uls, client)
    assert client.send(server, 1, grant=True) is server
    assert uls.root.pending == [client]
