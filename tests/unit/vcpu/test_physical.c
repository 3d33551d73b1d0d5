/*
 * Code pages: core/vcpu/physical.c with core/bus/ram.c.
 */
#include "bench.h"

static pb_code_page take_code(pb_vcpu *v, uint64_t gva)
{
    pb_guest_fault fault;
    pb_code_page page = { 0 };

    expect(state_of(v)->b, v->ops->code(v, gva, 0, &page, &fault) == PB_MEM_OK);
    return page;
}

/* As if all of the page was read as code. */
static pb_code_page take_page(pb_vcpu *v, uint64_t gva)
{
    pb_code_page page = take_code(v, gva);

    v->ops->code_reads(v, &page, 0, PB_PAGE_SIZE);
    return page;
}

static bool is_stale(const pb_code_page *page)
{
    return __atomic_load_n(page->generation, __ATOMIC_SEQ_CST) != page->stamp;
}

static void pages(void)
{
    bench b;
    pb_code_page page;
    pb_guest_fault fault;

    bench_init(&b, 1);
    page = take_code(b.vcpu[0], 0x3123);
    CU_ASSERT_EQUAL(page.gpa, 0x3000);
    CU_ASSERT_PTR_EQUAL(page.host, pb_ram_host(b.ram) + 0x3000);
    CU_ASSERT_FALSE(is_stale(&page));
    page = take_code(b.vcpu[0], DEVICE + 4);
    CU_ASSERT_PTR_NULL(page.host);
    CU_ASSERT(is_stale(&page)); /* for one execution */
    CU_ASSERT_EQUAL(b.vcpu[0]->ops->code(b.vcpu[0], 0x3000, 0, &page, &fault), PB_MEM_OK);
    bench_finish(&b);
}

static bool no_exec(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                    pb_guest_fault *fault)
{
    out->prot = PB_PROT_READ;
    return request->type == PB_ACCESS_READ;
}

static void fetch_faults(void)
{
    bench b;
    pb_code_page page;
    pb_guest_fault fault;

    bench_init(&b, 1);
    b.walk = no_exec;
    load(b.vcpu[0], 0x3000, LOG2(3));
    CU_ASSERT_EQUAL(b.vcpu[0]->ops->code(b.vcpu[0], 0x3004, 0, &page, &fault), PB_MEM_FAULT);
    CU_ASSERT_EQUAL(fault.type, PB_ACCESS_FETCH);
    CU_ASSERT_EQUAL(fault.gva, 0x3004);
    bench_finish(&b);
}

static void stores_make_it_stale(void)
{
    static const struct {
        uint64_t gva;
        uint32_t attr;
    } rows[] = {
        { 0x3000, LOG2(0) }, { 0x3ff8, LOG2(4) }, { 0x2fff, LOG2(1) }, { 0x2ffd, LOG2(3) }
    };
    bench b;
    pb_vcpu *v;

    bench_init(&b, 2);
    v = b.vcpu[0];
    for (size_t i = 0; i < PB_ARRAY_SIZE(rows); i++) {
        for (uint32_t who = 0; who < 2; who++) {
            pb_code_page page;

            store(b.vcpu[who], 0x3100, LOG2(3), 1); /* it has a write tag now */
            page = take_page(v, 0x3000);
            CU_ASSERT_FALSE(is_stale(&page));
            load(b.vcpu[who], rows[i].gva, rows[i].attr);
            CU_ASSERT_FALSE(is_stale(&page));
            store(b.vcpu[who], rows[i].gva, rows[i].attr, 5);
            CU_ASSERT(is_stale(&page));
        }
    }
    bench_finish(&b);
}

static void all_kinds_of_writes(void)
{
    bench b;
    pb_vcpu *v;
    pb_code_page page;
    pb_guest_fault fault;
    pb_u128 value;
    uint64_t old;
    pb_dma *dma;

    bench_init(&b, 1);
    v = b.vcpu[0];
    dma = pb_dma_new(b.space, 1);
    page = take_page(v, 0x3000);
    v->ops->rmw(v, 0x3008, LOG2(3), PB_RMW_OR, 0, &old, &fault);
    CU_ASSERT(is_stale(&page));
    page = take_page(v, 0x3000);
    v->ops->rmw(v, 0x2ffd, LOG2(3), PB_RMW_OR, 0, &old, &fault);
    CU_ASSERT(is_stale(&page));
    page = take_page(v, 0x3000);
    v->ops->ldx(v, 0x3000, LOG2(3), &value, &fault);
    CU_ASSERT_FALSE(is_stale(&page));
    CU_ASSERT_EQUAL(v->ops->stx(v, 0x3000, LOG2(3), value, &fault), PB_MEM_OK);
    CU_ASSERT(is_stale(&page));
    page = take_page(v, 0x3000);
    CU_ASSERT(v->ops->phys_cas(v, 0x3000, (pb_attrs){ 0 }, 8, value.lo, value.lo));
    CU_ASSERT(is_stale(&page));
    page = take_page(v, 0x3000);
    v->ops->phys_write(v, 0x3000, (pb_attrs){ 0 }, 4, 0);
    CU_ASSERT(is_stale(&page));
    page = take_page(v, 0x3000);
    CU_ASSERT_EQUAL(pb_dma_write(dma, 0x3ffc, "12345678", 8), PB_BUS_OK);
    CU_ASSERT(is_stale(&page));
    page = take_page(v, 0x3000);
    CU_ASSERT(pb_space_program(b.space, 0x3000, "x", 1, "image", NULL));
    CU_ASSERT(is_stale(&page));
    page = take_page(v, 0x3000);
    CU_ASSERT(pb_vcpu_poke(v, 0x3000, "x", 1));
    CU_ASSERT(is_stale(&page));
    page = take_page(v, 0x3000);
    v->ops->code_flush(v, 0x4000, 64);
    CU_ASSERT_FALSE(is_stale(&page));
    v->ops->code_flush(v, 0x2fff, 2);
    CU_ASSERT(is_stale(&page));
    pb_dma_free(dma);
    bench_finish(&b);
}

