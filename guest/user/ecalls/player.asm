; A video player: asks a server for a stream, decodes each frame, and displays it at its time.
;
;     player HOW ADDRESS PORT RATE FRAMES CYCLES TICK [T C X Y]
;
; HOW it knows that there is something to do: `timed`, `poll` or `io`. The server at ADDRESS sends FRAMES frames, RATE a
; second, to the player's PORT. To decode a B frame takes CYCLES of the processor. A tick has TICK microseconds.
;
; All players are real-time processes of one priority, which take turns; or DWCS runs them for C ticks in each T, of which
; it may miss X in Y. Who cannot be promised that does without a promise.
;
; In the end each says how many frames it has displayed within a period of their time, and how many of these 10 ms or more
; behind it (late); how many it has decoded for nothing (dropped), not decoded because that would have been for nothing
; (skipped), or not got whole (lost).

.include "user/ecalls/player.inc"

SERVER_PORT = 5004
MAGIC = 0x59414C50              ; "PLAY"
ASK_AGAIN = SECOND / 10         ; microseconds after which it asks again

.text

; main: plays.
;   in    EAX = argument string
;   out   EAX = exit code: 0, whatever became of frames; 1: it could not begin
.global main
main:
    push ebx
    push esi
    push edi
    mov ebx, eax
    call argument_next
    mov esi, eax                ; HOW
    call argument_next
    mov edi, eax
    call argument_address
    jc .Lusage
    mov [request + DATAGRAM_ADDRESS], eax
    mov eax, edi
.irp number, port, rate, frames, cycles, tick
    call argument_next
    mov edi, eax
    call argument_number
    mov [\number], eax
    test eax, eax
    jz .Lusage
    mov eax, edi
.endr
.irp field, PERIOD, RUNTIME, NUMERATOR, DENOMINATOR
    call argument_next
    mov edi, eax
    call argument_number
    mov [window + WINDOW_\field], eax
    mov eax, edi
.endr
    movzx eax, byte ptr [esi]
    mov esi, ways
.Lway:
    cmp [esi], eax
    je .Lhow
    add esi, WAY_SIZE
    cmp esi, ways_end
    jb .Lway
    jmp .Lusage
.Lhow:
    call time_begin
    call decode_begin
    mov eax, [port]
    call socket_bind
    test eax, eax
    js .Lfailed
    mov [socket], eax
    call real_time
    test eax, eax
    js .Lfailed
    call dword ptr [esi + WAY_BEGIN]
    test eax, eax
    jnz .Lfailed
    call ask
    call dword ptr [esi + WAY_PLAY]
    test eax, eax
    js .Lfailed
    mov eax, ebx
    call print_word
    mov esi, results
.Lresult:
    mov eax, [esi]
    call print_string
    mov eax, [esi + RESULT_COUNT]
    mov eax, [eax]
    call print_decimal
    add esi, RESULT_SIZE
    cmp esi, results_end
    jb .Lresult
    mov al, '\n'
    call print_char
    xor eax, eax
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret
.Lusage:
    mov edx, text_usage
    jmp .Lsay
.Lfailed:
    mov edx, text_failed
.Lsay:
    push edx
    mov eax, ebx
    call print_word
    pop eax
    call print_string
    mov eax, 1
    jmp .Lreturn

; real_time: we are a real-time process from now on.
;   out   EAX = 0, or an error
real_time:
    mov edx, SCHED_RR
    mov ecx, PRIORITY
    cmp dword ptr [window + WINDOW_PERIOD], 0
    je .Lset
    mov edx, SCHED_DWCS
    mov ecx, window
    xor eax, eax
    call sched_set
    cmp eax, ERR_ADMISSION
    jne .Lreturn
    mov dword ptr [window + WINDOW_FLAGS], WINDOW_UNPROMISED | WINDOW_WORK_CONSERVING
    mov edx, SCHED_DWCS
    mov ecx, window
.Lset:
    xor eax, eax
    jmp sched_set
.Lreturn:
    ret

; nothing: how one begins who needs nothing.
;   out   EAX = 0
nothing:
    xor eax, eax
    ret

; ask: asks for the stream until something of it comes.
ask:
    mov eax, [rate]
    bswap eax
    mov [request_rate], eax
    mov eax, [frames]
    bswap eax
    mov [request_frames], eax
.Lagain:
    mov eax, [socket]
    mov edx, request
    mov ecx, request_end - request - DATAGRAM_SIZE
    call socket_send
    mov eax, ASK_AGAIN
    call stream_wait
    test eax, eax
    jz .Lagain
    ret

.rodata

text_usage:
    .asciz ": tell me how, an address, and numbers: port, frames a second, frames, cycles, microseconds\n"
text_failed:
    .asciz ": no socket, no real time, or no ECalls\n"
text_frames:
    .asciz ": displayed "
text_late:
    .asciz ", late "
text_dropped:
    .asciz ", dropped "
text_skipped:
    .asciz ", skipped "
text_lost:
    .asciz ", lost "

.align 4
ways:                           ; HOW begins with a letter: what is done before asking, and then
    .long 't', nothing, player_timed
    .long 'p', nothing, player_poll
    .long 'i', io_begin, player_io
ways_end:

WAY_BEGIN = 4
WAY_PLAY = 8
WAY_SIZE = 12

.data

.align 4
results:                        ; what is said in the end: text and count
    .long text_frames, displayed
    .long text_late, late
    .long text_dropped, dropped
    .long text_skipped, skipped
    .long text_lost, lost
results_end:

RESULT_COUNT = 4
RESULT_SIZE = 8

window:                         ; WINDOW
    .long 0, 0, 0, 0, WINDOW_WORK_CONSERVING
request:                        ; DATAGRAM, and what it asks for: big-endian
    .long 0, SERVER_PORT, 0
    .long MAGIC
request_rate:
    .long 0
request_frames:
    .long 0
request_end:

.bss

.global socket, rate, frames, cycles, tick

.align 4
socket:                         ; the socket by which the stream comes
    .space 4
port:                           ; its port
    .space 4
rate:                           ; frames a second
    .space 4
frames:                         ; frames of the stream
    .space 4
cycles:                         ; that a B frame takes to decode
    .space 4
tick:                           ; microseconds of a tick
    .space 4
