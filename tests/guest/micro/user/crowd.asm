; Do more threads than TIMED_COUNT get their timeouts, in turn?

.include "test.inc"

CROWD = TIMED_COUNT + 4
STACK = 512

.text

; main: asks.
.global main
main:
    call timeout_init
    mov ebx, CROWD
.Lthread:
    mov eax, patient
    imul edx, ebx, STACK
    add edx, stacks
    mov ecx, NIL_THREAD
    call thread_new
    dec ebx
    jnz .Lthread
.Lwait:
    mov eax, 1
    call program_sleep
    cmp dword ptr [canceled], CROWD
    jb .Lwait
    mov eax, [canceled]
    VALUE "canceled: "
    xor eax, eax
    ret

; patient: waits for nobody for 3 ticks.
patient:
    mov eax, NIL_THREAD
    mov edx, ROOT_TASK
    mov ecx, 3
    xor esi, esi
    call ipc_timed
    UTCB edx
    cmp dword ptr [edx + UTCB_ERROR], IPC_CANCELED | IPC_RECEIVE_PHASE
    jne .Lreturn
    inc dword ptr [canceled]
.Lreturn:
    ret

.bss

.align 16
stacks:
    .space (CROWD + 1) * STACK
canceled:
    .space 4
