/*
 * State of an instance: save, load, compare, print and hash, from its tables.
 *
 * A saved instance is a list of fields, each with name, kind, sizes and bytes, so that what does not fit is
 * told by name. Kinds: register, slot, data, timer, buffer, line, property. Of registers that share storage the
 * first is saved. Properties are not state: they are saved to see at load that the machine is the same.
 *
 * Bytes are as in memory; the version tells the byte order, and a snapshot of the other order is refused.
 */
#include <core/device/instance.h>

#define VERSION (G_BYTE_ORDER == G_LITTLE_ENDIAN ? 1u : 0x101u)

typedef struct field {
    char *name;
    const char *kind;
    uint32_t width, element; /* bytes; element 0: text */
    uint8_t *at;             /* of what is copied: in the instance, or `value` */
    uint64_t value;          /* of a timer or line */
    char *text;              /* of a property */
    pb_timer *timer;
    pb_line *line;
    const pb_reg *reg; /* to print the fields of */
} field;

static void field_clear(gpointer data)
{
    field *f = data;

    g_free(f->name);
    g_free(f->text);
}

/* ---- collecting ---------------------------------------------------------------------------------- */

static void add_bytes(GArray *fields, char *name, const char *kind, void *at, uint32_t width,
                      uint32_t element, const pb_reg *reg)
{
    field f = {
        .name = name, .kind = kind, .width = width, .element = element, .at = at, .reg = reg
    };

    g_array_append_val(fields, f);
}

static void add_registers(const pb_instance *instance, GArray *fields)
{
    const pb_device_type *device = pb_class_device(instance->class);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);

    for (const pb_region *region = device ? device->regions : NULL; region && region->name;
         region++) {
        for (const pb_reg *reg = region->regs; reg && reg->name; reg++) {
            if (!reg->store_offset || !g_hash_table_add(seen, GUINT_TO_POINTER(reg->store_offset)))
                continue;
            add_bytes(fields, g_strdup_printf("%s.%s", region->name, reg->name), "register",
                      (char *)instance->self + reg->store_offset - 1, reg->store_width,
                      reg->element, reg);
        }
    }
}

static void add_slots(const pb_instance *instance, GArray *fields)
{
    const pb_slot *slot;

    if (instance->class->kind != PB_KIND_CPU)
        return;
    for (slot = ((const pb_cpu_type *)instance->class)->slots; slot->name; slot++)
        add_bytes(fields, g_strdup(slot->name), "slot", (char *)instance->self + slot->offset,
                  pb_slot_bytes(slot->type), pb_slot_bytes(slot->type), NULL);
}

static void add_timer(const pb_instance *instance, GArray *fields, const pb_state *row)
{
    pb_timer *timer = *(pb_timer **)((char *)instance->self + row->offset);
    field f = {
        .name = g_strdup(row->name), .kind = "timer", .width = 8, .element = 8, .timer = timer
    };

    f.value = timer ? timer->deadline_ns : PB_TIMER_OFF;
    g_array_append_val(fields, f);
}

static void add_buffer(const pb_instance *instance, GArray *fields, const pb_state *row)
{
    const char *self = instance->self;
    void *bytes = *(void *const *)(self + row->offset);
    uint64_t length = bytes ? pb_load_uint(self + row->length_offset, row->length_width) : 0;

    g_return_if_fail(length <= UINT32_MAX);
    add_bytes(fields, g_strdup(row->name), "buffer", bytes, (uint32_t)length, 1, NULL);
}

static void add_state(const pb_instance *instance, GArray *fields)
{
    for (const pb_state *row = instance->class->state; row && row->name; row++) {
        if (row->kind == PB_STATE_KIND_DATA)
            add_bytes(fields, g_strdup(row->name), "data", (char *)instance->self + row->offset,
                      row->width, row->element, NULL);
        else if (row->kind == PB_STATE_KIND_TIMER)
            add_timer(instance, fields, row);
        else if (row->kind == PB_STATE_KIND_BUFFER)
            add_buffer(instance, fields, row);
    }
}

