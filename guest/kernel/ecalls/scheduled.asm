; What programs learn of how they are scheduled, whatever the policy.

.include "ecalls.inc"

.text

; scheduled_begin: finds a process, and checks where a program wants to read of it.
;   in    EBX = process, ESI = address of a SCHEDULED, or 0, both straight from the program
;   out   EBX = PCB, the SCHEDULED is all zero; CF set: EAX = error. EDI is destroyed
.global scheduled_begin
scheduled_begin:
    mov eax, ebx
    call process_find
    mov ebx, eax
    mov eax, ERR_PROCESS
    jc .Lreturn
    test esi, esi
    jz .Lreturn                 ; CF is clear
    mov eax, esi
    mov edx, SCHEDULED_SIZE
    mov ecx, 1
    call user_memory
    mov eax, ERR_ADDRESS
    jc .Lreturn
    mov edi, esi
    xor eax, eax
    mov ecx, SCHEDULED_SIZE / 4
    rep stosd
    clc
.Lreturn:
    ret
