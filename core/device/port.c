/*
 * Ports: finding them by name, connecting them, and the lines between.
 *
 * For an ordinary protocol each side holds a pb_link to the other: the requiring side through its handle
 * member, the providing side through `connected`. A line (irq, gpio) is a pb_wire of the driving instance;
 * with several listeners the wire itself stands between as a splitter. Clock and dma handles come from the
 * machine.
 */
#include <core/device/instance.h>
#include <core/plugin/plugin_host.h>

static bool is_line(const char *protocol)
{
    return strcmp(protocol, PB_PROTOCOL_IRQ) == 0 || strcmp(protocol, PB_PROTOCOL_GPIO) == 0;
}

static bool is_given(const char *protocol)
{
    return strcmp(protocol, PB_PROTOCOL_CLOCK) == 0 || strcmp(protocol, PB_PROTOCOL_DMA) == 0;
}

/* ---- rows and elements --------------------------------------------------------------------------- */

static uint32_t row_of(const pb_instance *instance, const pb_port *port)
{
    return (uint32_t)(port - instance->class->ports);
}

static pb_end *end_of(const pb_port_ref *ref)
{
    return &ref->instance->ends[row_of(ref->instance, ref->port)][ref->index];
}

uint32_t pb_instance_port_count(const pb_instance *instance, const pb_port *port)
{
    return instance->port_counts[row_of(instance, port)];
}

static bool is_array(const pb_port *port)
{
    return port->count_offset || port->count > 1;
}

char *pb_port_ref_text(const pb_port_ref *ref)
{
    return is_array(ref->port)
               ? g_strdup_printf("%s.%s[%u]", ref->instance->path, ref->port->name, ref->index)
               : g_strdup_printf("%s.%s", ref->instance->path, ref->port->name);
}

/* Where the plugin keeps the handle of one element. */
static void **handle_of(const pb_port_ref *ref)
{
    char *member = (char *)ref->instance->self + ref->port->handle_offset - 1;
    void **array = ref->port->count_offset ? *(void ***)member : (void **)member;

    return &array[ref->index];
}

void pb_instance_make_ends(pb_instance *instance)
{
    const pb_port *ports = instance->class->ports;

    while (ports && ports[instance->n_ports].name)
        instance->n_ports++;
    instance->port_counts = g_new0(uint32_t, instance->n_ports);
    instance->ends = g_new0(pb_end *, instance->n_ports);
    instance->handle_arrays = g_ptr_array_new_with_free_func(g_free);

    for (uint32_t row = 0; row < instance->n_ports; row++) {
        const pb_port *port = &ports[row];
        uint32_t count = port->count ? port->count : 1;

        if (port->count_offset)
            count = *(const uint32_t *)((char *)instance->self + port->count_offset - 1);
        instance->port_counts[row] = count;
        instance->ends[row] = g_new0(pb_end, count);
        if (port->count_offset && port->role == PB_REQUIRES) {
            void **array = g_new0(void *, count);

            g_ptr_array_add(instance->handle_arrays, array);
            *(void ***)((char *)instance->self + port->handle_offset - 1) = array;
        }
    }
}

static void wire_free(pb_wire *wire)
{
    if (wire)
        g_array_unref(wire->listeners);
    g_free(wire);
}

void pb_instance_free_ends(pb_instance *instance)
{
    for (uint32_t row = 0; row < instance->n_ports; row++) {
        for (uint32_t i = 0; i < instance->port_counts[row]; i++) {
            wire_free(instance->ends[row][i].wire);
            g_free(instance->ends[row][i].link);
            pb_check_link_free(instance->ends[row][i].check);
        }
        g_free(instance->ends[row]);
    }
    g_free(instance->ends);
    g_free(instance->port_counts);
    if (instance->handle_arrays)
        g_ptr_array_unref(instance->handle_arrays);
}

/* ---- names --------------------------------------------------------------------------------------- */

const pb_port *pb_class_port(const pb_class *class, const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *closest;

    for (const pb_port *port = class->ports; port && port->name; port++) {
        if (strcmp(port->name, name) == 0)
            return port;
        g_ptr_array_add(names, (gpointer)port->name);
    }
    g_ptr_array_add(names, NULL);
    closest = pb_closest_name(name, (const char *const *)names->pdata);
    pb_object_fail(error, PB_OBJECT_ERROR_NAME, NULL, "%s has no port '%s'%s%s%s", class->name,
                   name, closest ? "; did you mean '" : "", closest ? closest : "",
                   closest ? "'?" : "");
    return NULL;
}

