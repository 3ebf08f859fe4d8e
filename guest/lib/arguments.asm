; Arguments: the words of a program's argument string, which are divided by spaces; the first is the program's name.

.text

; argument_next: the next word.
;   in    EAX = a place in the string
;   out   EAX = the first character of the word behind that one, or the zero byte at the end
.global argument_next
argument_next:
    cmp byte ptr [eax], ' '
    jb .Lreturn
    je .Lspace
    inc eax
    jmp argument_next
.Lspace:
    inc eax
    cmp byte ptr [eax], ' '
    je .Lspace
.Lreturn:
    ret

; argument_number: the number that a word begins with.
;   in    EAX = the word
;   out   EAX = its decimal digits as a number, 0 without any
.global argument_number
argument_number:
    mov ecx, eax
    xor eax, eax
.Ldigit:
    movzx edx, byte ptr [ecx]
    inc ecx
    sub edx, '0'
    cmp edx, 9
    ja .Lreturn
    lea eax, [eax + eax * 4]
    lea eax, [edx + eax * 2]
    jmp .Ldigit
.Lreturn:
    ret

; argument_address: the address of a host that a word is.
;   in    EAX = the word, such as 10.0.0.1
;   out   EAX = its bytes, in the order in which they are written; CF set: it is no address
.global argument_address
argument_address:
    push ebx
    push esi
    mov edx, eax
    mov esi, 4                  ; bytes that are left
.Lbyte:
    xor eax, eax
    movzx ebx, byte ptr [edx]
    sub ebx, '0'
    cmp ebx, 9
    ja .Lno
.Ldigit:
    lea eax, [eax + eax * 4]
    lea eax, [ebx + eax * 2]
    cmp eax, 255
    ja .Lno
    inc edx
    movzx ebx, byte ptr [edx]
    sub ebx, '0'
    cmp ebx, 9
    jbe .Ldigit
    mov cl, al
    ror ecx, 8                  ; after four of these the first one is the lowest
    dec esi
    jz .Lend
    cmp byte ptr [edx], '.'
    jne .Lno
    inc edx
    jmp .Lbyte
.Lend:
    mov eax, ecx
    cmp byte ptr [edx], ' ' + 1
    cmc                         ; set: something else follows
    jmp .Lreturn
.Lno:
    stc
.Lreturn:
    pop esi
    pop ebx
    ret
