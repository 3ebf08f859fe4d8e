; How a lower scheduler fails: it runs on and on, and does not dispatch.

DISPATCHES = 6                  ; that go well

.text

; fail: comes before each dispatch.
.global fail
fail:
    dec dword ptr [left]
    js fail_stuck
    ret
fail_stuck:
    jmp fail_stuck

.data

.align 4
left:                           ; dispatches until it fails
    .long DISPATCHES
