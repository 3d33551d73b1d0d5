/*
 * Threads that execute, link, emit and remember units in one small cache, while pages become stale and slabs are
 * evicted under them: all of core/tc.
 */
#include "bench.h"

#include <sched.h>

enum { WORKERS = 4, GRAIN = 64, PCS = RAM_PAGES * 4096 / GRAIN, JUMPS = 64 };

typedef struct field {
    bench b;
    uint32_t dispatches, writes; /* for each */
    bool flushes;                /* drop_all() now and then */
    uint32_t evict_every;        /* reservations */
    uint32_t bytes[RAM_PAGES];   /* atomic: what the guest wrote to a page */
    uint32_t settled[RAM_PAGES]; /* atomic: what units that are found now must have seen */
    uint32_t failures;           /* atomic */
    uint32_t workers;            /* atomic: that are not done */
} field;

typedef struct worker {
    field *f;
    pb_tc_user *user;
    pthread_t thread;
    uint32_t random;
    bench_ctx ctx;
    struct {
        uint32_t pc;
        const uint8_t *entry;
    } jumps[JUMPS];
    const uint8_t *site; /* that is to be linked, or null */
    uint32_t kick;       /* atomic: nudged */
    uint64_t executed, links, once;
} worker;

static void fail(field *f)
{
    __atomic_add_fetch(&f->failures, 1, __ATOMIC_SEQ_CST);
}

