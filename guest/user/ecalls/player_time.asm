; When the frames of a video player are to be displayed, and whether they are.
;
; The first one is displayed DELAY periods after it begins to come, the others at the stream's rate from then on. So long
; frames may wait; and whoever is late does not shift the rest. The clock goes by ticks, so a frame is displayed at the
; tick that is nearest to its time. Times are microseconds, which wrap around.

.include "user/ecalls/player.inc"

DELAY = 2                       ; periods
LATE = SECOND / 100             ; microseconds behind its time at which a frame that is displayed counts as late

.text

; time_begin: knows the period.
.global time_begin
time_begin:
    mov eax, SECOND
    xor edx, edx
    div dword ptr [rate]
    mov [period], eax
    ret

; time_now: the time.
;   out   EAX = microseconds
.global time_now
time_now:
    push ebx
    call sys_time
    mov ecx, eax
    mov eax, edx
    mov ebx, NANOSECONDS
    xor edx, edx
    div ebx
    mov eax, ecx
    div ebx
    pop ebx
    ret

; time_first: the stream has begun to come.
;   in    EAX = the time, EDX = number of the frame that it begins with
.global time_first
time_first:
    push eax
    mov eax, edx
    call time_from
    pop edx
    sub edx, eax
    imul eax, [period], DELAY
    add eax, edx
    mov [first], eax
    ret

; time_from: from frame 0 to another one.
;   in    EAX = number
;   out   EAX = microseconds
time_from:
    mov edx, SECOND
    mul edx
    div dword ptr [rate]
    ret

; time_of: when is a frame to be displayed?
;   in    EAX = number
;   out   EAX = time
.global time_of
time_of:
    call time_from
    add eax, [first]
    ret

; time_latest: until when, at most, can the next frame be displayed?
;   out   EAX = time
.global time_latest
time_latest:
    mov eax, [next]
    call time_of
    add eax, [period]
    ret

; time_left: how long is it until the next frame is to be displayed?
;   out   EAX = ticks, 0 if its time has come
.global time_left
time_left:
    push ebx
    mov eax, [next]
    call time_of
    mov ebx, eax
    call time_now
    sub ebx, eax
    mov eax, [tick]
    shr eax, 1
    add eax, ebx
    js .Lnone
    xor edx, edx
    div dword ptr [tick]
    pop ebx
    ret
.Lnone:
    xor eax, eax
    pop ebx
    ret

; display: displays the next frame, if it is no more than a period late.
.global display
display:
    push ebx
    call time_now
    mov ebx, eax
    call time_latest
    sub eax, ebx
    js .Ldropped
    inc dword ptr [displayed]
    mov eax, [next]
    call time_of
    sub ebx, eax
    cmp ebx, LATE
    jl .Lnext
    inc dword ptr [late]
    jmp .Lnext
.Ldropped:
    inc dword ptr [dropped]
.Lnext:
    inc dword ptr [next]
    pop ebx
    ret

NANOSECONDS = 1000              ; of a microsecond

.bss

.global period, displayed, late, dropped

.align 4
period:                         ; microseconds from one frame to the next
    .space 4
first:                          ; when frame 0 is to be displayed
    .space 4
displayed:                      ; frames that were
    .space 4
late:                           ; ... late
    .space 4
dropped:                        ; frames that were decoded, and then it was too late
    .space 4
