#include "system.h"
#include "one_cpu.h"

/* As tools/insn-test/monitor.S and system.py have them. */
#define RAM       UINT64_C(0x40000000)
#define RAM_BYTES (UINT64_C(64) << 20)
#define MONITOR   UINT64_C(0x40200000)
#define HEADER    UINT64_C(0x40800000)
#define VALUES    UINT64_C(0x40801000)
#define DEFAULTS  UINT64_C(0x40802000)
#define DUMP      UINT64_C(0x40803000)
#define RECORDS   UINT64_C(0x40810000)

#define LDR_X1_X0 0xf8408401u /* ldr x1, [x0], #8 */
#define STR_X1_X0 0xf8008401u /* str x1, [x0], #8 */
#define RET       0xd65f03c0u
#define MSR(reg)  (0xd5000001u | (reg)->encoding << 5) /* of x1 */
#define MRS(reg)  (0xd5200001u | (reg)->encoding << 5)

/* HEADER and records: offsets in words of 64 bits. */
enum {
    H_CASES,
    H_CASE,
    H_DEFAULTS,
    H_VALUES,
    H_DUMP,
    H_PROBES,
    H_PROBE,
    H_PSTATE,
    H_RESULT,
    H_DONE,
    H_SETUP,
    H_SETUP_VALUES
};
enum {
    R_BYTES,
    R_PSTATE,
    R_PC,
    R_SETUP,
    R_VALUES,
    R_CODE,
    R_WORDS,
    R_POKES,
    R_POKE,
    R_RESULT,
    R_X,
    R_COUNT = R_X + 31
};

/* More than the monitor needs for a case, a probe. */
#define MOST_PER_CASE  UINT64_C(10000)
#define MOST_PER_PROBE UINT64_C(500)

typedef struct image {
    one_cpu *machine;
    uint64_t at;
    bool full;
} image;

/* ---- reading --------------------------------------------------------------------------------------------- */

void system_refuse(const char *path, unsigned line, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", path, line, what);
    exit(2);
}

char **system_read_lines(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    if (g_file_get_contents(path, &text, NULL, &error))
        return g_strsplit(text, "\n", 0);
    fprintf(stderr, "%s\n", error->message);
    exit(2);
}

uint64_t system_number(const char *path, unsigned line, const char *text)
{
    uint64_t value;

    if (strncmp(text, "0x", 2) ||
        !g_ascii_string_to_unsigned(text + 2, 16, 0, UINT64_MAX, &value, NULL))
        system_refuse(path, line, "expected a hexadecimal number, 0x...");
    return value;
}

/* The words of a line: up to n, the last with all that follows. False: a comment, or nothing. */
static bool split(const char *path, unsigned number, char *line, char **words, uint32_t n)
{
    uint32_t i = 0;

    if (*line == '#' || !*g_strchomp(line))
        return false;
    for (char *at = line; i < n; i++) {
        words[i] = at += strspn(at, " ");
        at += i + 1 < n ? strcspn(at, " ") : strlen(at);
        if (at == words[i])
            system_refuse(path, number, "there is something missing");
        if (*at)
            *at++ = 0;
    }
    return true;
}

static void read_monitor(system_files *files, const char *path)
{
    g_auto(GStrv) lines = system_read_lines(path);
    char *words[3];

    for (unsigned i = 0; lines[i]; i++) {
        if (split(path, i + 1, lines[i], words, 3)) {
            system_word word = { system_number(path, i + 1, words[0]),
                                 (uint32_t)system_number(path, i + 1, words[1]) };

            g_array_append_val(files->words, word);
        }
    }
}

static void read_memory(system_files *files, const char *path)
{
    g_auto(GStrv) lines = system_read_lines(path);
    char *words[2];

    for (unsigned i = 0; lines[i]; i++) {
        if (split(path, i + 1, lines[i], words, 2)) {
            system_double word = { system_number(path, i + 1, words[0]),
                                   system_number(path, i + 1, words[1]) };

            g_array_append_val(files->doubles, word);
        }
    }
}

static void read_registers(system_files *files, const char *path)
{
    g_auto(GStrv) lines = system_read_lines(path);
    char *words[4];

    for (unsigned i = 0; lines[i]; i++) {
        if (split(path, i + 1, lines[i], words, 4)) {
            system_register reg = { g_strdup(words[0]),
                                    (uint32_t)system_number(path, i + 1, words[1]),
                                    system_number(path, i + 1, words[2]), g_strdup(words[3]) };

            g_array_append_val(files->registers, reg);
        }
    }
}

system_files *system_files_new(const char *folder)
{
    system_files *files = g_new0(system_files, 1);
    g_autofree char *monitor = g_build_filename(folder, "monitor.txt", NULL);
    g_autofree char *memory = g_build_filename(folder, "memory.txt", NULL);
    g_autofree char *registers = g_build_filename(folder, "registers.txt", NULL);

    files->accel = "interp";
    files->words = g_array_new(false, false, sizeof(system_word));
    files->doubles = g_array_new(false, false, sizeof(system_double));
    files->registers = g_array_new(false, false, sizeof(system_register));
    read_monitor(files, monitor);
    read_memory(files, memory);
    read_registers(files, registers);
    return files;
}

