"""The target description: what tells gdb which registers there are, in XML (Debugging with GDB, appendix G)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

from emu.cpu.x86 import IOPL_SHIFT
from emu.monitor.inspect.registers import CONTROL, FLAGS
from tools.gdb.registers import CORE, SYSTEM, VECTORS, Register

BITS = {                        # of the registers that gdb shows bit by bit
    "i386_eflags": FLAGS, "i386_mxcsr": dict(enumerate(
        ("IE", "DE", "ZE", "OE", "UE", "PE", "DAZ", "IM", "DM", "ZM", "OM", "UM", "PM"))) | {15: "FZ"},
    "i386_cr0": CONTROL["cr0"], "i386_cr4": CONTROL["cr4"],
}
USED = {CORE: ("i386_eflags",), VECTORS: ("i386_mxcsr",), SYSTEM: ("i386_cr0", "i386_cr4")}
SHAPES = {                      # of a vector register: what a union of its views is made of
    "v4f": ("ieee_single", 4, "v4_float"), "v2d": ("ieee_double", 2, "v2_double"), "v16i8": ("int8", 16, "v16_int8"),
    "v8i16": ("int16", 8, "v8_int16"), "v4i32": ("int32", 4, "v4_int32"), "v2i64": ("int64", 2, "v2_int64"),
}


def description(registers: Iterable[Register]) -> str:
    """The description of a processor with these registers, numbered in their order.

    The operating system is "none": else a gdb made for Linux expects registers that only Linux has.
    """
    lines = ['<?xml version="1.0"?>', '<!DOCTYPE target SYSTEM "gdb-target.dtd">', '<target version="1.0">',
             "<architecture>i386</architecture>", "<osabi>none</osabi>"]
    for feature, members in groupby(registers, lambda register: register.feature):
        lines += [f'<feature name="{feature}">', *(_flags(name, BITS[name]) for name in USED[feature])]
        if feature == VECTORS:
            lines += _vector_types()
        lines += [f'<reg name="{one.name}" bitsize="{one.bits}" type="{one.type}"/>' for one in members]
        lines.append("</feature>")
    return "\n".join((*lines, "</target>", ""))


def _flags(name: str, bits: Mapping[int, str]) -> str:
    fields = [f'<field name="{bit}" start="{at}" end="{at}"/>' for at, bit in bits.items()]
    if bits is FLAGS:
        fields.append(f'<field name="IOPL" start="{IOPL_SHIFT}" end="{IOPL_SHIFT + 1}"/>')
    return f'<flags id="{name}" size="4">{"".join(fields)}</flags>'


def _vector_types() -> list[str]:
    vectors = [f'<vector id="{name}" type="{type}" count="{count}"/>' for name, (type, count, _) in SHAPES.items()]
    fields = "".join(f'<field name="{field}" type="{name}"/>' for name, (_, _, field) in SHAPES.items())
    return [*vectors, f'<union id="vec128">{fields}<field name="uint128" type="uint128"/></union>']
