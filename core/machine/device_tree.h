/*
 * The flattened device tree of a composed machine: what a guest kernel is told about the board.
 */
#ifndef CORE_MACHINE_DEVICE_TREE_H
#define CORE_MACHINE_DEVICE_TREE_H

#include <core/device/object.h>
#include <core/machine/plan.h>

typedef struct pb_device_tree_options {
    const char *bootargs;              /* of /chosen; null: none */
    uint64_t initrd_gpa, initrd_bytes; /* of /chosen; no bytes: none */
    const uint8_t *rng_seed;           /* of /chosen; null: none */
    size_t rng_seed_bytes;
    /* The built instance of a part. */
    pb_instance *(*instance)(void *opaque, const char *path);
    void *opaque;
} pb_device_tree_options;

/* Make the tree of a built machine; g_free() it. Null with the error set: the plan has no `fdt` section, or a type
 * refused. [setup] */
void *pb_device_tree_new(const pb_plan *plan, const pb_device_tree_options *options,
                         uint32_t *length, GError **error);

#endif
