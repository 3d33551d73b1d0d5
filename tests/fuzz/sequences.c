/*
 * Writes random A64 code for programs, with operands, to standard output: `program` of programs.h, one after another.
 *
 *     a64-sequences --seed N --sequences N
 *
 * All that a sequence is comes from its number, the first one's is --seed. fuzz_programs.py has them executed.
 */
#include "a64_random.h"
#include "programs.h"

#include <glib.h>
#include <stdio.h>

_Static_assert(A64_MOST_WORDS == MOST_WORDS, "words of a sequence");

bool a64_has_feature(const a64_ctx *c, a64_feature feature)
{
    return true;
}

/* What chance would hardly make of MRS and MSR, of registers that programs may use. */
static const uint32_t system_words[] = {
    0xd51b440f, /* msr fpcr, x15 */
    0xd51b420f, /* msr nzcv, x15 */
    0xd53b442e, /* mrs x14, fpsr */
    0xd53b420e, /* mrs x14, nzcv */
    0xd53b440e, /* mrs x14, fpcr */
};

/* FPSR gets flags: mov x14; movk x14; msr fpsr, x14. */
static void add_fpsr(a64_code *c, void *opaque)
{
    const uint32_t first = c->n;

    add_constant(c, 14, (uint32_t)random_bits() & 0x0800009f);
    add(c, 0xd51b442e);
    end_piece(c, first);
}

static void make_code(a64_code *c)
{
    const a64_pieces pieces = { system_words, G_N_ELEMENTS(system_words), add_fpsr, NULL,
                                END_WORD };

    make_pieces(c, random_length(), &pieces);
}

static uint64_t random_address(void)
{
    uint64_t page = DATA + PAGE * (uint64_t)random_below(9);

    switch (random_below(8)) {
    case 0:
        return page + PAGE - random_below(40);
    case 1:
        return DATA + random_below(3 * PAGE);
    case 2:
        return page + random_below(256) * 16;
    case 3: /* the top byte is ignored */
        return (DATA + random_below(3 * PAGE)) | random_bits() << 56;
    default:
        return DATA + random_below(3 * PAGE / 16) * 16;
    }
}

/* Without FZ16, which exists with FEAT_FP16 only. */
static uint64_t random_modes(void)
{
    return random_fpcr() & ~(UINT32_C(1) << 19);
}

static void make_operands(operands *o, uint64_t start)
{
    for (uint32_t i = 0; i < 31; i++) {
        uint64_t value = random_number();

        if (i >= 10 && i < 14)
            value = random_below(4) ? random_below(64) * 8 : random_below(8);
        else if (i == 15)
            value = random_modes() | random_bits() << 28;
        else if (i == 18)
            value = 1 + random_below(40);
        else if (i >= 19 && i < 26)
            value = random_address();
        else if (i == 26 || i == 27)
            value = DATA + random_below(3 * PAGE / 64) * 64;
        else if (i == 28 || i == 30)
            value = start;
        o->x[i] = value;
    }
    for (uint32_t i = 0; i < 32; i++) {
        pb_u128 value = random_vector();

        o->v[i][0] = value.lo;
        o->v[i][1] = value.hi;
    }
    o->sp = DATA + random_below(3 * PAGE / 16) * 16;
    o->nzcv = (uint64_t)random_below(16) << 28;
    o->fpcr = random_modes();
    o->fpsr = random_below(4) ? 0 : random_bits() & 0x0800009f;
}

static void make_program(program *p, uint64_t number)
{
    /* bytes, halfwords, words, doublewords, pairs of both */
    static const uint32_t exclusives[] = { 0,          0x40000000, 0x80000000,
                                           0xc0000000, 0x80200000, 0xc0200000 };
    a64_code code = { .program = true };

    random_state = number;
    random_state = random_bits();
    *p = (program){ .number = number };
    p->start =
        CODE + 64 + (random_below(3) ? random_below(64) * 64 : PAGE - 64 - random_below(8) * 32);
    p->memory = random_bits();
    code.exclusives = exclusives[random_below(G_N_ELEMENTS(exclusives))];
    make_code(&code);
    p->n = code.n;
    memcpy(p->words, code.words, code.n * sizeof(*code.words));
    memcpy(p->groups, code.groups, code.n);
    for (uint32_t i = 0; i < RUNS; i++)
        make_operands(&p->runs[i], p->start);
}

int main(int argc, char **argv)
{
    gint64 seed = 1, sequences = 1000;
    const GOptionEntry options[] = {
        { "seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Number of the first sequence", "N" },
        { "sequences", 0, 0, G_OPTION_ARG_INT64, &sequences, "How many", "N" },
        { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        fprintf(stderr, "%s\n", error ? error->message : "there are no arguments but options");
        return 2;
    }
    for (gint64 i = 0; i < sequences; i++) {
        program p;

        make_program(&p, (uint64_t)(seed + i));
        if (fwrite(&p, sizeof(p), 1, stdout) != 1) {
            perror("a64-sequences");
            return 1;
        }
    }
    if (fflush(stdout)) {
        perror("a64-sequences");
        return 1;
    }
    return 0;
}
