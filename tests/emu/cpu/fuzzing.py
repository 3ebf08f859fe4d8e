"""Random guest code, run in a process of its own by test_fuzz, so that a crash of the host is seen as one.

    python fuzzing.py KIND FIRST COUNT      print each seed before its run, "done" at the end

KIND is what the code is made of and the ring that runs it: bytes0, bytes3, soup0, soup3. Every trap ends in a handler
that sends the program on at a random place of its code. Each seed runs at one go, once more in random pieces, and once
more watched, and all must end alike.
"""

from __future__ import annotations

import random
import struct
import sys
from functools import cache

from cutting import difference, run_in_pieces, state
from machine_code import (
    CALL,
    CALL16,
    CAUGHT,
    CODE,
    CODE0,
    CODE3,
    CODE_ACCESS,
    CONFORMING,
    DATA,
    DATA0,
    DATA3,
    DATA_ACCESS,
    FREE,
    KERNEL_DATA,
    PRESENT,
    TSS32,
    BareMachine,
    descriptor,
    gate,
)

from emu.cpu.x86 import CR0_WP
from emu.machine import Machine
from emu.monitor.monitor import Monitor
from emu.timing.profile import profiles
from loader.assembler import assemble
from loader.linker import link

PROFILES = profiles()
CYCLES = 2000               # of each run
CODE_SIZE = 0x1000          # bytes of random code

# Worth pointing at: every part of the bare machine, page ends, the end of RAM, devices.
ADDRESSES = (0, 0x1000, 0x1058, 0x2000, 0x3000, 0x8000, 0xBFF0, CODE, CODE + 0xFFE, 0x20000, 0x2FFF0,
             DATA, DATA + 0xFFD,
             KERNEL_DATA, 0x40000, 0x41000, 0x41040, 0x3FFFFE, 0x400000, 0xF0000000, 0xFFFFFFFE)
NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SELECTORS = (0, 3, 4, 7, 0x08, 0x10, 0x1B, 0x23, 0x28, 0x30, 0x33, 0x39, 0x41, *range(FREE, FREE + 64, 8),
             FREE + 3, 0xFFFF)

# Instructions by group. Hexadecimal digits stand for themselves; R is a ModR/M byte with what it calls for, /n one
# with n in its register field; B a byte, W a word, D a doubleword, A an address, S a selector.
SOUP = {
    "arithmetic": "00R 01R 02R 03R 04B 05D 28R 29R 31R 39R 81/0D 83/7B f7/2 f7/3 f6/6 f7/6 f6/7 f7/7 66f7/7 fe/0 ff/1 "
                  "40 4b 69RD 6bRB 0fafR 0fb6R 0fbfR 98 99 27 2f 37 3f d40a d500 d400 9e 9f f5 f8 f9 fc fd",
    "bits": "c0/4B c1/5B d1/3 d3/2 0fa4RB 0fadR 0fa3R 0fabR 0fbaR 0fba/5B 0fbcR 0fbdR 0fc8",
    "atomic": "f00fc1R f00fb1R 87R f087R 0fc7/1 f00fc7/1 f0ff/0",
    "move": "88R 89R 8aR 8bR a0A a1A a2A a3A b0B b8D b9D baA bbA beA bfA bdA bcA c6/0B c7/0D 8dR 91 d7 0f44R 0f94R",
    "stack": "50 58 54 5c 60 61 6660 6aB 68D 68A 8f/0 ff/6 9c 9d 669c c8WB c8W01 c9",
    "branch": "ebB 74B 7fB 0f84D e2B e0B e3B e8D ff/2 ff/4 c3 c2W eb00 e800000000 ebfe e2fe",
    "string": "a4 a5 aa ab ac ad a6 a7 ae af 66a5 f3a4 f3a5 f3aa f3ab f3ac f3a6 f2a6 f3ae f2ae 67f3a4 "
              "67f3ab 66f3a5 f2a5 "
              "6c 6d 6e 6f f36c f36e f36d 67f36f",
    "segment": "8ed0 8ed8 8ec0 8ee0 8ee8 8e/3 8c/3 06 07 1e 1f 16 17 0e 0fa0 0fa1 0fa8 0fa9 c4R c5R 0fb2R 0fb4R 0fb5R "
               "2ea1A 648bR 658aR 368bR 0f02R 0f03R 0f00/0 0f00/1 0f00/4 0f00/5 66b8S8ed8 66b9S8ec1 "
               "66b8S8ed0 66b8S8ee0 "
               "68S00001f 68S000017",
    "far": "eaAS 9aAS ff/3 ff/5 cb ca0400 cf 66cf 66cb 66eaWS 68S000068Acb 9c68S000068Acf 66ff/5 0f35 0f34",
    "interrupt": "cc ce cd80 cd20 cd00 cd0e cdB f1 62R 0f0b f4 fa fb fbf4 9c812424000100009d 9c812c24000100009d 9c58",
    "v86": "6a006a006a006a006800200000680010000068023002006800100000cf 6a006a006a006a0068A68D6802000200680010000068Dcf",
    "port": "e420 e461 e464 ec ed ee ef e680 e643 e640 e621 e5B e7B 66ed 66ef 66baW 66ba2000 66ba4000 "
            "66bacf0c 66baf803",
    "system": "0f20c0 0f20d0 0f20d8 0f20e0 0f22c0 0f22d0 0f22d8 0f22e0 0f21R 0f23R 0f21f8 0f23c0 0f23f8 0f01/0 0f01/1 "
              "0f01/2 0f01/3 0f01/4 0f01/6 0f01/7 0f06 0f08 0f09 0f30 0f32 0f31 0fa2 0f33 0f00/2 0f00/3 "
              "0faa 0f24R 0f26R "
              "0f01c1 0f01d0 0f01f8 0f01c8 0f01d8 0f01d9 0f05 0f07",
    "msr": "b974010000 b975010000 b976010000 b9100000000f30 b91b0000000f320f30 b9800000c00f320f30 "
           "b9770200000f30 b9D0f30",
    "x87": "d8R d9R daR dbR dcR ddR deR dfR 9b dbe3 d9/6 dd/6 dd/4 d9/4 d9/5 d9/7 d9e8 def9 dff1 d9f1 "
           "d9fa d9fe dbe2 dd/7 "
           "df/4 df/6",
    "mmx": "0f6fR 0f7fR 0fefR 0f77 0f60R 0fd5R 0ff7R 0f71/2B 0f6eR 0f7eR",
    "sse": "0f10R 0f11R 0f28R 0f29R 0f58R 0f5eR 0fc6RB 0fae/0 0fae/1 0fae/2 0fae/3 0fae/7 0faef0 0fc2RB "
           "0f2aR 0f2dR 0f2bR "
           "0f18/1 f30f10R f20f10R 660f6fR f30f6fR 660f7fR 660fe7R f20f5aR f30fe6R 660f3800R 660f3a0fRB 0fc3R f30fb8R",
    "prefix": "66 67 f0 f2 f3 26 36 6667 f066 2e3e f2f3 6766f3a5 0f1f/0 f390 90",
    "undefined": "0fff 0fb9R 0f04 0f0a 0fa6R 0fa7R d6 82/0B f6/1B f7/1D fe/7 ff/7 c6/7B 8f/3 0fc7/6 0fae/5 dfe0 c4e200 "
                 "62f1 8fe8",
}
GROUPS = [[template.replace(" ", "") for template in group.split()] for group in SOUP.values()]


