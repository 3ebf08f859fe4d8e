; Counts and never yields: only the timer can take the processor away.

ROUNDS = 5                      ; lines to print
WORK   = 1000000                ; turns of an empty loop before each

.text

; main: prints "name: 1 of 5" and so on, with a good deal of work before each line.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    mov esi, eax
    mov ebx, 1
.Lround:
    ; The work: a few ticks' worth, in which the other programs have their turns.
    mov ecx, WORK
.Lwork:
    dec ecx
    jnz .Lwork

    ; The line: its last character sends it off in one piece.
    mov eax, esi
    call print_word
    mov eax, text_colon
    call print_string
    mov eax, ebx
    call print_decimal
    mov eax, text_of
    call print_string
    mov eax, ROUNDS
    call print_decimal
    mov al, '\n'
    call print_char
    inc ebx
    cmp ebx, ROUNDS
    jbe .Lround
    xor eax, eax
    pop esi
    pop ebx
    ret

.rodata

text_colon:
    .asciz ": "
text_of:
    .asciz " of "
