/*
 * Arm's instructions against vectors from a processor (or its model): arm_vectors.sh makes them.
 *
 * usage: test_fp_arm VECTORS
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <patchbay/fp.h>

#include "../runner.h"

/* ---- one function an instruction, named like it ---- */

static uint64_t frecpe_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f16_recpe((uint16_t)a, env);
}

static uint64_t frecpe_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f32_recpe((uint32_t)a, env);
}

static uint64_t frecpe_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f64_recpe(a, env);
}

static uint64_t frsqrte_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f16_rsqrte((uint16_t)a, env);
}

static uint64_t frsqrte_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f32_rsqrte((uint32_t)a, env);
}

static uint64_t frsqrte_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f64_rsqrte(a, env);
}

static uint64_t frecpx_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f16_recpx((uint16_t)a, env);
}

static uint64_t frecpx_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f32_recpx((uint32_t)a, env);
}

static uint64_t frecpx_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f64_recpx(a, env);
}

static uint64_t urecpe(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_urecpe((uint32_t)a);
}

static uint64_t ursqrte(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_ursqrte((uint32_t)a);
}

static uint64_t frecps_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f16_recps((uint16_t)a, (uint16_t)b, env);
}

static uint64_t frecps_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f32_recps((uint32_t)a, (uint32_t)b, env);
}

static uint64_t frecps_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f64_recps(a, b, env);
}

static uint64_t frsqrts_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f16_rsqrts((uint16_t)a, (uint16_t)b, env);
}

static uint64_t frsqrts_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f32_rsqrts((uint32_t)a, (uint32_t)b, env);
}

static uint64_t frsqrts_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f64_rsqrts(a, b, env);
}

static uint64_t fmulx_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f16_mulx((uint16_t)a, (uint16_t)b, env);
}

static uint64_t fmulx_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f32_mulx((uint32_t)a, (uint32_t)b, env);
}

static uint64_t fmulx_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f64_mulx(a, b, env);
}

static uint64_t fmin_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_min((uint16_t)a, (uint16_t)b, env);
}

static uint64_t fmin_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_min((uint32_t)a, (uint32_t)b, env);
}

static uint64_t fmin_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_min(a, b, env);
}

static uint64_t fmax_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_max((uint16_t)a, (uint16_t)b, env);
}

static uint64_t fmax_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_max((uint32_t)a, (uint32_t)b, env);
}

static uint64_t fmax_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_max(a, b, env);
}

static uint64_t fminnm_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_minnum((uint16_t)a, (uint16_t)b, env);
}

static uint64_t fminnm_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_minnum((uint32_t)a, (uint32_t)b, env);
}

static uint64_t fminnm_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_minnum(a, b, env);
}

static uint64_t fmaxnm_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_maxnum((uint16_t)a, (uint16_t)b, env);
}

static uint64_t fmaxnm_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_maxnum((uint32_t)a, (uint32_t)b, env);
}

static uint64_t fmaxnm_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_maxnum(a, b, env);
}

static uint64_t fadd_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_add((uint16_t)a, (uint16_t)b, env);
}

static uint64_t fadd_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_add((uint32_t)a, (uint32_t)b, env);
}

static uint64_t fadd_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_add(a, b, env);
}

static uint64_t fmul_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_mul((uint16_t)a, (uint16_t)b, env);
}

static uint64_t fmul_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_mul((uint32_t)a, (uint32_t)b, env);
}

static uint64_t fmul_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_mul(a, b, env);
}

static uint64_t fdiv_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_div((uint16_t)a, (uint16_t)b, env);
}

static uint64_t fdiv_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_div((uint32_t)a, (uint32_t)b, env);
}

static uint64_t fdiv_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_div(a, b, env);
}

static uint64_t fsqrt_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_sqrt((uint16_t)a, env);
}

static uint64_t fsqrt_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_sqrt((uint32_t)a, env);
}

static uint64_t fsqrt_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_sqrt(a, env);
}

static uint64_t fmadd_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_fma((uint16_t)a, (uint16_t)b, (uint16_t)c, 0, env);
}

static uint64_t fmadd_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_fma((uint32_t)a, (uint32_t)b, (uint32_t)c, 0, env);
}

static uint64_t fmadd_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_fma(a, b, c, 0, env);
}

static uint64_t fcvt_hs(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_to_f32((uint16_t)a, env);
}

static uint64_t fcvt_hd(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_to_f64((uint16_t)a, env);
}

static uint64_t fcvt_sh(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_to_f16((uint32_t)a, env);
}

static uint64_t fcvt_sd(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_to_f64((uint32_t)a, env);
}

static uint64_t fcvt_dh(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_to_f16(a, env);
}

static uint64_t fcvt_ds(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_to_f32(a, env);
}

static uint64_t fcvtxn(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    env->round = PB_FP_TO_ODD;
    return pb_f64_to_f32(a, env);
}

static uint64_t bfcvt(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_to_bf16((uint32_t)a, env);
}

static uint64_t fcvtzs_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return (uint16_t)pb_f16_to_int((uint16_t)a, 16, 0, PB_FP_TO_ZERO, env);
}

static uint64_t fcvtzs_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return (uint32_t)pb_f32_to_int((uint32_t)a, 32, 0, PB_FP_TO_ZERO, env);
}

static uint64_t fcvtzs_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return (uint64_t)pb_f64_to_int(a, 64, 0, PB_FP_TO_ZERO, env);
}

static uint64_t fcvtzu_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_to_uint((uint16_t)a, 16, 0, PB_FP_TO_ZERO, env);
}

static uint64_t fcvtzu_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_to_uint((uint32_t)a, 32, 0, PB_FP_TO_ZERO, env);
}

static uint64_t fcvtzu_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_to_uint(a, 64, 0, PB_FP_TO_ZERO, env);
}

static uint64_t fcvtas_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return (uint32_t)pb_f32_to_int((uint32_t)a, 32, 0, PB_FP_NEAREST_AWAY, env);
}

static uint64_t fcvtns_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return (uint64_t)pb_f64_to_int(a, 64, 0, PB_FP_NEAREST_EVEN, env);
}

static uint64_t fcvtzs_s7(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return (uint32_t)pb_f32_to_int((uint32_t)a, 32, 7, PB_FP_TO_ZERO, env);
}

static uint64_t fcvtzu_d33(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_to_uint(a, 64, 33, PB_FP_TO_ZERO, env);
}

static uint64_t scvtf_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_from_int((int16_t)a, 5, env);
}

static uint64_t scvtf_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_from_int((int32_t)a, 9, env);
}

static uint64_t scvtf_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_from_int((int64_t)a, 40, env);
}

static uint64_t ucvtf_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_from_uint((uint16_t)a, 0, env);
}

static uint64_t ucvtf_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_from_uint((uint32_t)a, 0, env);
}

static uint64_t ucvtf_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_from_uint((uint64_t)a, 0, env);
}

static uint64_t frintx_h(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f16_round_int((uint16_t)a, env->round, true, env);
}

static uint64_t frintx_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_round_int((uint32_t)a, env->round, true, env);
}

static uint64_t frintx_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_round_int(a, env->round, true, env);
}

static uint64_t frinta_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f32_round_int((uint32_t)a, PB_FP_NEAREST_AWAY, false, env);
}

static uint64_t frinti_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_f64_round_int(a, env->round, false, env);
}

static uint64_t frint32z_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f32_round_int_n((uint32_t)a, 32, PB_FP_TO_ZERO, env);
}

static uint64_t frint32x_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f64_round_int_n(a, 32, env->round, env);
}

static uint64_t frint64x_s(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f32_round_int_n((uint32_t)a, 64, env->round, env);
}

