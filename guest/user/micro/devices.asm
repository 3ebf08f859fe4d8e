; Devices: a program that drives one gets its registers as pages, memory that it can reach, and its interrupt line.
;
; Owns the table of DEVICEs: who has which PCI function. First come, first served, one program for each; when the program
; ends, its function may do nothing any more, and only then does its memory become somebody else's.
;
; There is no IOMMU. A device that may reach memory reaches all of it, so its driver is trusted. It may not yet when a
; program gets it, but from the first memory for it on: until then its driver can reset it, for it may still have in mind
; the memory of whoever had it before.

.include "lib/micro/user.inc"

.text

; device_find: the next place in the table whose field has a value.
;   in    EAX = value, EDX = field, EDI = where to begin
;   out   EDI = DEVICE; CF set: there is none. EAX, EDX, ECX kept
.global device_find
device_find:
    cmp edi, devices_limit
    jae .Lnone
    cmp [edi + edx], eax
    je .Lreturn                 ; CF is clear
    add edi, DEVICE_SIZE
    jmp device_find
.Lnone:
    stc
.Lreturn:
    ret

; device_page: what there is for a page of a program, if it belongs to a device.
;   in    EAX = program, EDX = page
;   out   EAX = where the root task has it; CF set: it does not. EDX kept
.global device_page
device_page:
    push edi
    push edx
    mov edi, devices
    mov edx, DEVICE_PROGRAM
.Lnext:
    call device_find
    jc .Lreturn
    mov ecx, [esp]
    sub ecx, [edi + DEVICE_PAGE]
    cmp ecx, [edi + DEVICE_BYTES]
    jb .Lfound
    add edi, DEVICE_SIZE
    jmp .Lnext
.Lfound:
    mov eax, [edi + DEVICE_REGISTERS]
    add eax, ecx                ; no carry: all of it lies below UTCB_BASE
.Lreturn:
    pop edx
    pop edi
    ret

; device_attach: an interrupt line gets a handler.
;   in    EAX = line, EDX = identifier, or NIL_THREAD: none
;   out   EAX = 1, or 0: the kernel refuses
.global device_attach
device_attach:
    push esi
    mov esi, edx
    shl eax, ID_SHIFT
    inc eax                     ; version 1
    mov edx, eax
    mov ecx, NIL_THREAD
    call thread_control
    pop esi
    ret

; devices_end: a program's devices do nothing any more, and are nobody's.
;   in    EAX = program
.global devices_end
devices_end:
    push ebx
    push edi
    mov ebx, eax
.Ldevice:
    mov eax, ebx
    mov edx, DEVICE_PROGRAM
    mov edi, devices
    call device_find
    jc .Lreturn
    mov eax, [edi + DEVICE_FUNCTION]
    add eax, PCI_COMMAND
    xor edx, edx
    call pci_write
    cmp dword ptr [edi + DEVICE_HANDLED], 0
    je .Lregisters
    mov eax, [edi + DEVICE_LINE]
    mov edx, NIL_THREAD
    call device_attach

    ; The registers come back from whomever it has passed them on to, too.
.Lregisters:
    bsf eax, [edi + DEVICE_BYTES]
    shl eax, FPAGE_SHIFT
    or eax, [edi + DEVICE_REGISTERS]
    or eax, FPAGE_RIGHTS
    UTCB edx
    mov [edx + UTCB_MR0], eax
    xor eax, eax                ; one flexpage
    call unmap
    mov ecx, DEVICE_SIZE / 4
    xor eax, eax
    rep stosd
    jmp .Ldevice
.Lreturn:
    pop edi
    pop ebx
    ret

.bss

.global devices

.align 4
devices:                        ; the table of DEVICEs
    .space DEVICE_COUNT * DEVICE_SIZE
devices_limit:
