/* Entries of /proc that tell about the program, instead of those about the emulator: proc(5). */
#include <core/user/internal.h>
#include <core/util/file.h>

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <unistd.h>

/* The first thread of the process may have ended: Linux shows it until the others have. */
static bool is_thread(pb_user *user, uint64_t tid)
{
    bool found = tid == (uint64_t)getpid();

    pthread_mutex_lock(&user->threads_lock);
    for (const pb_user_thread *t = user->threads; t && !found; t = t->next)
        found = (uint64_t)t->tid == tid;
    pthread_mutex_unlock(&user->threads_lock);
    return found;
}

static pid_t current_tid(void)
{
    return pb_user_current ? pb_user_current->tid : getpid();
}

/* What follows `prefix`, and slashes; null: the path does not begin with it. */
static const char *behind(const char *path, const char *prefix)
{
    if (!g_str_has_prefix(path, prefix))
        return NULL;
    path += strlen(prefix);
    return *path == '/' ? path + strspn(path, "/") : NULL;
}

/* A number that is all of a path's part, and what follows; null: it is none. */
static const char *take_number(const char *path, uint64_t *number)
{
    char *end;

    if (!g_ascii_isdigit(*path))
        return NULL;
    *number = g_ascii_strtoull(path, &end, 10);
    return *end == '/' ? end + strspn(end, "/") : *end ? NULL : end;
}

/* What follows /proc/self/, or the same by number, or by one of the threads; null: something else. *tid: the thread, or 0. */
static const char *own_entry_of(const char *path, pid_t *tid)
{
    g_autofree char *by_number = NULL;
    const char *entry, *inner;
    uint64_t number;

    *tid = 0;
    if (!g_str_has_prefix(path, "/proc/")) /* as most paths: the rest has system calls */
        return NULL;
    by_number = g_strdup_printf("/proc/%d", (int)getpid());
    entry = behind(path, "/proc/thread-self");
    if (entry) {
        *tid = current_tid();
        return entry;
    }
    entry = behind(path, "/proc/self");
    if (!entry)
        entry = behind(path, by_number);
    inner = entry ? behind(entry, "task") : NULL;
    inner = inner ? take_number(inner, &number) : NULL;
    if (!inner || !*inner)
        return entry;
    *tid = (pid_t)number;
    return inner;
}

static const char *own_entry(const char *path)
{
    pid_t tid;

    return own_entry_of(path, &tid);
}

const char *pb_user_proc_link(const pb_user *user, const char *path)
{
    const char *entry = own_entry(path);

    return entry && strcmp(entry, "exe") == 0 ? user->file : NULL;
}

bool pb_user_is_own_memory(const char *path)
{
    const char *entry = own_entry(path);

    return entry && strcmp(entry, "mem") == 0;
}

bool pb_user_is_own_file(const char *path)
{
    const char *entry = own_entry(path), *rest = entry ? behind(entry, "fd") : NULL;
    uint64_t number;

    rest = rest ? take_number(rest, &number) : NULL;
    return rest && *rest == '\0';
}

bool pb_user_is_own_link(const char *path)
{
    const char *entry = own_entry(path);

    return entry && (strcmp(entry, "cwd") == 0 || g_str_has_prefix(entry, "fd/"));
}

void pb_user_take_name(const pb_user *user)
{
    g_autofree char *name = g_path_get_basename(user->path);

    if (user->file != user->path)
        pb_file_cut_deleted(name);
    prctl(PR_SET_NAME, name);
}

/* ---- what is the emulator's --------------------------------------------------------------------------------- */

bool pb_user_proc_hides(pb_user *user, const char *path)
{
    const char *entry, *rest;
    uint64_t number;
    pid_t tid;

    if (!g_str_has_prefix(path, "/proc/"))
        return false;
    entry = own_entry_of(path, &tid);
    if (!entry)
        return false;
    if (tid && !is_thread(user, (uint64_t)tid))
        return true;
    rest = behind(entry, "task");
    if (rest && take_number(rest, &number))
        return !is_thread(user, number);
    rest = behind(entry, "fd");
    if (!rest)
        rest = behind(entry, "fdinfo");
    return rest && take_number(rest, &number) && pb_user_owns_fd(user, number);
}

/* The folder's kind: what its entries' names are. */
typedef bool shows_entry(pb_user *user, uint64_t number);

static bool is_shown_fd(pb_user *user, uint64_t number)
{
    return !pb_user_owns_fd(user, number);
}

static shows_entry *kind_of(int fd)
{
    g_autofree char *path = NULL;
    const char *entry;
    struct statfs info;

    if (fstatfs(fd, &info) < 0 || info.f_type != PROC_SUPER_MAGIC)
        return NULL;
    path = pb_file_of_descriptor(fd);
    entry = path ? own_entry(path) : NULL;
    if (!entry)
        return NULL;
    if (strcmp(entry, "task") == 0)
        return is_thread;
    return strcmp(entry, "fd") == 0 || strcmp(entry, "fdinfo") == 0 ? is_shown_fd : NULL;
}

