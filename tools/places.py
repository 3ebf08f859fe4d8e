"""Places in the guest as a person names them on the command line."""

from __future__ import annotations

import difflib

from loader.image import Image


def resolve(image: Image, text: str) -> int:
    """The linear address that `text` names: a number, or [PROGRAM:]SYMBOL[+OFFSET] as reports print it.

    Raises ValueError with one line for a name that is not there.
    """
    name, _, offset = text.partition("+")
    try:
        if text[:1].isdigit():
            return int(text, 0)
        distance = int(offset, 0) if offset else 0
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a symbol: give 0x..., SYMBOL or SYMBOL+0x...") from None
    symbols = dict(image.symbols.items())
    for program, table in image.programs.items():
        symbols |= {f"{program}:{symbol}": address for symbol, address in table.items()}
    if name in symbols:
        return symbols[name] + distance
    near = difflib.get_close_matches(name, symbols, n=1)
    hint = f"did you mean {near[0]}?" if near else "give an address" if not symbols else "see the map of trapline build"
    raise ValueError(f"the image has no symbol {name!r}: {hint}")
