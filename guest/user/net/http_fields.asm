; The lines of a request behind the first one: is the head in order, and may the connection stay?
;
; What has a body is answered like what has none, and then the connection ends: so nobody can pass off as a body what is
; a request for us, or the other way.

.text

; fields_read: reads them.
;   in    EBX = SEAT, EBP = the first one
;   out   REQUEST_KEEP and REQUEST_CLOSE in SEAT_FLAGS; CF set: something is wrong. EBX kept
.global fields_read
fields_read:
    mov dword ptr [hosts], 0
.Lline:
    mov esi, ebp
    call http_line
    jc .Lreturn
    cmp esi, edi
    je .Lend
    mov [line_end], edi

    ; Its name: a word, and the colon at once.
    mov edx, esi
    call http_token
    mov edi, esi
    mov esi, edx
    cmp esi, edi
    je .Lwrong
    cmp byte ptr [edi], ':'
    jne .Lwrong
    mov ecx, fields
.Lfield:
    mov edx, [ecx + FIELD_NAME]
    call http_same
    je .Lknown
    add ecx, FIELD_SIZE
    cmp ecx, fields_end
    jb .Lfield
    jmp .Lline
.Lknown:
    mov esi, edi
    inc esi
    mov edi, [line_end]
    call dword ptr [ecx + FIELD_ROUTINE]
    jmp .Lline

    ; The end: HTTP/1.1 names a host, and nobody names two (RFC 9112, 3.2).
.Lend:
    cmp dword ptr [hosts], 1
    je .Lreturn
    ja .Lwrong
    test dword ptr [ebx + SEAT_FLAGS], REQUEST_1_1
    jz .Lreturn
.Lwrong:
    stc
.Lreturn:
    ret

; field_host: a host is named.
field_host:
    inc dword ptr [hosts]
    ret

; field_body: there may be a body.
field_body:
    or dword ptr [ebx + SEAT_FLAGS], REQUEST_CLOSE
    ret

; field_connection: words that say what is to become of the connection.
;   in    EBX = SEAT, ESI = the value, EDI = its end
;   out   EBX, EBP kept
field_connection:
    cmp esi, edi
    jae .Lreturn
    mov ecx, esi
    call http_token
    cmp esi, ecx
    je .Lskip
    push edi
    mov edi, esi
    mov esi, ecx
    mov edx, text_close
    call http_same
    jne .Lother
    or dword ptr [ebx + SEAT_FLAGS], REQUEST_CLOSE
.Lother:
    mov edx, text_keep_alive
    call http_same
    jne .Lnext
    or dword ptr [ebx + SEAT_FLAGS], REQUEST_KEEP
.Lnext:
    mov esi, edi
    pop edi
.Lskip:                         ; a comma, or a space
    inc esi
    jmp field_connection
.Lreturn:
    ret

.rodata

.align 4
fields:                         ; FIELDs
    .long text_host, field_host
    .long text_connection, field_connection
    .long text_content_length, field_body
    .long text_transfer_encoding, field_body
fields_end:
text_host:
    .asciz "host"
text_connection:
    .asciz "connection"
text_content_length:
    .asciz "content-length"
text_transfer_encoding:
    .asciz "transfer-encoding"
text_close:
    .asciz "close"
text_keep_alive:
    .asciz "keep-alive"

.bss

.align 4
hosts:                          ; times that the host was named
    .space 4
line_end:                       ; end of the text of the line that is being read
    .space 4
