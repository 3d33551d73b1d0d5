// What gdb looks at: see test_gdb_stub.py. arm-virt, EL1, MMU off. The second word is how many processors there are.

        .text
start:  b       begin
processors: .word 1

begin:  adr     x1, vectors
        msr     vbar_el1, x1
        mov     x9, #3 << 20                    // CPACR_EL1.FPEN
        msr     cpacr_el1, x9
        isb
        adr     x20, data
        ldr     w19, processors
        mov     w18, #1
power:  cmp     w18, w19
        b.hs    main
        movz    w0, #0xc400, lsl #16            // PSCI CPU_ON
        movk    w0, #3
        mov     x1, x18
        adr     x2, second
        mov     x3, x18
        hvc     #0
        add     w18, w18, #1
        b       power

// Rounds for ever: x21 counts them. Each fills the table, adds it up, changes words atomically, makes a call.
main:   mov     x21, #0
round:  add     x21, x21, #1
        bl      fill
        bl      sum
        bl      atomics
        mov     x7, #0x1234
call:   svc     #7
called: str     x21, [x20, #8]                  // rounds
        b       round

// table[i] = x21 + i
fill:   add     x2, x20, #0x800
        mov     x3, #0
fill_loop:
        add     x4, x21, x3
fill_store:
        str     x4, [x2, x3, lsl #3]
        add     x3, x3, #1
        cmp     x3, #512
        b.ne    fill_loop
        ret

// x5 = the sum of table[]
sum:    add     x2, x20, #0x800
        mov     x3, #0
        mov     x5, #0
sum_loop:
        ldr     x4, [x2, x3, lsl #3]
        add     x5, x5, x4
        add     x3, x3, #1
        cmp     x3, #512
        b.ne    sum_loop
        ret

// The words at +16, +24 and +32 count rounds too.
atomics:
        add     x2, x20, #16
        ldxr    x3, [x2]
        add     x3, x3, #1
        stxr    w4, x3, [x2]
        cbnz    w4, atomics
        ldp     x3, x4, [x20, #24]
        add     x3, x3, #1
        add     x4, x4, #1
        stp     x3, x4, [x20, #24]
        fmov    d0, x21
        fmov    d9, x21
        ret

// The others: a count for each, 64 bytes apart.
second: adr     x20, data
        add     x20, x20, #0x400
        add     x20, x20, x0, lsl #6
        mov     x21, #0
other:  add     x21, x21, #1
        str     x21, [x20]
        b       other

        .balign 2048, 0
vectors:
        .skip   0x200
sync:   add     x22, x22, #1                    // from EL1 with SP_EL1
        mrs     x23, esr_el1
        eret
        .balign 2048, 0

        .balign 4096, 0
data:   .quad   0x646e756f72676966              // a pattern to search for
        .quad   0                               // rounds
        .quad   0, 0, 0
        .balign 4096, 0
        .skip   4096
end:
