; Do finite timeouts end a send, a receive and the second half of a call, not too early and not late?

.include "../stage.inc"

.text

; main: each is of 4 ms, at ticks of 1 ms; a number is how many ms have passed, a letter the error, a for 0.
.global main
main:
    PLAYER deaf, 254
    mov [deaf_id], eax
    PLAYER mute, 254
    mov [mute_id], eax
    SLEEP 1                                         ; so that they have begun
    ; A receive from anybody; from one; a send; a call that is taken and not answered.
    mov eax, NIL_THREAD
    mov edx, ANY_THREAD
    mov ecx, FOUR_MS
    call attempt
    mov eax, NIL_THREAD
    mov edx, [deaf_id]
    mov ecx, FOUR_MS
    call attempt
    mov eax, [deaf_id]
    mov edx, NIL_THREAD
    mov ecx, FOUR_MS << TIMEOUT_SEND_SHIFT
    call attempt
    mov eax, [mute_id]
    mov edx, eax
    mov ecx, FOUR_MS
    call attempt
    ; A message in time, and a second wait that is not shortened by the first one's timeout.
    TELL [mute_id]
    mov eax, NIL_THREAD
    mov edx, [mute_id]
    mov ecx, FOUR_MS
    call attempt
    mov eax, NIL_THREAD
    mov edx, ANY_THREAD
    mov ecx, FOUR_MS
    call attempt
    ; The shortest one, and a point in time, which is not offered.
    mov eax, NIL_THREAD
    mov edx, ANY_THREAD
    mov ecx, 1
    call attempt
    mov eax, NIL_THREAD
    mov edx, ANY_THREAD
    mov ecx, TIMEOUT_POINT | 1
    call attempt
    jmp stage_end

; attempt: an IPC, and how it ends.
;   in    EAX, EDX, ECX as for ipc
attempt:
    xor esi, esi
    push dword ptr [KIP_BASE + KIP_CLOCK_LOW]
    call ipc
    pop edx
    mov eax, [KIP_BASE + KIP_CLOCK_LOW]
    sub eax, edx
    add eax, 500
    xor edx, edx
    mov ecx, 1000
    div ecx
    add al, '0'
    NOTE al
    xor eax, eax
    test esi, TAG_ERROR
    jz .Lnote
    UTCB eax
    mov eax, [eax + UTCB_ERROR]
.Lnote:
    add al, 'a'
    NOTE al
    ret

deaf:
    HEAR [mute_id]                                  ; who sends it nothing
mute:
    HEAR ROOT_TASK
    HEAR ROOT_TASK
    SLEEP 2
    TELL ROOT_TASK
    HEAR ROOT_TASK

.equ FOUR_MS, 2 << TIMEOUT_EXPONENT_SHIFT | 1000    ; 1000 * 4 us

.bss

deaf_id:
    .space 4
mute_id:
    .space 4
