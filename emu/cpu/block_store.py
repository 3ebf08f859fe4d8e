"""Blocks that were described in an earlier run of the same image on the same processor, kept in a file.

What a block is depends on its code, its address and the profile alone, so a file of descriptions changes nothing but
the time that describing takes. It lies in `blocks` under `emu.native.cache_root`, one for each image and profile, named
by a digest of both and of the program that describes. It is written aside and renamed, so that nobody sees half of one.
A file that is damaged, foreign, unreadable or unwritable is never an error: the blocks are described anew.

    Trapline blocks 1 <name> <SHA-256 of the rest>          a line of text; behind it, packed by zlib:
    <linear address>/<bits>/<code> <description>            a line for each block, the description in JSON
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import capstone

from emu import native
from emu.cpu.blocks import Description
from emu.cpu.derivation import Op, Step, Value
from emu.decoding import Instruction
from emu.timing.pricing import Price
from emu.timing.profile import Profile
from loader.cache import prune, replace_whole

VERSION = 1                 # of the format
MOST_BLOCKS = 1 << 14       # in a file and in memory: a guest may go on making new code
MOST_FILES = 256            # the oldest go first
WORTH = 8                   # writing all blocks costs about as much as describing one in so many


class Plan(NamedTuple):
    """What a block is, as far as it does not depend on this process."""

    block: Description      # without its program, which holds addresses
    steps: Sequence[Step]   # of the program


class BlockStore:
    """The plans that are known, by the block they are of."""

    def __init__(self) -> None:
        """None are known, and none are kept beyond this process."""
        self._path: Path | None = None
        self._plans: dict[str, str] = {}
        self._saved = 0                         # how many of them need no writing

    def open(self, path: Path) -> None:
        """Keep plans in this file, and know those that are there already."""
        self._path = path
        self._plans |= _read(path)
        self._saved = len(self._plans)

    def get(self, code: bytes, address: int, bits: int) -> Plan | None:
        """The plan of the block that `code` at linear `address` is, if it is known."""
        text = self._plans.get(_key(code, address, bits))
        return decode_plan(text, address) if text else None

    def put(self, code: bytes, address: int, bits: int, plan: Plan) -> None:
        """Remember the plan of a block."""
        if len(self._plans) < MOST_BLOCKS:
            self._plans[_key(code, address, bits)] = encode_plan(plan)

    def save(self) -> None:
        """Write the file, with what others have put there meanwhile, if enough is new to be worth it."""
        if self._path is None or (len(self._plans) - self._saved) * WORTH <= self._saved:
            return
        self._saved = len(self._plans)          # whether it works or not: it is not tried again for the same blocks
        plans = self._plans | _read(self._path)
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_whole(self._path, _pack(self._path.name, dict(islice(plans.items(), MOST_BLOCKS))))
            prune(self._path.parent, MOST_FILES)


def path_of(profile: Profile, image: str) -> Path:
    """Where the blocks are kept of the image with this digest, under `profile`."""
    digest = hashlib.sha256(DESCRIBED_BY + f"{image} {profile!r}".encode())
    return native.cache_root() / "blocks" / digest.hexdigest()


def _digest_of_program() -> bytes:
    """What describes blocks: all sources of the machine, and Capstone. Any change to it makes older files useless."""
    digest = hashlib.sha256(f"{capstone.__version__} {capstone.cs_version()}".encode())
    for source in sorted(Path(__file__).parents[1].rglob("*.py")):
        if source.is_file():                    # and not what an editor marks a file with that it has open
            digest.update(source.read_bytes())
    return digest.digest()


DESCRIBED_BY = _digest_of_program()     # now: the sources may change while this process runs


def encode_plan(plan: Plan) -> str:
    """A plan as JSON, one line."""
    instructions, price, _, *numbers = plan.block
    rows = [(each.size, each.mnemonic, each.operands) for each in instructions]
    return _ENCODER.encode((rows, price.cycles, price.transitions, price.uops, numbers, plan.steps))


def decode_plan(text: str, address: int) -> Plan:
    """The plan that was encoded, of a block at linear `address`; its instructions come without detail."""
    rows, cycles, transitions, uops, numbers, steps = json.loads(text)
    instructions = []
    for size, mnemonic, operands in rows:
        instructions.append(Instruction(address, size, mnemonic, operands))
        address += size
    price = Price(tuple(cycles), tuple(transitions), tuple(uops))
    return Plan(Description(instructions, price, b"", *numbers), [_step(*row) for row in steps])


def _step(op: int, at: int, size: int, access: int, base: list[int], scaled: list[int], shift: int, segment: int,
          mask: int, result: int, value: list[int] | None) -> Step:
    return Step(_OPS[op], at, size, access, Value(*base), Value(*scaled), shift, segment, mask, result,
                Value(*value) if value else None)


_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_OPS = {int(op): op for op in Op}


def _key(code: bytes, address: int, bits: int) -> str:
    return f"{address:x}/{bits}/{code.hex()}"


def _pack(name: str, plans: dict[str, str]) -> bytes:
    data = zlib.compress("".join(f"{key} {text}\n" for key, text in plans.items()).encode(), 1)
    return _head(name, data) + data


def _head(name: str, data: bytes) -> bytes:
    return f"Trapline blocks {VERSION} {name} {hashlib.sha256(data).hexdigest()}\n".encode()


def _read(path: Path) -> dict[str, str]:
    """The plans in a file, as text; none if it is not exactly what was written under this name."""
    try:
        head, end, data = path.read_bytes().partition(b"\n")
    except OSError:
        return {}
    if head + end != _head(path.name, data):
        return {}
    lines = zlib.decompress(data).decode().splitlines()
    return {key: text for key, _, text in (line.partition(" ") for line in lines)}
