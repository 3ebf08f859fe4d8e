; The system calls of the kernel `activations`, as routines; those of every kernel are in syscall.asm.
;
; An error is a number so near to 0 that it is neither an address nor a count.

.include "lib/threads/threads.inc"

ERROR_MAX = 4096                ; as a positive number, no error is greater

; CALL number: a system call whose registers are set, and CF set if it fails.
.macro CALL number
    mov eax, \number
    call dword ptr [syscall]
    cmp eax, -ERROR_MAX
    cmc
.endm

.text

; sys_memory: memory of zeros.
;   in    EAX = pages
;   out   EAX = address; CF set: EAX = error
.global sys_memory
sys_memory:
    push ebx
    mov ebx, eax
    CALL SYS_MEMORY
    pop ebx
    ret

; sys_pipe: a new pipe.
;   out   EAX = its number; CF set: EAX = error
.global sys_pipe
sys_pipe:
    CALL SYS_PIPE
    ret

; sys_read: reads, and waits until there is something.
;   in    EAX = pipe or CONSOLE_INPUT, EDX = buffer, ECX = its length
;   out   EAX = bytes; CF set: EAX = error
.global sys_read
sys_read:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, ecx
    CALL SYS_READ
    pop edi
    pop esi
    pop ebx
    ret

; sys_write_pipe: writes, and waits while there is no room at all.
;   in    EAX = pipe, EDX = buffer, ECX = length
;   out   EAX = bytes; CF set: EAX = error
.global sys_write_pipe
sys_write_pipe:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, ecx
    CALL SYS_WRITE_PIPE
    pop edi
    pop esi
    pop ebx
    ret
