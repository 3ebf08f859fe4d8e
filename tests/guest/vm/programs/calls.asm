; Makes every call of the first kernel, and says where something is wrong by its exit code.

.text

; CHECK number: if ZF is clear, that is the exit code.
.macro CHECK number
    mov eax, \number
    jne failed
.endm

; main: the calls.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    mov esi, eax
    cmp byte ptr [esi], 'c'
    CHECK 1
    cmp esi, VM_STACK_BASE + USER_ARGUMENTS - USER_STACK_BASE
    CHECK 2

    ; SYS_WRITE: what is not ours, wholly or in part; too much; nothing.
    xor eax, eax
    mov edx, 1
    call sys_write
    cmp eax, ERR_ADDRESS
    CHECK 3
    mov eax, KERNEL_BASE
    mov edx, 1
    call sys_write
    cmp eax, ERR_ADDRESS
    CHECK 4
    mov eax, VM_STACK_TOP - 1
    mov edx, 2
    call sys_write
    cmp eax, ERR_ADDRESS
    CHECK 5
    mov eax, -1
    mov edx, 2
    call sys_write
    cmp eax, ERR_ADDRESS
    CHECK 6
    mov eax, VM_BASE
    mov edx, 4
    call sys_write
    cmp eax, ERR_ADDRESS
    CHECK 7
    mov eax, text
    mov edx, text_end - text
    call sys_write
    cmp eax, text_end - text
    CHECK 8
    mov eax, blanks
    mov edx, WRITE_MAX + 1
    call sys_write
    cmp eax, WRITE_MAX
    CHECK 9

    ; Time goes on with the ticks; to sleep for two takes so many.
    call sys_time
    mov ebx, eax
    mov eax, 2
    call sys_sleep
    test eax, eax
    CHECK 10
    call sys_time
    sub eax, ebx
    cmp eax, 4000000            ; two of 2 ms, about
    setb cl
    cmp eax, 8000000
    seta ch
    test cx, cx
    CHECK 11
    xor eax, eax
    call sys_sleep
    call sys_yield
    test eax, eax
    CHECK 12
    call sys_self
    cmp eax, 1
    CHECK 13

    ; What is no call; and registers are kept.
    mov ebx, 0x1234
    mov esi, 0x5678
    mov edi, 0x9ABC
    mov ebp, 0xDEF0
    mov eax, SYS_SOCKET_END
    call dword ptr [syscall]
    cmp eax, ERR_CALL
    CHECK 14
    mov eax, -1
    call dword ptr [syscall]
    cmp eax, ERR_CALL
    CHECK 15
    cmp ebx, 0x1234
    CHECK 16
    cmp esi, 0x5678
    CHECK 17
    cmp edi, 0x9ABC
    CHECK 18
    cmp ebp, 0xDEF0
    CHECK 19
    mov eax, 100
    ret
failed:
    ret

.rodata

text:
    .ascii "as it should be\n"
text_end:
blanks:
    .rept WRITE_MAX
    .ascii "\n"
    .endr
    .ascii "!"
