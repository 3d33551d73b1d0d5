/*
 * Exception entry and return, interrupts, calls, PSCI, timers. Expectations are from DDI 0487,
 * D1, D12, D17, and DEN 0022.
 */
#include "fake.h"
#include "../runner.h"
#include "sysregs.h"

static arm64_cpu *cpu;
static pb_vcpu *vcpu;

static void start(uint32_t el, bool el2, bool el3, uint8_t psci)
{
    fake_start("max", el2, el3, psci);
    vcpu = fake_vcpu(0);
    cpu = fake_state(0);
    cpu->sys[VBAR_EL1] = 0x10000;
    cpu->sys[VBAR_EL2] = 0x20000;
    cpu->sys[VBAR_EL3] = 0x30000;
    if (el3)
        cpu->sys[SCR_EL3] |= SCR_NS | SCR_HCE;
    fake_set_el(el);
    cpu->pc = 0x1000;
}

/* ---- entry and return ------------------------------------------------------------------------ */

static void test_svc(void)
{
    start(0, false, false, PSCI_NONE);
    cpu->sp = 0xaaaa;
    cpu->sys[SP_EL1] = 0xbbb0;
    arm64_set_nzcv(cpu, 0x60000000);
    arm64_svc(vcpu, 0x123);
    CU_ASSERT_EQUAL(cpu->pc, 0x10400);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL1], 0x15u << 26 | 1u << 25 | 0x123);
    CU_ASSERT_EQUAL(cpu->sys[ELR_EL1], 0x1004);
    CU_ASSERT_EQUAL(cpu->sys[SPSR_EL1], 0x60000000);
    CU_ASSERT_EQUAL(cpu->pstate, PSTATE_EL(1) | PSTATE_SP | PSTATE_DAIF);
    CU_ASSERT_EQUAL(cpu->sp, 0xbbb0);
    CU_ASSERT_EQUAL(cpu->sys[SP_EL0], 0xaaaa);
    CU_ASSERT_EQUAL(vcpu->unwind, 1);
    /* and back */
    arm64_set_nzcv(cpu, 0);
    arm64_eret(vcpu);
    CU_ASSERT_EQUAL(cpu->pc, 0x1004);
    CU_ASSERT_EQUAL(cpu->pstate, 0);
    CU_ASSERT_EQUAL(cpu->sp, 0xaaaa);
    CU_ASSERT_EQUAL(arm64_nzcv(cpu), 0x60000000);
    fake_stop();
}

static void test_vectors(void)
{
    /* From an exception level with SP_EL0 or SP_ELx, to EL1: offsets of D1, "Exception vectors". */
    start(1, false, false, PSCI_NONE);
    arm64_take_undefined(vcpu);
    CU_ASSERT_EQUAL(cpu->pc, 0x10200);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL1], 1u << 25);
    arm64_set_pstate(cpu, PSTATE_EL(1));
    arm64_take_undefined(vcpu);
    CU_ASSERT_EQUAL(cpu->pc, 0x10000);
    CU_ASSERT_EQUAL(cpu->sys[SPSR_EL1], PSTATE_EL(1));
    fake_stop();
}

static void test_pan_on_entry(void)
{
    start(0, false, false, PSCI_NONE);
    cpu->sys[SCTLR_EL1] &= ~SCTLR_SPAN;
    arm64_svc(vcpu, 0);
    CU_ASSERT_TRUE(cpu->pstate & PSTATE_PAN);
    fake_set_el(0);
    cpu->sys[SCTLR_EL1] |= SCTLR_SPAN;
    arm64_svc(vcpu, 0);
    CU_ASSERT_FALSE(cpu->pstate & PSTATE_PAN);
    fake_stop();
}

static void test_illegal_return(void)
{
    static const uint32_t bad[] = {
        PSTATE_NRW,               /* AArch32 */
        PSTATE_EL(2) | PSTATE_SP, /* higher */
        PSTATE_EL(1) | 2,         /* reserved */
        PSTATE_EL(0) | PSTATE_SP, /* EL0 has no SP_ELx */
    };

    for (uint32_t i = 0; i < PB_ARRAY_SIZE(bad); i++) {
        start(1, true, false, PSCI_NONE);
        cpu->sys[SPSR_EL1] = bad[i] | PSTATE_I | 0x80000000;
        cpu->sys[ELR_EL1] = 0x5000;
        arm64_eret(vcpu);
        CU_ASSERT_EQUAL(cpu->pstate, PSTATE_EL(1) | PSTATE_SP | PSTATE_I | PSTATE_IL);
        CU_ASSERT_EQUAL(cpu->pc, 0x5000);
        CU_ASSERT_EQUAL(arm64_nzcv(cpu), 0x80000000);
        fake_stop();
    }
}

