; What does a server do whose clients have to wait? Each of CLIENTS calls it again and again; ticks make them queue up.
;
; Behind a request it has to answer one client and to take the next one's request. If it does both at once, two threads can
; run, itself and the client, and one is preempted for every request. With AWARE it looks at UTCB_BACKLOG first: if others
; wait, it answers and waits for its scheduler, so that only the client can run; and takes the next request when the
; scheduler has sent it on (Stoess, 3.3.4).

.include "play.inc"

SERVER = ONE
STACK = 64

.global _start
; _start: the scheduler, round robin. Who does not wait for it cannot be sent on.
_start:
    mov esp, root_stack
    CONTROL TIMER, TIMER, NIL_THREAD, ROOT
    MAKE SERVER, server, one_stack
    mov ebp, SERVER
.Lclient:
    add ebp, 1 << ID_SHIFT
    mov edi, ebp
    shr edi, ID_SHIFT
    sub edi, FIRST_THREAD
    imul edi, edi, STACK
    add edi, stacks
    mov [stack], edi
    MAKE ebp, client, [stack]
    cmp ebp, SERVER + CLIENTS * (1 << ID_SHIFT)
    jb .Lclient

listen:
    IPC NIL_THREAD, ANY_THREAD, ZERO
heard:
    test esi, TAG_ERROR
    jnz choose
    cmp eax, TIMER
    jne listen
    IPC TIMER, NIL_THREAD, REPLY
    jmp listen
choose:
    mov dword ptr [tries], CLIENTS + 1
.Ltry:
    add ebp, 1 << ID_SHIFT
    cmp ebp, SERVER + CLIENTS * (1 << ID_SHIFT)
    jbe .Lsend
    mov ebp, SERVER
.Lsend:
    IPC ebp, ANY_THREAD, REPLY
    test esi, TAG_ERROR
    jz heard
    dec dword ptr [tries]
    jnz .Ltry
    hlt
    jmp listen

; server: EBP is whom it answers.
server:
    mov ebp, NIL_THREAD
    mov edi, REQUESTS
.Lanswer:
.if AWARE
    mov edx, [KIP_BASE + KIP_UTCB]
    cmp dword ptr [edx + UTCB_BACKLOG], 0
    je .Lall
    test ebp, ebp
    jz .Lall
    push edi
    IPC ebp, ROOT, NEVER
    pop edi
    mov ebp, NIL_THREAD
.Lall:
.endif
    push edi
    IPC ebp, ANY_THREAD, REPLY
    pop edi
    mov ebp, eax
    mov ecx, SERVICE
.Lserve:
    loop .Lserve
    dec edi
    jnz .Lanswer
    EXIT 0

; client: has something done.
client:
    IPC SERVER, SERVER, NEVER
    jmp client

.bss

tries:                                  ; threads that may still be tried
    .space 4
stack:                                  ; of the client that is made
    .space 4
    .space STACK * (CLIENTS + 2)
stacks = . - STACK * (CLIENTS + 1)      ; by number of the thread, less FIRST_THREAD: where it ends
