; Does a thread keep all of its registers, and the flags, when an upcall preempts it?
;
; Between explore_begin and explore_end each register is a number that the next one is made of, and the flags matter at
; each step. The thread that the upcall lets run destroys all it may, and more: it leaves them all set.

DIRECTION = 0x400               ; DF among the flags

.text

; main: computes while a thread sleeps, and looks at the result.
;   out   EAX = exit code: 0, or what is wrong
.global main
main:
    push ebx
    push esi
    push edi
    push ebp
    mov eax, sleeper
    xor ecx, ecx
    call thread_create
    mov [thread], eax
    call thread_yield           ; it sleeps now
    mov [stack], esp

; explore_begin: the computation.
.global explore_begin
explore_begin:
    mov eax, 0x80000001
    mov ebx, 0x12345678
    std
    add eax, eax                ; carry and overflow
    rcl ebx, 1
    mov ecx, ebx
    adc ecx, ebx
    seto dl
    movzx edx, dl
    sbb edx, ecx
    lea esi, [edx + ecx * 2]
    rcr esi, 1
    mov edi, esi
    adc edi, eax
    lahf
    mov ebp, eax
    xor ebp, edi
    push ebp
    pushfd
    pop eax
    cld
    and eax, DIRECTION
    pop ebp

; explore_end: the computation is done.
.global explore_end
explore_end:
    cmp esp, [stack]
    mov ecx, 1
    jne .Lwrong
    inc ecx
    cmp eax, DIRECTION
    jne .Lwrong
    push edx
    mov eax, [thread]
    call thread_join
    pop edx
    cmp eax, 7
    mov ecx, 3
    jne .Lwrong
    lea eax, [ebx + edx]
    rol eax, 3
    xor eax, esi
    rol eax, 3
    add eax, edi
    rol eax, 3
    xor eax, ebp
    mov ecx, eax
    shr eax, 16
    xor eax, ecx
    and eax, 0x7F               ; the same at every end, whatever it is
    jmp .Lreturn
.Lwrong:
    lea eax, [ecx + 0x80]
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; sleeper: sleeps, and leaves nothing as it was.
;   out   EAX = 7
sleeper:
    mov eax, 1
    call thread_sleep
    pushfd
    pop eax
    test eax, DIRECTION
    mov eax, 0                  ; the direction must be up, whatever was interrupted
    jnz .Lreturn
    or ebx, -1
    or esi, -1
    or edi, -1
    or ebp, -1
    or ecx, -1
    or edx, -1
    mov eax, 7
.Lreturn:
    ret

.bss

.align 4
thread:                         ; the sleeper
    .space 4
stack:                          ; ESP when the computation begins
    .space 4
