/*
 * Loads and stores: core/vcpu/memory.c.
 */
#include "bench.h"

static void fill(bench *b, uint64_t gpa, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        pb_ram_host(b->ram)[gpa + i] = (uint8_t)(0x81 + i);
}

static void sizes_signs_and_order(void)
{
    static const struct {
        uint32_t attr;
        uint64_t value;
    } rows[] = {
        { LOG2(0), 0x81 },
        { LOG2(0) | PB_MEM_SIGNED, 0xffffffffffffff81 },
        { LOG2(1), 0x8281 },
        { LOG2(1) | PB_MEM_BIG_ENDIAN, 0x8182 },
        { LOG2(1) | PB_MEM_SIGNED, 0xffffffffffff8281 },
        { LOG2(2), 0x84838281 },
        { LOG2(2) | PB_MEM_BIG_ENDIAN | PB_MEM_SIGNED, 0xffffffff81828384 },
        { LOG2(3), 0x8887868584838281 },
        { LOG2(3) | PB_MEM_BIG_ENDIAN, 0x8182838485868788 },
    };
    bench b;

    bench_init(&b, 1);
    fill(&b, 0x2003, 8);
    for (size_t i = 0; i < PB_ARRAY_SIZE(rows); i++) {
        CU_ASSERT_EQUAL(load(b.vcpu[0], 0x2003, rows[i].attr), rows[i].value); /* slow way first */
        CU_ASSERT_EQUAL(load(b.vcpu[0], 0x2003, rows[i].attr), rows[i].value);
        store(b.vcpu[0], 0x3005, rows[i].attr, rows[i].value);
        CU_ASSERT(memcmp(pb_ram_host(b.ram) + 0x3005, pb_ram_host(b.ram) + 0x2003,
                         PB_MEM_GET_BYTES(rows[i].attr)) == 0);
        store(b.vcpu[0], 0x3005, rows[i].attr, 0);
        CU_ASSERT_EQUAL(load(b.vcpu[0], 0x3005, LOG2(3)), 0);
    }
    bench_finish(&b);
}

static void sixteen_bytes(void)
{
    static const uint32_t attrs[] = { LOG2(4), LOG2(4) | PB_MEM_ATOMIC };
    bench b;

    bench_init(&b, 1);
    for (size_t i = 0; i < PB_ARRAY_SIZE(attrs); i++) {
        pb_u128 value = { 0x1122334455667788, 0x99aabbccddeeff00 }, got;
        pb_guest_fault fault;
        pb_vcpu *v = b.vcpu[0];

        for (int pass = 0; pass < 2; pass++) {
            CU_ASSERT_EQUAL(v->ops->store(v, 0x4000, attrs[i], value, &fault), PB_MEM_OK);
            CU_ASSERT_EQUAL(v->ops->load(v, 0x4000, attrs[i], &got, &fault), PB_MEM_OK);
            CU_ASSERT_EQUAL(got.lo, value.lo);
            CU_ASSERT_EQUAL(got.hi, value.hi);
        }
        CU_ASSERT_EQUAL(load(v, 0x4008, LOG2(3)), value.hi);
        CU_ASSERT_EQUAL(v->ops->load(v, 0x4000, attrs[i] | PB_MEM_BIG_ENDIAN, &got, &fault),
                        PB_MEM_OK);
        CU_ASSERT_EQUAL(got.hi, 0x8877665544332211);
        CU_ASSERT_EQUAL(got.lo, 0x00ffeeddccbbaa99);
        /* Across a page, and unaligned. */
        CU_ASSERT_EQUAL(v->ops->store(v, 0x4ff9, attrs[i], value, &fault), PB_MEM_OK);
        CU_ASSERT_EQUAL(v->ops->load(v, 0x4ff9, attrs[i], &got, &fault), PB_MEM_OK);
        CU_ASSERT_EQUAL(got.lo, value.lo);
        CU_ASSERT_EQUAL(got.hi, value.hi);
    }
    bench_finish(&b);
}