/* struct linux_dirent64. */
typedef struct entry_head {
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t kind;
    char name[];
} entry_head;

int64_t pb_user_proc_list(pb_user *user, int fd, uint8_t *list, int64_t bytes)
{
    shows_entry *shown = kind_of(fd);
    int64_t kept = 0;

    if (!shown)
        return bytes;
    for (int64_t at = 0, n; at < bytes; at += n) {
        const entry_head *head = (const void *)(list + at);
        uint64_t number;

        n = head->bytes;
        if (take_number(head->name, &number) && !shown(user, number))
            continue;
        memmove(list + kept, list + at, (size_t)n);
        kept += n;
    }
    return kept;
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

static void write_maps(pb_user *user, pid_t tid, GString *out)
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
static void write_smaps(pb_user *user, pid_t tid, GString *out)
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

static void write_texts(const char *const *texts, GString *out)
{
    for (; texts && *texts; texts++)
        g_string_append_len(out, *texts, (gssize)strlen(*texts) + 1);
}

static void write_arguments(pb_user *user, pid_t tid, GString *out)
{
    write_texts(user->options.argv, out);
}

/* As it was at the start: what the program changed lies where it put it. */
static void write_environment(pb_user *user, pid_t tid, GString *out)
{
    write_texts(user->options.envp, out);
}

static void write_auxv(pb_user *user, pid_t tid, GString *out)
{
    g_string_append_len(out, (const char *)user->auxv, (gssize)user->auxv_bytes);
}

/* What is mapped, and where the first code is. */
typedef struct extent {
    uint64_t bytes, executable, writable;
    uint64_t code[2];
} extent;

static void add_range(void *opaque, const pb_user_range *range)
{
    extent *e = opaque;
    uint64_t bytes = range->end - range->first;

    e->bytes += bytes;
    e->executable += range->prot & PB_PROT_EXEC ? bytes : 0;
    e->writable += range->prot & PB_PROT_WRITE && !range->shared ? bytes : 0;
    if (range->prot & PB_PROT_EXEC && e->code[1] == 0) {
        e->code[0] = range->first;
        e->code[1] = range->end;
    }
}

static extent measure(pb_user *user)
{
    extent e = { 0 };

    pb_user_space_visit(user->space, add_range, &e);
    return e;
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

/* The host's text about the process, or a thread; null: it cannot be had. */
static char *host_text(const char *name, pid_t tid)
{
    g_autofree char *path = tid ? g_strdup_printf("/proc/self/task/%d/%s", (int)tid, name)
                                : g_strdup_printf("/proc/self/%s", name);
    char *text;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

/* Of the caller's process. */
static uint32_t count_threads(pb_user *user)
{
    uint32_t count = 0;

    if (pb_user_current && pb_user_current->shares)
        return 1;
    pthread_mutex_lock(&user->threads_lock);
    for (const pb_user_thread *t = user->threads; t; t = t->next)
        count += !t->shares;
    pthread_mutex_unlock(&user->threads_lock);
    return count;
}

static void write_stat(pb_user *user, pid_t tid, GString *out)
{
    g_autofree char *text = host_text("stat", tid);
    g_auto(GStrv) fields = NULL;
    uint64_t values[STAT_ENV_END + 1] = { 0 };
    const extent e = measure(user);
    const char *rest;

    if (!text || !(rest = strrchr(text, ')')))
        return;
    values[STAT_VSIZE] = e.bytes;
    values[STAT_STARTCODE] = e.code[0];
    values[STAT_ENDCODE] = e.code[1];
    values[STAT_THREADS] = count_threads(user);
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

/* In pages: what is mapped, what of it is in memory and shared, which is the host's to tell, code, 0, data, 0. */
static void write_statm(pb_user *user, pid_t tid, GString *out)
{
    g_autofree char *text = host_text("statm", tid);
    const extent e = measure(user);
    uint64_t resident, shared;

    if (!text || sscanf(text, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2)
        return;
    g_string_append_printf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " 0 %" PRIu64 " 0\n",
                           e.bytes / PB_PAGE_SIZE, resident, shared,
                           (e.code[1] - e.code[0]) / PB_PAGE_SIZE, e.writable / PB_PAGE_SIZE);
}

/* Lines of `status` that the program's are instead of the host's, by their first words. */
enum { STATUS_KIB, STATUS_SET, STATUS_COUNT };

typedef struct status_line {
    const char *name;
    int kind;
    uint64_t value;
} status_line;

static uint64_t set_of(const pb_user_thread *t, bool ignored)
{
    uint64_t set = 0;

    for (int signal = 1; t && signal <= PB_USER_SIGNALS; signal++) {
        uint64_t handler = t->actions[signal].handler;

        if (ignored ? handler == 1 : handler > 1)
            set |= UINT64_C(1) << (signal - 1);
    }
    return set;
}

static void write_status_line(const status_line *line, GString *out)
{
    if (line->kind == STATUS_KIB)
        g_string_append_printf(out, "%s\t%8" PRIu64 " kB\n", line->name, line->value / 1024);
    else if (line->kind == STATUS_SET)
        g_string_append_printf(out, "%s\t%016" PRIx64 "\n", line->name, line->value);
    else
        g_string_append_printf(out, "%s\t%" PRIu64 "\n", line->name, line->value);
}

static void write_status(pb_user *user, pid_t tid, GString *out)
{
    g_autofree char *text = host_text("status", tid);
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", 0);
    const pb_user_thread *t = pb_user_current;
    bool is_of_caller = t && (tid ? tid : getpid()) == t->tid;
    const extent e = measure(user);
    uint64_t stack = user->stack_top - user->stack_low, code = e.code[1] - e.code[0];
    const status_line ours[] = {
        { "VmPeak:", STATUS_KIB, e.bytes },
        { "VmSize:", STATUS_KIB, e.bytes },
        { "VmData:", STATUS_KIB, e.writable - MIN(e.writable, stack) },
        { "VmStk:", STATUS_KIB, stack },
        { "VmExe:", STATUS_KIB, code },
        { "VmLib:", STATUS_KIB, e.executable - code },
        { "Threads:", STATUS_COUNT, count_threads(user) },
        { "SigIgn:", STATUS_SET, set_of(t, true) },
        { "SigCgt:", STATUS_SET, set_of(t, false) },
        { "SigBlk:", STATUS_SET, is_of_caller ? t->mask : 0 }, /* others' is the host's */
    };
    const unsigned count = G_N_ELEMENTS(ours) - !is_of_caller;

    for (char **line = lines; *line && **line; line++) {
        unsigned i = 0;

        while (i < count && !g_str_has_prefix(*line, ours[i].name))
            i++;
        if (i < count)
            write_status_line(&ours[i], out);
        else
            g_string_append_printf(out, "%s\n", *line);
    }
}

static const struct {
    const char *name;
    void (*write)(pb_user *user, pid_t tid, GString *out);
} entries[] = {
    { "maps", write_maps },   { "smaps", write_smaps },         { "cmdline", write_arguments },
    { "auxv", write_auxv },   { "environ", write_environment }, { "stat", write_stat },
    { "statm", write_statm }, { "status", write_status },
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
    pid_t tid;
    const char *entry = own_entry_of(path, &tid);

    if (!entry || (flags & O_ACCMODE) != O_RDONLY)
        return -1;
    if (strcmp(entry, "exe") == 0 && !(flags & O_NOFOLLOW))
        return open(user->file, flags);
    for (unsigned i = 0; i < G_N_ELEMENTS(entries); i++) {
        g_autoptr(GString) out = NULL;

        if (strcmp(entry, entries[i].name) != 0)
            continue;
        out = g_string_new(NULL);
        entries[i].write(user, tid, out);
        return open_text(out, flags);
    }
    return -1;
}

/* ---- other ways to the same ------------------------------------------------------------------------------ */

/* What is told without asking the kernel: most paths do not lead there. */
static bool may_be_own(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    uint64_t number;

    if (!*name)
        return false;
    if (strcmp(name, "exe") == 0 || strcmp(name, "cwd") == 0 || strcmp(name, "mem") == 0 ||
        take_number(name, &number))
        return true;
    for (unsigned i = 0; i < G_N_ELEMENTS(entries); i++) {
        if (strcmp(name, entries[i].name) == 0)
            return true;
    }
    return strstr(path, "task/") != NULL;
}

/* Whether a folder may be one of /proc, by its name only: another file system may not answer. */
static bool may_be_proc(const char *name)
{
    g_autofree char *whole = NULL;

    name += strspn(name, "/") - 1; /* more than one mean one */
    whole = g_canonicalize_filename(name, "/");
    return behind(name, "/proc") || behind(name, "/dev/fd") || behind(whole, "/proc") ||
           strcmp(whole, "/dev/fd") == 0;
}

/* Where the folder of a path is, if it is one of /proc. Nothing is opened: another thread might take the number. */
static char *proc_folder(int folder, const char *path, const char *slash)
{
    g_autofree char *name = slash ? g_strndup(path, (gsize)(slash + 1 - path)) : g_strdup("");
    g_autofree char *start = NULL, *whole = NULL;
    char found[PATH_MAX];

    if (*name != '/') {
        start = folder == AT_FDCWD ? g_file_read_link("/proc/thread-self/cwd", NULL)
                                   : pb_file_of_descriptor(folder);
        if (!start || *start != '/')
            return NULL;
        whole = g_strconcat(start, "/", name, NULL);
    }
    if (!may_be_proc(whole ? whole : name) || !realpath(whole ? whole : name, found))
        return NULL;
    return g_str_has_prefix(found, "/proc/") ? g_strdup(found) : NULL;
}

char *pb_user_proc_path(int folder, char *path)
{
    const char *slash = strrchr(path, '/');
    g_autofree char *name = may_be_own(path) ? proc_folder(folder, path, slash) : NULL;
    g_autofree char *whole = name ? g_strdup_printf("%s/%s", name, slash ? slash + 1 : path) : NULL;

    if (!whole || (!own_entry(whole) && !pb_user_names_memory(whole)))
        return path;
    g_free(path);
    return g_steal_pointer(&whole);
}
