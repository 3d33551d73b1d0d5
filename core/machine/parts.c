/*
 * Parts of a machine: the entries of cpus, devices, backends, boot and memory, with their
 * properties and places. See compose.h.
 */
#include <core/device/object.h>
#include <core/machine/compose.h>
#include <string.h>

#define MAX_ELEMENTS 4096u /* of one repeat or count */
#define MAX_PARTS    16384u

typedef struct section {
    const char *key;
    pb_kind kind;
    const char *prefix; /* of paths */
    const char *repeat; /* the key that makes an array; null: no arrays */
} section;

static const section sections[] = {
    { "cpus", PB_KIND_CPU, "", "count" },
    { "devices", PB_KIND_DEVICE, "", "repeat" },
    { "backends", PB_KIND_BACKEND, "host.", NULL },
    { "boot", PB_KIND_LOADER, "boot.", NULL },
};

static const section *section_of(pb_kind kind)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(sections); i++) {
        if (sections[i].kind == kind)
            return &sections[i];
    }
    return NULL;
}

/* ---- tables of types ------------------------------------------------------------------------- */

const pb_prop *compose_find_prop(const pb_class *class, const char *name)
{
    for (const pb_prop *row = class->props; row && row->name; row++) {
        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

const pb_port *compose_find_port(const pb_class *class, const char *name, size_t length)
{
    for (const pb_port *row = class->ports; row && row->name; row++) {
        if (strlen(row->name) == length && strncmp(row->name, name, length) == 0)
            return row;
    }
    return NULL;
}

static const pb_region *regions_of(const pb_plan_part *part)
{
    return part->kind == PB_KIND_DEVICE ? ((const pb_device_type *)part->class)->regions : NULL;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!(g_ascii_isalpha(text[i]) ||
              (i > 0 && (g_ascii_isdigit(text[i]) || strchr("-_", text[i])))))
            return false;
    }
    return length > 0;
}

/* NAME or NAME[INDEX] of a key; *index is -1 without one. */
static bool parse_key(composer *c, const pb_yaml_node *key, char **name, int64_t *index)
{
    size_t length = strcspn(key->text, "[");
    const char *bracket = key->text + length;
    guint64 number = 0;
    char *end = NULL;

    *index = -1;
    if (*bracket && g_ascii_isdigit(bracket[1])) {
        number = g_ascii_strtoull(bracket + 1, &end, 10);
        if (number < MAX_ELEMENTS && strcmp(end, "]") == 0)
            *index = (int64_t)number;
    }
    if (!is_name(key->text, length) || (*bracket && *index < 0)) {
        pb_diag_error(c->diags, key->mark,
                      "'%s' is no name; names have letters, digits, - and _, like uart0 or uart[0]",
                      key->text);
        return false;
    }
    *name = g_strndup(key->text, length);
    return true;
}

