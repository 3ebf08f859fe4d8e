; Threads of one's own address space.
;
; Whoever may make them: space_thread and space_end are the root task's to offer for itself (own_threads.asm), or a
; request to the root task (request.asm).
;
;     top of the stack ->  LOCAL                 the library's, for ever
;                          argument, routine     for thread_begin to pop

.include "lib/micro/user.inc"

.text

; thread_new: starts a thread.
;   in    EAX = routine, EDX = top of its stack, ECX = scheduler or NIL_THREAD for the one that the root task chooses
;         EBX = what the routine gets in EAX
;   out   EAX = identifier, or 0
;
; The thread ends when the routine returns.
.global thread_new
thread_new:
    sub edx, LOCAL_SIZE
    mov dword ptr [edx + LOCAL_LENGTH], 0
    sub edx, 4
    mov [edx], ebx
    sub edx, 4
    mov [edx], eax
    mov eax, thread_begin
    jmp space_thread

; thread_begin: where every thread but the first starts.
;   in    ESP = the stack that thread_new has prepared
thread_begin:
    pop ecx
    pop eax
    mov edx, esp                ; its LOCAL
    call thread_handle
    call ecx
    MYSELF eax
    call space_end
.Lstop:                         ; not reached: it has just ended itself
    jmp .Lstop

; thread_handle: enters in the UTCB what the library relies on: the pager handles exceptions, too.
;   in    EDX = LOCAL
;   out   EAX, ECX kept
.global thread_handle
thread_handle:
    push ecx
    UTCB ecx
    mov [ecx + UTCB_HANDLE], edx
    mov edx, [ecx + UTCB_PAGER]
    mov [ecx + UTCB_HANDLER], edx
    pop ecx
    ret
