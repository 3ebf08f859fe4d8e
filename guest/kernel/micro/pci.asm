; PCI configuration space for the root task: its ports are a pair, so the kernel uses both at once (drivers/pci.asm).

.include "micro.inc"

PCI_RESERVED = 0x7F000003       ; bits of an address that are always 0: between the enable bit and the bus, and the lowest

.text

; sys_pci_read: the call L4_PCI_READ.
;   in    EBP = KTCB; its frame: EBX = register
;   out   does not return; the frame's EAX = 1, ECX = what is in it
.global sys_pci_read
sys_pci_read:
    call pci_check
    call pci_read
    mov [ebp + KTCB_ECX], eax
    jmp pci_done

; sys_pci_write: the call L4_PCI_WRITE.
;   in    EBP = KTCB; its frame: EBX = register, ECX = what goes into it
;   out   does not return; the frame's EAX = 1
.global sys_pci_write
sys_pci_write:
    call pci_check
    mov edx, [ebp + KTCB_ECX]
    call pci_write
pci_done:
    mov dword ptr [ebp + KTCB_EAX], 1
    jmp resume

; pci_check: may the current thread have that register, and is there such an address?
;   in    EBP = KTCB; its frame: EBX = register
;   out   EAX = register; if not, the call fails, and this does not return
pci_check:
    mov eax, CALL_PRIVILEGE
    cmp dword ptr [ebp + KTCB_SPACE], root_directory - KERNEL_BASE
    jne call_fail
    mov eax, [ebp + KTCB_EBX]
    mov edx, eax
    and edx, PCI_ENABLE | PCI_RESERVED
    cmp edx, PCI_ENABLE
    jne .Lparameter
    ret
.Lparameter:
    mov eax, CALL_PARAMETER
    jmp call_fail
