"""A kernel's paths, in a form that bare Unicorn can run, too: a system call, and a message to another address space.

Unicorn alone delivers neither INT nor SYSENTER to the guest. What it can is a call gate. So the same system comes in
two forms: ring 3 enters by INT 80h and ring 0 leaves by IRET, as on our kernel's own paths, or by a far CALL and a far
RET. Instructions are equally many. Behind the entry is what our kernel does (guest/kernel/syscall.asm, switch.asm):
registers and segments saved in a frame, the call's number checked and looked up in a table, and a handler that works on
control blocks of threads. Our kernel has no IPC yet; sending a message here is what will be the least of it.
"""

from __future__ import annotations

from enum import Enum

from tools.bench import system

ROUNDS = 3_000              # rounds of three system calls, of one run: some milliseconds
MESSAGES = 1_000            # messages there and back, of one run


class Entry(Enum):
    """How ring 3 gets into ring 0: the instruction, what it pushes that a call gate does not, the way back."""

    INT = f"int {system.CALL}", "push 0x202                          ; EFLAGS", "iretd"
    GATE = "call CALL_GATE:0", "", "retf"


# The gate and the table. A thread's control block lies at the bottom of the page whose top is its kernel stack.
GATE = "    GATE gate_entry, 0xEC00             ; call gate, DPL 3"
_KERNEL = """
CALL_GATE  = 0x33               ; its selector
CALLS      = 4                  ; what ring 3 asks for, in EAX
CALL_SELF  = 0
CALL_WAKE  = 1
CALL_LOAD  = 2
CALL_SEND  = 3

AREA       = 0x1000             ; a thread's control block and kernel stack
THREADS    = 2
FIRST      = KSTACK - AREA      ; the thread that runs first
SECOND     = FIRST - 2 * AREA   ; a page between them

TCB_NUMBER  = 0
TCB_STATE   = 4                 ; 0 running, 1 waiting
TCB_STACK   = 8                 ; ESP while another thread runs
TCB_SPACE   = 12                ; page directory
TCB_PENDING = 16                ; bits that wake it
TCB_NEXT    = 20                ; the next of all threads, or 0
TCB_USED    = 24                ; calls it has made

FRAME_EDI = 0                   ; what gate_entry leaves, from EBP up
FRAME_ESI = 4
FRAME_EBX = 16
FRAME_EAX = 28

gate_entry:
    push ds
    push es
    pushad
    mov ecx, KDATA
    mov ds, ecx
    mov es, ecx
    cld
    mov ebp, esp
    call dispatch
gate_exit:
    mov [esp + FRAME_EAX], eax
    popad
    pop es
    pop ds
    {leave}

dispatch:
    cmp eax, CALLS
    jae refused
    jmp dword ptr [calls + eax * 4]
refused:
    mov eax, -1
    ret

; call_self: the number of the thread that asks.
call_self:
    mov edx, esp
    and edx, ~(AREA - 1)
    inc dword ptr [edx + TCB_USED]
    mov eax, [edx + TCB_NUMBER]
    ret

; call_wake: notes bits ESI for thread EBX; what it has pending.
call_wake:
    cmp ebx, THREADS
    jae refused
    mov edx, [threads + ebx * 4]
    test edx, edx
    jz refused
    or [edx + TCB_PENDING], esi
    mov eax, [edx + TCB_PENDING]
    test eax, [edx + TCB_STATE]
    jz .Lreturn
    mov dword ptr [edx + TCB_STATE], 0
    inc dword ptr [woken]
.Lreturn:
    ret

; call_load: the calls that all threads have made.
call_load:
    mov edx, [threads]
    xor eax, eax
.Lthread:
    add eax, [edx + TCB_USED]
    mov edx, [edx + TCB_NEXT]
    test edx, edx
    jnz .Lthread
    ret

; call_send: hands EBX, ESI and EDI to the other thread and waits for what it sends.
call_send:
    mov edx, esp
    and edx, ~(AREA - 1)
    mov eax, [edx + TCB_NUMBER]
    xor eax, 1
    mov eax, [threads + eax * 4]
    cmp dword ptr [eax + TCB_STATE], 1
    jne refused
    mov ecx, [ebp + FRAME_EBX]
    mov ebx, [ebp + FRAME_ESI]
    mov esi, [ebp + FRAME_EDI]
    mov edi, [eax + TCB_STACK]
    mov edi, [edi + 8]                  ; its EBP in the frame below, which is its FRAME
    mov [edi + FRAME_EBX], ecx
    mov [edi + FRAME_ESI], ebx
    mov [edi + FRAME_EDI], esi
    mov dword ptr [edx + TCB_STATE], 1
    inc dword ptr [edx + TCB_USED]

; The switch: GS, FS, EBP, EDI, ESI, EBX, return address of the other thread, lowest address first.
    push ebx
    push esi
    push edi
    push ebp
    push fs
    push gs
    mov [edx + TCB_STACK], esp
    mov esp, [eax + TCB_STACK]
    mov dword ptr [eax + TCB_STATE], 0
    lea edx, [eax + AREA]
    mov [tss + 4], edx
    mov edx, [eax + TCB_SPACE]
    mov ecx, cr3
    cmp ecx, edx
    je .Lsame
    mov cr3, edx
.Lsame:
    pop gs
    pop fs
    pop ebp
    pop edi
    pop esi
    pop ebx
    xor eax, eax
    ret

.align 4
calls:
    .long call_self, call_wake, call_load, call_send
threads:
    .long FIRST, SECOND
woken:
    .long 0
"""

