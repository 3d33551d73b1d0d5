/*
 * What ops.def says of each operation of the IR, for code that works on any operation; and their
 * evaluation. The tables and the evaluator are generated (tools/irgen).
 */
#ifndef CORE_IR_OPS_H
#define CORE_IR_OPS_H

#include <patchbay/ir_sem.h>

/* Properties of an operation, as in ops.def. */
typedef enum ir_property {
    IR_PROP_PURE = 1 << 0,
    IR_PROP_COMMUTES = 1 << 1,
    IR_PROP_FAULT = 1 << 2,
    IR_PROP_LOAD = 1 << 3,
    IR_PROP_STORE = 1 << 4,
    IR_PROP_EXIT = 1 << 5,
    IR_PROP_FP = 1 << 6,
    IR_PROP_STATE = 1 << 7,
    IR_PROP_EFFECT = 1 << 8,
    IR_PROP_PAIRS = 1 << 9,
    IR_PROP_MANUAL = 1 << 10,
} ir_property;

/* A type of a row: the set of types that it allows (bit per ir_type), and the letter of the variable, or 0:
 * places with the same letter have the same type. */
typedef struct ir_type_class {
    uint16_t types;
    char variable;
} ir_type_class;

/* How an attribute is written in text. */
typedef enum ir_attr_kind {
    IR_ATTR_NUMBER = 0,
    IR_ATTR_MEM,  /* the word of memory.h, taken apart */
    IR_ATTR_CC,   /* a condition: part of the operation's name */
    IR_ATTR_SLOT, /* a slot's name */
    IR_ATTR_HELPER,
    IR_ATTR_RMW,
} ir_attr_kind;

typedef struct ir_attr_info {
    const char *name;
    uint8_t kind;  /* ir_attr_kind */
    bool aux;      /* in the record's aux word, not in attr */
    uint8_t shift; /* where it is in that word */
    uint8_t bits;
} ir_attr_info;

#define IR_MAX_ATTRS 4

typedef struct ir_op_info {
    const char *name;
    uint32_t properties; /* ir_property */
    uint8_t n_results, n_operands, n_attrs;
    bool typed; /* the result type is chosen, not inferred */
    ir_type_class results[2], operands[4];
    ir_attr_info attrs[IR_MAX_ATTRS];
} ir_op_info;

extern const ir_op_info ir_ops_table[IR_OP_COUNT];

/* Name of a type: "i32". */
extern const char *const ir_type_names[IR_TYPE_COUNT];

static inline uint32_t ir_attr_get(const ir_op_record *r, const ir_attr_info *a)
{
    return (uint32_t)((a->aux ? r->aux : r->attr) >> a->shift & ir_sem_mask(a->bits));
}

/* Name of the first attribute that is out of its range, or null. lanes_of: the vector's width, 0: the
 * operation has none; W: bits of the operation's type. */
const char *ir_ops_bad_attr(const ir_op_record *r, uint32_t W, uint32_t lanes_of);

/* The operation's results for operands, both zero-extended from their types; types[0] is the first result's
 * type, types[1] and up the operands'. False if it is neither pure nor a floating-point operation. fp may be
 * null for the former. Attributes and types are as the verifier wants them. */
bool ir_ops_eval(const ir_op_record *r, const ir_type *types, const pb_u128 *args, const ir_fp *fp,
                 pb_u128 results[2]);

/* A value cut to its type. */
static inline pb_u128 ir_ops_cut(ir_type type, pb_u128 v)
{
    uint32_t bits = ir_type_bits[type];

    if (bits <= 64)
        return (pb_u128){ v.lo & ir_sem_mask(bits), 0 };
    return (pb_u128){ v.lo, v.hi & ir_sem_mask(bits - 64) };
}

#endif
