; Ping-pong: one thread calls another one, which replies and waits, again and again. A root task of its own.
;
; Its arguments are SPACE WORDS ROUNDS. SPACE is intra, both in this address space, or inter: pong in one of its own, to
; which its pages are mapped when it faults. Every message has that many words. Nothing measures here: the image's paths
; go from ping_call to ping_called, and from gate to gate.

.include "lib/micro/user.inc"

TELLING = 3                     ; the letter in which `intra` and `inter` differ, from 0
PONG_STACK = 64                 ; bytes: a return address, and what the kernel's stub pushes
WHOLE_PAGE = PAGE_SHIFT << FPAGE_SHIFT | FPAGE_RIGHTS       ; of a flexpage: all but the address

.text

; main: starts pong and plays.
;   in    EAX = argument string
;   out   EAX = 0, or 1 if an IPC failed
.global main
main:
    push ebx
    push esi
    push edi

    ; The arguments.
    call argument_next
    mov ebx, eax
    call argument_next
    mov esi, eax
    call argument_number
    mov [words], eax
    mov eax, esi
    call argument_next
    call argument_number
    mov esi, eax

    ; Pong, in our space or in a new one.
    MYSELF edx
    mov eax, edx
    cmp byte ptr [ebx + TELLING], 'e'
    jne .Lmake
    mov eax, NIL_THREAD
.Lmake:
    call thread_make
    mov [pong_id], eax
    test eax, eax
    jz .Lfailed
    call pong_start
    jc .Lfailed
    mov eax, esi
    call ping
    jc .Lfailed
    xor eax, eax
    jmp .Lreturn
.Lfailed:
    mov eax, 1
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; pong_start: starts pong and is its pager until it is ready.
;   out   CF set: an IPC failed
pong_start:
    push ebx
    push esi
    push edi
    mov ebx, pong
    mov edi, pong_stack
    mov esi, 2                              ; words: where to start, and with which stack
.Lcall:
    mov eax, [pong_id]
    call ipc_call
    test esi, TAG_ERROR
    jnz .Lfailed
    cmp esi, LABEL_PAGE_FAULT << LABEL_SHIFT
    jb .Lready
    and ebx, PAGE_MASK
    lea edi, [ebx + WHOLE_PAGE]
    or ebx, ITEM_MAP                        ; our page, at the same address
    mov esi, 2 << TAG_TYPED_SHIFT
    jmp .Lcall
.Lfailed:
    stc
    jmp .Lreturn
.Lready:
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; ping: calls pong.
;   in    EAX = how often
;   out   CF set: an IPC failed
ping:
    push ebx
    push esi
    push edi
    push ebp
    mov ebp, eax
ping_round:
    mov eax, [pong_id]
    mov edx, eax
    mov ecx, TIMEOUT_NEVER
    mov esi, [words]
ping_call:
    call KIP_CODE
ping_called:
    test esi, TAG_ERROR
    jnz .Lfailed
    dec ebp
    jnz ping_round
    clc
    jmp .Lreturn
.Lfailed:
    stc
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; pong: answers every message with the same one. It begins with one of no words: it is ready.
pong:
    mov eax, ROOT_TASK
    xor esi, esi
pong_round:
    mov edx, ANY_THREAD
    mov ecx, TIMEOUT_NEVER
    call KIP_CODE
    jmp pong_round

.bss

.align 4
words:                          ; of every message, which is also its tag
    .space 4
pong_id:                        ; its identifier
    .space 4
    .space PONG_STACK
pong_stack:
