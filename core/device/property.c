/*
 * Properties: machine-file text to members and back.
 *
 * Numbers are decimal or 0x hexadecimal, `_` may separate digits. Sizes take KiB, MiB, GiB, TiB (and the
 * letters k, M, G, T alone, with the same meaning), frequencies Hz, kHz, MHz, GHz, with a fraction where the
 * result is whole: `1.5GiB`, `32.768kHz`.
 */
#include <core/device/describe.h>
#include <core/device/instance.h>
#include <core/plugin/plugin_host.h>
#include <errno.h>

/* ---- numbers ------------------------------------------------------------------------------------- */

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

static const unit size_units[] = {
    { "", 1 },
    { "B", 1 },
    { "KiB", 1u << 10 },
    { "MiB", 1u << 20 },
    { "GiB", 1u << 30 },
    { "TiB", UINT64_C(1) << 40 },
    { "K", 1u << 10 },
    { "k", 1u << 10 },
    { "M", 1u << 20 },
    { "G", 1u << 30 },
    { "T", UINT64_C(1) << 40 },
    { 0 },
};

static const unit hz_units[] = {
    { "", 1 }, { "Hz", 1 }, { "kHz", 1000 }, { "MHz", 1000000 }, { "GHz", 1000000000 }, { 0 },
};

static const unit no_units[] = { { "", 1 }, { 0 } };

/* Digits of a base with `_` between them; moves *text behind them. False if there are none or too many. */
static bool parse_digits(const char **text, unsigned base, uint64_t *value)
{
    const char *start = *text;

    *value = 0;
    for (; **text; (*text)++) {
        int digit = g_ascii_xdigit_value(**text);

        if (**text == '_' && *text > start)
            continue;
        if (digit < 0 || (unsigned)digit >= base)
            break;
        if (__builtin_mul_overflow(*value, (uint64_t)base, value) ||
            __builtin_add_overflow(*value, (uint64_t)digit, value))
            return false;
    }
    return *text > start;
}

/* The digits behind a decimal point, scaled by the unit; false if the result is not whole. */
static bool add_fraction(const char *digits, const char *end, uint64_t factor, uint64_t *value)
{
    uint64_t numerator = 0, denominator = 1;

    for (; digits < end; digits++) {
        if (denominator >= UINT64_C(1000000000000))
            return false;
        numerator = numerator * 10 + (uint64_t)(*digits - '0');
        denominator *= 10;
    }
    if ((unsigned __int128)numerator * factor % denominator)
        return false;
    return !__builtin_add_overflow(
        *value, (uint64_t)((unsigned __int128)numerator * factor / denominator), value);
}

static bool parse_number(const char *text, const unit *units, uint64_t *value)
{
    const char *fraction = NULL, *fraction_end = NULL;
    bool hex = g_ascii_strncasecmp(text, "0x", 2) == 0;

    if (hex)
        text += 2;
    if (!parse_digits(&text, hex ? 16 : 10, value))
        return false;
    if (!hex && units != no_units && *text == '.') {
        fraction = ++text;
        text += strspn(text, "0123456789");
        fraction_end = text;
        if (fraction_end == fraction)
            return false;
    }
    while (*text == ' ')
        text++;
    for (; units->name; units++)
        if (strcmp(units->name, text) == 0)
            return !__builtin_mul_overflow(*value, units->factor, value) &&
                   (!fraction || add_fraction(fraction, fraction_end, units->factor, value));
    return false;
}

static bool parse_int(const char *text, int64_t *value)
{
    uint64_t magnitude;
    bool minus = *text == '-';

    if (!parse_number(text + minus, no_units, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + (minus ? 1 : 0))
        return false;
    *value = minus ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

static const unit *units_of(const pb_prop *prop)
{
    return prop->type == PB_PROP_SIZE ? size_units : prop->type == PB_PROP_HZ ? hz_units : no_units;
}

char *pb_property_pattern(const pb_prop *prop)
{
    const unit *units = units_of(prop);
    const char *fraction = units == no_units ? "" : "(\\.[0-9]+)?";
    g_autoptr(GString) names = g_string_new(NULL);

    if (prop->type != PB_PROP_UINT && prop->type != PB_PROP_INT && units == no_units)
        return NULL;
    for (; units->name; units++)
        g_string_append_printf(names, "%s%s", names->len ? "|" : "", units->name);
    return g_strdup_printf("^%s(0[xX][0-9a-fA-F][0-9a-fA-F_]*|[0-9][0-9_]*%s) *(%s)$",
                           prop->type == PB_PROP_INT ? "-?" : "", fraction, names->str);
}

/* The number with the largest unit that divides it. */
static char *number_text(const pb_prop *prop, uint64_t value)
{
    const unit *best = NULL;

    if (value && prop->type == PB_PROP_SIZE)
        best = &size_units[1];
    else if (value && prop->type == PB_PROP_HZ)
        best = &hz_units[1];
    if (!best)
        return g_strdup_printf("%" G_GUINT64_FORMAT, value);
    while (best[1].name && best[1].factor > best->factor && value % best[1].factor == 0)
        best++;
    return g_strdup_printf("%" G_GUINT64_FORMAT "%s", value / best->factor,
                           best->factor == 1 && prop->type == PB_PROP_SIZE ? "" : best->name);
}

/* ---- checking ------------------------------------------------------------------------------------ */

static bool bad_value(const pb_prop *prop, const char *text, const char *expected, GError **error)
{
    return pb_object_fail(error, PB_OBJECT_ERROR_VALUE, NULL, "%s: '%s' is not %s", prop->name,
                          text, expected);
}

static bool check_uint_range(const pb_prop *prop, const char *text, uint64_t value, GError **error)
{
    bool has_range = prop->min || prop->max;
    uint64_t member_max = pb_bits_mask(8 * (prop->type == PB_PROP_UINTS ? 8 : prop->width));
    uint64_t min = has_range ? prop->min : 0, max = has_range ? prop->max : member_max;
    g_autofree char *min_text = NULL;
    g_autofree char *max_text = NULL;

    max = MIN(max, member_max);
    if (value >= min && value <= max)
        return true;
    min_text = number_text(prop, min);
    max_text = number_text(prop, max);
    return pb_object_fail(error, PB_OBJECT_ERROR_VALUE, NULL, "%s: %s is outside %s to %s",
                          prop->name, text, min_text, max_text);
}

static bool check_uint(const pb_prop *prop, const char *text, uint64_t *value, GError **error)
{
    static const char *const expected[] = {
        [PB_PROP_UINT] = "a number, such as 16 or 0x10",
        [PB_PROP_SIZE] = "a size, such as 4096, 64KiB or 1GiB",
        [PB_PROP_HZ] = "a frequency, such as 32768, 100kHz or 24MHz",
        [PB_PROP_UINTS] = "a number, such as 16 or 0x10",
    };

    if (!parse_number(text, units_of(prop), value))
        return bad_value(prop, text, expected[prop->type], error);
    return check_uint_range(prop, text, *value, error);
}

static bool check_int(const pb_prop *prop, const char *text, uint64_t *value, GError **error)
{
    bool has_range = prop->min || prop->max;
    int64_t member_max = (int64_t)pb_bits_mask(8 * prop->width - 1), number;
    int64_t min = has_range ? (int64_t)prop->min : -member_max - 1;
    int64_t max = has_range ? (int64_t)prop->max : member_max;

    if (!parse_int(text, &number))
        return bad_value(prop, text, "a whole number, such as -1, 16 or 0x10", error);
    if (number < min || number > max || number > member_max || number < -member_max - 1)
        return pb_object_fail(error, PB_OBJECT_ERROR_VALUE, NULL,
                              "%s: %s is outside %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                              prop->name, text, min, max);
    *value = (uint64_t)number;
    return true;
}

static bool check_bool(const pb_prop *prop, const char *text, uint64_t *value, GError **error)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(text, words[i]) == 0) {
            *value = i & 1;
            return true;
        }
    }
    return bad_value(prop, text, "true or false", error);
}

static bool check_enum(const pb_prop *prop, const char *text, uint64_t *value, GError **error)
{
    g_autofree char *all = NULL;
    const char *closest;

    for (*value = 0; prop->choices[*value]; (*value)++)
        if (strcmp(prop->choices[*value], text) == 0)
            return true;
    all = g_strjoinv(", ", (char **)prop->choices);
    closest = pb_closest_name(text, prop->choices);
    return pb_object_fail(error, PB_OBJECT_ERROR_VALUE, NULL, "%s: '%s' is none of %s%s%s%s",
                          prop->name, text, all, closest ? "; did you mean '" : "",
                          closest ? closest : "", closest ? "'?" : "");
}

bool pb_property_check(const pb_prop *prop, const char *text, uint64_t *value, GError **error)
{
    uint64_t ignored;

    if (!value)
        value = &ignored;
    *value = 0;
    switch (prop->type) {
    case PB_PROP_BOOL:
        return check_bool(prop, text, value, error);
    case PB_PROP_INT:
        return check_int(prop, text, value, error);
    case PB_PROP_ENUM:
        return check_enum(prop, text, value, error);
    case PB_PROP_STRING:
    case PB_PROP_PATH:
        return true;
    case PB_PROP_UINTS:
        /* The default of a list may be an empty one. */
        return !*text || check_uint(prop, text, value, error);
    default:
        return check_uint(prop, text, value, error);
    }
}

/* ---- setting ------------------------------------------------------------------------------------- */

const pb_prop *pb_class_property(const pb_class *class, const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *closest;

    for (const pb_prop *prop = class->props; prop && prop->name; prop++) {
        if (strcmp(prop->name, name) == 0)
            return prop;
        g_ptr_array_add(names, (gpointer)prop->name);
    }
    g_ptr_array_add(names, NULL);
    closest = pb_closest_name(name, (const char *const *)names->pdata);
    pb_object_fail(error, PB_OBJECT_ERROR_NAME, NULL, "%s has no property '%s'%s%s%s", class->name,
                   name, closest ? "; did you mean '" : "", closest ? closest : "",
                   closest ? "'?" : "");
    return NULL;
}

/* Keeps memory for as long as the instance lives. */
static void *keep(pb_instance *instance, void *memory)
{
    g_ptr_array_add(instance->texts, memory);
    return memory;
}

static void set_path(pb_instance *instance, const char *text, void *member)
{
    if (!*text)
        *(const char **)member = NULL;
    else if (!instance->directory || g_path_is_absolute(text))
        *(const char **)member = keep(instance, g_strdup(text));
    else
        *(const char **)member = keep(instance, g_build_filename(instance->directory, text, NULL));
}

static bool set_list(pb_instance *instance, const pb_prop *prop, const char *const *texts,
                     size_t count, size_t *bad, GError **error)
{
    pb_uints *list = (pb_uints *)((char *)instance->self + prop->offset);
    g_autofree uint64_t *values = g_new(uint64_t, count ? count : 1);

    for (size_t i = 0; i < count; i++) {
        if (!check_uint(prop, texts[i], &values[i], error)) {
            if (bad)
                *bad = i;
            return false;
        }
    }
    list->values = keep(instance, g_steal_pointer(&values));
    list->count = (uint32_t)count;
    return true;
}

static bool set_one(pb_instance *instance, const pb_prop *prop, const char *text, GError **error)
{
    void *member = (char *)instance->self + prop->offset;
    uint64_t value;

    if (prop->type == PB_PROP_UINTS)
        return set_list(instance, prop, &text, *text ? 1 : 0, NULL, error);
    if (!pb_property_check(prop, text, &value, error))
        return false;
    switch (prop->type) {
    case PB_PROP_STRING:
        *(const char **)member = keep(instance, g_strdup(text));
        break;
    case PB_PROP_PATH:
        set_path(instance, text, member);
        break;
    case PB_PROP_BOOL:
        *(bool *)member = value != 0;
        break;
    default:
        pb_store_uint(member, prop->width, value);
        break;
    }
    return true;
}

void pb_instance_set_defaults(pb_instance *instance)
{
    for (const pb_prop *prop = instance->class->props; prop && prop->name; prop++)
        if (prop->initial && !set_one(instance, prop, prop->initial, NULL))
            g_assert_not_reached(); /* pb_plugin_check() saw that it is valid */
}

bool pb_instance_set_list(pb_instance *instance, const char *name, const char *const *texts,
                          size_t count, size_t *bad, GError **error)
{
    const pb_prop *prop = pb_class_property(instance->class, name, error);

    g_return_val_if_fail(instance->phase == PB_PHASE_NEW, false);
    if (!prop)
        return false;
    if (bad)
        *bad = 0;
    if (prop->type != PB_PROP_UINTS && count != 1)
        return pb_object_fail(error, PB_OBJECT_ERROR_VALUE, NULL, "%s: takes one value, not a list",
                              name);
    if (prop->type == PB_PROP_UINTS ? !set_list(instance, prop, texts, count, bad, error)
                                    : !set_one(instance, prop, texts[0], error))
        return false;
    instance->property_set[prop - instance->class->props] = true;
    return true;
}

bool pb_instance_set(pb_instance *instance, const char *name, const char *text, GError **error)
{
    return pb_instance_set_list(instance, name, &text, 1, NULL, error);
}

void pb_instance_set_directory(pb_instance *instance, const char *directory)
{
    g_free(instance->directory);
    instance->directory = g_strdup(directory);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static char *list_text(const pb_uints *list)
{
    GString *text = g_string_new("[");

    for (uint32_t i = 0; i < list->count; i++)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, i ? ", " : "", list->values[i]);
    return g_string_free(g_string_append_c(text, ']'), FALSE);
}

static int64_t sign_extend(uint64_t value, uint32_t bytes)
{
    unsigned shift = 64 - 8 * bytes;

    return (int64_t)(value << shift) >> shift;
}

char *pb_instance_get(const pb_instance *instance, const pb_prop *prop)
{
    const void *member = (const char *)instance->self + prop->offset;

    switch (prop->type) {
    case PB_PROP_BOOL:
        return g_strdup(*(const bool *)member ? "true" : "false");
    case PB_PROP_STRING:
    case PB_PROP_PATH:
        return g_strdup(*(const char *const *)member);
    case PB_PROP_ENUM:
        return g_strdup(prop->choices[pb_load_uint(member, prop->width)]);
    case PB_PROP_UINTS:
        return list_text(member);
    case PB_PROP_INT:
        return g_strdup_printf("%" G_GINT64_FORMAT,
                               sign_extend(pb_load_uint(member, prop->width), prop->width));
    default:
        return number_text(prop, pb_load_uint(member, prop->width));
    }
}
