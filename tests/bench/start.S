/*
 * Start of a bare-metal AArch64 program on arm-virt: identity map with caches on, stack, FP, main(), power off.
 * Entered at EL1 with the MMU off (Linux boot protocol). 39-bit addresses, 1 GiB blocks: the first is devices,
 * the others are memory.
 */
    .global _start
_start:
    adrp    x0, table
    add     x0, x0, :lo12:table
    mov     x1, #0x405              /* device: AF, valid block, attribute 1 */
    movk    x1, #0x60, lsl #48      /* execute never */
    str     x1, [x0]
    mov     x2, #1
1:  lsl     x3, x2, #30
    mov     x1, #0x701              /* memory: AF, inner shareable, attribute 0 */
    orr     x1, x1, x3
    str     x1, [x0, x2, lsl #3]
    add     x2, x2, #1
    cmp     x2, #8
    b.ne    1b
    mov     x1, #0x04ff             /* attribute 0 write-back memory, 1 device-nGnRE */
    msr     mair_el1, x1
    ldr     x1, =0x200803519        /* T0SZ 25, 4 KiB, write-back walks, inner shareable, EPD1, 40 bits */
    msr     tcr_el1, x1
    msr     ttbr0_el1, x0
    mov     x1, #(3 << 20)
    msr     cpacr_el1, x1
    dsb     sy
    isb
    mrs     x1, sctlr_el1
    mov     x2, #0x1005             /* M, C, I */
    orr     x1, x1, x2
    msr     sctlr_el1, x1
    isb
    adrp    x1, stack_top
    add     sp, x1, :lo12:stack_top
    bl      main
    mov     x0, #0x0008             /* PSCI SYSTEM_OFF */
    movk    x0, #0x8400, lsl #16
    hvc     #0
2:  wfi
    b       2b

    .bss
    .balign 4096
table:
    .skip   4096
    .balign 4096
    .skip   65536
stack_top:
