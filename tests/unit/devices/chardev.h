/*
 * One backend of host-chardev on a main loop of its own, with clients that the test plays, behind
 * the checking layer.
 */
#ifndef TESTS_DEVICES_CHARDEV_H
#define TESTS_DEVICES_CHARDEV_H

#include <core/device/object.h>
#include <core/plugin/plugin_host.h>
#include <core/sched/sched.h>
#include <plugins/preloaded.h>

#include "../runner.h"

#define RIG_CLIENTS 3

typedef struct rig rig;

/* Plays a device at a port of the backend. */
typedef struct rig_client {
    rig *rig;
    pb_link backend;
    uint32_t room;  /* what it takes before the test gives it more */
    uint32_t nests; /* asks for more while it receives, until it has that many bytes */
    bool receiving;
    GString *got;    /* bytes; <opened>, <closed>, <break> */
    uint32_t ready;  /* times that it was told */
    uint32_t pieces; /* times that it received */
} rig_client;

struct rig {
    pb_plugin_host *host;
    pb_sched *sched;
    pb_object_env env;
    pb_instance *backend;
    rig_client clients[RIG_CLIENTS];
    GString *log, *button; /* levels of the power button, as digits */
    bool powered_off;
};

static inline void rig_lock(rig *r)
{
    pb_sched_lock_devices(r->sched);
}

static inline void rig_unlock(rig *r)
{
    pb_sched_unlock_devices(r->sched);
}

/* ---- the client ------------------------------------------------------------------------------ */

static inline uint32_t rig_can_receive(void *self, uint32_t index)
{
    return ((rig_client *)self)->room;
}

static inline void rig_receive(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    rig_client *c = self;

    CU_ASSERT(length > 0 && length <= c->room);
    CU_ASSERT(!c->receiving);
    c->receiving = true;
    c->room -= length;
    c->pieces++;
    g_string_append_len(c->got, (const char *)bytes, length);
    if (c->got->len < c->nests) {
        c->room += length;
        pb_stream_resume(&c->backend);
    }
    c->receiving = false;
}

static inline void rig_event(void *self, uint32_t index, uint32_t event)
{
    static const char *const names[] = { "?", "<opened>", "<closed>", "<break>" };

    g_string_append(((rig_client *)self)->got, names[event]);
}

static inline void rig_ready(void *self, uint32_t index)
{
    ((rig_client *)self)->ready++;
}

static const pb_stream_client_iface rig_client_iface = {
    .size = sizeof(rig_client_iface),
    .can_receive = rig_can_receive,
    .receive = rig_receive,
    .event = rig_event,
    .ready = rig_ready,
};

static inline void rig_press(void *self, uint32_t index, bool level)
{
    g_string_append_c(((rig *)self)->button, level ? '1' : '0');
}

static const pb_line_iface rig_button_iface = { sizeof(rig_button_iface), rig_press };

/* ---- the machine ----------------------------------------------------------------------------- */

static inline void rig_log(void *opaque, const pb_instance *instance, uint32_t kind,
                           const char *text)
{
    static const char *const kinds[] = { "?", "guest", "unimp", "info", "warning", "notice" };

    g_string_append_printf(((rig *)opaque)->log, "%s: %s\n", kinds[kind], text);
}

static inline pb_sched *rig_sched_of(pb_object *object)
{
    return ((rig *)pb_instance_env(pb_instance_of(object))->opaque)->sched;
}

static inline const void *rig_extension(void *opaque, pb_instance *instance, const char *id)
{
    return strcmp(id, PB_EXTENSION_MAIN_LOOP) == 0 ? pb_sched_main_loop_ops(rig_sched_of) : NULL;
}

static inline void rig_request(void *opaque, pb_instance *instance, uint32_t request,
                               int32_t status)
{
    ((rig *)opaque)->powered_off = request == PB_MACHINE_POWER_OFF && status == 0;
}

static inline bool rig_lock_held(void *opaque)
{
    return pb_sched_devices_locked(((rig *)opaque)->sched);
}

static inline void rig_connect(rig *r, uint32_t n)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = n ? g_strdup_printf("port[%u]", n) : NULL;
    pb_port_ref port;
    rig_client *c = &r->clients[n];

    if (!pb_instance_port(r->backend, name ? name : "port", &port, NULL))
        CU_ASSERT_FATAL(pb_instance_port(r->backend, "port[0]", &port, &error));
    CU_ASSERT_FATAL(pb_instance_attach(&port, &rig_client_iface, c, 0, &c->backend, &error));
    *c = (rig_client){ .rig = r, .backend = c->backend, .room = UINT32_MAX };
    c->got = g_string_new(NULL);
}

