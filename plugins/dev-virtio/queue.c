/*
 * Split virtqueues (2.7).
 *
 * Rules of memory order: the driver's index is read before the entries it covers (acquire), entries
 * are written before our index (release), and between publishing and looking whether the driver
 * wants to be notified stands a full fence (2.7.10, 2.7.13).
 */
#include "virtio.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1 };

#define DESC_BYTES 16u

typedef struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
} descriptor;

void virtq_break(virtio_bus *bus, uint32_t queue, const char *why)
{
    pb_log_guest(bus->object, "queue %u: %s; the device needs a reset", queue, why);
    bus->s.queues[queue].broken = 1;
    bus->s.status |= VIRTIO_NEEDS_RESET;
    virtio_config_changed(bus);
}

/* Guest memory is little-endian for version 1 devices (2.4), and so are our hosts. */
static bool read16(virtio_bus *bus, uint64_t gpa, uint16_t *value)
{
    return pb_dma_read(bus->dma, gpa, value, sizeof(*value)) == PB_BUS_OK;
}

static bool write16(virtio_bus *bus, uint64_t gpa, uint16_t value)
{
    return pb_dma_write(bus->dma, gpa, &value, sizeof(value)) == PB_BUS_OK;
}

static bool usable(const virtio_bus *bus, uint32_t queue)
{
    const virtq *q = &bus->s.queues[queue];

    return virtio_running(bus) && q->ready && !q->broken;
}

