/*
 * `--strace`: a program's system calls, signals and end, in the form of strace(1).
 *
 * strace.c has the lines and who writes them; strace_calls.c says of each call what its arguments are; strace_values.c shows
 * numbers and texts, and strace_files.c, strace_sockets.c, strace_signals.c and strace_processes.c structures, with what they share
 * in strace_show.h; strace_names.c has the names of flags and numbers.
 */
#ifndef CORE_USER_STRACE_H
#define CORE_USER_STRACE_H

#include <core/user/internal.h>

/* ---- lines: strace.c ----------------------------------------------------------------------------------------- */

/* What all processes and threads that come from one program write to. */
typedef struct pb_strace pb_strace;

/* Null with an error: a file that cannot be written, a call's name that is none. Null without one: not asked for. */
bool pb_strace_new(pb_user *user, GError **error);
/* Once the architecture is known. */
bool pb_strace_bind(pb_user *user, GError **error);
void pb_strace_free(pb_strace *s);

/* The program begins: the end of its execve(). [vcpu] */
void pb_strace_begin(pb_user_thread *t);
/* A thread begins. [vcpu] */
void pb_strace_thread_begin(pb_user_thread *t);
/* A process begins, by fork(): its parent shows the call. [vcpu] */
void pb_strace_process_begin(pb_user_thread *t);
/* Before and after a call; `row` may be null. A call that does not return is told as done before. [vcpu] */
void pb_strace_enter(pb_user_thread *t, const char *name, const pb_user_row *row, uint64_t number,
                     const uint64_t a[6]);
void pb_strace_leave(pb_user_thread *t, const pb_user_row *row, const uint64_t a[6],
                     int64_t result);
/* A signal that comes, whatever is done at it. */
void pb_strace_signal(pb_user_thread *t, const siginfo_t *info);
/* The process is ended by a signal. */
void pb_strace_killed(pb_user *user, int signal, bool core);
/* A parent learns of an end, whose line is written if the child wrote none. `status` is that of wait(). */
void pb_strace_child_ended(pb_user *user, pid_t pid, int status);
/* Before execve() by the host. Of this emulator (`own`): an option that has it go on with the line; g_free() it. Of
 * another program, null: the line ends here. */
char *pb_strace_execute(pb_user *user, bool own);
void pb_strace_execute_failed(pb_user *user);

/* ---- values -------------------------------------------------------------------------------------------------- */

/* A name of a number or of bits; a table ends with a row without a name. Rows of bits with value 0 name no bits at all. */
typedef struct pb_strace_name {
    uint64_t value;
    const char *name;
} pb_strace_name;

/* A call that is shown. */
typedef struct pb_strace_view {
    GString *text;
    const pb_user_thread *t;
    const uint64_t *a;
    int64_t result; /* after the call */
    bool after;
    bool skip; /* set by what has nothing to show: the call has no such argument */
} pb_strace_view;

/* What an argument is. */
typedef struct pb_strace_shape pb_strace_shape;
struct pb_strace_shape {
    void (*show)(pb_strace_view *v, const pb_strace_shape *shape, uint64_t value);
    bool out;                    /* the kernel fills it in: it is shown after the call */
    uint8_t count;               /* index of the argument that tells how many bytes or members */
    const pb_strace_name *names; /* of bits or numbers */
    const char *unknown;         /* what stands for a number without a name: "O_???" */
};

typedef enum pb_strace_class {
    PB_STRACE_FILE = 1, /* takes a path */
    PB_STRACE_DESC = 2, /* takes a descriptor */
    PB_STRACE_NETWORK = 4,
    PB_STRACE_PROCESS = 8,
    PB_STRACE_MEMORY = 16,
    PB_STRACE_SIGNAL = 32,
} pb_strace_class;

typedef struct pb_strace_call {
    const char *name;
    const pb_strace_shape *arguments[6];
    uint32_t classes; /* pb_strace_class */
    bool waits;       /* it may take long: its beginning is written at once */
    bool hex;         /* the result is an address */
    /* What the result means, in parentheses behind it; may append nothing. */
    void (*meaning)(pb_strace_view *v);
} pb_strace_call;

/* strace_calls.c: null if there is no row. */
const pb_strace_call *pb_strace_find_call(const char *name);
const pb_strace_shape *pb_strace_letter(char letter); /* of pb_user_row's arguments */
bool pb_strace_takes(const pb_strace_shape *shape, pb_strace_class class);

/* Values: strace_values.c and the files of chapters. */
void pb_strace_bits(GString *text, const pb_strace_name *names, uint64_t value,
                    const char *unknown);
void pb_strace_number(GString *text, const pb_strace_name *names, uint64_t value,
                      const char *unknown);
void pb_strace_siginfo(GString *text, const siginfo_t *info);
const char *pb_strace_signal_name(int signal, char text[16]);
/* Texts as strace writes them: `cut` is told by "..." behind the quotes. */
void pb_strace_quote(GString *text, const uint8_t *bytes, uint64_t n, bool cut, bool hex);
/* Texts of a program that begins. */
void pb_strace_texts(GString *text, const char *const *texts);

