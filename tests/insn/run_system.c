/*
 * Executes system cases (system/README.md) on the models that they name, under the interpreter, and compares
 * vector, general registers, system registers and memory with what the case says.
 *
 *     run_system FOLDER FILE...
 *
 * FOLDER has the files that make up the machine.
 */
#include "system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_REPORTS 40

/* A case as it is written, with what is expected. */
typedef struct written_case {
    char *title, *model;
    unsigned line;
    GPtrArray *registers; /* of the model */
    system_case run;
    uint64_t to, x[31]; /* expected */
    uint64_t *sys, *words;
    bool has_after;
} written_case;

typedef struct runner {
    const system_files *files;
    const char *path;
    GHashTable *registers; /* by model */
    GPtrArray *cases;      /* of written_case */
    unsigned passed, failed;
} runner;

/* ---- reading --------------------------------------------------------------------------------------------- */

static void case_free(void *data)
{
    written_case *c = data;

    g_free(c->title);
    g_free(c->model);
    g_free(c->run.sys);
    g_free(c->run.set);
    g_free(c->run.after.sys);
    g_free(c->run.after.words);
    g_array_free(c->run.words, TRUE);
    g_free(c->sys);
    g_free(c->words);
    g_free(c);
}

static written_case *case_new(const char *title, unsigned line)
{
    written_case *c = g_new0(written_case, 1);

    c->title = g_strdup(title);
    c->line = line;
    c->run.pstate = 0x3c5;
    c->run.pc = SYSTEM_CODE;
    c->run.words = g_array_new(false, false, sizeof(system_double));
    for (unsigned n = 0; n < 31; n++)
        c->run.x[n] = (0xa0 + n) * UINT64_C(0x0101010101010101);
    return c;
}

static void set_model(runner *r, written_case *c, const char *model)
{
    c->model = g_strdup(model);
    c->registers = g_hash_table_lookup(r->registers, model);
    if (!c->registers) {
        c->registers = system_registers_of(r->files, model);
        g_hash_table_insert(r->registers, g_strdup(model), c->registers);
    }
    c->run.sys = g_new(uint64_t, c->registers->len);
    c->run.set = g_new0(bool, c->registers->len);
    for (uint32_t i = 0; i < c->registers->len; i++)
        c->run.sys[i] = ((const system_register *)c->registers->pdata[i])->reset;
}

/* Number of a register by name, the count of them if there is none. */
static uint32_t find_register(const written_case *c, const char *name)
{
    uint32_t i = 0;

    while (i < c->registers->len &&
           strcmp(((const system_register *)c->registers->pdata[i])->name, name))
        i++;
    return i;
}

static uint32_t find_word(const written_case *c, uint64_t address)
{
    uint32_t i = 0;

    while (i < c->run.words->len &&
           g_array_index(c->run.words, system_double, i).address != address)
        i++;
    return i;
}

static void read_before(runner *r, written_case *c, unsigned line, const char *name, uint64_t value)
{
    uint32_t i = find_register(c, name);
    uint64_t n;

    if (!strcmp(name, "pstate")) {
        c->run.pstate = value;
    } else if (!strcmp(name, "pc")) {
        c->run.pc = value;
    } else if (*name == '@') {
        system_double word = { system_number(r->path, line, name + 1), value };

        g_array_append_val(c->run.words, word);
    } else if (*name == 'x' && g_ascii_string_to_unsigned(name + 1, 10, 0, 30, &n, NULL)) {
        c->run.x[n] = value;
    } else if (i < c->registers->len) {
        c->run.sys[i] = value;
        c->run.set[i] = true;
    } else {
        system_refuse(r->path, line, "the processor has no such register");
    }
}

/* The level that a PSTATE is of. */
static uint32_t level_of(uint64_t pstate)
{
    return (uint32_t)pstate >> 2 & 3;
}

/* All is expected to be as before, until `after` says otherwise. */
static void begin_after(written_case *c)
{
    uint32_t spsr = find_register(c, "spsr_el3"), elr = find_register(c, "elr_el3");

    memcpy(c->x, c->run.x, sizeof(c->x));
    c->sys = g_memdup2(c->run.sys, c->registers->len * sizeof(uint64_t));
    c->words = g_new0(uint64_t, c->run.words->len + 1);
    for (uint32_t i = 0; i < c->run.words->len; i++)
        c->words[i] = g_array_index(c->run.words, system_double, i).value;
    if (level_of(c->run.pstate) < SYSTEM_EL3 && spsr < c->registers->len &&
        elr < c->registers->len) { /* the monitor enters by ERET */
        c->sys[spsr] = c->run.pstate;
        c->sys[elr] = c->run.pc;
    }
}

/* "el1+0x200" */
static uint64_t read_vector(runner *r, unsigned line, const char *text)
{
    if (strncmp(text, "el", 2) || text[2] < '1' || text[2] > '3' || text[3] != '+')
        system_refuse(r->path, line, "expected a vector, elN+0xNNN");
    return (uint64_t)(text[2] - '0') << 12 | system_number(r->path, line, text + 4);
}

static void read_after(runner *r, written_case *c, unsigned line, const char *name, uint64_t value)
{
    uint32_t i = find_register(c, name);
    uint64_t n;

    if (*name == '@') {
        i = find_word(c, system_number(r->path, line, name + 1));
        if (i == c->run.words->len)
            system_refuse(r->path, line, "a word of memory that the case does not set");
        c->words[i] = value;
    } else if (*name == 'x' && g_ascii_string_to_unsigned(name + 1, 10, 0, 30, &n, NULL)) {
        c->x[n] = value;
    } else if (i < c->registers->len) {
        c->sys[i] = value;
    } else {
        system_refuse(r->path, line, "the processor has no such register");
    }
}

static void read_items(runner *r, written_case *c, unsigned line, char *text, bool after)
{
    g_auto(GStrv) items = NULL;
    size_t n = strlen(text);

    if (n < 2 || text[0] != '{' || text[n - 1] != '}')
        system_refuse(r->path, line, "expected '{ NAME: VALUE, ... }'");
    text[n - 1] = 0;
    items = g_strsplit(g_strstrip(text + 1), ", ", 0);
    for (char **item = items; *item; item++) {
        g_auto(GStrv) words = g_strsplit(*item, ": ", 2);

        if (g_strv_length(words) != 2)
            system_refuse(r->path, line, "expected 'NAME: VALUE'");
        if (!strcmp(words[0], "to") && after) {
            c->to = read_vector(r, line, words[1]);
            continue;
        }
        (after ? read_after : read_before)(r, c, line, words[0],
                                           system_number(r->path, line, words[1]));
    }
}

static void read_code(runner *r, written_case *c, unsigned line, char *text)
{
    char *equals = strrchr(text, '=');
    uint64_t word;

    if (!equals || c->run.n_code == SYSTEM_MAX_CODE ||
        !g_ascii_string_to_unsigned(g_strstrip(equals + 1), 16, 0, UINT32_MAX, &word, NULL))
        system_refuse(r->path, line, "expected 'code: TEXT = WORD'");
    c->run.code[c->run.n_code++] = (uint32_t)word;
}

static void read_line(runner *r, char *line, unsigned number)
{
    written_case *c = r->cases->len ? r->cases->pdata[r->cases->len - 1] : NULL;
    char *colon = strchr(line, ':'), *value;

    if (*line == '#' || !*g_strchomp(line))
        return;
    if (!colon)
        system_refuse(r->path, number, "expected 'name: value'");
    *colon = 0;
    value = g_strstrip(colon + 1);
    if (!strcmp(line, "case")) {
        if (c && !c->has_after)
            system_refuse(r->path, number, "the case before has no 'after:'");
        g_ptr_array_add(r->cases, case_new(value, number));
    } else if (!c || c->has_after) {
        system_refuse(r->path, number, "expected 'case:' first");
    } else if (!strcmp(line, "  cpu") && !c->model) {
        set_model(r, c, value);
    } else if (!strcmp(line, "  code") && c->model) {
        read_code(r, c, number, value);
    } else if (!strcmp(line, "  before") && c->model && !c->sys) {
        read_items(r, c, number, value, false);
        begin_after(c);
    } else if (!strcmp(line, "  after") && c->sys) {
        read_items(r, c, number, value, true);
        c->has_after = true;
    } else {
        system_refuse(r->path, number, "expected case, cpu, code, before and after, in this order");
    }
}

