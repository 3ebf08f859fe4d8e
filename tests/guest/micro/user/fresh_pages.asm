; Does a lower scheduler go on that page-faults before every dispatch? Each time it touches a page for the first time.

.text

; fail: comes before each dispatch.
.global fail
fail:
    mov eax, [page]
    add dword ptr [page], PAGE_SIZE
    inc dword ptr [eax]
    ret

.data
.align 4
page:
    .long pages

.bss
.align PAGE_SIZE
pages:
    .space 256 * PAGE_SIZE
