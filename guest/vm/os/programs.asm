; Programs of a virtual machine: the modules that it was given, each a space with a thread.
;
; Owns the table of VTs, how a program begins and ends, and with the last one the virtual machine's end. A thread begins
; on a page of main's that every program sees: there it says who handles its exceptions, and its first system call, which
; is none, is answered with everything that a program finds at its start (guest-abi.md).

.include "lib/micro/user.inc"

.text

; programs_init: makes a program of every module; one that is none leaves a line on the console.
.global programs_init
programs_init:
    push ebx
    push esi
    push ebp
    mov ebx, VM_PROGRAM_SLOT
    mov ebp, programs
    mov esi, VM_BASE + VMINFO_SIZE
.Lmodule:
    lea eax, [ebx - VM_PROGRAM_SLOT]
    cmp eax, [VM_BASE + VMINFO_MODULES]
    jae .Lstarted
    mov [ebp + VT_MODULE], esi
    call program_new
    jnc .Lnext
    push eax
    call program_name
    mov eax, text_not_started
    call print_string
    pop eax
    call print_string
    mov al, '\n'
    call print_char
.Lnext:
    add esi, MODULE_SIZE
    add ebp, VT_SIZE
    inc ebx
    jmp .Lmodule
.Lstarted:
    cmp dword ptr [programs_left], 0
    je programs_end
    pop ebp
    pop esi
    pop ebx
    ret

; program_new: makes a program of a module.
;   in    EBP = VT, with its VT_MODULE; EBX = its slot
;   out   CF set: EAX = why not, as text
program_new:
    push esi
    push edi
    mov eax, [ebp + VT_MODULE]
    call elf_check_module
    jc .Lreturn
    call program_extent
    mov eax, [ebp + VT_BYTES]
    call memory_take
    jc .Lno_memory
    mov [ebp + VT_MEMORY], eax
    mov eax, VM_STACK_TOP - VM_STACK_BASE
    call memory_take
    jc .Lno_memory
    mov [ebp + VT_STACK], eax

    ; What its file has for each page.
    xor edi, edi
.Lpage:
    mov eax, [ebp + VT_MODULE]
    mov edx, [ebp + VT_BASE]
    add edx, edi
    mov ecx, [ebp + VT_MEMORY]
    add ecx, edi
    call elf_fill
    add edi, PAGE_SIZE
    cmp edi, [ebp + VT_BYTES]
    jb .Lpage

    ; The module's string at the top of its stack, which begins below.
    mov esi, [ebp + VT_MODULE]
    mov esi, [esi + MODULE_STRING]
    mov edi, [ebp + VT_STACK]
    add edi, USER_ARGUMENTS - USER_STACK_BASE
    mov ecx, USER_STACK_TOP - USER_ARGUMENTS - 1        ; the last byte stays zero
.Lcharacter:
    lodsb
    stosb
    test al, al
    loopnz .Lcharacter
    mov eax, VM_STACK_BASE + USER_ARGUMENTS - USER_STACK_BASE
    mov [ebp + VT_STATE + STATE_ESP], eax
    mov [ebp + VT_STATE + STATE_EBX], eax
    mov dword ptr [ebp + VT_STATE + STATE_EAX], FEATURE_EXCEPTION

    ; Its thread.
    mov eax, VM_THREAD
    mov edx, ebx
    call monitor_call
    test eax, eax
    jz .Lno_thread
    mov [ebp + VT_ID], eax
    mov dword ptr [ebp + VT_STATUS], VT_NEW
    inc dword ptr [programs_left]
    push ebx
    mov ebx, VM_TRAMPOLINE
    xor edi, edi
    mov esi, 2                  ; MR1: where; MR2: no stack yet
    call ipc_send
    pop ebx
    clc
    jmp .Lreturn
.Lno_memory:
    mov eax, text_no_memory
    stc
    jmp .Lreturn
.Lno_thread:
    mov eax, text_no_thread
    stc
.Lreturn:
    pop edi
    pop esi
    ret

; program_extent: which pages does a program's file want?
;   in    EBP = VT, of whose module elf_check has not complained
;   out   VT_BASE, VT_BYTES
program_extent:
    push ebx
    push esi
    mov eax, [ebp + VT_MODULE]
    mov eax, [eax + MODULE_START]
    mov edx, [eax + EHDR_PHOFF]
    add edx, eax
    movzx ecx, word ptr [eax + EHDR_PHNUM]
    mov ebx, -1                 ; lowest address
    xor esi, esi                ; highest
.Lsegment:
    dec ecx
    js .Ldone
    cmp dword ptr [edx + PHDR_TYPE], PT_LOAD
    jne .Lnext
    mov eax, [edx + PHDR_VADDR]
    cmp eax, ebx
    jae .Lend
    mov ebx, eax
.Lend:
    add eax, [edx + PHDR_MEMSZ]
    cmp eax, esi
    jbe .Lnext
    mov esi, eax
.Lnext:
    add edx, PHDR_SIZE
    jmp .Lsegment
