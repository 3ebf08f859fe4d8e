; What becomes of the threads of a lower scheduler that ends itself?

.include "test.inc"

.text

; fail: comes before each dispatch.
.global fail
fail:
    dec dword ptr [left]
    js .Lend
    ret
.Lend:
    MYSELF eax
    jmp space_end

.data
.align 4
left:
    .long 5
