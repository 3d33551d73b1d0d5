/*
 * Generic timers: one counter for all processors, four timers each.
 *
 * Manual: DDI 0487, D12 "The Generic Timer in AArch64 state".
 *
 * The counter is machine time at the frequency of the `cntfrq` property. CTL, CVAL and CNTVOFF
 * change under the device lock only, since the main loop reads them when a timer expires.
 */
#include "cpu.h"
#include "sysregs.h"

#define NS_PER_S UINT64_C(1000000000)

#define CTL_ENABLE  1u
#define CTL_IMASK   2u
#define CTL_ISTATUS 4u

static const uint16_t ctl_of[TIMER_COUNT] = { CNTP_CTL_EL0, CNTV_CTL_EL0, CNTHP_CTL_EL2,
                                              CNTPS_CTL_EL1 };
static const uint16_t cval_of[TIMER_COUNT] = { CNTP_CVAL_EL0, CNTV_CVAL_EL0, CNTHP_CVAL_EL2,
                                               CNTPS_CVAL_EL1 };

uint64_t arm64_timer_ticks(const arm64_cpu *cpu, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * cpu->cntfrq_hz / NS_PER_S);
}

/* The first nanosecond at which the counter has reached a value; PB_TIMER_OFF if that is too far
 * away. */
static uint64_t ns_of_ticks(const arm64_cpu *cpu, uint64_t ticks)
{
    unsigned __int128 ns =
        ((unsigned __int128)ticks * NS_PER_S + cpu->cntfrq_hz - 1) / cpu->cntfrq_hz;

    return ns < PB_TIMER_OFF ? (uint64_t)ns : PB_TIMER_OFF;
}

static uint64_t physical_count(pb_vcpu *vcpu)
{
    return arm64_timer_ticks(cpu_of(vcpu), pb_clock_now_ns(vcpu->ops->clock(vcpu)));
}

/* What the timer's view of the counter lags behind the physical one. */
static uint64_t offset_of(const arm64_cpu *cpu, uint32_t timer)
{
    return timer == TIMER_VIRT ? cpu->sys[CNTVOFF_EL2] : 0;
}

static bool condition_met(const arm64_cpu *cpu, uint32_t timer, uint64_t count)
{
    return count - offset_of(cpu, timer) >= cpu->sys[cval_of[timer]];
}

/* Output and deadline of one timer. [device] */
static void update(pb_vcpu *vcpu, uint32_t timer)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint64_t ctl = cpu->sys[ctl_of[timer]];
    uint64_t due = cpu->sys[cval_of[timer]] + offset_of(cpu, timer);
    bool met = condition_met(cpu, timer, physical_count(vcpu));
    uint64_t deadline = PB_TIMER_OFF;

    if ((ctl & CTL_ENABLE) && !met && due >= cpu->sys[cval_of[timer]])
        deadline = ns_of_ticks(cpu, due);
    if (deadline == PB_TIMER_OFF)
        pb_timer_cancel(cpu->timer[timer]);
    else
        pb_timer_set(cpu->timer[timer], deadline);
    pb_line_set(cpu->timer_line[timer], (ctl & (CTL_ENABLE | CTL_IMASK)) == CTL_ENABLE && met);
}

void arm64_timers_update(pb_vcpu *vcpu)
{
    for (uint32_t timer = 0; timer < TIMER_COUNT; timer++)
        update(vcpu, timer);
}

void arm64_timer_expired_phys(void *self)
{
    update(pb_vcpu_of_state(self), TIMER_PHYS);
}
void arm64_timer_expired_virt(void *self)
{
    update(pb_vcpu_of_state(self), TIMER_VIRT);
}
void arm64_timer_expired_hyp(void *self)
{
    update(pb_vcpu_of_state(self), TIMER_HYP);
}
void arm64_timer_expired_sec(void *self)
{
    update(pb_vcpu_of_state(self), TIMER_SEC);
}

static void store_and_update(pb_vcpu *vcpu, uint32_t timer, uint32_t store, uint64_t value)
{
    vcpu->ops->lock_devices(vcpu);
    cpu_of(vcpu)->sys[store] = value;
    update(vcpu, timer);
    vcpu->ops->unlock_devices(vcpu);
}

/* ---- registers ------------------------------------------------------------------------------- */

uint64_t arm64_timer_count_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return physical_count(vcpu) - offset_of(cpu_of(vcpu), row->index);
}

uint64_t arm64_timer_ctl_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_cpu *cpu = cpu_of(vcpu);
    uint64_t ctl = cpu->sys[row->store];

    if ((ctl & CTL_ENABLE) && condition_met(cpu, row->index, physical_count(vcpu)))
        ctl |= CTL_ISTATUS;
    return ctl;
}

void arm64_timer_ctl_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    store_and_update(vcpu, row->index, (uint32_t)row->store, value);
}

void arm64_timer_cval_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    store_and_update(vcpu, row->index, (uint32_t)row->store, value);
}

uint64_t arm64_timer_tval_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_cpu *cpu = cpu_of(vcpu);
    uint64_t count = physical_count(vcpu) - offset_of(cpu, row->index);

    return (uint32_t)(cpu->sys[cval_of[row->index]] - count);
}

void arm64_timer_tval_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t count = physical_count(vcpu) - offset_of(cpu_of(vcpu), row->index);

    store_and_update(vcpu, row->index, cval_of[row->index],
                     count + (uint64_t)(int64_t)(int32_t)(uint32_t)value);
}

void arm64_timer_cntvoff_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    store_and_update(vcpu, TIMER_VIRT, CNTVOFF_EL2, value);
}
