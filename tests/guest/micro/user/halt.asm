; Is HLT the root scheduler's alone?

.text

; main: asks.
.global main
main:
    hlt
