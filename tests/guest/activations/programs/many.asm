; Can a process have as many threads as memory allows, all of them waiting, and end with them?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov ebp, COUNT
make:
    THREAD waits, some_stack    ; a stack that they share: none uses it
    test eax, eax
    js wrong
    dec ebp
    jnz make
    SAY "made\n"
    CALL_KERNEL SYS_SLEEP, 1    ; until all of them wait
    CALL_KERNEL SYS_SLEEP, 1
    SAY "all of them wait\n"
    EXIT 0
wrong:
    SAY "wrong: a thread\n"
    EXIT 1

waits:
    CALL_KERNEL SYS_SLEEP, 1000000

    STACK some_stack
