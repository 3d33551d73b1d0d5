/*
 * What the arguments of system calls are, for --strace. A call without a row is shown by the letters of its row in
 * syscalls.def, and one that has none there either by numbers.
 */
#include <core/user/strace.h>

#define BITS(table, text)                                            \
    {                                                                \
        .show = pb_strace_show_bits, .names = table, .unknown = text \
    }
#define NUMBER(table, text)                                            \
    {                                                                  \
        .show = pb_strace_show_number, .names = table, .unknown = text \
    }

static const pb_strace_shape
    prot = BITS(pb_names_prot, "PROT_???"),
    map_flags = BITS(pb_names_map, "MAP_???"), at = BITS(pb_names_at, "AT_???"),
    at_access = BITS(pb_names_at_access, "AT_???"), at_unlink = BITS(pb_names_unlink, "AT_???"),
    access_mode = BITS(pb_names_access, "?_OK"), wait_flags = BITS(pb_names_wait, "W???"),
    id_type = NUMBER(pb_names_id_type, "P_???"), whence = NUMBER(pb_names_whence, "SEEK_???"),
    family = NUMBER(pb_names_family, "AF_???"), level = NUMBER(pb_names_level, "SOL_???"),
    message = BITS(pb_names_message, "MSG_???"), how_shut = NUMBER(pb_names_shutdown, "SHUT_???"),
    fcntl_command = NUMBER(pb_names_fcntl, "F_???"), request = NUMBER(pb_names_ioctl, NULL),
    option = NUMBER(pb_names_prctl, "PR_???"), resource = NUMBER(pb_names_resource, "RLIMIT_???"),
    advice = NUMBER(pb_names_madvise, "MADV_???"), remap = BITS(pb_names_mremap, "MREMAP_???"),
    sync_flags = BITS(pb_names_msync, "MS_???"), how = NUMBER(pb_names_how, "SIG_???"),
    clock_id = NUMBER(pb_names_clock, "CLOCK_???"), who = NUMBER(pb_names_who, "RUSAGE_???"),
    itimer = NUMBER(pb_names_itimer, "ITIMER_???"),
    timer_flags = BITS(pb_names_timer_flags, "TIMER_???"),
    random_flags = BITS(pb_names_random, "GRND_???"),
    epoll_op = NUMBER(pb_names_epoll_op, "EPOLL_CTL_???"),
    epoll_flags = BITS(pb_names_epoll_create, "EPOLL_???"),
    flock = BITS(pb_names_flock, "LOCK_???"), fallocate = BITS(pb_names_fallocate, "FALLOC_FL_???"),
    file_advice = NUMBER(pb_names_advice, "POSIX_FADV_???"),
    memfd = BITS(pb_names_memfd, "MFD_???"), eventfd = BITS(pb_names_eventfd, "EFD_???"),
    watch = BITS(pb_names_inotify, "IN_???"), inotify_flags = BITS(pb_names_inotify_init, "IN_???"),
    timerfd = BITS(pb_names_timerfd, "TFD_???"), signalfd = BITS(pb_names_signalfd, "SFD_???"),
    rename_flags = BITS(pb_names_rename, "RENAME_???"),
    splice = BITS(pb_names_splice, "SPLICE_F_???"), policy = NUMBER(pb_names_sched, "SCHED_???"),
    barrier = NUMBER(pb_names_membarrier, "MEMBARRIER_CMD_???"),
    statx_mask = BITS(pb_names_statx_mask, "STATX_???"),
    socket_flags = BITS(pb_names_socket_flags, "SOCK_???"),
    close_range_flags = BITS(pb_names_close_range, "CLOSE_RANGE_???"),
    priority = NUMBER(pb_names_priority, "PRIO_???"), xattr = BITS(pb_names_xattr, "XATTR_???"),
    lock_flags = BITS(pb_names_mlock, "MLOCK_???"), rseq = BITS(pb_names_rseq, "RSEQ_FLAG_???"),
    pidfd_flags = BITS(pb_names_pidfd, "PIDFD_???");

#define D       &pb_shape_d
#define LD      &pb_shape_ld
#define U       &pb_shape_u
#define LU      &pb_shape_lu
#define X       &pb_shape_x
#define POINTER &pb_shape_pointer
#define FD      &pb_shape_fd
#define DIRFD   &pb_shape_dirfd
#define PATH    &pb_shape_path
#define TEXT    &pb_shape_text
#define MODE    &pb_shape_mode
#define TIME    &pb_shape_timespec
#define SET     &pb_shape_sigset

/* In the order of syscalls.def. */
static const pb_strace_call calls[] = {
    { "read", { FD, &pb_shape_out, LU }, .waits = true },
    { "pread64", { FD, &pb_shape_out, LU, LD } },
    { "readv", { FD, &pb_shape_out_iovec, LU }, .waits = true },
    { "preadv", { FD, &pb_shape_out_iovec, LU, LD, &pb_shape_nothing } },
    { "write", { FD, &pb_shape_in1, LU } },
    { "pwrite64", { FD, &pb_shape_in1, LU, LD } },
    { "writev", { FD, &pb_shape_iovec, LU } },
    { "pwritev", { FD, &pb_shape_iovec, LU, LD, &pb_shape_nothing } },
    { "openat", { DIRFD, PATH, &pb_shape_open_flags, &pb_shape_open_mode } },
    { "close_range", { U, U, &close_range_flags }, PB_STRACE_DESC },
    { "lseek", { FD, LD, &whence } },
    { "dup3", { FD, FD, &pb_shape_pipe_flags } },
    { "fcntl",
      { FD, &fcntl_command, &pb_shape_fcntl },
      .waits = true,
      .meaning = pb_strace_meaning_fcntl },
    { "ioctl", { FD, &request, &pb_shape_out_ioctl } },
    { "flock", { FD, &flock }, .waits = true },
    { "pipe2", { &pb_shape_fds, &pb_shape_pipe_flags }, PB_STRACE_DESC },
    { "newfstatat", { DIRFD, PATH, &pb_shape_stat, &at } },
    { "fstat", { FD, &pb_shape_stat } },
    { "statx", { DIRFD, PATH, &at, &statx_mask, &pb_shape_statx } },
    { "statfs", { PATH, &pb_shape_out_statfs } },
    { "fstatfs", { FD, &pb_shape_out_statfs } },
    { "truncate", { PATH, LD } },
    { "ftruncate", { FD, LD } },
    { "fallocate", { FD, &fallocate, LD, LD } },
    { "fadvise64", { FD, LD, LD, &file_advice } },
    { "faccessat", { DIRFD, PATH, &access_mode } },
    { "faccessat2", { DIRFD, PATH, &access_mode, &at_access } },
    { "fchownat", { DIRFD, PATH, D, D, &at } },
    { "utimensat", { DIRFD, PATH, &pb_shape_two_timespecs, &at } },
    { "getdents64", { FD, &pb_shape_entries, LU } },
    { "getcwd", { &pb_shape_out_text, LU }, PB_STRACE_FILE },
    { "unlinkat", { DIRFD, PATH, &at_unlink } },
    { "symlinkat", { PATH, DIRFD, PATH } },
    { "linkat", { DIRFD, PATH, DIRFD, PATH, &at } },
    { "renameat2", { DIRFD, PATH, DIRFD, PATH, &rename_flags } },
    { "readlinkat", { DIRFD, PATH, &pb_shape_out, LU } },
    { "sendfile", { FD, FD, &pb_shape_in_offset, LU } },
    { "copy_file_range", { FD, &pb_shape_in_offset, FD, &pb_shape_in_offset, LU, X } },
    { "splice", { FD, &pb_shape_in_offset, FD, &pb_shape_in_offset, LU, &splice }, .waits = true },
    { "tee", { FD, FD, LU, &splice }, .waits = true },
    { "getxattr", { PATH, TEXT, &pb_shape_out, LU } },
    { "lgetxattr", { PATH, TEXT, &pb_shape_out, LU } },
    { "fgetxattr", { FD, TEXT, &pb_shape_out, LU } },
    { "setxattr", { PATH, TEXT, &pb_shape_in2, LU, &xattr } },
    { "lsetxattr", { PATH, TEXT, &pb_shape_in2, LU, &xattr } },
    { "fsetxattr", { FD, TEXT, &pb_shape_in2, LU, &xattr } },
    { "listxattr", { PATH, &pb_shape_out, LU } },
    { "llistxattr", { PATH, &pb_shape_out, LU } },
    { "flistxattr", { FD, &pb_shape_out, LU } },
    { "memfd_create", { TEXT, &memfd }, PB_STRACE_DESC },
    { "eventfd2", { U, &eventfd }, PB_STRACE_DESC },
    { "inotify_init1", { &inotify_flags }, PB_STRACE_DESC },
    { "inotify_add_watch", { FD, PATH, &watch } },

    { "ppoll",
      { &pb_shape_pollfd, U, TIME, SET, LU },
      PB_STRACE_DESC,
      .waits = true,
      .meaning = pb_strace_meaning_poll },
    { "pselect6",
      { D, &pb_shape_fdset, &pb_shape_fdset, &pb_shape_fdset, TIME, POINTER },
      PB_STRACE_DESC,
      .waits = true,
      .meaning = pb_strace_meaning_select },
    { "epoll_create1", { &epoll_flags }, PB_STRACE_DESC },
    { "epoll_ctl", { FD, &epoll_op, FD, &pb_shape_epoll_event } },
    { "epoll_pwait", { FD, &pb_shape_out_epoll_events, D, D, SET, LU }, .waits = true },
    { "timerfd_create", { &clock_id, &timerfd }, PB_STRACE_DESC },
    { "timerfd_settime", { FD, &timer_flags, &pb_shape_itimerspec, &pb_shape_out_itimerspec } },
    { "timerfd_gettime", { FD, &pb_shape_out_itimerspec } },
    { "signalfd4", { FD, SET, LU, &signalfd } },

    { "socket", { &family, &pb_shape_socket_type, &pb_shape_protocol }, PB_STRACE_NETWORK },
    { "socketpair", { &family, &pb_shape_socket_type, D, &pb_shape_fds }, PB_STRACE_NETWORK },
    { "bind", { FD, &pb_shape_sockaddr, D }, PB_STRACE_NETWORK },
    { "listen", { FD, D }, PB_STRACE_NETWORK },
    { "accept", { FD, &pb_shape_out_sockaddr, &pb_shape_out_length }, PB_STRACE_NETWORK, true },
    { "accept4",
      { FD, &pb_shape_out_sockaddr, &pb_shape_out_length, &socket_flags },
      PB_STRACE_NETWORK,
      true },
    { "connect", { FD, &pb_shape_sockaddr, D }, PB_STRACE_NETWORK, true },
    { "getsockname", { FD, &pb_shape_out_sockaddr, &pb_shape_out_length }, PB_STRACE_NETWORK },
    { "getpeername", { FD, &pb_shape_out_sockaddr, &pb_shape_out_length }, PB_STRACE_NETWORK },
    { "sendto", { FD, &pb_shape_in1, LU, &message, &pb_shape_to_sockaddr, U }, PB_STRACE_NETWORK },
    { "recvfrom",
      { FD, &pb_shape_out, LU, &message, &pb_shape_from_sockaddr, &pb_shape_out_length },
      PB_STRACE_NETWORK,
      true },
    { "sendmsg", { FD, &pb_shape_msghdr, &message }, PB_STRACE_NETWORK },
    { "recvmsg", { FD, &pb_shape_out_msghdr, &message }, PB_STRACE_NETWORK, true },
    { "setsockopt", { FD, &level, &pb_shape_option, &pb_shape_sockopt, D }, PB_STRACE_NETWORK },
    { "getsockopt",
      { FD, &level, &pb_shape_option, &pb_shape_out_sockopt, &pb_shape_out_length },
      PB_STRACE_NETWORK },
    { "shutdown", { FD, &how_shut }, PB_STRACE_NETWORK },

    { "brk", { POINTER }, PB_STRACE_MEMORY, .hex = true },
    { "mmap", { POINTER, LU, &prot, &map_flags, FD, X }, PB_STRACE_MEMORY, .hex = true },
    { "munmap", { POINTER, LU }, PB_STRACE_MEMORY },
    { "mprotect", { POINTER, LU, &prot }, PB_STRACE_MEMORY },
    { "mremap", { POINTER, LU, LU, &remap, &pb_shape_remap_to }, PB_STRACE_MEMORY, .hex = true },
    { "madvise", { POINTER, LU, &advice }, PB_STRACE_MEMORY },
    { "msync", { POINTER, LU, &sync_flags }, PB_STRACE_MEMORY },
    { "mincore", { POINTER, LU, POINTER }, PB_STRACE_MEMORY },
    { "mlock", { POINTER, LU }, PB_STRACE_MEMORY },
    { "mlock2", { POINTER, LU, &lock_flags }, PB_STRACE_MEMORY },
    { "munlock", { POINTER, LU }, PB_STRACE_MEMORY },
    { "munlockall", { NULL }, PB_STRACE_MEMORY },
    { "membarrier", { &barrier, X, D }, PB_STRACE_MEMORY },

    { "clock_gettime", { &clock_id, &pb_shape_out_timespec } },
    { "clock_getres", { &clock_id, &pb_shape_out_timespec } },
    { "clock_settime", { &clock_id, TIME } },
    { "clock_nanosleep", { &clock_id, &timer_flags, TIME, &pb_shape_left }, .waits = true },
    { "nanosleep", { TIME, &pb_shape_left }, .waits = true },
    { "gettimeofday", { &pb_shape_out_timeval, POINTER } },
    { "getitimer", { &itimer, &pb_shape_out_itimerval } },
    { "setitimer", { &itimer, &pb_shape_itimerval, &pb_shape_out_itimerval } },
    { "timer_create", { &clock_id, &pb_shape_kernel_timer, &pb_shape_out_int } },
    { "timer_settime", { D, &timer_flags, &pb_shape_itimerspec, &pb_shape_out_itimerspec } },
    { "timer_gettime", { D, &pb_shape_out_itimerspec } },

    { "rt_sigaction",
      { &pb_shape_signal, &pb_shape_sigaction, &pb_shape_out_sigaction, LU },
      PB_STRACE_SIGNAL },
    { "rt_sigprocmask", { &how, SET, &pb_shape_out_sigset, LU }, PB_STRACE_SIGNAL },
    { "rt_sigpending", { &pb_shape_out_sigset, LU }, PB_STRACE_SIGNAL },
    { "rt_sigsuspend", { SET, LU }, PB_STRACE_SIGNAL, true },
    { "rt_sigtimedwait", { SET, &pb_shape_out_siginfo, TIME, LU }, PB_STRACE_SIGNAL, true },
    { "rt_sigqueueinfo", { D, &pb_shape_signal, POINTER }, PB_STRACE_SIGNAL },
    { "rt_tgsigqueueinfo", { D, D, &pb_shape_signal, POINTER }, PB_STRACE_SIGNAL },
    { "rt_sigreturn", { &pb_shape_frame }, PB_STRACE_SIGNAL },
    { "sigaltstack", { &pb_shape_altstack, &pb_shape_out_altstack }, PB_STRACE_SIGNAL },
    /* Those that send signals may not come back. */
    { "kill", { D, &pb_shape_signal }, PB_STRACE_SIGNAL, true },
    { "tkill", { D, &pb_shape_signal }, PB_STRACE_SIGNAL, true },
    { "tgkill", { D, D, &pb_shape_signal }, PB_STRACE_SIGNAL, true },
    { "pidfd_send_signal", { FD, &pb_shape_signal, POINTER, X }, PB_STRACE_SIGNAL },
    { "pidfd_open", { D, &pidfd_flags }, PB_STRACE_DESC },

    { "exit", { D }, PB_STRACE_PROCESS },
    { "exit_group", { D }, PB_STRACE_PROCESS },
    { "clone", { &pb_shape_clone_flags }, PB_STRACE_PROCESS },
    { "clone3", { &pb_shape_clone3, LU }, PB_STRACE_PROCESS },
    { "execve", { PATH, &pb_shape_strings, &pb_shape_environment }, PB_STRACE_PROCESS, true },
    { "execveat",
      { DIRFD, PATH, &pb_shape_strings, &pb_shape_environment, &at },
      PB_STRACE_PROCESS,
      true },
    { "wait4",
      { D, &pb_shape_status, &wait_flags, &pb_shape_out_rusage },
      PB_STRACE_PROCESS,
      true },
    { "waitid",
      { &id_type, D, &pb_shape_out_siginfo, &wait_flags, &pb_shape_out_rusage },
      PB_STRACE_PROCESS,
      true },
    { "getpriority", { &priority, D } },
    { "setpriority", { &priority, D, D } },
    { "sched_getaffinity", { D, LU, &pb_shape_out_cpu_set } },
    { "sched_setaffinity", { D, LU, &pb_shape_cpu_set } },
    { "sched_setscheduler", { D, &policy, POINTER } },
    { "sched_get_priority_max", { &policy } },
    { "sched_get_priority_min", { &policy } },
    { "getrusage", { &who, &pb_shape_out_rusage } },
    { "prlimit64", { D, &resource, &pb_shape_rlimit, &pb_shape_out_rlimit } },
    { "getrlimit", { &resource, &pb_shape_out_rlimit } },
    { "setrlimit", { &resource, &pb_shape_rlimit } },
    { "set_robust_list", { POINTER, LU } },
    { "rseq", { POINTER, X, &rseq, X } },
    { "futex",
      { POINTER, &pb_shape_futex_op, &pb_shape_futex_value, &pb_shape_futex_time,
        &pb_shape_futex_second, &pb_shape_futex_third },
      .waits = true },
    { "prctl",
      { &option, &pb_shape_prctl2, &pb_shape_prctl_more, &pb_shape_prctl_more,
        &pb_shape_prctl_more } },
    { "uname", { &pb_shape_utsname } },
    { "sysinfo", { &pb_shape_out_sysinfo } },
    { "getrandom", { &pb_shape_out_hex, LU, &random_flags } },
};

const pb_strace_call *pb_strace_find_call(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(calls); i++) {
        if (strcmp(calls[i].name, name) == 0)
            return &calls[i];
    }
    return NULL;
}

const pb_strace_shape *pb_strace_letter(char letter)
{
    static const struct {
        char letter;
        const pb_strace_shape *shape;
    } rows[] = {
        { 'd', D },       { 'u', LU },      { 'o', MODE },    { 'f', FD },      { '@', DIRFD },
        { 'p', PATH },    { 'l', PATH },    { 'q', PATH },    { 's', TEXT },    { 'x', X },
        { 'a', POINTER }, { 'r', POINTER }, { 'w', POINTER }, { 'n', POINTER }, { 't', TIME },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].letter == letter)
            return rows[i].shape;
    }
    return X;
}

bool pb_strace_takes(const pb_strace_shape *shape, pb_strace_class class)
{
    return shape && ((class == PB_STRACE_FILE && shape == PATH) ||
                     (class == PB_STRACE_DESC && (shape == FD || shape == DIRFD)));
}
