/* core/machine/yaml.c: trees, marks, limits. */
#include "../runner.h"

#include <core/machine/yaml.h>
#include <string.h>

typedef struct parsed {
    pb_yaml *yaml;
    pb_diags *diags;
    pb_yaml_node *root;
    char *text; /* of the errors */
} parsed;

static parsed parse(const char *text)
{
    parsed p = { pb_yaml_new(), pb_diags_new(), NULL, NULL };

    p.root = pb_yaml_parse(p.yaml, "f", text, strlen(text), p.diags);
    p.text = pb_diags_text(p.diags);
    CU_ASSERT_EQUAL(p.root != NULL, pb_diags_errors(p.diags) == 0);
    return p;
}

static void release(parsed *p)
{
    pb_yaml_free(p->yaml);
    pb_diags_free(p->diags);
    g_free(p->text);
}

static void expect_error(const char *text, const char *error)
{
    parsed p = parse(text);

    if (strcmp(p.text, error) != 0)
        printf("\n%s", p.text);
    CU_ASSERT_STRING_EQUAL(p.text, error);
    release(&p);
}

static void trees(void)
{
    parsed p = parse("a: 1\nb: [x, 'y']\nc:\n  d: ~\n");

    CU_ASSERT_EQUAL_FATAL(p.root->kind, PB_YAML_MAPPING);
    CU_ASSERT_EQUAL(p.root->n_entries, 3);
    CU_ASSERT_STRING_EQUAL(pb_yaml_get(p.root, "a")->text, "1");
    CU_ASSERT_TRUE(pb_yaml_get(p.root, "a")->plain);
    CU_ASSERT_EQUAL(pb_yaml_get(p.root, "b")->n_entries, 2);
    CU_ASSERT_FALSE(pb_yaml_get(p.root, "b")->entries[1].value->plain);
    CU_ASSERT_TRUE(pb_yaml_is_null(pb_yaml_get(pb_yaml_get(p.root, "c"), "d")));
    CU_ASSERT_PTR_NULL(pb_yaml_get(p.root, "d"));
    CU_ASSERT_PTR_NULL(pb_yaml_get(NULL, "d"));
    release(&p);
}

static void marks(void)
{
    parsed p = parse("a: 1\nbb:   'é${x}'\nc: \"x\\ty\"\n");
    const pb_yaml_node *b = pb_yaml_get(p.root, "bb"), *c = pb_yaml_get(p.root, "c");

    CU_ASSERT_EQUAL(b->mark.line, 2);
    CU_ASSERT_EQUAL(b->mark.column, 7);
    CU_ASSERT_TRUE(b->verbatim);
    CU_ASSERT_EQUAL(pb_yaml_mark_at(b, 2).column,
                    9); /* one character of two bytes, and the quote */
    CU_ASSERT_FALSE(c->verbatim);
    CU_ASSERT_EQUAL(pb_yaml_mark_at(c, 2).column, c->mark.column);
    release(&p);
}

static void syntax(void)
{
    expect_error("", "f:1:1: the file is empty\n");
    expect_error("# nothing\n", "f:1:1: the file is empty\n");
    expect_error("a: [1\n", "f:2:1: this is not YAML: did not find expected ',' or ']' while "
                            "parsing a flow sequence\n");
    expect_error("a: 1\n b: 2\n",
                 "f:2:3: this is not YAML: mapping values are not allowed in this context\n");
    expect_error("a: \"\xff\"\n", "f:1:1: this is not YAML: invalid leading UTF-8 octet\n");
    expect_error("a: 1\n---\nb: 2\n", "f:3:1: a second document; a file has one machine\n");
    expect_error("a: 1\nb: 2\na: 3\n",
                 "f:3:1: key 'a' is here a second time; the first is in line 1\n");
    expect_error("? [a]\n: 1\n", "f:1:3: a key must be a word\n");
    expect_error("a: !foo 1\n",
                 "f:1:4: unknown tag '!foo'; the only one is !replace, on a mapping or list\n");
    expect_error("a: !replace 1\n",
                 "f:1:4: unknown tag '!replace'; the only one is !replace, on a mapping or list\n");
    expect_error("a: \"x\\0y\"\n", "f:1:4: a value with a zero byte in it\n");
}

static void aliases(void)
{
    parsed p = parse("a: &x { k: v }\nb: *x\n");

    CU_ASSERT_PTR_EQUAL(pb_yaml_get(p.root, "a"), pb_yaml_get(p.root, "b"));
    release(&p);
    expect_error("a: *x\n", "f:1:4: alias '*x': nothing before it has the anchor '&x'\n");
    expect_error("a: &x [*x]\n", "f:1:8: alias '*x' stands in what it refers to\n");
}

/* Ten lists of ten aliases each of the list before: 10^10 values. */
static void alias_bomb(void)
{
    GString *text = g_string_new("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");

    for (int i = 1; i < 10; i++) {
        g_string_append_printf(text, "a%d: &a%d [", i, i);
        for (int n = 0; n < 10; n++)
            g_string_append_printf(text, "%s*a%d", n ? ", " : "", i - 1);
        g_string_append(text, "]\n");
    }
    expect_error(text->str, "f:5:5: more than 20000 values, counted with aliases\n");
    g_string_free(text, TRUE);
}

static void depth(void)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i <= PB_YAML_MAX_DEPTH + 1; i++)
        g_string_append_c(text, '[');
    expect_error(text->str, "f:1:34: nested more than 32 levels deep\n");
    g_string_assign(text, "a0: &a0 [x]\n");
    for (unsigned i = 1; i <= PB_YAML_MAX_DEPTH; i++)
        g_string_append_printf(text, "a%u: &a%u [*a%u]\n", i, i, i - 1);
    expect_error(text->str, "f:32:12: nested more than 32 levels deep\n");
    g_string_free(text, TRUE);
}

static void quoting(void)
{
    static const char *const texts[] = {
        "uart0",     "",     "null", "~",          "a: b", "a #b", "*x",           "&x",
        "!t",        "-",    "- x",  "x,y",        "[",    "{",    "say \"hi\"\\", "two\nlines",
        "tab\there", "\x7f", "é",    "gic.spi[3]", "${x}", "true", "0x10",         " space "
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *quoted = pb_yaml_quote(texts[i]);
        g_autofree char *line = g_strdup_printf("k: %s\n", quoted);
        g_autofree char *flow = g_strdup_printf("k: [%s, x]\n", quoted);
        parsed p = parse(line), q = parse(flow);

        CU_ASSERT_STRING_EQUAL(pb_yaml_get(p.root, "k")->text, texts[i]);
        CU_ASSERT_FALSE(pb_yaml_is_null(pb_yaml_get(p.root, "k")));
        CU_ASSERT_STRING_EQUAL(pb_yaml_get(q.root, "k")->entries[0].value->text, texts[i]);
        release(&p);
        release(&q);
    }
}

static void order(void)
{
    g_autoptr(pb_diags) diags = pb_diags_new();
    const char *a = pb_diags_file(diags, "a"), *b = pb_diags_file(diags, "b");
    g_autofree char *text = NULL;

    pb_diag_error(diags, (pb_mark){ b, 1, 1 }, "five");
    pb_diag_warning(diags, (pb_mark){ a, 2, 5 }, "four");
    pb_diag_error(diags, (pb_mark){ a, 2, 1 }, "three");
    pb_diag_error(diags, (pb_mark){ a, 1, 9 }, "two");
    pb_diag_error(diags, (pb_mark){ a, 1, 9 }, "two");
    pb_diag_error(diags, pb_mark_option("--set x"), "one");
    text = pb_diags_text(diags);
    CU_ASSERT_STRING_EQUAL(
        text, "--set x: one\na:1:9: two\na:2:1: three\na:2:5: warning: four\nb:1:1: five\n");
    CU_ASSERT_EQUAL(pb_diags_errors(diags), 4);
    CU_ASSERT_EQUAL(pb_diags_warnings(diags), 1);
}

int main(void)
{
    static const unit_case cases[] = { { "trees", trees },
                                       { "marks", marks },
                                       { "errors of syntax", syntax },
                                       { "aliases share nodes", aliases },
                                       { "aliases cannot explode", alias_bomb },
                                       { "depth is bounded", depth },
                                       { "quoted texts read back", quoting },
                                       { "diagnostics are sorted", order },
                                       { 0 } };

    return unit_run("machine yaml", cases);
}
