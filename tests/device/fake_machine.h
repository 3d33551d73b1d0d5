/*
 * A machine for tests of single devices: virtual time that only moves when told, 16 MiB of memory for DMA,
 * and something at the other end of every port, which remembers what it got.
 */
#ifndef TESTS_DEVICE_FAKE_MACHINE_H
#define TESTS_DEVICE_FAKE_MACHINE_H

#include <core/device/object.h>
#include <core/plugin/plugin_host.h>

#define FAKE_MEMORY_BYTES (UINT64_C(16) << 20)
#define FAKE_DISK_BYTES   (UINT64_C(1) << 20)
#define FAKE_REGION_BYTES (UINT64_C(1) << 28) /* region n of a device is placed at n times this */

typedef struct fake_machine fake_machine;

/* The machine's end of one port element of an instance. */
typedef struct fake_end {
    fake_machine *machine;
    pb_port_ref port;   /* of the instance */
    pb_link peer;       /* how to call the instance: streams, nets, inputs that we drive */
    pb_line line;       /* drives a provided irq or gpio input */
    bool level;         /* of a required irq or gpio port, as last told */
    unsigned edges;     /* changes of level since last asked */
    GByteArray *input;  /* char: not taken yet. block: the disk */
    GByteArray *output; /* char: bytes sent. net: frames sent, one after the other */
    bool feeding;
} fake_end;

struct fake_machine {
    pb_plugin_host *host;
    pb_object_env env;
    GPtrArray *instances; /* of pb_instance */
    GPtrArray *ends;      /* of fake_end */
    GPtrArray *timers;
    GHashTable *regions; /* bytes of RAM, ROM and ROM-device regions, by instance and row */
    uint64_t now_ns;
    int64_t wall_base_s;
    uint8_t *memory;
    GString *log;       /* lines "KIND: PATH: text" since last asked */
    unsigned requests;  /* bit per pb_machine_request */
    GString *maps;      /* lines "PATH REGION at 0xGPA" or "PATH REGION hidden" since last asked */
    uint32_t requester; /* who makes the following accesses: a processor's index */
    /* Log nothing but what the checking layer finds, and that to standard output: for fuzzing. */
    bool quiet;
};

fake_machine *fake_machine_new(pb_plugin_host *host);
void fake_machine_free(fake_machine *machine);

/* A new instance, whose properties can be set; the machine's. */
pb_instance *fake_machine_add(fake_machine *machine, const pb_class *class, const char *path);

/* Give required properties that have no default and were not set a smallest valid value. */
bool fake_machine_fill_properties(fake_machine *machine, pb_instance *instance, GError **error);

/* Connect what is open at all instances, whose properties are settled. With `invent`, a port of a protocol that this
 * machine does not speak gets an instance of an installed type at its other side: required ports, and the first
 * element of provided ones. Then init and reset everything. */
bool fake_machine_start(fake_machine *machine, bool invent, GError **error);

/* Reset all instances, as a machine does. */
void fake_machine_reset(fake_machine *machine);

/* Time passes; timers expire in order of their deadlines, at most `max_timers` of them (a device that sets
 * its timer to the past again and again must not hold up a test). False if there were more. */
bool fake_machine_advance(fake_machine *machine, uint64_t ns, unsigned max_timers);

/* The machine's end of a port of an instance, null if something else is there. */
fake_end *fake_machine_end(fake_machine *machine, const pb_port_ref *port);

/* Add input to a char port and hand over what the device takes; a frame to a net port (false: refused). */
bool fake_end_feed(fake_end *end, const uint8_t *bytes, uint32_t length);

/* One access to a region by row index; wider ones than the region takes are split. */
pb_bus_result fake_machine_read(fake_machine *machine, pb_instance *instance, uint32_t region,
                                uint64_t offset, uint32_t size, uint64_t *value);
pb_bus_result fake_machine_write(fake_machine *machine, pb_instance *instance, uint32_t region,
                                 uint64_t offset, uint32_t size, uint64_t value);

#endif
