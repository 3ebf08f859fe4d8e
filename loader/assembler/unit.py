"""One file from statements to an object: what each statement does, and the errors of all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from loader.assembler import directives, instructions
from loader.assembler.instructions import Branch
from loader.assembler.layout import Layout
from loader.assembler.names import Names, shown, symbol_name
from loader.assembler.pieces import BranchTail, Fixup, Piece
from loader.assembler.reader import Reader
from loader.assembler.source import Line, SourceFile
from loader.assembler.tokens import Cursor
from loader.errors import AssemblyError, Mistake, Place, collected
from loader.expression import Linear, resolve
from loader.object import Assertion, ObjectFile, section_kind

MOST_ERRORS = 20            # reported of one file

_LABEL = re.compile(r"(\.?[A-Za-z_]\w*)\s*:", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\s*=(?!=)(.*)", re.ASCII | re.DOTALL)
_DIRECTIVE = re.compile(r"(\.[A-Za-z_][\w.]*)(?:\s+(.*))?", re.ASCII | re.DOTALL)
_KEEPS_CONTRACT = (".global", ".globl", ".align", ".balign", ".section", ".text", ".boot")


class Unit:
    """A file being assembled: feed it with `assemble`, once."""

    def __init__(self, text: str, file: SourceFile, constants: Mapping[str, int], include: Sequence[Path]) -> None:
        self.include = list(include)
        self.names = Names(constants)
        self._name = file.name
        self._reader = Reader(text, file, include, self)
        self._pieces: dict[str, Piece] = {}
        self.switch(".text")
        self._claims: list[tuple[Linear, str, Place]] = []
        self._has_contract = False                          # the lines above are a comment block
        self._place = Place(file.name, 0, "")               # of the statement at hand
        self._here: Linear | None = None                    # its location, once asked for
        self._errors: list[AssemblyError] = []

    def assemble(self) -> ObjectFile:
        """The object file. Raises AssemblyError with up to MOST_ERRORS errors."""
        while len(self._errors) < MOST_ERRORS:
            try:
                line = self._reader.read()
                if line is None:
                    break
                self._place, self._here = line.place, None
                self._statement(line)
            except AssemblyError as error:
                self._errors.append(error)
            except Mistake as mistake:
                self._errors.append(self._place.error(str(mistake)))
        self._stop_at_errors()
        return self._finish()

    # Statements

    def _statement(self, line: Line) -> None:
        text = line.text
        if not text:
            self._has_contract = line.is_comment
            return
        label = _LABEL.fullmatch(text)
        if label:
            self._label(label[1])
            return
        directive = _DIRECTIVE.fullmatch(text)
        if not (directive and text.startswith(_KEEPS_CONTRACT)):
            self._has_contract = False
        if directive:
            self.piece.mark(line.place)
            directives.run(self, directive[1].lower(), (directive[2] or "").strip(), line)
            return
        assignment = _ASSIGNMENT.fullmatch(text)
        if assignment:
            self.names.define(symbol_name(assignment[1]), self.value(assignment[2]), line.place, may_change=True)
            return
        self._instruction(text)

    def _label(self, text: str) -> None:
        label = self.piece.label(self._place)
        label.has_contract = self._has_contract
        self.names.define_label(text, label)

    def _instruction(self, text: str) -> None:
        if section_kind(self.piece.name) != "text":
            raise Mistake(f"an instruction in {self.piece.name}, which holds no code")
        encoded = instructions.encode(text, self._known)
        self.piece.mark(self._place)
        if isinstance(encoded, Branch):
            self.piece.close(BranchTail(encoded, self._place, encoded.begins_near))
            return
        start = len(self.piece.last.data)
        self.piece.emit(encoded.data)
        for field in encoded.fields:
            self.piece.fixups.append(
                Fixup(self.piece.last, start + field.offset, field.width, field.value, self._place))

    # What directives and the reader ask

    def value(self, text: str) -> Linear:
        """The value of an expression, as far as it is known. Raises Mistake."""
        cursor = Cursor(text, self._known)
        found = cursor.expression()
        cursor.finish()
        return found

    def constant(self, text: str) -> int:
        """The value of an expression that must be known by now. Raises Mistake."""
        found = self.value(text)
        if not found.is_constant:
            raise Mistake(f"the value must be known here, and {shown(found.names[0])} is not")
        return found.constant

    def is_defined(self, symbol: str) -> bool:
        """Whether a label, value or constant of that name is known so far."""
        return self.names.is_defined(symbol)

    def switch(self, section: str) -> None:
        """Write to `section` from now on."""
        self.piece = self._pieces.setdefault(section, Piece(section))

    def claim(self, value: Linear, text: str) -> None:
        """An error `text` at this statement if `value` turns out to be 0."""
        self._claims.append((value, text, self._place))

    def used_file(self, path: Path) -> None:
        """Remember that the result depends on the file `path`."""
        self._reader.inputs.append(str(path))

    def _known(self, symbol: str) -> Linear:
        """What is known of a name at the statement at hand."""
        if symbol != ".":
            return self.names.known(symbol)
        if self._here is None:
            self._here = self.names.place_of(self.piece.label(self._place))
        return self._here

    # The end of the file

    def _stop_at_errors(self) -> None:
        if self._errors:
            raise collected(self._errors[:MOST_ERRORS])

    def _finish(self) -> ObjectFile:
        layout = Layout(list(self._pieces.values()), self.names.final, self._errors)
        layout.place()
        found = ObjectFile(self._name, layout.sections(), relocations=layout.relocations, lines=layout.lines())
        found.symbols = self.names.symbols(self._errors)
        found.assertions = self._assertions()
        found.inputs = self._reader.inputs
        self.names.check_globals(self._errors)
        self._stop_at_errors()
        return found

    def _assertions(self) -> list[Assertion]:
        """The claims that are left to the linker; those that can be checked now are."""
        left = []
        for value, text, place in self._claims:
            try:
                final = resolve(value, self.names.final)
            except Mistake as mistake:
                self._errors.append(place.error(str(mistake)))
                continue
            if not final.is_constant:
                left.append(Assertion(final, text, place.file, place.line))
            elif not final.constant:
                self._errors.append(place.error(text))
        return left
