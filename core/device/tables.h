/*
 * Small questions to rows of tables.
 */
#ifndef CORE_DEVICE_TABLES_H
#define CORE_DEVICE_TABLES_H

#include <patchbay/cpu.h>
#include <patchbay/device.h>

/* Registers of one region lie below this offset. */
#define PB_REGS_MAX_BYTES (UINT64_C(16) << 20)

static inline uint64_t pb_bits_mask(uint32_t bits)
{
    return bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

/* Bytes of one register: its width, rounded up to 1, 2, 4 or 8. */
static inline uint32_t pb_reg_bytes(const pb_reg *reg)
{
    return reg->width <= 8 ? 1 : reg->width <= 16 ? 2 : reg->width <= 32 ? 4 : 8;
}

static inline uint32_t pb_reg_count(const pb_reg *reg)
{
    return reg->count ? reg->count : 1;
}

static inline uint32_t pb_reg_stride(const pb_reg *reg)
{
    return reg->stride ? reg->stride : pb_reg_bytes(reg);
}

/* Offset of the first byte behind the register and all its elements. */
static inline uint64_t pb_reg_end(const pb_reg *reg)
{
    return reg->offset + (uint64_t)(pb_reg_count(reg) - 1) * pb_reg_stride(reg) + pb_reg_bytes(reg);
}

/* The mode that counts for a field. */
static inline uint32_t pb_field_mode(const pb_reg *reg, const pb_field *field)
{
    return field->mode == PB_RW ? reg->mode : field->mode;
}

/* Integers in the instance, of 1, 2, 4 or 8 bytes. */
static inline uint64_t pb_load_uint(const void *from, uint32_t bytes)
{
    switch (bytes) {
    case 1:
        return *(const uint8_t *)from;
    case 2:
        return *(const uint16_t *)from;
    case 4:
        return *(const uint32_t *)from;
    default:
        return *(const uint64_t *)from;
    }
}

static inline void pb_store_uint(void *to, uint32_t bytes, uint64_t value)
{
    switch (bytes) {
    case 1:
        *(uint8_t *)to = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)to = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)to = (uint32_t)value;
        break;
    default:
        *(uint64_t *)to = value;
        break;
    }
}

#endif
