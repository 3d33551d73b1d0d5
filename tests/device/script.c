/*
 * Runs register scripts: docs/device-tests.md describes them. Each case runs against a new instance of the real plugin in
 * a fake machine; at its end the state is saved, loaded into another instance, and must be the same.
 */
#include "script.h"

#include <core/device/tables.h>
#include <errno.h>
#include <inttypes.h>
#include <yaml.h>

#define MAX_TIMERS 100000 /* expiries during one `advance` */

typedef struct script {
    const char *file;
    yaml_document_t document;
    pb_plugin_host *host;
    yaml_node_t *device, *with;
    int64_t wall_s;
    unsigned passed, failed;

    /* of the case that runs */
    const char *name;
    fake_machine *machine;
    pb_instance *subject;
} script;

/* ---- YAML ---------------------------------------------------------------------------------------- */

static G_GNUC_PRINTF(3, 4) bool complain(script *s, const yaml_node_t *at, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    printf("%s:%zu: %s%s%s\n", s->file, at ? at->start_mark.line + 1 : 1, s->name ? s->name : "",
           s->name ? ": " : "", text);
    return false;
}

static yaml_node_t *node(script *s, int index)
{
    return yaml_document_get_node(&s->document, index);
}

static const char *scalar(const yaml_node_t *n)
{
    return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static yaml_node_t *value_of(script *s, const yaml_node_t *mapping, const char *key)
{
    if (!mapping || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const char *text = scalar(node(s, pair->key));

        if (text && strcmp(text, key) == 0)
            return node(s, pair->value);
    }
    return NULL;
}

static bool number(script *s, const yaml_node_t *n, uint64_t *value)
{
    const char *text = scalar(n);
    char *end;
    bool minus = text && *text == '-';

    if (!text || !*text)
        return complain(s, n, "a number is needed here");
    errno = 0;
    *value = g_str_has_prefix(text, "0b") ? g_ascii_strtoull(text + 2, &end, 2)
                                          : g_ascii_strtoull(text + minus, &end, 0);
    if (*end || errno)
        return complain(s, n, "'%s' is no number", text);
    if (minus)
        *value = -*value;
    return true;
}

static bool duration_ns(script *s, const yaml_node_t *n, uint64_t *ns)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
    const char *text = scalar(n);
    char *end;

    *ns = text ? g_ascii_strtoull(text, &end, 10) : 0;
    for (size_t i = 0; text && end > text && i < G_N_ELEMENTS(units); i++) {
        if (strcmp(end, units[i].name) == 0) {
            *ns *= units[i].factor;
            return true;
        }
    }
    return complain(s, n, "a time is needed here, such as 10us");
}

/* Bytes of a scalar: "hex: 00 01 02", otherwise the text itself. */
static GByteArray *bytes_of(script *s, const yaml_node_t *n)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    const char *text = scalar(n);

    if (!text) {
        complain(s, n, "text, or 'hex: 00 01 ...', is needed here");
        return NULL;
    }
    if (!g_str_has_prefix(text, "hex:")) {
        g_byte_array_append(bytes, (const uint8_t *)text, (guint)n->data.scalar.length);
        return g_steal_pointer(&bytes);
    }
    for (text += 4; *text;) {
        uint8_t byte;

        if (g_ascii_isspace(*text)) {
            text++;
            continue;
        }
        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1])) {
            complain(s, n, "'%s' is no pair of hexadecimal digits", text);
            return NULL;
        }
        byte = (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
        g_byte_array_append(bytes, &byte, 1);
        text += 2;
    }
    return g_steal_pointer(&bytes);
}

/* ---- places: registers, fields, offsets ------------------------------------------------------------ */

/* What a key of read, write or expect names. */
typedef struct place {
    uint32_t region;
    uint64_t offset;
    uint32_t size;
    uint32_t lsb, width; /* of the field; of the register if the key names none */
} place;

