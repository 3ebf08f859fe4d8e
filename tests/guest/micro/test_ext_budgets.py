"""KIP_BUDGET: calls that lend the processor for so many cycles at most, and schedulers that give it for so many.

In all of this a cycle is an instruction (profile `unit`). The lines that fire are the root scheduler's, which stands
above all: so whoever is interrupted is preempted, and who hears of it can be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.result import Reason
from guest.abi.micro import Kind, KipFeature, Label, MicroState, Preemption, ThreadId
from tests.guest.micro.extensions.audit import Accounts
from tests.guest.micro.extensions.programs import image
from tests.guest.micro.puppets import ANY, Failed, Message, Puppet, Stage, string

LINE, OTHER_LINE, TIMER = 5, 6, 0
NOWHERE = 0x3000_0000       # an address where nothing is
NO_LIMIT, USED_UP = 0, 1
ENTRY = 700                 # cycles that the kernel needs at most to let somebody else run
BUDGET = Preemption.PREEMPTED_BUDGET


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    """Whose root scheduler has an interrupt line."""
    stage = stages("uls", EXTENSIONS=int(KipFeature.KIP_BUDGET))
    stage.attach(LINE, stage.root)
    return stage


class Cast:
    """A client and a server, each with a scheduler of its own. The server waits for anybody."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.client_scheduler, self.server_scheduler = stage.thread(), stage.thread()
        self.client = stage.thread(scheduler=self.client_scheduler)
        self.server = stage.thread(scheduler=self.server_scheduler)
        stage.let(self.server).receive(ANY)

    def lend(self, cycles: int) -> Puppet:
        """The client calls the server, which runs then."""
        self.stage.let(self.client).set_utcb("budget", cycles)
        assert self.client.call(self.server) is self.server
        return self.server

    def use_up(self, cycles: int = 5_000) -> None:
        """The client's loan, until its scheduler hears of it."""
        self.lend(cycles)
        works(self.server, cycles)
        interrupted(self.stage)
        assert asked(self.client_scheduler) == (self.server, BUDGET, self.client.id)


@pytest.fixture
def cast(stage: Stage) -> Cast:
    """A client and a server."""
    return Cast(stage)


def works(thread: Puppet, cycles: int) -> None:
    """A thread that has the processor keeps it so long."""
    assert thread.is_current
    thread.stage.machine.run(max_instructions=cycles)
    assert thread.stage.run() is thread


def interrupted(stage: Stage) -> None:
    """The root scheduler's line fires, and it lets it fire again."""
    assert stage.interrupt(LINE) is stage.root
    stage.root.send(LINE << ThreadId.ID_SHIFT | 1)


def asked(scheduler: Puppet) -> tuple[Puppet | int, int, int]:
    """The preemption message that a scheduler has received last: from whom, why, and the thread that it names."""
    got = scheduler.got
    assert isinstance(got, Message) and got.label == Label.LABEL_PREEMPTION
    return got.sender, got.words[2], got.words[3]


def loan(thread: Puppet) -> tuple[Puppet | int | None, int]:
    """Who has lent a thread the processor, and how much is left; None if nobody has."""
    stage = thread.stage
    for lender in stage.threads.values():
        if lender.field("id") and lender.ktcb == thread.field("donor"):
            assert lender.field("borrower") == thread.ktcb
            return lender, thread.field("budget")
    assert thread.field("donor") == 0
    return None, 0


# One loan

def test_a_loan_is_less_by_what_its_borrower_uses(cast: Cast) -> None:
    server = cast.lend(10_000)
    assert loan(server) == (cast.client, 10_000)
    works(server, 4_000)
    interrupted(cast.stage)
    assert asked(cast.server_scheduler) == (server, Preemption.PREEMPTED_INTERRUPT, cast.stage.root.id)
    lender, left = loan(server)
    assert lender is cast.client and 6_000 - ENTRY < left <= 6_000


