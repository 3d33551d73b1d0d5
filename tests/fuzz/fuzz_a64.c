/*
 * Random A64 code, executed by the interpreter and by another accelerator, and the whole state compared.
 *
 *     fuzz-a64 [--accel ACCELERATOR[,SETTING...]] [--seed N] [--sequences N | --seconds N] [--verbose]
 *
 * A sequence is a few dozen instructions made from the rows of cpu-arm64's decode file: fields at random, but with
 * registers that depend on each other, bases that point to memory, targets in the sequence. Between them are
 * pieces that chance does not make: loops, calls, indirect branches, changed code, data beside code, changed FP modes, pages
 * that are mapped otherwise. It runs some times with
 * other operands, at EL1 or EL0, for a number of instructions that is random too; exceptions come back behind the
 * instruction that took them. After each run all registers, the FP flags, the exclusive reservation and memory must be equal.
 *
 * All that a sequence is comes from its number, the first one's is --seed. If one differs, instructions become NOPs
 * as long as it still differs, and what is left is listed (--verbose: with the registers before). What an accelerator
 * remembers from earlier sequences can matter: if so, that is said, and only the run from the first seed on shows it again.
 *
 * By hand: --seed $RANDOM000 --seconds 600. System registers that would turn the machine's memory or time upside down are
 * left out, as are WFI and WFE, which wait for what never comes.
 */
#include "a64_random.h"
#include "one_cpu.h"

#include <core/trace/trace.h>
#include <patchbay/ir_sem.h>
#include <signal.h>
#include <unistd.h>

/* Pages of memory, which is mapped one to one but for what is said. */
enum {
    LOW = 0,      /* to be read, by literal loads too */
    CODE = 4,     /* of the sequence: two pages, that nobody writes */
    SERVICE = 8,  /* our own instructions */
    VECTORS = 10, /* exceptions to EL1 */
    TABLE = 12,   /* three levels of one page each */
    ALIAS = 16,   /* two pages: the same memory as CODE, to be written */
    DATA = 20,
    DATA_RO = 23,
    DATA_EL1 = 24,
    DATA_NONE = 25, /* not mapped */
    DATA_DEVICE = 27,
    DATA_END = 60,
    TABLE_ALIAS =
        62, /* the last level, to be written by EL1; too far from DATA for chance to come here */
    PAGES = 64
};

#define RAM           UINT64_C(0x10000000)
#define AT(page)      (RAM + 4096 * (uint64_t)(page))
#define RUNS          3      /* of a sequence, with other operands */
#define HANG_SECONDS  600    /* of the clock: the processors may have other work */
#define DIFFERENCES   40     /* told, at most */
#define PSTATE_MASKED 0x3c0u /* DAIF */
#define EL1H          5u

/* msr mair_el1, x0; msr tcr_el1, x1; msr ttbr0_el1, x2; msr cpacr_el1, x3; msr vbar_el1, x5; isb; msr sctlr_el1, x4; isb */
static const uint32_t enable_mmu[] = { 0xd518a200, 0xd5182041, 0xd5182002, 0xd5181043,
                                       0xd518c005, 0xd5033fdf, 0xd5181004, 0xd5033fdf };
/* msr fpcr, x0; msr fpsr, x1; msr spsr_el1, x2; msr elr_el1, x3; eret */
static const uint32_t enter[] = { 0xd51b4400, 0xd51b4421, 0xd5184002, 0xd5184023, 0xd69f03e0 };
/* msr tpidr_el1, x16; mrs x16, elr_el1; add x16, x16, #4; msr elr_el1, x16; mrs x16, tpidr_el1; eret */
static const uint32_t skip[] = { 0xd518d090, 0xd5384030, 0x91001210,
                                 0xd5184030, 0xd538d090, 0xd69f03e0 };
