/*
 * Loads and stores of guest virtual memory.
 *
 * The fast way is a probe of the first-level TLB, two if the access crosses into another page, and host accesses.
 * Everything else goes the slow way:
 * alignment, translation, and for each piece of the access (one, unless it crosses a page or a
 * smaller mapping) RAM, ROM or MMIO. Where an access crosses, all pieces are translated and found
 * to be answered by somebody before the first byte is stored; what a device says to its piece comes
 * too late for the others, as on hardware.
 *
 * Order: plain accesses are unordered, single-copy atomic where naturally aligned. Acquire is a fence after
 * the load, release one before the store; as release-acquire is RCsc (Arm B2.3.11), a full fence
 * follows the store.
 */
#include <core/vcpu/internal.h>

#define MOST_PIECES 16

typedef struct piece {
    pb_hit hit;
    uint32_t bytes;
} piece;

pb_mem_result pb_slow_fault(const pb_slow *slow, uint32_t kind, uint64_t gva, uint64_t gpa)
{
    *slow->fault = (pb_guest_fault){
        .kind = kind,
        .type = slow->type,
        .gva = gva,
        .gpa = gpa,
        .attr = slow->attr,
        .aux = slow->vcpu->aux,
    };
    return PB_MEM_FAULT;
}

static bool is_exact(const pb_slow *slow)
{
    return PB_MEM_GET_KIND(slow->attr) == PB_MEM_DEVICE_EXACT;
}

