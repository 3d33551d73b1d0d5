/*
 * The main loop: a GMainContext of the scheduler's own, with the sources behind "pb.main-loop/1".
 *
 * Every callback into the machine is made with the device lock held, and after it was taken the source is
 * looked at again: what was freed or cancelled under the lock is never called afterwards.
 */
#include <core/sched/internal.h>

#include <glib-unix.h>

#define WORKERS 4

/* ---- descriptors ------------------------------------------------------------------------------------- */

struct pb_watch {
    GSource source;
    pb_sched *sched;
    int fd;
    gpointer tag; /* under loop_lock; null: paused */
    void (*fn)(void *opaque, uint32_t ready);
    void *opaque;
};

static GIOCondition to_condition(uint32_t events)
{
    return (events & PB_FD_IN ? G_IO_IN : 0) | (events & PB_FD_OUT ? G_IO_OUT : 0) |
           (events & PB_FD_HUP ? G_IO_HUP : 0) | (events & PB_FD_ERR ? G_IO_ERR : 0);
}

static uint32_t to_events(GIOCondition condition)
{
    return (condition & G_IO_IN ? PB_FD_IN : 0u) | (condition & G_IO_OUT ? PB_FD_OUT : 0u) |
           (condition & G_IO_HUP ? PB_FD_HUP : 0u) |
           (condition & (G_IO_ERR | G_IO_NVAL) ? PB_FD_ERR : 0u);
}

static uint32_t watch_ready(pb_watch *watch)
{
    uint32_t events = 0;

    pthread_mutex_lock(&watch->sched->loop_lock);
    if (watch->tag)
        events = to_events(g_source_query_unix_fd(&watch->source, watch->tag));
    pthread_mutex_unlock(&watch->sched->loop_lock);
    return events;
}

static gboolean watch_check(GSource *source)
{
    return watch_ready((pb_watch *)source) != 0;
}

static gboolean watch_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    pb_watch *watch = (pb_watch *)source;
    uint32_t ready;

    pb_sched_lock_devices(watch->sched);
    ready = watch_ready(watch);
    if (ready && !g_source_is_destroyed(source))
        watch->fn(watch->opaque, ready);
    pb_sched_unlock_devices(watch->sched);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs watch_funcs = { .check = watch_check, .dispatch = watch_dispatch };

void pb_sched_watch_set(pb_watch *watch, uint32_t events)
{
    pthread_mutex_lock(&watch->sched->loop_lock);
    if (watch->tag && events)
        g_source_modify_unix_fd(&watch->source, watch->tag, to_condition(events));
    else if (watch->tag)
        g_source_remove_unix_fd(&watch->source, g_steal_pointer(&watch->tag));
    else if (events)
        watch->tag = g_source_add_unix_fd(&watch->source, watch->fd, to_condition(events));
    pthread_mutex_unlock(&watch->sched->loop_lock);
}

pb_watch *pb_sched_watch_new(pb_sched *sched, int fd, uint32_t events,
                             void (*fn)(void *opaque, uint32_t ready), void *opaque)
{
    pb_watch *watch = (pb_watch *)g_source_new(&watch_funcs, sizeof(pb_watch));

    watch->sched = sched;
    watch->fd = fd;
    watch->fn = fn;
    watch->opaque = opaque;
    pb_sched_watch_set(watch, events);
    g_source_attach(&watch->source, sched->context);
    return watch;
}

void pb_sched_watch_free(pb_watch *watch)
{
    if (!watch)
        return;
    g_source_destroy(&watch->source);
    g_source_unref(&watch->source);
}

/* ---- calls after a while ------------------------------------------------------------------------------- */

typedef struct call {
    pb_sched *sched;
    uint64_t id;
    void (*fn)(void *opaque);
    void *opaque;
    GSource *source; /* parallel mode */
    pb_timer *timer; /* round-robin mode */
} call;

static void call_free(gpointer data)
{
    call *c = data;

    if (c->source) {
        g_source_destroy(c->source);
        g_source_unref(c->source);
    }
    pb_sched_timer_free(c->timer);
    g_free(c);
}

/* Takes the call out of the table; null: it was cancelled. */
static call *call_steal(pb_sched *sched, uint64_t id)
{
    gpointer value = NULL;

    pthread_mutex_lock(&sched->loop_lock);
    g_hash_table_steal_extended(sched->calls, &id, NULL, &value);
    pthread_mutex_unlock(&sched->loop_lock);
    return value;
}