/* ---- comparing ------------------------------------------------------------------------------------------- */

static void differ(GString *text, const char *name, uint64_t found, uint64_t expected)
{
    if (found != expected)
        g_string_append_printf(
            text, "  %s is %#" G_GINT64_MODIFIER "x, expected %#" G_GINT64_MODIFIER "x\n", name,
            found, expected);
}

/* Registers that the monitor's own entry into EL3 changes, when the case ended below. */
static bool monitors_own(const written_case *c, const char *name)
{
    return c->run.after.to >> 12 < SYSTEM_EL3 &&
           (!strcmp(name, "spsr_el3") || !strcmp(name, "elr_el3") || !strcmp(name, "esr_el3"));
}

static void compare(runner *r, const written_case *c)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const system_state *found = &c->run.after;

    if (found->to != c->to)
        g_string_append_printf(text, "  ended at el%u+0x%03x, expected el%u+0x%03x\n",
                               (unsigned)(found->to >> 12), (unsigned)found->to & 0xfff,
                               (unsigned)(c->to >> 12), (unsigned)c->to & 0xfff);
    for (int i = 0; i < 31; i++) {
        g_autofree char *name = g_strdup_printf("x%d", i);

        differ(text, name, found->x[i], c->x[i]);
    }
    for (uint32_t i = 0; i < c->registers->len; i++) {
        const system_register *reg = c->registers->pdata[i];

        if (!monitors_own(c, reg->name))
            differ(text, reg->name, found->sys[i], c->sys[i]);
    }
    for (uint32_t i = 0; i < c->run.words->len; i++) {
        uint64_t address = g_array_index(c->run.words, system_double, i).address;
        g_autofree char *name = g_strdup_printf("@%#" G_GINT64_MODIFIER "x", address);

        differ(text, name, found->words[i], c->words[i]);
    }
    if (text->len == 0) {
        r->passed++;
        return;
    }
    if (++r->failed <= MOST_REPORTS)
        printf("%s:%u: %s, %s\n%s", r->path, c->line, c->title, c->model, text->str);
}

/* ---- running --------------------------------------------------------------------------------------------- */

/* Runs the cases of a model together; false: the machine got lost. */
static bool run_model(runner *r, const char *model)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new(), runs = g_ptr_array_new();

    for (uint32_t i = 0; i < r->cases->len; i++) {
        written_case *c = r->cases->pdata[i];

        if (!strcmp(c->model, model)) {
            g_ptr_array_add(chosen, c);
            g_ptr_array_add(runs, &c->run);
        }
    }
    if (chosen->len == 0)
        return true;
    if (!system_run_cases(r->files, model, g_hash_table_lookup(r->registers, model),
                          (system_case **)runs->pdata, runs->len)) {
        r->failed += chosen->len;
        return false;
    }
    for (uint32_t i = 0; i < chosen->len; i++)
        compare(r, chosen->pdata[i]);
    return true;
}

static void run_file(runner *r, const char *path)
{
    g_auto(GStrv) lines = system_read_lines(path);
    GHashTableIter iter;
    void *model;

    r->path = path;
    g_ptr_array_set_size(r->cases, 0);
    for (unsigned i = 0; lines[i]; i++)
        read_line(r, lines[i], i + 1);
    g_hash_table_iter_init(&iter, r->registers);
    while (g_hash_table_iter_next(&iter, &model, NULL))
        if (!run_model(r, model))
            fprintf(stderr, "%s: the cases of %s did not run\n", path, (const char *)model);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func(case_free);
    g_autoptr(GHashTable) registers =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    runner r = { .cases = cases, .registers = registers };
    system_files *files;
    int first = argc > 2 && !strcmp(argv[1], "--accel") ? 3 : 1;

    if (argc < first + 2) {
        fprintf(stderr, "usage: run_system [--accel ACCELERATOR] FOLDER FILE...\n");
        return 2;
    }
    r.files = files = system_files_new(argv[first]);
    if (first > 1)
        files->accel = argv[2];
    for (int i = first + 1; i < argc; i++)
        run_file(&r, argv[i]);
    printf("%u passed, %u failed\n", r.passed, r.failed);
    system_files_free(files);
    return r.failed || !r.passed;
}
