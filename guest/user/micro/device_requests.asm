; Requests of programs that drive a device (devices.asm): for the device, for memory that it can reach, for its interrupts.
;
; Owns the checks of what is asked for, and what PCI says of a function.

.include "lib/micro/user.inc"

BAR_KIND = 7                    ; of PCI_BAR0: not 0 if its addresses are ports, or have 64 bits
BAR_BASE = ~0xF                 ;   and where they begin

.text

; request_device: request ROOT_DEVICE.
;   in    EBP = client, EBX = PCI identity
.global request_device
request_device:
    cmp ebx, PCI_NOBODY
    je client_refuse
    mov esi, PCI_ENABLE
.Lfunction:
    mov eax, esi
    call pci_read
    cmp eax, ebx
    jne .Lnext
    mov eax, esi
    mov edx, DEVICE_FUNCTION
    mov edi, devices
    call device_find
    jc .Lfound                  ; nobody has it
.Lnext:
    add esi, PCI_DEVICE
    cmp esi, PCI_DEVICES_END
    jne .Lfunction
    jmp client_refuse

    ; A place in the table; registers on pages of their own, where there are devices; addresses for them.
.Lfound:
    xor eax, eax
    mov edx, DEVICE_PROGRAM
    mov edi, devices
    call device_find
    jc client_refuse
    lea eax, [esi + PCI_BAR0]
    call pci_read
    test al, BAR_KIND
    jnz client_refuse
    and eax, BAR_BASE
    cmp eax, DEVICE_BASE
    jb client_refuse
    push eax
    mov eax, esi
    call device_size
    pop ecx
    test eax, PAGE_SIZE - 1
    jnz client_refuse
    mov ebx, eax
    shr ebx, PAGE_SHIFT
    call request_room
    jc client_refuse
; -- checked: from here on nothing can fail --
    mov edx, [ebp + CLIENT_PROGRAM]
    mov [edi + DEVICE_PROGRAM], edx
    mov [edi + DEVICE_FUNCTION], esi
    mov [edi + DEVICE_BYTES], eax
    add ecx, ROOT_DEVICES - DEVICE_BASE
    mov [edi + DEVICE_REGISTERS], ecx
    call request_grow
    mov [edi + DEVICE_PAGE], eax
    lea eax, [esi + PCI_COMMAND]
    mov edx, PCI_MEMORY
    call pci_write
    lea eax, [esi + PCI_LINE]
    call pci_read
    movzx edx, al
    mov [edi + DEVICE_LINE], edx
    mov eax, [edi + DEVICE_PAGE]
    jmp client_answer_two

; device_size: how long are the registers of a function that nobody has? It answers nowhere from now on.
;   in    EAX = function
;   out   EAX = bytes, a power of two
device_size:
    push ebx
    push esi
    lea ebx, [eax + PCI_BAR0]
    add eax, PCI_COMMAND
    xor edx, edx
    call pci_write
    mov eax, ebx
    call pci_read
    mov esi, eax
    mov eax, ebx
    mov edx, -1
    call pci_write
    mov eax, ebx
    call pci_read               ; with 0 wherever it takes no 1: below its size
    and eax, BAR_BASE
    neg eax
    push eax
    mov eax, ebx
    mov edx, esi
    call pci_write
    pop eax
    pop esi
    pop ebx
    ret

; request_dma: request ROOT_DMA.
;   in    EBP = client, EBX = pages
.global request_dma
request_dma:
    mov eax, [ebp + CLIENT_PROGRAM]
    mov edx, DEVICE_PROGRAM
    mov edi, devices
    call device_find
    jc client_refuse
    call request_room
    jc client_refuse
    mov edx, [eax + PROGRAM_HEAP_END]
    mov ecx, ebx
    call leases_take
    jc client_refuse
; -- checked: from here on nothing can fail --
    mov esi, eax
.Ldevice:
    mov eax, [edi + DEVICE_FUNCTION]
    add eax, PCI_COMMAND
    mov edx, PCI_MASTER
    call pci_write
    add edi, DEVICE_SIZE
    mov eax, [ebp + CLIENT_PROGRAM]
    mov edx, DEVICE_PROGRAM
    call device_find
    jnc .Ldevice
    call request_grow
    mov edx, esi
    jmp client_answer_two

; request_interrupt: request ROOT_INTERRUPT.
;   in    EBP = client, EBX = line
.global request_interrupt
request_interrupt:
    test ebx, ebx
    jz client_refuse
    xor esi, esi                ; the client's device with this line
    mov edi, devices
.Ldevice:
    mov eax, ebx
    mov edx, DEVICE_LINE
    call device_find
    jc .Lall
    mov eax, [ebp + CLIENT_PROGRAM]
    cmp [edi + DEVICE_PROGRAM], eax
    je .Lmine
    cmp dword ptr [edi + DEVICE_HANDLED], 0
    jne client_refuse           ; somebody else's device, who was first
    jmp .Lnext
.Lmine:
    mov esi, edi
.Lnext:
    add edi, DEVICE_SIZE
    jmp .Ldevice
.Lall:
    test esi, esi
    jz client_refuse
    mov eax, ebx
    mov edx, [ebp + CLIENT_ID]
    call device_attach
    test eax, eax
    jz client_refuse            ; the kernel knows no such line
    mov dword ptr [esi + DEVICE_HANDLED], 1

    ; Interrupts come first: in `uls` by the policy, which hears of the one who has lost the processor for it.
    test dword ptr [features], KIP_ULS
    jnz .Ldone
    mov eax, [ebp + CLIENT_ID]
    mov ecx, -1
    mov edx, -1
    mov esi, PRIORITY_HANDLER
    call schedule
.Ldone:
    mov eax, 1
    jmp client_answer
