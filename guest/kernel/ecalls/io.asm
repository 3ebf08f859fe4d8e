; The service `io`: the I/O event module of the paper (sections 3.2 to 3.4). A program tells of which sockets it wants to
; know; the kernel sets a bit for each with which something happens, and raises an event: nobody looks at sockets with
; which nothing does.
;
; Owns IOs. Program and kernel share fd_active and flag without a lock: the kernel sets bits and counts with interrupts off,
; the program resets a bit, counts it off, and only then looks at the socket. So what happens then sets the bit again.
;
; Whoever displays frames is told of a socket when its next frame is nearly due, and the event's key is that frame's display
; time. Whoever serves connections has its listener watched: if too many are served and too many wait, fewer of those
; that knock are let in.

.include "ecalls.inc"
.include "sockets/sockets.inc"

WORD_SHIFT = 5                  ; a word of a set has 32 sockets

MILLISECOND = 1000000           ; nanoseconds

.text

; io_begin: SERVICE_BEGIN.
io_begin:
    mov edx, ios
.Lnext:
    cmp dword ptr [edx + IO_CHANNEL], 0         ; there are as many as channels
    je .Lfound
    add edx, IO_SIZE
    jmp .Lnext
.Lfound:
    mov [eax + CHANNEL_PRIVATE], edx
    mov [edx + IO_CHANNEL], eax
    mov ecx, [io_first]
    mov [edx + IO_NEXT], ecx
    mov [io_first], edx
    xor eax, eax
    mov [edx + IO_DELAYED], eax
    mov [edx + IO_LISTENER], eax
    ret                         ; CF is clear

; io_end: SERVICE_END. At the end of a process its sockets are closed already.
io_end:
    push ebx
    push esi
    mov esi, [eax + CHANNEL_PRIVATE]
    mov edx, SOCKETS
    mov ebx, watched
.Lnext:
    cmp [ebx + WATCHED_CHANNEL], eax
    jne .Lskip
    xor ecx, ecx
    mov [ebx + WATCHED_CHANNEL], ecx
    mov [ebx + WATCHED_CHANNEL_WANTS], ecx
    mov [ebx + WATCHED_DELAYED], ecx
.Lskip:
    add ebx, WATCHED_SIZE
    dec edx
    jnz .Lnext
    mov edx, [esi + IO_LISTENER]
    test edx, edx
    jz .Lforget
    mov ecx, [eax + CHANNEL_OWNER]
    cmp [edx + SOCKET_OWNER], ecx
    jne .Lforget
    mov edx, [edx + SOCKET_NET]
    mov ecx, [esi + IO_HALF_LIMIT]
    mov [edx + LISTENER_HALF_LIMIT], ecx
.Lforget:
    mov dword ptr [esi + IO_CHANNEL], 0
    mov edx, io_first - IO_NEXT                 ; as if it were the IO_NEXT of one
.Lbefore:
    mov ecx, edx
    mov edx, [ecx + IO_NEXT]
    cmp edx, esi
    jne .Lbefore
    mov edx, [esi + IO_NEXT]
    mov [ecx + IO_NEXT], edx
    pop esi
    pop ebx
    ret

; io_fast: SERVICE_FAST: as io_hear, at once.
io_fast:
    call io_hear
    xor eax, eax
    xor edx, edx
    ret

; io_hear: SERVICE_DEFERRED: takes the changes of interest. A socket that is ready already counts at once.
io_hear:
    push ebx
    push esi
    push edi
    push ebp
    mov ebp, eax
    mov esi, [eax + CHANNEL_TO_KERNEL]
    mov dword ptr [esi + SOCKET_INTEREST_FLAG], 0
    xor edi, edi                ; word
.Lword:
    mov ebx, [esi + SOCKET_INTEREST_UPDATED_FD_LIST + edi * 4]
    test ebx, ebx
    jz .Lskip
    mov dword ptr [esi + SOCKET_INTEREST_UPDATED_FD_LIST + edi * 4], 0
.Lbit:
    bsf ecx, ebx
    jz .Lskip
    mov eax, ebx
    dec eax
    and ebx, eax
    call io_interest
    jmp .Lbit
