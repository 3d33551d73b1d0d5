/* core/machine/expr.c. */
#include "../runner.h"

#include <core/machine/expr.h>
#include <string.h>

static pb_scope *new_scope(void)
{
    pb_scope *outer = pb_scope_new(NULL);
    pb_value path = pb_scope_string(outer, "/k");

    pb_scope_set(outer, "ram", pb_value_integer(512 << 20));
    pb_scope_set(outer, "cpus", pb_value_integer(4));
    pb_scope_set(outer, "gic-version", pb_value_integer(3));
    pb_scope_set(outer, "virtio", pb_scope_string(outer, "mmio"));
    pb_scope_set(outer, "empty", pb_scope_string(outer, ""));
    pb_scope_set(outer, "fast", pb_value_bool(true));
    path.path = true;
    pb_scope_set(outer, "kernel", path);
    pb_scope_set_broken(outer, "broken");
    return outer;
}

static const struct {
    const char *text, *result;
} good[] = {
    { "1", "1" },
    { "0x10", "16" },
    { "64MiB", "67108864" },
    { "24MHz", "24000000" },
    { "1 + 2 * 3", "7" },
    { "(1 + 2) * 3", "9" },
    { "7 / 2 * 2 + 7 % 2", "7" },
    { "10 - 3 - 2", "5" },
    { "-5 + 2", "-3" },
    { "- - 5", "5" },
    { "~0", "18446744073709551615" },
    { "1 << 40 >> 8", "4294967296" },
    { "0xff & 0x0f | 0x30 ^ 0x10", "47" },
    { "1 | 2 == 2", NULL }, /* C's precedence: 1 | (2 == 2) */
    { "18446744073709551615", "18446744073709551615" },
    { "1 < 2", "true" },
    { "2 <= 1", "false" },
    { "1 << 2 == 4 && 3 >= 3", "true" },
    { "1 == 1 ? 'a' : 'b'", "a" },
    { "false ? 1 : true ? 2 : 3", "2" },
    { "virtio == 'mmio'", "true" },
    { "virtio != \"mmio\"", "false" },
    { "empty == ''", "true" },
    { "'a' < 'b'", "true" },
    { "virtio + '-x'", "mmio-x" },
    { "virtio + cpus + '.bus'", "mmio4.bus" },
    { "!fast || cpus == 4", "true" },
    { "fast == true", "true" },
    { "false && 1 / 0 == 1", "false" },
    { "true || unknown(", NULL },
    { "true ? 1 : 1 / 0", "1" },
    { "false ? 1 / 0 : 1", "1" },
    { "gic-version - 1", "2" },
    { "gic-version-1", "2" },
    { "cpus -1", "3" },
    { "min(cpus, 2) + max(1, 7)", "9" },
    { "align(5000, 4KiB)", "8192" },
    { "log2(ram)", "29" },
    { "log2(1)", "0" },
    { "ram/cpus", "134217728" },
};

static void results(void)
{
    pb_scope *scope = new_scope();

    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        pb_value value;
        pb_expr_error error = { 0 };
        bool ok = pb_expr_eval(scope, good[i].text, strlen(good[i].text), &value, &error);
        g_autofree char *result = ok ? pb_value_text(&value) : NULL;

        CU_ASSERT_EQUAL(ok, good[i].result != NULL);
        if (g_strcmp0(result, good[i].result) != 0) {
            printf("\n%s: '%s', not '%s'%s%s\n", good[i].text, result, good[i].result,
                   ok ? "" : ": ", ok ? "" : error.text);
            CU_FAIL("wrong result");
        }
        g_free(error.text);
    }
    pb_scope_free(scope);
}

static const struct {
    const char *text;
    unsigned offset;
    const char *error;
} bad[] = {
    { "", 0, "a value is missing at the end of the expression" },
    { "1 +", 3, "a value is missing at the end of the expression" },
    { "* 2", 0, "a value is missing before '*'" },
    { "1 2", 2, "'2' was not expected here" },
    { "(1", 2, "')' is missing" },
    { "cpu + 1", 0, "unknown name 'cpu'; did you mean 'cpus'?" },
    { "nothing-like-it", 0, "unknown name 'nothing-like-it'" },
    { "1 / 0", 2, "division by zero" },
    { "cpus % (4 - cpus)", 5, "division by zero" },
    { "1 << 64", 2, "a shift by less than 0 or more than 63 bits" },
    { "1 >> -1", 2, "a shift by less than 0 or more than 63 bits" },
    { "0xffffffffffffffff + 1", 19, "the result does not fit in 64 bits" },
    { "0xffffffffffffffff * 0xffffffffffffffff", 19, "the result does not fit in 64 bits" },
    { "-0x8000000000000000 - 1", 20, "the result does not fit in 64 bits" },
    { "3 << 63", 2, "the result does not fit in 64 bits" },
    { "1 + virtio", 2, "'+' wants an integer, this is a string" },
    { "virtio == 1", 7, "'==' compares a string with an integer" },
    { "fast < true", 5, "'<' has no meaning for truth values" },
    { "1 && true", 2, "'&&' wants a truth value, this is an integer" },
    { "!1", 0, "'!' wants a truth value, this is an integer" },
    { "1 ? 2 : 3", 0, "'?:' wants a truth value, this is an integer" },
    { "true ? 2", 8, "':' of '?:' is missing" },
    { "'abc", 0, "a string that begins with ' has no end" },
    { "12x", 0, "'12x' is no number; numbers are like 12, 0x1f, 64MiB, 24MHz" },
    { "foo(1)", 0, "unknown function 'foo'; there are min, max, align, log2" },
    { "min(1)", 5, "min takes 2 values" },
    { "min(1, virtio)", 7, "'min' wants an integer, this is a string" },
    { "log2(0)", 0, "log2(n) wants n > 0" },
    { "align(1, 0)", 0, "align(n, to) wants n >= 0 and to > 0" },
    { "1 = 2", 2, "'= 2' was not expected here" },
    { "broken + 1", 0, NULL },
};

