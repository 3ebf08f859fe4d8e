; Sends a byte at every tick, before anybody else runs.

.include "ecalls.inc"

LOOPBACK = 0x0100007f           ; 127.0.0.1

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SCHED_SET, 0, SCHED_FIFO, 1
    CALL_KERNEL SYS_SLEEP, 2    ; somebody listens then
    CALL_KERNEL SYS_SOCKET_CONNECT, LOOPBACK, PORT
    mov [socket], eax
next:
    CALL_KERNEL SYS_SLEEP, 1
    CALL_KERNEL SYS_SOCKET_WRITE, [socket], byte_sent, 1
    inc dword ptr [sent]
    cmp dword ptr [sent], DRIPS
    jb next
    CALL_KERNEL SYS_SLEEP, 1
    EXIT 0

.rodata
byte_sent:
    .byte 'x'

.bss
.align 4
socket:
    .space 4
sent:
    .space 4
