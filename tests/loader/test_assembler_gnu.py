"""Random instructions against the GNU assembler: both must encode what Capstone reads as the same instruction."""

import random
import shutil
import subprocess

import pytest
from capstone import CS_ARCH_X86, CS_MODE_32, Cs

from loader.assembler import assemble
from loader.assembler.branches import CONDITION_NAME
from loader.assembler.registers import GENERAL_8, GENERAL_16, GENERAL_32

pytestmark = pytest.mark.skipif(not (shutil.which("as") and shutil.which("objcopy")), reason="no GNU binutils here")

COUNT = 1500
MARK = bytes.fromhex("f1272ff1373f")                # stands between instructions and in none of them
CONDITIONS = sorted(CONDITION_NAME)
REGISTERS = {1: GENERAL_8, 2: GENERAL_16, 4: GENERAL_32}
INDEX = [register for register in GENERAL_32 if register != "esp"]


class Writer:
    """Makes up instructions."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *choices):
        return self.random.choice(choices)

    def register(self, size):
        return self.pick(*REGISTERS[size])

    def address(self):
        base, index = self.pick(*GENERAL_32), self.pick(*INDEX)
        if base == index:                           # [eax + eax] is [eax*2] to us
            index = "ebx" if base != "ebx" else "ecx"
        displacement = self.pick("", "+4", "-4", "+0x7f", "-0x80", "+0x80", "-0x81", "+0x12345678", "-0x1000")
        address = self.pick(
            f"{base}{displacement}", f"{base}+{index}*{self.pick(1, 2, 4, 8)}{displacement}", f"{base}+{index}",
            f"{index}*{self.pick(2, 4, 8)}{displacement}", self.pick("0x0", "0x7f", "0x1000", "0xfee00000"))
        return f"{self.pick('', '', '', 'fs:', 'gs:', 'es:', 'cs:', 'ss:', 'ds:')}[{address}]"

    def memory(self, size):
        return {1: "byte", 2: "word", 4: "dword", 8: "qword"}[size] + " ptr " + self.address()

    def either(self, size):
        return self.pick(self.register(size), self.memory(size))

    def number(self, size):
        top = 1 << 8 * size
        return hex(self.pick(0, 1, 0x7F, 0x80, top - 1, top - 0x80, top - 0x81, self.random.randrange(top)))

    def instruction(self):
        """One instruction, any kind."""
        size, wide = self.pick(1, 2, 4, 4), self.pick(2, 4)
        r, m, rm = self.register, self.memory, self.either
        condition = self.pick(*CONDITIONS)
        arithmetic = self.pick("add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "mov", "test")
        return self.pick(
            lambda: f"{arithmetic} {rm(size)}, {r(size)}",
            lambda: f"{arithmetic} {rm(size)}, {self.number(size)}",
            lambda: f"{self.pick('add', 'or', 'cmp', 'mov')} {r(size)}, {m(size)}",
            lambda: f"{self.pick('inc', 'dec', 'neg', 'not', 'mul', 'imul', 'div', 'idiv')} {rm(size)}",
            lambda: f"{self.pick('rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sar')} {rm(size)}, "
                    f"{self.pick('cl', 1, 5, 31)}",
            lambda: f"{self.pick('shld', 'shrd')} {rm(wide)}, {r(wide)}, {self.pick('cl', 7)}",
            lambda: f"{self.pick('bt', 'bts', 'btr', 'btc')} {rm(wide)}, {self.pick(r(wide), 9)}",
            lambda: f"{self.pick('bsf', 'bsr', 'imul', 'cmov' + condition)} {r(wide)}, {rm(wide)}",
            lambda: f"imul {r(wide)}, {rm(wide)}, {self.number(wide)}",
            lambda: f"{self.pick('movzx', 'movsx')} {r(4)}, {rm(self.pick(1, 2))}",
            lambda: f"lea {r(4)}, {self.address()}",
            lambda: f"{self.pick('push', 'pop')} {self.pick(r(4), m(4), r(2), m(2))}",
            lambda: f"push {self.number(4)}",
            lambda: f"{self.pick('push', 'pop')} {self.pick('ds', 'es', 'fs', 'gs', 'ss')}",
            lambda: f"set{condition} {rm(1)}",
            lambda: f"{self.pick('xadd', 'cmpxchg', 'xchg')} {rm(size)}, {r(size)}",
            lambda: f"lock {self.pick('xadd', 'cmpxchg', 'add', 'xchg')} {m(size)}, {r(size)}",
            lambda: f"mov {self.pick('ds', 'es', 'fs', 'gs', 'ss')}, {self.pick(r(4), r(2), m(2))}",
            lambda: f"mov {self.pick(r(4), r(2), m(2))}, {self.pick('cs', 'ds', 'es', 'fs', 'gs', 'ss')}",
            lambda: f"mov {self.pick('cr0', 'cr2', 'cr3', 'cr4', 'dr0', 'dr7')}, {r(4)}",
            lambda: f"in {self.pick('al', 'ax', 'eax')}, {self.pick('dx', '0x60', '0xff')}",
            lambda: f"out {self.pick('dx', '0x60', '0xff')}, {self.pick('al', 'ax', 'eax')}",
            lambda: f"{self.pick('lgdt', 'lidt', 'sgdt', 'sidt', 'invlpg', 'fxsave')} {self.address()}",
            lambda: f"{self.pick('call', 'jmp')} {self.pick(r(4), m(4))}",
            lambda: f"{self.pick('call', 'jmp')} fword ptr {self.address()}",
            lambda: f"{self.pick('lldt', 'ltr', 'verr', 'verw', 'lmsw')} {rm(2)}",
            lambda: f"{self.pick('str', 'sldt', 'smsw')} {self.pick(r(2), r(4), m(2))}",
            lambda: f"{self.pick('lar', 'lsl')} {r(4)}, {self.pick(r(4), m(2))}",
            lambda: f"{self.pick('lds', 'les', 'lfs', 'lgs', 'lss')} {r(4)}, {self.address()}",
            lambda: f"{self.pick('fldcw', 'fnstcw')} word ptr {self.address()}",
            lambda: f"{self.pick('fld', 'fstp')} {m(self.pick(4, 8))}",
            lambda: f"bswap {r(4)}",
        )()


def test_random_instructions_mean_what_they_mean_to_the_gnu_assembler(tmp_path):
    writer = Writer(1)
    sources = [source for source in (writer.instruction() for _ in range(COUNT))
               if source not in ("xchg ax, ax", "xchg eax, eax")]                       # which are NOPs
    ours = [bytes(assemble(source + "\n").sections[".text"].data) for source in sources]
    mark = f"\n.byte {','.join(map(hex, MARK))}\n"
    (tmp_path / "all.s").write_text(".intel_syntax noprefix\n" + mark.join(sources) + "\n")
    subprocess.run(["as", "--32", "-o", "all.o", "all.s"], cwd=tmp_path, check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", "all.o", "all.bin"], cwd=tmp_path, check=True)
    theirs = (tmp_path / "all.bin").read_bytes().split(MARK)
    assert len(theirs) == len(ours)
    engine = Cs(CS_ARCH_X86, CS_MODE_32)

    def reading(data):
        return [(i.mnemonic, i.op_str) for i in engine.disasm(data, 0)]

    different = [(source, a.hex(" "), b.hex(" ")) for source, a, b in zip(sources, ours, theirs, strict=True)
                 if a != b and reading(a) != reading(b)]
    assert different == []
