; Services: what extensions of the kernel offer to programs, by name.
;
; Owns the list of services. An extension keeps a SERVICE, which says how it wants to hear of the events of programs, and
; what the data segments of its channels look like. Its routines are called with interrupts off and may not wait, except
; SERVICE_CALL and SERVICE_THREAD; by the calling rule, with
;
;     SERVICE_FAST        EAX = CHANNEL, EDX = argument; out: EAX = result, EDX = bits of FastResult
;     SERVICE_CALL        EAX, EDX = arguments, the running process is the caller; out: EAX = result
;     SERVICE_DEFERRED    EAX = CHANNEL
;     SERVICE_HANDLER     EAX = CHANNEL, EDX = value; interrupts on; out: EAX = FILTER_ bits
;     SERVICE_THREAD      EAX = CHANNEL; in a thread of the kernel
;     SERVICE_BEGIN       EAX = CHANNEL; out: CF set: refused
;     SERVICE_END         EAX = CHANNEL

.include "ecalls.inc"

.text

; register_service: offers a service from now on.
;   in    EAX = SERVICE
.global register_service
register_service:
    mov edx, [services]
    mov [eax + SERVICE_NEXT], edx
    mov [services], eax
    ret

; service_find: the service whose name a program says.
;   in    EBX = address of the name, straight from the program
;   out   ECX = SERVICE; CF set: there is none, EAX = ERR_SERVICE or ERR_ADDRESS. EBX, EBP kept, all else destroyed
.global service_find
service_find:
    ; As much of the name as can be read: all that a name may have, or to the end of its first page.
    mov eax, ebx
    mov edx, SERVICE_NAME_MAX
    xor ecx, ecx
    call user_memory
    mov edi, SERVICE_NAME_MAX
    jnc .Lcompare
    mov edx, ebx
    neg edx
    and edx, PAGE_SIZE - 1
    mov edi, edx
    cmp edx, SERVICE_NAME_MAX
    jae .Laddress
    test edx, edx
    jz .Laddress
    mov eax, ebx
    xor ecx, ecx
    call user_memory
    jc .Laddress
.Lcompare:
    mov ecx, [services]
.Lservice:
    jecxz .Lnone
    mov esi, [ecx + SERVICE_NAME]
    xor edx, edx
.Lchar:
    cmp edx, edi
    jae .Lnext
    mov al, [ebx + edx]
    cmp al, [esi + edx]
    jne .Lnext
    inc edx
    test al, al
    jnz .Lchar
    ret                         ; CF is clear
.Lnext:
    mov ecx, [ecx + SERVICE_NEXT]
    jmp .Lservice
.Lnone:
    mov eax, ERR_SERVICE
    stc
    ret
.Laddress:
    mov eax, ERR_ADDRESS
    stc
    ret

; sys_ecall: the generic system call; see syscall.asm for what a system call may rely on.
;   in    EBX = name, ESI, EDI = arguments
;   out   EAX = result
.global sys_ecall
sys_ecall:
    push esi
    push edi
    call service_find
    pop edx
    jc .Lreturn
    mov ecx, [ecx + SERVICE_CALL]
    jecxz .Lnone
    mov eax, [esp]
    call ecx
.Lreturn:
    pop edx
    ret
.Lnone:
    mov eax, ERR_SERVICE
    pop edx
    ret

.bss

.align 4
services:                       ; the SERVICE that was registered last, or 0
    .space 4
