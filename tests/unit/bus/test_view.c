/*
 * Flattening and readers: core/bus/view.c, region.c, bus.c.
 */
#include "board.h"

#include <pthread.h>

static void empty_space(void)
{
    board b = board_new();
    uint64_t value;

    expect_map(&b, "");
    CU_ASSERT_EQUAL(read_at(&b, 0x1000, 4, &value), PB_BUS_DECODE);
    board_free(&b);
}

static void holes_between_regions(void)
{
    board b = board_new();
    probe p = { 0 };

    add_ram(&b, "ram", 0x4000, 0x2000, 0);
    add_mmio(&b, "uart", 0x9000, 0x1000, 0, &p);
    add_ram(&b, "rom", 0, 0x1000, 0);
    expect_map(&b, "0-fff rom, 4000-5fff ram, 9000-9fff uart");
    board_free(&b);
}

static void higher_priority_is_seen(void)
{
    board b = board_new();
    probe p = { 0 };

    add_ram(&b, "ram", 0, 0x10000, 0);
    add_mmio(&b, "low", 0x2000, 0x1000, -1, &p);
    add_mmio(&b, "high", 0x4000, 0x1000, 1, &p);
    add_mmio(&b, "higher", 0x4800, 0x1000, 2, &p);
    expect_map(&b, "0-3fff ram, 4000-47ff high, 4800-57ff higher, 5800-ffff ram+5800");
    board_free(&b);
}

static void later_one_is_seen_at_equal_priority(void)
{
    board b = board_new();
    probe p = { 0 };

    add_ram(&b, "first", 0, 0x4000, 0);
    add_mmio(&b, "second", 0x1000, 0x1000, 0, &p);
    expect_map(&b, "0-fff first, 1000-1fff second, 2000-3fff first+2000");
    board_free(&b);
}

static void containers_clip_and_are_transparent(void)
{
    board b = board_new();
    pb_bus_region *window = pb_bus_region_new_container(b.bus, "window", 0x3000);
    probe p = { 0 };
    pb_mmio mmio = { .ops = &probe_ops, .self = &p };

    add_ram(&b, "below", 0, 0x10000, 0);
    add(window, pb_bus_region_new_mmio(b.bus, "in", 0x1000, &mmio), 0, 0);
    add(window, pb_bus_region_new_mmio(b.bus, "out", 0x4000, &mmio), 0x2000, 0);
    add(b.root, window, 0x8000, 5);
    expect_map(&b, "0-7fff below, 8000-8fff in, 9000-9fff below+9000, a000-afff out, "
                   "b000-ffff below+b000");
    board_free(&b);
}

static void aliases_show_a_part_again(void)
{
    board b = board_new();
    pb_bus_region *ram = add_ram(&b, "ram", 0x100000, 0x4000, 0);
    uint64_t value;

    add(b.root, pb_bus_region_new_alias(b.bus, "low", ram, 0x1000, 0x2000), 0, 0);
    /* An alias beyond its target's end shows what there is. */
    add(b.root, pb_bus_region_new_alias(b.bus, "end", ram, 0x3000, 0x4000), 0x10000, 0);
    expect_map(&b, "0-1fff ram+1000, 10000-10fff ram+3000, 100000-103fff ram");
    CU_ASSERT_EQUAL(write_at(&b, 0x1ff8, 8, 0x1122334455667788), PB_BUS_OK);
    CU_ASSERT_EQUAL(read_at(&b, 0x102ff8, 8, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x1122334455667788);
    board_free(&b);
}

static void alias_of_a_container(void)
{
    board b = board_new();
    pb_bus_region *bus = pb_bus_region_new_container(b.bus, "pci", 0);
    probe p = { 0 };
    pb_mmio mmio = { .ops = &probe_ops, .self = &p };
    pb_bus_region *bar = pb_bus_region_new_mmio(b.bus, "bar", 0x1000, &mmio);

    add(bus, bar, 0x80000000, 0);
    add(b.root, pb_bus_region_new_alias(b.bus, "window", bus, 0x80000000, 0x10000000), 0x10000000,
        0);
    expect_map(&b, "10000000-10000fff bar");
    pb_bus_region_move(bar, 0x8ffff800);
    expect_map(&b, "1ffff800-1fffffff bar");
    pb_bus_region_move(bar, 0x7ffff800);
    expect_map(&b, "10000000-100007ff bar+800");
    pb_bus_region_move(bar, 0x40000000);
    expect_map(&b, "");
    board_free(&b);
    pb_bus_region_unref(bus);
}

static void up_to_the_last_address(void)
{
    board b = board_new();
    probe p = { 0 };
    uint64_t value;

    add_mmio(&b, "top", UINT64_MAX - 0xfff, 0x1000, 0, &p);
    add_mmio(&b, "sticks-out", UINT64_MAX - 0x1fff, 0x4000, -1, &p);
    expect_map(&b, "ffffffffffffe000-ffffffffffffefff sticks-out, "
                   "fffffffffffff000-ffffffffffffffff top");
    CU_ASSERT_EQUAL(read_at(&b, UINT64_MAX, 1, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0xff);
    CU_ASSERT_EQUAL(read_at(&b, UINT64_MAX - 1, 4, &value), PB_BUS_DECODE);
    board_free(&b);
}

static void one_region_fills_everything(void)
{
    board b = board_new();
    pb_bus_region *all = pb_bus_region_new_container(b.bus, "all", 0);
    probe p = { 0 };
    pb_mmio mmio = { .ops = &probe_ops, .self = &p };

    add(all, pb_bus_region_new_mmio(b.bus, "half", UINT64_C(1) << 63, &mmio), 0, 0);
    add(all, pb_bus_region_new_mmio(b.bus, "other", UINT64_C(1) << 63, &mmio), UINT64_C(1) << 63,
        0);
    add(b.root, all, 0, 0);
    expect_map(&b, "0-7fffffffffffffff half, 8000000000000000-ffffffffffffffff other");
    board_free(&b);
}

static void hidden_and_shown(void)
{
    board b = board_new();
    pb_bus_region *ram = add_ram(&b, "ram", 0, 0x1000, 0);

    pb_bus_region_set_visible(ram, false);
    expect_map(&b, "");
    pb_bus_region_set_visible(ram, true);
    expect_map(&b, "0-fff ram");
    pb_bus_region_remove(ram);
    expect_map(&b, "");
    board_free(&b);
}

static void changed(void *opaque)
{
    ++*(int *)opaque;
}

static void generations_and_transactions(void)
{
    board b = board_new();
    pb_bus_region *ram = add_ram(&b, "ram", 0, 0x1000, 0);
    uint64_t generation = pb_space_generation(b.space);
    int changes = 0;

    pb_space_listen(b.space, changed, &changes);
    pb_bus_begin(b.bus);
    pb_bus_region_move(ram, 0x2000);
    pb_bus_begin(b.bus);
    pb_bus_region_move(ram, 0x4000);
    pb_bus_commit(b.bus);
    CU_ASSERT_EQUAL(pb_space_generation(b.space), generation);
    expect_map(&b, "0-fff ram");
    pb_bus_commit(b.bus);
    CU_ASSERT(pb_space_generation(b.space) > generation);
    CU_ASSERT_EQUAL(changes, 1);
    expect_map(&b, "4000-4fff ram");

    /* What changes nothing in the end is not published. */
    generation = pb_space_generation(b.space);
    pb_bus_begin(b.bus);
    pb_bus_region_set_visible(ram, false);
    pb_bus_region_set_visible(ram, true);
    pb_bus_commit(b.bus);
    CU_ASSERT_EQUAL(pb_space_generation(b.space), generation);
    CU_ASSERT_EQUAL(changes, 1);
    pb_space_unlisten(b.space, changed, &changes);
    pb_bus_region_move(ram, 0);
    CU_ASSERT_EQUAL(changes, 1);
    board_free(&b);
}

static void a_view_stays_while_a_reader_is_in(void)
{
    board b = board_new();
    pb_bus_region *ram = add_ram(&b, "ram", 0x1000, 0x1000, 0);
    pb_reader *reader = pb_reader_new(b.bus);
    const pb_range *range;

    pb_reader_enter(reader);
    range = pb_space_lookup(b.space, reader, 0x1000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(range);
    pb_bus_region_remove(ram); /* the last reference is the old view's */
    range->host[0] = 42;       /* under ASan: it is still there */
    CU_ASSERT_EQUAL(range->first, 0x1000);
    CU_ASSERT_PTR_NULL(pb_space_lookup(b.space, reader, 0x1000));
    CU_ASSERT_EQUAL(range->host[0], 42);
    pb_reader_leave(reader);
    pb_reader_free(reader);
    board_free(&b);
}

static void nested_entering(void)
{
    board b = board_new();
    pb_bus_region *ram = add_ram(&b, "ram", 0x1000, 0x1000, 0);
    pb_reader *reader = pb_reader_new(b.bus);
    const pb_range *outer;

    pb_reader_enter(reader);
    outer = pb_space_lookup(b.space, reader, 0x1000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(outer);
    pb_bus_region_move(ram, 0x8000);
    pb_reader_enter(reader);
    CU_ASSERT_PTR_NOT_NULL(pb_space_lookup(b.space, reader, 0x8000));
    pb_reader_leave(reader);
    pb_bus_region_move(ram, 0x9000);
    CU_ASSERT_EQUAL(outer->first, 0x1000);
    pb_reader_leave(reader);
    pb_reader_free(reader);
    board_free(&b);
}

/* Four readers look while the map flips; RAM comes and goes. A reader finds what one of the maps says, and what it
 * found stays alive until it leaves. */
#define FLIPS   3000
#define READERS 4

typedef struct flipping {
    board *b;
    uint32_t done;                        /* atomic */
    uint32_t found, missing, wrong, seen; /* atomic */
} flipping;

static void *look(void *opaque)
{
    flipping *f = opaque;
    pb_reader *reader = pb_reader_new(f->b->bus);

    do {
        const pb_range *a, *c;

        pb_reader_enter(reader);
        a = pb_space_lookup(f->b->space, reader, 0x5000);
        if (a) {
            bool good = a->first == 0x5000 && a->last == 0x5fff && a->offset == 0;

            __atomic_store_n(a->host + 8, 1, __ATOMIC_RELAXED); /* mapped, or this ends the test */
            __atomic_fetch_add(good ? &f->found : &f->wrong, 1, __ATOMIC_RELAXED);
        } else {
            __atomic_fetch_add(&f->missing, 1, __ATOMIC_RELAXED);
        }
        c = pb_space_lookup(f->b->space, reader, 0x1234);
        if (!c || c->first != 0x1000)
            __atomic_fetch_add(&f->wrong, 1, __ATOMIC_RELAXED);
        pb_reader_leave(reader);
        __atomic_fetch_add(&f->seen, 1, __ATOMIC_SEQ_CST);
    } while (!__atomic_load_n(&f->done, __ATOMIC_SEQ_CST));
    pb_reader_free(reader);
    return NULL;
}

static void readers_while_the_map_changes(void)
{
    board b = board_new();
    flipping f = { .b = &b };
    pthread_t threads[READERS];

    add_ram(&b, "fixed", 0x1000, 0x1000, 0);
    for (int i = 0; i < READERS; i++)
        pthread_create(&threads[i], NULL, look, &f);
    for (int i = 0; i < FLIPS || __atomic_load_n(&f.seen, __ATOMIC_SEQ_CST) < READERS; i++) {
        pb_bus_region *ram = add_ram(&b, "flipping", 0x5000, 0x1000, 0);

        pb_bus_region_remove(ram);
    }
    __atomic_store_n(&f.done, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(f.wrong, 0);
    CU_ASSERT(f.found + f.missing > 0);
    expect_map(&b, "1000-1fff fixed");
    board_free(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "an empty space answers nowhere", empty_space },
        { "holes between regions", holes_between_regions },
        { "the higher priority is seen", higher_priority_is_seen },
        { "the later one is seen at equal priority", later_one_is_seen_at_equal_priority },
        { "containers clip and are transparent", containers_clip_and_are_transparent },
        { "aliases show a part again", aliases_show_a_part_again },
        { "alias of a container: a PCI window", alias_of_a_container },
        { "up to the last address", up_to_the_last_address },
        { "the whole address space", one_region_fills_everything },
        { "hidden, shown, removed", hidden_and_shown },
        { "generations and transactions", generations_and_transactions },
        { "a view stays while a reader is in", a_view_stays_while_a_reader_is_in },
        { "nested entering", nested_entering },
        { "readers while the map changes", readers_while_the_map_changes },
        { 0 },
    };

    return unit_run("bus views", cases);
}
