; The POSIX-like face's yield: to another thread of the program.

.text

; thread_yield: lets others run first.
.global thread_yield
thread_yield:
    jmp core_yield
