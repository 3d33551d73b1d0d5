/*
 * What the files of core/bus share.
 */
#ifndef CORE_BUS_INTERNAL_H
#define CORE_BUS_INTERNAL_H

#include <core/bus/bus.h>
#include <inttypes.h>
#include <pthread.h>

typedef struct pb_view pb_view;

typedef enum pb_bus_region_kind {
    PB_BUS_CONTAINER,
    PB_BUS_RAM,
    PB_BUS_ROM,
    PB_BUS_ROMD,
    PB_BUS_MMIO,
    PB_BUS_ALIAS,
} pb_bus_region_kind;

struct pb_bus_region {
    int refs;
    pb_bus *bus;
    char *name;
    pb_bus_region_kind kind;
    uint64_t last; /* size - 1 */
    pb_ram *ram;
    uint64_t ram_offset;
    pb_mmio mmio;          /* PB_BUS_MMIO, PB_BUS_ROMD; limits filled in */
    bool romd_direct;      /* PB_BUS_ROMD: reads go to the bytes */
    pb_bus_region *target; /* PB_BUS_ALIAS */
    uint64_t target_offset;
    bool visible;
    /* Place in the tree. */
    pb_bus_region *parent; /* not a reference: the parent holds one to its child */
    uint64_t at;
    int priority;
    GPtrArray *children; /* PB_BUS_CONTAINER: pb_bus_region, what is seen first comes first */
};

struct pb_bus {
    pb_sched *sched;
    void (*log)(void *opaque, const char *text);
    void *log_opaque;
    int64_t log_second; /* the log's limit, under lock */
    uint32_t log_lines;

    uint32_t depth; /* of transactions */
    bool changed;   /* inside of one */
    GPtrArray *spaces;
    pb_reader *device_reader;
    uint32_t next_requester;
    /* MMIO accesses by DMA that are inside one another; under the device lock */
    uint32_t dma_depth;

    void (*untag)(void *opaque, const uint8_t *host, uint64_t bytes);
    void *untag_opaque;
    GArray *code_listeners;
    uint32_t mix_after;   /* 0: no page becomes mixed */
    bool compares;        /* all units shall */
    uint64_t mixed_pages; /* atomic */

    pthread_mutex_t lock; /* readers, retired, the log's limit */
    GPtrArray *readers;
    GPtrArray *retired;     /* pb_view */
    uint32_t retired_count; /* read without the lock */
    uint64_t epoch;         /* read without the lock */
    uint64_t generation;
};

struct pb_space {
    pb_bus *bus;
    char *name;
    pb_bus_region *root;
    pb_space_rules rules;
    pb_view *view;       /* atomic */
    uint64_t generation; /* atomic: of the view */
    GArray *listeners;
};

/* The tree under some space changed: publish now, or at the end of the transaction. */
void pb_bus_changed(pb_bus *bus);

/* Flatten the space's tree and publish the result if it differs from the current view. */
void pb_space_publish(pb_space *space);
/* Take the current view away (end of the space). */
void pb_space_retire(pb_space *space);

/* Of the current view, in address order: the first range that ends at or above gpa, or null. Entered
 * readers only. */
const pb_range *pb_space_at_or_above(pb_space *space, uint64_t gpa);

void pb_bus_untag(pb_bus *bus, const uint8_t *host, uint64_t bytes);
void pb_bus_code_stale(pb_bus *bus, const uint32_t *generation, uint64_t lines);
void pb_bus_say(pb_bus *bus, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
