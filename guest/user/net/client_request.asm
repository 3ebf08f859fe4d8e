; One request at a time, and whether the reply to it is complete: status 200, and as long as it says.

WORD_200   = '2' | '0' << 8 | '0' << 16 | ' ' << 24
STATUS     = 9                  ; bytes of a reply in front of its status code: HTTP/1.1 and a space
WORD_MAX   = 256                ; characters of a path or of a host
REPLY_ROOM = 8192               ; bytes: more than a head has

.text

; request_make: prepares the request that request_once makes.
;   in    EAX = address, EDX = port, ECX = word that is the address, ESI = word that is the path
;   out   CF set: that is no path
.global request_make
request_make:
    cmp byte ptr [esi], '/'
    stc
    jne .Lreturn
    push esi
    push edi
    mov [address], eax
    mov [port], edx
    mov edi, request
    mov edx, esi
    mov esi, text_get
    call put_text
    mov esi, edx
    call put_word
    mov esi, text_version
    call put_text
    mov esi, ecx
    call put_word
    mov esi, text_end
    call put_text
    sub edi, request
    mov [request_length], edi
    pop edi
    pop esi
    clc
.Lreturn:
    ret

; put_word: puts a word behind other text.
;   in    ESI = word, EDI = where it goes
;   out   EDI = its end; EAX, ESI destroyed
put_word:
    push ecx
    mov ecx, WORD_MAX
.Lcharacter:
    lodsb
    cmp al, ' '
    jbe .Lreturn
    stosb
    loop .Lcharacter
.Lreturn:
    pop ecx
    ret

; request_once: makes the request.
;   out   CF set: the reply was not complete, or there was none
.global request_once
request_once:
    push ebx
    push esi
    push edi
    push ebp
    mov eax, [address]
    mov edx, [port]
    call socket_connect
    test eax, eax
    js .Lnone
    mov ebx, eax
    xor esi, esi                ; bytes of the request that have gone
.Lwrite:
    mov eax, ebx
    lea edx, [request + esi]
    mov ecx, [request_length]
    sub ecx, esi
    call socket_write
    test eax, eax
    js .Lfailed
    add esi, eax
    cmp esi, [request_length]
    jne .Lwrite

    ; The head, maybe with some of the body behind it.
    xor esi, esi                ; bytes of the reply that have come
.Lhead:
    mov eax, ebx
    lea edx, [reply + esi]
    mov ecx, REPLY_ROOM
    sub ecx, esi
    jz .Lfailed
    call socket_read
    test eax, eax
    jle .Lfailed
    add esi, eax
    push esi
    mov ecx, esi
    mov esi, reply
    call http_head
    pop esi
    jc .Lhead
    push esi
    call reply_length
    pop esi
    jc .Lfailed
    sub esi, eax                ; bytes that are too many; negative: that are to come

    ; The rest of it.
.Lbody:
    mov eax, ebx
    mov edx, reply
    mov ecx, REPLY_ROOM
    call socket_read
    test eax, eax
    js .Lfailed
    add esi, eax
    test eax, eax
    jnz .Lbody
    mov eax, ebx
    call socket_close
    neg esi                     ; CF set: it was not 0
    jmp .Lreturn
.Lfailed:
    mov eax, ebx
    call socket_close
.Lnone:
    stc
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; reply_length: how long is a whole reply?
;   in    EAX = bytes of its head, which is in `reply`
;   out   EAX = bytes; CF set: its status is not 200, or it does not say. EBX kept
reply_length:
    push eax
    mov esi, reply
    call http_line
    jc .Lno
    cmp dword ptr [reply + STATUS], WORD_200
    jne .Lno
.Lline:
    mov esi, ebp
    call http_line
    jc .Lno
    cmp esi, edi
    je .Lno                     ; the empty line
    mov ecx, esi
    call http_token
    mov edi, esi
    mov esi, ecx
    mov edx, text_length
    call http_same
    jne .Lline
.Lspace:                        ; the colon and the space behind it
    inc edi
    cmp byte ptr [edi], ' '
    je .Lspace
    mov eax, edi
    call argument_number
    pop ecx
    add eax, ecx
    clc
    ret
.Lno:
    pop ecx
    stc
    ret

.rodata

text_get:
    .asciz "GET "
text_version:
    .asciz " HTTP/1.0\r\nHost: "
text_end:
    .asciz "\r\n\r\n"
text_length:
    .asciz "content-length"

.bss

.align 4
address:                        ; of the server
    .space 4
port:
    .space 4
request_length:                 ; bytes of it
    .space 4
request:
    .space 2 * WORD_MAX + 64
reply:                          ; what came last
    .space REPLY_ROOM