static void test_aborts(void)
{
    pb_guest_fault fault = { .kind = PB_FAULT_WALK,
                             .type = PB_ACCESS_WRITE,
                             .gva = 0x4242,
                             .info = { FSC_TRANSLATION | 2 } };

    start(0, false, false, PSCI_NONE);
    arm64_raise(vcpu, &fault);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL1], 0x24u << 26 | 1u << 25 | 1 << 6 | 6);
    CU_ASSERT_EQUAL(cpu->sys[FAR_EL1], 0x4242);
    CU_ASSERT_EQUAL(cpu->sys[ELR_EL1], 0x1000);
    fault.type = PB_ACCESS_FETCH;
    arm64_raise(vcpu, &fault); /* now at EL1 */
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL1], 0x21u << 26 | 1u << 25 | 6);
    fault = (pb_guest_fault){ .kind = PB_FAULT_ALIGNMENT, .type = PB_ACCESS_READ };
    arm64_raise(vcpu, &fault);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL1], 0x25u << 26 | 1u << 25 | 0x21);
    fault.kind = PB_FAULT_BUS;
    arm64_raise(vcpu, &fault);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL1], 0x25u << 26 | 1u << 25 | 0x10);
    fake_stop();
}

static void test_stage2_abort(void)
{
    /* LDR W3, [X1]: size 2, register 3, the syndrome that translators leave in aux */
    pb_guest_fault fault = { .kind = PB_FAULT_WALK,
                             .type = PB_ACCESS_READ,
                             .gva = 0x4242,
                             .aux = 1u << 24 | 2u << 22 | 3u << 16,
                             .info = { FSC_TRANSLATION | 3 | FAULT_STAGE2, 0x9242 } };

    start(1, true, false, PSCI_NONE);
    arm64_raise(vcpu, &fault);
    CU_ASSERT_EQUAL(current_el(cpu), 2);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL2], 0x24u << 26 | 1u << 25 | 1u << 24 | 2u << 22 | 3u << 16 | 7);
    CU_ASSERT_EQUAL(cpu->sys[HPFAR_EL2], 0x90);
    CU_ASSERT_EQUAL(cpu->sys[FAR_EL2], 0x4242);
    fake_set_el(1);
    fault.info[0] |= FAULT_S1PTW;
    arm64_raise(vcpu, &fault);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL2], 0x24u << 26 | 1u << 25 | 1 << 7 | 7);
    fake_stop();
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static void raise_line(const char *name, bool level)
{
    for (const pb_port *port = arm64_ports; port->name; port++) {
        if (!strcmp(port->name, name)) {
            ((const pb_line_iface *)port->iface)->set(cpu, 0, level);
            return;
        }
    }
    CU_FAIL_FATAL("no such port");
}

static void test_irq(void)
{
    start(0, false, false, PSCI_NONE);
    CU_ASSERT_FALSE(arm64_interrupt(vcpu));
    raise_line("irq", true);
    CU_ASSERT_TRUE(vcpu->exit_request & PB_EXIT_INTERRUPT);
    CU_ASSERT_TRUE(arm64_has_work(vcpu));
    CU_ASSERT_TRUE(arm64_interrupt(vcpu));
    CU_ASSERT_EQUAL(cpu->pc, 0x10480);
    CU_ASSERT_EQUAL(cpu->sys[ELR_EL1], 0x1000);
    CU_ASSERT_EQUAL(vcpu->unwind, 0);
    CU_ASSERT_FALSE(arm64_interrupt(vcpu)); /* masked by PSTATE.I */
    CU_ASSERT_TRUE(arm64_has_work(vcpu));   /* but WFI would end */
    cpu->pstate &= ~PSTATE_I;
    raise_line("fiq", true);
    CU_ASSERT_TRUE(arm64_interrupt(vcpu)); /* F is masked: IRQ */
    CU_ASSERT_EQUAL(cpu->pc, 0x10280);
    raise_line("irq", false);
    cpu->pstate &= ~PSTATE_F;
    CU_ASSERT_TRUE(arm64_interrupt(vcpu));
    CU_ASSERT_EQUAL(cpu->pc, 0x10300);
    raise_line("fiq", false);
    CU_ASSERT_FALSE(arm64_has_work(vcpu));
    fake_stop();
}