def test_preemption_does_not_end_a_loan_nor_count(cast: Cast) -> None:
    server = cast.lend(10_000)
    works(server, 3_000)
    interrupted(cast.stage)
    before = loan(server)
    works(cast.stage.root, 50_000)
    cast.stage.let(server)
    assert loan(server) == before


def test_a_loan_that_is_used_up_is_the_lenders_schedulers_business(cast: Cast) -> None:
    server = cast.lend(10_000)
    works(server, 10_000)
    interrupted(cast.stage)
    assert asked(cast.client_scheduler) == (server, BUDGET, cast.client.id)
    assert cast.server_scheduler.field("wait") == ANY and not cast.server_scheduler.pending
    assert loan(server) == (cast.client, USED_UP)


@pytest.mark.parametrize(("anew", "left"), [(7_000, 7_000), (0, NO_LIMIT), (0xFFFF_FFFF, 0xFFFF_FFFF), (1, USED_UP)])
def test_the_reply_lends_anew(cast: Cast, anew: int, left: int) -> None:
    cast.use_up()
    scheduler = cast.stage.let(cast.client_scheduler)
    scheduler.set_utcb("budget", anew)
    assert scheduler.reply_and_wait(cast.server) is cast.server
    assert loan(cast.server) == (cast.client, left)


def test_a_loan_without_a_limit_does_not_end(cast: Cast) -> None:
    cast.use_up()
    assert cast.stage.let(cast.client_scheduler).reply_and_wait(cast.server) is cast.server
    works(cast.server, 500_000)
    interrupted(cast.stage)
    assert asked(cast.server_scheduler)[1] == Preemption.PREEMPTED_INTERRUPT


def test_a_loan_of_one_cycle_lasts_to_the_next_interrupt(cast: Cast) -> None:
    server = cast.lend(1)
    works(server, 10)
    assert loan(server) == (cast.client, 1)             # nobody has looked
    interrupted(cast.stage)
    assert asked(cast.client_scheduler) == (server, BUDGET, cast.client.id)


def test_the_reply_ends_the_loan(cast: Cast) -> None:
    server = cast.lend(10_000)
    assert server.reply_and_wait(cast.client, 7) is cast.client
    assert cast.client.got == Message(server, 0, (7,))
    assert loan(server) == (None, 0)
    assert cast.client.field("borrower") == 0


def test_who_has_paid_back_may_borrow_again(cast: Cast) -> None:
    for cycles in (10_000, 5_000, 20_000):
        server = cast.lend(cycles)
        assert loan(server) == (cast.client, cycles)
        works(server, 1_000)
        assert server.reply_and_wait(cast.client) is cast.client


def test_without_a_budget_nothing_is_lent(cast: Cast) -> None:
    assert loan(cast.lend(0)) == (None, 0)


def test_a_send_lends_nothing(cast: Cast) -> None:
    for grant in (False, True):
        cast.stage.let(cast.client).set_utcb("budget", 10_000)
        cast.client.send(cast.server, grant=grant)
        assert loan(cast.server) == (None, 0)
        cast.stage.let(cast.server).receive(ANY)


def test_a_call_with_strings_lends_as_well(cast: Cast) -> None:
    server, stage = cast.server, cast.stage
    stage.let(server).accept(0, string(stage.page(1), 4096))
    server.receive(ANY)
    stage.let(cast.client).set_utcb("budget", 10_000)
    assert cast.client.call(server, typed=[string(stage.page(0), 3000)]) is server
    assert loan(server) == (cast.client, 10_000)


def test_a_call_that_has_to_wait_lends_nothing(cast: Cast) -> None:
    # Whoever fetches it does so in its own time.
    stage = cast.stage
    stage.let(cast.server)
    stage.let(cast.client).set_utcb("budget", 10_000)
    cast.client.call(cast.server)
    assert stage.let(cast.server).receive(ANY) is cast.server
    assert cast.server.got == Message(cast.client)
    assert loan(cast.server) == (None, 0)


