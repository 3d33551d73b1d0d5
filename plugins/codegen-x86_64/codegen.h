/*
 * What the files of the x86-64 code generator share: the state of one emission, and the verbs that rules are written in.
 *
 * One forward pass over the unit's records emits code. Three things are tracked on the way:
 *   - values: where each one is: register, spill slot of the frame, home of a guest slot, constant, host flags;
 *   - guest slots: which value each one has now, and whether its home in the state has it too ("dirty": not);
 *   - the host's flags: which bundle and which conditions they hold.
 *
 * Rules, one for each operation (rules.c), emit. What a rule may do, in this order:
 *   1. Look: types (cg_type), constants (cg_const), attributes. Return false if it has no code for this
 *      case: the reference function is called instead. Nothing may have been emitted then.
 *   2. cg_clobber_flags() if its code changes the host's flags: it saves what is live in them.
 *   3. Get operands: cg_use() gives the register that holds one. All registers that a rule got are its own
 *      until it returns; those of operands must not be changed.
 *   4. Get places: cg_temp() a scratch register, cg_def() the result's register. cg_def() may give an operand's
 *      register that dies here or is about to be overwritten by a put: emit the last instruction that reads operands
 *      before or with the first one that writes the result, or ask for another one with `avoid`. For
 *      two-operand instructions there is cg_def_from().
 *   5. Emit (asm.h), and return true.
 *
 * Every value is zero-extended in its register and its spill slot: an i8 to 64 bits, an f32 or v64 to 128. An operand
 * from cg_use() may have other bits above its type (it is the low part of a wider value); cg_use_clean() has
 * not. Results must be clean. Flags bundles in general registers are "raw": bits of fl_valid count, others are junk.
 *
 * Registers (cg_reg): 0 to 15 general, 16 to 31 XMM. In use:
 *   rbp  state + CG_BIAS    rsp  the frame below        r14  control word for bextr
 *   rbx rsi rdi r8 to r12   pinned general slots, rax rcx rdx r13 r15 free; pinned ones that the cpu type has no slot
 *                           for are free too
 *   xmm0 to xmm7            pinned vector slots, xmm8 to xmm15 free
 */
#ifndef CODEGEN_X86_64_CODEGEN_H
#define CODEGEN_X86_64_CODEGEN_H

#include <patchbay/codegen.h>
#include <patchbay/ir_sem.h>

#include "asm.h"

#define CG_NONE UINT32_MAX

enum { XMM0 = 16, XMM8 = 24, XMM15 = 31, CG_REGS = 32, CG_NO_REG = -1 };

typedef int32_t cg_reg;

/* Sets of registers. */
#define CG_SET(r)      (UINT32_C(1) << (r))
#define CG_GENERAL_SET UINT32_C(0x0000ffff)
#define CG_VECTOR_SET  UINT32_C(0xffff0000)

/* Features of the host, as far as rules care. */
typedef enum cg_features {
    CG_AVX = 1,
    CG_AVX2 = 2,
    CG_BMI1 = 4,
    CG_BMI2 = 8,
    CG_LZCNT = 16,
    CG_MOVBE = 32,
    CG_FMA = 64,
    CG_PCLMUL = 128,
    CG_AES = 256,
    CG_SHA = 512,
    CG_FAST_BEXTR = 1024, /* one step, where it is two on others: AMD's */
    CG_F16C = 2048,
    CG_GFNI = 4096,
    CG_FAST_PEXT = 8192, /* not in microcode: Intel's */
} cg_features;

/* What is done to make code better (passes.h). Each may be left out. */
typedef enum cg_pass {
    CG_PASS_FLAGS = 1,   /* of bundles only those flags are made that somebody reads */
    CG_PASS_DEAD = 2,    /* what nobody reads is not made, puts that are overwritten are not done */
    CG_PASS_PAIRS = 4,   /* two accesses become one */
    CG_PASS_TESTS = 8,   /* comparisons of masked values with zero are one instruction */
    CG_PASS_LANES = 16,  /* lanes go from vector to vector */
    CG_PASS_SCALED = 32, /* sums with multiples are one instruction */
    CG_PASS_FUSED = 64,  /* so are other pairs of operations */
    CG_PASS_REGISTERS = 128, /* regions: the slots that are used most have the registers */
    CG_PASS_PLACES = 256,    /* results are computed where they are put */
    CG_PASS_SPANS = 512,     /* accesses near to one another have one probe */
    CG_PASS_LOOPS = 1024,    /* regions: loops stand together, and have registers of their own */
    CG_PASS_LAZY = 2048,     /* regions: flags that nobody reads stay what they were made from */
    CG_PASS_REMADE = 4096,   /* flags that are in the way are made again of their operands */
    CG_PASS_NARROW = 8192,   /* regions: vector slots with scalars are known to be zero above */
    CG_PASS_ALL = 16383,
} cg_pass;

/* ---- the frame ------------------------------------------------------------------------------------------ */

