/*
 * YAML as a tree with marks. YAML 1.1 as libyaml reads it; what a scalar means is for its reader to
 * say.
 *
 * Files are untrusted: size, nesting depth and number of nodes are bounded, also through aliases,
 * which share the nodes of their anchor. A key that stands twice in a mapping, a key that is no
 * scalar, and a second document are errors. Tags are errors, except `!replace` on a mapping or
 * sequence (see source.h).
 */
#ifndef CORE_MACHINE_YAML_H
#define CORE_MACHINE_YAML_H

#include <core/machine/diag.h>
#include <stdbool.h>

#define PB_YAML_MAX_BYTES (4u << 20)
#define PB_YAML_MAX_DEPTH 32u
#define PB_YAML_MAX_TEXT  (64u << 10) /* of a value, in bytes; of what expressions make too */
#define PB_YAML_MAX_NODES 20000u      /* counted with aliases spelt out */

typedef enum pb_yaml_kind { PB_YAML_SCALAR = 1, PB_YAML_SEQUENCE, PB_YAML_MAPPING } pb_yaml_kind;

typedef struct pb_yaml_node pb_yaml_node;

typedef struct pb_yaml_entry {
    pb_yaml_node *key; /* null in sequences */
    pb_yaml_node *value;
} pb_yaml_entry;

struct pb_yaml_node {
    pb_yaml_kind kind;
    bool plain;    /* scalar: not quoted */
    bool verbatim; /* scalar: stands in the file as it is here, in one line: offsets are columns */
    bool replace;  /* tagged !replace */
    pb_mark mark;
    char *text;             /* scalar */
    pb_yaml_entry *entries; /* sequence, mapping */
    unsigned n_entries;
    unsigned depth;  /* of the tree below: 0 for scalars */
    unsigned weight; /* nodes of the tree, aliases spelt out */
};

/* Owns nodes of any number of files. */
typedef struct pb_yaml pb_yaml;

pb_yaml *pb_yaml_new(void);
void pb_yaml_free(pb_yaml *yaml); /* null is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pb_yaml, pb_yaml_free)

/* Parse a text; `file` names it in marks. Null after an error, which is in diags. */
pb_yaml_node *pb_yaml_parse(pb_yaml *yaml, const char *file, const char *text, gsize length,
                            pb_diags *diags);

/* Nodes made by hand, with the place that is to blame for them. */
pb_yaml_node *pb_yaml_scalar(pb_yaml *yaml, pb_mark mark, const char *text, bool plain);
pb_yaml_node *pb_yaml_mapping(pb_yaml *yaml, pb_mark mark);
/* Entries are added at the end; the key must not be there yet. */
void pb_yaml_add(pb_yaml *yaml, pb_yaml_node *mapping, pb_yaml_node *key, pb_yaml_node *value);

/* A list of the elements of two. */
pb_yaml_node *pb_yaml_join(pb_yaml *yaml, const pb_yaml_node *first, const pb_yaml_node *second);

/* Entry of a mapping, null if it is not there, or if node is null or no mapping. */
const pb_yaml_entry *pb_yaml_find(const pb_yaml_node *mapping, const char *key);
pb_yaml_node *pb_yaml_get(const pb_yaml_node *mapping, const char *key); /* its value */

/* Whether it is a plain `null`, `~` or nothing at all. */
bool pb_yaml_is_null(const pb_yaml_node *node);

/* The place of a byte of a scalar's text; the scalar's own where that is not known. */
pb_mark pb_yaml_mark_at(const pb_yaml_node *scalar, size_t offset);

/* "a mapping", "a list", "a value": for messages. */
const char *pb_yaml_kind_name(const pb_yaml_node *node);

/* The text as a scalar that reads back as a string, quoted if need be; free it. */
char *pb_yaml_quote(const char *text);

#endif
