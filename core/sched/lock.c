/*
 * The device lock: one recursive mutex of the machine.
 *
 * Taking it again costs a comparison, taking it free one atomic exchange. Who has to wait passes a
 * turnstile first: it holds at most one waiter at the mutex, so a thread that releases the lock only
 * for a moment (the round-robin thread between slices) can let waiters go first by passing the
 * turnstile itself.
 */
#include <core/sched/internal.h>

/* Its address is the thread's identity. */
static _Thread_local char self;

void pb_lock_init(pb_sched *sched)
{
    pthread_mutex_init(&sched->device_mutex, NULL);
    pthread_mutex_init(&sched->turnstile, NULL);
}

void pb_lock_finish(pb_sched *sched)
{
    pthread_mutex_destroy(&sched->device_mutex);
    pthread_mutex_destroy(&sched->turnstile);
}

bool pb_sched_devices_locked(const pb_sched *sched)
{
    return __atomic_load_n(&sched->device_owner, __ATOMIC_RELAXED) == &self;
}

/* A runner that waits is outside of the guest meanwhile: who holds the lock may wait for that. */
static void lock_contended(pb_sched *sched)
{
    pb_runner *runner = pb_runner_current();
    bool outside = runner && runner->sched == sched && runner->guest;

    if (outside)
        pb_runner_outside_begin(runner);
    __atomic_fetch_add(&sched->device_waiters, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&sched->turnstile);
    pthread_mutex_lock(&sched->device_mutex);
    pthread_mutex_unlock(&sched->turnstile);
    __atomic_fetch_sub(&sched->device_waiters, 1, __ATOMIC_SEQ_CST);
    if (outside)
        pb_runner_outside_end(runner);
}

void pb_sched_lock_devices(pb_sched *sched)
{
    if (pb_sched_devices_locked(sched)) {
        sched->device_depth++;
        return;
    }
    if (pthread_mutex_trylock(&sched->device_mutex) != 0)
        lock_contended(sched);
    __atomic_store_n(&sched->device_owner, &self, __ATOMIC_RELAXED);
    sched->device_depth = 1;
}

void pb_sched_unlock_devices(pb_sched *sched)
{
    g_assert(pb_sched_devices_locked(sched));
    if (--sched->device_depth > 0)
        return;
    __atomic_store_n(&sched->device_owner, NULL, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&sched->device_mutex);
}

void pb_lock_give_way(pb_sched *sched)
{
    if (__atomic_load_n(&sched->device_waiters, __ATOMIC_SEQ_CST) == 0)
        return;
    pthread_mutex_lock(&sched->turnstile);
    pthread_mutex_unlock(&sched->turnstile);
}
