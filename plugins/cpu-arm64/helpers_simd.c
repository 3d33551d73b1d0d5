/*
 * Integer vector operations that have no IR (docs/ir-helpers-arm64.md).
 *
 * Manual: DDI 0487, C7.2.
 */
#include <patchbay/ir_sem.h>
#include "simd.h"

/* ---- SQRDMLAH, SQRDMLSH ---------------------------------------------------------------------- */

/* args: accumulator, operands, shape. acc +- 2 * n * m, rounded, high half, saturated once. */
static void rounding_doubling_accumulate(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args,
                                         bool sub)
{
    uint32_t size = SHAPE_SIZE(args[3].lo), count = SHAPE_COUNT(args[3].lo);
    uint32_t bits = lane_bits(size);
    uint64_t saturated = 0;
    pb_u128 value = { 0, 0 };

    for (uint32_t i = 0; i < count; i++) {
        int64_t product = ir_sem_v_slane(args[1], size, i) * ir_sem_v_slane(args[2], size, i);
        ir_int128 sum = (ir_int128)ir_sem_v_slane(args[0], size, i) * ((ir_int128)1 << bits);

        sum += (ir_int128)product * (sub ? -2 : 2) + ((ir_int128)1 << (bits - 1));
        value = ir_sem_v_setlane(value, ir_sem_sats(sum >> bits, bits, &saturated), size, i);
    }
    if (saturated)
        cpu_of(vcpu)->qc = 1;
    *result = value;
}

void helper_sqrdmlah(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    rounding_doubling_accumulate(vcpu, result, args, false);
}

void helper_sqrdmlsh(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    rounding_doubling_accumulate(vcpu, result, args, true);
}
