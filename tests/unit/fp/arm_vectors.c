/*
 * Writes test vectors of Arm's floating point instructions: what the processor that it runs on
 * makes of edge and random operands. arm_vectors.sh builds and runs it; test_arm.c reads the
 * vectors.
 *
 * usage: arm_vectors [RANDOM-ROWS-PER-INSTRUCTION]
 *
 * A row: name fpcr a b c result fpsr, all in hexadecimal but the name. Results shorter than 64 bits
 * are extended with zeros; that of fjcvtzs has the Z flag in bit 32.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint64_t insn_fn(uint64_t a, uint64_t b, uint64_t c);

/* name: a function that runs one instruction on v1, v2, v3 with its result in v0. */
#define INSN(name, text)                                                                        \
    static uint64_t name(uint64_t a, uint64_t b, uint64_t c)                                    \
    {                                                                                           \
        uint64_t result;                                                                        \
                                                                                                \
        __asm__ volatile("fmov d1, %1\n\tfmov d2, %2\n\tfmov d3, %3\n\t" text "\n\tfmov %0, d0" \
                         : "=r"(result)                                                         \
                         : "r"(a), "r"(b), "r"(c)                                               \
                         : "v0", "v1", "v2", "v3", "x9", "x10", "cc", "memory");                \
        return result;                                                                          \
    }

INSN(frecpe_h, "frecpe h0, h1")
INSN(frecpe_s, "frecpe s0, s1")
INSN(frecpe_d, "frecpe d0, d1")
INSN(frsqrte_h, "frsqrte h0, h1")
INSN(frsqrte_s, "frsqrte s0, s1")
INSN(frsqrte_d, "frsqrte d0, d1")
INSN(frecpx_h, "frecpx h0, h1")
INSN(frecpx_s, "frecpx s0, s1")
INSN(frecpx_d, "frecpx d0, d1")
INSN(urecpe, "urecpe v0.2s, v1.2s\n\tmov v0.s[1], wzr")
INSN(ursqrte, "ursqrte v0.2s, v1.2s\n\tmov v0.s[1], wzr")
INSN(frecps_h, "frecps h0, h1, h2")
INSN(frecps_s, "frecps s0, s1, s2")
INSN(frecps_d, "frecps d0, d1, d2")
INSN(frsqrts_h, "frsqrts h0, h1, h2")
INSN(frsqrts_s, "frsqrts s0, s1, s2")
INSN(frsqrts_d, "frsqrts d0, d1, d2")
INSN(fmulx_h, "fmulx h0, h1, h2")
INSN(fmulx_s, "fmulx s0, s1, s2")
INSN(fmulx_d, "fmulx d0, d1, d2")
INSN(fmin_h, "fmin h0, h1, h2")
INSN(fmin_s, "fmin s0, s1, s2")
INSN(fmin_d, "fmin d0, d1, d2")
INSN(fmax_h, "fmax h0, h1, h2")
INSN(fmax_s, "fmax s0, s1, s2")
INSN(fmax_d, "fmax d0, d1, d2")
INSN(fminnm_h, "fminnm h0, h1, h2")
INSN(fminnm_s, "fminnm s0, s1, s2")
INSN(fminnm_d, "fminnm d0, d1, d2")
INSN(fmaxnm_h, "fmaxnm h0, h1, h2")
INSN(fmaxnm_s, "fmaxnm s0, s1, s2")
INSN(fmaxnm_d, "fmaxnm d0, d1, d2")
INSN(fadd_h, "fadd h0, h1, h2")
INSN(fadd_s, "fadd s0, s1, s2")
INSN(fadd_d, "fadd d0, d1, d2")
INSN(fmul_h, "fmul h0, h1, h2")
INSN(fmul_s, "fmul s0, s1, s2")
INSN(fmul_d, "fmul d0, d1, d2")
INSN(fdiv_h, "fdiv h0, h1, h2")
INSN(fdiv_s, "fdiv s0, s1, s2")
INSN(fdiv_d, "fdiv d0, d1, d2")
INSN(fsqrt_h, "fsqrt h0, h1")
INSN(fsqrt_s, "fsqrt s0, s1")
INSN(fsqrt_d, "fsqrt d0, d1")
INSN(fmadd_h, "fmadd h0, h1, h2, h3")
INSN(fmadd_s, "fmadd s0, s1, s2, s3")
INSN(fmadd_d, "fmadd d0, d1, d2, d3")
INSN(fcvt_hs, "fcvt s0, h1")
INSN(fcvt_hd, "fcvt d0, h1")
INSN(fcvt_sh, "fcvt h0, s1")
INSN(fcvt_sd, "fcvt d0, s1")
INSN(fcvt_dh, "fcvt h0, d1")
INSN(fcvt_ds, "fcvt s0, d1")
INSN(fcvtxn, "fcvtxn s0, d1")
INSN(bfcvt, "bfcvt h0, s1")
INSN(fcvtzs_h, "fcvtzs h0, h1")
INSN(fcvtzs_s, "fcvtzs s0, s1")
INSN(fcvtzs_d, "fcvtzs d0, d1")
INSN(fcvtzu_h, "fcvtzu h0, h1")
INSN(fcvtzu_s, "fcvtzu s0, s1")
INSN(fcvtzu_d, "fcvtzu d0, d1")
INSN(fcvtas_s, "fcvtas s0, s1")
INSN(fcvtns_d, "fcvtns d0, d1")
INSN(fcvtzs_s7, "fcvtzs s0, s1, #7")
INSN(fcvtzu_d33, "fcvtzu d0, d1, #33")
INSN(scvtf_h, "scvtf h0, h1, #5")
INSN(scvtf_s, "scvtf s0, s1, #9")
INSN(scvtf_d, "scvtf d0, d1, #40")
INSN(ucvtf_h, "ucvtf h0, h1")
INSN(ucvtf_s, "ucvtf s0, s1")
INSN(ucvtf_d, "ucvtf d0, d1")
INSN(frintx_h, "frintx h0, h1")
INSN(frintx_s, "frintx s0, s1")
INSN(frintx_d, "frintx d0, d1")
INSN(frinta_s, "frinta s0, s1")
INSN(frinti_d, "frinti d0, d1")
INSN(frint32z_s, "frint32z s0, s1")
INSN(frint32x_d, "frint32x d0, d1")
INSN(frint64x_s, "frint64x s0, s1")
INSN(frint64z_d, "frint64z d0, d1")
INSN(fjcvtzs, "fjcvtzs w9, d1\n\tcset x10, eq\n\torr x9, x9, x10, lsl #32\n\tfmov d0, x9")

