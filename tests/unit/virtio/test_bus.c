/*
 * Negotiation and status (plugins/dev-virtio/bus.c). VIRTIO 1.2, 2.1, 2.2, 3.1.
 */
#include "fake.h"

static fake f;

enum { DRIVER_HERE = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER };

/* As fake_init left it, but before negotiation. */
static void start(void)
{
    fake_init(&f, 8, 0);
    virtio_set_status(&f.bus, 0);
    virtio_set_status(&f.bus, DRIVER_HERE);
}

static void features(void)
{
    start();
    CU_ASSERT_EQUAL(virtio_features(&f.bus),
                    VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | 1);
    virtio_set_driver_features(&f.bus, 0, 0x20000003);
    virtio_set_driver_features(&f.bus, 1, 1);
    virtio_set_driver_features(&f.bus, 2, 0xffffffff); /* there is no such word */
    CU_ASSERT_EQUAL(f.bus.s.driver_features, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.log, "features that were not offered: 0x2"));
    virtio_set_status(&f.bus, DRIVER_HERE | VIRTIO_FEATURES_OK);
    CU_ASSERT_EQUAL(virtio_status(&f.bus), DRIVER_HERE | VIRTIO_FEATURES_OK);
    virtio_set_driver_features(&f.bus, 0, 0); /* too late */
    CU_ASSERT(virtio_has(&f.bus, VIRTIO_F_EVENT_IDX));
}

static void legacy_drivers_are_refused(void)
{
    start();
    virtio_set_driver_features(&f.bus, 0, 1);
    virtio_set_status(&f.bus, DRIVER_HERE | VIRTIO_FEATURES_OK);
    CU_ASSERT_EQUAL(virtio_status(&f.bus), DRIVER_HERE);
    virtio_set_status(&f.bus, DRIVER_HERE | VIRTIO_DRIVER_OK); /* it goes on all the same */
    CU_ASSERT_FALSE(virtio_running(&f.bus));
}

static void status(void)
{
    fake_init(&f, 8, 0);
    CU_ASSERT(virtio_running(&f.bus));
    virtio_set_status(&f.bus, 0xffffff00 | f.bus.s.status | VIRTIO_NEEDS_RESET);
    CU_ASSERT_EQUAL(virtio_status(&f.bus), 15); /* eight bits, of which one is not the driver's */
    virtq_break(&f.bus, 0, "it broke");
    CU_ASSERT_EQUAL(virtio_status(&f.bus), 15 | VIRTIO_NEEDS_RESET);
    virtio_set_status(&f.bus, 15);
    CU_ASSERT_EQUAL(virtio_status(&f.bus), 15 | VIRTIO_NEEDS_RESET); /* only a reset helps */
    virtio_set_status(&f.bus, 0);
    CU_ASSERT_EQUAL(virtio_status(&f.bus), 0);
    CU_ASSERT_EQUAL(f.resets, 1);
    CU_ASSERT_EQUAL(f.bus.s.interrupt, 0);
    CU_ASSERT_EQUAL(f.bus.s.queues[0].ready, 0);
    CU_ASSERT_EQUAL(f.bus.s.queues[0].size, VIRTQ_SIZE_MAX);
}

static void a_reset_takes_as_long_as_requests_do(void)
{
    fake_init(&f, 8, 0);
    f.busy = true;
    CU_ASSERT_EQUAL(virtio_status(&f.bus), 15);
    virtio_set_status(&f.bus, 0);
    CU_ASSERT_NOT_EQUAL(virtio_status(&f.bus), 0);
    virtio_set_status(&f.bus, virtio_status(&f.bus) | VIRTIO_ACKNOWLEDGE); /* who does not wait */
    CU_ASSERT_EQUAL(virtio_status(&f.bus), VIRTIO_ACKNOWLEDGE);
    virtio_set_status(&f.bus, 0);
    f.busy = false;
    CU_ASSERT_EQUAL(virtio_status(&f.bus), 0);
}