# The second thread waits as if it had called call_send before, in an address space of its own that shows the same.
_SETUP = """
    mov eax, SECOND
    mov dword ptr [FIRST + TCB_SPACE], DIRECTORY
    mov dword ptr [FIRST + TCB_NEXT], eax
    mov dword ptr [SECOND + TCB_NUMBER], 1
    mov dword ptr [SECOND + TCB_STATE], 1
    mov dword ptr [SECOND + TCB_SPACE], DIRECTORY + 0x1000
    mov dword ptr [DIRECTORY + 0x1000], 0x87
    lea esp, [eax + AREA]
    push UDATA
    push USTACK - 0x1000
    {flags}
    push UCODE
    push answered
    push UDATA                          ; DS, ES
    push UDATA
    pushad
    mov ebp, esp
    push gate_exit
    push 0                              ; EBX, ESI, EDI
    push 0
    push 0
    push ebp
    push fs
    push gs
    mov [SECOND + TCB_STACK], esp
    mov esp, KSTACK
"""

_ANSWER = """
; answer: the second thread sends back what it gets, a little changed.
answer:
    add ebx, esi
    xor edi, ebx
    mov eax, CALL_SEND
    {enter}
answered:
    jmp answer
"""

_CALLING = """
start:
    mov edi, {rounds}
    xor ebp, ebp
.Lagain:
    mov eax, CALL_SELF
    {enter}
    add ebp, eax
    mov eax, CALL_WAKE
    mov ebx, 1
    mov esi, edi
    and esi, 6                          ; never what it waits for
    {enter}
    add ebp, eax
    mov eax, CALL_LOAD
    {enter}
    xor ebp, eax
    dec edi
    jnz .Lagain
    mov ebx, ebp
stop:
    jmp start
"""

_SENDING = """
start:
    mov ebp, {rounds}
    mov ebx, 1
    mov esi, 3
    xor edi, edi
.Lagain:
    mov eax, CALL_SEND
    {enter}
    inc esi
    dec ebp
    jnz .Lagain
stop:
    jmp start
"""


def calling(entry: Entry) -> str:
    """System calls that touch a few structures, one after the other."""
    return _source(_CALLING.replace("{rounds}", str(ROUNDS)), entry)


def sending(entry: Entry) -> str:
    """Messages of three words to a thread in another address space, and its answers: two loads of CR3 each time."""
    return _source(_SENDING.replace("{rounds}", str(MESSAGES)), entry)


def _source(user: str, entry: Entry) -> str:
    enter, flags, leave = entry.value

    def entered(text: str) -> str:
        return text.replace("{enter}", enter).replace("{flags}", flags).replace("{leave}", leave)

    return system.source(entered(user + _ANSWER), entered(_SETUP), entered(_KERNEL), GATE, "gate_entry")