/* Stores that touch no line of code. */
static void beside_code(void)
{
    const uint32_t aligned = LOG2(3) | PB_MEM_ALIGN_LOG2(3);
    bench b;
    pb_vcpu *v;
    pb_code_page page;

    bench_init(&b, 1);
    v = b.vcpu[0];
    page = take_code(v, 0x3000);
    v->ops->code_reads(v, &page, 0x40, 4);
    CU_ASSERT(v->ops->is_beside_code(v, 0x3080, aligned, 8));
    CU_ASSERT(v->ops->is_beside_code(v, 0x3038, aligned, 8));
    CU_ASSERT_FALSE(v->ops->is_beside_code(v, 0x3038, aligned, 16)); /* a pair */
    CU_ASSERT_FALSE(v->ops->is_beside_code(v, 0x3040, LOG2(0), 1));
    CU_ASSERT_FALSE(v->ops->is_beside_code(v, 0x3084, aligned, 8)); /* faults */
    CU_ASSERT_FALSE(v->ops->is_beside_code(v, 0x3ffc, LOG2(3), 8)); /* crosses */
    CU_ASSERT_FALSE(v->ops->is_beside_code(v, 0x2000, LOG2(3), 8)); /* no code */
    store(v, 0x3080, LOG2(3), 1);
    store(v, 0x3038, LOG2(3), 1);
    CU_ASSERT_FALSE(is_stale(&page));
    v->ops->code_flush(v, 0x3080, 64);
    CU_ASSERT_FALSE(is_stale(&page));
    store(v, 0x303c, LOG2(3), 1);
    CU_ASSERT(is_stale(&page));
    bench_finish(&b);
}

static void data_again_after_a_write(void)
{
    bench b;
    pb_vcpu *v;
    pb_code_page page;
    uint32_t generation;

    bench_init(&b, 1);
    v = b.vcpu[0];
    page = take_page(v, 0x3000);
    for (uint64_t gva = 0x3000; gva < 0x4000; gva += 64)
        store(v, gva, LOG2(3), 1);
    generation = *page.generation;
    for (int i = 0; i < 10; i++)
        store(v, 0x3000, LOG2(3), 1);
    CU_ASSERT_EQUAL(*page.generation, generation); /* at full speed */
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[3], 0x3000);
    take_code(v, 0x3000);
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[3], pb_tlb_invalid(3));
    bench_finish(&b);
}

/* Two vCPUs write a page, two take code from it. What a taker read from a page that is not stale must still be there;
 * if it is not, the page becomes stale (the other's store is just before its count). */
#define TAKES 3000

static uint32_t write_or_take(pb_vcpu *v, bench_state *s)
{
    pb_code_page page;
    uint64_t before, after;
    const uint64_t *place;

    if (v->index >= 2) {
        store(v, 0x3000, LOG2(3), s->executed << 2 | v->index);
        return 0;
    }
    page = take_page(v, 0x3000);
    place = (const uint64_t *)(const void *)page.host;
    before = __atomic_load_n(place, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 50; i++)
        __atomic_load_n(place, __ATOMIC_SEQ_CST);
    after = __atomic_load_n(place, __ATOMIC_SEQ_CST);
    if (before != after) {
        while (!is_stale(&page)) /* a lost write ends the test by its time limit */
            g_thread_yield();
    }
    if (s->executed == TAKES && __atomic_add_fetch(&s->b->rounds, 1, __ATOMIC_SEQ_CST) == 2)
        end_run(s->b);
    return 0;
}

static void no_write_is_lost(void)
{
    bench b;

    bench_init(&b, 4);
    b.insn = write_or_take;
    bench_run_to_end(&b);
    bench_finish(&b);
}

static void translating(void)
{
    bench b;
    pb_walk_request request = { .gva = 0x3004, .type = PB_ACCESS_FETCH, .mmu = 1, .debug = true };
    pb_translation t;
    pb_guest_fault fault;

    bench_init(&b, 1);
    CU_ASSERT_EQUAL(b.vcpu[0]->ops->translate(b.vcpu[0], &request, &t, &fault), PB_MEM_OK);
    CU_ASSERT_EQUAL(t.gpa, 0x3004);
    b.walk = no_exec;
    CU_ASSERT_EQUAL(b.vcpu[0]->ops->translate(b.vcpu[0], &request, &t, &fault), PB_MEM_FAULT);
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_WALK);
    CU_ASSERT_EQUAL(fault.gva, 0x3004);
    bench_finish(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "pages", pages },
        { "fetch faults", fetch_faults },
        { "stores make it stale", stores_make_it_stale },
        { "all kinds of writes", all_kinds_of_writes },
        { "beside code", beside_code },
        { "data again after a write", data_again_after_a_write },
        { "no write is lost between vCPUs", no_write_is_lost },
        { "translating", translating },
        { 0 },
    };

    return unit_run("vCPU: code pages", cases);
}
