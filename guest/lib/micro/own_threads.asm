; Threads, made by the root task itself: for a root task that does everything alone.
;
; Owns the thread numbers behind the root task's first. The caller becomes the pager of every thread.

.include "lib/micro/user.inc"

.text

; thread_make: makes a thread, which waits to be started.
;   in    EAX = a thread whose space it will be in, or NIL_THREAD for a new space; EDX = its scheduler
;   out   EAX = identifier, or 0
.global thread_make
thread_make:
    push ebx
    push esi
    mov ebx, [next_id]
    mov ecx, edx
    mov edx, eax
    test edx, edx
    jnz .Lspace
    mov edx, ebx
.Lspace:
    mov eax, ebx
    MYSELF esi
    call thread_control
    test eax, eax
    jz .Lreturn
    add dword ptr [next_id], 1 << ID_SHIFT
    mov eax, ebx
.Lreturn:
    pop esi
    pop ebx
    ret

; thread_go: starts a thread; the caller keeps the processor.
;   in    EAX = identifier from thread_make, EDX = its EIP, ECX = its ESP
;   out   EAX kept
.global thread_go
thread_go:
    push ebx
    push esi
    push edi
    push eax
    mov ebx, edx
    mov edi, ecx
    mov esi, 2                  ; two words: MR1, MR2
    call ipc_send
    pop eax
    pop edi
    pop esi
    pop ebx
    ret

; space_thread: makes a thread in this space and starts it.
;   in    EAX = its EIP, EDX = its ESP, ECX = scheduler, or NIL_THREAD for the caller
;   out   EAX = identifier, or 0
.global space_thread
space_thread:
    push eax
    push edx
    MYSELF eax
    mov edx, ecx
    test edx, edx
    jnz .Lmake
    mov edx, eax
.Lmake:
    call thread_make
    pop ecx
    pop edx
    test eax, eax
    jnz thread_go
    ret

; space_end: ends a thread.
;   in    EAX = thread
;   out   EAX = 1, or 0
.global space_end
space_end:
    push esi
    mov edx, NIL_THREAD
    mov ecx, NIL_THREAD
    mov esi, NIL_THREAD
    call thread_control
    pop esi
    ret

.data

.align 4
next_id:                        ; of the next thread
    .long (FIRST_THREAD + 1) << ID_SHIFT | 1
