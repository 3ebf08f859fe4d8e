"""Image manifests: the TOML files that say what an image is made of.

Ours are guest/images/NAME.toml; a user's may lie anywhere. Paths in a manifest are relative to it.

    [image]
    description = "two threads play ping-pong"     # one line, for lists
    name = "pingpong"                              # default: the file's name
    kernel = "l4"                                  # a variant, guest/kernel/l4.toml, or a list of sources;
                                                   #   or else `variant` or `sources` in [kernel]
    profile = "p3-500"                             # processor, if the person does not name one
    command_line = "quiet"                         # for the kernel
    nic = "host:10.0.0.1"                          # a network card, and what it is plugged into,
    wire = "rate=1G"                               #   if the person does not say it: as trapline boot's --nic, --wire

    [kernel]
    sources = ["kernel/entry.asm"]                 # assembled and linked for the high half
    entry = "_start"                               # symbol at which it starts
    parameters = { TICK_HZ = 1000 }                # constants, over those of guest.abi

    [[program]]                                    # any number: each an ELF32 file, and a Multiboot module
    name = "ping"
    sources = ["user/ping.asm", "lib/syscall.asm"]
    parts = ["lib/threads.toml"]                   # files that list further sources, and perhaps a base
    base = 0x08048000                              # virtual address
    entry = "_start"
    parameters = { ROUNDS = 100 }
    arguments = "fast"                             # follow the name in the module's string

A variant's file holds the keys of [kernel] at its top level, and perhaps `parts`, with paths relative to itself; a
manifest's own parameters and entry go over them. A part's file likewise holds `sources`, and `base` if its programs
need one.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import guest
from guest import abi
from guest.abi.memory import Memory
from loader.image import PAGE, ImageError, Wiring, read_file

GUEST = Path(guest.__path__[0])          # our guest software
IMAGES = GUEST / "images"                # its manifests
VARIANTS = GUEST / "kernel"              # its kernels
PROGRAM_BASE = 0x08048000                # virtual address of a program
ENTRY = "_start"                         # where kernels and programs start
PATHS = ".paths.toml"                    # end of the names of files that stand beside manifests and are none

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")       # of an image or program: also a file name
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")          # of a constant or an entry
_LINKED: dict[str, tuple[type, ...]] = {"sources": (list,), "entry": (str,), "parameters": (dict,)}
_KEYS: dict[str, dict[str, tuple[type, ...]]] = {        # what each table may hold, and of which type
    "manifest": {"image": (dict,), "kernel": (dict,), "program": (list,)},
    "image": {"name": (str,), "description": (str,), "kernel": (str, list), "profile": (str,), "command_line": (str,),
              "nic": (str,), "wire": (str,)},
    "kernel": {**_LINKED, "variant": (str,)},
    "variant": {**_LINKED, "parts": (list,)},
    "program": {"name": (str,), **_LINKED, "parts": (list,), "base": (int,), "arguments": (str,)},
    "part": {"sources": (list,), "base": (int,)},
}
_TYPES = {dict: "a table", list: "a list", str: "a string", int: "an integer", bool: "a boolean", float: "a float"}


@dataclass(frozen=True)
class Unit:
    """Sources that are linked together: a kernel or a program."""

    name: str                            # the program's; "" for the kernel
    sources: list[Path]                  # in link order
    parameters: dict[str, int]           # constants over those of guest.abi
    entry: str                           # symbol at which it starts
    base: int                            # virtual address
    offset: int = 0                      # virtual less physical address
    arguments: str = ""                  # a program's


@dataclass(frozen=True)
class Manifest:
    """A manifest whose keys, types, names and source files have been checked."""

    path: Path                           # the file
    name: str                            # of the image
    description: str                     # one line
    kernel: Unit                         # goes to the high half
    programs: list[Unit]                 # in the order of their modules
    profile: str | None                  # processor
    command_line: str                    # for the kernel
    wiring: Wiring | None                # network; its words are not checked here (emu.net.plug.chosen)
    path_files: list[Path]               # files that name paths in it: the kernel variant's, then its own


def beside(path: Path) -> list[Path]:
    """The file that names paths (emu.monitor.paths.paths) in what is in `path`, if there is one: NAME.paths.toml."""
    file = path.with_suffix(PATHS)
    return [file] if file.is_file() else []


def find(path_or_name: str | Path) -> Path | None:
    """The manifest that a person means: NAME of guest/images, or a path ending in .toml; None for another file.

    Raises ImageError for a bare name that is neither an image nor a file.
    """
    path = Path(path_or_name)
    if path.suffix == ".toml":
        return path
    if isinstance(path_or_name, Path) or not _NAME.fullmatch(path_or_name):        # a separator is no part of a name
        return None
    ours = IMAGES / f"{path_or_name}.toml"
    if ours.is_file():
        return ours
    if path.exists():
        return None
    names = [file.stem for file in _manifests(IMAGES)]
    near = difflib.get_close_matches(path_or_name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "'trapline images' lists those that have a name"
    raise ImageError(f"{path_or_name}: neither an image nor a file here; {hint}")


def images() -> list[tuple[str, str]]:
    """(name, description) of each of our images, by name. Raises ImageError for a manifest that is wrong."""
    return [(path.stem, read(path).description) for path in _manifests(IMAGES)]


def read(path: Path, parameters: Mapping[str, int] | None = None) -> Manifest:
    """The manifest in the file `path`, with these `parameters` of the kernel over its own.

    Raises ImageError: file, key, what is wrong and what is allowed.
    """
    document = _Table(path, "manifest", "", _parse(path))
    if parameters:
        own = document.table("kernel", "kernel")
        document.values["kernel"] = own.values | {"parameters": own.get("parameters", {}) | dict(parameters)}
    image = document.table("image", "image")
    name = image.get("name", path.stem)
    if not _NAME.fullmatch(name):
        raise image.error("name", f"is {name!r}: use letters, digits and _ . -")
    programs = [_program(_Table(path, "program", f"program {number}", table))
                for number, table in enumerate(document.get("program", []), start=1)]
    names = [program.name for program in programs]
    for twice in names:
        if names.count(twice) > 1:
            raise document.error("program", f"has two called {twice!r}: give each a name of its own")
    kernel = _kernel(document, image)
    variant = image.get("kernel", document.table("kernel", "kernel").get("variant"))
    path_files = beside(VARIANTS / f"{variant}.toml") if isinstance(variant, str) else []
    return Manifest(path, name, image.required("description"), kernel, programs, image.get("profile"),
                    image.get("command_line", ""), _wiring(image), path_files + beside(path))


def _manifests(folder: Path) -> list[Path]:
    """The manifests or variants in a folder."""
    return sorted(path for path in folder.glob("*.toml") if not path.name.endswith(PATHS))


def _parse(path: Path) -> dict[str, Any]:
    """The tables of a TOML file."""
    data = read_file(path)
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise ImageError(f"{path}: not UTF-8 text, so no manifest") from None
    except tomllib.TOMLDecodeError as error:
        raise ImageError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise ImageError(f"{path}: not a manifest: nested too deeply") from None


class _Table:
    """A table of a manifest: its keys are known ones and of the right type."""

    def __init__(self, path: Path, kind: str, title: str, values: Any) -> None:
        """`kind` selects the keys of `_KEYS`; `title` is how messages call the table."""
        self.path = path
        self.title = title
        allowed = _KEYS[kind]
        if not isinstance(values, dict):
            raise ImageError(f"{path}: {title} is {_TYPES.get(type(values), 'a date')}: give a table")
        self.values = values
        for key, value in values.items():
            if key not in allowed:
                raise ImageError(f"{path}: {title or 'a manifest'} has no key {key!r}; allowed: {', '.join(allowed)}")
            if type(value) not in allowed[key]:
                wanted = " or ".join(_TYPES[kind_] for kind_ in allowed[key])
                raise self.error(key, f"is {_TYPES.get(type(value), 'a date')}: give {wanted}")

    def error(self, key: str, text: str) -> ImageError:
        """What to raise about `key`."""
        return ImageError(f"{self.path}: {self.title}{'.' if self.title else ''}{key} {text}")

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key that may be missing."""
        return self.values.get(key, default)

    def required(self, key: str) -> Any:
        """The value of a key that may not."""
        if key not in self.values:
            raise self.error(key, "is missing")
        return self.values[key]

    def table(self, key: str, kind: str) -> _Table:
        """The table at `key`, empty if it is missing."""
        return _Table(self.path, kind, key, self.values.get(key, {}))

    def sources(self, key: str = "sources") -> list[Path]:
        """The files listed at `key`, at least one, all of which exist."""
        if not self.required(key):
            raise self.error(key, "is empty: list at least one file")
        return self.files(key)

    def files(self, key: str) -> list[Path]:
        """The files listed at `key`, all of which exist; none if the key is missing."""
        listed = self.get(key, [])
        for source in listed:
            if not isinstance(source, str) or "\0" in source:
                raise self.error(key, f"holds {source!r}: list paths, as strings")
            if not (self.path.parent / source).is_file():
                raise self.error(key, f"names {source!r}, but there is no file {self.path.parent / source}")
        return [self.path.parent / source for source in listed]

    def parameters(self) -> dict[str, int]:
        """The constants at `parameters`: 32-bit numbers."""
        found: dict[str, int] = self.get("parameters", {})
        for name, value in found.items():
            if not _SYMBOL.fullmatch(name):
                raise self.error("parameters", f"holds {name!r}, which no constant can be called")
            if name in abi.CONSTANTS and name not in abi.PARAMETERS:
                raise self.error(f"parameters.{name}", "belongs to the ABI, which an image cannot change; of the ABI's "
                                 f"constants it may set {', '.join(abi.PARAMETERS)}")
            if type(value) is not int or not -(1 << 31) <= value < 1 << 32:
                raise self.error(f"parameters.{name}", f"is {value!r}: give an integer of 32 bits")
        return found

    def entry(self, default: str) -> str:
        """The symbol at `entry`."""
        symbol: str = self.get("entry", default)
        if not _SYMBOL.fullmatch(symbol):
            raise self.error("entry", f"is {symbol!r}: name a symbol")
        return symbol


