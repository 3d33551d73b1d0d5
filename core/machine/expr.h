/*
 * Expressions of machine files: `${ram / 2}`.
 *
 * Values are integers (exact, from -2^63 to 2^64-1), strings and truth values. Operators are C's,
 * with C's precedence:
 *     ?:   ||   &&   |   ^   &   == !=   < <= > >=   << >>   + -   * / %   unary ! - ~
 * `+` joins a string with a string or an integer, comparisons compare integers or strings, the rest
 * wants integers or truth values; nothing is converted by itself. Literals: 12, 0x1f, 64MiB, 24MHz,
 * 'text' or "text", true, false. Functions: min(a, b), max(a, b), align(n, to), log2(n).
 */
#ifndef CORE_MACHINE_EXPR_H
#define CORE_MACHINE_EXPR_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum pb_value_kind { PB_VALUE_INTEGER = 1, PB_VALUE_STRING, PB_VALUE_BOOL } pb_value_kind;

typedef struct pb_value {
    pb_value_kind kind;
    bool truth;
    /* A string that is a file's name as the working directory sees it: it must not be taken
     * relative to a machine file any more. */
    bool path;
    __int128 integer;
    const char *text; /* lives as long as the scope it came from */
} pb_value;

static inline pb_value pb_value_integer(__int128 n)
{
    return (pb_value){ .kind = PB_VALUE_INTEGER, .integer = n };
}
static inline pb_value pb_value_bool(bool b)
{
    return (pb_value){ .kind = PB_VALUE_BOOL, .truth = b };
}

/* "an integer", "a string", "a truth value" */
const char *pb_value_kind_name(pb_value_kind kind);

/* As a machine file has it; free it. */
char *pb_value_text(const pb_value *value);

/* Names and their values. A scope with a parent sees the parent's names; texts belong to the
 * outermost. */
typedef struct pb_scope pb_scope;

pb_scope *pb_scope_new(pb_scope *parent);
void pb_scope_free(pb_scope *scope); /* before its parent; null is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pb_scope, pb_scope_free)
void pb_scope_set(pb_scope *scope, const char *name, pb_value value);
pb_value pb_scope_string(pb_scope *scope,
                         const char *text); /* a string value with a copy of the text */
/* A name that is known but has no value because of an error told before: expressions that use it
 * fail without a text of their own. */
void pb_scope_set_broken(pb_scope *scope, const char *name);

/* Why an evaluation failed: the text (null: it was told before), and where. */
typedef struct pb_expr_error {
    char *text;
    size_t offset; /* bytes from the beginning of the text */
} pb_expr_error;

/* Evaluate an expression: all of the text. */
bool pb_expr_eval(pb_scope *scope, const char *text, size_t length, pb_value *value,
                  pb_expr_error *error);

/* Replace each `${...}` of a text; `$$` stands for `$`. A text that is nothing but one `${...}`
 * keeps the value's kind, otherwise the result is a string. */
bool pb_expr_expand(pb_scope *scope, const char *text, pb_value *value, pb_expr_error *error);

#endif