def number(rng: random.Random) -> int:
    return rng.choice(NUMBERS) if rng.random() < 0.7 else rng.getrandbits(32)


def address(rng: random.Random) -> int:
    return rng.choice(ADDRESSES) + rng.choice((0, 0, 0, 1, 4, -4, 8)) & 0xFFFFFFFF


def operands(rng: random.Random, register: int | None) -> bytes:
    """A ModR/M byte and what it calls for: memory by address, a register, or memory by registers."""
    middle = (rng.randrange(8) if register is None else register) << 3
    kind = rng.random()
    if kind < 0.35:
        return struct.pack("<BI", middle | 5, address(rng))
    if kind < 0.6:
        return bytes([0xC0 | middle | rng.randrange(8)])
    if kind < 0.8:
        return bytes([0x40 | middle | rng.choice((0, 1, 2, 3, 5, 6, 7)), rng.randrange(256)])
    if kind < 0.9:
        return struct.pack("<BBI", 0x80 | middle | 4, rng.randrange(256), address(rng))
    return bytes([middle | rng.choice((0, 1, 2, 3, 6, 7))])


def instruction(rng: random.Random, template: str) -> bytes:
    """One instruction after a template of SOUP."""
    code, at = b"", 0
    while at < len(template):
        sign, at = template[at], at + 1
        if sign == "R":
            code += operands(rng, None)
        elif sign == "/":
            code, at = code + operands(rng, int(template[at])), at + 1
        elif sign == "B":
            code += bytes([number(rng) & 0xFF])
        elif sign == "W":
            code += struct.pack("<H", number(rng) & 0xFFFF)
        elif sign == "D":
            code += struct.pack("<I", number(rng))
        elif sign == "A":
            code += struct.pack("<I", address(rng))
        elif sign == "S":
            code += struct.pack("<H", rng.choice(SELECTORS))
        else:
            code, at = code + bytes.fromhex(sign + template[at]), at + 1
    return code


def soup(rng: random.Random) -> bytes:
    """Instructions of every group, a page long."""
    code = b""
    while len(code) < CODE_SIZE:
        code += instruction(rng, rng.choice(rng.choice(GROUPS)))
    return code[:CODE_SIZE]


