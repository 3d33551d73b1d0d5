/*
 * What the files of core/sched share. Rules of threads and states are at the head of runner.c.
 */
#ifndef CORE_SCHED_INTERNAL_H
#define CORE_SCHED_INTERNAL_H

#include <core/sched/sched.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

/* How a runner stands. */
typedef enum pb_standing {
    PB_EXECUTING = 0,
    PB_WITHIN, /* in the middle of an instruction, in pb_sched_exclusive() */
    PB_SAFE,   /* at a safe point: resting, parked, not started */
} pb_standing;

#define PB_MOST_RUNNERS 65536

struct pb_runner {
    pb_sched *sched;
    char *name;
    const pb_runner_ops *ops;
    void *self;
    GThread *thread;
    pthread_cond_t cond;   /* with sched->lock: where it rests */
    uint32_t standing;     /* atomic: pb_standing */
    uint32_t guest;        /* atomic: may use what it cached of the guest's memory map */
    uint64_t acknowledged; /* atomic: ticket of the last barrier whose posts it has done */
    uint32_t awake;        /* atomic: something was made visible to it since it last looked */
    uint32_t resting;      /* atomic: waits for `awake` */
    uint32_t powered;      /* atomic */
    uint32_t held;         /* written while nothing runs */
    uint32_t idle;         /* its own thread's, or of who has it stand */
};

struct pb_sched {
    pb_sched_config config;
    pb_sched_hooks hooks;

    /* The device lock (lock.c). */
    pthread_mutex_t device_mutex;
    pthread_mutex_t turnstile;
    const void *device_owner; /* atomic */
    uint32_t device_depth;    /* the owner's */
    uint32_t device_waiters;  /* atomic */

    /* Runners (runner.c). */
    pthread_mutex_t lock;
    pthread_cond_t cond; /* with lock: standing, stop and exclusive_busy changed */
    pb_runner **runners; /* room for PB_MOST_RUNNERS; who is in stays, in its place */
    uint32_t n_runners;  /* atomic; written under lock, after the place */
    bool lent;           /* between pb_sched_begin() and pb_sched_end() */
    uint32_t stop; /* atomic, written under lock: reasons to stand (pauses, an exclusive section) */
    uint32_t pauses; /* under lock */
    bool exclusive_busy;
    uint32_t quitting; /* atomic, written under lock */
    uint32_t running;  /* atomic: pb_sched_run() has started the threads */
    pthread_mutex_t barrier_lock;
    pthread_cond_t barrier_cond;
    uint32_t barrier_waiters; /* atomic */
    uint64_t barrier_ticket;  /* atomic */

    /* Requests; under lock. */
    bool request_pending;
    bool request_reset, request_end;
    bool guest_reset, guest_end; /* of these, by a runner */
    int32_t status;
    bool ended;           /* main thread's */
    uint32_t interrupted; /* atomic: a signal ended the run */

    /* Round-robin (round_robin.c); of the running thread unless said. */
    GThread *rr_handle;      /* main thread's */
    GThread *rr_thread;      /* atomic: the same, set by the thread itself */
    pb_standing rr_standing; /* under lock */
    pthread_cond_t rr_cond;
    uint32_t rr_awake;  /* atomic */
    uint64_t rr_now_ns; /* atomic: machine time at the last boundary */
    uint64_t rr_insns;  /* executed by all runners up to it */
    int64_t rr_budget;  /* of the slice under way, as cut */
    uint32_t rr_turn, rr_turn_left;

    /* Time and timers (clock.c). */
    pb_clock clock; /* found back by offset */
    uint64_t wall_base_s_unsigned;
    uint64_t offset_ns; /* atomic, parallel: host time at machine time 0 */
    uint64_t frozen_ns; /* atomic, parallel: machine time while it stands; NOT_FROZEN */
    uint32_t holds;     /* under timers_lock: reasons for time to stand */
    pthread_mutex_t timers_lock;
    GPtrArray *heap; /* pb_sched_timer, min-heap */
    uint64_t next_timer_id;
    uint32_t timer_count;
    int timer_fd;
    uint64_t armed_ns; /* deadline that timer_fd has; PB_TIMER_OFF */

    /* The main loop (loop.c). */
    GMainContext *context;
    GSource *timer_source, *event_source;
    pthread_mutex_t loop_lock;
    pthread_cond_t loop_cond;
    GQueue deferred;   /* under loop_lock */
    GHashTable *calls; /* under loop_lock: id -> call */
    uint64_t next_call_id;
    GQueue jobs;        /* under loop_lock */
    GThreadPool *pool;  /* made when first needed */
    uint32_t work_left; /* under loop_lock: work whose done was not called yet */
    GPtrArray *pollers; /* GSource */
};

/* lock.c */
void pb_lock_init(pb_sched *sched);
void pb_lock_finish(pb_sched *sched);
/* Let those who wait for the device lock have it before the caller, who has just released it, takes it again. */
void pb_lock_give_way(pb_sched *sched);

/* clock.c */
void pb_clock_init(pb_sched *sched);
void pb_clock_finish(pb_sched *sched);
/* Machine time stands while there are holds (parallel mode). One is there from the start. */
void pb_clock_hold(pb_sched *sched);
void pb_clock_release(pb_sched *sched);
/* Fire what is due; the device lock is held. At most as many as are set at the call. */
void pb_clock_fire(pb_sched *sched);
uint64_t pb_clock_next_deadline(pb_sched *sched);
/* Round-robin: the earliest deadline has come earlier (round_robin.c). */
void pb_rr_deadline(pb_sched *sched, uint64_t deadline_ns);
/* Round-robin: time as the running thread sees it, within a slice; others see the last boundary. */
uint64_t pb_rr_now_ns(pb_sched *sched);
bool pb_rr_is_runner_thread(const pb_sched *sched);

/* round_robin.c */
void *pb_rr_thread(void *sched);
void pb_rr_wake(pb_sched *sched);
/* The runner under way stops after the instruction that it executes. Nothing on other threads. */
void pb_rr_cut(pb_sched *sched);

/* runner.c */
void *pb_runner_thread(void *runner);
void pb_runner_set_current(pb_runner *runner);
/* Into the guest, with the posted work done, and out of it. */
void pb_runner_enter(pb_runner *runner);
void pb_runner_leave(pb_runner *runner);
/* Out of the guest and in again while the runner waits in the middle of an instruction. */
void pb_runner_outside_begin(pb_runner *runner);
void pb_runner_outside_end(pb_runner *runner);
void pb_runners_poke(pb_sched *sched);
/* Wait until all stand at safe points. */
void pb_runners_await(pb_sched *sched);
static inline uint32_t pb_runners_count(const pb_sched *sched)
{
    return __atomic_load_n(&sched->n_runners, __ATOMIC_SEQ_CST);
}
static inline bool pb_sched_stops(const pb_sched *sched)
{
    return __atomic_load_n(&sched->stop, __ATOMIC_SEQ_CST) != 0;
}
static inline bool pb_sched_quits(const pb_sched *sched)
{
    return __atomic_load_n(&sched->quitting, __ATOMIC_SEQ_CST) != 0;
}

/* loop.c */
void pb_loop_init(pb_sched *sched);
void pb_loop_finish(pb_sched *sched);
/* Have the main loop look at requests, deferred calls and the armed timer. [any] */
void pb_loop_wake(pb_sched *sched);

/* sched.c */
void pb_sched_serve_requests(pb_sched *sched);

#endif
