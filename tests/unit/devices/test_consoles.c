/*
 * PL011 and virtio/console in front of a stream that backs up: ports that are busy and become
 * ready.
 */
#include "driver.h"

/* Plays the provider: takes `room` bytes before it is busy. */
typedef struct stream {
    uint32_t room;
    GString *got;
    pb_link client;
} stream;

static void stream_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    stream *s = self;

    g_string_append_len(s->got, (const char *)bytes, length);
    s->room -= MIN(s->room, length);
}

static void stream_resume(void *self, uint32_t index) {}

static bool stream_busy(void *self, uint32_t index)
{
    return ((stream *)self)->room == 0;
}

static const pb_stream_iface stream_iface = {
    .size = sizeof(stream_iface),
    .write = stream_write,
    .resume = stream_resume,
    .busy = stream_busy,
};

static void stream_ready(stream *s, uint32_t room)
{
    const pb_stream_client_iface *client = s->client.iface;

    s->room = room;
    CU_ASSERT_FATAL(PB_HAS(client, ready) && client->ready);
    client->ready(s->client.self, s->client.index);
}

/* ---- PL011 ----------------------------------------------------------------------------------- */

enum { DR = 0x00, FR = 0x18, CR = 0x30, IMSC = 0x38, RIS = 0x3c, ICR = 0x44 };
enum { FR_BUSY = 1 << 3, FR_TXFF = 1 << 5, FR_TXFE = 1 << 7, INT_TX = 1 << 5, CR_LBE = 1 << 7 };

static uint32_t flags(board *b)
{
    return (uint32_t)board_read(b, 0, FR, 4) & (FR_BUSY | FR_TXFF | FR_TXFE);
}

static void pl011(void)
{
    stream s = { .room = 2, .got = g_string_new(NULL) };
    board b = board_new("pl011", NULL);
    fake_end *irq;

    s.client = driver_stand_behind(b.device, "serial", &stream_iface, &s);
    board_start(&b);
    irq = board_end(&b, "irq");
    board_write(&b, 0, IMSC, 4, INT_TX);
    CU_ASSERT_EQUAL(flags(&b), FR_TXFE);
    board_write(&b, 0, DR, 4, 'a');
    CU_ASSERT(irq->level);
    CU_ASSERT_EQUAL(flags(&b), FR_TXFE);

    /* The character that makes the stream busy fills the FIFO, and takes the interrupt away. */
    board_write(&b, 0, DR, 4, 'b');
    CU_ASSERT_EQUAL(flags(&b), FR_TXFF | FR_BUSY);
    CU_ASSERT(!irq->level);
    CU_ASSERT_EQUAL(board_read(&b, 0, RIS, 4), 0);

    /* In loopback nothing is sent, and the FIFO is not full. */
    board_write(&b, 0, CR, 4, 0x301 | CR_LBE);
    CU_ASSERT_EQUAL(flags(&b), FR_TXFE);
    board_write(&b, 0, CR, 4, 0x301);
    CU_ASSERT_EQUAL(flags(&b), FR_TXFF | FR_BUSY);

    stream_ready(&s, 1);
    CU_ASSERT_EQUAL(flags(&b), FR_TXFE);
    CU_ASSERT(irq->level);
    CU_ASSERT_EQUAL(board_read(&b, 0, RIS, 4), INT_TX);
    board_write(&b, 0, ICR, 4, INT_TX);
    CU_ASSERT(!irq->level);

    /* A guest that does not look loses nothing here: what becomes of it is up to the stream. */
    board_write(&b, 0, DR, 4, 'c');
    board_write(&b, 0, DR, 4, 'd');
    CU_ASSERT_STRING_EQUAL(s.got->str, "abcd");
    g_string_free(s.got, TRUE);
    board_free(&b);
}

/* ---- virtio/console -------------------------------------------------------------------------- */

#define TEXT_AT 0x100000u
#define LENGTH  3000u

typedef struct console {
    board b;
    driver d;
    stream s;
} console;

static console x;

static void console_start(uint32_t room)
{
    x.s = (stream){ .room = room, .got = g_string_new(NULL) };
    x.b = board_new("virtio/mmio", NULL);
    x.s.client = driver_stand_behind(driver_plug(&x.b, "virtio/console", "console"), "stream",
                                     &stream_iface, &x.s);
    board_start(&x.b);
    driver_start(&x.d, &x.b, 0, 2);
}

static void console_end(void)
{
    g_string_free(x.s.got, TRUE);
    board_free(&x.b);
}

/* A request of several buffers with LENGTH bytes, of letters from that one on. */
static uint16_t console_send(char from)
{
    const piece pieces[] = { { TEXT_AT, 1, 0 }, { TEXT_AT + 1, LENGTH - 1, 0 } };
    uint16_t head = driver_add(&x.d, 1, pieces, 2);

    for (uint32_t i = 0; i < LENGTH; i++)
        *memory_at(&x.d, TEXT_AT + i) = (uint8_t)(from + i % 20);
    driver_notify(&x.d, 1);
    return head;
}

static bool console_got(uint32_t requests)
{
    bool right = x.s.got->len == requests * LENGTH;

    for (uint32_t i = 0; right && i < requests * LENGTH; i++)
        right = x.s.got->str[i] == (char)("aA"[i / LENGTH % 2] + i % LENGTH % 20);
    return right;
}

/* A request waits in the middle, and goes on where it was; none is returned before all of it is
 * written. */
static void console_waits(void)
{
    uint32_t written = 1;
    uint16_t first;

    console_start(1);
    first = console_send('a');
    CU_ASSERT_EQUAL(x.s.got->len, 1024); /* a piece */
    CU_ASSERT_EQUAL(driver_returned(&x.d, 1), 0);
    driver_notify(&x.d, 1); /* the driver may insist */
    CU_ASSERT_EQUAL(x.s.got->len, 1024);
    stream_ready(&x.s, 1);
    CU_ASSERT_EQUAL(x.s.got->len, 2048);
    CU_ASSERT_EQUAL(driver_returned(&x.d, 1), 0);
    stream_ready(&x.s, LENGTH);
    CU_ASSERT(console_got(1));
    CU_ASSERT_EQUAL(driver_returned(&x.d, 1), 1);
    CU_ASSERT_EQUAL(driver_take(&x.d, 1, &written), first);
    CU_ASSERT_EQUAL(written, 0);

    x.s.room = 0;
    console_send('A');
    CU_ASSERT(console_got(1));
    stream_ready(&x.s, LENGTH);
    CU_ASSERT(console_got(2));
    CU_ASSERT_EQUAL(driver_returned(&x.d, 1), 1);
    console_end();
}

/* What waits is forgotten with a reset, and where it was too. */
static void console_reset(void)
{
    console_start(1);
    console_send('x');
    CU_ASSERT_EQUAL(x.s.got->len, 1024);
    driver_start(&x.d, &x.b, 0, 2);
    g_string_truncate(x.s.got, 0);
    stream_ready(&x.s, 10 * LENGTH);
    CU_ASSERT_EQUAL(x.s.got->len, 0);
    console_send('a');
    CU_ASSERT(console_got(1));
    console_end();
}

/* Ready without a driver, or with nothing to write. */
static void console_idle(void)
{
    console_start(0);
    reg_write(&x.d, STATUS, 0);
    stream_ready(&x.s, 5);
    driver_start(&x.d, &x.b, 0, 2);
    stream_ready(&x.s, 5);
    CU_ASSERT_EQUAL(x.s.got->len, 0);
    console_end();
}

int main(void)
{
    static const unit_case cases[] = {
        { "PL011", pl011 },
        { "virtio/console waits", console_waits },
        { "virtio/console is reset", console_reset },
        { "virtio/console with nothing to write", console_idle },
        { 0 },
    };

    return unit_run("consoles", cases);
}
