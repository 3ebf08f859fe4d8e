; Extensions of the kernel: which there are.

.include "ecalls.inc"

.text

; ecalls_init: every extension registers its services. The latest is found first.
.global ecalls_init
ecalls_init:
    push ebx
    mov eax, io_service
    call register_service
    mov ebx, probe_services_end
.Lprobe:
    sub ebx, SERVICE_SIZE
    mov eax, ebx
    call register_service
    cmp ebx, probe_services
    ja .Lprobe
    pop ebx
    ret
