/* The stub's life, and its threads: see gdb.h. */
#include <core/gdb/internal.h>

#include <signal.h>

/* ---- threads ------------------------------------------------------------------------------------------- */

/* -1, or a number of hexadecimal digits. */
static bool parse_id(const char **text, int64_t *id)
{
    uint64_t number;

    if (g_str_has_prefix(*text, "-1")) {
        *text += 2;
        *id = GDB_THREAD_ALL;
        return true;
    }
    if (!gdb_parse_number(text, &number) || number > INT32_MAX)
        return false;
    *id = (int64_t)number;
    return true;
}

bool gdb_parse_thread(const pb_gdb *gdb, const char **text, int64_t *thread)
{
    int64_t process = 1;

    *thread = GDB_THREAD_ALL;
    if (**text == 'p') {
        (*text)++;
        if (!parse_id(text, &process))
            return false;
        if (**text == '.') {
            (*text)++;
            if (!parse_id(text, thread))
                return false;
        }
    } else if (!parse_id(text, thread)) {
        return false;
    }
    return process <= 1 && *thread <= gdb_cpu_count(gdb);
}

void gdb_append_thread(const pb_gdb *gdb, GString *to, uint32_t thread)
{
    g_string_append_printf(to, gdb->multiprocess ? "p01.%02x" : "%02x", thread);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static pb_gdb *make(const pb_gdb_host *host)
{
    pb_gdb *gdb = g_new0(pb_gdb, 1);

    gdb->host = *host;
    gdb->listener = gdb->client = -1;
    gdb->thread = 1;
    gdb->in = g_string_new(NULL);
    gdb->out = g_string_new(NULL);
    gdb->last = g_string_new(NULL);
    gdb->reader.packet = g_string_new(NULL);
    gdb->points = g_array_new(FALSE, FALSE, sizeof(gdb_point));
    gdb->registers = g_array_new(FALSE, TRUE, sizeof(gdb_register));
    gdb->go = g_new0(gdb_go, MAX(gdb_cpu_count(gdb), 1));
    g_mutex_init(&gdb->lock);
    gdb_stops_init(gdb);
    return gdb;
}

pb_gdb *pb_gdb_new(const pb_gdb_host *host, const char *address, bool wait, GError **error)
{
    pb_gdb *gdb = make(host);

    if (!gdb_describe(gdb, error) || !gdb_listen(gdb, address, error)) {
        pb_gdb_free(gdb);
        return NULL;
    }
    if (wait)
        gdb_halt(gdb, SIGTRAP);
    return gdb;
}

const char *pb_gdb_address(const pb_gdb *gdb)
{
    return gdb->address;
}

void pb_gdb_ended(pb_gdb *gdb, int status)
{
    g_autofree char *text =
        g_strdup_printf(gdb->multiprocess ? "W%02x;process:1" : "W%02x", (unsigned)status & 0xff);

    if (gdb->over)
        return;
    gdb->over = true;
    if (gdb->running)
        gdb_send_text(gdb, text);
    gdb_stop_listening(gdb);
    gdb_disconnect(gdb);
    gdb_release(gdb);
}

void pb_gdb_free(pb_gdb *gdb)
{
    if (!gdb)
        return;
    gdb_stop_listening(gdb);
    gdb_disconnect(gdb);
    gdb_release(gdb);
    gdb_stops_finish(gdb);
    gdb_flash_forget(gdb);
    g_string_free(gdb->in, TRUE);
    g_string_free(gdb->out, TRUE);
    g_string_free(gdb->last, TRUE);
    g_string_free(gdb->reader.packet, TRUE);
    g_array_unref(gdb->points);
    g_array_unref(gdb->registers);
    g_free(gdb->go);
    g_free(gdb->description);
    g_free(gdb->address);
    g_mutex_clear(&gdb->lock);
    g_free(gdb);
}
