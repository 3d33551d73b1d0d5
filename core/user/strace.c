/*
 * The lines of --strace.
 *
 * 1. A call's line is written at its end, whole, by one write(): so lines of processes and threads do not mix. The beginning of a
 *    call that may wait (pb_strace_call.waits) is written at once, because one wants to see what a program waits for.
 * 2. Who writes while another's line is open ends that one with <unfinished ...>; its rest begins with <... NAME resumed>.
 * 3. Whose line is open, and how many there are, is in memory that all processes of the program share. A program that is
 *    executed gets it, and the file, as descriptors (`--strace-shared`).
 * 4. What the kernel will overwrite is shown before a call, what it filled in after it.
 * 5. With a process all its threads end, each with a line, and a call that they were in. Who writes for them ends all
 *    writing of the process.
 * 6. A process that ends without a line, by SIGKILL or because it became a program of the host, has one when its parent
 *    learns of it.
 */
#include <core/user/strace.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESULT_COLUMN 40

#define MOST_PROCESSES 4096 /* at a time; more are not counted */

typedef struct process {
    int32_t pid;      /* 0: none */
    uint32_t threads; /* that have written, and not ended */
    /* The call whose beginning was written last, if it has not ended; of a thread, or 0. */
    int32_t call_tid;
    char call[24];
    bool more; /* it has arguments that are shown when it ends */
} process;

/* What all processes share. */
typedef struct shared {
    pthread_mutex_t lock; /* robust: its owner may be killed */
    int32_t open;         /* the thread whose line is open, or 0 */
    uint32_t threads;     /* of all processes */
    uint32_t n_processes; /* no more than these rows are used */
    process processes[MOST_PROCESSES];
} shared;

/* A thread of this process that is counted. Under the lock. */
typedef struct writer writer;
struct writer {
    pid_t tid;
    const char *begun; /* the call whose beginning is written, or null */
    bool more;         /* it has arguments that are shown when it ends */
    writer *next;
};

