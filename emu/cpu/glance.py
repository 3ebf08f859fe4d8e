"""The quickest look at what a block accesses: machine code of the host, written for a block that runs often.

Most blocks find every line and page where it was left: at the front of its set, or not far behind. Looking takes few
instructions an access once registers, sizes and sets are written into them. The code does the steps of the block's
program (`program`) one after the other and returns 0, or the offset of the first step that does not hit or is not among
the common ones: from there `hits` goes on. It does no more than `hits` would: words move to the front of their sets,
which is noted, stores are kept for the loads behind them, temporaries are set.

A program begins with a fetch, which whoever calls the code has done. There the code's address is kept, one without
paging and one with it; before there is any, how often the block has run. `hits` asks for it (`hot`), and it is written
when the run comes back to Python. It is for 32-bit stacks, and for x86-64 under Linux; elsewhere `hits` does it all.

    int glance(State *state, Step *program)

RDI and RSI hold its arguments, R8 the address of the registers, R9 that of the temporaries, R11 that of the sets of the
first data cache; EAX the address under way, first linear, then physical. Nothing else is kept from step to step.
"""

from __future__ import annotations

import ctypes
import platform
import sys

import numpy as np

from emu.cpu.derivation import Access, Op
from emu.cpu.host_code import EncodingError, assemble, executable
from emu.cpu.program import GLANCE, LINE, ON_STACK, PAGED_GLANCE, SET, STEP_SIZE, TEMPORARIES, Packed, unpack
from emu.cpu.records import (
    CODE_FRAME,
    KEPT_ENTRY,
    KEPT_LINEAR,
    KEPT_SIZE,
    KEPT_VALUE,
    MOVED_ENTRY,
    MOVED_WAY,
    UNKNOWN_VALUE,
)
from emu.cpu.state import State
from emu.cpu.x86 import PDE_PS, PTE_D, PTE_W
from emu.timing.associative import KEY, LARGE, MARK, NUMBER_SHIFT, VALID
from emu.timing.model import Model

HOT = 1 << 10               # programs that wait for their code
RUNS = 1 << 17              # of a block before it is worth writing: that takes as long as a hundred thousand runs
NEVER = 1 << 40             # more runs than there are
SIZE = 1 << 26              # bytes of all code together
MOST_SHIFT = 3              # of an index in an address of the host

_LOADED = {1: "movzx ecx, byte ptr [rdx + rax]", 2: "movzx ecx, word ptr [rdx + rax]", 4: "mov ecx, [rdx + rax]"}
_LOW = {1: "movzx ecx, cl", 2: "movzx ecx, cx", 4: ""}
_ZERO_EXTENDED = {1: "movzx eax, al", 2: "movzx eax, ax", 4: ""}
_SIGN_EXTENDED = {1: "movsx eax, al", 2: "movsx eax, ax", 4: ""}
_OPERATIONS = {int(op): text for op, text in {
    Op.SUB: "sub eax, ecx", Op.AND: "and eax, ecx", Op.OR: "or eax, ecx", Op.XOR: "xor eax, ecx",
    Op.SHL: "shl eax, cl", Op.SHR: "shr eax, cl", Op.SAR: "sar eax, cl", Op.MUL: "imul eax, ecx"}.items()}


def _state(name: str) -> str:
    """The operand that is a field of the State."""
    return f"[rdi + {getattr(State, name).offset}]"


class Glance:
    """Writes the code of blocks, for one machine."""

    def __init__(self, state: State, m: Model) -> None:
        """`m` is the machine's timing model. Sets what `state` has of all this."""
        self.written = 0                                                # programs that have code,
        self.refused = 0                                                # ... and that have none, as it came out wrong
        self._state, self._model = state, m
        self._asked = np.zeros(HOT, np.int64)
        self._memory = np.zeros(0, np.uint8)
        self._used = self._routines = 0                                 # bytes of it: all, and what blocks' code calls
        self._tables = state.tables
        self._writer = Writer(state, m)
        is_known = sys.platform == "linux" and platform.machine() == "x86_64"
        state.hot, state.hot_after = self._asked.ctypes.data, RUNS if is_known else 0   # 0: nothing is counted

    def write(self) -> None:
        """Write what has been asked for. The code of blocks that have been forgotten makes room."""
        state = self._state
        if not self._routines and not self._begin():
            state.hot_after, state.hot_count = NEVER, 0
            return
        if self._tables != state.tables:
            self._tables, self._used = state.tables, self._routines
        for asked in self._asked[:state.hot_count].tolist():
            program, paged = asked & ~1, asked & 1
            try:
                code = self._writer.code(program, bool(paged))
            except EncodingError:
                self.refused += 1                                       # `hits` goes on looking
                continue
            if code and self._used + len(code) <= SIZE:
                field = ctypes.c_int64.from_address(program + (PAGED_GLANCE if paged else GLANCE))
                field.value = self._place(code)
                self.written += 1
        state.hot_count = 0

    def _begin(self) -> bool:
        """False if the host allows no machine code of ours."""
        try:
            self._memory = executable(SIZE)
        except OSError:
            return False
        self._state.from_behind = self._place(assemble(FROM_BEHIND))
        self._state.front_page = self._place(assemble(front_page(self._model)))
        self._routines = self._used
        return True

    def _place(self, code: bytes) -> int:
        """Its address."""
        address = int(self._memory.ctypes.data) + self._used
        self._memory[self._used:self._used + len(code)] = np.frombuffer(code, np.uint8)
        self._used += len(code)
        return address


class Writer:
    """From a program to its code."""

    def __init__(self, state: State, m: Model) -> None:
        """`state` is what the code will be called with, `m` its timing model."""
        self._env, self._temporaries = state.env, state.temporaries
        self._line = 1 << m.l1d_shift
        first = f"{_set(m.l1d_shift, m.l1d_mask, m.l1d_ways)}; mov rdx, [r11 + rdx]"
        second = f"{_set(m.l2_shift, m.l2_mask, m.l2_ways)}; mov r10, {m.l2}; mov rdx, [r10 + rdx]"
        self._enter = f"mov r8, {_state('env')}; mov r9, {_state('temporaries')}; mov r11, {m.l1d}"
        self._read = (f"{first}; {_compare(0)}",)                       # what has to be equal
        self._write: tuple[str, ...] = (f"{first}; {_compare(MARK)}",)
        if m.l1d_through:                                               # it is L2 that has the line as dirty
            self._write = (*self._read, f"{second}; {_compare(MARK)}") if m.l2 and not m.l2_through else ()
        self._move = (f"lea r10, [rcx + {VALID}]; shr rcx, {NUMBER_SHIFT}; and ecx, {m.l1d_mask}; "
                      f"imul ecx, ecx, {8 * m.l1d_ways}; add rcx, r11; mov edx, {m.l1d_ways}; "
                      f"call {_state('from_behind')}")
        self._lines: list[str] = []
        self._offset = 0                                                # of the step that is written
        self._exits: dict[int, None] = {}                               # steps at which the code is left
        self._moves: list[tuple[int, bool]] = []                        # accesses, and if the line has to be marked
        self._kept: list[Packed] = []                                   # KEEP steps that have been done

    def code(self, program: int, paged: bool) -> bytes:
        """The machine code of the program at an address, but for its first step; none if it would do nothing."""
        self._lines = [self._enter]
        self._exits, self._moves, self._kept = {}, [], []
        self._offset = STEP_SIZE
        while True:
            step = unpack(program + self._offset)
            if step.op == Op.END:
                self._add("xor eax, eax; ret")
                break
            if not self._do(step, paged):
                if self._offset == STEP_SIZE:
                    return b""
                self._leave("jmp")
                break
            self._offset += STEP_SIZE
        for offset, marked in self._moves:
            self._offset = offset
            self._add(f"move{offset}: {self._move}")
            self._leave("jne")
            if marked:
                self._add(f"test dl, {MARK}")
                self._leave("je")
            self._add(f"jmp front{offset}")
        for offset in self._exits:
            self._add(f"exit{offset}: mov eax, {offset}; ret")
        return assemble("\n".join(self._lines))

    def _add(self, text: str) -> None:
        self._lines.append(text)

    def _leave(self, jump: str) -> None:
        """Leave the code at this step if that jumps."""
        self._add(f"{jump} exit{self._offset}")
        self._exits[self._offset] = None

    def _do(self, step: Packed, paged: bool) -> bool:
        """Append a step; False, and perhaps a part of it, if it is not one of the common ones."""
        if step.op == Op.FETCH:
            self._fetch()
            return True
        if Op.ACCESS <= step.op <= Op.KEEP:
            return self._access(step, paged)
        return Op.ADD <= step.op < Op.BIT_SCAN and self._calculate(step)

    def _fetch(self) -> None:
        """A line of code: what `hits` keeps in the step."""
        self._add(f"mov rax, [rsi + {self._offset + SET}]; mov rax, [rax]; and rax, {KEY}")
        self._add(f"cmp rax, [rsi + {self._offset + LINE}]")
        self._leave("jne")

    def _access(self, step: Packed, paged: bool) -> bool:
        """An access to data within a line."""
        write = bool(step.access & Access.WRITE)
        compares = self._write if write else self._read
        if not compares or step.size > self._line or not self._linear(step):
            return False
        if step.size > 1:
            self._add(f"mov ecx, eax; and ecx, {self._line - 1}; cmp ecx, {self._line - step.size}")
            self._leave("ja")
        store = self._store_before(step) if step.op == Op.LOAD else None
        if store and not (store.stored and store.disp == step.disp and store.size == step.size):
            return False
        if paged:
            self._translate(write)
        else:
            self._add(f"and eax, {_state('a20_mask')}")
        self._add(f"cmp eax, {_state('ram_size')}")
        self._leave("jae")
        self._add(f"{compares[0]}; jne move{self._offset}; front{self._offset}:")
        self._moves.append((self._offset, write and len(compares) == 1))
        for compare in compares[1:]:
            self._add(compare)
            self._leave("jne")
        if write:
            self._add(f"mov ecx, eax; shr ecx, 12; mov rdx, {_state('frames')}")
            self._add(f"test byte ptr [rdx + rcx], {CODE_FRAME}")
            self._leave("jne")
        if step.op == Op.KEEP:
            self._keep(step)
        elif step.op == Op.LOAD:
            if store:
                self._value("ecx", store.stored, store.offset)
                self._add(_LOW[step.size])
            else:
                self._add(f"mov rdx, {_state('ram')}; {_LOADED[step.size]}")
            self._add(f"mov [r9 + {step.result - self._temporaries}], rcx")
        return True

    def _linear(self, step: Packed) -> bool:
        """EAX: the linear address of an access; False if it is not one for the host."""
        if not self._sum(step):
            return False
        if not step.access & ON_STACK and step.mask == 0xFFFF:
            self._add("movzx eax, ax")
        self._add(f"add eax, [r8 + {step.segment - self._env}]")
        return True

    def _translate(self, write: bool) -> None:
        """EAX from linear to physical, by our TLB; the processor's has the page, and at the front of its set.

        RDX is the page, RCX its word of our TLB.
        """
        self._add(f"mov edx, eax; shr edx, 12; mov rcx, {_state('tlb')}; mov rcx, [rcx + rdx * 8]")
        self._add(f"mov r10, rcx; shr r10, 32; cmp r10d, {_state('epoch')}")
        self._leave("jne")
        self._add(f"mov r10d, ecx; not r10d; test {_state('rights')}, r10d")
        self._leave("jne")
        if write:
            self._add(f"test r10b, {PTE_W | PTE_D}")
            self._leave("jne")
        self._add(f"cmp rdx, {_state('last_page')}; je page{self._offset}; call {_state('front_page')}")
        self._add(f"page{self._offset}:")
        self._leave("jne")
        self._add("and ecx, 0xfffff000; and eax, 0xfff; or eax, ecx")

    def _keep(self, step: Packed) -> None:
        """What `addresses.keep` does."""
        self._linear(step)
        at = len(self._kept) * KEPT_ENTRY
        self._add(f"mov rdx, {_state('kept')}; mov [rdx + {at + KEPT_LINEAR}], rax")
        self._add(f"mov qword ptr [rdx + {at + KEPT_SIZE}], {step.size}")
        if step.stored:
            self._value("ecx", step.stored, step.offset)
            self._add(f"mov [rdx + {at + KEPT_VALUE}], rcx")
        else:
            self._add(f"mov qword ptr [rdx + {at + KEPT_VALUE}], {UNKNOWN_VALUE}")
        self._kept.append(step)
        self._add(f"mov qword ptr {_state('kept_count')}, {len(self._kept)}")

    def _store_before(self, step: Packed) -> Packed | None:
        """The last store that a LOAD from EAX meets, as far as can be told now. Where it meets another, it is left."""
        loaded = False
        for index, store in reversed(list(enumerate(self._kept))):
            if _place_of(store) == _place_of(step):
                apart = _signed(step.disp - store.disp)
                if -step.size < apart < store.size:
                    return store
                continue
            if not loaded:
                self._add(f"mov rdx, {_state('kept')}")
                loaded = True
            self._add(f"mov ecx, eax; sub ecx, [rdx + {index * KEPT_ENTRY + KEPT_LINEAR}]; add ecx, {step.size - 1}")
            self._add(f"cmp ecx, {step.size + store.size - 1}")
            self._leave("jb")
        return None

    def _calculate(self, step: Packed) -> bool:
        """An operation on temporaries."""
        if step.op == Op.ADD:
            if not self._sum(step):
                return False
        else:
            self._value("eax", step.base, step.disp)
            self._value("ecx", step.scaled, step.offset)
            if step.op in _OPERATIONS:
                self._add(_OPERATIONS[step.op])
            elif step.op == Op.INSERT:
                mask = (1 << 8 * step.size) - 1 << step.shift
                self._add(f"shl eax, {step.shift}; and eax, {mask}; and ecx, {~mask & 0xFFFFFFFF}; or eax, ecx")
            elif step.op == Op.ZERO_EXTEND:
                self._add(f"shr eax, {step.shift}; {_ZERO_EXTENDED[step.size]}")
            else:
                self._add(_SIGN_EXTENDED[step.size])
        self._add(f"mov [r9 + {step.result - self._temporaries}], rax")
        return True

    def _sum(self, step: Packed) -> bool:
        """EAX: base, scaled index and displacement; False if the index is scaled more than the host can."""
        if step.scaled == self._temporaries:                            # which is zero
            self._value("eax", step.base, step.disp)
        elif step.shift > MOST_SHIFT:
            return False
        else:
            self._value("eax", step.base, 0)
            self._value("ecx", step.scaled, 0)
            self._add(f"lea eax, [rax + rcx * {1 << step.shift} + {step.disp}]")
        return True

    def _value(self, register: str, address: int, offset: int) -> None:
        """EAX or ECX: the value at an address among registers or temporaries, and an offset."""
        if address == self._temporaries:                                # which is zero
            self._add(f"mov {register}, {offset}")
            return
        in_temporaries = 0 < address - self._temporaries < 8 * TEMPORARIES
        place = f"r9 + {address - self._temporaries}" if in_temporaries else f"r8 + {address - self._env}"
        self._add(f"mov {register}, [{place}]")
        if offset:
            self._add(f"add {register}, {offset}")


