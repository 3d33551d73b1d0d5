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

/* ---- address spaces ---------------------------------------------------------------------------------------- */

/* Pages 0 to 31 of the window are the current space's own, 32 to 63 global: page n of space s of guest g lies at
 * physical page n + s + 4 * g, a global one at n + 4 * g, modulo 64. */
static uint32_t in_guest, in_space, walks;
static uint32_t moved; /* added to all of it: the tables changed */

static bool by_space(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                     pb_guest_fault *fault)
{
    uint64_t n = (request->gva - WINDOW) / PB_PAGE_SIZE % PAGES;

    walks++;
    if (request->gva < WINDOW)
        return true;
    out->global = n >= 32;
    out->gpa = (n + 4 * in_guest + (out->global ? 0 : in_space) + moved) % PAGES * PB_PAGE_SIZE +
               (request->gva & PB_PAGE_MASK);
    out->page_bytes = mapping_bytes;
    return true;
}

static void init_spaces(bench *b)
{
    init(b, 1);
    b->walk = by_space;
    in_guest = in_space = moved = walks = 0;
}

static void go(pb_vcpu *v, uint32_t guest, uint32_t space)
{
    in_guest = guest;
    in_space = space;
    v->ops->tlb_switch(v, 1, guest, space);
}

/* Whether a page is as it was before `moved` changed, of a space. */
static bool is_old(pb_vcpu *v, uint32_t guest, uint32_t space, uint32_t n)
{
    uint64_t as_it_was = (n + 4 * guest + (n >= 32 ? 0 : space)) % PAGES;

    go(v, guest, space);
    return seen(v, n) == as_it_was;
}

static void spaces_come_back(void)
{
    bench b;
    pb_vcpu *v;

    init_spaces(&b);
    v = b.vcpu[0];
    for (uint32_t s = 0; s < 3; s++) {
        go(v, 0, s);
        CU_ASSERT_EQUAL(seen(v, 5), 5 + s);
        CU_ASSERT_EQUAL(seen(v, 40), 40);
        CU_ASSERT_EQUAL(walks, 2 + s); /* the global one once */
    }
    go(v, 1, 0);
    CU_ASSERT_EQUAL(seen(v, 5), 9);
    CU_ASSERT_EQUAL(seen(v, 40), 44);
    CU_ASSERT_EQUAL(walks, 6);
    for (uint32_t s = 0; s < 3; s++) {
        go(v, 0, s);
        CU_ASSERT_EQUAL(seen(v, 5), 5 + s);
        CU_ASSERT_EQUAL(seen(v, 40), 40);
    }
    CU_ASSERT_EQUAL(walks, 6);
    bench_finish(&b);
}

/* More than have rows: the ones that went are walked for again, and nothing is taken for something else. */
static void more_spaces_than_rows(void)
{
    bench b;

    init_spaces(&b);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t s = 0; s < 50; s++) {
            go(b.vcpu[0], s % 3, s);
            CU_ASSERT_EQUAL(seen(b.vcpu[0], 3), (3 + 4 * (s % 3) + s) % PAGES);
            CU_ASSERT_EQUAL(seen(b.vcpu[0], 33), (33 + 4 * (s % 3)) % PAGES);
        }
    }
    bench_finish(&b);
}

static const struct {
    uint32_t whose;
    bool pages;
    /* What is left: own and global pages 1 and 2 of the space that is flushed, another of its guest, another guest. */
    bool own_1, own_2, global_1, global_2, other_1, other_2, guest_1;
} flush_cases[] = {
    { PB_TLB_ALL, false, 0, 0, 0, 0, 0, 0, 0 },
    { PB_TLB_ALL, true, 0, 1, 1, 1, 0, 1, 0 },
    { PB_TLB_GUEST, false, 0, 0, 0, 0, 0, 0, 1 },
    { PB_TLB_GUEST, true, 0, 1, 1, 1, 0, 1, 1 },
    { PB_TLB_SPACE, false, 0, 0, 1, 1, 1, 1, 1 },
    { PB_TLB_SPACE, true, 0, 1, 1, 1, 1, 1, 1 },
    { PB_TLB_SPACE_AND_GLOBAL, false, 0, 0, 0, 0, 1, 1, 1 },
    { PB_TLB_SPACE_AND_GLOBAL, true, 0, 1, 1, 1, 1, 1, 1 },
};

/* Each flush, of the space that is current and of one that is not. */
static void flushes_of_spaces(void)
{
    for (size_t i = 0; i < 2 * PB_ARRAY_SIZE(flush_cases); i++) {
        uint32_t k = (uint32_t)i / 2;
        pb_tlb_flush flush = { .size = sizeof(flush),
                               .mmu_mask = 1,
                               .whose = flush_cases[k].whose,
                               .guest = 2,
                               .space = 7,
                               .gva = window(1),
                               .bytes = flush_cases[k].pages ? 1 : 0 };
        bench b;
        pb_vcpu *v;

        init_spaces(&b);
        v = b.vcpu[0];
        go(v, 1, 7), seen(v, 1);
        go(v, 2, 6), seen(v, 1), seen(v, 2);
        go(v, 2, 7), seen(v, 1), seen(v, 2), seen(v, 33), seen(v, 34);
        if (i & 1)
            go(v, 2, 5);
        moved = 11;
        v->ops->tlb_flush_some(v, &flush);
        CU_ASSERT_EQUAL(is_old(v, 2, 7, 1), flush_cases[k].own_1);
        CU_ASSERT_EQUAL(is_old(v, 2, 7, 2), flush_cases[k].own_2);
        CU_ASSERT_EQUAL(is_old(v, 2, 7, 33), flush_cases[k].global_1);
        CU_ASSERT_EQUAL(is_old(v, 2, 7, 34), flush_cases[k].global_2);
        CU_ASSERT_EQUAL(is_old(v, 2, 6, 1), flush_cases[k].other_1);
        CU_ASSERT_EQUAL(is_old(v, 2, 6, 2), flush_cases[k].other_2);
        CU_ASSERT_EQUAL(is_old(v, 1, 7, 1), flush_cases[k].guest_1);
        bench_finish(&b);
    }
}

/* By the address of a global page. */
static void flushes_of_global_pages(void)
{
    static const struct {
        uint32_t whose, space;
        bool is_left;
    } cases[] = { { PB_TLB_ALL, 0, false },
                  { PB_TLB_GUEST, 0, false },
                  { PB_TLB_SPACE, 0, true },
                  { PB_TLB_SPACE_AND_GLOBAL, 0, false },
                  { PB_TLB_SPACE_AND_GLOBAL, 9, false } }; /* a space that nobody was in */

    for (size_t i = 0; i < PB_ARRAY_SIZE(cases); i++) {
        pb_tlb_flush flush = { .size = sizeof(flush),
                               .mmu_mask = 1,
                               .whose = cases[i].whose,
                               .space = cases[i].space,
                               .gva = window(40),
                               .bytes = 1 };
        bench b;

        init_spaces(&b);
        seen(b.vcpu[0], 40);
        moved = 1;
        b.vcpu[0]->ops->tlb_flush_some(b.vcpu[0], &flush);
        CU_ASSERT_EQUAL(is_old(b.vcpu[0], 0, 0, 40), cases[i].is_left);
        bench_finish(&b);
    }
}

/* A piece of a larger mapping in a space that is not current. */
static void larger_mappings_of_other_spaces(void)
{
    pb_tlb_flush flush = {
        .size = sizeof(flush), .mmu_mask = 1, .whose = PB_TLB_SPACE, .bytes = 1
    };
    bench b;

    init_spaces(&b);
    mapping_bytes = UINT64_C(2) << 20;
    go(b.vcpu[0], 0, 1), seen(b.vcpu[0], 0);
    mapping_bytes = PB_PAGE_SIZE;
    go(b.vcpu[0], 0, 2), seen(b.vcpu[0], 0);
    moved = 11;
    flush.gva = window(9); /* never looked at */
    flush.space = 1;
    b.vcpu[0]->ops->tlb_flush_some(b.vcpu[0], &flush);
    CU_ASSERT(is_old(b.vcpu[0], 0, 2, 0));
    CU_ASSERT_FALSE(is_old(b.vcpu[0], 0, 1, 0));
    bench_finish(&b);
}

/* So many flushes that the numbers in tags are used up several times. */
static void numbers_start_over(void)
{
    const pb_tlb_flush flush = { .size = sizeof(flush), .mmu_mask = 1, .whose = PB_TLB_SPACE };
    bench b;
    pb_vcpu *v;

    init_spaces(&b);
    v = b.vcpu[0];
    go(v, 0, 1);
    seen(v, 7);
    for (uint32_t i = 0; i < 20000; i++) {
        go(v, 0, 0);
        moved = i;
        v->ops->tlb_flush_some(v, &flush);
        expect(&b, seen(v, 7) == (7 + i) % PAGES);
        go(v, 0, 1); /* walked for again when numbers started over, else as it was */
        moved = 0;
        expect(&b, seen(v, 7) == 8);
    }
    CU_ASSERT_EQUAL(b.failures, 0);
    CU_ASSERT(walks < 20050);
    bench_finish(&b);
}

static void ask_code(pb_vcpu *v, uint32_t n)
{
    pb_guest_fault fault;
    pb_code_page page;

    CU_ASSERT_EQUAL(v->ops->code(v, window(n), 0, &page, &fault), PB_MEM_OK);
    v->ops->code_reads(v, &page, 0, 4);
}

static void epochs(void)
{
    pb_tlb_flush flush = {
        .size = sizeof(flush), .mmu_mask = 1, .whose = PB_TLB_SPACE, .bytes = 1
    };
    uint32_t first, second;
    bench b;
    pb_vcpu *v;

    init_spaces(&b);
    v = b.vcpu[0];
    go(v, 0, 1);
    first = v->tlb_epoch;
    ask_code(v, 3);
    go(v, 0, 2);
    second = v->tlb_epoch;
    CU_ASSERT_NOT_EQUAL(second, first);
    go(v, 0, 1);
    CU_ASSERT_EQUAL(v->tlb_epoch, first);
    seen(v, 4);
    flush.space = 1;
    flush.gva = window(4); /* no code */
    v->ops->tlb_flush_some(v, &flush);
    CU_ASSERT_EQUAL(v->tlb_epoch, first);
    flush.gva = window(3);
    v->ops->tlb_flush_some(v, &flush);
    CU_ASSERT_NOT_EQUAL(v->tlb_epoch, first);
    CU_ASSERT_NOT_EQUAL(v->tlb_epoch, second);
    go(v, 0, 2);
    CU_ASSERT_EQUAL(v->tlb_epoch, second);
    flush.bytes = 0; /* all of space 1 */
    v->ops->tlb_flush_some(v, &flush);
    CU_ASSERT_EQUAL(v->tlb_epoch, second);
    flush.whose = PB_TLB_GUEST;
    v->ops->tlb_flush_some(v, &flush);
    CU_ASSERT_NOT_EQUAL(v->tlb_epoch, second);
    first = v->tlb_epoch;
    go(v, 0, 1);
    second = v->tlb_epoch;
    go(v, 0, 2);
    v->ops->tlb_flush(v, 1, PB_SCOPE_LOCAL);
    CU_ASSERT_NOT_EQUAL(v->tlb_epoch, first);
    go(v, 0, 1);
    CU_ASSERT_NOT_EQUAL(v->tlb_epoch, second);
    bench_finish(&b);
}

/* An epoch that was known may not come back after a flush of a page with code, whoever asked for it. */
static void epochs_of_flushed_code(void)
{
    pb_tlb_flush flush = {
        .size = sizeof(flush), .mmu_mask = 1, .whose = PB_TLB_SPACE_AND_GLOBAL, .bytes = 1
    };
    uint32_t first;
    bench b;
    pb_vcpu *v;

    init_spaces(&b);
    v = b.vcpu[0];
    go(v, 0, 1);
    ask_code(v, 40); /* global */
    first = v->tlb_epoch;
    go(v, 0, 2);
    flush.space = 2;
    flush.gva = window(40);
    v->ops->tlb_flush_some(v, &flush);
    go(v, 0, 1);
    CU_ASSERT_NOT_EQUAL(v->tlb_epoch, first);
    bench_finish(&b);
}

/* ---- filling ----------------------------------------------------------------------------------------------- */

static bool table_in_device;

static bool walk_with_table(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                            pb_guest_fault *fault)
{
    const pb_attrs attrs = { .requester = vcpu->index };
    uint64_t value;

    if (request->gva >= window(32)) {
        *fault = (pb_guest_fault){ .kind = PB_FAULT_WALK };
        return false;
    }
    if (vcpu->ops->phys_read(vcpu, table_in_device ? DEVICE : 0, attrs, 4, &value) != PB_BUS_OK)
        return false;
    out->prot = request->gva < window(16) ? PB_PROT_READ | PB_PROT_WRITE : PB_PROT_READ;
    out->gpa = request->gva - WINDOW;
    if (request->gva == window(20))
        out->gpa = DEVICE;
    return true;
}

static void filling(void)
{
    const uint32_t attr = LOG2(3), aligned = LOG2(3) | PB_MEM_ALIGN_LOG2(3);
    bench b;
    pb_vcpu *v;

    init(&b, 1);
    b.walk = walk_with_table;
    table_in_device = false;
    v = b.vcpu[0];
    CU_ASSERT(v->ops->tlb_fill(v, window(1), attr, false));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_read[1], window(1));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[1], pb_tlb_invalid(1));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(1), attr, false)); /* that was not what is missing */
    CU_ASSERT(v->ops->tlb_fill(v, window(1), attr, true));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[1], window(1));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(2) - 4, attr, false)); /* crosses */
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(3) + 4, aligned, false));
    CU_ASSERT(v->ops->tlb_fill(v, window(17), attr, false));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(17), attr, true));  /* read-only */
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(33), attr, false)); /* nothing there */
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(20), attr, false)); /* a device */
    ask_code(v, 18);
    CU_ASSERT_EQUAL(b.device_reads, 0);
    table_in_device = true;
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(4), attr, false));
    CU_ASSERT_EQUAL(b.device_reads, 0);
    CU_ASSERT_EQUAL(load(v, window(4), LOG2(0)), 4); /* the access itself may */
    CU_ASSERT_EQUAL(b.device_reads, 1);
    bench_finish(&b);
}

/* What must be noticed is not filled: stores to code, to pages whose changes are logged. */
static void filling_of_traps(void)
{
    uint64_t dirty = 0;
    bench b;
    pb_vcpu *v;

    init(&b, 1);
    v = b.vcpu[0];
    ask_code(v, 5);
    CU_ASSERT(v->ops->tlb_fill(v, window(5), LOG2(0), false));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(5), LOG2(0), true));
    store(v, window(5), LOG2(0), 1); /* data again */
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[5], window(5));
    pb_ram_dirty_start(b.ram, PB_DIRTY_TOOL);
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[5], pb_tlb_invalid(5));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(5), LOG2(0), true));
    store(v, window(5), LOG2(0), 1);
    CU_ASSERT_EQUAL(pb_ram_dirty_take(b.ram, PB_DIRTY_TOOL, 5 * PB_PAGE_SIZE, PB_PAGE_SIZE, &dirty),
                    1);
    pb_ram_dirty_stop(b.ram, PB_DIRTY_TOOL);
    CU_ASSERT(v->ops->tlb_fill(v, window(5), LOG2(0), true));
    bench_finish(&b);
}

