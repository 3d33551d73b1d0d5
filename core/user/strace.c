/*
 * The lines of --strace.
 *
 * 1. A call's line is written at its end, whole, by one write(): so lines of processes and threads do not mix. The beginning of a
 *    call that may wait (pb_strace_call.waits) is written at once, because one wants to see what a program waits for.
 * 2. Who writes while another's line is open ends that one with <unfinished ...>; its rest begins with <... NAME resumed>.
 * 3. Whose line is open, and how many there are, is in memory that all processes of the program share. A program that is
 *    executed gets it, and the file, as descriptors (`--strace-shared`).
 * 4. What the kernel will overwrite is shown before a call, what it filled in after it.
 */
#include <core/user/strace.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESULT_COLUMN 40

/* What all processes share. */
typedef struct shared {
    pthread_mutex_t lock; /* robust: its owner may be killed */
    int32_t open;         /* the thread whose line is open, or 0 */
    uint32_t threads;     /* that have written, and not ended */
} shared;

struct pb_strace {
    shared *shared;
    int memory_fd, fd;
    pid_t pid;    /* of who counts: a child begins anew */
    uint32_t own; /* threads of this process that are counted */
    bool to_file;
    bool inherited;               /* from the program that executed this one */
    bool line_begun;              /* by it: that of its execve() */
    const pb_strace_call **calls; /* by number, or null */
    bool *wanted;                 /* by number; null: all */
};

/* The call that a thread makes. */
static _Thread_local struct {
    pid_t tid;        /* who is counted */
    const char *name; /* null: none, or it is not shown */
    const pb_strace_call *call;
    char unnamed[32];
    GString *rest;       /* not written yet */
    uint32_t first_late; /* index of the first argument that is shown after it */
    gsize column;        /* of the open line */
    bool begun;          /* its beginning is written */
} now;

/* ---- writing --------------------------------------------------------------------------------------------- */

static void lock(shared *s)
{
    if (pthread_mutex_lock(&s->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&s->lock);
}

/* The program may have made the file one that does not block. */
static void write_all(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t done = write(fd, text, n);
        struct pollfd wait = { .fd = fd, .events = POLLOUT };

        if (done >= 0) {
            text += done;
            n -= (size_t)done;
        } else if (errno == EAGAIN) {
            poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            return; /* nobody reads it any more: the program goes on */
        }
    }
}

/* Count a thread when it writes first; after fork() that is another one. */
static void count(pb_strace *s)
{
    pid_t tid = gettid();

    if (now.tid == tid)
        return;
    now.tid = tid;
    if (s->pid != getpid()) {
        s->pid = getpid();
        s->own = 0;
    }
    s->own++;
    s->shared->threads++;
}

static gsize add_prefix(const pb_strace *s, GString *line)
{
    gsize start = line->len;

    if (s->to_file)
        g_string_append_printf(line, "%-5d ", now.tid);
    else if (s->shared->threads > 1)
        g_string_append_printf(line, "[pid %5d] ", now.tid);
    return line->len - start;
}

/* Write a line, or with `stays_open` the beginning of one. With the lock. */
static void put(pb_strace *s, const char *text, bool stays_open)
{
    g_autoptr(GString) line = g_string_new(NULL);
    shared *sh = s->shared;

    if (sh->open && sh->open != now.tid)
        g_string_append(line, " <unfinished ...>\n");
    sh->open = stays_open ? now.tid : 0;
    now.column = add_prefix(s, line) + strlen(text);
    g_string_append_printf(line, "%s%s", text, stays_open ? "" : "\n");
    write_all(s->fd, line->str, line->len);
}

static void put_line(pb_strace *s, const char *text)
{
    lock(s->shared);
    count(s);
    put(s, text, false);
    pthread_mutex_unlock(&s->shared->lock);
}

/* ---- calls ----------------------------------------------------------------------------------------------- */

static const pb_strace_shape *shape_of(const pb_strace_call *call, const pb_user_row *row,
                                       uint32_t i)
{
    if (i >= 6)
        return NULL;
    if (call)
        return call->arguments[i];
    if (row)
        return strlen(row->arguments) > i ? pb_strace_letter(row->arguments[i]) : NULL;
    return pb_strace_letter('x');
}

/* Show arguments from `i` on: before the call those up to the first that is late. The index behind the last. */
static uint32_t add_arguments(pb_strace_view *v, const pb_strace_call *call, const pb_user_row *row,
                              uint32_t i)
{
    for (;; i++) {
        const pb_strace_shape *shape = shape_of(call, row, i);
        gsize start = v->text->len;

        if (!shape)
            return i;
        if (i && !(v->after && i == now.first_late)) /* that has been shown */
            g_string_append(v->text, ", ");
        if (!v->after && shape->out)
            return i;
        v->skip = false;
        shape->show(v, shape, v->a[i]);
        if (v->skip)
            g_string_truncate(v->text, start);
        if (v->skip && v->after && g_str_has_suffix(v->text->str, ", "))
            g_string_truncate(v->text, v->text->len - 2);
    }
}

static const pb_strace_call *call_of(const pb_user_thread *t, uint64_t number)
{
    const pb_strace *s = t->user->strace;

    return number < t->user->arch->n_syscalls ? s->calls[number] : NULL;
}

static bool is_wanted(const pb_user_thread *t, uint64_t number)
{
    const pb_strace *s = t->user->strace;

    return !s->wanted || (number < t->user->arch->n_syscalls && s->wanted[number]);
}

/* The beginning of a call that may wait. */
static void begin_line(pb_strace *s)
{
    lock(s->shared);
    put(s, now.rest->str, true);
    pthread_mutex_unlock(&s->shared->lock);
    now.begun = true;
    g_string_truncate(now.rest, 0);
}

/* A thread's last line; `all`: the process ends with it. */
static void end_thread(pb_strace *s, const char *line, bool all)
{
    uint32_t ended;

    lock(s->shared);
    count(s);
    put(s, line, false);
    ended = all ? s->own : 1;
    s->own -= ended;
    s->shared->threads -= ended;
    now.tid = 0;
    pthread_mutex_unlock(&s->shared->lock);
}

static void add_error(GString *line, int error)
{
    const char *name = strerrorname_np(error);

    g_string_append_printf(line, "-1 %s (%s)", name ? name : "E???", g_strerror(error));
}

/* Linux's own results, which programs do not see; strace(1) has these texts. */
static const char *interrupted(const pb_user_thread *t, const pb_user_row *row, int64_t result)
{
    if (result == -RESTART_AT_ONCE ||
        (result == -EINTR && t->queued && row && (row->flags & PB_USER_RESTARTS)))
        return "? ERESTARTSYS (To be restarted if SA_RESTART is set)";
    if ((result != -EINTR && result != -RESTART_REST) || !row)
        return NULL;
    if (result == -RESTART_REST || strstr(row->name, "nanosleep"))
        return "? ERESTART_RESTARTBLOCK (Interrupted by signal)";
    if (strcmp(row->name, "rt_sigsuspend") == 0 || strcmp(row->name, "ppoll") == 0 ||
        strcmp(row->name, "pselect6") == 0)
        return "? ERESTARTNOHAND (To be restarted if no handler)";
    return NULL;
}

static void add_result(pb_strace_view *v, const pb_strace_call *call, const pb_user_row *row)
{
    const char *text = interrupted(v->t, row, v->result);

    if (text)
        g_string_append(v->text, text);
    else if (v->result == -NO_RESULT)
        g_string_append_c(v->text, '?');
    else if (v->result < 0 && v->result > -4096)
        add_error(v->text, (int)-v->result);
    else if (call && (call->hex || (call->meaning == pb_strace_meaning_fcntl && v->result &&
                                    ((int)v->a[1] == 1 || (int)v->a[1] == 3))))
        g_string_append_printf(v->text, "%#" G_GINT64_MODIFIER "x", (uint64_t)v->result);
    else if (row && strcmp(row->name, "umask") == 0)
        g_string_append_printf(v->text, "%#03o", (uint32_t)v->result);
    else
        g_string_append_printf(v->text, "%" G_GINT64_FORMAT, v->result);
    if (call && call->meaning && v->result >= 0)
        call->meaning(v);
}

