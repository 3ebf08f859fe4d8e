; What becomes of the threads of a lower scheduler that faults?

.text

; fail: comes before each dispatch.
.global fail
fail:
    dec dword ptr [left]
    js .Lfault
    ret
.Lfault:
    mov [0], eax

.data
.align 4
left:
    .long 5
