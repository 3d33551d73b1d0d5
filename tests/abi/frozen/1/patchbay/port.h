/*
 * Ports: how parts of a machine reach each other, without knowing each other.
 *
 * A port has a protocol. One side provides it, the other requires it; the machine file connects
 * them. Both sides may have a table of functions of the protocol (`iface`): the requiring side calls
 * the provider through the link that the host put into its instance; the provider calls back
 * through the link it was handed by `connected`. Protocol tables of general use are in this header;
 * a protocol between a few plugins has its own header (pci.h) or is named in reversed-domain form.
 *
 * Everything that crosses a port is called with the device lock held, except where a comment says
 * otherwise; the main loop takes it before it calls a backend or a timer. So ordinary devices
 * contain no locks.
 */
#ifndef PATCHBAY_PORT_H
#define PATCHBAY_PORT_H

#include <patchbay/base.h>

/* One end of a connection, as seen from the other end. Made by the host; lives as long as the
 * machine. `iface` is the other side's table for the protocol; it may be null for protocols that
 * have no calls in that direction. */
typedef struct pb_link {
    const void *iface;
    void *self;
    uint32_t index; /* of the port at the other side */
    uint32_t reserved;
} pb_link;

typedef enum pb_port_role {
    PB_PROVIDES = 1, /* an irq input, a bus with slots, a backend */
    PB_REQUIRES,     /* an irq output, a function in a slot, a UART's character port */
} pb_port_role;

typedef struct pb_port {
    const char *name;
    const char *protocol; /* PB_PROTOCOL_* or another name; both ends must agree */
    uint32_t role;        /* pb_port_role */
    uint32_t count;       /* 0 means 1; more make `name[0]`, `name[1]` ... in machine files */
    /* If not 0: byte offset + 1 of a uint32_t property member that holds the count. */
    uint32_t count_offset;
    /* Required ports: byte offset + 1 of the member that takes the handle: `pb_line *` for irq and
     * gpio, `pb_clock *` for clock, `pb_dma *` for dma, `const pb_link *` for all others. With a count, an array
     * of them in place; with count_offset, a pointer to an array that the host allocates. Not
     * connected: null. */
    uint32_t handle_offset;
    bool optional;     /* required ports only: leaving it open is not an error */
    const void *iface; /* this side's table */
    /* Provided ports: a peer was connected at our port `index`. The link lives as long as the machine.
     * May be null. Called before init of either side: only store the link. [setup] */
    void (*connected)(void *self, uint32_t index, const pb_link *peer);
    const char *doc;
} pb_port;

/* The member that takes a required port's handle. */
#define PB_HANDLE(type, member) .handle_offset = offsetof(type, member) + 1
#define PB_COUNT(type, member)  .count_offset = offsetof(type, member) + 1

/* ---- irq, gpio: a level ----------------------------------------------------------------------- */

#define PB_PROTOCOL_IRQ  "irq"
#define PB_PROTOCOL_GPIO "gpio"

/* Provided by the side that reads the level. */
typedef struct pb_line_iface {
    uint32_t size;
    /* The level changed. Takes effect before the next guest instruction of any vCPU that observes
     * it. Never calls back into the caller's device. [device] */
    void (*set)(void *self, uint32_t index, bool level);
} pb_line_iface;

/* The driving end of one wire. Made by the host, which splits, names and traces wires; the level is
 * saved with the machine. */
typedef struct pb_line {
    const pb_line_iface *iface;
    void *self;
    uint32_t index;
    bool level;
} pb_line;

/* Drive a line; null (not connected) is fine; the same level again does nothing. [device] [hot] */
static inline void pb_line_set(pb_line *line, bool level)
{
    if (line && line->level != level) {
        line->level = level;
        line->iface->set(line->self, line->index, level);
    }
}

static inline void pb_line_pulse(pb_line *line)
{
    pb_line_set(line, true);
    pb_line_set(line, false);
}

/* ---- clock: time, the only source of it ------------------------------------------------------- */

#define PB_PROTOCOL_CLOCK "clock"

typedef struct pb_clock pb_clock;
typedef struct pb_timer pb_timer;

typedef struct pb_clock_iface {
    uint32_t size;
    /* Nanoseconds of machine time since power-on; never goes back. [any] */
    uint64_t (*now_ns)(pb_clock *clock);
    /* Seconds since 1970 of the machine's calendar: its base plus machine time; in deterministic mode it
     * depends on the machine's parameters only. [any] */
    int64_t (*wall_s)(pb_clock *clock);
    /* Run the timer's expired function when machine time reaches deadline_ns (at once, from the
     * main loop, if that is past). Replaces an earlier deadline. [any] */
    void (*timer_set)(pb_timer *timer, uint64_t deadline_ns);
    void (*timer_cancel)(pb_timer *timer); /* [any] */
} pb_clock_iface;

struct pb_clock {
    const pb_clock_iface *iface;
};

/* One timer; made by the host from a PB_STATE_TIMER row or by pb_vcpu_timer_new (vcpu.h). */
struct pb_timer {
    pb_clock *clock;
    uint64_t deadline_ns; /* UINT64_MAX: not set. Read it only on the thread that sets it. */
};

#define PB_TIMER_OFF UINT64_MAX

static inline uint64_t pb_clock_now_ns(pb_clock *clock)
{
    return clock->iface->now_ns(clock);
}
static inline int64_t pb_clock_wall_s(pb_clock *clock)
{
    return clock->iface->wall_s(clock);
}
static inline void pb_timer_set(pb_timer *t, uint64_t deadline_ns)
{
    t->clock->iface->timer_set(t, deadline_ns);
}
static inline void pb_timer_cancel(pb_timer *t)
{
    t->clock->iface->timer_cancel(t);
}
static inline bool pb_timer_is_set(const pb_timer *t)
{
    return t->deadline_ns != PB_TIMER_OFF;
}

/* ---- dma: the memory as a bus master sees it ---------------------------------------------------- */

#define PB_PROTOCOL_DMA "dma"

typedef struct pb_dma pb_dma;

typedef struct pb_dma_iface {
    uint32_t size;
    /* Copy between host memory and the address space. Stops at the first byte that nobody answers.
     * RAM, ROM (reads) and MMIO are reached. [device] */
    pb_bus_result (*read)(pb_dma *dma, uint64_t gpa, void *to, uint64_t length);
    pb_bus_result (*write)(pb_dma *dma, uint64_t gpa, const void *from, uint64_t length);
    /* Borrow guest RAM directly: the host address of gpa and in *length the number of contiguous bytes
     * from there, at most what was asked; null where it is not RAM. The memory stays mapped until
     * unmap, also when the memory map changes. Guests change it at any time: copy before you
     * check. unmap tells how much was written (dirty tracking, code). [device] */
    void *(*map)(pb_dma *dma, uint64_t gpa, uint64_t *length, bool write);
    void (*unmap)(pb_dma *dma, void *host, uint64_t length, uint64_t written);
} pb_dma_iface;

struct pb_dma {
    const pb_dma_iface *iface;
};

static inline pb_bus_result pb_dma_read(pb_dma *dma, uint64_t gpa, void *to, uint64_t length)
{
    return dma->iface->read(dma, gpa, to, length);
}
static inline pb_bus_result pb_dma_write(pb_dma *dma, uint64_t gpa, const void *from,
                                         uint64_t length)
{
    return dma->iface->write(dma, gpa, from, length);
}
static inline void *pb_dma_map(pb_dma *dma, uint64_t gpa, uint64_t *length, bool write)
{
    return dma->iface->map(dma, gpa, length, write);
}
static inline void pb_dma_unmap(pb_dma *dma, void *host, uint64_t length, uint64_t written)
{
    dma->iface->unmap(dma, host, length, written);
}

/* ---- char: a byte stream ------------------------------------------------------------------------ */

#define PB_PROTOCOL_CHAR "char"

/* The provider: a terminal, file, socket. */
typedef struct pb_stream_iface {
    uint32_t size;
    /* Send bytes; takes all of them (buffers what the host does not take at once). [device] */
    void (*write)(void *self, uint32_t index, const uint8_t *bytes, uint32_t length);
    /* The client can take input again after can_receive() was 0. [device] */
    void (*resume)(void *self, uint32_t index);
    /* Output backs up, because who reads it is slow: a client that can wait sends no more until its
     * `ready` is called. One that writes all the same makes everybody wait for a moment, and then
     * bytes are dropped. Never so in a deterministic machine. May be null. [device] */
    bool (*busy)(void *self, uint32_t index);
} pb_stream_iface;

