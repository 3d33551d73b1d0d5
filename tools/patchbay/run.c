/* `patchbay run`: composes a machine, builds it, runs it. */
#include "command.h"

#include <core/trace/trace.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct run_options {
    machine_options machine; /* first: machine_option_parse() takes it */
    gboolean dump_yaml, statistics;
    char *log_file;
    char **logs, **traces;
} run_options;

/* ---- statistics ---------------------------------------------------------------------------------- */

static void print_number(void *opaque, const char *name, uint64_t value)
{
    fprintf(stderr, "%s: %" G_GUINT64_FORMAT "\n", name, value);
}

/* A line `NAME:  123 kB` of /proc/self/status. */
static uint64_t status_kib(const char *status, const char *name)
{
    const char *line = strstr(status, name);

    return line ? g_ascii_strtoull(line + strlen(name), NULL, 10) : 0;
}

static void print_statistics(pb_machine *machine, uint64_t started_ns)
{
    g_autofree char *status = NULL;

    pb_machine_statistics(machine, print_number, NULL);
    print_number(NULL, "nanoseconds to first instruction", started_ns - process_start_ns);
    if (!g_file_get_contents("/proc/self/status", &status, NULL, NULL))
        return;
    print_number(NULL, "resident KiB",
                 status_kib(status, "\nRssAnon:") + status_kib(status, "\nRssFile:"));
    print_number(NULL, "guest RAM KiB", status_kib(status, "\nRssShmem:"));
}

/* ---- running ------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int run_machine(pb_machine *machine, const run_options *o)
{
    g_autoptr(GError) error = NULL;
    uint64_t started_ns;
    int status;

    if (!pb_machine_reset(machine, &error))
        return complain(STATUS_USAGE, "%s", error->message);
    started_ns = now_ns();
    status = pb_machine_run(machine, &error);
    if (status < 0)
        return complain(STATUS_FAILED, "%s", error->message);
    if (o->statistics)
        print_statistics(machine, started_ns);
    return status;
}

static bool set_up_logs(const run_options *o, GError **error)
{
    for (char **list = o->logs; list && *list; list++) {
        if (!pb_trace_log_items(*list, error))
            return false;
    }
    for (char **list = o->traces; list && *list; list++)
        pb_trace_patterns(*list);
    return pb_trace_open(o->log_file, error);
}

static int build_and_run(const loaded_machine *m, const run_options *o)
{
    g_autoptr(GError) error = NULL;
    pb_machine *machine;
    int status;

    if (!set_up_logs(o, &error))
        return complain(STATUS_USAGE, "%s", error->message);
    machine = pb_machine_new(m->plan, m->host, &error);
    if (!machine)
        return complain(STATUS_USAGE, "%s", error->message);
    status = run_machine(machine, o);
    pb_machine_free(machine);
    pb_trace_close();
    return status;
}

static int load_and_run(const char *name, const run_options *o)
{
    loaded_machine m;
    int status = STATUS_USAGE;

    if (load_machine(&m, name, &o->machine, !o->dump_yaml)) {
        if (o->dump_yaml) {
            g_autofree char *text = pb_plan_dump(m.plan);

            fputs(text, stdout);
            status = STATUS_OK;
        } else {
            status = build_and_run(&m, o);
        }
    }
    loaded_machine_finish(&m);
    return status;
}

static bool parse(run_options *o, int *argc, char ***argv, int *status)
{
    GOptionEntry entries[MACHINE_OPTION_ENTRIES + 7];
    const GOptionEntry own[] = {
        { "no-reboot", 0, 0, G_OPTION_ARG_NONE, &o->machine.no_reboot, "A reset ends the run",
          NULL },
        { "log", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->logs,
          "Log guest, unimp, int, mmio, exec, in_asm, info", "ITEM,..." },
        { "trace", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->traces, "Log trace events: 'pl011.*'",
          "PATTERN,..." },
        { "log-file", 0, 0, G_OPTION_ARG_FILENAME, &o->log_file, "Where logs go", "FILE" },
        { "statistics", 0, 0, G_OPTION_ARG_NONE, &o->statistics, "Print numbers at the end", NULL },
        { "dump-yaml", 0, 0, G_OPTION_ARG_NONE, &o->dump_yaml,
          "Print the composed machine as a machine file, and do not run", NULL },
        { 0 }
    };

    machine_option_entries(entries);
    memcpy(entries + MACHINE_OPTION_ENTRIES - 1, own, sizeof(own));
    return parse_options(
        "run", entries, o,
        "With --serial stdio, Ctrl-A x ends the run and Ctrl-A h tells the other keys.\n"
        "The exit status is the guest's (0: it powered itself off), 2 for errors of usage and "
        "configuration, 1 for others.",
        argc, argv, status);
}

int command_run(int argc, char **argv)
{
    run_options o = { 0 };
    int status;

    machine_options_init(&o.machine);
    if (parse(&o, &argc, &argv, &status)) {
        if (argc == 2)
            status = load_and_run(argv[1], &o);
        else
            status = complain(STATUS_USAGE, "run: one machine is expected");
    }
    machine_options_finish(&o.machine);
    g_strfreev(o.logs);
    g_strfreev(o.traces);
    g_free(o.log_file);
    return status;
}
