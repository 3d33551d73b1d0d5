/*
 * The scheduler: machine time and timers, the device lock, the main loop, and the threads of vCPUs.
 *
 * It knows a vCPU as a pb_runner: something that runs for a while, may have nothing to do, and can be
 * poked. core/vcpu makes runners of pb_vcpu.
 *
 * Two ways to run, chosen once:
 *   parallel     one thread a runner; time from the host's monotonic clock; timers fire on the main
 *                loop's thread.
 *   round-robin  one thread for all runners, one at a time, in order of creation, a slice of instructions
 *                each; time is instructions executed times ns_per_insn. Timers fire exactly at
 *                their deadline, between two instructions. When all runners idle, time jumps to the next
 *                timer. The running thread holds the device lock during a slice, so events of the host
 *                (descriptors, signals, requests from other threads) enter between slices only:
 *                they are the only thing that makes two runs differ.
 *
 * Order of locks: device lock, then the scheduler's own, then the timers'. The scheduler calls nobody
 * with one of its own locks held.
 */
#ifndef CORE_SCHED_SCHED_H
#define CORE_SCHED_SCHED_H

#include <glib.h>
#include <patchbay/object.h>

typedef struct pb_sched pb_sched;
typedef struct pb_runner pb_runner;

typedef enum pb_threads { PB_THREADS_PARALLEL = 0, PB_THREADS_ROUND_ROBIN } pb_threads;

#define PB_WALL_HOST INT64_MIN /* wall_base_s: the host's calendar at creation */

typedef struct pb_sched_config {
    pb_threads threads;
    int64_t wall_base_s;  /* seconds since 1970 at power-on; PB_WALL_HOST in parallel mode only */
    uint32_t ns_per_insn; /* round-robin: machine time of one instruction; 0 means 1 */
    uint32_t slice_insns; /* round-robin: instructions in a runner's turn; 0 means 20000 */
    uint64_t fresh_insns; /* round-robin: between two calls of fresh(); 0 means 1000000 */
    bool signals; /* SIGHUP, SIGINT and SIGTERM end pb_sched_run() with status 128 + number */
} pb_sched_config;

/* [setup] */
pb_sched *pb_sched_new(const pb_sched_config *config);
void pb_sched_free(pb_sched *sched); /* null is fine; not while pb_sched_run() runs */
pb_threads pb_sched_threads(const pb_sched *sched);
bool pb_sched_is_running(const pb_sched *sched); /* within pb_sched_run(). [any] */

/* ---- life ------------------------------------------------------------------------------------------ */

/* What the machine wants to be told. Members may be null. */
typedef struct pb_sched_hooks {
    /* A reset was requested: put everything into its reset state. All runners stand still at safe points
     * and time stands; device lock held. */
    void (*reset)(void *opaque);
    /* Round-robin: `total` instructions were executed by all runners together, as many as was asked for.
     * All states are complete; device lock held; on the running thread. Returns when it shall be called next;
     * 0: never. Where it is called changes nothing that a guest could see. */
    uint64_t (*counted)(void *opaque, uint64_t total);
    uint64_t count_at; /* the first time; 0: never */
    void *opaque;
} pb_sched_hooks;

void pb_sched_set_hooks(pb_sched *sched, const pb_sched_hooks *hooks); /* [setup], or stopped */

/* Start the runners and serve the main loop on the calling thread until somebody requests the end; stop
 * and join all threads; return the exit status. May be called again: the machine goes on where it
 * stood. [setup] */
int pb_sched_run(pb_sched *sched);
/* The same without threads or runners: dispatch what is ready on the main loop now, at most waiting for the next
 * event if `wait`. For tests of devices and backends without a machine. [setup] */
void pb_sched_iterate(pb_sched *sched, bool wait);

/* Let machine time pass without runners, firing timers at their deadlines. Round-robin mode, not while
 * pb_sched_run() runs. For tests of devices. [setup] */
void pb_sched_advance(pb_sched *sched, uint64_t ns);

/* Reset, or end the run with a status, at the next safe point; returns at once. A runner that asks executes
 * no instruction after the one that asked, except to the end of its unit in parallel mode. An
 * end wins over a reset. [any] */
void pb_sched_request(pb_sched *sched, pb_machine_request request, int32_t status);

/* Stop all runners at safe points and machine time; nests. Returns when they stand. Not with the device lock
 * held, and not by a runner. pb_sched_resume() undoes one pause. */
