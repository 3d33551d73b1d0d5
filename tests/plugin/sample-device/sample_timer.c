/*
 * A timer made up for docs/write-a-device.md: counts down in steps of a given length, raises an interrupt at zero,
 * starts again if it is periodic.
 *
 * Ports: irq, clock.
 */
#include <patchbay/device.h>

#define CTRL_ENABLE   (1u << 0)
#define CTRL_PERIODIC (1u << 1)
#define STATUS_ZERO   (1u << 0)

typedef struct sample_timer {
    uint32_t ctrl, load, status;
    uint64_t started_ns; /* when the count was `load` */
    uint64_t tick_hz;
    pb_timer *zero;
    pb_clock *clock;
    pb_line *irq;
} sample_timer;

static uint64_t ticks_to_ns(const sample_timer *s, uint64_t ticks)
{
    return ticks * UINT64_C(1000000000) / s->tick_hz;
}

static void update_irq(sample_timer *s)
{
    pb_line_set(s->irq, s->status & STATUS_ZERO);
}

/* Count down from `load`, from this moment on. */
static void start(sample_timer *s, uint64_t now_ns)
{
    s->started_ns = now_ns;
    if (s->ctrl & CTRL_ENABLE)
        pb_timer_set(s->zero, now_ns + ticks_to_ns(s, (uint64_t)s->load + 1));
    else
        pb_timer_cancel(s->zero);
}

static void reached_zero(void *self)
{
    sample_timer *s = self;

    s->status |= STATUS_ZERO;
    update_irq(s);
    if (s->ctrl & CTRL_PERIODIC)
        start(s, pb_clock_now_ns(s->clock));
}

/* The count is a function of time: nothing has to happen at each tick. */
static uint64_t count_read(void *self)
{
    const sample_timer *s = self;
    uint64_t ticks = (pb_clock_now_ns(s->clock) - s->started_ns) / ticks_to_ns(s, 1);

    if (!(s->ctrl & CTRL_ENABLE))
        return s->load;
    return ticks < s->load ? s->load - ticks : 0;
}

static void restart(void *self, uint64_t old, uint64_t now)
{
    sample_timer *s = self;

    start(s, pb_clock_now_ns(s->clock));
}

static void status_write(void *self, uint64_t old, uint64_t now)
{
    update_irq(self);
}

static const pb_field ctrl_fields[] = {
    { "ENABLE", 0, 1, .doc = "Count" },
    { "PERIODIC", 1, 1, .doc = "Start again at zero" },
    { "PRESCALE", 4, 2, .status = PB_UNMODELLED, .doc = "Divider of the tick" },
    { 0 },
};

static const pb_reg timer_regs[] = {
    { "CTRL", 0x0, 6, PB_STORE(sample_timer, ctrl), .write = restart, .write_mask = 0x33,
      .fields = ctrl_fields, .doc = "Control" },
    { "LOAD", 0x4, 32, PB_STORE(sample_timer, load), .write = restart, .reset = 0xffffffff,
      .doc = "First value" },
    { "COUNT", 0x8, 32, .mode = PB_RO, .read = count_read, .doc = "Ticks to zero" },
    { "STATUS", 0xc, 1, .mode = PB_W1C, PB_STORE(sample_timer, status), .write = status_write,
      .doc = "Zero was reached" },
    { 0 },
};

static const pb_region timer_regions[] = {
    { "regs", PB_REGION_REGS, 0x10, .regs = timer_regs, .access_min = 4, .access_max = 4,
      .doc = "Registers" },
    { 0 },
};

static const pb_prop timer_props[] = {
    { "tick-hz", PB_PROP_HZ, PB_MEMBER(sample_timer, tick_hz), "1MHz", .min = 1, .max = 1000000000,
      .doc = "Ticks per second" },
    { 0 },
};

static const pb_port timer_ports[] = {
    { "irq", PB_PROTOCOL_IRQ, PB_REQUIRES, PB_HANDLE(sample_timer, irq),
      .doc = "Zero was reached" },
    { "clock", PB_PROTOCOL_CLOCK, PB_REQUIRES, PB_HANDLE(sample_timer, clock),
      .doc = "Machine time" },
    { 0 },
};

static const pb_state timer_state[] = {
    PB_STATE(sample_timer, started_ns),
    PB_STATE_TIMER(sample_timer, zero, reached_zero),
    { 0 },
};

/* Registers have their reset values by now. */
static void reset(void *self)
{
    sample_timer *s = self;

    start(s, pb_clock_now_ns(s->clock));
    update_irq(s);
}

static const pb_device_type timer_type = {
    .head = {
        .size = sizeof(pb_device_type),
        .kind = PB_KIND_DEVICE,
        .name = "timer",
        .doc = "A timer that counts down",
        .instance_size = sizeof(sample_timer),
        .props = timer_props,
        .ports = timer_ports,
        .state = timer_state,
        .reset = reset,
    },
    .regions = timer_regions,
};

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-sample",
    .version = "0.1",
    .licence = "MIT",
    .doc = "The example of docs/write-a-device.md",
    .types = (const pb_class *const[]){ &timer_type.head, NULL },
};
