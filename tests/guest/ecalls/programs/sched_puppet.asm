; A program without a will of its own: it runs in one place until the host moves it on. See stage.py.

.text

; _start: the program.
.global _start
_start:
stands:
    jmp stands

; call_int: a system call; registers are the host's.
call_int:
    int VECTOR_SYSCALL
returned:
    jmp returned

.bss

.align 4096
area:                           ; whatever the host likes to have in memory
    .space 4096
