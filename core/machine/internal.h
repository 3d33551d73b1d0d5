/* Inside of a machine: what the files of its life cycle share. */
#ifndef CORE_MACHINE_INTERNAL_H
#define CORE_MACHINE_INTERNAL_H

#include <core/device/object.h>
#include <core/machine/machine.h>
#include <patchbay/codegen.h>
#include <patchbay/accel.h>
#include <patchbay/loader.h>

typedef struct machine_part machine_part;

/* A device's region on the bus. */
typedef struct machine_region {
    machine_part *part;
    uint32_t index;     /* row */
    pb_ram *ram;        /* RAM, ROM, ROM-device; made before the part's init */
    pb_bus_region *bus; /* made after it */
    uint64_t gpa;
    bool placed;   /* it has a place: visible */
    bool handlers; /* ROM-device: reads by handler */
    pb_region_handlers calls;
} machine_region;

/* An instance of the plan's part. */
struct machine_part {
    pb_machine *machine;
    const pb_plan_part *plan;
    const pb_class *class; /* with functions */
    pb_instance *instance;
    pb_vcpu *vcpu;           /* of processors */
    machine_region *regions; /* by row */
    uint32_t n_regions;
    GPtrArray *dmas; /* pb_dma */
};

typedef struct machine_memory {
    const pb_plan_memory *plan;
    pb_ram *ram;
    pb_bus_region *bus;
} machine_memory;

/* A range that a loader took. */
typedef struct machine_claim {
    uint64_t first, last;
    char *what;
} machine_claim;

struct pb_machine {
    const pb_plan *plan;
    pb_plugin_host *host;
    const pb_machine_extras *extras; /* or null */
    pb_object_env env;
    pb_sched *sched;
    pb_bus *bus;
    pb_bus_region *root;
    pb_space *memory;
    pb_cpus *cpus;
    GPtrArray *parts;        /* machine_part; the order of the plan, then the accelerator */
    GHashTable *by_instance; /* pb_instance * -> machine_part */
    GHashTable *by_path;
    GArray *memories; /* machine_memory */
    machine_part *accel;
    GPtrArray *codegens;      /* pb_instance, and accelerators, asked for by the accelerator */
    GPtrArray *codegen_types; /* pb_codegen_type, its copies for the log */
    bool started;             /* the accelerator has the processors */
    bool prepared;            /* the loaders have read their files */
    bool ready;               /* was reset, or a snapshot was loaded */
    GError *failure;          /* of a reset while running */

    /* Of pb_machine_count(). */
    uint64_t (*counted)(void *opaque, uint64_t total);
    void *counted_opaque;
    uint64_t count_at;

    GArray *claims;    /* machine_claim, since the last reset */
    GPtrArray *files;  /* GBytes of files that were read or mapped */
    GPtrArray *mapped; /* GMappedFile, those that were mapped */
    GBytes *tree;      /* the last device tree */
    uint8_t rng_seed[32];
};

/* ---- regions.c ------------------------------------------------------------------------------- */

bool machine_memories(pb_machine *machine, GError **error);
/* Before a part's init: its RAM; after it: the rest. */
bool machine_part_ram(machine_part *part, GError **error);
void machine_part_regions(machine_part *part);
void machine_part_free_regions(machine_part *part);
/* The callbacks of pb_object_env. */
void machine_region_map(void *opaque, pb_instance *instance, uint32_t index, uint64_t gpa,
                        bool mapped);
bool machine_region_place(void *opaque, pb_instance *instance, uint32_t index, uint64_t *gpa);
void *machine_region_bytes(void *opaque, pb_instance *instance, uint32_t index, uint64_t *size);
void machine_region_romd(void *opaque, pb_instance *instance, uint32_t index, bool romd);
void machine_region_changed(void *opaque, pb_instance *instance, uint32_t index, uint64_t first,
                            uint64_t length);
/* The files of `memory:` into their memories. */
bool machine_memory_files(pb_machine *machine, GError **error);

/* ---- machine.c ------------------------------------------------------------------------------- */

/* Cold reset of all parts; memory is as it was. Everything stands still, device lock held. */
void machine_reset_parts(pb_machine *machine);
/* The loaders read their files, once. */
bool machine_prepare(pb_machine *machine, GError **error);

/* ---- codegen.c: the extension "pb.codegen/1" ------------------------------------------------- */

extern const pb_codegen_ops machine_codegens;
extern const pb_accel_ops machine_accels;

/* ---- snapshot.c ------------------------------------------------------------------------------ */

/* All memories of the machine: those of `memory:` and those in devices, in the order of the plan. */
typedef void machine_ram_visitor(void *opaque, const char *name, pb_ram *ram);
void machine_visit_ram(pb_machine *machine, machine_ram_visitor *visit, void *opaque);

/* ---- compare.c ------------------------------------------------------------------------------- */

/* Whether two machines of plans that differ in accelerator and backends only are in the same state. All that differs
 * is appended to the text, a line each; without a text the first difference is enough. While nothing runs. */
bool machine_compare(pb_machine *a, pb_machine *b, GString *text);

/* ---- services.c: the extension "pb.machine/1" ------------------------------------------------ */

extern const pb_machine_ops machine_services;
void machine_forget_claims(pb_machine *machine);
/* The bytes of a file, which the machine keeps. */
const void *machine_file(pb_machine *machine, const char *path, uint64_t *length, GError **error);
/* What was mapped needs no memory of this process until somebody looks again, mostly at the next reset. */
void machine_rest_files(pb_machine *machine);

/* The part of an instance; never null. */
machine_part *machine_part_of(const pb_machine *machine, const pb_instance *instance);

#endif
