/*
 * What there is of user programs only: signals, system calls, threads that come and go, their end. Packets: gdb manual,
 * "General Query Packets", "Stop Reply Packets"; numbers of signals: gdb's include/gdb/signals.def.
 */
#include <core/gdb/internal.h>

#include <signal.h>

#define LINUX_SIGNALS 64
#define FIRST_CALLS   4096u /* that can be caught by number, at most */

/* ---- numbers of signals ---------------------------------------------------------------------------------- */

/* gdb's, by Linux's generic ones; 0: gdb has none. */
static const uint8_t gdb_signals[LINUX_SIGNALS + 1] = {
    [1] = 1,   /* HUP */
    [2] = 2,   /* INT */
    [3] = 3,   /* QUIT */
    [4] = 4,   /* ILL */
    [5] = 5,   /* TRAP */
    [6] = 6,   /* ABRT */
    [7] = 10,  /* BUS */
    [8] = 8,   /* FPE */
    [9] = 9,   /* KILL */
    [10] = 30, /* USR1 */
    [11] = 11, /* SEGV */
    [12] = 31, /* USR2 */
    [13] = 13, /* PIPE */
    [14] = 14, /* ALRM */
    [15] = 15, /* TERM */
    [17] = 20, /* CHLD */
    [18] = 19, /* CONT */
    [19] = 17, /* STOP */
    [20] = 18, /* TSTP */
    [21] = 21, /* TTIN */
    [22] = 22, /* TTOU */
    [23] = 16, /* URG */
    [24] = 24, /* XCPU */
    [25] = 25, /* XFSZ */
    [26] = 26, /* VTALRM */
    [27] = 27, /* PROF */
    [28] = 28, /* WINCH */
    [29] = 23, /* IO */
    [30] = 32, /* PWR */
    [31] = 12, /* SYS */
    [32] = 77, /* real-time signals: 32, 33 to 63, 64 */
    [64] = 78,
};
#define UNKNOWN_SIGNAL 143
#define REALTIME_33    45

uint32_t gdb_signal_from(int signal)
{
    if (signal >= 33 && signal <= 63)
        return REALTIME_33 + (uint32_t)(signal - 33);
    if (signal < 1 || signal > LINUX_SIGNALS || gdb_signals[signal] == 0)
        return UNKNOWN_SIGNAL;
    return gdb_signals[signal];
}

int gdb_signal_to(uint64_t signal)
{
    if (signal >= REALTIME_33 && signal <= REALTIME_33 + 30)
        return 33 + (int)(signal - REALTIME_33);
    for (int i = 1; signal > 0 && i <= LINUX_SIGNALS; i++)
        if (gdb_signals[i] == signal)
            return i;
    return 0;
}

/* ---- events ---------------------------------------------------------------------------------------------- */

/* Whether nobody goes on when a thread has ended. */
static bool is_last_to_go(const pb_gdb *gdb, const pb_vcpu *vcpu)
{
    bool others = gdb->begun > 0;

    for (uint32_t i = 0; i < gdb->threads->len; i++) {
        const pb_vcpu *other = gdb_thread_at(gdb, i)->vcpu;
        bool holds =
            other->index < gdb->go->len && g_array_index(gdb->go, gdb_go, other->index).holds;

        others |= other != vcpu && !holds;
    }
    return !others;
}

static bool is_caught(const pb_gdb *gdb, int call)
{
    return gdb->catches &&
           (!gdb->calls || g_hash_table_contains(gdb->calls, GINT_TO_POINTER(call)));
}

bool gdb_program_wants(const pb_gdb *gdb, const pb_vcpu *vcpu, const pb_gdb_event *event)
{
    switch (event->why) {
    case PB_GDB_SIGNAL:
        return !(gdb->passes >> (event->number - 1) & 1);
    case PB_GDB_CALL:
    case PB_GDB_RETURN:
        return is_caught(gdb, event->number);
    case PB_GDB_BEGUN:
        return gdb->thread_events;
    case PB_GDB_OVER:
        return gdb->thread_events || (gdb->says_none_left && is_last_to_go(gdb, vcpu));
    default:
        return true;
    }
}

static void append_process(const pb_gdb *gdb, GString *text)
{
    if (gdb->multiprocess && gdb->threads->len > 0)
        g_string_append_printf(text, ";process:%x", gdb_thread_at(gdb, 0)->process);
}

static void append_path(const pb_gdb *gdb, GString *text)
{
    const char *path = gdb->host.program->path(gdb->host.opaque);

    g_string_append(text, "exec:");
    gdb_append_hex(text, path, strlen(path));
    g_string_append_c(text, ';');
}

/* A thread that is none any more. */
static void append_ended(const pb_gdb *gdb, GString *text)
{
    const pb_gdb_thread *other = gdb_thread_current(gdb);
    const pb_gdb_thread ended = { .process = other ? other->process : 1,
                                  .number = gdb->event.thread };

    gdb_append_thread(gdb, text, &ended);
}

bool gdb_program_report(const pb_gdb *gdb, GString *text)
{
    switch (gdb->event.why) {
    case PB_GDB_CALL:
        g_string_append_printf(text, "syscall_entry:%x;", (unsigned)gdb->event.number);
        return false;
    case PB_GDB_RETURN:
        g_string_append_printf(text, "syscall_return:%x;", (unsigned)gdb->event.number);
        return false;
    case PB_GDB_BEGUN:
        g_string_append(text, "create:;");
        return false;
    case PB_GDB_EXECUTED:
        append_path(gdb, text);
        return false;
    case PB_GDB_OVER:
        if (!gdb->thread_events) {
            g_string_assign(text, "N");
            return true;
        }
        g_string_printf(text, "w%02x;", (unsigned)gdb->event.number & 0xff);
        append_ended(gdb, text);
        return true;
    case PB_GDB_EXITED:
        g_string_printf(text, "W%02x", (unsigned)gdb->event.number & 0xff);
        append_process(gdb, text);
        return true;
    case PB_GDB_KILLED:
        g_string_printf(text, "X%02x", gdb_signal_from(gdb->event.number));
        append_process(gdb, text);
        return true;
    default:
        return false;
    }
}

