/*
 * Floating-point and Advanced SIMD instructions that have a row in a64.decode and no translator
 * yet: executing one logs its name as not modelled and is UNDEFINED. A function moves away from
 * here when it is written.
 */
#include "translate.h"

static tr_status todo(a64_ctx *c)
{
    return a64_missing(c, c->insn, &a64_rows[a64_find_row(c, c->insn)]);
}

tr_status tr_st_multi(a64_ctx *c, const a64_arg_st_multi *a)
{
    return todo(c);
}
tr_status tr_ld_multi(a64_ctx *c, const a64_arg_ld_multi *a)
{
    return todo(c);
}
tr_status tr_st_lane(a64_ctx *c, const a64_arg_st_lane *a)
{
    return todo(c);
}
tr_status tr_ld_lane(a64_ctx *c, const a64_arg_ld_lane *a)
{
    return todo(c);
}
tr_status tr_ld_replicate(a64_ctx *c, const a64_arg_ld_replicate *a)
{
    return todo(c);
}
tr_status tr_ldr_lit_v(a64_ctx *c, const a64_arg_ldr_lit_v *a)
{
    return todo(c);
}
tr_status tr_stp_v(a64_ctx *c, const a64_arg_stp_v *a)
{
    return todo(c);
}
tr_status tr_ldp_v(a64_ctx *c, const a64_arg_ldp_v *a)
{
    return todo(c);
}
tr_status tr_str_imm_v(a64_ctx *c, const a64_arg_str_imm_v *a)
{
    return todo(c);
}
tr_status tr_ldr_imm_v(a64_ctx *c, const a64_arg_ldr_imm_v *a)
{
    return todo(c);
}
tr_status tr_str_reg_v(a64_ctx *c, const a64_arg_str_reg_v *a)
{
    return todo(c);
}
tr_status tr_ldr_reg_v(a64_ctx *c, const a64_arg_ldr_reg_v *a)
{
    return todo(c);
}
tr_status tr_aese(a64_ctx *c, const a64_arg_aese *a)
{
    return todo(c);
}
tr_status tr_aesd(a64_ctx *c, const a64_arg_aesd *a)
{
    return todo(c);
}
tr_status tr_aesmc(a64_ctx *c, const a64_arg_aesmc *a)
{
    return todo(c);
}
tr_status tr_aesimc(a64_ctx *c, const a64_arg_aesimc *a)
{
    return todo(c);
}
tr_status tr_sha1c(a64_ctx *c, const a64_arg_sha1c *a)
{
    return todo(c);
}
tr_status tr_sha1p(a64_ctx *c, const a64_arg_sha1p *a)
{
    return todo(c);
}
tr_status tr_sha1m(a64_ctx *c, const a64_arg_sha1m *a)
{
    return todo(c);
}
tr_status tr_sha1su0(a64_ctx *c, const a64_arg_sha1su0 *a)
{
    return todo(c);
}
tr_status tr_sha256h(a64_ctx *c, const a64_arg_sha256h *a)
{
    return todo(c);
}
tr_status tr_sha256h2(a64_ctx *c, const a64_arg_sha256h2 *a)
{
    return todo(c);
}
tr_status tr_sha256su1(a64_ctx *c, const a64_arg_sha256su1 *a)
{
    return todo(c);
}
tr_status tr_sha1h(a64_ctx *c, const a64_arg_sha1h *a)
{
    return todo(c);
}
tr_status tr_sha1su1(a64_ctx *c, const a64_arg_sha1su1 *a)
{
    return todo(c);
}
tr_status tr_sha256su0(a64_ctx *c, const a64_arg_sha256su0 *a)
{
    return todo(c);
}
tr_status tr_v_dup_lane(a64_ctx *c, const a64_arg_v_dup_lane *a)
{
    return todo(c);
}
tr_status tr_v_sqrdmla(a64_ctx *c, const a64_arg_v_sqrdmla *a)
{
    return todo(c);
}
tr_status tr_v_suqadd(a64_ctx *c, const a64_arg_v_suqadd *a)
{
    return todo(c);
}
tr_status tr_v_sqabs(a64_ctx *c, const a64_arg_v_sqabs *a)
{
    return todo(c);
}
tr_status tr_v_sqneg(a64_ctx *c, const a64_arg_v_sqneg *a)
{
    return todo(c);
}
tr_status tr_v_cmp_zero(a64_ctx *c, const a64_arg_v_cmp_zero *a)
{
    return todo(c);
}
tr_status tr_v_abs(a64_ctx *c, const a64_arg_v_abs *a)
{
    return todo(c);
}
tr_status tr_v_neg(a64_ctx *c, const a64_arg_v_neg *a)
{
    return todo(c);
}
tr_status tr_v_sqxtn(a64_ctx *c, const a64_arg_v_sqxtn *a)
{
    return todo(c);
}
tr_status tr_v_uqxtn(a64_ctx *c, const a64_arg_v_uqxtn *a)
{
    return todo(c);
}
tr_status tr_v_sqxtun(a64_ctx *c, const a64_arg_v_sqxtun *a)
{
    return todo(c);
}
tr_status tr_v_fp_to_int(a64_ctx *c, const a64_arg_v_fp_to_int *a)
{
    return todo(c);
}
tr_status tr_v_int_to_fp(a64_ctx *c, const a64_arg_v_int_to_fp *a)
{
    return todo(c);
}
tr_status tr_v_fcmp_zero(a64_ctx *c, const a64_arg_v_fcmp_zero *a)
{
    return todo(c);
}
tr_status tr_v_frecpe(a64_ctx *c, const a64_arg_v_frecpe *a)
{
    return todo(c);
}
tr_status tr_v_frecpx(a64_ctx *c, const a64_arg_v_frecpx *a)
{
    return todo(c);
}
tr_status tr_v_frsqrte(a64_ctx *c, const a64_arg_v_frsqrte *a)
{
    return todo(c);
}
tr_status tr_v_fcvtxn(a64_ctx *c, const a64_arg_v_fcvtxn *a)
{
    return todo(c);
}
tr_status tr_v_addp_scalar(a64_ctx *c, const a64_arg_v_addp_scalar *a)
{
    return todo(c);
}
tr_status tr_v_fmaxnmp_scalar(a64_ctx *c, const a64_arg_v_fmaxnmp_scalar *a)
{
    return todo(c);
}
tr_status tr_v_faddp_scalar(a64_ctx *c, const a64_arg_v_faddp_scalar *a)
{
    return todo(c);
}
tr_status tr_v_fmaxp_scalar(a64_ctx *c, const a64_arg_v_fmaxp_scalar *a)
{
    return todo(c);
}
tr_status tr_v_fminnmp_scalar(a64_ctx *c, const a64_arg_v_fminnmp_scalar *a)
{
    return todo(c);
}
tr_status tr_v_fminp_scalar(a64_ctx *c, const a64_arg_v_fminp_scalar *a)
{
    return todo(c);
}
tr_status tr_v_sqdmlal(a64_ctx *c, const a64_arg_v_sqdmlal *a)
{
    return todo(c);
}
tr_status tr_v_sqdmlsl(a64_ctx *c, const a64_arg_v_sqdmlsl *a)
{
    return todo(c);
}
tr_status tr_v_sqdmull(a64_ctx *c, const a64_arg_v_sqdmull *a)
{
    return todo(c);
}
tr_status tr_v_qadd(a64_ctx *c, const a64_arg_v_qadd *a)
{
    return todo(c);
}
tr_status tr_v_qsub(a64_ctx *c, const a64_arg_v_qsub *a)
{
    return todo(c);
}
tr_status tr_v_cmp(a64_ctx *c, const a64_arg_v_cmp *a)
{
    return todo(c);
}
tr_status tr_v_cmtst(a64_ctx *c, const a64_arg_v_cmtst *a)
{
    return todo(c);
}
tr_status tr_v_shl_reg(a64_ctx *c, const a64_arg_v_shl_reg *a)
{
    return todo(c);
}
tr_status tr_v_qshl_reg(a64_ctx *c, const a64_arg_v_qshl_reg *a)
{
    return todo(c);
}
tr_status tr_v_add(a64_ctx *c, const a64_arg_v_add *a)
{
    return todo(c);
}
tr_status tr_v_sub(a64_ctx *c, const a64_arg_v_sub *a)
{
    return todo(c);
}
tr_status tr_v_sqdmulh(a64_ctx *c, const a64_arg_v_sqdmulh *a)
{
    return todo(c);
}
tr_status tr_v_fmulx(a64_ctx *c, const a64_arg_v_fmulx *a)
{
    return todo(c);
}
tr_status tr_v_fcmp(a64_ctx *c, const a64_arg_v_fcmp *a)
{
    return todo(c);
}
tr_status tr_v_facmp(a64_ctx *c, const a64_arg_v_facmp *a)
{
    return todo(c);
}
tr_status tr_v_frecps(a64_ctx *c, const a64_arg_v_frecps *a)
{
    return todo(c);
}
tr_status tr_v_frsqrts(a64_ctx *c, const a64_arg_v_frsqrts *a)
{
    return todo(c);
}
tr_status tr_v_fabd(a64_ctx *c, const a64_arg_v_fabd *a)
{
    return todo(c);
}
tr_status tr_v_shr(a64_ctx *c, const a64_arg_v_shr *a)
{
    return todo(c);
}
tr_status tr_v_sra(a64_ctx *c, const a64_arg_v_sra *a)
{
    return todo(c);
}
tr_status tr_v_rshr(a64_ctx *c, const a64_arg_v_rshr *a)
{
    return todo(c);
}
tr_status tr_v_rsra(a64_ctx *c, const a64_arg_v_rsra *a)
{
    return todo(c);
}
tr_status tr_v_sri(a64_ctx *c, const a64_arg_v_sri *a)
{
    return todo(c);
}
tr_status tr_v_shl(a64_ctx *c, const a64_arg_v_shl *a)
{
    return todo(c);
}
tr_status tr_v_sli(a64_ctx *c, const a64_arg_v_sli *a)
{
    return todo(c);
}
tr_status tr_v_sqshlu(a64_ctx *c, const a64_arg_v_sqshlu *a)
{
    return todo(c);
}
tr_status tr_v_qshl(a64_ctx *c, const a64_arg_v_qshl *a)
{
    return todo(c);
}
tr_status tr_v_sqshrun(a64_ctx *c, const a64_arg_v_sqshrun *a)
{
    return todo(c);
}
tr_status tr_v_qshrn(a64_ctx *c, const a64_arg_v_qshrn *a)
{
    return todo(c);
}
tr_status tr_v_sqdmlal_lane(a64_ctx *c, const a64_arg_v_sqdmlal_lane *a)
{
    return todo(c);
}
tr_status tr_v_sqdmlsl_lane(a64_ctx *c, const a64_arg_v_sqdmlsl_lane *a)
{
    return todo(c);
}
tr_status tr_v_sqdmull_lane(a64_ctx *c, const a64_arg_v_sqdmull_lane *a)
{
    return todo(c);
}
tr_status tr_v_sqdmulh_lane(a64_ctx *c, const a64_arg_v_sqdmulh_lane *a)
{
    return todo(c);
}
tr_status tr_v_sqrdmla_lane(a64_ctx *c, const a64_arg_v_sqrdmla_lane *a)
{
    return todo(c);
}
tr_status tr_v_fmla_lane(a64_ctx *c, const a64_arg_v_fmla_lane *a)
{
    return todo(c);
}
tr_status tr_v_fmul_lane(a64_ctx *c, const a64_arg_v_fmul_lane *a)
{
    return todo(c);
}
tr_status tr_v_fmulx_lane(a64_ctx *c, const a64_arg_v_fmulx_lane *a)
{
    return todo(c);
}
tr_status tr_v_tbl(a64_ctx *c, const a64_arg_v_tbl *a)
{
    return todo(c);
}
tr_status tr_v_uzp(a64_ctx *c, const a64_arg_v_uzp *a)
{
    return todo(c);
}
tr_status tr_v_trn(a64_ctx *c, const a64_arg_v_trn *a)
{
    return todo(c);
}
tr_status tr_v_zip(a64_ctx *c, const a64_arg_v_zip *a)
{
    return todo(c);
}
tr_status tr_v_ext(a64_ctx *c, const a64_arg_v_ext *a)
{
    return todo(c);
}
tr_status tr_v_dup(a64_ctx *c, const a64_arg_v_dup *a)
{
    return todo(c);
}
tr_status tr_v_smov(a64_ctx *c, const a64_arg_v_smov *a)
{
    return todo(c);
}
tr_status tr_v_umov(a64_ctx *c, const a64_arg_v_umov *a)
{
    return todo(c);
}
tr_status tr_v_ins(a64_ctx *c, const a64_arg_v_ins *a)
{
    return todo(c);
}
tr_status tr_v_ins_lane(a64_ctx *c, const a64_arg_v_ins_lane *a)
{
    return todo(c);
}
tr_status tr_v_rev(a64_ctx *c, const a64_arg_v_rev *a)
{
    return todo(c);
}
tr_status tr_v_addlp(a64_ctx *c, const a64_arg_v_addlp *a)
{
    return todo(c);
}
tr_status tr_v_cls(a64_ctx *c, const a64_arg_v_cls *a)
{
    return todo(c);
}
tr_status tr_v_clz(a64_ctx *c, const a64_arg_v_clz *a)
{
    return todo(c);
}
tr_status tr_v_cnt(a64_ctx *c, const a64_arg_v_cnt *a)
{
    return todo(c);
}
tr_status tr_v_not(a64_ctx *c, const a64_arg_v_not *a)
{
    return todo(c);
}
tr_status tr_v_rbit(a64_ctx *c, const a64_arg_v_rbit *a)
{
    return todo(c);
}
tr_status tr_v_xtn(a64_ctx *c, const a64_arg_v_xtn *a)
{
    return todo(c);
}
tr_status tr_v_shll(a64_ctx *c, const a64_arg_v_shll *a)
{
    return todo(c);
}
tr_status tr_v_fcvtn(a64_ctx *c, const a64_arg_v_fcvtn *a)
{
    return todo(c);
}
tr_status tr_v_fcvtl(a64_ctx *c, const a64_arg_v_fcvtl *a)
{
    return todo(c);
}
tr_status tr_v_frint(a64_ctx *c, const a64_arg_v_frint *a)
{
    return todo(c);
}
tr_status tr_v_fabs(a64_ctx *c, const a64_arg_v_fabs *a)
{
    return todo(c);
}
tr_status tr_v_fneg(a64_ctx *c, const a64_arg_v_fneg *a)
{
    return todo(c);
}
tr_status tr_v_urecpe(a64_ctx *c, const a64_arg_v_urecpe *a)
{
    return todo(c);
}
tr_status tr_v_ursqrte(a64_ctx *c, const a64_arg_v_ursqrte *a)
{
    return todo(c);
}
tr_status tr_v_fsqrt(a64_ctx *c, const a64_arg_v_fsqrt *a)
{
    return todo(c);
}
tr_status tr_v_addlv(a64_ctx *c, const a64_arg_v_addlv *a)
{
    return todo(c);
}
tr_status tr_v_maxv(a64_ctx *c, const a64_arg_v_maxv *a)
{
    return todo(c);
}
tr_status tr_v_minv(a64_ctx *c, const a64_arg_v_minv *a)
{
    return todo(c);
}
tr_status tr_v_addv(a64_ctx *c, const a64_arg_v_addv *a)
{
    return todo(c);
}
tr_status tr_v_fmaxnmv(a64_ctx *c, const a64_arg_v_fmaxnmv *a)
{
    return todo(c);
}
tr_status tr_v_fmaxv(a64_ctx *c, const a64_arg_v_fmaxv *a)
{
    return todo(c);
}
tr_status tr_v_fminnmv(a64_ctx *c, const a64_arg_v_fminnmv *a)
{
    return todo(c);
}
tr_status tr_v_fminv(a64_ctx *c, const a64_arg_v_fminv *a)
{
    return todo(c);
}
tr_status tr_v_addl(a64_ctx *c, const a64_arg_v_addl *a)
{
    return todo(c);
}
tr_status tr_v_addw(a64_ctx *c, const a64_arg_v_addw *a)
{
    return todo(c);
}
tr_status tr_v_addhn(a64_ctx *c, const a64_arg_v_addhn *a)
{
    return todo(c);
}
tr_status tr_v_abdl(a64_ctx *c, const a64_arg_v_abdl *a)
{
    return todo(c);
}
tr_status tr_v_mlal(a64_ctx *c, const a64_arg_v_mlal *a)
{
    return todo(c);
}
tr_status tr_v_mull(a64_ctx *c, const a64_arg_v_mull *a)
{
    return todo(c);
}
tr_status tr_v_pmull(a64_ctx *c, const a64_arg_v_pmull *a)
{
    return todo(c);
}
tr_status tr_v_hadd(a64_ctx *c, const a64_arg_v_hadd *a)
{
    return todo(c);
}
tr_status tr_v_logic(a64_ctx *c, const a64_arg_v_logic *a)
{
    return todo(c);
}
tr_status tr_v_hsub(a64_ctx *c, const a64_arg_v_hsub *a)
{
    return todo(c);
}
tr_status tr_v_minmax(a64_ctx *c, const a64_arg_v_minmax *a)
{
    return todo(c);
}
tr_status tr_v_abd(a64_ctx *c, const a64_arg_v_abd *a)
{
    return todo(c);
}
tr_status tr_v_mla(a64_ctx *c, const a64_arg_v_mla *a)
{
    return todo(c);
}
tr_status tr_v_mul(a64_ctx *c, const a64_arg_v_mul *a)
{
    return todo(c);
}
tr_status tr_v_pmul(a64_ctx *c, const a64_arg_v_pmul *a)
{
    return todo(c);
}
tr_status tr_v_minmaxp(a64_ctx *c, const a64_arg_v_minmaxp *a)
{
    return todo(c);
}
tr_status tr_v_addp(a64_ctx *c, const a64_arg_v_addp *a)
{
    return todo(c);
}
tr_status tr_v_fmaxnm(a64_ctx *c, const a64_arg_v_fmaxnm *a)
{
    return todo(c);
}
tr_status tr_v_fminnm(a64_ctx *c, const a64_arg_v_fminnm *a)
{
    return todo(c);
}
tr_status tr_v_fmla(a64_ctx *c, const a64_arg_v_fmla *a)
{
    return todo(c);
}
tr_status tr_v_fadd(a64_ctx *c, const a64_arg_v_fadd *a)
{
    return todo(c);
}
tr_status tr_v_fsub(a64_ctx *c, const a64_arg_v_fsub *a)
{
    return todo(c);
}
tr_status tr_v_fmax(a64_ctx *c, const a64_arg_v_fmax *a)
{
    return todo(c);
}
tr_status tr_v_fmin(a64_ctx *c, const a64_arg_v_fmin *a)
{
    return todo(c);
}
tr_status tr_v_fmaxnmp(a64_ctx *c, const a64_arg_v_fmaxnmp *a)
{
    return todo(c);
}
tr_status tr_v_fminnmp(a64_ctx *c, const a64_arg_v_fminnmp *a)
{
    return todo(c);
}
tr_status tr_v_faddp(a64_ctx *c, const a64_arg_v_faddp *a)
{
    return todo(c);
}
tr_status tr_v_fmul(a64_ctx *c, const a64_arg_v_fmul *a)
{
    return todo(c);
}
tr_status tr_v_fmaxp(a64_ctx *c, const a64_arg_v_fmaxp *a)
{
    return todo(c);
}
tr_status tr_v_fminp(a64_ctx *c, const a64_arg_v_fminp *a)
{
    return todo(c);
}
tr_status tr_v_fdiv(a64_ctx *c, const a64_arg_v_fdiv *a)
{
    return todo(c);
}
tr_status tr_v_movi(a64_ctx *c, const a64_arg_v_movi *a)
{
    return todo(c);
}
tr_status tr_v_orr_imm(a64_ctx *c, const a64_arg_v_orr_imm *a)
{
    return todo(c);
}
tr_status tr_v_shrn(a64_ctx *c, const a64_arg_v_shrn *a)
{
    return todo(c);
}
tr_status tr_v_shll_imm(a64_ctx *c, const a64_arg_v_shll_imm *a)
{
    return todo(c);
}
tr_status tr_v_mlal_lane(a64_ctx *c, const a64_arg_v_mlal_lane *a)
{
    return todo(c);
}
tr_status tr_v_mull_lane(a64_ctx *c, const a64_arg_v_mull_lane *a)
{
    return todo(c);
}
tr_status tr_v_mla_lane(a64_ctx *c, const a64_arg_v_mla_lane *a)
{
    return todo(c);
}
tr_status tr_v_mul_lane(a64_ctx *c, const a64_arg_v_mul_lane *a)
{
    return todo(c);
}
tr_status tr_int_to_fp(a64_ctx *c, const a64_arg_int_to_fp *a)
{
    return todo(c);
}
tr_status tr_fp_to_int(a64_ctx *c, const a64_arg_fp_to_int *a)
{
    return todo(c);
}
tr_status tr_fmov_to_gpr(a64_ctx *c, const a64_arg_fmov_to_gpr *a)
{
    return todo(c);
}
tr_status tr_fmov_from_gpr(a64_ctx *c, const a64_arg_fmov_from_gpr *a)
{
    return todo(c);
}
tr_status tr_fmov(a64_ctx *c, const a64_arg_fmov *a)
{
    return todo(c);
}
tr_status tr_fabs(a64_ctx *c, const a64_arg_fabs *a)
{
    return todo(c);
}
tr_status tr_fneg(a64_ctx *c, const a64_arg_fneg *a)
{
    return todo(c);
}
tr_status tr_fsqrt(a64_ctx *c, const a64_arg_fsqrt *a)
{
    return todo(c);
}
tr_status tr_fcvt(a64_ctx *c, const a64_arg_fcvt *a)
{
    return todo(c);
}
tr_status tr_frint(a64_ctx *c, const a64_arg_frint *a)
{
    return todo(c);
}
tr_status tr_fcmp(a64_ctx *c, const a64_arg_fcmp *a)
{
    return todo(c);
}
tr_status tr_fmov_imm(a64_ctx *c, const a64_arg_fmov_imm *a)
{
    return todo(c);
}
tr_status tr_fccmp(a64_ctx *c, const a64_arg_fccmp *a)
{
    return todo(c);
}
tr_status tr_fmul(a64_ctx *c, const a64_arg_fmul *a)
{
    return todo(c);
}
tr_status tr_fdiv(a64_ctx *c, const a64_arg_fdiv *a)
{
    return todo(c);
}
tr_status tr_fadd(a64_ctx *c, const a64_arg_fadd *a)
{
    return todo(c);
}
tr_status tr_fsub(a64_ctx *c, const a64_arg_fsub *a)
{
    return todo(c);
}
tr_status tr_fmax(a64_ctx *c, const a64_arg_fmax *a)
{
    return todo(c);
}
tr_status tr_fmin(a64_ctx *c, const a64_arg_fmin *a)
{
    return todo(c);
}
tr_status tr_fmaxnm(a64_ctx *c, const a64_arg_fmaxnm *a)
{
    return todo(c);
}
tr_status tr_fminnm(a64_ctx *c, const a64_arg_fminnm *a)
{
    return todo(c);
}
tr_status tr_fnmul(a64_ctx *c, const a64_arg_fnmul *a)
{
    return todo(c);
}
tr_status tr_fcsel(a64_ctx *c, const a64_arg_fcsel *a)
{
    return todo(c);
}
tr_status tr_fmadd(a64_ctx *c, const a64_arg_fmadd *a)
{
    return todo(c);
}
