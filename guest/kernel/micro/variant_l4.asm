; What this kernel calls itself: in the banner, and in the kernel interface page.

.if EXTENSIONS & (KIP_BUDGET | KIP_CEILING)
.error "KIP_BUDGET and KIP_CEILING are extensions of `uls`: in `l4` the kernel's own scheduler decides"
.endif

.rodata

.global variant_name, variant_features

variant_name:
    .asciz "l4"
.align 4
variant_features:
    .long 0
