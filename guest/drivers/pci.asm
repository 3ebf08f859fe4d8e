; PCI configuration space by its ports (PCI Local Bus Specification 2.2, 3.2.2.3.2), for whoever may use ports.
;
; Calling rule as in net/net.inc. The two ports are a pair: nothing may come between.

.text

; pci_read: reads a register of a PCI function.
;   in    EAX = which, as PCI_ADDRESS has it
;   out   EAX = the register
.global pci_read
pci_read:
    mov edx, PCI_ADDRESS
    out dx, eax
    mov edx, PCI_DATA
    in eax, dx
    ret

; pci_write: writes one.
;   in    EAX = which, as PCI_ADDRESS has it; EDX = the value
.global pci_write
pci_write:
    mov ecx, edx
    mov edx, PCI_ADDRESS
    out dx, eax
    mov edx, PCI_DATA
    mov eax, ecx
    out dx, eax
    ret
