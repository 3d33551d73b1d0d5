/*
 * The checking layer (`--check`): stands between the core and the plugins, and between connected plugins, and says what is
 * against the rules of the ABI: threads (the device lock), order (nobody calls a peer before it is initialised), sizes and ranges.
 * What is wrong is logged and counted; the call then goes on, except where it would hurt the host.
 *
 * Everything is put in place when instances are made and connected, so that a run without --check has none of it.
 */
#include <core/device/instance.h>

#define FRAME_MIN 14 /* bytes of an Ethernet header */

bool pb_check_enabled;
static unsigned violations;

unsigned pb_check_violations(void)
{
    return g_atomic_int_get((gint *)&violations);
}

static void violation(const pb_instance *instance, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void violation(const pb_instance *instance, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_atomic_int_inc((gint *)&violations);
    pb_instance_log(instance, PB_LOG_WARNING, "check: %s", text);
}

/* While a machine is built nothing runs, and the lock does not matter. */
static void check_lock(const pb_instance *instance, const char *what)
{
    const pb_object_env *env = instance->env;

    if (instance->phase == PB_PHASE_READY && env->lock_held && !env->lock_held(env->opaque))
        violation(instance, "%s without the device lock", what);
}

/* ---- pb_object_ops ------------------------------------------------------------------------------- */

/* The ordinary functions; the same for all instances. */
static const pb_object_ops *inner_ops;

static void checked_log(pb_object *object, uint32_t kind, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void checked_log(pb_object *object, uint32_t kind, const char *format, ...)
{
    pb_instance *instance = pb_instance_of(object);
    g_autofree char *text = NULL;
    va_list args;

    if (kind < PB_LOG_GUEST || kind > PB_LOG_NOTICE)
        violation(instance, "log of kind %u, which does not exist", kind);
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    if (strchr(text, '\n'))
        violation(instance, "log of more than one line: %s", text);
    inner_ops->log(object, kind, "%s", text);
}

static void check_event(const pb_instance *instance, const char *event)
{
    const char *dot = strchr(event, '.');

    if (!dot || !dot[1] || dot == event)
        violation(instance, "trace event '%s' is not called TYPE.event", event);
}

static bool checked_trace_enabled(pb_object *object, const char *event)
{
    check_event(pb_instance_of(object), event);
    return inner_ops->trace_enabled(object, event);
}

static void checked_trace(pb_object *object, const char *event, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void checked_trace(pb_object *object, const char *event, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    inner_ops->trace(object, event, "%s", text);
}

static const void *checked_extension(pb_object *object, const char *id)
{
    if (!id || !strchr(id, '/'))
        violation(pb_instance_of(object), "extension '%s' is not called NAME/VERSION",
                  id ? id : "");
    return id ? inner_ops->extension(object, id) : NULL;
}

static void checked_request(pb_object *object, uint32_t request, int32_t status)
{
    pb_instance *instance = pb_instance_of(object);

    if (request != PB_MACHINE_RESET && request != PB_MACHINE_POWER_OFF)
        violation(instance, "request %u of the machine, which does not exist", request);
    else
        inner_ops->request(object, request, status);
}

/* Whether the region exists and is of one of these kinds; otherwise the call is not passed on. */
static bool check_region(const pb_instance *instance, const char *what, uint32_t region,
                         uint32_t kinds)
{
    const pb_region *row;

    if (region >= pb_instance_region_count(instance)) {
        violation(instance, "%s of region %u, the type has %u", what, region,
                  pb_instance_region_count(instance));
        return false;
    }
    row = pb_instance_region(instance, region);
    if (!(kinds >> row->kind & 1)) {
        violation(instance, "%s of region %s, which is of another kind", what, row->name);
        return false;
    }
    return true;
}

#define ANY_KIND     UINT32_MAX
#define MEMORY_KINDS (1u << PB_REGION_RAM | 1u << PB_REGION_ROM | 1u << PB_REGION_ROMD)

static void checked_region_map(pb_object *object, uint32_t region, uint64_t gpa, bool mapped)
{
    pb_instance *instance = pb_instance_of(object);

    check_lock(instance, "region_map");
    if (check_region(instance, "region_map", region, ANY_KIND))
        inner_ops->region_map(object, region, gpa, mapped);
}

static void *checked_region_bytes(pb_object *object, uint32_t region, uint64_t *size)
{
    if (check_region(pb_instance_of(object), "region_bytes", region, MEMORY_KINDS))
        return inner_ops->region_bytes(object, region, size);
    *size = 0;
    return NULL;
}

static void checked_region_romd(pb_object *object, uint32_t region, bool romd)
{
    pb_instance *instance = pb_instance_of(object);

    check_lock(instance, "region_romd");
    if (check_region(instance, "region_romd", region, 1u << PB_REGION_ROMD))
        inner_ops->region_romd(object, region, romd);
}

static void checked_region_changed(pb_object *object, uint32_t region, uint64_t first,
                                   uint64_t length)
{
    pb_instance *instance = pb_instance_of(object);
    uint64_t bytes;

    check_lock(instance, "region_changed");
    if (!check_region(instance, "region_changed", region, MEMORY_KINDS))
        return;
    bytes = pb_instance_region_bytes(instance, region);
    if (first > bytes || length > bytes - first)
        violation(instance,
                  "region_changed of 0x%" G_GINT64_MODIFIER "x bytes at 0x%" G_GINT64_MODIFIER
                  "x, the region has 0x%" G_GINT64_MODIFIER "x",
                  length, first, bytes);
    else
        inner_ops->region_changed(object, region, first, length);
}

const pb_object_ops *pb_check_object_ops(const pb_object_ops *inner)
{
    static pb_object_ops checked;

    inner_ops = inner;
    checked = *inner;
    checked.log = checked_log;
    checked.trace_enabled = checked_trace_enabled;
    checked.trace = checked_trace;
    checked.extension = checked_extension;
    checked.request = checked_request;
    checked.region_map = checked_region_map;
    checked.region_bytes = checked_region_bytes;
    checked.region_romd = checked_region_romd;
    checked.region_changed = checked_region_changed;
    return &checked;
}

/* ---- handlers of regions -------------------------------------------------------------------------- */

struct pb_check_region {
    pb_instance *instance;
    uint32_t index;
    pb_region_handlers inner;
};

static void check_access(const pb_check_region *c, const pb_access *access, const char *what)
{
    uint64_t bytes = pb_instance_region_bytes(c->instance, c->index);

    check_lock(c->instance, what);
    if (access->size != 1 && access->size != 2 && access->size != 4 && access->size != 8)
        violation(c->instance, "%s of %u bytes", what, access->size);
    if (bytes && (access->offset > bytes || access->size > bytes - access->offset))
        violation(c->instance, "%s at 0x%" G_GINT64_MODIFIER "x, outside of region %s", what,
                  access->offset, pb_instance_region(c->instance, c->index)->name);
}

static void check_result(const pb_check_region *c, pb_bus_result result, const char *what)
{
    if (result != PB_BUS_OK && result != PB_BUS_DECODE && result != PB_BUS_ERROR)
        violation(c->instance, "%s gave the result %d, which does not exist", what, (int)result);
}

static pb_bus_result checked_read(void *self, const pb_access *access, uint64_t *value)
{
    const pb_check_region *c = self;
    pb_bus_result result;

    check_access(c, access, "read");
    result = c->inner.ops->read(c->inner.opaque, access, value);
    check_result(c, result, "read");
    return result;
}

static pb_bus_result checked_write(void *self, const pb_access *access, uint64_t value)
{
    const pb_check_region *c = self;
    pb_bus_result result;

    check_access(c, access, "write");
    result = c->inner.ops->write(c->inner.opaque, access, value);
    check_result(c, result, "write");
    return result;
}

static const pb_mmio_ops checked_mmio = {
    .size = sizeof(checked_mmio),
    .read = checked_read,
    .write = checked_write,
};

pb_region_handlers pb_check_handlers(pb_instance *instance, uint32_t region,
                                     pb_region_handlers inner)
{
    pb_check_region *c;

    if (!inner.ops)
        return inner;
    c = &instance->checks[region];
    *c = (pb_check_region){ instance, region, inner };
    return (pb_region_handlers){ &checked_mmio, c };
}

pb_check_region *pb_check_regions_new(uint32_t count)
{
    return g_new0(pb_check_region, count);
}

/* ---- links ---------------------------------------------------------------------------------------- */

/* Stands in the place of the other side of a link. */
struct pb_check_link {
    pb_port_ref caller;   /* who holds the link */
    pb_link inner;        /* whom it leads to */
    uint32_t room;        /* streams: what can_receive() said last */
    GHashTable *requests; /* blocks: outstanding pb_block_request -> check_request */
    GHashTable *mappings; /* dma: host address -> length */
    pb_dma dma;           /* dma: the handle that the caller gets */
    pb_dma *inner_dma;
};

static void link_violation(const pb_check_link *c, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void link_violation(const pb_check_link *c, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    violation(c->caller.instance, "%s: %s", c->caller.port->name, text);
}

/* The lock is held, and whom the call reaches was initialised. */
static void check_call(const pb_check_link *c, const char *what)
{
    pb_port_ref peer;

    check_lock(c->caller.instance, what);
    if (pb_instance_peer(&c->caller, &peer) && peer.instance->phase != PB_PHASE_READY)
        link_violation(c, "%s calls %s, which is not initialised", what, peer.instance->path);
}

static void checked_line_set(void *self, uint32_t index, bool level)
{
    const pb_check_link *c = self;

    check_call(c, "line_set");
    ((const pb_line_iface *)c->inner.iface)->set(c->inner.self, c->inner.index, level);
}

static const pb_line_iface checked_line = { .size = sizeof(checked_line), .set = checked_line_set };

static void checked_stream_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    const pb_check_link *c = self;

    check_call(c, "write");
    if (!bytes && length) {
        link_violation(c, "write of %u bytes from nowhere", length);
        return;
    }
    ((const pb_stream_iface *)c->inner.iface)->write(c->inner.self, c->inner.index, bytes, length);
}

static void checked_stream_resume(void *self, uint32_t index)
{
    const pb_check_link *c = self;

    check_call(c, "resume");
    ((const pb_stream_iface *)c->inner.iface)->resume(c->inner.self, c->inner.index);
}

static bool checked_stream_busy(void *self, uint32_t index)
{
    const pb_check_link *c = self;

    check_call(c, "busy");
    return pb_stream_busy(&c->inner);
}

static const pb_stream_iface checked_stream = {
    .size = sizeof(checked_stream),
    .write = checked_stream_write,
    .resume = checked_stream_resume,
    .busy = checked_stream_busy,
};

static uint32_t checked_can_receive(void *self, uint32_t index)
{
    pb_check_link *c = self;

    check_call(c, "can_receive");
    c->room = ((const pb_stream_client_iface *)c->inner.iface)
                  ->can_receive(c->inner.self, c->inner.index);
    return c->room;
}

static void checked_receive(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    pb_check_link *c = self;

    check_call(c, "receive");
    if (length > c->room)
        link_violation(c, "receive of %u bytes, can_receive said %u", length, c->room);
    c->room -= MIN(length, c->room);
    ((const pb_stream_client_iface *)c->inner.iface)
        ->receive(c->inner.self, c->inner.index, bytes, length);
}

static void checked_event(void *self, uint32_t index, uint32_t event)
{
    const pb_check_link *c = self;
    const pb_stream_client_iface *client = c->inner.iface;

    check_call(c, "event");
    if (event < PB_STREAM_OPENED || event > PB_STREAM_BREAK)
        link_violation(c, "event %u does not exist", event);
    if (client->event)
        client->event(c->inner.self, c->inner.index, event);
}

static void checked_stream_ready(void *self, uint32_t index)
{
    const pb_check_link *c = self;
    const pb_stream_client_iface *client = c->inner.iface;

    check_call(c, "ready");
    if (PB_HAS(client, ready) && client->ready)
        client->ready(c->inner.self, c->inner.index);
}

static const pb_stream_client_iface checked_client = {
    .size = sizeof(checked_client),
    .can_receive = checked_can_receive,
    .receive = checked_receive,
    .event = checked_event,
    .ready = checked_stream_ready,
};

static bool checked_send(void *self, uint32_t index, const uint8_t *frame, uint32_t length)
{
    const pb_check_link *c = self;

    check_call(c, "send");
    if (length < FRAME_MIN || length > PB_NET_FRAME_MAX) {
        link_violation(c, "frame of %u bytes, %d to %d are valid", length, FRAME_MIN,
                       PB_NET_FRAME_MAX);
        return true; /* taken and dropped */
    }
    return ((const pb_net_iface *)c->inner.iface)
        ->send(c->inner.self, c->inner.index, frame, length);
}

static void checked_ready(void *self, uint32_t index)
{
    const pb_check_link *c = self;
    const pb_net_iface *peer = c->inner.iface;

    check_call(c, "ready");
    if (peer->ready)
        peer->ready(c->inner.self, c->inner.index);
}

static const pb_net_iface checked_net = {
    .size = sizeof(checked_net),
    .send = checked_send,
    .ready = checked_ready,
};

/* ---- block requests -------------------------------------------------------------------------------- */

/* What the client put into a request, while ours is there. */
typedef struct check_request {
    pb_check_link *link;
    void (*done)(pb_block_request *request);
    void *opaque;
} check_request;

static void checked_info(void *self, uint32_t index, pb_block_info *info)
{
    const pb_check_link *c = self;

    check_call(c, "info");
    ((const pb_block_iface *)c->inner.iface)->info(c->inner.self, c->inner.index, info);
    if (info->bytes % 512)
        link_violation(c, "the disk has %" G_GUINT64_FORMAT " bytes, no multiple of 512",
                       info->bytes);
}

static void checked_done(pb_block_request *request)
{
    check_request *r = request->opaque;
    pb_check_link *c = r->link;

    check_lock(c->caller.instance, "done");
    if (request->error < 0)
        link_violation(c, "a request ended with error %d; errors are positive", request->error);
    request->done = r->done;
    request->opaque = r->opaque;
    g_hash_table_remove(c->requests, request); /* frees r */
    request->done(request);
}

static void check_request_shape(const pb_check_link *c, const pb_block_request *request)
{
    bool data = request->op == PB_BLOCK_READ || request->op == PB_BLOCK_WRITE;
    uint64_t sum = 0;

    if (request->op < PB_BLOCK_READ || request->op > PB_BLOCK_WRITE_ZEROES)
        link_violation(c, "block operation %u does not exist", request->op);
    if (request->offset % 512 || request->length % 512)
        link_violation(c, "request of %" G_GUINT64_FORMAT " bytes at %" G_GUINT64_FORMAT,
                       request->length, request->offset);
    for (uint32_t i = 0; data && i < request->iov_count; i++)
        sum += request->iov[i].length;
    if (data && sum != request->length)
        link_violation(c,
                       "request of %" G_GUINT64_FORMAT " bytes with memory for %" G_GUINT64_FORMAT,
                       request->length, sum);
}

static void checked_submit(void *self, uint32_t index, pb_block_request *request)
{
    pb_check_link *c = self;
    check_request *r;

    check_call(c, "submit");
    check_request_shape(c, request);
    if (g_hash_table_contains(c->requests, request)) {
        link_violation(c, "a request was submitted again before it was done");
        return;
    }
    r = g_new0(check_request, 1);
    *r = (check_request){ c, request->done, request->opaque };
    g_hash_table_insert(c->requests, request, r);
    request->done = checked_done;
    request->opaque = r;
    ((const pb_block_iface *)c->inner.iface)->submit(c->inner.self, c->inner.index, request);
}

static bool checked_drain(void *self, uint32_t index)
{
    const pb_check_link *c = self;
    bool drained;

    check_call(c, "drain");
    drained = pb_block_drain(&c->inner);
    if (drained && g_hash_table_size(c->requests))
        link_violation(c, "drain left %u requests", g_hash_table_size(c->requests));
    return drained;
}

static const pb_block_iface checked_block = {
    .size = sizeof(checked_block),
    .info = checked_info,
    .submit = checked_submit,
    .drain = checked_drain,
};

/* ---- dma ------------------------------------------------------------------------------------------- */

static pb_check_link *link_of_dma(pb_dma *dma)
{
    return (pb_check_link *)((char *)dma - offsetof(pb_check_link, dma));
}

static bool check_copy(const pb_check_link *c, const char *what, const void *host, uint64_t length)
{
    check_lock(c->caller.instance, what);
    if (host || !length)
        return true;
    link_violation(c, "%s with a null pointer", what);
    return false;
}

static pb_bus_result checked_dma_read(pb_dma *dma, uint64_t gpa, void *to, uint64_t length)
{
    pb_check_link *c = link_of_dma(dma);

    if (!check_copy(c, "read", to, length))
        return PB_BUS_ERROR;
    return c->inner_dma->iface->read(c->inner_dma, gpa, to, length);
}

static pb_bus_result checked_dma_write(pb_dma *dma, uint64_t gpa, const void *from, uint64_t length)
{
    pb_check_link *c = link_of_dma(dma);

    if (!check_copy(c, "write", from, length))
        return PB_BUS_ERROR;
    return c->inner_dma->iface->write(c->inner_dma, gpa, from, length);
}

/* The same bytes may be mapped several times: the table counts. */
static void *checked_dma_map(pb_dma *dma, uint64_t gpa, uint64_t *length, bool write)
{
    pb_check_link *c = link_of_dma(dma);
    void *host;

    check_lock(c->caller.instance, "map");
    host = c->inner_dma->iface->map(c->inner_dma, gpa, length, write);
    if (host)
        g_hash_table_insert(
            c->mappings, host,
            GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(c->mappings, host)) + 1));
    return host;
}

static void checked_dma_unmap(pb_dma *dma, void *host, uint64_t length, uint64_t written)
{
    pb_check_link *c = link_of_dma(dma);
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(c->mappings, host));

    check_lock(c->caller.instance, "unmap");
    if (!count) {
        link_violation(c, "unmap of memory that is not mapped");
        return;
    }
    if (written > length)
        link_violation(c,
                       "unmap of 0x%" G_GINT64_MODIFIER "x bytes says that 0x%" G_GINT64_MODIFIER
                       "x were written",
                       length, written);
    if (count == 1)
        g_hash_table_remove(c->mappings, host);
    else
        g_hash_table_insert(c->mappings, host, GUINT_TO_POINTER(count - 1));
    c->inner_dma->iface->unmap(c->inner_dma, host, length, MIN(written, length));
}

static const pb_dma_iface checked_dma = {
    .size = sizeof(checked_dma),
    .read = checked_dma_read,
    .write = checked_dma_write,
    .map = checked_dma_map,
    .unmap = checked_dma_unmap,
};

/* ---- putting it in place ---------------------------------------------------------------------------- */

static const struct {
    const char *protocol;
    pb_port_role caller;
    const void *iface;
} checked_ifaces[] = {
    { PB_PROTOCOL_IRQ, PB_REQUIRES, &checked_line },
    { PB_PROTOCOL_GPIO, PB_REQUIRES, &checked_line },
    { PB_PROTOCOL_CHAR, PB_REQUIRES, &checked_stream },
    { PB_PROTOCOL_CHAR, PB_PROVIDES, &checked_client },
    { PB_PROTOCOL_NET, PB_REQUIRES, &checked_net },
    { PB_PROTOCOL_NET, PB_PROVIDES, &checked_net },
    { PB_PROTOCOL_BLOCK, PB_REQUIRES, &checked_block },
};

static pb_check_link *link_new(const pb_port_ref *caller)
{
    pb_check_link *c = g_new0(pb_check_link, 1);

    c->caller = *caller;
    c->requests = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    c->mappings = g_hash_table_new(g_direct_hash, g_direct_equal);
    return c;
}