struct pb_strace {
    shared *shared;
    int memory_fd, fd;
    pid_t pid;       /* of who counts: a child begins anew */
    writer *writers; /* of this process */
    bool over;       /* its last line is written */
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
    bool went_on;        /* it was one that went on */
    writer writer;
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

static process *find_process(shared *s, pid_t pid)
{
    for (uint32_t i = 0; i < s->n_processes; i++) {
        if (s->processes[i].pid == pid)
            return &s->processes[i];
    }
    return NULL;
}

static process *add_process(shared *s, pid_t pid)
{
    process *free = find_process(s, 0);

    if (!free && s->n_processes < MOST_PROCESSES)
        free = &s->processes[s->n_processes++];
    if (free)
        *free = (process){ .pid = pid };
    return free;
}

/* Of a process: threads that end, or begin. */
static void count_threads(shared *s, process *p, int change)
{
    p->threads += (uint32_t)change;
    s->threads += (uint32_t)change;
    if (p->threads == 0)
        p->pid = 0;
}

static void enlist_writer(pb_strace *s, pid_t tid)
{
    if (s->pid != getpid()) {
        s->pid = getpid();
        s->writers = NULL;
        s->over = false;
    }
    now.tid = tid;
    now.writer = (writer){ .tid = tid, .next = s->writers };
    s->writers = &now.writer;
}

static void delist_writer(pb_strace *s)
{
    for (writer **at = &s->writers; *at; at = &(*at)->next) {
        if (*at == &now.writer) {
            *at = now.writer.next;
            break;
        }
    }
    now.tid = 0;
}

/* Count a thread when it writes first; after fork() that is another one. False: nothing is written any more. */
static bool count(pb_strace *s)
{
    pid_t tid = gettid();
    process *own;

    if (now.tid == tid)
        return !s->over;
    enlist_writer(s, tid);
    own = find_process(s->shared, s->pid);
    if (!own)
        own = add_process(s->shared, s->pid);
    if (own)
        count_threads(s->shared, own, 1);
    return !s->over;
}

static gsize add_prefix(const pb_strace *s, GString *line, pid_t tid)
{
    gsize start = line->len;

    if (s->to_file)
        g_string_append_printf(line, "%-5d ", tid);
    else if (s->shared->threads > 1)
        g_string_append_printf(line, "[pid %5d] ", tid);
    return line->len - start;
}

/* Write a line of a thread, or with `stays_open` the beginning of one. With the lock. */
static void put(pb_strace *s, pid_t tid, const char *text, bool stays_open)
{
    g_autoptr(GString) line = g_string_new(NULL);
    shared *sh = s->shared;

    if (sh->open && sh->open != tid)
        g_string_append(line, " <unfinished ...>\n");
    sh->open = stays_open ? tid : 0;
    now.column = add_prefix(s, line, tid) + strlen(text);
    g_string_append_printf(line, "%s%s", text, stays_open ? "" : "\n");
    write_all(s->fd, line->str, line->len);
}

static void put_line(pb_strace *s, const char *text)
{
    lock(s->shared);
    if (count(s))
        put(s, now.tid, text, false);
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
static void begin_line(pb_strace *s, bool more)
{
    process *own;

    lock(s->shared);
    if (!s->over)
        put(s, now.tid, now.rest->str, true);
    now.writer.begun = now.name;
    now.writer.more = more;
    own = find_process(s->shared, s->pid);
    if (own) {
        own->call_tid = now.tid;
        own->more = more;
        g_strlcpy(own->call, now.name, sizeof(own->call));
    }
    pthread_mutex_unlock(&s->shared->lock);
    now.begun = true;
    g_string_truncate(now.rest, 0);
}

static void add_error(GString *line, int error)
{
    const char *name = strerrorname_np(error);

    g_string_append_printf(line, "-1 %s (%s)", name ? name : "E???", g_strerror(error));
}

/* Linux's own results, which programs do not see; strace(1) has these texts. */
static const char *interrupted(const pb_strace_view *v, const pb_user_row *row)
{
    if (v->result == -RESTART_AT_ONCE)
        return "? ERESTARTNOINTR (To be restarted)";
    if (v->result != -EINTR || !v->t->queued)
        return NULL;
    switch (pb_user_restarts(row, v->a)) {
    case PB_USER_RESTARTS:
        return "? ERESTARTSYS (To be restarted if SA_RESTART is set)";
    case PB_USER_NO_HANDLER:
        return "? ERESTARTNOHAND (To be restarted if no handler)";
    case PB_USER_GOES_ON:
        return "? ERESTART_RESTARTBLOCK (Interrupted by signal)";
    default:
        return NULL;
    }
}

static void add_result(pb_strace_view *v, const pb_strace_call *call, const pb_user_row *row)
{
    const char *text = interrupted(v, row);

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

/* The rest of a thread's line: `text`, and `result` in its column. `begun`: the call, if its beginning is written. With the lock. */
static void finish_line(pb_strace *s, pid_t tid, const char *begun, const char *text,
                        const char *result)
{
    g_autoptr(GString) line = g_string_new(NULL);
    gsize start = 0, before = 0; /* the line begins at `start`, or has so many characters already */

    if (begun && s->shared->open == tid) {
        before = tid == now.tid ? now.column : RESULT_COLUMN;
    } else {
        if (s->shared->open)
            g_string_append(line, " <unfinished ...>\n");
        start = line->len;
        add_prefix(s, line, tid);
        if (begun)
            g_string_append_printf(line, "<... %s resumed>", begun);
    }
    s->shared->open = 0;
    g_string_append(line, text);
    do
        g_string_append_c(line, ' ');
    while (before + line->len - start < RESULT_COLUMN);
    g_string_append_printf(line, "= %s\n", result);
    write_all(s->fd, line->str, line->len);
}

/* The rest of the call's line. */
static void put_rest(pb_strace *s, const char *result)
{
    process *own;

    lock(s->shared);
    if (count(s))
        finish_line(s, now.tid, now.begun ? now.name : NULL, now.rest->str, result);
    now.writer.begun = NULL;
    own = now.begun ? find_process(s->shared, s->pid) : NULL;
    if (own && own->call_tid == now.tid)
        own->call_tid = 0;
    pthread_mutex_unlock(&s->shared->lock);
}

/* ---- ends ------------------------------------------------------------------------------------------------ */

static const char *describe_end(int status, char line[64])
{
    char name[16];

    if (WIFEXITED(status))
        g_snprintf(line, 64, "+++ exited with %d +++", WEXITSTATUS(status));
    else
        g_snprintf(line, 64, "+++ killed by %s%s +++",
                   pb_strace_signal_name(WTERMSIG(status), name),
                   WCOREDUMP(status) ? " (core dumped)" : "");
    return line;
}

/* The end of a call whose arguments are not all known. */
static const char unfinished[] = " <unfinished ...>)";

/* Rule 5. */
static void end_others(pb_strace *s, process *own, const char *line)
{
    for (const writer *w = s->writers; w; w = w->next) {
        if (w != &now.writer && w->begun)
            finish_line(s, w->tid, w->begun, w->more ? unfinished : ")", "?");
    }
    for (const writer *w = s->writers; w; w = w->next) {
        if (w == &now.writer)
            continue;
        put(s, w->tid, line, false);
        if (own && own->threads > 1)
            count_threads(s->shared, own, -1);
    }
    s->over = true;
}

/* A thread's last line; `all`: the process ends with it. */
static void end_thread(pb_strace *s, const char *line, bool all)
{
    process *own;

    lock(s->shared);
    if (count(s)) {
        own = find_process(s->shared, s->pid);
        if (all)
            end_others(s, own, line);
        put(s, now.tid, line, false);
        if (own)
            count_threads(s->shared, own, all ? -(int)own->threads : -1);
        delist_writer(s);
    }
    pthread_mutex_unlock(&s->shared->lock);
}

/* Rule 6. */
void pb_strace_child_ended(pb_user *user, pid_t pid, int status)
{
    pb_strace *s = user->strace;
    char line[64];
    process *child;

    lock(s->shared);
    child = count(s) ? find_process(s->shared, pid) : NULL;
    if (child) {
        if (child->call_tid)
            finish_line(s, child->call_tid, child->call, child->more ? unfinished : ")", "?");
        put(s, pid, describe_end(status, line), false);
        count_threads(s->shared, child, -(int)child->threads);
    }
    pthread_mutex_unlock(&s->shared->lock);
}

/* ---- before and after ------------------------------------------------------------------------------------ */

static void forget_call(void)
{
    now.name = NULL;
    g_string_free(now.rest, TRUE);
    now.rest = NULL;
}

void pb_strace_thread_begin(pb_user_thread *t)
{
    pb_strace *s = t->user->strace;

    lock(s->shared);
    count(s);
    pthread_mutex_unlock(&s->shared->lock);
}

void pb_strace_process_begin(pb_user_thread *t)
{
    if (now.name)
        forget_call();
    pb_strace_thread_begin(t);
}

void pb_strace_leave(pb_user_thread *t, const pb_user_row *row, const uint64_t a[6], int64_t result)
{
    pb_strace *s = t->user->strace;
    const pb_strace_call *call = now.call;
    g_autoptr(GString) text = g_string_new(NULL);
    pb_strace_view v = { .text = now.rest, .t = t, .a = a, .result = result, .after = true };

    if (!now.name)
        return;
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
    describe_end((int)(a[0] & 255) << 8, last);
    if (!is_wanted(t, number)) {
        if (row && (row->flags & PB_USER_NEVER))
            end_thread(s, last, strcmp(row->name, "exit_group") == 0);
        return;
    }
    pb_strace_thread_begin(t);
    if (!name) {
        g_snprintf(now.unnamed, sizeof(now.unnamed), "syscall_%#" G_GINT64_MODIFIER "x", number);
        name = now.unnamed;
    }
    now.name = name;
    now.call = call_of(t, number);
    now.rest = v.text = g_string_new(name);
    now.begun = false;
    if (t->waited) {
        if (now.went_on)
            name = "restart_syscall";
        now.name = "restart_syscall";
        now.first_late = G_N_ELEMENTS(now.call->arguments); /* none */
        g_string_printf(v.text, "restart_syscall(<... resuming interrupted %s ...>", name);
    } else {
        g_string_append_c(v.text, '(');
        now.first_late = add_arguments(&v, now.call, row, 0);
    }
    now.went_on = t->waited != 0;
    if (row && (row->flags & PB_USER_NEVER)) {
        pb_strace_leave(t, row, a, -NO_RESULT);
        end_thread(s, last, strcmp(row->name, "exit_group") == 0);
    } else if (now.call && now.call->waits) {
        begin_line(s, shape_of(now.call, row, now.first_late) != NULL);
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
    char line[64];

    end_thread(user->strace, describe_end(signal | (core ? WCOREFLAG : 0), line), true);
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

/* It is counted already; the other threads that it had are not there any more. */
static void take_over_process(pb_strace *s)
{
    process *own;

    lock(s->shared);
    enlist_writer(s, getpid());
    own = find_process(s->shared, s->pid);
    if (own)
        count_threads(s->shared, own, 1 - (int)own->threads), own->call_tid = 0;
    pthread_mutex_unlock(&s->shared->lock);
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
        take_over_process(s);
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
