; The small calls: bytes to the console that are not the caller's, more than it takes, none; numbers that are no call.

.include "test.inc"

.macro WRITE first, length
    mov eax, KDB_WRITE
    mov ebx, \first
    mov ecx, \length
    int VECTOR_SYSCALL
.endm

main:
    mov eax, MICRO_CALLS
    int VECTOR_SYSCALL
    test eax, eax
    CHECK z
    ERROR CALL_PARAMETER
    mov eax, -1
    int VECTOR_SYSCALL
    test eax, eax
    CHECK z

    ; Registers are kept.
    mov eax, -1
    mov ebx, 1
    mov ecx, 2
    mov edx, 3
    mov esi, 4
    mov edi, 5
    mov ebp, 6
    int VECTOR_SYSCALL
    add ebx, ecx
    add ebx, edx
    add ebx, esi
    add ebx, edi
    add ebx, ebp
    cmp ebx, 21
    CHECK e

    ; Nothing, the FIFO's worth of a lot, and then what has no room yet.
    mov ecx, 5000000
.Lempty:                        ; until the banner has left
    dec ecx
    jnz .Lempty
    WRITE text, 0
    test eax, eax
    CHECK z
    WRITE text, 100
    cmp eax, UART_FIFO
    CHECK e
    WRITE text, 100
    cmp eax, UART_FIFO
    CHECK b
    mov ecx, 5000000
.Lagain:
    dec ecx
    jnz .Lagain

    ; The kernel's, nobody's, the UTCBs, beyond the end; and one that ends on a page that is not there.
    WRITE KERNEL_BASE, 1
    cmp eax, -1
    CHECK e
    WRITE KERNEL_BASE - 1, 1
    cmp eax, -1
    CHECK e
    WRITE UTCB_BASE, 1
    cmp eax, -1
    CHECK e
    WRITE ROOT_BASE - 1, 1
    cmp eax, -1
    CHECK e
    WRITE -1, 2
    cmp eax, -1
    CHECK e
    ret

.data

text:
    .fill 100, 1, '.'
