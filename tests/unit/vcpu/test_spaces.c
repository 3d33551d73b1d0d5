/* Address spaces of the TLB, and vcpu->tlb_epoch: core/vcpu/spaces.c. */
#include "tlb.h"

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

int main(void)
{
    static const unit_case cases[] = {
        { "spaces come back", spaces_come_back },
        { "more spaces than rows", more_spaces_than_rows },
        { "flushes of spaces", flushes_of_spaces },
        { "flushes of global pages", flushes_of_global_pages },
        { "larger mappings of other spaces", larger_mappings_of_other_spaces },
        { "numbers start over", numbers_start_over },
        { "tlb_epoch", epochs },
        { "tlb_epoch after flushes of code", epochs_of_flushed_code },
        { 0 },
    };

    return unit_run("vCPU: address spaces", cases);
}