/* Note the part under its name; false if the name is taken. */
static bool register_name(composer *c, source_part *source, const char *prefix)
{
    pb_plan_part *part = source->part;
    g_autofree char *name = g_strconcat(prefix, part->name, NULL);
    part_array *array = g_hash_table_lookup(c->by_name, name);

    if (!array) {
        array = g_new0(part_array, 1);
        array->elements = g_ptr_array_new();
        array->indexed = part->index >= 0;
        g_hash_table_insert(c->by_name, g_strdup(name), array);
    } else if (!array->indexed || part->index != (int64_t)array->elements->len) {
        source_part *first = g_ptr_array_index(array->elements, 0);

        if (array->indexed && part->index > (int64_t)array->elements->len)
            pb_diag_error(c->diags, part->mark, "'%s[%u]' comes before '%s'", name,
                          array->elements->len, part->path);
        else
            pb_diag_error(c->diags, part->mark, "'%s' is the name of another part, in line %u",
                          part->path, first->part->mark.line);
        return false;
    }
    g_ptr_array_add(array->elements, source);
    return true;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void find_type(composer *c, source_part *source)
{
    pb_plan_part *part = source->part;
    const pb_yaml_node *node = pb_yaml_get(source->node, "type");
    g_autoptr(GError) error = NULL;

    if (!node) {
        pb_diag_error(c->diags, part->mark, "'%s' has no type", part->name);
        return;
    }
    part->type_mark = node->mark;
    part->type = compose_text(c, source->scope, node, "a type");
    if (!part->type)
        return;
    part->class = c->catalog->find(c->catalog->opaque, part->kind, part->type, &error);
    /* The type of an attached part is mostly what the option says. */
    if (!part->class)
        pb_diag_error(c->diags, part->mark.line ? node->mark : part->mark, "%s", error->message);
}

static void free_prop(gpointer prop)
{
    g_strfreev(((pb_plan_prop *)prop)->texts);
}

source_part *compose_part(composer *c, pb_kind kind, const char *name, int64_t index, pb_mark mark,
                          const pb_yaml_node *node, pb_scope *scope)
{
    const section *in = section_of(kind);
    const char *prefix = in ? in->prefix : "";
    source_part *source = g_new0(source_part, 1);
    pb_plan_part *part = g_new0(pb_plan_part, 1);

    part->kind = kind;
    part->name = g_strdup(name);
    part->index = index;
    part->path = index < 0 ? g_strconcat(prefix, name, NULL)
                           : g_strdup_printf("%s%s[%" G_GINT64_FORMAT "]", prefix, name, index);
    part->mark = mark;
    part->props = g_array_new(FALSE, TRUE, sizeof(pb_plan_prop));
    g_array_set_clear_func(part->props, free_prop);
    part->mappings = g_array_new(FALSE, TRUE, sizeof(pb_plan_mapping));
    *source = (source_part){ part, node, scope, false };
    g_ptr_array_add(c->parts, source);
    if (kind == PB_KIND_ACCEL)
        c->plan->accel = part;
    else
        g_ptr_array_add(c->plan->parts, part);
    find_type(c, source);
    source->broken = !part->class;
    if (in && !register_name(c, source, prefix))
        source->broken = true;
    return source;
}

bool compose_when(composer *c, pb_scope *scope, const pb_yaml_node *node)
{
    const pb_yaml_node *when = pb_yaml_get(node, "when");
    bool truth = false;

    /* After an error the part stays: what is wired to it has no error of its own. */
    return !when || !compose_condition(c, scope, when, &truth) || truth;
}

/* The parts of one entry of a section. */
static void compose_entry(composer *c, const section *in, const pb_yaml_entry *entry)
{
    const pb_yaml_node *node = entry->value;
    const pb_yaml_node *repeat = in->repeat ? pb_yaml_get(node, in->repeat) : NULL;
    g_autofree char *name = NULL;
    int64_t index;
    uint64_t count = 1;
    bool array, broken;

    if (!parse_key(c, entry->key, &name, &index) ||
        !compose_is_mapping(c, node, "a mapping (type: and what the type has)"))
        return;
    if (!compose_when(c, c->globals, node)) {
        g_hash_table_add(c->left_out, g_strconcat(in->prefix, name, NULL));
        return;
    }
    array = repeat || (in->kind == PB_KIND_CPU && index < 0);
    if (repeat && index >= 0) {
        pb_diag_error(c->diags, repeat->mark, "'%s' is one element; it cannot have a '%s'",
                      entry->key->text, in->repeat);
        return;
    }
    broken = repeat && !compose_number(c, c->globals, repeat, in->repeat, 1, MAX_ELEMENTS, &count);
    if (broken)
        count = 1;
    for (uint64_t i = 0; i < count && c->parts->len < MAX_PARTS; i++) {
        pb_scope *scope = pb_scope_new(c->globals);

        if (array)
            pb_scope_set(scope, "i", pb_value_integer(i));
        compose_part(c, in->kind, name, array ? (int64_t)i : index, entry->key->mark, node, scope)
            ->broken |= broken;
    }
}

static bool is_attached(const composer *c, const section *in, const char *name)
{
    g_autofree char *path = g_strconcat(in->prefix, name, NULL);

    return in->kind == PB_KIND_BACKEND && g_hash_table_contains(c->by_name, path);
}

static void compose_section(composer *c, const section *in)
{
    const pb_yaml_node *node = pb_yaml_get(c->root, in->key);

    if (!node || !compose_is_mapping(c, node, "a mapping from names to parts"))
        return;
    for (unsigned i = 0; i < node->n_entries; i++) {
        if (!is_attached(c, in, node->entries[i].key->text))
            compose_entry(c, in, &node->entries[i]);
    }
    if (c->parts->len >= MAX_PARTS)
        pb_diag_error(c->diags, node->mark, "the machine has more than %u parts", MAX_PARTS);
}

static void compose_accel(composer *c)
{
    const pb_yaml_node *node = pb_yaml_get(c->root, "accel");

    if (node && compose_is_mapping(c, node, "a mapping (type: and what the type has)"))
        compose_part(c, PB_KIND_ACCEL, "accel", -1, node->mark, node, pb_scope_new(c->globals));
}

/* The accelerator is behind all sections. */
static unsigned rank(const pb_plan_part *part)
{
    return part->kind == PB_KIND_ACCEL ? G_N_ELEMENTS(sections)
                                       : (unsigned)(section_of(part->kind) - sections);
}

static int compare_parts(gconstpointer a, gconstpointer b)
{
    return (int)rank(*(const pb_plan_part *const *)a) - (int)rank(*(const pb_plan_part *const *)b);
}

static int compare_sources(gconstpointer a, gconstpointer b)
{
    return compare_parts(&(*(const source_part *const *)a)->part,
                         &(*(const source_part *const *)b)->part);
}

/* What options attach stands behind the parts of its section, as if it were written there: the machine
 * that is dumped is the same one to the last bit. (These sorts are stable.) */
void compose_sections(composer *c)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(sections); i++) {
        if (sections[i].kind == PB_KIND_BACKEND)
            compose_attach(c);
        compose_section(c, &sections[i]);
    }
    compose_accel(c);
    g_ptr_array_sort(c->parts, compare_sources);
    g_ptr_array_sort(c->plan->parts, compare_parts);
}

