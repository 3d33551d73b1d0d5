/* Packets that ask and set: gdb manual, "General Query Packets". */
#include <core/gdb/internal.h>

/* ---- what both sides can ------------------------------------------------------------------------------- */

static void supported(pb_gdb *gdb, const char *text, gsize length)
{
    g_autofree char *answer = NULL;

    gdb->multiprocess = strstr(text, "multiprocess+") != NULL;
    gdb_threads_renew(gdb);
    gdb->says_executes = strstr(text, "exec-events+") != NULL;
    gdb->says_none_left = strstr(text, "no-resumed+") != NULL;
    gdb->says_breaks = strstr(text, "swbreak+") && strstr(text, "hwbreak+");
    answer = g_strdup_printf(
        "PacketSize=%x;QStartNoAckMode+;vContSupported+;multiprocess+;swbreak+;hwbreak+;"
        "qXfer:features:read+;%s",
        GDB_PACKET,
        gdb->host.program ? "qXfer:auxv:read+;qXfer:exec-file:read+;qXfer:siginfo:read+;qXfer:"
                            "siginfo:write+;QPassSignals+;"
                            "QCatchSyscalls+;QThreadEvents+;no-resumed+;exec-events+"
                          : "qXfer:memory-map:read+");
    gdb_send_text(gdb, answer);
}

void gdb_send_part(pb_gdb *gdb, const char *document, gsize all, const char *text)
{
    g_autoptr(GString) answer = NULL;
    uint64_t first, count;

    if (!gdb_parse_number_to(&text, ',', &first) || !gdb_parse_number(&text, &count) || *text) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    first = MIN(first, all);
    count = MIN(MIN(count, all - first), GDB_PACKET / 2); /* escapes make it longer */
    answer = g_string_new(first + count < all ? "m" : "l");
    g_string_append_len(answer, document + first, (gssize)count);
    gdb_send(gdb, answer->str, answer->len);
}

static void features(pb_gdb *gdb, const char *text, gsize length)
{
    const char *description = gdb_current_kind(gdb)->description;

    if (g_str_has_prefix(text, "target.xml:"))
        gdb_send_part(gdb, description, strlen(description), text + strlen("target.xml:"));
    else
        gdb_send_text(gdb, "E00"); /* no such annex */
}

static void memory_map(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GString) xml = g_string_new(NULL);

    if (*text != ':') {
        gdb_send_text(gdb, "E00");
        return;
    }
    gdb_memory_map(gdb, xml);
    gdb_send_part(gdb, xml->str, xml->len, text + 1);
}

/* ---- threads ------------------------------------------------------------------------------------------- */

#define THREADS_AT_ONCE 256

static void more_threads(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GString) answer = g_string_new(NULL);

    for (uint32_t i = 0;
         !gdb_is_gone(gdb) && i < THREADS_AT_ONCE && gdb->next_thread < gdb->threads->len; i++) {
        g_string_append_c(answer, i ? ',' : 'm');
        gdb_append_thread(gdb, answer, gdb_thread_at(gdb, gdb->next_thread++));
    }
    gdb_send_text(gdb, answer->len > 0 ? answer->str : "l");
}

static void first_threads(pb_gdb *gdb, const char *text, gsize length)
{
    gdb->next_thread = 0;
    more_threads(gdb, text, length);
}

static char *thread_words(const pb_gdb *gdb, pb_vcpu *vcpu)
{
    if (gdb->host.program)
        return gdb->host.program->thread_name(gdb->host.opaque, vcpu);
    return g_strdup_printf("cpu%u %s, %s", vcpu->index, vcpu->type->head.name,
                           !vcpu->ops->powered(vcpu) ? "off"
                           : pb_debug_idles(vcpu)    ? "waits for an interrupt"
                                                     : "runs");
}

static void about_thread(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GString) answer = g_string_new(NULL);
    g_autofree char *words = NULL;
    gdb_thread_id id;

    if (!gdb_parse_thread(gdb, &text, &id) || *text || id.thread < 1) {
        gdb_send_text(gdb, GDB_NO_SUCH);
        return;
    }
    words = thread_words(gdb, gdb_thread_find(gdb, (uint64_t)id.thread)->vcpu);
    gdb_append_hex(answer, words, strlen(words));
    gdb_send(gdb, answer->str, answer->len);
}

static void current_thread(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GString) answer = g_string_new("QC");

    if (gdb_is_gone(gdb)) {
        gdb_send_text(gdb, GDB_NO_SUCH);
        return;
    }

    gdb_append_thread(gdb, answer, gdb_thread_current(gdb));
    gdb_send_text(gdb, answer->str);
}

static void attached(pb_gdb *gdb, const char *text, gsize length)
{
    /* A machine was there before: gdb detaches when it quits. A program is killed. */
    gdb_send_text(gdb, gdb->host.program ? "0" : "1");
}

/* ---- memory -------------------------------------------------------------------------------------------- */

#define STRIDE 0x10000u

/* "ADDRESS;LENGTH;PATTERN" */
static void search(pb_gdb *gdb, const char *text, gsize length)
{
    const char *end = text + length;
    g_autofree uint8_t *bytes = NULL;
    g_autofree char *answer = NULL;
    uint64_t address, count, kept = 0;
    gsize wanted;

    if (!gdb_parse_number_to(&text, ';', &address) || !gdb_parse_number_to(&text, ';', &count) ||
        text == end) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    wanted = (gsize)(end - text);
    bytes = g_malloc(STRIDE + wanted);
    for (uint64_t done = 0; done < count;) {
        uint64_t n = MIN(count - done, STRIDE),
                 got = gdb_read_memory(gdb, address + done, bytes + kept, n);
        const uint8_t *found = memmem(bytes, kept + got, text, wanted);

        if (found) {
            answer = g_strdup_printf("1,%" G_GINT64_MODIFIER "x",
                                     address + done - kept + (uint64_t)(found - bytes));
            gdb_send_text(gdb, answer);
            return;
        }
        if (got < n) {
            gdb_send_text(gdb, GDB_NO_MEMORY);
            return;
        }
        done += got;
        got += kept;
        kept = MIN(got, wanted - 1);
        memmove(bytes, bytes + got - kept, kept);
    }
    gdb_send_text(gdb, "0");
}

/* The checksum of gdb's compare-sections: CRC-32 of polynomial 0x04c11db7 from all ones, high bit first, not inverted. */
static uint32_t add_crc(uint32_t crc, const uint8_t *bytes, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        crc ^= (uint32_t)bytes[i] << 24;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x80000000u ? crc << 1 ^ 0x04c11db7u : crc << 1;
    }
    return crc;
}

static void checksum(pb_gdb *gdb, const char *text, gsize length)
{
    g_autofree uint8_t *bytes = g_malloc(STRIDE);
    g_autofree char *answer = NULL;
    uint64_t address, count;
    uint32_t crc = UINT32_MAX;

    if (!gdb_parse_number_to(&text, ',', &address) || !gdb_parse_number(&text, &count) || *text) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    for (uint64_t done = 0, n; done < count; done += n) {
        n = MIN(count - done, STRIDE);
        if (gdb_read_memory(gdb, address + done, bytes, n) != n) {
            gdb_send_text(gdb, GDB_NO_MEMORY);
            return;
        }
        crc = add_crc(crc, bytes, n);
    }
    answer = g_strdup_printf("C%x", crc);
    gdb_send_text(gdb, answer);
}

/* ---- the rest ------------------------------------------------------------------------------------------ */

static void monitor(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GString) line = g_string_new(NULL);
    g_autoptr(GString) answer = g_string_new(NULL);
    g_autoptr(GString) hex = g_string_new(NULL);

    if (!gdb_parse_hex(text, length, line)) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    gdb_monitor(gdb, line->str, answer);
    gdb_append_hex(hex, answer->str, answer->len);
    if (hex->len > 0)
        gdb_send(gdb, hex->str, hex->len);
    else
        gdb_send_text(gdb, "OK");
}

static void physical_mode(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_send_text(gdb, gdb->physical ? "1" : "0");
}

static void set_physical_mode(pb_gdb *gdb, const char *text, gsize length)
{
    if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    gdb->physical = *text == '1';
    gdb_send_text(gdb, "OK");
}

static void start_no_ack(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_send_text(gdb, "OK");
    gdb->no_ack = true;
}

/* The client may tell signals apart and look up symbols; there are none of either. */
static void nothing_more(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_send_text(gdb, "OK");
}

/* What it is a question about. */
typedef enum query_of { OF_BOTH, OF_MACHINES, OF_PROGRAMS } query_of;

typedef struct query {
    const char *name;
    bool whole; /* nothing follows the name */
    query_of of;
    void (*fn)(pb_gdb *gdb, const char *text, gsize length);
} query;

static const query queries[] = {
    { "Supported", false, OF_BOTH, supported },
    { "Xfer:features:read:", false, OF_BOTH, features },
    { "Xfer:memory-map:read:", false, OF_MACHINES, memory_map },
    { "Xfer:auxv:read::", false, OF_PROGRAMS, gdb_program_auxv },
    { "Xfer:exec-file:read:", false, OF_PROGRAMS, gdb_program_path },
    { "Xfer:siginfo:read::", false, OF_PROGRAMS, gdb_program_siginfo },
    { "Xfer:siginfo:write::", false, OF_PROGRAMS, gdb_program_set_siginfo },
    { "fThreadInfo", true, OF_BOTH, first_threads },
    { "sThreadInfo", true, OF_BOTH, more_threads },
    { "ThreadExtraInfo,", false, OF_BOTH, about_thread },
    { "C", true, OF_BOTH, current_thread },
    { "Attached", false, OF_BOTH, attached },
    { "Search:memory:", false, OF_BOTH, search },
    { "CRC:", false, OF_BOTH, checksum },
    { "Rcmd,", false, OF_BOTH, monitor },
    { "qemu.PhyMemMode", true, OF_MACHINES, physical_mode },
    { "Symbol::", true, OF_BOTH, nothing_more },
    { 0 },
};

static const query settings[] = {
    { "StartNoAckMode", true, OF_BOTH, start_no_ack },
    { "qemu.PhyMemMode:", false, OF_MACHINES, set_physical_mode },
    { "PassSignals:", false, OF_PROGRAMS, gdb_program_pass },
    { "CatchSyscalls:", false, OF_PROGRAMS, gdb_program_catch },
    { "ThreadEvents:", false, OF_PROGRAMS, gdb_program_thread_events },
    { 0 },
};

static void dispatch(pb_gdb *gdb, const query *table, const char *text, gsize length)
{
    query_of others = gdb->host.program ? OF_MACHINES : OF_PROGRAMS;

    for (; table->name; table++) {
        gsize n = strlen(table->name);

        if (strncmp(text, table->name, n) == 0 && (!table->whole || length == n) &&
            table->of != others) {
            table->fn(gdb, text + n, length - n);
            return;
        }
    }
    gdb_send_text(gdb, "");
}

void gdb_query(pb_gdb *gdb, const char *text, gsize length)
{
    dispatch(gdb, queries, text, length);
}

void gdb_set(pb_gdb *gdb, const char *text, gsize length)
{
    dispatch(gdb, settings, text, length);
}