/* kind: the operands, h s d or w (32-bit integer) and x (64-bit). modes: FPCR bits that matter. */
enum { NONE = 0, DN = 1 << 25, FZ = 1 << 24, FZ16 = 1 << 19, AHP = 1 << 26, RMODE = 3 << 22 };

static const struct insn {
    const char *name;
    insn_fn *run;
    char kind;
    int operands;
    uint32_t modes;
} insns[] = {
    { "frecpe_h", frecpe_h, 'h', 1, DN | FZ16 | RMODE },
    { "frecpe_s", frecpe_s, 's', 1, DN | FZ | RMODE },
    { "frecpe_d", frecpe_d, 'd', 1, DN | FZ | RMODE },
    { "frsqrte_h", frsqrte_h, 'h', 1, DN | FZ16 },
    { "frsqrte_s", frsqrte_s, 's', 1, DN | FZ },
    { "frsqrte_d", frsqrte_d, 'd', 1, DN | FZ },
    { "frecpx_h", frecpx_h, 'h', 1, DN | FZ16 },
    { "frecpx_s", frecpx_s, 's', 1, DN | FZ },
    { "frecpx_d", frecpx_d, 'd', 1, DN | FZ },
    { "urecpe", urecpe, 'w', 1, NONE },
    { "ursqrte", ursqrte, 'w', 1, NONE },
    { "frecps_h", frecps_h, 'h', 2, DN | FZ16 | RMODE },
    { "frecps_s", frecps_s, 's', 2, DN | FZ | RMODE },
    { "frecps_d", frecps_d, 'd', 2, DN | FZ | RMODE },
    { "frsqrts_h", frsqrts_h, 'h', 2, DN | FZ16 | RMODE },
    { "frsqrts_s", frsqrts_s, 's', 2, DN | FZ | RMODE },
    { "frsqrts_d", frsqrts_d, 'd', 2, DN | FZ | RMODE },
    { "fmulx_h", fmulx_h, 'h', 2, DN | FZ16 | RMODE },
    { "fmulx_s", fmulx_s, 's', 2, DN | FZ | RMODE },
    { "fmulx_d", fmulx_d, 'd', 2, DN | FZ | RMODE },
    { "fmin_h", fmin_h, 'h', 2, DN | FZ16 },
    { "fmin_s", fmin_s, 's', 2, DN | FZ },
    { "fmin_d", fmin_d, 'd', 2, DN | FZ },
    { "fmax_h", fmax_h, 'h', 2, DN | FZ16 },
    { "fmax_s", fmax_s, 's', 2, DN | FZ },
    { "fmax_d", fmax_d, 'd', 2, DN | FZ },
    { "fminnm_h", fminnm_h, 'h', 2, DN | FZ16 },
    { "fminnm_s", fminnm_s, 's', 2, DN | FZ },
    { "fminnm_d", fminnm_d, 'd', 2, DN | FZ },
    { "fmaxnm_h", fmaxnm_h, 'h', 2, DN | FZ16 },
    { "fmaxnm_s", fmaxnm_s, 's', 2, DN | FZ },
    { "fmaxnm_d", fmaxnm_d, 'd', 2, DN | FZ },
    { "fadd_h", fadd_h, 'h', 2, DN | FZ16 | RMODE },
    { "fadd_s", fadd_s, 's', 2, DN | FZ | RMODE },
    { "fadd_d", fadd_d, 'd', 2, DN | FZ | RMODE },
    { "fmul_h", fmul_h, 'h', 2, DN | FZ16 | RMODE },
    { "fmul_s", fmul_s, 's', 2, DN | FZ | RMODE },
    { "fmul_d", fmul_d, 'd', 2, DN | FZ | RMODE },
    { "fdiv_h", fdiv_h, 'h', 2, DN | FZ16 | RMODE },
    { "fdiv_s", fdiv_s, 's', 2, DN | FZ | RMODE },
    { "fdiv_d", fdiv_d, 'd', 2, DN | FZ | RMODE },
    { "fsqrt_h", fsqrt_h, 'h', 1, DN | FZ16 | RMODE },
    { "fsqrt_s", fsqrt_s, 's', 1, DN | FZ | RMODE },
    { "fsqrt_d", fsqrt_d, 'd', 1, DN | FZ | RMODE },
    { "fmadd_h", fmadd_h, 'h', 3, DN | FZ16 | RMODE },
    { "fmadd_s", fmadd_s, 's', 3, DN | FZ | RMODE },
    { "fmadd_d", fmadd_d, 'd', 3, DN | FZ | RMODE },
    { "fcvt_hs", fcvt_hs, 'h', 1, DN | FZ | FZ16 | AHP },
    { "fcvt_hd", fcvt_hd, 'h', 1, DN | FZ | FZ16 | AHP },
    { "fcvt_sh", fcvt_sh, 's', 1, DN | FZ | FZ16 | AHP | RMODE },
    { "fcvt_sd", fcvt_sd, 's', 1, DN | FZ },
    { "fcvt_dh", fcvt_dh, 'd', 1, DN | FZ | FZ16 | AHP | RMODE },
    { "fcvt_ds", fcvt_ds, 'd', 1, DN | FZ | RMODE },
    { "fcvtxn", fcvtxn, 'd', 1, DN | FZ },
    { "bfcvt", bfcvt, 's', 1, DN | FZ | RMODE },
    { "fcvtzs_h", fcvtzs_h, 'h', 1, FZ16 },
    { "fcvtzs_s", fcvtzs_s, 's', 1, FZ },
    { "fcvtzs_d", fcvtzs_d, 'd', 1, FZ },
    { "fcvtzu_h", fcvtzu_h, 'h', 1, FZ16 },
    { "fcvtzu_s", fcvtzu_s, 's', 1, FZ },
    { "fcvtzu_d", fcvtzu_d, 'd', 1, FZ },
    { "fcvtas_s", fcvtas_s, 's', 1, FZ },
    { "fcvtns_d", fcvtns_d, 'd', 1, FZ },
    { "fcvtzs_s7", fcvtzs_s7, 's', 1, FZ },
    { "fcvtzu_d33", fcvtzu_d33, 'd', 1, FZ },
    { "scvtf_h", scvtf_h, 'w', 1, RMODE },
    { "scvtf_s", scvtf_s, 'w', 1, RMODE },
    { "scvtf_d", scvtf_d, 'x', 1, RMODE },
    { "ucvtf_h", ucvtf_h, 'w', 1, RMODE },
    { "ucvtf_s", ucvtf_s, 'w', 1, RMODE },
    { "ucvtf_d", ucvtf_d, 'x', 1, RMODE },
    { "frintx_h", frintx_h, 'h', 1, DN | FZ16 | RMODE },
    { "frintx_s", frintx_s, 's', 1, DN | FZ | RMODE },
    { "frintx_d", frintx_d, 'd', 1, DN | FZ | RMODE },
    { "frinta_s", frinta_s, 's', 1, DN | FZ },
    { "frinti_d", frinti_d, 'd', 1, DN | FZ | RMODE },
    { "frint32z_s", frint32z_s, 's', 1, FZ },
    { "frint32x_d", frint32x_d, 'd', 1, FZ | RMODE },
    { "frint64x_s", frint64x_s, 's', 1, FZ | RMODE },
    { "frint64z_d", frint64z_d, 'd', 1, FZ },
    { "fjcvtzs", fjcvtzs, 'd', 1, FZ },
};