static const pb_field *find_field(const pb_reg *reg, const char *name)
{
    for (const pb_field *field = reg->fields; field && field->name; field++)
        if (strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

/* NAME[index] and .FIELD behind a register's name. */
static bool refine(place *p, const pb_reg *reg, const char *rest)
{
    if (*rest == '[') {
        char *end;
        uint64_t index = g_ascii_strtoull(rest + 1, &end, 0);

        if (*end != ']' || index >= pb_reg_count(reg))
            return false;
        p->offset += index * pb_reg_stride(reg);
        rest = end + 1;
    }
    if (*rest == '.') {
        const pb_field *field = find_field(reg, rest + 1);

        if (!field)
            return false;
        p->lsb = field->lsb;
        p->width = field->width;
        rest += strlen(rest);
    }
    return !*rest;
}

static bool find_register(const pb_region *region, const char *text, place *p)
{
    size_t length = strcspn(text, "[");

    for (const pb_reg *reg = region->regs; reg && reg->name; reg++) {
        size_t name_length = strlen(reg->name);
        uint32_t min = region->access_min ? region->access_min : 1;

        if (strncmp(reg->name, text, name_length) != 0 ||
            (name_length != length && text[name_length] != '.' && text[name_length]))
            continue;
        p->offset += reg->offset;
        p->size = MAX(pb_reg_bytes(reg), min);
        p->lsb = 0;
        p->width = reg->width;
        if (refine(p, reg, text + name_length))
            return true;
        p->offset -= reg->offset;
    }
    return false;
}

/* "0x30/4": an offset and a size. */
static bool parse_offset(const char *text, place *p)
{
    char *end;

    if (!g_ascii_isdigit(*text))
        return false;
    p->offset += g_ascii_strtoull(text, &end, 0);
    if (*end != '/')
        return false;
    p->size = (uint32_t)g_ascii_strtoull(end + 1, &end, 10);
    p->lsb = 0;
    p->width = 8 * p->size;
    return !*end && (p->size == 1 || p->size == 2 || p->size == 4 || p->size == 8);
}

/* [REGION[@FRAME]:]REGISTER[index][.FIELD] or [REGION:]OFFSET/BYTES. */
static bool find_place(pb_instance *instance, const char *key, place *p)
{
    const char *colon = strchr(key, ':');
    size_t region_length = colon ? strcspn(key, "@:") : 0;
    uint32_t count = pb_instance_region_count(instance);

    for (p->region = 0; p->region < count; p->region++) {
        const pb_region *region = pb_instance_region(instance, p->region);

        p->offset = 0;
        if (colon &&
            (strncmp(region->name, key, region_length) != 0 || region->name[region_length]))
            continue;
        if (colon && key[region_length] == '@')
            p->offset = g_ascii_strtoull(key + region_length + 1, NULL, 0) * region->frame_bytes;
        if (parse_offset(colon ? colon + 1 : key, p) ||
            find_register(region, colon ? colon + 1 : key, p))
            return true;
    }
    return false;
}

/* The instance that a key begins with ("blk/REGISTER"), the subject if none. */
static pb_instance *instance_of_key(script *s, const char **key)
{
    for (guint i = 0; i < s->machine->instances->len; i++) {
        pb_instance *instance = s->machine->instances->pdata[i];
        const char *path = pb_instance_path(instance);

        if (g_str_has_prefix(*key, path) && (*key)[strlen(path)] == '/' &&
            !g_ascii_isdigit((*key)[strlen(path) + 1])) {
            *key += strlen(path) + 1;
            return instance;
        }
    }
    return s->subject;
}

static bool access_place(script *s, pb_instance *instance, const yaml_node_t *at, const place *p,
                         bool write, uint64_t *value)
{
    pb_bus_result result =
        write ? fake_machine_write(s->machine, instance, p->region, p->offset, p->size, *value)
              : fake_machine_read(s->machine, instance, p->region, p->offset, p->size, value);

    if (result == PB_BUS_OK)
        return true;
    return complain(s, at, "%s of %u bytes at 0x%" PRIx64 ": bus error %d",
                    write ? "write" : "read", p->size, p->offset, result);
}

/* ---- steps --------------------------------------------------------------------------------------- */

typedef bool (*pair_fn)(script *s, const yaml_node_t *key, const yaml_node_t *value);

static bool each_pair(script *s, const yaml_node_t *mapping, pair_fn fn)
{
    if (mapping->type != YAML_MAPPING_NODE)
        return complain(s, mapping, "a mapping is needed here");
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = node(s, pair->key);

        if (!scalar(key))
            return complain(s, key, "a name is needed here");
        if (!fn(s, key, node(s, pair->value)))
            return false;
    }
    return true;
}

static bool is_place(script *s, const yaml_node_t *key, pb_instance **instance, place *p)
{
    const char *text = scalar(key);

    *instance = instance_of_key(s, &text);
    return find_place(*instance, text, p);
}

static bool write_one(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    pb_instance *instance;
    uint64_t bits;
    place p;

    if (!is_place(s, key, &instance, &p))
        return complain(s, key, "'%s' is no register", scalar(key));
    if (p.lsb || p.width < 8 * p.size)
        if (strchr(scalar(key), '.') && !strchr(scalar(key), '/'))
            return complain(s, key, "'%s': write whole registers", scalar(key));
    return number(s, value, &bits) && access_place(s, instance, key, &p, true, &bits);
}

static bool step_write(script *s, const yaml_node_t *value)
{
    return each_pair(s, value, write_one);
}

static bool read_one(script *s, const yaml_node_t *key)
{
    pb_instance *instance;
    uint64_t bits;
    place p;

    if (!scalar(key) || !is_place(s, key, &instance, &p))
        return complain(s, key, "no register is called that");
    return access_place(s, instance, key, &p, false, &bits);
}

static bool each_item(script *s, const yaml_node_t *list,
                      bool (*fn)(script *s, const yaml_node_t *item))
{
    if (list->type != YAML_SEQUENCE_NODE)
        return fn(s, list);
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++)
        if (!fn(s, node(s, *item)))
            return false;
    return true;
}

