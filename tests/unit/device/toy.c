#include "toy.h"

#include <stdlib.h>

static bool init(void *self, pb_error *error)
{
    toy *s = self;

    if (s->small == 13)
        return pb_fail(error, "13 is not welcome");
    s->buffer = calloc(1, 16);
    s->buffer_bytes = 16;
    return true;
}

static void finish(void *self)
{
    free(((toy *)self)->buffer);
}

static bool loaded(void *self, pb_error *error)
{
    toy *s = self;

    s->loads++;
    return s->data[0] != 0xff || pb_fail(error, "data is 0xff");
}

static void expired(void *self)
{
    ((toy *)self)->expiries++;
}

static void input_set(void *self, uint32_t index, bool level)
{
    toy *s = self;

    s->inputs = (s->inputs & ~(1u << index)) | (uint32_t)level << index;
}

static void input_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((toy *)self)->input_peer = *peer;
}

static const pb_line_iface input_iface = { sizeof(input_iface), input_set };

static uint32_t can_receive(void *self, uint32_t index)
{
    return 0;
}

static void receive(void *self, uint32_t index, const uint8_t *bytes, uint32_t length) {}

static const pb_stream_client_iface serial_iface = {
    .size = sizeof(serial_iface),
    .can_receive = can_receive,
    .receive = receive,
};

static void hook_write(void *self, uint64_t old, uint64_t now)
{
    toy *s = self;

    s->old = old;
    s->now = now;
    s->writes++;
}

static uint64_t hook_read(void *self)
{
    toy *s = self;

    return UINT64_C(0xfff00) | s->reads++;
}

static uint64_t hook_read_at(void *self, const pb_access *access)
{
    ((toy *)self)->access = *access;
    return access->index * 0x11 + access->frame * 0x100;
}

static void hook_write_at(void *self, const pb_access *access, uint64_t old, uint64_t now)
{
    ((toy *)self)->access = *access;
    hook_write(self, old, now);
}

static const pb_field mixed_fields[] = {
    { "RW", 0, 4, .doc = "Plain" },
    { "RO", 4, 4, .mode = PB_RO, .doc = "Read only" },
    { "W1C", 8, 4, .mode = PB_W1C, .doc = "Write one to clear" },
    { "W1S", 12, 4, .mode = PB_W1S, .doc = "Write one to set" },
    { "WO", 16, 4, .mode = PB_WO, .doc = "Write only" },
    { "RC", 20, 4, .mode = PB_RC, .doc = "Read to clear" },
    { "RAZ", 24, 4, .mode = PB_RAZ_WI, .doc = "Nothing" },
    { "GAP", 28, 1, .status = PB_UNMODELLED, .doc = "Missing" },
    { 0 },
};

static const pb_reg regs[] = {
    { "PLAIN", 0x00, 32, PB_STORE(toy, plain), .reset = 0x12345678, .doc = "Plain" },
    { "MASKED", 0x04, 16, PB_STORE(toy, clear), .write_mask = 0x0ff0, .doc = "Masked" },
    { "MIXED", 0x08, 32, PB_STORE(toy, mixed), .fields = mixed_fields, .doc = "All modes" },
    { "HOOKED", 0x0c, 32, PB_STORE(toy, set), .write = hook_write,
      .doc = "Storage and a write hook" },
    { "RAW", 0x10, 32, .read = hook_read, .write = hook_write, .raw_write = true, .doc = "FIFO" },
    { "MERGED", 0x14, 16, .read = hook_read, .write = hook_write, .doc = "Hooks, merged" },
    { "WIDE", 0x18, 64, PB_STORE(toy, wide), .doc = "Eight bytes" },
    { "ROW", 0x20, 16, PB_STORE_ARRAY(toy, row), .count = 4, .reset = 7, .doc = "Four in a row" },
    { "SPREAD", 0x28, 8, .count = 3, .stride = 4, .read_at = hook_read_at,
      .write_at = hook_write_at, .doc = "Three apart" },
    { "STAT", 0x34, 8, .mode = PB_RO, PB_STORE(toy, narrow), .reset = 0x5a, .doc = "For reading" },
    { "CMD", 0x34, 8, .mode = PB_WO, .write = hook_write, .doc = "For writing" },
    { "GAP", 0x38, 32, .status = PB_UNMODELLED, .reset = 0x99, .doc = "Not there" },
    { "ONCE", 0x3c, 32, .mode = PB_RC, PB_STORE(toy, once), .reset = 0xff,
      .doc = "Cleared by reading" },
    { 0 },
};

static const pb_reg frame_regs[] = {
    { "ID", 0x0, 32, .mode = PB_RO, .read_at = hook_read_at, .doc = "Which frame" },
    { 0 },
};

