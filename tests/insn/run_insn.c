/*
 * Executes the instruction cases of a file (README.md) on the arm64/max processor under the interpreter or another
 * accelerator, and compares the whole state with what the case says.
 *
 *     run_insn [--accel ACCELERATOR[,SETTING...]] FILE...
 *
 * The processor runs at EL1 with an identity map, so that memory is normal memory, as for a user program.
 */
#include "one_cpu.h"

#include <patchbay/ir_sem.h>
/* README.md: where things are. */
#define RAM        UINT64_C(0x10000000)
#define RAM_BYTES  (UINT64_C(1) << 20)
#define LOW        UINT64_C(0x10000000) /* read by literal loads */
#define CODE       UINT64_C(0x10001000)
#define DATA       UINT64_C(0x10002000)
#define DATA_BYTES 4096
#define SERVICE    UINT64_C(0x10011000) /* our own instructions */
#define TABLE      UINT64_C(0x10012000)
#define MAX_CODE   4

/* msr mair_el1, x0; msr tcr_el1, x1; msr ttbr0_el1, x2; msr cpacr_el1, x3; isb; msr sctlr_el1, x4; isb */
static const uint32_t enable_mmu[] = { 0xd518a200, 0xd5182041, 0xd5182002, 0xd5181043,
                                       0xd5033fdf, 0xd5181004, 0xd5033fdf };
/* msr fpcr, x0; msr fpsr, x1 */
static const uint32_t write_fp[] = { 0xd51b4400, 0xd51b4421 };
/* mrs x0, fpsr; mrs x1, fpcr */
static const uint32_t read_fp[] = { 0xd53b4420, 0xd53b4401 };

/* Everything that a case can name. */
typedef struct state {
    uint64_t x[31], sp, pc, nzcv, fpcr, fpsr;
    pb_u128 v[32];
    uint8_t data[DATA_BYTES];
} state;

typedef struct runner {
    one_cpu *machine;
    const char *file;
    unsigned line; /* of the stanza's first line */
    char *title;
    uint32_t code[MAX_CODE];
    unsigned n_code;
    state before, after;
    bool has_before, has_after;
    unsigned passed, failed;
} runner;

/* ---- the processor ------------------------------------------------------------------------------------- */

static void *slot(runner *r, const char *name)
{
    pb_vcpu *vcpu = one_cpu_vcpu(r->machine);

    for (const pb_slot *s = vcpu->type->slots; s->name; s++)
        if (!strcmp(s->name, name))
            return (char *)vcpu->state + s->offset;
    g_error("the processor has no register %s", name);
}

static void *numbered(runner *r, char letter, int n)
{
    char name[8];

    g_snprintf(name, sizeof(name), "%c%d", letter, n);
    return slot(r, name);
}

static void set64(runner *r, const char *name, uint64_t value)
{
    memcpy(slot(r, name), &value, sizeof(value));
}

static uint64_t get64(runner *r, const char *name)
{
    uint64_t value;

    memcpy(&value, slot(r, name), sizeof(value));
    return value;
}

/* Execute words of our own with x0 to x4 given. */
static void service(runner *r, const uint32_t *words, size_t n, const uint64_t *x, int n_x)
{
    one_cpu_write(r->machine, SERVICE, words, n * sizeof(*words));
    for (int i = 0; i < n_x; i++)
        memcpy(numbered(r, 'x', i), &x[i], sizeof(x[i]));
    set64(r, "pc", SERVICE);
    one_cpu_run(r->machine, n);
}

/* 39-bit addresses, 4 KiB granule (D8.3 of DDI 0487): RAM one to one as normal memory. The data is open to EL0 too, for
 * unprivileged loads and stores; pages with code are not, since EL1 may not execute what EL0 may write. */
static void make_tables(runner *r)
{
    const uint64_t page = 0x703; /* AF, inner shareable, attribute 0, EL1 alone */
    const uint64_t table = 3, el0 = 1 << 6;
    uint64_t entry;

    entry = (TABLE + 0x1000) | table;
    one_cpu_write(r->machine, TABLE, &entry, sizeof(entry));
    entry = (TABLE + 0x2000) | table;
    one_cpu_write(r->machine, TABLE + 0x1000 + (RAM >> 21 & 511) * 8, &entry, sizeof(entry));
    for (uint64_t gpa = RAM; gpa < RAM + RAM_BYTES; gpa += 4096) {
        entry = gpa | page | (gpa == DATA || gpa == LOW ? el0 : 0);
        one_cpu_write(r->machine, TABLE + 0x2000 + (gpa >> 12 & 511) * 8, &entry, sizeof(entry));
    }
}

/* A page's contents before each case: bytes that depend on their address alone. */
static void fill(uint8_t *bytes, uint64_t gpa)
{
    for (unsigned i = 0; i < DATA_BYTES; i++)
        bytes[i] = (uint8_t)((uint32_t)(gpa + i) * UINT32_C(2654435761) >> 24);
}

static void start(runner *r)
{
    const uint64_t x[5] = {
        0xff,                     /* MAIR_EL1: attribute 0 is write-back */
        UINT64_C(0x2200803519),   /* TCR_EL1: T0SZ 25, EPD1, 40 bits, TBI0 as for a user program */
        TABLE, UINT64_C(3) << 20, /* CPACR_EL1.FPEN */
        UINT64_C(0x30d01805) & ~UINT64_C(0x18) /* SCTLR_EL1: M, C, I; no alignment checks */
    };

    uint8_t low[DATA_BYTES];

    make_tables(r);
    service(r, enable_mmu, G_N_ELEMENTS(enable_mmu), x, 5);
    fill(low, LOW);
    one_cpu_write(r->machine, LOW, low, sizeof(low));
}

static void load_state(runner *r, const state *s)
{
    const uint64_t fp[2] = { s->fpcr, s->fpsr };
    uint32_t flags = (uint32_t)ir_sem_unpack_nzcv((uint32_t)s->nzcv);

    service(r, write_fp, G_N_ELEMENTS(write_fp), fp, 2);
    for (int i = 0; i < 31; i++)
        memcpy(numbered(r, 'x', i), &s->x[i], sizeof(s->x[i]));
    for (int i = 0; i < 32; i++)
        memcpy(numbered(r, 'v', i), &s->v[i], sizeof(s->v[i]));
    set64(r, "sp", s->sp);
    memcpy(slot(r, "nzcv"), &flags, sizeof(flags));
    one_cpu_write(r->machine, DATA, s->data, sizeof(s->data));
}

static void read_state(runner *r, state *s)
{
    uint32_t flags;

    for (int i = 0; i < 31; i++)
        memcpy(&s->x[i], numbered(r, 'x', i), sizeof(s->x[i]));
    for (int i = 0; i < 32; i++)
        memcpy(&s->v[i], numbered(r, 'v', i), sizeof(s->v[i]));
    s->sp = get64(r, "sp");
    s->pc = get64(r, "pc");
    memcpy(&flags, slot(r, "nzcv"), sizeof(flags));
    s->nzcv = ir_sem_pack_nzcv(flags);
    memcpy(s->data, one_cpu_ram(r->machine, DATA), sizeof(s->data));
    service(r, read_fp, G_N_ELEMENTS(read_fp), NULL, 0);
    s->fpsr = get64(r, "x0");
    s->fpcr = get64(r, "x1");
}

/* ---- comparing -------------------------------------------------------------------------------------------- */

static void differ(GString *text, const char *name, uint64_t found, uint64_t expected)
{
    if (found != expected)
        g_string_append_printf(
            text, "  %s is %#" G_GINT64_MODIFIER "x, expected %#" G_GINT64_MODIFIER "x\n", name,
            found, expected);
}

static void compare(const state *found, const state *expected, GString *text)
{
    char name[24];

    for (int i = 0; i < 31; i++) {
        g_snprintf(name, sizeof(name), "x%d", i);
        differ(text, name, found->x[i], expected->x[i]);
    }
    for (int i = 0; i < 32; i++) {
        g_snprintf(name, sizeof(name), "v%d[63:0]", i);
        differ(text, name, found->v[i].lo, expected->v[i].lo);
        g_snprintf(name, sizeof(name), "v%d[127:64]", i);
        differ(text, name, found->v[i].hi, expected->v[i].hi);
    }
    differ(text, "sp", found->sp, expected->sp);
    differ(text, "pc", found->pc, expected->pc);
    differ(text, "nzcv", found->nzcv, expected->nzcv);
    differ(text, "fpcr", found->fpcr, expected->fpcr);
    differ(text, "fpsr", found->fpsr, expected->fpsr);
    for (unsigned i = 0; i < DATA_BYTES; i++) {
        g_snprintf(name, sizeof(name), "@%#" G_GINT64_MODIFIER "x", DATA + i);
        differ(text, name, found->data[i], expected->data[i]);
    }
}

static void run_case(runner *r)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *log = NULL;
    state found;

    load_state(r, &r->before);
    one_cpu_write(r->machine, CODE, r->code, r->n_code * sizeof(*r->code));
    set64(r, "pc", CODE);
    one_cpu_run(r->machine, r->n_code);
    read_state(r, &found);
    log = one_cpu_take_log(r->machine);
    compare(&found, &r->after, text);
    if (text->len == 0) {
        r->passed++;
        return;
    }
    r->failed++;
    printf("%s:%u: %s (%08x)\n%s%s", r->file, r->line, r->title, r->code[r->n_code - 1], text->str,
           log);
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static G_GNUC_NORETURN void refuse(const runner *r, unsigned line, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", r->file, line, what);
    exit(2);
}

/* What registers and memory hold when a case says nothing. */
static void set_defaults(state *s)
{
    const uint64_t each_byte = UINT64_C(0x0101010101010101);

    memset(s, 0, sizeof(*s));
    for (unsigned n = 0; n < 31; n++)
        s->x[n] = (0xa0 + n) * each_byte;
    for (unsigned n = 0; n < 32; n++)
        s->v[n] = (pb_u128){ (0x40 + n) * each_byte, (0x40 + n) * each_byte };
    s->sp = DATA + DATA_BYTES / 2;
    s->pc = CODE;
    fill(s->data, DATA);
}

static bool read_number(const char *text, uint64_t max, uint64_t *value)
{
    return !strncmp(text, "0x", 2) && g_ascii_string_to_unsigned(text + 2, 16, 0, max, value, NULL);
}

static bool read_vector(const char *text, pb_u128 *value)
{
    size_t digits = strlen(text) - 2;
    g_autofree char *high = NULL;

    value->hi = 0;
    if (strncmp(text, "0x", 2))
        return false;
    if (digits <= 16)
        return read_number(text, UINT64_MAX, &value->lo);
    high = g_strndup(text + 2, digits - 16);
    return g_ascii_string_to_unsigned(high, 16, 0, UINT64_MAX, &value->hi, NULL) &&
           g_ascii_string_to_unsigned(text + digits - 14, 16, 0, UINT64_MAX, &value->lo, NULL);
}

/* "0b0110" is Z and C. */
static bool read_nzcv(const char *text, uint64_t *value)
{
    if (strncmp(text, "0b", 2) || !g_ascii_string_to_unsigned(text + 2, 2, 0, 15, value, NULL))
        return false;
    *value <<= 28;
    return true;
}

static bool read_bytes(const char *text, uint64_t gpa, state *s)
{
    size_t n = strlen(text);
    uint64_t offset = gpa - DATA;

    if (n % 2 || offset > DATA_BYTES || n / 2 > DATA_BYTES - offset)
        return false;
    for (size_t i = 0; i < n / 2; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]), low = g_ascii_xdigit_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        s->data[offset + i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* "x3: 0x10", "v0: 0x...", "nzcv: 0b0010", "@0x10002810: 00ff" */
static bool read_item(const char *name, const char *text, state *s)
{
    static const struct {
        const char *name;
        size_t offset;
        uint64_t max;
    } named[] = {
        { "sp", G_STRUCT_OFFSET(state, sp), UINT64_MAX },
        { "pc", G_STRUCT_OFFSET(state, pc), UINT64_MAX },
        { "fpcr", G_STRUCT_OFFSET(state, fpcr), UINT32_MAX },
        { "fpsr", G_STRUCT_OFFSET(state, fpsr), UINT32_MAX },
    };
    uint64_t n;

    if (*name == '@')
        return read_number(name + 1, UINT64_MAX, &n) && read_bytes(text, n, s);
    if (!strcmp(name, "nzcv"))
        return read_nzcv(text, &s->nzcv);
    for (size_t i = 0; i < G_N_ELEMENTS(named); i++)
        if (!strcmp(name, named[i].name))
            return read_number(text, named[i].max, (uint64_t *)((char *)s + named[i].offset));
    if (*name == 'x' && g_ascii_string_to_unsigned(name + 1, 10, 0, 30, &n, NULL))
        return read_number(text, UINT64_MAX, &s->x[n]);
    if (*name == 'v' && g_ascii_string_to_unsigned(name + 1, 10, 0, 31, &n, NULL))
        return read_vector(text, &s->v[n]);
    return false;
}

/* "{ x1: 0x10, nzcv: 0b0000 }" or "{}" */
static bool read_items(char *text, state *s)
{
    g_auto(GStrv) items = NULL;
    size_t n = strlen(text);

    if (n < 2 || text[0] != '{' || text[n - 1] != '}')
        return false;
    text[n - 1] = 0;
    items = g_strsplit(g_strstrip(text + 1), ", ", 0);
    for (char **item = items; *item; item++) {
        g_auto(GStrv) words = g_strsplit(*item, ": ", 2);

        if (g_strv_length(words) != 2 || !read_item(words[0], words[1], s))
            return false;
    }
    return true;
}

static void finish_case(runner *r)
{
    if (!r->title)
        return;
    if (!r->n_code || !r->has_before || !r->has_after)
        refuse(r, r->line, "a case has code, before and after");
    run_case(r);
    g_clear_pointer(&r->title, g_free);
    r->n_code = 0;
    r->has_before = r->has_after = false;
}

static void read_line(runner *r, char *line, unsigned number)
{
    char *colon = strchr(line, ':'), *value;
    uint64_t word;

    if (*line == '#' || !*g_strchomp(line))
        return;
    if (!colon)
        refuse(r, number, "expected 'name: value'");
    *colon = 0;
    value = g_strstrip(colon + 1);
    if (!strcmp(line, "case")) {
        finish_case(r);
        r->title = g_strdup(value);
        r->line = number;
    } else if (!r->title) {
        refuse(r, number, "expected 'case:' first");
    } else if (!strcmp(line, "  code")) {
        char *equals = strrchr(value, '=');

        if (!equals || r->n_code == MAX_CODE ||
            !g_ascii_string_to_unsigned(g_strstrip(equals + 1), 16, 0, UINT32_MAX, &word, NULL))
            refuse(r, number, "expected 'code: TEXT = WORD', at most four");
        r->code[r->n_code++] = (uint32_t)word;
    } else if (!strcmp(line, "  needs")) {
        return; /* arm64/max has them all */
    } else if (!strcmp(line, "  before")) {
        set_defaults(&r->before);
        if (!read_items(value, &r->before))
            refuse(r, number, "expected '{ REGISTER: VALUE, ... }'");
        r->after = r->before;
        r->after.pc = CODE + 4 * (uint64_t)r->n_code;
        r->has_before = true;
    } else if (!strcmp(line, "  after") && r->has_before) {
        if (!read_items(value, &r->after))
            refuse(r, number, "expected '{ REGISTER: VALUE, ... }'");
        r->has_after = true;
    } else {
        refuse(r, number, "expected case, code, needs, before and after, in this order");
    }
}

static void run_file(runner *r, const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) lines = NULL;

    r->file = path;
    if (!g_file_get_contents(path, &text, NULL, &error)) {
        fprintf(stderr, "%s\n", error->message);
        exit(2);
    }
    lines = g_strsplit(text, "\n", 0);
    for (unsigned i = 0; lines[i]; i++)
        read_line(r, lines[i], i + 1);
    finish_case(r);
}

int main(int argc, char **argv)
{
    runner *r = g_new0(runner, 1);
    const char *accel = "interp";
    int status, first = 1;

    if (argc > 2 && !strcmp(argv[1], "--accel")) {
        accel = argv[2];
        first = 3;
    }
    r->machine = one_cpu_new("arm64/max", accel, NULL, RAM, RAM_BYTES);
    if (!r->machine)
        return 2;
    start(r);
    for (int i = first; i < argc; i++)
        run_file(r, argv[i]);
    printf("%u passed, %u failed\n", r->passed, r->failed);
    status = r->failed || !r->passed;
    one_cpu_free(r->machine);
    g_free(r);
    return status;
}
