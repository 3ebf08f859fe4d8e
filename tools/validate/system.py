"""A small system with a ring 3, in which the composite anchors run: what a kernel's entry and exit are made of.

Flat segments; pages of 4 KiB at their own addresses, all of which ring 3 may use, in two address spaces; a TSS,
SYSENTER where the processor has it, and an IDT with the gates that the anchors need. The system call does what Linux's
did when the anchors were measured: it saves every register, reloads DS and ES, looks at the state of the thread on the
way in and out, and calls a function through a table.
"""

from __future__ import annotations

CALL, PLAIN, SKIPPING, FUNCTION = 0x80, 0x81, 0x82, 0x83        # vectors for INT
INVALID_OPCODE = 6
TABLES = 4                                                      # page tables: 16 MiB

_SYSENTER = """
    xor edx, edx
    mov ecx, 0x174              ; SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP
    mov eax, KCODE
    wrmsr
    inc ecx
    mov eax, KSTACK
    wrmsr
    inc ecx
    mov eax, {handler}
    wrmsr
"""
_TO_RING3 = """
    push UDATA
    push USTACK
    push 0x202                  ; EFLAGS: IF
    push UCODE
    push again
    iretd
"""
_SYSTEM = """
KCODE = 0x08                    ; selectors, in the order that SYSENTER wants
KDATA = 0x10
UCODE = 0x1B
UDATA = 0x23
TSS   = 0x28
SPACE_A = 0x200000              ; page directories of the two address spaces
SPACE_B = 0x201000
TABLES  = 0x210000
KSTACK  = 0x184000              ; tops of the two stacks; a thread's state lies below the kernel's, 8 KiB from its top
USTACK  = 0x18C000
ANY_WORD = 0x190000              ; a word of user memory
PRESENT_WRITABLE_USER = 7
TRACED = 4                      ; offsets into a thread's state
NUMBER = 8
MUST_YIELD = 12
SIGNALLED = 16
CALLS = 64                      ; entries of the table
NUMBER_CALL = 20                ; the one that is made
SAVED_EAX = 24                  ; offset from the stack pointer, when all registers are saved

.macro GATE handler, access
    .word \\handler & 0xFFFF, KCODE, \\access, \\handler >> 16
.endm

.macro SAVE_ALL
    push es
    push ds
    push eax
    push ebp
    push edi
    push esi
    push edx
    push ecx
    push ebx
    mov edx, UDATA
    mov ds, dx
    mov es, dx
.endm

.macro CALL_FUNCTION            ; number in EAX, thread in EBX; leaves by .Lslow, which never happens
    mov ebx, esp
    and ebx, -0x2000
    test byte ptr [ebx + TRACED], 2
    jnz .Lslow
    cmp eax, CALLS
    jae .Lslow
    call [call_table + eax*4]
    mov [esp + SAVED_EAX], eax
    cli
    cmp dword ptr [ebx + MUST_YIELD], 0
    jne .Lslow
    cmp dword ptr [ebx + SIGNALLED], 0
    jne .Lslow
.endm

.text
; _start: from flat ring 0 to the loop at `again`.
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
    mov edi, TABLES             ; every page at its own address
    mov eax, PRESENT_WRITABLE_USER
    mov ecx, 1024 * {tables}
.Lpages:
    stosd
    add eax, 0x1000
    dec ecx
    jnz .Lpages
    mov ecx, {tables}
    xor edi, edi
    mov eax, TABLES + PRESENT_WRITABLE_USER
.Ltables:
    mov [SPACE_A + edi], eax
    mov [SPACE_B + edi], eax
    add edi, 4
    add eax, 0x1000
    dec ecx
    jnz .Ltables
    mov ebx, SPACE_A
    mov cr3, ebx
    mov eax, 0x80010011         ; CR0: PG, WP, ET, PE
    mov cr0, eax
{setup}

.align 32
again:
{body}
    dec edi                     ; something to do between two anchors
    jnz again
    jmp again

.align 32
user_call:
    mov eax, NUMBER_CALL
    int {call}
    cmp eax, -4095
    jae .Lerror
    ret
.Lerror:
    ud2

.align 32
user_fast_call:
    mov eax, NUMBER_CALL
    call fast_entry
    cmp eax, -4095
    jae .Lerror
    ret
.Lerror:
    ud2

.align 32
fast_entry:
    push ecx
    push edx
    push ebp
    mov ebp, esp
    sysenter
fast_return:
    pop ebp
    pop edx
    pop ecx
    ret

.align 32
plain_return:
    iretd

.align 32
skipping_return:
    add dword ptr [esp], 0
    iretd

.align 32
invalid_opcode:
    add dword ptr [esp], 2      ; the size of UD2
    iretd

.align 32
function_call:
    push eax                    ; what a C function may change
    push ecx
    push edx
    call empty_function
    pop edx
    pop ecx
    pop eax
    iretd

.align 32
fast_plain_return:
    sysexit

.align 32
fast_function_call:
    push ecx
    push edx
    call empty_function
    pop edx
    pop ecx
    sysexit

.align 32
empty_function:
    push ebp
    mov ebp, esp
    pop ebp
    ret

.align 32
system_call:
    push eax
    cld
    SAVE_ALL
    CALL_FUNCTION
    pop ebx
    pop ecx
    pop edx
    pop esi
    pop edi
    pop ebp
    pop eax
    pop ds
    pop es
    add esp, 4
    iretd
.Lslow:
    ud2

.align 32
fast_system_call:
    sti
    push UDATA
    push ebp
    pushfd
    push UCODE
    push fast_return
    mov ebp, [ebp]              ; what the caller pushed last
    push eax
    cld
    SAVE_ALL
    CALL_FUNCTION
    mov edx, [esp + 40]         ; EIP, ESP of the frame
    mov ecx, [esp + 52]
    xor ebp, ebp
    sti
    sysexit
.Lslow:
    ud2

.align 32
get_number:
    mov eax, [ebx + NUMBER]
    ret

.data
.align 8
gdt:
    .quad 0
    .quad 0x00CF9B000000FFFF    ; ring 0: code, data
    .quad 0x00CF93000000FFFF
    .quad 0x00CFFB000000FFFF    ; ring 3: code, data
    .quad 0x00CFF3000000FFFF
    .word 0x67, tss & 0xFFFF    ; TSS
    .byte tss >> 16 & 0xFF, 0x89, 0, tss >> 24
gdt_register:
    .word gdt_register - gdt - 1
    .long gdt
.align 8
idt:
    .space 8 * {invalid_opcode}
    GATE invalid_opcode, 0x8E00
    .space 8 * ({call} - {invalid_opcode} - 1)
    GATE system_call, 0xEF00            ; trap gate, DPL 3
    GATE plain_return, 0xEE00           ; interrupt gates, DPL 3
    GATE skipping_return, 0xEE00
    GATE function_call, 0xEE00
idt_register:
    .word idt_register - idt - 1
    .long idt
.align 8
tss:
    .long 0, KSTACK, KDATA
    .space 0x66 - 12
    .word 0x68                          ; no I/O bitmap
.align 4
call_table:
.rept CALLS
    .long get_number
.endr
"""


def source(body: str, ring: int, sysenter: str = "") -> str:
    """The system that runs `body` over and over, from `again` to `again`, in `ring`.

    EDI and ESP are the loop's. In ring 0 EBX begins as SPACE_A. `sysenter`: the routine that SYSENTER leads to, "" for
    a processor without it.
    """
    setup = (_SYSENTER.format(handler=sysenter) if sysenter else "") + (_TO_RING3 if ring == 3 else "")
    return _SYSTEM.format(setup=setup, body=body, tables=TABLES, call=CALL, invalid_opcode=INVALID_OPCODE)
