/*
 * The "arm.gic-cpu" protocol: between an interrupt controller with system-register CPU interfaces (GICv3,
 * Arm IHI 0069 chapter 12) and the processors. The controller provides one port a CPU.
 */
#ifndef PATCHBAY_ARM_GIC_H
#define PATCHBAY_ARM_GIC_H

#include <patchbay/port.h>

#define PB_PROTOCOL_ARM_GIC_CPU "arm.gic-cpu"

/* Encoding of a system register as in MRS and MSR: op0 op1 CRn CRm op2. */
#define PB_ARM_SYSREG(op0, op1, crn, crm, op2)                                                     \
    ((uint32_t)(op0) << 14 | (uint32_t)(op1) << 11 | (uint32_t)(crn) << 7 | (uint32_t)(crm) << 3 | \
     (uint32_t)(op2))

/* State of the processor that the interface's behaviour depends on. */
typedef struct pb_arm_gic_context {
    uint8_t el;               /* 0 to 3 */
    uint8_t secure;           /* security state */
    uint8_t hcr_imo, hcr_fmo; /* HCR_EL2.IMO, FMO: virtual interface at EL1 */
} pb_arm_gic_context;

typedef struct pb_arm_gic_cpu_iface {
    uint32_t size;
    /* Access to an ICC_* or ICV_* register by encoding. False: no such register (the access is
     * undefined); traps are the processor's. [device] */
    bool (*read)(void *self, uint32_t index, const pb_arm_gic_context *context, uint32_t sysreg,
                 uint64_t *value);
    bool (*write)(void *self, uint32_t index, const pb_arm_gic_context *context, uint32_t sysreg,
                  uint64_t value);
} pb_arm_gic_cpu_iface;

#endif
