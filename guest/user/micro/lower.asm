; A lower scheduler: it has threads of its own, and schedules them round robin whenever the root scheduler lets it.
;
; The kernel knows it as their scheduler: a worker that loses the processor sends it a preemption message, and its reply
; grants the processor again. A tick preempts both of them, the worker first; the root scheduler hears of us alone.
;
; A worker must not stop without a word: with the processor it would give away what the others here could use. So it
; calls us when it is done. The last one ends the program, whatever has become of us: what that can be is another
; file's, fail_never.asm or one of its alternatives.

.include "lib/micro/user.inc"

WORKERS = 3                     ; at most QUEUE
ROUNDS  = 3                     ; lines of each
WORK    = 300000                ; turns of an empty loop before each line
QUEUE   = 8                     ; places in the queue, a power of two
STACK   = 1024                  ; bytes for a worker
DONE    = 1                     ; label of a worker's last message

.text

; main: starts the workers and schedules them.
;   in    EAX = argument string
;   out   does not return
.global main
main:
    mov [name], eax
    MYSELF eax
    mov [scheduler], eax
    mov ebx, 1
.Lworker:
    mov eax, worker
    imul edx, ebx, STACK
    add edx, stacks
    mov ecx, [scheduler]
    call thread_new
    inc ebx
    cmp ebx, WORKERS
    jbe .Lworker
    mov eax, watch
    inc dword ptr [eax]         ; the page must be there
    call program_watch

    ; The first messages are pending already: a worker is born preempted.
    jmp .Lpending
.Ldispatch:
    call fail
    inc dword ptr [watch + WATCH_DISPATCHES]
    mov eax, [taken]
    and eax, QUEUE - 1
    mov eax, [queue + eax * 4]
    inc dword ptr [taken]
    xor esi, esi                ; no new state: it goes on as it was
    mov [watch + WATCH_SINCE], esi
    call ipc_reply_and_wait
.Lwoken:
    push eax
    rdtsc
    or eax, 1
    mov [watch + WATCH_SINCE], eax
    pop eax
.Lmessage:
    call lower_message
.Lpending:
    mov edx, ANY_THREAD
    call ipc_receive_now
    test esi, TAG_ERROR
    jz .Lmessage
    mov eax, [taken]
    cmp eax, [put]
    jne .Ldispatch
    mov edx, ANY_THREAD         ; nobody can run
    mov dword ptr [watch + WATCH_SINCE], 0
    call ipc_receive
    jmp .Lwoken

; lower_message: a worker is preempted: to the end of the queue; or it is done.
;   in    EAX = worker, ESI = tag
lower_message:
    shr esi, LABEL_SHIFT
    cmp esi, DONE
    je space_end
    cmp esi, LABEL_PREEMPTION
    jne .Lreturn
    mov edx, [put]
    and edx, QUEUE - 1
    mov [queue + edx * 4], eax
    inc dword ptr [put]
.Lreturn:
    ret

; worker: prints "name: worker 2, 1 of 3" and so on, with some work before each line.
;   in    EAX = number
worker:
    mov esi, eax
    mov ebx, 1
.Lround:
    mov ecx, WORK
.Lwork:
    dec ecx
    jnz .Lwork
    mov eax, [name]
    call print_word
    mov eax, text_worker
    call print_string
    mov eax, esi
    call print_decimal
    mov eax, text_comma
    call print_string
    mov eax, ebx
    call print_decimal
    mov eax, text_of
    call print_string
    mov eax, ROUNDS
    call print_decimal
    mov al, '\n'
    call print_char
    inc ebx
    cmp ebx, ROUNDS
    jbe .Lround

    inc dword ptr [done]
    cmp dword ptr [done], WORKERS
    je .Lprogram
    mov eax, [scheduler]
    mov esi, DONE << LABEL_SHIFT
    call ipc_call
    ret
.Lprogram:
    xor eax, eax
    jmp program_exit

.rodata

text_worker:
    .asciz ": worker "
text_comma:
    .asciz ", "
text_of:
    .asciz " of "

.bss

.global watch

.align 16
watch:                          ; WATCH, for the watchdog
    .space WATCH_SIZE
.align 16
stacks:                         ; of the workers, each ending where its number says
    .space (WORKERS + 1) * STACK
queue:                          ; identifiers of those who can run
    .space QUEUE * 4
put:                            ; how many have been put into it,
    .space 4
taken:                          ; and taken out
    .space 4
done:                           ; workers that are
    .space 4
scheduler:                      ; our identifier
    .space 4
name:                           ; our argument string
    .space 4
