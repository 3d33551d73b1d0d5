/*
 * Guest bytes in host memory: loads and stores that other threads may race with.
 *
 * Values are little-endian numbers. Naturally aligned accesses of 1 to 8 bytes are single-copy atomic, unordered.
 * Unaligned ones are one host instruction where the host has it; under the thread sanitizer they go
 * byte by byte, so that it sees races of guests as what they are: allowed.
 */
#ifndef CORE_BUS_HOST_H
#define CORE_BUS_HOST_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "big-endian hosts need byte swaps here"
#endif

#ifdef __SANITIZE_THREAD__
#define PB_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PB_THREAD_SANITIZER 1
#endif
#endif

static inline void pb_host_copy(void *to, const void *from, uint64_t bytes)
{
#ifdef PB_THREAD_SANITIZER
    for (uint64_t i = 0; i < bytes; i++)
        __atomic_store_n((uint8_t *)to + i,
                         __atomic_load_n((const uint8_t *)from + i, __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
#else
    memcpy(to, from, bytes);
#endif
}

/* size: 1, 2, 4 or 8 */
static inline uint64_t pb_host_load(const uint8_t *host, uint32_t size)
{
    uint64_t value = 0;

    if (((uintptr_t)host & (size - 1)) == 0) {
        switch (size) {
        case 1:
            return __atomic_load_n(host, __ATOMIC_RELAXED);
        case 2:
            return __atomic_load_n((const uint16_t *)(const void *)host, __ATOMIC_RELAXED);
        case 4:
            return __atomic_load_n((const uint32_t *)(const void *)host, __ATOMIC_RELAXED);
        default:
            return __atomic_load_n((const uint64_t *)(const void *)host, __ATOMIC_RELAXED);
        }
    }
    switch (size) {
    case 2:
        pb_host_copy(&value, host, 2);
        break;
    case 4:
        pb_host_copy(&value, host, 4);
        break;
    default:
        pb_host_copy(&value, host, 8);
        break;
    }
    return value;
}

static inline void pb_host_store(uint8_t *host, uint32_t size, uint64_t value)
{
    if (((uintptr_t)host & (size - 1)) == 0) {
        switch (size) {
        case 1:
            __atomic_store_n(host, (uint8_t)value, __ATOMIC_RELAXED);
            return;
        case 2:
            __atomic_store_n((uint16_t *)(void *)host, (uint16_t)value, __ATOMIC_RELAXED);
            return;
        case 4:
            __atomic_store_n((uint32_t *)(void *)host, (uint32_t)value, __ATOMIC_RELAXED);
            return;
        default:
            __atomic_store_n((uint64_t *)(void *)host, value, __ATOMIC_RELAXED);
            return;
        }
    }
    switch (size) {
    case 2:
        pb_host_copy(host, &value, 2);
        break;
    case 4:
        pb_host_copy(host, &value, 4);
        break;
    default:
        pb_host_copy(host, &value, 8);
        break;
    }
}

/* The value with its `size` bytes in reverse order. */
static inline uint64_t pb_swap(uint64_t value, uint32_t size)
{
    switch (size) {
    case 1:
        return value;
    case 2:
        return __builtin_bswap16((uint16_t)value);
    case 4:
        return __builtin_bswap32((uint32_t)value);
    default:
        return __builtin_bswap64(value);
    }
}

/* The low `size` bytes of a value. */
static inline uint64_t pb_low_bytes(uint64_t value, uint32_t size)
{
    return size >= 8 ? value : value & ((UINT64_C(1) << (8 * size)) - 1);
}

#endif
