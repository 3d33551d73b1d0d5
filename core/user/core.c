/*
 * Core files: System V ABI, "Object Files"; Linux, fs/binfmt_elf.c and core(5); include/linux/elfcore.h, uapi/linux/elf.h.
 *
 * 1. As the kernel: RLIMIT_CORE of the program permits it and bounds it, PR_SET_DUMPABLE does, and the file is a new or own one in the
 *    current folder.
 * 2. Notes first: what the process is, then registers of each thread, the one that ends first. Registers are the architecture's
 *    (pb_user_arch.regsets), the rest is the same on all LP64.
 * 3. Then memory, by the default of /proc/PID/coredump_filter: anonymous memory, private memory of files that was
 *    written to, and the first page of other ELF files. Pages that were never touched, or have zeros, are holes of the file.
 *
 * Left out: pages that the program may not read; /proc/sys/kernel/core_pattern, which is for the host's programs; times;
 * architectures that are not little-endian LP64.
 */
#include <core/user/core.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NT_SIGINFO_TYPE 0x53494749
#define NT_FILE_TYPE    0x46494c45

bool pb_user_core_signal(int signal)
{
    switch (signal) {
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
        return true;
    default:
        return false;
    }
}

/* ---- notes ----------------------------------------------------------------------------------------------- */

/* struct elf_prstatus without its registers. */
typedef struct prstatus {
    int32_t signal, code, error;
    int16_t current_signal;
    uint16_t pad;
    uint64_t pending, held;
    int32_t pid, ppid, pgrp, sid;
    uint64_t times[8];
} prstatus;

G_STATIC_ASSERT(sizeof(prstatus) == 112);

/* struct elf_prpsinfo */
typedef struct prpsinfo {
    int8_t state;
    char state_name, zombie, nice;
    uint64_t flags;
    uint32_t uid, gid;
    int32_t pid, ppid, pgrp, sid;
    char name[16], arguments[80];
} prpsinfo;

G_STATIC_ASSERT(sizeof(prpsinfo) == 136);

static void align(GByteArray *to, guint bytes)
{
    static const uint8_t zeros[PB_PAGE_SIZE];
    guint rest = to->len % bytes;

    if (rest)
        g_byte_array_append(to, zeros, bytes - rest);
}

static void add_note(GByteArray *notes, const char *name, uint32_t type, const void *data,
                     uint32_t bytes)
{
    const Elf64_Nhdr header = { (uint32_t)strlen(name) + 1, bytes, type };

    g_byte_array_append(notes, (const uint8_t *)&header, sizeof(header));
    g_byte_array_append(notes, (const uint8_t *)name, header.n_namesz);
    align(notes, 4);
    g_byte_array_append(notes, data, bytes);
    align(notes, 4);
}

static void add_status(GByteArray *notes, const pb_user_thread *t, int signal)
{
    const pb_user_regset *set = &t->user->arch->regsets[0];
    uint32_t bytes = sizeof(prstatus) + set->bytes + 8;
    g_autofree uint8_t *note = g_malloc0(bytes);
    const prstatus status = {
        .signal = signal,
        .current_signal = (int16_t)signal,
        .held = t->mask,
        .pid = t->tid,
        .ppid = getppid(),
        .pgrp = getpgrp(),
        .sid = getsid(0),
    };
    const uint32_t has_fp = t->user->arch->n_regsets > 1;

    memcpy(note, &status, sizeof(status));
    set->read(t->vcpu, note + sizeof(status));
    memcpy(note + sizeof(status) + set->bytes, &has_fp, sizeof(has_fp));
    add_note(notes, set->name, set->type, note, bytes);
}

static void add_other_registers(GByteArray *notes, const pb_user_thread *t)
{
    for (uint32_t i = 1; i < t->user->arch->n_regsets; i++) {
        const pb_user_regset *set = &t->user->arch->regsets[i];
        g_autofree uint8_t *data = g_malloc0(set->bytes);

        set->read(t->vcpu, data);
        add_note(notes, set->name, set->type, data, set->bytes);
    }
}

static void add_process(GByteArray *notes, const pb_user *user)
{
    g_autofree char *arguments = g_strjoinv(" ", (char **)user->options.argv);
    g_autofree char *name = g_path_get_basename(user->path);
    prpsinfo info = {
        .state_name = 'R',
        .uid = getuid(),
        .gid = getgid(),
        .pid = getpid(),
        .ppid = getppid(),
        .pgrp = getpgrp(),
        .sid = getsid(0),
    };

    g_strlcpy(info.name, name, sizeof(info.name));
    g_strlcpy(info.arguments, arguments, sizeof(info.arguments));
    add_note(notes, "CORE", NT_PRPSINFO, &info, sizeof(info));
}

/* What files are mapped where: count, size of a page; beginning, end, page of the file of each; names. */
static void add_files(GByteArray *notes, const GArray *ranges)
{
    g_autoptr(GByteArray) note = g_byte_array_new();
    g_autoptr(GByteArray) names = g_byte_array_new();
    uint64_t head[2] = { 0, PB_PAGE_SIZE };

    g_byte_array_append(note, (const uint8_t *)head, sizeof(head));
    for (guint i = 0; i < ranges->len; i++) {
        const pb_user_range *r = &g_array_index(ranges, pb_user_range, i);
        const uint64_t place[3] = { r->first, r->end, r->offset / PB_PAGE_SIZE };

        if (!r->is_file)
            continue;
        g_byte_array_append(note, (const uint8_t *)place, sizeof(place));
        g_byte_array_append(names, (const uint8_t *)r->name, (guint)strlen(r->name) + 1);
        head[0]++;
    }
    memcpy(note->data, head, sizeof(head));
    if (names->len)
        g_byte_array_append(note, names->data, names->len);
    add_note(notes, "CORE", NT_FILE_TYPE, note->data, note->len);
}

static GByteArray *make_notes(const pb_user_thread *t, const siginfo_t *info, const GArray *ranges)
{
    const pb_user *user = t->user;
    GByteArray *notes = g_byte_array_new();
    uint8_t siginfo[PB_USER_SIGINFO] = { 0 };

    memcpy(siginfo, info, MIN(sizeof(*info), sizeof(siginfo)));
    add_status(notes, t, info->si_signo);
    add_process(notes, user);
    add_note(notes, "CORE", NT_SIGINFO_TYPE, siginfo, sizeof(siginfo));
    add_note(notes, "CORE", NT_AUXV, user->auxv, (uint32_t)user->auxv_bytes);
    add_files(notes, ranges);
    add_other_registers(notes, t);
    for (const pb_user_thread *other = user->threads; other; other = other->next) {
        if (other == t)
            continue;
        add_status(notes, other, 0);
        add_other_registers(notes, other);
    }
    return notes;
}

/* ---- what of memory -------------------------------------------------------------------------------------- */

/* /proc/PID/pagemap */
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_SWAPPED (UINT64_C(1) << 62)
#define PAGE_OF_FILE (UINT64_C(1) << 61)
#define CHUNK        512 /* pages at a time */

typedef struct dump {
    pb_user *user;
    int fd, pagemap; /* pagemap may be -1: nothing is known of pages */
    uint64_t limit;  /* bytes of the file */
    int error;
} dump;

static uint8_t *host_of(const dump *d, uint64_t gva)
{
    return pb_user_space_base(d->user->space) + gva;
}

/* What is known of up to CHUNK pages. */
static void look_at_pages(const dump *d, uint64_t gva, uint64_t pages[CHUNK], uint64_t n)
{
    off_t at = (off_t)((uintptr_t)host_of(d, gva) / PB_PAGE_SIZE * sizeof(pages[0]));
    ssize_t bytes = (ssize_t)(n * sizeof(pages[0]));

    if (d->pagemap >= 0 && pread(d->pagemap, pages, (size_t)bytes, at) == bytes)
        return;
    for (uint64_t i = 0; i < n; i++)
        pages[i] = PAGE_PRESENT;
}

/* Whether a private mapping of a file has pages of its own. */
static bool was_written(const dump *d, const pb_user_range *r)
{
    uint64_t pages[CHUNK];

    if (d->pagemap < 0)
        return (r->prot & PB_PROT_WRITE) != 0;
    for (uint64_t gva = r->first; gva < r->end; gva += CHUNK * PB_PAGE_SIZE) {
        uint64_t n = MIN(CHUNK, (r->end - gva) / PB_PAGE_SIZE);

        look_at_pages(d, gva, pages, n);
        for (uint64_t i = 0; i < n; i++) {
            if ((pages[i] & (PAGE_PRESENT | PAGE_SWAPPED)) && !(pages[i] & PAGE_OF_FILE))
                return true;
        }
    }
    return false;
}

