; The 82540EM: frames between its rings and the network (guest/net). Source: Intel 317453, section 14.
;
; Each ring has a buffer of its own for each descriptor, for good. The one that is to be looked at next is ours to know:
;
;     receive     receive_next     what has come is taken from there on while RDESC_STATUS says done, and given back at
;                                  once: the tail is the one before it, so that hardware never has the whole ring
;     transmit    transmit_next    the next frame goes there, unless the descriptor behind it is not done yet: then it is
;                                  dropped, for a ring that is full looks to hardware like one that is empty
;
; Whoever links this finds the card (e1000_find.asm), maps the registers, gives memory of E1000_SIZE bytes, and calls
; e1000_interrupt when the card's line fires, or e1000_poll now and then. One of these runs at a time. Calling rule as in
; net/net.inc.

.include "net/net.inc"

.assert E1000_TRANSMIT_RING - E1000_RECEIVE_RING == E1000_RING * RDESC_SIZE, "E1000 has room for E1000_RING descriptors"
.assert E1000_TRANSMIT_BUFFERS - E1000_RECEIVE_BUFFERS == E1000_RING * E1000_BUFFER, "... and buffers"

.text

; e1000_init: resets the card and sets it going.
;   in    EAX = its registers; EDX = E1000, ECX = the same, physical
.global e1000_init
e1000_init:
    push ebx
    push esi
    push edi
    mov [registers], eax
    mov [memory], edx
    mov ebx, eax
    mov esi, ecx
    mov dword ptr [ebx + E1000_IMC], -1
    mov dword ptr [ebx + E1000_CTRL], CTRL_RST
    mov dword ptr [ebx + E1000_IMC], -1
    mov eax, [ebx + E1000_ICR]                      ; clears what the reset has left
    mov dword ptr [ebx + E1000_CTRL], CTRL_SLU

    ; The card's own address, which the reset has loaded from its EEPROM.
    mov eax, [ebx + E1000_RAL]
    mov [e1000_mac], eax
    mov eax, [ebx + E1000_RAH]
    mov [e1000_mac_end], ax

    ; Both rings: a buffer for each descriptor; those to transmit are done.
    xor eax, eax
    mov [receive_next], eax
    mov [transmit_next], eax
    mov edi, edx
    mov ecx, (E1000_RING * RDESC_SIZE + E1000_RING * TDESC_SIZE) / 4
    rep stosd
    lea edi, [edx + E1000_RECEIVE_RING]
    lea eax, [esi + E1000_RECEIVE_BUFFERS]
    mov ecx, E1000_RING
.Lreceive:
    mov [edi + RDESC_BUFFER], eax
    add edi, RDESC_SIZE
    add eax, E1000_BUFFER
    dec ecx
    jnz .Lreceive
    lea edi, [edx + E1000_TRANSMIT_RING]
    lea eax, [esi + E1000_TRANSMIT_BUFFERS]
    mov ecx, E1000_RING
.Ltransmit:
    mov [edi + TDESC_BUFFER], eax
    mov byte ptr [edi + TDESC_STATUS], DESCRIPTOR_DONE
    add edi, TDESC_SIZE
    add eax, E1000_BUFFER
    dec ecx
    jnz .Ltransmit

    lea eax, [esi + E1000_RECEIVE_RING]
    mov [ebx + E1000_RDBAL], eax
    mov dword ptr [ebx + E1000_RDLEN], E1000_RING * RDESC_SIZE
    mov dword ptr [ebx + E1000_RDT], E1000_RING - 1
    lea eax, [esi + E1000_TRANSMIT_RING]
    mov [ebx + E1000_TDBAL], eax
    mov dword ptr [ebx + E1000_TDLEN], E1000_RING * TDESC_SIZE
    mov dword ptr [ebx + E1000_TCTL], TCTL_ON
    mov dword ptr [ebx + E1000_RCTL], RCTL_ON
    mov dword ptr [ebx + E1000_ITR], E1000_INTERVAL
    mov dword ptr [ebx + E1000_IMS], CAUSES_WANTED
    pop edi
    pop esi
    pop ebx
    ret

