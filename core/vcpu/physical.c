/*
 * Code pages, translation on request, physical accesses, and a debugger's view of memory.
 *
 * Instruction caches: every write to what was read as code makes it stale by itself (core/bus/ram.c): stores of any
 * vCPU, DMA, devices. code_flush() of a range still drops the code of the range, because guests use it where
 * a device's mapped DMA has not been told yet; of everything it has nothing to do.
 */
#include <core/vcpu/internal.h>

#define MOST_FLUSHED 4096 /* pages in one code_flush(); more than that is everything */

static const uint32_t no_generation; /* of what is not RAM */

pb_mem_result pb_vcpu_translate(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                                pb_guest_fault *fault)
{
    pb_slow slow = { vcpu, request->gva, PB_MEM_MMU(request->mmu) | PB_MEM_KIND(request->kind),
                     request->type, fault };
    pb_reader *reader = pb_vcpu_core_of(vcpu)->reader;
    bool found;

    pb_slow_fault(&slow, PB_FAULT_WALK, request->gva, 0);
    memset(out, 0, sizeof(*out));
    pb_reader_enter(reader);
    found = vcpu->type->walk(vcpu, request, out, fault);
    pb_reader_leave(reader);
    out->attrs.requester = vcpu->index;
    return found ? PB_MEM_OK : PB_MEM_FAULT;
}

/* Whether the page at gpa is a whole page of a RAM's bytes. */
static bool is_whole_page(const pb_range *range, uint64_t gpa)
{
    return range && range->host && gpa >= range->first && range->last - gpa >= PB_PAGE_MASK &&
           ((range->ram_offset + (gpa - range->first)) & PB_PAGE_MASK) == 0;
}

pb_mem_result pb_vcpu_code(pb_vcpu *vcpu, uint64_t gva, uint32_t mmu, pb_code_page *page,
                           pb_guest_fault *fault)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_slow slow = { vcpu, gva, PB_MEM_MMU(mmu), PB_ACCESS_FETCH, fault };
    const pb_range *range;
    pb_hit hit;

    pb_reader_enter(core->reader);
    if (!pb_tlb_translate(&slow, gva, &hit)) {
        pb_reader_leave(core->reader);
        return PB_MEM_FAULT;
    }
    *page = (pb_code_page){ .gpa = hit.gpa - (gva & PB_PAGE_MASK),
                            .generation = &no_generation,
                            .stamp = no_generation + 1 }; /* always stale */
    pb_tlb_note_code(vcpu, gva);
    range = pb_space_lookup(core->cpus->memory, core->reader, hit.gpa);
    if (hit.mapping == PB_PAGE_SIZE && is_whole_page(range, page->gpa)) {
        page->host = pb_range_host(range, page->gpa);
        page->stamp =
            pb_ram_code_take(range->ram, pb_range_page(range, page->gpa), &page->generation);
    }
    pb_reader_leave(core->reader);
    return PB_MEM_OK;
}

bool pb_vcpu_code_reads(pb_vcpu *vcpu, const pb_code_page *page, uint32_t first, uint32_t bytes)
{
    const pb_bus *bus = pb_space_bus(pb_vcpu_core_of(vcpu)->cpus->memory);

    return page->host && pb_ram_code_reads(page->generation, first, bytes) && !pb_bus_compares(bus);
}

/* Of one page of the guest, which may lie in two of the RAM. */
static void flush_bytes(const pb_range *range, uint64_t gpa, uint64_t bytes)
{
    uint64_t at = pb_range_at(range, gpa), left = PB_PAGE_SIZE - (at & PB_PAGE_MASK);

    pb_ram_code_flush(range->ram, at, MIN(bytes, left));
    if (bytes > left)
        pb_ram_code_flush(range->ram, at + left, bytes - left);
}

void pb_vcpu_code_flush(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    uint64_t first = gva & ~PB_PAGE_MASK, last = gva + bytes - 1;
    uint64_t pages =
        bytes == 0 ? 0 : ((gva + bytes - 1) >> PB_PAGE_BITS) - (gva >> PB_PAGE_BITS) + 1;
    pb_walk_request request = { .type = PB_ACCESS_READ,
                                .mmu = vcpu->type->data_mmu(vcpu),
                                .debug = true };

    pb_reader_enter(core->reader);
    for (uint64_t i = 0; i < MIN(pages, MOST_FLUSHED); i++) {
        pb_guest_fault fault;
        pb_translation t;
        const pb_range *range;

        uint64_t here;

        request.gva = i ? first + i * PB_PAGE_SIZE : gva;
        here = MIN(last - request.gva, PB_PAGE_MASK - (request.gva & PB_PAGE_MASK)) + 1;
        if (pb_vcpu_translate(vcpu, &request, &t, &fault) != PB_MEM_OK)
            continue;
        range = pb_space_lookup(core->cpus->memory, core->reader, t.gpa);
        if (range && range->host)
            flush_bytes(range, t.gpa, MIN(here, range->last - t.gpa + 1));
    }
    pb_reader_leave(core->reader);
}

/* ---- physical -------------------------------------------------------------------------------------------- */

/* Whether page tables at gpa are not touched now (tlb_fill), because a device would see it. Once it is so, none are: the
 * walk shall end. */
