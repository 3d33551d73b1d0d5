/*
 * usage: device-fuzz [--seed N] [--operations N] PLUGIN...
 *
 * Does to every device type of a plugin what an evil guest, its memory and the outside world can do: accesses of all
 * sizes at declared and at random offsets, descriptors of random content in memory, input, lines, time, resets. A
 * device passes if it neither crashes nor hangs nor breaks the rules of the ABI; sanitizers make that mean more. The same seed does the same.
 */
#include "fake_machine.h"

#include <core/device/tables.h>
#include <inttypes.h>
#include <plugins/preloaded.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define HANG_SECONDS 20    /* for one operation */
#define BUSY_MEMORY  65536 /* bytes of memory from 0 that addresses prefer */
#define MAX_TIMERS   1000
#define INPUT_BYTES  256

typedef struct fuzzer {
    fake_machine *machine;
    pb_instance *instance;
    const char *type;
    uint64_t seed, state;
    uint64_t operation, operations;
    uint64_t last_read;
} fuzzer;

static fuzzer f; /* what the alarm's handler tells */

/* splitmix64 */
static uint64_t random64(void)
{
    uint64_t z = f.state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to below - 1. */
static uint64_t pick(uint64_t below)
{
    return below ? random64() % below : 0;
}

/* Numbers that guests write: flags, small counts, addresses, limits. */
static uint64_t random_value(void)
{
    switch (pick(8)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return pick(16);
    case 3:
        return UINT64_C(1) << pick(64);
    case 4:
        return pick(BUSY_MEMORY) & ~UINT64_C(15);
    case 5:
        return f.last_read ^ UINT64_C(1) << pick(64);
    case 6:
        return UINT32_MAX - pick(4096);
    default:
        return random64();
    }
}

/* ---- operations ---------------------------------------------------------------------------------- */

static uint64_t random_register_offset(const pb_region *region)
{
    uint32_t count = 0;
    const pb_reg *reg;

    while (region->regs[count].name)
        count++;
    reg = &region->regs[pick(count)];
    return reg->offset + pick(pb_reg_count(reg)) * pb_reg_stride(reg) +
           (region->frame_bytes ? pick(region->bytes / region->frame_bytes) * region->frame_bytes
                                : 0);
}

static uint64_t random_offset(uint32_t index)
{
    const pb_region *region = pb_instance_region(f.instance, index);
    uint64_t bytes = pb_instance_region_bytes(f.instance, index);

    if (region->kind == PB_REGION_REGS && region->regs->name && pick(8))
        return random_register_offset(region) + (pick(8) ? 0 : pick(8));
    if (pick(2))
        return pick(MIN(bytes, 512));
    return pick(16) ? pick(bytes) : bytes - pick(16);
}

static void do_access(void)
{
    uint32_t count = pb_instance_region_count(f.instance), index = (uint32_t)pick(count);
    uint32_t size = 1u << pick(4);
    uint64_t offset;

    if (!count)
        return;
    offset = random_offset(index);
    if (pick(4))
        offset -= offset % size;
    if (pick(2))
        fake_machine_read(f.machine, f.instance, index, offset, size, &f.last_read);
    else
        fake_machine_write(f.machine, f.instance, index, offset, size,
                           random_value() & pb_bits_mask(8 * size));
}

/* Descriptors and rings are small numbers and addresses of each other. */
static void do_memory(void)
{
    uint64_t at = pick(BUSY_MEMORY - 64);

    for (unsigned i = 0; i < 8; i++) {
        uint64_t value = random_value();

        memcpy(f.machine->memory + at + 8 * i, &value, sizeof(value));
    }
}

static void do_time(void)
{
    fake_machine_advance(f.machine, pick(2) ? pick(100000) : pick(UINT64_C(2000000000)),
                         MAX_TIMERS);
}

static void do_input(fake_end *end)
{
    uint8_t bytes[INPUT_BYTES];
    uint32_t length = (uint32_t)pick(sizeof(bytes)) + 1;
    const char *protocol = end->port.port->protocol;

    for (uint32_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)random64();
    if (strcmp(protocol, PB_PROTOCOL_NET) == 0 || strcmp(protocol, PB_PROTOCOL_CHAR) == 0)
        fake_end_feed(end, bytes, length);
    if (end->input->len > 65536)
        g_byte_array_set_size(end->input, 65536);
}

static void do_event(fake_end *end)
{
    const pb_stream_client_iface *client = end->peer.iface;

    if (strcmp(end->port.port->protocol, PB_PROTOCOL_CHAR) == 0 && client->event)
        client->event(end->peer.self, end->peer.index, 1 + (uint32_t)pick(3));
}

static void do_outside(void)
{
    fake_end *end;

    if (!f.machine->ends->len)
        return;
    end = f.machine->ends->pdata[pick(f.machine->ends->len)];
    if (end->port.port->role == PB_PROVIDES)
        pb_line_set(&end->line, pick(2));
    else if (pick(4))
        do_input(end);
    else
        do_event(end);
    if (strcmp(end->port.port->protocol, PB_PROTOCOL_BLOCK) != 0)
        g_byte_array_set_size(end->output, 0);
}

static void do_other_instance(void)
{
    f.instance = f.machine->instances->pdata[pick(f.machine->instances->len)];
}

/* What was saved can be loaded, whatever the guest did before. */
static void do_snapshot(void)
{
    g_autoptr(GVariant) state = g_variant_ref_sink(pb_instance_save(f.instance));
    g_autoptr(GError) error = NULL;

    if (!pb_instance_load(f.instance, state, &error)) {
        printf("%s: seed %" PRIu64 ", operation %" PRIu64 ": own state is refused: %s\n", f.type,
               f.seed, f.operation, error->message);
        exit(EXIT_FAILURE);
    }
}

static void do_operation(void)
{
    uint64_t kind = pick(1000);

    if (kind < 750)
        do_access();
    else if (kind < 850)
        do_memory();
    else if (kind < 900)
        do_time();
    else if (kind < 980)
        do_outside();
    else if (kind < 992)
        do_other_instance();
    else if (kind < 996)
        do_snapshot();
    else
        fake_machine_reset(f.machine);
}

/* ---- types --------------------------------------------------------------------------------------- */

static void hung(int signal_number)
{
    char text[200];
    int length =
        snprintf(text, sizeof(text),
                 "%s: seed %" PRIu64 ", operation %" PRIu64 ": hangs\n0 passed, 1 failed\n", f.type,
                 f.seed, f.operation);

    if (write(STDOUT_FILENO, text, (size_t)length) < 0)
        _exit(3);
    _exit(EXIT_FAILURE);
}

static bool fuzz_type(pb_plugin_host *host, const pb_class *class)
{
    g_autoptr(GError) error = NULL;
    unsigned violations = pb_check_violations();
    bool started;

    f.type = class->name;
    f.state = f.seed;
    f.machine = fake_machine_new(host);
    f.machine->quiet = true;
    f.instance = fake_machine_add(f.machine, class, "device");
    started = fake_machine_fill_properties(f.machine, f.instance, &error) &&
              pb_instance_settle_properties(f.instance, &error) &&
              fake_machine_start(f.machine, true, &error);
    if (!started)
        printf("%s: %s\n", class->name, error->message);
    for (f.operation = 0; started && f.operation < f.operations; f.operation++) {
        alarm(HANG_SECONDS);
        do_operation();
    }
    alarm(0);
    fake_machine_free(f.machine);
    if (pb_check_violations() != violations)
        printf("%s: seed %" PRIu64 ": the checking layer found %u violations\n", f.type, f.seed,
               pb_check_violations() - violations);
    return started && pb_check_violations() == violations;
}

static unsigned fuzz_plugin(pb_plugin_host *host, const char *id, unsigned *passed)
{
    g_autoptr(GError) error = NULL;
    const pb_plugin *plugin = pb_plugin_host_open(host, id, &error);
    unsigned failed = 0;

    if (!plugin) {
        printf("%s\n", error->message);
        return 1;
    }
    for (const pb_class *const *class = plugin->types; *class; class ++) {
        if (fuzz_type(host, *class))
            (*passed)++;
        else
            failed++;
    }
    return failed;
}

int main(int argc, char **argv)
{
    g_autoptr(pb_plugin_host) host = NULL;
    unsigned passed = 0, failed = 0;
    int first = 1;

    f.seed = 1;
    f.operations = 30000;
    for (; first + 1 < argc && g_str_has_prefix(argv[first], "--"); first += 2) {
        if (strcmp(argv[first], "--seed") == 0)
            f.seed = g_ascii_strtoull(argv[first + 1], NULL, 0);
        else if (strcmp(argv[first], "--operations") == 0)
            f.operations = g_ascii_strtoull(argv[first + 1], NULL, 0);
        else
            break;
    }
    pb_check_enabled = true;
    signal(SIGALRM, hung);
    pb_plugin_host_preload(pb_preloaded_plugins);
    host = pb_plugin_host_new(NULL);
    for (int i = first; i < argc; i++)
        failed += fuzz_plugin(host, argv[i], &passed);
    printf("%u passed, %u failed\n", passed, failed);
    return failed || !passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
