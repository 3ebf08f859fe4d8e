; Packets to ourselves: they wait here until whoever sends them has finished, and then come in as if from the wire.
;
; Nothing that the stack does happens inside something else that it does: what is sent to ourselves only joins a queue,
; and loop_drain takes it when the outermost entry ends. Calls from net_wake or from a handler of UDP are not the
; outermost, for these only run inside net_input, net_tick and loop_drain, which say so in loop_busy.

.include "net/net.inc"

LOOP_TURN = 32                  ; packets at one end of an entry: those of two that answer each other never cease

.text

; loop_send: the packet in net_frame waits for its turn.
;   in    ECX = its bytes
;   out   CF clear
.global loop_send
loop_send:
    mov eax, [net_loop_waits]
    cmp eax, LOOP_PACKETS
    je .Lfull
    inc dword ptr [net_loop_waits]
    push esi
    push edi
    add eax, [loop_first]
    and eax, LOOP_PACKETS - 1
    imul edi, eax, IP_MAX
    add edi, loop_packets
    mov esi, net_frame + ETHER_SIZE
    call net_copy
    pop edi
    pop esi
    clc
    ret
.Lfull:
    COUNT COUNT_LOOP_FULL
    clc
    ret

; loop_drain: an entry of the stack ends; if it is the outermost, what waits comes in.
;   out   ECX is destroyed; all else is kept, and the flags
.global loop_drain
loop_drain:
    mov ecx, [net_loop_waits]
    jecxz .Lreturn
    mov ecx, [loop_busy]
    jecxz .Lturn
.Lreturn:
    ret
.Lturn:
    pushfd
    pushad
    inc dword ptr [loop_busy]
    push LOOP_TURN              ; packets that may still come in
.Lnext:
    imul esi, [loop_first], IP_MAX
    add esi, loop_packets
    lea edi, [esi + IP_SIZE]
    movzx ecx, word ptr [esi + IP_LENGTH]
    xchg cl, ch
    sub ecx, IP_SIZE
    COUNT COUNT_LOOP
    call ip_deliver
    mov eax, [loop_first]       ; only now is its place free
    inc eax
    and eax, LOOP_PACKETS - 1
    mov [loop_first], eax
    dec dword ptr [net_loop_waits]
    jz .Ldone
    dec dword ptr [esp]
    jnz .Lnext
.Ldone:
    pop eax
    dec dword ptr [loop_busy]
    popad
    popfd
    ret

.bss

.global net_loop_waits, loop_busy

.align 4
net_loop_waits:                 ; packets that wait
    .space 4
loop_first:                     ; place of the one that has waited longest
    .space 4
loop_busy:                      ; not 0: the stack is at work, and looks here when it has finished
    .space 4
loop_packets:
    .space LOOP_PACKETS * IP_MAX