static void required_alignment(void)
{
    bench b;
    pb_guest_fault fault;

    bench_init(&b, 1);
    b.vcpu[0]->aux = 0x77;
    fault = load_fault(b.vcpu[0], 0x2002, LOG2(3) | PB_MEM_ALIGN_LOG2(3));
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_ALIGNMENT);
    CU_ASSERT_EQUAL(fault.type, PB_ACCESS_READ);
    CU_ASSERT_EQUAL(fault.gva, 0x2002);
    CU_ASSERT_EQUAL(fault.aux, 0x77);
    CU_ASSERT_EQUAL(fault.attr, LOG2(3) | PB_MEM_ALIGN_LOG2(3));
    load(b.vcpu[0], 0x2000, LOG2(3) | PB_MEM_ALIGN_LOG2(3));
    fault =
        store_fault(b.vcpu[0], 0x2004, LOG2(3) | PB_MEM_ALIGN_LOG2(3)); /* the page is in the TLB */
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_ALIGNMENT);
    CU_ASSERT_EQUAL(fault.type, PB_ACCESS_WRITE);
    CU_ASSERT_EQUAL(load(b.vcpu[0], 0x2004, LOG2(2)), 0);
    bench_finish(&b);
}

static void the_tlb_saves_walks(void)
{
    bench b;
    bench_state *s;

    bench_init(&b, 1);
    s = state_of(b.vcpu[0]);
    for (int i = 0; i < 10; i++) {
        load(b.vcpu[0], 0x5000 + 8 * (uint64_t)i, LOG2(3));
        store(b.vcpu[0], 0x5008, LOG2(3), 1);
    }
    CU_ASSERT_EQUAL(s->walks, 1);
    /* The same place in the first level, another page: the second level remembers. */
    for (int i = 0; i < 10; i++) {
        load(b.vcpu[0], 0x5000, LOG2(3));
        load(b.vcpu[0], DEVICE, LOG2(2));
    }
    CU_ASSERT_EQUAL(s->walks, 2);
    CU_ASSERT_EQUAL(b.device_reads, 10);
    bench_finish(&b);
}

/* ---- walks of their own ---------------------------------------------------------------------------------- */

/* Pages in reverse order; page 9 cannot be written, page 10 is not there, page 11 is device memory. */
static bool reversed(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                     pb_guest_fault *fault)
{
    uint64_t page = request->gva >> PB_PAGE_BITS;

    out->gpa = ((0xff - page) << PB_PAGE_BITS) + (request->gva & PB_PAGE_MASK);
    if (page == 9)
        out->prot = PB_PROT_READ;
    out->device = page == 11;
    if (page == 10 || (page == 9 && request->type == PB_ACCESS_WRITE)) {
        fault->info[0] = page;
        return false;
    }
    return true;
}

/* With `tagged` both pages are in the first level of the TLB before. */
static void crossing_how(bool tagged)
{
    bench b;

    bench_init(&b, 1);
    b.walk = reversed;
    if (tagged) {
        store(b.vcpu[0], 0x4000, LOG2(0), 0);
        store(b.vcpu[0], 0x5800, LOG2(0), 0);
    }
    for (uint32_t attr = LOG2(1); attr <= LOG2(3); attr++) {
        uint32_t size = PB_MEM_GET_BYTES(attr);

        for (uint32_t over = 1; over < size; over++) {
            uint64_t gva = 0x5000 - size + over;
            uint64_t value = UINT64_C(0x0807060504030201);

            if (size < 8)
                value &= (UINT64_C(1) << (8 * size)) - 1;
            store(b.vcpu[0], gva, attr, value);
            CU_ASSERT_EQUAL(load(b.vcpu[0], gva, attr), value);
            CU_ASSERT_EQUAL(pb_ram_host(b.ram)[0xfbfff], size - over);     /* page 4 is 0xfb */
            CU_ASSERT_EQUAL(pb_ram_host(b.ram)[0xfa000], size - over + 1); /* page 5 is 0xfa */
        }
    }
    bench_finish(&b);
}

static void crossing_pages(void)
{
    crossing_how(false);
    crossing_how(true);
}

