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
 * 4. Mappings larger than a page are entered in blocks of 2 MiB if they have whole ones, else in pages; where a
 *    block is not plain memory from end to end, its pages that are have entries of their own as well. A
 *    flush of one address must flush all of them: where the address may belong to such a mapping, the whole
 *    space is flushed.
 * 5. The second level's table of pages begins small, as its hash touches all of it soon. It becomes twice as large when
 *    entries in use have to go much more often than there is room. When numbers of spaces are used up it is
 *    emptied, its memory given back, and it begins anew.
 */
#include <core/vcpu/internal.h>

#include <stdlib.h>
#include <sys/mman.h>

/* pb_tlb2_entry.own: the page's physical address, with this in its low bits. */
#define OWN_PROT   UINT64_C(7)
#define OWN_DEVICE UINT64_C(8)

#define FEWEST_SETS (1u << PB_TLB2_BITS)

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
    pb_cpus *cpus = pb_vcpu_core_of(vcpu)->cpus;

    /* One that is added now looks at `prepared` afterwards. */
    if (!(__atomic_load_n(&cpus->prepared, __ATOMIC_ACQUIRE) >> mmu & 1)) {
        pthread_mutex_lock(&cpus->lock);
        for (uint32_t i = 0; i < cpus->n_vcpus; i++)
            set_of(cpus->vcpus[i], mmu);
        __atomic_fetch_or(&cpus->prepared, 1u << mmu, __ATOMIC_SEQ_CST);
        pthread_mutex_unlock(&cpus->lock);
    }
    return (char *)pb_vcpu_first_tlb(vcpu, mmu) - (char *)vcpu;
}

void pb_tlb_prepare_new(pb_vcpu *vcpu)
{
    uint32_t prepared = __atomic_load_n(&pb_vcpu_core_of(vcpu)->cpus->prepared, __ATOMIC_ACQUIRE);

    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        if (prepared >> i & 1)
            set_of(vcpu, i);
    }
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
        core->set_mask = FEWEST_SETS - 1;
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

/* Where a page or a block of a space would be. */
typedef struct place {
    uint64_t tag;
    uint64_t *tags;
    pb_tlb2_entry *entries;
} place;

/* The set of page n. */
static uint32_t set_of_page(const pb_vcpu_core *core, uint64_t n, uint32_t number)
{
    return (uint32_t)(n ^ n >> PB_TLB2_BITS ^ pb_tlb_salt(number)) & core->set_mask;
}

static place place_of(const pb_vcpu_core *core, const pb_tlb_space *space, uint64_t gva, bool block)
{
    uint64_t n = gva >> (block ? PB_BLOCK_BITS : PB_PAGE_BITS);
    pb_tlb2 *second = core->second;
    uint32_t set;

    if (!block) {
        set = set_of_page(core, n, space->number);
        return (place){ n << PB_PAGE_BITS | space->number, second->tag[set], second->entry[set] };
    }
    set = (n ^ n >> PB_TLB2_BLOCK_BITS ^ pb_tlb_salt(space->number)) & (PB_TLB2_BLOCK_SETS - 1);
    return (place){ n << PB_BLOCK_BITS | space->number, second->block_tag[set],
                    second->block[set] };
}

static pb_tlb2_entry *find(const place *at)
{
    for (uint32_t i = 0; i < PB_TLB2_WAYS; i++) {
        if (at->tags[i] == at->tag)
            return &at->entries[i];
    }
    return NULL;
}

static void drop(const pb_vcpu_core *core, const pb_tlb_space *space, uint64_t gva, bool block)
{
    place at = place_of(core, space, gva, block);

    for (uint32_t i = 0; i < PB_TLB2_WAYS; i++) {
        if (at.tags[i] == at.tag)
            at.tags[i] = 0;
    }
}

void pb_tlb_drop_second(pb_vcpu *vcpu, const pb_tlb_space *space, uint64_t gva)
{
    drop(pb_vcpu_core_of(vcpu), space, gva, false);
}

void pb_tlb_empty_second(pb_vcpu_core *core)
{
    /* Private and anonymous: what was written is gone, and zeros come instead. */
    if (madvise(core->second, sizeof(*core->second), MADV_DONTNEED) < 0)
        memset(core->second, 0, sizeof(*core->second));
    core->set_mask = FEWEST_SETS - 1;
    core->crowded = 0;
}

