/*
 * Split virtqueues (plugins/dev-virtio/queue.c) against drivers that obey VIRTIO 1.2 and such that do not.
 */
#include "fake.h"

#include <stdlib.h>

static fake f;
static virtq_chain chain;

static void add_one(uint64_t gpa, uint32_t length, uint16_t flags)
{
    fake_describe(&f, DESC_AT, 0, gpa, length, flags, 0);
    fake_add(&f, 0);
}

/* ---- drivers that obey --------------------------------------------------------------------------- */

static void a_chain(void)
{
    uint8_t bytes[16];

    fake_init(&f, 8, 0);
    memcpy(f.ram + (DATA_AT - RAM_AT), "abcdefgh", 8);
    fake_describe(&f, DESC_AT, 3, DATA_AT, 3, NEXT, 5);
    fake_describe(&f, DESC_AT, 5, DATA_AT + 4, 4, NEXT, 1);
    fake_describe(&f, DESC_AT, 1, DATA_AT + 0x100, 2, NEXT | WRITE, 7);
    fake_describe(&f, DESC_AT, 7, DATA_AT + 0x200, 6, WRITE, 9999); /* not followed */
    fake_add(&f, 3);
    CU_ASSERT_FATAL(virtq_pop(&f.bus, 0, &chain));
    CU_ASSERT_EQUAL(chain.head, 3);
    CU_ASSERT_EQUAL(chain.n_out, 2);
    CU_ASSERT_EQUAL(chain.n_in, 2);
    CU_ASSERT_EQUAL(chain.out_bytes, 7);
    CU_ASSERT_EQUAL(chain.in_bytes, 8);
    CU_ASSERT_EQUAL(virtq_read(&f.bus, &chain, 0, bytes, sizeof(bytes)), 7);
    CU_ASSERT_NSTRING_EQUAL(bytes, "abcefgh", 7);
    CU_ASSERT_EQUAL(virtq_read(&f.bus, &chain, 2, bytes, 3), 3);
    CU_ASSERT_NSTRING_EQUAL(bytes, "cef", 3);
    CU_ASSERT_EQUAL(virtq_read(&f.bus, &chain, 7, bytes, 1), 0);
    CU_ASSERT_EQUAL(virtq_write(&f.bus, &chain, 1, "XYZ", 3), 3);
    CU_ASSERT_NSTRING_EQUAL(f.ram + (DATA_AT + 0x101 - RAM_AT), "X", 2);
    CU_ASSERT_NSTRING_EQUAL(f.ram + (DATA_AT + 0x200 - RAM_AT), "YZ", 3);
    CU_ASSERT_EQUAL(virtq_write(&f.bus, &chain, 7, "12", 2), 1);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    virtq_push(&f.bus, 0, 3, 4);
    CU_ASSERT_EQUAL(fake_get16(&f, DEVICE_AT + 2), 1);
    CU_ASSERT_EQUAL(fake_get32(&f, DEVICE_AT + 4), 3);
    CU_ASSERT_EQUAL(fake_get32(&f, DEVICE_AT + 8), 4);
    fake_expect_fine(&f);
}

static void many_turns_around_the_ring(void)
{
    fake_init(&f, 4, 0);
    for (uint32_t i = 0; i < 70000; i++) {
        fake_describe(&f, DESC_AT, i % 4, DATA_AT, i % 100, 0, 0);
        fake_add(&f, (uint16_t)(i % 4));
        CU_ASSERT_FATAL(virtq_pop(&f.bus, 0, &chain));
        CU_ASSERT_EQUAL_FATAL(chain.out_bytes, i % 100);
        virtq_push(&f.bus, 0, chain.head, i);
        CU_ASSERT_EQUAL_FATAL(fake_get16(&f, DEVICE_AT + 2), (uint16_t)(i + 1));
        CU_ASSERT_EQUAL_FATAL(fake_get32(&f, DEVICE_AT + 4 + 8 * (i % 4) + 4), i);
    }
    fake_expect_fine(&f);
}

static void a_full_ring(void)
{
    fake_init(&f, 8, 0);
    for (uint16_t i = 0; i < 8; i++) {
        fake_describe(&f, DESC_AT, i, DATA_AT, i, 0, 0);
        fake_add(&f, i);
    }
    for (uint16_t i = 0; i < 8; i++) {
        CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
        CU_ASSERT_EQUAL(chain.head, i);
    }
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_fine(&f);
}

static void the_longest_chain(void)
{
    fake_init(&f, VIRTQ_SIZE_MAX, 0);
    for (uint32_t i = 0; i < VIRTQ_SIZE_MAX; i++)
        fake_describe(&f, DESC_AT, i, DATA_AT, 1, i + 1 < VIRTQ_SIZE_MAX ? NEXT : 0,
                      (uint16_t)(i + 1));
    fake_add(&f, 0);
    CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
    CU_ASSERT_EQUAL(chain.n_out, VIRTQ_SIZE_MAX);
    fake_expect_fine(&f);
}

static void empty_segments(void)
{
    uint8_t byte;

    fake_init(&f, 8, 0);
    fake_describe(&f, DESC_AT, 0, 0, 0, NEXT, 1);
    fake_describe(&f, DESC_AT, 1, DATA_AT, 1, NEXT, 2);
    fake_describe(&f, DESC_AT, 2, UINT64_MAX, 0, NEXT, 3);
    fake_describe(&f, DESC_AT, 3, 0, 0, WRITE, 0);
    f.ram[DATA_AT - RAM_AT] = 'x';
    fake_add(&f, 0);
    CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
    CU_ASSERT_EQUAL(chain.n_out, 3);
    CU_ASSERT_EQUAL(chain.n_in, 1);
    CU_ASSERT_EQUAL(chain.in_bytes, 0);
    CU_ASSERT_EQUAL(virtq_read(&f.bus, &chain, 0, &byte, 1), 1);
    CU_ASSERT_EQUAL(byte, 'x');
    CU_ASSERT_EQUAL(virtq_write(&f.bus, &chain, 0, &byte, 1), 0);
    fake_expect_fine(&f);
}

static void indirect(void)
{
    fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC);
    fake_describe(&f, TABLE_AT, 0, DATA_AT, 16, NEXT, 2);
    fake_describe(&f, TABLE_AT, 2, DATA_AT + 64, 32, WRITE, 0);
    fake_describe(&f, DESC_AT, 4, TABLE_AT, 3 * 16, INDIRECT, 0);
    fake_add(&f, 4);
    CU_ASSERT_FATAL(virtq_pop(&f.bus, 0, &chain));
    CU_ASSERT_EQUAL(chain.head, 4);
    CU_ASSERT_EQUAL(chain.out_bytes, 16);
    CU_ASSERT_EQUAL(chain.in_bytes, 32);
    fake_describe(&f, DESC_AT, 5, TABLE_AT, 3 * 16, INDIRECT | WRITE, 0); /* WRITE is ignored */
    fake_add(&f, 5);
    CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
    fake_expect_fine(&f);
}

/* ---- drivers that do not ------------------------------------------------------------------------- */

static void loops(void)
{
    fake_init(&f, 8, 0);
    fake_describe(&f, DESC_AT, 0, DATA_AT, 1, NEXT, 0);
    fake_add(&f, 0);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "queue 0: a chain loops");

    fake_init(&f, 8, 0);
    fake_describe(&f, DESC_AT, 0, DATA_AT, 1, NEXT, 1);
    fake_describe(&f, DESC_AT, 1, DATA_AT, 1, NEXT, 2);
    fake_describe(&f, DESC_AT, 2, DATA_AT, 0, NEXT, 1);
    fake_add(&f, 0);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "a chain loops");

    fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC);
    fake_describe(&f, TABLE_AT, 0, DATA_AT, 1, NEXT, 1);
    fake_describe(&f, TABLE_AT, 1, DATA_AT, 1, NEXT, 0);
    add_one(TABLE_AT, 32, INDIRECT);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "a chain loops");
}

static void indices_out_of_range(void)
{
    static const uint16_t wrong[] = { 8, 9, 0x7fff, 0xffff };

    for (size_t i = 0; i < PB_ARRAY_SIZE(wrong); i++) {
        fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC);
        fake_add(&f, wrong[i]);
        CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
        fake_expect_broken(&f, "a descriptor index is out of range");

        fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC);
        fake_describe(&f, DESC_AT, 0, DATA_AT, 1, NEXT, wrong[i]);
        fake_add(&f, 0);
        CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
        fake_expect_broken(&f, "a descriptor index is out of range");

        fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC);
        fake_describe(&f, TABLE_AT, 0, DATA_AT, 1, NEXT, wrong[i]);
        add_one(TABLE_AT, 16, INDIRECT);
        CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
        fake_expect_broken(&f, "a descriptor index is out of range");
    }
}

static void indirect_where_it_must_not_be(void)
{
    fake_init(&f, 8, 0); /* not negotiated */
    fake_describe(&f, TABLE_AT, 0, DATA_AT, 1, 0, 0);
    add_one(TABLE_AT, 16, INDIRECT);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "an indirect descriptor is not allowed here");

    fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC); /* in an indirect table */
    fake_describe(&f, TABLE_AT, 0, TABLE_AT, 16, INDIRECT, 0);
    add_one(TABLE_AT, 16, INDIRECT);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "an indirect descriptor is not allowed here");

    fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC); /* with more behind it */
    add_one(TABLE_AT, 16, INDIRECT | NEXT);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "an indirect descriptor is not allowed here");
}

static void indirect_tables_of_wrong_size(void)
{
    static const uint32_t wrong[] = { 0, 1, 15, 17, 0xffffffff };

    for (size_t i = 0; i < PB_ARRAY_SIZE(wrong); i++) {
        fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC);
        add_one(TABLE_AT, wrong[i], INDIRECT);
        CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
        fake_expect_broken(&f, "an indirect table has a wrong size");
    }
}

/* A table of 2^28 - 1 descriptors, of which the first lead through all of memory. */
static void an_endless_indirect_table(void)
{
    fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC);
    for (uint32_t i = 0; i < 2000; i++)
        fake_describe(&f, TABLE_AT, i, DATA_AT, 0xffffffff, NEXT, (uint16_t)(i + 1));
    add_one(TABLE_AT, 0xfffffff0, INDIRECT);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "a chain is too long");
}

static void readable_behind_writable(void)
{
    fake_init(&f, 8, 0);
    fake_describe(&f, DESC_AT, 0, DATA_AT, 1, NEXT | WRITE, 1);
    fake_describe(&f, DESC_AT, 1, DATA_AT, 1, 0, 0);
    fake_add(&f, 0);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "a readable buffer follows a writable one");

    fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC); /* also across the tables' border */
    fake_describe(&f, TABLE_AT, 0, DATA_AT, 1, 0, 0);
    fake_describe(&f, DESC_AT, 0, DATA_AT, 0, NEXT | WRITE, 1);
    fake_describe(&f, DESC_AT, 1, TABLE_AT, 16, INDIRECT, 0);
    fake_add(&f, 0);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "a readable buffer follows a writable one");
}

static void an_index_that_runs_away(void)
{
    static const uint16_t wrong[] = { 9, 100, 0x8000, 0xffff };

    for (size_t i = 0; i < PB_ARRAY_SIZE(wrong); i++) {
        fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
        fake_set_avail(&f, wrong[i]);
        CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
        fake_expect_broken(&f, "the driver's index ran away");
    }
}

static void areas_outside_of_memory(void)
{
    static const uint64_t wrong[] = {
        0,          RAM_AT - 4,     RAM_AT + RAM_BYTES, RAM_AT + RAM_BYTES - 3,
        UINT64_MAX, UINT64_MAX - 3, UINT64_C(1) << 63
    };

    for (size_t i = 0; i < PB_ARRAY_SIZE(wrong); i++) {
        fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
        f.bus.s.queues[0].driver = wrong[i];
        CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
        fake_expect_broken(&f, "the driver area is not memory");

        fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
        f.bus.s.queues[0].desc = wrong[i];
        fake_add(&f, 0);
        CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
        fake_expect_broken(&f, "a descriptor is not in memory");

        fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
        f.bus.s.queues[0].device = wrong[i];
        add_one(DATA_AT, 1, 0);
        CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
        virtq_push(&f.bus, 0, 0, 0);
        fake_expect_broken(&f, "the device area is not memory");

        fake_init(&f, 8, VIRTIO_F_INDIRECT_DESC);
        add_one(wrong[i], 16, INDIRECT);
        CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
        fake_expect_broken(&f, "a descriptor is not in memory");
    }
}

/* The index is the last memory there is; the entries behind it are not. */
static void a_driver_area_that_ends_early(void)
{
    fake_init(&f, 8, 0);
    f.bus.s.queues[0].driver = RAM_AT + RAM_BYTES - 4;
    fake_put16(&f, RAM_AT + RAM_BYTES - 2, 1);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_broken(&f, "the driver area is not memory");
}

/* Buffers may lie anywhere; what is not memory is not read or written. */
static void buffers_outside_of_memory(void)
{
    uint8_t bytes[64];

    fake_init(&f, 8, 0);
    fake_describe(&f, DESC_AT, 0, DATA_AT, 4, NEXT, 1);
    fake_describe(&f, DESC_AT, 1, 0, 0xffffffff, NEXT, 2);
    fake_describe(&f, DESC_AT, 2, UINT64_MAX - 7, 0xffffffff, NEXT | WRITE, 3);
    fake_describe(&f, DESC_AT, 3, DATA_AT, 4, WRITE, 0);
    fake_add(&f, 0);
    CU_ASSERT_FATAL(virtq_pop(&f.bus, 0, &chain));
    CU_ASSERT_EQUAL(chain.out_bytes, UINT64_C(0x100000003));
    CU_ASSERT_EQUAL(virtq_read(&f.bus, &chain, 0, bytes, 64), 4);
    CU_ASSERT_EQUAL(virtq_read(&f.bus, &chain, 4, bytes, 64), 0);
    CU_ASSERT_EQUAL(virtq_read(&f.bus, &chain, UINT64_MAX, bytes, 64), 0);
    CU_ASSERT_EQUAL(virtq_write(&f.bus, &chain, 0, bytes, 64), 0);
    CU_ASSERT_EQUAL(virtq_write(&f.bus, &chain, 0xffffffff, bytes, 64), 4);
    fake_expect_fine(&f);
}

static void huge_lengths(void)
{
    fake_init(&f, VIRTQ_SIZE_MAX, 0);
    for (uint32_t i = 0; i < VIRTQ_SIZE_MAX; i++)
        fake_describe(&f, DESC_AT, i, DATA_AT, 0xffffffff, WRITE | (i < 1023 ? NEXT : 0),
                      (uint16_t)(i + 1));
    fake_add(&f, 0);
    CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
    CU_ASSERT_EQUAL(chain.in_bytes, UINT64_C(1024) * 0xffffffff);
    CU_ASSERT_EQUAL(virtq_write(&f.bus, &chain, chain.in_bytes - 1, "x", 1), 0);
    fake_expect_fine(&f);
}

/* Whatever is in memory: every pop ends, and nothing outside of memory is touched (the sanitizers look). */
static void random_memory(void)
{
    srandom(1);
    for (int round = 0; round < 3000; round++) {
        fake_init(&f, (uint16_t)(1u << random() % 6), VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
        for (uint32_t i = 0; i < 128; i++)
            fake_describe(
                &f, i < 64 ? DESC_AT : TABLE_AT, i % 64,
                random() % 4 ? RAM_AT + (uint64_t)random() % RAM_BYTES : (uint64_t)random() << 34,
                random() % 3 ? (uint32_t)random() % 256 * 16 : (uint32_t)random() * 2,
                (uint16_t)(random() % 8 ? random() % 4 : random()), (uint16_t)(random() % 40));
        for (uint32_t i = 0; i < f.size; i++)
            fake_add(&f, (uint16_t)(random() % 40));
        for (int n = 0; virtq_pop(&f.bus, 0, &chain); n++) {
            uint8_t bytes[256];

            CU_ASSERT_FATAL(n < f.size);
            virtq_read(&f.bus, &chain, (uint64_t)random() % 1000, bytes, sizeof(bytes));
            virtq_push(&f.bus, 0, chain.head,
                       (uint32_t)virtq_write(&f.bus, &chain, (uint64_t)random() % 1000, bytes,
                                             sizeof(bytes)));
            virtq_notify_driver(&f.bus, 0);
        }
    }
}

/* ---- notifications of the driver ----------------------------------------------------------------- */

static void set_used_event(uint16_t event)
{
    fake_put16(&f, DRIVER_AT + 4 + 2 * (uint64_t)f.size, event);
}

static bool interrupted(void)
{
    f.bus.s.interrupt = 0;
    virtq_notify_driver(&f.bus, 0);
    return f.bus.s.interrupt & VIRTIO_INTERRUPT_QUEUE;
}

static void without_event_index(void)
{
    fake_init(&f, 8, 0);
    virtq_push(&f.bus, 0, 0, 0);
    CU_ASSERT(interrupted());
    fake_put16(&f, DRIVER_AT, 1); /* VIRTQ_AVAIL_F_NO_INTERRUPT */
    virtq_push(&f.bus, 0, 0, 0);
    CU_ASSERT_FALSE(interrupted());
    fake_put16(&f, DRIVER_AT, 0xfffe);
    CU_ASSERT(interrupted());
}

/* The definition (2.7.7.2): notify if the entry `event` is among those published since the last decision. */
static bool model_wants(uint16_t event, uint16_t old, uint32_t published)
{
    for (uint32_t i = 0; i < published; i++)
        if ((uint16_t)(old + i) == event)
            return true;
    return false;
}

static void event_index_against_the_definition(void)
{
    static const uint16_t starts[] = { 0, 1, 7, 0x7fff, 0x8000, 0xfff0, 0xfffe, 0xffff };

    fake_init(&f, 64, VIRTIO_F_EVENT_IDX);
    for (size_t s = 0; s < PB_ARRAY_SIZE(starts); s++) {
        for (uint32_t published = 0; published <= 64; published++) {
            for (int distance = -70; distance <= 70; distance++) {
                virtq *q = &f.bus.s.queues[0];
                uint16_t event = (uint16_t)(starts[s] + distance);

                q->used = q->signalled = starts[s];
                q->signalled_valid = 1;
                if (published)
                    virtq_publish(&f.bus, 0, published);
                set_used_event(event);
                CU_ASSERT_EQUAL_FATAL(interrupted(), model_wants(event, starts[s], published));
            }
        }
    }
    fake_expect_fine(&f);
}

/* Batches of all sizes between decisions, over several times around 2^16; when so much was published without a
 * decision that the index went around, there must be a notification. */
static void event_index_at_random(void)
{
    uint16_t old = 0;
    uint32_t published = 0;
    bool first = true;

    fake_init(&f, 256, VIRTIO_F_EVENT_IDX);
    srandom(2);
    for (int i = 0; i < 20000; i++) {
        uint32_t n = 1 + (uint32_t)random() % 256;
        uint16_t event;

        virtq_publish(&f.bus, 0, n);
        published += n;
        if (random() % 3 && published < 200000)
            continue;
        event = (uint16_t)(old + random() % 512 - 128);
        set_used_event(event);
        CU_ASSERT_EQUAL_FATAL(interrupted(),
                              first || published > 0xffff || model_wants(event, old, published));
        old = f.bus.s.queues[0].used;
        published = 0;
        first = false;
    }
}

static void the_first_decision_is_to_notify(void)
{
    fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
    set_used_event(100);
    virtq_push(&f.bus, 0, 0, 0);
    CU_ASSERT(interrupted());
    virtq_push(&f.bus, 0, 0, 0);
    CU_ASSERT_FALSE(interrupted());
}

static void an_event_that_is_not_memory(void)
{
    fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
    f.bus.s.queues[0].driver = RAM_AT + RAM_BYTES - 4;
    virtq_push(&f.bus, 0, 0, 0);
    CU_ASSERT_FALSE(interrupted());
}

/* ---- notifications by the driver ----------------------------------------------------------------- */

static uint16_t avail_event(void)
{
    return fake_get16(&f, DEVICE_AT + 4 + 8 * (uint64_t)f.size);
}

/* Whether a driver that adds one entry now notifies (2.7.10.1). */
static bool driver_would_notify(void)
{
    return (uint16_t)(f.avail + 1 - avail_event() - 1) < 1;
}

static void who_finds_nothing_hears_of_the_next(void)
{
    fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
    for (int i = 0; i < 3; i++)
        fake_add(&f, 0);
    fake_describe(&f, DESC_AT, 0, DATA_AT, 8, WRITE, 0);
    while (virtq_pop(&f.bus, 0, &chain))
        CU_ASSERT(f.bus.s.queues[0].last_avail <= 3);
    CU_ASSERT_EQUAL(avail_event(), 3);
    CU_ASSERT(driver_would_notify());
    fake_add(&f, 0);
    CU_ASSERT_EQUAL(virtq_room(&f.bus, 0, &chain), 8); /* looked at, not taken */
    CU_ASSERT_EQUAL(virtq_room(&f.bus, 0, &chain), 8);
    CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
    CU_ASSERT_EQUAL(virtq_room(&f.bus, 0, &chain), 0); /* and this asks too */
    CU_ASSERT_EQUAL(avail_event(), 4);
    fake_expect_fine(&f);
}

/* The driver adds a request while we tell it that there was none. */
static void adds_meanwhile(fake *me, uint64_t gpa)
{
    me->on_write = NULL;
    fake_add(me, 0);
}

static void the_race_with_the_driver(void)
{
    fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
    fake_describe(&f, DESC_AT, 0, DATA_AT, 8, 0, 0);
    f.on_write = adds_meanwhile;
    CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
    fake_expect_fine(&f);
}

/* Several buffers were taken, then there were not enough: the event index was written for the last of them. */
static void given_back_after_the_event_index_was_written(void)
{
    fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
    fake_describe(&f, DESC_AT, 0, DATA_AT, 8, WRITE, 0);
    for (int i = 0; i < 3; i++)
        fake_add(&f, 0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    for (int i = 0; i < 3; i++)
        virtq_unpop(&f.bus, 0);
    CU_ASSERT(driver_would_notify());
    fake_add(&f, 0);
    for (int i = 0; i < 4; i++)
        CU_ASSERT(virtq_pop(&f.bus, 0, &chain));
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    fake_expect_fine(&f);
}

static void a_receive_buffer_without_room(void)
{
    fake_init(&f, 8, 0);
    add_one(DATA_AT, 8, 0);
    CU_ASSERT_EQUAL(virtq_room(&f.bus, 0, &chain), 0);
    fake_expect_broken(&f, "a buffer to receive into is not writable");
}

/* ---- turns --------------------------------------------------------------------------------------- */

static uint32_t served;

/* A device that serves all there is, and a driver on another processor that adds a request for each. */
static void serve_all(fake *me, uint32_t queue)
{
    while (virtq_pop(&me->bus, queue, &chain)) {
        served++;
        virtq_push(&me->bus, queue, chain.head, 0);
        fake_add(me, 0);
    }
}

static void a_driver_that_never_stops(void)
{
    fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
    fake_describe(&f, DESC_AT, 0, DATA_AT, 8, 0, 0);
    fake_add(&f, 0);
    f.notified = serve_all;
    served = 0;
    virtio_queue_notify(&f.bus, 0);
    CU_ASSERT_EQUAL(served, VIRTIO_TURN);
    CU_ASSERT(pb_timer_is_set(&f.timer));
    CU_ASSERT_EQUAL(f.bus.s.postponed, 1);
    f.timer.deadline_ns = PB_TIMER_OFF;
    virtio_next_turn(&f.bus);
    CU_ASSERT_EQUAL(served, 2 * VIRTIO_TURN);
    CU_ASSERT(pb_timer_is_set(&f.timer));
    virtio_set_status(&f.bus, 0);
    CU_ASSERT_FALSE(pb_timer_is_set(&f.timer));
    CU_ASSERT_EQUAL(f.bus.s.postponed, 0);
}

/* Looking at a request and giving it back does not use up the turn. */
static void look_often(fake *me, uint32_t queue)
{
    for (uint32_t i = 0; i < 3 * VIRTIO_TURN; i++)
        CU_ASSERT_EQUAL_FATAL(virtq_room(&me->bus, queue, &chain), 8);
}

static void looking_costs_nothing(void)
{
    fake_init(&f, 8, 0);
    add_one(DATA_AT, 8, WRITE);
    f.notified = look_often;
    virtio_queue_notify(&f.bus, 0);
    CU_ASSERT_FALSE(pb_timer_is_set(&f.timer));
}

/* The device's answer lands in its own doorbell: it notifies itself, once a request. */
static void rings_itself(fake *me, uint64_t gpa)
{
    if (gpa == DEVICE_AT + 2)
        virtio_queue_notify(&me->bus, 0);
}

static void serve_some(fake *me, uint32_t queue)
{
    while (virtq_pop(&me->bus, queue, &chain)) {
        served++;
        virtq_push(&me->bus, queue, chain.head, 0);
    }
}

static void a_device_that_notifies_itself(void)
{
    fake_init(&f, 64, 0);
    for (int i = 0; i < 64; i++)
        fake_add(&f, 0);
    f.notified = serve_some;
    f.on_write = rings_itself;
    served = 0;
    virtio_queue_notify(&f.bus, 0);
    CU_ASSERT_EQUAL(served, 64);
    CU_ASSERT_EQUAL(f.bus.turn, VIRTIO_NO_LIMIT);
    fake_expect_fine(&f);
}

static void reset_within(fake *me, uint32_t queue)
{
    CU_ASSERT(virtq_pop(&me->bus, queue, &chain));
    virtio_set_status(&me->bus, 0);
    memset(me->ram, 0x55, sizeof(me->ram));
    virtq_push(&me->bus, queue, chain.head, 5);
    virtq_fill(&me->bus, queue, chain.head, 5, 3);
    virtq_notify_driver(&me->bus, queue);
    CU_ASSERT_FALSE(virtq_pop(&me->bus, queue, &chain));
}

static void a_reset_within_a_notification(void)
{
    fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
    add_one(DATA_AT, 8, 0);
    f.notified = reset_within;
    virtio_queue_notify(&f.bus, 0);
    CU_ASSERT_EQUAL(f.resets, 1);
    for (size_t i = 0; i < sizeof(f.ram); i++)
        CU_ASSERT_EQUAL_FATAL(f.ram[i], 0x55);
    CU_ASSERT_EQUAL(f.bus.s.interrupt, 0);
    CU_ASSERT_EQUAL(f.bus.s.status, 0);
}

int main(void)
{
    static const unit_case cases[] = {
        { "a chain", a_chain },
        { "many turns around the ring", many_turns_around_the_ring },
        { "a full ring", a_full_ring },
        { "the longest chain", the_longest_chain },
        { "empty segments", empty_segments },
        { "indirect descriptors", indirect },
        { "loops", loops },
        { "indices out of range", indices_out_of_range },
        { "indirect descriptors where they must not be", indirect_where_it_must_not_be },
        { "indirect tables of wrong size", indirect_tables_of_wrong_size },
        { "an endless indirect table", an_endless_indirect_table },
        { "readable behind writable", readable_behind_writable },
        { "an index that runs away", an_index_that_runs_away },
        { "areas outside of memory", areas_outside_of_memory },
        { "a driver area that ends early", a_driver_area_that_ends_early },
        { "buffers outside of memory", buffers_outside_of_memory },
        { "huge lengths", huge_lengths },
        { "random memory", random_memory },
        { "notifications without event index", without_event_index },
        { "event index against the definition", event_index_against_the_definition },
        { "event index at random", event_index_at_random },
        { "the first decision", the_first_decision_is_to_notify },
        { "an event that is not memory", an_event_that_is_not_memory },
        { "who finds nothing hears of the next", who_finds_nothing_hears_of_the_next },
        { "the race with the driver", the_race_with_the_driver },
        { "given back after the event index was written",
          given_back_after_the_event_index_was_written },
        { "a receive buffer without room", a_receive_buffer_without_room },
        { "a driver that never stops", a_driver_that_never_stops },
        { "looking costs nothing", looking_costs_nothing },
        { "a device that notifies itself", a_device_that_notifies_itself },
        { "a reset within a notification", a_reset_within_a_notification },
        { 0 },
    };

    return unit_run("virtqueues", cases);
}
