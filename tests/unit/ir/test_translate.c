/*
 * The driver of translators: where units begin and end, what happens to translators that are broken.
 */
#include <core/ir/text.h>
#include <core/ir/translate.h>
#include <core/ir/verify.h>

#include "../runner.h"
#include "toy.h"

static const pb_translate_limits plain = { .max_insns = 48 };
static const pb_translate_limits following = { .max_insns = 48, .follow = true };

static ir_unit *translate(toy_machine *m, uint64_t pc, const pb_translate_limits *limits)
{
    pb_guest_fault fault;

    return pb_translate_ops_table.translate(m->vcpu, pc, 0, limits, NULL, &fault);
}

/* The pcs of the unit's instructions; the list ends with 1. */
static void has_insns(const ir_unit *u, const uint64_t *pcs)
{
    uint32_t n = 0;

    CU_ASSERT_TRUE(pb_ir_verify(u, NULL));
    for (; pcs[n] != 1; n++)
        if (n < u->n_marks)
            CU_ASSERT_EQUAL(u->marks[n].pc, pcs[n]);
    CU_ASSERT_EQUAL(u->n_marks, n);
}

/* Where the unit's jumps go, in order of records; the list ends with 1. */
static void has_jumps(const ir_unit *u, const uint64_t *pcs)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < u->n_ops; i++)
        if (u->ops[i].op == IR_OP_JUMP) {
            CU_ASSERT_NOT_EQUAL_FATAL(pcs[n], 1);
            CU_ASSERT_EQUAL(u->consts[u->ops[i].arg[0] & ~IR_CONST_BIT].value.lo, pcs[n]);
            n++;
        }
    CU_ASSERT_EQUAL(pcs[n], 1);
}

static const uint32_t branchy[] = {
    [0] = TOY_I_MOVI,
    [1] = TOY_I_BNE | 3 << 16, /* to 0x1010 */
    [2] = TOY_I_MOVI,
    [3] = TOY_I_B | 2 << 16, /* to 0x1014 */
    [4] = TOY_I_TRAP,
    [5] = TOY_I_BNE | 0xfffbu << 16, /* back to 0x1000 */
    [6] = TOY_I_B | 0xfffau << 16,   /* back to 0x1000 */
};

static void following_jumps(void)
{
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL, v = NULL;

    toy_load(m, 0x1000, branchy, G_N_ELEMENTS(branchy));
    u = translate(m, 0x1000, &following);
    has_insns(u, (const uint64_t[]){ 0x1000, 0x1004, 0x1008, 0x100c, 0x1014, 0x1018, 1 });
    has_jumps(u, (const uint64_t[]){ 0x1010, 0x1000, 0x1000, 1 });
    v = translate(m, 0x1000, &plain);
    has_insns(v, (const uint64_t[]){ 0x1000, 0x1004, 1 });
    has_jumps(v, (const uint64_t[]){ 0x1010, 0x1008, 1 });
}

/* Branches to blocks, and blocks. */
static void has_branches(const ir_unit *u, uint32_t branches, uint32_t blocks)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < u->n_ops; i++)
        n += u->ops[i].op == IR_OP_BR;
    CU_ASSERT_EQUAL(n, branches);
    CU_ASSERT_EQUAL(u->n_blocks, blocks);
}

static void ways_that_meet(void)
{
    static const uint32_t words[] = {
        [0] = TOY_I_MOVI,          [1] = TOY_I_BNE | 4 << 16,       /* to 0x1014 */
        [2] = TOY_I_BNE | 3 << 16,                                  /* the same */
        [3] = TOY_I_BNE | 3 << 16,                                  /* to 0x1018 */
        [4] = TOY_I_MOVI,          [5] = TOY_I_BNE | 0xfffdu << 16, /* back to 0x1008 */
        [6] = TOY_I_MOVI,          [7] = TOY_I_BNE | 1 << 16,       /* to what comes next */
        [8] = TOY_I_IDLE,
    };
    static const pb_translate_limits five = { .max_insns = 5, .follow = true };
    static const uint64_t all[] = { 0x1000, 0x1004, 0x1008, 0x100c, 0x1010,
                                    0x1014, 0x1018, 0x101c, 0x1020, 1 };
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL, v = NULL;

    toy_load(m, 0x1000, words, G_N_ELEMENTS(words));
    u = translate(m, 0x1000, &following);
    has_insns(u, all);
    has_jumps(u, (const uint64_t[]){ 0x1008, 1 });
    /* Five branches two ways each; three blocks begin where ways meet, with four jumps and what came before each. */
    has_branches(u, 4 + 3, 1 + 2 * 5 + 3);
    /* Jumps to what the unit does not reach leave it. */
    v = translate(m, 0x1000, &five);
    has_jumps(v, (const uint64_t[]){ 0x1014, 0x1014, 0x1018, 0x1014, 1 });
    has_branches(v, 0, 1 + 2 * 3);
}

static bool is_one_of(void *pcs, uint64_t pc)
{
    for (const uint64_t *p = pcs; *p != 1; p++)
        if (*p == pc)
            return true;
    return false;
}

/* What has a unit already; the unit's own first instruction is not asked about. */
static void ends(void)
{
    static uint64_t at[] = { 0x1000, 0x1014, 0x1018, 1 };
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL, v = NULL;
    pb_guest_fault fault;

    toy_load(m, 0x1000, branchy, G_N_ELEMENTS(branchy));
    u = pb_translate_ops_table.translate_until(m->vcpu, 0x1000, 0, &following, is_one_of, at, NULL,
                                               &fault);
    has_insns(u, (const uint64_t[]){ 0x1000, 0x1004, 0x1008, 0x100c, 1 });
    has_jumps(u, (const uint64_t[]){ 0x1010, 0x1014, 1 });
    v = pb_translate_ops_table.translate_until(m->vcpu, 0x1014, 0, &following, is_one_of, at, NULL,
                                               &fault);
    has_insns(v, (const uint64_t[]){ 0x1014, 1 });
    has_jumps(v, (const uint64_t[]){ 0x1000, 0x1018, 1 });
}

static void limits(void)
{
    static const pb_translate_limits one = { .max_insns = 1, .follow = true };
    static const pb_translate_limits none = { .max_insns = 0 };
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL, v = NULL, w = NULL;

    toy_load(m, 0x1000, branchy, G_N_ELEMENTS(branchy));
    u = translate(m, 0x1000, &one);
    has_insns(u, (const uint64_t[]){ 0x1000, 1 });
    has_jumps(u, (const uint64_t[]){ 0x1004, 1 });
    v = translate(m, 0x1000, &none);
    has_insns(v, (const uint64_t[]){ 0x1000, 1 });
    w = translate(m, 0x1004, &one);
    has_jumps(w, (const uint64_t[]){ 0x1010, 0x1008, 1 });
}

static void key_changes_are_not_followed(void)
{
    static const uint32_t words[] = { TOY_I_MODE | 1 << 8, TOY_I_MOVI, TOY_I_IDLE };
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL;

    toy_load(m, 0x1000, words, 3);
    u = translate(m, 0x1000, &following);
    has_insns(u, (const uint64_t[]){ 0x1000, 1 });
}

static void pages(void)
{
    static const uint32_t words[] = { TOY_I_MOVI, TOY_I_LONG, 7, TOY_I_B | 0xfffcu << 16 };
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL, v = NULL, w = NULL;

    toy_load(m, 0x1ff8, words, 4);
    u = translate(m, 0x1ff8, &following);
    has_insns(u, (const uint64_t[]){ 0x1ff8, 1 });
    has_jumps(u, (const uint64_t[]){ 0x1ffc, 1 });
    CU_ASSERT_EQUAL(u->n_pages, 1);
    v = translate(m, 0x1ffc, &following);
    has_insns(v, (const uint64_t[]){ 0x1ffc, 1 });
    has_jumps(v, (const uint64_t[]){ 0x2004, 1 });
    CU_ASSERT_EQUAL(v->n_pages, 2);
    CU_ASSERT_EQUAL(v->pages[0].gpa, 0x1000);
    CU_ASSERT_EQUAL(v->pages[1].gpa, 0x2000);
    /* A jump to another page is not followed. */
    w = translate(m, 0x2004, &following);
    has_insns(w, (const uint64_t[]){ 0x2004, 1 });
    has_jumps(w, (const uint64_t[]){ 0x1ff4, 1 });
}

