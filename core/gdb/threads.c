/* Threads, and their names in packets: gdb manual, "Packets", thread-id. */
#include <core/gdb/internal.h>

/* ---- which there are ------------------------------------------------------------------------------------ */

void gdb_threads_renew(pb_gdb *gdb)
{
    g_array_set_size(gdb->threads, 0);
    if (gdb->host.program) {
        gdb->host.program->threads(gdb->host.opaque, gdb->threads);
        return;
    }
    for (uint32_t i = 0; i < pb_cpus_count(gdb->host.cpus); i++) {
        pb_gdb_thread thread = { pb_cpus_at(gdb->host.cpus, i), 1, i + 1 };

        g_array_append_val(gdb->threads, thread);
    }
}

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