/* 16 bytes, each of another value, at each place over the end of a page; nothing around them changes. */
static void crossing_with_16_bytes(void)
{
    static const uint32_t attrs[] = { LOG2(4), LOG2(4) | PB_MEM_BIG_ENDIAN,
                                      LOG2(4) | PB_MEM_ELEMENT_LOG2(0),
                                      LOG2(4) | PB_MEM_ELEMENT_LOG2(3) };
    bench b;

    bench_init(&b, 1);
    b.walk = reversed;
    store(b.vcpu[0], 0x4000, LOG2(0), 0);
    store(b.vcpu[0], 0x5800, LOG2(0), 0);
    for (uint32_t i = 0; i < PB_ARRAY_SIZE(attrs) * 15; i++) {
        uint32_t attr = attrs[i / 15], before = i % 15 + 1; /* bytes in the first page */
        pb_u128 value = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) }, got;
        uint8_t *ram = pb_ram_host(b.ram);
        pb_guest_fault fault;

        memset(ram + 0xfbfe0, 0xee, 32);
        memset(ram + 0xfa000, 0xee, 32);
        CU_ASSERT_EQUAL(b.vcpu[0]->ops->store(b.vcpu[0], 0x5000 - before, attr, value, &fault),
                        PB_MEM_OK);
        for (uint32_t k = 0; k < 64; k++) {
            uint8_t is = k < 32 ? ram[0xfbfe0 + k] : ram[0xfa000 + k - 32];
            uint32_t at = k - (32 - before);

            CU_ASSERT_EQUAL(is, at >= 16 ? 0xee : attr & PB_MEM_BIG_ENDIAN ? 15 - at : at);
        }
        CU_ASSERT_EQUAL(b.vcpu[0]->ops->load(b.vcpu[0], 0x5000 - before, attr, &got, &fault),
                        PB_MEM_OK);
        CU_ASSERT(got.lo == value.lo && got.hi == value.hi);
    }
    bench_finish(&b);
}

static void faults_of_the_second_page(void)
{
    bench b;
    pb_guest_fault fault;

    bench_init(&b, 1);
    b.walk = reversed;
    store(b.vcpu[0], 0x8000, LOG2(3), 0); /* in the TLB */
    fault = store_fault(b.vcpu[0], 0x8ffc, LOG2(3));
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_WALK);
    CU_ASSERT_EQUAL(fault.gva, 0x9000);
    CU_ASSERT_EQUAL(fault.info[0], 9);
    CU_ASSERT_EQUAL(load(b.vcpu[0], 0x8ff8, LOG2(3)), 0); /* nothing was stored */
    fault = load_fault(b.vcpu[0], 0x9ffe, LOG2(3));
    CU_ASSERT_EQUAL(fault.gva, 0xa000);
    CU_ASSERT_EQUAL(fault.type, PB_ACCESS_READ);
    /* The first page first. */
    fault = store_fault(b.vcpu[0], 0x9ffe, LOG2(3));
    CU_ASSERT_EQUAL(fault.gva, 0x9ffe);
    CU_ASSERT_EQUAL(fault.info[0], 9);
    bench_finish(&b);
}

static void writing_needs_the_right(void)
{
    bench b;

    bench_init(&b, 1);
    b.walk = reversed;
    load(b.vcpu[0], 0x9000, LOG2(3)); /* in the TLB for reading */
    CU_ASSERT_EQUAL(store_fault(b.vcpu[0], 0x9000, LOG2(3)).kind, PB_FAULT_WALK);
    load(b.vcpu[0], 0x9000, LOG2(3));
    CU_ASSERT_EQUAL(state_of(b.vcpu[0])->walks, 2);
    bench_finish(&b);
}

static void device_memory_in_ram(void)
{
    bench b;

    bench_init(&b, 1);
    b.walk = reversed;
    store(b.vcpu[0], 0xb000, LOG2(2), 0x12345678);
    CU_ASSERT_EQUAL(load(b.vcpu[0], 0xb000, LOG2(2)), 0x12345678);
    CU_ASSERT_EQUAL(load_fault(b.vcpu[0], 0xb001, LOG2(1)).kind, PB_FAULT_ALIGNMENT);
    CU_ASSERT_EQUAL(store_fault(b.vcpu[0], 0xb004, LOG2(3)).kind, PB_FAULT_ALIGNMENT);
    bench_finish(&b);
}

/* Mappings of 32 bytes, the odd ones not there. */
static bool small(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                  pb_guest_fault *fault)
{
    out->page_bytes = 32;
    return (request->gva & 32) == 0;
}