/* From rsp in emitted code. Made by the entry thunk. */
enum {
    CG_SPILLS = 240,                             /* of 16 bytes each, from 0 */
    CG_FRAME_GENERAL = CG_SPILLS * 16,           /* registers, saved by thunks: 8 bytes each */
    CG_FRAME_VECTOR = CG_FRAME_GENERAL + 16 * 8, /* 16 bytes each */
    CG_FRAME_ARGS = CG_FRAME_VECTOR + 16 * 16, /* pb_u128[8]: of helpers and reference functions */
    CG_FRAME_RESULTS = CG_FRAME_ARGS + 8 * 16, /* pb_u128[2] */
    CG_FRAME_EXIT = CG_FRAME_RESULTS + 2 * 16, /* pb_code_exit * of run() */
    CG_FRAME_SELF = CG_FRAME_EXIT + 8,         /* x86_codegen * */
    CG_FRAME_LAZY = CG_FRAME_SELF + 8,         /* two of 8 bytes: see lazy.c */
    CG_FRAME_SCRATCH = CG_FRAME_LAZY + 16,     /* 16 bytes, for one rule's or thunk's code */
    CG_FRAME_FLAGS = CG_FRAME_SCRATCH + 16, /* the host's flags, saved by the slow path's thunk */
    CG_FRAME_BYTES = CG_FRAME_FLAGS + 8,    /* 8 modulo 16: six registers are pushed before */
};

/* ---- constants ------------------------------------------------------------------------------------------ */

/* What all units have at hand for cg_shared_op(), 16 bytes each, aligned. */
typedef enum cg_shared {
    SHARED_ABS_32, /* all but the sign of the lowest lane, zeros above */
    SHARED_ABS_64,
    SHARED_SIGN_32, /* the sign of the lowest lane */
    SHARED_SIGN_64,
    SHARED_TINY_32, /* the smallest normal number */
    SHARED_TINY_64,
    /* Bundles of a comparison by what LAHF leaves in AH, 72 times 16 bits: of a with b, and of b with a. */
    SHARED_COMPARED,
    SHARED_COMPARED_SWAPPED = SHARED_COMPARED + 9,
    SHARED_UNORDERED =
        SHARED_COMPARED_SWAPPED + 9, /* a byte: cmp with CG_UNORDERED sets PF and CF alone */
    SHARED_COUNT
} cg_shared;

enum { CG_UNORDERED = 0x90 };

/* ---- the instance --------------------------------------------------------------------------------------- */

typedef struct cg_pin {
    uint16_t slot;
    int8_t reg;
} cg_pin;

/* Words of vcpu->codegen. */
enum {
    CG_WORD_SUM, /* counted: budget + retired when emitted code was entered or went on */
    /* Counted by the vCPU's thread alone. */
    CG_WORD_REFILLS,
    CG_WORD_SLOW,
    /* direct.c */
    CG_WORD_LIMIT, /* the last address of the window */
    CG_WORD_ABSENT, /* the handler's note for the slow path: the address where nothing is, + 1; 0: none */
    /* trap.c */
    CG_WORD_TRAPS,    /* invalid operations trap where they can */
    CG_WORD_STEPPING, /* one is being done all the same */
};

typedef struct x86_codegen {
    pb_object *object;
    bool baseline;        /* property */
    const char *inject;   /* property; "": nothing */
    uint64_t inject_pc;   /* of it; 0: none */
    uint32_t inject_pass; /* only if it is done; 0: anyway */
    bool inject_region;   /* only in regions */
    const char *without;  /* property: names of passes; "": none */
    uint32_t passes;      /* cg_pass that are done */
    uint32_t most_pinned; /* property: general registers for slots, at most */
    uint32_t features;    /* cg_features */
    bool started, counted, parallel;
    pb_vcpu *vcpu;
    const pb_cpu_type *cpu;
    const pb_fp_ops *fp;
    uint32_t n_slots;
    uint32_t n_pins;
    cg_pin pins[24];
    uint32_t pinned_set, free_set; /* registers */
    int8_t *pin_of_slot;           /* register of a slot, CG_NO_REG */
    uint32_t n_flag_slots;
    uint16_t flag_slots[16];
    intptr_t tlb[PB_MMU_INDEXES]; /* from rbp; 0: not known yet. Atomic */
    /* Addresses of the thunks. */
    const uint8_t *thunk_enter, *thunk_exit, *thunk_link, *thunk_jump_miss, *thunk_new_key,
        *thunk_reason, *thunk_entry, *thunk_alone, *thunk_changed, *thunk_unwound, *thunk_slow,
        *thunk_redo, *thunk_flags, *thunk_reference, *thunk_pure_scalar, *thunk_pure_vector,
        *thunk_scalar, *thunk_vector;
    const uint8_t *shared;              /* constants behind the thunks, by cg_shared */
    const uint8_t *thunk_refill[2][16]; /* by write, address register; null: there is none */
    char host[96];
    pb_code_frame frame_rows[96]; /* of thunks */
    pb_code_frames frames;
    struct cg_room *room; /* what the last emission left for the next one; null: none. Atomic */
    bool direct;          /* guest memory is accessed in `window` */
    pb_code_window window;
    uint32_t far_bits; /* of pb_far_jump_index(); 0: there are no far entries */
} x86_codegen;

