/*
 * Litmus tests on bare metal: arm-virt, 2 to 4 processors of arm64/max, MMU and caches on, one memory of Normal
 * Inner Shareable. Each processor runs its part of a test over an array of instances, and the first then counts
 * the outcomes and prints a line for each that was seen:
 *
 *     NAME = COUNT r3 r2 r1 r0        outcomes: two bits for each register, in one hexadecimal number
 *     NAME : SUM                      atomicity: what the shared variable came to
 *
 * Which outcomes are forbidden is said in test_litmus.py. README.md has the command that makes litmus.hex.
 */
        .arch   armv8.4-a
        .include "processors.inc"
        .equ    UART, 0x09000000
        .equ    TABLE, 0x41000000
        .equ    SYNC, 0x41001000        /* indices, 64 bytes apart; the barrier behind them */
        .equ    COUNTS, 0x41002000      /* 256 words of 64 bits */
        .equ    SHARED, 0x41003000      /* variables of the atomicity tests, 256 bytes apart */
        .equ    RESULTS, 0x41100000     /* 8 words for each instance */
        .equ    INSTANCES, 0x41800000   /* 256 bytes each: X at 0, Y at 128, and others in between */
        .equ    PATIENCE, 40            /* looks at another's index before going on without it, */
        .equ    MORE_PATIENCE, 7        /* after this power of two for each instance, to be used anywhere in the test */

/* x19 number of this processor   x20 test   x21 instance   x22 instances   x23 its address   x24 its results
 * x25 SYNC   x26 processors   x27 body   x28 what an odd processor's variables are displaced by
 * Bodies: x2 X, x3 Y, w1 1; they may change x0 to x15. */

        b       first
rounds: .word   0                       /* three words that are filled in before the program is loaded */
cpus:   .word   0
apart:  .word   0                       /* 64: processors do not share what they should, to see tests fail */

first:  fill_table
        turn_on_others
enter:  mov     x19, x0
        turn_on_mmu

        ldr     w22, rounds
        ldr     w26, cpus
        ldr     w28, apart
        tst     x19, #1
        csel    x28, x28, xzr, ne
        ldr     x25, =SYNC
        adr     x20, tests

