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

; process_end: takes the running process apart and runs another; after the last one, ends the machine. All that knows of it
; forgets it first.
;   in    EBX = PCB; its sockets are closed
;   out   does not return
.global process_end
process_end:
    .irp routine, channels_end, rings_end, watched_end, signals_end, sched_end
    mov eax, ebx
    call \routine
    .endr
    mov eax, processes - PCB_NEXT       ; as if it were the PCB_NEXT of one
.Lnext:
    mov edx, eax
    mov eax, [edx + PCB_NEXT]
    cmp eax, ebx
    jne .Lnext
    mov eax, [ebx + PCB_NEXT]
    mov [edx + PCB_NEXT], eax

    ; Out of its space, of which nothing may be left when a handler comes back from another one.
    mov eax, kernel_directory - KERNEL_BASE
    mov cr3, eax
    xchg eax, [ebx + TCB_SPACE]
    add eax, KERNEL_BASE
    call space_free

; thread_gone: the running thread, in the kernel's space and known to nobody, leaves for ever; after the last one, ends the
; machine.
;   in    EBX = PCB
;   out   does not return
;
; The next one is chosen while the area that it stands on is still its own: the scheduler may run handlers. From frame_free
; to switch_load nothing is interrupted, and no frame taken (TRICKS, "The last steps of a thread").
.global thread_gone
thread_gone:
    dec dword ptr [programs_running]
    jz .Llast
    call sched_pick
    xchg eax, ebx
    call frame_free
    mov eax, ebx
    jmp switch_load
.Llast:
    mov eax, ebx
    call frame_free
    mov eax, [program_exit_code]
    jmp machine_end

.bss

.global processes

.align 4
processes:                      ; the PCB of the process that began last, or 0; linked by PCB_NEXT
    .space 4
