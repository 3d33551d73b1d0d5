/*
 * The virtio block device (plugins/dev-virtio/blk.c) over a disk that answers when the test says so.
 */
#include "driver.h"

#include <errno.h>

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { STATUS_OK = 0, STATUS_IOERR = 1, STATUS_UNSUPP = 2 };

#define SECTORS   64u
#define HEADER_AT 0x40000u
#define STATUS_AT 0x50000u
#define DATA_AT   0x60000u

typedef struct disk {
    uint8_t bytes[SECTORS * 512];
    bool wait, read_only;
    int32_t fail;
    GPtrArray *waiting;
    uint32_t submitted, last_op;
    uint64_t last_offset, last_length;
} disk;

static void info(void *self, uint32_t index, pb_block_info *i)
{
    i->bytes = sizeof(((disk *)self)->bytes);
    i->read_only = ((disk *)self)->read_only;
    i->serial = "a serial number of more than twenty bytes";
}

static void complete(disk *d, pb_block_request *r)
{
    uint64_t at = r->offset;

    for (uint32_t i = 0; i < r->iov_count && !d->fail; i++) {
        CU_ASSERT_FATAL(at + r->iov[i].length <= sizeof(d->bytes));
        if (r->op == PB_BLOCK_READ)
            memcpy(r->iov[i].base, d->bytes + at, r->iov[i].length);
        else
            memcpy(d->bytes + at, r->iov[i].base, r->iov[i].length);
        at += r->iov[i].length;
    }
    r->error = d->fail;
    r->done(r);
}

static void submit(void *self, uint32_t index, pb_block_request *r)
{
    disk *d = self;

    d->submitted++;
    d->last_op = r->op;
    d->last_offset = r->offset;
    d->last_length = r->length;
    if (d->wait)
        g_ptr_array_add(d->waiting, r);
    else
        complete(d, r);
}

static const pb_block_iface disk_iface = { sizeof(disk_iface), info, submit };

typedef struct fixture {
    board b;
    driver d;
    disk disk;
} fixture;

static fixture x;

static void setup(void)
{
    memset(&x, 0, sizeof(x));
    x.disk.waiting = g_ptr_array_new();
    for (size_t i = 0; i < sizeof(x.disk.bytes); i++)
        x.disk.bytes[i] = (uint8_t)(i / 512);
    x.b = board_new("virtio/mmio", NULL);
    driver_stand_behind(driver_plug(&x.b, "virtio/blk", "blk"), "drive", &disk_iface, &x.disk);
    board_start(&x.b);
    driver_start(&x.d, &x.b, 0, 1);
}

static void teardown(void)
{
    board_free(&x.b);
    g_ptr_array_unref(x.disk.waiting);
}

static void put_header(uint64_t at, uint32_t type, uint64_t sector)
{
    memset(memory_at(&x.d, at), 0, 16);
    memcpy(memory_at(&x.d, at), &type, 4);
    memcpy(memory_at(&x.d, at + 8), &sector, 8);
}

/* Header n, data pieces, status n; the head. */
static uint16_t request(uint32_t n, uint32_t type, uint64_t sector, const piece *data,
                        uint32_t count)
{
    piece pieces[16] = { { HEADER_AT + 16 * n, 16, 0 } };

    put_header(HEADER_AT + 16 * n, type, sector);
    if (count)
        memcpy(pieces + 1, data, count * sizeof(*data));
    pieces[count + 1] = (piece){ STATUS_AT + n, 1, WRITE };
    *memory_at(&x.d, STATUS_AT + n) = 0xee;
    return driver_add(&x.d, 0, pieces, count + 2);
}

static uint8_t status_of(uint32_t n)
{
    return *memory_at(&x.d, STATUS_AT + n);
}

/* One request from start to end; the number of bytes the device says it wrote is in *written. */
static uint8_t run(uint32_t type, uint64_t sector, const piece *data, uint32_t count,
                   uint32_t *written)
{
    uint16_t head = request(0, type, sector, data, count);

    driver_notify(&x.d, 0);
    CU_ASSERT_EQUAL_FATAL(driver_returned(&x.d, 0), 1);
    CU_ASSERT_EQUAL(driver_take(&x.d, 0, written), head);
    return status_of(0);
}

