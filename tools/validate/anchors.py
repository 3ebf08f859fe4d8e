"""Whole crossings beside what was measured of them: the composites that bound the transitions of a profile.

Only the Pentium's transitions are published one by one. Of the others, whole paths were measured (mostly in messages of
the Linux kernel mailing list), so that the sum of INT and IRET, or of SYSENTER and SYSEXIT, is known within bounds, and
how it is shared out between the two is the profile's estimate. Each anchor runs in a loop, in the ring in which it was
measured, its code and data in the caches; what the loop costs without it is subtracted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emu.machine import Machine
from emu.result import Reason
from emu.timing.figures import Certainty
from emu.timing.profile import Profile
from tools.bench.rig import image
from tools.validate import system
from tools.validate.checks import Check, Published

WARM, MEASURED = 32, 64         # times round the loop
MEMORY = 16 << 20               # RAM, bytes
LIMIT = 1_000_000               # instructions within which a loop comes round
ROUNDING = 1.0                  # a block takes whole cycles
LAYOUT = 0.08                   # the author of P6's figures saw them vary so much with the layout of the code

DERIVED, MEASURED_THERE = Certainty.DERIVED, Certainty.MEASURED
SECONDARY, UNVERIFIED = Certainty.SECONDARY, Certainty.UNVERIFIED


def _varying(cycles: float, source: str) -> Published:
    return Published(cycles * (1 - LAYOUT), cycles * (1 + LAYOUT),
                     f"{source}, {cycles:g}: 8 % by the layout of the code", MEASURED_THERE)


CELERON, PIII_800 = "LKML id 25554437203: Celeron 366", "LKML id 25554437203: Pentium III 800"
GETPPID = "LKML ids 48616422135, 8628162614: Linux, getppid and lmbench null"
FAST = "mov ecx, esp\nmov edx, .Lback\nsysenter\n.Lback:"
TOUCH = "mov eax, [ANY_WORD]\npush eax\npop eax"


@dataclass(frozen=True)
class Anchor:
    """Code, what it is compared with, and in which ring it runs."""

    name: str
    body: str
    published: dict[str, Published]             # by profile
    ring: int = 3
    base: str = ""                              # what stands in the loop that is subtracted
    sysenter: str = ""                          # the routine that SYSENTER leads to


ANCHORS = (
    Anchor("INT, IRET", f"int {system.PLAIN}", {
        "p5-166": Published(37, 109, "jsimlo.sk Pentium table: INT 27 to 82, IRETD 10 to 27; 86Box: 75", SECONDARY),
        "p2-450": Published(154, 236, f"bounds: {CELERON}, with a C function, less the same by SYSENTER", DERIVED),
        "p3-500": Published(157, 242, f"bounds: {PIII_800}, with a C function, less the same by SYSENTER", DERIVED),
        "k7-550": Published(0, 280, "bound: LKML id 48778718483, a whole Linux system call", DERIVED),
        "p4-1800": Published(1120, 1761, f"bounds: {GETPPID}, by INT less by SYSENTER", DERIVED)}),
    Anchor("INT, an empty C function, IRET", f"int {system.FUNCTION}", {
        "p2-450": _varying(236, CELERON), "p3-500": _varying(242, PIII_800)}),
    Anchor("SYSENTER, SYSEXIT", FAST, {
        "p2-450": Published(0, 82, f"bound: {CELERON}, with a C function", DERIVED),
        "p3-500": Published(0, 84.5, f"bound: {PIII_800}, with a C function", DERIVED),
        "p4-1800": Published(0, 641, f"bound: {GETPPID}, by SYSENTER", DERIVED)}, sysenter="fast_plain_return"),
    Anchor("SYSENTER, an empty C function, SYSEXIT", FAST, {
        "p2-450": _varying(82, CELERON), "p3-500": _varying(84.5, PIII_800)}, sysenter="fast_function_call"),
    Anchor("an exception (UD2) more than INT", "ud2", {
        "p2-450": Published(16, 17, "LKML id 25554437203", MEASURED_THERE),
        "p3-500": Published(16, 17, "LKML id 25554437203", MEASURED_THERE)}, base=f"int {system.SKIPPING}"),
    Anchor("null system call by INT", "call user_call", {
        "p5-166": Published(210, 230, "LKML id 31852573438: lmbench, a Pentium MMX class processor", MEASURED_THERE),
        "p2-450": Published(257, 304, "LKML id 10372873319: lmbench, Celeron 468", MEASURED_THERE),
        "p3-500": Published(280, 330, "LKML ids 48778718483, 25946731663: Linux, lmbench", MEASURED_THERE),
        "k7-550": Published(267, 280, "LKML ids 48778718483, 10383016957: Linux, lmbench", MEASURED_THERE),
        "p4-1800": Published(1547, 1785, GETPPID, MEASURED_THERE)}),
    Anchor("null system call by SYSENTER", "call user_fast_call", {
        "p4-1800": Published(357, 641, GETPPID, MEASURED_THERE)}, sysenter="fast_system_call"),
    Anchor("switch of address spaces, with 3 pages", f"xor ebx, SPACE_A ^ SPACE_B\nmov cr3, ebx\n{TOUCH}", {
        "p2-450": Published(0, 177, "LKML id 31231458424: a loose bound, Pentium II or III", SECONDARY),
        "p3-500": Published(0, 177, "LKML id 31231458424: a loose bound, Pentium II or III", SECONDARY),
        "p4-1800": Published(0, 516, "LKML id 31231458424: a loose bound", SECONDARY)},
        ring=0, base=f"xor ebx, SPACE_A ^ SPACE_B\n{TOUCH}"),
    Anchor("LOCK ADD", "lock add dword ptr [ANY_WORD], 1", {
        "p5-166": Published(30.4, 33.1, "InstLatx64: XCHG, LOCK ADD at 166 MHz", MEASURED_THERE),
        "p2-450": Published(18, 21, "LKML id 16335050798 (Pentium III), InstLatx64", MEASURED_THERE),
        "p3-500": Published(18, 21, "LKML id 16335050798, InstLatx64", MEASURED_THERE),
        "k7-550": Published(0, 18.9, "LKML id 16335050798, InstLatx64", MEASURED_THERE),
        "p4-1800": Published(104, 124.5, "LKML id 16335050798, InstLatx64", MEASURED_THERE),
        "pd-3000": Published(87.9, 88.3, "InstLatx64", MEASURED_THERE)}),
    Anchor("CPUID", "xor eax, eax\ncpuid", {
        "p5-166": Published(14, 17, "jsimlo.sk Pentium table, InstLatx64", MEASURED_THERE),
        "p2-450": Published(59, 76.3, "InstLatx64", MEASURED_THERE),
        "p3-500": Published(79, 138, "InstLatx64; LKML id 15981836029 has 138", MEASURED_THERE),
        "k7-550": Published(43, 69.3, "InstLatx64; LKML id 16335050798 has 56", MEASURED_THERE),
        "p4-1800": Published(256, 572, "InstLatx64; LKML id 15981836029 has 572", MEASURED_THERE),
        "pd-3000": Published(356, 404, "InstLatx64", MEASURED_THERE)}, base="xor eax, eax"),
    Anchor("CLI", "cli", {
        "p5-166": Published(7, 7, "jsimlo.sk Pentium table", SECONDARY),
        "p2-450": Published(13, 13, "LKML id 25383564145: Pentium III, in the system call path", MEASURED_THERE),
        "p3-500": Published(13, 13, "LKML id 25383564145: in the system call path", MEASURED_THERE),
        "k7-550": Published(4, 4, "LKML id 25676527435", MEASURED_THERE),
        "p4-1800": Published(26, 26, "commonly", UNVERIFIED)}, ring=0),
)


def check_anchors(profile: Profile, extremes: Sequence[Profile] = (), tell: Callable[[str], None] = lambda _: None,
                  anchors: Sequence[Anchor] = ANCHORS) -> list[Check]:
    """Those of `anchors` that the processor can run; also with the figures of each of `extremes`, for a range.

    `tell` is told of each before it runs.
    """
    found = []
    for anchor in anchors:
        if anchor.sysenter and not profile.has_sep:
            continue
        tell(anchor.name)
        ours, *others = (_cycles(anchor, each) for each in (profile, *extremes))
        ours_range = (min(ours, *others), max(ours, *others)) if others else None
        found.append(Check(profile.name, anchor.name, ours, anchor.published.get(profile.name), rounding=ROUNDING,
                           ours_range=ours_range))
    return found


def _cycles(anchor: Anchor, profile: Profile) -> float:
    """Cycles of the anchor: of the loop with it, less of the loop without."""
    return _round(anchor.body, anchor, profile) - _round(anchor.base, anchor, profile)


def _round(body: str, anchor: Anchor, profile: Profile) -> float:
    """Cycles of the loop around `body`."""
    text = system.source(body, anchor.ring, anchor.sysenter)
    machine = Machine.boot(image(text), memory=MEMORY, cpu=profile)
    before = 0
    for number in range(1 + WARM + MEASURED):
        if number == 1 + WARM:
            before = machine.cpu.state.cycles
        result = machine.run(until="again", max_instructions=LIMIT)
        if result.reason != Reason.UNTIL or machine.cpu.cpl != anchor.ring:
            raise RuntimeError(f"the anchor {anchor.name!r} ended otherwise on {profile.name}: {result}")
    return (machine.cpu.state.cycles - before) / MEASURED
