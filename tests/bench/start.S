/*
 * Start of a bare-metal AArch64 program on arm-virt: identity map with caches on, vectors, stack, FP, main(), power
 * off. Entered at EL1 with the MMU off (Linux boot protocol). 39-bit addresses, 1 GiB blocks: the first is devices,
 * the others are memory.
 */
    .global _start
    .section .text.start, "ax"
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
    bl      mmu_on
    adrp    x1, stack_top
    add     sp, x1, :lo12:stack_top
    bl      main
off:
    mov     x0, #0x0008             /* PSCI SYSTEM_OFF */
    movk    x0, #0x8400, lsl #16
    hvc     #0
2:  wfi
    b       2b

/* Uses no memory, as there is no stack yet. */
mmu_on:
    adrp    x0, table
    add     x0, x0, :lo12:table
    mov     x1, #0x04ff             /* attribute 0 write-back memory, 1 device-nGnRE */
    msr     mair_el1, x1
    ldr     x1, =0x200803519        /* T0SZ 25, 4 KiB, write-back walks, inner shareable, EPD1, 40 bits */
    msr     tcr_el1, x1
    msr     ttbr0_el1, x0
    adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     vbar_el1, x1
    mov     x1, #(3 << 20)
    msr     cpacr_el1, x1
    dsb     sy
    isb
    mrs     x1, sctlr_el1
    mov     x2, #0x1005             /* M, C, I */
    orr     x1, x1, x2
    msr     sctlr_el1, x1
    isb
    ret

/* void bench_start_other(void): PSCI CPU_ON of processor 1. */
    .global bench_start_other
bench_start_other:
    mov     x0, #0x0003
    movk    x0, #0xc400, lsl #16
    mov     x1, #1
    adrp    x2, other
    add     x2, x2, :lo12:other
    mov     x3, #0
    hvc     #0
    ret

other:
    bl      mmu_on
    adrp    x1, other_stack_top
    add     sp, x1, :lo12:other_stack_top
    bl      bench_other
3:  wfi
    b       3b

trap:
    adrp    x1, stack_top
    add     sp, x1, :lo12:stack_top
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    bl      bench_trap
    b       off

    .balign 2048
vectors:
    .rept   16
    b       trap
    .balign 128
    .endr

    .bss
    .balign 4096
table:
    .skip   4096
    .balign 4096
    .skip   1048576
stack_top:
    .skip   65536
other_stack_top:
