; Processes: who there is, by number, and what of a process goes with it.
;
; Owns the list of processes. program.asm makes them and ends them.

.include "ecalls.inc"

.text

; process_begin: a process is there.
;   in    EAX = PCB
;   out   all registers kept but EDX
.global process_begin
process_begin:
    mov edx, [processes]
    mov [eax + PCB_NEXT], edx
    mov [processes], eax
    ret

; process_find: a process by its number.
;   in    EAX = number; 0: the running one
;   out   EAX = PCB; CF set: there is none
.global process_find
process_find:
    mov edx, eax
    CURRENT eax
    test edx, edx
    jz .Lreturn                 ; CF is clear
    mov eax, [processes]
.Lnext:
    test eax, eax
    jz .Lnone
    cmp [eax + TCB_NUMBER], edx
    je .Lreturn
    mov eax, [eax + PCB_NEXT]
    jmp .Lnext
.Lnone:
    stc
.Lreturn:
    ret

; process_end: the running process ends: all that knows of it forgets it.
;   in    EAX = PCB
.global process_end
process_end:
    push ebx
    mov ebx, eax
    call channels_end
    mov eax, ebx
    call rings_end
    mov eax, ebx
    call watched_end
    mov eax, ebx
    call signals_end
    mov eax, ebx
    call sched_end
    mov eax, processes - PCB_NEXT       ; as if it were the PCB_NEXT of one
.Lnext:
    mov edx, eax
    mov eax, [edx + PCB_NEXT]
    cmp eax, ebx
    jne .Lnext
    mov eax, [ebx + PCB_NEXT]
    mov [edx + PCB_NEXT], eax
    pop ebx
    ret

.bss

.global processes

.align 4
processes:                      ; the PCB of the process that began last, or 0; linked by PCB_NEXT
    .space 4
