/*
 * One table of members a structure says how it is written and read: both directions come from the same rows.
 * Functions are left out. 64-bit numbers are hexadecimal strings, because JSON numbers end at 2^53.
 */
#include <core/plugin/manifest.h>

#include <core/plugin/elf_file.h>
#include <core/plugin/plugin_host.h>
#include <inttypes.h>
#include <jansson.h>
#include <patchbay/accel.h>
#include <patchbay/codegen.h>
#include <patchbay/loader.h>

#define FORMAT 1

typedef enum member_kind {
    M_STRING = 1,
    M_BOOL,
    M_U8,
    M_U16,
    M_U32,
    M_I32,
    M_U64,
    M_STRINGS, /* const char *const *, ends with null */
    M_ROWS,    /* const ROW *, ends with a row whose first member, the name, is null */
} member_kind;

typedef struct member {
    const char *key;
    member_kind kind;
    size_t offset;
    const struct layout *rows; /* of M_ROWS */
} member;

typedef struct layout {
    size_t bytes;
    const member *members; /* ends with a row without a key */
} layout;

static const member prop_members[] = {
    { "name", M_STRING, offsetof(pb_prop, name) },
    { "type", M_U32, offsetof(pb_prop, type) },
    { "offset", M_U32, offsetof(pb_prop, offset) },
    { "width", M_U32, offsetof(pb_prop, width) },
    { "default", M_STRING, offsetof(pb_prop, initial) },
    { "min", M_U64, offsetof(pb_prop, min) },
    { "max", M_U64, offsetof(pb_prop, max) },
    { "choices", M_STRINGS, offsetof(pb_prop, choices) },
    { "doc", M_STRING, offsetof(pb_prop, doc) },
    { 0 },
};
static const layout prop_layout = { sizeof(pb_prop), prop_members };

static const member port_members[] = {
    { "name", M_STRING, offsetof(pb_port, name) },
    { "protocol", M_STRING, offsetof(pb_port, protocol) },
    { "role", M_U32, offsetof(pb_port, role) },
    { "count", M_U32, offsetof(pb_port, count) },
    { "count-offset", M_U32, offsetof(pb_port, count_offset) },
    { "handle-offset", M_U32, offsetof(pb_port, handle_offset) },
    { "optional", M_BOOL, offsetof(pb_port, optional) },
    { "doc", M_STRING, offsetof(pb_port, doc) },
    { 0 },
};
static const layout port_layout = { sizeof(pb_port), port_members };

static const member state_members[] = {
    { "name", M_STRING, offsetof(pb_state, name) },
    { "kind", M_U32, offsetof(pb_state, kind) },
    { "offset", M_U32, offsetof(pb_state, offset) },
    { "width", M_U32, offsetof(pb_state, width) },
    { "element", M_U32, offsetof(pb_state, element) },
    { "length-offset", M_U32, offsetof(pb_state, length_offset) },
    { "length-width", M_U32, offsetof(pb_state, length_width) },
    { "doc", M_STRING, offsetof(pb_state, doc) },
    { 0 },
};
static const layout state_layout = { sizeof(pb_state), state_members };

static const member field_members[] = {
    { "name", M_STRING, offsetof(pb_field, name) },
    { "lsb", M_U32, offsetof(pb_field, lsb) },
    { "width", M_U32, offsetof(pb_field, width) },
    { "mode", M_U32, offsetof(pb_field, mode) },
    { "status", M_U32, offsetof(pb_field, status) },
    { "doc", M_STRING, offsetof(pb_field, doc) },
    { 0 },
};
static const layout field_layout = { sizeof(pb_field), field_members };

