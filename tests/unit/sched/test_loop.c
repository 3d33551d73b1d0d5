/*
 * The main loop: core/sched/loop.c and sched.c.
 */
#include "fake.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void end_with(pb_sched *sched, int status)
{
    pb_sched_request(sched, PB_MACHINE_POWER_OFF, status);
}

/* ---- descriptors ----------------------------------------------------------------------------------------- */

typedef struct reader {
    pb_sched *sched;
    pb_watch *watch;
    int pair[2];
    uint32_t calls, ready;
    char got[16];
    size_t length;
} reader;

static void take(void *opaque, uint32_t ready)
{
    reader *r = opaque;
    ssize_t n;

    CU_ASSERT(pb_sched_devices_locked(r->sched));
    r->calls++;
    r->ready |= ready;
    n = read(r->pair[0], r->got + r->length, sizeof(r->got) - r->length);
    if (n > 0)
        r->length += (size_t)n;
}

static void reader_init(reader *r, pb_sched *sched, uint32_t events)
{
    *r = (reader){ .sched = sched };
    CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, r->pair), 0);
    r->watch = pb_sched_watch_new(sched, r->pair[0], events, take, r);
}

static void reader_finish(reader *r)
{
    pb_sched_watch_free(r->watch);
    close(r->pair[0]);
    if (r->pair[1] >= 0)
        close(r->pair[1]);
}

static void send_text(reader *r, const char *text)
{
    CU_ASSERT_EQUAL(write(r->pair[1], text, strlen(text)), (ssize_t)strlen(text));
}

static void watching(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);
    reader r;

    reader_init(&r, sched, PB_FD_IN);
    pb_sched_iterate(sched, false);
    CU_ASSERT_EQUAL(r.calls, 0);
    send_text(&r, "ab");
    pb_sched_iterate(sched, true);
    CU_ASSERT_EQUAL(r.length, 2);
    CU_ASSERT_EQUAL(r.ready, PB_FD_IN);

    pb_sched_watch_set(r.watch, 0);
    send_text(&r, "cd");
    pb_sched_iterate(sched, false);
    CU_ASSERT_EQUAL(r.length, 2);
    pb_sched_watch_set(r.watch, PB_FD_IN | PB_FD_OUT);
    pb_sched_iterate(sched, true);
    CU_ASSERT_EQUAL(r.length, 4);
    CU_ASSERT(r.ready & PB_FD_OUT);

    /* The peer is gone: told, and a paused watch does not turn the loop. */
    pb_sched_watch_set(r.watch, PB_FD_IN);
    close(r.pair[1]);
    r.pair[1] = -1;
    pb_sched_iterate(sched, true);
    CU_ASSERT(r.ready & PB_FD_HUP);
    pb_sched_watch_set(r.watch, 0);
    r.calls = 0;
    pb_sched_iterate(sched, false);
    CU_ASSERT_EQUAL(r.calls, 0);
    reader_finish(&r);
    pb_sched_free(sched);
}

static void free_in_callback(void *opaque, uint32_t ready)
{
    reader *r = opaque;

    r->calls++;
    pb_sched_watch_free(r->watch);
    r->watch = NULL;
}

static void freed_by_its_own_callback(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);
    reader r;

    reader_init(&r, sched, 0);
    pb_sched_watch_free(r.watch);
    r.watch = pb_sched_watch_new(sched, r.pair[0], PB_FD_IN, free_in_callback, &r);
    send_text(&r, "x");
    pb_sched_iterate(sched, true);
    pb_sched_iterate(sched, false);
    CU_ASSERT_EQUAL(r.calls, 1);
    reader_finish(&r);
    pb_sched_free(sched);
}

/* ---- calls ----------------------------------------------------------------------------------------------- */

static void count(void *opaque)
{
    ++*(uint32_t *)opaque;
}

static void calls_and_cancels(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);
    uint32_t now = 0, never = 0;
    uint64_t id;

    pb_sched_call_after(sched, 0, count, &now);
    id = pb_sched_call_after(sched, 0, count, &never);
    pb_sched_cancel(sched, id);
    pb_sched_cancel(sched, id);
    pb_sched_call_after(sched, 1000000, count, &never); /* freed with the scheduler */
    while (now == 0)
        pb_sched_iterate(sched, true);
    pb_sched_iterate(sched, false);
    CU_ASSERT_EQUAL(now, 1);
    CU_ASSERT_EQUAL(never, 0);
    pb_sched_free(sched);
}

static void calls_in_machine_time(void)
{
    pb_sched *sched = new_sched(PB_THREADS_ROUND_ROBIN);
    uint32_t calls = 0;
    uint64_t id = pb_sched_call_after(sched, 3, count, &calls);

    pb_sched_call_after(sched, 5, count, &calls);
    pb_sched_advance(sched, 4999999);
    CU_ASSERT_EQUAL(calls, 1);
    pb_sched_cancel(sched, id); /* was made already */
    pb_sched_advance(sched, 1);
    CU_ASSERT_EQUAL(calls, 2);
    id = pb_sched_call_after(sched, 1, count, &calls);
    pb_sched_cancel(sched, id);
    pb_sched_advance(sched, 10000000);
    CU_ASSERT_EQUAL(calls, 2);
    pb_sched_free(sched);
}

static void *defer_from_thread(void *opaque)
{
    reader *r = opaque;

    pb_sched_defer(r->sched, count, &r->calls);
    return NULL;
}

static void deferred_calls(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);
    reader r = { .sched = sched };
    GThread *thread = g_thread_new("test", defer_from_thread, &r);

    g_thread_join(thread);
    CU_ASSERT_EQUAL(r.calls, 0);
    pb_sched_iterate(sched, true);
    CU_ASSERT_EQUAL(r.calls, 1);
    pb_sched_free(sched);
}

/* ---- work ------------------------------------------------------------------------------------------------ */

typedef struct task {
    pb_sched *sched;
    GThread *worker;
    uint32_t worked, done; /* worked: atomic */
    uint32_t *left;
} task;

static void work(void *opaque)
{
    task *t = opaque;

    t->worker = g_thread_self();
    __atomic_store_n(&t->worked, 1, __ATOMIC_SEQ_CST);
}

static void done(void *opaque)
{
    task *t = opaque;

    CU_ASSERT_EQUAL(__atomic_load_n(&t->worked, __ATOMIC_SEQ_CST), 1);
    CU_ASSERT(pb_sched_devices_locked(t->sched));
    t->done++;
    if (t->left && --*t->left == 0)
        end_with(t->sched, 5);
}

static void work_on_threads(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);
    uint32_t left = 50;
    task tasks[50];

    for (uint32_t i = 0; i < 50; i++) {
        tasks[i] = (task){ .sched = sched, .left = &left };
        pb_sched_work(sched, work, done, &tasks[i]);
    }
    CU_ASSERT_EQUAL(pb_sched_run(sched), 5);
    for (uint32_t i = 0; i < 50; i++) {
        CU_ASSERT_EQUAL(tasks[i].done, 1);
        CU_ASSERT_PTR_NOT_EQUAL(tasks[i].worker, g_thread_self());
    }
    pb_sched_free(sched);
}

static void quiescing(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);
    task tasks[20];

    for (uint32_t i = 0; i < 20; i++) {
        tasks[i] = (task){ .sched = sched };
        pb_sched_work(sched, work, done, &tasks[i]);
    }
    pb_sched_quiesce(sched);
    for (uint32_t i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(tasks[i].done, 1);
    pb_sched_free(sched);
}

static void work_at_once(void)
{
    pb_sched *sched = new_sched(PB_THREADS_ROUND_ROBIN);
    task t = { .sched = sched };

    pb_sched_lock_devices(sched);
    pb_sched_work(sched, work, done, &t);
    pb_sched_unlock_devices(sched);
    CU_ASSERT_EQUAL(t.done, 1);
    CU_ASSERT_PTR_EQUAL(t.worker, g_thread_self());
    pb_sched_free(sched);
}

/* ---- pollers --------------------------------------------------------------------------------------------- */

typedef struct polling {
    pb_sched *sched;
    int pair[2];
    int slot;
    uint32_t ready, polls, timeout_ms;
} polling;

static void fill(void *opaque, pb_poll_set *set,
                 int (*add)(pb_poll_set *set, int fd, uint32_t events), uint32_t *timeout_ms)
{
    polling *p = opaque;

    CU_ASSERT(pb_sched_devices_locked(p->sched));
    p->slot = add(set, p->pair[0], PB_FD_IN);
    *timeout_ms = MIN(*timeout_ms, p->timeout_ms);
}

static void polled(void *opaque, pb_poll_set *set, uint32_t (*ready)(pb_poll_set *set, int slot))
{
    polling *p = opaque;

    p->polls++;
    p->ready = ready(set, p->slot);
    CU_ASSERT_EQUAL(ready(set, 99), 0);
    CU_ASSERT_EQUAL(ready(set, -1), 0);
}

static const pb_poller poller = { .size = sizeof(pb_poller), .fill = fill, .polled = polled };

static void pollers(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);
    polling p = { .sched = sched, .timeout_ms = UINT32_MAX };

    CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, p.pair), 0);
    pb_sched_add_poller(sched, &poller, &p);
    pb_sched_iterate(sched, false);
    CU_ASSERT_EQUAL(p.polls, 0);
    CU_ASSERT_EQUAL(write(p.pair[1], "x", 1), 1);
    pb_sched_iterate(sched, true);
    CU_ASSERT_EQUAL(p.polls, 1);
    CU_ASSERT_EQUAL(p.ready, PB_FD_IN);
    CU_ASSERT_EQUAL(read(p.pair[0], &(char){ 0 }, 1), 1);
    p.timeout_ms = 1;
    pb_sched_iterate(sched, true); /* ends by its own timeout */
    CU_ASSERT(p.polls == 2 || p.polls == 1);
    while (p.polls < 2)
        pb_sched_iterate(sched, true);
    CU_ASSERT_EQUAL(p.ready, 0);
    pb_sched_remove_pollers(sched, &p);
    pb_sched_iterate(sched, false);
    CU_ASSERT_EQUAL(p.polls, 2);
    close(p.pair[0]);
    close(p.pair[1]);
    pb_sched_free(sched);
}

/* ---- ends ------------------------------------------------------------------------------------------------ */

static void raise_now(void *opaque)
{
    raise(*(int *)opaque);
}

static void end_with_3(void *opaque)
{
    end_with(opaque, 3);
}

static void signals_end_the_run(void)
{
    static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };

    for (size_t i = 0; i < PB_ARRAY_SIZE(numbers); i++) {
        pb_sched_config config = { .wall_base_s = PB_WALL_HOST, .signals = true };
        int number = numbers[i];
        pb_sched *sched;

        signal(number, SIG_DFL); /* whoever started the tests may ignore it */
        sched = pb_sched_new(&config);
        pb_sched_defer(sched, raise_now, &number);
        CU_ASSERT_EQUAL(pb_sched_run(sched), 128 + number);
        pb_sched_free(sched);
    }
}

static void ignored_hang_up(void)
{
    static int number = SIGHUP;
    pb_sched_config config = { .wall_base_s = PB_WALL_HOST, .signals = true };
    pb_sched *sched = pb_sched_new(&config);

    signal(SIGHUP, SIG_IGN);
    pb_sched_defer(sched, raise_now, &number);
    pb_sched_call_after(sched, 0, end_with_3, sched);
    CU_ASSERT_EQUAL(pb_sched_run(sched), 3);
    signal(SIGHUP, SIG_DFL);
    pb_sched_free(sched);
}

static void end_now(void *opaque)
{
    end_with(opaque, 9);
    end_with(opaque, 10); /* the first one counts */
    pb_sched_request(opaque, PB_MACHINE_RESET, 0);
}

static void ends_from_the_loop(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);

    pb_sched_defer(sched, end_now, sched);
    CU_ASSERT_EQUAL(pb_sched_run(sched), 9);
    end_with(sched, 11); /* before the run */
    CU_ASSERT_EQUAL(pb_sched_run(sched), 11);
    pb_sched_free(sched);
}

static pb_sched *the_sched;

static pb_sched *sched_of(pb_object *object)
{
    return the_sched;
}

static void the_extension(void)
{
    const pb_main_loop_ops *ops = pb_sched_main_loop_ops(sched_of);
    polling p = { .timeout_ms = 0, .pair = { STDOUT_FILENO } };
    uint32_t calls = 0;

    the_sched = new_sched(PB_THREADS_PARALLEL);
    ops->call_after(NULL, 0, count, &calls);
    ops->cancel(NULL, ops->call_after(NULL, 0, count, &calls));
    pb_sched_iterate(the_sched, true);
    pb_sched_iterate(the_sched, false);
    CU_ASSERT_EQUAL(calls, 1);
    CU_ASSERT(ops->host_now_ns() > 0);
    p.sched = the_sched;
    ops->add_poller(NULL, &poller, &p);
    pb_sched_iterate(the_sched, false);
    CU_ASSERT_EQUAL(p.polls, 1);
    ops->remove_poller(NULL, &p);
    pb_sched_iterate(the_sched, false);
    CU_ASSERT_EQUAL(p.polls, 1);
    pb_sched_free(the_sched);
}

int main(void)
{
    static const unit_case cases[] = {
        { "watching descriptors", watching },
        { "a watch freed by its own callback", freed_by_its_own_callback },
        { "calls and cancels", calls_and_cancels },
        { "calls in machine time", calls_in_machine_time },
        { "deferred calls", deferred_calls },
        { "work on threads", work_on_threads },
        { "quiescing", quiescing },
        { "work at once in round-robin mode", work_at_once },
        { "pollers", pollers },
        { "signals end the run", signals_end_the_run },
        { "a hang-up that is ignored", ignored_hang_up },
        { "ends from the loop", ends_from_the_loop },
        { "the extension's table", the_extension },
        { 0 },
    };

    return unit_run("scheduler: main loop", cases);
}
