; Who has used up the total quantum, waits for its scheduler, which hears why?

.include "../stage.inc"

.text

; main: the scheduler grants quanta of 5, 3, 2 and 1 ticks, the last of which nobody takes notice of.
.global main
main:
    PLAYER a, 100, 2
    mov [a_id], eax
    mov edx, 5
    call grant
    PLAYER b, 100, 2
    mov [b_id], eax
again:
    HEAR ANY_THREAD
    shr esi, LABEL_SHIFT
    cmp esi, LABEL_PREEMPTION
    jne failed
    UTCB edx
    cmp dword ptr [edx + UTCB_MR1 + STATE_VECTOR], PREEMPTED_QUANTUM
    jne failed
    cmp [a_id], eax
    jne failed
    NOTE '-'
    mov edx, [rounds]
    call grant
    TELL [a_id]
    dec dword ptr [rounds]
    jnz again
    mov eax, NIL_THREAD
    mov edx, [b_id]
    mov ecx, EXPONENT | 64
    call ipc
    jmp stage_end
failed:
    NOTE '?'
    jmp stage_end

; grant: a's quantum becomes EDX.
grant:
    mov eax, [a_id]
    mov ecx, -1
    mov esi, -1
    jmp schedule

a:
    NOTE_TICKS 'a'
b:
    NOTE_TICKS 'b'

.data

rounds:
    .long 3

.bss

a_id:
    .space 4
b_id:
    .space 4
