; Do all lines arrive, whole and in order, when two threads of each program write more than the buffer takes?

.include "test.inc"

STACK = 1024
LINES = 20

.text

; main: asks.
.global main
main:
    mov [name], eax
    MYSELF eax
    mov [me], eax
    START second, stack_top
    mov ebp, eax
    mov eax, 'a'
    call chat
    mov edx, ebp
    call ipc_receive                ; the other one is through as well
    xor eax, eax
    ret

; second: the other one.
second:
    mov eax, 'b'
    call chat
    mov eax, [me]
    xor esi, esi
    jmp ipc_send

; chat: prints LINES lines of "name a 1 ........".
;   in    EAX = letter
chat:
    mov edi, eax
    mov esi, 1
.Lline:
    mov eax, [name]
    call print_word
    mov eax, ' '
    call print_char
    mov eax, edi
    call print_char
    mov eax, ' '
    call print_char
    mov eax, esi
    call print_decimal
    SAY " ............................................................\n"
    inc esi
    cmp esi, LINES
    jbe .Lline
    ret

.bss

.align 16
    .space STACK
stack_top:
name:
    .space 4
me:
    .space 4
