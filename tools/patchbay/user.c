/* `patchbay user`: runs a Linux program that was built for another processor. */
#include "command.h"

#include <core/machine/source.h>
#include <core/trace/trace.h>
#include <core/user/user.h>
#include <stdio.h>
#include <string.h>

typedef struct user_options {
    machine_options machine; /* first: machine_option_parse() takes it */
    char *sysroot, *log_file, *name, *gdb;
    char **logs, **traces, **sets, **unsets;
    char *core, *semihosting;
    char *strace_file, *strace_only, *strace_shared;
    gboolean strace, statistics, no_record;
    int self_fd, program_fd;
} user_options;

static void print_number(void *opaque, const char *name, uint64_t value)
{
    fprintf(stderr, "%s: %" G_GUINT64_FORMAT "\n", name, value);
}

static void print_missing(void *opaque, const char *kind, const char *name, uint64_t calls)
{
    fprintf(stderr, "%s %s, not there: %" G_GUINT64_FORMAT "\n", kind, name, calls);
}

static bool set_up_logs(const user_options *o, GError **error)
{
    for (char **list = o->logs; list && *list; list++) {
        if (!pb_trace_log_items(*list, error))
            return false;
    }
    for (char **list = o->traces; list && *list; list++)
        pb_trace_patterns(*list);
    return pb_trace_open(o->log_file, error);
}

typedef struct running {
    const user_options *options;
    pb_machine *machine;
    pb_user *user;
} running;

static void print_statistics(const running *r)
{
    if (!r->options->statistics)
        return;
    pb_machine_statistics(r->machine, print_number, NULL);
    pb_user_missing(r->user, print_missing, NULL);
}

/* pb_user_options.at_end */
static void at_end(void *opaque)
{
    g_autoptr(GError) error = NULL;

    print_statistics(opaque);
    if (!pb_trace_close(&error))
        complain(STATUS_FAILED, "%s", error->message);
}

/* A port alone is one of this host. */
static bool begin_debugger(const user_options *o, pb_user *user, pb_machine *machine,
                           GError **error)
{
    bool is_port = o->gdb && *o->gdb && strspn(o->gdb, "0123456789") == strlen(o->gdb);
    g_autofree char *address =
        is_port ? g_strconcat("tcp:localhost:", o->gdb, NULL) : g_strdup(o->gdb);
    const char *found = address ? pb_user_debug_at(user, machine, address, error) : NULL;

    if (found && !g_str_has_prefix(address, "handed:"))
        fprintf(stderr, "patchbay: gdb may connect to %s\n", found);
    return !address || found;
}

static int run_on_machine(const loaded_machine *m, const user_options *o, pb_user *user, running *r)
{
    g_autoptr(GError) error = NULL;
    pb_machine *machine = pb_machine_new_with(m->plan, m->host, pb_user_extras(user), &error);
    int status;

    if (!machine)
        return complain(STATUS_USAGE, "%s", error->message);
    if (begin_debugger(o, user, machine, &error) && pb_user_load(user, machine, &error)) {
        *r = (running){ o, machine, user };
        status = pb_user_run(user);
        print_statistics(r);
    } else {
        status = complain(error->domain == PB_USER_ERROR ? error->code : STATUS_FAILED, "%s",
                          error->message);
    }
    pb_user_unload(user);
    pb_machine_free(machine);
    return status;
}

static int run_program(const user_options *o, pb_user_options *options)
{
    running r;
    g_autoptr(GError) error = NULL;
    g_autofree char *architecture = pb_user_architecture(options, &error);
    g_autofree char *name = NULL;
    g_autofree char *file = NULL;
    g_autofree char *hint = NULL;
    loaded_machine m;
    pb_user *user;
    int status = STATUS_USAGE;

    if (!architecture)
        return complain(error->code, "%s", error->message);
    name = g_strconcat("user-", architecture, NULL);
    file = pb_source_find(name, NULL, &hint);
    if (!file)
        return complain(PB_USER_ERROR_CANNOT,
                        "%s: programs for %s cannot be run: there is no machine '%s'",
                        options->program, architecture, name);
    if (!set_up_logs(o, &error))
        return complain(STATUS_USAGE, "%s", error->message);
    options->at_end = at_end;
    options->opaque = &r;
    user = pb_user_new(options, &error);
    if (!user)
        return complain(error->domain == PB_USER_ERROR ? error->code : STATUS_FAILED, "%s",
                        error->message);
    if (load_machine(&m, name, &o->machine, true))
        status = run_on_machine(&m, o, user, &r);
    loaded_machine_finish(&m);
    pb_user_free(user);
    if (!pb_trace_close(&error))
        return complain(status ? status : STATUS_FAILED, "%s", error->message);
    return status;
}

/* The environment with the changes of options. */
static char **make_environment(const user_options *o)
{
    char **environment = g_get_environ();

    for (char **name = o->unsets; name && *name; name++)
        environment = g_environ_unsetenv(environment, *name);
    for (char **pair = o->sets; pair && *pair; pair++) {
        g_auto(GStrv) halves = g_strsplit(*pair, "=", 2);

        environment = g_environ_setenv(environment, halves[0], halves[1] ? halves[1] : "", TRUE);
    }
    return environment;
}

/* What another program of this one is run with: the options, but for those about the first one. */
static GPtrArray *own_words(const user_options *o)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(words, g_strdup("patchbay"));
    g_ptr_array_add(words, g_strdup("user"));
    if (o->sysroot)
        g_ptr_array_add(words, g_strconcat("--sysroot=", o->sysroot, NULL));
    if (o->machine.accel)
        g_ptr_array_add(words, g_strconcat("--accel=", o->machine.accel, NULL));
    for (guint i = 0; i < o->machine.sets->len; i++) {
        const pb_plan_set *set = &g_array_index(o->machine.sets, pb_plan_set, i);

        g_ptr_array_add(words, g_strdup_printf("--set=%s=%s", set->parameter, set->text));
    }
    if (o->strace)
        g_ptr_array_add(words, g_strdup("--strace"));
    if (o->strace_only)
        g_ptr_array_add(words, g_strconcat("--strace-only=", o->strace_only, NULL));
    if (o->semihosting)
        g_ptr_array_add(words, g_strconcat("--semihosting=", o->semihosting, NULL));
    if (o->core)
        g_ptr_array_add(words, g_strconcat("--core=", o->core, NULL));
    if (o->no_record)
        g_ptr_array_add(words, g_strdup("--no-record"));
    g_ptr_array_add(words, NULL);
    return words;
}

/* The folder is named as seen from here, wherever the program goes. */
static void make_absolute(char **path)
{
    char *whole = *path ? g_canonicalize_filename(*path, NULL) : NULL;

    g_free(*path);
    *path = whole;
}

