/*
 * Flushes of the TLB: one's own, those posted to others, and write tags taken away.
 *
 * 1. A vCPU's own flush is done when the operation returns. Those of others are posted, and done before the others
 *    execute on after the poke.
 * 2. A broadcast is complete when every other vCPU was outside of the guest once (pb_sched_barrier):
 *    tlb_sync waits for that, with this vCPU outside as well, so two that wait do not wait for
 *    each other. What is posted to a waiting vCPU it does when it goes on. Nobody waits before.
 * 3. What a flush costs: of everything the tags in use of the first level, and a number for each space; of a page its
 *    place in the first level and one in the second for each space that it may be in.
 */
#include <core/vcpu/internal.h>

#define ALL_INDEXES ((1u << PB_MMU_INDEXES) - 1)
#define MOST_PAGES  512 /* in one flush by address; more flush the space */

/* ---- one's own ----------------------------------------------------------------------------------------- */

static bool concerns(const pb_tlb_flush *flush, const pb_tlb_space *space)
{
    if (!space->number)
        return false;
    if (flush->whose == PB_TLB_ALL)
        return true;
    if (flush->guest != space->guest)
        return false;
    if (flush->whose == PB_TLB_GUEST)
        return true;
    return space->global ? flush->whose == PB_TLB_SPACE_AND_GLOBAL : flush->space == space->id;
}

/* Pages that bytes from gva on touch; 0: all that there are. */
static uint64_t pages_of(const pb_tlb_flush *flush)
{
    return flush->bytes / PB_PAGE_SIZE +
           ((flush->gva & PB_PAGE_MASK) + flush->bytes % PB_PAGE_SIZE + PB_PAGE_MASK) /
               PB_PAGE_SIZE;
}

static uint64_t page_at(const pb_tlb_flush *flush, uint64_t i)
{
    return (flush->gva & ~PB_PAGE_MASK) + i * PB_PAGE_SIZE;
}

static bool is_by_address(const pb_tlb_flush *flush)
{
    return flush->bytes != 0 && pages_of(flush) <= MOST_PAGES;
}

static void flush_space(pb_vcpu *vcpu, pb_tlb_set *set, pb_tlb_space *space)
{
    if (space == set->global)
        pb_tlb_clear_first(set, PB_TLB_TOUCHED_LOCAL | PB_TLB_TOUCHED_GLOBAL);
    else if (space == set->local)
        pb_tlb_clear_first(set, PB_TLB_TOUCHED_LOCAL);
    pb_tlb_forget_space(vcpu, set, space);
}

/* The pages of one space. False: one may be of a larger mapping, and all were flushed. */
static bool flush_pages(pb_vcpu *vcpu, const pb_tlb_flush *flush, pb_tlb_set *set,
                        pb_tlb_space *space)
{
    uint64_t pages = pages_of(flush);

    for (uint64_t i = 0; i < pages; i++) {
        if (pb_tlb_may_be_larger(space, page_at(flush, i))) {
            flush_space(vcpu, set, space);
            return false;
        }
    }
    for (uint64_t i = 0; i < pages; i++)
        pb_tlb_drop_second(vcpu, space, page_at(flush, i));
    return true;
}

/* One MMU index; whether it was by address alone. */
static bool flush_set(pb_vcpu *vcpu, const pb_tlb_flush *flush, pb_tlb_set *set)
{
    bool by_address = is_by_address(flush), exact = by_address;

    if (!set->local)
        return exact;
    for (uint32_t i = 0; i < PB_TLB_SPACES; i++) {
        pb_tlb_space *space = &set->spaces[i];

        if (!concerns(flush, space) || !space->entered)
            continue;
        if (by_address)
            exact &= flush_pages(vcpu, flush, set, space);
        else
            flush_space(vcpu, set, space);
    }
    for (uint64_t i = 0; by_address && i < pages_of(flush); i++)
        pb_tlb_drop_first(set, page_at(flush, i));
    return exact;
}

static bool may_have_code(const pb_vcpu *vcpu, const pb_tlb_flush *flush)
{
    for (uint64_t i = 0; i < pages_of(flush); i++) {
        if (pb_tlb_may_have_code(vcpu, page_at(flush, i)))
            return true;
    }
    return false;
}

static void flush_own(pb_vcpu *vcpu, const pb_tlb_flush *flush)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    bool exact = is_by_address(flush);

    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        pb_tlb_set *set = __atomic_load_n(&core->sets[i], __ATOMIC_ACQUIRE);

        if ((flush->mmu_mask >> i & 1) && set)
            exact &= flush_set(vcpu, flush, set);
    }
    if (exact && !may_have_code(vcpu, flush))
        return;
    if (flush->whose == PB_TLB_SPACE)
        pb_tlb_renew_epoch_of(vcpu, flush->mmu_mask, flush->guest, flush->space);
    else
        pb_tlb_renew_epoch(vcpu);
}

static void flush_mask(pb_vcpu *vcpu, uint32_t mmu_mask)
{
    const pb_tlb_flush all = { .mmu_mask = mmu_mask, .whose = PB_TLB_ALL };

    flush_own(vcpu, &all);
}

void pb_tlb_flush_all(pb_vcpu *vcpu)
{
    flush_mask(vcpu, ALL_INDEXES);
}

void pb_tlb_start_anew(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    pb_tlb_renew_epoch(vcpu);
    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        pb_tlb_set *set = __atomic_load_n(&core->sets[i], __ATOMIC_ACQUIRE);

        if (!set || !set->local)
            continue;
        pb_tlb_clear_first(set, PB_TLB_TOUCHED_LOCAL | PB_TLB_TOUCHED_GLOBAL);
        set->local = set->global = NULL;
        memset(set->spaces, 0, sizeof(set->spaces));
        vcpu->refill[i] = NULL;
    }
    if (core->last_number)
        pb_tlb_empty_second(core);
    memset(core->live, 0, sizeof(core->live));
    core->last_number = core->uses = core->turn = 0;
}

