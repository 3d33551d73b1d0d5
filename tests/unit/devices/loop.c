#include "loop.h"

#include <patchbay/object.h>

#include <poll.h>

typedef struct piece_of_work {
    void (*work)(void *opaque);
    void (*done)(void *opaque);
    void *opaque;
    GThread *thread; /* null: waits */
} piece_of_work;

typedef struct later {
    uint64_t id, due_ns;
    void (*fn)(void *opaque);
    void *opaque;
} later;

typedef struct hook {
    const pb_poller *poller;
    void *opaque;
} hook;

struct pb_poll_set {
    struct pollfd fds[64];
    nfds_t count;
};

struct loop {
    GArray *work, *calls, *pollers;
    uint64_t last_id;
};

static loop *the_loop;

/* ---- "pb.main-loop/1" ------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    return (uint64_t)g_get_monotonic_time() * 1000;
}

static uint64_t call_after(pb_object *object, uint32_t ms, void (*fn)(void *opaque), void *opaque)
{
    later call = { ++the_loop->last_id, now_ns() + ms * UINT64_C(1000000), fn, opaque };

    g_array_append_val(the_loop->calls, call);
    return call.id;
}

static void cancel(pb_object *object, uint64_t id)
{
    for (guint i = 0; i < the_loop->calls->len; i++) {
        if (g_array_index(the_loop->calls, later, i).id == id) {
            g_array_remove_index(the_loop->calls, i);
            return;
        }
    }
}

static void work(pb_object *object, void (*fn)(void *opaque), void (*done)(void *opaque),
                 void *opaque)
{
    piece_of_work piece = { fn, done, opaque, NULL };

    g_array_append_val(the_loop->work, piece);
}

static void add_poller(pb_object *object, const pb_poller *poller, void *opaque)
{
    hook h = { poller, opaque };

    g_array_append_val(the_loop->pollers, h);
}

static void remove_poller(pb_object *object, void *opaque)
{
    for (guint i = the_loop->pollers->len; i-- > 0;)
        if (g_array_index(the_loop->pollers, hook, i).opaque == opaque)
            g_array_remove_index(the_loop->pollers, i);
}

static bool no(pb_object *object)
{
    return false;
}

static const pb_main_loop_ops ops = {
    .size = sizeof(ops),
    .host_now_ns = now_ns,
    .call_after = call_after,
    .cancel = cancel,
    .work = work,
    .add_poller = add_poller,
    .deterministic = no,
    .interrupted = no,
    .remove_poller = remove_poller,
};

static const void *extension(void *opaque, pb_instance *instance, const char *id)
{
    return strcmp(id, PB_EXTENSION_MAIN_LOOP) == 0 ? &ops : NULL;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

loop *loop_new(fake_machine *machine)
{
    loop *l = g_new0(loop, 1);

    l->work = g_array_new(FALSE, FALSE, sizeof(piece_of_work));
    l->calls = g_array_new(FALSE, FALSE, sizeof(later));
    l->pollers = g_array_new(FALSE, FALSE, sizeof(hook));
    machine->env.extension = extension;
    the_loop = l;
    return l;
}

void loop_free(loop *l)
{
    CU_ASSERT_EQUAL(l->work->len, 0);
    CU_ASSERT_EQUAL(l->calls->len, 0);
    CU_ASSERT_EQUAL(l->pollers->len, 0);
    g_array_unref(l->work);
    g_array_unref(l->calls);
    g_array_unref(l->pollers);
    g_free(l);
    the_loop = NULL;
}

/* ---- work --------------------------------------------------------------------------------------------------- */

unsigned loop_work(const loop *l)
{
    return l->work->len;
}

static gpointer run_work(gpointer opaque)
{
    piece_of_work *piece = opaque;

    piece->work(piece->opaque);
    g_free(piece);
    return NULL;
}

void loop_start_work(loop *l)
{
    for (guint i = 0; i < l->work->len; i++) {
        piece_of_work *piece = &g_array_index(l->work, piece_of_work, i);

        if (!piece->thread)
            piece->thread = g_thread_new("work", run_work, g_memdup2(piece, sizeof(*piece)));
    }
}

void loop_end_work(loop *l)
{
    while (l->work->len && g_array_index(l->work, piece_of_work, 0).thread) {
        piece_of_work piece = g_array_index(l->work, piece_of_work, 0);

        g_array_remove_index(l->work, 0);
        g_thread_join(piece.thread);
        piece.done(piece.opaque);
    }
}

void loop_do_work(loop *l)
{
    loop_start_work(l);
    loop_end_work(l);
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

unsigned loop_calls(const loop *l)
{
    return l->calls->len;
}

unsigned loop_pollers(const loop *l)
{
    return l->pollers->len;
}

static short to_poll(uint32_t events)
{
    return (short)((events & PB_FD_IN ? POLLIN : 0) | (events & PB_FD_OUT ? POLLOUT : 0));
}

static int add_fd(pb_poll_set *set, int fd, uint32_t events)
{
    CU_ASSERT_FATAL(set->count < G_N_ELEMENTS(set->fds));
    set->fds[set->count] = (struct pollfd){ fd, to_poll(events), 0 };
    return (int)set->count++;
}

static uint32_t fd_ready(pb_poll_set *set, int slot)
{
    short got = slot >= 0 && (nfds_t)slot < set->count ? set->fds[slot].revents : 0;

    return (got & POLLIN ? PB_FD_IN : 0u) | (got & POLLOUT ? PB_FD_OUT : 0u) |
           (got & POLLHUP ? PB_FD_HUP : 0u) | (got & (POLLERR | POLLNVAL) ? PB_FD_ERR : 0u);
}

/* Milliseconds until the first call is due, at most `most`. */
static uint32_t until_call(const loop *l, uint32_t most)
{
    uint64_t now = now_ns();

    for (guint i = 0; i < l->calls->len; i++) {
        uint64_t due = g_array_index(l->calls, later, i).due_ns;
        uint64_t ms = due > now ? (due - now) / 1000000 + 1 : 0;

        most = (uint32_t)MIN(ms, most);
    }
    return most;
}

/* Calls that are made may make others: those wait for the next turn. */
static void make_calls(loop *l)
{
    uint64_t last = l->last_id, now = now_ns();

    for (guint i = 0; i < l->calls->len;) {
        later call = g_array_index(l->calls, later, i);

        if (call.id > last || call.due_ns > now) {
            i++;
            continue;
        }
        g_array_remove_index(l->calls, i);
        call.fn(call.opaque);
        i = 0;
    }
}

void loop_turn(loop *l, int timeout_ms)
{
    uint32_t timeout = until_call(l, (uint32_t)timeout_ms);
    pb_poll_set set = { .count = 0 };

    CU_ASSERT_FATAL(l->pollers->len <= 1); /* slots of a second one would be others */
    for (guint i = 0; i < l->pollers->len; i++) {
        const hook *h = &g_array_index(l->pollers, hook, i);

        h->poller->fill(h->opaque, &set, add_fd, &timeout);
    }
    poll(set.fds, set.count, (int)timeout);
    for (guint i = 0; i < l->pollers->len; i++) {
        const hook *h = &g_array_index(l->pollers, hook, i);

        h->poller->polled(h->opaque, &set, fd_ready);
    }
    make_calls(l);
}

bool loop_until(loop *l, bool (*condition)(void *opaque), void *opaque)
{
    uint64_t end = now_ns() + UINT64_C(10000000000);

    while (!condition(opaque)) {
        if (now_ns() > end)
            return false;
        loop_turn(l, 100);
    }
    return true;
}
