/*
 * Expressions of machine files: see expr.h. Precedence climbing straight over the text; the branch
 * of ?:, && and || that does not count is parsed with `skip` set, so that it computes nothing.
 */
#include <core/device/object.h>
#include <core/machine/expr.h>
#include <core/machine/yaml.h>
#include <core/plugin/plugin_host.h>
#include <string.h>

#define MAX_DEPTH 64 /* of parentheses and operators; the stack's size is the reason */
/* While a machine is composed, in bytes: a small file can ask for very much. */
#define MAX_MADE    (16u << 20) /* texts that expressions make */
#define MAX_READ    (2u << 20)  /* expressions, each as often as it is evaluated */
#define INTEGER_MIN ((__int128)INT64_MIN)
#define INTEGER_MAX ((__int128)UINT64_MAX)

/* ---- values and scopes ----------------------------------------------------------------------- */

typedef struct named_value {
    bool broken;
    pb_value value;
} named_value;

struct pb_scope {
    pb_scope *parent;
    GHashTable *names;   /* char * -> named_value * */
    GStringChunk *texts; /* of the outermost */
    struct effort {
        size_t made, read;
    } * effort; /* the same */
};

const char *pb_value_kind_name(pb_value_kind kind)
{
    switch (kind) {
    case PB_VALUE_INTEGER:
        return "an integer";
    case PB_VALUE_STRING:
        return "a string";
    case PB_VALUE_BOOL:
        return "a truth value";
    }
    g_assert_not_reached();
}

char *pb_value_text(const pb_value *value)
{
    switch (value->kind) {
    case PB_VALUE_INTEGER:
        if (value->integer < 0)
            return g_strdup_printf("-%" G_GUINT64_FORMAT, (uint64_t)-value->integer);
        return g_strdup_printf("%" G_GUINT64_FORMAT, (uint64_t)value->integer);
    case PB_VALUE_STRING:
        return g_strdup(value->text);
    case PB_VALUE_BOOL:
        return g_strdup(value->truth ? "true" : "false");
    }
    g_assert_not_reached();
}

pb_scope *pb_scope_new(pb_scope *parent)
{
    pb_scope *scope = g_new0(pb_scope, 1);

    scope->parent = parent;
    scope->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    scope->texts = parent ? parent->texts : g_string_chunk_new(1024);
    scope->effort = parent ? parent->effort : g_new0(struct effort, 1);
    return scope;
}

void pb_scope_free(pb_scope *scope)
{
    if (!scope)
        return;
    g_hash_table_unref(scope->names);
    if (!scope->parent) {
        g_string_chunk_free(scope->texts);
        g_free(scope->effort);
    }
    g_free(scope);
}

static void set_named(pb_scope *scope, const char *name, named_value value)
{
    g_hash_table_replace(scope->names, g_strdup(name), g_memdup2(&value, sizeof(value)));
}

void pb_scope_set(pb_scope *scope, const char *name, pb_value value)
{
    if (value.kind == PB_VALUE_STRING)
        value.text = g_string_chunk_insert(scope->texts, value.text);
    set_named(scope, name, (named_value){ .value = value });
}

void pb_scope_set_broken(pb_scope *scope, const char *name)
{
    set_named(scope, name, (named_value){ .broken = true });
}

pb_value pb_scope_string(pb_scope *scope, const char *text)
{
    return (pb_value){ .kind = PB_VALUE_STRING, .text = g_string_chunk_insert(scope->texts, text) };
}

/* The text as a value, unless it, or all that were made, are too long: then what to say, and no value. */
static char *make_string(pb_scope *scope, const char *text, size_t length, pb_value *value)
{
    if (length > PB_YAML_MAX_TEXT)
        return g_strdup_printf("this makes a value of more than %u bytes", PB_YAML_MAX_TEXT);
    scope->effort->made += length;
    if (scope->effort->made > MAX_MADE)
        return g_strdup_printf("the machine's expressions make more than %u bytes", MAX_MADE);
    *value = pb_scope_string(scope, text);
    return NULL;
}

