/* What programs did not get: counted in a process here, and added to a file at its end. See missing.h. */
#include <core/user/missing.h>

#include <core/user/strace.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <unistd.h>

#define MOST_ROWS  1000 /* of the file: a program that tries everything does not fill the disk */
#define MOST_NAMES 256  /* of a process */
#define COLUMNS    6

/* ---- the file -------------------------------------------------------------------------------------------- */

void pb_missing_row_free(pb_missing_row *row)
{
    g_free(row->kind);
    g_free(row->architecture);
    g_free(row->name);
    g_free(row->program);
    g_free(row);
}

char *pb_missing_file(void)
{
    const char *state = g_get_user_state_dir();

    return state && g_path_is_absolute(state) ? g_build_filename(state, "patchbay", "missing", NULL)
                                              : NULL;
}

/* A line that is none, of another version perhaps, is left out. */
static pb_missing_row *parse_line(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, "\t", -1);
    pb_missing_row *row;
    uint64_t calls, runs;

    if (g_strv_length(words) != COLUMNS ||
        !g_ascii_string_to_unsigned(words[0], 10, 1, UINT64_MAX, &calls, NULL) ||
        !g_ascii_string_to_unsigned(words[1], 10, 1, UINT64_MAX, &runs, NULL))
        return NULL;
    row = g_new0(pb_missing_row, 1);
    *row = (pb_missing_row){
        calls,
        runs,
        g_strdup(words[2]),
        g_strdup(words[3]),
        g_strdup(words[4]),
        g_strcompress(words[5]),
    };
    return row;
}

GPtrArray *pb_missing_read(const char *file, GError **error)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)pb_missing_row_free);
    g_autoptr(GError) failure = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(file, &text, NULL, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return rows;
        g_propagate_error(error, g_steal_pointer(&failure));
        g_ptr_array_unref(rows);
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        pb_missing_row *row = parse_line(*line);

        if (row)
            g_ptr_array_add(rows, row);
    }
    return rows;
}

static bool fail(GError **error, const char *file)
{
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno), "%s: %s", file,
                g_strerror(errno));
    return false;
}

/* One process at a time. -1 with an error. */
static int lock_file(const char *file, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(file);
    g_autofree char *name = g_strconcat(file, ".lock", NULL);
    int fd = -1;

    if (g_mkdir_with_parents(folder, 0700) == 0)
        fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX) < 0) {
        if (errno == EINTR)
            continue;
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        fail(error, name);
    return fd;
}

static void merge(GPtrArray *rows, const pb_missing_row *more)
{
    for (guint i = 0; i < rows->len; i++) {
        pb_missing_row *row = g_ptr_array_index(rows, i);

        if (strcmp(row->kind, more->kind) == 0 && strcmp(row->name, more->name) == 0 &&
            strcmp(row->architecture, more->architecture) == 0 &&
            strcmp(row->program, more->program) == 0) {
            row->calls += more->calls;
            row->runs += more->runs;
            return;
        }
    }
    if (rows->len < MOST_ROWS) {
        pb_missing_row *row = g_new0(pb_missing_row, 1);

        *row = (pb_missing_row){ more->calls,          more->runs,
                                 g_strdup(more->kind), g_strdup(more->architecture),
                                 g_strdup(more->name), g_strdup(more->program) };
        g_ptr_array_add(rows, row);
    }
}

