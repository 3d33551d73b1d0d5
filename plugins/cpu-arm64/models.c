/*
 * Processor models: values of identification registers.
 *
 * Cortex-A53 TRM (DDI 0500, r0p4), Cortex-A57 TRM (DDI 0488, r1p0), Cortex-A72 TRM (100095,
 * r0p3); chapter 4, "System control" of each. The registers say what this plugin models, where
 * the chips have more: AArch64 only at every exception level, no AArch32 identification.
 */
#include "cpu.h"

#define KIB 1024u
#define MIB (1024u * KIB)

#define BIT(feature) (UINT64_C(1) << (feature))

#define FEATURES_A5X                                                                        \
    (BIT(FEAT_BASE) | BIT(FEAT_AES) | BIT(FEAT_PMULL) | BIT(FEAT_SHA1) | BIT(FEAT_SHA256) | \
     BIT(FEAT_CRC32))

/* ID_AA64ISAR0_EL1 of the three: AES 2 (with PMULL), SHA1 1, SHA2 1, CRC32 1. */
#define ISAR0_A5X UINT64_C(0x00011120)

/* Common events that are counted, bits of PMCEID0_EL0: SW_INCR (0x00), INST_RETIRED (0x08),
 * CPU_CYCLES (0x11). */
#define PMCEID0 (BIT(0x00) | BIT(0x08) | BIT(0x11))

const arm64_model arm64_cortex_a53 = {
    .features = FEATURES_A5X,
    .midr = 0x410fd034,
    .ctr = 0x84448004,
    .clidr = 0x0a200023,
    .dczid = 4,
    .aa64isar0 = ISAR0_A5X,
    .aa64mmfr0 = 0x1122, /* PARange 40 bits, 16-bit ASID, mixed endian, 4 and 64 KiB granules */
    .pmceid0 = PMCEID0,
    .pmu_idcode = 3,
    .breakpoints = 6,
    .watchpoints = 4,
    .context_breakpoints = 2,
    .pmu_counters = 6,
    .cortex_a5x = true,
    .cache = { { { 32 * KIB, 4, true }, { 32 * KIB, 2, true } }, { { 1 * MIB, 16, true } } },
};

const arm64_model arm64_cortex_a57 = {
    .features = FEATURES_A5X,
    .midr = 0x411fd070,
    .ctr = 0x8444c004,
    .clidr = 0x0a200023,
    .dczid = 4,
    .aa64isar0 = ISAR0_A5X,
    .aa64mmfr0 = 0x1124, /* PARange 44 bits */
    .pmceid0 = PMCEID0,
    .pmu_idcode = 1,
    .breakpoints = 6,
    .watchpoints = 4,
    .context_breakpoints = 2,
    .pmu_counters = 6,
    .cortex_a5x = true,
    .cache = { { { 32 * KIB, 2, true }, { 48 * KIB, 3, true } }, { { 2 * MIB, 16, true } } },
};

const arm64_model arm64_cortex_a72 = {
    .features = FEATURES_A5X,
    .midr = 0x410fd083,
    .ctr = 0x8444c004,
    .clidr = 0x0a200023,
    .dczid = 4,
    .aa64isar0 = ISAR0_A5X,
    .aa64mmfr0 = 0x1124,
    .pmceid0 = PMCEID0,
    .pmu_idcode = 2,
    .breakpoints = 6,
    .watchpoints = 4,
    .context_breakpoints = 2,
    .pmu_counters = 6,
    .cortex_a5x = true,
    .cache = { { { 32 * KIB, 2, true }, { 48 * KIB, 3, true } }, { { 1 * MIB, 16, true } } },
};

/* No chip: everything that is modelled. Implementer 0 is reserved for software use. */
const arm64_model arm64_max = {
    .features = BIT(FEAT_COUNT) - 1,
    .midr = 0x000f0b10,
    .ctr = 0x8444c004,
    .clidr = 0x0a200023,
    .dczid = 4,
    .aa64isar0 = ISAR0_A5X | UINT64_C(2) << 20 /* Atomic: LSE */ | UINT64_C(1) << 28 /* RDM */,
    .aa64isar1 = UINT64_C(1) << 0 /* DPB: DC CVAP */ | UINT64_C(1) << 20 /* LRCPC */,
    .aa64mmfr0 = 0x101125, /* PARange 48 bits, also 16 KiB granules */
    .aa64mmfr1 = 2 << 0 /* HAFDBS: access flag and dirty state */ | 1 << 12 /* HPDS */ |
                 1 << 16 /* LO */ | 2 << 20 /* PAN, with AT S1E1RP and S1E1WP */,
    .aa64mmfr2 = 1 << 4 /* UAO */ | UINT64_C(1) << 36 /* IDST */,
    .pmceid0 = PMCEID0,
    .breakpoints = 6,
    .watchpoints = 4,
    .context_breakpoints = 2,
    .pmu_counters = 6,
    .cache = { { { 32 * KIB, 2, true }, { 48 * KIB, 3, true } }, { { 2 * MIB, 16, true } } },
};
