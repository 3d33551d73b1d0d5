/*
 * Reads and writes every encoding of a system register or instruction (op0 1 to 3), at every exception level, on a
 * processor as it is after reset, and compares what happens with what QEMU did (system/README.md). Then the same of
 * the encodings that there are, with control bits set that trap some of them.
 *
 *     run_probes FOLDER MODEL
 *
 * FOLDER/sysregs-MODEL.txt has what QEMU did, FOLDER/deviations.txt where we differ on purpose, and why. A difference
 * without a reason fails, and so does a reason without a difference.
 */
#include "system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST  0x4000u /* op0 1: instructions, which are only written */
#define READ   0x8000u /* op0 2, 3: registers */
#define LAST   0xffffu
#define LEVELS 4

#define MRS(e)      (0xd5200000u | (e) << 5) /* into x0 */
#define MSR(e)      (0xd5000000u | (e) << 5)
#define MOV_X0_DATA 0xd2a80460u /* mov x0, #0x40230000 */
#define EC_SVC      0x15u
#define EC_SMC      0x17u
/* What follows a probe: SMC, and SVC at EL0, where SMC is undefined. */
#define SVC 0xd4000001u
#define SMC 0xd4000003u

#define MOST_SETTINGS 16
#define MOST_REPORTS  100

typedef struct deviation {
    unsigned line, used;
    uint32_t first, last;
    char *models; /* separated by commas, or "all" */
    char *cell;   /* ours: "read/write", a pattern */
    char *setup;  /* only there; null: anywhere */
} deviation;

/* A state of the control registers, and what happens in it. */
typedef struct setup {
    char *name; /* null: as after reset */
    system_setting settings[MOST_SETTINGS];
    uint32_t n_settings;
    int without; /* a level that cannot be entered, or -1 */
    GHashTable *
        cells; /* by encoding: char *[4], "read/write" at each level, where it differs from `base` */
    const struct setup *base;
} setup;

typedef struct runner {
    const char *folder, *model;
    const system_files *files;
    GPtrArray *setups; /* the first: after reset */
    GArray *deviations;
    unsigned passed, failed;
} runner;

/* ---- reading --------------------------------------------------------------------------------------------- */

static char *path_of(const runner *r, const char *name)
{
    return g_build_filename(r->folder, name, NULL);
}

static uint32_t read_encoding(const char *path, unsigned line, const char *text)
{
    uint64_t value = system_number(path, line, text);

    if (value < FIRST || value > LAST)
        system_refuse(path, line, "expected an encoding, 0x4000 to 0xffff");
    return (uint32_t)value;
}