static const uint64_t edges_h[] = { 0x0000, 0x8000, 0x0001, 0x80ff, 0x0100, 0x0200, 0x03ff, 0x0400,
                                    0x8401, 0x3c00, 0xbe01, 0x4248, 0x7400, 0x77ff, 0x7bff, 0xfbff,
                                    0x7c00, 0xfc00, 0x7e00, 0xfe55, 0x7c01, 0xfd23 };
static const uint64_t edges_s[] = {
    0x00000000, 0x80000000, 0x00000001, 0x801fffff, 0x00200000, 0x00400000, 0x007fffff, 0x00800000,
    0x80800001, 0x3f800000, 0xbfc00001, 0x40490fdb, 0x7e800000, 0x7effffff, 0x7f7fffff, 0xff7fffff,
    0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001, 0xffa98765,
};
static const uint64_t edges_d[] = {
    0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x8003ffffffffffff,
    0x0004000000000000, 0x0008000000000000, 0x000fffffffffffff, 0x0010000000000000,
    0x8010000000000001, 0x3ff0000000000000, 0xbff8000000000001, 0x400921fb54442d18,
    0x7fd0000000000000, 0x7fdfffffffffffff, 0x7fefffffffffffff, 0xffefffffffffffff,
    0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff8123456789abc,
    0x7ff0000000000001, 0xfff4321abcdef012,
};

