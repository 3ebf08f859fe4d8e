"""The processor as Python sees it: made, run until something happens, looked at."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import unicorn
import unicorn.unicorn_py3.unicorn as binding
from unicorn import unicorn_const as uc_const
from unicorn import x86_const as uc_x86

from emu.bus import Bus
from emu.clock import Clock
from emu.cpu import account, delivery, examine, hooks, paging, rings, runner
from emu.cpu.blocks import SIZE_SHIFT, BlockTable
from emu.cpu.costs import Costs
from emu.cpu.delivery import EXTERNAL
from emu.cpu.layout import EFLAGS, HF_CPL, HF_INHIBIT_IRQ, HFLAGS, handle_of, locate
from emu.cpu.registers import Registers
from emu.cpu.spinning import spin_of
from emu.cpu.state import Examine, Frame, State, Stop
from emu.cpu.x86 import EFLAGS_FIXED, IF
from emu.decoding import Instruction
from emu.memory import PAGE, Ram
from emu.timing.profile import Profile

NEVER = (1 << 62) - 1       # a cycle or an instruction count that does not come
STOPS = tuple(Stop)         # by number: making an enumeration member from its number takes a microsecond
SETTLED = 4                 # how often a frame may change between code and data before it is treated as both

_PORT = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


class Cpu:
    """An IA-32 processor in flat 32-bit protected mode, paging off, interrupts off, at EIP 0.

    `registers` and `state` may be read and written between runs. Devices answer on `bus`, with `clock` at the cycle of
    the access; `acknowledge` is called for the vector of an external interrupt.
    """

    def __init__(self, ram: Ram, bus: Bus, clock: Clock, profile: Profile, acknowledge: Callable[[], int]) -> None:
        """Raises emu.cpu.layout.UnicornLayoutError for a Unicorn other than 2.1.4."""
        self.ram = ram
        self.bus = bus
        self.profile = profile
        self.clock = clock
        self._acknowledge = acknowledge
        self._horizon = NEVER                                # where the current run ends at the latest
        self._error: BaseException | None = None
        self._vector_stops: frozenset[int] = frozenset()
        self._flips: dict[int, int] = {}                     # frame -> changes between code and data
        self.uc = uc = unicorn.Uc(uc_const.UC_ARCH_X86, uc_const.UC_MODE_32)
        uc.ctl_set_cpu_model(profile.engine)
        where = locate(uc)
        self.registers = Registers(uc, where.env)
        self._eflags = ctypes.c_uint32.from_address(where.env + EFLAGS)     # IF is always up to date in it
        self._hflags = ctypes.c_uint32.from_address(where.env + HFLAGS)

        self.state = state = State()
        state.env, state.cpu, state.invalid_address = where.env, where.cpu, where.invalid_address
        state.uc = handle_of(uc)
        for name in ("emu_start", "emu_stop", "reg_read", "ctl"):
            entry = getattr(binding.uclib, f"uc_{name}")
            setattr(state, name, ctypes.cast(entry, ctypes.c_void_p).value)
        state.self = ctypes.addressof(state)
        state.attend = account.attend.address
        state.deliver = delivery.deliver_event.address
        state.note_block = rings.note_block.address
        self._no_thread = np.zeros(1, np.int64)
        state.no_thread = state.thread_at = self._no_thread.ctypes.data
        state.a20_mask = 0xFFFFFFFF
        state.passed = state.resumed = state.repeating = -1
        state.limit = state.event_deadline = NEVER
        state.fast_forward = 1
        state.has_sep = profile.has_sep
        state.cpuid_leaves = profile.basic_leaves
        state.cpuid_extended = len(profile.cpuid) // 4 - profile.basic_leaves
        for index, word in enumerate(profile.cpuid):
            state.cpuid[index] = word
        self.traps = np.ctypeslib.as_array(state.traps)     # by vector: exceptions, software and external interrupts
        self._scratch = ctypes.create_string_buffer(16)
        state.scratch = ctypes.addressof(self._scratch)
        self._tlb = np.zeros(1 << 20, np.int64)
        self._code_frames = np.zeros(1 << 20, np.uint32)
        self._frames = np.zeros(ram.size // PAGE, np.uint8)
        state.tlb, state.code_frames = self._tlb.ctypes.data, self._code_frames.ctypes.data
        state.frames, state.epoch = self._frames.ctypes.data, 1
        state.ram, state.ram_size = ram.bytes.ctypes.data, ram.size
        self.costs = Costs(state, profile)
        self.blocks = BlockTable(state, self.costs.describe, self._spin_of, profile.cpuid[7])
        ram.on_write = self._ram_written

        self._map_memory()
        self._add_hooks()
        self._user = ctypes.c_void_p(ctypes.addressof(state))
        self._run, self._exception = runner.run.ctypes, runner.exception.ctypes
        self.reset()

    def reset(self) -> None:
        """Power-on state as a boot loader leaves it (Multiboot 1, section 3.2); time and counters go on."""
        registers = self.registers
        for name in ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip"):
            setattr(registers, name, 0)
        registers.cr0 = 0x11                                 # PE, ET
        for name in ("cr2", "cr3", "cr4"):
            setattr(registers, name, 0)
        registers.eflags = EFLAGS_FIXED
        for name in ("GDTR", "IDTR"):
            self.uc.reg_write(getattr(uc_x86, f"UC_X86_REG_{name}"), (0, 0, 0, 0))
        runner.flat_segments.ctypes(self._user)
        self.state.epoch += 1
        self.state.intr = self.state.flush_tlb = self.state.step_allow = self.state.ring = 0
        self._flush()

    # Running

    def run(self, horizon: int, limit: int = NEVER) -> Stop:
        """Run until cycle `horizon`, an event of the clock, instruction count `limit`, or what else ends a run.

        External interrupts are delivered on the way. Raises whatever a device raised.
        """
        state = self.state
        self._horizon, state.limit = horizon, limit
        state.event_deadline = min(horizon, self.clock.deadline)
        state.spin_slot = 0                                  # something may have changed memory meanwhile
        while True:
            if state.intr and self.accepts_interrupts:
                stop = self.interrupt()
                if stop:
                    return stop
            reason = self._run(self._user)
            if state.hot_count and self.costs.glance:
                self.costs.glance.write()
            if reason == Stop.NEW_BLOCK:
                self._decode_block()
            elif reason == Stop.INTERRUPT:
                continue
            elif reason == Stop.EXAMINE:
                stop = examine.look(self, Examine(state.examine))
                if stop:
                    return stop
            elif reason == Stop.REMAP:
                state.resumed = self.linear_eip              # it has begun: its breakpoint is behind it
                self._change_use(state.fill_frame)
            elif reason == Stop.PYTHON and self._error:
                error, self._error = self._error, None
                raise error
            else:
                return STOPS[reason]

    def interrupt(self) -> Stop:
        """Take the external interrupt that waits: Stop.NONE, or why the machine cannot go on."""
        self.state.interrupts += 1
        return STOPS[self._exception(self._user, self._acknowledge(), 0, EXTERNAL)]

    def request_stop(self) -> None:
        """From a device: end the run before the next instruction, with Stop.PYTHON."""
        self.state.reason = Stop.PYTHON
        self.state.deadline = 0
        self.uc.emu_stop()

    def fail(self, error: BaseException) -> None:
        """From a callback: end the run before the next instruction, and let `run` raise this."""
        self._error = error
        self.request_stop()

    @property
    def accepts_interrupts(self) -> bool:
        """True if an external interrupt would be taken now: IF set, not in the shadow of STI or MOV SS."""
        return bool(self._eflags.value & IF and not self._hflags.value & HF_INHIBIT_IRQ)

    @property
    def cpl(self) -> int:
        """The current privilege level."""
        return int(self._hflags.value & HF_CPL)

    @property
    def linear_eip(self) -> int:
        """The linear address of the next instruction."""
        return self.registers.segment("cs").base + self.registers.eip & 0xFFFFFFFF

    def set_breakpoints(self, addresses: Iterable[int]) -> None:
        """Stop (Stop.BREAK) in front of the instructions at these linear addresses, and at no others."""
        wanted = frozenset(addresses)
        if wanted != self.blocks.stops:
            self.blocks.set_breakpoints(wanted, self.blocks.marks)

    def set_marks(self, addresses: Iterable[int]) -> None:
        """Write a mark into the ring of crossings, if there is one, whenever execution arrives at one of these."""
        wanted = frozenset(addresses)
        if wanted != self.blocks.marks:
            self.blocks.set_breakpoints(self.blocks.stops, wanted)

    def set_vector_stops(self, vectors: Iterable[int]) -> None:
        """Stop (Stop.VECTOR) behind the delivery of these exceptions and interrupts, and of no others."""
        wanted = frozenset(vectors)
        if wanted != self._vector_stops:
            self._vector_stops = wanted
            words = [0] * len(self.state.stop_vectors)
            for vector in wanted:
                words[vector >> 5] |= 1 << (vector & 31)
            self.state.stop_vectors[:] = words

    def note_idle(self, cycles: int) -> None:
        """So many cycles have been skipped, halted."""
        if self.state.crossing_ring:
            rings.note_idle.ctypes(self._user, cycles)

    def set_a20(self, level: int) -> None:
        """Drive A20M#: 0 makes physical address bit 20 read as zero."""
        self.state.a20_mask = 0xFFFFFFFF if level else 0xFFEFFFFF
        self.state.epoch += 1
        self._flush()

    # Memory

    def translate(self, linear: int) -> int | None:
        """The physical address behind a linear one, without side effects; None if no page is there."""
        registers = self.registers
        if not registers.cr0 >> 31:
            return linear & self.state.a20_mask
        entry = self._page_entry((registers.cr3 & 0xFFFFF000) + (linear >> 22) * 4)
        if not entry & 1:
            return None
        if entry & 0x80 and registers.cr4 & 0x10:
            return (entry & 0xFFC00000 | linear & 0x3FFFFF) & self.state.a20_mask
        entry = self._page_entry((entry & 0xFFFFF000) + (linear >> 12 & 0x3FF) * 4)
        return (entry & 0xFFFFF000 | linear & 0xFFF) & self.state.a20_mask if entry & 1 else None

    def read_linear(self, linear: int, size: int) -> bytes:
        """Up to `size` bytes of RAM at a linear address, without side effects; fewer if a page is missing."""
        data = b""
        while len(data) < size:
            at = linear + len(data) & 0xFFFFFFFF
            physical = self.translate(at)
            if physical is None or physical >= self.ram.size:
                break
            data += self.ram.read(physical, min(size - len(data), PAGE - at % PAGE, self.ram.size - physical))
        return data

    def _page_entry(self, physical: int) -> int:
        physical &= self.state.a20_mask
        return int.from_bytes(self.ram.read(physical, 4), "little") if physical + 4 <= self.ram.size else 0xFFFFFFFF

    def _flush(self) -> None:
        binding.uclib.uc_ctl(self.uc._uch, ctypes.c_int(paging.TLB_FLUSH))

    def _map_memory(self) -> None:
        uc, ram = self.uc, self.ram
        self._views = [ram.bytes, ram.alias(), ram.alias()]
        for base, rights, view in zip((0, paging.READ_EXECUTE, paging.READ_WRITE_EXECUTE), (3, 5, 7), self._views,
                                      strict=True):
            uc.mem_map_ptr(base, ram.size, rights, view.ctypes.data)
        uc.mmio_map(paging.DEVICES + ram.size, (1 << 32) - ram.size, self._read_device, None, self._write_device, None)
        uc.ctl_set_tlb_mode(uc_const.UC_TLB_VIRTUAL)  # type: ignore[attr-defined]
        uc.ctl_exits_enabled(True)

    def snoop(self, address: int, size: int) -> None:
        """A device has written that many bytes of RAM: the caches of data have them no more."""
        if self.state.model and size:
            hooks.on_dma.ctypes(self._user, address, size)

    def _ram_written(self, address: int, size: int) -> None:
        """RAM changed behind the processor: forget what was translated from those bytes."""
        first, last = address // PAGE, (address + size - 1) // PAGE
        forget = False
        for frame in range(first, last + 1):
            use = int(self._frames[frame])
            if use & (Frame.FETCHED | Frame.MIXED):
                self._drop_code(frame, use)
                forget |= bool(use & Frame.FETCHED)
        if forget:
            self.blocks.clear()

    def _drop_code(self, frame: int, use: int) -> None:
        """Make Unicorn forget what it translated from a frame that is used so."""
        view = paging.READ_WRITE_EXECUTE if use & Frame.MIXED else paging.READ_EXECUTE
        paging.drop_frame.ctypes(self._user, view + frame * PAGE)

    def _change_use(self, frame: int) -> None:
        """A store met a frame from which code was fetched: data again, or, if that happens often, both."""
        self._flips[frame] = self._flips.get(frame, 0) + 1
        self._drop_code(frame, Frame.FETCHED)
        self._frames[frame] = 0 if self._flips[frame] < SETTLED else Frame.MIXED
        self.blocks.clear()
        self._flush()

    def _spin_of(self, instructions: Sequence[Instruction], bits: int) -> int:
        return spin_of(instructions, bits, self.read_linear)

    def _decode_block(self) -> None:
        """Enter the block that native code has just met for the first time."""
        key, size = self.state.new_key, self.state.new_size
        pc, code, compare = key & 0xFFFFFFFF, b"", False
        while len(code) < size:
            at = pc + len(code) & 0xFFFFFFFF
            word = int(self._code_frames[at >> 12])
            compare |= bool(word & paging.MIXED_CODE) or bool(code)
            frame = word & (1 << 18) - 1
            code += self.ram.read(frame * PAGE + at % PAGE, min(size - len(code), PAGE - at % PAGE))
        self.blocks.add(key, code, compare)

    def enter_part(self, pc: int, code: bytes, bits: int) -> None:
        """Enter a block that Unicorn could not translate as a whole, for `runner.begin_part`."""
        key = pc | int(self._code_frames[pc >> 12]) << 32 | len(code) << SIZE_SHIFT
        self.state.new_key = ctypes.c_int64(key | (account.CODE16 if bits == 16 else 0)).value
        self.blocks.add(self.state.new_key, code, True)

    # Devices

    def _add_hooks(self) -> None:
        self._port_entry = _PORT(self._access_port)          # kept alive: native code holds its address
        self.state.port_callback = ctypes.cast(self._port_entry, ctypes.c_void_p).value
        uc, user = self.uc, ctypes.c_void_p(ctypes.addressof(self.state))
        instruction = uc_const.UC_HOOK_INSN
        for kind, hook, *opcode in (
                (uc_const.UC_HOOK_TLB_FILL, paging.on_tlb_fill),
                (uc_const.UC_HOOK_BLOCK, self.costs.block_hook),
                (uc_const.UC_HOOK_INTR, hooks.on_interrupt),
                (uc_const.UC_HOOK_INSN_INVALID, hooks.on_invalid),
                (instruction, hooks.on_sysenter, uc_x86.UC_X86_INS_SYSENTER),
                (instruction, hooks.on_rdtsc, uc_x86.UC_X86_INS_RDTSC),
                (instruction, hooks.on_cpuid, uc_x86.UC_X86_INS_CPUID),
                (instruction, hooks.on_in, uc_x86.UC_X86_INS_IN),
                (instruction, hooks.on_out, uc_x86.UC_X86_INS_OUT)):
            handle = ctypes.c_size_t()
            error = binding.uclib.uc_hook_add(uc._uch, ctypes.byref(handle), ctypes.c_int(kind),
                                              ctypes.c_void_p(hook.address), user, ctypes.c_uint64(1),
                                              ctypes.c_uint64(0), *map(ctypes.c_int, opcode))
            if error:
                raise unicorn.UcError(error)

    def _enter_device(self) -> None:
        """Show devices the time at which the instruction under way began."""
        self.clock.now = self.state.io_cycle

    def _leave_device(self) -> None:
        """A device may have scheduled something."""
        self.state.event_deadline = min(self._horizon, self.clock.deadline)

    def _access_port(self, port: int, size: int, value: int, write: int) -> int:
        try:
            self._enter_device()
            if write:
                self.bus.ports.write(port, value, size)
                self._leave_device()
                return 0
            result = self.bus.ports.read(port, size)
            self._leave_device()
            return result - (1 << 32) if result >> 31 else result
        except BaseException as error:                       # to be raised again by `run`, outside Unicorn
            self.fail(error)
            return -1

    def _read_device(self, uc: unicorn.Uc, offset: int, size: int, _: object) -> int:
        try:
            self._enter_device()
            self.state.io_accesses += 1
            value = 0
            for part in range(0, size, 4):
                value |= self.bus.memory.read(self.ram.size + offset + part, min(size, 4)) << 8 * part
            runner.wait_for_bus.ctypes(self._user, 0)
            self._leave_device()
            return value
        except BaseException as error:
            self.fail(error)
            return 0

    def _write_device(self, uc: unicorn.Uc, offset: int, size: int, value: int, _: object) -> None:
        try:
            self._enter_device()
            self.state.io_accesses += 1
            for part in range(0, size, 4):
                self.bus.memory.write(self.ram.size + offset + part, value >> 8 * part & 0xFFFFFFFF, min(size, 4))
            runner.wait_for_bus.ctypes(self._user, 1)
            self._leave_device()
        except BaseException as error:
            self.fail(error)
