/* How --strace shows what calls about processes, their limits, threads and futexes have. */
#include <core/user/strace_show.h>

#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>

/* ---- processes ------------------------------------------------------------------------------------------- */

static void show_status(view *v, const shape *s, uint64_t value)
{
    char name[16];
    int status;

    if (v->result == 0 || !take(v, s, value, &status, sizeof(status))) {
        if (v->result == 0)
            show_address(v, value);
        return;
    }
    if (WIFEXITED(status))
        print(v, "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        print(v, "[{WIFSIGNALED(s) && WTERMSIG(s) == %s%s}]",
              pb_strace_signal_name(WTERMSIG(status), name),
              WCOREDUMP(status) ? " && WCOREDUMP(s)" : "");
    else if (WIFSTOPPED(status))
        print(v, "[{WIFSTOPPED(s) && WSTOPSIG(s) == %s}]",
              pb_strace_signal_name(WSTOPSIG(status), name));
    else
        add(v, "[{WIFCONTINUED(s)}]");
}

static void show_rusage(view *v, const shape *s, uint64_t value)
{
    struct rusage usage;

    if (take(v, s, value, &usage, sizeof(usage)))
        print(v, "{ru_utime={tv_sec=%ld, tv_usec=%ld}, ru_stime={tv_sec=%ld, tv_usec=%ld}, ...}",
              (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec,
              (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec);
}

static void add_limit(view *v, uint64_t limit)
{
    if (limit == UINT64_MAX)
        add(v, "RLIM64_INFINITY");
    else if (limit > 1024 && limit % 1024 == 0)
        print(v, "%" G_GUINT64_FORMAT "*1024", limit / 1024);
    else
        print(v, "%" G_GUINT64_FORMAT, limit);
}

static void show_rlimit(view *v, const shape *s, uint64_t value)
{
    uint64_t limit[2];

    if (!take(v, s, value, limit, sizeof(limit)))
        return;
    add(v, "{rlim_cur=");
    add_limit(v, limit[0]);
    add(v, ", rlim_max=");
    add_limit(v, limit[1]);
    add(v, "}");
}

static void show_utsname(view *v, const shape *s, uint64_t value)
{
    struct utsname names;

    if (take(v, s, value, &names, sizeof(names)))
        print(v, "{sysname=\"%.64s\", nodename=\"%.64s\", ...}", names.sysname, names.nodename);
}

static void show_sysinfo(view *v, const shape *s, uint64_t value)
{
    struct sysinfo i;

    if (take(v, s, value, &i, sizeof(i)))
        print(v, "{uptime=%ld, loads=[%lu, %lu, %lu], totalram=%lu, freeram=%lu, ...}", i.uptime,
              i.loads[0], i.loads[1], i.loads[2], i.totalram, i.freeram);
}

static void show_cpu_set(view *v, const shape *s, uint64_t value)
{
    uint64_t bytes = s->out && v->result > 0 ? (uint64_t)v->result : v->a[1];

    if (!value || failed(v))
        show_address(v, value);
    else
        pb_strace_add_set(v, value, bytes * 8);
}

static void add_clone_flags(view *v, uint64_t flags, int signal)
{
    char name[16];

    if (flags || !signal)
        pb_strace_bits(v->text, pb_names_clone, flags, "CLONE_???");
    if (signal)
        print(v, "%s%s", flags ? "|" : "", pb_strace_signal_name(signal, name));
}

/* All that clone() has, with names, in the order of strace(1). Arguments are in the order of asm-generic. */
static void show_clone(view *v, const shape *s, uint64_t value)
{
    add(v, "child_stack=");
    show_address(v, v->a[1]);
    add(v, ", flags=");
    add_clone_flags(v, v->a[0] & 0xffffff00u, (int)(v->a[0] & 0xff));
    if (v->a[0] & CLONE_PARENT_SETTID) {
        add(v, ", parent_tid=");
        show_address(v, v->a[2]);
    }
    if (v->a[0] & CLONE_SETTLS) {
        add(v, ", tls=");
        show_address(v, v->a[3]);
    }
    if (v->a[0] & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)) {
        add(v, ", child_tidptr=");
        show_address(v, v->a[4]);
    }
}

static void show_clone3(view *v, const shape *s, uint64_t value)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } c;
    const struct {
        const char *name;
        uint64_t value, needs;
    } members[] = {
        { "child_tid", 0, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID },
        { "parent_tid", 0, CLONE_PARENT_SETTID },
    };
    char name[16];

    if (!take(v, s, value, &c, sizeof(c)))
        return;
    add(v, "{flags=");
    pb_strace_bits(v->text, pb_names_clone, c.flags, "CLONE_???");
    for (unsigned i = 0; i < G_N_ELEMENTS(members); i++) {
        if (c.flags & members[i].needs) {
            print(v, ", %s=", members[i].name);
            show_address(v, i ? c.parent_tid : c.child_tid);
        }
    }
    add(v, ", exit_signal=");
    if (c.exit_signal)
        add(v, pb_strace_signal_name((int)c.exit_signal, name));
    else
        add(v, "0");
    add(v, ", stack=");
    show_address(v, c.stack);
    print(v, ", stack_size=%#" G_GINT64_MODIFIER "x", c.stack_size);
    if (c.flags & CLONE_SETTLS) {
        add(v, ", tls=");
        show_address(v, c.tls);
    }
    add(v, "}");
}

