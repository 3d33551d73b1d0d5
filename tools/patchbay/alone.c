/*
 * What is different in `patchbay-static`: a static program with all that user mode needs inside, the plugins and the machines. It needs
 * no other file, so it runs in any root: chroot(1), containers.
 *
 * Nothing is looked for beside it: the root may be somebody else's. Left out: all that is about machines.
 */
#include "command.h"

#include <core/plugin/manifest.h>

const command commands[] = {
    { "user", "PROGRAM [ARGUMENT...]", "Run a Linux program that was built for another processor",
      command_user, true },
    { "binfmt", "[ARCHITECTURE...]", "Tell how the kernel runs programs with `patchbay user`",
      command_binfmt },
    { 0 }
};

const program_help help = {
    "patchbay-static",
    "Runs Linux programs that were built for another processor, in any root. Commands:",
    "",
};

const bool is_alone = true;

/* There are no files of plugins, so none have manifests; these are here so that the core's, and the library that it needs, stay out. */

pb_manifest *pb_manifest_read(const char *plugin_file)
{
    return NULL;
}

void pb_manifest_free(pb_manifest *manifest) {}

const pb_plugin *pb_manifest_plugin(const pb_manifest *manifest)
{
    return NULL;
}
