/* System calls that are more than the host's (syscalls.def), by the files that have them. */
#ifndef CORE_USER_HANDLERS_H
#define CORE_USER_HANDLERS_H

#include <core/user/internal.h>
#include <sys/uio.h>

/* An address of the program's, for the host; null stays null. */
static inline uintptr_t host(const pb_user_thread *t, uint64_t gva)
{
    return (uintptr_t)pb_user_pointer(t->user, gva);
}

/* A path of the program, from an open folder on, or AT_FDCWD, as the host has it (pb_user_host_path_at); g_free() it. Null with *result
 * set. */
char *pb_user_take_path(pb_user_thread *t, uint64_t folder, uint64_t gva, bool follow,
                        int64_t *result);

/* The program's list of `count` buffers as the host's, into `list` of IOV_MAX; their number, or an error. */
int64_t pb_user_take_iovec(pb_user_thread *t, uint64_t gva, uint64_t count, struct iovec *list);
/* The kernel put n bytes into such buffers, which may have been code. */
void pb_user_have_read_list(pb_user_thread *t, const struct iovec *list, int64_t count, int64_t n);

/* Read or write by a descriptor of the program's memory (mem.c): at a position, or, if that is null, at the file's. */
int64_t pb_user_access_memory(pb_user_thread *t, uint64_t fd, const struct iovec *list,
                              int64_t count, const uint64_t *position, bool writes);

/* Whether it is a call about a socket with a limit of time: SO_RCVTIMEO, SO_SNDTIMEO. */
bool pb_user_has_limit(const pb_user_row *row, const uint64_t a[6]);

/* What the third argument of fcntl() is. */
typedef enum pb_user_fcntl {
    PB_USER_FCNTL_MISSING, /* the command is not there */
    PB_USER_FCNTL_NONE,
    PB_USER_FCNTL_NUMBER,
    PB_USER_FCNTL_BITS,       /* or a number that is one of names */
    PB_USER_FCNTL_FD_FLAGS,   /* FD_CLOEXEC */
    PB_USER_FCNTL_OPEN_FLAGS, /* O_APPEND ... */
    PB_USER_FCNTL_LOCK,       /* the address of a struct flock */
    PB_USER_FCNTL_STRUCTURE,  /* that of another, which has no pointers */
} pb_user_fcntl;

pb_user_fcntl pb_user_fcntl_argument(int command);

/* sys_file.c */
HANDLER(sys_read);
HANDLER(sys_pread64);
HANDLER(sys_write);
HANDLER(sys_pwrite64);
HANDLER(sys_readv);
HANDLER(sys_preadv);
HANDLER(sys_writev);
HANDLER(sys_pwritev);
HANDLER(sys_preadv2);
HANDLER(sys_pwritev2);
HANDLER(sys_vmsplice);
HANDLER(sys_openat);
HANDLER(sys_openat2);
HANDLER(sys_pipe2);
HANDLER(sys_close);
HANDLER(sys_close_range);
HANDLER(sys_dup3);
HANDLER(sys_fcntl);
HANDLER(sys_newfstatat);
HANDLER(sys_fstat);
HANDLER(sys_statx);
HANDLER(sys_readlinkat);
HANDLER(sys_getdents64);
HANDLER(sys_getcwd);
HANDLER(sys_ppoll);
HANDLER(sys_pselect6);
HANDLER(sys_epoll_ctl);
HANDLER(sys_epoll_pwait);
HANDLER(sys_epoll_pwait2);
/* sys_ioctl.c */
HANDLER(sys_ioctl);
/* sys_ipc.c */
HANDLER(sys_mq_notify);
HANDLER(sys_semctl);
HANDLER(sys_msgrcv);
HANDLER(sys_shmat);
HANDLER(sys_shmdt);
/* sys_socket.c */
HANDLER(sys_sendmsg);
HANDLER(sys_recvmsg);
HANDLER(sys_sendmmsg);
HANDLER(sys_recvmmsg);
HANDLER(sys_setsockopt);
HANDLER(sys_getsockopt);
/* sys_memory.c */
HANDLER(sys_brk);
HANDLER(sys_mmap);
HANDLER(sys_munmap);
HANDLER(sys_mprotect);
HANDLER(sys_pkey_mprotect);
HANDLER(sys_mremap);
HANDLER(sys_msync);
HANDLER(sys_mincore);
HANDLER(sys_madvise);
/* sys_process.c */
HANDLER(sys_exit);
HANDLER(sys_exit_group);
HANDLER(sys_wait4);
HANDLER(sys_waitid);
HANDLER(sys_timer_create);
HANDLER(sys_prlimit64);
HANDLER(sys_getrlimit);
HANDLER(sys_setrlimit);
HANDLER(sys_set_tid_address);
HANDLER(sys_set_robust_list);
HANDLER(sys_get_robust_list);
HANDLER(sys_futex);
HANDLER(sys_prctl);
HANDLER(sys_uname);
HANDLER(sys_clock_gettime);
/* sys_fork.c */
HANDLER(sys_clone);
HANDLER(sys_clone3);
HANDLER(sys_execve);
HANDLER(sys_execveat);
HANDLER(sys_ptrace);
/* signal.c */
HANDLER(sys_kill);
HANDLER(sys_tkill);
HANDLER(sys_tgkill);
HANDLER(sys_rt_sigqueueinfo);
HANDLER(sys_rt_tgsigqueueinfo);
HANDLER(sys_pidfd_send_signal);
HANDLER(sys_rt_sigaction);
HANDLER(sys_rt_sigprocmask);
HANDLER(sys_rt_sigreturn);
HANDLER(sys_rt_sigpending);
HANDLER(sys_rt_sigsuspend);
HANDLER(sys_rt_sigtimedwait);
HANDLER(sys_sigaltstack);

#endif