/* thunks.c: edx: where in the jump table the entry for the pc in rax is, in bytes. */
void emit_jump_index(asm_buffer *a, const pb_cpu_type *cpu);

/* The frame as C sees it. */
typedef struct cg_frame {
    pb_u128 spill[CG_SPILLS];
    uint64_t general[16];
    pb_u128 vector[16];
    pb_u128 args[8], results[2];
    pb_code_exit *exit;
    const x86_codegen *self;
    uint64_t lazy[2];
    uint64_t scratch[2];
    uint64_t host_flags;
} cg_frame;
_Static_assert(offsetof(cg_frame, host_flags) == CG_FRAME_FLAGS, "the frame is what the enum says");

/* ---- one emission ----------------------------------------------------------------------------------------- */

typedef enum cg_value_flags {
    CG_IS_CONST = 1,
    CG_IN_FLAGS = 2,   /* a bundle or a condition in the host's flags */
    CG_IS_DEAD = 4,    /* of a pure record that nobody needs: it is skipped */
    CG_IS_LATE = 8,    /* of a record that is emitted with a later one: see cg_emit_late() */
    CG_IS_NAMED = 16,  /* it is, or was, a slot's */
    CG_IS_SHARED = 32, /* of several slots, perhaps */
    CG_IS_LAST = 64,   /* of a get: the slot gets another value before anybody looks at it again */
} cg_value_flags;

typedef struct cg_value {
    /* Cleared together (analyse.c). */
    uint32_t uses;     /* that are still to come, this record's included */
    uint32_t last;     /* record of the last one */
    uint16_t fl_need;  /* bundles: which flags anybody reads, IR_FLAG_* places */
    uint16_t copies;   /* registers that have it */
    uint32_t reserved; /* to be a power of two */

    uint32_t rep; /* the value that it is another name of: itself mostly */
    int8_t reg;
    uint8_t type;      /* ir_type */
    uint8_t dirty;     /* slots that have this value and whose home does not */
    uint8_t flags;     /* cg_value_flags */
    int16_t spill;     /* number in the frame, or -1. It stays right */
    int16_t home;      /* slot whose home holds it, or -1 */
    int16_t want;      /* pinned slot that it is put into soon: compute it there; -1 */
    uint16_t fl_valid; /* bundles: those that are there, the others read as zero */
} cg_value;
enum { CG_VALUE_CLEARED = offsetof(cg_value, rep) };
_Static_assert(CG_VALUE_CLEARED == 16, "it is one store");
_Static_assert(sizeof(cg_value) == 32, "there are two for each record");

typedef struct cg_slot {
    uint32_t
        value; /* representative of the value that it has, CG_NONE: its home or pinned register has it, no name */
    uint16_t place; /* in cg.named, if it is listed there */
    bool dirty;
    bool listed;
} cg_slot;

/* How the host's flags hold a bundle. */
typedef enum cg_flags_form {
    CG_FLAGS_INTEGER,  /* as arithmetic leaves it */
    CG_FLAGS_COMPARED, /* of floats a and b, by ucomis a, b */
    CG_FLAGS_SWAPPED,  /* by ucomis b, a */
    CG_FLAGS_EQUAL, /* by ucomis a, b, but ZF says that they are equal: not set if one is a NaN */
} cg_flags_form;

enum { CG_CONDITIONS = 4, CG_SPAN_MEMBERS = 7, CG_KNOWN = 6 };