# Chains

def chain(stage: Stage, *budgets: int) -> list[Puppet]:
    """Threads with a scheduler each, the first of which calls the second, and so on, with these budgets."""
    threads = [stage.thread(scheduler=stage.thread()) for _ in range(len(budgets) + 1)]
    for thread in threads[1:]:
        stage.let(thread).receive(ANY)
    stage.let(threads[0])
    for (lender, borrower), budget in zip(pairwise(threads), budgets, strict=True):
        lender.set_utcb("budget", budget)
        assert lender.call(borrower) is borrower
    return threads


def scheduler_of(thread: Puppet) -> Puppet:
    """The one right above it."""
    return thread.stage.schedulers(thread)[-1]


def test_whoever_runs_on_a_loan_lends_no_more_than_that(stage: Stage) -> None:
    a, b, c = chain(stage, 10_000, 0)
    assert (loan(b)[0], loan(c)) == (a, (b, NO_LIMIT))
    works(c, 10_000)
    interrupted(stage)
    assert asked(scheduler_of(a)) == (c, BUDGET, a.id)


def test_every_loan_of_a_chain_is_charged(stage: Stage) -> None:
    a, b, c = chain(stage, 50_000, 30_000)
    before = loan(b)[1]
    works(c, 10_000)
    interrupted(stage)
    assert 20_000 - ENTRY < loan(c)[1] <= 20_000
    assert loan(b)[1] - before == loan(c)[1] - 30_000
    assert loan(b)[0] is a


@pytest.mark.parametrize("least", range(5))
def test_the_least_of_a_chain_of_five_ends_first(stage: Stage, least: int) -> None:
    budgets = [200_000] * 5
    budgets[least] = 20_000
    threads = chain(stage, *budgets)
    works(threads[-1], 20_000)
    interrupted(stage)
    assert asked(scheduler_of(threads[least])) == (threads[-1], BUDGET, threads[least].id)


def test_a_larger_limit_below_a_smaller_one_does_not_help(stage: Stage) -> None:
    a, _, c = chain(stage, 10_000, 1_000_000)
    works(c, 10_000)
    interrupted(stage)
    assert asked(scheduler_of(a)) == (c, BUDGET, a.id)


def test_lending_anew_below_does_not_stretch_the_loan_above(stage: Stage) -> None:
    a, b, c = chain(stage, 50_000, 5_000)
    scheduler = scheduler_of(b)
    for _ in range(8):                                  # the kernel's share makes nine and ten too many
        works(c, 5_000)
        interrupted(stage)
        assert asked(scheduler) == (c, BUDGET, b.id)
        stage.let(scheduler).set_utcb("budget", 5_000)
        assert scheduler.reply_and_wait(c) is c
    works(c, 10_000)                                    # both are used up: the upper one counts
    interrupted(stage)
    assert asked(scheduler_of(a)) == (c, BUDGET, a.id)


def test_replies_up_a_chain_leave_what_is_left(stage: Stage) -> None:
    a, b, c = chain(stage, 50_000, 30_000)
    works(c, 10_000)
    assert c.reply_and_wait(b) is b
    assert loan(c) == (None, 0)
    lender, left = loan(b)
    assert lender is a and 40_000 - 2 * ENTRY < left <= 40_000
    works(b, 10_000)
    assert b.reply_and_wait(a) is a
    assert loan(b) == (None, 0) and a.field("borrower") == 0


def test_of_two_loans_that_are_used_up_the_upper_one_is_lent_anew_first(stage: Stage) -> None:
    a, b, c = chain(stage, 10_000, 10_000)
    works(c, 10_000)
    interrupted(stage)
    for lender in (a, b):
        assert asked(scheduler_of(lender)) == (c, BUDGET, lender.id)
        stage.let(scheduler_of(lender)).set_utcb("budget", 50_000)
        assert scheduler_of(lender).reply_and_wait(c) is c
        interrupted(stage)
    assert asked(scheduler_of(c))[1] == Preemption.PREEMPTED_INTERRUPT