/* A mapping of less than a page, as of a page with watchpoints: every access is translated. */
static void parts_of_pages(void)
{
    bench b;
    pb_vcpu *v;

    init_spaces(&b);
    v = b.vcpu[0];
    mapping_bytes = PB_PAGE_SIZE / 2;
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(6), LOG2(0), i & 1));
        CU_ASSERT_EQUAL(seen(v, 6), 6);
        store(v, window(6) + 1, LOG2(0), i);
        CU_ASSERT_EQUAL(walks, 3 * (i + 1));
        CU_ASSERT_EQUAL(v->tlb[0]->tag_read[6], pb_tlb_invalid(6));
    }
    bench_finish(&b);
}

/* What emitted code would find of a page in the second level; null: nothing. */
static const pb_tlb2_entry *in_second(const pb_vcpu *v, uint64_t gva)
{
    const pb_tlb_refill *refill = v->refill[0];
    uint64_t page = gva >> PB_PAGE_BITS;

    for (uint32_t k = 0; k < 2; k++) {
        uint64_t set = (page ^ page >> PB_TLB2_BITS ^ refill->salt[k]) & refill->set_mask;

        for (uint32_t way = 0; way < PB_TLB2_WAYS; way++) {
            if (refill->second->tag[set][way] == (page << PB_PAGE_BITS | refill->space[k]))
                return &refill->second->entry[set][way];
        }
    }
    return NULL;
}

static void what_emitted_code_finds(void)
{
    bench b;
    pb_vcpu *v;
    const pb_tlb2_entry *entry;

    init_spaces(&b);
    v = b.vcpu[0];
    CU_ASSERT_PTR_NULL(v->refill[0]);
    go(v, 0, 3);
    seen(v, 2);
    entry = in_second(v, window(2));
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT_EQUAL(entry->plain, (uintptr_t)(pb_ram_host(b.ram) + 5 * PB_PAGE_SIZE) |
                                      PB_TLB2_READ | PB_TLB2_WRITE);
    CU_ASSERT_NOT_EQUAL(*entry->tagged, PB_TLB2_TAGGED); /* nobody wrote yet */
    store(v, window(2), LOG2(0), 1);
    CU_ASSERT_EQUAL(*entry->tagged, PB_TLB2_TAGGED);
    ask_code(v, 2);
    CU_ASSERT_NOT_EQUAL(*entry->tagged, PB_TLB2_TAGGED);
    CU_ASSERT_EQUAL(v->refill[0]->touched[0], PB_TLB_TOUCHED_LOCAL);
    seen(v, 40);
    CU_ASSERT_EQUAL(v->refill[0]->touched[5], PB_TLB_TOUCHED_GLOBAL);
    load(v, DEVICE, LOG2(2)); /* in no page of the window: by_space() leaves it where it is */
    entry = in_second(v, DEVICE);
    CU_ASSERT(entry && entry->plain == 0);
    go(v, 0, 4);
    CU_ASSERT_PTR_NULL(in_second(v, window(2)));
    CU_ASSERT_PTR_NOT_NULL(in_second(v, window(40)));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_read[2], pb_tlb_invalid(2));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_read[40], window(40));
    go(v, 0, 3);
    CU_ASSERT_PTR_NOT_NULL(in_second(v, window(2)));
    bench_finish(&b);
}

/* ---- blocks, and many pages -------------------------------------------------------------------------------------- */

/* A RAM of three MiB, of which a mapping of one GiB has one whole block and a half. */
#define BLOCKS UINT64_C(0x40000000)
#define UPPER  UINT64_C(0xffff800000000000)

static bool by_block(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                     pb_guest_fault *fault)
{
    walks++;
    out->gpa = request->gva & ~UPPER;
    out->page_bytes = UINT64_C(1) << 30;
    out->global = request->gva >= UPPER;
    return true;
}

static const pb_tlb2_entry *block_of(const pb_vcpu *v, uint64_t gva)
{
    const pb_tlb_refill *refill = v->refill[0];
    uint64_t n = gva >> PB_BLOCK_BITS;

    for (uint32_t k = 0; k < 2; k++) {
        uint64_t set = (n ^ n >> PB_TLB2_BLOCK_BITS ^ refill->salt[k]) & (PB_TLB2_BLOCK_SETS - 1);

        for (uint32_t way = 0; way < PB_TLB2_WAYS; way++) {
            if (refill->second->block_tag[set][way] == (n << PB_BLOCK_BITS | refill->space[k]))
                return &refill->second->block[set][way];
        }
    }
    return NULL;
}

