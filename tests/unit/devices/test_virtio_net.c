/*
 * The virtio network device (plugins/dev-virtio/net.c) on a network that the test plays.
 */
#include "driver.h"

enum { RX = 0, TX = 1 };

#define MERGEABLE (1u << 15)
#define EVENT_IDX (1u << 29)
#define HEADER    12u
#define DATA_AT   0x60000u

typedef struct network {
    pb_link device;
    bool loop; /* send every frame back from inside the call */
    bool looped;
    uint8_t last[PB_NET_FRAME_MAX];
    uint32_t last_length, frames, ready;
} network;

static bool send(void *self, uint32_t index, const uint8_t *frame, uint32_t length)
{
    network *n = self;
    const pb_net_iface *device = n->device.iface;

    n->frames++;
    n->last_length = length;
    memcpy(n->last, frame, length);
    if (n->loop)
        n->looped = device->send(n->device.self, n->device.index, frame, length);
    return true;
}

static void ready(void *self, uint32_t index)
{
    ((network *)self)->ready++;
}

static const pb_net_iface network_iface = { sizeof(network_iface), send, ready };

typedef struct fixture {
    board b;
    driver d;
    network net;
    uint8_t frame[PB_NET_FRAME_MAX];
} fixture;

static fixture x;

static void setup(uint32_t features)
{
    memset(&x, 0, sizeof(x));
    for (uint32_t i = 0; i < sizeof(x.frame); i++)
        x.frame[i] = (uint8_t)(i * 7 + i / 256);
    x.b = board_new("virtio/mmio", NULL);
    x.net.device =
        driver_stand_behind(driver_plug(&x.b, "virtio/net", "net"), "net", &network_iface, &x.net);
    board_start(&x.b);
    driver_start(&x.d, &x.b, features, 2);
}

static void teardown(void)
{
    board_free(&x.b);
}

static bool arrive(uint32_t length)
{
    const pb_net_iface *device = x.net.device.iface;

    return device->send(x.net.device.self, x.net.device.index, x.frame, length);
}

/* Buffer n for reception. */
static void add_buffer(uint32_t n, uint32_t length)
{
    const piece p = { DATA_AT + 0x20000 * n, length, WRITE };

    driver_add(&x.d, RX, &p, 1);
}

static const uint8_t *buffer(uint32_t n)
{
    return memory_at(&x.d, DATA_AT + 0x20000 * n);
}

static void one_large_buffer(void)
{
    uint32_t written;

    setup(0);
    add_buffer(0, HEADER + PB_NET_FRAME_MAX);
    CU_ASSERT(arrive(PB_NET_FRAME_MAX));
    CU_ASSERT_EQUAL(driver_returned(&x.d, RX), 1);
    driver_take(&x.d, RX, &written);
    CU_ASSERT_EQUAL(written, HEADER + PB_NET_FRAME_MAX);
    CU_ASSERT_EQUAL(get16(&x.d, DATA_AT + 10), 1);
    CU_ASSERT_EQUAL(memcmp(buffer(0) + HEADER, x.frame, PB_NET_FRAME_MAX), 0);
    teardown();
}

static void a_header_of_its_own(void)
{
    const piece pieces[] = { { DATA_AT, HEADER, WRITE },
                             { DATA_AT + 0x1000, 7, WRITE },
                             { DATA_AT + 0x2000, 2000, WRITE } };
    uint32_t written;

    setup(0);
    memset(memory_at(&x.d, DATA_AT), 0xff, 0x3000);
    driver_add(&x.d, RX, pieces, 3);
    CU_ASSERT(arrive(100));
    driver_take(&x.d, RX, &written);
    CU_ASSERT_EQUAL(written, 112);
    CU_ASSERT_NSTRING_EQUAL(memory_at(&x.d, DATA_AT), "\0\0\0\0\0\0\0\0\0\0\1\0\xff", 13);
    CU_ASSERT_EQUAL(memcmp(memory_at(&x.d, DATA_AT + 0x1000), x.frame, 7), 0);
    CU_ASSERT_EQUAL(memcmp(memory_at(&x.d, DATA_AT + 0x2000), x.frame + 7, 93), 0);
    CU_ASSERT_EQUAL(*memory_at(&x.d, DATA_AT + 0x2000 + 93), 0xff);
    teardown();
}

