; ThreadControl: the root task makes threads and address spaces, and changes and deletes them.
;
; Owns the checks of that call; what becomes of others when a thread goes is delete.asm's. Each case checks all, then acts.
;
; In all of them EBP is the caller, and in its frame EBX = the thread, ECX = the one whose space it is in, EDX = its
; scheduler, ESI = its pager.

.include "micro.inc"

.text

; sys_thread_control: which case is it?
;   in    EBP
;   out   does not return; the frame's EAX = 1
.global sys_thread_control
sys_thread_control:
    mov eax, CALL_PRIVILEGE
    cmp dword ptr [ebp + KTCB_SPACE], root_directory - KERNEL_BASE
    jne call_fail
    mov eax, [ebp + KTCB_EBX]
    mov edx, eax
    shr edx, ID_SHIFT
    cmp edx, IRQ_THREADS
    jb control_interrupt
    cmp edx, FIRST_THREAD
    jb control_no_thread
    cmp edx, MAX_THREADS
    jae control_no_thread
    test eax, ID_VERSION
    jz control_no_thread
    mov edi, [thread_table + edx * 4]
    cmp edi, nil_ktcb
    je control_create
    cmp dword ptr [ebp + KTCB_ECX], NIL_THREAD
    je control_delete
    jmp control_change

; control_interrupt: an interrupt line gets its pager as handler, or with NIL_THREAD or its own identifier none.
;   in    EBP, EAX = thread, EDX = line
control_interrupt:
    mov ebx, edx
    call thread_find
    jc control_no_thread        ; another version, or a line of the kernel's own
    mov eax, [ebp + KTCB_EBX]
    cmp [ebp + KTCB_ECX], eax
    jne control_no_space
    cmp dword ptr [ebp + KTCB_EDX], NIL_THREAD
    jne control_no_scheduler
    mov esi, [ebp + KTCB_ESI]
    cmp esi, eax
    jne .Lhandler
    xor esi, esi                ; NIL_THREAD
.Lhandler:
    call control_check_pager
    jc control_no_thread
; -- checked: from here on nothing can fail --
    mov eax, ebx
    mov edx, esi
    call interrupt_attach
    jmp control_done

; control_create: a new thread, in a space that is there or in one of its own.
;   in    EBP
control_create:
    cmp dword ptr [ebp + KTCB_ECX], NIL_THREAD
    je control_no_thread
    xor esi, esi                ; its page directory, or 0
    mov eax, [ebp + KTCB_ECX]
    cmp eax, [ebp + KTCB_EBX]
    je .Lscheduler
    call thread_known
    jc control_no_space
    mov esi, [eax + KTCB_SPACE]
    add esi, KERNEL_BASE
.Lscheduler:
    mov eax, [ebp + KTCB_EDX]
    call thread_known
    jc control_no_scheduler
    mov edi, eax
    call control_check_pager
    jc control_no_thread
; -- checked: from here on only memory can be missing, and then nothing is left behind --
    test esi, esi
    jnz .Lspace
    call space_create
    jc control_no_memory
    mov esi, eax
.Lspace:
    mov eax, [ebp + KTCB_EBX]
    mov edx, esi
    call thread_create
    jc control_no_memory
    mov ebx, eax
    mov [ebx + KTCB_SCHEDULER], edi
    mov edx, edi
    call sched_born
    mov eax, ebx
    call control_pager
    jmp control_done

; control_change: another version, space, scheduler or pager of a thread.
;   in    EBP, EDI = KTCB
control_change:
    cmp edi, [root_scheduler]
    jne .Lcheck
    mov eax, [ebp + KTCB_EBX]
    cmp [edi + KTCB_ID], eax
    jne control_no_thread       ; of the root task's first thread programs know the version
.Lcheck:
    call control_check_space
    jc control_no_space
    call control_check_scheduler
    jc control_no_scheduler
    call control_check_pager
    jc control_no_thread
    call control_move
    jc control_no_memory
; -- checked: from here on nothing can fail --
    mov dword ptr [ebp + KTCB_EAX], 1
    mov eax, edi
    call control_pager
    mov esi, ebx                ; the scheduler
    mov ebx, ebp                ; who goes on (contend)
    mov edx, [ebp + KTCB_EBX]
    cmp edx, [edi + KTCB_ID]
    je .Lscheduler
    mov eax, edi
    call thread_rename

    ; A preemption message that is under way goes to the new scheduler.