# What the code of blocks calls. ZF says that it succeeds; RAX, RSI, R8, R9 and R11 are kept.

# The word with key R10 in the set at RCX of EDX ways, behind its front, moves there, as in `hits.look_behind`; it is
# in RDX then.
FROM_BEHIND = f"""
        push rax; push rsi
        lea rax, [rcx + 8]; lea rsi, [rcx + rdx * 8]
next:   cmp rax, rsi; je none
        mov rdx, [rax]; mov r9, rdx; and r9, {KEY}
        cmp r9, r10; je found
        add rax, 8; jmp next
found:  mov r9, {_state("moved_count")}; imul r9, r9, {MOVED_ENTRY}; add r9, {_state("moved")}
        mov [r9], rcx; mov rsi, rax; sub rsi, rcx; shr rsi, 3
        mov [r9 + {MOVED_WAY}], rsi; inc qword ptr {_state("moved_count")}
shift:  mov r9, [rax - 8]; mov [rax], r9
        sub rax, 8; cmp rax, rcx; jne shift
        mov [rcx], rdx; jmp out
none:   test rsp, rsp
out:    mov r9, {_state("temporaries")}
        pop rsi; pop rax
        ret
"""


def front_page(m: Model) -> str:
    """The first data TLB has page RDX, whose word of our TLB is RCX, and it is the last page now, as in
    `hits.look_page`. RCX and RDX are kept, too.
    """
    large = (m.data_large, m.data_large_mask, m.data_large_ways) if m.data_large else (m.data, m.data_mask, m.data_ways)
    return (f"test cl, {PDE_PS}; je small\n{_front('large', 10, LARGE, *large)}"
            f"small:\n{_front('small', 0, 0, m.data, m.data_mask, m.data_ways)}")