static uint32_t draw(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void forget(worker *w)
{
    memset(w->jumps, 0, sizeof(w->jumps));
    w->site = NULL;
}

static void on_nudge(void *opaque)
{
    __atomic_store_n(&((worker *)opaque)->kick, 1, __ATOMIC_RELAXED);
}

/* ---- one dispatch ---------------------------------------------------------------------------------------- */

/* Near, so that units link to each other and loop, or anywhere. */
static uint32_t far_from(uint32_t pc)
{
    uint32_t hash = pc / GRAIN * 2654435761u;
    uint32_t distance = hash >> 29 ? hash >> 22 & 15 : hash >> 9;

    return (pc / GRAIN - distance) % PCS * GRAIN;
}

/* Pages are looked at as the core does it: the generation first, then the bytes. */
static const uint8_t *make(worker *w, uint32_t pc)
{
    field *f = w->f;
    bench *b = &f->b;
    bool two_pages =
        (pc & PB_PAGE_MASK) == PB_PAGE_SIZE - GRAIN && pc >> PB_PAGE_BITS < RAM_PAGES - 1;
    ir_unit ir = bench_translate(b, pc, two_pages);
    uint32_t value = __atomic_load_n(&f->bytes[pc >> PB_PAGE_BITS], __ATOMIC_RELAXED);
    uint32_t next[2] = { (pc + GRAIN) % (PCS * GRAIN), far_from(pc) };
    uint32_t padding = draw(&w->random) % 2000;
    pb_tc_key key = { .page = ir.pages[0].generation, .pc = pc, .key = 7 };
    pb_code_job job = { .size = sizeof(job) };
    pb_tc_unit *u, *other;

    if (b->ops->reserve(w->user, BENCH_UNIT_BYTES + padding, &job.slice) != PB_TC_ROOM)
        return NULL;
    bench_emit(&job, pc, next, value, padding);
    u = b->ops->publish(w->user, &key, &ir, &job, &other);
    u = u ? u : other;
    if (u && w->site)
        b->ops->link(w->user, w->site, u);
    w->once += !u;
    return u ? u->entry : job.slice.rx + job.entry;
}

static const uint8_t *find(worker *w, uint32_t pc)
{
    field *f = w->f;
    bench *b = &f->b;
    uint32_t page = pc >> PB_PAGE_BITS;
    uint32_t settled = __atomic_load_n(&f->settled[page], __ATOMIC_ACQUIRE);
    pb_tc_unit *u = bench_find(b, w->user, pc);

    if (!u)
        return make(w, pc);
    if (u->key.pc != pc || bench_value(u) < settled)
        fail(f);
    if (w->site) {
        b->ops->link(w->user, w->site, u);
        w->links++;
    }
    w->jumps[pc / GRAIN % JUMPS].pc = pc;
    w->jumps[pc / GRAIN % JUMPS].entry = u->entry;
    return u->entry;
}

/* Execute, and note where a jump is not linked. */
static void run(worker *w, uint32_t pc, const uint8_t *entry)
{
    const uint8_t *site;
    pb_tc_unit *unit;
    pb_code_link link;

    w->ctx.budget = 50;
    w->ctx.executed = 0;
    w->ctx.random = draw(&w->random);
    site = bench_run(entry, &w->ctx);
    w->executed += w->ctx.executed;
    w->site = NULL;
    if (!site) {
        if (w->ctx.pc != w->ctx.expected)
            fail(w->f);
        w->jumps[pc / GRAIN % JUMPS].entry = NULL; /* it may be stale */
    } else if (w->f->b.ops->link_at(w->user, site, &unit, &link)) {
        if (link.pc != w->ctx.expected || unit->code + link.site != site)
            fail(w->f);
        w->site = site;
    }
}

static void dispatch(worker *w)
{
    const pb_tc_ops *ops = w->f->b.ops;
    uint32_t pc = w->ctx.expected, i = pc / GRAIN % JUMPS;
    const uint8_t *entry = w->jumps[i].pc == pc ? w->jumps[i].entry : NULL;

    if (!entry || w->site)
        entry = find(w, pc);
    if (entry) {
        run(w, pc, entry);
        return;
    }
    ops->leave(w->user);
    w->site = NULL;
    sched_yield();
    if (ops->enter(w->user))
        forget(w);
}

static void *work(void *opaque)
{
    worker *w = opaque;
    field *f = w->f;
    const pb_tc_ops *ops = f->b.ops;

    if (ops->enter(w->user))
        forget(w);
    for (uint32_t i = 0; i < f->dispatches; i++) {
        uint32_t chance = draw(&w->random) % 4096;

        dispatch(w);
        /* Some are quiescent seldom, as after long runs of linked code. */
        if ((i & 7) == 0 || __atomic_exchange_n(&w->kick, 0, __ATOMIC_RELAXED))
            if (ops->quiescent(w->user))
                forget(w);
        if (chance == 0 && f->flushes)
            ops->drop_all(f->b.tc);
        if (chance < 40) {
            ops->leave(w->user);
            if (ops->enter(w->user))
                forget(w);
            w->site = NULL;
        }
    }
    ops->leave(w->user);
    __atomic_sub_fetch(&f->workers, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Writes pages while the workers run. */
static void *disturb(void *opaque)
{
    field *f = opaque;
    uint32_t random = 77;

    while (__atomic_load_n(&f->workers, __ATOMIC_SEQ_CST) > 0) {
        uint32_t page = draw(&random) % RAM_PAGES;

        for (uint32_t i = 0; i < f->writes; i++) {
            uint32_t value = f->bytes[page] + 1;

            __atomic_store_n(&f->bytes[page], value, __ATOMIC_RELAXED);
            pb_ram_stored(f->b.ram, page << PB_PAGE_BITS, 1);
            __atomic_store_n(&f->settled[page], value, __ATOMIC_RELEASE);
        }
        sched_yield();
    }
    return NULL;
}

/* ---- all together ---------------------------------------------------------------------------------------- */

static void check_sums(bench *b)
{
    CU_ASSERT_EQUAL(bench_statistic(b, "units published") - bench_statistic(b, "units alive"),
                    bench_statistic(b, "units dropped as stale") +
                        bench_statistic(b, "units dropped by eviction") +
                        bench_statistic(b, "units dropped by flushes"));
    CU_ASSERT(bench_statistic(b, "jumps linked") >= bench_statistic(b, "jumps unlinked"));
    b->ops->drop_all(b->tc);
    CU_ASSERT_EQUAL(bench_statistic(b, "units alive"), 0);
    CU_ASSERT_EQUAL(bench_statistic(b, "pages with units"), 0);
    CU_ASSERT_EQUAL(bench_statistic(b, "jumps linked"), bench_statistic(b, "jumps unlinked"));
    for (uint64_t i = 0; i < UINT64_C(1) << b->tc->bucket_bits; i++)
        CU_ASSERT_EQUAL_FATAL(b->tc->buckets[i], 0);
}

static void play(field *f, uint64_t bytes)
{
    static worker workers[WORKERS];
    uint64_t executed = 0, links = 0;
    pthread_t writer;

    bench_open(&f->b, bytes);
    f->b.ops->evict_every(f->b.tc, f->evict_every);
    f->b.ops->leave(f->b.user);
    f->workers = WORKERS;
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (worker){ .f = f, .random = i + 1, .ctx.random = i };
        workers[i].user = f->b.ops->user_new(f->b.tc, on_nudge, &workers[i]);
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    pthread_create(&writer, NULL, disturb, f);
    for (uint32_t i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        executed += workers[i].executed;
        links += workers[i].links;
        CU_ASSERT_EQUAL(workers[i].ctx.wrong, 0);
    }
    pthread_join(writer, NULL);
    CU_ASSERT_EQUAL(f->failures, 0);
    CU_ASSERT(executed > 0); /* how many by links depends on the host's scheduler: it is printed */
    printf("(%lu units executed, %lu links asked for, %lu made, %lu slabs evicted, %lu put off) ",
           (unsigned long)executed, (unsigned long)links,
           (unsigned long)bench_statistic(&f->b, "units published"),
           (unsigned long)bench_statistic(&f->b, "slabs evicted"),
           (unsigned long)bench_statistic(&f->b, "reservations put off"));
    check_sums(&f->b);
    for (uint32_t i = 0; i < WORKERS; i++)
        f->b.ops->user_free(workers[i].user);
    f->b.ops->enter(f->b.user);
    bench_close(&f->b);
}

/* All units fit: what changes is pages and links. */
static void stale_pages(void)
{
    static field f;

    f = (field){ .dispatches = 20000, .writes = 1 };
    play(&f, 64 << 20);
    CU_ASSERT(f.failures == 0);
}

/* They are four times what the cache holds. */
static void eviction(void)
{
    static field f;

    f = (field){ .dispatches = 20000 };
    play(&f, 1 << 20);
}

static void everything(void)
{
    static field f;

    f = (field){ .dispatches = 20000, .writes = 1, .flushes = true };
    play(&f, 1 << 20);
}

/* Slabs that are in use, and hot, go as well. */
static void eviction_by_chance(void)
{
    static field f;

    f = (field){ .dispatches = 20000, .writes = 1, .evict_every = 5 };
    play(&f, 8 << 20);
    CU_ASSERT(f.failures == 0);
}

int main(void)
{
    static const unit_case cases[] = {
        { "stale pages", stale_pages },
        { "eviction", eviction },
        { "everything at once", everything },
        { "eviction by chance", eviction_by_chance },
        { 0 },
    };

#ifndef __x86_64__
    printf("not tested: the units of this test are x86-64 code\n0 passed, 0 failed\n");
    return 77; /* skipped */
#endif
    return unit_run("tc threads", cases);
}
