/* Parameters of a machine and what is asserted about them. See compose.h. */
#include <core/device/object.h>
#include <core/machine/compose.h>
#include <string.h>

/* Types of parameters: a choice among texts is a string with choices. */
static const struct {
    const char *name;
    pb_prop_type type;
} types[] = {
    { "uint", PB_PROP_UINT }, { "int", PB_PROP_INT },       { "size", PB_PROP_SIZE },
    { "hz", PB_PROP_HZ },     { "string", PB_PROP_STRING }, { "path", PB_PROP_PATH },
    { "bool", PB_PROP_BOOL },
};

const char *pb_parameter_type(unsigned index)
{
    return index < G_N_ELEMENTS(types) ? types[index].name : NULL;
}

typedef struct parameter {
    const pb_yaml_node *key, *node;
    pb_prop row;
} parameter;

static bool is_number(const pb_prop *row)
{
    return row->type == PB_PROP_UINT || row->type == PB_PROP_INT || row->type == PB_PROP_SIZE ||
           row->type == PB_PROP_HZ;
}

static bool read_type(composer *c, parameter *p)
{
    const pb_yaml_node *node = pb_yaml_get(p->node, "type");
    const char *names[G_N_ELEMENTS(types) + 1] = { NULL };
    g_autofree char *hint = NULL;
    g_autofree char *all = NULL;

    if (!node) {
        pb_diag_error(c->diags, p->key->mark, "parameter '%s' has no type", p->key->text);
        return false;
    }
    if (!compose_is_scalar(c, node, "a type"))
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        names[i] = types[i].name;
        if (strcmp(types[i].name, node->text) == 0) {
            p->row.type = types[i].type;
            return true;
        }
    }
    hint = pb_did_you_mean(node->text, names);
    all = g_strjoinv(", ", (char **)names);
    pb_diag_error(c->diags, node->mark, "no type of parameters is called '%s'; there are %s%s",
                  node->text, all, hint);
    return false;
}

static bool read_limit(composer *c, const parameter *p, const char *key, uint64_t otherwise,
                       uint64_t *limit)
{
    const pb_yaml_node *node = pb_yaml_get(p->node, key);
    pb_prop row = p->row;
    g_autofree char *text = NULL;

    *limit = otherwise;
    if (!node)
        return true;
    if (!is_number(&p->row)) {
        pb_diag_error(c->diags, node->mark, "only numbers have a '%s'", key);
        return false;
    }
    row.min = row.max = 0;
    text = compose_checked(c, c->globals, node, &row, limit);
    return text != NULL;
}

static bool read_range(composer *c, parameter *p)
{
    bool is_signed = p->row.type == PB_PROP_INT;
    bool ok;

    if (!pb_yaml_get(p->node, "min") && !pb_yaml_get(p->node, "max"))
        return true;
    ok = read_limit(c, p, "min", is_signed ? (uint64_t)INT64_MIN : 0, &p->row.min);
    return read_limit(c, p, "max", is_signed ? INT64_MAX : UINT64_MAX, &p->row.max) && ok;
}

/* The value of a text; the place is that of an option, or of the node. */
static bool text_value(composer *c, const parameter *p, const pb_prop *row, const char *text,
                       pb_mark mark, pb_value *value)
{
    g_autoptr(GError) error = NULL;
    uint64_t number = 0;

    if (!pb_property_check(row, text, &number, &error)) {
        pb_diag_error(c->diags, mark, "%s", error->message);
        return false;
    }
    if (row->type == PB_PROP_BOOL) {
        *value = pb_value_bool(number != 0);
    } else if (is_number(row)) {
        *value = pb_value_integer(row->type == PB_PROP_INT ? (__int128)(int64_t)number
                                                           : (__int128)number);
    } else {
        *value = pb_scope_string(c->globals, text);
        value->path = row->type == PB_PROP_PATH;
    }
    return true;
}

static bool node_value(composer *c, const parameter *p, const pb_yaml_node *node, pb_value *value)
{
    g_autofree char *text = NULL;

    /* An empty text is a fine default, but not a number. */
    if (node->kind == PB_YAML_SCALAR && !node->plain && !*node->text)
        text = g_strdup("");
    else
        text = compose_checked(c, c->globals, node, &p->row, NULL);
    return text && text_value(c, p, &p->row, text, node->mark, value);
}

/* One of the choices, if there are any; `mark` is the place of what was chosen. */
static bool check_choice(composer *c, const parameter *p, const pb_value *value, pb_mark mark)
{
    const pb_yaml_node *choices = pb_yaml_get(p->node, "choices");
    g_autoptr(GString) all = g_string_new(NULL);
    g_autofree char *given = pb_value_text(value);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *hint = NULL;

    if (!choices)
        return true;
    if (choices->kind != PB_YAML_SEQUENCE) {
        pb_diag_error(c->diags, choices->mark, "a list of choices is expected, this is %s",
                      pb_yaml_kind_name(choices));
        return false;
    }
    for (unsigned i = 0; i < choices->n_entries; i++) {
        const pb_yaml_node *choice = choices->entries[i].value;
        pb_value other;
        g_autofree char *text = NULL;

        if (!node_value(c, p, choice, &other))
            return false;
        text = pb_value_text(&other);
        if (strcmp(text, given) == 0)
            return true;
        g_string_append_printf(all, "%s%s", i > 0 ? ", " : "", choice->text);
        g_ptr_array_add(names, choice->text);
    }
    g_ptr_array_add(names, NULL);
    hint = pb_did_you_mean(given, (const char *const *)names->pdata);
    pb_diag_error(c->diags, mark, "'%s' is no choice of parameter '%s'; there are %s%s", given,
                  p->key->text, all->str, hint);
    return false;
}

