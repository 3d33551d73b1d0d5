/*
 * The TLB, its flushes, and changes of the memory map: core/vcpu/tlb.c.
 */
#include "bench.h"

/* Addresses from 1 GiB up go through a table: page n lies at physical page table[n]. */
#define WINDOW (UINT64_C(1) << 30)
#define PAGES  64

static uint64_t table[PAGES];  /* atomic: physical page */
static uint64_t mapping_bytes; /* of the window's mappings */

static bool by_table(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                     pb_guest_fault *fault)
{
    uint64_t page;

    if (request->gva < WINDOW)
        return true;
    page =
        __atomic_load_n(&table[(request->gva - WINDOW) / PB_PAGE_SIZE % PAGES], __ATOMIC_SEQ_CST);
    out->gpa = page * PB_PAGE_SIZE + (request->gva & PB_PAGE_MASK);
    out->page_bytes = mapping_bytes;
    return true;
}

static uint64_t window(uint32_t page)
{
    return WINDOW + page * PB_PAGE_SIZE;
}

static void init(bench *b, uint32_t count)
{
    bench_init(b, count);
    b->walk = by_table;
    mapping_bytes = PB_PAGE_SIZE;
    for (uint32_t i = 0; i < PAGES; i++)
        table[i] = i;
    for (uint32_t i = 0; i < RAM_BYTES / PB_PAGE_SIZE; i++)
        pb_ram_host(b->ram)[i * PB_PAGE_SIZE] = (uint8_t)i;
}

static uint64_t seen(pb_vcpu *v, uint32_t page)
{
    return load(v, window(page), LOG2(0));
}

static void until_flushed(void)
{
    bench b;
    pb_vcpu *v;
    uint32_t epoch;

    init(&b, 1);
    v = b.vcpu[0];
    CU_ASSERT_EQUAL(seen(v, 3), 3);
    table[3] = 7;
    CU_ASSERT_EQUAL(seen(v, 3), 3); /* as on hardware */
    epoch = v->tlb_epoch;
    v->ops->tlb_flush_page(v, window(4), PB_PAGE_SIZE, 1, PB_SCOPE_LOCAL); /* another page */
    CU_ASSERT_NOT_EQUAL(v->tlb_epoch, epoch);
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

/* ---- the memory map -------------------------------------------------------------------------------------- */

static pb_ram *other;
static pb_bus_region *other_region;

static void move_region(bench *b, uint64_t value)
{
    pb_bus_region_set_visible(other_region, value != 0);
}

static void add_other(bench *b)
{
    other = pb_ram_new(b->bus, "other", 0x1000, PB_RAM_PAGES, NULL);
    other_region = pb_bus_region_new_ram(b->bus, "other", other, 0, 0x1000);
    pb_ram_host(other)[0] = 99;
    pb_bus_region_add(b->root, other_region, 0x6000, 1); /* over the RAM */
    b->on_device_write = move_region;
}

static void drop_other(void)
{
    pb_bus_region_unref(other_region);
    pb_ram_unref(other);
}

static uint32_t change_own_map(pb_vcpu *v, bench_state *s)
{
    uint64_t want = s->executed & 1;

    store(v, DEVICE, LOG2(2), want);
    expect(s->b, load(v, 0x6000, LOG2(0)) == (want ? 99 : 11)); /* the next instruction */
    store(v, 0x6008, LOG2(0), want);
    expect(s->b, pb_ram_host(want ? other : s->b->ram)[want ? 8 : 0x6008] == want);
    if (s->executed == 2000)
        end_run(s->b);
    return 0;
}

static void own_changes_are_seen_at_once(void)
{
    bench b;

    bench_init(&b, 1);
    pb_ram_host(b.ram)[0x6000] = 11;
    add_other(&b);
    b.insn = change_own_map;
    bench_run_to_end(&b);
    drop_other();
    bench_finish(&b);
}

/* vCPU 0 shows and hides; others look until they have seen it change. RAM that is dropped meanwhile stays mapped as
 * long as somebody can reach it: otherwise this crashes. */
static uint32_t look_at_map(pb_vcpu *v, bench_state *s)
{
    static _Thread_local uint64_t last;
    uint64_t value;

    if (v->index == 0) {
        store(v, DEVICE, LOG2(2), s->executed & 1);
        return 0;
    }
    value = load(v, 0x6000, LOG2(0));
    expect(s->b, value == 99 || value == 11);
    if (value != last && __atomic_add_fetch(&s->b->rounds, 1, __ATOMIC_SEQ_CST) == 200)
        end_run(s->b);
    last = value;
    return 0;
}

static void renew_region(bench *b, uint64_t value)
{
    if (!value) {
        pb_bus_region_remove(other_region);
        drop_other();
    } else {
        add_other(b);
        b->on_device_write = renew_region;
    }
}

static void others_see_changes(void)
{
    bench b;

    bench_init(&b, 3);
    pb_ram_host(b.ram)[0x6000] = 11;
    add_other(&b);
    b.insn = look_at_map;
    bench_run_to_end(&b);
    drop_other();
    bench_finish(&b);
}

static void others_use_ram_that_goes(void)
{
    bench b;

    bench_init(&b, 3);
    pb_ram_host(b.ram)[0x6000] = 11;
    add_other(&b);
    b.on_device_write = renew_region;
    pb_bus_region_remove(other_region);
    drop_other();
    state_of(b.vcpu[0])->executed = 1; /* begins with adding */
    b.insn = look_at_map;
    bench_run_to_end(&b);
    if (state_of(b.vcpu[0])->executed % 2 == 0)
        drop_other();
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
        { "tlb_sync does not wait for sleepers", sync_does_not_wait_for_sleepers },
        { "own changes of the map are seen at once", own_changes_are_seen_at_once },
        { "others see changes of the map", others_see_changes },
        { "others use RAM that goes away", others_use_ram_that_goes },
        { 0 },
    };

    return unit_run("vCPU: TLB", cases);
}
