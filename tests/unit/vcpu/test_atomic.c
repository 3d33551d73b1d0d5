/*
 * Atomic operations: core/vcpu/atomic.c.
 */
#include "bench.h"

static uint64_t rmw(pb_vcpu *v, uint64_t gva, uint32_t attr, uint32_t op, uint64_t operand)
{
    pb_guest_fault fault = { 0 };
    uint64_t old = 0;

    expect(state_of(v)->b, v->ops->rmw(v, gva, attr, op, operand, &old, &fault) == PB_MEM_OK);
    return old;
}

static void operations(void)
{
    static const struct {
        uint32_t op;
        uint64_t old, operand, result; /* of 32 bits */
    } rows[] = {
        { PB_RMW_ADD, 0xfffffff0, 0x20, 0x10 },
        { PB_RMW_AND, 0xff00ff00, 0x0ff00ff0, 0x0f000f00 },
        { PB_RMW_ANDN, 0xff00ff00, 0x0ff00ff0, 0xf000f000 },
        { PB_RMW_OR, 0xff000000, 0x11, 0xff000011 },
        { PB_RMW_XOR, 0xff0000ff, 0xf0f, 0xff000ff0 },
        { PB_RMW_SMAX, 0xffffffff, 1, 1 },
        { PB_RMW_SMAX, 5, 0x80000000, 5 },
        { PB_RMW_SMIN, 0xffffffff, 1, 0xffffffff },
        { PB_RMW_SMIN, 5, 0x80000000, 0x80000000 },
        { PB_RMW_UMAX, 0xffffffff, 1, 0xffffffff },
        { PB_RMW_UMIN, 0xffffffff, 1, 1 },
        { PB_RMW_XCHG, 0x12345678, 0x9abcdef0, 0x9abcdef0 },
    };
    static const uint64_t places[] = { 0x2004, 0x2ffe, DEVICE }; /* aligned, across a page, MMIO */
    bench b;

    bench_init(&b, 1);
    for (size_t p = 0; p < PB_ARRAY_SIZE(places); p++) {
        for (size_t i = 0; i < PB_ARRAY_SIZE(rows); i++) {
            for (uint32_t order = 0; order <= PB_MEM_BIG_ENDIAN; order += PB_MEM_BIG_ENDIAN) {
                uint32_t attr = LOG2(2) | order;

                store(b.vcpu[0], places[p], attr, rows[i].old);
                CU_ASSERT_EQUAL(
                    rmw(b.vcpu[0], places[p], attr, rows[i].op, rows[i].operand | 0xabcd00000000),
                    rows[i].old);
                CU_ASSERT_EQUAL(load(b.vcpu[0], places[p], attr), rows[i].result);
            }
        }
    }
    bench_finish(&b);
}

static void sizes(void)
{
    bench b;

    bench_init(&b, 1);
    for (uint32_t log2 = 0; log2 <= 3; log2++) {
        uint32_t size = 1u << log2;
        uint64_t all = size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;

        store(b.vcpu[0], 0x3000, LOG2(3), 0);
        rmw(b.vcpu[0], 0x3000, LOG2(log2), PB_RMW_ADD, UINT64_MAX);
        CU_ASSERT_EQUAL(load(b.vcpu[0], 0x3000, LOG2(3)), all); /* the neighbours are untouched */
        CU_ASSERT_EQUAL(rmw(b.vcpu[0], 0x3000, LOG2(log2) | PB_MEM_SIGNED, PB_RMW_ADD, 1),
                        UINT64_MAX);
        CU_ASSERT_EQUAL(load(b.vcpu[0], 0x3000, LOG2(3)), 0);
    }
    bench_finish(&b);
}

static void compare_and_swap(void)
{
    static const uint64_t places[] = { 0x2000, 0x2ff9, DEVICE };
    bench b;

    bench_init(&b, 1);
    for (size_t p = 0; p < PB_ARRAY_SIZE(places); p++) {
        for (uint32_t log2 = 0; log2 <= 3; log2++) {
            pb_vcpu *v = b.vcpu[0];
            pb_u128 expected = { 0x55, 0 }, old;
            pb_guest_fault fault;

            store(v, places[p], LOG2(log2), 0x55);
            CU_ASSERT_EQUAL(
                v->ops->cas(v, places[p], LOG2(log2), expected, (pb_u128){ 0x66, 0 }, &old, &fault),
                PB_MEM_OK);
            CU_ASSERT_EQUAL(old.lo, 0x55);
            CU_ASSERT_EQUAL(load(v, places[p], LOG2(log2)), 0x66);
            CU_ASSERT_EQUAL(
                v->ops->cas(v, places[p], LOG2(log2), expected, (pb_u128){ 0x77, 0 }, &old, &fault),
                PB_MEM_OK);
            CU_ASSERT_EQUAL(old.lo, 0x66);
            CU_ASSERT_EQUAL(load(v, places[p], LOG2(log2)), 0x66);
        }
    }
    bench_finish(&b);
}

