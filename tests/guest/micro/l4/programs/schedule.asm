; What does Schedule refuse, and what does it tell?

.include "../stage.inc"

.text

; main: a scheduler below the root task, which has one thread itself.
.global main
main:
    PLAYER scheduler, 100
    mov [scheduler_id], eax
    MYSELF eax
    mov edx, [scheduler_id]
    call thread_make
    mov [below_id], eax
    TELL [scheduler_id]
    HEAR [scheduler_id]
    ; Its slice of 5, and what is left of it behind one tick and a bit.
    mov eax, [scheduler_id]
    mov ecx, 5
    mov edx, 40
    mov esi, -1
    call schedule
    SLEEP 1
    mov eax, [scheduler_id]
    mov ecx, -1
    mov edx, -1
    mov esi, -1
    call schedule
    NOTE ' '
    add al, '0'
    NOTE al
    lea eax, [ecx + '0']
    NOTE al
    lea eax, [edx - 30 + '0']
    NOTE al
    jmp stage_end

; TRY thread, slice, quantum, priority: notes what comes back: the state, or the error as a letter, a for 1.
.macro TRY thread, slice, quantum, priority
    mov eax, \thread
    mov ecx, \slice
    mov edx, \quantum
    mov esi, \priority
    call schedule
    call note_result
.endm

scheduler:
    HEAR ROOT_TASK
    MYSELF ebx
    TRY [below_id], -1, -1, -1          ; as it is: it waits to be started
    TRY [below_id], 5, 5, 100           ; as high as its scheduler
    TRY [below_id], 5, 5, 101           ; higher
    TRY [below_id], 5, 5, 256           ; no priority
    TRY [below_id], 5, 5, -2            ; none, too
    TRY [below_id], -2, 5, 100          ; no slice
    TRY [below_id], 5, 0x80000000, 100  ; no quantum
    TRY ebx, 5, 5, 100                  ; itself
    TRY ROOT_TASK, 5, 5, 100            ; its own scheduler
    TRY NIL_THREAD, 5, 5, 100           ; nobody
    TRY 1, 5, 5, 100                    ; an interrupt
    TRY -1, 5, 5, 100                   ; no thread
    TELL ROOT_TASK
    jmp .

; note_result: EAX = result of a call.
note_result:
    test eax, eax
    jnz .Lstate
    UTCB eax
    mov eax, [eax + UTCB_ERROR]
    add al, 'a' - 1
    NOTE al
    ret
.Lstate:
    add al, '0'
    NOTE al
    ret

.bss

scheduler_id:
    .space 4
below_id:
    .space 4
