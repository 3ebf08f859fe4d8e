; Does something wrong: its argument says what.

.text

; main: does it.
;   in    EAX = argument string: its name and a letter
;   out   EAX = exit code, if that was not wrong enough
.global main
main:
    call argument_next
    mov cl, [eax]
    mov eax, 99
    cmp cl, 'd'
    je .Ldivide
    cmp cl, 'n'
    je .Lnull
    cmp cl, 't'
    je .Ltext
    cmp cl, 'k'
    je .Lkernel
    cmp cl, 'h'
    je .Lhalt
    cmp cl, 'j'
    je .Ljump
    cmp cl, 'm'
    je .Lmain
    cmp cl, 'r'
    je .Lroot
    cmp cl, 's'
    je .Lswitch
    ret
    ; Nothing wrong with this: it lets others run, by the kernel's own call.
.Lswitch:
    mov esi, 5
.Lagain:
    mov eax, L4_THREAD_SWITCH
    mov ebx, NIL_THREAD
    int VECTOR_SYSCALL
    mov eax, text_here
    call print_string
    dec esi
    jnz .Lagain
    xor eax, eax
    ret
.Ldivide:
    xor ecx, ecx
    div ecx
.Lnull:
    mov eax, [ecx * 0 + 4]
.Ltext:
    mov byte ptr [main], 0
.Lkernel:
    mov eax, [KERNEL_BASE]
.Lhalt:
    hlt
.Ljump:
    mov eax, 0x1234
    jmp eax
    ; A message to its pager, which is main, with a label that means nothing; or to the resource monitor.
.Lmain:
    mov eax, [KIP_BASE + KIP_UTCB]
    mov eax, [eax + UTCB_PAGER]
    jmp .Lsend
.Lroot:
    mov eax, ROOT_TASK
.Lsend:
    mov edx, eax
    mov esi, VM_EXIT << LABEL_SHIFT | 1
    xor ebx, ebx
    mov ecx, TIMEOUT_NEVER
    call KIP_CODE
    mov eax, 98                 ; nobody answers that
    ret

.rodata

text_here:
    .asciz "here\n"