def _front(name: str, shift: int, size: int, table: int, mask: int, ways: int) -> str:
    """`front_page` for the pages of one size, which are RDX >> shift."""
    return f"""
        push rcx; push rdx
        shr edx, {shift}; mov r10d, edx; shl r10, {NUMBER_SHIFT}; add r10, {VALID | size}
        and edx, {mask}; imul edx, edx, {8 * ways}; mov rcx, {table}; add rcx, rdx
        mov rdx, [rcx]; and rdx, {KEY}; cmp rdx, r10; je {name}_front
        mov edx, {ways}; call {_state("from_behind")}
{name}_front:
        pop rdx; pop rcx; jne {name}_out
        mov {_state("last_page")}, rdx
{name}_out:
        ret
"""


def _set(shift: int, mask: int, ways: int) -> str:
    """RCX: the number of what is at EAX; RDX: the offset of its set."""
    return f"mov ecx, eax; shr ecx, {shift}; mov edx, ecx; and edx, {mask}; imul edx, edx, {8 * ways}"


def _compare(notes: int) -> str:
    """Compare word RDX of a set with the key of number RCX; `notes`: the other bits that it has to have."""
    return f"and rdx, {KEY | notes}; shl rcx, {NUMBER_SHIFT}; sub rdx, rcx; cmp rdx, {VALID | notes}"


def _place_of(step: Packed) -> tuple[int, ...]:
    """What an access's address is made of, but for the displacement."""
    return step.base, step.scaled, step.shift, step.segment, step.mask, step.access & ON_STACK


def _signed(number: int) -> int:
    return (number + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
