; Extensions of the kernel: which there are.

.include "ecalls.inc"

.text

; ecalls_init: every extension registers its service.
.global ecalls_init
ecalls_init:
.irp service, probe_service, io_service
    mov eax, \service
    call register_service
.endr
    ret
