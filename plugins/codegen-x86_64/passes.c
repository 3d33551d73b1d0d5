/*
 * The list of passes, and reading the property `without`.
 */
#include "passes.h"

#include <stdio.h>

static const struct {
    const char *name;
    uint32_t passes;
} names[] = {
    { "flags", CG_PASS_FLAGS },   { "dead", CG_PASS_DEAD },           { "pairs", CG_PASS_PAIRS },
    { "tests", CG_PASS_TESTS },   { "lanes", CG_PASS_LANES },         { "scaled", CG_PASS_SCALED },
    { "fused", CG_PASS_FUSED },   { "registers", CG_PASS_REGISTERS }, { "loops", CG_PASS_LOOPS },
    { "lazy", CG_PASS_LAZY },     { "places", CG_PASS_PLACES },       { "spans", CG_PASS_SPANS },
    { "remade", CG_PASS_REMADE }, { "narrow", CG_PASS_NARROW },       { "all", CG_PASS_ALL },
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

const char *passes_name(cg_pass pass)
{
    uint32_t i = 0;

    while (names[i].passes != pass)
        i++;
    return names[i].name;
}

uint32_t passes_named(const char *text, size_t length)
{
    for (uint32_t i = 0; i < NAMES; i++)
        if (strlen(names[i].name) == length && !memcmp(names[i].name, text, length))
            return names[i].passes;
    return 0;
}

static bool is_unknown(const char *text, size_t length, pb_error *error)
{
    char list[200] = "";
    size_t n = 0;

    for (uint32_t i = 0; i < NAMES; i++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", names[i].name);
    return pb_fail(error, "without: there is no pass '%.*s'; there are %s", (int)length, text,
                   list);
}

bool passes_init(x86_codegen *s, pb_error *error)
{
    const char *text = s->without ? s->without : "";

    s->passes = CG_PASS_ALL;
    while (*text) {
        size_t length = strcspn(text, "+");
        uint32_t found = passes_named(text, length);

        if (!found || (text[length] && !text[length + 1]))
            return is_unknown(text, length, error);
        s->passes &= ~found;
        text += length + (text[length] != '\0');
    }
    return true;
}