static bool is_withheld(pb_vcpu_core *core, uint64_t gpa, bool write)
{
    const pb_range *range;

    if (!core->only_ram)
        return false;
    range = pb_space_lookup(core->cpus->memory, core->reader, gpa);
    if (!range || (write ? range->kind != PB_RANGE_RAM : !range->host))
        core->abandoned = true;
    return core->abandoned;
}

pb_bus_result pb_vcpu_phys_read(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                                uint64_t *value)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_bus_result result;

    attrs.requester = vcpu->index;
    pb_reader_enter(core->reader);
    if (is_withheld(core, gpa, false)) {
        *value = 0;
        result = PB_BUS_DECODE;
    } else {
        result = pb_space_read(core->cpus->memory, core->reader, gpa, size, attrs, false, value);
    }
    pb_reader_leave(core->reader);
    return result;
}

pb_bus_result pb_vcpu_phys_write(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                                 uint64_t value)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_bus_result result;

    attrs.requester = vcpu->index;
    pb_reader_enter(core->reader);
    result = is_withheld(core, gpa, true)
                 ? PB_BUS_DECODE
                 : pb_space_write(core->cpus->memory, core->reader, gpa, size, attrs, false, value);
    pb_reader_leave(core->reader);
    return result;
}

static bool cas_host(uint8_t *host, uint32_t size, uint64_t expected, uint64_t desired)
{
    uint32_t e4 = (uint32_t)expected;

    if (size == 4)
        return __atomic_compare_exchange_n((uint32_t *)(void *)host, &e4, (uint32_t)desired, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    g_assert(size == 8);
    return __atomic_compare_exchange_n((uint64_t *)(void *)host, &expected, desired, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Where page tables are not RAM, hardware that updates them atomically does not exist either. */
static bool cas_slowly(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                       uint64_t expected, uint64_t desired)
{
    pb_sched *sched = pb_vcpu_core_of(vcpu)->cpus->sched;
    uint64_t value;
    bool done;

    pb_sched_lock_devices(sched);
    done = pb_vcpu_phys_read(vcpu, gpa, attrs, size, &value) == PB_BUS_OK && value == expected &&
           pb_vcpu_phys_write(vcpu, gpa, attrs, size, desired) == PB_BUS_OK;
    pb_sched_unlock_devices(sched);
    return done;
}

bool pb_vcpu_phys_cas(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size, uint64_t expected,
                      uint64_t desired)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    const pb_range *range;
    bool done;

    pb_reader_enter(core->reader);
    range = pb_space_lookup(core->cpus->memory, core->reader, gpa);
    if (range && range->kind == PB_RANGE_RAM && range->last - gpa >= size - 1 &&
        ((uintptr_t)pb_range_host(range, gpa) & (size - 1)) == 0) {
        done = cas_host(pb_range_host(range, gpa), size, expected, desired);
        if (done)
            pb_ram_stored(range->ram, pb_range_at(range, gpa), size);
    } else {
        done = cas_slowly(vcpu, gpa, attrs, size, expected, desired);
    }
    pb_reader_leave(core->reader);
    return done;
}

/* ---- debuggers ------------------------------------------------------------------------------------------- */

/* The bytes behind gva up to the end of its page, in *n; null: not RAM or ROM. */
static uint8_t *find_bytes(pb_vcpu *vcpu, uint64_t gva, uint64_t *n, const pb_range **range,
                           uint64_t *gpa)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_walk_request request = {
        .gva = gva, .type = PB_ACCESS_READ, .mmu = vcpu->type->data_mmu(vcpu), .debug = true
    };
    pb_guest_fault fault;
    pb_translation t;
    uint64_t mapping;

    if (pb_vcpu_translate(vcpu, &request, &t, &fault) != PB_MEM_OK)
        return NULL;
    *range = pb_space_lookup(core->cpus->memory, core->reader, t.gpa);
    if (!*range || !(*range)->ram)
        return NULL;
    mapping = MIN(MAX(t.page_bytes, 1), PB_PAGE_SIZE);
    *n = MIN(mapping - (gva & (mapping - 1)), (*range)->last - t.gpa + 1);
    *gpa = t.gpa;
    return pb_ram_host((*range)->ram) + (*range)->ram_offset + (t.gpa - (*range)->first);
}

static bool copy_virtual(pb_vcpu *vcpu, uint64_t gva, uint8_t *bytes, uint64_t count, bool write)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    bool found = true;

    pb_reader_enter(core->reader);
    for (uint64_t done = 0, n = 0; done < count && found; done += n) {
        const pb_range *range;
        uint64_t gpa;
        uint8_t *host = find_bytes(vcpu, gva + done, &n, &range, &gpa);

        found = host != NULL;
        n = MIN(n, count - done);
        if (found && write) {
            pb_host_copy(host, bytes + done, n);
            pb_ram_written(range->ram, range->ram_offset + (gpa - range->first), n);
        } else if (found) {
            pb_host_copy(bytes + done, host, n);
        }
    }
    pb_reader_leave(core->reader);
    return found;
}

bool pb_vcpu_peek(pb_vcpu *vcpu, uint64_t gva, void *to, uint64_t bytes)
{
    return copy_virtual(vcpu, gva, to, bytes, false);
}

bool pb_vcpu_poke(pb_vcpu *vcpu, uint64_t gva, const void *from, uint64_t bytes)
{
    return copy_virtual(vcpu, gva, (uint8_t *)(uintptr_t)from, bytes, true);
}
