/* What operations for ciphers and checksums mean. */
#include "sem.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static pb_u128 of_bytes(const char *hex)
{
    pb_u128 v;
    uint8_t bytes[16];

    for (uint32_t i = 0; i < 16; i++)
        bytes[i] =
            (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
    memcpy(&v, bytes, 16);
    return v;
}

static void aes_step(ir_op op, const char *from, const char *to)
{
    ir_type type = IR_V128;
    pb_u128 a = of_bytes(from), expected = of_bytes(to), out[2];

    eval(op, IR_V128, 0, 1, &type, &a, out);
    CHECK(op, out[0].lo, expected.lo, a.lo, a.hi);
    CHECK(op, out[0].hi, expected.hi, a.lo, a.hi);
}

/* FIPS 197, appendix B, rounds 1 and 2; the inverses backwards. */
static void aes(void)
{
    aes_step(IR_OP_V_AESENC, "193de3bea0f4e22b9ac68d2ae9f84808",
             "d4bf5d30e0b452aeb84111f11e2798e5");
    aes_step(IR_OP_V_AESMC, "d4bf5d30e0b452aeb84111f11e2798e5", "046681e5e0cb199a48f8d37a2806264c");
    aes_step(IR_OP_V_AESENC, "a49c7ff2689f352b6b5bea43026a5049",
             "49db873b453953897f02d2f177de961a");
    aes_step(IR_OP_V_AESMC, "49db873b453953897f02d2f177de961a", "584dcaf11b4b5aacdbe7caa81b6bb0e5");
    aes_step(IR_OP_V_AESDEC, "d4bf5d30e0b452aeb84111f11e2798e5",
             "193de3bea0f4e22b9ac68d2ae9f84808");
    aes_step(IR_OP_V_AESIMC, "046681e5e0cb199a48f8d37a2806264c",
             "d4bf5d30e0b452aeb84111f11e2798e5");
}

static pb_u128 hash_step(ir_op op, uint32_t n, pb_u128 a, pb_u128 b, pb_u128 c)
{
    ir_type types[3] = { IR_V128, IR_V128, IR_V128 };
    pb_u128 args[3] = { a, b, c }, out[2];

    eval(op, IR_V128, n, op == IR_OP_V_SHA256SU0 || op == IR_OP_V_SHA256SU1 ? 2 : 3, types, args,
         out);
    return out[0];
}

static pb_u128 four_words(const uint32_t *w)
{
    return (pb_u128){ w[0] | (uint64_t)w[1] << 32, w[2] | (uint64_t)w[3] << 32 };
}

/* The message "abc": its padded block. */
static const uint32_t hashed_block[16] = { 0x61626380, [15] = 24 };

/* FIPS 180-4, 6.1.2, by NIST's example (SHA1.pdf). */
static void sha1(void)
{
    static const uint32_t start[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    static const uint32_t digest[5] = { 0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c,
                                        0x9cd0d89d };
    static const uint32_t constants[] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    pb_u128 hash = four_words(start);
    uint32_t w[80], e = start[4];

    memcpy(w, hashed_block, sizeof(hashed_block));
    for (uint32_t i = 16; i < 80; i++) {
        uint32_t x = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];

        w[i] = x << 1 | x >> 31;
    }
    for (uint32_t i = 0; i < 80; i += 4) {
        uint32_t a = (uint32_t)hash.lo, n = i / 20, next = a << 30 | a >> 2, k[4];

        for (uint32_t j = 0; j < 4; j++)
            k[j] = w[i + j] + constants[n];
        hash = hash_step(IR_OP_V_SHA1, n == 3 ? 1 : n, hash,
                         (pb_u128){ e | random_bits() << 32, random_bits() }, four_words(k));
        e = next;
    }
    for (uint32_t i = 0; i < 5; i++) {
        uint64_t half = i < 2 ? hash.lo : hash.hi;
        uint32_t word = i == 4 ? e : (uint32_t)(half >> 32 * (i & 1));

        CHECK(IR_OP_V_SHA1, (uint32_t)(word + start[i]), digest[i], i, 0);
    }
}

/* FIPS 180-4, 4.2.2 */
static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* Sums by lane of 32 bits. */
static pb_u128 sum_words(pb_u128 a, pb_u128 b)
{
    return ir_sem_v_add(a, b, 2, 128);
}

/* FIPS 180-4, 6.2.2, by NIST's example (SHA256.pdf). */
static void sha256(void)
{
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    static const uint32_t digest[8] = { 0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                        0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad };
    pb_u128 abcd = four_words(start), efgh = four_words(start + 4), w[16], none = { 0, 0 };

    for (uint32_t i = 0; i < 4; i++)
        w[i] = four_words(&hashed_block[4 * i]);
    for (uint32_t i = 4; i < 16;
         i++) { /* sixteen words before, with fifteen before; seven before; two before */
        pb_u128 part = hash_step(IR_OP_V_SHA256SU0, 0, w[i - 4], w[i - 3], none);

        part = sum_words(part, ir_sem_v_ext(w[i - 2], w[i - 1], 4, 128));
        w[i] = hash_step(IR_OP_V_SHA256SU1, 0, part, w[i - 1], none);
    }
    for (uint32_t i = 0; i < 16; i++) {
        pb_u128 k = sum_words(w[i], four_words(&sha256_constants[4 * i]));
        pb_u128 next = hash_step(IR_OP_V_SHA256H, 0, abcd, efgh, k);

        efgh = hash_step(IR_OP_V_SHA256H2, 0, efgh, abcd, k);
        abcd = next;
    }
    abcd = sum_words(abcd, four_words(start));
    efgh = sum_words(efgh, four_words(start + 4));
    CHECK(IR_OP_V_SHA256H, abcd.lo, four_words(digest).lo, 0, 0);
    CHECK(IR_OP_V_SHA256H, abcd.hi, four_words(digest).hi, 1, 0);
    CHECK(IR_OP_V_SHA256H2, efgh.lo, four_words(digest + 4).lo, 2, 0);
    CHECK(IR_OP_V_SHA256H2, efgh.hi, four_words(digest + 4).hi, 3, 0);
}

/* The check values of the two polynomials: over "123456789", inverted at start and end. */
static void crc(void)
{
    static const struct {
        ir_op op;
        uint32_t check;
    } cases[] = {
        { IR_OP_CRC32, 0xcbf43926 },
        { IR_OP_CRC32C, 0xe3069283 },
    };

    for (uint32_t i = 0; i < 2; i++) {
        static const uint32_t sizes[][4] = { { 8, 1 }, { 1, 8 }, { 4, 4, 1 }, { 2, 2, 4, 1 } };

        for (uint32_t k = 0; k < 4; k++) {
            uint64_t value = 0xffffffff;
            const char *at = "123456789";

            for (uint32_t part = 0; part < 4 && sizes[k][part]; part++) {
                ir_type types[2] = { IR_I32, IR_I64 };
                pb_u128 args[2] = { { value, 0 }, { 0, 0 } }, out[2];

                memcpy(&args[1].lo, at, sizes[k][part]);
                at += sizes[k][part];
                eval(cases[i].op, IR_I32, sizes[k][part], 2, types, args, out);
                value = out[0].lo;
            }
            CHECK(cases[i].op, value ^ 0xffffffff, cases[i].check, k, 0);
        }
    }
}

#if defined(__x86_64__)

static __m128i to_host(pb_u128 v)
{
    return _mm_set_epi64x((long long)v.hi, (long long)v.lo);
}

static pb_u128 of_host(__m128i v)
{
    pb_u128 r;

    _mm_storeu_si128((__m128i *)(void *)&r, v);
    return r;
}

static pb_u128 unary(ir_op op, pb_u128 a)
{
    ir_type type = IR_V128;
    pb_u128 out[2];

    eval(op, IR_V128, 0, 1, &type, &a, out);
    return out[0];
}

__attribute__((target("aes,pclmul,sse4.1"))) static void check_host_crypto(void)
{
    __m128i zero = _mm_setzero_si128();

    for (uint32_t n = 0; n < CASES * factor; n++) {
        pb_u128 a = random_value(IR_V128), b = random_value(IR_V128), r, out[2];
        pb_u128 halves[2] = { { a.lo, 0 }, { b.lo, 0 } };
        ir_type types[2] = { IR_V64, IR_V64 };

        r = of_host(_mm_aesenclast_si128(to_host(a), zero));
        CHECK(IR_OP_V_AESENC, unary(IR_OP_V_AESENC, a).lo, r.lo, a.lo, a.hi);
        CHECK(IR_OP_V_AESENC, unary(IR_OP_V_AESENC, a).hi, r.hi, a.lo, a.hi);
        r = of_host(_mm_aesdeclast_si128(to_host(a), zero));
        CHECK(IR_OP_V_AESDEC, unary(IR_OP_V_AESDEC, a).lo, r.lo, a.lo, a.hi);
        CHECK(IR_OP_V_AESDEC, unary(IR_OP_V_AESDEC, a).hi, r.hi, a.lo, a.hi);
        r = of_host(_mm_aesimc_si128(to_host(a)));
        CHECK(IR_OP_V_AESIMC, unary(IR_OP_V_AESIMC, a).lo, r.lo, a.lo, a.hi);
        r = of_host(_mm_aesenc_si128(_mm_aesdeclast_si128(to_host(a), zero), zero));
        CHECK(IR_OP_V_AESMC, unary(IR_OP_V_AESMC, a).lo, r.lo, a.lo, a.hi);
        r = of_host(_mm_clmulepi64_si128(to_host(a), to_host(b), 0));
        eval(IR_OP_V_PMULL, IR_V128, 3, 2, types, halves, out);
        CHECK(IR_OP_V_PMULL, out[0].lo, r.lo, a.lo, b.lo);
        CHECK(IR_OP_V_PMULL, out[0].hi, r.hi, a.lo, b.lo);
    }
}

static void host_crypto(void)
{
    if (__builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"))
        check_host_crypto();
    else
        printf("the host has no AES instructions ... ");
}

#endif

int main(void)
{
    static const unit_case cases[] = {
        { "AES, by the standard's example", aes },
        { "SHA-1, by the standard's example", sha1 },
        { "SHA-256, by the standard's example", sha256 },
        { "CRC, by the check values", crc },
#if defined(__x86_64__)
        { "AES and carry-less products, against the host", host_crypto },
#endif
        { 0 },
    };

    factor = random_init();
    return unit_run("IR meanings: ciphers and checksums", cases);
}