static void add_lines(const pb_instance *instance, GArray *fields)
{
    for (uint32_t row = 0; row < instance->n_ports; row++) {
        for (uint32_t i = 0; i < instance->port_counts[row]; i++) {
            pb_wire *wire = instance->ends[row][i].wire;
            field f = { .kind = "line", .width = 1, .element = 1 };

            if (!wire)
                continue;
            f.name = g_strdup_printf("%s[%u]", wire->port->name, i);
            f.line = &wire->line;
            f.value = wire->line.level;
            g_array_append_val(fields, f);
        }
    }
}

static void add_properties(const pb_instance *instance, GArray *fields)
{
    for (const pb_prop *prop = instance->class->props; prop && prop->name; prop++) {
        field f = { .name = g_strdup(prop->name), .kind = "property" };

        if (prop->type == PB_PROP_STRING || prop->type == PB_PROP_PATH) {
            g_free(f.name);
            continue;
        }
        f.text = pb_instance_get(instance, prop);
        f.at = (uint8_t *)f.text;
        f.width = (uint32_t)strlen(f.text);
        g_array_append_val(fields, f);
    }
}

static GArray *collect(const pb_instance *instance)
{
    GArray *fields = g_array_new(FALSE, TRUE, sizeof(field));

    g_array_set_clear_func(fields, field_clear);
    add_properties(instance, fields);
    add_slots(instance, fields);
    add_registers(instance, fields);
    add_state(instance, fields);
    add_lines(instance, fields);
    return fields;
}

static const void *field_bytes(const field *f)
{
    return f->at ? f->at : (const void *)&f->value;
}

/* ---- saving -------------------------------------------------------------------------------------- */

GVariant *pb_instance_save(const pb_instance *instance)
{
    g_autoptr(GArray) fields = collect(instance);
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("a(ssuuay)"));
    for (guint i = 0; i < fields->len; i++) {
        const field *f = &g_array_index(fields, field, i);

        g_variant_builder_add(
            &list, "(ssuu@ay)", f->name, f->kind, f->width, f->element,
            g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, field_bytes(f), f->width, 1));
    }
    return g_variant_new("(sua(ssuuay))", instance->class->name, VERSION, &list);
}

/* ---- loading ------------------------------------------------------------------------------------- */

static bool check_head(const pb_instance *instance, GVariant *state, GError **error)
{
    const char *type;
    guint32 version;

    if (!g_variant_is_of_type(state, G_VARIANT_TYPE(PB_STATE_FORMAT)) ||
        !g_variant_is_normal_form(state))
        return pb_object_fail(error, PB_OBJECT_ERROR_STATE, instance, "the saved state is damaged");
    g_variant_get(state, "(&sua(ssuuay))", &type, &version, NULL);
    if (strcmp(type, instance->class->name) != 0)
        return pb_object_fail(error, PB_OBJECT_ERROR_STATE, instance,
                              "the saved state is of type %s, the machine has a %s", type,
                              instance->class->name);
    if (version != VERSION)
        return pb_object_fail(error, PB_OBJECT_ERROR_STATE, instance,
                              "the saved state has version 0x%x, this program reads 0x%x", version,
                              VERSION);
    return true;
}

/* Key of a field in a table: kind and name. */
static char *field_key(const char *kind, const char *name)
{
    return g_strconcat(kind, " ", name, NULL);
}

/* The saved fields by key; the error is set if one is there twice. */
static GHashTable *index_saved(GVariant *state)
{
    GHashTable *table =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
    g_autoptr(GVariant) list = g_variant_get_child_value(state, 2);

    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        GVariant *entry = g_variant_get_child_value(list, i);
        const char *name, *kind;

        g_variant_get(entry, "(&s&suuay)", &name, &kind, NULL, NULL, NULL);
        g_hash_table_replace(table, field_key(kind, name), entry);
    }
    return table;
}

static const void *saved_bytes(GVariant *entry, gsize *length)
{
    g_autoptr(GVariant) bytes = g_variant_get_child_value(entry, 4);

    return g_variant_get_fixed_array(bytes, length, 1); /* lives in the entry's data */
}