/* To twice as many sets: what a set has goes to the same ways of itself, or of the one that far behind, which is empty. */
static void enlarge(pb_vcpu_core *core)
{
    uint32_t sets = core->set_mask + 1;
    pb_tlb2 *second = core->second;

    core->crowded = 0;
    core->set_mask = 2 * sets - 1;
    for (uint32_t i = 0; i < sets * PB_TLB2_WAYS; i++) {
        uint64_t *tag = &second->tag[i / PB_TLB2_WAYS][i % PB_TLB2_WAYS];
        uint32_t set = set_of_page(core, *tag >> PB_PAGE_BITS, *tag & (PB_TLB_NUMBERS - 1));

        if (set < sets)
            continue;
        second->entry[set][i % PB_TLB2_WAYS] = second->entry[i / PB_TLB2_WAYS][i % PB_TLB2_WAYS];
        second->tag[set][i % PB_TLB2_WAYS] = *tag;
        *tag = 0;
    }
    for (uint32_t i = 0; i < PB_MMU_INDEXES; i++) {
        pb_tlb_set *set = __atomic_load_n(&core->sets[i], __ATOMIC_ACQUIRE);

        if (set)
            pb_tlb_tell(core, set);
    }
}

/* Whether the table of pages is too small: whatever had its turn was in use, and had to go. */
static bool is_crowded(pb_vcpu_core *core, bool gone)
{
    if (gone)
        core->crowded++;
    else if (core->crowded)
        core->crowded--;
    return core->crowded > core->set_mask / 2 && core->set_mask < PB_TLB2_SETS - 1;
}

/* In place of what is there already, else of what nobody looks for any more, else of whatever has its turn. */
static uint32_t way_for(pb_vcpu_core *core, const place *at, bool *gone)
{
    uint32_t unused = PB_TLB2_WAYS;

    *gone = false;
    for (uint32_t i = 0; i < PB_TLB2_WAYS; i++) {
        if (at->tags[i] == at->tag)
            return i;
        if (!pb_tlb_is_live(core, at->tags[i]))
            unused = i;
    }
    *gone = unused == PB_TLB2_WAYS;
    return *gone ? core->turn++ % PB_TLB2_WAYS : unused;
}

static pb_tlb2_entry *enter_second(pb_vcpu_core *core, pb_tlb_set *set, pb_tlb_space *space,
                                   uint64_t gva, bool block, pb_tlb2_entry value)
{
    uint8_t kind = block ? PB_TLB2_BLOCKS : PB_TLB2_PAGES;
    place at = place_of(core, space, gva, block);
    bool gone;
    uint32_t way = way_for(core, &at, &gone);

    if (!block && is_crowded(core, gone)) {
        enlarge(core);
        at = place_of(core, space, gva, block);
        way = way_for(core, &at, &gone);
    }
    at.tags[way] = at.tag;
    at.entries[way] = value;
    if (!(space->entered & kind)) {
        space->entered |= kind;
        pb_tlb_tell(core, set);
    }
    return &at.entries[way];
}

/* Whether a mapping has all of the block of 2 MiB around the address. */
static bool has_block(uint64_t gva, const pb_translation *t)
{
    return t->page_bytes >= PB_BLOCK_SIZE && ((gva ^ t->gpa) & PB_BLOCK_MASK) == 0;
}

static void remember(pb_vcpu *vcpu, pb_tlb_set *set, uint64_t gva, const pb_translation *t,
                     pb_hit *hit)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_tlb_space *space = t->global ? set->global : set->local;

    hit->block = has_block(gva, t);
    for (uint32_t i = 0; i < 4; i++)
        drop(core, i & 1 ? set->local : set->global, gva, i & 2);
    hit->entry = enter_second(
        core, set, space, gva, hit->block,
        (pb_tlb2_entry){ .own = (t->gpa & ~(hit->block ? PB_BLOCK_MASK : PB_PAGE_MASK)) |
                                (t->prot & OWN_PROT) | (t->device ? OWN_DEVICE : 0),
                         .attrs = t->attrs });
    pb_tlb_note_mapping(space, gva, t->page_bytes);
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

    /* The current space's pages, those of all, and their blocks. */
    for (uint32_t i = 0; i < 4; i++) {
        const pb_tlb_space *space = i & 1 ? set->global : set->local;
        bool block = i & 2;
        uint64_t mask = block ? PB_BLOCK_MASK : PB_PAGE_MASK;
        pb_tlb2_entry *entry;
        place at;

        if (!(space->entered & (block ? PB_TLB2_BLOCKS : PB_TLB2_PAGES)))
            continue;
        at = place_of(core, space, gva, block);
        entry = find(&at);
        if (!entry)
            continue;
        *hit = (pb_hit){ .gpa = (entry->own & ~mask) | (gva & mask),
                         .mapping = PB_PAGE_SIZE,
                         .attrs = entry->attrs,
                         .prot = (uint8_t)(entry->own & OWN_PROT),
                         .device = (entry->own & OWN_DEVICE) != 0,
                         .global = i & 1,
                         .block = block,
                         .entry = entry };
        return permits(entry->own, slow->type);
    }
    return false;
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
            remember(slow->vcpu, set, gva, &t, hit);
    }
    hit->attrs.instruction = slow->type == PB_ACCESS_FETCH;
    return true;
}

