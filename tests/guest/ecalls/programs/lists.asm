; Data segments that are lists: the next free slot, the slot by priority, the slot by type; in both directions.

.text

; main: the program.
.global main
main:
    push ebx
    mov ebx, services
.Lservice:
    mov eax, [ebx]
    test eax, eax
    jz .Ldone
    call print_string
    mov al, ':'
    call print_char
    mov eax, [ebx]
    mov edx, registration
    call ecalls_register
    test eax, eax
    jnz .Lwrong
    mov eax, [ebx + ORGANIZATION]
    mov [shape + SHAPE_ORGANIZATION], eax

    ; Three events of the kernel, of which the last is for the slot of the first, if that matters.
    mov eax, FIRST
    call raise
    mov eax, SECOND
    call raise
    mov eax, FIRST + PROBE_SLOTS
    call raise
    mov eax, [ECALL_HEAR + ECALL_LIST_FLAG]
    call say
.Ltake:
    mov eax, ECALL_HEAR
    mov edx, entry
    mov ecx, shape
    call ecall_take
    jc .Ltaken
    mov eax, [shape + SHAPE_SLOT]
    call say
    mov eax, [entry]
    call say
    jmp .Ltake

    ; And three of ours, for slots 7, 9 and 7, of which the kernel hears the sum.
.Ltaken:
    mov dword ptr [shape + SHAPE_WHEN], DEFER_CALL
    mov eax, 7
    mov edx, 1000
    call defer
    mov eax, 9
    mov edx, 200
    call defer
    mov eax, 7
    mov edx, 30
    call defer
    call sys_self
    xor eax, eax
    mov edx, PROBE_HEARD
    call ecall_fast
    call say
    mov al, '\n'
    call print_char
    xor eax, eax
    call ecalls_unregister
    add ebx, NEXT_SERVICE
    jmp .Lservice
.Ldone:
    xor eax, eax
    pop ebx
    ret
.Lwrong:
    mov eax, 1
    pop ebx
    ret

; raise: the kernel is to raise an event for us; EAX = value.
raise:
    mov ecx, eax
    mov edx, 1
    mov eax, probe
    jmp ecall

; defer: EAX = slot, EDX = value.
defer:
    mov [shape + SHAPE_SLOT], eax
    mov [entry], edx
    mov eax, ECALL_TELL
    mov edx, entry
    mov ecx, shape
    jmp ecall_defer

; say: EAX = number.
say:
    push eax
    mov al, ' '
    call print_char
    pop eax
    jmp print_decimal

FIRST = 5
SECOND = 3
ORGANIZATION = 4
NEXT_SERVICE = 8

.data

.align 4
registration:
    .long 0, 0, 0, 0
shape:
    .long 0, 4, PROBE_SLOTS, 0, 0, 0
entry:
    .long 0

.rodata

services:
    .long probe, DATA_RING
    .long next, DATA_NEXT
    .long priority, DATA_PRIORITY
    .long type, DATA_TYPE
    .long 0
probe:
    .asciz "probe"
next:
    .asciz "probe-next"
priority:
    .asciz "probe-priority"
type:
    .asciz "probe-type"
