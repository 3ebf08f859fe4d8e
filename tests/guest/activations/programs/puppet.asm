; A program without a will of its own: at each of these places its activations spin until the host moves them on. See
; stage.py.

.text

; _start: the program.
.global _start
_start:
    jmp stands

; load_fs, load_gs: from EAX; segment registers are not the host's to set.
load_fs:
    mov fs, eax
    jmp stands
load_gs:
    mov gs, eax

; stands: where a thread is moved that has nothing to do.
stands:
    jmp stands

; call_int, call_sysenter: a system call; registers are the host's.
call_sysenter:
    mov ecx, esp
    mov edx, returned
    sysenter
call_int:
    int VECTOR_SYSCALL
returned:
    jmp returned

; block_entry, ...: the entries of upcalls; and a signal's.
block_entry:
    jmp block_entry
unblock_entry:
    jmp unblock_entry
timer_entry:
    jmp timer_entry
second_entry:
    jmp second_entry
handler_entry:
    jmp handler_entry

.bss


.align 4096
sa_init:
    .space SA_INIT_SIZE
.align 16
sa_vps:
    .space SA_VP_MAX * SA_VP_SIZE
sa_stacks:
    .space 8 * SA_STACK_SIZE
buffers:
    .space 4096
.align 4096
stacks:                         ; 64 of 2 KiB
    .space 64 * 2048
