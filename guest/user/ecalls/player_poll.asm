; A video player that polls: it looks for datagrams and at the clock again and again, and never waits.

.include "user/ecalls/player.inc"

.text

; player_poll: plays the stream.
;   out   EAX = 0
.global player_poll
player_poll:
    call frame_take
    cmp eax, OVER
    je .Lover
    test eax, eax
    jz .Lpause
    call decode
.Llook:
    call time_left
    test eax, eax
    jz .Ldisplay
    call pause
    jmp .Llook
.Ldisplay:
    call display
    jmp player_poll
.Lpause:
    call pause
    jmp player_poll
.Lover:
    xor eax, eax
    ret