/* ---- entering ------------------------------------------------------------------------------------------ */

/* Whether `bytes` from a physical address on, a power of two of them, are plain memory, in whole pages of the RAM. */
static bool is_plain(const pb_range *range, uint64_t gpa, uint64_t bytes)
{
    return range->host && gpa >= range->first && gpa <= range->last &&
           range->last - gpa >= bytes - 1 &&
           ((range->ram_offset + (gpa - range->first)) & PB_PAGE_MASK) == 0;
}

/* A tag for reading stays with one for writing, if both are of the same page. */
static void enter_first(pb_tlb_refill *refill, uint64_t page, uintptr_t host, bool read, bool write,
                        bool global)
{
    uintptr_t addend = host - (uintptr_t)page;
    pb_tlb *first = refill->first;
    uint32_t i = index_of(page);

    if (first->addend[i] != addend || (first->tag_read[i] != page && first->tag_write[i] != page)) {
        first->tag_read[i] = first->tag_write[i] = pb_tlb_invalid(i);
        first->addend[i] = addend;
    }
    refill->touched[i / 8] |= global ? PB_TLB_TOUCHED_GLOBAL : PB_TLB_TOUCHED_LOCAL;
    if (read)
        first->tag_read[i] = page;
    if (write)
        first->tag_write[i] = page;
}

/* Whether a debugger wants to see accesses to some of the aligned stretch around gva: then it is not plain. */
static bool has_watched(const pb_slow *slow, uint64_t gva, uint64_t bytes)
{
    const pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);

    return G_UNLIKELY(core->cpus->watched) && pb_debug_watches_some(core, gva, bytes);
}

/* What the second level tells emitted code. An entry of a page for a block that is not plain from end to end. */
static void tell_plain(const pb_slow *slow, pb_tlb_set *set, const pb_hit *hit,
                       const pb_range *range)
{
    uint64_t mask = hit->block ? PB_BLOCK_MASK : PB_PAGE_MASK;
    pb_tlb2_entry *entry = hit->entry;
    bool is_ram = range->kind == PB_RANGE_RAM;
    uint64_t gpa;

    if (hit->block && (!is_plain(range, hit->gpa & ~mask, PB_BLOCK_SIZE) ||
                       has_watched(slow, slow->gva, PB_BLOCK_SIZE))) {
        mask = PB_PAGE_MASK;
        entry = enter_second(
            pb_vcpu_core_of(slow->vcpu), set, hit->global ? set->global : set->local, slow->gva,
            false,
            (pb_tlb2_entry){ .own = (hit->gpa & ~mask) | (entry->own & (OWN_PROT | OWN_DEVICE)),
                             .attrs = entry->attrs });
    }
    gpa = hit->gpa & ~mask;
    entry->tagged = is_ram ? pb_ram_tagged(range->ram, pb_range_page(range, gpa)) : NULL;
    entry->plain = (uintptr_t)pb_range_host(range, gpa) |
                   (hit->prot & PB_PROT_READ ? PB_TLB2_READ : 0) |
                   (is_ram && hit->prot & PB_PROT_WRITE ? PB_TLB2_WRITE : 0);
}

void pb_tlb_enter(const pb_slow *slow, const pb_hit *hit, const pb_range *range)
{
    pb_tlb_set *set = set_of(slow->vcpu, PB_MEM_GET_MMU(slow->attr));
    uint64_t page = slow->gva & ~PB_PAGE_MASK, gpa = hit->gpa & ~PB_PAGE_MASK;
    bool write;

    if (!hit->entry || hit->device || !is_plain(range, gpa, PB_PAGE_SIZE) ||
        has_watched(slow, page, PB_PAGE_SIZE))
        return;
    tell_plain(slow, set, hit, range);
    write = range->kind == PB_RANGE_RAM && slow->type == PB_ACCESS_WRITE &&
            (hit->prot & PB_PROT_WRITE) && pb_ram_write_tag(range->ram, pb_range_page(range, gpa));
    enter_first(&set->refill, page, (uintptr_t)pb_range_host(range, gpa),
                (hit->prot & PB_PROT_READ) != 0, write, hit->global);
}
