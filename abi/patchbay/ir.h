/*
 * The intermediate representation: records, values, blocks, and the builder that frontends call.
 *
 * A unit is one translation: SSA, a list of basic blocks with block parameters, operations in one array of fixed-size
 * records. Values are typed. Operations come from one table (core/ir/ops.def); their builder
 * functions are in ir_ops.h, generated from it: `ir_add(b, x, y)`, `ir_ld(b, IR_I64, address, attr)`.
 *
 * A frontend translates one guest instruction at a time: ir_insn() first, then operations; nothing that may
 * fault comes after a put of the same instruction. It ends the block with ir_jump, ir_branch,
 * ir_jump_ind, ir_exit or a helper that does not return followed by one of them.
 *
 * Everything here is for one thread at a time. Out of memory or over a unit's limits, the builder keeps going
 * harmlessly and sets unit->overflow, which the core looks at.
 */
#ifndef PATCHBAY_IR_H
#define PATCHBAY_IR_H

#include <patchbay/memory.h>
typedef enum ir_type {
    IR_VOID = 0,
    IR_I1, IR_I8, IR_I16, IR_I32, IR_I64, IR_I128,
    IR_F16, IR_F32, IR_F64, IR_F80,
    IR_V64, IR_V128, IR_V256, IR_V512,
    IR_FL,
    IR_TYPE_COUNT
} ir_type;

#include <patchbay/ir_opcodes.h> /* generated: enum ir_op, ir_second_type() */

/* Bits of each type; a flags bundle counts 32 (its packed form). */
static const uint16_t ir_type_bits[IR_TYPE_COUNT] = {
    [IR_I1] = 1, [IR_I8] = 8, [IR_I16] = 16, [IR_I32] = 32, [IR_I64] = 64, [IR_I128] = 128,
    [IR_F16] = 16, [IR_F32] = 32, [IR_F64] = 64, [IR_F80] = 80,
    [IR_V64] = 64, [IR_V128] = 128, [IR_V256] = 256, [IR_V512] = 512, [IR_FL] = 32,
};

/* Packed flags: how an IR_FL value is stored in a slot and read by debuggers, in the places of x86's EFLAGS.
 * C is Arm's carry. */
#define IR_FLAG_C 0
#define IR_FLAG_P 2
#define IR_FLAG_A 4
#define IR_FLAG_Z 6
#define IR_FLAG_N 7
#define IR_FLAG_V 11
/* Masks for fl.merge, whose attribute has 8 bits: V stands at bit 1. */
#define IR_FLM_C 0x01
#define IR_FLM_V 0x02
#define IR_FLM_P 0x04
#define IR_FLM_A 0x10
#define IR_FLM_Z 0x40
#define IR_FLM_N 0x80

/* Conditions over a bundle; the first 14 are Arm's encoding. */
typedef enum ir_cc {
    IR_EQ, IR_NE, IR_CS, IR_CC, IR_MI, IR_PL, IR_VS, IR_VC,
    IR_HI, IR_LS, IR_GE, IR_LT, IR_GT, IR_LE, IR_PS, IR_PC,
} ir_cc;

#define IR_ROUND_ENV 15 /* rm attribute: the environment's rounding mode */

typedef enum ir_jump_hint { IR_HINT_JUMP = 0, IR_HINT_CALL, IR_HINT_RETURN } ir_jump_hint;

/* A value: number of a result, or of a constant (IR_CONST_BIT set). Result r of record i is i * 2 + r. */
typedef struct ir_val { uint32_t id; } ir_val;
typedef struct ir_block { uint32_t id; } ir_block;

#define IR_CONST_BIT 0x80000000u
#define IR_NO_VAL    0xffffffffu

typedef struct ir_op_record {
    uint16_t op;      /* ir_op of ir_ops.h */
    uint8_t type;     /* of the first result; of the stored or compared operand where there is no other */
    uint8_t n_args;
    uint32_t attr;    /* packed attributes, as ops.def lists them */
    uint32_t arg[4];  /* operands; more than 4: arg[0] is an index into unit->extra */
    uint32_t guest;   /* index in unit->marks of the guest instruction that it belongs to */
    uint32_t aux;     /* second attribute word (rmw: sub; br: index in extra of target and values) */
} ir_op_record;

