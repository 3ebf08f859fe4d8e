; Lines to the console by the root task, which writes each in one piece.
;
; Nobody waits for the console itself: a line goes into the root task's buffer, and only when that is full the program
; waits.

.include "lib/micro/user.inc"

.text

; write_line: has a line written.
;   in    EAX = first byte, EDX = how many, at most PRINT_MAX
.global write_line
write_line:
    push ebx
    push esi
    push edi
    push ebp
    mov ebp, eax
    push edx
.Lagain:
    ; The text goes into the message registers from MR2 on, of which the first is in EDI.
    mov ebx, [esp]
    mov esi, ebp
    UTCB edx
    lea edi, [edx + UTCB_MR2]
    mov ecx, ebx
    rep movsb
    mov edi, [edx + UTCB_MR2]

    ; MR1 and the words of the text.
    mov esi, ebx
    add esi, 3
    shr esi, 2
    add esi, ROOT_PRINT << LABEL_SHIFT | 1
    mov eax, ROOT_TASK
    call ipc_call
    cmp ebx, -1                 ; there was no room
    je .Lagain
    pop edx
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret
