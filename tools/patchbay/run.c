/* `patchbay run`: composes a machine, builds it, runs it. */
#include "command.h"
#include "debugger.h"
#include "lockstep.h"
#include "points.h"
#include "seeing.h"

#include <core/device/object.h>
#include <core/machine/snapshot.h>
#include <core/semihosting/semihosting.h>
#include <core/trace/symbols.h>
#include <core/trace/trace.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct run_options {
    machine_options machine; /* first: machine_option_parse() takes it */
    gboolean dump_yaml, check, statistics;
    char *log_file;
    char **logs, **filters, **traces, **symbols;
    char *load;
    char *lockstep, *lockstep_every;
    char *semihosting;
    point_options points;
    seeing_options seeing;
    debugger_options debugger;
} run_options;

/* ---- statistics ------------------------------------------------------------------------------ */

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

/* ---- running --------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool start(pb_machine *machine, const run_options *o, GError **error)
{
    return o->load ? pb_machine_load(machine, o->load, error) : pb_machine_reset(machine, error);
}

static int run_machine(pb_machine *machine, run_points *points, const run_options *o)
{
    g_autoptr(GError) error = NULL;
    uint64_t started_ns;
    pb_gdb *gdb;
    int status;

    if (!start(machine, o, &error) || !points_set(points, &error) ||
        !debugger_begin(&o->debugger, machine, &gdb, &error))
        return complain(STATUS_USAGE, "%s", error->message);
    started_ns = now_ns();
    status = pb_machine_run(machine, &error);
    if (gdb)
        pb_gdb_ended(gdb, status);
    pb_gdb_free(gdb);
    if (error)
        return complain(STATUS_FAILED, "%s", error->message);
    if (!points_end(points))
        status = STATUS_USAGE;
    if (o->statistics)
        print_statistics(machine, started_ns);
    seeing_report(&o->seeing);
    if (pb_check_violations() > 0)
        return complain(STATUS_FAILED, "plugins broke the rules %u times", pb_check_violations());
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
    for (char **file = o->symbols; file && *file; file++) {
        if (!pb_symbols_add(*file, error))
            return false;
    }
    for (char **list = o->filters; list && *list; list++) {
        if (!pb_trace_filter(*list, error))
            return false;
    }
    return pb_trace_open(o->log_file, error);
}

/* ---- semihosting ----------------------------------------------------------------------------- */

static void end_by_semihosting(void *opaque, pb_vcpu *vcpu, int status)
{
    vcpu->object->ops->request(vcpu->object, PB_MACHINE_POWER_OFF, status);
}

static const void *extension(void *opaque, const char *id)
{
    return opaque && strcmp(id, PB_EXTENSION_SEMIHOSTING) == 0 ? pb_semihosting_ops_of(opaque)
                                                               : NULL;
}

