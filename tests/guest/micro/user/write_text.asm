; Is a program's text read-only?

.text

; main: asks.
.global main
main:
    mov dword ptr [main], 0
