/*
 * The driver's side of a virtio device on virtio/mmio: negotiation, queues, chains.
 */
#ifndef TESTS_DEVICES_DRIVER_H
#define TESTS_DEVICES_DRIVER_H

#include "board.h"

/* Registers of virtio/mmio (VIRTIO 1.2, 4.2.2). */
enum {
    DRIVER_FEATURES = 0x20,
    DRIVER_FEATURES_SEL = 0x24,
    QUEUE_SEL = 0x30,
    QUEUE_NUM = 0x38,
    QUEUE_READY = 0x44,
    QUEUE_NOTIFY = 0x50,
    INTERRUPT_STATUS = 0x60,
    INTERRUPT_ACK = 0x64,
    STATUS = 0x70,
    QUEUE_DESC = 0x80,
    QUEUE_DRIVER = 0x90,
    QUEUE_DEVICE = 0xa0,
    CONFIG = 0x100
};

enum { NEXT = 1, WRITE = 2 };

#define QUEUE_AT(queue) \
    (0x10000u + 0x8000u * (queue)) /* desc, driver at 0x4000, device at 0x6000 */
#define RING 64u

typedef struct driver {
    board *b;
    uint16_t avail[8], seen[8];
    uint16_t next_descriptor[8];
} driver;

/* A buffer of a chain. */
typedef struct piece {
    uint64_t gpa;
    uint32_t length;
    uint16_t flags; /* WRITE or 0 */
} piece;

static inline void reg_write(driver *d, uint32_t offset, uint32_t value)
{
    board_write(d->b, 0, offset, 4, value);
}

static inline uint32_t reg_read(driver *d, uint32_t offset)
{
    return (uint32_t)board_read(d->b, 0, offset, 4);
}

static inline uint8_t *memory_at(driver *d, uint64_t gpa)
{
    return d->b->machine->memory + gpa;
}

static inline void put16(driver *d, uint64_t gpa, uint16_t value)
{
    memcpy(memory_at(d, gpa), &value, sizeof(value));
}

static inline uint16_t get16(driver *d, uint64_t gpa)
{
    uint16_t value;

    memcpy(&value, memory_at(d, gpa), sizeof(value));
    return value;
}

static inline uint32_t get32(driver *d, uint64_t gpa)
{
    uint32_t value;

    memcpy(&value, memory_at(d, gpa), sizeof(value));
    return value;
}

static inline void driver_queue(driver *d, uint32_t queue)
{
    memset(memory_at(d, QUEUE_AT(queue)), 0, 0x8000);
    d->avail[queue] = d->seen[queue] = d->next_descriptor[queue] = 0;
    reg_write(d, QUEUE_SEL, queue);
    reg_write(d, QUEUE_NUM, RING);
    reg_write(d, QUEUE_DESC, QUEUE_AT(queue));
    reg_write(d, QUEUE_DRIVER, QUEUE_AT(queue) + 0x4000);
    reg_write(d, QUEUE_DEVICE, QUEUE_AT(queue) + 0x6000);
    reg_write(d, QUEUE_READY, 1);
}

static inline void driver_start(driver *d, board *b, uint32_t features, uint32_t queues)
{
    d->b = b;
    reg_write(d, STATUS, 0);
    reg_write(d, STATUS, 3);
    reg_write(d, DRIVER_FEATURES_SEL, 0);
    reg_write(d, DRIVER_FEATURES, features);
    reg_write(d, DRIVER_FEATURES_SEL, 1);
    reg_write(d, DRIVER_FEATURES, 1);
    reg_write(d, STATUS, 11);
    for (uint32_t i = 0; i < queues; i++)
        driver_queue(d, i);
    reg_write(d, STATUS, 15);
}

/* Make a chain available, without notification; its head. */
static inline uint16_t driver_add(driver *d, uint32_t queue, const piece *pieces, uint32_t n)
{
    uint16_t head = d->next_descriptor[queue];

    for (uint32_t i = 0; i < n; i++) {
        uint8_t *at = memory_at(d, QUEUE_AT(queue)) + 16 * d->next_descriptor[queue];
        uint16_t next = (uint16_t)((d->next_descriptor[queue] + 1) % RING);
        uint16_t flags = (uint16_t)(pieces[i].flags | (i + 1 < n ? NEXT : 0));

        memcpy(at, &pieces[i].gpa, 8);
        memcpy(at + 8, &pieces[i].length, 4);
        memcpy(at + 12, &flags, 2);
        memcpy(at + 14, &next, 2);
        d->next_descriptor[queue] = next;
    }
    put16(d, QUEUE_AT(queue) + 0x4004 + 2 * (d->avail[queue] % RING), head);
    put16(d, QUEUE_AT(queue) + 0x4002, ++d->avail[queue]);
    return head;
}

static inline void driver_notify(driver *d, uint32_t queue)
{
    reg_write(d, QUEUE_NOTIFY, queue);
}

/* Chains that came back since the last time they were taken. */
static inline uint16_t driver_returned(driver *d, uint32_t queue)
{
    return (uint16_t)(get16(d, QUEUE_AT(queue) + 0x6002) - d->seen[queue]);
}

/* The next chain that came back: its head, and the bytes written. */
static inline uint32_t driver_take(driver *d, uint32_t queue, uint32_t *written)
{
    uint64_t at = QUEUE_AT(queue) + 0x6004 + 8 * (d->seen[queue] % RING);

    CU_ASSERT_FATAL(driver_returned(d, queue) > 0);
    d->seen[queue]++;
    *written = get32(d, at + 4);
    return get32(d, at);
}

/* A device of the plugin on the transport, which is the board's device; not started. */
static inline pb_instance *driver_plug(board *b, const char *type, const char *path)
{
    g_autoptr(GError) error = NULL;
    const pb_class *class = pb_plugin_host_type(b->host, PB_KIND_DEVICE, type, &error);
    pb_instance *instance;
    pb_port_ref bus, port;

    CU_ASSERT_PTR_NOT_NULL_FATAL(class);
    instance = fake_machine_add(b->machine, class, path);
    CU_ASSERT_FATAL(pb_instance_settle_properties(instance, &error));
    bus = board_port(b, "bus");
    CU_ASSERT_FATAL(pb_instance_port(instance, "bus", &port, &error));
    CU_ASSERT_FATAL(pb_instance_connect(&port, &bus, &error));
    return instance;
}

/* Let the test stand behind a required port. */
static inline pb_link driver_stand_behind(pb_instance *instance, const char *name,
                                          const void *iface, void *self)
{
    g_autoptr(GError) error = NULL;
    pb_link link = { 0 };
    pb_port_ref port;

    CU_ASSERT_FATAL(pb_instance_port(instance, name, &port, &error));
    CU_ASSERT_FATAL(pb_instance_attach(&port, iface, self, 0, &link, &error));
    return link;
}

#endif
