/*
 * Breakpoints and watchpoints. Software and hardware breakpoints are the same: no memory is written, so code that compares
 * itself sees nothing, and those in ROM work.
 */
#include <core/gdb/internal.h>

static bool parse(const char *text, gdb_point *p)
{
    uint64_t kind;

    if (!gdb_parse_number_to(&text, ',', &kind) || kind >= GDB_POINT_KINDS ||
        !gdb_parse_number_to(&text, ',', &p->gva) || !gdb_parse_number(&text, &p->bytes))
        return false;
    p->kind = (uint32_t)kind;
    return *text == 0 || *text == ';'; /* conditions and commands are the client's own */
}

static bool is_watch(const gdb_point *p)
{
    return p->kind >= GDB_POINT_WRITE;
}

static int find(const pb_gdb *gdb, const gdb_point *p)
{
    for (unsigned i = 0; i < gdb->points->len; i++) {
        const gdb_point *q = &g_array_index(gdb->points, gdb_point, i);

        if (q->kind == p->kind && q->gva == p->gva && q->process == p->process &&
            (!is_watch(p) || q->bytes == p->bytes))
            return (int)i;
    }
    return -1;
}

void gdb_point_command(pb_gdb *gdb, const char *text, bool insert)
{
    const char *answer = "OK";
    gdb_point p;
    int at;

    if (!g_ascii_isxdigit(*text) || (text[0] > '4' && text[1] == ',')) {
        gdb_send_text(gdb, ""); /* a kind that there is not */
        return;
    }
    if (!parse(text, &p) || (is_watch(&p) && (p.bytes == 0 || p.gva + (p.bytes - 1) < p.gva))) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    p.process = gdb->host.program || !gdb->multiprocess ? 0 : gdb_thread_current(gdb)->process;
    at = find(gdb, &p);
    if (insert && at < 0) {
        if (gdb->points->len < GDB_POINTS)
            g_array_append_val(gdb->points, p);
        else
            answer = GDB_IMPOSSIBLE;
    } else if (!insert) {
        if (at >= 0)
            g_array_remove_index_fast(gdb->points, (guint)at);
        else
            answer = GDB_NO_SUCH;
    }
    gdb_send_text(gdb, answer);
}

void gdb_points_forget(pb_gdb *gdb, uint32_t process)
{
    for (unsigned i = gdb->points->len; i-- > 0;)
        if (g_array_index(gdb->points, gdb_point, i).process == process)
            g_array_remove_index_fast(gdb->points, i);
}

bool gdb_point_is_there(const pb_gdb *gdb, const pb_gdb_thread *thread, uint64_t pc,
                        const pb_debug_stop *stop)
{
    for (unsigned i = 0; i < gdb->points->len; i++) {
        const gdb_point *p = &g_array_index(gdb->points, gdb_point, i);

        if (!gdb_point_is_for(p, thread))
            continue;
        if (is_watch(p) ? stop->kind >= PB_DEBUG_READ && stop->gva - p->gva < p->bytes
                        : stop->kind == PB_DEBUG_BREAK && pc == p->gva)
            return true;
    }
    return false;
}

void gdb_points_apply(pb_gdb *gdb, bool steps)
{
    static const uint32_t kinds[GDB_POINT_KINDS] = { [GDB_POINT_WRITE] = PB_DEBUG_WRITE,
                                                     [GDB_POINT_READ] = PB_DEBUG_READ,
                                                     [GDB_POINT_ACCESS] = PB_DEBUG_ACCESS };
    g_autofree pb_debug_break *breaks = g_new(pb_debug_break, gdb->points->len);
    g_autofree pb_debug_watch *watches = g_new0(pb_debug_watch, gdb->points->len);
    uint32_t n = 0, n_watches = 0;

    for (unsigned i = 0; i < gdb->points->len; i++) {
        const gdb_point *p = &g_array_index(gdb->points, gdb_point, i);
        uint32_t cluster = p->process > 0 ? p->process - 1 : PB_DEBUG_ALL;

        if (is_watch(p))
            watches[n_watches++] = (pb_debug_watch){ p->gva, p->bytes, kinds[p->kind], cluster };
        else
            breaks[n++] = (pb_debug_break){ p->gva, cluster };
    }
    pb_debug_set_breaks(gdb->host.cpus, breaks, n, steps);
    pb_debug_set_watches(gdb->host.cpus, watches, n_watches);
}