static bool parse(user_options *o, int *argc, char ***argv, int *status)
{
    GOptionEntry entries[] = {
        { "sysroot", 'L', 0, G_OPTION_ARG_FILENAME, &o->sysroot,
          "Look absolute paths up in FOLDER first", "FOLDER" },
        { "env", 'E', 0, G_OPTION_ARG_STRING_ARRAY, &o->sets,
          "Set a variable of the program's environment", "NAME=VALUE" },
        { "unset", 'U', 0, G_OPTION_ARG_STRING_ARRAY, &o->unsets, "Unset one", "NAME" },
        { "argv0", '0', 0, G_OPTION_ARG_STRING, &o->name, "The program's name, as it sees it",
          "NAME" },
        { "strace", 0, 0, G_OPTION_ARG_NONE, &o->strace,
          "Write the program's system calls to standard error, as strace does", NULL },
        { "strace-file", 0, 0, G_OPTION_ARG_FILENAME, &o->strace_file, "Write them to FILE",
          "FILE" },
        { "strace-only", 'e', 0, G_OPTION_ARG_STRING, &o->strace_only,
          "Write only these: openat,%network; with ! before the first all others", "[!]CALL,..." },
        { "strace-shared", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &o->strace_shared, NULL,
          NULL },
        { "self-fd", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &o->self_fd, NULL, NULL },
        { "program-fd", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &o->program_fd, NULL, NULL },
        { "gdb", 'g', 0, G_OPTION_ARG_STRING, &o->gdb,
          "Let gdb debug the program: listen at PORT, tcp:HOST:PORT or unix:PATH, and wait for it",
          "ADDRESS" },
        { "accel", 0, 0, G_OPTION_ARG_CALLBACK, (gpointer)machine_option_parse,
          "What executes its code: TYPE[,PROPERTY=VALUE...]", "SPEC" },
        { "set", 0, 0, G_OPTION_ARG_CALLBACK, (gpointer)machine_option_parse,
          "Set a parameter of the machine user-ARCHITECTURE: cpu=arm64/cortex-a72", "NAME=VALUE" },
        { "log", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->logs,
          "Log guest, unimp, exec, in_asm, ir, code, info", "ITEM,..." },
        { "trace", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->traces, "Log trace events", "PATTERN,..." },
        { "log-file", 0, 0, G_OPTION_ARG_FILENAME, &o->log_file, "Where logs go", "FILE" },
        { "semihosting", 0, 0, G_OPTION_ARG_STRING, &o->semihosting,
          "Let the program have files below FOLDER, and the console, by HLT #0xF000",
          "[root=FOLDER,][args=TEXT]" },
        { "core", 0, 0, G_OPTION_ARG_FILENAME, &o->core,
          "Name of core files, if `ulimit -c` permits them: core; %p is the process's number",
          "FILE" },
        { "no-record", 0, 0, G_OPTION_ARG_NONE, &o->no_record,
          "Do not remember for `patchbay report missing` what the program asked for that is not "
          "there; patchbay-static does only if PATCHBAY_RECORD is set",
          NULL },
        { "statistics", 0, 0, G_OPTION_ARG_NONE, &o->statistics, "Print numbers at the end", NULL },
        { 0 }
    };

    return parse_options("user", entries, o,
                         "The program is a static or dynamic ELF file; for a dynamic one give the "
                         "folder with its libraries by -L.\n"
                         "Options come before it. The exit status is the program's; 127 if it or "
                         "its interpreter is not there, 126 if "
                         "it cannot be executed, 2 for errors of usage. A signal that ends the "
                         "program ends this process.",
                         argc, argv, status);
}

/* Not in files of other roots, unless that is asked for. */
static bool records(void)
{
    const char *wanted = g_getenv("PATCHBAY_RECORD");

    return wanted ? strcmp(wanted, "no") != 0 : !is_alone;
}

int command_user(int argc, char **argv)
{
    user_options o = { .self_fd = -1 };
    int status;

    machine_options_init(&o.machine);
    if (parse(&o, &argc, &argv, &status)) {
        int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;

        if (argc > first) {
            g_auto(GStrv) environment = make_environment(&o);
            const char *program = argv[first];
            g_autoptr(GPtrArray) words = NULL;
            g_autofree char *found = NULL;
            pb_user_options options = { .program = program,
                                        .argv = (const char *const *)argv + first,
                                        .envp = (const char *const *)environment,
                                        .semihosting = o.semihosting,
                                        .core = o.core,
                                        .record = !o.no_record && records(),
                                        .strace_file = o.strace_file,
                                        .strace_only = o.strace_only,
                                        .strace_shared = o.strace_shared,
                                        .self_fd = o.self_fd,
                                        .program_fd = o.program_fd };

            if (!o.sysroot)
                o.sysroot = g_strdup(g_getenv("PATCHBAY_SYSROOT"));
            o.strace |= o.strace_file || o.strace_only || o.strace_shared;
            options.strace = o.strace;
            make_absolute(&o.sysroot);
            words = own_words(&o);
            options.sysroot = o.sysroot;
            if (!o.program_fd)
                found = pb_user_find(o.sysroot, program, true);
            options.program = found ? found : program;
            options.self = (const char *const *)words->pdata;
            if (o.name)
                argv[first] = o.name;
            status = run_program(&o, &options);
        } else {
            status = complain(STATUS_USAGE, "user: a program is expected");
        }
    }
    machine_options_finish(&o.machine);
    g_strfreev(o.logs);
    g_strfreev(o.traces);
    g_strfreev(o.sets);
    g_strfreev(o.unsets);
    g_free(o.sysroot);
    g_free(o.log_file);
    g_free(o.name);
    g_free(o.core);
    g_free(o.semihosting);
    g_free(o.strace_file);
    g_free(o.strace_only);
    g_free(o.strace_shared);
    g_free(o.gdb);
    return status;
}
