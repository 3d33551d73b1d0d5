/*
 * Text to units of IR. The form is described in text.h.
 */
#include <core/ir/text.h>

#include <core/ir/names.h>

/* Values and blocks that a text may name: enough for any unit, and no way to exhaust memory. */
enum { MAX_NAMES = 1 << 16 };

typedef struct parser {
    const char *text, *at; /* the whole text; where we are */
    ir_builder b;
    const pb_cpu_type *cpu;
    GArray *values;  /* by number in the text: value id, or IR_NO_VAL */
    GArray *defined; /* by block: bool, its label came */
    GError **error;
} parser;

GQuark pb_ir_error_quark(void)
{
    return g_quark_from_static_string("pb-ir-error");
}

/* Set the error, with the line and column of `where`; false. */
static G_GNUC_PRINTF(3, 4) bool fail(parser *p, const char *where, const char *format, ...)
{
    g_autofree char *what = NULL;
    unsigned line = 1, column = 1;
    va_list args;

    for (const char *c = p->text; c < where; c++) {
        column++;
        if (*c == '\n') {
            line++;
            column = 1;
        }
    }
    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(p->error, PB_IR_ERROR, PB_IR_ERROR_SYNTAX, "%u:%u: %s", line, column, what);
    return false;
}

/* ---- words ------------------------------------------------------------------------------------------ */

static void skip_blanks(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t')
        p->at++;
    if (*p->at == '#')
        p->at += strcspn(p->at, "\n");
}

static void skip_lines(parser *p)
{
    skip_blanks(p);
    while (*p->at == '\n') {
        p->at++;
        skip_blanks(p);
    }
}

static bool accept(parser *p, const char *word)
{
    size_t n = strlen(word);

    skip_blanks(p);
    if (strncmp(p->at, word, n))
        return false;
    p->at += n;
    return true;
}

static bool expect(parser *p, const char *word)
{
    if (!accept(p, word))
        return fail(p, p->at, "expected '%s'", word);
    return true;
}

static bool expect_line_end(parser *p)
{
    skip_blanks(p);
    if (*p->at != '\n' && *p->at)
        return fail(p, p->at, "expected the end of the line");
    return true;
}

/* A name of letters, digits, '.', '_', '-' and '/'; its length, 0 if there is none. Does not move. */
static size_t word_length(parser *p)
{
    skip_blanks(p);
    return strspn(p->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/");
}

/* Take a name; null with the error set if there is none. Free it. */
static char *take_word(parser *p, const char *what)
{
    size_t n = word_length(p);
    const char *start = p->at;

    if (n == 0) {
        fail(p, p->at, "expected %s", what);
        return NULL;
    }
    p->at += n;
    return g_strndup(start, n);
}

static bool take_number(parser *p, uint64_t max, uint64_t *out)
{
    const char *start;
    char *end;

    skip_blanks(p);
    start = p->at;
    if (!g_ascii_isdigit(*start))
        return fail(p, start, "expected a number");
    errno = 0;
    *out = g_ascii_strtoull(start, &end, g_str_has_prefix(start, "0x") ? 16 : 10);
    if (errno || *out > max)
        return fail(p, start, "the number is larger than 0x%" PRIx64, max);
    p->at = end;
    return true;
}

/* ---- values ------------------------------------------------------------------------------------------ */

static bool take_type(parser *p, ir_type *type)
{
    const char *start = p->at;
    g_autofree char *word = take_word(p, "a type");

    if (!word)
        return false;
    for (uint32_t i = IR_I1; i < IR_TYPE_COUNT; i++)
        if (!strcmp(word, ir_type_names[i])) {
            *type = (ir_type)i;
            return true;
        }
    return fail(p, start, "'%s' is no type", word);
}

/* 7:i32, 0x1_0000000000000000:v128 */
static bool take_constant(parser *p, ir_val *out)
{
    const char *start = p->at;
    pb_u128 value = { 0, 0 };
    ir_type type = IR_I1;

    if (!take_number(p, UINT64_MAX, &value.lo))
        return false;
    if (*p->at == '_') {
        char *end;

        value.hi = value.lo;
        value.lo = g_ascii_strtoull(p->at + 1, &end, 16);
        if (end != p->at + 17)
            return fail(p, p->at + 1, "expected 16 hexadecimal digits");
        p->at = end;
    }
    if (!expect(p, ":") || !take_type(p, &type))
        return false;
    if (ir_ops_cut(type, value).lo != value.lo || ir_ops_cut(type, value).hi != value.hi)
        return fail(p, start, "the constant does not fit its type");
    *out = ir_const128(&p->b, type, value);
    return true;
}

static bool take_value_name(parser *p, uint32_t *number)
{
    uint64_t n;

    if (!expect(p, "%"))
        return false;
    if (!g_ascii_isdigit(*p->at) || !take_number(p, MAX_NAMES - 1, &n))
        return fail(p, p->at, "expected the number of a value");
    *number = (uint32_t)n;
    return true;
}

static bool take_value(parser *p, ir_val *out)
{
    const char *start;
    uint32_t number = 0;

    skip_blanks(p);
    start = p->at;
    if (g_ascii_isdigit(*start))
        return take_constant(p, out);
    if (*start != '%')
        return fail(p, start, "expected a value: %%number, or constant:type");
    if (!take_value_name(p, &number))
        return false;
    if (number >= p->values->len || g_array_index(p->values, uint32_t, number) == IR_NO_VAL)
        return fail(p, start, "%%%u is not defined above", number);
    out->id = g_array_index(p->values, uint32_t, number);
    return true;
}

/* %5:i32 on the left side: its number and type. */
static bool take_definition(parser *p, uint32_t *number, ir_type *type)
{
    const char *start;

    skip_blanks(p);
    start = p->at;
    if (!take_value_name(p, number))
        return false;
    if (*number < p->values->len && g_array_index(p->values, uint32_t, *number) != IR_NO_VAL)
        return fail(p, start, "%%%u is defined already", *number);
    return expect(p, ":") && take_type(p, type);
}

static void define(parser *p, uint32_t number, ir_val value)
{
    while (p->values->len <= number) {
        uint32_t none = IR_NO_VAL;

        g_array_append_val(p->values, none);
    }
    g_array_index(p->values, uint32_t, number) = value.id;
}

/* ---- blocks ------------------------------------------------------------------------------------------ */

static bool take_block(parser *p, ir_block *out)
{
    const char *start;
    uint64_t n;

    skip_blanks(p);
    start = p->at;
    if (*start != 'b' || !g_ascii_isdigit(start[1]))
        return fail(p, start, "expected a block: b0, b1 ...");
    p->at++;
    if (!take_number(p, MAX_NAMES - 1, &n))
        return false;
    while (p->b.unit->n_blocks <= n && !p->b.unit->overflow)
        ir_block_new(&p->b);
    out->id = (uint32_t)n;
    return true;
}

/* b1(%4:i32): */
static bool parse_label(parser *p)
{
    const char *start = p->at;
    ir_block block;
    bool no = false;

    if (!take_block(p, &block))
        return false;
    if (ir_block_open(&p->b))
        return fail(p, start, "the block before has no end: a jump, a branch or an exit");
    while (p->defined->len <= block.id)
        g_array_append_val(p->defined, no);
    if (g_array_index(p->defined, bool, block.id))
        return fail(p, start, "block b%u stands there twice", block.id);
    g_array_index(p->defined, bool, block.id) = true;
    ir_block_begin(&p->b, block);
    if (accept(p, "(")) {
        do {
            uint32_t number;
            ir_type type;

            if (!take_definition(p, &number, &type))
                return false;
            define(p, number, ir_block_param(&p->b, type));
        } while (accept(p, ","));
        if (!expect(p, ")"))
            return false;
    }
    return expect(p, ":");
}

/* b1(%2, 7:i32): appended to extra as ir_target() does. */
static bool parse_target(parser *p)
{
    g_autoptr(GArray) values = g_array_new(false, false, sizeof(ir_val));
    ir_block block;

    if (!take_block(p, &block))
        return false;
    if (accept(p, "(")) {
        do {
            ir_val v;

            if (!take_value(p, &v))
                return false;
            g_array_append_val(values, v);
        } while (accept(p, ","));
        if (!expect(p, ")"))
            return false;
    }
    ir_target(&p->b, block, (const ir_val *)(void *)values->data, values->len);
    return true;
}

/* ---- attributes -------------------------------------------------------------------------------------- */

/* Index of the word in a list of names, or -1. */
static int find_name(const char *const *names, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (names[i] && !strcmp(names[i], word))
            return (int)i;
    return -1;
}

static bool take_name_of(parser *p, const char *const *names, size_t n, const char *what,
                         uint32_t *out)
{
    const char *start = p->at;
    g_autofree char *word = take_word(p, what);
    int i;

    if (!word)
        return false;
    i = find_name(names, n, word);
    if (i < 0)
        return fail(p, start, "'%s' is no %s", word, what);
    *out = (uint32_t)i;
    return true;
}

/* A power of two, as its logarithm. */
static bool take_log2(parser *p, uint32_t max, uint32_t *out)
{
    const char *start = p->at;
    uint64_t n;

    if (!take_number(p, UINT64_C(1) << max, &n))
        return false;
    if (n == 0 || n & (n - 1))
        return fail(p, start, "not a power of two");
    *out = (uint32_t)ir_sem_ctz(n, 64);
    return true;
}

static bool parse_mem_word(parser *p, uint32_t *mem)
{
    const char *start = p->at;
    g_autofree char *word = take_word(p, "a memory attribute");
    uint32_t n = 0;
    uint64_t number = 0;

    if (!word)
        return false;
    if (!strcmp(word, "le"))
        return true;
    if (!strcmp(word, "be"))
        *mem |= PB_MEM_BIG_ENDIAN;
    else if (!strcmp(word, "signed"))
        *mem |= PB_MEM_SIGNED;
    else if (!strcmp(word, "atomic"))
        *mem |= PB_MEM_ATOMIC;
    else if (!expect(p, "="))
        return false;
    else if (!strcmp(word, "size") && take_log2(p, 4, &n))
        *mem |= PB_MEM_SIZE_LOG2(n);
    else if (!strcmp(word, "align") && take_log2(p, 7, &n))
        *mem |= PB_MEM_ALIGN_LOG2(n);
    else if (!strcmp(word, "order") &&
             take_name_of(p, ir_order_names, G_N_ELEMENTS(ir_order_names), "order", &n))
        *mem |= PB_MEM_ORDER(n);
    else if (!strcmp(word, "kind") &&
             take_name_of(p, ir_kind_names, G_N_ELEMENTS(ir_kind_names), "kind of access", &n))
        *mem |= PB_MEM_KIND(n);
    else if (!strcmp(word, "mmu") && take_number(p, PB_MMU_INDEXES - 1, &number))
        *mem |= PB_MEM_MMU(number);
    else if (!strcmp(word, "span") && take_number(p, 255, &number))
        *mem |= PB_MEM_SPAN(number);
    else if (!strcmp(word, "element") && take_log2(p, 4, &n))
        *mem |= PB_MEM_ELEMENT_LOG2(n);
    else if (!*p->error)
        return fail(p, start, "'%s' is no memory attribute", word);
    return !*p->error;
}

/* A slot by name or number. */
static bool take_slot(parser *p, uint32_t *out)
{
    const char *start;
    g_autofree char *word = NULL;

    skip_blanks(p);
    start = p->at;
    word = take_word(p, "a slot");
    if (!word)
        return false;
    for (uint32_t i = 0; p->cpu->slots[i].name; i++)
        if (!strcmp(p->cpu->slots[i].name, word)) {
            *out = i;
            return true;
        }
    return fail(p, start, "%s has no slot '%s'", p->cpu->head.name, word);
}

static bool take_helper(parser *p, uint32_t *out)
{
    const char *start;
    g_autofree char *word = NULL;

    skip_blanks(p);
    start = p->at;
    word = take_word(p, "a helper");
    if (!word)
        return false;
    for (uint32_t i = 0; i < pb_ir_helper_count(p->cpu); i++)
        if (!strcmp(p->cpu->translator->helpers[i].name, word)) {
            *out = i;
            return true;
        }
    return fail(p, start, "%s has no helper '%s'", p->cpu->head.name, word);
}

static void set_attr(ir_op_record *r, const ir_attr_info *a, uint32_t value)
{
    uint32_t *word = a->aux ? &r->aux : &r->attr;

    *word |= value << a->shift;
}

static const ir_attr_info *find_attr(const ir_op_info *info, const char *name)
{
    for (uint32_t i = 0; i < info->n_attrs; i++)
        if (!strcmp(info->attrs[i].name, name))
            return &info->attrs[i];
    return NULL;
}

/* name=value of an attribute that is not the memory word. */
static bool parse_attr(parser *p, const ir_op_info *info, ir_op_record *r)
{
    const char *start = p->at;
    g_autofree char *name = take_word(p, "an attribute");
    const ir_attr_info *a;
    uint32_t value = 0;
    uint64_t number;

    if (!name)
        return false;
    a = find_attr(info, name);
    if (!a || a->kind == IR_ATTR_CC)
        return fail(p, start, "%s has no attribute '%s'", info->name, name);
    if (!expect(p, "="))
        return false;
    skip_blanks(p);
    if (g_ascii_isdigit(*p->at)) {
        if (!take_number(p, ir_sem_mask(a->bits), &number))
            return false;
        value = (uint32_t)number;
    } else if (a->kind == IR_ATTR_SLOT) {
        if (!take_slot(p, &value))
            return false;
    } else if (a->kind == IR_ATTR_HELPER) {
        if (!take_helper(p, &value))
            return false;
    } else if (a->kind == IR_ATTR_RMW) {
        if (!take_name_of(p, ir_rmw_names, G_N_ELEMENTS(ir_rmw_names), "atomic operation", &value))
            return false;
    } else {
        return fail(p, p->at, "expected a number");
    }
    set_attr(r, a, value);
    return true;
}

static bool parse_attrs(parser *p, const ir_op_info *info, ir_op_record *r)
{
    const ir_attr_info *mem = find_attr(info, "mem");

    if (!accept(p, "{"))
        return true;
    while (!accept(p, "}")) {
        size_t n = word_length(p);
        g_autofree char *name = g_strndup(p->at, n);

        if (mem && !find_attr(info, name)) {
            if (!parse_mem_word(p, &r->attr))
                return false;
        } else if (!parse_attr(p, info, r)) {
            return false;
        }
    }
    return true;
}

/* ---- records ----------------------------------------------------------------------------------------- */

/* The left side of a record. */
typedef struct results {
    uint32_t n, number[2];
    ir_type type[2];
    const char *where;
} results;

static bool parse_results(parser *p, results *out)
{
    skip_blanks(p);
    out->n = 0;
    out->where = p->at;
    if (*p->at != '%')
        return true;
    do {
        if (out->n == G_N_ELEMENTS(out->number))
            return fail(p, p->at, "no operation has more than two results");
        if (!take_definition(p, &out->number[out->n], &out->type[out->n]))
            return false;
        out->n++;
    } while (accept(p, ","));
    return expect(p, "=");
}

static int find_op(const char *name)
{
    for (uint32_t i = 0; i < IR_OP_COUNT; i++)
        if (!strcmp(ir_ops_table[i].name, name))
            return (int)i;
    return -1;
}

/* The operation's name, with a condition at its end if it has one. */
static bool take_op(parser *p, ir_op_record *r)
{
    const char *start, *dot;
    g_autofree char *name = NULL;
    int op, cc;

    skip_blanks(p);
    start = p->at;
    name = take_word(p, "an operation");
    if (!name)
        return false;
    dot = strrchr(name, '.');
    cc = dot ? find_name(ir_cc_names, G_N_ELEMENTS(ir_cc_names), dot + 1) : -1;
    if (cc >= 0) {
        g_autofree char *row = g_strdup_printf("%.*s.cc", (int)(dot - name), name);

        op = find_op(row);
        if (op >= 0) {
            r->op = (uint16_t)op;
            r->attr = (uint32_t)cc;
            return true;
        }
    }
    op = find_op(name);
    if (op < 0 || op == IR_OP_INSN || op == IR_OP_PARAM)
        return fail(p, start, "'%s' is no operation", name);
    r->op = (uint16_t)op;
    return true;
}

static bool parse_operands(parser *p, ir_op_record *r, ir_val values[PB_HELPER_MAX_ARGS])
{
    skip_blanks(p);
    if (*p->at != '%' && !g_ascii_isdigit(*p->at))
        return true;
    do {
        if (r->n_args == PB_HELPER_MAX_ARGS)
            return fail(p, p->at, "more than %d operands", PB_HELPER_MAX_ARGS);
        if (!take_value(p, &values[r->n_args]))
            return false;
        r->n_args++;
    } while (accept(p, ","));
    return true;
}

/* `insn 0x400800 4 aux=0x1` */
static bool parse_insn(parser *p)
{
    uint64_t pc, length, aux = 0;

    if (!take_number(p, UINT64_MAX, &pc) || !take_number(p, UINT16_MAX, &length))
        return false;
    if (accept(p, "aux=") && !take_number(p, UINT32_MAX, &aux))
        return false;
    ir_insn(&p->b, pc, (uint32_t)length, (uint32_t)aux);
    return true;
}

/* What a record's type is: that of the first result, or of the last operand. */
static ir_type record_type(parser *p, const ir_op_record *r, const results *left,
                           const ir_val *values)
{
    if (left->n)
        return left->type[0];
    if (r->op == IR_OP_CALL || r->n_args == 0)
        return IR_VOID;
    return ir_type_of(&p->b, values[r->n_args - 1]);
}

static bool emit(parser *p, const ir_op_record *r, const results *left, const ir_val *values)
{
    const ir_op_info *info = &ir_ops_table[r->op];
    ir_type type = record_type(p, r, left, values);
    ir_type second = ir_second_type(r->op);
    ir_val v;

    if (r->op == IR_OP_CALL) {
        if (left->n > 1)
            return fail(p, left->where, "a call has at most one result");
        v = ir_call(&p->b, r->attr, type, values, r->n_args);
    } else {
        if (left->n != info->n_results)
            return fail(p, left->where, "%s has %u results", info->name, info->n_results);
        if (left->n > 1 && left->type[1] != second)
            return fail(p, left->where, "the second result of %s is %s", info->name,
                        ir_type_names[second]);
        v = ir_emit(&p->b, (ir_op)r->op, type, r->attr, r->aux, r->n_args, values[0], values[1],
                    values[2], values[3]);
    }
    for (uint32_t i = 0; i < left->n; i++)
        define(p, left->number[i], (ir_val){ v.id | i });
    return true;
}

static bool parse_targets(parser *p, ir_op_record *r)
{
    bool branch = r->op == IR_OP_BR || r->op == IR_OP_BR_IF || r->op == IR_OP_BR_CC;

    if (!branch)
        return true;
    r->aux = p->b.unit->n_extra;
    if (!expect(p, "->") || !parse_target(p))
        return false;
    return r->op == IR_OP_BR || (expect(p, ",") && parse_target(p));
}

static bool parse_record(parser *p)
{
    ir_val values[PB_HELPER_MAX_ARGS];
    ir_op_record r = { 0 };
    const char *start = p->at;
    const ir_op_info *info;
    results left;

    if (!ir_block_open(&p->b))
        return fail(p, start, "expected a block's label");
    if (word_length(p) == 4 && accept(p, "insn"))
        return parse_insn(p);
    for (uint32_t i = 0; i < PB_HELPER_MAX_ARGS; i++)
        values[i] = ir_none();
    if (!parse_results(p, &left) || !take_op(p, &r))
        return false;
    info = &ir_ops_table[r.op];
    if (!parse_operands(p, &r, values) || !parse_attrs(p, info, &r) || !parse_targets(p, &r))
        return false;
    if (r.op != IR_OP_CALL && r.n_args != info->n_operands)
        return fail(p, start, "%s has %u operands, not %u", info->name, info->n_operands, r.n_args);
    if (!emit(p, &r, &left, values))
        return false;
    if (info->properties & IR_PROP_EXIT)
        ir_end_block(&p->b);
    return true;
}

static bool parse_head(parser *p)
{
    g_autofree char *name = NULL;
    const char *start;
    uint64_t pc = 0, key = 0;

    skip_lines(p);
    if (!expect(p, "unit "))
        return false;
    skip_blanks(p);
    start = p->at;
    name = take_word(p, "the name of a cpu type");
    if (!name)
        return false;
    if (strcmp(name, p->cpu->head.name))
        return fail(p, start, "the unit is for '%s', not for '%s'", name, p->cpu->head.name);
    if (!expect(p, "pc=") || !take_number(p, UINT64_MAX, &pc) || !expect(p, "key=") ||
        !take_number(p, UINT64_MAX, &key))
        return false;
    p->b.unit->pc = pc;
    p->b.unit->key = key;
    return expect_line_end(p);
}

static bool parse_unit(parser *p)
{
    if (!parse_head(p))
        return false;
    for (skip_lines(p); *p->at; skip_lines(p)) {
        bool label = *p->at == 'b' && g_ascii_isdigit(p->at[1]);

        if (!(label ? parse_label(p) : parse_record(p)) || !expect_line_end(p))
            return false;
    }
    if (ir_block_open(&p->b))
        return fail(p, p->at, "the last block has no end: a jump, a branch or an exit");
    for (uint32_t i = 0; i < p->b.unit->n_blocks; i++)
        if (i >= p->defined->len || !g_array_index(p->defined, bool, i))
            return fail(p, p->at, "block b%u is named but not there", i);
    if (p->b.unit->overflow)
        return fail(p, p->at, "the unit is too long");
    return true;
}

bool pb_ir_parse(ir_unit *unit, const pb_cpu_type *cpu, const char *text, GError **error)
{
    GError *local = NULL;
    parser p = { .text = text, .at = text, .cpu = cpu, .error = &local };

    pb_ir_unit_reset(unit, cpu, 0, 0);
    p.b = pb_ir_builder(unit);
    p.values = g_array_new(false, false, sizeof(uint32_t));
    p.defined = g_array_new(false, false, sizeof(bool));
    if (!parse_unit(&p))
        g_propagate_error(error, local);
    g_array_unref(p.values);
    g_array_unref(p.defined);
    return local == NULL;
}
