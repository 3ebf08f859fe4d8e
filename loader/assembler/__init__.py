"""The assembler: from a source file in Intel syntax to an object file.

Everything but the encoding of single instructions is done here. LANGUAGE.md says what can be written; the modules, in
the order of the work:

- `source`, `reader`, `macros`   lines, includes, expansions, conditions: a stream of statements
- `unit`                         one file: what each statement does
- `tokens`, `loader.expression`  values, known or not yet
- `names`                        labels, scopes, constants
- `registers`, `operands`        operands as written
- `instructions`                 one instruction: its way through the following four
- `forms`, `branches`            encodings from our own tables
- `fields`, `encoder`            encodings by Keystone, and where symbols go in them
- `check`                        the second opinion: Capstone
- `directives`, `pieces`         data, and sections being written
- `layout`                       where everything ends up, how long branches are, relocations
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from loader.assembler import source as _source
from loader.assembler.source import SourceFile
from loader.assembler.unit import Unit
from loader.errors import AssemblyError, Mistake, Place
from loader.object import ObjectFile

__all__ = ["AssemblyError", "assemble"]

_NO_CONSTANTS: Mapping[str, int] = {}


def assemble(source: str | Path, *, name: str | None = None, constants: Mapping[str, int] = _NO_CONSTANTS,
             include: Sequence[Path] = ()) -> ObjectFile:
    """Assemble a file (a Path) or text (a str).

    `name` is how the file is called in messages and line tables (default: the path, or "<source>"); `constants` are
    known in every expression; `include` are directories searched for includes, after that of the including file.
    Raises AssemblyError, which names file and line of every error found.
    """
    path = source if isinstance(source, Path) else None
    shown = name or (str(path) if path else "<source>")
    try:
        text = _source.read_text(path) if path else str(source)
    except Mistake as mistake:
        raise AssemblyError(str(mistake), Place(shown, 0, "")) from None
    return Unit(text, SourceFile(shown, path), constants, include).assemble()
