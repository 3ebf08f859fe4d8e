"""Machine code of the host from text: what is encoded is what was written, or it is an error."""

from __future__ import annotations

import pytest

from emu.cpu import host_code
from emu.cpu.host_code import EncodingError, assemble


@pytest.mark.parametrize(("text", "code"), [
    ("xor eax, eax; ret", "31c0c3"),
    ("and rdx, -16", "4883e2f0"),
    ("add eax, -4", "83c0fc"),
    ("add eax, -12", "83c0f4"),
    ("mov eax, -4096", "b800f0ffff"),
    ("add rcx, -4096", "4881c100f0ffff"),
    ("mov rcx, 139637976727552", "48b900000000007f0000"),
    ("lea eax, [rax + rcx * 1 + -4]", "8d4408fc"),
    ("mov eax, [r8 + 0]", "418b00"),
    ("mov qword ptr [rdx + 100], -1", "48c74264ffffffff"),
    ("test byte ptr [rdx + rcx], 2\nret", "f6040a02c3"),
    ("again: jmp again", "ebfe"),
    ("cmp rdx, rcx; je out; nop\nout: ret", "4839ca740190c3"),
    ("", ""),
])
def test_text_becomes_code(text: str, code: str) -> None:
    assert assemble(text) == bytes.fromhex(code)


class Wrong:
    """An encoder that always gives the same."""

    def __init__(self, code: str) -> None:
        self.code = bytes.fromhex(code)

    def asm(self, text: str) -> tuple[list[int], int]:
        return list(self.code), 1


@pytest.mark.parametrize(("text", "code", "message"), [
    ("mov eax, ecx", "89c1", "'mov eax, ecx' reads as 'mov ecx, eax'"),
    ("mov eax, 10", "b810000000", "'mov eax, 10' reads as 'mov eax, 0x10'"),
    ("mov qword ptr [rax], 1", "c70001000000", "reads as 'mov dword ptr .rax., 1'"),
    ("add eax, [rbx - 4]", "034304", "reads as"),
    ("here: jmp here", "eb00", "reads as 'jmp 2'"),
    ("nop; ret", "90", "2 instructions became 1"),
    ("ret", "c30f", "1 instructions became 1"),
    ("ret", "", "1 instructions became 0"),
])
def test_a_wrong_encoding_is_an_error(text: str, code: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = host_code._tools()[1]
    monkeypatch.setattr(host_code, "_tools", lambda: (Wrong(code), reader))
    with pytest.raises(EncodingError, match=message):
        assemble(text)