typedef struct cg {
    asm_buffer a; /* first: &c->a */
    const x86_codegen *self;
    const ir_unit *u;
    pb_code_job *job;
    uint32_t features;
    bool failed;        /* PB_EMIT_TOO_LARGE */
    bool noting;        /* job->note wants to know */
    bool watched;       /* a debugger wants to: no direct memory */
    uint32_t record;    /* being emitted */
    uint32_t mark;      /* guest instruction, CG_NONE: none yet */
    uint32_t position;  /* `record`, or the record that one left for later is emitted with */
    uint32_t max_lines; /* of job->lines, 0: nobody asks for them */
    uint32_t block;
    uint32_t after;     /* counted: instructions of the unit behind this one, on the longest path */
    bool effect_done;   /* counted: something of this instruction cannot be done twice */
    bool helper_called; /* counted: in this instruction one that is not pure */

    cg_value *values; /* by IR value id, then constants */
    uint32_t n_values;
    cg_slot *slots;
    uint16_t *named;     /* slots that have had a name in this unit */
    uint64_t *dirty_set; /* by place in named */
    uint32_t n_named, n_dirty;
    uint32_t reg_value[CG_REGS]; /* CG_NONE: nothing. Changed by cg_set_register() */
    uint32_t empty;              /* registers without a value */
    uint32_t locked;             /* registers of the rule that runs */
    uint32_t n_evicted;          /* stores that made a register free, so far */
    uint32_t spill_free[(CG_SPILLS + 31) / 32];
    bool has_loops;
    bool crosses; /* there are values that are used in another block than where they are made */

    /* Slots with registers: the instance's, or the unit's own (region.c). */
    const cg_pin *pins;
    uint32_t n_pins;
    const int8_t *pin_of_slot;
    uint32_t free_set;
    struct cg_region *region; /* null: they are the instance's */
    bool more_pins;           /* a region may use a register that is free by the convention */

    struct {
        uint32_t bundle; /* value, or CG_NONE */
        bool inverted_c, inverted_a;
        uint8_t form; /* cg_flags_form */
        uint32_t n_conditions;
        uint32_t condition[CG_CONDITIONS]; /* values of type i1 */
        uint8_t cc[CG_CONDITIONS];
    } flags;
    uint32_t made;         /* bundle that is made again when it is wanted (remake.c), CG_NONE */
    uint32_t made_kind;    /* CG_MADE_* */
    uint32_t made_from[2]; /* ids */
    uint32_t next;         /* block that follows in the code, CG_NONE */
    uint32_t equal;   /* bundle whose zero flag is set on the way out that is being made, CG_NONE */
    uint32_t left_by; /* block that has been branched to, with all that it needs, CG_NONE */
    uint32_t lazy_slot; /* lazy.c: slot whose bundles are made later, CG_NONE: none */
    uint32_t lazy_of;   /* bundle that a marker stands for which is there for sure, CG_NONE */
    uint32_t ahead; /* the same, of one way from this block: it was stored before the comparison */
    uint32_t ahead_way; /* the block where that leads */
    bool lazy;          /* its home may have a marker */
    bool packing;       /* not now: somebody is about to look */
    bool held;          /* cg_sync() leaves the slot dirty: see cg_hold_flags() */

    /* Accesses near to one another that one probe was for (rules_mem.c). */
    struct {
        cg_reg
            reg; /* CG_NO_REG: none. It has the host address of the first one's bytes, or 0: it is not known */
        uint32_t n;
        struct {
            uint32_t record; /* of the access, of a pair the first one's */
            int32_t distance;
        } member[CG_SPAN_MEMBERS]; /* that are still to come */
    } span;

    struct {
        uint32_t n, next;
        struct {
            uint32_t value; /* so much more than the value is in the window (direct.c) */
            int32_t distance;
        } address[CG_KNOWN];
    } known;
    struct cg_fault *faults; /* accesses that the host may refuse, by place */
    uint32_t n_faults, cap_faults;

    uint32_t *
        first_of; /* by record of the second access of a pair, and of a fused operation: the first one, + 1 */
    uint32_t first_event, first_pattern; /* of lists in the room (analyse.c) */
    struct cg_block *blocks;
    uint32_t *order; /* blocks in the order of emission: reverse postorder */
    uint32_t n_order;
    struct cg_cold *cold;
    uint32_t n_cold, cap_cold;
    uint8_t *cold_data;
    uint32_t n_cold_data, cap_cold_data;
    struct cg_pool *pool; /* constants behind the unit's code */
    uint32_t n_pool, cap_pool;
    uint32_t entry;   /* offset of the checked entry */
    uint32_t changed; /* compare.c: branches that wait, CG_NONE: none; then where they lead */
    struct cg_room *room;
    struct cg_narrow *narrow; /* narrow.c; null: nothing is known */
} cg;

static inline bool cg_does(const cg *c, cg_pass pass)
{
    return c->self->passes & pass;
}

/* ---- alloc.c: values and registers ---------------------------------------------------------------------- */

static inline bool cg_is_vector(uint32_t type)
{
    return type >= IR_I128 && type <= IR_V512;
}

static inline uint32_t cg_index(const cg *c, uint32_t id)
{
    return id & IR_CONST_BIT ? 2 * c->u->n_ops + (id & ~IR_CONST_BIT) : id;
}

/* The value that an operand's id stands for. */
static inline cg_value *cg_value_of(const cg *c, uint32_t id)
{
    return &c->values[c->values[cg_index(c, id)].rep];
}

/* IR type of an operand. */
static inline ir_type cg_type(const cg *c, uint32_t id)
{
    return (ir_type)c->values[cg_index(c, id)].type;
}

/* The register has that value (CG_NONE: none) and no other one. Says nothing of what the values know. */
static inline void cg_set_register(cg *c, cg_reg r, uint32_t value)
{
    if (c->reg_value[r] != CG_NONE)
        c->values[c->reg_value[r]].copies--;
    c->reg_value[r] = value;
    if (value == CG_NONE) {
        c->empty |= CG_SET(r);
    } else {
        c->values[value].copies++;
        c->empty &= ~CG_SET(r);
    }
}

static inline bool cg_is_constant(const cg *c, uint32_t id)
{
    return cg_value_of(c, id)->flags & CG_IS_CONST;
}

/* Whether an operand is a constant of at most 64 bits; its value, cut to the operand's type. */
bool cg_const_bits(const cg *c, uint32_t id, uint64_t *value);
static inline bool cg_const(const cg *c, uint32_t id, uint64_t *value)
{
    return cg_is_constant(c, id) && cg_const_bits(c, id, value);
}

/* Whether it is one that an instruction can have as an immediate of 32 bits, sign-extended, at this width in bits. */
bool cg_const_imm_bits(const cg *c, uint32_t id, uint32_t bits, int32_t *value);
static inline bool cg_const_imm(const cg *c, uint32_t id, uint32_t bits, int32_t *value)
{
    return cg_is_constant(c, id) && cg_const_imm_bits(c, id, bits, value);
}

/* The operand's register, which is the rule's until it returns. */
cg_reg cg_use(cg *c, uint32_t id);
/* The same, zero-extended from its type. */
cg_reg cg_use_clean(cg *c, uint32_t id);
/* Whether the operand's register has nothing above its type. */
bool cg_is_clean(const cg *c, uint32_t id);
/* The operand in a given register (not pinned), which the rule may change then. */
void cg_use_in(cg *c, uint32_t id, cg_reg r);
/* Whether the operand is not needed behind this record. */
bool cg_dies(const cg *c, uint32_t id);
/* A scratch register. */
cg_reg cg_temp(cg *c);
cg_reg cg_temp_vector(cg *c);
/* Make a given register free (not pinned, not locked by this rule) and take it. */
void cg_take(cg *c, cg_reg r);
/* A register of the rule is not needed any more. */
void cg_release(cg *c, cg_reg r);
/* The register for a result (0, 1) of the record, not one of `avoid`, from here on owned by the value. */
cg_reg cg_def(cg *c, uint32_t result, uint32_t avoid);
/* The same, a register that has operand a already, to be computed on; other than that of b (CG_NONE: any). */
cg_reg cg_def_from(cg *c, uint32_t result, uint32_t a, uint32_t b);
/* The result is in a register that the rule took. */
void cg_def_in(cg *c, uint32_t result, cg_reg r);
/* The result is another name of an operand: its low part, or the same bits. */
void cg_def_alias(cg *c, uint32_t result, uint32_t id);
/* The result's number of uses: 0: it need not be made. */
static inline uint32_t cg_result_uses(const cg *c, uint32_t result)
{
    return c->values[c->record << 1 | result].uses;
}

/* Make every free register empty: values that are needed are stored. Registers of the rule stay. */
void cg_spill_all(cg *c, uint32_t set);
/* Move a value to its spill slot if it is not anywhere in memory. */
void cg_save_value(cg *c, cg_value *v);
/* Load any value into a register of its class, without changing who owns what. */
void cg_load_value(cg *c, const cg_value *v, cg_reg r);
/* Values that are needed behind this record, and are in registers of the set or in homes only, get a spill slot. */
void cg_save_live(cg *c, uint32_t set);
/* Whether that is none of them. */
bool cg_none_live(const cg *c);
/* Forget what registers and homes hold. */
void cg_forget(cg *c);
/* The record is done: its operands have one use less. */
void cg_end_record(cg *c);
/* Operands of this record that are the value. */
uint32_t cg_occurrences(const cg *c, const cg_value *v);
/* A spill slot for the value, filled if it is in a register. */
void cg_give_spill(cg *c, cg_value *v);

/* ---- slots ---------------------------------------------------------------------------------------------- */

/* rbp is so far above the state: the displacements of most slots are bytes, and the lowest bits are set, so that
 * cg_compare_request() has a mask at hand. */
enum { CG_BIAS = 127, CG_STATE_ALIGN = 64 };

static inline asm_mem cg_state(int64_t offset)
{
    return asm_at(RBP, (int32_t)(offset - CG_BIAS));
}
static inline asm_mem cg_vcpu(int64_t offset)
{
    return cg_state(offset - PB_VCPU_STATE_OFFSET);
}
/* ZF: exit_request is 0. TEST with a register becomes one operation with the jump behind it, CMP with a constant in memory does
 * not. */
static inline void cg_compare_request(asm_buffer *a)
{
    asm_test_mem(a, W32, cg_vcpu(offsetof(pb_vcpu, exit_request)), RBP);
}
_Static_assert((PB_EXIT_BITS & ~(CG_BIAS & (CG_STATE_ALIGN - 1))) == 0,
               "requests are below rbp's lowest 0");

static inline asm_mem cg_home(const cg *c, uint32_t slot)
{
    return cg_state(c->self->cpu->slots[slot].offset);
}
static inline asm_mem cg_frame_at(int32_t offset)
{
    return asm_at(RSP, offset);
}

void cg_get(cg *c, uint32_t slot);
/* Gives the value. */
cg_value *cg_put(cg *c, uint32_t slot, uint32_t id);
/* Store all dirty slots. The host's flags stay. */
void cg_sync(cg *c);
/* The same, for somebody who looks at once: bundles are packed. */
void cg_sync_packed(cg *c);
void cg_store_dirty(cg *c, uint32_t slot);
/* The slot, which is dirty, is not any more. */
void cg_clean_slot(cg *c, uint32_t slot);
/* The place in cg.named of the first slot that is dirty, from `place` on; CG_NONE. */
static inline uint32_t cg_next_dirty(const cg *c, uint32_t place)
{
    while (place < c->n_named) {
        uint64_t rest = c->dirty_set[place / 64] >> place % 64;

        if (rest)
            return place + (uint32_t)__builtin_ctzll(rest);
        place = (place | 63) + 1;
    }
    return CG_NONE;
}
/* The slot's home has its value now. */
void cg_stored(cg *c, uint32_t slot, cg_value *v);
void cg_store_slot(cg *c, uint32_t slot, cg_reg r);
void cg_load_slot(cg *c, uint32_t slot, cg_reg r);

/* ---- flags.c ---------------------------------------------------------------------------------------------- */

/* The host's flags will be changed: save what is live in them. Before operands are fetched. */
void cg_clobber_flags(cg *c);
/* Whether something is. */
bool cg_flags_live(const cg *c);
/* The host's flags hold bundle `result` of this record now. inverted_c: CF is the borrow; the same for AF. */
void cg_def_flags(cg *c, uint32_t result, bool inverted_c, bool inverted_a, uint32_t valid);
/* They hold one of a comparison of floats. */
void cg_def_flags_form(cg *c, uint32_t result, cg_flags_form form);
/* Whether a condition (ir_cc) is one of the host's in that form. */
bool cg_form_has(cg_flags_form form, uint32_t cc);
/* rax = the packed bundle that the flags hold, which stay; t: a register for use. */
void cg_pack_form(cg *c, cg_flags_form form, cg_reg t);
/* They hold an i1 as a condition. */
void cg_def_condition(cg *c, uint32_t result, uint32_t cc);
/* Bring a condition of a bundle, or an i1, into the host's flags: the CC_* under which it holds. */
uint32_t cg_need_cc(cg *c, uint32_t bundle, uint32_t cc);
uint32_t cg_need_condition(cg *c, uint32_t id);
/* If the i1 is CF, or inverted, is this operand alone, and nothing else in the flags is needed: take it from them. Until the
 * rule changes the flags it may use the other operands, and define results. */
bool cg_take_carry(cg *c, uint32_t id, bool *inverted);
/* What cg_need_cc() needs registers for, if it is called again when others are in use. */
void cg_prepare_cc(cg *c, uint32_t bundle, uint32_t cc);
/* A value that is in the flags to where others can find it: a register, or the home of its slot. The host's flags stay. */
void cg_save_flags_value(cg *c, uint32_t value);
/* cg_clobber_flags() for the allocator, in the middle of a rule. */
void cg_save_flags_now(cg *c);
/* Emit cmc: CF becomes the carry, or the borrow. */
void cg_flip_carry(cg *c);
/* CC_* of a condition (ir_cc) of the bundle in the host's flags; 0xff: none as they are. */
uint32_t cg_map_cc(const cg *c, uint32_t cc);

/* ---- remake.c: bundles that are made again ---------------------------------------------------------------------- */

enum {
    CG_MADE_SUB,
    CG_MADE_ADD,
    CG_MADE_AND,
    CG_MADE_OP = 3,
    CG_MADE_32 = 4,     /* of 32 bits, else 64 */
    CG_MADE_RESULT = 8, /* the first operand is not there, but the result */
};

/* The operation that makes a bundle, and its width. False: it is none of those. */
bool cg_made_kind(const cg *c, uint32_t bundle, uint32_t *kind);
/* Keep what the bundle in the host's flags was made from, instead of packing it. False: it is not there any more, or the
 * operation is none of those. */
bool cg_make_later(cg *c);
/* cg.made to the host's flags; what they had is saved. */
void cg_remake(cg *c);
/* Nobody needs the value: let go of the operands if it is cg.made. */
void cg_end_made(cg *c, const cg_value *v);

/* ---- lazy.c: bundles that nobody reads ------------------------------------------------------------------------ */

/* Do without packing a bundle that is dirty, and in the host's flags or cg.made: leave what it was made from, or nothing if nobody looks.
 * The host's flags and all registers stay. False: it has to be packed. */
bool cg_leave_flags(cg *c, uint32_t bundle);
/* Before a comparison, whose operands are in registers: if the branch at the end of its block would have to store what flags are
 * made from, do so now. */
void cg_mark_ahead(cg *c);
/* The same for what nobody looks at before it is overwritten, in this block. */
bool cg_forget_flags(cg *c, uint32_t bundle);
/* Before a branch: if the block needs no packed flags, leave it what it does need, and have cg_sync() keep the slot dirty, for
 * the way on, until cg.held is false again. */
bool cg_hold_flags(cg *c, uint32_t block);
/* Whether the block needs no packed flags, and they are not packed yet. */
bool cg_can_hold_flags(const cg *c, uint32_t block);
/* Somebody else may look now: the slot's home gets its flags, if there is a marker. Registers stay, flags do not. */
void cg_pack_home(cg *c);

/* ---- cold.c: what stands behind the code -------------------------------------------------------------------- */

/* A cold path for the jump whose displacement is at `from`: the core does the memory operation, and the code goes on
 * where cg_cold_back() says. args: the registers that hold the operands (CG_NO_REG: wherever the allocator says); second: the
 * other access of a pair, or null, with the value that it stores in args[2]. Behind the jump
 * nothing may be allocated until then, for the cold path would miss it. distance: what the address is more than its
 * register. Gives a number. */
uint32_t cg_cold_slow(cg *c, uint32_t from, const ir_op_record *r, const ir_op_record *second,
                      const cg_reg *args, int32_t distance);
