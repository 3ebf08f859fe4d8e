; The text of HTTP's heads: lines, words, where a head ends, and putting one together. A line ends with LF, or CR and LF.

ODD = 1 << ('!' & 31) | 1 << ('#' & 31) | 1 << ('$' & 31) | 1 << ('%' & 31) | 1 << ('&' & 31) | 1 << ('\'' & 31)

.text

; http_head: is a head complete?
;   in    ESI = text, ECX = its bytes
;   out   EAX = bytes of the head and of the empty line behind it; CF set: there is no empty line
;         EBX, ESI, EBP kept
.global http_head
http_head:
    mov edi, esi
    mov al, '\n'
.Lnext:
    jecxz .Lno
    repne scasb
    jne .Lno
    jecxz .Lno
    cmp [edi], al
    je .Lempty
    cmp ecx, 2
    jb .Lno
    cmp word ptr [edi], '\r' | '\n' << 8
    jne .Lnext
    inc edi
.Lempty:
    inc edi
    mov eax, edi
    sub eax, esi
    ret                         ; CF is clear
.Lno:
    stc
    ret

; http_line: a line of a head that is complete.
;   in    ESI = its first character
;   out   EDI = end of its text, EBP = the next line; CF set: it has characters that no line may have
;         EBX, ECX, EDX, ESI kept
.global http_line
http_line:
    mov edi, esi
.Lnext:
    mov al, [edi]
    inc edi
    cmp al, 0x7f
    je .Lwrong
    cmp al, ' '
    jae .Lnext
    cmp al, '\t'
    je .Lnext
    mov ebp, edi
    cmp al, '\n'
    je .Lend
    cmp al, '\r'
    jne .Lwrong
    cmp byte ptr [edi], '\n'
    jne .Lwrong
    inc ebp
.Lend:
    dec edi
    clc
    ret
.Lwrong:
    stc
    ret

; http_token: passes over a word: letters, digits and what HTTP counts among them (RFC 9110, 5.6.2).
;   in    ESI = text
;   out   ESI = first character that is not part of it; EAX destroyed
.global http_token
http_token:
    movzx eax, byte ptr [esi]
    inc esi
    cmp al, 0x80
    jae .Lend
    bt [token_characters], eax
    jc http_token
.Lend:
    dec esi
    ret

; http_same: are two words the same?
;   in    ESI = word, a token, EDI = its end, EDX = the other one, in lower case, ended by a zero byte
;   out   ZF set: they are, whatever case the first one has; EAX, EDX destroyed
.global http_same
http_same:
    push esi
.Lnext:
    mov al, [edx]
    inc edx
    test al, al
    jz .Lend
    cmp esi, edi
    je .Lno
    mov ah, [esi]
    inc esi
    or ah, 0x20                 ; lower case; what else is in our words has that bit
    cmp al, ah
    je .Lnext
.Lno:
    test al, al                 ; ZF is clear
    pop esi
    ret
.Lend:
    cmp esi, edi
    pop esi
    ret

; put_text: puts a text at the end of others.
;   in    ESI = text, ended by a zero byte; EDI = where it goes
;   out   EDI = its end; EAX, ESI destroyed
.global put_text
put_text:
    lodsb
    test al, al
    jz .Lreturn
    stosb
    jmp put_text
.Lreturn:
    ret

.rodata

.align 4
token_characters:               ; bit n: character n is part of a word
    .long 0
    .long ODD | 1 << ('*' & 31) | 1 << ('+' & 31) | 1 << ('-' & 31) | 1 << ('.' & 31) | 0x3ff << ('0' & 31)
    .long 0x3ffffff << ('A' & 31) | 1 << ('^' & 31) | 1 << ('_' & 31)
    .long 1 << ('`' & 31) | 0x3ffffff << ('a' & 31) | 1 << ('|' & 31) | 1 << ('~' & 31)
