; Where main and monitor begin: the two threads of a virtual machine, in one space.

.include "lib/micro/user.inc"

MAIN_STACK    = 2 * PAGE_SIZE
MONITOR_STACK = 512

.text

; _start: a stack, and then what the thread is there for.
;   in    EDI = UTCB
.global _start
_start:
    mov dword ptr [edi + UTCB_HANDLER], ROOT_TASK
    mov eax, [edi + UTCB_ID]
    cmp eax, [VM_BASE + VMINFO_MAIN]
    je .Lmain
    mov esp, monitor_stack_top
    jmp monitor
.Lmain:
    mov esp, main_stack_top
    mov [edi + UTCB_HANDLE], esp
    call memory_init
    call network_init
    call programs_init
    jmp run                     ; the policy's

.bss

.global main_stack_top

.align 16
    .space MONITOR_STACK
monitor_stack_top:
    .space MAIN_STACK
main_stack_top:                 ; above it: main's LOCAL
    .space LOCAL_SIZE