.Lscheduler:
    test esi, esi
    jz .Lend
    mov [edi + KTCB_SCHEDULER], esi
    mov eax, edi
    call sched_scheduler
    cmp dword ptr [edi + KTCB_KIND], KIND_PREEMPTION
    jne .Lend
    mov eax, edi
    call message_resend
    call contend
.Lend:
    mov eax, ebx
    cmp eax, ebp
    jne run
    jmp resume

; control_check_space: may the thread be in the space that is given? In its own, by either version; in another one's if it
; has not begun.
;   in    EBP, EDI = KTCB
;   out   ESI = physical address of the page directory; CF set: no, or there is none
control_check_space:
    mov esi, [edi + KTCB_SPACE]
    mov eax, [ebp + KTCB_ECX]
    cmp eax, [ebp + KTCB_EBX]
    je .Lreturn                 ; CF clear
    cmp eax, [edi + KTCB_ID]
    je .Lreturn
    call thread_known
    jc .Lreturn
    mov esi, [eax + KTCB_SPACE]
    cmp esi, [edi + KTCB_SPACE]
    je .Lreturn
    cmp dword ptr [edi + KTCB_STATE], IS_DEAD
    je .Lreturn
    stc
.Lreturn:
    ret

; control_check_scheduler: may the thread have the scheduler that is given? Not itself, nor one that has it above itself;
; and the root scheduler has none.
;   in    EBP, EDI = KTCB
;   out   EBX = KTCB of the scheduler, 0 if none is given; CF set: no, or there is none
control_check_scheduler:
    xor ebx, ebx
    mov eax, [ebp + KTCB_EDX]
    test eax, eax
    jz .Lreturn                 ; CF clear
    cmp edi, [root_scheduler]
    je .Lno
    call thread_known
    jc .Lreturn
    mov ebx, eax
.Labove:
    cmp eax, edi
    je .Lno
    mov eax, [eax + KTCB_SCHEDULER]
    test eax, eax
    jnz .Labove
.Lreturn:
    ret
.Lno:
    stc
    ret

; control_check_pager: is there such a pager, if one is given?
;   in    EBP
;   out   CF set: no
control_check_pager:
    mov eax, [ebp + KTCB_ESI]
    test eax, eax
    jnz thread_known
    ret

; control_move: a thread that has not begun goes into another space.
;   in    EDI = KTCB, ESI = physical address of the page directory, perhaps of the one where it is
;   out   CF set: out of memory, nothing has changed
control_move:
    cmp esi, [edi + KTCB_SPACE]
    je .Lreturn                 ; CF clear
    lea eax, [esi + KERNEL_BASE]
    call space_enter
    push dword ptr [edi + KTCB_SPACE]
    mov eax, edi
    lea edx, [esi + KERNEL_BASE]
    call thread_utcb
    pop eax
    jc .Lstays
    add eax, KERNEL_BASE
    call space_leave
    clc
.Lreturn:
    ret
.Lstays:
    lea eax, [esi + KERNEL_BASE]
    call space_leave
    stc
    ret

; control_pager: a thread gets its pager, if one is given. One that has not begun waits for the message that starts it.
;   in    EAX = KTCB, EBP
control_pager:
    mov edx, [ebp + KTCB_ESI]
    test edx, edx
    jz .Lreturn
    mov ecx, [eax + KTCB_UTCB]
    mov [ecx + UTCB_PAGER], edx
    cmp dword ptr [eax + KTCB_STATE], IS_DEAD
    je .Lbegins
    cmp dword ptr [eax + KTCB_KIND], KIND_START
    jne .Lreturn
.Lbegins:
    mov dword ptr [eax + KTCB_STATE], IS_RECEIVING
    mov dword ptr [eax + KTCB_KIND], KIND_START
    mov [eax + KTCB_KWAIT], edx
.Lreturn:
    ret

; control_delete: the end of a thread.
;   in    EBP, EDI = KTCB
control_delete:
    mov eax, [ebp + KTCB_EBX]
    cmp [edi + KTCB_ID], eax
    jne control_no_thread
    cmp edi, [root_scheduler]
    je control_no_thread        ; programs, and in `uls` the kernel, rely on it
    mov dword ptr [ebp + KTCB_EAX], 1
    jmp thread_delete

; The ends of all cases.
control_done:
    mov dword ptr [ebp + KTCB_EAX], 1
    jmp resume
control_no_thread:
    mov eax, CALL_THREAD
    jmp call_fail
control_no_space:
    mov eax, CALL_SPACE
    jmp call_fail
control_no_scheduler:
    mov eax, CALL_SCHEDULER
    jmp call_fail
control_no_memory:
    mov eax, CALL_MEMORY
    jmp call_fail
