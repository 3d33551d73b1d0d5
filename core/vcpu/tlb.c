/*
 * The software TLB of a vCPU: its two levels, and what fills them. Address spaces are in spaces.c, flushes in flush.c.
 *
 * The first level, for each MMU index, holds pages of RAM and ROM that may be accessed without ado; the second one, for
 * all of them, remembers translations of any whole page, so that MMIO, refills and other spaces need no walk
 * (patchbay/memory.h has the layout of both).
 *
 * 1. Both levels are read and written by the vCPU's own thread only. Others post what they want flushed
 *    and poke the vCPU; it does so before it executes on. While nothing runs, one thread does all.
 * 2. An entry leads to host memory of the view under which it was made. core->generation is read
 *    before entries are made; the vCPU looks at it when it starts to run, after every
 *    MMIO access of its own, and is poked when another thread changes the map.
 * 3. A write tag exists only while pb_ram_write_tag() allowed it (rules in core/bus/ram.c). The second level has
 *    no right to write, only the place where the page's flags say whether a tag may be made.
 * 4. Mappings larger than a page are entered in pages. A flush of one address must flush all of them: where
 *    the address may belong to such a mapping, the whole space is flushed.
 */
#include <core/vcpu/internal.h>

#include <stdlib.h>
#include <sys/mman.h>

/* pb_tlb2_entry.own: the page's physical address, with this in its low bits. */
#define OWN_PROT   UINT64_C(7)
#define OWN_DEVICE UINT64_C(8)

/* ---- making them --------------------------------------------------------------------------------------- */

