/* Packets: gdb manual, "Packets". What is not known is answered with nothing, what is malformed with an error. */
#include <core/gdb/internal.h>

/* ---- registers ----------------------------------------------------------------------------------------- */

static void read_all(pb_gdb *gdb, const char *text, gsize length)
{
    const GArray *registers = gdb_current_kind(gdb)->registers;
    g_autoptr(GString) answer = g_string_new(NULL);

    for (uint32_t i = 0; i < gdb_general_count(gdb); i++) {
        const gdb_register *r = &g_array_index(registers, gdb_register, i);
        uint8_t bytes[16];

        gdb_read_register(gdb_cpu(gdb), r, bytes);
        gdb_append_hex(answer, bytes, r->bytes);
    }
    gdb_send(gdb, answer->str, answer->len);
}

static void write_all(pb_gdb *gdb, const char *text, gsize length)
{
    const GArray *registers = gdb_current_kind(gdb)->registers;
    g_autoptr(GString) bytes = g_string_new(NULL);
    gsize at = 0;

    if (!gdb_parse_hex(text, length, bytes)) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    for (uint32_t i = 0; i < gdb_general_count(gdb); i++)
        at += g_array_index(registers, gdb_register, i).bytes;
    if (at != bytes->len) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    at = 0;
    for (uint32_t i = 0; i < gdb_general_count(gdb); i++) {
        const gdb_register *r = &g_array_index(registers, gdb_register, i);

        gdb_write_register(gdb, gdb_cpu(gdb), r, (const uint8_t *)bytes->str + at);
        at += r->bytes;
    }
    gdb_send_text(gdb, "OK");
}

static void read_one(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GString) answer = g_string_new(NULL);
    const gdb_register *r;
    uint8_t bytes[16];
    uint64_t number;

    if (!gdb_parse_number(&text, &number) || *text) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    r = gdb_find_register(gdb, number);
    if (!r) {
        gdb_send_text(gdb, GDB_NO_SUCH);
        return;
    }
    gdb_read_register(gdb_cpu(gdb), r, bytes);
    gdb_append_hex(answer, bytes, r->bytes);
    gdb_send(gdb, answer->str, answer->len);
}

static void write_one(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GString) bytes = g_string_new(NULL);
    const gdb_register *r;
    uint64_t number;

    if (!gdb_parse_number_to(&text, '=', &number) || !gdb_parse_hex(text, strlen(text), bytes)) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    r = gdb_find_register(gdb, number);
    if (!r || bytes->len != r->bytes) {
        gdb_send_text(gdb, r ? GDB_MALFORMED : GDB_NO_SUCH);
        return;
    }
    gdb_write_register(gdb, gdb_cpu(gdb), r, (const uint8_t *)bytes->str);
    gdb_send_text(gdb, "OK");
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static void read_memory(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GString) answer = NULL;
    g_autofree uint8_t *bytes = NULL;
    uint64_t address, count, done;

    if (!gdb_parse_number_to(&text, ',', &address) || !gdb_parse_number(&text, &count) || *text) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    count = MIN(count, GDB_PACKET / 2);
    bytes = g_malloc(count + 1);
    done = gdb_read_memory(gdb, address, bytes, count);
    if (done == 0 && count > 0) {
        gdb_send_text(gdb, GDB_NO_MEMORY);
        return;
    }
    answer = g_string_new(NULL);
    gdb_append_hex(answer, bytes, done);
    gdb_send(gdb, answer->str, answer->len);
}

static void write_memory(pb_gdb *gdb, const char *text, gsize length)
{
    g_autoptr(GString) bytes = g_string_new(NULL);
    uint64_t address, count;

    if (!gdb_parse_number_to(&text, ',', &address) || !gdb_parse_number_to(&text, ':', &count) ||
        !gdb_parse_hex(text, strlen(text), bytes) || bytes->len != count) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    gdb_send_text(gdb, gdb_write_memory(gdb, address, bytes->str, count) ? "OK" : GDB_NO_MEMORY);
}

static void write_binary(pb_gdb *gdb, const char *text, gsize length)
{
    const char *end = text + length;
    uint64_t address, count;

    if (!gdb_parse_number_to(&text, ',', &address) || !gdb_parse_number_to(&text, ':', &count) ||
        (gsize)(end - text) != count) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    gdb_send_text(gdb, gdb_write_memory(gdb, address, text, count) ? "OK" : GDB_NO_MEMORY);
}

/* ---- threads and running ------------------------------------------------------------------------------- */

static void choose_thread(pb_gdb *gdb, const char *text, gsize length)
{
    char what = *text ? *text++ : 0;
    uint32_t *chosen = what == 'c' ? &gdb->step_thread : &gdb->thread;
    gdb_thread_id id;

    if ((what != 'g' && what != 'c') || !gdb_parse_thread(gdb, &text, &id) || *text) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    if (id.thread > 0)
        *chosen = (uint32_t)id.thread;
    else if (what == 'c')
        *chosen = 0;
    else if (id.process > 0)
        gdb_choose_process(gdb, (uint32_t)id.process);
    gdb_send_text(gdb, "OK");
}

static void is_alive(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_thread_id id;
    bool ok = gdb_parse_thread(gdb, &text, &id) && !*text;

    gdb_send_text(gdb, ok ? "OK" : GDB_NO_SUCH);
}

static void why(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_report_stop(gdb);
}

static void go(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_continue(gdb, text, false, 0);
}

static void step(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_continue(gdb, text, true, 0);
}

/* With a signal: `C05;ADDRESS`. */
static void go_with(pb_gdb *gdb, const char *text, bool steps)
{
    uint64_t number;

    if (!gdb_parse_number(&text, &number) || number > 255 || (*text && *text++ != ';')) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    gdb_continue(gdb, text, steps, (uint32_t)number);
}