/* `properties` are pairs of name and text, ended by null. Clients are connected to the first ports;
 * not started. */
static inline rig *rig_new(const char *type, const char *const *properties, uint32_t clients,
                           pb_threads threads)
{
    const pb_sched_config config = { .threads = threads,
                                     .wall_base_s =
                                         threads == PB_THREADS_PARALLEL ? PB_WALL_HOST : 0 };
    g_autoptr(GError) error = NULL;
    rig *r = g_new0(rig, 1);
    const pb_class *class;

    pb_check_enabled = true;
    pb_plugin_host_preload(pb_preloaded_plugins);
    r->host = pb_plugin_host_new(NULL);
    class = pb_plugin_host_type(r->host, PB_KIND_BACKEND, type, &error);
    if (!class)
        printf("%s\n", error->message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(class);
    r->sched = pb_sched_new(&config);
    r->log = g_string_new(NULL);
    r->button = g_string_new(NULL);
    r->env = (pb_object_env){ .log = rig_log,
                              .extension = rig_extension,
                              .request = rig_request,
                              .lock_held = rig_lock_held,
                              .opaque = r };
    r->backend = pb_instance_new(class, "serial0", &r->env, NULL);
    for (; properties && *properties; properties += 2)
        CU_ASSERT_FATAL(pb_instance_set(r->backend, properties[0], properties[1], &error));
    CU_ASSERT_FATAL(pb_instance_settle_properties(r->backend, &error));
    for (uint32_t i = 0; i < clients; i++)
        rig_connect(r, i);
    return r;
}

static inline void rig_start(rig *r)
{
    g_autoptr(GError) error = NULL;
    bool started = pb_instance_init(r->backend, &error);

    if (!started)
        printf("%s\n", error->message);
    CU_ASSERT_FATAL(started);
    if (strcmp(pb_instance_class(r->backend)->name, "random") == 0)
        pb_instance_reset(r->backend);
}

static inline void rig_finish(rig *r)
{
    pb_instance_finish(r->backend);
}

static inline void rig_free(rig *r)
{
    CU_ASSERT_EQUAL(pb_check_violations(), 0);
    pb_instance_free(r->backend);
    pb_sched_free(r->sched);
    pb_plugin_host_free(r->host);
    for (uint32_t i = 0; i < RIG_CLIENTS; i++)
        if (r->clients[i].got)
            g_string_free(r->clients[i].got, TRUE);
    g_string_free(r->log, TRUE);
    g_string_free(r->button, TRUE);
    g_free(r);
}

/* ---- running --------------------------------------------------------------------------------- */

/* What is ready now. */
static inline void rig_turn(rig *r)
{
    pb_sched_iterate(r->sched, false);
}

/* Until the condition holds; a test that is stuck is ended by its time limit. */
#define RIG_UNTIL(r, condition) \
    while (!(condition))        \
    pb_sched_iterate((r)->sched, true)

static inline void rig_write(rig *r, uint32_t n, const void *bytes, size_t length)
{
    rig_lock(r);
    pb_stream_write(&r->clients[n].backend, bytes, (uint32_t)length);
    rig_unlock(r);
}

static inline bool rig_busy(rig *r, uint32_t n)
{
    bool busy;

    rig_lock(r);
    busy = pb_stream_busy(&r->clients[n].backend);
    rig_unlock(r);
    return busy;
}

/* The client takes that many bytes more. */
static inline void rig_give_room(rig *r, uint32_t n, uint32_t room)
{
    rig_lock(r);
    r->clients[n].room += room;
    pb_stream_resume(&r->clients[n].backend);
    rig_unlock(r);
}

/* What the client got since last asked, as text. */
static inline void rig_got(rig *r, uint32_t n, const char *expected)
{
    if (strcmp(r->clients[n].got->str, expected) != 0)
        printf("client %u: '%s', not '%s'\n", n, r->clients[n].got->str, expected);
    CU_ASSERT_STRING_EQUAL(r->clients[n].got->str, expected);
    g_string_truncate(r->clients[n].got, 0);
}

static inline void rig_said(rig *r, const char *expected)
{
    if (strcmp(r->log->str, expected) != 0)
        printf("log: '%s', not '%s'\n", r->log->str, expected);
    CU_ASSERT_STRING_EQUAL(r->log->str, expected);
    g_string_truncate(r->log, 0);
}

#endif
