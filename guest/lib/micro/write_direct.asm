; Lines to the console by the kernel's debugger: for a root task that runs alone, or that does not mind the wait.
;
; Each line is one piece only if no other thread writes meanwhile.

.include "lib/micro/user.inc"

.text

; write_line: writes, and waits until the console has taken everything.
;   in    EAX = first byte, EDX = how many
.global write_line
write_line:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
.Lrest:
    test esi, esi
    jz .Lreturn
    mov eax, ebx
    mov edx, esi
    call kdb_write
    test eax, eax
    js .Lreturn                 ; -1: not our memory
    add ebx, eax
    sub esi, eax
    jmp .Lrest
.Lreturn:
    pop esi
    pop ebx
    ret
