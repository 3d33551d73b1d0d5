/* Where the program's own files are: see places.h. */
#include <core/util/places.h>
#include <string.h>

static char *program_folder(void)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);

    return program ? g_path_get_dirname(program) : NULL;
}

/* Meson leaves a folder meson-private at the top of a build tree. */
char *pb_build_tree_folder(const char *name)
{
    g_autofree char *folder = program_folder();

    for (int level = 0; folder && level < 5; level++) {
        g_autofree char *mark = g_build_filename(folder, "meson-private", NULL);
        g_autofree char *inner = NULL;

        if (g_file_test(mark, G_FILE_TEST_IS_DIR))
            return g_build_filename(folder, name, NULL);
        inner = g_steal_pointer(&folder);
        folder = g_path_get_dirname(inner);
    }
    return NULL;
}

/* The prefix that the program lies in: what is above PB_BINDIR. */
static char *own_prefix(void)
{
    g_autofree char *folder = program_folder();

    return folder && g_str_has_suffix(folder, "/" PB_BINDIR)
               ? g_strndup(folder, strlen(folder) - strlen("/" PB_BINDIR))
               : NULL;
}

char *pb_installed_folder(const char *path)
{
    g_autofree char *prefix = own_prefix();
    g_autofree char *own = prefix ? g_build_filename(prefix, path, NULL) : NULL;

    if (g_path_is_absolute(path))
        return g_strdup(path);
    if (own && g_file_test(own, G_FILE_TEST_IS_DIR))
        return g_steal_pointer(&own);
    return g_build_filename(PB_PREFIX, path, NULL);
}
