"""Manifests: what they may say, and one line with file and key for everything else."""

import pytest

from loader import manifest
from loader.image import ImageError, Wiring


@pytest.fixture
def write(tmp_path):
    """Write a manifest beside a source called a.asm; its path."""
    (tmp_path / "a.asm").write_text("nop\n")

    def write(text):
        path = tmp_path / "test.toml"
        path.write_text(text)
        return path
    return write


SMALL = """
[image]
description = "one line"
kernel = ["a.asm"]
"""


def test_a_small_manifest_has_defaults(write, tmp_path):
    found = manifest.read(write(SMALL))
    assert (found.name, found.description, found.profile, found.command_line) == ("test", "one line", None, "")
    assert found.kernel == manifest.Unit("", [tmp_path / "a.asm"], {}, "_start", 0xC0100000, 0xC0000000)
    assert found.programs == [] and found.wiring is None


def test_a_full_manifest_is_read(write, tmp_path):
    (tmp_path / "b.asm").write_text("nop")
    found = manifest.read(write("""
        [image]
        name = "full"
        description = "all keys"
        profile = "p3-500"
        command_line = "quiet"
        nic = "host:10.0.0.1"
        wire = "rate=1G"
        [kernel]
        sources = ["a.asm"]
        entry = "begin"
        parameters = { TICK_HZ = 100, MINE = -1 }
        [[program]]
        name = "one"
        sources = ["a.asm", "./b.asm"]
        base = 0x10000000
        entry = "main"
        parameters = { ROUNDS = 3 }
        arguments = "x y"
        [[program]]
        name = "two"
        sources = ["a.asm"]
    """))
    one, two = found.programs
    assert (found.name, found.profile, found.command_line) == ("full", "p3-500", "quiet")
    assert found.wiring == Wiring(tmp_path / "test.toml", "host:10.0.0.1", "rate=1G")
    assert (found.kernel.entry, found.kernel.parameters) == ("begin", {"TICK_HZ": 100, "MINE": -1})
    assert (one.name, one.base, one.entry, one.parameters, one.arguments) == ("one", 0x10000000, "main", {"ROUNDS": 3},
                                                                              "x y")
    assert one.sources == [tmp_path / "a.asm", tmp_path / "b.asm"]
    assert (two.name, two.base, two.entry) == ("two", 0x08048000, "_start")


def test_a_variant_gives_sources_and_the_manifest_goes_over_its_parameters(write, tmp_path, monkeypatch):
    variants = tmp_path / "variants"
    variants.mkdir()
    (variants / "l4.toml").write_text('sources = ["../a.asm"]\nentry = "v"\nparameters = { A = 1, B = 1 }')
    monkeypatch.setattr(manifest, "VARIANTS", variants)
    both = [manifest.read(write(text + "parameters = { B = 2 }")).kernel
            for text in ('[image]\ndescription = "d"\nkernel = "l4"\n[kernel]\n',
                         '[image]\ndescription = "d"\n[kernel]\nvariant = "l4"\n')]
    assert both[0] == both[1]
    assert (both[0].entry, both[0].parameters) == ("v", {"A": 1, "B": 2})
    assert both[0].sources[0].samefile(tmp_path / "a.asm")


