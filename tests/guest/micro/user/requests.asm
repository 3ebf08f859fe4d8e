; Does the root task do what a program may ask of it, and refuse what it may not?

.include "test.inc"

STACK = 1024

.text

; ASK label, mr1=0, mr2=0: a request with two words as they are; EAX = answer.
.macro ASK label, mr1=0, mr2=0
    mov eax, ROOT_TASK
    mov esi, \label << LABEL_SHIFT | 2
    mov ebx, \mr1
    mov edi, \mr2
    call ipc_call
    mov eax, ebx
.endm

; main: asks.
.global main
main:
    ASK 0
    VALUE "label 0: "
    ASK 99
    VALUE "label 99: "
    ASK ROOT_PUMP
    VALUE "the console thread's own: "
    ASK ROOT_PRINT, PRINT_MAX + 1
    VALUE "a line that is too long: "
    ASK ROOT_PRINT, 5
    VALUE "a line longer than its message: "
    ASK ROOT_END, ROOT_TASK
    VALUE "to end the root task: "
    ASK ROOT_END, 0
    VALUE "to end nobody: "
    ASK ROOT_END, (FIRST_THREAD + 1) << ID_SHIFT | 1
    VALUE "to end the console thread: "
    ASK ROOT_END, -1
    VALUE "to end everybody: "
    MYSELF ecx
    ASK ROOT_SCHEDULER, ecx, ecx
    VALUE "to be one's own scheduler: "
    MYSELF ecx
    ASK ROOT_SCHEDULER, ecx, 0x12345678
    VALUE "to be nobody's: "
    MYSELF ecx
    ASK ROOT_PRIORITY, ecx, PRIORITY_MAX
    VALUE "to be above oneself: "
    MYSELF ecx
    ASK ROOT_PRIORITY, ecx, 1
    VALUE "to be below: "
    ASK ROOT_MEMORY, -1
    VALUE "all memory: "
    ASK ROOT_MEMORY, 0x40000
    VALUE "as much as there are addresses: "
    ASK ROOT_SLEEP, 0
    VALUE "no sleep: "
    ASK ROOT_WATCH, 0x1000
    VALUE "a watch on nothing: "
    ASK ROOT_WATCH, count + 4
    VALUE "a watch between words: "

    ; Memory comes as zeros, and is kept.
    mov eax, 2
    call program_memory
    mov ebp, eax
    mov eax, [ebp]
    or eax, [ebp + PAGE_SIZE]
    VALUE "memory: "
    mov dword ptr [ebp + PAGE_SIZE], 7
    mov eax, 1
    call program_memory
    sub eax, ebp
    VALUE "more, behind it: "
    mov eax, [ebp + PAGE_SIZE]
    VALUE "kept: "

    ; A thread, and its end; the identifier is another one the next time.
    START thread, stack_top
    mov ebp, eax
    mov edx, eax
    call ipc_receive
    mov eax, ebp
    call space_end
    VALUE "a thread ended: "
    mov eax, ebp
    call space_end
    VALUE "once more: "
    START thread, stack_top
    sub eax, ebp
    VALUE "the next one has another version: "
    xor eax, eax
    ret

; thread: says that it is there.
thread:
    mov eax, FIRST_THREAD + 2
    shl eax, ID_SHIFT
    inc eax                         ; the program's first thread
    xor esi, esi
    call ipc_send
.Lstop:
    mov edx, ANY_THREAD
    call ipc_receive
    jmp .Lstop

.data
.align 8
count:
    .long 1

.bss

.align 16
    .space STACK
stack_top:
