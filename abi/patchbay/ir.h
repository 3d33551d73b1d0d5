/*
 * The intermediate representation: records, values, blocks, and the builder that frontends call.
 *
 * A unit is one translation: SSA, a list of basic blocks with block parameters, operations in one array
 * of fixed-size records. Values are typed. Operations come from one table (core/ir/ops.def); their
 * builder functions are in ir_ops.h, generated from it: `ir_add(b, x, y)`,
 * `ir_ld(b, IR_I64, address, attr)`. What they mean, in C, is in ir_sem.h.
 *
 * Rules, which the verifier checks:
 *  1. A guest instruction is ir_insn() first, then its operations. It may have several blocks; the core
 *     opens the unit's first one.
 *  2. Nothing that may fault, and no helper that may, comes after a put of the same instruction on any
 *     path: a fault finds the state as it was before the instruction.
 *  3. The pc slot is neither read nor put: the pc of an instruction is a constant, and whoever executes
 *     the unit keeps the slot right where it can be seen (faults, helpers that are not pure, exits).
 *  4. A unit ends with ir_jump, ir_branch, ir_jump_ind or ir_exit on every path. A helper that does not
 *     return is followed by one of them too.
 *  5. A loop inside a unit (a branch to an earlier block) has a bound that the guest does not choose, for
 *     no interrupt is taken inside. An instruction that repeats by a guest's count jumps to its own pc. Regions,
 *     which the core makes, loop by way of blocks with IR_BLOCK_HEAD.
 *  6. ir_jump and ir_jump_ind go where the unit key is the same, unless they say IR_NEW_KEY. What changes
 *     the key (MSR) ends the unit with such a jump or with ir_exit, or sets b->jump_flags.
 *
 * Everything here is for one thread at a time. Out of memory or over a unit's limits, the builder keeps
 * going harmlessly and sets unit->overflow, which the core looks at. If it is used wrongly it does the same
 * and says how in unit->misuse.
 */
#ifndef PATCHBAY_IR_H
#define PATCHBAY_IR_H

#include <patchbay/memory.h>

typedef enum ir_type {
    IR_VOID = 0,
    IR_I1,
    IR_I8,
    IR_I16,
    IR_I32,
    IR_I64,
    IR_I128,
    IR_F16,
    IR_F32,
    IR_F64,
    IR_F80,
    IR_V64,
    IR_V128,
    IR_V256,
    IR_V512,
    IR_FL,
    IR_TYPE_COUNT
} ir_type;

#include <patchbay/ir_opcodes.h> /* generated: enum ir_op, ir_second_type() */

/* Bits of each type; a flags bundle counts 32 (its packed form). */
static const uint16_t ir_type_bits[IR_TYPE_COUNT] = {
    [IR_I1] = 1,     [IR_I8] = 8,     [IR_I16] = 16,   [IR_I32] = 32,   [IR_I64] = 64,
    [IR_I128] = 128, [IR_F16] = 16,   [IR_F32] = 32,   [IR_F64] = 64,   [IR_F80] = 80,
    [IR_V64] = 64,   [IR_V128] = 128, [IR_V256] = 256, [IR_V512] = 512, [IR_FL] = 32,
};

/* Packed flags: how an IR_FL value is stored in a slot and read by debuggers. The places are those that two
 * x86 instructions make (LAHF in bits 15:8, SETO in bit 0); the other bits are zero. C is Arm's carry; N is the
 * result's top bit, P the parity of its low byte (1: even), A the carry out of bit 3, by the same rule as C. */
#define IR_FLAG_V 0
#define IR_FLAG_C 8
#define IR_FLAG_P 10
#define IR_FLAG_A 12
#define IR_FLAG_Z 14
#define IR_FLAG_N 15
#define IR_FL_ALL 0xd501u
/* Masks for fl.merge, whose attribute has 8 bits: those of bits 15:8, and V at bit 1. */
#define IR_FLM_C 0x01
#define IR_FLM_V 0x02
#define IR_FLM_P 0x04
#define IR_FLM_A 0x10
#define IR_FLM_Z 0x40
#define IR_FLM_N 0x80

