/*
 * Invalid operations of floating point that trap.
 *
 * With MXCSR.IM clear the host's processor does not do an operation that is invalid, but traps: SIGFPE. All that it does is right then
 * without a test of the result, where only operations that are invalid can give a NaN other than the guest's:
 *   1. Sums, differences, quotients and roots of scalars are done here, by the functions of the guest's rules (emulate()).
 *   2. Everything else, C included, is done once more with IM set, and a step behind it (SIGTRAP) clears it again: emitted code
 *      that tests what it gets finds what it always did, and C knows of nothing.
 * The processor raised the flag for invalid operations in both cases (Intel SDM volume 1, section 11.5.2.1), which comes to the guest
 * with the others.
 *
 * A trap costs some microseconds, so who meets many of them had better go back to tests (pb_codegen_type.traps).
 */
#include "rules_fp.h"
#include "slow.h"

#include <signal.h>
#include <ucontext.h>

enum { EFLAGS_TF = 0x100 };

bool cg_can_trap(const pb_fp_env *env)
{
    return fp_nans_by(&env->rules) == FP_NANS_ARM && !env->rules.flush_in && !env->rules.flush_out;
}

void cg_traps(void *self, pb_vcpu *vcpu, bool on)
{
    (void)self;
    vcpu->codegen[CG_WORD_TRAPS] = on;
}

/* ---- the instruction ------------------------------------------------------------------------------------------- */

/* One of two operands in registers: d = a op b. */
typedef struct sse_insn {
    uint32_t opcode; /* behind 0F */
    uint32_t prefix; /* 0, 0x66, 0xf3, 0xf2 */
    uint32_t d, a, b, bytes;
    bool vex;
} sse_insn;

static bool decode_modrm(const uint8_t *p, const uint8_t *start, uint32_t reg_high,
                         uint32_t rm_high, sse_insn *insn)
{
    if (p[1] >> 6 != 3)
        return false;
    insn->opcode = p[0];
    insn->d = (p[1] >> 3 & 7u) | reg_high;
    insn->b = (p[1] & 7u) | rm_high;
    if (!insn->vex)
        insn->a = insn->d;
    insn->bytes = (uint32_t)(p + 2 - start);
    return true;
}

/* Intel SDM volume 2, section 2.3: bits R, X, B and vvvv are inverted. */
static bool decode(const uint8_t *p, sse_insn *insn)
{
    static const uint8_t prefixes[4] = { 0, 0x66, 0xf3, 0xf2 };
    const uint8_t *start = p;
    uint32_t rex = 0;

    *insn = (sse_insn){ .vex = *p == 0xc4 || *p == 0xc5 };
    if (insn->vex) {
        bool three = *p == 0xc4;
        uint32_t last = p[1 + three]; /* W or R, vvvv, L, pp */

        if (three && (p[1] & 0x1f) != 1)
            return false;
        insn->prefix = prefixes[last & 3];
        insn->a = ~last >> 3 & 15;
        return !(last & 4) && decode_modrm(p + 2 + three, start, (~p[1] >> 7 & 1u) << 3,
                                           three ? (~p[1] >> 5 & 1u) << 3 : 0, insn);
    }
    if (*p == 0x66 || *p == 0xf2 || *p == 0xf3)
        insn->prefix = *p++;
    if ((*p & 0xf0) == 0x40)
        rex = *p++;
    return *p == 0x0f && decode_modrm(p + 1, start, (rex >> 2 & 1) << 3, (rex & 1) << 3, insn);
}

/* ---- doing it --------------------------------------------------------------------------------------------------- */

typedef struct _libc_fpstate fp_state;

/* A register that is written: all of them are in the frame, and that is said of them, which it is not if all were zero
 * (Intel SDM volume 1, section 13.8; Linux, sigcontext.h). */
static void write_register(fp_state *state, uint32_t reg, const void *value, uint32_t bytes)
{
    enum { EXTENDED = 464, MAGIC = 0x46505853, HEADER = 512, SSE = 2 };
    uint32_t magic;
    uint64_t there;

    memcpy(&state->_xmm[reg], value, bytes);
    memcpy(&magic, (char *)state + EXTENDED, sizeof(magic));
    if (magic != MAGIC)
        return;
    memcpy(&there, (char *)state + HEADER, sizeof(there));
    there |= SSE;
    memcpy((char *)state + HEADER, &there, sizeof(there));
}

/* a op b by the guest's rules, of the low 64 or 32 bits; false: it is none of those that are done here. */
static bool compute(const pb_fp_ops *fp, pb_fp_env *env, const sse_insn *insn, uint64_t a,
                    uint64_t b, uint64_t *d)
{
    bool wide = insn->prefix == 0xf2;
    uint32_t a_32 = (uint32_t)a, b_32 = (uint32_t)b;

    switch (insn->opcode | ASM_0F) {
    case SSE_ADD:
        *d = wide ? fp->f64_add(a, b, env) : fp->f32_add(a_32, b_32, env);
        return true;
    case SSE_SUB:
        *d = wide ? fp->f64_sub(a, b, env) : fp->f32_sub(a_32, b_32, env);
        return true;
    case SSE_DIV:
        *d = wide ? fp->f64_div(a, b, env) : fp->f32_div(a_32, b_32, env);
        return true;
    case SSE_SQRT:
        *d = wide ? fp->f64_sqrt(b, env) : fp->f32_sqrt(b_32, env);
        return true;
    default:
        return false;
    }
}

static bool emulate(const x86_codegen *s, pb_vcpu *vcpu, const pb_host_trap *trap)
{
    ucontext_t *context = trap->context;
    fp_state *state = context->uc_mcontext.fpregs;
    sse_insn insn;
    uint64_t a, b, d;

    if (!decode(trap->pc, &insn) || (insn.prefix != 0xf2 && insn.prefix != 0xf3))
        return false;
    memcpy(&a, &state->_xmm[insn.a], sizeof(a));
    memcpy(&b, &state->_xmm[insn.b], sizeof(b));
    if (!compute(s->fp, &vcpu->fp[0], &insn, a, b, &d))
        return false;
    if (insn.vex) /* what is above it */
        write_register(state, insn.d, &state->_xmm[insn.a], 16);
    write_register(state, insn.d, &d, insn.prefix == 0xf2 ? 8 : 4);
    context->uc_mcontext.gregs[REG_RIP] += insn.bytes;
    return true;
}

/* ---- traps ------------------------------------------------------------------------------------------------------ */

/* Do one instruction with IM set. */
static void step_over(pb_vcpu *vcpu, ucontext_t *context)
{
    vcpu->codegen[CG_WORD_STEPPING] = 1;
    context->uc_mcontext.fpregs->mxcsr |= MXCSR_IM;
    context->uc_mcontext.gregs[REG_EFL] |= EFLAGS_TF;
}

bool cg_trap(void *self, pb_vcpu *vcpu, const pb_host_trap *trap)
{
    ucontext_t *context = trap->context;

    if (trap->signal == SIGFPE) {
        if (!trap->in_unit || !emulate(self, vcpu, trap))
            step_over(vcpu, context);
        return true;
    }
    if (!vcpu->codegen[CG_WORD_STEPPING])
        return false;
    vcpu->codegen[CG_WORD_STEPPING] = 0;
    context->uc_mcontext.fpregs->mxcsr &= ~(uint32_t)MXCSR_IM;
    context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)EFLAGS_TF;
    return true;
}
