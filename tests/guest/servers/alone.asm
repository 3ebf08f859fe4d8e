; A program without a kernel: its system calls come by trap, where Python answers them.

.text

; alone: runs main.
.global alone
alone:
    mov esp, stack_top
    mov eax, words
    call main

; ended: the program has.
;   in    EAX = exit code
.global ended
ended:
    jmp ended

; trap: a system call.
;   in    EAX = number, EBX, ESI, EDI = arguments
;   out   EAX = result; ECX, EDX destroyed
.global trap
trap:
    mov ecx, 0xdead0001
    mov edx, 0xdead0002
    ret

; sys_write: to the console.
;   in    EAX = first byte, EDX = how many
.global sys_write
sys_write:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    mov eax, SYS_WRITE
    call dword ptr [syscall]
    pop esi
    pop ebx
    ret

.data

.global syscall
.align 4
syscall:
    .long trap

.bss

.global words

.align 16
    .space 4096
stack_top:
words:                          ; the argument string
    .space 256