static void unfetchable(void)
{
    static const uint32_t words[] = { TOY_I_MOVI, TOY_I_LONG };
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL;
    pb_guest_fault fault = { 0 };

    toy_load(m, TOY_RAM - 8, words, 2);
    u = translate(m, TOY_RAM - 8, &plain);
    has_insns(u, (const uint64_t[]){ TOY_RAM - 8, 1 });
    CU_ASSERT_PTR_NULL(
        pb_translate_ops_table.translate(m->vcpu, TOY_RAM - 4, 0, &plain, NULL, &fault));
    CU_ASSERT_EQUAL(fault.gva, TOY_RAM);
    CU_ASSERT_EQUAL(fault.type, PB_ACCESS_FETCH);
}

/* ---- broken translators ---------------------------------------------------------------------------------------- */

static uint32_t emit_per_insn;
static void (*emit)(ir_builder *b);

static pb_tr_status custom_insn(void *ctx, ir_builder *b, pb_code_reader *reader, uint64_t pc)
{
    uint32_t word;

    if (!reader->read(reader, pc, &word, 4))
        return PB_TR_FETCH_FAULT;
    ir_insn(b, pc, 4, 0);
    for (uint32_t i = 0; i < emit_per_insn; i++)
        emit(b);
    return PB_TR_NEXT;
}

static void emit_put(ir_builder *b)
{
    ir_put(b, ir_imm64(b, 1), TOY_X);
}

static void emit_twice_ended(ir_builder *b)
{
    ir_jump(b, 0);
}

/* Translate with a translator that emits `n` times what fn does for each instruction. */
static ir_unit *custom(toy_machine *m, uint32_t n, void (*fn)(ir_builder *b))
{
    static pb_translator translator;
    static pb_cpu_type type;

    translator = *toy_type.translator;
    translator.insn = custom_insn;
    type = toy_type;
    type.translator = &translator;
    m->vcpu->type = &type;
    emit_per_insn = n;
    emit = fn;
    return translate(m, 0x1000, &plain);
}

static void is_stop(toy_machine *m, const ir_unit *u)
{
    CU_ASSERT_EQUAL(m->requests, 1);
    CU_ASSERT_EQUAL(u->n_ops, 1);
    CU_ASSERT_EQUAL(u->ops[0].op, IR_OP_EXIT);
    CU_ASSERT_EQUAL(u->ops[0].attr, PB_RUN_REQUEST);
    CU_ASSERT_FALSE(u->overflow);
}

static void too_long(void)
{
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = custom(m, 30000, emit_put), v = NULL;

    CU_ASSERT_TRUE(u->n_marks >= 12 && u->n_marks < 40);
    CU_ASSERT_EQUAL(m->requests, 0);
    CU_ASSERT_TRUE(pb_ir_verify(u, NULL));
    v = custom(m, 2 << 20, emit_put);
    is_stop(m, v);
}

static void misused(void)
{
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = custom(m, 2, emit_twice_ended);

    is_stop(m, u);
}

#ifndef NDEBUG
static void emit_wrong_put(ir_builder *b)
{
    ir_put(b, ir_imm32(b, 1), TOY_X);
}

static void refused(void)
{
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = custom(m, 1, emit_wrong_put);

    is_stop(m, u);
}
#endif

/* ---- hooks --------------------------------------------------------------------------------------------------------- */

static uint32_t insns_seen, units_seen;

static void see_insn(ir_builder *b, uint64_t pc)
{
    insns_seen++;
    ir_put(b, ir_imm64(b, pc), TOY_X + 7);
}

