#include "fake_machine.h"

#include <core/device/tables.h>
#include <errno.h>
#include <stdio.h>

#define MAX_INVENTED 8 /* instances in a machine after which provided ports stay open */

/* ---- log, requests, regions ---------------------------------------------------------------------- */

static void env_log(void *opaque, const pb_instance *instance, uint32_t kind, const char *text)
{
    static const char *const kinds[] = { "?", "guest", "unimp", "info", "warning", "notice" };
    fake_machine *machine = opaque;

    if (machine->quiet && kind == PB_LOG_WARNING && g_str_has_prefix(text, "check: "))
        printf("%s: %s\n", pb_instance_path(instance), text);
    else if (!machine->quiet)
        g_string_append_printf(machine->log, "%s: %s: %s\n",
                               kind < G_N_ELEMENTS(kinds) ? kinds[kind] : "?",
                               pb_instance_path(instance), text);
}

static void env_request(void *opaque, pb_instance *instance, uint32_t request, int32_t status)
{
    fake_machine *machine = opaque;

    machine->requests |= 1u << request;
}

static void env_region_map(void *opaque, pb_instance *instance, uint32_t index, uint64_t gpa,
                           bool mapped)
{
    fake_machine *machine = opaque;

    if (machine->quiet)
        return;
    g_string_append_printf(machine->maps, "%s %s", pb_instance_path(instance),
                           pb_instance_region(instance, index)->name);
    if (mapped)
        g_string_append_printf(machine->maps, " at 0x%" G_GINT64_MODIFIER "x\n", gpa);
    else
        g_string_append(machine->maps, " hidden\n");
}

static bool env_region_place(void *opaque, pb_instance *instance, uint32_t index, uint64_t *gpa)
{
    *gpa = index * FAKE_REGION_BYTES;
    return !pb_instance_region(instance, index)->placed_by_bus;
}

static void *env_region_bytes(void *opaque, pb_instance *instance, uint32_t index, uint64_t *size)
{
    fake_machine *machine = opaque;
    g_autofree char *key = g_strdup_printf("%s/%u", pb_instance_path(instance), index);
    void *bytes = g_hash_table_lookup(machine->regions, key);

    *size = pb_instance_region_bytes(instance, index);
    if (!bytes) {
        bytes = g_malloc0(*size);
        g_hash_table_insert(machine->regions, g_steal_pointer(&key), bytes);
    }
    return bytes;
}

static void env_region_romd(void *opaque, pb_instance *instance, uint32_t index, bool romd) {}

static void env_region_changed(void *opaque, pb_instance *instance, uint32_t index, uint64_t first,
                               uint64_t length)
{
}

/* ---- time ---------------------------------------------------------------------------------------- */

typedef struct fake_clock {
    pb_clock clock; /* first */
    fake_machine *machine;
} fake_clock;

typedef struct fake_timer {
    pb_timer timer; /* first */
    fake_clock clock;
    void (*expired)(void *self);
    void *self;
} fake_timer;

static uint64_t clock_now(pb_clock *clock)
{
    return ((fake_clock *)clock)->machine->now_ns;
}

static int64_t clock_wall(pb_clock *clock)
{
    const fake_machine *machine = ((fake_clock *)clock)->machine;

    return machine->wall_base_s + (int64_t)(machine->now_ns / 1000000000);
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
    .now_ns = clock_now,
    .wall_s = clock_wall,
    .timer_set = timer_set,
    .timer_cancel = timer_cancel,
};

static pb_timer *env_timer_new(void *opaque, pb_instance *instance, const char *name,
                               void (*expired)(void *self), void *self)
{
    fake_machine *machine = opaque;
    fake_timer *timer = g_new0(fake_timer, 1);

    timer->clock.clock.iface = &clock_iface;
    timer->clock.machine = machine;
    timer->timer.clock = &timer->clock.clock;
    timer->timer.deadline_ns = PB_TIMER_OFF;
    timer->expired = expired;
    timer->self = self;
    g_ptr_array_add(machine->timers, timer);
    return &timer->timer;
}

