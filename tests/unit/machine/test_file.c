/* core/util/file.c. */
#include "../runner.h"

#include <core/util/file.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

static char *name(const char *leaf)
{
    return g_build_filename(folder, leaf, NULL);
}

static void expect_content(const char *file, const char *content)
{
    g_autofree char *bytes = NULL;
    gsize length;

    CU_ASSERT_TRUE_FATAL(pb_file_read(file, 1000, &bytes, &length, NULL));
    CU_ASSERT_EQUAL(length, strlen(content));
    CU_ASSERT_STRING_EQUAL(bytes, content);
}

static void reading(void)
{
    g_autofree char *file = name("read");
    g_autofree char *none = name("none");
    g_autoptr(GError) error = NULL;
    char *bytes = NULL;
    gsize length;

    CU_ASSERT_TRUE(g_file_set_contents(file, "0123456789", -1, NULL));
    expect_content(file, "0123456789");
    CU_ASSERT_FALSE(pb_file_read(file, 9, &bytes, &length, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "is longer than 9 bytes"));
    g_clear_error(&error);
    CU_ASSERT_FALSE(pb_file_read(none, 9, &bytes, &length, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "cannot open '"));
    g_clear_error(&error);
    CU_ASSERT_FALSE(pb_file_read(folder, 9, &bytes, &length, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "cannot read '"));
    g_clear_error(&error);
    CU_ASSERT_FALSE(pb_file_read("/dev/zero", 100000, &bytes, &length, &error));
    CU_ASSERT_PTR_NULL(bytes);
    g_unlink(file);
}

static void replacing(void)
{
    g_autofree char *file = name("written");
    g_autoptr(GError) error = NULL;
    pb_file_writer *writer;
    struct stat info;

    CU_ASSERT_TRUE(g_file_set_contents(file, "old", -1, NULL));
    writer = pb_file_writer_new(file, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(writer);
    CU_ASSERT_TRUE(pb_file_write(writer, "ne", 2));
    expect_content(file, "old");
    CU_ASSERT_TRUE(pb_file_write(writer, "w", 1));
    CU_ASSERT_TRUE(pb_file_commit(writer, &error));
    expect_content(file, "new");
    CU_ASSERT_EQUAL(stat(file, &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 0600, 0600);
    writer = pb_file_writer_new(file, &error);
    CU_ASSERT_TRUE(pb_file_write(writer, "half", 4));
    pb_file_abandon(writer);
    expect_content(file, "new");
    g_unlink(file);
}

static void failing(void)
{
    g_autofree char *file = name("no-such-folder/file");
    g_autofree char *taken = name("taken");
    g_autoptr(GError) error = NULL;

    CU_ASSERT_PTR_NULL(pb_file_writer_new(file, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "cannot create '"));
    g_clear_error(&error);
    /* A folder cannot be replaced. */
    CU_ASSERT_EQUAL(g_mkdir(taken, 0777), 0);
    CU_ASSERT_PTR_NULL(pb_file_writer_new(taken, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "Is a directory"));
    CU_ASSERT_EQUAL(g_rmdir(taken), 0);
}

/* A disk that gets full keeps the old file. */
static void no_room(void)
{
    const struct rlimit small = { 1000, RLIM_INFINITY }, none = { RLIM_INFINITY, RLIM_INFINITY };
    g_autofree char *file = name("file");
    g_autofree char *bytes = g_malloc0(2000);
    g_autoptr(GError) error = NULL;
    pb_file_writer *writer;

    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_TRUE(g_file_set_contents(file, "old", -1, NULL));
    writer = pb_file_writer_new(file, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(writer);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    CU_ASSERT_FALSE(pb_file_write(writer, bytes, 2000));
    CU_ASSERT_FALSE(pb_file_commit(writer, &error));
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &none), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "File too large"));
    expect_content(file, "old");
    g_unlink(file);
}

/* What is no plain file is written to, not replaced; a link leads to what is replaced. */
static void special_files(void)
{
    g_autofree char *link = name("link");
    g_autofree char *real = name("real");
    g_autoptr(GError) error = NULL;
    pb_file_writer *writer = pb_file_writer_new("/dev/full", &error);
    struct stat info;

    CU_ASSERT_PTR_NOT_NULL_FATAL(writer);
    pb_file_write(writer, "new", 3);
    CU_ASSERT_FALSE(pb_file_commit(writer, &error));
    CU_ASSERT_STRING_EQUAL(error->message, "cannot write '/dev/full': No space left on device");
    CU_ASSERT_TRUE(stat("/dev/full", &info) == 0 && S_ISCHR(info.st_mode));
    g_clear_error(&error);

    CU_ASSERT_TRUE(g_file_set_contents(real, "old", -1, NULL));
    CU_ASSERT_EQUAL(symlink("real", link), 0);
    writer = pb_file_writer_new(link, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(writer);
    CU_ASSERT_TRUE(pb_file_write(writer, "new", 3));
    CU_ASSERT_TRUE(pb_file_commit(writer, &error));
    CU_ASSERT_TRUE(lstat(link, &info) == 0 && S_ISLNK(info.st_mode));
    expect_content(real, "new");
    g_unlink(link);
    g_unlink(real);
}

static void descriptors(void)
{
    g_autofree char *file = name("open");
    g_autofree char *found = NULL;
    g_autofree char *resolved = NULL;
    int fd, ends[2];

    CU_ASSERT_TRUE(g_file_set_contents(file, "", -1, NULL));
    fd = open(file, O_RDONLY);
    found = pb_file_of_descriptor(fd);
    resolved = realpath(file, NULL);
    CU_ASSERT_STRING_EQUAL(found, resolved);
    close(fd);
    CU_ASSERT_PTR_NULL(pb_file_of_descriptor(fd));
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    g_free(found);
    found = pb_file_of_descriptor(ends[0]);
    CU_ASSERT_TRUE(g_str_has_prefix(found, "pipe:["));
    close(ends[0]);
    close(ends[1]);
    g_unlink(file);
}

/* Nothing is left behind: the folder is empty. */
static void no_remains(void)
{
    CU_ASSERT_EQUAL(g_rmdir(folder), 0);
}

int main(void)
{
    static const unit_case cases[] = {
        { "reading", reading },
        { "replacing at once", replacing },
        { "failing", failing },
        { "no room", no_room },
        { "special files and links", special_files },
        { "descriptors", descriptors },
        { "nothing is left behind", no_remains },
        { 0 },
    };
    int status;

    folder = g_dir_make_tmp("patchbay-file-XXXXXX", NULL);
    status = unit_run("util file", cases);
    g_free(folder);
    return status;
}