static const named_value *find_name(const pb_scope *scope, const char *name)
{
    const named_value *value = NULL;

    for (; scope && !value; scope = scope->parent)
        value = g_hash_table_lookup(scope->names, name);
    return value;
}

/* The suggestion for a name that is not there; free it. */
static char *suggest_name(const pb_scope *scope, const char *name)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *closest;

    for (; scope; scope = scope->parent) {
        GHashTableIter iter;
        gpointer key;

        g_hash_table_iter_init(&iter, scope->names);
        while (g_hash_table_iter_next(&iter, &key, NULL))
            g_ptr_array_add(names, key);
    }
    g_ptr_array_add(names, NULL);
    closest = pb_closest_name(name, (const char *const *)names->pdata);
    return closest ? g_strdup_printf("; did you mean '%s'?", closest) : g_strdup("");
}

/* ---- the parser ------------------------------------------------------------------------------ */

typedef struct parser {
    pb_scope *scope;
    const char *start, *at, *end;
    unsigned depth;
    unsigned skip; /* not 0: parse only */
    pb_expr_error *error;
    bool failed;
} parser;

static pb_value parse_conditional(parser *p);

static pb_value fail(parser *p, const char *where, char *text)
{
    if (p->failed) {
        g_free(text);
    } else {
        p->failed = true;
        *p->error = (pb_expr_error){ text, (size_t)(where - p->start) };
    }
    p->at = p->end; /* nothing more can be read */
    return pb_value_integer(0);
}

static void skip_space(parser *p)
{
    while (p->at < p->end && g_ascii_isspace(*p->at))
        p->at++;
}

static bool is_word(char c)
{
    return g_ascii_isalnum(c) || c == '_';
}

/* Take this operator if it comes next and is not the beginning of a longer one. */
static bool take(parser *p, const char *op)
{
    size_t n = strlen(op);

    skip_space(p);
    if ((size_t)(p->end - p->at) < n || strncmp(p->at, op, n) != 0)
        return false;
    if (n == 1 && p->at + 1 < p->end && strchr("&|<>=!", *op) &&
        (p->at[1] == '=' || (p->at[1] == *op && *op != '!' && *op != '=')))
        return false;
    p->at += n;
    return true;
}

static char *next_word(parser *p)
{
    const char *first;

    skip_space(p);
    for (first = p->at; p->at < p->end && is_word(*p->at);)
        p->at++;
    /* Names of parameters have dashes in them; a minus has a blank before it. */
    while (p->at + 1 < p->end && *p->at == '-' && g_ascii_isalpha(p->at[1]) && p->at > first &&
           g_ascii_isalpha(*first)) {
        for (p->at++; p->at < p->end && is_word(*p->at);)
            p->at++;
    }
    return g_strndup(first, (gsize)(p->at - first));
}

static pb_value checked(parser *p, const char *where, __int128 n)
{
    if (n < INTEGER_MIN || n > INTEGER_MAX)
        return fail(p, where, g_strdup("the result does not fit in 64 bits"));
    return pb_value_integer(n);
}

static pb_value parse_number(parser *p)
{
    const char *where = p->at;
    g_autofree char *word = next_word(p);
    bool hz = g_str_has_suffix(word, "Hz");
    uint64_t number = 0;
    const pb_prop row = { .name = "number", .type = hz ? PB_PROP_HZ : PB_PROP_SIZE, .width = 8 };

    if (!pb_property_check(&row, word, &number, NULL))
        return fail(
            p, where,
            g_strdup_printf("'%s' is no number; numbers are like 12, 0x1f, 64MiB, 24MHz", word));
    return pb_value_integer(number);
}

static pb_value parse_string(parser *p)
{
    const char *first = p->at + 1, *last = memchr(first, *p->at, (size_t)(p->end - first));
    g_autofree char *text = NULL;

    if (!last)
        return fail(p, p->at, g_strdup_printf("a string that begins with %c has no end", *p->at));
    p->at = last + 1;
    text = g_strndup(first, (gsize)(last - first));
    return pb_scope_string(p->scope, text);
}

