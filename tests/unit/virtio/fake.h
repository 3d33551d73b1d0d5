/*
 * Virtqueues without a machine: a little memory, a driver's side, and a device that does what the test says.
 */
#ifndef TESTS_VIRTIO_FAKE_H
#define TESTS_VIRTIO_FAKE_H

#include "../../../plugins/dev-virtio/virtio.h"

#include "../runner.h"

#define RAM_AT    UINT64_C(0x10000)
#define RAM_BYTES UINT64_C(0x20000)

/* Where the tests put a queue, and buffers. */
#define DESC_AT   (RAM_AT + 0x0000)
#define DRIVER_AT (RAM_AT + 0x4000)
#define DEVICE_AT (RAM_AT + 0x6000)
#define TABLE_AT  (RAM_AT + 0x8000) /* of indirect descriptors */
#define DATA_AT   (RAM_AT + 0x10000)

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

typedef struct fake {
    pb_object object; /* first */
    pb_dma dma;
    pb_clock clock;
    pb_timer timer;
    pb_link link;
    virtio_device_iface iface;
    virtio_bus bus;
    uint8_t ram[RAM_BYTES];
    char log[4096];
    unsigned interrupts, resets;
    bool busy;
    /* Called before a write to guest memory, by the device's DMA: another processor's doing. */
    void (*on_write)(struct fake *f, uint64_t gpa);
    /* The device's queue_notify. */
    void (*notified)(struct fake *f, uint32_t queue);
    uint16_t size;
    uint16_t avail; /* the driver's index */
} fake;

/* A queue 0 that is ready, with the features in addition to VERSION_1. */
void fake_init(fake *f, uint16_t size, uint64_t features);

void fake_put16(fake *f, uint64_t gpa, uint16_t value);
uint16_t fake_get16(const fake *f, uint64_t gpa);
uint32_t fake_get32(const fake *f, uint64_t gpa);

/* Descriptor i of a table. */
void fake_describe(fake *f, uint64_t table, uint32_t i, uint64_t gpa, uint32_t length,
                   uint16_t flags, uint16_t next);
/* Make a chain available, as drivers do; the index is published. */
void fake_add(fake *f, uint16_t head);
/* Pretend that the driver's index is this. */
void fake_set_avail(fake *f, uint16_t index);

/* The queue was refused for this reason: nothing can be popped, the driver is told to reset. */
void fake_expect_broken(fake *f, const char *why);
void fake_expect_fine(fake *f);

#endif