/* The rest of a call's line, with what it takes to go on with it. */
static void put_rest(pb_strace *s, const char *result)
{
    g_autoptr(GString) line = g_string_new(NULL);
    gsize start = 0, before = 0; /* the line begins at `start`, or has so many characters already */

    lock(s->shared);
    count(s);
    if (now.begun && s->shared->open == now.tid) {
        before = now.column;
    } else {
        if (s->shared->open)
            g_string_append(line, " <unfinished ...>\n");
        start = line->len;
        add_prefix(s, line);
        if (now.begun)
            g_string_append_printf(line, "<... %s resumed>", now.name);
    }
    s->shared->open = 0;
    g_string_append(line, now.rest->str);
    do
        g_string_append_c(line, ' ');
    while (before + line->len - start < RESULT_COLUMN);
    g_string_append_printf(line, "= %s\n", result);
    write_all(s->fd, line->str, line->len);
    pthread_mutex_unlock(&s->shared->lock);
}

static void forget_call(void)
{
    now.name = NULL;
    g_string_free(now.rest, TRUE);
    now.rest = NULL;
}

void pb_strace_leave(pb_user_thread *t, const pb_user_row *row, const uint64_t a[6], int64_t result)
{
    pb_strace *s = t->user->strace;
    const pb_strace_call *call = now.call;
    g_autoptr(GString) text = g_string_new(NULL);
    pb_strace_view v = { .text = now.rest, .t = t, .a = a, .result = result, .after = true };

    if (!now.name)
        return;
    if (now.tid && now.tid != gettid()) { /* a child, whose parent shows the call */
        forget_call();
        return;
    }
    if (shape_of(call, row, now.first_late))
        add_arguments(&v, call, row, now.first_late);
    g_string_append_c(now.rest, ')');
    v.text = text;
    if (result == -NO_RESULT && !(row->flags & PB_USER_NEVER)) {
        uint64_t registers[6]; /* they are as they were when a signal came */

        t->user->arch->syscall(t->vcpu, registers);
        v.result = (int64_t)registers[0];
    }
    add_result(&v, call, row);
    put_rest(s, text->str);
    forget_call();
}

void pb_strace_enter(pb_user_thread *t, const char *name, const pb_user_row *row, uint64_t number,
                     const uint64_t a[6])
{
    pb_strace *s = t->user->strace;
    pb_strace_view v = { .t = t, .a = a };
    char last[64];

    now.name = NULL;
    g_snprintf(last, sizeof(last), "+++ exited with %d +++", (int)(a[0] & 255));
    if (!is_wanted(t, number)) {
        if (row && (row->flags & PB_USER_NEVER))
            end_thread(s, last, strcmp(row->name, "exit_group") == 0);
        return;
    }
    lock(s->shared);
    count(s);
    pthread_mutex_unlock(&s->shared->lock);
    if (!name) {
        g_snprintf(now.unnamed, sizeof(now.unnamed), "syscall_%#" G_GINT64_MODIFIER "x", number);
        name = now.unnamed;
    }
    now.name = name;
    now.call = call_of(t, number);
    now.rest = v.text = g_string_new(name);
    now.begun = false;
    g_string_append_c(v.text, '(');
    now.first_late = add_arguments(&v, now.call, row, 0);
    if (row && (row->flags & PB_USER_NEVER)) {
        pb_strace_leave(t, row, a, -NO_RESULT);
        end_thread(s, last, strcmp(row->name, "exit_group") == 0);
    } else if (now.call && now.call->waits) {
        begin_line(s);
    }
}

/* ---- signals and ends ------------------------------------------------------------------------------------ */

void pb_strace_signal(pb_user_thread *t, const siginfo_t *info)
{
    g_autoptr(GString) line = g_string_new("--- ");
    char name[16];

    g_string_append_printf(line, "%s ", pb_strace_signal_name(info->si_signo, name));
    pb_strace_siginfo(line, info);
    g_string_append(line, " ---");
    put_line(t->user->strace, line->str);
}

void pb_strace_killed(pb_user *user, int signal, bool core)
{
    char line[64], name[16];

    g_snprintf(line, sizeof(line), "+++ killed by %s%s +++", pb_strace_signal_name(signal, name),
               core ? " (core dumped)" : "");
    end_thread(user->strace, line, true);
}

