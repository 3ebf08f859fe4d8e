; DWCS: periods and windows, and what is promised.
;
; A process wants C slots in each period of T. Its window x/y says that of y periods it may miss x; x'/y' is what is
; left of that. It is written on as West and Schwan do, once for each period: when it has had its C slots, or when the
; period is over and it has not.
;
;     met         y' > x': y' - 1; else x' - 1, y' - 1
;     missed      x' > 0: x' - 1, y' - 1; else it is a violation: y' + 1
;     then        at 0/0, and at the first one met after a violation: x/y again
;
; Who waits when its period is over gets a new one when it can run again. It gets one before that, too, if what it has
; left of the old one would be more than C/T of the time that is left (the rule of the constant bandwidth server, Abeni
; and Buttazzo, RTSS 1998). So whenever it comes back: of the slots between any two, it can claim no more than C/T up to
; the second one.
;
; The promise. If the shares C/T of those with a promise, and that of the ECall server, are no more than 1, none of them
; misses a period, however they wait, and whatever is decided between equal deadlines. For suppose that one misses its
; deadline d. Go back to the latest slot before d that was used for a later deadline, or by nobody with a promise, and
; let t be the one behind it. Whatever was claimed for deadlines up to d and used from t on was claimed from t on, for
; else it would have had that earlier slot. So it is at most the sum of C/T times d - t, which is at most d - t. But all
; slots from t to d were used for it, and yet it was not enough: so it was more than d - t.
;
; A share that is given back is still in use up to the deadline of who had it, so whoever comes then begins behind that
; (dwcs_free). And slots have to be whole ones: a program that keeps the processor in the kernel over a tick, to write
; to the console, and interrupts take from somebody what was promised. Windows promise no more than that: DWCS can
; violate them even if all of them together want next to nothing.

.include "ecalls.inc"

.text

; window_before: has a process the earlier deadline, or of the same deadline the tighter window?
;   in    EAX, EBX = DWCS
;   out   CF set: EAX is before EBX. EAX, ECX kept
;
; The tighter one is that of the lower x'/y'; of equals that of the lower x', or if that is 0, of the higher y'.
.global window_before
window_before:
    mov edx, [eax + DWCS_DEADLINE]
    sub edx, [ebx + DWCS_DEADLINE]
    jnz .Lsign                  ; not by the order of numbers, because slots wrap around
    push ecx
    mov ecx, [eax + DWCS_X]
    mov edx, [ebx + DWCS_X]
    imul ecx, [ebx + DWCS_Y]
    imul edx, [eax + DWCS_Y]
    cmp ecx, edx
    jne .Lreturn
    mov ecx, [eax + DWCS_X]
    test ecx, ecx
    jz .Lzero
    cmp ecx, [ebx + DWCS_X]
.Lreturn:
    pop ecx
    ret
.Lzero:
    mov ecx, [ebx + DWCS_Y]
    cmp ecx, [eax + DWCS_Y]
    pop ecx
    ret
.Lsign:
    shl edx, 1
    ret

; window_met: a process has got all its slots in a period.
;   in    EAX = DWCS
;   out   EAX kept
.global window_met
window_met:
    inc dword ptr [eax + DWCS_MET]
    mov edx, [eax + DWCS_X]
    dec dword ptr [eax + DWCS_Y]
    cmp [eax + DWCS_Y], edx
    jae .Lwindow
    dec dword ptr [eax + DWCS_X]        ; they were equal
.Lwindow:
    cmp dword ptr [eax + DWCS_TAGGED], 0
    je window_over
    mov dword ptr [eax + DWCS_TAGGED], 0
    jmp window_begin

; window_over: begins a new window, if this one is over.
;   in    EAX = DWCS
;   out   EAX kept
window_over:
    cmp dword ptr [eax + DWCS_Y], 0
    je window_begin
    ret

; window_begin: begins a new window.
;   in    EAX = DWCS
;   out   EAX kept
.global window_begin
window_begin:
    mov edx, [eax + DWCS_NUMERATOR]
    mov [eax + DWCS_X], edx
    mov edx, [eax + DWCS_DENOMINATOR]
    mov [eax + DWCS_Y], edx
    ret

; window_next: the period of a process that can run is over, and the next one begins.
;   in    EAX = DWCS
;   out   EAX kept
.global window_next
window_next:
    cmp dword ptr [eax + DWCS_LEFT], 0
    je .Lnext
    inc dword ptr [eax + DWCS_MISSED]
    cmp dword ptr [eax + DWCS_X], 0
    je .Lviolation
    dec dword ptr [eax + DWCS_X]
    dec dword ptr [eax + DWCS_Y]
    call window_over
    jmp .Lnext
.Lviolation:
    inc dword ptr [eax + DWCS_VIOLATIONS]
    inc dword ptr [eax + DWCS_Y]
    mov dword ptr [eax + DWCS_TAGGED], 1
.Lnext:
    mov edx, [eax + DWCS_RUNTIME]
    mov [eax + DWCS_LEFT], edx
    mov edx, [eax + DWCS_PERIOD]
    add [eax + DWCS_DEADLINE], edx
    ret

; window_wake: a process can run again, from the next slot on.
;   in    EAX = DWCS
;   out   EAX kept
.global window_wake
window_wake:
    mov ecx, [slot]
    inc ecx
    mov edx, [eax + DWCS_DEADLINE]
    sub edx, ecx
    jle .Lnew
    push ecx
    mov ecx, [eax + DWCS_LEFT]
    imul ecx, [eax + DWCS_PERIOD]
    imul edx, [eax + DWCS_RUNTIME]
    cmp ecx, edx
    pop ecx
    jbe .Lreturn
.Lnew:
    mov edx, [eax + DWCS_RUNTIME]
    mov [eax + DWCS_LEFT], edx
    add ecx, [eax + DWCS_PERIOD]
    mov [eax + DWCS_DEADLINE], ecx
.Lreturn:
    ret

; window_leave: a process is best effort from now on.
;   in    EAX = DWCS, in no queue
;   out   EAX kept
.global window_leave
window_leave:
    cmp dword ptr [eax + DWCS_PERIOD], 0
    je .Lreturn
    mov edx, [eax + DWCS_SHARE]
    test dword ptr [eax + DWCS_FLAGS], WINDOW_UNPROMISED
    jnz .Lunpromised
    sub [dwcs_promised], edx
    mov edx, [eax + DWCS_DEADLINE]
    mov ecx, edx
    sub edx, [dwcs_free]
    jle .Lleft
    mov [dwcs_free], ecx
    jmp .Lleft
.Lunpromised:
    sub [dwcs_wanted], edx
    sbb dword ptr [dwcs_wanted_high], 0
    dec dword ptr [dwcs_unpromised]
.Lleft:
    push edi
    mov edx, eax
    mov edi, eax
    xor eax, eax
    mov ecx, DWCS_SIZE / 4
    rep stosd
    mov eax, edx
    pop edi
.Lreturn:
    ret

.bss

.global dwcs_promised, dwcs_unpromised, dwcs_wanted, dwcs_wanted_high, dwcs_free

.align 4
dwcs_promised:                  ; shares of those with a promise, in parts of SHARE_ALL
    .space 4
dwcs_unpromised:                ; how many have a window without one
    .space 4
dwcs_wanted:                    ; shares that these need at least
    .space 4
dwcs_wanted_high:               ; upper half
    .space 4
dwcs_free:                      ; the slot from which on all shares are free that were given back
    .space 4
