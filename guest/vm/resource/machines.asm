; Virtual machines: their memory, and what is in it at the beginning.
;
; Owns the table of MACHINEs. The memory of each is one piece, which the resource monitor sees one to one; what it maps
; of that into the virtual machine, it maps page by page, at a distance that is always the same.
;
;     VM_BASE                VM_IMAGE                                 VMINFO_FREE
;     | VMINFO, MODULEs      | guest operating system | modules       | left to the guest operating system ... |

.include "lib/micro/user.inc"

WHOLE_PAGE = PAGE_SHIFT << FPAGE_SHIFT | FPAGE_RIGHTS       ; of a flexpage: all but the address

.text

; machine_new: makes a virtual machine, whose threads begin when they get the processor.
;   in    EAX = its number, EDX = bytes of memory
;   out   CF set: EAX = why not, as text
.global machine_new
machine_new:
    push ebx
    push esi
    push edi
    push ebp
    imul ebx, eax, MACHINE_SIZE
    add ebx, machines
    mov ebp, eax
    mov esi, edx
    mov eax, edx
    call memory_take
    jc .Lno_memory
    mov [ebx + MACHINE_MEMORY], eax
    mov [eax + VMINFO_NUMBER], ebp
    mov [eax + VMINFO_BYTES], esi
    mov [eax + VMINFO_PHYSICAL], eax
    test ebp, ebp
    jnz .Lidentifiers
    cmp dword ptr [card_registers], 0
    je .Lidentifiers
    mov dword ptr [eax + VMINFO_CARD], VM_CARD
.Lidentifiers:
    inc ebp
    shl ebp, VM_NUMBER_SHIFT + ID_SHIFT
    add ebp, VM_MONITOR_SLOT << ID_SHIFT | 1
    mov [ebx + MACHINE_MONITOR], ebp
    add ebp, (VM_MAIN_SLOT - VM_MONITOR_SLOT) << ID_SHIFT
    mov [ebx + MACHINE_MAIN], ebp
    mov [eax + VMINFO_MAIN], ebp
    call machine_image
    jc .Lreturn
    push eax
    call machine_modules
    pop edx
    jc .Lno_memory

    ; The threads: ready before they begin.
    mov ebp, edx
    mov dword ptr [ebx + MACHINE_STATE], MACHINE_RUNS
    mov eax, [ebx + MACHINE_MONITOR]
    mov edx, eax
    mov ecx, ROOT_TASK
    mov edi, VM_PRIORITY_MONITOR
    call machine_thread
    jc .Lno_threads
    mov eax, [ebx + MACHINE_MAIN]
    mov edx, [ebx + MACHINE_MONITOR]
    mov ecx, edx
    mov edi, VM_PRIORITY_MAIN
    call machine_thread
    jnc .Lreturn
.Lno_threads:
    mov eax, text_threads
    stc
    jmp .Lreturn
.Lno_memory:
    mov eax, text_memory
    stc
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; machine_thread: makes a thread of a virtual machine's own, and starts it.
;   in    EAX = identifier, EDX = one in its space, ECX = its scheduler, EDI = its priority, EBP = where it begins
;   out   CF set: that failed
machine_thread:
    push ebx
    push esi
    push eax
    mov esi, ROOT_TASK
    call resource_thread        ; the policy's
    pop ebx
    test eax, eax
    jz .Lfailed
    mov eax, ebx
    mov ebx, ebp
    xor edi, edi
    mov esi, 2                  ; MR1: where; MR2: no stack
    call ipc_send
    clc
    jmp .Lreturn
.Lfailed:
    stc
.Lreturn:
    pop esi
    pop ebx
    ret

; machine_image: the guest operating system into a virtual machine's memory.
;   in    EBX = MACHINE
;   out   EAX = where it begins, EDI = first address behind it; CF set: EAX = why not, as text
machine_image:
    mov eax, text_no_system
    cmp dword ptr [KIP_BASE + KIP_MODULES_COUNT], 2
    jb .Lreturn                 ; CF set
    mov esi, [KIP_BASE + KIP_MODULES]
    add esi, MODULE_SIZE
    mov eax, esi
    call elf_check_module
    jc .Lreturn
    push eax
    mov edi, VM_IMAGE
.Lpage:
    mov eax, esi
    mov edx, edi
    call elf_rights
    test eax, eax
    jz .Ldone                   ; the linker leaves no holes
    lea ecx, [edi - VM_BASE]
    mov edx, [ebx + MACHINE_MEMORY]
    cmp ecx, [edx + VMINFO_BYTES]
    jae .Lno_memory
    add ecx, edx
    mov eax, esi
    mov edx, edi
    call elf_fill
    add edi, PAGE_SIZE
    jmp .Lpage
.Ldone:
    pop eax                     ; CF clear
    ret