static void env_timer_free(void *opaque, pb_timer *timer)
{
    fake_machine *machine = opaque;

    g_ptr_array_remove(machine->timers, timer);
}

static fake_timer *next_timer(fake_machine *machine)
{
    fake_timer *next = NULL;

    for (guint i = 0; i < machine->timers->len; i++) {
        fake_timer *timer = machine->timers->pdata[i];

        if (pb_timer_is_set(&timer->timer) &&
            (!next || timer->timer.deadline_ns < next->timer.deadline_ns))
            next = timer;
    }
    return next;
}

bool fake_machine_advance(fake_machine *machine, uint64_t ns, unsigned max_timers)
{
    uint64_t end = machine->now_ns + ns;

    for (fake_timer *timer; (timer = next_timer(machine)) && timer->timer.deadline_ns <= end;) {
        if (max_timers-- == 0)
            return false;
        machine->now_ns = MAX(machine->now_ns, timer->timer.deadline_ns);
        timer->timer.deadline_ns = PB_TIMER_OFF;
        timer->expired(timer->self);
    }
    machine->now_ns = end;
    return true;
}

/* ---- memory -------------------------------------------------------------------------------------- */

typedef struct fake_dma {
    pb_dma dma; /* first */
    fake_machine *machine;
} fake_dma;

/* Bytes at gpa that are memory, at most length. */
static uint64_t memory_bytes(uint64_t gpa, uint64_t length)
{
    return gpa < FAKE_MEMORY_BYTES ? MIN(length, FAKE_MEMORY_BYTES - gpa) : 0;
}

static pb_bus_result dma_read(pb_dma *dma, uint64_t gpa, void *to, uint64_t length)
{
    uint64_t bytes = memory_bytes(gpa, length);

    memcpy(to, ((fake_dma *)dma)->machine->memory + (bytes ? gpa : 0), bytes);
    return bytes == length ? PB_BUS_OK : PB_BUS_DECODE;
}

static pb_bus_result dma_write(pb_dma *dma, uint64_t gpa, const void *from, uint64_t length)
{
    uint64_t bytes = memory_bytes(gpa, length);

    memcpy(((fake_dma *)dma)->machine->memory + (bytes ? gpa : 0), from, bytes);
    return bytes == length ? PB_BUS_OK : PB_BUS_DECODE;
}

static void *dma_map(pb_dma *dma, uint64_t gpa, uint64_t *length, bool write)
{
    *length = memory_bytes(gpa, *length);
    return *length ? ((fake_dma *)dma)->machine->memory + gpa : NULL;
}

static void dma_unmap(pb_dma *dma, void *host, uint64_t length, uint64_t written) {}

static const pb_dma_iface dma_iface = {
    .size = sizeof(dma_iface),
    .read = dma_read,
    .write = dma_write,
    .map = dma_map,
    .unmap = dma_unmap,
};

/* ---- lines --------------------------------------------------------------------------------------- */

static void line_set(void *self, uint32_t index, bool level)
{
    fake_end *end = self;

    end->edges += level != end->level;
    end->level = level;
}

static const pb_line_iface line_iface = { .size = sizeof(line_iface), .set = line_set };

/* ---- streams ------------------------------------------------------------------------------------- */

/* Hand over input as long as the device takes some. It may ask for more while it is being fed. */
static void push_input(fake_end *end)
{
    const pb_stream_client_iface *client = end->peer.iface;

    if (end->feeding)
        return;
    end->feeding = true;
    while (end->input->len) {
        uint32_t room = client->can_receive(end->peer.self, end->peer.index);
        uint32_t length = MIN(room, end->input->len);
        g_autofree uint8_t *bytes = NULL;

        if (!length)
            break;
        bytes = g_memdup2(end->input->data, length);
        g_byte_array_remove_range(end->input, 0, length);
        client->receive(end->peer.self, end->peer.index, bytes, length);
    }
    end->feeding = false;
}

static void stream_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    g_byte_array_append(((fake_end *)self)->output, bytes, length);
}

