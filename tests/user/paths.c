/* Paths below a system root; test_user.py makes what is there, and outside of it. Argument: the folder outside; or none, and nobody
 * may look into the root but root. */
#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a file says; "" with errno if it cannot be read. */
static const char *text_of(const char *path)
{
    static char text[64];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static const char *link_of(const char *path)
{
    static char text[PATH_MAX];
    ssize_t n = readlink(path, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

#define IS(text, expected) CHECK(strcmp(text, expected) == 0)

static void links(void)
{
    struct stat info;

    IS(text_of("/inner/file"), "inside");
    IS(text_of("/inner/absolute"), "inside");
    IS(text_of("/inner/relative"), "inside");
    IS(text_of("/inner/far-up"), "inside");
    IS(text_of("/folder/file"), "inside");
    IS(text_of("//folder/./absolute"), "inside");
    IS(text_of("/../../inner/../folder/file"), "inside");
    IS(link_of("/inner/absolute"), "/inner/file");
    IS(link_of("/folder"), "/inner");
    CHECK(lstat("/folder", &info) == 0 && S_ISLNK(info.st_mode));
    CHECK(stat("/folder", &info) == 0 && S_ISDIR(info.st_mode));
    CHECK(lstat("/folder/", &info) == 0 && S_ISDIR(info.st_mode));
    errno = 0;
    IS(text_of("/inner/loop"), "");
    CHECK(errno == ELOOP);
    REFUSED(open("/inner/absolute", O_RDONLY | O_NOFOLLOW), ELOOP);
    REFUSED(open("/inner/absolute", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
    REFUSED(open("/inner/file/more", O_RDONLY), ENOTDIR);
    REFUSED(open("/inner/file/", O_RDONLY), ENOTDIR);
    CHECK(unlink("/inner/to-go") == 0);
    IS(link_of("/inner/to-go"), "");
    IS(text_of("/inner/file"), "inside");
}

/* What is not below the root is outside. */
static void outside(const char *folder)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/file", folder);
    IS(text_of(path), "outside");
    IS(text_of("/inner/out"), "outside");
    IS(text_of("/inner/out-folder/file"), "outside");
    snprintf(path, sizeof(path), "%s/new", folder);
    CHECK(close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) == 0 && unlink(path) == 0);
}

/* From a folder on, which is the current one or open: links lead to the same. */
static void relative(const char *outside_folder)
{
    struct stat info;
    char path[PATH_MAX];
    int fd = open("/inner", O_PATH | O_DIRECTORY);

    CHECK(chdir("/inner") == 0);
    IS(text_of("file"), "inside");
    IS(text_of("absolute"), "inside");
    IS(text_of("relative"), "inside");
    IS(text_of("far-up"), "inside");
    IS(text_of("../folder/absolute"), "inside");
    IS(text_of("../../../../folder/file"), "inside");
    IS(text_of("out"), "outside");
    IS(text_of("out-folder/file"), "outside");
    IS(link_of("absolute"), "/inner/file");
    CHECK(lstat("absolute", &info) == 0 && S_ISLNK(info.st_mode));
    CHECK(stat("../folder/absolute", &info) == 0 && S_ISREG(info.st_mode));
    errno = 0;
    IS(text_of("loop"), "");
    CHECK(errno == ELOOP);
    REFUSED(open("nothing", O_RDONLY), ENOENT);
    REFUSED(open("", O_RDONLY), ENOENT);
    CHECK(chdir("/") == 0);
    IS(text_of("folder/absolute"), "inside");
    IS(text_of("../inner/file"), "inside");
    CHECK(faccessat(fd, "far-up", R_OK, 0) == 0 && faccessat(fd, "../folder/file", R_OK, 0) == 0);
    CHECK(fstatat(fd, "absolute", &info, 0) == 0 && S_ISREG(info.st_mode));
    CHECK(fstatat(fd, "absolute", &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode));
    REFUSED(openat(fd, "../../nothing", O_RDONLY), ENOENT);
    close(openat(fd, "absolute", O_RDONLY));
    close(fd);
    /* A folder outside is the host's, with what is above it. */
    CHECK(chdir(outside_folder) == 0);
    IS(text_of("file"), "outside");
    snprintf(path, sizeof(path), "../%s/file", strrchr(outside_folder, '/') + 1);
    IS(text_of(path), "outside");
    CHECK(chdir("/") == 0);
}

static void shown(void)
{
    char path[PATH_MAX];

    IS(link_of("/proc/self/exe"), "/inner/program");
    CHECK(chdir("/folder") == 0 && getcwd(path, sizeof(path)) == path);
    IS(path, "/inner");
    IS(link_of("/proc/self/cwd"), "/inner");
    IS(text_of("file"), "inside");
    CHECK(chdir("/") == 0 && getcwd(path, sizeof(path)) == path);
    IS(path, "/");
    errno = 0;
    CHECK(!getcwd(path, 1) && errno == ERANGE);
}

#define NOBODY 65534

static void forbidden(void)
{
    struct stat info;

    CHECK(geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0);
    REFUSED(open("/inner/file", O_RDONLY), ENOENT);
    CHECK(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
    CHECK(stat("/proc/self/task", &info) == 0);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        forbidden();
        return done("paths");
    }
    CHECK(argc == 2);
    links();
    outside(argc == 2 ? argv[1] : "");
    relative(argc == 2 ? argv[1] : "");
    shown();
    return done("paths");
}
