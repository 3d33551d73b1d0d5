/*
 * The one symbol of a plugin, and what every type of every kind has in common.
 *
 * A plugin is a shared object with one exported constant, `pb_plugin_entry`. It is data: no
 * constructors, no registration, no work at load time.
 *
 *     PB_EXPORT const pb_plugin pb_plugin_entry = {
 *         .size = sizeof(pb_plugin), .abi_major = PB_ABI_MAJOR, .abi_minor = PB_ABI_MINOR,
 *         .id = "dev-pl011", .version = "0.1", .licence = "MIT",
 *         .doc = "Arm PrimeCell UART", .types = types,
 *     };
 *
 * The type `pl011` is looked for in dev-pl011.so and `virtio/blk` is the type `blk` of dev-virtio.so;
 * the section of the machine file gives the prefix (devices: dev-, cpus: cpu-, and so on).
 */
#ifndef PATCHBAY_PLUGIN_H
#define PATCHBAY_PLUGIN_H

#include <patchbay/base.h>
#include <patchbay/property.h>
#include <patchbay/port.h>
#include <patchbay/state.h>

typedef enum pb_kind {
    PB_KIND_CPU = 1, /* cpu-NAME.so,      descriptor pb_cpu_type (cpu.h) */
    PB_KIND_CODEGEN, /* codegen-NAME.so */
    PB_KIND_ACCEL,   /* accel-NAME.so,    descriptor pb_accel_type (accel.h) */
    PB_KIND_DEVICE,  /* dev-NAME.so,      descriptor pb_device_type (device.h) */
    PB_KIND_BACKEND, /* host-NAME.so,     descriptor pb_class alone, with one provided port */
    PB_KIND_LOADER,  /* loader-NAME.so,   descriptor pb_loader_type (loader.h) */
    PB_KIND_TOOL,    /* tool-NAME.so */
} pb_kind;

/* The head of every descriptor: name, tables and life cycle of a type. Descriptors are constant and
 * live as long as the plugin. Instances are allocated (zeroed) and freed by the host.
 *
 * Order of life: allocate, set properties (defaults, then the machine file's), connect ports, init,
 * reset, run ..., finish, free. reset may come again at any time; finish comes once for every init
 * that succeeded. */
typedef struct pb_class {
    uint32_t size;          /* of the whole descriptor that this heads */
    uint32_t kind;          /* pb_kind */
    const char *name;       /* "pl011"; for `virtio/blk` of dev-virtio.so: "blk" */
    const char *doc;        /* one line */
    uint32_t instance_size; /* bytes */
    /* Byte offset + 1 of the instance's `pb_object *` member, 0 if it has none: PB_SELF(type, member). */
    uint32_t self_offset;
    const pb_prop *props;  /* ends with a row without a name; may be null */
    const pb_port *ports;  /* the same */
    const pb_state *state; /* the same; with what else the instance holds, see state.h */
    /* Properties are set and ports connected. Backends come first, and the others may call them: what they ask
     * for is done before anything is reset or loaded. Other peers may not be initialised yet, so do not call
     * them. False with the error set refuses the machine. May be null. [setup] */
    bool (*init)(void *self, pb_error *error);
    /* Release what init took. May be null. [setup] */
    void (*finish)(void *self);
    /* Cold reset: after registers took their reset values from their rows and before anything runs.
     * Outputs may be driven; levels settle when every device was reset. May be null. [device] */
    void (*reset)(void *self);
    /* State was loaded from a snapshot: recompute what is transient. May be null. [setup] */
    bool (*loaded)(void *self, pb_error *error);
} pb_class;

/* Known and not modelled, where no row of another table says so: for `patchbay report missing`. */
typedef struct pb_gap {
    const char *name;  /* "LDG", "SCTLR_EL1.ATA", "packed queues" */
    const char *group; /* "instruction", "register", "field", "feature" */
    const char *doc;   /* feature or manual section; may be null */
} pb_gap;

#define PB_SELF(type, member) .self_offset = offsetof(type, member) + 1

typedef struct pb_plugin {
    uint32_t size;
    uint16_t abi_major, abi_minor;
    const char *id; /* the file's name without .so */
    const char *version;
    const char *licence; /* SPDX */
    const char *doc;     /* one line */
    /* Every type, each the head of its kind's descriptor; ends with null. */
    const pb_class *const *types;
} pb_plugin;

#define PB_PLUGIN_SYMBOL "pb_plugin_entry"

extern PB_EXPORT const pb_plugin pb_plugin_entry;

#endif
