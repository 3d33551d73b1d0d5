/*
 * Guest RAM and the flags of its pages.
 *
 * Each page has a byte of flags and a 32-bit generation, both in memory that the host provides when
 * it is touched. Stores by vCPUs go two ways: fast, through a write tag in a software TLB, telling
 * nobody; or slow, which tells pb_ram_stored(). DMA and devices tell pb_ram_written(). The rules:
 *
 * 1. CODE (code was taken from the page) and CLEAN(c) (client c wants to hear of the next write) are
 *    traps. A write tag is given only to a page without traps (pb_ram_write_tag), because who has
 *    one tells nobody.
 * 2. TAGGED says that some vCPU may have a write tag. It is set, with the absence of traps, in one atomic
 *    operation, before the tag is written; so either the tagger sees the trap, or who sets the trap
 *    sees TAGGED.
 * 3. Who sets a trap on a TAGGED page takes the tags away (pb_bus_untag waits until every vCPU
 *    dropped them or is outside of the guest) before it relies on the trap.
 * 4. Slow stores, DMA and devices write the bytes first and look at the flags afterwards, with a full
 *    barrier between; who sets a trap reads the bytes after it. So either the writer sees the
 *    trap or the reader sees the bytes.
 * 5. A page has a bit for each line of 64 bytes from which code was read: set before the bytes are read
 *    (pb_ram_code_reads). A write to a CODE page that touches no such line is done with the barrier of rule 4. One that does
 *    kills the lines: with BUSY set, under the RAM's lock, the generation is counted up, listeners are told, and
 *    the bits cleared. So who finds the bits cleared finds the units gone, and who finds them set waits for the lock.
 * 6. Who takes code reads the generation first. If CODE stands then without BUSY, every later kill of a line that is
 *    read now counts the generation up after that; if not, it waits for the lock. So the stamp tells whether
 *    what was read is still good, whatever became of the bits.
 * 7. When no line is left, or the page had many writes beside its code, all lines are killed and CODE is cleared, with BUSY: the
 *    page is data again, at full speed, until code is taken from it once more. How many writes are many doubles with
 *    each time that this happened, so a page of both costs less and less.
 * 8. With pb_bus_mix_code() such a page becomes *mixed* instead: it has no trap for code, units made from it compare its bytes, and
 *    the generation counts only changes of this state, and cache maintenance, which tells listeners too. Mixed is set
 *    before the kill of rule 7 and cleared before the generation is counted up. A page is mixed until it was written as a
 *    whole at once, or maintained as a whole: what is there then is something else.
 * 9. TAGGED is cleared only by rule 3 for CODE, under the lock, and only if the generation did not move since CODE
 *    was set: then CODE stood all the time and no tag was given in between. It makes the next
 *    taking of code from the page cheap.
 * 10. Of pages that somebody may write unnoticed (pb_ram_set_unnoticed) a page becomes mixed when code is taken from it: that is asked
 *    behind the setting of CODE, and who changes the answer drops CODE after that (pb_ram_renew_code). So either the taker gets
 *    the new answer, or what it makes is refused.
 *
 * Listeners are called under the RAM's lock: theirs are inner ones.
 */
#include <core/bus/host.h>
#include <core/bus/internal.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define FLAG_CODE     0x01
#define FLAG_TAGGED   0x02
#define FLAG_BUSY     0x04
#define FLAG_CLEAN(c) (0x10 << (c))
#define FLAGS_CLEAN   (FLAG_CLEAN(PB_DIRTY_CLIENTS) - FLAG_CLEAN(0))
#define FLAGS_TRAPS   (FLAG_CODE | FLAGS_CLEAN)

_Static_assert(FLAG_CLEAN(PB_DIRTY_CLIENTS) <= 0x100, "a client has a bit in the byte of flags");

#define LINE_BITS 6 /* of code: a bit of 64 for each in a page */
#define HUGE_PAGE (UINT64_C(2) << 20)
#define MFD_2MB   (21u << 26) /* MFD_HUGE_2MB of <linux/memfd.h>, which cannot be included here */

/* Writes beside the code of a page that are borne the first time, and at most. A write costs some 50 ns more, making the
 * units of a page anew some 100 us. */
#define BESIDE_LOG2      10
#define MOST_BESIDE_LOG2 20

/* What is known of a page that code was taken from. */
typedef struct code_page {
    uint32_t generation; /* atomic. First: its address names the page */
    uint32_t beside;     /* atomic: writes that touched no line of code, since CODE was set last */
    uint64_t
        lines; /* atomic: bit i: code was read from the bytes from 64 i on; of a mixed page: they
                          * were maintained */
    uint32_t dropped; /* under the lock: times that all was dropped because of them */
    uint32_t mixed;   /* atomic */
} code_page;

struct pb_ram {
    int refs;
    pb_bus *bus;
    char *name;
    uint64_t bytes;  /* what was asked for */
    uint64_t mapped; /* the same in whole host pages */
    uint64_t pages;
    int fd;
    bool huge;   /* of huge pages, or wishes to be */
    bool around; /* the bytes are somebody else's */
    uint8_t *host;
    uint8_t *flags;                                 /* one a page; atomic */
    code_page *code;                                /* one a page */
    pthread_mutex_t lock;                           /* rules 5 to 10 */
    bool (*unnoticed)(void *opaque, uint64_t page); /* null: none */
    void *opaque;
};

/* Bytes of guest RAM that the process has, over all machines. */
static uint64_t total_bytes;

/* ---- the host's limits ----------------------------------------------------------------------------- */

/* A line of /proc/meminfo in bytes (counts: as they are); 0 if it is not there. */
static uint64_t meminfo(const char *contents, const char *key)
{
    g_autofree char *prefix = g_strdup_printf("%s:", key);
    const char *line = contents ? strstr(contents, prefix) : NULL;
    char *end;
    uint64_t value;

    if (!line)
        return 0;
    value = g_ascii_strtoull(line + strlen(prefix), &end, 10);
    return g_str_has_prefix(end, " kB") ? value * 1024 : value;
}

static bool host_overcommits_always(void)
{
    g_autofree char *text = NULL;

    return g_file_get_contents("/proc/sys/vm/overcommit_memory", &text, NULL, NULL) &&
           text[0] == '1';
}

/* RAM is sparse, so what counts is not what is free now but what the host could ever give. */
static bool check_host(const char *name, uint64_t bytes, pb_ram_backing backing, GError **error)
{
    g_autofree char *contents = NULL;
    uint64_t host, others;

    if (!g_file_get_contents("/proc/meminfo", &contents, NULL, NULL))
        return true; /* no /proc: the allocation itself will tell */
    if (backing == PB_RAM_HUGE) {
        uint64_t free_bytes =
            meminfo(contents, "HugePages_Free") * meminfo(contents, "Hugepagesize");

        if (bytes <= free_bytes)
            return true;
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
                    "%s: %" G_GUINT64_FORMAT " MiB of huge pages are wanted and the host has "
                    "%" G_GUINT64_FORMAT " MiB free; raise vm.nr_hugepages",
                    name, bytes >> 20, free_bytes >> 20);
        return false;
    }
    host = meminfo(contents, "MemTotal") + meminfo(contents, "SwapTotal");
    others = __atomic_load_n(&total_bytes, __ATOMIC_RELAXED);
    if (host == 0 || (bytes <= host && others <= host - bytes) || host_overcommits_always())
        return true;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
                "%s: the machine's memory would be %" G_GUINT64_FORMAT
                " MiB, more than the host's memory and swap of %" G_GUINT64_FORMAT
                " MiB; ask for less, or set vm.overcommit_memory=1",
                name, (bytes >> 20) + (others >> 20), host >> 20);
    return false;
}

/* ---- life ------------------------------------------------------------------------------------------ */

static bool fail_errno(GError **error, const char *name, const char *what)
{
    int code = errno;

    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "%s: cannot %s: %s", name, what,
                g_strerror(code));
    return false;
}

