/*
 * usage: patchbay-manifest PLUGIN OUTPUT
 *
 * Opens a plugin, checks all that it says of itself, and writes its manifest. Run by the build for every plugin; authors
 * of plugins outside of the tree run it themselves.
 */
#include <core/plugin/elf_file.h>
#include <core/plugin/manifest.h>
#include <core/plugin/plugin_host.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    g_autoptr(pb_plugin_host) host = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *build_id = NULL;
    g_autofree char *text = NULL;
    const pb_plugin *plugin;

    if (argc != 3) {
        fprintf(stderr, "usage: patchbay-manifest PLUGIN OUTPUT\n");
        return 2;
    }
    host = pb_plugin_host_new("");
    plugin = pb_plugin_host_open_file(host, argv[1], &error);
    if (!plugin || !pb_elf_check(argv[1], &build_id, &error)) {
        fprintf(stderr, "patchbay-manifest: %s\n", error->message);
        return EXIT_FAILURE;
    }
    if (!build_id) {
        fprintf(stderr, "patchbay-manifest: %s: has no build id; link it with -Wl,--build-id\n",
                argv[1]);
        return EXIT_FAILURE;
    }
    text = pb_manifest_text(plugin, build_id);
    if (!g_file_set_contents(argv[2], text, -1, &error)) {
        fprintf(stderr, "patchbay-manifest: %s\n", error->message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
