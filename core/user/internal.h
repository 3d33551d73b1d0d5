/* What the files of core/user share. */
#ifndef CORE_USER_INTERNAL_H
#define CORE_USER_INTERNAL_H

#include <core/user/space.h>
#include <core/user/user.h>
#include <patchbay/user.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PB_USER_SIGNALS 64
/* Of those: how many emitted code needs for itself (signal.c). */
#define PB_USER_HELD 4

/* Results that only the dispatcher sees, as the kernel's own. */
#define RESTART_AT_ONCE 512 /* nothing was begun: the call is made again after the signal */
#define NO_RESULT       514 /* registers are as they shall be (sigreturn, execve) */

typedef struct pb_user_thread pb_user_thread;
typedef struct pb_user_row pb_user_row;
typedef struct pb_user_debug pb_user_debug;       /* debug.c: a debugger */
typedef struct pb_user_debugged pb_user_debugged; /* a thread, for it */

/* What the program asked to do at a signal; numbers as the program gave them. */
typedef struct pb_user_action {
    uint64_t handler, flags, restorer, mask;
} pb_user_action;

struct pb_user {
    pb_user_options options;
    pb_machine_extras extras;
    pb_machine *machine;
    const pb_user_arch *arch;
    pb_user_space *space;
    char *path; /* of the program, absolute, without links; what it was, if it has none */
    char *file; /* what it is opened by: that, or a descriptor's entry in /proc */
    uint64_t brk_first, brk; /* the program's break; pages below it are mapped */
    uint64_t restorer;       /* address of the code that handlers return to */
    uint64_t vdso;           /* address of its image, or 0 */
    uint8_t *auxv;           /* as it lies on the stack, for /proc/self/auxv */
    uint64_t auxv_bytes;
    uint64_t first_mask; /* of signals */
    pthread_mutex_t brk_lock, signal_lock;
    pb_user_action actions[PB_USER_SIGNALS + 1];
    const pb_user_row **rows;        /* by the architecture's number */
    struct pb_user_missing *missing; /* missing.c */
    int self_fd;                     /* the emulator's file; -1: it cannot be named */
    char *self_word;                 /* option that tells it the next one */
    int memory_fd;                   /* the emulator's memory; -1: it cannot be opened (mem.c) */
    GArray *taken; /* int: descriptors that keep numbers free for the program, during setup */
    struct rlimit first_files; /* RLIMIT_NOFILE that it was started with */
    uint64_t fds[16];          /* bit for each number that is the emulator's */
    uint64_t stack_low, stack_top, first_sp;
    struct pb_semihosting *semihosting;
    bool dumped;              /* a core file was written */
    bool ends_as_faults;      /* atomic: a child's end may be told by a signal of the processor's */
    bool opens_memory;        /* atomic: it opened /proc/self/mem (mem.c) */
    uint32_t dying;           /* atomic: a thread ends the process by a signal */
    struct pb_strace *strace; /* strace.h; null: not asked for */

    /* Threads: thread.c. */
    pthread_mutex_t threads_lock;
    pthread_cond_t
        threads_cond;        /* one was born or ended, or does not work any more; no standstill */
    pb_user_thread *threads; /* under threads_lock, as what follows */
    uint32_t n_threads;
    uint32_t n_sharing;   /* children that have this memory (share.c) */
    uint32_t n_executing; /* threads that try to execute another program */
    int status;           /* of the process */
    bool ended;           /* by exit_group() */
    bool
        has_lost; /* made by fork(): the accelerator's threads, and others, are not there, but what they had allocated is */
    uint32_t standstill;  /* atomic, written under threads_lock */
    uint32_t ending;      /* atomic */
    pb_user_debug *debug; /* null: none */
};

/* What execve() is given: whoever has the memory afterwards frees it. */
typedef struct pb_user_execution {
    char *path;
    int file; /* a descriptor of the file that is executed, which has no path; 0: none */
    bool is_inaccessible; /* by the path, which is what a descriptor was that is closed then */
    GPtrArray *argv, *envp;
    GPtrArray *words; /* of the emulator's command, or null */
} pb_user_execution;

void pb_user_free_execution(pb_user_execution *e);

struct pb_user_thread {
    pb_user *user;
    pb_vcpu *vcpu;
    pb_user_event event;  /* cause 0: none */
    pb_user_thread *next; /* of the user's */
    pid_t tid;
    uint32_t works; /* atomic: it is neither in the guest nor in the host's kernel (thread.c) */
    bool is_leader;
    bool shares;                 /* its process has the memory of its parent, who waits (share.c) */
    uint32_t holds_nothing;      /* atomic, if it shares: SIGKILL may come */
    pthread_mutex_t *waits;      /* if it shares: the parent's, which has it; robust */
    int death_signal;            /* if it shares: what the program asked for by PR_SET_PDEATHSIG */
    pb_user_action *actions;     /* of its process: the user's, but if it shares */
    pb_user_execution execution; /* while it executes another program */
    bool ended, ends_all;
    bool has_no_cpu;    /* it was given back: the thread is about to end */
    bool awaits_tracer; /* by PTRACE_TRACEME, which failed */
    int status;
    uint64_t clear_tid;   /* address that is cleared at the thread's end, or 0 */
    uint64_t robust_list; /* atomic: address, or 0 */
    int64_t
        call_began; /* by CLOCK_MONOTONIC, in ns: a call with PB_USER_GOES_ON that may end in vain */
    int64_t waited;      /* of the call that goes on, until now, in ns; 0: none does */
    uint64_t goes_on_at; /* pc behind that call */

    /* Signals. The host's mask is `mask`, or everything while one is queued. */
    uint64_t mask;
    volatile uint32_t queued; /* a signal waits for its delivery; written by the host's handler */
    siginfo_t info;           /* of it */
    uint64_t held;            /* signals that wait to be noted; atomic */
    volatile uint32_t
        held_in_call; /* one has come since the host was last called, to be held or dropped, and ended that call in vain */
    volatile uint64_t lets_through;    /* of those that it blocks: a call does for a while */
    siginfo_t held_info[PB_USER_HELD]; /* of signals that are never blocked in the host */
    uint64_t stack_base, stack_bytes;  /* sigaltstack */
    bool stack_disarms;                /* SS_AUTODISARM: there is none while a handler executes */
    pb_user_debugged *debugged;        /* null: no debugger */
};

/* The thread's own, and the process's program. */
extern _Thread_local pb_user_thread *pb_user_current;
extern pb_user *pb_user_process;

/* What the emulator opens between these has high numbers, and is its own. */
void pb_user_take_numbers(pb_user *user);
void pb_user_give_numbers(pb_user *user);
/* The limit of who started the program, or its own, may be lower than that: it is raised for a moment, as far as that is permitted.
 * What it was: what ends it is given. Others wait. */
struct rlimit pb_user_raise_files(void);
void pb_user_lower_files(const struct rlimit *limit);
/* prlimit() of the program for this limit, which sees nothing of that: pointers to struct rlimit that the host's kernel checks, or null.
 * 0 or an error. */
int pb_user_limit_files(const void *new, void *old);
/* A pipe with such numbers, closed by execve(). -1 with errno. */
int pb_user_pipe(pb_user *user, int ends[2]);
/* A descriptor with such a number instead of `fd`, which is closed; -1 with errno. */
int pb_user_own_fd(pb_user *user, int fd);
/* The same file once more by such a number, which is not the emulator's: to be handed over to another program; -1 with errno. */
int pb_user_hand_fd(int fd);
/* Whether a descriptor is the emulator's own, which the program does not see. */
bool pb_user_owns_fd(const pb_user *user, uint64_t fd);

/* ---- memory of the program ----------------------------------------------------------------------------- */

/* The host address of a pointer that the host's kernel will follow, which checks it page by page: null stays null; what is not
 * in the program's space leads where nothing is. */
void *pb_user_pointer(const pb_user *user, uint64_t gva);
/* A structure of the host to the program, by the architecture's layout; the opposite. 0 or -EFAULT. `members` tells where
 * they lie in the host's. */
int pb_user_put(const pb_user *user, uint64_t gva, pb_user_struct which, const void *from);
int pb_user_get(const pb_user *user, uint64_t gva, pb_user_struct which, void *to);
uint32_t pb_user_struct_bytes(const pb_user *user, pb_user_struct which);
/* One in the emulator's memory. */
void pb_user_encode(const pb_user *user, pb_user_struct which, uint8_t *to, const void *from);
void pb_user_decode(const pb_user *user, pb_user_struct which, void *to, const uint8_t *from);

/* ---- images: image.c ------------------------------------------------------------------------------------ */

typedef struct pb_user_image {
    uint64_t entry, phdrs; /* addresses */
    uint64_t bias;         /* what was added to the file's addresses */
    uint64_t end;          /* behind its last byte */
    uint32_t n_phdrs, phdr_bytes;
    bool executable_stack;
    char *interpreter; /* as the file has it, or null */
} pb_user_image;