/* A test: name in 16 bytes; processors, 0 for all; kind; offset of each body. */
next_test:
        ldrb    w0, [x20]
        cbz     w0, done
        ldr     w0, [x20, #16]
        cbz     w0, 1f
        cmp     w0, w26
        b.ne    skip
1:      cbnz    x19, 2f
        bl      clear
2:      bl      barrier
        add     x0, x20, #24
        ldrsw   x27, [x0, x19, lsl #2]
        add     x27, x27, x20
        bl      rounds_of_test
        bl      barrier
        cbnz    x19, skip
        bl      report
skip:   add     x20, x20, #40
        b       next_test
done:   bl      barrier
        cbnz    x19, .
        ldr     x0, =0x84000008         /* PSCI SYSTEM_OFF */
        hvc     #0
        b       .

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

/* Each instance in its turn, as much together with the others as they come, but never waiting for ever: they may not be
 * running at all. */
rounds_of_test:
        mov     x18, x30
        mov     x21, #0
        lsl     w16, w22, #MORE_PATIENCE
        cmp     w26, #2                 /* more than the host may have would wait for nothing */
        csel    w16, w16, wzr, eq
        ldr     x23, =INSTANCES
        ldr     x24, =RESULTS
1:      lsl     x0, x19, #6
        str     w21, [x25, x0]
        mov     x4, #0
2:      lsl     x0, x4, #6
        mov     w5, #PATIENCE
3:      ldr     w1, [x25, x0]
        cmp     w1, w21
        b.ge    4f
        cbz     w16, 7f
        sub     w16, w16, #1
        b       3b
7:      subs    w5, w5, #1
        b.ne    3b
4:      add     x4, x4, #1
        cmp     x4, x26
        b.ne    2b
        add     w0, w21, w21, lsl #2    /* and a little apart, by all small distances in turn */
        lsr     w0, w0, w19
        ands    w0, w0, #7
        b.eq    6f
5:      subs    w0, w0, #1
        b.ne    5b
6:      add     x2, x23, x28
        add     x3, x2, #128
        mov     w1, #1
        blr     x27
        add     x23, x23, #256
        add     x24, x24, #32
        add     x21, x21, #1
        cmp     x21, x22
        b.ne    1b
        br      x18

clear:  ldr     x0, =INSTANCES
        add     x1, x0, x22, lsl #8
1:      stp     xzr, xzr, [x0], #64
        cmp     x0, x1
        b.ne    1b
        ldr     x0, =RESULTS
        add     x1, x0, x22, lsl #5
2:      stp     xzr, xzr, [x0], #16
        cmp     x0, x1
        b.ne    2b
        ldr     x0, =COUNTS
        add     x1, x0, #0x2000         /* and the shared variables */
3:      stp     xzr, xzr, [x0], #16
        cmp     x0, x1
        b.ne    3b
        str     wzr, [x25]              /* indices */
        str     wzr, [x25, #64]
        str     wzr, [x25, #128]
        str     wzr, [x25, #192]
        ret

report: mov     x18, x30
        ldr     w0, [x20, #20]
        cbnz    w0, report_sum
        ldr     x0, =RESULTS
        ldr     x3, =COUNTS
        mov     x1, x22
1:      ldp     w4, w5, [x0]
        ldp     w6, w7, [x0, #8]
        add     x0, x0, #32
        orr     w4, w4, w5, lsl #2
        orr     w4, w4, w6, lsl #4
        orr     w4, w4, w7, lsl #6
        ldr     x5, [x3, x4, lsl #3]
        add     x5, x5, #1
        str     x5, [x3, x4, lsl #3]
        subs    x1, x1, #1
        b.ne    1b
        mov     x21, #0
2:      ldr     x23, =COUNTS
        ldr     x23, [x23, x21, lsl #3]
        cbz     x23, 3f
        mov     w2, #'='
        bl      print_name
        mov     x0, x23
        bl      print_hex
        mov     x0, x21
        bl      print_hex
        mov     w0, #'\n'
        bl      print_character
3:      add     x21, x21, #1
        cmp     x21, #256
        b.ne    2b
        br      x18

report_sum:                             /* X and Y; what the processors had over; how often a pair was torn */
        mov     w2, #':'
        bl      print_name
        ldr     x23, =SHARED
        ldr     x0, [x23]
        ldr     x4, [x23, #0x200]
        add     x0, x0, x4
        bl      print_hex
        ldr     x0, [x23, #8]
        bl      print_hex
        ldr     x0, [x23, #0x300]
        bl      print_hex
        mov     w0, #'\n'
        bl      print_character
        br      x18

print_name:                             /* and the character in w2 */
        mov     x17, x30
        mov     x3, x20
1:      ldrb    w0, [x3], #1
        cbz     w0, 2f
        bl      print_character
        b       1b
2:      mov     w0, #' '
        bl      print_character
        mov     w0, w2
        bl      print_character
        br      x17

print_hex:                              /* a space, and x0 in 16 digits */
        mov     x17, x30
        mov     x3, x0
        mov     w2, #16
        mov     w0, #' '
        bl      print_character
1:      ror     x3, x3, #60
        and     w0, w3, #15
        cmp     w0, #10
        add     w1, w0, #'0'
        add     w0, w0, #'a' - 10
        csel    w0, w1, w0, lo
        bl      print_character
        subs    w2, w2, #1
        b.ne    1b
        br      x17

print_character:
        mov     x1, #UART
        str     w0, [x1]
        ret

        .ltorg

/* ---- ordering ---------------------------------------------------------------------------------------------- */

/* Store to one variable, load from the other. */
        .macro  store_load name, store, load, fence:vararg
\name\()_0:
        \store  w1, [x2]
        \fence
        \load   w8, [x3]
        str     w8, [x24]
        ret
\name\()_1:
        \store  w1, [x3]
        \fence
        \load   w8, [x2]
        str     w8, [x24, #4]
        ret
        .endm

/* Data in X, then the flag in Y; the other reads the flag, then the data. */
        .macro  message name, store, load, write_fence, read_fence
\name\()_0:
        str     w1, [x2]
        \write_fence
        \store  w1, [x3]
        ret
\name\()_1:
        \load   w8, [x3]
        \read_fence
        ldr     w9, [x2]
        stp     w8, w9, [x24]
        ret
        .endm

/* Load from one variable, store to the other. */
        .macro  load_store name, load, store, fence
\name\()_0:
        \load   w8, [x2]
        \fence
        \store  w1, [x3]
        str     w8, [x24]
        ret
\name\()_1:
        \load   w8, [x3]
        \fence
        \store  w1, [x2]
        str     w8, [x24, #4]
        ret
        .endm

/* Two write, two read both in opposite orders. */
        .macro  independent name, store, load, fence
\name\()_0:
        \store  w1, [x2]
        ret
\name\()_1:
        \load   w8, [x2]
        \fence
        \load   w9, [x3]
        stp     w8, w9, [x24]
        ret
\name\()_2:
        \store  w1, [x3]
        ret
\name\()_3:
        \load   w8, [x3]
        \fence
        \load   w9, [x2]
        stp     w8, w9, [x24, #8]
        ret
        .endm

/* One writes 1 and 2, the other reads twice. */
        .macro  coherence name, store, load
\name\()_0:
        mov     w7, #2
        \store  w1, [x2]
        \store  w7, [x2]
        ret
\name\()_1:
        \load   w8, [x2]
        \load   w9, [x2]
        stp     w8, w9, [x24]
        ret
        .endm

        .macro  swap_in value, address:vararg
        swpal   \value, w4, \address
        .endm

        .macro  exclusive_in value, address:vararg
90:     ldaxr   w4, \address
        stlxr   w5, \value, \address
        cbnz    w5, 90b
        .endm

        store_load sb_plain, str, ldr
        store_load sb_dmb, str, ldr, dmb ish
        store_load sb_dsb, str, ldr, dsb ish
        store_load sb_half, str, ldr, dmb ishst
        store_load sb_ldar, stlr, ldar
        store_load sb_ldapr, stlr, ldapr
        store_load sb_swpal, swap_in, ldr
        store_load sb_exclusive, exclusive_in, ldr, dmb ish

        message mp_plain, str, ldr, nop, nop
        message mp_dmb, str, ldr, "dmb ish", "dmb ish"
        message mp_half, str, ldr, "dmb ishst", "dmb ishld"
        message mp_ldar, stlr, ldar, nop, nop
        message mp_ldapr, stlr, ldapr, nop, nop
        message mp_swpal, swap_in, ldar, nop, nop

        load_store lb_plain, ldr, str, nop
        load_store lb_dmb, ldr, str, "dmb ish"
        load_store lb_half, ldr, str, "dmb ishld"
        load_store lb_ldar, ldar, str, nop
        load_store lb_stlr, ldr, stlr, nop
        load_store lb_ldapr, ldapr, str, nop

        independent iriw_plain, str, ldr, nop
        independent iriw_dmb, str, ldr, "dmb ish"
        independent iriw_half, str, ldr, "dmb ishld"
        independent iriw_ldar, stlr, ldar, nop
        independent iriw_ldapr, stlr, ldapr, nop

        coherence corr_plain, str, ldr
        coherence corr_ldar, stlr, ldar
        coherence corr_swpal, swap_in, ldr

/* ---- atomicity --------------------------------------------------------------------------------------------- */

        .macro  shared                  /* x6: the variable */
        ldr     x6, =SHARED
        add     x6, x6, x28, lsl #2     /* another one if processors are kept apart */
        .endm

        .macro  by_exclusive name, load, store, register
\name:  shared
1:      \load   \register\()4, [x6]
        add     x4, x4, #1
        \store  w5, \register\()4, [x6]
        cbnz    w5, 1b
        ret
        .endm

        by_exclusive at_ldxr, ldxr, stxr, w
        by_exclusive at_ldaxr, ldaxr, stlxr, x

at_ldadd:
        shared
        mov     x4, #1
        ldadd   x4, x5, [x6]
        ret

at_bytes:                               /* of one word, each its own; 255 rounds of 256 come to nothing */
        shared
        add     x6, x6, x19
        mov     w4, #1
        ldaddalb w4, w5, [x6]
        ret

at_cas: shared
        ldr     x4, [x6]
1:      mov     x5, x4
        add     x7, x4, #1
        casal   x4, x7, [x6]
        cmp     x4, x5
        b.ne    1b
        ret

at_swp: shared                          /* what goes in comes out once, or is in there at the end */
        mov     x4, #1
        swpal   x4, x5, [x6]
        add     x6, x6, #0x200          /* the sum of what came out */
        stadd   x5, [x6]
        ret

at_ldset:                               /* 1 comes of a bit set that was clear; it is cleared and counted */
        shared
        mov     x4, #1
        lsl     x4, x4, x19
        ldset   x4, x5, [x6]
        tst     x5, x4
        b.ne    torn
        ldclral x4, x5, [x6]
        tst     x5, x4
        b.eq    torn
        mov     x4, #1
        add     x6, x6, #0x200
        stadd   x4, [x6]
        ret

at_casp:
        shared
        ldp     x8, x9, [x6]
1:      mov     x4, x8
        mov     x5, x9
        add     x10, x8, #1
        add     x11, x9, #1
        caspal  x8, x9, x10, x11, [x6]
        cmp     x8, x4
        ccmp    x9, x5, #0, eq
        b.ne    1b
        cmp     x8, x9
        b.ne    torn
        ret

at_ldxp:
        shared
1:      ldxp    x8, x9, [x6]
        add     x10, x8, #1
        add     x11, x9, #1
        stxp    w5, x10, x11, [x6]
        cbnz    w5, 1b
        cmp     x8, x9
        b.ne    torn
        ret

at_ldxp_words:                          /* 64 bits as a pair */
        shared
1:      ldaxp   w8, w9, [x6]
        adds    w8, w8, #1
        adc     w9, w9, wzr
        stlxp   w5, w8, w9, [x6]
        cbnz    w5, 1b
        ret

torn:   ldr     x6, =SHARED + 0x300
        mov     x4, #1
        stadd   x4, [x6]
        ret

        .ltorg

/* ---- the list ---------------------------------------------------------------------------------------------- */

        .macro  row name, processors, kind, a, b, c, d
        .balign 8
9:      .ascii  "\name"
        .space  16 - (. - 9b)
        .word   \processors, \kind, \a - 9b, \b - 9b, \c - 9b, \d - 9b
        .endm

        .macro  two name, body
        row     \name, 2, 0, \body\()_0, \body\()_1, torn, torn
        .endm

        .macro  four name, body
        row     \name, 4, 0, \body\()_0, \body\()_1, \body\()_2, \body\()_3
        .endm

        .macro  all name, body
        row     \name, 0, 1, \body, \body, \body, \body
        .endm

        .balign 8
tests:
        two     "SB", sb_plain
        two     "SB+dmb", sb_dmb
        two     "SB+dsb", sb_dsb
        two     "SB+dmb.ishst", sb_half
        two     "SB+stlr+ldar", sb_ldar
        two     "SB+stlr+ldapr", sb_ldapr
        two     "SB+swpal", sb_swpal
        two     "SB+stlxr+dmb", sb_exclusive
        two     "MP", mp_plain
        two     "MP+dmb", mp_dmb
        two     "MP+dmb.halves", mp_half
        two     "MP+stlr+ldar", mp_ldar
        two     "MP+stlr+ldapr", mp_ldapr
        two     "MP+swpal+ldar", mp_swpal
        two     "LB", lb_plain
        two     "LB+dmb", lb_dmb
        two     "LB+dmb.ishld", lb_half
        two     "LB+ldar", lb_ldar
        two     "LB+stlr", lb_stlr
        two     "LB+ldapr", lb_ldapr
        four    "IRIW", iriw_plain
        four    "IRIW+dmb", iriw_dmb
        four    "IRIW+dmb.ishld", iriw_half
        four    "IRIW+stlr+ldar", iriw_ldar
        four    "IRIW+ldapr", iriw_ldapr
        two     "CoRR", corr_plain
        two     "CoRR+stlr+ldar", corr_ldar
        two     "CoRR+swpal", corr_swpal
        all     "ldxr/stxr", at_ldxr
        all     "ldaxr/stlxr", at_ldaxr
        all     "ldadd", at_ldadd
        all     "ldaddalb", at_bytes
        all     "casal", at_cas
        all     "swpal", at_swp
        all     "ldset/ldclr", at_ldset
        all     "caspal", at_casp
        all     "ldxp/stxp", at_ldxp
        all     "ldaxp/stlxp", at_ldxp_words
        row     "mixed", 0, 1, at_ldxr, at_ldadd, at_cas, at_ldaxr
        .balign 8
        .quad   0