/* Entries between ours and the driver's index; 0 too if the queue just broke. */
static uint16_t available(virtio_bus *bus, uint32_t queue)
{
    virtq *q = &bus->s.queues[queue];
    uint16_t index, n;

    if (!read16(bus, q->driver + 2, &index)) {
        virtq_break(bus, queue, "the driver area is not memory");
        return 0;
    }
    n = (uint16_t)(index - q->last_avail);
    if (n > q->size) {
        virtq_break(bus, queue, "the driver's index ran away");
        return 0;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return n;
}

/* Tell the driver from which entry on we want notifications (avail_event, 2.7.7). */
static void want_notification(virtio_bus *bus, uint32_t queue)
{
    virtq *q = &bus->s.queues[queue];

    if (virtio_has(bus, VIRTIO_F_EVENT_IDX)) {
        write16(bus, q->device + 4 + 8 * (uint64_t)q->size, q->last_avail);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

static bool read_descriptor(virtio_bus *bus, uint64_t table, uint32_t i, descriptor *d)
{
    uint8_t raw[DESC_BYTES];

    if (pb_dma_read(bus->dma, table + (uint64_t)i * DESC_BYTES, raw, sizeof(raw)) != PB_BUS_OK)
        return false;
    memcpy(d, raw, sizeof(raw));
    return true;
}

/* Add a descriptor's memory to the chain; null, or what is wrong. */
static const char *add_segment(virtq_chain *c, const descriptor *d)
{
    uint32_t n = c->n_out + c->n_in;

    if (n == VIRTQ_SEGMENTS)
        return "a chain is too long";
    c->segments[n] = (virtq_segment){ d->address, d->length };
    if (d->flags & DESC_WRITE) {
        c->n_in++;
        c->in_bytes += d->length;
    } else if (c->n_in) {
        return "a readable buffer follows a writable one";
    } else {
        c->n_out++;
        c->out_bytes += d->length;
    }
    return NULL;
}

/* Follow a chain through a table of n descriptors. Each is visited at most once, so that a loop ends. */
static const char *follow(virtio_bus *bus, virtq_chain *c, uint64_t table, uint32_t n, uint32_t i,
                          bool indirect)
{
    for (uint32_t seen = 0;; seen++) {
        const char *wrong;
        descriptor d;

        if (i >= n)
            return "a descriptor index is out of range";
        if (seen == n)
            return "a chain loops";
        if (!read_descriptor(bus, table, i, &d))
            return "a descriptor is not in memory";
        if (d.flags & DESC_INDIRECT) {
            if (indirect || (d.flags & DESC_NEXT) || !virtio_has(bus, VIRTIO_F_INDIRECT_DESC))
                return "an indirect descriptor is not allowed here";
            if (d.length == 0 || d.length % DESC_BYTES)
                return "an indirect table has a wrong size";
            return follow(bus, c, d.address, d.length / DESC_BYTES, 0, true);
        }
        wrong = add_segment(c, &d);
        if (wrong)
            return wrong;
        if (!(d.flags & DESC_NEXT))
            return NULL;
        i = d.next;
    }
}

/* Whether a request waits. Where none does, the driver is told that we want to hear of the next one, which may come
 * meanwhile. */
static bool request_waits(virtio_bus *bus, uint32_t queue)
{
    if (!usable(bus, queue))
        return false;
    if (available(bus, queue))
        return true;
    if (!usable(bus, queue))
        return false;
    want_notification(bus, queue);
    return available(bus, queue) != 0;
}

/* Whether it is still our turn; if not, the queue is served again soon. */
static bool take_turn(virtio_bus *bus, uint32_t queue)
{
    if (bus->turn == VIRTIO_NO_LIMIT)
        return true;
    if (bus->turn == 0) {
        bus->s.postponed |= UINT64_C(1) << queue;
        pb_timer_set(bus->next_turn, pb_clock_now_ns(bus->next_turn->clock));
        return false;
    }
    bus->turn--;
    return true;
}

bool virtq_pop(virtio_bus *bus, uint32_t queue, virtq_chain *chain)
{
    virtq *q = &bus->s.queues[queue];
    const char *wrong;
    uint16_t slot;

    if (!request_waits(bus, queue) || !take_turn(bus, queue))
        return false;
    slot = q->last_avail & (q->size - 1);
    if (!read16(bus, q->driver + 4 + 2 * (uint64_t)slot, &chain->head)) {
        virtq_break(bus, queue, "the driver area is not memory");
        return false;
    }
    chain->n_out = chain->n_in = 0;
    chain->out_bytes = chain->in_bytes = 0;
    wrong = follow(bus, chain, q->desc, q->size, chain->head, false);
    if (wrong) {
        virtq_break(bus, queue, wrong);
        return false;
    }
    q->last_avail++;
    return true;
}

void virtq_unpop(virtio_bus *bus, uint32_t queue)
{
    bus->s.queues[queue].last_avail--;
    if (bus->turn != VIRTIO_NO_LIMIT)
        bus->turn++;
}

uint64_t virtq_room(virtio_bus *bus, uint32_t queue, virtq_chain *scratch)
{
    if (!virtq_pop(bus, queue, scratch))
        return 0;
    virtq_unpop(bus, queue);
    if (scratch->in_bytes == 0)
        virtq_break(bus, queue, "a buffer to receive into is not writable");
    return scratch->in_bytes;
}

void virtq_fill(virtio_bus *bus, uint32_t queue, uint16_t head, uint32_t written, uint32_t ahead)
{
    virtq *q = &bus->s.queues[queue];
    uint32_t element[2] = { head, written };
    uint64_t slot = (uint16_t)(q->used + ahead) & (q->size - 1);

    if (usable(bus, queue) &&
        pb_dma_write(bus->dma, q->device + 4 + 8 * slot, element, sizeof(element)) != PB_BUS_OK)
        virtq_break(bus, queue, "the device area is not memory");
}

void virtq_publish(virtio_bus *bus, uint32_t queue, uint32_t count)
{
    virtq *q = &bus->s.queues[queue];

    if (!usable(bus, queue))
        return;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    q->used = (uint16_t)(q->used + count);
    if ((uint16_t)(q->used - q->signalled) < count)
        q->signalled_valid = 0; /* went around: any distance may be meant */
    if (!write16(bus, q->device + 2, q->used))
        virtq_break(bus, queue, "the device area is not memory");
}

void virtq_push(virtio_bus *bus, uint32_t queue, uint16_t head, uint32_t written)
{
    virtq_fill(bus, queue, head, written, 0);
    virtq_publish(bus, queue, 1);
}

/* Whether the driver wants to hear of what was published since the last notification (2.7.7.2, 2.7.8). */
static bool wants_interrupt(virtio_bus *bus, virtq *q)
{
    uint16_t old = q->signalled, event, flags;
    bool valid = q->signalled_valid;

    if (virtio_has(bus, VIRTIO_F_EVENT_IDX)) {
        if (!read16(bus, q->driver + 4 + 2 * (uint64_t)q->size, &event))
            return false;
        q->signalled = q->used;
        q->signalled_valid = 1;
        return !valid || (uint16_t)(q->used - event - 1) < (uint16_t)(q->used - old);
    }
    return read16(bus, q->driver, &flags) && !(flags & AVAIL_NO_INTERRUPT);
}

void virtq_notify_driver(virtio_bus *bus, uint32_t queue)
{
    if (!usable(bus, queue))
        return;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (wants_interrupt(bus, &bus->s.queues[queue])) {
        bus->s.interrupt |= VIRTIO_INTERRUPT_QUEUE;
        bus->update_interrupt(bus->transport);
    }
}

/* ---- contents ---------------------------------------------------------------------------------------------- */

static uint64_t copy(virtio_bus *bus, const virtq_segment *segments, uint32_t n, uint64_t offset,
                     uint8_t *host, uint64_t length, bool to_guest)
{
    uint64_t done = 0;

    for (uint32_t i = 0; i < n && done < length; i++) {
        uint64_t piece;
        pb_bus_result result;

        if (offset >= segments[i].length) {
            offset -= segments[i].length;
            continue;
        }
        piece = segments[i].length - offset;
        piece = piece < length - done ? piece : length - done;
        result = to_guest ? pb_dma_write(bus->dma, segments[i].gpa + offset, host + done, piece)
                          : pb_dma_read(bus->dma, segments[i].gpa + offset, host + done, piece);
        if (result != PB_BUS_OK)
            break;
        done += piece;
        offset = 0;
    }
    return done;
}

uint64_t virtq_read(virtio_bus *bus, const virtq_chain *chain, uint64_t offset, void *to,
                    uint64_t length)
{
    return copy(bus, chain->segments, chain->n_out, offset, to, length, false);
}

uint64_t virtq_write(virtio_bus *bus, const virtq_chain *chain, uint64_t offset, const void *from,
                     uint64_t length)
{
    return copy(bus, chain->segments + chain->n_out, chain->n_in, offset, (uint8_t *)from, length,
                true);
}
