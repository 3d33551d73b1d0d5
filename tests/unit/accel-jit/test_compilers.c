/*
 * Compilers: plugins/accel-jit/compile.c and region.c, with the core's translation cache. What translates and emits is a fake:
 * a unit has as its value the first word of the page that it was made from.
 *
 * The rules that are tested: a unit that is found has a value not older than what was settled before, by a write to the
 * page or by dropping everything; what was asked for is counted once; nobody waits for what was cancelled.
 */
#include "../tc/bench.h"
#include "jit.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, REGION = 1u << 31, VALUE = REGION - 1 };

/* ---- a jit ------------------------------------------------------------------------------------------------------ */

/* A compiler that translates waits here while it is closed. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed;
    uint32_t inside;
} gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };

static bool no_loop, watching; /* what the fake translator says */
static bench *bench_now;

static void pass_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.inside++;
    pthread_cond_broadcast(&gate.changed);
    while (gate.closed)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.inside--;
    pthread_mutex_unlock(&gate.lock);
}

static void set_gate(bool closed)
{
    pthread_mutex_lock(&gate.lock);
    gate.closed = closed;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_for_compilers(uint32_t n)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.inside < n)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static uint32_t first_word(const pb_code_page *page)
{
    return __atomic_load_n((const uint32_t *)(const void *)page->host, __ATOMIC_RELAXED) & VALUE;
}

static pb_mem_result code(pb_vcpu *vcpu, uint64_t gva, uint32_t mmu, pb_code_page *page,
                          pb_guest_fault *fault)
{
    ir_unit ir = bench_translate(bench_now, (uint32_t)gva, false);

    *page = ir.pages[0];
    return PB_MEM_OK;
}

static ir_unit *region(pb_vcpu *vcpu, uint64_t pc, uint64_t key, const pb_region_request *request,
                       ir_unit *reuse)
{
    ir_unit *ir = reuse ? reuse : calloc(1, sizeof(*ir));
    pb_guest_fault fault;

    *ir = (ir_unit){ .size = sizeof(*ir), .pc = pc, .n_marks = 1, .n_pages = 1 };
    if (request->page)
        ir->pages[0] = *request->page;
    else
        code(vcpu, pc, 0, &ir->pages[0], &fault);
    pb_ram_code_reads(ir->pages[0].generation, 0, PB_PAGE_SIZE);
    ir->key = first_word(&ir->pages[0]);
    pass_gate();
    if (no_loop && !reuse)
        free(ir);
    return no_loop ? NULL : ir;
}

static void unit_free(ir_unit *unit)
{
    free(unit);
}

static bool watched(void)
{
    return watching;
}

bool emit_region(const jit_maker *m, uint64_t key)
{
    const pb_tc_ops *ops = m->jit->tc_ops;

    *m->job = (pb_code_job){ .size = sizeof(*m->job), .flags = PB_CODE_REGION };
    if (ops->reserve(m->user, BENCH_UNIT_BYTES, &m->job->slice) != PB_TC_ROOM)
        return false;
    bench_emit(m->job, (uint32_t)m->ir->pc, (const uint32_t[]){ 0, 0 },
               (uint32_t)m->ir->key | REGION, 0);
    return true;
}

static uint32_t fetch_mmu(uint64_t key)
{
    return 0;
}

static const pb_translate_ops translate_ops = {
    .size = sizeof(translate_ops), .unit_free = unit_free, .region = region, .watched = watched
};
static const pb_translator translator = { .size = sizeof(translator), .fetch_mmu = fetch_mmu };
static const pb_cpu_type cpu = { .translator = &translator };
static const pb_vcpu_ops vcpu_ops = { .size = sizeof(vcpu_ops), .code = code };

/* The cache's functions for the jit, whose compilers wait at the gate before they enter, if that is wanted. */
static const pb_tc_ops *real_ops;
static bool enter_by_gate;

