; The stream of a video player as it comes: datagrams that are parts of frames (emu/net/video.py says what they look like).
;
; Owns the number of the next frame. The network keeps the order, so a frame of which something is missing when something of
; a later one comes is lost. Datagrams are only taken until the next frame is there: the rest waits in the socket.

.include "user/ecalls/player.inc"

FRAMES_SHIFT = 4                ; of how many frames may be under way in datagrams that have been taken
FRAMES = 1 << FRAMES_SHIFT
PARTS = 31                      ; parts of a frame, at most
ROOM = 1472                     ; bytes of a datagram's data

PART_NUMBER = DATAGRAM_SIZE     ; a part, big-endian: number of its frame,
PART_KIND = DATAGRAM_SIZE + 4   ;   its kind,
PART_PART = DATAGRAM_SIZE + 8   ;   which part it is,
PART_PARTS = DATAGRAM_SIZE + 12 ;   of how many; 0: the stream is over
PART_SIZE = 16

.text

; frame_take: the next frame, if it is there and can be displayed no more than a period late. What cannot is skipped.
;   out   EAX = PICTURE; 0: not yet; OVER: there are no more
.global frame_take
frame_take:
    push ebx
    call time_now
    mov ebx, eax
    cmp dword ptr [is_begun], 0
    je .Lnext
.Lold:
    mov eax, [next]
    cmp eax, [frames]
    jae .Lnext
    call time_latest
    sub eax, ebx
    jns .Lnext
    inc dword ptr [skipped]
    inc dword ptr [next]
    jmp .Lold

.Lnext:
    mov eax, OVER
    mov ecx, [next]
    cmp ecx, [frames]
    jae .Lreturn
    mov eax, ecx
    call frame_there
    jnc .Lreturn
    mov ecx, [next]
    cmp ecx, [newest]
    jae .Lreceive
    inc dword ptr [lost]
    inc dword ptr [next]
    jmp .Lnext
.Lreceive:
    mov eax, [socket]
    or eax, SOCKET_NOW
    mov edx, datagram
    mov ecx, ROOM
    call socket_receive
    test eax, eax
    js .Lnone
    mov ecx, eax
    mov eax, ebx
    call part
    jmp .Lnext
.Lnone:
    xor eax, eax
.Lreturn:
    pop ebx
    ret

; frame_there: is all of a frame there?
;   in    EAX = number
;   out   EAX = PICTURE; CF set: no
frame_there:
    mov ecx, eax
    inc ecx
    and eax, FRAMES - 1
    shl eax, PICTURE_SHIFT
    add eax, frame_table
    cmp [eax + PICTURE_TAG], ecx
    jne .Lno
    mov ecx, [eax + PICTURE_HAVE]
    cmp ecx, [eax + PICTURE_ALL]
    jne .Lno
    ret                         ; CF is clear
.Lno:
    stc
    ret

; part: a datagram has come.
;   in    EAX = the time, ECX = its length
part:
    push ebx
    push esi
    push edi
    cmp ecx, PART_SIZE
    jb .Lreturn
    mov esi, [datagram + PART_NUMBER]
    bswap esi
    mov ecx, [datagram + PART_PARTS]
    bswap ecx
    test ecx, ecx
    jz .Lover
    mov edi, [datagram + PART_PART]
    bswap edi
    mov ebx, [datagram + PART_KIND]
    bswap ebx
    cmp ebx, KINDS
    jae .Lreturn
    cmp ecx, PARTS
    ja .Lreturn
    cmp edi, ecx
    jae .Lreturn
    cmp esi, [frames]
    jae .Lreturn
    cmp dword ptr [is_begun], 0
    jne .Lbegun
    mov dword ptr [is_begun], 1
    push ecx
    mov edx, esi
    call time_first
    pop ecx
.Lbegun:
    mov eax, esi
    sub eax, [next]
    jb .Lreturn                 ; it was skipped
    cmp esi, [newest]
    jbe .Lslot
    mov [newest], esi
.Lslot:
    cmp eax, FRAMES
    jae .Lreturn
    mov eax, esi
    and eax, FRAMES - 1
    shl eax, PICTURE_SHIFT
    add eax, frame_table
    inc esi
    cmp [eax + PICTURE_TAG], esi
    je .Lhave
    mov [eax + PICTURE_TAG], esi
    mov [eax + PICTURE_KIND], ebx
    mov dword ptr [eax + PICTURE_HAVE], 0
    mov edx, 1
    shl edx, cl
    dec edx
    mov [eax + PICTURE_ALL], edx
.Lhave:
    bts [eax + PICTURE_HAVE], edi
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret
.Lover:
    mov [newest], esi           ; the number behind the last
    jmp .Lreturn

; stream_wait: waits until something has come.
;   in    EAX = microseconds after which that is enough
;   out   EAX = 0: nothing has
.global stream_wait
stream_wait:
    xor edx, edx
    div dword ptr [tick]
    mov ecx, eax
    inc ecx
    mov edx, [socket]
    bts [waited + SELECT_READ], edx
    mov eax, waited
    jmp sys_select

.bss

.global next, skipped, lost

.align 4
next:                           ; number of the next frame
    .space 4
newest:                         ; the highest number of which something has come
    .space 4
is_begun:                       ; not 0: something of the stream has come
    .space 4
skipped:                        ; frames that were not decoded, because it was too late,
    .space 4
lost:                           ;   or because something of them has not come
    .space 4
frame_table:                    ; PICTUREs, by number
    .space FRAMES << PICTURE_SHIFT
waited:                         ; SELECT
    .space SELECT_SIZE
datagram:                       ; DATAGRAM, and a part
    .space DATAGRAM_SIZE + ROOM
