; Can there be more threads than numbers fit into a frame, twice?

.include "test.inc"

THREADS = NUMBER_ENTRIES + 100

.text

; _start: the program.
.global _start
_start:
    call round
    call round
    SAY "all of them, twice\n"
    EXIT 0

round:
    xor ebp, ebp
make:
    THREAD member, some_stack, ebp      ; a stack that they share: none uses it
    mov [numbers + ebp * 4], eax
    inc ebp
    cmp ebp, THREADS
    jb make
join:
    dec ebp
    js joined
    CALL_KERNEL SYS_THREAD_JOIN, [numbers + ebp * 4]
    test eax, eax
    jnz wrong
    cmp ebx, ebp
    je join
wrong:
    SAY "wrong: a join\n"
    EXIT 1
joined:
    ret

member:
    CALL_KERNEL SYS_THREAD_EXIT, eax

.bss
numbers:
    .space THREADS * 4

    STACK some_stack
