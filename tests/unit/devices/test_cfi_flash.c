/*
 * The flash (plugins/dev-cfi-flash) over a drive that answers when the test says so, or fails.
 */
#include "board.h"

#include <errno.h>

#define FLASH_BYTES 0x100000u
#define SECTOR      0x40000u

enum { READ_ARRAY = 0xff, READ_STATUS = 0x70, CLEAR_STATUS = 0x50, PROGRAM = 0x40, ERASE = 0x20 };
enum { CONFIRM = 0xd0 };
enum { READY = 0x800080, ERASE_ERROR = 0x200020, PROGRAM_ERROR = 0x100010 };

typedef struct drive {
    uint8_t bytes[2 * FLASH_BYTES];
    uint64_t size;
    bool wait, read_only;
    int32_t fail;
    pb_block_request *waiting;
    uint32_t writes;
} drive;

typedef struct fixture {
    board b;
    drive drive;
} fixture;

static fixture x;

static void info(void *self, uint32_t index, pb_block_info *i)
{
    i->bytes = ((drive *)self)->size;
    i->read_only = ((drive *)self)->read_only;
}

static void complete(drive *d, pb_block_request *r)
{
    CU_ASSERT_FATAL(r->offset + r->length <= d->size);
    CU_ASSERT_EQUAL(r->offset % 512 + r->length % 512, 0);
    CU_ASSERT_EQUAL_FATAL(r->iov_count, 1);
    CU_ASSERT_EQUAL_FATAL(r->iov[0].length, r->length);
    if (r->op == PB_BLOCK_READ && !d->fail)
        memcpy(r->iov[0].base, d->bytes + r->offset, r->length);
    else if (!d->fail)
        memcpy(d->bytes + r->offset, r->iov[0].base, r->length);
    r->error = d->fail;
    r->done(r);
}

static void submit(void *self, uint32_t index, pb_block_request *r)
{
    drive *d = self;

    CU_ASSERT_PTR_NULL_FATAL(d->waiting); /* one at a time */
    d->writes += r->op == PB_BLOCK_WRITE;
    if (d->wait)
        d->waiting = r;
    else
        complete(d, r);
}

static void answer(void)
{
    pb_block_request *r = g_steal_pointer(&x.drive.waiting);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    complete(&x.drive, r);
}

static const pb_block_iface iface = { sizeof(iface), info, submit };

/* A flash of 1 MiB and an image of so many bytes, in which each byte tells its sector. */
static void make(uint64_t image_bytes)
{
    static const char *const size[] = { "size", "1MiB", NULL };

    memset(&x, 0, sizeof(x));
    x.drive.size = image_bytes;
    for (uint32_t i = 0; i < image_bytes; i++)
        x.drive.bytes[i] = (uint8_t)(0xf0 | i / SECTOR);
    x.b = board_new("cfi-flash", size);
    board_attach(&x.b, "drive", &iface, &x.drive);
}

static void make_and_start(uint64_t image_bytes)
{
    make(image_bytes);
    board_start(&x.b);
}

static void put(uint64_t offset, uint32_t value)
{
    board_write(&x.b, 0, offset, 4, value);
}

static uint32_t get(uint64_t offset)
{
    return (uint32_t)board_read(&x.b, 0, offset, 4);
}

static void program(uint64_t offset, uint32_t value)
{
    put(offset, PROGRAM);
    put(offset, value);
}

static void erase(uint64_t offset)
{
    put(offset, ERASE);
    put(offset, CONFIRM);
}

static void reads_the_image(void)
{
    make_and_start(FLASH_BYTES);
    CU_ASSERT_EQUAL(get(0), 0xf0f0f0f0);
    CU_ASSERT_EQUAL(get(FLASH_BYTES - 4), 0xf3f3f3f3);
    CU_ASSERT_EQUAL(x.drive.writes, 0);
    board_free(&x.b);
}

static void is_busy_while_it_writes(void)
{
    make_and_start(FLASH_BYTES);
    x.drive.wait = true;
    program(0, 0);
    CU_ASSERT_EQUAL(get(0), 0);
    CU_ASSERT_EQUAL(x.drive.bytes[0], 0xf0);
    answer();
    CU_ASSERT_EQUAL(get(0), READY);
    CU_ASSERT_EQUAL(x.drive.bytes[0], 0);
    CU_ASSERT_EQUAL(x.drive.bytes[4], 0xf0);
    board_free(&x.b);
}

