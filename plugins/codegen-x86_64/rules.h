/*
 * The rules by file. Their order in rules.c is that of core/ir/ops.def.
 */
#ifndef CODEGEN_X86_64_RULES_H
#define CODEGEN_X86_64_RULES_H

#include "codegen.h"

/* rules_copy.c: slots, conversions between types, choices */
cg_rule rule_get_idx, rule_put_idx, rule_zext, rule_sext, rule_trunc, rule_pair, rule_lo, rule_hi,
    rule_bitcast, rule_select, rule_sel_cc;
/* rules_int.c */
cg_rule rule_add, rule_sub, rule_neg, rule_mul, rule_mulh, rule_div, rule_adc, rule_minmax,
    rule_logic, rule_andn, rule_orn, rule_not, rule_compare;
/* rules_bits.c */
cg_rule rule_shift, rule_extr, rule_extract, rule_sextract, rule_insert, rule_bswap, rule_bitrev,
    rule_count, rule_popcnt, rule_crc32c;
/* rules_flags.c */
cg_rule rule_add_fl, rule_sub_fl, rule_logic_fl, rule_andn_fl, rule_carry_fl, rule_fl_merge,
    rule_fl_flip, rule_flbit, rule_set_cc, rule_flpack_nzcv, rule_flunpack_nzcv;
/* rules_mem.c, rules_atomic.c */
cg_rule rule_ld, rule_st, rule_rmw, rule_cas, rule_ldx, rule_stx, rule_clrex, rule_fence;
/* rules_vec.c */
cg_rule rule_v_row, rule_v_not, rule_v_orn, rule_v_bsl, rule_v_mul, rule_v_neg, rule_v_abs,
    rule_v_minmax, rule_v_cmge_s, rule_v_cmgt_u, rule_v_cmge_u, rule_v_hadd, rule_v_hsub,
    rule_v_abd, rule_v_popcnt, rule_v_clz, rule_v_cls, rule_v_bitrev, rule_v_qaddsub, rule_v_qdmulh;
/* rules_vec_shift.c */
cg_rule rule_v_shift, rule_v_rshr, rule_v_shlv, rule_v_qshlv;
/* rules_vec_move.c */
cg_rule rule_v_zero, rule_v_dup, rule_v_lane, rule_v_slane, rule_v_setlane, rule_v_from,
    rule_v_wide, rule_v_half, rule_v_join, rule_v_zip, rule_v_uzp, rule_v_trn, rule_v_ext,
    rule_v_rev, rule_v_tbl, rule_v_pairs, rule_v_addlp, rule_v_addv, rule_v_minmaxv;
/* rules_vec_wide.c */
cg_rule rule_v_widen, rule_v_narrow, rule_v_qnarrow, rule_v_mull;
/* rules_vec_crypto.c */
cg_rule rule_v_pmul, rule_v_pmull, rule_v_aes, rule_v_aesmc, rule_crc32, rule_v_sha1,
    rule_v_sha256h, rule_v_sha256su;
/* rules_vec_fp.c */
cg_rule rule_v_farith, rule_v_fsqrt, rule_v_fma, rule_v_fsign, rule_v_fminmax, rule_v_fcompare,
    rule_v_ftoi, rule_v_itof, rule_v_frint, rule_v_fresize;
/* rules_call.c */
cg_rule rule_call;

/* rules_fp.c */
cg_rule rule_farith, rule_fsqrt, rule_fma, rule_fneg, rule_fabs, rule_fminmax;
/* rules_fp_compare.c */
cg_rule rule_fcmp;
/* rules_fp_convert.c */
cg_rule rule_fcvt, rule_ftoi, rule_itof, rule_frint;

/* ---- what they share ---------------------------------------------------------------------------------------- */

/* Bits of the record's type. */
static inline uint32_t rule_bits(const ir_op_record *r)
{
    return ir_type_bits[r->type];
}

/* The width to compute at: 32 bits for what is smaller. */
static inline uint32_t rule_width(uint32_t bits)
{
    return bits == 64 ? W64 : W32;
}

/* The exact width of an i8 to i64. */
static inline uint32_t rule_exact(uint32_t bits)
{
    return bits == 64 ? W64 : bits == 32 ? W32 : bits == 16 ? W16 : W8;
}

/* Cut a result of 8 or 16 bits off, flags stay. */
static inline void rule_cut(cg *c, uint32_t bits, cg_reg r)
{
    if (bits == 8 || bits == 16)
        asm_movzx(&c->a, bits == 8 ? W8 : W16, r, r);
}

/* The lowest 32 or 64 bits, zeros above. */
void rule_low_lane(cg *c, uint32_t bits, cg_reg to, cg_reg from);

static inline bool rule_has(const cg *c, uint32_t features)
{
    return (c->features & features) == features;
}

#endif
