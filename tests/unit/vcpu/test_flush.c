/* Flushes of the TLB, own and broadcast: core/vcpu/flush.c. */
#include "tlb.h"

static void until_flushed(void)
{
    bench b;
    pb_vcpu *v;
    uint32_t epoch;

    init(&b, 1);
    v = b.vcpu[0];
    CU_ASSERT_EQUAL(seen(v, 3), 3);
    table[3] = 7;
    CU_ASSERT_EQUAL(seen(v, 3), 3);                                        /* as on hardware */
    v->ops->tlb_flush_page(v, window(4), PB_PAGE_SIZE, 1, PB_SCOPE_LOCAL); /* another page */
    CU_ASSERT_EQUAL(seen(v, 3), 3);
    v->ops->tlb_flush_page(v, window(3) + 8, 1, 2, PB_SCOPE_LOCAL); /* another index */
    CU_ASSERT_EQUAL(seen(v, 3), 3);
    v->ops->tlb_flush_page(v, window(3) + 8, 1, 1, PB_SCOPE_LOCAL);
    CU_ASSERT_EQUAL(seen(v, 3), 7);
    table[3] = 9;
    epoch = v->tlb_epoch;
    v->ops->tlb_flush(v, 1, PB_SCOPE_LOCAL);
    CU_ASSERT_NOT_EQUAL(v->tlb_epoch, epoch);
    CU_ASSERT_EQUAL(seen(v, 3), 9);
    bench_finish(&b);
}

static void ranges_of_pages(void)
{
    static const uint64_t sizes[] = { 4 * PB_PAGE_SIZE, 3 * PB_PAGE_SIZE + 1, UINT64_C(1) << 40,
                                      UINT64_MAX };
    bench b;

    init(&b, 1);
    for (size_t i = 0; i < PB_ARRAY_SIZE(sizes); i++) {
        for (uint32_t p = 0; p < 8; p++) {
            table[p] = p;
            seen(b.vcpu[0], p);
        }
        b.vcpu[0]->ops->tlb_flush(b.vcpu[0], 0xffff, PB_SCOPE_LOCAL);
        for (uint32_t p = 0; p < 8; p++)
            seen(b.vcpu[0], p);
        for (uint32_t p = 0; p < 8; p++)
            table[p] = p + 20;
        b.vcpu[0]->ops->tlb_flush_page(b.vcpu[0], window(2), sizes[i], 1, PB_SCOPE_LOCAL);
        for (uint32_t p = 2; p < 6; p++)
            CU_ASSERT_EQUAL(seen(b.vcpu[0], p), p + 20);
    }
    bench_finish(&b);
}

static void pieces_of_larger_mappings(void)
{
    static const uint64_t sizes[] = { UINT64_C(1) << 16, UINT64_C(2) << 20, UINT64_C(1) << 30,
                                      UINT64_C(1) << 39 };
    bench b;

    for (size_t i = 0; i < PB_ARRAY_SIZE(sizes); i++) {
        init(&b, 1);
        mapping_bytes = sizes[i];
        seen(b.vcpu[0], 0);
        seen(b.vcpu[0], 5);
        table[0] = 30;
        table[5] = 35;
        /* One address of the mapping, that was never looked at, stands for all. */
        b.vcpu[0]->ops->tlb_flush_page(b.vcpu[0], window(9), 1, 1, PB_SCOPE_LOCAL);
        CU_ASSERT_EQUAL(seen(b.vcpu[0], 0), 30);
        CU_ASSERT_EQUAL(seen(b.vcpu[0], 5), 35);
        bench_finish(&b);
    }
}

static void broadcast_while_nothing_runs(void)
{
    bench b;

    init(&b, 2);
    seen(b.vcpu[1], 3);
    table[3] = 7;
    b.vcpu[0]->ops->tlb_flush_page(b.vcpu[0], window(3), 1, 1, PB_SCOPE_ALL);
    b.vcpu[0]->ops->tlb_sync(b.vcpu[0]);
    CU_ASSERT_EQUAL(seen(b.vcpu[1], 3), 7);
    bench_finish(&b);
}

/* Each vCPU moves its own page to a new frame, broadcasts, waits, and scribbles over the old frame, which nobody may
 * look at any more. All look at all pages all the time. Frame 64 + 2v + k holds the byte 100 + v, or 0 when given
 * up. */
#define STORMS 400

static uint32_t storm(pb_vcpu *v, bench_state *s)
{
    uint32_t me = v->index;
    uint8_t *host = pb_ram_host(s->b->ram);
    uint64_t old = table[me], new = 64 + 2 * me + (old == 64 + 2 * me);

    for (uint32_t i = 0; i < MOST_VCPUS; i++)
        expect(s->b, seen(v, i) == 100 + i);
    if (s->executed >= STORMS) {
        if (s->executed == STORMS &&
            __atomic_add_fetch(&s->b->rounds, 1, __ATOMIC_SEQ_CST) == MOST_VCPUS)
            end_run(s->b);
        return PB_RUN_YIELD;
    }
    __atomic_store_n(&host[new *PB_PAGE_SIZE], 100 + me, __ATOMIC_SEQ_CST);
    __atomic_store_n(&table[me], new, __ATOMIC_SEQ_CST);
    if (s->executed % 3 == 0)
        v->ops->tlb_flush(v, 1, PB_SCOPE_ALL);
    else
        for (uint32_t i = 0; i < 1 + s->executed % 50; i++) /* more than are remembered singly */
            v->ops->tlb_flush_page(v, window(me) + i * (WINDOW / 2), 1, 1, PB_SCOPE_ALL);
    v->ops->tlb_sync(v);
    __atomic_store_n(&host[old * PB_PAGE_SIZE], 0, __ATOMIC_SEQ_CST);
    return 0;
}

static void flush_storm(void)
{
    bench b;

    init(&b, MOST_VCPUS);
    for (uint32_t i = 0; i < MOST_VCPUS; i++) {
        table[i] = 64 + 2 * i;
        pb_ram_host(b.ram)[table[i] * PB_PAGE_SIZE] = (uint8_t)(100 + i);
    }
    b.insn = storm;
    bench_run_to_end(&b);
    bench_finish(&b);
}

/* The same with address spaces: each vCPU has a page of its own in both of two spaces and a global one, moves one of them
 * after the other, and tells of no more than that. Slot 3v + k is page v of space k, or (k = 2) the global page 32 + v. */
static uint32_t space_now[MOST_VCPUS]; /* each used by its own thread */

static uint32_t slot_at(uint32_t n, uint32_t space)
{
    return n >= 32 ? 3 * (n - 32) + 2 : 3 * n + space;
}

static bool by_slot(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                    pb_guest_fault *fault)
{
    uint32_t n = (uint32_t)((request->gva - WINDOW) / PB_PAGE_SIZE % PAGES);
    uint32_t slot = slot_at(n, space_now[vcpu->index]);

    out->gpa = __atomic_load_n(&table[slot], __ATOMIC_SEQ_CST) * PB_PAGE_SIZE +
               (request->gva & PB_PAGE_MASK);
    out->global = n >= 32;
    return true;
}

static void look_around(pb_vcpu *v, bench *b)
{
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < MOST_VCPUS; i++) {
            expect(b, seen(v, i) == 100 + slot_at(i, space_now[v->index]));
            expect(b, seen(v, 32 + i) == 100 + slot_at(32 + i, 0));
        }
        space_now[v->index] ^= 1;
        v->ops->tlb_switch(v, 1, 0, space_now[v->index]);
    }
}

static void tell(pb_vcpu *v, uint32_t slot, uint64_t turn)
{
    uint32_t k = slot % 3;
    pb_tlb_flush flush = { .size = sizeof(flush),
                           .mmu_mask = 1,
                           .scope = PB_SCOPE_ALL,
                           .whose = k == 2     ? PB_TLB_GUEST
                                    : turn & 1 ? PB_TLB_SPACE
                                               : PB_TLB_SPACE_AND_GLOBAL,
                           .space = k == 2 ? 0 : k,
                           .gva = window(slot / 3 + (k == 2 ? 32 : 0)),
                           .bytes = turn & 2 ? 0 : 1 };

    v->ops->tlb_flush_some(v, &flush);
    v->ops->tlb_sync(v);
}

static uint32_t space_storm(pb_vcpu *v, bench_state *s)
{
    uint32_t slot = 3 * v->index + s->executed % 3;
    uint8_t *host = pb_ram_host(s->b->ram);
    uint64_t old = table[slot], new = 64 + 2 * slot + (old == 64 + 2 * slot);

    look_around(v, s->b);
    if (s->executed >= STORMS) {
        if (s->executed == STORMS &&
            __atomic_add_fetch(&s->b->rounds, 1, __ATOMIC_SEQ_CST) == MOST_VCPUS)
            end_run(s->b);
        return PB_RUN_YIELD;
    }
    __atomic_store_n(&host[new *PB_PAGE_SIZE], 100 + slot, __ATOMIC_SEQ_CST);
    __atomic_store_n(&table[slot], new, __ATOMIC_SEQ_CST);
    tell(v, slot, s->executed / 3);
    __atomic_store_n(&host[old * PB_PAGE_SIZE], 0, __ATOMIC_SEQ_CST);
    return 0;
}

static void flush_storm_in_spaces(void)
{
    bench b;

    init(&b, MOST_VCPUS);
    b.walk = by_slot;
    for (uint32_t i = 0; i < 3 * MOST_VCPUS; i++) {
        table[i] = 64 + 2 * i;
        pb_ram_host(b.ram)[table[i] * PB_PAGE_SIZE] = (uint8_t)(100 + i);
    }
    memset(space_now, 0, sizeof(space_now));
    b.insn = space_storm;
    bench_run_to_end(&b);
    bench_finish(&b);
}

static uint32_t sleep_or_flush(pb_vcpu *v, bench_state *s)
{
    if (v->index == 1)
        return PB_RUN_IDLE;
    if (v->index == 2) {
        v->ops->set_powered(v, false);
        return 0;
    }
    v->ops->tlb_flush(v, 1, PB_SCOPE_ALL);
    v->ops->tlb_sync(v);
    if (s->executed == 3000)
        end_run(s->b);
    return 0;
}

static void sync_does_not_wait_for_sleepers(void)
{
    bench b;

    init(&b, 3);
    b.insn = sleep_or_flush;
    bench_run_to_end(&b);
    CU_ASSERT(executed(&b, 1) <= 1); /* it stayed asleep */
    bench_finish(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "translations stay until flushed", until_flushed },
        { "ranges of pages", ranges_of_pages },
        { "pieces of larger mappings", pieces_of_larger_mappings },
        { "broadcast while nothing runs", broadcast_while_nothing_runs },
        { "flush storm", flush_storm },
        { "flush storm in address spaces", flush_storm_in_spaces },
        { "tlb_sync does not wait for sleepers", sync_does_not_wait_for_sleepers },
        { 0 },
    };

    return unit_run("vCPU: flushes", cases);
}
