/*
 * Atomic operations on guest virtual memory: read-modify-write, compare-and-swap, exclusives.
 *
 * Naturally aligned ones on RAM are host atomics, sequentially consistent, whatever order the guest
 * asked for. Misaligned ones (x86 has them) are done while all other vCPUs stand. On MMIO they are a read
 * and a write under the device lock; exclusives there are PB_FAULT_EXCLUSIVE.
 *
 * ldx remembers address and value, stx compares and swaps: that admits ABA (jit-design, section 4).
 */
#include <core/vcpu/internal.h>

/* ---- host atomics ---------------------------------------------------------------------------------------- */

#if defined(__x86_64__)

static bool host_cas16(uint8_t *host, pb_u128 *expected, pb_u128 desired)
{
    bool equal;

    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(equal), "+m"(*(pb_u128 *)(void *)host), "+a"(expected->lo),
                       "+d"(expected->hi)
                     : "b"(desired.lo), "c"(desired.hi)
                     : "memory");
    return equal;
}

#elif defined(__aarch64__)

static bool host_cas16(uint8_t *host, pb_u128 *expected, pb_u128 desired)
{
    uint64_t lo, hi;
    uint32_t failed;
    bool equal;

    do {
        __asm__ volatile("ldaxp %0, %1, %2"
                         : "=&r"(lo), "=&r"(hi)
                         : "Q"(*(pb_u128 *)(void *)host)
                         : "memory");
        equal = lo == expected->lo && hi == expected->hi;
        /* What was read is written back if it differs: only a store proves that both halves belong
         * together. */
        __asm__ volatile("stlxp %w0, %2, %3, %1"
                         : "=&r"(failed), "=Q"(*(pb_u128 *)(void *)host)
                         : "r"(equal ? desired.lo : lo), "r"(equal ? desired.hi : hi)
                         : "memory");
    } while (failed);
    *expected = (pb_u128){ lo, hi };
    return equal;
}

#else
#error "a 16-byte compare-and-swap of this host is needed here"
#endif

pb_u128 pb_host_load16(const uint8_t *host)
{
    pb_u128 value = { 0, 0 };

#if defined(__x86_64__)
    /* Aligned 16-byte moves are atomic where there is AVX (Intel SDM vol. 3, 9.1.1; AMD the same). */
    if (__builtin_cpu_supports("avx")) {
        __attribute__((aligned(16))) pb_u128 buffer;

        __asm__ volatile("movdqa %1, %%xmm0\n\tmovdqa %%xmm0, %0"
                         : "=m"(buffer)
                         : "m"(*(const pb_u128 *)(const void *)host)
                         : "xmm0", "memory");
        return buffer;
    }
#endif
    host_cas16((uint8_t *)(uintptr_t)host, &value, value);
    return value;
}

void pb_host_store16(uint8_t *host, pb_u128 value)
{
    pb_u128 old = { pb_host_load(host, 8), pb_host_load(host + 8, 8) };

    while (!host_cas16(host, &old, value))
        ;
}

