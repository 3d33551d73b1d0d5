/*
 * Refilling the first-level TLB from the second one (patchbay/memory.h), between a probe that missed and the slow path:
 * a few registers are saved, and no C is called.
 *
 * A site's cold path is
 *
 *     call refill_for_its_address_register
 *     jmp  probe                              REFILL_AGAIN bytes
 *     record of the slow path
 *
 * The thunk returns to the jump if the first level has the page's tag now. Else the slow path gets the record: what is
 * missing is not in the second level, or not plain memory, or the tag is there, and the access crosses pages
 * or is unaligned; so the jump is not taken twice for one access.
 */
#include "slow.h"

typedef struct refiller {
    asm_buffer *a;
    bool write;
    uint32_t general[12]; /* jumps to the slow path */
    uint32_t n_general;
} refiller;

/* rsi: the page, rcx: pb_tlb_refill; the others come and go. */
static const uint8_t saved[] = { RAX, RCX, RDX, RSI, RDI };

/* While a thunk runs that was called from emitted code. */
static asm_mem saved_at(uint32_t reg)
{
    return cg_frame_at(CG_FRAME_GENERAL + 8 * (int32_t)reg + 8);
}

static asm_mem refill_at(size_t member)
{
    return asm_at(RCX, (int32_t)member);
}

static asm_mem first_at(int base, size_t array)
{
    return asm_index(base, RAX, 3, (int32_t)array);
}

static void restore(asm_buffer *a)
{
    for (uint32_t i = 0; i < sizeof(saved); i++)
        asm_load(a, W64, saved[i], saved_at(saved[i]));
}

static void to_general(refiller *r, uint32_t cc)
{
    r->general[r->n_general++] = asm_jcc(r->a, cc);
}

/* eax: index in the first level. */
static void make_index(refiller *r)
{
    asm_mov(r->a, W32, RAX, RSI);
    asm_shift_imm(r->a, SHIFT_SHR, W32, RAX, PB_PAGE_BITS);
    asm_alu_imm(r->a, ALU_AND, W32, RAX, PB_TLB_ENTRIES - 1);
}

static void make_start(refiller *r)
{
    asm_buffer *a = r->a;

    for (uint32_t i = 0; i < sizeof(saved); i++)
        asm_store(a, W64, saved_at(saved[i]), saved[i]);
    asm_load(a, W64, RSI, saved_at(RSP)); /* the address */
    asm_load(a, W64, RAX, asm_at(RSP, 0));
    asm_load(a, W32, RAX, asm_at(RAX, REFILL_AGAIN + offsetof(site_head, attr)));
    asm_shift_imm(a, SHIFT_SHR, W32, RAX, 12); /* PB_MEM_GET_MMU */
    asm_alu_imm(a, ALU_AND, W32, RAX, PB_MMU_INDEXES - 1);
    asm_load(a, W64, RCX,
             asm_index(RBP, RAX, 3,
                       (int32_t)offsetof(pb_vcpu, refill) - PB_VCPU_STATE_OFFSET - CG_BIAS));
    asm_test(a, W64, RCX, RCX);
    to_general(r, CC_E);
    make_index(r);
    asm_alu_imm(a, ALU_AND, W64, RSI, -(int32_t)PB_PAGE_SIZE);
    asm_load(a, W64, RDX, refill_at(offsetof(pb_tlb_refill, first)));
    asm_alu_load(
        a, ALU_CMP, W64, RSI,
        first_at(RDX, r->write ? offsetof(pb_tlb, tag_write) : offsetof(pb_tlb, tag_read)));
    to_general(r, CC_E);
}

/* One of the tables of the second level. */
typedef struct table {
    uint32_t address_bits, fold;
    size_t tags, entries; /* in pb_tlb2 */
} table;

static const table pages = { PB_PAGE_BITS, PB_TLB2_BITS, offsetof(pb_tlb2, tag),
                             offsetof(pb_tlb2, entry) };
static const table blocks = { PB_BLOCK_BITS, PB_TLB2_BLOCK_BITS, offsetof(pb_tlb2, block_tag),
                              offsetof(pb_tlb2, block) };

/* rdi: 8 bytes for each tag before the one that may be the page's; rax: the tag. */
static void make_place(refiller *r, const table *t, uint32_t space)
{
    asm_buffer *a = r->a;

    asm_mov(a, W64, RAX, RSI);
    asm_shift_imm(a, SHIFT_SHR, W64, RAX, t->address_bits);
    asm_mov(a, W64, RDI, RAX);
    asm_shift_imm(a, SHIFT_SHR, W64, RDI, t->fold);
    asm_alu(a, ALU_XOR, W32, RDI, RAX);
    asm_alu_load(a, ALU_XOR, W32, RDI, refill_at(offsetof(pb_tlb_refill, salt) + 4 * space));
    if (t == &pages)
        asm_alu_load(a, ALU_AND, W32, RDI, refill_at(offsetof(pb_tlb_refill, set_mask)));
    else
        asm_alu_imm(a, ALU_AND, W32, RDI, PB_TLB2_BLOCK_SETS - 1);
    asm_shift_imm(a, SHIFT_SHL, W32, RDI, 5);
    asm_shift_imm(a, SHIFT_SHL, W64, RAX, t->address_bits);
    asm_load(a, W32, RDX, refill_at(offsetof(pb_tlb_refill, space) + 4 * space));
    asm_alu(a, ALU_OR, W64, RAX, RDX);
}

/* Look in a table for a space (0, 1): rdi at the entry, without the table's place in pb_tlb2, and the jump that is
 * given; if it is not there go on behind. */
static uint32_t make_look(refiller *r, const table *t, uint32_t space)
{
    uint32_t kind = (t == &pages ? PB_TLB2_PAGES : PB_TLB2_BLOCKS) << space * PB_TLB2_KINDS_BITS;
    uint32_t hits[PB_TLB2_WAYS], none, missed, found;
    asm_buffer *a = r->a;

    asm_test_mem_imm(a, W8, refill_at(offsetof(pb_tlb_refill, kinds)), (int32_t)kind);
    none = asm_jcc(a, CC_E);
    make_place(r, t, space);
    asm_alu_load(a, ALU_ADD, W64, RDI, refill_at(offsetof(pb_tlb_refill, second)));
    for (uint32_t i = 0; i < PB_TLB2_WAYS; i++) {
        asm_alu_load(a, ALU_CMP, W64, RAX, asm_at(RDI, (int32_t)t->tags + 8 * (int32_t)i));
        hits[i] = asm_jcc(a, CC_E);
    }
    missed = asm_jmp(a);
    for (uint32_t i = PB_TLB2_WAYS; i-- > 0;) {
        asm_patch(a, hits[i], asm_offset(a));
        if (i > 0)
            asm_alu_imm(a, ALU_ADD, W64, RDI, 8);
    }
    asm_alu_load(a, ALU_SUB, W64, RDI, refill_at(offsetof(pb_tlb_refill, second)));
    asm_shift_imm(a, SHIFT_SHL, W64, RDI, 2);
    asm_alu_load(a, ALU_ADD, W64, RDI, refill_at(offsetof(pb_tlb_refill, second)));
    asm_mov_imm(a, RAX, space ? PB_TLB_TOUCHED_GLOBAL : PB_TLB_TOUCHED_LOCAL);
    found = asm_jmp(a);
    asm_patch(a, none, asm_offset(a));
    asm_patch(a, missed, asm_offset(a));
    return found;
}

_Static_assert(sizeof(uint64_t[PB_TLB2_WAYS]) == 1 << 5, "the tags of a set, in make_place()");
_Static_assert(sizeof(pb_tlb2_entry) == 4 * sizeof(uint64_t), "four times a tag, in make_look()");

/* al: a kind of touched. */
static void make_touch(refiller *r)
{
    asm_mov(r->a, W32, RDX, RSI);
    asm_shift_imm(r->a, SHIFT_SHR, W32, RDX, PB_PAGE_BITS + 3);
    asm_alu_imm(r->a, ALU_AND, W32, RDX, PB_TLB_ENTRIES / 8 - 1);
    asm_alu_store(r->a, ALU_OR, W8,
                  asm_index(RCX, RDX, 0, (int32_t)offsetof(pb_tlb_refill, touched)), RAX);
}

/* rdi: what the entry there says of plain memory, for the page. */
static void make_check(refiller *r, const table *t)
{
    asm_mem plain = asm_at(RDI, (int32_t)(t->entries + offsetof(pb_tlb2_entry, plain)));
    asm_mem tagged = asm_at(RDI, (int32_t)(t->entries + offsetof(pb_tlb2_entry, tagged)));
    asm_buffer *a = r->a;

    asm_load(a, W64, RDX, plain);
    asm_test_imm(a, W32, RDX, r->write ? PB_TLB2_WRITE : PB_TLB2_READ);
    to_general(r, CC_E);
    if (t == &blocks) { /* rax: the page's number in the block */
        asm_mov(a, W32, RAX, RSI);
        asm_shift_imm(a, SHIFT_SHR, W32, RAX, PB_PAGE_BITS);
        asm_alu_imm(a, ALU_AND, W32, RAX, PB_BLOCK_SIZE / PB_PAGE_SIZE - 1);
    }
    if (r->write) {
        asm_load(a, W64, RDI, tagged);
        asm_alu_mem_imm(a, ALU_CMP, W8, t == &blocks ? asm_index(RDI, RAX, 0, 0) : asm_at(RDI, 0),
                        PB_TLB2_TAGGED);
        to_general(r, CC_NE);
    }
    if (t == &blocks) {
        asm_shift_imm(a, SHIFT_SHL, W32, RAX, PB_PAGE_BITS);
        asm_lea(a, W64, RDI, asm_index(RDX, RAX, 0, 0));
    } else {
        asm_mov(a, W64, RDI, RDX);
    }
}

