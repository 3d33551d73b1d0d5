/*
 * Units: core/tc/units.c.
 */
#include "bench.h"

static void finding(void)
{
    bench b;
    pb_tc_unit *u, *v, *other;
    pb_tc_key key;
    ir_unit ir;

    bench_open(&b, 1 << 20);
    u = bench_make(&b, 0x1010, 0, 4);
    CU_ASSERT_PTR_EQUAL(bench_find(&b, b.user, 0x1010), u);
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1014));
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x2010));
    CU_ASSERT_EQUAL(u->key.pc, 0x1010);
    CU_ASSERT_EQUAL(u->insns, 1);
    CU_ASSERT_PTR_NULL(u->next_page);
    CU_ASSERT_PTR_EQUAL(u->entry, u->code);

    key = u->key;
    key.key++;
    CU_ASSERT_PTR_NULL(b.ops->lookup(b.user, &key));
    key.key--;
    key.flags = PB_TC_ALONE;
    CU_ASSERT_PTR_NULL(b.ops->lookup(b.user, &key));
    key.flags = 0;
    key.page++; /* the same address, when another memory is there */
    CU_ASSERT_PTR_NULL(b.ops->lookup(b.user, &key));
    key.page--;
    CU_ASSERT_PTR_EQUAL(b.ops->lookup(b.user, &key), u);
    CU_ASSERT_EQUAL(bench_statistic(&b, "lookups missed"), 5);

    /* Another user is faster. */
    ir = bench_translate(&b, 0x1010, false);
    v = bench_publish(&b, b.user, &ir, 0x1010, (const uint32_t[]){ 0, 4 }, 0, &other);
    CU_ASSERT_PTR_NULL(v);
    CU_ASSERT_PTR_EQUAL(other, u);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units made twice"), 1);
    CU_ASSERT_EQUAL(bench_statistic(&b, "guest instructions in published units"), 1);
    CU_ASSERT_EQUAL(bench_statistic(&b, "bytes of code in published units"), u->bytes);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 1);
    bench_close(&b);
}

static void thousands(void)
{
    enum { COUNT = RAM_PAGES * 256 };
    static pb_tc_unit *units[COUNT];
    bench b;

    bench_open(&b, 16 << 20);
    for (uint32_t i = 0; i < COUNT; i++)
        units[i] = bench_make(&b, i * 16, 0, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        const pb_tc_unit *u = units[i];

        if (bench_find(&b, b.user, i * 16) != u || b.ops->unit_at(b.user, u->code) != u ||
            b.ops->unit_at(b.user, u->code + u->bytes - 1) != u)
            CU_FAIL("a unit is not found");
    }
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), COUNT);
    CU_ASSERT_EQUAL(bench_statistic(&b, "pages with units"), RAM_PAGES);
    bench_close(&b);
}

static void stale_before_publishing(void)
{
    bench b;
    pb_tc_unit *u, *other;
    ir_unit ir;
    pb_code_job job = { .size = sizeof(job) };
    pb_tc_key key;

    bench_open(&b, 1 << 20);
    ir = bench_translate(&b, 0x1000, false);
    key = bench_key(&b, 0x1000);
    CU_ASSERT_EQUAL(b.ops->reserve(b.user, BENCH_UNIT_BYTES, &job.slice), PB_TC_ROOM);
    bench_emit(&job, 0x1000, (const uint32_t[]){ 8, 8 }, 0, 0);
    bench_write(&b, 0x1ff0);
    u = b.ops->publish(b.user, &key, &ir, &job, &other);
    CU_ASSERT_PTR_NULL(u);
    CU_ASSERT_PTR_NULL(other);
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1000));
    CU_ASSERT_PTR_NULL(b.ops->unit_at(b.user, job.slice.rx));
    CU_ASSERT_EQUAL(bench_statistic(&b, "units refused as stale"), 1);
#ifdef __x86_64__
    { /* it may be executed once */
        bench_ctx ctx = { .budget = 1, .expected = 0x1000 };
        const uint8_t *site = bench_run(job.slice.rx, &ctx);

        CU_ASSERT(site == job.slice.rx + job.links[0].site ||
                  site == job.slice.rx + job.links[1].site);
        CU_ASSERT_EQUAL(ctx.executed, 1);
        CU_ASSERT_EQUAL(ctx.wrong, 0);
    }
#endif
    /* Translated again it is good, and takes the same place. */
    u = bench_make(&b, 0x1000, 8, 8);
    CU_ASSERT_PTR_EQUAL(u->code, job.slice.rx);
    CU_ASSERT_PTR_EQUAL(bench_find(&b, b.user, 0x1000), u);
    bench_close(&b);
}

static void dropping_a_page(void)
{
    bench b;
    pb_tc_unit *u[4];

    bench_open(&b, 1 << 20);
    for (uint32_t i = 0; i < 4; i++)
        u[i] = bench_make(&b, 0x1000 + i * 0x800, 0, 0);
    bench_write(&b, 0x1234);
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1000));
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1800));
    CU_ASSERT_PTR_EQUAL(bench_find(&b, b.user, 0x2000), u[2]);
    CU_ASSERT_PTR_EQUAL(bench_find(&b, b.user, 0x2800), u[3]);
    /* Who remembers the entry is sent away, and its memory tells still what it was. */
    CU_ASSERT_PTR_EQUAL(bench_leads_to(u[0]->entry), u[0]->code + ((tc_unit *)u[0])->stale);
    CU_ASSERT_PTR_NULL(bench_leads_to(u[2]->entry));
    CU_ASSERT_PTR_EQUAL(b.ops->unit_at(b.user, u[0]->code + 5), u[0]);
    CU_ASSERT_FALSE(b.ops->quiescent(b.user));

    pb_ram_written(b.ram, 0x2fff, 1); /* DMA */
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x2000));
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x2800));
    CU_ASSERT_EQUAL(bench_statistic(&b, "units dropped as stale"), 4);
    CU_ASSERT_EQUAL(bench_statistic(&b, "pages with units"), 0);

    u[0] = bench_make(&b, 0x1000, 0, 0);
    CU_ASSERT_PTR_EQUAL(bench_find(&b, b.user, 0x1000), u[0]);
    pb_ram_code_flush(b.ram, PB_PAGE_SIZE, PB_PAGE_SIZE); /* cache maintenance */
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1000));
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 0);
    bench_close(&b);
}

static void two_pages(void)
{
    bench b;
    pb_tc_unit *other, *u, *before, *after;
    ir_unit ir;

    bench_open(&b, 1 << 20);
    for (uint32_t round = 0; round < 2; round++) {
        before = bench_make(&b, 0x1000, 0, 0);
        ir = bench_translate(&b, 0x1ffe, true);
        u = bench_publish(&b, b.user, &ir, 0x1ffe, (const uint32_t[]){ 0, 0 }, 0, &other);
        CU_ASSERT_PTR_NOT_NULL_FATAL(u);
        after = bench_make(&b, 0x2100, 0, 0);
        CU_ASSERT_PTR_EQUAL(u->next_page, ir.pages[1].generation);
        CU_ASSERT_PTR_EQUAL(bench_find(&b, b.user, 0x1ffe), u);
        CU_ASSERT_PTR_EQUAL(b.ops->unit_at(b.user, u->code), u);
        CU_ASSERT_PTR_EQUAL(b.ops->unit_at(b.user, u->code + u->bytes - 1), u);
        CU_ASSERT_PTR_EQUAL(b.ops->unit_at(b.user, after->code), after);
        CU_ASSERT_PTR_EQUAL(b.ops->unit_at(b.user, before->code), before);
        bench_write(&b, round ? 0x2800 : 0x1800);
        CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1ffe));
        CU_ASSERT_EQUAL(bench_find(&b, b.user, 0x1000) == NULL, !round);
        CU_ASSERT_EQUAL(bench_find(&b, b.user, 0x2100) == NULL, round);
        bench_write(&b, round ? 0x1800 : 0x2800);
        CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 0);
        CU_ASSERT_EQUAL(bench_statistic(&b, "pages with units"), 0);
    }

    /* Its second page is written to before it is entered. */
    ir = bench_translate(&b, 0x1ffe, true);
    bench_write(&b, 0x2000);
    CU_ASSERT_PTR_NULL(
        bench_publish(&b, b.user, &ir, 0x1ffe, (const uint32_t[]){ 0, 0 }, 0, &other));
    bench_close(&b);
}

