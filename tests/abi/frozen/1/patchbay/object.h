/*
 * The host's services for one instance of any kind: log, trace, memory regions, machine control.
 *
 * An instance gets its `pb_object` through the member that its class names with PB_SELF().
 */
#ifndef PATCHBAY_OBJECT_H
#define PATCHBAY_OBJECT_H

#include <patchbay/plugin.h>

typedef struct pb_object pb_object;

typedef enum pb_log_kind {
    PB_LOG_GUEST = 1, /* the guest did something wrong: reserved value, unassigned register */
    PB_LOG_UNIMP,     /* the guest used something known that we do not model */
    PB_LOG_INFO,
    PB_LOG_WARNING, /* the user should know */
    PB_LOG_NOTICE,  /* the user asked for it: the name of a terminal that was made */
} pb_log_kind;

/* What the machine may be asked. */
typedef enum pb_machine_request {
    PB_MACHINE_RESET = 1,
    PB_MACHINE_POWER_OFF, /* status: exit status of the run, 0 for an ordinary power-off */
} pb_machine_request;

typedef struct pb_object_ops {
    uint32_t size;
    /* Log one line about a guest's or the device's doing; printf format, no newline. Rate-limited. [any] */
    void (*log)(pb_object *object, uint32_t kind, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
    /* Whether the named trace event is on, and emit it. Names are `TYPE.event`. [any] */
    bool (*trace_enabled)(pb_object *object, const char *event);
    void (*trace)(pb_object *object, const char *event, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
    /* An optional table of functions by id ("pb.fp/1"), or null. [any] */
    const void *(*extension)(pb_object *object, const char *id);
    /* The path of the instance in the machine: "uart0". [any] */
    const char *(*path)(pb_object *object);
    /* Reset or power off the machine, at the next safe point; returns at once. [any] */
    void (*request)(pb_object *object, uint32_t request, int32_t status);
    /* Show or hide, or move, one of the instance's regions (device.h) by the region's row index.
     * mapped false: not visible. Regions whose place the machine file gave start visible; others hidden
     * with the container chosen by the port they belong to. [device] */
    void (*region_map)(pb_object *object, uint32_t region, uint64_t gpa, bool mapped);
    /* Host address of a RAM, ROM or ROM-device region's bytes, its size in *size. [any] */
    void *(*region_bytes)(pb_object *object, uint32_t region, uint64_t *size);
    /* ROM-device regions: direct reads on (romd true) or through the handlers. [device] */
    void (*region_romd)(pb_object *object, uint32_t region, bool romd);
    /* Bytes of such a region were changed by the device, not by the guest: code and displays must
     * notice. [device] */
    void (*region_changed)(pb_object *object, uint32_t region, uint64_t first, uint64_t length);
    /* Where one of the instance's regions begins; false if it is not placed. A bridge asks for its
     * windows. [device] */
    bool (*region_place)(pb_object *object, uint32_t region, uint64_t *gpa);
} pb_object_ops;

struct pb_object {
    const pb_object_ops *ops;
};

#define pb_log(object, kind, ...) ((object)->ops->log((object), (kind), __VA_ARGS__))
#define pb_log_guest(object, ...) ((object)->ops->log((object), PB_LOG_GUEST, __VA_ARGS__))
#define pb_log_unimp(object, ...) ((object)->ops->log((object), PB_LOG_UNIMP, __VA_ARGS__))

/* Emit a trace event; the arguments are not evaluated while it is off. */
#define pb_trace(object, event, ...)                              \
    do {                                                          \
        if ((object)->ops->trace_enabled((object), (event)))      \
            (object)->ops->trace((object), (event), __VA_ARGS__); \
    } while (0)

static inline const void *pb_extension(pb_object *object, const char *id)
{
    return object->ops->extension(object, id);
}

/* ---- "pb.main-loop/1": host events, for backends ------------------------------------------------ */

#define PB_EXTENSION_MAIN_LOOP "pb.main-loop/1"

typedef enum pb_fd_events {
    PB_FD_IN = 1,
    PB_FD_OUT = 2,
    PB_FD_HUP = 4,
    PB_FD_ERR = 8
} pb_fd_events;

typedef struct pb_watch pb_watch;
typedef struct pb_poller pb_poller;

typedef struct pb_main_loop_ops {
    uint32_t size;
    /* Call fn on the main loop, with the device lock held, when the descriptor is ready for one of the
     * events. watch_set changes the events (0: pause). [any] */
    pb_watch *(*watch_new)(pb_object *object, int fd, uint32_t events,
                           void (*fn)(void *opaque, uint32_t ready), void *opaque);
    void (*watch_set)(pb_watch *watch, uint32_t events);
    void (*watch_free)(pb_watch *watch);
    /* Host time for host protocols (not for devices): nanoseconds, monotonic. [any] */
    uint64_t (*host_now_ns)(void);
    /* Call fn once on the main loop, device lock held, after that many host milliseconds; 0: as soon as possible.
     * Returns an id for cancel. In deterministic mode delays count machine time. [any] */
    uint64_t (*call_after)(pb_object *object, uint32_t ms, void (*fn)(void *opaque), void *opaque);
    void (*cancel)(pb_object *object, uint64_t id);
    /* Run work on a worker thread, then done on the main loop with the device lock held. In deterministic
     * mode both run at once, before it returns. [device] */
    void (*work)(pb_object *object, void (*work)(void *opaque), void (*done)(void *opaque),
                 void *opaque);
    /* Hooks around sleeping in poll, for libraries that bring their own descriptors (libslirp):
     * fill adds descriptors and may lower *timeout_ms; poll gets the ready ones. */
    void (*add_poller)(pb_object *object, const pb_poller *poller, void *opaque);
    /* Whether the machine is deterministic: then how fast the host is must not show to a guest. [any] */
    bool (*deterministic)(pb_object *object);
    /* Whether the run was ended by a signal: then finish() does not wait for others. [any] */
    bool (*interrupted)(pb_object *object);
    /* No more calls of the pollers that were added with this opaque pointer: for finish. [device] or [setup] */
    void (*remove_poller)(pb_object *object, void *opaque);
} pb_main_loop_ops;

/* Collects descriptors for one sleep. */
typedef struct pb_poll_set pb_poll_set;

struct pb_poller {
    uint32_t size;
    /* Add descriptors with add(set, fd, events) -> slot, lower *timeout_ms. [device] */
    void (*fill)(void *opaque, pb_poll_set *set,
                 int (*add)(pb_poll_set *set, int fd, uint32_t events), uint32_t *timeout_ms);
    /* ready(set, slot) tells the events of a slot. [device] */
    void (*polled)(void *opaque, pb_poll_set *set, uint32_t (*ready)(pb_poll_set *set, int slot));
};

#endif
