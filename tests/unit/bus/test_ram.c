/*
 * RAM and the flags of its pages: core/bus/ram.c.
 */
#include "board.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t resident_bytes(void)
{
    g_autofree char *text = NULL;
    unsigned long size = 0, resident = 0;

    g_file_get_contents("/proc/self/statm", &text, NULL, NULL);
    sscanf(text, "%lu %lu", &size, &resident);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void large_ram_costs_nothing(void)
{
    board b = board_new();
    g_autoptr(GError) error = NULL;
    uint64_t before = resident_bytes();
    pb_ram *ram = pb_ram_new(b.bus, "ram", UINT64_C(2) << 30, PB_RAM_PAGES, &error);
    uint64_t first = 0, bytes = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(ram);
    CU_ASSERT_FALSE(pb_ram_next_extent(ram, &first, &bytes));
    pb_ram_host(ram)[UINT64_C(1) << 30] = 1;
    first = 0;
    CU_ASSERT(pb_ram_next_extent(ram, &first, &bytes));
    CU_ASSERT_EQUAL(first, UINT64_C(1) << 30);
    CU_ASSERT_EQUAL(bytes, PB_PAGE_SIZE);
    first += bytes;
    CU_ASSERT_FALSE(pb_ram_next_extent(ram, &first, &bytes));
    CU_ASSERT(resident_bytes() < before + (8 << 20));
    pb_ram_clear(ram);
    first = 0;
    CU_ASSERT_FALSE(pb_ram_next_extent(ram, &first, &bytes));
    CU_ASSERT_EQUAL(pb_ram_host(ram)[UINT64_C(1) << 30], 0);
    pb_ram_unref(ram);
    board_free(&b);
}

/* What comes through the file is the memory that is mapped, whichever pages there are already. */
static void filling(void)
{
    board b = board_new();
    g_autoptr(GError) error = NULL;
    pb_ram *ram = pb_ram_new(b.bus, "ram", 1 << 20, PB_RAM_PAGES, &error);
    g_autofree uint8_t *image = g_malloc(300000);
    uint64_t first = 0, bytes = 0;
    uint8_t *host;

    CU_ASSERT_PTR_NOT_NULL_FATAL(ram);
    host = pb_ram_host(ram);
    for (int i = 0; i < 300000; i++)
        image[i] = (uint8_t)(1 + i % 251);
    host[5000] = host[400000] = 9;
    CU_ASSERT_EQUAL(pb_ram_fill(ram, 4097, image, 300000), 0);
    CU_ASSERT_EQUAL(host[4096], 0);
    CU_ASSERT_EQUAL(memcmp(host + 4097, image, 300000), 0);
    CU_ASSERT_EQUAL(host[304097], 0);
    CU_ASSERT_EQUAL(host[400000], 9);
    CU_ASSERT_EQUAL(pb_ram_fill(ram, 10, image, 3), 0);
    CU_ASSERT_EQUAL(memcmp(host + 9, "\0\1\2\3\0", 5), 0);

    CU_ASSERT_EQUAL(pb_ram_fill(ram, 8191, NULL, 8194),
                    0); /* two whole pages, a byte on both sides */
    CU_ASSERT_EQUAL(host[8190], image[8190 - 4097]);
    for (int i = 8191; i < 8191 + 8194; i++)
        CU_ASSERT_EQUAL_FATAL(host[i], 0);
    CU_ASSERT_EQUAL(host[16385], image[16385 - 4097]);
    CU_ASSERT_EQUAL(pb_ram_fill(ram, 20481, NULL, 5), 0);
    CU_ASSERT_EQUAL(host[20480], image[20480 - 4097]);
    CU_ASSERT_EQUAL(memcmp(host + 20481, "\0\0\0\0\0", 5), 0);
    CU_ASSERT_EQUAL(host[20486], image[20486 - 4097]);

    CU_ASSERT_EQUAL(pb_ram_fill(ram, 0, NULL, 1 << 20), 0);
    CU_ASSERT_FALSE(pb_ram_next_extent(ram, &first, &bytes));
    pb_ram_unref(ram);
    board_free(&b);
}

/* A page of which all is read as code. */
static uint32_t take(pb_ram *ram, uint64_t page, const uint32_t **generation)
{
    uint32_t stamp = pb_ram_code_take(ram, page, generation);

    pb_ram_code_reads(*generation, 0, PB_PAGE_SIZE);
    return stamp;
}

/* Code of the pages becomes stale, and displays hear of it. */
static void filling_counts_as_written(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 8 * PB_PAGE_SIZE);
    g_autofree uint8_t *image = g_malloc0(8 * PB_PAGE_SIZE);
    const uint32_t *generation;
    uint32_t taken;

    pb_ram_dirty_start(ram, PB_DIRTY_DISPLAY);
    taken = take(ram, 2, &generation);
    CU_ASSERT_EQUAL(pb_ram_fill(ram, PB_PAGE_SIZE, image, 2 * PB_PAGE_SIZE), 0);
    CU_ASSERT_NOT_EQUAL(*generation, taken);
    CU_ASSERT_EQUAL(pb_ram_dirty_take(ram, PB_DIRTY_DISPLAY, 0, 8 * PB_PAGE_SIZE, NULL), 2);
    taken = take(ram, 2, &generation);
    CU_ASSERT_EQUAL(pb_ram_fill(ram, 2 * PB_PAGE_SIZE, NULL, 3 * PB_PAGE_SIZE), 0);
    CU_ASSERT_NOT_EQUAL(*generation, taken);
    CU_ASSERT_EQUAL(pb_ram_dirty_take(ram, PB_DIRTY_DISPLAY, 0, 8 * PB_PAGE_SIZE, NULL), 3);
    pb_ram_unref(ram);
    board_free(&b);
}

/* A mapped image whose file somebody makes shorter is an error, not our end. */
static void filling_from_a_file_that_shrank(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 8 * PB_PAGE_SIZE);
    int fd = memfd_create("image", 0);
    void *image;

    CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 4 * PB_PAGE_SIZE), 0);
    image = mmap(NULL, 4 * PB_PAGE_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
    CU_ASSERT_EQUAL_FATAL(ftruncate(fd, PB_PAGE_SIZE), 0);
    CU_ASSERT_EQUAL(pb_ram_fill(ram, 0, image, 4 * PB_PAGE_SIZE), EFAULT);
    munmap(image, 4 * PB_PAGE_SIZE);
    close(fd);
    pb_ram_unref(ram);
    board_free(&b);
}

static void more_than_the_host_has(void)
{
    board b = board_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) absurd = NULL;
    g_autofree char *policy = NULL;
    pb_ram *ram = pb_ram_new(b.bus, "ram", UINT64_C(1) << 45, PB_RAM_PAGES, &error);

    g_file_get_contents("/proc/sys/vm/overcommit_memory", &policy, NULL, NULL);
    if (policy && policy[0] == '1' && ram) { /* this host promises anything */
        pb_ram_unref(ram);
    } else {
        CU_ASSERT_PTR_NULL(ram);
        CU_ASSERT_PTR_NOT_NULL_FATAL(error);
        CU_ASSERT(
            g_str_has_prefix(error->message, "ram: the machine's memory would be 33554432 MiB, "));
        CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "more than the host's memory and swap"));
    }
    CU_ASSERT_PTR_NULL(pb_ram_new(b.bus, "ram", UINT64_MAX, PB_RAM_PAGES, &absurd));
    CU_ASSERT_PTR_NOT_NULL(absurd);
    board_free(&b);
}

