; Lines to the console, by the resource monitor, which keeps the lines of several virtual machines apart.

.include "lib/micro/user.inc"

.text

; write_line: writes, and waits until the console has taken everything, as the first kernel does.
;   in    EAX = first byte, EDX = how many
.global write_line
write_line:
    push ebx
    push esi
    push edi
    push ebp
    mov ebp, eax
    mov ebx, edx
.Lrest:
    test ebx, ebx
    jz .Lreturn
    mov esi, ebp
    UTCB edi
    add edi, UTCB_MR2
    mov ecx, (VM_PRINT_MAX + 3) / 4
    rep movsd                   ; more than there is, perhaps: what it is does not matter
    UTCB edi
    mov edi, [edi + UTCB_MR2]
    push ebx
    cmp ebx, VM_PRINT_MAX
    jbe .Lask
    mov ebx, VM_PRINT_MAX
.Lask:
    mov eax, ROOT_TASK
    mov esi, VM_PRINT << LABEL_SHIFT | (1 + (VM_PRINT_MAX + 3) / 4)
    call ipc_call
    mov eax, ebx
    pop ebx
    add ebp, eax
    sub ebx, eax
    jmp .Lrest
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret
