; Segments: the flat four, and the task-state segment.
;
; Owns the GDT and the TSS. start calls gdt_init once; switch_to writes tss + TSS_ESP0 on every thread switch. Nothing
; here protects anything: programs are kept apart by pages, segments only carry the ring.

.include "kernel.inc"

.macro FLAT access              ; a descriptor with base 0 and limit FFFFFFFFh
    .word 0xFFFF, 0
    .byte 0, \access, ACCESS_FLAT, 0
.endm

.text

; gdt_init: loads the segment registers from our GDT, and the task register.
.global gdt_init
gdt_init:
    lgdt [gdt_register]
    jmp SEL_KCODE:.Lcode        ; the only way to load CS
.Lcode:
    mov eax, SEL_KDATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax                ; the kernel uses no others; threads start with null in them
    mov fs, eax
    mov gs, eax
    lldt ax                     ; no local descriptors
    mov eax, SEL_TSS
    ltr ax
    ret

.data

.align 8
gdt:                            ; in the order of the Selector numbers
    .quad 0                     ; null
    FLAT ACCESS_KCODE           ; SEL_KCODE
    FLAT ACCESS_KDATA           ; SEL_KDATA
    FLAT ACCESS_UCODE           ; SEL_UCODE
    FLAT ACCESS_UDATA           ; SEL_UDATA
    .word TSS_SIZE - 1          ; SEL_TSS: limit,
    .word tss & 0xFFFF          ;   base, bits 0-15,
    .byte tss >> 16 & 0xFF      ;   base, bits 16-23,
    .byte ACCESS_TSS, 0         ;   type, granularity of bytes,
    .byte tss >> 24             ;   base, bits 24-31
gdt_end:

gdt_register:                   ; limit and base, as LGDT reads them
    .word gdt_end - gdt - 1
    .long gdt

.global tss

; SYSENTER comes in with ESP = tss + TSS_ESP0 (sysenter.asm). A single-step trap on its first instruction pushes its
; frame there: over TSS_LINK, which nobody uses, and down into this stack.
.align 16
    .space 256
tss:
    .long 0                         ; TSS_LINK
    .long boot_stack_top            ; TSS_ESP0: the running thread's
    .long SEL_KDATA                 ; TSS_SS0
    .space TSS_IOMAP - TSS_UNUSED
    .word TSS_SIZE                  ; TSS_IOMAP: beyond the end, so ring 3 may touch no port
tss_end:

.assert tss_end - tss == TSS_SIZE, "the TSS is as long as the ABI says"
