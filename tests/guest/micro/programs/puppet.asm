; A program without a will: tests set the registers of its threads, and say at which of these places they go on.
;
; It is the root task and every other program of tests/guest/micro/puppets.py. Wherever a thread goes on, it comes to
; puppet_stands in the end, and the machine stops there until the test knows what comes next.

.text

.global _start
; _start: the root task's first thread, and every other one.
_start:
puppet_stands:
    jmp puppet_stands
puppet_ipc:                     ; an IPC by INT,
    int VECTOR_IPC
    jmp puppet_stands
puppet_stub:                    ;   and by the best way that the processor has
    call KIP_CODE
    jmp puppet_stands
puppet_call:                    ; another system call
    int VECTOR_SYSCALL
    jmp puppet_stands
puppet_read:                    ; accesses to memory
    mov eax, [ebx]
    jmp puppet_stands
puppet_write:
    mov [ebx], eax
    jmp puppet_stands
puppet_halts:                   ; what only some may do
    hlt
    jmp puppet_stands
puppet_undefined:               ; what nobody can do, two bytes long
    ud2
    jmp puppet_stands

.bss

.align PAGE_SIZE
puppet_stacks:                  ; a few words for each thread, by its number from FIRST_THREAD on
    .space PAGE_SIZE
puppet_pages:                   ; for the tests
    .space 16 * PAGE_SIZE
