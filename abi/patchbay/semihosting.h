/*
 * Semihosting: a guest asks the host for files, a console, the time, by an instruction that its architecture sets aside for
 * debuggers. The calls are Arm's, "Semihosting for AArch32 and AArch64", release 2.0, which other architectures took over.
 *
 * A cpu type asks the extension PB_EXTENSION_SEMIHOSTING of the host in init. Without it the instruction is what the
 * architecture says that it is without a debugger.
 */
#ifndef PATCHBAY_SEMIHOSTING_H
#define PATCHBAY_SEMIHOSTING_H

#include <patchbay/vcpu.h>

#define PB_EXTENSION_SEMIHOSTING "pb.semihosting/1"

typedef struct pb_semihosting_call {
    uint32_t size;
    uint32_t operation;  /* SYS_OPEN ... */
    uint64_t argument;   /* mostly the address of a block of words */
    uint32_t word_bytes; /* 4 or 8 */
    uint32_t attr;       /* MMU index of accesses to memory, as in attribute words (memory.h) */
} pb_semihosting_call;

typedef enum pb_semihosting_status {
    PB_SEMIHOSTING_DONE = 0, /* *result is what the guest gets */
    PB_SEMIHOSTING_AGAIN, /* the processor is wanted elsewhere: the instruction is to be executed again */
    PB_SEMIHOSTING_ENDED, /* the guest ends; the processor leaves */
} pb_semihosting_status;

typedef struct pb_semihosting_ops {
    uint32_t size;
    void *opaque;
    /* Make a call. It may wait, for input. [vcpu] */
    pb_semihosting_status (*call)(void *opaque, pb_vcpu *vcpu, const pb_semihosting_call *call,
                                  uint64_t *result);
} pb_semihosting_ops;

#endif