static void stream_resume(void *self, uint32_t index)
{
    push_input(self);
}

static const pb_stream_iface stream_iface = {
    .size = sizeof(stream_iface),
    .write = stream_write,
    .resume = stream_resume,
};

/* ---- disks --------------------------------------------------------------------------------------- */

static void block_info(void *self, uint32_t index, pb_block_info *info)
{
    info->read_only = false;
    info->bytes = FAKE_DISK_BYTES;
    info->serial = "fake";
}

static int32_t block_copy(fake_end *end, const pb_block_request *request)
{
    uint64_t at = request->offset;

    if (request->offset % 512 || request->length % 512 || at > FAKE_DISK_BYTES ||
        request->length > FAKE_DISK_BYTES - at)
        return EINVAL;
    if (request->op == PB_BLOCK_DISCARD || request->op == PB_BLOCK_WRITE_ZEROES)
        memset(end->input->data + at, 0, request->length);
    if (request->op != PB_BLOCK_READ && request->op != PB_BLOCK_WRITE)
        return 0;
    for (uint32_t i = 0; i < request->iov_count; i++) {
        const pb_iovec *piece = &request->iov[i];

        if (piece->length > request->offset + request->length - at)
            return EINVAL;
        if (request->op == PB_BLOCK_READ)
            memcpy(piece->base, end->input->data + at, piece->length);
        else
            memcpy(end->input->data + at, piece->base, piece->length);
        at += piece->length;
    }
    return 0;
}

static void block_submit(void *self, uint32_t index, pb_block_request *request)
{
    request->error = block_copy(self, request);
    request->done(request);
}

static const pb_block_iface block_iface = {
    .size = sizeof(block_iface),
    .info = block_info,
    .submit = block_submit,
};

/* ---- nets ---------------------------------------------------------------------------------------- */

static bool net_send(void *self, uint32_t index, const uint8_t *frame, uint32_t length)
{
    g_byte_array_append(((fake_end *)self)->output, frame, length);
    return true;
}

static void net_ready(void *self, uint32_t index) {}

static const pb_net_iface net_iface = {
    .size = sizeof(net_iface),
    .send = net_send,
    .ready = net_ready,
};

