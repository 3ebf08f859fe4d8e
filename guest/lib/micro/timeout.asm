; IPC with a timeout where the kernel has none (`uls`): a server in the program itself ends it.
;
; Owns the table of TIMEDs and the server, a thread that looks at the table each tick and cancels what is overdue. To
; set a timeout costs a few stores and no IPC: the table lies in the program, and ExchangeRegisters reaches its threads
; only.
;
; No cancellation hits the wrong IPC. The server decides at one moment and cancels at another; between the two the IPC
; may have ended, and its thread may be in the next one. So each timed IPC has a token of its own, which its thread
; keeps in UTCB_TOKEN as long as it lasts, and the kernel compares the token in the same step in which it cancels
; (EXREG_TOKEN). And none gets lost: who is not in its IPC yet when the server comes is overdue at the next tick still.
;
;     thread   claims, new token, deadline ... [ IPC .................. ] no deadline, no token, free
;     server                    ^ from here on the server may cancel                 ^ to here, without effect

.include "lib/micro/user.inc"

STACK = 512

.text

; timeout_init: starts the server.
;   out   EAX = its identifier, or 0
.global timeout_init
timeout_init:
    mov eax, timeout_server
    mov edx, server_stack_top
    mov ecx, NIL_THREAD
    jmp thread_new

; ipc_timed: an IPC that ends in time.
;   in    EAX, EDX, ESI, EBX, EDI as in ipc.asm; ECX = ticks, at least so many and less than one more
;   out   likewise; TAG_ERROR and IPC_CANCELED in UTCB_ERROR, perhaps with IPC_RECEIVE_PHASE: the time was over
.global ipc_timed
ipc_timed:
    push ebp
    push eax
    push edx
    push ecx
    call timed_claim
    mov eax, 1
    xadd [tokens], eax          ; one instruction, so no other thread gets the same
    UTCB edx
    mov [edx + UTCB_TOKEN], eax
    mov [ebp + TIMED_TOKEN], eax
    pop ecx
    inc ecx                     ; the current tick has begun already
    add ecx, [timeout_now]
    jnz .Ldeadline
    inc ecx                     ; 0 means none
.Ldeadline:
    mov [ebp + TIMED_DEADLINE], ecx
    pop edx
    pop eax
    mov ecx, TIMEOUT_NEVER
    call KIP_CODE
    mov dword ptr [ebp + TIMED_DEADLINE], 0
    UTCB edx
    mov dword ptr [edx + UTCB_TOKEN], 0
    mov dword ptr [ebp + TIMED_OWNER], 0
    pop ebp
    ret

; timed_claim: a free TIMED becomes the calling thread's.
;   out   EBP = it
timed_claim:
    MYSELF ecx
    mov ebp, table
.Ltimed:
    xor eax, eax
    cmpxchg [ebp + TIMED_OWNER], ecx
    jz .Lreturn
    add ebp, TIMED_SIZE
    cmp ebp, table_end
    jb .Ltimed
    mov eax, 1                  ; all are taken: one will be free
    call program_sleep
    jmp timed_claim
.Lreturn:
    ret

; timeout_server: the server.
;
; The owner is read before the token: if the TIMED changes hands in between, the token is another thread's, and does not
; fit.
timeout_server:
    mov eax, 1
    call program_sleep
timeout_turn:
    mov [timeout_now], eax
    mov ebx, table
.Ltimed:
    mov ecx, [ebx + TIMED_DEADLINE]
    jecxz .Lnext
    mov eax, [timeout_now]
    sub eax, ecx
    js .Lnext                   ; not yet
    mov eax, [ebx + TIMED_OWNER]
    mov edx, [ebx + TIMED_TOKEN]
    mov ecx, EXREG_CANCEL_SEND | EXREG_CANCEL_RECEIVE | EXREG_TOKEN
    call exchange_registers
.Lnext:
    add ebx, TIMED_SIZE
    cmp ebx, table_end
    jb .Ltimed
    jmp timeout_server

.data

.align 4
tokens:                         ; the next token; 0 is none
    .long 1

.bss

.global timeout_now

.align 16
    .space STACK
server_stack_top:
table:                          ; the TIMEDs
    .space TIMED_COUNT * TIMED_SIZE
table_end:
timeout_now:                    ; the last tick that the server has seen
    .space 4
