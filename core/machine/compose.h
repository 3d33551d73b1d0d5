/* Inside of the composer: what its files share. Not for others: they use plan.h. */
#ifndef CORE_MACHINE_COMPOSE_H
#define CORE_MACHINE_COMPOSE_H

#include <core/machine/expr.h>
#include <core/machine/plan.h>

/* A part with where it comes from, while composing. */
typedef struct source_part {
    pb_plan_part *part;
    const pb_yaml_node *node; /* its mapping */
    pb_scope *scope;
    bool broken; /* in error: wires from and to it are not judged */
} source_part;

/* All parts of a name. */
typedef struct part_array {
    GPtrArray *elements; /* source_part, borrowed */
    bool indexed;        /* written NAME[INDEX] */
} part_array;

typedef struct composer {
    pb_plan *plan;
    pb_yaml *yaml;
    const pb_yaml_node *root;
    const pb_catalog *catalog;
    const pb_plan_options *options;
    pb_diags *diags;
    pb_scope *globals;     /* parameters */
    GPtrArray *parts;      /* source_part, owned: order of plan->parts, and the accelerator */
    GHashTable *by_name;   /* "uart0", "host.serial0" -> part_array */
    GHashTable *left_out;  /* names whose `when` is false -> their mark's line as pointer */
    GHashTable *connected; /* "gic.spi[3]" -> pb_plan_wire index + 1, both ends of each wire */
    GPtrArray *first_free; /* pending_wire of wires.c */
} composer;

/* ---- values.c: scalars ----------------------------------------------------------------------- */

/* Tell an error of an expression in a scalar. */
void compose_expr_error(composer *c, const pb_yaml_node *scalar, pb_expr_error *error);
/* Whether the node is a scalar with something in it; tells an error that says what was expected if
 * not. */
bool compose_is_scalar(composer *c, const pb_yaml_node *node, const char *expected);
bool compose_is_mapping(composer *c, const pb_yaml_node *node, const char *expected);
/* The value of a scalar, expressions evaluated. False: an error was told. */
bool compose_value(composer *c, pb_scope *scope, const pb_yaml_node *node, const char *expected,
                   pb_value *value);
/* The same as text; free it. */
char *compose_text(composer *c, pb_scope *scope, const pb_yaml_node *node, const char *expected);
/* The same, checked against a row; files' names become relative to the working directory. The
 * number that it means goes to *number, which may be null. */
char *compose_checked(composer *c, pb_scope *scope, const pb_yaml_node *node, const pb_prop *row,
                      uint64_t *number);
bool compose_number(composer *c, pb_scope *scope, const pb_yaml_node *node, const char *what,
                    uint64_t min, uint64_t max, uint64_t *number);
/* A condition: the scalar is an expression by itself. */
bool compose_condition(composer *c, pb_scope *scope, const pb_yaml_node *node, bool *truth);
/* Read the keys of a mapping (null: none) into a structure by its rows, defaults first. Keys in
 * `others` (null: none) are left to the caller. `where` is for messages: "in run". False: errors were told. */
bool compose_record(composer *c, pb_scope *scope, const pb_yaml_node *mapping, const char *where,
                    const pb_prop *rows, const pb_key *others, void *record);
/* Tell an error for each key of the mapping that is not in the table. */
void compose_known_keys(composer *c, const pb_yaml_node *mapping, const pb_key *keys,
                        const char *where);
/* Tell that a key is none of the names. */
void compose_unknown(composer *c, const pb_yaml_node *key, const char *where, GPtrArray *names);

/* ---- params.c -------------------------------------------------------------------------------- */

void compose_parameters(composer *c);
void compose_asserts(composer *c);

/* ---- parts.c --------------------------------------------------------------------------------- */

void compose_sections(composer *c);
/* One part from its mapping; kind and section as given. Takes the scope. */
source_part *compose_part(composer *c, pb_kind kind, const char *name, int64_t index, pb_mark mark,
                          const pb_yaml_node *node, pb_scope *scope);
/* Properties and places of a part. */
void compose_contents(composer *c, source_part *source);
bool compose_when(composer *c, pb_scope *scope, const pb_yaml_node *node);
void compose_memory(composer *c);
const pb_prop *compose_find_prop(const pb_class *class, const char *name);
const pb_port *compose_find_port(const pb_class *class, const char *name, size_t length);
/* Set a property that no node has: option text. */
bool compose_set_text(composer *c, source_part *source, const pb_prop *row, const char *text,
                      pb_mark mark);

/* ---- wires.c --------------------------------------------------------------------------------- */

/* The wires of a part's keys. */
void compose_wires(composer *c, source_part *source);
/* Then those that take the first free port. */
void compose_first_free(composer *c);

/* ---- attach.c -------------------------------------------------------------------------------- */

/* What options add. Before the section `backends`: an added backend takes the place of one of its
 * name there. */
void compose_attach(composer *c);
/* "WORD,key=value,..." to its pieces: word (null if the first piece has a '='), then key, value,
 * ... `,,` stands for a comma. Null after an error. */
char **compose_split_option(composer *c, const char *option, const char *text, char **word);

/* ---- lint.c ---------------------------------------------------------------------------------- */

void compose_lint(composer *c);

#endif
