/* A program under gdb: see debug.h. */
#include <core/user/debug.h>

#include <core/gdb/gdb.h>
#include <core/user/strace.h>
#include <core/vcpu/debug.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sys/time.h>
#include <unistd.h>

struct pb_user_debugged {
    pb_vcpu *vcpu;
    uint32_t tid;
    bool held;  /* under lock */
    bool asks;  /* told of something, and waits for what the client says */
    int signal; /* what that was; then what the client wants */
    bool moved; /* since it went on */
    uint64_t
        quiet; /* signals that the client gave, of which it is not told again: bit 0 is signal 1 */
    uint64_t call; /* number */
    siginfo_t info;
};

struct pb_user_debug {
    pb_user *user;
    pb_machine *machine;
    pb_gdb *gdb;
    GMainContext *context;
    GThread *thread;
    uint32_t quits;          /* atomic */
    int memory;              /* of the process, as a file */
    int standard[3], folder; /* as they were at the beginning, for programs that are run anew */
    pthread_mutex_t quiet, lock;
    pthread_cond_t cond;
    bool standing; /* under lock, as the rest */
    uint32_t busy;
    GPtrArray *threads;     /* pb_user_debugged */
    pb_user_debugged ended; /* of threads that are not among them any more */
};

/* ---- standing --------------------------------------------------------------------------------------------- */

void pb_user_debug_enter_slow(pb_user_thread *t)
{
    pb_user_debug *d = t->user->debug;

    pthread_mutex_lock(&d->lock);
    while (d->standing || t->debugged->held)
        pthread_cond_wait(&d->cond, &d->lock);
    d->busy++;
    pthread_mutex_unlock(&d->lock);
}

void pb_user_debug_leave_slow(pb_user_thread *t)
{
    pb_user_debug *d = t->user->debug;

    pthread_mutex_lock(&d->lock);
    if (--d->busy == 0)
        pthread_cond_broadcast(&d->cond);
    pthread_mutex_unlock(&d->lock);
}

static void set_standing(pb_user_debug *d, bool standing)
{
    pthread_mutex_lock(&d->lock);
    d->standing = standing;
    pthread_cond_broadcast(&d->cond);
    pthread_mutex_unlock(&d->lock);
}

static void stopping(void *opaque)
{
    set_standing(opaque, true);
}

static void going(void *opaque)
{
    set_standing(opaque, false);
}