def test_a_thread_that_answers_by_a_call_makes_no_ring_of_loans(stage: Stage) -> None:
    a, b = chain(stage, 10_000)
    b.set_utcb("budget", 10_000)
    assert b.call(a) is a
    assert loan(a) == loan(b) == (None, 0)
    assert a.call(b) is b
    assert loan(b) == (a, 10_000) and loan(a) == (None, 0)


# Who cannot be lent to

def test_nobody_lends_to_those_who_schedule_it(stage: Stage) -> None:
    upper = stage.thread()
    lower = stage.thread(scheduler=upper)
    client = stage.thread(scheduler=lower)
    for scheduler in (lower, upper, stage.root):
        stage.let(client).set_utcb("budget", 1)
        assert client.call(scheduler) is scheduler      # it waits for anybody
        assert loan(scheduler) == (None, 0)
        scheduler.reply_and_wait(client)


def test_a_scheduler_that_runs_on_a_loan_of_one_of_its_threads_asks_its_own(stage: Stage) -> None:
    scheduler = stage.thread()
    lender, between = stage.thread(scheduler=scheduler), stage.thread()
    stage.let(between).receive(ANY)
    stage.let(lender).set_utcb("budget", 1_000)
    lender.call(between)
    assert between.call(scheduler) is scheduler
    works(scheduler, 2_000)
    assert stage.interrupt(LINE) is stage.root
    assert stage.root.pending == [scheduler]
    stage.root.receive(ANY)
    assert asked(stage.root) == (scheduler, BUDGET, lender.id)


# Strangers

def test_the_lenders_scheduler_neither_sees_nor_changes_the_borrower(cast: Cast) -> None:
    server = cast.lend(1_000)
    works(server, 1_000)
    registers = {"ebx": 1, "ecx": 2, "edi": 3, "ebp": 4}
    assert cast.stage.interrupt(LINE, **registers) is cast.stage.root
    got = cast.client_scheduler.got
    assert got == Message(server, Label.LABEL_PREEMPTION, (0, 0, BUDGET, cast.client.id))
    stranger = cast.stage.let(cast.client_scheduler)
    assert stranger.reply_and_wait(server, *range(100, 112)) is server
    assert {name: server.register(name) for name in registers} == registers


def test_a_scheduler_of_both_sees_the_borrower(stage: Stage) -> None:
    client, server = stage.thread(), stage.thread()
    stage.let(server).receive(ANY)
    stage.let(client).set_utcb("budget", 1_000)
    client.call(server)
    works(server, 1_000)
    stage.interrupt(LINE, ebx=0x1234)
    stage.root.receive(ANY)
    assert asked(stage.root) == (server, BUDGET, client.id)
    assert stage.root.got.words[8] == 0x1234            # type: ignore[union-attr]


# Servers that do something else

def test_who_gives_the_processor_to_another_one_hands_on_what_is_left(cast: Cast) -> None:
    stage, server = cast.stage, cast.server
    other, third = stage.thread(), stage.thread()
    stage.let(other).call(server)
    stage.let(server).receive(ANY)
    stage.let(third).receive(ANY)
    cast.lend(10_000)
    assert server.reply_and_wait(other) is other        # the client still waits for the server
    lender, left = loan(other)
    assert lender is cast.client and 10_000 - ENTRY < left < 10_000
    assert loan(server) == (None, 0)
    assert other.reply_and_wait(third) is third
    assert loan(third)[0] is cast.client and loan(other) == (None, 0)
    works(third, 10_000)
    interrupted(stage)
    assert asked(cast.client_scheduler) == (third, BUDGET, cast.client.id)


