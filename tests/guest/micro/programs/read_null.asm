; The root task reads at 0, where nothing can be: its pager is the kernel, which has nothing for it.

.text

; _start: faults.
.global _start
_start:
    mov eax, [0]
