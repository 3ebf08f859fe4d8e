; A program that waits for input, and is interrupted by an alarm: type a line and it comes back; after three alarms the
; program ends.

PERIOD = 200                    ; ticks between two alarms
ALARMS = 3

.text

; main: echoes what the console receives, and prints a line at every alarm.
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    push edi
    mov ebx, SIGALRM
    mov esi, alarm
    mov edi, trampoline
    mov eax, SYS_SIGNAL_ACTION
    call dword ptr [syscall]
    mov ebx, PERIOD
    mov eax, SYS_SIGNAL_TIMER
    call dword ptr [syscall]
.Lread:
    mov eax, CONSOLE_INPUT
    mov edx, input
    mov ecx, input_end - input
    call sys_read
    jc .Linterrupted
    mov edx, eax
    mov eax, input
    call sys_write
.Linterrupted:
    cmp dword ptr [alarms], ALARMS
    jb .Lread
    xor eax, eax
    pop edi
    pop esi
    pop ebx
    ret

; alarm: the handler of SIGALRM. What it interrupts may be at work on anything but this.
alarm:
    inc dword ptr [alarms]
    mov eax, text
    mov edx, text_end - text
    jmp sys_write

; trampoline: where a handler's RET goes; the kernel finds the frame at ESP.
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.rodata

text:
    .ascii "alarm\n"
text_end:

.bss

.align 4
alarms:                         ; how many there were
    .space 4
input:
    .space 64
input_end:
