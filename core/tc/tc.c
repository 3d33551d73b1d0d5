/*
 * A translation cache's life, its users, statistics, and the table of functions.
 */
#include <core/tc/watch.h>

static pb_bus *(*bus_of_object)(pb_object *object);

/* ---- life ------------------------------------------------------------------------------------------------ */

static void size(pb_tc *tc, uint64_t bytes)
{
    uint32_t log2 = MAX_SLAB_LOG2;

    while (log2 > MIN_SLAB_LOG2 && bytes >> log2 < 32)
        log2--;
    tc->slab_log2 = log2;
    tc->n_slabs = (uint32_t)(bytes >> log2);
    tc->bytes = (uint64_t)tc->n_slabs << log2;
    tc->bucket_bits = 63 - (uint32_t)__builtin_clzll(tc->bytes) - BUCKET_LOG2;
}

static void make_slabs(pb_tc *tc)
{
    tc->slabs = g_new0(tc_slab, tc->n_slabs);
    tc->touched = g_new0(uint8_t, tc->n_slabs);
    for (uint32_t i = 0; i < tc->n_slabs; i++) {
        tc->slabs[i].index = i;
        tc->slabs[i].node.data = &tc->slabs[i];
        if (i > 0) /* the thunks' */
            g_queue_push_tail_link(&tc->empty, &tc->slabs[i].node);
    }
}

static void tc_free(pb_tc *tc)
{
    tc_watch_free(tc);
    tc_unmap(tc);
    g_free(tc->slabs);
    g_free(tc->touched);
    g_ptr_array_unref(tc->users);
    g_hash_table_unref(tc->pages);
    pthread_mutex_destroy(&tc->lock);
    g_free(tc);
}

static pb_tc *tc_open(pb_object *object, uint64_t bytes, const pb_codegen_type *codegen,
                      void *codegen_self, pb_code_slice *thunks, pb_error *error)
{
    pb_tc *tc;

    if (bytes < MIN_BYTES || bytes >= MAX_BYTES) {
        pb_fail(error,
                "a translation cache of %llu bytes is wanted; it has at least 1 MiB and less "
                "than 2 GiB",
                (unsigned long long)bytes);
        return NULL;
    }
    tc = g_new0(pb_tc, 1);
    tc->bus = bus_of_object(object);
    tc->codegen = codegen;
    tc->codegen_self = codegen_self;
    tc->fd = -1;
    tc->epoch = 1;
    tc->users = g_ptr_array_new();
    tc->pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    pthread_mutex_init(&tc->lock, NULL);
    size(tc, bytes);
    make_slabs(tc);
    if (!tc_map(tc, error)) {
        tc_free(tc);
        return NULL;
    }
    *thunks = (pb_code_slice){ .rw = tc->rw, .rx = tc->rx, .bytes = slab_bytes(tc) };
    tc->watch = tc_watch_new(tc);
    pb_bus_listen_code(tc->bus, tc_stale, tc);
    return tc;
}

static void tc_close(pb_tc *tc)
{
    if (!tc)
        return;
    g_assert(tc->users->len == 0);
    pb_bus_unlisten_code(tc->bus, tc_stale, tc);
    pb_bus_mix_code(tc->bus, 0, false);
    tc_free(tc);
}

/* ---- users ----------------------------------------------------------------------------------------------- */

static pb_tc_user *tc_user_new(pb_tc *tc, void (*nudge)(void *opaque), void *opaque)
{
    pb_tc_user *user = g_aligned_alloc0(1, sizeof(*user), __alignof__(*user));

    user->tc = tc;
    user->nudge = nudge;
    user->opaque = opaque;
    pthread_mutex_lock(&tc->lock);
    g_ptr_array_add(tc->users, user);
    pthread_mutex_unlock(&tc->lock);
    return user;
}

static void tc_request_word(pb_tc_user *user, uint32_t *word, uint32_t bits)
{
    user->request = word;
    user->request_bits = bits;
}

static void tc_mix_pages(pb_tc *tc, uint32_t stores, bool always)
{
    pb_bus_mix_code(tc->bus, stores, always);
}

static void tc_evict_every(pb_tc *tc, uint32_t reservations)
{
    tc->evict_every = reservations;
}

static void tc_user_free(pb_tc_user *user)
{
    if (!user)
        return;
    g_assert(user->active == 0);
    pthread_mutex_lock(&user->tc->lock);
    if (user->slab)
        user->slab->writer = NULL;
    g_ptr_array_remove(user->tc->users, user);
    pthread_mutex_unlock(&user->tc->lock);
    g_aligned_free(user);
}

/* ---- statistics ------------------------------------------------------------------------------------------ */

static uint64_t code_bytes_locked(const pb_tc *tc)
{
    uint64_t bytes = 0;

    for (GList *node = tc->full.head; node; node = node->next)
        bytes += ((const tc_slab *)node->data)->used;
    return bytes;
}

static void tc_statistics(pb_tc *tc, void (*line)(void *opaque, const char *name, uint64_t value),
                          void *opaque)
{
    uint64_t missed = 0;

    pthread_mutex_lock(&tc->lock);
    for (uint32_t i = 0; i < tc->users->len; i++)
        missed += __atomic_load_n(&((pb_tc_user *)tc->users->pdata[i])->missed, __ATOMIC_RELAXED);
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {
        { "cache bytes", tc->bytes },
        { "cache bytes in use", code_bytes_locked(tc) },
        { "units alive", tc->alive },
        { "units published", tc->published },
        { "guest instructions in published units", tc->insns },
        { "bytes of code in published units", tc->code_bytes },
        { "bytes of it that are records", tc->record_bytes },
        { "records in percent", tc->code_bytes ? 100 * tc->record_bytes / tc->code_bytes : 0 },
        { "units of up to 256 bytes", tc->sizes[0] },
        { "units of up to 512 bytes", tc->sizes[1] },
        { "units of up to 1024 bytes", tc->sizes[2] },
        { "units of up to 2048 bytes", tc->sizes[3] },
        { "units of up to 4096 bytes", tc->sizes[4] },
        { "units of up to 8192 bytes", tc->sizes[5] },
        { "units of more bytes", tc->sizes[6] },
        { "units refused as stale", tc->refused },
        { "units made twice", tc->raced },
        { "units dropped as stale", tc->dropped[TC_STALE] },
        { "units dropped by eviction", tc->dropped[TC_EVICTED] },
        { "units dropped by flushes", tc->dropped[TC_FLUSHED] },
        { "units replaced", tc->dropped[TC_REPLACED] },
        { "units dropped as changed", tc->dropped[TC_CHANGED] },
        { "units dropped for debuggers", tc->dropped[TC_DEBUGGED] },
        { "pages mixed", pb_bus_mixed_pages(tc->bus) },
        { "pages with units", g_hash_table_size(tc->pages) },
        { "units looked at for stores to code", tc->looked },
        { "jumps linked", tc->linked },
        { "jumps unlinked", tc->unlinked },
        { "lookups missed", missed },
        { "slabs evicted", tc->evictions },
        { "slabs spared", tc->spared },
        { "reservations put off", tc->laters },
    };
    pthread_mutex_unlock(&tc->lock);
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
        line(opaque, lines[i].name, lines[i].value);
}

/* ---- the table ------------------------------------------------------------------------------------------- */

const pb_tc_ops *pb_tc_ops_of(pb_bus *(*bus_of)(pb_object *object))
{
    static const pb_tc_ops ops = {
        .size = sizeof(pb_tc_ops),
        .open = tc_open,
        .close = tc_close,
        .user_new = tc_user_new,
        .user_free = tc_user_free,
        .enter = tc_enter,
        .leave = tc_leave,
        .quiescent = tc_quiescent,
        .lookup = tc_lookup,
        .reserve = tc_reserve,
        .publish = tc_publish,
        .link_at = tc_link_at,
        .link = tc_make_link,
        .drop_all = tc_drop_all,
        .unit_at = tc_unit_at,
        .each = tc_each,
        .statistics = tc_statistics,
        .drop = tc_drop,
        .request_word = tc_request_word,
        .changed = tc_changed,
        .mix_pages = tc_mix_pages,
        .evict_every = tc_evict_every,
        .fork = tc_fork,
        .drop_code = tc_drop_code,
    };

    g_assert(!bus_of_object || bus_of_object == bus_of);
    bus_of_object = bus_of;
    return &ops;
}
