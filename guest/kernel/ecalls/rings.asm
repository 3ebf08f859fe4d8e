; Submissions and completions in rings in a program's memory: it says what is to be done with sockets, and hears of each when
; it is done. No call waits for one of them.
;
; Owns what was taken and cannot be completed yet: an OPERATION waits in the list of its socket's WATCHED; an event of the
; socket makes it due to be tried again. All is done in SYS_RINGS_ENTER, in the program's own space: what other programs or
; interrupts do only makes something due. Nothing in the program's memory is believed: a submission is copied before it is
; looked at, and what has to be right is in the WATCHER.

.include "ecalls.inc"
.include "sockets/sockets.inc"

PAGE_HEAD = 16                  ; bytes of a page of OPERATIONs in front of them: the next page

.text

; sys_rings: see syscall.asm for what a system call may rely on.
;   in    EBX = address of RINGS, or 0
;   out   EAX = 0, or an error. What waited is forgotten
.global sys_rings
sys_rings:
    CURRENT ebp
    test ebx, ebx
    jz .Lend
    mov eax, ERR_ARGUMENT
    test ebx, 3
    jnz .Lreturn
    mov eax, ebx
    mov edx, RINGS_SIZE
    mov ecx, 1
    call user_memory
    mov eax, ERR_ADDRESS
    jc .Lreturn
.Lend:
    mov eax, ebp
    call rings_end
    xor eax, eax
    test ebx, ebx
    jz .Lreturn
    call operation_page
    mov eax, ERR_MEMORY
    jc .Lreturn
    xor eax, eax
    .irp field, TAKEN, GIVEN, HEARD, DONE
    mov [ebx + RINGS_\field], eax
    .endr
    mov [ebp + PCB_WATCHER + WATCHER_TAKEN], eax
    mov [ebp + PCB_WATCHER + WATCHER_DONE], eax
    mov [ebp + PCB_WATCHER + WATCHER_RINGS], ebx
.Lreturn:
    ret

; sys_rings_enter: see syscall.asm for what a system call may rely on.
;   in    EBX = submissions to take at most, ESI = completions to wait for
;   out   EAX = submissions taken, or an error
;
; It does not wait for more than can come. It looks with interrupts off, and an event wakes it: no wake-up is lost.
.global sys_rings_enter
sys_rings_enter:
    CURRENT ebp
    mov eax, ERR_ARGUMENT
    cmp dword ptr [ebp + PCB_WATCHER + WATCHER_RINGS], 0
    je .Lreturn
    cmp esi, RING_COMPLETIONS
    ja .Lreturn
    xor edi, edi                ; submissions taken
.Llook:
    call rings_due
.Lnext:
    cmp edi, ebx
    jae .Ltaken
    call rings_take
    jc .Ltaken
    inc edi
    jmp .Lnext
.Ltaken:
    cmp dword ptr [ebp + PCB_WATCHER + WATCHER_DUE_FIRST], 0
    jne .Llook
    mov edx, [ebp + PCB_WATCHER + WATCHER_RINGS]
    mov eax, [ebp + PCB_WATCHER + WATCHER_DONE]
    sub eax, [edx + RINGS_HEARD]
    cmp eax, esi
    jae .Lend
    cmp dword ptr [ebp + PCB_WATCHER + WATCHER_OPERATIONS], 0
    je .Lend
    test dword ptr [ebp + PCB_DUE], DUE_SIGNAL
    jnz .Lsignal
    mov dword ptr [ebp + PCB_WATCHER + WATCHER_WAITS], 1
    push ebx
    mov ebx, FOR_EVER
    mov ecx, NO_SOCKET
    call wait
    pop ebx
    mov dword ptr [ebp + PCB_WATCHER + WATCHER_WAITS], 0
    jmp .Llook
.Lsignal:
    mov eax, ERR_INTERRUPTED
    test edi, edi
    jz .Lreturn
.Lend:
    mov eax, edi
.Lreturn:
    ret

