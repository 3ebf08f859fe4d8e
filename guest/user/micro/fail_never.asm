; How a lower scheduler fails: not at all.

.text

; fail: comes before each dispatch.
.global fail
fail:
    ret
