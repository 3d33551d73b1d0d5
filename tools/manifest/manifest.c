/*
 * usage: patchbay-manifest PLUGIN OUTPUT
 *        patchbay-manifest --reference PLUGIN OUTPUT
 *
 * Opens a plugin, checks all that it says of itself, and writes its manifest, or the reference pages of its types in
 * Markdown. Run by the build for every plugin; authors of plugins outside of the tree run it themselves.
 */
#include <core/device/describe.h>
#include <core/plugin/elf_file.h>
#include <core/plugin/manifest.h>
#include <core/plugin/plugin_host.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "usage: patchbay-manifest [--reference] PLUGIN OUTPUT\n";

static char *reference_text(const pb_plugin *plugin)
{
    GString *text = g_string_new(NULL);

    for (const pb_class *const *class = plugin->types; *class; class ++) {
        if (text->len)
            g_string_append_c(text, '\n');
        pb_reference_page(plugin, *class, text);
    }
    return g_string_free(text, FALSE);
}

static char *manifest_text(const pb_plugin *plugin, const char *file, GError **error)
{
    g_autofree char *build_id = NULL;
    char *text;

    if (!pb_elf_check(file, &build_id, error))
        return NULL;
    text = build_id ? pb_manifest_text(plugin, build_id) : NULL;
    if (!text)
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_INVALID, "%s: %s", file,
                    build_id ? "a text in its tables is not UTF-8"
                             : "has no build id; link it with -Wl,--build-id");
    return text;
}

int main(int argc, char **argv)
{
    bool reference = argc == 4 && strcmp(argv[1], "--reference") == 0;
    g_autoptr(pb_plugin_host) host = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    const pb_plugin *plugin;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    if (argc != 3 && !reference) {
        fputs(usage, stderr);
        return 2;
    }
    host = pb_plugin_host_new("");
    plugin = pb_plugin_host_open_file(host, argv[argc - 2], &error);
    if (plugin)
        text = reference ? reference_text(plugin) : manifest_text(plugin, argv[argc - 2], &error);
    if (!text || !g_file_set_contents(argv[argc - 1], text, -1, &error)) {
        fprintf(stderr, "patchbay-manifest: %s\n", error->message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