static void compare_and_swap_of_pairs(void)
{
    static const uint32_t orders[] = { 0, PB_MEM_BIG_ENDIAN };
    bench b;

    bench_init(&b, 1);
    for (size_t i = 0; i < PB_ARRAY_SIZE(orders); i++) {
        pb_u128 one = { 1, 2 }, two = { 3, 4 }, old;
        uint32_t attr = LOG2(4) | orders[i];
        pb_guest_fault fault;
        pb_vcpu *v = b.vcpu[0];

        CU_ASSERT_EQUAL(v->ops->store(v, 0x2000, attr, one, &fault), PB_MEM_OK);
        CU_ASSERT_EQUAL(v->ops->cas(v, 0x2000, attr, (pb_u128){ 1, 3 }, two, &old, &fault),
                        PB_MEM_OK);
        CU_ASSERT(old.lo == 1 && old.hi == 2);
        CU_ASSERT_EQUAL(v->ops->cas(v, 0x2000, attr, one, two, &old, &fault), PB_MEM_OK);
        CU_ASSERT(old.lo == 1 && old.hi == 2);
        CU_ASSERT_EQUAL(v->ops->load(v, 0x2000, attr, &old, &fault), PB_MEM_OK);
        CU_ASSERT(old.lo == 3 && old.hi == 4);
    }
    bench_finish(&b);
}

static bool read_only(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                      pb_guest_fault *fault)
{
    out->prot = PB_PROT_READ;
    return request->type != PB_ACCESS_WRITE;
}

static void faults(void)
{
    bench b;
    pb_guest_fault fault;
    uint64_t old;
    pb_vcpu *v;

    bench_init(&b, 1);
    v = b.vcpu[0];
    CU_ASSERT_EQUAL(
        v->ops->rmw(v, 0x2002, LOG2(3) | PB_MEM_ALIGN_LOG2(3), PB_RMW_ADD, 1, &old, &fault),
        PB_MEM_FAULT);
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_ALIGNMENT);
    CU_ASSERT_EQUAL(v->ops->rmw(v, DEVICE + 0x804, LOG2(2), PB_RMW_ADD, 1, &old, &fault),
                    PB_MEM_FAULT);
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_BUS);
    CU_ASSERT_EQUAL(v->ops->rmw(v, DEVICE + 2, LOG2(2), PB_RMW_ADD, 1, &old, &fault), PB_MEM_FAULT);
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_ALIGNMENT);
    CU_ASSERT_EQUAL(v->ops->rmw(v, 0x20000000, LOG2(2), PB_RMW_ADD, 1, &old, &fault), PB_MEM_FAULT);
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_BUS);
    b.walk = read_only;
    v->ops->tlb_flush(v, 1, PB_SCOPE_LOCAL);
    CU_ASSERT_EQUAL(v->ops->rmw(v, 0x2000, LOG2(3), PB_RMW_ADD, 1, &old, &fault), PB_MEM_FAULT);
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_WALK);
    CU_ASSERT_EQUAL(fault.type, PB_ACCESS_WRITE);
    bench_finish(&b);
}

static void exclusives(void)
{
    bench b;
    pb_u128 value = { 0, 0 };
    pb_guest_fault fault;
    pb_vcpu *v;

    bench_init(&b, 1);
    v = b.vcpu[0];
    store(v, 0x2000, LOG2(3), 10);
    CU_ASSERT_EQUAL(v->ops->stx(v, 0x2000, LOG2(3), value, &fault), PB_MEM_FAIL); /* none */

    CU_ASSERT_EQUAL(v->ops->ldx(v, 0x2000, LOG2(3), &value, &fault), PB_MEM_OK);
    CU_ASSERT_EQUAL(value.lo, 10);
    CU_ASSERT_EQUAL(v->ops->stx(v, 0x2000, LOG2(3), (pb_u128){ 11, 0 }, &fault), PB_MEM_OK);
    CU_ASSERT_EQUAL(load(v, 0x2000, LOG2(3)), 11);
    CU_ASSERT_EQUAL(v->ops->stx(v, 0x2000, LOG2(3), (pb_u128){ 12, 0 }, &fault),
                    PB_MEM_FAIL); /* once */

    CU_ASSERT_EQUAL(v->ops->ldx(v, 0x2000, LOG2(3), &value, &fault), PB_MEM_OK);
    store(v, 0x2000, LOG2(3), 20);
    CU_ASSERT_EQUAL(v->ops->stx(v, 0x2000, LOG2(3), (pb_u128){ 12, 0 }, &fault), PB_MEM_FAIL);
    CU_ASSERT_EQUAL(v->ops->ldx(v, 0x2000, LOG2(3), &value, &fault), PB_MEM_OK);
    CU_ASSERT_EQUAL(v->ops->stx(v, 0x2000, LOG2(2), (pb_u128){ 12, 0 }, &fault),
                    PB_MEM_FAIL); /* size */
    CU_ASSERT_EQUAL(v->ops->ldx(v, 0x2000, LOG2(3), &value, &fault), PB_MEM_OK);
    CU_ASSERT_EQUAL(v->ops->stx(v, 0x2008, LOG2(3), (pb_u128){ 12, 0 }, &fault),
                    PB_MEM_FAIL); /* place */
    CU_ASSERT_EQUAL(load(v, 0x2000, LOG2(3)), 20);

    CU_ASSERT_EQUAL(v->ops->ldx(v, DEVICE, LOG2(3), &value, &fault), PB_MEM_FAULT);
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_EXCLUSIVE);
    CU_ASSERT_EQUAL(v->ops->ldx(v, 0x2002, LOG2(3), &value, &fault), PB_MEM_FAULT);
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_ALIGNMENT);

    for (uint32_t log2 = 0; log2 <= 4; log2++) {
        uint32_t attr = LOG2(log2) | PB_MEM_BIG_ENDIAN;

        CU_ASSERT_EQUAL(v->ops->ldx(v, 0x3000, attr, &value, &fault), PB_MEM_OK);
        CU_ASSERT_EQUAL(v->ops->stx(v, 0x3000, attr, (pb_u128){ 0x42, 0 }, &fault), PB_MEM_OK);
        CU_ASSERT_EQUAL(load(v, 0x3000 + (1u << log2) - 1, LOG2(0)), 0x42);
        store(v, 0x3000, LOG2(3), 0);
        store(v, 0x3008, LOG2(3), 0);
    }
    bench_finish(&b);
}

