/*
 * Address spaces of the TLB (pb_vcpu_ops.tlb_switch), and vcpu->tlb_epoch.
 *
 * 1. Each MMU index is in a space, and in what all spaces of its guest share: two rows of pb_tlb_set.spaces. A row
 *    has a number, which is in the tags of its entries in the second level. A row that gets another number has lost its
 *    entries; nobody looks for them, and they are overwritten when their places are needed.
 * 2. Numbers are given once. When there are no more both levels are emptied, and all rows but those in use are
 *    given back.
 * 3. A switch drops what the first level has of the space that is left. What all spaces share stays.
 * 4. tlb_epoch answers one question: is what ops->code said still right? So it needs no change when a page is
 *    flushed that nobody asked for code of, and it may come back with a space: what is known of the space is unchanged
 *    as long as its row of `known` is there. Everything that might change it otherwise empties `known`.
 */
#include <core/vcpu/internal.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* All ones is an invalid tag of the first level. */
#define MOST_NUMBERS ((uint32_t)PB_TLB_NUMBERS - 2)

/* ---- larger mappings ----------------------------------------------------------------------------------- */

void pb_tlb_note_mapping(pb_tlb_space *space, uint64_t gva, uint64_t bytes)
{
    uint64_t bit = gva / (2 * MIB) % 1024;

    if (bytes <= PB_PAGE_SIZE)
        return;
    if (bytes <= 2 * MIB)
        space->medium[bit / 64] |= UINT64_C(1) << (bit % 64);
    else if (bytes <= GIB)
        space->large |= UINT64_C(1) << (gva / GIB % 64);
    else
        space->huge = true;
}

bool pb_tlb_may_be_larger(const pb_tlb_space *space, uint64_t gva)
{
    uint64_t bit = gva / (2 * MIB) % 1024;

    return space->huge || (space->large >> (gva / GIB % 64) & 1) ||
           (space->medium[bit / 64] >> (bit % 64) & 1);
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static bool is_current(const pb_tlb_set *set, const pb_tlb_space *space)
{
    return space == set->local || space == set->global;
}

void pb_tlb_tell(const pb_vcpu_core *core, pb_tlb_set *set)
{
    const pb_tlb_space *rows[2] = { set->local, set->global };

    set->refill.set_mask = core->set_mask;
    set->refill.kinds = 0;
    for (uint32_t i = 0; i < 2; i++) {
        set->refill.space[i] = rows[i] ? rows[i]->number : 0;
        set->refill.salt[i] = pb_tlb_salt(set->refill.space[i]);
        set->refill.kinds |= (uint8_t)(rows[i] ? rows[i]->entered << i * PB_TLB2_KINDS_BITS : 0);
    }
}

/* 0: the row is free. */
static void number_anew(pb_vcpu_core *core, pb_tlb_space *space, uint32_t number)
{
    core->live[space->number / 64] &= ~(UINT64_C(1) << (space->number % 64));
    if (number)
        core->live[number / 64] |= UINT64_C(1) << (number % 64);
    space->number = number;
    space->entered = 0;
    memset(space->medium, 0, sizeof(space->medium));
    space->large = 0;
    space->huge = false;
}

static void start_over(pb_vcpu_core *core)
{
    pb_tlb_empty_second(core);
    core->last_number = 0;
    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        pb_tlb_set *set = __atomic_load_n(&core->sets[i], __ATOMIC_ACQUIRE);

        for (uint32_t k = 0; set && k < PB_TLB_SPACES; k++)
            number_anew(core, &set->spaces[k], 0);
    }
    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        pb_tlb_set *set = __atomic_load_n(&core->sets[i], __ATOMIC_ACQUIRE);

        for (uint32_t k = 0; set && k < PB_TLB_SPACES; k++) {
            if (is_current(set, &set->spaces[k]))
                number_anew(core, &set->spaces[k], ++core->last_number);
        }
        if (!set)
            continue;
        pb_tlb_clear_first(set, PB_TLB_TOUCHED_LOCAL | PB_TLB_TOUCHED_GLOBAL);
        pb_tlb_tell(core, set);
    }
}

static uint32_t next_number(pb_vcpu_core *core)
{
    if (core->last_number == MOST_NUMBERS)
        start_over(core);
    return ++core->last_number;
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* The row of a space; if there is none a free one, or the one that was not current for longest. */
static pb_tlb_space *row_of(pb_vcpu_core *core, pb_tlb_set *set, uint32_t guest, uint32_t id,
                            bool global)
{
    pb_tlb_space *chosen = NULL;

    for (uint32_t i = 0; i < PB_TLB_SPACES; i++) {
        pb_tlb_space *row = &set->spaces[i];

        if (row->number && row->guest == guest && row->id == id && row->global == global) {
            row->used = ++core->uses;
            return row;
        }
        if (is_current(set, row))
            continue;
        if (!chosen || (chosen->number && (!row->number || row->used < chosen->used)))
            chosen = row;
    }
    number_anew(core, chosen, 0);
    number_anew(core, chosen, next_number(core));
    chosen->guest = guest;
    chosen->id = id;
    chosen->global = global;
    chosen->used = ++core->uses;
    return chosen;
}

void pb_tlb_find_spaces(pb_vcpu *vcpu, pb_tlb_set *set, uint32_t mmu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    const pb_known_epoch *now = &core->now[mmu];

    if (!set->global || set->global->guest != now->guest) {
        set->global = NULL;
        set->global = row_of(core, set, now->guest, 0, true);
    }
    set->local = NULL;
    set->local = row_of(core, set, now->guest, now->space, false);
    set->refill.second = core->second;
    pb_tlb_tell(core, set);
    vcpu->refill[mmu] = &set->refill;
}

void pb_tlb_forget_space(pb_vcpu *vcpu, pb_tlb_set *set, pb_tlb_space *space)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    if (!is_current(set, space)) {
        number_anew(core, space, 0);
        return;
    }
    if (!space->entered)
        return;
    number_anew(core, space, next_number(core));
    pb_tlb_tell(core, set);
}

