; Requests to the root task for those who drive a device. guest/abi/root.py says what they do.

.include "lib/micro/user.inc"

.text

; program_device: a device becomes the program's.
;   in    EAX = PCI identity, device << 16 | vendor
;   out   EAX = address of its registers, or 0; EDX = its interrupt line
.global program_device
program_device:
    mov edx, ROOT_DEVICE << LABEL_SHIFT | 1
    jmp request

; program_dma: memory that the program's devices can reach. They can from now on; they should have been reset.
;   in    EAX = pages
;   out   EAX = address of the first, or 0; EDX = its physical address
.global program_dma
program_dma:
    mov edx, ROOT_DMA << LABEL_SHIFT | 1
    jmp request

; program_interrupt: the calling thread becomes the handler of an interrupt line of the program's devices.
;   in    EAX = line
;   out   EAX = 1, or 0
.global program_interrupt
program_interrupt:
    mov edx, ROOT_INTERRUPT << LABEL_SHIFT | 1
    jmp request
