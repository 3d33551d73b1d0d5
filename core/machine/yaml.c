/* YAML as a tree with marks, on libyaml's events: see yaml.h. */
#include <core/machine/yaml.h>
#include <stdint.h>
#include <string.h>
#include <yaml.h>

struct pb_yaml {
    GPtrArray *nodes;
    GStringChunk *texts;
};

/* State of one parse. */
typedef struct reader {
    pb_yaml *yaml;
    const char *file;
    pb_diags *diags;
    yaml_parser_t parser;
    GHashTable *anchors; /* name -> node; null value: the node is not complete */
} reader;

/* ---- nodes ----------------------------------------------------------------------------------- */

static void free_node(gpointer node)
{
    g_free(((pb_yaml_node *)node)->entries);
    g_free(node);
}

pb_yaml *pb_yaml_new(void)
{
    pb_yaml *yaml = g_new0(pb_yaml, 1);

    yaml->nodes = g_ptr_array_new_with_free_func(free_node);
    yaml->texts = g_string_chunk_new(4096);
    return yaml;
}

void pb_yaml_free(pb_yaml *yaml)
{
    if (!yaml)
        return;
    g_ptr_array_unref(yaml->nodes);
    g_string_chunk_free(yaml->texts);
    g_free(yaml);
}

static pb_yaml_node *new_node(pb_yaml *yaml, pb_yaml_kind kind, pb_mark mark)
{
    pb_yaml_node *node = g_new0(pb_yaml_node, 1);

    node->kind = kind;
    node->mark = mark;
    node->weight = 1;
    g_ptr_array_add(yaml->nodes, node);
    return node;
}

pb_yaml_node *pb_yaml_scalar(pb_yaml *yaml, pb_mark mark, const char *text, bool plain)
{
    pb_yaml_node *node = new_node(yaml, PB_YAML_SCALAR, mark);

    node->text = g_string_chunk_insert(yaml->texts, text);
    node->plain = plain;
    return node;
}

pb_yaml_node *pb_yaml_mapping(pb_yaml *yaml, pb_mark mark)
{
    return new_node(yaml, PB_YAML_MAPPING, mark);
}

static void append(pb_yaml_node *parent, pb_yaml_node *key, pb_yaml_node *value)
{
    unsigned n = parent->n_entries;

    if ((n & (n - 1)) == 0) /* the room doubles at powers of two */
        parent->entries = g_renew(pb_yaml_entry, parent->entries, n ? 2 * n : 1);
    parent->entries[parent->n_entries++] = (pb_yaml_entry){ key, value };
    parent->weight += value->weight + (key ? 1 : 0);
    parent->depth = MAX(parent->depth, value->depth + 1);
}

void pb_yaml_add(pb_yaml *yaml, pb_yaml_node *mapping, pb_yaml_node *key, pb_yaml_node *value)
{
    g_assert(mapping->kind == PB_YAML_MAPPING && !pb_yaml_find(mapping, key->text));
    append(mapping, key, value);
}

pb_yaml_node *pb_yaml_join(pb_yaml *yaml, const pb_yaml_node *first, const pb_yaml_node *second)
{
    pb_yaml_node *joined = new_node(yaml, PB_YAML_SEQUENCE, second->mark);

    for (unsigned i = 0; i < first->n_entries; i++)
        append(joined, NULL, first->entries[i].value);
    for (unsigned i = 0; i < second->n_entries; i++)
        append(joined, NULL, second->entries[i].value);
    return joined;
}

const pb_yaml_entry *pb_yaml_find(const pb_yaml_node *mapping, const char *key)
{
    if (!mapping || mapping->kind != PB_YAML_MAPPING)
        return NULL;
    for (unsigned i = 0; i < mapping->n_entries; i++) {
        if (strcmp(mapping->entries[i].key->text, key) == 0)
            return &mapping->entries[i];
    }
    return NULL;
}

pb_yaml_node *pb_yaml_get(const pb_yaml_node *mapping, const char *key)
{
    const pb_yaml_entry *entry = pb_yaml_find(mapping, key);

    return entry ? entry->value : NULL;
}

static bool is_null_text(const char *text)
{
    return *text == 0 || strcmp(text, "null") == 0 || strcmp(text, "~") == 0;
}

bool pb_yaml_is_null(const pb_yaml_node *node)
{
    return node->kind == PB_YAML_SCALAR && node->plain && is_null_text(node->text);
}

pb_mark pb_yaml_mark_at(const pb_yaml_node *scalar, size_t offset)
{
    pb_mark mark = scalar->mark;

    if (scalar->verbatim && offset <= strlen(scalar->text))
        mark.column += (scalar->plain ? 0 : 1) + g_utf8_strlen(scalar->text, (gssize)offset);
    return mark;
}

const char *pb_yaml_kind_name(const pb_yaml_node *node)
{
    switch (node->kind) {
    case PB_YAML_SCALAR:
        return pb_yaml_is_null(node) ? "nothing" : "a value";
    case PB_YAML_SEQUENCE:
        return "a list";
    case PB_YAML_MAPPING:
        return "a mapping";
    }
    g_assert_not_reached();
}

char *pb_yaml_quote(const char *text)
{
    static const char first_plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./$";
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-*$()";
    GString *quoted;

    if (*text && strchr(first_plain, *text) && strspn(text, plain) == strlen(text) &&
        !is_null_text(text))
        return g_strdup(text);
    quoted = g_string_new("\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_printf(quoted, "\\%c", *c);
        else if (*c == '\n')
            g_string_append(quoted, "\\n");
        else if ((unsigned char)*c < ' ' || *c == 127)
            g_string_append_printf(quoted, "\\x%02x", (unsigned char)*c);
        else
            g_string_append_c(quoted, *c);
    }
    g_string_append_c(quoted, '"');
    return g_string_free(quoted, FALSE);
}

/* ---- parsing --------------------------------------------------------------------------------- */

static pb_mark mark_of(const reader *r, const yaml_mark_t *mark)
{
    return (pb_mark){ r->file, (unsigned)mark->line + 1, (unsigned)mark->column + 1 };
}

static bool next_event(reader *r, yaml_event_t *event)
{
    const yaml_parser_t *p = &r->parser;
    pb_mark mark;

    if (yaml_parser_parse(&r->parser, event))
        return true;
    /* The reader's errors (encoding) have an offset in bytes and no mark. */
    mark = p->error == YAML_READER_ERROR ? mark_of(r, &p->mark) : mark_of(r, &p->problem_mark);
    pb_diag_error(r->diags, mark, "this is not YAML: %s%s%s", p->problem ? p->problem : "no memory",
                  p->context ? " " : "", p->context ? p->context : "");
    return false;
}

/* Whether the scalar's text stands between its marks as it is. */
static bool is_verbatim(const yaml_event_t *event)
{
    size_t quotes = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? 0 : 2;

    return event->start_mark.line == event->end_mark.line &&
           event->end_mark.column - event->start_mark.column ==
               (size_t)g_utf8_strlen((char *)event->data.scalar.value, -1) + quotes;
}

static pb_yaml_node *read_scalar(reader *r, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    pb_mark mark = mark_of(r, &event->start_mark);
    pb_yaml_node *node;

    if (strlen(text) != event->data.scalar.length) {
        pb_diag_error(r->diags, mark, "a value with a zero byte in it");
        return NULL;
    }
    if (event->data.scalar.length > PB_YAML_MAX_TEXT) {
        pb_diag_error(r->diags, mark, "a value of more than %u bytes", PB_YAML_MAX_TEXT);
        return NULL;
    }
    node = pb_yaml_scalar(r->yaml, mark, text, event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
    node->verbatim = is_verbatim(event);
    return node;
}

/* `text` of null, or a scalar with a tag: only !replace is known, on collections. */
static bool check_tag(reader *r, const yaml_event_t *event, const yaml_char_t *tag, bool collection,
                      bool *replace)
{
    *replace = false;
    if (!tag)
        return true;
    if (collection && strcmp((const char *)tag, "!replace") == 0) {
        *replace = true;
        return true;
    }
    pb_diag_error(r->diags, mark_of(r, &event->start_mark),
                  "unknown tag '%s'; the only one is !replace, on a mapping or list",
                  (const char *)tag);
    return false;
}

static pb_yaml_node *read_node(reader *r, const yaml_event_t *event, unsigned depth);

static bool check_weight(reader *r, const pb_yaml_node *node)
{
    if (node->weight <= PB_YAML_MAX_NODES)
        return true;
    pb_diag_error(r->diags, node->mark, "more than %u values, counted with aliases",
                  PB_YAML_MAX_NODES);
    return false;
}

/* The next key of a mapping; null at its end (*end) and after errors. */
static pb_yaml_node *read_key(reader *r, const pb_yaml_node *mapping, yaml_event_t *event,
                              bool *end)
{
    pb_yaml_node *key;
    const pb_yaml_entry *earlier;
    bool replace;

    *end = event->type == YAML_MAPPING_END_EVENT;
    if (*end)
        return NULL;
    if (event->type != YAML_SCALAR_EVENT) {
        pb_diag_error(r->diags, mark_of(r, &event->start_mark), "a key must be a word");
        return NULL;
    }
    if (!check_tag(r, event, event->data.scalar.tag, false, &replace))
        return NULL;
    key = read_scalar(r, event);
    earlier = key ? pb_yaml_find(mapping, key->text) : NULL;
    if (earlier) {
        pb_diag_error(r->diags, key->mark,
                      "key '%s' is here a second time; the first is in line %u", key->text,
                      earlier->key->mark.line);
        return NULL;
    }
    return key;
}

static bool read_entries(reader *r, pb_yaml_node *parent, unsigned depth)
{
    for (;;) {
        yaml_event_t event;
        pb_yaml_node *key = NULL, *value;
        bool end;

        if (!next_event(r, &event))
            return false;
        if (parent->kind == PB_YAML_MAPPING) {
            key = read_key(r, parent, &event, &end);
            yaml_event_delete(&event);
            if (!key)
                return end;
            if (!next_event(r, &event))
                return false;
        } else if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return true;
        }
        value = read_node(r, &event, depth + 1);
        yaml_event_delete(&event);
        if (!value)
            return false;
        append(parent, key, value);
        if (!check_weight(r, parent))
            return false;
    }
}

static pb_yaml_node *read_alias(reader *r, const yaml_event_t *event, unsigned depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    pb_mark mark = mark_of(r, &event->start_mark);
    gpointer node;

    if (!g_hash_table_lookup_extended(r->anchors, name, NULL, &node)) {
        pb_diag_error(r->diags, mark, "alias '*%s': nothing before it has the anchor '&%s'", name,
                      name);
        return NULL;
    }
    if (!node) {
        pb_diag_error(r->diags, mark, "alias '*%s' stands in what it refers to", name);
        return NULL;
    }
    if (depth + ((pb_yaml_node *)node)->depth > PB_YAML_MAX_DEPTH) {
        pb_diag_error(r->diags, mark, "nested more than %u levels deep", PB_YAML_MAX_DEPTH);
        return NULL;
    }
    return node;
}

static void set_anchor(reader *r, const yaml_char_t *anchor, pb_yaml_node *node)
{
    if (anchor)
        g_hash_table_replace(r->anchors, g_strdup((const char *)anchor), node);
}

static pb_yaml_node *read_collection(reader *r, const yaml_event_t *event, unsigned depth)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *tag =
        mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    const yaml_char_t *anchor =
        mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    pb_yaml_node *node;

    node = new_node(r->yaml, mapping ? PB_YAML_MAPPING : PB_YAML_SEQUENCE,
                    mark_of(r, &event->start_mark));
    if (!check_tag(r, event, tag, true, &node->replace))
        return NULL;
    if (depth > PB_YAML_MAX_DEPTH) {
        pb_diag_error(r->diags, node->mark, "nested more than %u levels deep", PB_YAML_MAX_DEPTH);
        return NULL;
    }
    set_anchor(r, anchor, NULL);
    if (!read_entries(r, node, depth))
        return NULL;
    set_anchor(r, anchor, node);
    return node;
}

/* The node that begins with the event; null after an error. */
static pb_yaml_node *read_node(reader *r, const yaml_event_t *event, unsigned depth)
{
    pb_yaml_node *node;
    bool replace;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (!check_tag(r, event, event->data.scalar.tag, false, &replace))
            return NULL;
        node = read_scalar(r, event);
        set_anchor(r, event->data.scalar.anchor, node);
        return node;
    case YAML_ALIAS_EVENT:
        return read_alias(r, event, depth);
    default:
        return read_collection(r, event, depth);
    }
}

/* Skip events up to the first of a document's content, or the end of the stream. */
static bool skip_to_content(reader *r, yaml_event_t *event)
{
    for (;;) {
        if (!next_event(r, event))
            return false;
        if (event->type != YAML_STREAM_START_EVENT && event->type != YAML_DOCUMENT_START_EVENT &&
            event->type != YAML_DOCUMENT_END_EVENT)
            return true;
        yaml_event_delete(event);
    }
}

static pb_yaml_node *read_document(reader *r)
{
    yaml_event_t event;
    pb_yaml_node *node = NULL;
    pb_mark start = { r->file, 1, 1 };

    if (!skip_to_content(r, &event))
        return NULL;
    if (event.type == YAML_STREAM_END_EVENT)
        pb_diag_error(r->diags, start, "the file is empty");
    else
        node = read_node(r, &event, 0);
    yaml_event_delete(&event);
    if (!node)
        return NULL;
    if (!skip_to_content(r, &event))
        return NULL;
    if (event.type != YAML_STREAM_END_EVENT) {
        pb_diag_error(r->diags, mark_of(r, &event.start_mark),
                      "a second document; a file has one machine");
        node = NULL;
    }
    yaml_event_delete(&event);
    return node;
}

pb_yaml_node *pb_yaml_parse(pb_yaml *yaml, const char *file, const char *text, gsize length,
                            pb_diags *diags)
{
    reader r = { .yaml = yaml, .file = pb_diags_file(diags, file), .diags = diags };
    pb_yaml_node *node;

    if (length > PB_YAML_MAX_BYTES) {
        pb_diag_error(diags, (pb_mark){ r.file, 1, 1 }, "longer than %u MiB",
                      PB_YAML_MAX_BYTES >> 20);
        return NULL;
    }
    yaml_parser_initialize(&r.parser);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
    r.anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    node = read_document(&r);
    g_hash_table_unref(r.anchors);
    yaml_parser_delete(&r.parser);
    return node;
}
