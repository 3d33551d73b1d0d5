/* The stub's life: see gdb.h. */
#include <core/gdb/internal.h>

#include <unistd.h>

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
    gdb->kinds = g_ptr_array_new_with_free_func(gdb_kind_free);
    gdb->threads = g_array_new(FALSE, FALSE, sizeof(pb_gdb_thread));
    gdb->pending = g_array_new(FALSE, FALSE, sizeof(gdb_pending));
    gdb->go = g_array_new(FALSE, TRUE, sizeof(gdb_go));
    g_mutex_init(&gdb->lock);
    gdb_threads_renew(gdb);
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
        gdb_halt(gdb, GDB_SIGNAL_TRAP);
    return gdb;
}

const char *pb_gdb_address(const pb_gdb *gdb)
{
    return gdb->address;
}

void pb_gdb_ended(pb_gdb *gdb, int status)
{
    g_autofree char *text =
        g_strdup_printf(gdb->multiprocess ? "W%02x;process:%x" : "W%02x", (unsigned)status & 0xff,
                        gdb->threads->len > 0 ? gdb_thread_at(gdb, 0)->process : 1);

    if (gdb->over)
        return;
    gdb->over = true;
    if (gdb->running)
        gdb_send_text(gdb, text);
    gdb_stop_listening(gdb);
    gdb_disconnect(gdb);
    gdb_release(gdb);
}

void pb_gdb_vanish(pb_gdb *gdb)
{
    if (gdb->path)
        unlink(gdb->path);
}

void pb_gdb_abandon(pb_gdb *gdb)
{
    pb_cpus_set_debug(gdb->host.cpus, NULL, NULL);
    pb_debug_set_breaks(gdb->host.cpus, NULL, 0, false);
    pb_debug_set_watches(gdb->host.cpus, NULL, 0);
    close(gdb->listener);
    if (gdb->client >= 0)
        close(gdb->client);
    gdb_file_forget(gdb);
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
    gdb_file_forget(gdb);
    gdb_program_forget(gdb);
    g_string_free(gdb->in, TRUE);
    g_string_free(gdb->out, TRUE);
    g_string_free(gdb->last, TRUE);
    g_string_free(gdb->reader.packet, TRUE);
    g_array_unref(gdb->points);
    g_ptr_array_unref(gdb->kinds);
    g_array_unref(gdb->threads);
    g_array_unref(gdb->pending);
    g_array_unref(gdb->go);
    g_free(gdb->address);
    g_mutex_clear(&gdb->lock);
    g_free(gdb);
}
