/* String functions as C libraries have them: 16 bytes at a time, with Neon in the guest and SSE2 on the host. */
#include "bench.h"

uint64_t kernel_strlen(uint64_t rounds);
uint64_t kernel_memchr(uint64_t rounds);
uint64_t kernel_strcmp(uint64_t rounds);
uint64_t kernel_memcpy(uint64_t rounds);
uint64_t kernel_memset(uint64_t rounds);

#ifdef __aarch64__
#include <arm_neon.h>

typedef uint8x16_t vector;

/* Four bits for each byte that is equal. */
enum { MASK_SHIFT = 2 };

static inline uint64_t equal(vector a, vector b)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(vceqq_u8(a, b)), 4)),
                         0);
}

#define ALL_EQUAL    UINT64_MAX
#define LOAD(at)     vld1q_u8(at)
#define STORE(at, v) vst1q_u8((at), (v))
#define SPLAT(byte)  vdupq_n_u8(byte)
#else
#include <emmintrin.h>

typedef __m128i vector;

/* One bit for each byte that is equal. */
enum { MASK_SHIFT = 0 };

static inline uint64_t equal(vector a, vector b)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b));
}

#define ALL_EQUAL    0xffffu
#define LOAD(at)     _mm_loadu_si128((const __m128i *)(const void *)(at))
#define STORE(at, v) _mm_storeu_si128((__m128i *)(void *)(at), (v))
#define SPLAT(byte)  _mm_set1_epi8((char)(byte))
#endif

/* Aligned blocks only, so that no page is touched that the string is not on. */
static NOINLINE size_t string_length(const uint8_t *s)
{
    const uint8_t *block = (const uint8_t *)((uintptr_t)s & ~(uintptr_t)15);
    vector zero = SPLAT(0);
    uint64_t found = equal(LOAD(block), zero) >> ((unsigned)(s - block) << MASK_SHIFT);

    if (found)
        return (size_t)__builtin_ctzll(found) >> MASK_SHIFT;
    do {
        block += 16;
        found = equal(LOAD(block), zero);
    } while (!found);
    return (size_t)(block - s) + ((size_t)__builtin_ctzll(found) >> MASK_SHIFT);
}

static NOINLINE const uint8_t *find_byte(const uint8_t *s, uint8_t byte, size_t length)
{
    vector wanted = SPLAT(byte);

    for (size_t i = 0; i + 16 <= length; i += 16) {
        uint64_t found = equal(LOAD(s + i), wanted);

        if (found)
            return s + i + ((size_t)__builtin_ctzll(found) >> MASK_SHIFT);
    }
    for (size_t i = length & ~(size_t)15; i < length; i++)
        if (s[i] == byte)
            return s + i;
    return NULL;
}

/* Both have 16 readable bytes after their end. */
static NOINLINE int compare(const uint8_t *a, const uint8_t *b)
{
    for (;; a += 16, b += 16) {
        vector x = LOAD(a);
        uint64_t same = equal(x, LOAD(b)), stop = (same ^ ALL_EQUAL) | equal(x, SPLAT(0));

        if (stop) {
            size_t i = (size_t)__builtin_ctzll(stop) >> MASK_SHIFT;

            return a[i] - b[i];
        }
    }
}

/* As libraries do it: overlapping moves for short ones, 64 bytes at a time for long ones. */
static NOINLINE void copy(uint8_t *to, const uint8_t *from, size_t length)
{
    if (length >= 16) {
        vector last = LOAD(from + length - 16);
        uint8_t *end = to + length - 16;

        for (; length > 64; length -= 64, to += 64, from += 64) {
            vector a = LOAD(from), b = LOAD(from + 16), c = LOAD(from + 32), d = LOAD(from + 48);

            STORE(to, a);
            STORE(to + 16, b);
            STORE(to + 32, c);
            STORE(to + 48, d);
        }
        for (; length > 16; length -= 16, to += 16, from += 16)
            STORE(to, LOAD(from));
        STORE(end, last);
    } else if (length >= 8) {
        uint64_t first, last;

        __builtin_memcpy(&first, from, 8);
        __builtin_memcpy(&last, from + length - 8, 8);
        __builtin_memcpy(to, &first, 8);
        __builtin_memcpy(to + length - 8, &last, 8);
    } else {
        while (length--) {
            *to++ = *from++;
            BENCH_BARRIER();
        }
    }
}

static NOINLINE void set(uint8_t *to, uint8_t byte, size_t length)
{
    vector v = SPLAT(byte);

    for (; length >= 32; length -= 32, to += 32) {
        STORE(to, v);
        STORE(to + 16, v);
    }
    while (length--) {
        *to++ = byte;
        BENCH_BARRIER();
    }
}

#define TEXT 8192
static uint8_t text[TEXT + 64], other[TEXT + 64];

/* Words of 1 to 255 bytes that end with 0. */
static void make_words(void)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < TEXT; i++) {
        uint64_t r = bench_random();

        if (!left)
            left = (uint32_t)(r >> 8 & 15 ? r >> 16 & 31 : r >> 16 & 255) + 1;
        text[i] = --left ? (uint8_t)(r >> 56) | 1 : 0;
        other[i] = text[i];
    }
    text[TEXT - 1] = other[TEXT - 1] = 0;
}

uint64_t kernel_strlen(uint64_t rounds)
{
    uint64_t sum = 0;

    make_words();
    while (rounds--)
        for (uint32_t i = 0; i < TEXT;) {
            size_t length = string_length(text + i);

            sum = sum * 3 + length;
            i += (uint32_t)length + 1;
        }
    return sum;
}

uint64_t kernel_memchr(uint64_t rounds)
{
    uint64_t sum = 0;

    for (int i = 0; i < TEXT; i++)
        text[i] = 'a' + (uint8_t)(i % 7);
    text[777] = text[3333] = text[TEXT - 5] = 'z';
    while (rounds--)
        for (const uint8_t *at = text; (at = find_byte(at, 'z', (size_t)(text + TEXT - at))); at++)
            sum = sum * 3 + (uint64_t)(at - text);
    return sum;
}

uint64_t kernel_strcmp(uint64_t rounds)
{
    uint64_t sum = 0;

    make_words();
    for (int i = 0; i < 40; i++)
        other[bench_random() % TEXT] ^= 2;
    while (rounds--)
        for (uint32_t i = 0; i < TEXT; i += 61)
            sum = sum * 3 + (uint64_t)compare(text + i, other + i);
    return sum;
}

uint64_t kernel_memcpy(uint64_t rounds)
{
    uint64_t sum = 0;

    make_words();
    while (rounds--) {
        copy(other, text, TEXT);
        for (uint32_t i = 0; i + 600 < TEXT; i += 97)
            copy(other + i, text + i / 2 + 3, 3 + (i * 7 & 511));
        text[rounds & (TEXT - 1)] += other[rounds * 5 & (TEXT - 1)];
        sum += other[rounds * 11 & (TEXT - 1)];
    }
    return bench_sum(sum, other, TEXT);
}

uint64_t kernel_memset(uint64_t rounds)
{
    while (rounds--) {
        set(text, (uint8_t)rounds, TEXT);
        for (uint32_t i = 0; i + 600 < TEXT; i += 97)
            set(text + i, (uint8_t)i, 3 + (i * 7 & 511));
    }
    return bench_sum(0, text, TEXT);
}
