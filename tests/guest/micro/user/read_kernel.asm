; Is the kernel's memory nobody's to read? No pager is asked: it is an exception.

.text

; main: asks.
.global main
main:
    mov eax, [KERNEL_BASE]
