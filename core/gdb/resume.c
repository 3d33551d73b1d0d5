/*
 * Stopping and going on.
 *
 * 1. A processor that stops by itself tells so on its own thread (core/vcpu/debug.h). The first one begins a pause, so it
 *    executes nothing more, and wakes the main loop; others that stop before all stand will stop at the same place again
 *    when they go on, since a breakpoint or a watchpoint stops before the instruction.
 * 2. The main loop waits until all stand, and answers the client. From then on, until it says how to go on, everything
 *    belongs to the main loop's thread.
 * 3. How each processor goes on is written before the pause ends: free, a step, a range to step in, or held.
 */
#include <core/gdb/internal.h>

#include <signal.h>

/* ---- stopping ------------------------------------------------------------------------------------------ */

/* Under gdb->lock. */
static void stop_locked(pb_gdb *gdb, uint32_t cpu, uint32_t signal, pb_debug_stop stop)
{
    gdb->stopped = true;
    gdb->stopped_cpu = cpu;
    gdb->stop_signal = signal;
    gdb->stop = stop;
    pb_sched_pause_begin(gdb->host.sched);
}

/* Whether a step ends within the range that the client wants to have stepped through. */
static bool steps_on(const pb_gdb *gdb, pb_vcpu *vcpu, pb_debug_stop stop)
{
    const gdb_go *go = &gdb->go[vcpu->index];
    uint64_t pc = pb_debug_pc(vcpu);

    return stop.kind == PB_DEBUG_STEP && pc >= go->first && pc < go->behind;
}

static pb_debug_pace pace_of(const pb_gdb *gdb)
{
    return gdb->interrupts || pb_sched_threads(gdb->host.sched) == PB_THREADS_ROUND_ROBIN
               ? PB_DEBUG_STEPS
               : PB_DEBUG_QUIETLY;
}

/* On the processor's thread. */
static void cpu_stopped(void *opaque, pb_vcpu *vcpu)
{
    pb_gdb *gdb = opaque;
    pb_debug_stop stop = pb_debug_stop_of(vcpu);
    bool first;

    g_mutex_lock(&gdb->lock);
    first = !gdb->stopped;
    if (first && steps_on(gdb, vcpu, stop)) {
        pb_debug_set_pace(vcpu, pace_of(gdb));
        first = false;
    } else if (first) {
        stop_locked(gdb, vcpu->index, SIGTRAP, stop);
    }
    g_mutex_unlock(&gdb->lock);
    if (first)
        g_main_context_wakeup(pb_sched_context(gdb->host.sched));
}

static bool is_stopped(pb_gdb *gdb)
{
    bool stopped;

    g_mutex_lock(&gdb->lock);
    stopped = gdb->stopped;
    g_mutex_unlock(&gdb->lock);
    return stopped;
}

/* Wait until all stand, and say so. */
static void arrive(pb_gdb *gdb)
{
    if (gdb->paused || !is_stopped(gdb))
        return;
    pb_sched_pause_await(gdb->host.sched);
    gdb->paused = true;
    gdb->thread = gdb->stopped_cpu + 1;
    for (uint32_t i = 0; i < gdb_cpu_count(gdb); i++) {
        pb_debug_set_pace(pb_cpus_at(gdb->host.cpus, i), PB_DEBUG_FREE);
        pb_debug_hold(pb_cpus_at(gdb->host.cpus, i), false);
    }
    if (gdb->running) {
        gdb->running = false;
        gdb_report_stop(gdb);
        gdb_handle_input(gdb);
    }
}

void gdb_halt(pb_gdb *gdb, uint32_t signal)
{
    g_mutex_lock(&gdb->lock);
    if (!gdb->stopped)
        stop_locked(gdb, MIN(gdb->stopped_cpu, gdb_cpu_count(gdb) - 1), signal,
                    (pb_debug_stop){ PB_DEBUG_NONE, 0 });
    g_mutex_unlock(&gdb->lock);
    arrive(gdb);
}

/* ---- the source that the main loop asks ---------------------------------------------------------------- */

typedef struct stop_source {
    GSource source;
    pb_gdb *gdb;
} stop_source;

static gboolean stop_check(GSource *source)
{
    pb_gdb *gdb = ((stop_source *)source)->gdb;

    return !gdb->paused && is_stopped(gdb);
}

static gboolean stop_prepare(GSource *source, gint *timeout)
{
    *timeout = -1;
    return stop_check(source);
}

static gboolean stop_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    arrive(((stop_source *)source)->gdb);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs stop_funcs = {
    .prepare = stop_prepare,
    .check = stop_check,
    .dispatch = stop_dispatch,
};

void gdb_stops_init(pb_gdb *gdb)
{
    gdb->stops = g_source_new(&stop_funcs, sizeof(stop_source));
    ((stop_source *)gdb->stops)->gdb = gdb;
    g_source_attach(gdb->stops, pb_sched_context(gdb->host.sched));
    pb_cpus_set_debug(gdb->host.cpus, cpu_stopped, gdb);
}

void gdb_stops_finish(pb_gdb *gdb)
{
    pb_cpus_set_debug(gdb->host.cpus, NULL, NULL);
    g_source_destroy(gdb->stops);
    g_source_unref(gdb->stops);
}

/* ---- telling ------------------------------------------------------------------------------------------- */

static void append_register(const pb_gdb *gdb, GString *text, uint32_t slot)
{
    pb_vcpu *vcpu = gdb_cpu(gdb);
    const gdb_register *r = gdb_find_register(gdb, (uint64_t)(int64_t)vcpu->type->slots[slot].gdb);
    uint8_t bytes[16];

    if (!r)
        return;
    gdb_read_register(vcpu, r, bytes);
    g_string_append_printf(text, "%02x:", r->number);
    gdb_append_hex(text, bytes, r->bytes);
    g_string_append_c(text, ';');
}

/* Whether a hardware breakpoint, and not a software one, is there. */
static bool is_hardware(const pb_gdb *gdb, uint64_t gva)
{
    bool hardware = false;

    for (unsigned i = 0; i < gdb->points->len; i++) {
        const gdb_point *p = &g_array_index(gdb->points, gdb_point, i);

        if (p->gva == gva && p->kind == GDB_POINT_SOFTWARE)
            return false;
        hardware |= p->gva == gva && p->kind == GDB_POINT_HARDWARE;
    }
    return hardware;
}

static void append_reason(const pb_gdb *gdb, GString *text)
{
    static const char *const words[] = {
        [PB_DEBUG_READ] = "rwatch", [PB_DEBUG_WRITE] = "watch", [PB_DEBUG_ACCESS] = "awatch"
    };

    if (gdb->stop.kind >= PB_DEBUG_READ)
        g_string_append_printf(text, "%s:%" G_GINT64_MODIFIER "x;", words[gdb->stop.kind],
                               gdb->stop.gva);
    else if (gdb->stop.kind == PB_DEBUG_BREAK && gdb->says_breaks)
        g_string_append(text,
                        is_hardware(gdb, pb_debug_pc(gdb_cpu(gdb))) ? "hwbreak:;" : "swbreak:;");
}

void gdb_report_stop(pb_gdb *gdb)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const pb_cpu_type *type = gdb_cpu(gdb)->type;

    g_string_printf(text, "T%02xthread:", gdb->stop_signal);
    gdb_append_thread(gdb, text, gdb->thread);
    g_string_append_c(text, ';');
    append_reason(gdb, text);
    append_register(gdb, text, type->gdb->sp_slot);
    append_register(gdb, text, type->pc_slot);
    gdb_send(gdb, text->str, text->len);
}

/* ---- going on ------------------------------------------------------------------------------------------ */

static void end_pause(pb_gdb *gdb)
{
    g_mutex_lock(&gdb->lock);
    gdb->stopped = false;
    g_mutex_unlock(&gdb->lock);
    gdb->paused = false;
    pb_sched_resume(gdb->host.sched);
}

void gdb_go_on(pb_gdb *gdb)
{
    bool steps = true;

    gdb_registers_settle(gdb);
    for (uint32_t i = 0; i < gdb_cpu_count(gdb); i++) {
        const gdb_go *go = &gdb->go[i];
        pb_vcpu *vcpu = pb_cpus_at(gdb->host.cpus, i);

        pb_debug_set_pace(vcpu, go->steps ? pace_of(gdb) : PB_DEBUG_FREE);
        pb_debug_hold(vcpu, go->holds);
        steps &= go->steps || go->holds;
    }
    gdb_points_apply(gdb, steps);
    gdb->running = true;
    end_pause(gdb);
}

void gdb_release(pb_gdb *gdb)
{
    arrive(gdb); /* if somebody has just stopped */
    if (!gdb->paused)
        gdb_halt(gdb, SIGTRAP);
    gdb->running = false;
    gdb_registers_settle(gdb);
    g_array_set_size(gdb->points, 0);
    gdb_points_apply(gdb, false);
    for (uint32_t i = 0; i < gdb_cpu_count(gdb); i++)
        gdb->go[i] = (gdb_go){ 0 };
    end_pause(gdb);
}

void gdb_continue(pb_gdb *gdb, const char *address, bool steps)
{
    uint64_t pc;

    if (*address) {
        const pb_cpu_type *type = gdb_cpu(gdb)->type;
        const gdb_register *r =
            gdb_find_register(gdb, (uint64_t)(int64_t)type->slots[type->pc_slot].gdb);
        const char *end = address;

        if (!gdb_parse_number(&end, &pc) || *end || !r) {
            gdb_send_text(gdb, GDB_MALFORMED);
            return;
        }
        gdb_write_register(gdb, gdb_cpu(gdb), r, (const uint8_t *)&pc);
    }
    for (uint32_t i = 0; i < gdb_cpu_count(gdb); i++) {
        bool meant = i + 1 == (gdb->step_thread ? gdb->step_thread : gdb->thread);

        gdb->go[i] = (gdb_go){ .holds = gdb->step_thread && !meant, .steps = steps && meant };
    }
    gdb_go_on(gdb);
}

/* One action of vCont at *text: a letter, arguments, a thread. */
static bool parse_action(const pb_gdb *gdb, const char **text, gdb_go *go, int64_t *thread)
{
    uint64_t ignored;
    char letter = *(*text)++;

    *go = (gdb_go){ 0 };
    *thread = GDB_THREAD_ALL;
    switch (letter) {
    case 'C':
    case 'c':
        break;
    case 'S':
    case 's':
        go->steps = true;
        break;
    case 't':
        go->holds = true;
        break;
    case 'r':
        go->steps = true;
        if (!gdb_parse_number_to(text, ',', &go->first) || !gdb_parse_number(text, &go->behind))
            return false;
        break;
    default:
        return false;
    }
    if (g_ascii_isupper(letter) && !gdb_parse_number(text, &ignored))
        return false;
    if (**text == ':') {
        (*text)++;
        if (!gdb_parse_thread(gdb, text, thread))
            return false;
    }
    return **text == 0 || **text == ';';
}

/* The first action that is for a processor is its; who has none stands. */
void gdb_vcont(pb_gdb *gdb, const char *text)
{
    uint32_t n = gdb_cpu_count(gdb);
    g_autofree gdb_go *wanted = g_new(gdb_go, n);
    g_autofree bool *known = g_new0(bool, n);
    bool goes = false;

    for (uint32_t i = 0; i < n; i++)
        wanted[i] = (gdb_go){ .holds = true };
    while (*text == ';') {
        int64_t thread;
        gdb_go go;

        text++;
        if (!parse_action(gdb, &text, &go, &thread)) {
            gdb_send_text(gdb, GDB_MALFORMED);
            return;
        }
        for (uint32_t i = 0; i < n; i++) {
            bool meant = thread == GDB_THREAD_ALL || thread == i + 1 ||
                         (thread == GDB_THREAD_ANY && i + 1 == gdb->thread);

            if (!meant || known[i])
                continue;
            known[i] = true;
            wanted[i] = go;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        goes |= !wanted[i].holds;
    if (*text || !goes) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    memcpy(gdb->go, wanted, n * sizeof(*wanted));
    gdb_go_on(gdb);
}