def _wiring(image: _Table) -> Wiring | None:
    """The network."""
    plug, wire = image.get("nic"), image.get("wire", "")
    if plug is None and wire:
        raise image.error("wire", "belongs to image.nic: give both, or none")
    return None if plug is None else Wiring(image.path, plug, wire)


def _kernel(document: _Table, image: _Table) -> Unit:
    """The kernel, which `image.kernel` or a key of [kernel] names, as sources or as a variant."""
    kernel = document.table("kernel", "kernel")
    named = [(table, key) for table, key in ((image, "kernel"), (kernel, "sources"), (kernel, "variant"))
             if table.get(key) is not None]
    if len(named) != 1:
        raise document.error("kernel", f"is given {len(named)} times: give image.kernel, kernel.sources or "
                             "kernel.variant, and one only")
    table, key = named[0]
    if isinstance(table.get(key), list):
        return _kernel_unit(table.sources(key), kernel.parameters(), kernel.entry(ENTRY))
    path = VARIANTS / f"{table.get(key)}.toml"
    if not _NAME.fullmatch(table.get(key)) or not path.is_file():
        known = ", ".join(file.stem for file in _manifests(VARIANTS)) or "none"
        raise table.error(key, f"is {table.get(key)!r}, which is no variant; variants are: {known}")
    variant = _Table(path, "variant", "", _parse(path))
    listed = variant.sources() + [source for part in _parts(variant) for source in part.sources()]
    return _kernel_unit(listed, variant.parameters() | kernel.parameters(),
                        kernel.entry(variant.entry(ENTRY)))