/* ---- properties ------------------------------------------------------------------------------ */

static void add_prop(source_part *source, const pb_prop *row, char **texts, pb_mark mark)
{
    pb_plan_prop prop = { row, texts, mark };

    g_array_append_val(source->part->props, prop);
}

bool compose_set_text(composer *c, source_part *source, const pb_prop *row, const char *text,
                      pb_mark mark)
{
    g_autoptr(GError) error = NULL;

    if (row->type != PB_PROP_PATH && !pb_property_check(row, text, NULL, &error)) {
        pb_diag_error(c->diags, mark, "%s", error->message);
        return false;
    }
    add_prop(source, row, g_strdupv((char *[]){ (char *)text, NULL }), mark);
    return true;
}

static bool is_given(const pb_plan_part *part, const pb_prop *row)
{
    for (unsigned i = 0; i < part->props->len; i++)
        if (g_array_index(part->props, pb_plan_prop, i).row == row)
            return true;
    return false;
}

static void compose_prop(composer *c, source_part *source, const pb_yaml_node *node,
                         const pb_prop *row)
{
    g_autoptr(GStrvBuilder) texts = g_strv_builder_new();
    bool list = node->kind == PB_YAML_SEQUENCE;
    bool ok = true;

    if (list && row->type != PB_PROP_UINTS) {
        pb_diag_error(c->diags, node->mark, "'%s' takes one value, this is a list", row->name);
        return;
    }
    for (unsigned i = 0; i < (list ? node->n_entries : 1); i++) {
        const pb_yaml_node *element = list ? node->entries[i].value : node;
        g_autofree char *text = compose_checked(c, source->scope, element, row, NULL);

        ok &= text != NULL;
        if (text)
            g_strv_builder_add(texts, text);
    }
    if (ok)
        add_prop(source, row, g_strv_builder_end(texts), node->mark);
    else
        source->broken = true;
}

static void unknown_key(composer *c, const source_part *source, const pb_yaml_node *key)
{
    const pb_plan_part *part = source->part;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *hint = NULL;

    for (const pb_prop *row = part->class->props; row && row->name; row++)
        g_ptr_array_add(names, (gpointer)row->name);
    for (const pb_port *row = part->class->ports; row && row->name; row++)
        g_ptr_array_add(names, (gpointer)row->name);
    for (const pb_key *row = pb_keys_part; row->name; row++)
        g_ptr_array_add(names, (gpointer)row->name);
    g_ptr_array_add(names, NULL);
    hint = pb_did_you_mean(key->text, (const char *const *)names->pdata);
    pb_diag_error(c->diags, key->mark, "%s has no property or port '%s'%s", part->type, key->text,
                  hint);
}

/* Keys that mean the same for all parts of the kind. */
static bool is_common_key(pb_kind kind, const char *key)
{
    if (strcmp(key, "type") == 0)
        return true;
    if (kind == PB_KIND_ACCEL)
        return false;
    if (strcmp(key, "when") == 0 || strcmp(key, "doc") == 0)
        return true;
    if (kind == PB_KIND_DEVICE)
        return strcmp(key, "at") == 0 || strcmp(key, "repeat") == 0;
    return kind == PB_KIND_CPU && (strcmp(key, "count") == 0 || strcmp(key, "cluster") == 0);
}

static void check_required(composer *c, const source_part *source)
{
    const pb_plan_part *part = source->part;

    for (const pb_prop *row = part->class->props; row && row->name; row++) {
        if (!row->initial && !pb_yaml_find(source->node, row->name) &&
            !pb_plan_part_text(part, row))
            pb_diag_error(c->diags, part->mark, "'%s' is missing: %s needs it (%s)", row->name,
                          part->type, row->doc);
    }
}

/* ---- places ---------------------------------------------------------------------------------- */

static uint64_t region_bytes(const pb_plan_part *part, const pb_region *region)
{
    return region->bytes_offset ? pb_plan_part_number(part, region->bytes_offset - 1)
                                : region->bytes;
}

static void map_region(composer *c, source_part *source, uint32_t index, const pb_yaml_node *node)
{
    pb_plan_part *part = source->part;
    const pb_region *region = &regions_of(part)[index];
    pb_plan_mapping mapping = { .region = index, .mark = node->mark };

    if (!compose_number(c, source->scope, node, "at", 0, UINT64_MAX, &mapping.gpa))
        return;
    mapping.bytes = region_bytes(part, region);
    if (mapping.bytes == 0) {
        if (!source->broken)
            pb_diag_error(c->diags, node->mark, "region '%s' has no size", region->name);
    } else if (mapping.gpa + (mapping.bytes - 1) < mapping.gpa) {
        pb_diag_error(c->diags, node->mark,
                      "0x%" G_GINT64_MODIFIER "x bytes at 0x%" G_GINT64_MODIFIER
                      "x go past the end of the address space",
                      mapping.bytes, mapping.gpa);
    } else {
        g_array_append_val(part->mappings, mapping);
    }
}

/* `at: ADDRESS` or `at: [ADDRESS, ...]`: regions in the order of their rows. */
static void map_in_order(composer *c, source_part *source, const pb_yaml_node *at)
{
    const pb_region *regions = regions_of(source->part);
    bool list = at->kind == PB_YAML_SEQUENCE;
    unsigned wanted = list ? at->n_entries : 1;
    unsigned done = 0;

    for (uint32_t i = 0; regions && regions[i].name && done < wanted; i++) {
        if (!regions[i].placed_by_bus)
            map_region(c, source, i, list ? at->entries[done++].value : (done++, at));
    }
    if (done < wanted)
        pb_diag_error(c->diags, at->mark, "%u addresses for %u regions of %s", wanted, done,
                      source->part->type);
}

static void map_by_name(composer *c, source_part *source, const pb_yaml_entry *entry)
{
    const pb_region *regions = regions_of(source->part);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *hint = NULL;

    for (uint32_t i = 0; regions && regions[i].name; i++) {
        if (regions[i].placed_by_bus)
            continue;
        if (strcmp(regions[i].name, entry->key->text) == 0) {
            map_region(c, source, i, entry->value);
            return;
        }
        g_ptr_array_add(names, (gpointer)regions[i].name);
    }
    g_ptr_array_add(names, NULL);
    hint = pb_did_you_mean(entry->key->text, (const char *const *)names->pdata);
    pb_diag_error(c->diags, entry->key->mark, "%s has no region '%s' to place%s",
                  source->part->type, entry->key->text, hint);
}

static void compose_places(composer *c, source_part *source)
{
    const pb_yaml_node *at = pb_yaml_get(source->node, "at");
    const pb_region *regions = regions_of(source->part);

    if (at && at->kind == PB_YAML_MAPPING) {
        for (unsigned i = 0; i < at->n_entries; i++)
            map_by_name(c, source, &at->entries[i]);
    } else if (at) {
        map_in_order(c, source, at);
    } else {
        while (regions && regions->name && regions->placed_by_bus)
            regions++;
        if (regions && regions->name)
            pb_diag_error(c->diags, source->part->mark,
                          "'at' is missing: region '%s' of %s needs an address", regions->name,
                          source->part->type);
    }
}

static void compose_cluster(composer *c, source_part *source)
{
    const pb_yaml_node *node = pb_yaml_get(source->node, "cluster");
    uint64_t cluster = 0;

    if (node &&
        compose_number(c, source->scope, node, "cluster", 0, PB_PLAN_CLUSTERS - 1, &cluster))
        source->part->cluster = (uint32_t)cluster;
}

void compose_contents(composer *c, source_part *source)
{
    pb_plan_part *part = source->part;

    if (!part->class)
        return;
    for (unsigned i = 0; i < source->node->n_entries; i++) {
        const pb_yaml_entry *entry = &source->node->entries[i];
        const char *key = entry->key->text;
        const pb_prop *row = compose_find_prop(part->class, key);

        if (is_common_key(part->kind, key))
            continue;
        if (row && is_given(part, row))
            continue; /* by an option, which counts more than the file */
        if (row)
            compose_prop(c, source, entry->value, row);
        else if (!compose_find_port(part->class, key, strcspn(key, "[")))
            unknown_key(c, source, entry->key);
    }
    check_required(c, source);
    if (part->kind == PB_KIND_DEVICE)
        compose_places(c, source);
    else if (part->kind == PB_KIND_CPU)
        compose_cluster(c, source);
}

/* ---- memory ---------------------------------------------------------------------------------- */

const pb_key pb_keys_memory[] = { { "when", "condition", "Leave the memory out if it is false" },
                                  { "doc", "text", "One line" },
                                  { 0 } };

static const char *const memory_types[] = { "ram", "rom", NULL };

const pb_prop pb_props_memory[] = {
    { .name = "type",
      .type = PB_PROP_ENUM,
      PB_MEMBER(pb_plan_memory, type),
      .initial = "ram",
      .choices = memory_types,
      .doc = "RAM, or ROM that guests cannot write" },
    { .name = "at", .type = PB_PROP_UINT, PB_MEMBER(pb_plan_memory, gpa), .doc = "Address" },
    { .name = "size", .type = PB_PROP_SIZE, PB_MEMBER(pb_plan_memory, bytes), .doc = "Bytes" },
    { .name = "file",
      .type = PB_PROP_PATH,
      PB_MEMBER(pb_plan_memory, file),
      .initial = "",
      .doc = "File with the first bytes after a reset" },
    { 0 }
};

static void compose_memory_entry(composer *c, const pb_yaml_entry *entry)
{
    pb_plan_memory *memory;
    g_autofree char *name = NULL;
    int64_t index;

    if (!parse_key(c, entry->key, &name, &index) ||
        !compose_is_mapping(c, entry->value, "a mapping (at:, size:)") ||
        !compose_when(c, c->globals, entry->value))
        return;
    memory = g_new0(pb_plan_memory, 1);
    memory->name = g_strdup(entry->key->text);
    memory->mark = entry->key->mark;
    g_ptr_array_add(c->plan->memories, memory);
    if (!compose_record(c, c->globals, entry->value, "in memory", pb_props_memory, pb_keys_memory,
                        memory))
        memory->bytes = 0; /* out of the lint's way */
    else if (memory->bytes == 0)
        pb_diag_error(c->diags, memory->mark, "memory '%s' has no bytes", memory->name);
    else if (memory->gpa + (memory->bytes - 1) < memory->gpa)
        pb_diag_error(c->diags, memory->mark,
                      "0x%" G_GINT64_MODIFIER "x bytes at 0x%" G_GINT64_MODIFIER
                      "x go past the end of the address space",
                      memory->bytes, memory->gpa);
}

void compose_memory(composer *c)
{
    const pb_yaml_node *node = pb_yaml_get(c->root, "memory");

    if (!node || !compose_is_mapping(c, node, "a mapping from names to memories"))
        return;
    for (unsigned i = 0; i < node->n_entries; i++)
        compose_memory_entry(c, &node->entries[i]);
}
