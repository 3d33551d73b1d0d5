/*
 * Random A64 code: instructions made from the rows of cpu-arm64's decode file, with fields at random but registers that
 * depend on each other, bases that point to memory and targets in the sequence; and pieces that chance does not make.
 *
 * Registers: x10 to x13 are small, for indices; x14 to x17 are used by the pieces; w18 counts in loops; x19 to x27 and SP are
 * bases; x28 is where the sequence's words can be written; x30 leads into the sequence.
 *
 * Code *for programs* (a64_code.program) does the same on every implementation of the architecture, and ends: no results that
 * are CONSTRAINED UNPREDICTABLE, no loops but counted ones, no system calls. x26 and x27 stay aligned, for atomic
 * accesses; a program does not write them, nor x15, w18 and x28 but in pieces.
 *
 * Who includes it defines a64_has_feature() with a64_decode.h.
 */
#ifndef FUZZ_A64_RANDOM_H
#define FUZZ_A64_RANDOM_H

#include "random.h"

#include <a64_decode.h>
#include <string.h>

#define A64_MOST_WORDS 128
#define A64_NOP        0xd503201fu
#define A64_B_SELF     0x14000000u

typedef struct a64_code {
    uint32_t words[A64_MOST_WORDS];
    bool changed[A64_MOST_WORDS]; /* words that become others while it runs */
    uint8_t groups
        [A64_MOST_WORDS]; /* not 0: words with the same number mean something only together, and from the first on */
    uint32_t n;
    bool program;
    uint32_t exclusives; /* of a program: what its exclusive accesses have in A64_EXCLUSIVE_SIZE */
} a64_code;

#define A64_EXCLUSIVE_SIZE 0xc0200000 /* size, and whether it is a pair */

struct a64_ctx {
    int unused;
};

