; Do bytes of several producers reach several consumers, each once, while all are preempted all the time? The kernel's
; tick is fast.

.include "test.inc"

BYTES = 5000                    ; of each producer

.text

; _start: the program: three producers, three consumers; each consumer counts how often it got each value.
.global _start
_start:
    CALL_KERNEL SYS_PIPE
    .irp n, 1, 2, 3
    THREAD produces, stack_\n, 0x11 * \n
    .endr
    .irp n, 4, 5, 6
    THREAD consumes, stack_\n, 7 * \n
    .endr
    mov ebp, 2
join:                           ; the producers: threads 2, 3, 4
    CALL_KERNEL SYS_THREAD_JOIN, ebp
    inc ebp
    cmp ebp, 5
    jb join
    CALL_KERNEL SYS_SLEEP, 20   ; until the consumers have taken the rest
    .irp n, 1, 2, 3
    mov eax, [counts + 4 * (0x11 * \n)]
    EXPECT BYTES, "all of one producer's\n"
    .endr
    xor eax, eax
    mov ecx, 256
sum:
    add eax, [counts + ecx * 4 - 4]
    loop sum
    EXPECT 3 * BYTES, "and nothing else\n"
    EXIT 0

produces:                       ; in pieces whose sizes differ; EAX = the value
    mov ecx, 256
    mov edx, eax
    imul ebp, eax, 13
    imul edi, eax, 256
    add edi, buffers
    mov esi, edi
    rep stosb
    mov edi, BYTES              ; left
    mov ecx, esi
piece:
    add ebp, 29
    and ebp, 0xFF
    cmp ebp, edi
    jbe fits
    mov ebp, edi
fits:
    push edi
    CALL_KERNEL SYS_WRITE_PIPE, 1, ecx, ebp
    mov ecx, esi
    pop edi
    sub edi, eax
    jnz piece
    CALL_KERNEL SYS_THREAD_EXIT, 0

consumes:                       ; EAX = how many at a time
    mov ebp, eax
    imul edi, eax, 256
    add edi, buffers
    mov ecx, edi
take:
    mov esi, ecx
    CALL_KERNEL SYS_READ, 1, esi, ebp
    mov ecx, esi
count:
    dec eax
    js take
    movzx edx, byte ptr [esi + eax]
    lock inc dword ptr [counts + edx * 4]
    jmp count

.bss
counts:
    .space 256 * 4
buffers:
    .space 256 * 256
    .irp n, 1, 2, 3, 4, 5, 6
    STACK stack_\n
    .endr
