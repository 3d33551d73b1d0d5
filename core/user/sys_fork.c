/*
 * Other processes: fork, execve. And what clone() and clone3() ask for, which may be a thread.
 *
 * fork is the host's. Before it all threads stand still, the accelerator's too, so that there is one thread, which holds no lock
 * that the child does not find free. What is shared in spite of fork(), memory for code, the accelerator copies in the child.
 * After vfork parent and child have the same memory (share.c). Where they cannot, it is a fork whose parent waits until the child
 * has executed something or ended.
 *
 * A program that executes another one for its architecture becomes this emulator again, with the same options. Of a script that is its
 * interpreter's matter. Programs for the host run on it. After a chroot() the emulator may not be there, which then is the kernel's
 * matter, if binfmt_misc has been told.
 */
#include <core/user/debug.h>
#include <core/user/handlers.h>
#include <core/user/strace.h>
#include <core/util/file.h>

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- fork ----------------------------------------------------------------------------------------------- */

#define IGNORED_FLAGS (CLONE_PTRACE | CLONE_UNTRACED | CLONE_DETACHED | CLONE_IO)
#define TID_FLAGS     (CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)
#define FORK_FLAGS                                                                           \
    (CLONE_VM | CLONE_VFORK | CLONE_SETTLS | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | TID_FLAGS | \
     IGNORED_FLAGS)
#define SHARE_FLAGS (FORK_FLAGS | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM)
#define THREAD_FLAGS                                                                   \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_PARENT | \
     CLONE_SYSVSEM | CLONE_SETTLS | TID_FLAGS | IGNORED_FLAGS)

/* Waits for the end of a pipe that the child has until it executes something. */
static void await_child(int end)
{
    char byte;

    while (read(end, &byte, 1) < 0 && errno == EINTR)
        ;
    close(end);
}

/* In the child, on the stack that it was given. */
static int64_t begin_child(pb_user_thread *t, const pb_user_clone *clone)
{
    const pb_user *user = t->user;
    uint32_t tid = (uint32_t)gettid();

    t->tid = (pid_t)tid;
    t->robust_list = 0;
    t->awaits_tracer = false;
    if (user->strace)
        pb_strace_process_begin(t);
    if (clone->flags & CLONE_CLEAR_SIGHAND)
        pb_user_clear_handlers(t);
    if (clone->flags & CLONE_SETTLS)
        user->arch->set_tls(t->vcpu, clone->tls);
    if (clone->sp)
        user->arch->set_sp(t->vcpu, clone->sp);
    if (clone->flags & CLONE_CHILD_SETTID)
        pb_user_space_write(user->space, clone->child_tid, &tid, sizeof(tid));
    t->clear_tid = clone->flags & CLONE_CHILD_CLEARTID ? clone->child_tid : 0;
    return 0;
}

static pid_t fork_process(pb_user_thread *t, int ends[2])
{
    pb_user *user = t->user;
    pb_cpus *cpus = pb_machine_cpus(user->machine);
    g_autoptr(GError) failure = NULL;
    struct rlimit limit;
    pid_t pid = -1;
    int error = ENOMEM;

    if (!pb_user_signals_begin_fork(t)) {
        errno = RESTART_AT_ONCE;
        return -1;
    }
    pb_user_debug_fork_begin(t);
    pb_user_standstill_begin(t);
    limit = pb_user_raise_files();
    if (pb_cpus_fork(cpus, PB_FORK_BEFORE, NULL)) {
        fflush(NULL);
        pb_user_space_fork_begin(user->space);
        pid = fork();
        error = errno;
        if (pid == 0 && user->memory_fd >= 0)
            pb_user_renew_memory(user);
        pb_user_space_fork_end(user->space, pid == 0);
        if (!pb_cpus_fork(cpus, pid == 0 ? PB_FORK_CHILD : PB_FORK_PARENT, &failure)) {
            fprintf(stderr, "patchbay: %s\n", failure->message);
            _exit(1); /* there is nothing to go on with */
        }
    }
    pb_user_lower_files(&limit);
    if (pid == 0) {
        pb_user_missing_forget(user);
        if (ends[0] >= 0)
            close(ends[0]);
    }
    pb_user_standstill_end(t, pid == 0);
    pb_user_debug_fork_end(t, pid == 0);
    pb_user_signals_end_fork(t, pid == 0);
    errno = error;
    return pid;
}

/* A descriptor for the child, put where the program wants it. */
static void give_pidfd(pb_user_thread *t, const pb_user_clone *clone, pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        pb_user_space_write(t->user->space, clone->pidfd, &fd, sizeof(fd));
    }
}