static void await(void *opaque)
{
    pb_user_debug *d = opaque;

    pthread_mutex_lock(&d->lock);
    while (d->busy > 0)
        pthread_cond_wait(&d->cond, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

/* ---- threads, for the stub ---------------------------------------------------------------------------------- */

static pb_user_debugged *find(const pb_user_debug *d, const pb_vcpu *vcpu)
{
    for (guint i = 0; i < d->threads->len; i++) {
        pb_user_debugged *e = d->threads->pdata[i];

        if (e->vcpu == vcpu)
            return e;
    }
    return NULL;
}

static void list_threads(void *opaque, GArray *threads)
{
    pb_user_debug *d = opaque;

    pthread_mutex_lock(&d->lock);
    for (guint i = 0; i < d->threads->len; i++) {
        const pb_user_debugged *e = d->threads->pdata[i];
        pb_gdb_thread thread = { e->vcpu, (uint32_t)getpid(), e->tid };

        g_array_append_val(threads, thread);
    }
    pthread_mutex_unlock(&d->lock);
}

/* As the host has it: a program names its threads by the host's call. */
static char *thread_name(void *opaque, pb_vcpu *vcpu)
{
    const pb_user_debugged *e = find(opaque, vcpu);
    g_autofree char *file = g_strdup_printf("/proc/self/task/%u/comm", e ? e->tid : 0);
    char *name = NULL;

    if (g_file_get_contents(file, &name, NULL, NULL))
        return g_strchomp(name);
    return g_strdup("?");
}

static void hold(void *opaque, pb_vcpu *vcpu, bool holds)
{
    pb_user_debug *d = opaque;
    pb_user_debugged *e = find(d, vcpu);

    pthread_mutex_lock(&d->lock);
    if (e)
        e->held = holds;
    pthread_mutex_unlock(&d->lock);
}

/* The host has it come, also into a call that waits; the client is not told of it. */
static void send_quietly(pb_user_debugged *e, int signal)
{
    __atomic_fetch_or(&e->quiet, UINT64_C(1) << (signal - 1), __ATOMIC_SEQ_CST);
    syscall(SYS_tgkill, getpid(), e->tid, signal);
}

static void give_signal(void *opaque, pb_vcpu *vcpu, int signal)
{
    pb_user_debugged *e = find(opaque, vcpu);

    if (e && e->asks)
        e->signal = signal;
    else if (e && signal > 0)
        send_quietly(e, signal);
}

static void siginfo(void *opaque, pb_vcpu *vcpu, uint8_t bytes[PB_USER_SIGINFO])
{
    const pb_user_debugged *e = find(opaque, vcpu);
    siginfo_t trap = { .si_signo = SIGTRAP, .si_code = TRAP_BRKPT };

    if (e && e->asks && e->info.si_signo)
        trap = e->info;
    else if (e)
        trap.si_addr = (void *)(uintptr_t)pb_debug_pc(vcpu);
    /* The host's layout is that of all little-endian LP64 architectures. */
    memcpy(bytes, &trap, MIN(sizeof(trap), PB_USER_SIGINFO));
}

static bool set_siginfo(void *opaque, pb_vcpu *vcpu, const uint8_t bytes[PB_USER_SIGINFO])
{
    pb_user_debugged *e = find(opaque, vcpu);

    if (!e || !e->asks || !e->info.si_signo)
        return false;
    memcpy(&e->info, bytes, MIN(sizeof(e->info), PB_USER_SIGINFO));
    return true;
}

/* ---- memory and files, for the stub ------------------------------------------------------------------------- */

/* How many bytes from gva on are mapped without a gap. */
static uint64_t mapped(const pb_user_debug *d, uint64_t gva, uint64_t bytes)
{
    uint64_t done = 0;
    uint32_t prot;

    while (done < bytes && pb_user_space_find(d->user->space, gva + done, &prot))
        done += MIN(bytes - done, PB_PAGE_SIZE - ((gva + done) & PB_PAGE_MASK));
    return done;
}

static off_t place_of(const pb_user_debug *d, uint64_t gva)
{
    return (off_t)(uintptr_t)(pb_user_space_base(d->user->space) + gva);
}

/* By the file of the process's memory, which the kernel copies whatever its protection is, as for ptrace. */
static uint64_t read_memory(void *opaque, uint64_t gva, void *to, uint64_t bytes)
{
    pb_user_debug *d = opaque;
    uint64_t done = 0, most = mapped(d, gva, bytes);

    while (done < most) {
        ssize_t n = pread(d->memory, (char *)to + done, most - done, place_of(d, gva + done));

        if (n <= 0)
            break; /* a file that has no byte there */
        done += (uint64_t)n;
    }
    return done;
}

static bool write_memory(void *opaque, uint64_t gva, const void *from, uint64_t bytes)
{
    pb_user_debug *d = opaque;
    uint64_t done = 0;

    if (mapped(d, gva, bytes) < bytes)
        return false;
    while (done < bytes) {
        ssize_t n =
            pwrite(d->memory, (const char *)from + done, bytes - done, place_of(d, gva + done));

        if (n <= 0)
            break;
        done += (uint64_t)n;
    }
    pb_user_space_written(d->user->space, gva, done);
    return done == bytes;
}

static const uint8_t *auxv(void *opaque, uint64_t *bytes)
{
    pb_user_debug *d = opaque;

    *bytes = d->user->auxv_bytes;
    return d->user->auxv;
}

static const char *path(void *opaque)
{
    const pb_user *user = ((pb_user_debug *)opaque)->user;

    return pb_user_shown_path(user, user->path);
}

static int own(void *opaque, int fd)
{
    return pb_user_own_fd(((pb_user_debug *)opaque)->user, fd);
}

static char *host_path(void *opaque, const char *name)
{
    return pb_user_host_path(((pb_user_debug *)opaque)->user, name, false);
}

static char *link_target(void *opaque, const char *name)
{
    const pb_user *user = ((pb_user_debug *)opaque)->user;

    return pb_user_proc_link(user, name) ? g_strdup(user->path) : NULL;
}

static int open_file(void *opaque, const char *name)
{
    pb_user *user = ((pb_user_debug *)opaque)->user;
    g_autofree char *file = NULL;
    int fd = pb_user_open_proc(user, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        file = pb_user_host_path(user, name, true);
        if (file)
            fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        else
            errno = ELOOP;
    }
    return fd < 0 ? -1 : pb_user_own_fd(user, fd);
}

static void statistics(void *opaque, void (*line)(void *to, const char *name, uint64_t value),
                       void *to)
{
    pb_machine_statistics(((pb_user_debug *)opaque)->machine, line, to);
}

static void kill_program(void *opaque)
{
    kill(getpid(), SIGKILL);
}

static char *hand_over(pb_user_debug *d, bool starts)
{
    g_autofree char *address = pb_gdb_hand_over(d->gdb, starts);

    return g_strconcat("--gdb=", address, NULL);
}

/* The process is what it was at the beginning: descriptors, folder, timers, mask of signals. */
static void begin_anew(pb_user_debug *d)
{
    const struct itimerval none = { { 0, 0 }, { 0, 0 } };

    for (int i = 0; i < 3; i++) {
        if (d->standard[i] < 0)
            close(i);
        else
            dup2(d->standard[i], i);
    }
    close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    setitimer(ITIMER_REAL, &none, NULL);
    setitimer(ITIMER_VIRTUAL, &none, NULL);
    setitimer(ITIMER_PROF, &none, NULL);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &d->user->first_mask, NULL,
            sizeof(d->user->first_mask));
}

/* What can be known before there is no way back. */
static int look_at(pb_user_debug *d, const char *file)
{
    const pb_user_options options = { .program = file };
    g_autofree char *architecture = NULL;

    if (fchdir(d->folder) < 0)
        return errno;
    if (access(file, X_OK) < 0)
        return errno;
    architecture = pb_user_architecture(&options, NULL);
    return architecture && strcmp(architecture, d->user->arch->name) == 0 ? 0 : ENOEXEC;
}

static int run(void *opaque, const char *name, const char *const *arguments)
{
    pb_user_debug *d = opaque;
    pb_user *user = d->user;
    g_autofree char *file =
        name ? pb_user_host_path(user, name, true) : g_strdup(user->options.program);
    g_autofree char *address = NULL;
    g_autofree char *strace = NULL;
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    int error = file ? look_at(d, file) : ELOOP;

    if (error != 0)
        return error;
    for (const char *const *word = user->options.self; *word; word++)
        g_ptr_array_add(words, (gpointer)*word);
    begin_anew(d);
    strace = user->strace ? pb_strace_execute(user, true) : NULL;
    if (strace)
        g_ptr_array_add(words, strace);
    address = hand_over(d, true);
    g_ptr_array_add(words, address);
    g_ptr_array_add(words, (gpointer) "--argv0");
    g_ptr_array_add(words, (gpointer)(name ? name : user->options.argv[0]));
    g_ptr_array_add(words, (gpointer) "--");
    g_ptr_array_add(words, file);
    for (; *arguments; arguments++)
        g_ptr_array_add(words, (gpointer)*arguments);
    g_ptr_array_add(words, NULL);
    execve("/proc/self/exe", (char **)words->pdata, (char **)user->options.envp);
    error = errno;
    pb_gdb_keep(d->gdb);
    return error;
}

static const pb_gdb_program program = {
    .stopping = stopping,
    .await = await,
    .going = going,
    .threads = list_threads,
    .thread_name = thread_name,
    .hold = hold,
    .give_signal = give_signal,
    .read = read_memory,
    .write = write_memory,
    .auxv = auxv,
    .path = path,
    .siginfo = siginfo,
    .set_siginfo = set_siginfo,
    .own = own,
    .host_path = host_path,
    .link = link_target,
    .open = open_file,
    .kill = kill_program,
    .run = run,
};

/* ---- what threads tell of ------------------------------------------------------------------------------------- */

/* A signal that the client gives is not instead of another one, and there is somebody to get it. */
static bool comes_besides(pb_gdb_why why)
{
    return why == PB_GDB_STEPPED || why == PB_GDB_CALL || why == PB_GDB_RETURN ||
           why == PB_GDB_BEGUN;
}

/* False: nobody wanted to know, or the thread has gone on as if. */
static bool tell(pb_user_thread *t, pb_gdb_why why, int number)
{
    pb_user_debugged *e = t->debugged;
    const pb_gdb_event event = { why, number, e->tid };
    pb_gdb_told told;

    do {
        e->asks = true;
        e->signal = why == PB_GDB_SIGNAL ? number : 0;
        told = pb_gdb_tell(t->user->debug->gdb, t->vcpu, &event);
        if (told != PB_GDB_STOPS)
            e->asks = false;
        if (told != PB_GDB_UNWANTED) {
            pb_user_work_end(t);
            pb_user_work_begin(t);
        }
    } while (told == PB_GDB_LATER);
    e->asks = false;
    if (told == PB_GDB_STOPS)
        e->moved = false;
    if (told == PB_GDB_STOPS && comes_besides(why) && e->signal > 0)
        send_quietly(e, e->signal);
    return told == PB_GDB_STOPS;
}

bool pb_user_debug_signal(pb_user_thread *t, siginfo_t *info)
{
    pb_user_debugged *e = t->debugged;
    uint64_t bit = UINT64_C(1) << (info->si_signo - 1);

    if (!t->user->debug || (__atomic_fetch_and(&e->quiet, ~bit, __ATOMIC_SEQ_CST) & bit))
        return true;
    e->info = *info;
    if (tell(t, PB_GDB_SIGNAL, info->si_signo) && e->signal == e->info.si_signo)
        *info = e->info;
    else if (e->signal != info->si_signo)
        *info = (siginfo_t){
            .si_signo = e->signal, .si_code = SI_USER, .si_pid = getpid(), .si_uid = getuid()
        };
    memset(&e->info, 0, sizeof(e->info));
    return info->si_signo > 0;
}

void pb_user_debug_asked(pb_user_thread *t)
{
    __atomic_fetch_or(&t->debugged->quiet, UINT64_C(1) << (t->info.si_signo - 1), __ATOMIC_SEQ_CST);
}

void pb_user_debug_call(pb_user_thread *t)
{
    uint64_t arguments[6];

    if (!t->user->debug)
        return;
    t->debugged->call = t->user->arch->syscall(t->vcpu, arguments);
    tell(t, PB_GDB_CALL, (int)MIN(t->debugged->call, INT32_MAX));
}

void pb_user_debug_return(pb_user_thread *t)
{
    if (!t->user->debug || t->ended)
        return;
    pb_user_debug_moved(t);
    tell(t, PB_GDB_RETURN, (int)MIN(t->debugged->call, INT32_MAX));
}

void pb_user_debug_moved(pb_user_thread *t)
{
    if (t->user->debug)
        t->debugged->moved = true;
}

void pb_user_debug_stepped(pb_user_thread *t)
{
    if (!t->user->debug || !t->debugged->moved)
        return;
    t->debugged->moved = false;
    if (pb_debug_pace_of(t->vcpu) != PB_DEBUG_FREE)
        tell(t, PB_GDB_STEPPED, 0);
}

void pb_user_debug_over(pb_user_thread *t, int signal, int status)
{
    if (!t || !t->user->debug)
        return;
    tell(t, signal ? PB_GDB_KILLED : PB_GDB_EXITED, signal ? signal : status);
    pb_gdb_vanish(t->user->debug->gdb);
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */

static pb_user_debugged *add_thread(pb_user_debug *d, pb_vcpu *vcpu)
{
    pb_user_debugged *e = g_new0(pb_user_debugged, 1);

    e->vcpu = vcpu;
    e->tid = (uint32_t)gettid();
    g_ptr_array_add(d->threads, e);
    return e;
}

/* It is the caller's. */
static void remove_thread(pb_user_debug *d, pb_user_debugged *e)
{
    guint at;

    pthread_mutex_lock(&d->lock);
    if (g_ptr_array_find(d->threads, e, &at))
        g_ptr_array_steal_index(d->threads, at);
    pthread_mutex_unlock(&d->lock);
}

void pb_user_debug_thread_begin(pb_user_thread *t)
{
    pb_user_debug *d = t->user->debug;
    pb_user_debugged *e;

    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    while (!find(d, t->vcpu) && d->standing) /* the first one is known */
        pthread_cond_wait(&d->cond, &d->lock);
    e = find(d, t->vcpu);
    if (!e)
        e = add_thread(d, t->vcpu);
    t->debugged = e;
    pthread_mutex_unlock(&d->lock);
    pb_user_work_begin(t);
    if (!t->is_leader)
        tell(t, PB_GDB_BEGUN, 0);
    pb_user_work_end(t);
}

void pb_user_debug_thread_end(pb_user_thread *t, bool last)
{
    pb_user_debug *d = t->user->debug;

    if (!d)
        return;
    pb_user_work_begin(t);
    pb_debug_set_pace(t->vcpu, PB_DEBUG_FREE);
    if (last) {
        pb_user_debug_over(t, 0, t->ends_all || t->is_leader ? t->status : t->user->status);
    } else {
        remove_thread(d, t->debugged);
        tell(t, PB_GDB_OVER, t->status);
        g_free(t->debugged);
        t->debugged = &d->ended;
    }
    pb_user_work_end(t);
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

/* The stub's thread waits. */
static gint wait_for_events(GPollFD *fds, guint n, gint timeout)
{
    pb_user_debug *d = pb_user_process->debug;
    gint ready;

    if (!d || d->thread != g_thread_self())
        return g_poll(fds, n, timeout);
    pthread_mutex_unlock(&d->quiet);
    ready = g_poll(fds, n, timeout);
    pthread_mutex_lock(&d->quiet);
    return ready;
}

static void *stub_thread(void *opaque)
{
    pb_user_debug *d = opaque;

    pthread_mutex_lock(&d->quiet);
    __atomic_store_n(&d->thread, g_thread_self(), __ATOMIC_SEQ_CST);
    g_main_context_push_thread_default(d->context);
    while (!__atomic_load_n(&d->quits, __ATOMIC_SEQ_CST))
        g_main_context_iteration(d->context, TRUE);
    g_main_context_pop_thread_default(d->context);
    pthread_mutex_unlock(&d->quiet);
    return NULL;
}

const char *pb_user_debug_at(pb_user *user, pb_machine *machine, const char *address,
                             GError **error)
{
    pb_user_debug *d = g_new0(pb_user_debug, 1);
    const pb_gdb_host host = { .sched = pb_machine_sched(machine),
                               .cpus = pb_machine_cpus(machine),
                               .memory = pb_machine_memory(machine),
                               .opaque = d,
                               .statistics = statistics,
                               .program = &program };

    d->user = user;
    d->machine = machine;
    d->context = pb_sched_context(host.sched);
    pthread_mutex_init(&d->quiet, NULL);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->cond, NULL);
    d->threads = g_ptr_array_new_with_free_func(g_free);
    d->memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    d->folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3; i++) /* low numbers are taken */
        d->standard[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
    user->debug = d;
    if (pb_cpus_count(host.cpus) > 0)
        add_thread(d, pb_cpus_at(host.cpus, 0));
    if (d->memory < 0)
        g_set_error(error, PB_USER_ERROR, PB_USER_ERROR_SETUP, "gdb: /proc/self/mem: %s",
                    g_strerror(errno));
    else
        d->gdb = pb_gdb_new(&host, address, true, error);
    if (d->gdb)
        return pb_gdb_address(d->gdb);
    pb_user_debug_free(user);
    return NULL;
}

static void close_own(const pb_user_debug *d)
{
    const int own[] = { d->memory, d->folder, d->standard[0], d->standard[1], d->standard[2] };

    for (unsigned i = 0; i < G_N_ELEMENTS(own); i++)
        if (own[i] >= 0)
            close(own[i]);
}

void pb_user_debug_free(pb_user *user)
{
    pb_user_debug *d = user->debug;

    if (!d)
        return;
    pb_gdb_free(d->gdb);
    close_own(d);
    g_ptr_array_unref(d->threads);
    pthread_cond_destroy(&d->cond);
    pthread_mutex_destroy(&d->lock);
    pthread_mutex_destroy(&d->quiet);
    g_free(d);
    user->debug = NULL;
}

void pb_user_debug_run(pb_user *user)
{
    if (!user->debug)
        return;
    g_main_context_set_poll_func(user->debug->context, wait_for_events);
    pb_gdb_begin(user->debug->gdb);
    user->debug->thread = g_thread_new("gdb", stub_thread, user->debug);
}

void pb_user_debug_end(pb_user *user)
{
    pb_user_debug *d = user->debug;

    if (!d)
        return;
    __atomic_store_n(&d->quits, 1, __ATOMIC_SEQ_CST);
    g_main_context_wakeup(d->context);
    g_thread_join(d->thread);
    pb_gdb_ended(d->gdb, user->status);
}

/* ---- other programs -------------------------------------------------------------------------------------------- */

char *pb_user_debug_execute(pb_user_thread *t)
{
    if (!t->user->debug)
        return NULL;
    pb_user_debug_fork_begin(t); /* the stub waits for events */
    return hand_over(t->user->debug, false);
}

void pb_user_debug_execute_failed(pb_user_thread *t)
{
    if (!t->user->debug)
        return;
    pb_gdb_keep(t->user->debug->gdb);
    pb_user_debug_fork_end(t, false);
    pb_user_signals_renew(t->user);
}

/* ---- other processes -------------------------------------------------------------------------------------------- */

void pb_user_debug_fork_begin(pb_user_thread *t)
{
    pb_user_debug *d = t->user->debug;

    while (d) {
        pb_user_work_end(t);
        pthread_mutex_lock(&d->quiet);
        pthread_mutex_lock(&d->lock);
        if (!d->standing && !t->debugged->held)
            break;
        pthread_mutex_unlock(&d->lock);
        pthread_mutex_unlock(&d->quiet);
        pb_user_work_begin(t);
    }
    if (!d)
        return;
    d->busy++;
    pthread_mutex_unlock(&d->lock);
    __atomic_store_n(&t->works, 1, __ATOMIC_SEQ_CST); /* who else forks waits for `quiet` */
}

void pb_user_debug_fork_end(pb_user_thread *t, bool child)
{
    pb_user_debug *d = t->user->debug;

    if (!d)
        return;
    if (child) {
        pb_gdb_abandon(d->gdb);
        close_own(d);
        t->user->debug = NULL;
        t->debugged = NULL;
        pb_user_signals_renew(t->user);
    } else {
        pthread_mutex_unlock(&d->quiet);
    }
}
