/* `patchbay describe`: a machine's parameters and parts. */
#include "command.h"

int command_describe(int argc, char **argv)
{
    return complain(STATUS_USAGE, "describe: not yet");
}
