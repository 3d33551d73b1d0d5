/*
 * Processors that write each other's code: arm-virt, 1, 2 or 4 processors, MMU and caches on. 64 slots of one branch each lie among
 * data in two pages; every processor owns some, and lets them lead to another of 256 pads, which return their number.
 * DDI 0487 B2.4.4: B may be exchanged for B while others execute it; after cache maintenance and the owner's word
 * that it is done (store-release), who has seen that and executed ISB executes the new one.
 *
 * In each round a processor writes one of its slots and data beside it, executes the slot, which must be the new one, and
 * executes another processor's, which must not be older than what its owner said before. Now and then it flushes the
 * TLBs of all. At the end the first one prints, in hexadecimal, how many were wrong and how many were executed:
 *
 *     WRONG EXECUTED
 */
        .arch   armv8.4-a
        .include "processors.inc"
        .equ    UART, 0x09000000
        .equ    TABLE, 0x41000000
        .equ    SYNC, 0x41001000        /* the barrier */
        .equ    SUMS, 0x41001800        /* wrong, executed */
        .equ    SLOTS, 0x41002000       /* 124 bytes each: places in lines of all kinds, one at the end of a page */
        .equ    PADS, 0x41008000        /* 8 bytes each */
        .equ    SAID, 0x41010000        /* 64 bytes each: the owner's last number */

/* x19 number of this processor   x20 rounds   x21 random   x22 wrong   x23 executed   x24 SLOTS   x25 SYNC
 * x26 processors   x27 SAID   x28 PADS */

        b       first
rounds: .word   0                       /* three words that are filled in before the program is loaded */
cpus:   .word   0
idle:   .word   0                       /* not 0: nothing is written, to see the test fail */

first:  fill_table
        ldr     x28, =PADS
        mov     x0, #0
        ldr     w1, =0x52800000         /* movz w0, #0 */
        ldr     w2, =0xd65f03c0         /* ret */
        mov     x3, x28
1:      add     w4, w1, w0, lsl #5
        stp     w4, w2, [x3], #8
        add     x0, x0, #1
        cmp     x0, #256
        b.ne    1b
        mov     x0, #0                  /* all slots lead to pad 0 */
        ldr     x24, =SLOTS
        mov     x9, x24
        mov     x10, #0
2:      bl      write_branch
        add     x9, x9, #124
        add     x0, x0, #1
        cmp     x0, #64
        b.ne    2b
        dsb     sy
        ic      iallu
        dsb     sy
        isb
        turn_on_others
enter:  mov     x19, x0
        turn_on_mmu

        ldr     w20, rounds
        ldr     w26, cpus
        ldr     x21, =0x9e3779b97f4a7c15
        add     x1, x19, #1
        mul     x21, x21, x1
        mov     x22, #0
        mov     x23, #0
        ldr     x24, =SLOTS
        ldr     x25, =SYNC
        ldr     x27, =SAID
        ldr     x28, =PADS
        bl      barrier

round:  bl      random
        sub     w1, w26, #1             /* one of this processor's slots: number & (processors - 1) is its own */
        and     w0, w0, #63
        bic     w0, w0, w1
        orr     w0, w0, w19
        bl      find_slot
        ldr     x12, [x11]              /* nobody else writes it */
        add     x12, x12, #1
        mov     x10, x12
        ldr     w0, idle
        cbnz    w0, 1f
        bl      write_branch
1:
        str     x12, [x9, #20]          /* data beside it, unaligned too, perhaps in the next line */
        str     x21, [x9, #36]
        dc      cvau, x9
        dsb     ish
        ic      ivau, x9
        dsb     ish
        stlr    x12, [x11]
        isb
        blr     x9
        and     w1, w12, #255
        cmp     w0, w1
        cinc    x22, x22, ne

        bl      random
        and     w0, w0, #63
        bl      find_slot
        ldar    x12, [x11]
        isb
        blr     x9
        ldar    x13, [x11]
        sub     x13, x13, x12           /* what it may be: from the one said before to the one after that said now */
        add     x13, x13, #1
        sub     w1, w0, w12
        and     x1, x1, #255
        cmp     x1, x13
        cinc    x22, x22, hi
        add     x23, x23, #2

        tst     x21, #0x1f0000
        b.ne    1f
        tlbi    vmalle1is
        dsb     ish
        isb
1:      subs    w20, w20, #1
        b.ne    round

        ldr     x0, =SUMS
        ldaddal x22, x1, [x0]
        add     x0, x0, #8
        ldaddal x23, x1, [x0]
        bl      barrier
        cbnz    x19, .
        ldr     x9, =SUMS
        ldr     x10, [x9]
        bl      print_number
        mov     w0, #' '
        bl      print
        ldr     x10, [x9, #8]
        bl      print_number
        mov     w0, #'\n'
        bl      print
        ldr     x0, =0x84000008         /* PSCI SYSTEM_OFF */
        hvc     #0
        b       .

/* The slot at x9 leads to pad x10 & 255. Changes w13 to w15. */
write_branch:
        and     x13, x10, #255
        add     x13, x28, x13, lsl #3
        sub     x13, x13, x9
        ubfx    w13, w13, #2, #26
        mov     w14, #0x14000000
        orr     w13, w13, w14
        str     w13, [x9]
        ret

/* Slot w0: at x9, what its owner said at x11. */
find_slot:
        mov     w1, #124
        umaddl  x9, w0, w1, x24
        add     x11, x27, x0, lsl #6
        ret

/* xorshift64*: w0. */
random: eor     x21, x21, x21, lsl #13
        eor     x21, x21, x21, lsr #7
        eor     x21, x21, x21, lsl #17
        lsr     x0, x21, #33
        ret

/* All come here before one goes on. */
barrier:
        ldr     w1, [x25, #0x440]
        mov     w2, #1
        add     x3, x25, #0x400
        ldaddal w2, w4, [x3]
        add     w4, w4, #1
        cmp     w4, w26
        b.eq    2f
        add     x3, x25, #0x440
1:      yield
        ldar    w4, [x3]
        cmp     w4, w1
        b.eq    1b
        ret
2:      str     wzr, [x3]
        add     w1, w1, #1
        add     x3, x25, #0x440
        stlr    w1, [x3]
        ret

print:  ldr     x1, =UART
        strb    w0, [x1]
        ret

/* x10, 16 digits. */
print_number:
        mov     x15, x30
        mov     x14, #60
1:      lsr     x0, x10, x14
        and     x0, x0, #15
        cmp     x0, #10
        add     x1, x0, #'0'
        add     x2, x0, #'a' - 10
        csel    x0, x1, x2, lo
        bl      print
        subs    x14, x14, #4
        b.pl    1b
        ret     x15
