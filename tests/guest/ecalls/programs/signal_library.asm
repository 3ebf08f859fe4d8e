; Do the library's routines for signals do what they say?

.macro SAYS text                ; prints a line
    .rodata
text_\@:
    .asciz \text
    .text
    mov eax, text_\@
    call print_string
.endm

.macro GIVES register, value    ; ends the program if that is not so
    cmp \register, \value
    jne wrong
.endm

.text

; main: the program.
.global main
main:
    mov eax, SIGRTMIN
    mov edx, handler
    call signal_handle
    GIVES eax, 0
    xor eax, eax
    mov edx, SIGRTMIN
    mov ecx, 5
    call sigqueue
    GIVES eax, 0
    GIVES dword ptr [values], 5
    SAYS "handled\n"
    mov eax, SIGUSR1
    mov edx, action
    call sigaction
    GIVES eax, 0
    mov eax, 1 << SIGUSR1
    mov edx, 3
    call sigprocmask
    GIVES eax, 0
    GIVES edx, 0
    xor eax, eax
    mov edx, SIGRTMIN + 1
    mov ecx, 6
    call sigqueue
    xor eax, eax
    mov edx, SIGUSR1
    call sigqueue
    xor eax, eax
    mov edx, 3
    call sigwaitinfo
    GIVES eax, SIGRTMIN + 1
    GIVES edx, 6
    SAYS "waited for\n"
    xor eax, eax
    xor edx, edx
    call sigsuspend
    GIVES eax, ERR_INTERRUPTED
    SAYS "suspended\n"
    xor eax, eax
    xor edx, edx
    call sigprocmask
    GIVES eax, 1 << SIGUSR1
    GIVES edx, 3
    mov eax, SIGUSR1
    xor edx, edx
    call sigaction
    GIVES eax, 0
    xor eax, eax
    mov edx, SIGUSR1
    call sigqueue
wrong:
    mov eax, 1
    ret

handler:
    mov eax, [esp + SIGINFO_VALUE]
    mov [values], eax
    ret

.data
.align 4
action:                         ; a SIGACTION
    .long handler, sigreturn, 0, 0

.bss
.align 4
values:
    .space 4
