/*
 * Names of flags and numbers of system calls: Linux's generic values, which are those of the host's headers. What architectures
 * number differently, four bits of open(), strace_values.c takes from the architecture.
 *
 * Rows are in the order in which strace(1) shows bits.
 */
#include <core/user/strace.h>

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

#define NAME(value)     \
    {                   \
        (value), #value \
    }
#define END     \
    {           \
        0, NULL \
    }

/* ---- files ----------------------------------------------------------------------------------------------- */

const pb_strace_name pb_names_open[] = {
    NAME(O_CREAT),   NAME(O_EXCL),
    NAME(O_NOCTTY),  NAME(O_TRUNC),
    NAME(O_APPEND),  NAME(O_NONBLOCK),
    NAME(O_SYNC),    NAME(O_DSYNC),
    NAME(O_NOATIME), NAME(O_CLOEXEC),
    NAME(O_PATH),    { 020000000, "__O_TMPFILE" },
    NAME(O_ASYNC),   END,
};
const pb_strace_name pb_names_at[] = {
    { 0, "0" },          NAME(AT_SYMLINK_NOFOLLOW), NAME(AT_SYMLINK_FOLLOW),  NAME(AT_NO_AUTOMOUNT),
    NAME(AT_EMPTY_PATH), NAME(AT_STATX_FORCE_SYNC), NAME(AT_STATX_DONT_SYNC), END,
};
const pb_strace_name pb_names_at_access[] = {
    { 0, "0" }, NAME(AT_EACCESS), NAME(AT_SYMLINK_NOFOLLOW), NAME(AT_EMPTY_PATH), END,
};
const pb_strace_name pb_names_unlink[] = { { 0, "0" }, NAME(AT_REMOVEDIR), END };
const pb_strace_name pb_names_access[] = { NAME(F_OK), NAME(R_OK), NAME(W_OK), NAME(X_OK), END };
const pb_strace_name pb_names_whence[] = {
    NAME(SEEK_SET), NAME(SEEK_CUR), NAME(SEEK_END), NAME(SEEK_DATA), NAME(SEEK_HOLE), END,
};
const pb_strace_name pb_names_file_type[] = {
    NAME(S_IFREG), NAME(S_IFDIR),  NAME(S_IFCHR), NAME(S_IFBLK),
    NAME(S_IFLNK), NAME(S_IFSOCK), NAME(S_IFIFO), END,
};
const pb_strace_name pb_names_fcntl[] = {
    NAME(F_DUPFD),         NAME(F_GETFD),
    NAME(F_SETFD),         NAME(F_GETFL),
    NAME(F_SETFL),         { 5, "F_GETLK" },
    { 6, "F_SETLK" },      { 7, "F_SETLKW" },
    NAME(F_SETOWN),        NAME(F_GETOWN),
    NAME(F_SETSIG),        NAME(F_GETSIG),
    NAME(F_SETOWN_EX),     NAME(F_GETOWN_EX),
    NAME(F_OFD_GETLK),     NAME(F_OFD_SETLK),
    NAME(F_OFD_SETLKW),    NAME(F_SETLEASE),
    NAME(F_GETLEASE),      NAME(F_NOTIFY),
    NAME(F_DUPFD_CLOEXEC), NAME(F_SETPIPE_SZ),
    NAME(F_GETPIPE_SZ),    NAME(F_ADD_SEALS),
    NAME(F_GET_SEALS),     END,
};
const pb_strace_name pb_names_fd_flags[] = { { 0, "0" }, NAME(FD_CLOEXEC), END };
const pb_strace_name pb_names_lock[] = { NAME(F_RDLCK), NAME(F_WRLCK), NAME(F_UNLCK), END };
const pb_strace_name pb_names_flock[] = {
    NAME(LOCK_SH), NAME(LOCK_EX), NAME(LOCK_NB), NAME(LOCK_UN), END,
};
const pb_strace_name pb_names_fallocate[] = {
    { 0, "0" },
    NAME(FALLOC_FL_KEEP_SIZE),
    NAME(FALLOC_FL_PUNCH_HOLE),
    NAME(FALLOC_FL_COLLAPSE_RANGE),
    NAME(FALLOC_FL_ZERO_RANGE),
    NAME(FALLOC_FL_INSERT_RANGE),
    NAME(FALLOC_FL_UNSHARE_RANGE),
    END,
};
const pb_strace_name pb_names_advice[] = {
    NAME(POSIX_FADV_NORMAL),
    NAME(POSIX_FADV_RANDOM),
    NAME(POSIX_FADV_SEQUENTIAL),
    NAME(POSIX_FADV_WILLNEED),
    NAME(POSIX_FADV_DONTNEED),
    NAME(POSIX_FADV_NOREUSE),
    END,
};
const pb_strace_name pb_names_statx_mask[] = {
    { STATX_ALL, "STATX_ALL" },
    { STATX_BASIC_STATS, "STATX_BASIC_STATS" },
    NAME(STATX_TYPE),
    NAME(STATX_MODE),
    NAME(STATX_NLINK),
    NAME(STATX_UID),
    NAME(STATX_GID),
    NAME(STATX_ATIME),
    NAME(STATX_MTIME),
    NAME(STATX_CTIME),
    NAME(STATX_INO),
    NAME(STATX_SIZE),
    NAME(STATX_BLOCKS),
    NAME(STATX_BTIME),
    NAME(STATX_MNT_ID),
    END,
};
const pb_strace_name pb_names_rename[] = {
    { 0, "0" }, NAME(RENAME_NOREPLACE), NAME(RENAME_EXCHANGE), NAME(RENAME_WHITEOUT), END,
};
const pb_strace_name pb_names_splice[] = {
    { 0, "0" },          NAME(SPLICE_F_MOVE), NAME(SPLICE_F_NONBLOCK),
    NAME(SPLICE_F_MORE), NAME(SPLICE_F_GIFT), END,
};
const pb_strace_name pb_names_pipe[] = {
    { 0, "0" }, NAME(O_NONBLOCK), NAME(O_CLOEXEC), NAME(O_EXCL), END,
};
const pb_strace_name pb_names_close_range[] = {
    { 0, "0" },
    NAME(CLOSE_RANGE_UNSHARE),
    NAME(CLOSE_RANGE_CLOEXEC),
    END,
};
const pb_strace_name pb_names_xattr[] = {
    { 0, "0" }, NAME(XATTR_CREATE), NAME(XATTR_REPLACE), END
};
const pb_strace_name pb_names_memfd[] = {
    { 0, "0" }, NAME(MFD_CLOEXEC), NAME(MFD_ALLOW_SEALING), NAME(MFD_HUGETLB), END,
};
const pb_strace_name pb_names_eventfd[] = {
    { 0, "0" }, NAME(EFD_CLOEXEC), NAME(EFD_NONBLOCK), NAME(EFD_SEMAPHORE), END,
};
const pb_strace_name pb_names_timerfd[] = {
    { 0, "0" }, NAME(TFD_CLOEXEC), NAME(TFD_NONBLOCK), END
};
const pb_strace_name pb_names_signalfd[] = {
    { 0, "0" },
    NAME(SFD_CLOEXEC),
    NAME(SFD_NONBLOCK),
    END,
};
const pb_strace_name pb_names_inotify_init[] = {
    { 0, "0" },
    NAME(IN_CLOEXEC),
    NAME(IN_NONBLOCK),
    END,
};
const pb_strace_name pb_names_inotify[] = {
    NAME(IN_ACCESS),      NAME(IN_MODIFY),        NAME(IN_ATTRIB),
    NAME(IN_CLOSE_WRITE), NAME(IN_CLOSE_NOWRITE), NAME(IN_OPEN),
    NAME(IN_MOVED_FROM),  NAME(IN_MOVED_TO),      NAME(IN_CREATE),
    NAME(IN_DELETE),      NAME(IN_DELETE_SELF),   NAME(IN_MOVE_SELF),
    NAME(IN_ONLYDIR),     NAME(IN_DONT_FOLLOW),   NAME(IN_EXCL_UNLINK),
    NAME(IN_MASK_ADD),    NAME(IN_ONESHOT),       END,
};
const pb_strace_name pb_names_poll[] = {
    { 0, "0" },
    NAME(POLLIN),
    NAME(POLLPRI),
    NAME(POLLOUT),
    NAME(POLLRDNORM),
    NAME(POLLWRNORM),
    NAME(POLLRDBAND),
    NAME(POLLWRBAND),
    NAME(POLLERR),
    NAME(POLLHUP),
    NAME(POLLNVAL),
    NAME(POLLRDHUP),
    END,
};
const pb_strace_name pb_names_epoll[] = {
    { 0, "0" },
    NAME(EPOLLIN),
    NAME(EPOLLPRI),
    NAME(EPOLLOUT),
    NAME(EPOLLRDNORM),
    NAME(EPOLLRDBAND),
    NAME(EPOLLWRNORM),
    NAME(EPOLLWRBAND),
    NAME(EPOLLERR),
    NAME(EPOLLHUP),
    NAME(EPOLLRDHUP),
    { 1u << 28, "EPOLLEXCLUSIVE" },
    { 1u << 29, "EPOLLWAKEUP" },
    { 1u << 30, "EPOLLONESHOT" },
    { 1u << 31, "EPOLLET" },
    END,
};
const pb_strace_name pb_names_epoll_op[] = {
    NAME(EPOLL_CTL_ADD),
    NAME(EPOLL_CTL_DEL),
    NAME(EPOLL_CTL_MOD),
    END,
};
const pb_strace_name pb_names_epoll_create[] = { { 0, "0" }, NAME(EPOLL_CLOEXEC), END };