; rings_take: takes a submission, and does it if that is possible.
;   in    EBP = PCB
;   out   CF set: there is none, or no room for its completion
rings_take:
    push ebx
    push esi
    push edi
    mov edx, [ebp + PCB_WATCHER + WATCHER_RINGS]
    mov ecx, [ebp + PCB_WATCHER + WATCHER_TAKEN]
    mov eax, [edx + RINGS_GIVEN]
    sub eax, ecx
    dec eax
    cmp eax, RING_SUBMISSIONS   ; none, or more than there can be
    jae .Lnone
    mov eax, [ebp + PCB_WATCHER + WATCHER_DONE]
    sub eax, [edx + RINGS_HEARD]
    add eax, [ebp + PCB_WATCHER + WATCHER_OPERATIONS]
    cmp eax, RING_COMPLETIONS
    jae .Lnone
    mov ebx, [ebp + PCB_WATCHER + WATCHER_FREE]
    test ebx, ebx
    jnz .Ltake
    call operation_page
    jc .Lreturn
    mov ebx, [ebp + PCB_WATCHER + WATCHER_FREE]
    mov edx, [ebp + PCB_WATCHER + WATCHER_RINGS]
    mov ecx, [ebp + PCB_WATCHER + WATCHER_TAKEN]
.Ltake:
    mov eax, [ebx + OPERATION_NEXT]
    mov [ebp + PCB_WATCHER + WATCHER_FREE], eax
    inc dword ptr [ebp + PCB_WATCHER + WATCHER_OPERATIONS]
    mov eax, ecx
    inc eax
    mov [ebp + PCB_WATCHER + WATCHER_TAKEN], eax
    mov [edx + RINGS_TAKEN], eax
    and ecx, RING_SUBMISSIONS - 1
    imul ecx, ecx, SUBMISSION_SIZE
    lea esi, [edx + RINGS_SUBMISSIONS + ecx]
    lea edi, [ebx + OPERATION_SUBMISSION]
    mov ecx, SUBMISSION_SIZE / 4
    rep movsd

    ; What waits for the same thing comes first; but each RING_POLL may wait for another.
    mov ecx, [ebx + OPERATION_SUBMISSION + SUBMISSION_OPERATION]
    cmp ecx, RING_POLL
    je .Ltry
    mov eax, [ebx + OPERATION_SUBMISSION + SUBMISSION_SOCKET]
    call socket_own
    jc .Ltry
    call watched_of
    lea edx, [eax + WATCHED_OPERATION - OPERATION_NEXT]
.Lbefore:
    mov edx, [edx + OPERATION_NEXT]
    test edx, edx
    jz .Ltry
    cmp [edx + OPERATION_SUBMISSION + SUBMISSION_OPERATION], ecx
    je .Lwait
    jmp .Lbefore
.Ltry:
    call operation_try
    jnc .Lreturn
    mov eax, [ebx + OPERATION_SUBMISSION + SUBMISSION_SOCKET]
    call socket_own
    call watched_of
.Lwait:
    call operation_wait
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret
.Lnone:
    stc
    jmp .Lreturn

; rings_due: tries again what an event has made possible.
;   in    EBP = PCB
rings_due:
    push ebx
    push esi
    push edi
.Lwatched:
    mov esi, [ebp + PCB_WATCHER + WATCHER_DUE_FIRST]
    test esi, esi
    jz .Lreturn
    mov eax, [esi + WATCHED_DUE_NEXT]
    mov [ebp + PCB_WATCHER + WATCHER_DUE_FIRST], eax
    mov dword ptr [esi + WATCHED_DUE], 0
    mov dword ptr [esi + WATCHED_OPERATION_WANTS], 0
    lea edi, [esi + WATCHED_OPERATION - OPERATION_NEXT]     ; the one before: as if it were an OPERATION
.Lnext:
    mov ebx, [edi + OPERATION_NEXT]
    test ebx, ebx
    jz .Lwatched
    push dword ptr [ebx + OPERATION_NEXT]
    push esi
    push edi
    call operation_try
    pop edi
    pop esi
    pop eax
    jc .Lkeep
    mov [edi + OPERATION_NEXT], eax
    jmp .Lnext
.Lkeep:
    mov eax, esi
    call operation_wants
    mov edi, ebx
    jmp .Lnext
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; rings_tell: something has happened with a socket for which OPERATIONs wait.
;   in    EBX = WATCHED, ESI = READY_ bits of the socket, EDI = PCB of its owner
.global rings_tell
rings_tell:
    test [ebx + WATCHED_OPERATION_WANTS], esi
    jz .Lreturn
    cmp dword ptr [ebx + WATCHED_DUE], 0
    jne .Lreturn
    mov dword ptr [ebx + WATCHED_DUE], 1
    mov dword ptr [ebx + WATCHED_DUE_NEXT], 0
    mov eax, [edi + PCB_WATCHER + WATCHER_DUE_LAST]
    mov [edi + PCB_WATCHER + WATCHER_DUE_LAST], ebx
    cmp dword ptr [edi + PCB_WATCHER + WATCHER_DUE_FIRST], 0
    je .Lalone
    mov [eax + WATCHED_DUE_NEXT], ebx
    jmp watched_wake
