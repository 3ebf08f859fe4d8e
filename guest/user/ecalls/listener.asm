; A process that waits for events: for those that `crossings` raises for another process than itself. It runs before all that
; are not in real time, by FIFO.
;
;     listener METHODS
;
; METHODS is the number of the METHOD_ bits.

.text

; main: waits until a signal ends it.
;   in    EAX = argument string
;   out   EAX = 1: it could not register
.global main
main:
    push ebx
    push esi
    push edi
    call argument_next
    call argument_number
    push eax
    xor ebx, ebx
    mov esi, SCHED_FIFO
    mov edi, PRIORITY
    mov eax, SYS_SCHED_SET
    call dword ptr [syscall]
    test eax, eax
    pop eax
    jnz .Lend
    call listen
    test eax, eax
    jnz .Lend
.Lwait:
    xor ebx, ebx                ; nothing is blocked
    xor esi, esi
    mov eax, SYS_SIGSUSPEND
    call dword ptr [syscall]
    jmp .Lwait
.Lend:
    mov eax, 1
    pop edi
    pop esi
    pop ebx
    ret

PRIORITY = 50                   ; of 1 to 99
