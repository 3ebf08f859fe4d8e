; The kernel's other calls, each a routine.
;
; Each takes its first argument in EAX, which the kernel has for the number of the call; the others are where the kernel
; wants them, so far as the calling rule has no place for them. A call that fails returns 0, and UTCB_ERROR says why.

.include "lib/micro/user.inc"

.macro ENTER number
    push ebx
    mov ebx, eax
    mov eax, \number
    int VECTOR_SYSCALL
    pop ebx
.endm

.text

; exchange_registers: looks into another thread of the same space, and changes it.
;   in    EAX = thread, ECX = EXREG_ control, EDX = its ESP or its token, ESI = its EIP, EDI = its flags
;   out   EAX = thread or 0, ECX = EXREG_WAS_ bits, EDX, ESI, EDI = what was there before
.global exchange_registers
exchange_registers:
    ENTER L4_EXCHANGE_REGISTERS
    ret

; thread_control: makes, changes or ends a thread; for the root task.
;   in    EAX = thread, EDX = thread whose space it is in or NIL_THREAD to end it, ECX = scheduler or NIL_THREAD
;         ESI = pager or NIL_THREAD
;   out   EAX = 1 or 0
.global thread_control
thread_control:
    xchg edx, ecx
    ENTER L4_THREAD_CONTROL
    ret

; thread_switch: lets others run first.
;   in    EAX = thread or NIL_THREAD
.global thread_switch
thread_switch:
    ENTER L4_THREAD_SWITCH
    ret

; schedule: sets what the kernel's scheduler knows of a thread; `l4` only.
;   in    EAX = thread, ECX = slice and EDX = quantum in ticks, ESI = priority; -1 for what stays
;   out   EAX = SCHEDULE_ state or 0, ECX and EDX = what is left of slice and quantum
.global schedule
schedule:
    ENTER L4_SCHEDULE
    ret

; unmap: takes rights away from those who have them from this space.
;   in    EAX = UNMAP_ bits | flexpages - 1; these from MR0 on in the UTCB
;   out   in their place: which rights have been used
.global unmap
unmap:
    ENTER L4_UNMAP
    ret

; clock: the time since the start, to the tick; `l4` only.
;   out   EDX:EAX = microseconds
.global clock
clock:
    mov eax, L4_CLOCK
    int VECTOR_SYSCALL
    ret

; kdb_write: offers bytes to the console.
;   in    EAX = first byte, EDX = how many
;   out   EAX = how many it takes now, perhaps 0; or -1: they are not the caller's memory
.global kdb_write
kdb_write:
    mov ecx, edx
    ENTER KDB_WRITE
    ret

; kdb_exit: ends the machine; for the root task.
;   in    EAX = exit code
;   out   does not return
.global kdb_exit
kdb_exit:
    ENTER KDB_EXIT
