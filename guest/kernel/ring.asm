; Rings: whatever stands in an order, linked both ways by a LINK of its own.
;
;     head.next -> LINK.next -> ... -> head       an empty ring is a head that links to itself
;     head.prev -> the last's   ... -> head

.include "kernel.inc"

.text

; ring_init: makes an empty ring.
;   in    EAX = head
;   out   all registers kept
.global ring_init
ring_init:
    mov [eax + LINK_NEXT], eax
    mov [eax + LINK_PREV], eax
    ret

; ring_append: puts a link at the end of a ring.
;   in    EAX = head, or a link of the ring before which to put it; EDX = link
;   out   EAX, EDX kept
.global ring_append
ring_append:
    mov ecx, [eax + LINK_PREV]
    mov [edx + LINK_NEXT], eax
    mov [edx + LINK_PREV], ecx
    mov [ecx + LINK_NEXT], edx
    mov [eax + LINK_PREV], edx
    ret

; ring_remove: takes a link out of its ring.
;   in    EAX = link
;   out   EAX kept
.global ring_remove
ring_remove:
    mov edx, [eax + LINK_NEXT]
    mov ecx, [eax + LINK_PREV]
    mov [edx + LINK_PREV], ecx
    mov [ecx + LINK_NEXT], edx
    ret