bool fake_end_feed(fake_end *end, const uint8_t *bytes, uint32_t length)
{
    if (strcmp(end->port.port->protocol, PB_PROTOCOL_NET) == 0) {
        const pb_net_iface *client = end->peer.iface;

        return client->send(end->peer.self, end->peer.index, bytes, length);
    }
    g_byte_array_append(end->input, bytes, length);
    push_input(end);
    return true;
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void end_free(gpointer data)
{
    fake_end *end = data;

    g_byte_array_unref(end->input);
    g_byte_array_unref(end->output);
    g_free(end);
}

fake_machine *fake_machine_new(pb_plugin_host *host)
{
    fake_machine *machine = g_new0(fake_machine, 1);

    machine->host = host;
    machine->env = (pb_object_env){
        .log = env_log,
        .request = env_request,
        .timer_new = env_timer_new,
        .timer_free = env_timer_free,
        .region_map = env_region_map,
        .region_place = env_region_place,
        .region_bytes = env_region_bytes,
        .region_romd = env_region_romd,
        .region_changed = env_region_changed,
        .opaque = machine,
    };
    machine->instances = g_ptr_array_new();
    machine->ends = g_ptr_array_new_with_free_func(end_free);
    machine->timers = g_ptr_array_new_with_free_func(g_free);
    machine->regions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    machine->memory = g_malloc0(FAKE_MEMORY_BYTES);
    machine->log = g_string_new(NULL);
    machine->maps = g_string_new(NULL);
    machine->wall_base_s = 1577836800; /* 2020-01-01 */
    return machine;
}

void fake_machine_free(fake_machine *machine)
{
    if (!machine)
        return;
    for (guint i = machine->instances->len; i-- > 0;)
        pb_instance_finish(machine->instances->pdata[i]);
    for (guint i = machine->instances->len; i-- > 0;)
        pb_instance_free(machine->instances->pdata[i]);
    g_ptr_array_unref(machine->instances);
    g_ptr_array_unref(machine->ends);
    g_ptr_array_unref(machine->timers);
    g_hash_table_unref(machine->regions);
    g_string_free(machine->log, TRUE);
    g_string_free(machine->maps, TRUE);
    g_free(machine->memory);
    g_free(machine);
}

pb_instance *fake_machine_add(fake_machine *machine, const pb_class *class, const char *path)
{
    pb_instance *instance = pb_instance_new(class, path, &machine->env, NULL);

    g_ptr_array_add(machine->instances, instance);
    return instance;
}

bool fake_machine_fill_properties(fake_machine *machine, pb_instance *instance, GError **error)
{
    for (const pb_prop *prop = pb_instance_class(instance)->props; prop && prop->name; prop++) {
        g_autofree char *text = NULL;

        if (prop->initial)
            continue;
        if (prop->type == PB_PROP_ENUM)
            text = g_strdup(prop->choices[0]);
        else if (prop->type == PB_PROP_BOOL)
            text = g_strdup("false");
        else if (prop->type == PB_PROP_STRING || prop->type == PB_PROP_PATH)
            text = g_strdup("");
        else if (prop->type == PB_PROP_INT)
            text = g_strdup_printf("%" G_GINT64_FORMAT, (int64_t)prop->min);
        else if (prop->type == PB_PROP_SIZE && !prop->max)
            text = g_strdup("64KiB");
        else
            text = g_strdup_printf("%" G_GUINT64_FORMAT, MAX(prop->min, 1));
        if (!pb_instance_set(instance, prop->name, text, error))
            return false;
    }
    return true;
}

/* ---- connecting ---------------------------------------------------------------------------------- */

fake_end *fake_machine_end(fake_machine *machine, const pb_port_ref *port)
{
    for (guint i = 0; i < machine->ends->len; i++) {
        fake_end *end = machine->ends->pdata[i];

        if (end->port.instance == port->instance && end->port.port == port->port &&
            end->port.index == port->index)
            return end;
    }
    return NULL;
}

static const struct {
    const char *protocol;
    const void *iface;
} provided[] = {
    { PB_PROTOCOL_IRQ, &line_iface },    { PB_PROTOCOL_GPIO, &line_iface },
    { PB_PROTOCOL_CHAR, &stream_iface }, { PB_PROTOCOL_BLOCK, &block_iface },
    { PB_PROTOCOL_NET, &net_iface },
};

static bool give_handle(fake_machine *machine, const pb_port_ref *port, GError **error)
{
    bool clock = strcmp(port->port->protocol, PB_PROTOCOL_CLOCK) == 0;
    void *handle;

    if (clock) {
        fake_clock *made = g_new0(fake_clock, 1);

        made->clock.iface = &clock_iface;
        made->machine = machine;
        handle = made;
    } else {
        fake_dma *made = g_new0(fake_dma, 1);

        made->dma.iface = &dma_iface;
        made->machine = machine;
        handle = made;
    }
    g_hash_table_insert(machine->regions, pb_port_ref_text(port), handle);
    return pb_instance_give(port, handle, error);
}

static bool is_own_protocol(const char *protocol)
{
    for (size_t i = 0; i < G_N_ELEMENTS(provided); i++)
        if (strcmp(protocol, provided[i].protocol) == 0)
            return true;
    return strcmp(protocol, PB_PROTOCOL_CLOCK) == 0 || strcmp(protocol, PB_PROTOCOL_DMA) == 0;
}

/* The port of a type that has this side of the protocol, or null. */
static const pb_port *find_side(const pb_class *class, const char *protocol, pb_port_role role)
{
    for (const pb_port *port = class->ports; port && port->name; port++)
        if (port->role == role && strcmp(port->protocol, protocol) == 0)
            return port;
    return NULL;
}

/* A type of the installed devices that has the other side of a port, or null. */
static const pb_class *find_partner(fake_machine *machine, const char *protocol, pb_port_role role)
{
    g_auto(GStrv) ids = pb_plugin_host_list(machine->host);

    for (char **id = ids; *id; id++) {
        const pb_plugin *plugin = NULL;

        if (pb_kind_of_plugin(*id) == PB_KIND_DEVICE)
            plugin = pb_plugin_host_open(machine->host, *id, NULL);
        for (const pb_class *const *class = plugin ? plugin->types : NULL; class && *class;
             class ++)
            if (find_side(*class, protocol, role))
                return *class;
    }
    return NULL;
}

/* Put an instance at the other side of a port. */
static bool invent_partner(fake_machine *machine, const pb_port_ref *port, GError **error)
{
    const char *protocol = port->port->protocol;
    pb_port_role role = port->port->role == PB_REQUIRES ? PB_PROVIDES : PB_REQUIRES;
    const pb_class *class = find_partner(machine, protocol, role);
    g_autofree char *path = g_strdup_printf("invented%u", machine->instances->len);
    pb_port_ref peer;

    if (!class && role == PB_REQUIRES)
        return true; /* no installed device uses it; then nobody needs to */
    if (!class) {
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_MISSING,
                    "no installed device provides protocol %s", protocol);
        return false;
    }
    peer = (pb_port_ref){ fake_machine_add(machine, class, path), find_side(class, protocol, role),
                          0 };
    return fake_machine_fill_properties(machine, peer.instance, error) &&
           pb_instance_settle_properties(peer.instance, error) &&
           pb_instance_connect(port, &peer, error);
}