.Lno_memory:
    pop eax
    mov eax, text_memory
    stc
.Lreturn:
    ret

; machine_modules: the programs' files behind it.
;   in    EBX = MACHINE, EDI = first free address
;   out   CF set: they do not fit
machine_modules:
    push ebp
    mov ebp, [ebx + MACHINE_MEMORY]
    mov ecx, [KIP_BASE + KIP_MODULES_COUNT]
    sub ecx, 2
    cmp ecx, VM_PROGRAMS
    jbe .Lcount
    mov ecx, VM_PROGRAMS
.Lcount:
    mov [ebp + VMINFO_MODULES], ecx
    mov edx, [KIP_BASE + KIP_MODULES]
    add edx, MODULE_SIZE
    lea eax, [ebp + VMINFO_SIZE]
.Lmodule:
    dec ecx
    js .Ldone
    add edx, MODULE_SIZE
    push ecx
    mov esi, [edx + MODULE_START]
    mov ecx, [edx + MODULE_END]
    sub ecx, esi
    mov [eax + MODULE_START], edi
    call machine_copy
    jc .Lfull
    mov [eax + MODULE_END], edi
    mov [eax + MODULE_STRING], edi
    mov esi, [edx + MODULE_STRING]
    xor ecx, ecx
.Lcharacter:
    cmp byte ptr [esi + ecx], 1
    inc ecx                     ; CF, of the comparison, stays
    jnc .Lcharacter
    call machine_copy
    jc .Lfull
    add edi, PAGE_SIZE - 1
    and edi, PAGE_MASK
    pop ecx
    add eax, MODULE_SIZE
    jmp .Lmodule
.Ldone:
    mov [ebp + VMINFO_FREE], edi
    clc
    pop ebp
    ret
.Lfull:
    pop ecx
    pop ebp
    ret

; machine_copy: bytes into a virtual machine's memory.
;   in    ESI = bytes, ECX = how many, EDI = where in the virtual machine, EBP = its memory
;   out   EDI behind them; CF set: they do not fit. EAX, EDX kept
machine_copy:
    push edx
    sub edi, VM_BASE
    lea edx, [edi + ecx]
    cmp [ebp + VMINFO_BYTES], edx
    jb .Lreturn
    add edi, ebp
    rep movsb
    sub edi, ebp
    add edi, VM_BASE
    clc
.Lreturn:
    pop edx
    ret

; machine_find: which virtual machine does a thread belong to?
;   in    EAX = identifier
;   out   EBP = MACHINE; CF set: it is neither main nor monitor of one. EAX, EBX, ESI, EDI kept
.global machine_find
machine_find:
    mov edx, eax
    shr edx, VM_NUMBER_SHIFT + ID_SHIFT
    dec edx
    cmp edx, VM_MACHINES
    cmc
    jc .Lreturn
    imul ebp, edx, MACHINE_SIZE
    add ebp, machines
    cmp [ebp + MACHINE_MAIN], eax
    je .Lreturn                 ; CF is clear
    cmp [ebp + MACHINE_MONITOR], eax
    je .Lreturn
    stc
.Lreturn:
    ret

; machine_fault: the answer to a page fault of main or monitor.
;   in    EBP = MACHINE, EAX = who, EBX = address
;   out   MACHINE_TO and so on; CF set: there is nothing at that address
.global machine_fault
machine_fault:
    mov ecx, [ebp + MACHINE_MEMORY]
    mov edx, ebx
    and edx, PAGE_MASK
    sub edx, VM_BASE
    cmp edx, [ecx + VMINFO_BYTES]
    jae .Lcard
    add edx, ecx
.Lmap:
    and ebx, PAGE_MASK
    or ebx, ITEM_MAP
    or edx, WHOLE_PAGE
    mov [ebp + MACHINE_TO], eax
    mov dword ptr [ebp + MACHINE_TAG], 2 << TAG_TYPED_SHIFT
    mov [ebp + MACHINE_MR1], ebx
    mov [ebp + MACHINE_MR2], edx
    clc
    ret
.Lcard:
    add edx, VM_BASE - VM_CARD
    cmp edx, VM_CARD_BYTES
    jae .Lnone
    cmp dword ptr [ecx + VMINFO_CARD], 0
    je .Lnone
    add edx, [card_registers]
    add edx, ROOT_DEVICES - DEVICE_BASE
    jmp .Lmap
.Lnone:
    stc
    ret

.rodata

text_memory:
    .asciz "resource monitor: the virtual machines do not fit into memory"
text_threads:
    .asciz "resource monitor: no more threads"
text_no_system:
    .asciz "resource monitor: the image has no guest operating system"

.bss

.global machines

.align 4
machines:                       ; MACHINEs
    .space VM_MACHINES * MACHINE_SIZE
