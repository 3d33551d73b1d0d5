/*
 * A machine as composed from its file: parts, memory, mappings and wires, all expressions evaluated
 * and everything checked that can be checked without running. The life cycle (machine.h) builds a
 * machine from a plan, dump.c writes it as a machine file again.
 */
#ifndef CORE_MACHINE_PLAN_H
#define CORE_MACHINE_PLAN_H

#include <core/machine/diag.h>
#include <core/machine/yaml.h>
#include <patchbay/device.h>

/* A property that the machine file sets. */
typedef struct pb_plan_prop {
    const pb_prop *row;
    char **texts; /* ends with null; one, except of PB_PROP_UINTS */
    pb_mark mark; /* of the value */
} pb_plan_prop;

/* A region of a device that has a place. */
typedef struct pb_plan_mapping {
    uint32_t region; /* row index */
    uint64_t gpa, bytes;
    pb_mark mark;
} pb_plan_mapping;

#define PB_PLAN_CLUSTERS 256u /* of processors; their numbers are below it */

/* An instance of a type. */
typedef struct pb_plan_part {
    pb_kind kind;
    char *path;       /* "uart0", "virtio[3]", "cpu[0]", "host.serial0", "boot.linux", "accel" */
    char *name;       /* as in its section, without index: "virtio", "serial0" */
    int64_t index;    /* of an array's element, otherwise -1 */
    char *type;       /* "virtio/mmio" */
    uint32_t cluster; /* of processors */
    const pb_class *class; /* as described: without functions. Null if the type is in error */
    pb_mark mark, type_mark;
    GArray *props;    /* pb_plan_prop */
    GArray *mappings; /* pb_plan_mapping */
} pb_plan_part;

/* A wire between two ports; several from one element of an irq or gpio output split it. */
typedef struct pb_plan_wire {
    pb_plan_part *from; /* requires */
    const pb_port *from_port;
    uint32_t from_index;
    pb_plan_part *to; /* provides */
    const pb_port *to_port;
    uint32_t to_index;
    pb_mark mark;
} pb_plan_wire;

typedef enum pb_memory_type { PB_MEMORY_RAM, PB_MEMORY_ROM } pb_memory_type;

typedef struct pb_plan_memory {
    uint32_t type; /* pb_memory_type */
    char *name;
    uint64_t gpa, bytes;
    char *file; /* its content at reset, or null */
    pb_mark mark;
} pb_plan_memory;

#define PB_EPOCH_HOST INT64_MIN

/* Section `run:`. */
typedef struct pb_plan_run {
    uint32_t threads; /* pb_threads of sched.h */
    bool reboot;      /* false: a reset ends the run */
    uint32_t ns_per_instruction;
    char *epoch; /* seconds since 1970, or "host", or null: by threads */
    char *seed;  /* a number, or null: by threads */
} pb_plan_run;

/* Section `bus:`: what the board does with accesses that nobody takes. */
typedef struct pb_plan_bus {
    uint32_t unassigned, wrong_size; /* pb_bus_rule of bus.h */
    uint32_t rom_writes;             /* 0: ignored, 1: bus errors */
} pb_plan_bus;

/* Section `fdt:`. */
typedef struct pb_plan_fdt {
    char **compatible; /* ends with null; null: no device tree can be made */
    char *model;
    uint64_t clock_hz;
    char *stdout_path; /* path of a part, or null */
    pb_mark mark;
} pb_plan_fdt;

typedef struct pb_plan {
    char *name, *doc;
    GPtrArray
        *parts; /* pb_plan_part: processors, devices, backends, loaders, in order of the file; the
                       * accelerator is not in it */
    pb_plan_part *accel;
    GPtrArray *memories; /* pb_plan_memory */
    GArray *wires;       /* pb_plan_wire */
    pb_plan_run run;
    pb_plan_bus bus;
    pb_plan_fdt fdt;
} pb_plan;

void pb_plan_free(pb_plan *plan); /* null is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pb_plan, pb_plan_free)

/* Where types come from: pb_plugin_host_describe(), or a test's own. */
typedef struct pb_catalog {
    const pb_class *(*find)(void *opaque, pb_kind kind, const char *type, GError **error);
    void *opaque;
} pb_catalog;

/* `--set NAME=TEXT`, `--kernel TEXT`. */
typedef struct pb_plan_set {
    const char *option; /* for messages: "--set ram" */
    const char *parameter;
    const char *text;
} pb_plan_set;

/* `--drive FILE,readonly=on`: one more by an attach rule. */
typedef struct pb_plan_attach {
    const char *option; /* "--drive" */
    const char *rule;   /* "drive" */
    const char *text;
} pb_plan_attach;

typedef struct pb_plan_options {
    const pb_plan_set *sets;
    size_t n_sets;
    const pb_plan_attach *attaches;
    size_t n_attaches;
    const char *accel; /* TYPE[,PROPERTY=VALUE...], or null */
    bool no_reboot, deterministic;
} pb_plan_options;

/* Compose the machine of a tree that pb_source_load() made. Errors and warnings go to diags; a plan
 * comes back in any case, but must not be built after errors. `yaml` gets nodes for the options. */
pb_plan *pb_plan_compose(pb_yaml *yaml, const pb_yaml_node *root, const pb_plan_options *options,
                         const pb_catalog *catalog, pb_diags *diags);

/* Text of the property in the plan: set or default; null if neither. Borrowed. */
const char *pb_plan_part_text(const pb_plan_part *part, const pb_prop *row);
/* The number of the property that lives at that offset of the instance (counts and sizes); 0 if in
 * error. */
uint64_t pb_plan_part_number(const pb_plan_part *part, uint32_t offset);
/* Elements of a port. */
uint32_t pb_plan_port_count(const pb_plan_part *part, const pb_port *port);
/* Whether the port is written with an index. */
bool pb_port_is_array(const pb_port *port);
/* Whether it is an irq or gpio port: a level, which one output may drive to several inputs. */
bool pb_port_is_line(const pb_port *port);
/* "gic.spi[3]"; free it. */
char *pb_plan_port_text(const pb_plan_part *part, const pb_port *port, uint32_t index);
/* The part with this path, or null. */
pb_plan_part *pb_plan_find(const pb_plan *plan, const char *path);

/* The plan as a machine file that composes to the same plan; free it. */
char *pb_plan_dump(const pb_plan *plan);

/* ---- keys of machine files, for checking, the schema and the reference ----------------------- */

/* A section or key with a fixed meaning. */
typedef struct pb_key {
    const char *name;
    const char *form; /* "mapping", "list", "text", "condition", "number", "file" ... */
    const char *doc;
} pb_key;

extern const pb_key pb_keys_machine[]; /* the top of a file; tables end with a row without a name */
extern const pb_key pb_keys_parameter[];
/* "uint", "size" ...: the types of parameters; null behind the last. */
const char *pb_parameter_type(unsigned index);
extern const pb_key pb_keys_assert[];
extern const pb_key
    pb_keys_part[]; /* what all parts may have; cpus: count and cluster, devices: repeat and at */
extern const pb_key pb_keys_attach[];
extern const pb_prop pb_props_memory[]; /* with the members of pb_plan_memory */
extern const pb_prop pb_props_run[];
extern const pb_prop pb_props_bus[];
extern const pb_prop pb_props_fdt[];
extern const pb_key pb_keys_fdt[], pb_keys_memory[]; /* what these have besides */

#endif