static bool want(parser *p, const pb_value *value, pb_value_kind kind, const char *where,
                 const char *op)
{
    if (p->failed || p->skip || value->kind == kind)
        return !p->failed;
    fail(p, where,
         g_strdup_printf("'%s' wants %s, this is %s", op, pb_value_kind_name(kind),
                         pb_value_kind_name(value->kind)));
    return false;
}

typedef enum function_id { FUNCTION_MIN, FUNCTION_MAX, FUNCTION_ALIGN, FUNCTION_LOG2 } function_id;

static const struct function {
    const char *name;
    unsigned arguments;
} functions[] = {
    [FUNCTION_MIN] = { "min", 2 },
    [FUNCTION_MAX] = { "max", 2 },
    [FUNCTION_ALIGN] = { "align", 2 },
    [FUNCTION_LOG2] = { "log2", 1 },
};

static pb_value call(parser *p, function_id id, const char *where, const __int128 a[2])
{
    __int128 log = 0;

    switch (id) {
    case FUNCTION_MIN:
        return pb_value_integer(MIN(a[0], a[1]));
    case FUNCTION_MAX:
        return pb_value_integer(MAX(a[0], a[1]));
    case FUNCTION_ALIGN:
        if (a[0] < 0 || a[1] <= 0)
            return fail(p, where, g_strdup("align(n, to) wants n >= 0 and to > 0"));
        return checked(p, where, (a[0] + a[1] - 1) / a[1] * a[1]);
    case FUNCTION_LOG2:
        if (a[0] <= 0)
            return fail(p, where, g_strdup("log2(n) wants n > 0"));
        while (a[0] >> (log + 1))
            log++;
        return pb_value_integer(log);
    }
    g_assert_not_reached();
}

static pb_value parse_call(parser *p, const char *name, const char *where)
{
    __int128 a[2] = { 0, 0 };
    unsigned id;

    for (id = 0; id < G_N_ELEMENTS(functions) && strcmp(functions[id].name, name) != 0;)
        id++;
    if (id == G_N_ELEMENTS(functions))
        return fail(
            p, where,
            g_strdup_printf("unknown function '%s'; there are min, max, align, log2", name));
    for (unsigned i = 0; i < functions[id].arguments; i++) {
        const char *argument;
        pb_value value;

        if (i > 0 && !take(p, ","))
            return fail(p, p->at,
                        g_strdup_printf("%s takes %u values", name, functions[id].arguments));
        skip_space(p);
        argument = p->at;
        value = parse_conditional(p);
        if (!want(p, &value, PB_VALUE_INTEGER, argument, name))
            return value;
        a[i] = value.integer;
    }
    if (!take(p, ")"))
        return fail(p, p->at, g_strdup_printf("')' expected after the values of %s", name));
    return p->skip ? pb_value_integer(0) : call(p, id, where, a);
}

static pb_value parse_name(parser *p)
{
    const char *where = p->at;
    g_autofree char *word = next_word(p);
    const named_value *named;

    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        return pb_value_bool(*word == 't');
    if (take(p, "("))
        return parse_call(p, word, where);
    named = find_name(p->scope, word);
    if (!named) {
        g_autofree char *hint = suggest_name(p->scope, word);

        return fail(p, where, g_strdup_printf("unknown name '%s'%s", word, hint));
    }
    if (named->broken)
        return fail(p, where, NULL);
    return named->value;
}

static pb_value parse_primary(parser *p)
{
    pb_value value;

    skip_space(p);
    if (p->at == p->end)
        return fail(p, p->at, g_strdup("a value is missing at the end of the expression"));
    if (g_ascii_isdigit(*p->at))
        return parse_number(p);
    if (*p->at == '\'' || *p->at == '"')
        return parse_string(p);
    if (is_word(*p->at))
        return parse_name(p);
    if (!take(p, "("))
        return fail(p, p->at, g_strdup_printf("a value is missing before '%c'", *p->at));
    value = parse_conditional(p);
    if (!p->failed && !take(p, ")"))
        return fail(p, p->at, g_strdup("')' is missing"));
    return value;
}