static bool write_rows(const char *file, const GPtrArray *rows, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < rows->len; i++) {
        const pb_missing_row *row = g_ptr_array_index(rows, i);
        g_autofree char *program = g_strescape(row->program, NULL);

        g_string_append_printf(
            text, "%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t%s\t%s\t%s\t%s\n", row->calls,
            row->runs, row->kind, row->architecture, row->name, program);
    }
    return g_file_set_contents_full(file, text->str, (gssize)text->len,
                                    G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

bool pb_missing_add(const char *file, const GPtrArray *rows, GError **error)
{
    int lock = lock_file(file, error);
    g_autoptr(GPtrArray) all = lock >= 0 ? pb_missing_read(file, error) : NULL;
    bool ok = all != NULL;

    for (guint i = 0; ok && i < rows->len; i++)
        merge(all, g_ptr_array_index(rows, i));
    ok = ok && write_rows(file, all, error);
    if (lock >= 0)
        close(lock);
    return ok;
}

bool pb_missing_clear(const char *file, GError **error)
{
    int lock = lock_file(file, error);
    bool ok = lock >= 0 && (g_unlink(file) == 0 || errno == ENOENT || fail(error, file));

    if (lock >= 0)
        close(lock);
    return ok;
}

/* ---- the process ----------------------------------------------------------------------------------------- */

typedef struct count {
    const char *kind;
    char *name;
    uint64_t calls;
} count;

struct pb_user_missing {
    pthread_mutex_t lock;
    GArray *counts;
    struct pb_user_missing *before; /* of the parent */
};

struct pb_user_missing *pb_user_missing_new(void)
{
    struct pb_user_missing *m = g_new0(struct pb_user_missing, 1);

    pthread_mutex_init(&m->lock, NULL);
    m->counts = g_array_new(FALSE, FALSE, sizeof(count));
    return m;
}

void pb_user_missing_free(struct pb_user_missing *m)
{
    for (guint i = 0; m && i < m->counts->len; i++)
        g_free(g_array_index(m->counts, count, i).name);
    if (m) {
        pb_user_missing_free(m->before);
        g_array_unref(m->counts);
        pthread_mutex_destroy(&m->lock);
    }
    g_free(m);
}

void pb_user_missed(pb_user *user, const char *kind, const char *format, ...)
{
    struct pb_user_missing *m = user->missing;
    g_autofree char *name = NULL;
    va_list args;

    va_start(args, format);
    name = g_strdup_vprintf(format, args);
    va_end(args);
    pthread_mutex_lock(&m->lock);
    for (guint i = 0; i < m->counts->len; i++) {
        count *c = &g_array_index(m->counts, count, i);

        if (strcmp(c->kind, kind) == 0 && strcmp(c->name, name) == 0) {
            c->calls++;
            pthread_mutex_unlock(&m->lock);
            return;
        }
    }
    if (m->counts->len < MOST_NAMES) {
        const count c = { kind, g_steal_pointer(&name), 1 };

        g_array_append_val(m->counts, c);
    }
    pthread_mutex_unlock(&m->lock);
}

void pb_user_missed_number(pb_user *user, const char *kind, const pb_strace_name *names,
                           uint64_t value)
{
    g_autoptr(GString) name = g_string_new(NULL);

    pb_strace_number(name, names, value, NULL);
    pb_user_missed(user, kind, "%s", name->str);
}

void pb_user_missing(const pb_user *user,
                     void (*fn)(void *opaque, const char *kind, const char *name, uint64_t calls),
                     void *opaque)
{
    for (guint i = 0; i < user->missing->counts->len; i++) {
        const count *c = &g_array_index(user->missing->counts, count, i);

        fn(opaque, c->kind, c->name, c->calls);
    }
}

/* Every C library asks for it when a program starts, and does without. */
static bool is_idle(const count *c)
{
    return strcmp(c->name, "rseq") == 0;
}

void pb_user_missing_save(pb_user *user)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)pb_missing_row_free);
    g_autofree char *file = user->options.record ? pb_missing_file() : NULL;

    pthread_mutex_lock(&user->missing->lock);
    for (guint i = 0; i < user->missing->counts->len; i++) {
        const count *c = &g_array_index(user->missing->counts, count, i);
        pb_missing_row *row;

        if (is_idle(c))
            continue;
        row = g_new0(pb_missing_row, 1);
        *row = (pb_missing_row){ c->calls,          1,
                                 g_strdup(c->kind), g_strdup(user->arch->name),
                                 g_strdup(c->name), g_strdup(user->path) };
        g_ptr_array_add(rows, row);
    }
    pthread_mutex_unlock(&user->missing->lock);
    /* Where nothing can be written nothing is remembered: a program's end is no place to tell. */
    if (file && rows->len)
        pb_missing_add(file, rows, NULL);
}

void pb_user_missing_forget(pb_user *user)
{
    /* Another thread of the parent may hold the lock: the child has a new one. */
    struct pb_user_missing *m = pb_user_missing_new();

    m->before = user->missing;
    user->missing = m;
}
