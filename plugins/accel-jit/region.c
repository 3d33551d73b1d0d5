/*
 * Regions: loops that are executed often are made anew, all their units as one (pb.translate/1 region(),
 * PB_CODE_REGION), and take the place of the unit that they begin with. So whoever led there leads to the region, also
 * a jump back in a loop that is being executed.
 *
 * 1. Where time is spent is sampled, for counting would cost in every loop: a thread asks the vCPUs that execute, a
 *    thousand times a second, to look where they are (PB_EXIT_ACCEL). They see it at the head of a loop, or where
 *    an indirect jump leads.
 * 2. A pc that was met several times is promoted: pieces of code that were executed before, which is those that have
 *    units, and that jumps lead to from it, become a region if there is a loop.
 * 3. It is compiled by another thread, while the vCPU goes on in the units that there are (compile.c); on the vCPU's own if
 *    there are none of those, or somebody watches translations.
 * 4. Nothing that the guest sees depends on it: a region counts instructions as units do.
 */
#include "jit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { REGION_INSNS = 256, REGION_PIECES = 32, SAMPLES = 3, PERIOD_NS = 1000000, TRIES = 4 };

/* So many entries refused in such a time took about a percent of it. */
enum { REFUSALS = 1024, REFUSALS_NS = 50 * 1000 * 1000 };

/* ---- the sampler ------------------------------------------------------------------------------------------------ */

/* Ask those that execute; whether there are any. */
static bool ask(jit *j)
{
    bool any = false;

    for (jit_vcpu *x = j->first; x; x = x->next) {
        if (!__atomic_load_n(&x->running, __ATOMIC_SEQ_CST))
            continue;
        any = true;
        __atomic_fetch_or(&x->vcpu->exit_request, PB_EXIT_ACCEL, __ATOMIC_SEQ_CST);
    }
    return any;
}

static void wait_a_period(jit *j)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PERIOD_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (!j->ending && pthread_cond_timedwait(&j->wake, &j->lock, &until) != ETIMEDOUT)
        ;
}

static void *sample(void *jit_of)
{
    jit *j = jit_of;

    pthread_mutex_lock(&j->lock);
    while (!j->ending) {
        wait_a_period(j);
        if (ask(j))
            continue;
        /* Until one begins: it looks at `asleep` after it has said that it runs. */
        __atomic_store_n(&j->asleep, true, __ATOMIC_SEQ_CST);
        while (!j->ending && !ask(j))
            pthread_cond_wait(&j->wake, &j->lock);
        __atomic_store_n(&j->asleep, false, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

static void make_lock(jit *j)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&j->wake, &attr);
    pthread_condattr_destroy(&attr);
}

static int make_sampler(jit *j)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&j->sampler, NULL, sample, j);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    j->has_sampler = !failed;
    return failed;
}

bool start_sampler(jit *j, pb_error *error)
{
    int failed;

    make_lock(j);
    j->ending = j->asleep = false;
    if (j->regions != REGIONS_SAMPLED)
        return true;
    failed = make_sampler(j);
    return !failed || pb_fail(error, "no thread can be made: error %d", failed);
}

void lose_sampler(jit *j)
{
    make_lock(j);
    j->has_sampler = false;
    j->asleep = false;
}

void make_sampler_again(jit *j)
{
    if (j->regions == REGIONS_SAMPLED && !j->has_sampler)
        make_sampler(j); /* without it there are fewer regions */
}

void stop_sampler(jit *j)
{
    if (j->has_sampler) {
        pthread_mutex_lock(&j->lock);
        j->ending = true;
        pthread_cond_broadcast(&j->wake);
        pthread_mutex_unlock(&j->lock);
        pthread_join(j->sampler, NULL);
        j->has_sampler = false;
    }
    pthread_cond_destroy(&j->wake);
    pthread_mutex_destroy(&j->lock);
}

void add_to_sampled(jit_vcpu *x)
{
    pthread_mutex_lock(&x->jit->lock);
    x->next = x->jit->first;
    x->jit->first = x;
    pthread_mutex_unlock(&x->jit->lock);
}

void remove_from_sampled(jit_vcpu *x)
{
    jit_vcpu **at = &x->jit->first;

    pthread_mutex_lock(&x->jit->lock);
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    pthread_mutex_unlock(&x->jit->lock);
}

