/*
 * Basics of the plugin ABI: version, errors, results, access attributes, thread words.
 *
 * Everything under patchbay/ is plain C11 with fixed-width integers. A plugin includes these headers
 * and nothing else of the project, and resolves no symbol of the host: it reaches the host through
 * tables of functions that the host hands over. Structures that cross the boundary begin with their
 * size, members are only ever added at the end, and readers ask PB_HAS().
 *
 * Thread words, at the end of a function's comment:
 *   [any]     from any thread.
 *   [device]  with the machine's device lock held: MMIO handlers, timers, ports, main-loop callbacks.
 *   [vcpu]    on the thread that runs the vCPU in question, device lock not held.
 *   [setup]   while the machine is being built or torn down; one thread, nothing runs.
 *   [hot]     takes no lock, allocates nothing, logs nothing.
 */
#ifndef PATCHBAY_BASE_H
#define PATCHBAY_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A plugin built for another major version is refused. Minor versions only add. */
#define PB_ABI_MAJOR 1
#define PB_ABI_MINOR 0

#define PB_EXPORT __attribute__((visibility("default")))

/* Whether the structure *s, made by a possibly older peer, has the member. */
#define PB_HAS(s, member) ((s)->size >= offsetof(__typeof__(*(s)), member) + sizeof((s)->member))

#define PB_ARRAY_SIZE(a)             (sizeof(a) / sizeof((a)[0]))
#define PB_MEMBER_SIZE(type, member) sizeof(((type *)0)->member)

/* A user-facing error: the caller owns the structure, the callee fills the text. One line, no full
 * stop, says what is wrong, with which value, and what would be valid. */
typedef struct pb_error {
    uint32_t size;
    char text[1020];
} pb_error;

#define PB_ERROR_INIT            \
    {                            \
        .size = sizeof(pb_error) \
    }

/* Set the text of an error and return false, so that a failing function ends in
 * `return pb_fail(error, ...)`. A null error is allowed. [any] */
static inline __attribute__((format(printf, 2, 3))) bool pb_fail(pb_error *error,
                                                                 const char *format, ...)
{
    if (error) {
        va_list args;

        va_start(args, format);
        vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
    }
    return false;
}

/* A 128-bit value: vector registers, pairs, wide integers. lo holds bits 63:0. */
typedef struct pb_u128 {
    uint64_t lo, hi;
} pb_u128;

/* What the bus answered. */
typedef enum pb_bus_result {
    PB_BUS_OK,
    PB_BUS_DECODE, /* nobody answers at this address */
    PB_BUS_ERROR,  /* somebody answers, with an error */
} pb_bus_result;

/* Requesters of bus accesses. vCPUs have their index; a device gets a number from the core. */
#define PB_REQUESTER_NONE  0xffffffffu
#define PB_REQUESTER_DEBUG 0xfffffffeu /* monitor, debugger, test script: no side effects wanted */

/* Attributes of one bus access. */
typedef struct pb_attrs {
    uint32_t requester; /* vCPU index, device requester id, or PB_REQUESTER_* */
    uint8_t secure;     /* Arm: secure physical address space */
    uint8_t privileged;
    uint8_t instruction; /* instruction fetch */
    uint8_t reserved;
} pb_attrs;

/* One access as a device sees it. */
typedef struct pb_access {
    uint64_t offset; /* in the region (or its frame), bytes */
    uint32_t index;  /* element of an array register (row.count), otherwise 0 */
    uint32_t size;   /* bytes: 1, 2, 4 or 8 */
    pb_attrs attrs;
    /* of a region made of frames (region.frame_bytes), otherwise 0; offset is in the frame */
    uint32_t frame;
} pb_access;

#endif