.Lalone:
    mov [edi + PCB_WATCHER + WATCHER_DUE_FIRST], ebx
    jmp watched_wake
.Lreturn:
    ret

; rings_close: a socket is closed: what waits for it is completed.
;   in    EBX = WATCHED, EBP = PCB of its owner, the running process
.global rings_close
rings_close:
    push ebx
    push esi
    mov esi, ebx
    xor ebx, ebx
    xchg ebx, [esi + WATCHED_OPERATION]
.Lnext:
    test ebx, ebx
    jz .Ldue
    push dword ptr [ebx + OPERATION_NEXT]
    mov eax, ERR_SOCKET
    call operation_complete
    pop ebx
    jmp .Lnext
.Ldue:
    cmp [esi + WATCHED_DUE], ebx
    je .Lreturn
    mov [esi + WATCHED_DUE], ebx
    lea edx, [ebp + PCB_WATCHER + WATCHER_DUE_FIRST - WATCHED_DUE_NEXT]     ; as if it were the WATCHED_DUE_NEXT of one
.Lbefore:
    mov ecx, edx
    mov edx, [ecx + WATCHED_DUE_NEXT]
    cmp edx, esi
    jne .Lbefore
    mov eax, [esi + WATCHED_DUE_NEXT]
    mov [ecx + WATCHED_DUE_NEXT], eax
    cmp [ebp + PCB_WATCHER + WATCHER_DUE_LAST], esi
    jne .Lreturn
    mov [ebp + PCB_WATCHER + WATCHER_DUE_LAST], ecx         ; means nothing if that was the only one
.Lreturn:
    pop esi
    pop ebx
    ret

; rings_end: a process has no RINGS any more.
;   in    EAX = PCB
.global rings_end
rings_end:
    push ebx
    push esi
    mov ebx, eax
    xor eax, eax
    cmp [ebx + PCB_WATCHER + WATCHER_PAGES], eax
    je .Lreturn
    mov ecx, SOCKETS
    mov edx, watched
.Lwatched:
    cmp [edx + WATCHED_OWNER], ebx
    jne .Lskip
    mov [edx + WATCHED_OPERATION], eax
    mov [edx + WATCHED_OPERATION_WANTS], eax
    mov [edx + WATCHED_DUE], eax
.Lskip:
    add edx, WATCHED_SIZE
    dec ecx
    jnz .Lwatched
    mov [ebx + PCB_WATCHER + WATCHER_RINGS], eax
    mov [ebx + PCB_WATCHER + WATCHER_OPERATIONS], eax
    mov [ebx + PCB_WATCHER + WATCHER_FREE], eax
    mov [ebx + PCB_WATCHER + WATCHER_DUE_FIRST], eax
    xchg eax, [ebx + PCB_WATCHER + WATCHER_PAGES]
.Lpage:
    mov esi, [eax]
    call frame_free
    mov eax, esi
    test eax, eax
    jnz .Lpage
.Lreturn:
    pop esi
    pop ebx
    ret

; operation_page: room for more OPERATIONs.
;   in    EBP = PCB
;   out   CF set: out of memory
operation_page:
    call frame_alloc
    jc .Lreturn
    mov edx, eax
    xchg edx, [ebp + PCB_WATCHER + WATCHER_PAGES]
    mov [eax], edx
    lea edx, [eax + PAGE_SIZE - OPERATION_SIZE]
    add eax, PAGE_HEAD
.Lnext:
    mov ecx, eax
    xchg ecx, [ebp + PCB_WATCHER + WATCHER_FREE]
    mov [eax + OPERATION_NEXT], ecx
    add eax, OPERATION_SIZE
    cmp eax, edx
    jbe .Lnext
    clc
.Lreturn:
    ret

; operation_try: does what was submitted, if that is possible now.
;   in    EBX = OPERATION, EBP = PCB, the running process
;   out   CF set: it has to wait; else it is completed, and free. ESI, EDI destroyed
operation_try:
    mov eax, [ebx + OPERATION_SUBMISSION + SUBMISSION_OPERATION]
    mov edx, ERR_ARGUMENT
    cmp eax, RING_POLL
    ja .Lresult
    je .Lpoll
    mov edx, [operation_calls + eax * 4]
    test edx, edx
    jz .Lresult                 ; RING_NOP
    push ebx
    push edx
    mov esi, [ebx + OPERATION_SUBMISSION + SUBMISSION_ADDRESS]
    mov edi, [ebx + OPERATION_SUBMISSION + SUBMISSION_LENGTH]
    mov ebx, [ebx + OPERATION_SUBMISSION + SUBMISSION_SOCKET]
    cmp edx, SYS_SOCKET_CLOSE
    jne .Lcall
    mov eax, ebx
    and eax, SOCKET_NOW - 1     ; all but the flag
    call socket_own
    jc .Lcall
    call watched_close