/* A unit of one instruction; must succeed. */
static pb_tc_unit *make_of_lines(bench *b, uint32_t pc, uint16_t length)
{
    bool two_pages = (pc & PB_PAGE_MASK) + length > PB_PAGE_SIZE;
    ir_unit ir = bench_translate(b, pc, two_pages);
    ir_mark mark = { .pc = pc, .length = length };
    pb_tc_unit *other, *u;

    ir.marks = &mark;
    u = bench_publish(b, b->user, &ir, pc, (const uint32_t[]){ 0, 0 }, 0, &other);
    CU_ASSERT_PTR_NOT_NULL_FATAL(u);
    return u;
}

/* A write drops what was made from the line. */
static void lines(void)
{
    bench b;
    pb_tc_unit *u[4];

    bench_open(&b, 1 << 20);
    u[0] = make_of_lines(&b, 0x1000, 4);
    u[1] = make_of_lines(&b, 0x103c, 8);
    u[2] = make_of_lines(&b, 0x10bc, 4);
    u[3] = make_of_lines(&b, 0x1fff, 2);
    bench_write(&b, 0x10c0);
    bench_write(&b, 0x2040);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 4);
    bench_write(&b, 0x107f); /* the second line of u[1] */
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 3);
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x103c));
    bench_write(&b, 0x1000);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 2);
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1000));
    CU_ASSERT_PTR_EQUAL(bench_find(&b, b.user, 0x10bc), u[2]);
    bench_write(&b, 0x203f); /* the second page of u[3] */
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1fff));
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 1);
    bench_close(&b);
}

/* A debugger's breakpoint drops what was made from code near it, and refuses what was begun. */
static void dropping_code(void)
{
    bench b;
    ir_unit ir;
    pb_tc_unit *other;

    bench_open(&b, 1 << 20);
    make_of_lines(&b, 0x1000, 4);
    make_of_lines(&b, 0x103c, 8);
    make_of_lines(&b, 0x1080, 4);
    make_of_lines(&b, 0x2040, 4);
    make_of_lines(&b, 0x2fff, 2);
    b.ops->drop_code(b.tc, 0x10c0, 0x10ff);
    b.ops->drop_code(b.tc, 0x3040, 0x3040);
    b.ops->drop_code(b.tc, 0x3000,
                     0x3000); /* a unit of a single instruction begins in front of it */
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 5);
    b.ops->drop_code(b.tc, 0x1044, 0x1044); /* the second line of a unit */
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x103c));
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 4);
    b.ops->drop_code(b.tc, 0x103f, 0x1080);
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1000));
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1080));
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 2);
    b.ops->drop_code(b.tc, 0x2fff, 0x2fff);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 1);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units dropped for debuggers"), 4);

    CU_ASSERT(b.ops->quiescent(b.user));
    ir = bench_translate(&b, 0x1000, false);
    b.ops->drop_code(b.tc, 0x3000, 0x3000);
    CU_ASSERT_PTR_NULL(
        bench_publish(&b, b.user, &ir, 0x1000, (const uint32_t[]){ 0, 0 }, 0, &other));
    CU_ASSERT(b.ops->quiescent(b.user));
    make_of_lines(&b, 0x1000, 4);
    bench_close(&b);
}