/* One whole block, seen at gva. */
static void check_block(bench *b, pb_ram *ram, uint64_t gva)
{
    const pb_guest_fault none = { 0 };
    pb_vcpu *v = b->vcpu[0];
    const pb_tlb2_entry *entry;
    pb_guest_fault fault = none;
    pb_code_page code;

    walks = 0;
    CU_ASSERT_EQUAL(load(v, gva + 0x3000, LOG2(3)), 3);
    entry = block_of(v, gva);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT_PTR_NULL(in_second(v, gva + 0x3000));
    CU_ASSERT_EQUAL(entry->plain, (uintptr_t)pb_ram_host(ram) | PB_TLB2_READ | PB_TLB2_WRITE);
    CU_ASSERT_EQUAL(load(v, gva + 0x1ff000, LOG2(3)), 0x1ff);
    store(v, gva + 0x1fe008, LOG2(3), 77);
    CU_ASSERT_EQUAL(((uint64_t *)(void *)pb_ram_host(ram))[0x1fe008 / 8], 77);
    CU_ASSERT_EQUAL(entry->tagged[0x1fe], PB_TLB2_TAGGED);
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[0x1fe], gva + 0x1fe000);
    CU_ASSERT_EQUAL(v->ops->code(v, gva + 0x1fe000, 0, &code, &fault), PB_MEM_OK);
    CU_ASSERT_EQUAL(code.gpa, BLOCKS + 0x1fe000);
    v->ops->code_reads(v, &code, 0, 64); /* what the next store writes */
    CU_ASSERT_NOT_EQUAL(entry->tagged[0x1fe], PB_TLB2_TAGGED);
    CU_ASSERT_EQUAL(walks, 1);
    /* An address of the mapping that was never looked at. */
    v->ops->tlb_flush_page(v, gva + 0x88000, 1, 1, PB_SCOPE_LOCAL);
    CU_ASSERT_PTR_NULL(block_of(v, gva));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_read[3], pb_tlb_invalid(3));
    CU_ASSERT_EQUAL(load(v, gva + 0x4000, LOG2(3)), 4);
    CU_ASSERT_EQUAL(walks, 2);
}

/* A block half of which is memory. */
static void check_odd_block(bench *b, pb_ram *ram, uint64_t gva)
{
    uint64_t odd = gva + PB_BLOCK_SIZE;
    pb_vcpu *v = b->vcpu[0];

    walks = 0;
    CU_ASSERT_EQUAL(load(v, odd + 0x3000, LOG2(3)), 0x203);
    CU_ASSERT_EQUAL(load(v, odd + 0xff000, LOG2(3)), 0x2ff);
    CU_ASSERT(block_of(v, odd) && block_of(v, odd)->plain == 0);
    CU_ASSERT(in_second(v, odd + 0xff000) &&
              in_second(v, odd + 0xff000)->plain ==
                  ((uintptr_t)(pb_ram_host(ram) + 0x2ff000) | PB_TLB2_READ | PB_TLB2_WRITE));
    CU_ASSERT_EQUAL(load_fault(v, odd + 0x100000, LOG2(3)).kind, PB_FAULT_BUS);
    CU_ASSERT_EQUAL(walks, 1);
    v->ops->tlb_flush_page(v, odd + 0x3000, 1, 1, PB_SCOPE_LOCAL);
    CU_ASSERT_PTR_NULL(block_of(v, odd));
    CU_ASSERT_PTR_NULL(in_second(v, odd + 0xff000));
}

