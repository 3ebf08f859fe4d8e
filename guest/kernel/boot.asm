; From the boot loader to the high half: the Multiboot header, CPUID, the kernel's page directory.
;
; Owns kernel_directory, the window onto physical memory and what CPUID said. The boot loader enters at _start; boot
; leaves for start (start.asm) and is never seen again. Code in .boot.text runs where it was loaded, below KERNEL_BASE
; and without paging, so it names kernel data as `label - KERNEL_BASE`.

.include "kernel.inc"

.section .boot.text

; What makes this file a kernel: the loader looks for it in the first 8 KiB, on a 4-byte boundary.
.align 4
multiboot_header:
    .long MULTIBOOT_HEADER      ; magic
    .long MULTIBOOT_WANTS       ; flags
    .long -(MULTIBOOT_HEADER + MULTIBOOT_WANTS)     ; checksum: the three add up to 0

; _start: the Multiboot loader jumps here.
;   in    EAX = MULTIBOOT_LOADER, EBX = physical address of the MBI
;         protected mode, flat segments, no paging, interrupts off, no stack, everything else undefined
;   out   does not return
.global _start
_start:
    cmp eax, MULTIBOOT_LOADER
    jne .Lforeign

    ; A stack and known flags first: the loader promises neither.
    mov esp, boot_stack_top - KERNEL_BASE
    push FLAGS_KERNEL
    popfd
    mov [multiboot_info - KERNEL_BASE], ebx
    call boot_cpuid
    call boot_window

    ; Paging on. We go on at the same address, which the identity mapping still shows, and then jump to the window.
    mov eax, kernel_directory - KERNEL_BASE
    mov cr3, eax
    mov eax, CR0_KERNEL
    mov cr0, eax
    mov eax, boot_high          ; an address in the window: the jump leaves the identity mapping
    jmp eax
.Lforeign:
    mov eax, EXIT_PANIC         ; without a loader there is no memory map and nobody to complain to
    out DEBUG_EXIT, eax
.Lstop:
    hlt
    jmp .Lstop

; boot_cpuid: asks the processor what it is.
;   out   cpu_vendor, cpu_signature, cpu_features; all 0 on a processor without CPUID (early 486 and before)
;         EBX destroyed
;
; A processor that has CPUID lets software change the flag ID (volume 3A, 2.3); an older one keeps it as it is.
boot_cpuid:
    pushfd
    xor dword ptr [esp], FLAGS_ID
    mov ecx, [esp]              ; as we want the flags
    popfd
    pushfd
    pop eax                     ; as the processor has them
    xor eax, ecx
    test eax, FLAGS_ID
    jnz .Lnone                  ; ID would not change
    xor eax, eax
    cpuid
    mov [cpu_vendor - KERNEL_BASE], ebx
    mov eax, 1
    cpuid
    mov [cpu_signature - KERNEL_BASE], eax
    mov [cpu_features - KERNEL_BASE], edx
.Lnone:
    ret

; boot_window: fills the kernel's page directory.
;   out   window_end; physical memory is mapped one to one from KERNEL_BASE, kernel text and read-only data without
;         write permission; address 0 shows the same first 4 MiB until boot_high
;         EDI destroyed
;
; The first 4 MiB always have a page table, because the kernel's text and data in it differ in permission. The rest is
; 4 MiB pages if the processor has them, which costs no memory and spares the TLB; else the other tables set aside.
;
;     kernel_directory                          window_tables
;         0 (until boot_high) -------+---->     frame 0, 1, 2 ... 1023        the first 4 MiB
;         KERNEL_BASE / TABLE_SPAN --+          frame 1024 ...                each further table 4 MiB more, or
;         the next ...               ------->   a 4 MiB page                  no table at all
boot_window:
    ; All the tables, frame after frame, whether they will be used or not.
    mov edi, window_tables - KERNEL_BASE
    mov eax, PTE_P | PTE_W
    mov ecx, PTE_COUNT * WINDOW_TABLES
.Lframe:
    stosd
    add eax, PAGE_SIZE
    dec ecx
    jnz .Lframe

    ; The kernel cannot write to its own text and constants: the linker puts them on pages of their own.
    mov eax, __text_start - KERNEL_BASE
