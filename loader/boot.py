"""From what a person names to a machine that can start: find the reader, place the image in RAM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loader import elf, flat, manifest, multiboot
from loader.image import Image, ImageError, Module, encode_string, read_file
from loader.placement import Ram

KINDS = {"elf": "an ELF file without a Multiboot header", "flat": "a flat file"}      # for messages


@dataclass(frozen=True)
class BootState:
    """What a machine does to start an image: write RAM, set registers, jump. Paging is off, segments are flat."""

    entry: int                             # physical address of the first instruction
    registers: dict[str, int]              # eax, ebx
    writes: list[tuple[int, bytes]]        # (physical address, bytes), none overlapping


def boot(image: Image, memory_size: int) -> BootState:
    """Place `image` in `memory_size` bytes of RAM, with what its kind is told at the start.

    A Multiboot kernel's modules follow its highest segment, each on a page of its own. Raises ImageError if something
    lies outside RAM, in the hole below 1 MiB, or over something else.
    """
    ram = Ram(memory_size, image.name)
    writes: list[tuple[int, bytes]] = []
    for segment in image.segments:
        end = segment.physical + segment.memory_size
        ram.claim(segment.physical, segment.memory_size, f"segment {segment.physical:#x}-{max(end - 1, 0):#x}")
    for segment in image.segments:                         # after the checks: hostile sizes must not allocate
        writes += segment.writes
    if image.kind != "multiboot":
        return BootState(image.entry, {"eax": 0, "ebx": 0}, writes)
    information, more = multiboot.place_information(image, ram)
    return BootState(image.entry, {"eax": multiboot.BOOTLOADER_MAGIC, "ebx": information}, writes + more)


def load(path_or_name: str | Path, *, address: int | None = None, command_line: str | None = None,
         modules: Sequence[Path | str | Module] = (), parameters: Mapping[str, int] | None = None) -> Image:
    """The image that a person means: a name from guest/images, a manifest (*.toml), an ELF, Multiboot or flat file.

    A `Path`, or a string with a separator, is always a file. `address` is where a flat file goes and starts. Only a
    Multiboot kernel takes a `command_line` (it replaces a manifest's) and `modules`: a path, or a string "path
    arguments"; they follow a manifest's programs. `parameters` are constants of a manifest's kernel, over those that it
    sets. Raises ImageError.
    """
    ours = manifest.find(path_or_name)
    if ours is None:
        if parameters:
            raise ImageError(f"{path_or_name}: has been built already, so it has no parameters: leave them out")
        image = recognise(read_file(Path(path_or_name)), str(path_or_name), address)
        image.name = Path(path_or_name).name
        image.path_files = manifest.beside(Path(path_or_name))
    elif address is None:
        from loader.build import build  # brings the assembler, which takes a while

        image = build(ours, parameters)
    else:
        raise ImageError(f"{path_or_name}: a manifest says itself where things go: leave out --address")
    if image.kind != "multiboot" and (command_line is not None or modules):
        raise ImageError(f"{path_or_name}: only a Multiboot kernel takes a command line and modules, "
                         f"and this is {KINDS[image.kind]}: leave them out")
    if command_line is not None:
        encode_string(command_line)
        image.command_line = command_line
    image.modules += [_module(module) for module in modules]
    return image


def recognise(data: bytes, name: str, address: int | None = None) -> Image:
    """The image in the bytes of an ELF, Multiboot or flat file (the latter at `address`); `name` is for messages.

    Raises ImageError.
    """
    if not data:
        raise ImageError(f"{name}: is empty")
    header = multiboot.find_header(data)
    recognised = "a Multiboot kernel" if header else "an ELF file" if elf.is_elf(data) else None
    if recognised and address is not None:
        raise ImageError(f"{name}: is {recognised}, which says itself where it goes: leave out --address")
    if header:
        return multiboot.read(data, name, header)
    if recognised:
        return elf.read_image(data, name)
    if address is None:
        raise ImageError(f"{name}: neither ELF nor Multiboot; if it is a flat file, say where it goes (--address)")
    return flat.read(data, name, address)


def _module(module: Path | str | Module) -> Module:
    """A module as given to `load`: its file is read; what the kernel is told begins with the file's name."""
    if isinstance(module, Module):
        return module
    path, _, arguments = (module, "", "") if isinstance(module, Path) else module.partition(" ")
    string = f"{Path(path).name} {arguments}".rstrip()
    encode_string(string)
    return Module(string, read_file(Path(path)))
