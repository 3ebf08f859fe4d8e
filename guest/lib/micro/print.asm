; Printing, a line at a time.
;
; What a thread prints gathers in its LOCAL and goes off with the newline, whole: so the lines of two threads do not
; mix. write_line is how; write_request.asm (for programs) and write_direct.asm (for a root task) offer it.

.include "lib/micro/user.inc"

; LOCAL register: the running thread's LOCAL.
.macro LOCAL register
    UTCB \register
    mov \register, [\register + UTCB_HANDLE]
.endm

.text

; print_char: prints one character.
;   in    AL
.global print_char
print_char:
    LOCAL edx
    mov ecx, [edx + LOCAL_LENGTH]
    mov [edx + LOCAL_LINE + ecx], al
    inc ecx
    mov [edx + LOCAL_LENGTH], ecx
    cmp al, '\n'
    je print_flush
    cmp ecx, PRINT_MAX
    jae print_flush
    ret

; print_flush: sends what has gathered.
.global print_flush
print_flush:
    LOCAL eax
    mov edx, [eax + LOCAL_LENGTH]
    mov dword ptr [eax + LOCAL_LENGTH], 0
    add eax, LOCAL_LINE
    jmp write_line

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
    mov edx, 10
    jmp print_number

; print_hex: prints a number as 0x and its digits.
;   in    EAX = number
.global print_hex
print_hex:
    push eax
    mov eax, text_0x
    call print_string
    pop eax
    mov edx, 16

; print_number: prints a number.
;   in    EAX = number, unsigned; EDX = base, 2 to 16
print_number:
    push ebx
    push esi
    mov ebx, edx
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
    mov al, [digits + eax]
    call print_char
    dec esi
    jnz .Ldigit
    pop esi
    pop ebx
    ret

.rodata

text_0x:
    .asciz "0x"
digits:
    .ascii "0123456789abcdef"
