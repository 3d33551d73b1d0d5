/*
 * Names of emitted code for Linux perf: a map ("tools/perf/Documentation/jit-interface.txt") and a dump with the code
 * itself ("jitdump-specification.txt", version 1).
 *
 * A map names addresses once and for all: where memory of the cache was used again, perf takes one of the names.
 * The dump has times, so there perf knows. Not here: line tables, records of unloading and of unwinding.
 */
#include <core/tc/watch.h>

#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define JITDUMP_MAGIC   0x4a695444 /* "JiTD" */
#define JITDUMP_VERSION 1
#define JIT_CODE_LOAD   0

#if defined(__x86_64__)
#define HOST_ELF_MACHINE 62
#elif defined(__aarch64__)
#define HOST_ELF_MACHINE 183
#else
#define HOST_ELF_MACHINE 0
#endif

typedef struct jitdump_header {
    uint32_t magic, version, total_size, elf_mach, pad, pid;
    uint64_t timestamp, flags;
} jitdump_header;

typedef struct jitdump_load {
    uint32_t id, total_size;
    uint64_t timestamp;
    uint32_t pid, tid;
    uint64_t vma, code_addr, code_size, code_index;
} jitdump_load;

_Static_assert(sizeof(jitdump_header) == 40 && sizeof(jitdump_load) == 56, "the file's layout");

static struct {
    pthread_mutex_t lock;
    FILE *map, *dump;
    char *map_name, *dump_name;
    void *marker; /* a page of the dump, mapped executable: how perf record learns of the file */
    uint64_t index;
} perf = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* perf record must be told `-k mono`. */
static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* In a folder that others can write to nobody shall have put a link there. */
static FILE *make_file(const char *name, int flags, GError **error)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (!file) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot make %s: %s", name,
                    g_strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    return file;
}

static bool open_map(const char *name, GError **error)
{
    perf.map_name = *name ? g_strdup(name) : g_strdup_printf("/tmp/perf-%ld.map", (long)getpid());
    perf.map = make_file(perf.map_name, *name ? 0 : O_NOFOLLOW, error);
    return perf.map != NULL;
}

static bool open_dump(const char *folder, GError **error)
{
    const jitdump_header header = { .magic = JITDUMP_MAGIC,
                                    .version = JITDUMP_VERSION,
                                    .total_size = sizeof(header),
                                    .elf_mach = HOST_ELF_MACHINE,
                                    .pid = (uint32_t)getpid(),
                                    .timestamp = now_ns() };

    perf.dump_name = g_strdup_printf("%s/jit-%ld.dump", folder, (long)getpid());
    perf.dump = make_file(perf.dump_name, O_NOFOLLOW, error);
    if (!perf.dump)
        return false;
    fwrite(&header, sizeof(header), 1, perf.dump);
    if (fflush(perf.dump) == 0)
        perf.marker = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_EXEC, MAP_PRIVATE,
                           fileno(perf.dump), 0);
    if (!perf.marker || perf.marker == MAP_FAILED) {
        perf.marker = NULL;
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot begin %s: %s",
                    perf.dump_name, g_strerror(errno));
        return false;
    }
    return true;
}

bool tc_perf_open(const char *map, const char *jitdump, GError **error)
{
    perf.index = 0;
    return (!map || open_map(map, error)) && (!jitdump || open_dump(jitdump, error));
}

static bool close_file(FILE **file, char **name, GError **error)
{
    bool failed = *file && ferror(*file);

    if (*file && fclose(*file) != 0)
        failed = true;
    *file = NULL;
    if (failed && error && !*error)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "%s is not complete", *name);
    g_clear_pointer(name, g_free);
    return !failed;
}

bool tc_perf_close(GError **error)
{
    bool map = close_file(&perf.map, &perf.map_name, error);
    bool dump = close_file(&perf.dump, &perf.dump_name, error);

    if (perf.marker)
        munmap(perf.marker, (size_t)sysconf(_SC_PAGESIZE));
    perf.marker = NULL;
    return map && dump;
}

bool tc_perf_wanted(void)
{
    return perf.map || perf.dump;
}

static void dump_code(const uint8_t *rx, uint32_t bytes, const char *name)
{
    uint32_t name_bytes = (uint32_t)strlen(name) + 1;
    const jitdump_load load = { .id = JIT_CODE_LOAD,
                                .total_size = (uint32_t)sizeof(load) + name_bytes + bytes,
                                .timestamp = now_ns(),
                                .pid = (uint32_t)getpid(),
                                .tid = (uint32_t)syscall(SYS_gettid),
                                .vma = (uintptr_t)rx,
                                .code_addr = (uintptr_t)rx,
                                .code_size = bytes,
                                .code_index = perf.index++ };

    fwrite(&load, sizeof(load), 1, perf.dump);
    fwrite(name, name_bytes, 1, perf.dump);
    fwrite(rx, bytes, 1, perf.dump);
}

void tc_perf_code(const uint8_t *rx, uint32_t bytes, const char *name)
{
    pthread_mutex_lock(&perf.lock);
    if (perf.map)
        fprintf(perf.map, "%" PRIxPTR " %x %s\n", (uintptr_t)rx, bytes, name);
    if (perf.dump)
        dump_code(rx, bytes, name);
    pthread_mutex_unlock(&perf.lock);
}