/* A write looks at few of the units of its page: at those of its line, and at others that begin near it. */
static void few_looked_at(void)
{
    enum { NEAR = 256, ROUNDS = 200 }; /* units that begin within so many bytes */
    bench b;

    bench_open(&b, 16 << 20);
    for (uint32_t i = 0; i < PB_PAGE_SIZE; i++)
        make_of_lines(&b, 0x1000 + i, 1);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units looked at for stores to code"), 0);
    bench_write(&b, 0x1850);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), PB_PAGE_SIZE - TC_LINE_BYTES);
    CU_ASSERT(bench_statistic(&b, "units looked at for stores to code") <= NEAR);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        make_of_lines(&b, 0x1850, 1);
        bench_write(&b, 0x1840);
    }
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), PB_PAGE_SIZE - TC_LINE_BYTES);
    CU_ASSERT(bench_statistic(&b, "units looked at for stores to code") <= (ROUNDS + 1) * NEAR);
    /* One that reaches far makes writes there look at its neighbours, until it is gone. */
    make_of_lines(&b, 0x1850, 0x7b0);
    bench_write(&b, 0x1fff);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), PB_PAGE_SIZE - 2 * TC_LINE_BYTES);
    CU_ASSERT(bench_statistic(&b, "units looked at for stores to code") <= (ROUNDS + 3) * NEAR);
    bench_close(&b);
}

/* A unit that compares says that it is not right any more. */
static void changed(void)
{
    bench b;
    pb_tc_unit *u[2];

    bench_open(&b, 1 << 20);
    u[0] = bench_make(&b, 0x1000, 0, 0);
    u[1] = bench_make(&b, 0x1010, 0, 0);
    b.ops->changed(b.user, u[0]->code + 40);
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x1000));
    CU_ASSERT_PTR_EQUAL(bench_find(&b, b.user, 0x1010), u[1]);
    b.ops->changed(b.user, u[0]->code + 40);
    b.ops->changed(b.user, b.thunks.rx);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units dropped as changed"), 1);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 1);
    bench_close(&b);
}

/* Two pages of the guest are the same one: the unit is in its list twice. */
static void one_page_twice(void)
{
    bench b;
    pb_tc_unit *u[3], *other;

    bench_open(&b, 1 << 20);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3; i++) {
            uint32_t pc = 0x1ffe + 0x10000 * i;
            ir_unit ir = bench_translate(&b, 0x1000, false);

            ir.n_pages = 2;
            ir.pages[1] = ir.pages[0];
            u[i] = bench_publish(&b, b.user, &ir, pc, (const uint32_t[]){ 0, 0 }, 0, &other);
            CU_ASSERT_PTR_NOT_NULL_FATAL(u[i]);
        }
        if (round)
            b.ops->drop(b.user, u[1]);
        bench_write(&b, 0x1008);
        CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 0);
        CU_ASSERT_EQUAL(bench_statistic(&b, "pages with units"), 0);
    }
    bench_close(&b);
}

/* Code that is not RAM stands for no page. */
static void no_page(void)
{
    bench b;
    pb_tc_unit *other;
    ir_unit ir = { .n_marks = 1 };
    pb_code_job job = { .size = sizeof(job) };
    pb_tc_key key = { .pc = 0x1000 };

    bench_open(&b, 1 << 20);
    CU_ASSERT_EQUAL(b.ops->reserve(b.user, BENCH_UNIT_BYTES, &job.slice), PB_TC_ROOM);
    bench_emit(&job, 0x1000, (const uint32_t[]){ 8, 8 }, 0, 0);
    CU_ASSERT_PTR_NULL(b.ops->publish(b.user, &key, &ir, &job, &other));
    CU_ASSERT_PTR_NULL(b.ops->lookup(b.user, &key));
    bench_close(&b);
}

