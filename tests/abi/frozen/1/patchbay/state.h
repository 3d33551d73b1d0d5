/*
 * State: the members of an instance that make up a snapshot, and an account of those that do not.
 *
 * Every member of an instance structure is claimed by exactly one row: a property, a port, a register's
 * storage (device.h), or a row here. `tablecheck` names the member that nobody claims. From these rows
 * the core saves, loads, compares, prints and hashes any machine.
 */
#ifndef PATCHBAY_STATE_H
#define PATCHBAY_STATE_H

#include <patchbay/base.h>

typedef enum pb_state_kind {
    /* plain bytes of the instance: integers, arrays and structures of them */
    PB_STATE_KIND_DATA = 1,
    PB_STATE_KIND_TIMER, /* a `pb_timer *`: made by the host with .expired, its deadline is saved */
    /* a pointer to bytes allocated by init; .length_offset holds their number */
    PB_STATE_KIND_BUFFER,
    PB_STATE_KIND_TRANSIENT, /* not state; .doc says why it can be left out of a snapshot */
} pb_state_kind;

typedef struct pb_state {
    const char *name; /* the member's name: this is what snapshots identify it by */
    uint32_t kind;    /* pb_state_kind */
    uint32_t offset, width;
    uint32_t element;       /* bytes of an array's element (printing); width if it is no array */
    uint32_t length_offset; /* of a buffer: byte offset of a uint32_t or uint64_t with its length */
    uint32_t length_width;
    void (*expired)(void *self); /* of a timer [device] */
    const char *doc;
} pb_state;

#define PB_STATE(type, member_)                                                          \
    {                                                                                    \
        .name = #member_, .kind = PB_STATE_KIND_DATA, .offset = offsetof(type, member_), \
        .width = PB_MEMBER_SIZE(type, member_), .element = PB_MEMBER_SIZE(type, member_) \
    }
#define PB_STATE_ARRAY(type, member_)                                                       \
    {                                                                                       \
        .name = #member_, .kind = PB_STATE_KIND_DATA, .offset = offsetof(type, member_),    \
        .width = PB_MEMBER_SIZE(type, member_), .element = PB_MEMBER_SIZE(type, member_[0]) \
    }
#define PB_STATE_TIMER(type, member_, expired_)                                           \
    {                                                                                     \
        .name = #member_, .kind = PB_STATE_KIND_TIMER, .offset = offsetof(type, member_), \
        .width = PB_MEMBER_SIZE(type, member_), .expired = (expired_)                     \
    }
#define PB_STATE_BUFFER(type, member_, length_)                                            \
    {                                                                                      \
        .name = #member_, .kind = PB_STATE_KIND_BUFFER, .offset = offsetof(type, member_), \
        .width = PB_MEMBER_SIZE(type, member_), .length_offset = offsetof(type, length_),  \
        .length_width = PB_MEMBER_SIZE(type, length_)                                      \
    }
#define PB_TRANSIENT(type, member_, reason)                                                   \
    {                                                                                         \
        .name = #member_, .kind = PB_STATE_KIND_TRANSIENT, .offset = offsetof(type, member_), \
        .width = PB_MEMBER_SIZE(type, member_), .doc = (reason)                               \
    }

#endif