# What every handler jumps to: kernel segments and stack anew, and on at the next place of a list, in ring 0 or 3.
CATCHER = """
    cld
    mov ax, {data}; mov ds, ax; mov ss, ax; mov esp, 0xf000
    mov ebx, [{next}]; inc ebx; and ebx, 63; mov [{next}], ebx; mov ebx, [{places} + ebx * 4]
    mov ax, {back}; mov es, ax; mov fs, ax; mov gs, ax
    mov ecx, 3; mov esi, 0x30800; mov edi, 0x31000; mov ebp, 0x2fc00
    .if {ring}
    push {back}; push 0x2f800; push {flags}; push {code}; push ebx; mov ds, ax; iretd
    .else
    mov esp, 0x2f800; push {flags}; popfd; jmp ebx
    .endif
"""
NEXT, PLACES = KERNEL_DATA + 0x1000, KERNEL_DATA + 0x1100       # index in the list, and the list of 64


@cache
def catcher(ring: int, flags: int) -> bytes:
    source = CATCHER.format(data=DATA0, back=DATA3 if ring else DATA0, code=CODE3, ring=ring, flags=flags, next=NEXT,
                            places=PLACES).replace(";", "\n")
    program = link([assemble(f"# Catches traps.\n.global _start\n_start:\n{source}", name="catcher")], base=CAUGHT,
                   entry="_start", name="catcher")
    return bytes(program.segments[0].data)


def descriptors(bare: BareMachine) -> None:
    """What the far transfers and segment loads of SOUP can meet, from FREE on."""
    for at, data in enumerate((
            descriptor(CODE_ACCESS, dpl=3, wide=False), descriptor(DATA_ACCESS, dpl=3, wide=False, limit=0xFFFF),
            descriptor(CODE_ACCESS | CONFORMING), gate(CODE0, CODE + 0x10, CALL, parameters=2),
            gate(CODE0, CODE + 0x20, CALL16), descriptor(TSS32, base=KERNEL_DATA + 0x2000, limit=0x67),
            descriptor(CODE_ACCESS & ~PRESENT, dpl=3), descriptor(DATA_ACCESS | 4, dpl=3, base=0x1234, limit=0xFF))):
        bare.set_descriptor(FREE + 8 * at, data)
        if 8 * at:
            bare.set_descriptor(4 | 8 * at & 0x38, data)


def make(kind: str, seed: int) -> BareMachine:
    """The machine that a seed stands for."""
    rng = random.Random(f"{kind} {seed}")
    ring = int(kind[-1])
    code = soup(rng) if kind.startswith("soup") else rng.randbytes(CODE_SIZE)
    flags = rng.choice((0x202, 0x202, 0x3202, 0x302 if rng.random() < 0.1 else 0x2))
    bare = BareMachine("nop", ring=ring, paging=ring == 3 or rng.random() < 0.5, flags=flags,
                       cr0=rng.choice((0, CR0_WP)), cr4=rng.choice((0, 0x10, 0x600)), cpu=rng.choice(PROFILES),
                       **{name: number(rng) for name in ("eax", "ecx", "edx", "ebx", "ebp")},
                       esi=address(rng), edi=address(rng))
    ram, ports = bare.machine.ram, bare.machine.bus.ports
    ram.write(CODE, code)
    ram.write(CAUGHT, catcher(ring, flags))
    ram.write(PLACES, struct.pack("<64I", *(CODE + rng.randrange(CODE_SIZE) for _ in range(64))))
    ram.write(DATA, struct.pack("<64I", *(address(rng) for _ in range(64))))
    descriptors(bare)
    for port in rng.sample(range(0x100), 40):
        bare.allow_port(port)
    for port, value in ((0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 3), (0x21, 0xFE), (0x43, 0x34),
                        (0x40, rng.randrange(1, 20)), (0x40, 0)):
        ports.write(port, value, 1)
    return bare


def watched(machine: Machine, rng: random.Random) -> Monitor:
    """A monitor that writes down everything, with marks at random places, or the last of it only."""
    marks = [CODE + rng.randrange(CODE_SIZE) for _ in range(rng.choice((0, 40)))]
    return Monitor(machine, blocks=rng.random() < 0.7, marks=marks, keep=rng.choice((None, 5)))


def run(kind: str, seed: int, cut: bool = True) -> None:
    """Run a seed, again in pieces, and again watched. Raises AssertionError if they end differently."""
    whole = make(kind, seed).machine
    end = whole.cpu.state.cycles + CYCLES
    result = whole.run(max_cycles=CYCLES)
    if cut:
        pieces = make(kind, seed).machine
        run_in_pieces(pieces, end, random.Random(seed))
        differing = difference(state(whole), state(pieces))
        assert not differing, f"{kind} {seed} ended with {result}; in pieces otherwise: {differing}"
        heard = make(kind, seed).machine
        with watched(heard, random.Random(seed)):
            heard.run(max_cycles=CYCLES)
        differing = difference(state(whole), state(heard))
        assert not differing, f"{kind} {seed} ended with {result}; watched otherwise: {differing}"


if __name__ == "__main__":
    for number_of_seed in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])):
        print(sys.argv[1], number_of_seed, flush=True)
        run(sys.argv[1], number_of_seed)
    print("done")