/* ---- execve ---------------------------------------------------------------------------------------------- */

static void set_inherited(const pb_strace *s, bool inherited)
{
    fcntl(s->fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
    fcntl(s->memory_fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

char *pb_strace_execute(pb_user *user, bool own)
{
    pb_strace *s = user->strace;

    if (own) {
        set_inherited(s, true);
        return g_strdup_printf("--strace-shared=%d,%d,%d,%d", s->memory_fd, s->fd, s->to_file,
                               now.name != NULL);
    }
    if (now.name) {
        g_string_append(now.rest, ")");
        put_rest(s, "0 (a program of the host: its calls are not shown)");
        now.begun = false;
        g_string_assign(now.rest, "<... execve resumed>"); /* if it fails nevertheless */
    }
    return NULL;
}

void pb_strace_execute_failed(pb_user *user)
{
    set_inherited(user->strace, false);
}

/* The first program was executed by nobody who is seen; others end the line that their predecessors began. */
void pb_strace_begin(pb_user_thread *t)
{
    const pb_user_options *options = &t->user->options;
    pb_strace *s = t->user->strace;
    uint64_t number = 0;
    uint64_t environment = t->user->arch->get_sp(t->vcpu); /* behind argc, argv and its null */
    unsigned variables = 0;

    while (number < t->user->arch->n_syscalls &&
           g_strcmp0(t->user->arch->syscalls[number], "execve") != 0)
        number++;
    if (s->inherited)
        now.tid = s->pid = getpid(), s->own = 1; /* counted already */
    if (s->inherited ? !s->line_begun : !is_wanted(t, number))
        return;
    now.name = "execve";
    now.begun = s->inherited;
    now.rest = g_string_new(now.begun ? ")" : "execve(");
    if (now.begun) {
        now.column = RESULT_COLUMN; /* it was longer, or not: one space */
    } else {
        pb_strace_quote(now.rest, (const uint8_t *)options->program, strlen(options->program),
                        false, false);
        g_string_append(now.rest, ", ");
        pb_strace_texts(now.rest, options->argv);
        while (options->envp[variables])
            variables++;
        environment += t->user->arch->word_bytes * (g_strv_length((char **)options->argv) + 2);
        g_string_append_printf(now.rest, ", %#" G_GINT64_MODIFIER "x /* %u var%s */)", environment,
                               variables, variables == 1 ? "" : "s");
    }
    put_rest(s, "0");
    forget_call();
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static bool fail(GError **error, const char *what)
{
    g_set_error(error, PB_USER_ERROR, PB_USER_ERROR_SETUP, "--strace: %s: %s", what,
                g_strerror(errno));
    return false;
}

static bool map_shared(pb_strace *s, GError **error)
{
    pthread_mutexattr_t attributes;
    struct stat info;

    if (fstat(s->memory_fd, &info) < 0 || info.st_size != sizeof(shared)) {
        errno = EBADF;
        return fail(error, "--strace-shared");
    }
    s->shared = mmap(NULL, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED, s->memory_fd, 0);
    if (s->shared == MAP_FAILED) {
        s->shared = NULL;
        return fail(error, "memory");
    }
    if (s->inherited)
        return true;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&s->shared->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return true;
}

static bool open_output(pb_strace *s, const char *file, GError **error)
{
    s->to_file = file != NULL;
    s->fd = file ? open(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666)
                 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (s->fd < 0)
        return fail(error, file ? file : "standard error");
    s->memory_fd = memfd_create("patchbay strace", MFD_CLOEXEC);
    if (s->memory_fd < 0 || ftruncate(s->memory_fd, sizeof(shared)) < 0)
        return fail(error, "memory");
    return true;
}

static bool take_over(pb_strace *s, const char *text, GError **error)
{
    int to_file, begun;

    s->inherited = sscanf(text, "%d,%d,%d,%d", &s->memory_fd, &s->fd, &to_file, &begun) == 4;
    if (!s->inherited || fcntl(s->fd, F_GETFD) < 0) {
        errno = EBADF;
        return fail(error, "--strace-shared");
    }
    s->to_file = to_file != 0;
    s->line_begun = begun != 0;
    set_inherited(s, false);
    return true;
}

bool pb_strace_new(pb_user *user, GError **error)
{
    const pb_user_options *o = &user->options;
    pb_strace *s;

    if (!o->strace)
        return true;
    s = user->strace = g_new0(pb_strace, 1);
    s->memory_fd = s->fd = -1;
    return (o->strace_shared ? take_over(s, o->strace_shared, error)
                             : open_output(s, o->strace_file, error)) &&
           map_shared(s, error);
}

void pb_strace_free(pb_strace *s)
{
    if (!s)
        return;
    if (s->shared)
        munmap(s->shared, sizeof(shared));
    if (s->memory_fd >= 0)
        close(s->memory_fd);
    if (s->fd >= 0)
        close(s->fd);
    g_free(s->calls);
    g_free(s->wanted);
    g_free(s);
}

/* ---- which calls ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    pb_strace_class class;
} classes[] = {
    { "%file", PB_STRACE_FILE },       { "%desc", PB_STRACE_DESC },
    { "%network", PB_STRACE_NETWORK }, { "%net", PB_STRACE_NETWORK },
    { "%process", PB_STRACE_PROCESS }, { "%memory", PB_STRACE_MEMORY },
    { "%signal", PB_STRACE_SIGNAL },   { NULL, 0 },
};

static bool is_of_class(const pb_user *user, uint32_t number, pb_strace_class class)
{
    const pb_strace_call *call = user->strace->calls[number];

    if (call && (call->classes & class))
        return true;
    for (uint32_t i = 0;; i++) {
        const pb_strace_shape *shape = shape_of(call, user->rows[number], i);

        if (!shape || (!call && !user->rows[number]))
            return false;
        if (pb_strace_takes(shape, class))
            return true;
    }
}

/* All calls that a word names: a name, or a class of them. */
static bool want(pb_user *user, const char *word, bool value, GError **error)
{
    const pb_user_arch *arch = user->arch;
    bool found = strcmp(word, "all") == 0 || strcmp(word, "none") == 0;

    for (unsigned c = 0; classes[c].name; c++) {
        if (strcmp(word, classes[c].name) != 0)
            continue;
        for (uint32_t i = 0; i < arch->n_syscalls; i++) {
            if (arch->syscalls[i] && is_of_class(user, i, classes[c].class))
                user->strace->wanted[i] = value;
        }
        return true;
    }
    for (uint32_t i = 0; i < arch->n_syscalls; i++) {
        if (strcmp(word, "all") == 0)
            user->strace->wanted[i] = value;
        else if (g_strcmp0(arch->syscalls[i], word) == 0) {
            user->strace->wanted[i] = value;
            found = true;
        }
    }
    if (!found) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *hint = NULL;

        for (uint32_t i = 0; i < arch->n_syscalls; i++) {
            if (arch->syscalls[i])
                g_ptr_array_add(names, (gpointer)arch->syscalls[i]);
        }
        g_ptr_array_add(names, NULL);
        hint = pb_did_you_mean(word, (const char *const *)names->pdata);
        g_set_error(error, PB_USER_ERROR, PB_USER_ERROR_SETUP,
                    "--strace-only: there is no system call '%s'%s", word, hint);
    }
    return found;
}

bool pb_strace_bind(pb_user *user, GError **error)
{
    const pb_user_arch *arch = user->arch;
    const char *only = user->options.strace_only;
    pb_strace *s = user->strace;
    g_auto(GStrv) words = NULL;
    bool inverted;

    if (!s)
        return true;
    s->calls = g_new0(const pb_strace_call *, arch->n_syscalls);
    for (uint32_t i = 0; i < arch->n_syscalls; i++)
        s->calls[i] = arch->syscalls[i] ? pb_strace_find_call(arch->syscalls[i]) : NULL;
    if (!only)
        return true;
    only += g_str_has_prefix(only, "trace=") ? strlen("trace=") : 0;
    inverted = *only == '!';
    only += inverted;
    s->wanted = g_new(bool, arch->n_syscalls);
    memset(s->wanted, inverted, arch->n_syscalls);
    words = g_strsplit(only, ",", -1);
    for (char **word = words; *word; word++) {
        if (!want(user, *word, !inverted, error))
            return false;
    }
    return true;
}
