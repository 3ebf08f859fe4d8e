; Replies, sent as fast as the client takes them.
;
; A head is not kept: until it has gone whole, it is put together anew, with the beginning of the body behind it, so that
; both go in the same segments.

ROOM = 8192                     ; for both

.text

; reply_find: what is at a path?
;   in    EDX = path, ECX = its end; what follows a question mark does not count
;   out   EAX = REPLY, CF clear; EBX, EBP kept
.global reply_find
reply_find:
    mov eax, replies
.Lreply:
    mov esi, [eax + REPLY_PATH]
    mov edi, edx
.Lcharacter:
    cmp edi, ecx
    je .Lend
    cmp byte ptr [edi], '?'
    je .Lend
    cmpsb
    je .Lcharacter
.Lnext:
    add eax, REPLY_SIZE
    cmp eax, replies_end
    jb .Lreply
    mov eax, reply_nothing
    clc
    ret
.Lend:
    cmp byte ptr [esi], 0
    jne .Lnext
    ret                         ; CF is clear

; reply_send: sends some of a reply.
;   in    EBX = SEAT
;   out   EAX = bytes by which SEAT_SENT has grown, or an error; ZF set: that was the end
.global reply_send
reply_send:
    mov esi, [ebx + SEAT_REPLY]
    mov ebp, [esi + REPLY_LENGTH]
    test dword ptr [ebx + SEAT_FLAGS], REPLY_HEAD
    jz .Lbody
    xor ebp, ebp                ; bytes of the body that are wanted
.Lbody:
    mov edx, [ebx + SEAT_SENT]
    test edx, edx
    jz .Lhead
    cmp edx, [ebx + SEAT_HEAD]
    jb .Lhead
    mov ecx, ebp
    sub edx, [ebx + SEAT_HEAD]
    sub ecx, edx
    add edx, [esi + REPLY_BODY]
    jmp .Lwrite
.Lhead:
    call reply_compose
    mov edx, [ebx + SEAT_SENT]
    sub ecx, edx
    add edx, room
.Lwrite:
    mov eax, [ebx + SEAT_SOCKET]
    or eax, SOCKET_NOW
    call socket_write
    test eax, eax
    js .Lreturn                 ; ZF is clear
    add [ebx + SEAT_SENT], eax
    add ebp, [ebx + SEAT_HEAD]
    cmp ebp, [ebx + SEAT_SENT]
.Lreturn:
    ret

; reply_compose: puts the head together, and as much of the body behind it as there is room for.
;   in    EBX = SEAT, ESI = its REPLY, EBP = bytes of the body
;   out   ECX = bytes in `room`, SEAT_HEAD = those of the head; EBX, EBP kept
reply_compose:
    mov edx, esi
    mov edi, room
    mov esi, text_http
    call put_text
    mov esi, [edx + REPLY_STATUS]
    call put_text
    mov esi, text_server
    call put_text
    mov esi, [edx + REPLY_FIELDS]
    call put_text
    mov esi, text_connection
    call put_text
    mov esi, text_keep_alive
    test dword ptr [ebx + SEAT_FLAGS], REPLY_KEEP
    jnz .Lconnection
    mov esi, text_close
.Lconnection:
    call put_text
    mov esi, text_length
    call put_text
    mov eax, [edx + REPLY_LENGTH]
    call put_decimal
    mov esi, text_end
    call put_text
    mov eax, edi
    sub eax, room
    mov [ebx + SEAT_HEAD], eax
    mov ecx, ROOM
    sub ecx, eax
    cmp ecx, ebp
    jbe .Lcopy
    mov ecx, ebp
.Lcopy:
    add eax, ecx
    mov esi, [edx + REPLY_BODY]
    rep movsb
    mov ecx, eax
    ret

; put_decimal: puts a number there.
;   in    EAX = number, EDI = where it goes
;   out   EDI = its end; EAX, ECX destroyed
put_decimal:
    push edx
    xor edx, edx
    mov ecx, 10
    div ecx
    test eax, eax
    jz .Ldigit
    call put_decimal
.Ldigit:
    lea eax, [edx + '0']
    stosb
    pop edx
    ret

.rodata

text_http:
    .asciz "HTTP/1.1 "
text_server:
    .asciz "\r\nServer: Trapline\r\n"
text_connection:
    .asciz "Connection: "
text_keep_alive:
    .asciz "keep-alive"
text_close:
    .asciz "close"
text_length:
    .asciz "\r\nContent-Length: "
text_end:
    .asciz "\r\n\r\n"

.bss

.align 4
room:                           ; what is being put together
    .space ROOM