static const pb_plan_set *find_set(const composer *c, const char *name)
{
    const pb_plan_set *found = NULL;

    for (size_t i = 0; i < c->options->n_sets; i++) {
        if (strcmp(c->options->sets[i].parameter, name) == 0)
            found = &c->options->sets[i]; /* the last one counts */
    }
    return found;
}

static bool read_value(composer *c, const parameter *p, pb_value *value)
{
    const pb_plan_set *set = find_set(c, p->key->text);
    const pb_yaml_node *node = pb_yaml_get(p->node, "default");
    pb_value fallback;
    bool ok =
        !node || (node_value(c, p, node, &fallback) && check_choice(c, p, &fallback, node->mark));

    if (set) {
        pb_mark mark = pb_mark_option(set->option);

        return text_value(c, p, &p->row, set->text, mark, value) &&
               check_choice(c, p, value, mark) && ok;
    }
    if (!node) {
        pb_diag_error(c->diags, p->key->mark, "parameter '%s' must be given: --set %s=...",
                      p->key->text, p->key->text);
        return false;
    }
    *value = fallback;
    return ok;
}

static void read_parameter(composer *c, const pb_yaml_entry *entry)
{
    parameter p = { .key = entry->key, .node = entry->value };
    pb_value value;
    bool ok;

    p.row = (pb_prop){ .name = p.key->text, .width = 8 };
    if (!compose_is_mapping(c, p.node, "a mapping (type:, default:, ...)")) {
        pb_scope_set_broken(c->globals, p.key->text);
        return;
    }
    compose_known_keys(c, p.node, pb_keys_parameter, "in a parameter");
    ok = read_type(c, &p) && read_range(c, &p) && read_value(c, &p, &value);
    if (ok)
        pb_scope_set(c->globals, p.key->text, value);
    else
        pb_scope_set_broken(c->globals, p.key->text);
}

/* Options that set what is no parameter. */
static void check_sets(composer *c, const pb_yaml_node *parameters)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (unsigned i = 0; parameters && i < parameters->n_entries; i++)
        g_ptr_array_add(names, parameters->entries[i].key->text);
    g_ptr_array_add(names, NULL);
    for (size_t i = 0; i < c->options->n_sets; i++) {
        const pb_plan_set *set = &c->options->sets[i];
        g_autofree char *hint = NULL;

        if (pb_yaml_find(parameters, set->parameter))
            continue;
        hint = pb_did_you_mean(set->parameter, (const char *const *)names->pdata);
        pb_diag_error(c->diags, pb_mark_option(set->option), "machine '%s' has no parameter '%s'%s",
                      c->plan->name, set->parameter, hint);
    }
}

void compose_parameters(composer *c)
{
    const pb_yaml_node *parameters = pb_yaml_get(c->root, "parameters");

    if (parameters && !compose_is_mapping(c, parameters, "a mapping of parameters"))
        parameters = NULL;
    for (unsigned i = 0; parameters && i < parameters->n_entries; i++)
        read_parameter(c, &parameters->entries[i]);
    check_sets(c, parameters);
}

static void check_assert(composer *c, const pb_yaml_node *node)
{
    const pb_yaml_node *that, *say;
    bool truth;

    if (!compose_is_mapping(c, node, "a mapping (that:, say:)"))
        return;
    compose_known_keys(c, node, pb_keys_assert, "in an assertion");
    that = pb_yaml_get(node, "that");
    say = pb_yaml_get(node, "say");
    if (!that || !say) {
        pb_diag_error(c->diags, node->mark, "'%s' is missing in an assertion",
                      that ? "say" : "that");
        return;
    }
    if (compose_condition(c, c->globals, that, &truth) && !truth) {
        g_autofree char *text = compose_text(c, c->globals, say, "a text");

        if (text)
            pb_diag_error(c->diags, node->mark, "%s", text);
    }
}

void compose_asserts(composer *c)
{
    const pb_yaml_node *asserts = pb_yaml_get(c->root, "asserts");

    if (!asserts)
        return;
    if (asserts->kind != PB_YAML_SEQUENCE) {
        pb_diag_error(c->diags, asserts->mark, "a list of assertions is expected, this is %s",
                      pb_yaml_kind_name(asserts));
        return;
    }
    for (unsigned i = 0; i < asserts->n_entries; i++)
        check_assert(c, asserts->entries[i].value);
}
