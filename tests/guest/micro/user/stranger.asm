; Does a driver take calls from threads of other programs?

.include "test.inc"

NUMBERS = 10                    ; of threads, from the root task's on
FIRST = 0x8048000               ; a driver's NETCALLs lie somewhere from here
LAST = 0x8068000                ;   to here,
STEP = 1024                     ; and there are more bytes of them

.text

; main: calls whoever has one of the first thread numbers, with words that could be a call's, and hears nothing.
.global main
main:
    mov ebp, FIRST_THREAD + 2
.Lthread:
    mov edi, FIRST
.Laddress:
    mov eax, ebp
    shl eax, ID_SHIFT
    inc eax
    mov esi, 1
    mov ebx, edi
    push edi
    call ipc_send_now
    mov edx, ANY_THREAD
    call ipc_receive_now
    pop edi
    test esi, TAG_ERROR
    jz .Lheard
    add edi, STEP
    cmp edi, LAST
    jb .Laddress
    inc ebp
    cmp ebp, FIRST_THREAD + NUMBERS
    jb .Lthread
    SAY "stranger: heard nothing\n"
    xor eax, eax
    ret
.Lheard:
    SAY "stranger: heard something\n"
    xor eax, eax
    ret