def _kernel_unit(sources: list[Path], parameters: dict[str, int], entry: str) -> Unit:
    """A kernel: linked for the high half, loaded at 1 MiB."""
    return Unit("", sources, parameters, entry, Memory.KERNEL_IMAGE, Memory.KERNEL_BASE)


def _parts(table: _Table) -> list[_Table]:
    """The files listed at `parts`."""
    return [_Table(path, "part", "", _parse(path)) for path in table.files("parts")]


def _program(table: _Table) -> Unit:
    """A program."""
    name = table.required("name")
    if not _NAME.fullmatch(name):
        raise table.error("name", f"is {name!r}: use letters, digits and _ . -")
    parts = _parts(table)
    own = table.sources() if table.get("sources") is not None or not parts else []
    listed = own + [source for part in parts for source in part.sources()]
    sources = list({source.resolve(): source for source in listed}.values())       # two parts may share a file
    base = table.get("base", next((part.get("base") for part in parts if part.get("base") is not None), PROGRAM_BASE))
    if not Memory.USER_BASE <= base < Memory.USER_LIMIT or base % PAGE:
        raise table.error("base", f"is {base:#x}: give the address of a page, from {Memory.USER_BASE:#x} up to "
                          f"{Memory.USER_LIMIT:#x}")
    arguments = table.get("arguments", "")
    if not arguments.isprintable():
        raise table.error("arguments", f"is {arguments!r}: use printable characters")
    return Unit(name, sources, table.parameters(), table.entry(ENTRY), base, arguments=arguments)
