; The console: lines go into a buffer, and a thread of the root task's writes them, as fast as the console takes them.
;
; Owns the buffer and that thread. The root task itself never waits for the console: its own lines are dropped when the
; buffer is full, and a program's line waits with the program. Since only the root task puts lines in, each stays whole.
;
;     buffer:   | | t e x t   t o   w r i t e | | |       both counters run on, modulo 2^32;
;                 ^ written                   ^ taken     a place is a counter modulo BUFFER_SIZE

.include "lib/micro/user.inc"

BUFFER_SIZE = PAGE_SIZE
RESERVE     = 1024              ; bytes that programs leave for the root task's lines
STACK       = 512

.text

; console_init: starts the thread.
.global console_init
console_init:
    mov eax, console_pump
    mov edx, pump_stack_top
    call thread_new
    call client_find
    mov [pump], eax
    ret

; console_pump: the thread: writes what is there, and reports when there is nothing left.
console_pump:
    mov eax, [written]
    mov edx, [taken]
    sub edx, eax
    jz .Lreport
    and eax, BUFFER_SIZE - 1
    mov ecx, BUFFER_SIZE
    sub ecx, eax                ; bytes up to the buffer's end
    cmp edx, ecx
    jbe .Lwrite
    mov edx, ecx
.Lwrite:
    add eax, buffer
    call kdb_write
    add [written], eax
    test eax, eax
    jnz console_pump
    mov eax, NIL_THREAD         ; no room now: let others run
    call thread_switch
    jmp console_pump
.Lreport:
    mov eax, ROOT_TASK
    mov esi, ROOT_PUMP << LABEL_SHIFT
    call ipc_call
    jmp console_pump

; console_report: request ROOT_PUMP: the thread has written everything.
;   in    EBP = client
.global console_report
console_report:
    cmp ebp, [pump]
    jne client_refuse
    mov dword ptr [idle], 1
.Lprinter:
    mov edx, printers
    call queue_take
    test eax, eax
    jz console_turn
    mov edx, -1                 ; it had to wait: now there is room
    call client_wake
    jmp .Lprinter

; console_turn: if the thread waits, it goes on if there is something to write; if not, and no program is left, we are
; done.
console_turn:
    cmp dword ptr [idle], 0
    je .Lreturn
    mov eax, [written]
    cmp eax, [taken]
    je .Lnothing
    mov dword ptr [idle], 0
    mov eax, [pump]
    mov edx, 1
    jmp client_wake
.Lnothing:
    cmp dword ptr [finished], 0
    je .Lreturn
    mov eax, [exit_code]
    jmp kdb_exit
.Lreturn:
    ret

; console_finish: the last program has ended: so does the machine when everything is written.
.global console_finish
console_finish:
    mov dword ptr [finished], 1
    jmp console_turn

; console_print: request ROOT_PRINT: a program's line.
;   in    EBP = client, ESI = tag, EBX = length, EDI = the first of the text, the rest in the UTCB from MR3 on
.global console_print
console_print:
    cmp ebx, PRINT_MAX
    ja client_refuse
    and esi, TAG_UNTYPED        ; MR1 and the text: is it all in the message?
    mov eax, ebx
    add eax, 4
    shl esi, 2
    cmp eax, esi
    ja client_refuse
    call console_room
    sub eax, RESERVE
    jb .Lwait
    cmp eax, ebx
    jb .Lwait
    UTCB eax
    mov [eax + UTCB_MR2], edi
    add eax, UTCB_MR2
    mov edx, ebx
    call write_line
    mov eax, 1
    jmp client_answer
.Lwait:
    mov eax, ebp
    mov edx, printers
    jmp queue_last

; write_line: a line into the buffer.
;   in    EAX = first byte, EDX = how many
.global write_line
write_line:
    push ebx
    push esi
    mov esi, eax
    mov ebx, edx
    call console_room
    cmp eax, ebx
    jb .Ldropped
.Lcharacter:
    dec ebx
    js .Lput
    lodsb
    mov edx, [taken]
    and edx, BUFFER_SIZE - 1
    mov [buffer + edx], al
    inc dword ptr [taken]
    jmp .Lcharacter
.Lput:
    call console_turn
.Ldropped:
    pop esi
    pop ebx
    ret

; console_room: how much is free?
;   out   EAX = bytes
console_room:
    mov eax, [written]
    sub eax, [taken]
    add eax, BUFFER_SIZE
    ret

.bss

.align 16
    .space STACK
pump_stack_top:                 ; below it: the thread's LOCAL and stack
buffer:                         ; what has been taken and not been written
    .space BUFFER_SIZE
taken:                          ; bytes that have come into the buffer
    .space 4
written:                        ; bytes that have left it: the thread's alone to change
    .space 4
pump:                           ; the thread's CLIENT
    .space 4
idle:                           ; 1 while the thread waits for something to write
    .space 4
finished:                       ; 1 when no program is left
    .space 4
printers:                       ; queue: those who wait for room
    .space 4
