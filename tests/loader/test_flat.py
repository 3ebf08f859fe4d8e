"""Flat files, and what `load` makes of the names, paths and options that people give it."""

import os
from pathlib import Path

import pytest

from loader.boot import boot, load, recognise
from loader.image import ImageError, Module

CODE = bytes.fromhex("f4ebfd")               # hlt; jmp to it
MEBIBYTE = 1 << 20


@pytest.fixture
def file(tmp_path):
    """A flat file."""
    path = tmp_path / "flat.bin"
    path.write_bytes(CODE)
    return path


def complaint(*arguments, **options):
    """The one line that `load` refuses with."""
    with pytest.raises(ImageError) as caught:
        load(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_flat_file_goes_to_its_address_and_starts_there(file):
    state = boot(load(file, address=0x7C00), 16 * MEBIBYTE)
    assert (state.entry, state.writes, state.registers) == (0x7C00, [(0x7C00, CODE)], {"eax": 0, "ebx": 0})


def test_an_image_is_called_as_its_file(file):
    assert load(file, address=0).name == "flat.bin"


def test_a_flat_file_without_an_address_is_refused(file):
    assert complaint(file) == (f"{file}: neither ELF nor Multiboot; if it is a flat file, say where it goes "
                               "(--address)")


@pytest.mark.parametrize("address", [-1, 0xFFFFFFFE, 1 << 32])
def test_an_address_that_leaves_no_room_below_4_gib_is_refused(file, address):
    assert "do not fit below 4 GiB" in complaint(file, address=address)


def test_a_flat_file_just_below_4_gib_is_refused_by_a_machine_without_ram_there(file):
    with pytest.raises(ImageError, match="where no machine has RAM"):
        boot(load(file, address=0xFFFFFFFD), 16 * MEBIBYTE)


@pytest.mark.parametrize(("address", "fits"), [(0x9FFFD, True), (0x9FFFE, False), (0xA0000, False), (0xFFFFF, False),
                                               (0x100000, True), (16 * MEBIBYTE - 3, True), (16 * MEBIBYTE - 2, False)])
def test_a_flat_file_has_to_lie_in_ram(file, address, fits):
    image = load(file, address=address)
    if fits:
        assert boot(image, 16 * MEBIBYTE).writes == [(address, CODE)]
    else:
        with pytest.raises(ImageError, match=r"^flat\.bin: segment "):
            boot(image, 16 * MEBIBYTE)


def test_a_flat_file_takes_no_command_line_and_no_modules(file):
    assert "only a Multiboot kernel takes a command line and modules" in complaint(file, address=0, command_line="")
    assert "only a Multiboot kernel" in complaint(file, address=0, modules=[Module("m", b"")])


def test_a_missing_file_is_named(tmp_path):
    assert complaint(tmp_path / "none") == f"{tmp_path / 'none'}: no such file or directory"


def test_a_bare_name_that_is_nothing_is_refused_with_the_images_there_are():
    assert complaint("no-such-image").startswith("no-such-image: neither an image nor a file here; ")


def test_a_directory_is_refused(tmp_path):
    assert complaint(tmp_path) == f"{tmp_path}: is a directory: name a file"


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty").touch()
    assert complaint(tmp_path / "empty") == f"{tmp_path / 'empty'}: is empty"


def test_a_device_is_refused():
    assert complaint(Path(os.devnull)) == f"{os.devnull}: is no regular file: name a file"


def test_a_name_with_a_zero_byte_is_refused():
    assert "not a file name" in complaint("a/\0")


def test_a_file_without_permission_is_refused(file, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(Path, "read_bytes", refuse)          # chmod does not stop root
    assert complaint(file) == f"{file}: permission denied"


def test_an_enormous_file_is_refused_without_reading_it(tmp_path):
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)                               # sparse
    assert "more than any machine's RAM" in complaint(tmp_path / "huge", address=0)


def test_the_digest_follows_what_is_loaded_and_nothing_else():
    image = recognise(CODE, "one name", 0x1000)
    assert image.digest == recognise(CODE, "another", 0x1000).digest
    assert len({image.digest, recognise(CODE, "k", 0x2000).digest, recognise(CODE + b"\0", "k", 0x1000).digest}) == 3
