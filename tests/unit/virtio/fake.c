#include "fake.h"

static fake *the_fake; /* the callbacks have no other way to it */

/* ---- host ---------------------------------------------------------------------------------------- */

static void object_log(pb_object *object, uint32_t kind, const char *format, ...)
{
    fake *f = (fake *)object;
    size_t used = strlen(f->log);
    va_list args;

    va_start(args, format);
    vsnprintf(f->log + used, sizeof(f->log) - used, format, args);
    va_end(args);
}

static const pb_object_ops object_ops = { .size = sizeof(object_ops), .log = object_log };

static uint64_t now_ns(pb_clock *clock)
{
    return 1000;
}

static void timer_set(pb_timer *timer, uint64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
}

static void timer_cancel(pb_timer *timer)
{
    timer->deadline_ns = PB_TIMER_OFF;
}

static const pb_clock_iface clock_iface = {
    .size = sizeof(clock_iface),
    .now_ns = now_ns,
    .timer_set = timer_set,
    .timer_cancel = timer_cancel,
};

/* ---- memory -------------------------------------------------------------------------------------- */

static uint64_t in_ram(uint64_t gpa, uint64_t length)
{
    uint64_t left = gpa >= RAM_AT && gpa - RAM_AT < RAM_BYTES ? RAM_BYTES - (gpa - RAM_AT) : 0;

    return left < length ? left : length;
}

static pb_bus_result dma_read(pb_dma *dma, uint64_t gpa, void *to, uint64_t length)
{
    uint64_t n = in_ram(gpa, length);

    if (n)
        memcpy(to, the_fake->ram + (gpa - RAM_AT), n);
    return n == length ? PB_BUS_OK : PB_BUS_DECODE;
}

static pb_bus_result dma_write(pb_dma *dma, uint64_t gpa, const void *from, uint64_t length)
{
    uint64_t n = in_ram(gpa, length);

    if (the_fake->on_write)
        the_fake->on_write(the_fake, gpa);
    if (n)
        memcpy(the_fake->ram + (gpa - RAM_AT), from, n);
    return n == length ? PB_BUS_OK : PB_BUS_DECODE;
}

static const pb_dma_iface dma_iface = {
    .size = sizeof(dma_iface),
    .read = dma_read,
    .write = dma_write,
};

void fake_put16(fake *f, uint64_t gpa, uint16_t value)
{
    memcpy(f->ram + (gpa - RAM_AT), &value, sizeof(value));
}

uint16_t fake_get16(const fake *f, uint64_t gpa)
{
    uint16_t value;

    memcpy(&value, f->ram + (gpa - RAM_AT), sizeof(value));
    return value;
}

uint32_t fake_get32(const fake *f, uint64_t gpa)
{
    uint32_t value;

    memcpy(&value, f->ram + (gpa - RAM_AT), sizeof(value));
    return value;
}

/* ---- device -------------------------------------------------------------------------------------- */

static uint64_t features(void *self)
{
    return 1;
}

static void queue_notify(void *self, uint32_t queue)
{
    if (the_fake->notified)
        the_fake->notified(the_fake, queue);
}

static void reset(void *self)
{
    the_fake->resets++;
}

static bool busy(void *self)
{
    return the_fake->busy;
}

static void update_interrupt(void *transport)
{
    the_fake->interrupts++;
}

/* ---- driver -------------------------------------------------------------------------------------- */

static void set_up_queue(fake *f, uint16_t size)
{
    virtq *q;

    f->bus.s.queue_sel = 0;
    q = virtio_selected_queue(&f->bus);
    virtio_set_queue_size(&f->bus, size);
    q->desc = DESC_AT;
    q->driver = DRIVER_AT;
    q->device = DEVICE_AT;
    virtio_set_queue_ready(&f->bus, true);
}

void fake_init(fake *f, uint16_t size, uint64_t wanted)
{
    memset(f, 0, sizeof(*f));
    the_fake = f;
    f->object.ops = &object_ops;
    f->dma.iface = &dma_iface;
    f->clock.iface = &clock_iface;
    f->timer = (pb_timer){ &f->clock, PB_TIMER_OFF };
    f->iface = (virtio_device_iface){ .size = sizeof(f->iface),
                                      .n_queues = 2,
                                      .queue_size = VIRTQ_SIZE_MAX,
                                      .features = features,
                                      .queue_notify = queue_notify,
                                      .reset = reset,
                                      .busy = busy };
    f->link = (pb_link){ .iface = &f->iface };
    f->size = size;
    f->bus.device = &f->link;
    f->bus.next_turn = &f->timer;
    f->bus.update_interrupt = update_interrupt;
    virtio_bus_init(&f->bus, &f->object, &f->dma, f);
    virtio_bus_reset(&f->bus);
    virtio_set_status(&f->bus, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    virtio_set_driver_features(&f->bus, 0, (uint32_t)wanted);
    virtio_set_driver_features(&f->bus, 1, 1);
    virtio_set_status(&f->bus, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    set_up_queue(f, size);
    virtio_set_status(&f->bus,
                      VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
    f->interrupts = f->resets = 0;
}

void fake_describe(fake *f, uint64_t table, uint32_t i, uint64_t gpa, uint32_t length,
                   uint16_t flags, uint16_t next)
{
    uint8_t *at = f->ram + (table - RAM_AT) + 16 * (size_t)i;

    memcpy(at, &gpa, 8);
    memcpy(at + 8, &length, 4);
    memcpy(at + 12, &flags, 2);
    memcpy(at + 14, &next, 2);
}

void fake_add(fake *f, uint16_t head)
{
    fake_put16(f, DRIVER_AT + 4 + 2 * (uint64_t)(f->avail % f->size), head);
    fake_set_avail(f, (uint16_t)(f->avail + 1));
}

void fake_set_avail(fake *f, uint16_t index)
{
    f->avail = index;
    fake_put16(f, DRIVER_AT + 2, index);
}

/* ---- expectations -------------------------------------------------------------------------------- */

void fake_expect_broken(fake *f, const char *why)
{
    static virtq_chain chain;
    bool said = strstr(f->log, why) != NULL;

    if (!said)
        printf("\n    log is \"%s\", expected \"%s\"\n", f->log, why);
    CU_ASSERT(said);
    CU_ASSERT(f->bus.s.status & VIRTIO_NEEDS_RESET);
    CU_ASSERT(f->bus.s.interrupt & VIRTIO_INTERRUPT_CONFIG);
    CU_ASSERT_FALSE(virtio_running(&f->bus));
    CU_ASSERT_FALSE(virtq_pop(&f->bus, 0, &chain));
}

void fake_expect_fine(fake *f)
{
    if (*f->log)
        printf("\n    log is \"%s\"\n", f->log);
    CU_ASSERT_EQUAL(*f->log, 0);
    CU_ASSERT(virtio_running(&f->bus));
}