static bool check_field(const pb_instance *instance, const field *f, GVariant *entry,
                        GError **error)
{
    guint32 width, element;
    const void *bytes;
    gsize length;

    if (!entry)
        return pb_object_fail(error, PB_OBJECT_ERROR_STATE, instance,
                              "the saved state has no %s '%s'", f->kind, f->name);
    g_variant_get(entry, "(&s&suuay)", NULL, NULL, &width, &element, NULL);
    bytes = saved_bytes(entry, &length);
    if (f->text) {
        g_autofree char *raw = g_strndup(bytes, MIN(length, 100));
        g_autofree char *was = g_strescape(raw, NULL); /* it may come from anywhere */

        return (length == f->width && memcmp(bytes, f->text, length) == 0) ||
               pb_object_fail(error, PB_OBJECT_ERROR_STATE, instance,
                              "property '%s' was %s when the state was saved, it is %s now",
                              f->name, was, f->text);
    }
    if (width != f->width || element != f->element || length != f->width)
        return pb_object_fail(error, PB_OBJECT_ERROR_STATE, instance,
                              "%s '%s' was saved with %u bytes in elements of %u, it has %u of %u",
                              f->kind, f->name, width, element, f->width, f->element);
    return true;
}

static bool check_fields(const pb_instance *instance, GArray *fields, GHashTable *saved,
                         GError **error)
{
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer key;

    for (guint i = 0; i < fields->len; i++) {
        const field *f = &g_array_index(fields, field, i);
        char *name = field_key(f->kind, f->name);

        g_hash_table_add(known, name);
        if (!check_field(instance, f, g_hash_table_lookup(saved, name), error))
            return false;
    }
    g_hash_table_iter_init(&iter, saved);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (!g_hash_table_contains(known, key))
            return pb_object_fail(error, PB_OBJECT_ERROR_STATE, instance,
                                  "the saved state has a %s that this machine has not",
                                  (char *)key);
    return true;
}

static void set_timer(pb_timer *timer, uint64_t deadline_ns)
{
    if (deadline_ns == PB_TIMER_OFF)
        pb_timer_cancel(timer);
    else
        pb_timer_set(timer, deadline_ns);
}

static void load_field(const field *f, GVariant *entry)
{
    gsize length;
    const void *bytes = saved_bytes(entry, &length);
    uint64_t value = 0;

    if (f->text || !f->width)
        return;
    if (f->at) {
        memcpy(f->at, bytes, f->width);
        return;
    }
    memcpy(&value, bytes, f->width);
    if (f->line)
        f->line->level = value != 0;
    else if (f->timer)
        set_timer(f->timer, value);
}

bool pb_instance_check_state(const pb_instance *instance, GVariant *state, GError **error)
{
    g_autoptr(GArray) fields = NULL;
    g_autoptr(GHashTable) saved = NULL;

    if (!check_head(instance, state, error))
        return false;
    fields = collect(instance);
    saved = index_saved(state);
    return check_fields(instance, fields, saved, error);
}

void pb_instance_put_state(pb_instance *instance, GVariant *state)
{
    g_autoptr(GArray) fields = collect(instance);
    g_autoptr(GHashTable) saved = index_saved(state);

    for (guint i = 0; i < fields->len; i++) {
        const field *f = &g_array_index(fields, field, i);
        g_autofree char *key = field_key(f->kind, f->name);

        load_field(f, g_hash_table_lookup(saved, key));
    }
}

bool pb_instance_loaded(pb_instance *instance, GError **error)
{
    pb_error reason = PB_ERROR_INIT;

    if (!instance->class->loaded || instance->class->loaded(instance->self, &reason))
        return true;
    return pb_object_fail(error, PB_OBJECT_ERROR_STATE, instance, "%s",
                          *reason.text ? reason.text : "the type refused the state");
}

bool pb_instance_load(pb_instance *instance, GVariant *state, GError **error)
{
    g_return_val_if_fail(instance->phase == PB_PHASE_READY, false);
    if (!pb_instance_check_state(instance, state, error))
        return false;
    pb_instance_put_state(instance, state);
    return pb_instance_loaded(instance, error);
}

/* ---- printing, comparing, hashing ----------------------------------------------------------------- */

#define MAX_PRINTED 64 /* elements */

static void print_elements(GString *text, const uint8_t *bytes, uint32_t width, uint32_t element)
{
    bool integers = element == 1 || element == 2 || element == 4 || element == 8;
    uint32_t step = integers ? element : 1, count = width / step;

    for (uint32_t i = 0; i < count && i < MAX_PRINTED; i++) {
        uint64_t value = 0;

        memcpy(&value, bytes + (size_t)i * step, step);
        g_string_append_printf(text,
                               count == 1 ? "0x%0*" G_GINT64_MODIFIER "x"
                               : i        ? " %0*" G_GINT64_MODIFIER "x"
                                          : "%0*" G_GINT64_MODIFIER "x",
                               (int)(2 * step), value);
    }
    if (count > MAX_PRINTED)
        g_string_append_printf(text, " ... (%u elements)", count);
}

static void print_reg_fields(GString *text, const pb_reg *reg, uint64_t value)
{
    const char *separator = "  (";

    for (const pb_field *f = reg->fields; f && f->name; f++) {
        g_string_append_printf(text, "%s%s=%" G_GINT64_MODIFIER "x", separator, f->name,
                               value >> f->lsb & pb_bits_mask(f->width));
        separator = " ";
    }
    if (*separator == ' ' && !separator[1])
        g_string_append_c(text, ')');
}

void pb_instance_print(const pb_instance *instance, GString *text)
{
    g_autoptr(GArray) fields = collect(instance);

    for (guint i = 0; i < fields->len; i++) {
        const field *f = &g_array_index(fields, field, i);

        g_string_append_printf(text, "%s = ", f->name);
        if (f->text)
            g_string_append(text, f->text);
        else if (f->timer && f->value == PB_TIMER_OFF)
            g_string_append(text, "off");
        else if (f->timer)
            g_string_append_printf(text, "%" G_GUINT64_FORMAT " ns", f->value);
        else
            print_elements(text, field_bytes(f), f->width, f->element);
        if (f->reg && f->width == f->element)
            print_reg_fields(text, f->reg, pb_load_uint(f->at, f->element));
        g_string_append_c(text, '\n');
    }
}

static void print_entry(GString *text, GVariant *entry)
{
    guint32 element;
    gsize length;
    const uint8_t *bytes = entry ? saved_bytes(entry, &length) : NULL;

    if (!entry) {
        g_string_append(text, "absent");
        return;
    }
    g_variant_get(entry, "(&s&suuay)", NULL, NULL, NULL, &element, NULL);
    if (!element)
        g_string_append_len(text, (const char *)bytes, (gssize)length);
    else
        print_elements(text, bytes, (uint32_t)length, element);
}

static void report(GString *text, const char *path, const char *key, GVariant *a, GVariant *b)
{
    if (!text)
        return;
    g_string_append_printf(text, "%s: %s: ", path, key);
    print_entry(text, a);
    g_string_append(text, " / ");
    print_entry(text, b);
    g_string_append_c(text, '\n');
}

static gint compare_keys(gconstpointer a, gconstpointer b)
{
    return strcmp(a, b);
}

unsigned pb_state_compare(GVariant *a, GVariant *b, const char *path, GString *text)
{
    g_autoptr(GHashTable) left = index_saved(a);
    g_autoptr(GHashTable) right = index_saved(b);
    g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(left), compare_keys);
    g_autoptr(GList) others = g_list_sort(g_hash_table_get_keys(right), compare_keys);
    unsigned differences = 0;

    for (GList *key = keys; key; key = key->next) {
        GVariant *mine = g_hash_table_lookup(left, key->data);
        GVariant *other = g_hash_table_lookup(right, key->data);

        if (other && g_variant_equal(mine, other))
            continue;
        differences++;
        report(text, path, key->data, mine, other);
    }
    for (GList *key = others; key; key = key->next) {
        if (g_hash_table_contains(left, key->data))
            continue;
        differences++;
        report(text, path, key->data, NULL, g_hash_table_lookup(right, key->data));
    }
    return differences;
}

void pb_instance_hash(const pb_instance *instance, GChecksum *checksum)
{
    g_autoptr(GVariant) state = g_variant_ref_sink(pb_instance_save(instance));

    g_checksum_update(checksum, g_variant_get_data(state), (gssize)g_variant_get_size(state));
}
