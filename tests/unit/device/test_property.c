#include "toy.h"

static fake_machine *machine;
static pb_instance *instance;
static toy *s;

static void make(void)
{
    machine = toy_machine(&instance);
    s = pb_instance_self(instance);
}

static void drop(void)
{
    fake_machine_free(machine);
}

static const pb_prop *row(const char *name)
{
    return pb_class_property(&toy_type.head, name, NULL);
}

/* Setting fails with this code and text. */
static void refuses(const char *name, const char *value, int code, const char *text)
{
    GError *error = NULL;

    CU_ASSERT(!pb_instance_set(instance, name, value, &error));
    CU_ASSERT_FATAL(error != NULL);
    CU_ASSERT(g_error_matches(error, PB_OBJECT_ERROR, code));
    CU_ASSERT_STRING_EQUAL(error->message, text);
    g_error_free(error);
}

static void is_text(const char *name, const char *text)
{
    g_autofree char *value = pb_instance_get(instance, row(name));

    CU_ASSERT_STRING_EQUAL(value, text);
}

static void defaults(void)
{
    make();
    CU_ASSERT(s->flag);
    CU_ASSERT_EQUAL(s->small, 3);
    CU_ASSERT_EQUAL(s->level, -5);
    CU_ASSERT_EQUAL(s->window, 65536);
    CU_ASSERT_EQUAL(s->hz, 24000000);
    CU_ASSERT_STRING_EQUAL(s->text, "hello");
    CU_ASSERT_PTR_NULL(s->path);
    CU_ASSERT_EQUAL(s->mode, 0);
    CU_ASSERT_EQUAL(s->list.count, 0);
    CU_ASSERT_PTR_EQUAL(s->self, pb_instance_object(instance));
    CU_ASSERT_STRING_EQUAL(s->self->ops->path(s->self), "toy");
    drop();
}

static void texts_to_values(void)
{
    static const struct {
        const char *name, *text;
        uint64_t value;
    } cases[] = {
        { "window", "4096", 4096 },
        { "window", "0x1000", 4096 },
        { "window", "1.5KiB", 1536 },
        { "window", "2 MiB", 2097152 },
        { "window", "1_000", 1000 },
        { "window", "1TiB", UINT64_C(1) << 40 },
        { "window", "16M", 16777216 },
        { "hz", "32.768kHz", 32768 },
        { "hz", "1GHz", 1000000000 },
        { "hz", "7", 7 },
        { "level", "-0xa", (uint64_t)-10 },
        { "level", "10", 10 },
        { "small", "0x64", 100 },
        { "flag", "no", 0 },
        { "flag", "On", 1 },
        { "mode", "fastest", 2 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t value;

        CU_ASSERT(pb_property_check(row(cases[i].name), cases[i].text, &value, NULL));
        CU_ASSERT_EQUAL(value, cases[i].value);
    }
}

static void wrong_texts(void)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        { "window", "" },
        { "window", "-1" },
        { "window", "1.3B" },
        { "window", "1.KiB" },
        { "window", "0x" },
        { "window", "1XiB" },
        { "window", "16777216TiB" },
        { "window", "0x1.8" },
        { "hz", "0.5Hz" },
        { "hz", "MHz" },
        { "small", "1KiB" },
        { "small", "_1" },
        { "small", "1 2" },
        { "level", "--1" },
        { "level", "1e3" },
        { "flag", "maybe" },
        { "window", "18446744073709551616" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        CU_ASSERT(!pb_property_check(row(cases[i].name), cases[i].text, NULL, NULL));
}

static void errors(void)
{
    make();
    refuses("smal", "1", PB_OBJECT_ERROR_NAME, "toy has no property 'smal'; did you mean 'small'?");
    refuses("elephant", "1", PB_OBJECT_ERROR_NAME, "toy has no property 'elephant'");
    refuses("small", "101", PB_OBJECT_ERROR_VALUE, "small: 101 is outside 1 to 100");
    refuses("small", "0", PB_OBJECT_ERROR_VALUE, "small: 0 is outside 1 to 100");
    refuses("level", "11", PB_OBJECT_ERROR_VALUE, "level: 11 is outside -10 to 10");
    refuses("lines", "0x100000000", PB_OBJECT_ERROR_VALUE,
            "lines: 0x100000000 is outside 0 to 4294967295");
    refuses("mode", "fastes", PB_OBJECT_ERROR_VALUE,
            "mode: 'fastes' is none of slow, fast, fastest; did you mean 'fastest'?");
    refuses("hz", "fast", PB_OBJECT_ERROR_VALUE,
            "hz: 'fast' is not a frequency, such as 32768, 100kHz or 24MHz");
    CU_ASSERT_EQUAL(s->small, 3);
    drop();
}

static void lists(void)
{
    static const char *const good[] = { "1", "0x10", "3" }, *const bad[] = { "1", "two" };
    size_t at = 9;

    make();
    CU_ASSERT(pb_instance_set_list(instance, "list", good, 3, NULL, NULL));
    CU_ASSERT_EQUAL(s->list.count, 3);
    CU_ASSERT_EQUAL(s->list.values[1], 16);
    is_text("list", "[1, 16, 3]");
    CU_ASSERT(!pb_instance_set_list(instance, "list", bad, 2, &at, NULL));
    CU_ASSERT_EQUAL(at, 1);
    CU_ASSERT_EQUAL(s->list.count, 3);
    CU_ASSERT(!pb_instance_set_list(instance, "small", good, 3, NULL, NULL));
    drop();
}

static void values_to_texts(void)
{
    make();
    is_text("window", "64KiB");
    is_text("hz", "24MHz");
    is_text("level", "-5");
    is_text("flag", "true");
    is_text("mode", "slow");
    is_text("text", "hello");
    CU_ASSERT(pb_instance_set(instance, "hz", "32768", NULL));
    is_text("hz", "32768Hz");
    CU_ASSERT(pb_instance_set(instance, "window", "1000", NULL));
    is_text("window", "1000");
    drop();
}

static void paths(void)
{
    make();
    pb_instance_set_directory(instance, "/machines");
    CU_ASSERT(pb_instance_set(instance, "path", "disk.img", NULL));
    CU_ASSERT_STRING_EQUAL(s->path, "/machines/disk.img");
    CU_ASSERT(pb_instance_set(instance, "path", "/tmp/x", NULL));
    CU_ASSERT_STRING_EQUAL(s->path, "/tmp/x");
    CU_ASSERT(pb_instance_set(instance, "path", "", NULL));
    CU_ASSERT_PTR_NULL(s->path);
    drop();
}

static void required(void)
{
    fake_machine *m = fake_machine_new(NULL);
    pb_instance *toy_instance = fake_machine_add(m, &toy_type.head, "toy1");
    g_autoptr(GError) error = NULL;

    CU_ASSERT(!pb_instance_settle_properties(toy_instance, &error));
    CU_ASSERT_STRING_EQUAL(error->message, "toy1: property 'lines' must be given (Lines)");
    CU_ASSERT(g_error_matches(error, PB_OBJECT_ERROR, PB_OBJECT_ERROR_REQUIRED));
    fake_machine_free(m);
}

int main(void)
{
    static const unit_case cases[] = {
        { "defaults", defaults },
        { "texts to values", texts_to_values },
        { "wrong texts", wrong_texts },
        { "errors", errors },
        { "lists", lists },
        { "values to texts", values_to_texts },
        { "paths", paths },
        { "required", required },
        { 0 },
    };

    return unit_run("property", cases);
}
