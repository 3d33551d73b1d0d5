/*
 * Units of mixed pages, of code and of data that is written often (ir_unit.compares): whenever one is entered, by either of its
 * entries, the bytes that its instructions were made from are compared with what is there.
 *
 * Constants are in the code: eight bytes of the guest take one load, one comparison and a branch that is not
 * taken. rax and rcx are free at entries. Where the page may have gone meanwhile (direct.c) that is another byte too. A loop within a region is not compared in each round; a request leads out of it
 * and in again by the entry.
 */
#include "emit.h"

/* Bit for each byte of a page. */
typedef struct byte_set {
    uint64_t word[PB_PAGE_SIZE / 64];
} byte_set;

static void add_bytes(byte_set *set, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++)
        set->word[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool has_byte(const byte_set *set, uint32_t i)
{
    return set->word[i / 64] >> (i % 64) & 1;
}

/* What instructions have in one of the two pages. */
static void find_bytes(const ir_unit *u, uint32_t page, byte_set *set)
{
    for (uint32_t i = 0; i < u->n_marks; i++) {
        uint64_t first = u->marks[i].pc & PB_PAGE_MASK, end = first + u->marks[i].length;

        if (page == 0)
            add_bytes(set, first, end < PB_PAGE_SIZE ? end : PB_PAGE_SIZE);
        else if (end > PB_PAGE_SIZE)
            add_bytes(set, 0, end - PB_PAGE_SIZE);
    }
}

/* Branches wait for the place where they lead in a list through the code, as those to blocks do. */
static void differs(cg *c)
{
    uint32_t at = asm_jcc(&c->a, CC_NE);

    if (!c->a.full)
        memcpy(c->a.start + at, &c->changed, 4);
    c->changed = at;
}

/* `n` bytes, the host's page in rcx; how many were compared. */
static uint32_t compare_some(cg *c, const uint8_t *bytes, uint32_t at, uint32_t n)
{
    asm_mem there = asm_at(RCX, (int32_t)at);
    uint64_t eight;
    int32_t four;

    if (n >= 8) {
        memcpy(&eight, bytes, 8);
        asm_mov_imm(&c->a, RAX, eight);
        cg_may_fault(c, CG_NONE);
        asm_alu_load(&c->a, ALU_CMP, W64, RAX, there);
        n = 8;
    } else if (n >= 4) {
        memcpy(&four, bytes, 4);
        cg_may_fault(c, CG_NONE);
        asm_alu_mem_imm(&c->a, ALU_CMP, W32, there, four);
        n = 4;
    } else {
        cg_may_fault(c, CG_NONE);
        asm_alu_mem_imm(&c->a, ALU_CMP, W8, there, (int8_t)*bytes);
        n = 1;
    }
    differs(c);
    return n;
}

static void compare_page(cg *c, uint32_t page)
{
    const uint8_t *bytes = c->u->bytes[page];
    byte_set set = { { 0 } };
    uint32_t end;

    find_bytes(c->u, page, &set);
    asm_mov_imm(&c->a, RCX, (uintptr_t)c->u->pages[page].host);
    for (uint32_t i = 0; i < PB_PAGE_SIZE; i = end) {
        for (end = i; end < PB_PAGE_SIZE && has_byte(&set, end); end++)
            ;
        while (i < end)
            i += compare_some(c, bytes + i, i, end - i);
        end++; /* the one that ended it is not in the set */
    }
}

void cg_emit_compare(cg *c)
{
    c->changed = CG_NONE;
    for (uint32_t i = 0; i < c->u->n_pages; i++)
        if (c->u->compares >> i & 1)
            compare_page(c, i);
}

void cg_emit_changed(cg *c)
{
    uint32_t here = asm_offset(&c->a);

    if (c->changed == CG_NONE)
        return;
    for (uint32_t at = c->changed, next; at != CG_NONE && !c->a.full; at = next) {
        memcpy(&next, c->a.start + at, 4);
        asm_patch(&c->a, at, here);
    }
    c->changed = here;
    cg_credit(c, cg_left_at(c, 0));
    cg_load_site(c);
    asm_mov_imm(&c->a, RAX, c->u->pc);
    cg_jump_thunk(c, c->self->thunk_changed);
}