/* Lines of --strace are the thread's that waits, a debugger knows one process, and there is one child's stack: then the child has
 * memory of its own. */
static bool can_share(const pb_user_thread *t, const pb_user_clone *clone)
{
    return (clone->flags & CLONE_VM) && (clone->flags & CLONE_VFORK) && !t->user->strace &&
           !(clone->flags & ~(uint64_t)SHARE_FLAGS) && !t->user->debug && !t->shares;
}

static int64_t make_process(pb_user_thread *t, const pb_user_clone *clone)
{
    bool waits = (clone->flags & CLONE_VFORK) != 0;
    int ends[2] = { -1, -1 };
    pid_t pid;

    if ((clone->flags & CLONE_VM) && !waits)
        return -ENOSYS; /* a process that shares memory, and goes on at the same time */
    if (can_share(t, clone))
        return pb_user_share_process(t, clone);
    if (clone->flags & ~(uint64_t)FORK_FLAGS)
        return -EINVAL;
    if (waits && pb_user_pipe(t->user, ends) < 0)
        return -errno;
    pid = fork_process(t, ends);
    if (pid == 0)
        return begin_child(t, clone);
    if (pid < 0) {
        int error = errno;

        if (waits) {
            close(ends[0]);
            close(ends[1]);
        }
        return -error;
    }
    if (clone->flags & CLONE_PARENT_SETTID)
        pb_user_space_write(t->user->space, clone->parent_tid, &pid, sizeof(pid));
    if (clone->flags & CLONE_PIDFD)
        give_pidfd(t, clone, pid);
    if (waits) {
        close(ends[1]);
        pb_user_work_end(t);
        await_child(ends[0]);
        pb_user_work_begin(t);
    }
    return pid;
}

/* ---- clone ---------------------------------------------------------------------------------------------- */

/* What the kernel refuses, and what is not there. */
static int64_t clone_or_thread(pb_user_thread *t, const pb_user_clone *clone)
{
    uint64_t flags = clone->flags;

    if (((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) ||
        ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) ||
        ((flags & CLONE_SIGHAND) && (flags & CLONE_CLEAR_SIGHAND)))
        return -EINVAL;
    if (!(flags & CLONE_THREAD))
        return make_process(t, clone);
    if (t->shares)
        return -EAGAIN; /* a second thread of its process, which would have to end with it */
    return flags & ~(uint64_t)THREAD_FLAGS ? -EINVAL : pb_user_thread_clone(t, clone);
}

/* Arguments in the order of asm-generic: flags, stack, where the parent finds the child's number, TLS, where the child does. */
HANDLER(sys_clone)
{
    const pb_user_clone clone = { .flags = (uint32_t)a[0] & ~(uint64_t)CSIGNAL,
                                  .exit_signal = a[0] & CSIGNAL,
                                  .sp = a[1],
                                  .parent_tid = a[2],
                                  .pidfd = a[2],
                                  .tls = a[3],
                                  .child_tid = a[4] };

    if ((clone.flags & CLONE_PIDFD) && (clone.flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)))
        return -EINVAL;
    return clone_or_thread(t, &clone);
}

/* struct clone_args: all numbers of 8 bytes, those at the end newer. */
enum {
    ARG_FLAGS,
    ARG_PIDFD,
    ARG_CHILD_TID,
    ARG_PARENT_TID,
    ARG_EXIT_SIGNAL,
    ARG_STACK,
    ARG_STACK_SIZE,
    ARG_TLS,
    FIRST_ARGS, /* of the first version */
    ARG_SET_TID = FIRST_ARGS,
    ARG_SET_TID_SIZE,
    ARG_CGROUP,
    KNOWN_ARGS
};

/* What is behind those that are known has to be 0. */
static int64_t take_clone_args(pb_user_thread *t, uint64_t gva, uint64_t bytes,
                               uint64_t args[KNOWN_ARGS])
{
    uint8_t all[PB_PAGE_SIZE] = { 0 };

    if (bytes > sizeof(all))
        return -E2BIG;
    if (bytes < FIRST_ARGS * sizeof(args[0]))
        return -EINVAL;
    if (!pb_user_space_read(t->user->space, gva, all, bytes))
        return -EFAULT;
    memcpy(args, all, KNOWN_ARGS * sizeof(args[0]));
    for (uint64_t i = KNOWN_ARGS * sizeof(args[0]); i < bytes; i++) {
        if (all[i])
            return -E2BIG;
    }
    return 0;
}

HANDLER(sys_clone3)
{
    uint64_t args[KNOWN_ARGS];
    int64_t error = take_clone_args(t, a[0], a[1], args);
    pb_user_clone clone;

    if (error)
        return error;
    clone = (pb_user_clone){ .flags = args[ARG_FLAGS],
                             .exit_signal = args[ARG_EXIT_SIGNAL],
                             .sp = args[ARG_STACK] + args[ARG_STACK_SIZE],
                             .parent_tid = args[ARG_PARENT_TID],
                             .pidfd = args[ARG_PIDFD],
                             .tls = args[ARG_TLS],
                             .child_tid = args[ARG_CHILD_TID] };
    if ((clone.flags & (CLONE_DETACHED | CSIGNAL)) || (clone.exit_signal & ~(uint64_t)CSIGNAL) ||
        clone.exit_signal > PB_USER_SIGNALS ||
        ((clone.flags & (CLONE_THREAD | CLONE_PARENT)) && clone.exit_signal) ||
        (args[ARG_STACK] == 0) != (args[ARG_STACK_SIZE] == 0))
        return -EINVAL;
    if (args[ARG_SET_TID] || args[ARG_SET_TID_SIZE])
        return args[ARG_SET_TID] && args[ARG_SET_TID_SIZE] ? -EPERM : -EINVAL;
    return clone_or_thread(t, &clone);
}

/* ---- execve --------------------------------------------------------------------------------------------- */

#define MOST_TEXTS   131072
#define MOST_TEXT    131072
#define MOST_SCRIPTS 4
#define MOST_LINE    256

/* The program's list of texts, with a null at the end; null with an error. */
static GPtrArray *take_texts(pb_user_thread *t, uint64_t gva, int64_t *result)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
    uint32_t word = t->user->arch->word_bytes;

    while (gva && texts->len < MOST_TEXTS) {
        uint64_t at = 0;
        int error = EFAULT;
        char *text;

        if (!pb_user_space_read(t->user->space, gva, &at, word))
            break;
        if (at == 0) {
            gva = 0;
            break;
        }
        text = pb_user_space_string(t->user->space, at, MOST_TEXT, &error);
        if (!text) {
            *result = error == ENAMETOOLONG ? -E2BIG : -error;
            g_ptr_array_unref(texts);
            return NULL;
        }
        g_ptr_array_add(texts, text);
        gva += word;
    }
    if (gva) {
        *result = texts->len == MOST_TEXTS ? -E2BIG : -EFAULT;
        g_ptr_array_unref(texts);
        return NULL;
    }
    g_ptr_array_add(texts, NULL);
    return texts;
}

/* The first bytes of what is to be executed; an error. */
static int64_t read_start(const char *path, char *start, size_t bytes, ssize_t *n)
{
    struct stat info;
    int fd;

    if (stat(path, &info) < 0)
        return -errno;
    if (!S_ISREG(info.st_mode) || access(path, X_OK) < 0)
        return -EACCES;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *n = read(fd, start, bytes);
    close(fd);
    return *n < 0 ? -EIO : 0;
}

/* What the file is opened by. */
static char *file_of(const pb_user_execution *e)
{
    return e->file ? pb_file_by_descriptor(e->file) : g_strdup(e->path);
}

static void close_file(pb_user_execution *e)
{
    if (e->file)
        close(e->file);
    e->file = 0;
}

/* `#!INTERPRETER [ARGUMENT]`: they come before the script's path, which takes the place of its name. */
static int64_t take_script(pb_user_thread *t, char *line, char **path, GPtrArray *argv)
{
    char *name = line + 2 + strspn(line + 2, " \t"), *argument;
    g_autofree char *script = *path;

    line[strcspn(line, "\n")] = '\0';
    g_strchomp(name);
    argument = name + strcspn(name, " \t");
    if (*argument) {
        *argument++ = '\0';
        argument += strspn(argument, " \t");
    }
    if (!*name) {
        *path = NULL;
        return -ENOEXEC;
    }
    g_free(argv->pdata[0]);
    argv->pdata[0] = g_strdup(script);
    if (*argument)
        g_ptr_array_insert(argv, 0, g_strdup(argument));
    g_ptr_array_insert(argv, 0, g_strdup(name));
    *path = pb_user_host_path(t->user, name, true);
    return *path ? 0 : -ELOOP;
}

/* As the program left them, but for handlers. */
static void hand_over_signals(pb_user_thread *t)
{
    for (int signal = 1; signal <= PB_USER_SIGNALS; signal++)
        if (t->actions[signal].handler == 1)
            pb_user_host_sigaction(signal, (const void *)1, 0);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &t->mask, NULL, sizeof(t->mask));
    pb_user_return_held(t, t->mask); /* what waits goes on waiting */
}

/* The host's; `folder` and `flags` as of execveat(). A signal that comes before is delivered before, and the call made again. */
static int64_t execute_host(pb_user_thread *t, int folder, const char *path, const GPtrArray *argv,
                            uint64_t flags)
{
    int64_t result;

    /* The host ignores then what other threads' code needs: shortly before they end. */
    pb_user_share_execute(t);
    hand_over_signals(t);
    result =
        pb_user_host_call(&t->queued, SYS_execveat, (uint64_t)folder, (uintptr_t)path,
                          (uintptr_t)argv->pdata, (uintptr_t)t->execution.envp->pdata, flags, 0);
    pb_user_signals_renew_own(t);
    pb_user_set_mask(t, t->mask);
    pb_user_share_execute_failed(t);
    return result;
}

/* By its descriptor if the program is where there is no /proc; then the next one is told the number. -ENOENT: its file is not
 * there any more, or its libraries are not, as after chroot(). */
static int64_t execute_emulator(pb_user_thread *t, GPtrArray *words)
{
    int64_t error = execute_host(t, AT_FDCWD, "/proc/self/exe", words, 0);
    int fd = t->user->self_fd;

    if ((error != -ENOENT && error != -ENOTDIR) || fd < 0)
        return error;
    g_ptr_array_insert(words, 2, t->user->self_word);
    fcntl(fd, F_SETFD, 0);
    error = execute_host(t, fd, "", words, AT_EMPTY_PATH);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return error;
}

/* Become the emulator of another program. Returns if it cannot. */
static int64_t execute_self(pb_user_thread *t)
{
    const pb_user_execution *e = &t->execution;
    GPtrArray *words = t->execution.words = g_ptr_array_new();
    g_autofree char *strace = t->user->strace ? pb_strace_execute(t->user, true) : NULL;
    g_autofree char *gdb = pb_user_debug_execute(t);
    char file[32]; /* who shares memory frees nothing after this */
    int64_t error;

    for (const char *const *word = t->user->options.self; *word; word++)
        g_ptr_array_add(words, (gpointer)*word);
    if (strace)
        g_ptr_array_add(words, strace);
    if (gdb)
        g_ptr_array_add(words, gdb);
    if (e->file) {
        g_snprintf(file, sizeof(file), "--program-fd=%d", e->file);
        g_ptr_array_add(words, file);
        fcntl(e->file, F_SETFD, 0);
    }
    g_ptr_array_add(words, (gpointer) "--argv0");
    g_ptr_array_add(words, e->argv->pdata[0]);
    g_ptr_array_add(words, (gpointer) "--");
    g_ptr_array_add(words, e->path);
    for (guint i = 1; i + 1 < e->argv->len; i++)
        g_ptr_array_add(words, e->argv->pdata[i]);
    g_ptr_array_add(words, NULL);
    error = execute_emulator(t, words);
    if (e->file)
        fcntl(e->file, F_SETFD, FD_CLOEXEC);
    if (gdb)
        pb_user_debug_execute_failed(t);
    if (strace)
        pb_strace_execute_failed(t->user);
    return error;
}

static int64_t execute(pb_user_thread *t)
{
    pb_user_execution *e = &t->execution;
    char start[MOST_LINE + 1];
    const char *machine;
    int64_t result;
    ssize_t n = 0;

    for (unsigned i = 0;; i++) {
        g_autofree char *file = file_of(e);

        result = read_start(file, start, MOST_LINE, &n);
        if (result < 0)
            return result;
        start[n] = '\0';
        if (strncmp(start, "#!", 2) != 0)
            break;
        if (e->is_inaccessible)
            return -ENOENT;
        result = i < MOST_SCRIPTS ? take_script(t, start, &e->path, e->argv) : -ELOOP;
        if (result < 0)
            return result;
        close_file(e);
    }
    machine = pb_user_machine_name((const uint8_t *)start, (size_t)n);
    if (!machine)
        return -ENOEXEC;
    if (t->queued)
        return -RESTART_AT_ONCE;
    if (!t->shares) { /* else its parent does, some time */
        pb_user_missing_save(t->user);
        pb_user_missing_forget(t->user);
    }
    if (strcmp(machine, t->user->arch->name) == 0) {
        result = execute_self(t);
        if (result != -ENOENT)
            return result;
        /* The kernel knows, if binfmt_misc has been told. */
    }
    if (t->user->strace)
        pb_strace_execute(t->user, false);
    return e->file ? execute_host(t, e->file, "", e->argv, AT_EMPTY_PATH)
                   : execute_host(t, AT_FDCWD, e->path, e->argv, 0);
}