static void huge_pages_or_an_error(void)
{
    board b = board_new();
    g_autoptr(GError) error = NULL;
    pb_ram *ram = pb_ram_new(b.bus, "ram", 4 << 20, PB_RAM_HUGE, &error);

    if (ram)
        pb_ram_host(ram)[0] = 1;
    else
        CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "huge pages"));
    pb_ram_unref(ram);
    ram = pb_ram_new(b.bus, "ram", 4 << 20, PB_RAM_HUGE_WISHED, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ram);
    CU_ASSERT_EQUAL((uintptr_t)pb_ram_host(ram) % (2 << 20), 0);
    pb_ram_unref(ram);
    board_free(&b);
}

static void sizes_are_rounded_up_in_the_host(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 100);

    CU_ASSERT_EQUAL(pb_ram_bytes(ram), 100);
    pb_ram_host(ram)[PB_PAGE_SIZE - 1] = 1;
    pb_ram_written(ram, 0, 100);
    pb_ram_unref(ram);
    board_free(&b);
}

static void dirty_pages(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 100 * PB_PAGE_SIZE);
    uint64_t bitmap[2] = { 0 };

    pb_ram_dirty_start(ram, PB_DIRTY_DISPLAY);
    CU_ASSERT_EQUAL(pb_ram_dirty_take(ram, PB_DIRTY_DISPLAY, 0, 100 * PB_PAGE_SIZE, bitmap), 0);
    pb_ram_written(ram, 5 * PB_PAGE_SIZE - 1, 2);
    pb_ram_stored(ram, 70 * PB_PAGE_SIZE, 8);
    CU_ASSERT_EQUAL(
        pb_ram_dirty_take(ram, PB_DIRTY_DISPLAY, 4 * PB_PAGE_SIZE, 80 * PB_PAGE_SIZE, bitmap), 3);
    CU_ASSERT_EQUAL(bitmap[0], 3);
    CU_ASSERT_EQUAL(bitmap[1], UINT64_C(1) << (70 - 4 - 64));
    CU_ASSERT_EQUAL(pb_ram_dirty_take(ram, PB_DIRTY_DISPLAY, 0, 100 * PB_PAGE_SIZE, NULL), 0);
    pb_ram_dirty_stop(ram, PB_DIRTY_DISPLAY);
    CU_ASSERT(pb_ram_write_tag(ram, 1)); /* nobody listens any more */
    pb_ram_unref(ram);
    board_free(&b);
}

static void clients_are_independent(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 4 * PB_PAGE_SIZE);

    pb_ram_dirty_start(ram, PB_DIRTY_DISPLAY);
    pb_ram_dirty_start(ram, PB_DIRTY_SNAPSHOT);
    pb_ram_written(ram, 0, 1);
    CU_ASSERT_EQUAL(pb_ram_dirty_take(ram, PB_DIRTY_DISPLAY, 0, PB_PAGE_SIZE, NULL), 1);
    CU_ASSERT_EQUAL(pb_ram_dirty_take(ram, PB_DIRTY_DISPLAY, 0, PB_PAGE_SIZE, NULL), 0);
    CU_ASSERT_EQUAL(pb_ram_dirty_take(ram, PB_DIRTY_SNAPSHOT, 0, PB_PAGE_SIZE, NULL), 1);
    pb_ram_unref(ram);
    board_free(&b);
}

static void count_untag(void *opaque, const uint8_t *host, uint64_t bytes)
{
    ++*(int *)opaque;
}

static void code_pages(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 4 * PB_PAGE_SIZE);
    const uint32_t *generation;
    uint32_t stamp, again;
    int untags = 0;

    pb_bus_set_untag(b.bus, count_untag, &untags);
    CU_ASSERT(pb_ram_write_tag(ram, 1));
    stamp = pb_ram_code_take(ram, 1, &generation);
    pb_ram_code_reads(generation, 100, 4);
    CU_ASSERT_EQUAL(untags, 1); /* the tag was taken away */
    CU_ASSERT_EQUAL(*generation, stamp);
    CU_ASSERT_FALSE(pb_ram_write_tag(ram, 1));
    CU_ASSERT_EQUAL(pb_ram_code_take(ram, 1, &generation), stamp);
    CU_ASSERT_EQUAL(untags, 1);

    pb_ram_stored(ram, 2 * PB_PAGE_SIZE + 100, 8); /* another page */
    CU_ASSERT_EQUAL(*generation, stamp);
    pb_ram_stored(ram, PB_PAGE_SIZE + 96, 4);
    CU_ASSERT_NOT_EQUAL(*generation, stamp);
    again = *generation;
    pb_ram_stored(ram, PB_PAGE_SIZE + 96, 4); /* data now: not counted */
    CU_ASSERT_EQUAL(*generation, again);
    CU_ASSERT(pb_ram_write_tag(ram, 1));

    stamp = take(ram, 1, &generation);
    CU_ASSERT_EQUAL(untags, 2);
    pb_ram_written(ram, PB_PAGE_SIZE + 5, 1);
    CU_ASSERT_NOT_EQUAL(*generation, stamp);
    stamp = take(ram, 1, &generation);
    CU_ASSERT_EQUAL(untags, 2); /* no tag was given since */
    pb_ram_code_flush(ram, PB_PAGE_SIZE + 0xfff, 1);
    CU_ASSERT_NOT_EQUAL(*generation, stamp);
    pb_ram_unref(ram);
    board_free(&b);
}

typedef struct heard {
    const uint32_t *generation; /* of the last page */
    uint32_t value;             /* what it said then */
    uint32_t times;
    uint64_t lines;
} heard;

static void hear(void *opaque, const uint32_t *generation, uint64_t lines)
{
    heard *h = opaque;

    h->generation = generation;
    h->value = __atomic_load_n(generation, __ATOMIC_SEQ_CST);
    h->times++;
    h->lines = lines;
}

/* Told once for each time that code is taken, after the generation was counted up. */
static void stale_code_is_told(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 8 * PB_PAGE_SIZE);
    heard first = { 0 }, second = { 0 };
    const uint32_t *generation;
    uint32_t stamp;

    pb_bus_listen_code(b.bus, hear, &first);
    pb_bus_listen_code(b.bus, hear, &second);
    stamp = pb_ram_code_take(ram, 1, &generation);
    pb_ram_code_reads(generation, 0, 4);
    pb_ram_stored(ram, 2 * PB_PAGE_SIZE, 4);
    CU_ASSERT_EQUAL(first.times, 0);
    pb_ram_stored(ram, PB_PAGE_SIZE, 4);
    CU_ASSERT_PTR_EQUAL(first.generation, generation);
    CU_ASSERT_NOT_EQUAL(first.value, stamp);
    pb_ram_stored(ram, PB_PAGE_SIZE, 4);
    CU_ASSERT_EQUAL(first.times, 1);
    CU_ASSERT_EQUAL(second.times, 1);

    pb_bus_unlisten_code(b.bus, hear, &first);
    take(ram, 1, &generation);
    take(ram, 2, &generation);
    pb_ram_written(ram, 0, 8 * PB_PAGE_SIZE);
    CU_ASSERT_EQUAL(first.times, 1);
    CU_ASSERT_EQUAL(second.times, 3);
    CU_ASSERT_PTR_EQUAL(second.generation, generation);
    take(ram, 1, &generation);
    pb_ram_code_flush(ram, PB_PAGE_SIZE, PB_PAGE_SIZE);
    pb_ram_code_flush(ram, PB_PAGE_SIZE, PB_PAGE_SIZE);
    CU_ASSERT_EQUAL(second.times, 4);
    pb_bus_unlisten_code(b.bus, hear, &second);
    pb_ram_unref(ram);
    board_free(&b);
}

