/*
 * Instances of plugin types: creation, properties, ports, life cycle, access to regions, state. This is
 * what the machine composer works with; a plugin sees the `pb_object` at the head of an instance.
 *
 * Order: pb_instance_new, _set (any number), _settle_properties, _connect and _give, _init of all, _reset of
 * all, _settle_lines of all, run, _finish, _free. Everything is [setup] unless a comment says otherwise.
 *
 * The outside world (log, scheduler, bus) comes in through pb_object_env, so that a fake machine of a few
 * lines can carry any device: tests/device is one.
 *
 * Errors of property and port functions tell with their code what the text is about, so that the caller
 * can point at the right place of its file: the name (key), or the value.
 */
#ifndef CORE_DEVICE_OBJECT_H
#define CORE_DEVICE_OBJECT_H

#include <glib.h>
#include <patchbay/device.h>

#define PB_OBJECT_ERROR (pb_object_error_quark())
GQuark pb_object_error_quark(void);

typedef enum pb_object_error {
    PB_OBJECT_ERROR_NAME,     /* no property, port or region has this name: the key is wrong */
    PB_OBJECT_ERROR_VALUE,    /* the value is wrong */
    PB_OBJECT_ERROR_REQUIRED, /* something that must be given is not */
    PB_OBJECT_ERROR_PROTOCOL, /* the two ports do not speak the same protocol */
    PB_OBJECT_ERROR_ROLE,     /* both provide, or both require */
    PB_OBJECT_ERROR_TWICE,    /* the port is connected already */
    PB_OBJECT_ERROR_INIT,     /* the type's own init refused */
    PB_OBJECT_ERROR_STATE,    /* saved state does not fit the instance */
} pb_object_error;

typedef struct pb_instance pb_instance;

/* What instances need of their machine. Given at creation, lives longer than the instances. */
typedef struct pb_object_env {
    /* One line from an instance; kind is a pb_log_kind. Rate limits are the callee's. [any] */
    void (*log)(void *opaque, const pb_instance *instance, uint32_t kind, const char *text);
    /* Trace events; both null: no tracing. [any] */
    bool (*trace_enabled)(void *opaque, const pb_instance *instance, const char *event);
    void (*trace)(void *opaque, const pb_instance *instance, const char *event, const char *text);
    /* An extension by id, or null. May be null. [any] */
    const void *(*extension)(void *opaque, pb_instance *instance, const char *id);
    /* pb_machine_request. [any] */
    void (*request)(void *opaque, pb_instance *instance, uint32_t request, int32_t status);
    /* A timer that calls expired(self) with the device lock held; name is for traces. Freed before the
     * instance is. [setup] */
    pb_timer *(*timer_new)(void *opaque, pb_instance *instance, const char *name,
                           void (*expired)(void *self), void *self);
    void (*timer_free)(void *opaque, pb_timer *timer);
    /* The services of pb_object_ops that concern the bus; index is the row of the region. May be null if no
     * type in use needs them. */
    void (*region_map)(void *opaque, pb_instance *instance, uint32_t index, uint64_t gpa,
                       bool mapped);
    bool (*region_place)(void *opaque, pb_instance *instance, uint32_t index,
                         uint64_t *gpa); /* null: no region has a place */
    void *(*region_bytes)(void *opaque, pb_instance *instance, uint32_t index, uint64_t *size);
    void (*region_romd)(void *opaque, pb_instance *instance, uint32_t index, bool romd);
    void (*region_changed)(void *opaque, pb_instance *instance, uint32_t index, uint64_t first,
                           uint64_t length);
    /* Whether the calling thread holds the device lock; for the checking layer; null: not known. [any] */
    bool (*lock_held)(void *opaque);
    void *opaque;
} pb_object_env;

/* ---- life -------------------------------------------------------------------------------------- */

/* An instance with the properties' defaults; `path` is its name in the machine ("uart0"). `memory` is
 * where class->instance_size zeroed bytes are that the caller owns (a vCPU's state), or null: allocated,
 * aligned to a cache line. Never null. */
pb_instance *pb_instance_new(const pb_class *class, const char *path, const pb_object_env *env,
                             void *memory);

/* Finishes first if need be. Peers that hold links to it must not be used any more. Null is fine. */
void pb_instance_free(pb_instance *instance);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pb_instance, pb_instance_free)

const pb_class *pb_instance_class(const pb_instance *instance);
const char *pb_instance_path(const pb_instance *instance);
void *pb_instance_self(const pb_instance *instance);  /* the plugin's structure */
pb_object *pb_instance_object(pb_instance *instance); /* what the plugin sees */
pb_instance *pb_instance_of(pb_object *object);
const pb_object_env *pb_instance_env(const pb_instance *instance);

/* The device descriptor, null if the class is of another kind. */
const pb_device_type *pb_class_device(const pb_class *class);

/* Checks that what is required is connected, makes timers and dispatch tables, calls the type's init. */
bool pb_instance_init(pb_instance *instance, GError **error);

/* Cold reset: registers from their rows, then the type's reset. [device] */
void pb_instance_reset(pb_instance *instance);

/* After all instances were reset: tells every listener of this instance's lines the level. [device] */
void pb_instance_settle_lines(pb_instance *instance);

void pb_instance_finish(pb_instance *instance);

/* ---- properties ---------------------------------------------------------------------------------- */

/* Row of the property with the name, null with the error set (code NAME, with a suggestion). */
const pb_prop *pb_class_property(const pb_class *class, const char *name, GError **error);

/* Set from the text of the machine file. Codes: NAME, VALUE. */
bool pb_instance_set(pb_instance *instance, const char *name, const char *text, GError **error);

/* The same from a list; only PB_PROP_UINTS takes one of other length than 1. If an element is wrong, its
 * index is in *bad (which may be null). */
bool pb_instance_set_list(pb_instance *instance, const char *name, const char *const *texts,
                          size_t count, size_t *bad, GError **error);

/* Relative paths of PB_PROP_PATH are taken from here from now on; null: the working directory. */
void pb_instance_set_directory(pb_instance *instance, const char *directory);

/* The value as machine-file text; free it. Null: not set. */
char *pb_instance_get(const pb_instance *instance, const pb_prop *prop);

/* All properties are set: checks that required ones were (code REQUIRED), then the sizes of port arrays and
 * of regions are known and handles have their places. */
bool pb_instance_settle_properties(pb_instance *instance, GError **error);

/* Check a text against a row without an instance: for `patchbay check`. On success the number that it
 * means, if it is one, is in *value (which may be null). */
bool pb_property_check(const pb_prop *prop, const char *text, uint64_t *value, GError **error);

/* ---- ports --------------------------------------------------------------------------------------- */

/* One port: row and element. */
typedef struct pb_port_ref {
    pb_instance *instance;
    const pb_port *port;
    uint32_t index;
} pb_port_ref;

/* Row of the port with the name (without index), null with the error set (code NAME). */
const pb_port *pb_class_port(const pb_class *class, const char *name, GError **error);

/* "spi[3]" or "irq" to row and element. Codes NAME, VALUE (index out of range or missing). */
bool pb_instance_port(pb_instance *instance, const char *text, pb_port_ref *ref, GError **error);

/* Elements of a port of this instance. */
uint32_t pb_instance_port_count(const pb_instance *instance, const pb_port *port);

/* "uart0.irq", "gic.spi[3]"; free it. */
char *pb_port_ref_text(const pb_port_ref *ref);

/* Connect a required port to a provided one; either order. Codes PROTOCOL, ROLE, TWICE. */
bool pb_instance_connect(const pb_port_ref *a, const pb_port_ref *b, GError **error);

/* One more listener for a line output (irq, gpio) that is connected already: a splitter. */
bool pb_instance_split(const pb_port_ref *line, const pb_port_ref *listener, GError **error);

/* Give a required clock or dma port its handle (pb_clock *, pb_dma *), which the machine provides. */
bool pb_instance_give(const pb_port_ref *port, void *handle, GError **error);

/* Whether something is there, be it the machine itself. */
bool pb_instance_is_connected(const pb_port_ref *port);

/* The other end, false if it is open. For a provided port with several listeners it is the first. */
bool pb_instance_peer(const pb_port_ref *port, pb_port_ref *peer);

/* Let the machine itself stand at the other end: a test that feeds a UART, a board that reads a line. `iface`,
 * `self` and `index` are the machine's side; what it needs to call the instance is put into *link (null: not
 * wanted; for a required line it has no iface). Codes as connect. */
bool pb_instance_attach(const pb_port_ref *port, const void *iface, void *self, uint32_t index,
                        pb_link *link, GError **error);

/* ---- regions ------------------------------------------------------------------------------------- */

/* Number of region rows of the type. */
uint32_t pb_instance_region_count(const pb_instance *instance);
const pb_region *pb_instance_region(const pb_instance *instance, uint32_t index);
/* Row index of the region with the name, -1 with the error set. */
int pb_class_region(const pb_class *class, const char *name, GError **error);
/* Size in bytes: constant, or the property's value. */
uint64_t pb_instance_region_bytes(const pb_instance *instance, uint32_t index);

/* Handlers for the bus: call ops->read(opaque, ...) and ops->write. Sizes and alignment that the region does
 * not take are answered with PB_BUS_ERROR. After init; they live as long as the instance. [device] */
typedef struct pb_region_handlers {
    const pb_mmio_ops *ops;
    void *opaque;
} pb_region_handlers;

pb_region_handlers pb_instance_handlers(pb_instance *instance, uint32_t index);

/* ---- state --------------------------------------------------------------------------------------- */

/* All state of the instance, in a self-describing form: type, form version, then each field's name, kind,
 * sizes and bytes, and the numeric properties, which must be the same at load. [setup] or everything
 * stopped. The caller owns the (floating) variant. Type PB_STATE_FORMAT. */
#define PB_STATE_FORMAT "(sua(ssuuay))"
GVariant *pb_instance_save(const pb_instance *instance);

/* Load what save made, in three steps, for a machine whose parts look at each other in `loaded`: check every
 * part's, which changes nothing (untrusted; errors, of code STATE, name the field); put every part's, into
 * instances that were reset; then every type's `loaded`. */
bool pb_instance_check_state(const pb_instance *instance, GVariant *state, GError **error);
void pb_instance_put_state(pb_instance *instance, GVariant *state);
bool pb_instance_loaded(pb_instance *instance, GError **error);
/* The three at once. */
bool pb_instance_load(pb_instance *instance, GVariant *state, GError **error);

/* Append a line for each field that differs to `text` (null: only count). Returns their number. */
unsigned pb_state_compare(GVariant *a, GVariant *b, const char *path, GString *text);

/* Append one line a field: `name = value`, registers with their fields spelt out. */
void pb_instance_print(const pb_instance *instance, GString *text);

/* Add the state to a checksum. */
void pb_instance_hash(const pb_instance *instance, GChecksum *checksum);

/* ---- checking layer ------------------------------------------------------------------------------ */

/* Instances made from now on are placed behind the checking layer (`--check`): threads, call order, sizes
 * and ranges of all calls between them and the core. Violations are logged as PB_LOG_WARNING with
 * "check:" and counted. */
extern bool pb_check_enabled;
unsigned pb_check_violations(void);

#endif
