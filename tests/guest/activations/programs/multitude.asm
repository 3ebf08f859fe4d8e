; How many activations can there be? COUNT of them wait for a byte each, all at once; then each gets one, goes on, and sends
; the next.

.include "test.inc"

ROOM = 64                       ; bytes of a stack

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SA_INIT, settings
    CALL_KERNEL SYS_PIPE
    CALL_KERNEL SYS_MEMORY, (COUNT * ROOM + PAGE_SIZE - 1) / PAGE_SIZE
    mov [processor + SA_VP_STACK], eax

; wait: another one waits.
wait:
    inc dword ptr [waiting]
    add dword ptr [processor + SA_VP_STACK], ROOM
    CALL_KERNEL SYS_READ, 1, byte_read, 1

; goes_on: it has its byte, and the lock from the one that restarted it.
goes_on:
    cmp eax, 1
    jne wrong
    mov dword ptr [processor + SA_VP_LOCK], 0
    dec dword ptr [waiting]
    jnz send
    EXIT 0

; block_entry: an activation begins, because another one has blocked.
block_entry:
    mov dword ptr [processor + SA_VP_LOCK], 0
    cmp dword ptr [waiting], COUNT
    jb wait

; send: the one that has waited longest gets a byte.
send:
    CALL_KERNEL SYS_WRITE_PIPE, 1, byte_read, 1
wrong:
    EXIT 1

; unblock_entry: it could go on: it does.
unblock_entry:
    CALL_KERNEL SYS_SA_CONTROL, SA_RESTART_UNBLOCKED, [esp + UPCALL_SIZE]
    EXIT 2

.data

.align 4
settings:                       ; SA_INIT
    .long 0, 1, processor
    .long block_entry, unblock_entry, 0, 0, 0, 0, 0
processor:                      ; SA_VP
    .space SA_VP_SIZE

.bss

waiting:
    .space 4
byte_read:
    .space 4