static bool gated_enter(pb_tc_user *user)
{
    if (__atomic_load_n(&enter_by_gate, __ATOMIC_SEQ_CST))
        pass_gate();
    return real_ops->enter(user);
}

static pb_tc_ops gated_ops;

typedef struct world {
    bench b;
    jit *j;
} world;

static void open_world(world *w, uint32_t threads)
{
    pb_error error = PB_ERROR_INIT;

    no_loop = watching = false;
    set_gate(false);
    bench_open(&w->b, 1 << 20);
    w->b.ops->leave(w->b.user);
    bench_now = &w->b;
    w->j = calloc(1, sizeof(*w->j));
    w->j->translate = &translate_ops;
    real_ops = w->b.ops;
    gated_ops = *real_ops;
    gated_ops.enter = gated_enter;
    w->j->tc_ops = &gated_ops;
    w->j->tc = w->b.tc;
    w->j->regions = REGIONS_SAMPLED;
    w->j->compile_threads = threads;
    CU_ASSERT_FATAL(start_sampler(w->j, &error) && start_compilers(w->j, &error));
    CU_ASSERT_EQUAL(w->j->compilers != NULL, threads > 0);
}

static void close_world(world *w)
{
    stop_sampler(w->j);
    stop_compilers(w->j);
    CU_ASSERT_PTR_NULL(w->j->compilers);
    free(w->j);
    w->b.ops->enter(w->b.user);
    bench_close(&w->b);
}

static jit_vcpu *vcpu_new(world *w)
{
    jit_vcpu *x = calloc(1, sizeof(*x));

    x->jit = w->j;
    x->vcpu = calloc(1, sizeof(*x->vcpu));
    x->vcpu->type = &cpu;
    x->vcpu->ops = &vcpu_ops;
    x->key = 7;
    x->user = w->b.ops->user_new(w->b.tc, NULL, NULL);
    return x;
}

/* Of the machine: processors are freed when nothing is made for them any more. */
static void vcpu_free(jit_vcpu *x)
{
    stop_compilers(x->jit);
    x->jit->tc_ops->user_free(x->user);
    free(x->ir);
    free(x->vcpu);
    free(x);
}

static uint64_t count_of(const uint64_t *statistic)
{
    return __atomic_load_n(statistic, __ATOMIC_SEQ_CST);
}

static void wait_for(const uint64_t *statistic, uint64_t n)
{
    while (count_of(statistic) < n)
        sched_yield();
}

/* A unit of the page's value now. */
static pb_tc_unit *make_unit(world *w, jit_vcpu *x, uint32_t pc)
{
    ir_unit ir = bench_translate(&w->b, pc, false);
    pb_tc_key key = { .page = ir.pages[0].generation, .pc = pc, .key = 7 };
    pb_code_job job = { .size = sizeof(job) };
    pb_tc_unit *u, *other;

    if (w->b.ops->reserve(x->user, BENCH_UNIT_BYTES, &job.slice) != PB_TC_ROOM)
        return NULL;
    bench_emit(&job, pc, (const uint32_t[]){ 0, 0 }, first_word(&ir.pages[0]), 0);
    u = w->b.ops->publish(x->user, &key, &ir, &job, &other);
    return u ? u : other;
}