/* ---- tlb_epoch ----------------------------------------------------------------------------------------- */

static uint32_t hash_of(uint64_t gva)
{
    return (uint32_t)((gva >> PB_PAGE_BITS) * UINT64_C(0x9e3779b97f4a7c15) >>
                      (64 - PB_CODE_PAGES_BITS));
}

void pb_tlb_note_code(pb_vcpu *vcpu, uint64_t gva)
{
    uint32_t bit = hash_of(gva);

    pb_vcpu_core_of(vcpu)->code_pages[bit / 64] |= UINT64_C(1) << (bit % 64);
}

bool pb_tlb_may_have_code(const pb_vcpu *vcpu, uint64_t gva)
{
    uint32_t bit = hash_of(gva);

    return pb_vcpu_core_of((pb_vcpu *)(uintptr_t)vcpu)->code_pages[bit / 64] >> (bit % 64) & 1;
}

void pb_tlb_renew_epoch(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    vcpu->tlb_epoch = ++core->last_epoch;
    core->known_count = 0;
    memset(core->code_pages, 0, sizeof(core->code_pages));
}

static pb_known_epoch *known_of(pb_vcpu_core *core, uint32_t guest, uint32_t space)
{
    for (uint32_t i = 0; i < core->known_count; i++) {
        if (core->known[i].guest == guest && core->known[i].space == space)
            return &core->known[i];
    }
    return NULL;
}

static void know(pb_vcpu_core *core, pb_known_epoch what)
{
    pb_known_epoch *row = known_of(core, what.guest, what.space);

    if (!row && core->known_count < PB_KNOWN_EPOCHS)
        row = &core->known[core->known_count++];
    if (!row)
        row = &core->known[core->known_turn++ % PB_KNOWN_EPOCHS];
    *row = what;
}

void pb_tlb_renew_epoch_of(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t guest, uint32_t space)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    const pb_known_epoch *now;
    pb_known_epoch *row;

    if (mmu_mask & ~core->epoch_mask) {
        pb_tlb_renew_epoch(vcpu);
        return;
    }
    now = &core->now[__builtin_ctz(core->epoch_mask)];
    row = known_of(core, guest, space);
    if (row)
        *row = core->known[--core->known_count];
    if (now->guest == guest && now->space == space)
        vcpu->tlb_epoch = ++core->last_epoch;
}

/* Before `now` changes: the epoch of the space to come. */
static void switch_epoch(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t guest, uint32_t space)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_known_epoch now = core->now[__builtin_ctz(mmu_mask)];
    const pb_known_epoch *to_come;

    if (mmu_mask != core->epoch_mask) {
        core->epoch_mask = mmu_mask;
        pb_tlb_renew_epoch(vcpu);
        return;
    }
    now.epoch = vcpu->tlb_epoch;
    know(core, now);
    to_come = known_of(core, guest, space);
    vcpu->tlb_epoch = to_come ? to_come->epoch : ++core->last_epoch;
}

/* ---- switching ----------------------------------------------------------------------------------------- */

static void switch_one(pb_vcpu *vcpu, uint32_t mmu, uint32_t guest, uint32_t space)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_tlb_set *set = __atomic_load_n(&core->sets[mmu], __ATOMIC_ACQUIRE);
    bool other_guest = core->now[mmu].guest != guest;

    core->now[mmu] = (pb_known_epoch){ .guest = guest, .space = space };
    if (!set || !set->local)
        return;
    pb_tlb_clear_first(set, other_guest ? PB_TLB_TOUCHED_LOCAL | PB_TLB_TOUCHED_GLOBAL
                                        : PB_TLB_TOUCHED_LOCAL);
    pb_tlb_find_spaces(vcpu, set, mmu);
}

void pb_vcpu_tlb_switch(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t guest, uint32_t space)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    uint32_t changed = 0;

    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        if ((mmu_mask >> i & 1) && (core->now[i].guest != guest || core->now[i].space != space))
            changed |= 1u << i;
    }
    if (!changed)
        return;
    switch_epoch(vcpu, mmu_mask, guest, space);
    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        if (changed >> i & 1)
            switch_one(vcpu, i, guest, space);
    }
}
