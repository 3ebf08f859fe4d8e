; A thread waits for input while others compute and never let it go first: how soon is it there when a byte comes?
;
; The arguments are how many threads compute, and how many bytes are read; then the program ends. It can be linked with
; any kind of threads; where threads have priorities the reader's is the highest.

.text

; main: starts the threads and waits for the reader.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    call argument_next
    mov esi, eax
    call argument_number
    mov ebx, eax
    mov eax, esi
    call argument_next
    call argument_number
    mov edx, eax
    mov eax, reader
    mov ecx, attributes_reader
    call thread_create
    jc .Lfail
    mov esi, eax
.Lnext:
    test ebx, ebx
    jz .Lwait
    dec ebx
    mov eax, compute
    mov ecx, attributes_compute
    call thread_create
    jnc .Lnext
.Lfail:
    mov eax, 1
    jmp .Lreturn
.Lwait:
    mov eax, esi
    call thread_join
    xor eax, eax
.Lreturn:
    pop esi
    pop ebx
    ret

; reader: reads bytes, one at a time.
;   in    EAX = how many
reader:
    push ebx
    push eax                                ; room for a byte
    mov ebx, eax
reader_wait:
    mov eax, CONSOLE_INPUT
    mov edx, esp
    mov ecx, 1
    call thread_read
reader_goes_on:
    dec ebx
    jnz reader_wait
    pop eax
    pop ebx
    ret

; compute: works for ever.
compute:
    call busy
    jmp compute

.rodata

.align 4
attributes_reader:              ; ATTRIBUTES
    .long 1, USER_PRIORITIES - 1, DEADLINE_NONE
attributes_compute:
    .long 1, 0, DEADLINE_NONE
