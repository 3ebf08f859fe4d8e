"""The cache of linked files: what it gives back, what makes an entry useless, and that no damage is an error."""

import hashlib
import os
import time

import pytest

from loader import cache


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("TRAPLINE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def source(tmp_path):
    """A source file that was last changed long ago."""
    folder = tmp_path / "sources"
    folder.mkdir()
    path = folder / "a.asm"
    path.write_text("nop")
    os.utime(path, (1, 1))
    return path


def keep(source, data=b"linked"):
    """Keep `data`, made from `source`, under the key "key"."""
    cache.put("key", data, [source], cache.now())


def test_what_was_kept_is_given_back(place, source):
    keep(source)
    assert cache.get("key") == b"linked"


def test_binary_data_is_given_back_as_it_was(place, source):
    data = bytes(range(256)) * 3 + b"\n\n"
    keep(source, data)
    assert cache.get("key") == data


def test_nothing_is_given_for_another_key(place, source):
    keep(source)
    assert cache.get("other") is None


def test_a_changed_input_makes_an_entry_useless(place, source):
    keep(source)
    source.write_text("hlt")
    assert cache.get("key") is None


def test_a_touched_input_does_not(place, source):
    keep(source)
    source.touch()
    assert cache.get("key") == b"linked"


def test_a_missing_input_makes_an_entry_useless(place, source):
    keep(source)
    source.unlink()
    assert cache.get("key") is None


def test_a_new_file_beside_an_input_makes_an_entry_useless(place, source):
    keep(source)
    (source.parent / "b.inc").touch()
    assert cache.get("key") is None


def test_nothing_is_kept_if_an_input_changed_during_the_build(place, source):
    started = cache.now()
    time.sleep(0.001)
    source.write_text("hlt")
    cache.put("key", b"linked", [source], started)
    assert cache.get("key") is None


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: data + b"x",
                                    lambda data: b"\xff" + data[1:], lambda data: data.replace(b"linked", b"LINKED")])
def test_a_damaged_entry_is_ignored_and_can_be_made_anew(place, source, damage):
    keep(source)
    (place / "key").write_bytes(damage((place / "key").read_bytes()))
    assert cache.get("key") is None
    keep(source)
    assert cache.get("key") == b"linked"


@pytest.mark.parametrize("content", [b"[]\nx", b"5\nx", b"null\nx", b'{"a": 1, "b": []}\nx', b"x"])
def test_an_entry_of_another_shape_with_a_right_checksum_is_ignored(place, content):
    place.mkdir(parents=True)
    (place / "key").write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    assert cache.get("key") is None


def test_a_place_that_cannot_be_made_is_no_error(tmp_path, source, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRAPLINE_CACHE_DIR", str(tmp_path / "file"))
    keep(source)
    assert cache.get("key") is None


def test_a_folder_in_place_of_an_entry_is_no_error(place, source):
    (place / "key").mkdir(parents=True)
    keep(source)
    assert cache.get("key") is None
    assert [entry.name for entry in place.iterdir()] == ["key"]


def test_the_oldest_entries_go(place, source, monkeypatch):
    monkeypatch.setattr(cache, "KEPT", 2)
    for number in range(4):
        cache.put(str(number), b"linked", [source], cache.now())
        os.utime(place / str(number), (number, number))
    assert sorted(entry.name for entry in place.iterdir()) == ["2", "3"]


def test_an_entry_that_is_used_stays(place, source, monkeypatch):
    monkeypatch.setattr(cache, "KEPT", 2)
    for number in range(2):
        cache.put(str(number), b"linked", [source], cache.now())
        os.utime(place / str(number), (number, number))
    cache.get("0")
    cache.put("2", b"linked", [source], cache.now())
    assert sorted(entry.name for entry in place.iterdir()) == ["0", "2"]


def test_the_place_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("TRAPLINE_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.directory() == tmp_path / "trapline" / "images"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.directory() == tmp_path / ".cache" / "trapline" / "images"


def test_a_key_tells_its_parts_apart():
    keys = {cache.make_key(*parts) for parts in [("a", "b"), ("ab",), (["a", "b"],), ("a", {"b": 1}), ("a", {"b": 2})]}
    assert len(keys) == 5


def test_a_changed_loader_changes_every_key(monkeypatch):
    before = cache.make_key("a")
    monkeypatch.setattr(cache, "_loader", lambda: "another")
    assert cache.make_key("a") != before
