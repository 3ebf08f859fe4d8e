; Where a program begins.
;
; The kernel starts a program at _start; main is the program's own.

.text

; _start: prepares the library, calls main, and exits with what it returns.
;   in    EAX = FEATURE_ bits, EBX = argument string (the program's name, then its arguments)
;   main  gets the argument string in EAX and returns the exit code in EAX
.global _start
_start:
    call syscall_init
    mov eax, ebx
    call main
    jmp sys_exit
