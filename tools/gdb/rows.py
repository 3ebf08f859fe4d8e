"""What is known of the stack in front of each instruction of a file, as rows of call frame instructions."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from emu.monitor.inspect.flow import Slot, State
from guest.abi.cpu import FRAME
from tools.gdb.cfi import (
    BREGX,
    CALLED,
    CONST4U,
    DEREF,
    DROP,
    EIP,
    ESP,
    NUMBERS,
    PLUS_UCONST,
    REGISTER,
    UNDEFINED,
    by_ring,
    cfa,
    offset,
    rule,
    search,
    stack,
    value,
)
from tools.gdb.code import Code, Entry
from tools.gdb.saved import Registers, saved

FRAME_OF_TRAP = 12                      # bytes that IRET pops in the same ring
USER_FRAME = FRAME.size - FRAME.offsets["eip"]      # bytes of a trap frame from an outer ring
RETURNS = ("iret", "iretd", "sysexit")
MOST_CALLERS = 1000                     # that are looked for on the stack


class Row(NamedTuple):
    """What holds in front of one instruction, as call frame instructions."""

    cfa: bytes
    rules: dict[int, bytes]     # by register; one that is left out has its value still
    is_signal: bool = False     # what lies beyond was interrupted


class Rows:
    """The rows of a file's code."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._flow = code.flow
        self._entries: dict[int, list[Entry]] = {}          # by instruction: from where it can be reached
        self._states: dict[int, set[State]] = {}
        entries = code.entries()
        for entry in entries:
            for address, states in code.routine(entry).items():
                if not states:                              # no instruction is there
                    continue
                self._entries.setdefault(address, []).append(entry)
                self._states.setdefault(address, set()).update(state._replace(saved=None) for state in states)
        self._settle()
        self._saved = saved(code.flow, [entry.address for entry in entries],
                            {address: self._state(address) for address in self._states})
        self._callers = code.callers()
        self._returns = {address: depth for address in self._states if self._is_return(address)
                         and (depth := _depth_of_trap(self._state(address))) is not None}

    def all(self) -> Iterator[tuple[int, Row]]:
        """(address, row) of each instruction of which something is known."""
        for address in self._states:
            row = self._row(address)
            if row:
                yield address, row

    def _settle(self) -> None:
        """Note where more is possible than has been followed: a loop that pushes can go on for ever."""
        left = list(self._states)
        while left:
            address = left.pop()
            instruction = self._flow.instruction(address)
            if instruction is None:
                self._states.pop(address, None)
                continue
            after = {self._flow.after(instruction, state)._replace(saved=None) for state in self._states[address]}
            for target in self._flow.successors(instruction):
                self._entries.setdefault(target, self._entries[address])
                known = self._states.setdefault(target, set())
                unknown = {State(state.slot, None) for state in after - known} - known
                if unknown:
                    known |= unknown
                    left.append(target)

    def _state(self, address: int) -> State | None:
        """The state in front of an instruction, None if there are several possibilities."""
        states = self._states[address]
        if len({(each.slot, each.depth, each.depth is None and each.frame) for each in states}) > 1:
            return None
        return next(iter(states))

    def _is_return(self, address: int) -> bool:
        instruction = self._flow.instruction(address)
        return instruction is not None and instruction.name in RETURNS

    def _row(self, address: int) -> Row | None:
        outermost = {entry.slot is None for entry in self._entries[address]}
        if outermost == {True}:
            return Row(cfa(ESP, 0), {EIP: rule(UNDEFINED, EIP), ESP: stack(0)})
        state, registers = self._state(address) if outermost == {False} else None, self._saved[address]
        depth = _depth_of_trap(state)
        if depth is not None and state:
            above = USER_FRAME if state.slot == Slot.TOP else 0
            return self._row_of_return(depth, registers, above) if self._is_return(address) else \
                self._row_of_handler(address, depth, registers, above)
        if state and state.slot in (Slot.REGISTERS, Slot.TOP):
            return _row_of_sysenter(registers)
        if not all(each.slot == Slot.CALL for each in self._states[address]):
            return None
        rules = _saved_rules(registers, -CALLED) | {EIP: offset(EIP, -CALLED), ESP: stack(0)}
        if state and state.depth is not None:
            return Row(cfa(ESP, state.depth + CALLED), rules)
        if state and state.frame is not None:
            return Row(cfa(NUMBERS["ebp"], state.frame + CALLED), rules)
        callers = {caller for entry in self._entries[address] for caller in self._callers.get(entry.address, ())}
        return Row(search(sorted(callers)), rules) if 0 < len(callers) <= MOST_CALLERS else None

    def _row_of_handler(self, address: int, depth: int, registers: Registers, above: int) -> Row | None:
        """In code that a gate or SYSENTER has led to, with `depth` bytes on the stack below the processor's frame."""
        routines = [self._code.routine(entry) for entry in self._entries[address]]
        ours = [place for place in self._returns if any(place in routine for routine in routines)]
        if not self._returns:
            return None
        place = min(ours or self._returns)
        return Row(cfa(ESP, depth), _saved_rules(registers, above) | {
            EIP: value(EIP, struct.pack("<BI", CONST4U, place)),
            ESP: stack(-self._returns[place])})

    def _row_of_return(self, depth: int, registers: Registers, above: int) -> Row:
        """In front of the instruction that leaves the handler."""
        ss = NUMBERS["ss"]
        return Row(cfa(ESP, depth + FRAME_OF_TRAP), _saved_rules(registers, above - FRAME_OF_TRAP) | {
            EIP: offset(EIP, -FRAME_OF_TRAP),
            NUMBERS["cs"]: offset(NUMBERS["cs"], 4 - FRAME_OF_TRAP),
            NUMBERS["eflags"]: offset(NUMBERS["eflags"], 8 - FRAME_OF_TRAP),
            ESP: value(ESP, by_ring(b"", bytes((DEREF,)))),
            ss: value(ss, by_ring(bytes((DROP, BREGX, ss, 0)), bytes((PLUS_UCONST, 4, DEREF))))}, is_signal=True)


def _depth_of_trap(state: State | None) -> int | None:
    """How many bytes lie below the words that lead back to what was interrupted; None if there are none.

    Behind SYSENTER our kernel puts them on the end of its stack.
    """
    if state is None or state.depth is None:
        return None
    if state.slot == Slot.TOP and state.depth >= USER_FRAME:
        return state.depth - USER_FRAME
    return state.depth if state.slot == Slot.TRAP else None


def _row_of_sysenter(registers: Registers) -> Row | None:
    """As SYSENTER leaves it: ECX and EDX have the program's ESP and EIP, as our programs and SYSEXIT have it."""
    ecx, edx = NUMBERS["ecx"], NUMBERS["edx"]
    if not (registers["ecx"].intact and registers["edx"].intact):
        return None
    return Row(cfa(ecx, 0), {EIP: rule(REGISTER, EIP) + bytes((edx,)), ESP: stack(0)})


def _saved_rules(registers: Registers, above: int) -> dict[int, bytes]:
    """The rules of the caller's registers; the CFA lies `above` bytes below the slot."""
    rules = {}
    for name, kept in registers.items():
        number = NUMBERS[name]
        if kept.at is not None:
            rules[number] = offset(number, above - kept.at)
        elif not kept.intact:
            rules[number] = rule(UNDEFINED, number)
    return rules
