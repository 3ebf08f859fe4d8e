"""Short programs as instructions, for the tests of prices."""

from __future__ import annotations

from functools import cache

from emu.decoding import Instruction, decode_detail
from emu.timing.pricing import Pricer
from emu.timing.profile import load_profile
from loader.assembler import assemble

START = 0x1000
REGISTERS = ("eax", "ecx", "edx", "ebx", "esi", "edi")

pricer = cache(lambda profile: Pricer(load_profile(profile)))


@cache
def _bytes(text: str) -> bytes:
    return bytes(assemble(".text\n" + text.replace(";", "\n")).sections[".text"].data)


def code(text: str) -> list[Instruction]:
    """The instructions of an assembly text; semicolons end lines too."""
    return decode_detail(_bytes(text), START)


def loop(text: str, times: int = 1) -> list[Instruction]:
    """`text`, `times` over, and a jump back to its start.

    In `text` stands {a} for a register that is another each time, {b} for the third after it, {n} for one that is never
    ECX, {m} for an address that is another each time.
    """
    body = b"".join(_bytes(text.format(
        a=REGISTERS[index % 6], b=REGISTERS[(index + 3) % 6], n=(REGISTERS[:1] + REGISTERS[2:])[index % 5],
        m=f"[ebp + {8 * (index % 12)}]")) for index in range(times))
    return decode_detail(body + b"\xe9" + (-len(body) - 5).to_bytes(4, "little", signed=True), START)


def cycles(profile: str, text: str) -> tuple[int, ...]:
    """What a text costs up to the end of each of its instructions."""
    return pricer(profile).price(code(text)).cycles


def each(profile: str, text: str, few: int = 60, many: int = 180) -> float:
    """Cycles of one `text` among many in a loop, what the loop itself costs taken off."""
    long, short = (pricer(profile).price(loop(text, times)).cycles[-1] for times in (many, few))
    return (long - short) / (many - few)
