/* `patchbay check`: everything that is wrong with a machine file, without running it. */
#include "command.h"

int command_check(int argc, char **argv)
{
    machine_options options;
    GOptionEntry entries[MACHINE_OPTION_ENTRIES];
    loaded_machine machine;
    int status;

    machine_options_init(&options);
    machine_option_entries(entries);
    if (!parse_options(
            "check", entries, &options,
            "Prints each error as FILE:LINE:COLUMN: TEXT. The exit status is 0 if there are none.",
            &argc, &argv, &status)) {
        machine_options_finish(&options);
        return status;
    }
    if (argc != 2) {
        machine_options_finish(&options);
        return complain(STATUS_USAGE, "check: one machine is expected");
    }
    status = load_machine(&machine, argv[1], &options, false) ? STATUS_OK : STATUS_USAGE;
    loaded_machine_finish(&machine);
    machine_options_finish(&options);
    return status;
}
