; Interest and readiness: a program says once of which sockets it wants to know, and then asks which of these are ready.
;
; Owns the list of each process of those that may be: an event puts a socket there, and it leaves when it was looked at and
; is not ready any more. So what asking costs depends on how many are ready, and on nothing else.
;
;     WATCHER_FIRST -> WATCHED <-WATCHED_NEXT, WATCHED_PREVIOUS-> WATCHED ... <- WATCHER_LAST

.include "ecalls.inc"
.include "sockets/sockets.inc"

.text

; sys_interest: see syscall.asm for what a system call may rely on.
;   in    EBX = socket, ESI = READY_ bits, EDI = data
;   out   EAX = 0, or an error
.global sys_interest
sys_interest:
    CURRENT ebp
    mov eax, ebx
    call socket_own
    jc .Lsocket
    test esi, ~READY_ANY
    jnz .Largument
    call watched_of
    mov ebx, eax
    mov [ebx + WATCHED_OWNER], ebp
    mov [ebx + WATCHED_WANTS], esi
    mov [ebx + WATCHED_DATA], edi
    call socket_ready
    test eax, esi
    jz .Ldone
    mov edi, ebp
    call interest_tell
.Ldone:
    xor eax, eax
    ret
.Lsocket:
    mov eax, ERR_SOCKET
    ret
.Largument:
    mov eax, ERR_ARGUMENT
    ret

; sys_ready: see syscall.asm for what a system call may rely on.
;   in    EBX = array of READINESS, ESI = how many it holds, EDI = ticks
;   out   EAX = how many are ready, or an error
;
; Who was ready stands at the end of the list afterwards: those that did not find room this time come first the next time.
.global sys_ready
sys_ready:
    test esi, esi
    jz .Largument
    cmp esi, SOCKETS
    jbe .Lcheck
    mov esi, SOCKETS
.Lcheck:
    mov eax, ebx
    imul edx, esi, READINESS_SIZE
    mov ecx, 1
    call user_memory
    jc .Laddress
    CURRENT ebp
    call watched_begin
    push edi
.Llook:
    push ebx
    push esi
    mov edi, [ebp + PCB_WATCHER + WATCHER_LAST]
.Lnext:
    mov eax, [ebp + PCB_WATCHER + WATCHER_FIRST]
    test eax, eax
    jz .Ldone
    call interest_leave
    call watched_socket
    push eax
    call socket_ready
    pop ecx
    and eax, [ecx + WATCHED_WANTS]
    jz .Lskip
    mov [ebx + READINESS_BITS], eax
    call socket_name
    mov [ebx + READINESS_SOCKET], eax
    mov eax, [ecx + WATCHED_DATA]
    mov [ebx + READINESS_DATA], eax
    add ebx, READINESS_SIZE
    mov eax, ecx
    call interest_enter
    dec esi
    jz .Ldone
.Lskip:
    cmp ecx, edi
    jne .Lnext
.Ldone:
    pop eax
    pop ebx
    sub eax, esi
    jnz .Lend
    mov edi, [esp]
    mov dword ptr [ebp + PCB_WATCHER + WATCHER_WAITS], 1
    call watched_wait
    mov dword ptr [ebp + PCB_WATCHER + WATCHER_WAITS], 0
    jnc .Llook
.Lend:
    pop edi
    ret
.Largument:
    mov eax, ERR_ARGUMENT
    ret
.Laddress:
    mov eax, ERR_ADDRESS
    ret

; interest_tell: a socket is ready for something that its owner wants to know.
;   in    EBX = WATCHED, EDI = PCB of its owner
.global interest_tell
interest_tell:
    cmp dword ptr [ebx + WATCHED_QUEUED], 0
    jne .Lreturn
    push ebp
    mov ebp, edi
    mov eax, ebx
    call interest_enter
    pop ebp
    jmp watched_wake
.Lreturn:
    ret

; interest_close: a socket is closed.
;   in    EBX = WATCHED, EBP = PCB of its owner
.global interest_close
interest_close:
    cmp dword ptr [ebx + WATCHED_QUEUED], 0
    je .Lreturn
    mov eax, ebx
    jmp interest_leave
.Lreturn:
    ret

; interest_enter: a socket may be ready.
;   in    EAX = WATCHED that is not in the list, EBP = PCB of its owner
;   out   ECX is kept
interest_enter:
    mov edx, [ebp + PCB_WATCHER + WATCHER_LAST]
    mov dword ptr [eax + WATCHED_QUEUED], 1
    mov dword ptr [eax + WATCHED_NEXT], 0
    mov [eax + WATCHED_PREVIOUS], edx
    mov [ebp + PCB_WATCHER + WATCHER_LAST], eax
    test edx, edx
    jz .Lalone
    mov [edx + WATCHED_NEXT], eax
    ret
.Lalone:
    mov [ebp + PCB_WATCHER + WATCHER_FIRST], eax
    ret

; interest_leave: nobody knows of that.
;   in    EAX = WATCHED that is in the list, EBP = PCB of its owner
;   out   EAX is kept
interest_leave:
    mov dword ptr [eax + WATCHED_QUEUED], 0
    mov edx, [eax + WATCHED_NEXT]
    mov ecx, [eax + WATCHED_PREVIOUS]
    jecxz .Lfirst
    mov [ecx + WATCHED_NEXT], edx
    jmp .Lback
.Lfirst:
    mov [ebp + PCB_WATCHER + WATCHER_FIRST], edx
.Lback:
    test edx, edx
    jz .Llast
    mov [edx + WATCHED_PREVIOUS], ecx
    ret
.Llast:
    mov [ebp + PCB_WATCHER + WATCHER_LAST], ecx
    ret
