"""Which rows a profile's figures come from. The others are held out: they tell how far the model carries.

A figure says where it comes from: `instlat: ADD r32, r32`, the name of a document and a place in it. A row is
calibrated if the document's title names the row's file and the place names its instruction. Where a place is brief
("BSF 6 where the bit is near"), every row of the instruction counts as calibrated: in doubt, a row is not held out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from emu.timing.figures import Source
from emu.timing.profile import Profile
from tools.validate.rows import Row

SUFFIX = "_InstLatX86.txt"              # what the names of the files have behind those in the titles

_SIZES = re.compile(r"((?:REP\w* )?\b\w+)B, W, D\b")       # "REP STOSB, W, D": three rows
_BRIEF = r"(?<![\w+] )\b{}(?= (?:\d|in a|leaf|where))"


class Calibration:
    """What the figures of a profile cite."""

    def __init__(self, profile: Profile) -> None:
        self._places: dict[str, list[str]] = {}         # document -> places that figures name in it
        for source in _sources(profile.timing):
            document, _, place = source.text.partition(":")
            self._places.setdefault(document, []).append(_expanded(place))
        self._titles = profile.documents

    def uses(self, row: Row) -> bool:
        """Whether a figure of the profile comes from the row."""
        name = row.source.removesuffix(SUFFIX)
        return any(_names(place, row.insn) for document, title in self._titles.items() if name and name in title
                   for place in self._places.get(document, []))


def _names(place: str, insn: str) -> bool:
    """Whether a place in a document names an instruction."""
    if re.search(rf"(?<![\w+] )(?<!\w){re.escape(insn)}(?!\w)", place):
        return True
    if insn.startswith("CPUID"):
        return insn.partition("(")[2].rstrip(")") in place and "CPUID" in place
    return re.search(_BRIEF.format(re.escape(insn.split(" ")[0])), place) is not None


def _expanded(place: str) -> str:
    return _SIZES.sub(lambda match: ", ".join(match[1] + size for size in "BWD"), place)


def _sources(part: Any) -> Iterator[Source]:
    """The source of every figure in a section."""
    if isinstance(part, Source):
        yield part
    elif isinstance(part, Mapping):
        for each in part.values():
            yield from _sources(each)
    elif is_dataclass(part):
        for field in fields(part):
            yield from _sources(getattr(part, field.name))
