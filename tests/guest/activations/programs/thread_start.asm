; Does a thread start as the ABI says?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    THREAD second, second_stack, 0x12345678
    CALL_KERNEL SYS_THREAD_JOIN, eax
    mov ebp, ebx
    EXPECT 0, "joined\n"
    mov eax, ebp
    EXPECT 0x87654321, "its value\n"
    EXIT 0

second:
    pushfd
    pop ebp
    EXPECT 0x12345678, "its argument\n"
    mov eax, ebp
    EXPECT FLAGS_USER, "its flags\n"
    mov eax, esp
    EXPECT second_stack, "its stack\n"
    THREAD third, third_stack
    CALL_KERNEL SYS_THREAD_JOIN, eax
    CALL_KERNEL SYS_THREAD_EXIT, 0x87654321

third:
    or eax, ebx
    or eax, ecx
    or eax, edx
    or eax, esi
    or eax, edi
    or eax, ebp
    mov ecx, fs
    or eax, ecx
    mov ecx, gs
    or eax, ecx
    EXPECT 0, "zero everywhere else\n"
    CALL_KERNEL SYS_THREAD_EXIT, 0

    STACK second_stack
    STACK third_stack