def test_no_way_of_passing_the_processor_to_and_fro_stretches_a_loan(cast: Cast) -> None:
    stage, server, friend = cast.stage, cast.server, cast.stage.thread()
    stage.let(friend).receive(ANY)
    server = cast.lend(20_000)
    begin, current = stage.machine.cpu.state.cycles, server
    while max(server.field("budget"), friend.field("budget")) != USED_UP:
        current = server if current is friend else friend
        assert stage.current.reply_and_wait(current) is current     # type: ignore[union-attr]
    assert stage.machine.cpu.state.cycles - begin < 20_000 + ENTRY


def test_a_client_that_is_answered_late_goes_on_with_what_the_server_had_then(cast: Cast) -> None:
    stage, server = cast.stage, cast.server
    other = stage.thread()
    cast.lend(10_000)
    server.receive(ANY)                                 # it keeps the client waiting
    stage.let(other).set_utcb("budget", 30_000)
    assert other.call(server) is server
    assert server.reply_and_wait(cast.client) is cast.client
    assert loan(cast.client)[0] is other and loan(cast.client)[1] > 20_000
    assert cast.client.field("borrower") == 0


def test_a_pager_works_for_the_one_that_faults(cast: Cast) -> None:
    stage, server, pager = cast.stage, cast.server, cast.stage.thread()
    stage.let(pager).receive(ANY)
    server.set_utcb("pager", pager.id)
    cast.lend(10_000)
    assert server.reads(NOWHERE) is pager
    assert loan(pager) == (server, NO_LIMIT)
    works(pager, 10_000)
    interrupted(stage)
    assert asked(cast.client_scheduler) == (pager, BUDGET, cast.client.id)
    cast.client_scheduler.set_utcb("budget", 5_000)
    assert stage.let(cast.client_scheduler).reply_and_wait(pager) is pager
    pager.receive(ANY)


# What a scheduler gives

def gift(thread: Puppet, cycles: int) -> None:
    """A thread gets the processor from its scheduler for so many cycles."""
    stage, scheduler = thread.stage, scheduler_of(thread)
    stage.let(thread).switch()
    assert scheduler.is_current
    scheduler.set_utcb("budget", cycles)
    assert scheduler.reply_and_wait(thread) is thread
    scheduler.set_utcb("budget", 0)


@pytest.fixture
def thread(stage: Stage) -> Puppet:
    """A thread with a scheduler of its own."""
    return stage.thread(scheduler=stage.thread())


def test_a_scheduler_hears_when_its_gift_is_used_up(stage: Stage, thread: Puppet) -> None:
    gift(thread, 5_000)
    assert loan(thread) == (None, 0) and thread.field("budget") == 5_000
    works(thread, 5_000)
    interrupted(stage)
    assert asked(scheduler_of(thread)) == (thread, BUDGET, thread.id)


def test_a_gift_that_is_left_stays_or_is_made_anew(stage: Stage, thread: Puppet) -> None:
    for anew in (0, 7_000):
        gift(thread, 5_000)
        works(thread, 1_000)
        interrupted(stage)
        left = thread.field("budget")
        assert 4_000 - ENTRY < left < 4_000
        scheduler = stage.let(scheduler_of(thread))
        scheduler.set_utcb("budget", anew)
        assert scheduler.reply_and_wait(thread) is thread
        assert thread.field("budget") == (anew or left)


def test_who_is_called_uses_the_gift_of_the_caller(stage: Stage, thread: Puppet) -> None:
    server = stage.thread(scheduler=stage.thread())
    stage.let(server).receive(ANY)
    gift(thread, 5_000)
    assert thread.call(server) is server
    assert loan(server) == (thread, NO_LIMIT)
    works(server, 5_000)
    interrupted(stage)
    assert asked(scheduler_of(thread)) == (server, BUDGET, thread.id)
    scheduler = stage.let(scheduler_of(thread))
    scheduler.set_utcb("budget", 9_000)
    assert scheduler.reply_and_wait(server) is server
    assert thread.field("budget") == 9_000              # the gift, not the loan
    assert loan(server) == (thread, NO_LIMIT)


