; Six threads with priorities and deadlines: the order in which they run is the policy's. Each says its letter twice and
; yields between.

.text

; main: has the others made by a thread that none of them preempts, waits for them, and prints what they have said.
;   out   EAX = exit code
.global main
main:
    push ebx
    mov eax, start
    mov ecx, attributes_start
    call thread_create
    jc .Lfail
    call thread_join
    test eax, eax
    jnz .Lfail
    xor ebx, ebx
.Ljoin:
    mov eax, [made + ebx * 4]
    call thread_join
    inc ebx
    cmp ebx, COUNT
    jb .Ljoin
    mov eax, said
    call print_string
    mov al, '\n'
    call print_char
    xor eax, eax
.Lreturn:
    pop ebx
    ret
.Lfail:
    mov eax, 1
    jmp .Lreturn

; start: makes the threads a to f.
;   out   EAX = 0; 1: not all could be made
start:
    push ebx
    xor ebx, ebx
.Lcreate:
    mov eax, say
    mov edx, ebx
    lea ecx, [ebx + ebx * 2]
    lea ecx, [attributes + ecx * 4]
    call thread_create
    jc .Lfail
    mov [made + ebx * 4], eax
    inc ebx
    cmp ebx, COUNT
    jb .Lcreate
    xor eax, eax
    pop ebx
    ret
.Lfail:
    mov eax, 1
    pop ebx
    ret

; say: says a letter, twice.
;   in    EAX = its number, from 0
say:
    push ebx
    lea ebx, [eax + 'a']
    call say_once
    call thread_yield
    call say_once
    pop ebx
    ret

; say_once: says a letter.
;   in    EBX = the letter
say_once:
    mov eax, [said_count]
    mov [said + eax], bl
    inc dword ptr [said_count]
    ret

.rodata

.align 4
attributes:                     ; of a to f: pages, priority, deadline
    .long 1, 10, 500
    .long 1, 20, 300
    .long 1, 15, 100
    .long 1, 20, 600
    .long 1, 5, 100
    .long 1, 30, 400
attributes_end:
attributes_start:               ; of the thread that makes them
    .long 1, 31, 1
COUNT = (attributes_end - attributes) / ATTRIBUTES_SIZE

.bss

.align 4
made:                           ; the threads
    .space COUNT * 4
said_count:                     ; letters
    .space 4
said:                           ; what has been said
    .space 16
