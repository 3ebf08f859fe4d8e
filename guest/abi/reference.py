"""The reference page of the ABI, rendered from its definitions."""

from __future__ import annotations

from guest.abi import LAYOUTS, WORDS
from guest.abi.cpu import FRAME
from guest.abi.kernel import Syscall
from guest.abi.layout import Layout
from guest.abi.memory import PICTURE
from guest.abi.words import Word

INTRODUCTION = """\
# The guest ABI

Rendered from `guest/abi` by `python -m guest.abi > docs/guest-abi.md`; do not edit. Names are the assembler's
constants, available in every source file without an include. What follows in prose is what a program can rely on.

## A program

A program is an ELF32 executable for the 386 that the boot loader passes as a Multiboot module; the module's string is
`name arguments`. It runs in ring 3 in an address space of its own and starts at its entry point with

| register | holds |
|---|---|
| EAX | `FEATURE_` bits: what the kernel offers |
| EBX | address of the module's string, ended by a zero byte; characters beyond 255 are cut off |
| ESP | top of the stack, just below that string, on a 4-byte boundary; nothing is pushed |
| DS, ES, SS | `SEL_UDATA`; CS is `SEL_UCODE`; FS and GS are null |
| EFLAGS | `FLAGS_USER` |
| all others | zero |

A page that holds bytes of a writable segment is writable, every other one is read-only; there is no heap. Floating
point, MMX and SSE are off (`#NM` or `#UD`): the kernel keeps no such registers for a thread. No port may be used, and
interrupts cannot be disabled (`#GP`). RDTSC and CPUID may be used.

A fault ends the program with a line on the console, `name: page fault (#PF), error code 0x6, address 0x0, at main+0x5`,
and exit code `EXIT_FAULT` + vector; the others go on. A program that ends itself with an exit code other than 0 leaves
the line `name: exit code 3`. When the last program has ended, the machine ends with the exit code of the *first* one in
the image, as with an init process: what a later program does to itself is on the console.

## A system call

Either way the number is in EAX, arguments in EBX, ESI and EDI. The result is in EAX; ECX, EDX and the flags are
destroyed, all other registers are kept except where a call says that it returns something in EBX. Errors are negative.

| way in | where | before | returns |
|---|---|---|---|
| `int VECTOR_SYSCALL` | every processor | | behind the instruction |
| `sysenter` | if `FEATURE_SYSENTER` was set at the start | ECX = stack, EDX = return address | at EDX, ESP = ECX |

SYSENTER brings DF, TF, NT and AC back cleared: a program cannot single-step through it. Interrupts are off in the
kernel except while the console is waited for.

## An example

A program that needs no library, `mine.asm`:

```asm
.text

; _start: the kernel starts the program here.
.global _start
_start:
    mov eax, SYS_WRITE
    mov ebx, text
    mov esi, text_end - text
    int VECTOR_SYSCALL
    mov eax, SYS_EXIT
    mov ebx, 0                  ; exit code
    int VECTOR_SYSCALL

.rodata

text:
    .ascii "hello from mine\\n"
text_end:
```

and an image with it, `mine.toml`, which `trapline boot mine.toml` boots:

```toml
[image]
description = "my first program"
kernel = "basic"

[[program]]
name = "mine"
sources = ["mine.asm"]
```

`guest/lib` has an entry that calls `main`, the system calls as routines, and line-wise printing: `guest/user/count.asm`
shows them in use.
"""


def reference() -> str:
    """The page as Markdown."""
    parts = [INTRODUCTION, "## Address space\n", "```", PICTURE + "```", "", "## Numbers"]
    parts += [_words(words) for words in WORDS]
    parts += ["## Structures", "Offsets are in bytes; everything is little endian.", ""]
    parts += [_layout(layout) for layout in LAYOUTS]
    return "\n".join(parts).rstrip("\n") + "\n"


def _words(words: type[Word]) -> str:
    rows = "\n".join(f"| `{word.name}` | {_number(word)} | {word.phrase} |" for word in words)
    return f"\n### {words.__doc__}\n\n| name | value | meaning |\n|---|---|---|\n{rows}\n"


def _number(word: Word) -> str:
    return str(int(word)) if -10 < word < 10 or isinstance(word, Syscall) else f"{int(word):#x}"


def _layout(layout: Layout) -> str:
    rows = []
    for field in layout.fields:
        if field.width:
            name = f"{layout.prefix}_{field.name.upper()}"
            rows.append(f"| `{name}` | {layout.offsets[field.name]} | {field.width} | {field.phrase} |")
        else:
            rows.append(f"| | | | *{field.phrase}* |")
    table = "\n".join(rows)
    note = "The last two are there only if the trap came from ring 3.\n\n" if layout is FRAME else ""
    return (f"### {layout.title}\n\n{note}| name | offset | width | holds |\n|---|---|---|---|\n{table}\n"
            f"| `{layout.prefix}_SIZE` | | | {layout.size} bytes |\n")
