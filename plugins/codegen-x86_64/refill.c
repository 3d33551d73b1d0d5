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
    uint32_t general[8]; /* jumps to the slow path */
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

static asm_mem entry_at(size_t member)
{
    return asm_at(RDI, (int32_t)(offsetof(pb_tlb2, entry) + member));
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
    asm_load(
        a, W64, RCX,
        asm_index(RBP, RAX, 3, (int32_t)offsetof(pb_vcpu, refill) - PB_VCPU_STATE_OFFSET - 128));
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

/* Look in a space (0, 1): rdi at the tag if it is there, and go on behind; else to the jump that is given. */
static uint32_t make_look(refiller *r, uint32_t space)
{
    asm_buffer *a = r->a;
    uint32_t hits[PB_TLB2_WAYS], missed;

    asm_mov(a, W64, RAX, RSI);
    asm_shift_imm(a, SHIFT_SHR, W64, RAX, PB_PAGE_BITS);
    asm_mov(a, W64, RDI, RAX);
    asm_shift_imm(a, SHIFT_SHR, W64, RDI, PB_TLB2_BITS);
    asm_alu(a, ALU_XOR, W32, RAX, RDI);
    asm_alu_load(a, ALU_XOR, W32, RAX, refill_at(offsetof(pb_tlb_refill, salt) + 4 * space));
    asm_alu_imm(a, ALU_AND, W32, RAX, PB_TLB2_SETS - 1);
    asm_shift_imm(a, SHIFT_SHL, W32, RAX, 5);
    asm_load(a, W64, RDI, refill_at(offsetof(pb_tlb_refill, second)));
    asm_alu(a, ALU_ADD, W64, RDI, RAX);
    asm_load(a, W32, RAX, refill_at(offsetof(pb_tlb_refill, space) + 4 * space));
    asm_alu(a, ALU_OR, W64, RAX, RSI);
    for (uint32_t i = 0; i < PB_TLB2_WAYS; i++) {
        asm_alu_load(a, ALU_CMP, W64, RAX, asm_at(RDI, 8 * (int32_t)i));
        hits[i] = asm_jcc(a, CC_E);
    }
    missed = asm_jmp(a);
    for (uint32_t i = PB_TLB2_WAYS; i-- > 0;) {
        asm_patch(a, hits[i], asm_offset(a));
        if (i > 0)
            asm_alu_imm(a, ALU_ADD, W64, RDI, 8);
    }
    asm_mov_imm(a, RAX, space ? PB_TLB_TOUCHED_GLOBAL : PB_TLB_TOUCHED_LOCAL);
    return missed;
}

_Static_assert(sizeof(uint64_t[PB_TLB2_WAYS]) == 1 << 5, "the tags of a set, in make_look()");
_Static_assert(sizeof(pb_tlb2_entry) == 4 * sizeof(uint64_t), "four times a tag, in make_check()");

/* rdi: what the entry says of plain memory; al stays. */
static void make_check(refiller *r)
{
    asm_buffer *a = r->a;

    asm_alu_load(a, ALU_SUB, W64, RDI, refill_at(offsetof(pb_tlb_refill, second)));
    asm_shift_imm(a, SHIFT_SHL, W64, RDI, 2);
    asm_alu_load(a, ALU_ADD, W64, RDI, refill_at(offsetof(pb_tlb_refill, second)));
    asm_load(a, W64, RDX, entry_at(offsetof(pb_tlb2_entry, plain)));
    asm_test_imm(a, W32, RDX, r->write ? PB_TLB2_WRITE : PB_TLB2_READ);
    to_general(r, CC_E);
    if (r->write) {
        asm_load(a, W64, RDI, entry_at(offsetof(pb_tlb2_entry, tagged)));
        asm_alu_mem_imm(a, ALU_CMP, W8, asm_at(RDI, 0), PB_TLB2_TAGGED);
        to_general(r, CC_NE);
    }
    asm_mov(a, W64, RDI, RDX);
}

static void make_touch(refiller *r)
{
    asm_mov(r->a, W32, RDX, RSI);
    asm_shift_imm(r->a, SHIFT_SHR, W32, RDX, PB_PAGE_BITS + 3);
    asm_alu_imm(r->a, ALU_AND, W32, RDX, PB_TLB_ENTRIES / 8 - 1);
    asm_alu_store(r->a, ALU_OR, W8,
                  asm_index(RCX, RDX, 0, (int32_t)offsetof(pb_tlb_refill, touched)), RAX);
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
            host = first_at(RCX, offsetof(pb_tlb, host));
    asm_buffer *a = r->a;

    asm_load(a, W64, RCX, refill_at(offsetof(pb_tlb_refill, first)));
    make_index(r);
    if (r->write) {
        make_invalid(r);
        asm_test_imm(a, W32, RDI, PB_TLB2_READ);
        asm_cmov(a, CC_NE, W64, RDX, RSI);
        asm_store(a, W64, read, RDX);
        asm_alu_imm(a, ALU_AND, W64, RDI, -(int32_t)PB_PAGE_SIZE);
        asm_store(a, W64, write, RSI);
    } else {
        uint32_t moved, same;

        asm_alu_imm(a, ALU_AND, W64, RDI, -(int32_t)PB_PAGE_SIZE);
        asm_alu_load(a, ALU_CMP, W64, RDI, host);
        moved = asm_jcc(a, CC_NE);
        asm_alu_load(a, ALU_CMP, W64, RSI, write);
        same = asm_jcc(a, CC_E);
        asm_patch(a, moved, asm_offset(a));
        make_invalid(r);
        asm_store(a, W64, write, RDX);
        asm_patch(a, same, asm_offset(a));
        asm_store(a, W64, read, RSI);
    }
    asm_store(a, W64, host, RDI);
}

static void make_body(asm_buffer *a, bool write, uint32_t slow)
{
    refiller r = { .a = a, .write = write };
    uint32_t missed, found;

    make_start(&r);
    missed = make_look(&r, 0);
    found = asm_jmp(a);
    asm_patch(a, missed, asm_offset(a));
    r.general[r.n_general++] = make_look(&r, 1);
    asm_patch(a, found, asm_offset(a));
    make_check(&r);
    make_touch(&r);
    make_enter(&r);
    restore(a);
    asm_ret(a);
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