/* Conditions over a bundle; the first 14 are Arm's encoding. CS: C is 1, HI: C is 1 and Z 0, so after sub.fl
 * HI, CS, CC and LS compare unsigned. PS, PC: P is 1, P is 0. */
typedef enum ir_cc {
    IR_EQ,
    IR_NE,
    IR_CS,
    IR_CC,
    IR_MI,
    IR_PL,
    IR_VS,
    IR_VC,
    IR_HI,
    IR_LS,
    IR_GE,
    IR_LT,
    IR_GT,
    IR_LE,
    IR_PS,
    IR_PC,
} ir_cc;

#define IR_ROUND_ENV 15 /* rm attribute: the environment's rounding mode */

/* What a jump is. It decides what is translated together, nothing else. */
typedef enum ir_jump_hint {
    IR_HINT_JUMP = 0,
    IR_HINT_CALL,   /* it will be returned from to the address behind the instruction */
    IR_HINT_RETURN, /* from such a call, probably the last one */
} ir_jump_hint;

/* Or-ed to a jump's attribute: the unit key at the target may be another one. */
#define IR_NEW_KEY 0x80

/* A value: number of a result, or of a constant (IR_CONST_BIT set). Result r of record i is i * 2 + r. */
typedef struct ir_val {
    uint32_t id;
} ir_val;
typedef struct ir_block {
    uint32_t id;
} ir_block;

#define IR_CONST_BIT 0x80000000u
#define IR_NO_VAL    0xffffffffu

typedef struct ir_op_record {
    uint16_t op;  /* ir_op */
    uint8_t type; /* of the first result; without a result, of the last operand; or IR_VOID */
    uint8_t n_args;
    uint32_t attr;   /* packed attributes, as ops.def lists them */
    uint32_t arg[4]; /* operands; of a call with more than 4: arg[0] is an index into unit->extra */
    uint32_t guest;  /* index in unit->marks of the guest instruction that it belongs to */
    uint32_t
        aux; /* attributes that do not fit (rmw: sub); br, br.if, br.cc: index in extra of targets */
} ir_op_record;

typedef struct ir_const {
    pb_u128 value;
    uint32_t type;
    uint32_t reserved;
} ir_const;

/* A guest instruction. */
typedef struct ir_mark {
    uint64_t pc;
    uint32_t aux;    /* the frontend's word, for precise points (Thumb: IT state) */
    uint16_t length; /* bytes */
    uint16_t reserved;
    uint32_t record; /* index of the insn record */
} ir_mark;

typedef enum ir_block_flags {
    /* The unit may be left where the block begins, which is with an insn record and without parameters: requests and the
     * budget are looked at there. Set in regions (accel.h) only. */
    IR_BLOCK_HEAD = 1,
} ir_block_flags;

typedef struct ir_block_info {
    uint32_t first, end; /* records, [first, end); parameters come first. end 0: not built yet */
    uint32_t n_params;
    uint32_t flags; /* ir_block_flags */
} ir_block_info;

/* Made and freed by the core ("pb.translate/1", accel.h). The arrays are never null: the core allocates
 * their first entries. */
typedef struct ir_unit {
    uint32_t size;
    bool overflow;      /* out of memory, too long, or misused: drop it */
    const char *misuse; /* how the builder was used wrongly, a constant; null: it was not */
    uint64_t pc, key;
    const struct pb_cpu_type *cpu;
    uint32_t pc_type;     /* ir_type of the pc slot */
    uint32_t max_records; /* of any of the arrays */
    ir_op_record *ops;
    uint32_t n_ops, cap_ops;
    ir_const *consts;
    uint32_t n_consts, cap_consts;
    uint32_t *extra;
    uint32_t n_extra, cap_extra;
    ir_block_info *blocks;
    uint32_t n_blocks, cap_blocks;
    ir_mark *marks;
    uint32_t n_marks, cap_marks;
    /* Where the code was: an instruction that spans two pages is a unit of its own. No pages: not RAM, the
     * unit is for one execution. A unit is stale when a page's generation is not its stamp any more. */
    pb_code_page pages[2];
    uint32_t n_pages;
    uint32_t reserved;
    /* Host's allocator: grow an array of `bytes` to `new_bytes`; null if it cannot. */
    void *(*grow)(struct ir_unit *unit, void *old, size_t bytes, size_t new_bytes);
    /* Bit i: writes to pages[i] are not noticed. Emitted code compares what is there now with bytes[i], a copy of the page that
     * the unit was made from, whenever the unit is entered: those bytes that its marks name. */
    uint32_t compares;
    uint32_t reserved1;
    uint8_t *bytes[2]; /* of pages that are compared; the host's */
} ir_unit;

/* The builder: a unit and the place where operations go. */
typedef struct ir_builder {
    uint32_t size;
    uint32_t block; /* being built, IR_NO_VAL between blocks */
    ir_unit *unit;
    /* The core's hook for instrumentation and debugging; may be null: called at the end of ir_insn. */
    void (*on_insn)(struct ir_builder *b, uint64_t pc);
    void *host; /* the core's */
    /* Or-ed to the attribute of every jump that is emitted, the core's own too. A frontend that changes what
     * the unit key is made of and goes on in the unit, because its context follows the change (an x87 TOP, an
     * IT state), sets IR_NEW_KEY here. */
    uint32_t jump_flags;
    uint32_t reserved;
} ir_builder;

/* ---- values ------------------------------------------------------------------------------------------ */

/* Note the first misuse of the builder, and give the unit up. */
static __attribute__((cold, noinline, unused)) void ir_misuse(ir_unit *u, const char *what)
{
    if (!u->misuse)
        u->misuse = what;
    u->overflow = true;
}

/* Make room in one of the unit's arrays, which is full; false: there is none. Out of the builder functions' way, which save
 * no registers for it. */
static __attribute__((cold, noinline, unused)) bool ir_grow(ir_unit *u, void **array, uint32_t *cap,
                                                            size_t each)
{
    uint32_t wanted = *cap * 2;
    void *grown = wanted > u->max_records ? NULL : u->grow(u, *array, *cap * each, wanted * each);

    if (!grown) {
        u->overflow = true;
        return false;
    }
    *array = grown;
    *cap = wanted;
    return true;
}

/* Index of a new entry of one of the unit's arrays; the last one again if there is no room. */
static inline uint32_t ir_reserve(ir_unit *u, void **array, uint32_t *n, uint32_t *cap, size_t each)
{
    if (__builtin_expect(*n == *cap, 0) && !ir_grow(u, array, cap, each))
        return *n - 1;
    return (*n)++;
}

/* The type of a value; IR_VOID of something that is none. */
static inline ir_type ir_value_type(const ir_unit *u, ir_val v)
{
    if (v.id & IR_CONST_BIT) {
        uint32_t i = v.id & ~IR_CONST_BIT;

        return i < u->n_consts ? (ir_type)u->consts[i].type : IR_VOID;
    }
    if (v.id >> 1 >= u->n_ops)
        return IR_VOID;
    return v.id & 1 ? ir_second_type(u->ops[v.id >> 1].op) : (ir_type)u->ops[v.id >> 1].type;
}

static inline ir_type ir_type_of(const ir_builder *b, ir_val v)
{
    return ir_value_type(b->unit, v);
}

/* A constant of a type, zero-extended value: nothing above the type's width. Equal ones share a number
 * within a short distance. */
static inline ir_val ir_const128(ir_builder *b, ir_type type, pb_u128 value)
{
    ir_unit *u = b->unit;
    const ir_const *end = u->consts + u->n_consts;
    const ir_const *first = u->n_consts > 8 ? end - 8 : u->consts;
    uint32_t i;

    while (end > first) {
        end--;
        if (end->value.lo == value.lo && end->type == type && end->value.hi == value.hi)
            return (ir_val){ (uint32_t)(end - u->consts) | IR_CONST_BIT };
    }
    i = ir_reserve(u, (void **)&u->consts, &u->n_consts, &u->cap_consts, sizeof(ir_const));
    u->consts[i] = (ir_const){ .value = value, .type = type };
    return (ir_val){ i | IR_CONST_BIT };
}

