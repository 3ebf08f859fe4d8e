; The threads of a process: the calls that make, end and join them, and the ways in which one ends.
;
; Owns what becomes of a thread that ends: it stays until it is joined (SYS_THREAD_EXIT), it vanishes (an activation that
; another one replaces), or it goes with its process.

.include "activations.inc"

.text

; sys_thread_create: a new thread; see syscall.asm for what a system call may rely on.
;   in    EBX = entry, ESI = stack pointer, EDI = what it finds in EAX
;   out   EAX = its number, or ERR_MEMORY
.global sys_thread_create
sys_thread_create:
    CURRENT_PROCESS eax
    mov edx, ebx
    mov ecx, esi
    call thread_make
    jc .Lno_memory
    mov [eax + USER_FRAME + FRAME_EAX], edi
    mov ebx, [eax + TCB_NUMBER]
    call sched_ready
    mov eax, ebx
    ret
.Lno_memory:
    mov eax, ERR_MEMORY
    ret

; sys_thread_exit: the running thread ends; with the last one, its process.
;   in    EBX = value
;   out   does not return
.global sys_thread_exit
sys_thread_exit:
    CURRENT esi
    mov edi, [esi + ACT_PROCESS]
    lea eax, [edi + PROCESS_THREADS]
    mov edx, [esi + ACT_SIBLING + LINK_NEXT]
    cmp edx, eax
    jne .Lothers
    cmp edx, [esi + ACT_SIBLING + LINK_PREV]
    jne .Lothers
    xor eax, eax
    jmp program_end

    ; It stays among those that have ended, for whoever joins it.
.Lothers:
    mov [esi + ACT_VALUE], ebx
    lea eax, [esi + ACT_SIBLING]
    call ring_remove
    mov edx, eax
    lea eax, [edi + PROCESS_ENDED]
    call ring_append
    mov dword ptr [esi + TCB_STATE], THREAD_ENDED
    call thread_leaves
    xor eax, eax
    cmp dword ptr [esi + ACT_VP], 0
    je .Lgone
    mov eax, esi
    call activation_gone        ; EAX = who runs next, or 0
.Lgone:
    test eax, eax
    jnz switch_load
    call sched_pick
    jmp switch_load

; thread_leaves: what others have to know of the running thread's end.
;   in    ESI = TCB; EDI = its PROCESS, of which it is no longer one
;   out   who waits for it goes on, and another thread looks for the process's signals
thread_leaves:
    lea eax, [esi + ACT_JOINERS]
    call wait_wake
    mov eax, edi
    cmp dword ptr [eax + PROCESS_SIGNALS], 0
    jne signal_offer
    ret

; thread_vanish: the running thread ends without a trace, and is not the last of its process. Who joins it gets
; ERR_THREAD.
;   in    EAX = TCB of the thread to run next, in no queue
;   out   does not return
.global thread_vanish
thread_vanish:
    mov ebx, eax
    CURRENT esi
    mov edi, [esi + ACT_PROCESS]
    mov eax, esi
    call thread_unmake          ; its area stays as it is until somebody takes memory
    call thread_leaves
    mov eax, ebx
    jmp switch_within

; thread_die: the running thread ends because its process does; the last one takes the process with it, and with the
; last process the machine ends.
;   out   does not return
.global thread_die
thread_die:
    CURRENT esi
    mov edi, [esi + ACT_PROCESS]
    mov eax, esi
    call thread_unmake          ; its area stays as it is until somebody takes memory
    lea edx, [edi + PROCESS_THREADS]
    cmp [edx + LINK_NEXT], edx
    jne .Lothers
    mov eax, edi
    call process_free
.Lothers:
    call sched_pick
    jmp switch_load

; sys_thread_join: waits for a thread's end.
;   in    EBX = number
;   out   EAX = 0 and FRAME_EBX = its value, or EAX = ERR_THREAD or an error of wait_block's
.global sys_thread_join
sys_thread_join:
    mov eax, ebx
    call number_find
    jc .Lrefused
    mov esi, eax
    cmp dword ptr [esi + TCB_STATE], THREAD_ENDED
    je .Lended
    CURRENT edx
    cmp edx, esi
    je .Lrefused
    lea eax, [esi + ACT_JOINERS]
    cmp [eax + LINK_NEXT], eax
    jne .Lrefused               ; somebody else joins it
    call wait_block
    jnc sys_thread_join         ; look again: a third thread may have been faster
    ret

.Lended:
    mov edx, [esi + ACT_VALUE]
    mov [ebp + FRAME_EBX], edx
    mov eax, esi
    call thread_unmake
    xor eax, eax
    ret
.Lrefused:
    mov eax, ERR_THREAD
    ret
