/* How --strace shows times, signals, and what tells of them. */
#include <core/user/strace_show.h>

#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

/* ---- time ------------------------------------------------------------------------------------------------ */

static void add_timespec(view *v, const struct timespec *t)
{
    print(v, "{tv_sec=%ld, tv_nsec=%ld}", (long)t->tv_sec, t->tv_nsec);
}

static void show_timespec(view *v, const shape *s, uint64_t value)
{
    struct timespec time;

    if (take(v, s, value, &time, sizeof(time)))
        add_timespec(v, &time);
}

/* What is left of a sleep: told only if it was interrupted. */
static void show_left(view *v, const shape *s, uint64_t value)
{
    struct timespec time;

    if (v->result == -EINTR && value && get(v, value, &time, sizeof(time)))
        add_timespec(v, &time);
    else
        show_address(v, value);
}

static void show_two_timespecs(view *v, const shape *s, uint64_t value)
{
    struct timespec times[2];

    if (!take(v, s, value, times, sizeof(times)))
        return;
    for (unsigned i = 0; i < 2; i++) {
        add(v, i ? ", " : "[");
        if (times[i].tv_nsec == UTIME_NOW)
            add(v, "UTIME_NOW");
        else if (times[i].tv_nsec == UTIME_OMIT)
            add(v, "UTIME_OMIT");
        else
            add_timespec(v, &times[i]);
    }
    add(v, "]");
}

static void show_timeval(view *v, const shape *s, uint64_t value)
{
    struct timeval time;

    if (take(v, s, value, &time, sizeof(time)))
        print(v, "{tv_sec=%ld, tv_usec=%ld}", (long)time.tv_sec, (long)time.tv_usec);
}

static void show_itimerval(view *v, const shape *s, uint64_t value)
{
    struct itimerval t;

    if (take(v, s, value, &t, sizeof(t)))
        print(v, "{it_interval={tv_sec=%ld, tv_usec=%ld}, it_value={tv_sec=%ld, tv_usec=%ld}}",
              (long)t.it_interval.tv_sec, (long)t.it_interval.tv_usec, (long)t.it_value.tv_sec,
              (long)t.it_value.tv_usec);
}

static void show_itimerspec(view *v, const shape *s, uint64_t value)
{
    struct itimerspec t;

    if (!take(v, s, value, &t, sizeof(t)))
        return;
    add(v, "{it_interval=");
    add_timespec(v, &t.it_interval);
    add(v, ", it_value=");
    add_timespec(v, &t.it_value);
    add(v, "}");
}

const pb_strace_shape pb_shape_timespec = { show_timespec },
                      pb_shape_out_timespec = { show_timespec, true },
                      pb_shape_left = { show_left, true },
                      pb_shape_two_timespecs = { show_two_timespecs },
                      pb_shape_out_timeval = { show_timeval, true },
                      pb_shape_itimerval = { show_itimerval },
                      pb_shape_out_itimerval = { show_itimerval, true },
                      pb_shape_itimerspec = { show_itimerspec },
                      pb_shape_out_itimerspec = { show_itimerspec, true };

/* ---- signals --------------------------------------------------------------------------------------------- */

#define FIRST_REALTIME 32 /* of the kernel */

/* Without SIG. */
static void short_name(int signal, char text[16])
{
    const char *name = signal < FIRST_REALTIME ? sigabbrev_np(signal) : NULL;

    if (name)
        g_strlcpy(text, name, 16);
    else if (signal == FIRST_REALTIME)
        g_strlcpy(text, "RTMIN", 16);
    else if (signal > FIRST_REALTIME && signal <= PB_USER_SIGNALS)
        g_snprintf(text, 16, "RT_%d", signal - FIRST_REALTIME);
    else
        g_snprintf(text, 16, "%d", signal);
}

const char *pb_strace_signal_name(int signal, char text[16])
{
    char name[16];

    short_name(signal, name);
    if (signal < 1 || signal > PB_USER_SIGNALS)
        g_strlcpy(text, name, 16);
    else
        g_snprintf(text, 16, "SIG%.12s", name);
    return text;
}

static void show_signal(view *v, const shape *s, uint64_t value)
{
    char name[16];

    add(v, pb_strace_signal_name((int)value, name));
}

/* With more than half of them those that are not in it. */
static void add_mask(view *v, uint64_t mask)
{
    bool inverted = __builtin_popcountll(mask) > 42;
    const char *separator = "";
    char name[16];

    mask = inverted ? ~mask : mask;
    add(v, inverted ? "~[" : "[");
    for (int signal = 1; signal <= PB_USER_SIGNALS; signal++) {
        if (!(mask >> (signal - 1) & 1))
            continue;
        short_name(signal, name);
        print(v, "%s%s", separator, name);
        separator = " ";
    }
    add(v, "]");
}

static void show_mask(view *v, const shape *s, uint64_t value)
{
    uint64_t mask;

    if (take(v, s, value, &mask, sizeof(mask)))
        add_mask(v, mask);
}

static void show_action(view *v, const shape *s, uint64_t value)
{
    pb_user_action action;

    if (!value || (s->out && failed(v)) ||
        pb_user_get(v->t->user, value, PB_USER_SIGACTION, &action) < 0) {
        show_address(v, value);
        return;
    }
    add(v, "{sa_handler=");
    if (action.handler <= 1)
        add(v, action.handler ? "SIG_IGN" : "SIG_DFL");
    else
        show_address(v, action.handler);
    add(v, ", sa_mask=");
    add_mask(v, action.mask);
    add(v, ", sa_flags=");
    pb_strace_bits(v->text, pb_names_sa, action.flags, "SA_???");
    if (action.flags & 0x04000000) {
        add(v, ", sa_restorer=");
        show_address(v, action.restorer);
    }
    add(v, "}");
}

static void show_altstack(view *v, const shape *s, uint64_t value)
{
    struct {
        uint64_t base;
        uint32_t flags, pad;
        uint64_t bytes;
    } stack;

    if (!take(v, s, value, &stack, sizeof(stack)))
        return;
    add(v, "{ss_sp=");
    show_address(v, stack.base);
    add(v, ", ss_flags=");
    pb_strace_bits(v->text, pb_names_ss, stack.flags, "SS_???");
    print(v, ", ss_size=%" G_GUINT64_FORMAT "}", stack.bytes);
}

/* rt_sigreturn(): its registers and mask are on the stack. The mask is the thread's by then. */
static void show_frame(view *v, const shape *s, uint64_t value)
{
    add(v, "{mask=");
    add_mask(v, v->t->mask);
    add(v, "}");
}

/* Who sent a signal, or what it is about: by its code, as in signal(7). */
static void add_signal_details(GString *text, const siginfo_t *info)
{
    if (info->si_signo == SIGCHLD && info->si_code > 0) {
        char name[16];

        g_string_append_printf(text, ", si_pid=%d, si_uid=%d, si_status=", info->si_pid,
                               (int)info->si_uid);
        if (info->si_code == CLD_EXITED)
            g_string_append_printf(text, "%d", info->si_status);
        else
            g_string_append(text, pb_strace_signal_name(info->si_status, name));
        g_string_append_printf(text, ", si_utime=%ld, si_stime=%ld", (long)info->si_utime,
                               (long)info->si_stime);
    } else if (info->si_code > 0 && info->si_code < SI_KERNEL &&
               (info->si_signo == SIGILL || info->si_signo == SIGFPE || info->si_signo == SIGSEGV ||
                info->si_signo == SIGBUS || info->si_signo == SIGTRAP)) {
        if (info->si_addr)
            g_string_append_printf(text, ", si_addr=%p", info->si_addr);
        else
            g_string_append(text, ", si_addr=NULL");
    } else if (info->si_code == SI_TIMER) {
        g_string_append_printf(text, ", si_timerid=%#x, si_overrun=%d", info->si_timerid,
                               info->si_overrun);
    } else if (info->si_code <= 0) {
        g_string_append_printf(text, ", si_pid=%d, si_uid=%d", info->si_pid, (int)info->si_uid);
    }
    if (info->si_code == SI_TIMER || info->si_code == SI_QUEUE || info->si_code == SI_MESGQ) {
        g_string_append_printf(text, ", si_value={int=%d, ptr=", info->si_value.sival_int);
        if (info->si_value.sival_ptr)
            g_string_append_printf(text, "%p}", info->si_value.sival_ptr);
        else
            g_string_append(text, "NULL}");
    }
}

void pb_strace_siginfo(GString *text, const siginfo_t *info)
{
    const char *code = pb_strace_si_code(info->si_signo, info->si_code);
    char name[16];

    g_string_append_printf(text,
                           "{si_signo=%s, si_code=", pb_strace_signal_name(info->si_signo, name));
    if (code)
        g_string_append(text, code);
    else
        g_string_append_printf(text, "%#x", (uint32_t)info->si_code);
    add_signal_details(text, info);
    g_string_append_c(text, '}');
}

static void show_siginfo(view *v, const shape *s, uint64_t value)
{
    siginfo_t info;

    if (take(v, s, value, &info, sizeof(info)) && info.si_signo)
        pb_strace_siginfo(v->text, &info);
    else if (value && !failed(v))
        add(v, "{}");
}

static void show_timer_event(view *v, const shape *s, uint64_t value)
{
    struct {
        uint64_t value;
        int32_t signal, notify;
    } event;
    char name[16];

    if (!take(v, s, value, &event, sizeof(event)))
        return;
    print(v, "{sigev_value={int=%d, ptr=", (int)event.value);
    show_address(v, event.value);
    print(v, "}, sigev_signo=%s, sigev_notify=", pb_strace_signal_name(event.signal, name));
    pb_strace_number(v->text, pb_names_timer_create, (uint32_t)event.notify, "SIGEV_???");
    add(v, "}");
}

const pb_strace_shape pb_shape_signal = { show_signal }, pb_shape_sigset = { show_mask },
                      pb_shape_out_sigset = { show_mask, true },
                      pb_shape_sigaction = { show_action },
                      pb_shape_out_sigaction = { show_action, true },
                      pb_shape_altstack = { show_altstack },
                      pb_shape_out_altstack = { show_altstack, true },
                      pb_shape_frame = { show_frame, true },
                      pb_shape_out_siginfo = { show_siginfo, true },
                      pb_shape_kernel_timer = { show_timer_event };
