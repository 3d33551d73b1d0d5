/*
 * The scheduler's life: made, run, ended.
 */
#include <core/sched/internal.h>

#include <glib-unix.h>
#include <signal.h>

#define SLICE_INSNS 20000
#define FRESH_INSNS 1000000

pb_sched *pb_sched_new(const pb_sched_config *config)
{
    pb_sched *sched = g_new0(pb_sched, 1);

    sched->config = *config;
    if (sched->config.ns_per_insn == 0)
        sched->config.ns_per_insn = 1;
    if (sched->config.slice_insns == 0)
        sched->config.slice_insns = SLICE_INSNS;
    if (sched->config.fresh_insns == 0)
        sched->config.fresh_insns = FRESH_INSNS;
    sched->runners = g_new0(pb_runner *, PB_MOST_RUNNERS);
    pthread_mutex_init(&sched->lock, NULL);
    pthread_cond_init(&sched->cond, NULL);
    pthread_mutex_init(&sched->barrier_lock, NULL);
    pthread_cond_init(&sched->barrier_cond, NULL);
    pthread_cond_init(&sched->rr_cond, NULL);
    sched->rr_standing = PB_SAFE;
    sched->rr_turn_left = sched->config.slice_insns;
    pb_lock_init(sched);
    pb_clock_init(sched);
    pb_loop_init(sched);
    return sched;
}

void pb_sched_free(pb_sched *sched)
{
    if (!sched)
        return;
    g_assert(!sched->running);
    pb_loop_finish(sched);
    pb_clock_finish(sched);
    pb_lock_finish(sched);
    for (uint32_t i = 0; i < pb_runners_count(sched); i++) {
        pb_runner *runner = sched->runners[i];

        pthread_cond_destroy(&runner->cond);
        g_free(runner->name);
        g_free(runner);
    }
    g_free(sched->runners);
    pthread_cond_destroy(&sched->rr_cond);
    pthread_cond_destroy(&sched->barrier_cond);
    pthread_mutex_destroy(&sched->barrier_lock);
    pthread_cond_destroy(&sched->cond);
    pthread_mutex_destroy(&sched->lock);
    g_free(sched);
}

pb_threads pb_sched_threads(const pb_sched *sched)
{
    return sched->config.threads;
}

bool pb_sched_is_running(const pb_sched *sched)
{
    return __atomic_load_n(&sched->running, __ATOMIC_SEQ_CST) != 0;
}

void pb_sched_set_hooks(pb_sched *sched, const pb_sched_hooks *hooks)
{
    sched->hooks = *hooks;
}

/* ---- signals ----------------------------------------------------------------------------------------- */

typedef struct on_signal {
    pb_sched *sched;
    int number;
} on_signal;

static gboolean signal_came(gpointer data)
{
    const on_signal *s = data;

    __atomic_store_n(&s->sched->interrupted, 1, __ATOMIC_SEQ_CST);
    pb_sched_request(s->sched, PB_MACHINE_POWER_OFF, 128 + s->number);
    return G_SOURCE_CONTINUE;
}

/* Null for a hang-up that is ignored, as nohup asks. */
static GSource *watch_signal(pb_sched *sched, int number)
{
    struct sigaction now;
    GSource *source;
    on_signal *s;

    if (number == SIGHUP && sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
        return NULL;
    source = g_unix_signal_source_new(number);
    s = g_new(on_signal, 1);
    *s = (on_signal){ sched, number };
    g_source_set_callback(source, signal_came, s, g_free);
    g_source_attach(source, sched->context);
    return source;
}

static void unwatch_signal(GSource *source)
{
    if (!source)
        return;
    g_source_destroy(source);
    g_source_unref(source);
}

/* ---- running --------------------------------------------------------------------------------------------- */

static void start_threads(pb_sched *sched)
{
    __atomic_store_n(&sched->quitting, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&sched->running, 1, __ATOMIC_SEQ_CST);
    if (sched->config.threads == PB_THREADS_ROUND_ROBIN) {
        GThread *thread = g_thread_new("vcpus", pb_rr_thread, sched);

        sched->rr_handle = thread;
        return;
    }
    for (uint32_t i = 0; i < pb_runners_count(sched); i++) {
        pb_runner *runner = sched->runners[i];

        runner->thread = g_thread_new(runner->name, pb_runner_thread, runner);
    }
}

static void join_threads(pb_sched *sched)
{
    pthread_mutex_lock(&sched->lock);
    __atomic_store_n(&sched->quitting, 1, __ATOMIC_SEQ_CST);
    pthread_cond_broadcast(&sched->cond);
    pthread_cond_broadcast(&sched->rr_cond);
    for (uint32_t i = 0; i < pb_runners_count(sched); i++)
        pthread_cond_broadcast(&sched->runners[i]->cond);
    pthread_mutex_unlock(&sched->lock);
    pb_runners_poke(sched);
    if (sched->rr_handle)
        g_thread_join(g_steal_pointer(&sched->rr_handle));
    for (uint32_t i = 0; i < pb_runners_count(sched); i++) {
        pb_runner *runner = sched->runners[i];

        if (runner->thread)
            g_thread_join(g_steal_pointer(&runner->thread));
    }
    __atomic_store_n(&sched->running, 0, __ATOMIC_SEQ_CST);
}

/* The pause of the request that ended the run, and of any that came too late. */
static void forget_requests(pb_sched *sched)
{
    pthread_mutex_lock(&sched->lock);
    sched->pauses -= 1u + sched->request_pending;
    sched->request_pending = sched->request_reset = sched->request_end = false;
    sched->guest_reset = false;
    __atomic_store_n(&sched->stop, sched->pauses + sched->exclusive_busy, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&sched->lock);
}

void pb_sched_begin(pb_sched *sched)
{
    g_assert(sched->config.threads == PB_THREADS_PARALLEL && !sched->running);
    __atomic_store_n(&sched->quitting, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&sched->running, 1, __ATOMIC_SEQ_CST);
    sched->lent = true;
    pb_clock_release(sched);
}

void pb_sched_end(pb_sched *sched)
{
    pb_clock_hold(sched);
    sched->lent = false;
    __atomic_store_n(&sched->running, 0, __ATOMIC_SEQ_CST);
}

int pb_sched_run(pb_sched *sched)
{
    static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
    GSource *signals[G_N_ELEMENTS(numbers)] = { NULL };

    sched->ended = false;
    __atomic_store_n(&sched->interrupted, 0, __ATOMIC_SEQ_CST);
    g_main_context_push_thread_default(sched->context);
    for (unsigned i = 0; sched->config.signals && i < G_N_ELEMENTS(numbers); i++)
        signals[i] = watch_signal(sched, numbers[i]);
    start_threads(sched);
    pb_clock_release(sched);
    pb_loop_wake(sched); /* requests from before */
    while (!sched->ended)
        g_main_context_iteration(sched->context, true);
    pb_clock_hold(sched);
    join_threads(sched);
    forget_requests(sched);
    for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++)
        unwatch_signal(signals[i]);
    g_main_context_pop_thread_default(sched->context);
    return sched->status;
}

void pb_sched_iterate(pb_sched *sched, bool wait)
{
    g_main_context_iteration(sched->context, wait);
}
