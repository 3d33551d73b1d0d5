/*
 * Jump tables: units by virtual address, one table for each unit key and address space (tlb_epoch, which comes back
 * with the space), so that neither an exception nor a switch of tasks costs clearing. What a table knows is right
 * as long as the cache has not reused the code (pb_tc_ops.quiescent).
 */
#include "jit.h"

#include <stdlib.h>
#include <string.h>

static void clear(const jit_vcpu *x, jump_table *table)
{
    const pb_jump_entry none = { UINT64_MAX, x->jit->info.jump_miss };

    for (uint32_t i = 0; i < PB_JUMP_ENTRIES; i++)
        table->entries[i] = none;
    if (table->far_used)
        memset(table->far, 0, sizeof(table->far));
    table->far_used = false;
    table->epoch = x->vcpu->tlb_epoch;
}

/* The table of the key and the epoch, or the one that was not used for longest. */
static jump_table **choose(jit_vcpu *x, uint64_t key)
{
    jump_table **oldest = &x->tables[0];
    uint32_t most = x->jit->is_user ? USER_JUMP_TABLES : JUMP_TABLES;

    for (uint32_t i = 0; i < most; i++) {
        jump_table **at = &x->tables[i];

        if (*at && (*at)->key == key && (*at)->epoch == x->vcpu->tlb_epoch)
            return at;
        if (*oldest && (!*at || (*at)->used < (*oldest)->used))
            oldest = at;
    }
    return oldest;
}

void use_jumps(jit_vcpu *x, uint64_t key)
{
    jump_table **at;

    if (x->table && x->table->key == key && x->table->epoch == x->vcpu->tlb_epoch)
        return;
    at = choose(x, key);
    if (!*at)
        *at = calloc(1, sizeof(jump_table));
    if (!*at)
        at = &x->tables[0]; /* which is there from the start */
    if ((*at)->used == 0 || (*at)->key != key || (*at)->epoch != x->vcpu->tlb_epoch)
        clear(x, *at);
    (*at)->key = key;
    (*at)->used = ++x->uses;
    x->table = *at;
    x->vcpu->jumps = x->table->entries;
}

void remember_jump(jit_vcpu *x, uint64_t pc, const void *entry)
{
    pb_jump_entry known = { pc, entry };

    x->table->entries[pb_jump_index(pc, x->align_log2)] = known;
    x->table->far[pb_far_jump_index(pc, FAR_JUMP_BITS)] = known;
    x->table->far_used = true;
}

const void *recall_jump(jit_vcpu *x, uint64_t pc)
{
    const pb_jump_entry *near = &x->table->entries[pb_jump_index(pc, x->align_log2)];
    const pb_jump_entry *far = &x->table->far[pb_far_jump_index(pc, FAR_JUMP_BITS)];
    const void *entry = NULL;

    if (near->pc == pc && near->entry != x->jit->info.jump_miss)
        entry = near->entry;
    else if (far->pc == pc)
        entry = far->entry;
    if (entry)
        x->unlisted = NULL;
    return entry;
}

bool knows_jump(const jit_vcpu *x, uint64_t pc)
{
    const pb_jump_entry *far = x->table->far;

    /* The next question is often about what stands behind a word. */
    __builtin_prefetch(&far[pb_far_jump_index(pc + 4, FAR_JUMP_BITS)]);
    return far[pb_far_jump_index(pc, FAR_JUMP_BITS)].pc == pc;
}

void forget_jumps(jit_vcpu *x)
{
    for (uint32_t i = 0; i < JUMP_TABLES; i++)
        if (x->tables[i])
            clear(x, x->tables[i]);
}

void free_jumps(jit_vcpu *x)
{
    for (uint32_t i = 0; i < JUMP_TABLES; i++)
        free(x->tables[i]);
}
