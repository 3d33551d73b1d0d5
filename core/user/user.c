/* The life of a program: see user.h. */
#include <core/semihosting/semihosting.h>
#include <core/user/debug.h>
#include <core/user/strace.h>
#include <core/util/file.h>

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

G_DEFINE_QUARK(pb - user - error - quark, pb_user_error)

_Thread_local pb_user_thread *pb_user_current;
pb_user *pb_user_process;

/* ---- what processors ask ------------------------------------------------------------------------------- */

static bool ops_find(pb_vcpu *vcpu, uint64_t gva, uint32_t *prot)
{
    return pb_user_space_find(pb_user_process->space, gva, prot);
}

static void ops_event(pb_vcpu *vcpu, const pb_user_event *event)
{
    pb_user_current->event = *event;
    vcpu->unwind = 1;
    vcpu->leave_reason = PB_RUN_USER;
}

static bool ops_window(pb_code_window *window)
{
    pb_user_space_window(pb_user_process->space, window);
    return true;
}

static const pb_user_ops user_ops = {
    .size = sizeof(pb_user_ops),
    .window = ops_window,
    .find = ops_find,
    .event = ops_event,
};

/* As exit_group() does. */
static void end_by_semihosting(void *opaque, pb_vcpu *vcpu, int status)
{
    pb_user_current->ended = pb_user_current->ends_all = true;
    pb_user_current->status = status;
    vcpu->leave_reason = PB_RUN_USER;
}

static int keep(void *opaque, int fd)
{
    return pb_user_own_fd(opaque, fd);
}

static bool allow_semihosting(pb_user *user, GError **error)
{
    g_autofree char *arguments = NULL;

    if (!user->options.semihosting)
        return true;
    arguments = g_strjoinv(" ", (char **)user->options.argv);
    user->semihosting =
        pb_semihosting_new(user->options.semihosting, arguments, end_by_semihosting, user, error);
    if (user->semihosting)
        pb_semihosting_keep_by(user->semihosting, keep);
    return user->semihosting != NULL;
}

static const void *extension(void *opaque, const char *id)
{
    const pb_user *user = opaque;

    if (strcmp(id, PB_EXTENSION_SEMIHOSTING) == 0 && user->semihosting)
        return pb_semihosting_ops_of(user->semihosting);
    return strcmp(id, PB_EXTENSION_USER) == 0 ? &user_ops : NULL;
}

/* Of the address space: have all processors forget a range. */
static void flush(void *opaque, uint64_t gva, uint64_t bytes)
{
    pb_user *user = opaque;
    pb_vcpu *vcpu =
        pb_user_current ? pb_user_current->vcpu : pb_cpus_at(pb_machine_cpus(user->machine), 0);

    vcpu->ops->tlb_flush_page(vcpu, gva, bytes, UINT16_MAX, PB_SCOPE_ALL);
    vcpu->ops->tlb_sync(vcpu);
}

/* ---- descriptors --------------------------------------------------------------------------------------- */

/* The emulator's own descriptors shall not have the numbers that programs expect, so the low ones are taken while
 * it opens them. */
#define FIRST_OWN 992
#define END_OWN   1024

static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;

static struct rlimit raise_files(void)
{
    struct rlimit limit = { END_OWN, END_OWN }, raised;

    getrlimit(RLIMIT_NOFILE, &limit);
    raised = (struct rlimit){ MIN(END_OWN, limit.rlim_max), limit.rlim_max };
    if (raised.rlim_cur > limit.rlim_cur)
        setrlimit(RLIMIT_NOFILE, &raised);
    return limit;
}

struct rlimit pb_user_raise_files(void)
{
    pthread_mutex_lock(&files_lock);
    return raise_files();
}

void pb_user_lower_files(const struct rlimit *limit)
{
    setrlimit(RLIMIT_NOFILE, limit);
    pthread_mutex_unlock(&files_lock);
}