static void see_unit(pb_vcpu *vcpu, const ir_unit *u)
{
    units_seen++;
}

static void hooks(void)
{
    static const pb_translate_hooks both = { .insn = see_insn, .unit = see_unit };
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL;

    toy_load(m, 0x1000, branchy, G_N_ELEMENTS(branchy));
    pb_translate_set_hooks(&both);
    u = translate(m, 0x1000, &following);
    pb_translate_set_hooks(NULL);
    CU_ASSERT_EQUAL(insns_seen, 6);
    CU_ASSERT_EQUAL(units_seen, 1);
    CU_ASSERT_FALSE(pb_translate_ops_table.log_exec_enabled(m->vcpu));
}

/* ---- regions ------------------------------------------------------------------------------------------- */

static bool yes(void *opaque, uint64_t pc)
{
    return true;
}

static bool not_that(void *opaque, uint64_t pc)
{
    return pc != *(const uint64_t *)opaque;
}

static ir_unit *region(toy_machine *m, uint64_t pc, uint32_t insns,
                       bool (*wanted)(void *opaque, uint64_t pc), uint64_t *opaque)
{
    pb_region_request request = { .size = sizeof(request),
                                  .max_insns = insns,
                                  .max_pieces = 8,
                                  .piece_insns = 48,
                                  .wanted = wanted,
                                  .opaque = opaque };

    return pb_translate_ops_table.region(m->vcpu, pc, 0, &request, NULL);
}

/* The pcs where pieces begin, in order; the list ends with 1. */
static void has_heads(const ir_unit *u, const uint64_t *pcs)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < u->n_blocks; i++)
        if (u->blocks[i].flags & IR_BLOCK_HEAD) {
            CU_ASSERT_NOT_EQUAL_FATAL(pcs[n], 1);
            CU_ASSERT_EQUAL(u->marks[u->ops[u->blocks[i].first].guest].pc, pcs[n]);
            n++;
        }
    CU_ASSERT_EQUAL(pcs[n], 1);
}

