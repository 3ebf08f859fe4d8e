"""Building images: what a manifest (loader/manifest.py) names is assembled and linked, to be booted or written out.

The kernel and each program becomes an ELF32 file, which is then read as anybody's kernel would be. Linked files are
kept in a cache (loader/cache.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from guest import abi
from loader import cache, elf, manifest, multiboot
from loader.assembler import AssemblyError, assemble
from loader.elf_writer import write_elf
from loader.image import Image, ImageError, Module
from loader.linker import LinkError, link
from loader.manifest import GUEST, Unit, images
from loader.symbols import LineMap, SymbolTable

__all__ = ["build", "images", "map_text", "write"]


def build(name_or_path: str | Path, parameters: Mapping[str, int] | None = None) -> Image:
    """The image of a manifest: a name from guest/images, or a path ending in .toml; `parameters` of its kernel go over
    those of the manifest.

    Its programs are Multiboot modules, in order; a module's string is the program's name and arguments. Raises
    ImageError for a manifest that is wrong, and, with the assembler's or linker's own message, for wrong sources.
    """
    path = manifest.find(name_or_path)
    if path is None:
        raise ImageError(f"{name_or_path}: no manifest: give the name of an image, or a .toml file")
    wanted = manifest.read(path, parameters)
    kernel = _linked(wanted.kernel, path)
    header = multiboot.find_header(kernel)
    if header is None:
        raise ImageError(f"{path}: the kernel has no Multiboot header in its first {multiboot.SEARCHED} bytes: "
                         "put one into its first section, .boot")
    image = multiboot.read(kernel, wanted.name, header)
    image.profile, image.command_line, image.wiring = wanted.profile, wanted.command_line, wanted.wiring
    image.parameters = dict(wanted.kernel.parameters)
    image.path_files = list(wanted.path_files)
    image.files[""] = kernel
    for program in wanted.programs:
        data = _linked(program, path)
        executable = elf.read(data, f"{wanted.name}: {program.name}")
        image.programs[program.name], image.program_lines[program.name] = executable.symbols, executable.lines
        image.modules.append(Module(f"{program.name} {program.arguments}".rstrip(), data))
        image.files[program.name] = data
    return image


def _linked(unit: Unit, path: Path) -> bytes:
    """The ELF file of a unit of the manifest at `path`: the cache's, or a new one."""
    include = _include(unit, path)
    bases = [folder.resolve() for folder in reversed(include)]
    shown = {str(source.absolute()): _shown(source, bases) for source in unit.sources}
    constants = abi.CONSTANTS | unit.parameters
    key = cache.make_key(list(shown.items()), list(map(str, include)), constants, unit.entry, unit.base, unit.offset,
                         unit.name)
    data = cache.get(key)
    if data is None:
        started = cache.now()
        data, inputs = _link(unit, shown, constants, include)
        _check_used(unit, inputs, path)
        cache.put(key, data, inputs, started)
    return data


def _include(unit: Unit, path: Path) -> list[Path]:
    """Where its includes are searched: guest/, and before that the manifest's folder if a source lies there. Whatever
    comes from elsewhere, our kernels above all, is so the same in every image.
    """
    folder = path.parent.absolute()
    is_local = any(source.resolve().is_relative_to(folder.resolve()) for source in unit.sources)
    return [folder, GUEST] if is_local else [GUEST]


def _link(unit: Unit, shown: Mapping[str, str], constants: Mapping[str, int],
          include: Sequence[Path]) -> tuple[bytes, list[Path]]:
    """Assemble and link the sources of `shown`, called as it says: the ELF file, and every file that was read."""
    try:
        objects = [assemble(Path(source), name=name, constants=constants, include=include)
                   for source, name in shown.items()]
        program = link(objects, base=unit.base, entry=unit.entry, physical_offset=unit.offset, name=unit.name)
    except (AssemblyError, LinkError) as error:
        raise ImageError(str(error)) from error
    return write_elf(program), [Path(file) for item in objects for file in item.inputs]


def _check_used(unit: Unit, inputs: list[Path], path: Path) -> None:
    """Raise ImageError for a parameter that occurs in none of the files read: misspelt, it would change nothing."""
    words: set[bytes] = set()
    for file in inputs:
        words.update(re.findall(rb"\w+", file.read_bytes()))
    for name in unit.parameters:
        if name.encode() not in words:
            raise ImageError(f"{path}: no source of {unit.name or 'the kernel'} uses the parameter {name}: "
                             "correct it, or leave it out")


def _shown(source: Path, bases: Sequence[Path]) -> str:
    """A source's name in messages and line maps: from guest/ or the manifest's folder, so alike on every machine."""
    absolute = source.resolve()
    for base in bases:
        if absolute.is_relative_to(base):
            return absolute.relative_to(base).as_posix()
    return str(source)


def write(image: Image, directory: Path) -> list[Path]:
    """Write a built image to `directory`: NAME.elf, NAME.map, and for each program NAME/PROGRAM.elf and .map.

    Returns the files written. Raises ImageError for an image that was not built from a manifest, and if writing fails.
    """
    if not image.files:
        raise ImageError(f"{image.name}: was not built from a manifest, so there is nothing to write")
    written = []
    for name, data in image.files.items():
        stem = directory / image.name / name if name else directory / image.name
        symbols = image.programs[name] if name else image.symbols
        lines = image.program_lines[name] if name else image.lines
        for suffix, content in (".elf", data), (".map", map_text(symbols, lines).encode()):
            file = stem.with_name(stem.name + suffix)
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            except OSError as error:
                raise ImageError(f"{file}: {(error.strerror or str(error)).lower()}") from None
            written.append(file)
    return written


def map_text(symbols: SymbolTable, lines: LineMap) -> str:
    """Symbols by address, one to a line: address, size in bytes, name, and the source line if it has one."""
    rows = ["address   size    symbol                          source"]
    for name, address in symbols.items():
        is_boundary = symbols.find(address) != (name, 0)   # another symbol names what lies there
        line = None if is_boundary else lines.find(address)
        size = 0 if is_boundary else symbols.size(name)
        rows.append(f"{address:08x}  {size:06x}  {name:30}  {f'{line[0]}:{line[1]}' if line else ''}".rstrip())
    return "\n".join(rows) + "\n"
