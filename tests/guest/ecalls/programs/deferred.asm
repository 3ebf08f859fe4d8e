; Deferred User-ECalls: heard at the next system call, after ticks, before the scheduler chooses; many events at once.

.include "ecalls.inc"

REGISTRATION_OF plain, 0
NAME probe, "probe"
TO_KERNEL = ECALL_TELL
HEAR = ECALL_HEAR
WHEN = TO_KERNEL + SEGMENT_CONTROL + CONTROL_WHEN
DELAY = TO_KERNEL + SEGMENT_CONTROL + CONTROL_DELAY

; PUT value: puts an event into the ring.
.macro PUT value
    mov edx, [TO_KERNEL + ECALL_RING_BACK]
    mov dword ptr [TO_KERNEL + edx * 4 + ECALL_RING_SIZE], \value
    inc edx
    mov [TO_KERNEL + ECALL_RING_BACK], edx
    inc dword ptr [TO_KERNEL + ECALL_RING_FLAG]
.endm

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, plain
    PUT 1
    PUT 2
    PUT 3
    mov dword ptr [WHEN], DEFER_CALL
    mov eax, [TO_KERNEL + ECALL_RING_FLAG]
    EXPECT 3, "three\n"
    mov eax, [TO_KERNEL + ECALL_RING_FLAG]
    EXPECT 0, "heard at the next system call\n"
    mov eax, [WHEN]
    EXPECT 0, "and no more to be heard\n"
    mov eax, [TO_KERNEL + ECALL_RING_FRONT]
    EXPECT 3, "all of them\n"

    ; Before the scheduler chooses.
    PUT 4
    mov dword ptr [WHEN], DEFER_SCHEDULE
    CALL_KERNEL SYS_SELF
    mov eax, [TO_KERNEL + ECALL_RING_FLAG]
    mov ebp, eax
    CALL_KERNEL SYS_YIELD
    mov eax, [TO_KERNEL + ECALL_RING_FLAG]
    shl ebp, 8
    add eax, ebp
    EXPECT 0x100, "not at a system call, but when the scheduler chose\n"

    ; After ticks.
    PUT 5
    mov dword ptr [DELAY], 2
    mov dword ptr [WHEN], DEFER_TICKS
    CALL_KERNEL SYS_TIME
    mov ebp, eax
.Lwait:
    cmp dword ptr [TO_KERNEL + ECALL_RING_FLAG], 0
    jne .Lwait
    CALL_KERNEL SYS_TIME
    sub eax, ebp
    xor edx, edx
    mov ecx, 10000000
    div ecx
    sub eax, 2
    cmp eax, 1
    setbe al
    movzx eax, al
    EXPECT 1, "after two ticks, or three\n"

    ; The kernel's ring is full: the newest is dropped, or the oldest.
    mov ebp, PROBE_SLOTS + 2
.Lfill:
    CALL_KERNEL SYS_ECALL, probe, 1, ebp
    dec ebp
    jnz .Lfill
    mov eax, [HEAR + ECALL_RING_FLAG]
    EXPECT PROBE_SLOTS, "full\n"
    mov eax, [HEAR + SEGMENT_CONTROL + CONTROL_LOST]
    EXPECT 2, "the newest two are lost\n"
    mov eax, [HEAR + SEGMENT_CONTROL + CONTROL_OVERFLOW]
    EXPECT OVERFLOW_NEWEST, "as it is unless one says otherwise\n"
    mov dword ptr [HEAR + SEGMENT_CONTROL + CONTROL_OVERFLOW], OVERFLOW_OLDEST
    CALL_KERNEL SYS_ECALL, probe, 1, 1000
    mov eax, [HEAR + ECALL_RING_SIZE]
    EXPECT 1000, "in the oldest one's place\n"
    mov eax, [HEAR + ECALL_RING_FRONT]
    EXPECT 1, "behind which is now the first\n"
    mov eax, [HEAR + SEGMENT_CONTROL + CONTROL_LOST]
    EXPECT 3, "which is lost\n"

    ; Nonsense in the segment does no harm.
    mov dword ptr [TO_KERNEL + ECALL_RING_FRONT], -1
    mov dword ptr [TO_KERNEL + ECALL_RING_FLAG], 3
    mov dword ptr [WHEN], -1
    CALL_KERNEL SYS_YIELD
    mov eax, [TO_KERNEL + ECALL_RING_FLAG]
    EXPECT 0, "nonsense\n"
    EXIT 0