static void mappings_smaller_than_a_page(void)
{
    bench b;

    bench_init(&b, 1);
    b.walk = small;
    store(b.vcpu[0], 0x2000, LOG2(3), 5);
    CU_ASSERT_EQUAL(load(b.vcpu[0], 0x2000, LOG2(3)), 5);
    CU_ASSERT_EQUAL(load_fault(b.vcpu[0], 0x2020, LOG2(3)).gva, 0x2020);
    CU_ASSERT_EQUAL(store_fault(b.vcpu[0], 0x201c, LOG2(3)).gva, 0x2020);
    CU_ASSERT_EQUAL(load(b.vcpu[0], 0x2018, LOG2(3)), 0); /* nothing was stored */
    CU_ASSERT_EQUAL(state_of(b.vcpu[0])->walks, 6);       /* nothing was cached */
    bench_finish(&b);
}

/* ---- not RAM --------------------------------------------------------------------------------------------- */

static void mmio(void)
{
    bench b;
    pb_guest_fault fault;

    bench_init(&b, 1);
    store(b.vcpu[0], DEVICE, LOG2(2) | PB_MEM_BIG_ENDIAN, 0x11223344);
    CU_ASSERT_EQUAL(b.device_value, 0x44332211);
    CU_ASSERT_EQUAL(load(b.vcpu[0], DEVICE, LOG2(2) | PB_MEM_BIG_ENDIAN), 0x11223344);
    b.device_value = 0x80;
    CU_ASSERT_EQUAL(load(b.vcpu[0], DEVICE, LOG2(0) | PB_MEM_SIGNED), 0xffffffffffffff80);
    b.device_reads = 0;
    load(b.vcpu[0], DEVICE, LOG2(4)); /* two of eight bytes */
    CU_ASSERT_EQUAL(b.device_reads, 2);
    fault = load_fault(b.vcpu[0], DEVICE + 0x804, LOG2(2));
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_BUS);
    CU_ASSERT_EQUAL(fault.gva, DEVICE + 0x804);
    CU_ASSERT_EQUAL(fault.gpa, DEVICE + 0x804);
    fault = store_fault(b.vcpu[0], 0x20000000, LOG2(2));
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_BUS);
    bench_finish(&b);
}

static void across_the_end_of_ram(void)
{
    bench b;
    pb_guest_fault fault;

    bench_init(&b, 1);
    fault = store_fault(b.vcpu[0], RAM_BYTES - 4, LOG2(3));
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_BUS);
    CU_ASSERT_EQUAL(fault.gva, RAM_BYTES);
    CU_ASSERT_EQUAL(load(b.vcpu[0], RAM_BYTES - 8, LOG2(3)), 0); /* nothing was stored */
    fault = load_fault(b.vcpu[0], RAM_BYTES - 1, LOG2(1));
    CU_ASSERT_EQUAL(fault.gva, RAM_BYTES);
    bench_finish(&b);
}

/* The last page of the address space, and the first one, which follows it. */
#define LAST_PAGE (UINT64_MAX - PB_PAGE_MASK)

static bool last_is_mapped;

static bool at_both_ends(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                         pb_guest_fault *fault)
{
    if (request->gva >= LAST_PAGE) {
        out->gpa = 5 * PB_PAGE_SIZE + (request->gva & PB_PAGE_MASK);
        return last_is_mapped;
    }
    out->gpa = 6 * PB_PAGE_SIZE + (request->gva & PB_PAGE_MASK);
    return request->gva < PB_PAGE_SIZE;
}

/* Tags that stand for no page must not be taken for its own. */
static void check_nothing_there(pb_vcpu *v)
{
    for (uint32_t log2 = 0; log2 <= 4; log2++) {
        for (uint64_t i = 0; i < PB_PAGE_SIZE; i += i < 0xfc0 ? 64 : 1) {
            pb_guest_fault fault = load_fault(v, LAST_PAGE + i, LOG2(log2));

            CU_ASSERT_EQUAL(fault.kind, PB_FAULT_WALK);
            CU_ASSERT_EQUAL(fault.gva, LAST_PAGE + i);
            CU_ASSERT_EQUAL(store_fault(v, LAST_PAGE + i, LOG2(log2)).gva, LAST_PAGE + i);
        }
    }
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, LAST_PAGE, LOG2(3), false));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, UINT64_MAX, LOG2(0), true));
}