/* Compare and swap of 1 to 16 bytes, aligned; *expected becomes what was there. */
static bool host_cas(uint8_t *host, uint32_t size, pb_u128 *expected, pb_u128 desired)
{
    void *p = host;
    bool done;

    switch (size) {
    case 1: {
        uint8_t e = (uint8_t)expected->lo;

        done = __atomic_compare_exchange_n((uint8_t *)p, &e, (uint8_t)desired.lo, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        *expected = (pb_u128){ e, 0 };
        return done;
    }
    case 2: {
        uint16_t e = (uint16_t)expected->lo;

        done = __atomic_compare_exchange_n((uint16_t *)p, &e, (uint16_t)desired.lo, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        *expected = (pb_u128){ e, 0 };
        return done;
    }
    case 4: {
        uint32_t e = (uint32_t)expected->lo;

        done = __atomic_compare_exchange_n((uint32_t *)p, &e, (uint32_t)desired.lo, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        *expected = (pb_u128){ e, 0 };
        return done;
    }
    case 8:
        expected->hi = 0;
        return __atomic_compare_exchange_n((uint64_t *)p, &expected->lo, desired.lo, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    default:
        return host_cas16(host, expected, desired);
    }
}

/* ---- what an operation makes of a value ------------------------------------------------------------------ */

/* One update, on values in host order of the memory's bytes. */
typedef struct update {
    uint32_t size;
    uint32_t attr;
    bool is_cas;
    uint32_t op; /* pb_rmw_op */
    pb_u128 operand, expected;
} update;

static bool equal(pb_u128 a, pb_u128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static pb_u128 in_order(const update *u, pb_u128 value)
{
    return u->attr & PB_MEM_BIG_ENDIAN ? pb_swap128(value, u->size) : value;
}

static uint64_t compute(uint32_t op, uint64_t old, uint64_t operand, uint32_t size)
{
    int64_t s_old = (int64_t)pb_extend(old, size, PB_MEM_SIGNED);
    int64_t s_operand = (int64_t)pb_extend(operand, size, PB_MEM_SIGNED);

    operand = pb_low_bytes(operand, size);
    switch (op) {
    case PB_RMW_ADD:
        return old + operand;
    case PB_RMW_AND:
        return old & operand;
    case PB_RMW_ANDN:
        return old & ~operand;
    case PB_RMW_OR:
        return old | operand;
    case PB_RMW_XOR:
        return old ^ operand;
    case PB_RMW_SMAX:
        return s_old > s_operand ? old : operand;
    case PB_RMW_SMIN:
        return s_old < s_operand ? old : operand;
    case PB_RMW_UMAX:
        return MAX(old, operand);
    case PB_RMW_UMIN:
        return MIN(old, operand);
    default:
        g_assert(op == PB_RMW_XCHG);
        return operand;
    }
}

/* What shall be in memory where `raw` is. False: leave it. */
static bool next_value(const update *u, pb_u128 raw, pb_u128 *next)
{
    pb_u128 old = in_order(u, raw);

    if (u->is_cas) {
        *next = in_order(u, u->operand);
        return equal(old, u->expected);
    }
    *next = in_order(
        u, (pb_u128){ pb_low_bytes(compute(u->op, old.lo, u->operand.lo, u->size), u->size), 0 });
    return true;
}

/* Makes the update of aligned host memory. Returns what was there, as a number of the guest. */
static pb_u128 update_host(const update *u, uint8_t *host)
{
    pb_u128 raw = { pb_host_load(host, MIN(u->size, 8)), 0 }, next;

    if (u->size == 16)
        raw.hi = pb_host_load(host + 8, 8);
    for (;;) {
        if (!next_value(u, raw, &next))
            next =
                raw; /* a swap with itself: proves that it is what memory holds, with the order asked for */
        if (host_cas(host, u->size, &raw, next))
            return in_order(u, raw);
    }
}

/* ---- misaligned: while the others stand ------------------------------------------------------------------ */

typedef struct scattered {
    const update *u;
    uint8_t *bytes[16];
    pb_u128 old;
} scattered;

static void update_scattered(void *opaque)
{
    scattered *s = opaque;
    uint8_t raw[16] = { 0 };
    pb_u128 value, next;

    for (uint32_t i = 0; i < s->u->size; i++)
        raw[i] = __atomic_load_n(s->bytes[i], __ATOMIC_RELAXED);
    memcpy(&value, raw, sizeof(value));
    s->old = in_order(s->u, value);
    if (!next_value(s->u, value, &next))
        return;
    memcpy(raw, &next, sizeof(raw));
    for (uint32_t i = 0; i < s->u->size; i++)
        __atomic_store_n(s->bytes[i], raw[i], __ATOMIC_RELAXED);
}

/* ---- finding the memory ---------------------------------------------------------------------------------- */

/* Translates one byte for reading and writing. Null with the fault filled. */
static const pb_range *find_byte(pb_slow *slow, uint64_t gva, pb_hit *hit)
{
    pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    const pb_range *range;

    slow->type = PB_ACCESS_WRITE;
    if (!pb_tlb_translate(slow, gva, hit))
        return NULL;
    if (!(hit->prot & PB_PROT_READ)) {
        pb_hit read_hit;

        slow->type = PB_ACCESS_READ;
        if (!pb_tlb_translate(slow, gva, &read_hit))
            return NULL;
        slow->type = PB_ACCESS_WRITE;
        hit->entry = NULL; /* what it says is out of date */
    }
    range = pb_space_lookup(core->cpus->memory, core->reader, hit->gpa);
    if (!range)
        pb_slow_fault(slow, PB_FAULT_BUS, gva, hit->gpa);
    return range;
}

static pb_mem_result update_misaligned(pb_slow *slow, const update *u, pb_u128 *old)
{
    scattered s = { .u = u };
    const pb_range *ranges[16];
    pb_hit hits[16];

    for (uint32_t i = 0; i < u->size; i++) {
        ranges[i] = find_byte(slow, slow->gva + i, &hits[i]);
        if (!ranges[i])
            return PB_MEM_FAULT;
        if (ranges[i]->kind != PB_RANGE_RAM || hits[i].device)
            return pb_slow_fault(slow, PB_FAULT_ALIGNMENT, slow->gva, hits[i].gpa);
        s.bytes[i] = pb_range_host(ranges[i], hits[i].gpa);
    }
    if (pb_slow_is_watched(slow, PB_DEBUG_ACCESS))
        return PB_MEM_FAULT;
    pb_sched_exclusive(pb_vcpu_core_of(slow->vcpu)->cpus->sched, update_scattered, &s);
    for (uint32_t i = 0; i < u->size; i++)
        pb_ram_stored(ranges[i]->ram, pb_range_at(ranges[i], hits[i].gpa), 1);
    *old = s.old;
    return PB_MEM_OK;
}

/* ROM and MMIO: a read and a write, with the devices' lock held between. */
static pb_mem_result update_slowly(pb_slow *slow, const update *u, const pb_hit *hit, pb_u128 *old)
{
    pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    pb_space *space = core->cpus->memory;
    uint32_t size = MIN(u->size, 8);
    pb_u128 raw = { 0, 0 }, next;
    pb_bus_result result;

    pb_sched_lock_devices(core->cpus->sched);
    result = pb_space_read(space, core->reader, hit->gpa, size, hit->attrs, false, &raw.lo);
    if (result == PB_BUS_OK && u->size == 16)
        result = pb_space_read(space, core->reader, hit->gpa + 8, 8, hit->attrs, false, &raw.hi);
    if (result == PB_BUS_OK && next_value(u, raw, &next)) {
        result = pb_space_write(space, core->reader, hit->gpa, size, hit->attrs, false, next.lo);
        if (result == PB_BUS_OK && u->size == 16)
            result =
                pb_space_write(space, core->reader, hit->gpa + 8, 8, hit->attrs, false, next.hi);
    }
    pb_sched_unlock_devices(core->cpus->sched);
    pb_mmio_made(slow->vcpu);
    *old = in_order(u, raw);
    return result == PB_BUS_OK ? PB_MEM_OK : pb_slow_fault(slow, PB_FAULT_BUS, slow->gva, hit->gpa);
}

static pb_mem_result update_slow(pb_slow *slow, const update *u, pb_u128 *old)
{
    const pb_range *range;
    pb_hit hit;

    if (!pb_is_aligned(slow->gva, slow->attr))
        return pb_slow_fault(slow, PB_FAULT_ALIGNMENT, slow->gva, 0);
    if ((slow->gva & (u->size - 1)) != 0)
        return update_misaligned(slow, u, old);
    range = find_byte(slow, slow->gva, &hit);
    if (!range)
        return PB_MEM_FAULT;
    /* A mapping or range that ends inside of the operation, or RAM whose place in the host is not
     * aligned as the guest sees it: possible on odd boards only. */
    if (hit.mapping < u->size || range->last - hit.gpa < u->size - 1 ||
        (range->host && ((uintptr_t)pb_range_host(range, hit.gpa) & (u->size - 1)) != 0))
        return update_misaligned(slow, u, old);
    if (pb_slow_is_watched(slow, PB_DEBUG_ACCESS))
        return PB_MEM_FAULT;
    if (range->kind != PB_RANGE_RAM)
        return update_slowly(slow, u, &hit, old);
    *old = update_host(u, pb_range_host(range, hit.gpa));
    pb_ram_stored(range->ram, pb_range_at(range, hit.gpa), u->size);
    pb_tlb_enter(slow, &hit, range);
    return PB_MEM_OK;
}

/* The host address if both tags allow it and it is aligned, or null. */
static uint8_t *probe(const pb_vcpu *vcpu, uint64_t gva, uint32_t attr)
{
    const pb_tlb *tlb = vcpu->tlb[PB_MEM_GET_MMU(attr)];
    uint32_t i = (gva >> PB_PAGE_BITS) & (PB_TLB_ENTRIES - 1);
    uint64_t page = gva & ~PB_PAGE_MASK;

    if (!tlb || tlb->tag_write[i] != page || tlb->tag_read[i] != page ||
        (gva & (PB_MEM_GET_BYTES(attr) - 1)) != 0 || !pb_is_aligned(gva, attr))
        return NULL;
    return (uint8_t *)(uintptr_t)(tlb->addend[i] + gva);
}

static pb_mem_result update_memory(pb_vcpu *vcpu, uint64_t gva, const update *u, pb_u128 *old,
                                   pb_guest_fault *fault)
{
    uint8_t *host = probe(vcpu, gva, u->attr);
    pb_slow slow = { vcpu, gva, u->attr, PB_ACCESS_WRITE, fault };
    pb_reader *reader = pb_vcpu_core_of(vcpu)->reader;
    pb_mem_result result;

    if (G_LIKELY(host)) {
        *old = update_host(u, host);
        return PB_MEM_OK;
    }
    pb_reader_enter(reader);
    result = update_slow(&slow, u, old);
    pb_reader_leave(reader);
    return result;
}

/* ---- operations ------------------------------------------------------------------------------------------ */

pb_mem_result pb_vcpu_rmw(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint32_t op, uint64_t operand,
                          uint64_t *old, pb_guest_fault *fault)
{
    update u = {
        .size = PB_MEM_GET_BYTES(attr), .attr = attr, .op = op, .operand = { operand, 0 }
    };
    pb_u128 value;
    pb_mem_result result;

    g_assert(u.size <= 8);
    result = update_memory(vcpu, gva, &u, &value, fault);
    if (result == PB_MEM_OK)
        *old = pb_extend(value.lo, u.size, attr);
    return result;
}

static pb_u128 narrow(pb_u128 value, uint32_t size)
{
    return size == 16 ? value : (pb_u128){ pb_low_bytes(value.lo, size), 0 };
}

pb_mem_result pb_vcpu_cas(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 expected,
                          pb_u128 desired, pb_u128 *old, pb_guest_fault *fault)
{
    uint32_t size = PB_MEM_GET_BYTES(attr);
    update u = { .size = size,
                 .attr = attr,
                 .is_cas = true,
                 .operand = narrow(desired, size),
                 .expected = narrow(expected, size) };
    pb_mem_result result;

    g_assert(size <= 16);
    result = update_memory(vcpu, gva, &u, old, fault);
    if (result == PB_MEM_OK && size < 16)
        *old = (pb_u128){ pb_extend(old->lo, size, attr), 0 };
    return result;
}

/* RAM for an exclusive. Null with the fault filled. */
static const pb_range *find_exclusive(const pb_slow *slow, pb_hit *hit)
{
    pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    uint32_t size = PB_MEM_GET_BYTES(slow->attr);
    const pb_range *range;

    if (!pb_is_aligned(slow->gva, slow->attr) || (slow->gva & (size - 1)) != 0) {
        pb_slow_fault(slow, PB_FAULT_ALIGNMENT, slow->gva, 0);
        return NULL;
    }
    if (!pb_tlb_translate(slow, slow->gva, hit))
        return NULL;
    range = pb_space_lookup(core->cpus->memory, core->reader, hit->gpa);
    if (!range) {
        pb_slow_fault(slow, PB_FAULT_BUS, slow->gva, hit->gpa);
        return NULL;
    }
    if (!range->host || range->kind == PB_RANGE_ROMD || hit->mapping < size ||
        range->last - hit->gpa < size - 1 ||
        ((uintptr_t)pb_range_host(range, hit->gpa) & (size - 1)) != 0) {
        pb_slow_fault(slow, PB_FAULT_EXCLUSIVE, slow->gva, hit->gpa);
        return NULL;
    }
    return range;
}

static pb_mem_result load_exclusive(const pb_slow *slow, pb_u128 *raw)
{
    uint32_t size = PB_MEM_GET_BYTES(slow->attr);
    const pb_range *range;
    const uint8_t *host;
    pb_hit hit;

    range = find_exclusive(slow, &hit);
    if (!range || pb_slow_is_watched(slow, PB_DEBUG_READ))
        return PB_MEM_FAULT;
    host = pb_range_host(range, hit.gpa);
    *raw = size == 16 ? pb_host_load16(host) : (pb_u128){ pb_host_load(host, size), 0 };
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    slow->vcpu->exclusive_gpa = hit.gpa;
    return PB_MEM_OK;
}

pb_mem_result pb_vcpu_ldx(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                          pb_guest_fault *fault)
{
    pb_slow slow = { vcpu, gva, attr, PB_ACCESS_READ, fault };
    pb_reader *reader = pb_vcpu_core_of(vcpu)->reader;
    uint32_t size = PB_MEM_GET_BYTES(attr);
    pb_mem_result result;
    pb_u128 raw;

    g_assert(size <= 16);
    vcpu->exclusive_bytes = 0;
    pb_reader_enter(reader);
    result = load_exclusive(&slow, &raw);
    pb_reader_leave(reader);
    if (result != PB_MEM_OK)
        return result;
    vcpu->exclusive_bytes = size;
    vcpu->exclusive_gva = gva;
    vcpu->exclusive_value = raw;
    if (attr & PB_MEM_BIG_ENDIAN)
        raw = pb_swap128(raw, size);
    *value = size == 16 ? raw : (pb_u128){ pb_extend(raw.lo, size, attr), 0 };
    return PB_MEM_OK;
}

static pb_mem_result store_exclusive(const pb_slow *slow, pb_u128 raw)
{
    uint32_t size = PB_MEM_GET_BYTES(slow->attr);
    pb_u128 expected = slow->vcpu->exclusive_value;
    const pb_range *range;
    pb_hit hit;

    range = find_exclusive(slow, &hit);
    if (!range)
        return PB_MEM_FAULT;
    if (hit.gpa != slow->vcpu->exclusive_gpa)
        return PB_MEM_FAIL;
    if (pb_slow_is_watched(slow, PB_DEBUG_WRITE))
        return PB_MEM_FAULT;
    if (range->kind == PB_RANGE_ROM)
        return PB_MEM_OK; /* stored, with the effect that stores to ROM have */
    if (!host_cas(pb_range_host(range, hit.gpa), size, &expected, raw))
        return PB_MEM_FAIL;
    pb_ram_stored(range->ram, pb_range_at(range, hit.gpa), size);
    return PB_MEM_OK;
}

pb_mem_result pb_vcpu_stx(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                          pb_guest_fault *fault)
{
    pb_slow slow = { vcpu, gva, attr, PB_ACCESS_WRITE, fault };
    pb_reader *reader = pb_vcpu_core_of(vcpu)->reader;
    uint32_t size = PB_MEM_GET_BYTES(attr);
    pb_mem_result result = PB_MEM_FAIL;

    g_assert(size <= 16);
    if (vcpu->exclusive_bytes == size && vcpu->exclusive_gva == gva) {
        value = narrow(value, size);
        if (attr & PB_MEM_BIG_ENDIAN)
            value = pb_swap128(value, size);
        pb_reader_enter(reader);
        result = store_exclusive(&slow, value);
        pb_reader_leave(reader);
    }
    /* What a debugger stopped is tried again. */
    if (result != PB_MEM_FAULT || fault->kind != PB_FAULT_DEBUG)
        vcpu->exclusive_bytes = 0;
    return result;
}