static void errors(void)
{
    pb_scope *scope = new_scope();

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        pb_value value;
        pb_expr_error error = { 0 };
        bool ok = pb_expr_eval(scope, bad[i].text, strlen(bad[i].text), &value, &error);

        CU_ASSERT_FALSE(ok);
        if (ok || error.offset != bad[i].offset || g_strcmp0(error.text, bad[i].error) != 0) {
            printf("\n%s: %u '%s'\n", bad[i].text, (unsigned)error.offset, error.text);
            CU_FAIL("wrong error");
        }
        g_free(error.text);
    }
    pb_scope_free(scope);
}

static void nesting(void)
{
    pb_scope *scope = new_scope();
    g_autofree char *parentheses = g_strnfill(100000, '(');
    g_autofree char *minuses = g_strnfill(100000, '-');
    const char *const texts[] = { parentheses, minuses };

    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        pb_value value;
        pb_expr_error error = { 0 };

        CU_ASSERT_FALSE(pb_expr_eval(scope, texts[i], 100000, &value, &error));
        CU_ASSERT_STRING_EQUAL(error.text, "the expression is nested too deeply");
        g_free(error.text);
    }
    pb_scope_free(scope);
}

static void expect_expanded(const char *text, pb_value_kind kind, const char *result, bool path)
{
    pb_scope *scope = new_scope();
    pb_value value = { 0 };
    pb_expr_error error = { 0 };

    CU_ASSERT_TRUE_FATAL(pb_expr_expand(scope, text, &value, &error));
    CU_ASSERT_EQUAL(value.kind, kind);
    CU_ASSERT_EQUAL(value.path, path);
    if (result) {
        g_autofree char *shown = pb_value_text(&value);

        CU_ASSERT_STRING_EQUAL(shown, result);
    }
    pb_scope_free(scope);
}

static void expect_not_expanded(const char *text, unsigned offset, const char *message)
{
    pb_scope *scope = new_scope();
    pb_value value;
    pb_expr_error error = { 0 };

    CU_ASSERT_FALSE(pb_expr_expand(scope, text, &value, &error));
    CU_ASSERT_EQUAL(error.offset, offset);
    CU_ASSERT_STRING_EQUAL(error.text, message);
    g_free(error.text);
    pb_scope_free(scope);
}

static void expansion(void)
{
    expect_expanded("plain", PB_VALUE_STRING, "plain", false);
    expect_expanded("", PB_VALUE_STRING, "", false);
    expect_expanded("${cpus}", PB_VALUE_INTEGER, "4", false);
    expect_expanded("${fast}", PB_VALUE_BOOL, "true", false);
    expect_expanded("arm64/${virtio}", PB_VALUE_STRING, "arm64/mmio", false);
    expect_expanded("${cpus}${cpus}", PB_VALUE_STRING, "44", false);
    expect_expanded("a$$b", PB_VALUE_STRING, "a$b", false);
    expect_expanded("$${cpus}", PB_VALUE_STRING, "${cpus}", false);
    expect_expanded("$$", PB_VALUE_STRING, "$", false);
    expect_expanded("${'}'}", PB_VALUE_STRING, "}", false);
    expect_expanded("${kernel}", PB_VALUE_STRING, "/k", true);
    expect_expanded("${kernel}.gz", PB_VALUE_STRING, "/k.gz", true);
    expect_expanded("x${kernel}", PB_VALUE_STRING, "x/k", false);
    expect_not_expanded("a$b", 1, "a lone '$'; an expression is ${...}, a dollar sign is $$");
    expect_not_expanded("a${cpus", 1, "'${' without '}'");
    expect_not_expanded("ab${cpuz}", 4, "unknown name 'cpuz'; did you mean 'cpus'?");
}

static void scopes(void)
{
    pb_scope *outer = new_scope(), *inner = pb_scope_new(outer);
    pb_value value;
    pb_expr_error error = { 0 };

    pb_scope_set(inner, "i", pb_value_integer(7));
    pb_scope_set(inner, "cpus", pb_value_integer(1));
    CU_ASSERT_TRUE(pb_expr_eval(inner, "i * cpus", 8, &value, &error));
    CU_ASSERT_TRUE(value.integer == 7);
    CU_ASSERT_FALSE(pb_expr_eval(outer, "i", 1, &value, &error));
    g_free(error.text);
    pb_scope_free(inner);
    pb_scope_free(outer);
}

int main(void)
{
    static const unit_case cases[] = { { "results", results },
                                       { "errors and their places", errors },
                                       { "nesting is bounded", nesting },
                                       { "expansion of texts", expansion },
                                       { "scopes", scopes },
                                       { 0 } };

    return unit_run("machine expressions", cases);
}
