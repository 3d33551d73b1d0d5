/*
 * What the versions of the interrupt controller share.
 */
#ifndef DEV_GIC_H
#define DEV_GIC_H

#include <patchbay/device.h>

#define GIC_SPURIOUS        1023u
#define GIC_SPURIOUS_GROUP1 1022u

#define GIC_CPUS  128 /* the most that any version serves */
#define GIC_IDS   1024
#define GIC_WORDS (GIC_IDS / 32)

#define GIC_PRIORITY_MASK 0xf8u /* five implemented bits */
#define GIC_IDLE_PRIORITY 0xffu

/* One bit for each interrupt; INTIDs 0 to 31 are banked by processor. */
typedef struct int_bits {
    uint32_t banked[GIC_CPUS];
    uint32_t shared[GIC_WORDS]; /* word 0 unused */
} int_bits;

static inline uint32_t *word(int_bits *bits, uint32_t cpu, uint32_t n)
{
    return n ? &bits->shared[n] : &bits->banked[cpu];
}

static inline bool test_bit(int_bits *bits, uint32_t cpu, uint32_t id)
{
    return *word(bits, cpu, id / 32) >> (id % 32) & 1;
}

static inline void put_bit(int_bits *bits, uint32_t cpu, uint32_t id, bool value)
{
    uint32_t *w = word(bits, cpu, id / 32);

    *w = (*w & ~(1u << id % 32)) | (uint32_t)value << id % 32;
}

/* Bits of word n that belong to the first n_ids interrupts. */
static inline uint32_t gic_valid_mask(uint32_t n_ids, uint32_t n)
{
    uint32_t left = n_ids > n * 32 ? n_ids - n * 32 : 0;

    return left >= 32 ? UINT32_MAX : (1u << left) - 1;
}

/* The running priority for active-priorities bits, bit n being priority n << 3. */
static inline uint32_t gic_running_priority(uint32_t active)
{
    return active ? (uint32_t)__builtin_ctz(active) << 3 : GIC_IDLE_PRIORITY;
}

extern const pb_device_type gicv2_type, gicv3_type;

/* Interrupt specifiers of the device tree: level-sensitive, active high (flag 4). */
static inline bool gic_fdt_spi(uint32_t number, uint32_t *cells)
{
    cells[0] = 0;
    cells[1] = number;
    cells[2] = 4;
    return true;
}

static inline bool gic_fdt_ppi(uint32_t id, uint32_t flags, uint32_t *cells)
{
    cells[0] = 1;
    cells[1] = id - 16;
    cells[2] = flags | 4;
    return true;
}

#endif