/* The name of the architecture of an ELF file, from its first bytes; null: none that is known. */
const char *pb_user_machine_name(const uint8_t *header, size_t bytes);
/* Map the file at `path` (of the host), which messages call `name`. */
bool pb_user_image_load(pb_user *user, const char *path, const char *name, bool is_interpreter,
                        pb_user_image *image, GError **error);

/* ---- start.c --------------------------------------------------------------------------------------------- */

bool pb_user_map_stack(pb_user *user, bool executable, GError **error);
/* Arguments, environment and auxiliary vector; the stack pointer, 0 with an error. */
uint64_t pb_user_fill_stack(pb_user *user, pb_vcpu *vcpu, const pb_user_image *program,
                            uint64_t interpreter_base, GError **error);

/* ---- vdso.c ---------------------------------------------------------------------------------------------- */

/* Once there is a stack, and before its auxiliary vector is. */
bool pb_user_map_vdso(pb_user *user, GError **error);

/* ---- path.c ---------------------------------------------------------------------------------------------- */

/* The host's path of an absolute path of the program; relative ones stay. `follow`: also if its last part is a link. Null: too many
 * links (ELOOP). g_free() it. */
char *pb_user_host_path(const pb_user *user, const char *path, bool follow);
/* The same for a path from an open folder on, or AT_FDCWD. */
char *pb_user_host_path_at(const pb_user *user, int fd, const char *path, bool follow);
/* The other direction: a part of `path`, or "/". */
const char *pb_user_shown_path(const pb_user *user, const char *path);
/* ---- proc.c ---------------------------------------------------------------------------------------------- */

/* What the program's own entries of /proc are instead of the host's: a descriptor with it, or -1: it is none of them. */
int pb_user_open_proc(pb_user *user, const char *path, int flags);
/* The same for what the link `exe` leads to: by what path it is opened; null: it is not that. */
const char *pb_user_proc_link(const pb_user *user, const char *path);
/* Takes a path of the host, from an open folder on, or AT_FDCWD: the path by which these functions know it, if it leads to such an entry in another
 * way ("maps" in /proc/self, /proc/self/cwd/...); else itself. */
char *pb_user_proc_path(int folder, char *path);
/* Whether it is the file of the program's memory (mem.c). */
bool pb_user_is_own_memory(const char *path);
/* Whether it is one that stands for an open descriptor. */
bool pb_user_is_own_file(const char *path);
/* Whether it is a link of the program in /proc that leads to a path. */
bool pb_user_is_own_link(const char *path);
/* Whether it is a path about a descriptor or a thread that are not the program's. */
bool pb_user_proc_hides(pb_user *user, const char *path);
/* Entries of a folder, of getdents64(): such ones are taken out. The bytes that stay. */
int64_t pb_user_proc_list(pb_user *user, int fd, uint8_t *list, int64_t bytes);
/* The process is called as the program's file. */
void pb_user_take_name(const pb_user *user);

/* ---- its memory as a file: mem.c ------------------------------------------------------------------------- */

/* Whether a path of the host is such a file, the program's or another process's. */
bool pb_user_names_memory(const char *path);
/* How the host is to open it instead; other paths stay. 0 or an error. */
int64_t pb_user_open_memory(pb_user *user, char **path, int *flags);

/* The emulator's own descriptor of it; in a child of fork(), while the limit is raised, that of its own memory instead. */
void pb_user_take_memory(pb_user *user);
void pb_user_renew_memory(pb_user *user);

typedef enum pb_user_memory {
    PB_USER_NO_MEMORY, /* another file */
    PB_USER_MEMORY_OF_OTHERS,
    PB_USER_MEMORY_READABLE,
    PB_USER_MEMORY_WRITABLE,
} pb_user_memory;

/* Whether a descriptor is of such a file. */
bool pb_user_is_memory_file(int fd);
/* What a descriptor is. */
pb_user_memory pb_user_memory_of(const pb_user_thread *t, uint64_t fd);

/* ---- system calls: syscall.c ------------------------------------------------------------------------------ */

/* Result: a value, or a negative error. */
typedef int64_t pb_user_handler(pb_user_thread *t, const uint64_t a[6]);

/* A system call. What its arguments are, one letter each:
 *   d  number          u  size, count      x  flags          o  mode
 *   f  descriptor      @  folder for relative paths          a  address that is not followed
 *   p  path            l  path whose last link is not followed
 *   q  path whose last link is followed unless the last argument has AT_SYMLINK_NOFOLLOW
 *   s  text            r  bytes that the kernel reads
 *   w  bytes that it writes                n  structure that is the same on all little-endian LP64 architectures
 *   t  how long it waits, such a structure: what is left of it, if it goes on after a signal (pb_user_wait_time) */
