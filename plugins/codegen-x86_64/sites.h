/*
 * Site records: what the slow path of a memory operation needs to know, as bytes behind the call of its thunk.
 *
 * A head, then for each argument its type (a byte) and its place, then for each dirty slot its number (two bytes),
 * for a bundle the flags that count (two bytes), and its place. A place is a byte: a register, or one of those
 * below with what follows it.
 */
#ifndef CODEGEN_X86_64_SITES_H
#define CODEGEN_X86_64_SITES_H

#include "codegen.h"

enum {
    PLACE_SPILL = 0x40, /* a byte: its number */
    PLACE_CONST,        /* 16 bytes */
    PLACE_HOME,         /* two bytes: a slot */
    PLACE_CONDITION,    /* a byte: CC_* of a condition. Only at cold exits */
    PLACE_FLAGS, /* a byte: 1: CF is the borrow, 2: AF too; above: the form, which only cold exits have */
    PLACE_MADE, /* a byte: CG_MADE_*, and two places: what a bundle is made of */
    PLACE_SUM,  /* a byte: a register, and four: what is added to it. Only of an address */
};

typedef enum site_flags {
    SITE_ALONE = 1,    /* the unit may do everything */
    SITE_EFFECT = 2,   /* something of the instruction was done that cannot be done twice */
    SITE_OWN_PINS = 8, /* slots with registers are among the dirty ones, which are all */
    SITE_REFILL = 16,  /* the thunk of refill.c was called, and looked before */
    SITE_PAIR =
        4, /* two accesses, one behind the other; of stores the second value is the third argument */
    SITE_RELIED_ON = 32, /* if the address is not in the window the unit is left (direct.c) */
} site_flags;

/* Bytes of the jump between the call of refill.c's thunk and the record: back to the probe. */
enum { REFILL_AGAIN = 5 };

typedef struct site_head {
    uint64_t pc;
    uint32_t attr, aux;
    int32_t resume; /* where code goes on, from the record's start */
    uint16_t after; /* counted: instructions that were taken off the budget and have not begun */
    uint16_t op;    /* ir_op */
    uint8_t sub, flags;
    uint8_t result, result_type; /* register, 0xff: none */
    uint8_t result_2;            /* of the second load */
    uint8_t n_args, n_sync;
    uint8_t
        span; /* register that has a host address, which C code may make wrong: 0 then. 0xff: none */
} site_head;

/* What stands behind the call of the thunk that does an operation once more (cg_cold_redo). */
typedef struct redo_head {
    int32_t resume; /* where code goes on, from the record's start */
    uint32_t attr;
    uint16_t reference; /* number of the function */
    uint8_t n_args;
    uint8_t result, result_type;
    uint8_t arg[4], type[4]; /* registers and types of operands */
    uint8_t reserved[3];
} redo_head;

/* A value's low bits: what a type holds. */
static inline pb_u128 site_cut(pb_u128 v, uint32_t type)
{
    uint32_t bits = ir_type_bits[type];

    if (bits <= 64)
        return (pb_u128){ v.lo & ir_sem_mask(bits), 0 };
    return (pb_u128){ v.lo, v.hi & ir_sem_mask(bits - 64) };
}

/* Behind a place. */
void cg_skip_place(const uint8_t **p);
/* remake.c: emit the comparison for what follows a PLACE_MADE, on a cold path, with rax and rcx for use. Whether CF is a borrow
 * then, and AF too. */
bool cg_remake_cold(cg *c, const uint8_t *p);
/* The flags of the operands; kind: CG_MADE_*. */
uint64_t cg_made_flags(uint32_t kind, uint64_t a, uint64_t b);

#endif
