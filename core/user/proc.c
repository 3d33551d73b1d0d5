/* Entries of /proc that tell about the program, instead of those about the emulator: proc(5). */
#include <core/user/internal.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What follows /proc/self/, or the same by number; null: something else. */
static const char *own_entry(const char *path)
{
    g_autofree char *by_number = NULL;

    if (!g_str_has_prefix(path, "/proc/"))
        return NULL;
    if (g_str_has_prefix(path, "/proc/self/"))
        return path + strlen("/proc/self/");
    if (g_str_has_prefix(path, "/proc/thread-self/"))
        return path + strlen("/proc/thread-self/");
    by_number = g_strdup_printf("/proc/%d/", (int)getpid());
    return g_str_has_prefix(path, by_number) ? path + strlen(by_number) : NULL;
}

const char *pb_user_proc_link(const pb_user *user, const char *path)
{
    const char *entry = own_entry(path);

    return entry && strcmp(entry, "exe") == 0 ? user->path : NULL;
}

bool pb_user_is_own_link(const char *path)
{
    const char *entry = own_entry(path);

    return entry && (strcmp(entry, "cwd") == 0 || g_str_has_prefix(entry, "fd/"));
}

void pb_user_take_name(const pb_user *user)
{
    g_autofree char *name = g_path_get_basename(user->path);

    prctl(PR_SET_NAME, name);
}

/* ---- mappings ---------------------------------------------------------------------------------------------- */

static void list_mappings(pb_user *user, GString *out)
{
    char *text = NULL;
    size_t n = 0;
    FILE *file = open_memstream(&text, &n);

    if (!file)
        return;
    pb_user_space_list(user->space, file);
    fclose(file);
    g_string_append_len(out, text, (gssize)n);
    free(text);
}

/* Files are shown by the program's paths. */
static void shorten_paths(const pb_user *user, GString *out)
{
    if (user->options.sysroot && user->options.sysroot[1]) {
        g_autofree char *prefix = g_strconcat(" ", user->options.sysroot, "/", NULL);

        g_string_replace(out, prefix, " /", 0);
    }
}

static void write_maps(pb_user *user, GString *out)
{
    list_mappings(user, out);
    shorten_paths(user, out);
}

/* The first line of a mapping of the host's list as the program has it; false: it is none of the program's. */
static bool write_smaps_head(pb_user *user, const char *line, GString *out)
{
    uint64_t base = (uintptr_t)pb_user_space_base(user->space), first, end;
    char host_prot[5];
    uint32_t prot;
    int n = 0;

    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s%n", &first, &end, host_prot, &n) != 3)
        return false;
    if (first < base || first - base >= pb_user_space_bytes(user->space) ||
        !pb_user_space_permits(user->space, first - base, &prot))
        return false;
    g_string_append_printf(out, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c%s\n", first - base,
                           end - base, prot & PB_PROT_READ ? 'r' : '-',
                           prot & PB_PROT_WRITE ? 'w' : '-', prot & PB_PROT_EXEC ? 'x' : '-',
                           host_prot[3], line + n);
    return true;
}

/* The host's, which knows what is in memory, without the emulator's. */
static void write_smaps(pb_user *user, GString *out)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    bool is_shown = false;

    if (!g_file_get_contents("/proc/self/smaps", &text, NULL, NULL))
        return;
    lines = g_strsplit(text, "\n", 0);
    for (char **line = lines; *line && **line; line++) {
        /* Members begin with a capital, addresses do not. */
        if (!g_ascii_isupper(**line))
            is_shown = write_smaps_head(user, *line, out);
        else if (is_shown)
            g_string_append_printf(out, "%s\n", *line);
    }
    shorten_paths(user, out);
}

/* ---- the rest ------------------------------------------------------------------------------------------------ */

static void write_arguments(pb_user *user, GString *out)
{
    for (const char *const *text = user->options.argv; *text; text++)
        g_string_append_len(out, *text, (gssize)strlen(*text) + 1);
}

static void write_auxv(pb_user *user, GString *out)
{
    g_string_append_len(out, (const char *)user->auxv, (gssize)user->auxv_bytes);
}

/* Bytes that are mapped, and where the first code is. */
static void measure(pb_user *user, uint64_t *bytes, uint64_t code[2])
{
    g_autoptr(GString) list = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;

    list_mappings(user, list);
    lines = g_strsplit(list->str, "\n", 0);
    for (char **line = lines; *line; line++) {
        uint64_t first, end;
        char prot[5];

        if (sscanf(*line, "%" SCNx64 "-%" SCNx64 " %4s", &first, &end, prot) != 3)
            continue;
        *bytes += end - first;
        if (prot[2] == 'x' && code[1] == 0) {
            code[0] = first;
            code[1] = end;
        }
    }
}

/* Numbers of the fields that tell about threads and addresses, as proc(5) counts them; others are the host's. */
enum {
    STAT_STATE = 3, /* the first behind the name */
    STAT_THREADS = 20,
    STAT_VSIZE = 23,
    STAT_STARTCODE = 26,
    STAT_ENDCODE,
    STAT_STARTSTACK,
    STAT_START_DATA = 45,
    STAT_START_BRK = 47,
    STAT_ENV_END = 51,
};

static void write_stat(pb_user *user, GString *out)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    uint64_t values[STAT_ENV_END + 1] = { 0 };
    const char *rest;

    if (!g_file_get_contents("/proc/self/stat", &text, NULL, NULL) || !(rest = strrchr(text, ')')))
        return;
    measure(user, &values[STAT_VSIZE], &values[STAT_STARTCODE]);
    values[STAT_THREADS] = __atomic_load_n(&user->n_threads, __ATOMIC_RELAXED);
    values[STAT_STARTSTACK] = user->first_sp;
    values[STAT_START_BRK] = user->brk_first;
    g_string_append_len(out, text, rest + 1 - text);
    fields = g_strsplit(g_strchomp((char *)rest + 2), " ", 0);
    for (int i = 0; fields[i]; i++) {
        int n = STAT_STATE + i;
        bool is_ours = n == STAT_THREADS || n == STAT_VSIZE ||
                       (n >= STAT_STARTCODE && n <= STAT_STARTSTACK) ||
                       (n >= STAT_START_DATA && n <= STAT_ENV_END);

        if (is_ours)
            g_string_append_printf(out, " %" PRIu64, values[n]);
        else
            g_string_append_printf(out, " %s", fields[i]);
    }
    g_string_append_c(out, '\n');
}

static const struct {
    const char *name;
    void (*write)(pb_user *user, GString *out);
} entries[] = {
    { "maps", write_maps }, { "smaps", write_smaps }, { "cmdline", write_arguments },
    { "auxv", write_auxv }, { "stat", write_stat },
};

static int open_text(const GString *text, int flags)
{
    int fd = memfd_create("proc", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);

    if (fd < 0)
        return -1;
    if (write(fd, text->str, text->len) != (ssize_t)text->len || lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int pb_user_open_proc(pb_user *user, const char *path, int flags)
{
    const char *entry = own_entry(path);

    if (!entry || (flags & O_ACCMODE) != O_RDONLY)
        return -1;
    if (strcmp(entry, "exe") == 0)
        return open(user->path, flags);
    for (unsigned i = 0; i < G_N_ELEMENTS(entries); i++) {
        g_autoptr(GString) out = NULL;

        if (strcmp(entry, entries[i].name) != 0)
            continue;
        out = g_string_new(NULL);
        entries[i].write(user, out);
        return open_text(out, flags);
    }
    return -1;
}