static void merged_buffers(void)
{
    uint32_t written;

    setup(MERGEABLE);
    add_buffer(0, 12);
    add_buffer(1, 50);
    add_buffer(2, 1);
    add_buffer(3, 500);
    add_buffer(4, 500);
    CU_ASSERT(arrive(100));
    CU_ASSERT_EQUAL_FATAL(driver_returned(&x.d, RX), 4); /* all at once */
    CU_ASSERT_EQUAL(get16(&x.d, DATA_AT + 10), 4);
    driver_take(&x.d, RX, &written);
    CU_ASSERT_EQUAL(written, 12);
    driver_take(&x.d, RX, &written);
    CU_ASSERT_EQUAL(written, 50);
    CU_ASSERT_EQUAL(memcmp(buffer(1), x.frame, 50), 0);
    driver_take(&x.d, RX, &written);
    CU_ASSERT_EQUAL(*buffer(2), x.frame[50]);
    driver_take(&x.d, RX, &written);
    CU_ASSERT_EQUAL(written, 49);
    CU_ASSERT_EQUAL(memcmp(buffer(3), x.frame + 51, 49), 0);
    CU_ASSERT(arrive(100));
    driver_take(&x.d, RX, &written);
    CU_ASSERT_EQUAL(written, 112);
    teardown();
}

static void not_enough_buffers(void)
{
    uint32_t written;

    setup(MERGEABLE | EVENT_IDX);
    add_buffer(0, 60);
    add_buffer(1, 60);
    CU_ASSERT_FALSE(arrive(200));
    CU_ASSERT_EQUAL(driver_returned(&x.d, RX), 0);
    CU_ASSERT_EQUAL(reg_read(&x.d, STATUS), 15);
    CU_ASSERT_EQUAL(x.net.ready, 0);
    add_buffer(2, 300);
    CU_ASSERT_EQUAL(get16(&x.d, QUEUE_AT(RX) + 0x6004 + 8 * RING),
                    2); /* avail_event: it notifies */
    driver_notify(&x.d, RX);
    CU_ASSERT_EQUAL(x.net.ready, 1);
    driver_notify(&x.d, RX);
    CU_ASSERT_EQUAL(x.net.ready, 1);
    CU_ASSERT(arrive(200));
    CU_ASSERT_EQUAL(driver_returned(&x.d, RX), 3);
    CU_ASSERT_EQUAL(get16(&x.d, DATA_AT + 10), 3);
    driver_take(&x.d, RX, &written);
    CU_ASSERT_EQUAL(written, 60);
    teardown();
}

static void a_chain_that_breaks_in_the_middle(void)
{
    const piece wrong[] = { { DATA_AT, 10, WRITE }, { DATA_AT, 10, 0 } };

    setup(MERGEABLE);
    add_buffer(0, 60);
    driver_add(&x.d, RX, wrong, 2);
    CU_ASSERT(arrive(200)); /* dropped, not kept: nobody will take it */
    CU_ASSERT_EQUAL(driver_returned(&x.d, RX), 0);
    CU_ASSERT_EQUAL(reg_read(&x.d, STATUS), 0x4f);
    CU_ASSERT_PTR_NOT_NULL(strstr(x.b.machine->log->str, "a readable buffer follows"));
    CU_ASSERT(arrive(200));
    driver_start(&x.d, &x.b, MERGEABLE, 2);
    add_buffer(0, 600);
    CU_ASSERT(arrive(200));
    CU_ASSERT_EQUAL(driver_returned(&x.d, RX), 1);
    teardown();
}

static void buffers_that_are_too_small(void)
{
    setup(0);
    add_buffer(0, HEADER + 99);
    CU_ASSERT(arrive(100));
    CU_ASSERT_EQUAL(reg_read(&x.d, STATUS), 0x4f);
    CU_ASSERT_PTR_NOT_NULL(strstr(x.b.machine->log->str, "a receive buffer is too small"));
    teardown();

    setup(MERGEABLE);
    add_buffer(0, HEADER - 1);
    CU_ASSERT(arrive(100));
    CU_ASSERT_EQUAL(reg_read(&x.d, STATUS), 0x4f);
    teardown();

    setup(MERGEABLE);
    add_buffer(0, HEADER);
    add_buffer(1, 0);
    CU_ASSERT(arrive(100));
    CU_ASSERT_EQUAL(reg_read(&x.d, STATUS), 0x4f);
    teardown();
}