static void queues(void)
{
    fake_init(&f, 8, 0);
    f.bus.s.queue_sel = 1;
    CU_ASSERT_PTR_EQUAL(virtio_selected_queue(&f.bus), &f.bus.s.queues[1]);
    virtio_set_queue_size(&f.bus, 0);
    virtio_set_queue_size(&f.bus, 3);
    virtio_set_queue_size(&f.bus, 2 * VIRTQ_SIZE_MAX);
    virtio_set_queue_size(&f.bus, 0x10008);
    CU_ASSERT_EQUAL(f.bus.s.queues[1].size, VIRTQ_SIZE_MAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.log, "queue 1: size 3 is not a power of two up to 1024"));
    virtio_set_queue_size(&f.bus, 1);
    CU_ASSERT_EQUAL(f.bus.s.queues[1].size, 1);
    virtio_set_queue_ready(&f.bus, true);
    virtio_set_queue_size(&f.bus, 2); /* in use */
    CU_ASSERT_EQUAL(f.bus.s.queues[1].size, 1);
    static const uint32_t none[] = { 2, 8, 64, 0xffff, 0xffffffff };
    for (size_t i = 0; i < PB_ARRAY_SIZE(none); i++) {
        f.bus.s.queue_sel = none[i];
        CU_ASSERT_PTR_NULL(virtio_selected_queue(&f.bus));
        virtio_set_queue_size(&f.bus, 1);
        virtio_set_queue_ready(&f.bus, true);
        f.log[0] = 0;
        virtio_queue_notify(&f.bus, none[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(f.log, "which does not exist"));
    }
}

static unsigned notifications;

static void count(fake *me, uint32_t queue)
{
    notifications++;
}

static void notifications_count_when_the_driver_is_ready(void)
{
    fake_init(&f, 8, 0);
    f.notified = count;
    notifications = 0;
    virtio_queue_notify(&f.bus, 0);
    virtio_queue_notify(&f.bus, 1);
    CU_ASSERT_EQUAL(notifications, 2);
    virtq_break(&f.bus, 0, "it broke");
    virtio_queue_notify(&f.bus, 0);
    virtio_set_status(&f.bus, 0);
    virtio_queue_notify(&f.bus, 0);
    CU_ASSERT_EQUAL(notifications, 2);
}

static bool may_not(void *transport)
{
    return false;
}

static void without_bus_mastering_nothing_moves(void)
{
    static virtq_chain chain;

    fake_init(&f, 8, VIRTIO_F_EVENT_IDX);
    f.notified = count;
    f.bus.may_dma = may_not;
    notifications = 0;
    fake_add(&f, 0);
    virtio_queue_notify(&f.bus, 0);
    CU_ASSERT_EQUAL(notifications, 0);
    CU_ASSERT_FALSE(virtq_pop(&f.bus, 0, &chain));
    virtq_push(&f.bus, 0, 0, 0);
    CU_ASSERT_EQUAL(fake_get16(&f, DEVICE_AT + 2), 0);
    f.bus.may_dma = NULL;
    fake_expect_fine(&f);
}

static void no_device(void)
{
    fake_init(&f, 8, 0);
    virtio_set_status(&f.bus, 0);
    f.bus.device = NULL;
    CU_ASSERT_EQUAL(virtio_features(&f.bus), 0);
    virtio_set_driver_features(&f.bus, 0, 0xffffffff);
    virtio_set_status(&f.bus, 15);
    CU_ASSERT_EQUAL(virtio_status(&f.bus), 0);
    virtio_queue_notify(&f.bus, 0);
    CU_ASSERT_EQUAL(virtio_config_read(&f.bus, 0), 0);
    virtio_config_write(&f.bus, 0, 1);
    CU_ASSERT_PTR_NULL(virtio_selected_queue(&f.bus));
    virtio_bus_reset(&f.bus);
}

int main(void)
{
    static const unit_case cases[] = {
        { "features", features },
        { "legacy drivers are refused", legacy_drivers_are_refused },
        { "status", status },
        { "a reset with requests under way", a_reset_takes_as_long_as_requests_do },
        { "queues", queues },
        { "notifications", notifications_count_when_the_driver_is_ready },
        { "no bus mastering", without_bus_mastering_nothing_moves },
        { "no device", no_device },
        { 0 },
    };

    return unit_run("virtio bus", cases);
}
