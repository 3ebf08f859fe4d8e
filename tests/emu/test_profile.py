"""Processor profiles: those that come with the machine, and one line for each way to write a bad one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from emu.timing.profile import DIRECTORY, FEATURES, Profile, ProfileError, load_profile, profiles

GOOD = {
    "description": '"a test"',
    "clock": "100_000_000",
    "engine": '"pentium3"',
    "vendor": '"GenuineIntel"',
    "signature": "0x673",
    "features": '["FPU", "TSC"]',
}
EXPECTED = ["k7-550", "p2-450", "p3-500", "p4-1800", "p5-166", "pd-3000", "unit"]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Makes a profile file: the good one with some keys changed, None to leave a key out."""

    def make(**changes: str | None) -> Path:
        path = tmp_path / "mine.toml"
        values = GOOD | {key: value for key, value in changes.items()}
        path.write_text("\n".join(f"{key} = {value}" for key, value in values.items() if value is not None))
        return path

    return make


def leaf(profile: Profile, number: int) -> tuple[int, ...]:
    """EAX EBX ECX EDX of a basic CPUID leaf."""
    return profile.cpuid[number * 4:number * 4 + 4]


def text(words: tuple[int, ...]) -> str:
    return struct.pack(f"<{len(words)}I", *words).rstrip(b"\0").decode()


# Those that come with the machine

def test_the_profiles_are_those_of_the_processors_that_the_papers_name() -> None:
    assert profiles() == EXPECTED