static void test_irq_routing(void)
{
    start(1, true, true, PSCI_NONE);
    cpu->pstate |= PSTATE_DAIF;
    raise_line("irq", true);
    CU_ASSERT_FALSE(arm64_interrupt(vcpu));
    cpu->sys[HCR_EL2] |= HCR_IMO; /* to EL2: EL1 cannot mask it */
    CU_ASSERT_TRUE(arm64_interrupt(vcpu));
    CU_ASSERT_EQUAL(cpu->pc, 0x20480);
    CU_ASSERT_FALSE(arm64_interrupt(vcpu));
    cpu->sys[SCR_EL3] |= SCR_IRQ;
    CU_ASSERT_TRUE(arm64_interrupt(vcpu));
    CU_ASSERT_EQUAL(cpu->pc, 0x30480);
    fake_set_el(2);
    cpu->sys[SCR_EL3] &= ~SCR_IRQ;
    cpu->sys[HCR_EL2] &= ~HCR_IMO; /* to EL1: not taken at EL2 */
    CU_ASSERT_FALSE(arm64_interrupt(vcpu));
    fake_stop();
}

static void test_virtual_irq(void)
{
    start(1, true, false, PSCI_NONE);
    raise_line("virq", true);
    CU_ASSERT_FALSE(arm64_interrupt(vcpu));
    cpu->sys[HCR_EL2] |= HCR_IMO;
    CU_ASSERT_TRUE(arm64_interrupt(vcpu));
    CU_ASSERT_EQUAL(cpu->pc, 0x10280);
    raise_line("virq", false);
    cpu->pstate &= ~PSTATE_DAIF;
    CU_ASSERT_FALSE(arm64_interrupt(vcpu));
    cpu->sys[HCR_EL2] |= HCR_VI;
    CU_ASSERT_TRUE(arm64_interrupt(vcpu));
    fake_set_el(2);
    CU_ASSERT_FALSE(arm64_interrupt(vcpu));
    fake_stop();
}

static void test_unmasking(void)
{
    start(1, false, false, PSCI_NONE);
    cpu->pstate |= PSTATE_DAIF;
    raise_line("irq", true);
    vcpu->exit_request = 0;
    arm64_check_interrupts(vcpu, 0x1004);
    CU_ASSERT_EQUAL(vcpu->unwind, 0);
    cpu->pstate &= ~PSTATE_I;
    arm64_check_interrupts(vcpu, 0x1004);
    CU_ASSERT_EQUAL(vcpu->unwind, 1);
    CU_ASSERT_EQUAL(vcpu->leave_reason, PB_RUN_REQUEST);
    CU_ASSERT_EQUAL(cpu->pc, 0x1004);
    CU_ASSERT_TRUE(vcpu->exit_request & PB_EXIT_INTERRUPT);
    fake_stop();
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void test_hvc_smc(void)
{
    start(1, true, true, PSCI_NONE);
    arm64_hvc(vcpu, 5);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL2], 0x16u << 26 | 1u << 25 | 5);
    CU_ASSERT_EQUAL(cpu->sys[ELR_EL2], 0x1004);
    fake_set_el(1);
    cpu->pc = 0x1000;
    arm64_smc(vcpu, 6);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL3], 0x17u << 26 | 1u << 25 | 6);
    CU_ASSERT_EQUAL(cpu->sys[ELR_EL3], 0x1004);
    fake_set_el(1);
    cpu->pc = 0x1000;
    cpu->sys[HCR_EL2] |= HCR_TSC; /* trapped: the SMC itself is the return address */
    arm64_smc(vcpu, 6);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL2], 0x17u << 26 | 1u << 25 | 6);
    CU_ASSERT_EQUAL(cpu->sys[ELR_EL2], 0x1000);
    fake_set_el(1);
    cpu->pc = 0x1000;
    cpu->sys[SCR_EL3] &= ~SCR_HCE;
    arm64_hvc(vcpu, 5);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL1], 1u << 25);
    fake_stop();
    start(1, false, false, PSCI_NONE);
    arm64_hvc(vcpu, 0);
    CU_ASSERT_EQUAL(cpu->pc, 0x10200);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL1], 1u << 25);
    fake_stop();
}

static int64_t psci(uint32_t function, uint64_t x1, uint64_t x2, uint64_t x3)
{
    cpu->x[0] = function;
    cpu->x[1] = x1;
    cpu->x[2] = x2;
    cpu->x[3] = x3;
    cpu->pc = 0x1000;
    arm64_hvc(vcpu, 0);
    return (int64_t)cpu->x[0];
}