static bool any_connected(const pb_port_ref *port)
{
    pb_port_ref element = *port;

    for (element.index = 0; element.index < pb_instance_port_count(port->instance, port->port);
         element.index++)
        if (pb_instance_is_connected(&element))
            return true;
    return false;
}

static bool connect_port(fake_machine *machine, const pb_port_ref *port, bool invent,
                         GError **error)
{
    const char *protocol = port->port->protocol;
    bool line = strcmp(protocol, PB_PROTOCOL_IRQ) == 0 || strcmp(protocol, PB_PROTOCOL_GPIO) == 0;
    const void *iface = NULL;
    fake_end *end;

    if (strcmp(protocol, PB_PROTOCOL_CLOCK) == 0 || strcmp(protocol, PB_PROTOCOL_DMA) == 0)
        return port->port->role != PB_REQUIRES || give_handle(machine, port, error);
    for (size_t i = 0; i < G_N_ELEMENTS(provided); i++)
        if (strcmp(protocol, provided[i].protocol) == 0)
            iface = provided[i].iface;
    if (!is_own_protocol(protocol)) {
        /* Of what an instance offers, one use is enough. */
        bool wanted = port->port->role == PB_REQUIRES ? !port->port->optional
                                                      : !any_connected(port) && !port->index &&
                                                            machine->instances->len < MAX_INVENTED;

        return !invent || !wanted || invent_partner(machine, port, error);
    }
    if (port->port->role == PB_PROVIDES && !line)
        return true;

    end = g_new0(fake_end, 1);
    end->machine = machine;
    end->port = *port;
    end->input = g_byte_array_new();
    end->output = g_byte_array_new();
    g_ptr_array_add(machine->ends, end);
    if (iface == &block_iface) {
        g_byte_array_set_size(end->input, FAKE_DISK_BYTES);
        memset(end->input->data, 0, FAKE_DISK_BYTES);
    }
    if (!pb_instance_attach(port, port->port->role == PB_REQUIRES ? iface : NULL, end, port->index,
                            &end->peer, error))
        return false;
    end->line = (pb_line){ end->peer.iface, end->peer.self, end->peer.index, false };
    return true;
}

