; A video player that controls itself by timed waits: it waits for datagrams, decodes a frame as soon as it is there, and
; sleeps until that is to be displayed.

.include "user/ecalls/player.inc"

.text

; player_timed: plays the stream.
;   out   EAX = 0
.global player_timed
player_timed:
    call frame_take
    cmp eax, OVER
    je .Lover
    test eax, eax
    jz .Lwait
    call decode
    call time_left
    test eax, eax
    jz .Ldisplay
    call sys_sleep
.Ldisplay:
    call display
    jmp player_timed
.Lwait:
    call time_now
    push eax
    call time_latest
    pop edx
    sub eax, edx
    jns .Lstream
    xor eax, eax
.Lstream:
    call stream_wait
    jmp player_timed
.Lover:
    xor eax, eax
    ret