; net_transmit: sends a frame.
;   in    ESI = frame, ECX = length, up to ETHER_MAX; copied before it returns
;
; There is no way to say that the ring is full: what is dropped here might as well be lost on the wire. So is everything
; as long as there is no card.
.global net_transmit
net_transmit:
    push ebx
    push esi
    push edi
    mov ebx, [transmit_next]
    mov edx, [memory]
    test edx, edx
    jz .Lfull
    mov eax, ebx
    inc eax
    and eax, E1000_RING - 1
    shl eax, E1000_DESCRIPTOR_SHIFT
    test byte ptr [edx + eax + E1000_TRANSMIT_RING + TDESC_STATUS], DESCRIPTOR_DONE
    jz .Lfull
    mov eax, ebx
    shl eax, E1000_DESCRIPTOR_SHIFT
    lea eax, [edx + eax + E1000_TRANSMIT_RING]
    mov edi, ebx
    shl edi, E1000_BUFFER_SHIFT
    lea edi, [edx + edi + E1000_TRANSMIT_BUFFERS]
    mov [eax + TDESC_LENGTH], cx
    mov byte ptr [eax + TDESC_COMMAND], TDESC_WHOLE
    mov byte ptr [eax + TDESC_STATUS], 0
    call net_copy
    inc ebx
    and ebx, E1000_RING - 1
    mov [transmit_next], ebx
    mov eax, [registers]
    mov [eax + E1000_TDT], ebx
    jmp e1000_sent
.Lfull:
    inc dword ptr [e1000_full]
e1000_sent:
    pop edi
    pop esi
    pop ebx
    ret

; e1000_interrupt: the card's line has fired: clears the causes, so that the line falls, and takes what has come. If that
; may not be all, it fires again, E1000_INTERVAL after this time at the earliest.
.global e1000_interrupt
e1000_interrupt:
    mov eax, [registers]
    mov eax, [eax + E1000_ICR]
    call e1000_poll
    cmp eax, E1000_BATCH
    jb .Lreturn
    mov eax, [registers]
    mov dword ptr [eax + E1000_ICS], CAUSE_RECEIVED
.Lreturn:
    ret

; e1000_poll: gives the network frames that have come, up to E1000_BATCH.
;   out   EAX = how many descriptors that took
.global e1000_poll
e1000_poll:
    push ebx
    push esi
    push edi
    push ebp
    mov ebx, [receive_next]
    xor ebp, ebp
e1000_next:                             ; for each frame
    cmp ebp, E1000_BATCH
    je .Ldone
    mov edx, [memory]
    mov edi, ebx
    shl edi, E1000_DESCRIPTOR_SHIFT
    lea edi, [edx + edi + E1000_RECEIVE_RING]
    mov al, [edi + RDESC_STATUS]
    test al, DESCRIPTOR_DONE
    jz .Ldone
    and al, RDESC_WHOLE
    cmp al, RDESC_WHOLE
    jne .Ldrop                      ; longer than any frame that we want
    cmp byte ptr [edi + RDESC_ERRORS], 0
    jne .Ldrop
    mov esi, ebx
    shl esi, E1000_BUFFER_SHIFT
    lea esi, [edx + esi + E1000_RECEIVE_BUFFERS]
    movzx ecx, word ptr [edi + RDESC_LENGTH]
    call net_input
.Lback:
    inc ebp
    mov byte ptr [edi + RDESC_STATUS], 0
    inc ebx
    and ebx, E1000_RING - 1
    jmp e1000_next
.Ldrop:
    inc dword ptr [e1000_dropped]
    jmp .Lback
.Ldone:
    mov eax, ebp
    test eax, eax
    jz .Lreturn
    mov [receive_next], ebx
    dec ebx
    and ebx, E1000_RING - 1
    mov edx, [registers]
    mov [edx + E1000_RDT], ebx
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

.bss

.global e1000_mac, e1000_mac_end, e1000_full, e1000_dropped

.align 4
registers:                      ; where they are mapped
    .space 4
memory:                         ; E1000; 0: there is no card
    .space 4
receive_next:                   ; number of the descriptor to look at
    .space 4
transmit_next:                  ; likewise, to fill
    .space 4
e1000_full:                     ; frames that found no room in the ring, or no card
    .space 4
e1000_dropped:                  ; frames that came too long or damaged
    .space 4
e1000_mac:                      ; the card's address,
    .space 4
e1000_mac_end:                  ;   and its last two bytes
    .space 4
