/*
 * Words: kinds of plugins, and the closest known word to a misspelt one.
 */
#include <core/plugin/plugin_host.h>

static const struct {
    const char *prefix, *name;
} kinds[] = {
    [PB_KIND_CPU] = { "cpu", "cpu" },
    [PB_KIND_CODEGEN] = { "codegen", "code generator" },
    [PB_KIND_ACCEL] = { "accel", "accelerator" },
    [PB_KIND_DEVICE] = { "dev", "device" },
    [PB_KIND_BACKEND] = { "host", "backend" },
    [PB_KIND_LOADER] = { "loader", "loader" },
    [PB_KIND_TOOL] = { "tool", "tool" },
};

const char *pb_kind_prefix(uint32_t kind)
{
    return kind < G_N_ELEMENTS(kinds) ? kinds[kind].prefix : NULL;
}

const char *pb_kind_name(uint32_t kind)
{
    return kind < G_N_ELEMENTS(kinds) ? kinds[kind].name : NULL;
}

pb_kind pb_kind_of_plugin(const char *id)
{
    for (uint32_t kind = 1; kind < G_N_ELEMENTS(kinds); kind++) {
        size_t length = strlen(kinds[kind].prefix);

        if (strncmp(id, kinds[kind].prefix, length) == 0 && id[length] == '-')
            return (pb_kind)kind;
    }
    return (pb_kind)0;
}

#define LONGEST_NAME 64

static bool is_same(char a, char b)
{
    return g_ascii_tolower(a) == g_ascii_tolower(b);
}

/* Insertions, deletions, replacements and swaps of neighbours that lead from a to b (optimal string
 * alignment), upper and lower case being the same. Names longer than LONGEST_NAME are not compared. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][LONGEST_NAME + 1];
    size_t *before = rows[0], *previous = rows[1], *current = rows[2];
    size_t length_a = strlen(a), length_b = strlen(b);

    if (length_a > LONGEST_NAME || length_b > LONGEST_NAME)
        return SIZE_MAX;
    for (size_t j = 0; j <= length_b; j++)
        previous[j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        size_t *free_row = before;

        current[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            bool same = is_same(a[i - 1], b[j - 1]);

            current[j] = MIN(MIN(previous[j], current[j - 1]) + 1, previous[j - 1] + !same);
            if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) && is_same(a[i - 2], b[j - 1]))
                current[j] = MIN(current[j], before[j - 2] + 1);
        }
        before = previous;
        previous = current;
        current = free_row;
    }
    return previous[length_b];
}

const char *pb_closest_name(const char *name, const char *const *names)
{
    size_t best = MAX(strlen(name) / 3, 1) + 1;
    const char *closest = NULL;

    for (; *names; names++) {
        size_t d = distance(name, *names);

        if (d < best) {
            best = d;
            closest = *names;
        }
    }
    return closest;
}
