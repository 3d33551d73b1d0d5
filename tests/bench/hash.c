/* Hashes, without the instructions that processors have for some of them. */
#include "bench.h"

uint64_t kernel_crc32(uint64_t rounds);
uint64_t kernel_sha256(uint64_t rounds);
uint64_t kernel_murmur3(uint64_t rounds);
uint64_t kernel_xxh64(uint64_t rounds);
uint64_t kernel_siphash(uint64_t rounds);

static uint8_t data[4096];

static uint32_t load32(const uint8_t *at)
{
    uint32_t value;

    __builtin_memcpy(&value, at, 4);
    return value;
}

static uint64_t load64(const uint8_t *at)
{
    uint64_t value;

    __builtin_memcpy(&value, at, 8);
    return value;
}

static uint32_t rotate32(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static uint64_t rotate64(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

uint64_t kernel_crc32(uint64_t rounds)
{
    static uint32_t table[256];
    uint32_t crc = ~0u;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
    bench_fill(data, sizeof(data));
    while (rounds--)
        for (uint32_t i = 0; i < sizeof(data); i++)
            crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
    return crc;
}

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

static void sha256_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

    for (int i = 0; i < 16; i++)
        w[i] = __builtin_bswap32(load32(block + i * 4));
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate32(w[i - 15], 25) ^ rotate32(w[i - 15], 14) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate32(w[i - 2], 15) ^ rotate32(w[i - 2], 13) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = h + (rotate32(e, 26) ^ rotate32(e, 21) ^ rotate32(e, 7)) +
                      ((e & f) ^ (~e & g)) + sha256_constants[i] + w[i];
        uint32_t t2 =
            (rotate32(a, 30) ^ rotate32(a, 19) ^ rotate32(a, 10)) + ((a & b) ^ (a & c) ^ (b & c));

        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

uint64_t kernel_sha256(uint64_t rounds)
{
    uint32_t state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

    bench_fill(data, sizeof(data));
    while (rounds--)
        for (uint32_t i = 0; i < sizeof(data); i += 64)
            sha256_block(state, data + i);
    return bench_sum(0, state, sizeof(state));
}

/* MurmurHash3 for 32 bits, body only. */
uint64_t kernel_murmur3(uint64_t rounds)
{
    uint32_t hash = 42;

    bench_fill(data, sizeof(data));
    while (rounds--)
        for (uint32_t i = 0; i < sizeof(data); i += 4) {
            uint32_t k = rotate32(load32(data + i) * 0xcc9e2d51u, 15) * 0x1b873593u;

            hash = rotate32(hash ^ k, 13) * 5 + 0xe6546b64u;
        }
    return hash;
}

static uint64_t xxh_round(uint64_t sum, uint64_t word)
{
    return rotate64(sum + word * 0xc2b2ae3d27d4eb4fu, 31) * 0x9e3779b185ebca87u;
}

/* xxHash for 64 bits: its four lanes. */
uint64_t kernel_xxh64(uint64_t rounds)
{
    uint64_t a = 1, b = 2, c = 3, d = 4;

    bench_fill(data, sizeof(data));
    while (rounds--)
        for (uint32_t i = 0; i < sizeof(data); i += 32) {
            a = xxh_round(a, load64(data + i));
            b = xxh_round(b, load64(data + i + 8));
            c = xxh_round(c, load64(data + i + 16));
            d = xxh_round(d, load64(data + i + 24));
        }
    return rotate64(a, 1) + rotate64(b, 7) + rotate64(c, 12) + rotate64(d, 18);
}

uint64_t kernel_siphash(uint64_t rounds)
{
    uint64_t v0 = 0x736f6d6570736575u, v1 = 0x646f72616e646f6du;
    uint64_t v2 = 0x6c7967656e657261u, v3 = 0x7465646279746573u;

    bench_fill(data, sizeof(data));
    while (rounds--)
        for (uint32_t i = 0; i < sizeof(data); i += 8) {
            uint64_t word = load64(data + i);

            v3 ^= word;
            for (int k = 0; k < 2; k++) {
                v0 += v1;
                v1 = rotate64(v1, 13) ^ v0;
                v0 = rotate64(v0, 32);
                v2 += v3;
                v3 = rotate64(v3, 16) ^ v2;
                v0 += v3;
                v3 = rotate64(v3, 21) ^ v0;
                v2 += v1;
                v1 = rotate64(v1, 17) ^ v2;
                v2 = rotate64(v2, 32);
            }
            v0 ^= word;
        }
    return v0 ^ v1 ^ v2 ^ v3;
}