static void clear_tags(pb_tlb *first, uint32_t from, uint32_t n)
{
    for (uint32_t i = from; i < from + n; i++)
        first->tag_read[i] = first->tag_write[i] = pb_tlb_invalid(i);
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
        pb_tlb *first = pb_vcpu_first_tlb(vcpu, mmu);

        set = calloc(1, sizeof(*set));
        if (!set)
            g_error("out of memory for a TLB");
        clear_tags(first, 0, PB_TLB_ENTRIES);
        set->refill.size = sizeof(set->refill);
        set->refill.first = first;
        __atomic_store_n(&vcpu->tlb[mmu], first, __ATOMIC_RELEASE);
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

/* The set, ready to be looked into. On the vCPU's thread. */
static pb_tlb_set *ready_set(pb_vcpu *vcpu, uint32_t mmu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_tlb_set *set = set_of(vcpu, mmu);

    if (set->local)
        return set;
    if (!core->second) { /* of pages that cost nothing until they are used; zeros are no tags */
        core->second =
            mmap(NULL, sizeof(pb_tlb2), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (core->second == MAP_FAILED)
            g_error("out of memory for a TLB");
    }
    pb_tlb_find_spaces(vcpu, set, mmu);
    return set;
}

void pb_tlb_free(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++)
        free(core->sets[i]);
    if (core->second)
        munmap(core->second, sizeof(pb_tlb2));
}

/* ---- the first level ----------------------------------------------------------------------------------- */

static uint32_t index_of(uint64_t gva)
{
    return (gva >> PB_PAGE_BITS) & (PB_TLB_ENTRIES - 1);
}

bool pb_tlb_is_tagged(const pb_vcpu *vcpu, uint64_t gva, uint32_t mmu, bool write)
{
    const pb_tlb *tlb = vcpu->tlb[mmu];
    uint64_t page = gva & ~PB_PAGE_MASK;

    return tlb && (write ? tlb->tag_write : tlb->tag_read)[index_of(gva)] == page;
}

void pb_tlb_clear_first(pb_tlb_set *set, uint32_t touched)
{
    pb_tlb *first = set->refill.first;

    for (uint32_t i = 0; i < sizeof(set->refill.touched); i += 8) {
        uint64_t eight;

        memcpy(&eight, &set->refill.touched[i], 8);
        for (uint32_t k = i; eight; k++, eight >>= 8) {
            if (!(eight & touched))
                continue;
            clear_tags(first, 8 * k, 8);
            set->refill.touched[k] = 0;
        }
    }
}

void pb_tlb_drop_first(pb_tlb_set *set, uint64_t gva)
{
    uint64_t page = gva & ~PB_PAGE_MASK;
    uint32_t i = index_of(gva);

    if (set->refill.first->tag_read[i] == page)
        set->refill.first->tag_read[i] = pb_tlb_invalid(i);
    if (set->refill.first->tag_write[i] == page)
        set->refill.first->tag_write[i] = pb_tlb_invalid(i);
}

/* ---- the second level ---------------------------------------------------------------------------------- */

/* Where a page of a space would be. */
typedef struct place {
    uint64_t tag;
    uint64_t *tags;
    pb_tlb2_entry *entries;
} place;

static place place_of(const pb_vcpu_core *core, const pb_tlb_space *space, uint64_t gva)
{
    uint64_t page = gva >> PB_PAGE_BITS;
    uint32_t row = (page ^ page >> PB_TLB2_BITS ^ pb_tlb_salt(space->number)) & (PB_TLB2_SETS - 1);

    return (place){ page << PB_PAGE_BITS | space->number, core->second->tag[row],
                    core->second->entry[row] };
}

static pb_tlb2_entry *find(const place *at)
{
    for (uint32_t i = 0; i < PB_TLB2_WAYS; i++) {
        if (at->tags[i] == at->tag)
            return &at->entries[i];
    }
    return NULL;
}

void pb_tlb_drop_second(pb_vcpu *vcpu, const pb_tlb_space *space, uint64_t gva)
{
    place at = place_of(pb_vcpu_core_of(vcpu), space, gva);

    for (uint32_t i = 0; i < PB_TLB2_WAYS; i++) {
        if (at.tags[i] == at.tag)
            at.tags[i] = 0;
    }
}

/* In place of what is there of the page already, else of nothing, else of whatever has its turn. */
static uint32_t way_for(pb_vcpu_core *core, const place *at)
{
    uint32_t empty = PB_TLB2_WAYS;

    for (uint32_t i = 0; i < PB_TLB2_WAYS; i++) {
        if (at->tags[i] == at->tag)
            return i;
        if (!at->tags[i])
            empty = i;
    }
    return empty < PB_TLB2_WAYS ? empty : core->turn++ % PB_TLB2_WAYS;
}

static pb_tlb2_entry *remember(pb_vcpu *vcpu, pb_tlb_set *set, uint64_t gva,
                               const pb_translation *t)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_tlb_space *space = t->global ? set->global : set->local;
    place at = place_of(core, space, gva);
    uint32_t way = way_for(core, &at);

    pb_tlb_drop_second(vcpu, t->global ? set->local : set->global, gva);
    at.tags[way] = at.tag;
    at.entries[way] = (pb_tlb2_entry){ .own = (t->gpa & ~PB_PAGE_MASK) | (t->prot & OWN_PROT) |
                                              (t->device ? OWN_DEVICE : 0),
                                       .attrs = t->attrs };
    space->entered = true;
    pb_tlb_note_mapping(space, gva, t->page_bytes);
    return &at.entries[way];
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

static bool permits(uint64_t prot, uint32_t type)
{
    static const uint8_t needed[] = {
        [PB_ACCESS_READ] = PB_PROT_READ,
        [PB_ACCESS_WRITE] = PB_PROT_WRITE,
        [PB_ACCESS_FETCH] = PB_PROT_EXEC,
    };

    return (prot & needed[type]) != 0;
}

/* What the second level knows of the page, for a kind of access. */
static bool look(const pb_slow *slow, const pb_tlb_set *set, uint64_t gva, pb_hit *hit)
{
    const pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    place at = place_of(core, set->local, gva);
    pb_tlb2_entry *entry = find(&at);
    bool global = !entry;

    if (global) {
        at = place_of(core, set->global, gva);
        entry = find(&at);
    }
    if (!entry || !permits(entry->own, slow->type))
        return false;
    *hit = (pb_hit){ .gpa = (entry->own & ~PB_PAGE_MASK) | (gva & PB_PAGE_MASK),
                     .mapping = PB_PAGE_SIZE,
                     .attrs = entry->attrs,
                     .prot = (uint8_t)(entry->own & OWN_PROT),
                     .device = (entry->own & OWN_DEVICE) != 0,
                     .global = global,
                     .entry = entry };
    return true;
}

bool pb_tlb_translate(const pb_slow *slow, uint64_t gva, pb_hit *hit)
{
    pb_tlb_set *set = ready_set(slow->vcpu, PB_MEM_GET_MMU(slow->attr));
    pb_translation t;

    if (!look(slow, set, gva, hit)) {
        if (!walk(slow, gva, &t))
            return false;
        *hit = (pb_hit){ .gpa = t.gpa,
                         .mapping = MIN(MAX(t.page_bytes, 1), PB_PAGE_SIZE),
                         .attrs = t.attrs,
                         .prot = (uint8_t)t.prot,
                         .device = t.device,
                         .global = t.global };
        if (t.page_bytes >= PB_PAGE_SIZE)
            hit->entry = remember(slow->vcpu, set, gva, &t);
    }
    hit->attrs.instruction = slow->type == PB_ACCESS_FETCH;
    return true;
}

/* ---- entering ------------------------------------------------------------------------------------------ */

/* Whole pages of plain memory only, that are whole pages of the RAM too. */
static bool is_plain(const pb_hit *hit, uint64_t page_gpa, const pb_range *range)
{
    return hit->entry && !hit->device && range->host && page_gpa >= range->first &&
           range->last - page_gpa >= PB_PAGE_MASK &&
           ((range->ram_offset + (page_gpa - range->first)) & PB_PAGE_MASK) == 0;
}

/* A tag for reading stays with one for writing, if both are of the same page. */
static void enter_first(pb_tlb_refill *refill, uint64_t page, uintptr_t host, bool read, bool write,
                        bool global)
{
    pb_tlb *first = refill->first;
    uint32_t i = index_of(page);

    if (first->host[i] != host || (first->tag_read[i] != page && first->tag_write[i] != page)) {
        first->tag_read[i] = first->tag_write[i] = pb_tlb_invalid(i);
        first->host[i] = host;
    }
    refill->touched[i / 8] |= global ? PB_TLB_TOUCHED_GLOBAL : PB_TLB_TOUCHED_LOCAL;
    if (read)
        first->tag_read[i] = page;
    if (write)
        first->tag_write[i] = page;
}

void pb_tlb_enter(const pb_slow *slow, const pb_hit *hit, const pb_range *range)
{
    pb_tlb_set *set = set_of(slow->vcpu, PB_MEM_GET_MMU(slow->attr));
    uint64_t page = slow->gva & ~PB_PAGE_MASK, page_gpa = hit->gpa & ~PB_PAGE_MASK;
    bool is_ram = range->kind == PB_RANGE_RAM, write;
    uint64_t number;
    uintptr_t host;

    if (!is_plain(hit, page_gpa, range))
        return;
    number = range->ram ? pb_range_page(range, page_gpa) : 0;
    host = (uintptr_t)pb_range_host(range, page_gpa);
    hit->entry->plain = host | (hit->prot & PB_PROT_READ ? PB_TLB2_READ : 0) |
                        (is_ram && hit->prot & PB_PROT_WRITE ? PB_TLB2_WRITE : 0);
    hit->entry->tagged = is_ram ? pb_ram_tagged(range->ram, number) : NULL;
    write = is_ram && slow->type == PB_ACCESS_WRITE && (hit->prot & PB_PROT_WRITE) &&
            pb_ram_write_tag(range->ram, number);
    enter_first(&set->refill, page, host, (hit->prot & PB_PROT_READ) != 0, write, hit->global);
}
