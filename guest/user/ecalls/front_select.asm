; A server's front: select(). See serve.asm for what a front offers.

WORD_SHIFT = 5                  ; a word of a set has 32 sockets

.text

; front_begin: nothing.
.global front_begin
front_begin:
    clc
    ret

; front_want: it is in one set or the other.
.global front_want
front_want:
    mov ecx, [ebx + SEAT_SOCKET]
    btr [wanted + SELECT_READ], ecx
    btr [wanted + SELECT_WRITE], ecx
    cmp eax, READY_READ
    jb .Lreturn
    ja .Lwrite
    bts [wanted + SELECT_READ], ecx
    jmp .Lmost
.Lwrite:
    bts [wanted + SELECT_WRITE], ecx
.Lmost:
    cmp ecx, [most]
    jbe .Lreturn
    mov [most], ecx
.Lreturn:
    ret

; front_ask: asks, and looks who is left in the sets.
.global front_ask
front_ask:
    push ebx
    push esi
    push edi
    mov edx, [most]
    mov ecx, edx
    shr ecx, WORD_SHIFT
    inc ecx
    push ecx                    ; words that count
    mov esi, wanted + SELECT_READ
    mov edi, asked + SELECT_READ
    rep movsd
    mov ecx, [esp]
    mov esi, wanted + SELECT_WRITE
    mov edi, asked + SELECT_WRITE
    rep movsd
    xor ecx, ecx
    cmp eax, SOCKET_NOW
    je .Lcall
    dec ecx
.Lcall:
    mov eax, asked
    call sys_select
    pop edi
    push eax
    cmp eax, 1
    jl .Lreturn
.Lword:
    dec edi
    js .Lreturn
    mov esi, [asked + SELECT_READ + edi * 4]
    or esi, [asked + SELECT_WRITE + edi * 4]
.Lbit:
    bsf ecx, esi
    jz .Lword
    mov eax, esi
    dec eax
    and esi, eax
    mov eax, edi
    shl eax, WORD_SHIFT
    add eax, ecx
    mov ebx, [seat_of + eax * 4]
    call seat_ready
    jmp .Lbit
.Lreturn:
    pop eax
    pop edi
    pop esi
    pop ebx
    ret

.bss

.align 4
wanted:                         ; SELECT of all that are to be asked for
    .space SELECT_SIZE
asked:                          ; SELECT: what the kernel gets, and gives back
    .space SELECT_SIZE
most:                           ; the last socket of these
    .space 4