static void addresses(void)
{
    bench b;
    pb_tc_unit *u, *v;

    bench_open(&b, 1 << 20);
    CU_ASSERT_PTR_NULL(b.ops->unit_at(b.user, b.thunks.rx));
    u = bench_make(&b, 0x1000, 0, 0);
    v = bench_make(&b, 0x2000, 0, 0);
    CU_ASSERT_PTR_EQUAL(b.ops->unit_at(b.user, u->code), u);
    CU_ASSERT_PTR_EQUAL(b.ops->unit_at(b.user, u->code + u->bytes - 1), u);
    CU_ASSERT(v->code > u->code + u->bytes); /* because they are aligned */
    CU_ASSERT_PTR_NULL(b.ops->unit_at(b.user, u->code + u->bytes));
    CU_ASSERT_PTR_EQUAL(b.ops->unit_at(b.user, v->code), v);
    CU_ASSERT_PTR_NULL(b.ops->unit_at(b.user, v->code + v->bytes));
    CU_ASSERT_PTR_NULL(b.ops->unit_at(b.user, u->code - 1));
    CU_ASSERT_PTR_NULL(b.ops->unit_at(b.user, b.tc->rx + b.tc->bytes));
    CU_ASSERT_PTR_NULL(b.ops->unit_at(b.user, NULL));
    CU_ASSERT_PTR_NULL(b.ops->unit_at(b.user, (const uint8_t *)UINTPTR_MAX));
    bench_close(&b);
}

static void add_pc(void *opaque, const pb_tc_unit *unit)
{
    *(uint64_t *)opaque += unit->key.pc;
}

static void listing(void)
{
    bench b;
    uint64_t sum = 0;

    bench_open(&b, 1 << 20);
    bench_make(&b, 0x1000, 0, 0);
    bench_make(&b, 0x2000, 0, 0);
    bench_make(&b, 0x4000, 0, 0);
    bench_write(&b, 0x2000);
    b.ops->each(b.user, add_pc, &sum);
    CU_ASSERT_EQUAL(sum, 0x5000);
    bench_close(&b);
}

static pb_tc_unit *make_region(bench *b, uint32_t pc)
{
    ir_unit ir = bench_translate(b, pc, false);
    pb_tc_key key = bench_key(b, pc);
    pb_code_job job = { .size = sizeof(job), .flags = PB_CODE_REGION };
    pb_tc_unit *other;

    CU_ASSERT_EQUAL(b->ops->reserve(b->user, BENCH_UNIT_BYTES, &job.slice), PB_TC_ROOM);
    bench_emit(&job, pc, (const uint32_t[]){ 8, 8 }, 0, 0);
    return b->ops->publish(b->user, &key, &ir, &job, &other);
}

/* Whoever is in a region that is dropped is told, whatever it is dropped for; of other units nobody is. */
static void dropping_regions(void)
{
    bench b;
    pb_tc_user *away;
    uint32_t word = 8, away_word = 0;
    pb_tc_unit *u;

    bench_open(&b, 1 << 20);
    away = b.ops->user_new(b.tc, NULL, NULL);
    b.ops->request_word(b.user, &word, 4);
    b.ops->request_word(away, &away_word, 1);
    bench_make(&b, 0x1000, 0, 0);
    bench_write(&b, 0x1000);
    CU_ASSERT_EQUAL(word, 8);

    u = make_region(&b, 0x1000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(u);
    CU_ASSERT_EQUAL(word, 8);
    bench_write(&b, 0x1000);
    CU_ASSERT_EQUAL(word, 12);
    CU_ASSERT_EQUAL(away_word, 1);

    word = 0;
    u = make_region(&b, 0x1000);
    b.ops->drop(b.user, u);
    CU_ASSERT_EQUAL(word, 4);
    word = 0;
    b.ops->drop(b.user, u); /* once */
    CU_ASSERT_EQUAL(word, 0);

    make_region(&b, 0x1000);
    b.ops->drop_all(b.tc);
    CU_ASSERT_EQUAL(word, 4);
    b.ops->user_free(away);
    bench_close(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "finding", finding },
        { "thousands", thousands },
        { "stale before publishing", stale_before_publishing },
        { "dropping a page", dropping_a_page },
        { "two pages", two_pages },
        { "lines", lines },
        { "dropping code", dropping_code },
        { "few are looked at", few_looked_at },
        { "changed", changed },
        { "one page twice", one_page_twice },
        { "no page", no_page },
        { "addresses", addresses },
        { "listing", listing },
        { "dropping regions", dropping_regions },
        { 0 },
    };

    return unit_run("tc units", cases);
}
