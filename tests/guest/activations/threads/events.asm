; In which order do threads go on whose reads have come?
;
; Four threads, a to d, read from a pipe each. The main thread writes to the pipes in the order of the first argument and
; says "-" then; with a second argument no upcall comes before the last write. Everybody who has read says its letter.

.include "lib/threads/threads.inc"

READERS = 4

.text

; main: makes the readers, writes, and prints what has been said.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    push edi
    call argument_next
    mov esi, eax
    call argument_next
    mov edi, eax
    xor ebx, ebx
.Lcreate:
    call sys_pipe
    jc .Lfail
    mov [pipes + ebx * 4], eax
    mov eax, read
    mov edx, ebx
    lea ecx, [ebx + ebx * 2]
    lea ecx, [attributes + ecx * 4]
    call thread_create
    jc .Lfail
    mov [readers + ebx * 4], eax
    inc ebx
    cmp ebx, READERS
    jb .Lcreate
    call thread_yield           ; all of them wait in the kernel now, those that are less urgent than this thread, too:
    mov eax, 1
    call thread_sleep           ; it waits itself
    cmp byte ptr [edi], 0
    je .Lwrite
    LOCK
.Lwrite:
    movzx ebx, byte ptr [esi]
    sub ebx, 'a'
    jb .Lwritten
    inc esi
    mov eax, [pipes + ebx * 4]
    mov edx, text_byte
    mov ecx, 1
    call sys_write_pipe
    jc .Lfail
    jmp .Lwrite
.Lwritten:
    mov ebx, '-'
    call say
    UNLOCK
    xor ebx, ebx
.Ljoin:
    mov eax, [readers + ebx * 4]
    call thread_join
    inc ebx
    cmp ebx, READERS
    jb .Ljoin
    mov eax, said
    call print_string
    mov al, '\n'
    call print_char
    xor eax, eax
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret
.Lfail:
    mov eax, 1
    jmp .Lreturn

; read: reads from a pipe and says its letter.
;   in    EAX = number of the pipe, from 0
read:
    push ebx
    push 0                      ; room for a byte
    mov ebx, eax
    mov eax, [pipes + ebx * 4]
    mov edx, esp
    mov ecx, 1
    call thread_read
    cmp eax, 1
    jne .Lreturn
    cmp byte ptr [esp], '!'
    jne .Lreturn
    add ebx, 'a'
    call say
.Lreturn:
    pop ecx
    pop ebx
    ret

; say: says a letter.
;   in    EBX = the letter
say:
    mov eax, [said_count]
    inc dword ptr [said_count]
    mov [said + eax], bl
    ret

.rodata

text_byte:
    .ascii "!"
.align 4
attributes:                     ; of a to d: pages, priority, deadline; the main thread has 16 and none
    .long 1, 5, 40
    .long 1, 20, 30
    .long 1, 12, 20
    .long 1, 5, 40

.bss

.align 4
pipes:                          ; numbers
    .space READERS * 4
readers:                        ; threads
    .space READERS * 4
said_count:                     ; letters
    .space 4
said:                           ; what has been said
    .space 16