static void the_last_page(void)
{
    pb_guest_fault fault;
    uint8_t *host;
    uint64_t old;
    bench b;
    pb_vcpu *v;

    bench_init(&b, 1);
    b.walk = at_both_ends;
    v = b.vcpu[0];
    host = pb_ram_host(b.ram);
    last_is_mapped = false;
    check_nothing_there(v);
    CU_ASSERT_EQUAL(load(v, 0, LOG2(3)), 0); /* the TLB has something now */
    check_nothing_there(v);
    last_is_mapped = true;
    for (uint32_t i = 0; i < 16; i++)
        host[6 * PB_PAGE_SIZE - 8 + i] = (uint8_t)(i + 1);
    CU_ASSERT_EQUAL(load(v, UINT64_MAX - 7, LOG2(3)), 0x0807060504030201);
    CU_ASSERT_EQUAL(load(v, UINT64_MAX, LOG2(0)), 8);
    /* Around the end. */
    CU_ASSERT_EQUAL(load(v, UINT64_MAX - 3, LOG2(3)), 0x0c0b0a0908070605);
    store(v, UINT64_MAX - 1, LOG2(2), 0x44332211);
    CU_ASSERT_EQUAL(load(v, UINT64_MAX - 7, LOG2(3)), 0x2211060504030201);
    CU_ASSERT_EQUAL(load(v, 0, LOG2(3)), 0x100f0e0d0c0b4433);
    CU_ASSERT_EQUAL(v->ops->rmw(v, UINT64_MAX - 7, LOG2(3), PB_RMW_ADD, 1, &old, &fault),
                    PB_MEM_OK);
    CU_ASSERT_EQUAL(host[6 * PB_PAGE_SIZE - 8], 2);
    /* A flush of both ends at once. */
    v->ops->tlb_flush_page(v, LAST_PAGE, 2 * PB_PAGE_SIZE, 1, PB_SCOPE_LOCAL);
    last_is_mapped = false;
    check_nothing_there(v);
    CU_ASSERT_EQUAL(load_fault(v, UINT64_MAX - 3, LOG2(3)).gva, UINT64_MAX - 3);
    bench_finish(&b);
}

static void rom(void)
{
    bench b;
    pb_bus_region *rom;
    pb_ram *bytes;

    bench_init(&b, 1);
    bytes = pb_ram_new(b.bus, "rom", 0x1000, PB_RAM_PAGES, NULL);
    rom = pb_bus_region_new_rom(b.bus, "rom", bytes, 0, 0x1000);
    pb_bus_region_add(b.root, rom, 0x40000000, 0);
    CU_ASSERT(pb_space_program(b.space, 0x40000000, "boot", 4, "rom", NULL));
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(load(b.vcpu[0], 0x40000000, LOG2(2)), 0x746f6f62);
        store(b.vcpu[0], 0x40000000, LOG2(2), 0);
    }
    pb_bus_region_unref(rom);
    pb_ram_unref(bytes);
    bench_finish(&b);
}

static void ordered_accesses(void)
{
    bench b;

    bench_init(&b, 1);
    for (uint32_t order = PB_ORDER_NONE; order <= PB_ORDER_SEQ_CST; order++) {
        store(b.vcpu[0], 0x2000, LOG2(3) | PB_MEM_ORDER(order), order + 1);
        CU_ASSERT_EQUAL(load(b.vcpu[0], 0x2000, LOG2(3) | PB_MEM_ORDER(order)), order + 1);
    }
    bench_finish(&b);
}

static void mmu_indexes_are_apart(void)
{
    bench b;

    bench_init(&b, 1);
    CU_ASSERT_PTR_NULL(b.vcpu[0]->tlb[5]);
    load(b.vcpu[0], 0x2000, LOG2(3) | PB_MEM_MMU(5));
    CU_ASSERT_PTR_NOT_NULL(b.vcpu[0]->tlb[5]);
    CU_ASSERT_PTR_NULL(b.vcpu[0]->tlb[4]);
    CU_ASSERT_EQUAL(state_of(b.vcpu[0])->walks, 1);
    load(b.vcpu[0], 0x2000, LOG2(3) | PB_MEM_MMU(4));
    CU_ASSERT_EQUAL(state_of(b.vcpu[0])->walks, 2);
    bench_finish(&b);
}