/* Words between any number of spaces; the last of `most` takes all that is left. */
static char **words_of(const char *line, guint most)
{
    GPtrArray *words = g_ptr_array_new();

    while (*(line += strspn(line, " "))) {
        size_t length = words->len + 1 < most ? strcspn(line, " ") : strlen(line);

        g_ptr_array_add(words, g_strndup(line, length));
        line += length;
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

static setup *setup_new(runner *r, const char *name)
{
    setup *s = g_new0(setup, 1);

    s->name = g_strdup(name);
    s->without = -1;
    s->cells = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_strfreev);
    /* After reset; with all open to EL0, which is told against that; the others against this. */
    if (r->setups->len)
        s->base = r->setups->pdata[MIN(r->setups->len, 2) - 1];
    g_ptr_array_add(r->setups, s);
    return s;
}

static void setup_free(void *data)
{
    setup *s = data;

    g_hash_table_unref(s->cells);
    g_free(s->name);
    g_free(s);
}

static const system_register *find_register(const runner *r, const char *name)
{
    for (uint32_t i = 0; i < r->files->registers->len; i++) {
        const system_register *reg = &g_array_index(r->files->registers, system_register, i);

        if (!strcmp(reg->name, name))
            return reg;
    }
    return NULL;
}

/* "NAME { hcr_el2: 0x84000000, ... }", " without EL1" may follow */
static void read_setup(runner *r, const char *path, unsigned line, const char *text)
{
    g_auto(GStrv) parts = g_strsplit_set(text, "{}", 0);
    g_auto(GStrv) items = NULL;
    setup *s;

    if (g_strv_length(parts) != 3)
        system_refuse(path, line, "expected 'setup NAME { REGISTER: VALUE, ... }'");
    s = setup_new(r, g_strstrip(parts[0]));
    if (g_str_has_prefix(parts[2], " without EL"))
        s->without = g_ascii_digit_value(parts[2][strlen(" without EL")]);
    items = g_strsplit(g_strstrip(parts[1]), ", ", 0);
    for (char **item = items; *item; item++) {
        g_auto(GStrv) words = g_strsplit(*item, ": ", 2);
        system_setting *setting = &s->settings[s->n_settings];

        if (s->n_settings == MOST_SETTINGS || g_strv_length(words) != 2)
            system_refuse(path, line, "expected 'REGISTER: VALUE', not too many");
        setting->reg = find_register(r, words[0]);
        setting->value = system_number(path, line, words[1]);
        if (!setting->reg)
            system_refuse(path, line, "there is no such register in registers.txt");
        s->n_settings++;
    }
}

/* "0xc000 S3_0_C0_C0_0 midr_el1 u/u 0x410fd083/u 0x410fd083/u 0x410fd083/u" */
static void read_expected(runner *r)
{
    g_autofree char *name = g_strdup_printf("sysregs-%s.txt", r->model), *path = path_of(r, name);
    g_auto(GStrv) lines = system_read_lines(path);
    setup *s = setup_new(r, NULL);

    for (unsigned i = 0; lines[i]; i++) {
        g_auto(GStrv) words = words_of(lines[i], 100);

        if (!*words || **words == '#')
            continue;
        if (!strcmp(*words, "setup")) {
            read_setup(r, path, i + 1, lines[i] + strlen("setup"));
            s = r->setups->pdata[r->setups->len - 1];
            continue;
        }
        if (g_strv_length(words) != 3 + LEVELS)
            system_refuse(path, i + 1, "expected encoding, two names and four cells");
        g_hash_table_insert(s->cells, GUINT_TO_POINTER(read_encoding(path, i + 1, words[0])),
                            g_strdupv(words + 3));
    }
}

/* "0xc008-0xc01a all 0x0/u reason", "0xc008 all@TVM u/u reason" */
static void read_deviations(runner *r)
{
    g_autofree char *path = path_of(r, "deviations.txt");
    g_auto(GStrv) lines = system_read_lines(path);

    for (unsigned i = 0; lines[i]; i++) {
        g_auto(GStrv) words = words_of(lines[i], 4);
        deviation d = { .line = i + 1 };
        char *to, *at;

        if (!*words || **words == '#')
            continue;
        if (g_strv_length(words) != 4)
            system_refuse(path, i + 1, "expected encodings, models, our cell and a reason");
        to = strchr(words[0], '-');
        if (to)
            *to++ = 0;
        at = strchr(words[1], '@');
        if (at)
            *at++ = 0;
        d.first = read_encoding(path, i + 1, words[0]);
        d.last = to ? read_encoding(path, i + 1, to) : d.first;
        d.models = g_strdup(words[1]);
        d.setup = g_strdup(at);
        d.cell = g_strdup(words[2]);
        g_array_append_val(r->deviations, d);
    }
}

static void deviation_clear(void *data)
{
    deviation *d = data;

    g_free(d->models);
    g_free(d->setup);
    g_free(d->cell);
}

/* What QEMU did. */
static const char *expected_cell(const setup *s, uint32_t encoding, uint32_t level)
{
    for (; s; s = s->base) {
        char **cells = g_hash_table_lookup(s->cells, GUINT_TO_POINTER(encoding));

        if (cells)
            return cells[level];
    }
    return "u/u";
}

/* ---- probing --------------------------------------------------------------------------------------------- */

/* "u": UNDEFINED; "el1:0x62..." another exception, with ESR; else `done`, or what x0 is. */
static char *describe(const system_probe *p, const char *done)
{
    uint32_t ec = (uint32_t)(p->esr >> 26);

    if (!(p->esr & 0xffff) && (ec == EC_SVC || (ec == EC_SMC && p->to >> 12 == SYSTEM_EL3)))
        return done ? g_strdup(done) : g_strdup_printf("0x%" G_GINT64_MODIFIER "x", p->x0);
    if (ec == 0)
        return g_strdup("u");
    return g_strdup_printf("el%u:0x%" G_GINT64_MODIFIER "x", (unsigned)(p->to >> 12), p->esr);
}

/* A read; or a write of what is read, else of zero, and of an address to system instructions. */
static system_probe probe_of(uint32_t encoding, bool write, bool readable, uint32_t end)
{
    if (!write)
        return (system_probe){ .code = { MRS(encoding), end, end, end } };
    if (encoding < READ)
        return (system_probe){ .code = { MOV_X0_DATA, MSR(encoding), end, end } };
    if (readable)
        return (system_probe){ .code = { MRS(encoding), MSR(encoding), end, end } };
    return (system_probe){ .code = { MSR(encoding), end, end, end } };
}

static bool run_level(runner *r, const setup *s, uint32_t level, system_probe *probes, uint32_t n)
{
    static const uint64_t pstates[LEVELS] = { 0x3c0, 0x3c5, 0x3c9, 0x3cd };

    return system_run_probes(r->files, r->model, pstates[level], s->settings, s->n_settings, probes,
                             n);
}

/* What we do with each of the encodings: "read/write", an array of n. Null if the machine got lost. */
static char **probe_level(runner *r, const setup *s, uint32_t level, const uint32_t *encodings,
                          uint32_t n)
{
    g_autofree system_probe *probes = g_new0(system_probe, n);
    g_auto(GStrv) reads = g_new0(char *, n + 1);
    char **cells = g_new0(char *, n + 1);
    uint32_t end = level ? SMC : SVC, first = 0;

    while (first < n && encodings[first] < READ) /* they are in order */
        reads[first++] = g_strdup("u");
    for (uint32_t i = first; i < n; i++)
        probes[i] = probe_of(encodings[i], false, false, end);
    if (!run_level(r, s, level, probes + first, n - first)) {
        g_strfreev(cells);
        return NULL;
    }
    for (uint32_t i = first; i < n; i++)
        reads[i] = describe(&probes[i], NULL);
    for (uint32_t i = 0; i < n; i++)
        probes[i] = probe_of(encodings[i], true, g_str_has_prefix(reads[i], "0x"), end);
    if (!run_level(r, s, level, probes, n)) {
        g_strfreev(cells);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        g_autofree char *written = describe(&probes[i], "w");
        bool moves = *expected_cell(s, encodings[i], level) == '*';

        /* A value that differs by nature. */
        cells[i] = g_strconcat(moves && g_str_has_prefix(reads[i], "0x") ? "*" : reads[i], "/",
                               written, NULL);
    }
    return cells;
}

/* ---- comparing ------------------------------------------------------------------------------------------- */

static bool has_model(const deviation *d, const char *model)
{
    g_auto(GStrv) models = g_strsplit(d->models, ",", 0);

    return g_strv_contains((const char *const *)models, model) ||
           g_strv_contains((const char *const *)models, "all");
}

static bool is_deviation(runner *r, const setup *s, uint32_t encoding, const char *ours,
                         const char *expected)
{
    /* Another value is no reason to miss a trap. */
    if (g_str_has_prefix(ours, "0x") && g_str_has_prefix(expected, "el"))
        return false;
    for (uint32_t i = 0; i < r->deviations->len; i++) {
        deviation *d = &g_array_index(r->deviations, deviation, i);

        if (encoding >= d->first && encoding <= d->last && g_pattern_match_simple(d->cell, ours) &&
            has_model(d, r->model) && (!d->setup || !g_strcmp0(d->setup, s->name))) {
            d->used++;
            return true;
        }
    }
    return false;
}

static void compare(runner *r, const setup *s, uint32_t encoding, uint32_t level, const char *ours)
{
    const char *expected = expected_cell(s, encoding, level);

    if (!strcmp(ours, expected) || is_deviation(r, s, encoding, ours, expected)) {
        r->passed++;
        return;
    }
    if (++r->failed <= MOST_REPORTS)
        printf("%#x S%u_%u_C%u_C%u_%u, %s%s%s, EL%u: %s, expected %s\n", encoding, encoding >> 14,
               encoding >> 11 & 7, encoding >> 7 & 15, encoding >> 3 & 15, encoding & 7, r->model,
               s->name ? ", " : "", s->name ? s->name : "", level, ours, expected);
}

/* After reset every encoding, else those that there are. */
static GArray *encodings_of(const runner *r, const setup *s)
{
    const setup *reset = r->setups->pdata[0];
    GArray *encodings = g_array_new(false, false, sizeof(uint32_t));

    for (uint32_t e = FIRST; e <= LAST; e++)
        if (s == reset || g_hash_table_contains(reset->cells, GUINT_TO_POINTER(e)))
            g_array_append_val(encodings, e);
    return encodings;
}

static bool run_setup(runner *r, const setup *s)
{
    g_autoptr(GArray) encodings = encodings_of(r, s);

    for (uint32_t level = 0; level < LEVELS; level++) {
        g_auto(GStrv) cells = NULL;

        if ((int)level == s->without)
            continue;
        cells = probe_level(r, s, level, (const uint32_t *)encodings->data, encodings->len);
        if (!cells)
            return false;
        for (uint32_t i = 0; i < encodings->len; i++)
            compare(r, s, g_array_index(encodings, uint32_t, i), level, cells[i]);
    }
    return true;
}

static void report_unused(runner *r)
{
    for (uint32_t i = 0; i < r->deviations->len; i++) {
        const deviation *d = &g_array_index(r->deviations, deviation, i);

        if (!d->used && has_model(d, r->model) && (!d->setup || r->setups->len > 1)) {
            printf("deviations.txt:%u: is no difference, of %s\n", d->line, r->model);
            r->failed++;
        }
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) setups = g_ptr_array_new_with_free_func(setup_free);
    g_autoptr(GArray) deviations = g_array_new(false, false, sizeof(deviation));
    runner r = { .setups = setups, .deviations = deviations };
    system_files *files;
    bool done = true;

    if (argc != 3) {
        fprintf(stderr, "usage: run_probes FOLDER MODEL\n");
        return 2;
    }
    g_array_set_clear_func(deviations, deviation_clear);
    r.folder = argv[1];
    r.model = argv[2];
    r.files = files = system_files_new(r.folder);
    read_expected(&r);
    read_deviations(&r);
    for (uint32_t i = 0; done && i < setups->len; i++)
        done = run_setup(&r, setups->pdata[i]);
    if (done)
        report_unused(&r);
    printf("%u passed, %u failed\n", r.passed, r.failed);
    system_files_free(files);
    return !done || r.failed || !r.passed;
}
