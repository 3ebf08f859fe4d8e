; What does the root task give to the driver of a device, and what does it refuse?

.include "test.inc"

.text

; ASK label, mr1=0: a request with a word as it is; EAX = answer, EDI = the second word of one that has it.
.macro ASK label, mr1=0
    mov eax, ROOT_TASK
    mov esi, \label << LABEL_SHIFT | 1
    mov ebx, \mr1
    call ipc_call
    mov eax, ebx
.endm

; main: asks.
.global main
main:
    ASK ROOT_DMA, 1
    VALUE "memory without a device: "
    ASK ROOT_INTERRUPT, 11
    VALUE "a line without a device: "
    ASK ROOT_DEVICE, PCI_NOBODY
    VALUE "nobody: "
    ASK ROOT_DEVICE, 0x12345678
    VALUE "what is not there: "
    ASK ROOT_DEVICE, 0x00010002
    VALUE "ports: "
    ASK ROOT_DEVICE, 0x00020002
    VALUE "64 bits: "
    ASK ROOT_DEVICE, 0x00030002
    VALUE "less than a page: "
    ASK ROOT_DEVICE, 0x00040002
    VALUE "where RAM could be: "
    ASK ROOT_DEVICE, E1000_ID
    mov ebp, eax
    sub eax, HEAP_BASE
    VALUE "the card: "
    mov eax, edi
    VALUE "its line: "
    mov eax, [ebp + E1000_RAL]
    VALUE "its address: "
    ASK ROOT_DEVICE, E1000_ID
    VALUE "once more: "
    ASK ROOT_DMA, 0
    VALUE "no memory: "
    ASK ROOT_DMA, -1
    VALUE "all memory: "
    ASK ROOT_DMA, 0x3F000 - 32 + 1
    VALUE "more than there are addresses: "
    ASK ROOT_DMA, 0x3000
    VALUE "more than there is: "
    ASK ROOT_DMA, 3
    sub eax, ebp
    VALUE "three pages: "
    mov eax, [ebp + 32 * PAGE_SIZE]
    or eax, [ebp + 33 * PAGE_SIZE]
    or eax, [ebp + 35 * PAGE_SIZE - 4]
    VALUE "of zeros: "
    mov [ebp + 32 * PAGE_SIZE], edi     ; for the test to find
    mov dword ptr [ebp + 35 * PAGE_SIZE - 4], 0x600D
    ASK ROOT_MEMORY, 1
    sub eax, ebp
    VALUE "the next page: "
    ASK ROOT_INTERRUPT, 0
    VALUE "line 0: "
    ASK ROOT_INTERRUPT, 10
    VALUE "somebody else's line: "
    ASK ROOT_INTERRUPT, 16
    VALUE "no line: "
    ASK ROOT_INTERRUPT, -1
    VALUE "nor this: "
    ASK ROOT_INTERRUPT, 11
    VALUE "line 11: "
    ASK ROOT_INTERRUPT, 11
    VALUE "once more: "

    ; The card's own doing: an interrupt, until the cause is read; the line stays closed until the answer.
    mov dword ptr [ebp + E1000_IMS], 1 << 7
    mov edi, 2
.Linterrupt:
    push edi
    mov dword ptr [ebp + E1000_ICS], 1 << 7
    mov edx, ANY_THREAD
    call ipc_receive
    push eax
    mov edx, [ebp + E1000_ICR]
    xor esi, esi
    call ipc_send_now
    pop eax
    shr eax, ID_SHIFT
    VALUE "an interrupt of line "
    pop edi
    dec edi
    jnz .Linterrupt
    xor eax, eax
    ret
