; System calls as routines, by whichever way into the kernel there is: SYSENTER, INT, or an exception.
;
; The calling rule is the kernel's: arguments in EAX, EDX, result in EAX; EAX, ECX, EDX and the flags may be destroyed,
; everything else is kept. Each routine puts its arguments where the kernel wants them; docs/guest-abi.md says what the
; calls do.

.text

; syscall_init: chooses the way into the kernel.
;   in    EAX = FEATURE_ bits
;   out   all registers kept
.global syscall_init
syscall_init:
    test eax, FEATURE_EXCEPTION
    jnz .Lexception
    test eax, FEATURE_SYSENTER
    jz .Lreturn
    mov dword ptr [syscall], syscall_by_sysenter
.Lreturn:
    ret
.Lexception:
    mov dword ptr [syscall], syscall_by_exception
    ret

; syscall_by_int: system call number EAX, on every processor.
.global syscall_by_int
syscall_by_int:
    int VECTOR_SYSCALL
    ret

; syscall_by_sysenter: the same, faster, if the kernel offers SYSENTER.
.global syscall_by_sysenter
syscall_by_sysenter:
    mov ecx, esp
    mov edx, .Lreturn
    sysenter
.Lreturn:
    ret

; syscall_by_exception: the same, where the program's exceptions are somebody's messages. It is a fault: that somebody
; moves EIP behind the instruction.
.global syscall_by_exception
syscall_by_exception:
    int VECTOR_GUEST
    ret

; sys_write: writes to the console.
;   in    EAX = first byte, EDX = how many
;   out   EAX = how many it were, or ERR_ADDRESS
.global sys_write
sys_write:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    mov eax, SYS_WRITE
    call dword ptr [syscall]
    pop esi
    pop ebx
    ret

; sys_yield: lets the others run first.
.global sys_yield
sys_yield:
    mov eax, SYS_YIELD
    jmp dword ptr [syscall]

; sys_exit: ends the program.
;   in    EAX = exit code
;   out   does not return
.global sys_exit
sys_exit:
    mov ebx, eax
    mov eax, SYS_EXIT
    jmp dword ptr [syscall]

; sys_time: nanoseconds since the timer started.
;   out   EDX:EAX
.global sys_time
sys_time:
    push ebx
    mov eax, SYS_TIME
    call dword ptr [syscall]
    mov edx, ebx
    pop ebx
    ret

; sys_sleep: waits.
;   in    EAX = ticks
.global sys_sleep
sys_sleep:
    push ebx
    mov ebx, eax
    mov eax, SYS_SLEEP
    call dword ptr [syscall]
    pop ebx
    ret

; sys_self: who am I?
;   out   EAX = number of the thread
.global sys_self
sys_self:
    mov eax, SYS_SELF
    jmp dword ptr [syscall]

.data

; syscall: the way into the kernel, a routine's address: for those who put the registers in place themselves.
;   in    EAX = number, EBX, ESI, EDI = arguments
;   out   EAX = result; ECX, EDX destroyed
.global syscall
.align 4
syscall:
    .long syscall_by_int