/* The number in "[number]", which ends the text. */
static bool parse_index(const char *text, uint32_t *index)
{
    g_autofree char *digits = g_strndup(text + 1, strlen(text) - (*text ? 1 : 0));
    char *close = strrchr(digits, ']');
    guint64 number;

    if (*text != '[' || !close || close[1])
        return false;
    *close = '\0';
    if (!g_ascii_string_to_unsigned(digits, 10, 0, UINT32_MAX, &number, NULL))
        return false;
    *index = (uint32_t)number;
    return true;
}

bool pb_instance_port(pb_instance *instance, const char *text, pb_port_ref *ref, GError **error)
{
    size_t length = strcspn(text, "[");
    g_autofree char *name = g_strndup(text, length);
    const pb_port *port = pb_class_port(instance->class, name, error);
    uint32_t count;

    g_return_val_if_fail(instance->phase >= PB_PHASE_SETTLED, false);
    if (!port)
        return false;
    count = pb_instance_port_count(instance, port);
    *ref = (pb_port_ref){ instance, port, 0 };
    if (text[length] && !parse_index(text + length, &ref->index))
        return pb_object_fail(error, PB_OBJECT_ERROR_VALUE, NULL,
                              "'%s' is no element of a port; one is written %s[0]", text, name);
    if (!text[length] && is_array(port))
        return pb_object_fail(error, PB_OBJECT_ERROR_VALUE, instance,
                              "port '%s' has %u elements: give one, %s[0] to %s[%u]", name, count,
                              name, name, count - 1);
    if (ref->index >= count)
        return pb_object_fail(error, PB_OBJECT_ERROR_VALUE, instance,
                              "port '%s' has %u element%s, no [%u]", name, count,
                              count == 1 ? "" : "s", ref->index);
    return true;
}

/* ---- wires --------------------------------------------------------------------------------------- */

static void split_set(void *self, uint32_t index, bool level)
{
    const pb_wire *wire = self;

    for (guint i = 0; i < wire->listeners->len; i++) {
        const pb_line *listener = &g_array_index(wire->listeners, pb_line, i);

        listener->iface->set(listener->self, listener->index, level);
    }
}

static const pb_line_iface split_iface = { .size = sizeof(split_iface), .set = split_set };

static pb_wire *wire_new(const pb_port_ref *driver)
{
    pb_wire *wire = g_new0(pb_wire, 1);

    wire->owner = driver->instance;
    wire->port = driver->port;
    wire->index = driver->index;
    wire->listeners = g_array_new(FALSE, TRUE, sizeof(pb_line));
    return wire;
}

/* With one listener the plugin's call goes straight to it. */
static void wire_add(pb_wire *wire, const pb_line_iface *iface, void *self, uint32_t index)
{
    pb_line listener = { .iface = iface, .self = self, .index = index };

    g_array_append_val(wire->listeners, listener);
    wire->line.iface = iface;
    wire->line.self = self;
    wire->line.index = index;
    if (wire->listeners->len > 1) {
        wire->line.iface = &split_iface;
        wire->line.self = wire;
        wire->line.index = 0;
    }
}

void pb_instance_settle_lines(pb_instance *instance)
{
    for (uint32_t row = 0; row < instance->n_ports; row++) {
        for (uint32_t i = 0; i < instance->port_counts[row]; i++) {
            const pb_wire *wire = instance->ends[row][i].wire;

            if (wire)
                wire->line.iface->set(wire->line.self, wire->line.index, wire->line.level);
        }
    }
}

/* ---- connecting ---------------------------------------------------------------------------------- */

static bool check_free(const pb_port_ref *ref, GError **error)
{
    const pb_end *end = end_of(ref);
    g_autofree char *text = NULL;
    g_autofree char *peer = NULL;

    if (!end->connected)
        return true;
    text = pb_port_ref_text(ref);
    peer = end->peer.instance ? pb_port_ref_text(&end->peer) : g_strdup("the machine");
    return pb_object_fail(error, PB_OBJECT_ERROR_TWICE, NULL, "%s is connected already, to %s",
                          text, peer);
}

static bool check_pair(const pb_port_ref *a, const pb_port_ref *b, GError **error)
{
    g_autofree char *a_text = pb_port_ref_text(a);
    g_autofree char *b_text = pb_port_ref_text(b);

    if (strcmp(a->port->protocol, b->port->protocol) != 0)
        return pb_object_fail(error, PB_OBJECT_ERROR_PROTOCOL, NULL,
                              "%s is a port of protocol %s, %s of protocol %s", a_text,
                              a->port->protocol, b_text, b->port->protocol);
    if (a->port->role == b->port->role)
        return pb_object_fail(error, PB_OBJECT_ERROR_ROLE, NULL,
                              "%s and %s both %s protocol %s: %s", a_text, b_text,
                              a->port->role == PB_PROVIDES ? "provide" : "require",
                              a->port->protocol, "one must provide, the other require");
    return true;
}

/* Give the requiring side its way to call. */
static void join_required(const pb_port_ref *required, pb_link link)
{
    pb_end *end = end_of(required);

    end->connected = true;
    if (pb_check_enabled)
        end->check = pb_check_link_new(required, &link);
    if (is_line(required->port->protocol)) {
        end->wire = wire_new(required);
        wire_add(end->wire, link.iface, link.self, link.index);
        *handle_of(required) = &end->wire->line;
    } else {
        end->link = g_memdup2(&link, sizeof(link));
        *handle_of(required) = end->link;
    }
}

/* The same for the providing side. */
static void join_provided(const pb_port_ref *provided, pb_link link)
{
    pb_end *end = end_of(provided);

    end->connected = true;
    if (pb_check_enabled)
        end->check = pb_check_link_new(provided, &link);
    end->link = g_memdup2(&link, sizeof(link));
    if (provided->port->connected)
        provided->port->connected(provided->instance->self, provided->index, end->link);
}

/* What leads to a port. */
static pb_link link_to(const pb_port_ref *ref)
{
    return (pb_link){ ref->port->iface, ref->instance->self, ref->index, 0 };
}

bool pb_instance_connect(const pb_port_ref *a, const pb_port_ref *b, GError **error)
{
    const pb_port_ref *required = a->port->role == PB_REQUIRES ? a : b;
    const pb_port_ref *provided = required == a ? b : a;

    if (!check_pair(a, b, error) || !check_free(required, error) || !check_free(provided, error))
        return false;
    end_of(required)->peer = *provided;
    end_of(provided)->peer = *required;
    join_required(required, link_to(provided));
    join_provided(provided, link_to(required));
    return true;
}

bool pb_instance_split(const pb_port_ref *line, const pb_port_ref *listener, GError **error)
{
    pb_end *end = end_of(line);

    if (!end->wire)
        return pb_instance_connect(line, listener, error);
    if (!check_pair(line, listener, error) || !check_free(listener, error))
        return false;
    end_of(listener)->peer = *line;
    wire_add(end->wire, listener->port->iface, listener->instance->self, listener->index);
    join_provided(listener, link_to(line));
    return true;
}

bool pb_instance_give(const pb_port_ref *port, void *handle, GError **error)
{
    g_autofree char *text = pb_port_ref_text(port);

    if (!is_given(port->port->protocol) || port->port->role != PB_REQUIRES)
        return pb_object_fail(error, PB_OBJECT_ERROR_PROTOCOL, NULL,
                              "%s is no port that the machine gives a handle", text);
    if (!check_free(port, error))
        return false;
    end_of(port)->connected = true;
    if (pb_check_enabled)
        end_of(port)->check = pb_check_dma_new(port, &handle);
    *handle_of(port) = handle;
    return true;
}

bool pb_instance_attach(const pb_port_ref *port, const void *iface, void *self, uint32_t index,
                        pb_link *link, GError **error)
{
    if (!check_free(port, error))
        return false;
    if (port->port->role == PB_REQUIRES)
        join_required(port, (pb_link){ iface, self, index, 0 });
    else
        join_provided(port, (pb_link){ iface, self, index, 0 });
    if (link)
        *link = link_to(port);
    return true;
}

bool pb_instance_is_connected(const pb_port_ref *port)
{
    return end_of(port)->connected;
}

bool pb_instance_peer(const pb_port_ref *port, pb_port_ref *peer)
{
    *peer = end_of(port)->peer;
    return peer->instance != NULL;
}

bool pb_instance_check_connected(pb_instance *instance, GError **error)
{
    for (uint32_t row = 0; row < instance->n_ports; row++) {
        const pb_port *port = &instance->class->ports[row];

        if (port->role != PB_REQUIRES || port->optional)
            continue;
        for (uint32_t i = 0; i < instance->port_counts[row]; i++) {
            pb_port_ref ref = { instance, port, i };
            g_autofree char *text = pb_port_ref_text(&ref);

            if (!instance->ends[row][i].connected)
                return pb_object_fail(error, PB_OBJECT_ERROR_REQUIRED, NULL,
                                      "%s is not connected; it requires protocol %s", text,
                                      port->protocol);
        }
    }
    return true;
}
