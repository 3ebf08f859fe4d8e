; Does a sleep last as many ticks as were asked for? Twice ten.

.include "test.inc"

.text

; main: asks.
.global main
main:
    mov eax, 1
    call program_sleep
    call nap
    call nap
    xor eax, eax
    ret

; nap: ten ticks.
;   in    EAX = number of the tick that it is
nap:
    push eax
    mov eax, 10
    call program_sleep
    pop edx
    add edx, 10
    cmp eax, edx
    jne .Lwrong
    push eax
    SAY "sleeper: the ticks that were asked for\n"
    pop eax                         ; the tick that it is now
    ret
.Lwrong:
    SAY "wrong: other ticks\n"
    ret
