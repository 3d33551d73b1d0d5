/*
 * What those who look at the cache see: core/tc/watch.c, perf.c, gdb.c and hot.c.
 */
#include "bench.h"

#include <core/tc/seeing.h>
#include <core/tc/watch.h>
#include <elf.h>
#include <inttypes.h>
#include <unistd.h>

static void begin(const pb_seeing_options *options)
{
    g_autoptr(GError) error = NULL;

    CU_ASSERT_FATAL(pb_seeing_begin(options, &error));
}

static void end(void)
{
    g_autoptr(GError) error = NULL;

    CU_ASSERT(pb_seeing_end(&error));
}

static void nothing(void)
{
    bench b;

    bench_open(&b, 1 << 20);
    bench_make(&b, 0x1000, 0, 0);
    CU_ASSERT_PTR_NULL(b.tc->watch);
    bench_close(&b);
}

/* ---- perf ------------------------------------------------------------------------------------------------ */

static char *make_folder(void)
{
    char *folder = g_dir_make_tmp("seeing-XXXXXX", NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
    return folder;
}

static void map(void)
{
    g_autofree char *folder = make_folder();
    g_autofree char *name = g_build_filename(folder, "map", NULL);
    g_autofree char *text = NULL, *wanted = NULL;
    bench b;
    pb_tc_unit *u;

    begin(&(pb_seeing_options){ .perf_map = name });
    bench_open(&b, 1 << 20);
    u = bench_make(&b, 0x1010, 0, 0);
    wanted =
        g_strdup_printf("%" PRIxPTR " %x thunks\n%" PRIxPTR " %x 0x1010\n", (uintptr_t)b.thunks.rx,
                        PB_CODEGEN_THUNK_BYTES, (uintptr_t)u->code, u->bytes);
    bench_close(&b);
    end();
    CU_ASSERT_FATAL(g_file_get_contents(name, &text, NULL, NULL));
    CU_ASSERT_STRING_EQUAL(text, wanted);
    unlink(name);
    rmdir(folder);
}

static uint32_t word(const char *data, size_t at)
{
    uint32_t value;

    memcpy(&value, data + at, 4);
    return value;
}

static uint64_t longword(const char *data, size_t at)
{
    uint64_t value;

    memcpy(&value, data + at, 8);
    return value;
}

/* The last record is the unit's; jitdump-specification.txt. */
static void dump(void)
{
    g_autofree char *folder = make_folder();
    g_autofree char *name = g_strdup_printf("%s/jit-%ld.dump", folder, (long)getpid());
    g_autofree char *data = NULL, *code = NULL;
    size_t bytes = 0, at;
    uint64_t place;
    uint32_t count;
    bench b;
    pb_tc_unit *u;

    begin(&(pb_seeing_options){ .jitdump = folder });
    bench_open(&b, 1 << 20);
    u = bench_make(&b, 0x1010, 0, 0);
    place = (uintptr_t)u->code;
    count = u->bytes;
    code = g_memdup2(u->code, count);
    bench_close(&b);
    end();
    CU_ASSERT_FATAL(g_file_get_contents(name, &data, &bytes, NULL));
    CU_ASSERT_EQUAL(word(data, 0), 0x4a695444);
    CU_ASSERT_EQUAL(word(data, 4), 1);
    CU_ASSERT_EQUAL(word(data, 8), 40);
    CU_ASSERT_EQUAL(word(data, 20), (uint32_t)getpid());
    at = 40 + word(data, 44); /* behind the thunks */
    CU_ASSERT_EQUAL_FATAL(bytes, at + word(data, at + 4));
    CU_ASSERT_EQUAL_FATAL(word(data, at + 4), 56 + 7 + count);
    CU_ASSERT_EQUAL(word(data, at), 0);
    CU_ASSERT_EQUAL(longword(data, at + 24), place);
    CU_ASSERT_EQUAL(longword(data, at + 32), place);
    CU_ASSERT_EQUAL(longword(data, at + 40), count);
    CU_ASSERT_EQUAL(longword(data, at + 48), 1);
    CU_ASSERT_STRING_EQUAL(data + at + 56, "0x1010");
    CU_ASSERT_EQUAL(memcmp(data + at + 56 + 7, code, count), 0);
    unlink(name);
    rmdir(folder);
}

static void bad_files(void)
{
    g_autoptr(GError) error = NULL, second = NULL, third = NULL;
    bench b;

    CU_ASSERT_FALSE(pb_seeing_begin(&(pb_seeing_options){ .perf_map = "/nowhere/map" }, &error));
    CU_ASSERT_PTR_NOT_NULL(error);
    end();
    CU_ASSERT_FALSE(pb_seeing_begin(&(pb_seeing_options){ .jitdump = "/nowhere" }, &second));
    CU_ASSERT_PTR_NOT_NULL(second);
    end();
    begin(&(pb_seeing_options){ .perf_map = "/dev/full" });
    bench_open(&b, 1 << 20);
    bench_close(&b);
    CU_ASSERT_FALSE(pb_seeing_end(&third));
    CU_ASSERT_PTR_NOT_NULL(third);
}

/* ---- debuggers ------------------------------------------------------------------------------------------- */

/* "Debugging with GDB", 30.1. */
struct jit_entry {
    const struct jit_entry *next, *prev;
    const char *file;
    uint64_t bytes;
};

extern struct {
    uint32_t version, action;
    const struct jit_entry *relevant, *first;
} __jit_debug_descriptor;

static uint32_t count_objects(void)
{
    uint32_t n = 0;

    for (const struct jit_entry *e = __jit_debug_descriptor.first; e; e = e->next) {
        CU_ASSERT(!e->next || e->next->prev == e);
        n++;
    }
    return n;
}

static const Elf64_Shdr *section(const struct jit_entry *e, uint32_t type)
{
    const Elf64_Ehdr *head = (const void *)e->file;
    const Elf64_Shdr *sections = (const void *)(e->file + head->e_shoff);

    CU_ASSERT_EQUAL_FATAL(memcmp(e->file, ELFMAG, SELFMAG), 0);
    for (unsigned i = 0; i < head->e_shnum; i++) {
        if (sections[i].sh_type == type)
            return &sections[i];
    }
    return NULL;
}

/* Append what the objects call the code, and count names. */
static uint32_t find_names(const uint8_t *code, uint32_t bytes, GString *text)
{
    uint32_t count = 0;

    for (const struct jit_entry *e = __jit_debug_descriptor.first; e; e = e->next) {
        const Elf64_Shdr *table = section(e, SHT_SYMTAB), *names = section(e, SHT_STRTAB),
                         *code_of = section(e, SHT_NOBITS);
        const Elf64_Sym *symbols = (const void *)(e->file + table->sh_offset);

        for (unsigned i = 1; i < table->sh_size / sizeof(*symbols); i++) {
            CU_ASSERT(symbols[i].st_value + symbols[i].st_size <= code_of->sh_size);
            count++;
            if (code_of->sh_addr + symbols[i].st_value == (uintptr_t)code &&
                symbols[i].st_size == bytes)
                g_string_append_printf(text, "%s;",
                                       e->file + names->sh_offset + symbols[i].st_name);
        }
    }
    return count;
}

/* Seven units are objects of four, two and one; the eighth makes one of all. */
static void gdb(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    pb_tc_unit *u[8];
    bench b;

    begin(&(pb_seeing_options){ .gdb = true });
    bench_open(&b, 1 << 20);
    CU_ASSERT_EQUAL(count_objects(), 0);
    for (uint32_t i = 0; i < 8; i++) {
        static const uint32_t objects[] = { 1, 1, 2, 1, 2, 2, 3, 1 };

        u[i] = bench_make(&b, 0x1010 + 16 * i, 0, 0);
        CU_ASSERT_EQUAL(count_objects(), objects[i] + 1); /* and the thunks' */
        CU_ASSERT_EQUAL(find_names(u[i]->code, u[i]->bytes, text), i + 2);
    }
    CU_ASSERT_STRING_EQUAL(text->str, "0x1010;0x1020;0x1030;0x1040;0x1050;0x1060;0x1070;0x1080;");
    g_string_truncate(text, 0);
    for (uint32_t i = 0; i < 8; i++)
        find_names(u[i]->code, u[i]->bytes, text);
    CU_ASSERT_STRING_EQUAL(text->str, "0x1010;0x1020;0x1030;0x1040;0x1050;0x1060;0x1070;0x1080;");
    CU_ASSERT_EQUAL(__jit_debug_descriptor.version, 1);
    CU_ASSERT_EQUAL(__jit_debug_descriptor.action, 0);
    bench_close(&b);
    end();
    CU_ASSERT_EQUAL(count_objects(), 0);
}

/* ---- samples --------------------------------------------------------------------------------------------- */

/* Only sample() counts, not the test's own timer. */
static void open_sampled(bench *b)
{
    begin(&(pb_seeing_options){ .hot = true, .gdb = true });
    bench_open(b, 1 << 20);
    tc_hot_leave(b->tc->watch->hot);
}

static void sample(bench *b, const uint8_t *host, uint32_t times)
{
    while (times--)
        tc_hot_sample(b->tc->watch->hot, host);
}

static char *report(unsigned count)
{
    GString *text = g_string_new(NULL);

    pb_seeing_hot(count, text);
    return g_string_free(text, FALSE);
}

static void counted(void)
{
    bench b;
    pb_tc_unit *u, *v;
    uint8_t elsewhere;
    g_autofree char *text = NULL, *again = NULL;

    open_sampled(&b);
    u = bench_make(&b, 0x1000, 0, 0);
    v = bench_make(&b, 0x2000, 0, 0);
    sample(&b, u->code, 10);
    sample(&b, v->code + 20, 40);
    sample(&b, v->code + v->bytes - 1, 20);
    sample(&b, v->code + v->bytes + 64, 5); /* nothing was published there */
    sample(&b, b.thunks.rx + 8, 10);
    sample(&b, &elsewhere, 15);
    text = report(1);
    CU_ASSERT(g_str_has_prefix(text,
                               "hot units: 100 samples: 70.0% in 2 units, 10.0% in thunks, "
                               "5.0% in code executed once, 15.0% in the core and plugins\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n1. 60.0% 0x2000: 60 samples, 1 guest instructions"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " 66.7% "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " 33.3% "));
    CU_ASSERT_PTR_NULL(strstr(text, "0x1000"));
    /* What was gathered stays, and more is added to it. */
    sample(&b, v->code + 20, 100);
    again = report(5);
    CU_ASSERT_PTR_NOT_NULL(strstr(again, "hot units: 200 samples"));
    CU_ASSERT_PTR_NOT_NULL(strstr(again, "\n1. 80.0% 0x2000: 160 samples"));
    CU_ASSERT_PTR_NOT_NULL(strstr(again, "\n2. 5.0% 0x1000: 10 samples"));
    bench_close(&b);
    end();
}

/* Each instruction's code has its share, and the guest's bytes are shown. */
static void instructions(void)
{
    const pb_cpu_type cpu = { .capstone = { 1, 0 }, .insn_align = 4 }; /* CS_ARCH_ARM64 */
    static const uint8_t nop[] = { 0x1f, 0x20, 0x03, 0xd5 };
    ir_mark marks[] = { { .pc = 0x1000, .length = 4 }, { .pc = 0x1004, .length = 4 } };
    pb_code_line lines[] = { { 8, 0 }, { 24, 1 }, { 60, UINT32_MAX } };
    pb_code_job job = { .size = sizeof(job) };
    bench b;
    ir_unit ir;
    pb_tc_key key;
    pb_tc_unit *u, *other;
    g_autofree char *text = NULL;

    open_sampled(&b);
    memcpy(pb_ram_host(b.ram) + 0x1004, nop, sizeof(nop));
    ir = bench_translate(&b, 0x1000, false);
    ir.pc = 0x1000;
    ir.cpu = &cpu;
    ir.marks = marks;
    ir.n_marks = 2;
    key = bench_key(&b, 0x1000);
    CU_ASSERT_EQUAL_FATAL(b.ops->reserve(b.user, BENCH_UNIT_BYTES, &job.slice), PB_TC_ROOM);
    bench_emit(&job, 0x1000, (const uint32_t[]){ 8, 8 }, 0, 0);
    job.lines = lines;
    job.n_lines = job.max_lines = 3;
    u = b.ops->publish(b.user, &key, &ir, &job, &other);
    CU_ASSERT_PTR_NOT_NULL_FATAL(u);
    sample(&b, u->code + 2, 1);
    sample(&b, u->code + 9, 2);
    sample(&b, u->code + 24, 3);
    sample(&b, u->code + 59, 1);
    sample(&b, u->code + 60, 1);
    text = report(1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  12.5%  entry\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  25.0%  0x0000000000001000:  "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  50.0%  0x0000000000001004:  1f2003d5  nop"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  12.5%  off the main path\n"));
    bench_close(&b);
    end();
}

/* Another unit than the first one is there. */
static bool is_replaced(bench *b, const uint8_t *place)
{
    const pb_tc_unit *u = b->ops->unit_at(b->user, place);

    return u && u->key.pc != 0x1000;
}

/* Memory is used again: what was counted there keeps its unit's name. */
static void evicted(void)
{
    enum { MOST = 1 << 16 };
    bench b;
    uint32_t i;
    const uint8_t *place;
    uint32_t bytes;
    g_autofree char *text = NULL;
    g_autoptr(GString) names = g_string_new(NULL);

    open_sampled(&b);
    place = bench_make(&b, 0x1000, 0, 0)->code;
    bytes = b.ops->unit_at(b.user, place)->bytes;
    find_names(place, bytes, names);
    CU_ASSERT_STRING_EQUAL(names->str, "0x1000;");
    sample(&b, place, 7);
    for (i = 0; i < MOST && !is_replaced(&b, place); i++) {
        b.ops->quiescent(b.user);
        bench_make(&b, 0x4000 + i % 0x8000, 0, 0);
        if (i % 0x8000 == 0x7fff)
            b.ops->drop_all(b.tc);
    }
    CU_ASSERT_FATAL(i < MOST);
    g_string_truncate(names, 0);
    find_names(place, bytes, names);
    CU_ASSERT_PTR_NULL(strstr(names->str, "0x1000;"));
    CU_ASSERT_PTR_NOT_NULL(strstr(names->str, "0x"));
    sample(&b, place, 3);
    text = report(2);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "hot units: 10 samples: 100.0% in 2 units"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n1. 70.0% 0x1000: 7 samples"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n2. 30.0% 0x"));
    bench_close(&b);
    end();
}

int main(void)
{
    static const unit_case cases[] = {
        { "nothing", nothing },           { "map", map },         { "dump", dump },
        { "bad files", bad_files },       { "gdb", gdb },         { "counted", counted },
        { "instructions", instructions }, { "evicted", evicted }, { 0 },
    };

    return unit_run("tc seeing", cases);
}