typedef struct ir_const { pb_u128 value; uint32_t type; uint32_t reserved; } ir_const;

/* A guest instruction. */
typedef struct ir_mark {
    uint64_t pc;
    uint32_t aux;    /* the frontend's word, for precise points (Thumb: IT state) */
    uint16_t length; /* bytes */
    uint16_t reserved;
    uint32_t record; /* index of the insn record */
} ir_mark;

typedef struct ir_block_info {
    uint32_t first, end; /* records, [first, end); parameters come first. end 0: not built yet */
    uint32_t n_params;
    uint32_t reserved;
} ir_block_info;

typedef struct ir_unit {
    uint32_t size;
    bool overflow;           /* out of memory, or too long: drop it */
    uint64_t pc, key;
    const struct pb_cpu_type *cpu;
    uint32_t pc_type;        /* ir_type of the pc slot */
    uint32_t reserved;
    ir_op_record *ops;   uint32_t n_ops, cap_ops;
    ir_const *consts;    uint32_t n_consts, cap_consts;
    uint32_t *extra;     uint32_t n_extra, cap_extra;
    ir_block_info *blocks; uint32_t n_blocks, cap_blocks;
    ir_mark *marks;      uint32_t n_marks, cap_marks;
    /* Host's allocator: grow an array of `bytes` to `new_bytes`; null if it cannot. */
    void *(*grow)(struct ir_unit *unit, void *old, size_t bytes, size_t new_bytes);
} ir_unit;

/* The builder: a unit and the place where operations go. */
typedef struct ir_builder {
    uint32_t size;
    uint32_t block; /* being built, IR_NO_VAL between blocks */
    ir_unit *unit;
    /* The core's hook for instrumentation and debugging; may be null: called by ir_insn. */
    void (*on_insn)(struct ir_builder *b, uint64_t pc);
    void *host; /* the core's */
} ir_builder;

/* ---- values ------------------------------------------------------------------------------------------ */

static inline uint32_t ir_reserve(ir_unit *u, void **array, uint32_t *n, uint32_t *cap, size_t each)
{
    if (__builtin_expect(*n == *cap, 0)) {
        uint32_t wanted = *cap ? *cap * 2 : 64;
        void *grown = wanted > (1u << 24) ? NULL
                                          : u->grow(u, *array, *cap * each, wanted * each);

        if (!grown) {
            u->overflow = true;
            *n = *cap ? *cap - 1 : 0;
            return *n;
        }
        *array = grown;
        *cap = wanted;
    }
    return (*n)++;
}

static inline ir_type ir_type_of(const ir_builder *b, ir_val v)
{
    const ir_unit *u = b->unit;

    if (v.id & IR_CONST_BIT)
        return (ir_type)u->consts[v.id & ~IR_CONST_BIT].type;
    if (v.id & 1)
        return ir_second_type(u->ops[v.id >> 1].op);
    return (ir_type)u->ops[v.id >> 1].type;
}

/* A constant of a type, zero-extended value; equal ones share a number within a short distance. */
static inline ir_val ir_const128(ir_builder *b, ir_type type, pb_u128 value)
{
    ir_unit *u = b->unit;
    uint32_t first = u->n_consts > 8 ? u->n_consts - 8 : 0;
    uint32_t i;

    for (i = u->n_consts; i > first; i--) {
        const ir_const *c = &u->consts[i - 1];

        if (c->type == type && c->value.lo == value.lo && c->value.hi == value.hi)
            return (ir_val){ (i - 1) | IR_CONST_BIT };
    }
    i = ir_reserve(u, (void **)&u->consts, &u->n_consts, &u->cap_consts, sizeof(ir_const));
    u->consts[i] = (ir_const){ .value = value, .type = type };
    return (ir_val){ i | IR_CONST_BIT };
}

static inline ir_val ir_imm(ir_builder *b, ir_type type, uint64_t value)
{
    uint32_t bits = ir_type_bits[type];

    return ir_const128(b, type, (pb_u128){ bits < 64 ? value & ((UINT64_C(1) << bits) - 1) : value, 0 });
}