void pb_sched_pause(pb_sched *sched);
void pb_sched_resume(pb_sched *sched);
/* Both halves of a pause: ask for it, also by a runner, whose instruction is the last that it executes, and with the device
 * lock held [any]; and wait until all stand, as pb_sched_pause(). */
void pb_sched_pause_begin(pb_sched *sched);
void pb_sched_pause_await(pb_sched *sched);
/* After a pause: wait for the backends' worker threads, and deliver what they did. On the main loop's
 * thread, device lock not held. */
void pb_sched_quiesce(pb_sched *sched);
/* Call fn while no runner executes; time goes on. Not with the device lock held, unless the caller
 * runs alone. From a runner's thread its own state is that of the instruction it executes. [any] */
void pb_sched_exclusive(pb_sched *sched, void (*fn)(void *opaque), void *opaque);
/* Call fn on the main loop's thread, as soon as possible, with all runners at safe points, machine time
 * standing and the backends' workers done; device lock not held. Not at all, if the run ends before. [any] */
void pb_sched_at_rest(pb_sched *sched, void (*fn)(void *opaque), void *opaque);
/* Call fn on the main loop's thread, device lock held, as soon as possible. [any] */
void pb_sched_defer(pb_sched *sched, void (*fn)(void *opaque), void *opaque);

/* ---- the device lock ------------------------------------------------------------------------------- */

/* Recursive. On a runner's thread, waiting for it counts as standing at a safe point for barriers, not for
 * exclusive sections. [any] */
void pb_sched_lock_devices(pb_sched *sched);
void pb_sched_unlock_devices(pb_sched *sched);
bool pb_sched_devices_locked(const pb_sched *sched); /* by this thread */

/* ---- time ------------------------------------------------------------------------------------------ */

/* The machine's clock; lives as long as the scheduler. */
pb_clock *pb_sched_clock(pb_sched *sched);
uint64_t pb_sched_now_ns(pb_sched *sched); /* [any] */
/* A timer; expired is called with the device lock held. A timer_cancel() or timer_set() made with the device
 * lock held is final; made without, expired may still come once: it looks whether it is time.
 * Equal deadlines fire in order of creation. [setup] */
pb_timer *pb_sched_timer_new(pb_sched *sched, void (*expired)(void *opaque), void *opaque);
void pb_sched_timer_free(pb_timer *timer); /* null is fine. [device] or [setup] */

/* What a snapshot keeps of the scheduler; deadlines are kept by the timers' owners. */
typedef struct pb_sched_state {
    uint64_t now_ns;
    int64_t wall_base_s;
    uint64_t insns;       /* round-robin: executed by all runners */
    uint32_t turn;        /* round-robin: whose turn it is */
    uint32_t turn_left;   /* and how many instructions of it are left */
    uint32_t ns_per_insn; /* round-robin, else 0: goes on only where it is the same */
    uint8_t reset_requested, end_requested; /* by a runner, and not served yet */
    uint8_t reserved[2];
    int32_t end_status;
} pb_sched_state;

/* While nothing runs: paused, in a hook, or before pb_sched_run(). Set before timers are set. */
void pb_sched_state_get(pb_sched *sched, pb_sched_state *state);
void pb_sched_state_set(pb_sched *sched, const pb_sched_state *state);

/* ---- the main loop --------------------------------------------------------------------------------- */

/* The extension's table (object.h). The functions find the scheduler of an object by `sched_of`, which is the
 * same for the whole process. [setup] */
const pb_main_loop_ops *pb_sched_main_loop_ops(pb_sched *(*sched_of)(pb_object *object));

/* The same by scheduler, for the core. Threads as in object.h. */
pb_watch *pb_sched_watch_new(pb_sched *sched, int fd, uint32_t events,
                             void (*fn)(void *opaque, uint32_t ready), void *opaque);
void pb_sched_watch_set(pb_watch *watch, uint32_t events);
void pb_sched_watch_free(pb_watch *watch); /* null is fine */
uint64_t pb_sched_call_after(pb_sched *sched, uint32_t ms, void (*fn)(void *opaque), void *opaque);
void pb_sched_cancel(pb_sched *sched, uint64_t id);
void pb_sched_work(pb_sched *sched, void (*work)(void *opaque), void (*done)(void *opaque),
                   void *opaque);
void pb_sched_add_poller(pb_sched *sched, const pb_poller *poller, void *opaque);
/* Remove the pollers with that opaque: their owner goes. [setup] */
void pb_sched_remove_pollers(pb_sched *sched, const void *opaque);
/* For what speaks GLib itself (a monitor's sockets). Callbacks of sources do not hold the device lock. */
GMainContext *pb_sched_context(pb_sched *sched);