/* rdx: pb_tlb_invalid() of the index in rax. */
static void make_invalid(refiller *r)
{
    asm_mov(r->a, W32, RDX, RAX);
    asm_shift_imm(r->a, SHIFT_SHL, W64, RDX, PB_PAGE_BITS);
    asm_alu_imm(r->a, ALU_XOR, W64, RDX, -1);
}

/* A write tag brings the one for reading; one for reading leaves a write tag of the same page. */
static void make_enter(refiller *r)
{
    asm_mem read = first_at(RCX, offsetof(pb_tlb, tag_read)),
            write = first_at(RCX, offsetof(pb_tlb, tag_write)),
            addend = first_at(RCX, offsetof(pb_tlb, addend));
    asm_buffer *a = r->a;

    asm_load(a, W64, RCX, refill_at(offsetof(pb_tlb_refill, first)));
    make_index(r);
    if (r->write) {
        make_invalid(r);
        asm_test_imm(a, W32, RDI, PB_TLB2_READ);
        asm_cmov(a, CC_NE, W64, RDX, RSI);
        asm_store(a, W64, read, RDX);
        asm_alu_imm(a, ALU_AND, W64, RDI, -(int32_t)PB_PAGE_SIZE);
        asm_alu(a, ALU_SUB, W64, RDI, RSI);
        asm_store(a, W64, write, RSI);
    } else {
        uint32_t moved, same;

        asm_alu_imm(a, ALU_AND, W64, RDI, -(int32_t)PB_PAGE_SIZE);
        asm_alu(a, ALU_SUB, W64, RDI, RSI);
        asm_alu_load(a, ALU_CMP, W64, RDI, addend);
        moved = asm_jcc(a, CC_NE);
        asm_alu_load(a, ALU_CMP, W64, RSI, write);
        same = asm_jcc(a, CC_E);
        asm_patch(a, moved, asm_offset(a));
        make_invalid(r);
        asm_store(a, W64, write, RDX);
        asm_patch(a, same, asm_offset(a));
        asm_store(a, W64, read, RSI);
    }
    asm_store(a, W64, addend, RDI);
}

/* Found in one of the tables: enter it, and return. */
static void make_found(refiller *r, const table *t, const uint32_t found[2])
{
    for (uint32_t i = 0; i < 2; i++)
        asm_patch(r->a, found[i], asm_offset(r->a));
    make_touch(r);
    make_check(r, t);
    make_enter(r);
    asm_alu_mem_imm(r->a, ALU_ADD, W64, cg_vcpu(offsetof(pb_vcpu, codegen) + 8 * CG_WORD_REFILLS),
                    1);
    restore(r->a);
    asm_ret(r->a);
}

static void make_body(asm_buffer *a, bool write, uint32_t slow)
{
    refiller r = { .a = a, .write = write };
    uint32_t in_pages[2], in_blocks[2];

    make_start(&r);
    for (uint32_t i = 0; i < 2; i++)
        in_pages[i] = make_look(&r, &pages, i);
    for (uint32_t i = 0; i < 2; i++)
        in_blocks[i] = make_look(&r, &blocks, i);
    r.general[r.n_general++] = asm_jmp(a);
    make_found(&r, &pages, in_pages);
    make_found(&r, &blocks, in_blocks);
    for (uint32_t i = 0; i < r.n_general; i++)
        asm_patch(a, r.general[i], asm_offset(a));
    restore(a);
    asm_alu_mem_imm(a, ALU_ADD, W64, asm_at(RSP, 0), REFILL_AGAIN);
    asm_patch(a, asm_jmp(a), slow);
}

void make_refill(asm_buffer *a, x86_codegen *self, const uint8_t *rx)
{
    bool can = PB_HAS(self->vcpu, refill); /* else the host has no second level for us */

    for (uint32_t write = 0; write < 2 && can; write++) {
        uint32_t body = asm_offset(a);

        make_body(a, write, (uint32_t)(self->thunk_slow - rx));
        for (uint32_t reg = 0; reg < 16; reg++) {
            if (reg == RSP || reg == RBP)
                continue;
            self->thunk_refill[write][reg] = rx + asm_offset(a);
            asm_store(a, W64, saved_at(RSP), reg);
            asm_patch(a, asm_jmp(a), body);
        }
    }
}