static uint64_t frint64z_d(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    return pb_arm_f64_round_int_n(a, 64, PB_FP_TO_ZERO, env);
}

static uint64_t fjcvtzs(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    bool exact;
    uint32_t result = pb_arm_f64_to_int32_js(a, &exact, env);

    return (uint64_t)exact << 32 | result;
}

static const struct insn {
    const char *name;
    uint64_t (*run)(uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env);
} insns[] = {
    { "frecpe_h", frecpe_h },     { "frecpe_s", frecpe_s },     { "frecpe_d", frecpe_d },
    { "frsqrte_h", frsqrte_h },   { "frsqrte_s", frsqrte_s },   { "frsqrte_d", frsqrte_d },
    { "frecpx_h", frecpx_h },     { "frecpx_s", frecpx_s },     { "frecpx_d", frecpx_d },
    { "urecpe", urecpe },         { "ursqrte", ursqrte },       { "frecps_h", frecps_h },
    { "frecps_s", frecps_s },     { "frecps_d", frecps_d },     { "frsqrts_h", frsqrts_h },
    { "frsqrts_s", frsqrts_s },   { "frsqrts_d", frsqrts_d },   { "fmulx_h", fmulx_h },
    { "fmulx_s", fmulx_s },       { "fmulx_d", fmulx_d },       { "fmin_h", fmin_h },
    { "fmin_s", fmin_s },         { "fmin_d", fmin_d },         { "fmax_h", fmax_h },
    { "fmax_s", fmax_s },         { "fmax_d", fmax_d },         { "fminnm_h", fminnm_h },
    { "fminnm_s", fminnm_s },     { "fminnm_d", fminnm_d },     { "fmaxnm_h", fmaxnm_h },
    { "fmaxnm_s", fmaxnm_s },     { "fmaxnm_d", fmaxnm_d },     { "fadd_h", fadd_h },
    { "fadd_s", fadd_s },         { "fadd_d", fadd_d },         { "fmul_h", fmul_h },
    { "fmul_s", fmul_s },         { "fmul_d", fmul_d },         { "fdiv_h", fdiv_h },
    { "fdiv_s", fdiv_s },         { "fdiv_d", fdiv_d },         { "fsqrt_h", fsqrt_h },
    { "fsqrt_s", fsqrt_s },       { "fsqrt_d", fsqrt_d },       { "fmadd_h", fmadd_h },
    { "fmadd_s", fmadd_s },       { "fmadd_d", fmadd_d },       { "fcvt_hs", fcvt_hs },
    { "fcvt_hd", fcvt_hd },       { "fcvt_sh", fcvt_sh },       { "fcvt_sd", fcvt_sd },
    { "fcvt_dh", fcvt_dh },       { "fcvt_ds", fcvt_ds },       { "fcvtxn", fcvtxn },
    { "bfcvt", bfcvt },           { "fcvtzs_h", fcvtzs_h },     { "fcvtzs_s", fcvtzs_s },
    { "fcvtzs_d", fcvtzs_d },     { "fcvtzu_h", fcvtzu_h },     { "fcvtzu_s", fcvtzu_s },
    { "fcvtzu_d", fcvtzu_d },     { "fcvtas_s", fcvtas_s },     { "fcvtns_d", fcvtns_d },
    { "fcvtzs_s7", fcvtzs_s7 },   { "fcvtzu_d33", fcvtzu_d33 }, { "scvtf_h", scvtf_h },
    { "scvtf_s", scvtf_s },       { "scvtf_d", scvtf_d },       { "ucvtf_h", ucvtf_h },
    { "ucvtf_s", ucvtf_s },       { "ucvtf_d", ucvtf_d },       { "frintx_h", frintx_h },
    { "frintx_s", frintx_s },     { "frintx_d", frintx_d },     { "frinta_s", frinta_s },
    { "frinti_d", frinti_d },     { "frint32z_s", frint32z_s }, { "frint32x_d", frint32x_d },
    { "frint64x_s", frint64x_s }, { "frint64z_d", frint64z_d }, { "fjcvtzs", fjcvtzs },
};