extern const pb_strace_shape pb_shape_d, pb_shape_ld, pb_shape_u, pb_shape_lu, pb_shape_x,
    pb_shape_pointer, pb_shape_mode, pb_shape_fd, pb_shape_dirfd, pb_shape_path, pb_shape_text,
    pb_shape_in1, pb_shape_in2, pb_shape_out, pb_shape_out_hex, pb_shape_out_text,
    pb_shape_open_flags, pb_shape_pipe_flags, pb_shape_open_mode, pb_shape_stat, pb_shape_statx,
    pb_shape_timespec, pb_shape_out_timespec, pb_shape_out_timeval, pb_shape_two_timespecs,
    pb_shape_itimerval, pb_shape_out_itimerval, pb_shape_itimerspec, pb_shape_out_itimerspec,
    pb_shape_sigaction, pb_shape_out_sigaction, pb_shape_sigset, pb_shape_out_sigset,
    pb_shape_signal, pb_shape_out_siginfo, pb_shape_iovec, pb_shape_out_iovec, pb_shape_sockaddr,
    pb_shape_out_sockaddr, pb_shape_out_length, pb_shape_pollfd, pb_shape_fdset, pb_shape_rlimit,
    pb_shape_out_rlimit, pb_shape_utsname, pb_shape_msghdr, pb_shape_out_msghdr, pb_shape_fds,
    pb_shape_strings, pb_shape_environment, pb_shape_status, pb_shape_out_rusage, pb_shape_entries,
    pb_shape_epoll_event, pb_shape_out_epoll_events, pb_shape_clone_flags, pb_shape_nothing,
    pb_shape_clone3, pb_shape_socket_type, pb_shape_futex_op, pb_shape_futex_value,
    pb_shape_futex_time, pb_shape_futex_second, pb_shape_futex_third, pb_shape_fcntl,
    pb_shape_ioctl, pb_shape_out_ioctl, pb_shape_prctl2, pb_shape_prctl_more, pb_shape_sockopt,
    pb_shape_out_sockopt, pb_shape_altstack, pb_shape_out_altstack, pb_shape_frame,
    pb_shape_out_int, pb_shape_out_offset, pb_shape_in_offset, pb_shape_cpu_set,
    pb_shape_out_cpu_set, pb_shape_out_sysinfo, pb_shape_out_statfs, pb_shape_remap_to,
    pb_shape_option, pb_shape_kernel_timer, pb_shape_to_sockaddr, pb_shape_from_sockaddr,
    pb_shape_protocol, pb_shape_left;

/* Of shapes with names: bits, or one number, of 32 bits. */
void pb_strace_show_bits(pb_strace_view *v, const pb_strace_shape *s, uint64_t value);
void pb_strace_show_number(pb_strace_view *v, const pb_strace_shape *s, uint64_t value);

/* Meanings of results. */
void pb_strace_meaning_poll(pb_strace_view *v);
void pb_strace_meaning_select(pb_strace_view *v);
void pb_strace_meaning_fcntl(pb_strace_view *v);

/* pb_user_missed() by the value's name. */
void pb_user_missed_number(pb_user *user, const char *kind, const pb_strace_name *names,
                           uint64_t value);

/* strace_names.c */
extern const pb_strace_name pb_names_open[], pb_names_prot[], pb_names_map[], pb_names_clone[],
    pb_names_futex[], pb_names_at[], pb_names_at_access[], pb_names_unlink[], pb_names_access[],
    pb_names_clock[], pb_names_wait[], pb_names_id_type[], pb_names_whence[], pb_names_family[],
    pb_names_socket_type[], pb_names_socket_flags[], pb_names_level[], pb_names_so[],
    pb_names_tcp[], pb_names_message[], pb_names_shutdown[], pb_names_fcntl[], pb_names_fd_flags[],
    pb_names_lock[], pb_names_ioctl[], pb_names_prctl[], pb_names_resource[], pb_names_madvise[],
    pb_names_mremap[], pb_names_msync[], pb_names_how[], pb_names_sa[], pb_names_ss[],
    pb_names_poll[], pb_names_epoll[], pb_names_epoll_op[], pb_names_epoll_create[],
    pb_names_pipe[], pb_names_random[], pb_names_who[], pb_names_itimer[], pb_names_timer_flags[],
    pb_names_statx_mask[], pb_names_flock[], pb_names_fallocate[], pb_names_advice[],
    pb_names_memfd[], pb_names_eventfd[], pb_names_inotify[], pb_names_inotify_init[],
    pb_names_timerfd[], pb_names_signalfd[], pb_names_rename[], pb_names_splice[], pb_names_sched[],
    pb_names_si_code[], pb_names_ip[], pb_names_netlink[], pb_names_membarrier[],
    pb_names_file_type[], pb_names_close_range[], pb_names_priority[], pb_names_xattr[],
    pb_names_mlock[], pb_names_rseq[], pb_names_pidfd[], pb_names_timer_create[];
/* Codes of signals by what the processor or kernel found. */
const char *pb_strace_si_code(int signal, int code);

#endif
