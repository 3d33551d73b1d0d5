/* The patchbay command: finds the subcommand and runs it. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <plugins/preloaded.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t process_start_ns;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void print_help(FILE *file)
{
    fprintf(file, "usage: %s COMMAND [OPTION...]\n\n%s\n\n", help.name, help.what);
    for (const command *c = commands; c->name; c++)
        fprintf(file, "  %-10s %s\n", c->name, c->doc);
    fprintf(file,
            "\n"
            "  %s COMMAND --help     tells the options of a command\n"
            "  %s --version\n"
            "%s",
            help.name, help.name, help.end);
}

int complain(int status, const char *format, ...)
{
    va_list args;

    fputs("patchbay: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

static int unknown_command(const char *name)
{
    const char *names[MOST_COMMANDS + 3] = { "--help", "--version", NULL };
    g_autofree char *hint = NULL;

    for (unsigned i = 0; i < MOST_COMMANDS && commands[i].name; i++)
        names[2 + i] = commands[i].name;
    hint = pb_did_you_mean(name, names);
    return complain(STATUS_USAGE, "there is no command '%s'%s (%s --help lists them)", name, hint,
                    help.name);
}

static const command *find_command(const char *name)
{
    for (const command *c = commands; c->name; c++) {
        if (strcmp(name, c->name) == 0)
            return c;
    }
    return NULL;
}

bool parse_options(const char *name, GOptionEntry *entries, void *opaque, const char *doc,
                   int *argc, char ***argv, int *status)
{
    const command *c = find_command(name);
    GOptionContext *context = g_option_context_new(c->arguments);
    GOptionGroup *group = g_option_group_new(c->name, "", "", opaque, NULL);
    g_autofree char *program = g_strconcat(help.name, " ", c->name, NULL);
    g_autoptr(GError) error = NULL;
    gboolean asked = FALSE;
    const GOptionEntry help_entry[] = {
        { "help", 'h', 0, G_OPTION_ARG_NONE, &asked, "Show this", NULL }, { 0 }
    };
    bool go_on;

    g_option_group_add_entries(group, help_entry);
    g_option_group_add_entries(group, entries);
    g_option_context_set_main_group(context, group);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, c->options_first);
    g_option_context_set_summary(context, c->doc);
    g_option_context_set_description(context, doc);
    g_set_prgname(program);
    *status = STATUS_OK;
    go_on = g_option_context_parse(context, argc, argv, &error);
    if (!go_on) {
        *status = complain(STATUS_USAGE, "%s: %s", c->name, error->message);
    } else if (asked) {
        g_autofree char *text = g_option_context_get_help(context, TRUE, NULL);

        fputs(text, stdout);
        go_on = false;
    }
    g_option_context_free(context);
    return go_on;
}

/* ---- standard files -------------------------------------------------------------------------- */

/* Whoever starts us may have closed some. Without this the next file that is opened, a disk perhaps,
 * would take the number, and get our output. Reading finds the end, printing fails. execve() closes them, so that programs
 * can tell (core/user/user.c). */
static void keep_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY | O_CLOEXEC) != fd)
            abort();
    }
}

/* What was printed must have arrived: a script that reads half a schema should know. */
static int finish_output(int status)
{
    bool failed = ferror(stdout);

    if (fflush(stdout) == 0 && !failed)
        return status;
    return complain(status ? status : STATUS_FAILED, "cannot write the output: %s",
                    g_strerror(errno));
}

static int run_command(int argc, char **argv)
{
    const command *chosen;

    if (argc > 1 && is_run_by_kernel(argv[0]))
        return run_by_kernel(argc, argv);
    if (argc < 2) {
        print_help(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return STATUS_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("patchbay %s\n", PATCHBAY_VERSION);
        return STATUS_OK;
    }
    chosen = find_command(argv[1]);
    return chosen ? chosen->run(argc - 1, argv + 1) : unknown_command(argv[1]);
}

int main(int argc, char **argv)
{
    process_start_ns = clock_ns(CLOCK_MONOTONIC) - clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    keep_standard_files();
    setlocale(LC_CTYPE, "");
    pb_plugin_host_preload(pb_preloaded_plugins);
    pb_source_preload(preloaded_machines);
    return finish_output(run_command(argc, argv));
}
