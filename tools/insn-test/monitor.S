/*
 * The program that executes system cases (tests/insn/system/README.md): bare metal, at EL3 with its MMU off, on
 * QEMU's virt board and on the processor under test alike. It sets up a case, enters it, and catches
 * the exception that ends it.
 *
 * What it executes besides itself was made by whoever made the cases: routines that write and read system
 * registers, one after the other, so that it needs to know none of them.
 *
 *   HEADER   what there is to do; the last word is set when all is done
 *   record   one case. Its result is at its end
 *
 * Exceptions that are taken to EL1 and EL2 end in a vector of one SMC, whose immediate tells which it was.
 */

        .equ    HEADER, 0x40800000
        .equ    CODE, 0x40220000
        .equ    FROM_START, 0x20000             // CODE, for a branch
        .equ    MAX_CODE, 64                    // instructions
        .equ    SP_EL3, 0x40230800
        .equ    VECTORS_1, 0x40210000           // of EL1, then of EL2
        .equ    SMC_0, 0xd4000003

        // HEADER
        .equ    H_CASES, 0                      // number of cases
        .equ    H_CASE, 8                       // address of the first record
        .equ    H_DEFAULTS, 16                  // routine: writes all registers from values at x0
        .equ    H_VALUES, 24                    // its values
        .equ    H_DUMP, 32                      // routine: reads all registers to x0, which moves
        .equ    H_PROBES, 40                    // number of probes
        .equ    H_PROBE, 48                     // address of the first: four instructions each
        .equ    H_PSTATE, 56                    // that they are entered with
        .equ    H_RESULT, 64                    // where their results go
        .equ    H_DONE, 72
        .equ    H_SETUP, 80                     // routine of the probes, as R_SETUP; or 0
        .equ    H_SETUP_VALUES, 88
        .equ    SAVED, HEADER + 128             // x0 to x3 as they were at an exception

        // record
        .equ    R_BYTES, 0                      // to the next record
        .equ    R_PSTATE, 8
        .equ    R_PC, 16
        .equ    R_SETUP, 24                     // address of a routine: writes registers from values at x0
        .equ    R_VALUES, 32                    // address
        .equ    R_CODE, 40                      // number of instructions
        .equ    R_WORDS, 48                     // their address
        .equ    R_POKES, 56                     // number of words of memory to write
        .equ    R_POKE, 64                      // address: address and value of each
        .equ    R_RESULT, 72                    // address
        .equ    R_X, 80                         // x0 to x30

        // result: vector, x0 to x30, the dump, then the words of memory that were poked
        // result of a probe: vector, ESR of the level that took the exception, x0

        // All of them from the record at x0, x0 last.
        .macro  load_all
        ldp     x1, x2, [x0, #R_X + 8 * 1]
        ldp     x3, x4, [x0, #R_X + 8 * 3]
        ldp     x5, x6, [x0, #R_X + 8 * 5]
        ldp     x7, x8, [x0, #R_X + 8 * 7]
        ldp     x9, x10, [x0, #R_X + 8 * 9]
        ldp     x11, x12, [x0, #R_X + 8 * 11]
        ldp     x13, x14, [x0, #R_X + 8 * 13]
        ldp     x15, x16, [x0, #R_X + 8 * 15]
        ldp     x17, x18, [x0, #R_X + 8 * 17]
        ldp     x19, x20, [x0, #R_X + 8 * 19]
        ldp     x21, x22, [x0, #R_X + 8 * 21]
        ldp     x23, x24, [x0, #R_X + 8 * 23]
        ldp     x25, x26, [x0, #R_X + 8 * 25]
        ldp     x27, x28, [x0, #R_X + 8 * 27]
        ldp     x29, x30, [x0, #R_X + 8 * 29]
        ldr     x0, [x0, #R_X]
        .endm

        .text
        .global _start
_start:
        ldr     x0, =vectors_3
        msr     vbar_el3, x0
        ldr     x0, =VECTORS_1
        msr     vbar_el1, x0
        add     x0, x0, #0x800
        msr     vbar_el2, x0
        mov     x0, #0x531                      // SCR_EL3: NS, RW, HCE, RES1
        msr     scr_el3, x0
        mov     x0, #0x80000000                 // HCR_EL2.RW
        msr     hcr_el2, x0
        isb
        ldr     x20, =HEADER
        ldr     x0, [x20, #H_PROBES]
        cbnz    x0, first_probe

next_case:
        ldr     x20, =HEADER
        ldr     x0, [x20, #H_CASES]
        cbz     x0, done
        ldr     x19, [x20, #H_CASE]

        // memory
        ldr     x1, [x19, #R_POKES]
        ldr     x2, [x19, #R_POKE]
1:      cbz     x1, 2f
        ldp     x3, x4, [x2], #16
        str     x4, [x3]
        sub     x1, x1, #1
        b       1b
2:
        // code, and SMC up to the end of its room
        ldr     x1, [x19, #R_CODE]
        ldr     x2, [x19, #R_WORDS]
        ldr     x3, =CODE
        mov     x5, #MAX_CODE
        ldr     w6, =SMC_0
3:      cbz     x1, 4f
        ldr     w4, [x2], #4
        sub     x1, x1, #1
        b       5f
4:      mov     w4, w6
5:      str     w4, [x3], #4
        sub     x5, x5, #1
        cbnz    x5, 3b
        ldr     x3, =CODE
        mov     x5, #MAX_CODE * 4 / 64
6:      dc      cvau, x3
        dsb     ish
        ic      ivau, x3
        add     x3, x3, #64
        sub     x5, x5, #1
        cbnz    x5, 6b
        dsb     ish

        // registers
        ldr     x1, [x20, #H_DEFAULTS]
        ldr     x0, [x20, #H_VALUES]
        blr     x1
        ldr     x0, =SP_EL3
        mov     sp, x0
        ldr     x0, =vectors_3
        msr     vbar_el3, x0
        msr     oslar_el1, xzr                  // debug exceptions
        isb
        tlbi    alle3
        tlbi    alle2
        tlbi    alle1
        dsb     ish
        isb
        ldr     x1, [x19, #R_SETUP]
        ldr     x0, [x19, #R_VALUES]
        blr     x1
        isb
        clrex

        // enter
        mov     x0, x19
        ldr     x1, [x0, #R_PSTATE]
        and     x2, x1, #0xc
        cmp     x2, #0xc
        b.eq    7f
        msr     spsr_el3, x1
        ldr     x1, [x0, #R_PC]
        msr     elr_el3, x1
        load_all
        eret
7:      and     x2, x1, #0xf0000000
        msr     nzcv, x2
        and     x2, x1, #0x3c0
        msr     daif, x2
        and     x2, x1, #1
        msr     spsel, x2
        load_all
        b       _start + FROM_START

        // ---- probes: words at any level, each followed by SMC or the like ---------------------

first_probe:
        ldr     x1, [x20, #H_SETUP]
        cbz     x1, 1f
        ldr     x0, [x20, #H_SETUP_VALUES]
        blr     x1
        isb
1:      ldr     x19, [x20, #H_PROBE]
        ldr     x21, [x20, #H_RESULT]
        ldr     x1, [x20, #H_PSTATE]
        msr     spsr_el3, x1
        msr     elr_el3, x19
        mov     x0, #0
        eret
probe_ended:                                    // x0 vector, x1 ESR; x19 to x21 as set above
        ldr     x2, =SAVED
        ldr     x2, [x2]
        stp     x0, x1, [x21], #16
        str     x2, [x21], #8
        add     x19, x19, #16
        ldr     x1, [x20, #H_PROBES]
        sub     x1, x1, #1
        str     x1, [x20, #H_PROBES]
        cbz     x1, done
        ldr     x1, [x20, #H_PSTATE]
        msr     spsr_el3, x1
        msr     elr_el3, x19
        mov     x0, #0
        eret

        // ---- the end of all --------------------------------------------------------------------

done:   mov     x0, #1
        str     x0, [x20, #H_DONE]
        dsb     sy
        // By semihosting: SYS_EXIT, ADP_Stopped_ApplicationExit. Where there is none, that is undefined.
        adr     x1, exit
        mov     w0, #0x18
        hlt     #0xf000
stop:   b       stop

        // ---- exceptions ----------------------------------------------------------------------

        // x0: offset of the vector; x0 to x3 as they were are in SAVED
ended:  ldr     x1, =HEADER
        ldr     x2, [x1, #H_DONE]
        cbnz    x2, stop
        // The SMC of a vector of EL1 or EL2 says which, and ESR of that level why.
        mrs     x1, esr_el3
        lsr     x2, x1, #26
        cmp     x2, #0x17
        b.ne    1f
        and     x2, x1, #0xffff
        lsr     x3, x2, #12
        cbz     x3, 1f
        mov     x0, x2
        mrs     x1, esr_el1
        tbnz    x2, #12, 2f
        mrs     x1, esr_el2
        b       2f
1:      orr     x0, x0, #0x3000
2:      ldr     x2, =HEADER
        ldr     x3, [x2, #H_PROBES]
        cbnz    x3, probe_ended

        // result: vector, registers
        ldr     x2, =HEADER
        ldr     x2, [x2, #H_CASE]
        ldr     x3, [x2, #R_RESULT]
        str     x0, [x3], #8
        ldr     x1, =SAVED
        ldp     x0, x2, [x1]
        stp     x0, x2, [x3], #16
        ldp     x0, x2, [x1, #16]
        stp     x0, x2, [x3], #16
        stp     x4, x5, [x3], #16
        stp     x6, x7, [x3], #16
        stp     x8, x9, [x3], #16
        stp     x10, x11, [x3], #16
        stp     x12, x13, [x3], #16
        stp     x14, x15, [x3], #16
        stp     x16, x17, [x3], #16
        stp     x18, x19, [x3], #16
        stp     x20, x21, [x3], #16
        stp     x22, x23, [x3], #16
        stp     x24, x25, [x3], #16
        stp     x26, x27, [x3], #16
        stp     x28, x29, [x3], #16
        str     x30, [x3], #8

        ldr     x20, =HEADER
        ldr     x19, [x20, #H_CASE]
        mov     x0, x3
        ldr     x1, [x20, #H_DUMP]
        blr     x1
        // Memory is read and cleared with every MMU off: of EL3, that is.
        ldr     x1, =0x30c50830
        msr     sctlr_el3, x1
        isb
        ldr     x1, [x19, #R_POKES]
        ldr     x2, [x19, #R_POKE]
3:      cbz     x1, 4f
        ldr     x3, [x2], #16
        ldr     x4, [x3]
        str     x4, [x0], #8
        str     xzr, [x3]
        sub     x1, x1, #1
        b       3b
4:      ldr     x1, [x19, #R_BYTES]
        add     x19, x19, x1
        str     x19, [x20, #H_CASE]
        ldr     x1, [x20, #H_CASES]
        sub     x1, x1, #1
        str     x1, [x20, #H_CASES]
        b       next_case

        .balign 8
exit:   .quad   0x20026, 0

        .macro  vector_3 offset
        .balign 0x80
        msr     tpidr_el3, x0
        ldr     x0, =SAVED
        stp     x1, x2, [x0, #8]
        str     x3, [x0, #24]
        mrs     x1, tpidr_el3
        str     x1, [x0]
        mov     x0, #\offset
        b       ended
        .endm

        .balign 0x800
vectors_3:
        .irp    offset, 0x000, 0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380
        vector_3 \offset
        .endr
        .irp    offset, 0x400, 0x480, 0x500, 0x580, 0x600, 0x680, 0x700, 0x780
        vector_3 \offset
        .endr

        .ltorg

        // ---- vectors of EL1 and EL2, at VECTORS_1: one SMC each ---------------------------------

        .macro  vector el, offset
        .balign 0x80
        smc     #(\el << 12) + \offset
        .endm

        .org    _start + 0x10000
        .irp    el, 1, 2
        .irp    offset, 0x000, 0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380
        vector  \el, \offset
        .endr
        .irp    offset, 0x400, 0x480, 0x500, 0x580, 0x600, 0x680, 0x700, 0x780
        vector  \el, \offset
        .endr
        .balign 0x800
        .endr