static void read_scattered(void)
{
    const piece data[] = { { DATA_AT, 100, WRITE },
                           { DATA_AT + 0x1000, 0, WRITE },
                           { DATA_AT + 0x2000, 1000, WRITE },
                           { DATA_AT + 0x3000, 436, WRITE } };
    uint32_t written;

    setup();
    CU_ASSERT_EQUAL(run(IN, 10, data, 4, &written), STATUS_OK);
    CU_ASSERT_EQUAL(written, 1536 + 1);
    CU_ASSERT_EQUAL(*memory_at(&x.d, DATA_AT + 99), 10);
    CU_ASSERT_EQUAL(*memory_at(&x.d, DATA_AT + 100), 0);
    CU_ASSERT_EQUAL(*memory_at(&x.d, DATA_AT + 0x2000 + 411), 10);
    CU_ASSERT_EQUAL(*memory_at(&x.d, DATA_AT + 0x2000 + 412), 11);
    CU_ASSERT_EQUAL(*memory_at(&x.d, DATA_AT + 0x3000 + 435), 12);
    teardown();
}

/* Header and data in one buffer, data and status in one: the layout is the driver's choice (2.7.4). */
static void any_layout(void)
{
    const piece out[] = { { DATA_AT, 7, 0 }, { DATA_AT + 7, 9 + 512, 0 }, { STATUS_AT, 1, WRITE } };
    const piece in[] = { { HEADER_AT, 16, 0 }, { DATA_AT, 513, WRITE } };
    uint32_t written;

    setup();
    put_header(DATA_AT, OUT, 1);
    memset(memory_at(&x.d, DATA_AT + 16), 'w', 512);
    driver_add(&x.d, 0, out, 3);
    put_header(HEADER_AT, IN, 1);
    driver_add(&x.d, 0, in, 2);
    driver_notify(&x.d, 0);
    CU_ASSERT_EQUAL(driver_returned(&x.d, 0), 2);
    driver_take(&x.d, 0, &written);
    CU_ASSERT_EQUAL(written, 1);
    CU_ASSERT_EQUAL(status_of(0), STATUS_OK);
    driver_take(&x.d, 0, &written);
    CU_ASSERT_EQUAL(written, 513);
    CU_ASSERT_EQUAL(*memory_at(&x.d, DATA_AT + 511), 'w');
    CU_ASSERT_EQUAL(*memory_at(&x.d, DATA_AT + 512), STATUS_OK);
    teardown();
}

static void the_end_of_the_disk(void)
{
    const piece one[] = { { DATA_AT, 512, WRITE } }, two[] = { { DATA_AT, 1024, WRITE } };
    const piece odd[] = { { DATA_AT, 511, WRITE } };
    static const uint64_t wrong[] = { SECTORS,          SECTORS + 1,       UINT64_MAX,
                                      UINT64_MAX / 512, UINT64_C(1) << 55, UINT64_C(1) << 63 };
    uint32_t written;

    setup();
    CU_ASSERT_EQUAL(run(IN, SECTORS - 1, one, 1, &written), STATUS_OK);
    CU_ASSERT_EQUAL(run(IN, SECTORS - 1, two, 1, &written), STATUS_IOERR);
    CU_ASSERT_EQUAL(written, 1);
    CU_ASSERT_EQUAL(run(IN, 0, odd, 1, &written), STATUS_IOERR);
    CU_ASSERT_EQUAL(run(IN, SECTORS, NULL, 0, &written), STATUS_OK); /* nothing, at the end */
    x.disk.submitted = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        CU_ASSERT_EQUAL(run(IN, wrong[i], one, 1, &written), STATUS_IOERR);
    CU_ASSERT_EQUAL(x.disk.submitted, 0);
    teardown();
}

static void data_that_is_not_memory(void)
{
    static const piece bad[] = { { UINT64_C(1) << 40, 512, WRITE },
                                 { UINT64_MAX - 255, 512, WRITE },
                                 { FAKE_MEMORY_BYTES - 256, 512, WRITE },
                                 { 0, 0xfffffe00, WRITE } };
    uint32_t written;

    setup();
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        CU_ASSERT_EQUAL(run(IN, 0, &bad[i], 1, &written), STATUS_IOERR);
    CU_ASSERT_EQUAL(x.disk.submitted, 0);
    teardown();
}

static void a_status_that_is_not_memory(void)
{
    const piece pieces[] = { { HEADER_AT, 16, 0 }, { UINT64_C(1) << 40, 1, WRITE } };
    uint32_t written;

    setup();
    put_header(HEADER_AT, FLUSH, 0);
    driver_add(&x.d, 0, pieces, 2);
    driver_notify(&x.d, 0);
    driver_take(&x.d, 0, &written);
    CU_ASSERT_EQUAL(reg_read(&x.d, STATUS), 15);
    teardown();
}

