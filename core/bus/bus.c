/*
 * The bus and its address spaces: life, transactions, log.
 */
#include <core/bus/internal.h>

#define LOG_LINES_PER_SECOND 50

/* Requester ids from here on are given out; vCPU indexes are below. */
#define FIRST_REQUESTER 0x10000u

typedef struct listener {
    void (*changed)(void *opaque);
    void *opaque;
} listener;

typedef struct code_listener {
    pb_code_stale_fn *stale;
    void *opaque;
} code_listener;

pb_bus *pb_bus_new(pb_sched *sched)
{
    pb_bus *bus = g_new0(pb_bus, 1);

    bus->sched = sched;
    bus->epoch = 1;
    bus->next_requester = FIRST_REQUESTER;
    bus->spaces = g_ptr_array_new();
    bus->readers = g_ptr_array_new();
    bus->retired = g_ptr_array_new();
    bus->code_listeners = g_array_new(false, false, sizeof(code_listener));
    pthread_mutex_init(&bus->lock, NULL);
    bus->device_reader = pb_reader_new(bus);
    return bus;
}

void pb_bus_free(pb_bus *bus)
{
    if (!bus)
        return;
    pb_reader_free(bus->device_reader);
    /* A reader, space or retired view that is left would look at a bus that is gone. */
    g_assert(bus->spaces->len == 0 && bus->readers->len == 0 && bus->retired->len == 0);
    g_ptr_array_unref(bus->spaces);
    g_ptr_array_unref(bus->readers);
    g_ptr_array_unref(bus->retired);
    g_array_unref(bus->code_listeners);
    pthread_mutex_destroy(&bus->lock);
    g_free(bus);
}

pb_reader *pb_bus_device_reader(pb_bus *bus)
{
    return bus->device_reader;
}

uint32_t pb_bus_requester(pb_bus *bus)
{
    return bus->next_requester++;
}

/* ---- transactions ---------------------------------------------------------------------------------- */

static void publish_all(pb_bus *bus)
{
    for (uint32_t i = 0; i < bus->spaces->len; i++) {
        pb_space *space = bus->spaces->pdata[i];
        uint64_t before = space->generation;

        pb_space_publish(space);
        if (space->generation == before)
            continue;
        for (uint32_t k = 0; k < space->listeners->len; k++) {
            const listener *l = &g_array_index(space->listeners, listener, k);

            l->changed(l->opaque);
        }
    }
}

void pb_bus_begin(pb_bus *bus)
{
    bus->depth++;
}

void pb_bus_commit(pb_bus *bus)
{
    g_assert(bus->depth > 0);
    if (--bus->depth > 0 || !bus->changed)
        return;
    bus->changed = false;
    publish_all(bus);
}

void pb_bus_changed(pb_bus *bus)
{
    if (bus->depth > 0)
        bus->changed = true;
    else
        publish_all(bus);
}

/* ---- spaces ---------------------------------------------------------------------------------------- */

pb_space *pb_space_new(pb_bus *bus, const char *name, pb_bus_region *root,
                       const pb_space_rules *rules)
{
    pb_space *space = g_new0(pb_space, 1);

    space->bus = bus;
    space->name = g_strdup(name);
    space->root = pb_bus_region_ref(root);
    if (rules)
        space->rules = *rules;
    space->listeners = g_array_new(false, false, sizeof(listener));
    pb_space_publish(space);
    g_ptr_array_add(bus->spaces, space);
    return space;
}

void pb_space_free(pb_space *space)
{
    if (!space)
        return;
    g_ptr_array_remove(space->bus->spaces, space);
    pb_space_retire(space);
    pb_bus_region_unref(space->root);
    g_array_unref(space->listeners);
    g_free(space->name);
    g_free(space);
}

pb_bus *pb_space_bus(const pb_space *space)
{
    return space->bus;
}

uint64_t pb_space_generation(const pb_space *space)
{
    return __atomic_load_n(&space->generation, __ATOMIC_SEQ_CST);
}

void pb_space_listen(pb_space *space, void (*changed)(void *opaque), void *opaque)
{
    listener l = { changed, opaque };

    g_array_append_val(space->listeners, l);
}

void pb_space_unlisten(pb_space *space, void (*changed)(void *opaque), void *opaque)
{
    for (uint32_t i = space->listeners->len; i-- > 0;) {
        const listener *l = &g_array_index(space->listeners, listener, i);

        if (l->changed == changed && l->opaque == opaque)
            g_array_remove_index(space->listeners, i);
    }
}

bool pb_space_next(pb_space *space, uint64_t gpa, pb_range *range)
{
    pb_reader *reader = space->bus->device_reader;
    const pb_range *found;

    pb_reader_enter(reader);
    found = pb_space_at_or_above(space, gpa);
    if (found)
        *range = *found;
    pb_reader_leave(reader);
    return found != NULL;
}

/* ---- write tags -------------------------------------------------------------------------------------- */

void pb_bus_set_untag(pb_bus *bus, void (*untag)(void *opaque, const uint8_t *host, uint64_t bytes),
                      void *opaque)
{
    bus->untag = untag;
    bus->untag_opaque = opaque;
}

void pb_bus_untag(pb_bus *bus, const uint8_t *host, uint64_t bytes)
{
    if (bus->untag)
        bus->untag(bus->untag_opaque, host, bytes);
}

/* ---- stale code -------------------------------------------------------------------------------------- */

void pb_bus_listen_code(pb_bus *bus, pb_code_stale_fn *stale, void *opaque)
{
    code_listener l = { stale, opaque };

    g_array_append_val(bus->code_listeners, l);
}

void pb_bus_unlisten_code(pb_bus *bus, pb_code_stale_fn *stale, void *opaque)
{
    for (uint32_t i = bus->code_listeners->len; i-- > 0;) {
        const code_listener *l = &g_array_index(bus->code_listeners, code_listener, i);

        if (l->stale == stale && l->opaque == opaque)
            g_array_remove_index(bus->code_listeners, i);
    }
}

void pb_bus_code_stale(pb_bus *bus, const uint32_t *generation, uint64_t lines)
{
    for (uint32_t i = 0; i < bus->code_listeners->len; i++) {
        const code_listener *l = &g_array_index(bus->code_listeners, code_listener, i);

        l->stale(l->opaque, generation, lines);
    }
}

void pb_bus_mix_code(pb_bus *bus, uint32_t writes, bool always)
{
    bus->mix_after = writes;
    bus->compares = always;
}

bool pb_bus_compares(const pb_bus *bus)
{
    return bus->compares;
}

uint64_t pb_bus_mixed_pages(const pb_bus *bus)
{
    return __atomic_load_n(&bus->mixed_pages, __ATOMIC_RELAXED);
}

/* ---- log ------------------------------------------------------------------------------------------- */

void pb_bus_set_log(pb_bus *bus, void (*log)(void *opaque, const char *text), void *opaque)
{
    bus->log = log;
    bus->log_opaque = opaque;
}

/* Guests can make many mistakes a second: says at most LOG_LINES_PER_SECOND of them. */
static bool may_say(pb_bus *bus)
{
    int64_t second = g_get_monotonic_time() / G_USEC_PER_SEC;
    bool may;

    pthread_mutex_lock(&bus->lock);
    if (second != bus->log_second) {
        bus->log_second = second;
        bus->log_lines = 0;
    }
    may = bus->log_lines < LOG_LINES_PER_SECOND;
    bus->log_lines += may;
    pthread_mutex_unlock(&bus->lock);
    return may;
}

void pb_bus_say(pb_bus *bus, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (!bus->log || !may_say(bus))
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    bus->log(bus->log_opaque, text);
}