bool fake_machine_start(fake_machine *machine, bool invent, GError **error)
{
    /* Connecting may add instances at the end. */
    for (guint i = 0; i < machine->instances->len; i++) {
        pb_instance *instance = machine->instances->pdata[i];

        for (const pb_port *row = pb_instance_class(instance)->ports; row && row->name; row++) {
            for (uint32_t index = 0; index < pb_instance_port_count(instance, row); index++) {
                pb_port_ref port = { instance, row, index };

                if (!pb_instance_is_connected(&port) &&
                    !connect_port(machine, &port, invent, error))
                    return false;
            }
        }
    }
    for (guint i = 0; i < machine->instances->len; i++)
        if (!pb_instance_init(machine->instances->pdata[i], error))
            return false;
    fake_machine_reset(machine);
    return true;
}

void fake_machine_reset(fake_machine *machine)
{
    for (guint i = 0; i < machine->instances->len; i++)
        pb_instance_reset(machine->instances->pdata[i]);
    for (guint i = 0; i < machine->instances->len; i++)
        pb_instance_settle_lines(machine->instances->pdata[i]);
    for (guint i = 0; i < machine->ends->len; i++) {
        fake_end *end = machine->ends->pdata[i];

        if (end->line.iface && end->port.port->role == PB_PROVIDES)
            end->line.iface->set(end->line.self, end->line.index, end->line.level);
    }
}

/* ---- accesses ------------------------------------------------------------------------------------ */

static pb_bus_result access_bytes(pb_instance *instance, uint32_t index, uint64_t offset,
                                  uint32_t size, uint64_t *value, bool write)
{
    pb_region_handlers handlers = pb_instance_handlers(instance, index);
    const fake_machine *machine = pb_instance_env(instance)->opaque;
    pb_access access = { .offset = offset, .size = size, .attrs.requester = machine->requester };
    uint64_t bytes;
    uint8_t *memory;

    if (offset > pb_instance_region_bytes(instance, index) ||
        size > pb_instance_region_bytes(instance, index) - offset)
        return PB_BUS_DECODE;
    if (handlers.ops && write)
        return handlers.ops->write(handlers.opaque, &access, *value);
    if (handlers.ops) {
        pb_bus_result result = handlers.ops->read(handlers.opaque, &access, value);

        *value &= pb_bits_mask(8 * size);
        return result;
    }
    memory = pb_instance_object(instance)->ops->region_bytes(pb_instance_object(instance), index,
                                                             &bytes);
    if (write && pb_instance_region(instance, index)->kind == PB_REGION_RAM)
        memcpy(memory + offset, value, size);
    if (!write) {
        *value = 0;
        memcpy(value, memory + offset, size);
    }
    return PB_BUS_OK;
}

static pb_bus_result access_split(pb_instance *instance, uint32_t index, uint64_t offset,
                                  uint32_t size, uint64_t *value, bool write)
{
    const pb_region *region = pb_instance_region(instance, index);
    uint32_t max = region->access_max ? region->access_max : 8;
    uint64_t gathered = 0;

    if (size < (region->access_min ? region->access_min : 1))
        return PB_BUS_ERROR;
    if (!region->unaligned && offset % MIN(size, max))
        return PB_BUS_ERROR;
    if (size <= max)
        return access_bytes(instance, index, offset, size, value, write);
    for (uint32_t done = 0; done < size; done += max) {
        uint32_t shift = 8 * (region->big_endian ? size - done - max : done);
        uint64_t part = write ? *value >> shift : 0;
        pb_bus_result result;

        if (write && max < 8)
            part &= (UINT64_C(1) << 8 * max) - 1;
        result = access_bytes(instance, index, offset + done, max, &part, write);
        if (result != PB_BUS_OK)
            return result;
        gathered |= part << shift;
    }
    if (!write)
        *value = gathered;
    return PB_BUS_OK;
}

pb_bus_result fake_machine_read(fake_machine *machine, pb_instance *instance, uint32_t region,
                                uint64_t offset, uint32_t size, uint64_t *value)
{
    *value = 0;
    return access_split(instance, region, offset, size, value, false);
}

pb_bus_result fake_machine_write(fake_machine *machine, pb_instance *instance, uint32_t region,
                                 uint64_t offset, uint32_t size, uint64_t value)
{
    return access_split(instance, region, offset, size, &value, true);
}
