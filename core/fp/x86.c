/*
 * MINSS, MAXSS and their kin. Intel SDM volume 2.
 */
#include "sig64.h"

#include "convert.h"

FP_INLINE sig x86_minmax(const fp_format *f, sig ra, sig rb, bool max, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);
    bool take_a;

    if (unlikely(is_nan(a) || is_nan(b))) {
        compare_nan(a, b, true, env);
        take_a = false;
    } else {
        note_denormals(a.denormal | b.denormal, env);
        take_a = order(a, b) == (max ? PB_FP_GREATER : PB_FP_LESS);
    }
    /* The operand as it was, but for a denormal that DAZ made zero. */
    if ((take_a ? a : b).cls == CLS_ZERO)
        return pack_zero(f, (take_a ? a : b).sign);
    return take_a ? ra : rb;
}

uint16_t pb_x86_f16_min(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)x86_minmax(&fmt_f16, a, b, false, env);
}

uint16_t pb_x86_f16_max(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)x86_minmax(&fmt_f16, a, b, true, env);
}

uint32_t pb_x86_f32_min(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)x86_minmax(&fmt_f32, a, b, false, env);
}

uint32_t pb_x86_f32_max(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)x86_minmax(&fmt_f32, a, b, true, env);
}

uint64_t pb_x86_f64_min(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return x86_minmax(&fmt_f64, a, b, false, env);
}

uint64_t pb_x86_f64_max(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return x86_minmax(&fmt_f64, a, b, true, env);
}
