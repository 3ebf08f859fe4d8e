; Two witnesses: programs that do nothing wrong, and look whether what they rely on holds whatever the others do.
;
; One calls the other, in another space: with as many words as there are, with few, with a string. It counts its rounds
; in `witness_rounds`; what it finds wrong it says in `witness_wrong`, and does nothing more.

.include "random.inc"

STRING = 1500                   ; words
TEXT = witness_pages + 0x2000
BUFFER = witness_pages + 0x4000
QUIET = 13 << ID_SHIFT | 1      ; an interrupt that never comes
PAUSE = 4 << TIMEOUT_EXPONENT_SHIFT | 600       ; us * 16
FACTOR = 2654435761             ; makes different words of numbers that follow each other

; WRONG number: as a condition behind which nothing may be.
.macro WRONG condition, number
    mov eax, \number
    j\condition witness_fails
.endm

.text

; witness: the one who calls.
.global witness
witness:
    mov esp, witness_pages + 0x1000
.Lround:
    mov eax, [ids + 4]
    test eax, eax
    jz .Lwait                   ; the other one is not there yet
    inc dword ptr [witness_pages + 4]
    call ask_words
    call ask_shortly
    call ask_string
    call ask_kernel
    inc dword ptr [witness_rounds]
.Lwait:                         ; a rest, in `l4` by the clock
    xor eax, eax
    mov edx, QUIET
    mov ecx, PAUSE
    xor esi, esi
    call KIP_CODE
    mov eax, L4_THREAD_SWITCH
    xor ebx, ebx
    int VECTOR_SYSCALL
    jmp .Lround

; witness_fails: says what was wrong.
;   in    EAX = number
witness_fails:
    mov [witness_wrong], eax
    UTCB ecx
    mov eax, [ecx + UTCB_ERROR]
    mov [witness_error], eax
.Lstop:
    mov eax, L4_THREAD_SWITCH
    xor ebx, ebx
    int VECTOR_SYSCALL
    jmp .Lstop

; ask_words: 63 words there, and 63 others back.
ask_words:
    UTCB ebp
    mov ecx, 63
.Lword:
    call word_of
    mov [ebp + UTCB_MR0 + ecx * 4], eax
    loop .Lword
    mov esi, 63 | 0x1234 << LABEL_SHIFT
    mov ebx, [ebp + UTCB_MR1]
    mov edi, [ebp + UTCB_MR2]
    call ask
    cmp esi, 63 | 0x4321 << LABEL_SHIFT
    WRONG ne, 2
    UTCB ebp
    mov [ebp + UTCB_MR1], ebx
    mov [ebp + UTCB_MR2], edi
    mov ecx, 63
.Lcheck:
    call word_of
    not eax
    cmp [ebp + UTCB_MR0 + ecx * 4], eax
    WRONG ne, 3
    loop .Lcheck
    ret

; ask_shortly: two words.
ask_shortly:
    mov esi, 2
    mov ebx, [witness_pages + 4]
    mov edi, 0x12345678
    call ask
    cmp esi, 2 | 0x4321 << LABEL_SHIFT
    WRONG ne, 4
    not ebx
    cmp ebx, [witness_pages + 4]
    WRONG ne, 5
    cmp edi, ~0x12345678
    WRONG ne, 6
    ret

; ask_string: a string over some pages; the other one adds up its words.
ask_string:
    mov ecx, STRING
    xor edx, edx
.Lfill:
    call word_of
    mov [TEXT + ecx * 4 - 4], eax
    add edx, eax
    loop .Lfill
    push edx
    mov esi, 2 << TAG_TYPED_SHIFT
    mov ebx, STRING * 4 << ITEM_SHIFT
    mov edi, TEXT
    call ask
    pop edx
    cmp esi, 1 | 0x4321 << LABEL_SHIFT
    WRONG ne, 7
    cmp ebx, edx
    WRONG ne, 8
    ret

; ask_kernel: calls whose results are known.
ask_kernel:
    mov eax, L4_EXCHANGE_REGISTERS
    UTCB ebx
    mov ebx, [ebx + UTCB_ID]
    xor ecx, ecx
    mov ebp, 0x13579BDF
    int VECTOR_SYSCALL
    cmp eax, ebx
    WRONG ne, 9
    cmp edx, esp
    WRONG ne, 10
    cmp ebp, 0x13579BDF
    WRONG ne, 11
    mov eax, MICRO_CALLS
    int VECTOR_SYSCALL
    test eax, eax
    WRONG ne, 12
    xor eax, eax                ; an IPC with nobody
    xor edx, edx
    xor esi, esi
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT | TIMEOUT_ZERO
    call KIP_CODE
    cmp ebp, 0x13579BDF
    WRONG ne, 13
    ret

; ask: calls the other one.
;   in    ESI, EBX, EDI = message
;   out   the same
ask:
    mov eax, [ids + 4]
    mov edx, eax
    xor ecx, ecx
    call KIP_CODE
    cmp eax, [ids + 4]
    WRONG ne, 1
    ret

; word_of: what the word of a number is in this round.
;   in    ECX = number
;   out   EAX; everything else is kept
word_of:
    mov eax, [witness_pages + 4]
    shl eax, 12
    add eax, ecx
    imul eax, eax, FACTOR
    ret

; echo: the one who answers.
.global echo
echo:
    mov esp, witness_pages + 0x2000
    xor eax, eax
.Lserve:
    UTCB ebp
    mov dword ptr [ebp + UTCB_BR0], ACCEPT_STRINGS
    mov dword ptr [ebp + UTCB_BR1], 0x2000 << ITEM_SHIFT
    mov dword ptr [ebp + UTCB_BR1 + 4], BUFFER
    mov edx, [ids]
    xor ecx, ecx
    call KIP_CODE
    test esi, TAG_ERROR
    jnz .Lfailed
    test esi, TAG_TYPED
    jnz .Lstring
    UTCB ebp
    mov ecx, esi
    and ecx, TAG_UNTYPED
    mov esi, ecx
.Lword:
    not dword ptr [ebp + UTCB_MR0 + ecx * 4]
    loop .Lword
    not ebx
    not edi
    jmp .Lanswer
.Lstring:
    mov ecx, STRING
    xor ebx, ebx
.Ladd:
    add ebx, [BUFFER + ecx * 4 - 4]
    mov dword ptr [BUFFER + ecx * 4 - 4], 0
    loop .Ladd
    mov esi, 1
.Lanswer:
    or esi, 0x4321 << LABEL_SHIFT
    mov eax, [ids]
    jmp .Lserve
.Lfailed:
    mov eax, 14
    jmp witness_fails

.bss

.align 4096
.global witness_pages
witness_pages:                  ; their stacks, what is sent, and where it goes
.global witness_rounds
witness_rounds:                 ; how often all was well
    .space 4
    .space 4                    ; the number of the round
.global witness_wrong
witness_wrong:                  ; what was wrong, 0 for nothing
    .space 4
.global witness_error
witness_error:                  ; UTCB_ERROR then
    .space 4
    .space WITNESS_PAGES * 4096 - 16
