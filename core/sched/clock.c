/*
 * Machine time and timers.
 *
 * Timers lie in a heap, ordered by deadline and, among equal ones, by creation: an order that a
 * snapshot brings back. In parallel mode a timerfd wakes the main loop at the earliest deadline; it is
 * moved only to earlier times, and a wake-up that finds nothing due sets it anew. In round-robin mode
 * the running thread looks at the heap between slices.
 */
#include <core/sched/internal.h>

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NOT_FROZEN           UINT64_MAX
#define NOT_IN_HEAP          UINT32_MAX
#define NS_PER_S             UINT64_C(1000000000)
#define DETERMINISTIC_WALL_S INT64_C(946684800) /* 2000-01-01, where nobody says otherwise */

typedef struct timer {
    pb_timer head;
    pb_sched *sched;
    void (*expired)(void *opaque);
    void *opaque;
    uint64_t id;
    uint32_t place; /* in the heap */
} timer;

static uint64_t host_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- time ------------------------------------------------------------------------------------------ */

uint64_t pb_sched_now_ns(pb_sched *sched)
{
    uint64_t frozen;

    if (sched->config.threads == PB_THREADS_ROUND_ROBIN)
        return pb_rr_now_ns(sched);
    frozen = __atomic_load_n(&sched->frozen_ns, __ATOMIC_SEQ_CST);
    if (frozen != NOT_FROZEN)
        return frozen;
    return host_ns() - __atomic_load_n(&sched->offset_ns, __ATOMIC_SEQ_CST);
}

static pb_sched *sched_of(pb_clock *clock)
{
    return (pb_sched *)(void *)((char *)clock - offsetof(pb_sched, clock));
}

static uint64_t clock_now_ns(pb_clock *clock)
{
    return pb_sched_now_ns(sched_of(clock));
}

static int64_t clock_wall_s(pb_clock *clock)
{
    pb_sched *sched = sched_of(clock);

    return (int64_t)(sched->wall_base_s_unsigned + pb_sched_now_ns(sched) / NS_PER_S);
}

/* ---- the heap -------------------------------------------------------------------------------------- */

static timer *at(const pb_sched *sched, uint32_t place)
{
    return sched->heap->pdata[place];
}

static bool before(const timer *a, const timer *b)
{
    return a->head.deadline_ns != b->head.deadline_ns ? a->head.deadline_ns < b->head.deadline_ns
                                                      : a->id < b->id;
}

static void put(pb_sched *sched, timer *t, uint32_t place)
{
    sched->heap->pdata[place] = t;
    t->place = place;
}

static void sift_up(pb_sched *sched, timer *t, uint32_t place)
{
    while (place > 0 && before(t, at(sched, (place - 1) / 2))) {
        put(sched, at(sched, (place - 1) / 2), place);
        place = (place - 1) / 2;
    }
    put(sched, t, place);
}

static void sift_down(pb_sched *sched, timer *t, uint32_t place)
{
    for (;;) {
        uint32_t child = 2 * place + 1;

        if (child >= sched->heap->len)
            break;
        if (child + 1 < sched->heap->len && before(at(sched, child + 1), at(sched, child)))
            child++;
        if (!before(at(sched, child), t))
            break;
        put(sched, at(sched, child), place);
        place = child;
    }
    put(sched, t, place);
}

static void heap_insert(pb_sched *sched, timer *t)
{
    g_ptr_array_add(sched->heap, t);
    sift_up(sched, t, sched->heap->len - 1);
}

static void heap_remove(pb_sched *sched, timer *t)
{
    uint32_t place = t->place;
    timer *last = g_ptr_array_steal_index_fast(sched->heap, sched->heap->len - 1);

    t->place = NOT_IN_HEAP;
    if (last == t)
        return;
    sift_up(sched, last, place);
    sift_down(sched, last, last->place);
}

static uint64_t earliest(const pb_sched *sched)
{
    return sched->heap->len > 0 ? at(sched, 0)->head.deadline_ns : PB_TIMER_OFF;
}

uint64_t pb_clock_next_deadline(pb_sched *sched)
{
    uint64_t deadline;

    pthread_mutex_lock(&sched->timers_lock);
    deadline = earliest(sched);
    pthread_mutex_unlock(&sched->timers_lock);
    return deadline;
}

/* ---- waking the main loop (parallel) ----------------------------------------------------------------- */