static void fence_before(uint32_t attr, bool store)
{
    uint32_t order = PB_MEM_GET_ORDER(attr);

    if (order == PB_ORDER_SEQ_CST)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    else if (store && order != PB_ORDER_NONE)
        __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void fence_after(uint32_t attr, bool store)
{
    uint32_t order = PB_MEM_GET_ORDER(attr);

    if (store && order >= PB_ORDER_RELEASE)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    else if (order != PB_ORDER_NONE)
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/* ---- host memory ----------------------------------------------------------------------------------------- */

static pb_u128 load_host(const uint8_t *host, uint32_t size, uint32_t attr)
{
    pb_u128 value = { 0, 0 };

    if (size < 16)
        value.lo = pb_host_load(host, size);
    else if ((attr & PB_MEM_ATOMIC) && ((uintptr_t)host & 15) == 0)
        value = pb_host_load16(host);
    else
        value = (pb_u128){ pb_host_load(host, 8), pb_host_load(host + 8, 8) };
    return value;
}

static void store_host(uint8_t *host, uint32_t size, uint32_t attr, pb_u128 value)
{
    if (size < 16) {
        pb_host_store(host, size, value.lo);
    } else if ((attr & PB_MEM_ATOMIC) && ((uintptr_t)host & 15) == 0) {
        pb_host_store16(host, value);
    } else {
        pb_host_store(host, 8, value.lo);
        pb_host_store(host + 8, 8, value.hi);
    }
}

/* ---- physical, any number of bytes up to 16 -------------------------------------------------------------- */

static bool holds(const pb_range *range, uint64_t gpa, uint32_t bytes)
{
    return range && range->last - gpa >= bytes - 1;
}

/* The largest access that the rest of a piece and the elements allow. */
static uint32_t step_of(uint32_t attr, uint32_t left)
{
    uint32_t most = MIN(left, PB_MEM_GET_ELEMENT_BYTES(attr));

    return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

static pb_bus_result read_piece(const pb_slow *slow, const piece *p, uint8_t *to)
{
    pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    pb_space *space = core->cpus->memory;
    pb_bus_result result = PB_BUS_OK;

    for (uint32_t done = 0, step; done < p->bytes && result == PB_BUS_OK; done += step) {
        uint64_t value;

        step = step_of(slow->attr, p->bytes - done);
        result = pb_space_read(space, core->reader, p->hit.gpa + done, step, p->hit.attrs,
                               is_exact(slow), &value);
        memcpy(to + done, &value, step);
    }
    return result;
}

static pb_bus_result write_piece(const pb_slow *slow, const piece *p, const uint8_t *from)
{
    pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    pb_space *space = core->cpus->memory;
    pb_bus_result result = PB_BUS_OK;

    for (uint32_t done = 0, step; done < p->bytes && result == PB_BUS_OK; done += step) {
        uint64_t value = 0;

        step = step_of(slow->attr, p->bytes - done);
        memcpy(&value, from + done, step);
        result = pb_space_write(space, core->reader, p->hit.gpa + done, step, p->hit.attrs,
                                is_exact(slow), value);
    }
    return result;
}

/* ---- the slow way ---------------------------------------------------------------------------------------- */

/* Translates all of the access. Returns the number of pieces, 0 with the fault filled. */
static uint32_t find_pieces(const pb_slow *slow, piece pieces[MOST_PIECES])
{
    uint32_t size = PB_MEM_GET_BYTES(slow->attr), n = 0;

    if (!pb_is_aligned(slow->gva, slow->attr)) {
        pb_slow_fault(slow, PB_FAULT_ALIGNMENT, slow->gva, 0);
        return 0;
    }
    for (uint32_t done = 0; done < size; done += pieces[n++].bytes) {
        uint64_t gva = slow->gva + done;
        pb_hit *hit = &pieces[n].hit;

        if (!pb_tlb_translate(slow, gva, hit))
            return 0;
        if (hit->device && (slow->gva & (PB_MEM_GET_ELEMENT_BYTES(slow->attr) - 1)) != 0) {
            pb_slow_fault(slow, PB_FAULT_ALIGNMENT, slow->gva, hit->gpa);
            return 0;
        }
        pieces[n].bytes = (uint32_t)MIN(size - done, hit->mapping - (gva & (hit->mapping - 1)));
    }
    if (pb_slow_is_watched(slow, slow->type == PB_ACCESS_WRITE ? PB_DEBUG_WRITE : PB_DEBUG_READ))
        return 0;
    return n;
}

static pb_mem_result load_pieces(const pb_slow *slow, const piece *pieces, uint32_t n,
                                 pb_u128 *value)
{
    uint8_t bytes[16] = { 0 };
    uint32_t done = 0;

    for (uint32_t i = 0; i < n; done += pieces[i++].bytes) {
        if (read_piece(slow, &pieces[i], bytes + done) != PB_BUS_OK) {
            pb_mmio_made(slow->vcpu);
            return pb_slow_fault(slow, PB_FAULT_BUS, slow->gva + done, pieces[i].hit.gpa);
        }
    }
    memcpy(value, bytes, sizeof(bytes));
    pb_mmio_made(slow->vcpu);
    return PB_MEM_OK;
}

static pb_mem_result load_slow(const pb_slow *slow, pb_u128 *value)
{
    pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    uint32_t size = PB_MEM_GET_BYTES(slow->attr);
    piece pieces[MOST_PIECES];
    uint32_t n = find_pieces(slow, pieces);
    const pb_range *range;

    if (n == 0)
        return PB_MEM_FAULT;
    range = pb_space_lookup(core->cpus->memory, core->reader, pieces[0].hit.gpa);
    if (n > 1 || !holds(range, pieces[0].hit.gpa, size) || !range->host)
        return load_pieces(slow, pieces, n, value);
    *value = load_host(pb_range_host(range, pieces[0].hit.gpa), size, slow->attr);
    pb_tlb_enter(slow, &pieces[0].hit, range);
    return PB_MEM_OK;
}

static pb_mem_result store_pieces(const pb_slow *slow, const piece *pieces, uint32_t n,
                                  pb_u128 value)
{
    pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    uint8_t bytes[16];
    uint32_t done = 0;

    memcpy(bytes, &value, sizeof(bytes));
    for (uint32_t i = 1; i < n; i++) {
        done += pieces[i - 1].bytes;
        if (!pb_space_lookup(core->cpus->memory, core->reader, pieces[i].hit.gpa) &&
            write_piece(slow, &pieces[i], bytes + done) != PB_BUS_OK) /* by the board's rule */
            return pb_slow_fault(slow, PB_FAULT_BUS, slow->gva + done, pieces[i].hit.gpa);
    }
    done = 0;
    for (uint32_t i = 0; i < n; done += pieces[i++].bytes) {
        if (write_piece(slow, &pieces[i], bytes + done) != PB_BUS_OK) {
            pb_mmio_made(slow->vcpu);
            return pb_slow_fault(slow, PB_FAULT_BUS, slow->gva + done, pieces[i].hit.gpa);
        }
    }
    pb_mmio_made(slow->vcpu);
    return PB_MEM_OK;
}

static pb_mem_result store_slow(const pb_slow *slow, pb_u128 value)
{
    pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    uint32_t size = PB_MEM_GET_BYTES(slow->attr);
    piece pieces[MOST_PIECES];
    uint32_t n = find_pieces(slow, pieces);
    const pb_range *range;
    uint64_t gpa;

    if (n == 0)
        return PB_MEM_FAULT;
    gpa = pieces[0].hit.gpa;
    range = pb_space_lookup(core->cpus->memory, core->reader, gpa);
    /* In one page of the RAM: its flags are looked at once. */
    if (n > 1 || !holds(range, gpa, size) || range->kind != PB_RANGE_RAM ||
        pb_range_page(range, gpa) != pb_range_page(range, gpa + size - 1))
        return store_pieces(slow, pieces, n, value);
    store_host(pb_range_host(range, gpa), size, slow->attr, value);
    pb_ram_stored(range->ram, pb_range_at(range, gpa), size);
    pb_tlb_enter(slow, &pieces[0].hit, range);
    return PB_MEM_OK;
}

/* ---- operations ------------------------------------------------------------------------------------------ */

/* The host address by a tag of the first level, or null. */
static uint8_t *probe(const pb_vcpu *vcpu, uint64_t gva, uint32_t attr, bool write)
{
    const pb_tlb *tlb = vcpu->tlb[PB_MEM_GET_MMU(attr)];
    uint32_t i = (gva >> PB_PAGE_BITS) & (PB_TLB_ENTRIES - 1);
    uint64_t offset;

    if (!tlb || !pb_is_aligned(gva, attr))
        return NULL;
    offset = gva ^ (write ? tlb->tag_write[i] : tlb->tag_read[i]);
    if (offset > PB_PAGE_SIZE - PB_MEM_GET_BYTES(attr))
        return NULL;
    return (uint8_t *)(uintptr_t)(tlb->addend[i] + gva);
}

/* The two parts of an access that crosses into another page, where tags of the first level are for both. */
typedef struct parts {
    uint8_t *host[2];
    uint32_t bytes[2];
} parts;

static bool probe_parts(const pb_vcpu *vcpu, uint64_t gva, uint32_t attr, bool write, parts *p)
{
    const pb_tlb *tlb = vcpu->tlb[PB_MEM_GET_MMU(attr)];
    uint32_t size = PB_MEM_GET_BYTES(attr);

    p->bytes[0] = (uint32_t)(PB_PAGE_SIZE - (gva & PB_PAGE_MASK));
    if (!tlb || p->bytes[0] >= size || !pb_is_aligned(gva, attr))
        return false;
    p->bytes[1] = size - p->bytes[0];
    for (uint32_t k = 0; k < 2; k++, gva += p->bytes[0]) {
        uint32_t i = (gva >> PB_PAGE_BITS) & (PB_TLB_ENTRIES - 1);

        if ((gva & ~PB_PAGE_MASK) != (write ? tlb->tag_write[i] : tlb->tag_read[i]))
            return false;
        p->host[k] = (uint8_t *)(uintptr_t)(tlb->addend[i] + gva);
    }
    return true;
}

static pb_u128 load_parts(const parts *p, uint32_t attr)
{
    uint8_t bytes[16] = { 0 }, *to = bytes;
    pb_u128 value;

    for (uint32_t k = 0; k < 2; k++) {
        for (uint32_t done = 0, step; done < p->bytes[k]; done += step, to += step) {
            step = step_of(attr, p->bytes[k] - done);
            pb_host_store(to, step, pb_host_load(p->host[k] + done, step));
        }
    }
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static void store_parts(const parts *p, uint32_t attr, pb_u128 value)
{
    uint8_t bytes[16], *from = bytes;

    memcpy(bytes, &value, sizeof(bytes));
    for (uint32_t k = 0; k < 2; k++) {
        for (uint32_t done = 0, step; done < p->bytes[k]; done += step, from += step) {
            step = step_of(attr, p->bytes[k] - done);
            pb_host_store(p->host[k] + done, step, pb_host_load(from, step));
        }
    }
}

bool pb_vcpu_tlb_fill(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, bool write)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    uint32_t mmu = PB_MEM_GET_MMU(attr);
    pb_guest_fault fault;
    pb_slow slow = { vcpu, gva, attr, write ? PB_ACCESS_WRITE : PB_ACCESS_READ, &fault };
    const pb_range *range;
    pb_hit hit;

    if (pb_tlb_is_tagged(vcpu, gva, mmu, write) || !pb_is_aligned(gva, attr) ||
        (gva & PB_PAGE_MASK) > PB_PAGE_SIZE - PB_MEM_GET_BYTES(attr))
        return false;
    pb_reader_enter(core->reader);
    core->only_ram = true;
    core->abandoned = false;
    if (pb_tlb_translate(&slow, gva, &hit)) {
        range = pb_space_lookup(core->cpus->memory, core->reader, hit.gpa);
        if (range)
            pb_tlb_enter(&slow, &hit, range);
    }
    core->only_ram = false;
    pb_reader_leave(core->reader);
    return pb_tlb_is_tagged(vcpu, gva, mmu, write);
}

bool pb_vcpu_is_beside_code(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint32_t bytes)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_guest_fault fault;
    pb_slow slow = { vcpu, gva, attr, PB_ACCESS_WRITE, &fault };
    const pb_range *range;
    bool beside = false;
    pb_hit hit;

    if (!pb_is_aligned(gva, attr) || (gva & PB_PAGE_MASK) > PB_PAGE_SIZE - bytes)
        return false;
    pb_reader_enter(core->reader);
    core->only_ram = true;
    core->abandoned = false;
    if (pb_tlb_translate(&slow, gva, &hit) && hit.mapping == PB_PAGE_SIZE && !hit.device) {
        range = pb_space_lookup(core->cpus->memory, core->reader, hit.gpa);
        beside = holds(range, hit.gpa, bytes) && range->kind == PB_RANGE_RAM &&
                 (pb_range_at(range, hit.gpa) & PB_PAGE_MASK) <= PB_PAGE_SIZE - bytes &&
                 pb_ram_is_beside_code(range->ram, pb_range_at(range, hit.gpa), bytes);
    }
    core->only_ram = false;
    pb_reader_leave(core->reader);
    return beside;
}

pb_mem_result pb_vcpu_mem_load(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                               pb_guest_fault *fault)
{
    const uint8_t *host = probe(vcpu, gva, attr, false);
    uint32_t size = PB_MEM_GET_BYTES(attr);
    parts p;

    g_assert(size <= 16);
    fence_before(attr, false);
    if (G_LIKELY(host)) {
        *value = load_host(host, size, attr);
    } else if (probe_parts(vcpu, gva, attr, false, &p)) {
        *value = load_parts(&p, attr);
    } else {
        pb_slow slow = { vcpu, gva, attr, PB_ACCESS_READ, fault };
        pb_reader *reader = pb_vcpu_core_of(vcpu)->reader;
        pb_mem_result result;

        pb_reader_enter(reader);
        result = load_slow(&slow, value);
        pb_reader_leave(reader);
        if (result != PB_MEM_OK)
            return result;
    }
    fence_after(attr, false);
    if (attr & PB_MEM_BIG_ENDIAN)
        *value = pb_swap128(*value, size);
    if (size < 16)
        *value = (pb_u128){ pb_extend(value->lo, size, attr), 0 };
    return PB_MEM_OK;
}

pb_mem_result pb_vcpu_mem_store(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                                pb_guest_fault *fault)
{
    uint8_t *host = probe(vcpu, gva, attr, true);
    uint32_t size = PB_MEM_GET_BYTES(attr);
    pb_mem_result result = PB_MEM_OK;
    parts p;

    g_assert(size <= 16);
    if (attr & PB_MEM_BIG_ENDIAN)
        value = pb_swap128(value, size);
    fence_before(attr, true);
    if (G_LIKELY(host)) {
        store_host(host, size, attr, value);
    } else if (probe_parts(vcpu, gva, attr, true, &p)) {
        store_parts(&p, attr, value);
    } else {
        pb_slow slow = { vcpu, gva, attr, PB_ACCESS_WRITE, fault };
        pb_reader *reader = pb_vcpu_core_of(vcpu)->reader;

        pb_reader_enter(reader);
        result = store_slow(&slow, value);
        pb_reader_leave(reader);
    }
    fence_after(attr, true);
    return result;
}
