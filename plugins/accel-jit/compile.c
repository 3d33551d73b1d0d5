/*
 * Compilers: threads that make regions while vCPUs go on.
 *
 * 1. A request has the page of memory that ops->code() gave on the vCPU's thread, with its stamp, and the floating-point
 *    environments. A compiler asks for no translation, and reads nothing of the vCPU itself but its type and model, which stay
 *    the same while there are vCPUs. Whatever the guest unmaps or puts in that place meanwhile, the page is there: a machine's memory
 *    lives as long as the machine. A program's may go: then reading it fails, by SIGSEGV or SIGBUS, which are not blocked
 *    while a region is made, and there is none.
 * 2. The reader names the lines before it reads them (ops->code_reads), as on the vCPU's thread, and publish() compares the
 *    stamp: if one was written to since, the region is discarded, and what was read of it does not matter. A
 *    request names a page, not an address, as units do; whether the page is mapped is asked by who looks the unit up.
 * 3. What is waiting, or being made, when all units are dropped (reset, a snapshot loaded) is forgotten: first what
 *    waits, then the units. A compiler enters the cache before it takes a request, so either the request is not there
 *    any more, or publish() sees that units were dropped since.
 * 4. There is no order between guests' instructions and what compilers do. Regions count instructions as the units that they
 *    replace, so guests see nothing of it, and deterministic runs stay so.
 * 5. Nobody waits for a compiler but stop_compilers() and hold_compilers(), for the one region that is being made. If the queue is full the
 *    request is discarded; later samples ask again.
 */
#include "jit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS = 8, MOST_COMPILERS = 4 };

typedef struct request {
    pb_vcpu *vcpu;
    pb_tc_key key;
    pb_code_page page;
    pb_fp_env fp[4];
    uint32_t watched;
} request;

typedef struct compiler {
    jit *jit;
    pthread_t thread;
    jit_maker maker;
    pb_vcpu fp_of; /* a copy of its environments */
    request request;
    pb_code_job job;
    pb_code_line lines[UNIT_LINES];
} compiler;

typedef struct compilers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_cond_t idle; /* nobody makes anything */
    bool ending, held;
    uint32_t busy;     /* threads that are making */
    uint32_t first, n; /* of the queue */
    request queue[REQUESTS];
    uint32_t n_threads;
    bool are_there; /* not in a child of fork(), until it is worth it */
    compiler *threads[MOST_COMPILERS];
} compilers;

/* ---- the queue -------------------------------------------------------------------------------------------------- */

bool post_request(jit_vcpu *x, const pb_tc_key *key, const pb_code_page *page)
{
    compilers *all = x->jit->compilers;
    request *r;

    pthread_mutex_lock(&all->lock);
    if (all->n == REQUESTS) {
        pthread_mutex_unlock(&all->lock);
        return false;
    }
    r = &all->queue[(all->first + all->n++) % REQUESTS];
    r->vcpu = x->vcpu;
    r->key = *key;
    r->page = *page;
    memcpy(r->fp, x->vcpu->fp, sizeof(r->fp));
    r->watched = x->vcpu->watched;
    pthread_cond_signal(&all->wake);
    pthread_mutex_unlock(&all->lock);
    return true;
}

static bool take_request(compilers *all, request *r)
{
    bool any;

    pthread_mutex_lock(&all->lock);
    any = all->n > 0;
    if (any) {
        *r = all->queue[all->first];
        all->first = (all->first + 1) % REQUESTS;
        all->n--;
    }
    pthread_mutex_unlock(&all->lock);
    return any;
}

