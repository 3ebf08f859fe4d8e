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