/* ---- across threads -------------------------------------------------------------------------------------- */

#define ROUNDS 20000

/* Four counters, counted up by four vCPUs in four ways. 0x5ffd is misaligned and lies in two pages. */
static uint32_t count_up(pb_vcpu *v, bench_state *s)
{
    pb_u128 value, old, pair;
    pb_guest_fault fault;

    if (s->executed < ROUNDS) {
        rmw(v, 0x4000, LOG2(2), PB_RMW_ADD, 1);
        rmw(v, 0x4006, LOG2(1) | PB_MEM_BIG_ENDIAN, PB_RMW_ADD, 1);
        do
            v->ops->ldx(v, 0x4010, LOG2(3), &value, &fault);
        while (v->ops->stx(v, 0x4010, LOG2(3), (pb_u128){ value.lo + 1, 0 }, &fault) != PB_MEM_OK);
        v->ops->load(v, 0x4020, LOG2(4) | PB_MEM_ATOMIC, &pair, &fault);
        for (;;) {
            expect(s->b, pair.lo == pair.hi); /* never torn */
            v->ops->cas(v, 0x4020, LOG2(4), pair, (pb_u128){ pair.lo + 1, pair.hi + 1 }, &old,
                        &fault);
            if (old.lo == pair.lo && old.hi == pair.hi)
                break;
            pair = old;
        }
        if (s->executed % 100 == 0)
            rmw(v, 0x5ffd, LOG2(3), PB_RMW_ADD, 1);
        return 0;
    }
    if (s->executed == ROUNDS &&
        __atomic_add_fetch(&s->b->rounds, 1, __ATOMIC_SEQ_CST) == MOST_VCPUS)
        end_run(s->b);
    return PB_RUN_YIELD;
}

static void counting_in_four_ways(void)
{
    pb_u128 pair;
    pb_guest_fault fault;
    bench b;

    bench_init(&b, MOST_VCPUS);
    b.insn = count_up;
    bench_run_to_end(&b);
    CU_ASSERT_EQUAL(load(b.vcpu[0], 0x4000, LOG2(2)), MOST_VCPUS * ROUNDS);
    CU_ASSERT_EQUAL(load(b.vcpu[0], 0x4006, LOG2(1) | PB_MEM_BIG_ENDIAN),
                    (MOST_VCPUS * ROUNDS) & 0xffff);
    CU_ASSERT_EQUAL(load(b.vcpu[0], 0x4010, LOG2(3)), MOST_VCPUS * ROUNDS);
    b.vcpu[0]->ops->load(b.vcpu[0], 0x4020, LOG2(4), &pair, &fault);
    CU_ASSERT(pair.lo == MOST_VCPUS * ROUNDS && pair.hi == MOST_VCPUS * ROUNDS);
    CU_ASSERT_EQUAL(load(b.vcpu[0], 0x5ffd, LOG2(3)), MOST_VCPUS * ROUNDS / 100);
    bench_finish(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "operations", operations },
        { "sizes", sizes },
        { "compare and swap", compare_and_swap },
        { "compare and swap of pairs", compare_and_swap_of_pairs },
        { "faults", faults },
        { "exclusives", exclusives },
        { "four vCPUs count in four ways", counting_in_four_ways },
        { 0 },
    };

    return unit_run("vCPU: atomics", cases);
}
