; The end of the machine, good or bad.
;
; Owns the debug exit port. program.asm ends the machine with an exit code; whoever finds that the kernel cannot go on
; panics.

.include "kernel.inc"

.text

; panic: one line, then the end with EXIT_PANIC.
;   in    EAX = text
;   out   does not return
.global panic
panic:
    mov ebx, eax
    call panic_begin
    mov eax, ebx
    call console_string

; panic_end: ends the line of a panic, and the machine.
;   out   does not return
.global panic_end
panic_end:
    mov al, '\n'
    call console_char
    mov eax, EXIT_PANIC

; machine_end: waits until the console has sent everything, then ends the machine.
;   in    EAX = exit code
;   out   does not return
.global machine_end
machine_end:
    mov ebx, eax
    call console_drain
    mov eax, ebx
    out DEBUG_EXIT, eax
.Lstop:                         ; on a machine without that port
    cli
    hlt
    jmp .Lstop

; panic_begin: begins the line of a panic. A panic within a panic ends the machine at once.
.global panic_begin
panic_begin:
    cli
    cmp dword ptr [panicking], 0
    jne .Lagain
    inc dword ptr [panicking]
    mov eax, text_panic
    jmp console_string
.Lagain:
    mov eax, EXIT_PANIC
    out DEBUG_EXIT, eax
    jmp .Lagain

.rodata

text_panic:
    .asciz "kernel panic: "

.bss

.align 4
panicking:                      ; not 0: a panic line has begun
    .space 4