static void regions(void)
{
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL, v = NULL, w = NULL;
    uint64_t trap = 0x1010;

    toy_load(m, 0x1000, branchy, G_N_ELEMENTS(branchy));
    u = region(m, 0x1000, 200, yes, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(u);
    has_insns(u, (uint64_t[]){ 0x1000, 0x1004, 0x1008, 0x100c, 0x1014, 0x1018, 0x1010, 1 });
    has_heads(u, (uint64_t[]){ 0x1000, 0x1010, 1 });
    has_jumps(u, (uint64_t[]){ 1 });
    v = region(m, 0x1000, 200, not_that, &trap);
    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    has_heads(v, (uint64_t[]){ 0x1000, 1 });
    has_jumps(v, (uint64_t[]){ 0x1010, 1 });
    /* From the middle of the loop: the way back meets the first piece where it begins. */
    w = region(m, 0x1008, 200, yes, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    has_heads(w, (uint64_t[]){ 0x1008, 0x1000, 0x1010, 1 });
    has_jumps(w, (uint64_t[]){ 1 });
}

/* A jump into the middle of a piece parts it. */
static void split(void)
{
    static const uint32_t code[] = {
        TOY_I_MOVI, TOY_I_MOVI, TOY_I_MOVI, TOY_I_BNE | 0xfffeu << 16, /* to 0x1004 */
        TOY_I_IDLE,
    };
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL;

    toy_load(m, 0x1000, code, G_N_ELEMENTS(code));
    u = region(m, 0x1000, 200, yes, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(u);
    has_insns(u, (uint64_t[]){ 0x1000, 0x1004, 0x1008, 0x100c, 0x1010, 1 });
    has_heads(u, (uint64_t[]){ 0x1000, 0x1004, 1 });
}

static void no_region(void)
{
    static const uint32_t straight[] = { TOY_I_MOVI, TOY_I_BNE | 1 << 16, TOY_I_IDLE, TOY_I_IDLE };
    g_autoptr(toy_machine) m = toy_new();

    toy_load(m, 0x1000, straight, G_N_ELEMENTS(straight));
    CU_ASSERT_PTR_NULL(region(m, 0x1000, 200, yes, NULL));           /* no loop */
    CU_ASSERT_PTR_NULL(region(m, TOY_RAM + 0x1000, 200, yes, NULL)); /* nothing there */
    toy_load(m, 0x1000, branchy, G_N_ELEMENTS(branchy));
    CU_ASSERT_PTR_NULL(region(m, 0x1000, 3, yes, NULL)); /* the way back lies beyond the limit */
}

/* A call is followed if it returns in the region; a loop is none if it goes by way of a call that does not. */
static void calls(void)
{
    static const uint32_t code[] = {
        [0] = TOY_I_MOVI,
        [1] = TOY_I_CALL | 3 << 16,      /* to 0x1010 */
        [2] = TOY_I_BNE | 0xfffeu << 16, /* back to 0x1000 */
        [3] = TOY_I_IDLE,
        [4] = TOY_I_MOVI,
        [5] = TOY_I_RETURN | 0xfffdu << 16, /* to 0x1008 */
        [6] = TOY_I_IDLE,
    };
    uint32_t other[G_N_ELEMENTS(code)];
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = NULL, v = NULL, w = NULL;

    toy_load(m, 0x1000, code, G_N_ELEMENTS(code));
    u = region(m, 0x1000, 200, yes, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(u);
    has_insns(u, (uint64_t[]){ 0x1000, 0x1004, 0x1010, 0x1014, 0x1008, 0x100c, 1 });
    has_heads(u, (uint64_t[]){ 0x1000, 1 });
    memcpy(other, code, sizeof(code));
    other[5] = TOY_I_JR;
    toy_load(m, 0x1000, other, G_N_ELEMENTS(other));
    CU_ASSERT_PTR_NULL(region(m, 0x1000, 200, yes, NULL));
    other[5] = TOY_I_BNE |
               0xffffu << 16; /* a loop in what is called, behind which the return is not known */
    other[0] = other[2] = TOY_I_MOVI;
    toy_load(m, 0x1000, other, G_N_ELEMENTS(other));
    CU_ASSERT_PTR_NULL(region(m, 0x1000, 200, yes, NULL));
    v = region(m, 0x1010, 200, yes, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    has_heads(v, (uint64_t[]){ 0x1010, 1 });
    /* The same behind a loop, which is a region without it. */
    other[1] = TOY_I_BNE | 0xffffu << 16;
    other[2] = TOY_I_CALL | 2 << 16;
    other[6] = TOY_I_RETURN | 0xfffdu << 16;
    toy_load(m, 0x1000, other, G_N_ELEMENTS(other));
    w = region(m, 0x1000, 200, yes, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    has_insns(w, (uint64_t[]){ 0x1000, 0x1004, 0x1008, 1 });
    has_jumps(w, (uint64_t[]){ 0x1010, 1 });
    other[1] = TOY_I_CALL | 0xffffu << 16; /* a recursion */
    toy_load(m, 0x1000, other, G_N_ELEMENTS(other));
    CU_ASSERT_PTR_NULL(region(m, 0x1000, 200, yes, NULL));
}

int main(void)
{
    static const unit_case cases[] = {
        { "jumps are followed", following_jumps },
        { "what two ways lead to is translated once", ways_that_meet },
        { "limits", limits },
        { "units end where there are others", ends },
        { "a change of the key ends a unit", key_changes_are_not_followed },
        { "pages", pages },
        { "what cannot be fetched", unfetchable },
        { "units that are too long", too_long },
        { "translators that misuse the builder", misused },
#ifndef NDEBUG
        { "translators that the verifier refuses", refused },
#endif
        { "hooks", hooks },
        { "regions", regions },
        { "regions whose pieces overlap", split },
        { "what is no region", no_region },
        { "regions with calls", calls },
        { 0 },
    };

    return unit_run("translation driver", cases);
}
