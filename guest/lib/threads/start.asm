; Where a program with threads begins.

.text

; _start: prepares the library, calls main as the main thread, and ends the program with what main returns.
;   in    EAX = FEATURE_ bits, EBX = argument string (the program's name, then its arguments)
;   main  gets the argument string in EAX and returns the exit code in EAX
.global _start
_start:
    call syscall_init
    call thread_init
    jc sys_exit
    mov eax, ebx
    call main
    jmp sys_exit
