/* The commands of `patchbay`. */
#include "command.h"

const command commands[] = {
    { "run", "MACHINE", "Run a machine", command_run },
    { "user", "PROGRAM [ARGUMENT...]", "Run a Linux program that was built for another processor",
      command_user, true },
    { "check", "MACHINE", "Say what is wrong with a machine file", command_check },
    { "list", "[machines|devices|cpus|accels|codegens|backends|loaders]", "List what is there",
      command_list },
    { "describe", "TYPE|MACHINE", "Tell about a type or a machine", command_describe },
    { "schema", "", "Print the JSON Schema of machine files", command_schema },
    { "report", "missing [TYPE]", "Count what is known and not modelled", command_report },
    { "binfmt", "[ARCHITECTURE...]", "Tell how the kernel runs programs with `patchbay user`",
      command_binfmt },
    { "new", "device NAME", "Begin a plugin", command_new },
    { 0 }
};

const program_help help = {
    "patchbay",
    "Emulates machines that are patched together from plugins. Commands:",
    "\nA MACHINE is a name (see `patchbay list machines`) or the path of a YAML file.\n",
};

const pb_source_text preloaded_machines[] = { { 0 } };
const bool is_alone = false;
