; A kernel that has memory and address spaces and nothing else: the tests call its routines from outside.
;
; It starts as the microkernel does and comes to rest at harness_rest, where every routine that a test has called
; returns to. Threads are control blocks with a space and a UTCB, filled in by the test.

.include "kernel/micro/micro.inc"
.include "kernel/gates.inc"

THREADS = 4

.text

; start: boot.asm comes here.
.global start
start:
    call console_init
    call gdt_init
    call idt_init
    call frames_init
    call memory_init
    jmp harness_rest

; resume: where system calls end.
.global resume
resume:

; harness_rest: where everything ends.
.global harness_rest
harness_rest:
    hlt
    jmp harness_rest

; trap_entry: no exception comes this far, for tests stop in front of it.
.global trap_entry
trap_entry:
    hlt
    jmp trap_entry

; harness_load: goes to another space.
;   in    EAX = page directory, physical address
.global harness_load
harness_load:
    mov cr3, eax
    ret

; harness_read: reads a word of the current space.
;   in    EAX = address
;   out   EAX = the word
.global harness_read
harness_read:
    mov eax, [eax]
    ret

; harness_write: writes a word of the current space.
;   in    EAX = address, EDX = word
.global harness_write
harness_write:
    mov [eax], edx
    ret

.rodata

IDT trap_entry

.bss

.global boot_stack_top, harness_threads, harness_item, kip

.align PAGE_SIZE
kip:                            ; stands for the kernel interface page
    .space PAGE_SIZE
    .space PAGE_SIZE
boot_stack_top:
harness_threads:                ; control blocks
    .space THREADS * KTCB_SIZE
harness_item:                   ; a map item
    .space 8
