"""Building images from manifests: kernel, programs, names, files written, and the cache between runs."""

import os
import shutil
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader import build as build_module
from loader.boot import boot, load, recognise
from loader.build import build, write
from loader.image import ImageError

MEBIBYTE = 1 << 20

KERNEL = """
.section .boot
        .align 4
        .long 0x1BADB002, 3, -(0x1BADB002 + 3)
; Starts the kernel.
.global _start
_start: mov eax, LIMIT
        mov ecx, high
        jmp ecx
.text
; Ends.
.global high
high:   hlt
        jmp high
.data
tick:   .long TICK_HZ
.bss
stack:  .space 64
"""
PROGRAM = """
.include "both.inc"
; Starts the program.
.global _start
_start: mov eax, ROUNDS
        call helper
.data
number: .long COMMON
"""
HELPER = """
; Does nothing.
.global helper
helper: ret
"""
MANIFEST = """
[image]
name = "small"
description = "a kernel and two programs"
profile = "p3-500"
command_line = "from the manifest"
[kernel]
sources = ["kernel/entry.asm"]
parameters = { TICK_HZ = 250, LIMIT = 0x1234 }
[[program]]
name = "one"
sources = ["user/main.asm", "user/helper.asm"]
parameters = { ROUNDS = 7 }
arguments = "fast -v"
[[program]]
name = "two"
sources = ["user/helper.asm"]
entry = "helper"
base = 0x10000000
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of this test's own; where its entries lie."""
    monkeypatch.setenv("TRAPLINE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def project(tmp_path):
    """A manifest with its sources, all last changed long ago; its path."""
    folder = tmp_path / "project"
    for name, text in {"kernel/entry.asm": KERNEL, "user/main.asm": PROGRAM, "user/helper.asm": HELPER,
                       "user/both.inc": "COMMON = 99\n", "small.toml": MANIFEST}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        change(folder / name, text)
    return folder / "small.toml"


def change(path, text):
    """Write a file as if long ago, so that the cache takes it for settled."""
    path.write_text(text)
    os.utime(path, (1, 1))


def memory_of(image):
    """RAM after `image` was placed in it, by address."""
    memory = bytearray(16 * MEBIBYTE)
    for address, data in boot(image, 16 * MEBIBYTE).writes:
        memory[address:address + len(data)] = data
    return memory


def complaint(path):
    """What the build of a wrong image says."""
    with pytest.raises(ImageError) as caught:
        build(path)
    return str(caught.value)


def assemblies(monkeypatch):
    """The names of all sources that are assembled from here on; the list grows."""
    names = []
    real = build_module.assemble

    def count(source, **options):
        names.append(options["name"])
        return real(source, **options)
    monkeypatch.setattr(build_module, "assemble", count)
    return names


def test_a_kernel_is_linked_for_the_high_half_and_loaded_at_1_mib(project):
    image = build(project)
    assert (image.kind, image.entry) == ("multiboot", image.symbols.address("_start"))
    assert 0x100000 <= image.entry < 0x101000
    high = image.symbols.address("high")
    assert high > 0xC0100000
    assert memory_of(image)[high - 0xC0000000] == 0xF4       # hlt


def test_a_manifest_sets_name_profile_command_line_and_parameters(project):
    image = build(project)
    assert (image.name, image.profile, image.command_line) == ("small", "p3-500", "from the manifest")
    assert image.parameters == {"TICK_HZ": 250, "LIMIT": 0x1234}


def test_parameters_are_constants_and_go_over_those_of_the_abi(project):
    image = build(project)
    memory = memory_of(image)
    assert struct.unpack_from("<I", memory, image.symbols.address("tick") - 0xC0000000) == (250,)
    assert memory[image.entry:image.entry + 5] == bytes.fromhex("b834120000")        # mov eax, 0x1234


def test_programs_are_modules_with_their_arguments(project):
    image = build(project)
    assert [module.string for module in image.modules] == ["one fast -v", "two"]
    assert all(module.data.startswith(b"\x7fELF") for module in image.modules)


def test_programs_have_symbols_and_lines_of_their_own(project):
    image = build(project)
    assert image.programs["one"].address("_start") == 0x08048000
    assert image.programs["two"].address("helper") == 0x10000000
    assert image.programs["one"].name(image.programs["one"].address("helper")) == "helper"
    assert image.program_lines["one"].find(0x08048000) == ("user/main.asm", 5)


def test_lines_are_named_from_the_folder_of_the_manifest(project):
    image = build(project)
    assert image.lines.find(image.symbols.address("high")) == ("kernel/entry.asm", 13)


def test_the_same_sources_elsewhere_make_the_same_image(project, tmp_path):
    shutil.copytree(project.parent, tmp_path / "elsewhere" / "deeper")
    assert build(project).digest == build(tmp_path / "elsewhere" / "deeper" / "small.toml").digest


def test_load_builds_a_manifest_and_its_options_go_over_it(project, tmp_path):
    (tmp_path / "more").write_bytes(b"more")
    image = load(project, command_line="mine", modules=[tmp_path / "more"])
    assert (image.command_line, [module.name for module in image.modules]) == ("mine", ["one", "two", "more"])
    assert load(str(project)).command_line == "from the manifest"


def test_load_refuses_an_address_for_a_manifest(project):
    with pytest.raises(ImageError, match="leave out --address"):
        load(project, address=0x100000)


def test_a_relative_path_to_a_manifest_will_do(project, monkeypatch):
    monkeypatch.chdir(project.parent)
    assert build("small.toml").digest == build(project).digest


def test_an_error_in_a_source_names_file_and_line(project):
    change(project.parent / "user/helper.asm", "nonsense eax\n")
    message = complaint(project)
    assert message.startswith("user/helper.asm:1: ") and "nonsense eax" in message


def test_an_undefined_symbol_names_file_and_line(project):
    change(project.parent / "user/helper.asm", "nop\n")
    assert "user/main.asm:6" in complaint(project) and "helper" in complaint(project)


def test_a_missing_entry_is_named(project):
    change(project, MANIFEST.replace('entry = "helper"', 'entry = "begin"'))
    assert "begin" in complaint(project)


def test_a_parameter_that_no_source_uses_is_refused(project):
    change(project, MANIFEST.replace("ROUNDS = 7", "ROUNDS = 7, ROUND = 7"))
    assert complaint(project) == (f"{project}: no source of one uses the parameter ROUND: correct it, or leave it "
                                  "out")


def test_a_kernel_without_a_multiboot_header_is_refused(project):
    change(project.parent / "kernel/entry.asm", KERNEL.replace(".long 0x1BADB002", ".long 0"))
    assert "no Multiboot header in its first 8192 bytes" in complaint(project)


def test_something_that_is_no_manifest_is_refused(tmp_path):
    assert "no manifest" in complaint(tmp_path / "file.elf")


def test_a_second_build_assembles_nothing(project, monkeypatch):
    first = build(project)
    names = assemblies(monkeypatch)
    again = build(project)
    assert names == []
    assert (again.digest, list(again.symbols), again.lines.entries) == (first.digest, list(first.symbols),
                                                                        first.lines.entries)


def test_a_changed_include_rebuilds_the_program_that_includes_it_alone(project, monkeypatch):
    build(project)
    names = assemblies(monkeypatch)
    change(project.parent / "user/both.inc", "COMMON = 100\n")
    image = build(project)
    assert names == ["user/main.asm", "user/helper.asm"]
    assert struct.pack("<I", 100) in image.files["one"]


def test_a_changed_parameter_rebuilds_the_kernel_alone(project, monkeypatch):
    build(project)
    names = assemblies(monkeypatch)
    change(project, MANIFEST.replace("250", "251"))
    assert memory_of(build(project)).count(struct.pack("<I", 251))
    assert names == ["kernel/entry.asm"]


def test_what_lies_elsewhere_is_assembled_once_for_all_manifests(tmp_path, monkeypatch):
    images = []
    for number in range(2):
        folder = tmp_path / str(number)
        (folder / "kernel").mkdir(parents=True)
        (folder / "own.toml").write_text('[image]\ndescription = "d"\nkernel = "activations"\n')
        (folder / "kernel" / "calls.inc").write_text('.error "not ours"\n')     # as a file of ours is called
        names = assemblies(monkeypatch)
        images.append(build(folder / "own.toml"))
    assert names == []
    assert images[0].digest == images[1].digest


def test_a_damaged_cache_is_built_anew(project, own_cache):
    digest = build(project).digest
    entries = list(own_cache.iterdir())
    assert len(entries) == 3
    for entry in entries:
        data = bytearray(entry.read_bytes())
        data[len(data) // 2] ^= 0xFF
        entry.write_bytes(data)
    assert build(project).digest == digest


def test_a_build_without_a_usable_cache_is_the_same(project, tmp_path, monkeypatch):
    digest = build(project).digest
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRAPLINE_CACHE_DIR", str(tmp_path / "file"))
    assert build(project).digest == digest


def test_writing_an_image_makes_elf_files_and_maps(project, tmp_path):
    image = build(project)
    names = ["small.elf", "small.map", "small/one.elf", "small/one.map", "small/two.elf", "small/two.map"]
    assert write(image, tmp_path / "out") == [tmp_path / "out" / name for name in names]
    again = load(tmp_path / "out" / "small.elf")
    assert (again.entry, list(again.symbols)) == (image.entry, list(image.symbols))
    assert (tmp_path / "out/small/one.elf").read_bytes() == image.modules[0].data


def test_a_map_lists_address_size_symbol_and_line(project, tmp_path):
    image = build(project)
    write(image, tmp_path)
    rows = [row.split() for row in (tmp_path / "small.map").read_text().splitlines()]
    assert [f"{image.symbols.address('tick'):08x}", "000004", "tick", "kernel/entry.asm:16"] in rows
    assert [f"{image.symbols.address('__text_end'):08x}", "000000", "__text_end"] in rows
    assert [f"{image.symbols.address('high'):08x}", "000003", "high", "kernel/entry.asm:13"] in rows
    addresses = [row[0] for row in rows[1:]]
    assert addresses == sorted(addresses) and len(addresses) == len(image.symbols)


def test_a_folder_that_cannot_be_written_is_named(project, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match=r"file/small\.elf: file exists"):
        write(build(project), tmp_path / "file")


def test_an_image_from_no_manifest_is_not_written(tmp_path):
    with pytest.raises(ImageError, match="was not built from a manifest"):
        write(recognise(b"\xf4", "flat", 0), tmp_path)


@pytest.mark.skipif(not shutil.which("readelf"), reason="no readelf here")
def test_readelf_finds_no_fault_with_what_is_written(project, tmp_path):
    for path in write(build(project), tmp_path):
        if path.suffix == ".elf":
            done = subprocess.run(["readelf", "-a", path], capture_output=True, text=True, check=True)
            assert done.stderr == ""


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """A linked kernel's file, with symbols and lines."""
    folder = tmp_path_factory.mktemp("linked")
    (folder / "entry.asm").write_text(KERNEL)
    (folder / "k.toml").write_text('[image]\ndescription = "d"\nkernel = ["entry.asm"]\n[kernel]\n'
                                   "parameters = { LIMIT = 1 }")
    return build(folder / "k.toml").files[""]


@settings(max_examples=300, deadline=2000)
@given(data=st.data())
def test_a_linked_kernel_with_random_damage_boots_or_is_refused_in_one_line(linked, data):
    damaged = bytearray(linked)
    for _ in range(data.draw(st.integers(1, 6))):
        where = data.draw(st.one_of(st.integers(0, 200), st.integers(len(linked) - 1200, len(linked) - 1)))
        damaged[where] = data.draw(st.integers(0, 255))
    try:
        boot(recognise(bytes(damaged), "k"), 4 * MEBIBYTE)
    except ImageError as error:
        assert "\n" not in str(error)