/* A constant of a type of at most 64 bits: the low bits of value. */
static inline ir_val ir_imm(ir_builder *b, ir_type type, uint64_t value)
{
    uint32_t bits = ir_type_bits[type];

    return ir_const128(b, type,
                       (pb_u128){ bits < 64 ? value & ((UINT64_C(1) << bits) - 1) : value, 0 });
}

static inline ir_val ir_imm1(ir_builder *b, bool value)
{
    return ir_imm(b, IR_I1, value);
}
static inline ir_val ir_imm32(ir_builder *b, uint32_t value)
{
    return ir_imm(b, IR_I32, value);
}
static inline ir_val ir_imm64(ir_builder *b, uint64_t value)
{
    return ir_imm(b, IR_I64, value);
}

/* The value of a constant of at most 64 bits; false if it is none. */
static inline bool ir_is_const(const ir_builder *b, ir_val v, uint64_t *value)
{
    if (!(v.id & IR_CONST_BIT) || v.id == IR_NO_VAL)
        return false;
    *value = b->unit->consts[v.id & ~IR_CONST_BIT].value.lo;
    return true;
}

/* ---- records ----------------------------------------------------------------------------------------- */

/* No operand. */
static inline ir_val ir_none(void)
{
    return (ir_val){ IR_NO_VAL };
}

/* Append a record to the block being built; the generated builder functions end here. */
static inline ir_val ir_emit(ir_builder *b, ir_op op, ir_type type, uint32_t attr, uint32_t aux,
                             uint32_t n_args, ir_val x, ir_val y, ir_val z, ir_val w)
{
    ir_unit *u = b->unit;
    uint32_t i = ir_reserve(u, (void **)&u->ops, &u->n_ops, &u->cap_ops, sizeof(ir_op_record));

    if (__builtin_expect(b->block == IR_NO_VAL, 0))
        ir_misuse(u, "an operation was emitted outside of a block");
    u->ops[i] = (ir_op_record){ .op = (uint16_t)op,
                                .type = (uint8_t)type,
                                .n_args = (uint8_t)n_args,
                                .attr = attr,
                                .arg = { x.id, y.id, z.id, w.id },
                                .guest = u->n_marks - 1,
                                .aux = aux };
    return (ir_val){ i << 1 };
}

static inline uint32_t ir_extra(ir_builder *b, uint32_t word)
{
    ir_unit *u = b->unit;
    uint32_t i = ir_reserve(u, (void **)&u->extra, &u->n_extra, &u->cap_extra, sizeof(uint32_t));

    u->extra[i] = word;
    return i;
}

/* Mark the start of a guest instruction of `length` bytes; aux comes back in faults and vcpu->aux. Every
 * later operation belongs to it. */
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

/* A new block, to be built later. Its records are contiguous: from ir_block_begin to its terminator. Blocks
 * may be built in any order; every one that was made must be. */
static inline ir_block ir_block_new(ir_builder *b)
{
    ir_unit *u = b->unit;
    uint32_t i =
        ir_reserve(u, (void **)&u->blocks, &u->n_blocks, &u->cap_blocks, sizeof(ir_block_info));

    u->blocks[i] = (ir_block_info){ 0 };
    return (ir_block){ i };
}

static inline void ir_block_begin(ir_builder *b, ir_block block)
{
    if (b->block != IR_NO_VAL)
        ir_misuse(b->unit, "a block was begun inside another one");
    b->unit->blocks[block.id].first = b->unit->n_ops;
    b->block = block.id;
}

/* Parameters come directly after ir_block_begin. */
static inline ir_val ir_block_param(ir_builder *b, ir_type type)
{
    if (b->block != IR_NO_VAL)
        b->unit->blocks[b->block].n_params++;
    return ir_emit(b, IR_OP_PARAM, type, 0, 0, 0, ir_none(), ir_none(), ir_none(), ir_none());
}

