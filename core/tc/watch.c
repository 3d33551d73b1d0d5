/*
 * Those who see a translation cache: what is wanted of the process, and where the cache tells of it.
 */
#include <core/tc/watch.h>

#include <core/trace/symbols.h>
#include <inttypes.h>

static struct {
    bool hot, gdb;
    GPtrArray *caches; /* that are watched and sampled */
} seeing;

void tc_watch_name(const pb_tc_key *key, const pb_cpu_type *cpu, GString *name)
{
    char text[64] = "";

    if (cpu && cpu->translator && cpu->translator->key_text)
        cpu->translator->key_text(key->key, text, sizeof(text));
    if (pb_symbols_name(key->pc, name))
        g_string_append_c(name, ' ');
    g_string_append_printf(name, "0x%" PRIx64 "%s%s", key->pc, *text ? " " : "", text);
    if (key->flags & PB_TC_ALONE)
        g_string_append(name, " alone");
    if (key->flags & TC_WATCH_REGION)
        g_string_append(name, " region");
}

pb_tc_key tc_watch_key(const tc_unit *u, const ir_unit *ir)
{
    pb_tc_key key = u->head.key;

    for (uint32_t i = 0; i < ir->n_blocks; i++)
        if (ir->blocks[i].flags & IR_BLOCK_HEAD)
            key.flags |= TC_WATCH_REGION;
    return key;
}

tc_watch *tc_watch_new(pb_tc *tc)
{
    tc_watch *watch;

    if (!seeing.hot && !seeing.gdb && !tc_perf_wanted())
        return NULL;
    watch = g_new0(tc_watch, 1);
    if (tc_perf_wanted())
        tc_perf_code(tc->rx, PB_CODEGEN_THUNK_BYTES, "thunks");
    if (seeing.hot) {
        watch->hot = tc_hot_new(tc);
        g_ptr_array_add(seeing.caches, watch->hot);
    }
    if (seeing.gdb)
        watch->gdb = tc_gdb_new(tc);
    return watch;
}

void tc_watch_free(pb_tc *tc)
{
    if (!tc->watch)
        return;
    if (tc->watch->hot) {
        g_ptr_array_remove(seeing.caches, tc->watch->hot);
        tc_hot_free(tc->watch->hot);
    }
    if (tc->watch->gdb)
        tc_gdb_free(tc->watch->gdb);
    g_clear_pointer(&tc->watch, g_free);
}

void tc_watch_published_locked(pb_tc *tc, tc_unit *u, const ir_unit *ir, const pb_code_job *job)
{
    if (tc->watch->gdb || tc_perf_wanted()) {
        g_autoptr(GString) name = g_string_new(NULL);
        pb_tc_key key = tc_watch_key(u, ir);

        tc_watch_name(&key, ir->cpu, name);
        if (tc_perf_wanted())
            tc_perf_code(u->head.code, u->head.bytes, name->str);
        if (tc->watch->gdb)
            tc_gdb_published(tc->watch->gdb, u, name->str);
    }
    if (tc->watch->hot)
        tc_hot_published(tc->watch->hot, u, ir, job);
}

void tc_watch_reclaimed_locked(pb_tc *tc, const tc_slab *slab)
{
    if (tc->watch->hot)
        tc_hot_reclaimed(tc->watch->hot, slab);
    if (tc->watch->gdb)
        tc_gdb_reclaimed(tc->watch->gdb, slab);
}

void tc_watch_enter(pb_tc *tc)
{
    if (tc->watch->hot)
        tc_hot_enter(tc->watch->hot);
}

void tc_watch_leave(pb_tc *tc)
{
    if (tc->watch->hot)
        tc_hot_leave(tc->watch->hot);
}

/* ---- settings -------------------------------------------------------------------------------------------- */

bool pb_seeing_begin(const pb_seeing_options *options, GError **error)
{
    seeing.caches = g_ptr_array_new();
    seeing.hot = options->hot;
    seeing.gdb = options->gdb;
    return tc_perf_open(options->perf_map, options->jitdump, error) &&
           (!options->hot || tc_hot_start(error));
}

bool pb_seeing_end(GError **error)
{
    if (seeing.hot)
        tc_hot_stop();
    seeing.hot = seeing.gdb = false;
    g_clear_pointer(&seeing.caches, g_ptr_array_unref);
    return tc_perf_close(error);
}

void pb_seeing_hot(unsigned count, GString *text)
{
    if (!seeing.caches || seeing.caches->len == 0)
        g_string_append(text, "hot units: nothing was translated to host code (--accel jit)\n");
    for (uint32_t i = 0; seeing.caches && i < seeing.caches->len; i++)
        tc_hot_report(seeing.caches->pdata[i], count, text);
}
