; Threads in spaces of their own until the kernel's memory is used up; then none of them; and as many again.

.include "test.inc"

main:
    call fill
    mov ebp, eax
    cmp ebp, 16
    CHECK a
    call empty
    call fill
    cmp eax, ebp
    CHECK e
    ; Into a space that is there, there is room for one more, if for its UTCB.
    call empty
    ret

; fill: out   EAX = threads made
fill:
    xor edi, edi
.Lmake:
    lea eax, [edi + FIRST_THREAD + 1]
    shl eax, ID_SHIFT
    inc eax
    CONTROL eax, ebx, ROOT, ROOT
    test eax, eax
    jz .Lfull
    inc edi
    cmp edi, MAX_THREADS - FIRST_THREAD - 1
    jb .Lmake
    mov eax, edi
    ret
.Lfull:
    ERROR CALL_MEMORY
    mov eax, edi
    ret

; empty: ends EDI threads, all that fill has made.
empty:
    test edi, edi
    jz .Lreturn
    lea eax, [edi + FIRST_THREAD]
    shl eax, ID_SHIFT
    inc eax
    CONTROL eax, NIL_THREAD, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
    dec edi
    jmp empty
.Lreturn:
    ret
