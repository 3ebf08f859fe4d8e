"""Arrows point down: tools, emu, loader, guest; and each device stands on the bus and the clock alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("tools", "emu", "loader", "guest")
BELOW = {                       # what the files of a package may import of ours
    "tools": ("tools", "emu", "loader", "guest"),
    "emu": ("emu", "loader", "guest"),
    "loader": ("loader", "guest"),
    "guest": ("guest",),
}
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
DEVICES = sorted((ROOT / "emu" / "devices").rglob("[a-z]*.py"))


def imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_imports_nothing_from_above(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[0] for name in imported(path)} & set(PACKAGES)
    assert ours <= set(BELOW[package])


@pytest.mark.parametrize("path", DEVICES, ids=name_of)
def test_a_device_knows_the_bus_and_the_clock_alone(path: Path) -> None:
    ours = {name for name in imported(path) if name.split(".")[0] in PACKAGES}
    if path.parent.name != "devices":       # a chip of several files knows them, and the PCI header that it has
        ours = {name for name in ours if not name.startswith(f"{name_of(path.parent)}.")} - {"emu.devices.pci"}
    assert ours <= {"emu.bus", "emu.clock", "emu.kept"}


@pytest.mark.parametrize("path", DEVICES, ids=name_of)
def test_a_device_is_imported_without_the_processor(path: Path) -> None:
    check = f"import sys, {name_of(path)}; sys.exit('numba' in sys.modules or 'unicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, timeout=60).returncode == 0


def test_only_who_checks_what_it_encodes_knows_keystone() -> None:
    assert [name_of(path) for path in SOURCES if "keystone" in imported(path)] == [
        "emu.cpu.host_code", "loader.assembler.encoder"]


def test_the_native_sources_are_all_in_the_name_of_their_cache() -> None:
    from emu import native

    compiled = {path.relative_to(ROOT / "emu").with_suffix("").as_posix() for path in SOURCES
                if "emu.native" in imported(path) and path.is_relative_to(ROOT / "emu")}
    assert compiled <= set(native.SOURCES)