def test_a_servers_scheduler_does_not_refill_what_a_client_has(stage: Stage, thread: Puppet) -> None:
    server = stage.thread(scheduler=stage.thread())
    stage.let(server).receive(ANY)
    gift(thread, 5_000)
    thread.call(server)
    interrupted(stage)
    left = thread.field("budget")
    scheduler = stage.let(scheduler_of(server))
    scheduler.set_utcb("budget", 50_000)
    assert scheduler.reply_and_wait(server) is server
    assert (thread.field("budget"), server.field("budget")) == (left, NO_LIMIT)


def test_a_gift_does_not_grow_by_messages_to_and_fro(stage: Stage, thread: Puppet) -> None:
    friend = stage.thread()
    stage.let(friend).receive(ANY)
    gift(thread, 5_000)
    assert thread.reply_and_wait(friend) is friend
    assert thread.field("budget") == 0 and 5_000 - ENTRY < friend.field("budget") < 5_000
    assert friend.reply_and_wait(thread) is thread
    assert friend.field("budget") == 0 and 5_000 - 2 * ENTRY < thread.field("budget") < 5_000


def test_nor_by_a_message_that_has_waited(stage: Stage, thread: Puppet) -> None:
    friend = stage.thread()
    gift(thread, 5_000)
    stage.let(friend).call(thread)
    gift(thread, 5_000)
    assert thread.receive(ANY) is thread
    assert thread.got == Message(friend)
    assert 5_000 - ENTRY < thread.field("budget") <= 5_000


def test_who_is_called_by_one_without_a_limit_has_none(stage: Stage, thread: Puppet) -> None:
    friend = stage.thread()
    gift(thread, 5_000)
    thread.receive(ANY)
    assert stage.let(friend).call(thread) is thread
    assert thread.field("budget") == NO_LIMIT


def test_the_next_client_lends_in_the_place_of_the_last(cast: Cast) -> None:
    stage, server = cast.stage, cast.lend(10_000)
    other = stage.thread()
    stage.let(server).receive(ANY)                      # it keeps the client waiting
    stage.let(other).set_utcb("budget", 3_000)
    other.call(server)
    assert loan(server) == (other, 3_000)
    assert cast.client.field("borrower") == 0


def test_a_server_that_waits_for_a_partner_works_on_for_its_client(cast: Cast) -> None:
    stage, server = cast.stage, cast.server
    device = stage.thread()
    cast.lend(10_000)
    server.receive(device)
    stage.let(device).send(server)
    stage.let(server)
    assert loan(server)[0] is cast.client


# Lenders and schedulers that go

@pytest.mark.parametrize("used_up", [False, True], ids=["left", "used up"])
@pytest.mark.parametrize("ends", ["cancelled", "deleted"])
def test_when_the_lender_goes_its_loan_is_over(cast: Cast, ends: str, used_up: bool) -> None:
    stage, server = cast.stage, cast.server
    if used_up:
        cast.use_up()
    else:
        cast.lend(10_000)
        interrupted(stage)
    getattr(stage.root, "cancel" if ends == "cancelled" else "delete")(cast.client)
    assert loan(server) == (None, 0)
    # If it waited for the lender's scheduler because of that, it waits for its own now.
    assert asked(cast.server_scheduler)[0] is server
    assert stage.let(server) is server


def test_a_lender_that_goes_behind_another_one_ends_the_wait_of_the_last(stage: Stage) -> None:
    a, b, c = chain(stage, 10_000, 0)
    works(c, 10_000)
    interrupted(stage)
    assert asked(scheduler_of(a)) == (c, BUDGET, a.id)
    stage.root.delete(a)
    assert asked(scheduler_of(c)) == (c, BUDGET, a.id)
    assert loan(b) == (None, 0) and loan(c) == (b, NO_LIMIT)
    assert stage.let(c) is c


