; The sum of the first n integers, by as many threads as there are integers: what making, joining and ending a thread
; costs. A thread that has more than one integer makes another for the upper half of them, goes on with the lower half
; in the same way, and joins those it has made. With the main thread n threads work, each for one integer in the end.
;
; The arguments are n and how often the sum is made: only the first time are there no stacks yet.

INTERVAL_FIRST = 0              ; an interval: what a thread gets, on the stack of the one that has made it
INTERVAL_COUNT = 4              ;   how many integers, from the first
INTERVAL_SIZE  = 8

.text

; main: prints the sum, each time; modulo 2^32, as all arithmetic here.
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
    mov esi, eax
.Lnext:
    mov eax, ebx
    call sumtime
    jc .Lfail
    call print_decimal
    mov al, '\n'
    call print_char
    dec esi
    jg .Lnext
    xor eax, eax
.Lreturn:
    pop esi
    pop ebx
    ret
.Lfail:
    mov eax, text_memory
    call print_string
    mov eax, 1
    jmp .Lreturn

; sumtime: the sum of the first integers.
;   in    EAX = how many
;   out   EAX = sum; CF set: a thread could not be made
.global sumtime
sumtime:
    push eax                    ; an interval: so many integers,
    push 1                      ;   from 1
    mov eax, esp
    call sum
    lea esp, [esp + INTERVAL_SIZE]
    ret

; sum_thread: a thread's routine: as sum, whose failure ends the program.
sum_thread:
    call sum
    jc .Lfail
    ret
.Lfail:
    mov eax, text_memory
    call print_string
    mov eax, 1
    jmp sys_exit

; sum: the sum of an interval.
;   in    EAX = interval
;   out   EAX = its sum; CF set: a thread could not be made
.global sum
sum:
    push ebx
    push esi
    push edi
    mov esi, [eax + INTERVAL_FIRST]
    mov edi, [eax + INTERVAL_COUNT]
    cmp edi, 1
    jbe .Lsmall                 ; CF is set for none
    sub esp, INTERVAL_SIZE
    mov eax, edi
    shr eax, 1                  ; the lower half, which this thread keeps
    sub edi, eax
    lea edx, [esi + eax]
    mov [esp + INTERVAL_FIRST], edx
    mov [esp + INTERVAL_COUNT], edi
    mov edi, eax
    mov eax, sum_thread
    mov edx, esp
    xor ecx, ecx
    call thread_create
    jc .Lreturn
    mov ebx, eax
    sub esp, INTERVAL_SIZE
    mov [esp + INTERVAL_FIRST], esi
    mov [esp + INTERVAL_COUNT], edi
    mov eax, esp
    call sum
    lea esp, [esp + INTERVAL_SIZE]
    jc .Lreturn
    mov esi, eax
    mov eax, ebx
    call thread_join
    jc .Lreturn
    add eax, esi
    clc
.Lreturn:
    lea esp, [esp + INTERVAL_SIZE]
    pop edi
    pop esi
    pop ebx
    ret
.Lsmall:
    mov eax, 0
    jb .Lnone
    mov eax, esi
.Lnone:
    clc
    pop edi
    pop esi
    pop ebx
    ret

.rodata

text_memory:
    .asciz "sumtime: a thread could not be made\n"
