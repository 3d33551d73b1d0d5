/*
 * The software TLB of a vCPU, and its flushes.
 *
 * Two levels for each MMU index: the first (patchbay/memory.h) holds pages of RAM and ROM that may be accessed
 * without ado; the second remembers translations of any whole page, so that MMIO and refills need
 * no walk. Room is left for a level with address-space contexts between second and walk.
 *
 * 1. Both levels are read and written by the vCPU's own thread only. Others post what they want flushed
 *    and poke the vCPU; it does so before it executes on. While nothing runs, one thread does all.
 * 2. A broadcast is complete when every other vCPU was outside of the guest once (pb_sched_barrier):
 *    tlb_sync waits for that, with this vCPU outside as well, so two that wait do not wait for
 *    each other. What is posted to a waiting vCPU it does when it goes on.
 * 3. A first-level entry leads to host memory of the view under which it was made. core->generation is read
 *    before entries are made; the vCPU looks at it when it starts to run, after every
 *    MMIO access of its own, and is poked when another thread changes the map.
 * 4. A write tag exists only while pb_ram_write_tag() allowed it (rules in core/bus/ram.c).
 * 5. Mappings larger than a page are entered in pages. A flush of one address must flush all of them: where
 *    the address may belong to such a mapping, the whole index is flushed.
 */
#include <core/vcpu/internal.h>

#include <stdlib.h>

#define ALL_INDEXES ((1u << PB_MMU_INDEXES) - 1)
#define MOST_PAGES  512 /* in one flush by address; more flush the index */
#define MIB         (UINT64_C(1) << 20)
#define GIB         (UINT64_C(1) << 30)

/* ---- entries ------------------------------------------------------------------------------------------- */

static uint32_t index_of(uint64_t gva)
{
    return (gva >> PB_PAGE_BITS) & (PB_TLB_ENTRIES - 1);
}

static pb_tlb2_entry *second_of(pb_tlb_set *set, uint64_t gva)
{
    uint64_t page = gva >> PB_PAGE_BITS;

    return &set->second[(page ^ (page >> PB_TLB2_BITS)) & (PB_TLB2_ENTRIES - 1)];
}

static void clear(pb_tlb_set *set)
{
    memset(set->first->tag_read, 0xff, sizeof(set->first->tag_read));
    memset(set->first->tag_write, 0xff, sizeof(set->first->tag_write));
    if (++set->epoch == 0) {
        memset(set->second, 0, sizeof(set->second));
        set->epoch = 1;
    }
    memset(set->medium, 0, sizeof(set->medium));
    set->large = 0;
    set->huge = false;
    set->used = false;
}

/* The set of an MMU index, made if it is not there: by the vCPU at its first access, or by whoever emits code that
 * makes one. */
static pb_tlb_set *set_of(pb_vcpu *vcpu, uint32_t mmu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_tlb_set *set = __atomic_load_n(&core->sets[mmu], __ATOMIC_ACQUIRE);

    if (set)
        return set;
    pthread_mutex_lock(&core->cpus->tlb_lock);
    set = core->sets[mmu];
    if (!set) {
        set = calloc(1, sizeof(*set));
        if (!set)
            g_error("out of memory for a TLB");
        set->first = pb_vcpu_first_tlb(vcpu, mmu);
        clear(set);
        __atomic_store_n(&vcpu->tlb[mmu], set->first, __ATOMIC_RELEASE);
        __atomic_store_n(&core->sets[mmu], set, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&core->cpus->tlb_lock);
    return set;
}

intptr_t pb_vcpu_tlb_prepare(pb_vcpu *vcpu, uint32_t mmu)
{
    GPtrArray *vcpus = pb_vcpu_core_of(vcpu)->cpus->vcpus;

    for (uint32_t i = 0; i < vcpus->len; i++)
        set_of(vcpus->pdata[i], mmu);
    return (char *)pb_vcpu_first_tlb(vcpu, mmu) - (char *)vcpu;
}

void pb_tlb_free(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++)
        free(core->sets[i]);
}

/* ---- larger mappings ----------------------------------------------------------------------------------- */

static void note_mapping(pb_tlb_set *set, uint64_t gva, uint64_t bytes)
{
    uint64_t bit = gva / (2 * MIB) % 1024;

    if (bytes <= PB_PAGE_SIZE)
        return;
    if (bytes <= 2 * MIB)
        set->medium[bit / 64] |= UINT64_C(1) << (bit % 64);
    else if (bytes <= GIB)
        set->large |= UINT64_C(1) << (gva / GIB % 64);
    else
        set->huge = true;
}

static bool may_be_larger(const pb_tlb_set *set, uint64_t gva)
{
    uint64_t bit = gva / (2 * MIB) % 1024;

    return set->huge || (set->large >> (gva / GIB % 64) & 1) ||
           (set->medium[bit / 64] >> (bit % 64) & 1);
}

/* ---- translation --------------------------------------------------------------------------------------- */

static bool walk(const pb_slow *slow, uint64_t gva, pb_translation *out)
{
    pb_vcpu *vcpu = slow->vcpu;
    pb_walk_request request = {
        .gva = gva,
        .type = slow->type,
        .mmu = PB_MEM_GET_MMU(slow->attr),
        .kind = PB_MEM_GET_KIND(slow->attr),
        .bytes = (uint8_t)(slow->gva + PB_MEM_GET_BYTES(slow->attr) - gva),
    };

    pb_slow_fault(slow, PB_FAULT_WALK, gva, 0);
    memset(out, 0, sizeof(*out));
    if (!vcpu->type->walk(vcpu, &request, out, slow->fault))
        return false;
    out->attrs.requester = vcpu->index;
    return true;
}

static bool permits(uint8_t prot, uint32_t type)
{
    static const uint8_t needed[] = {
        [PB_ACCESS_READ] = PB_PROT_READ,
        [PB_ACCESS_WRITE] = PB_PROT_WRITE,
        [PB_ACCESS_FETCH] = PB_PROT_EXEC,
    };

    return (prot & needed[type]) != 0;
}

static void remember(pb_tlb_set *set, uint64_t gva, const pb_translation *t)
{
    uint64_t offset = gva & PB_PAGE_MASK;
    pb_tlb2_entry *entry = second_of(set, gva);

    entry->page = gva - offset;
    entry->gpa = t->gpa - offset;
    entry->attrs = t->attrs;
    entry->prot = (uint8_t)t->prot;
    entry->device = t->device;
    entry->epoch = set->epoch;
    set->used = true;
    note_mapping(set, gva, t->page_bytes);
}

bool pb_tlb_translate(const pb_slow *slow, uint64_t gva, pb_hit *hit)
{
    pb_tlb_set *set = set_of(slow->vcpu, PB_MEM_GET_MMU(slow->attr));
    const pb_tlb2_entry *entry = second_of(set, gva);
    pb_translation t;

    if (entry->epoch == set->epoch && entry->page == (gva & ~PB_PAGE_MASK) &&
        permits(entry->prot, slow->type)) {
        *hit = (pb_hit){ .gpa = entry->gpa + (gva & PB_PAGE_MASK),
                         .mapping = PB_PAGE_SIZE,
                         .attrs = entry->attrs,
                         .prot = entry->prot,
                         .device = entry->device };
    } else {
        if (!walk(slow, gva, &t))
            return false;
        *hit = (pb_hit){ .gpa = t.gpa,
                         .mapping = MIN(MAX(t.page_bytes, 1), PB_PAGE_SIZE),
                         .attrs = t.attrs,
                         .prot = (uint8_t)t.prot,
                         .device = t.device };
        if (t.page_bytes >= PB_PAGE_SIZE)
            remember(set, gva, &t);
    }
    hit->attrs.instruction = slow->type == PB_ACCESS_FETCH;
    return true;
}

void pb_tlb_enter(const pb_slow *slow, const pb_hit *hit, const pb_range *range)
{
    pb_tlb_set *set = set_of(slow->vcpu, PB_MEM_GET_MMU(slow->attr));
    uint64_t offset = slow->gva & PB_PAGE_MASK;
    uint64_t page_gpa = hit->gpa - offset;
    uint32_t i = index_of(slow->gva);
    uint64_t tag = slow->gva - offset;
    uintptr_t host;

    /* Whole pages of plain memory only, that are whole pages of the RAM too. */
    if (hit->mapping < PB_PAGE_SIZE || hit->device || !range->host || page_gpa < range->first ||
        range->last - page_gpa < PB_PAGE_MASK ||
        ((range->ram_offset + (page_gpa - range->first)) & PB_PAGE_MASK) != 0)
        return;
    host = (uintptr_t)pb_range_host(range, page_gpa);
    if (set->first->host[i] != host ||
        (set->first->tag_read[i] != tag && set->first->tag_write[i] != tag)) {
        set->first->tag_read[i] = set->first->tag_write[i] = PB_TLB_INVALID;
        set->first->host[i] = host;
    }
    if (hit->prot & PB_PROT_READ)
        set->first->tag_read[i] = tag;
    if (slow->type == PB_ACCESS_WRITE && (hit->prot & PB_PROT_WRITE) &&
        range->kind == PB_RANGE_RAM && pb_ram_write_tag(range->ram, pb_range_page(range, page_gpa)))
        set->first->tag_write[i] = tag;
    set->used = true;
}

/* ---- flushing one's own ---------------------------------------------------------------------------------- */

static void flush_mask(pb_vcpu *vcpu, uint32_t mmu_mask)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    vcpu->tlb_epoch++;
    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        if ((mmu_mask >> i & 1) && core->sets[i] && core->sets[i]->used)
            clear(core->sets[i]);
    }
}