static uint64_t random64(void)
{
    static uint64_t state = 0x2545f4914f6cdd1d;

    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 2685821657736338717u;
}

/* One in four is an edge; else random, the exponent often around that of 1. */
static uint64_t operand(char kind)
{
    uint64_t r = random64(), s = random64();

    switch (kind) {
    case 'h':
        if (s % 4 == 0)
            return edges_h[(s >> 8) % 22];
        return s % 4 == 1 ? r & 0xffff : (r & 0x83ff) | (10 + (s >> 8) % 12) << 10;
    case 's':
        if (s % 4 == 0)
            return edges_s[(s >> 8) % 22];
        return s % 4 == 1 ? r & 0xffffffff : (r & 0x807fffff) | (112 + (s >> 8) % 50) << 23;
    case 'd':
        if (s % 4 == 0)
            return edges_d[(s >> 8) % 22];
        return s % 4 == 1 ? r : (r & 0x800fffffffffffff) | (1000 + (s >> 8) % 100) << 52;
    case 'w':
        return (r & 0xffffffff) >> (s % 32);
    default:
        return r >> (s % 64);
    }
}

static uint64_t edge(char kind, unsigned i)
{
    switch (kind) {
    case 'h':
        return edges_h[i];
    case 's':
        return edges_s[i];
    case 'd':
        return edges_d[i];
    default:
        return operand(kind);
    }
}

static void row(const struct insn *insn, uint64_t fpcr, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t result, fpsr, zero = 0;

    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(fpcr), "r"(zero) : "memory");
    result = insn->run(a, b, c);
    __asm__ volatile("mrs %0, fpsr\n\tmsr fpcr, %1" : "=r"(fpsr) : "r"(zero) : "memory");
    printf("%s %llx %llx %llx %llx %llx %llx\n", insn->name, (unsigned long long)fpcr,
           (unsigned long long)a, (unsigned long long)b, (unsigned long long)c,
           (unsigned long long)result, (unsigned long long)fpsr);
}

int main(int argc, char **argv)
{
    long rows = argc > 1 ? strtol(argv[1], NULL, 0) : 20;

    for (size_t i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
        const struct insn *insn = &insns[i];

        for (unsigned e = 0; e < 22; e++)
            row(insn, random64() & insn->modes, edge(insn->kind, e),
                insn->operands > 1 ? operand(insn->kind) : 0,
                insn->operands > 2 ? operand(insn->kind) : 0);
        for (long n = 0; n < rows * insn->operands; n++)
            row(insn, random64() & insn->modes, operand(insn->kind),
                insn->operands > 1 ? operand(insn->kind) : 0,
                insn->operands > 2 ? operand(insn->kind) : 0);
    }
    return 0;
}