static bool step_read(script *s, const yaml_node_t *value)
{
    return each_item(s, value, read_one);
}

static bool bus_error_one(script *s, const yaml_node_t *key)
{
    pb_instance *instance;
    uint64_t bits = 0;
    place p;

    if (!scalar(key) || !is_place(s, key, &instance, &p))
        return complain(s, key, "no register is called that");
    if (fake_machine_read(s->machine, instance, p.region, p.offset, p.size, &bits) == PB_BUS_OK ||
        fake_machine_write(s->machine, instance, p.region, p.offset, p.size, 0) == PB_BUS_OK)
        return complain(s, key, "%s: no bus error", scalar(key));
    return true;
}

static bool step_bus_error(script *s, const yaml_node_t *value)
{
    return each_item(s, value, bus_error_one);
}

/* The machine's end of the port that a key names, null if it is no port. */
static fake_end *find_end(script *s, const yaml_node_t *key)
{
    const char *text = scalar(key);
    pb_instance *instance = instance_of_key(s, &text);
    pb_port_ref port;

    if (!pb_instance_port(instance, text, &port, NULL))
        return NULL;
    return fake_machine_end(s->machine, &port);
}

static bool expect_level(script *s, const yaml_node_t *key, const yaml_node_t *value, fake_end *end)
{
    const char *text = scalar(value);
    bool high = text && (strcmp(text, "high") == 0 || strcmp(text, "pulse") == 0);

    if (!text || (!high && strcmp(text, "low") != 0))
        return complain(s, value, "a level is needed here: high, low or pulse");
    if (strcmp(text, "pulse") == 0) {
        bool pulsed = !end->level && end->edges >= 2;

        end->edges = 0;
        return pulsed || complain(s, key, "%s did not pulse", scalar(key));
    }
    end->edges = 0;
    return end->level == high || complain(s, key, "%s is %s, expected %s", scalar(key),
                                          end->level ? "high" : "low", text);
}

static char *hex_of(const uint8_t *bytes, size_t length)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < length; i++)
        g_string_append_printf(text, "%s%02x", i ? " " : "", bytes[i]);
    return g_string_free(text, FALSE);
}

static bool expect_bytes(script *s, const yaml_node_t *key, const yaml_node_t *value,
                         const uint8_t *bytes, size_t length)
{
    g_autoptr(GByteArray) wanted = bytes_of(s, value);
    g_autofree char *is = hex_of(bytes, length);
    g_autofree char *should = NULL;

    if (!wanted)
        return false;
    if (wanted->len == length && (!length || memcmp(wanted->data, bytes, length) == 0))
        return true;
    should = hex_of(wanted->data, wanted->len);
    return complain(s, key, "%s is [%s], expected [%s]", scalar(key), is, should);
}

static bool expect_port(script *s, const yaml_node_t *key, const yaml_node_t *value, fake_end *end)
{
    const char *protocol = end->port.port->protocol;
    bool same;

    if (strcmp(protocol, PB_PROTOCOL_IRQ) == 0 || strcmp(protocol, PB_PROTOCOL_GPIO) == 0)
        return expect_level(s, key, value, end);
    same = expect_bytes(s, key, value, end->output->data, end->output->len);
    g_byte_array_set_size(end->output, 0);
    return same;
}

/* Some line since the last question holds the text; "": there is none. */
static bool expect_lines(script *s, const yaml_node_t *key, const yaml_node_t *value,
                         GString *lines)
{
    const char *text = scalar(value);
    bool found = text && (*text ? strstr(lines->str, text) != NULL : !lines->len);

    if (!found)
        complain(s, key, "the %s is \"%s\", expected \"%s\"", scalar(key), lines->str,
                 text ? text : "");
    g_string_truncate(lines, 0);
    return found;
}

static bool expect_request(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    const char *text = scalar(value);
    unsigned wanted = text && strcmp(text, "reset") == 0       ? 1u << PB_MACHINE_RESET
                      : text && strcmp(text, "power-off") == 0 ? 1u << PB_MACHINE_POWER_OFF
                                                               : 0;
    bool same = s->machine->requests == wanted;

    s->machine->requests = 0;
    return same || complain(s, key, "the machine was asked for something else than '%s'", text);
}

static bool expect_place(script *s, const yaml_node_t *key, const yaml_node_t *value,
                         pb_instance *instance, const place *p)
{
    uint64_t wanted, bits;

    if (!number(s, value, &wanted) || !access_place(s, instance, key, p, false, &bits))
        return false;
    bits = bits >> p->lsb & pb_bits_mask(p->width);
    return bits == wanted ||
           complain(s, key, "%s is 0x%" PRIx64 ", expected 0x%" PRIx64, scalar(key), bits, wanted);
}

static bool expect_one(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    pb_instance *instance;
    fake_end *end;
    place p;

    if (strcmp(scalar(key), "log") == 0)
        return expect_lines(s, key, value, s->machine->log);
    if (strcmp(scalar(key), "map") == 0)
        return expect_lines(s, key, value, s->machine->maps);
    if (strcmp(scalar(key), "request") == 0)
        return expect_request(s, key, value);
    if (is_place(s, key, &instance, &p))
        return expect_place(s, key, value, instance, &p);
    end = find_end(s, key);
    if (end)
        return expect_port(s, key, value, end);
    return complain(s, key, "'%s' is neither a register nor a port", scalar(key));
}

static bool step_expect(script *s, const yaml_node_t *value)
{
    return each_pair(s, value, expect_one);
}

static bool feed_one(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    fake_end *end = find_end(s, key);
    g_autoptr(GByteArray) bytes = bytes_of(s, value);

    if (!end || !end->peer.iface)
        return complain(s, key, "'%s' is no port that takes input", scalar(key));
    if (!bytes)
        return false;
    return fake_end_feed(end, bytes->data, bytes->len) ||
           complain(s, key, "%s refused the input", scalar(key));
}

static bool step_feed(script *s, const yaml_node_t *value)
{
    return each_pair(s, value, feed_one);
}