static pb_value parse_unary(parser *p)
{
    const char *where;
    pb_value value;
    char op = 0;

    skip_space(p);
    where = p->at;
    if (take(p, "!"))
        op = '!';
    else if (take(p, "-"))
        op = '-';
    else if (take(p, "~"))
        op = '~';
    else
        return parse_primary(p);
    if (++p->depth > MAX_DEPTH)
        return fail(p, where, g_strdup("the expression is nested too deeply"));
    value = parse_unary(p);
    p->depth--;
    if (!want(p, &value, op == '!' ? PB_VALUE_BOOL : PB_VALUE_INTEGER, where, (char[]){ op, 0 }))
        return value;
    if (op == '!')
        return pb_value_bool(!value.truth);
    /* The complement is that of an unsigned 64-bit number, which is what addresses and masks
     * are. */
    return checked(p, where, op == '-' ? -value.integer : (__int128)~(uint64_t)value.integer);
}

/* Binary operators, loosest first. */
typedef enum binary_id {
    OP_OR,
    OP_AND,
    OP_BIT_OR,
    OP_BIT_XOR,
    OP_BIT_AND,
    OP_EQ,
    OP_NE,
    OP_LE,
    OP_GE,
    OP_LT,
    OP_GT,
    OP_SHL,
    OP_SHR,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
} binary_id;

static const struct binary {
    const char *text;
    unsigned level;
} binaries[] = {
    [OP_OR] = { "||", 0 },     [OP_AND] = { "&&", 1 },    [OP_BIT_OR] = { "|", 2 },
    [OP_BIT_XOR] = { "^", 3 }, [OP_BIT_AND] = { "&", 4 }, [OP_EQ] = { "==", 5 },
    [OP_NE] = { "!=", 5 },     [OP_LE] = { "<=", 6 },     [OP_GE] = { ">=", 6 },
    [OP_LT] = { "<", 6 },      [OP_GT] = { ">", 6 },      [OP_SHL] = { "<<", 7 },
    [OP_SHR] = { ">>", 7 },    [OP_ADD] = { "+", 8 },     [OP_SUB] = { "-", 8 },
    [OP_MUL] = { "*", 9 },     [OP_DIV] = { "/", 9 },     [OP_MOD] = { "%", 9 },
};
#define BINARY_LEVELS 10

static int take_binary(parser *p, unsigned level)
{
    for (unsigned id = 0; id < G_N_ELEMENTS(binaries); id++) {
        if (binaries[id].level == level && take(p, binaries[id].text))
            return (int)id;
    }
    return -1;
}

static pb_value shift_left(parser *p, const char *where, __int128 a, __int128 b)
{
    if (b < 0 || b > 63)
        return fail(p, where, g_strdup("a shift by less than 0 or more than 63 bits"));
    return checked(p, where, a * ((__int128)1 << b)); /* below 2^127: a has 64 bits */
}

static pb_value integer_binary(parser *p, binary_id id, const char *where, __int128 a, __int128 b)
{
    switch (id) {
    case OP_BIT_OR:
        return pb_value_integer(a | b);
    case OP_BIT_XOR:
        return pb_value_integer(a ^ b);
    case OP_BIT_AND:
        return pb_value_integer(a & b);
    case OP_SHL:
        return shift_left(p, where, a, b);
    case OP_SHR:
        if (b < 0 || b > 63)
            return fail(p, where, g_strdup("a shift by less than 0 or more than 63 bits"));
        return pb_value_integer(a >> b);
    case OP_ADD:
        return checked(p, where, a + b);
    case OP_SUB:
        return checked(p, where, a - b);
    case OP_MUL:
        if (a != 0 && (b > INTEGER_MAX / (a < 0 ? -a : a) || b < -(INTEGER_MAX / (a < 0 ? -a : a))))
            return fail(p, where, g_strdup("the result does not fit in 64 bits"));
        return checked(p, where, a * b);
    case OP_DIV:
    case OP_MOD:
        if (b == 0)
            return fail(p, where, g_strdup("division by zero"));
        return checked(p, where, id == OP_DIV ? a / b : a % b);
    default:
        g_assert_not_reached();
    }
}

