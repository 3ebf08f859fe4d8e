; Do threads that never yield take turns, if the library is told how long a turn is?

SLICE = 50000                   ; cycles

.text

; main: starts two threads that wait for each other without yielding.
;   out   EAX = exit code
.global main
main:
    mov eax, SLICE
    call thread_slice
    mov eax, wait_turn
    mov edx, 1
    xor ecx, ecx
    call thread_create
    push eax
    xor eax, eax
    call wait_turn
    pop eax
    call thread_join
    mov eax, text_turns
    call print_string
    xor eax, eax
    ret

; wait_turn: three turns, each when the other has had one.
;   in    EAX = 0 or 1: whose turns
wait_turn:
    mov ecx, 3
.Lwait:
    mov edx, [turn]
    and edx, 1
    cmp edx, eax
    jne .Lwait
    inc dword ptr [turn]
    dec ecx
    jnz .Lwait
    ret

.rodata

text_turns:
    .asciz "three turns each\n"

.bss

.align 4
turn:                           ; turns that there have been
    .space 4
