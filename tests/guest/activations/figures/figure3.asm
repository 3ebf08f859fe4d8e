; Figure 3 of the paper: a blocking system call in the new model.

.include "../programs/test.inc"

.text

; _start: (a) thread 1 runs on activation A.
.global _start
_start:
    CALL_KERNEL SYS_SA_INIT, settings

; thread_1: (b) makes a system call that blocks A. Later it goes on behind that, on A again.
thread_1:
    CALL_KERNEL SYS_SLEEP, 1
    mov dword ptr [processor + SA_VP_LOCK], 0
    EXIT 0

; block_upcall: (b) another activation, B, has been launched: it runs thread 2.
block_upcall:
    mov eax, [esp + UPCALL_BLOCKED]
    mov [blocked], eax
    mov dword ptr [processor + SA_VP_LOCK], 0

; thread_2: (c) an interrupt comes: A could go on, but only will when it is asked to.
thread_2:
    jmp thread_2

; unblock_upcall: (d) B, which runs, tells of it: thread 1 is ready.
unblock_upcall:
    push eax
    mov eax, [esp + 4 + UPCALL_SIZE]
    mov [ready], eax
    cmp eax, [blocked]
    jne wrong
    mov eax, [esp + 4 + UPCALL_ESP]
    mov eax, [eax]
    cmp eax, thread_2
    jne wrong

; choose: (e) thread 1 is to run: saves what thread 2 has in its registers, and gives B up for A.
choose:
    pushad
    pushfd
    mov [thread_2_stack], esp
    CALL_KERNEL SYS_SA_CONTROL, SA_RESTART_UNBLOCKED, [ready]
wrong:
    EXIT 1

.data

.align 4
settings:                       ; SA_INIT
    .long 0, 1, processor
    .long block_upcall, unblock_upcall, 0, 0, 0, 0, 0
processor:                      ; SA_VP
    .long 0, 0, stack, 0

.bss

blocked:                        ; the activation in which thread 1 is
    .space 4
ready:                          ; one whose thread is ready
    .space 4
thread_2_stack:                 ; where thread 2's registers are
    .space 4

    STACK stack
