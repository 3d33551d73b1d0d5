/*
 * A small bus for tests: a 2^64 root with one space, and a device that remembers its accesses.
 */
#ifndef TESTS_BUS_BOARD_H
#define TESTS_BUS_BOARD_H

#include <core/bus/bus.h>

#include "../runner.h"

#define MOST_ACCESSES 64

typedef struct probe {
    pb_access accesses[MOST_ACCESSES];
    uint64_t written[MOST_ACCESSES];
    uint32_t reads, writes, count;
    uint64_t answer;      /* reads: this plus the offset */
    pb_bus_result result; /* of everything */
} probe;

static inline void probe_note(probe *p, const pb_access *access, uint64_t value)
{
    if (p->count < MOST_ACCESSES) {
        p->accesses[p->count] = *access;
        p->written[p->count] = value;
    }
    p->count++;
}

static inline pb_bus_result probe_read(void *self, const pb_access *access, uint64_t *value)
{
    probe *p = self;

    probe_note(p, access, 0);
    p->reads++;
    *value = p->answer + access->offset;
    return p->result;
}

static inline pb_bus_result probe_write(void *self, const pb_access *access, uint64_t value)
{
    probe *p = self;

    probe_note(p, access, value);
    p->writes++;
    return p->result;
}

static const pb_mmio_ops probe_ops = {
    .size = sizeof(pb_mmio_ops),
    .read = probe_read,
    .write = probe_write,
};

typedef struct board {
    pb_bus *bus;
    pb_bus_region *root;
    pb_space *space;
} board;

static inline board board_new_with(const pb_space_rules *rules)
{
    board b;

    b.bus = pb_bus_new(NULL);
    b.root = pb_bus_region_new_container(b.bus, "root", 0);
    b.space = pb_space_new(b.bus, "memory", b.root, rules);
    return b;
}

static inline board board_new(void)
{
    return board_new_with(NULL);
}

static inline void board_free(board *b)
{
    pb_space_free(b->space);
    pb_bus_region_unref(b->root);
    pb_bus_free(b->bus);
}

static inline pb_ram *new_ram(board *b, uint64_t bytes)
{
    g_autoptr(GError) error = NULL;
    pb_ram *ram = pb_ram_new(b->bus, "ram", bytes, PB_RAM_PAGES, &error);

    CU_ASSERT_PTR_NOT_NULL_FATAL(ram);
    return ram;
}

/* Adds a region and gives the caller's reference to the tree. */
static inline pb_bus_region *add(pb_bus_region *container, pb_bus_region *child, uint64_t at,
                                 int priority)
{
    pb_bus_region_add(container, child, at, priority);
    pb_bus_region_unref(child);
    return child;
}

/* RAM of its own at an address. */
static inline pb_bus_region *add_ram(board *b, const char *name, uint64_t at, uint64_t bytes,
                                     int priority)
{
    pb_ram *ram = new_ram(b, bytes);
    pb_bus_region *region = pb_bus_region_new_ram(b->bus, name, ram, 0, bytes);

    pb_ram_unref(ram);
    return add(b->root, region, at, priority);
}

static inline pb_bus_region *add_mmio(board *b, const char *name, uint64_t at, uint64_t bytes,
                                      int priority, probe *p)
{
    pb_mmio mmio = { .ops = &probe_ops, .self = p };

    return add(b->root, pb_bus_region_new_mmio(b->bus, name, bytes, &mmio), at, priority);
}

/* The map as text: "0-fff ram, 2000-2fff uart". */
static inline char *map_text(board *b)
{
    GString *text = g_string_new(NULL);
    uint64_t gpa = 0;
    pb_range range;

    while (pb_space_next(b->space, gpa, &range)) {
        g_string_append_printf(text, "%s%lx-%lx %s", text->len ? ", " : "",
                               (unsigned long)range.first, (unsigned long)range.last,
                               pb_bus_region_name(range.region));
        if (range.offset)
            g_string_append_printf(text, "+%lx", (unsigned long)range.offset);
        if (range.last == UINT64_MAX)
            break;
        gpa = range.last + 1;
    }
    return g_string_free(text, FALSE);
}

static inline void expect_map(board *b, const char *expected)
{
    g_autofree char *text = map_text(b);

    if (strcmp(text, expected) != 0)
        printf("\n    map is      %s\n    expected is %s\n", text, expected);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

static inline pb_bus_result read_at(board *b, uint64_t gpa, uint32_t size, uint64_t *value)
{
    pb_reader *reader = pb_bus_device_reader(b->bus);
    pb_attrs attrs = { .requester = 7 };
    pb_bus_result result;

    pb_reader_enter(reader);
    result = pb_space_read(b->space, reader, gpa, size, attrs, false, value);
    pb_reader_leave(reader);
    return result;
}

static inline pb_bus_result write_at(board *b, uint64_t gpa, uint32_t size, uint64_t value)
{
    pb_reader *reader = pb_bus_device_reader(b->bus);
    pb_attrs attrs = { .requester = 7 };
    pb_bus_result result;

    pb_reader_enter(reader);
    result = pb_space_write(b->space, reader, gpa, size, attrs, false, value);
    pb_reader_leave(reader);
    return result;
}

#endif
