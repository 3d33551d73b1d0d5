/*
 * What gdb sees of the processor: its features org.gnu.gdb.aarch64.core and .fpu, and the stored system registers.
 *
 * Manual: gdb, "Standard Target Features", "AArch64 Features"; DDI 0487, C5.2 "Special-purpose registers" for the fields of
 * cpsr, which gdb's description calls so: the condition flags and PSTATE, as SPSR has them.
 *
 * Left out: registers that are computed when they are read (MIDR_EL1, CNTVCT_EL0), SVE.
 */
#include "cpu.h"

static const char core_types[] =
    "<flags id=\"cpsr_flags\" size=\"4\">"
    "<field name=\"SP\" start=\"0\" end=\"0\"/><field name=\"EL\" start=\"2\" end=\"3\"/>"
    "<field name=\"nRW\" start=\"4\" end=\"4\"/><field name=\"F\" start=\"6\" end=\"6\"/>"
    "<field name=\"I\" start=\"7\" end=\"7\"/><field name=\"A\" start=\"8\" end=\"8\"/>"
    "<field name=\"D\" start=\"9\" end=\"9\"/><field name=\"IL\" start=\"20\" end=\"20\"/>"
    "<field name=\"SS\" start=\"21\" end=\"21\"/><field name=\"PAN\" start=\"22\" end=\"22\"/>"
    "<field name=\"UAO\" start=\"23\" end=\"23\"/><field name=\"V\" start=\"28\" end=\"28\"/>"
    "<field name=\"C\" start=\"29\" end=\"29\"/><field name=\"Z\" start=\"30\" end=\"30\"/>"
    "<field name=\"N\" start=\"31\" end=\"31\"/></flags>";

static const char fpu_types[] =
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v2u\" type=\"uint64\" count=\"2\"/>"
    "<vector id=\"v2i\" type=\"int64\" count=\"2\"/>"
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v4u\" type=\"uint32\" count=\"4\"/>"
    "<vector id=\"v4i\" type=\"int32\" count=\"4\"/>"
    "<vector id=\"v8u\" type=\"uint16\" count=\"8\"/>"
    "<vector id=\"v8i\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v16u\" type=\"uint8\" count=\"16\"/>"
    "<vector id=\"v16i\" type=\"int8\" count=\"16\"/>"
    "<vector id=\"v1u\" type=\"uint128\" count=\"1\"/>"
    "<vector id=\"v1i\" type=\"int128\" count=\"1\"/>"
    "<union id=\"vnd\"><field name=\"f\" type=\"v2d\"/><field name=\"u\" type=\"v2u\"/>"
    "<field name=\"s\" type=\"v2i\"/></union>"
    "<union id=\"vns\"><field name=\"f\" type=\"v4f\"/><field name=\"u\" type=\"v4u\"/>"
    "<field name=\"s\" type=\"v4i\"/></union>"
    "<union id=\"vnh\"><field name=\"u\" type=\"v8u\"/><field name=\"s\" type=\"v8i\"/></union>"
    "<union id=\"vnb\"><field name=\"u\" type=\"v16u\"/><field name=\"s\" type=\"v16i\"/></union>"
    "<union id=\"vnq\"><field name=\"u\" type=\"v1u\"/><field name=\"s\" type=\"v1i\"/></union>"
    "<union id=\"aarch64v\"><field name=\"d\" type=\"vnd\"/><field name=\"s\" type=\"vns\"/>"
    "<field name=\"h\" type=\"vnh\"/><field name=\"b\" type=\"vnb\"/>"
    "<field name=\"q\" type=\"vnq\"/></union>";

static const pb_gdb_feature features[] = {
    { "org.gnu.gdb.aarch64.core", 0, 33, .types = core_types },
    { "org.gnu.gdb.aarch64.fpu", 34, 67, .types = fpu_types, .vector = "aarch64v" },
    { 0 },
};

static uint64_t read_cpsr(pb_vcpu *vcpu)
{
    return arm64_spsr(cpu_of(vcpu));
}

#define PSTATE_WRITABLE (PSTATE_DAIF | PSTATE_IL | PSTATE_SS | PSTATE_PAN | PSTATE_UAO)
#define PSTATE_MODE     (PSTATE_SP | PSTATE_EL(3))

/* A level that the processor has, and EL0 with its own stack pointer alone. */
static bool is_mode(const arm64_cpu *cpu, uint32_t pstate)
{
    uint32_t el = PSTATE_GET_EL(pstate);

    return el <= arm64_highest_el(cpu) && (el != 2 || cpu->has_el2) &&
           (el > 0 || !(pstate & PSTATE_SP));
}

static void write_cpsr(pb_vcpu *vcpu, uint64_t value)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t mode = (uint32_t)value & PSTATE_MODE;

    if (!is_mode(cpu, mode))
        mode = cpu->pstate & PSTATE_MODE;
    arm64_set_nzcv(cpu, (uint32_t)value);
    arm64_set_pstate(cpu, mode | ((uint32_t)value & PSTATE_WRITABLE));
}

static uint64_t read_fpsr(pb_vcpu *vcpu)
{
    return arm64_fpsr(vcpu);
}

static void write_fpsr(pb_vcpu *vcpu, uint64_t value)
{
    arm64_set_fpsr(vcpu, (uint32_t)value);
}

static const pb_gdb_register registers[] = {
    { "cpsr", 33, 32, "cpsr_flags", read_cpsr, write_cpsr },
    { "fpsr", 66, 32, NULL, read_fpsr, write_fpsr },
    { 0 },
};

const pb_gdb_target arm64_gdb = {
    .size = sizeof(pb_gdb_target),
    .sp_slot = SLOT_SP,
    .architecture = "aarch64",
    .features = features,
    .registers = registers,
    .system = "org.patchbay.aarch64.system",
    .tls = "org.gnu.gdb.aarch64.tls",
    .tls_name = "tpidr",
    .tls_slot = SLOT_SYS0 + TPIDR_EL0,
};
