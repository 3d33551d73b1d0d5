/*
 * Arm PrimeCell Real Time Clock (PL031). Arm DDI 0224, revision r1p3.
 *
 * Ports: irq (RTCINTR), clock.
 * The hardware's counter starts at zero and firmware sets it from elsewhere; ours starts at the machine's
 * calendar time, as boards with a battery behave.
 */
#include <patchbay/device.h>

typedef struct pl031 {
    pb_object *self;
    pb_clock *clock;
    pb_line *irq;
    pb_timer *match;
    uint32_t offset; /* counter minus the machine's calendar seconds, modulo 2^32 */
    uint32_t mr, lr, cr, imsc, ris;
} pl031;

static uint32_t counter(const pl031 *s)
{
    return (uint32_t)pb_clock_wall_s(s->clock) + s->offset;
}

static void update_irq(pl031 *s)
{
    pb_line_set(s->irq, (s->ris & s->imsc) != 0);
}

/* The counter steps when machine time passes a whole second; set the timer to the step that
 * makes it equal to RTCMR. */
static void schedule_match(pl031 *s)
{
    const uint64_t second = 1000000000;
    uint64_t ticks = s->mr - counter(s);

    if (ticks == 0)
        ticks = UINT64_C(1) << 32;
    pb_timer_set(s->match, (pb_clock_now_ns(s->clock) / second + ticks) * second);
}

static void match_expired(void *self)
{
    pl031 *s = self;

    s->ris = 1;
    update_irq(s);
    schedule_match(s);
}

static void compare(pl031 *s)
{
    if (counter(s) == s->mr)
        match_expired(s);
    else
        schedule_match(s);
}

static uint64_t dr_read(void *self)
{
    return counter(self);
}
static void mr_write(void *self, uint64_t old, uint64_t now)
{
    compare(self);
}

static void lr_write(void *self, uint64_t old, uint64_t now)
{
    pl031 *s = self;

    s->offset = (uint32_t)now - (uint32_t)pb_clock_wall_s(s->clock);
    compare(s);
}

/* Once started the counter runs until reset (3.3.4). */
static void cr_write(void *self, uint64_t old, uint64_t now)
{
    ((pl031 *)self)->cr = 1;
}
static void imsc_write(void *self, uint64_t old, uint64_t now)
{
    update_irq(self);
}
static uint64_t mis_read(void *self)
{
    return ((pl031 *)self)->ris & ((pl031 *)self)->imsc;
}

static void icr_write(void *self, uint64_t old, uint64_t now)
{
    pl031 *s = self;

    s->ris &= ~(uint32_t)now;
    update_irq(s);
}

static const pb_reg pl031_regs[] = {
    { "RTCDR", 0x00, 32, .mode = PB_RO, .read = dr_read, .doc = "Data: the counter" },
    { "RTCMR", 0x04, 32, PB_STORE(pl031, mr), .write = mr_write, .doc = "Match" },
    { "RTCLR", 0x08, 32, PB_STORE(pl031, lr), .write = lr_write, .doc = "Load: sets the counter" },
    { "RTCCR", 0x0c, 1, PB_STORE(pl031, cr), .reset = 1, .write = cr_write,
      .doc = "Control: started; stays set until reset" },
    { "RTCIMSC", 0x10, 1, PB_STORE(pl031, imsc), .write = imsc_write, .doc = "Interrupt mask" },
    { "RTCRIS", 0x14, 1, .mode = PB_RO, PB_STORE(pl031, ris), .doc = "Raw interrupt status" },
    { "RTCMIS", 0x18, 1, .mode = PB_RO, .read = mis_read, .doc = "Masked interrupt status" },
    { "RTCICR", 0x1c, 1, .mode = PB_WO, .write = icr_write, .raw_write = true,
      .doc = "Interrupt clear" },
    { "RTCPeriphID0", 0xfe0, 8, .mode = PB_RO, .reset = 0x31, .doc = "Part number" },
    { "RTCPeriphID1", 0xfe4, 8, .mode = PB_RO, .reset = 0x10, .doc = "Part number, designer" },
    { "RTCPeriphID2", 0xfe8, 8, .mode = PB_RO, .reset = 0x04, .doc = "Designer, revision" },
    { "RTCPeriphID3", 0xfec, 8, .mode = PB_RO, .reset = 0x00, .doc = "Configuration" },
    { "RTCPCellID0", 0xff0, 8, .mode = PB_RO, .reset = 0x0d, .doc = "PrimeCell identification" },
    { "RTCPCellID1", 0xff4, 8, .mode = PB_RO, .reset = 0xf0, .doc = "PrimeCell identification" },
    { "RTCPCellID2", 0xff8, 8, .mode = PB_RO, .reset = 0x05, .doc = "PrimeCell identification" },
    { "RTCPCellID3", 0xffc, 8, .mode = PB_RO, .reset = 0xb1, .doc = "PrimeCell identification" },
    { 0 },
};

static void pl031_reset(void *self)
{
    pl031 *s = self;

    s->offset = 0;
    schedule_match(s);
    update_irq(s);
}

static const pb_port pl031_ports[] = {
    { "irq", PB_PROTOCOL_IRQ, PB_REQUIRES, PB_HANDLE(pl031, irq), .optional = true,
      .doc = "RTCINTR" },
    { "clock", PB_PROTOCOL_CLOCK, PB_REQUIRES, PB_HANDLE(pl031, clock), .optional = true,
      .doc = "Calendar; the machine's unless wired" },
    { 0 },
};

static const pb_state pl031_state[] = {
    PB_STATE(pl031, offset),
    PB_STATE_TIMER(pl031, match, match_expired),
    { 0 },
};

static const pb_region pl031_regions[] = {
    { "registers", PB_REGION_REGS, 0x1000, .regs = pl031_regs, .access_max = 4,
      .doc = "Registers" },
    { 0 },
};

static const char *const pl031_compatible[] = { "arm,pl031", "arm,primecell", NULL };
static const char *const pl031_clocks[] = { "apb_pclk", NULL };
static const pb_fdt_desc pl031_fdt = {
    .size = sizeof(pb_fdt_desc),
    .node = "pl031",
    .compatible = pl031_compatible,
    .clock_names = pl031_clocks,
};

static const pb_device_type pl031_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "pl031",
              .doc = "Arm PrimeCell Real Time Clock",
              .instance_size = sizeof(pl031),
              PB_SELF(pl031, self),
              .ports = pl031_ports,
              .state = pl031_state,
              .reset = pl031_reset },
    .regions = pl031_regions,
    .fdt = &pl031_fdt,
    .manual = "Arm DDI 0224, r1p3",
};

static const pb_class *const types[] = { &pl031_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-pl031",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Arm PrimeCell Real Time Clock",
    .types = types,
};