.Lread_only:
    mov edx, eax
    shr edx, PAGE_SHIFT
    and dword ptr [window_tables - KERNEL_BASE + edx * PTE_SIZE], ~PTE_W
    add eax, PAGE_SIZE
    cmp eax, __rodata_end - KERNEL_BASE
    jb .Lread_only

    ; The directory: EAX is the entry to write, EDX the step to the next, ECX how many.
    mov edi, kernel_directory - KERNEL_BASE
    mov eax, window_tables - KERNEL_BASE + (PTE_P | PTE_W)
    mov [edi], eax                                  ; the identity mapping
    add edi, KERNEL_BASE / TABLE_SPAN * PTE_SIZE    ; the directory entry of KERNEL_BASE
    test dword ptr [cpu_features - KERNEL_BASE], CPUID_PSE
    jnz .Llarge

    mov dword ptr [window_end - KERNEL_BASE], KERNEL_BASE + WINDOW_TABLES * TABLE_SPAN
    mov ecx, WINDOW_TABLES
    mov edx, PAGE_SIZE
    jmp .Lspan
.Llarge:
    mov dword ptr [window_end - KERNEL_BASE], DEVICE_BASE
    mov ecx, CR4_PSE
    mov cr4, ecx
    stosd
    mov eax, TABLE_SPAN + (PTE_P | PTE_W | PTE_PS)
    mov ecx, WINDOW_SPANS - 1
    mov edx, TABLE_SPAN
.Lspan:
    stosd
    add eax, edx
    dec ecx
    jnz .Lspan
    ret

.text

; boot_high: the first instructions in the high half take the identity mapping away.
boot_high:
    add esp, KERNEL_BASE
    mov dword ptr [kernel_directory], 0
    mov eax, cr3
    mov cr3, eax
.if GLOBAL_PAGES
    call boot_global
.endif
    add dword ptr [multiboot_info], KERNEL_BASE
    jmp start

.if GLOBAL_PAGES
; boot_global: makes the kernel's pages global, if the processor knows such pages: a load of CR3 leaves them in the TLB.
;   out   EDI destroyed
;
; It is for the pages that are there now. Those that come later (device_map) are as they were without.
boot_global:
    test dword ptr [cpu_features], CPUID_PGE
    jz .Lreturn
    mov edi, window_tables
    mov ecx, PTE_COUNT
.Lpage:
    or dword ptr [edi], PTE_G
    add edi, PTE_SIZE
    dec ecx
    jnz .Lpage
    mov edi, kernel_directory + KERNEL_BASE / TABLE_SPAN * PTE_SIZE
    mov ecx, WINDOW_SPANS
.Lspan:
    test dword ptr [edi], PTE_PS        ; what has PGE has 4 MiB pages; the first entry is a table all the same
    jz .Lnext
    or dword ptr [edi], PTE_G
.Lnext:
    add edi, PTE_SIZE
    dec ecx
    jnz .Lspan
    mov eax, cr4
    or eax, CR4_PGE
    mov cr4, eax
.Lreturn:
    ret
.endif

.bss

.global kernel_directory, window_end, cpu_vendor, cpu_signature, cpu_features, multiboot_info

.align PAGE_SIZE
kernel_directory:               ; the page directory of the idle thread; every space shares its upper quarter
    .space PAGE_SIZE
window_tables:                  ; the first 4 MiB of the window; without 4 MiB pages, all of it
    .space WINDOW_TABLES * PAGE_SIZE
window_end:                     ; first address above the window
    .space 4
multiboot_info:                 ; the MBI; from boot_high on its address in the window
    .space 4
cpu_vendor:                     ; CPUID leaf 0, EBX: the first four letters of the maker
    .space 4
cpu_signature:                  ; CPUID leaf 1, EAX: family, model, stepping
    .space 4
cpu_features:                   ; CPUID leaf 1, EDX
    .space 4

.assert __rodata_end - KERNEL_BASE <= TABLE_SPAN, "text and constants must be in the first 4 MiB, which boot_window protects"