void pb_user_free_execution(pb_user_execution *e)
{
    g_clear_pointer(&e->path, g_free);
    g_clear_pointer(&e->argv, g_ptr_array_unref);
    g_clear_pointer(&e->envp, g_ptr_array_unref);
    g_clear_pointer(&e->words, g_ptr_array_unref);
}

/* The path of an open file; null: it has none. */
static char *path_of(int fd)
{
    g_autofree char *path = pb_file_of_descriptor(fd);
    struct stat open, found;

    if (!path || fstat(fd, &open) < 0 || stat(path, &found) < 0 || open.st_dev != found.st_dev ||
        open.st_ino != found.st_ino)
        return NULL;
    return g_steal_pointer(&path);
}

/* What a descriptor's entry in /proc leads to: by the path that it has; else the next program is handed a descriptor, and sees the path `shown`
 * if that is not null. */
static int64_t take_descriptor(pb_user_execution *e, const char *shown)
{
    int fd = open(e->path, O_PATH | O_CLOEXEC);
    char *path;

    if (fd < 0)
        return -errno;
    path = path_of(fd);
    if (!path) {
        int handed = pb_user_hand_fd(fd);

        if (handed < 0) {
            int error = errno;

            close(fd);
            return -error;
        }
        e->file = handed;
        path = shown ? g_strdup(shown) : g_steal_pointer(&e->path);
    }
    close(fd);
    e->is_inaccessible &= e->file != 0;
    g_free(e->path);
    e->path = path;
    return 0;
}

/* `path` is the host's, and freed. */
static int64_t execute_path(pb_user_thread *t, char *path, const char *shown, uint64_t argv_gva,
                            uint64_t envp_gva)
{
    pb_user_execution *e = &t->execution;
    int64_t result = 0;

    e->path = path;
    e->argv = take_texts(t, argv_gva, &result);
    e->envp = e->argv ? take_texts(t, envp_gva, &result) : NULL;
    if (e->envp && pb_user_is_own_file(path))
        result = take_descriptor(e, shown);
    if (e->envp && result == 0) {
        if (e->argv->len == 1) /* a program has a name */
            g_ptr_array_insert(e->argv, 0, g_strdup(""));
        result = execute(t);
    }
    close_file(e);
    pb_user_free_execution(e);
    return result;
}

HANDLER(sys_execve)
{
    int64_t result = 0;
    char *path = pb_user_take_path(t, (uint64_t)AT_FDCWD, a[0], true, &result);

    return path ? execute_path(t, path, NULL, a[1], a[2]) : result;
}

/* The file that is open. */
static int64_t execute_open(pb_user_thread *t, int fd, uint64_t argv, uint64_t envp)
{
    char shown[32];
    int fd_flags = fcntl(fd, F_GETFD);
    int64_t result;

    if (fd_flags < 0)
        return -EBADF;
    g_snprintf(shown, sizeof(shown), "/dev/fd/%d", fd);
    t->execution.is_inaccessible = (fd_flags & FD_CLOEXEC) != 0;
    result = execute_path(t, pb_file_by_descriptor(fd), shown, argv, envp);
    t->execution.is_inaccessible = false;
    return result;
}

HANDLER(sys_execveat)
{
    int fd = (int)a[0], flags = (int)a[4];
    int64_t result = 0;
    g_autofree char *path = pb_user_take_path(t, a[0], a[1], true, &result);
    struct stat info;

    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    if (!path)
        return result;
    if (!*path && !(flags & AT_EMPTY_PATH))
        return -ENOENT;
    if (path[0] != '/' && fd != AT_FDCWD) {
        g_autofree char *folder = NULL;
        char *whole;

        if (pb_user_owns_fd(t->user, (uint32_t)fd) || fcntl(fd, F_GETFD) < 0)
            return -EBADF;
        if (!*path) {
            g_clear_pointer(&path, g_free);
            return execute_open(t, fd, a[2], a[3]);
        }
        folder = path_of(fd);
        if (!folder)
            return -ENOENT;
        whole = g_strconcat(folder, "/", path, NULL);
        g_clear_pointer(&folder, g_free); /* who shares memory does not come back */
        g_free(path);
        path = whole;
    }
    if ((flags & AT_SYMLINK_NOFOLLOW) && lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        return -ELOOP;
    return execute_path(t, g_steal_pointer(&path), NULL, a[2], a[3]);
}