/* How many bytes of it are put into the file. */
static uint64_t dumped_bytes(const dump *d, const pb_user_range *r)
{
    char magic[SELFMAG];

    if (!(r->prot & PB_PROT_READ))
        return 0;
    if (!r->is_file || (!r->shared && was_written(d, r)))
        return r->end - r->first;
    if (r->offset == 0 && !r->shared &&
        pb_user_space_read(d->user->space, r->first, magic, sizeof(magic)) &&
        memcmp(magic, ELFMAG, SELFMAG) == 0)
        return PB_PAGE_SIZE;
    return 0;
}

static void add_range(void *opaque, const pb_user_range *range)
{
    g_array_append_val((GArray *)opaque, *range);
}

/* ---- the file -------------------------------------------------------------------------------------------- */

/* Bytes at a place, up to the limit. Memory that cannot be read, behind a file's end, stays a hole. */
static void put(dump *d, uint64_t at, const void *bytes, uint64_t n)
{
    if (d->error || at >= d->limit)
        return;
    n = MIN(n, d->limit - at);
    while (n) {
        ssize_t done = pwrite(d->fd, bytes, n, (off_t)at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            d->error = done < 0 && errno == EFAULT ? 0 : done < 0 ? errno : ENOSPC;
            return;
        }
        bytes = (const uint8_t *)bytes + done;
        at += (uint64_t)done;
        n -= (uint64_t)done;
    }
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PB_PAGE_SIZE - 1) == 0;
}

/* Pages that are there: in private memory by the process's page tables; shared memory may be known to others only. */
static void put_memory(dump *d, const pb_user_range *r, uint64_t bytes, uint64_t at)
{
    uint64_t pages[CHUNK];
    uint8_t resident[CHUNK];

    for (uint64_t done = 0; done < bytes && !d->error && at + done < d->limit;
         done += CHUNK * PB_PAGE_SIZE) {
        uint64_t n = MIN(CHUNK, (bytes - done) / PB_PAGE_SIZE);

        look_at_pages(d, r->first + done, pages, n);
        if (r->shared && mincore(host_of(d, r->first + done), n * PB_PAGE_SIZE, resident) < 0)
            memset(resident, 1, sizeof(resident));
        for (uint64_t i = 0; i < n; i++) {
            const uint8_t *page = host_of(d, r->first + done + i * PB_PAGE_SIZE);
            bool there = (pages[i] & (PAGE_PRESENT | PAGE_SWAPPED)) || (r->shared && resident[i]);

            if (r->is_file || (there && !is_zero(page)))
                put(d, at + done + i * PB_PAGE_SIZE, page, PB_PAGE_SIZE);
        }
    }
}

static uint32_t segment_flags(uint32_t prot)
{
    return (prot & PB_PROT_READ ? PF_R : 0u) | (prot & PB_PROT_WRITE ? PF_W : 0u) |
           (prot & PB_PROT_EXEC ? PF_X : 0u);
}

static void add_segment(GByteArray *head, const Elf64_Phdr *segment)
{
    g_byte_array_append(head, (const uint8_t *)segment, sizeof(*segment));
}

/* Header, table of segments, notes; with more segments than the header can count, a section that does. */
static GByteArray *make_head(const dump *d, const GArray *ranges, const uint64_t *bytes,
                             const GByteArray *notes)
{
    GByteArray *head = g_byte_array_new();
    uint32_t segments = ranges->len + 1;
    bool many = segments >= PN_XNUM;
    const Elf64_Ehdr header = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_CORE,
        .e_machine = d->user->arch->elf_machine,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = many ? PN_XNUM : (uint16_t)segments,
        .e_shoff = many ? sizeof(Elf64_Ehdr) + segments * sizeof(Elf64_Phdr) : 0,
        .e_shentsize = many ? sizeof(Elf64_Shdr) : 0,
        .e_shnum = many,
    };
    const Elf64_Shdr count = { .sh_info = segments, .sh_size = 1 };
    uint64_t at = sizeof(header) + segments * sizeof(Elf64_Phdr) + (many ? sizeof(count) : 0);
    Elf64_Phdr segment = {
        .p_type = PT_NOTE, .p_offset = at, .p_filesz = notes->len, .p_align = 4
    };

    g_byte_array_append(head, (const uint8_t *)&header, sizeof(header));
    add_segment(head, &segment);
    at = (at + notes->len + PB_PAGE_MASK) & ~PB_PAGE_MASK;
    for (guint i = 0; i < ranges->len; i++) {
        const pb_user_range *r = &g_array_index(ranges, pb_user_range, i);

        segment = (Elf64_Phdr){ .p_type = PT_LOAD,
                                .p_flags = segment_flags(r->prot),
                                .p_offset = at,
                                .p_vaddr = r->first,
                                .p_filesz = bytes[i],
                                .p_memsz = r->end - r->first,
                                .p_align = PB_PAGE_SIZE };
        add_segment(head, &segment);
        at += bytes[i];
    }
    if (many)
        g_byte_array_append(head, (const uint8_t *)&count, sizeof(count));
    g_byte_array_append(head, notes->data, notes->len);
    align(head, PB_PAGE_SIZE);
    return head;
}

