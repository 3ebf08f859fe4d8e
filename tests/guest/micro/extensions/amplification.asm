; Can a client get more than its share of the processor by calling a server that goes before it?
;
; Two clients are to share the processor, turn and turn about. Honest works by itself; greedy lets a server work for it, which
; the scheduler prefers to both. So a tick that ends greedy's turn finds the server at work, which goes on, and answers
; greedy, which has the processor by that. With SLICE it ends: the scheduler gives each turn so many cycles, and hears when
; they are used up, by whomever. Without (0), turns end with ticks.

.include "play.inc"

SERVER = ONE
GREEDY = TWO
HONEST = THREE
NUMBERS = 4                             ; of threads, less FIRST_THREAD; 0 is the scheduler
SERVER_NUMBER = 1
GREEDY_NUMBER = 2
HONEST_NUMBER = 3

.global _start
; _start: the scheduler.
_start:
    mov esp, root_stack
    CONTROL TIMER, TIMER, NIL_THREAD, ROOT
    MAKE SERVER, server, one_stack
    MAKE GREEDY, greedy, two_stack
    MAKE HONEST, honest, three_stack
    mov edx, [KIP_BASE + KIP_UTCB]
    mov dword ptr [edx + UTCB_BUDGET], SLICE
    jmp listen

; The server first, if it does not wait for somebody's next turn; then whose turn it is, or who works for that one.
; What is left of a turn stays; a new one brings new cycles.
choose:
    xor edi, edi
    mov eax, SERVER_NUMBER
    cmp dword ptr [waits + SERVER_NUMBER * 4], 0
    jne grant
    xchg edi, [slice]
    mov eax, [turn]
    cmp dword ptr [works + eax * 4], 0
    jne instead
    cmp dword ptr [waits + eax * 4], 0
    jne grant
    jmp wrong                           ; both always want something
grant:
    mov dword ptr [waits + eax * 4], 0
reply:
    mov edx, [KIP_BASE + KIP_UTCB]
    mov [edx + UTCB_BUDGET], edi
    add eax, FIRST_THREAD
    shl eax, ID_SHIFT
    inc eax
    IPC eax, ANY_THREAD, REPLY
    jmp heard
instead:
    xor ecx, ecx
    xchg ecx, [works + eax * 4]
    mov eax, ecx
    jmp reply

listen:
    IPC NIL_THREAD, ANY_THREAD, ZERO
heard:
    test esi, TAG_ERROR
    jnz choose
    cmp eax, TIMER
    je tick
    shr eax, ID_SHIFT
    sub eax, FIRST_THREAD
    jb listen                           ; nobody can run
    mov edx, [KIP_BASE + KIP_UTCB]
    cmp dword ptr [edx + UTCB_MR1 + STATE_VECTOR], PREEMPTED_BUDGET
    je used_up
    mov dword ptr [waits + eax * 4], 1
    jmp listen

    ; Somebody's turn is over, whoever ran for that one.
used_up:
    mov ecx, [edx + UTCB_MR1 + STATE_ERROR]
    shr ecx, ID_SHIFT
    sub ecx, FIRST_THREAD
    mov [works + ecx * 4], eax
    cmp ecx, [turn]
    jne listen
    call next_turn
    jmp listen
tick:
    IPC TIMER, NIL_THREAD, REPLY
.if SLICE == 0
    call next_turn
.endif
    dec dword ptr [ticks]
    jnz listen
    EXIT 0

; next_turn: the other client's.
next_turn:
    mov dword ptr [slice], SLICE
    xor dword ptr [turn], GREEDY_NUMBER ^ HONEST_NUMBER
    ret

; server: works for whoever asks.
server:
    mov eax, NIL_THREAD
.Lwait:
    IPC eax, ANY_THREAD, REPLY
    mov ecx, SERVICE
.Lserve:
    loop .Lserve
    jmp .Lwait

; greedy: has the server work.
greedy:
    IPC SERVER, SERVER, NEVER
    jmp greedy

; honest: works.
honest:
    jmp honest

.data

turn:                                   ; number of the client whose turn it is
    .long GREEDY_NUMBER
slice:                                  ; cycles that this turn begins with, 0 if it has begun
    .long SLICE
ticks:                                  ; how many are left
    .long TICKS

.bss

waits:                                  ; by number: 1 if it waits for the processor
    .space 4 * NUMBERS
works:                                  ; by number of a client: number of the thread that goes on with its next turn, or 0
    .space 4 * NUMBERS