static const pb_reg big_regs[] = {
    { "BIG", 0x0, 32, PB_STORE(toy, plain), .reset = 0x12345678, .doc = "Big-endian view" },
    { "LOW", 0x4, 16, PB_STORE(toy, clear), .doc = "Next to it" },
    { 0 },
};

static const pb_region regions[] = {
    { "regs", PB_REGION_REGS, 0x100, .regs = regs, .doc = "Registers" },
    { "frames", PB_REGION_REGS, 0x40, .regs = frame_regs, .frame_bytes = 0x10, .access_min = 4,
      .access_max = 4, .doc = "Four frames" },
    { "big", PB_REGION_REGS, 0x10, .regs = big_regs, .big_endian = true, .unaligned = true,
      .doc = "Big-endian" },
    { "window", PB_REGION_RAM, .bytes_offset = offsetof(toy, window) + 1, .doc = "Memory" },
    { 0 },
};

static const char *const modes[] = { "slow", "fast", "fastest", NULL };

static const pb_prop props[] = {
    { "flag", PB_PROP_BOOL, PB_MEMBER(toy, flag), "true", .doc = "Flag" },
    { "small", PB_PROP_UINT, PB_MEMBER(toy, small), "3", .min = 1, .max = 100, .doc = "Small" },
    { "level", PB_PROP_INT, PB_MEMBER(toy, level), "-5", .min = (uint64_t)-10, .max = 10,
      .doc = "Level" },
    { "lines", PB_PROP_UINT, PB_MEMBER(toy, lines), .doc = "Lines" },
    { "window", PB_PROP_SIZE, PB_MEMBER(toy, window), "64KiB", .doc = "Window" },
    { "hz", PB_PROP_HZ, PB_MEMBER(toy, hz), "24MHz", .doc = "Frequency" },
    { "text", PB_PROP_STRING, PB_MEMBER(toy, text), "hello", .doc = "Text" },
    { "path", PB_PROP_PATH, PB_MEMBER(toy, path), "", .doc = "File" },
    { "mode", PB_PROP_ENUM, PB_MEMBER(toy, mode), "slow", .choices = modes, .doc = "Mode" },
    { "list", PB_PROP_UINTS, PB_MEMBER(toy, list), "", .doc = "List" },
    { 0 },
};

static const pb_port ports[] = {
    { "out", PB_PROTOCOL_IRQ, PB_REQUIRES, PB_HANDLE(toy, out), PB_COUNT(toy, lines),
      .optional = true, .doc = "Outputs" },
    { "in", PB_PROTOCOL_IRQ, PB_PROVIDES, .count = 4, .iface = &input_iface,
      .connected = input_connected, .doc = "Inputs" },
    { "serial", PB_PROTOCOL_CHAR, PB_REQUIRES, PB_HANDLE(toy, serial), .iface = &serial_iface,
      .optional = true, .doc = "Characters" },
    { "clock", PB_PROTOCOL_CLOCK, PB_REQUIRES, PB_HANDLE(toy, clock), .doc = "Time" },
    { 0 },
};

static const pb_state state[] = {
    PB_STATE_ARRAY(toy, data),
    PB_STATE_TIMER(toy, timer, expired),
    PB_STATE_BUFFER(toy, buffer, buffer_bytes),
    PB_STATE(toy, inputs),
    PB_TRANSIENT(toy, buffer_bytes, "16"),
    PB_TRANSIENT(toy, old, "told to the test"),
    PB_TRANSIENT(toy, now, "told to the test"),
    PB_TRANSIENT(toy, access, "told to the test"),
    PB_TRANSIENT(toy, reads, "told to the test"),
    PB_TRANSIENT(toy, writes, "told to the test"),
    PB_TRANSIENT(toy, expiries, "told to the test"),
    PB_TRANSIENT(toy, loads, "told to the test"),
    PB_TRANSIENT(toy, input_peer, "told to the test"),
    { 0 },
};

const pb_device_type toy_type = {
    .head = {
        .size = sizeof(pb_device_type),
        .kind = PB_KIND_DEVICE,
        .name = "toy",
        .doc = "One of everything",
        .instance_size = sizeof(toy),
        PB_SELF(toy, self),
        .props = props,
        .ports = ports,
        .state = state,
        .init = init,
        .finish = finish,
        .loaded = loaded,
    },
    .regions = regions,
};

fake_machine *toy_machine(pb_instance **instance)
{
    fake_machine *machine = fake_machine_new(NULL);

    *instance = fake_machine_add(machine, &toy_type.head, "toy");
    if (!pb_instance_set(*instance, "lines", "2", NULL))
        abort();
    return machine;
}