.Lskip:
    inc edi
    cmp edi, (SOCKETS >> WORD_SHIFT) + 1
    jb .Lword
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; io_interest: a program's interest in a socket has changed.
;   in    EBP = CHANNEL, ESI = its SOCKET_INTEREST, EDI, ECX = word and bit
io_interest:
    push ebx
    mov eax, [esi + SOCKET_INTEREST_FD_LIST + edi * 4]
    mov ebx, [esi + SOCKET_INTEREST_FD_WRITE + edi * 4]
    shr eax, cl
    and eax, READY_READ
    shr ebx, cl
    and ebx, 1
    lea ebx, [eax + ebx * READY_WRITE]
    mov eax, edi
    shl eax, WORD_SHIFT
    add eax, ecx
    push ebp
    mov ebp, [ebp + CHANNEL_OWNER]
    call socket_own
    mov ecx, ebp
    pop ebp
    jc .Lreturn
    call watched_of
    mov [eax + WATCHED_OWNER], ecx
    mov [eax + WATCHED_CHANNEL_WANTS], ebx
    mov [eax + WATCHED_CHANNEL], ebp
    cmp dword ptr [edx + SOCKET_KIND], SOCKET_LISTENER
    jne .Lready
    call io_listener
.Lready:
    call socket_ready
    test eax, ebx
    jz .Lreturn
    call watched_of
    mov ebx, eax
    call io_tell
.Lreturn:
    pop ebx
    ret

; io_handler: SERVICE_HANDLER, a filter: the first socket passes, for a program that hears of one finds the others by
; itself. With METHOD_FILTER, there is one signal for all that happens until the program has seen to it.
io_handler:
    mov ecx, [eax + CHANNEL_TO_USER]
    xor eax, eax
    cmp dword ptr [ecx + SOCKET_READY_FLAG], 1
    ja .Lreturn
    mov eax, FILTER_PASS
.Lreturn:
    ret

; io_thread: SERVICE_THREAD: waits for the next tick, and sends the channel's signal then, with the number of sockets that are
; active, if there are any left: one signal for a tick.
io_thread:
    mov edi, eax
    mov ebx, 1
    mov ecx, NO_SOCKET
    call wait
    CURRENT edx
    test dword ptr [edx + PCB_DUE], DUE_END
    jnz .Lreturn                ; there is no program any more
    mov ecx, [edi + CHANNEL_TO_USER]
    mov ecx, [ecx + SOCKET_READY_FLAG]
    jecxz .Lreturn
    mov edx, [edi + CHANNEL_SIGNAL]
    lea eax, [edx - SIGRTMIN]
    cmp eax, SIGRTMAX - SIGRTMIN
    ja .Lreturn                 ; the program wants none
    mov eax, [edi + CHANNEL_OWNER]
    jmp signal_queue
.Lreturn:
    ret

; io_tell: a socket is ready for something that its owner wants to know.
;   in    EDX = SOCKET, EBX = its WATCHED
.global io_tell
io_tell:
    push esi
    push edi
    mov esi, [ebx + WATCHED_CHANNEL]
    mov edi, [esi + CHANNEL_PRIVATE]
    cmp [edi + IO_LISTENER], edx
    jne .Lframes
    push edx
    call io_control
    pop edx
.Lframes:
    mov ecx, [esi + CHANNEL_TO_KERNEL]
    mov eax, [ecx + SOCKET_INTEREST_PERIOD]
    test eax, eax
    jnz .Lperiod
    xor ecx, ecx                ; key
.Lnow:
    call io_active
.Lreturn:
    pop edi
    pop esi
    ret

    ; Its next frame's time; and how long it is until it wants to know.
.Lperiod:
    push edx
    push eax
    call io_clock
    pop edx
    mov ecx, [esi + CHANNEL_TO_KERNEL]
    cmp dword ptr [ecx + SOCKET_INTEREST_FRAMES], 0
    je .Lfirst
    add edx, [ecx + SOCKET_INTEREST_DISPLAYED]
    push edx
    sub edx, [ecx + SOCKET_INTEREST_LEAD]
    mov ecx, edx
    sub ecx, eax
    pop ecx                     ; the flags are kept
    jg .Llater
    pop edx
    jmp .Lnow
.Lfirst:
    mov ecx, eax
    pop edx
    jmp .Lnow
