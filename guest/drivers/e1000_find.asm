; The 82540EM on the PCI bus. Whoever links this offers pci_read and pci_write: pci.asm, if it may use ports.

.text

; e1000_find: finds the card on the PCI bus, and lets it use memory.
;   out   CF set: there is none; else EAX = physical address of its registers, EDX = its interrupt line
.global e1000_find
e1000_find:
    push ebx
    mov ebx, PCI_ENABLE
.Lnext:
    mov eax, ebx
    call pci_read
    cmp eax, E1000_ID
    je .Lfound
    add ebx, PCI_DEVICE
    cmp ebx, PCI_DEVICES_END
    jne .Lnext
    stc
    pop ebx
    ret
.Lfound:
    lea eax, [ebx + PCI_COMMAND]
    call pci_read
    or eax, PCI_MASTER
    movzx edx, ax                       ; the upper half is the status, where ones clear
    lea eax, [ebx + PCI_COMMAND]
    call pci_write
    lea eax, [ebx + PCI_LINE]
    call pci_read
    movzx eax, al
    push eax
    lea eax, [ebx + PCI_BAR0]
    call pci_read
    and eax, ~0xf                       ; its kind
    pop edx
    clc
    pop ebx
    ret
