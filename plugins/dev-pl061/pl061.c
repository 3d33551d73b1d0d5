/*
 * Arm PrimeCell General Purpose Input/Output (PL061). Arm DDI 0190, revision r1p0.
 *
 * Ports: in[8] (inputs), out[8] (outputs), irq (GPIOINTR).
 * Not modelled: hardware control of the lines (GPIOAFSEL): all lines stay under software control.
 */
#include <patchbay/device.h>

#define LINES 8

typedef struct pl061 {
    pb_object *self;
    pb_line *irq, *out[LINES];
    uint32_t data;  /* output latches */
    uint32_t input; /* levels of the input ports */
    uint32_t dir, is, ibe, iev, ie, edges, afsel;
} pl061;

/* The level of each line: outputs read back what drives them (2.2.1). */
static uint32_t lines(const pl061 *s)
{
    return (s->data & s->dir) | (s->input & ~s->dir);
}

/* Raw interrupts: latched edges, and levels that are there now (3.3.7). */
static uint32_t raw(const pl061 *s)
{
    return (s->edges & ~s->is) | (s->is & ~(lines(s) ^ s->iev) & 0xff);
}

/* Levels may have changed from `before`: detect edges, drive outputs and the interrupt. */
static void update(pl061 *s, uint32_t before)
{
    uint32_t now = lines(s), changed = now ^ before;

    s->edges |= changed & ~s->is & (s->ibe | ~(now ^ s->iev));
    for (int i = 0; i < LINES; i++)
        pb_line_set(s->out[i], (s->data & s->dir) >> i & 1);
    pb_line_set(s->irq, (raw(s) & s->ie) != 0);
}

static void in_set(void *self, uint32_t index, bool level)
{
    pl061 *s = self;
    uint32_t before = lines(s);

    s->input = (s->input & ~(1u << index)) | (uint32_t)level << index;
    update(s, before);
}

/* Address bits 9:2 select the lines that a read or write of GPIODATA means (3.3.1). */
static uint64_t data_read(void *self, const pb_access *a)
{
    return lines(self) & a->index;
}
static void data_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    pl061 *s = self;
    uint32_t before = lines(s), mask = a->index & s->dir;

    s->data = (s->data & ~mask) | ((uint32_t)now & mask);
    update(s, before);
}

static void dir_write(void *self, uint64_t old, uint64_t now)
{
    pl061 *s = self;

    update(s, (s->data & (uint32_t)old) | (s->input & ~(uint32_t)old));
}

static void control_write(void *self, uint64_t old, uint64_t now)
{
    update(self, lines(self));
}
static uint64_t ris_read(void *self)
{
    return raw(self);
}
static uint64_t mis_read(void *self)
{
    return raw(self) & ((pl061 *)self)->ie;
}

static void ic_write(void *self, uint64_t old, uint64_t now)
{
    pl061 *s = self;

    s->edges &= ~(uint32_t)now;
    update(s, lines(s));
}

static const pb_reg pl061_regs[] = {
    { "GPIODATA", 0x000, 8, .count = 256, .stride = 4, .read_at = data_read, .write_at = data_write,
      .raw_write = true, .doc = "Data; the address selects the lines" },
    { "GPIODIR", 0x400, 8, PB_STORE(pl061, dir), .write = dir_write,
      .doc = "Direction: 1 is output" },
    { "GPIOIS", 0x404, 8, PB_STORE(pl061, is), .write = control_write,
      .doc = "Interrupt sense: 1 is level" },
    { "GPIOIBE", 0x408, 8, PB_STORE(pl061, ibe), .write = control_write,
      .doc = "Interrupt both edges" },
    { "GPIOIEV", 0x40c, 8, PB_STORE(pl061, iev), .write = control_write,
      .doc = "Interrupt event: 1 is rising or high" },
    { "GPIOIE", 0x410, 8, PB_STORE(pl061, ie), .write = control_write, .doc = "Interrupt mask" },
    { "GPIORIS", 0x414, 8, .mode = PB_RO, .read = ris_read, .doc = "Raw interrupt status" },
    { "GPIOMIS", 0x418, 8, .mode = PB_RO, .read = mis_read, .doc = "Masked interrupt status" },
    { "GPIOIC", 0x41c, 8, .mode = PB_WO, .write = ic_write, .raw_write = true,
      .doc = "Interrupt clear" },
    { "GPIOAFSEL", 0x420, 8, PB_STORE(pl061, afsel), .status = PB_UNMODELLED,
      .doc = "Mode control select: hardware control" },
    { "GPIOPeriphID0", 0xfe0, 8, .mode = PB_RO, .reset = 0x61, .doc = "Part number" },
    { "GPIOPeriphID1", 0xfe4, 8, .mode = PB_RO, .reset = 0x10, .doc = "Part number, designer" },
    { "GPIOPeriphID2", 0xfe8, 8, .mode = PB_RO, .reset = 0x04, .doc = "Designer, revision" },
    { "GPIOPeriphID3", 0xfec, 8, .mode = PB_RO, .reset = 0x00, .doc = "Configuration" },
    { "GPIOPCellID0", 0xff0, 8, .mode = PB_RO, .reset = 0x0d, .doc = "PrimeCell identification" },
    { "GPIOPCellID1", 0xff4, 8, .mode = PB_RO, .reset = 0xf0, .doc = "PrimeCell identification" },
    { "GPIOPCellID2", 0xff8, 8, .mode = PB_RO, .reset = 0x05, .doc = "PrimeCell identification" },
    { "GPIOPCellID3", 0xffc, 8, .mode = PB_RO, .reset = 0xb1, .doc = "PrimeCell identification" },
    { 0 },
};

static void pl061_reset(void *self)
{
    pl061 *s = self;

    s->data = 0;
    s->edges = 0;
    update(s, lines(s));
}

static const pb_line_iface in_iface = { sizeof(pb_line_iface), in_set };

static const pb_port pl061_ports[] = {
    { "in", PB_PROTOCOL_GPIO, PB_PROVIDES, .count = LINES, .iface = &in_iface, .doc = "Inputs" },
    { "out", PB_PROTOCOL_GPIO, PB_REQUIRES, .count = LINES, PB_HANDLE(pl061, out), .optional = true,
      .doc = "Outputs" },
    { "irq", PB_PROTOCOL_IRQ, PB_REQUIRES, PB_HANDLE(pl061, irq), .optional = true,
      .doc = "GPIOINTR" },
    { 0 },
};

static const pb_state pl061_state[] = {
    PB_STATE(pl061, data),
    PB_STATE(pl061, input),
    PB_STATE(pl061, edges),
    { 0 },
};

static const pb_region pl061_regions[] = {
    { "registers", PB_REGION_REGS, 0x1000, .regs = pl061_regs, .access_max = 4,
      .doc = "Registers" },
    { 0 },
};

/* Linux Documentation/devicetree/bindings/gpio/pl061-gpio.yaml. */
static bool pl061_fdt_extra(void *self, const pb_fdt_writer *w, pb_error *error)
{
    const uint32_t gpio_cells = 2;

    w->empty(w, "gpio-controller");
    w->cells(w, "#gpio-cells", &gpio_cells, 1);
    return true;
}

static const char *const pl061_compatible[] = { "arm,pl061", "arm,primecell", NULL };
static const char *const pl061_clocks[] = { "apb_pclk", NULL };
static const pb_fdt_desc pl061_fdt = {
    .size = sizeof(pb_fdt_desc),
    .node = "pl061",
    .compatible = pl061_compatible,
    .clock_names = pl061_clocks,
    .extra = pl061_fdt_extra,
};

static const pb_device_type pl061_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "pl061",
              .doc = "Arm PrimeCell General Purpose Input/Output",
              .instance_size = sizeof(pl061),
              PB_SELF(pl061, self),
              .ports = pl061_ports,
              .state = pl061_state,
              .reset = pl061_reset },
    .regions = pl061_regions,
    .fdt = &pl061_fdt,
    .manual = "Arm DDI 0190, r1p0",
};

static const pb_class *const types[] = { &pl061_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-pl061",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Arm PrimeCell General Purpose Input/Output",
    .types = types,
};