void pb_tlb_flush_all(pb_vcpu *vcpu)
{
    flush_mask(vcpu, ALL_INDEXES);
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

static void flush_one(pb_tlb_set *set, uint64_t page)
{
    uint32_t i = index_of(page);
    pb_tlb2_entry *entry = second_of(set, page);

    if (set->first->tag_read[i] == page)
        set->first->tag_read[i] = PB_TLB_INVALID;
    if (set->first->tag_write[i] == page)
        set->first->tag_write[i] = PB_TLB_INVALID;
    if (entry->page == page)
        entry->epoch = 0;
}

static void flush_pages(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes, uint32_t mmu_mask)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    uint64_t first = gva & ~PB_PAGE_MASK;
    uint64_t pages = bytes / PB_PAGE_SIZE +
                     ((gva & PB_PAGE_MASK) + bytes % PB_PAGE_SIZE + PB_PAGE_MASK) / PB_PAGE_SIZE;

    vcpu->tlb_epoch++;
    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        pb_tlb_set *set = core->sets[i];
        bool all = pages > MOST_PAGES;

        if (!(mmu_mask >> i & 1) || !set || !set->used)
            continue;
        for (uint64_t p = 0; p < pages && !all; p++)
            all = may_be_larger(set, first + p * PB_PAGE_SIZE);
        if (all) {
            clear(set);
            continue;
        }
        for (uint64_t p = 0; p < pages; p++)
            flush_one(set, first + p * PB_PAGE_SIZE);
    }
}

static void untag(pb_vcpu *vcpu, uintptr_t host, uint64_t bytes)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    for (uint32_t k = 0; k < PB_MMU_INDEXES; k++) {
        pb_tlb *tlb = vcpu->tlb[k];

        if (!tlb || !core->sets[k]->used)
            continue;
        for (uint32_t i = 0; i < PB_TLB_ENTRIES; i++) {
            if (tlb->host[i] - host < bytes)
                tlb->tag_write[i] = PB_TLB_INVALID;
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
    for (uint32_t i = 0; i < posted->page_count; i++)
        flush_pages(vcpu, posted->pages[i].gva, posted->pages[i].bytes, posted->pages[i].mmu_mask);
    if (posted->untag_all)
        untag(vcpu, 0, UINTPTR_MAX);
    for (uint32_t i = 0; i < posted->untag_count; i++)
        untag(vcpu, (uintptr_t)posted->untags[i].host, posted->untags[i].bytes);
    posted->flush_mask = posted->page_count = posted->untag_count = 0;
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

static void post_flush(pb_vcpu *vcpu, uint32_t mmu_mask)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    pthread_mutex_lock(&core->lock);
    core->posted.flush_mask |= mmu_mask;
    posted_done(vcpu);
}

static void post_flush_page(pb_vcpu *vcpu, pb_posted_page page)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    pthread_mutex_lock(&core->lock);
    if (core->posted.page_count < PB_POSTED_PAGES)
        core->posted.pages[core->posted.page_count++] = page;
    else
        core->posted.flush_mask |= page.mmu_mask;
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

    for (uint32_t i = 0; i < cpus->vcpus->len; i++) {
        pb_vcpu *vcpu = cpus->vcpus->pdata[i];

        if (vcpu == me) {
            untag(vcpu, (uintptr_t)host, bytes);
        } else {
            post_untag(vcpu, (pb_posted_untag){ host, bytes });
            others = true;
        }
    }
    if (others)
        pb_sched_barrier(cpus->sched);
}

/* ---- operations ------------------------------------------------------------------------------------------ */

void pb_vcpu_tlb_flush(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t scope)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    GPtrArray *vcpus = core->cpus->vcpus;

    flush_mask(vcpu, mmu_mask);
    for (uint32_t i = 0; scope == PB_SCOPE_ALL && i < vcpus->len; i++) {
        if (vcpus->pdata[i] != vcpu) {
            post_flush(vcpus->pdata[i], mmu_mask);
            core->unsynced = true;
        }
    }
}

void pb_vcpu_tlb_flush_page(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes, uint32_t mmu_mask,
                            uint32_t scope)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    GPtrArray *vcpus = core->cpus->vcpus;

    flush_pages(vcpu, gva, bytes, mmu_mask);
    for (uint32_t i = 0; scope == PB_SCOPE_ALL && i < vcpus->len; i++) {
        if (vcpus->pdata[i] != vcpu) {
            post_flush_page(vcpus->pdata[i], (pb_posted_page){ gva, bytes, mmu_mask });
            core->unsynced = true;
        }
    }
}

void pb_vcpu_tlb_sync(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    if (!core->unsynced)
        return;
    core->unsynced = false;
    pb_sched_barrier(core->cpus->sched);
}
