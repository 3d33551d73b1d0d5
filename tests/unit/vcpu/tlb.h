/*
 * What tests of the TLB share: a window of addresses that go through a table, and address spaces.
 */
#ifndef TESTS_UNIT_VCPU_TLB_H
#define TESTS_UNIT_VCPU_TLB_H

#include "bench.h"

/* Addresses from 1 GiB up go through a table: page n lies at physical page table[n]. */
#define WINDOW (UINT64_C(1) << 30)
#define PAGES  64

static uint64_t table[PAGES];  /* atomic: physical page */
static uint64_t mapping_bytes; /* of the window's mappings */

static inline bool by_table(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
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

static inline uint64_t window(uint32_t page)
{
    return WINDOW + page * PB_PAGE_SIZE;
}

static inline void init(bench *b, uint32_t count)
{
    bench_init(b, count);
    b->walk = by_table;
    mapping_bytes = PB_PAGE_SIZE;
    for (uint32_t i = 0; i < PAGES; i++)
        table[i] = i;
    for (uint32_t i = 0; i < RAM_BYTES / PB_PAGE_SIZE; i++)
        pb_ram_host(b->ram)[i * PB_PAGE_SIZE] = (uint8_t)i;
}

static inline uint64_t seen(pb_vcpu *v, uint32_t page)
{
    return load(v, window(page), LOG2(0));
}

/* ---- address spaces ---------------------------------------------------------------------------------------- */

/* Pages 0 to 31 of the window are the current space's own, 32 to 63 global: page n of space s of guest g lies at
 * physical page n + s + 4 * g, a global one at n + 4 * g, modulo 64. */
static uint32_t in_guest, in_space, walks;
static uint32_t moved; /* added to all of it: the tables changed */

static inline bool by_space(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
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

static inline void init_spaces(bench *b)
{
    init(b, 1);
    b->walk = by_space;
    in_guest = in_space = moved = walks = 0;
}

static inline void go(pb_vcpu *v, uint32_t guest, uint32_t space)
{
    in_guest = guest;
    in_space = space;
    v->ops->tlb_switch(v, 1, guest, space);
}

static inline void ask_code(pb_vcpu *v, uint32_t n)
{
    pb_guest_fault fault;
    pb_code_page page;

    CU_ASSERT_EQUAL(v->ops->code(v, window(n), 0, &page, &fault), PB_MEM_OK);
    v->ops->code_reads(v, &page, 0, 4);
}

#endif