.Llater:
    mov [edi + IO_DUE], edx
    mov [edi + IO_KEY], ecx
    pop edx
    cmp dword ptr [ebx + WATCHED_DELAYED], 0
    jne .Lreturn
    mov dword ptr [ebx + WATCHED_DELAYED], 1
    mov eax, [edi + IO_DELAYED]
    mov [ebx + WATCHED_DELAYED_NEXT], eax
    mov [edi + IO_DELAYED], ebx
    jmp .Lreturn

; io_active: a program is told of a socket.
;   in    ESI = CHANNEL, EDX = SOCKET, ECX = the event's key
io_active:
    call socket_name
    mov edx, [esi + CHANNEL_TO_USER]
    bts [edx + SOCKET_READY_FD_ACTIVE], eax
    jc .Lreturn                 ; it has not served that socket since it was told last
    inc dword ptr [edx + SOCKET_READY_FLAG]
    mov edx, ecx
    mov ecx, eax
    mov eax, esi
    jmp event_raise
.Lreturn:
    ret

; io_close: a socket is closed: it is not active any more.
;   in    EBX = WATCHED, EBP = PCB of its owner
.global io_close
io_close:
    mov ecx, [ebx + WATCHED_CHANNEL]
    jecxz .Lreturn
    push edi
    mov edi, [ecx + CHANNEL_PRIVATE]
    xor edx, edx
    mov [ebx + WATCHED_CHANNEL], edx
    mov [ebx + WATCHED_CHANNEL_WANTS], edx
    cmp [ebx + WATCHED_DELAYED], edx
    je .Lactive
    mov [ebx + WATCHED_DELAYED], edx
    lea edx, [edi + IO_DELAYED - WATCHED_DELAYED_NEXT]      ; as if it were the WATCHED_DELAYED_NEXT of one
.Lbefore:
    mov eax, edx
    mov edx, [eax + WATCHED_DELAYED_NEXT]
    cmp edx, ebx
    jne .Lbefore
    mov edx, [ebx + WATCHED_DELAYED_NEXT]
    mov [eax + WATCHED_DELAYED_NEXT], edx
.Lactive:
    mov eax, ebx
    call watched_socket
    cmp [edi + IO_LISTENER], edx
    jne .Lbit
    mov dword ptr [edi + IO_LISTENER], 0
.Lbit:
    call socket_name
    mov edx, [ecx + CHANNEL_TO_USER]
    btr [edx + SOCKET_READY_FD_ACTIVE], eax
    jnc .Ldone
    dec dword ptr [edx + SOCKET_READY_FLAG]
.Ldone:
    pop edi
.Lreturn:
    ret

; io_tick: a tick: frames that are nearly due, and more connections for who serves them.
.global io_tick
io_tick:
    cmp dword ptr [io_first], 0
    je .Lnone
    push ebx
    push esi
    push edi
    mov edi, [io_first]
.Lnext:
    mov esi, [edi + IO_CHANNEL]
    cmp dword ptr [edi + IO_LISTENER], 0
    je .Lframes
    call io_control
.Lframes:
    cmp dword ptr [edi + IO_DELAYED], 0
    je .Lskip
    call io_clock
    sub eax, [edi + IO_DUE]
    js .Lskip
.Ldue:
    mov ebx, [edi + IO_DELAYED]
    test ebx, ebx
    jz .Lskip
    mov eax, [ebx + WATCHED_DELAYED_NEXT]
    mov [edi + IO_DELAYED], eax
    mov dword ptr [ebx + WATCHED_DELAYED], 0
    mov eax, ebx
    call watched_socket
    call socket_ready           ; it may have been read meanwhile
    test [ebx + WATCHED_CHANNEL_WANTS], eax
    jz .Ldue
    mov ecx, [edi + IO_KEY]
    call io_active
    jmp .Ldue
.Lskip:
    mov edi, [edi + IO_NEXT]
    test edi, edi
    jnz .Lnext
    pop edi
    pop esi
    pop ebx
.Lnone:
    ret

; io_clock: the time as SYS_TIME counts it, up to the latest tick.
;   out   EAX = milliseconds; ECX is kept
io_clock:
    push ecx
    mov eax, [clock_low]
    mov edx, [clock_high]
    mov ecx, MILLISECOND
    div ecx
    pop ecx
    ret

