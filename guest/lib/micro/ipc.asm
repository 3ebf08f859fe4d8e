; IPC: each operation of the X.2 manual is a routine.
;
; They have a calling rule of their own, the kernel's: a message travels in the registers that the thread has it in.
;
;   in    EAX = to whom, EDX = from whom, ECX = timeouts, as far as a routine does not set them itself
;         ESI = tag (MR0), EBX = MR1, EDI = MR2; the rest stands in the UTCB
;   out   EAX = from whom it came, ESI = tag: TAG_ERROR if the IPC failed, and UTCB_ERROR says why
;         EBX = MR1, EDI = MR2
;         ECX and EDX are destroyed, EBP is kept
;
; TAG_GRANT in ESI gives the partner the processor where both can run.

.include "lib/micro/user.inc"

.text

; ipc: the IPC itself, for what the others do not offer.
;   in    all of the registers above
.global ipc
ipc:
    jmp KIP_CODE

; ipc_call: sends, and waits for the answer of the same thread.
;   in    EAX, ESI, EBX, EDI
.global ipc_call
ipc_call:
    mov edx, eax
    mov ecx, TIMEOUT_NEVER
    jmp KIP_CODE

; ipc_send: sends.
;   in    EAX, ESI, EBX, EDI
.global ipc_send
ipc_send:
    mov edx, NIL_THREAD
    mov ecx, TIMEOUT_NEVER
    jmp KIP_CODE

; ipc_send_now: sends if the partner waits for it, and fails else.
;   in    EAX, ESI, EBX, EDI
.global ipc_send_now
ipc_send_now:
    mov edx, NIL_THREAD
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT
    jmp KIP_CODE

; ipc_receive: waits for a message, and keeps the processor if the sender can run, too.
;   in    EDX = from whom, or ANY_THREAD
.global ipc_receive
ipc_receive:
    mov eax, NIL_THREAD
    xor esi, esi
    mov ecx, TIMEOUT_NEVER
    jmp KIP_CODE

; ipc_receive_now: takes a message if somebody waits to send one, and fails else.
;   in    EDX = from whom, or ANY_THREAD
.global ipc_receive_now
ipc_receive_now:
    mov eax, NIL_THREAD
    xor esi, esi
    mov ecx, TIMEOUT_ZERO
    jmp KIP_CODE

; ipc_reply_and_wait: answers a client, who gets it only if it waits for it, and then waits for anybody.
;   in    EAX, ESI, EBX, EDI
.global ipc_reply_and_wait
ipc_reply_and_wait:
    mov edx, ANY_THREAD
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT
    jmp KIP_CODE

; ipc_send_and_receive: sends to one, and waits for another.
;   in    EAX, EDX, ESI, EBX, EDI
.global ipc_send_and_receive
ipc_send_and_receive:
    mov ecx, TIMEOUT_NEVER
    jmp KIP_CODE
