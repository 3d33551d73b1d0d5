/* Threads, and their names in packets: gdb manual, "Packets", thread-id. */
#include <core/gdb/internal.h>

/* ---- which there are ------------------------------------------------------------------------------------ */

/* For who knows of one process only, that is the machine. */
static uint32_t process_of(const pb_gdb *gdb, const pb_vcpu *vcpu)
{
    return gdb->multiprocess ? pb_vcpu_cluster(vcpu) + 1 : 1;
}

/* A process has one description. */
static bool is_shown(const pb_gdb *gdb, const pb_vcpu *vcpu)
{
    return gdb->multiprocess ? !gdb->detached[pb_vcpu_cluster(vcpu)]
                             : vcpu->type->slots == pb_cpus_at(gdb->host.cpus, 0)->type->slots;
}

void gdb_threads_renew(pb_gdb *gdb)
{
    g_array_set_size(gdb->threads, 0);
    if (gdb->host.program) {
        gdb->host.program->threads(gdb->host.opaque, gdb->threads);
        return;
    }
    for (uint32_t i = 0; i < pb_cpus_count(gdb->host.cpus); i++) {
        pb_vcpu *vcpu = pb_cpus_at(gdb->host.cpus, i);
        pb_gdb_thread thread = { vcpu, process_of(gdb, vcpu), i + 1 };

        if (is_shown(gdb, vcpu))
            g_array_append_val(gdb->threads, thread);
    }
}

/* ---- clusters -------------------------------------------------------------------------------------------- */

void gdb_choose_process(pb_gdb *gdb, uint32_t process)
{
    if (gdb_thread_current(gdb)->process == process)
        return;
    for (uint32_t i = gdb->threads->len; i-- > 0;)
        if (gdb_thread_at(gdb, i)->process == process)
            gdb->thread = gdb_thread_at(gdb, i)->number;
}

bool gdb_is_last_process(const pb_gdb *gdb, uint64_t process)
{
    for (uint32_t i = 0; i < gdb->threads->len; i++)
        if (gdb_thread_at(gdb, i)->process != process)
            return false;
    return true;
}

void gdb_let_go(pb_gdb *gdb, uint32_t process)
{
    gdb_registers_settle(gdb);
    gdb_points_forget(gdb, process);
    for (uint32_t i = 0; i < gdb->threads->len; i++) {
        const pb_gdb_thread *t = gdb_thread_at(gdb, i);

        if (t->process != process)
            continue;
        *gdb_go_of(gdb, t->vcpu) = (gdb_go){ 0 };
        pb_debug_set_pace(t->vcpu, PB_DEBUG_FREE);
        pb_debug_hold(t->vcpu, false);
    }
    gdb->detached[process - 1] = true;
    gdb_threads_renew(gdb);
    gdb->thread = gdb_thread_current(gdb)->number;
    if (!gdb_thread_find(gdb, gdb->step_thread))
        gdb->step_thread = 0;
}

void gdb_take_all_back(pb_gdb *gdb)
{
    memset(gdb->detached, 0, sizeof(gdb->detached));
    gdb->let_go = false;
}

bool gdb_take_back(pb_gdb *gdb, uint64_t process)
{
    bool is_there = false;

    for (uint32_t i = 0; i < pb_cpus_count(gdb->host.cpus); i++)
        is_there |= process_of(gdb, pb_cpus_at(gdb->host.cpus, i)) == process;
    if (!is_there)
        return false;
    if (gdb->let_go) /* it has been without any */
        memset(gdb->detached, true, sizeof(gdb->detached));
    gdb->let_go = false;
    gdb->detached[process - 1] = false;
    gdb_threads_renew(gdb);
    gdb_choose_process(gdb, (uint32_t)process);
    return true;
}

/* ---- finding them ---------------------------------------------------------------------------------------- */

const pb_gdb_thread *gdb_thread_find(const pb_gdb *gdb, uint64_t number)
{
    for (uint32_t i = 0; i < gdb->threads->len; i++)
        if (gdb_thread_at(gdb, i)->number == number)
            return gdb_thread_at(gdb, i);
    return NULL;
}

const pb_gdb_thread *gdb_thread_of(const pb_gdb *gdb, const pb_vcpu *vcpu)
{
    for (uint32_t i = 0; i < gdb->threads->len; i++)
        if (gdb_thread_at(gdb, i)->vcpu == vcpu)
            return gdb_thread_at(gdb, i);
    return NULL;
}

const pb_gdb_thread *gdb_thread_current(const pb_gdb *gdb)
{
    const pb_gdb_thread *thread = gdb_thread_find(gdb, gdb->thread);

    return thread || gdb->threads->len == 0 ? thread : gdb_thread_at(gdb, 0);
}

pb_vcpu *gdb_cpu(const pb_gdb *gdb)
{
    const pb_gdb_thread *thread = gdb_thread_current(gdb);

    return thread ? thread->vcpu : pb_cpus_at(gdb->host.cpus, 0);
}

gdb_go *gdb_go_of(pb_gdb *gdb, const pb_vcpu *vcpu)
{
    if (vcpu->index >= gdb->go->len)
        g_array_set_size(gdb->go, vcpu->index + 1);
    return &g_array_index(gdb->go, gdb_go, vcpu->index);
}

/* ---- in packets ------------------------------------------------------------------------------------------ */

/* -1, or a number of hexadecimal digits. */
static bool parse_id(const char **text, int64_t *id)
{
    uint64_t number;

    if (g_str_has_prefix(*text, "-1")) {
        *text += 2;
        *id = GDB_ALL;
        return true;
    }
    if (!gdb_parse_number(text, &number) || number > INT32_MAX)
        return false;
    *id = (int64_t)number;
    return true;
}

bool gdb_thread_is(const pb_gdb *gdb, const pb_gdb_thread *thread, const gdb_thread_id *id)
{
    if (id->process > 0 && id->process != thread->process)
        return false;
    return id->thread == GDB_ALL || id->thread == thread->number ||
           (id->thread == GDB_ANY && thread == gdb_thread_current(gdb));
}

bool gdb_has_process(const pb_gdb *gdb, uint64_t process)
{
    for (uint32_t i = 0; i < gdb->threads->len; i++)
        if (gdb_thread_at(gdb, i)->process == process)
            return true;
    return false;
}

bool gdb_parse_thread(const pb_gdb *gdb, const char **text, gdb_thread_id *id)
{
    *id = (gdb_thread_id){ GDB_ANY, GDB_ALL };
    if (**text == 'p') {
        (*text)++;
        if (!parse_id(text, &id->process))
            return false;
        if (**text == '.') {
            (*text)++;
            if (!parse_id(text, &id->thread))
                return false;
        }
    } else if (!parse_id(text, &id->thread)) {
        return false;
    }
    if (id->process > 0 && !gdb_has_process(gdb, (uint64_t)id->process))
        return false;
    if (id->thread > 0) {
        const pb_gdb_thread *thread = gdb_thread_find(gdb, (uint64_t)id->thread);

        return thread && gdb_thread_is(gdb, thread, id);
    }
    return true;
}

void gdb_append_thread(const pb_gdb *gdb, GString *to, const pb_gdb_thread *thread)
{
    if (gdb->multiprocess)
        g_string_append_printf(to, "p%02x.%02x", thread->process, thread->number);
    else
        g_string_append_printf(to, "%02x", thread->number);
}