/* Requests of ioctl(): those of asm-generic. */
const pb_strace_name pb_names_ioctl[] = {
    NAME(TCGETS),
    NAME(TCSETS),
    NAME(TCSETSW),
    NAME(TCSETSF),
    NAME(TCGETA),
    NAME(TCSETA),
    NAME(TCSETAW),
    NAME(TCSETAF),
    NAME(TCSBRK),
    NAME(TCXONC),
    NAME(TCFLSH),
    NAME(TIOCEXCL),
    NAME(TIOCNXCL),
    NAME(TIOCSCTTY),
    NAME(TIOCGPGRP),
    NAME(TIOCSPGRP),
    NAME(TIOCOUTQ),
    NAME(TIOCSTI),
    NAME(TIOCGWINSZ),
    NAME(TIOCSWINSZ),
    NAME(TIOCMGET),
    NAME(TIOCMBIS),
    NAME(TIOCMBIC),
    NAME(TIOCMSET),
    NAME(TIOCGSOFTCAR),
    NAME(TIOCSSOFTCAR),
    NAME(FIONREAD),
    NAME(TIOCLINUX),
    NAME(TIOCCONS),
    NAME(TIOCGSERIAL),
    NAME(TIOCSSERIAL),
    NAME(TIOCPKT),
    NAME(FIONBIO),
    NAME(TIOCNOTTY),
    NAME(TIOCSETD),
    NAME(TIOCGETD),
    NAME(TCSBRKP),
    NAME(TIOCSBRK),
    NAME(TIOCCBRK),
    NAME(TIOCGSID),
    { 0x802c542a, "TCGETS2" },
    { 0x402c542b, "TCSETS2" },
    { 0x402c542c, "TCSETSW2" },
    { 0x402c542d, "TCSETSF2" },
    NAME(TIOCGPTN),
    NAME(TIOCSPTLCK),
    NAME(TIOCGPTPEER),
    NAME(FIONCLEX),
    NAME(FIOCLEX),
    NAME(FIOASYNC),
    NAME(FIOQSIZE),
    { 0x8901, "FIOSETOWN" },
    { 0x8902, "SIOCSPGRP" },
    { 0x8903, "FIOGETOWN" },
    { 0x8904, "SIOCGPGRP" },
    { 0x8905, "SIOCATMARK" },
    { 0x8906, "SIOCGSTAMP" },
    { 0x890b, "SIOCADDRT" },
    { 0x890c, "SIOCDELRT" },
    { 0x8910, "SIOCGIFNAME" },
    { 0x8912, "SIOCGIFCONF" },
    { 0x8913, "SIOCGIFFLAGS" },
    { 0x8914, "SIOCSIFFLAGS" },
    { 0x8915, "SIOCGIFADDR" },
    { 0x8916, "SIOCSIFADDR" },
    { 0x8919, "SIOCGIFBRDADDR" },
    { 0x891b, "SIOCGIFNETMASK" },
    { 0x891d, "SIOCGIFMETRIC" },
    { 0x8921, "SIOCGIFMTU" },
    { 0x8922, "SIOCSIFMTU" },
    { 0x8927, "SIOCGIFHWADDR" },
    { 0x8933, "SIOCGIFINDEX" },
    { 0x8942, "SIOCGIFTXQLEN" },
    { 0x8946, "SIOCETHTOOL" },
    NAME(BLKROSET),
    NAME(BLKROGET),
    NAME(BLKRRPART),
    NAME(BLKGETSIZE),
    NAME(BLKFLSBUF),
    NAME(BLKRASET),
    NAME(BLKRAGET),
    NAME(BLKSSZGET),
    NAME(BLKBSZGET),
    NAME(BLKGETSIZE64),
    NAME(BLKDISCARD),
    NAME(BLKPBSZGET),
    NAME(FICLONE),
    NAME(FICLONERANGE),
    NAME(FIDEDUPERANGE),
    NAME(FS_IOC_GETFLAGS),
    NAME(FS_IOC_SETFLAGS),
    NAME(FS_IOC_GETVERSION),
    NAME(FS_IOC_FIEMAP),
    NAME(FS_IOC_FSGETXATTR),
    NAME(FS_IOC_FSSETXATTR),
    NAME(FIFREEZE),
    NAME(FITHAW),
    NAME(FITRIM),
    NAME(FIGETBSZ),
    NAME(FIBMAP),
    { 0x4b33, "KDGKBTYPE" },
    { 0x4b3a, "KDSETMODE" },
    { 0x4b3b, "KDGETMODE" },
    { 0x5600, "VT_OPENQRY" },
    { 0x5603, "VT_GETSTATE" },
    END,
};

