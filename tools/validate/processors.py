"""Which profile stands for which measured processor, and how near the two are."""

from __future__ import annotations

from typing import NamedTuple


class Measured(NamedTuple):
    """A processor that was measured."""

    profile: str            # the profile of the same core, or of the nearest
    is_core: bool           # the very core of that profile; otherwise a relative
    relation: str           # how it differs from the profile's processor


PROCESSORS = {
    "P54C-100": Measured("p5-166", True, "P54C at 100 MHz, 1.5 times its bus"),
    "P54C-133": Measured("p5-166", True, "P54C at 133 MHz, twice its bus"),
    "P54C-166": Measured("p5-166", True, "P54C at 166 MHz: the processor of the profile"),
    "P55C-200": Measured("p5-166", False, "P55C: caches of twice the size, a longer pipeline, MMX; a board for two"),
    "PPro-200": Measured("p2-450", False, "Pentium Pro: the first P6, its L2 at the full clock, no MMX"),
    "PII-Deschutes-333": Measured("p2-450", True, "Deschutes at 333 MHz on a 66 MHz bus"),
    "PIII-Katmai-450": Measured("p3-500", True, "Katmai at 450 MHz"),
    "PIII-KatmaiDP-500": Measured("p3-500", True, "Katmai at 500 MHz: the processor of the profile"),
    "PIII-Coppermine-730": Measured("p3-500", False, "Coppermine: the next core, its L2 on the die"),
    "K7-Pluto-750": Measured("k7-550", True, "model 2 at 750 MHz: the core of the profile's model 1, smaller"),
    "K7-Thunderbird-1400": Measured("k7-550", False, "Thunderbird: the next core, its L2 on the die"),
    "P4-Willamette128-1715": Measured("p4-1800", True, "Willamette with 128 KiB of L2, at 1715 MHz"),
    "P4-Northwood-1600": Measured("p4-1800", False, "Northwood: the next core"),
    "P4-Northwood-2800": Measured("p4-1800", False, "Northwood: the next core"),
    "P4-Prescott-3200": Measured("pd-3000", True, "Prescott: the core of which Smithfield has two"),
    "PD820-Smithfield-2800": Measured("pd-3000", True, "Smithfield at 2800 MHz"),
}