IMAGE = '[image]\ndescription = "d"\n'
PROGRAM = SMALL + '[[program]]\nname = "p"\nsources = ["a.asm"]\n'
BAD = {
    "not TOML": ("[image", "not TOML: "),
    "unknown table": (SMALL + "[kernal]", "a manifest has no key 'kernal'; allowed: image, kernel, program"),
    "unknown key": (SMALL + 'profil = "x"', "image has no key 'profil'; allowed: name, description, kernel, profile"),
    "missing description": ('[image]\nkernel = ["a.asm"]', "image.description is missing"),
    "wrong type": (SMALL + "profile = 5", "image.profile is an integer: give a string"),
    "wire without a card": (SMALL + 'wire = "rate=1G"', "image.wire belongs to image.nic: give both, or none"),
    "one of two types": ('[image]\ndescription = "d"\nkernel = 5', "kernel is an integer: give a string or a list"),
    "boolean for integer": (PROGRAM + "base = true", "program 1.base is a boolean: give an integer"),
    "date": (SMALL + "profile = 2001-01-01", "image.profile is a date: give a string"),
    "table for list": (SMALL + "[program]", "program is a table: give a list"),
    "list of no tables": ("program = [5]\n" + SMALL, "program 1 is an integer: give a table"),
    "bad name": (SMALL + 'name = "a/b"', "image.name is 'a/b': use letters"),
    "no kernel": (IMAGE, "kernel is given 0 times: give image.kernel, kernel.sources or kernel.variant"),
    "two kernels": (SMALL + '[kernel]\nsources = ["a.asm"]', "kernel is given 2 times"),
    "no variant": (IMAGE + 'kernel = "no-such"', "image.kernel is 'no-such', which is no variant; variants are: "),
    "no sources": (IMAGE + "kernel = []", "image.kernel is empty: list at least one file"),
    "missing source": (IMAGE + 'kernel = ["b.asm"]', "image.kernel names 'b.asm', but there is no file "),
    "source of another type": (IMAGE + "kernel = [1]", "image.kernel holds 1: list paths, as strings"),
    "parameter of another type": (SMALL + "[kernel]\nparameters = { A = 1.5 }", "kernel.parameters.A is 1.5: give an"),
    "parameter too large": (SMALL + "[kernel]\nparameters = { A = 0x100000000 }", "parameters.A is 4294967296: give"),
    "parameter with a bad name": (SMALL + '[kernel]\nparameters = { "a b" = 1 }', "which no constant can be called"),
    "parameter of the ABI": (SMALL + "[kernel]\nparameters = { TCB_STATE = 1 }", "TCB_STATE belongs to the ABI"),
    "bad entry": (SMALL + '[kernel]\nentry = "a b"', "kernel.entry is 'a b': name a symbol"),
    "program without a name": (SMALL + "[[program]]", "program 1.name is missing"),
    "program with a bad name": (SMALL + '[[program]]\nname = "a b"', "program 1.name is 'a b': use letters"),
    "program without sources": (SMALL + '[[program]]\nname = "p"', "program 1.sources is missing"),
    "missing part": (PROGRAM + 'parts = ["no.toml"]', "program 1.parts names 'no.toml', but there is no file "),
    "program twice": (PROGRAM + '[[program]]\nname = "p"\nsources = ["a.asm"]', "program has two called 'p'"),
    "base inside a page": (PROGRAM + "base = 0x08048001", "program 1.base is 0x8048001: give the address of a page"),
    "base in the kernel": (PROGRAM + "base = 0xC0000000", "program 1.base is 0xc0000000: give the address of a page"),
    "arguments of two lines": (PROGRAM + 'arguments = "a\\nb"', "program 1.arguments is 'a\\nb': use printable"),
    "too deep": (f"a = {'[' * 5000}", "nested too deeply"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_manifest_is_refused_with_file_and_key(write, case):
    text, message = BAD[case]
    path = write(text)
    with pytest.raises(ImageError) as caught:
        manifest.read(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert message in str(caught.value)


def test_parts_bring_their_sources_once_and_their_base(write, tmp_path):
    (tmp_path / "lib").mkdir()
    for name in ("b.asm", "lib/c.asm", "lib/d.asm"):
        (tmp_path / name).write_text("nop")
    (tmp_path / "lib" / "one.toml").write_text('sources = ["c.asm", "../b.asm"]\nbase = 0x40000000')
    (tmp_path / "lib" / "two.toml").write_text('sources = ["c.asm", "d.asm"]')
    found = manifest.read(write(SMALL + """
        [[program]]
        name = "whole"
        sources = ["a.asm", "b.asm"]
        parts = ["lib/one.toml", "lib/two.toml"]
        [[program]]
        name = "bare"
        parts = ["lib/two.toml"]
        [[program]]
        name = "elsewhere"
        parts = ["lib/one.toml"]
        base = 0x50000000
    """))
    assert [[source.name for source in program.sources] for program in found.programs] == [
        ["a.asm", "b.asm", "c.asm", "d.asm"], ["c.asm", "d.asm"], ["c.asm", "b.asm"]]
    assert [program.base for program in found.programs] == [0x40000000, 0x08048000, 0x50000000]


def test_a_bad_part_is_refused_with_its_own_file(write, tmp_path):
    (tmp_path / "part.toml").write_text("sources = []")
    with pytest.raises(ImageError, match=r"part\.toml: sources is empty: list at least one file"):
        manifest.read(write(PROGRAM + 'parts = ["part.toml"]'))


def test_a_variant_may_have_parts(write, tmp_path, monkeypatch):
    for file in ("a.asm", "b.asm"):
        (tmp_path / file).touch()
    (tmp_path / "part.toml").write_text('sources = ["b.asm"]')
    (tmp_path / "mine.toml").write_text('sources = ["a.asm"]\nparts = ["part.toml"]')
    monkeypatch.setattr(manifest, "VARIANTS", tmp_path)
    found = manifest.read(write('[image]\ndescription = "d"\nkernel = "mine"\n'))
    assert found.kernel.sources == [tmp_path / "a.asm", tmp_path / "b.asm"]


def test_a_bad_variant_is_refused_with_its_own_file(write, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "VARIANTS", tmp_path)
    (tmp_path / "v.toml").write_text("sources = 5")
    with pytest.raises(ImageError, match=r"v\.toml: sources is an integer: give a list"):
        manifest.read(write(IMAGE + 'kernel = "v"'))


def test_a_manifest_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "m.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ImageError, match="not UTF-8 text"):
        manifest.read(tmp_path / "m.toml")


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A folder of images of our own: ping and pong; the current folder holds a file called local."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.asm").write_text("nop\n")
    for name in ("pong", "ping"):
        (folder / f"{name}.toml").write_text(SMALL.replace("one line", f"the {name}"))
    (tmp_path / "local").write_text("x")
    monkeypatch.setattr(manifest, "IMAGES", folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_images_are_listed_by_name_with_their_descriptions(images):
    assert manifest.images() == [("ping", "the ping"), ("pong", "the pong")]


def test_a_bare_name_finds_an_image_or_a_file(images):
    assert manifest.find("ping") == images / "ping.toml"
    assert manifest.find("local") is None


def test_a_path_is_a_manifest_if_it_ends_in_toml_and_else_a_file(images):
    assert manifest.find("some/where.toml").name == "where.toml"
    assert manifest.find(images / "ping") is None
    assert manifest.find("./ping") is None
    assert manifest.find("images/ping") is None


def test_an_unknown_name_is_answered_with_the_nearest_or_the_way_to_all(images):
    with pytest.raises(ImageError, match=r"^pimg: neither an image nor a file here; did you mean ping\?$"):
        manifest.find("pimg")
    with pytest.raises(ImageError, match=r"^other: neither an image nor a file here; 'trapline images' lists "):
        manifest.find("other")
