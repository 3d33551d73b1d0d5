/*
 * A host for one processor, small enough to see through: flat physical memory, a clock that
 * tests set, and records of what the processor asked for.
 */
#ifndef CPU_ARM64_FAKE_H
#define CPU_ARM64_FAKE_H

#include "cpu.h"

#define FAKE_RAM_BYTES (UINT64_C(4) << 20) /* from physical address 0 */
#define FAKE_CPUS      2

typedef struct fake_line {
    pb_line line;
    uint32_t changes;
} fake_line;

typedef struct fake_cpu {
    uint64_t memory[(PB_VCPU_STATE_OFFSET + sizeof(arm64_cpu)) / 8 + 1];
    pb_timer timers[TIMER_COUNT];
    fake_line lines[TIMER_COUNT];
    bool powered;
    /* Arguments of the last calls. */
    uint32_t flushed_mask, flushed_scope, flushes, page_flushes, kicks, code_flushes, syncs;
    uint64_t flushed_gva;
    pb_tlb_flush flushed;
    uint32_t switched_mask, guest, space;
} fake_cpu;

typedef struct fake {
    uint8_t *ram;
    uint64_t now_ns;
    pb_clock clock;
    pb_object object;
    fake_cpu cpus[FAKE_CPUS];
    int32_t device_lock;
    uint32_t requests, last_request;
    uint32_t logs;
    uint64_t bad_gpa; /* physical page that answers with an error */
} fake;

extern fake host;

/* A machine of FAKE_CPUS processors of a type of the plugin ("max"), after reset. Properties are
 * as the arguments say; others have their defaults. */
void fake_start(const char *type, bool el2, bool el3, uint8_t psci);
void fake_stop(void);

pb_vcpu *fake_vcpu(uint32_t index);
arm64_cpu *fake_state(uint32_t index);
/* Bring processor 0 to an exception level, with sp of its own. */
void fake_set_el(uint32_t el);
void fake_write64(uint64_t gpa, uint64_t value);
uint64_t fake_read64(uint64_t gpa);

#endif
