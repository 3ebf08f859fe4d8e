; Threads: a control block and a kernel stack in one aligned area.
;
; Owns the area's layout, how a thread comes to life, and areas of threads that have ended: these are kept for the next
; ones, because to make an area out of a frame means to fill it with zeros. threads.asm and process.asm make threads and
; end them; sched.asm and switch.asm run them.

.include "activations.inc"

.text

; thread_make: makes a thread that will start in ring 3.
;   in    EAX = its PROCESS; EDX = its first instruction; ECX = its stack pointer
;   out   EAX = TCB, in no queue; CF set: out of memory
;         the thread will find zero in all other registers; who wants another value there writes it to the frame
;
; The new thread looks as if it had once been interrupted in front of its first instruction and then switched away:
;
;     TCB + TCB_AREA ->  trap frame: SS ESP EFLAGS CS EIP ...                      TCB + USER_FRAME
;                        switch frame: EIP = trap_exit, all else zero
;          TCB_STACK ->
;                        whatever was there before
;                TCB ->  ACT
.global thread_make
thread_make:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, ecx
    call area_take
    jc .Lreturn
    call number_new
    jc .Lno_number

    ; Its place in the process.
    mov [eax + ACT_PROCESS], ebx
    mov edx, [ebx + PROCESS_SPACE]
    mov [eax + TCB_SPACE], edx
    mov edx, [ebx + PROCESS_MODULE]
    mov [eax + TCB_MODULE], edx
    lea edx, [eax + ACT_JOINERS]
    mov [edx + LINK_NEXT], edx
    mov [edx + LINK_PREV], edx
    push eax
    lea edx, [eax + ACT_SIBLING]
    lea eax, [ebx + PROCESS_THREADS]
    call ring_append
    pop eax

    ; What is zero: the rest of the control block, and what the two frames pop.
    xor ecx, ecx
    .irp field, ACT_WORK, ACT_RESULT, ACT_SIGNALS, ACT_MASKED, ACT_VP
    mov [eax + \field], ecx
    .endr
    lea edx, [eax + USER_FRAME]
    .irp field, FRAME_EDI, FRAME_ESI, FRAME_EBP, FRAME_EBX, FRAME_EDX, FRAME_ECX, FRAME_EAX
    mov [edx + \field], ecx
    .endr
    .irp field, SWITCH_GS, SWITCH_FS, SWITCH_EBP, SWITCH_EDI, SWITCH_ESI, SWITCH_EBX
    mov [edx - SWITCH_SIZE + \field], ecx
    .endr

    ; The rest.
    mov dword ptr [edx + FRAME_SS], SEL_UDATA
    mov [edx + FRAME_ESP], edi
    mov dword ptr [edx + FRAME_EFLAGS], FLAGS_USER
    mov dword ptr [edx + FRAME_CS], SEL_UCODE
    mov [edx + FRAME_EIP], esi
    mov dword ptr [edx + FRAME_DS], SEL_UDATA
    mov dword ptr [edx + FRAME_ES], SEL_UDATA
    sub edx, SWITCH_SIZE
    mov dword ptr [edx + SWITCH_EIP], trap_exit
    mov [eax + TCB_STACK], edx
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret
.Lno_number:
    call frame_free
    stc
    jmp .Lreturn

; thread_unmake: takes a thread away: it has never run, or it ends, or it has ended.
;   in    EAX = TCB, in no queue; if it is the running one it has to leave without taking memory (TRICKS, "The last
;         steps of a thread")
.global thread_unmake
thread_unmake:
    push ebx
    mov ebx, eax
    lea eax, [ebx + ACT_SIBLING]
    call ring_remove
    mov eax, ebx
    call number_free
    mov eax, ebx
    pop ebx

; area_give: takes an area back.
;   in    EAX = area
;   out   only its first word has changed
area_give:
    cmp dword ptr [areas_kept], AREAS_KEPT
    jae frame_free
    inc dword ptr [areas_kept]
    mov edx, [areas]
    mov [eax + TCB_STACK], edx
    mov [areas], eax
    ret

; area_take: an area for a thread; there may be anything in it.
;   out   EAX = area; CF set: out of memory
area_take:
    mov eax, [areas]
    test eax, eax
    jz frame_alloc
    mov edx, [eax + TCB_STACK]
    mov [areas], edx
    dec dword ptr [areas_kept]
    clc
    ret

; areas_free: gives all areas that are kept back as frames.
.global areas_free
areas_free:
    mov dword ptr [areas_kept], 0
.Larea:
    mov eax, [areas]
    test eax, eax
    jz .Lreturn
    mov edx, [eax + TCB_STACK]
    mov [areas], edx
    call frame_free
    jmp .Larea
.Lreturn:
    ret

.bss

.align 4
areas:                          ; the area that came back last, or 0; linked by TCB_STACK, their first word
    .space 4
areas_kept:                     ; how many they are
    .space 4
.assert TCB_AREA == PAGE_SIZE, "a thread's area is one frame"
.assert TCB_STACK == 0, "an area goes back by writing its first word only"
