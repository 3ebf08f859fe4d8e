; A server's front: rings. See serve.asm for what a front offers. Besides, it is in place of the library's sockets: what a
; turn asks of one is submitted, and its turn comes again when that is completed.
;
; Submissions gather until the program waits, or writes. A write enters the kernel at once, since what it sends is not kept; so
; it brings all others with it. Accepts are submitted ahead.
;
; Data of a submission: its operation in the upper half, the socket in the lower one.

AHEAD = 8                       ; accepts that are submitted; a power of two
DATA_SHIFT = 16
READ_NONE = 0                   ; of a socket: nothing is submitted,
READ_ASKED = 1                  ; a read is,
READ_DONE = 2                   ; or is completed

.text

; front_begin: the kernel gets to know the rings.
.global front_begin
front_begin:
    mov eax, rings
    xor edx, edx
    call sys_rings
    add eax, eax                ; CF: it is an error
    jnc .Lreturn
    rcr eax, 1
.Lreturn:
    ret

; front_want: a read that is submitted says it already; else it has to be said.
.global front_want
front_want:
    cmp eax, READY_WRITE
    jne .Lreturn
    mov eax, [ebx + SEAT_SOCKET]
    mov edx, RING_POLL
    mov ecx, READY_WRITE
    mov dword ptr [ebx + SEAT_WANTS], READY_READ        ; for once: it says so again
    jmp submit
.Lreturn:
    ret

; front_ask: submits what has gathered, and waits for something to be completed.
.global front_ask
front_ask:
    push ebx
    mov edx, 1
    cmp eax, SOCKET_NOW
    jne .Lenter
    xor edx, edx
.Lenter:
    mov eax, RING_SUBMISSIONS
    call sys_rings_enter
    test eax, eax
    js .Lreturn
    call hear
.Lreturn:
    pop ebx
    ret

; hear: takes all completions.
;   out   EAX = how many
hear:
    push ebx
    push esi
    xor esi, esi
.Lnext:
    mov eax, rings
    call ring_take
    jc .Ldone
    inc esi
    mov ecx, edx
    and edx, (1 << DATA_SHIFT) - 1
    shr ecx, DATA_SHIFT
    cmp ecx, RING_READ
    je .Lread
    cmp ecx, RING_WRITE
    je .Lwrite
    cmp ecx, RING_ACCEPT
    je .Laccept
    cmp ecx, RING_CLOSE
    je .Lclose
    cmp ecx, RING_POLL
    je .Lready
    jmp .Lnext
.Lread:
    mov dword ptr [reads + edx * 4], READ_DONE
    mov [results + edx * 4], eax
.Lready:
    mov ebx, [seat_of + edx * 4]
    test ebx, ebx
    jz .Lnext
    call seat_ready
    jmp .Lnext
.Lwrite:
    mov [written], eax
    jmp .Lnext
.Laccept:
    mov ecx, [accepts_end]
    inc dword ptr [accepts_end]
    and ecx, AHEAD - 1
    mov [accepts + ecx * 4], eax
    dec dword ptr [accepts_asked]
    jmp .Lready
.Lclose:
    mov dword ptr [reads + edx * 4], READ_NONE
    jmp .Lnext
.Ldone:
    mov eax, esi
    pop esi
    pop ebx
    ret

; submit: submits something.
;   in    EAX = socket, EDX = operation, ECX = address, EBX = length
submit:
    mov [submission + SUBMISSION_SOCKET], eax
    mov [submission + SUBMISSION_OPERATION], edx
    mov [submission + SUBMISSION_ADDRESS], ecx
    mov [submission + SUBMISSION_LENGTH], ebx
    shl edx, DATA_SHIFT
    and eax, SOCKET_NOW - 1
    or eax, edx
    mov [submission + SUBMISSION_DATA], eax
.Lagain:
    mov eax, rings
    mov edx, submission
    call ring_submit
    jnc .Lreturn
    mov eax, RING_SUBMISSIONS
    xor edx, edx
    call sys_rings_enter
    call hear
    jmp .Lagain
.Lreturn:
    ret

; socket_listen: as the library's.
.global socket_listen
socket_listen:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    mov eax, SYS_SOCKET_LISTEN
    call dword ptr [syscall]
    pop esi
    pop ebx
    ret

; socket_accept: as the library's, always with SOCKET_NOW.
.global socket_accept
socket_accept:
    push ebx
    mov ebx, eax
    mov eax, [accepts_first]
    cmp eax, [accepts_end]
    je .Lask
    inc dword ptr [accepts_first]
    and eax, AHEAD - 1
    mov eax, [accepts + eax * 4]
    pop ebx
    ret
.Lask:
    cmp dword ptr [accepts_asked], AHEAD
    je .Lasked
    inc dword ptr [accepts_asked]
    mov eax, ebx
    and eax, SOCKET_NOW - 1
    mov edx, RING_ACCEPT
    call submit
    jmp .Lask
.Lasked:
    mov eax, ERR_AGAIN
    pop ebx
    ret

; socket_read: as the library's, always with SOCKET_NOW. After ERR_AGAIN it is called again with the same buffer.
.global socket_read
socket_read:
    and eax, SOCKET_NOW - 1
    cmp dword ptr [reads + eax * 4], READ_ASKED
    je .Lagain
    jb .Lask
    mov dword ptr [reads + eax * 4], READ_NONE
    mov eax, [results + eax * 4]
    ret
.Lask:
    mov dword ptr [reads + eax * 4], READ_ASKED
    push ebx
    mov ebx, ecx
    mov ecx, edx
    mov edx, RING_READ
    call submit
    pop ebx
.Lagain:
    mov eax, ERR_AGAIN
    ret

; socket_write: as the library's, always with SOCKET_NOW.
.global socket_write
socket_write:
    push ebx
    mov ebx, ecx
    mov ecx, edx
    mov edx, RING_WRITE
    call submit                 ; with SOCKET_NOW
    mov eax, RING_SUBMISSIONS
    xor edx, edx
    call sys_rings_enter
    call hear
    mov eax, [written]
    pop ebx
    ret

; socket_finish: as the library's.
.global socket_finish
socket_finish:
    mov edx, RING_FINISH
    jmp submit

; socket_close: as the library's.
.global socket_close
socket_close:
    mov edx, RING_CLOSE
    jmp submit

.bss

.align 4
submission:                     ; SUBMISSION
    .space SUBMISSION_SIZE
written:                        ; result of the latest write
    .space 4
accepts_first:                  ; number of the first accept that is completed and was not told of,
    .space 4
accepts_end:                    ; and behind the last one
    .space 4
accepts_asked:                  ; accepts that are submitted
    .space 4
accepts:                        ; results, number n at n modulo AHEAD
    .space AHEAD * 4
reads:                          ; by socket: READ_
    .space (SOCKETS + 1) * 4
results:                        ; READ_DONE: what came of it
    .space (SOCKETS + 1) * 4
rings:                          ; RINGS
    .space RINGS_SIZE