struct pb_user_row {
    const char *name;
    pb_user_handler *handler; /* null: the host's call of the same name, pointers translated */
    int32_t host;             /* its number, -1: none */
    uint32_t flags;           /* pb_user_row_flags */
    const char *arguments;
};

typedef enum pb_user_row_flags {
    PB_USER_RESTARTS = 1, /* after a handler with SA_RESTART it is made again */
    PB_USER_NEVER = 2,    /* does not return */
    /* After a handler it is not. After a signal without one, which interrupts those that are watched (--strace, gdb), it is: with the
     * same arguments, or for what is left of its time. */
    PB_USER_NO_HANDLER = 4,
    PB_USER_GOES_ON = 8,
    PB_USER_CREDENTIALS = 16, /* may change them */
} pb_user_row_flags;

/* Whether somebody is told of signals that the program has no handler for: they come, and interrupt calls. */
static inline bool pb_user_is_watched(const pb_user *user)
{
    return user->strace || user->debug;
}

/* Whether a call may end by a signal that is nothing to the program: such a one, or one that the thread blocks or ignores, and the host
 * cannot. */
bool pb_user_may_end_in_vain(const pb_user_thread *t);
/* How a call goes on that a signal interrupted: one of these flags, or 0. */
uint32_t pb_user_restarts(const pb_user_row *row, const uint64_t a[6]);
/* The time of a row's `t`, for the host: the program's own, or what is left of it. */
uint64_t pb_user_wait_time(pb_user_thread *t, uint64_t gva);

bool pb_user_bind_syscalls(pb_user *user);
void pb_user_do_syscall(pb_user_thread *t);

/* Make a call of the host's which may block; a signal that comes at any time before it has an effect ends it, with
 * -EINTR or, if it was not begun, -RESTART_AT_ONCE. */
int64_t pb_user_host(pb_user_thread *t, long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                     uint64_t e, uint64_t f);

#define HANDLER(name) int64_t name(pb_user_thread *t, const uint64_t a[6])

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND UINT64_C(0x100000000)
#endif

/* ---- threads: thread.c ------------------------------------------------------------------------------------- */

/* What clone() and clone3() ask for. */
typedef struct pb_user_clone {
    uint64_t flags; /* without a signal */
    uint64_t exit_signal;
    uint64_t sp; /* 0: the caller's */
    uint64_t parent_tid, child_tid, tls, pidfd;
} pb_user_clone;

pb_user_thread *pb_user_thread_new(pb_user *user, pb_vcpu *vcpu);
/* With what is its own; the vCPU is given back before. */
void pb_user_thread_free(pb_user_thread *t);
/* It has a thread of the host, which calls it. */
void pb_user_thread_enlist(pb_user_thread *t);
/* Executes until the thread ends, and frees it. True: with it the process ends, with user->status. Does not return for a child that
 * shares memory. */
bool pb_user_thread_run(pb_user_thread *t);
/* A new thread; its number, or an error. */
int64_t pb_user_thread_clone(pb_user_thread *t, const pb_user_clone *clone);
/* A thread with the maker's registers, but for what the call says; null: it cannot be. */
pb_user_thread *pb_user_thread_copy(const pb_user_thread *maker, const pb_user_clone *clone);
void pb_user_thread_delist(pb_user_thread *t);
void pb_user_thread_clear_number(pb_user_thread *t);
/* The process ends while it has several threads. */
G_NORETURN void pb_user_end_process(pb_user *user, int status);
/* Futexes of the robust list that the thread has: their owner died. Of all threads, which stand still from then on. */
void pb_user_release_futexes(const pb_user_thread *t);
void pb_user_release_all_futexes(pb_user_thread *t);
/* Around what a thread does outside of the guest, but not while it is in the host's kernel. */
void pb_user_work_begin(pb_user_thread *t);
void pb_user_work_end(pb_user_thread *t);
/* Around fork(): no other thread executes anything, or holds a lock. The child has no others. */
void pb_user_standstill_begin(pb_user_thread *t);
void pb_user_standstill_end(pb_user_thread *t, bool child);

/* ---- children that share memory: share.c ------------------------------------------------------------------- */

