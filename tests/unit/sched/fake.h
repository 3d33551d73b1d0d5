/*
 * A runner for tests: executes "instructions", each a call of a function, and keeps to the contract of
 * pb_runner_ops.
 */
#ifndef TESTS_SCHED_FAKE_H
#define TESTS_SCHED_FAKE_H

#include <core/sched/sched.h>

#include "../runner.h"

typedef struct fake fake;

struct fake {
    pb_sched *sched;
    pb_runner *runner;
    uint32_t index;
    uint32_t poked;   /* atomic */
    uint32_t pending; /* atomic: an input that has_work sees */
    uint32_t inside;  /* atomic: executes an instruction */
    int64_t budget;
    uint64_t executed; /* atomic */
    uint32_t works;    /* times that posted work was looked at */
    uint32_t unit;     /* instructions between looks at `poked`; 0 means 1 */
    /* One instruction; a result ends run(), 0 goes on. */
    pb_runner_result (*insn)(fake *f);
    void (*work)(fake *f, bool nested);
    void (*enter)(fake *f); /* run() begins */
    void (*fresh)(fake *f);
    void *opaque;
};

static inline pb_runner_result fake_run(void *self, int64_t budget, int64_t *left)
{
    fake *f = self;
    pb_runner_result result = 0;
    uint32_t n = 0;

    f->budget = budget;
    if (f->enter)
        f->enter(f);
    while (f->budget > 0 && !result) {
        if (n++ % MAX(f->unit, 1) == 0 && __atomic_load_n(&f->poked, __ATOMIC_SEQ_CST))
            break;
        if (budget != INT64_MAX)
            f->budget--;
        __atomic_store_n(&f->inside, 1, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&f->executed, 1, __ATOMIC_SEQ_CST);
        result = f->insn ? f->insn(f) : 0;
        __atomic_store_n(&f->inside, 0, __ATOMIC_SEQ_CST);
        if (budget == INT64_MAX && f->executed % 64 == 0)
            g_thread_yield(); /* more runners than host processors: let all take part */
    }
    *left = f->budget;
    return result ? result : PB_RUNNER_AGAIN;
}

static inline void fake_poke(void *self)
{
    fake *f = self;

    __atomic_store_n(&f->poked, 1, __ATOMIC_SEQ_CST);
    pb_runner_wake(f->runner);
}

static inline bool fake_has_work(void *self)
{
    return __atomic_load_n(&((fake *)self)->pending, __ATOMIC_SEQ_CST) != 0;
}

static inline void fake_work(void *self, bool nested)
{
    fake *f = self;

    if (!nested)
        __atomic_store_n(&f->poked, 0, __ATOMIC_SEQ_CST);
    f->works++;
    if (f->work)
        f->work(f, nested);
}

static inline int64_t fake_left(void *self)
{
    return ((fake *)self)->budget;
}

static inline void fake_cut(void *self, int64_t left)
{
    ((fake *)self)->budget = left;
}

static inline void fake_fresh(void *self)
{
    fake *f = self;

    if (f->fresh)
        f->fresh(f);
}

static const pb_runner_ops fake_ops = {
    .run = fake_run,
    .poke = fake_poke,
    .has_work = fake_has_work,
    .work = fake_work,
    .left = fake_left,
    .cut = fake_cut,
    .fresh = fake_fresh,
};

static inline void fake_add(fake *f, pb_sched *sched, pb_runner_result (*insn)(fake *f))
{
    f->sched = sched;
    f->insn = insn;
    f->runner = pb_sched_add_runner(sched, "fake", &fake_ops, f);
}

static inline uint64_t fake_executed(const fake *f)
{
    return __atomic_load_n(&f->executed, __ATOMIC_SEQ_CST);
}

static inline pb_sched *new_sched(pb_threads threads)
{
    pb_sched_config config = { .threads = threads, .wall_base_s = PB_WALL_HOST };

    return pb_sched_new(&config);
}

#endif