/* Between blocks nothing may be emitted. */
static inline bool ir_block_open(const ir_builder *b)
{
    return b->block != IR_NO_VAL;
}

/* What every terminator does at its end. */
static inline void ir_end_block(ir_builder *b)
{
    if (b->block != IR_NO_VAL)
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

/* Go to a block; the values, in order, become its parameters. */
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

/* The same on a condition over a flags bundle. */
static inline void ir_br_cc(ir_builder *b, ir_cc cc, ir_val flags, ir_block yes, ir_block no)
{
    uint32_t at = ir_target(b, yes, NULL, 0);

    ir_target(b, no, NULL, 0);
    ir_emit(b, IR_OP_BR_CC, IR_FL, cc, at, 1, flags, ir_none(), ir_none(), ir_none());
    ir_end_block(b);
}

/* Leave for a constant guest pc, which becomes the pc slot. flags: an ir_jump_hint, and IR_NEW_KEY. */
static inline void ir_jump_flags(ir_builder *b, uint64_t pc, uint32_t flags)
{
    ir_type type = (ir_type)b->unit->pc_type;

    ir_emit(b, IR_OP_JUMP, type, flags | b->jump_flags, 0, 1, ir_imm(b, type, pc), ir_none(),
            ir_none(), ir_none());
    ir_end_block(b);
}

static inline void ir_jump(ir_builder *b, uint64_t pc)
{
    ir_jump_flags(b, pc, 0);
}

/* Leave for a computed guest pc, which becomes the pc slot when pb_translator.jump_target() has been asked. hint: an ir_jump_hint, and IR_NEW_KEY. */
static inline void ir_jump_ind(ir_builder *b, ir_val pc, uint32_t hint)
{
    ir_emit(b, IR_OP_JUMP_IND, ir_type_of(b, pc), hint | b->jump_flags, 0, 1, pc, ir_none(),
            ir_none(), ir_none());
    ir_end_block(b);
}

/* Leave to the run loop with a pb_run_reason; execution goes on later at next_pc. */
static inline void ir_exit(ir_builder *b, uint32_t reason, uint64_t next_pc)
{
    ir_type type = (ir_type)b->unit->pc_type;

    ir_emit(b, IR_OP_EXIT, type, reason, 0, 1, ir_imm(b, type, next_pc), ir_none(), ir_none(),
            ir_none());
    ir_end_block(b);
}

/* Conditional branch between two guest addresses; ends the block. Its last record is the jump to next,
 * behind which the core may go on translating. */
static inline void ir_branch(ir_builder *b, ir_val condition, uint64_t taken, uint64_t next)
{
    ir_block yes = ir_block_new(b), no = ir_block_new(b);

    ir_br_if(b, condition, yes, no);
    ir_block_begin(b, yes);
    ir_jump(b, taken);
    ir_block_begin(b, no);
    ir_jump(b, next);
}

/* The same on a condition over a flags bundle. */
static inline void ir_branch_cc(ir_builder *b, ir_cc cc, ir_val flags, uint64_t taken,
                                uint64_t next)
{
    ir_block yes = ir_block_new(b), no = ir_block_new(b);

    ir_br_cc(b, cc, flags, yes, no);
    ir_block_begin(b, yes);
    ir_jump(b, taken);
    ir_block_begin(b, no);
    ir_jump(b, next);
}

/* Call a helper by its number in the cpu type's table, with at most PB_HELPER_MAX_ARGS (cpu.h) arguments of
 * the declared types; result: the declared type. IR_VOID gives no value. */
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

/* Whether an integer is zero, and is not. */
static inline ir_val ir_eq_zero(ir_builder *b, ir_val x)
{
    return ir_eq(b, x, ir_imm(b, ir_type_of(b, x), 0));
}

static inline ir_val ir_ne_zero(ir_builder *b, ir_val x)
{
    return ir_ne(b, x, ir_imm(b, ir_type_of(b, x), 0));
}

#endif
