; Hearing of the events of the service `probe`, by whatever method; each handler looks up a word of memory, and takes all
; events out of the segment.

.include "user/ecalls/crossings.inc"

.text

; listen: registers for the service; it must be the first one. A real-time signal has a handler, too.
;   in    EAX = METHOD_ bits
;   out   EAX = 0; else it has failed
.global listen
listen:
    push ebx
    push esi
    mov [registration + REGISTRATION_METHODS], eax
    test eax, METHOD_SIGNAL
    jz .Lregister
    mov ebx, SIGRTMIN
    mov esi, action
    mov eax, SYS_SIGACTION
    call dword ptr [syscall]
    test eax, eax
    jnz .Lreturn
.Lregister:
    mov eax, text_probe
    mov edx, registration
    call ecalls_register
.Lreturn:
    pop esi
    pop ebx
    ret

; heard: takes all events out of the segment; this is not measured.
;   out   CF clear
.global heard
heard:
    mov eax, ECALL_HEAR
    mov edx, [eax + ECALL_RING_BACK]
    mov [eax + ECALL_RING_FRONT], edx
    xor edx, edx
    mov [eax + ECALL_RING_FLAG], edx
    ret

; The user handler.
;   in    EAX = value, EBX = segment
handler:
    mov eax, [looked_up]
handled:
    xor eax, eax
    mov [ebx + ECALL_RING_FLAG], eax
    mov [ebx + ECALL_RING_FRONT], eax
    mov [ebx + ECALL_RING_BACK], eax
    inc dword ptr [times]
    jmp ecall_return            ; FILTER_DROP

; The signal's handler.
signal_handler:
    mov eax, [looked_up]
signal_handled:
    inc dword ptr [times]
    jmp heard

signal_return:
    mov eax, SYS_SIGRETURN
    jmp dword ptr [syscall]

.data

.align 4
registration:                   ; REGISTRATION
    .long 0, handler, handler_stack, SIGRTMIN

.global times

times:                          ; handlers that have run
    .long 0
looked_up:                        ; what they look up
    .long 1
action:                         ; SIGACTION
    .long signal_handler, signal_return, 0, 0

.rodata

.global text_probe

text_probe:
    .asciz "probe"

.bss

.align 16
    .space 512
handler_stack:
