/*
 * Wires: `irq: gic.spi[16+i]`. See compose.h.
 *
 * A wire is written at the part that requires the port. The value is an end or a list of ends:
 *
 *     PART.PORT   PART.PORT[WHICH]   PART[WHICH].PORT[WHICH]   host.BACKEND
 *
 * WHICH is an expression, a range `FIRST..LAST` or `FIRST..LAST step N`, or `*` for all there are.
 * PORT may be left out if the part provides only one of the protocol, and the index of a port that
 * has one element.
 *
 * An empty text is no end: so an expression can leave a port open.
 *
 * A required port with elements takes as many ends, in order. One without takes one end; it takes
 * the first free one of several if they are written with a range or `*`; and an irq or gpio output
 * that has a list of ends drives all of them.
 */
#include <core/machine/compose.h>
#include <string.h>

#define MAX_ENDS 65536u /* of one wire's text */

typedef struct end {
    source_part *source;
    const pb_port *port;
    uint32_t index;
} end;

/* The required port's side of a key. */
typedef struct near_side {
    source_part *source;
    const pb_port *port;
    uint32_t first; /* element that the first end goes to */
    bool one;       /* one element: the port has no others, or the key says which */
    const pb_yaml_node *key;
} near_side;

typedef struct pending_wire {
    near_side near;
    const pb_yaml_node *node;
    GArray *ends;
} pending_wire;

/* ---- ends ------------------------------------------------------------------------------------ */

/* Reads the text of an end. Offsets are in the text after ${} was replaced: places are only exact
 * where nothing was. */
typedef struct end_reader {
    composer *c;
    pb_scope *scope;
    const pb_yaml_node *node;
    const char *text, *at;
    bool exact;
} end_reader;

static pb_mark mark_here(const end_reader *r, const char *at)
{
    return r->exact ? pb_yaml_mark_at(r->node, (size_t)(at - r->text)) : r->node->mark;
}

typedef struct which {
    bool given, many;
    uint64_t first, last, step; /* of `*`: 0 to UINT64_MAX */
    const char *text;           /* where it begins */
} which;

static bool eval_index(const end_reader *r, const char *text, size_t length, uint64_t *index)
{
    pb_expr_error error = { 0 };
    pb_value value;

    if (!pb_expr_eval(r->scope, text, length, &value, &error)) {
        if (error.text)
            pb_diag_error(r->c->diags, mark_here(r, text + error.offset), "%s", error.text);
        g_free(error.text);
        return false;
    }
    if (value.kind != PB_VALUE_INTEGER || value.integer < 0) {
        g_autofree char *shown = pb_value_text(&value);

        pb_diag_error(r->c->diags, mark_here(r, text), "an index must be 0 or more, this is '%s'",
                      shown);
        return false;
    }
    *index = (uint64_t)value.integer;
    return true;
}

/* What is between the brackets. */
static bool parse_which(const end_reader *r, const char *text, size_t length, which *w)
{
    const char *dots = g_strstr_len(text, (gssize)length, "..");
    const char *step =
        dots ? g_strstr_len(dots, (gssize)(length - (size_t)(dots - text)), " step ") : NULL;
    const char *past = text + length;

    *w = (which){ .given = true, .many = true, .last = UINT64_MAX, .step = 1, .text = text };
    if (length == 1 && *text == '*')
        return true;
    if (!dots) {
        w->many = false;
        if (!eval_index(r, text, length, &w->first))
            return false;
        w->last = w->first;
        return true;
    }
    if (!eval_index(r, text, (size_t)(dots - text), &w->first) ||
        !eval_index(r, dots + 2, (size_t)((step ? step : past) - dots - 2), &w->last) ||
        (step && !eval_index(r, step + 6, (size_t)(past - step - 6), &w->step)))
        return false;
    if (w->last >= w->first && w->step > 0)
        return true;
    pb_diag_error(r->c->diags, mark_here(r, text), "the range '%.*s' is empty", (int)length, text);
    return false;
}

/* The index in brackets that may follow. */
static bool read_which(end_reader *r, which *w)
{
    const char *first = r->at + 1;
    unsigned depth = 0;

    *w = (which){ .last = 0, .step = 1, .text = r->at };
    if (*r->at != '[')
        return true;
    for (r->at++; *r->at && !(*r->at == ']' && depth == 0); r->at++) {
        depth += *r->at == '[';
        depth -= *r->at == ']';
    }
    if (!*r->at) {
        pb_diag_error(r->c->diags, mark_here(r, first - 1), "']' is missing");
        return false;
    }
    r->at++;
    return parse_which(r, first, (size_t)(r->at - 1 - first), w);
}

static char *read_name(end_reader *r)
{
    const char *first = r->at;

    while (g_ascii_isalnum(*r->at) || *r->at == '-' || *r->at == '_')
        r->at++;
    return g_strndup(first, (gsize)(r->at - first));
}

static void no_such_part(const end_reader *r, const char *name, const char *at)
{
    composer *c = r->c;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;
    g_autofree char *hint = NULL;

    if (g_hash_table_contains(c->left_out, name)) {
        pb_diag_error(c->diags, mark_here(r, at), "'%s' is left out: its 'when' is false", name);
        return;
    }
    g_hash_table_iter_init(&iter, c->by_name);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_ptr_array_add(names, key);
    g_ptr_array_add(names, NULL);
    hint = pb_did_you_mean(name, (const char *const *)names->pdata);
    pb_diag_error(c->diags, mark_here(r, at), "there is no part '%s'%s", name, hint);
}

/* The part's name; those of backends have a dot in them. */
static part_array *read_part(end_reader *r)
{
    const char *at = r->at;
    g_autofree char *name = read_name(r);
    part_array *array;

    if (strcmp(name, "host") == 0 && *r->at == '.') {
        g_autofree char *rest = NULL;

        r->at++;
        rest = read_name(r);
        g_free(name);
        name = g_strconcat("host.", rest, NULL);
    }
    array = g_hash_table_lookup(r->c->by_name, name);
    if (!array)
        no_such_part(r, name, at);
    return array;
}

static bool check_index(const end_reader *r, const which *w, bool indexed, uint64_t count,
                        const char *what)
{
    if (!indexed && w->given)
        pb_diag_error(r->c->diags, mark_here(r, w->text), "%s is one, it takes no index", what);
    else if (indexed && !w->given)
        pb_diag_error(r->c->diags, mark_here(r, w->text - 1),
                      "%s has elements 0 to %" G_GUINT64_FORMAT ": write which, or [*]", what,
                      count - 1);
    else if (indexed && w->last != UINT64_MAX && w->last >= count)
        pb_diag_error(r->c->diags, mark_here(r, w->text),
                      "%s has no element %" G_GUINT64_FORMAT
                      "; they go from 0 to %" G_GUINT64_FORMAT,
                      what, w->last, count - 1);
    else
        return true;
    return false;
}

/* The port of a part that was named, or the only one of the protocol. */
static const pb_port *choose_port(const end_reader *r, const pb_plan_part *part, const char *name,
                                  const char *at, const char *protocol)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const pb_port *only = NULL;
    g_autofree char *hint = NULL;

    for (const pb_port *row = part->class->ports; row && row->name; row++) {
        if (*name && strcmp(row->name, name) == 0)
            return row;
        if (row->role != PB_PROVIDES)
            continue;
        g_ptr_array_add(names, (gpointer)row->name);
        if (!*name && strcmp(row->protocol, protocol) == 0) {
            if (only) {
                pb_diag_error(
                    r->c->diags, mark_here(r, at),
                    "%s provides several ports of protocol '%s' ('%s', '%s'): write which",
                    part->type, protocol, only->name, row->name);
                return NULL;
            }
            only = row;
        }
    }
    if (only)
        return only;
    g_ptr_array_add(names, NULL);
    hint = *name ? pb_did_you_mean(name, (const char *const *)names->pdata) : g_strdup("");
    if (*name)
        pb_diag_error(r->c->diags, mark_here(r, at), "%s has no port '%s'%s", part->type, name,
                      hint);
    else
        pb_diag_error(r->c->diags, mark_here(r, at), "%s provides no port of protocol '%s'",
                      part->type, protocol);
    return NULL;
}

static bool add_end(const end_reader *r, GArray *ends, end e)
{
    if (ends->len >= MAX_ENDS) {
        pb_diag_error(r->c->diags, r->node->mark, "more than %u ends", MAX_ENDS);
        return false;
    }
    g_array_append_val(ends, e);
    return true;
}

/* All elements of the port of one part. */
static bool add_elements(const end_reader *r, source_part *source, const pb_port *port,
                         const which *w, GArray *ends)
{
    uint64_t count = pb_plan_port_count(source->part, port);
    g_autofree char *what = g_strdup_printf("port '%s' of '%s'", port->name, source->part->name);

    if (count == 0) {
        if (!source->broken)
            pb_diag_error(r->c->diags, mark_here(r, w->text), "%s has no elements", what);
        return false;
    }
    /* Of one element, the index may be left out. */
    if ((w->given || count > 1) && !check_index(r, w, pb_port_is_array(port), count, what))
        return false;
    for (uint64_t i = w->first; i < count && i <= w->last; i += w->step) {
        if (!add_end(r, ends, (end){ source, port, (uint32_t)i }))
            return false;
        if (w->step > count)
            break;
    }
    return true;
}

/* The ends that a text names, added to `ends`; false if an error was told or part of it is in
 * error. *many is set if there is a range or `*` in it. */
static bool read_ends(end_reader *r, const char *protocol, GArray *ends, bool *many)
{
    part_array *array = read_part(r);
    which part_which, port_which;
    const char *port_at;
    g_autofree char *port_name = NULL;
    source_part *first;
    g_autofree char *what = NULL;

    if (!array || !read_which(r, &part_which))
        return false;
    port_at = r->at;
    if (*r->at == '.') {
        port_at = ++r->at;
        port_name = read_name(r);
    } else {
        port_name = g_strdup("");
    }
    if (!read_which(r, &port_which))
        return false;
    if (*r->at) {
        pb_diag_error(r->c->diags, mark_here(r, r->at),
                      "'%s' was not expected here; an end is like gic.spi[3]", r->at);
        return false;
    }
    first = g_ptr_array_index(array->elements, 0);
    what = g_strdup_printf("part '%s'", first->part->name);
    if (!check_index(r, &part_which, array->indexed, array->elements->len, what))
        return false;
    *many |= part_which.many || port_which.many;
    for (uint64_t i = part_which.first; i <= part_which.last && i < array->elements->len;
         i += part_which.step) {
        source_part *source = g_ptr_array_index(array->elements, i);
        const pb_port *port;

        if (source->broken)
            return false;
        port = choose_port(r, source->part, port_name, port_at, protocol);
        if (!port || !add_elements(r, source, port, &port_which, ends))
            return false;
        if (part_which.step > array->elements->len)
            break;
    }
    return true;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static const pb_plan_wire *find_wire(const composer *c, const char *port)
{
    gpointer index = g_hash_table_lookup(c->connected, port);

    return index ? &g_array_index(c->plan->wires, pb_plan_wire, GPOINTER_TO_SIZE(index) - 1) : NULL;
}

static bool check_protocol(composer *c, const near_side *near, const end *far, pb_mark mark)
{
    g_autofree char *near_text = pb_plan_port_text(near->source->part, near->port, near->first);
    g_autofree char *far_text = pb_plan_port_text(far->source->part, far->port, far->index);

    if (far->port->role != PB_PROVIDES) {
        pb_diag_error(c->diags, mark, "'%s' and '%s' both require a peer: one side must provide",
                      near_text, far_text);
        return false;
    }
    if (strcmp(near->port->protocol, far->port->protocol) != 0) {
        pb_diag_error(c->diags, mark, "'%s' speaks '%s', but '%s' speaks '%s'", near_text,
                      near->port->protocol, far_text, far->port->protocol);
        return false;
    }
    return true;
}

/* One wire; `split`: the near element may have others. */
static void connect(composer *c, const near_side *near, uint32_t element, const end *far,
                    bool split, pb_mark mark)
{
    g_autofree char *near_text = pb_plan_port_text(near->source->part, near->port, element);
    g_autofree char *far_text = pb_plan_port_text(far->source->part, far->port, far->index);
    const pb_plan_wire *other = find_wire(c, far_text);
    pb_plan_wire wire = { near->source->part, near->port, element, far->source->part,
                          far->port,          far->index, mark };
    gpointer index;

    if (!check_protocol(c, near, far, mark))
        return;
    if (other) {
        g_autofree char *peer = pb_plan_port_text(other->from, other->from_port, other->from_index);

        pb_diag_error(c->diags, mark, "'%s' is connected to '%s' already, in line %u", far_text,
                      peer, other->mark.line);
        return;
    }
    other = find_wire(c, near_text);
    if (other && !split) {
        pb_diag_error(c->diags, mark, "'%s' is connected already, in line %u", near_text,
                      other->mark.line);
        return;
    }
    g_array_append_val(c->plan->wires, wire);
    index = GSIZE_TO_POINTER((gsize)c->plan->wires->len);
    g_hash_table_insert(c->connected, g_steal_pointer(&near_text), index);
    g_hash_table_insert(c->connected, g_steal_pointer(&far_text), index);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* The part and port of a key, `irq` or `irq[2]`. */
static bool read_near(composer *c, source_part *source, const pb_yaml_node *key, near_side *near)
{
    size_t length = strcspn(key->text, "[");
    end_reader r = { c, source->scope, key, key->text, key->text + length, true };
    g_autofree char *what = NULL;
    which w;

    *near = (near_side){ .source = source, .key = key };
    near->port = compose_find_port(source->part->class, key->text, length);
    what = g_strdup_printf("port '%s' of '%s'", near->port->name, source->part->name);
    near->one = !pb_port_is_array(near->port);
    if (!key->text[length])
        return true;
    if (!read_which(&r, &w) ||
        !check_index(&r, &w, !near->one, pb_plan_port_count(source->part, near->port), what))
        return false;
    if (*r.at || w.many) {
        pb_diag_error(c->diags, key->mark, "'%s': one index is expected", key->text);
        return false;
    }
    near->one = true;
    near->first = (uint32_t)w.first;
    return true;
}

static char *end_text(composer *c, const near_side *near, const pb_yaml_node *node)
{
    if (node->kind == PB_YAML_SCALAR && !node->plain && !*node->text)
        return g_strdup("");
    return compose_text(c, near->source->scope, node, "an end of a wire, like gic.spi[3],");
}

/* The ends of a value, a text or a list of them; null after errors. */
static GArray *read_value(composer *c, const near_side *near, const pb_yaml_node *node, bool *many)
{
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(end));
    bool list = node->kind == PB_YAML_SEQUENCE;
    bool ok = true;

    for (unsigned i = 0; i < (list ? node->n_entries : 1); i++) {
        const pb_yaml_node *element = list ? node->entries[i].value : node;
        g_autofree char *text = end_text(c, near, element);
        end_reader r = { c, near->source->scope, element, text, text, false };

        if (text && !*text)
            continue;
        if (text)
            r.exact = strcmp(text, element->text) == 0;
        ok &= text && read_ends(&r, near->port->protocol, ends, many);
    }
    return ok ? g_steal_pointer(&ends) : NULL;
}

static void connect_elements(composer *c, const near_side *near, GArray *ends,
                             const pb_yaml_node *node)
{
    uint32_t count = pb_plan_port_count(near->source->part, near->port);

    if (ends->len > count) {
        pb_diag_error(c->diags, node->mark, "%u ends for the %u elements of port '%s' of '%s'",
                      ends->len, count, near->port->name, near->source->part->name);
        return;
    }
    for (uint32_t i = 0; i < ends->len; i++)
        connect(c, near, i, &g_array_index(ends, end, i), false, node->mark);
}

static void connect_one(composer *c, const near_side *near, GArray *ends, bool many,
                        const pb_yaml_node *node)
{
    bool split = node->kind == PB_YAML_SEQUENCE && pb_port_is_line(near->port);

    if (many && !split) {
        pending_wire *pending = g_new(pending_wire, 1);

        *pending = (pending_wire){ *near, node, g_array_ref(ends) };
        g_ptr_array_add(c->first_free, pending);
        return;
    }
    if (ends->len > 1 && !split) {
        pb_diag_error(c->diags, node->mark, "'%s' of '%s' takes one end, these are %u",
                      near->key->text, near->source->part->name, ends->len);
        return;
    }
    for (uint32_t i = 0; i < ends->len; i++)
        connect(c, near, near->first, &g_array_index(ends, end, i), i > 0, node->mark);
}

static void compose_key(composer *c, source_part *source, const pb_yaml_entry *entry)
{
    near_side near;
    bool many = false;
    g_autoptr(GArray) ends = NULL;

    if (!read_near(c, source, entry->key, &near))
        return;
    if (near.port->role != PB_REQUIRES) {
        pb_diag_error(c->diags, entry->key->mark,
                      "%s provides '%s': the wire is written at the part that requires it",
                      source->part->type, near.port->name);
        return;
    }
    ends = read_value(c, &near, entry->value, &many);
    if (!ends)
        return;
    if (near.one)
        connect_one(c, &near, ends, many, entry->value);
    else
        connect_elements(c, &near, ends, entry->value);
}

void compose_wires(composer *c, source_part *source)
{
    const pb_class *class = source->part->class;

    for (unsigned i = 0; class && i < source->node->n_entries; i++) {
        const pb_yaml_entry *entry = &source->node->entries[i];
        const char *key = entry->key->text;

        if (!compose_find_prop(class, key) && compose_find_port(class, key, strcspn(key, "[")))
            compose_key(c, source, entry);
    }
}

void compose_first_free(composer *c)
{
    for (unsigned i = 0; i < c->first_free->len; i++) {
        pending_wire *pending = g_ptr_array_index(c->first_free, i);
        bool found = false;

        for (unsigned n = 0; n < pending->ends->len && !found; n++) {
            const end *far = &g_array_index(pending->ends, end, n);
            g_autofree char *text = pb_plan_port_text(far->source->part, far->port, far->index);

            found = !find_wire(c, text);
            if (found)
                connect(c, &pending->near, pending->near.first, far, false, pending->node->mark);
        }
        if (!found)
            pb_diag_error(c->diags, pending->near.source->part->mark,
                          "no port is free for '%s' of '%s': all %u of '%s' are connected",
                          pending->near.port->name, pending->near.source->part->path,
                          pending->ends->len,
                          pending->node->text ? pending->node->text : "the list");
        g_array_unref(pending->ends);
        g_free(pending);
    }
    g_ptr_array_set_size(c->first_free, 0);
}