def test_a_borrower_that_goes_leaves_its_lender_an_error(cast: Cast) -> None:
    cast.use_up()
    cast.stage.root.delete(cast.server)
    assert isinstance(cast.client.got, Failed) and cast.client.field("borrower") == 0
    cast.stage.let(cast.client)


def test_one_in_the_middle_that_goes_leaves_both_ends(stage: Stage) -> None:
    a, b, c = chain(stage, 10_000, 10_000)
    interrupted(stage)
    stage.root.delete(b)
    assert isinstance(a.got, Failed) and a.field("borrower") == 0
    assert loan(c) == (None, 0)
    assert stage.let(c) is c


def test_without_a_scheduler_of_the_lender_the_borrowers_own_hears(cast: Cast) -> None:
    server = cast.lend(1_000)
    interrupted(cast.stage)
    cast.stage.root.delete(cast.client_scheduler)
    works(cast.stage.let(server), 1_000)
    interrupted(cast.stage)
    assert asked(cast.server_scheduler) == (server, BUDGET, cast.client.id)


def test_when_the_lenders_scheduler_goes_the_borrower_asks_its_own(cast: Cast) -> None:
    cast.use_up()
    cast.stage.root.delete(cast.client_scheduler)
    assert asked(cast.server_scheduler) == (cast.server, BUDGET, cast.client.id)
    cast.stage.let(cast.server)


def test_the_root_task_can_fetch_a_server_back_from_a_stranger_who_never_answers(cast: Cast) -> None:
    cast.use_up()
    root, server = cast.stage.root, cast.server
    root.control(server, server, cast.server_scheduler)     # the scheduler that it has
    assert asked(cast.server_scheduler) == (server, BUDGET, cast.client.id)
    assert cast.stage.let(server) is server
    assert loan(server) == (cast.client, NO_LIMIT)


# Interrupts that wake nobody

def test_an_interrupt_that_wakes_nobody_finds_a_loan_that_is_used_up(cast: Cast) -> None:
    stage, server = cast.stage, cast.server
    driver = stage.thread()
    stage.attach(OTHER_LINE, driver)
    stage.let(driver).receive(cast.client)              # not for its line
    cast.lend(10_000)
    assert stage.interrupt(OTHER_LINE) is server        # nothing is used up: it goes on
    driver_line = OTHER_LINE << ThreadId.ID_SHIFT | 1
    interrupted(stage)
    stage.root.control(driver_line, driver_line, 0, driver)         # so that it can fire again
    works(stage.let(server), 10_000)
    assert stage.interrupt(OTHER_LINE) is cast.client_scheduler
    assert asked(cast.client_scheduler) == (server, BUDGET, cast.client.id)


def test_a_thread_switch_on_a_loan_that_is_used_up_goes_to_the_lenders_scheduler(cast: Cast) -> None:
    server = cast.lend(1)
    interrupted(cast.stage)
    cast.stage.let(cast.client_scheduler).set_utcb("budget", 1_000)
    cast.client_scheduler.reply_and_wait(server)
    server.switch()
    assert asked(cast.server_scheduler)[1] == Preemption.PREEMPTED_SWITCH
    works(cast.stage.let(server), 1_000)
    cast.stage.let(server)


@pytest.mark.parametrize("budget", [0, 5_000])
def test_the_root_scheduler_is_on_nobodys_loan_not_even_of_one_without_a_scheduler(stage: Stage, budget: int) -> None:
    scheduler = stage.thread()
    orphan, client = stage.thread(scheduler=scheduler), stage.thread()
    stage.let(orphan).receive(ANY)
    stage.direct().delete(scheduler)
    stage.let(client).set_utcb("budget", 10_000)
    assert client.call(orphan) is orphan and loan(orphan) == (client, 10_000)
    orphan.set_utcb("budget", budget)
    assert orphan.call(stage.root) is stage.root
    assert loan(stage.root) == (None, 0)