void say_running(jit_vcpu *x, bool running)
{
    jit *j = x->jit;

    __atomic_store_n(&x->running, running, __ATOMIC_SEQ_CST);
    if (!running || !__atomic_load_n(&j->asleep, __ATOMIC_SEQ_CST))
        return;
    pthread_mutex_lock(&j->lock);
    pthread_cond_broadcast(&j->wake);
    pthread_mutex_unlock(&j->lock);
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

typedef struct wish {
    const jit_maker *m;
    const pb_tc_key *key;
} wish;

static bool was_executed(void *opaque, uint64_t pc)
{
    const wish *w = opaque;
    const jit *j = w->m->jit;
    pb_tc_key key = { .page = w->key->page, .pc = pc, .key = w->key->key };

    if (!only_has(j, pc))
        return false;
    return j->regions == REGIONS_ALWAYS || j->tc_ops->lookup(w->m->user, &key) != NULL;
}

/* Translate a region into m->ir; false: there is none. */
static bool translate(jit_maker *m, const pb_tc_key *key, const pb_code_page *page)
{
    const pb_translate_ops *ops = m->jit->translate;
    wish w = { m, key };
    pb_region_request request = { .size = sizeof(request),
                                  .max_insns = REGION_INSNS,
                                  .max_pieces = REGION_PIECES,
                                  .piece_insns = UNIT_INSNS,
                                  .wanted = was_executed,
                                  .opaque = &w,
                                  .page = page };
    ir_unit *ir;

    if (!PB_HAS(ops, region) || !ops->region)
        return false;
    ir = ops->region(m->vcpu, key->pc, key->key, &request, m->ir);
    if (!ir)
        return false;
    m->ir = ir;
    /* Loops of a mixed page compare when they are entered: somebody has to ask that they are left. */
    if (ir->compares && !m->jit->compare && m->jit->regions == REGIONS_ALWAYS)
        return false;
    return ir->n_pages == 1 && ir->pages[0].generation == key->page;
}

bool make_region(jit_vcpu *x, const pb_tc_key *key)
{
    jit_maker m = maker_of(x);
    bool made = translate(&m, key, NULL);

    x->ir = m.ir;
    return made && emit_region(&m, key->key);
}

static bool is_stale(const ir_unit *ir)
{
    return __atomic_load_n(ir->pages[0].generation, __ATOMIC_SEQ_CST) != ir->pages[0].stamp;
}

/* The region takes the place of the unit; null if its page was written to. Others may make the unit anew meanwhile. */
static pb_tc_unit *replace(const jit_maker *m, const pb_tc_key *key)
{
    const pb_tc_ops *ops = m->jit->tc_ops;
    pb_tc_unit *other = ops->lookup(m->user, key), *u = NULL;

    for (uint32_t i = 0; i < TRIES && !u && !is_stale(m->ir); i++) {
        if (other)
            ops->drop(m->user, other);
        u = ops->publish(m->user, key, m->ir, m->job, &other);
        if (!u && !other)
            break;
    }
    return u;
}

/* ---- what was met ------------------------------------------------------------------------------------------------- */

static jit_met *met_at(jit *j, const pb_tc_key *key)
{
    uint64_t h = (key->pc ^ key->key) * UINT64_C(0x9e3779b97f4a7c15);
    jit_met *m = &j->met[h >> 32 & (MET - 1)];

    if (m->pc == key->pc && m->key == key->key && m->page == key->page)
        return m;
    if (m->samples && m->samples-- > 1)
        return NULL; /* one that is met more often keeps the place */
    *m = (jit_met){ .pc = key->pc, .key = key->key, .page = key->page };
    return m;
}

/* Whether it is time to promote the unit; once for each. */
static bool is_due(jit *j, const pb_tc_key *key, const pb_tc_unit *unit)
{
    bool due = false;
    jit_met *m;

    pthread_mutex_lock(&j->lock);
    m = met_at(j, key);
    if (m && m->unit != unit) {
        due = ++m->samples >= SAMPLES;
        if (due)
            m->unit = unit;
    }
    pthread_mutex_unlock(&j->lock);
    return due;
}

static void note(jit *j, const pb_tc_key *key, const pb_tc_unit *unit, uint32_t samples)
{
    jit_met *m;

    pthread_mutex_lock(&j->lock);
    m = met_at(j, key);
    if (m) {
        m->unit = unit;
        m->samples = samples;
    }
    pthread_mutex_unlock(&j->lock);
}

void ask_again(jit *j, const pb_tc_key *key)
{
    __atomic_add_fetch(&j->discarded, 1, __ATOMIC_RELAXED);
    note(j, key, NULL, 1);
}

void promote(jit_maker *m, const pb_tc_key *key, const pb_code_page *page)
{
    jit *j = m->jit;
    uint64_t began = now_ns(), *count = &j->no_loops;
    pb_tc_unit *u = NULL;

    if (translate(m, key, page)) {
        u = emit_region(m, key->key) ? replace(m, key) : NULL;
        count = u ? &j->published : &j->discarded;
    }
    if (u && m->ir->compares)
        __atomic_store_n(&j->compares, true, __ATOMIC_RELAXED);
    if (u)
        note(j, key, u, SAMPLES);
    __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&j->compiling_ns, now_ns() - began, __ATOMIC_RELAXED);
}

void refused(jit_vcpu *x, const uint8_t *site)
{
    jit *j = x->jit;
    uint64_t now;

    if (!__atomic_load_n(&j->entered, __ATOMIC_RELAXED)) {
        if (x->refused++ % REFUSALS)
            return;
        now = now_ns();
        if (now - x->refused_at >= REFUSALS_NS) {
            x->refused_at = now;
            return;
        }
        __atomic_store_n(&j->entered, true, __ATOMIC_RELAXED);
    }
    j->tc_ops->changed(x->user, site);
}

void count_region(jit *j, bool published)
{
    __atomic_add_fetch(&j->requests, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(published ? &j->published : &j->discarded, 1, __ATOMIC_RELAXED);
}

/* On the vCPU's own thread. */
static void promote_here(jit_vcpu *x, const pb_tc_key *key)
{
    jit_maker m = maker_of(x);

    promote(&m, key, NULL);
    x->ir = m.ir;
}

void met(jit_vcpu *x, uint64_t pc)
{
    jit *j = x->jit;
    uint32_t mmu = x->vcpu->type->translator->fetch_mmu(x->key);
    pb_tc_key key = { .pc = pc, .key = x->key };
    pb_guest_fault fault;
    pb_code_page page;
    pb_tc_unit *unit;

    if (!PB_HAS(j->tc_ops, drop) ||
        x->vcpu->ops->code(x->vcpu, pc, mmu, &page, &fault) != PB_MEM_OK || !page.host)
        return;
    key.page = page.generation;
    unit = j->tc_ops->lookup(x->user, &key);
    if (!unit || unit->next_page || !is_due(j, &key, unit))
        return;
    __atomic_add_fetch(&j->requests, 1, __ATOMIC_RELAXED);
    if (!j->compilers || !PB_HAS(j->translate, watched) || j->translate->watched())
        promote_here(x, &key);
    else if (!post_request(x, &key, &page))
        ask_again(j, &key);
}
