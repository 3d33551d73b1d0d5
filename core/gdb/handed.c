/*
 * A stub that is handed over to the program that the process executes: its descriptors stay open, and what was agreed with the
 * client goes along as an option of the new emulator: handed:LISTENER,CLIENT,SETTINGS,SIGNALS,HOW:ADDRESS. Numbers are hexadecimal.
 */
#include <core/gdb/internal.h>

#include <fcntl.h>
#include <unistd.h>

/* What was agreed on. */
static const struct {
    uint32_t bit;
    size_t offset;
} settings[] = {
    { 1, offsetof(pb_gdb, no_ack) },          { 2, offsetof(pb_gdb, multiprocess) },
    { 4, offsetof(pb_gdb, says_breaks) },     { 8, offsetof(pb_gdb, extended) },
    { 16, offsetof(pb_gdb, says_none_left) }, { 32, offsetof(pb_gdb, says_executes) },
    { 64, offsetof(pb_gdb, thread_events) },  { 128, offsetof(pb_gdb, attached) },
};

static bool *setting(pb_gdb *gdb, unsigned i)
{
    return (bool *)((char *)gdb + settings[i].offset);
}

static void set_closed(const pb_gdb *gdb, bool closed)
{
    fcntl(gdb->listener, F_SETFD, closed ? FD_CLOEXEC : 0);
    if (gdb->client >= 0)
        fcntl(gdb->client, F_SETFD, closed ? FD_CLOEXEC : 0);
}

char *pb_gdb_hand_over(pb_gdb *gdb, bool starts)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(settings); i++)
        bits |= *setting(gdb, i) ? settings[i].bit : 0;
    set_closed(gdb, false);
    return g_strdup_printf("handed:%x,%x,%x,%" G_GINT64_MODIFIER "x,%x:%s", (unsigned)gdb->listener,
                           (unsigned)gdb->client + 1, bits, gdb->passes, starts ? 1 : 0,
                           gdb->address);
}

void pb_gdb_keep(pb_gdb *gdb)
{
    set_closed(gdb, true);
}

bool gdb_take_over(pb_gdb *gdb, const char *text, GError **error)
{
    uint64_t listener, client, bits, starts;

    if (!gdb_parse_number_to(&text, ',', &listener) || !gdb_parse_number_to(&text, ',', &client) ||
        !gdb_parse_number_to(&text, ',', &bits) || !gdb_parse_number_to(&text, ',', &gdb->passes) ||
        !gdb_parse_number_to(&text, ':', &starts) || fcntl((int)listener, F_GETFD) < 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "gdb: nothing was handed over (handed:%s)", text);
        return false;
    }
    gdb_listen_on(gdb, (int)listener, text);
    for (unsigned i = 0; client && i < G_N_ELEMENTS(settings); i++)
        *setting(gdb, i) = (bits & settings[i].bit) != 0;
    if (client)
        gdb_serve(gdb, (int)client - 1);
    gdb->handed = starts ? 'S' : 'X';
    set_closed(gdb, true);
    return true;
}

void pb_gdb_begin(pb_gdb *gdb)
{
    if (!gdb->handed)
        return;
    if (!gdb->attached) {
        gdb_release(gdb);
        return;
    }
    if (gdb->handed == 'X' && !gdb->says_executes) {
        gdb_go_on(gdb);
        return;
    }
    if (gdb->handed == 'X')
        gdb->event = (pb_gdb_event){ PB_GDB_EXECUTED, 0, 0 };
    gdb_report_stop(gdb);
}
