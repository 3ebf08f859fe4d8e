; A program whose threads make the system calls that the test has written into its memory, and note what came of them.

.include "test.inc"

; A call of a script: number and arguments, and what to note it under.
STEP_NUMBER = 0
STEP_A      = 4                 ; EBX
STEP_B      = 8                 ; ESI
STEP_C      = 12                ; EDI
STEP_THREAD = 16                ; who makes it
STEP_READS  = 20                ; not 0: as many bytes as it returns are to be noted, from STEP_B on
STEP_NEXT   = 24                ; the next call

; A note: who, EAX, EBX, and a sum over the bytes.
NOTE_EAX    = 4
NOTE_EBX    = 8
NOTE_SUM    = 12
NOTE_NEXT   = 16
NOBODY      = 0xFF              ; a thread that has not begun yet
HANDLER     = 0x100             ; added to the thread: its handler ran

.text

; _start: the program: the first script's thread.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR1, handler, trampoline
    mov eax, scripts
interpret:                      ; a thread: EAX = its script
    mov ebp, eax
next:
    mov eax, [ebp + STEP_NUMBER]
    mov ebx, [ebp + STEP_A]
    mov esi, [ebp + STEP_B]
    mov edi, [ebp + STEP_C]
    int VECTOR_SYSCALL

    xor ecx, ecx                ; the sum
    cmp dword ptr [ebp + STEP_READS], 0
    je note
    mov edi, eax
add_byte:
    dec edi
    js note
    imul ecx, ecx, 33
    movzx edx, byte ptr [esi]
    add ecx, edx
    inc esi
    jmp add_byte
note:
    mov edx, NOTE_NEXT
    xadd [notes_end], edx
    mov esi, [ebp + STEP_THREAD]
    mov [edx], esi
    mov [edx + NOTE_EAX], eax
    mov [edx + NOTE_EBX], ebx
    mov [edx + NOTE_SUM], ecx
    add ebp, STEP_NEXT
    jmp next

handler:                        ; of SIGUSR1: EBP is still the interrupted thread's
    mov edx, NOTE_NEXT
    xadd [notes_end], edx
    mov eax, NOBODY
    test ebp, ebp
    jz unknown
    mov eax, [ebp + STEP_THREAD]
unknown:
    add eax, HANDLER
    mov [edx], eax
    ret
trampoline:
    CALL_KERNEL SYS_SIGNAL_RETURN

.data
.align 4
notes_end:
    .long notes + NOTE_NEXT     ; the first word of a page is lost when the program ends

.bss
.align PAGE_SIZE
notes:
    .space PAGE_SIZE
scripts:
    .space 2 * PAGE_SIZE
pattern:
    .space PAGE_SIZE
buffers:
    .space PAGE_SIZE
stacks:
    .space 2 * PAGE_SIZE
