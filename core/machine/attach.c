/*
 * What options add: `--drive disk.img,readonly=on`. See compose.h.
 *
 * A rule of `attach:` has a backend (or a list of them, of which the first is taken whose `when` is
 * true), devices, or both. In their texts `word` is the option's first word and `n` counts the uses
 * of the rule from 0. The backend is called RULE n ("drive0") and takes the place of one of the
 * same name in `backends:`; a device is called as in the rule, with n ("blk0"). The option's other
 * words set properties: of the backend if it has one of the name, otherwise of the first device
 * that has.
 */
#include <core/machine/compose.h>
#include <string.h>

/* What one option made. */
typedef struct attached {
    const pb_plan_attach *option;
    pb_mark mark;
    GPtrArray *parts; /* source_part */
} attached;

char **compose_split_option(composer *c, const char *option, const char *text, char **word)
{
    g_autoptr(GStrvBuilder) pieces = g_strv_builder_new();
    g_autoptr(GString) piece = g_string_new(NULL);
    bool first = true;

    *word = NULL;
    for (const char *at = text;; at++) {
        const char *equals;

        if (*at && !(*at == ',' && at[1] != ',')) {
            g_string_append_c(piece, *at);
            at += *at == ',';
            continue;
        }
        equals = strchr(piece->str, '=');
        if (equals && equals > piece->str && (!first || !strchr(piece->str, '/'))) {
            g_autofree char *key = g_strndup(piece->str, (gsize)(equals - piece->str));

            g_strv_builder_add_many(pieces, key, equals + 1, NULL);
        } else if (first) {
            *word = g_strdup(piece->str);
        } else {
            pb_diag_error(c->diags, pb_mark_option(option), "'%s' in '%s' is not PROPERTY=VALUE",
                          piece->str, text);
            g_clear_pointer(word, g_free);
            return NULL;
        }
        first = false;
        g_string_truncate(piece, 0);
        if (!*at)
            return g_strv_builder_end(pieces);
    }
}

static pb_scope *new_scope(composer *c, const char *word, unsigned n)
{
    pb_scope *scope = pb_scope_new(c->globals);

    if (word) {
        pb_value value = pb_scope_string(scope, word);

        value.path = true; /* relative to where the option was given */
        pb_scope_set(scope, "word", value);
    }
    pb_scope_set(scope, "n", pb_value_integer(n));
    return scope;
}

static void add_part(composer *c, attached *a, pb_kind kind, const char *base, unsigned n,
                     const pb_yaml_node *node, const char *word)
{
    g_autofree char *name = g_strdup_printf("%s%u", base, n);
    pb_scope *scope = new_scope(c, word, n);

    if (!compose_is_mapping(c, node, "a mapping (type: and what the type has)") ||
        !compose_when(c, scope, node)) {
        pb_scope_free(scope);
        return;
    }
    g_ptr_array_add(a->parts, compose_part(c, kind, name, -1, a->mark, node, scope));
}

/* Set one of the option's properties on the first part that has it. */
static void set_property(composer *c, const attached *a, const char *key, const char *text)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *hint = NULL;
    bool broken = false;

    for (unsigned i = 0; i < a->parts->len; i++) {
        source_part *source = g_ptr_array_index(a->parts, i);
        const pb_class *class = source->part->class;
        const pb_prop *row = class ? compose_find_prop(class, key) : NULL;

        broken |= !class;
        if (row) {
            compose_set_text(c, source, row, text, a->mark);
            return;
        }
        for (row = class ? class->props : NULL; row && row->name; row++)
            g_ptr_array_add(names, (gpointer)row->name);
    }
    if (broken)
        return;
    g_ptr_array_add(names, NULL);
    hint = pb_did_you_mean(key, (const char *const *)names->pdata);
    pb_diag_error(c->diags, a->mark, "nothing that '%s' adds has a property '%s'%s",
                  a->option->rule, key, hint);
}

/* The backend that a rule adds: its only one, or of a list the first whose `when` is true. */
static void add_backend(composer *c, attached *a, const pb_yaml_node *node, unsigned n,
                        const char *word)
{
    const pb_yaml_node *chosen = node;

    if (node->kind == PB_YAML_SEQUENCE) {
        pb_scope *scope = new_scope(c, word, n);

        chosen = NULL;
        for (unsigned i = 0; i < node->n_entries && !chosen; i++) {
            const pb_yaml_node *entry = node->entries[i].value;

            if (compose_is_mapping(c, entry, "a mapping (type: and what the type has)") &&
                compose_when(c, scope, entry))
                chosen = entry;
        }
        pb_scope_free(scope);
    }
    if (chosen)
        add_part(c, a, PB_KIND_BACKEND, a->option->rule, n, chosen, word);
}

static void apply_rule(composer *c, attached *a, const pb_yaml_node *rule, unsigned n)
{
    const pb_yaml_node *backend = pb_yaml_get(rule, "backend");
    const pb_yaml_node *devices = pb_yaml_get(rule, "devices");
    g_autofree char *word = NULL;
    g_auto(GStrv) pieces = compose_split_option(c, a->option->option, a->option->text, &word);

    if (!pieces)
        return;
    if (backend)
        add_backend(c, a, backend, n, word);
    if (devices && compose_is_mapping(c, devices, "a mapping from names to devices")) {
        for (unsigned i = 0; i < devices->n_entries; i++)
            add_part(c, a, PB_KIND_DEVICE, devices->entries[i].key->text, n,
                     devices->entries[i].value, word);
    }
    for (char **piece = pieces; *piece; piece += 2)
        set_property(c, a, piece[0], piece[1]);
}

static void no_such_rule(composer *c, const pb_yaml_node *rules, const attached *a)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *hint = NULL;

    for (unsigned i = 0; rules && i < rules->n_entries; i++)
        g_ptr_array_add(names, rules->entries[i].key->text);
    g_ptr_array_add(names, NULL);
    hint = pb_did_you_mean(a->option->rule, (const char *const *)names->pdata);
    pb_diag_error(c->diags, a->mark, "machine '%s' has no attach rule '%s'%s", c->plan->name,
                  a->option->rule, hint);
}

static unsigned count_earlier(const composer *c, size_t index)
{
    unsigned n = 0;

    for (size_t i = 0; i < index; i++)
        n += strcmp(c->options->attaches[i].rule, c->options->attaches[index].rule) == 0;
    return n;
}

static void check_rule(composer *c, const pb_yaml_entry *entry)
{
    if (!compose_is_mapping(c, entry->value, "a mapping (backend:, devices:)"))
        return;
    compose_known_keys(c, entry->value, pb_keys_attach, "in an attach rule");
}

void compose_attach(composer *c)
{
    const pb_yaml_node *rules = pb_yaml_get(c->root, "attach");

    if (rules && !compose_is_mapping(c, rules, "a mapping from options to what they add"))
        rules = NULL;
    for (unsigned i = 0; rules && i < rules->n_entries; i++)
        check_rule(c, &rules->entries[i]);
    for (size_t i = 0; i < c->options->n_attaches; i++) {
        attached a = { .option = &c->options->attaches[i] };
        const pb_yaml_node *rule = pb_yaml_get(rules, a.option->rule);

        a.mark = pb_mark_option(a.option->option);
        a.parts = g_ptr_array_new();
        if (rule && rule->kind == PB_YAML_MAPPING)
            apply_rule(c, &a, rule, count_earlier(c, i));
        else if (!rule)
            no_such_rule(c, rules, &a);
        g_ptr_array_unref(a.parts);
    }
}