static inline ir_val ir_imm1(ir_builder *b, bool value) { return ir_imm(b, IR_I1, value); }
static inline ir_val ir_imm32(ir_builder *b, uint32_t value) { return ir_imm(b, IR_I32, value); }
static inline ir_val ir_imm64(ir_builder *b, uint64_t value) { return ir_imm(b, IR_I64, value); }

/* The value of a constant of at most 64 bits; false if it is none. */
static inline bool ir_is_const(const ir_builder *b, ir_val v, uint64_t *value)
{
    if (!(v.id & IR_CONST_BIT))
        return false;
    *value = b->unit->consts[v.id & ~IR_CONST_BIT].value.lo;
    return true;
}

/* ---- records ----------------------------------------------------------------------------------------- */

/* Append a record to the block being built; the generated builder functions end here. */
static inline ir_val ir_emit(ir_builder *b, ir_op op, ir_type type, uint32_t attr, uint32_t aux,
                             uint32_t n_args, ir_val x, ir_val y, ir_val z, ir_val w)
{
    ir_unit *u = b->unit;
    uint32_t i = ir_reserve(u, (void **)&u->ops, &u->n_ops, &u->cap_ops, sizeof(ir_op_record));

    u->ops[i] = (ir_op_record){ .op = (uint16_t)op,
                                .type = (uint8_t)type,
                                .n_args = (uint8_t)n_args,
                                .attr = attr,
                                .arg = { x.id, y.id, z.id, w.id },
                                .guest = u->n_marks - 1,
                                .aux = aux };
    return (ir_val){ i << 1 };
}

static inline ir_val ir_none(void) { return (ir_val){ IR_NO_VAL }; }

static inline uint32_t ir_extra(ir_builder *b, uint32_t word)
{
    ir_unit *u = b->unit;
    uint32_t i = ir_reserve(u, (void **)&u->extra, &u->n_extra, &u->cap_extra, sizeof(uint32_t));

    u->extra[i] = word;
    return i;
}

/* Mark the start of a guest instruction. Every later operation belongs to it. */
static inline void ir_insn(ir_builder *b, uint64_t pc, uint32_t length, uint32_t aux)
{
    ir_unit *u = b->unit;
    uint32_t i = ir_reserve(u, (void **)&u->marks, &u->n_marks, &u->cap_marks, sizeof(ir_mark));

    u->marks[i] = (ir_mark){ .pc = pc, .aux = aux, .length = (uint16_t)length, .record = u->n_ops };
    ir_emit(b, IR_OP_INSN, IR_VOID, 0, 0, 0, ir_none(), ir_none(), ir_none(), ir_none());
    if (b->on_insn)
        b->on_insn(b, pc);
}

/* ---- blocks and control ------------------------------------------------------------------------------- */

/* A new block, to be built later. Its records are contiguous: from ir_block_begin to its terminator. */
static inline ir_block ir_block_new(ir_builder *b)
{
    ir_unit *u = b->unit;
    uint32_t i = ir_reserve(u, (void **)&u->blocks, &u->n_blocks, &u->cap_blocks,
                            sizeof(ir_block_info));

    u->blocks[i] = (ir_block_info){ 0 };
    return (ir_block){ i };
}

static inline void ir_block_begin(ir_builder *b, ir_block block)
{
    b->unit->blocks[block.id].first = b->unit->n_ops;
    b->block = block.id;
}

/* Parameters come directly after ir_block_begin. */
static inline ir_val ir_block_param(ir_builder *b, ir_type type)
{
    b->unit->blocks[b->block].n_params++;
    return ir_emit(b, IR_OP_PARAM, type, 0, 0, 0, ir_none(), ir_none(), ir_none(), ir_none());
}

/* Between blocks nothing may be emitted. */
static inline bool ir_block_open(const ir_builder *b) { return b->block != IR_NO_VAL; }

static inline void ir_end_block(ir_builder *b)
{
    b->unit->blocks[b->block].end = b->unit->n_ops;
    b->block = IR_NO_VAL;
}

/* Append a branch target and its values to extra; gives the index. Form: block, n, values. */
static inline uint32_t ir_target(ir_builder *b, ir_block to, const ir_val *values, uint32_t n)
{
    uint32_t at = ir_extra(b, to.id);

    ir_extra(b, n);
    for (uint32_t i = 0; i < n; i++)
        ir_extra(b, values[i].id);
    return at;
}

