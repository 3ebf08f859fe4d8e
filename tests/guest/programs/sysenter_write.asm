; Is SYSENTER a way into the kernel?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    test eax, FEATURE_SYSENTER
    jz without
    mov ebx, text
    mov esi, text_end - text
    mov eax, SYS_WRITE
    CALL_SYSENTER
    EXPECT text_end - text, "came back\n"
    EXIT 0
without:
    SAY "no SYSENTER here\n"
    EXIT 0

.rodata
text:
    .ascii "by SYSENTER\n"
text_end:
