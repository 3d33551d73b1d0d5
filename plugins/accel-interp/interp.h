/*
 * The reference interpreter: what its files share.
 *
 * A unit of IR is compiled once into steps: one for each operation, with the address of the code that
 * executes it and its operands' places. Values live in cells of 8 bytes, a 128-bit value or an f80 in two.
 * Constants have cells too, filled when the unit is compiled. Each unit has cells of its own.
 *
 * Everything of a vCPU is used on the vCPU's thread.
 */
#ifndef ACCEL_INTERP_H
#define ACCEL_INTERP_H

#include <patchbay/accel.h>
#include <patchbay/ir_sem.h>

typedef struct interp_vcpu interp_vcpu;

/* One operation. a b c e are operands' cells, d and e the results'; what else there is, stands with the code
 * in exec.c. */
typedef struct step {
    const void *go; /* label in execute() */
    uint64_t imm;
    uint32_t attr;
    uint16_t a, b, c, d, e;
    uint16_t reserved;
} step;

/* Whether values of the type take two cells. */
static inline bool two_cells(uint32_t type)
{
    return type == IR_I128 || type == IR_F80 || type == IR_V128;
}

/* An operation that is not a label: reads and writes the cells f. */
typedef void step_function(uint64_t *f, const step *s, interp_vcpu *x);

/* A call of a helper: its arguments' cells. */
typedef struct call_record {
    const pb_helper *helper;
    uint16_t args[PB_HELPER_MAX_ARGS];
} call_record;

typedef struct iunit {
    struct iunit *next; /* in its bucket */
    uint64_t pc, key;
    uint32_t n_pages;
    uint32_t bytes;                /* allocated */
    const uint32_t *generation[2]; /* of its pages, which they name */
    uint32_t stamp[2];
    uint64_t *cells;
    call_record *calls;
    step steps[];
} iunit;

/* Where a unit was found last, by virtual address. */
typedef struct recent {
    uint64_t pc, key;
    iunit *unit; /* null: nothing */
    uint32_t epoch;
} recent;

enum { RECENT_BITS = 12, BUCKET_BITS = 14 };

/* What the dispatcher leaves to find_unit(), interp_vcpu.attention. */
enum {
    ATTENTION_FLUSH = 1, /* before a unit is looked for */
    ATTENTION_STEP = 2,  /* no more than one unit */
    ATTENTION_LOG = 4,   /* nothing that is kept */
};

/* fault->kind of find_unit(): that one was executed. */
enum { FAULT_STEPPED = UINT32_MAX };

typedef struct interp {
    pb_object *self;
    uint64_t cache_bytes; /* property: of each vCPU */
    uint32_t unit_insns;  /* property */
    const pb_translate_ops *translate;
    const pb_fp_ops *fp;
    uint64_t translated, flushed; /* statistics, of all vCPUs; atomic */
} interp;

/* Growing arrays of a unit that is being compiled. */
typedef struct workspace {
    step *steps;
    uint64_t *cells;
    call_record *calls;
    uint32_t n_steps, cap_steps, n_cells, cap_cells, n_calls, cap_calls;
    uint16_t *value_cell; /* by value id */
    uint16_t *const_cell;
    uint32_t *block_step; /* by block: its first step */
    uint32_t cap_values, cap_consts, cap_blocks;
    bool failed; /* out of memory, or more cells than a step can name */
} workspace;

struct interp_vcpu {
    interp *interp;
    pb_vcpu *vcpu;
    char *pc_slot; /* in the guest state */
    bool pc_is_32;
    bool running;
    uint32_t attention; /* ATTENTION_* */
    bool stepped;       /* ATTENTION_STEP: the instruction was executed */
    bool logging;       /* --log exec: units of one instruction, nothing cached */
    ir_unit *ir;        /* memory for translations */
    iunit *transient;   /* a unit that is not in the cache: freed when the next one is found */
    uint64_t cached_bytes;
    workspace work;
    recent recent[1 << RECENT_BITS];
    iunit *buckets[1 << BUCKET_BITS];
};

/* ---- compile.c ------------------------------------------------------------------------------------ */

/* The labels that compile() puts into steps: from exec.c. */
typedef struct label_set {
    const void *const *variants;
    const void *call_function, *insn_32, *insn_64, *get_1, *get_2, *get_4, *get_8, *get_16, *put_1,
        *put_2, *put_4, *put_8, *put_16, *put_flags, *get_idx, *put_idx, *load, *load_16, *store,
        *rmw, *cas, *ldx, *stx, *clrex, *fence, *move, *move_16, *go_to, *branch_if, *branch_cc,
        *jump, *jump_ind, *leave, *call_scalar, *call_vector;
} label_set;

const label_set *exec_labels(void);

/* A unit of IR as steps; null if there is no memory, or if it is too large. */
iunit *compile(interp_vcpu *x, const ir_unit *u);
void workspace_free(workspace *w);

/* ---- variants.c ----------------------------------------------------------------------------------- */

/* Number of the label (function null), or the function, of an operation with these types (the first
 * result's, then the operands'); false if it is none of those that are generated. */
bool find_variant(uint32_t op, const uint8_t *types, uint32_t *label, step_function **function);

/* ---- cache.c -------------------------------------------------------------------------------------- */

/* Drop the units of a page of virtual addresses. */
void drop_page(interp_vcpu *x, uint64_t gva);
/* The unit to execute at pc under the key; null with the fault filled if it cannot be fetched, null with kind 0
 * if it cannot be made. */
iunit *find_unit(interp_vcpu *x, uint64_t pc, uint64_t key, pb_guest_fault *fault);
void flush_units(interp_vcpu *x);

static inline bool is_current(const iunit *u)
{
    for (uint32_t i = 0; i < u->n_pages; i++)
        if (__atomic_load_n(u->generation[i], __ATOMIC_RELAXED) != u->stamp[i])
            return false;
    return true;
}

static inline recent *recent_of(interp_vcpu *x, uint64_t pc)
{
    return &x->recent[(pc >> 1 ^ pc >> 13) & ((1 << RECENT_BITS) - 1)];
}

static inline uint64_t read_pc(const interp_vcpu *x)
{
    return x->pc_is_32 ? *(const uint32_t *)(const void *)x->pc_slot
                       : *(const uint64_t *)(const void *)x->pc_slot;
}

static inline void write_pc(interp_vcpu *x, uint64_t pc)
{
    if (x->pc_is_32)
        *(uint32_t *)(void *)x->pc_slot = (uint32_t)pc;
    else
        *(uint64_t *)(void *)x->pc_slot = pc;
}

/* ---- exec.c --------------------------------------------------------------------------------------- */

/* Execute from the pc slot; a pb_run_reason. */
uint32_t execute(interp_vcpu *x);
/* One instruction: units have one. */
uint32_t execute_one(interp_vcpu *x);

#endif