; io_listener: a program wants to know of a socket that listens: it is the one whose half open connections are controlled.
;   in    EBP = CHANNEL, EDX = SOCKET
;   out   EDX is kept
io_listener:
    mov ecx, [ebp + CHANNEL_PRIVATE]
    cmp [ecx + IO_LISTENER], edx
    je .Lreturn
    mov [ecx + IO_LISTENER], edx
    mov eax, [edx + SOCKET_NET]
    mov eax, [eax + LISTENER_HALF_LIMIT]
    mov [ecx + IO_HALF_LIMIT], eax
    push edi
    mov edi, [ebp + CHANNEL_TO_USER]
    mov [edi + SOCKET_READY_HALF_LIMIT], eax
    pop edi
    mov eax, [net_counts + COUNT_TCP_SYN * 4]
    mov [ecx + IO_DROPPED], eax
.Lreturn:
    ret

; io_control: overload control. If a program serves more connections than it said and more than that wait, fewer may be half
; open: half of them each time, IO_HALF_LEAST at least. If not, some come back now and then.
;   in    EDI = IO, ESI = its CHANNEL; IO_LISTENER is not 0
io_control:
    push ebx
    push ebp
    mov ebp, [esi + CHANNEL_TO_KERNEL]
    mov ebx, [edi + IO_LISTENER]
    mov ebx, [ebx + SOCKET_NET]
    mov ecx, [ebx + LISTENER_HALF_LIMIT]

    ; What was dropped while fewer may.
    mov eax, [net_counts + COUNT_TCP_SYN * 4]
    mov edx, eax
    sub edx, [edi + IO_DROPPED]
    mov [edi + IO_DROPPED], eax
    cmp ecx, [edi + IO_HALF_LIMIT]
    je .Lload
    mov eax, [esi + CHANNEL_TO_USER]
    add [eax + SOCKET_READY_DROPPED], edx

.Lload:
    mov eax, [ebp + SOCKET_INTEREST_CONNECTS_THRESHOLD]
    test eax, eax
    jz .Lless
    cmp [ebp + SOCKET_INTEREST_NUMCONNECTS], eax
    jbe .Lless
    mov eax, [ebx + LISTENER_COUNT]
    cmp eax, [ebp + SOCKET_INTEREST_WAITING_THRESHOLD]
    jbe .Lless
    call io_clock
    mov [edi + IO_RESTORED], eax
    mov ecx, [ebx + LISTENER_HALF_LIMIT]
    cmp ecx, IO_HALF_LEAST
    jbe .Lreturn
    shr ecx, 1
    cmp ecx, IO_HALF_LEAST
    jae .Lshrink
    mov ecx, IO_HALF_LEAST
.Lshrink:
    mov eax, [esi + CHANNEL_TO_USER]
    inc dword ptr [eax + SOCKET_READY_SHRUNK]
    jmp .Lset

.Lless:
    cmp ecx, [edi + IO_HALF_LIMIT]
    jae .Lreturn
    call io_clock
    mov edx, eax
    sub edx, [edi + IO_RESTORED]
    cmp edx, IO_HALF_TIME
    jb .Lreturn
    mov [edi + IO_RESTORED], eax
    mov ecx, [ebx + LISTENER_HALF_LIMIT]
    add ecx, IO_HALF_STEP
    cmp ecx, [edi + IO_HALF_LIMIT]
    jbe .Lset
    mov ecx, [edi + IO_HALF_LIMIT]
.Lset:
    mov [ebx + LISTENER_HALF_LIMIT], ecx
    mov eax, [esi + CHANNEL_TO_USER]
    mov [eax + SOCKET_READY_HALF_LIMIT], ecx
.Lreturn:
    pop ebp
    pop ebx
    ret

.data

.align 4
io_service:                     ; SERVICE
    .long 0, text_io
    .long io_fast, 0, io_hear, io_handler, io_thread
    .long io_begin, io_end
    .long DATA_NONE, 0, 0
    .long DATA_NONE, 0, 0
io_service_end:

.global io_service

.assert io_service_end - io_service == SERVICE_SIZE, "a SERVICE has that many words"
.assert SOCKET_INTEREST_SIZE <= SEGMENT_MAX && SOCKET_READY_SIZE <= SEGMENT_MAX, "data segments"
.assert READY_READ == 1, "io_interest"

.rodata

text_io:
    .asciz "io"

.bss

.align 4
io_first:                       ; the IO that began last, or 0
    .space 4
ios:                            ; IOs
    .space CHANNELS * IO_SIZE
