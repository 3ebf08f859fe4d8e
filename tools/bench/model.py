"""The full timing model: pipeline, caches, TLBs and branches, against emulators that have none of them."""

from __future__ import annotations

from collections.abc import Callable

from emu.machine import Machine
from tools.bench import boot, emulators, gates, idle, kernel, mix, streams
from tools.bench.emulators import BOCHS, QEMU, Emulator, Failed
from tools.bench.gates import Entry
from tools.bench.rig import PROFILE as UNIT
from tools.bench.rig import Figure, Group, Race, best

PROFILE = "p3-500"                  # a processor with everything that is modelled
GOAL = 1.0                          # of bare Unicorn's speed, on the mix
PATH_GOAL = 0.3                     # the same on a kernel's own paths
BOCHS_GOAL = 2.0                    # times the speed of Bochs
BOOT_GOAL = 1.5                     # times the boot without a model
MACHINES = 7                        # race on the mix, of which the median counts: where code and data of one happen to
                                    # lie in this process makes a tenth of a difference, and stays so


def measure(quick: bool) -> Group:
    """Race the mix and the paths; other emulators where they are; what a boot and a new block cost; idle time."""
    races = [Race(mix.source(), profile=PROFILE) for _ in range(1 if quick else MACHINES)]
    race = races[0]
    makeup = race.bare.makeup()
    results = sorted((each.run(quick) for each in races), key=lambda each: each["ratio_to_unicorn"])
    ratios = [each["ratio_to_unicorn"] for each in results]
    result = results[len(results) // 2]
    fast, bare = result["mips"], result["unicorn_mips"]
    figures = [Figure("ratio_to_unicorn", result.pop("ratio_to_unicorn"), GOAL),
               *_paths(quick),
               Figure("kernel_call_ratio_to_mix", kernel.mips(kernel.calling(), PROFILE, quick) / bare, PATH_GOAL),
               Figure("kernel_switch_ratio_to_mix", kernel.mips(kernel.switching(), PROFILE, quick) / bare, PATH_GOAL),
               _against(BOCHS, "ratio_to_bochs", BOCHS_GOAL, fast, race.instructions, quick),
               _against(QEMU, "ratio_to_qemu_icount", None, fast, race.instructions, quick),
               _boot(quick)]
    more = {"ratios_to_unicorn": ratios, "memory_share": makeup.memory_share, "block_length": makeup.block_length,
            "gate_ratio_to_unicorn": _path(gates.calling, Entry.GATE, quick),
            "by_block_length": streams.ratios(PROFILE, quick),
            "cold_block_us": cold_block(race, quick) * 1e6,
            "idle": idle.idle(PROFILE, quick), "busy": idle.busy(PROFILE, quick)}
    return Group("model", f"under {PROFILE}: a mix of which 40 % of the instructions access memory; a system call and "
                 "a message between address spaces", figures, result | more)


def _paths(quick: bool) -> list[Figure]:
    return [Figure("call_ratio_to_unicorn", _path(gates.calling, Entry.INT, quick), PATH_GOAL),
            Figure("message_ratio_to_unicorn", _path(gates.sending, Entry.INT, quick), PATH_GOAL)]


def _path(source: Callable[[Entry], str], entry: Entry, quick: bool) -> float:
    """A kernel's path that begins with `entry` on the machine, and with a call gate on bare Unicorn: the ratio."""
    return Race(source(entry), None, PROFILE, source(Entry.GATE)).run(quick)["ratio_to_unicorn"]


def _against(emulator: Emulator, name: str, goal: float | None, fast: float, instructions: int, quick: bool) -> Figure:
    """Our speed on the mix, `fast` (MIPS), over that of another emulator; one pass is so many `instructions`."""
    try:
        return Figure(name, fast / emulators.mips(emulator, instructions, quick), goal)
    except Failed as reason:
        return Figure(name, None, goal, missing=str(reason))


def _boot(quick: bool) -> Figure:
    """A boot under the model over one without: both have been done before, so both find what is kept between runs."""
    modelled, unit = boot.fastest([PROFILE, UNIT], quick)
    return Figure("boot_ratio", modelled / unit, BOOT_GOAL, at_most=True)


def cold_block(race: Race, quick: bool) -> float:
    """CPU seconds that describing a block of the mix takes for the first time."""
    describe = Machine(cpu=PROFILE).cpu.costs.describe      # no image, so nothing from an earlier run
    blocks = race.bare.blocks()
    moved = 0

    def run() -> None:
        nonlocal moved
        moved += 1 << 20                                    # blocks that it has not seen: they lie elsewhere
        for address, code in blocks.items():
            describe(code, address + moved & 0xFFFFFFFF, 32)

    return best([run], quick)[0] / len(blocks)