static const member reg_members[] = {
    { "name", M_STRING, offsetof(pb_reg, name) },
    { "offset", M_U64, offsetof(pb_reg, offset) },
    { "width", M_U32, offsetof(pb_reg, width) },
    { "mode", M_U32, offsetof(pb_reg, mode) },
    { "store-offset", M_U32, offsetof(pb_reg, store_offset) },
    { "store-width", M_U32, offsetof(pb_reg, store_width) },
    { "element", M_U32, offsetof(pb_reg, element) },
    { "count", M_U32, offsetof(pb_reg, count) },
    { "stride", M_U32, offsetof(pb_reg, stride) },
    { "reset", M_U64, offsetof(pb_reg, reset) },
    { "write-mask", M_U64, offsetof(pb_reg, write_mask) },
    { "fields", M_ROWS, offsetof(pb_reg, fields), &field_layout },
    { "status", M_U32, offsetof(pb_reg, status) },
    { "raw-write", M_BOOL, offsetof(pb_reg, raw_write) },
    { "doc", M_STRING, offsetof(pb_reg, doc) },
    { 0 },
};
static const layout reg_layout = { sizeof(pb_reg), reg_members };

static const member region_members[] = {
    { "name", M_STRING, offsetof(pb_region, name) },
    { "kind", M_U32, offsetof(pb_region, kind) },
    { "bytes", M_U64, offsetof(pb_region, bytes) },
    { "bytes-offset", M_U32, offsetof(pb_region, bytes_offset) },
    { "registers", M_ROWS, offsetof(pb_region, regs), &reg_layout },
    { "frame-bytes", M_U64, offsetof(pb_region, frame_bytes) },
    { "access-min", M_U8, offsetof(pb_region, access_min) },
    { "access-max", M_U8, offsetof(pb_region, access_max) },
    { "big-endian", M_BOOL, offsetof(pb_region, big_endian) },
    { "unaligned", M_BOOL, offsetof(pb_region, unaligned) },
    { "placed-by-bus", M_BOOL, offsetof(pb_region, placed_by_bus) },
    { "doc", M_STRING, offsetof(pb_region, doc) },
    { 0 },
};
static const layout region_layout = { sizeof(pb_region), region_members };

static const member slot_members[] = {
    { "name", M_STRING, offsetof(pb_slot, name) },
    { "type", M_U32, offsetof(pb_slot, type) },
    { "offset", M_U32, offsetof(pb_slot, offset) },
    { "group", M_STRING, offsetof(pb_slot, group) },
    { "gdb", M_I32, offsetof(pb_slot, gdb) },
    { "flags", M_U32, offsetof(pb_slot, flags) },
    { 0 },
};
static const layout slot_layout = { sizeof(pb_slot), slot_members };

static const member gap_members[] = {
    { "name", M_STRING, offsetof(pb_gap, name) },
    { "group", M_STRING, offsetof(pb_gap, group) },
    { "doc", M_STRING, offsetof(pb_gap, doc) },
    { 0 },
};
static const layout gap_layout = { sizeof(pb_gap), gap_members };

static const member class_members[] = {
    { "kind", M_U32, offsetof(pb_class, kind) },
    { "name", M_STRING, offsetof(pb_class, name) },
    { "doc", M_STRING, offsetof(pb_class, doc) },
    { "instance-size", M_U32, offsetof(pb_class, instance_size) },
    { "self-offset", M_U32, offsetof(pb_class, self_offset) },
    { "properties", M_ROWS, offsetof(pb_class, props), &prop_layout },
    { "ports", M_ROWS, offsetof(pb_class, ports), &port_layout },
    { "state", M_ROWS, offsetof(pb_class, state), &state_layout },
    { 0 },
};

static const member device_members[] = {
    { "regions", M_ROWS, offsetof(pb_device_type, regions), &region_layout },
    { "manual", M_STRING, offsetof(pb_device_type, manual) },
    { "gaps", M_ROWS, offsetof(pb_device_type, gaps), &gap_layout },
    { 0 },
};

