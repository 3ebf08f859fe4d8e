; Three threads in a row: one says something, one says it louder, one prints it. Pipes stand between them.

STACK = 1024                    ; bytes of a thread's stack
PIECE = 16                      ; bytes that a thread reads at once

.text

; main: makes two pipes and two threads, and is the third.
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    push edi
    mov eax, SYS_PIPE
    call dword ptr [syscall]
    mov [quiet], eax
    mov eax, SYS_PIPE
    call dword ptr [syscall]
    mov [loud], eax
    mov ebx, speaker
    mov esi, speaker_stack
    call create
    mov ebx, amplifier
    mov esi, amplifier_stack
    call create

    ; Print what comes, until the text is whole.
    mov edi, text_end - text    ; bytes to come
.Lprint:
    mov eax, [loud]
    mov edx, main_buffer
    mov ecx, PIECE
    call sys_read
    sub edi, eax
    mov edx, eax
    mov eax, main_buffer
    call sys_write
    test edi, edi
    jnz .Lprint
    xor eax, eax                ; the end of the process; the amplifier still waits for more
    pop edi
    pop esi
    pop ebx
    ret

; create: a thread.
;   in    EBX = entry, ESI = stack pointer
create:
    mov eax, SYS_THREAD_CREATE
    jmp dword ptr [syscall]

; speaker: a thread: writes the text, and ends.
speaker:
    mov esi, text
    mov edi, text_end - text
    mov eax, [quiet]
    call write_all
    mov eax, SYS_THREAD_EXIT
    jmp dword ptr [syscall]

; amplifier: a thread: writes what it reads in capitals, for ever.
amplifier:
    mov eax, [quiet]
    mov edx, amplifier_buffer
    mov ecx, PIECE
    call sys_read
    mov edi, eax
    mov esi, amplifier_buffer
    mov ecx, eax
.Lletter:
    mov dl, [esi]
    sub dl, 'a'
    cmp dl, 'z' - 'a'
    ja .Lnext
    sub byte ptr [esi], 'a' - 'A'
.Lnext:
    inc esi
    dec ecx
    jnz .Lletter
    mov esi, amplifier_buffer
    mov eax, [loud]
    call write_all
    jmp amplifier

; write_all: writes into a pipe, as much at a time as there is room for.
;   in    EAX = pipe; ESI = first byte, EDI = how many, not 0
;   out   ESI, EDI destroyed
write_all:
    push ebx
    mov ebx, eax
.Lpiece:
    mov eax, ebx
    mov edx, esi
    mov ecx, edi
    call sys_write_pipe
    add esi, eax
    sub edi, eax
    jnz .Lpiece
    pop ebx
    ret

.rodata

text:
    .ascii "a pipe takes what fits,\nand gives what is there\n"
text_end:

.bss

.align 4
quiet:                          ; pipe from the speaker to the amplifier
    .space 4
loud:                           ; pipe from the amplifier to main
    .space 4
main_buffer:
    .space PIECE
amplifier_buffer:
    .space PIECE
    .space STACK
speaker_stack:
    .space STACK
amplifier_stack:
