/*
 * Stopping and going on.
 *
 * 1. A processor that stops by itself tells so on its own thread (core/vcpu/debug.h). The first one begins a pause, so it
 *    executes nothing more, and wakes the main loop. Others that come to a breakpoint or a watchpoint before all stand, stand
 *    before the instruction. They are noted, and told of instead of going on, so that one which comes to its breakpoint soon
 *    again does not keep the others from theirs.
 * 2. The main loop waits until all stand, and answers the client. From then on, until it says how to go on, everything
 *    belongs to the main loop's thread.
 * 3. How each processor goes on is written before the pause ends: free, a step, a range to step in, or held.
 */
#include <core/gdb/internal.h>

/* ---- stopping ------------------------------------------------------------------------------------------ */

/* Under gdb->lock. */
static void stop_locked(pb_gdb *gdb, pb_vcpu *vcpu, uint32_t signal, pb_debug_stop stop)
{
    gdb->stopped = true;
    gdb->stopped_vcpu = vcpu;
    gdb->stop_signal = signal;
    gdb->stop = stop;
    gdb->event = (pb_gdb_event){ PB_GDB_NOTHING, 0 };
    if (gdb->host.program)
        gdb->host.program->stopping(gdb->host.opaque);
    pb_sched_pause_begin(gdb->host.sched);
}

/* Whether a step ends within the range that the client wants to have stepped through. */
static bool steps_on(const pb_gdb *gdb, pb_vcpu *vcpu, pb_debug_stop stop)
{
    const gdb_go *go = &g_array_index(gdb->go, gdb_go, vcpu->index);
    uint64_t pc = pb_debug_pc(vcpu);

    return vcpu->index < gdb->go->len && stop.kind == PB_DEBUG_STEP && pc >= go->first &&
           pc < go->behind;
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
        stop_locked(gdb, vcpu, GDB_SIGNAL_TRAP, stop);
    } else if (stop.kind != PB_DEBUG_STEP) {
        gdb_pending p = { vcpu, pb_debug_pc(vcpu), stop };

        g_array_append_val(gdb->pending, p);
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

static void hold(pb_gdb *gdb, pb_vcpu *vcpu, bool holds)
{
    pb_debug_hold(vcpu, holds);
    if (gdb->host.program)
        gdb->host.program->hold(gdb->host.opaque, vcpu, holds);
}

/* Wait until all stand, and say so. */
static void arrive(pb_gdb *gdb)
{
    const pb_gdb_thread *thread;

    if (gdb->paused || !is_stopped(gdb))
        return;
    pb_sched_pause_await(gdb->host.sched);
    if (gdb->host.program)
        gdb->host.program->await(gdb->host.opaque);
    gdb->paused = true;
    gdb_threads_renew(gdb);
    thread = gdb_thread_of(gdb, gdb->stopped_vcpu);
    gdb->thread = thread ? thread->number : 0;
    for (uint32_t i = 0; i < gdb->threads->len; i++) {
        pb_debug_set_pace(gdb_thread_at(gdb, i)->vcpu, PB_DEBUG_FREE);
        hold(gdb, gdb_thread_at(gdb, i)->vcpu, false);
    }
    if (gdb->running) {
        gdb->running = false;
        gdb_report_stop(gdb);
        gdb_handle_input(gdb);
    }
}

void gdb_attach(pb_gdb *gdb, bool attached)
{
    g_mutex_lock(&gdb->lock);
    gdb->attached = attached;
    g_mutex_unlock(&gdb->lock);
}

bool gdb_is_gone(const pb_gdb *gdb)
{
    return gdb->paused && (gdb->event.why == PB_GDB_EXITED || gdb->event.why == PB_GDB_KILLED);
}

pb_gdb_told pb_gdb_tell(pb_gdb *gdb, pb_vcpu *vcpu, const pb_gdb_event *event)
{
    pb_gdb_told told = PB_GDB_UNWANTED;

    g_mutex_lock(&gdb->lock);
    if (gdb->stopped) {
        told = PB_GDB_LATER;
    } else if (gdb->attached && gdb_program_wants(gdb, vcpu, event)) {
        told = PB_GDB_STOPS;
        stop_locked(gdb, vcpu,
                    event->why == PB_GDB_SIGNAL ? gdb_signal_from(event->number) : GDB_SIGNAL_TRAP,
                    (pb_debug_stop){ PB_DEBUG_NONE, 0 });
        gdb->event = *event;
    } else if (event->why == PB_GDB_BEGUN) {
        gdb->begun++;
    }
    g_mutex_unlock(&gdb->lock);
    if (told == PB_GDB_STOPS)
        g_main_context_wakeup(pb_sched_context(gdb->host.sched));
    return told;
}

void gdb_halt(pb_gdb *gdb, uint32_t signal)
{
    g_mutex_lock(&gdb->lock);
    if (!gdb->stopped)
        stop_locked(gdb, gdb_cpu(gdb), signal, (pb_debug_stop){ PB_DEBUG_NONE, 0 });
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

        if (!gdb_point_is_for(p, gdb_thread_current(gdb)))
            continue;
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

    g_string_printf(text, "T%02x", gdb->stop_signal);
    if (gdb_program_report(gdb, text)) {
        gdb_send(gdb, text->str, text->len);
        if (gdb_is_gone(gdb) && !gdb->extended) { /* there is nothing more to talk about */
            gdb_stop_listening(gdb);
            gdb_disconnect(gdb);
        }
        return;
    }
    g_string_append(text, "thread:");
    gdb_append_thread(gdb, text, gdb_thread_current(gdb));
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
    if (gdb->host.program)
        gdb->host.program->going(gdb->host.opaque);
}

/* The stop to tell of next, if somebody who is to go on has come to one; false: nobody. */
static bool take_pending(pb_gdb *gdb)
{
    for (uint32_t i = 0; i < gdb->pending->len; i++) {
        gdb_pending p = g_array_index(gdb->pending, gdb_pending, i);
        const pb_gdb_thread *thread = gdb_thread_of(gdb, p.vcpu);
        bool is_there =
            thread && pb_debug_pc(p.vcpu) == p.pc && gdb_point_is_there(gdb, thread, p.pc, &p.stop);

        if (is_there && gdb_go_of(gdb, p.vcpu)->holds)
            continue;
        g_array_remove_index(gdb->pending, i--);
        if (!is_there)
            continue;
        g_mutex_lock(&gdb->lock);
        gdb->stopped_vcpu = p.vcpu;
        gdb->stop_signal = GDB_SIGNAL_TRAP;
        gdb->stop = p.stop;
        gdb->event = (pb_gdb_event){ PB_GDB_NOTHING, 0 };
        g_mutex_unlock(&gdb->lock);
        gdb->thread = thread->number;
        return true;
    }
    return false;
}

/* Whether signals are to come, which is before all else. */
static bool gives_signals(pb_gdb *gdb)
{
    bool gives = false;

    for (uint32_t i = 0; gdb->host.program && i < gdb->threads->len; i++)
        gives |= gdb_go_of(gdb, gdb_thread_at(gdb, i)->vcpu)->signal != 0;
    return gives;
}

void gdb_go_on(pb_gdb *gdb)
{
    bool steps = true;

    gdb_registers_settle(gdb);
    if (gdb->event.why == PB_GDB_NOTHING && !gives_signals(gdb) && take_pending(gdb)) {
        gdb_report_stop(gdb);
        return;
    }
    for (uint32_t i = 0; i < gdb->threads->len; i++) {
        pb_vcpu *vcpu = gdb_thread_at(gdb, i)->vcpu;
        const gdb_go *go = gdb_go_of(gdb, vcpu);

        pb_debug_set_pace(vcpu, go->steps ? pace_of(gdb) : PB_DEBUG_FREE);
        hold(gdb, vcpu, go->holds);
        if (gdb->host.program)
            gdb->host.program->give_signal(gdb->host.opaque, vcpu, gdb_signal_to(go->signal));
        steps &= go->steps || go->holds;
    }
    gdb_points_apply(gdb, steps);
    gdb->begun = 0;
    gdb->running = true;
    end_pause(gdb);
}

void gdb_release(pb_gdb *gdb)
{
    if (gdb->killed) {
        gdb_stop_listening(gdb);
        gdb->host.program->kill(gdb->host.opaque);
    }
    arrive(gdb); /* if somebody has just stopped */
    if (!gdb->paused)
        gdb_halt(gdb, SIGTRAP);
    gdb->running = false;
    gdb_registers_settle(gdb);
    g_array_set_size(gdb->points, 0);
    g_array_set_size(gdb->pending, 0);
    gdb_points_apply(gdb, false);
    g_array_set_size(gdb->go, 0);
    end_pause(gdb);
}

void gdb_continue(pb_gdb *gdb, const char *address, bool steps, uint32_t signal)
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
    for (uint32_t i = 0; i < gdb->threads->len; i++) {
        const pb_gdb_thread *t = gdb_thread_at(gdb, i);
        bool meant = t->number == (gdb->step_thread ? gdb->step_thread : gdb->thread);

        *gdb_go_of(gdb, t->vcpu) = (gdb_go){ .holds = gdb->step_thread && !meant,
                                             .steps = steps && meant,
                                             .signal = meant ? signal : 0 };
    }
    gdb_go_on(gdb);
}

/* One action of vCont at *text: a letter, arguments, a thread. */
static bool parse_action(const pb_gdb *gdb, const char **text, gdb_go *go, gdb_thread_id *thread)
{
    uint64_t signal = 0;
    char letter = *(*text)++;

    *go = (gdb_go){ 0 };
    *thread = (gdb_thread_id){ GDB_ANY, GDB_ALL };
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
    if (g_ascii_isupper(letter) && (!gdb_parse_number(text, &signal) || signal > 255))
        return false;
    go->signal = (uint32_t)signal;
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
    uint32_t n = gdb->threads->len;
    g_autofree gdb_go *wanted = g_new(gdb_go, n);
    g_autofree bool *known = g_new0(bool, n);
    bool goes = false;

    for (uint32_t i = 0; i < n; i++)
        wanted[i] = (gdb_go){ .holds = true };
    while (*text == ';') {
        gdb_thread_id thread;
        gdb_go go;

        text++;
        if (!parse_action(gdb, &text, &go, &thread)) {
            gdb_send_text(gdb, GDB_MALFORMED);
            return;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (known[i] || !gdb_thread_is(gdb, gdb_thread_at(gdb, i), &thread))
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
    for (uint32_t i = 0; i < n; i++)
        *gdb_go_of(gdb, gdb_thread_at(gdb, i)->vcpu) = wanted[i];
    gdb_go_on(gdb);
}
