"""An engine that keeps its state elsewhere is refused, with one line that names what was not found."""

from __future__ import annotations

import pytest
from unicorn import UC_ARCH_X86, UC_MODE_32, Uc
from unicorn import x86_const as uc_x86

from emu.cpu import layout
from emu.machine import Machine


def test_the_engine_that_is_installed_is_known() -> None:
    where = layout.locate(Uc(UC_ARCH_X86, UC_MODE_32))
    assert where.env > where.cpu > 0


def test_looking_leaves_no_trace_in_the_engine() -> None:
    uc = Uc(UC_ARCH_X86, UC_MODE_32)
    names = [name for name in dir(uc_x86) if name in (
        "UC_X86_REG_EAX", "UC_X86_REG_EBX", "UC_X86_REG_EIP", "UC_X86_REG_CR2", "UC_X86_REG_CR3", "UC_X86_REG_GDTR")]
    before = [uc.reg_read(getattr(uc_x86, name)) for name in names]
    layout.locate(uc)
    assert [uc.reg_read(getattr(uc_x86, name)) for name in names] == before
    assert list(uc.mem_regions()) == []


@pytest.mark.parametrize("name", ["EIP", "CR0", "CR2", "CR3", "CR4", "DR6", "SYSENTER_CS", "SYSENTER_ESP",
                                  "SYSENTER_EIP", "GDT", "IDT", "HFLAGS", "OLD_EXCEPTION", "CFLAGS_NEXT_TB"])
def test_an_offset_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(layout, name, getattr(layout, name) + 4)
    with pytest.raises(layout.UnicornLayoutError) as caught:
        layout.locate(Uc(UC_ARCH_X86, UC_MODE_32))
    assert "install unicorn==2.1.4" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_registers_that_are_not_found_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "PROBE_SIZE", 0x100)
    with pytest.raises(layout.UnicornLayoutError, match="the general registers were not found"):
        Machine()