static inline void ir_br(ir_builder *b, ir_block to, const ir_val *values, uint32_t n)
{
    uint32_t at = ir_target(b, to, values, n);

    ir_emit(b, IR_OP_BR, IR_VOID, 0, at, 0, ir_none(), ir_none(), ir_none(), ir_none());
    ir_end_block(b);
}

/* Branch without values: to `yes` if the i1 holds. Two targets stand one after the other in extra. */
static inline void ir_br_if(ir_builder *b, ir_val condition, ir_block yes, ir_block no)
{
    uint32_t at = ir_target(b, yes, NULL, 0);

    ir_target(b, no, NULL, 0);
    ir_emit(b, IR_OP_BR_IF, IR_I1, 0, at, 1, condition, ir_none(), ir_none(), ir_none());
    ir_end_block(b);
}

static inline void ir_br_cc(ir_builder *b, ir_cc cc, ir_val flags, ir_block yes, ir_block no)
{
    uint32_t at = ir_target(b, yes, NULL, 0);

    ir_target(b, no, NULL, 0);
    ir_emit(b, IR_OP_BR_CC, IR_FL, cc, at, 1, flags, ir_none(), ir_none(), ir_none());
    ir_end_block(b);
}

/* Leave for a constant guest pc. The pc slot is written by whoever executes this. */
static inline void ir_jump(ir_builder *b, uint64_t pc)
{
    ir_type type = (ir_type)b->unit->pc_type;

    ir_emit(b, IR_OP_JUMP, type, 0, 0, 1, ir_imm(b, type, pc), ir_none(), ir_none(),
            ir_none());
    ir_end_block(b);
}

/* Leave for a computed guest pc, which becomes the pc slot. */
static inline void ir_jump_ind(ir_builder *b, ir_val pc, ir_jump_hint hint)
{
    ir_emit(b, IR_OP_JUMP_IND, ir_type_of(b, pc), hint, 0, 1, pc, ir_none(), ir_none(), ir_none());
    ir_end_block(b);
}

/* Leave to the run loop with a pb_run_reason; execution goes on later at next_pc. */
static inline void ir_exit(ir_builder *b, uint32_t reason, uint64_t next_pc)
{
    ir_type type = (ir_type)b->unit->pc_type;

    ir_emit(b, IR_OP_EXIT, type, reason, 0, 1, ir_imm(b, type, next_pc), ir_none(),
            ir_none(), ir_none());
    ir_end_block(b);
}

/* Conditional branch between two guest addresses; ends the block. */
static inline void ir_branch(ir_builder *b, ir_val condition, uint64_t taken, uint64_t next)
{
    ir_block yes = ir_block_new(b), no = ir_block_new(b);

    ir_br_if(b, condition, yes, no);
    ir_block_begin(b, yes);
    ir_jump(b, taken);
    ir_block_begin(b, no);
    ir_jump(b, next);
}

static inline void ir_branch_cc(ir_builder *b, ir_cc cc, ir_val flags, uint64_t taken, uint64_t next)
{
    ir_block yes = ir_block_new(b), no = ir_block_new(b);

    ir_br_cc(b, cc, flags, yes, no);
    ir_block_begin(b, yes);
    ir_jump(b, taken);
    ir_block_begin(b, no);
    ir_jump(b, next);
}

/* Call a helper by its number in the cpu type's table. Result type IR_VOID gives no value. */
static inline ir_val ir_call(ir_builder *b, uint32_t helper, ir_type result, const ir_val *args,
                             uint32_t n)
{
    ir_val a[4] = { ir_none(), ir_none(), ir_none(), ir_none() };

    if (n > 4) {
        a[0].id = ir_extra(b, args[0].id);
        for (uint32_t i = 1; i < n; i++)
            ir_extra(b, args[i].id);
    } else {
        for (uint32_t i = 0; i < n; i++)
            a[i] = args[i];
    }
    return ir_emit(b, IR_OP_CALL, result, helper, 0, n, a[0], a[1], a[2], a[3]);
}

#include <patchbay/ir_ops.h> /* generated: one builder function an operation */

#endif