.Lcall:
    mov eax, [esp]
    or ebx, SOCKET_NOW
    call socket_call
    mov edx, eax
    pop eax
    pop ebx
    cmp edx, ERR_AGAIN
    jne .Lresult
    test dword ptr [ebx + OPERATION_SUBMISSION + SUBMISSION_SOCKET], SOCKET_NOW
    jnz .Lresult
    stc
    ret
.Lpoll:
    mov eax, [ebx + OPERATION_SUBMISSION + SUBMISSION_SOCKET]
    call socket_own
    mov eax, ERR_SOCKET
    jc operation_complete
    call socket_ready
    and eax, [ebx + OPERATION_SUBMISSION + SUBMISSION_ADDRESS]
    jnz operation_complete
    stc
    ret
.Lresult:
    mov eax, edx

; operation_complete: something is done.
;   in    EBX = OPERATION, which is free then; EAX = result, EBP = PCB, the running process
;   out   CF clear
operation_complete:
    mov ecx, [ebp + PCB_WATCHER + WATCHER_DONE]
    mov edx, ecx
    and edx, RING_COMPLETIONS - 1
    inc ecx
    mov [ebp + PCB_WATCHER + WATCHER_DONE], ecx
    push esi
    mov esi, [ebp + PCB_WATCHER + WATCHER_RINGS]
    lea edx, [esi + RINGS_COMPLETIONS + edx * COMPLETION_SIZE]
    mov [edx + COMPLETION_RESULT], eax
    mov eax, [ebx + OPERATION_SUBMISSION + SUBMISSION_DATA]
    mov [edx + COMPLETION_DATA], eax
    mov [esi + RINGS_DONE], ecx
    pop esi
    mov eax, [ebp + PCB_WATCHER + WATCHER_FREE]
    mov [ebp + PCB_WATCHER + WATCHER_FREE], ebx
    mov [ebx + OPERATION_NEXT], eax
    dec dword ptr [ebp + PCB_WATCHER + WATCHER_OPERATIONS]
    clc
    ret

; operation_wait: an OPERATION waits behind others of its socket.
;   in    EAX = WATCHED of the socket, EBX = OPERATION, EBP = PCB
operation_wait:
    mov [eax + WATCHED_OWNER], ebp
    mov dword ptr [ebx + OPERATION_NEXT], 0
    lea edx, [eax + WATCHED_OPERATION - OPERATION_NEXT]
.Lnext:
    mov ecx, edx
    mov edx, [ecx + OPERATION_NEXT]
    test edx, edx
    jnz .Lnext
    mov [ecx + OPERATION_NEXT], ebx

; operation_wants: the events that an OPERATION waits for.
;   in    EAX = WATCHED of its socket, EBX = OPERATION
operation_wants:
    mov ecx, [ebx + OPERATION_SUBMISSION + SUBMISSION_OPERATION]
    mov edx, READY_READ
    cmp ecx, RING_POLL
    je .Lpoll
    cmp ecx, RING_WRITE
    jne .Lset
    mov edx, READY_WRITE
.Lset:
    or [eax + WATCHED_OPERATION_WANTS], edx
    ret
.Lpoll:
    mov edx, [ebx + OPERATION_SUBMISSION + SUBMISSION_ADDRESS]
    jmp .Lset

.assert (PAGE_SIZE - PAGE_HEAD) % OPERATION_SIZE == 0, "OPERATIONs end where their page does"
.assert COMPLETION_SIZE == 8 && SUBMISSION_SIZE % 4 == 0, "rings"

.rodata

.align 4
operation_calls:                ; the system call of each; 0: none
    .long 0
    .long SYS_SOCKET_ACCEPT
    .long SYS_SOCKET_READ
    .long SYS_SOCKET_WRITE
    .long SYS_SOCKET_CLOSE
    .long SYS_SOCKET_FINISH

.assert . - operation_calls == RING_POLL * 4, "operation_calls needs a line for each"