void gdb_program_forget(pb_gdb *gdb)
{
    gdb->thread_events = gdb->catches = false;
    gdb->passes = 0;
    g_clear_pointer(&gdb->calls, g_hash_table_unref);
}

/* ---- what the client sets ---------------------------------------------------------------------------------- */

/* QPassSignals: numbers with semicolons between them. */
void gdb_program_pass(pb_gdb *gdb, const char *text, gsize length)
{
    uint64_t passes = 0, number;

    while (*text) {
        int signal;

        if (!gdb_parse_number(&text, &number) || (*text && *text++ != ';')) {
            gdb_send_text(gdb, GDB_MALFORMED);
            return;
        }
        signal = gdb_signal_to(number);
        if (signal > 0)
            passes |= UINT64_C(1) << (signal - 1);
    }
    gdb->passes = passes;
    gdb_send_text(gdb, "OK");
}

/* QCatchSyscalls:0, :1, or :1;NUMBER;NUMBER... */
void gdb_program_catch(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GHashTable) calls = NULL;
    uint64_t on, number;
    bool ok = gdb_parse_number(&text, &on) && on <= 1 && (on == 1 || !*text);

    while (ok && *text) {
        ok = *text++ == ';' && gdb_parse_number(&text, &number) && number < INT32_MAX;
        if (!calls)
            calls = g_hash_table_new(NULL, NULL);
        ok = ok && g_hash_table_size(calls) < FIRST_CALLS;
        if (ok)
            g_hash_table_add(calls, GINT_TO_POINTER((int)number));
    }
    if (!ok) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    g_clear_pointer(&gdb->calls, g_hash_table_unref);
    gdb->calls = g_steal_pointer(&calls);
    gdb->catches = on == 1;
    gdb_send_text(gdb, "OK");
}

void gdb_program_thread_events(pb_gdb *gdb, const char *text, gsize length)
{
    if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    gdb->thread_events = *text == '1';
    gdb_send_text(gdb, "OK");
}

/* ---- what it asks --------------------------------------------------------------------------------------------- */

void gdb_program_auxv(pb_gdb *gdb, const char *text, gsize length)
{
    uint64_t bytes;
    const uint8_t *auxv = gdb->host.program->auxv(gdb->host.opaque, &bytes);

    gdb_send_part(gdb, (const char *)auxv, bytes, text);
}

/* "PROCESS:OFFSET,LENGTH", or no process. */
void gdb_program_path(pb_gdb *gdb, const char *text, gsize length)
{
    const char *path = gdb->host.program->path(gdb->host.opaque);
    uint64_t process;

    if (*text != ':' && (!gdb_parse_number(&text, &process) || !gdb_has_process(gdb, process))) {
        gdb_send_text(gdb, GDB_NO_SUCH);
        return;
    }
    if (*text == ':')
        gdb_send_part(gdb, path, strlen(path), text + 1);
    else
        gdb_send_text(gdb, GDB_MALFORMED);
}

void gdb_program_siginfo(pb_gdb *gdb, const char *text, gsize length)
{
    uint8_t siginfo[128] = { 0 };

    gdb->host.program->siginfo(gdb->host.opaque, gdb_cpu(gdb), siginfo);
    gdb_send_part(gdb, (const char *)siginfo, sizeof(siginfo), text);
}

/* "OFFSET:BYTES". The answer is how many were taken. */
void gdb_program_set_siginfo(pb_gdb *gdb, const char *text, gsize length)
{
    const char *end = text + length;
    uint8_t siginfo[128] = { 0 };
    g_autofree char *answer = NULL;
    uint64_t offset;
    gsize n;

    if (!gdb_parse_number_to(&text, ':', &offset) || offset > sizeof(siginfo)) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    n = MIN((gsize)(end - text), sizeof(siginfo) - offset);
    gdb->host.program->siginfo(gdb->host.opaque, gdb_cpu(gdb), siginfo);
    memcpy(siginfo + offset, text, n);
    answer = g_strdup_printf("%zx", n);
    gdb_send_text(gdb, gdb->host.program->set_siginfo(gdb->host.opaque, gdb_cpu(gdb), siginfo)
                           ? answer
                           : GDB_IMPOSSIBLE);
}

/* ---- running again ---------------------------------------------------------------------------------------------- */

/* FILE;ARGUMENT;ARGUMENT..., each in hexadecimal digits; no file: the same program. */
void gdb_program_run(pb_gdb *gdb, const char *text, gsize length)
{
    g_auto(GStrv) words = g_strsplit(text, ";", -1);
    g_autofree char *answer = NULL;
    int error;

    if (!gdb->extended || !gdb_is_gone(gdb) || strlen(text) != length) {
        gdb_send_text(gdb, GDB_IMPOSSIBLE);
        return;
    }
    for (char **word = words; *word; word++) {
        g_autoptr(GString) bytes = g_string_new(NULL);

        if (!gdb_parse_hex(*word, strlen(*word), bytes)) {
            gdb_send_text(gdb, GDB_MALFORMED);
            return;
        }
        g_free(*word);
        *word = g_strdup(bytes->str);
    }
    error = gdb->host.program->run(gdb->host.opaque, *words[0] ? words[0] : NULL,
                                   (const char *const *)words + 1);
    answer = g_strdup_printf("E%02x", (unsigned)error & 0xff);
    gdb_send_text(gdb, answer);
}
