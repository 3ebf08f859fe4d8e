; Requests: is it one, and what does it ask for?
;
; Owns SEAT_BUFFER, SEAT_ASKED, SEAT_REPLY and SEAT_FLAGS of a client. Nothing is believed of what has come. Its routines
; keep EBX, the SEAT, and may destroy all other registers.

WORD_GET  = 'G' | 'E' << 8 | 'T' << 16 | ' ' << 24
WORD_HEAD = 'H' | 'E' << 8 | 'A' << 16 | 'D' << 24
WORD_HTTP = 'H' | 'T' << 8 | 'T' << 16 | 'P' << 24
WORD_1_0  = '/' | '1' << 8 | '.' << 16 | '0' << 24
WORD_1_1  = '/' | '1' << 8 | '.' << 16 | '1' << 24
VERSION   = 8                   ; characters of HTTP/1.1

.text

; request_find: is there a request?
;   in    EBX = SEAT
;   out   SEAT_ASKED = bytes of its head; CF set: it is not complete yet, and SEAT_ASKED is 0
.global request_find
request_find:
    lea edx, [ebx + SEAT_BUFFER]
    mov ecx, [ebx + SEAT_HAVE]
.Lempty:                        ; empty lines in front of it are nothing
    jecxz .Lbegin
    cmp byte ptr [edx], '\n'
    je .Lskip
    cmp byte ptr [edx], '\r'
    jne .Lbegin
.Lskip:
    inc edx
    dec ecx
    jmp .Lempty
.Lbegin:
    lea esi, [ebx + SEAT_BUFFER]
    sub edx, esi
    call request_drop
    mov dword ptr [ebx + SEAT_ASKED], 0
    lea esi, [ebx + SEAT_BUFFER]
    mov ecx, [ebx + SEAT_HAVE]
    call http_head
    jc .Lreturn
    mov [ebx + SEAT_ASKED], eax
.Lreturn:
    ret

; request_forget: it is answered, and what has come behind it moves to the front.
;   in    EBX = SEAT
.global request_forget
request_forget:
    mov edx, [ebx + SEAT_ASKED]

; request_drop: drops what has come first.
;   in    EBX = SEAT, EDX = bytes
request_drop:
    lea edi, [ebx + SEAT_BUFFER]
    lea esi, [edi + edx]
    mov ecx, [ebx + SEAT_HAVE]
    sub ecx, edx
    mov [ebx + SEAT_HAVE], ecx
    cmp esi, edi
    je .Lreturn
    rep movsb
.Lreturn:
    ret

; request_read: what does it ask for?
;   in    EBX = SEAT; SEAT_ASKED is 0 if its buffer is full without a request that is complete
;   out   SEAT_REPLY, SEAT_FLAGS; nothing of the reply is sent
.global request_read
request_read:
    xor eax, eax
    mov [ebx + SEAT_SENT], eax
    mov [ebx + SEAT_FLAGS], eax
    lea esi, [ebx + SEAT_BUFFER]
    cmp [ebx + SEAT_ASKED], eax
    je .Llong
    call read_line
    jc .Lreply
    mov [ebx + SEAT_REPLY], eax
    call fields_read
    mov eax, reply_bad
    jc .Lreply
    mov eax, [ebx + SEAT_FLAGS]
    test eax, REQUEST_CLOSE
    jnz .Lreturn
    test eax, REQUEST_1_1 | REQUEST_KEEP
    jz .Lreturn
    or dword ptr [ebx + SEAT_FLAGS], REPLY_KEEP
.Lreturn:
    ret
.Llong:
    mov edi, esi
    mov ecx, SEAT_ROOM
    mov al, '\n'
    repne scasb
    mov eax, reply_long_head
    je .Lreply
    mov eax, reply_long_line
.Lreply:
    mov [ebx + SEAT_REPLY], eax
    ret

; read_line: reads the first line: method, what is asked for, version.
;   in    EBX = SEAT, ESI = line
;   out   EAX = REPLY, EBP = the next line; CF set: it is no request, and EAX says why
read_line:
    call http_line
    jc .Lbad

    ; The method: of another one than ours, it only matters that it is a word.
    mov edx, esi
    call http_token
    mov ecx, esi
    sub ecx, edx
    jz .Lbad
    cmp byte ptr [esi], ' '
    jne .Lbad
    inc esi
    push reply_method
    cmp dword ptr [edx], WORD_GET
    je .Lours
    cmp dword ptr [edx], WORD_HEAD
    jne .Ltarget
    cmp ecx, 4
    jne .Ltarget
    or dword ptr [ebx + SEAT_FLAGS], REPLY_HEAD
.Lours:
    mov dword ptr [esp], 0

    ; What is asked for: all up to the next space.
.Ltarget:
    mov edx, esi
.Lcharacter:
    cmp esi, edi
    je .Lbad_method
    cmp byte ptr [esi], ' '
    jbe .Lspace
    inc esi
    jmp .Lcharacter
.Lspace:
    jb .Lbad_method             ; it is a tab
    mov ecx, esi
    inc esi

    ; The version.
    sub edi, esi
    cmp edi, VERSION
    jne .Lbad_method
    lodsd
    cmp eax, WORD_HTTP
    jne .Lbad_method
    lodsd
    cmp eax, WORD_1_0
    je .Lreply
    cmp eax, WORD_1_1
    jne .Lversion
    or dword ptr [ebx + SEAT_FLAGS], REQUEST_1_1

.Lreply:
    pop eax
    test eax, eax
    jz target_find
    ret                         ; CF is clear
.Lversion:
    pop eax
    mov eax, reply_version
    stc
    ret
.Lbad_method:
    pop eax
.Lbad:
    mov eax, reply_bad
    stc
    ret

; target_find: what is asked for: a path, or the whole address, as one asks a proxy.
;   in    EDX = its first character, ECX = its end
;   out   EAX = REPLY; CF set: neither of these. EBX, EBP kept
target_find:
    mov esi, text_scheme
    cmp edx, ecx
    je .Lno
    cmp byte ptr [edx], '/'
    je reply_find
.Lscheme:
    cmp byte ptr [esi], 0
    je .Lhost
    cmp edx, ecx
    je .Lno
    mov al, [edx]
    inc edx
    or al, 0x20                 ; lower case
    cmp al, [esi]
    jne .Lno
    inc esi
    jmp .Lscheme
.Lhost:
    cmp edx, ecx
    je .Lroot
    cmp byte ptr [edx], '/'
    je reply_find
    inc edx
    jmp .Lhost
.Lroot:
    mov edx, text_root
    mov ecx, text_root_end
    jmp reply_find
.Lno:
    mov eax, reply_bad
    stc
    ret

.rodata

text_scheme:
    .asciz "http://"
text_root:
    .ascii "/"
text_root_end:
