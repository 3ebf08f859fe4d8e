; PCI configuration space by the kernel's calls: for the root task, whom drivers/pci.asm would need ports for.

.include "lib/micro/user.inc"

.text

; pci_read: reads a register of a PCI function.
;   in    EAX = which: PCI_ENABLE | bus << 16 | device << 11 | function << 8 | offset
;   out   EAX = the register
.global pci_read
pci_read:
    push ebx
    mov ebx, eax
    mov eax, L4_PCI_READ
    int VECTOR_SYSCALL
    mov eax, ecx
    pop ebx
    ret

; pci_write: writes one.
;   in    EAX = which; EDX = the value
.global pci_write
pci_write:
    push ebx
    mov ebx, eax
    mov ecx, edx
    mov eax, L4_PCI_WRITE
    int VECTOR_SYSCALL
    pop ebx
    ret
