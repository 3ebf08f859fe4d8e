; What it costs to decode a frame: a loop that is counted so that it takes as long. The picture is nobody's.

.include "user/ecalls/player.inc"

SAMPLE_SHIFT = 14
SAMPLE = 1 << SAMPLE_SHIFT      ; turns of the loop that are timed, to know how long one takes
SAMPLES = 4                     ; times, of which the shortest counts: nobody has interrupted that

.text

; decode_begin: finds out how many turns of the loop CYCLES are.
.global decode_begin
decode_begin:
    push ebx
    push esi
    push edi
    mov edi, -1                 ; cycles of the shortest
    mov ebx, SAMPLES
.Lsample:
    rdtsc
    mov esi, eax
    mov ecx, SAMPLE
    call turn
    rdtsc
    sub eax, esi
    cmp eax, edi
    jae .Lnext
    mov edi, eax
.Lnext:
    dec ebx
    jnz .Lsample
    mov eax, [cycles]
    mov edx, SAMPLE
    mul edx
    div edi
    mov [turns], eax
    pop edi
    pop esi
    pop ebx
    ret

; decode: decodes a frame.
;   in    EAX = PICTURE
.global decode
decode:
    mov eax, [eax + PICTURE_KIND]
    movzx eax, byte ptr [halves + eax]
    imul eax, [turns]
    shr eax, 1
    mov ecx, eax

; turn: turns of the loop.
;   in    ECX = how many, not 0
turn:
    dec ecx
    jnz turn
    ret

; pause: lets some time pass, an eighth of what it takes to decode a B frame.
.global pause
pause:
    mov ecx, [turns]
    shr ecx, 3
    jmp turn

.rodata

halves:                         ; what a frame of each kind costs, in halves of a B frame: I, P, B
    .byte 4, 3, 2

.bss

.align 4
turns:                          ; turns of the loop for a B frame
    .space 4