static bool drive_one(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    fake_end *end = find_end(s, key);
    const char *text = scalar(value);

    if (!end || end->port.port->role != PB_PROVIDES)
        return complain(s, key, "'%s' is no input line", scalar(key));
    if (!text || (strcmp(text, "high") != 0 && strcmp(text, "low") != 0))
        return complain(s, value, "a level is needed here: high or low");
    pb_line_set(&end->line, strcmp(text, "high") == 0);
    return true;
}

static bool step_drive(script *s, const yaml_node_t *value)
{
    return each_pair(s, value, drive_one);
}

static bool event_one(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    static const char *const names[] = { "", "opened", "closed", "break" };
    fake_end *end = find_end(s, key);
    const pb_stream_client_iface *client = end ? end->peer.iface : NULL;

    if (!end || strcmp(end->port.port->protocol, PB_PROTOCOL_CHAR) != 0)
        return complain(s, key, "'%s' is no char port", scalar(key));
    for (uint32_t event = 1; event < G_N_ELEMENTS(names); event++) {
        if (scalar(value) && strcmp(scalar(value), names[event]) == 0) {
            if (client->event)
                client->event(end->peer.self, end->peer.index, event);
            return true;
        }
    }
    return complain(s, value, "an event is needed here: opened, closed or break");
}

static bool step_event(script *s, const yaml_node_t *value)
{
    return each_pair(s, value, event_one);
}

static bool step_advance(script *s, const yaml_node_t *value)
{
    uint64_t ns;

    return duration_ns(s, value, &ns) &&
           (fake_machine_advance(s->machine, ns, MAX_TIMERS) ||
            complain(s, value, "more than %d timers expired", MAX_TIMERS));
}

static bool step_requester(script *s, const yaml_node_t *value)
{
    uint64_t requester = 0;

    if (!number(s, value, &requester))
        return false;
    s->machine->requester = (uint32_t)requester;
    return true;
}

static bool step_reset(script *s, const yaml_node_t *value)
{
    fake_machine_reset(s->machine);
    return true;
}

static bool address_of(script *s, const yaml_node_t *key, size_t length, uint64_t *gpa)
{
    if (!number(s, key, gpa))
        return false;
    return (*gpa <= FAKE_MEMORY_BYTES && length <= FAKE_MEMORY_BYTES - *gpa) ||
           complain(s, key, "memory is 0 to 0x%" PRIx64, FAKE_MEMORY_BYTES);
}

static bool memory_one(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    g_autoptr(GByteArray) bytes = bytes_of(s, value);
    uint64_t gpa = 0;

    if (!bytes || !address_of(s, key, bytes->len, &gpa))
        return false;
    memcpy(s->machine->memory + gpa, bytes->data, bytes->len);
    return true;
}

static bool step_memory(script *s, const yaml_node_t *value)
{
    return each_pair(s, value, memory_one);
}

static bool expect_memory_one(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    g_autoptr(GByteArray) bytes = bytes_of(s, value);
    uint64_t gpa;

    return bytes && address_of(s, key, bytes->len, &gpa) &&
           expect_bytes(s, key, value, s->machine->memory + gpa, bytes->len);
}

static bool step_expect_memory(script *s, const yaml_node_t *value)
{
    return each_pair(s, value, expect_memory_one);
}

/* `disk: { PORT: { OFFSET: bytes } }` fills the disk behind a block port, expect-disk compares it. */
static bool disk_pairs(script *s, const yaml_node_t *key, const yaml_node_t *value, bool compare)
{
    fake_end *end = find_end(s, key);

    if (!end || end->input->len != FAKE_DISK_BYTES || value->type != YAML_MAPPING_NODE)
        return complain(s, key, "'%s' is no block port with offsets", scalar(key));
    for (yaml_node_pair_t *pair = value->data.mapping.pairs.start;
         pair < value->data.mapping.pairs.top; pair++) {
        const yaml_node_t *at = node(s, pair->key);
        g_autoptr(GByteArray) bytes = bytes_of(s, node(s, pair->value));
        uint64_t offset;

        if (!bytes || !number(s, at, &offset))
            return false;
        if (offset > FAKE_DISK_BYTES || bytes->len > FAKE_DISK_BYTES - offset)
            return complain(s, at, "the disk has 0x%" PRIx64 " bytes", FAKE_DISK_BYTES);
        if (compare &&
            !expect_bytes(s, at, node(s, pair->value), end->input->data + offset, bytes->len))
            return false;
        if (!compare)
            memcpy(end->input->data + offset, bytes->data, bytes->len);
    }
    return true;
}