static void test_psci(void)
{
    start(1, false, false, PSCI_HVC);
    CU_ASSERT_EQUAL(psci(0x84000000, 0, 0, 0), 0x10001);
    CU_ASSERT_EQUAL(cpu->pc, 0x1004);
    CU_ASSERT_EQUAL(psci(0x8400000a, 0xc4000003, 0, 0), 0);
    CU_ASSERT_EQUAL(psci(0x8400000a, 0x84000099, 0, 0), -1);
    CU_ASSERT_EQUAL(psci(0x84000006, 0, 0, 0), 2);
    CU_ASSERT_EQUAL(psci(0x80000000, 0, 0, 0), 0x10001);
    CU_ASSERT_EQUAL(psci(0x84000099, 0, 0, 0), -1);
    /* AFFINITY_INFO: on, off, and none such */
    CU_ASSERT_EQUAL(psci(0xc4000004, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(psci(0xc4000004, 1, 0, 0), 1);
    CU_ASSERT_EQUAL(psci(0xc4000004, 2, 0, 0), -2);
    CU_ASSERT_EQUAL(psci(0xc4000004, 0, 1, 0), -2);
    fake_stop();
}

static void test_cpu_on(void)
{
    arm64_cpu *other;

    start(1, false, false, PSCI_HVC);
    other = fake_state(1);
    CU_ASSERT_FALSE(host.cpus[1].powered);
    CU_ASSERT_EQUAL(psci(0xc4000003, 1, 0x40002, 7), -9);
    CU_ASSERT_EQUAL(psci(0xc4000003, 5, 0x40000, 7), -2);
    CU_ASSERT_EQUAL(psci(0xc4000003, 1, UINT64_C(0x140000000), 7), 0);
    CU_ASSERT_TRUE(host.cpus[1].powered);
    CU_ASSERT_EQUAL(other->pc, UINT64_C(0x140000000));
    CU_ASSERT_EQUAL(other->x[0], 7);
    CU_ASSERT_EQUAL(other->pstate, PSTATE_EL(1) | PSTATE_SP | PSTATE_DAIF);
    CU_ASSERT_EQUAL(psci(0xc4000003, 1, 0x40000, 7), -4);
    psci(0x84000002, 0, 0, 0); /* CPU_OFF */
    CU_ASSERT_FALSE(host.cpus[0].powered);
    CU_ASSERT_EQUAL(vcpu->leave_reason, PB_RUN_POWER_OFF);
    fake_stop();

    /* by SMC from EL1 where EL2 is: the target starts in EL2 */
    start(1, true, false, PSCI_SMC);
    cpu->x[0] = 0xc4000003;
    cpu->x[1] = 1;
    cpu->x[2] = 0x40000;
    arm64_smc(vcpu, 0);
    CU_ASSERT_EQUAL(cpu->x[0], 0);
    CU_ASSERT_EQUAL(fake_state(1)->pstate, PSTATE_EL(2) | PSTATE_SP | PSTATE_DAIF);
    fake_stop();
}

static void test_psci_system(void)
{
    start(1, false, false, PSCI_HVC);
    psci(0x84000008, 0, 0, 0);
    CU_ASSERT_EQUAL(host.last_request, PB_MACHINE_POWER_OFF);
    CU_ASSERT_EQUAL(vcpu->leave_reason, PB_RUN_POWER_OFF);
    psci(0x84000009, 0, 0, 0);
    CU_ASSERT_EQUAL(host.last_request, PB_MACHINE_RESET);
    CU_ASSERT_EQUAL(host.requests, 2);
    vcpu->leave_reason = 0;
    CU_ASSERT_EQUAL(psci(0xc4000001, 0, 0, 0), 0); /* CPU_SUSPEND */
    CU_ASSERT_EQUAL(vcpu->leave_reason, PB_RUN_IDLE);
    fake_stop();
}

/* ---- timers ---------------------------------------------------------------------------------- */

static const arm64_sysreg *row_of(uint32_t encoding)
{
    const arm64_sysreg *row = arm64_sysreg_find(vcpu, encoding);

    CU_ASSERT_PTR_NOT_NULL_FATAL(row);
    return row;
}

static uint64_t mrs(uint32_t encoding)
{
    return arm64_sysreg_read(vcpu, row_of(encoding));
}

static void msr(uint32_t encoding, uint64_t value)
{
    arm64_sysreg_write(vcpu, row_of(encoding), value);
}

#define CNTPCT    PB_ARM_SYSREG(3, 3, 14, 0, 1)
#define CNTVCT    PB_ARM_SYSREG(3, 3, 14, 0, 2)
#define CNTV_TVAL PB_ARM_SYSREG(3, 3, 14, 3, 0)
#define CNTV_CTL  PB_ARM_SYSREG(3, 3, 14, 3, 1)
#define CNTV_CVAL PB_ARM_SYSREG(3, 3, 14, 3, 2)
#define CNTVOFF   PB_ARM_SYSREG(3, 4, 14, 0, 3)

static void test_timer(void)
{
    const pb_line *line;

    start(1, false, false, PSCI_NONE);
    line = &host.cpus[0].lines[TIMER_VIRT].line;
    host.now_ns = 1600; /* 100 ticks of 16 ns */
    CU_ASSERT_EQUAL(mrs(CNTPCT), 100);
    CU_ASSERT_EQUAL(mrs(PB_ARM_SYSREG(3, 3, 14, 0, 0)), 62500000);
    msr(CNTV_TVAL, 10);
    CU_ASSERT_EQUAL(mrs(CNTV_CVAL), 110);
    CU_ASSERT_EQUAL(cpu->timer[TIMER_VIRT]->deadline_ns, PB_TIMER_OFF); /* not enabled */
    msr(CNTV_CTL, 1);
    CU_ASSERT_EQUAL(cpu->timer[TIMER_VIRT]->deadline_ns, 1760);
    CU_ASSERT_FALSE(line->level);
    host.now_ns = 1759; /* early: it is set again */
    arm64_timer_expired_virt(cpu);
    CU_ASSERT_FALSE(line->level);
    host.now_ns = 1760;
    arm64_timer_expired_virt(cpu);
    CU_ASSERT_TRUE(line->level);
    CU_ASSERT_EQUAL(mrs(CNTV_CTL), 5); /* ISTATUS */
    msr(CNTV_CTL, 3);                  /* IMASK */
    CU_ASSERT_FALSE(line->level);
    msr(CNTV_CTL, 1);
    CU_ASSERT_TRUE(line->level);
    host.now_ns += 160;
    CU_ASSERT_EQUAL(mrs(CNTV_TVAL), 0xfffffff6);
    msr(CNTV_CVAL, UINT64_MAX); /* as Linux turns it off */
    CU_ASSERT_FALSE(line->level);
    CU_ASSERT_EQUAL(cpu->timer[TIMER_VIRT]->deadline_ns, PB_TIMER_OFF);
    CU_ASSERT_EQUAL(host.device_lock, 0);
    fake_stop();
}

static void test_virtual_offset(void)
{
    start(2, true, false, PSCI_NONE);
    host.now_ns = 16000;
    msr(CNTVOFF, 900);
    CU_ASSERT_EQUAL(mrs(CNTVCT), 100);
    msr(CNTV_CVAL, 150);
    msr(CNTV_CTL, 1);
    CU_ASSERT_EQUAL(cpu->timer[TIMER_VIRT]->deadline_ns, 1050 * 16);
    fake_stop();
}

static void test_software_step(void)
{
    start(1, false, false, PSCI_NONE);
    cpu->sys[OSLSR_EL1] = 8;
    cpu->sys[MDSCR_EL1] = MDSCR_SS;
    cpu->sys[SPSR_EL1] = PSTATE_SS;
    cpu->sys[ELR_EL1] = 0x2000;
    CU_ASSERT_FALSE(arm64_step_enabled(cpu, 1));
    arm64_eret(vcpu);
    CU_ASSERT_EQUAL(cpu->pstate, PSTATE_SS);
    cpu->pstate = 0; /* the step was done */
    arm64_take_step(vcpu);
    CU_ASSERT_EQUAL(cpu->sys[ESR_EL1], 0x32u << 26 | 1u << 25 | 0x22);
    CU_ASSERT_EQUAL(cpu->sys[ELR_EL1], 0x2000);
    fake_stop();
}

int main(void)
{
    static const unit_case cases[] = {
        { "SVC and ERET", test_svc },
        { "vectors", test_vectors },
        { "PAN on entry", test_pan_on_entry },
        { "illegal returns", test_illegal_return },
        { "aborts", test_aborts },
        { "stage 2 aborts", test_stage2_abort },
        { "IRQ and FIQ", test_irq },
        { "routing of interrupts", test_irq_routing },
        { "virtual interrupts", test_virtual_irq },
        { "unmasking", test_unmasking },
        { "HVC and SMC", test_hvc_smc },
        { "PSCI", test_psci },
        { "CPU_ON, CPU_OFF", test_cpu_on },
        { "SYSTEM_OFF, RESET, SUSPEND", test_psci_system },
        { "timer", test_timer },
        { "virtual offset", test_virtual_offset },
        { "software step", test_software_step },
        { 0 },
    };

    return unit_run("cpu-arm64 exceptions", cases);
}