/* tlbi vmalle1; dsb ish; isb */
static const uint32_t flush[] = { 0xd508871f, 0xd5033b9f, 0xd5033fdf };
/* What chance would hardly make of MRS, MSR and SYS. x15 has what is written; x17 and x19 are addresses. */
static const uint32_t system_words[] = {
    0xd51b440f,             /* msr fpcr, x15 */
    0xd51b440f, 0xd51b420f, /* msr nzcv, x15 */
    0xd51b420f, 0xd51b442f, /* msr fpsr, x15 */
    0xd53b442e,             /* mrs x14, fpsr */
    0xd53b442e, 0xd53b420e, /* mrs x14, nzcv */
    0xd53b440e,             /* mrs x14, fpcr */
    0xd53bd04e,             /* mrs x14, tpidr_el0 */
    0xd53b002e,             /* mrs x14, ctr_el0 */
    0xd50b7433,             /* dc zva, x19 */
    0xd508871f,             /* tlbi vmalle1 */
};

typedef struct sequence {
    a64_code code;
    uint64_t start;    /* address of the first */
    uint64_t operands; /* seed of registers and memory */
    uint32_t insns;    /* to execute, in each run */
    bool el0;
    bool remaps; /* writes page tables */
} sequence;

typedef struct side {
    one_cpu *machine;
    uint8_t *initial; /* the processor's slots, all in one: as they are before a sequence */
} side;

typedef struct fuzzer {
    side judge, tested;
    const char *accel;
    bool verbose;
    uint64_t first;
    uint64_t failed;
} fuzzer;

static volatile uint64_t current; /* number of the sequence, for signals */
static uint8_t data[4096 * (DATA_END - DATA)];

/* ---- one processor --------------------------------------------------------------------------- */

static size_t slot_bytes(const pb_slot *slot)
{
    return slot->type == IR_FL ? 4 : ir_type_bits[slot->type] / 8;
}

static void *slot_of(const side *s, const pb_slot *slot)
{
    return (char *)one_cpu_vcpu(s->machine)->state + slot->offset;
}

static const pb_slot *slots_of(const side *s)
{
    return one_cpu_vcpu(s->machine)->type->slots;
}

static void set(const side *s, const char *name, int number, const void *value)
{
    g_autofree char *whole = number < 0 ? g_strdup(name) : g_strdup_printf("%s%d", name, number);

    for (const pb_slot *slot = slots_of(s); slot->name; slot++) {
        if (!strcmp(slot->name, whole)) {
            memcpy(slot_of(s, slot), value, slot_bytes(slot));
            return;
        }
    }
    g_error("the processor has no register %s", whole);
}

static void set64(const side *s, const char *name, int number, uint64_t value)
{
    set(s, name, number, &value);
}

/* Execute words of our own with x0 and following given. */
static void service(const side *s, const uint32_t *words, size_t n, const uint64_t *x, int n_x)
{
    const uint64_t at = AT(SERVICE);

    if (memcmp(one_cpu_ram(s->machine, at), words, n * sizeof(*words)))
        one_cpu_write(s->machine, at, words, n * sizeof(*words));
    for (int i = 0; i < n_x; i++)
        set64(s, "x", i, x[i]);
    set64(s, "pc", -1, at);
    one_cpu_run(s->machine, n);
}

/* 39-bit addresses, 4 KiB granule (D8.3 of DDI 0487). */
static uint64_t descriptor(unsigned page)
{
    const uint64_t normal = 0x703,
                   device = 0x707; /* AF, inner shareable, EL1 writes, EL0 nothing */
    const uint64_t el0 = 1 << 6, read_only = 1 << 7;

    if (page == DATA_NONE)
        return 0;
    if (page == DATA_DEVICE)
        return AT(page) | device | el0;
    if (page == LOW || page == CODE || page == CODE + 1 || page == DATA_RO)
        return AT(page) | normal | el0 | read_only;
    /* A table that is written without a TLBI behind it may be seen or not. */
    if (page >= SERVICE && page < ALIAS)
        return AT(page) | normal | read_only;
    if (page == TABLE_ALIAS)
        return AT(TABLE + 2) | normal;
    if (page == ALIAS || page == ALIAS + 1)
        return AT(page - ALIAS + CODE) | normal | el0;
    return AT(page) | normal | (page > ALIAS && page != DATA_EL1 ? el0 : 0);
}

static void write64(const side *s, uint64_t gpa, uint64_t value)
{
    one_cpu_write(s->machine, gpa, &value, sizeof(value));
}

/* Where in the last level the page's descriptor is. */
static uint32_t descriptor_offset(unsigned page)
{
    return (AT(page) >> 12 & 511) * 8;
}

static void make_mappings(const side *s)
{
    for (unsigned page = 0; page < PAGES; page++)
        write64(s, AT(TABLE + 2) + descriptor_offset(page), descriptor(page));
}

static void make_memory(const side *s)
{
    write64(s, AT(TABLE), AT(TABLE + 1) | 3);
    write64(s, AT(TABLE + 1) + (RAM >> 21 & 511) * 8, AT(TABLE + 2) | 3);
    make_mappings(s);
    for (unsigned vector = 0; vector < 16; vector++)
        one_cpu_write(s->machine, AT(VECTORS) + 128 * vector, skip, sizeof(skip));
    for (unsigned i = 0; i < 4096; i += 8)
        write64(s, AT(LOW) + i, i * UINT64_C(0x9e3779b97f4a7c15));
}

static bool start(side *s, const char *accel)
{
    const uint64_t x[] = {
        0xff,                   /* MAIR_EL1: attribute 0 is write-back, 1 device-nGnRnE */
        UINT64_C(0x2200803519), /* TCR_EL1: T0SZ 25, EPD1, 40 bits, TBI0 as for a user program */
        AT(TABLE),
        3 << 20,                 /* CPACR_EL1.FPEN */
        0x30d01805 | 0x0400c018, /* SCTLR_EL1: M, C, I; SA, SA0, and what EL0 may: UCI, UCT, DZE */
        AT(VECTORS),
    };
    size_t bytes = 0;

    s->machine = one_cpu_new("arm64/max", accel, NULL, RAM, 4096 * PAGES);
    if (!s->machine)
        return false;
    make_memory(s);
    service(s, enable_mmu, G_N_ELEMENTS(enable_mmu), x, G_N_ELEMENTS(x));
    for (const pb_slot *slot = slots_of(s); slot->name; slot++)
        bytes = MAX(bytes, slot->offset + slot_bytes(slot));
    s->initial = g_memdup2(one_cpu_vcpu(s->machine)->state, bytes);
    return true;
}

/* ---- instructions ---------------------------------------------------------------------------- */

bool a64_has_feature(const a64_ctx *c, a64_feature feature)
{
    return true;
}

/* Another page or other rights where data are: str x14, [x17]; dsb ish; tlbi; dsb ish; isb. */
static void add_remap(a64_code *c, void *opaque)
{
    static const uint32_t flushes[] = {
        0xd508831f, 0xd508871f, /* tlbi vmalle1is, vmalle1 */
        0xd5088330, 0xd5088730, /* vae1is, vae1, x16 */
        0xd5088370, 0xd5088770, /* vaae1is, vaae1 */
        0xd50883b0, 0xd50887b0, /* vale1is, vale1 */
    };
    sequence *s = opaque;
    const uint32_t first = c->n, page = DATA + random_below(9);
    uint64_t value = descriptor(DATA + random_below(9));

    if (has_changed(c, first, 11))
        return;
    if (random_below(3) == 0) /* rights alone: AP[2:1] */
        value = descriptor(page) ^ random_below(4) << 6;
    add_constant(c, 14, (uint32_t)value);
    add_constant(c, 16, (uint32_t)(AT(page) >> 12));
    add_constant(c, 17, (uint32_t)(AT(TABLE_ALIAS) + descriptor_offset(page)));
    add(c, 0xf900022e);
    add(c, 0xd5033b9f);
    add(c, flushes[random_below(G_N_ELEMENTS(flushes))]);
    add(c, 0xd5033b9f);
    add(c, 0xd5033fdf);
    make_group(c, first);
    s->remaps = true;
}

static void make_sequence(sequence *s, uint64_t number)
{
    const a64_pieces pieces = { system_words, G_N_ELEMENTS(system_words), add_remap, s,
                                A64_B_SELF };
    uint32_t length;

    random_state = number;
    random_state = random_bits();
    length = random_length();
    *s = (sequence){ .el0 = random_below(3) == 0, .insns = 60 + random_below(800) };
    s->start = AT(CODE) + 64 +
               (random_below(3) ? random_below(64) * 64 : 4096 - 64 - random_below(8) * 32);
    s->operands = random_bits();
    make_pieces(&s->code, length, &pieces);
}