static void write_value(world *w, uint32_t page, uint32_t value)
{
    uint32_t *word = (uint32_t *)(void *)(pb_ram_host(w->b.ram) + page * PB_PAGE_SIZE);

    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* Samples that ask for a region, three of a pc. */
static void ask(world *w, jit_vcpu *x, uint32_t pc)
{
    w->b.ops->enter(x->user);
    CU_ASSERT_PTR_NOT_NULL(make_unit(w, x, pc));
    for (int i = 0; i < 3; i++)
        met(x, pc);
    w->b.ops->leave(x->user);
}

static bool is_region_there(world *w, jit_vcpu *x, uint32_t pc)
{
    pb_tc_unit *u;

    w->b.ops->enter(x->user);
    u = bench_find(&w->b, x->user, pc);
    w->b.ops->leave(x->user);
    return u && bench_value(u) & REGION;
}

/* ---- one at a time ---------------------------------------------------------------------------------------------- */

static void a_region(uint32_t threads)
{
    world w;
    jit_vcpu *x;

    open_world(&w, threads);
    x = vcpu_new(&w);
    write_value(&w, 1, 5);
    ask(&w, x, 0x1000);
    wait_for(&w.j->published, 1);
    CU_ASSERT(is_region_there(&w, x, 0x1000));
    CU_ASSERT_EQUAL(bench_statistic(&w.b, "units replaced"), 1);
    w.b.ops->enter(x->user);
    for (int i = 0; i < 10; i++)
        met(x, 0x1000); /* it is one */
    w.b.ops->leave(x->user);
    CU_ASSERT_EQUAL(count_of(&w.j->requests), 1);
    CU_ASSERT_EQUAL(count_of(&w.j->discarded), 0);
    vcpu_free(x);
    close_world(&w);
}

static void in_the_background(void)
{
    a_region(1);
}

static void at_once(void)
{
    a_region(0);
}

static void when_watched(void)
{
    world w;
    jit_vcpu *x;

    open_world(&w, 1);
    watching = true;
    x = vcpu_new(&w);
    ask(&w, x, 0x1000);
    CU_ASSERT_EQUAL(count_of(&w.j->published), 1); /* by itself */
    CU_ASSERT_PTR_NOT_NULL(x->ir);
    vcpu_free(x);
    close_world(&w);
}

static void without_a_loop(void)
{
    world w;
    jit_vcpu *x;

    open_world(&w, 1);
    no_loop = true;
    x = vcpu_new(&w);
    ask(&w, x, 0x1000);
    wait_for(&w.j->no_loops, 1);
    CU_ASSERT_FALSE(is_region_there(&w, x, 0x1000));
    CU_ASSERT_EQUAL(bench_statistic(&w.b, "units alive"), 1); /* the unit stays */
    w.b.ops->enter(x->user);
    for (int i = 0; i < 10; i++)
        met(x, 0x1000);
    w.b.ops->leave(x->user);
    CU_ASSERT_EQUAL(count_of(&w.j->requests), 1);
    vcpu_free(x);
    close_world(&w);
}

/* The page is written to while the region is made. */
static void written_meanwhile(void)
{
    world w;
    jit_vcpu *x;

    open_world(&w, 1);
    x = vcpu_new(&w);
    set_gate(true);
    ask(&w, x, 0x1000);
    wait_for_compilers(1);
    write_value(&w, 1, 6);
    pb_ram_stored(w.b.ram, 0x1000, 4);
    set_gate(false);
    wait_for(&w.j->discarded, 1);
    CU_ASSERT_FALSE(is_region_there(&w, x, 0x1000));
    CU_ASSERT_EQUAL(count_of(&w.j->published), 0);
    /* Of the new code there may be one. */
    ask(&w, x, 0x1000);
    wait_for(&w.j->published, 1);
    CU_ASSERT(is_region_there(&w, x, 0x1000));
    vcpu_free(x);
    close_world(&w);
}

/* The bytes are others though nothing was written: a snapshot was loaded. One region is being made, others wait. */
static void dropped_meanwhile(void)
{
    world w;
    jit_vcpu *x;

    open_world(&w, 1);
    x = vcpu_new(&w);
    set_gate(true);
    ask(&w, x, 0x1000);
    wait_for_compilers(1);
    ask(&w, x, 0x2000);
    ask(&w, x, 0x3000);
    drop_everything(w.j);
    CU_ASSERT_EQUAL(count_of(&w.j->discarded), 2);
    set_gate(false);
    wait_for(&w.j->discarded, 3);
    CU_ASSERT_EQUAL(count_of(&w.j->published), 0);
    CU_ASSERT_EQUAL(bench_statistic(&w.b, "units alive"), 0);
    vcpu_free(x);
    close_world(&w);
}

/* The same, for a compiler that has seen that something waits, and enters the cache after all was dropped. */
static void dropped_before_entering(void)
{
    world w;
    jit_vcpu *x;

    open_world(&w, 1);
    x = vcpu_new(&w);
    set_gate(true);
    __atomic_store_n(&enter_by_gate, true, __ATOMIC_SEQ_CST);
    ask(&w, x, 0x1000);
    wait_for_compilers(1);
    write_value(&w, 1, 6);
    drop_everything(w.j);
    __atomic_store_n(&enter_by_gate, false, __ATOMIC_SEQ_CST);
    set_gate(false);
    wait_for(&w.j->discarded, 1);
    ask(&w, x, 0x2000); /* behind it: what became of it is known when this one is there */
    wait_for(&w.j->published, 1);
    CU_ASSERT(is_region_there(&w, x, 0x2000));
    CU_ASSERT_FALSE(is_region_there(&w, x, 0x1000));
    CU_ASSERT_EQUAL(count_of(&w.j->published), 1);
    vcpu_free(x);
    close_world(&w);
}

/* What there is no room for is asked for again; the end waits for the region that is being made alone. */
static void too_many(void)
{
    world w;
    jit_vcpu *x;
    uint32_t posted = 0;

    open_world(&w, 1);
    x = vcpu_new(&w);
    set_gate(true);
    ask(&w, x, 0x1000);
    wait_for_compilers(1);
    while (count_of(&w.j->discarded) == 0 && posted < 40)
        ask(&w, x, 0x2000 + 0x1000 * posted++);
    CU_ASSERT(posted > 1 && posted < 40);
    CU_ASSERT_EQUAL(count_of(&w.j->requests), posted + 1);
    w.b.ops->enter(x->user);
    met(x, 0x1000 + 0x1000 * posted);
    met(x, 0x1000 + 0x1000 * posted);
    w.b.ops->leave(x->user);
    CU_ASSERT_EQUAL(count_of(&w.j->requests), posted + 2);
    CU_ASSERT_EQUAL(count_of(&w.j->discarded), 2);
    set_gate(false);
    wait_for(&w.j->published, 2);
    vcpu_free(x);
    close_world(&w);
}

/* ---- all together ----------------------------------------------------------------------------------------------- */

typedef struct storm {
    world w;
    uint32_t settled[RAM_PAGES]; /* atomic: what units that are found now must have seen */
    uint32_t failures;           /* atomic */
    uint32_t regions;            /* atomic: that were found */
    uint32_t workers;            /* atomic: that are not done */
    uint64_t published;          /* so many regions are enough */
} storm;

typedef struct worker {
    storm *s;
    jit_vcpu *x;
    pthread_t thread;
    uint32_t random;
} worker;

static uint32_t draw(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void *work(void *opaque)
{
    worker *me = opaque;
    storm *s = me->s;
    const pb_tc_ops *ops = s->w.b.ops;

    while (count_of(&s->w.j->published) < s->published) {
        uint32_t page = draw(&me->random) % 8, pc = page * PB_PAGE_SIZE;
        uint32_t settled = __atomic_load_n(&s->settled[page], __ATOMIC_ACQUIRE);
        pb_tc_unit *u;

        ops->enter(me->x->user);
        u = bench_find(&s->w.b, me->x->user, pc);
        if (!u) {
            make_unit(&s->w, me->x, pc);
        } else {
            if (u->key.pc != pc || (bench_value(u) & VALUE) < settled)
                __atomic_add_fetch(&s->failures, 1, __ATOMIC_SEQ_CST);
            if (bench_value(u) & REGION)
                __atomic_add_fetch(&s->regions, 1, __ATOMIC_SEQ_CST);
            met(me->x, pc);
        }
        ops->leave(me->x->user);
        if (draw(&me->random) % 32 == 0)
            sched_yield();
    }
    __atomic_sub_fetch(&s->workers, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Writes to pages, and now and then what nobody is told of before all units are dropped. */
static void *disturb(void *opaque)
{
    storm *s = opaque;
    uint32_t random = 99, value = 0;

    while (__atomic_load_n(&s->workers, __ATOMIC_SEQ_CST) > 0) {
        uint32_t page = draw(&random) % 8;

        write_value(&s->w, page, ++value);
        if (draw(&random) % 4)
            pb_ram_stored(s->w.b.ram, page * PB_PAGE_SIZE, 4);
        else
            drop_everything(s->w.j);
        __atomic_store_n(&s->settled[page], value, __ATOMIC_RELEASE);
        for (uint32_t i = draw(&random) % 16; i > 0; i--)
            sched_yield();
    }
    return NULL;
}

static void a_storm(uint32_t threads)
{
    static storm s;
    worker workers[WORKERS];
    pthread_t writer;
    const jit *j;

    s = (storm){ .published = 500, .workers = WORKERS };
    open_world(&s.w, threads);
    j = s.w.j;
    for (uint32_t i = 0; i < WORKERS; i++)
        workers[i] = (worker){ .s = &s, .random = i + 1, .x = vcpu_new(&s.w) };
    for (uint32_t i = 0; i < WORKERS; i++)
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    pthread_create(&writer, NULL, disturb, &s);
    for (uint32_t i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_join(writer, NULL);
    CU_ASSERT_EQUAL(s.failures, 0);
    /* All that was asked for comes to something, if one waits for it. */
    while (count_of(&j->published) + count_of(&j->discarded) < count_of(&j->requests))
        sched_yield();
    CU_ASSERT_EQUAL(count_of(&j->published) + count_of(&j->discarded), count_of(&j->requests));
    printf("(%lu requests, %lu published, found %u times) ", (unsigned long)count_of(&j->requests),
           (unsigned long)count_of(&j->published), s.regions);
    for (uint32_t i = 0; i < WORKERS; i++)
        vcpu_free(workers[i].x);
    close_world(&s.w);
}

static void storm_of_one(void)
{
    a_storm(1);
}

static void storm_of_three(void)
{
    a_storm(3);
}

static bool copied(pb_tc *tc, uint32_t phase, pb_error *error)
{
    return true;
}

/* Who has the memory of a child of fork(), but is another process, makes no threads for it. */
static void after_fork(void)
{
    static const pb_tc_ops ops = { .size = sizeof(ops), .fork = copied };
    static jit j;
    static int32_t stays;
    pid_t pid;

    j = (jit){ .tc_ops = &ops, .tc = (pb_tc *)&j };
    CU_ASSERT_TRUE(fork_jit(&j, PB_FORK_CHILD, NULL));
    stays = j.stays_left;
    CU_ASSERT_TRUE(stays > 0);
    pid = vfork();
    if (pid == 0) {
        for (int32_t i = 0; i < stays; i++)
            count_stay(&j);
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
    CU_ASSERT_EQUAL(j.stays_left, stays);
    count_stay(&j);
    CU_ASSERT_EQUAL(j.stays_left, stays - 1);
}

int main(void)
{
    static const unit_case cases[] = {
        { "in the background", in_the_background },
        { "at once", at_once },
        { "when watched", when_watched },
        { "without a loop", without_a_loop },
        { "written meanwhile", written_meanwhile },
        { "dropped meanwhile", dropped_meanwhile },
        { "dropped before entering", dropped_before_entering },
        { "too many", too_many },
        { "a storm, one compiler", storm_of_one },
        { "a storm, three compilers", storm_of_three },
        { "who makes threads after fork()", after_fork },
        { 0 },
    };

    return unit_run("jit compilers", cases);
}