int pb_user_limit_files(const void *new, void *old)
{
    int result;

    pthread_mutex_lock(&files_lock);
    result = syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, new, old) < 0 ? -errno : 0;
    pthread_mutex_unlock(&files_lock);
    return result;
}

/* While the limit is raised: the first number that is the emulator's. */
static int first_own(void)
{
    struct rlimit limit = { 0 };

    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur >= END_OWN ? FIRST_OWN : (int)limit.rlim_cur - (END_OWN - FIRST_OWN);
}

void pb_user_take_numbers(pb_user *user)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), end;

    user->taken = g_array_new(FALSE, FALSE, sizeof(int));
    user->first_files = raise_files(); /* there are no threads yet */
    end = first_own();
    for (int fd = null; fd >= 0; fd = fcntl(null, F_DUPFD_CLOEXEC, 0)) {
        g_array_append_val(user->taken, fd);
        if (fd >= end - 1)
            break;
    }
}

/* Close the first of these ascending numbers and those that follow it without a gap. How many they are. */
static guint close_run(const int *numbers, guint count)
{
    guint run = 1;

    while (run < count && numbers[run] == numbers[run - 1] + 1)
        run++;
    if (close_range((unsigned)numbers[0], (unsigned)numbers[run - 1], 0) == 0)
        return run;
    for (guint i = 0; i < run;
         i++) /* a kernel before 5.9, or a sandbox that does not know the call */
        close(numbers[i]);
    return run;
}

/* What is open beyond them is the emulator's now. */
void pb_user_give_numbers(pb_user *user)
{
    const int *taken = (const int *)(void *)user->taken->data;
    guint count = user->taken->len;
    int first = count ? taken[count - 1] : 0;

    memset(user->fds, 0, sizeof(user->fds));
    for (guint i = 0; i < count;)
        i += close_run(taken + i, count - i);
    for (int fd = first + 1; first && fd < END_OWN; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            user->fds[fd / 64] |= UINT64_C(1) << (fd % 64);
    }
    g_clear_pointer(&user->taken, g_array_unref);
    setrlimit(RLIMIT_NOFILE, &user->first_files);
}

/* Standard files that nobody handed over have been opened, so that nothing else takes their numbers: only those are closed
 * by execve(). For the program they are not there. */
static void close_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int flags = fcntl(fd, F_GETFD);

        if (flags >= 0 && flags & FD_CLOEXEC)
            close(fd);
    }
}

int pb_user_pipe(pb_user *user, int ends[2])
{
    struct rlimit limit;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    limit = pb_user_raise_files();
    for (unsigned i = 0; i < 2; i++) {
        int own = fcntl(ends[i], F_DUPFD_CLOEXEC, FIRST_OWN);

        if (own < 0)
            continue; /* the program sees it: better than none */
        close(ends[i]);
        ends[i] = own;
    }
    pb_user_lower_files(&limit);
    return 0;
}

int pb_user_own_fd(pb_user *user, int fd)
{
    const struct rlimit limit = pb_user_raise_files();
    int own = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OWN), why = errno;

    pb_user_lower_files(&limit);
    close(fd);
    if (own >= END_OWN) {
        close(own);
        own = -1;
        why = EMFILE;
    }
    if (own >= 0)
        user->fds[own / 64] |= UINT64_C(1) << (own % 64);
    errno = why;
    return own;
}

int pb_user_hand_fd(int fd)
{
    const struct rlimit limit = pb_user_raise_files();
    int handed = fcntl(fd, F_DUPFD_CLOEXEC, first_own()), why = errno;

    pb_user_lower_files(&limit);
    if (handed >= END_OWN) {
        close(handed);
        handed = -1;
        why = EMFILE;
    }
    errno = why;
    return handed;
}