static pb_value compare(parser *p, binary_id id, const char *where, const pb_value *a,
                        const pb_value *b)
{
    int order;

    if (a->kind != b->kind)
        return fail(p, where,
                    g_strdup_printf("'%s' compares %s with %s", binaries[id].text,
                                    pb_value_kind_name(a->kind), pb_value_kind_name(b->kind)));
    if (a->kind == PB_VALUE_INTEGER)
        order = (a->integer > b->integer) - (a->integer < b->integer);
    else if (a->kind == PB_VALUE_STRING)
        order = strcmp(a->text, b->text);
    else if (id == OP_EQ || id == OP_NE)
        order = a->truth - b->truth;
    else
        return fail(p, where,
                    g_strdup_printf("'%s' has no meaning for truth values", binaries[id].text));
    switch (id) {
    case OP_EQ:
        return pb_value_bool(order == 0);
    case OP_NE:
        return pb_value_bool(order != 0);
    case OP_LE:
        return pb_value_bool(order <= 0);
    case OP_GE:
        return pb_value_bool(order >= 0);
    case OP_LT:
        return pb_value_bool(order < 0);
    case OP_GT:
        return pb_value_bool(order > 0);
    default:
        g_assert_not_reached();
    }
}

static pb_value join(parser *p, const char *where, const pb_value *a, const pb_value *b)
{
    g_autofree char *right = pb_value_text(b);
    g_autofree char *text = g_strconcat(a->text, right, NULL);
    pb_value value = { 0 };
    char *wrong = make_string(p->scope, text, strlen(text), &value);

    if (wrong)
        return fail(p, where, wrong);
    value.path = a->path;
    return value;
}

static pb_value binary(parser *p, binary_id id, const char *where, const pb_value *a,
                       const pb_value *b)
{
    if (p->failed || p->skip)
        return *a;
    if (id >= OP_EQ && id <= OP_GT)
        return compare(p, id, where, a, b);
    if (id == OP_ADD && a->kind == PB_VALUE_STRING && b->kind != PB_VALUE_BOOL)
        return join(p, where, a, b);
    if (!want(p, a, PB_VALUE_INTEGER, where, binaries[id].text) ||
        !want(p, b, PB_VALUE_INTEGER, where, binaries[id].text))
        return *a;
    return integer_binary(p, id, where, a->integer, b->integer);
}

static pb_value parse_binary(parser *p, unsigned level)
{
    pb_value left, right;
    int id;

    if (level == BINARY_LEVELS)
        return parse_unary(p);
    left = parse_binary(p, level + 1);
    for (;;) {
        const char *where;

        skip_space(p);
        where = p->at;
        id = p->failed ? -1 : take_binary(p, level);
        if (id < 0)
            return left;
        if (id == OP_OR || id == OP_AND) {
            bool decided = !p->skip && left.kind == PB_VALUE_BOOL && left.truth == (id == OP_OR);

            if (!want(p, &left, PB_VALUE_BOOL, where, binaries[id].text))
                return left;
            p->skip += decided;
            right = parse_binary(p, level + 1);
            p->skip -= decided;
            if (!decided && want(p, &right, PB_VALUE_BOOL, where, binaries[id].text))
                left = right;
        } else {
            right = parse_binary(p, level + 1);
            left = binary(p, (binary_id)id, where, &left, &right);
        }
    }
}

static pb_value parse_conditional(parser *p)
{
    const char *where;
    pb_value condition, yes, no;
    bool skip_yes, skip_no;

    if (++p->depth > MAX_DEPTH)
        return fail(p, p->at, g_strdup("the expression is nested too deeply"));
    skip_space(p);
    where = p->at;
    condition = parse_binary(p, 0);
    if (p->failed || !take(p, "?")) {
        p->depth--;
        return condition;
    }
    if (!want(p, &condition, PB_VALUE_BOOL, where, "?:"))
        return condition;
    skip_yes = !p->skip && !condition.truth;
    skip_no = !p->skip && condition.truth;
    p->skip += skip_yes;
    yes = parse_conditional(p);
    p->skip -= skip_yes;
    if (!p->failed && !take(p, ":"))
        return fail(p, p->at, g_strdup("':' of '?:' is missing"));
    p->skip += skip_no;
    no = parse_conditional(p);
    p->skip -= skip_no;
    p->depth--;
    return condition.truth ? yes : no;
}

bool pb_expr_eval(pb_scope *scope, const char *text, size_t length, pb_value *value,
                  pb_expr_error *error)
{
    parser p = { .scope = scope, .start = text, .at = text, .end = text + length, .error = error };

    scope->effort->read += length;
    if (scope->effort->read > MAX_READ) {
        fail(&p, text,
             g_strdup("the machine's expressions are too long, counted as often as they are used"));
        return false;
    }
    *value = parse_conditional(&p);
    skip_space(&p);
    if (!p.failed && p.at != p.end)
        fail(&p, p.at, g_strdup_printf("'%.*s' was not expected here", (int)(p.end - p.at), p.at));
    return !p.failed;
}

/* ---- texts with expressions ------------------------------------------------------------------ */

/* The brace that ends an expression that begins at text, or null; braces in strings do not
 * count. */
static const char *find_close(const char *text)
{
    char quote = 0;

    for (; *text; text++) {
        if (quote) {
            if (*text == quote)
                quote = 0;
        } else if (*text == '\'' || *text == '"') {
            quote = *text;
        } else if (*text == '}') {
            return text;
        }
    }
    return NULL;
}

/* Expand the `$` at `at` into result (or *value); returns what follows it, null after an error. */
static const char *expand_one(pb_scope *scope, const char *text, const char *at, GString *result,
                              pb_value *value, pb_expr_error *error)
{
    const char *close;
    g_autofree char *piece = NULL;

    if (at[1] == '$') {
        g_string_append_c(result, '$');
        *value = pb_scope_string(scope, "$");
        return at + 2;
    }
    if (at[1] != '{') {
        *error =
            (pb_expr_error){ g_strdup("a lone '$'; an expression is ${...}, a dollar sign is $$"),
                             (size_t)(at - text) };
        return NULL;
    }
    close = find_close(at + 2);
    if (!close) {
        *error = (pb_expr_error){ g_strdup("'${' without '}'"), (size_t)(at - text) };
        return NULL;
    }
    if (!pb_expr_eval(scope, at + 2, (size_t)(close - at - 2), value, error)) {
        error->offset += (size_t)(at + 2 - text);
        return NULL;
    }
    piece = pb_value_text(value);
    g_string_append(result, piece);
    if (result->len > PB_YAML_MAX_TEXT) {
        *error = (pb_expr_error){ make_string(scope, result->str, result->len, value),
                                  (size_t)(at - text) };
        return NULL;
    }
    return close + 1;
}

bool pb_expr_expand(pb_scope *scope, const char *text, pb_value *value, pb_expr_error *error)
{
    g_autoptr(GString) result = g_string_new(NULL);
    const char *at = text;
    bool path = false;

    while (*at) {
        const char *dollar = strchrnul(at, '$');

        g_string_append_len(result, at, dollar - at);
        if (!*dollar)
            break;
        at = expand_one(scope, text, dollar, result, value, error);
        if (!at)
            return false;
        if (dollar == text) {
            path = value->kind == PB_VALUE_STRING && value->path;
            if (!*at)
                return true; /* nothing but one expression: *value has its kind */
        }
    }
    *error = (pb_expr_error){ make_string(scope, result->str, result->len, value), 0 };
    value->path = path;
    return !error->text;
}