static void dirty_logging(void)
{
    bench b;

    bench_init(&b, 1);
    store(b.vcpu[0], 0x3000, LOG2(3), 1);
    pb_ram_dirty_start(b.ram, PB_DIRTY_DISPLAY);
    load(b.vcpu[0], 0x3000, LOG2(3));
    CU_ASSERT_EQUAL(pb_ram_dirty_take(b.ram, PB_DIRTY_DISPLAY, 0, RAM_BYTES, NULL), 0);
    for (int i = 0; i < 3; i++) {
        store(b.vcpu[0], 0x3000, LOG2(3), 2);
        store(b.vcpu[0], 0x3ffc, LOG2(3), 2); /* over the end of the page */
        CU_ASSERT_EQUAL(pb_ram_dirty_take(b.ram, PB_DIRTY_DISPLAY, 0, RAM_BYTES, NULL), 2);
        CU_ASSERT_EQUAL(pb_ram_dirty_take(b.ram, PB_DIRTY_DISPLAY, 0, RAM_BYTES, NULL), 0);
    }
    bench_finish(&b);
}

static void physical(void)
{
    bench b;
    pb_vcpu *v;
    uint64_t value;
    pb_attrs attrs = { 0 };

    bench_init(&b, 1);
    v = b.vcpu[0];
    CU_ASSERT_EQUAL(v->ops->phys_write(v, 0x2000, attrs, 8, 0x1122), PB_BUS_OK);
    CU_ASSERT_EQUAL(v->ops->phys_read(v, 0x2000, attrs, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x1122);
    CU_ASSERT_FALSE(v->ops->phys_cas(v, 0x2000, attrs, 8, 0x1123, 5));
    CU_ASSERT(v->ops->phys_cas(v, 0x2000, attrs, 8, 0x1122, 5));
    CU_ASSERT(v->ops->phys_cas(v, 0x2000, attrs, 4, 5, 6));
    CU_ASSERT_EQUAL(v->ops->phys_read(v, 0x2000, attrs, 8, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 6);
    CU_ASSERT_EQUAL(v->ops->phys_read(v, 0x20000000, attrs, 8, &value), PB_BUS_DECODE);
    b.device_value = 9;
    CU_ASSERT(v->ops->phys_cas(v, DEVICE, attrs, 8, 9, 10));
    CU_ASSERT_EQUAL(b.device_value, 10);
    CU_ASSERT_FALSE(v->ops->phys_cas(v, 0x20000000, attrs, 8, 0, 1));
    bench_finish(&b);
}

static void peek_and_poke(void)
{
    bench b;
    char text[8] = "";

    bench_init(&b, 1);
    b.walk = reversed;
    CU_ASSERT(pb_vcpu_poke(b.vcpu[0], 0x4ffd, "across", 7));
    CU_ASSERT(pb_vcpu_peek(b.vcpu[0], 0x4ffd, text, 7));
    CU_ASSERT_STRING_EQUAL(text, "across");
    CU_ASSERT_EQUAL(pb_ram_host(b.ram)[0xfa000], 'o');
    CU_ASSERT_FALSE(pb_vcpu_peek(b.vcpu[0], 0x9fff, text, 2));
    bench_finish(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "sizes, signs and byte order", sizes_signs_and_order },
        { "sixteen bytes", sixteen_bytes },
        { "required alignment", required_alignment },
        { "the TLB saves walks", the_tlb_saves_walks },
        { "crossing pages", crossing_pages },
        { "crossing pages with 16 bytes", crossing_with_16_bytes },
        { "faults of the second page", faults_of_the_second_page },
        { "writing needs the right", writing_needs_the_right },
        { "device memory in RAM", device_memory_in_ram },
        { "mappings smaller than a page", mappings_smaller_than_a_page },
        { "MMIO", mmio },
        { "across the end of RAM", across_the_end_of_ram },
        { "the last page", the_last_page },
        { "ROM", rom },
        { "ordered accesses", ordered_accesses },
        { "MMU indexes are apart", mmu_indexes_are_apart },
        { "dirty logging", dirty_logging },
        { "physical accesses", physical },
        { "peek and poke", peek_and_poke },
        { 0 },
    };

    return unit_run("vCPU: memory", cases);
}
