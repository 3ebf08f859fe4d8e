; What do calls say when there is no memory left, and does the program go on?

.include "test.inc"

.text

; _start: the program. The test leaves it FRAMES free frames at `begin`.
.global _start
_start:
    nop
begin:
    mov edi, FRAMES
    xor ebp, ebp                ; calls that said ERR_MEMORY
    CALL_KERNEL SYS_MEMORY, FRAMES + 1
    call count
    CALL_KERNEL SYS_MEMORY, FRAMES + 100
    call count
use:                            ; all of them, by threads and pipes
    CALL_KERNEL SYS_PIPE
    test eax, eax
    js threads
    THREAD sleeps, some_stack
    test eax, eax
    jns use
threads:
    THREAD sleeps, some_stack
    call count
    CALL_KERNEL SYS_PIPE
    call count
    CALL_KERNEL SYS_MEMORY, 1
    call count
    mov eax, ebp
    EXPECT 5, "out of memory, five times\n"
    EXIT 0

count:
    cmp eax, ERR_MEMORY
    jne counted
    inc ebp
counted:
    ret

sleeps:
    CALL_KERNEL SYS_SLEEP, 0x7FFFFFFF
    SAY "went on\n"

    STACK some_stack
