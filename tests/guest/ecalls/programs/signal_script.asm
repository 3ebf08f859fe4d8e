; Does what a script says: the test puts it into memory, and reads what happened.
;
; A script is made of system calls, four words each: number, EBX, ESI, EDI; or SCRIPT_END, which ends the handler that
; runs, or the program. A log has three words for each thing that happened.

.include "ecalls.inc"

SCRIPT_END = -1
LOG_RESULT = 0                  ; EAX, EBX behind a call
LOG_ENTER = 1                   ; a handler: signal, value
LOG_LEAVE = 2                   ; its end: signal, value
PAGE = 4096

.text

; _start: the program.
.global _start
_start:
    call script_run
    EXIT 0

; script_run: runs the script up to the next SCRIPT_END.
script_run:
    mov esi, [script_at]
    lodsd
    mov ecx, eax
    lodsd
    mov ebx, eax
    lodsd
    mov edx, eax
    lodsd
    mov edi, eax
    mov [script_at], esi
    mov esi, edx
    mov eax, ecx
    cmp eax, SCRIPT_END
    je script_end
    int VECTOR_SYSCALL
    mov ecx, LOG_RESULT
    mov edx, ebx
    call log
    jmp script_run
script_end:
    ret

; log: writes a line.
;   in    ECX = LOG_ what, EAX, EDX = with it
log:
    mov edi, [log_at]
    xchg eax, ecx
    stosd
    mov eax, ecx
    stosd
    mov eax, edx
    stosd
    mov [log_at], edi
    ret

handler:
    mov ecx, LOG_ENTER
    mov eax, [esp + SIGINFO_NUMBER]
    mov edx, [esp + SIGINFO_VALUE]
    call log
    call script_run
    mov ecx, LOG_LEAVE
    mov eax, [esp + SIGINFO_NUMBER]
    mov edx, [esp + SIGINFO_VALUE]
    call log
    ret
trampoline:
    mov eax, SYS_SIGRETURN
    int VECTOR_SYSCALL

.data

.align 4
script_at:                      ; what is done next
    .long script
log_at:                         ; where the next line goes
    .long log_begin

.bss

.align PAGE
script:
    .space 2 * PAGE
actions:                        ; the test's SIGACTIONs
    .space PAGE
log_begin:
    .space 4 * PAGE
values:                         ; of SYS_SIGWAITINFO, a word for each call
    .space PAGE
