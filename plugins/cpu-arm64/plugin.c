/*
 * Arm processors in AArch64 state: the types of this plugin, and what a device tree says about
 * them.
 */
#include "cpu.h"
#include "sysregs.h"

/* ---- device tree: Linux, Documentation/devicetree/bindings/arm ------------------------------- */

/* A processor's own node: the core writes device_type and compatible. */
static bool cpu_node(void *self, const pb_fdt_writer *w, pb_error *error)
{
    const arm64_cpu *cpu = self;
    uint64_t affinity = arm64_mpidr(pb_vcpu_of_state(self)) & UINT64_C(0xff00ffffff);
    uint32_t reg = (uint32_t)affinity;

    /* /cpus has #address-cells 1. */
    if (affinity >> 32)
        return pb_fail(error, "a device tree cannot tell of mpidr 0x%llx: Aff3 is not 0",
                       (unsigned long long)affinity);
    w->cells(w, "reg", &reg, 1);
    if (cpu->psci != PSCI_NONE)
        w->string(w, "enable-method", "psci");
    return true;
}

static const char *const a53_compatible[] = { "arm,cortex-a53", "arm,armv8", NULL };
static const char *const a57_compatible[] = { "arm,cortex-a57", "arm,armv8", NULL };
static const char *const a72_compatible[] = { "arm,cortex-a72", "arm,armv8", NULL };
static const char *const max_compatible[] = { "arm,armv8", NULL };

static void psci_node(const arm64_cpu *cpu, const pb_fdt_writer *w)
{
    static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";

    w->begin(w, "psci");
    w->bytes(w, "compatible", compatible, sizeof(compatible));
    w->string(w, "method", cpu->psci == PSCI_HVC ? "hvc" : "smc");
    w->end(w);
}

/* Interrupts in the binding's order: secure physical, physical, virtual, hypervisor. */
static bool timer_node(const pb_fdt_writer *w, pb_error *error)
{
    static const char *const ports[] = { "cntps", "cntp", "cntv", "cnthp" };
    uint32_t cells[4 * 8], n = 0;

    for (uint32_t i = 0; i < PB_ARRAY_SIZE(ports); i++) {
        uint32_t got = w->interrupt(w, ports[i], 0, &cells[n]);

        if (!got)
            return true; /* not wired: no timer to tell of */
        n += got;
    }
    w->begin(w, "timer");
    w->string(w, "compatible", "arm,armv8-timer");
    w->cells(w, "interrupts", cells, n);
    w->empty(w, "always-on");
    w->end(w);
    return true;
}

static bool pmu_node(const arm64_cpu *cpu, const pb_fdt_writer *w)
{
    uint32_t cells[8], n;

    if (!cpu->has_pmu)
        return true;
    n = w->interrupt(w, "pmu", 0, cells);
    if (!n)
        return true;
    w->begin(w, "pmu");
    w->string(w, "compatible", "arm,armv8-pmuv3");
    w->cells(w, "interrupts", cells, n);
    w->end(w);
    return true;
}

static bool root_nodes(void *self, const pb_fdt_writer *w, pb_error *error)
{
    const arm64_cpu *cpu = self;

    if (cpu->psci != PSCI_NONE)
        psci_node(cpu, w);
    return timer_node(w, error) && pmu_node(cpu, w);
}

/* ---- gaps ------------------------------------------------------------------------------------ */

