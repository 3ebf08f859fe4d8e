; What sockets are linked with in their tests: a wire that keeps what is sent, a clock that Python sets, memory that
; programs see elsewhere than it is, and a list of who is woken.

SENT_SLOTS = 64                 ; frames that are kept, the last ones
WOKEN_SLOTS = 256               ; likewise of who is woken
SLOT_BYTES = 2048               ; of each frame
SLOT_DATA = 16                  ; where the data begin in a slot
WOKEN_SIZE = 8                  ; owner, SOCKET
WOKEN_SOCKET = 4

; DESTROY: what a routine may destroy.
.macro DESTROY
    mov ecx, 0xdeadbeef
    mov edx, ecx
.endm

.text

; start: nothing is run from here.
.global start
start:
    hlt

; back: where routines return to that Python has called.
.global back
back:
    hlt

; net_transmit: keeps a frame: length, frame.
;   in    ESI = frame, ECX = length
.global net_transmit
net_transmit:
    push esi
    push edi
    mov edi, [sent_count]
    inc dword ptr [sent_count]
    and edi, SENT_SLOTS - 1
    imul edi, edi, SLOT_BYTES
    add edi, sent
    mov [edi], ecx
    add edi, SLOT_DATA
    rep movsb
    mov eax, 0xdeadbeef
    DESTROY
    pop edi
    pop esi
    ret

; net_clock: what Python says.
;   out   EAX = milliseconds
.global net_clock
net_clock:
    mov eax, [now]
    DESTROY
    ret

; user_memory: programs have the memory from user_start to user_end, and may write it from user_writable on. It is
; user_offset higher than they see it.
;   in    EAX = address, EDX = length, ECX = 1: write, 0: read
;   out   EAX = address; CF set: not theirs
.global user_memory
user_memory:
    add edx, eax
    jc .Lreturn
    cmp [user_end], edx
    jb .Lreturn
    cmp eax, [user_start]
    jb .Lreturn
    jecxz .Lgood
    cmp eax, [user_writable]
    jb .Lreturn
.Lgood:
    add eax, [user_offset]
    clc
.Lreturn:
    mov ecx, 0xdeadbeef
    mov edx, ecx
    ret

; socket_wake: keeps the last ones that were woken.
;   in    EAX = owner, EDX = SOCKET
.global socket_wake
socket_wake:
    mov ecx, [woken_count]
    inc dword ptr [woken_count]
    and ecx, WOKEN_SLOTS - 1
    mov [woken + ecx * WOKEN_SIZE], eax
    mov [woken + ecx * WOKEN_SIZE + WOKEN_SOCKET], edx
    mov eax, 0xdeadbeef
    DESTROY
    ret

.bss

.global now, sent, sent_count, woken, woken_count, user_start, user_writable, user_end, user_offset, room, config

.align 16
now:
    .space 4
sent_count:
    .space 4
woken_count:
    .space 4
user_start:
    .space 4
user_writable:
    .space 4
user_end:
    .space 4
user_offset:
    .space 4
config:                         ; NET
    .space NET_SIZE
woken:
    .space WOKEN_SLOTS * WOKEN_SIZE
sent:
    .space SENT_SLOTS * SLOT_BYTES
room:                           ; the programs' memory, and frames that come
    .space 0x20000