static void find_self(pb_user *user)
{
    user->self_fd = user->options.self_fd;
    if (user->self_fd < 0)
        user->self_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    else if (fcntl(user->self_fd, F_SETFD, FD_CLOEXEC) < 0)
        user->self_fd = -1;
    if (user->options.program_fd)
        fcntl(user->options.program_fd, F_SETFD, FD_CLOEXEC);
    user->self_word = g_strdup_printf("--self-fd=%d", user->self_fd);
}

bool pb_user_owns_fd(const pb_user *user, uint64_t fd)
{
    return fd < END_OWN && (user->fds[fd / 64] >> (fd % 64) & 1);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static bool fail_file(GError **error, const char *name, int code)
{
    g_set_error(error, PB_USER_ERROR,
                code == ENOENT || code == ENOTDIR ? PB_USER_ERROR_MISSING : PB_USER_ERROR_CANNOT,
                "%s: %s", name, g_strerror(code));
    return false;
}

/* What the program is opened by. */
static char *program_file(const pb_user_options *options)
{
    return !options->program_fd ? g_strdup(options->program)
                                : pb_file_by_descriptor(options->program_fd);
}

char *pb_user_architecture(const pb_user_options *options, GError **error)
{
    uint8_t header[64];
    const char *name;
    struct stat info;
    ssize_t n;
    g_autofree char *file = program_file(options);
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        fail_file(error, options->program, errno);
        return NULL;
    }
    n = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? read(fd, header, sizeof(header)) : -1;
    close(fd);
    if (n < 0 || access(file, X_OK) < 0) {
        fail_file(error, options->program, n < 0 ? EACCES : errno);
        return NULL;
    }
    name = pb_user_machine_name(header, (size_t)n);
    if (name)
        return g_strdup(name);
    g_set_error(error, PB_USER_ERROR, PB_USER_ERROR_CANNOT, "%s: %s", options->program,
                n >= 20 && memcmp(header, "\177ELF", 4) == 0 ? "it is for an unknown processor"
                                                             : "it is no ELF file");
    return NULL;
}

pb_user *pb_user_new(const pb_user_options *options, GError **error)
{
    pb_user *user = g_new0(pb_user, 1);

    user->options = *options;
    user->extras = (pb_machine_extras){ extension, user };
    user->missing = pb_user_missing_new();
    user->space = pb_user_space_new(error);
    if (!user->space) {
        pb_user_missing_free(user->missing);
        g_free(user);
        return NULL;
    }
    pthread_mutex_init(&user->brk_lock, NULL);
    pthread_mutex_init(&user->signal_lock, NULL);
    pthread_mutex_init(&user->threads_lock, NULL);
    pthread_cond_init(&user->threads_cond, NULL);
    pb_user_block_signals(user);
    pb_user_take_numbers(user);
    find_self(user);
    pb_user_take_memory(user);
    pb_user_process = user;
    if (!pb_strace_new(user, error) || !allow_semihosting(user, error)) {
        pb_user_free(user);
        return NULL;
    }
    return user;
}

const pb_machine_extras *pb_user_extras(pb_user *user)
{
    return &user->extras;
}

void pb_user_unload(pb_user *user)
{
    /* Threads that compile read the program's memory. */
    if (user->machine)
        pb_machine_stop_accel(user->machine);
    pb_user_debug_free(user);
    pb_user_space_detach(user->space);
    user->machine = NULL;
}

void pb_user_free(pb_user *user)
{
    if (!user)
        return;
    pb_user_process = NULL;
    pb_user_space_free(user->space);
    pthread_mutex_destroy(&user->brk_lock);
    pthread_mutex_destroy(&user->signal_lock);
    pthread_mutex_destroy(&user->threads_lock);
    pthread_cond_destroy(&user->threads_cond);
    if (user->taken)
        pb_user_give_numbers(user);
    if (user->memory_fd >= 0)
        close(user->memory_fd);
    pb_strace_free(user->strace);
    pb_semihosting_free(user->semihosting);
    if (user->file != user->path)
        g_free(user->file);
    g_free(user->path);
    g_free(user->self_word);
    g_free(user->auxv);
    g_free(user->rows);
    pb_user_missing_free(user->missing);
    g_free(user);
}