typedef enum pb_stream_event {
    PB_STREAM_OPENED = 1, /* a peer is there */
    PB_STREAM_CLOSED,     /* it sends no more; what it sent before may still be to be received */
    PB_STREAM_BREAK,      /* a break, behind what was received before */
} pb_stream_event;

/* The client: a UART, a console device. The host never hands over more than can_receive() said. */
typedef struct pb_stream_client_iface {
    uint32_t size;
    uint32_t (*can_receive)(void *self, uint32_t index); /* [device] */
    /* [device] */
    void (*receive)(void *self, uint32_t index, const uint8_t *bytes, uint32_t length);
    void (*event)(void *self, uint32_t index, uint32_t event); /* pb_stream_event; may be null */
    /* busy() was true and is no longer; may be null. [device] */
    void (*ready)(void *self, uint32_t index);
} pb_stream_client_iface;

static inline void pb_stream_write(const pb_link *link, const uint8_t *bytes, uint32_t length)
{
    if (link)
        ((const pb_stream_iface *)link->iface)->write(link->self, link->index, bytes, length);
}
static inline void pb_stream_put(const pb_link *link, uint8_t byte)
{
    pb_stream_write(link, &byte, 1);
}
static inline void pb_stream_resume(const pb_link *link)
{
    if (link)
        ((const pb_stream_iface *)link->iface)->resume(link->self, link->index);
}
static inline bool pb_stream_busy(const pb_link *link)
{
    const pb_stream_iface *iface = link ? (const pb_stream_iface *)link->iface : NULL;

    return iface && PB_HAS(iface, busy) && iface->busy && iface->busy(link->self, link->index);
}

/* ---- block: a disk image ------------------------------------------------------------------------ */

#define PB_PROTOCOL_BLOCK "block"

typedef enum pb_block_op {
    PB_BLOCK_READ = 1,
    PB_BLOCK_WRITE,
    PB_BLOCK_FLUSH,
    PB_BLOCK_DISCARD,
    PB_BLOCK_WRITE_ZEROES,
} pb_block_op;

typedef struct pb_iovec {
    void *base;
    uint64_t length;
} pb_iovec;

/* One request. The client owns it and the memory behind it until done is called. */
typedef struct pb_block_request {
    uint32_t size;
    uint32_t op;     /* pb_block_op */
    uint64_t offset; /* bytes, a multiple of 512 */
    uint64_t length; /* bytes, a multiple of 512; the sum of iov for reads and writes */
    const pb_iovec *iov;
    uint32_t iov_count;
    int32_t error; /* result: 0 or a positive errno value */
    /* Called once, possibly before submit returns. [device] */
    void (*done)(struct pb_block_request *request);
    void *opaque; /* the client's */
} pb_block_request;

typedef struct pb_block_info {
    uint32_t size;
    bool read_only;
    uint64_t bytes;     /* a multiple of 512 */
    const char *serial; /* may be null */
} pb_block_info;

typedef struct pb_block_iface {
    uint32_t size;
    void (*info)(void *self, uint32_t index, pb_block_info *info);         /* any time after init */
    void (*submit)(void *self, uint32_t index, pb_block_request *request); /* [device] */
    /* End all requests: on return `done` was called for each, and none uses the client's memory any more.
     * What had not begun ends with ECANCELED. Blocks as long as the host's disk does, so it is for resets.
     * False: this provider cannot, and they end when they end. May be null. [device] */
    bool (*drain)(void *self, uint32_t index);
} pb_block_iface;

static inline bool pb_block_drain(const pb_link *link)
{
    const pb_block_iface *iface = link ? (const pb_block_iface *)link->iface : NULL;

    return iface && PB_HAS(iface, drain) && iface->drain && iface->drain(link->self, link->index);
}

/* ---- net: Ethernet frames ------------------------------------------------------------------------ */

#define PB_PROTOCOL_NET "net"

#define PB_NET_FRAME_MAX 65550 /* bytes, without FCS */

/* Both sides: the backend's `send` takes frames from the guest, the client's takes frames for it. */
typedef struct pb_net_iface {
    uint32_t size;
    /* Take one frame (no FCS). False: not now; the receiver calls `ready` of the other side when it can
     * take frames again. [device] */
    bool (*send)(void *self, uint32_t index, const uint8_t *frame, uint32_t length);
    /* The other side can take frames again; may be null. [device] */
    void (*ready)(void *self, uint32_t index);
} pb_net_iface;

#endif