void drop_everything(jit *j)
{
    compilers *all = j->compilers;

    if (all) {
        pthread_mutex_lock(&all->lock);
        __atomic_add_fetch(&j->discarded, all->n, __ATOMIC_RELAXED);
        all->n = 0;
        pthread_mutex_unlock(&all->lock);
    }
    j->tc_ops->drop_all(j->tc);
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */

static void serve(compiler *c)
{
    const request *r = &c->request;
    sigset_t memory, before;

    memcpy(c->fp_of.fp, r->fp, sizeof(r->fp));
    c->fp_of.watched = r->watched;
    c->fp_of.type = r->vcpu->type;
    c->maker.vcpu = r->vcpu;
    sigemptyset(&memory);
    sigaddset(&memory, SIGSEGV);
    sigaddset(&memory, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &memory, &before); /* rule 1 */
    promote(&c->maker, &r->key, &r->page);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void *compile(void *compiler_of)
{
    compiler *c = compiler_of;
    jit *j = c->jit;
    compilers *all = j->compilers;

    pthread_mutex_lock(&all->lock);
    while (!all->ending) {
        if (all->n == 0 || all->held) {
            pthread_cond_wait(&all->wake, &all->lock);
            continue;
        }
        all->busy++;
        pthread_mutex_unlock(&all->lock);
        j->tc_ops->enter(c->maker.user);
        if (take_request(all, &c->request))
            serve(c);
        j->tc_ops->leave(c->maker.user);
        pthread_mutex_lock(&all->lock);
        if (--all->busy == 0)
            pthread_cond_broadcast(&all->idle);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* As many of its threads as can be made; the reason why the next one cannot. */
static int make_threads(jit *j, compilers *all)
{
    sigset_t set, before;
    int failed = 0;

    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, &before);
    while (!failed && all->n_threads < j->compile_threads) {
        compiler *c = calloc(1, sizeof(*c));

        if (!c)
            break;
        c->jit = j;
        c->fp_of.size = sizeof(c->fp_of);
        c->maker = (jit_maker){ .jit = j,
                                .user = j->tc_ops->user_new(j->tc, NULL, NULL),
                                .fp_of = &c->fp_of,
                                .job = &c->job,
                                .lines = c->lines };
        failed = pthread_create(&c->thread, NULL, compile, c);
        if (failed) {
            j->tc_ops->user_free(c->maker.user);
            free(c);
        } else {
            all->threads[all->n_threads++] = c;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

bool start_compilers(jit *j, pb_error *error)
{
    int failed;

    if (j->regions != REGIONS_SAMPLED || !j->compile_threads)
        return true;
    j->compilers = calloc(1, sizeof(*j->compilers));
    if (!j->compilers)
        return pb_fail(error, "out of memory");
    pthread_mutex_init(&j->compilers->lock, NULL);
    pthread_cond_init(&j->compilers->wake, NULL);
    pthread_cond_init(&j->compilers->idle, NULL);
    failed = make_threads(j, j->compilers);
    j->compilers->are_there = true;
    if (j->compilers->n_threads < j->compile_threads)
        return pb_fail(error, "no thread can be made: error %d", failed); /* others are ended */
    return true;
}

void stop_compilers(jit *j)
{
    compilers *all = j->compilers;

    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->ending = true;
    pthread_cond_broadcast(&all->wake);
    pthread_mutex_unlock(&all->lock);
    for (uint32_t i = 0; i < all->n_threads; i++) {
        compiler *c = all->threads[i];

        if (all->are_there)
            pthread_join(c->thread, NULL);
        j->tc_ops->user_free(c->maker.user);
        j->translate->unit_free(c->maker.ir);
        free(c);
    }
    pthread_cond_destroy(&all->idle);
    pthread_cond_destroy(&all->wake);
    pthread_mutex_destroy(&all->lock);
    free(all);
    j->compilers = NULL;
}

/* ---- fork ------------------------------------------------------------------------------------------------------ */

void hold_compilers(jit *j)
{
    compilers *all = j->compilers;

    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->held = true;
    while (all->busy > 0)
        pthread_cond_wait(&all->idle, &all->lock);
}

void release_compilers(jit *j)
{
    compilers *all = j->compilers;

    if (!all)
        return;
    all->held = false;
    pthread_cond_broadcast(&all->wake);
    pthread_mutex_unlock(&all->lock);
}

void lose_compilers(jit *j)
{
    compilers *all = j->compilers;

    if (!all)
        return;
    all->held = all->are_there = false;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->wake, NULL);
    pthread_cond_init(&all->idle, NULL);
}

void make_compilers_again(jit *j)
{
    compilers *all = j->compilers;
    sigset_t set, before;
    uint32_t made = 0;

    if (!all || all->are_there)
        return;
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, &before);
    while (made < all->n_threads &&
           pthread_create(&all->threads[made]->thread, NULL, compile, all->threads[made]) == 0)
        made++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    all->are_there = true;
    while (all->n_threads > made) { /* fewer, or none: requests wait for ever, and are forgotten */
        compiler *c = all->threads[--all->n_threads];

        j->tc_ops->user_free(c->maker.user);
        j->translate->unit_free(c->maker.ir);
        free(c);
    }
}