static const member cpu_members[] = {
    { "slots", M_ROWS, offsetof(pb_cpu_type, slots), &slot_layout },
    { "pc-slot", M_U32, offsetof(pb_cpu_type, pc_slot) },
    { "insn-align", M_U32, offsetof(pb_cpu_type, insn_align) },
    { "gaps", M_ROWS, offsetof(pb_cpu_type, gaps), &gap_layout },
    { 0 },
};

static const member plugin_members[] = {
    { "abi-major", M_U16, offsetof(pb_plugin, abi_major) },
    { "abi-minor", M_U16, offsetof(pb_plugin, abi_minor) },
    { "id", M_STRING, offsetof(pb_plugin, id) },
    { "version", M_STRING, offsetof(pb_plugin, version) },
    { "licence", M_STRING, offsetof(pb_plugin, licence) },
    { "doc", M_STRING, offsetof(pb_plugin, doc) },
    { 0 },
};

/* By kind: the descriptor and what it has besides the class. */
static const layout kinds[] = {
    [PB_KIND_CPU] = { sizeof(pb_cpu_type), cpu_members },
    [PB_KIND_CODEGEN] = { sizeof(pb_codegen_type), NULL },
    [PB_KIND_ACCEL] = { sizeof(pb_accel_type), NULL },
    [PB_KIND_DEVICE] = { sizeof(pb_device_type), device_members },
    [PB_KIND_BACKEND] = { sizeof(pb_class), NULL },
    [PB_KIND_LOADER] = { sizeof(pb_loader_type), NULL },
    [PB_KIND_TOOL] = { sizeof(pb_class), NULL },
};

/* ---- writing ------------------------------------------------------------------------------------- */

static json_t *text_of(const char *text)
{
    return json_string_nocheck(text); /* json_dumps() checks all texts at once */
}

/* Takes the value. There is none if there was no memory for it; GLib ends the program then too. */
static void put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new_nocheck(object, key, value) < 0)
        g_error("manifest: no memory for %s", key);
}

static void append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0)
        g_error("manifest: no memory for a row");
}

static void write_members(json_t *json, const member *members, const void *from);

static json_t *rows_of(const layout *rows, const char *row)
{
    json_t *array = json_array();

    for (; *(const char *const *)row; row += rows->bytes) {
        json_t *object = json_object();

        write_members(object, rows->members, row);
        append(array, object);
    }
    return array;
}

static json_t *strings_of(const char *const *strings)
{
    json_t *array = json_array();

    for (; *strings; strings++)
        append(array, text_of(*strings));
    return array;
}

static json_t *u64_of(uint64_t value)
{
    return json_sprintf("0x%" PRIx64, value);
}

/* Whether the member is null or zero: such members are left out. */
static bool is_zero(const member *m, const void *at)
{
    static const uint8_t zero[8];
    static const uint8_t bytes[] = {
        [M_STRING] = sizeof(char *),
        [M_BOOL] = 1,
        [M_U8] = 1,
        [M_U16] = 2,
        [M_U32] = 4,
        [M_I32] = 4,
        [M_U64] = 8,
        [M_STRINGS] = sizeof(char *),
        [M_ROWS] = sizeof(char *),
    };

    return memcmp(at, zero, bytes[m->kind]) == 0;
}

static json_t *value_of(const member *m, const void *at)
{
    switch (m->kind) {
    case M_STRING:
        return text_of(*(const char *const *)at);
    case M_BOOL:
        return json_boolean(*(const bool *)at);
    case M_U8:
        return json_integer(*(const uint8_t *)at);
    case M_U16:
        return json_integer(*(const uint16_t *)at);
    case M_U32:
        return json_integer(*(const uint32_t *)at);
    case M_I32:
        return json_integer(*(const int32_t *)at);
    case M_U64:
        return u64_of(*(const uint64_t *)at);
    case M_STRINGS:
        return strings_of(*(const char *const *const *)at);
    case M_ROWS:
        return rows_of(m->rows, *(const char *const *)at);
    }
    return NULL;
}

static void write_members(json_t *json, const member *members, const void *from)
{
    for (const member *m = members; m && m->key; m++) {
        const void *at = (const char *)from + m->offset;

        if (!is_zero(m, at))
            put(json, m->key, value_of(m, at));
    }
}

static json_t *type_of(const pb_class *class)
{
    const layout *kind = &kinds[class->kind];
    /* Members that an older plugin's descriptor does not have are zero. */
    g_autofree void *whole = g_malloc0(kind->bytes);
    json_t *json = json_object();

    memcpy(whole, class, MIN(class->size, kind->bytes));
    write_members(json, class_members, whole);
    write_members(json, kind->members, whole);
    return json;
}

char *pb_manifest_text(const pb_plugin *plugin, const char *build_id)
{
    json_auto_t *json = json_object();
    json_t *types = json_array();

    put(json, "format", json_integer(FORMAT));
    put(json, "build-id", text_of(build_id ? build_id : ""));
    write_members(json, plugin_members, plugin);
    for (const pb_class *const *class = plugin->types; *class; class ++)
        append(types, type_of(*class));
    put(json, "types", types);
    return json_dumps(json, JSON_INDENT(1));
}

/* ---- reading ------------------------------------------------------------------------------------- */

struct pb_manifest {
    pb_plugin plugin;
    GPtrArray *memory; /* everything that the tables consist of */
};

static void *take(pb_manifest *manifest, size_t bytes)
{
    void *memory = g_malloc0(bytes);

    g_ptr_array_add(manifest->memory, memory);
    return memory;
}

static const char *take_string(pb_manifest *manifest, const char *text)
{
    char *copy = g_strdup(text);

    g_ptr_array_add(manifest->memory, copy);
    return copy;
}

static bool read_members(pb_manifest *manifest, const member *members, const json_t *json,
                         void *to);

static bool read_rows(pb_manifest *manifest, const layout *rows, const json_t *array,
                      const void **to)
{
    size_t count = json_array_size(array);
    char *row = take(manifest, (count + 1) * rows->bytes);

    *to = row;
    for (size_t i = 0; i < count; i++, row += rows->bytes) {
        const json_t *node = json_array_get(array, i);

        if (!json_is_object(node) || !read_members(manifest, rows->members, node, row) ||
            !*(const char *const *)row)
            return false;
    }
    return true;
}

static bool read_strings(pb_manifest *manifest, const json_t *array, const char *const **to)
{
    size_t count = json_array_size(array);
    const char **strings = take(manifest, (count + 1) * sizeof(char *));

    *to = strings;
    for (size_t i = 0; i < count; i++) {
        const json_t *node = json_array_get(array, i);

        if (!json_is_string(node))
            return false;
        strings[i] = take_string(manifest, json_string_value(node));
    }
    return true;
}

static bool read_number(const json_t *node, int64_t min, int64_t max, int64_t *value)
{
    if (!json_is_integer(node))
        return false;
    *value = json_integer_value(node);
    return *value >= min && *value <= max;
}

static bool read_member(pb_manifest *manifest, const member *m, const json_t *node, void *at)
{
    int64_t number;

    switch (m->kind) {
    case M_STRING:
        if (!json_is_string(node))
            return false;
        *(const char **)at = take_string(manifest, json_string_value(node));
        return true;
    case M_BOOL:
        *(bool *)at = json_is_true(node);
        return json_is_boolean(node);
    case M_U8:
        return read_number(node, 0, UINT8_MAX, &number) && (*(uint8_t *)at = (uint8_t)number, true);
    case M_U16:
        return read_number(node, 0, UINT16_MAX, &number) &&
               (*(uint16_t *)at = (uint16_t)number, true);
    case M_U32:
        return read_number(node, 0, UINT32_MAX, &number) &&
               (*(uint32_t *)at = (uint32_t)number, true);
    case M_I32:
        return read_number(node, INT32_MIN, INT32_MAX, &number) &&
               (*(int32_t *)at = (int32_t)number, true);
    case M_U64:
        return json_is_string(node) && g_str_has_prefix(json_string_value(node), "0x") &&
               g_ascii_string_to_unsigned(json_string_value(node) + 2, 16, 0, UINT64_MAX, at, NULL);
    case M_STRINGS:
        return json_is_array(node) && read_strings(manifest, node, at);
    case M_ROWS:
        return json_is_array(node) && read_rows(manifest, m->rows, node, at);
    }
    return false;
}

static bool read_members(pb_manifest *manifest, const member *members, const json_t *json, void *to)
{
    for (const member *m = members; m && m->key; m++) {
        const json_t *node = json_object_get(json, m->key);

        if (node && !read_member(manifest, m, node, (char *)to + m->offset))
            return false;
    }
    return true;
}

static const pb_class *read_type(pb_manifest *manifest, const json_t *json)
{
    pb_class *class;
    int64_t kind;

    if (!read_number(json_object_get(json, "kind"), PB_KIND_CPU, PB_KIND_TOOL, &kind))
        return NULL;
    class = take(manifest, kinds[kind].bytes);
    if (!read_members(manifest, class_members, json, class) ||
        !read_members(manifest, kinds[kind].members, json, class))
        return NULL;
    class->size = (uint32_t)kinds[kind].bytes;
    return class;
}

static bool read_plugin(pb_manifest *manifest, const json_t *json)
{
    const json_t *types = json_object_get(json, "types");
    size_t count = json_array_size(types);
    const pb_class **classes;

    if (!json_is_array(types) || !read_members(manifest, plugin_members, json, &manifest->plugin))
        return false;
    classes = take(manifest, (count + 1) * sizeof(*classes));
    manifest->plugin.size = sizeof(pb_plugin);
    manifest->plugin.types = classes;
    for (size_t i = 0; i < count; i++) {
        classes[i] = read_type(manifest, json_array_get(types, i));
        if (!classes[i])
            return false;
    }
    return manifest->plugin.abi_major == PB_ABI_MAJOR;
}

/* Whether the file's text is of this format and of this build of the plugin. */
static bool is_current(const json_t *json, const char *plugin_file)
{
    g_autofree char *build_id = NULL;
    const json_t *written = json_object_get(json, "build-id");
    const json_t *format = json_object_get(json, "format");
    int64_t number;

    return read_number(format, FORMAT, FORMAT, &number) && json_is_string(written) &&
           pb_elf_check(plugin_file, &build_id, NULL) && build_id &&
           strcmp(build_id, json_string_value(written)) == 0;
}

static char *manifest_file(const char *plugin_file)
{
    const char *dot = strrchr(plugin_file, '.');

    return g_strdup_printf(
        "%.*s.json", (int)(dot ? dot - plugin_file : (ptrdiff_t)strlen(plugin_file)), plugin_file);
}

pb_manifest *pb_manifest_read(const char *plugin_file)
{
    g_autofree char *file = manifest_file(plugin_file);
    json_auto_t *json = json_load_file(file, 0, NULL);
    pb_manifest *manifest;

    if (!json || !is_current(json, plugin_file))
        return NULL;
    manifest = g_new0(pb_manifest, 1);
    manifest->memory = g_ptr_array_new_with_free_func(g_free);
    if (!read_plugin(manifest, json) || !pb_plugin_check(&manifest->plugin, file, false, NULL)) {
        pb_manifest_free(manifest);
        return NULL;
    }
    return manifest;
}

void pb_manifest_free(pb_manifest *manifest)
{
    if (!manifest)
        return;
    g_ptr_array_unref(manifest->memory);
    g_free(manifest);
}

const pb_plugin *pb_manifest_plugin(const pb_manifest *manifest)
{
    return &manifest->plugin;
}
