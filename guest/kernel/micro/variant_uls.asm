; What this kernel calls itself: in the banner, and in the kernel interface page.

.rodata

.global variant_name, variant_features

variant_name:
    .asciz "uls"
.align 4
variant_features:
    .long KIP_ULS
