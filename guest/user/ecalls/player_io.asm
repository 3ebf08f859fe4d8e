; A video player by ECalls: the I/O event module tells it of its datagrams when the next frame is due to be decoded, and the
; scheduler prefers whose frame is to be displayed first.
;
; It tells the module how long a period is, how many frames it has displayed, and when the last one was: not by the
; clock, but as it should have been. Its lead is a period, and a little: it wants to begin when the one before is displayed.
; An event counts as heard when its frame is displayed, so that the scheduler knows of it as long as it matters.

.include "user/ecalls/player.inc"

MILLISECOND = 1000              ; microseconds
LEAD_TICKS = 2                  ; the module looks at its clock at ticks, and frames are displayed at the nearest one

.text

; io_begin: registers; of the first frame it is to hear at once. Who does not do this before others are in a hurry, and then
; waits for its turn, may never have one.
;   out   EAX = 0; else there is no such service, or the channel is not the first one
.global io_begin
io_begin:
    mov eax, text_io
    mov edx, registration
    call ecalls_register
    test eax, eax
    jnz .Lreturn
    mov eax, [period]
    call milliseconds
    mov [ECALL_TELL + SOCKET_INTEREST_PERIOD], eax
    imul eax, [tick], LEAD_TICKS
    add eax, [period]
    call milliseconds
    mov [ECALL_TELL + SOCKET_INTEREST_LEAD], eax
    mov edx, [socket]
    bts [ECALL_TELL + SOCKET_INTEREST_FD_LIST], edx
    call look
    xor eax, eax
    jmp ecall_fast
.Lreturn:
    ret

; player_io: plays the stream.
;   out   EAX = 0, or an error
.global player_io
player_io:
    call told
    call frame_take
    cmp eax, OVER
    je .Lover
    test eax, eax
    jz .Lwait
    push eax
    mov eax, [next]
    inc eax
    call tell                   ; what comes from now on is for the one behind it
    pop eax
    call decode
    call time_left
    test eax, eax
    jz .Ldisplay
    call sys_sleep
.Ldisplay:
    call display
    mov eax, [next]
    cmp eax, [frames]
    jae .Lover

    ; All events until now have been heard; the module is to look at the socket again, where something may be already.
    ; Until it does, nobody prefers us: that is not long.
.Lwait:
    mov eax, [next]
    call tell
    call told
    xor eax, eax
    xchg eax, [unheard]
    sub [ECALL_HEAR + SOCKET_READY_FLAG], eax
    call look
    mov dword ptr [ECALL_TELL + SEGMENT_CONTROL + CONTROL_WHEN], DEFER_SCHEDULE
    xor eax, eax
    call ecalls_wait
    test eax, eax
    jz player_io
    ret
.Lover:
    xor eax, eax
    ret

; look: the module is to look at the socket when it hears of us.
look:
    mov edx, [socket]
    bts [ECALL_TELL + SOCKET_INTEREST_UPDATED_FD_LIST], edx
    inc dword ptr [ECALL_TELL + SOCKET_INTEREST_FLAG]
    ret

; tell: what events are for from now on.
;   in    EAX = number of the frame
tell:
    push eax
    call time_of
    call milliseconds
    sub eax, [ECALL_TELL + SOCKET_INTEREST_PERIOD]
    mov [ECALL_TELL + SOCKET_INTEREST_DISPLAYED], eax
    pop eax
    inc eax                     ; so that it is not 0 for the first one, whose time is known, too
    mov [ECALL_TELL + SOCKET_INTEREST_FRAMES], eax
    ret

; milliseconds: a time in these.
;   in    EAX = microseconds
;   out   EAX = milliseconds
milliseconds:
    xor edx, edx
    mov ecx, MILLISECOND
    div ecx
    ret

; told: the module may tell of the socket again.
told:
    mov edx, [socket]
    btr [ECALL_HEAR + SOCKET_READY_FD_ACTIVE], edx
    adc dword ptr [unheard], 0
    ret

.rodata

text_io:
    .asciz "io"

.data

.align 4
registration:                   ; REGISTRATION
    .long METHOD_QUEUE, 0, 0, 0

.bss

.align 4
unheard:                        ; events that have come and not been heard
    .space 4
