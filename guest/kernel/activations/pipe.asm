; Pipes: bytes from one thread to another, in order.
;
; Owns the pipes of processes, and the calls that read and write. The console's input is a pipe, too, which the UART
; writes (input.asm).
;
; Each event wakes one thread that can make use of it; that one, when it is done, wakes the next if there is something
; left. So nobody is woken in vain, unless a third thread is faster: then it waits again, at the end.

.include "activations.inc"

.text

; sys_pipe: a new pipe; see syscall.asm for what a system call may rely on.
;   out   EAX = its number, or ERR_MEMORY
.global sys_pipe
sys_pipe:
    CURRENT_PROCESS esi
    xor ebx, ebx
.Llook:
    cmp dword ptr [esi + PROCESS_PIPES + ebx * 4], 0
    je .Lfound
    inc ebx
    cmp ebx, PIPE_MAX
    jb .Llook
    jmp .Lnone
.Lfound:
    call frame_alloc
    jc .Lnone
    mov [esi + PROCESS_PIPES + ebx * 4], eax
    add eax, PIPE_READERS
    call ring_init
    add eax, PIPE_WRITERS - PIPE_READERS
    call ring_init
    inc ebx                     ; numbers begin with 1
    mov eax, ebx
    ret
.Lnone:
    mov eax, ERR_MEMORY
    ret

; pipe_find: the pipe that a program means.
;   in    EAX = number, whatever it may be
;   out   EAX = PIPE; CF set: there is none
.global pipe_find
pipe_find:
    sub eax, 1                  ; CONSOLE_INPUT is in front of the pipes
    jb input_open
    cmp eax, PIPE_MAX
    jae .Lnone
    CURRENT_PROCESS edx
    mov eax, [edx + PROCESS_PIPES + eax * 4]
    cmp eax, 1                  ; CF: it is 0
    ret
.Lnone:
    stc
    ret

; pipe_check: what reading and writing need first.
;   in    EBX, ESI, EDI = pipe, buffer, length; ECX = what the buffer must allow, as for memory_check
;   out   CF set: EAX = ERR_PIPE or ERR_ADDRESS
;         else  EBX = PIPE, EDI = length, at most PIPE_BYTES; EAX = 0; ZF set if the length is 0
pipe_check:
    push ecx
    mov eax, ebx
    call pipe_find
    pop ecx
    mov ebx, eax
    mov eax, ERR_PIPE
    jc .Lreturn
    cmp edi, PIPE_BYTES
    jbe .Lcheck
    mov edi, PIPE_BYTES
.Lcheck:
    mov eax, esi
    mov edx, edi
    call memory_check
    mov eax, ERR_ADDRESS
    jc .Lreturn
    xor eax, eax
    test edi, edi
.Lreturn:
    ret

; sys_read: reads bytes.
;   in    EBX = pipe or CONSOLE_INPUT, ESI = buffer, EDI = length
;   out   EAX = bytes, ERR_PIPE, ERR_ADDRESS or an error of wait_block's
.global sys_read
sys_read:
    mov ecx, PTE_U | PTE_W
    call pipe_check
    jbe .Lreturn                ; CF or ZF
.Llook:
    mov ecx, [ebx + PIPE_WRITTEN]
    sub ecx, [ebx + PIPE_READ]
    jnz .Lthere
    lea eax, [ebx + PIPE_READERS]
    call wait_block
    jnc .Llook
.Lreturn:
    ret

.Lthere:                        ; ECX = bytes in the pipe
    cmp edi, ecx
    jbe .Lcount
    mov edi, ecx
.Lcount:
    push edi
.Lpiece:                        ; EDI bytes, to ESI
    mov edx, [ebx + PIPE_READ]
    call pipe_piece
    add [ebx + PIPE_READ], ecx
    sub edi, ecx
    push edi
    mov edi, esi
    lea esi, [ebx + PIPE_DATA + edx]
    rep movsb
    mov esi, edi
    pop edi
    test edi, edi
    jnz .Lpiece
    call pipe_wake
    pop eax
    ret

; sys_write_pipe: writes bytes.
;   in    EBX = pipe, ESI = buffer, EDI = length
;   out   EAX = as sys_read's
.global sys_write_pipe
sys_write_pipe:
    mov eax, ERR_PIPE
    cmp ebx, CONSOLE_INPUT
    je .Lreturn                 ; the UART alone writes there
    mov ecx, PTE_U
    call pipe_check
    jbe .Lreturn                ; CF or ZF
.Llook:
    mov ecx, [ebx + PIPE_READ]
    sub ecx, [ebx + PIPE_WRITTEN]
    add ecx, PIPE_BYTES
    jnz .Lroom
    lea eax, [ebx + PIPE_WRITERS]
    call wait_block
    jnc .Llook
.Lreturn:
    ret

.Lroom:                         ; ECX = bytes that the pipe can take
    cmp edi, ecx
    jbe .Lcount
    mov edi, ecx
.Lcount:
    push edi
.Lpiece:                        ; EDI bytes, from ESI
    mov edx, [ebx + PIPE_WRITTEN]
    call pipe_piece
    add [ebx + PIPE_WRITTEN], ecx
    sub edi, ecx
    push edi
    lea edi, [ebx + PIPE_DATA + edx]
    rep movsb
    pop edi
    test edi, edi
    jnz .Lpiece
    call pipe_arrived
    pop eax
    ret

; pipe_piece: how much of a number of bytes lies in one piece, before the data's end.
;   in    EDX = PIPE_READ or PIPE_WRITTEN, EDI = bytes
;   out   EDX = where they begin in the data, ECX = how many of them come before its end
pipe_piece:
    and edx, PIPE_BYTES - 1
    mov ecx, PIPE_BYTES
    sub ecx, edx
    cmp ecx, edi
    jbe .Lreturn
    mov ecx, edi
.Lreturn:
    ret

; pipe_arrived: bytes have been written: a signal, if somebody wants it, and pipe_wake.
;   in    EBX = PIPE
.global pipe_arrived
pipe_arrived:
    mov eax, [ebx + PIPE_SIGNAL]
    test eax, eax
    jz pipe_wake
    mov edx, SIGIO
    call signal_process

; pipe_wake: lets a reader go on if there is something to read, and a writer if there is room.
;   in    EBX = PIPE
pipe_wake:
    mov eax, [ebx + PIPE_WRITTEN]
    sub eax, [ebx + PIPE_READ]
    push eax
    jz .Lempty
    lea eax, [ebx + PIPE_READERS]
    call wait_wake
.Lempty:
    pop eax
    cmp eax, PIPE_BYTES
    je .Lfull
    lea eax, [ebx + PIPE_WRITERS]
    call wait_wake
.Lfull:
    ret

; pipes_free: gives back the pipes of a process, and the console's input forgets it.
;   in    EAX = PROCESS
.global pipes_free
pipes_free:
    cmp [console_input + PIPE_SIGNAL], eax
    jne .Lpipes
    mov dword ptr [console_input + PIPE_SIGNAL], 0
.Lpipes:
    push ebx
    push esi
    lea ebx, [eax + PROCESS_PIPES]
    mov esi, PIPE_MAX
.Lpipe:
    mov eax, [ebx]
    test eax, eax
    jz .Lnext
    call frame_free
.Lnext:
    add ebx, 4
    dec esi
    jnz .Lpipe
    pop esi
    pop ebx
    ret
