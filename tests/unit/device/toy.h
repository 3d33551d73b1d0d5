/*
 * A device type that has one of everything, for the unit tests of core/device.
 */
#ifndef TESTS_UNIT_DEVICE_TOY_H
#define TESTS_UNIT_DEVICE_TOY_H

#include <fake_machine.h>
#include <tests/unit/runner.h>

typedef struct toy {
    pb_object *self;
    bool flag;
    uint8_t small;
    int16_t level;
    uint32_t lines;
    uint64_t window, hz;
    const char *text, *path;
    uint8_t mode;
    pb_uints list;

    uint32_t plain, clear, set, once, mixed;
    uint64_t wide;
    uint16_t row[4];
    uint8_t narrow;

    pb_line **out;
    pb_clock *clock;
    const pb_link *serial;
    pb_timer *timer;
    uint8_t *buffer;
    uint32_t buffer_bytes;
    uint8_t data[8];

    uint64_t old, now; /* what hooks were told */
    pb_access access;
    unsigned reads, writes, expiries, loads;
    uint32_t inputs; /* levels by index */
    pb_link input_peer;
} toy;

extern const pb_device_type toy_type;

/* A machine with one toy named "toy", its `lines` being 2; not started. */
fake_machine *toy_machine(pb_instance **instance);

#endif