.Ldone:
    and ebx, PAGE_MASK
    add esi, PAGE_SIZE - 1
    and esi, PAGE_MASK
    sub esi, ebx
    mov [ebp + VT_BASE], ebx
    mov [ebp + VT_BYTES], esi
    pop esi
    pop ebx
    ret

; program_find: whose thread is this?
;   in    EAX = identifier
;   out   EBP = VT; CF set: nobody's. EAX, EBX, ESI, EDI kept
.global program_find
program_find:
    mov edx, eax
    shr edx, ID_SHIFT
    and edx, VM_SLOT_LAST
    sub edx, VM_PROGRAM_SLOT
    jb .Lreturn
    imul ebp, edx, VT_SIZE
    add ebp, programs
    cmp [ebp + VT_ID], eax
    je .Lreturn                 ; CF is clear
    stc
.Lreturn:
    ret

; program_fault: the answer to a page fault.
;   in    EBP = VT, EAX = address, EDX = FAULT_ bits
;   out   CF set: it has nothing there, or may not do that
.global program_fault
program_fault:
    push ebx
    push esi
    mov ebx, edx
    mov edx, eax
    and edx, PAGE_MASK
    mov ecx, trampoline
    mov eax, FPAGE_READ | FPAGE_EXECUTE
    cmp edx, VM_TRAMPOLINE
    je .Lpage
    mov eax, ebp
    call user_page
.Lpage:
    mov esi, eax
    not eax
    test ebx, eax               ; FAULT_ bits are FPAGE_ rights
    stc
    jnz .Lreturn
    test byte ptr [ecx], 0      ; main has to have it itself
    or edx, ITEM_MAP
    or ecx, esi
    or ecx, PAGE_SHIFT << FPAGE_SHIFT
    mov dword ptr [ebp + VT_TAG], 2 << TAG_TYPED_SHIFT
    mov [ebp + VT_STATE + STATE_EIP], edx       ; MR1
    mov [ebp + VT_STATE + STATE_EFLAGS], ecx    ; MR2
    clc
.Lreturn:
    pop esi
    pop ebx
    ret

; program_name: prints the name of a program.
;   in    EBP = VT
.global program_name
program_name:
    mov eax, [ebp + VT_MODULE]
    mov eax, [eax + MODULE_STRING]
    jmp print_word

; program_end: a program has ended.
;   in    EBP = VT, EAX = exit code: if it is not 0, the console says so
.global program_end
program_end:
    push eax
    test eax, eax
    jz .Lquiet
    call program_name
    mov eax, text_exit_code
    call print_string
    mov eax, [esp]
    call print_decimal
    mov al, '\n'
    call print_char
.Lquiet:
    pop eax

; program_stop: likewise, without a word.
;   in    EBP = VT, EAX = exit code; that of the first program is the virtual machine's
.global program_stop
program_stop:
    cmp ebp, programs
    jne .Lothers
    mov [exit_code], eax
.Lothers:
    mov dword ptr [ebp + VT_STATUS], VT_ENDED
    mov eax, ebp
    call sockets_end
    mov edx, [ebp + VT_ID]
    shr edx, ID_SHIFT
    and edx, VM_SLOT_LAST
    mov dword ptr [ebp + VT_ID], 0
    mov eax, VM_THREAD_END
    call monitor_call
    dec dword ptr [programs_left]
    jz programs_end
    ret

; programs_end: there is none any more.
;   out   does not return
programs_end:
    mov eax, VM_EXIT
    mov edx, [exit_code]

; monitor_call: asks the resource monitor. Nothing else is done meanwhile.
;   in    EAX = VM_ request, EDX = MR1
;   out   EAX = MR1 of the answer
.global monitor_call
monitor_call:
    push ebx
    push esi
    push edi
    mov esi, eax
    shl esi, LABEL_SHIFT
    inc esi
    mov ebx, edx
    mov eax, ROOT_TASK
    call ipc_call
    mov eax, ebx
    pop edi
    pop esi
    pop ebx
    ret

.assert VT_FAIR == 0, "a FAIR is a VT"

.rodata

text_not_started:
    .asciz ": not started: "
text_no_memory:
    .asciz "out of memory"
text_no_thread:
    .asciz "out of threads"
text_exit_code:
    .asciz ": exit code "

; trampoline: where every program begins, at VM_TRAMPOLINE. A page of its own: programs see it all.
;   in    EDI = UTCB
.align PAGE_SIZE
trampoline:
    .byte 0x8B, 0x47, UTCB_PAGER                ; mov eax, [edi + UTCB_PAGER]
    .byte 0x89, 0x47, UTCB_HANDLER              ; mov [edi + UTCB_HANDLER], eax
    .byte 0xCD, VECTOR_GUEST                    ; int VECTOR_GUEST
.align PAGE_SIZE

.data

.align 4
exit_code:                      ; what the virtual machine will end with
    .long EXIT_NOT_STARTED

.bss

.global programs

.align 4
programs:                       ; VTs, by slot
    .space VM_PROGRAMS * VT_SIZE
programs_left:                  ; those that have begun and not ended
    .space 4