pb_check_link *pb_check_link_new(const pb_port_ref *caller, pb_link *link)
{
    pb_check_link *c;

    for (size_t i = 0; link->iface && i < G_N_ELEMENTS(checked_ifaces); i++) {
        if (checked_ifaces[i].caller != caller->port->role ||
            strcmp(checked_ifaces[i].protocol, caller->port->protocol) != 0)
            continue;
        c = link_new(caller);
        c->inner = *link;
        *link = (pb_link){ checked_ifaces[i].iface, c, 0, 0 };
        return c;
    }
    return NULL;
}

pb_check_link *pb_check_dma_new(const pb_port_ref *caller, void **handle)
{
    pb_check_link *c;

    if (strcmp(caller->port->protocol, PB_PROTOCOL_DMA) != 0 || !*handle)
        return NULL;
    c = link_new(caller);
    c->inner_dma = *handle;
    c->dma.iface = &checked_dma;
    *handle = &c->dma;
    return c;
}

void pb_check_link_free(pb_check_link *c)
{
    if (!c)
        return;
    if (g_hash_table_size(c->mappings))
        link_violation(c, "%u mappings were never unmapped", g_hash_table_size(c->mappings));
    g_hash_table_unref(c->requests);
    g_hash_table_unref(c->mappings);
    g_free(c);
}
