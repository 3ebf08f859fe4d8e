"""Random programs of activations, whose every step is compared with a model of the rules."""

from __future__ import annotations

import random

import pytest

from guest.abi.activations import ActCall, ActState
from guest.abi.kernel import Syscall
from tests.guest.activations.stage import IDLE, STACKS, Stage
from tests.guest.activations.upcalls_model import Act, Model

PIPES = 2
MOST = 24                    # activations
QUIET = 1_000_000            # cycles in which a byte has arrived, and whoever it wakes has run
DEEP = 4                     # upcalls in one activation


class Run:
    """A machine and the model, doing the same."""

    def __init__(self, seed: int, processors: int) -> None:
        """`seed` of what they do."""
        self.chance = random.Random(seed)
        self.stage = Stage.of(processors)
        self.pipes = [0, *(self.stage.call(ActCall.SYS_PIPE) for _ in range(PIPES))]
        self.stage.call(ActCall.SYS_SIGNAL_INPUT, 0, 0)    # opens the line
        self.model = Model(processors, PIPES, self.stage.current)
        self.stacks: dict[Act, int] = {}                   # on which activations began
        self.log: list[str] = []

    def step(self) -> bool:
        """One thing that could happen; False if nothing can."""
        model, stage = self.model, self.stage
        act = model.running
        if act is None:
            if not any(reader for reader in model.pipes[0].readers):
                return False
            self._do("arrive")
            return True
        if act.upcalls and self.chance.random() < 0.6:
            if self.chance.random() < 0.9:
                self._unlock(act)
            if act.upcalls[-1].place and self.chance.random() < 0.8:
                self._do("go_back")
                return True
        if self.chance.random() < 0.15:
            self._unlock(act)
        elif self.chance.random() < 0.1:
            act.vp.lock = 1
            stage.set_vp(act.vp.number, lock=1)
        self._call(act)
        return True

    def _unlock(self, act: Act) -> None:
        act.vp.lock = act.vp.pending = 0
        self.stage.set_vp(act.vp.number, lock=0, pending=0)

    def _call(self, act: Act) -> None:
        chance, model = self.chance, self.model
        kinds = ["write"] * 4 + ["arrive", "deliver", "yields", "restart", "restart"]
        if len(model.acts) < MOST:
            kinds += ["read"] * (1 if act.vp.lock else 7) + ["request"]     # with the lock nobody else runs
        if len(model.acts) > 1 and chance.random() < 0.1:
            kinds += ["exits", "revoke"]
        if len(act.upcalls) >= DEEP and act.upcalls[-1].place:
            kinds = ["go_back"]
        kind = chance.choice(kinds)
        if kind in ("read", "write"):
            self._do(kind, chance.choice([0, *range(PIPES + 1)]) if kind == "read" else chance.randrange(1, PIPES + 1))
        elif kind == "restart":
            unblocked = [each for each in model.acts if each.unblocked]
            self._do(kind, chance.choice(unblocked if unblocked and chance.random() < 0.9 else model.acts))
        elif kind == "request":
            self._do(kind, chance.randrange(len(model.processors)))
        else:
            self._do(kind)

    def _do(self, kind: str, *what: int | Act) -> None:
        """On both, and compare."""
        model, stage = self.model, self.stage
        self.log.append(f"{model.running} {kind} {what}")
        free = next(slot for slot in range(20, STACKS) if slot not in self.stacks.values())
        for vp in model.processors:
            stage.set_vp(vp.number, stack=stage.stack(free))
        known = list(model.acts)
        if kind == "arrive":
            model.arrive()
            if model.running:
                stage.arrive()
            else:
                stage.machine.uart.receive(b"x")
                stage.machine.run(max_cycles=QUIET)
        elif kind == "go_back":
            model.go_back()
            stage.go_back(stage.frame())
        else:
            model.call(getattr(model, kind)(*what))
            self._system(kind, *what)
        for act in model.acts:
            if act not in known:
                self.stacks[act] = free
        self.stacks = {act: slot for act, slot in self.stacks.items() if act in model.acts}
        self._compare()

    def _system(self, kind: str, *what: int | Act) -> None:
        stage = self.stage
        number = what[0].id if what and isinstance(what[0], Act) else what[0] if what else 0
        assert isinstance(number, int)
        if kind == "read":
            stage.read(self.pipes[number])
        elif kind == "write":
            stage.write(self.pipes[number])
        elif kind == "restart":
            stage.restart(number)
        elif kind == "deliver":
            stage.deliver()
        else:
            calls = {"yields": Syscall.SYS_YIELD, "exits": ActCall.SYS_THREAD_EXIT, "revoke": ActCall.SYS_SA_REVOKE,
                     "request": ActCall.SYS_SA_REQUEST}
            stage.call(calls[kind], number)

    def _compare(self) -> None:
        model, stage = self.model, self.stage
        act = model.running
        if act is None:
            assert stage.place.startswith(IDLE), self.log
        else:
            assert stage.place == act.place, self.log
            if act.upcalls and act.place != "returned":
                upcall = stage.upcall()
                if not act.id:
                    act.id = upcall.current
                    assert [each.id for each in model.acts].count(act.id) == 1
                told = act.upcalls[-1]
                eip = stage.address(told.place) if told.place else 0
                assert upcall == told.upcall(upcall.esp, eip), self.log
                assert bool(upcall.esp) == bool(told.place)
            assert stage.current == act.id, self.log
            assert stage.registers["eax"] == act.eax & 0xFFFF_FFFF, self.log
        threads = stage.threads()
        assert len(threads) == len(model.acts), self.log
        for each in model.acts:
            if each.id:
                expected = {(True, False): ActState.THREAD_WAITING, (False, True): ActState.THREAD_UNBLOCKED}
                state = stage.state(each.id)
                assert (state in expected.values()) == (each.waits or each.unblocked), self.log
                assert state == expected.get((each.waits, each.unblocked), state), self.log
        for vp in model.processors:
            found = stage.vp(vp.number)
            words = stage.vp_word(vp.number, "lock"), stage.vp_word(vp.number, "pending")
            assert words == (vp.lock, vp.pending), self.log
            for name in ("untold", "told", "revoked"):
                assert getattr(found, name) == [each.id for each in getattr(vp, name)], (name, self.log)
            right = vp.current.id in (0, found.current) if vp.current else not found.current
            assert right, self.log


@pytest.mark.parametrize("processors", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_a_random_program_is_told_what_the_model_says(seed: int, processors: int) -> None:
    run = Run(seed, processors)
    for _ in range(120):
        if not run.step():
            break
    if run.model.running:
        run.stage.end()