/* Other accesses rely on the address's being in the window: if it is not, the unit is left before the instruction. */
void cg_cold_relied_on(cg *c, uint32_t cold);
/* Where the path begins, which was emitted. */
uint32_t cg_cold_start(const cg *c, uint32_t cold);
/* Before that the first level of the TLB is refilled for the page at `address`, and the code from `again` on, a probe
 * that changes no operand, done once more. */
void cg_cold_refill(cg *c, uint32_t cold, uint32_t again, cg_reg address, bool write);
/* Another jump to it. */
void cg_cold_also(cg *c, uint32_t cold, uint32_t from);
/* A cold path that the caller makes: emit() is called with a copy of the bytes, at most CG_COLD_BYTES, and where the
 * code goes on. The slow path that it jumps to is made next, without a jump (CG_NONE), and is number + 1. */
enum { CG_COLD_BYTES = 128 };
typedef void cg_cold_emit(cg *c, const void *data, uint32_t number, uint32_t back);
uint32_t cg_cold_code(cg *c, uint32_t from, cg_cold_emit *emit, const void *data, uint32_t bytes);
/* Where the probe is to be done once more after a refill. */
void cg_cold_again(cg *c, uint32_t cold, uint32_t again);
/* The code goes on here, with the results in registers (CG_NO_REG: none). */
void cg_cold_back(cg *c, uint32_t cold, cg_reg result, cg_reg result_2);
/* A cold path that does the record's operation once more by its reference function, with the operands' registers as they
 * are at the jump, and its result in a register; other registers stay, the host's flags do not. The code goes on behind
 * the jump, or where cg_cold_back() says (result as here, and CG_NO_REG). For guards: host code that is right but
 * for rare operands. Gives its number. */
uint32_t cg_cold_redo(cg *c, uint32_t from, const ir_op_record *r, const cg_reg *args,
                      cg_reg result);
/* Code of a rule's own before the function is called: it makes the result right in some cases and jumps to `back`, or falls
 * through. All registers are as they were at the jump then, but for the result and what is free (temp, CG_NO_REG: none), and
 * only those may be others where it goes back. */
typedef struct cg_fix {
    void (*emit)(cg *c, const struct cg_fix *f);
    const ir_op_record *r;
    uint32_t back; /* offset */
    int8_t args[3], result, temp[2];
    bool swapped; /* the host got the second operand first */
    bool kept;    /* MXCSR as it was before is in the frame's scratch, for the function */
} cg_fix;
void cg_cold_fix(cg *c, uint32_t cold, const cg_fix *fix);
/* A cold path that makes the flags CG_FLAGS_EQUAL for a NaN, for a jp. */
void cg_cold_unordered(cg *c, uint32_t from);
/* A cold path that leaves by a jump record, after storing what is dirty now. credit: counted instructions that were not
 * begun. */
void cg_cold_exit(cg *c, uint32_t from, const ir_op_record *jump, uint32_t credit);
/* A cold path that goes on at a block which begins with everything in memory, after storing what is dirty now. No value
 * but those of slots may be needed there. */
void cg_cold_branch(cg *c, uint32_t from, uint32_t block, uint32_t credit);
/* A cold path that leaves at a pc, to be entered anew: PB_CODE_EXIT_ENTRY. Nothing is dirty. inside: the unit's own
 * registers are in force. */
void cg_cold_entry(cg *c, uint32_t from, uint64_t pc, uint32_t credit, bool inside);
/* The same by the convention, to execute the instruction there alone: PB_CODE_EXIT_ALONE. */
void cg_cold_alone(cg *c, uint32_t from, uint64_t pc, uint32_t credit);
/* A cold path that packs the lazy slot's home, and comes back. */
void cg_cold_flags(cg *c, uint32_t from);
/* The stub of a jump that is not linked: number of the link. */
void cg_cold_link(cg *c, uint32_t from, uint32_t link);
void cg_emit_cold(cg *c);

/* ---- trap.c: invalid operations of floating point --------------------------------------------------------------- */

/* Of pb_codegen_type. */
void cg_traps(void *self, pb_vcpu *vcpu, bool on);
bool cg_trap(void *self, pb_vcpu *vcpu, const pb_host_trap *trap);

/* ---- direct.c: guest memory in a window of the host ---------------------------------------------------------- */

/* What setup() says; what a vCPU has to know. */
void cg_direct_start(x86_codegen *self, const pb_codegen_setup *setup);
void cg_direct_vcpu(const x86_codegen *self, pb_vcpu *vcpu);
/* Whether the value + distance is in the window, or so near to it that nobody is there. */
bool cg_is_known(const cg *c, uint32_t id, int32_t distance);
/* The value is in the window where the code goes on. */
bool cg_note_known(cg *c, uint32_t id);
/* Nothing is known: another block begins. */
static inline void cg_forget_known(cg *c)
{
    c->known.n = 0;
}
/* The jump that is taken if an address is not in the window. Changes flags. */
uint32_t cg_compare_limit(cg *c, cg_reg address);
/* The instruction that comes next accesses memory; if the host refuses, the code goes on with the cold path, CG_NONE: as if the
 * unit's bytes were not what they were. */