void system_files_free(system_files *files)
{
    for (uint32_t i = 0; i < files->registers->len; i++) {
        g_free(g_array_index(files->registers, system_register, i).name);
        g_free(g_array_index(files->registers, system_register, i).model);
    }
    g_array_free(files->words, TRUE);
    g_array_free(files->doubles, TRUE);
    g_array_free(files->registers, TRUE);
    g_free(files);
}

GPtrArray *system_registers_of(const system_files *files, const char *model)
{
    GPtrArray *own = g_ptr_array_new();

    for (uint32_t i = 0; i < files->registers->len; i++) {
        system_register *reg = &g_array_index(files->registers, system_register, i);

        if (!strcmp(reg->model, "all") || !strcmp(reg->model, model))
            g_ptr_array_add(own, reg);
    }
    return own;
}

/* ---- the image ------------------------------------------------------------------------------------------- */

static void put(image *m, uint64_t address, const void *bytes, uint64_t length)
{
    g_assert(address >= RAM && length <= RAM_BYTES && address - RAM <= RAM_BYTES - length);
    one_cpu_write(m->machine, address, bytes, length);
}

static void put64(image *m, uint64_t address, uint64_t value)
{
    put(m, address, &value, sizeof(value));
}

static const uint64_t *get(image *m, uint64_t address)
{
    return one_cpu_ram(m->machine, address);
}

/* Room among the records; sets `full` when there is none. */
static uint64_t reserve(image *m, uint64_t length)
{
    uint64_t address = m->at;

    length = (length + 7) & ~UINT64_C(7);
    if (length > RAM + RAM_BYTES - m->at) {
        m->full = true;
        return RECORDS;
    }
    m->at += length;
    return address;
}

static uint64_t add(image *m, const void *bytes, uint64_t length)
{
    uint64_t address = reserve(m, length);

    if (!m->full)
        put(m, address, bytes, length);
    return address;
}

/* A routine that writes registers, all or those in `set`, from values at x0. */
static GArray *writer(GPtrArray *registers, const bool *set)
{
    GArray *code = g_array_new(false, false, sizeof(uint32_t));
    uint32_t word;

    for (uint32_t i = 0; i < registers->len; i++) {
        if (set && !set[i])
            continue;
        word = LDR_X1_X0;
        g_array_append_val(code, word);
        word = MSR((const system_register *)registers->pdata[i]);
        g_array_append_val(code, word);
    }
    word = RET;
    g_array_append_val(code, word);
    return code;
}

static void put_routines(image *m, GPtrArray *registers)
{
    GArray *defaults = writer(registers, NULL);
    uint32_t ret = RET;
    uint64_t at = DUMP;

    put(m, DEFAULTS, defaults->data, defaults->len * sizeof(uint32_t));
    g_array_free(defaults, TRUE);
    for (uint32_t i = 0; i < registers->len; i++, at += 8) {
        const system_register *reg = registers->pdata[i];
        uint32_t pair[2] = { MRS(reg), STR_X1_X0 };

        put64(m, VALUES + 8 * (uint64_t)i, reg->reset);
        put(m, at, pair, sizeof(pair));
    }
    put(m, at, &ret, sizeof(ret));
}

/* Writes the record of a case, all but R_BYTES; gives the address of its result. */
static uint64_t put_case(image *m, const system_case *c, GPtrArray *registers, uint64_t *record)
{
    uint64_t words[R_COUNT] = { [R_PSTATE] = c->pstate, [R_PC] = c->pc };
    GArray *setup = writer(registers, c->set), *values = g_array_new(false, false, 8);

    for (uint32_t i = 0; i < registers->len; i++)
        if (c->set[i])
            g_array_append_val(values, c->sys[i]);
    words[R_SETUP] = add(m, setup->data, setup->len * sizeof(uint32_t));
    words[R_VALUES] = add(m, values->data, values->len * 8);
    words[R_CODE] = c->n_code;
    words[R_WORDS] = add(m, c->code, c->n_code * sizeof(uint32_t));
    words[R_POKES] = c->words->len;
    words[R_POKE] = add(m, c->words->data, c->words->len * sizeof(system_double));
    words[R_RESULT] = reserve(m, 8 * (32 + (uint64_t)registers->len + c->words->len));
    memcpy(&words[R_X], c->x, sizeof(c->x));
    *record = add(m, words, sizeof(words));
    g_array_free(setup, TRUE);
    g_array_free(values, TRUE);
    return words[R_RESULT];
}

