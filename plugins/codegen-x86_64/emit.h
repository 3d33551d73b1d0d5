/*
 * One unit: analysis before, and the pass over its records.
 */
#ifndef CODEGEN_X86_64_EMIT_H
#define CODEGEN_X86_64_EMIT_H

#include "codegen.h"

typedef struct cg_block {
    uint32_t n_preds;
    uint32_t place;  /* in cg.order, CG_NONE: cannot be reached */
    uint32_t offset; /* of its code, CG_NONE: not emitted yet */
    uint32_t fixups; /* displacements that wait for it: a list through the code, CG_NONE: none */
    uint32_t marks;  /* guest instructions in it */
    uint32_t left;  /* counted: instructions from its start to the unit's end on the longest path */
    bool is_exit;   /* nothing but a jump, from one block, which may go elsewhere */
    bool is_behind; /* the only way on from a block */
    bool swapped;   /* its second target leads out of a loop that the first one stays in */
    bool in_loop;   /* a later block branches to it */
    bool helper_called; /* where it begins: see cg */
    bool flags_read;    /* of lazy_slot, from the start: a get before a put, on some way */
    bool flags_seen;    /* somebody may look before a put */
    bool flags_lazy;    /* their home may have a marker */
    bool flags_left;    /* they are packed before a put, for who looks, or at an exit */
    uint8_t flags_way;  /* for is_kept() in lazy.c */
    bool checked; /* requests, and the budget if it is counted, are looked at where it begins */
    uint32_t n_targets, target[2]; /* of its last record */
} cg_block;

/* A branch's target, in the unit's extra words. */
typedef struct cg_target {
    uint32_t block, n;
    const uint32_t *values;
} cg_target;

/* Number of targets of a block's last record. */
uint32_t cg_targets(const ir_unit *u, const ir_op_record *r, cg_target targets[2]);

/* analyse.c: fills values, blocks and order. False: the unit is too large or of a shape that is not taken. */
bool cg_analyse(cg *c);

/* plugin.c: whether a slot can have a general or a vector register. */
bool cg_is_pinnable(const pb_slot *slot, bool vector);

/* region.c: which slots have registers in this unit. False: out of memory. */
bool cg_choose_pins(cg *c);
/* Behind the entry: from the convention's registers to the unit's. */
void cg_arrive(cg *c);
/* Which slots have registers depends on the block: use those of one, or those that were in use. */
void cg_use_map_of(cg *c, uint32_t block);
void cg_use_map_at(cg *c, uint32_t record);
uint32_t cg_map_now(const cg *c);
void cg_use_map(cg *c, uint32_t map);
/* Whether a block has the registers that are in use; and an edge to it, which moves. Flags stay. */
bool cg_same_map(const cg *c, uint32_t block);
void cg_cross(cg *c, uint32_t block);
void cg_free_pins(cg *c);

/* narrow.c: behind the order of blocks. False: out of memory. */
bool cg_find_narrow(cg *c);
void cg_free_narrow(cg *c);
/* Where the region is entered, by the convention. */
void cg_ask_narrow(cg *c);
/* Code of the block begins; all slots may have been written; one is. */
void cg_begin_narrow(cg *c, uint32_t block);
void cg_forget_narrow(cg *c);
void cg_put_narrow(cg *c, uint32_t slot);
/* A get gives the value of a slot without a name: the value that it is another name of, if the slot is narrow, or itself. */
uint32_t cg_name_narrow(cg *c, uint32_t index, uint32_t slot);

/* Counted: instructions that are taken off the budget already where the block is branched to. */
static inline uint32_t cg_left_at(const cg *c, uint32_t block)
{
    return c->blocks[block].checked ? 0 : c->blocks[block].left;
}

/* analyse.c: whether somebody may look at slots while the operation is done. */
bool cg_is_precise(const cg *c, const ir_op_record *r);

/* lazy.c: fills lazy_slot, and what blocks do with it. */
void cg_find_flags(cg *c);
/* Of a branch within the unit, the target that follows. */
static inline uint32_t cg_falls(const cg *c, const cg_target t[2])
{
    return t[0].block == c->next && t[1].block != c->next ? 0 : 1;
}
/* Where a block begins that inherits nothing. */
void cg_begin_lazy(cg *c, uint32_t block);

/* control.c: emits the terminator of a block. True: the next one may go on with what registers and flags hold. */
bool cg_terminate(cg *c, const ir_op_record *r);

/* compare.c: behind both entries, if the unit was made from pages that are not watched; and where that leads. */
void cg_emit_compare(cg *c);
void cg_emit_changed(cg *c);

uint32_t emit_unit(const x86_codegen *self, pb_code_job *job);

/* ---- room.c: memory for an emission ---------------------------------------------------------------------- */

/* What the pointers of struct cg point to. */
typedef struct cg_room {
    uint32_t cap_values, cap_records, cap_blocks, cap_cold, cap_cold_data, cap_pool, cap_faults;
    cg_value *values;
    uint32_t *first_of, *events, *patterns; /* by record, or some of them */
    cg_block *blocks;
    uint32_t *order, *stack;
    uint8_t *visited;
    struct cg_cold *cold;
    uint8_t *cold_data;
    struct cg_pool *pool;
    struct cg_fault *faults;
    /* By slot. */
    cg_slot *slots;
    uint16_t *named;
    uint64_t *dirty_set;
    uint32_t *noted; /* notes of the analysis: see cg_number_notes() */
    uint32_t n_notes;
} cg_room;

/* False: out of memory. */
bool cg_take_room(cg *c);
void cg_give_room(cg *c);
void cg_free_room(cg_room *room);
/* A number above all notes that were made: the caller may make notes from it + 1 to it + n. */
uint32_t cg_number_notes(cg *c, uint32_t n);

#endif
