/*
 * Floating-point operations that only Arm has: estimates and Newton steps
 * (docs/ir-helpers-arm64.md).
 *
 * Manual: DDI 0487, shared/functions/float; the arithmetic is the core's ("pb.fp/1").
 */
#include <patchbay/ir_sem.h>
#include "simd.h"

/* An operation on floats of 1 << size bytes. */
typedef uint64_t unary(const pb_fp_ops *fp, uint64_t x, uint32_t size, pb_fp_env *env);
typedef uint64_t binary(const pb_fp_ops *fp, uint64_t x, uint64_t y, uint32_t size, pb_fp_env *env);

/* args: operand, shape */
static void map(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args, unary *op)
{
    uint32_t size = SHAPE_SIZE(args[1].lo), count = SHAPE_COUNT(args[1].lo);
    const pb_fp_ops *fp = cpu_of(vcpu)->fp;
    pb_u128 value = { 0, 0 };

    for (uint32_t i = 0; i < count; i++)
        value = ir_sem_v_setlane(
            value, op(fp, ir_sem_v_lane(args[0], size, i), size, &vcpu->fp[FP_ENV]), size, i);
    *result = value;
}

/* args: operands, shape */
static void map2(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args, binary *op)
{
    uint32_t size = SHAPE_SIZE(args[2].lo), count = SHAPE_COUNT(args[2].lo);
    const pb_fp_ops *fp = cpu_of(vcpu)->fp;
    pb_u128 value = { 0, 0 };

    for (uint32_t i = 0; i < count; i++) {
        uint64_t x = ir_sem_v_lane(args[0], size, i), y = ir_sem_v_lane(args[1], size, i);

        value = ir_sem_v_setlane(value, op(fp, x, y, size, &vcpu->fp[FP_ENV]), size, i);
    }
    *result = value;
}

static uint64_t recpe(const pb_fp_ops *fp, uint64_t x, uint32_t size, pb_fp_env *env)
{
    return size == 3 ? fp->arm_f64_recpe(x, env) : fp->arm_f32_recpe((uint32_t)x, env);
}

static uint64_t rsqrte(const pb_fp_ops *fp, uint64_t x, uint32_t size, pb_fp_env *env)
{
    return size == 3 ? fp->arm_f64_rsqrte(x, env) : fp->arm_f32_rsqrte((uint32_t)x, env);
}

static uint64_t recpx(const pb_fp_ops *fp, uint64_t x, uint32_t size, pb_fp_env *env)
{
    return size == 3 ? fp->arm_f64_recpx(x, env) : fp->arm_f32_recpx((uint32_t)x, env);
}

static uint64_t urecpe(const pb_fp_ops *fp, uint64_t x, uint32_t size, pb_fp_env *env)
{
    return fp->arm_urecpe((uint32_t)x);
}

static uint64_t ursqrte(const pb_fp_ops *fp, uint64_t x, uint32_t size, pb_fp_env *env)
{
    return fp->arm_ursqrte((uint32_t)x);
}

static uint64_t recps(const pb_fp_ops *fp, uint64_t x, uint64_t y, uint32_t size, pb_fp_env *env)
{
    return size == 3 ? fp->arm_f64_recps(x, y, env)
                     : fp->arm_f32_recps((uint32_t)x, (uint32_t)y, env);
}

static uint64_t rsqrts(const pb_fp_ops *fp, uint64_t x, uint64_t y, uint32_t size, pb_fp_env *env)
{
    return size == 3 ? fp->arm_f64_rsqrts(x, y, env)
                     : fp->arm_f32_rsqrts((uint32_t)x, (uint32_t)y, env);
}

static uint64_t mulx(const pb_fp_ops *fp, uint64_t x, uint64_t y, uint32_t size, pb_fp_env *env)
{
    return size == 3 ? fp->arm_f64_mulx(x, y, env)
                     : fp->arm_f32_mulx((uint32_t)x, (uint32_t)y, env);
}

void helper_frecpe(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    map(vcpu, result, args, recpe);
}

void helper_frsqrte(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    map(vcpu, result, args, rsqrte);
}

void helper_frecpx(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    map(vcpu, result, args, recpx);
}

void helper_urecpe(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    map(vcpu, result, args, urecpe);
}

void helper_ursqrte(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    map(vcpu, result, args, ursqrte);
}

void helper_frecps(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    map2(vcpu, result, args, recps);
}

void helper_frsqrts(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    map2(vcpu, result, args, rsqrts);
}

void helper_fmulx(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    map2(vcpu, result, args, mulx);
}
