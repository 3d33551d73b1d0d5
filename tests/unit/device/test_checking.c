#include "toy.h"

static fake_machine *machine;
static pb_instance *instance;
static toy *s;
static bool locked;

static bool lock_held(void *opaque)
{
    return locked;
}

static void make(void)
{
    pb_check_enabled = true;
    locked = true;
    machine = toy_machine(&instance);
    machine->env.lock_held = lock_held;
    CU_ASSERT_FATAL(pb_instance_settle_properties(instance, NULL));
    CU_ASSERT_FATAL(fake_machine_start(machine, false, NULL));
    s = pb_instance_self(instance);
}

static void drop(void)
{
    fake_machine_free(machine);
    pb_check_enabled = false;
}

/* What was said since the last time is this line, or nothing. */
static void said(const char *text)
{
    g_autofree char *line =
        text ? g_strdup_printf("warning: toy: check: %s\n", text) : g_strdup("");

    CU_ASSERT_STRING_EQUAL(machine->log->str, line);
    g_string_truncate(machine->log, 0);
}

static void objects(void)
{
    const pb_object_ops *ops;
    unsigned before = pb_check_violations();
    uint64_t size = 1;

    make();
    ops = s->self->ops;
    CU_ASSERT_PTR_NOT_NULL(ops->region_bytes(s->self, 3, &size));
    CU_ASSERT_EQUAL(size, 65536);
    said(NULL);
    CU_ASSERT_PTR_NULL(ops->region_bytes(s->self, 0, &size));
    said("region_bytes of region regs, which is of another kind");
    ops->region_map(s->self, 9, 0, true);
    said("region_map of region 9, the type has 4");
    ops->region_changed(s->self, 3, 65535, 2);
    said("region_changed of 0x2 bytes at 0xffff, the region has 0x10000");
    ops->request(s->self, 7, 0);
    said("request 7 of the machine, which does not exist");
    CU_ASSERT_EQUAL(machine->requests, 0);
    ops->trace_enabled(s->self, "event");
    said("trace event 'event' is not called TYPE.event");
    ops->extension(s->self, "pb.dma");
    said("extension 'pb.dma' is not called NAME/VERSION");
    CU_ASSERT_EQUAL(pb_check_violations() - before, 6);
    drop();
}

static void locks(void)
{
    uint64_t value;

    make();
    pb_line_set(s->out[0], true);
    said(NULL);
    locked = false;
    pb_line_set(s->out[0], false);
    said("line_set without the device lock");
    CU_ASSERT(!s->out[0]->level);
    fake_machine_read(machine, instance, 0, 0, 4, &value);
    said("read without the device lock");
    CU_ASSERT_EQUAL(value, 0x12345678);
    drop();
}

static void streams(void)
{
    fake_end *end;
    pb_port_ref port;
    const pb_link *provider;
    const pb_stream_client_iface *client;

    make();
    CU_ASSERT_FATAL(pb_instance_port(instance, "serial", &port, NULL));
    end = fake_machine_end(machine, &port);
    provider = s->serial;
    pb_stream_put(provider, 'x');
    CU_ASSERT_EQUAL(end->output->len, 1);
    said(NULL);
    pb_stream_write(provider, NULL, 5);
    said("serial: write of 5 bytes from nowhere");
    CU_ASSERT_EQUAL(end->output->len, 1);
    client = end->peer.iface;
    CU_ASSERT_EQUAL(client->can_receive(end->peer.self, 0), 0);
    CU_ASSERT_FALSE(pb_stream_busy(provider)); /* the other side cannot tell */
    said(NULL);
    drop();
}

static void accesses(void)
{
    pb_region_handlers handlers;
    pb_access access = { .offset = 0xfe, .size = 4 };

    make();
    handlers = pb_instance_handlers(instance, 0);
    CU_ASSERT_EQUAL(handlers.ops->write(handlers.opaque, &access, 0), PB_BUS_ERROR);
    said("write at 0xfe, outside of region regs");
    access = (pb_access){ .offset = 0, .size = 3 };
    handlers.ops->write(handlers.opaque, &access, 0);
    said("write of 3 bytes");
    drop();
}

/* ---- a client of disks and memory, which toy is not ------------------------------------------------ */

typedef struct client {
    const pb_link *disk;
    pb_dma *dma;
    unsigned done;
} client;

static const pb_port client_ports[] = {
    { "disk", PB_PROTOCOL_BLOCK, PB_REQUIRES, PB_HANDLE(client, disk), .doc = "Disk" },
    { "dma", PB_PROTOCOL_DMA, PB_REQUIRES, PB_HANDLE(client, dma), .doc = "Memory" },
    { 0 },
};

static const pb_device_type client_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "client",
              .doc = "Client",
              .instance_size = sizeof(client),
              .ports = client_ports },
};

static client *make_client(void)
{
    pb_check_enabled = true;
    machine = fake_machine_new(NULL);
    instance = fake_machine_add(machine, &client_type.head, "toy");
    CU_ASSERT_FATAL(pb_instance_settle_properties(instance, NULL));
    CU_ASSERT_FATAL(fake_machine_start(machine, false, NULL));
    return pb_instance_self(instance);
}

static void count_done(pb_block_request *request)
{
    ((client *)request->opaque)->done++;
}

static void submit(client *c, pb_block_request *request)
{
    request->size = sizeof(*request);
    request->done = count_done;
    request->opaque = c;
    ((const pb_block_iface *)c->disk->iface)->submit(c->disk->self, c->disk->index, request);
}

static void disks(void)
{
    client *c = make_client();
    uint8_t bytes[512] = { 0 };
    pb_iovec piece = { bytes, sizeof(bytes) };
    pb_block_request request = {
        .op = PB_BLOCK_WRITE, .length = 512, .iov = &piece, .iov_count = 1
    };

    submit(c, &request);
    CU_ASSERT_EQUAL(c->done, 1);
    CU_ASSERT_EQUAL(request.error, 0);
    CU_ASSERT_PTR_EQUAL(request.done, count_done);
    said(NULL);
    request.length = 1024;
    submit(c, &request);
    said("disk: request of 1024 bytes with memory for 512");
    request = (pb_block_request){ .op = 9 };
    submit(c, &request);
    said("disk: block operation 9 does not exist");
    request = (pb_block_request){ .op = PB_BLOCK_DISCARD, .offset = 1, .length = 512 };
    submit(c, &request);
    said("disk: request of 512 bytes at 1");
    CU_ASSERT_EQUAL(c->done, 4);
    drop();
}

static void memory(void)
{
    client *c = make_client();
    uint64_t length = 16;
    char *host = pb_dma_map(c->dma, 0x1000, &length, true);

    CU_ASSERT_PTR_EQUAL(host, machine->memory + 0x1000);
    CU_ASSERT_PTR_EQUAL(pb_dma_map(c->dma, 0x1000, &length, true), host);
    pb_dma_unmap(c->dma, host, length, 0);
    pb_dma_unmap(c->dma, host, length, 16);
    said(NULL);
    pb_dma_unmap(c->dma, host, length, 0);
    said("dma: unmap of memory that is not mapped");
    CU_ASSERT_EQUAL(pb_dma_write(c->dma, 0, NULL, 4), PB_BUS_ERROR);
    said("dma: write with a null pointer");
    drop();
}

int main(void)
{
    static const unit_case cases[] = {
        { "objects", objects },
        { "locks", locks },
        { "streams", streams },
        { "accesses", accesses },
        { "disks", disks },
        { "memory", memory },
        { 0 },
    };

    return unit_run("checking", cases);
}
