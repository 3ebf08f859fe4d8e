; Do threads sleep for themselves, while others run and while none does?
;
; Three threads sleep 6, 4 and 2 ticks, twice as long the second time, and say so; the main thread counts meanwhile if
; there is an argument, else it waits for them.

.text

; main: starts the sleepers, counts, and waits for them.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    push ebx
    call argument_next
    push eax
    mov ebx, 3
.Lcreate:
    mov eax, sleep
    lea edx, [ebx * 2]
    xor ecx, ecx
    call thread_create
    jc .Lfail
    mov [sleepers - 4 + ebx * 4], eax
    dec ebx
    jnz .Lcreate
    pop eax
    cmp byte ptr [eax], 0
    je .Ljoin
.Lcount:
    call thread_yield
    inc dword ptr [counted]
    cmp dword ptr [woken], 6
    jb .Lcount
.Ljoin:
    mov eax, [sleepers + ebx * 4]
    call thread_join
    inc ebx
    cmp ebx, 3
    jb .Ljoin
    cmp dword ptr [counted], 100
    jb .Lfew
    mov eax, text_counted
    call print_string
.Lfew:
    xor eax, eax
    pop ebx
    ret
.Lfail:
    pop eax
    mov eax, 1
    pop ebx
    ret

; sleep: sleeps twice.
;   in    EAX = ticks
sleep:
    push ebx
    mov ebx, eax
    call sleep_once
    lea eax, [ebx * 2]
    call sleep_once
    pop ebx
    ret

; sleep_once: sleeps, and says for how long.
;   in    EAX = ticks
sleep_once:
    push eax
    call thread_sleep
    pop eax
    inc dword ptr [woken]
    call print_decimal
    mov al, '\n'
    jmp print_char

.rodata

text_counted:
    .asciz "counted meanwhile\n"

.bss

.align 4
sleepers:                       ; threads
    .space 12
woken:                          ; how often a sleeper woke
    .space 4
counted:                        ; turns of the main thread
    .space 4