void cg_may_fault(cg *c, uint32_t cold);
/* Behind everything else of the unit, the table of those. */
void cg_emit_faults(cg *c);
const uint8_t *cg_direct_fault(void *self, pb_vcpu *vcpu, const uint8_t *code, uint32_t bytes,
                               const pb_host_fault *fault);

/* ---- pool.c: constants in memory ------------------------------------------------------------------------------ */

/* Emit op reg, v, [constant] (asm_vrm); imm: an immediate byte behind it, or -1. */
void cg_shared_op(cg *c, uint32_t op, int reg, int v, cg_shared constant, int imm);
/* The same with 16 aligned bytes of the unit's own. */
void cg_pool_op(cg *c, uint32_t op, int reg, int v, pb_u128 constant, int imm);
void cg_emit_pool(cg *c);

/* ---- control.c ------------------------------------------------------------------------------------------------ */

void cg_jump_thunk(cg *c, const uint8_t *thunk);
/* rdx = where the unit's code begins, which tells an exit's `site`. */
void cg_load_site(cg *c);
void cg_call_thunk(cg *c, const uint8_t *thunk);
void cg_jcc_thunk(cg *c, uint32_t cc, const uint8_t *thunk);
/* A linkable jump (cc CG_NO_REG) or jcc for a jump record; all is synchronised. */
void cg_link(cg *c, int cc, const ir_op_record *jump);
/* budget += n, flags stay; rax is free. */
void cg_credit(cg *c, uint32_t n);
uint64_t cg_jump_pc(const cg *c, const ir_op_record *jump);
/* The displacement at `at` shall lead to the block. */
void cg_branch_to(cg *c, uint32_t at, uint32_t block);

/* ---- region.c: units with registers of their own ----------------------------------------------------------------- */

/* Registers of the unit's to those of the convention, which others count on: before the unit is left or a helper
 * that looks at slots is called. Flags and registers without slots stay. */
void cg_leave(cg *c);
/* Back, behind such a helper. */
void cg_come_back(cg *c);
/* Whether there is a difference. */
bool cg_has_moves(const cg *c);

/* ---- rules ----------------------------------------------------------------------------------------------------- */

/* Emits one record; false: it has no code for this one, and did nothing. */
typedef bool cg_rule(cg *c, const ir_op_record *r);

extern cg_rule *const cg_rules[IR_OP_COUNT];

/* What is known of an operation from its row in ops.def, in a byte. */
enum {
    CG_OP_PURE = 1,    /* no effect but its results */
    CG_OP_BUNDLE = 2,  /* whatever its type, an operand may be a bundle */
    CG_OP_SECOND = 16, /* times the ir_type of its second result, IR_VOID: it has none */
};
_Static_assert((IR_TYPE_COUNT - 1) * CG_OP_SECOND <= UINT8_MAX, "it is a byte");

extern const uint8_t cg_op_kinds[IR_OP_COUNT];

static inline uint32_t cg_second_of(uint32_t kind)
{
    return (kind & 0xff) / CG_OP_SECOND;
}

/* Emit a record that was left for later, in the middle of another one: before that asked for anything. */
void cg_emit_late(cg *c, uint32_t record);
/* The record that makes a value, if it was left for later; CG_NONE. */
static inline uint32_t cg_late(const cg *c, uint32_t id)
{
    return id & IR_CONST_BIT || !(c->values[id & ~1u].flags & CG_IS_LATE) ? CG_NONE : id >> 1;
}

/* A record before this one whose operands this one's code works on, so that the two are one instruction; CG_NONE. */
static inline uint32_t cg_fused(const cg *c)
{
    return c->first_of[c->record] - 1;
}
/* The record's code is there: its interest in those operands ends. */
void cg_end_fused(cg *c);

/* Whether an operation leaves host addresses as they are: it calls no C that could change the TLB, or says so in its
 * record (loads and stores). */
static inline bool cg_keeps_span(uint32_t op)
{
    return op == IR_OP_GET || op == IR_OP_PUT || op == IR_OP_INSN || op == IR_OP_LD ||
           op == IR_OP_ST || cg_op_kinds[op] & CG_OP_PURE;
}

/* Forget the host address that a span's register has. */
static inline void cg_end_span(cg *c)
{
    c->span.reg = CG_NO_REG;
    c->span.n = 0;
}

/* Whether an access can be one of a pair that is emitted with one probe. */
bool cg_can_pair(const cg *c, const ir_op_record *r);
/* Whether its address can be a sum that is part of the instruction: nobody asks for alignment. */
bool cg_sums(const cg *c, const ir_op_record *r);

/* Number of the reference function of a record, CG_NONE: it has none. */
uint32_t cg_reference_number(const cg *c, const ir_op_record *r);
/* Calls the reference function of a record that has a meaning. */
bool cg_reference(cg *c, const ir_op_record *r);
/* For calls of C: argument i to the frame; empty the registers that are lost; a result from the frame. */
void cg_store_argument(cg *c, uint32_t i, uint32_t id);
void cg_before_call(cg *c);
void cg_load_result(cg *c, uint32_t result);

#endif
