/*
 * usage: patchbay-device-script FILE-OR-FOLDER...
 *
 * Runs register scripts: the named files, and the test_*.yaml of the named folders. The checking layer is there, and what it
 * finds is a failure.
 */
#include "script.h"

#include <plugins/preloaded.h>
#include <stdlib.h>

static gint compare_files(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void find_scripts(const char *path, GPtrArray *files)
{
    GDir *folder = g_dir_open(path, 0, NULL);
    const char *name;

    if (!folder) {
        g_ptr_array_add(files, g_strdup(path));
        return;
    }
    while ((name = g_dir_read_name(folder)))
        if (g_str_has_prefix(name, "test_") && g_str_has_suffix(name, ".yaml"))
            g_ptr_array_add(files, g_build_filename(path, name, NULL));
    g_dir_close(folder);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(pb_plugin_host) host = NULL;
    unsigned passed = 0, failed = 0;

    pb_check_enabled = true;
    pb_plugin_host_preload(pb_preloaded_plugins);
    host = pb_plugin_host_new(NULL);
    for (int i = 1; i < argc; i++)
        find_scripts(argv[i], files);
    g_ptr_array_sort(files, compare_files);
    if (!files->len) {
        printf("no register script test_*.yaml is there\n");
        return 77;
    }
    for (guint i = 0; i < files->len; i++)
        device_script_run(host, files->pdata[i], &passed, &failed);
    printf("%u passed, %u failed\n", passed, failed);
    return failed || !passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
