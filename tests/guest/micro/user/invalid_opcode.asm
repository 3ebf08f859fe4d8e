; Is an invalid opcode an exception?

.text

; main: asks.
.global main
main:
    ud2
