/*
 * Power State Coordination Interface 1.1 and the SMC Calling Convention, answered in place of
 * firmware.
 *
 * Manuals: Arm DEN 0022 (PSCI), DEN 0028 (SMCCC). The `psci` property says by which instruction
 * calls come.
 *
 * Left out: standby and retention states (CPU_SUSPEND waits for an interrupt, whatever was asked
 * for), OS-initiated mode, SYSTEM_SUSPEND, MEM_PROTECT, statistics.
 */
#include "cpu.h"
#include "sysregs.h"

enum {
    PSCI_VERSION = 0x84000000,
    PSCI_CPU_SUSPEND = 0x84000001,
    PSCI_CPU_OFF = 0x84000002,
    PSCI_CPU_ON = 0x84000003,
    PSCI_AFFINITY_INFO = 0x84000004,
    PSCI_MIGRATE_INFO_TYPE = 0x84000006,
    PSCI_SYSTEM_OFF = 0x84000008,
    PSCI_SYSTEM_RESET = 0x84000009,
    PSCI_FEATURES = 0x8400000a,
    PSCI_SYSTEM_RESET2 = 0x84000012,
    SMCCC_VERSION = 0x80000000,
    SMCCC_ARCH_FEATURES = 0x80000001,
};

/* The SMC64 form of a function has this bit. */
#define SMC64 0x40000000u

enum {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_ALREADY_ON = -4,
    PSCI_ON_PENDING = -5,
    PSCI_INVALID_ADDRESS = -9,
};

/* A return value of 64 bits, or of 32 in the SMC32 form, sign-extended: callers read w0 or x0. */
static void give(pb_vcpu *vcpu, int64_t result)
{
    cpu_of(vcpu)->x[0] = (uint64_t)result;
}

static void stop(pb_vcpu *vcpu, uint64_t pc)
{
    arm64_unwind(vcpu, pc);
    vcpu->leave_reason = PB_RUN_POWER_OFF;
}

/* ---- processors ------------------------------------------------------------------------------ */

#define AFFINITY UINT64_C(0xff00ffffff)

static pb_vcpu *vcpu_of_affinity(pb_vcpu *vcpu, uint64_t affinity)
{
    for (uint32_t i = 0; i < vcpu->ops->vcpu_count(vcpu); i++) {
        pb_vcpu *other = vcpu->ops->vcpu_at(vcpu, i);

        if (other->type->slots == arm64_slots && (arm64_mpidr(other) & AFFINITY) == affinity)
            return other;
    }
    return NULL;
}

/* On the target's thread: start it at what CPU_ON left for it, at the highest Non-secure exception level
 * (DEN 0022, "Initial core configuration"). */
static void power_on(pb_vcpu *target, uint64_t unused)
{
    arm64_cpu *cpu = cpu_of(target);

    arm64_enter_el(target, cpu->has_el2 ? 2 : 1, cpu->on_entry);
    cpu->x[0] = cpu->on_context;
    __atomic_store_n(&cpu->power, POWER_ON, __ATOMIC_RELEASE);
    target->ops->set_powered(target, true);
}

static int64_t cpu_on(pb_vcpu *vcpu, uint64_t affinity, uint64_t entry, uint64_t context)
{
    pb_vcpu *target = vcpu_of_affinity(vcpu, affinity & AFFINITY);
    uint32_t expected = POWER_OFF;
    arm64_cpu *cpu;

    if (!target || (affinity & ~AFFINITY & ~BIT64(31)))
        return PSCI_INVALID_PARAMETERS;
    if (entry & 3)
        return PSCI_INVALID_ADDRESS;
    cpu = cpu_of(target);
    if (!__atomic_compare_exchange_n(&cpu->power, &expected, POWER_ON_PENDING, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return expected == POWER_ON ? PSCI_ALREADY_ON : PSCI_ON_PENDING;
    cpu->on_entry = entry;
    cpu->on_context = context;
    target->ops->run_on(target, power_on, 0);
    return PSCI_SUCCESS;
}

static void cpu_off(pb_vcpu *vcpu)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    __atomic_store_n(&cpu->power, POWER_OFF, __ATOMIC_SEQ_CST);
    vcpu->ops->set_powered(vcpu, false);
    stop(vcpu, cpu->pc);
}

static int64_t affinity_info(pb_vcpu *vcpu, uint64_t affinity, uint64_t level)
{
    pb_vcpu *target = vcpu_of_affinity(vcpu, affinity & AFFINITY);

    if (level != 0 || !target)
        return PSCI_INVALID_PARAMETERS;
    switch (__atomic_load_n(&cpu_of(target)->power, __ATOMIC_SEQ_CST)) {
    case POWER_ON:
        return 0;
    case POWER_ON_PENDING:
        return 2;
    default:
        return 1;
    }
}

/* ---- the machine ----------------------------------------------------------------------------- */

/* Does not return to the caller: the processor stands still until the machine acts. */
static void machine_request(pb_vcpu *vcpu, uint32_t request)
{
    vcpu->object->ops->request(vcpu->object, request, 0);
    vcpu->ops->set_powered(vcpu, false);
    stop(vcpu, cpu_of(vcpu)->pc);
}

/* ---- functions ------------------------------------------------------------------------------- */

static const uint32_t functions[] = {
    PSCI_VERSION,
    PSCI_CPU_SUSPEND,
    PSCI_CPU_SUSPEND | SMC64,
    PSCI_CPU_OFF,
    PSCI_CPU_ON,
    PSCI_CPU_ON | SMC64,
    PSCI_AFFINITY_INFO,
    PSCI_AFFINITY_INFO | SMC64,
    PSCI_MIGRATE_INFO_TYPE,
    PSCI_SYSTEM_OFF,
    PSCI_SYSTEM_RESET,
    PSCI_FEATURES,
    PSCI_SYSTEM_RESET2,
    PSCI_SYSTEM_RESET2 | SMC64,
    SMCCC_VERSION,
};

static int64_t features(uint32_t function)
{
    for (uint32_t i = 0; i < PB_ARRAY_SIZE(functions); i++) {
        if (functions[i] == function)
            return 0; /* CPU_SUSPEND: original format of power states, platform-coordinated */
    }
    return PSCI_NOT_SUPPORTED;
}

static uint64_t argument(uint32_t function, uint64_t x)
{
    return function & SMC64 ? x : (uint32_t)x;
}

void arm64_psci_call(pb_vcpu *vcpu)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t function = (uint32_t)cpu->x[0];
    uint64_t x1 = argument(function, cpu->x[1]), x2 = argument(function, cpu->x[2]);
    uint64_t x3 = argument(function, cpu->x[3]);

    pb_trace(vcpu->object, "arm64.psci", "cpu %u function 0x%x (0x%llx, 0x%llx, 0x%llx)",
             vcpu->index, function, (unsigned long long)x1, (unsigned long long)x2,
             (unsigned long long)x3);
    arm64_unwind(vcpu, cpu->pc + 4);
    switch (function) {
    case PSCI_VERSION:
        give(vcpu, 0x10001);
        break;
    case SMCCC_VERSION:
        give(vcpu, 0x10001);
        break;
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_SUSPEND | SMC64:
        /* Returns when an interrupt is pending: as standby. A power-down state may also do so
         * (5.4.5). */
        give(vcpu, PSCI_SUCCESS);
        if (!arm64_has_work(vcpu))
            vcpu->leave_reason = PB_RUN_IDLE;
        break;
    case PSCI_CPU_OFF:
        cpu_off(vcpu);
        break;
    case PSCI_CPU_ON:
    case PSCI_CPU_ON | SMC64:
        give(vcpu, cpu_on(vcpu, x1, x2, x3));
        break;
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO | SMC64:
        give(vcpu, affinity_info(vcpu, x1, x2));
        break;
    case PSCI_MIGRATE_INFO_TYPE:
        give(vcpu, 2); /* no trusted OS, or none that needs migration */
        break;
    case PSCI_SYSTEM_OFF:
        machine_request(vcpu, PB_MACHINE_POWER_OFF);
        break;
    case PSCI_SYSTEM_RESET:
        machine_request(vcpu, PB_MACHINE_RESET);
        break;
    case PSCI_SYSTEM_RESET2:
    case PSCI_SYSTEM_RESET2 | SMC64:
        if (x1 ==
            0) /* architectural: SYSTEM_WARM_RESET; memory is kept by a machine reset as well */
            machine_request(vcpu, PB_MACHINE_RESET);
        else
            give(vcpu, PSCI_INVALID_PARAMETERS);
        break;
    case PSCI_FEATURES:
        give(vcpu, features((uint32_t)x1));
        break;
    case SMCCC_ARCH_FEATURES:
        /* No workaround is needed, and none of the optional functions is there. */
        give(vcpu, x1 == SMCCC_VERSION || x1 == SMCCC_ARCH_FEATURES ? 0 : PSCI_NOT_SUPPORTED);
        break;
    default:
        pb_log_unimp(vcpu->object, "call of function 0x%x is not supported", function);
        give(vcpu, PSCI_NOT_SUPPORTED);
        break;
    }
}