static void requests_without_header_or_status(void)
{
    const piece no_status[] = { { HEADER_AT, 16, 0 } };
    const piece short_header[] = { { HEADER_AT, 15, 0 }, { STATUS_AT, 1, WRITE } };
    const piece *all[] = { no_status, short_header };

    for (size_t i = 0; i < 2; i++) {
        setup();
        put_header(HEADER_AT, FLUSH, 0);
        driver_add(&x.d, 0, all[i], 1 + (uint32_t)i);
        driver_notify(&x.d, 0);
        CU_ASSERT_EQUAL(reg_read(&x.d, STATUS), 0x4f);
        CU_ASSERT_PTR_NOT_NULL(
            strstr(x.b.machine->log->str, "a request lacks its header or status"));
        teardown();
    }
}

static void errors_of_the_disk(void)
{
    const piece data[] = { { DATA_AT, 512, WRITE } };
    uint32_t written;

    setup();
    x.disk.fail = EIO;
    CU_ASSERT_EQUAL(run(IN, 0, data, 1, &written), STATUS_IOERR);
    CU_ASSERT_EQUAL(written, 1);
    CU_ASSERT_EQUAL(run(FLUSH, 0, NULL, 0, &written), STATUS_IOERR);
    x.disk.fail = 0;
    CU_ASSERT_EQUAL(run(FLUSH, 0, NULL, 0, &written), STATUS_OK);
    CU_ASSERT_EQUAL(x.disk.last_op, PB_BLOCK_FLUSH);
    teardown();
}

static void a_read_only_disk(void)
{
    const piece data[] = { { DATA_AT, 512, 0 } };
    uint32_t written;

    setup();
    x.disk.read_only = true;
    board_write(&x.b, 0, 0x14, 4, 0);
    CU_ASSERT_EQUAL(reg_read(&x.d, 0x10) & 0x6020, 0x20); /* RO, and neither discard nor zeroes */
    CU_ASSERT_EQUAL(run(OUT, 0, data, 1, &written), STATUS_IOERR);
    CU_ASSERT_EQUAL(x.disk.submitted, 0);
    teardown();
}

static void serial_number(void)
{
    const piece data[] = { { DATA_AT, 20, WRITE } }, less[] = { { DATA_AT, 5, WRITE } };
    uint32_t written;

    setup();
    memset(memory_at(&x.d, DATA_AT), '#', 32);
    CU_ASSERT_EQUAL(run(GET_ID, 0, less, 1, &written), STATUS_OK);
    CU_ASSERT_NSTRING_EQUAL(memory_at(&x.d, DATA_AT), "a ser#", 6);
    CU_ASSERT_EQUAL(run(GET_ID, 0, data, 1, &written), STATUS_OK);
    CU_ASSERT_NSTRING_EQUAL(memory_at(&x.d, DATA_AT), "a serial number of m#", 21);
    CU_ASSERT_EQUAL(run(GET_ID, 0, NULL, 0, &written), STATUS_OK);
    teardown();
}

static uint8_t run_range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags,
                         uint32_t bytes)
{
    const piece data[] = { { DATA_AT, bytes, 0 } };
    uint32_t written;

    memcpy(memory_at(&x.d, DATA_AT), &sector, 8);
    memcpy(memory_at(&x.d, DATA_AT + 8), &sectors, 4);
    memcpy(memory_at(&x.d, DATA_AT + 12), &flags, 4);
    x.disk.last_op = 0;
    return run(type, 0, data, 1, &written);
}

static void ranges(void)
{
    setup();
    CU_ASSERT_EQUAL(run_range(DISCARD, 3, 4, 0, 16), STATUS_OK);
    CU_ASSERT_EQUAL(x.disk.last_op, PB_BLOCK_DISCARD);
    CU_ASSERT_EQUAL(x.disk.last_offset, 3 * 512);
    CU_ASSERT_EQUAL(x.disk.last_length, 4 * 512);
    CU_ASSERT_EQUAL(run_range(WRITE_ZEROES, 0, SECTORS, 1, 16), STATUS_OK);
    CU_ASSERT_EQUAL(x.disk.last_op, PB_BLOCK_WRITE_ZEROES);
    CU_ASSERT_EQUAL(run_range(DISCARD, 0, 1, 1, 16), STATUS_UNSUPP);      /* unmap is for zeroes */
    CU_ASSERT_EQUAL(run_range(WRITE_ZEROES, 0, 1, 2, 16), STATUS_UNSUPP); /* reserved */
    CU_ASSERT_EQUAL(run_range(DISCARD, SECTORS, 1, 0, 16), STATUS_IOERR);
    CU_ASSERT_EQUAL(run_range(DISCARD, UINT64_MAX, 2, 0, 16), STATUS_IOERR);
    CU_ASSERT_EQUAL(run_range(DISCARD, 1, UINT32_MAX, 0, 16), STATUS_IOERR);
    CU_ASSERT_EQUAL(run_range(DISCARD, 0, 1, 0, 32), STATUS_IOERR); /* two ranges */
    CU_ASSERT_EQUAL(run_range(DISCARD, 0, 1, 0, 15), STATUS_IOERR);
    CU_ASSERT_EQUAL(x.disk.last_op, 0);
    teardown();
}

static void in_any_order(void)
{
    uint16_t heads[4];
    uint32_t written;

    setup();
    x.disk.wait = true;
    for (uint32_t i = 0; i < 4; i++) {
        const piece data[] = { { DATA_AT + 0x1000 * i, 512, WRITE } };

        heads[i] = request(i, IN, 20 + i, data, 1);
    }
    driver_notify(&x.d, 0);
    CU_ASSERT_EQUAL_FATAL(x.disk.waiting->len, 4);
    CU_ASSERT_EQUAL(driver_returned(&x.d, 0), 0);
    for (uint32_t i = 4; i-- > 0;) {
        complete(&x.disk, x.disk.waiting->pdata[i]);
        CU_ASSERT_EQUAL(driver_take(&x.d, 0, &written), heads[i]);
        CU_ASSERT_EQUAL(status_of(i), STATUS_OK);
        CU_ASSERT_EQUAL(*memory_at(&x.d, DATA_AT + 0x1000 * i), 20 + i);
        CU_ASSERT_EQUAL(reg_read(&x.d, INTERRUPT_STATUS), 1);
        reg_write(&x.d, INTERRUPT_ACK, 1);
    }
    teardown();
}

static void reset_while_requests_are_under_way(void)
{
    const piece data[] = { { DATA_AT, 512, WRITE } };
    pb_block_request *old;
    uint32_t written;

    setup();
    x.disk.wait = true;
    request(0, IN, 7, data, 1);
    driver_notify(&x.d, 0);
    old = x.disk.waiting->pdata[0];
    reg_write(&x.d, STATUS, 0);
    CU_ASSERT_NOT_EQUAL(reg_read(&x.d, STATUS), 0); /* it still may write to memory */
    driver_start(&x.d, &x.b, 0, 1);                 /* a driver that does not wait for that */
    x.disk.wait = false;
    CU_ASSERT_EQUAL(run(IN, 9, data, 1, &written), STATUS_OK);
    *memory_at(&x.d, STATUS_AT) = 0xee;
    complete(&x.disk, old);
    CU_ASSERT_EQUAL(driver_returned(&x.d, 0), 0);
    CU_ASSERT_EQUAL(status_of(0), 0xee);
    reg_write(&x.d, STATUS, 0);
    CU_ASSERT_EQUAL(reg_read(&x.d, STATUS), 0);

    driver_start(&x.d, &x.b, 0, 1); /* and a machine's reset */
    x.disk.wait = true;
    request(0, IN, 7, data, 1);
    driver_notify(&x.d, 0);
    fake_machine_reset(x.b.machine);
    *memory_at(&x.d, STATUS_AT) = 0xee;
    complete(&x.disk, x.disk.waiting->pdata[1]);
    CU_ASSERT_EQUAL(status_of(0), 0xee);
    CU_ASSERT_EQUAL(reg_read(&x.d, STATUS), 0);
    CU_ASSERT_FALSE(board_end(&x.b, "irq")->level);
    teardown();
}

int main(void)
{
    static const unit_case cases[] = {
        { "read to scattered memory", read_scattered },
        { "any layout of buffers", any_layout },
        { "the end of the disk", the_end_of_the_disk },
        { "data that is not memory", data_that_is_not_memory },
        { "a status that is not memory", a_status_that_is_not_memory },
        { "requests without header or status", requests_without_header_or_status },
        { "errors of the disk", errors_of_the_disk },
        { "a read-only disk", a_read_only_disk },
        { "serial number", serial_number },
        { "discard and write zeroes", ranges },
        { "in any order", in_any_order },
        { "reset while requests are under way", reset_while_requests_are_under_way },
        { 0 },
    };

    return unit_run("virtio block device", cases);
}
