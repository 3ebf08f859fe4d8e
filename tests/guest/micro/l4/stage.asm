; The stage for the programs of this folder: their threads, and what these have noted.

.include "stage.inc"

STACK = 256                     ; bytes of a thread's stack

.text

; stage_thread: makes a thread and starts it. Its scheduler is the caller, who keeps the processor if it is higher.
;   in    EAX = routine, EDX = priority, ECX = ticks of its slice; -1 for what a new thread has
;   out   EAX = identifier
.global stage_thread
stage_thread:
    push ebx
    push esi
    push edi
    push eax
    push edx
    push ecx
    MYSELF eax
    mov edx, eax
    call thread_make
    mov edi, eax
    pop ecx
    pop esi
    mov edx, -1                 ; the quantum stays
    call schedule
    pop edx
    add dword ptr [stacks_next], STACK
    mov ecx, [stacks_next]
    mov eax, edi
    call thread_go
    pop edi
    pop esi
    pop ebx
    ret

; stage_end: prints the notes as a line.
;   out   EAX = 0, to be returned by main
.global stage_end
stage_end:
    mov eax, [notes_next]
    mov byte ptr [eax], '\n'
    sub eax, notes
    lea edx, [eax + 1]
    mov eax, notes
    call write_line
    xor eax, eax
    ret

.data

.global notes_next

.align 4
notes_next:                     ; where the next note goes
    .long notes
stacks_next:                    ; the top of the last stack
    .long stacks

.bss

.global notes_tick

.align 4
notes_tick:                     ; the tick that was noted last
    .space 4
notes:
    .space 4096
stacks:
    .space 16 * STACK
