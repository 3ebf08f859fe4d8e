; Does SYSENTER with a return address in the kernel fault in ring 3?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, SYS_YIELD
    mov ecx, KERNEL_IMAGE
    mov edx, KERNEL_IMAGE
    sysenter
    SAY "went on\n"
