"""The smallest system that has a ring 3: what the benchmarks of crossings and interrupts run on.

Flat segments, one identity-mapped 4 MiB page that ring 3 may write, a TSS, an IDT with two gates, SYSENTER set up. A
benchmark may add code of ring 0 and what lies behind the TSS in the GDT.
"""

from __future__ import annotations

IRQ0 = 0x20                 # vector of the timer interrupt
CALL = 0x80                 # vector of a call by INT

_SYSTEM = """
KCODE = 0x08                    ; selectors, in the order that SYSENTER wants
KDATA = 0x10
UCODE = 0x1B
UDATA = 0x23
TSS   = 0x28
DIRECTORY = 0x80000             ; page directory
KSTACK = 0x90000                ; tops of the two stacks
USTACK = 0x98000

.macro GATE handler, access
    .word \\handler & 0xFFFF, KCODE, \\access, \\handler >> 16
.endm

.text
; _start: from flat ring 0 to `user` in ring 3.
.global _start
_start:
    mov esp, KSTACK
    lgdt [gdt_register]
    lidt [idt_register]
    mov eax, UDATA
    mov ds, ax
    mov es, ax
    mov eax, KDATA
    mov ss, ax
    jmp KCODE:.Lcode
.Lcode:
    mov eax, TSS
    ltr ax
    mov dword ptr [DIRECTORY], 0x87     ; present, writable, user, 4 MiB
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, 0x10                       ; CR4: PSE
    mov cr4, eax
    mov eax, 0x80010011                 ; CR0: PG, WP, ET, PE
    mov cr0, eax
    xor edx, edx
    mov ecx, 0x174                      ; SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP
    mov eax, KCODE
    wrmsr
    inc ecx
    mov eax, KSTACK
    wrmsr
    inc ecx
    mov eax, sysenter_return
    wrmsr
{setup}
    push UDATA
    push USTACK
    push 0x202                          ; EFLAGS: IF
    push UCODE
    push user
    iretd

call_return:
    iretd

sysenter_return:
    sysexit

irq_return:
    push eax
    mov al, 0x20                        ; OCW2: end of interrupt
    out 0x20, al
    pop eax
    iretd

{kernel}
user:
{user}

.data
gdt:
    .quad 0
    .quad 0x00CF9B000000FFFF            ; ring 0: code, data
    .quad 0x00CF93000000FFFF
    .quad 0x00CFFB000000FFFF            ; ring 3: code, data
    .quad 0x00CFF3000000FFFF
    .word 0x67, tss & 0xFFFF            ; TSS
    .byte tss >> 16 & 0xFF, 0x89, 0, tss >> 24
{descriptors}
gdt_register:
    .word gdt_register - gdt - 1
    .long gdt
.align 8
idt:
    .space 8 * {irq0}
    GATE irq_return, 0x8E00             ; interrupt gate, DPL 0
    .space 8 * ({call} - {irq0} - 1)
    GATE {handler}, 0xEE00              ; interrupt gate, DPL 3
idt_register:
    .word idt_register - idt - 1
    .long idt
.align 8
tss:
    .long 0, KSTACK, KDATA
    .space 0x66 - 12
    .word 0x68                          ; no I/O bitmap
"""


def source(user: str, setup: str = "", kernel: str = "", descriptors: str = "", handler: str = "call_return") -> str:
    """The system around `user`, what ring 3 runs, and `setup`, what ring 0 does last (free to use EAX, ECX, EDX).

    `kernel`: code and data of ring 0, among it perhaps `handler`, where INT 80h leads; `descriptors`: what follows in
    the GDT, from selector 30h.
    """
    return _SYSTEM.format(irq0=IRQ0, call=CALL, user=user, setup=setup, kernel=kernel, descriptors=descriptors,
                          handler=handler)