/* Device lock held. */
static void call_make(pb_sched *sched, uint64_t id)
{
    call *c = call_steal(sched, id);

    if (!c)
        return;
    c->fn(c->opaque);
    call_free(c);
}

typedef struct call_source {
    GSource source;
    pb_sched *sched;
    uint64_t id;
} call_source;

static gboolean call_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    call_source *s = (call_source *)source;

    pb_sched_lock_devices(s->sched);
    call_make(s->sched, s->id);
    pb_sched_unlock_devices(s->sched);
    return G_SOURCE_REMOVE;
}

static GSourceFuncs call_funcs = { .dispatch = call_dispatch };

static void call_expired(void *opaque)
{
    call *c = opaque;

    call_make(c->sched, c->id);
}

uint64_t pb_sched_call_after(pb_sched *sched, uint32_t ms, void (*fn)(void *opaque), void *opaque)
{
    call *c = g_new0(call, 1);
    uint64_t id;

    c->sched = sched;
    c->fn = fn;
    c->opaque = opaque;
    if (sched->config.threads == PB_THREADS_ROUND_ROBIN) {
        c->timer = pb_sched_timer_new(sched, call_expired, c);
    } else {
        c->source = g_source_new(&call_funcs, sizeof(call_source));
        g_source_set_ready_time(c->source, g_get_monotonic_time() + (int64_t)ms * 1000);
    }
    pthread_mutex_lock(&sched->loop_lock);
    id = c->id = ++sched->next_call_id;
    g_hash_table_insert(sched->calls, &c->id, c);
    if (c->source) {
        ((call_source *)c->source)->sched = sched;
        ((call_source *)c->source)->id = id;
        g_source_attach(c->source, sched->context);
    }
    pthread_mutex_unlock(&sched->loop_lock);
    if (sched->config.threads == PB_THREADS_ROUND_ROBIN)
        pb_timer_set(c->timer, pb_sched_now_ns(sched) + ms * UINT64_C(1000000));
    return id;
}

void pb_sched_cancel(pb_sched *sched, uint64_t id)
{
    call *c = call_steal(sched, id);

    if (c)
        call_free(c);
}

/* ---- deferred calls, requests, the machine's timers ---------------------------------------------------- */

typedef struct deferred {
    void (*fn)(void *opaque);
    void *opaque;
} deferred;

typedef struct deferred_rest {
    pb_sched *sched;
    void (*fn)(void *opaque);
    void *opaque;
} deferred_rest;

void pb_loop_wake(pb_sched *sched)
{
    g_source_set_ready_time(sched->event_source, 0);
}

static void defer(pb_sched *sched, void (*fn)(void *opaque), void *opaque)
{
    deferred *d = g_new(deferred, 1);

    d->fn = fn;
    d->opaque = opaque;
    pthread_mutex_lock(&sched->loop_lock);
    g_queue_push_tail(&sched->deferred, d);
    pthread_cond_broadcast(&sched->loop_cond);
    pb_loop_wake(sched); /* under the lock: the main thread may free the scheduler after it */
    pthread_mutex_unlock(&sched->loop_lock);
}

void pb_sched_defer(pb_sched *sched, void (*fn)(void *opaque), void *opaque)
{
    /* Asked for by the guest's own doing: at a time that depends on nothing else. */
    if (pb_rr_is_runner_thread(sched))
        pb_sched_call_after(sched, 0, fn, opaque);
    else
        defer(sched, fn, opaque);
}

static gboolean at_rest(gpointer data)
{
    const deferred_rest *d = data;

    pb_sched_pause(d->sched);
    pb_sched_quiesce(d->sched);
    d->fn(d->opaque);
    pb_sched_resume(d->sched);
    return G_SOURCE_REMOVE;
}

void pb_sched_at_rest(pb_sched *sched, void (*fn)(void *opaque), void *opaque)
{
    GSource *source = g_idle_source_new();
    deferred_rest *d = g_new(deferred_rest, 1);

    *d = (deferred_rest){ sched, fn, opaque };
    g_source_set_callback(source, at_rest, d, g_free);
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_attach(source, sched->context);
    g_source_unref(source);
}

static deferred *pop_deferred(pb_sched *sched)
{
    deferred *d;

    pthread_mutex_lock(&sched->loop_lock);
    d = g_queue_pop_head(&sched->deferred);
    pthread_mutex_unlock(&sched->loop_lock);
    return d;
}

static void run_deferred(pb_sched *sched)
{
    deferred *d;

    while ((d = pop_deferred(sched))) {
        pb_sched_lock_devices(sched);
        d->fn(d->opaque);
        pb_sched_unlock_devices(sched);
        g_free(d);
    }
}

typedef struct sched_source {
    GSource source;
    pb_sched *sched;
} sched_source;

static gboolean event_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    pb_sched *sched = ((sched_source *)source)->sched;

    g_source_set_ready_time(source, -1); /* before looking: what comes later sets it again */
    pb_sched_serve_requests(sched);
    run_deferred(sched);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs event_funcs = { .dispatch = event_dispatch };

static gboolean timer_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    pb_sched *sched = ((sched_source *)source)->sched;
    uint64_t expirations;
    bool paused;

    if (read(sched->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
        g_warning("timerfd: %s", g_strerror(errno));
    pthread_mutex_lock(&sched->lock);
    paused = sched->pauses > 0; /* resuming arms the timer again */
    pthread_mutex_unlock(&sched->lock);
    if (paused && sched->running)
        return G_SOURCE_CONTINUE;
    pb_sched_lock_devices(sched);
    pb_clock_fire(sched);
    pb_sched_unlock_devices(sched);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs timer_funcs = { .dispatch = timer_dispatch };

static GSource *add_source(pb_sched *sched, GSourceFuncs *funcs)
{
    GSource *source = g_source_new(funcs, sizeof(sched_source));

    ((sched_source *)source)->sched = sched;
    return source;
}

/* ---- work ------------------------------------------------------------------------------------------------ */

typedef struct job {
    pb_sched *sched;
    void (*work)(void *opaque);
    void (*done)(void *opaque);
    void *opaque;
} job;

static void job_done(void *opaque)
{
    job *j = opaque;
    pb_sched *sched = j->sched;

    if (j->done)
        j->done(j->opaque);
    g_free(j);
    pthread_mutex_lock(&sched->loop_lock);
    sched->work_left--;
    pthread_cond_broadcast(&sched->loop_cond);
    pthread_mutex_unlock(&sched->loop_lock);
}

/* The pool's queue holds one token a job, the jobs are in ours: under a lock that race detectors see. */
static void job_work(gpointer token, gpointer opaque)
{
    pb_sched *sched = opaque;
    job *j;

    pthread_mutex_lock(&sched->loop_lock);
    j = g_queue_pop_head(&sched->jobs);
    pthread_mutex_unlock(&sched->loop_lock);
    j->work(j->opaque);
    defer(sched, job_done, j);
}

void pb_sched_work(pb_sched *sched, void (*work)(void *opaque), void (*done)(void *opaque),
                   void *opaque)
{
    job *j;

    if (sched->config.threads == PB_THREADS_ROUND_ROBIN) {
        work(opaque);
        if (done)
            done(opaque);
        return;
    }
    j = g_new(job, 1);
    *j = (job){ sched, work, done, opaque };
    pthread_mutex_lock(&sched->loop_lock);
    if (!sched->pool)
        sched->pool = g_thread_pool_new(job_work, sched, WORKERS, false, NULL);
    sched->work_left++;
    g_queue_push_tail(&sched->jobs, j);
    pthread_mutex_unlock(&sched->loop_lock);
    /* Fails only if no thread can be made; the token stays in the queue for the ones that are. */
    g_thread_pool_push(sched->pool, sched, NULL);
}

void pb_sched_quiesce(pb_sched *sched)
{
    bool left;

    do {
        run_deferred(sched);
        pthread_mutex_lock(&sched->loop_lock);
        while (sched->work_left > 0 && g_queue_is_empty(&sched->deferred))
            pthread_cond_wait(&sched->loop_cond, &sched->loop_lock);
        left = sched->work_left > 0;
        pthread_mutex_unlock(&sched->loop_lock);
    } while (left);
}

/* ---- pollers ----------------------------------------------------------------------------------------- */

struct pb_poll_set {
    GSource source;
    pb_sched *sched;
    const pb_poller *poller;
    void *opaque;
    GArray *wanted;    /* GPollFD: of this round */
    GPtrArray *polled; /* GPollFD: what the context polls */
    int64_t deadline_us;
};

static int poll_add(pb_poll_set *set, int fd, uint32_t events)
{
    GPollFD poll = { .fd = fd, .events = (gushort)to_condition(events) };

    g_array_append_val(set->wanted, poll);
    return (int)set->wanted->len - 1;
}

static uint32_t poll_ready(pb_poll_set *set, int slot)
{
    if (slot < 0 || (uint32_t)slot >= set->polled->len)
        return 0;
    return to_events(((GPollFD *)set->polled->pdata[slot])->revents);
}

/* Has the context poll what is wanted. */
static void poll_update(pb_poll_set *set)
{
    while (set->polled->len > set->wanted->len) {
        GPollFD *last = set->polled->pdata[set->polled->len - 1];

        g_source_remove_poll(&set->source, last);
        g_free(g_ptr_array_steal_index(set->polled, set->polled->len - 1));
    }
    for (uint32_t i = 0; i < set->wanted->len; i++) {
        const GPollFD *want = &g_array_index(set->wanted, GPollFD, i);
        GPollFD *has = i < set->polled->len ? set->polled->pdata[i] : NULL;

        if (has && has->fd == want->fd && has->events == want->events) {
            has->revents = 0;
            continue;
        }
        if (has) {
            g_source_remove_poll(&set->source, has);
            *has = *want;
        } else {
            has = g_memdup2(want, sizeof(*want));
            g_ptr_array_add(set->polled, has);
        }
        g_source_add_poll(&set->source, has);
    }
}

static gboolean poller_prepare(GSource *source, gint *timeout)
{
    pb_poll_set *set = (pb_poll_set *)source;
    uint32_t ms = UINT32_MAX;

    g_array_set_size(set->wanted, 0);
    pb_sched_lock_devices(set->sched);
    set->poller->fill(set->opaque, set, poll_add, &ms);
    pb_sched_unlock_devices(set->sched);
    poll_update(set);
    *timeout = ms > INT32_MAX ? -1 : (gint)ms;
    set->deadline_us = *timeout < 0 ? INT64_MAX : g_get_monotonic_time() + *timeout * INT64_C(1000);
    return *timeout == 0;
}

static gboolean poller_check(GSource *source)
{
    pb_poll_set *set = (pb_poll_set *)source;

    for (uint32_t i = 0; i < set->polled->len; i++) {
        if (((GPollFD *)set->polled->pdata[i])->revents != 0)
            return true;
    }
    return g_get_monotonic_time() >= set->deadline_us;
}

static gboolean poller_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    pb_poll_set *set = (pb_poll_set *)source;

    pb_sched_lock_devices(set->sched);
    set->poller->polled(set->opaque, set, poll_ready);
    pb_sched_unlock_devices(set->sched);
    return G_SOURCE_CONTINUE;
}

static void poller_finalize(GSource *source)
{
    pb_poll_set *set = (pb_poll_set *)source;

    g_array_unref(set->wanted);
    g_ptr_array_foreach(set->polled, (GFunc)(void (*)(void))g_free, NULL);
    g_ptr_array_unref(set->polled);
}

static GSourceFuncs poller_funcs = {
    .prepare = poller_prepare,
    .check = poller_check,
    .dispatch = poller_dispatch,
    .finalize = poller_finalize,
};

void pb_sched_add_poller(pb_sched *sched, const pb_poller *poller, void *opaque)
{
    pb_poll_set *set = (pb_poll_set *)g_source_new(&poller_funcs, sizeof(pb_poll_set));

    set->sched = sched;
    set->poller = poller;
    set->opaque = opaque;
    set->wanted = g_array_new(false, false, sizeof(GPollFD));
    set->polled = g_ptr_array_new();
    g_ptr_array_add(sched->pollers, set);
    g_source_attach(&set->source, sched->context);
}

void pb_sched_remove_pollers(pb_sched *sched, const void *opaque)
{
    for (uint32_t i = sched->pollers->len; i-- > 0;) {
        pb_poll_set *set = sched->pollers->pdata[i];

        if (opaque && set->opaque != opaque)
            continue;
        g_source_destroy(&set->source);
        g_source_unref(&set->source);
        g_ptr_array_remove_index(sched->pollers, i);
    }
}

/* ---- life ------------------------------------------------------------------------------------------------ */

void pb_loop_init(pb_sched *sched)
{
    sched->context = g_main_context_new();
    pthread_mutex_init(&sched->loop_lock, NULL);
    pthread_cond_init(&sched->loop_cond, NULL);
    g_queue_init(&sched->deferred);
    g_queue_init(&sched->jobs);
    sched->calls = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, call_free);
    sched->pollers = g_ptr_array_new();
    sched->event_source = add_source(sched, &event_funcs);
    g_source_attach(sched->event_source, sched->context);
    if (sched->timer_fd >= 0) {
        sched->timer_source = add_source(sched, &timer_funcs);
        g_source_add_unix_fd(sched->timer_source, sched->timer_fd, G_IO_IN);
        g_source_set_priority(sched->timer_source, G_PRIORITY_HIGH);
        g_source_attach(sched->timer_source, sched->context);
    }
}

