; Requests to the root task: what a program has no right to do itself. guest/abi/root.py says what they do.

.include "lib/micro/user.inc"

.text

; program_exit: ends the program.
;   in    EAX = exit code
;   out   does not return
.global program_exit
program_exit:
    mov edx, ROOT_EXIT << LABEL_SHIFT | 1
    jmp request

; program_memory: more memory.
;   in    EAX = pages
;   out   EAX = address of the first, or 0
.global program_memory
program_memory:
    mov edx, ROOT_MEMORY << LABEL_SHIFT | 1
    jmp request

; program_sleep: waits; `uls` only.
;   in    EAX = ticks
;   out   EAX = number of the tick that it is then, or 0
.global program_sleep
program_sleep:
    mov edx, ROOT_SLEEP << LABEL_SHIFT | 1
    jmp request

; program_watch: has the watchdog look at the calling thread, which is a scheduler; `uls` only.
;   in    EAX = its WATCH, at a multiple of 8, or 0 to end it
;   out   EAX = 1, or 0
.global program_watch
program_watch:
    mov edx, ROOT_WATCH << LABEL_SHIFT | 1
    jmp request

; space_end: ends a thread of the program.
;   in    EAX = thread
;   out   EAX = 1, or 0; does not return if it was the calling one
.global space_end
space_end:
    mov edx, ROOT_END << LABEL_SHIFT | 1
    jmp request

; thread_scheduler: changes a thread's scheduler.
;   in    EAX = thread of the program, EDX = scheduler or NIL_THREAD for the root task's choice
;   out   EAX = 1, or 0
.global thread_scheduler
thread_scheduler:
    mov ecx, ROOT_SCHEDULER << LABEL_SHIFT | 2
    jmp request_two

; thread_priority: changes a thread's priority, for a root task that has such.
;   in    EAX = thread of the program, EDX = priority, not above the caller's
;   out   EAX = 1, or 0
.global thread_priority
thread_priority:
    mov ecx, ROOT_PRIORITY << LABEL_SHIFT | 2
    jmp request_two

; space_thread: makes a thread in this space and starts it.
;   in    EAX = its EIP, EDX = its ESP, ECX = scheduler or NIL_THREAD
;   out   EAX = identifier, or 0
.global space_thread
space_thread:
    push ebx
    UTCB ebx
    mov [ebx + UTCB_MR3], ecx
    pop ebx
    mov ecx, ROOT_THREAD << LABEL_SHIFT | 3
    jmp request_two

; request: a request with one word.
;   in    EAX = MR1, EDX = tag
;   out   EAX, EDX = MR1, MR2 of the answer
.global request
request:
    mov ecx, edx

; request_two: one with two words or more.
;   in    EAX = MR1, EDX = MR2, ECX = tag
;   out   EAX, EDX = MR1, MR2 of the answer
request_two:
    push ebx
    push esi
    push edi
    mov esi, ecx
    mov ebx, eax
    mov edi, edx
    mov eax, ROOT_TASK
    call ipc_call
    mov eax, ebx
    mov edx, edi
    pop edi
    pop esi
    pop ebx
    ret