static void go_signal(pb_gdb *gdb, const char *text, gsize length)
{
    go_with(gdb, text, false);
}

static void step_signal(pb_gdb *gdb, const char *text, gsize length)
{
    go_with(gdb, text, true);
}

static void detach(pb_gdb *gdb, const char *text, gsize length)
{
    uint64_t process = 0;

    if (*text && (*text++ != ';' || !gdb_parse_number(&text, &process) || *text ||
                  !gdb_has_process(gdb, process))) {
        gdb_send_text(gdb, GDB_MALFORMED);
        return;
    }
    gdb_send_text(gdb, "OK");
    if (process > 0 && !gdb_is_last_process(gdb, process)) {
        gdb_let_go(gdb, (uint32_t)process);
        return;
    }
    gdb_attach(gdb, false);
    gdb_take_all_back(gdb); /* should it ask for anything */
    gdb->let_go = true;
    gdb_release(gdb);
}

static void end(pb_gdb *gdb)
{
    if (gdb->host.program && gdb->extended) { /* it may be run again */
        gdb->event = (pb_gdb_event){ PB_GDB_KILLED, 9, 0 };
        gdb->killed = true;
        return;
    }
    if (gdb->host.program) {
        gdb_stop_listening(gdb);
        gdb->host.program->kill(gdb->host.opaque);
    }
    if (gdb->host.end)
        gdb->host.end(gdb->host.opaque);
    gdb_disconnect(gdb);
}

static void kill_all(pb_gdb *gdb, const char *text, gsize length)
{
    end(gdb);
}

static void insert_point(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_point_command(gdb, text, true);
}

static void remove_point(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_point_command(gdb, text, false);
}

static void be_extended(pb_gdb *gdb, const char *text, gsize length)
{
    gdb->extended = true;
    gdb_send_text(gdb, "OK");
}

/* ---- words --------------------------------------------------------------------------------------------- */

/* A process that there is: `vKill;1`. */
static bool is_ours(const pb_gdb *gdb, const char *text)
{
    uint64_t process;

    return gdb_parse_number(&text, &process) && !*text && gdb_has_process(gdb, process);
}

static void kill_one(pb_gdb *gdb, const char *text)
{
    bool ours = is_ours(gdb, text);

    gdb_send_text(gdb, ours ? "OK" : GDB_NO_SUCH);
    if (ours)
        end(gdb);
}

/* A machine, or a cluster of it, is there already. A program is the one that was started. */
static void attach(pb_gdb *gdb, const char *text)
{
    uint64_t process;

    if (gdb->host.program || !gdb_parse_number(&text, &process) || *text ||
        !gdb_take_back(gdb, process)) {
        gdb_send_text(gdb, GDB_NO_SUCH);
        return;
    }
    gdb->stop_signal = GDB_SIGNAL_TRAP;
    gdb->stop = (pb_debug_stop){ PB_DEBUG_NONE, 0 };
    gdb_report_stop(gdb);
}

static void verb(pb_gdb *gdb, const char *text, gsize length)
{
    const char *packet = text - 1;

    if (strcmp(text, "Cont?") == 0) {
        gdb_send_text(gdb, "vCont;c;C;s;S;t;r");
    } else if (g_str_has_prefix(text, "Cont;") && !gdb_is_gone(gdb)) {
        gdb_vcont(gdb, text + strlen("Cont"));
    } else if (g_str_has_prefix(text, "Kill;")) {
        kill_one(gdb, text + strlen("Kill;"));
    } else if (g_str_has_prefix(text, "Attach;")) {
        attach(gdb, text + strlen("Attach;"));
    } else if (gdb->host.program && g_str_has_prefix(text, "File:")) {
        gdb_file(gdb, text + strlen("File:"), length - strlen("File:"));
    } else if (gdb->host.program && g_str_has_prefix(text, "Run;")) {
        gdb_program_run(gdb, text + strlen("Run;"), length - strlen("Run;"));
    } else if (gdb_is_gone(gdb)) {
        gdb_send_text(gdb, GDB_NO_SUCH);
    } else if (g_str_has_prefix(text, "Flash")) {
        gdb_flash(gdb, packet, length + 1);
    } else {
        gdb_send_text(gdb, "");
    }
}

static void ask(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_query(gdb, text, length);
}

static void set(pb_gdb *gdb, const char *text, gsize length)
{
    gdb_set(gdb, text, length);
}

/* Text begins behind the letter. */
static const struct {
    char letter;
    void (*fn)(pb_gdb *gdb, const char *text, gsize length);
} commands[] = {
    { '?', why },           { 'g', read_all },     { 'G', write_all },    { 'p', read_one },
    { 'P', write_one },     { 'm', read_memory },  { 'M', write_memory }, { 'X', write_binary },
    { 'H', choose_thread }, { 'T', is_alive },     { 'c', go },           { 'C', go_signal },
    { 's', step },          { 'S', step_signal },  { 'D', detach },       { 'k', kill_all },
    { 'Z', insert_point },  { 'z', remove_point }, { 'v', verb },         { 'q', ask },
    { 'Q', set },           { '!', be_extended },
};

/* What there is of a program that is over. */
#define OF_NO_PROGRAM "?!vqQHTDk"

void gdb_command(pb_gdb *gdb, const char *packet, gsize length)
{
    if (length > 0 && gdb_is_gone(gdb) && !strchr(OF_NO_PROGRAM, packet[0])) {
        gdb_send_text(gdb, GDB_NO_SUCH);
        return;
    }
    for (unsigned i = 0; length > 0 && i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].letter == packet[0]) {
            commands[i].fn(gdb, packet + 1, length - 1);
            return;
        }
    }
    gdb_send_text(gdb, "");
}
