; System calls that may block, for user threads: the other threads go on meanwhile.
;
; If the thread did block, another one has restarted it and handed it the lock, which it gives up here; if not, it does
; no harm to give up what one does not have.

.include "lib/threads/threads.inc"

; UNLOCK_KEEP: UNLOCK, and CF is what it was.
.macro UNLOCK_KEEP
    sbb ecx, ecx
    UNLOCK
    add ecx, ecx
.endm

.text

; core_read: reads, and waits until there is something.
;   in    EAX = pipe or CONSOLE_INPUT, EDX = buffer, ECX = its length
;   out   EAX = bytes; CF set: EAX = error
.global core_read
core_read:
    call sys_read
    UNLOCK_KEEP
    ret

; core_write: writes to a pipe, and waits while there is no room at all.
;   in    EAX = pipe, EDX = buffer, ECX = length
;   out   EAX = bytes; CF set: EAX = error
.global core_write
core_write:
    call sys_write_pipe
    UNLOCK_KEEP
    ret

; core_sleep: waits.
;   in    EAX = ticks
.global core_sleep
core_sleep:
    call sys_sleep
    UNLOCK
    ret
