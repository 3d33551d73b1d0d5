/*
 * Virtio block device (5.2): one queue, requests run side by side and complete in any order.
 */
#include "virtio.h"

#include <stdlib.h>

#define FEATURE_SEG_MAX      (UINT64_C(1) << 2)
#define FEATURE_RO           (UINT64_C(1) << 5)
#define FEATURE_BLK_SIZE     (UINT64_C(1) << 6)
#define FEATURE_FLUSH        (UINT64_C(1) << 9)
#define FEATURE_DISCARD      (UINT64_C(1) << 13)
#define FEATURE_WRITE_ZEROES (UINT64_C(1) << 14)

enum {
    TYPE_IN = 0,
    TYPE_OUT = 1,
    TYPE_FLUSH = 4,
    TYPE_GET_ID = 8,
    TYPE_DISCARD = 11,
    TYPE_WRITE_ZEROES = 13
};
enum { STATUS_OK = 0, STATUS_IOERR = 1, STATUS_UNSUPP = 2 };

#define SECTOR       512u
#define QUEUE_SIZE   256u
#define SEG_MAX      (QUEUE_SIZE - 2)
#define RANGE_MAX    (1u << 22) /* sectors of one discard or write-zeroes range: 2 GiB */
#define ID_BYTES     20u
#define HEADER_BYTES 16u

typedef struct virtio_blk {
    pb_object *self;
    const pb_link *bus, *drive;
    /* Requests at the drive. Those from before a reset belong to an older epoch and are not returned
     * to the driver, but they use its memory until they are done: `stale` of them. */
    uint32_t in_flight, stale, epoch;
} virtio_blk;

/* One request at the drive; the guest's memory is borrowed until it is done. */
typedef struct blk_request {
    pb_block_request block;
    virtio_blk *blk;
    uint32_t epoch, type;
    uint16_t head;
    uint64_t status_offset; /* in the writable part */
    virtq_chain chain;
    pb_iovec iov[VIRTQ_SEGMENTS];
    uint32_t mapped;
} blk_request;

static virtio_bus *bus_of(const virtio_blk *s)
{
    return virtio_bus_of(s->bus);
}

static void drive_info(const virtio_blk *s, pb_block_info *info)
{
    *info = (pb_block_info){ .size = sizeof(*info) };
    ((const pb_block_iface *)s->drive->iface)->info(s->drive->self, s->drive->index, info);
}

/* ---- memory of a request --------------------------------------------------------------------------------- */

static void unmap(blk_request *r)
{
    pb_dma *dma = bus_of(r->blk)->dma;

    /* What failed may have been written in part. */
    for (uint32_t i = 0; i < r->mapped; i++)
        pb_dma_unmap(dma, r->iov[i].base, r->iov[i].length,
                     r->type == TYPE_IN ? r->iov[i].length : 0);
    r->mapped = 0;
}

/* Borrow `length` bytes of segments from `offset`; false where they are not RAM or there are too many
 * pieces. */
static bool map(blk_request *r, const virtq_segment *segments, uint32_t n, uint64_t offset,
                uint64_t length, bool write)
{
    pb_dma *dma = bus_of(r->blk)->dma;

    for (uint32_t i = 0; i < n && length; i++) {
        uint64_t at = offset, left;

        if (offset >= segments[i].length) {
            offset -= segments[i].length;
            continue;
        }
        offset = 0;
        left = segments[i].length - at;
        left = left < length ? left : length;
        length -= left;
        while (left) {
            uint64_t piece = left;
            void *host = r->mapped < VIRTQ_SEGMENTS
                             ? pb_dma_map(dma, segments[i].gpa + at, &piece, write)
                             : NULL;

            if (!host)
                return false;
            r->iov[r->mapped++] = (pb_iovec){ host, piece };
            at += piece;
            left -= piece;
        }
    }
    return length == 0;
}

/* ---- completion ---------------------------------------------------------------------------------------------- */

static void finish(blk_request *r, uint8_t status, uint32_t written)
{
    virtio_blk *s = r->blk;
    virtio_bus *bus = bus_of(s);

    unmap(r);
    if (r->epoch == s->epoch) {
        virtq_write(bus, &r->chain, r->status_offset, &status, 1);
        virtq_push(bus, 0, r->head, written + 1);
        virtq_notify_driver(bus, 0);
    }
    free(r);
}