/* ---- operands -------------------------------------------------------------------------------- */

static uint64_t random_address(void)
{
    uint64_t at = AT(DATA + random_below(3));

    switch (random_below(8)) {
    case 0:
        return AT(DATA + random_below(9)) + 4096 - random_below(40);
    case 1:
        return at + random_below(4096);
    case 2:
        return AT(DATA + random_below(9)) + random_below(256) * 16;
    case 3:
        return at | random_bits() << 56;
    default:
        return at + random_below(256) * 16;
    }
}

/* At EL1, the MMU on. */
static void restore(const side *s)
{
    for (const pb_slot *slot = slots_of(s); slot->name; slot++)
        if (strcmp(slot->name, "fpcr") && strcmp(slot->name, "qc")) /* FP modes are elsewhere too */
            memcpy(slot_of(s, slot), s->initial + slot->offset, slot_bytes(slot));
}

static void set_operands(const side *s, const sequence *q)
{
    uint64_t fp[] = { random_fpcr(), random_below(4) ? 0 : random_bits() & 0x0800009f,
                      q->el0 ? PSTATE_MASKED : PSTATE_MASKED | EL1H, q->start };
    uint32_t flags = (uint32_t)ir_sem_unpack_nzcv((uint32_t)random_below(16));

    restore(s);
    service(s, enter, G_N_ELEMENTS(enter), fp, G_N_ELEMENTS(fp));
    for (int i = 0; i < 31; i++) {
        uint64_t value = random_number();

        if (i >= 10 && i < 14)
            value = random_below(4) ? random_below(64) * 8 : random_below(8);
        else if (i == 15)
            value = random_fpcr() | random_bits() << 28;
        else if (i >= 19 && i < 28)
            value = random_address();
        else if (i == 28)
            value = q->start - AT(CODE) + AT(ALIAS);
        else if (i == 30)
            value = q->start + 4 * whole_word(&q->code);
        set64(s, "x", i, value);
    }
    for (int i = 0; i < 32; i++) {
        pb_u128 value = random_vector();

        set(s, "v", i, &value);
    }
    set64(s, "sp", -1, random_below(8) ? random_address() & ~UINT64_C(15) : random_address());
    set(s, "nzcv", -1, &flags);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void fill_data(uint64_t seed)
{
    random_state = seed;
    for (size_t i = 0; i < sizeof(data); i += 8) {
        uint64_t value = i < 4096 * 3 ? random_number() : i * UINT64_C(0x9e3779b97f4a7c15);

        memcpy(data + i, &value, sizeof(value));
    }
}

static void execute(const side *s, const sequence *q, uint32_t run)
{
    if (run == 0) {
        fill_data(q->operands);
        one_cpu_write(s->machine, AT(DATA), data, sizeof(data));
        one_cpu_write(s->machine, q->start, q->code.words, q->code.n * sizeof(*q->code.words));
    }
    if (q->remaps) {
        make_mappings(s);
        restore(s);
        service(s, flush, G_N_ELEMENTS(flush), NULL, 0);
    }
    random_state = q->operands + run + 1;
    set_operands(s, q);
    one_cpu_run(s->machine, q->insns);
}

static void tell(GString *text, const char *name, const void *a, const void *b, size_t bytes)
{
    g_string_append_printf(text, "  %-10s", name);
    for (int which = 0; which < 2; which++) {
        const uint8_t *at = which ? b : a;

        g_string_append(text, which ? " / " : " ");
        for (size_t i = bytes; i-- > 0;)
            g_string_append_printf(text, "%02x", at[i]);
    }
    g_string_append_c(text, '\n');
}

/* How often the two differ; told if there is a text. */
static unsigned compare_cpus(const fuzzer *f, GString *text)
{
    pb_vcpu *a = one_cpu_vcpu(f->judge.machine), *b = one_cpu_vcpu(f->tested.machine);
    unsigned n = 0;

#define COMPARE(name, one, other)                             \
    if (memcmp(&(one), &(other), sizeof(one)) && ++n && text) \
    tell(text, name, &(one), &(other), sizeof(one))
    for (const pb_slot *slot = a->type->slots; slot->name; slot++) {
        const void *one = slot_of(&f->judge, slot), *other = slot_of(&f->tested, slot);

        if (memcmp(one, other, slot_bytes(slot)) && ++n && text)
            tell(text, slot->name, one, other, slot_bytes(slot));
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(a->fp); i++) {
        uint32_t one = a->fp[i].flags & PB_FP_IEEE_FLAGS, other = b->fp[i].flags & PB_FP_IEEE_FLAGS;

        COMPARE("FP flags", one, other);
    }
    COMPARE("retired", a->retired, b->retired);
    COMPARE("exclusive", a->exclusive_bytes, b->exclusive_bytes);
    if (a->exclusive_bytes && b->exclusive_bytes) {
        COMPARE("its gva", a->exclusive_gva, b->exclusive_gva);
        COMPARE("its gpa", a->exclusive_gpa, b->exclusive_gpa);
        COMPARE("its value", a->exclusive_value, b->exclusive_value);
    }
#undef COMPARE
    return n;
}

static unsigned compare_memory(const fuzzer *f, GString *text)
{
    const uint8_t *a = one_cpu_ram(f->judge.machine, RAM), *b = one_cpu_ram(f->tested.machine, RAM);
    unsigned n = 0;

    if (!memcmp(a, b, 4096 * PAGES))
        return 0;
    for (size_t i = 0; i < 4096 * PAGES; i += 8) {
        g_autofree char *name = NULL;

        if (!memcmp(a + i, b + i, 8) || ++n > DIFFERENCES || !text)
            continue;
        name = g_strdup_printf("%08" PRIx64, RAM + i);
        tell(text, name, a + i, b + i, 8);
    }
    return n;
}

static void tell_registers(const fuzzer *f, GString *text)
{
    for (const pb_slot *slot = slots_of(&f->judge); slot->name; slot++)
        if (!strcmp(slot->group, "general") || !strcmp(slot->group, "vector"))
            tell(text, slot->name, slot_of(&f->judge, slot), slot_of(&f->tested, slot),
                 slot_bytes(slot));
}

/* Memory of the one that is tested becomes the judge's, so that one difference does not make others. */
static void make_equal(const fuzzer *f)
{
    one_cpu_write(f->tested.machine, RAM, one_cpu_ram(f->judge.machine, RAM), 4096 * PAGES);
}

/* Execute on both; whether they differ. Stops behind the run with the difference. */
static bool differs(const fuzzer *f, const sequence *q, GString *text)
{
    for (uint32_t run = 0; run < RUNS; run++) {
        execute(&f->judge, q, run);
        execute(&f->tested, q, run);
        if (compare_cpus(f, NULL) + compare_memory(f, NULL) == 0)
            continue;
        if (text) {
            g_string_append_printf(text, "run %u, interp / %s:\n", run, f->accel);
            compare_cpus(f, text);
            compare_memory(f, text);
        }
        if (text && f->verbose) {
            g_string_append(text, "before it:\n");
            random_state = q->operands + run + 1;
            set_operands(&f->judge, q);
            random_state = q->operands + run + 1;
            set_operands(&f->tested, q);
            tell_registers(f, text);
        }
        make_equal(f);
        return true;
    }
    return false;
}

/* ---- a difference ---------------------------------------------------------------------------- */

/* Make a NOP of the word, or of its whole group; whether that changes something. */
static bool make_nop(a64_code *s, uint32_t at)
{
    uint8_t group = s->groups[at];
    bool change = s->words[at] != A64_NOP;

    s->words[at] = A64_NOP;
    for (uint32_t i = 0; group && i < s->n; i++)
        if (s->groups[i] == group)
            s->words[i] = A64_NOP;
    return change;
}

/* Make NOPs of as much as possible, pieces of falling size first. */
static void shrink(const fuzzer *f, sequence *q)
{
    bool smaller = true;

    for (uint32_t piece = q->code.n / 2; piece > 0; piece = smaller && piece == 1 ? 1 : piece / 2) {
        smaller = false;
        for (uint32_t at = 0; at + 1 < q->code.n; at += piece) {
            sequence less = *q;
            bool change = false;

            for (uint32_t i = at; i < MIN(at + piece, q->code.n - 1); i++)
                change |= make_nop(&less.code, i);
            alarm(HANG_SECONDS);
            if (change && differs(f, &less, NULL)) {
                *q = less;
                smaller = true;
            }
        }
    }
}

static void list(const fuzzer *f, const sequence *q, GString *text)
{
    bool gap = false;

    for (uint32_t i = 0; i < q->code.n; i++) {
        if (q->code.words[i] == A64_NOP) {
            gap = true;
            continue;
        }
        if (gap)
            g_string_append(text, "  ...\n");
        gap = false;
        pb_trace_disassemble(one_cpu_vcpu(f->judge.machine)->type, q->start + 4 * (uint64_t)i,
                             (const uint8_t *)&q->code.words[i], 4, text);
    }
}

static void report(fuzzer *f, const sequence *q, uint64_t number, const char *first)
{
    g_autoptr(GString) text = g_string_new(NULL);
    sequence small = *q;

    f->failed++;
    printf("sequence %" PRIu64 " differs, %s, %u instructions\n", number, q->el0 ? "EL0" : "EL1",
           q->insns);
    if (!differs(f, q, NULL)) {
        printf(
            "not when it is executed once more: %s remembers something; sequences began at %" PRIu64
            "\n%s",
            f->accel, f->first, first);
        list(f, q, text);
    } else {
        shrink(f, &small);
        list(f, &small, text);
        differs(f, &small, text);
    }
    printf("%s\n", text->str);
    fflush(stdout);
}

static void fuzz_one(fuzzer *f, uint64_t number)
{
    g_autoptr(GString) text = g_string_new(NULL);
    sequence q;

    current = number;
    alarm(HANG_SECONDS);
    make_sequence(&q, number);
    if (differs(f, &q, text))
        report(f, &q, number, text->str);
}

/* A crash or a hang: name the sequence, then die of it. */
static void on_signal(int signal_number)
{
    char text[100];
    int n = snprintf(text, sizeof(text), "signal %d in sequence %" PRIu64 "\n", signal_number,
                     (uint64_t)current);

    if (write(STDERR_FILENO, text, (size_t)n) != n)
        _exit(2);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

int main(int argc, char **argv)
{
    static const int signals[] = { SIGALRM, SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    gint64 seed = 1, sequences = 1000, seconds = 0;
    g_autofree char *accel = NULL;
    gboolean verbose = false;
    const GOptionEntry options[] = {
        { "accel", 0, 0, G_OPTION_ARG_STRING, &accel, "What is tested",
          "ACCELERATOR[,SETTING...]" },
        { "seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Number of the first sequence", "N" },
        { "sequences", 0, 0, G_OPTION_ARG_INT64, &sequences, "How many", "N" },
        { "seconds", 0, 0, G_OPTION_ARG_INT64, &seconds, "Until so much time is over instead",
          "N" },
        { "verbose", 0, 0, G_OPTION_ARG_NONE, &verbose, "List the registers before a difference",
          NULL },
        { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    fuzzer f = { 0 };
    gint64 end;
    uint64_t done = 0;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        fprintf(stderr, "%s\n", error ? error->message : "there are no arguments but options");
        return 2;
    }
    f.accel = accel ? accel : "jit";
    f.verbose = verbose;
    f.first = (uint64_t)seed;
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
        signal(signals[i], on_signal);
    if (!start(&f.judge, "interp") || !start(&f.tested, f.accel))
        return 2;
    end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    for (; seconds ? g_get_monotonic_time() < end : done < (uint64_t)sequences; done++)
        fuzz_one(&f, f.first + done);
    alarm(0);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", done - f.failed, f.failed);
    one_cpu_free(f.judge.machine);
    one_cpu_free(f.tested.machine);
    g_free(f.judge.initial);
    g_free(f.tested.initial);
    return f.failed || !done;
}