/* ---- futexes --------------------------------------------------------------------------------------------- */

static void show_futex_op(view *v, const shape *s, uint64_t value)
{
    GString *text = v->text;

    pb_strace_number(text, pb_names_futex, (uint32_t)value & FUTEX_CMD_MASK, "FUTEX_???");
    g_string_append(text, value & FUTEX_PRIVATE_FLAG ? "_PRIVATE" : "");
    g_string_append(text, value & FUTEX_CLOCK_REALTIME ? "|FUTEX_CLOCK_REALTIME" : "");
}

static int futex_op(const view *v)
{
    return (int)v->a[1] & FUTEX_CMD_MASK;
}

static bool futex_has_time(const view *v)
{
    int op = futex_op(v);

    return op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET || op == FUTEX_LOCK_PI || op == 13 ||
           op == FUTEX_WAIT_REQUEUE_PI;
}

static void show_futex_value(view *v, const shape *s, uint64_t value)
{
    int op = futex_op(v);

    v->skip = op == FUTEX_LOCK_PI || op == 13 || op == FUTEX_UNLOCK_PI || op == FUTEX_TRYLOCK_PI;
    print(v, op == FUTEX_WAKE ? "%d" : "%u", (uint32_t)value);
}

static void show_futex_time(view *v, const shape *s, uint64_t value)
{
    int op = futex_op(v);

    if (futex_has_time(v))
        show_as(v, &pb_shape_timespec, value);
    else if (op == FUTEX_REQUEUE || op == FUTEX_CMP_REQUEUE || op == FUTEX_CMP_REQUEUE_PI ||
             op == FUTEX_WAKE_OP)
        print(v, "%u", (uint32_t)value);
    else
        v->skip = true;
}

static void show_futex_second(view *v, const shape *s, uint64_t value)
{
    int op = futex_op(v);

    if (op == FUTEX_WAIT_BITSET || op == FUTEX_WAKE_BITSET)
        show_as(v, &pb_shape_nothing, value);
    else if (op == FUTEX_REQUEUE || op == FUTEX_CMP_REQUEUE || op == FUTEX_CMP_REQUEUE_PI ||
             op == FUTEX_WAKE_OP || op == FUTEX_WAIT_REQUEUE_PI)
        show_address(v, value);
    else
        v->skip = true;
}

static void show_futex_third(view *v, const shape *s, uint64_t value)
{
    int op = futex_op(v);

    if (op == FUTEX_WAIT_BITSET && (uint32_t)value == UINT32_MAX)
        add(v, "FUTEX_BITSET_MATCH_ANY");
    else if (op == FUTEX_WAIT_BITSET || op == FUTEX_WAKE_BITSET || op == FUTEX_WAKE_OP)
        print(v, "%#x", (uint32_t)value);
    else if (op == FUTEX_CMP_REQUEUE || op == FUTEX_CMP_REQUEUE_PI)
        print(v, "%u", (uint32_t)value);
    else
        v->skip = true;
}

/* ---- others ---------------------------------------------------------------------------------------------- */

static void show_prctl2(view *v, const shape *s, uint64_t value)
{
    char name[16];

    switch ((int)v->a[0]) {
    case PR_SET_NAME:
        pb_strace_add_string(v, value, 15);
        break;
    case PR_SET_PDEATHSIG:
        add(v, pb_strace_signal_name((int)value, name));
        break;
    case PR_GET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_TIMERSLACK:
        v->skip = true;
        break;
    default:
        show_as(v, &pb_shape_x, value);
    }
}

static void show_prctl_more(view *v, const shape *s, uint64_t value)
{
    int option = (int)v->a[0];

    if (option == PR_SET_NO_NEW_PRIVS || option == PR_CAP_AMBIENT || option == PR_SET_MM ||
        option == 0x53564d41)
        show_as(v, &pb_shape_x, value);
    else
        v->skip = true;
}

const pb_strace_shape pb_shape_status = { show_status, true },
                      pb_shape_out_rusage = { show_rusage, true },
                      pb_shape_rlimit = { show_rlimit },
                      pb_shape_out_rlimit = { show_rlimit, true },
                      pb_shape_utsname = { show_utsname, true },
                      pb_shape_out_sysinfo = { show_sysinfo, true },
                      pb_shape_cpu_set = { show_cpu_set },
                      pb_shape_out_cpu_set = { show_cpu_set, true },
                      pb_shape_clone_flags = { show_clone }, pb_shape_clone3 = { show_clone3 },
                      pb_shape_futex_op = { show_futex_op },
                      pb_shape_futex_value = { show_futex_value },
                      pb_shape_futex_time = { show_futex_time },
                      pb_shape_futex_second = { show_futex_second },
                      pb_shape_futex_third = { show_futex_third },
                      pb_shape_prctl2 = { show_prctl2 }, pb_shape_prctl_more = { show_prctl_more };
