/*
 * The patchbay command: what its subcommands share.
 *
 * Exit status: 0, or the status that the guest gave; 2 for errors of usage and configuration; 1 for
 * anything else that went wrong.
 */
#ifndef TOOLS_PATCHBAY_COMMAND_H
#define TOOLS_PATCHBAY_COMMAND_H

#include <core/machine/machine.h>
#include <core/machine/plan.h>
#include <core/machine/source.h>

enum { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

typedef struct command {
    const char *name;
    const char *arguments; /* for --help */
    const char *doc;
    /* argv[0] is the command's name. */
    int (*run)(int argc, char **argv);
    bool options_first; /* what follows the first other argument is not this command's */
} command;

#define MOST_COMMANDS 16
extern const command commands[]; /* ends with a row without a name */
/* What --help tells beside them. */
typedef struct program_help {
    const char *name; /* of the program */
    const char *what; /* it does: a line */
    const char *end;  /* behind the commands */
} program_help;
extern const program_help help;
/* Machines that the program has inside. */
extern const pb_source_text preloaded_machines[];
/* Whether it is the static one, which runs without any other file, in roots that may be somebody else's. */
extern const bool is_alone;

/* When main() began, as CLOCK_MONOTONIC, less the time that the process had worked by then. */
extern uint64_t process_start_ns;

/* "patchbay: TEXT" to standard error; returns the status. */
int complain(int status, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Parse the options of a command: entries, `doc` as the text that --help ends with. False with the
 * status in *status if the command is done: an error, or --help. */
bool parse_options(const char *command_name, GOptionEntry *entries, void *opaque, const char *doc,
                   int *argc, char ***argv, int *status);

/* ---- types ----------------------------------------------------------------------------------- */

/* What visit_types() does with each type, and what came of it. */
typedef struct type_visit {
    void (*function)(void *opaque, const pb_plugin *plugin, const pb_class *type);
    void *opaque;
    unsigned count;      /* of types that were visited */
    unsigned unreadable; /* plugins; each was complained of */
} type_visit;

/* Visit the types of a kind, 0: of all, in the order of their plugins' names. With a name only those that
 * it means: one (`virtio/blk`), or all of a plugin (`virtio`). */
void visit_types(pb_plugin_host *host, pb_kind kind, const char *name, type_visit *visit);
/* "; did you mean 'pl011'?", or nothing, for the name of a type, or of a machine too; free it. */
char *suggest_type(pb_plugin_host *host, const char *name, bool machines);

/* ---- machines -------------------------------------------------------------------------------- */

/* Options that choose and change a machine: what run, check and describe have in common. */
typedef struct machine_options {
    GArray *sets;     /* pb_plan_set */
    GArray *attaches; /* pb_plan_attach */
    GPtrArray *texts; /* owns their strings */
    char *accel;
    gboolean no_reboot, deterministic;
} machine_options;

void machine_options_init(machine_options *o);
void machine_options_finish(machine_options *o);
/* Entries for parse_options(), whose opaque is a machine_options or begins with one. */
#define MACHINE_OPTION_ENTRIES 14
void machine_option_entries(GOptionEntry entries[MACHINE_OPTION_ENTRIES]);
void machine_options_set(machine_options *o, const char *option, const char *parameter,
                         const char *text);
gboolean machine_option_parse(const char *name, const char *value, gpointer o, GError **error);

/* A machine file, loaded and composed. */
typedef struct loaded_machine {
    pb_plugin_host *host;
    pb_yaml *yaml;
    pb_yaml_node *root; /* null: the file could not be read */
    pb_diags *diags;
    pb_plan *plan; /* null with root */
} loaded_machine;

/* Load by name or path; if it is not to run, from manifests, so that no plugin is opened. Errors
 * and warnings are printed. False if there were errors. */
bool load_machine(loaded_machine *m, const char *name, const machine_options *o, bool to_run);
void loaded_machine_finish(loaded_machine *m);

/* ---- commands -------------------------------------------------------------------------------- */

int command_run(int argc, char **argv);
int command_check(int argc, char **argv);
int command_list(int argc, char **argv);
int command_describe(int argc, char **argv);
int command_schema(int argc, char **argv);
int command_report(int argc, char **argv);
int command_new(int argc, char **argv);
int command_user(int argc, char **argv);
int command_binfmt(int argc, char **argv);

/* Whether the program was called by a name that binfmt_misc calls it by, "patchbay-aarch64". */
bool is_run_by_kernel(const char *name);
int run_by_kernel(int argc, char **argv);

#endif