enum { INSN_COUNT = sizeof(insns) / sizeof(insns[0]) };

static const char *vectors;

/* FPCR: DDI 0487, D19.2 */
static pb_fp_env env_of_fpcr(uint64_t fpcr)
{
    pb_fp_env env = { .rules = pb_fp_rules_arm(), .round = (fpcr >> 22) & 3 };

    env.rules.alt_half = (fpcr >> 26) & 1;
    env.rules.default_nan = (fpcr >> 25) & 1;
    env.rules.flush_in = env.rules.flush_out = (fpcr >> 24) & 1;
    env.rules.flush_in16 = env.rules.flush_out16 = (fpcr >> 19) & 1;
    return env;
}

static int find_insn(const char *name)
{
    for (int i = 0; i < INSN_COUNT; i++) {
        if (strcmp(insns[i].name, name) == 0)
            return i;
    }
    return -1;
}

static bool row_is_right(const struct insn *insn, const uint64_t *v)
{
    pb_fp_env env = env_of_fpcr(v[0]);
    uint64_t got = insn->run(v[1], v[2], v[3], &env);

    if (got == v[4] && (env.flags & PB_FP_IEEE_FLAGS) == v[5])
        return true;
    fprintf(stderr,
            "%s fpcr %" PRIx64 ": %" PRIx64 " %" PRIx64 " %" PRIx64 ": %" PRIx64 " fpsr %x, "
            "should be %" PRIx64 " fpsr %" PRIx64 "\n",
            insn->name, v[0], v[1], v[2], v[3], got, env.flags & PB_FP_IEEE_FLAGS, v[4], v[5]);
    return false;
}

static void test_vectors(void)
{
    long rows[INSN_COUNT] = { 0 };
    int wrong = 0;
    char name[32];
    uint64_t v[6];
    FILE *file = fopen(vectors, "r");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    while (fscanf(file, "%31s %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
                  name, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]) == 7) {
        int i = find_insn(name);

        CU_ASSERT_FATAL(i >= 0);
        rows[i]++;
        if (!row_is_right(&insns[i], v) && ++wrong == 40)
            break;
    }
    CU_ASSERT(wrong == 40 || feof(file));
    fclose(file);
    CU_ASSERT_EQUAL(wrong, 0);
    for (int i = 0; i < INSN_COUNT; i++)
        CU_ASSERT(rows[i] > 0);
}

/* The estimates' promise: within 1/256 of the exact value (DDI 0487, RecipEstimate). */
static void test_fixed_estimates(void)
{
    int wrong = 0;

    for (uint32_t a = 256; a < 512; a++) {
        int64_t r = pb_arm_urecpe(a << 23) >> 23;
        int64_t error = (int64_t)(2 * a + 1) * r - (1 << 18); /* of 1, in 2^-18 */

        wrong += error >= 1 << 10 || error <= -(1 << 10);
    }
    for (uint32_t a = 128; a < 512; a++) {
        int64_t r = pb_arm_ursqrte(a << 23) >> 23;
        int64_t error = (2 * (int64_t)a + 1) * r * r - (1 << 26); /* of 1, in 2^-26: x * r^2 */

        wrong += error >= 1 << 19 || error <= -(1 << 19);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(pb_arm_urecpe(0x7fffffff), UINT32_MAX);
    CU_ASSERT_EQUAL(pb_arm_ursqrte(0x3fffffff), UINT32_MAX);
}

int main(int argc, char **argv)
{
    static const unit_case cases[] = {
        { "vectors", test_vectors },
        { "fixed-point estimates", test_fixed_estimates },
        { NULL, NULL },
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s VECTORS\n", argv[0]);
        return 2;
    }
    vectors = argv[1];
    return unit_run("Arm's instructions", cases);
}
