/* Types for tests of the composer: see catalog.h. Only tables count; nothing is ever called. */
#include "catalog.h"

#include <core/plugin/plugin_host.h>
#include <string.h>

typedef struct uart {
    uint32_t clock;
    uint8_t mode;
    const char *log;
    pb_uints irqs;
    const pb_link *serial;
    pb_line *irq;
} uart;

static const char *const uart_modes[] = { "slow", "fast", NULL };

static const pb_prop uart_props[] = {
    { "clock", PB_PROP_HZ, PB_MEMBER(uart, clock), .initial = "24MHz", .min = 1000,
      .max = 100000000 },
    { "mode", PB_PROP_ENUM, PB_MEMBER(uart, mode), .initial = "slow", .choices = uart_modes },
    { "log", PB_PROP_PATH, PB_MEMBER(uart, log), .initial = "" },
    { "list", PB_PROP_UINTS, PB_MEMBER(uart, irqs), .initial = "" },
    { 0 }
};

static const pb_port uart_ports[] = { { "irq", PB_PROTOCOL_IRQ, PB_REQUIRES, PB_HANDLE(uart, irq) },
                                      { "serial", PB_PROTOCOL_CHAR, PB_REQUIRES,
                                        PB_HANDLE(uart, serial), .optional = true },
                                      { 0 } };

static const pb_region uart_regions[] = { { "registers", PB_REGION_MMIO, .bytes = 0x1000 }, { 0 } };

static const pb_device_type uart_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "uart",
              .props = uart_props,
              .ports = uart_ports },
    .regions = uart_regions,
};

typedef struct intc {
    uint32_t cpus, inputs;
    uint64_t bytes;
} intc;

static const pb_prop intc_props[] = {
    { "cpus", PB_PROP_UINT, PB_MEMBER(intc, cpus), .initial = "1", .max = 8 },
    { "inputs", PB_PROP_UINT, PB_MEMBER(intc, inputs), .doc = "number of inputs" },
    { "size", PB_PROP_SIZE, PB_MEMBER(intc, bytes), .initial = "64KiB" },
    { 0 }
};

static const pb_port intc_ports[] = { { "in", PB_PROTOCOL_IRQ, PB_PROVIDES,
                                        PB_COUNT(intc, inputs) },
                                      { "out", PB_PROTOCOL_IRQ, PB_REQUIRES, PB_COUNT(intc, cpus) },
                                      { 0 } };

static const pb_region intc_regions[] = { { "distributor", PB_REGION_MMIO, .bytes = 0x1000 },
                                          { "interface", PB_REGION_MMIO,
                                            PB_REGION_SIZE(intc, bytes) },
                                          { 0 } };

static const pb_device_type intc_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "intc",
              .props = intc_props,
              .ports = intc_ports },
    .regions = intc_regions,
};

typedef struct slots {
    int unused;
} slots;

static const pb_port bridge_ports[] = { { "slot", "pci", PB_PROVIDES, .count = 4 }, { 0 } };

static const pb_device_type bridge_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "bridge",
              .ports = bridge_ports },
};

static const pb_port card_ports[] = { { "slot", "pci", PB_REQUIRES },
                                      { "drive", PB_PROTOCOL_BLOCK, PB_REQUIRES },
                                      { 0 } };

typedef struct card {
    const char *serial;
} card;

static const pb_prop card_props[] = {
    { "serial", PB_PROP_STRING, PB_MEMBER(card, serial), .initial = "" }, { 0 }
};

static const pb_region card_regions[] = {
    { "bar", PB_REGION_MMIO, .bytes = 0x1000, .placed_by_bus = true }, { 0 }
};

static const pb_device_type card_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "card",
              .ports = card_ports,
              .props = card_props },
    .regions = card_regions,
};

static const pb_port cpu_ports[] = { { "irq", PB_PROTOCOL_IRQ, PB_PROVIDES },
                                     { "fiq", PB_PROTOCOL_IRQ, PB_PROVIDES },
                                     { "timer", PB_PROTOCOL_IRQ, PB_REQUIRES, .optional = true },
                                     { 0 } };

static const pb_class cpu_type = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_CPU,
    .name = "cpu",
    .ports = cpu_ports,
};

typedef struct disk {
    const char *file;
    bool read_only;
} disk;

static const pb_prop disk_props[] = {
    { "file", PB_PROP_PATH, PB_MEMBER(disk, file), .doc = "image" },
    { "read-only", PB_PROP_BOOL, PB_MEMBER(disk, read_only), .initial = "false" },
    { 0 }
};

static const pb_port disk_ports[] = { { "drive", PB_PROTOCOL_BLOCK, PB_PROVIDES }, { 0 } };
static const pb_port char_ports[] = { { "serial", PB_PROTOCOL_CHAR, PB_PROVIDES }, { 0 } };

static const pb_class disk_type = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "disk",
    .ports = disk_ports,
    .props = disk_props,
};
static const pb_class stdio_type = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "stdio",
    .ports = char_ports,
};
static const pb_class interp_type = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_ACCEL,
    .name = "interp",
    .props = card_props,
};

static const pb_class *const types[] = {
    &uart_type.head, &intc_type.head, &bridge_type.head, &card_type.head,
    &cpu_type,       &disk_type,      &stdio_type,       &interp_type,
};

static const pb_class *find(void *opaque, pb_kind kind, const char *type, GError **error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i]->kind == kind && strcmp(types[i]->name, type) == 0)
            return types[i];
    }
    g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_MISSING, "no type '%s'", type);
    return NULL;
}

static void finish(composed *c, const pb_yaml_node *root, const pb_plan_options *options)
{
    static const pb_plan_options none = { 0 };
    const pb_catalog catalog = { find, NULL };

    if (root)
        c->plan = pb_plan_compose(c->yaml, root, options ? options : &none, &catalog, c->diags);
    c->errors = pb_diags_text(c->diags);
}

composed compose_text_with(const char *text, const pb_plan_options *options)
{
    composed c = { pb_yaml_new(), pb_diags_new(), NULL, NULL };

    finish(&c, pb_yaml_parse(c.yaml, "f", text, strlen(text), c.diags), options);
    return c;
}

composed compose_file_with(const char *file, const pb_plan_options *options)
{
    composed c = { pb_yaml_new(), pb_diags_new(), NULL, NULL };

    finish(&c, pb_source_load(c.yaml, file, c.diags), options);
    return c;
}

composed compose_string(const char *text)
{
    return compose_text_with(text, NULL);
}

void composed_free(composed *c)
{
    pb_plan_free(c->plan);
    pb_yaml_free(c->yaml);
    pb_diags_free(c->diags);
    g_free(c->errors);
}