static bool write_file(dump *d, const pb_user_thread *t, const siginfo_t *info)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(pb_user_range));
    g_autoptr(GByteArray) notes = NULL;
    g_autoptr(GByteArray) head = NULL;
    g_autofree uint64_t *bytes = NULL;
    uint64_t at;

    pb_user_space_visit(d->user->space, add_range, ranges);
    bytes = g_new(uint64_t, ranges->len + 1);
    for (guint i = 0; i < ranges->len; i++)
        bytes[i] = dumped_bytes(d, &g_array_index(ranges, pb_user_range, i));
    notes = make_notes(t, info, ranges);
    head = make_head(d, ranges, bytes, notes);
    put(d, 0, head->data, head->len);
    at = head->len;
    for (guint i = 0; i < ranges->len; i++) {
        put_memory(d, &g_array_index(ranges, pb_user_range, i), bytes[i], at);
        at += bytes[i];
    }
    if (!d->error && ftruncate(d->fd, (off_t)MIN(at, d->limit)) < 0)
        d->error = errno;
    return !d->error;
}

/* As the kernel, nothing of somebody else, and no link, is written to. */
static int open_file(const char *name)
{
    struct stat info;
    int fd = open(name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    if (fd < 0)
        return -1;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1 ||
        info.st_uid != geteuid() || ftruncate(fd, 0) < 0) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    return fd;
}

/* The name with the process's number where it has %p. */
static char *file_name(const pb_user *user)
{
    g_auto(GStrv) parts = g_strsplit(user->options.core ? user->options.core : "core", "%p", -1);
    g_autofree char *pid = g_strdup_printf("%d", (int)getpid());

    return g_strjoinv(pid, parts);
}

bool pb_user_core_write(pb_user_thread *t, const siginfo_t *info)
{
    const pb_user_arch *arch = t->user->arch;
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    dump d = { .user = t->user };
    struct rlimit limit;
    g_autofree char *name = NULL;
    bool ok;

    if (!PB_HAS(arch, n_regsets) || !arch->n_regsets || arch->big_endian || arch->word_bytes != 8 ||
        getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur < PB_PAGE_SIZE ||
        prctl(PR_GET_DUMPABLE) != 1)
        return false;
    name = file_name(t->user);
    d.limit = MIN(limit.rlim_cur, (rlim_t)INT64_MAX);
    d.fd = open_file(name);
    d.error = errno;
    ok = d.fd >= 0;
    if (ok) {
        d.error = 0;
        d.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        setrlimit(RLIMIT_FSIZE, &all); /* fails without rights: then files are bounded by it too */
        pb_user_standstill_begin(t);
        ok = write_file(&d, t, info);
        pb_user_standstill_end(t, false);
        close(d.fd);
        if (d.pagemap >= 0)
            close(d.pagemap);
    }
    if (!ok &&
        t->user->options.core) /* else nobody asked for it, and the kernel says nothing either */
        fprintf(stderr, "patchbay: core file %s: %s\n", name, g_strerror(d.error));
    return ok;
}

/* ---- what parents see ------------------------------------------------------------------------------------ */

/* A process's limits can be asked for until somebody has waited for it. With a limit of 1 the kernel writes no core file, nor gives it
 * to a program, as it does with 0: core(5). So nobody else has these two, and a program's with a core file was larger. */
static const struct rlimit left[] = { { 1, 1 }, { 1, 2 } };

void pb_user_core_leave(bool written)
{
    const struct rlimit none = { 0, 0 };

    if (setrlimit(RLIMIT_CORE, &left[written]) < 0)
        setrlimit(RLIMIT_CORE, &none);
}

bool pb_user_core_left(pid_t pid, int signal)
{
    struct rlimit limit;

    return pb_user_core_signal(signal) && prlimit(pid, RLIMIT_CORE, NULL, &limit) == 0 &&
           limit.rlim_cur == left[true].rlim_cur && limit.rlim_max == left[true].rlim_max;
}