/* Rows that are made otherwise, or not at all (head of this file). */
static inline bool is_left_out(const a64_row *row)
{
    static const char *const names[] = { "tr_wfi", "tr_wfe", "tr_wfit", "tr_wfet",
                                         "tr_msr", "tr_mrs", "tr_sys",  "tr_sysl",
                                         "tr_br",  "tr_blr", "tr_ret",  "tr_eret" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (!strcmp(row->name, names[i]))
            return true;
    return row->missing && random_below(8);
}

static inline bool has_bits(const a64_row *row, uint32_t mask, uint32_t value)
{
    return (row->mask & mask) == mask && (row->value & mask) == value;
}

static inline bool is_memory(const a64_row *row) /* C4.1.94 "Loads and stores" */
{
    return has_bits(row, 0x0a000000, 0x08000000);
}

static inline bool is_integer(const a64_row *row) /* data processing: immediate, register */
{
    return has_bits(row, 0x1c000000, 0x10000000) || has_bits(row, 0x0e000000, 0x0a000000);
}

static inline bool is_vector(const a64_row *row)
{
    return has_bits(row, 0x0e000000, 0x0e000000);
}

/* A field of 5 bits, if the row leaves it open. */
static inline uint32_t with_register(const a64_row *row, uint32_t word, unsigned at,
                                     uint32_t number)
{
    return row->mask >> at & 31 ? word : (word & ~(31u << at)) | number << at;
}

static inline uint32_t any_register(bool vector)
{
    if (random_below(16) == 0)
        return random_below(32);
    return random_below(vector ? random_below(2) ? 4 : 32 : 16);
}

static inline uint32_t base_register(void)
{
    return random_below(12) ? 19 + random_below(9) : 31; /* x19 to x27, sp */
}

static inline uint32_t with_registers(const a64_row *row, uint32_t word)
{
    bool vector = is_vector(row);

    word = with_register(row, word, 0, any_register(vector));
    if (is_memory(row)) {
        bool has_index = has_bits(row, 0x38200c00, 0x38200800);

        if (has_bits(row, 0x3b000000, 0x18000000)) /* literal */
            return (word & ~0x00ffffe0u) | ((random_below(256) - 128) << 5 & 0x00ffffe0);
        word = with_register(row, word, 5, base_register());
        return with_register(row, word, 16, has_index ? 10 + random_below(4) : any_register(false));
    }
    word = with_register(row, word, 5, any_register(vector));
    return with_register(row, word, 16, any_register(vector));
}

/* Direct branches go forward: to one of the next instructions, of which there are `left`. */
static inline uint32_t with_target(uint32_t word, uint32_t left)
{
    uint32_t by = 1 + random_below(MIN(left + 1, 12));

    if ((word & 0x7c000000) == 0x14000000) /* B, BL */
        return (word & 0xfc000000) | by;
    if ((word & 0x7e000000) == 0x34000000 || (word & 0xfe000000) == 0x54000000)
        return (word & ~0x00ffffe0u) | by << 5; /* CBZ, B.cond */
    if ((word & 0x7e000000) == 0x36000000)      /* TBZ */
        return (word & ~0x0007ffe0u) | by << 5;
    return word;
}

/* ---- for programs -------------------------------------------------------------------------------- */

/* Accesses that are to be aligned: exclusive, ordered and atomic ones. */
static inline bool is_atomic(uint32_t word)
{
    return (word & 0x3f000000) == 0x08000000 || (word & 0x3b200c00) == 0x38200000;
}

/* Registers whose values pieces rely on. */
static inline bool is_kept(uint32_t number)
{
    return number == 15 || number == 18 || number == 30 || (number >= 26 && number <= 28);
}

/* SP written by an instruction that is no access, so that it may lose its alignment. */
static inline bool changes_sp(uint32_t word)
{
    return (word & 31) == 31 && ((word & 0x3f800000) == 0x11000000 ||  /* ADD, SUB (immediate) */
                                 (word & 0x3fe00000) == 0x0b200000 ||  /* (extended register) */
                                 ((word & 0x1f800000) == 0x12000000 && /* logical (immediate) */
                                  (word & 0x60000000) != 0x60000000));
}

/* C6.2: CONSTRAINED UNPREDICTABLE by equal registers, or pairs of exclusives with different sizes (B2.9); and what would
 * change a register that is kept. */
static inline bool is_good_access(const a64_code *s, uint32_t word)
{
    uint32_t rt = word & 31, rn = word >> 5 & 31, rt2 = word >> 10 & 31, rs = word >> 16 & 31;
    bool vector = word & 1 << 26, load = word & 1 << 22, writes_base = false;

    if ((word & 0x3f000000) == 0x08000000) {
        bool pair = word & 1 << 21;

        if (word & 1 << 23) /* ordered, or CAS */
            return !is_kept(rt) && !(pair && is_kept(rs));
        if (pair && !(word >> 31)) /* CASP */
            return !is_kept(rs) && !is_kept(rs | 1);
        if ((word & A64_EXCLUSIVE_SIZE) != s->exclusives)
            return false;
        if (load)
            return !is_kept(rt) && !(pair && (rt == rt2 || is_kept(rt2)));
        return !is_kept(rs) && rs != rt && rs != rn && !(pair && rs == rt2);
    }
    if ((word & 0x3fe0fc00) == 0x38a0c000 && rs != 31) /* LDAPR: what should be ones */
        return false;
    if ((word & 0x3a000000) == 0x28000000) { /* pairs */
        writes_base = word & 1 << 23;
        if ((load && rt == rt2) || (writes_base && !vector && (rn == rt || rn == rt2)) ||
            (load && !vector && is_kept(rt2)))
            return false;
    } else if ((word & 0x3b200400) == 0x38000400) { /* pre- and post-indexed */
        writes_base = true;
        if (!vector && rn == rt)
            return false;
    } else if ((word & 0xbe800000) == 0x0c800000) { /* structures, post-indexed */
        writes_base = true;
    }
    return !(writes_base && (rn == 31 || is_kept(rn))) && (vector || !is_kept(rt));
}

/* Whether the result may be an address in the sequence, that the next one stores to: without cache maintenance nobody
 * knows what is executed then. */
static inline bool may_lead_to_code(const a64_row *row, uint32_t word)
{
    const uint32_t leading = 1u << 17 | 1u << 28 | 1u << 30;

    return leading >> (word >> 5 & 31) & 1 || leading >> (word >> 16 & 31) & 1 ||
           (!strcmp(row->name, "tr_adr") && (word & 31) >= 19);
}

/* Whether all implementations do the same with it. */
static inline bool is_for_programs(const a64_code *s, const a64_row *row, uint32_t word)
{
    static const char *const names[] = { "tr_svc", "tr_hvc", "tr_smc", "tr_hlt", "tr_bl" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (!strcmp(row->name, names[i]))
            return false;
    if (row->missing || g_str_has_prefix(row->name, "tr_msr"))
        return false;
    if (is_memory(row))
        return is_good_access(s, word);
    if (is_integer(row) && may_lead_to_code(row, word))
        return false;
    return !is_kept(word & 31) && !changes_sp(word);
}

/* ---- instructions, pieces ------------------------------------------------------------------------ */

static inline uint32_t random_insn(const a64_code *s, uint32_t left)
{
    static const a64_ctx all;
    uint32_t kind = random_below(8);

    for (;;) {
        const uint32_t number = random_below(A64_ROW_COUNT);
        const a64_row *row = &a64_rows[number];
        uint32_t word = row->value | ((uint32_t)random_bits() & ~row->mask);

        if ((kind < 3 && !is_integer(row)) || (kind == 3 && !is_memory(row)) || is_left_out(row))
            continue;
        word = with_target(with_registers(row, word), left);
        if (s->program && is_memory(row) && is_atomic(word))
            word = with_register(row, word, 5, 26 + random_below(2));
        if (a64_find_row(&all, word) == (int)number &&
            (!s->program || is_for_programs(s, row, word)))
            return word;
    }
}

static inline void add(a64_code *s, uint32_t word)
{
    s->words[s->n++] = word;
}

static inline void make_group(a64_code *s, uint32_t first)
{
    for (uint32_t i = first; i < s->n; i++)
        s->groups[i] = (uint8_t)(first + 1);
}

static inline bool has_changed(const a64_code *s, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++)
        if (s->changed[i])
            return true;
    return false;
}

/* In a program, pieces are executed from their beginning, as they are, or not at all. */
static inline void end_piece(a64_code *s, uint32_t first)
{
    if (!s->program)
        return;
    if (has_changed(s, first, s->n - first))
        s->n = first;
    else
        make_group(s, first);
}

static inline void add_random(a64_code *s, uint32_t n, uint32_t left)
{
    for (uint32_t i = 0; i < n; i++)
        add(s, random_insn(s, n - i - 1 + left));
}

static inline void add_adr(a64_code *s, uint32_t to) /* adr x17, word */
{
    uint32_t by = (to - s->n) & 0x7ffff;

    add(s, 0x10000011 | by << 5);
}

/* subs w18, w18, #1, and a branch back: b.ne. In programs it is b.hi, which ends with any number. */
static inline void add_round(a64_code *s, uint32_t first)
{
    add(s, 0x71000652);
    add(s, (s->program ? 0x54000008 : 0x54000001) | ((first - s->n) << 5 & 0x00ffffe0));
}

static inline void add_loop(a64_code *s)
{
    const uint32_t begin = s->n;
    uint32_t body = 1 + random_below(8), first;

    add(s, 0x52800012 | (1 + random_below(40)) << 5); /* mov w18, #n */
    first = s->n;
    add_random(s, body, 0);
    add_round(s, first);
    end_piece(s, begin);
}

/* adr, and a branch over some instructions; or a call of what comes behind them, which may return. */
static inline void add_indirect(a64_code *s)
{
    static const uint32_t branches[] = { 0xd61f0220, 0xd63f0220,
                                         0xd65f0220 }; /* br, blr, ret x17 */
    const uint32_t begin = s->n;
    uint32_t over = random_below(6);

    add_adr(s, s->n + 2 + over);
    add(s, branches[random_below(G_N_ELEMENTS(branches))]);
    add_random(s, over, 0);
    if (!s->program && random_below(4) == 0)
        add(s, 0xd65f03c0); /* ret: to wherever x30 points */
    end_piece(s, begin);
}

/* A call of a subroutine that lies behind it, and is jumped over. */
static inline void add_call(a64_code *s)
{
    const uint32_t begin = s->n;
    uint32_t body = 1 + random_below(5);

    add(s, 0x94000002);        /* bl to the subroutine */
    add(s, 0x14000002 + body); /* b over it */
    add_random(s, body, 0);
    add(s, 0xd65f03c0); /* ret */
    end_piece(s, begin);
}

/* mov w16, word; str w16, [x28, #...]; adr x17; dc cvau; dsb; ic ivau; dsb; isb: the word is one of the sequence. Not one of
 * those from the store to the ISB: whether they are executed as they were is not defined (B2.4.4 of DDI 0487). In a program
 * not the first either, so that each word is one that was chosen. */
static inline void add_change(a64_code *s, uint32_t end)
{
    const uint32_t first = s->n;
    uint32_t word = random_insn(s, 0), at = random_below(end);

    if ((at + s->program > first && at < first + 9) || s->groups[at] || has_changed(s, first, 9))
        return;
    s->changed[at] = true;
    add(s, 0x52800010 | (word & 0xffff) << 5);
    add(s, 0x72a00010 | (word >> 16) << 5);
    add(s, 0xb9000390 | at << 10);
    add_adr(s, at);
    add(s, 0xd50b7b31);
    add(s, 0xd5033b9f);
    add(s, 0xd50b7531);
    add(s, 0xd5033b9f);
    add(s, 0xd5033fdf);
    make_group(s, first);
}

/* Stores and loads in the sequence's own pages, but behind its words: mov w18, #n; str, ldr ... [x28, #...]; subs; b.ne */
static inline void add_data_beside_code(a64_code *s)
{
    const uint32_t begin = s->n;
    uint32_t accesses = 1 + random_below(6), first;

    add(s, 0x52800012 | (1 + random_below(40)) << 5);
    first = s->n;
    for (uint32_t i = 0; i < accesses; i++) {
        uint32_t at = A64_MOST_WORDS + random_below(random_below(2) ? 16 : 500);

        add(s, (random_below(3) ? 0xb9000380 : 0xb9400380) | at << 10 |
                   random_below(15)); /* str, ldr */
    }
    add_round(s, first);
    end_piece(s, begin);
}

/* Flags, what compilers have read them, what needs no flags, and a branch over some instructions: registers of those that units
 * keep in the host's, and others. Chance hardly makes CSET, a chain of carries, or a branch on the flags that were set before. */
static inline void add_decision(a64_code *s)
{
    static const uint32_t sets[] = {
        0x6b000000, 0xeb000000, 0x2b000000, 0xab000000, 0x6a000000, 0xea000000
    }; /* subs, adds, ands: w, x */
    static const uint32_t choices[] = {
        0x1a9f07e0, 0x9a9f07e0, 0x1a9f07e0, 0x5a9f03e0, 0xda9f03e0, 0x9a800400, 0x1a800000
    }; /* cset, csetm, csinc, csel */
    static const uint32_t sums[] = {
        0x9a000000, 0x1a000000, 0xda000000, 0xba000000, 0xfa000000, 0x3a000000, 0x9a1f03e0
    }; /* adc, sbc, adcs, sbcs */
    static const uint32_t others[] = {
        0x9b007c00, 0x9bc07c00, 0x9b407c00, 0x1b007c00, 0xcb000000, 0x8b000000, 0xaa0003e0
    }; /* mul, umulh, smulh, sub, add, mov */
    const uint32_t begin = s->n, over = random_below(3), n = random_below(5);

    add(s, sets[random_below(G_N_ELEMENTS(sets))] | random_below(10) << 16 | random_below(10) << 5 |
               (random_below(2) ? 31 : random_below(10)));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t kind = random_below(3), registers = random_below(10) << 16 | random_below(10) << 5;

        if (kind == 0)
            add(s, choices[random_below(G_N_ELEMENTS(choices))] | registers |
                       random_below(16) << 12 | random_below(10));
        else
            add(s, (kind == 1 ? sums[random_below(G_N_ELEMENTS(sums))]
                              : others[random_below(G_N_ELEMENTS(others))]) |
                       registers | random_below(10));
    }
    add(s, 0x54000000 | (1 + over) << 5 | random_below(16));
    add_random(s, over, 0);
    end_piece(s, begin);
}

static inline void add_constant(a64_code *s, uint32_t number, uint32_t value) /* mov, movk */
{
    add(s, 0xd2800000 | (value & 0xffff) << 5 | number);
    add(s, 0xf2a00000 | (value >> 16) << 5 | number);
}

/* Whether a branch to the word would come into the middle of a group. */
static inline bool is_inside(const a64_code *s, uint32_t at)
{
    return at > 0 && at < s->n && s->groups[at] && s->groups[at] == s->groups[at - 1];
}

/* Direct branches into groups become NOPs; in a program a group may have its own. */
static inline void keep_groups_whole(a64_code *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t word = s->words[i];
        int64_t by = 0;

        if ((word & 0x7c000000) == 0x14000000)
            by = (int32_t)(word << 6) >> 6;
        else if ((word & 0x7e000000) == 0x34000000 || (word & 0xfe000000) == 0x54000000)
            by = (int32_t)(word << 8) >> 13;
        else if ((word & 0x7e000000) == 0x36000000)
            by = (int32_t)(word << 13) >> 18;
        if (by && is_inside(s, (uint32_t)(i + by)) &&
            !(s->program && s->groups[i] == s->groups[i + by]))
            s->words[i] = A64_NOP;
    }
}

/* What differs between the users of make_pieces(). */
typedef struct a64_pieces {
    const uint32_t *system_words; /* instructions that chance would hardly make */
    uint32_t n_system_words;
    void (*add_own)(a64_code *s, void *opaque); /* a piece of another kind */
    void *opaque;
    uint32_t last; /* the word that ends a sequence */
} a64_pieces;

/* How long a sequence is to be. */
static inline uint32_t random_length(void)
{
    return 4 + random_below(random_below(2) ? 16 : A64_MOST_WORDS - 24);
}

static inline void make_pieces(a64_code *s, uint32_t length, const a64_pieces *pieces)
{
    while (s->n < length && s->n < A64_MOST_WORDS - 16) {
        switch (random_below(24)) {
        case 0:
            add_loop(s);
            break;
        case 1:
            add_indirect(s);
            break;
        case 2:
            add_call(s);
            break;
        case 3:
            if (random_below(4) == 0)
                add_change(s, length);
            break;
        case 4:
            add(s, pieces->system_words[random_below(pieces->n_system_words)]);
            break;
        case 5:
            if (random_below(3) == 0)
                add_data_beside_code(s);
            break;
        case 6:
            if (random_below(3) == 0)
                pieces->add_own(s, pieces->opaque);
            break;
        case 7:
        case 8:
            add_decision(s);
            break;
        default:
            add_random(s, 1, s->n < length ? length - s->n - 1 : 0);
            break;
        }
    }
    add(s, pieces->last);
    keep_groups_whole(s);
}

/* The number of one that does not lie inside a group. */
static inline uint32_t whole_word(const a64_code *q)
{
    uint32_t at = random_below(q->n);

    while (is_inside(q, at))
        at--;
    return at;
}

static inline uint32_t random_fpcr(void)
{
    return random_below(2) ? 0
                           : (uint32_t)random_bits() & 0x07c80000; /* AHP, DN, FZ, RMode, FZ16 */
}

static inline uint64_t random_number(void)
{
    return random_below(4) ? random_word(random_below(2) ? 64 : 32) : random_float(64);
}

#endif