@pytest.mark.parametrize("name", EXPECTED)
def test_every_profile_loads_and_names_itself(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description and "\n" not in profile.description
    assert len(profile.cpuid) % 4 == 0


@pytest.mark.parametrize("name", [name for name in EXPECTED if name[0] == "p" or name[0] == "k"])
def test_the_name_of_a_profile_ends_with_its_clock_in_mhz(name: str) -> None:
    assert load_profile(name).clock // 1_000_000 == int(name.split("-")[1])


@pytest.mark.parametrize("name", EXPECTED)
def test_every_number_of_a_profile_has_its_source_beside_it(name: str) -> None:
    for line in (DIRECTORY / f"{name}.toml").read_text().splitlines():
        key, _, rest = line.partition("=")
        if key.strip() in ("clock", "signature", "leaf2") and name != "unit":
            assert "#" in rest, line


@pytest.mark.parametrize("name", EXPECTED)
def test_leaf_0_holds_the_last_leaf_and_the_vendor(name: str) -> None:
    profile = load_profile(name)
    highest, ebx, ecx, edx = leaf(profile, 0)
    assert highest == profile.basic_leaves - 1
    assert text((ebx, edx, ecx)) == ("AuthenticAMD" if name.startswith("k") else "GenuineIntel")


@pytest.mark.parametrize("name", EXPECTED)
def test_leaf_1_claims_no_feature_that_the_machine_lacks(name: str) -> None:
    profile = load_profile(name)
    assert leaf(profile, 1)[3] & ~sum(1 << bit for bit in FEATURES.values()) == 0
    assert bool(leaf(profile, 1)[3] >> FEATURES["SEP"] & 1) == profile.has_sep


def test_the_pentium_has_no_sysenter_and_the_pentium_ii_has() -> None:
    assert not load_profile("p5-166").has_sep
    assert load_profile("p2-450").has_sep


def test_a_brand_fills_three_extended_leaves() -> None:
    profile = load_profile("p4-1800")
    extended = profile.cpuid[4 * profile.basic_leaves:]
    assert extended[0] == 0x80000004
    assert text(extended[8:20]) == "Intel(R) Pentium(R) 4 CPU 1.80GHz"


# Of one's own

def test_a_file_of_ones_own_is_loaded_by_its_path(write: Callable[..., Path]) -> None:
    profile = load_profile(write(clock="2_000_000"))
    assert (profile.name, profile.clock, profile.has_sep) == ("mine", 2_000_000, False)
    assert leaf(profile, 1) == (0x673, 0, 0, 1 << FEATURES["FPU"] | 1 << FEATURES["TSC"])


def test_a_path_may_be_a_string(write: Callable[..., Path]) -> None:
    assert load_profile(str(write())).name == "mine"


@pytest.mark.parametrize("clock", [1_000_000, 100_000_000_000])
def test_the_slowest_and_the_fastest_clock_are_allowed(write: Callable[..., Path], clock: int) -> None:
    assert load_profile(write(clock=str(clock))).clock == clock


def test_an_unknown_name_lists_the_names_there_are() -> None:
    with pytest.raises(ProfileError, match=r"^no processor is called '486'; there are k7-550, .*, unit$"):
        load_profile("486")


BAD = [
    ("clock", None, "clock is missing"),
    ("description", None, "description is missing"),
    ("features", None, "features is missing"),
    ("color", "1", "color: unknown key; allowed are description, clock, engine, vendor, signature, features, "),
    ("clock", '"fast"', "clock = 'fast': must be a whole number"),
    ("clock", "1.5", "clock = 1.5: must be a whole number"),
    ("clock", "true", "clock = True: must be a whole number"),
    ("clock", "999_999", "clock = 999999: must be 1 MHz to 100 GHz, in Hz"),
    ("clock", "100_000_000_001", "clock = 100000000001: must be 1 MHz to 100 GHz, in Hz"),
    ("clock", "-5", "clock = -5: must be 1 MHz to 100 GHz, in Hz"),
    ("engine", '"486"', "engine = '486': must be one of pentium, pentium2, pentium3, athlon, coreduo"),
    ("engine", "3", "engine = 3: must be a string"),
    ("vendor", '"Intel"', "vendor = 'Intel': must be 12 ASCII characters"),
    ("vendor", '"GenuineInté"', "vendor = 'GenuineInté': must be 12 ASCII characters"),
    ("signature", "-1", "signature = -1: must be a 32-bit number"),
    ("signature", "0x1_0000_0000", "signature = 4294967296: must be a 32-bit number"),
    ("features", '["PAE"]', "features: 'PAE' is not modelled; allowed are FPU, PSE, TSC, MSR, CX8, SEP, "),
    ("features", '["FPU", "FPU"]', "features: 'FPU' stands twice"),
    ("features", "[1]", "features: 1 is not modelled; allowed are FPU, "),
    ("features", "[[]]", "features: [] is not modelled; allowed are FPU, "),
    ("features", '"FPU"', "features = 'FPU': must be a list"),
    ("brand", '"' + "x" * 48 + '"', "brand = '" + "x" * 48 + "': must be at most 47 ASCII characters"),
    ("brand", "7", "brand = 7: must be a string"),
    ("leaf2", "[1, 2, 3]", "leaf2 = [1, 2, 3]: must be four 32-bit numbers, EAX EBX ECX EDX"),
    ("leaf2", "[1, 2, 3, -4]", "leaf2 = [1, 2, 3, -4]: must be four 32-bit numbers, EAX EBX ECX EDX"),
    ("leaf2", "[1, 2, 3, true]", "leaf2 = [1, 2, 3, True]: must be four 32-bit numbers, EAX EBX ECX EDX"),
]


@pytest.mark.parametrize(("key", "value", "message"), BAD, ids=[f"{key} = {value}"[:40] for key, value, _ in BAD])
def test_a_bad_key_gives_one_line_with_key_value_and_what_is_allowed(
        write: Callable[..., Path], key: str, value: str | None, message: str) -> None:
    path = write(**{key: value})
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"clock = ", b"\xff\xfe", b"clock = 1\nclock = 2\n", b"[", b"a = 1\n" * 2])
def test_a_file_that_is_not_toml_gives_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    assert str(caught.value).startswith(f"{path}: not TOML: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ProfileError, match=r"none\.toml: No such file or directory$"):
        load_profile(path)


def test_a_directory_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "folder.toml"
    path.mkdir()
    with pytest.raises(ProfileError, match=r"folder\.toml: Is a directory$"):
        load_profile(path)
