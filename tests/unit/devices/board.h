/*
 * One device of an installed plugin in the fake machine of tests/device, for what register scripts cannot say.
 */
#ifndef TESTS_DEVICES_BOARD_H
#define TESTS_DEVICES_BOARD_H

#include <fake_machine.h>
#include <plugins/preloaded.h>

#include "../runner.h"

typedef struct board {
    pb_plugin_host *host;
    fake_machine *machine;
    pb_instance *device;
} board;

/* Not started: more can be added. `properties` are pairs of name and text, ended by null. */
static inline board board_new(const char *type, const char *const *properties)
{
    g_autoptr(GError) error = NULL;
    const pb_class *class;
    board b = { 0 };

    pb_plugin_host_preload(pb_preloaded_plugins);
    b.host = pb_plugin_host_new(NULL);
    class = pb_plugin_host_type(b.host, PB_KIND_DEVICE, type, &error);
    if (!class)
        printf("%s\n", error->message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(class);
    b.machine = fake_machine_new(b.host);
    b.device = fake_machine_add(b.machine, class, "device");
    for (; properties && *properties; properties += 2)
        CU_ASSERT_FATAL(pb_instance_set(b.device, properties[0], properties[1], &error));
    CU_ASSERT_FATAL(pb_instance_settle_properties(b.device, &error));
    return b;
}

static inline void board_start(board *b)
{
    g_autoptr(GError) error = NULL;
    bool started = fake_machine_start(b->machine, false, &error);

    if (!started)
        printf("%s\n", error->message);
    CU_ASSERT_FATAL(started);
}

static inline void board_free(board *b)
{
    fake_machine_free(b->machine);
    pb_plugin_host_free(b->host);
}

static inline pb_port_ref board_port(board *b, const char *name)
{
    g_autoptr(GError) error = NULL;
    pb_port_ref port = { 0 };

    CU_ASSERT_FATAL(pb_instance_port(b->device, name, &port, &error));
    return port;
}

/* The machine's end of a port by name, such as "spi[3]". */
static inline fake_end *board_end(board *b, const char *name)
{
    pb_port_ref port = board_port(b, name);
    fake_end *end = fake_machine_end(b->machine, &port);

    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    return end;
}

/* A provided port of a protocol that the fake machine leaves alone, to be called by the test. */
static inline pb_link board_attach(board *b, const char *name, const void *iface, void *self)
{
    g_autoptr(GError) error = NULL;
    pb_port_ref port = board_port(b, name);
    pb_link link = { 0 };
    bool attached = pb_instance_attach(&port, iface, self, 0, &link, &error);

    if (!attached)
        printf("%s\n", error->message);
    CU_ASSERT_FATAL(attached);
    return link;
}

static inline uint64_t board_read(board *b, uint32_t region, uint64_t offset, uint32_t size)
{
    uint64_t value;

    CU_ASSERT_EQUAL(fake_machine_read(b->machine, b->device, region, offset, size, &value),
                    PB_BUS_OK);
    return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

static inline void board_write(board *b, uint32_t region, uint64_t offset, uint32_t size,
                               uint64_t value)
{
    CU_ASSERT_EQUAL(fake_machine_write(b->machine, b->device, region, offset, size, value),
                    PB_BUS_OK);
}

#endif