static const pb_gap gaps[] = {
#include "gaps.inc" /* rows of a64.decode and sysregs.def that are marked so */
    { "AArch32", "state", "no exception level uses AArch32" },
    { "DBGBCR<n>_EL1.BT", "field", "breakpoints on VMID, and on context alone" },
    { "PMCR_EL0.D", "field", "the cycle counter always counts every cycle" },
    { "PMEVTYPER<n>_EL0.P, U, NSK, NSU, NSH, M", "field",
      "events are counted at every exception level" },
    { "PMOVSSET_EL0", "register", "overflow is noticed when software touches the monitors" },
    { "MDCR_EL2.HPMN", "field", "all counters belong to EL1 and EL0" },
    { "RMR_ELx.RR", "field", "warm reset" },
    { "DC ZVA", "instruction",
      "on Device memory it stores, where it has to be an alignment fault" },
    { "HCR_EL2.TID0, HSTR_EL2", "field", "traps of AArch32 registers" },
    { "SError", "exception", "no bus reports late errors; virtual SErrors are there" },
    { "external debug", "feature", "chapter H: DCPS, DRPS, HLT, the debug communications channel" },
    { "PSCI SYSTEM_SUSPEND", "firmware", "and power-down states of CPU_SUSPEND" },
    { 0 },
};

/* ---- types ----------------------------------------------------------------------------------- */

/* Capstone's numbers: CS_ARCH_ARM64 1, CS_MODE_LITTLE_ENDIAN 0. */
#define CAPSTONE_ARM64 1

#define TYPE(name_, doc_)                                                                          \
    .head = { .size = sizeof(pb_cpu_type),                                                         \
              .kind = PB_KIND_CPU,                                                                 \
              .name = name_,                                                                       \
              .doc = doc_,                                                                         \
              .instance_size = sizeof(arm64_cpu),                                                  \
              .props = arm64_props,                                                                \
              .ports = arm64_ports,                                                                \
              .state = arm64_state,                                                                \
              .init = arm64_init,                                                                  \
              .reset = arm64_reset,                                                                \
              .loaded = arm64_loaded },                                                            \
    .slots = arm64_slots, .pc_slot = SLOT_PC, .translator = &arm64_translator, .walk = arm64_walk, \
    .raise = arm64_raise, .interrupt = arm64_interrupt, .has_work = arm64_has_work,                \
    .data_mmu = data_mmu, .fdt_root = root_nodes, .capstone = { CAPSTONE_ARM64, 0 },               \
    .insn_align = 4, .gaps = gaps, .boot = arm64_boot, .user = &arm64_user, .gdb = &arm64_gdb

static uint32_t data_mmu(const pb_vcpu *vcpu)
{
    return arm64_mmu_data(cpu_of_const(vcpu));
}

static const pb_fdt_desc a53_fdt = {
    .size = sizeof(pb_fdt_desc), .node = "cpu", .compatible = a53_compatible, .extra = cpu_node
};
static const pb_fdt_desc a57_fdt = {
    .size = sizeof(pb_fdt_desc), .node = "cpu", .compatible = a57_compatible, .extra = cpu_node
};
static const pb_fdt_desc a72_fdt = {
    .size = sizeof(pb_fdt_desc), .node = "cpu", .compatible = a72_compatible, .extra = cpu_node
};
static const pb_fdt_desc max_fdt = {
    .size = sizeof(pb_fdt_desc), .node = "cpu", .compatible = max_compatible, .extra = cpu_node
};

static const arm64_type cortex_a53 = {
    .head = { TYPE("cortex-a53", "Arm Cortex-A53"), .fdt = &a53_fdt },
    .model = &arm64_cortex_a53,
};
static const arm64_type cortex_a57 = {
    .head = { TYPE("cortex-a57", "Arm Cortex-A57"), .fdt = &a57_fdt },
    .model = &arm64_cortex_a57,
};
static const arm64_type cortex_a72 = {
    .head = { TYPE("cortex-a72", "Arm Cortex-A72"), .fdt = &a72_fdt },
    .model = &arm64_cortex_a72,
};
static const arm64_type max = {
    .head = { TYPE("max", "No chip: every feature of AArch64 that is modelled"), .fdt = &max_fdt },
    .model = &arm64_max,
};

static const pb_class *const types[] = {
    &cortex_a53.head.head, &cortex_a57.head.head, &cortex_a72.head.head, &max.head.head, NULL,
};

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "cpu-arm64",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Arm processors, AArch64",
    .types = types,
};
