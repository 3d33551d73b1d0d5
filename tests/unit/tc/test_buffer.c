/*
 * Memory for code: core/tc/buffer.c.
 */
#include "bench.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of shared mappings, which only the cache has here; sanitizers have memory of their own. */
static uint64_t resident_bytes(void)
{
    g_autofree char *text = NULL;
    const char *line;

    CU_ASSERT_FATAL(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
    line = strstr(text, "RssShmem:");
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    return g_ascii_strtoull(line + strlen("RssShmem:"), NULL, 10) * 1024;
}

static pb_tc *open_bytes(bench *b, uint64_t bytes, pb_error *error)
{
    pb_code_slice thunks;

    return b->ops->open(NULL, bytes, &bench_codegen, NULL, &thunks, error);
}

static void sizes(void)
{
    bench b;
    pb_error error = PB_ERROR_INIT;
    pb_tc *tc;

    bench_open(&b, 1 << 20);
    CU_ASSERT_PTR_NULL(open_bytes(&b, (1 << 20) - 1, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "1048575"));
    CU_ASSERT_PTR_NULL(open_bytes(&b, UINT64_C(2) << 30, NULL));
    CU_ASSERT_PTR_NULL(open_bytes(&b, UINT64_MAX, NULL));
    for (uint64_t bytes = 1 << 20; bytes < UINT64_C(2) << 30; bytes = bytes * 3 / 2 + 1) {
        tc = open_bytes(&b, bytes, &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(tc);
        CU_ASSERT(tc->bytes <= bytes && bytes - tc->bytes < slab_bytes(tc));
        CU_ASSERT(tc->n_slabs >= 32);
        b.ops->close(tc);
    }
    b.ops->close(NULL);
    bench_close(&b);
}

static void large_caches_cost_nothing(void)
{
    uint64_t before = resident_bytes();
    bench b;

    bench_open(&b, (UINT64_C(2) << 30) - 1);
    bench_make(&b, 0, 0, 0);
    CU_ASSERT(resident_bytes() < before + (96 << 10)); /* memory is populated 64 KiB at a time */
    bench_close(&b);
}

/* No page of the process is writable and executable. */
static void write_or_execute(void)
{
    g_autofree char *maps = NULL;
    bench b;
    uint32_t lines = 0;
    const char *at;

    bench_open(&b, 1 << 20);
    CU_ASSERT(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    for (at = maps; (at = strstr(at, "patchbay-code")) != NULL; at++)
        lines++;
    CU_ASSERT(lines >= 2);
    CU_ASSERT_PTR_NULL(strstr(maps, " rwx"));
    bench_close(&b);
}

/* What is only written once is resident once: the writable mapping is given back. */
static void written_once(void)
{
    bench b;
    uint64_t before;

    bench_open(&b, 64 << 20);
    before = resident_bytes();
    for (uint32_t i = 0; i < 8 << 10; i++) {
        ir_unit ir = bench_translate(&b, i * 16, false);
        pb_tc_unit *other;

        bench_publish(&b, b.user, &ir, i * 16, (const uint32_t[]){ 0, 0 }, 1000, &other);
    }
    /* More than 8 MiB of code that was never executed. */
    CU_ASSERT(resident_bytes() > before);
    CU_ASSERT(resident_bytes() < before + (1 << 20));
    bench_close(&b);
}

/* ---- hosts that refuse ----------------------------------------------------------------------------------- */

static void no_descriptors(void)
{
    struct rlimit old, none;
    bench b;
    pb_error error = PB_ERROR_INIT;
    pb_tc *tc;

    bench_open(&b, 1 << 20);
    getrlimit(RLIMIT_NOFILE, &old);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none);
    tc = open_bytes(&b, 1 << 20, &error);
    setrlimit(RLIMIT_NOFILE, &old);
    CU_ASSERT_PTR_NULL(tc);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, g_strerror(EMFILE)));
    bench_close(&b);
}

/* mmap(PROT_EXEC) fails with EACCES from now on, as under a security policy. */
static bool forbid_executable_memory(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = PB_ARRAY_SIZE(filter), .filter = filter };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* In a process of its own: 0 the error is right, 1 it is not, 2 the host has no filters. */
static int try_forbidden(void)
{
    pb_error error = PB_ERROR_INIT;
    bench b = { .ops = pb_tc_ops_of(bench_bus_of) };

    if (!forbid_executable_memory())
        return 2;
    return open_bytes(&b, 1 << 20, &error) || !strstr(error.text, "executable") ||
           !strstr(error.text, g_strerror(EACCES)) || !strstr(error.text, "policy");
}

static void forbidden(void)
{
    int status = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(try_forbidden());
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        printf("(not tested: the host has no system call filters) ");
    else
        CU_ASSERT_EQUAL(status, 0);
}

int main(void)
{
    static const unit_case cases[] = {
        { "sizes", sizes },
        { "large caches cost nothing", large_caches_cost_nothing },
        { "write or execute", write_or_execute },
        { "written once", written_once },
        { "no descriptors", no_descriptors },
        { "executable memory is forbidden", forbidden },
        { 0 },
    };

    return unit_run("tc buffer", cases);
}