/* Changes while it writes go along in the next write, once. */
static void takes_commands_while_it_writes(void)
{
    make_and_start(FLASH_BYTES);
    x.drive.wait = true;
    program(0x1000, 0);
    program(0x3000, 0x30303030);
    program(0x2000, 0x20202020);
    erase(2 * SECTOR);
    answer();
    CU_ASSERT_EQUAL(get(0), 0);
    CU_ASSERT_EQUAL(x.drive.bytes[0x2000], 0xf0);
    answer();
    CU_ASSERT_EQUAL(get(0), READY);
    CU_ASSERT_PTR_NULL(x.drive.waiting);
    CU_ASSERT_EQUAL(x.drive.writes, 2);
    CU_ASSERT_EQUAL(x.drive.bytes[0x2000], 0x20);
    CU_ASSERT_EQUAL(x.drive.bytes[0x3000], 0x30);
    CU_ASSERT_EQUAL(x.drive.bytes[2 * SECTOR], 0xff);
    CU_ASSERT_EQUAL(x.drive.bytes[3 * SECTOR - 1], 0xff);
    CU_ASSERT_EQUAL(x.drive.bytes[3 * SECTOR], 0xf3);
    board_free(&x.b);
}

static void reports_that_the_drive_failed(void)
{
    make_and_start(FLASH_BYTES);
    x.drive.fail = ENOSPC;
    program(0, 0);
    CU_ASSERT_EQUAL(get(0), READY | PROGRAM_ERROR);
    put(0, CLEAR_STATUS);
    put(0, READ_STATUS);
    CU_ASSERT_EQUAL(get(0), READY);
    board_free(&x.b);
}

/* What the image does not cover reads as zeros and stays so. */
static void smaller_image(void)
{
    make_and_start(SECTOR + 512);
    CU_ASSERT_EQUAL(get(SECTOR + 508), 0xf1f1f1f1);
    CU_ASSERT_EQUAL(get(SECTOR + 512), 0);
    erase(SECTOR); /* covered in part */
    CU_ASSERT_EQUAL(get(0), READY | ERASE_ERROR);
    put(0, CLEAR_STATUS);
    program(SECTOR + 512, 0);
    CU_ASSERT_EQUAL(get(0), READY | PROGRAM_ERROR);
    put(0, CLEAR_STATUS);
    program(SECTOR + 508, 0x71717171);
    CU_ASSERT_EQUAL(get(0), READY);
    put(0, READ_ARRAY);
    CU_ASSERT_EQUAL(get(SECTOR), 0xf1f1f1f1);
    CU_ASSERT_EQUAL(get(SECTOR + 512), 0);
    CU_ASSERT_EQUAL(x.drive.bytes[SECTOR + 508], 0x71);
    CU_ASSERT_EQUAL(x.drive.writes, 1);
    board_free(&x.b);
}

static void read_only_image(void)
{
    make(FLASH_BYTES);
    x.drive.read_only = true;
    board_start(&x.b);
    program(0, 0);
    CU_ASSERT_EQUAL(get(0), READY | PROGRAM_ERROR);
    put(0, READ_ARRAY);
    CU_ASSERT_EQUAL(get(0), 0xf0f0f0f0);
    CU_ASSERT_EQUAL(x.drive.writes, 0);
    board_free(&x.b);
}

static void refuses_a_larger_image(void)
{
    g_autoptr(GError) error = NULL;

    make(FLASH_BYTES + 512);
    CU_ASSERT_FALSE(fake_machine_start(x.b.machine, false, &error));
    CU_ASSERT_PTR_NOT_NULL_FATAL(
        strstr(error->message, "the drive has 1049088 bytes, the flash 1048576"));
    board_free(&x.b);
}

/* After a snapshot was loaded the image may be of another moment: the first change writes all. */
static void writes_all_after_a_snapshot(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) state = NULL;

    make_and_start(FLASH_BYTES);
    state = g_variant_ref_sink(pb_instance_save(x.b.device));
    memset(x.drive.bytes, 0xaa, FLASH_BYTES);
    CU_ASSERT_FATAL(pb_instance_load(x.b.device, state, &error));
    CU_ASSERT_EQUAL(x.drive.writes, 0);
    program(0, 0);
    program(4, 0);
    CU_ASSERT_EQUAL(x.drive.writes, 2);
    CU_ASSERT_EQUAL(x.drive.bytes[0], 0);
    CU_ASSERT_EQUAL(x.drive.bytes[8], 0xf0);
    CU_ASSERT_EQUAL(x.drive.bytes[FLASH_BYTES - 1], 0xf3);
    board_free(&x.b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "reads the image", reads_the_image },
        { "is busy while it writes", is_busy_while_it_writes },
        { "takes commands while it writes", takes_commands_while_it_writes },
        { "reports that the drive failed", reports_that_the_drive_failed },
        { "smaller image", smaller_image },
        { "read-only image", read_only_image },
        { "refuses a larger image", refuses_a_larger_image },
        { "writes all after a snapshot", writes_all_after_a_snapshot },
        { 0 },
    };

    return unit_run("cfi-flash", cases);
}
