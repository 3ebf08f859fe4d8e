; The kernel interface page: what programs can know of the kernel without asking, and the routine for IPC.
;
; Owns the page, which space_create maps read-only into every space. `run` and the fast path keep KIP_UTCB up to date, the
; clock of `l4` KIP_CLOCK; all else is written here, once.

.include "micro.inc"
.include "kernel/sysenter.inc"

.equ ALL_EXTENSIONS, KIP_ACCOUNTING | KIP_BUDGET | KIP_CEILING | KIP_BACKLOG

.if EXTENSIONS & ~ALL_EXTENSIONS
.error "EXTENSIONS is a sum of KIP_ACCOUNTING, KIP_BUDGET, KIP_CEILING and KIP_BACKLOG"
.endif

PIT_COUNT = (PIT_HZ + TICK_HZ / 2) / TICK_HZ                    ; crystal periods per tick, rounded
TICK_US   = (PIT_COUNT * PIT_PICOSECONDS + 500000) / 1000000    ; what that is in microseconds, rounded

.text

; kip_init: fills the page, and lets SYSENTER in if the processor has it.
;   in    memory_start, memory_limit, boot_limit, multiboot_info
.global kip_init
kip_init:
    push esi
    push edi
    mov dword ptr [kip + KIP_SIGNATURE], KIP_MAGIC
    mov eax, [variant_features]
    or eax, EXTENSIONS
    mov [kip + KIP_FEATURES], eax
    mov dword ptr [kip + KIP_THREADS], MAX_THREADS
    mov dword ptr [kip + KIP_TICK_US], TICK_US
    mov eax, [memory_start]
    mov [kip + KIP_MEMORY], eax
    mov eax, [memory_limit]
    mov [kip + KIP_MEMORY_END], eax
    mov eax, [boot_limit]
    mov [kip + KIP_BOOT_END], eax
    mov edx, [multiboot_info]
    test dword ptr [edx + MBI_FLAGS], MBI_HAS_MODULES
    jz .Lstub
    mov eax, [edx + MBI_MODS_ADDR]
    mov [kip + KIP_MODULES], eax
    mov eax, [edx + MBI_MODS_COUNT]
    mov [kip + KIP_MODULES_COUNT], eax

    ; The routine at KIP_CODE: one of two.
.Lstub:
    mov esi, stub_int
    SYSENTER_SETUP ipc_sysenter, .Lcopy
    or dword ptr [kip + KIP_FEATURES], KIP_SYSENTER
    mov esi, stub_sysenter
.Lcopy:
    mov edi, kip + KIP_CODE - KIP_BASE
    mov ecx, STUB_BYTES
    rep movsb
    pop edi
    pop esi
    ret

; The routines, as programs see them: called, with the registers of an IPC, and EBP kept. SYSENTER saves nothing: the
; kernel takes the stack pointer from EBP, and comes back to KIP_RETURN.
stub_sysenter:
    push ebp
    mov ebp, esp
    sysenter
stub_return:
    pop ebp
    ret
stub_int:
    push ebp
    int VECTOR_IPC
    pop ebp
    ret
stub_end:

.equ STUB_BYTES, 16             ; enough of either; what follows in the page is not used

.assert stub_return - stub_sysenter == KIP_RETURN - KIP_CODE, "KIP_RETURN is behind the SYSENTER"
.assert stub_end - stub_sysenter <= STUB_BYTES, "both routines are copied whole"

.bss

.global kip

.align PAGE_SIZE
kip:                            ; the page
    .space PAGE_SIZE
