/*
 * Loaders put software into a composed machine: kernels, firmware, images. And what loaders may ask
 * of the machine.
 */
#ifndef PATCHBAY_LOADER_H
#define PATCHBAY_LOADER_H

#include <patchbay/cpu.h>

typedef struct pb_loader_type {
    pb_class head;
    /* Read and check the files, once, before the machine starts; errors name file and cause. Then the
     * class's reset is not used: place() is called after every machine reset, registers and devices being
     * in their reset state, to write images to memory and set start registers. [setup] */
    bool (*prepare)(void *self, pb_error *error);
    bool (*place)(void *self, pb_error *error);
} pb_loader_type;

#define PB_EXTENSION_MACHINE "pb.machine/1"

typedef struct pb_machine_ops {
    uint32_t size;
    /* RAM ranges of the system memory in address order; false past the last. [setup] */
    bool (*ram)(pb_object *object, uint32_t index, uint64_t *gpa, uint64_t *bytes);
    uint32_t (*vcpu_count)(pb_object *object);
    pb_vcpu *(*vcpu)(pb_object *object, uint32_t index);
    /* Write to RAM or ROM, as the board's programmer would; false with the error set if some of it is
     * neither. `what` names the file in the error. [setup] */
    bool (*write)(pb_object *object, uint64_t gpa, const void *bytes, uint64_t length,
                  const char *what, pb_error *error);
    /* Overlap check: claims a range for a loaded thing; false with the error if it meets an earlier one. */
    bool (*claim)(pb_object *object, uint64_t gpa, uint64_t length, const char *what,
                  pb_error *error);
    /* The flattened device tree of the composed machine, with /chosen from the arguments (null or 0:
     * left out), in memory of the machine; *length in bytes. Null with the error set. */
    const void *(*device_tree)(pb_object *object, const char *bootargs, uint64_t initrd_gpa,
                               uint64_t initrd_bytes, uint32_t *length, pb_error *error);
    /* Instance and iface of the n-th provided port of a protocol in the machine ("fw_cfg"); false past
     * the last. */
    bool (*provider)(pb_object *object, const char *protocol, uint32_t n, pb_link *link);
    /* The bytes of a file, mapped or read, freed with the machine; null with the error set: names the
     * file and the cause. */
    const void *(*file)(pb_object *object, const char *path, uint64_t *length, pb_error *error);
    /* As write, of zeros: takes no time and no memory, however many. [setup] */
    bool (*zero)(pb_object *object, uint64_t gpa, uint64_t length, const char *what,
                 pb_error *error);
} pb_machine_ops;

#endif