/* vfork(): the child's number, when it has executed another program or ended; or an error. */
int64_t pb_user_share_process(pb_user_thread *t, const pb_user_clone *clone);
/* Around what a child does while it holds nothing of the emulator's: it may be killed. Nothing for others. */
void pb_user_share_open(pb_user_thread *t);
void pb_user_share_close(pb_user_thread *t);
/* In a child that the thread made by fork(): its memory is its own. */
void pb_user_share_leave(pb_user_thread *t);
/* It ends with its parent, from now on: to be said again when its credentials may have changed. Nothing for others. */
void pb_user_share_stay(pb_user_thread *t);
/* Around execve(): in one that shares; in others, which wait for those. */
void pb_user_share_execute(pb_user_thread *t);
void pb_user_share_execute_failed(pb_user_thread *t);

/* ---- signals: signal.c ------------------------------------------------------------------------------------ */

/* Threads that are made from now on get no signals: the accelerator's. */
void pb_user_block_signals(pb_user *user);
/* The first thread has the mask that it was started with. */
void pb_user_signals_init(pb_user *user, pb_user_thread *t);
/* Handlers become defaults: CLONE_CLEAR_SIGHAND. */
void pb_user_clear_handlers(pb_user_thread *t);
/* Block all, for a while: pb_user_set_mask() ends it. */
void pb_user_signals_hold(void);
/* A child is made whose end is told by this signal. */
void pb_user_signals_expect_end(pb_user *user, uint64_t signal);
/* Before and after fork(): what comes meanwhile is pending in the host, for the parent alone. False: one has come before,
 * and is delivered first, in the parent alone too. */
bool pb_user_signals_begin_fork(const pb_user_thread *t);
void pb_user_signals_end_fork(pb_user_thread *t, bool child);
/* The thread gets no signals any more; what it was about to deliver somebody else gets. */
void pb_user_signals_end(pb_user_thread *t);
/* A fault of the program, or another event that is a signal. */
void pb_user_fault_signal(pb_user_thread *t, uint32_t cause);
/* Deliver what is queued. */
void pb_user_deliver(pb_user_thread *t);
/* The result of a call that a signal may have interrupted: with -EINTR and -RESTART_AT_ONCE it depends on the handler. */
void pb_user_finish_call(pb_user_thread *t, const pb_user_row *row, const uint64_t a[6],
                         int64_t result);
/* End the process by a signal, as if the kernel had. */
G_NORETURN void pb_user_die(int signal);
/* Have the host do anew what is asked for at each signal: a debugger came or went. */
void pb_user_signals_renew(pb_user *user);
/* The same for the thread's process, which others may not be of: it begins to share memory, or does not any more. */
void pb_user_signals_renew_own(pb_user_thread *t);
/* A new mask. */
void pb_user_set_mask(pb_user_thread *t, uint64_t mask);
/* pb_user_host() for a call that has another mask while it waits: `has_mask` if it was given one. */
int64_t pb_user_host_masked(pb_user_thread *t, bool has_mask, long number, uint64_t a, uint64_t b,
                            uint64_t c, uint64_t d, uint64_t e, uint64_t f);
/* Of the signals that are held those of the set, which are blocked in the host now, wait there. */
void pb_user_return_held(pb_user_thread *t, uint64_t set);

/* ---- what is not there: missing.c --------------------------------------------------------------------------- */

struct pb_user_missing *pb_user_missing_new(void);
void pb_user_missing_free(struct pb_user_missing *missing);
/* Count what the program asked for: `kind` is constant ("system call", "ioctl"), the name is made from the format. [any] */
void pb_user_missed(pb_user *user, const char *kind, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* At the end of the process, and before another program takes its place: add it to the user's file. */
void pb_user_missing_save(pb_user *user);
/* In a child: what was counted is the parent's. */
void pb_user_missing_forget(pb_user *user);

/* ---- host.c ------------------------------------------------------------------------------------------------ */

/* The call, unless *stop is not 0 already: then, or if the signal handler saw it had not been entered,
 * -RESTART_AT_ONCE. */
int64_t pb_user_host_call(volatile uint32_t *stop, long number, uint64_t a, uint64_t b, uint64_t c,
                          uint64_t d, uint64_t e, uint64_t f);
/* In a signal handler: have a call that was not entered yet not be. */
void pb_user_host_stop(void *ucontext);
/* Where a signal handler came from, and where it returns to instead. */
uintptr_t pb_user_host_pc(const void *ucontext);
void pb_user_host_go_on(void *ucontext, const void *pc);
/* The address that the processor last could not access. */
uintptr_t pb_user_host_fault_address(const void *ucontext);
/* rt_sigaction() without the C library, which keeps some signals for itself. */
int pb_user_host_sigaction(int signal, const void *handler, uint64_t flags);

#endif