static void blocks(void)
{
    pb_bus_region *region;
    pb_ram *ram;
    bench b;

    init(&b, 1);
    b.walk = by_block;
    ram = pb_ram_new(b.bus, "blocks", 3 * (PB_BLOCK_SIZE / 2), PB_RAM_PAGES, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ram);
    region = pb_bus_region_new_ram(b.bus, "blocks", ram, 0, 3 * (PB_BLOCK_SIZE / 2));
    pb_bus_region_add(b.root, region, BLOCKS, 0);
    for (uint64_t i = 0; i < 0x300; i++)
        memcpy(pb_ram_host(ram) + i * PB_PAGE_SIZE, &i, sizeof(i));
    for (uint32_t i = 0; i < 2; i++) {
        check_block(&b, ram, i ? UPPER | BLOCKS : BLOCKS);
        check_odd_block(&b, ram, i ? UPPER | BLOCKS : BLOCKS);
    }
    pb_bus_region_unref(region);
    pb_ram_unref(ram);
    bench_finish(&b);
}

/* All addresses are mapped, in single pages. */
static bool by_anything(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                        pb_guest_fault *fault)
{
    walks++;
    out->gpa = request->gva & (RAM_BYTES - 1);
    return true;
}

static void touch(pb_vcpu *v, uint32_t pages)
{
    for (uint32_t i = 0; i < pages; i++)
        load(v, UPPER + i * PB_PAGE_SIZE, LOG2(0));
}

/* The second level grows with what is used, and not because flushes leave behind what nobody uses. */
static void growth(void)
{
    const pb_tlb_flush flush = { .size = sizeof(flush), .mmu_mask = 1, .whose = PB_TLB_SPACE };
    uint32_t fewest = (1u << PB_TLB2_BITS) - 1;
    bench b;
    pb_vcpu *v;

    init(&b, 1);
    b.walk = by_anything;
    v = b.vcpu[0];
    for (uint32_t i = 0; i < 100; i++) {
        touch(v, 2000);
        v->ops->tlb_flush_some(v, &flush);
    }
    CU_ASSERT_EQUAL(v->refill[0]->set_mask, fewest);
    for (uint32_t i = 0; i < 4; i++)
        touch(v, 30000);
    CU_ASSERT(v->refill[0]->set_mask > fewest);
    walks = 0;
    touch(v, 30000);
    CU_ASSERT_EQUAL(walks, 0);
    for (uint32_t i = 0; i < 4; i++)
        touch(v, 100000); /* never fit */
    CU_ASSERT_EQUAL(v->refill[0]->set_mask, PB_TLB2_SETS - 1);
    for (uint32_t i = 0; i < 5000; i++) { /* until numbers start over */
        touch(v, 1);
        v->ops->tlb_flush_some(v, &flush);
    }
    CU_ASSERT_EQUAL(v->refill[0]->set_mask, fewest);
    touch(v, 100);
    walks = 0;
    touch(v, 100);
    CU_ASSERT_EQUAL(walks, 0);
    bench_finish(&b);
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
        { "spaces come back", spaces_come_back },
        { "more spaces than rows", more_spaces_than_rows },
        { "flushes of spaces", flushes_of_spaces },
        { "flushes of global pages", flushes_of_global_pages },
        { "larger mappings of other spaces", larger_mappings_of_other_spaces },
        { "numbers start over", numbers_start_over },
        { "tlb_epoch", epochs },
        { "tlb_epoch after flushes of code", epochs_of_flushed_code },
        { "filling", filling },
        { "filling: what must be noticed", filling_of_traps },
        { "parts of pages", parts_of_pages },
        { "blocks", blocks },
        { "growth", growth },
        { "what emitted code finds", what_emitted_code_finds },
        { "broadcast while nothing runs", broadcast_while_nothing_runs },
        { "flush storm", flush_storm },
        { "flush storm in address spaces", flush_storm_in_spaces },
        { "tlb_sync does not wait for sleepers", sync_does_not_wait_for_sleepers },
        { "own changes of the map are seen at once", own_changes_are_seen_at_once },
        { "others see changes of the map", others_see_changes },
        { "others use RAM that goes away", others_use_ram_that_goes },
        { 0 },
    };

    return unit_run("vCPU: TLB", cases);
}