static int build_and_run(const loaded_machine *m, const run_options *o)
{
    g_autoptr(GError) error = NULL;
    pb_machine_extras extras = { extension, NULL };
    pb_machine *machine;
    run_points *points;
    int status;

    if (!set_up_logs(o, &error) || !seeing_begin(&o->seeing, &error))
        return complain(STATUS_USAGE, "%s", error->message);
    signal(SIGXFSZ, SIG_IGN); /* a limit of a file is an error of writing it */
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of that stream, not our end */
    pb_check_enabled = o->check;
    if (o->semihosting) {
        extras.opaque = pb_semihosting_new(o->semihosting, NULL, end_by_semihosting, NULL, &error);
        if (!extras.opaque)
            return complain(STATUS_USAGE, "%s", error->message);
    }
    machine = pb_machine_new_with(m->plan, m->host, &extras, &error);
    if (!machine) {
        pb_semihosting_free(extras.opaque);
        return complain(STATUS_USAGE, "%s", error->message);
    }
    points = points_new(machine, &o->points, &error);
    status =
        points ? run_machine(machine, points, o) : complain(STATUS_USAGE, "%s", error->message);
    points_free(points);
    pb_machine_free(machine);
    pb_semihosting_free(extras.opaque);
    if (!seeing_end(&error))
        status = complain(status ? status : STATUS_FAILED, "%s", error->message);
    g_clear_error(&error);
    if (!pb_trace_close(&error))
        return complain(status ? status : STATUS_FAILED, "%s", error->message);
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

/* --perf-map[=FILE]: without FILE where perf looks. */
static gboolean parse_perf_map(const char *name, const char *value, gpointer opaque, GError **error)
{
    seeing_options *o = &((run_options *)opaque)->seeing;

    g_free(o->perf_map);
    o->perf_map = g_strdup(value ? value : "");
    return TRUE;
}

static bool parse(run_options *o, int *argc, char ***argv, int *status)
{
    GOptionEntry entries[MACHINE_OPTION_ENTRIES + 25];
    const GOptionEntry own[] = {
        { "no-reboot", 0, 0, G_OPTION_ARG_NONE, &o->machine.no_reboot, "A reset ends the run",
          NULL },
        { "log", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->logs,
          "Log guest, unimp, int, mmio, exec, in_asm, ir, passes, code, info", "ITEM,..." },
        { "trace", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->traces, "Log trace events: 'pl011.*'",
          "PATTERN,..." },
        { "log-filter", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->filters,
          "Of exec, in_asm, ir, passes and code log only what has an address, 0x1000-0x1fff, or a "
          "symbol",
          "RANGE,..." },
        { "log-file", 0, 0, G_OPTION_ARG_FILENAME, &o->log_file, "Where logs go", "FILE" },
        { "symbols", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->symbols,
          "Name guest code in logs and reports, by an ELF file, or one like System.map",
          "FILE[,offset=N]" },
        { "statistics", 0, 0, G_OPTION_ARG_NONE, &o->statistics, "Print numbers at the end", NULL },
        { "check", 0, 0, G_OPTION_ARG_NONE, &o->check,
          "Check each call between plugins and core, and fail if a plugin broke the rules", NULL },
        { "state-hash", 0, 0, G_OPTION_ARG_INT64, &o->points.hash_every,
          "Print a hash of all state every so many instructions (with --deterministic)", "N" },
        { "save-at", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->points.saves,
          "Save a snapshot after so many instructions (with --deterministic), at a time (20s), or "
          "at the "
          "'end'",
          "WHEN=FILE" },
        { "stop-at", 0, 0, G_OPTION_ARG_STRING, &o->points.stop,
          "End the run after so many instructions (with --deterministic), or at a time (20s)",
          "WHEN" },
        { "load", 0, 0, G_OPTION_ARG_FILENAME, &o->load, "Go on from a snapshot", "FILE" },
        { "lockstep", 0, 0, G_OPTION_ARG_STRING, &o->lockstep,
          "Run on two accelerators, A the judge, and stop at the first difference", "A,B" },
        { "lockstep-every", 0, 0, G_OPTION_ARG_STRING, &o->lockstep_every,
          "Compare after every so many instructions, 1000000 if it is not given", "N" },
        { "hot", 0, 0, G_OPTION_ARG_INT, &o->seeing.hot,
          "Show the N units of code that took most time, with guest and host code (--accel jit)",
          "N" },
        { "perf-map", 0, G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK,
          (gpointer)(GOptionArgFunc)parse_perf_map,
          "Name translated code for `perf report`, in /tmp/perf-PID.map or FILE", "FILE" },
        { "jitdump", 0, 0, G_OPTION_ARG_FILENAME, &o->seeing.jitdump,
          "Dump translated code for `perf inject --jit`, as FOLDER/jit-PID.dump", "FOLDER" },
        { "semihosting", 0, 0, G_OPTION_ARG_STRING, &o->semihosting,
          "Let the guest have files below FOLDER, and the console, by the instruction for "
          "debuggers: "
          "HLT #0xF000",
          "[root=FOLDER,][args=TEXT]" },
        { "gdb", 0, 0, G_OPTION_ARG_STRING, &o->debugger.address,
          "Let gdb debug the guest: listen at tcp:HOST:PORT or unix:PATH", "ADDRESS" },
        { "gdb-default", 's', 0, G_OPTION_ARG_NONE, &o->debugger.here,
          "The same as --gdb tcp:localhost:1234", NULL },
        { "gdb-wait", 'S', 0, G_OPTION_ARG_NONE, &o->debugger.wait,
          "Execute nothing until gdb says so (with --gdb)", NULL },
        { "gdb-jit", 0, 0, G_OPTION_ARG_NONE, &o->seeing.gdb,
          "Name translated code for gdb, with what it needs for backtraces", NULL },
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

/* What goes with --lockstep: the machine, --load, --stop-at, logs. */
static int lockstep(const char *name, run_options *o)
{
    const lockstep_options options = { &o->machine, o->lockstep, o->lockstep_every, o->load,
                                       o->points.stop };
    g_autoptr(GError) error = NULL;
    int status;

    if (o->points.hash_every || o->points.saves || o->dump_yaml || o->statistics || o->check ||
        o->machine.accel || o->semihosting || o->seeing.hot || o->seeing.jitdump || o->seeing.gdb ||
        o->debugger.address || o->debugger.here || o->debugger.wait)
        return complain(STATUS_USAGE, "--lockstep names the accelerators, and goes with options of "
                                      "the machine, --load, --stop-at, --perf-map and logs only");
    if (!set_up_logs(o, &error) || !seeing_begin(&o->seeing, &error))
        return complain(STATUS_USAGE, "%s", error->message);
    status = run_lockstep(name, &options);
    if (!seeing_end(&error))
        status = complain(status ? status : STATUS_FAILED, "%s", error->message);
    g_clear_error(&error);
    if (!pb_trace_close(&error))
        return complain(status ? status : STATUS_FAILED, "%s", error->message);
    return status;
}

static int run_or_compare(const char *name, run_options *o)
{
    if (o->lockstep)
        return lockstep(name, o);
    if (o->lockstep_every)
        return complain(STATUS_USAGE, "--lockstep-every goes with --lockstep");
    return load_and_run(name, o);
}

int command_run(int argc, char **argv)
{
    run_options o = { 0 };
    int status;

    machine_options_init(&o.machine);
    if (parse(&o, &argc, &argv, &status)) {
        if (argc == 2)
            status = run_or_compare(argv[1], &o);
        else
            status = complain(STATUS_USAGE, "run: one machine is expected");
    }
    machine_options_finish(&o.machine);
    g_strfreev(o.logs);
    g_strfreev(o.traces);
    g_strfreev(o.symbols);
    g_strfreev(o.filters);
    pb_symbols_reset();
    g_free(o.log_file);
    g_free(o.load);
    g_free(o.semihosting);
    g_free(o.lockstep);
    g_free(o.lockstep_every);
    g_strfreev(o.points.saves);
    g_free(o.points.stop);
    seeing_options_finish(&o.seeing);
    debugger_options_finish(&o.debugger);
    return status;
}