void pb_tlb_follow_map(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    uint64_t generation = pb_space_generation(core->cpus->memory);

    if (core->generation == generation)
        return;
    core->generation = generation;
    pb_tlb_flush_all(vcpu);
}

static void untag(pb_vcpu *vcpu, uintptr_t host, uint64_t bytes)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    for (uint32_t k = 0; k < PB_MMU_INDEXES; k++) {
        const pb_tlb_set *set = __atomic_load_n(&core->sets[k], __ATOMIC_ACQUIRE);
        pb_tlb *first;

        if (!set)
            continue;
        first = set->refill.first;
        for (uint32_t i = 0; i < PB_TLB_ENTRIES; i++) {
            if (set->refill.touched[i / 8] &&
                first->addend[i] + (uintptr_t)first->tag_write[i] - host < bytes)
                first->tag_write[i] = pb_tlb_invalid(i);
        }
    }
}

/* ---- posting to others ----------------------------------------------------------------------------------- */

void pb_tlb_do_posted(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_posted *posted = &core->posted;

    if (!__atomic_load_n(&core->has_posted, __ATOMIC_SEQ_CST))
        return;
    pthread_mutex_lock(&core->lock);
    __atomic_store_n(&core->has_posted, 0, __ATOMIC_SEQ_CST);
    if (posted->flush_mask != 0)
        flush_mask(vcpu, posted->flush_mask);
    for (uint32_t i = 0; i < posted->flush_count; i++)
        flush_own(vcpu, &posted->flushes[i]);
    if (posted->untag_all)
        untag(vcpu, 0, UINTPTR_MAX);
    for (uint32_t i = 0; i < posted->untag_count; i++)
        untag(vcpu, (uintptr_t)posted->untags[i].host, posted->untags[i].bytes);
    posted->flush_mask = posted->flush_count = posted->untag_count = 0;
    posted->untag_all = false;
    pthread_mutex_unlock(&core->lock);
}

/* Ends the posting that pthread_mutex_lock(&core->lock) began. */
static void posted_done(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    __atomic_store_n(&core->has_posted, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&core->lock);
    if (!pb_sched_is_running(core->cpus->sched)) {
        pb_tlb_do_posted(vcpu);
        return;
    }
    __atomic_fetch_or(&vcpu->exit_request, PB_EXIT_WORK, __ATOMIC_SEQ_CST);
    pb_runner_note(core->runner);
}

static void post_flush(pb_vcpu *vcpu, const pb_tlb_flush *flush)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_posted *posted = &core->posted;
    bool all = flush->whose == PB_TLB_ALL && !is_by_address(flush);

    pthread_mutex_lock(&core->lock);
    if (all || posted->flush_count == PB_POSTED_FLUSHES)
        posted->flush_mask |= flush->mmu_mask;
    else
        posted->flushes[posted->flush_count++] = *flush;
    posted_done(vcpu);
}

static void post_untag(pb_vcpu *vcpu, pb_posted_untag range)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    pthread_mutex_lock(&core->lock);
    if (core->posted.untag_count < PB_POSTED_UNTAGS)
        core->posted.untags[core->posted.untag_count++] = range;
    else
        core->posted.untag_all = true;
    posted_done(vcpu);
}

void pb_tlb_untag(void *opaque, const uint8_t *host, uint64_t bytes)
{
    pb_cpus *cpus = opaque;
    pb_vcpu *me = pb_vcpu_current();
    bool others = false;

    for (uint32_t i = 0; i < pb_cpus_count(cpus); i++) {
        pb_vcpu *vcpu = pb_cpus_at(cpus, i);

        if (vcpu == me) {
            untag(vcpu, (uintptr_t)host, bytes);
        } else if (!pb_vcpu_is_aside(vcpu)) {
            post_untag(vcpu, (pb_posted_untag){ host, bytes });
            others = true;
        }
    }
    if (others)
        pb_sched_barrier(cpus->sched);
}

/* ---- operations ------------------------------------------------------------------------------------------ */

void pb_vcpu_tlb_flush_some(pb_vcpu *vcpu, const pb_tlb_flush *flush)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    flush_own(vcpu, flush);
    for (uint32_t i = 0; flush->scope == PB_SCOPE_ALL && i < pb_cpus_count(core->cpus); i++) {
        pb_vcpu *other = pb_cpus_at(core->cpus, i);

        if (other != vcpu && !pb_vcpu_is_aside(other)) {
            post_flush(other, flush);
            core->unsynced = true;
        }
    }
}

void pb_vcpu_tlb_flush(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t scope)
{
    const pb_tlb_flush flush = { .mmu_mask = mmu_mask, .scope = scope, .whose = PB_TLB_ALL };

    pb_vcpu_tlb_flush_some(vcpu, &flush);
}

void pb_vcpu_tlb_flush_page(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes, uint32_t mmu_mask,
                            uint32_t scope)
{
    const pb_tlb_flush flush = { .mmu_mask = mmu_mask,
                                 .scope = scope,
                                 .whose = PB_TLB_ALL,
                                 .gva = gva,
                                 .bytes = MAX(bytes, 1) };

    pb_vcpu_tlb_flush_some(vcpu, &flush);
}

void pb_vcpu_tlb_sync(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    if (!core->unsynced)
        return;
    core->unsynced = false;
    pb_sched_barrier(core->cpus->sched);
}
