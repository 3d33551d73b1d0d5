/*
 * The inside of an instance, for the files of core/device only.
 */
#ifndef CORE_DEVICE_INSTANCE_H
#define CORE_DEVICE_INSTANCE_H

#include <core/device/object.h>
#include <core/device/tables.h>

typedef enum pb_phase {
    PB_PHASE_NEW = 0, /* properties are being set */
    PB_PHASE_SETTLED, /* property values are final, ports can be connected */
    PB_PHASE_READY,   /* init succeeded */
} pb_phase;

/* Of the checking layer: checking.c */
typedef struct pb_check_region pb_check_region;
typedef struct pb_check_link pb_check_link;

/* One element of a port. */
typedef struct pb_end {
    pb_link
        *link; /* what the other side holds to reach us, or what we hold to reach it: see port.c */
    pb_port_ref peer; /* instance null: not connected, or to the machine itself */
    bool connected;
    struct pb_wire *wire; /* required line ports */
    pb_check_link *check; /* --check: what the link leads through */
} pb_end;

/* Dispatch of one region of registers: registers.c */
typedef struct pb_dispatch pb_dispatch;

struct pb_instance {
    pb_object object; /* first: pb_instance_of() */
    const pb_class *class;
    const pb_object_env *env;
    char *path;
    char *directory;
    void *self;
    bool owns_self;
    bool checked; /* behind the checking layer */
    pb_phase phase;

    bool *property_set; /* by row: the machine file gave a value */
    GPtrArray *texts;   /* strings and lists that properties point to */

    uint32_t n_ports;
    uint32_t *port_counts;    /* by row */
    pb_end **ends;            /* by row, then element */
    GPtrArray *handle_arrays; /* of ports with count_offset */

    uint32_t n_regions;
    pb_dispatch **dispatch;  /* by row, null if the region is none of registers */
    pb_check_region *checks; /* --check: by row */
    uint32_t n_timers;
    pb_timer **timers; /* in order of the state table's rows */
};

/* One output line: the level's listeners. The pb_line is first, the plugin holds a pointer to it. */
typedef struct pb_wire {
    pb_line line;
    pb_instance *owner;
    const pb_port *port;
    uint32_t index;
    GArray *listeners; /* of pb_line: iface, self, index; level unused */
} pb_wire;

typedef enum pb_access_side { PB_SIDE_READ, PB_SIDE_WRITE } pb_access_side;

/* registers.c */
pb_dispatch *pb_dispatch_new(pb_instance *instance, uint32_t region);
void pb_dispatch_free(pb_dispatch *dispatch);
void pb_dispatch_reset(pb_dispatch *dispatch);
extern const pb_mmio_ops pb_dispatch_ops; /* self is the pb_dispatch */

/* property.c */
void pb_instance_set_defaults(pb_instance *instance);

/* port.c */
void pb_instance_make_ends(pb_instance *instance);
void pb_instance_free_ends(pb_instance *instance);
bool pb_instance_check_connected(pb_instance *instance, GError **error);

/* checking.c: what --check puts between. */
const pb_object_ops *pb_check_object_ops(const pb_object_ops *inner);
pb_check_region *pb_check_regions_new(uint32_t count); /* g_free() */
pb_region_handlers pb_check_handlers(pb_instance *instance, uint32_t region,
                                     pb_region_handlers inner);
/* Make *link (that the caller's port will hold) or *handle lead through the layer; null: not for this protocol. */
pb_check_link *pb_check_link_new(const pb_port_ref *caller, pb_link *link);
pb_check_link *pb_check_dma_new(const pb_port_ref *caller, void **handle);
void pb_check_link_free(pb_check_link *check);

/* Log one line in an instance's name. */
void pb_instance_log(const pb_instance *instance, uint32_t kind, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Set an error of PB_OBJECT_ERROR; always false. The instance's path begins the text if it is not null. */
bool pb_object_fail(GError **error, pb_object_error code, const pb_instance *instance,
                    const char *format, ...) G_GNUC_PRINTF(4, 5);

#endif
