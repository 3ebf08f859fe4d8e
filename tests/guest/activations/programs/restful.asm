; Is a wake-up ever lost? Gives its virtual processor back whenever it has nothing to do, as a library does: with the lock
; held between the look and the call.

.include "sleepers.inc"

.text

third:
    UNLOCK

; rest: until both have unblocked.
rest:
    mov dword ptr [processor + SA_VP_LOCK], 1
    cmp dword ptr [told], 2
    je .Ldone
    CALL_KERNEL SYS_SA_REVOKE
    UNLOCK
    cmp dword ptr [processor + SA_VP_PENDING], 0
    je rest
    mov dword ptr [processor + SA_VP_PENDING], 0
    CALL_KERNEL SYS_SA_CONTROL, SA_DELIVER
    jmp rest
.Ldone:
    UNLOCK

; rested: it had both.
rested:
    EXIT 0
