/* Scalars of machine files: expressions evaluated, checked against rows. See compose.h. */
#include <core/device/object.h>
#include <core/machine/compose.h>
#include <string.h>

void compose_expr_error(composer *c, const pb_yaml_node *scalar, pb_expr_error *error)
{
    if (error->text)
        pb_diag_error(c->diags, pb_yaml_mark_at(scalar, error->offset), "%s", error->text);
    g_clear_pointer(&error->text, g_free);
}

bool compose_is_scalar(composer *c, const pb_yaml_node *node, const char *expected)
{
    if (node->kind == PB_YAML_SCALAR && !pb_yaml_is_null(node))
        return true;
    pb_diag_error(c->diags, node->mark, "%s is expected, this is %s", expected,
                  pb_yaml_kind_name(node));
    return false;
}

bool compose_is_mapping(composer *c, const pb_yaml_node *node, const char *expected)
{
    if (node->kind == PB_YAML_MAPPING)
        return true;
    pb_diag_error(c->diags, node->mark, "%s is expected, this is %s", expected,
                  pb_yaml_kind_name(node));
    return false;
}

bool compose_value(composer *c, pb_scope *scope, const pb_yaml_node *node, const char *expected,
                   pb_value *value)
{
    pb_expr_error error = { 0 };

    if (!compose_is_scalar(c, node, expected))
        return false;
    if (pb_expr_expand(scope, node->text, value, &error))
        return true;
    compose_expr_error(c, node, &error);
    return false;
}

char *compose_text(composer *c, pb_scope *scope, const pb_yaml_node *node, const char *expected)
{
    pb_value value;

    return compose_value(c, scope, node, expected, &value) ? pb_value_text(&value) : NULL;
}

/* A file's name as the working directory sees it; names in machine files are relative to the
 * file. */
static char *resolve_path(const pb_yaml_node *node, const pb_value *value, const char *text)
{
    g_autofree char *directory = NULL;

    if (!*text || g_path_is_absolute(text) || node->mark.line == 0 ||
        (value->kind == PB_VALUE_STRING && value->path))
        return g_strdup(text);
    directory = g_path_get_dirname(node->mark.file);
    return strcmp(directory, ".") == 0 ? g_strdup(text) : g_build_filename(directory, text, NULL);
}

static const char *expected_form(const pb_prop *row)
{
    static const char *const forms[] = {
        [PB_PROP_BOOL] = "true or false", [PB_PROP_UINT] = "a number",
        [PB_PROP_INT] = "a number",       [PB_PROP_SIZE] = "a size",
        [PB_PROP_HZ] = "a frequency",     [PB_PROP_STRING] = "a text",
        [PB_PROP_PATH] = "a file's name", [PB_PROP_ENUM] = "a word",
        [PB_PROP_UINTS] = "a number",
    };

    return row->type < G_N_ELEMENTS(forms) && forms[row->type] ? forms[row->type] : "a value";
}

char *compose_checked(composer *c, pb_scope *scope, const pb_yaml_node *node, const pb_prop *row,
                      uint64_t *number)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    pb_value value;

    if (!compose_value(c, scope, node, expected_form(row), &value))
        return NULL;
    text = pb_value_text(&value);
    if (row->type == PB_PROP_PATH)
        return resolve_path(node, &value, text);
    if (!pb_property_check(row, text, number, &error)) {
        pb_diag_error(c->diags, node->mark, "%s", error->message);
        return NULL;
    }
    return g_steal_pointer(&text);
}

bool compose_number(composer *c, pb_scope *scope, const pb_yaml_node *node, const char *what,
                    uint64_t min, uint64_t max, uint64_t *number)
{
    const pb_prop row = { .name = what, .type = PB_PROP_UINT, .width = 8, .min = min, .max = max };
    g_autofree char *text = compose_checked(c, scope, node, &row, number);

    return text != NULL;
}

bool compose_condition(composer *c, pb_scope *scope, const pb_yaml_node *node, bool *truth)
{
    pb_expr_error error = { 0 };
    pb_value value;

    if (!compose_is_scalar(c, node, "a condition"))
        return false;
    if (g_str_has_prefix(node->text, "${")) {
        pb_diag_error(c->diags, node->mark, "a condition is an expression by itself, without ${}");
        return false;
    }
    if (!pb_expr_eval(scope, node->text, strlen(node->text), &value, &error)) {
        compose_expr_error(c, node, &error);
        return false;
    }
    if (value.kind != PB_VALUE_BOOL) {
        pb_diag_error(c->diags, node->mark, "a condition must be true or false, this is %s",
                      pb_value_kind_name(value.kind));
        return false;
    }
    *truth = value.truth;
    return true;
}

/* ---- records --------------------------------------------------------------------------------- */

static void store(const pb_prop *row, void *record, const char *text, uint64_t number)
{
    char *member = (char *)record + row->offset;

    if (row->type == PB_PROP_STRING || row->type == PB_PROP_PATH) {
        g_free(*(char **)member);
        *(char **)member = text && *text ? g_strdup(text) : NULL;
    } else {
        memcpy(member, &number, row->width); /* little-endian hosts: the low bytes */
    }
}

static void store_initial(const pb_prop *row, void *record)
{
    uint64_t number = 0;

    if (row->initial && row->type != PB_PROP_STRING && row->type != PB_PROP_PATH) {
        bool ok = pb_property_check(row, row->initial, &number, NULL);

        g_assert(ok);
    }
    store(row, record, row->initial, number);
}

static bool store_given(composer *c, pb_scope *scope, const pb_yaml_node *node, const pb_prop *row,
                        void *record)
{
    uint64_t number = 0;
    g_autofree char *text = compose_checked(c, scope, node, row, &number);

    if (text)
        store(row, record, text, number);
    return text != NULL;
}

bool compose_record(composer *c, pb_scope *scope, const pb_yaml_node *mapping, const char *where,
                    const pb_prop *rows, const pb_key *others, void *record)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    bool ok = true;

    for (const pb_prop *row = rows; row->name; row++) {
        const pb_yaml_entry *entry = pb_yaml_find(mapping, row->name);

        g_ptr_array_add(names, (gpointer)row->name);
        store_initial(row, record);
        if (entry) {
            ok &= store_given(c, scope, entry->value, row, record);
        } else if (!row->initial && mapping) {
            pb_diag_error(c->diags, mapping->mark, "'%s' is missing %s: %s", row->name, where,
                          row->doc);
            ok = false;
        }
    }
    for (const pb_key *other = others; other && other->name; other++)
        g_ptr_array_add(names, (gpointer)other->name);
    for (unsigned i = 0; mapping && i < mapping->n_entries; i++) {
        const pb_yaml_node *key = mapping->entries[i].key;

        if (!g_ptr_array_find_with_equal_func(names, key->text, g_str_equal, NULL)) {
            compose_unknown(c, key, where, names);
            ok = false;
        }
    }
    return ok;
}

void compose_unknown(composer *c, const pb_yaml_node *key, const char *where, GPtrArray *names)
{
    g_autofree char *hint = NULL;

    g_ptr_array_add(names, NULL);
    hint = pb_did_you_mean(key->text, (const char *const *)names->pdata);
    g_ptr_array_remove_index(names, names->len - 1);
    pb_diag_error(c->diags, key->mark, "unknown key '%s' %s%s", key->text, where, hint);
}

void compose_known_keys(composer *c, const pb_yaml_node *mapping, const pb_key *keys,
                        const char *where)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (const pb_key *key = keys; key->name; key++)
        g_ptr_array_add(names, (gpointer)key->name);
    for (unsigned i = 0; i < mapping->n_entries; i++) {
        const pb_yaml_node *key = mapping->entries[i].key;

        if (!g_ptr_array_find_with_equal_func(names, key->text, g_str_equal, NULL))
            compose_unknown(c, key, where, names);
    }
}