/* Writes kill the lines that they touch. */
static void lines_of_code(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 4 * PB_PAGE_SIZE);
    const uint32_t *generation;
    heard told = { 0 };
    uint32_t stamp;

    pb_bus_listen_code(b.bus, hear, &told);
    stamp = pb_ram_code_take(ram, 1, &generation);
    pb_ram_code_reads(generation, 0x7c, 8);  /* lines 1 and 2 */
    pb_ram_code_reads(generation, 0xffc, 4); /* the last one */
    pb_ram_stored(ram, 0x1000, 16);
    pb_ram_stored(ram, 0x10c0, 1);
    pb_ram_written(ram, 0, 0x1040);
    pb_ram_written(ram, 0x10c0, 0xf00);
    pb_ram_code_flush(ram, 0x1000, 64);
    CU_ASSERT_EQUAL(*generation, stamp);
    CU_ASSERT_EQUAL(told.times, 0);
    CU_ASSERT_FALSE(pb_ram_write_tag(ram, 1));
    CU_ASSERT(pb_ram_is_beside_code(ram, 0x1038, 8));
    CU_ASSERT_FALSE(pb_ram_is_beside_code(ram, 0x103c, 8));
    CU_ASSERT_FALSE(pb_ram_is_beside_code(ram, 0x2000, 8)); /* no code there */

    pb_ram_stored(ram, 0x103f, 2);
    CU_ASSERT_EQUAL(*generation, stamp + 1);
    CU_ASSERT_EQUAL(told.times, 1);
    CU_ASSERT_EQUAL(told.lines, 3);
    pb_ram_stored(ram, 0x1040, 1); /* no code any more */
    CU_ASSERT_EQUAL(told.times, 1);
    /* What is read again is watched again. */
    CU_ASSERT_EQUAL(pb_ram_code_take(ram, 1, &generation), stamp + 1);
    pb_ram_code_reads(generation, 0x40, 4);
    pb_ram_code_flush(ram, 0x1040, 64);
    CU_ASSERT_EQUAL(told.times, 2);
    CU_ASSERT_EQUAL(told.lines, 2);
    pb_ram_written(ram, 0x10bf, 0x2000); /* the last two lines of code */
    CU_ASSERT_EQUAL(told.times, 3);
    CU_ASSERT_EQUAL(told.lines, ~UINT64_C(0) << 2);
    CU_ASSERT(pb_ram_write_tag(ram, 1));
    pb_bus_unlisten_code(b.bus, hear, &told);
    pb_ram_unref(ram);
    board_free(&b);
}

/* Writes that are trapped until the page is given up as one of code. */
static uint32_t writes_beside(pb_ram *ram, const uint32_t *generation)
{
    uint32_t n = 0, before = *generation;

    while (*generation == before && n < 1 << 22) {
        bool beside = pb_ram_is_beside_code(ram, 0x1400, 8);

        pb_ram_stored(ram, 0x1400, 8);
        n++;
        /* Who is told that all code stays may rely on it. */
        CU_ASSERT_EQUAL(beside, *generation == before);
    }
    return n;
}

/* Each time it takes twice as many, up to a bound. */
static void data_beside_code(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 4 * PB_PAGE_SIZE);
    const uint32_t *generation;
    heard told = { 0 };
    uint32_t n = 0;

    pb_bus_listen_code(b.bus, hear, &told);
    for (uint32_t round = 0; round < 13; round++) {
        uint32_t m;

        pb_ram_code_take(ram, 1, &generation);
        pb_ram_code_reads(generation, 0, 4);
        m = writes_beside(ram, generation);
        CU_ASSERT_EQUAL(told.times, round + 1);
        CU_ASSERT_EQUAL(told.lines, ~UINT64_C(0));
        CU_ASSERT(pb_ram_write_tag(ram, 1));
        CU_ASSERT(m <= 1 << 20);
        CU_ASSERT(m == 2 * n || n == 0 || n == 1 << 20);
        n = m;
    }
    CU_ASSERT_EQUAL(n, 1 << 20);
    pb_bus_unlisten_code(b.bus, hear, &told);
    pb_ram_unref(ram);
    board_free(&b);
}

