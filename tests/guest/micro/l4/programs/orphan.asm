; Does a thread whose scheduler is gone when its quantum is used up stop until it has another one?

.include "../stage.inc"

.text

; main: ends the scheduler, and takes its place later.
.global main
main:
    PLAYER scheduler, 100
    mov [scheduler_id], eax
    MYSELF eax
    mov edx, [scheduler_id]
    call thread_make
    mov [a_id], eax
    TELL [scheduler_id]
    HEAR [scheduler_id]
    mov eax, [scheduler_id]
    call space_end
    mov eax, [a_id]
    mov edx, a
    mov ecx, a_stack
    call thread_go
    SLEEP 6
    NOTE '-'
    mov eax, [a_id]
    mov edx, eax
    MYSELF ecx
    mov esi, NIL_THREAD
    call thread_control
    HEAR [a_id]                         ; its preemption
    mov eax, [a_id]
    mov ecx, -1
    mov edx, 0                          ; no end
    mov esi, -1
    call schedule
    TELL [a_id]
    SLEEP 6
    jmp stage_end

scheduler:
    HEAR ROOT_TASK
    mov eax, [a_id]
    mov ecx, -1
    mov edx, 3
    mov esi, -1
    call schedule
    TELL ROOT_TASK
    HEAR ROOT_TASK
a:
    NOTE_TICKS 'a'

.bss

.align 4
scheduler_id:
    .space 4
a_id:
    .space 4
    .space 64
a_stack:
