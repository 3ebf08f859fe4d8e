; Printing, a line at a time.
;
; What is printed gathers in a buffer and goes to the kernel with the newline, in one system call: so the lines of two
; programs do not mix. Calling rule as in syscall.asm.

LINE_MAX = 128                  ; longer lines are cut into pieces

.text

; print_char: prints one character.
;   in    AL
.global print_char
print_char:
    mov edx, [line_length]
    mov [line + edx], al
    inc edx
    mov [line_length], edx
    cmp al, '\n'
    je print_flush
    cmp edx, LINE_MAX
    jae print_flush
    ret

; print_flush: sends what has gathered.
.global print_flush
print_flush:
    mov eax, line
    mov edx, [line_length]
    mov dword ptr [line_length], 0
    jmp sys_write

; print_string: prints a text.
;   in    EAX = text, ended by a zero byte
.global print_string
print_string:
    push esi
    mov esi, eax
.Lcharacter:
    lodsb
    test al, al
    jz .Lreturn
    call print_char
    jmp .Lcharacter
.Lreturn:
    pop esi
    ret

; print_word: prints a text up to its first space.
;   in    EAX = text, ended by a zero byte
.global print_word
print_word:
    push esi
    mov esi, eax
.Lcharacter:
    lodsb
    cmp al, ' '
    jbe .Lreturn                ; a space or the end
    call print_char
    jmp .Lcharacter
.Lreturn:
    pop esi
    ret

; print_decimal: prints a number.
;   in    EAX = number, unsigned
.global print_decimal
print_decimal:
    push ebx
    push esi
    mov ebx, 10
    xor esi, esi
.Ldivide:                       ; the digits come lowest first: onto the stack with them
    xor edx, edx
    div ebx
    push edx
    inc esi
    test eax, eax
    jnz .Ldivide
.Ldigit:
    pop eax
    add al, '0'
    call print_char
    dec esi
    jnz .Ldigit
    pop esi
    pop ebx
    ret

.bss

.align 4
line_length:                    ; characters that have gathered
    .space 4
line:
    .space LINE_MAX