/* ---- runners: for core/vcpu ------------------------------------------------------------------------ */

/* Why a runner came back. */
typedef enum pb_runner_result {
    PB_RUNNER_AGAIN = 1, /* poked, or the budget is used up */
    PB_RUNNER_IDLE,      /* sleeps until has_work */
    PB_RUNNER_YIELD,     /* gives the rest of its turn away */
    PB_RUNNER_USER, /* something happened that its thread's owner handles (pb_runner_go); otherwise as AGAIN */
} pb_runner_result;

typedef struct pb_runner_ops {
    /* Execute at most `budget` instructions (INT64_MAX: do not count); return early when poked. *left is
     * the budget that was not used, after cuts. */
    pb_runner_result (*run)(void *self, int64_t budget, int64_t *left);
    /* Make run() return at the next safe point. [any] [hot] */
    void (*poke)(void *self);
    /* Whether an idle runner should go on. [any] */
    bool (*has_work)(void *self);
    /* Do what others posted; `nested`: in the middle of an instruction, caches only. Called on the
     * runner's thread before every entry into the guest, and while asleep or off after a poke. */
    void (*work)(void *self, bool nested);
    /* In run(): the instructions that are left of the budget, and lower them. [vcpu] [hot] */
    int64_t (*left)(void *self);
    void (*cut)(void *self, int64_t left);
    /* Round-robin, every so many instructions: drop what was read from the guest's state and may be out of date
     * with it. So a machine that goes on from a snapshot does what this one does: its caches are equally
     * new. May be null. */
    void (*fresh)(void *self);
} pb_runner_ops;

/* Add a runner; powered on and not idle. `name` of the thread is copied. At most 65,536. [setup], and while threads of others run
 * them */
pb_runner *pb_sched_add_runner(pb_sched *sched, const char *name, const pb_runner_ops *ops,
                               void *self);
/* Wake it if it rests. Call it after what it shall see was made visible, and its poke flag set. In
 * round-robin mode, called by what the runner itself executes: it sees it before its next instruction. [any] */
void pb_runner_wake(pb_runner *runner);
/* The same for what it only has to see before it executes again: a runner that rests goes on resting. [any] [hot] */
void pb_runner_note(pb_runner *runner);
/* Round-robin: what the instruction under way posted to other runners shall be done right after it, not where its slice
 * happens to end. Elsewhere nothing. [any] */
void pb_sched_end_slice(pb_sched *sched);
void pb_runner_set_powered(pb_runner *runner, bool powered); /* [any] */
bool pb_runner_powered(const pb_runner *runner);             /* [any] */
/* Held: executes nothing, whatever else would let it; for debuggers, and no part of a machine's state. While
 * nothing runs. */
void pb_runner_set_held(pb_runner *runner, bool held);
/* Idle (waits for has_work), for snapshots and reset. While nothing runs. */
void pb_runner_set_idle(pb_runner *runner, bool idle);
bool pb_runner_idle(const pb_runner *runner);
/* The runner whose thread this is and that executes now, or null. In round-robin mode it changes with the turn. */
pb_runner *pb_runner_current(void);
void *pb_runner_self(const pb_runner *runner);

/* ---- runners on threads of others: user mode ------------------------------------------------------- */

/* Instead of pb_sched_run(): from begin to end the machine runs, without threads or a main loop of the scheduler's, and
 * threads of the caller call pb_runner_go(). Parallel mode only. [setup] */
void pb_sched_begin(pb_sched *sched);
void pb_sched_end(pb_sched *sched);
/* One stay in the guest, on the calling thread, which is the only one to do so for this runner. It stands at a safe point
 * before and after; so the caller may block, and exclusive sections and pauses do not wait for it. */
pb_runner_result pb_runner_go(pb_runner *runner);
/* Around fork(), while all stand (pb_sched_pause): the child finds the scheduler as it is, and no thread in it. */
void pb_sched_fork_begin(pb_sched *sched);
void pb_sched_fork_end(pb_sched *sched, bool child);

/* Wait until each other runner has been outside of the guest at least once since the call, so that
 * what was posted to it before is done before it executes on. Posted: made visible to work(), then
 * poked. Never deadlocks: who waits here, rests, is off, stands in an exclusive section or waits
 * for the device lock is outside. [any] */
void pb_sched_barrier(pb_sched *sched);

#endif