/* Zeroed memory that costs nothing until it is touched. */
static void *map_sparse(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* Maps the memfd at an address that huge pages can use. */
static bool map_file(pb_ram *ram, pb_ram_backing backing, GError **error)
{
    int reserve = backing == PB_RAM_HUGE ? 0 : MAP_NORESERVE;
    uint8_t *window, *start;
    uint64_t window_bytes = ram->mapped + HUGE_PAGE;

    window =
        mmap(NULL, window_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (window == MAP_FAILED)
        return fail_errno(error, ram->name, "reserve address space");
    start = (uint8_t *)(((uintptr_t)window + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    if (start > window)
        munmap(window, (size_t)(start - window));
    if (window + window_bytes > start + ram->mapped)
        munmap(start + ram->mapped, (size_t)(window + window_bytes - (start + ram->mapped)));
    if (mmap(start, ram->mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | reserve, ram->fd,
             0) == MAP_FAILED) {
        fail_errno(error, ram->name, "map guest memory");
        munmap(start, ram->mapped);
        return false;
    }
    ram->host = start;
    if (backing == PB_RAM_HUGE_WISHED)
        madvise(start, ram->mapped, MADV_HUGEPAGE); /* a wish: the host may not have them */
    return true;
}

static bool allocate_tables(pb_ram *ram, GError **error)
{
    ram->flags = map_sparse(ram->pages);
    ram->code = map_sparse(ram->pages * sizeof(code_page));
    return (ram->flags && ram->code) ||
           fail_errno(error, ram->name, "map the flags of guest memory");
}

static bool allocate(pb_ram *ram, pb_ram_backing backing, GError **error)
{
    unsigned flags = MFD_CLOEXEC | (backing == PB_RAM_HUGE ? MFD_HUGETLB | MFD_2MB : 0);

    ram->fd = memfd_create(ram->name, flags);
    if (ram->fd < 0)
        return fail_errno(error, ram->name, "create guest memory");
    if (ram->mapped > INT64_MAX || ftruncate(ram->fd, (off_t)ram->mapped) != 0)
        return fail_errno(error, ram->name, "size guest memory");
    return map_file(ram, backing, error) && allocate_tables(ram, error);
}

static void release(pb_ram *ram)
{
    if (ram->host && !ram->around)
        munmap(ram->host, ram->mapped);
    if (ram->flags)
        munmap(ram->flags, ram->pages);
    if (ram->code)
        munmap(ram->code, ram->pages * sizeof(code_page));
    if (ram->fd >= 0)
        close(ram->fd);
    pthread_mutex_destroy(&ram->lock);
    g_free(ram->name);
    g_free(ram);
}

static pb_ram *make(pb_bus *bus, const char *name, uint64_t bytes, uint64_t granule)
{
    pb_ram *ram = g_new0(pb_ram, 1);

    ram->refs = 1;
    ram->bus = bus;
    ram->name = g_strdup(name);
    ram->bytes = bytes;
    ram->mapped = (bytes + granule - 1) & ~(granule - 1);
    ram->pages = ram->mapped >> PB_PAGE_BITS;
    ram->fd = -1;
    pthread_mutex_init(&ram->lock, NULL);
    return ram;
}

pb_ram *pb_ram_new_around(pb_bus *bus, const char *name, uint8_t *host, uint64_t bytes,
                          GError **error)
{
    pb_ram *ram = make(bus, name, bytes, PB_PAGE_SIZE);

    ram->host = host;
    ram->around = true;
    if (allocate_tables(ram, error))
        return ram;
    release(ram);
    return NULL;
}

pb_ram *pb_ram_new(pb_bus *bus, const char *name, uint64_t bytes, pb_ram_backing backing,
                   GError **error)
{
    uint64_t granule = backing == PB_RAM_HUGE ? HUGE_PAGE : PB_PAGE_SIZE;
    pb_ram *ram;

    g_assert(bytes > 0);
    if (bytes > UINT64_MAX / 2 || !check_host(name, bytes, backing, error)) {
        if (error && !*error)
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
                        "%s: no host has %" G_GUINT64_FORMAT " MiB of memory", name, bytes >> 20);
        return NULL;
    }
    ram = make(bus, name, bytes, granule);
    ram->huge = backing != PB_RAM_PAGES;
    if (!allocate(ram, backing, error)) {
        release(ram);
        return NULL;
    }
    __atomic_fetch_add(&total_bytes, bytes, __ATOMIC_RELAXED);
    return ram;
}

pb_ram *pb_ram_ref(pb_ram *ram)
{
    g_atomic_int_inc(&ram->refs);
    return ram;
}

void pb_ram_unref(pb_ram *ram)
{
    if (ram && g_atomic_int_dec_and_test(&ram->refs)) {
        if (!ram->around)
            __atomic_fetch_sub(&total_bytes, ram->bytes, __ATOMIC_RELAXED);
        release(ram);
    }
}

const char *pb_ram_name(const pb_ram *ram)
{
    return ram->name;
}

uint64_t pb_ram_bytes(const pb_ram *ram)
{
    return ram->bytes;
}

uint8_t *pb_ram_host(const pb_ram *ram)
{
    return ram->host;
}

/* Whole pages go back to the host. */
static void zero(pb_ram *ram, uint64_t first, uint64_t bytes)
{
    uint64_t mask = ram->huge ? HUGE_PAGE - 1 : PB_PAGE_MASK;
    uint64_t from = (first + mask) & ~mask, to = (first + bytes) & ~mask;

    if (from >= to || fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                                (off_t)(to - from)) != 0) {
        memset(ram->host + first, 0, bytes);
        return;
    }
    memset(ram->host + first, 0, from - first);
    memset(ram->host + to, 0, first + bytes - to);
}

/* Through the file, because the host then makes pages without clearing and mapping each first: for an image of some
 * MiB that is less than half of the time. Not for huge pages, which only a mapping gets. */
static int write_file(pb_ram *ram, uint64_t first, const uint8_t *from, uint64_t bytes)
{
    while (bytes) {
        ssize_t n = pwrite(ram->fd, from, bytes, (off_t)first);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ENOSPC;
        first += (uint64_t)n;
        from += n;
        bytes -= (uint64_t)n;
    }
    return 0;
}

int pb_ram_fill(pb_ram *ram, uint64_t first, const void *from, uint64_t bytes)
{
    int error = 0;

    g_assert(first <= ram->mapped && bytes <= ram->mapped - first);
    if (!from)
        zero(ram, first, bytes);
    else if (ram->huge || bytes < PB_PAGE_SIZE)
        pb_host_copy(ram->host + first, from, bytes);
    else
        error = write_file(ram, first, from, bytes);
    pb_ram_written(ram, first, bytes);
    return error;
}

void pb_ram_clear(pb_ram *ram)
{
    pb_ram_fill(ram, 0, NULL, ram->mapped);
}

bool pb_ram_next_extent(const pb_ram *ram, uint64_t *first, uint64_t *bytes)
{
    off_t data, hole;

    if (*first >= ram->bytes)
        return false;
    data = lseek(ram->fd, (off_t)(*first & ~PB_PAGE_MASK), SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        return false;
    hole = data < 0 ? -1 : lseek(ram->fd, data, SEEK_HOLE);
    if (data < 0 || hole < 0) { /* a host that cannot tell: all of it */
        data = (off_t)(*first & ~PB_PAGE_MASK);
        hole = (off_t)ram->mapped;
    }
    if ((uint64_t)data >= ram->bytes)
        return false;
    *first = (uint64_t)data;
    *bytes = MIN((uint64_t)hole, ram->bytes) - *first;
    return true;
}

/* ---- flags ----------------------------------------------------------------------------------------- */

static uint8_t flags_of(const pb_ram *ram, uint64_t page)
{
    return __atomic_load_n(&ram->flags[page], __ATOMIC_SEQ_CST);
}

/* Bits of the lines that bytes of a page lie in; at least one of them. */
static uint64_t lines_of(uint64_t first, uint64_t bytes)
{
    uint64_t from = (first & PB_PAGE_MASK) >> LINE_BITS;
    uint64_t to = ((first & PB_PAGE_MASK) + bytes - 1) >> LINE_BITS;

    return (~UINT64_C(0) << from) & (~UINT64_C(0) >> (63 - to));
}

static uint64_t code_lines(const code_page *c)
{
    return __atomic_load_n(&c->lines, __ATOMIC_SEQ_CST);
}

/* Rules 5 and 7, with CODE set. */
static void kill_locked(pb_ram *ram, uint64_t page, uint64_t lines)
{
    code_page *c = &ram->code[page];
    uint8_t done = FLAG_BUSY;

    __atomic_fetch_or(&ram->flags[page], FLAG_BUSY, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&c->generation, 1, __ATOMIC_SEQ_CST);
    pb_bus_code_stale(ram->bus, &c->generation, lines);
    if (__atomic_and_fetch(&c->lines, ~lines, __ATOMIC_SEQ_CST) == 0)
        done |= FLAG_CODE;
    __atomic_fetch_and(&ram->flags[page], (uint8_t)~done, __ATOMIC_SEQ_CST);
}

static void kill_lines(pb_ram *ram, uint64_t page, uint64_t lines)
{
    pthread_mutex_lock(&ram->lock);
    if ((flags_of(ram, page) & FLAG_CODE) && (code_lines(&ram->code[page]) & lines))
        kill_locked(ram, page, lines);
    pthread_mutex_unlock(&ram->lock);
}

static bool is_mixed(const code_page *c)
{
    return __atomic_load_n(&c->mixed, __ATOMIC_SEQ_CST) != 0;
}

static void set_mixed_locked(pb_ram *ram, code_page *c, bool mixed)
{
    __atomic_store_n(&c->mixed, mixed, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&ram->bus->mixed_pages, mixed ? 1 : UINT64_MAX, __ATOMIC_RELAXED);
}

/* Lines of a mixed page are not what they were. */
static void change_mixed(pb_ram *ram, uint64_t page, uint64_t lines)
{
    code_page *c = &ram->code[page];

    pthread_mutex_lock(&ram->lock);
    if (is_mixed(c)) {
        uint64_t all = __atomic_or_fetch(&c->lines, lines, __ATOMIC_SEQ_CST);

        if (all == ~UINT64_C(0))
            set_mixed_locked(ram, c, false);
        __atomic_fetch_add(&c->generation, 1, __ATOMIC_SEQ_CST);
        pb_bus_code_stale(ram->bus, &c->generation, all == ~UINT64_C(0) ? all : lines);
    }
    pthread_mutex_unlock(&ram->lock);
}

static uint32_t most_beside(const pb_ram *ram, const code_page *c)
{
    uint32_t dropped = __atomic_load_n(&c->dropped, __ATOMIC_RELAXED);

    if (ram->bus->mix_after)
        return ram->bus->mix_after;
    return 1u << MIN(BESIDE_LOG2 + dropped, MOST_BESIDE_LOG2);
}

/* There were many writes beside the code. */
static void give_up_code(pb_ram *ram, uint64_t page)
{
    code_page *c = &ram->code[page];

    pthread_mutex_lock(&ram->lock);
    if ((flags_of(ram, page) & FLAG_CODE) &&
        __atomic_load_n(&c->beside, __ATOMIC_RELAXED) >= most_beside(ram, c)) {
        __atomic_store_n(&c->dropped, c->dropped + 1, __ATOMIC_RELAXED);
        if (ram->bus->mix_after)
            set_mixed_locked(ram, c, true);
        kill_locked(ram, page, ~UINT64_C(0));
    }
    pthread_mutex_unlock(&ram->lock);
}

/* A write happened to a page of code. */
static void write_code(pb_ram *ram, uint64_t page, uint64_t lines)
{
    code_page *c = &ram->code[page];

    if (code_lines(c) & lines)
        kill_lines(ram, page, lines);
    else if (__atomic_add_fetch(&c->beside, 1, __ATOMIC_RELAXED) >= most_beside(ram, c))
        give_up_code(ram, page);
}

/* A write happened to a page that has traps. */
static void spring(pb_ram *ram, uint64_t page, uint8_t flags, uint64_t lines)
{
    if (flags & FLAGS_CLEAN)
        __atomic_fetch_and(&ram->flags[page], (uint8_t)~FLAGS_CLEAN, __ATOMIC_SEQ_CST);
    if (flags & FLAG_CODE)
        write_code(ram, page, lines);
}

void pb_ram_stored(pb_ram *ram, uint64_t first, uint32_t bytes)
{
    uint64_t page = first >> PB_PAGE_BITS;
    uint8_t flags;

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* rule 4 */
    flags = flags_of(ram, page);
    if (flags & FLAGS_TRAPS)
        spring(ram, page, flags, lines_of(first, bytes));
}

void pb_ram_written(pb_ram *ram, uint64_t first, uint64_t bytes)
{
    uint64_t last = first + bytes - 1;

    if (bytes == 0)
        return;
    g_assert(first < ram->mapped && bytes <= ram->mapped - first);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* rule 4 */
    for (uint64_t page = first >> PB_PAGE_BITS; page <= last >> PB_PAGE_BITS; page++) {
        uint64_t from = MAX(first, page << PB_PAGE_BITS);
        uint64_t to = MIN(last, page << PB_PAGE_BITS | PB_PAGE_MASK);
        uint8_t flags = flags_of(ram, page);

        if (flags & FLAGS_TRAPS)
            spring(ram, page, flags, lines_of(from, to - from + 1));
        else if (to - from == PB_PAGE_MASK && is_mixed(&ram->code[page]))
            change_mixed(ram, page, ~UINT64_C(0));
    }
}

bool pb_ram_write_tag(pb_ram *ram, uint64_t page)
{
    uint8_t flags = flags_of(ram, page);

    do {
        if (flags & FLAGS_TRAPS)
            return false;
        if (flags & FLAG_TAGGED)
            return true;
    } while (!__atomic_compare_exchange_n(&ram->flags[page], &flags, flags | FLAG_TAGGED, false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return true;
}

const uint8_t *pb_ram_tagged(const pb_ram *ram, uint64_t page)
{
    _Static_assert(PB_TLB2_TAGGED == FLAG_TAGGED, "the flag alone, without traps");
    g_assert(page < ram->pages);
    return &ram->flags[page];
}

/* ---- code ------------------------------------------------------------------------------------------ */

static uint32_t generation_of(const pb_ram *ram, uint64_t page)
{
    return __atomic_load_n(&ram->code[page].generation, __ATOMIC_SEQ_CST);
}

/* Before CODE is set: bits that are there are of those who read under earlier stamps. */
static void begin_code_locked(code_page *c)
{
    __atomic_store_n(&c->lines, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&c->beside, 0, __ATOMIC_RELAXED);
}

/* Rule 10. */
static uint32_t mark_unnoticed(pb_ram *ram, uint64_t page)
{
    code_page *c = &ram->code[page];
    uint32_t generation;

    pthread_mutex_lock(&ram->lock);
    if (!is_mixed(c)) {
        set_mixed_locked(ram, c, true);
        kill_locked(ram, page, ~UINT64_C(0));
    }
    generation = generation_of(ram, page);
    pthread_mutex_unlock(&ram->lock);
    return generation;
}

/* Sets CODE, takes write tags away, and returns the generation that CODE was set under. */
static uint32_t mark_code(pb_ram *ram, uint64_t page)
{
    uint32_t generation;
    uint8_t old;

    pthread_mutex_lock(&ram->lock);
    if (is_mixed(&ram->code[page])) {
        generation = generation_of(ram, page);
        pthread_mutex_unlock(&ram->lock);
        return generation;
    }
    if (!(flags_of(ram, page) & FLAG_CODE))
        begin_code_locked(&ram->code[page]);
    old = __atomic_fetch_or(&ram->flags[page], FLAG_CODE, __ATOMIC_SEQ_CST);
    generation = generation_of(ram, page);
    pthread_mutex_unlock(&ram->lock);
    if (ram->unnoticed && ram->unnoticed(ram->opaque, page))
        return mark_unnoticed(ram, page);
    if (!(old & FLAG_TAGGED))
        return generation;

    pb_bus_untag(ram->bus, ram->host + (page << PB_PAGE_BITS), PB_PAGE_SIZE);
    pthread_mutex_lock(&ram->lock);
    if (generation_of(ram, page) == generation) /* rule 9 */
        __atomic_fetch_and(&ram->flags[page], (uint8_t)~FLAG_TAGGED, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&ram->lock);
    return generation;
}

void pb_ram_set_unnoticed(pb_ram *ram, bool (*unnoticed)(void *opaque, uint64_t page), void *opaque)
{
    ram->opaque = opaque;
    ram->unnoticed = unnoticed;
}

static void renew_page(pb_ram *ram, uint64_t page)
{
    code_page *c = &ram->code[page];

    pthread_mutex_lock(&ram->lock);
    if (is_mixed(c)) {
        set_mixed_locked(ram, c, false);
        __atomic_fetch_add(&c->generation, 1, __ATOMIC_SEQ_CST);
        pb_bus_code_stale(ram->bus, &c->generation, ~UINT64_C(0));
    } else if (flags_of(ram, page) & FLAG_CODE) {
        kill_locked(ram, page, ~UINT64_C(0));
    }
    pthread_mutex_unlock(&ram->lock);
}

void pb_ram_renew_code(pb_ram *ram, uint64_t first, uint64_t bytes)
{
    uint64_t last = first + bytes - 1;

    if (bytes == 0)
        return;
    g_assert(first < ram->mapped && bytes <= ram->mapped - first);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (uint64_t page = first >> PB_PAGE_BITS; page <= last >> PB_PAGE_BITS; page++)
        if (flags_of(ram, page) & FLAG_CODE || is_mixed(&ram->code[page]))
            renew_page(ram, page);
}

uint32_t pb_ram_code_take(pb_ram *ram, uint64_t page, const uint32_t **generation)
{
    uint32_t value;

    g_assert(page < ram->pages);
    *generation = &ram->code[page].generation;
    value = generation_of(ram, page); /* before the flags: rule 6 */
    if ((flags_of(ram, page) & (FLAG_CODE | FLAG_TAGGED | FLAG_BUSY)) == FLAG_CODE)
        return value;
    return is_mixed(&ram->code[page]) ? value : mark_code(ram, page);
}

bool pb_ram_code_reads(const uint32_t *generation, uint32_t first, uint32_t bytes)
{
    code_page *c = (code_page *)(void *)(uintptr_t)generation;
    uint64_t lines = lines_of(first, bytes);

    if (is_mixed(c))
        return false;
    if (~code_lines(c) & lines)
        __atomic_fetch_or(&c->lines, lines, __ATOMIC_SEQ_CST);
    return true;
}

void pb_ram_code_flush(pb_ram *ram, uint64_t first, uint64_t bytes)
{
    uint64_t page = first >> PB_PAGE_BITS, lines = lines_of(first, bytes);

    g_assert(page < ram->pages);
    if ((flags_of(ram, page) & FLAG_CODE) && (code_lines(&ram->code[page]) & lines))
        kill_lines(ram, page, lines);
    else if (is_mixed(&ram->code[page]))
        change_mixed(ram, page, lines);
}

bool pb_ram_is_beside_code(const pb_ram *ram, uint64_t first, uint32_t bytes)
{
    uint64_t page = first >> PB_PAGE_BITS;
    const code_page *c = &ram->code[page];

    return (flags_of(ram, page) & FLAGS_TRAPS) == FLAG_CODE &&
           !(code_lines(c) & lines_of(first, bytes)) &&
           __atomic_load_n(&c->beside, __ATOMIC_RELAXED) + 1 < most_beside(ram, c);
}

/* ---- dirty pages ------------------------------------------------------------------------------------ */

void pb_ram_dirty_start(pb_ram *ram, pb_dirty_client client)
{
    pb_ram_dirty_take(ram, client, 0, ram->mapped, NULL);
}

void pb_ram_dirty_stop(pb_ram *ram, pb_dirty_client client)
{
    uint64_t page;

    for (page = 0; page < ram->pages; page++) {
        if (flags_of(ram, page) & FLAG_CLEAN(client))
            __atomic_fetch_and(&ram->flags[page], (uint8_t)~FLAG_CLEAN(client), __ATOMIC_SEQ_CST);
    }
}

uint64_t pb_ram_dirty_take(pb_ram *ram, pb_dirty_client client, uint64_t first, uint64_t bytes,
                           uint64_t *bitmap)
{
    uint64_t start = first >> PB_PAGE_BITS;
    uint64_t page, last, count = 0, low = UINT64_MAX, high = 0;

    if (bytes == 0)
        return 0;
    g_assert(first < ram->mapped && bytes <= ram->mapped - first);
    last = (first + bytes - 1) >> PB_PAGE_BITS;
    for (page = start; page <= last; page++) {
        uint8_t old;

        if (flags_of(ram, page) & FLAG_CLEAN(client))
            continue;
        old = __atomic_fetch_or(&ram->flags[page], FLAG_CLEAN(client), __ATOMIC_SEQ_CST);
        if (bitmap)
            bitmap[(page - start) / 64] |= UINT64_C(1) << ((page - start) % 64);
        count++;
        if (old & FLAG_TAGGED) {
            low = MIN(low, page);
            high = page;
        }
    }
    if (low <= high)
        pb_bus_untag(ram->bus, ram->host + (low << PB_PAGE_BITS), (high - low + 1) << PB_PAGE_BITS);
    return count;
}