static bool disk_one(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    return disk_pairs(s, key, value, false);
}

static bool expect_disk_one(script *s, const yaml_node_t *key, const yaml_node_t *value)
{
    return disk_pairs(s, key, value, true);
}

static bool step_disk(script *s, const yaml_node_t *value)
{
    return each_pair(s, value, disk_one);
}

static bool step_expect_disk(script *s, const yaml_node_t *value)
{
    return each_pair(s, value, expect_disk_one);
}

static const struct {
    const char *name;
    bool (*run)(script *s, const yaml_node_t *value);
} steps[] = {
    { "write", step_write },     { "read", step_read },
    { "expect", step_expect },   { "feed", step_feed },
    { "drive", step_drive },     { "event", step_event },
    { "advance", step_advance }, { "requester", step_requester },
    { "reset", step_reset },     { "bus-error", step_bus_error },
    { "memory", step_memory },   { "expect-memory", step_expect_memory },
    { "disk", step_disk },       { "expect-disk", step_expect_disk },
};

static bool run_step(script *s, const yaml_node_t *step)
{
    if (step->type != YAML_MAPPING_NODE)
        return complain(s, step, "a step is a mapping");
    for (yaml_node_pair_t *pair = step->data.mapping.pairs.start;
         pair < step->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node(s, pair->key);
        bool known = false;

        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
            if (!scalar(key) || strcmp(scalar(key), steps[i].name) != 0)
                continue;
            known = true;
            if (!steps[i].run(s, node(s, pair->value)))
                return false;
        }
        if (!known)
            return complain(s, key, "there is no step of this kind");
    }
    return true;
}

/* ---- machines ------------------------------------------------------------------------------------ */

typedef struct builder {
    script *s;
    fake_machine *machine;
    pb_instance *instance;
    bool ports; /* second pass */
} builder;

static pb_instance *find_instance(fake_machine *machine, const char *path)
{
    for (guint i = 0; i < machine->instances->len; i++)
        if (strcmp(pb_instance_path(machine->instances->pdata[i]), path) == 0)
            return machine->instances->pdata[i];
    return NULL;
}

/* "bus.slot[3]" to a port. */
static bool find_peer(script *s, fake_machine *machine, const yaml_node_t *value, pb_port_ref *peer)
{
    const char *text = scalar(value);
    g_autofree char *path = text ? g_strndup(text, strcspn(text, ".")) : NULL;
    pb_instance *instance = text && strchr(text, '.') ? find_instance(machine, path) : NULL;
    g_autoptr(GError) error = NULL;

    if (!instance)
        return complain(s, value, "an instance and its port are needed here, such as bus.slot[0]");
    return pb_instance_port(instance, strchr(text, '.') + 1, peer, &error) ||
           complain(s, value, "%s", error->message);
}

static bool set_property(script *s, pb_instance *instance, const char *name,
                         const yaml_node_t *value)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new();
    g_autoptr(GError) error = NULL;

    if (value->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *item = value->data.sequence.items.start;
             item < value->data.sequence.items.top; item++)
            g_ptr_array_add(texts, (gpointer)scalar(node(s, *item)));
    } else {
        g_ptr_array_add(texts, (gpointer)scalar(value));
    }
    return pb_instance_set_list(instance, name, (const char *const *)texts->pdata, texts->len, NULL,
                                &error) ||
           complain(s, value, "%s", error->message);
}

/* One key of an instance, in the pass of properties or in that of ports. */
static bool apply_key(const builder *b, const yaml_node_t *key, const yaml_node_t *value)
{
    const char *name = scalar(key);
    g_autofree char *stem = g_strndup(name, strcspn(name, "["));
    bool is_port = pb_class_port(pb_instance_class(b->instance), stem, NULL) != NULL;
    g_autoptr(GError) error = NULL;
    pb_port_ref port, peer;

    if (strcmp(name, "type") == 0 || is_port != b->ports)
        return true;
    if (!is_port)
        return set_property(b->s, b->instance, name, value);
    if (!pb_instance_port(b->instance, name, &port, &error))
        return complain(b->s, key, "%s", error->message);
    return find_peer(b->s, b->machine, value, &peer) &&
           (pb_instance_split(&port, &peer, &error) || complain(b->s, key, "%s", error->message));
}

static bool apply_keys(const builder *b, const yaml_node_t *description)
{
    if (description->type != YAML_MAPPING_NODE)
        return true;
    for (yaml_node_pair_t *pair = description->data.mapping.pairs.start;
         pair < description->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = node(b->s, pair->key);

        if (!scalar(key) || !apply_key(b, key, node(b->s, pair->value)))
            return false;
    }
    return true;
}

static pb_instance *make_instance(script *s, fake_machine *machine, const char *path,
                                  const yaml_node_t *description)
{
    const yaml_node_t *type = scalar(description) ? description : value_of(s, description, "type");
    g_autoptr(GError) error = NULL;
    const pb_class *class;
    builder b = { s, machine, NULL, false };

    if (!scalar(type)) {
        complain(s, description, "the type is missing");
        return NULL;
    }
    class = pb_plugin_host_type(s->host, PB_KIND_DEVICE, scalar(type), &error);
    if (!class) {
        complain(s, type, "%s", error->message);
        return NULL;
    }
    b.instance = fake_machine_add(machine, class, path);
    if (!apply_keys(&b, description))
        return NULL;
    if (!pb_instance_settle_properties(b.instance, &error)) {
        complain(s, description, "%s", error->message);
        return NULL;
    }
    return b.instance;
}

static bool connect_instance(script *s, fake_machine *machine, const char *path,
                             const yaml_node_t *description)
{
    builder b = { s, machine, find_instance(machine, path), true };

    return apply_keys(&b, description);
}

static bool build_others(script *s, fake_machine *machine, bool connect)
{
    if (!s->with)
        return true;
    for (yaml_node_pair_t *pair = s->with->data.mapping.pairs.start;
         pair < s->with->data.mapping.pairs.top; pair++) {
        const char *path = scalar(node(s, pair->key));
        const yaml_node_t *description = node(s, pair->value);

        if (!path)
            return complain(s, node(s, pair->key), "a name is needed here");
        if (connect ? !connect_instance(s, machine, path, description)
                    : !make_instance(s, machine, path, description))
            return false;
    }
    return true;
}

/* A started machine with the subject first, or null. */
static fake_machine *build_machine(script *s, const yaml_node_t *device)
{
    fake_machine *machine = fake_machine_new(s->host);
    g_autoptr(GError) error = NULL;

    machine->wall_base_s = s->wall_s;
    if (make_instance(s, machine, "device", device) && build_others(s, machine, false) &&
        connect_instance(s, machine, "device", device) && build_others(s, machine, true)) {
        if (fake_machine_start(machine, true, &error))
            return machine;
        complain(s, device, "%s", error->message);
    }
    fake_machine_free(machine);
    return NULL;
}

/* ---- cases --------------------------------------------------------------------------------------- */

static bool check_snapshot(script *s, const yaml_node_t *device)
{
    fake_machine *other = build_machine(s, device);
    bool same = other != NULL;

    if (other)
        other->now_ns = s->machine->now_ns;
    for (guint i = 0; same && i < s->machine->instances->len; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) saved =
            g_variant_ref_sink(pb_instance_save(s->machine->instances->pdata[i]));
        g_autoptr(GVariant) again = NULL;
        g_autoptr(GString) text = g_string_new(NULL);

        if (!pb_instance_load(other->instances->pdata[i], saved, &error)) {
            same = complain(s, device, "snapshot: %s", error->message);
            break;
        }
        again = g_variant_ref_sink(pb_instance_save(other->instances->pdata[i]));
        if (pb_state_compare(saved, again, "snapshot", text))
            same = complain(s, device, "%s", text->str);
    }
    fake_machine_free(other);
    return same;
}

static void run_case(script *s, const char *name, yaml_node_t *device, yaml_node_t *list)
{
    unsigned violations = pb_check_violations();
    bool ok = false;

    s->name = name;
    s->machine = build_machine(s, device);
    if (s->machine) {
        s->subject = s->machine->instances->pdata[0];
        if (list->type != YAML_SEQUENCE_NODE)
            complain(s, list, "steps are a list");
        else
            ok = each_item(s, list, run_step) && check_snapshot(s, device);
        if (pb_check_violations() != violations)
            ok = complain(s, list, "the checking layer found something: %s", s->machine->log->str);
    }
    fake_machine_free(s->machine);
    s->machine = NULL;
    s->name = NULL;
    s->passed += ok;
    s->failed += !ok;
}

static bool run_case_node(script *s, const yaml_node_t *item)
{
    const yaml_node_t *name = value_of(s, item, "case");
    yaml_node_t *list = value_of(s, item, "steps");
    yaml_node_t *device = value_of(s, item, "device");

    if (!scalar(name) || !list) {
        s->failed++;
        complain(s, item, "a case has a name, `case:`, and `steps:`");
    } else {
        run_case(s, scalar(name), device ? device : s->device, list);
    }
    return true;
}

static bool check_top(script *s, yaml_node_t *root)
{
    static const char *const keys[] = { "device", "with", "wall", "steps", "cases", NULL };
    yaml_node_t *wall = value_of(s, root, "wall");
    uint64_t seconds = 1577836800;

    if (!root || root->type != YAML_MAPPING_NODE)
        return complain(s, root, "a script is a mapping");
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node(s, pair->key);

        if (!scalar(key) || !g_strv_contains(keys, scalar(key)))
            return complain(s, key, "a script has the keys device, with, wall, steps and cases");
    }
    s->device = value_of(s, root, "device");
    s->with = value_of(s, root, "with");
    if (!s->device || (s->with && s->with->type != YAML_MAPPING_NODE))
        return complain(s, root, "a script has a device, and perhaps a mapping of others, `with`");
    if (wall && !number(s, wall, &seconds))
        return false;
    s->wall_s = (int64_t)seconds;
    return true;
}

static void run_document(script *s)
{
    yaml_node_t *root = yaml_document_get_root_node(&s->document);
    yaml_node_t *list, *cases;

    if (!check_top(s, root)) {
        s->failed++;
        return;
    }
    list = value_of(s, root, "steps");
    cases = value_of(s, root, "cases");
    if (list)
        run_case(s, "steps", s->device, list);
    if (cases)
        each_item(s, cases, run_case_node);
    if (!list && !cases) {
        complain(s, root, "there are neither steps nor cases");
        s->failed++;
    }
}

void device_script_run(pb_plugin_host *host, const char *file, unsigned *passed, unsigned *failed)
{
    script s = { .file = file, .host = host };
    yaml_parser_t parser;
    FILE *stream = fopen(file, "rb");

    if (!stream) {
        printf("%s: %s\n", file, g_strerror(errno));
        (*failed)++;
        return;
    }
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_file(&parser, stream);
    if (!yaml_parser_load(&parser, &s.document)) {
        printf("%s:%zu: %s\n", file, parser.problem_mark.line + 1, parser.problem);
        s.failed++;
    } else {
        run_document(&s);
        yaml_document_delete(&s.document);
    }
    yaml_parser_delete(&parser);
    fclose(stream);
    *passed += s.passed;
    *failed += s.failed;
}