static bool find_arch(pb_user *user, pb_vcpu *vcpu, GError **error)
{
    const pb_cpu_type *type = vcpu ? vcpu->type : NULL;

    user->arch = type && PB_CPU_HAS(type, user) ? type->user : NULL;
    if (user->arch)
        return true;
    g_set_error(error, PB_USER_ERROR, PB_USER_ERROR_SETUP,
                type ? "processors of type '%s' run no programs: their plugin has no user mode"
                     : "machine '%s' has no processor",
                type ? type->head.name : pb_machine_plan(user->machine)->name);
    return false;
}

static bool load_interpreter(pb_user *user, const pb_user_image *program, pb_user_image *image,
                             GError **error)
{
    g_autofree char *path = pb_user_host_path(user, program->interpreter, true);
    g_autofree char *name = g_strdup_printf("%s: interpreter %s", user->options.program,
                                            path ? path : program->interpreter);

    if (!path)
        return fail_file(error, name, ELOOP);
    return pb_user_image_load(user, path, name, true, image, error);
}

static bool load_images(pb_user *user, pb_vcpu *vcpu, GError **error)
{
    pb_user_image program, interpreter = { 0 };
    uint64_t sp = 0;
    bool ok = pb_user_image_load(user, user->file, user->options.program, false, &program, error);

    if (!ok)
        return false;
    user->brk_first = user->brk = program.end;
    ok = pb_user_map_stack(user, program.executable_stack, error) &&
         pb_user_map_vdso(user, error) &&
         (!program.interpreter || load_interpreter(user, &program, &interpreter, error)) &&
         (sp = pb_user_fill_stack(user, vcpu, &program, interpreter.bias, error)) != 0;
    pb_user_take_name(user);
    if (ok)
        user->arch->start(vcpu, program.interpreter ? interpreter.entry : program.entry, sp);
    g_free(program.interpreter);
    return ok;
}

static void find_program(pb_user *user)
{
    const pb_user_options *o = &user->options;
    char resolved[PATH_MAX];

    if (!o->program_fd) {
        user->path = g_strdup(realpath(o->program, resolved) ? resolved : o->program);
        user->file = user->path;
        return;
    }
    user->path = pb_file_of_descriptor(o->program_fd);
    if (!user->path)
        user->path = g_strdup(o->program);
    user->file = program_file(o);
}

bool pb_user_load(pb_user *user, pb_machine *machine, GError **error)
{
    pb_vcpu *vcpu = pb_cpus_at(pb_machine_cpus(machine), 0);

    pb_user_give_numbers(user);
    close_standard_files();
    user->machine = machine;
    find_program(user);
    return find_arch(user, vcpu, error) &&
           pb_user_space_attach(user->space, pb_space_bus(pb_machine_memory(machine)),
                                pb_machine_root(machine), flush, user, error) &&
           pb_machine_reset(machine, error) && pb_user_bind_syscalls(user) &&
           pb_strace_bind(user, error) && load_images(user, vcpu, error);
}

/* ---- running ------------------------------------------------------------------------------------------- */

int pb_user_run(pb_user *user)
{
    pb_user_thread *first = pb_user_thread_new(user, pb_cpus_at(pb_machine_cpus(user->machine), 0));
    pb_sched *sched = pb_machine_sched(user->machine);

    first->is_leader = true;
    pb_user_debug_run(user);
    pb_user_signals_init(user, first);
    if (user->strace)
        pb_strace_begin(first);
    pb_sched_begin(sched);
    pb_user_thread_enlist(first);
    pb_user_thread_run(first);
    pb_user_debug_end(user);
    if (user->has_lost)
        pb_user_end_process(user, user->status);
    pb_sched_end(sched);
    pb_user_missing_save(user);
    return user->status;
}