void pb_loop_finish(pb_sched *sched)
{
    if (sched->pool) {
        pb_sched_quiesce(sched);
        g_thread_pool_free(sched->pool, false, true);
    }
    pb_sched_remove_pollers(sched, NULL);
    g_ptr_array_unref(sched->pollers);
    g_hash_table_unref(sched->calls);
    g_queue_clear_full(&sched->deferred, g_free);
    g_source_destroy(sched->event_source);
    g_source_unref(sched->event_source);
    if (sched->timer_source) {
        g_source_destroy(sched->timer_source);
        g_source_unref(sched->timer_source);
    }
    g_main_context_unref(sched->context);
    pthread_cond_destroy(&sched->loop_cond);
    pthread_mutex_destroy(&sched->loop_lock);
}

GMainContext *pb_sched_context(pb_sched *sched)
{
    return sched->context;
}

/* ---- the extension --------------------------------------------------------------------------------------- */

static pb_sched *(*sched_of_object)(pb_object *object);

static pb_watch *ops_watch_new(pb_object *object, int fd, uint32_t events,
                               void (*fn)(void *opaque, uint32_t ready), void *opaque)
{
    return pb_sched_watch_new(sched_of_object(object), fd, events, fn, opaque);
}

static uint64_t ops_host_now_ns(void)
{
    return (uint64_t)g_get_monotonic_time() * 1000;
}

