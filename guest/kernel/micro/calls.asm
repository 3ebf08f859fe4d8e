; System calls but IPC: the gate of INT 80h, the dispatch table, and the calls that are too small for a file of their own.
;
; Owns the meaning of EAX in such a call. A call is a routine sys_*: EBP is the caller's KTCB, in whose frame the arguments
; are and the results go, and it ends with a jump to run or resume. It may destroy all other registers.

.include "micro.inc"

.macro CALL number, routine     ; the table is checked against the numbers, so neither order can be wrong
    .assert . - syscall_table == \number * 4, "syscall_table is not in the order of the numbers"
    .long \routine
.endm

.text

; syscall_int: the gate of INT 80h.
;   in    the stack from KTCB_EIP up; every register is the program's
.global syscall_int
syscall_int:
    push 0
    push VECTOR_SYSCALL
    pushad
    lea ebp, [esp - KTCB_EDI]
    mov esp, kernel_stack_top
    CLEAR_DF
    cmp eax, MICRO_CALLS
    jae .Lunknown
    jmp dword ptr ss:[syscall_table + eax * 4]      ; SS: DS is not known to be good yet
.Lunknown:
    mov eax, CALL_PARAMETER

; call_fail: the call of the current thread fails.
;   in    EAX = CALL_ code, EBP
;   out   does not return
.global call_fail
call_fail:
    mov edx, [ebp + KTCB_UTCB]
    mov [edx + UTCB_ERROR], eax
    mov dword ptr [ebp + KTCB_EAX], 0
    jmp resume

; sys_kdb_write: bytes to the console, as many as the UART takes now: the kernel never waits for it.
;   in    EBP; its frame: EBX = the first, ECX = how many
;   out   does not return; the frame's EAX = how many were taken, -1 if one of them cannot be read
;
; They are fetched one by one, through the window, before the first is sent.
sys_kdb_write:
    call console_ready
    cmp eax, [ebp + KTCB_ECX]
    jbe .Lcount
    mov eax, [ebp + KTCB_ECX]
.Lcount:
    mov [ebp + KTCB_EAX], eax
    mov ebx, [ebp + KTCB_EBX]
    mov edi, kdb_bytes
    mov esi, eax
.Lfetch:
    dec esi
    js .Lsend
    mov eax, [ebp + KTCB_SPACE]
    add eax, KERNEL_BASE
    mov edx, ebx
    mov ecx, PTE_U
    call space_find_page
    jc .Lbad
    mov al, [eax]
    stosb
    inc ebx
    jmp .Lfetch
; -- checked: from here on nothing can fail --
.Lsend:
    mov eax, kdb_bytes
    mov edx, [ebp + KTCB_EAX]
    call console_write
    jmp resume
.Lbad:
    mov dword ptr [ebp + KTCB_EAX], -1
    jmp resume

; sys_kdb_exit: the end of the machine.
;   in    EBP; its frame: EBX = exit code
;   out   does not return
sys_kdb_exit:
    cmp dword ptr [ebp + KTCB_SPACE], root_directory - KERNEL_BASE
    jne .Lprivilege
    mov eax, [ebp + KTCB_EBX]
    jmp machine_end
.Lprivilege:
    mov eax, CALL_PRIVILEGE
    jmp call_fail

; console_ready: how many bytes does the UART take without a wait?
;   out   EAX = so many; the next console_write may send them
console_ready:
    mov edx, COM1 + UART_LSR
    in al, dx
    test al, LSR_THRE
    jz .Lroom
    mov dword ptr [console_room], UART_FIFO
.Lroom:
    mov eax, [console_room]
    ret

.rodata

.align 4
syscall_table:
    CALL L4_EXCHANGE_REGISTERS, sys_exchange_registers      ; exregs.asm
    CALL L4_THREAD_CONTROL,     sys_thread_control          ; control.asm
    CALL L4_THREAD_SWITCH,      sys_thread_switch           ; the policy
    CALL L4_SCHEDULE,           sys_schedule                ; the policy
    CALL L4_UNMAP,              sys_unmap                   ; unmap.asm
    CALL L4_CLOCK,              sys_clock                   ; the policy
    CALL KDB_WRITE,             sys_kdb_write               ; here
    CALL KDB_EXIT,              sys_kdb_exit                ; here
    CALL L4_PCI_READ,           sys_pci_read                ; pci.asm
    CALL L4_PCI_WRITE,          sys_pci_write               ; pci.asm
syscall_table_end:

.assert syscall_table_end - syscall_table == MICRO_CALLS * 4, "syscall_table needs a line for every number"

.bss

kdb_bytes:                      ; what sys_kdb_write sends
    .space UART_FIFO