static void a_reset_lets_waiting_frames_go(void)
{
    setup(0);
    CU_ASSERT_FALSE(arrive(100));
    reg_write(&x.d, STATUS, 0);
    CU_ASSERT_EQUAL(x.net.ready, 1);
    CU_ASSERT(arrive(100));
    teardown();
}

/* A frame that comes back while it is being sent, and buffers enough for it. */
static void a_network_that_sends_back(void)
{
    const piece frame = { DATA_AT + 0x100000, HEADER + 1000, 0 };
    uint32_t written;

    setup(MERGEABLE);
    x.net.loop = true;
    memcpy(memory_at(&x.d, frame.gpa + HEADER), x.frame, 1000);
    for (uint32_t i = 0; i < 4; i++)
        add_buffer(i, 700);
    driver_add(&x.d, TX, &frame, 1);
    driver_add(&x.d, TX, &frame, 1);
    driver_notify(&x.d, TX);
    CU_ASSERT_EQUAL(x.net.frames, 2);
    CU_ASSERT_EQUAL(x.net.last_length, 1000);
    CU_ASSERT_EQUAL(memcmp(x.net.last, x.frame, 1000), 0);
    CU_ASSERT(x.net.looped);
    CU_ASSERT_EQUAL(driver_returned(&x.d, TX), 2);
    CU_ASSERT_EQUAL(driver_returned(&x.d, RX), 4);
    CU_ASSERT_EQUAL(memcmp(buffer(0) + HEADER, x.frame, 700 - HEADER), 0);
    CU_ASSERT_EQUAL(memcmp(buffer(1), x.frame + 700 - HEADER, 300 + HEADER), 0);
    driver_take(&x.d, RX, &written);
    CU_ASSERT_EQUAL(written, 700);
    teardown();
}

static void addresses(void)
{
    static const char *const wrong[] = { "",
                                         "52:54:00:12:34",
                                         "52:54:00:12:34:56:78",
                                         "52:54:00:12:34:5g",
                                         "53:54:00:12:34:56",
                                         "525400123456" };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        board b = board_new("virtio/mmio", NULL);
        g_autoptr(GError) error = NULL;
        g_autofree char *expected = g_strdup_printf(
            "mac '%s' is not a unicast address such as 52:54:00:12:34:56", wrong[i]);
        pb_instance *net = fake_machine_add(
            b.machine, pb_plugin_host_type(b.host, PB_KIND_DEVICE, "virtio/net", NULL), "net");
        pb_port_ref bus = board_port(&b, "bus"), port;

        CU_ASSERT_FATAL(pb_instance_set(net, "mac", wrong[i], NULL));
        CU_ASSERT_FATAL(pb_instance_settle_properties(net, NULL));
        CU_ASSERT_FATAL(pb_instance_port(net, "bus", &port, NULL));
        CU_ASSERT_FATAL(pb_instance_connect(&port, &bus, NULL));
        CU_ASSERT_FALSE(fake_machine_start(b.machine, false, &error));
        CU_ASSERT_PTR_NOT_NULL(error && strstr(error->message, expected) ? error : NULL);
        board_free(&b);
    }
}

int main(void)
{
    static const unit_case cases[] = {
        { "one large buffer", one_large_buffer },
        { "a header of its own", a_header_of_its_own },
        { "merged buffers", merged_buffers },
        { "not enough buffers", not_enough_buffers },
        { "a chain that breaks in the middle", a_chain_that_breaks_in_the_middle },
        { "buffers that are too small", buffers_that_are_too_small },
        { "a reset lets waiting frames go", a_reset_lets_waiting_frames_go },
        { "a network that sends back", a_network_that_sends_back },
        { "addresses", addresses },
        { 0 },
    };

    return unit_run("virtio network device", cases);
}