static uint64_t ops_call_after(pb_object *object, uint32_t ms, void (*fn)(void *opaque),
                               void *opaque)
{
    return pb_sched_call_after(sched_of_object(object), ms, fn, opaque);
}

static void ops_cancel(pb_object *object, uint64_t id)
{
    pb_sched_cancel(sched_of_object(object), id);
}

static void ops_work(pb_object *object, void (*work)(void *opaque), void (*done)(void *opaque),
                     void *opaque)
{
    pb_sched_work(sched_of_object(object), work, done, opaque);
}

static void ops_add_poller(pb_object *object, const pb_poller *poller, void *opaque)
{
    pb_sched_add_poller(sched_of_object(object), poller, opaque);
}

static void ops_remove_poller(pb_object *object, void *opaque)
{
    pb_sched_remove_pollers(sched_of_object(object), opaque);
}

static bool ops_deterministic(pb_object *object)
{
    return pb_sched_threads(sched_of_object(object)) == PB_THREADS_ROUND_ROBIN;
}

static bool ops_interrupted(pb_object *object)
{
    return __atomic_load_n(&sched_of_object(object)->interrupted, __ATOMIC_SEQ_CST) != 0;
}

const pb_main_loop_ops *pb_sched_main_loop_ops(pb_sched *(*sched_of)(pb_object *object))
{
    static const pb_main_loop_ops ops = {
        .size = sizeof(pb_main_loop_ops),
        .watch_new = ops_watch_new,
        .watch_set = pb_sched_watch_set,
        .watch_free = pb_sched_watch_free,
        .host_now_ns = ops_host_now_ns,
        .call_after = ops_call_after,
        .cancel = ops_cancel,
        .work = ops_work,
        .add_poller = ops_add_poller,
        .deterministic = ops_deterministic,
        .interrupted = ops_interrupted,
        .remove_poller = ops_remove_poller,
    };

    g_assert(!sched_of_object || sched_of_object == sched_of);
    sched_of_object = sched_of;
    return &ops;
}