static void block_done(pb_block_request *block)
{
    blk_request *r = block->opaque;
    uint32_t written = r->type == TYPE_IN && !block->error ? (uint32_t)block->length : 0;

    r->blk->in_flight--;
    r->blk->stale -= r->epoch != r->blk->epoch;
    finish(r, block->error ? STATUS_IOERR : STATUS_OK, written);
}

static void submit(blk_request *r, uint32_t op, uint64_t offset, uint64_t length)
{
    virtio_blk *s = r->blk;

    r->block = (pb_block_request){ .size = sizeof(r->block),
                                   .op = op,
                                   .offset = offset,
                                   .length = length,
                                   .iov = r->iov,
                                   .iov_count = r->mapped,
                                   .done = block_done,
                                   .opaque = r };
    s->in_flight++;
    ((const pb_block_iface *)s->drive->iface)->submit(s->drive->self, s->drive->index, &r->block);
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

static void read_or_write(blk_request *r, uint64_t sector)
{
    bool in = r->type == TYPE_IN;
    uint64_t length = in ? r->chain.in_bytes - 1 : r->chain.out_bytes - HEADER_BYTES;
    const virtq_segment *segments = in ? r->chain.segments + r->chain.n_out : r->chain.segments;
    uint32_t n = in ? r->chain.n_in : r->chain.n_out;
    pb_block_info info;

    drive_info(r->blk, &info);
    if (length % SECTOR || length / SECTOR > info.bytes / SECTOR ||
        sector > info.bytes / SECTOR - length / SECTOR || (!in && info.read_only) ||
        !map(r, segments, n, in ? 0 : HEADER_BYTES, length, in)) {
        finish(r, STATUS_IOERR, 0);
        return;
    }
    submit(r, in ? PB_BLOCK_READ : PB_BLOCK_WRITE, sector * SECTOR, length);
}

static void get_id(blk_request *r)
{
    char id[ID_BYTES] = { 0 };
    pb_block_info info;
    uint64_t n = r->chain.in_bytes - 1;

    drive_info(r->blk, &info);
    if (info.serial)
        memcpy(id, info.serial, strnlen(info.serial, ID_BYTES));
    n = virtq_write(bus_of(r->blk), &r->chain, 0, id, n < ID_BYTES ? n : ID_BYTES);
    finish(r, STATUS_OK, (uint32_t)n);
}

/* Discard and write zeroes: we take one range a request, as max_*_seg says (5.2.6). */
static void range_request(blk_request *r)
{
    struct {
        uint64_t sector;
        uint32_t sectors, flags;
    } range;
    pb_block_info info;

    drive_info(r->blk, &info);
    if (r->chain.out_bytes != HEADER_BYTES + sizeof(range) ||
        virtq_read(bus_of(r->blk), &r->chain, HEADER_BYTES, &range, sizeof(range)) !=
            sizeof(range) ||
        range.sectors > RANGE_MAX || info.read_only || range.sector > info.bytes / SECTOR ||
        range.sectors > info.bytes / SECTOR - range.sector) {
        finish(r, STATUS_IOERR, 0);
        return;
    }
    if (range.flags & ~(r->type == TYPE_WRITE_ZEROES ? 1u : 0u)) {
        finish(r, STATUS_UNSUPP, 0);
        return;
    }
    submit(r, r->type == TYPE_DISCARD ? PB_BLOCK_DISCARD : PB_BLOCK_WRITE_ZEROES,
           range.sector * SECTOR, (uint64_t)range.sectors * SECTOR);
}

static void start(blk_request *r)
{
    struct {
        uint32_t type, reserved;
        uint64_t sector;
    } header;

    if (virtq_read(bus_of(r->blk), &r->chain, 0, &header, sizeof(header)) != sizeof(header)) {
        finish(r, STATUS_IOERR, 0);
        return;
    }
    r->type = header.type;
    switch (header.type) {
    case TYPE_IN:
    case TYPE_OUT:
        read_or_write(r, header.sector);
        break;
    case TYPE_FLUSH:
        submit(r, PB_BLOCK_FLUSH, 0, 0);
        break;
    case TYPE_GET_ID:
        get_id(r);
        break;
    case TYPE_DISCARD:
    case TYPE_WRITE_ZEROES:
        range_request(r);
        break;
    default:
        finish(r, STATUS_UNSUPP, 0);
    }
}

static void queue_notify(void *self, uint32_t queue)
{
    virtio_blk *s = self;
    virtio_bus *bus = bus_of(s);

    for (;;) {
        blk_request *r = calloc(1, sizeof(*r));

        if (!r || !virtq_pop(bus, queue, &r->chain)) {
            free(r);
            return;
        }
        r->blk = s;
        r->epoch = s->epoch;
        r->head = r->chain.head;
        if (r->chain.in_bytes < 1 || r->chain.out_bytes < HEADER_BYTES) {
            free(r);
            virtq_break(bus, queue, "a request lacks its header or status");
            return;
        }
        r->status_offset = r->chain.in_bytes - 1;
        start(r);
    }
}

/* ---- configuration ------------------------------------------------------------------------------------------------ */

/* 5.2.4, little-endian. */
typedef struct blk_config {
    uint64_t capacity;
    uint32_t size_max, seg_max;
    uint8_t geometry[4];
    uint32_t blk_size;
    uint8_t topology[8];
    uint8_t writeback, unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
    uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused1[3];
} blk_config;

_Static_assert(sizeof(blk_config) == 64, "layout of VIRTIO 1.2, 5.2.4");

static uint64_t features(void *self)
{
    pb_block_info info;

    drive_info(self, &info);
    return FEATURE_SEG_MAX | FEATURE_BLK_SIZE | FEATURE_FLUSH |
           (info.read_only ? FEATURE_RO : FEATURE_DISCARD | FEATURE_WRITE_ZEROES);
}

static void config_read(void *self, uint8_t *config)
{
    pb_block_info info;
    blk_config c = { .seg_max = SEG_MAX,
                     .blk_size = SECTOR,
                     .num_queues = 1,
                     .max_discard_sectors = RANGE_MAX,
                     .max_discard_seg = 1,
                     .discard_sector_alignment = 1,
                     .max_write_zeroes_sectors = RANGE_MAX,
                     .max_write_zeroes_seg = 1 };

    drive_info(self, &info);
    c.capacity = info.bytes / SECTOR;
    memcpy(config, &c, sizeof(c));
}

static void blk_reset(void *self)
{
    virtio_blk *s = self;

    s->epoch++;
    s->stale = s->in_flight;
    /* Linux over MMIO does not wait for status 0, and uses the memory at once. */
    pb_block_drain(s->drive);
}

static bool busy(void *self)
{
    return ((virtio_blk *)self)->stale != 0;
}

static const virtio_device_iface blk_iface = {
    .size = sizeof(virtio_device_iface),
    .id = VIRTIO_ID_BLOCK,
    .class_code = 0x010000,
    .n_queues = 1,
    .queue_size = QUEUE_SIZE,
    .features = features,
    .config_bytes = sizeof(blk_config),
    .config_read = config_read,
    .queue_notify = queue_notify,
    .reset = blk_reset,
    .busy = busy,
};

static const pb_port blk_ports[] = {
    { "bus", VIRTIO_PROTOCOL, PB_REQUIRES, PB_HANDLE(virtio_blk, bus), .iface = &blk_iface,
      .doc = "Transport" },
    { "drive", PB_PROTOCOL_BLOCK, PB_REQUIRES, PB_HANDLE(virtio_blk, drive), .doc = "Disk image" },
    { 0 },
};

static const pb_state blk_state[] = {
    PB_TRANSIENT(virtio_blk, in_flight, "the machine waits for requests before it is saved"),
    PB_TRANSIENT(virtio_blk, stale, "the machine waits for requests before it is saved"),
    PB_TRANSIENT(virtio_blk, epoch, "tells requests under way apart; none are when saving"),
    { 0 },
};

static const pb_gap gaps[] = {
    { "more than one queue", "feature", "VIRTIO_BLK_F_MQ" },
    { "geometry and topology", "feature", "VIRTIO_BLK_F_GEOMETRY, VIRTIO_BLK_F_TOPOLOGY" },
    { "write-back cache that can be turned off", "feature", "VIRTIO_BLK_F_CONFIG_WCE" },
    { "secure erase", "feature", "VIRTIO_BLK_F_SECURE_ERASE" },
    { "life time", "feature", "VIRTIO_BLK_F_LIFETIME" },
    { 0 },
};

const pb_device_type virtio_blk_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "blk",
              .doc = "Virtio block device",
              .instance_size = sizeof(virtio_blk),
              PB_SELF(virtio_blk, self),
              .ports = blk_ports,
              .state = blk_state },
    .manual = "VIRTIO 1.2, 5.2",
    .gaps = gaps,
};