/* Sets the timerfd to the earliest deadline if that comes before what it has. */
static void arm_locked(pb_sched *sched)
{
    uint64_t deadline = earliest(sched);
    struct itimerspec spec = { 0 };
    uint64_t host;

    if (sched->timer_fd < 0 || sched->holds > 0 || deadline >= sched->armed_ns)
        return;
    sched->armed_ns = deadline;
    if (__builtin_add_overflow(deadline, sched->offset_ns, &host) || host > INT64_MAX)
        host = INT64_MAX; /* in centuries */
    host = MAX(host, 1);  /* 0 would disarm it */
    spec.it_value.tv_sec = (time_t)(host / NS_PER_S);
    spec.it_value.tv_nsec = (long)(host % NS_PER_S);
    timerfd_settime(sched->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void pb_clock_hold(pb_sched *sched)
{
    pthread_mutex_lock(&sched->timers_lock);
    if (sched->holds++ == 0)
        __atomic_store_n(&sched->frozen_ns, host_ns() - sched->offset_ns, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&sched->timers_lock);
}

void pb_clock_release(pb_sched *sched)
{
    pthread_mutex_lock(&sched->timers_lock);
    g_assert(sched->holds > 0);
    if (--sched->holds == 0) {
        __atomic_store_n(&sched->offset_ns, host_ns() - sched->frozen_ns, __ATOMIC_SEQ_CST);
        __atomic_store_n(&sched->frozen_ns, NOT_FROZEN, __ATOMIC_SEQ_CST);
        sched->armed_ns = PB_TIMER_OFF;
        arm_locked(sched);
    }
    pthread_mutex_unlock(&sched->timers_lock);
}

/* ---- setting and firing ------------------------------------------------------------------------------ */

static void write_deadline(timer *t, uint64_t deadline_ns)
{
    __atomic_store_n(&t->head.deadline_ns, deadline_ns, __ATOMIC_RELAXED);
}

static void timer_cancel(pb_timer *head)
{
    timer *t = (timer *)head;

    pthread_mutex_lock(&t->sched->timers_lock);
    if (t->place != NOT_IN_HEAP)
        heap_remove(t->sched, t);
    write_deadline(t, PB_TIMER_OFF);
    pthread_mutex_unlock(&t->sched->timers_lock);
}

static void timer_set(pb_timer *head, uint64_t deadline_ns)
{
    timer *t = (timer *)head;
    pb_sched *sched = t->sched;
    bool first;

    if (deadline_ns == PB_TIMER_OFF) {
        timer_cancel(head);
        return;
    }
    pthread_mutex_lock(&sched->timers_lock);
    if (t->place != NOT_IN_HEAP)
        heap_remove(sched, t);
    write_deadline(t, deadline_ns);
    heap_insert(sched, t);
    first = at(sched, 0) == t;
    if (sched->config.threads == PB_THREADS_PARALLEL)
        arm_locked(sched);
    pthread_mutex_unlock(&sched->timers_lock);
    if (first && sched->config.threads == PB_THREADS_ROUND_ROBIN)
        pb_rr_deadline(sched, deadline_ns);
}

/* Takes the first timer out of the heap if it is due. */
static timer *pop_due(pb_sched *sched, uint64_t now_ns)
{
    timer *t = NULL;

    pthread_mutex_lock(&sched->timers_lock);
    if (earliest(sched) <= now_ns && sched->heap->len > 0) {
        t = at(sched, 0);
        heap_remove(sched, t);
        write_deadline(t, PB_TIMER_OFF);
    }
    pthread_mutex_unlock(&sched->timers_lock);
    return t;
}

void pb_clock_fire(pb_sched *sched)
{
    uint64_t now_ns = pb_sched_now_ns(sched);
    uint32_t most;
    timer *t;

    pthread_mutex_lock(&sched->timers_lock);
    most = sched->heap->len;
    pthread_mutex_unlock(&sched->timers_lock);
    /* A timer that sets itself to the past again comes in the next round: others get their turn. */
    for (uint32_t i = 0; i < most && (t = pop_due(sched, now_ns)); i++)
        t->expired(t->opaque);

    if (sched->config.threads == PB_THREADS_PARALLEL) {
        pthread_mutex_lock(&sched->timers_lock);
        sched->armed_ns = PB_TIMER_OFF;
        arm_locked(sched);
        pthread_mutex_unlock(&sched->timers_lock);
    }
}

static const pb_clock_iface clock_iface = {
    .size = sizeof(pb_clock_iface),
    .now_ns = clock_now_ns,
    .wall_s = clock_wall_s,
    .timer_set = timer_set,
    .timer_cancel = timer_cancel,
};

/* ---- life ------------------------------------------------------------------------------------------ */

void pb_clock_init(pb_sched *sched)
{
    bool parallel = sched->config.threads == PB_THREADS_PARALLEL;
    int64_t wall = sched->config.wall_base_s;

    if (wall == PB_WALL_HOST)
        wall = parallel ? g_get_real_time() / G_USEC_PER_SEC : DETERMINISTIC_WALL_S;
    sched->wall_base_s_unsigned = (uint64_t)wall;
    sched->clock.iface = &clock_iface;
    sched->holds = 1;
    sched->armed_ns = PB_TIMER_OFF;
    sched->heap = g_ptr_array_new();
    pthread_mutex_init(&sched->timers_lock, NULL);
    sched->timer_fd = -1;
    if (parallel) {
        sched->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (sched->timer_fd < 0)
            g_error("timerfd_create: %s", g_strerror(errno));
    }
}

void pb_clock_finish(pb_sched *sched)
{
    g_assert(sched->timer_count == 0); /* a timer outlives its clock */
    if (sched->timer_fd >= 0)
        close(sched->timer_fd);
    g_ptr_array_unref(sched->heap);
    pthread_mutex_destroy(&sched->timers_lock);
}

pb_clock *pb_sched_clock(pb_sched *sched)
{
    return &sched->clock;
}

pb_timer *pb_sched_timer_new(pb_sched *sched, void (*expired)(void *opaque), void *opaque)
{
    timer *t = g_new0(timer, 1);

    t->head.clock = &sched->clock;
    t->head.deadline_ns = PB_TIMER_OFF;
    t->sched = sched;
    t->expired = expired;
    t->opaque = opaque;
    t->place = NOT_IN_HEAP;
    pthread_mutex_lock(&sched->timers_lock);
    t->id = sched->next_timer_id++;
    sched->timer_count++;
    pthread_mutex_unlock(&sched->timers_lock);
    return &t->head;
}

void pb_sched_timer_free(pb_timer *head)
{
    timer *t = (timer *)head;

    if (!t)
        return;
    timer_cancel(head);
    pthread_mutex_lock(&t->sched->timers_lock);
    t->sched->timer_count--;
    pthread_mutex_unlock(&t->sched->timers_lock);
    g_free(t);
}

void pb_sched_state_get(pb_sched *sched, pb_sched_state *state)
{
    bool counts = sched->config.threads == PB_THREADS_ROUND_ROBIN;

    *state = (pb_sched_state){
        .now_ns = pb_sched_now_ns(sched),
        .wall_base_s = (int64_t)sched->wall_base_s_unsigned,
        .insns = sched->rr_insns,
        .turn = sched->rr_turn,
        .turn_left = sched->rr_turn_left,
        .ns_per_insn = counts ? sched->config.ns_per_insn : 0,
    };
    pthread_mutex_lock(&sched->lock);
    state->reset_requested = sched->guest_reset;
    state->end_requested = sched->guest_end;
    state->end_status = sched->guest_end ? sched->status : 0;
    pthread_mutex_unlock(&sched->lock);
}

void pb_sched_state_set(pb_sched *sched, const pb_sched_state *state)
{
    pthread_mutex_lock(&sched->timers_lock);
    sched->wall_base_s_unsigned = (uint64_t)state->wall_base_s;
    __atomic_store_n(&sched->frozen_ns, state->now_ns, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&sched->timers_lock);
    __atomic_store_n(&sched->rr_now_ns, state->now_ns, __ATOMIC_SEQ_CST);
    sched->rr_insns = state->insns;
    sched->rr_turn = pb_runners_count(sched) > 0 ? state->turn % pb_runners_count(sched) : 0;
    sched->rr_turn_left = state->turn_left;
    if (state->reset_requested)
        pb_sched_request(sched, PB_MACHINE_RESET, 0);
    if (state->end_requested)
        pb_sched_request(sched, PB_MACHINE_POWER_OFF, state->end_status);
}