# Servers cannot be hung

@pytest.mark.parametrize("grant", [False, True], ids=["kept", "granted"])
@pytest.mark.parametrize("budget", [0, 1])
def test_a_server_that_gets_a_send_instead_of_a_call_goes_on(cast: Cast, grant: bool, budget: int) -> None:
    # What hangs a passive server that gets no time with a message. Here its scheduler hears that it could run.
    stage, server = cast.stage, cast.server
    stage.let(cast.client).set_utcb("budget", budget)
    cast.client.send(server, 1, grant=grant)
    if not grant:
        assert asked(cast.server_scheduler)[0] is server
    stage.let(server)
    assert server.got == Message(cast.client, 0, (1,))
    server.receive(ANY)
    other = stage.thread()
    assert stage.let(other).call(server, 2) is server
    assert server.got == Message(other, 0, (2,))


def test_who_waits_for_a_new_loan_is_preempted_like_others(cast: Cast) -> None:
    cast.use_up()
    assert cast.server.state == MicroState.IS_RECEIVING
    assert cast.server.field("kind") == Kind.KIND_PREEMPTION
    assert cast.server.field("kwait") == cast.client_scheduler.id


# How long it takes until it shows

@pytest.mark.parametrize("budget", [1, 20_000, 99_000, 130_000, 250_000])
def test_a_loan_is_overrun_by_a_tick_at_most(stages: Callable[..., Stage], budget: int) -> None:
    stage = stages("uls", EXTENSIONS=int(KipFeature.KIP_BUDGET), ticks=1000)
    cast = Cast(stage)
    stage.attach(TIMER, stage.root)
    stage.direct().send(TIMER << ThreadId.ID_SHIFT | 1)     # the tick that has waited for a handler
    server, machine, used = cast.lend(budget), stage.machine, 0
    tick = machine.clock.frequency // 1000
    while cast.client_scheduler.field("wait"):              # it has heard nothing
        begin = machine.cpu.state.cycles
        assert machine.run(until="interrupt", max_cycles=2 * tick).reason == Reason.UNTIL
        used += machine.cpu.state.cycles - begin
        assert stage.run() is stage.root
        stage.root.send(TIMER << ThreadId.ID_SHIFT | 1)
        if cast.client_scheduler.field("wait"):
            stage.let(server)
    assert asked(cast.client_scheduler) == (server, BUDGET, cast.client.id)
    assert budget - ENTRY < used < budget + tick + ENTRY


# A client that has a server work for it

SERVED, TICKS = 5000, 100


def shares(folder: Path, slice_: int) -> dict[str, float]:
    """What each thread of amplification.asm has of the processor."""
    extensions = int(KipFeature.KIP_ACCOUNTING | KipFeature.KIP_BUDGET)
    machine = Machine.boot(image(folder, "amplification", extensions, SLICE=slice_, SERVICE=SERVED, TICKS=TICKS))
    result = machine.run(max_cycles=100_000_000)
    assert (result.reason, result.exit_code) == (Reason.EXIT, 0)
    accounts = Accounts(machine)
    names = dict(enumerate(("root", "server", "greedy", "honest"), start=int(ThreadId.FIRST_THREAD)))
    return {names[number]: sum(both) / accounts.elapsed for number, both in accounts.by_number().items() if sum(both)}


def test_without_budgets_a_client_starves_another_one_through_a_server(tmp_path: Path) -> None:
    found = shares(tmp_path, 0)
    assert found["honest"] < 0.05


@pytest.mark.parametrize("slice_", [50_000, 150_000, 300_000])
def test_with_budgets_each_has_its_share(tmp_path: Path, slice_: int) -> None:
    found = shares(tmp_path, slice_)
    assert found["honest"] == pytest.approx(found["greedy"] + found["server"], rel=0.1)
    assert found["honest"] > 0.45