static void take_result(image *m, uint64_t address, system_case *c, GPtrArray *registers)
{
    const uint64_t *at = get(m, address);

    c->after.to = *at++;
    memcpy(c->after.x, at, sizeof(c->after.x));
    at += 31;
    c->after.sys = g_memdup2(at, registers->len * sizeof(uint64_t));
    at += registers->len;
    c->after.words = g_memdup2(at, c->words->len * sizeof(uint64_t));
}

static bool open_image(image *m, const system_files *files, const char *model)
{
    static const char *const settings[] = { "has-el2=true", "has-el3=true",
                                            "reset-address=0x40200000", NULL };
    g_autofree char *type = g_strconcat("arm64/", model, NULL);

    *m = (image){ .machine = one_cpu_new(type, files->accel, settings, RAM, RAM_BYTES),
                  .at = RECORDS };
    if (!m->machine)
        return false;
    for (uint32_t i = 0; i < files->words->len; i++) {
        const system_word *word = &g_array_index(files->words, system_word, i);

        put(m, word->address, &word->value, sizeof(word->value));
    }
    for (uint32_t i = 0; i < files->doubles->len; i++) {
        const system_double *word = &g_array_index(files->doubles, system_double, i);

        put64(m, word->address, word->value);
    }
    return true;
}

static bool run_image(image *m, uint64_t most)
{
    g_autofree char *log = NULL;

    if (m->full) {
        fprintf(stderr, "there are more cases than fit into the machine's memory\n");
        return false;
    }
    if (one_cpu_run_until(m->machine, HEADER + 8 * H_DONE, most))
        return true;
    log = one_cpu_take_log(m->machine);
    fprintf(stderr,
            "%sthe monitor did not come to its end; %" G_GUINT64_FORMAT " cases were left\n", log,
            *get(m, HEADER + 8 * H_CASES));
    return false;
}

bool system_run_cases(const system_files *files, const char *model, GPtrArray *registers,
                      system_case **cases, uint32_t n)
{
    g_autofree uint64_t *results = g_new(uint64_t, n);
    uint64_t record = 0, last = 0;
    image m;
    bool done;

    if (!open_image(&m, files, model))
        return false;
    put_routines(&m, registers);
    for (uint32_t i = 0; i < n; i++, last = record) {
        results[i] = put_case(&m, cases[i], registers, &record);
        if (i == 0)
            put64(&m, HEADER + 8 * H_CASE, record);
        else
            put64(&m, last + 8 * R_BYTES, record - last);
    }
    put64(&m, HEADER + 8 * H_CASES, n);
    put64(&m, HEADER + 8 * H_DEFAULTS, DEFAULTS);
    put64(&m, HEADER + 8 * H_VALUES, VALUES);
    put64(&m, HEADER + 8 * H_DUMP, DUMP);
    done = run_image(&m, MOST_PER_CASE * (n + 1));
    for (uint32_t i = 0; done && i < n; i++)
        take_result(&m, results[i], cases[i], registers);
    one_cpu_free(m.machine);
    return done;
}

static void put_settings(image *m, const system_setting *settings, uint32_t n)
{
    GPtrArray *registers = g_ptr_array_new();
    GArray *values = g_array_new(false, false, 8), *setup;

    for (uint32_t i = 0; i < n; i++) {
        g_ptr_array_add(registers, (void *)settings[i].reg);
        g_array_append_val(values, settings[i].value);
    }
    setup = writer(registers, NULL);
    put64(m, HEADER + 8 * H_SETUP, add(m, setup->data, setup->len * sizeof(uint32_t)));
    put64(m, HEADER + 8 * H_SETUP_VALUES, add(m, values->data, values->len * 8));
    g_ptr_array_free(registers, TRUE);
    g_array_free(values, TRUE);
    g_array_free(setup, TRUE);
}

bool system_run_probes(const system_files *files, const char *model, uint64_t pstate,
                       const system_setting *settings, uint32_t n_settings, system_probe *probes,
                       uint32_t n)
{
    uint64_t code, result;
    image m;
    bool done;

    if (!open_image(&m, files, model))
        return false;
    code = reserve(&m, 16 * (uint64_t)n);
    result = reserve(&m, 24 * (uint64_t)n);
    for (uint32_t i = 0; !m.full && i < n; i++)
        put(&m, code + 16 * (uint64_t)i, probes[i].code, sizeof(probes[i].code));
    if (n_settings)
        put_settings(&m, settings, n_settings);
    put64(&m, HEADER + 8 * H_PROBES, n);
    put64(&m, HEADER + 8 * H_PROBE, code);
    put64(&m, HEADER + 8 * H_PSTATE, pstate);
    put64(&m, HEADER + 8 * H_RESULT, result);
    done = run_image(&m, MOST_PER_PROBE * (n + 1));
    for (uint32_t i = 0; done && i < n; i++) {
        const uint64_t *at = get(&m, result + 24 * (uint64_t)i);

        probes[i].to = at[0];
        probes[i].esr = at[1];
        probes[i].x0 = at[2];
    }
    one_cpu_free(m.machine);
    return done;
}