/* ---- memory ---------------------------------------------------------------------------------------------- */

const pb_strace_name pb_names_prot[] = {
    NAME(PROT_NONE),
    NAME(PROT_READ),
    NAME(PROT_WRITE),
    NAME(PROT_EXEC),
    NAME(PROT_GROWSDOWN),
    NAME(PROT_GROWSUP),
    END,
};
const pb_strace_name pb_names_map[] = {
    { MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE" },
    NAME(MAP_SHARED),
    NAME(MAP_PRIVATE),
    NAME(MAP_FIXED),
    NAME(MAP_ANONYMOUS),
    NAME(MAP_NORESERVE),
    NAME(MAP_POPULATE),
    NAME(MAP_NONBLOCK),
    NAME(MAP_GROWSDOWN),
    NAME(MAP_DENYWRITE),
    NAME(MAP_EXECUTABLE),
    NAME(MAP_LOCKED),
    NAME(MAP_STACK),
    NAME(MAP_HUGETLB),
    NAME(MAP_SYNC),
    NAME(MAP_FIXED_NOREPLACE),
    END,
};
const pb_strace_name pb_names_madvise[] = {
    NAME(MADV_NORMAL),     NAME(MADV_RANDOM),    NAME(MADV_SEQUENTIAL),  NAME(MADV_WILLNEED),
    NAME(MADV_DONTNEED),   NAME(MADV_FREE),      NAME(MADV_REMOVE),      NAME(MADV_DONTFORK),
    NAME(MADV_DOFORK),     NAME(MADV_MERGEABLE), NAME(MADV_UNMERGEABLE), NAME(MADV_HUGEPAGE),
    NAME(MADV_NOHUGEPAGE), NAME(MADV_DONTDUMP),  NAME(MADV_DODUMP),      NAME(MADV_WIPEONFORK),
    NAME(MADV_KEEPONFORK), NAME(MADV_COLD),      NAME(MADV_PAGEOUT),     END,
};
const pb_strace_name pb_names_mremap[] = {
    { 0, "0" }, NAME(MREMAP_MAYMOVE), NAME(MREMAP_FIXED), NAME(MREMAP_DONTUNMAP), END,
};
const pb_strace_name pb_names_msync[] = { NAME(MS_SYNC), NAME(MS_ASYNC), NAME(MS_INVALIDATE), END };
const pb_strace_name pb_names_mlock[] = { { 0, "0" }, { 1, "MLOCK_ONFAULT" }, END };
const pb_strace_name pb_names_membarrier[] = {
    { 0, "MEMBARRIER_CMD_QUERY" },
    { 1, "MEMBARRIER_CMD_GLOBAL" },
    { 8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED" },
    { 16, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED" },
    END,
};

/* ---- processes and threads ------------------------------------------------------------------------------- */

const pb_strace_name pb_names_clone[] = {
    NAME(CLONE_VM),
    NAME(CLONE_FS),
    NAME(CLONE_FILES),
    NAME(CLONE_SIGHAND),
    { 0x1000, "CLONE_PIDFD" },
    NAME(CLONE_PTRACE),
    NAME(CLONE_VFORK),
    NAME(CLONE_PARENT),
    NAME(CLONE_THREAD),
    NAME(CLONE_NEWNS),
    NAME(CLONE_SYSVSEM),
    NAME(CLONE_SETTLS),
    NAME(CLONE_PARENT_SETTID),
    NAME(CLONE_CHILD_CLEARTID),
    NAME(CLONE_DETACHED),
    NAME(CLONE_UNTRACED),
    NAME(CLONE_CHILD_SETTID),
    NAME(CLONE_NEWCGROUP),
    NAME(CLONE_NEWUTS),
    NAME(CLONE_NEWIPC),
    NAME(CLONE_NEWUSER),
    NAME(CLONE_NEWPID),
    NAME(CLONE_NEWNET),
    NAME(CLONE_IO),
    { UINT64_C(0x100000000), "CLONE_CLEAR_SIGHAND" },
    { UINT64_C(0x200000000), "CLONE_INTO_CGROUP" },
    END,
};
const pb_strace_name pb_names_futex[] = {
    NAME(FUTEX_WAIT),           NAME(FUTEX_WAKE),         NAME(FUTEX_FD),
    NAME(FUTEX_REQUEUE),        NAME(FUTEX_CMP_REQUEUE),  NAME(FUTEX_WAKE_OP),
    NAME(FUTEX_LOCK_PI),        NAME(FUTEX_UNLOCK_PI),    NAME(FUTEX_TRYLOCK_PI),
    NAME(FUTEX_WAIT_BITSET),    NAME(FUTEX_WAKE_BITSET),  NAME(FUTEX_WAIT_REQUEUE_PI),
    NAME(FUTEX_CMP_REQUEUE_PI), { 13, "FUTEX_LOCK_PI2" }, END,
};
const pb_strace_name pb_names_wait[] = {
    { 0, "0" },
    NAME(WNOHANG),
    { WSTOPPED, "WSTOPPED" },
    NAME(WEXITED),
    NAME(WCONTINUED),
    NAME(WNOWAIT),
    { 0x20000000, "__WNOTHREAD" },
    { 0x80000000, "__WCLONE" },
    { 0x40000000, "__WALL" },
    END,
};
const pb_strace_name pb_names_id_type[] = {
    { 0, "P_ALL" }, { 1, "P_PID" }, { 2, "P_PGID" }, { 3, "P_PIDFD" }, END,
};
const pb_strace_name pb_names_prctl[] = {
    NAME(PR_SET_PDEATHSIG),
    NAME(PR_GET_PDEATHSIG),
    NAME(PR_GET_DUMPABLE),
    NAME(PR_SET_DUMPABLE),
    NAME(PR_GET_UNALIGN),
    NAME(PR_SET_UNALIGN),
    NAME(PR_GET_KEEPCAPS),
    NAME(PR_SET_KEEPCAPS),
    NAME(PR_SET_NAME),
    NAME(PR_GET_NAME),
    NAME(PR_GET_SECCOMP),
    NAME(PR_SET_SECCOMP),
    NAME(PR_CAPBSET_READ),
    NAME(PR_CAPBSET_DROP),
    NAME(PR_GET_SECUREBITS),
    NAME(PR_SET_SECUREBITS),
    NAME(PR_SET_TIMERSLACK),
    NAME(PR_GET_TIMERSLACK),
    NAME(PR_SET_PTRACER),
    NAME(PR_SET_MM),
    NAME(PR_SET_CHILD_SUBREAPER),
    NAME(PR_GET_CHILD_SUBREAPER),
    NAME(PR_SET_NO_NEW_PRIVS),
    NAME(PR_GET_NO_NEW_PRIVS),
    NAME(PR_GET_TID_ADDRESS),
    NAME(PR_SET_THP_DISABLE),
    NAME(PR_GET_THP_DISABLE),
    NAME(PR_CAP_AMBIENT),
    NAME(PR_SVE_SET_VL),
    NAME(PR_SVE_GET_VL),
    NAME(PR_GET_SPECULATION_CTRL),
    NAME(PR_SET_SPECULATION_CTRL),
    NAME(PR_PAC_RESET_KEYS),
    NAME(PR_SET_TAGGED_ADDR_CTRL),
    NAME(PR_GET_TAGGED_ADDR_CTRL),
    { 0x53564d41, "PR_SET_VMA" },
    END,
};
const pb_strace_name pb_names_resource[] = {
    NAME(RLIMIT_CPU),
    NAME(RLIMIT_FSIZE),
    NAME(RLIMIT_DATA),
    NAME(RLIMIT_STACK),
    NAME(RLIMIT_CORE),
    NAME(RLIMIT_RSS),
    NAME(RLIMIT_NPROC),
    NAME(RLIMIT_NOFILE),
    NAME(RLIMIT_MEMLOCK),
    NAME(RLIMIT_AS),
    NAME(RLIMIT_LOCKS),
    NAME(RLIMIT_SIGPENDING),
    NAME(RLIMIT_MSGQUEUE),
    NAME(RLIMIT_NICE),
    NAME(RLIMIT_RTPRIO),
    NAME(RLIMIT_RTTIME),
    END,
};
const pb_strace_name pb_names_who[] = {
    NAME(RUSAGE_SELF),
    { (uint32_t)RUSAGE_CHILDREN, "RUSAGE_CHILDREN" },
    NAME(RUSAGE_THREAD),
    END,
};
const pb_strace_name pb_names_priority[] = {
    NAME(PRIO_PROCESS),
    NAME(PRIO_PGRP),
    NAME(PRIO_USER),
    END,
};
const pb_strace_name pb_names_sched[] = {
    NAME(SCHED_OTHER), NAME(SCHED_FIFO), NAME(SCHED_RR), NAME(SCHED_BATCH), NAME(SCHED_IDLE), END,
};
const pb_strace_name pb_names_random[] = {
    { 0, "0" }, NAME(GRND_NONBLOCK), NAME(GRND_RANDOM), { 4, "GRND_INSECURE" }, END,
};
const pb_strace_name pb_names_rseq[] = { { 0, "0" }, { 1, "RSEQ_FLAG_UNREGISTER" }, END };
const pb_strace_name pb_names_pidfd[] = { { 0, "0" }, { O_NONBLOCK, "PIDFD_NONBLOCK" }, END };

/* ---- time ------------------------------------------------------------------------------------------------ */

const pb_strace_name pb_names_clock[] = {
    NAME(CLOCK_REALTIME),          NAME(CLOCK_MONOTONIC),     NAME(CLOCK_PROCESS_CPUTIME_ID),
    NAME(CLOCK_THREAD_CPUTIME_ID), NAME(CLOCK_MONOTONIC_RAW), NAME(CLOCK_REALTIME_COARSE),
    NAME(CLOCK_MONOTONIC_COARSE),  NAME(CLOCK_BOOTTIME),      NAME(CLOCK_REALTIME_ALARM),
    NAME(CLOCK_BOOTTIME_ALARM),    NAME(CLOCK_TAI),           END,
};
const pb_strace_name pb_names_itimer[] = {
    { ITIMER_REAL, "ITIMER_REAL" },
    { ITIMER_VIRTUAL, "ITIMER_VIRTUAL" },
    { ITIMER_PROF, "ITIMER_PROF" },
    END,
};
const pb_strace_name pb_names_timer_flags[] = { { 0, "0" }, NAME(TIMER_ABSTIME), END };
const pb_strace_name pb_names_timer_create[] = {
    NAME(SIGEV_SIGNAL), NAME(SIGEV_NONE), NAME(SIGEV_THREAD), { 4, "SIGEV_THREAD_ID" }, END,
};

/* ---- signals --------------------------------------------------------------------------------------------- */

const pb_strace_name pb_names_how[] = {
    NAME(SIG_BLOCK),
    NAME(SIG_UNBLOCK),
    NAME(SIG_SETMASK),
    END,
};
const pb_strace_name pb_names_sa[] = {
    { 0, "0" },
    { 0x04000000, "SA_RESTORER" },
    NAME(SA_ONSTACK),
    NAME(SA_RESTART),
    { 0x20000000, "SA_INTERRUPT" },
    { 0x40000000, "SA_NODEFER" },
    { 0x80000000, "SA_RESETHAND" },
    NAME(SA_SIGINFO),
    NAME(SA_NOCLDSTOP),
    NAME(SA_NOCLDWAIT),
    END,
};
const pb_strace_name pb_names_ss[] = {
    { 0, "0" }, { 1, "SS_ONSTACK" }, { 2, "SS_DISABLE" }, { 1u << 31, "SS_AUTODISARM" }, END,
};

/* Codes of any signal. */
const pb_strace_name pb_names_si_code[] = {
    { 0, "SI_USER" },
    { 0x80, "SI_KERNEL" },
    { (uint32_t)-1, "SI_QUEUE" },
    { (uint32_t)-2, "SI_TIMER" },
    { (uint32_t)-3, "SI_MESGQ" },
    { (uint32_t)-4, "SI_ASYNCIO" },
    { (uint32_t)-5, "SI_SIGIO" },
    { (uint32_t)-6, "SI_TKILL" },
    END,
};

const char *pb_strace_si_code(int signal, int code)
{
    static const struct {
        int signal;
        const char *names[9];
    } rows[] = {
        { SIGILL,
          { NULL, "ILL_ILLOPC", "ILL_ILLOPN", "ILL_ILLADR", "ILL_ILLTRP", "ILL_PRVOPC",
            "ILL_PRVREG", "ILL_COPROC", "ILL_BADSTK" } },
        { SIGFPE,
          { NULL, "FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND",
            "FPE_FLTRES", "FPE_FLTINV", "FPE_FLTSUB" } },
        { SIGSEGV, { NULL, "SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR" } },
        { SIGBUS, { NULL, "BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR" } },
        { SIGTRAP, { NULL, "TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT" } },
        { SIGCHLD,
          { NULL, "CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED",
            "CLD_CONTINUED" } },
        { SIGIO, { NULL, "POLL_IN", "POLL_OUT", "POLL_MSG", "POLL_ERR", "POLL_PRI", "POLL_HUP" } },
    };

    for (unsigned i = 0; code > 0 && code < 9 && i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].signal == signal && rows[i].names[code])
            return rows[i].names[code];
    }
    for (const pb_strace_name *n = pb_names_si_code; n->name; n++) {
        if (n->value == (uint32_t)code)
            return n->name;
    }
    return NULL;
}

/* ---- sockets --------------------------------------------------------------------------------------------- */

const pb_strace_name pb_names_family[] = {
    NAME(AF_UNSPEC),
    NAME(AF_UNIX),
    NAME(AF_INET),
    NAME(AF_AX25),
    NAME(AF_INET6),
    NAME(AF_NETLINK),
    NAME(AF_PACKET),
    NAME(AF_BLUETOOTH),
    NAME(AF_CAN),
    NAME(AF_ALG),
    NAME(AF_VSOCK),
    NAME(AF_XDP),
    END,
};
const pb_strace_name pb_names_socket_type[] = {
    { SOCK_STREAM, "SOCK_STREAM" },
    { SOCK_DGRAM, "SOCK_DGRAM" },
    { SOCK_RAW, "SOCK_RAW" },
    { SOCK_RDM, "SOCK_RDM" },
    { SOCK_SEQPACKET, "SOCK_SEQPACKET" },
    { SOCK_PACKET, "SOCK_PACKET" },
    END,
};
const pb_strace_name pb_names_socket_flags[] = {
    { 0, "0" },
    { SOCK_CLOEXEC, "SOCK_CLOEXEC" },
    { SOCK_NONBLOCK, "SOCK_NONBLOCK" },
    END,
};
const pb_strace_name pb_names_ip[] = {
    { 0, "IPPROTO_IP" },     { 1, "IPPROTO_ICMP" },  { 6, "IPPROTO_TCP" },
    { 17, "IPPROTO_UDP" },   { 41, "IPPROTO_IPV6" }, { 58, "IPPROTO_ICMPV6" },
    { 132, "IPPROTO_SCTP" }, { 255, "IPPROTO_RAW" }, END,
};
const pb_strace_name pb_names_netlink[] = {
    { 0, "NETLINK_ROUTE" },
    { 4, "NETLINK_SOCK_DIAG" },
    { 9, "NETLINK_AUDIT" },
    { 12, "NETLINK_NETFILTER" },
    { 15, "NETLINK_KOBJECT_UEVENT" },
    { 16, "NETLINK_GENERIC" },
    END,
};
const pb_strace_name pb_names_level[] = {
    { SOL_SOCKET, "SOL_SOCKET" },
    { 0, "SOL_IP" },
    { 6, "SOL_TCP" },
    { 17, "SOL_UDP" },
    { 41, "SOL_IPV6" },
    { 255, "SOL_RAW" },
    { 263, "SOL_PACKET" },
    { 270, "SOL_NETLINK" },
    END,
};
const pb_strace_name pb_names_so[] = {
    NAME(SO_DEBUG),
    NAME(SO_REUSEADDR),
    NAME(SO_TYPE),
    NAME(SO_ERROR),
    NAME(SO_DONTROUTE),
    NAME(SO_BROADCAST),
    NAME(SO_SNDBUF),
    NAME(SO_RCVBUF),
    NAME(SO_KEEPALIVE),
    NAME(SO_OOBINLINE),
    NAME(SO_PRIORITY),
    NAME(SO_LINGER),
    NAME(SO_REUSEPORT),
    NAME(SO_PASSCRED),
    NAME(SO_PEERCRED),
    NAME(SO_RCVLOWAT),
    NAME(SO_SNDLOWAT),
    { 20, "SO_RCVTIMEO_OLD" },
    { 21, "SO_SNDTIMEO_OLD" },
    NAME(SO_BINDTODEVICE),
    NAME(SO_ATTACH_FILTER),
    NAME(SO_PEERNAME),
    { 29, "SO_TIMESTAMP_OLD" },
    NAME(SO_ACCEPTCONN),
    NAME(SO_PEERSEC),
    NAME(SO_SNDBUFFORCE),
    NAME(SO_RCVBUFFORCE),
    NAME(SO_PASSSEC),
    NAME(SO_MARK),
    NAME(SO_PROTOCOL),
    NAME(SO_DOMAIN),
    NAME(SO_BUSY_POLL),
    END,
};
const pb_strace_name pb_names_tcp[] = {
    NAME(TCP_NODELAY),      NAME(TCP_MAXSEG),       NAME(TCP_CORK),     NAME(TCP_KEEPIDLE),
    NAME(TCP_KEEPINTVL),    NAME(TCP_KEEPCNT),      NAME(TCP_SYNCNT),   NAME(TCP_LINGER2),
    NAME(TCP_DEFER_ACCEPT), NAME(TCP_WINDOW_CLAMP), NAME(TCP_INFO),     NAME(TCP_QUICKACK),
    NAME(TCP_CONGESTION),   NAME(TCP_USER_TIMEOUT), NAME(TCP_FASTOPEN), END,
};
const pb_strace_name pb_names_message[] = {
    { 0, "0" },
    { MSG_OOB, "MSG_OOB" },
    { MSG_PEEK, "MSG_PEEK" },
    { MSG_DONTROUTE, "MSG_DONTROUTE" },
    { MSG_CTRUNC, "MSG_CTRUNC" },
    { MSG_TRUNC, "MSG_TRUNC" },
    { MSG_DONTWAIT, "MSG_DONTWAIT" },
    { MSG_EOR, "MSG_EOR" },
    { MSG_WAITALL, "MSG_WAITALL" },
    { MSG_CONFIRM, "MSG_CONFIRM" },
    { MSG_ERRQUEUE, "MSG_ERRQUEUE" },
    { MSG_NOSIGNAL, "MSG_NOSIGNAL" },
    { MSG_MORE, "MSG_MORE" },
    { MSG_CMSG_CLOEXEC, "MSG_CMSG_CLOEXEC" },
    { MSG_FASTOPEN, "MSG_FASTOPEN" },
    END,
};
const pb_strace_name pb_names_shutdown[] = {
    { SHUT_RD, "SHUT_RD" },
    { SHUT_WR, "SHUT_WR" },
    { SHUT_RDWR, "SHUT_RDWR" },
    END,
};