/* Then it is mixed: writes are not noticed, until it is written or maintained as a whole. */
static void mixed_pages(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 4 * PB_PAGE_SIZE);
    const uint32_t *generation;
    heard told = { 0 };
    uint32_t stamp, again;

    pb_bus_listen_code(b.bus, hear, &told);
    pb_bus_mix_code(b.bus, 3, false);
    for (uint32_t round = 0; round < 2; round++) {
        stamp = pb_ram_code_take(ram, 1, &generation);
        CU_ASSERT(pb_ram_code_reads(generation, 0, 4));
        CU_ASSERT_EQUAL(writes_beside(ram, generation), 3);
        CU_ASSERT_EQUAL(pb_bus_mixed_pages(b.bus), 1);
        CU_ASSERT_EQUAL(told.lines, ~UINT64_C(0));
        again = pb_ram_code_take(ram, 1, &generation);
        CU_ASSERT_NOT_EQUAL(again, stamp);
        CU_ASSERT_FALSE(pb_ram_code_reads(generation, 0, 4));
        CU_ASSERT(pb_ram_write_tag(ram, 1));
        told.times = 0;
        pb_ram_stored(ram, 0x1000, 4);
        pb_ram_written(ram, 0x1001, 0xfff);
        CU_ASSERT_EQUAL(told.times, 0);
        CU_ASSERT_EQUAL(*generation, again);
        pb_ram_code_flush(ram, 0x1040, 64); /* who is in a loop of it is told */
        CU_ASSERT_EQUAL(told.times, 1);
        CU_ASSERT_EQUAL(told.lines, 2);
        CU_ASSERT_NOT_EQUAL(*generation, again);
        CU_ASSERT_EQUAL(pb_bus_mixed_pages(b.bus), 1);
        if (round) {
            pb_ram_written(ram, 0x0800, 0x2000);
        } else {
            for (uint64_t at = 0x1000; at < 0x2000; at += 64)
                pb_ram_code_flush(ram, at, 64);
        }
        CU_ASSERT_EQUAL(told.lines, ~UINT64_C(0));
        CU_ASSERT_EQUAL(pb_bus_mixed_pages(b.bus), 0);
        pb_ram_code_take(ram, 1, &generation);
        CU_ASSERT(pb_ram_code_reads(generation, 0, 4));
        CU_ASSERT_FALSE(pb_ram_write_tag(ram, 1));
    }
    pb_bus_unlisten_code(b.bus, hear, &told);
    pb_ram_unref(ram);
    board_free(&b);
}

static void dirty_traps_take_tags_away(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 4 * PB_PAGE_SIZE);
    int untags = 0;

    pb_bus_set_untag(b.bus, count_untag, &untags);
    CU_ASSERT(pb_ram_write_tag(ram, 0));
    pb_ram_dirty_start(ram, PB_DIRTY_DISPLAY);
    CU_ASSERT_EQUAL(untags, 1);
    CU_ASSERT_FALSE(pb_ram_write_tag(ram, 0));
    pb_ram_stored(ram, 0, 4);
    CU_ASSERT(pb_ram_write_tag(ram, 0));
    pb_ram_unref(ram);
    board_free(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "large RAM costs nothing", large_ram_costs_nothing },
        { "filling", filling },
        { "filling counts as written", filling_counts_as_written },
        { "filling from a file that shrank", filling_from_a_file_that_shrank },
        { "more than the host has is an error", more_than_the_host_has },
        { "huge pages, or an error", huge_pages_or_an_error },
        { "sizes are rounded up in the host", sizes_are_rounded_up_in_the_host },
        { "dirty pages", dirty_pages },
        { "dirty clients are independent", clients_are_independent },
        { "code pages and their generation", code_pages },
        { "stale code is told of", stale_code_is_told },
        { "lines of code", lines_of_code },
        { "data beside code", data_beside_code },
        { "mixed pages", mixed_pages },
        { "dirty traps take tags away", dirty_traps_take_tags_away },
        { 0 },
    };

    return unit_run("bus RAM", cases);
}
